"""Values of genes -> codes: mappings, and columns of tables."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence, Set
from functools import lru_cache, partial
from itertools import chain
from math import isfinite
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from anb_onnx._io.show import show
from anb_onnx.errors import ArchitectureError
from anb_onnx.spaces.own_spellings import are_lists, has_lists, lists_values
from anb_onnx.spaces.reading import column_codes
from anb_onnx.spaces.small_tables import small_table_codes
from anb_onnx.spaces.space import MAX_CHOICES, MAX_GENES, Gene, SearchSpace, float64_of

# Rows of a table that are encoded at a time: what they need in between stays in the cache.
_BLOCK_ROWS = 2**16

# Rows below which a batch of mappings is read one by one.
FEW_ROWS = 8

# Integers between the choices of a gene, at most, for a table of all their codes.
_LONGEST_RUN = 2**12


def value_error(
    gene: Gene, shown: str, where: str = "", *, value: object = None
) -> ArchitectureError:
    """Return the error for a value, as shown, that is not one of a gene's choices.

    Of a number for a float gene, given as `value`, it names the nearest choice.
    """
    also = " (or the same as strings or as 1 and 0)" if gene.kind == "bool" else ""
    also += nearest_choice(gene, value)
    msg = f"{where}gene {gene.name!r}: {shown} is not allowed; choose from {gene.allowed}{also}"
    return ArchitectureError(msg)


def nearest_choice(gene: Gene, value: object) -> str:
    """Return which choice of a float gene is nearest to a number, for messages; else nothing."""
    number = float64_of(value)
    if gene.kind != "float" or not isinstance(number, float) or not isfinite(number):
        return ""
    numbers: Any = gene.choices
    nearest = min(numbers, key=lambda choice: abs(choice - number))
    itself = "" if type(value) in (int, float) else f"; as float64 this is {number!r}"
    return f" (the nearest is {nearest!r}{itself})"


def names_error(values: Mapping[Any, object], space: SearchSpace, where: str) -> ArchitectureError:
    """Return the error for a mapping whose keys are not the genes."""
    given = list(values)  # ConfigSpace 0.7.1 cannot say whether a name is in it
    unknown = [key for key in given if key not in space.positions]
    missing = [name for name in space.gene_names if name not in given]
    parts = []
    if unknown:
        parts.append(f"unknown gene {show(unknown[0])}" + _and_more(unknown))
    if missing:
        parts.append(f"missing gene {missing[0]!r}" + _and_more(missing))
    if not parts:  # of a mapping whose keys are others than those that it is asked by
        parts.append(f"keys of {show(values)} that are not the genes, each once")
    first, last = space.gene_names[0], space.gene_names[-1]
    msg = f"{where}{' and '.join(parts)}; the {space.n_genes} genes are {first!r} ... {last!r}"
    return ArchitectureError(msg)


def _has_the_genes(values: Mapping[Any, object], space: SearchSpace) -> bool:
    """Say whether the keys of a mapping are the genes; those of some are a list, and not a set."""
    keys: Any = values.keys()
    if keys == space.positions.keys():
        return True
    if isinstance(keys, Set):
        return False
    names = list(keys)
    return len(names) == space.n_genes and all(name in names for name in space.gene_names)


def _and_more(names: Sequence[object]) -> str:
    return f" (and {len(names) - 1} more)" if len(names) > 1 else ""


def row_codes(values: Mapping[Any, object], space: SearchSpace, where: str = "") -> bytes:
    """Return the codes of one mapping from gene names to values, or of MnasNet's four lists.

    Raises
    ------
    ArchitectureError
        If a gene is unknown or missing, or a value is not one of its choices.
    """
    if type(values) is dict and (row := space.reader.mapping(values)) is not None:
        return row
    if not _has_the_genes(values, space):
        if has_lists(space) and are_lists(values):
            return row_codes(lists_values(values, where), space, where)
        raise names_error(values, space, where)
    codes = []
    for gene in space.genes:
        try:
            value = values[gene.name]
        except KeyError:  # of a mapping that has keys without a value, as ConfigSpace's has
            names = [name for name in values if name != gene.name]
            raise names_error(dict.fromkeys(names), space, where) from None
        code = gene.find(value)
        if code < 0:
            raise value_error(gene, show(value), where, value=value)
        codes.append(code)
    return bytes(codes)


def index_codes(index: int, space: SearchSpace) -> bytes:
    """Return the codes of the architecture with an index.

    Raises
    ------
    ArchitectureError
        If it is out of range.
    """
    index = int(index)  # NumPy 1 makes a float of uint64 and an integer of Python
    if not 0 <= index < space.size:
        msg = f"index {show(index)} is out of range; allowed are 0 to {space.size - 1}"
        raise ArchitectureError(msg)
    codes = []
    for size in reversed(space.gene_sizes):
        index, code = divmod(index, size)
        codes.append(code)
    return bytes(reversed(codes))


def mappings_codes(
    mappings: Sequence[Mapping[Any, object]], space: SearchSpace
) -> NDArray[np.uint8]:
    """Return the codes uint8 [N, n_genes] of a sequence of mappings.

    Raises
    ------
    ArchitectureError
        For the first mapping that is not a member of the space.
    """
    if len(mappings) >= FEW_ROWS:
        codes = _dicts_codes(mappings, space)
        if codes is not None:
            return codes
    rows = [row_codes(m, space, f"row {row}, ") for row, m in enumerate(mappings)]
    return rows_array(bytearray().join(rows), space)


def _dicts_codes(
    mappings: Sequence[Mapping[Any, object]], space: SearchSpace
) -> NDArray[np.uint8] | None:
    """Return the codes of many mappings; None if one is wrong, to be found out row by row."""
    n, n_genes = len(mappings), space.n_genes
    if set(map(type, mappings)) == {dict}:
        if set(map(len, mappings)) != {n_genes}:
            return None
    else:
        if not all(_has_the_genes(mapping, space) for mapping in mappings):
            return None
    try:
        values = chain.from_iterable(map(space.reader.values_of, mappings))
        cells = np.fromiter(values, object, n * n_genes)
    except KeyError:
        return None
    return space.reader.cells(cells.reshape(n, n_genes))


def rows_array(codes: bytearray, space: SearchSpace) -> NDArray[np.uint8]:
    """Return codes uint8 [N, n_genes] of bytes that nobody else writes to."""
    n_genes = space.n_genes
    return np.ndarray((len(codes) // n_genes, n_genes), np.uint8, codes)


@lru_cache(maxsize=2 * MAX_GENES)
def _lookup(gene: Gene) -> tuple[int, NDArray[np.int16]] | None:
    """Return the codes of a run of integers and the first of these, or None where it is too long.

    The first and the last integer, to which others are clipped, are no choices: their code is -1.
    """
    if gene.kind not in ("int", "bool"):
        return None
    choices = [int(choice) for choice in gene.choices]
    first, last = min(choices) - 1, max(choices) + 1
    if last - first > _LONGEST_RUN or first < -(2**63):
        return None
    codes = np.full(last - first + 1, -1, dtype=np.int16)
    codes[[choice - first for choice in choices]] = range(len(choices))
    return first, codes


def array_codes(gene: Gene, column: NDArray[Any]) -> NDArray[np.int16]:
    """Return the code of each value of an array [N], -1 where it is not one of the choices."""
    kind = column.dtype.kind
    lookup = _lookup(gene)
    if lookup is not None and kind in {"int": "iuf", "bool": "biuf"}[gene.kind]:
        first, codes = lookup
        numbers = _integers(column, first, first + len(codes) - 1)
        if numbers is not None:
            # A difference that wraps around is no place of the table either.
            numbers = np.subtract(numbers, first, dtype=np.int64)
            found: NDArray[np.int16] = codes.take(numbers, mode="clip")
            return found
    if gene.kind == "float" and kind in "iuf":
        order, numbers = _ascending(gene)
        wanted = column.astype(np.float64)
        place = np.searchsorted(numbers, wanted).clip(0, len(numbers) - 1)
        return np.where(numbers[place] == wanted, order[place], np.int16(-1))
    if kind in "OUbiuf":
        return column_codes(gene, column.tolist())
    # Dates, for one, would turn into plain integers.
    return np.full(len(column), -1, dtype=np.int16)


@lru_cache(maxsize=2 * MAX_GENES)
def _ascending(gene: Gene) -> tuple[NDArray[np.int16], NDArray[np.float64]]:
    """Return the codes of a float gene by ascending choices, and these."""
    choices = np.array(gene.choices, dtype=np.float64)
    order = choices.argsort().astype(np.int16)
    return order, choices[order]


def _integers(column: NDArray[Any], low: int, high: int) -> NDArray[Any] | None:
    """Return a column as an array that NumPy turns into int64; None where that loses something.

    Floats are clipped to `low` and `high`; those that are no integers become `low`.
    """
    kind, size = column.dtype.kind, column.dtype.itemsize
    if kind == "b":
        return column.view(np.uint8)
    if kind == "f" and size <= 8 and max(-low, high) <= 2**53:
        wide = column.astype(np.float64)
        return np.where(np.floor(wide) == wide, wide.clip(low, high), low).astype(np.int64)
    return column if kind == "i" or (kind == "u" and size < 8) else None


def table_codes(table: Any, space: SearchSpace, *, first_row: int = 0) -> NDArray[np.uint8]:
    """Return the codes of a table, or of a part of one that begins at some row."""
    names, read = table_reader(table)
    small = small_table_codes(table, names, space)
    if small is not None:
        return small
    if missing := [name for name in space.gene_names if name not in names]:
        msg = f"the table has no column {missing[0]!r}{_and_more(missing)}"
        raise ArchitectureError(msg)
    if twice := [name for name in space.gene_names if names.count(name) > 1]:
        msg = f"the table has more than one column {twice[0]!r}"
        raise ArchitectureError(msg)
    codes = np.empty((len(table), space.n_genes), dtype=np.uint8)
    for start in range(0, len(table), _BLOCK_ROWS):
        rows = slice(start, min(start + _BLOCK_ROWS, len(table)))
        _write_rows(codes[rows], read, rows, space, first_row)
    return codes


class _Column(NamedTuple):
    """Some rows of a table's column.

    Attributes
    ----------
    cells : ndarray [N]
        One for every row; with `places`, each distinct one, and in the end None for nulls.
    null : ndarray of bool [N] or None
        Which rows are null; None where none can be, or `cells` tells.
    places : ndarray of integers [N] or None
        Where the cell of each row is among `cells`.
    """

    cells: NDArray[Any]
    null: NDArray[np.bool_] | None = None
    places: NDArray[np.integer[Any]] | None = None

    def codes(self, gene: Gene) -> NDArray[np.int16]:
        found = array_codes(gene, self.cells)
        if self.places is not None:
            found = found[self.places]
        if self.null is not None:
            found[self.null] = -1
        return found

    def error(self, row: int, gene: Gene, where: str) -> ArchitectureError:
        """Return the error for a cell that is no value of a gene."""
        if self.null is not None and self.null[row]:
            return value_error(gene, "null", where)
        place = row if self.places is None else int(self.places[row])
        cell = self.cells[place : place + 1 or None].tolist()[0]
        if self.places is not None and cell is None:
            return value_error(gene, "null", where)
        return value_error(gene, show(cell), where, value=cell)


# From a column's name and a range of rows.
_Read: TypeAlias = Callable[[str, slice], _Column]


def _write_rows(
    codes: NDArray[np.uint8], read: _Read, rows: slice, space: SearchSpace, first_row: int
) -> None:
    """Write the codes of some rows of a table; `first_row` is the number of the table's first."""
    offence: tuple[int, ArchitectureError] | None = None
    for position, gene in enumerate(space.genes):
        column = read_column(read, gene.name, rows)
        found = column.codes(gene)
        bad = int(np.argmax(found < 0)) if found.min() < 0 else len(codes)
        if bad < (offence[0] if offence else len(codes)):
            where = f"row {first_row + rows.start + bad}, "
            offence = bad, column.error(bad, gene, where)
        codes[:, position] = found
    if offence:
        _, error = offence
        hint = (
            "; these look like codes, but cells of a table are values: pass codes as an array"
            if all(_are_codes(read_column(read, g.name, rows).cells, g) for g in space.genes)
            else ""
        )
        msg = f"{error}{hint}"
        raise ArchitectureError(msg)


def _are_codes(cells: NDArray[Any], gene: Gene) -> bool:
    return cells.dtype.kind in "iu" and bool(((cells >= 0) & (cells < len(gene))).all())


def read_column(read: _Read, name: str, rows: slice) -> _Column:
    """Return a column's cells; refuse what does not convert to a flat array."""
    try:
        column = read(name, rows)
        problem = f"cells of shape {[*column.cells.shape[1:]]}" if column.cells.ndim != 1 else ""
    except Exception as error:  # whatever the table's library raises
        problem = f"{type(error).__name__}: {error}"
    if problem:
        msg = f"column {name!r} does not hold plain values ({problem})"
        raise ArchitectureError(msg)
    return column


def _distinct(cells: Any, places: Any) -> _Column:
    """Return a column of a few distinct cells: a list, and their places, -1 for null."""
    values = np.empty(len(cells) + 1, dtype=object)
    values[:-1] = cells
    return _Column(values, places=np.asarray(places))


def _plain(cells: Any, is_null: Callable[[], Any]) -> _Column:
    """Return a column of one cell for every row."""
    cells = np.asarray(cells)
    # Every library turns integers and booleans with nulls into something else.
    null = None if cells.dtype.kind in "iub" else np.asarray(is_null(), dtype=bool)
    return _Column(cells, null)


def _read_pandas(table: Any, name: str, rows: slice) -> _Column:
    column = table[name].iloc[rows]
    if column.dtype.name in ("str", "string", "category"):
        places, cells = column.factorize()
        return _distinct(cells.tolist(), places)
    return _plain(column.to_numpy(), column.isna)


def _read_polars(table: Any, name: str, rows: slice) -> _Column:
    column = table.get_column(name)[rows]
    if str(column.dtype) == "String":
        cells = column.drop_nulls().unique().to_list()
        # As many spellings as that are no gene's: the first of them is found as quickly.
        if 0 < len(cells) <= 2 * MAX_CHOICES:
            places = column.replace_strict(cells, list(range(len(cells))), default=-1)
            return _distinct(cells, places.to_numpy())
    return _plain(column.to_numpy(), lambda: column.is_null().to_numpy())


def _read_arrow(table: Any, name: str, rows: slice) -> _Column:
    column = table.column(name).slice(rows.start, rows.stop - rows.start)
    if str(column.type) in ("string", "large_string"):
        column = column.dictionary_encode()
    if not hasattr(column.type, "index_type"):
        cells = column.to_numpy(zero_copy_only=False)
        return _plain(cells, lambda: column.is_null().to_numpy(zero_copy_only=False))
    if hasattr(column, "combine_chunks"):
        column = column.unify_dictionaries().combine_chunks()
    places = column.indices.fill_null(-1).to_numpy(zero_copy_only=False)
    return _distinct(column.dictionary.to_pylist(), places)


def table_reader(table: Any) -> tuple[list[Any], _Read]:
    """Return a table's column names, and what reads its cells."""
    if hasattr(table, "collect_schema") and not hasattr(table, "get_column"):
        msg = f"call .collect() on the {type(table).__name__}: from_table takes a table in memory"
        raise ArchitectureError(msg)
    if hasattr(table, "get_column"):
        return list(table.columns), partial(_read_polars, table)
    if hasattr(table, "iloc") and hasattr(table, "columns"):
        return table.columns.tolist(), partial(_read_pandas, table)
    if hasattr(table, "num_rows") and hasattr(table, "schema"):
        return list(table.schema.names), partial(_read_arrow, table)
    msg = (
        "from_table takes a pandas or polars DataFrame or a pyarrow Table or RecordBatch, "
        f"not {show(table)}"
    )
    raise ArchitectureError(msg)
