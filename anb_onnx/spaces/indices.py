"""Arrays of indices -> codes, by NumPy."""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anb_onnx._io.show import show
from anb_onnx.errors import ArchitectureError
from anb_onnx.spaces.space import SearchSpace


def codes_at(indices: NDArray[Any], space: SearchSpace) -> NDArray[np.uint8]:
    """Return the codes uint8 [N, n_genes] of an array [N] of integers that are indices of a space.

    Of NumPy or, where 64 bits do not hold them, of Python's integers.
    """
    codes = np.empty((len(indices), space.n_genes), dtype=np.uint8)
    if len(space.index_parts) == 1:
        rest = np.ascontiguousarray(indices, dtype=np.int64)
        _write(rest, codes, space, space.index_parts[0])
        return codes
    whole = indices.astype(object)
    for part in reversed(space.index_parts):
        size = prod(space.gene_sizes[part])
        _write((whole % size).astype(np.int64), codes, space, part)
        whole = whole // size
    return codes


def _write(
    rest: NDArray[np.int64], codes: NDArray[np.uint8], space: SearchSpace, part: slice
) -> None:
    """Write the codes of some genes from the numbers int64 [N] that they make up."""
    for gene in reversed(range(part.start, part.stop)):
        rest, codes[:, gene] = np.divmod(rest, space.gene_sizes[gene])


def refuse_indices(indices: NDArray[Any], space: SearchSpace, *, first_row: int = 0) -> None:
    """Refuse an array [N] of integers, of NumPy or Python, if one is no index of a space.

    `first_row` is the number of its first row in what the user gave.

    Raises
    ------
    ArchitectureError
    """
    top = space.size - 1
    if len(indices) and (int(indices.min()) < 0 or int(indices.max()) > top):
        row = int(np.argmax((indices < 0) | (indices > top)))
        raise _index_error(first_row + row, int(indices[row]), space)


def _index_error(row: int, index: int, space: SearchSpace) -> ArchitectureError:
    msg = f"row {row}: index {show(index)} is out of range; allowed are 0 to {space.size - 1}"
    return ArchitectureError(msg)
