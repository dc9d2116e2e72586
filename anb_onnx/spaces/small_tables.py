"""Tables of few rows -> codes: all cells at once, since asking for each column is what takes long.

What is found here is what the way of big tables finds, column by column; whatever is not found,
it looks at.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import chain
from operator import itemgetter
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from anb_onnx.spaces.space import SearchSpace

# Rows up to which a library's way to all cells at once is the faster one. `python -m
# benchmarks.reading` measures it; the precision matters little.
_PANDAS_ROWS = 2**11
_OTHER_ROWS = 2**6

# Columns beside those of the genes, as a multiple of these, up to which all cells are asked for.
_MOST_EXTRA = 1

_Rows: TypeAlias = Sequence[Sequence[Any]] | NDArray[np.object_]


def small_table_codes(
    table: Any, names: Sequence[Any], space: SearchSpace
) -> NDArray[np.uint8] | None:
    """Return the codes of a table of few rows, or None: the strict way must look at it.

    Parameters
    ----------
    table : pandas.DataFrame, polars.DataFrame, pyarrow.Table or pyarrow.RecordBatch
    names : sequence
        Of its columns.
    space : SearchSpace
    """
    n, n_genes = len(table), space.n_genes
    most, read = _way(table)
    if not 0 < n <= most or len(names) > (1 + _MOST_EXTRA) * n_genes:
        return None
    places = {name: place for place, name in enumerate(names)}
    if len(places) < len(names) or not space.positions.keys() <= places.keys():
        return None
    wanted = [places[name] for name in space.gene_names]
    try:
        rows = read(table)
    except Exception:  # whatever the table's library raises; the strict way says of which column
        return None
    if isinstance(rows, np.ndarray):
        return space.reader.cells(rows[:, wanted])
    in_order: Iterable[Sequence[Any]] = rows
    if wanted != list(range(len(names))):
        in_order = map(itemgetter(*wanted), rows) if n_genes > 1 else ([r[wanted[0]]] for r in rows)
    cells = np.fromiter(chain.from_iterable(in_order), object, n * n_genes)
    return space.reader.cells(cells.reshape(n, n_genes))


def _way(table: Any) -> tuple[int, Callable[[Any], _Rows]]:
    """Return the most rows of a table that are read at once, and what reads them."""
    if hasattr(table, "get_column"):
        return _OTHER_ROWS, lambda polars: polars.rows()
    if hasattr(table, "iloc"):
        # Of Python's objects: integers of several widths would else turn into floats.
        return _PANDAS_ROWS, lambda pandas: pandas.to_numpy(dtype=object)
    return _OTHER_ROWS, lambda arrow: [*zip(*(c.to_pylist() for c in arrow.columns), strict=True)]
