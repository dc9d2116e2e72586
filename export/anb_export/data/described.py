"""Reads a data set that a user describes: a search space, and a table of measurements.

The description is a JSON object::

    {
      "benchmark": "my-nas", "name": "Latencies of my networks", "license": "CC-BY-4.0",
      "space": "space.json", "table": "measurements.csv",
      "targets": {
        "accuracy": {"unit": "%", "direction": "max"},
        "latency_pixel3": {"device": "pixel3", "unit": "ms", "direction": "min"}
      }
    }

Paths are relative to its folder. The table has one column a gene and one a target; every cell of
them is checked, and nothing is left out or guessed.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from anb_export._io.json_file import read_json
from anb_export.data.dataset import Dataset, DatasetError, Origin
from anb_export.data.table import Columns, Table, read_table
from anb_export.data.targets import TargetSpec, read_target
from anb_onnx._io.show import MAX_NAME, is_name, show
from anb_onnx.catalog.manifest import benchmark_name
from anb_onnx.encoding.encoding import codes_to_indices
from anb_onnx.errors import AnbError
from anb_onnx.spaces.space import SearchSpace

_KEYS = ("benchmark", "name", "license", "space", "table", "targets")
_OPTIONAL = ("ignore_extra", "index_column")
_TARGET_KEYS = ("unit", "direction")
_TARGET_OPTIONAL = ("metric", "device", "column")
_TARGET_NAME = re.compile("[a-z0-9][a-z0-9_]{0,63}")


@dataclass(frozen=True)
class Description:
    """What a description says, all of it checked but the table.

    Attributes
    ----------
    origin : Origin
    table : Path
    columns : Columns
        Which of the table's columns are read.
    """

    origin: Origin
    table: Path
    columns: Columns


def read_described(path: str | Path) -> Dataset:
    """Read and check the data set that a JSON file describes.

    Parameters
    ----------
    path : str or Path
        The description; see this module.

    Returns
    -------
    Dataset
        Its records are named by the indices of their architectures, so that a split holds for any
        order of the rows.

    Raises
    ------
    DatasetError
        If a file cannot be read; a key, a column or a gene is missing, unknown or of the wrong
        kind; a value is no choice of its gene; a measurement is not a finite number; an
        architecture stands in two rows; or there is no row. The message names file, line (or row,
        from 0, in Parquet) and column.
    """
    path = Path(path)
    description = read_description(path)
    origin = description.origin
    table = read_table(description.table, origin.space, description.columns)
    _check_rows(description.table, table, origin.space)
    names = tuple(str(int(index)) for index in codes_to_indices(table.codes, origin.space))
    values = {
        target: table.values[column]
        for target, column in zip(origin.targets, description.columns.measured, strict=True)
    }
    unknown = np.full(len(names), np.nan)
    stds = dict.fromkeys(values, unknown)
    return Dataset(origin, names, table.codes, values, stds, _digest(origin, table.codes, values))


def read_description(path: Path) -> Description:
    """Read a description and its search space; the errors are those of `read_described`."""
    document = _object(path, "description")
    source = str(path)
    _check_keys(document, _KEYS, _OPTIONAL, source)
    space = _space(document["space"], path)
    targets, columns = {}, []
    for name, entry in _entries(document, source).items():
        targets[name], column = _target(name, entry, f"{source}: target {show(name)}")
        columns.append(column)
    ignore_extra, index = document.get("ignore_extra", False), document.get("index_column")
    if type(ignore_extra) is not bool:
        _refuse(f"{source}: key 'ignore_extra' must be true or false, not {show(ignore_extra)}")
    if index is not None and not isinstance(index, str):
        _refuse(f"{source}: key 'index_column' must be a name, not {show(index)}")
    try:
        origin = Origin(
            benchmark_name(document, source),
            _text(document, "name", source),
            _text(document, "license", source),
            space,
            targets,
        )
        table = path.parent / _text(document, "table", source)
    except AnbError as error:
        raise DatasetError(str(error)) from error
    return Description(origin, table, Columns(tuple(columns), ignore_extra, index))


def _object(path: Path, what: str) -> dict[str, Any]:
    try:
        document = read_json(path)
    except FileNotFoundError:
        _refuse(f"no {what} at {path}")
    except (AnbError, OSError, ValueError, RecursionError) as error:
        msg = f"cannot read the {what} {path}: {error}"
        raise DatasetError(msg) from error
    if not isinstance(document, dict):
        _refuse(f"{path}: the {what} must be a JSON object, not {show(document)}")
    return document


def _check_keys(
    document: Mapping[str, Any], keys: tuple[str, ...], optional: tuple[str, ...], source: str
) -> None:
    for key in keys:
        if key not in document:
            _refuse(f"{source}: key {key!r} is missing; needed are {', '.join(keys)}")
    for key in document:
        if key not in (*keys, *optional):
            _refuse(f"{source}: unknown key {show(key)}; known are {', '.join((*keys, *optional))}")


def _space(value: Any, path: Path) -> SearchSpace:
    source = f"{path}: key 'space'"
    if isinstance(value, str):
        source = str(path.parent / value)
        value = _object(path.parent / value, "search space")
    try:
        return SearchSpace.from_dict(value)
    except AnbError as error:
        msg = f"{source}: {error}"
        raise DatasetError(msg) from error


def _text(document: Mapping[str, Any], key: str, source: str) -> str:
    value = document[key]
    if not isinstance(value, str) or not is_name(value):
        _refuse(
            f"{source}: key {key!r} must be a string of 1 to {MAX_NAME} printable characters, not "
            f"{show(value)}"
        )
    return value


def _entries(document: Mapping[str, Any], source: str) -> dict[str, Any]:
    entries = document["targets"]
    if not isinstance(entries, dict) or not entries:
        _refuse(f"{source}: key 'targets' must be an object with a key a target, not an empty one")
    return entries


def _target(name: str, entry: Any, source: str) -> tuple[TargetSpec, str]:
    """Return a target, and the column its measurements stand in."""
    if not isinstance(entry, dict):
        _refuse(f"{source} must be an object, not {show(entry)}")
    _check_keys(entry, _TARGET_KEYS, _TARGET_OPTIONAL, source)
    if not _TARGET_NAME.fullmatch(name):
        _refuse(
            f"{source}: a target's name is also that of its file: 1 to 64 of the characters a-z, "
            "0-9 and '_', a letter or digit first; key 'column' may name any column"
        )
    device, column = entry.get("device"), entry.get("column", name)
    if not isinstance(column, str):
        _refuse(f"{source}: key 'column' must be a name, not {show(column)}")
    metric = entry.get("metric")
    if metric is None:
        metric = name.removesuffix(f"_{device}") if device else name
    try:
        return read_target(name, {**entry, "metric": metric, "device": device}, source), column
    except AnbError as error:
        raise DatasetError(str(error)) from error


def _check_rows(path: Path, table: Table, space: SearchSpace) -> None:
    """Refuse an architecture that stands in two rows: it would be in two parts of a split."""
    if not len(table.codes):
        _refuse(f"{path}: there are no rows in it")
    _, first, inverse = np.unique(table.codes, axis=0, return_index=True, return_inverse=True)
    before = first[inverse.reshape(-1)]
    again = np.flatnonzero(before != np.arange(len(before)))
    if len(again):
        row = int(again[0])
        index = int(codes_to_indices(table.codes[row : row + 1], space)[0])
        _refuse(
            f"{path}: {table.places[row]}: the architecture of {table.places[int(before[row])]} "
            f"again (index {show(index)}); give each once, such as with the mean of what was "
            "measured"
        )


def _digest(
    origin: Origin, codes: NDArray[np.uint8], values: Mapping[str, NDArray[np.float64]]
) -> str:
    """Digest of space, targets and rows: equal for CSV and Parquet of the same rows."""
    digest = hashlib.sha256()
    targets = {name: spec.to_dict() for name, spec in origin.targets.items()}
    facts = {"search_space": origin.space.to_dict(), "targets": targets, "rows": len(codes)}
    digest.update(json.dumps(facts).encode())
    digest.update(np.ascontiguousarray(codes).tobytes())
    for column in values.values():
        digest.update(np.ascontiguousarray(column, dtype="<f8").tobytes())
    return digest.hexdigest()


def _refuse(message: str) -> NoReturn:
    raise DatasetError(message)
