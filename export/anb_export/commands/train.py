"""``anb-export train``: trains the members of an ensemble."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from anb_export.commands import _arguments
from anb_export.commands._show import member_progress, note, say

HELP = "train the members of an ensemble for one target"

_RECIPES = ("upstream",)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    _arguments.add_dataset(parser)
    parser.add_argument("--target", required=True, metavar="NAME", help="what to predict")
    parser.add_argument(
        "--out", type=Path, required=True, metavar="DIR", help="folder for the members"
    )
    parser.add_argument(
        "--recipe", choices=_RECIPES, default="upstream", help="how to train (default: %(default)s)"
    )
    members = parser.add_mutually_exclusive_group()
    members.add_argument(
        "--members",
        type=_arguments.positive,
        default=6,
        metavar="M",
        help="number of members, with seeds 1 to M (default: %(default)s)",
    )
    members.add_argument(
        "--seeds", type=_arguments.seeds, metavar="S,S,...", help="a member for each of these seeds"
    )
    parser.add_argument(
        "--jobs",
        type=_arguments.positive,
        default=os.cpu_count() or 1,
        metavar="N",
        help="members trained at a time (default: %(default)s); the result does not depend on it",
    )


def run(arguments: argparse.Namespace) -> int:
    """Train, and print the quality on each part of the split."""
    from anb_export.dataset import read_dataset
    from anb_export.recipe import upstream_recipe
    from anb_export.splits import PARTS, read_split
    from anb_export.targets import get_target
    from anb_export.train import train

    spec = get_target(arguments.target)
    recipe = upstream_recipe(spec.name, _arguments.hyperparameters_of(arguments))
    dataset = read_dataset(arguments.dataset)
    split = read_split(dataset, _arguments.split_of(arguments))
    seeds = arguments.seeds or list(range(1, arguments.members + 1))
    with member_progress(len(seeds), recipe.num_rounds) as on_progress:
        training = train(
            dataset,
            split,
            spec.name,
            recipe,
            seeds,
            arguments.out,
            jobs=arguments.jobs,
            on_progress=on_progress,
        )
    facts = training.document["dataset"]
    if facts["n_dropped"]:
        note(f"{facts['n_dropped']} training records without {spec.name} were dropped")
    for part in PARTS:
        m = training.document["metrics"][part]
        say(
            f"{part:5}  n {m['n']:5}  MAE {m['mae']:.4g} {spec.unit}  RMSE {m['rmse']:.4g} "
            f"{spec.unit}  R2 {m['r2']:.4f}  Kendall tau {m['kendall_tau']:.4f}  "
            f"Spearman {m['spearman']:.4f}"
        )
    note(f"wrote {len(seeds)} members of {spec.name} to {arguments.out}")
    return 0
