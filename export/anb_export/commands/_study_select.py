"""``anb-export study select``: what wrong predictions cost, and what a few measurements save."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from anb_export.commands import _arguments, _study_choice
from anb_export.commands._show import note
from anb_onnx._io.progress import Progress
from anb_onnx._io.show import printable

HELP = "select architectures by predictions, measure the best of them, and tell what was lost"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the action."""
    _study_choice.add_measured(parser)
    _study_choice.add_choice(parser)
    parser.add_argument(
        "--out",
        type=Path,
        required=True,
        metavar="DIR",
        help="folder for selection.jsonl, to which the rows of each fit are added, and "
        "selection.parquet; what is there is not done again",
    )
    _arguments.add_jobs(parser)
    parser.add_argument(
        "--progress",
        action="store_true",
        help="show progress on standard error, also where that is no terminal",
    )


def run(arguments: argparse.Namespace) -> int:
    """Run what is left, and print a table of what all of it says."""
    from anb_export.study.report_selection import read_selections, selection_section
    from anb_export.study.rows import open_journal
    from anb_export.study.selecting import OF_SELECTIONS
    from anb_export.study.selecting import run as run_selections
    from anb_export.study.selection import accuracy_of

    where = _study_choice.where_of(arguments)
    protocol = where.open()
    fits = _study_choice.plan_of(arguments, protocol)
    for fit in fits:
        accuracy_of(protocol, fit.target)  # refused before the first is fitted
    progress = Progress("fits", show=arguments.progress)
    with open_journal(arguments.out, OF_SELECTIONS) as journal, progress:
        run_selections(
            where,
            fits,
            journal,
            jobs=arguments.jobs,
            on_rows=lambda done: progress(done, len(fits)),
        )
    found = read_selections([arguments.out])[protocol.space]
    sys.stdout.write(printable("\n\n".join(selection_section(found)) + "\n", keep="\n"))
    note(f"wrote {arguments.out / OF_SELECTIONS.parquet}")
    return 0
