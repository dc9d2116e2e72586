"""Compiled walk over the leaves; apart from `compile`, so that importing that stays quick."""

from __future__ import annotations

from typing import Any

import numba
import numpy as np


@numba.njit(cache=True, nogil=True)  # type: ignore[untyped-decorator,unused-ignore]
def add_leaves(
    feature: Any,
    threshold: Any,
    left: Any,
    right: Any,
    value: Any,
    roots: Any,
    cardinalities: Any,
    block_of: Any,
    first_gene: Any,
    symbol_codes: Any,
    block_sizes: Any,
    pair_offset: Any,
    units: float,
    entries: Any,
    singles: Any,
) -> Any:
    """Add every leaf to the tables; return (tree, leaf) of the first that mixes three blocks.

    ``entries`` int64 [n_entries], ``singles`` int64 [n_blocks + 1, largest block]: leaves of one
    block, and in the last row's first place the leaves of none. Values are in 1/units.
    """
    n_genes = len(cardinalities)
    n_blocks = len(block_sizes)
    stack_node = np.empty(4096, np.int32)
    low = np.zeros((4096, n_genes), np.int32)
    high = np.zeros((4096, n_genes), np.int32)
    inside = np.empty((2, symbol_codes.shape[1]), np.int32)
    for tree in range(len(roots)):
        top = 0
        stack_node[0] = roots[tree]
        for g in range(n_genes):
            low[0, g] = 0
            high[0, g] = cardinalities[g]
        while top >= 0:
            node = stack_node[top]
            if left[node] >= 0:
                # Left takes the codes below the threshold. A child no code reaches is skipped.
                g = feature[node]
                cut = low[top, g]
                while cut < high[top, g] and np.float32(cut) < threshold[node]:
                    cut += 1
                above = high[top, g]
                below = low[top, g]
                reaches_left = cut > below
                reaches_right = cut < above
                if reaches_left and reaches_right:
                    for k in range(n_genes):
                        low[top + 1, k] = low[top, k]
                        high[top + 1, k] = high[top, k]
                    low[top, g] = cut
                    stack_node[top] = right[node]
                    high[top + 1, g] = cut
                    stack_node[top + 1] = left[node]
                    top += 1
                    if top + 1 >= len(stack_node):
                        return tree, -1
                elif reaches_left:
                    stack_node[top] = left[node]
                else:
                    stack_node[top] = right[node]
                continue
            # A leaf: which blocks does its box narrow?
            first = -1
            second = -1
            for g in range(n_genes):
                if low[top, g] > 0 or high[top, g] < cardinalities[g]:
                    b = block_of[g]
                    if first < 0 or b == first:
                        first = b
                    elif second < 0 or b == second:
                        second = b
                    else:
                        return tree, node
            amount = np.int64(np.rint(np.float64(value[node]) * units))
            if first < 0:
                singles[n_blocks, 0] += amount
                top -= 1
                continue
            counts = (0, 0)
            for which in range(2):
                b = first if which == 0 else second
                if b < 0:
                    continue
                count = 0
                for s in range(block_sizes[b]):
                    good = True
                    for k in range(first_gene[b + 1] - first_gene[b]):
                        g = first_gene[b] + k
                        code = symbol_codes[b, s, k]
                        if code < low[top, g] or code >= high[top, g]:
                            good = False
                            break
                    if good:
                        inside[which, count] = s
                        count += 1
                counts = (count, counts[1]) if which == 0 else (counts[0], count)
            if second < 0:
                for i in range(counts[0]):
                    singles[first, inside[0, i]] += amount
            else:
                offset = pair_offset[first, second]
                width = block_sizes[second]
                for i in range(counts[0]):
                    row = offset + inside[0, i] * width
                    for j in range(counts[1]):
                        entries[row + inside[1, j]] += amount
            top -= 1
    return -1, -1
