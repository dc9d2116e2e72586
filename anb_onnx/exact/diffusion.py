"""Min-sum diffusion: moving costs between the tables of terms until their minima add up to more.

A cost is a sum of one table for each term and one for each block. Moving an amount that depends
on one symbol of one block from a term's table to the block's (or back) changes no sum, but it
changes the minima of the tables, and these add up to a lower bound of every sum. Diffusion visits
the blocks in turn and shares out, for every symbol, what its terms cost at least, in equal parts;
the bound never falls, and for the sums of surrogates it ends at or close to the least sum.

Costs are integers, so that no step rounds: whatever was moved, all sums are what they were, and
the bound is one, exactly. Method: Kovalevsky and Koval (1975), and Werner, "A linear programming
approach to max-sum problem", TPAMI 29(7), 2007, section VI; in constraint programming it is soft
arc consistency.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anb_onnx.encoding.jit import jit
from anb_onnx.terms import Term

Costs = NDArray[np.int64]

#: Costs are scaled by a power of two, at most this one, for shares that are finer than one.
_MOST_SCALING = 16

#: No sum of scaled costs, in whatever order, leaves int64 below this power of two.
_SUM_BITS = 60


@dataclass(frozen=True)
class Layout:
    """Where the costs of a problem lie in one array: those of the blocks first, then of the terms.

    Attributes
    ----------
    sizes : tuple of int
        Number of symbols of each block that are allowed.
    terms : tuple of tuple of int
        The terms of two blocks or more; their blocks ascend.
    """

    sizes: tuple[int, ...]
    terms: tuple[Term, ...]

    @cached_property
    def block_offsets(self) -> NDArray[np.int64]:
        """First cost of each block, and the end of the last: int64 [n_blocks + 1]."""
        return np.cumsum([0, *self.sizes])

    @cached_property
    def term_offsets(self) -> NDArray[np.int64]:
        """First cost of each term, and the end of the last: int64 [n_terms + 1]."""
        counts = [prod(self.sizes[block] for block in term) for term in self.terms]
        return int(self.block_offsets[-1]) + np.cumsum([0, *counts])

    @property
    def n_costs(self) -> int:
        """Number of costs."""
        return int(self.term_offsets[-1])

    def shape(self, term: int) -> tuple[int, ...]:
        """Return the shape of a term's table."""
        return tuple(self.sizes[block] for block in self.terms[term])

    def view(self, costs: Costs, term: int) -> Costs:
        """Return the table of a term as a view of its shape."""
        start, stop = self.term_offsets[term : term + 2]
        return costs[start:stop].reshape(self.shape(term))

    def total(self, costs: Costs, leaf: NDArray[np.int64]) -> int:
        """Return the sum of what a leaf costs: one allowed symbol for each block."""
        found = int(costs[self.block_offsets[:-1] + leaf].sum())
        for number, term in enumerate(self.terms):
            found += int(self.view(costs, number)[tuple(leaf[block] for block in term)])
        return found

    @cached_property
    def _incidences(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """By block: which terms have it, as offset, outer and inner count of the table's axis."""
        starts, found = [0], []
        for block in range(len(self.sizes)):
            for number, term in enumerate(self.terms):
                if block in term:
                    shape, axis = self.shape(number), term.index(block)
                    outer, inner = prod(shape[:axis]), prod(shape[axis + 1 :])
                    found.append((int(self.term_offsets[number]), outer, inner))
            starts.append(len(found))
        return np.array(starts), np.array(found, dtype=np.int64).reshape(-1, 3)

    def diffuse(self, costs: Costs, rounds: int) -> int:
        """Diffuse in place, so many rounds or until the bound stands still; return the bound."""
        starts, incidences = self._incidences
        sizes = np.array(self.sizes)
        most = int(np.diff(starts).max(initial=0)) * int(sizes.max())
        scratch = np.empty(max(most, 1), dtype=np.int64)
        ends = self.term_offsets
        return int(
            _diffuse(costs, sizes, self.block_offsets, ends, starts, incidences, rounds, scratch)
        )


def scaling(most: int) -> int:
    """Return by how many bits costs may be shifted whose sums are at most so large in size.

    Raises
    ------
    OverflowError
        If they do not fit as they are.
    """
    bits = _SUM_BITS - int(most).bit_length()
    if bits < 0:
        msg = f"sums of up to {most} do not fit"
        raise OverflowError(msg)
    return min(_MOST_SCALING, bits)


def _diffuse_kernel(
    costs: Any,
    sizes: Any,
    block_offsets: Any,
    term_offsets: Any,
    starts: Any,
    incidences: Any,
    rounds: int,
    scratch: Any,
) -> Any:
    bound = _bound(costs, block_offsets, term_offsets)
    for number in range(rounds):
        for block in range(len(sizes)):
            size, degree = sizes[block], starts[block + 1] - starts[block]
            unary = costs[block_offsets[block] : block_offsets[block + 1]]
            for k in range(degree):
                row = incidences[starts[block] + k]
                _least(costs, row[0], row[1], row[2], size, scratch[k * size : (k + 1) * size])
            for symbol in range(size):
                total = unary[symbol]
                for k in range(degree):
                    total += scratch[k * size + symbol]
                share = total // (degree + 1)
                unary[symbol] = total - degree * share
                for k in range(degree):
                    scratch[k * size + symbol] = share - scratch[k * size + symbol]
            for k in range(degree):
                row = incidences[starts[block] + k]
                _add(costs, row[0], row[1], row[2], size, scratch[k * size : (k + 1) * size])
        if number % 4 == 3:
            found = _bound(costs, block_offsets, term_offsets)
            # Shares are rounded down: what is left of a change is of that size.
            if found - bound <= len(term_offsets):
                return max(bound, found)
            bound = found
    return _bound(costs, block_offsets, term_offsets)


def _bound_kernel(costs: Any, block_offsets: Any, term_offsets: Any) -> Any:
    total = 0
    for offsets in (block_offsets, term_offsets):
        for k in range(len(offsets) - 1):
            least = costs[offsets[k]]
            for i in range(offsets[k] + 1, offsets[k + 1]):
                least = min(least, costs[i])
            total += least
    return total


def _least_kernel(costs: Any, first: int, outer: int, inner: int, size: int, out: Any) -> None:
    """Least cost for each symbol of an axis: of `outer` * `size` * `inner` costs from `first`."""
    out[:] = np.iinfo(np.int64).max
    if inner == 1:
        for a in range(outer):
            row = costs[first + a * size : first + (a + 1) * size]
            for x in range(size):
                out[x] = min(out[x], row[x])
    else:
        for a in range(outer):
            for x in range(size):
                start = first + (a * size + x) * inner
                row = costs[start : start + inner]
                least = row[0]
                for i in range(1, inner):
                    least = min(least, row[i])
                out[x] = min(out[x], least)


def _add_kernel(costs: Any, first: int, outer: int, inner: int, size: int, amount: Any) -> None:
    """Add an amount for each symbol of an axis."""
    if inner == 1:
        for a in range(outer):
            row = costs[first + a * size : first + (a + 1) * size]
            for x in range(size):
                row[x] += amount[x]
    else:
        for a in range(outer):
            for x in range(size):
                start = first + (a * size + x) * inner
                row = costs[start : start + inner]
                for i in range(inner):
                    row[i] += amount[x]


_least = jit(_least_kernel)
_add = jit(_add_kernel)
_bound = jit(_bound_kernel)
_diffuse = jit(_diffuse_kernel)
