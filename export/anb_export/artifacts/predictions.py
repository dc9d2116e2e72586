"""Reads what a model itself predicts for some architectures, and compares an artifact with it."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from anb_export._io.scratch import scratch_folder
from anb_onnx._io import strict_json
from anb_onnx._io.files import read_regular
from anb_onnx._io.show import show
from anb_onnx._io.strict_json import JsonError
from anb_onnx.cli.read import read_architectures
from anb_onnx.errors import AnbError
from anb_onnx.spaces.space import SearchSpace

#: Name of the predictions' column.
COLUMN = "prediction"

#: Largest accepted difference, in standard deviations of the model's predictions. xgboost adds its
#: leaves in float32: in 20,000 trees that loses up to 7e-4 (4,000 rows between 60 and 80, 2,000
#: architectures), in all smaller models that were tried less. A model that is misread, or trained
#: on other numbers, is off by 0.1 and more in some row.
CHECK_TOLERANCE = 1e-3

_SUFFIXES = (".csv", ".json", ".jsonl", ".parquet")
_MOST_BYTES = 2**28
_MOST_ROWS = 1_000_000


class CheckError(AnbError):
    """Predictions cannot be read, or are not those of the artifact."""


@dataclass(frozen=True, eq=False)
class Predictions:
    """What a model predicts for some architectures.

    Attributes
    ----------
    name : str
        The file.
    codes : ndarray of uint8, shape (n, n_genes)
    values : ndarray of float64, shape (n,)
        In the target's unit. Of an ensemble, the mean of its members.
    """

    name: str
    codes: NDArray[np.uint8]
    values: NDArray[np.float64]


@dataclass(frozen=True)
class Agreement:
    """How far an artifact is from given predictions.

    Attributes
    ----------
    n : int
        Rows.
    largest : float
        Largest difference, in standard deviations of the predictions of random architectures.
    row : int
        Where that is, from 0.
    apart : int
        Rows that differ by more than `CHECK_TOLERANCE`.
    """

    n: int
    largest: float
    row: int
    apart: int


def read_predictions(path: str | Path, space: SearchSpace) -> Predictions:
    """Read a table of architectures with a column ``prediction``.

    Parameters
    ----------
    path : str or Path
        CSV, JSON (an array of objects, or one a line) or Parquet, told by the suffix.
        Architectures are given as `anb_onnx query` takes them: the genes' values, or one ``index``.

    Raises
    ------
    AnbError
        If a row is no architecture, or has no finite prediction; names the file and the row.
    """
    path = Path(path)
    suffix = path.suffix.lower()
    if suffix not in _SUFFIXES:
        _refuse(f"{path}: the suffix {suffix!r} tells no format; known are {', '.join(_SUFFIXES)}")
    content = read_regular(path, _MOST_BYTES)
    try:
        split = {".csv": _split_csv, ".parquet": _split_parquet}.get(suffix, _split_json)
        rest, found = split(content, space)
        if not found:
            _refuse("there are no rows in it")
        if len(found) > _MOST_ROWS:
            _refuse(f"{len(found)} rows are too many, at most {_MOST_ROWS} are read")
        values = np.array([_number(row, value) for row, value in enumerate(found, start=1)])
        codes = _architectures(rest, ".json" if suffix == ".jsonl" else suffix, space)
    except AnbError as error:
        msg = f"{path}: {error}"
        raise CheckError(msg) from error
    if len(codes) != len(values):
        _refuse(f"{path}: {len(codes)} architectures, but {len(values)} predictions")
    return Predictions(path.name, codes, values)


def agreement(predictions: Predictions, found: NDArray[Any], scale: float) -> Agreement:
    """Compare predictions, float [n], with those of a file, in units of `scale`."""
    difference = np.abs(found.astype(np.float64) - predictions.values) / scale
    row = int(np.argmax(difference))
    apart = int((~(difference <= CHECK_TOLERANCE)).sum())
    return Agreement(len(difference), float(difference[row]), row, apart)


def refuse_disagreement(
    predictions: Predictions, found: NDArray[Any], agreed: Agreement, hint: str
) -> NoReturn:
    """Say where predictions differ most.

    Raises
    ------
    CheckError
        Always.
    """
    row = agreed.row
    _refuse(
        f"{predictions.name} and the artifact disagree in {agreed.apart} of {agreed.n} rows: most "
        f"in row {row + 1}, where {predictions.values[row]:.7g} is stated and {found[row]:.7g} "
        f"would be predicted, {agreed.largest:.3g} standard deviations of the predictions apart "
        f"(allowed are {CHECK_TOLERANCE:g}); {hint}; nothing was written"
    )


def _architectures(content: bytes, suffix: str, space: SearchSpace) -> NDArray[np.uint8]:
    """Read what is left without the predictions as the runtime's own commands do."""
    with scratch_folder() as folder:
        path = folder / f"rows{suffix}"
        path.write_bytes(content)
        try:
            return read_architectures(str(path), space)
        except AnbError as error:
            raise CheckError(str(error).removeprefix(f"{path}: ")) from error


def _check_names(names: Sequence[str], space: SearchSpace) -> None:
    known = {*space.gene_names, "index", COLUMN}
    if list(names).count(COLUMN) != 1:
        _refuse(
            f"it needs one column {COLUMN!r}, separated by commas in CSV; found columns "
            f"{', '.join(map(show, names[:3]))} ..."
        )
    for name in names:
        if name not in known:
            _refuse(
                f"unknown column {show(name)}; give the {space.n_genes} genes or 'index', and "
                f"{COLUMN!r}"
            )


def _split_csv(content: bytes, space: SearchSpace) -> tuple[bytes, list[Any]]:
    out = io.StringIO()
    writer = csv.writer(out)
    found: list[Any] = []
    try:
        reader = csv.reader(io.StringIO(content.decode("utf-8-sig"), newline=""), strict=True)
        header = [name.strip() for name in next(reader, [])]
        _check_names(header, space)
        place = header.index(COLUMN)
        writer.writerow(header[:place] + header[place + 1 :])
        for row in reader:
            if row and len(row) != len(header):
                _refuse(f"line {reader.line_num}: {len(row)} cells, the header has {len(header)}")
            if row:
                found.append(row[place])
            writer.writerow(row[:place] + row[place + 1 :])
    except (csv.Error, UnicodeDecodeError) as error:
        msg = f"not valid CSV ({error})"
        raise CheckError(msg) from error
    return out.getvalue().encode(), found


def _split_json(content: bytes, space: SearchSpace) -> tuple[bytes, list[Any]]:
    try:
        try:
            items = strict_json.loads(content)
        except JsonError:
            items = [strict_json.loads(line) for line in content.splitlines() if line.strip()]
    except JsonError as error:
        msg = f"not valid JSON, neither whole nor line by line ({error})"
        raise CheckError(msg) from error
    items = items if isinstance(items, list) else [items]
    rest = []
    for row, item in enumerate(items, start=1):
        if not isinstance(item, dict) or COLUMN not in item:
            _refuse(
                f"row {row}: expected an object of the genes and {COLUMN!r}, found {show(item)}"
            )
        others = {key: value for key, value in item.items() if key != COLUMN}
        rest.append(others["index"] if [*others] == ["index"] else others)
    return json.dumps(rest).encode(), [item[COLUMN] for item in items]


def _split_parquet(content: bytes, space: SearchSpace) -> tuple[bytes, list[Any]]:
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError as error:
        msg = "reading Parquet needs pyarrow: pip install 'anb-onnx[parquet]'"
        raise CheckError(msg) from error
    out = io.BytesIO()
    try:
        file = pyarrow.parquet.ParquetFile(io.BytesIO(content))
        if file.metadata.num_rows > _MOST_ROWS:
            _refuse(f"{file.metadata.num_rows} rows are too many, at most {_MOST_ROWS} are read")
        _check_names(file.schema_arrow.names, space)
        table = file.read()
        pyarrow.parquet.write_table(table.drop_columns([COLUMN]), out)
    except pyarrow.ArrowException as error:
        msg = f"not readable as Parquet ({' '.join(str(error).split())[:200]})"
        raise CheckError(msg) from error
    return out.getvalue(), table.column(COLUMN).to_pylist()


def _number(row: int, value: Any) -> float:
    try:
        if isinstance(value, bool) or not isinstance(value, str | int | float):
            raise ValueError
        number = float(value)
    except (ValueError, OverflowError):
        number = math.nan
    if not math.isfinite(number):
        _refuse(f"row {row}: {COLUMN} must be a finite number, found {show(value)}")
    return number


def _refuse(message: str) -> NoReturn:
    raise CheckError(message)
