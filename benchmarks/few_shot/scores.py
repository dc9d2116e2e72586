"""How well predictions on a new device do."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Guess:
    """Predicted times, and where there are intervals their ends, of all architectures [n]."""

    times: Floats
    lower: Floats | None = None
    upper: Floats | None = None


def score(guess: Guess, times: Floats, rows: NDArray[np.int64]) -> dict[str, float]:
    """Compare predicted times with measured ones on some rows.

    Returns
    -------
    dict of str to float
        ``spearman`` and ``kendall`` (tau-b), 0 where the predictions are all equal; ``mape`` and
        ``median``, the mean and the median relative error; and with intervals ``coverage``, the
        share of measurements inside, and ``width``, the median of half their width over the
        prediction.
    """
    found, true = guess.times[rows], times[rows]
    wrong = np.abs(found / true - 1)
    ranked = not np.all(found == found[0])
    # The coefficients alone: exact p-values, which nobody asks for, would take most of the time.
    scores = {
        "spearman": float(stats.spearmanr(found, true).statistic) if ranked else 0.0,
        "kendall": _kendall(found, true) if ranked else 0.0,
        "mape": float(np.mean(wrong)),
        "median": float(np.median(wrong)),
    }
    if guess.lower is not None and guess.upper is not None:
        lower, upper = guess.lower[rows], guess.upper[rows]
        scores["coverage"] = float(np.mean((lower <= true) & (true <= upper)))
        scores["width"] = float(np.median((upper - lower) / 2 / found))
    return scores


def _kendall(found: Floats, true: Floats) -> float:
    return float(stats.kendalltau(found, true, method="asymptotic").statistic)
