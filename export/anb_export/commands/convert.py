"""``anb-export convert``: makes an ONNX file of trained members, of any family."""

from __future__ import annotations

import argparse
from pathlib import Path

from anb_export.commands import _arguments, project
from anb_export.commands._show import note

HELP = "convert trained members into one ONNX file (trees, or kernels of support vector machines)"


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
    parser.add_argument(
        "--form",
        choices=("trees", "tree64", "projected"),
        help="trees: float32 leaves, for any onnxruntime (default); tree64: the same bits for any "
        "batch and number of threads, for onnxruntime >= 1.24; projected: small and fast, "
        "approximate, as `anb-export project` writes it. Support vector machines take none",
    )
    project.add_fidelity(parser.add_argument_group("with --form projected only"))


def run(arguments: argparse.Namespace) -> int:
    """Convert, write the file and list it in the manifest."""
    if arguments.form == "projected":
        return project.run(arguments)
    from anb_export.artifacts.convert import convert
    from anb_export.training.members_folder import read_training
    from anb_onnx.errors import AnbError
    from anb_onnx.writing.manifest import write_artifact

    _arguments.check_onnx_out(arguments.out)
    for option in ("dataset", "split", "n"):
        if getattr(arguments, option) is not None:
            msg = f"--{option} goes with --form projected only; leave it out"
            raise AnbError(msg)
    training = read_training(arguments.members)
    model, card = convert(training, form=arguments.form)
    write_artifact(arguments.out, model, training.target, card, space=training.space)
    note(f"wrote {arguments.out} ({len(model):,} bytes, {card['members']} members)")
    return 0
