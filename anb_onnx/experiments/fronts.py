"""What fronts attain in the middle."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def median_attainment(fronts: Sequence[Floats]) -> Floats:
    """Return the median attainment surface of some fronts of two losses.

    At least half of the fronts dominate, or touch, every point of it (Grunert da Fonseca, Fonseca
    and Hall, "Inferential performance assessment of stochastic optimisers and the attainment
    function", 2001).

    Parameters
    ----------
    fronts : sequence of float64 arrays [k, 2]
        One for each run; empty where nothing was found.

    Returns
    -------
    float64 array [n, 2]
        Corners, the first loss ascending.
    """
    # Its corners are among the first losses of the fronts.
    first = np.unique(np.concatenate([front[:, 0] for front in fronts] or [np.empty(0)]))
    best = np.full((len(fronts), len(first)), np.inf)
    for row, front in zip(best, fronts, strict=True):
        # What each front attains in the second loss, once so much of the first is allowed.
        np.minimum.at(row, np.searchsorted(first, front[:, 0]), front[:, 1])
        np.minimum.accumulate(row, out=row)
    half = -(-len(fronts) // 2)
    second = np.sort(best, axis=0)[half - 1] if len(fronts) else np.empty(0)
    corner = second < np.concatenate([[np.inf], second[:-1]])[: len(second)]
    found: Floats = np.column_stack([first[corner], second[corner]])
    return found
