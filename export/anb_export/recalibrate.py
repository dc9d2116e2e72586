"""Fits the hinges of a link: an increasing correction of what members systematically miss.

A device that saturates (tpuv3 does, at two levels) bends the relation between what adds up over
the blocks and what is measured, and no power link has such a bend. The correction is a piecewise
linear map of the prediction, fitted by bounded least squares to predictions of rows that no member
has seen, and kept only where cross-validation says that it pays. It is increasing, so it cannot
change the order of architectures; only errors, not ranks.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

#: Numbers of hinges tried; knots lie at quantiles of the predictions.
_COUNTS = (4, 8, 12)
#: Slopes allowed: never flat, so that order is kept even where a device is saturated.
_SLOPES = (0.05, 5.0)
#: Least gain in the cross-validated squared error for which a correction is worth its price. Small
#: gains are what learning from fewer rows, as out of fold, does to the extremes; they do not last.
_LEAST_GAIN = 0.03
_N_FOLDS = 10

Hinges = tuple[tuple[float, float], ...]


def fit_hinges(predicted: NDArray[np.float64], measured: NDArray[np.float64]) -> Hinges:
    """Return the hinges of a correction, or none where it does not pay.

    Parameters
    ----------
    predicted, measured : ndarray of float64, shape (n,)
        Out-of-fold predictions, without hinges, and measurements, in the target's unit.

    Returns
    -------
    tuple of (knot, change)
        As `Link.hinges` takes them, rounded to six significant digits.
    """
    from sklearn.model_selection import KFold

    folds = list(KFold(_N_FOLDS, shuffle=True, random_state=0).split(predicted))

    def loss(count: int) -> float:
        squares = 0.0
        for fit, held in folds:
            hinges = _fit(predicted[fit], measured[fit], count)
            squares += float(np.sum((apply_hinges(predicted[held], hinges) - measured[held]) ** 2))
        return squares

    before = float(np.sum((predicted - measured) ** 2))
    losses = {count: loss(count) for count in _COUNTS}
    best = min(losses.values())
    if best >= (1 - _LEAST_GAIN) * before:
        return ()
    # The fewest hinges that reach nearly the best: more of them mostly follow noise.
    count = next(c for c in _COUNTS if losses[c] <= 1.002 * best)
    return _fit(predicted, measured, count)


def apply_hinges(predicted: NDArray[np.float64], hinges: Hinges) -> NDArray[np.float64]:
    """Return the corrected predictions, as `Link.inverse` computes them."""
    y = predicted
    for knot, change in hinges:
        y = y + np.maximum(y - knot, 0.0) * change
    return y


def _fit(predicted: NDArray[np.float64], measured: NDArray[np.float64], count: int) -> Hinges:
    from scipy.optimize import lsq_linear

    knots = np.quantile(predicted, (np.arange(count) + 0.5) / count)
    ends = np.append(knots[1:], np.inf)
    # Below the first knot the prediction stays; each segment above has a slope of its own.
    segments = np.clip(predicted[:, None] - knots, 0.0, ends - knots)
    rest = measured - np.minimum(predicted, knots[0])
    slopes = lsq_linear(segments, rest, bounds=_SLOPES).x
    hinges: list[tuple[float, float]] = []
    slope = 1.0
    for knot, wanted in zip(knots, slopes, strict=True):
        # A knot is counted after the hinges before it.
        moved = float(apply_hinges(np.array([knot]), tuple(hinges))[0])
        hinges.append((float(f"{moved:.6g}"), float(f"{wanted / slope - 1:.6g}")))
        slope = wanted
    return tuple(hinges)
