"""The kernel that counts a range of prefixes, compiled for one ensemble and one grid."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anb_onnx.encoding.jit import jit_source
from anb_onnx.sweep.bound import FastPass, plan_fast_pass
from anb_onnx.sweep.grid import Grid, SweepError
from anb_onnx.sweep.layout import Layout, choose_layout, compile_program
from anb_onnx.sweep.source import COPIES, Numbers, kernel_source
from anb_onnx.tables import TableEnsemble

#: Most architectures of one call: what a counter of 32 bits holds.
MOST = 2**31


@dataclass(frozen=True)
class Counts:
    """Histogram of some architectures.

    Attributes
    ----------
    bins : ndarray of int64, shape (n_bins,)
    below, above : int
        Outside the grid.
    exact : int
        How many had to be evaluated in the contract's float64.
    """

    bins: NDArray[np.int64]
    below: int
    above: int
    exact: int

    def __add__(self, other: Counts) -> Counts:
        """Return the counts of both."""
        return Counts(
            self.bins + other.bins,
            self.below + other.below,
            self.above + other.above,
            self.exact + other.exact,
        )


class Counter:
    """Counts architectures of an ensemble into the bins of a grid, a range of prefixes at a time.

    Parameters
    ----------
    ensemble : TableEnsemble
    grid : Grid
    first : int
        The blocks before it are in the prefix: those that a shard has one symbol of.
    fast : bool
        Whether float32 may decide where that is proven; else float64 does it all.

    Raises
    ------
    ArtifactError
        If the sums of the tables could leave int32.
    """

    def __init__(
        self, ensemble: TableEnsemble, grid: Grid, first: int = 0, *, fast: bool = True
    ) -> None:
        _ = ensemble.bounds  # sums that could leave int32 are refused
        link, space = ensemble.link, ensemble.space
        block, inside = (None, np.zeros(1, np.bool_))
        if link.regime is not None:
            block, inside = link.regime.symbols(space)
        self.grid = grid
        self.layout = choose_layout(space, ensemble.n_members, first, block)
        self.plan = plan_fast_pass(ensemble, grid.low, grid.high, grid.bins) if fast else None
        program = compile_program(self.layout, ensemble.terms, ensemble.entries)
        quick = program
        if self.plan is not None and self.plan.members != ensemble.n_members:
            quick = compile_program(self.layout, ensemble.terms, _summed(ensemble, self.plan))
        per_cell = grid.bins / (grid.high - grid.low)
        regime = None if block is None else _where(self.layout, block)
        if block is not None and regime is not None and regime[0]:
            inside = _of_rows(self.layout, block, inside)
        source = kernel_source(
            link, ensemble.scale, ensemble.shift, ensemble.n_members, self.layout, program,
            self.plan, quick, Numbers(grid.low, per_cell, grid.bins, grid.n_bins), regime,
        )  # fmt: skip
        self.source = source
        self._kernel = jit_source(source, __name__, error_model="numpy")
        self._programs = program, quick
        self._inside = inside.astype(np.uint8)
        bends = max((len(c.bends) for c in self.plan.curves), default=0) if self.plan else 0
        self._sums = (1 + bends) * self.layout.width
        self.n_members = ensemble.n_members
        # Cells with an edge inside, of a landmark: float32 does not say on which side.
        split = np.flatnonzero(np.diff(grid.starts) > 1)
        self._special = (split + 1).astype(np.uint32)

    def count(self, start: int, stop: int) -> Counts:
        """Count the architectures of the prefixes from `start` to before `stop`.

        Raises
        ------
        SweepError
            If a mean is not a number.
        """
        if (stop - start) * self.layout.inner > MOST:
            msg = f"at most {MOST} architectures can be counted at once"
            raise SweepError(msg)
        grid, layout = self.grid, self.layout
        hist = np.zeros(COPIES * (grid.bins + 3), dtype=np.uint32)
        exact = np.zeros(grid.n_bins + 3, dtype=np.int64)
        sizes = np.array([layout.space.block_sizes[b] for b in layout.prefix], dtype=np.int64)
        # One entry more: the depth may be 0. Prefixes may be more than 64 bits count.
        digits, rest = np.zeros(len(sizes) + 1, dtype=np.int64), start
        for depth in reversed(range(len(sizes))):
            rest, digits[depth] = divmod(rest, int(sizes[depth]))
        evaluated = self._kernel(
            stop - start, sizes, self._inside, grid.edges, grid.starts, self._special, hist, exact,
            np.zeros(layout.width, np.uint32), np.zeros(self._sums, np.float32), digits,
            np.zeros(self.n_members, np.int64), np.zeros(self.n_members),
            *self._arguments(0), *self._arguments(1),
        )  # fmt: skip
        if exact[-1]:
            msg = f"{exact[-1]} architectures have a mean that is not a number"
            raise SweepError(msg)
        cells = hist.reshape(COPIES, -1).sum(axis=0, dtype=np.int64)
        bins = exact[1:-2]
        bins[grid.starts[:-1]] += cells[1:-2]
        return Counts(bins, int(exact[0] + cells[0]), int(exact[-2] + cells[-2]), int(evaluated))

    def _arguments(self, number: int) -> tuple[Any, ...]:
        p = self._programs[number]
        state = p.state.copy()  # which the kernel changes; threads have their own
        return (
            p.depths, p.source, p.target, p.length, p.base, p.parts, p.digits, p.weights,
            p.tables, state,
        )  # fmt: skip


def _summed(ensemble: TableEnsemble, plan: FastPass) -> NDArray[np.int32]:
    """Return the sum of each entry's members, divided by 2^shift and rounded: int32 [n, 1]."""
    entries = ensemble.entries.sum(axis=1, keepdims=True, dtype=np.int64)
    half = (1 << plan.shift) >> 1
    rounded: NDArray[np.int32] = ((entries + half) >> plan.shift).astype(np.int32)
    return rounded


def _where(layout: Layout, block: int) -> tuple[bool, int]:
    """Return whether the rows hold a block, and else which digit of the prefix it is."""
    return (True, 0) if block in layout.rows else (False, layout.prefix.index(block))


def _of_rows(layout: Layout, block: int, inside: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return for each row whether it is inside the regime."""
    sizes = layout.space.block_sizes
    symbols = np.zeros(1, dtype=np.int64)
    for other in layout.rows:
        own = np.arange(sizes[other]) if other == block else np.zeros(sizes[other], dtype=np.int64)
        symbols = (symbols[:, None] + own).ravel()
    return inside[symbols]
