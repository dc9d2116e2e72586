"""Rows of a study, one a fit: what they hold, their journal, and the Parquet file made of it.

The journal has a line of JSON for each fit, appended as soon as it is done. A process that is
killed loses the fits it was at, and at worst leaves half a line, which the next one drops.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, TypeAlias

from anb_export.study.protocol import StudyError
from anb_onnx._io.output import check_output, write_output
from anb_onnx._io.strict_json import JsonError, loads
from anb_onnx.parallel.extras import need

if TYPE_CHECKING:
    import pyarrow

try:
    import fcntl
except ImportError:  # Windows: there, one study at a time is up to the user
    fcntl = None  # type: ignore[assignment]

Row: TypeAlias = dict[str, Any]
Key: TypeAlias = tuple[str, str, str, int, int]

#: Names of the two files in a study's folder.
JOURNAL, FITS = "fits.jsonl", "fits.parquet"

#: The columns that say which fit a row is of.
KEY = ("space", "target", "predictor", "size", "seed")

#: The figures of a fit: all null where it has an error, but for those of time.
FIGURES = (
    *("tau", "spearman", "r2", "mae", "mae_relative", "crps", "crps_relative"),
    *("coverage_50", "coverage_90", "width_90_relative"),
    *("fit_seconds", "predict_seconds", "query_seconds"),
)

#: All columns by type, in order. Times are seconds of processor, since machines are shared.
COLUMNS: Mapping[str, str] = {
    **dict.fromkeys(("space", "target", "predictor"), "string"),
    **dict.fromkeys(("size", "seed", "n_test"), "int32"),
    **dict.fromkeys(FIGURES, "double"),
    "artifact_bytes": "int64",
    **dict.fromkeys(("form", "error", "dataset_sha256", "versions"), "string"),
}


@dataclass(frozen=True)
class Sheet:
    """What rows of one kind look like, and where they lie.

    Attributes
    ----------
    journal, parquet : str
        Names of the two files.
    columns : mapping of str to str
        All columns by type, in order.
    key : tuple of str
        The columns that say what a row is of; those of `KEY` first.
    needed : tuple of str
        Columns that are never null.
    command : str
        Writes them.
    """

    journal: str
    parquet: str
    columns: Mapping[str, str]
    key: tuple[str, ...]
    needed: tuple[str, ...]
    command: str


#: The rows of fits.
OF_FITS = Sheet(
    JOURNAL,
    FITS,
    COLUMNS,
    KEY,
    (*KEY, "n_test", "dataset_sha256", "versions"),
    "anb-export study",
)


def key_of(row: Mapping[str, Any]) -> Key:
    """Return which fit a row is of."""
    space, target, predictor, size, seed = (row[name] for name in KEY)
    return space, target, predictor, size, seed


class Journal:
    """The fits of a folder, on disk as soon as they are added; only one process has it open.

    Parameters
    ----------
    folder : path
        Made if it is not there.
    sheet : Sheet
        Of which rows.

    Raises
    ------
    StudyError
        If another process has it open, it cannot be written, or a line is no row: names the line.
    """

    def __init__(self, folder: str | os.PathLike[str], sheet: Sheet = OF_FITS) -> None:
        self.sheet = sheet
        self.path = Path(folder) / sheet.journal
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._file = self.path.open("a+b")
        except OSError as error:
            msg = f"cannot write {self.path} ({error.strerror or error})"
            raise StudyError(msg) from error
        try:
            _lock(self._file, self.path.parent)
            self.rows = self._read()
        except BaseException:
            self._file.close()
            raise

    def add(self, *rows: Row) -> None:
        """Append rows, and have them out of this process before anything else is done."""
        lines = [json.dumps(row, allow_nan=False).encode() + b"\n" for row in rows]
        try:
            self._file.write(b"".join(lines))
            self._file.flush()
        except OSError as error:
            msg = f"cannot write {self.path} ({error.strerror or error})"
            raise StudyError(msg) from error
        self.rows.extend(rows)

    def close(self) -> None:
        """Let others open it. Called twice, it does nothing more."""
        with suppress(OSError):  # what could not be written was told by `add`
            self._file.close()

    def _read(self) -> list[Row]:
        self._file.seek(0)
        content = self._file.read()
        whole = content.rfind(b"\n") + 1
        if whole != len(content):  # half a line, of a process that was killed or had no space left
            self._file.truncate(whole)
        return _rows(content, self.path, self.sheet)


def rows_in(folder: str | os.PathLike[str], sheet: Sheet = OF_FITS) -> list[Row]:
    """Return the rows of a folder's journal, none where there is none; nothing is changed.

    Raises
    ------
    StudyError
        If it cannot be read, or a line is no row.
    """
    path = Path(folder) / sheet.journal
    try:
        return _rows(path.read_bytes(), path, sheet)
    except FileNotFoundError:
        return []
    except OSError as error:
        msg = f"cannot read {path} ({error.strerror or error})"
        raise StudyError(msg) from error


def _rows(content: bytes, path: Path, sheet: Sheet) -> list[Row]:
    """Return the rows of whole lines."""
    lines = content.split(b"\n")[:-1]
    return [_row(line, f"{path}: line {number}", sheet) for number, line in enumerate(lines, 1)]


@contextmanager
def open_journal(folder: str | os.PathLike[str], sheet: Sheet = OF_FITS) -> Iterator[Journal]:
    """Open a journal for as long as the block runs; parameters and errors as of `Journal`."""
    journal = Journal(folder, sheet)
    try:
        yield journal
    finally:
        journal.close()


def _lock(file: IO[bytes], folder: Path) -> None:
    if fcntl is None:
        return
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        msg = f"another study runs in {folder}: wait for it, or give another folder as --out"
        raise StudyError(msg) from error
    except OSError:  # a file system without locks
        return


def _row(line: bytes, place: str, sheet: Sheet) -> Row:
    try:
        row = loads(line.decode())
    except (JsonError, ValueError, RecursionError) as error:
        msg = f"{place} is no row of a study ({error}); remove the line, or the file"
        raise StudyError(msg) from error
    kinds = {"string": str, "double": float, "int32": int, "int64": int}
    if not isinstance(row, dict) or set(row) != set(sheet.columns):
        msg = f"{place} is no row of a study: it must have the keys {', '.join(sheet.columns)}"
        raise StudyError(msg)
    for name, kind in sheet.columns.items():
        value = row[name]
        if (value is None and name in sheet.needed) or type(value) not in (kinds[kind], type(None)):
            msg = f"{place}: {name} must be a {kinds[kind].__name__}, not {value!r:.80}"
            raise StudyError(msg)
    return row


def table_of(rows: Iterable[Row], sheet: Sheet = OF_FITS) -> pyarrow.Table:
    """Return rows as a table, in the order of their keys; of several with the same the last.

    Raises
    ------
    ExtraError
        If pyarrow is not installed.
    """
    arrow = need("pyarrow", extra="parquet", what="a study")
    found = {tuple(row[name] for name in sheet.key): row for row in rows}
    ordered = [found[key] for key in sorted(found)]
    types = {
        name: getattr(arrow, kind if kind != "double" else "float64")()
        for name, kind in sheet.columns.items()
    }
    schema = arrow.schema([arrow.field(name, kind) for name, kind in types.items()])
    return arrow.Table.from_pylist(ordered, schema=schema)


def check_fits(folder: str | os.PathLike[str], sheet: Sheet = OF_FITS) -> None:
    """Refuse, before hours of work, what `write_fits` would refuse after them; errors as there."""
    need("pyarrow.parquet", extra="parquet", what="a study")
    check_output(Path(folder) / sheet.parquet)


def write_fits(folder: str | os.PathLike[str], rows: Iterable[Row], sheet: Sheet = OF_FITS) -> Path:
    """Write the Parquet file of rows, whole or not at all, and return its path.

    Raises
    ------
    AnbError
        If it cannot be written, or pyarrow is not installed.
    """
    parquet = need("pyarrow.parquet", extra="parquet", what="a study")
    content, path = BytesIO(), Path(folder) / sheet.parquet
    parquet.write_table(table_of(rows, sheet), content)
    write_output(path, content.getvalue())
    return path


def read_fits(path: str | os.PathLike[str], sheet: Sheet = OF_FITS) -> pyarrow.Table:
    """Read the Parquet file of a study's rows.

    Parameters
    ----------
    path : path
        The file, or the folder it lies in.
    sheet : Sheet
        Of which rows; if not given, of fits.

    Returns
    -------
    pyarrow.Table
        With the sheet's columns.

    Raises
    ------
    StudyError
        If there is no such file, it cannot be read, or it has other columns.
    ExtraError
        If pyarrow is not installed.
    """
    parquet = need("pyarrow.parquet", extra="parquet", what="a study")
    path = Path(path)
    file = path / sheet.parquet if path.is_dir() else path
    if not file.is_file():
        msg = f"no {file}: `{sheet.command} --out {file.parent}` writes it"
        raise StudyError(msg)
    try:
        table: pyarrow.Table = parquet.read_table(file)
    except (OSError, ValueError) as error:
        msg = f"cannot read {file}: {error}"
        raise StudyError(msg) from error
    types = {field.name: str(field.type) for field in table.schema}
    if types != sheet.columns:
        msg = f"{file} has other rows: its columns must be {', '.join(sheet.columns)}"
        raise StudyError(msg)
    return table
