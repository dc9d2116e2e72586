"""Searches the hyper-parameters of any family, on the members' held-out folds.

The ranges are those the reference searched with SMAC. A trial fits one member for each of the
first few seeds and scores it by the root mean squared error on the member's own held-out fold, as
the reference scores by its validation rows; the test rows are never read. The journal on disk lets
an interrupted study go on.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from anb_export._io.files import to_json, write_atomically
from anb_export.data.dataset import Dataset
from anb_export.data.splits import Split
from anb_export.models.xgboost_document import forest_of_booster
from anb_export.training.family_members import read_member
from anb_export.training.family_recipe import SECTIONS, FamilyRecipe, family_recipe_of
from anb_export.training.recipe import Recipe, read_hyperparameters
from anb_export.training.train_families import fit_member
from anb_export.training.train_members import TrainingSet, fold_rows, train_member
from anb_onnx._io.output import check_output
from anb_onnx.errors import AnbError


@dataclass(frozen=True)
class Range:
    """What a number is drawn from: low to high, evenly or evenly in the logarithm."""

    low: float
    high: float
    log: bool = False
    whole: bool = False


_SVM: dict[str, Range | tuple[Any, ...]] = {
    "C": Range(1.0, 20.0, log=True),
    "coef0": Range(-0.5, 0.5),
    # The reference goes up to 128, where a polynomial of codes overflows.
    "degree": Range(1, 8, log=True, whole=True),
    "gamma": ("scale", "auto"),
    "kernel": ("linear", "rbf", "poly", "sigmoid"),
    "shrinking": (True, False),
    "tol": Range(1e-4, 1e-2, log=True),
}

#: What is searched, by family.
SPACES: dict[str, dict[str, Range | tuple[Any, ...]]] = {
    "xgb": {
        "max_depth": Range(1, 20, whole=True),
        "min_child_weight": Range(1, 100, log=True, whole=True),
        # The reference begins at 0, at which xgboost has nothing to split on.
        "colsample_bytree": Range(0.05, 1.0),
        "colsample_bylevel": Range(0.05, 1.0),
        "lambda": Range(1e-3, 1e3, log=True),
        "alpha": Range(1e-3, 1e3, log=True),
        "learning_rate": Range(1e-3, 0.1, log=True),
    },
    "lgb": {
        "max_depth": Range(1, 25, whole=True),
        "num_leaves": Range(10, 100, whole=True),
        "max_bin": Range(100, 400, whole=True),
        "feature_fraction": Range(0.1, 1.0),
        "min_child_weight": Range(1e-3, 10.0, log=True),
        "lambda_l1": Range(1e-3, 1e3, log=True),
        "lambda_l2": Range(1e-3, 1e3, log=True),
        "learning_rate": Range(1e-3, 0.1, log=True),
    },
    "forest": {
        "n_estimators": Range(16, 128, log=True, whole=True),
        "min_samples_split": Range(2, 20, whole=True),
        "min_samples_leaf": Range(1, 20, whole=True),
        "max_features": Range(0.1, 1.0),
        "bootstrap": (True, False),
    },
    "svr": {**_SVM, "epsilon": Range(0.01, 0.99, log=True)},
    "nusvr": {**_SVM, "nu": Range(0.01, 1.0)},
}

#: What is not searched, but stands in the file.
_CONSTANT: dict[str, dict[str, Any]] = {
    "xgb": {"num_rounds": 20_000, "early_stopping_rounds": 100, "booster": "gbtree"},
    "lgb": {"num_rounds": 30_000, "early_stopping_rounds": 100, "boosting_type": "gbdt"},
}


def suggest(trial: Any, family: str) -> dict[str, Any]:
    """Draw hyper-parameters of a family from an optuna trial."""
    found: dict[str, Any] = {}
    for name, room in SPACES[family].items():
        if isinstance(room, tuple):
            found[name] = trial.suggest_categorical(name, room)
        elif room.whole:
            found[name] = trial.suggest_int(name, int(room.low), int(room.high), log=room.log)
        else:
            found[name] = trial.suggest_float(name, room.low, room.high, log=room.log)
    return found


def search(
    dataset: Dataset,
    split: Split,
    family: str,
    target: str,
    *,
    storage: Path,
    n_trials: int | None = None,
    seconds: float | None = None,
    n_folds: int = 3,
    max_rounds: int | None = None,
    start: Mapping[str, Any] | None = None,
    on_trial: Callable[[int, float], None] = lambda number, best: None,
) -> dict[str, Any]:
    """Run, or go on with, the study of a family and a target.

    Parameters
    ----------
    dataset : Dataset
    split : Split
        Only its training and validation rows are read.
    family, target : str
    storage : Path
        Journal of the study.
    n_trials : int, optional
        Trials the study is to have in the end; those done before count.
    seconds : float, optional
        Time after which no further trial begins. One of the two must be given.
    n_folds : int
        Members per trial, with seeds 1 to `n_folds`; at most 9, which covers every row once.
    max_rounds : int, optional
        Fewer boosting rounds than the reference's 20,000 or 30,000.
    start : mapping, optional
        Hyper-parameters the study begins with, where they lie in its ranges.
    on_trial : callable, optional
        Called as ``on_trial(number of trials done, best score so far)``.

    Returns
    -------
    dict
        ``hyperparameters``, as the reference's file holds them; ``rmse``, their mean score;
        ``trials``, how many there are.

    Raises
    ------
    AnbError
        If neither a number of trials nor a time is given, the journal is damaged or cannot be
        written, or no trial succeeds.
    """
    import optuna

    if n_trials is None and seconds is None:
        msg = "a search needs a number of trials or a time"
        raise AnbError(msg)
    if not 1 <= n_folds <= 9:
        msg = f"folds must be 1 to 9, found {n_folds}"
        raise AnbError(msg)
    dataset.target(target)
    pool, _ = dataset.labelled(target, split.pool)
    rows = TrainingSet(dataset.codes[pool], dataset.values[target][pool])
    constant = dict(_CONSTANT.get(family, {}))
    if max_rounds is not None and "num_rounds" in constant:
        constant["num_rounds"] = max_rounds
    # A journal of other data or folds would compare what cannot be compared.
    name = f"{family}-{target}-{rows.sha256[:12]}-{n_folds}-{constant.get('num_rounds', 0)}"
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = open_study(
        storage,
        name,
        sampler=optuna.samplers.TPESampler(seed=11, multivariate=True, n_startup_trials=12),
        pruner=optuna.pruners.MedianPruner(n_startup_trials=6),
    )
    if not study.trials and start is not None:
        given = {key: start[key] for key in SPACES[family] if key in start}
        if _inside(given, family):
            study.enqueue_trial(given)

    def objective(trial: Any) -> float:
        recipe = family_recipe_of(
            family, {**constant, **suggest(trial, family)}, where=f"trial {trial.number}"
        )
        scores: list[float] = []
        for seed in range(1, n_folds + 1):
            scores.append(held_out_rmse(recipe, rows, seed))
            trial.report(float(np.mean(scores)), seed)
            if trial.should_prune():
                raise optuna.TrialPruned
        return float(np.mean(scores))

    finished = (optuna.trial.TrialState.COMPLETE, optuna.trial.TrialState.PRUNED)
    began = time.monotonic()
    while True:
        done = len(study.get_trials(deepcopy=False, states=finished))
        late = seconds is not None and done > 0 and time.monotonic() - began >= seconds
        if late or (n_trials is not None and done >= n_trials):
            break
        study.optimize(objective, n_trials=1)
        on_trial(done + 1, study.best_value)
    best = study.best_trial
    return {
        "hyperparameters": {**constant, **best.params},
        "rmse": float(best.value),
        "trials": done,
    }


def open_study(storage: Path, name: str, **options: Any) -> Any:
    """Create a study in a journal, or go on with the one of this name in it.

    Parameters
    ----------
    storage : Path
    name : str
    options
        Of ``optuna.create_study``.

    Returns
    -------
    optuna.Study

    Raises
    ------
    AnbError
        If the journal is damaged, or cannot be written.
    """
    import optuna
    from optuna.storages import JournalStorage
    from optuna.storages.journal import JournalFileBackend

    try:
        storage.parent.mkdir(parents=True, exist_ok=True)
        if storage.exists():
            _check_journal(storage)
        backend = JournalStorage(JournalFileBackend(str(storage)))
        return optuna.create_study(study_name=name, storage=backend, load_if_exists=True, **options)
    except OSError as error:
        msg = (
            f"cannot write the journal {storage} ({error.strerror or error}); "
            "give a folder that can be written as --study"
        )
        raise AnbError(msg) from error
    except (
        # What optuna meets in a line that is not its own.
        ArithmeticError,
        AssertionError,
        AttributeError,
        LookupError,
        RecursionError,
        TypeError,
        ValueError,
        optuna.exceptions.OptunaError,
    ) as error:
        msg = (
            f"{storage} is no journal of a study, or a damaged one ({error!r:.120}); "
            "remove it, or give another --study"
        )
        raise AnbError(msg) from error


def _check_journal(storage: Path) -> None:
    # Optuna takes an unfinished last line for one that is being written, and writes on behind it.
    for line in storage.read_bytes().splitlines(keepends=True):
        if not line.endswith(b"\n") or not isinstance(json.loads(line), dict):
            msg = f"a line is not whole: {line[:40]!r}"
            raise ValueError(msg)


def held_out_rmse(recipe: FamilyRecipe | Recipe, rows: TrainingSet, seed: int) -> float:
    """Fit the member of a seed; return its error on its held-out fold, in the label's unit."""
    _, held = fold_rows(len(rows.labels), seed)
    if isinstance(recipe, Recipe):
        member: Any = forest_of_booster(train_member(rows.codes, rows.labels, recipe, seed))
    else:
        member = read_member(recipe.family, fit_member(recipe, rows, seed))
    error = member.predict_exact(rows.codes[held]) - rows.labels[held]
    return float(np.sqrt(np.mean(error**2)))


def published(path: Path, family: str, target: str) -> dict[str, Any] | None:
    """Return the published hyper-parameters, where the file is there and has some."""
    try:
        return read_hyperparameters(path, SECTIONS[family], target)
    except AnbError:
        return None


def store(path: Path, family: str, target: str, hyperparameters: Mapping[str, Any]) -> None:
    """Put hyper-parameters into a file of the reference's form, keeping the others.

    Raises
    ------
    AnbError
        If the file exists but is malformed, or cannot be written.
    """
    document = _stored(path, family, target)
    document[SECTIONS[family]][target] = dict(hyperparameters)
    write_atomically(path, to_json(document))


def check_store(path: Path, family: str, target: str) -> None:
    """Refuse, before a search of hours, what `store` would refuse after it.

    Raises
    ------
    AnbError
        As `store` does.
    """
    check_writable(path)
    _stored(path, family, target)


def check_writable(path: Path) -> None:
    """Refuse a path that `files.write_atomically` could not write.

    Raises
    ------
    AnbError
        If it is there and no regular file, or nothing can be written beside it.
    """
    try:
        check_output(path)
    except AnbError as error:
        msg = f"{error}; give another --out"
        raise AnbError(msg) from error


def _stored(path: Path, family: str, target: str) -> dict[str, Any]:
    """Return what is in the file, with a place for the target."""
    document: dict[str, Any] = {}
    if path.exists():
        try:
            document = json.loads(path.read_bytes())
            try:
                document.setdefault(SECTIONS[family], {})[target] = None
            except (AttributeError, TypeError):
                msg = "expected an object of families, each an object of targets"
                raise ValueError(msg) from None
            to_json(document)  # NaN can be read, but not be written
        except (OSError, ValueError, RecursionError) as error:
            msg = (
                f"cannot read the hyper-parameters {path}: {error}; remove the file, or give "
                "another --out"
            )
            raise AnbError(msg) from error
    document.setdefault(SECTIONS[family], {})
    return document


def _inside(given: Mapping[str, Any], family: str) -> bool:
    """Whether these are all parameters, and each in its range."""
    if given.keys() != SPACES[family].keys():
        return False
    for name, room in SPACES[family].items():
        value = given[name]
        if isinstance(room, tuple):
            if value not in room:
                return False
        elif not isinstance(value, (int, float)) or not room.low <= value <= room.high:
            return False
    return True
