"""Predictions of one row group as a Parquet file that says what it is and proves that it is whole.

Two keys stand in the file's own metadata: the *job* that it is the result of (JSON: the row group,
the SHA-256 of what was read of it, the targets with the SHA-256 of their artifacts), and the
SHA-256 of the file, taken with zeros in its own place. The same job gives the same bytes, so that
whoever writes a part twice, also at once, does no harm.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO

import numpy.typing as npt

from anb_onnx._io.files import open_regular
from anb_onnx._io.output import open_output
from anb_onnx._io.show import show
from anb_onnx._io.strict_json import loads
from anb_onnx.errors import AnbError

#: A job, by key: what must be the same for a part to be kept.
Job = Mapping[str, Any]
#: The columns of some rows, in the order of `columns_of`.
Rows = Sequence[npt.NDArray[Any]]

_JOB, _SHA256 = b"anb_onnx.score", b"anb_onnx.sha256"
_ZEROS = b"0" * 64
_CHUNK = 2**20


class PartError(AnbError):
    """A file of predictions is there already, and is not that of this job."""


#: What there is of a target beside its mean and std, if an interval is asked for.
SURE = ("predictive_std", "lower", "upper")


def columns_of(
    targets: Mapping[str, int], *, members: bool, big: bool, interval: bool = False
) -> dict[str, str]:
    """Return the columns of a part with their Arrow types, named as `anb-onnx query --csv` does.

    A question mark stands at a type where an artifact without a calibration has nothing.

    Parameters
    ----------
    targets : mapping of str to int
        Their names and numbers of members.
    members : bool
        Whether there is a column for each member.
    big : bool
        Whether indices are decimals, as 64 bits do not hold them.
    interval : bool
        Whether there is where new measurements would lie.
    """
    columns = {"index": "string" if big else "int64"}
    for name, n_members in targets.items():
        columns |= {f"{name}_mean": "float32", f"{name}_std": "float32"}
        if interval:
            columns |= {f"{name}_{form}": "float32?" for form in SURE}
        if members:
            columns |= {f"{name}_member_{i}": "float32" for i in range(n_members)}
    return columns


def write_part(path: Path, job: Job, columns: Mapping[str, str], rows: Iterable[Rows]) -> str:
    """Write a part, whole or not at all, in memory that does not grow with the number of rows.

    Returns
    -------
    str
        The SHA-256 that stands in it.

    Raises
    ------
    OutputError
        If it cannot be written.
    """
    import pyarrow
    import pyarrow.parquet

    fields = [
        pyarrow.field(name, getattr(pyarrow, kind.rstrip("?"))(), nullable=kind.endswith("?"))
        for name, kind in columns.items()
    ]
    schema = pyarrow.schema(fields, {_JOB: _text(job), _SHA256: _ZEROS})
    with open_output(path, through=False, parents=True) as stream:
        sink = _Sink(stream)
        # Arrow's own copy of the schema is in base64: the zeros stand at one place only.
        with pyarrow.parquet.ParquetWriter(
            sink, schema, compression="zstd", use_dictionary=False
        ) as writer:
            for arrays in rows:
                cells = [pyarrow.array(a, f.type) for a, f in zip(arrays, fields, strict=True)]
                writer.write_table(pyarrow.Table.from_arrays(cells, schema=schema))
        digest = sink.found.hexdigest()
        stream.seek(sink.zeros)
        stream.write(digest.encode())
    return digest


def _text(job: Job) -> bytes:
    return json.dumps(job, sort_keys=True, separators=(",", ":")).encode()


class _Sink(io.RawIOBase):
    """Passes on what is written, keeps its SHA-256, and where zeros for a digest stood last."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._size = 0
        self.found = hashlib.sha256()
        self.zeros = -1

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        part = bytes(data)
        self._stream.write(part)
        self.found.update(part)
        # Only the footer has them for certain, and it comes last, in one piece.
        if (place := part.rfind(_ZEROS)) >= 0:
            self.zeros = self._size + place
        self._size += len(part)
        return len(part)

    def tell(self) -> int:
        return self._size


def find_part(path: Path, job: Job, *, but: Sequence[str] = (), whole: bool = True) -> str | None:
    """Return the SHA-256 in a part that is there already; None where there is none, or damage.

    Parameters
    ----------
    path : Path
    job : mapping
        What it must be the result of.
    but : sequence of str
        Keys of the job that are not compared.
    whole : bool
        Whether to read all of it and compare the SHA-256; else its footer is believed.

    Raises
    ------
    PartError
        If the file is something else: no such part, or one of another job.
    FileError
        If it cannot be read, or is no regular file.
    """
    if not os.path.lexists(path):
        return None
    with open_regular(path) as source:
        found, digest = _read_footer(path, source)
        _check_job(path, found, job, but)
        return digest if not whole or _sha256(source, digest.encode()) == digest else None


def _read_footer(path: Path, source: BinaryIO) -> tuple[Job, str]:
    import pyarrow
    import pyarrow.parquet

    mend = "remove it, or give another folder"
    try:
        metadata = pyarrow.parquet.ParquetFile(source).metadata.metadata or {}
        found = loads(metadata[_JOB])
        digest = metadata[_SHA256].decode("ascii")
    except (pyarrow.ArrowException, OSError, ValueError, KeyError, TypeError) as error:
        msg = f"{path} is in the way: it holds no predictions, or is damaged; {mend}"
        raise PartError(msg) from error
    if not isinstance(found, dict) or not re.fullmatch("[0-9a-f]{64}", digest):
        msg = f"{path} is in the way: it holds no predictions that can be read; {mend}"
        raise PartError(msg)
    return found, digest


def _check_job(path: Path, found: Job, job: Job, but: Sequence[str]) -> None:
    there, here = _flat(found), _flat(job)
    for key in sorted({*there, *here} - {*but}):
        if there.get(key) != here.get(key):
            msg = (
                f"{path} holds predictions of another job: {key} is {show(there.get(key))} there, "
                f"{show(here.get(key))} here; remove it, or give another folder"
            )
            raise PartError(msg)


def _flat(job: Job) -> dict[str, Any]:
    """Return a job with what stands in its objects under keys of their own."""
    flat: dict[str, Any] = {}
    for key, value in job.items():
        flat |= (
            {f"{key} {k}": v for k, v in value.items()} if isinstance(value, dict) else {key: value}
        )
    return flat


def _sha256(source: BinaryIO, digest: bytes) -> str:
    """Return the SHA-256 of a file with zeros where a digest stands last."""
    size = source.seek(0, os.SEEK_END)
    place = _last(source, size, digest)
    found = hashlib.sha256()
    source.seek(0)
    for start, stop in ((0, place), (place + len(digest), size)):
        source.seek(start)
        while start < stop and (part := source.read(min(_CHUNK, stop - start))):
            found.update(part)
            start += len(part)
        if stop == place:
            found.update(_ZEROS)
    return found.hexdigest()


def _last(source: BinaryIO, size: int, text: bytes) -> int:
    """Return where a text stands last in a file, looking from its end."""
    stop = size
    while stop > 0:
        start = max(0, stop - _CHUNK)
        source.seek(start)
        place = source.read(stop - start).rfind(text)
        if place >= 0:
            return start + place
        stop = start + len(text) - 1 if start else 0
    return size
