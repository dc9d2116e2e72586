"""``anb-export build``: makes the bundled artifacts from the data set, in one go."""

from __future__ import annotations

import argparse
from pathlib import Path

from anb_export.commands import _arguments
from anb_export.commands._show import note, say, stage_progress

HELP = "train, compile, calibrate and verify the artifacts of all targets"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    _arguments.add_dataset(parser)
    parser.add_argument(
        "--out",
        type=Path,
        default=Path("artifacts/accel-nasbench"),
        metavar="DIR",
        help="folder for ONNX files, manifest and golden vectors (default: %(default)s)",
    )
    parser.add_argument(
        "--work",
        type=Path,
        default=Path("build/export"),
        metavar="DIR",
        help="folder for members and out-of-fold predictions; what is finished there is reused "
        "(default: %(default)s)",
    )
    parser.add_argument(
        "--target",
        action="append",
        metavar="NAME",
        help="build this target only; may be repeated (default: all)",
    )
    parser.add_argument(
        "--recipes",
        type=Path,
        metavar="FILE",
        help="compact recipes as `anb-export tune` writes them (default: the bundled ones)",
    )
    _arguments.add_jobs(parser)


def run(arguments: argparse.Namespace) -> int:
    """Build, and print one line per target."""
    from anb_export.artifacts.build import build
    from anb_export.training.compact import load_recipes

    dataset, split = _arguments.read_data(arguments)
    names = arguments.target or dataset.origin.targets
    targets = tuple(dataset.target(name).name for name in names)
    recipes = load_recipes(arguments.recipes)
    with stage_progress() as report:
        found = build(
            dataset,
            split,
            recipes,
            targets,
            work=arguments.work,
            out=arguments.out,
            jobs=arguments.jobs,
            report=report,
        )
    for built in found:
        card, m = built.card, built.card["quality"]["test"]
        say(
            f"{built.target:18} link {card['link']['name']:10} members {card['members']}  test "
            f"R2 {m['r2']:.4f}  tau {m['kendall_tau']:.4f}  MAE {m['mae']:.4g} {card['unit']}"
        )
    total = sum(file.stat().st_size for file in arguments.out.iterdir() if file.is_file())
    note(f"wrote {len(found)} artifacts to {arguments.out} ({total / 1e6:.1f} MB in all)")
    return 0
