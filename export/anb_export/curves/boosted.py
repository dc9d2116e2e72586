"""Boosted trees of coefficients whose paths stay within terms: exactly tables over them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from anb_export.curves.bases import Floats
from anb_export.models.forest import Forest
from anb_export.models.xgboost_document import forest_of_booster
from anb_export.tables.compile import compile_tables
from anb_export.training.compact import genes_of_terms
from anb_onnx.links import Link
from anb_onnx.tables import TableEnsemble
from anb_onnx.terms import Terms


@dataclass(frozen=True)
class BoostSettings:
    """Settings of xgboost; those not here are its own.

    Attributes
    ----------
    rounds, depth : int
    rate, share : float
        Learning rate, and share of the genes that a split may choose from.
    """

    rounds: int = 400
    depth: int = 8
    rate: float = 0.04
    share: float = 0.6


@dataclass(frozen=True, eq=False)
class Scale:
    """Mean and standard deviation of labels: members are fitted to standardised ones."""

    mean: float
    size: float

    @classmethod
    def of(cls, labels: Floats) -> Scale:
        """Return those of labels [n]; 1 in place of a deviation of 0."""
        return cls(float(labels.mean()), float(labels.std()) or 1.0)


def fit_boosted(
    codes: NDArray[np.uint8],
    labels: Floats,
    scale: Scale,
    terms: Terms | None,
    settings: BoostSettings,
    seed: int,
) -> Forest:
    """Return the trees of one label [n] of configurations; without terms, of all genes at once."""
    import xgboost as xgb

    params = {
        "max_depth": settings.depth,
        "learning_rate": settings.rate,
        "subsample": 0.8,
        "colsample_bynode": settings.share,
        "min_child_weight": 3,
        "objective": "reg:squarederror",
        "base_score": 0.0,
        "tree_method": "hist",
        "seed": seed,
        "nthread": 1,
    }
    if terms is not None:
        params["interaction_constraints"] = json.dumps(genes_of_terms(terms))
    rows = xgb.DMatrix(codes.astype(np.float32), (labels - scale.mean) / scale.size, nthread=1)
    return forest_of_booster(xgb.train(params, rows, settings.rounds, verbose_eval=False))


def predict(forest: Forest, scale: Scale, codes: NDArray[np.uint8]) -> Floats:
    """Return what trees predict of configurations, float64 [n]."""
    return np.asarray(scale.mean + scale.size * forest.predict_exact(codes), dtype=np.float64)


def tables_of(forests: Sequence[Forest], scale: Scale, terms: Terms) -> TableEnsemble:
    """Return members as tables, exactly."""
    return compile_tables(
        forests, link=Link(), mean=scale.mean, std=scale.size, space=terms.space, terms=terms
    )
