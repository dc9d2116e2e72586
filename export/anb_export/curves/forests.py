"""Forests of randomised trees that predict all coefficients of a curve at once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anb_export.curves.bases import Floats

#: Makes float64 [n, d] of what configurations are given as.
Features = Callable[[NDArray[Any]], Floats]


@dataclass(frozen=True)
class ForestSettings:
    """Settings of extremely randomised trees (Geurts et al., Machine Learning 63, 2006).

    Attributes
    ----------
    trees : int
    least : int
        Fewest rows of a leaf.
    share : float
        Of the features that a split may choose from.
    """

    trees: int = 150
    least: int = 2
    share: float = 0.8


def fit_forest(
    features: Floats, labels: Floats, settings: ForestSettings, seed: int
) -> Callable[[Floats], Floats]:
    """Return what predicts labels [n, J] of features [n, d]; equal seeds give equal trees.

    A tree's splits serve all labels, so that coefficients stay those of one curve.
    """
    from sklearn.ensemble import ExtraTreesRegressor

    forest = ExtraTreesRegressor(
        settings.trees,
        min_samples_leaf=settings.least,
        max_features=settings.share,
        random_state=seed,
        n_jobs=1,
    )
    forest.fit(features, labels[:, 0] if labels.shape[1] == 1 else labels)

    def predict(rows: Floats) -> Floats:
        found = np.asarray(forest.predict(rows), dtype=np.float64)
        return found.reshape(len(rows), -1)

    return predict


def adam_features(logs: Floats) -> Floats:
    """Return features of Adam's hyper-parameters: the logarithms, and the rates that they make.

    Adam steps by rate * m / (sqrt(v) + epsilon). Where epsilon is far above the gradients' size,
    the step is that of rate / epsilon, and else that of the rate alone; which it is depends on a
    scale that is not known, so there is a feature for each of four.

    Parameters
    ----------
    logs : ndarray of float64, shape (n, 8)
        As `anb_export.data.taskset.logarithms` gives them: the rate is column 0, epsilon 3.
    """
    scales = (-5.0, -4.0, -3.0, -2.0)
    rates = [logs[:, 0] - np.maximum(logs[:, 3], scale) for scale in scales]
    return np.column_stack([logs, *rates])
