"""Tables of data frame libraries -> codes: a column per gene, or one of indices."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anb_onnx.encoding.table_files import INDEX, Columns, decimal, from_index_cells
from anb_onnx.errors import ArchitectureError
from anb_onnx.spaces.indices import codes_at, refuse_indices
from anb_onnx.spaces.space import SearchSpace, needed_space
from anb_onnx.spaces.values import read_column, table_codes, table_reader

# Rows of a column that are read at a time.
_BLOCK_ROWS = 2**16


def from_table(
    table: Any, space: SearchSpace | None = None, *, index_column: str | None = None
) -> NDArray[np.uint8]:
    """Return the codes of a table: one column per gene, or one of indices; a row per architecture.

    Columns may stand in any order and other columns may stand beside them. Cells are values, never
    codes: an integer gene's column holds integers (or integral floats), a boolean gene's booleans,
    1 and 0, or the strings "True", "true", "False" and "false", a string gene's strings.

    Parameters
    ----------
    table : pandas.DataFrame, polars.DataFrame, pyarrow.Table or pyarrow.RecordBatch
        None of these libraries is imported here. N may be 0.
    space : SearchSpace
        The space whose gene names are the names of the columns.
    index_column : str, optional
        The column of indices: integers, or strings of decimals. If not given, a column "index"
        where no gene is there, unless beside other columns than answers of `query` or where it just
        counts rows: then it may be row numbers, and is refused.

    Returns
    -------
    ndarray of uint8 [N, n_genes]
        C-contiguous.

    Raises
    ------
    ArchitectureError
        If it is no such table, a column is missing or occurs twice, a cell is null or holds
        something that is not one of its gene's choices, or no index; if no space is given.

    Examples
    --------
    >>> import pyarrow
    >>> from anb_onnx import MNASNET, efficientnet_b0
    >>> table = pyarrow.Table.from_pylist([dict(efficientnet_b0())])
    >>> from_table(table, MNASNET)[:, :8].tolist()
    [[0, 0, 0, 0, 2, 0, 1, 0]]
    >>> from_table(pyarrow.table({"index": [2169626640]}), MNASNET)[:, :8].tolist()
    [[0, 0, 0, 0, 2, 0, 1, 0]]
    """
    space = needed_space(space, "from_table")
    names, _ = table_reader(table)
    by_default = INDEX in names and not space.positions.keys() & set(names)
    if index_column is None and not by_default:
        return table_codes(table, space)
    try:
        columns = Columns(names, space, ignore_extra=True, index=index_column)
    except ArchitectureError as error:
        raise _in_python(str(error), index_column) from error
    codes, numbered = _by_index(table, columns.wanted[0], space)
    if numbered and columns.doubtful and len(codes):
        msg = (
            f"column {INDEX!r} holds 0 to {len(codes) - 1} in this order, as row numbers do; "
            f"from_table(table, space, index_column={INDEX!r}) takes them for indices of "
            "architectures"
        )
        raise ArchitectureError(msg)
    return codes


def _in_python(said: str, index_column: str | None) -> ArchitectureError:
    """Return the error of the command line as Python says it."""
    option = f"--index-column {INDEX}"
    return ArchitectureError(
        said.replace(option, f"from_table(table, space, index_column={INDEX!r})")
    )


def _by_index(table: Any, name: str, space: SearchSpace) -> tuple[NDArray[np.uint8], bool]:
    """Return the codes of a column of indices, and whether it just counts the rows from 0."""
    _, read = table_reader(table)
    codes = np.empty((len(table), space.n_genes), dtype=np.uint8)
    counting = True
    for start in range(0, len(table), _BLOCK_ROWS):
        rows = slice(start, min(start + _BLOCK_ROWS, len(table)))
        column = read_column(read, name, rows)
        plain = column.places is None and (column.null is None or not column.null.any())
        if plain and column.cells.dtype.kind in "iu":
            refuse_indices(column.cells, space, first_row=start)
            codes[rows] = codes_at(column.cells, space)
            numbered = bool((column.cells == np.arange(start, rows.stop)).all())
        else:
            cells = ((f"row {start + row}: ", decimal(cell)) for row, cell in _cells(column))
            codes[rows], numbered = from_index_cells(cells, name, space, first=start)
        counting = counting and numbered
    return codes, counting


def _cells(column: Any) -> Iterator[tuple[int, object]]:
    """Yield row and cell of a column, None for null."""
    cells = column.cells.tolist()
    if column.places is not None:
        cells = [cells[place] for place in column.places.tolist()]
    for row, cell in enumerate(cells):
        null = column.null is not None and bool(column.null[row])
        yield row, None if null else cell
