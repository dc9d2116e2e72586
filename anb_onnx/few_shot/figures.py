"""How well predictions agree with measurements: the figures that model cards have."""

from __future__ import annotations

import numpy as np

from anb_onnx.few_shot.sources import Values

_Z90 = 1.6448536269514722


def figures(measured: Values, times: Values, std: Values, *, rate: bool) -> dict[str, float]:
    """Return figures of predictions with a standard deviation, on the scale of times.

    Parameters
    ----------
    measured : float64 array [n]
        In the target's unit.
    times, std : float64 arrays [n]
        Predicted times, or their unit's, and their standard deviation.
    rate : bool
        Whether measurements are reciprocals of times.

    Returns
    -------
    dict
        ``n``, ``spearman``, ``kendall_tau`` (tau-b), ``mae`` and ``rmse`` in the target's unit,
        ``mape`` relative, ``coverage_90``: the share in 90 % intervals. Correlations are left out
        where they are not defined, ``mae`` and ``rmse`` of rates where a predicted time is not
        above 0, of which there is no rate.
    """
    predicted = 1.0 / np.maximum(times, np.finfo(float).tiny) if rate else times
    spent = 1.0 / measured if rate else measured
    found = {
        "n": len(measured),
        "mape": float((np.abs(times - spent) / spent).mean()),
        "coverage_90": float((np.abs(spent - times) <= _Z90 * std).mean()),
    }
    if not rate or times.min() > 0:
        difference = predicted - measured
        found["mae"] = float(np.abs(difference).mean())
        found["rmse"] = float(np.sqrt((difference**2).mean()))
    if np.ptp(measured) > 0 and np.ptp(predicted) > 0:
        found["spearman"] = float(np.corrcoef(ranks(measured), ranks(predicted))[0, 1])
        found["kendall_tau"] = kendall_tau(measured, predicted)
    return {key: value if key == "n" else float(f"{value:.6g}") for key, value in found.items()}


def ranks(values: Values) -> Values:
    """Return ranks, the mean rank where values are equal: float64 [n]."""
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    last = counts.cumsum()
    return np.asarray((last - (counts - 1) / 2)[inverse], dtype=np.float64)


def kendall_tau(a: Values, b: Values) -> float:
    """Return Kendall's tau-b, which corrects for ties, of two arrays [n] of no few thousands."""
    first, second = (np.sign(x[:, None] - x[None, :]) for x in (a, b))
    norm = np.sqrt((first**2).sum() * (second**2).sum())
    return float((first * second).sum() / norm)
