"""``anb-export build``: makes all artifacts of a benchmark from its data set, in one go."""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

from anb_export.commands import _arguments
from anb_export.commands._show import note, say, stage_progress

HELP = "train, compile, calibrate and verify the artifacts of a benchmark"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    _arguments.add_dataset(parser)
    parser.add_argument(
        "--out",
        type=Path,
        metavar="DIR",
        help="folder for ONNX files, manifest and golden vectors "
        "(default: artifacts/ and the name of the benchmark)",
    )
    parser.add_argument(
        "--work",
        type=Path,
        metavar="DIR",
        help="folder for members and out-of-fold predictions; what is finished there is reused "
        "(default: build/export, and the benchmark's name in it for data of your own)",
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
        help="compact recipes as `anb-export tune` writes them (default: the bundled ones; for "
        "data of your own one recipe for all targets)",
    )
    _arguments.add_terms(
        parser,
        more="; or all: one table of every architecture, where every one is measured",
    )
    _arguments.add_jobs(parser)


def run(arguments: argparse.Namespace) -> int:
    """Build, and print one line per target."""
    from anb_export.artifacts.build import build, check_name_of_folder
    from anb_export.training.compact import recipes_for

    dataset, split = _arguments.read_data(arguments)
    names = arguments.target or dataset.origin.targets
    targets = tuple(dataset.target(name).name for name in names)
    recipes = recipes_for(dataset, arguments.recipes)
    terms = _arguments.terms_of(arguments.terms, dataset.space)
    if terms is not None:
        recipes = {name: replace(recipe, terms=terms.blocks) for name, recipe in recipes.items()}
    out, work = _folders(arguments, dataset.origin.benchmark)
    check_name_of_folder(out, dataset.origin.benchmark)
    with stage_progress() as report:
        found = build(
            dataset,
            split,
            recipes,
            targets,
            work=work,
            out=out,
            lookup=arguments.terms == "all",
            jobs=arguments.jobs,
            report=report,
        )
    for built in found:
        card = built.card
        part = "test" if "test" in card["quality"] else "all"
        m = card["quality"][part]
        step = f"  steps of {card['rounding']['step']:g}" if "rounding" in card else ""
        say(
            f"{built.target:18} link {card['link']['name']:10} members {card['members']}  {part:4} "
            f"R2 {m['r2']:.4f}  tau {m['kendall_tau']:.4f}  MAE {m['mae']:.4g} {card['unit']}{step}"
        )
    total = sum(file.stat().st_size for file in out.iterdir() if file.is_file())
    note(f"wrote {len(found)} artifacts to {out} ({total / 1e6:.1f} MB in all)")
    return 0


def _folders(arguments: argparse.Namespace, benchmark: str) -> tuple[Path, Path]:
    """Return ``--out`` and ``--work``, or where they are by default."""
    from anb_onnx.catalog.benchmarks import DEFAULT_BENCHMARK

    work = Path("build/export")
    if benchmark != DEFAULT_BENCHMARK:  # members of equally named targets stay apart
        work /= benchmark
    return arguments.out or Path("artifacts") / benchmark, arguments.work or work
