"""Depth-first search over the symbols of one block after the other, with bounds of several costs.

A problem has some costs (see `anb_onnx.exact.diffusion`), all over the same blocks and terms, and
some *corners*: an architecture is wanted if there is a corner that none of its costs exceeds. One
corner is what an optimum needs (its cost is the best so far, a constraint's is its limit); a front
has a corner between any two neighbouring points of what was found.

The search fixes blocks in a given order. Of a node, all architectures with these symbols, each cost
is at least ::

    what is fixed + sum over free blocks of min over symbols x of (
        cost of x + entries of all terms of which this is the only free block, at x
    ) + for each other term, its least entry that agrees with what is fixed

where the costs were diffused before, so that such minima mean something (forward checking). A node
is passed over where every corner has some cost that its bound exceeds. All numbers are integers:
no bound is rounded.

The search stops where its list of leaves is full and goes on where it stopped, so that corners may
be moved towards what was found meanwhile, and a program can be interrupted.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anb_onnx.encoding.jit import jit
from anb_onnx.exact.diffusion import Costs, Layout

#: Nodes that are visited between two looks at whether the user wants to stop.
_NODES_AT_ONCE = 2**16

_Ints = NDArray[np.int64]


class Search:
    """A search that is under way.

    Parameters
    ----------
    layout : Layout
    costs : sequence of Costs
        Diffused; the first of them leads: it decides which symbols come first.
    order : sequence of int
        The blocks, in the order in which they are fixed.

    Attributes
    ----------
    nodes : int
        Nodes that were visited up to now.
    root : ndarray of int64, shape (n_costs,)
        Bounds of each cost over all architectures.
    """

    def __init__(self, layout: Layout, costs: Sequence[Costs], order: Sequence[int]) -> None:
        self._order = np.array(order, dtype=np.int64)
        self.nodes = 0
        sizes = np.array([layout.sizes[block] for block in order], dtype=np.int64)
        n, n_costs = len(order), len(costs)
        self._sizes, self._offsets = sizes, np.cumsum([0, *sizes])
        self._plan = _Plan(layout, costs, self._order)
        width = int(self._offsets[-1])
        self._vectors = np.zeros((n + 1, n_costs, width), dtype=np.int64)
        self._fixed = np.zeros((n + 1, n_costs), dtype=np.int64)
        for number, cost in enumerate(costs):
            self._vectors[0, number] = np.concatenate(
                [cost[layout.block_offsets[b] : layout.block_offsets[b + 1]] for b in order]
            )
            self._fixed[0, number] = self._plan.least[number]
        self.root = self._fixed[0] + np.array(
            [
                sum(int(row[a:b].min()) for a, b in pairwise(self._offsets))
                for row in self._vectors[0]
            ]
        )
        # Which symbol each depth is at, and in what order it takes them.
        self._at = np.full(n, -1, dtype=np.int64)
        self._symbols = np.zeros(n, dtype=np.int64)
        self._sorted = np.zeros(width, dtype=np.int64)
        self._state = np.zeros(2, dtype=np.int64)  # depth, nodes

    def run(
        self, corners: _Ints, room: int, most: int | None = None
    ) -> tuple[NDArray[np.int64], bool]:
        """Search on until so many leaves are found, or there are no more.

        Parameters
        ----------
        corners : int64 array [n, n_costs]
        room : int
            Most leaves.
        most : int, optional
            Nodes, all calls together, after which to stop as well.

        Returns
        -------
        leaves : int64 array [k, n_blocks]
            For each, the symbols' numbers among those allowed, in the order of the space's blocks.
        done : bool
            Whether the search is over.
        """
        out = np.empty((room, len(self._order)), dtype=np.int64)
        found, done = 0, False
        most = 2**63 if most is None else most
        while (
            not done and found < room and self.nodes <= most
        ):  # numba's code sees no Ctrl-C; this loop does
            self._state[1] = 0
            found, done = _search(
                corners,
                self._sizes,
                self._offsets,
                self._vectors,
                self._fixed,
                self._plan.tables,
                self._plan.starts,
                self._plan.events,
                self._plan.parts,
                self._at,
                self._symbols,
                self._sorted,
                self._state,
                out,
                found,
                _NODES_AT_ONCE,
            )
            self.nodes += int(self._state[1])
        leaves = np.empty((found, len(self._order)), dtype=np.int64)
        leaves[:, self._order] = out[:found]
        return leaves, bool(done)


class _Plan:
    """What fixing a block does to the bounds, as arrays for the kernel.

    A term whose blocks have, in the order of the search, the depths d[0] < d[1] < ... is cut into
    steps: ``least`` holds its least entry; fixing depth d[i] adds by how much the least entry that
    still agrees is larger, a number, but for the last but one: that adds a row of numbers, one for
    each symbol of the last.

    An event is (first entry in the tables, first of its parts, their end, first entry of the
    vectors to add a row to or -1, its length), a part (depth, stride): the number or row begins at
    first + sum over parts of stride * symbol at depth.
    """

    def __init__(self, layout: Layout, costs: Sequence[Costs], order: _Ints) -> None:
        depth = np.argsort(order)
        offsets = np.cumsum([0, *(layout.sizes[block] for block in order)])
        self.least = np.zeros(len(costs), dtype=np.int64)
        pieces: list[NDArray[np.int64]] = []
        end = 0
        of_depth: list[list[tuple[int, list[tuple[int, int]], int, int]]] = [[] for _ in order]
        for number, term in enumerate(layout.terms):
            axes = sorted(range(len(term)), key=lambda axis: depth[term[axis]])
            depths = [int(depth[term[axis]]) for axis in axes]
            table = np.stack([layout.view(cost, number).transpose(axes) for cost in costs])
            least = table.reshape(len(costs), -1).min(axis=1)
            self.least += least
            for last in range(1, len(axes)):
                wide = last == len(axes) - 1
                # Least over what is still free, but the last axis where a row is added.
                rest = tuple(range(last + 1, len(axes) + 1)) if not wide else ()
                found = table.min(axis=rest) if rest else table
                step = found - least.reshape(*least.shape, *(1,) * (found.ndim - least.ndim))
                least = found
                strides = [int(np.prod(step.shape[k + 2 :])) for k in range(step.ndim - 1)]
                row = (int(offsets[depths[-1]]), step.shape[-1]) if wide else (-1, 1)
                parts = list(zip(depths[:last], strides[:last], strict=True))
                of_depth[depths[last - 1]].append((end, parts, *row))
                pieces.append(step.reshape(len(costs), -1))
                end += pieces[-1].shape[1]
        empty = np.zeros((len(costs), 1), dtype=np.int64)
        self.tables = np.ascontiguousarray(np.concatenate([empty[:, :0], *pieces], axis=1))
        events: list[tuple[int, int, int, int, int]] = []
        all_parts: list[tuple[int, int]] = []
        starts = [0]
        for here in of_depth:
            for first, parts, target, length in here:
                start = len(all_parts)
                all_parts += parts
                events.append((first, start, len(all_parts), target, length))
            starts.append(len(events))
        self.starts = np.array(starts, dtype=np.int64)
        self.events = np.array(events, dtype=np.int64).reshape(-1, 5)
        self.parts = np.array(all_parts, dtype=np.int64).reshape(-1, 2)


def _fix_kernel(
    depth: int,
    offsets: Any,
    parent: Any,
    child: Any,
    parent_fixed: Any,
    child_fixed: Any,
    tables: Any,
    starts: Any,
    events: Any,
    parts: Any,
    symbols: Any,
    bounds: Any,
) -> None:
    """Make the vectors of a child, whose symbols are known up to `depth`, and its bounds."""
    begin, end = offsets[depth + 1], offsets[-1]
    n_costs = len(parent)
    chosen = offsets[depth] + symbols[depth]
    for r in range(n_costs):
        child_fixed[r] = parent_fixed[r] + parent[r, chosen]
        for v in range(begin, end):
            child[r, v] = parent[r, v]
    for e in range(starts[depth], starts[depth + 1]):
        first = events[e, 0]
        for p in range(events[e, 1], events[e, 2]):
            first += parts[p, 1] * symbols[parts[p, 0]]
        target, length = events[e, 3], events[e, 4]
        if target < 0:
            for r in range(n_costs):
                child_fixed[r] += tables[r, first]
        else:
            for r in range(n_costs):
                row = tables[r, first : first + length]
                into = child[r, target : target + length]
                for v in range(length):
                    into[v] += row[v]
    for r in range(n_costs):
        total = child_fixed[r]
        for d in range(depth + 1, len(offsets) - 1):
            row = child[r, offsets[d] : offsets[d + 1]]
            least = row[0]
            for v in range(1, len(row)):
                least = min(least, row[v])
            total += least
        bounds[r] = total


def _search_kernel(
    corners: Any,
    sizes: Any,
    offsets: Any,
    vectors: Any,
    fixed: Any,
    tables: Any,
    starts: Any,
    events: Any,
    parts: Any,
    at: Any,
    symbols: Any,
    ordered: Any,
    state: Any,
    out: Any,
    found: int,
    budget: int,
) -> tuple[int, bool]:
    n, n_costs = len(sizes), vectors.shape[1]
    bounds = np.empty(n_costs, dtype=np.int64)
    depth = state[0]
    while depth >= 0:
        if found == len(out) or state[1] >= budget:
            state[0] = depth
            return found, False
        start, size = offsets[depth], sizes[depth]
        if at[depth] < 0:  # entered from above: the best symbols first
            ordered[start : start + size] = np.argsort(vectors[depth, 0, start : start + size])
            at[depth] = 0
        if at[depth] == size:
            at[depth] = -1
            depth -= 1
            continue
        symbols[depth] = ordered[start + at[depth]]
        at[depth] += 1
        state[1] += 1
        _fix(
            depth,
            offsets,
            vectors[depth],
            vectors[depth + 1],
            fixed[depth],
            fixed[depth + 1],
            tables,
            starts,
            events,
            parts,
            symbols,
            bounds,
        )
        wanted = False
        for k in range(len(corners)):
            inside = True
            for r in range(n_costs):
                if bounds[r] > corners[k, r]:
                    inside = False
                    break
            if inside:
                wanted = True
                break
        if not wanted:
            continue
        if depth == n - 1:
            out[found] = symbols
            found += 1
        else:
            depth += 1
    state[0] = depth
    return found, True


_fix = jit(_fix_kernel)
_search = jit(_search_kernel)
