"""Fits the hinges of a link: an increasing correction of what members systematically miss.

A device that saturates (tpuv3 does, at two levels) bends the relation between what adds up over
the blocks and what is measured, and no power link has such a bend. The correction is a piecewise
linear map of the prediction, fitted by bounded least squares to predictions of rows that no member
has seen, and kept only where cross-validation says that it pays, in the squared and the absolute
error together. It is increasing, so it cannot change the order of architectures; only errors, not
ranks.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

#: Numbers of hinges tried; knots lie at quantiles of the predictions.
_COUNTS = (4, 8, 12)
#: Slopes allowed: never flat, so that order is kept even where a device is saturated.
_SLOPES = (0.05, 5.0)
#: Whether the fit weighs the error itself (0) or the error relative to the prediction (1): where
#: errors grow with the value, the plain fit follows the largest values alone.
_WEIGHTINGS = (0, 1)
#: Least gain, as a share of the cross-validated loss, for which a correction is worth its price.
#: Small gains are what learning from fewer rows, as out of fold, does to the extremes; they do not
#: last.
_LEAST_GAIN = 0.02
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

    def loss(count: int, weighting: int) -> float:
        corrected = np.empty_like(predicted)
        for fit, held in folds:
            hinges = _fit(predicted[fit], measured[fit], count, weighting)
            corrected[held] = apply_hinges(predicted[held], hinges)
        return _loss(corrected - measured)

    weightings = _WEIGHTINGS if predicted.min() > 0 else (0,)
    losses = {(n, weighting): loss(n, weighting) for n in _COUNTS for weighting in weightings}
    best = min(losses.values())
    if best >= (1 - _LEAST_GAIN) * _loss(predicted - measured):
        return ()
    # The fewest hinges that reach nearly the best: more of them mostly follow noise.
    chosen = next(choice for choice, found in losses.items() if found <= 1.002 * best)
    return _fit(predicted, measured, *chosen)


def cross_fitted(
    predicted: NDArray[np.float64], measured: NDArray[np.float64], folds: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Return predictions corrected by hinges that were fitted without the row's own fold.

    What hinges gain can be told on the very rows they are for, without flattering them.

    Parameters
    ----------
    predicted, measured : ndarray of float64, shape (n,)
        As for `fit_hinges`.
    folds : ndarray of int64, shape (n,)
        Fold of each row.

    Returns
    -------
    ndarray of float64, shape (n,)
    """
    corrected = np.empty_like(predicted)
    for fold in np.unique(folds):
        held = folds == fold
        hinges = fit_hinges(predicted[~held], measured[~held])
        corrected[held] = apply_hinges(predicted[held], hinges)
    return corrected


def apply_hinges(predicted: NDArray[np.float64], hinges: Hinges) -> NDArray[np.float64]:
    """Return the corrected predictions, as `Link.inverse` computes them."""
    y = predicted
    for knot, change in hinges:
        y = y + np.maximum(y - knot, 0.0) * change
    return y


def _loss(error: NDArray[np.float64]) -> float:
    # The geometric mean of root mean square and mean absolute error: a study's loss counts both.
    return float(np.sqrt(np.sqrt(np.mean(error**2)) * np.mean(np.abs(error))))


def _fit(
    predicted: NDArray[np.float64], measured: NDArray[np.float64], count: int, weighting: int
) -> Hinges:
    from scipy.optimize import lsq_linear

    knots = np.quantile(predicted, (np.arange(count) + 0.5) / count)
    ends = np.append(knots[1:], np.inf)
    # Below the first knot the prediction stays; each segment above has a slope of its own.
    segments = np.clip(predicted[:, None] - knots, 0.0, ends - knots)
    rest = measured - np.minimum(predicted, knots[0])
    weights = predicted ** -float(weighting)
    slopes = lsq_linear(segments * weights[:, None], rest * weights, bounds=_SLOPES).x
    hinges: list[tuple[float, float]] = []
    slope = 1.0
    for knot, wanted in zip(knots, slopes, strict=True):
        # A knot is counted after the hinges before it.
        moved = float(apply_hinges(np.array([knot]), tuple(hinges))[0])
        hinges.append((float(f"{moved:.6g}"), float(f"{wanted / slope - 1:.6g}")))
        slope = wanted
    return tuple(hinges)
