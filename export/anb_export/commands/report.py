"""``anb-export report``: writes a model card per target, and the overview of all."""

from __future__ import annotations

import argparse
from pathlib import Path

from anb_export.commands import _arguments
from anb_export.commands._show import note, say

HELP = "write a model card with a plot for each artifact, and an overview"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    _arguments.add_dataset(parser)
    parser.add_argument(
        "--artifacts",
        type=Path,
        default=Path("artifacts/accel-nasbench"),
        metavar="DIR",
        help="folder that `build` wrote (default: %(default)s)",
    )
    parser.add_argument(
        "--comparison",
        type=Path,
        required=True,
        metavar="FILE.json",
        help="what `compare` wrote for the same split",
    )
    parser.add_argument(
        "--comparison-random",
        type=Path,
        metavar="FILE.json",
        help="what `compare` wrote for a random split",
    )
    parser.add_argument(
        "--work",
        type=Path,
        default=Path("build/export"),
        metavar="DIR",
        help="working folder of `build` (default: %(default)s)",
    )
    parser.add_argument(
        "--out",
        type=Path,
        default=Path("docs/cards"),
        metavar="DIR",
        help="folder for the cards (default: %(default)s)",
    )
    parser.add_argument(
        "--readme",
        type=Path,
        default=Path("README.md"),
        metavar="FILE",
        help="page that receives the overview between <!-- cards:begin --> and <!-- cards:end -->, "
        "if it has these (default: %(default)s)",
    )


def run(arguments: argparse.Namespace) -> int:
    """Write the cards, and print the overview."""
    from anb_export.reports.report import Sources, write_report

    dataset, split = _arguments.read_published(arguments)
    sources = Sources(
        arguments.dataset,
        arguments.artifacts,
        arguments.work,
        arguments.comparison,
        arguments.comparison_random,
    )
    say(write_report(dataset, split, sources, arguments.out, readme=arguments.readme))
    note(f"wrote cards to {arguments.out}")
    return 0
