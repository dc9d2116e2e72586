"""A folder of Parquet files with architectures, as a list of row groups in a fixed order."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from anb_onnx._io.files import FileError
from anb_onnx._io.show import show
from anb_onnx.encoding.parquet_files import open_parquet
from anb_onnx.errors import ArchitectureError

#: Digits of a row group's number in the name of its part.
_DIGITS = 6


@dataclass(frozen=True)
class Part:
    """A row group, and the file that its predictions go to.

    Attributes
    ----------
    file : str
        Path of the Parquet file below the source, with slashes.
    group : int
        Number of the row group; 0 also of a file that has none.
    rows : int
    """

    file: str
    group: int
    rows: int

    @property
    def name(self) -> str:
        """Path of the part below the folder of predictions: by name, parts stand in row order."""
        return f"{self.file}.{self.group:0{_DIGITS}d}.parquet"

    def __str__(self) -> str:
        return f"{self.file}, row group {self.group}"


def list_parts(source: Path) -> list[Part]:
    """Return the row groups of a Parquet file, or of all below a folder, by file name.

    Files and folders whose names begin with "." or "_" are passed over, as by other readers of
    such folders.

    Raises
    ------
    FileError
        If the folder or a file cannot be read.
    ArchitectureError
        If there is none, or something else stands among them.
    """
    files = [source] if source.is_file() else _files(source)
    root = source.parent if source.is_file() else source
    names = sorted((file.relative_to(root).as_posix() for file in files), key=_order)
    for name in names:
        if not _is_text(name):
            msg = f"{show(name)} is no file name in UTF-8, as predictions are named after it"
            raise ArchitectureError(msg)
    return [part for name in names for part in _groups(root, name)]


def _is_text(name: str) -> bool:
    """Say whether a name that the system gave can be written into a file, as JSON."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def _order(name: str) -> str:
    return f"{name}."  # as the names of their parts compare


def _files(folder: Path) -> list[Path]:
    def refuse(error: OSError) -> None:
        msg = f"{error.filename or folder} cannot be read ({error.strerror or error})"
        raise FileError(msg) from error

    found = []
    for place, folders, files in os.walk(folder, onerror=refuse):
        folders[:] = [name for name in folders if not name.startswith((".", "_"))]
        for name in folders:
            if (Path(place) / name).is_symlink():
                msg = f"{Path(place) / name} is a link to a folder; give that folder itself"
                raise ArchitectureError(msg)
        for name in files:
            if name.startswith((".", "_")):
                continue
            if not name.endswith(".parquet"):
                msg = (
                    f"{Path(place) / name} is not called *.parquet; give a folder of Parquet files "
                    "only (names with . or _ in front are passed over)"
                )
                raise ArchitectureError(msg)
            found.append(Path(place) / name)
    if not found:
        msg = f"{folder} has no Parquet file (*.parquet)"
        raise ArchitectureError(msg)
    return found


def _groups(root: Path, name: str) -> list[Part]:
    try:
        with open_parquet(root / name) as file:
            rows = file.group_rows or (0,)
    except FileError:
        raise  # names the file itself
    except ArchitectureError as error:
        msg = f"{root / name}: {error}"
        raise ArchitectureError(msg) from error
    if len(rows) > 10**_DIGITS:
        msg = f"{root / name} has {len(rows)} row groups, at most {10**_DIGITS} are read"
        raise ArchitectureError(msg)
    return [Part(name, group, count) for group, count in enumerate(rows)]
