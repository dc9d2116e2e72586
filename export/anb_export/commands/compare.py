"""``anb-export compare``: sets the compact recipe beside that of Accel-NASBench."""

from __future__ import annotations

import argparse
from pathlib import Path

from anb_export.commands import _arguments
from anb_export.commands._show import note, say, stage_progress

HELP = "train compact and upstream ensembles on one split and compare them on its test rows"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    _arguments.add_dataset(parser)
    parser.add_argument(
        "--out",
        type=Path,
        required=True,
        metavar="FILE.json",
        help="file for the figures; each target is stored as soon as it is done",
    )
    parser.add_argument(
        "--work",
        type=Path,
        default=Path("build/export"),
        metavar="DIR",
        help="folder for members; what `build` or a former run finished there is reused "
        "(default: %(default)s)",
    )
    parser.add_argument(
        "--target",
        action="append",
        metavar="NAME",
        help="compare this target only; may be repeated (default: all measured targets)",
    )
    parser.add_argument(
        "--recipes",
        type=Path,
        metavar="FILE",
        help="compact recipes as `anb-export tune` writes them (default: the bundled ones)",
    )
    parser.add_argument(
        "--artifacts",
        type=Path,
        default=Path("artifacts/accel-nasbench"),
        metavar="DIR",
        help="built artifacts, to state their size if there are any (default: %(default)s)",
    )
    _arguments.add_jobs(parser)


def run(arguments: argparse.Namespace) -> int:
    """Compare, and print the table."""
    from anb_export.reports.compare_recipes import compare, comparison_table
    from anb_export.training.compact import load_recipes

    dataset, split = _arguments.read_published(arguments)
    measured = [name for name, spec in dataset.origin.targets.items() if not spec.exact]
    targets = [dataset.target(name).name for name in arguments.target or measured]
    recipes = load_recipes(arguments.recipes)
    with stage_progress() as report:
        document = compare(
            dataset,
            split,
            targets,
            recipes,
            _arguments.hyperparameters_of(arguments),
            work=arguments.work,
            out=arguments.out,
            artifacts=arguments.artifacts,
            jobs=arguments.jobs,
            report=report,
        )
    say(comparison_table(document))
    note(f"wrote {arguments.out}: {len(document['targets'])} targets, split {split.name}")
    return 0
