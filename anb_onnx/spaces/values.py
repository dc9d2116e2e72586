"""Values of genes -> codes: mappings, and columns of tables."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import repeat
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from anb_onnx._io.show import show
from anb_onnx.errors import ArchitectureError
from anb_onnx.spaces.space import Gene, SearchSpace, needed_space


def value_error(gene: Gene, value: str, where: str = "") -> ArchitectureError:
    """Return the error for a value, as shown, that is not one of a gene's choices."""
    also = " (or the same as strings)" if gene.kind == "bool" else ""
    msg = f"{where}gene {gene.name!r}: {value} is not allowed; choose from {gene.allowed}{also}"
    return ArchitectureError(msg)


def names_error(values: Mapping[Any, object], space: SearchSpace, where: str) -> ArchitectureError:
    """Return the error for a mapping whose keys are not the genes."""
    unknown = [key for key in values if key not in space.positions]
    missing = [name for name in space.gene_names if name not in values]
    parts = []
    if unknown:
        parts.append(f"unknown gene {show(unknown[0])}" + _and_more(unknown))
    if missing:
        parts.append(f"missing gene {missing[0]!r}" + _and_more(missing))
    first, last = space.gene_names[0], space.gene_names[-1]
    msg = f"{where}{' and '.join(parts)}; the {space.n_genes} genes are {first!r} ... {last!r}"
    return ArchitectureError(msg)


def _and_more(names: Sequence[object]) -> str:
    return f" (and {len(names) - 1} more)" if len(names) > 1 else ""


def row_codes(values: Mapping[Any, object], space: SearchSpace, where: str = "") -> bytes:
    """Return the codes of one mapping from gene names to values.

    Raises
    ------
    ArchitectureError
        If a gene is unknown or missing, or a value is not one of its choices.
    """
    if values.keys() != space.positions.keys():
        raise names_error(values, space, where)
    codes = []
    for gene in space.genes:
        value = values[gene.name]
        code = gene.find(value)
        if code < 0:
            raise value_error(gene, show(value), where)
        codes.append(code)
    return bytes(codes)


def mappings_codes(
    mappings: Sequence[Mapping[Any, object]], space: SearchSpace
) -> NDArray[np.uint8]:
    """Return the codes uint8 [N, n_genes] of a sequence of mappings.

    Raises
    ------
    ArchitectureError
        For the first mapping that is not a member of the space.
    """
    codes = np.empty((len(mappings), space.n_genes), dtype=np.uint8)
    keys = space.positions.keys()
    valid = all(mapping.keys() == keys for mapping in mappings)
    for position, gene in enumerate(space.genes):
        # Column by column is several times faster; who offends is found out row by row below.
        found = sequence_codes(gene, [m[gene.name] for m in mappings]) if valid else None
        if found is None or (len(found) and found.min() < 0):
            rows = (row_codes(m, space, f"row {row}, ") for row, m in enumerate(mappings))
            return np.frombuffer(bytearray().join(rows), np.uint8).reshape(codes.shape)
        codes[:, position] = found
    return codes


def sequence_codes(gene: Gene, values: Sequence[object]) -> NDArray[np.int16]:
    """Return the code of each value, -1 where it is not one of the choices."""
    types = set(map(type, values))
    # Where all are of one type the choices have, equal keys are equal values (True == 1).
    known = gene.codes_by_type.get(types.pop()) if len(types) == 1 else None
    found = map(gene.find, values) if known is None else map(known.get, values, repeat(-1))
    return np.fromiter(found, np.int16, len(values))


def array_codes(gene: Gene, column: NDArray[Any]) -> NDArray[np.int16]:
    """Return the code of each value of an array [N], -1 where it is not one of the choices."""
    kind = column.dtype.kind
    if kind in {"int": "iuf", "bool": "b", "str": ""}[gene.kind]:
        codes = np.full(len(column), -1, dtype=np.int16)
        for choice, code in gene.codes_by_type[type(gene.choices[0])].items():
            codes[column == choice] = code
        return codes
    if kind in "OUbiuf":
        return sequence_codes(gene, column.tolist())
    # Dates, for one, would turn into plain integers.
    return np.full(len(column), -1, dtype=np.int16)


def from_table(table: Any, space: SearchSpace | None = None) -> NDArray[np.uint8]:
    """Return the codes of a table with one column per gene, one row per architecture.

    Columns may stand in any order and other columns may stand beside them. An integer gene's
    column holds integers (or integral floats), a boolean gene's holds booleans or the strings
    "True" and "False", a string gene's strings.

    Parameters
    ----------
    table : pandas.DataFrame, polars.DataFrame, pyarrow.Table or pyarrow.RecordBatch
        None of these libraries is imported here. N may be 0.
    space : SearchSpace
        The space whose gene names are the names of the columns.

    Returns
    -------
    ndarray of uint8 [N, n_genes]
        C-contiguous.

    Raises
    ------
    ArchitectureError
        If it is no such table, a column is missing or occurs twice, a cell is null or holds
        something that is not one of its gene's choices; if no space is given.
    """
    return table_codes(table, needed_space(space, "from_table"))


def table_codes(table: Any, space: SearchSpace, *, first_row: int = 0) -> NDArray[np.uint8]:
    """Return the codes of a table, or of a part of one that begins at some row."""
    names, read = _reader(table)
    if missing := [name for name in space.gene_names if name not in names]:
        msg = f"the table has no column {missing[0]!r}{_and_more(missing)}"
        raise ArchitectureError(msg)
    if twice := [name for name in space.gene_names if names.count(name) > 1]:
        msg = f"the table has more than one column {twice[0]!r}"
        raise ArchitectureError(msg)
    codes = np.empty((len(table), space.n_genes), dtype=np.uint8)
    offence: tuple[int, Gene, str] | None = None
    for position, gene in enumerate(space.genes):
        column, null = _read_column(read, gene)
        found = array_codes(gene, column)
        found[null] = -1
        bad = int(np.argmax(found < 0)) if len(found) and found.min() < 0 else len(table)
        if bad < (offence[0] if offence else len(table)):
            shown = "null" if null[bad] else show(column[bad : bad + 1].tolist()[0])
            offence = bad, gene, shown
        codes[:, position] = found
    if offence:
        row, gene, shown = offence
        raise value_error(gene, shown, f"row {first_row + row}, ")
    return codes


_Read: TypeAlias = Callable[[str], tuple[NDArray[Any], NDArray[np.bool_]]]


def _read_column(read: _Read, gene: Gene) -> tuple[NDArray[Any], NDArray[np.bool_]]:
    """Return a column's cells and null mask; refuse what does not convert to a flat array."""
    try:
        column, null = read(gene.name)
        problem = f"cells of shape {[*column.shape[1:]]}" if column.ndim != 1 else ""
    except Exception as error:  # whatever the table's library raises
        problem = f"{type(error).__name__}: {error}"
    if problem:
        msg = f"column {gene.name!r} does not hold plain values ({problem})"
        raise ArchitectureError(msg)
    return column, null


def _dictionary_cells(column: Any) -> NDArray[Any]:
    """Return the cells of a pyarrow column of dictionaries, each value in memory once."""
    parts = [np.empty(0, dtype=object)]
    for chunk in getattr(column, "chunks", [column]):
        values = np.empty(len(chunk.dictionary) + 1, dtype=object)  # the last one: null
        values[:-1] = chunk.dictionary.to_pylist()
        places = chunk.indices.fill_null(len(values) - 1)
        parts.append(values[places.to_numpy(zero_copy_only=False)])
    return np.concatenate(parts)


def _reader(table: Any) -> tuple[list[Any], _Read]:
    """Return a table's column names, and a function from a name to its cells and null mask."""
    if hasattr(table, "collect_schema") and not hasattr(table, "get_column"):
        msg = f"call .collect() on the {type(table).__name__}: from_table takes a table in memory"
        raise ArchitectureError(msg)
    if hasattr(table, "get_column"):  # polars

        def read(name: str) -> tuple[NDArray[Any], NDArray[np.bool_]]:
            column = table.get_column(name)
            return column.to_numpy(), column.is_null().to_numpy()

        return list(table.columns), read
    if hasattr(table, "iloc") and hasattr(table, "columns"):  # pandas

        def read(name: str) -> tuple[NDArray[Any], NDArray[np.bool_]]:
            column = table[name]
            return np.asarray(column.to_numpy()), np.asarray(column.isna(), dtype=bool)

        return list(table.columns), read
    if hasattr(table, "num_rows") and hasattr(table, "schema"):  # pyarrow

        def read(name: str) -> tuple[NDArray[Any], NDArray[np.bool_]]:
            column = table.column(name)
            null = column.is_null().to_numpy(zero_copy_only=False)
            if hasattr(column.type, "index_type"):
                return _dictionary_cells(column), null
            return column.to_numpy(zero_copy_only=False), null

        return list(table.schema.names), read
    msg = (
        "from_table takes a pandas or polars DataFrame or a pyarrow Table or RecordBatch, "
        f"not {show(table)}"
    )
    raise ArchitectureError(msg)
