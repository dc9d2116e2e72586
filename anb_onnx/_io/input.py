"""Text that a user gives: from files, pipes and standard input, as UTF-8 and of a bounded size."""

from __future__ import annotations

import contextlib
import errno
import io
import os
import select
import stat
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import BinaryIO

from anb_onnx._io.files import limit_of
from anb_onnx._io.output import follow
from anb_onnx.errors import ArchitectureError

#: Most bytes of text, and the environment variable that sets it.
INPUT_BYTES = 256 * 2**20
INPUT_VARIABLE = "ANB_ONNX_MAX_INPUT_BYTES"

#: Most architectures of one command (a byte for each gene), and the variable that sets it.
ROWS = 50_000_000
ROWS_VARIABLE = "ANB_ONNX_MAX_ROWS"

#: Seconds to wait for somebody who writes into a named pipe.
PIPE_SECONDS = 30.0

_CHUNK = 2**20
_START = 4  # bytes tell what is no text
_STARTS = {
    b"\xff\xfe": "it is UTF-16 text; save it as UTF-8 (iconv -f utf-16 -t utf-8)",
    b"\xfe\xff": "it is UTF-16 text; save it as UTF-8 (iconv -f utf-16 -t utf-8)",
    b"\x1f\x8b": "it is compressed; unpack it with gunzip",
    b"PK\x03\x04": "it is a ZIP archive or a spreadsheet; save it as CSV",
    b"PAR1": "it is Parquet; --in-format parquet reads it",
}


def check_rows(count: int) -> None:
    """Refuse more architectures than one command takes.

    Raises
    ------
    ArchitectureError
        Naming the limit and what sets it.
    """
    limit = limit_of(ROWS_VARIABLE, ROWS)
    if count > limit:
        msg = f"more than {limit} architectures; {ROWS_VARIABLE} sets this limit"
        raise ArchitectureError(msg)


def raw_chunks(path: str, on_read: Callable[[int], None] | None = None) -> Iterator[bytes]:
    """Yield the bytes of a file, a pipe or, for "-", standard input, as they come.

    The first chunk is long enough to tell what it is, unless there is no more.

    Parameters
    ----------
    path : str
    on_read : callable, optional
        Called with the size of each chunk.

    Raises
    ------
    OSError
        If it cannot be read.
    """
    with contextlib.ExitStack() as stack:
        first = b""
        file: BinaryIO | io.FileIO = sys.stdin.buffer
        if path != "-":
            file = opened = stack.enter_context(_open(path))
            kind = os.fstat(opened.fileno()).st_mode
            if stat.S_ISFIFO(kind) and not os.get_blocking(opened.fileno()):
                first = _wait_for_writer(opened)
        held, begun = b"", False
        for part in _parts(file, first):
            if on_read is not None:
                on_read(len(part))
            held += part
            if begun or len(held) >= _START:
                yield held
                held, begun = b"", True
        if held:
            yield held


def _parts(file: BinaryIO | io.FileIO, first: bytes) -> Iterator[bytes]:
    if first:
        yield first
    while (part := file.read(_CHUNK)) != b"":
        if part is None:  # nothing there yet, of a stream that does not wait by itself
            select.select([file], [], [])
        else:
            yield part


def text_chunks(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Yield chunks of text as they are, unless they tell that they are something else.

    Raises
    ------
    ArchitectureError
        If it is no UTF-8 text.
    """
    total = 0
    for part in chunks:
        if total == 0:
            _check_start(part)
        if b"\0" in part:
            msg = f"it is no text, or not UTF-8: byte {total + part.index(0)} is NUL"
            raise ArchitectureError(msg)
        total += len(part)
        yield part


def whole_text(chunks: Iterable[bytes]) -> bytes:
    """Return all of a text.

    Raises
    ------
    ArchitectureError
        If it is larger than the limit.
    """
    limit = limit_of(INPUT_VARIABLE, INPUT_BYTES)
    parts: list[bytes] = []
    total = 0
    for part in chunks:
        parts.append(part)
        total += len(part)
        if total > limit:
            msg = f"it has more than {limit} bytes; {INPUT_VARIABLE} sets this limit"
            raise ArchitectureError(msg)
    return parts[0] if len(parts) == 1 else b"".join(parts)


def read_text(path: str) -> bytes:
    """Return the bytes of UTF-8 text from a file, a pipe or, for "-", standard input.

    Raises
    ------
    OSError
        If it cannot be read.
    ArchitectureError
        If it is larger than the limit, or no such text.
    """
    return whole_text(text_chunks(raw_chunks(path)))


def _check_start(raw: bytes) -> None:
    """Refuse what tells at once that it is something else."""
    for start, reason in _STARTS.items():
        if raw.startswith(start):
            raise ArchitectureError(reason)


def _open(path: str) -> io.FileIO:
    """Open any file that can be read as a stream; a named pipe so that it does not wait yet."""
    where = follow(Path(path))
    if isinstance(where, int):
        return io.FileIO(os.dup(where), "rb")
    flags = os.O_RDONLY | getattr(os, "O_NOCTTY", 0) | getattr(os, "O_BINARY", 0)
    kind = stat.S_IFMT(where.stat().st_mode)
    if kind == stat.S_IFDIR:
        raise IsADirectoryError(errno.EISDIR, "it is a folder")
    if kind == stat.S_IFIFO:
        flags |= os.O_NONBLOCK
    return io.FileIO(os.open(where, flags), "rb")


def _wait_for_writer(file: io.FileIO) -> bytes:
    """Wait until a pipe has a writer: opened as usual, it would hold the program for ever.

    Returns
    -------
    bytes
        What had to be read to find out.
    """
    poll = select.poll()
    poll.register(file, select.POLLIN)
    end = time.monotonic() + PIPE_SECONDS
    while not poll.poll(20):  # nothing to read, nor a writer that has come and gone
        part = file.read(_CHUNK)
        if part is None:  # a writer is there, and has not written yet
            return b""
        if part:
            return part
        if time.monotonic() >= end:
            reason = f"nobody writes into this pipe, for {PIPE_SECONDS:g} s"
            raise OSError(errno.ENXIO, reason)
    return b""
