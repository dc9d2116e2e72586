"""Trains an ensemble per fold of the pool, to predict rows that none of its members has seen."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from anb_export._io.files import sha256, to_json, write_atomically
from anb_export.data.dataset import Dataset
from anb_export.models.xgboost_document import forest_of_booster
from anb_export.training import workers
from anb_export.training.compact import CompactRecipe
from anb_export.training.predictive_scale import OutOfFold
from anb_export.training.recipe import Recipe
from anb_export.training.train_members import MemberTask, TrainingSet, train_member
from anb_onnx.errors import AnbError
from anb_onnx.spaces.space import SearchSpace

#: Folds of the pool, and the seed that shuffles them: so many that members learn from nearly as
#: many rows as those of an artifact do. No member's own folds use this seed.
N_OOF_FOLDS = 10
_OOF_SEED = 1_000
#: Members of each fold's ensemble: half as many as an artifact has, as there is one per fold.
N_OOF_MEMBERS = 4


@dataclass(frozen=True, eq=False)
class FoldTask:
    """Trains one fold's ensemble and writes the labels it predicts for the fold, as JSON."""

    index: int
    path: Path
    rows: TrainingSet
    recipe: Recipe
    seeds: tuple[int, ...]
    held_codes: NDArray[np.uint8]
    space: SearchSpace

    @property
    def key(self) -> str:
        """Digest of all that decides the file's content."""
        members = [
            MemberTask(index, self.path, self.rows, self.recipe, seed).key
            for index, seed in enumerate(self.seeds)
        ]
        held = sha256(np.ascontiguousarray(self.held_codes).tobytes())
        return sha256(to_json({"members": members, "held": held}))

    def is_done(self) -> bool:
        """Whether the file is there already."""
        try:
            document = json.loads(self.path.read_bytes())
            return bool(document["key"] == self.key and "labels" in document)
        except (OSError, ValueError, KeyError, TypeError):
            return False

    def run(self, on_round: Callable[[int], None]) -> None:
        """Train the members one after the other, predict, write."""
        rows, members, before = self.rows, [], 0
        for seed in self.seeds:

            def report(rounds: int, before: int = before) -> None:
                on_round(before + rounds)

            booster = train_member(
                rows.codes, rows.labels, self.recipe, seed, weights=rows.weights, on_round=report
            )
            before += booster.num_boosted_rounds()
            label = forest_of_booster(booster).predict_exact(self.held_codes)
            members.append(label.tolist())
        # Labels, not targets: hinges may still be fitted to them.
        write_atomically(self.path, to_json({"key": self.key, "labels": members}))

    def members(self) -> NDArray[np.float64]:
        """Return what the members predict for the fold, in the target's unit: [n_held, M].

        Raises
        ------
        AnbError
            If a prediction is outside the domain of the link.
        """
        labels = np.array(json.loads(self.path.read_bytes())["labels"]).T
        predicted = self.recipe.transform.inverse(labels, self.held_codes, self.space)
        if not np.isfinite(predicted).all():
            msg = f"{self.path.name}: a member left the domain of its link; choose another link"
            raise AnbError(msg)
        return predicted


def predict_out_of_fold(
    dataset: Dataset,
    target: str,
    pool: NDArray[np.int64],
    compact: CompactRecipe,
    seeds: tuple[int, ...],
    folder: Path,
    *,
    jobs: int = 1,
    on_progress: workers.OnProgress | None = None,
) -> OutOfFold:
    """Predict every row of the pool by an ensemble trained on the other folds.

    Parameters
    ----------
    dataset : Dataset
    target : str
    pool : ndarray of int64
        Training and validation rows of the split.
    compact : CompactRecipe
    seeds : tuple of int
        Of the members of each fold's ensemble.
    folder : Path
        Where the folds' files go; those a former run finished are kept.
    jobs : int
        Folds at a time.
    on_progress : callable, optional
        As for `train_members.train`, with the fold in place of the member.

    Returns
    -------
    OutOfFold
    """
    from sklearn.model_selection import KFold

    rows = compact.rows(dataset, target, pool)
    y = dataset.values[target]
    tasks, folds = [], []
    split = KFold(N_OOF_FOLDS, shuffle=True, random_state=_OOF_SEED).split(rows)
    for index, (fit, held) in enumerate(split):
        fit, held = rows[fit], rows[held]
        recipe = compact.recipe(dataset, target, fit)
        training_set = TrainingSet(
            dataset.codes[fit],
            recipe.transform.forward(y[fit]),
            compact.weights(dataset, target, fit),
        )
        path = folder / f"fold_{index:02d}.json"
        codes = dataset.codes[held]
        tasks.append(FoldTask(index, path, training_set, recipe, seeds, codes, dataset.space))
        folds.append(held)
    workers.run(tasks, jobs=jobs, on_progress=on_progress)
    order = np.concatenate(folds)
    return OutOfFold(order, y[order], np.concatenate([task.members() for task in tasks]))
