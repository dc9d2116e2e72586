"""``anb-export verify``: compares an ONNX file with the members it was made from."""

from __future__ import annotations

import argparse
from pathlib import Path

from anb_export.commands import _arguments
from anb_export.commands._show import note, say

HELP = "compare an ONNX file with the members it was made from"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("file", type=Path, metavar="FILE.onnx")
    parser.add_argument(
        "members", type=Path, metavar="MEMBERS_DIR", help="folder that `anb-export train` wrote"
    )
    parser.add_argument(
        "--n",
        type=_arguments.positive,
        default=100_000,
        help="number of random architectures (default: %(default)s)",
    )
    parser.add_argument("--seed", type=int, default=0, help="their seed (default: %(default)s)")
    parser.add_argument(
        "--tolerance",
        type=float,
        default=1e-4,
        metavar="T",
        help="largest difference to the exact sum of leaves, in standard deviations of the "
        "target (default: %(default)s)",
    )


def run(arguments: argparse.Namespace) -> int:
    """Compare, print and store the differences; 1 if one is too large."""
    from anb_export.graphs.verify_graph import XGBOOST_TOLERANCE, verify
    from anb_export.training.members_folder import read_training
    from anb_onnx.errors import AnbError
    from anb_onnx.writing.manifest import find_entry, update_entry

    training = read_training(arguments.members)
    try:
        model = arguments.file.read_bytes()
    except OSError as error:
        msg = f"cannot read {arguments.file}: {error.strerror}"
        raise AnbError(msg) from error
    target, _ = find_entry(arguments.file)
    if target != training.target:
        msg = f"{arguments.file} predicts {target}, {arguments.members} holds {training.target}"
        raise AnbError(msg)
    found = verify(model, training, n=arguments.n, seed=arguments.seed)
    say(
        f"{training.target}: largest difference on {found.n:,} random architectures (seed "
        f"{found.seed}), in standard deviations of the target ({training.target_std:.4g} "
        f"{training.spec.unit})"
    )
    for index, (exact, own) in enumerate(zip(found.exact.members, found.xgboost, strict=True)):
        say(f"member {index}  to the exact sum of leaves {exact:.2e}  to xgboost {own:.2e}")
    say(f"mean      to the exact sum of leaves {found.exact.mean:.2e}")
    say(f"std       to the exact sum of leaves {found.exact.std:.2e}")
    # "not <=" so that NaN fails.
    if not found.exact.largest <= arguments.tolerance:
        note(f"FAILED: {found.exact.largest:.2e} exceeds the tolerance {arguments.tolerance:.2e}")
        return 1
    if not max(found.xgboost) <= XGBOOST_TOLERANCE:
        note(f"FAILED: {max(found.xgboost):.2e} to xgboost exceeds {XGBOOST_TOLERANCE:.2e}")
        return 1
    # In the manifest, not in a file of its own: there the figures are tied to the file's sha256,
    # and travel with the artifact. A failed verification is not stored.
    # What `compile` and `build` found about tables stays beside it.
    update_entry(
        arguments.file,
        lambda entry: {
            **entry,
            "verification": {**entry.get("verification", {}), **found.to_dict()},
        },
    )
    note(f"verified; stored in {arguments.file.parent / 'manifest.json'}")
    return 0
