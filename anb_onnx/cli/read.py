"""Architectures on the command line, in files and on standard input."""

from __future__ import annotations

import codecs
import contextlib
import errno
import io
import itertools
import re
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
from anb_onnx.encoding.table_files import INDEX
from anb_onnx.errors import AnbError, ArchitectureError
from anb_onnx.spaces.architecture import Architecture
from anb_onnx.spaces.own_spellings import NAMED, are_lists, has_lists
from anb_onnx.spaces.space import SearchSpace, is_integer
from anb_onnx.spaces.spelling import text_codes, value_codes

Codes = npt.NDArray[np.uint8]

FORMATS = ("json", "jsonl", "csv", "parquet", "text")

# Bytes of a first line that are looked at.
_LINE = 2**20

# How tables for people begin, whichever command writes them.
_TABLE = re.compile("architecture {2,}[^ ]")

_SUFFIXES = {".json": "json", ".jsonl": "json", ".csv": "csv", ".parquet": "parquet"}


def parse_architecture(text: str, space: SearchSpace) -> Codes:
    """Codes [1, genes] of one architecture as a person types it: docs/architectures.md."""
    return _rows([text_codes(text, space)], space)


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
    asked, file_format = file_format, file_format or _format_of(path)
    with reading(path), _as_asked(path, asked):
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


@contextlib.contextmanager
def _as_asked(path: str, asked: str | None) -> Iterator[None]:
    """Add to an error that a file was not read as its suffix says: it may be meant otherwise."""
    told = _SUFFIXES.get(Path(path).suffix.lower())
    try:
        yield
    except ArchitectureError as error:
        if told is None or asked in (None, told) or (told, asked) == ("json", "jsonl"):
            raise
        msg = f"{error}; read as {asked}, as --in-format says: --out-format is that of the answers"
        raise ArchitectureError(msg) from error


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
    if _TABLE.match(line):
        msg = (
            "it is a table for people, which is not read again; --out-format csv, or --out "
            "FILE.csv, writes one that is"
        )
        raise ArchitectureError(msg)
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
    return _rows([value_codes(value, space)], space)


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
