"""Architectures on the command line, in files and on standard input."""

from __future__ import annotations

import contextlib
import errno
import io
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from anb_onnx._io.files import FileError
from anb_onnx._io.input import check_rows, read_text
from anb_onnx._io.show import show
from anb_onnx._io.strict_json import JsonError, loads
from anb_onnx.encoding.parquet_files import from_parquet
from anb_onnx.encoding.table_files import from_csv
from anb_onnx.errors import AnbError, ArchitectureError
from anb_onnx.spaces.architecture import Architecture
from anb_onnx.spaces.own_spellings import NAMED, are_lists, has_lists
from anb_onnx.spaces.space import SearchSpace, is_integer
from anb_onnx.spaces.spelling import text_codes, value_codes

Codes = npt.NDArray[np.uint8]

FORMATS = ("json", "csv", "parquet")

_SUFFIXES = {".json": "json", ".jsonl": "json", ".csv": "csv", ".parquet": "parquet"}


def parse_architecture(text: str, space: SearchSpace) -> Codes:
    """Codes [1, genes] of one architecture as a person types it: docs/architectures.md."""
    return _rows([text_codes(text, space)], space)


def read_architectures(
    path: str,
    space: SearchSpace,
    *,
    file_format: str | None = None,
    ignore_extra: bool = False,
    index_column: str | None = None,
) -> Codes:
    """Codes [N, genes] of the architectures in a file, "-" for standard input.

    The format follows from the suffix, on standard input from the text. Errors name the file and
    the line or item.
    """
    if file_format is None and path != "-":
        suffix = Path(path).suffix.lower()
        if suffix not in _SUFFIXES:
            msg = (
                f"{path}: the suffix {suffix!r} tells no format; "
                f"give --format {{{','.join(FORMATS)}}}"
            )
            raise ArchitectureError(msg)
        file_format = _SUFFIXES[suffix]
    with reading(path):
        if file_format == "parquet":
            return from_parquet(path, space, ignore_extra, index_column)
        raw = read_text(path)
        text = raw.decode("utf-8-sig")
        if file_format is None:
            file_format = "json" if _looks_like_json(text) else "csv"
        if file_format == "json":
            return _from_json_text(text, space)
        del text  # CSV is decoded line by line
        return from_csv(raw, space, ignore_extra, index_column)


@contextlib.contextmanager
def reading(path: str) -> Iterator[None]:
    """Make what goes wrong with a file, "-" for standard input, an error that names it.

    Raises
    ------
    AnbError
        Of the kind that it was, if it was one of ours; else an ArchitectureError.
    """
    source = "standard input" if path == "-" else path
    try:
        yield
    except OSError as error:
        reason = "it is closed" if error.errno == errno.EBADF else error.strerror or error
        msg = f"{source} cannot be read ({reason})"
        raise ArchitectureError(msg) from error
    except UnicodeDecodeError as error:
        msg = f"{source} is not UTF-8 text ({error.reason} at byte {error.start})"
        raise ArchitectureError(msg) from error
    except FileError:
        raise  # names the file itself
    except AnbError as error:
        msg = f"{source}: {error}"
        raise type(error)(msg) from error
    except ValueError as error:  # NUL in the path, which Python refuses so
        msg = f"{show(path)} cannot be read ({error})"
        raise ArchitectureError(msg) from error


def _rows(rows: Iterable[bytes], space: SearchSpace) -> Codes:
    data = bytearray()
    for number, row in enumerate(rows, start=1):
        check_rows(number)
        data += row
    return np.frombuffer(data, np.uint8).reshape(-1, space.n_genes)


def named(space: SearchSpace) -> dict[str, Architecture]:
    """Architectures of a space that go by a name."""
    return {name: Architecture.parse(name, space=space) for name in NAMED if has_lists(space)}


def _is_one(value: list[Any], space: SearchSpace) -> bool:
    """Say whether a JSON array is one architecture, rather than an array of them.

    The four lists are, and values by position.

    Raises
    ------
    ArchitectureError
        If it is of as many numbers as there are genes: codes of one or indices of many.
    """
    if has_lists(space) and are_lists(value) and all(map(_flat, value)):
        return True
    if len(value) != space.n_genes:
        return False
    if all(map(is_integer, value)):
        if len(value) > 1 and all(0 <= v < len(g) for g, v in zip(space.genes, value, strict=True)):
            msg = (
                f"an array of {len(value)} small numbers is one architecture's codes or "
                f"{len(value)} indices; put codes into one more pair of brackets, and indices one "
                "to a line"
            )
            raise ArchitectureError(msg)
        return False
    return all(gene.find(item) >= 0 for gene, item in zip(space.genes, value, strict=True))


def _flat(items: list[Any]) -> bool:
    return not any(isinstance(item, (list, dict)) for item in items)


def _looks_like_json(text: str) -> bool:
    first = next((line for line in _lines(text) if line.strip()), "").strip()
    if first[:1] in ("{", "["):
        return True
    try:
        loads(first)
    except JsonError:
        return False
    return True


def _lines(text: str) -> Iterable[str]:
    """Lines that end in LF, CR LF or CR; `str.splitlines` knows further ends."""
    return io.TextIOWrapper(io.BytesIO(text.encode()), encoding="utf-8", newline=None)


def _from_json_text(text: str, space: SearchSpace) -> Codes:
    """One architecture, an array of them, or one per line."""
    if not text.strip():
        msg = "no JSON in it"
        raise ArchitectureError(msg)
    try:
        value = loads(text)
    except JsonError as whole:
        return _rows(_from_json_lines(text, space, whole), space)
    single = not isinstance(value, list) or _is_one(value, space)
    items = enumerate([value] if single else value, start=1)
    return _rows((_placed(f"item {number}", item, space) for number, item in items), space)


def _from_json_lines(text: str, space: SearchSpace, whole: JsonError) -> Iterable[bytes]:
    first = True
    for number, line in enumerate(_lines(text), start=1):
        if not line.strip():
            continue
        try:
            value = loads(line)
        except JsonError as error:
            # The first line of a document that goes on is no value: then it is the error of the
            # whole that tells.
            msg = f"line {number}: not valid JSON ({error})"
            if first:
                msg = f"not valid JSON, neither whole nor line by line ({whole})"
            raise ArchitectureError(msg) from error
        first = False
        yield _placed(f"line {number}", value, space)


def _placed(where: str, value: Any, space: SearchSpace) -> bytes:
    try:
        return value_codes(value, space)
    except ArchitectureError as error:
        msg = f"{where}: {error}"
        raise ArchitectureError(msg) from error
