"""Architectures on the command line, in files and on standard input."""

from __future__ import annotations

import ast
import codecs
import contextlib
import errno
import io
import itertools
import re
import warnings
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from anb_onnx._io.files import FileError
from anb_onnx._io.input import check_rows, raw_chunks, text_chunks
from anb_onnx._io.show import show
from anb_onnx._io.strict_json import JsonError, loads
from anb_onnx.cli.json_stream import JsonItems, json_blocks
from anb_onnx.encoding.csv_plain import plain_block
from anb_onnx.encoding.csv_stream import Believe, TextBlocks, csv_blocks
from anb_onnx.encoding.encoding import indices_to_codes
from anb_onnx.encoding.parquet_files import parquet_blocks
from anb_onnx.encoding.table_files import INDEX, decimal
from anb_onnx.errors import AnbError, ArchitectureError
from anb_onnx.spaces.architecture import Architecture
from anb_onnx.spaces.mnasnet import LISTS, MNASNET, efficientnet_b0, from_lists
from anb_onnx.spaces.nasbench201 import NASBENCH201, from_arch_string
from anb_onnx.spaces.space import SearchSpace, is_integer

Codes = npt.NDArray[np.uint8]

_B0 = "efficientnet-b0"

FORMATS = ("json", "jsonl", "csv", "parquet", "text")

# Bytes of a first line that are looked at.
_LINE = 2**20

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


def read_blocks(
    path: str,
    space: SearchSpace,
    *,
    file_format: str | None = None,
    ignore_extra: bool = False,
    index_column: str | None = None,
    answers: frozenset[str] = frozenset(),
    believe: Believe | None = None,
    on_read: Callable[[int], None] | None = None,
) -> Iterator[Codes]:
    """Yield codes [some, genes] of the architectures in a file, "-" for standard input.

    The format follows from the suffix, on standard input and of a text from what is there. Errors
    name the file and the line or item. Memory does not grow with the number of architectures.

    Parameters
    ----------
    path : str
    space : SearchSpace
    file_format : str, optional
        One of `FORMATS`.
    ignore_extra, index_column
        As for `Columns`.
    answers : set of str
        Names of columns that are answers.
    believe : callable, optional
        Asked about indices that look like row numbers.
    on_read : callable, optional
        Called with the number of bytes of each part that is read.
    """
    options: dict[str, Any] = {
        "ignore_extra": ignore_extra,
        "index": index_column,
        "answers": answers,
    }
    file_format = file_format or _format_of(path)
    with reading(path):
        if file_format == "parquet" and path != "-":
            yield from parquet_blocks(path, space, **options, on_read=on_read)
            return
        chunks = raw_chunks(path, on_read)
        first = next(chunks, b"")
        if file_format in (None, "parquet") and first.startswith(b"PAR1"):
            yield from parquet_blocks(itertools.chain([first], chunks), space, **options)
            return
        if file_format == "parquet":
            msg = "not readable as Parquet (it does not begin as such)"
            raise ArchitectureError(msg)
        text = text_chunks(itertools.chain([first] if first else [], chunks))
        if file_format is None:
            file_format, text = sniffed(text, space)
        if file_format == "csv":
            yield from csv_blocks(text, space, **options, believe=believe)
        elif file_format == "text":
            yield from text_blocks(text, space)
        else:
            items = JsonItems(space, _parsed, **options, believe=believe)
            yield from json_blocks(text, items, lambda value: _is_one(value, space))


def _format_of(path: str) -> str | None:
    """Return the format that a suffix tells; None for what has to be looked at."""
    suffix = Path(path).suffix.lower()
    if path == "-" or suffix in ("", ".txt", ".text"):
        return None
    if suffix not in _SUFFIXES:
        msg = (
            f"{path}: the suffix {suffix!r} tells no format; "
            f"give --in-format {{{','.join(FORMATS)}}}"
        )
        raise ArchitectureError(msg)
    return _SUFFIXES[suffix]


def read_architectures(path: str, space: SearchSpace, **options: Any) -> Codes:
    """Return the codes [N, genes] of a file all at once: see `read_blocks`."""
    codes = bytearray()
    for block in read_blocks(path, space, **options):
        codes += block.tobytes()
        check_rows(len(codes) // space.n_genes)
    return np.frombuffer(codes, np.uint8).reshape(-1, space.n_genes)


def sniffed(chunks: Iterator[bytes], space: SearchSpace) -> tuple[str, Iterator[bytes]]:
    """Return the format of a text, from its first line, and the text as it was."""
    begun: list[bytes] = []
    line = b""
    for chunk in chunks:
        begun.append(chunk)
        line = b"".join(begun).removeprefix(codecs.BOM_UTF8).lstrip()
        if b"\n" in line or len(line) > _LINE:
            break
    first = line.split(b"\n", 1)[0].decode(errors="replace").strip()
    return _format_of_line(first, space), itertools.chain(begun, chunks)


def _format_of_line(line: str, space: SearchSpace) -> str:
    starts_json = line.startswith(("{", "["))
    try:
        loads(line)
    except JsonError:
        pass
    else:
        is_index = line.isdecimal()
        return "text" if is_index else "json"
    try:
        parse_architecture(line, space)
    except ArchitectureError:
        if starts_json:
            return "json"
        names = {name.strip(' \t"') for name in re.split("[,;|\t ]", line)}
        is_table = not line or "," in line or names & {INDEX, *space.gene_names} or len(names) > 1
        return "csv" if is_table else "text"
    return "text"


def text_blocks(chunks: Iterable[bytes], space: SearchSpace) -> Iterator[Codes]:
    """Yield the codes of lines, each an architecture as a person types it.

    Raises
    ------
    ArchitectureError
        Naming the line.
    """
    text, n_lines = TextBlocks(chunks), 0
    while block := text.next():
        plain = plain_block(block, 1)
        indices = None if plain is None else plain.integers(0)
        if indices is not None and int(indices.max()) < space.size:
            yield indices_to_codes(indices, space)
            n_lines += len(indices)
            continue
        rows = []
        for line in io.StringIO(text.decode(block), newline=None):
            n_lines += 1
            if line.strip():
                try:
                    rows.append(parse_architecture(line, space))
                except ArchitectureError as error:
                    msg = f"line {n_lines}: {error}"
                    raise ArchitectureError(msg) from error
        yield np.concatenate([np.empty((0, space.n_genes), np.uint8), *rows])


def _parsed(value: Any, space: SearchSpace) -> Codes:
    return _rows([_from_json(value, space)], space)


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
