"""``anb-export tune``: chooses the compact recipe of a target on validation folds."""

from __future__ import annotations

import argparse
from pathlib import Path

from anb_export.commands import _arguments
from anb_export.commands._show import note, say, stage_progress, trial_progress

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
        "--refit",
        type=Path,
        metavar="FILE.json",
        help="run no trials: keep link and hyper-parameters of the target's recipe in this file, "
        "and fit its hinges and regime anew",
    )
    _arguments.add_jobs(parser)
    parser.add_argument(
        "--out",
        type=Path,
        required=True,
        metavar="FILE.json",
        help="file of recipes; the target's entry in it is replaced",
    )


def run(arguments: argparse.Namespace) -> int:
    """Run the study, or its last step alone, and store the recipe it chose."""
    from anb_export.training.choose_hinges import refit
    from anb_export.training.tune_compact import check_store, read_entry, store_recipe, tune
    from anb_onnx.errors import AnbError

    check_store(arguments.out)
    dataset, split = _arguments.read_data(arguments)
    spec = dataset.target(arguments.target)
    if spec.exact:
        msg = f"{spec.name} is an exact count: there is nothing to tune"
        raise AnbError(msg)
    if arguments.refit is not None:
        before = read_entry(arguments.refit, spec.name)
        with stage_progress() as report:
            entry = refit(
                dataset,
                split.pool,
                spec.name,
                before,
                arguments.study,
                jobs=arguments.jobs,
                on_progress=report(f"{spec.name}: out-of-fold ensembles"),
            )
        store_recipe(arguments.out, spec.name, entry)
        for when, found in entry["study"]["out_of_fold"].items():
            _show(when.replace("_", " "), found, spec.unit)
        return 0
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
        _show(f"trial {found['trial']:3}  link {found['link']:12}", found, spec.unit)
    note(f"stored the recipe of trial {entry['study']['chosen_trial']} in {arguments.out}")
    return 0


def _show(what: str, found: dict[str, float], unit: str) -> None:
    say(
        f"{what}  R2 {found['r2']:.5f}  tau {found['kendall_tau']:.5f}  MAE {found['mae']:.5g} "
        f"{unit}"
    )
