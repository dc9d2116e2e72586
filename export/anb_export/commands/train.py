"""``anb-export train``: trains the members of an ensemble."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from anb_export.commands import _arguments
from anb_export.commands._show import member_progress, note, say

if TYPE_CHECKING:
    from anb_export.data.dataset import Dataset
    from anb_export.training.members_folder import Training

HELP = "train the members of an ensemble for one target"

#: Members of an ensemble of each recipe, unless told otherwise.
_MEMBERS = {"upstream": 6, "compact": 8}
_FAMILIES = ("xgb", "lgb", "forest", "svr", "nusvr")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    _arguments.add_dataset(parser)
    parser.add_argument("--target", required=True, metavar="NAME", help="what to predict")
    parser.add_argument(
        "--out", type=Path, required=True, metavar="DIR", help="folder for the members"
    )
    parser.add_argument(
        "--recipe",
        choices=tuple(_MEMBERS),
        help="upstream: as the reference; compact: for exact tables, with bundled hyper-parameters "
        "(default: upstream, and compact for data of your own)",
    )
    parser.add_argument(
        "--family",
        choices=_FAMILIES,
        default="xgb",
        help="kind of model, for the upstream recipe (default: %(default)s)",
    )
    parser.add_argument(
        "--recipes",
        type=Path,
        metavar="FILE",
        help="compact recipes as `anb-export tune` writes them (default: the bundled ones; for "
        "data of your own one recipe for all targets)",
    )
    members = parser.add_mutually_exclusive_group()
    members.add_argument(
        "--members",
        type=_arguments.positive,
        metavar="M",
        help="number of members, with seeds 1 to M (default: 6, compact 8)",
    )
    members.add_argument(
        "--seeds", type=_arguments.seeds, metavar="S,S,...", help="a member for each of these seeds"
    )
    _arguments.add_terms(parser)
    _arguments.add_jobs(parser)


def run(arguments: argparse.Namespace) -> int:
    """Train, and print the quality on each part of the split."""
    from anb_export.data.splits import PARTS
    from anb_export.training.train_members import check_seeds
    from anb_onnx.errors import AnbError

    if arguments.recipe == "compact" and arguments.family != "xgb":
        msg = f"the compact recipe is for the family xgb, found --family {arguments.family}"
        raise AnbError(msg)
    dataset, split = _arguments.read_data(arguments)
    spec = dataset.target(arguments.target)
    recipe = arguments.recipe or _usual_recipe(arguments, dataset)
    if arguments.terms is not None and recipe != "compact":
        msg = f"--terms {arguments.terms} goes with --recipe compact only"
        raise AnbError(msg)
    count = arguments.members or _MEMBERS[recipe]
    seeds = arguments.seeds or list(range(1, count + 1))
    check_seeds(seeds)
    train, num_rounds = _prepare(arguments, dataset, recipe)
    with member_progress(len(seeds), num_rounds) as on_progress:
        training = train(dataset, split, tuple(seeds), on_progress)
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


def _usual_recipe(arguments: argparse.Namespace, dataset: Dataset) -> str:
    """Return the recipe where none is chosen: the reference's is for its own data only."""
    from anb_onnx.catalog.benchmarks import DEFAULT_BENCHMARK

    own = dataset.origin.benchmark != DEFAULT_BENCHMARK
    given = arguments.hyperparameters is not None or arguments.family != "xgb"
    return "compact" if own and not given else "upstream"


def _prepare(
    arguments: argparse.Namespace, dataset: Dataset, recipe_name: str
) -> tuple[Callable[..., Training], int]:
    """Return what trains the members, and the most rounds of one; read the recipe only."""
    target = arguments.target
    if recipe_name == "compact":
        from anb_export.artifacts.build import train_compact
        from anb_export.training.compact import recipes_for
        from anb_export.training.recipe import RecipeError
        from anb_onnx.errors import AnbError

        recipes = recipes_for(dataset, arguments.recipes)
        if target not in recipes:
            msg = f"no compact recipe for {target!r}; make one with `anb-export tune`"
            raise RecipeError(msg)
        compact = recipes[target]
        if arguments.terms == "all":
            msg = "--terms all needs no training: `anb-export build --terms all` writes the table"
            raise AnbError(msg)
        terms = _arguments.terms_of(arguments.terms, dataset.space)
        if terms is not None:
            compact = replace(compact, terms=terms.blocks)

        def by_compact(*given: Any) -> Training:
            dataset, split, seeds, on_progress = given
            return train_compact(
                dataset,
                split,
                target,
                compact,
                seeds,
                arguments.out,
                jobs=arguments.jobs,
                on_progress=on_progress,
            )

        return by_compact, compact.num_rounds

    from anb_export.training.family_recipe import family_recipe
    from anb_export.training.train_families import train_family

    recipe = family_recipe(arguments.family, target, _arguments.hyperparameters_of(arguments))

    def by_family(*given: Any) -> Training:
        dataset, split, seeds, on_progress = given
        return train_family(
            dataset,
            split,
            target,
            recipe,
            seeds,
            arguments.out,
            jobs=arguments.jobs,
            on_progress=on_progress,
        )

    return by_family, recipe.num_rounds or 1
