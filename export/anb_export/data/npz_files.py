"""Arrays of published measurements in .npz files: read as plain numbers, nothing is unpickled."""

from __future__ import annotations

import hashlib
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anb_export.data.dataset import Dataset, DatasetError, Origin

#: Kinds of arrays by the letter of their dtype, in words.
_KINDS = {"u": "unsigned integers", "f": "floats", "U": "strings"}


def read_arrays(
    path: Path, wanted: Mapping[str, tuple[str, tuple[int | None, ...]]]
) -> dict[str, NDArray[Any]]:
    """Read arrays of a .npz file.

    Parameters
    ----------
    path : Path
    wanted : mapping of str to (str, tuple)
        Of each array its kind, a letter of `numpy.dtype.kind`, and its shape; None is any size.

    Returns
    -------
    dict of str to ndarray
        Those wanted, as they are stored.

    Raises
    ------
    DatasetError
        If the file is missing or no such file, an array is missing, holds objects, or is of another
        kind or shape; names file and array.
    """
    try:
        with np.load(path, allow_pickle=False) as stored:
            missing = sorted(wanted.keys() - set(stored.files))
            if missing:
                msg = f"{path} has no array {missing[0]!r}; it has {', '.join(stored.files)}"
                raise DatasetError(msg)
            found = {name: np.asarray(stored[name]) for name in wanted}
    except FileNotFoundError as error:
        msg = f"{path} is missing; --data names the folder that holds {path.name}"
        raise DatasetError(msg) from error
    # A pickled array is a ValueError; a single array in place of the archive has no `files`.
    except (OSError, ValueError, AttributeError, zipfile.BadZipFile) as error:
        msg = f"{path} is not a readable .npz file: {error}"
        raise DatasetError(msg) from error
    for name, (kind, shape) in wanted.items():
        array = found[name]
        fits = len(array.shape) == len(shape) and all(
            size in (None, actual) for size, actual in zip(shape, array.shape, strict=True)
        )
        if array.dtype.kind != kind or not fits:
            sizes = ", ".join("n" if size is None else str(size) for size in shape)
            msg = (
                f"{path}: array {name!r} must hold {_KINDS[kind]} [{sizes}], not "
                f"{array.dtype} {[*array.shape]}"
            )
            raise DatasetError(msg)
    return found


def check_equal(path: Path, name: str, found: NDArray[Any], expected: tuple[str, ...]) -> None:
    """Refuse an array of names that are not the expected ones: codes would mean something else.

    Raises
    ------
    DatasetError
    """
    if tuple(found.tolist()) != expected:
        msg = f"{path}: array {name!r} must be {', '.join(expected)}, not {', '.join(found)}"
        raise DatasetError(msg)


def dataset_of(
    origin: Origin, codes: NDArray[np.uint8], values: Mapping[str, NDArray[np.float64]]
) -> Dataset:
    """Return arrays as a data set whose records are called by their numbers.

    Parameters
    ----------
    origin : Origin
    codes : ndarray of uint8, shape (n, n_genes)
    values : mapping of str to ndarray of float64, shape (n,)
        Of every target of the origin.

    Raises
    ------
    DatasetError
        If a code is out of range, or a value is not finite.
    """
    out_of_range = (codes >= origin.space.cardinalities).any(axis=1)
    if out_of_range.any():
        row = int(out_of_range.argmax())
        msg = f"{origin.name}: record {row} has codes {codes[row].tolist()}, which are out of range"
        raise DatasetError(msg)
    digest = hashlib.sha256(np.ascontiguousarray(codes).tobytes())
    stored = {}
    for name in origin.targets:
        column = np.ascontiguousarray(values[name], dtype="<f8")
        if not np.isfinite(column).all():
            row = int((~np.isfinite(column)).argmax())
            msg = f"{origin.name}: record {row} has no value for {name!r}, but {column[row]}"
            raise DatasetError(msg)
        digest.update(name.encode() + b"\0" + column.tobytes())
        stored[name] = column.astype(np.float64)
    unknown = np.full(len(codes), np.nan)
    return Dataset(
        origin=origin,
        names=tuple(map(str, range(len(codes)))),
        codes=np.ascontiguousarray(codes),
        values=stored,
        stds=dict.fromkeys(stored, unknown),
        sha256=digest.hexdigest(),
    )
