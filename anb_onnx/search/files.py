"""Files of histories: JSON, or Parquet with the same header in its metadata.

Both hold the same, and a SHA-256 over it: of the header and of the arrays' bytes, so that a number
that somebody changed, or a disk lost, is noticed. The same history is the same bytes of JSON, and
of Parquet with the same version of pyarrow.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from anb_onnx._io.files import read_regular
from anb_onnx._io.output import write_output
from anb_onnx._io.show import show
from anb_onnx._io.strict_json import loads
from anb_onnx.encoding.encoding import codes_to_indices, indices_to_codes
from anb_onnx.errors import AnbError, SearchError
from anb_onnx.parallel.extras import need
from anb_onnx.search.objective import Floats
from anb_onnx.search.settings import Codes
from anb_onnx.spaces.space import SearchSpace

#: What the header states; raised with any change that older readers would misunderstand.
FORMAT, VERSION = "anb_onnx.search.History", 1

#: Most bytes of a file: those of some ten million evaluations.
HISTORY_BYTES = 2**30

_KEY = b"anb_onnx.history"

# Everything that a header has beside the arrays, with its type.
_HEADER: dict[str, type | tuple[type, ...]] = {
    "format": str,
    "version": int,
    "space": dict,
    "n": int,
    "names": list,
    "units": list,
    "directions": list,
    "constraints": list,
    "problem": dict,
    "optimizer": dict,
    "known_optimum": (int, float, type(None)),
    "known_front": (list, type(None)),
}


@dataclass(frozen=True, eq=False)
class Content:
    """What a file holds.

    Attributes
    ----------
    header : mapping
        As JSON has it, without format, version, space and number of rows.
    space : SearchSpace
    codes : uint8 array [n, genes]
    values, means : float64 array [n, n_objectives]
        Written once where they are the same array.
    violations : float64 array [n, n_constraints]
    cost : float64 array [n] or None
    """

    header: Mapping[str, Any]
    space: SearchSpace
    codes: Codes
    values: Floats
    means: Floats
    violations: Floats
    cost: Floats | None

    def full_header(self) -> dict[str, Any]:
        """Return the header with format, version, space and number of rows."""
        fixed = {"format": FORMAT, "version": VERSION, "n": len(self.codes)}
        return {**self.header, **fixed, "space": self.space.to_dict()}

    def columns(self) -> dict[str, Floats]:
        """Return all numbers by column, float64 [n] each; means only where they differ."""
        names = self.header["names"]
        limits = [f"{name}{op}{value!r}" for name, op, value in self.header["constraints"]]
        found = dict(zip([f"{name}_value" for name in names], self.values.T, strict=True))
        if self.means is not self.values:
            found |= zip([f"{name}_mean" for name in names], self.means.T, strict=True)
        found |= zip([f"{limit}_violation" for limit in limits], self.violations.T, strict=True)
        if self.cost is not None:
            found["cost"] = self.cost
        return found

    def digest(self) -> str:
        """Return the hexadecimal SHA-256 of header, codes and numbers."""
        found = hashlib.sha256(_json(self.full_header()).encode())
        found.update(np.ascontiguousarray(self.codes).tobytes())
        for name, column in self.columns().items():
            found.update(name.encode())
            # One bit pattern for all that are not a number.
            plain = np.where(np.isnan(column), np.nan, column)
            found.update(plain.astype("<f8").tobytes())
        return found.hexdigest()


def write(path: str | os.PathLike[str], content: Content) -> None:
    """Write a file, whole or not at all; its suffix says what kind.

    Raises
    ------
    SearchError
        If the suffix is neither .json nor .parquet, or the header holds what JSON has not.
    OutputError
        If it cannot be written.
    ExtraError
        If it is Parquet, and pyarrow is missing.
    """
    write_output(path, _KINDS[_suffix(path)][0](content))


def read(path: str | os.PathLike[str]) -> Content:
    """Read what `write` wrote.

    Raises
    ------
    SearchError
        If it is no such file, or damaged; names the file.
    FileError
        If it cannot be read.
    ExtraError
        If it is Parquet, and pyarrow is missing.
    """
    parse = _KINDS[_suffix(path)][1]
    data = read_regular(path, HISTORY_BYTES)
    try:
        stated, content = parse(data)
        if stated != content.digest():
            msg = "its content is not what its SHA-256 is of"
            raise SearchError(msg)
    except (LookupError, TypeError, ValueError, OverflowError) as error:
        if isinstance(error, ImportError):
            raise
        what = f"{error}" if isinstance(error, AnbError) else f"{type(error).__name__}: {error}"
        msg = f"{path} is no history of a search, or damaged ({what})"
        raise SearchError(msg) from error
    return content


def _suffix(path: str | os.PathLike[str]) -> str:
    suffix = Path(path).suffix.lower()
    if suffix not in _KINDS:
        msg = f"the suffix of a history's file is {' or '.join(_KINDS)}, not that of {show(path)}"
        raise SearchError(msg)
    return suffix


def _json(value: Any) -> str:
    return json.dumps(
        value, sort_keys=True, allow_nan=False, ensure_ascii=False, separators=(",", ":")
    )


def _to_json(content: Content) -> bytes:
    numbers = {
        name: [None if x != x else x for x in column.tolist()]
        for name, column in content.columns().items()
    }
    indices = codes_to_indices(content.codes, content.space).tolist()
    document = {**content.full_header(), "indices": indices, "numbers": numbers}
    document["sha256"] = content.digest()
    # A line for each key: a person finds the header, and the numbers take no line each.
    lines = [f"{_json(key)}: {_json(document[key])}" for key in sorted(document)]
    return ("{\n" + ",\n".join(lines) + "\n}\n").encode()


def _from_json(data: bytes) -> tuple[object, Content]:
    document = loads(data)
    if not isinstance(document, dict):
        msg = f"it holds {show(document)}"
        raise SearchError(msg)
    stated, indices = document.pop("sha256"), document.pop("indices")
    numbers = document.pop("numbers")
    if not isinstance(indices, list) or not isinstance(numbers, dict):
        msg = "'indices' is a list and 'numbers' an object"
        raise SearchError(msg)
    columns = {name: _floats(name, column) for name, column in numbers.items()}
    return stated, _content(document, indices, columns)


def _floats(name: str, column: Any) -> Floats:
    if not isinstance(column, list) or not all(type(x) in (float, int, type(None)) for x in column):
        msg = f"{show(name)} is a list of numbers"
        raise SearchError(msg)
    return np.array([np.nan if x is None else x for x in column], dtype=np.float64)


def _to_parquet(content: Content) -> bytes:
    pyarrow, parquet = _pyarrow()
    indices = codes_to_indices(content.codes, content.space)
    index = [str(i) for i in indices] if indices.dtype == object else indices
    header = {**content.full_header(), "sha256": content.digest()}
    table = pyarrow.table({"index": index, **content.columns()})
    table = table.replace_schema_metadata({_KEY: _json(header).encode()})
    buffer = io.BytesIO()
    parquet.write_table(table, buffer, compression="zstd")
    return buffer.getvalue()


def _from_parquet(data: bytes) -> tuple[object, Content]:
    pyarrow, parquet = _pyarrow()
    try:
        table = parquet.read_table(pyarrow.BufferReader(data))
    except (pyarrow.ArrowException, OSError) as error:
        msg = f"it is no Parquet: {error}"
        raise SearchError(msg) from error
    header = loads((table.schema.metadata or {})[_KEY])
    stated = header.pop("sha256")
    columns = {}
    for name in table.column_names:
        column = table.column(name)
        if name == "index":
            indices = [int(i) for i in column.to_pylist()]
        elif column.type != pyarrow.float64() or column.null_count:
            msg = f"column {show(name)} is of {column.type}, with {column.null_count} nulls"
            raise SearchError(msg)
        else:
            columns[name] = np.array(column.to_numpy(), dtype=np.float64)
    return stated, _content(header, indices, columns)


def _pyarrow() -> tuple[Any, Any]:
    what = "a history as Parquet"
    pyarrow = need("pyarrow", extra="search", what=what)
    return pyarrow, need("pyarrow.parquet", extra="search", what=what)


def _content(header: dict[str, Any], indices: Sequence[int], columns: dict[str, Floats]) -> Content:
    """Return the content of what was read, once all of it fits together."""
    _check_header(header)
    space = SearchSpace.from_dict(header.pop("space"))
    del header["format"], header["version"]
    n = header.pop("n")
    codes = indices_to_codes([*indices], space)
    if len(codes) != n:
        msg = f"it has {len(codes)} rows, not the {n} that it states"
        raise SearchError(msg)
    m = len(header["names"])
    blank = np.empty((n, m))
    limits = len(header["constraints"])
    # A column for each, by name: two of one name would leave rows that nothing was read into.
    if len({*map(tuple, header["constraints"])}) != limits:
        msg = "a constraint is there twice"
        raise SearchError(msg)
    noisy = any(name.endswith("_mean") for name in columns)
    cost = np.empty(n) if "cost" in columns else None
    means = np.empty((n, m)) if noisy else blank
    made = Content(header, space, codes, blank, means, np.empty((n, limits)), cost)
    wanted = made.columns()
    if wanted.keys() != columns.keys():
        msg = f"it has the columns {sorted(columns)}, not {sorted(wanted)}"
        raise SearchError(msg)
    for name, column in wanted.items():
        if columns[name].shape != (n,):
            msg = f"column {show(name)} has {len(columns[name])} rows of {n}"
            raise SearchError(msg)
        column[:] = columns[name]  # a view of the content's arrays
    return made


def _check_header(header: object) -> None:
    if not isinstance(header, dict) or header.get("format") != FORMAT:
        msg = f"its 'format' is not {FORMAT!r}"
        raise SearchError(msg)
    if header.get("version") != VERSION:
        msg = f"its version is {show(header.get('version'))}; this release reads {VERSION}"
        raise SearchError(msg)
    if header.keys() != _HEADER.keys():
        odd = sorted(header.keys() ^ _HEADER.keys())[0]
        msg = f"key {odd!r} is missing" if odd in _HEADER else f"key {show(odd)} is unknown"
        raise SearchError(msg)
    for key, kind in _HEADER.items():
        if not isinstance(header[key], kind) or isinstance(header[key], bool):
            msg = f"key {key!r} is {show(header[key])}"
            raise SearchError(msg)
    names, units, directions = header["names"], header["units"], header["directions"]
    sound = len(names) == len(units) == len(directions) >= 1
    sound &= all(isinstance(s, str) for s in (*names, *units))
    sound &= all(d in ("max", "min") for d in directions) and len(set(names)) == len(names)
    for limit in header["constraints"]:
        kinds = [type(part) for part in limit] if isinstance(limit, list) else []
        sound &= kinds == [str, str, float] and limit[1] in ("<=", ">=")
    if not sound:
        msg = "its objectives or constraints are none"
        raise SearchError(msg)


_KINDS: dict[str, tuple[Callable[[Content], bytes], Callable[[bytes], tuple[object, Content]]]] = {
    ".json": (_to_json, _from_json),
    ".parquet": (_to_parquet, _from_parquet),
}
