"""Architectures on the command line, in files and on standard input."""

from __future__ import annotations

import ast
import csv
import io
import json
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from anb_onnx._show import show
from anb_onnx.architecture import Architecture, efficientnet_b0
from anb_onnx.encoding import from_table
from anb_onnx.errors import AnbError, ArchitectureError
from anb_onnx.space import Gene, SearchSpace

Codes = npt.NDArray[np.uint8]

#: Architectures that go by a name.
NAMED: dict[str, Callable[[], Architecture]] = {"efficientnet-b0": efficientnet_b0}

FORMATS = ("json", "csv", "parquet")

_SUFFIXES = {".json": "json", ".jsonl": "json", ".csv": "csv", ".parquet": "parquet"}
_LISTS = ("expansion", "kernel", "layers", "se")
_BOOLEANS = {"true": True, "false": False}


def parse_architecture(text: str, space: SearchSpace) -> Codes:
    """Codes [1, genes] of one architecture as a person types it.

    A name, an index, the JSON object of the genes, or the four lists (expansion, kernel, layers,
    se) as JSON or as Python writes them.
    """
    stripped = text.strip()
    try:
        value = _loads(stripped)
    except ValueError:
        try:
            value = ast.literal_eval(stripped)
        except (ValueError, SyntaxError, MemoryError, RecursionError):
            value = stripped
    return _rows([_from_json(value, space)], space)


def read_architectures(
    path: str, space: SearchSpace, *, file_format: str | None = None, ignore_extra: bool = False
) -> Codes:
    """Codes [N, genes] of the architectures in a file, "-" for standard input.

    The format follows from the suffix, on standard input from the text. Errors name the file and
    the line or item.
    """
    source = "standard input" if path == "-" else path
    if file_format is None and path != "-":
        suffix = Path(path).suffix.lower()
        if suffix not in _SUFFIXES:
            msg = (
                f"{path}: the suffix {suffix!r} tells no format; "
                f"give --format {{{','.join(FORMATS)}}}"
            )
            raise ArchitectureError(msg)
        file_format = _SUFFIXES[suffix]
    try:
        if file_format == "parquet":
            return _from_parquet(path, space, ignore_extra)
        raw = sys.stdin.buffer.read() if path == "-" else Path(path).read_bytes()
        text = raw.decode("utf-8-sig")
        if file_format is None:
            file_format = "json" if _looks_like_json(text) else "csv"
        if file_format == "json":
            return _from_json_text(text, space)
        return _from_csv(text, space, ignore_extra)
    except OSError as error:
        msg = f"{source} cannot be read ({error.strerror or error})"
        raise ArchitectureError(msg) from error
    except UnicodeDecodeError as error:
        msg = f"{source} is not UTF-8 text ({error.reason} at byte {error.start})"
        raise ArchitectureError(msg) from error
    except AnbError as error:
        msg = f"{source}: {error}"
        raise ArchitectureError(msg) from error


def _rows(architectures: Iterable[Architecture], space: SearchSpace) -> Codes:
    data = b"".join(bytes(a.codes) for a in architectures)
    return np.frombuffer(data, np.uint8).reshape(-1, space.n_genes)


def _from_json(value: Any, space: SearchSpace) -> Architecture:
    if isinstance(value, str) and value in NAMED:
        # Through the values, which a search space with other genes refuses.
        return Architecture.from_values(NAMED[value](), space=space)
    if isinstance(value, int) and not isinstance(value, bool):
        return Architecture.from_index(value, space=space)
    if isinstance(value, dict):
        if value.keys() == set(_LISTS):
            return Architecture(**value, space=space)
        return Architecture.from_values(value, space=space)
    if _is_four_lists(value):
        return Architecture(*value, space=space)
    msg = (
        f"{show(value)} is no architecture; give {', '.join(NAMED)}, an index from 0 to "
        f"{space.size - 1}, a JSON object of the {space.n_genes} genes, or four lists "
        f"[{', '.join(_LISTS)}]"
    )
    raise ArchitectureError(msg)


def _is_four_lists(value: Any) -> bool:
    return (
        isinstance(value, (list, tuple))
        and len(value) == len(_LISTS)
        and all(isinstance(v, (list, tuple)) for v in value)
        and not any(isinstance(item, (list, tuple, dict)) for v in value for item in v)
    )


def _loads(text: str) -> Any:
    try:
        return json.loads(text, object_pairs_hook=_unique)
    except RecursionError as error:
        msg = "nested too deeply"
        raise ValueError(msg) from error


def _unique(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        msg = f"the key {show(twice)} occurs twice in a JSON object"
        raise ArchitectureError(msg)
    return found


def _looks_like_json(text: str) -> bool:
    first = next((line for line in text.splitlines() if line.strip()), "")
    if first.lstrip()[:1] in ("{", "["):
        return True
    try:
        json.loads(first)
    except ValueError:
        return False
    return True


def _from_json_text(text: str, space: SearchSpace) -> Codes:
    """One architecture, an array of them, or one per line."""
    if not text.strip():
        msg = "no JSON in it"
        raise ArchitectureError(msg)
    where = "item"
    try:
        value = _loads(text)
        single = not isinstance(value, list) or _is_four_lists(value)
        items = [value] if single else value
    except AnbError:
        raise
    except ValueError as whole:
        where = "line"
        lines = text.splitlines()
        try:
            items = [_loads(line) if line.strip() else None for line in lines]
        except AnbError:
            raise
        except ValueError:
            # More than one line starts a document: then it is the first error that tells.
            msg = f"not valid JSON, neither whole nor line by line ({whole})"
            raise ArchitectureError(msg) from whole
    architectures = []
    for number, item in enumerate(items, start=1):
        if item is None and where == "line":
            continue
        try:
            architectures.append(_from_json(item, space))
        except ArchitectureError as error:
            msg = f"{where} {number}: {error}"
            raise ArchitectureError(msg) from error
    return _rows(architectures, space)


def _columns(names: Sequence[str], space: SearchSpace, ignore_extra: bool) -> list[str]:
    """Columns to read: those of the genes, or that of the index."""
    wanted = list(space.gene_names)
    if not set(wanted) & set(names) and "index" in names:
        wanted = ["index"]
    missing = [name for name in wanted if name not in names]
    twice = [name for name in wanted if list(names).count(name) > 1]
    extra = [name for name in names if name not in wanted]
    if missing:
        msg = (
            f"column {missing[0]!r} is missing; needed are the {space.n_genes} genes "
            f"({space.gene_names[0]} ... {space.gene_names[-1]}) or one column 'index'"
        )
    elif twice:
        msg = f"column {twice[0]!r} occurs twice"
    elif extra and not ignore_extra:
        msg = f"unknown column {show(extra[0])}; --ignore-extra passes over such columns"
    else:
        return wanted
    raise ArchitectureError(msg)


def _from_csv(text: str, space: SearchSpace, ignore_extra: bool) -> Codes:
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        header = [name.strip() for name in next(reader, [])]
        wanted = _columns(header, space, ignore_extra)
        places = [header.index(name) for name in wanted]
        # Remembering each spelling that occurred makes a cell one look-up.
        known: list[dict[str, int]] = [{} for _ in wanted]
        codes = bytearray()
        for row in reader:
            if not row:
                continue
            if len(row) != len(header):
                msg = f"line {reader.line_num}: {len(row)} cells, the header has {len(header)}"
                raise ArchitectureError(msg)
            try:
                if wanted == ["index"]:
                    codes += bytes(
                        Architecture.from_index(_index(row[places[0]]), space=space).codes
                    )
                    continue
                for gene, place, cells in zip(space.genes, places, known, strict=True):
                    code = cells.get(row[place])
                    if code is None:
                        code = cells[row[place]] = _code(gene, row[place])
                    codes.append(code)
            except ArchitectureError as error:
                msg = f"line {reader.line_num}: {error}"
                raise ArchitectureError(msg) from error
    except csv.Error as error:
        msg = f"line {reader.line_num}: not valid CSV ({error})"
        raise ArchitectureError(msg) from error
    return np.frombuffer(bytes(codes), np.uint8).reshape(-1, space.n_genes)


def _index(cell: str) -> int:
    try:
        return int(cell)
    except ValueError:
        msg = f"column 'index': {show(cell)} is not an integer"
        raise ArchitectureError(msg) from None


def _code(gene: Gene, cell: str) -> int:
    """Code of a cell's text: 6 and 6.0 (pandas writes either), True and true."""
    text = cell.strip()
    value: object = text
    if gene.kind == "bool":
        value = _BOOLEANS.get(text.lower(), text)
    elif gene.kind == "int":
        try:
            value = float(text)
        except ValueError:
            value = text
    code = gene.find(value)
    if code < 0:
        msg = f"gene {gene.name!r}: {show(cell)} is not allowed; choose from {gene.allowed}"
        raise ArchitectureError(msg)
    return code


def _from_parquet(path: str, space: SearchSpace, ignore_extra: bool) -> Codes:
    if path == "-":
        msg = "Parquet is read from files only; save it and give its path"
        raise ArchitectureError(msg)
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError as error:
        msg = "reading Parquet needs pyarrow: pip install 'anb-onnx[parquet]'"
        raise ArchitectureError(msg) from error
    try:
        file = pyarrow.parquet.ParquetFile(path)
        wanted = _columns(file.schema_arrow.names, space, ignore_extra)
        table = file.read(columns=wanted)
    except pyarrow.ArrowException as error:
        msg = f"not readable as Parquet ({' '.join(str(error).split())})"
        raise ArchitectureError(msg) from error
    if wanted != ["index"]:
        return from_table(table, space)
    cells = table.column("index").to_pylist()
    return _rows((_from_json(cell, space) for cell in cells), space)
