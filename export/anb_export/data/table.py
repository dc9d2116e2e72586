"""Reads a table of measured architectures: CSV or Parquet, a column a gene and one a target.

The architectures are read by the runtime's own readers, so that a table is understood here as
`anb-onnx query --file` understands it; this module adds the measurements.
"""

from __future__ import annotations

import csv
import io
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from anb_export.data.dataset import DatasetError
from anb_onnx._io.files import FileError, read_regular
from anb_onnx._io.show import show
from anb_onnx.cli.read import read_architectures
from anb_onnx.errors import AnbError
from anb_onnx.regimes import LARGEST
from anb_onnx.spaces.space import SearchSpace

#: Most bytes of a table of CSV, and most rows of any.
MAX_TABLE_BYTES = 2**28
MAX_TABLE_ROWS = 2**24

_INDEX = "index"
_NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")


@dataclass(frozen=True)
class Columns:
    """Which columns of a table are read.

    Attributes
    ----------
    measured : tuple of str
        Those of the measurements.
    ignore_extra : bool
        Whether further columns are passed over; otherwise they are refused.
    index : str or None
        The column that holds indices of architectures; None where each gene has a column.
    """

    measured: tuple[str, ...]
    ignore_extra: bool = False
    index: str | None = None


@dataclass(frozen=True, eq=False)
class Table:
    """The rows of a table.

    Attributes
    ----------
    codes : ndarray of uint8, shape (n, n_genes)
    values : dict of str to ndarray of float64, shape (n,)
        By column.
    places : sequence of str
        Where each row stands in the file, for messages: ``line 7``, or ``row 5`` from 0.
    """

    codes: NDArray[np.uint8]
    values: dict[str, NDArray[np.float64]]
    places: Sequence[str]


def read_table(path: Path, space: SearchSpace, columns: Columns) -> Table:
    """Read all rows.

    Parameters
    ----------
    path : Path
        ``.csv`` (UTF-8, separated by commas, names in the first line) or ``.parquet``.
    space : SearchSpace
    columns : Columns

    Raises
    ------
    DatasetError
        If the file cannot be read, a column is missing, unknown or there twice, a value is no
        choice of its gene, or a measurement is not a finite number; names file, row and column.
    """
    readers = {".csv": _from_csv, ".parquet": _from_parquet}
    suffix = path.suffix.lower()
    if suffix not in readers:
        _refuse(f"{path}: the suffix {suffix!r} tells no format; known are {', '.join(readers)}")
    try:
        places, values = readers[suffix](path, space, columns)
        # Further columns were refused just now, unless they may be there.
        codes = read_architectures(str(path), space, ignore_extra=True, index_column=columns.index)
    except DatasetError as error:
        msg = f"{path}: {error}"
        raise DatasetError(msg) from error
    except FileError as error:  # names the file itself
        raise DatasetError(str(error)) from error
    except AnbError as error:
        text = str(error)
        raise DatasetError(text if str(path) in text else f"{path}: {text}") from error
    if len(codes) != len(places):
        _refuse(f"{path}: {len(codes)} architectures, but {len(places)} rows of measurements")
    return Table(codes, values, places)


def _check_names(names: Sequence[str], space: SearchSpace, columns: Columns) -> None:
    for name in columns.measured:
        if name in space.gene_names or name == columns.index:
            _refuse(f"column {name!r} cannot be both a target and what says the architecture")
        if list(names).count(name) != 1:
            found = "occurs twice" if name in names else "is missing"
            _refuse(f"the target's column {name!r} {found}; the columns are {_listed(names)}")
    wanted = [columns.index] if columns.index else space.gene_names
    if missing := [name for name in wanted if name not in names]:
        what = "gene" if columns.index is None else "index"
        _refuse(
            f"the {what}'s column {missing[0]!r} is missing; the columns are {_listed(names)}"
            + (
                '; for a column of indices give "index_column": "index" in the description'
                if _INDEX in names and columns.index is None
                else ""
            )
        )
    extra = [name for name in names if name not in (*wanted, *columns.measured)]
    if extra and not columns.ignore_extra:
        _refuse(
            f'unknown column {show(extra[0])}: no gene and no target; "ignore_extra": true in '
            "the description passes over such columns"
        )


def _listed(names: Sequence[str]) -> str:
    shown = ", ".join(map(show, names[:8]))
    return shown + (f" and {len(names) - 8} more" if len(names) > 8 else "")


_Read = tuple[list[str], dict[str, NDArray[np.float64]]]


def _from_csv(path: Path, space: SearchSpace, columns: Columns) -> _Read:
    content = read_regular(path, MAX_TABLE_BYTES)
    try:
        lines = io.StringIO(content.decode("utf-8-sig"), newline="")
        reader = csv.reader(lines, strict=True)
        header = [name.strip() for name in next(reader, [])]
        _check_names(header, space, columns)
        positions = [header.index(name) for name in columns.measured]
        places: list[str] = []
        cells: list[list[float]] = [[] for _ in positions]
        for row in reader:
            if not row:  # a blank line
                continue
            place = f"line {reader.line_num}"
            if len(row) != len(header):
                _refuse(f"{place}: {len(row)} cells, the header has {len(header)}")
            for name, position, found in zip(columns.measured, positions, cells, strict=True):
                found.append(_number(row[position].strip(), place, name))
            places.append(place)
    except UnicodeDecodeError as error:
        msg = f"not UTF-8 text ({error.reason} at byte {error.start})"
        raise DatasetError(msg) from error
    except csv.Error as error:
        msg = f"line {reader.line_num}: not valid CSV ({error})"
        raise DatasetError(msg) from error
    values = (np.array(found, dtype=np.float64) for found in cells)
    return places, dict(zip(columns.measured, values, strict=True))


def _from_parquet(path: Path, space: SearchSpace, columns: Columns) -> _Read:
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError as error:
        msg = "reading Parquet needs pyarrow: pip install 'anb-onnx[parquet]'"
        raise DatasetError(msg) from error
    try:
        file = pyarrow.parquet.ParquetFile(path)
        if file.metadata.num_rows > MAX_TABLE_ROWS:
            _refuse(f"{file.metadata.num_rows} rows, at most {MAX_TABLE_ROWS} are read")
        _check_names(file.schema_arrow.names, space, columns)
        table = file.read(columns=list(columns.measured))
    except (pyarrow.ArrowException, OSError) as error:
        msg = f"not readable as Parquet ({' '.join(str(error).split())[:200]})"
        raise DatasetError(msg) from error
    values = {}
    for name in columns.measured:
        cells = table.column(name).to_pylist()
        found = [_number(cell, f"row {row}", name) for row, cell in enumerate(cells)]
        values[name] = np.array(found, dtype=np.float64)
    return [f"row {row}" for row in range(table.num_rows)], values


def _number(cell: Any, place: str, column: str) -> float:
    number = math.nan
    if isinstance(cell, str):
        # `float` also reads 1_0 and the digits of other scripts.
        number = float(cell) if _NUMBER.fullmatch(cell) and cell.isascii() else math.nan
    elif isinstance(cell, (int, float)) and not isinstance(cell, bool):
        number = float(cell) if abs(cell) <= LARGEST else math.inf
    if not abs(number) <= LARGEST:
        _refuse(
            f"{place}: column {column!r}: {_shown(cell)} is not a finite number; leave the row "
            "out, or measure it"
        )
    return number


def _shown(cell: Any) -> str:
    return "an empty cell" if cell is None or cell == "" else show(cell)


def _refuse(message: str) -> NoReturn:
    raise DatasetError(message)
