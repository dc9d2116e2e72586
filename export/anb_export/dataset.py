"""Reads the Accel-NASBench measurements: a tar archive, or a folder, of ``result_N.json`` files.

The archive comes from elsewhere, so nothing in it is believed: it is never unpacked to disk, its
members are checked before they are read, and every record is checked key by key.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anb_export.targets import TARGETS, get_target
from anb_onnx.architecture import Architecture
from anb_onnx.errors import AnbError
from anb_onnx.space import MNASNET, SearchSpace

#: Largest accepted record; the published ones have 1.4 kB.
MAX_RECORD_BYTES = 1 << 20
#: Largest accepted number of members of an archive; the published one has 5,139.
MAX_MEMBERS = 1_000_000

_RECORD_NAME = re.compile(r"result_(0|[1-9][0-9]{0,8})\.json")


class DatasetError(AnbError):
    """The data set cannot be read, or a record of it is not what it should be."""


@dataclass(frozen=True, eq=False)
class Dataset:
    """Measured architectures, one row per record, in the order of the record numbers.

    Attributes
    ----------
    names : tuple of str
        File name of each record, ``result_N.json``; n of them.
    codes : ndarray of uint8, shape (n, n_genes)
        Gene codes of each architecture. Architectures measured more than once appear as often.
    values : dict of str to ndarray of float64, shape (n,)
        Measured value per target, in the target's unit; NaN where it is missing.
    stds : dict of str to ndarray of float64, shape (n,)
        Standard deviation of the repeated measurements per target; NaN where not published.
    sha256 : str
        Digest over the sorted record names and their contents, equal for an archive and for the
        folder unpacked from it.
    """

    names: tuple[str, ...]
    codes: NDArray[np.uint8]
    values: dict[str, NDArray[np.float64]]
    stds: dict[str, NDArray[np.float64]]
    sha256: str

    def __len__(self) -> int:
        return len(self.names)

    def labelled(self, target: str, rows: NDArray[np.int64]) -> tuple[NDArray[np.int64], int]:
        """Drop the rows that have no value for `target`.

        Parameters
        ----------
        target : str
            Name of a target.
        rows : ndarray of int64, shape (k,)
            Rows of this data set.

        Returns
        -------
        kept : ndarray of int64
            The rows with a value, in the given order.
        n_dropped : int
            How many rows were dropped.

        Raises
        ------
        TargetError
            If the target is unknown.
        DatasetError
            If no row has a value.
        """
        get_target(target)
        kept = rows[~np.isnan(self.values[target][rows])]
        if len(kept) == 0:
            msg = f"none of the {len(rows)} records has a value for {target!r}"
            raise DatasetError(msg)
        return kept, len(rows) - len(kept)

    def groups(self) -> NDArray[np.int64]:
        """Return int64 [n]: a number per record, equal where the architectures are equal."""
        _, inverse = np.unique(self.codes, axis=0, return_inverse=True)
        return np.asarray(inverse, dtype=np.int64).reshape(-1)

    def is_unique(self) -> NDArray[np.bool_]:
        """Return bool [n]: True at the first record of each architecture, False at repeats."""
        _, first = np.unique(self.codes, axis=0, return_index=True)
        unique = np.zeros(len(self), dtype=np.bool_)
        unique[first] = True
        return unique


def read_dataset(path: str | Path, *, space: SearchSpace = MNASNET) -> Dataset:
    """Read and check the measurements at `path`.

    Parameters
    ----------
    path : str or Path
        A tar archive (plain or compressed) of ``result_N.json`` files, or a folder that holds
        them directly or in its only subfolder that has any.
    space : SearchSpace
        The space the architectures must belong to.

    Returns
    -------
    Dataset

    Raises
    ------
    DatasetError
        If the path does not exist or holds no records, or an archive member is not a regular
        file, is too large, is not named ``result_N.json`` or appears twice, or a record is not
        JSON, lacks a key, or holds a value of the wrong kind. The message names file and key.
    """
    path = Path(path)
    try:
        members = _from_folder(path) if path.is_dir() else _from_archive(path)
        contents = dict(members)
    except FileNotFoundError:
        msg = f"no data set at {path}: give anb_dataset_jsons.tar.gz or the folder unpacked from it"
        raise DatasetError(msg) from None
    except (tarfile.TarError, EOFError, OSError) as error:
        msg = f"cannot read the data set {path}: {error}"
        raise DatasetError(msg) from error
    if not contents:
        msg = f"{path} holds no result_N.json"
        raise DatasetError(msg)
    names = sorted(contents, key=_record_number)
    records = [_parse(name, contents[name]) for name in names]
    nan = float("nan")
    return Dataset(
        names=tuple(names),
        codes=np.array(
            [_codes(n, r, space) for n, r in zip(names, records, strict=True)], dtype=np.uint8
        ).reshape(len(names), space.n_genes),
        values={spec.name: _column(names, records, spec.mean_path) for spec in TARGETS.values()},
        stds={
            spec.name: _column(names, records, spec.std_path)
            if spec.std_path
            else np.full(len(names), nan)
            for spec in TARGETS.values()
        },
        sha256=_digest(contents),
    )


def _from_archive(path: Path) -> Iterator[tuple[str, bytes]]:
    seen: set[str] = set()
    with tarfile.open(path, mode="r:*") as archive:
        for count, member in enumerate(archive):
            if count >= MAX_MEMBERS:
                msg = f"{path} has more than {MAX_MEMBERS} members"
                raise DatasetError(msg)
            place = PurePosixPath(member.name)
            if place.is_absolute() or ".." in place.parts:
                msg = f"{path}: member {member.name!r} points outside the archive"
                raise DatasetError(msg)
            if member.isdir():
                continue
            if not member.isreg():
                msg = f"{path}: member {member.name!r} is not a regular file"
                raise DatasetError(msg)
            if not _RECORD_NAME.fullmatch(place.name):
                msg = f"{path}: member {member.name!r} is not named result_N.json"
                raise DatasetError(msg)
            if place.name in seen:
                msg = f"{path}: {place.name} appears twice"
                raise DatasetError(msg)
            if member.size > MAX_RECORD_BYTES:
                msg = f"{path}: {place.name} has {member.size} bytes, allowed {MAX_RECORD_BYTES}"
                raise DatasetError(msg)
            seen.add(place.name)
            stream = archive.extractfile(member)
            if stream is None:  # only links and devices have no content, refused above
                msg = f"{path}: member {member.name!r} has no content"
                raise DatasetError(msg)
            yield place.name, stream.read()


def _from_folder(path: Path) -> Iterator[tuple[str, bytes]]:
    files = _records_in(path)
    if not files:
        inner = [found for p in sorted(path.iterdir()) if p.is_dir() and (found := _records_in(p))]
        if len(inner) > 1:
            msg = f"{path}: {len(inner)} subfolders hold result_N.json; give one of them"
            raise DatasetError(msg)
        files = inner[0] if inner else []
    for file in files:
        if not file.is_file():
            msg = f"{file} is not a regular file"
            raise DatasetError(msg)
        size = file.stat().st_size
        if size > MAX_RECORD_BYTES:
            msg = f"{file} has {size} bytes, allowed {MAX_RECORD_BYTES}"
            raise DatasetError(msg)
        yield file.name, file.read_bytes()


def _records_in(folder: Path) -> list[Path]:
    return sorted(p for p in folder.iterdir() if _RECORD_NAME.fullmatch(p.name))


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
    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) != len(pairs):
            keys = [key for key, _ in pairs]
            twice = next(key for key in keys if keys.count(key) > 1)
            msg = f"{name}: key {twice!r} appears twice"
            raise DatasetError(msg)
        return found

    try:
        record = json.loads(content.decode("utf-8"), object_pairs_hook=unique)
    except DatasetError:
        raise
    except (ValueError, RecursionError) as error:
        msg = f"{name} is not JSON: {error}"
        raise DatasetError(msg) from error
    if not isinstance(record, dict):
        msg = f"{name}: expected an object at the top, found {type(record).__name__}"
        raise DatasetError(msg)
    return record


def _codes(name: str, record: dict[str, Any], space: SearchSpace) -> tuple[int, ...]:
    values = _look_up(name, record, ("architecture",))
    if not isinstance(values, dict):
        msg = f"{name}: architecture must be an object, found {type(values).__name__}"
        raise DatasetError(msg)
    try:
        return tuple(Architecture.from_values(values, space=space).codes)
    except AnbError as error:
        msg = f"{name}: architecture: {error}"
        raise DatasetError(msg) from error


def _column(
    names: list[str], records: list[dict[str, Any]], path: tuple[str, ...]
) -> NDArray[np.float64]:
    return np.array(
        [_number(n, r, path) for n, r in zip(names, records, strict=True)], dtype=np.float64
    )


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
