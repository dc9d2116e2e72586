"""Architectures in tables: CSV and Parquet, with a column per gene or one of indices."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from anb_onnx._io.files import open_regular
from anb_onnx._io.input import check_rows
from anb_onnx._io.show import show
from anb_onnx._io.strict_json import MAX_DIGITS
from anb_onnx.errors import ArchitectureError
from anb_onnx.spaces.architecture import Architecture
from anb_onnx.spaces.space import Gene, SearchSpace
from anb_onnx.spaces.values import table_codes

Codes = npt.NDArray[np.uint8]

_INDEX = "index"
_BATCH = 2**16
_INTEGER = re.compile(r"[+-]?[0-9]+")
_NUMBER = re.compile(r"([+-]?[0-9]{1,20})(\.0{0,20})?")
_LINE_END = re.compile(rb"[\r\n]")
_BOOLEANS = {"true": True, "false": False}

# The columns beside `index` in a table that `anb-onnx query --csv` wrote.
_OWN = re.compile(r".+_(mean|std|member_[0-9]+)")


class Columns:
    """Which columns of a table say what its architectures are.

    Parameters
    ----------
    names : sequence of str
        Of the table.
    space : SearchSpace
    ignore_extra : bool
        Whether other columns may stand beside them.
    index : str, optional
        The column of indices; if not given, one called "index" where no gene is there.

    Attributes
    ----------
    wanted : list of str
        Those of the genes, or that of the indices.
    by_index : bool
    doubtful : bool
        Whether the indices may be row numbers: nobody said that they are not, and other columns
        stand beside them.

    Raises
    ------
    ArchitectureError
        If a column is missing, unknown, there twice, or may be something else.
    """

    def __init__(
        self, names: Sequence[str], space: SearchSpace, ignore_extra: bool, index: str | None
    ) -> None:
        genes = list(space.gene_names)
        found = index is None and not set(genes) & set(names) and _INDEX in names
        self.by_index = index is not None or found
        self.wanted = ([_INDEX] if index is None else [index]) if self.by_index else genes
        extra = [name for name in names if name not in self.wanted]
        self.doubtful = found and bool(extra)
        _check_names(names, self.wanted, space)
        if not extra:
            return
        if not ignore_extra:
            msg = f"unknown column {show(extra[0])}; --ignore-extra passes over such columns"
            raise ArchitectureError(msg)
        strange = [name for name in extra if not _OWN.fullmatch(name)]
        if found and strange:
            msg = (
                f"column {_INDEX!r} may hold row numbers: beside it stands {show(strange[0])}"
                f"{_meant(strange[0], space)}; --index-column {_INDEX} takes it for indices of "
                "architectures"
            )
            raise ArchitectureError(msg)


def _check_names(names: Sequence[str], wanted: Sequence[str], space: SearchSpace) -> None:
    for name in wanted:
        if name not in names:
            near = next((n for n in names if _plain(n) == _plain(name)), None)
            hint = "" if near is None else f" (there is {show(near)})"
            if not any(names):
                hint = " (nothing is in the first line)"
            elif all(_INTEGER.fullmatch(n) or n.lower() in _BOOLEANS for n in names):
                hint = " (the first line holds values, not names)"
            msg = (
                f"column {name!r} is missing{hint}; needed are the {space.n_genes} genes "
                f"({space.gene_names[0]} ... {space.gene_names[-1]}) or one column {_INDEX!r}"
            )
            raise ArchitectureError(msg)
        if list(names).count(name) > 1:
            msg = f"column {name!r} occurs twice"
            raise ArchitectureError(msg)


def _plain(name: str) -> str:
    return re.sub(r"[\W_]", "", name).lower()


def _meant(name: str, space: SearchSpace) -> str:
    gene = next((gene for gene in space.gene_names if _plain(gene) == _plain(name)), None)
    return "" if gene is None else f" (is the gene {gene!r} meant?)"


def from_csv(raw: bytes, space: SearchSpace, ignore_extra: bool, index: str | None) -> Codes:
    """Return the codes [N, genes] of CSV in UTF-8; a header alone is a table of no rows."""
    _check_separator(raw, space)
    lines = io.TextIOWrapper(io.BytesIO(raw), encoding="utf-8-sig", newline="")
    reader = csv.reader(lines, strict=True)
    try:
        header = [name.strip() for name in next(reader, [])]
        columns = Columns(header, space, ignore_extra, index)
        places = [header.index(name) for name in columns.wanted]
        rows = _csv_rows(reader, len(header))
        if columns.by_index:
            cells = ((f"line {line}: ", decimal(row[places[0]])) for line, row in rows)
            return _from_indices(cells, columns, space)
        return _from_cells(rows, places, space)
    except csv.Error as error:
        msg = f"line {reader.line_num}: not valid CSV ({error})"
        raise ArchitectureError(msg) from error


def _check_separator(raw: bytes, space: SearchSpace) -> None:
    header = _LINE_END.split(raw[:_BATCH], maxsplit=1)[0].decode("utf-8-sig", "replace")
    if "," in header:
        return
    for separator, shown in ((";", ";"), ("\t", r"\t"), ("|", "|"), (" ", " ")):
        parts = {part.strip(" \"'") for part in header.split(separator)}
        if len(parts) > 1 and (separator != " " or parts & {_INDEX, *space.gene_names}):
            msg = f"the columns look separated by '{shown}'; give commas (tr '{shown}' ',')"
            raise ArchitectureError(msg)


def _csv_rows(reader: Any, width: int) -> Iterator[tuple[int, list[str]]]:
    for row in reader:
        if not row:  # a blank line
            continue
        if len(row) != width:
            msg = f"line {reader.line_num}: {len(row)} cells, the header has {width}"
            raise ArchitectureError(msg)
        yield reader.line_num, row


def _from_cells(
    rows: Iterable[tuple[int, list[str]]], places: Sequence[int], space: SearchSpace
) -> Codes:
    # Remembering each spelling that occurred makes a cell one look-up.
    known: list[dict[str, int]] = [{} for _ in places]
    codes = bytearray()
    for number, (line, row) in enumerate(rows, start=1):
        if number % _BATCH == 0:
            check_rows(number)
        for gene, place, cells in zip(space.genes, places, known, strict=True):
            code = cells.get(row[place])
            if code is None:
                code = _code(gene, row[place], line)
                cells[row[place]] = code
            codes.append(code)
    check_rows(len(codes) // space.n_genes)
    return np.frombuffer(codes, np.uint8).reshape(-1, space.n_genes)


def _code(gene: Gene, cell: str, line: int) -> int:
    """Code of a cell's text: 6 and 6.0 (pandas writes either), True and true."""
    text = cell.strip()
    value: object = text
    if gene.kind == "bool":
        value = _BOOLEANS.get(text.lower(), text)
    elif gene.kind == "int" and (number := _NUMBER.fullmatch(text)):
        value = int(number[1])  # as a float, a large one would turn into its neighbour
    elif gene.find(cell) >= 0:
        value = cell
    code = gene.find(value)
    if code < 0:
        msg = (
            f"line {line}: gene {gene.name!r}: {show(cell)} is not allowed; "
            f"choose from {gene.allowed}"
        )
        raise ArchitectureError(msg)
    return code


def decimal(cell: object) -> object:
    """Return the integer that a text is in decimals, of any magnitude; anything else as it is."""
    text = cell.strip() if isinstance(cell, str) else ""
    # Python has a limit of its own for longer ones, and reads 1_0, too.
    return int(text) if _INTEGER.fullmatch(text) and len(text) <= MAX_DIGITS else cell


def _from_indices(
    cells: Iterable[tuple[str, object]], columns: Columns, space: SearchSpace
) -> Codes:
    """Return the codes of indices, each with its place for messages."""
    name = columns.wanted[0]
    codes = bytearray()
    numbered = columns.doubtful
    for row, (place, value) in enumerate(cells):
        if row % _BATCH == 0:
            check_rows(row)
        if not isinstance(value, int) or isinstance(value, bool):
            shown = "null" if value is None else show(value)
            msg = f"{place}column {name!r}: {shown} is not an integer"
            raise ArchitectureError(msg)
        numbered = numbered and value == row
        try:
            codes += bytes(Architecture.from_index(value, space=space).codes)
        except ArchitectureError as error:
            msg = f"{place}{error}"
            raise ArchitectureError(msg) from error
    found = np.frombuffer(codes, np.uint8).reshape(-1, space.n_genes)
    check_rows(len(found))
    if numbered and len(found):
        msg = (
            f"column {name!r} holds 0 to {len(found) - 1} in this order, as row numbers do; "
            f"--index-column {name} takes them for indices of architectures"
        )
        raise ArchitectureError(msg)
    return found


def from_parquet(path: str, space: SearchSpace, ignore_extra: bool, index: str | None) -> Codes:
    """Return the codes [N, genes] of a Parquet file, read in batches and the needed columns only.

    A column of indices holds integers, or strings of decimals where 64 bits do not hold them.

    Raises
    ------
    FileError
        If it cannot be read, or is no regular file.
    ArchitectureError
        If it is not Parquet, has too many rows, or its columns are not those of architectures.
    """
    if path == "-":
        msg = "Parquet is read from files only; save it and give its path"
        raise ArchitectureError(msg)
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError as error:
        msg = "reading Parquet needs pyarrow: pip install 'anb-onnx[parquet]'"
        raise ArchitectureError(msg) from error
    with open_regular(path) as source:
        try:
            return _from_parquet(pyarrow, source, space, ignore_extra, index)
        except ArchitectureError:
            raise
        except (pyarrow.ArrowException, OSError, ValueError, KeyError, TypeError) as error:
            # pyarrow raises what its libraries do. Of damaged files it is usually ArrowInvalid.
            msg = f"not readable as Parquet ({error})"
            raise ArchitectureError(msg) from error


def _from_parquet(
    arrow: Any, source: Any, space: SearchSpace, ignore_extra: bool, index: str | None
) -> Codes:
    file = arrow.parquet.ParquetFile(source)
    check_rows(file.metadata.num_rows)
    schema = file.schema_arrow
    columns = Columns(schema.names, space, ignore_extra, index)
    texts = []
    for name in columns.wanted:
        kind = schema.field(name).type
        text = arrow.types.is_string(kind) or arrow.types.is_large_string(kind)
        if columns.by_index and not (text or arrow.types.is_integer(kind)):
            msg = f"column {name!r} holds {kind}, not integers (nor their decimals as strings)"
            raise ArchitectureError(msg)
        if arrow.types.is_nested(kind):
            msg = f"column {name!r} does not hold plain values ({kind})"
            raise ArchitectureError(msg)
        if text:
            texts.append(name)
    if texts:  # kept as dictionaries: a long text in every row is in memory once
        file = arrow.parquet.ParquetFile(source, read_dictionary=texts)
    batches = file.iter_batches(batch_size=_BATCH, columns=columns.wanted)
    if columns.by_index:
        cells = (cell for batch in batches for cell in batch.column(0).to_pylist())
        placed = ((f"row {row}: ", decimal(cell)) for row, cell in enumerate(cells))
        return _from_indices(placed, columns, space)
    codes = bytearray()
    rows = 0
    for batch in batches:
        codes += table_codes(batch, space, first_row=rows).data
        rows += len(batch)
        check_rows(rows)  # the file may state fewer
    return np.frombuffer(codes, np.uint8).reshape(-1, space.n_genes)
