"""Text of many rows at once: each column an array of bytes, whose padding goes when it is joined.

Cells of different lengths in one array need padding. It is a byte that no UTF-8 text holds, so
that one pass drops it wherever it stands. The characters of one place lie side by side, [width, N],
which makes every step on them one over contiguous memory.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

#: A byte that UTF-8 does not use.
PAD = 0xFF

_PAD = bytes([PAD])
# Rows that are joined at once: of many columns so few that they stay in the cache.
_ROWS = 2**10

#: Bytes [width, N] of a column's cells.
Cells: TypeAlias = NDArray[np.uint8]


def cells_of(texts: Sequence[str]) -> Cells:
    """Return texts as cells uint8 [width of the longest, N]."""
    raw = [text.encode() for text in texts]
    width = max(map(len, raw), default=0)
    joined = b"".join(text.ljust(width, _PAD) for text in raw)
    return np.frombuffer(joined, np.uint8).reshape(len(raw), width).T


def join_cells(parts: Sequence[Cells | bytes], n_rows: int) -> bytes:
    """Return the text of rows: in each, cells [width, N] and constants one after another."""
    return b"".join(joined_cells(parts, n_rows))


def joined_cells(parts: Sequence[Cells | bytes], n_rows: int) -> Iterator[bytes]:
    """Yield the text of `join_cells`, some whole rows after another."""
    widths = [len(part) for part in parts]
    starts = [0, *itertools.accumulate(widths)]
    rows = np.empty((min(n_rows, _ROWS), starts[-1]), np.uint8)
    for part, start, width in zip(parts, starts, widths, strict=False):
        if isinstance(part, bytes):
            rows[:, start : start + width] = np.frombuffer(part, np.uint8)
    for first in range(0, n_rows, _ROWS):
        some = rows[: min(_ROWS, n_rows - first)]
        for part, start, width in zip(parts, starts, widths, strict=False):
            if not isinstance(part, bytes):
                some[:, start : start + width] = part[:, first : first + _ROWS].T
        yield some.tobytes().translate(None, _PAD)


def lengths_of(cells: Cells) -> NDArray[np.int64]:
    """Return the number of bytes of each cell, int64 [N]."""
    lengths: NDArray[np.int64] = np.add.reduce(cells != PAD, axis=0, dtype=np.int64)
    return lengths


def justified(cells: Cells, width: int, *, right: bool = False) -> list[Cells]:
    """Return cells with spaces beside them, at the end or before: longer ones are as they were."""
    missing = width - lengths_of(cells)
    spaces = np.where(np.arange(width)[:, None] < missing, np.uint8(32), np.uint8(PAD))
    return [spaces, cells] if right else [cells, spaces]
