"""Trees boosted by xgboost: over pairs of blocks, free, and over live structure.

Members differ by the fold that stops their boosting; what each says of its own fold, which it has
not learned from, calibrates the intervals.

Settings are one set for all sizes and targets, chosen on the study's development targets.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anb_export.models.forest import Forest
from anb_export.models.xgboost_document import forest_of_booster
from anb_export.predictors.contract import Predictor, Sample
from anb_export.predictors.features import is_ordered, one_hot
from anb_export.predictors.gaussian import Process, fit_live_process
from anb_export.predictors.intervals import first_seen, from_residuals
from anb_export.predictors.live import live_features
from anb_export.tables.compile import compile_tables
from anb_export.tables.encoder import Encoder, encoder_of
from anb_export.training.compact import default_terms, genes_of_terms
from anb_onnx.links import Link
from anb_onnx.spaces.space import SearchSpace
from anb_onnx.tables import TableEnsemble

Floats = NDArray[np.float64]
Features = Callable[[NDArray[np.uint8]], NDArray[np.float32]]

#: Members, each with a fold of its own held out.
N_MEMBERS = 5

_PARAMS = {
    "max_depth": 4,
    "learning_rate": 0.1,
    "subsample": 0.8,
    "colsample_bynode": 0.4,
    "min_child_weight": 3,
    "lambda": 1.0,
}
_ROUNDS, _PATIENCE = 2000, 40


def fit_pairs(sample: Sample, seed: int) -> Predictor:
    """Fit trees whose paths stay within two blocks each: exactly sums of tables of pairs."""
    groups = genes_of_terms(default_terms(sample.space))
    # Codes are thresholds of a tree: every subset of a gene's choices is a few branches.
    more = {"interaction_constraints": json.dumps(groups), "max_depth": 5, "colsample_bynode": 0.6}
    return _Boosted(sample, seed, as_codes, more, pairs=True)


def fit_free(sample: Sample, seed: int) -> Predictor:
    """Fit trees to architectures as they are built, without constraints."""
    space = sample.space
    return _Boosted(sample, seed, as_codes if is_ordered(space) else as_one_hot(space), {})


def fit_live(sample: Sample, seed: int) -> Predictor:
    """Fit trees to live structure (`anb_export.predictors.live`)."""
    space = sample.space
    return _Boosted(sample, seed, lambda codes: live_features(codes, space), {})


def fit_after_process(sample: Sample, seed: int) -> Predictor:
    """Fit a Gaussian process to live structure, and trees to what it leaves.

    The trees learn how far each measurement lies from what the process says of it without it.
    """
    space = sample.space
    process = fit_live_process(sample, seed)
    return _Boosted(sample, seed, lambda codes: live_features(codes, space), {}, after=process)


def as_codes(codes: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return codes as features."""
    return codes.astype(np.float32)


def as_one_hot(space: SearchSpace) -> Features:
    """Return what makes one column of each choice of each gene."""

    def features(codes: NDArray[np.uint8]) -> NDArray[np.float32]:
        return one_hot(codes, space).astype(np.float32)

    return features


def folds_of(codes: NDArray[np.uint8], seed: int) -> NDArray[np.int64]:
    """Return the fold of each measurement: `N_MEMBERS` of them, of about one size.

    Those of one architecture are in one fold: a held-out repeat of what was learned tells nothing.
    """
    number = first_seen(codes)
    count = int(number.max()) + 1
    return np.random.default_rng((seed, count)).permutation(count)[number] % N_MEMBERS


class _Boosted(Predictor):
    """Boosters of standardised labels, one for each fold."""

    def __init__(
        self,
        sample: Sample,
        seed: int,
        features: Features,
        more: dict[str, Any],
        *,
        pairs: bool = False,
        after: Process | None = None,
    ) -> None:
        self.space, self._features, self._pairs = sample.space, features, pairs
        self._after = after
        before = after.left_out if after is not None else np.zeros(len(sample))
        self._shift = 0.0 if after is not None else float(sample.values.mean())
        self._size = float(sample.values.std()) or abs(self._shift) or 1.0
        labels = (sample.values - before - self._shift) / self._size
        rows = features(sample.codes)
        fold = folds_of(sample.codes, seed)
        left_out = np.zeros(len(labels))
        self._boosters = []
        for member in range(N_MEMBERS):
            held = fold == member
            booster = _boost(rows[~held], labels[~held], rows[held], labels[held], more, seed)
            left_out[held] = _predicted(booster, _matrix(rows[held]))
            self._boosters.append(booster)
        self.calibration = from_residuals(
            sample.values, before + self._shift + self._size * left_out
        )

    def members(self, codes: NDArray[np.uint8]) -> Floats:
        rows = _matrix(self._features(codes))
        found = [_predicted(booster, rows) for booster in self._boosters]
        members = np.asarray(self._shift + self._size * np.stack(found, axis=1))
        return members if self._after is None else self._after.mean(codes)[:, None] + members

    def tables(self) -> TableEnsemble | None:
        if not self._pairs:
            return None
        return compile_tables(
            [forest_of_booster(booster) for booster in self._boosters],
            link=Link(),
            mean=self._shift,
            std=self._size,
            space=self.space,
        )

    def features(self) -> Encoder | None:
        return None if self._features is as_codes else self._encoder

    @cached_property
    def _encoder(self) -> Encoder | None:
        return encoder_of(self.space, self._features)

    def forests(self) -> Sequence[Forest] | None:
        if self._after is not None or (self._features is not as_codes and self._encoder is None):
            return None
        return [
            replace(
                forest,
                value=forest.value.astype(np.float64) * self._size,
                base_score=self._shift + self._size * forest.base_score,
            )
            for forest in map(forest_of_booster, self._boosters)
        ]


def _boost(
    rows: NDArray[np.float32],
    labels: Floats,
    held_rows: NDArray[np.float32],
    held_labels: Floats,
    more: dict[str, Any],
    seed: int,
) -> Any:
    """Return a booster up to its best round."""
    import xgboost as xgb

    params = {
        **_PARAMS,
        **more,
        "objective": "reg:squarederror",
        "base_score": 0.0,  # the labels have mean zero, or nearly
        "tree_method": "hist",
        "max_bin": 64,  # features are few small numbers
        "seed": seed,
        "nthread": 1,
    }
    booster = xgb.train(
        params,
        xgb.DMatrix(rows, labels, nthread=1),
        _ROUNDS,
        evals=[(xgb.DMatrix(held_rows, held_labels, nthread=1), "held")],
        early_stopping_rounds=_PATIENCE,
        verbose_eval=False,
    )
    return booster[: booster.best_iteration + 1]


def _matrix(rows: NDArray[np.float32]) -> Any:
    import xgboost as xgb

    return xgb.DMatrix(rows, nthread=1)


def _predicted(booster: Any, rows: Any) -> Floats:
    return np.asarray(booster.predict(rows), dtype=np.float64)
