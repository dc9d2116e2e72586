"""``anb-export convert``: makes an ONNX file, in tree form, of trained members."""

from __future__ import annotations

import argparse
from pathlib import Path

from anb_export.commands._show import note

HELP = "convert trained members into one ONNX file (tree form)"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument(
        "members", type=Path, metavar="DIR", help="folder that `anb-export train` wrote"
    )
    parser.add_argument(
        "--out",
        type=Path,
        required=True,
        metavar="FILE.onnx",
        help="file to write; manifest.json beside it gets an entry",
    )


def run(arguments: argparse.Namespace) -> int:
    """Convert, write the file and list it in the manifest."""
    from anb_export.convert import convert
    from anb_export.manifest import write_artifact
    from anb_export.training import read_training
    from anb_onnx.errors import AnbError

    if arguments.out.suffix != ".onnx":
        msg = f"--out must end in .onnx, found {arguments.out}"
        raise AnbError(msg)
    training = read_training(arguments.members)
    model, card = convert(training)
    write_artifact(arguments.out, model, training.target, card)
    note(f"wrote {arguments.out} ({len(model):,} bytes, {card['members']} members)")
    return 0
