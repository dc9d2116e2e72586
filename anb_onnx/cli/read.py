"""Architectures on the command line, in files and on standard input."""

from __future__ import annotations

import ast
import contextlib
import errno
import io
import warnings
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
from anb_onnx.encoding.table_files import decimal, from_csv
from anb_onnx.errors import AnbError, ArchitectureError
from anb_onnx.spaces.architecture import Architecture
from anb_onnx.spaces.mnasnet import LISTS, MNASNET, efficientnet_b0, from_lists
from anb_onnx.spaces.nasbench201 import NASBENCH201, from_arch_string
from anb_onnx.spaces.space import SearchSpace, is_integer

Codes = npt.NDArray[np.uint8]

_B0 = "efficientnet-b0"

FORMATS = ("json", "csv", "parquet")

_SUFFIXES = {".json": "json", ".jsonl": "json", ".csv": "csv", ".parquet": "parquet"}
_WORDS = {None: "null", True: "true", False: "false"}


def parse_architecture(text: str, space: SearchSpace) -> Codes:
    """Codes [1, genes] of one architecture as a person types it.

    An index, the values of the genes by name or by position as JSON or as Python writes them, or
    what the space alone knows: see `spellings`.
    """
    stripped = text.strip()
    try:
        value = loads(stripped)
    except JsonError as error:
        value = _python(stripped)
        if value is None:
            if stripped.startswith(("{", "[")):
                msg = f"{show(stripped)} is no architecture ({error})"
                raise ArchitectureError(msg) from error
            value = stripped
    return _rows([_from_json(value, space)], space)


def _python(text: str) -> Any:
    """Return the value of a list, tuple or dict as Python writes it; None for anything else."""
    if not text.startswith(("[", "(", "{")):
        return None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of odd literals, on standard error
            tree = ast.parse(text, mode="eval")
        for node in ast.walk(tree):
            if isinstance(node, ast.Dict):
                keys = [key and ast.dump(key) for key in node.keys]
                if len(set(keys)) < len(keys):
                    return None  # Python takes the last of two equal keys
        return ast.literal_eval(tree)
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        return None


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


def _rows(architectures: Iterable[Architecture], space: SearchSpace) -> Codes:
    data = bytearray()
    for number, architecture in enumerate(architectures, start=1):
        check_rows(number)
        data += bytes(architecture.codes)
    return np.frombuffer(data, np.uint8).reshape(-1, space.n_genes)


def spellings(space: SearchSpace) -> list[str]:
    """Ways to name an architecture of a space, in words."""
    ways = [
        f"an index from 0 to {space.size - 1}",
        f"a JSON object of the {space.n_genes} genes",
        f"a list of their {space.n_genes} values",
    ]
    if space == MNASNET:
        return [_B0, *ways, f"four lists [{', '.join(LISTS)}]"]
    if space == NASBENCH201:
        return ["a string '|op~0|+|op~0|op~1|+|op~0|op~1|op~2|'", *ways]
    return ways


def named(space: SearchSpace) -> dict[str, Architecture]:
    """Architectures of a space that go by a name."""
    return {_B0: Architecture(efficientnet_b0(), space=space)} if space == MNASNET else {}


def _from_json(value: Any, space: SearchSpace) -> Architecture:
    spelled = _spelled(value, space)
    if spelled is not None:
        # By its values, of which an artifact's own space of that name may lack some.
        return Architecture(spelled, space=space)
    value = decimal(value)
    if is_integer(value):
        return Architecture.from_index(value, space=space)
    by_position = isinstance(value, (list, tuple)) and len(value) == space.n_genes
    if by_position or isinstance(value, dict):
        return Architecture(value, space=space)
    shown = _WORDS[value] if value is None or isinstance(value, bool) else show(value)
    *ways, last = spellings(space)
    msg = f"{shown} is no architecture; give {', '.join(ways)}, or {last}"
    raise ArchitectureError(msg)


def _spelled(value: Any, space: SearchSpace) -> Architecture | None:
    """Return the architecture of a spelling that this one space has, or None."""
    if space == MNASNET:
        if value == _B0:
            return efficientnet_b0()
        if isinstance(value, dict) and value.keys() == LISTS.keys():
            return from_lists(**value)
        if _is_four_lists(value):
            return from_lists(*value)
    elif space == NASBENCH201 and isinstance(value, str) and value.startswith("|"):
        return from_arch_string(value)
    return None


def _is_four_lists(value: Any) -> bool:
    return (
        isinstance(value, (list, tuple))
        and len(value) == len(LISTS)
        and all(isinstance(v, (list, tuple)) for v in value)
        and not any(isinstance(item, (list, tuple, dict)) for v in value for item in v)
    )


def _is_one(value: list[Any], space: SearchSpace) -> bool:
    """Say whether a JSON array is one architecture, rather than an array of them.

    The four lists are, and values by position: but numbers alone would be indices just as well.
    """
    if space == MNASNET and _is_four_lists(value):
        return True
    if len(value) != space.n_genes or all(is_integer(decimal(item)) for item in value):
        return False
    return all(gene.find(item) >= 0 for gene, item in zip(space.genes, value, strict=True))


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


def _from_json_lines(text: str, space: SearchSpace, whole: JsonError) -> Iterable[Architecture]:
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


def _placed(where: str, value: Any, space: SearchSpace) -> Architecture:
    try:
        return _from_json(value, space)
    except ArchitectureError as error:
        msg = f"{where}: {error}"
        raise ArchitectureError(msg) from error
