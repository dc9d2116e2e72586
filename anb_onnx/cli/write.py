"""Results on standard output or in a file: aligned tables, arrays of JSON, cards."""

from __future__ import annotations

import contextlib
import io
import itertools
import json
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, BinaryIO, TextIO

from anb_onnx._io.output import open_output
from anb_onnx._io.show import printable
from anb_onnx.errors import AnbError


@contextlib.contextmanager
def open_text(path: str | None) -> Iterator[TextIO]:
    """Open standard output, or a file as `open_output` does, for UTF-8 text."""
    if path is None:
        yield sys.stdout
        return
    with open_output(path) as file:
        stream = io.TextIOWrapper(file, encoding="utf-8", newline="")
        yield stream
        stream.detach()  # flushes; `file` is closed by who opened it


@contextlib.contextmanager
def open_binary(path: str | None) -> Iterator[BinaryIO]:
    """Open standard output, unless a person would see it, or a file as `open_output` does.

    Raises
    ------
    AnbError
        If standard output is a terminal.
    """
    if path is not None:
        with open_output(path) as file:
            yield file
        return
    if sys.stdout.isatty():
        msg = "Parquet is no text for a terminal; give --out FILE.parquet, or redirect the output"
        raise AnbError(msg)
    sys.stdout.flush()
    yield sys.stdout.buffer
    sys.stdout.buffer.flush()


def write_aligned(
    stream: TextIO,
    header: Sequence[str],
    rows: Callable[[], Iterable[Sequence[str]]],
    numbers: Sequence[str],
) -> None:
    """Write columns aligned by spaces, those named in `numbers` to the right.

    `rows` is called twice, for the widths and for the text: the rows are never all in memory.
    """
    widths = [len(printable(name)) for name in header]
    for line in rows():
        widths = [max(w, len(printable(c))) for w, c in zip(widths, line, strict=True)]
    for line in itertools.chain([header], rows()):
        cells = (
            printable(cell).rjust(width) if name in numbers else printable(cell).ljust(width)
            for cell, width, name in zip(line, widths, header, strict=True)
        )
        stream.write("  ".join(cells).rstrip() + "\n")


def write_array(stream: TextIO, items: Iterator[Any]) -> None:
    """Write a JSON array, one item per line, without holding its text in memory."""
    stream.write("[")
    for number, item in enumerate(items):
        stream.write(",\n " if number else "\n ")
        stream.write(json.dumps(item))
    stream.write("\n]\n")
