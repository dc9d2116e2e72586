"""A folder for what a command makes before it writes anything; those of killed ones are removed.

Somebody's own folder beside them may have a name of the same kind, such as one given as --out. So
only folders that hold the mark of this module are taken for such remains.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from anb_onnx.errors import AnbError

try:
    import fcntl
except ImportError:  # Windows: there, what a killed process leaves stays
    fcntl = None  # type: ignore[assignment]

_PREFIX = "anb-export-"
_MARK = ".anb-export-scratch"


class ScratchError(AnbError):
    """There is no place for temporary files."""


@contextlib.contextmanager
def scratch_folder() -> Iterator[Path]:
    """Make a folder beside the system's temporary files, and remove it when the block ends.

    Before that, folders that killed processes have left are removed: a folder in use is locked,
    and one that this module did not make has no mark.

    Raises
    ------
    ScratchError
        If none can be made.
    """
    try:
        folder, handle = _make()
    except OSError as error:
        msg = f"no folder for temporary files: {error.strerror}; TMPDIR names another"
        raise ScratchError(msg) from error
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        if handle >= 0:
            os.close(handle)


def _make() -> tuple[Path, int]:
    _remove_abandoned(Path(tempfile.gettempdir()))
    while True:
        folder = Path(tempfile.mkdtemp(prefix=_PREFIX))
        # Another process may take it for abandoned, before it is locked.
        with contextlib.suppress(BlockingIOError, FileNotFoundError):
            handle = _lock(folder)
            if folder.exists():
                (folder / _MARK).touch()
                return folder, handle
            os.close(handle)


def _remove_abandoned(place: Path) -> None:
    if fcntl is None:
        return
    with contextlib.suppress(OSError):
        for folder in place.glob(f"{_PREFIX}*"):
            with contextlib.suppress(OSError):
                if folder.is_symlink() or folder.stat().st_uid != os.geteuid():
                    continue
                handle = _lock(folder)
                try:
                    if (folder / _MARK).is_file():
                        shutil.rmtree(folder)
                finally:
                    os.close(handle)


def _lock(folder: Path) -> int:
    """Lock a folder for as long as the handle is open.

    Raises
    ------
    BlockingIOError
        If another process holds it.
    """
    if fcntl is None:
        return -1
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(handle)
        raise
    return handle
