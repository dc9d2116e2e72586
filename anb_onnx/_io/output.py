"""Writing of files that a user names: whole or not at all, and nothing else is replaced.

What a path leads to decides. A regular file, also behind links, is written to a temporary file
beside it that takes its place at the end, so that an error, a full disk or Ctrl-C leaves the old
content. Pipes, character devices and the process's own descriptors (`/dev/stdout`, ``>(command)``)
are written into as they are. Folders, sockets and block devices are refused.

The temporary file replaces a directory entry: another hard link of the file keeps the old content.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import re
import stat
import time
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from anb_onnx._io.show import show
from anb_onnx.errors import AnbError

try:
    import fcntl
except ImportError:  # Windows: there, what a killed process leaves stays
    fcntl = None  # type: ignore[assignment]

#: Seconds to wait for somebody who reads from a named pipe.
PIPE_SECONDS = 30.0

_MAX_LINKS = 40  # as Linux
_MAX_STEM = 200  # bytes; names have 255, and the temporary one is longer

_KINDS = {
    stat.S_IFDIR: "it is a folder",
    stat.S_IFSOCK: "it is a socket",
    stat.S_IFBLK: "it is a block device",
}
_DESCRIPTORS = re.compile(r"/dev/fd|/proc/[0-9]+(/task/[0-9]+)?/fd")
_THROUGH = (stat.S_IFIFO, stat.S_IFCHR)


class OutputError(AnbError):
    """A file cannot be written; the message names it. What was there before still is."""


@contextlib.contextmanager
def open_output(
    path: str | os.PathLike[str], *, through: bool = True, parents: bool = False
) -> Iterator[BinaryIO]:
    """Open a file for writing that is complete under its name when the block ends, or as before.

    Parameters
    ----------
    path : path
    through : bool
        Whether pipes and devices are written into; else they are refused, too.
    parents : bool
        Whether to make missing folders.

    Yields
    ------
    binary file

    Raises
    ------
    OutputError
        If it cannot be written.
    BrokenPipeError
        If whoever read a pipe has gone.
    """
    _check_name(path)
    try:
        where = follow(Path(path))
        if isinstance(where, int):
            if not through:
                raise OSError(errno.EINVAL, "it is no file, but an open descriptor")
            with os.fdopen(os.dup(where), "wb") as stream:
                yield stream
            return
        if parents:
            where.parent.mkdir(parents=True, exist_ok=True)
        before = _stat(where)
        kind = stat.S_IFREG if before is None else stat.S_IFMT(before.st_mode)
        if kind in _THROUGH and through:
            with os.fdopen(_open_special(where, kind), "wb") as stream:
                yield stream
            return
        if kind != stat.S_IFREG:
            reason = _KINDS.get(kind, "it is no regular file")
            raise OSError(errno.EINVAL, reason)
        with _replacement(where, before) as stream:
            yield stream
    except BrokenPipeError:
        raise
    except OSError as error:
        msg = f"cannot write {path} ({error.strerror or error})"
        raise OutputError(msg) from error


def write_output(path: str | os.PathLike[str], content: bytes) -> None:
    """Write a regular file, whole or not at all; missing folders are made.

    Raises
    ------
    OutputError
        If it cannot be written, or is there and no regular file.
    """
    with open_output(path, through=False, parents=True) as stream:
        stream.write(content)


def check_output(path: str | os.PathLike[str]) -> None:
    """Refuse, before hours of work, what `write_output` would refuse after them. Makes nothing.

    Raises
    ------
    OutputError
        As `write_output` does.
    """
    _check_name(path)
    folder = Path(path).parent
    while not os.path.lexists(folder):
        folder = folder.parent
    if folder != Path(path).parent:
        reason = 0 if os.access(folder, os.W_OK | os.X_OK) else errno.EACCES
        if reason := reason if folder.is_dir() else errno.ENOTDIR:
            msg = f"cannot write {path} ({folder}: {os.strerror(reason)})"
            raise OutputError(msg)
        return
    with contextlib.suppress(_Dropped), open_output(path, through=False):
        raise _Dropped


class _Dropped(Exception):
    """Ends the writing of a file that nobody wants."""


def remove_abandoned(target: Path) -> None:
    """Remove temporary files of `target` that killed processes left; those in use are locked."""
    if fcntl is None:
        return
    pattern = re.compile(rf"\.{re.escape(_stem(target))}\.[0-9a-f]{{8}}\.tmp")
    flags = os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK
    with contextlib.suppress(OSError), os.scandir(target.parent) as entries:
        for entry in entries:
            if not pattern.fullmatch(entry.name) or not entry.is_file(follow_symlinks=False):
                continue
            with contextlib.suppress(OSError), os.fdopen(os.open(entry.path, flags), "rb") as file:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                # Not where another process removed it meanwhile: its writer, which found that out,
                # has made a new one under the same name.
                if os.fstat(file.fileno()).st_nlink:
                    Path(entry.path).unlink()


def temporary_of(target: Path) -> Path:
    """Return a new name for a temporary file of `target`, beside it."""
    return target.with_name(f".{_stem(target)}.{os.urandom(4).hex()}.tmp")


def _check_name(path: str | os.PathLike[str]) -> None:
    try:
        with contextlib.suppress(OSError):
            os.lstat(path)
    except (ValueError, TypeError) as error:
        # NUL, half a surrogate pair, no path at all.
        msg = f"cannot write {show(path)} ({error})"
        raise OutputError(msg) from error
    if os.fsdecode(path).endswith(("/", os.sep)):  # which pathlib drops
        msg = f"cannot write {path} (it is the name of a folder)"
        raise OutputError(msg)


def _stem(target: Path) -> str:
    name = os.fsencode(target.name)
    return target.name if len(name) <= _MAX_STEM else hashlib.sha256(name).hexdigest()


def follow(path: Path) -> Path | int:
    """Return the file that links lead to, there or not; or a descriptor of this process.

    What stands in /proc/self/fd looks like a link with a path, but following it would replace the
    file that a shell opened for more than this program, or a name such as "pipe:[1234]".
    """
    for _ in range(_MAX_LINKS):
        folder = Path(os.path.realpath(path.parent))
        if _DESCRIPTORS.fullmatch(str(folder)) and re.fullmatch("[0-9]{1,9}", path.name):
            if str(folder).startswith(("/dev/", f"/proc/{os.getpid()}/")):
                return int(path.name)
            raise OSError(errno.EINVAL, "it is a descriptor of another process")
        if not path.is_symlink():
            return path
        path = folder / path.readlink()
    raise OSError(errno.ELOOP, os.strerror(errno.ELOOP))


def _stat(path: Path) -> os.stat_result | None:
    try:
        return path.stat()
    except FileNotFoundError:
        return None


def _open_special(path: Path, kind: int) -> int:
    """Open a pipe or a device for writing."""
    flags = os.O_WRONLY | getattr(os, "O_NOCTTY", 0)
    if kind != stat.S_IFIFO:
        return os.open(path, flags)
    # Opened as usual, a pipe without a reader would hold the program for ever.
    end = time.monotonic() + PIPE_SECONDS
    while True:
        try:
            handle = os.open(path, flags | os.O_NONBLOCK)
        except OSError as error:
            if error.errno != errno.ENXIO:
                raise
            if time.monotonic() >= end:
                reason = f"nobody reads from this pipe, for {PIPE_SECONDS:g} s"
                raise OSError(errno.ENXIO, reason) from error
            time.sleep(0.02)
        else:
            os.set_blocking(handle, True)
            return handle


@contextlib.contextmanager
def _replacement(target: Path, before: os.stat_result | None) -> Iterator[BinaryIO]:
    """Open a temporary file that becomes `target` when the block ends without an error."""
    if before is not None and not os.access(target, os.W_OK):
        # It could be replaced all the same, but who protects a file does not expect that.
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
    remove_abandoned(target)
    part = temporary_of(target)
    try:
        # Nobody else may read what replaces a private file, not even for a moment.
        with _create(part, 0o666 if before is None else 0o600) as stream:
            yield stream
            stream.flush()
            if before is not None:
                _keep_owner_and_mode(stream.fileno(), part, before)
            _sync(stream.fileno())
            if fcntl is None:
                stream.close()  # Windows renames closed files only
            part.replace(target)
    except BaseException:
        with contextlib.suppress(OSError):
            part.unlink()
        raise


def _create(part: Path, mode: int) -> BinaryIO:
    """Create a file, and lock it for as long as it is open: it is no abandoned one."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
    while True:
        stream = os.fdopen(os.open(part, flags, mode), "wb")
        if fcntl is None:
            return stream
        with contextlib.suppress(OSError):  # a file system without locks
            fcntl.flock(stream, fcntl.LOCK_EX)
        if os.fstat(stream.fileno()).st_nlink:
            return stream
        stream.close()  # removed as abandoned before it was locked


def _keep_owner_and_mode(handle: int, part: Path, before: os.stat_result) -> None:
    mode = stat.S_IMODE(before.st_mode) & 0o777
    if hasattr(os, "fchown"):
        now = os.fstat(handle)
        if now.st_gid != before.st_gid:
            try:
                os.fchown(handle, -1, before.st_gid)
            except OSError:
                # The group's rights were meant for another group: as everybody else's, then.
                mode &= 0o707 | (mode & 0o007) << 3
        if now.st_uid != before.st_uid:
            with contextlib.suppress(OSError):
                os.fchown(handle, before.st_uid, -1)
        os.fchmod(handle, mode)
    else:
        part.chmod(mode)


def _sync(handle: int) -> None:
    """Have the content on the disk before the name: a crash of the machine must not swap them."""
    try:
        os.fsync(handle)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):
            raise
