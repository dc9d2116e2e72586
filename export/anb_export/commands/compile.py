"""``anb-export compile``: makes an ONNX file, in table form, of trained members."""

from __future__ import annotations

import argparse
from pathlib import Path

from anb_export.commands import _arguments
from anb_export.commands._show import note, say

HELP = "compile pair-limited members exactly into one ONNX file of integer tables"

#: Random architectures to compare with the leaves: enough to see an error, in about a second.
#: `anb-export verify` compares more.
_CHECKED_ROWS = 400


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument(
        "members",
        type=Path,
        metavar="DIR",
        help="folder that `anb-export train --recipe compact` wrote",
    )
    parser.add_argument(
        "--out",
        type=Path,
        required=True,
        metavar="FILE.onnx",
        help="file to write; manifest.json beside it gets an entry",
    )


def run(arguments: argparse.Namespace) -> int:
    """Compile, compare with the leaves, write the file and list it in the manifest."""
    from importlib.metadata import version

    from anb_export.artifacts.build import check
    from anb_export.artifacts.describe import describe
    from anb_export.graphs.table_form import build_table_model
    from anb_export.tables.of_training import compile_training
    from anb_export.training.members_folder import read_training
    from anb_onnx.writing.manifest import write_artifact

    _arguments.check_onnx_out(arguments.out)
    training = read_training(arguments.members)
    ensemble = compile_training(training)
    found = check(ensemble, training, n=_CHECKED_ROWS)
    card = describe(training, form="tables", versions={"onnx": version("onnx")})
    card |= {"link": ensemble.link.to_dict(), "verification": found}
    model = build_table_model(ensemble, card)
    write_artifact(arguments.out, model.content, training.target, model.card, space=training.space)
    say(
        f"{training.target}: at most {found['steps']} steps from the exact sum of leaves "
        f"(bound {found['bound']}) on {found['n']:,} random architectures"
    )
    note(f"wrote {arguments.out} ({len(model.content):,} bytes, {card['members']} members)")
    return 0
