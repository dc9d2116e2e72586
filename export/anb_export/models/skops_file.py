"""Reads skops files, scikit-learn's format without pickles, through the library skops itself.

skops makes objects of audited types only. Here it may make four estimators, what these consist of,
and nothing else.
"""

from __future__ import annotations

import io
import json
import shutil
import warnings
import zipfile
import zlib
from typing import Any

from anb_export.models._pickled_names import HINTS
from anb_export.models.other_files import what_archive
from anb_onnx.errors import AnbError

#: How every skops file begins: it is a zip archive.
MAGIC = b"PK\x03\x04"
ESTIMATORS = (
    "sklearn.ensemble._forest.RandomForestRegressor",
    "sklearn.ensemble._forest.ExtraTreesRegressor",
    "sklearn.svm._classes.SVR",
    "sklearn.svm._classes.NuSVR",
)
_SCHEMA = "schema.json"
#: Most bytes of it, which become twenty times as many as objects. A tree of a forest has 15 kB.
_LARGEST_SCHEMA = 2**24
#: Most bytes unpacked: these, and so many for each byte of the file. Deflate can reach 1,000.
_UNPACKED, _RATIO = 2**26, 50
# bz2 and lzma unpack to any size in one step.
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
# skops warns of trees because scikit-learn follows their nodes' numbers unchecked when it predicts.
# Nothing here predicts with them: the numbers are copied, and checked by `Forest`.
_TRUSTED = ["sklearn.tree._tree.Tree"]


class SkopsError(AnbError):
    """A skops file is damaged, or holds something that is not allowed."""


def load_estimator(content: bytes, *, limit: int) -> Any:
    """Return the estimator in a skops file.

    Parameters
    ----------
    content : bytes
    limit : int
        Largest size of the unpacked content.

    Raises
    ------
    SkopsError
        If skops is not installed, or the file is no skops file, is too large, is damaged, or holds
        anything but one of `ESTIMATORS`.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            entries = archive.namelist()
            if _SCHEMA not in entries:
                what = what_archive(entries) or "an archive; unpack it, and give the model file"
                raise SkopsError(what)
            content = _repacked(archive, min(limit, _UNPACKED + _RATIO * len(content)))
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            root = json.loads(archive.read(_SCHEMA))
    except SkopsError:
        raise
    except _DAMAGED as error:
        msg = (
            "an archive, but not one of skops, or damaged; give the model itself, as its library "
            "saves it"
        )
        raise SkopsError(msg) from error
    path = [root.get(key) for key in ("__module__", "__class__")] if isinstance(root, dict) else []
    if not path or not all(isinstance(name, str) for name in path):
        msg = f"an archive, but not one of skops: {_SCHEMA} names no class"
        raise SkopsError(msg)
    found = ".".join(map(str, path))
    if found not in ESTIMATORS:
        hint = f"; {HINTS[found]}" if found in HINTS else ""
        supported = ", ".join(ESTIMATORS)
        msg = f"the skops file holds a {_one_line(found)[:80]}, supported are {supported}{hint}"
        raise SkopsError(msg)
    try:
        import skops.io
        from skops.io.exceptions import UntrustedTypesFoundException
    except ImportError:
        msg = "skops files need skops: pip install skops"
        raise SkopsError(msg) from None
    try:
        # NumPy warns of odd arrays, which are checked where they are used.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return skops.io.loads(content, trusted=_TRUSTED)
    except UntrustedTypesFoundException as error:
        names = ", ".join(sorted(set(skops.io.get_untrusted_types(data=content)) - {*_TRUSTED}))
        msg = f"the skops file asks for {names[:200]}, which is not allowed; it was not loaded"
        raise SkopsError(msg) from error
    except Exception as error:  # whatever a damaged file makes of skops and scikit-learn
        msg = f"the skops file is damaged: {type(error).__name__}: {_one_line(error)}"
        raise SkopsError(msg) from error


def _repacked(archive: zipfile.ZipFile, limit: int) -> bytes:
    """Return the archive without compression: of the sizes it states, whatever it holds.

    What zipfile unpacks in one step may be larger than an entry claims to be.
    """
    entries = {entry.filename: entry for entry in archive.infolist()}.values()
    size = sum(entry.file_size for entry in entries)
    if size > limit:
        msg = f"{size} bytes in an archive are too many, at most {limit} are read"
        raise SkopsError(msg)
    schema = archive.getinfo(_SCHEMA).file_size
    if schema > _LARGEST_SCHEMA:
        msg = (
            f"{schema} bytes in {_SCHEMA} are too many, at most {_LARGEST_SCHEMA} are read; give a "
            "pickle of the model"
        )
        raise SkopsError(msg)
    if any(entry.compress_type not in _METHODS for entry in entries):
        msg = "an archive compressed by another method than deflate; write it without compression"
        raise SkopsError(msg)
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as target:
        for entry in entries:
            with archive.open(entry) as source, target.open(entry.filename, "w") as copy:
                shutil.copyfileobj(source, copy)
    return out.getvalue()


def _one_line(message: object) -> str:
    return " ".join(str(message).split())[:200]


# Wrong archives, entries that are not there, no JSON; wrong deflate data, encrypted entries.
_DAMAGED = (
    *(zipfile.BadZipFile, KeyError, ValueError, RecursionError, OSError),
    *(zlib.error, RuntimeError, NotImplementedError, EOFError),
)
