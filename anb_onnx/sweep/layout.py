"""How the space is walked: which blocks vary innermost, and the tables in the order of that walk.

All blocks but a few are the *prefix*, counted like an odometer, the last block fastest. The rest
are the *rows* and the *lanes*: for each prefix every row, and for each row all lanes side by side,
as vector units like it. Below a prefix the sum of all terms is::

    total[m] = c[m] + x[row, m] + y[m, lane] + xy[row, m, lane]

in integers, so that it is exact whatever the order. When the odometer moves, only the terms of
the blocks that changed are added anew, to the sums of the blocks before them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import prod

import numpy as np
from numpy.typing import NDArray

from anb_onnx.spaces.space import SearchSpace
from anb_onnx.terms import Terms

#: Lanes are padded to a multiple of this: the widest vectors of today hold 16 float32.
LANES = 16

#: Most rows, and lanes where several blocks make them up.
_MOST = 64

#: Most lanes of a single block; larger ones are counted by the odometer.
_MOST_LANES = 2**12

#: Most int32 of the sums over rows and lanes: half of a common second-level cache.
_MOST_SUMS = 2**17


@dataclass(frozen=True)
class Layout:
    """Which blocks are the prefix, the rows and the lanes.

    Attributes
    ----------
    space : SearchSpace
    prefix, rows, lanes : tuple of int
        Numbers of blocks, increasing; every block is in one of them. Rows and lanes may be none.
    """

    space: SearchSpace
    prefix: tuple[int, ...]
    rows: tuple[int, ...]
    lanes: tuple[int, ...]

    @cached_property
    def n_rows(self) -> int:
        """Number of rows."""
        return self._count(self.rows)

    @cached_property
    def n_lanes(self) -> int:
        """Number of lanes, without the padding."""
        return self._count(self.lanes)

    @cached_property
    def width(self) -> int:
        """Number of lanes, with the padding."""
        return padded(self.n_lanes)

    @cached_property
    def n_prefixes(self) -> int:
        """Number of prefixes."""
        return self._count(self.prefix)

    @property
    def inner(self) -> int:
        """Number of architectures of one prefix."""
        return self.n_rows * self.n_lanes

    def _count(self, blocks: tuple[int, ...]) -> int:
        return _size(self.space, blocks)


def _size(space: SearchSpace, blocks: tuple[int, ...]) -> int:
    return prod(space.block_sizes[block] for block in blocks)


def padded(lanes: int) -> int:
    """Return a number of lanes as a whole number of vectors."""
    return -(-lanes // LANES) * LANES


def choose_layout(space: SearchSpace, members: int, first: int, regime: int | None) -> Layout:
    """Choose rows and lanes among the blocks from number `first` on, for full vectors.

    Parameters
    ----------
    space : SearchSpace
    members : int
    first : int
        The blocks before it are in the prefix: shards have one symbol of each.
    regime : int, optional
        The block of the link's regime. Never among the lanes, so that a row is inside or outside.
    """
    free = [block for block in range(first, space.n_blocks) if block != regime]
    runs = [run for run in _runs(space, free) if _size(space, run) <= _MOST_LANES]
    lanes = max(runs, key=lambda run: _fullness(space, run))
    width = padded(_size(space, lanes))
    rest = [block for block in range(first, space.n_blocks) if block not in lanes]
    rows = [
        run
        for run in _runs(space, rest)
        if (n := _size(space, run)) <= _MOST and n * width * members <= _MOST_SUMS
    ]
    # Of as many rows, the last blocks: the odometer then moves the others less often.
    chosen = max(rows, key=lambda run: _size(space, run), default=())
    inner = {*lanes, *chosen}
    prefix = tuple(block for block in range(space.n_blocks) if block not in inner)
    return Layout(space, prefix, chosen, lanes)


def _runs(space: SearchSpace, blocks: list[int]) -> list[tuple[int, ...]]:
    """Return no block, each single block, and neighbours that together stay small; last first."""
    runs: list[tuple[int, ...]] = []
    for start in reversed(range(len(blocks))):
        for stop in range(start + 1, len(blocks) + 1):
            run = tuple(blocks[start:stop])
            if len(run) > 1 and _size(space, run) > _MOST:
                break
            runs.append(run)
    return [*runs, ()]


def _fullness(space: SearchSpace, run: tuple[int, ...]) -> float:
    """Return the share of a row's time in which lanes do something of use."""
    lanes = _size(space, run)
    return lanes / (padded(lanes) + LANES / 4)


@dataclass(frozen=True)
class Program:
    """Sums of terms as a list of additions, for the kernel: int64 arrays but for the tables.

    Step t adds ``length[t]`` numbers of `tables` to ``state[source[t]:]``, into
    ``state[target[t]:]``. Which numbers, the symbols of the prefix tell: those from
    ``base[t] + length[t] * sum(digit * weight)`` on. The steps of depth d, to be repeated when
    block d of the prefix changes, are those from ``depths[d]`` to ``depths[d + 1]``.
    """

    depths: NDArray[np.int64]
    source: NDArray[np.int64]
    target: NDArray[np.int64]
    length: NDArray[np.int64]
    base: NDArray[np.int64]
    parts: NDArray[np.int64]
    digits: NDArray[np.int64]
    weights: NDArray[np.int64]
    tables: NDArray[np.int32]
    state: NDArray[np.int32]
    #: Where in the state the sums of all terms are, once all steps are done: c, x, y, xy.
    sums: tuple[int, int, int, int]


@dataclass
class _Step:
    source: int
    target: int
    length: int
    rows: NDArray[np.int32]
    digits: list[tuple[int, int]]


def compile_program(layout: Layout, terms: Terms, entries: NDArray[np.int32]) -> Program:
    """Rearrange the tables of an ensemble, int32 [n_entries, M], for a layout."""
    members, width, rows = entries.shape[1], layout.width, layout.n_rows
    shapes = ((1, members, 1), (rows, members, 1), (1, members, width), (rows, members, width))
    base = [np.zeros(prod(shape), dtype=np.int32) for shape in shapes]
    depth_of = {block: depth for depth, block in enumerate(layout.prefix)}
    by_depth: list[list[tuple[int, NDArray[np.int32], list[tuple[int, int]]]]]
    by_depth = [[] for _ in layout.prefix]
    for term, shape, offset in zip(terms.blocks, terms.shapes, terms.offsets[:-1], strict=True):
        kind = any(b in layout.rows for b in term) + 2 * any(b in layout.lanes for b in term)
        table = _arranged(layout, entries, term, shape, offset, shapes[kind])
        fixed = [block for block in term if block in depth_of]
        if not fixed:
            base[kind] += table[0]
            continue
        digits = list(_weights([(depth_of[b], layout.space.block_sizes[b]) for b in fixed]))
        by_depth[depth_of[fixed[-1]]].append((kind, table, digits))
    state = list(base)
    starts = np.cumsum([0, *map(len, base)])[:-1].tolist()
    used, steps, depths = sum(map(len, base)), [], [0]
    for level in by_depth:
        before = list(starts)
        for kind, table, digits in level:
            length = len(base[kind])
            fresh = starts[kind] == before[kind]
            if fresh:
                starts[kind], used = used, used + length
                state.append(np.zeros(length, dtype=np.int32))
            source = before[kind] if fresh else starts[kind]
            steps.append(_Step(source, starts[kind], length, table, digits))
        depths.append(len(steps))
    return _pack(steps, depths, np.concatenate(state), tuple(starts))


def _weights(digits: list[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """Yield the depth and the place value of each digit, of (depth, size)."""
    weight = prod(size for _, size in digits)
    for depth, size in digits:
        weight //= size
        yield depth, weight


def _arranged(
    layout: Layout,
    entries: NDArray[np.int32],
    term: tuple[int, ...],
    shape: tuple[int, ...],
    offset: int,
    wanted: tuple[int, int, int],
) -> NDArray[np.int32]:
    """Return a term's table as int32 [combinations of its prefix blocks, prod(wanted)]."""
    strides = {b: prod(shape[k + 1 :]) for k, b in enumerate(term)}
    sizes = layout.space.block_sizes

    def places(blocks: Sequence[int]) -> NDArray[np.int64]:
        index = np.zeros(1, dtype=np.int64)
        for block in blocks:
            own = np.arange(sizes[block], dtype=np.int64) * strides.get(block, 0)
            index = (index[:, None] + own).ravel()
        return index

    fixed = places([block for block in layout.prefix if block in strides])
    in_row = places(layout.rows) if wanted[0] > 1 else places(())
    in_lane = places(layout.lanes) if wanted[2] > 1 else places(())
    # What fills the padding is as good as any: the last lane once more, no number out of range.
    in_lane = np.pad(in_lane, (0, wanted[2] - len(in_lane)), mode="edge")
    index = offset + fixed[:, None, None] + in_row[:, None] + in_lane
    table = entries.take(index, axis=0)  # [fixed, rows, lanes, members]
    table = np.ascontiguousarray(table.transpose(0, 1, 3, 2))
    return table.reshape(len(fixed), prod(wanted))


def _pack(
    steps: list[_Step], depths: list[int], state: NDArray[np.int32], sums: tuple[int, ...]
) -> Program:
    parts, digits, bases, used = [0], [], [], 0
    for step in steps:
        digits += step.digits
        parts.append(len(digits))
        bases.append(used)
        used += step.rows.size

    def column(values: list[int]) -> NDArray[np.int64]:
        return np.array(values, dtype=np.int64)

    c, x, y, xy = sums
    return Program(
        column(depths),
        column([step.source for step in steps]),
        column([step.target for step in steps]),
        column([step.length for step in steps]),
        column(bases),
        column(parts),
        column([depth for depth, _ in digits]),
        column([weight for _, weight in digits]),
        np.concatenate([np.zeros(0, np.int32), *(step.rows.ravel() for step in steps)]),
        state,
        (c, x, y, xy),
    )
