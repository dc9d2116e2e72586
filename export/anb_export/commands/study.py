"""``anb-export study``: fits predictors to more and more measurements, and reports on it."""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from anb_export.commands import _arguments
from anb_export.commands._show import note, say
from anb_export.study import report_command
from anb_onnx._io.progress import Progress
from anb_onnx.errors import AnbError

if TYPE_CHECKING:
    from anb_export.predictors.contract import Kind
    from anb_export.study.plan import Fit
    from anb_export.study.protocol import Protocol
    from anb_export.study.rows import Row
    from anb_export.study.running import Where

HELP = "compare kinds of predictors over numbers of measurements, one row a fit"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.usage = "%(prog)s [-h] --out DIR [OPTION ...]\n       %(prog)s ACTION [OPTION ...]"
    parser.add_argument(
        "--space",
        metavar="NAME",
        help="nasbench201, fbnet or ofa, with --data; or accel-nasbench, with --dataset "
        "(default: what --dataset holds)",
    )
    measured = parser.add_mutually_exclusive_group()
    measured.add_argument(
        "--data",
        type=Path,
        metavar="DIR",
        help="folder with help_nb201.npz, hwnas_nb201.npz, help_fbnet.npz or help_ofa.npz",
    )
    measured.add_argument("--dataset", type=Path, metavar="PATH", help=_arguments.DATASET_HELP)
    parser.add_argument(
        "--split",
        metavar="DIR|random:SEED",
        help="of --dataset: as for `anb-export train`",
    )
    _add_choice(parser)
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
    for name, module in (("report", report_command),):
        action = actions.add_parser(
            name,
            help=module.HELP,
            description=module.HELP[0].upper() + module.HELP[1:] + ".",
        )
        module.add_arguments(action)
        action.set_defaults(run=module.run)


def _add_choice(parser: argparse.ArgumentParser) -> None:
    """Add what to study."""
    parser.add_argument(
        "--targets",
        type=_names,
        metavar="NAME,...",
        help="what to predict (default: the five sets of the paper, the eight of Accel-NASBench "
        "that are of a device, HELP's test devices, or all that you measured)",
    )
    parser.add_argument(
        "--predictors",
        type=_names,
        metavar="NAME,...",
        help="kinds of predictors (default: all that are installed)",
    )
    parser.add_argument(
        "--sizes",
        type=_sizes,
        metavar="N,...",
        help="numbers of measurements (default: 11,25,55,124,276,614,1366,3036,15000 as far as "
        "there are so many; for accel-nasbench 50,200,1000,4000)",
    )
    parser.add_argument(
        "--seeds",
        default="50",
        metavar="SEEDS",
        help="how many, or which: 50 or 0-49; with others from a size on: 25,3036:5 are 25 seeds, "
        "but 5 from size 3036 on (default: %(default)s)",
    )


def _names(text: str) -> list[str]:
    names = [name.strip() for name in text.split(",")]
    if not all(names) or len(set(names)) != len(names):
        msg = f"expected different names separated by commas, found {text!r}"
        raise argparse.ArgumentTypeError(msg)
    return names


def _sizes(text: str) -> list[int]:
    sizes = [_arguments.positive(item.strip()) for item in text.split(",")]
    if len(set(sizes)) != len(sizes):
        msg = f"expected different numbers separated by commas, found {text!r}"
        raise argparse.ArgumentTypeError(msg)
    return sizes


def run(arguments: argparse.Namespace) -> int:
    """Run what is left of the study."""
    from anb_export.study.rows import FITS, open_journal, rows_in
    from anb_export.study.running import run as run_study

    if arguments.out is None:
        msg = "--out is missing: the folder of the study"
        raise AnbError(msg)
    where = _where(arguments)
    protocol = where.open()
    fits = _plan(arguments, protocol)
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


def _where(arguments: argparse.Namespace) -> Where:
    """Return where the measurements are.

    Raises
    ------
    AnbError
        If it is not said, or an option has no sense with it.
    """
    from anb_export.study.running import Where

    space, data, dataset = arguments.space, arguments.data, arguments.dataset
    if data is None and dataset is None:
        msg = (
            "nothing to study: --data DIR and --space nasbench201, fbnet or ofa; or --dataset PATH"
        )
        raise AnbError(msg)
    if data is not None and space is None:
        msg = "--data holds several spaces: --space nasbench201, fbnet or ofa says which"
        raise AnbError(msg)
    return Where(space, str(dataset if data is None else data), arguments.split)


def _plan(arguments: argparse.Namespace, protocol: Protocol) -> list[Fit]:
    """Return the fits that are asked for."""
    from anb_export.study.plan import parse_seeds, plan

    targets = arguments.targets or protocol.targets
    most = min(protocol.largest(target) for target in targets)
    usual = [size for size in protocol.sizes if size <= most]
    sizes = sorted(arguments.sizes or usual)
    if not sizes:
        msg = f"there are {most} rows to fit to; --sizes says how many of them are taken"
        raise AnbError(msg)
    seeds = parse_seeds(arguments.seeds)
    return plan(protocol, targets, _kinds(arguments, protocol), sizes, seeds)


def _kinds(arguments: argparse.Namespace, protocol: Protocol) -> Sequence[Kind]:
    """Return the kinds that are named, or all that can be fitted here.

    Raises
    ------
    PredictorError
        If one that is named cannot be.
    """
    from anb_export.predictors.contract import PredictorError
    from anb_export.predictors.registry import KINDS, kind_of
    from anb_export.study.plan import why_not

    if arguments.predictors is not None:
        named = [kind_of(name) for name in arguments.predictors]
        for kind in named:
            if why := why_not(kind, protocol):
                msg = f"the predictor {kind.name!r} is not for this: {why}"
                raise PredictorError(msg)
        return named
    found = []
    for kind in KINDS:
        if why := why_not(kind, protocol):
            note(f"left out {kind.name}: {why}")
        else:
            found.append(kind)
    return found


def _tell(fits: Sequence[Fit], protocol: Protocol, rows: Sequence[Row]) -> None:
    """Print how many fits there are of each kind, and how many are done."""
    from anb_export.study.running import done

    had = done(rows, protocol)
    total = Counter(fit.predictor for fit in fits)
    ready = Counter(fit.predictor for fit in fits if (protocol.space, *vars(fit).values()) in had)
    for name, count in {**total, "in all": len(fits)}.items():
        finished = ready[name] if name in total else ready.total()
        say(f"{name:16} {count:7,} fits, {finished:,} of them done")
