"""What needs no prior: MACs, least squares on operation counts, and the most similar device."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from benchmarks.few_shot.measured import Measured
from benchmarks.few_shot.scores import Guess

Floats = NDArray[np.float64]
Rows = NDArray[np.int64]


def macs_alone(measured: Measured, times: Floats, samples: Rows) -> Guess:
    """Predict a line in MACs through the samples; its ranks are always those of MACs.

    Through few samples the line may fall; but nobody believes that more work takes less time, so
    that it rises at least a little.
    """
    x, y = measured.macs / measured.macs.mean(), times[samples]
    slope = 0.0
    if np.ptp(x[samples]) > 0:
        slope = float(np.polyfit(x[samples], y, 1)[0])
    slope = max(slope, 1e-6 * float(y.mean()))
    return Guess(y.mean() + slope * (x - x[samples].mean()))


def on_counts(measured: Measured, times: Floats, samples: Rows) -> Guess:
    """Predict by least squares on operation counts and a constant."""
    return least_squares(measured.counts, times, samples)


def single_source(
    measured: Measured, times: Floats, samples: Rows, sources: Sequence[str]
) -> tuple[Guess, str]:
    """Predict what was measured on one known device, scaled; the one that ranks the samples best.

    Of devices that rank them alike it is the one whose times fit best.
    """
    best, found = (-np.inf, -np.inf), (Guess(measured.macs), "")
    for name in sources:
        known = measured.devices[name].times
        usable = samples[np.isfinite(known[samples])]
        ratio = times[usable] / known[usable]
        factor = float(np.median(ratio))
        rank = _spearman(known[usable], times[usable])
        key = (rank, -float(np.mean(np.abs(ratio / factor - 1))))
        if key > best:
            best, found = key, (Guess(factor * known), name)
    return found


def least_squares(features: Floats, times: Floats, samples: Rows) -> Guess:
    """Fit times of samples by features and a constant; of many fits the one of least norm."""
    with_one = np.column_stack([np.ones(len(features)), features])
    scale = np.abs(with_one[samples]).max(axis=0)
    with_one = with_one / np.where(scale > 0, scale, 1)
    weights, *_ = np.linalg.lstsq(with_one[samples], times[samples], rcond=None)
    return Guess(with_one @ weights)


def _spearman(a: Floats, b: Floats) -> float:
    if np.all(a == a[0]) or np.all(b == b[0]):
        return -1.0
    return float(stats.spearmanr(a, b).statistic)
