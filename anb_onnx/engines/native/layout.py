"""The tables of an ensemble as kernels want them in memory, and how they are addressed.

Members are padded to whole vectors, entries lie within cache lines. Each table has the blocks with
the most symbols first: then few different strides serve for all tables. An entry of a table has
the number ::

    first + stride[0] * symbol[block[0]] + stride[1] * symbol[block[1]] + ...

among the entries of all tables, a sum in which blocks of one symbol need no part.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import accumulate
from math import prod

import numpy as np
from numpy.typing import NDArray

from anb_onnx.tables import TableEnsemble
from anb_onnx.terms import Term

#: Members per vector, of int32.
LANES = 8

_CACHE_LINE = 64


@dataclass(frozen=True)
class Layout:
    """Where the table of one term lies.

    Attributes
    ----------
    first : int
        Number of its first entry.
    strides : dict of int to int
        By block, the largest first: entries from one symbol to the next.
    """

    first: int
    strides: dict[int, int]


def layouts(sizes: tuple[int, ...], terms: tuple[Term, ...]) -> list[Layout]:
    """Return where the tables of terms lie; `sizes` are the numbers of symbols of all blocks."""
    found, first = [], 0
    for term in terms:
        order = _order(sizes, term)
        strides = [*accumulate((sizes[block] for block in reversed(order)), int.__mul__, initial=1)]
        found.append(Layout(first, dict(zip(order, reversed(strides[:-1]), strict=True))))
        first += strides[-1]
    return found


def padded(n_members: int) -> int:
    """Return the members per entry of a kernel's table: 1, 2, 4 or a multiple of 8."""
    return -(-n_members // LANES) * LANES if n_members > 4 else 1 << (n_members - 1).bit_length()


def kernel_table(ensemble: TableEnsemble) -> NDArray[np.int32]:
    """Return an ensemble's entries as kernels want them: int32 [n_entries, padded members]."""
    sizes, m = ensemble.space.block_sizes, ensemble.n_members
    n, width = len(ensemble.entries), padded(m)
    memory = np.zeros(4 * n * width + _CACHE_LINE, dtype=np.uint8)
    start = -memory.ctypes.data % _CACHE_LINE
    result = memory[start : start + 4 * n * width].view(np.int32).reshape(n, width)
    position = 0
    for term in ensemble.terms.blocks:
        # Without blocks of one symbol: NumPy has fewer dimensions than a term may have blocks.
        blocks = [block for block in term if sizes[block] > 1]
        end = position + prod(sizes[block] for block in blocks)
        table = ensemble.entries[position:end].reshape(*(sizes[block] for block in blocks), m)
        turned = table.transpose(*map(blocks.index, _order(sizes, term)), len(blocks))
        result[position:end, :m] = turned.reshape(-1, m)
        position = end
    return result


def inside_table(inside: NDArray[np.bool_], n_members: int) -> NDArray[np.int32]:
    """Return which symbols are inside a regime as kernels want it: int32 [n_symbols, padded].

    Rows are as wide as entries, so that an offset into the tables serves here, too.
    """
    return np.repeat(inside.astype(np.int32)[:, None], padded(n_members), axis=1)


def _order(sizes: tuple[int, ...], term: Term) -> list[int]:
    """Return the blocks that number the entries of a term's table, the largest first."""
    blocks = [block for block in term if sizes[block] > 1]
    return sorted(blocks, key=lambda block: -sizes[block])
