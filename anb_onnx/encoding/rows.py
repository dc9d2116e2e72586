"""Lists of rows: each a list, tuple or array of codes, or of values by position."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from anb_onnx._io.show import show
from anb_onnx.errors import ArchitectureError
from anb_onnx.spaces.matrix import as_uint8, code_error, in_range
from anb_onnx.spaces.reading import FLOATS, INTEGERS
from anb_onnx.spaces.space import SearchSpace, is_integer
from anb_onnx.spaces.values import FEW_ROWS, row_codes, rows_array

_NUMBERS = INTEGERS | FLOATS
_VALUES = {bool, np.bool_, str}
_LISTS = {list, tuple}


def is_row(item: object) -> bool:
    """Say whether an item of a list is a row of codes or values (or something as long as one)."""
    return isinstance(item, (list, tuple)) or (isinstance(item, np.ndarray) and item.ndim > 0)


def rows_codes(rows: Sequence[Any], space: SearchSpace) -> NDArray[np.uint8]:
    """Return the codes uint8 [N, n_genes] of a sequence of rows.

    The first row says what all hold: values by position if a boolean or a string is among its
    items, else codes, as in an array of the same numbers.

    Raises
    ------
    ArchitectureError
        For the first row that is none, is of another kind than the first, or holds something that
        is no code or value of its gene.
    """
    if not set(map(type, rows)) <= _LISTS:
        found = _arrays_codes(rows, space)
        if found is not None:
            return found
        for number, row in enumerate(rows):
            if not is_row(row) or isinstance(row, np.ma.MaskedArray):
                rows_codes(rows[:number], space)  # an earlier row may offend, too
                _refuse_item(number, row, space)
        # A subclass may have other items than its length says.
        rows = [row.tolist() if isinstance(row, np.ndarray) else list(row) for row in rows]
    by_value = len(rows) > 0 and holds_values(rows[0])
    if len(rows) >= FEW_ROWS and set(map(len, rows)) == {space.n_genes}:
        if type(rows[0][0]) is float:
            found = _floats_codes(rows, space)
            if found is not None:
                return found
        cells = np.fromiter(chain.from_iterable(rows), object, len(rows) * space.n_genes)
        cells = cells.reshape(-1, space.n_genes)
        found = space.reader.cells(cells) if by_value else _cells_of_codes(cells, space)
        if found is not None:
            return found
    parts = (_row(number, row, space, by_value) for number, row in enumerate(rows))
    return rows_array(bytearray().join(parts), space)


def holds_values(row: Sequence[Any]) -> bool:
    """Say whether a row holds values: a boolean or a string, which no row of codes has."""
    kinds = set(map(type, row))
    # Plain types are quicker to see than their subclasses, as NumPy's strings are.
    if kinds <= _NUMBERS:
        return False
    return not kinds.isdisjoint(_VALUES) or any(issubclass(kind, str) for kind in kinds)


def _refuse_item(number: int, item: object, space: SearchSpace) -> NoReturn:
    what = "masked" if isinstance(item, np.ma.MaskedArray) else "not a row"
    msg = (
        f"row {number}: {show(item)} is {what}; a list that begins with a row holds rows of "
        f"{space.n_genes} codes or values"
    )
    raise ArchitectureError(msg)


def _arrays_codes(rows: Sequence[NDArray[Any]], space: SearchSpace) -> NDArray[np.uint8] | None:
    """Return the codes of arrays [n_genes] of one type of number; None for any others."""
    if any(type(row) is not np.ndarray for row in rows):
        return None
    if len({(row.dtype, row.shape) for row in rows}) > 1 or rows[0].dtype.kind not in "iuf":
        return None
    if rows[0].shape != (space.n_genes,):
        return None
    matrix = np.concatenate(rows).reshape(-1, space.n_genes)
    # Else the strict way below names what is wrong.
    return as_uint8(matrix, space) if in_range(matrix, space) else None


def _floats_codes(rows: Sequence[Any], space: SearchSpace) -> NDArray[np.uint8] | None:
    """Return the codes of rows of nothing but floats; None if something else is in them."""
    if set(map(type, chain.from_iterable(rows))) != {float}:
        return None
    flat = np.fromiter(chain.from_iterable(rows), np.float64, len(rows) * space.n_genes)
    matrix = flat.reshape(-1, space.n_genes)
    return matrix.astype(np.uint8) if in_range(matrix, space) else None


def _cells_of_codes(cells: NDArray[np.object_], space: SearchSpace) -> NDArray[np.uint8] | None:
    """Return the codes of an array of codes [N, genes]; None if something else may be in it."""
    found = space.reader.small_codes(cells)
    if found is not None:
        return found
    values = cells.tolist()
    if not set(map(type, chain.from_iterable(values))) <= _NUMBERS:
        return None
    matrix = np.array(values)
    if matrix.dtype.kind not in "iuf" or not in_range(matrix, space):
        return None
    return matrix.astype(np.uint8)


def _row(number: int, row: Sequence[Any], space: SearchSpace, by_value: bool) -> bytes:
    """Return the codes of one row; refuse what is none."""
    if len(row) != space.n_genes:
        kind = "values" if by_value else "codes"
        msg = (
            f"row {number} has {len(row)} items; a row of {kind} of {space.name!r} has "
            f"{space.n_genes}, one for each gene"
        )
        raise ArchitectureError(msg)
    if by_value:
        found = space.reader.row(row)
        if found is not None:
            return found
    elif set(map(type, row)) <= _NUMBERS:
        found = space.reader.codes(row)
        if found is not None:
            return found
    _check_kind(number, row, by_value)
    where = f"row {number}, "
    if by_value:
        return row_codes(dict(zip(space.gene_names, row, strict=True)), space, where)
    read = bytearray()
    for gene, code in zip(space.genes, row, strict=True):
        whole = is_integer(code) or (isinstance(code, (float, np.floating)) and code.is_integer())
        if not whole or not 0 <= code < len(gene):
            raise code_error(gene, code, where)
        read.append(int(code))
    return bytes(read)


def _check_kind(number: int, row: Sequence[Any], by_value: bool) -> None:
    if holds_values(row) != by_value:
        kinds = ("values", "codes") if by_value else ("codes", "values")
        msg = (
            f"row {number} holds {kinds[1]}, row 0 {kinds[0]}; a batch is all of one kind (a row "
            "with a boolean or a string among its items holds values by position)"
        )
        raise ArchitectureError(msg)
