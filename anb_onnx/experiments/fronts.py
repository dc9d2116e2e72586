"""Sets of losses of several objectives: what dominates, how much, and what is attained how often.

Losses are to be small, in every column.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anb_onnx.parallel.extras import need

Floats = NDArray[np.float64]


def _moocore() -> Any:
    return need("moocore", extra="search", what="a comparison of several objectives")


def hypervolume(losses: Floats, reference: Floats) -> float:
    """Return the volume that losses [n, m] dominate up to a reference point [m].

    Rows that are not better than it everywhere add nothing; infinite ones do not either.

    Raises
    ------
    ExtraError
        If moocore is missing.
    """
    inside = losses[(losses < reference).all(axis=1)]
    return float(_moocore().hypervolume(inside, ref=reference)) if len(inside) else 0.0


def nondominated(losses: Floats) -> Floats:
    """Return the finite rows of losses [n, m] that no other dominates, each once, in order."""
    finite = np.unique(losses[np.isfinite(losses).all(axis=1)], axis=0)
    if not len(finite):
        return finite
    found: Floats = finite[_moocore().is_nondominated(finite)]
    return found


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
