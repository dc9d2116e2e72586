"""The file of what is proven of a benchmark's targets: nothing in it is believed unchecked.

It is an 8-byte little-endian length, that many bytes of JSON, and plain little-endian arrays one
after the other. See docs/reference/format.md.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NoReturn, TypeAlias

import numpy as np
import numpy.typing as npt

from anb_onnx._io.files import TRUTH_BYTES, TRUTH_VARIABLE
from anb_onnx._io.show import is_name, show
from anb_onnx.catalog.card import check_values
from anb_onnx.catalog.manifest import MANIFEST, file_name, parse_object, read_bytes, read_document
from anb_onnx.errors import ArtifactError

#: What the JSON of the file begins with: its kind, and the version of its layout.
KIND, VERSION = "anb_onnx truth", 1

#: Arrays by what they are of - a target, or the two targets of a front - and their name.
Arrays: TypeAlias = Mapping[tuple[str | tuple[str, str], str], npt.NDArray[Any]]

DTYPES: dict[str, np.dtype[Any]] = {
    name: np.dtype(code)
    for name, code in (
        ("uint8", "u1"),
        ("uint32", "<u4"),
        ("int64", "<i8"),
        ("float32", "<f4"),
    )
}
_LENGTH = 8
_MEND = "anb-export truth writes it anew"


def listed_truth(folder: Path) -> tuple[str, str]:
    """Return SHA-256 and name of the file that a folder's manifest lists."""
    entry = read_document(folder / MANIFEST, mend=_MEND)["truth"]
    return str(entry["sha256"]), str(entry["file"])


def read_listed(folder: Path, entry: Mapping[str, Any]) -> tuple[dict[str, Any], Arrays, str]:
    """Read the file that a manifest's ``truth`` entry lists.

    Returns
    -------
    header : dict
        The file's JSON.
    arrays : mapping
    source : str
        Names the file, for messages.

    Raises
    ------
    ArtifactError
        Where it is missing, damaged, malformed or of another layout.
    """
    listed = f"{folder / MANIFEST}: truth"
    if not isinstance(entry, Mapping):
        refuse(listed, f"must be an object, not {show(entry)}")
    check_values(entry, ("sha256", "bytes"), listed)
    path = folder / file_name(entry, listed)
    content = read_bytes(path, mend=_MEND, variable=TRUTH_VARIABLE, default=TRUTH_BYTES)
    found = hashlib.sha256(content).hexdigest()
    if found != entry["sha256"]:
        msg = f"{path} is damaged: sha256 {found}, expected {entry['sha256']}; {_MEND}"
        raise ArtifactError(msg)
    if len(content) != entry["bytes"]:
        refuse(listed, f"key 'bytes' must be {len(content)}, not {show(entry['bytes'])}")
    header, arrays = unpack(content, str(path))
    return header, arrays, str(path)


def unpack(content: bytes, source: str) -> tuple[dict[str, Any], Arrays]:
    """Return the JSON and the arrays of a file.

    Raises
    ------
    ArtifactError
        Where it is malformed or of another layout; `source` names it.
    """
    end = _LENGTH + int.from_bytes(content[:_LENGTH], "little")
    if not _LENGTH < end <= len(content):
        refuse(source, f"its JSON would end at byte {end} of {len(content)}")
    header = parse_object(content[_LENGTH:end], f"{source}: its JSON")
    if header.get("kind") != KIND:
        refuse(source, f"key 'kind' must be {KIND!r}, not {show(header.get('kind'))}")
    version = header.get("version")
    if type(version) is int and version > VERSION:
        msg = (
            f"{source} has version {show(version)}, this anb_onnx reads {VERSION}; update it with: "
            "pip install --upgrade anb-onnx"
        )
        raise ArtifactError(msg)
    if type(version) is not int or version != VERSION:
        refuse(source, f"key 'version' must be {VERSION}, not {show(version)}")
    items = header.get("arrays")
    if not isinstance(items, list):
        refuse(source, f"key 'arrays' must be a list, not {show(items)}")
    arrays: dict[tuple[str | tuple[str, str], str], npt.NDArray[Any]] = {}
    for item in items:
        key, array = _array(content, item, end, source)
        if key in arrays:
            refuse(source, f"array {show(key)} stands twice")
        arrays[key] = array
        end += array.nbytes
    if end != len(content):
        refuse(source, f"the arrays end at byte {end}, the file at byte {len(content)}")
    return header, arrays


def _array(
    content: bytes, item: Any, start: int, source: str
) -> tuple[tuple[str | tuple[str, str], str], npt.NDArray[Any]]:
    """Return key and content of the array that an item describes, which begins at byte `start`."""
    try:
        of, name, shape, dtype = item["of"], item["name"], item["shape"], DTYPES[item["dtype"]]
        pair = isinstance(of, list) and len(of) == 2 and all(map(is_name, of))
        if not (is_name(of) or pair) or not is_name(name):
            _malformed("'of' is a target or two, 'name' a string")
        if not isinstance(shape, list) or not 1 <= len(shape) <= 2:
            _malformed("the shape has one or two sizes")
        if not all(type(size) is int and 0 <= size <= len(content) for size in shape):
            _malformed("a size is out of range")
        count = math.prod(shape)
        if start + count * dtype.itemsize > len(content):
            _malformed(f"it ends behind the file's {len(content)} bytes")
        array = np.frombuffer(content, dtype, count=count, offset=start).reshape(shape)
    except (KeyError, TypeError, ValueError) as error:
        msg = f"{source}: malformed array {show(item)} ({error}); {_MEND}"
        raise ArtifactError(msg) from error
    native = array.astype(dtype.newbyteorder("="))
    native.setflags(write=False)
    return ((of[0], of[1]) if pair else of, name), native


def _malformed(what: str) -> NoReturn:
    raise ValueError(what)


def refuse(source: str, what: str) -> NoReturn:
    """Refuse a file, with the command that writes it anew."""
    msg = f"{source}: {what}; {_MEND}"
    raise ArtifactError(msg)
