"""Reads skops files, scikit-learn's format without pickles, through the library skops itself.

skops makes objects of audited types only. Here it may make the three estimators of the reference,
what these consist of, and nothing else.
"""

from __future__ import annotations

import io
import json
import zipfile
from typing import Any

from anb_onnx.errors import AnbError

#: How every skops file begins: it is a zip archive.
MAGIC = b"PK\x03\x04"
ESTIMATORS = (
    "sklearn.ensemble._forest.RandomForestRegressor",
    "sklearn.svm._classes.SVR",
    "sklearn.svm._classes.NuSVR",
)
_SCHEMA = "schema.json"
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
            size = sum(entry.file_size for entry in archive.infolist())
            root = json.loads(archive.read(_SCHEMA)) if size <= limit else {}
    except (zipfile.BadZipFile, KeyError, ValueError, RecursionError, OSError) as error:
        msg = "an archive, but not one of skops; give the model itself, as its library saves it"
        raise SkopsError(msg) from error
    if size > limit:
        msg = f"{size} bytes in an archive are too many, at most {limit} are read"
        raise SkopsError(msg)
    if not isinstance(root, dict) or not {"__module__", "__class__"} <= root.keys():
        msg = f"an archive, but not one of skops: {_SCHEMA} names no class"
        raise SkopsError(msg)
    found = f"{root['__module__']}.{root['__class__']}"
    if found not in ESTIMATORS:
        msg = f"the skops file holds a {found[:80]}, supported are {', '.join(ESTIMATORS)}"
        raise SkopsError(msg)
    try:
        import skops.io
        from skops.io.exceptions import UntrustedTypesFoundException
    except ImportError:
        msg = "skops files need skops: pip install skops"
        raise SkopsError(msg) from None
    try:
        return skops.io.loads(content, trusted=_TRUSTED)
    except UntrustedTypesFoundException as error:
        names = ", ".join(sorted(set(skops.io.get_untrusted_types(data=content)) - {*_TRUSTED}))
        msg = f"the skops file asks for {names[:200]}, which is not allowed; it was not loaded"
        raise SkopsError(msg) from error
    except Exception as error:  # whatever a damaged file makes of skops and scikit-learn
        msg = f"the skops file is damaged: {type(error).__name__}: {str(error)[:200]}"
        raise SkopsError(msg) from error
