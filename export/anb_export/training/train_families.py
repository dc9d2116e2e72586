"""Trains ensembles of all families of models that the reference compares.

Members are held out and seeded as in `train_members`: fold ``seed % 9`` of nine stops boosting, and
is only predicted where nothing can be stopped. Hyper-parameters are the reference's published ones.
Where the reference's program departs from what its parameters say, we do what they say:

* SVR and NuSVR get their parameters. (The reference's filter lets only the strings "True" and
  "False" through, so it fits scikit-learn's defaults whatever the search had found.)
* Their labels are standardised. ``C`` and ``epsilon`` are in units of the label, and the published
  values are the same for per cent, milliseconds and images per second, so no other unit makes
  sense of them.
* A random forest is seeded. (The reference leaves it to the state of a global generator.)
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anb_export._io.files import sha256, to_json, write_atomically
from anb_export.data.dataset import Dataset
from anb_export.data.splits import Split
from anb_export.training import workers
from anb_export.training.family_members import (
    FamilyError,
    Member,
    fit_lightgbm,
    fit_sklearn,
    read_member,
)
from anb_export.training.family_recipe import FamilyRecipe
from anb_export.training.members_folder import (
    Training,
    check_folder,
    forget_training,
    write_training,
)
from anb_export.training.recipe import N_FOLDS, Recipe, RecipeError
from anb_export.training.train_members import (
    TrainingSet,
    check_predictions,
    check_seeds,
    fold_of,
    fold_rows,
    train,
)

_SUFFIXES = {"lgb": ".txt", "forest": ".npz", "svr": ".npz", "nusvr": ".npz"}
_PACKAGES = {"lgb": "lightgbm", "forest": "scikit-learn", "svr": "scikit-learn"}


def fit_member(
    recipe: FamilyRecipe,
    rows: TrainingSet,
    seed: int,
    on_round: Callable[[int], None] | None = None,
) -> bytes:
    """Fit one member and return its file; a pure function of its arguments, with one thread.

    Raises
    ------
    AnbError
        If there are fewer rows than folds, or the library refuses.
    """
    fit, held = fold_rows(len(rows.labels), seed)
    if recipe.family == "lgb":
        if recipe.num_rounds is None or recipe.early_stopping_rounds is None:
            msg = "a recipe of the family lgb needs num_rounds and early_stopping_rounds"
            raise RecipeError(msg)
        return fit_lightgbm(
            (rows.codes[fit], rows.labels[fit]),
            (rows.codes[held], rows.labels[held]),
            recipe.params,
            recipe.num_rounds,
            recipe.early_stopping_rounds,
            seed,
            on_round,
        )
    return fit_sklearn(recipe.family, rows.codes[fit], rows.labels[fit], recipe.params, seed)


@dataclass(frozen=True, eq=False)
class FamilyTask:
    """Everything a process needs to fit one member and write it to `path`."""

    index: int
    path: Path
    rows: TrainingSet
    recipe: FamilyRecipe
    seed: int

    @property
    def key(self) -> str:
        """Digest of all that decides the member's bytes."""
        facts = {
            "data": self.rows.sha256,
            "family": self.recipe.family,
            "recipe": self.recipe.to_dict(),
            "seed": self.seed,
            "folds": N_FOLDS,
            "versions": _versions(self.recipe.family),
        }
        return sha256(to_json(facts))

    @property
    def _note(self) -> Path:
        # Beside the file, as its format has no place for what it was made from.
        return self.path.with_suffix(".json")

    def is_done(self) -> bool:
        """Whether `path` holds the member this task would fit."""
        try:
            note = json.loads(self._note.read_bytes())
            return bool(
                note["key"] == self.key and note["sha256"] == sha256(self.path.read_bytes())
            )
        except (OSError, ValueError, KeyError, TypeError):
            return False

    def run(self, on_round: Callable[[int], None]) -> None:
        """Fit the member and write it."""
        content = fit_member(self.recipe, self.rows, self.seed, on_round)
        member = read_member(self.recipe.family, content)
        check_predictions(member, self.rows.codes, self.seed)
        note = to_json({"key": self.key, "sha256": sha256(content)})
        write_atomically(self.path, content)
        write_atomically(self._note, note)


def train_family(
    dataset: Dataset,
    split: Split,
    target: str,
    recipe: FamilyRecipe | Recipe,
    seeds: Sequence[int],
    folder: str | Path,
    *,
    jobs: int = 1,
    on_progress: workers.OnProgress | None = None,
) -> Training:
    """Train an ensemble into a folder: the members and ``training.json``, as `train_members.train`.

    Parameters are those of `train_members.train`, which does the work for xgb. Members of the
    others are ``member_NN.txt`` or ``.npz``, each with a note ``member_NN.json`` of what it was
    made from.

    Raises
    ------
    AnbError
        As `train_members.train`.
    """
    if isinstance(recipe, Recipe):
        return train(
            dataset, split, target, recipe, seeds, folder, jobs=jobs, on_progress=on_progress
        )
    dataset.target(target)  # an unknown one is refused first
    folder = Path(folder)
    check_seeds(seeds)
    check_folder(folder, target, recipe.family)
    pool, dropped = dataset.labelled(target, split.pool)
    rows = TrainingSet(dataset.codes[pool], dataset.values[target][pool])
    fold_rows(len(pool), seeds[0])  # too few rows are refused before anything is written
    suffix = _SUFFIXES[recipe.family]
    tasks = [
        FamilyTask(index, folder / f"member_{index:02d}{suffix}", rows, recipe, seed)
        for index, seed in enumerate(seeds)
    ]
    forget_training(folder)
    workers.run(tasks, jobs=jobs, on_progress=on_progress)
    contents = [task.path.read_bytes() for task in tasks]
    members = [read_member(recipe.family, content) for content in contents]
    return write_training(
        folder,
        dataset=dataset,
        split=split,
        target=target,
        recipe=recipe.to_dict(),
        members=[
            _member(task, content, member)
            for task, content, member in zip(tasks, contents, members, strict=True)
        ],
        predict=lambda codes: predict_members(members, codes),
        pool=pool,
        dropped=dropped,
        versions=_versions(recipe.family),
        family=recipe.family,
    )


def _member(task: FamilyTask, content: bytes, member: Member) -> dict[str, Any]:
    return {
        "file": task.path.name,
        "seed": task.seed,
        "fold": fold_of(task.seed),
        "rounds": _size(member),
        "best_iteration": None,
        "held_out_loss": _held_out(task, member),
        "key": task.key,
        "sha256": sha256(content),
    }


def predict_members(members: Sequence[Member], codes: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Return what the members predict, before any label transform: float64 [n, n_members]."""
    return np.stack([member.predict_exact(codes) for member in members], axis=1)


def _size(member: Member) -> int:
    """Trees, or support vectors."""
    return len(member.coefficients) if not hasattr(member, "n_trees") else int(member.n_trees)


def _held_out(task: FamilyTask, member: Member) -> float:
    """Root mean squared error on the member's held-out fold, in the target's unit."""
    _, held = fold_rows(len(task.rows.labels), task.seed)
    error = member.predict_exact(task.rows.codes[held]) - task.rows.labels[held]
    return float(np.sqrt(np.mean(error**2)))


def _versions(family: str) -> dict[str, str]:
    packages = {"numpy", "scikit-learn", _PACKAGES.get(family, "scikit-learn")}
    try:
        return {package: version(package) for package in sorted(packages)}
    except ImportError as error:
        msg = f"the family {family} needs a package that is not installed: pip install {error.name}"
        raise FamilyError(msg) from error
