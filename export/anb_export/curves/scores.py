"""How good curves are: shares of explained variance, and the ranking of final values."""

from __future__ import annotations

import numpy as np
from scipy import stats

from anb_export.curves.bases import Floats

#: Least variance of a curve that moves, as a share of that of the curve that moves most: of one
#: that stays at chance, noise would be what is to be explained.
MOVES = 0.01


def evaluate_curves(measured: Floats, predicted: Floats) -> dict[str, float]:
    """Compare predicted curves with measured ones.

    Parameters
    ----------
    measured, predicted : ndarray of float64, shape (n, T)

    Returns
    -------
    dict of str to float
        ``n``; ``r2``, against the mean curve of those measured: what is explained of how curves
        differ, not of how they fall; ``r2_pooled``, against one mean of all values, as
        scikit-learn has it of flattened curves; ``r2_curve``, the median over the curves that
        move (`MOVES`) of each one's own, against its own mean (0 where none moves);
        ``final_tau`` and ``final_r2`` of the last value, and ``mae`` over all.
    """
    error = (measured - predicted) ** 2
    own = ((measured - measured.mean(axis=1, keepdims=True)) ** 2).sum(axis=1)
    moves = own > MOVES * own.max()
    last, found = measured[:, -1], predicted[:, -1]
    return {
        "n": len(measured),
        "r2": _share(error, measured - measured.mean(axis=0)),
        "r2_pooled": _share(error, measured - measured.mean()),
        "r2_curve": float(np.median(1.0 - error[moves].sum(axis=1) / own[moves]))
        if moves.any()
        else 0.0,
        "final_tau": tau(last, found),
        "final_r2": _share((last - found) ** 2, last - last.mean()),
        "mae": float(np.abs(measured - predicted).mean()),
    }


def tau(measured: Floats, predicted: Floats) -> float:
    """Return Kendall's tau-b of values [n]; 0 where the predictions are constant."""
    if np.all(predicted == predicted[0]):
        return 0.0
    return float(stats.kendalltau(measured, predicted).statistic)


def _share(squares: Floats, deviation: Floats) -> float:
    return 1.0 - float(squares.sum()) / float((deviation**2).sum())
