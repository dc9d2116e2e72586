"""``anb-export info``: tells what a folder of members holds."""

from __future__ import annotations

import argparse
from pathlib import Path

from anb_export.commands._show import say

HELP = "tell what a folder of trained members holds"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument(
        "members", type=Path, metavar="DIR", help="folder that `anb-export train` wrote"
    )


def run(arguments: argparse.Namespace) -> int:
    """Check the folder and print what it holds."""
    from anb_export.data.splits import PARTS
    from anb_export.training.members_folder import read_training

    training = read_training(arguments.members)
    document = training.document
    facts, split, recipe = document["dataset"], document["split"], document["recipe"]
    say(f"target   {training.target} [{training.spec.unit}], recipe {recipe['name']}")
    say(f"data     {facts['n_used']} records, {facts['n_dropped']} dropped, {facts['sha256']}")
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
    return 0
