"""Compiled walk over the leaves for `project`; apart, so that importing that stays quick."""

from __future__ import annotations

from typing import Any

import numba
import numpy as np

#: Deepest path of a tree that is followed.
DEEPEST = 4095


@numba.njit(cache=True, nogil=True)  # type: ignore[untyped-decorator,unused-ignore]
def add_leaves(
    feature: Any,
    threshold: Any,
    left: Any,
    right: Any,
    value: Any,
    roots: Any,
    cardinalities: Any,
    first_gene: Any,
    interval: Any,
    n_intervals: Any,
    box_counts: Any,
    pair_offset: Any,
    units: float,
    pairs: Any,
    singles: Any,
) -> Any:
    """Add every leaf's terms to the boxes of its pairs, of its blocks, and to the constant.

    A leaf's path narrows some blocks, each to a box (a product of intervals of codes) that holds
    the share p of the block's symbols. With v its value, m the number of such blocks and P the
    product of their shares, its projection is, in indicators 1_b of the boxes::

        sum over a < b of  v P/(p_a p_b) 1_a 1_b
        + (2 - m)  sum over a of  v P/p_a 1_a
        + (m - 1)(m - 2)/2  v P

    ``pairs`` int64 [n]: by box of the first and of the second block, at ``pair_offset[a, b]``.
    ``singles`` int64 [n_blocks + 1, most boxes]; in the last row's first place the constant.
    Values are in 1/units. Returns the number of the first tree that is too deep, or -1.
    """
    n_genes = len(cardinalities)
    n_blocks = len(box_counts)
    stack = np.empty(DEEPEST + 1, np.int32)
    low = np.zeros((DEEPEST + 1, n_genes), np.int32)
    high = np.zeros((DEEPEST + 1, n_genes), np.int32)
    blocks = np.empty(n_blocks, np.int64)  # those the path narrows
    boxes = np.empty(n_blocks, np.int64)
    shares = np.empty(n_blocks, np.float64)
    for tree in range(len(roots)):
        top = 0
        stack[0] = roots[tree]
        low[0] = 0
        high[0] = cardinalities
        while top >= 0:
            node = stack[top]
            if left[node] >= 0:
                # Left takes the codes below the threshold. A child no code reaches is skipped.
                g = feature[node]
                cut = low[top, g]
                while cut < high[top, g] and np.float32(cut) < threshold[node]:
                    cut += 1
                if cut == low[top, g]:
                    stack[top] = right[node]
                elif cut == high[top, g]:
                    stack[top] = left[node]
                else:
                    if top >= DEEPEST:
                        return tree
                    low[top + 1] = low[top]
                    high[top + 1] = high[top]
                    low[top, g] = cut
                    stack[top] = right[node]
                    high[top + 1, g] = cut
                    stack[top + 1] = left[node]
                    top += 1
                continue
            m = 0
            for b in range(n_blocks):
                share = 1.0
                box = 0
                narrowed = False
                for g in range(first_gene[b], first_gene[b + 1]):
                    lo, hi = low[top, g], high[top, g]
                    box = box * n_intervals[g] + interval[g, lo, hi]
                    if hi - lo < cardinalities[g]:
                        narrowed = True
                        share *= (hi - lo) / cardinalities[g]
                if narrowed:
                    blocks[m] = b
                    boxes[m] = box
                    shares[m] = share
                    m += 1
            scaled = np.float64(value[node]) * units
            for i in range(m):
                for j in range(i + 1, m):
                    rest = scaled
                    for k in range(m):
                        if k not in (i, j):
                            rest *= shares[k]
                    place = pair_offset[blocks[i], blocks[j]]
                    place += boxes[i] * box_counts[blocks[j]] + boxes[j]
                    pairs[place] += np.int64(np.rint(rest))
            if m != 2:
                everything = scaled
                for i in range(m):
                    rest = scaled
                    for k in range(m):
                        if k != i:
                            rest *= shares[k]
                    singles[blocks[i], boxes[i]] += (2 - m) * np.int64(np.rint(rest))
                    everything *= shares[i]
                constant = (m - 1) * (m - 2) // 2
                singles[n_blocks, 0] += constant * np.int64(np.rint(everything))
            top -= 1
    return -1
