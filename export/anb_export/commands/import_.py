"""``anb-export import``: makes ONNX files of models that were trained elsewhere."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from anb_export.commands import _arguments
from anb_export.commands._show import note, say

if TYPE_CHECKING:
    from anb_export.importing import Source

HELP = "convert the reference's checkpoints, or any model files, into ONNX files"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument(
        "paths",
        type=Path,
        nargs="+",
        metavar="PATH",
        help="folder of checkpoints in the reference's layout (a member, an ensemble, the whole "
        "tree); or, with --target, the model files of one ensemble",
    )
    parser.add_argument(
        "--out", type=Path, required=True, metavar="DIR", help="folder for the ONNX files"
    )
    parser.add_argument(
        "--form",
        choices=("tree64", "trees", "tables", "projected"),
        help="tree64: the same bits for any batch and thread count, for onnxruntime >= 1.24 "
        "(default); trees: float32 leaves, for any onnxruntime; tables: exact, for models that mix "
        "at most two blocks in a tree's path; projected: small and fast, approximate",
    )
    parser.add_argument(
        "--best-iteration",
        action="store_true",
        help="cut each model off after its best round; the reference uses all rounds of xgboost",
    )
    parser.add_argument("--target", metavar="NAME", help="what given model files predict")
    parser.add_argument(
        "--dataset",
        type=Path,
        metavar="PATH",
        help="measurements, to state the quality on the test rows of --split",
    )
    parser.add_argument(
        "--split",
        metavar="DIR|random:SEED",
        help="split of --dataset (default: default_split beside the data set)",
    )


def run(arguments: argparse.Namespace) -> int:
    """Import every ensemble found, and print a line for each."""
    from anb_export.dataset import read_dataset
    from anb_export.importing import import_models
    from anb_export.manifest import write_artifact
    from anb_export.splits import read_split

    dataset = split = None
    if arguments.dataset is not None:
        dataset = read_dataset(arguments.dataset)
        split = read_split(dataset, _arguments.split_of(arguments))
    for target, family, read in _ensembles(arguments):
        model, card = import_models(
            target, read(), form=arguments.form, dataset=dataset, split=split
        )
        path = arguments.out / family / f"{target}.onnx"
        write_artifact(path, model, target, card)
        say(f"{target:18} {card['family']:6} members {card['members']}  {_outcome(card)}")
        note(f"wrote {path} ({len(model):,} bytes, form {card['form']})")
    return 0


def _ensembles(
    arguments: argparse.Namespace,
) -> list[tuple[str, str, Callable[[], Sequence[Source]]]]:
    """Return target, subfolder and reader of each ensemble; members are read one at a time."""
    from anb_export.checkpoints import MODEL_FILE, find_checkpoints
    from anb_export.importing import read_source, read_sources
    from anb_export.targets import get_target
    from anb_onnx.errors import AnbError

    paths, best = arguments.paths, arguments.best_iteration
    if arguments.target is not None:
        name = get_target(arguments.target).name
        return [(name, "", lambda: [read_source(path, best=best) for path in paths])]
    if len(paths) > 1 or (paths[0].is_file() and paths[0].name != MODEL_FILE):
        msg = "model files do not say what they predict; give it with --target"
        raise AnbError(msg)
    found = find_checkpoints(paths[0])
    # Two families may predict one target: then each family has a folder with a manifest.
    several = len({ensemble.family for ensemble in found}) > 1
    return [
        (e.target, e.family if several else "", partial(read_sources, e, best_iteration=best))
        for e in found
    ]


def _outcome(card: dict[str, Any]) -> str:
    parts = []
    if "verification" in card:
        largest = card["verification"]["largest"]
        parts.append(f"at most {largest:.2g} standard deviations from the models")
    if "arithmetic" in card:
        error = card["arithmetic"]["leaf_rounding"]
        parts.append(f"order-independent, within {error:.2g} {card['unit']} of the leaves' sum")
    if "fidelity" in card:
        parts.append(f"projected, R2 {card['fidelity']['r2']:.5g} to the models")
    if card["quality"]:
        m = card["quality"]["test"]
        parts.append(f"test R2 {m['r2']:.4f} tau {m['kendall_tau']:.4f} MAE {m['mae']:.4g}")
    return ", ".join(parts)
