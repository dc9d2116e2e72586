"""Rows of measured runs as they come, in a file that is whole after any interruption.

The first line says what is measured, in JSON; records of one fixed size follow. A record that was
being written when the process ended is cut off when the file is opened again.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from anb_onnx.errors import AnbError
from benchmarks.digits_curves.genes import EPOCHS

_CURVE = (np.float32, (EPOCHS,))
#: What is written of a run. `when` is in seconds since 1970, UTC, at its end.
RECORD = np.dtype(
    [
        ("run", np.uint32),
        ("val_accuracy", *_CURVE),
        ("val_loss", *_CURVE),
        ("train_loss", *_CURVE),
        ("seconds", *_CURVE),
        ("test_accuracy", np.float32),
        ("reference_seconds", np.float32),
        ("when", np.float64),
    ]
)


class Journal:
    """A journal, opened to be continued.

    Parameters
    ----------
    path : Path
        Made if it is not there.
    header : dict
        What is measured, by which versions, on which machine.

    Raises
    ------
    AnbError
        If the file was begun for another plan or by another machine or version.
    """

    def __init__(self, path: Path, header: dict[str, Any]) -> None:
        line = json.dumps(header, sort_keys=True).encode() + b"\n"
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(line)
        begun, self.rows, size = _read(path)
        if begun != header:
            differ = sorted(key for key in {*begun, *header} if begun.get(key) != header.get(key))
            msg = (
                f"{path} was begun with other {', '.join(differ)}: go on where it was begun, "
                "or choose another --out (the journal lies beside it)"
            )
            raise AnbError(msg)
        self._file = path.open("r+b", buffering=0)
        self._file.truncate(size)
        self._file.seek(size)

    def add(self, record: npt.NDArray[np.void]) -> None:
        """Write one record."""
        self._file.write(record.tobytes())

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def read(path: Path) -> tuple[dict[str, Any], npt.NDArray[np.void]]:
    """Return the header of a journal and its whole records."""
    header, rows, _ = _read(path)
    return header, rows


def _read(path: Path) -> tuple[dict[str, Any], npt.NDArray[np.void], int]:
    content = path.read_bytes()
    first, end, rest = content.partition(b"\n")
    try:
        header = json.loads(first)
    except ValueError:
        header = None
    if not end or not isinstance(header, dict):
        msg = f"{path} is no journal of this command; remove it, or choose another --out"
        raise AnbError(msg)
    count = len(rest) // RECORD.itemsize
    rows = np.frombuffer(rest, RECORD, count).copy()
    return header, rows, len(first) + 1 + count * RECORD.itemsize
