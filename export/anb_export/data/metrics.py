"""Figures of merit of predictions against measurements."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

from anb_onnx.errors import AnbError


def evaluate(measured: ArrayLike, predicted: ArrayLike) -> dict[str, float]:
    """Compare predictions with measurements.

    Parameters
    ----------
    measured, predicted : array_like, shape (n,)
        In the target's unit; n >= 2.

    Returns
    -------
    dict of str to float
        ``n``; ``mae``, ``rmse`` (in the unit) and ``mse`` (in the unit squared); ``r2``, the
        coefficient of determination; ``kendall_tau`` (tau-b) and ``spearman``, both 0 where the
        predictions are constant, as they rank nothing.

    Raises
    ------
    AnbError
        If the shapes differ, fewer than two values are given, one is not finite, or all
        measurements are equal (then nothing is explained and nothing is ranked).
    """
    y = np.asarray(measured, dtype=np.float64)
    p = np.asarray(predicted, dtype=np.float64)
    if y.ndim != 1 or y.shape != p.shape:
        msg = f"measured and predicted must be vectors of one length, found {y.shape} and {p.shape}"
        raise AnbError(msg)
    if not (np.isfinite(y).all() and np.isfinite(p).all()):
        msg = "measured and predicted values must be finite"
        raise AnbError(msg)
    if len(y) < 2 or np.all(y == y[0]):
        msg = f"metrics need at least two different measurements, found {len(y)} value(s)"
        raise AnbError(msg)
    error = p - y
    mse = float(np.mean(error**2))
    ranked = not np.all(p == p[0])
    return {
        "n": len(y),
        "mae": float(np.mean(np.abs(error))),
        "mse": mse,
        "rmse": float(np.sqrt(mse)),
        "r2": 1.0 - mse / float(np.mean((y - y.mean()) ** 2)),
        "kendall_tau": float(stats.kendalltau(y, p).statistic) if ranked else 0.0,
        "spearman": float(stats.spearmanr(y, p).statistic) if ranked else 0.0,
    }
