"""Reading of files that somebody else may have put there: only regular ones, only so many bytes.

A path from outside may be a pipe (reading waits for ever), a device (it never ends) or a file of
10 GB (memory ends). What is read here is a regular file of a bounded size, or an error at once.
"""

from __future__ import annotations

import errno
import io
import os
import stat
from pathlib import Path
from typing import BinaryIO

from anb_onnx._io.show import show
from anb_onnx.errors import AnbError

#: Most bytes of an ONNX file; the bundled ones have 1 MB.
ARTIFACT_BYTES = 64 * 2**20

#: Most bytes of a manifest; the bundled one has 0.1 MB.
MANIFEST_BYTES = 16 * 2**20

#: Most bytes of golden vectors; the bundled ones have 2 MB.
GOLDEN_BYTES = 256 * 2**20

#: Most bytes of what is proven of a benchmark; that of the bundled one has 2 MB.
TRUTH_BYTES = 256 * 2**20

#: Environment variables that set these limits, in bytes.
ARTIFACT_VARIABLE = "ANB_ONNX_MAX_ARTIFACT_BYTES"
MANIFEST_VARIABLE = "ANB_ONNX_MAX_MANIFEST_BYTES"
GOLDEN_VARIABLE = "ANB_ONNX_MAX_GOLDEN_BYTES"
TRUTH_VARIABLE = "ANB_ONNX_MAX_TRUTH_BYTES"

# The largest that may be set: more does not fit the address space of any machine.
_MOST = 2**48

# Absent on Windows, where opening a pipe does not wait; there, text mode would change the bytes.
_FLAGS = (
    os.O_RDONLY
    | getattr(os, "O_NONBLOCK", 0)
    | getattr(os, "O_NOCTTY", 0)
    | getattr(os, "O_BINARY", 0)
)

_KINDS = {
    stat.S_IFIFO: "a pipe",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
    stat.S_IFDIR: "a folder",
    stat.S_IFSOCK: "a socket",
}


class FileError(AnbError):
    """A file cannot be read, is no regular file or is too large; the message names it."""


def read_regular(path: str | os.PathLike[str], limit: int, *, variable: str | None = None) -> bytes:
    """Return the content of a regular file, following links.

    Neither waits nor uses memory beyond `limit`, whatever `path` is.

    Parameters
    ----------
    path : path
    limit : int
        Most bytes; see `limit_of` for one that the user may set.
    variable : str, optional
        Name of the environment variable that sets the limit, for the message.

    Raises
    ------
    FileError
        If it cannot be opened or read, is a pipe, device, folder or socket, or is larger.
    """
    with open_regular(path) as file:
        size = os.fstat(file.fileno()).st_size
        content = _read(path, file, size, limit) if size <= limit else b""
    if max(size, len(content)) <= limit:
        return content
    # Files of /proc state 0 bytes, and any file may grow.
    found = f"{size}" if size > limit else f"more than {limit}"
    how = f" ({variable} sets this limit)" if variable else ""
    msg = f"{path} has {found} bytes, at most {limit} are allowed{how}"
    raise FileError(msg)


def open_regular(path: str | os.PathLike[str]) -> BinaryIO:
    """Open a regular file for reading, unbuffered, following links; without waiting for a pipe.

    Raises
    ------
    FileError
        If it cannot be opened, or is a pipe, device, folder or socket.
    """
    try:
        # Before it is opened, as opening some devices does something; and of what was opened, as
        # the path may have become another file in between.
        _check_regular(path, Path(path).stat().st_mode)
        handle = os.open(Path(path), _FLAGS)
        try:
            _check_regular(path, os.fstat(handle).st_mode)
            return io.FileIO(handle, "rb")
        except BaseException:
            os.close(handle)
            raise
    except FileError:
        raise
    except OSError as error:
        raise _unreadable(path, error) from error
    except (ValueError, TypeError) as error:
        # NUL, half a surrogate pair, no path at all.
        msg = f"{show(path)} is no file name ({error})"
        raise FileError(msg) from error


def limit_of(variable: str, default: int) -> int:
    """Return the number of bytes that an environment variable sets, or the default.

    Raises
    ------
    FileError
        If it is set to anything but a whole number of bytes.
    """
    value = os.environ.get(variable)
    if not value:
        return default
    if not (value.isascii() and value.isdigit() and len(value) <= 15 and 0 < int(value) <= _MOST):
        msg = (
            f"{variable} must be a number of bytes from 1 to {_MOST}, not {show(value)}; "
            f"without it the limit is {default}"
        )
        raise FileError(msg)
    return int(value)


def _check_regular(path: str | os.PathLike[str], mode: int) -> None:
    if not stat.S_ISREG(mode):
        kind = _KINDS.get(stat.S_IFMT(mode), "something else")
        msg = f"{path} cannot be read (it is {kind}, not a regular file)"
        raise FileError(msg)


def _read(path: str | os.PathLike[str], file: BinaryIO, size: int, limit: int) -> bytes:
    """Return the whole file, or `limit` + 1 bytes of one that has more."""
    parts: list[bytes] = []
    total = 0
    try:
        while total <= limit:
            # One byte more than stated: then one call reads a file, and the next finds its end.
            part = file.read(min(max(size + 1 - total, 2**16), limit + 1 - total))
            if part is None:  # nothing there yet: no regular file answers so
                raise BlockingIOError(errno.EAGAIN, "it would wait")
            if not part:
                break
            parts.append(part)
            total += len(part)
    except OSError as error:
        raise _unreadable(path, error) from error
    return parts[0] if len(parts) == 1 else b"".join(parts)


def _unreadable(path: str | os.PathLike[str], error: OSError) -> FileError:
    return FileError(f"{path} cannot be read ({error.strerror or error})")
