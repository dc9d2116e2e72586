"""``anb-export study``: fits predictors to more and more measurements, and reports on it."""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from anb_export.commands import _arguments, _study_choice, _study_select
from anb_export.commands._show import note, say
from anb_export.study import report_command
from anb_onnx._io.progress import Progress
from anb_onnx.errors import AnbError

if TYPE_CHECKING:
    from anb_export.study.plan import Fit
    from anb_export.study.protocol import Protocol
    from anb_export.study.rows import Row

HELP = "compare kinds of predictors over numbers of measurements, one row a fit"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.usage = "%(prog)s [-h] --out DIR [OPTION ...]\n       %(prog)s ACTION [OPTION ...]"
    _study_choice.add_measured(parser)
    _study_choice.add_choice(parser)
    parser.add_argument(
        "--out",
        type=Path,
        metavar="DIR",
        help="folder for fits.jsonl, to which each fit is added, and fits.parquet; what is there "
        "is not fitted again",
    )
    _arguments.add_jobs(parser)
    parser.add_argument(
        "--dry-run", action="store_true", help="tell how many fits there are, and fit nothing"
    )
    parser.add_argument(
        "--progress",
        action="store_true",
        help="show progress on standard error, also where that is no terminal",
    )
    _add_actions(parser)


def _add_actions(parser: argparse.ArgumentParser) -> None:
    """Add what is done with the rows of a study, as commands of its own."""
    actions = parser.add_subparsers(
        title="with the rows of a study", metavar="ACTION", prog=parser.prog
    )
    for name, module in (("report", report_command), ("select", _study_select)):
        action = actions.add_parser(
            name,
            help=module.HELP,
            description=module.HELP[0].upper() + module.HELP[1:] + ".",
        )
        module.add_arguments(action)
        action.set_defaults(run=module.run)


def run(arguments: argparse.Namespace) -> int:
    """Run what is left of the study."""
    from anb_export.study.rows import FITS, open_journal, rows_in
    from anb_export.study.running import run as run_study

    if arguments.out is None:
        msg = "--out is missing: the folder of the study"
        raise AnbError(msg)
    where = _study_choice.where_of(arguments)
    protocol = where.open()
    fits = _study_choice.plan_of(arguments, protocol)
    if arguments.dry_run:
        _tell(fits, protocol, rows_in(arguments.out))
        return 0
    progress = Progress("fits", show=arguments.progress)
    with open_journal(arguments.out) as journal, progress:
        run_study(
            where,
            fits,
            journal,
            jobs=arguments.jobs,
            on_row=lambda done, row: progress(done, len(fits)),
        )
    note(f"wrote {arguments.out / FITS}")
    return 0


def _tell(fits: Sequence[Fit], protocol: Protocol, rows: Sequence[Row]) -> None:
    """Print how many fits there are of each kind, and how many are done."""
    from anb_export.study.running import done

    had = done(rows, protocol)
    total = Counter(fit.predictor for fit in fits)
    ready = Counter(fit.predictor for fit in fits if (protocol.space, *vars(fit).values()) in had)
    for name, count in {**total, "in all": len(fits)}.items():
        finished = ready[name] if name in total else ready.total()
        say(f"{name:16} {count:7,} fits, {finished:,} of them done")
