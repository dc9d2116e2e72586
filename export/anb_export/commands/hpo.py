"""``anb-export hpo``: searches the hyper-parameters of a family."""

from __future__ import annotations

import argparse
from pathlib import Path

from anb_export.commands import _arguments
from anb_export.commands._show import note, say, trial_progress

HELP = "search the hyper-parameters of a family of models, on validation folds only"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    _arguments.add_dataset(parser)
    parser.add_argument("--target", required=True, metavar="NAME")
    parser.add_argument("--family", required=True, choices=("xgb", "lgb", "forest", "svr", "nusvr"))
    parser.add_argument(
        "--trials",
        type=_arguments.positive,
        metavar="N",
        help="trials the study shall have; those done before count (default: 100, if no --time)",
    )
    parser.add_argument(
        "--time",
        type=_arguments.positive,
        metavar="S",
        help="seconds after which no further trial begins",
    )
    parser.add_argument(
        "--folds",
        type=_arguments.positive,
        default=3,
        metavar="K",
        help="members per trial, each with a held-out fold of its own (default: %(default)s)",
    )
    parser.add_argument(
        "--max-rounds",
        type=_arguments.positive,
        metavar="N",
        help="boosting rounds, where fewer than the reference's are enough",
    )
    parser.add_argument(
        "--study",
        type=Path,
        default=Path("build/hpo"),
        metavar="DIR",
        help="folder of the journals, which let an interrupted search go on (default: %(default)s)",
    )
    parser.add_argument(
        "--out",
        type=Path,
        required=True,
        metavar="FILE.json",
        help="file of hyper-parameters, for `anb-export train --hyperparameters`; the entry of "
        "family and target in it is replaced",
    )


def run(arguments: argparse.Namespace) -> int:
    """Search, and store what was found."""
    from anb_export.training.tune_families import check_store, published, search, store

    check_store(arguments.out, arguments.family, arguments.target)
    dataset, split = _arguments.read_data(arguments)
    spec = dataset.target(arguments.target)
    n_trials = arguments.trials or (None if arguments.time else 100)
    start = published(_arguments.hyperparameters_of(arguments), arguments.family, spec.name)
    with trial_progress(f"{arguments.family} {spec.name}", n_trials) as on_trial:
        found = search(
            dataset,
            split,
            arguments.family,
            spec.name,
            storage=arguments.study / f"{arguments.family}-{spec.name}.journal",
            n_trials=n_trials,
            seconds=arguments.time,
            n_folds=arguments.folds,
            max_rounds=arguments.max_rounds,
            start=start,
            on_trial=on_trial,
        )
    store(arguments.out, arguments.family, spec.name, found["hyperparameters"])
    say(
        f"{arguments.family} {spec.name}: RMSE {found['rmse']:.5g} {spec.unit} on held-out folds, "
        f"{found['trials']} trials"
    )
    for key, value in found["hyperparameters"].items():
        say(f"  {key} {value}")
    note(f"stored in {arguments.out}")
    return 0
