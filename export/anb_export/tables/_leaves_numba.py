"""Compiled walk over the leaves; apart from `leaves`, so that importing that stays quick."""

from __future__ import annotations

from typing import Any

import numba
import numpy as np

#: Deepest path of a tree that is followed.
DEEPEST = 4095


@numba.njit(cache=True, nogil=True)  # type: ignore[untyped-decorator,unused-ignore]
def _descend(
    feature: Any, threshold: Any, left: Any, right: Any, stack: Any, lows: Any, highs: Any, top: int
) -> Any:
    """Go from the node on top of the stack to a leaf; return the new top, or -1 if too deep.

    Left takes the codes below the threshold. A child no code reaches is skipped; where codes
    reach both, the right one waits on the stack.
    """
    while left[stack[top]] >= 0:
        node = stack[top]
        g = feature[node]
        cut = lows[top, g]
        while cut < highs[top, g] and np.float32(cut) < threshold[node]:
            cut += 1
        if cut == lows[top, g]:
            stack[top] = right[node]
        elif cut == highs[top, g]:
            stack[top] = left[node]
        elif top == DEEPEST:
            return -1
        else:
            for k in range(lows.shape[1]):
                lows[top + 1, k] = lows[top, k]
                highs[top + 1, k] = highs[top, k]
            lows[top, g] = cut
            stack[top] = right[node]
            top += 1
            highs[top, g] = cut
            stack[top] = left[node]
    return top


@numba.njit(cache=True, nogil=True)  # type: ignore[untyped-decorator,unused-ignore]
def _doubled(side: Any) -> Any:
    longer = np.empty((2 * len(side), 3), np.int32)
    for i in range(len(side)):
        for k in range(3):
            longer[i, k] = side[i, k]
    return longer


@numba.njit(cache=True, nogil=True)  # type: ignore[untyped-decorator,unused-ignore]
def walk(
    feature: Any, threshold: Any, left: Any, right: Any, roots: Any, cardinalities: Any, most: int
) -> Any:
    """Return the leaves that codes can reach as boxes; `most` is a number they cannot exceed.

    Returns
    -------
    deep : int
        Number of the first tree that is deeper than `DEEPEST` among `roots`, or -1.
    n : int
        How many leaves there are; what follows is longer.
    tree, node : ndarray of int32
        Each leaf's tree, by its number among `roots`, and its node.
    start : ndarray of int64
        Where each leaf's sides begin.
    side : ndarray of int32, shape (n_sides, 3)
        (gene, low, high): the path narrows the gene to the codes low <= code < high. Those of a
        leaf are in the order of the genes.
    """
    n_genes = len(cardinalities)
    stack = np.empty(DEEPEST + 1, np.int32)
    lows = np.empty((DEEPEST + 1, n_genes), np.int32)
    highs = np.empty((DEEPEST + 1, n_genes), np.int32)
    of_tree, of_node = np.empty(most, np.int32), np.empty(most, np.int32)
    start = np.zeros(most + 1, np.int64)
    side = np.empty((n_genes + 8 * most, 3), np.int32)
    n = 0
    for tree in range(len(roots)):
        top = np.int64(0)
        stack[0] = roots[tree]
        for g in range(n_genes):
            lows[0, g], highs[0, g] = 0, cardinalities[g]
        while top >= 0:
            top = _descend(feature, threshold, left, right, stack, lows, highs, top)
            if top < 0:
                return tree, n, of_tree, of_node, start, side
            place = start[n]
            if place + n_genes > len(side):
                side = _doubled(side)
            for g in range(n_genes):
                if lows[top, g] > 0 or highs[top, g] < cardinalities[g]:
                    side[place, 0], side[place, 1], side[place, 2] = g, lows[top, g], highs[top, g]
                    place += 1
            of_tree[n], of_node[n] = tree, stack[top]
            n += 1
            start[n] = place
            top -= 1
    return -1, n, of_tree, of_node, start, side


@numba.njit(cache=True, nogil=True)  # type: ignore[untyped-decorator,unused-ignore]
def measure(start: Any, side: Any, cardinalities: Any, bits: Any) -> Any:
    """Return which blocks each leaf narrows, and to what share of their symbols.

    `bits` uint64 [n_genes] are the bits of the genes' blocks. The blocks are uint64 [n_leaves];
    the shares float64, at the first side of each block of a leaf, and 1 at its others; then their
    products, float64 [n_leaves].
    """
    blocks = np.zeros(len(start) - 1, np.uint64)
    share = np.ones(start[-1], np.float64)
    volume = np.ones(len(blocks), np.float64)
    for leaf in range(len(blocks)):
        first = start[leaf]
        for i in range(first, start[leaf + 1]):
            g = side[i, 0]
            if bits[g] != bits[side[first, 0]]:
                first = i
            part = (side[i, 2] - side[i, 1]) / cardinalities[g]
            share[first] *= part
            volume[leaf] *= part
            blocks[leaf] |= bits[g]
    return blocks, share, volume


@numba.njit(cache=True, nogil=True)  # type: ignore[untyped-decorator,unused-ignore]
def add(
    amount: Any,
    start: Any,
    side: Any,
    share: Any,
    kind: Any,
    first_part: Any,
    keeps: Any,
    term: Any,
    factor: Any,
    offsets: Any,
    strides: Any,
    cardinalities: Any,
    bits: Any,
    differences: Any,
) -> None:
    """Add the parts of every leaf to the differences of the tables.

    A part keeps some of the leaf's blocks, and has the others only by their share of symbols.
    Along each gene of a table, an interval of codes is a difference of +1 where it begins and of
    -1 where it ends, so a box of k genes is at most 2^k numbers, whatever its size.
    """
    jumps = np.empty(len(bits), np.int64)
    for leaf in range(len(kind)):
        for part in range(first_part[kind[leaf]], first_part[kind[leaf] + 1]):
            rest = amount[leaf]
            place = offsets[term[part]]
            n_jumps = 0
            for i in range(start[leaf], start[leaf + 1]):
                g, low, high = side[i, 0], side[i, 1], side[i, 2]
                if keeps[part] & bits[g]:
                    stride = strides[term[part], g]
                    place += low * stride
                    if high < cardinalities[g]:
                        jumps[n_jumps] = (high - low) * stride
                        n_jumps += 1
                else:
                    rest *= share[i]
            value = factor[part] * np.int64(np.rint(rest))
            differences[place] += value
            # All other corners, each a neighbour of the one before (a Gray code): the lowest bit
            # set in its number tells along which gene.
            for corner in range(1, 1 << n_jumps):
                k = 0
                while not (corner >> k) & 1:
                    k += 1
                place += jumps[k]
                jumps[k] = -jumps[k]  # there, and back the next time
                value = -value
                differences[place] += value
