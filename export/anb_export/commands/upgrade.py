"""``anb-export upgrade``: converts a folder of artifacts to what is written today."""

from __future__ import annotations

import argparse
from pathlib import Path

from anb_export.commands._show import note

HELP = "convert a folder of artifacts to what is written today; predictions keep their bits"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument(
        "folder", type=Path, metavar="FOLDER", help="folder with a manifest.json of schema 1 or 2"
    )
    parser.add_argument(
        "--out",
        type=Path,
        required=True,
        metavar="NEW_FOLDER",
        help="folder to write to; called as the benchmark, it can lie beside those of others",
    )
    parser.add_argument(
        "--benchmark",
        metavar="NAME",
        help="name of the benchmark (default: that of the new folder)",
    )


def run(arguments: argparse.Namespace) -> int:
    """Convert, and compare with the golden bits."""
    from anb_export.artifacts.upgrade import upgrade
    from anb_onnx.catalog.manifest import benchmark_name

    benchmark = arguments.benchmark or arguments.out.resolve().name
    source = "--benchmark" if arguments.benchmark else f"--out {arguments.out}"
    benchmark_name({"benchmark": benchmark}, source)
    targets = upgrade(arguments.folder, arguments.out, benchmark)
    note(f"wrote {len(targets)} artifacts of benchmark {benchmark!r} to {arguments.out}")
    return 0
