"""Reads the Accel-NASBench measurements: a tar archive, or a folder, of ``result_N.json`` files.

The archive comes from elsewhere, so nothing in it is believed: it is never unpacked to disk, its
members are checked before they are read, and every record is checked key by key. However small the
file, no more than a stated number of bytes is ever unpacked from it.
"""

from __future__ import annotations

import bz2
import gzip
import hashlib
import io
import lzma
import math
import os
import re
import tarfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path, PurePosixPath
from typing import IO, Any, Literal, NamedTuple, Self, TypeAlias, cast

import numpy as np
from numpy.typing import NDArray

from anb_export.data.dataset import Dataset, DatasetError, Origin
from anb_export.data.targets import TargetSpec
from anb_onnx._io.files import FileError, limit_of, open_regular, read_regular
from anb_onnx._io.show import show
from anb_onnx._io.strict_json import JsonError, loads
from anb_onnx.errors import AnbError
from anb_onnx.spaces.architecture import Architecture
from anb_onnx.spaces.mnasnet import MNASNET

#: Largest accepted record; the published ones have 1.4 kB.
MAX_RECORD_BYTES = 1 << 20
#: Most bytes of all records, each with the block of 512 bytes that heads it in an archive; the
#: published archive has 10.5 MB when it is unpacked.
MAX_BYTES = 1 << 26
#: Environment variable that sets `MAX_BYTES`.
MAX_BYTES_VARIABLE = "ANB_ONNX_MAX_DATASET_BYTES"

_UNPACKING = (EOFError, OSError, zlib.error, lzma.LZMAError)
_BLOCK = tarfile.BLOCKSIZE
_CHUNK = 1 << 20
#: Headers that say more about the next member, such as a long name, and how large one may be.
_FURTHER_HEADERS = (
    tarfile.XHDTYPE,
    tarfile.XGLTYPE,
    tarfile.SOLARIS_XHDTYPE,
    tarfile.GNUTYPE_LONGNAME,
    tarfile.GNUTYPE_LONGLINK,
)
_MAX_HEADER_BYTES = 4096

_RECORD_NAME = re.compile(r"result_(0|[1-9][0-9]{0,8})\.json")

_Path: TypeAlias = tuple[str, ...]


class _Place(NamedTuple):
    """Keys that lead from the top of a record to a value, and to its standard deviation."""

    mean: _Path
    std: _Path | None = None


def _on_device(
    metric: str, device: str, unit: str, direction: Literal["max", "min"]
) -> tuple[TargetSpec, _Place]:
    name = f"{metric}_{device}"
    section = ("platform_perf", name)
    place = _Place((*section, f"{metric}_mean"), (*section, f"{metric}_std"))
    return TargetSpec(name, metric, device, unit, direction), place


_MEASURED: tuple[tuple[TargetSpec, _Place], ...] = (
    (TargetSpec("accuracy", "accuracy", None, "%", "max"), _Place(("metrics", "val_top1"))),
    *(
        _on_device("throughput", device, "images/s", "max")
        for device in ("a100", "3090", "tpuv2", "tpuv3", "zcu102", "vck190")
    ),
    *(_on_device("latency", device, "ms", "min") for device in ("zcu102", "vck190")),
    (TargetSpec("train_time", "train_time", None, "s", "min"), _Place(("metrics", "train_time"))),
    (TargetSpec("macs", "macs", None, "M", "min", exact=True), _Place(("model_info", "macs"))),
    (
        TargetSpec("params", "params", None, "M", "min", exact=True),
        _Place(("model_info", "params")),
    ),
)
_PLACES = tuple(place for _, place in _MEASURED)

#: The targets by name, in the order in which they are listed to users.
TARGETS: dict[str, TargetSpec] = {spec.name: spec for spec, _ in _MEASURED}

#: What all its records have in common.
ACCEL_NASBENCH = Origin("accel-nasbench", "Accel-NASBench", "Apache-2.0", MNASNET, TARGETS)


def read_archive(path: str | Path) -> Dataset:
    """Read and check the measurements of Accel-NASBench at `path`.

    Parameters
    ----------
    path : str or Path
        A tar archive (plain or compressed) of ``result_N.json`` files, or a folder that holds
        them directly or in its only subfolder that has any.

    Returns
    -------
    Dataset

    Raises
    ------
    DatasetError
        If the path does not exist or holds no records, or an archive member is not a regular
        file, is too large, is not named ``result_N.json`` or appears twice, or all of them have
        more bytes than ``ANB_ONNX_MAX_DATASET_BYTES`` (`MAX_BYTES`), or a record is not JSON,
        lacks a key, or holds a value of the wrong kind. The message names file and key.
    """
    path = Path(path)
    limit = limit_of(MAX_BYTES_VARIABLE, MAX_BYTES)
    try:
        if not path.exists():
            msg = (
                f"no data set at {path} (looked for {path.absolute()}): `anb-export fetch-data` "
                "downloads anb_dataset_jsons.tar.gz and prints where it lies; give that, or the "
                "folder unpacked from it"
            )
            raise DatasetError(msg)
        members = _from_folder(path, limit) if path.is_dir() else _from_archive(path, limit)
        contents = dict(members)
    except FileError as error:
        raise DatasetError(str(error)) from error
    except DatasetError:
        raise
    # `tarfile` reads numbers that are none, and headers behind headers, without a check.
    except (tarfile.TarError, *_UNPACKING, ValueError, IndexError, RecursionError) as error:
        msg = f"cannot read the data set {path}: {error}"
        raise DatasetError(msg) from error
    if not contents:
        msg = (
            f"{path} holds no result_N.json; `anb-export fetch-data` downloads "
            "anb_dataset_jsons.tar.gz, which does"
        )
        raise DatasetError(msg)
    names = sorted(contents, key=_record_number)
    # Each document is dropped once it is read: it takes many times the bytes of its text.
    rows = [_read_record(name, contents[name]) for name in names]
    return Dataset(
        origin=ACCEL_NASBENCH,
        names=tuple(names),
        codes=np.array([row.codes for row in rows], dtype=np.uint8).reshape(-1, MNASNET.n_genes),
        values=_columns(row.values for row in rows),
        stds=_columns(row.stds for row in rows),
        sha256=_digest(contents),
    )


class _Row(NamedTuple):
    """What is kept of a record; values and standard deviations in the order of `TARGETS`."""

    codes: tuple[int, ...]
    values: list[float]
    stds: list[float]


def _read_record(name: str, content: bytes) -> _Row:
    record = _parse(name, content)
    return _Row(
        _codes(name, record),
        [_number(name, record, place.mean) for place in _PLACES],
        [_number(name, record, place.std) if place.std else math.nan for place in _PLACES],
    )


def _columns(rows: Iterable[list[float]]) -> dict[str, NDArray[np.float64]]:
    table = np.array(list(rows), dtype=np.float64)
    return {name: table[:, k].copy() for k, name in enumerate(TARGETS)}


def _from_archive(path: Path, limit: int) -> Iterator[tuple[str, bytes]]:
    content = _unpack(path, limit)
    seen: set[str] = set()
    with tarfile.open(fileobj=io.BytesIO(content), mode="r:", tarinfo=_Header) as archive:
        for member in archive:
            place = PurePosixPath(member.name)
            if place.is_absolute() or ".." in place.parts:
                msg = f"{path}: member {show(member.name)} points outside the archive"
                raise DatasetError(msg)
            if member.isdir():
                continue
            if not member.isreg() or member.issparse():
                msg = f"{path}: member {show(member.name)} is not a regular file"
                raise DatasetError(msg)
            if not _RECORD_NAME.fullmatch(place.name):
                msg = f"{path}: member {show(member.name)} is not named result_N.json"
                raise DatasetError(msg)
            if place.name in seen:
                msg = f"{path}: {place.name} appears twice"
                raise DatasetError(msg)
            if not 0 <= member.size <= MAX_RECORD_BYTES:
                msg = f"{path}: {place.name} has {member.size} bytes, allowed {MAX_RECORD_BYTES}"
                raise DatasetError(msg)
            seen.add(place.name)
            stop = member.offset_data + member.size
            if stop > len(content):
                msg = f"{path}: {place.name} ends before its {member.size} bytes"
                raise DatasetError(msg)
            yield place.name, content[member.offset_data : stop]
        # `tarfile` takes a damaged header, too, for the end of the archive.
        rest = content[archive.offset :]
        if len(rest) < _BLOCK or rest.strip(b"\0"):
            msg = (
                f"{path} is damaged or incomplete: after {len(seen)} records, byte "
                f"{archive.offset:,} is neither a record nor the end of an archive"
            )
            raise DatasetError(msg)


class _Header(tarfile.TarInfo):
    """Header of a member: `tarfile` believes every size that one states of a further header."""

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> Self:
        found = super().frombuf(buf, encoding, errors)
        most = _MAX_HEADER_BYTES if found.type in _FURTHER_HEADERS else 1 << 48
        if not 0 <= found.size <= most:
            msg = f"a header of the archive states {found.size} bytes, allowed {most}"
            raise DatasetError(msg)
        return found


def _unpack(path: Path, limit: int) -> bytes:
    """Return the tar archive in a compressed file or a plain one, up to a limit."""
    with open_regular(path) as file:
        start = file.read(6)
        file.seek(0)
        # No compressed archive is larger than what is in it, so neither kind is.
        if os.fstat(file.fileno()).st_size > limit:
            raise DatasetError(_too_large(path, limit))
        with _opener(start)(io.BufferedReader(cast(io.RawIOBase, file))) as stream:
            parts, total = [], 0
            while part := stream.read(_CHUNK):  # to the end, where the checksum is
                parts.append(part)
                total += len(part)
                if total > limit:
                    raise DatasetError(_too_large(path, limit))
    return b"".join(parts)


def _opener(start: bytes) -> Callable[[IO[bytes]], IO[bytes]]:
    """Return what unpacks a file that starts so."""
    if start.startswith(b"\x1f\x8b"):
        return lambda file: cast(IO[bytes], gzip.GzipFile(fileobj=file))
    if start.startswith(b"BZh"):
        return bz2.BZ2File
    if start == b"\xfd7zXZ\x00":
        return lzma.LZMAFile
    return lambda file: file


def _too_large(path: Path, limit: int) -> str:
    return (
        f"{path} has more than {limit} bytes when unpacked, which is the limit "
        f"({MAX_BYTES_VARIABLE} sets it)"
    )


def _from_folder(path: Path, limit: int) -> Iterator[tuple[str, bytes]]:
    files = _records_in(path, limit)
    if not files:
        folders = [p for p in sorted(path.iterdir()) if p.is_dir()]
        inner = [found for p in folders if (found := _records_in(p, limit))]
        if len(inner) > 1:
            msg = f"{path}: {len(inner)} subfolders hold result_N.json; give one of them"
            raise DatasetError(msg)
        files = inner[0] if inner else []
    total = 0
    for file in files:
        content = read_regular(file, MAX_RECORD_BYTES)
        total += _BLOCK + len(content)
        if total > limit:
            raise DatasetError(_too_large(path, limit))
        yield file.name, content


def _records_in(folder: Path, limit: int) -> list[Path]:
    found = []
    for path in folder.iterdir():
        if _RECORD_NAME.fullmatch(path.name):
            found.append(path)
            if len(found) * _BLOCK > limit:
                raise DatasetError(_too_large(folder, limit))
    return sorted(found)


def _record_number(name: str) -> int:
    return int(name.removeprefix("result_").removesuffix(".json"))


def _digest(contents: dict[str, bytes]) -> str:
    digest = hashlib.sha256()
    for name in sorted(contents):
        # The length closes each content, so that no two data sets give the same stream.
        digest.update(f"{name}\n{len(contents[name])}\n".encode())
        digest.update(contents[name])
    return digest.hexdigest()


def _parse(name: str, content: bytes) -> dict[str, Any]:
    try:
        record = loads(content)
    except JsonError as error:
        msg = f"{name} is not JSON: {error}"
        raise DatasetError(msg) from error
    if not isinstance(record, dict):
        msg = f"{name}: expected an object at the top, found {type(record).__name__}"
        raise DatasetError(msg)
    return record


def _codes(name: str, record: dict[str, Any]) -> tuple[int, ...]:
    values = _look_up(name, record, ("architecture",))
    if not isinstance(values, dict):
        msg = f"{name}: architecture must be an object, found {type(values).__name__}"
        raise DatasetError(msg)
    try:
        return tuple(Architecture(values, space=MNASNET).codes)
    except AnbError as error:
        msg = f"{name}: architecture: {error}"
        raise DatasetError(msg) from error


def _number(name: str, record: dict[str, Any], path: tuple[str, ...]) -> float:
    value = _look_up(name, record, path)
    if value is None:  # null: not measured
        return math.nan
    number = math.nan
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        # An integer of a thousand digits does not fit a float.
        number = float(value) if abs(value) <= 1e300 else math.inf
    if not math.isfinite(number):
        msg = f"{name}: {'.'.join(path)} must be a finite number or null, found {str(value)[:40]!r}"
        raise DatasetError(msg)
    return number


def _look_up(name: str, record: dict[str, Any], path: tuple[str, ...]) -> Any:
    value: Any = record
    for depth, key in enumerate(path):
        if not isinstance(value, dict):
            msg = f"{name}: {'.'.join(path[:depth])} must be an object"
            raise DatasetError(msg)
        if key not in value:
            msg = f"{name}: key {'.'.join(path[: depth + 1])!r} is missing"
            raise DatasetError(msg)
        value = value[key]
    return value
