"""Compiled leaf sums; apart from `forest`, so that importing that stays quick."""

from __future__ import annotations

from typing import Any

import numba
import numpy as np

_ROWS = 256  # rows of a block: their codes stay in the L1 cache while every tree passes over them


@numba.njit(cache=True, nogil=True)  # type: ignore[untyped-decorator,unused-ignore]
def sum_leaves(
    codes: Any,
    feature: Any,
    threshold: Any,
    left: Any,
    right: Any,
    value: Any,
    roots: Any,
    base_score: float,
) -> Any:
    """Return float64 [n]: the leaves of all trees in their order, then the base score."""
    n = codes.shape[0]
    total = np.zeros(n, dtype=np.float64)
    for start in range(0, n, _ROWS):
        stop = min(n, start + _ROWS)
        for root in roots:
            for row in range(start, stop):
                node = root
                while left[node] >= 0:
                    if np.float32(codes[row, feature[node]]) < threshold[node]:
                        node = left[node]
                    else:
                        node = right[node]
                total[row] += np.float64(value[node])
        for row in range(start, stop):
            total[row] += base_score
    return total
