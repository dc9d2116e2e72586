"""``anb-export tune``: chooses the compact recipe of a target on validation folds."""

from __future__ import annotations

import argparse
from pathlib import Path

from anb_export.commands import _arguments
from anb_export.commands._show import note, say, trial_progress

HELP = "choose link and hyper-parameters of the compact recipe, on validation folds only"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    _arguments.add_dataset(parser)
    parser.add_argument("--target", required=True, metavar="NAME")
    parser.add_argument(
        "--trials",
        type=_arguments.positive,
        default=60,
        metavar="N",
        help="trials the study shall have; those done before count (default: %(default)s)",
    )
    parser.add_argument(
        "--study",
        type=Path,
        default=Path("build/studies"),
        metavar="DIR",
        help="folder of the studies' journals, which let an interrupted study go on "
        "(default: %(default)s)",
    )
    parser.add_argument(
        "--out",
        type=Path,
        required=True,
        metavar="FILE.json",
        help="file of recipes; the target's entry in it is replaced",
    )


def run(arguments: argparse.Namespace) -> int:
    """Run the study and store the recipe it chose."""
    from anb_export.dataset import read_dataset
    from anb_export.splits import read_split
    from anb_export.targets import get_target
    from anb_export.tune import store_recipe, tune
    from anb_onnx.errors import AnbError

    spec = get_target(arguments.target)
    if spec.exact:
        msg = f"{spec.name} is an exact count: there is nothing to tune"
        raise AnbError(msg)
    dataset = read_dataset(arguments.dataset)
    split = read_split(dataset, _arguments.split_of(arguments))
    with trial_progress(spec.name, arguments.trials) as on_trial:
        entry = tune(
            dataset,
            split.pool,
            spec.name,
            n_trials=arguments.trials,
            storage=arguments.study / f"{spec.name}.journal",
            on_trial=on_trial,
        )
    store_recipe(arguments.out, spec.name, entry)
    for found in entry["study"]["ensembles"]:
        say(
            f"trial {found['trial']:3}  link {found['link']:12}  R2 {found['r2']:.5f}  "
            f"tau {found['kendall_tau']:.5f}  MAE {found['mae']:.5g} {spec.unit}"
        )
    note(f"stored the recipe of trial {entry['study']['chosen_trial']} in {arguments.out}")
    return 0
