"""Our recipe as a predictor: the compact recipe of `anb_export.training.compact`.

The targets of Accel-NASBench have recipes that were tuned on all their training and validation
rows; a study at smaller sizes takes them as they stand, but for the hinges of their links, which
were fitted to those rows. Any other target has the untuned recipe. Of an architecture that was
measured several times the mean is learned.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from anb_export.data.accel_nasbench import ACCEL_NASBENCH
from anb_export.data.dataset import Dataset, Origin
from anb_export.models.xgboost_document import forest_of_booster
from anb_export.predictors.contract import Predictor, Sample
from anb_export.predictors.intervals import first_seen, from_residuals
from anb_export.tables.compile import compile_tables
from anb_export.training.compact import UNTUNED, CompactRecipe, load_recipes
from anb_export.training.train_members import fold_rows, train_member
from anb_onnx.encoding.encoding import codes_to_symbols
from anb_onnx.links import Link
from anb_onnx.tables import TableEnsemble

#: Members, each with a fold of its own held out.
N_MEMBERS = 6


def fit(sample: Sample, seed: int) -> Predictor:
    """Train the members of the recipe; `Fit` of the registry."""
    return _Own(sample, seed)


def recipe_of(sample: Sample) -> CompactRecipe:
    """Return the recipe of the sample's target."""
    if sample.space != ACCEL_NASBENCH.space or sample.target.name not in ACCEL_NASBENCH.targets:
        return UNTUNED
    found = load_recipes().get(sample.target.name, UNTUNED)
    return replace(found, link=Link(found.link.power, found.link.offset))


class _Own(Predictor):
    def __init__(self, sample: Sample, seed: int) -> None:
        self.space = sample.space
        target = sample.target
        # Members hold out rows: a repeat of what was learned would tell nothing.
        number = first_seen(sample.codes)
        codes = sample.codes[np.unique(number, return_index=True)[1]]
        values = np.bincount(number, sample.values) / np.bincount(number)
        recipe = recipe_of(sample)
        unknown = np.full(len(values), np.nan)
        origin = Origin("study", "study", "unstated", sample.space, {target.name: target})
        names = tuple(map(str, range(len(values))))
        dataset = Dataset(
            origin, names, codes, {target.name: values}, {target.name: unknown}, sha256=""
        )
        rows = recipe.rows(dataset, target.name, np.arange(len(values)))
        made = recipe.recipe(dataset, target.name, rows)
        weights = recipe.weights(dataset, target.name, rows)
        labels = recipe.link.forward(values[rows])
        shift, size = float(labels.mean()), float(labels.std())
        forests, left_out = [], np.full((N_MEMBERS, len(rows)), np.nan)
        for member in range(N_MEMBERS):
            own = seed * N_MEMBERS + member
            booster = train_member(codes[rows], (labels - shift) / size, made, own, weights=weights)
            forest = forest_of_booster(booster)
            _, held = fold_rows(len(rows), own)
            left_out[member, held] = forest.predict_exact(codes[rows[held]])
            forests.append(forest)
        self._ensemble = compile_tables(
            forests,
            link=recipe.link,
            mean=shift,
            std=size,
            space=sample.space,
            terms=recipe.terms_of(sample.space),
        )
        there = np.isfinite(left_out).any(axis=0)
        found = recipe.link.inverse(shift + size * np.nanmean(left_out[:, there], axis=0))
        self.calibration = from_residuals(values[rows[there]], found)

    def members(self, codes: NDArray[np.uint8]) -> NDArray[np.float64]:
        found = self._ensemble.predict(codes_to_symbols(codes, self.space))
        return np.asarray(found[2], dtype=np.float64)

    def tables(self) -> TableEnsemble | None:
        return self._ensemble
