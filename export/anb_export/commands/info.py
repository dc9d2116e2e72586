"""``anb-export info``: tells what a folder of members, or a data set, holds."""

from __future__ import annotations

import argparse
from pathlib import Path

from anb_export.commands._show import say

HELP = "tell what a folder of trained members, or a data set, holds"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument(
        "path",
        type=Path,
        metavar="DIR|FILE",
        help="folder that `anb-export train` wrote; or a data set: the archive of Accel-NASBench, "
        "or a .json file that describes data of your own",
    )


def run(arguments: argparse.Namespace) -> int:
    """Check the folder or the data set, and print what it holds."""
    from anb_onnx.catalog.manifest import MANIFEST
    from anb_onnx.errors import AnbError

    if not arguments.path.exists():
        msg = (
            f"there is no file or folder {arguments.path}; `anb-export train` writes folders of "
            "members, `anb-export fetch-data` downloads a data set"
        )
        raise AnbError(msg)
    if (arguments.path / MANIFEST).is_file():
        msg = f"{arguments.path} is a folder of artifacts; see `anb-onnx targets --artifacts`"
        raise AnbError(msg)
    if arguments.path.is_file():
        _show_dataset(arguments.path)
    else:
        _show_members(arguments.path)
    return 0


def _show_dataset(path: Path) -> None:
    import numpy as np

    from anb_export.data.read import read_dataset

    dataset = read_dataset(path)
    origin, space = dataset.origin, dataset.space
    say(f"data       {origin.name}, {origin.license}, {len(dataset):,} records")
    say(f"benchmark  {origin.benchmark}")
    say(
        f"space      {space.name}: {space.n_blocks} blocks, {space.n_genes} genes, "
        f"{space.size:,} architectures"
    )
    for name, spec in origin.targets.items():
        values = dataset.values[name][~np.isnan(dataset.values[name])]
        low, middle, high = np.quantile(values, [0, 0.5, 1]) if len(values) else (np.nan,) * 3
        say(
            f"target     {name} [{spec.unit}], {spec.direction}: {len(values):,} values, "
            f"{low:.4g} to {high:.4g}, median {middle:.4g}"
        )


def _show_members(folder: Path) -> None:
    from anb_export.data.splits import PARTS
    from anb_export.training.members_folder import read_training

    training = read_training(folder)
    document = training.document
    facts, split, recipe = document["dataset"], document["split"], document["recipe"]
    origin = training.origin
    say(f"target   {training.target} [{training.spec.unit}], recipe {recipe['name']}")
    say(f"data     {facts['n_used']} records, {facts['n_dropped']} dropped, {facts['sha256']}")
    say(f"of       {origin.name}, {origin.license}; space {origin.space.name}")
    say(f"split    {split['name']}, {split['sha256']}")
    for part in PARTS:
        m = document["metrics"][part]
        say(
            f"{part:8} n {m['n']}  MAE {m['mae']:.4g}  R2 {m['r2']:.4f}  tau {m['kendall_tau']:.4f}"
        )
    what = {"forest": "trees", "svr": "support vectors", "nusvr": "support vectors"}
    for member in document["members"]:
        say(
            f"{member['file']}  seed {member['seed']}  fold {member['fold']}  "
            f"{member['rounds']} {what.get(training.family, 'rounds')}"
        )
