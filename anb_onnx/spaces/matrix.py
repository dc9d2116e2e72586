"""Arrays of codes [N, n_genes]: are they what they should be, and if not, what is wrong first."""

from __future__ import annotations

from operator import lt
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from anb_onnx._io.show import show
from anb_onnx.errors import ArchitectureError
from anb_onnx.spaces.arrays import as_ndarray
from anb_onnx.spaces.space import Gene, SearchSpace, is_integer


def plain(array: object) -> NDArray[Any]:
    """Return an array of integers or floats as a plain ndarray; refuse anything else.

    An array [N] of Python's integers (dtype object) is one, too: of indices beyond 64 bits. Arrays
    of other libraries are converted.
    """
    array = as_ndarray(array)
    if isinstance(array, np.ma.MaskedArray):
        msg = "a masked array is not a batch of architectures; drop the masked rows"
        raise ArchitectureError(msg)
    if isinstance(array, np.ndarray) and array.dtype == object and array.ndim == 1:
        numbers = all(map(is_integer, array.tolist()))
    else:
        numbers = isinstance(array, np.ndarray) and array.dtype.kind in "iuf"
    if not numbers:
        msg = f"{show(array)} is not a batch of architectures; {ACCEPTED}"
        raise ArchitectureError(msg)
    return np.asarray(array)


ACCEPTED = (
    "accepted are an Architecture, a mapping of gene names to values, a text, an index, a list or "
    "tuple of these, a table, an array of integers [N, n_genes] of codes or [N] of indices"
)


def plain_matrix(codes: object, space: SearchSpace) -> NDArray[Any]:
    """Return an array [N, n_genes] of integers or floats as a plain ndarray."""
    array = plain(codes)
    if array.ndim == 1:
        refuse_one_row(array, space)
    if array.ndim != 2 or array.shape[1] != space.n_genes:
        msg = f"codes have the shape [N, {space.n_genes}], not {[*array.shape]}"
        raise ArchitectureError(msg)
    return array


def refuse_one_row(array: NDArray[Any], space: SearchSpace) -> None:
    """Refuse an array [n_genes] that is one row of codes, but would be taken for indices."""
    n_genes = space.n_genes
    if array.shape != (n_genes,) or n_genes == 1:
        return
    pairs = zip(array.tolist(), space.gene_sizes, strict=True)
    # Nobody keeps indices in bytes, even where a byte is no valid code.
    if array.dtype.itemsize == 1 or all(0 <= value < size for value, size in pairs):
        msg = (
            f"an array of {array.dtype} of shape [{n_genes}] with such values looks like one row "
            "of codes, but an array [N] holds indices: pass codes[None] if these are codes, "
            "indices_to_codes(indices) if they are not"
        )
        raise ArchitectureError(msg)


def as_uint8(codes: object, space: SearchSpace) -> NDArray[np.uint8]:
    """Return codes as contiguous uint8. Only those that were uint8 may be out of range still."""
    array = plain_matrix(codes, space)
    if array.dtype != np.uint8 and not in_range(array, space):
        refuse_codes(array, space)
    return np.ascontiguousarray(array, dtype=np.uint8)


def in_range(codes: NDArray[Any], space: SearchSpace) -> bool:
    """Say whether every code of a matrix [N, n_genes] is an integer its gene knows."""
    if len(codes) == 0:
        return True
    if codes.dtype.kind == "f" and not (codes == np.floor(codes)).all():  # NaN is unequal
        return False
    # As Python numbers, which compare exactly whatever the array's type.
    lowest = codes.min(axis=0).tolist() if codes.dtype.kind != "u" else [0]
    highest = codes.max(axis=0).tolist()
    return min(lowest) >= 0 and all(map(lt, highest, space.gene_sizes))


def refuse_codes(codes: NDArray[Any], space: SearchSpace, *, first_row: int = 0) -> NoReturn:
    """Raise the error for the first offending row of a matrix [N, n_genes].

    `first_row` is the number of its first row in what the user gave.
    """
    codes = codes.copy()  # another thread may be writing into it
    row, position = len(codes), 0
    for number, size in enumerate(space.gene_sizes):
        column = codes[:, number]
        bad = ~((column >= 0) & (column < size))
        if codes.dtype.kind == "f":
            bad |= column != np.floor(column)
        first = int(bad.argmax())
        if bad[first] and first < row:
            row, position = first, number
    if row == len(codes):
        msg = "some codes were out of range, but have changed since"
        raise ArchitectureError(msg)
    gene, code = space.genes[position], codes[row, position].item()
    raise code_error(gene, code, f"row {first_row + row}, ")


def code_error(gene: Gene, code: object, where: str) -> ArchitectureError:
    """Return the error for what is not a code of a gene."""
    is_whole = is_integer(code) or (isinstance(code, (float, np.floating)) and code.is_integer())
    problem = "is out of range" if is_whole else "is not an integer"
    msg = (
        f"{where}gene {gene.name!r}: code {show(code)} {problem}; allowed are 0 to "
        f"{len(gene) - 1}, which stand for {gene.allowed}"
    )
    return ArchitectureError(msg)
