"""Files of measurements: what `anb-onnx suggest` writes, with a column of values beside it."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from anb_onnx._io.input import check_rows, read_text
from anb_onnx._io.show import show
from anb_onnx.cli.columns import Column, Texts, architecture_columns
from anb_onnx.cli.read import parse_architecture, reading
from anb_onnx.cli.tables import write_csv, write_json, write_json_lines, write_parquet
from anb_onnx.cli.where import number
from anb_onnx.cli.write import open_binary, open_text
from anb_onnx.encoding.encoding import codes_to_indices
from anb_onnx.encoding.table_files import (
    cell_code,
    check_separator,
    csv_rows,
    decimal,
    from_index_cells,
    row_numbers_error,
)
from anb_onnx.errors import AnbError, ArchitectureError, MeasurementError
from anb_onnx.spaces.architecture import Architecture
from anb_onnx.spaces.nasbench201 import NASBENCH201, to_arch_string
from anb_onnx.spaces.ready import READY, ready_made
from anb_onnx.spaces.space import SearchSpace

Codes = npt.NDArray[np.uint8]
Numbers = npt.NDArray[np.float64]

_INDEX, _ARCHITECTURE = "index", "architecture"
_STD, _REPEATS = "std", "repeats"
#: What an empty cell means: no standard deviation is known, and it was measured once.
_EMPTY = {_STD: 0.0, _REPEATS: 1.0}


@dataclass(frozen=True, eq=False)
class MeasuredFile:
    """The rows of a file that have a value.

    Attributes
    ----------
    codes : ndarray of uint8 [N, n_genes]
    values : ndarray of float64 [N]
    std, repeats : ndarray of float64 [N], or None
        Where the file has such a column.
    lines : tuple of int
        The line of each in the file.
    skipped : int
        How many rows have no value.
    more : mapping of str to ndarray of float64 [N]
        Of other columns of values that were asked for.
    """

    codes: Codes
    values: Numbers
    std: Numbers | None
    repeats: Numbers | None
    lines: tuple[int, ...]
    skipped: int
    more: Mapping[str, Numbers] = field(default_factory=dict)

    def place(self, row: int) -> str:
        """Return the name of a row for messages."""
        return f"line {self.lines[row]}"


@dataclass(frozen=True)
class _Columns:
    """Which column of a header is what."""

    header: Sequence[str]
    by: str  # genes, architecture, or the name of a column of indices
    doubtful: bool  # whether indices may be row numbers
    values: Sequence[str]
    space: SearchSpace

    def cell(self, row: Sequence[str], name: str) -> str:
        return row[self.header.index(name)].strip()


def write_to_measure(out: str | None, form: str, codes: Codes, space: SearchSpace) -> None:
    """Write architectures in the order to measure them: index and genes.

    Those of NAS-Bench-201 have the string by which its users know them, too.
    """
    index, *genes = architecture_columns(codes, space)
    spelled: list[Column] = []
    if space == NASBENCH201:
        rows = [Architecture.from_codes(row, space=space) for row in codes]
        spelled = [Texts(_ARCHITECTURE, [*map(to_arch_string, rows)])]
    columns = [index, *spelled, *genes]
    if form == "parquet":
        with open_binary(out) as file:
            write_parquet(file, [columns], {"anb_onnx.space": space.name})
        return
    with open_text(out) as stream:
        if form == "csv":
            write_csv(stream, [columns])
        else:
            write = write_json if form == "json" else write_json_lines
            write(stream, [columns], lambda part: {column.name: column for column in part})


def read_measured(
    path: str,
    space: SearchSpace,
    *,
    value: str = "value",
    more: Sequence[str] = (),
    answers: frozenset[str] = frozenset(),
    index_column: str | None = None,
    ignore_extra: bool = False,
) -> MeasuredFile:
    """Read a CSV file of architectures and their values, "-" for standard input.

    Parameters
    ----------
    path : str
    space : SearchSpace
    value : str
        Name of the column of values. Rows in which it is empty are passed over.
    more : sequence of str
        Other columns of values: a row has all of them, or none and is passed over.
    answers : set of str
        Names of columns that may be there and are not read.
    index_column : str, optional
        A column that holds indices, whatever it is called and whatever else is there.
    ignore_extra : bool
        Whether other columns may be there.

    Raises
    ------
    ArchitectureError
        If the file cannot be read, or an architecture is none; names the line.
    MeasurementError
        If a column is missing or unknown, or a cell no number.
    """
    with reading(path):
        raw = read_text(path)
        check_separator(raw, space)
        lines = io.TextIOWrapper(io.BytesIO(raw), encoding="utf-8-sig", newline="")
        reader = csv.reader(lines, strict=True)
        try:
            header = [name.strip() for name in next(reader, [])]
            columns = _columns(header, space, [value, *more], index_column, answers, ignore_extra)
            rows = list(csv_rows(reader, len(header)))
        except csv.Error as error:
            msg = f"line {reader.line_num}: not valid CSV ({error})"
            raise ArchitectureError(msg) from error
        check_rows(len(rows))
        filled = [(line, row) for line, row in rows if _is_filled(columns, line, row)]
        return MeasuredFile(
            codes=_codes(columns, filled),
            values=_numbers(columns, filled, value),
            std=_numbers(columns, filled, _STD) if _STD in header else None,
            repeats=_numbers(columns, filled, _REPEATS) if _REPEATS in header else None,
            lines=tuple(line for line, _ in filled),
            skipped=len(rows) - len(filled),
            more={name: _numbers(columns, filled, name) for name in more},
        )


def _is_filled(columns: _Columns, line: int, row: Sequence[str]) -> bool:
    """Say whether a row has its values.

    Raises
    ------
    MeasurementError
        If it has some of them.
    """
    empty = [name for name in columns.values if not columns.cell(row, name)]
    if empty and len(empty) < len(columns.values):
        (there, *_) = [name for name in columns.values if name not in empty]
        msg = (
            f"line {line}: column {empty[0]!r} is empty, but {there!r} is not; give both, or leave "
            "both empty"
        )
        raise MeasurementError(msg)
    return not empty


def _columns(
    header: Sequence[str],
    space: SearchSpace,
    values: Sequence[str],
    index_column: str | None,
    answers: frozenset[str],
    ignore_extra: bool,
) -> _Columns:
    genes = space.gene_names
    if index_column is not None:
        by, needed = index_column, [index_column]
    elif set(genes) & set(header):
        by, needed = "genes", list(genes)
    else:
        by = next((name for name in (_ARCHITECTURE, _INDEX) if name in header), _INDEX)
        needed = [by]
    for name in [*needed, *values]:
        if name not in header:
            raise MeasurementError(_missing(name, header, space, values))
    known = {*needed, *values, _STD, _REPEATS, _INDEX, _ARCHITECTURE}
    for name in header:
        if name in known and header.count(name) > 1:
            msg = f"column {name!r} occurs twice"
            raise MeasurementError(msg)
        if name not in known | answers and not ignore_extra:
            raise MeasurementError(_unknown(name, space, values))
    for value in values:
        if value in {*needed, _STD, _REPEATS}:
            msg = f"column {value!r} cannot hold the values: it has another meaning"
            raise MeasurementError(msg)
    return _Columns(header, by, by == _INDEX and index_column is None, values, space)


def _unknown(name: str, space: SearchSpace, values: Sequence[str]) -> str:
    for other in READY:
        there = ready_made(other)
        if there is not None and name in there.gene_names:
            return (
                f"column {show(name)} is a gene of search space {other!r}, but {space.name!r} is "
                "meant; --benchmark NAME (of 'anb-onnx benchmarks') or --space NAME says which"
            )
    known = ", ".join(map(repr, [*values, _STD, _REPEATS]))
    return (
        f"unknown column {show(name)}; --ignore-extra passes over such columns (known are {known}, "
        f"and the architecture as genes, {_ARCHITECTURE!r} or {_INDEX!r})"
    )


def _missing(name: str, header: Sequence[str], space: SearchSpace, values: Sequence[str]) -> str:
    there = ", ".join(map(show, header[:9])) + (" ..." if len(header) > 9 else "")
    if name in values:
        hint = "; --value-column NAME says which it is" if len(values) == 1 else ""
        return (
            f"column {name!r}, of the measured values, is missing{hint} (there are "
            f"{there or 'none'})"
        )
    return (
        f"column {name!r} is missing (there are {there or 'none'}); an architecture is given by "
        f"its {space.n_genes} genes ({space.gene_names[0]} ... {space.gene_names[-1]}), by "
        f"{_ARCHITECTURE!r} or by {_INDEX!r}, as 'anb-onnx suggest' writes them"
    )


def _codes(columns: _Columns, rows: list[tuple[int, list[str]]]) -> Codes:
    """Return the codes [N, n_genes], once all columns that name an architecture say the same."""
    space = columns.space
    if columns.by == "genes":
        cells = [
            [cell_code(g, columns.cell(row, g.name), line) for g in space.genes]
            for line, row in rows
        ]
        codes = np.array(cells, dtype=np.uint8).reshape(-1, space.n_genes)
    elif columns.by == _ARCHITECTURE:
        found = [_parsed(columns, line, row) for line, row in rows]
        codes = np.concatenate([np.empty((0, space.n_genes), np.uint8), *found])
    else:
        placed = ((f"line {line}: ", decimal(columns.cell(row, columns.by))) for line, row in rows)
        codes, numbered = from_index_cells(placed, columns.by, space)
        if numbered and columns.doubtful and len(codes):
            raise row_numbers_error(columns.by, 0, len(codes))
    _check_same(columns, rows, codes)
    return codes


def _parsed(columns: _Columns, line: int, row: Sequence[str]) -> Codes:
    try:
        return parse_architecture(columns.cell(row, _ARCHITECTURE), columns.space)
    except ArchitectureError as error:
        msg = f"line {line}: {error}"
        raise ArchitectureError(msg) from error


def _check_same(columns: _Columns, rows: list[tuple[int, list[str]]], codes: Codes) -> None:
    indices = codes_to_indices(codes, columns.space).tolist()
    for name, stated in _also(columns, rows):
        # Where they just count, they are the row numbers that pandas writes, too.
        if name == _INDEX and stated == list(range(len(stated))):
            continue
        for (line, _), index, other in zip(rows, indices, stated, strict=True):
            if other is not None and other != index:
                msg = (
                    f"line {line}: column {name!r} is of the architecture with index {other}, but "
                    f"{'the genes are' if columns.by == 'genes' else columns.by + ' is'} of that "
                    f"with index {index}; leave one of them out"
                )
                raise MeasurementError(msg)


def _also(
    columns: _Columns, rows: list[tuple[int, list[str]]]
) -> Iterator[tuple[str, list[int | None]]]:
    """Yield the other columns that name architectures, with the indices that they state."""
    if columns.by != _INDEX and _INDEX in columns.header:
        # What a spreadsheet made of a long number (9.8E+10) is no index any more, and not needed.
        cells = [decimal(columns.cell(row, _INDEX)) for _, row in rows]
        yield _INDEX, [cell if isinstance(cell, int) else None for cell in cells]
    if columns.by == "genes" and _ARCHITECTURE in columns.header:
        found = [_parsed(columns, line, row) for line, row in rows]
        joined = np.concatenate([np.empty((0, columns.space.n_genes), np.uint8), *found])
        yield _ARCHITECTURE, codes_to_indices(joined, columns.space).tolist()


def _numbers(columns: _Columns, rows: list[tuple[int, list[str]]], name: str) -> Numbers:
    found = np.empty(len(rows))
    for place, (line, row) in enumerate(rows):
        cell = columns.cell(row, name)
        if not cell:
            found[place] = _EMPTY[name]
            continue
        try:
            found[place] = number(cell, f"line {line}, column {name!r}")
        except AnbError as error:
            raise MeasurementError(str(error)) from error
    return found
