"""Trains the members of an ensemble: boosters that differ by seed and by held-out fold."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from anb_export._io.files import sha256, to_json, write_atomically
from anb_export.data.dataset import Dataset
from anb_export.data.splits import Split
from anb_export.models import ubjson
from anb_export.models.forest import Forest
from anb_export.models.xgboost_document import forest_of_bytes
from anb_export.training import workers
from anb_export.training.members_folder import (
    Training,
    check_folder,
    forget_training,
    read_training,
    write_training,
)
from anb_export.training.recipe import N_FOLDS, Recipe, RecipeError
from anb_onnx.errors import AnbError
from anb_onnx.spaces.space import SearchSpace

#: Attribute of a member file that tells what it was trained from.
KEY_ATTRIBUTE = "anb_export.key"

#: Packages whose version decides the bytes of a member.
_VERSIONS = ("numpy", "scikit-learn", "xgboost")


@dataclass(frozen=True, eq=False)
class TrainingSet:
    """The rows a member is trained on.

    Attributes
    ----------
    codes : ndarray of uint8, shape (n, n_genes)
    labels : ndarray of float64, shape (n,)
        After the recipe's transform.
    weights : ndarray of float64, shape (n,), or None
        Weight of each row; None weights all alike.
    """

    codes: NDArray[np.uint8]
    labels: NDArray[np.float64]
    weights: NDArray[np.float64] | None = None

    @property
    def sha256(self) -> str:
        """Digest of all arrays."""
        digest = hashlib.sha256()
        for array in (self.codes, self.labels, self.weights):
            if array is not None:
                digest.update(f"{array.dtype.str}{array.shape}".encode())
                digest.update(np.ascontiguousarray(array).tobytes())
        return digest.hexdigest()


def fold_of(seed: int) -> int:
    """Return the number of the held-out fold of the member with this seed."""
    return seed % N_FOLDS


def fold_rows(n: int, seed: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the rows a member learns from and the rows that stop its training.

    Parameters
    ----------
    n : int
        Number of rows of the pool of training and validation rows.
    seed : int
        Seed of the member: it shuffles the folds and chooses one of them.

    Raises
    ------
    AnbError
        If there are fewer rows than folds.
    """
    from sklearn.model_selection import KFold

    if n < N_FOLDS:
        msg = f"{N_FOLDS} folds need at least as many training and validation records, found {n}"
        raise AnbError(msg)
    folds = KFold(N_FOLDS, shuffle=True, random_state=seed).split(np.empty(n))
    fit, held = list(folds)[fold_of(seed)]
    return fit.astype(np.int64), held.astype(np.int64)


def train_member(
    codes: NDArray[np.uint8],
    labels: NDArray[np.float64],
    recipe: Recipe,
    seed: int,
    *,
    weights: NDArray[np.float64] | None = None,
    on_round: Callable[[int], None] | None = None,
) -> Any:
    """Train one member; a pure function of its arguments, with one thread.

    Parameters
    ----------
    codes : ndarray of uint8, shape (n, n_genes)
        Architectures of the pool of training and validation rows.
    labels : ndarray of float64, shape (n,)
        What is learned: the target after the recipe's transform.
    recipe : Recipe
    seed : int
        Seed of the folds and of xgboost.
    weights : ndarray of float64, shape (n,), optional
        Weight of each row, in learning and in the held-out loss.
    on_round : callable, optional
        Called with the number of rounds done, after each round.

    Returns
    -------
    xgboost.Booster
        With all rounds, those after the best one included as the reference does, unless the
        recipe keeps the best one only.

    Raises
    ------
    AnbError
        If there are fewer rows than folds, or xgboost refuses parameters or labels.
    """
    import xgboost as xgb

    class _Report(xgb.callback.TrainingCallback):  # type: ignore[misc,name-defined,unused-ignore]
        last = 0

        def after_iteration(self, model: Any, epoch: int, evals_log: Any) -> bool:
            if on_round:
                self.last = model.num_boosted_rounds()
                on_round(self.last)
            return False

        def after_training(self, model: Any) -> Any:
            # xgboost 3.1 calls callbacks in no certain order, and none after the one that stops.
            if on_round and model.num_boosted_rounds() != self.last:
                on_round(model.num_boosted_rounds())
            return model

    def matrix(rows: NDArray[np.int64]) -> Any:
        return xgb.DMatrix(
            codes[rows].astype(np.float32),
            label=labels[rows],
            weight=None if weights is None else weights[rows],
            nthread=1,
        )

    fit, held = fold_rows(len(labels), seed)
    try:
        return boost(recipe, seed, matrix(fit), matrix(held), callbacks=[_Report()])
    except (xgb.core.XGBoostError, ValueError) as error:
        lines = [line for line in str(error).splitlines() if line.strip()]
        msg = f"xgboost refused recipe {recipe.name!r}: {lines[0] if lines else error!r}"
        raise AnbError(msg) from error


def boost(recipe: Recipe, seed: int, fit: Any, held: Any, *, callbacks: Sequence[Any] = ()) -> Any:
    """Boost by a recipe, in its one or two stages.

    Parameters
    ----------
    recipe : Recipe
    seed : int
        Of xgboost.
    fit, held : xgboost.DMatrix
        What is learned from, and what stops the training.
    callbacks : sequence of xgboost.callback.TrainingCallback
        Called in both stages.

    Returns
    -------
    xgboost.Booster
        As `train_member` does.

    Raises
    ------
    xgboost.core.XGBoostError, ValueError
        If xgboost refuses parameters or labels.
    """
    import xgboost as xgb

    def stage(params: Mapping[str, Any], before: Any = None) -> Any:
        return xgb.train(
            {**recipe.params, **params, "seed": seed, "nthread": 1},
            fit,
            num_boost_round=recipe.num_rounds,
            evals=[(held, "held")],
            early_stopping_rounds=recipe.early_stopping_rounds,
            verbose_eval=False,
            xgb_model=before,
            callbacks=list(callbacks),
        )

    before = None
    if recipe.first_stage is not None:
        before = _cut_to_best(stage(recipe.first_stage))
    booster = stage({}, before)
    return _cut_to_best(booster) if recipe.keep_best else booster


def _cut_to_best(booster: Any) -> Any:
    best = booster[: booster.best_iteration + 1]
    # Slicing loses the attributes that tell why the member ends here.
    best.set_attr(best_iteration=str(booster.best_iteration), best_score=booster.attr("best_score"))
    return best


@dataclass(frozen=True, eq=False)
class MemberTask:
    """Everything a process needs to train one member and write it to `path`."""

    index: int
    path: Path
    rows: TrainingSet
    recipe: Recipe
    seed: int

    @property
    def key(self) -> str:
        """Digest of all that decides the member's bytes."""
        facts = {
            "data": self.rows.sha256,
            "recipe": self.recipe.training_dict(),
            "seed": self.seed,
            "folds": N_FOLDS,
            "versions": {package: version(package) for package in _VERSIONS},
        }
        return sha256(to_json(facts))

    def is_done(self) -> bool:
        """Whether `path` holds the member this task would train."""
        try:
            return _attributes(self.path.read_bytes()).get(KEY_ATTRIBUTE) == self.key
        except (OSError, AnbError):
            return False

    def run(self, on_round: Callable[[int], None]) -> None:
        """Train the member and write it."""
        rows = self.rows
        booster = train_member(
            rows.codes,
            rows.labels,
            self.recipe,
            self.seed,
            weights=rows.weights,
            on_round=on_round,
        )
        booster.set_attr(**{KEY_ATTRIBUTE: self.key})
        content = bytes(booster.save_raw("ubj"))
        # A booster that cannot be read later is refused now, before it is written.
        check_predictions(forest_of_bytes(content), rows.codes, self.seed)
        write_atomically(self.path, content)


class _Predicts(Protocol):
    def predict_exact(self, codes: NDArray[np.uint8]) -> NDArray[np.float64]: ...


def check_predictions(member: _Predicts, codes: NDArray[np.uint8], seed: int) -> None:
    """Refuse a member whose training went astray: it predicts what float32 cannot hold.

    Raises
    ------
    AnbError
        If one of its predictions for `codes` is not finite, or too large.
    """
    with np.errstate(over="ignore", invalid="ignore"):
        found = member.predict_exact(codes).astype(np.float32)
    if not np.isfinite(found).all():
        msg = (
            f"the training with seed {seed} went astray: a prediction is not finite; give "
            "hyper-parameters that are less extreme"
        )
        raise AnbError(msg)


def train(
    dataset: Dataset,
    split: Split,
    target: str,
    recipe: Recipe,
    seeds: Sequence[int],
    folder: str | Path,
    *,
    jobs: int = 1,
    weights: NDArray[np.float64] | None = None,
    rows: NDArray[np.int64] | None = None,
    on_progress: workers.OnProgress | None = None,
) -> Training:
    """Train an ensemble into a folder: ``member_NN.ubj`` and ``training.json``.

    The bytes written depend on data, split, target, recipe, seeds and versions only, not on
    `jobs`. Members that a former run finished with the same of all these are kept.

    Parameters
    ----------
    dataset : Dataset
    split : Split
        Its training and validation rows are pooled for the members' folds; the test rows only
        enter the reported metrics.
    target : str
        Name of the target. Records without a value for it are dropped and counted.
    recipe : Recipe
    seeds : sequence of int
        One member for each; distinct, not negative.
    folder : str or Path
        Where to write; created if needed.
    jobs : int
        Number of members trained at a time, each in a process of its own; 1 trains in this one.
    weights : ndarray of float64, shape (len(dataset),), optional
        Weight of each record.
    rows : ndarray of int64, optional
        Records to learn from, of those of the pool that have a value; all if not given.
    on_progress : callable, optional
        Called as ``on_progress(member, rounds, state)`` with state "running", "done" or "reused".

    Returns
    -------
    Training
        What ``training.json`` says.

    Raises
    ------
    AnbError
        If the target is unknown, has too few values, the seeds are not distinct, a parameter of
        the recipe is not finite, the folder holds members of another target, or xgboost refuses.
    """
    dataset.target(target)  # an unknown one is refused first
    folder = Path(folder)
    check_seeds(seeds)
    _check_recipe(recipe)
    check_folder(folder, target)
    pool, dropped = _pool(dataset, split, target, rows)
    training_set = _training_set(dataset, target, recipe, pool, weights)
    fold_rows(len(pool), seeds[0])  # too few rows are refused before anything is written
    tasks = [
        MemberTask(index, folder / f"member_{index:02d}.ubj", training_set, recipe, seed)
        for index, seed in enumerate(seeds)
    ]
    finished = _finished(folder, tasks, dataset, split, recipe)
    if finished is not None:
        for task in tasks:
            if on_progress:
                on_progress(task.index, 0, "reused")
        return finished
    forget_training(folder)
    workers.run(tasks, jobs=jobs, on_progress=on_progress)

    contents = [task.path.read_bytes() for task in tasks]
    forests = [forest_of_bytes(content) for content in contents]
    return write_training(
        folder,
        dataset=dataset,
        split=split,
        target=target,
        recipe=recipe.to_dict(),
        members=[
            _member(task, content, forest)
            for task, content, forest in zip(tasks, contents, forests, strict=True)
        ],
        predict=lambda codes: predict_ensemble(forests, recipe, codes, dataset.space),
        pool=pool,
        dropped=dropped,
        versions=_versions(),
    )


def _pool(
    dataset: Dataset, split: Split, target: str, rows: NDArray[np.int64] | None
) -> tuple[NDArray[np.int64], int]:
    """Return the records to learn from, and how many others the split has."""
    pool, dropped = dataset.labelled(target, split.pool)
    if rows is None:
        return pool, dropped
    wanted = np.isin(pool, rows)
    return pool[wanted], dropped + int(np.count_nonzero(~wanted))


def _training_set(
    dataset: Dataset,
    target: str,
    recipe: Recipe,
    pool: NDArray[np.int64],
    weights: NDArray[np.float64] | None,
) -> TrainingSet:
    labels = recipe.transform.forward(dataset.values[target][pool])
    broken = np.flatnonzero(~np.isfinite(labels))
    if len(broken):
        bad = dataset.names[pool[broken[0]]]
        msg = f"recipe {recipe.name!r} gives no finite label for {target!r} of {bad}"
        raise AnbError(msg)
    return TrainingSet(dataset.codes[pool], labels, None if weights is None else weights[pool])


def predict_ensemble(
    forests: Sequence[Forest], recipe: Recipe, codes: NDArray[np.uint8], space: SearchSpace
) -> NDArray[np.float64]:
    """Return the members' exact predictions in the target's unit: float64 [n, n_members]."""
    labels = np.stack([forest.predict_exact(codes) for forest in forests], axis=1)
    return recipe.transform.inverse(labels, codes, space)


def _member(task: MemberTask, content: bytes, forest: Forest) -> dict[str, Any]:
    attributes = _attributes(content)
    best = attributes.get("best_iteration")
    score = attributes.get("best_score")
    return {
        "file": task.path.name,
        "seed": task.seed,
        "fold": fold_of(task.seed),
        "rounds": forest.n_trees,
        "best_iteration": None if best is None else int(best),
        "held_out_loss": None if score is None else float(score),
        "key": task.key,
        "sha256": sha256(content),
    }


def _attributes(content: bytes) -> dict[str, str]:
    document = ubjson.loads(content)
    try:
        attributes = document["learner"]["attributes"]
    except (TypeError, KeyError, IndexError):
        msg = "not an xgboost model"
        raise AnbError(msg) from None
    return attributes if isinstance(attributes, dict) else {}


def _finished(
    folder: Path, tasks: Sequence[MemberTask], dataset: Dataset, split: Split, recipe: Recipe
) -> Training | None:
    """Return the training in `folder` if it is already, whole, what is asked for."""
    try:
        training = read_training(folder)
    except AnbError:
        return None
    document = training.document
    same = (
        document["recipe"] == json.loads(to_json(recipe.to_dict()))
        and document["dataset"]["sha256"] == dataset.sha256
        and document["split"]["name"] == split.name
        and document["split"]["sha256"] == split.sha256
        and [member["key"] for member in document["members"]] == [task.key for task in tasks]
        and document["versions"] == {"anb-onnx-export": version("anb-onnx-export"), **_versions()}
    )
    return training if same else None


def _versions() -> dict[str, str]:
    return {package: version(package) for package in _VERSIONS}


def check_seeds(seeds: Sequence[int]) -> None:
    """Refuse seeds that are none, equal, negative, or more than the libraries take.

    Raises
    ------
    AnbError
        That names the seed.
    """
    if not seeds:
        msg = "an ensemble needs at least one member"
        raise AnbError(msg)
    for seed in seeds:
        if not 0 <= seed < 2**31:
            msg = f"a seed must be from 0 to {2**31 - 1}, found {seed}"
            raise AnbError(msg)
        if seeds.count(seed) > 1:
            msg = f"seed {seed} is given twice; members of equal seed would be equal"
            raise AnbError(msg)


def _check_recipe(recipe: Recipe) -> None:
    for params in (recipe.params, recipe.first_stage or {}):
        for key, value in params.items():
            if isinstance(value, float) and not math.isfinite(value):
                msg = f"recipe {recipe.name!r}: {key} must be finite, found {value}"
                raise RecipeError(msg)
