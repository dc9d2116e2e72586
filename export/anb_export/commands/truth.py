"""``anb-export truth``: proves optima, fronts and ranks of a folder's targets."""

from __future__ import annotations

import argparse
from pathlib import Path

from anb_export.commands import _arguments
from anb_export.commands._show import note, say, sweep_progress

HELP = "prove optima and fronts of a benchmark's targets, and count all architectures by value"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument(
        "--out",
        type=Path,
        required=True,
        metavar="FOLDER",
        help="folder of a benchmark, as `anb-export build` writes it; gets truth.bin and its entry "
        "in manifest.json",
    )
    parser.add_argument(
        "--target",
        action="append",
        metavar="NAME",
        help="prove this target only, and keep what is proven of others; may be repeated "
        "(default: all)",
    )
    parser.add_argument(
        "--bins",
        type=_arguments.positive,
        metavar="N",
        help="bins of a distribution (default: 16384)",
    )
    parser.add_argument(
        "--best",
        type=_arguments.positive,
        metavar="N",
        help="how many of the best to list, at least (default: 4096)",
    )
    parser.add_argument(
        "--no-counts",
        action="store_true",
        help="count nothing, which takes minutes to hours; ranks of what was not counted yet are "
        "then known of the best only",
    )
    parser.add_argument(
        "--threads", type=_arguments.positive, metavar="N", help="threads (default: all CPUs)"
    )
    parser.add_argument(
        "--work",
        type=Path,
        metavar="DIR",
        help="folder for what is finished; a killed command goes on from there "
        "(default: build/truth, and the benchmark's name in it)",
    )


def run(arguments: argparse.Namespace) -> int:
    """Prove, write the file, and print one line per target."""
    from anb_export.artifacts.prove import BINS, N_BEST, Work, prove, prove_fronts
    from anb_export.artifacts.truth import known_truth, write_truth
    from anb_onnx.catalog.catalog import Catalog
    from anb_onnx.errors import AnbError
    from anb_onnx.sweep.grid import MAX_BINS

    if (arguments.bins or 0) > MAX_BINS:
        msg = f"--bins must be at most {MAX_BINS}, not {arguments.bins}"
        raise AnbError(msg)
    catalog = Catalog.read(arguments.out)
    names = arguments.target and [catalog.find(name).target.name for name in arguments.target]
    before = known_truth(arguments.out) if names else {}
    with sweep_progress() as progress:
        work = Work(
            catalog,
            arguments.work or Path("build/truth") / catalog.benchmark,
            bins=arguments.bins or BINS,
            n_best=arguments.best or N_BEST,
            threads=arguments.threads,
            counts=not arguments.no_counts,
            note=note,
            progress=progress,
        )
        found = prove_fronts(work, {**before, **prove(work, names)}, names)
    size = write_truth(arguments.out, found)
    for name, truth in found.items():
        optimum, worst, unit = truth.optimum, truth.worst, truth.unit
        resolution = truth.resolution
        known = "not counted" if resolution is None else f"ranks within {resolution:.2e} of all"
        say(
            f"{name:18} optimum {optimum.value:.6g} {unit}  worst {worst.value:.6g} {unit}  best "
            f"{len(truth.best)}  fronts {len(truth.fronts)}  {known}"
        )
    note(f"wrote {arguments.out / 'truth.bin'} ({size:,} bytes, {len(found)} targets)")
    return 0
