"""Decoder of Universal Binary JSON, the format in which xgboost stores models.

Only what xgboost writes is read: typed and plain arrays, plain objects, strings and numbers. Typed
arrays become numpy views, which makes boosters of 20,000 trees readable in seconds. The bytes are
not trusted: every length is checked against what is left before it is used.
"""

from __future__ import annotations

import struct
from typing import Any

import numpy as np

from anb_onnx.errors import AnbError

_NUMBERS: dict[bytes, np.dtype[Any]] = {
    b"i": np.dtype("i1"),
    b"U": np.dtype("u1"),
    b"I": np.dtype(">i2"),
    b"l": np.dtype(">i4"),
    b"L": np.dtype(">i8"),
    b"d": np.dtype(">f4"),
    b"D": np.dtype(">f8"),
}
_FORMATS = {
    marker: struct.Struct(layout)
    for marker, layout in {
        **{b"i": ">b", b"U": ">B", b"I": ">h", b"l": ">i", b"L": ">q"},
        **{b"d": ">f", b"D": ">d"},
    }.items()
}
_CONSTANTS = {b"Z": None, b"T": True, b"F": False}
_INTEGERS = {marker: _FORMATS[marker] for marker in (b"i", b"U", b"I", b"l", b"L")}
_MAX_DEPTH = 64
#: Most values that are not in typed arrays: so many in any document, and one more for so many
#: bytes. A tree of two leaves has 27 in 1 kB; each takes up to 100 bytes of memory, from one byte.
_VALUES, _BYTES_PER_VALUE = 2**19, 8


class UbjsonError(AnbError):
    """The bytes are not Universal Binary JSON."""


def loads(content: bytes) -> Any:
    """Decode one document.

    Returns
    -------
    object
        Dicts, lists, strings, numbers, booleans and None; typed arrays as 1-D ndarrays.

    Raises
    ------
    UbjsonError
        If the bytes are malformed, end early or go on after the document.
    """
    reader = _Reader(content)
    value = reader.value(reader.take(1), 0)
    if reader.position != len(content):
        msg = f"UBJSON: {len(content) - reader.position} bytes after the end of the document"
        raise UbjsonError(msg)
    return value


def member(content: bytes, key: str) -> bytes | None:
    """Return the bytes of one member of a document that is an object; None if it has none such.

    Raises
    ------
    UbjsonError
        If the bytes are malformed up to there, or the document is no object.
    """
    reader = _Reader(content)
    if reader.take(1) != b"{":
        msg = "UBJSON: the document is no object"
        raise UbjsonError(msg)
    while reader.peek() != b"}":
        name = reader.string()
        start = reader.position
        reader.value(reader.take(1), 1)
        if name == key:
            return content[start : reader.position]
    return None


class _Reader:
    def __init__(self, content: bytes) -> None:
        self.content, self.size = content, len(content)
        self.position = 0
        self.left = _VALUES + len(content) // _BYTES_PER_VALUE
        # Of a model's million strings nearly all are the same few dozen keys.
        self.strings: dict[bytes, str] = {}

    def skip(self, count: int) -> int:
        """Move on by `count` bytes, which must be there; return where they begin."""
        start = self.position
        end = start + count
        if count < 0 or end > self.size:
            msg = f"UBJSON: {count} bytes wanted at {start}, {self.size} in all"
            raise UbjsonError(msg)
        self.position = end
        return start

    def take(self, count: int) -> bytes:
        start = self.skip(count)
        return self.content[start : start + count]

    def peek(self) -> bytes:
        return self.content[self.position : self.position + 1]

    def value(self, marker: bytes, depth: int) -> Any:
        if depth > _MAX_DEPTH:
            msg = f"UBJSON: nested deeper than {_MAX_DEPTH}"
            raise UbjsonError(msg)
        self.left -= 1
        if self.left < 0:
            msg = f"UBJSON: too many values for {self.size} bytes"
            raise UbjsonError(msg)
        if marker == b"{":
            return self.object(depth)
        if marker == b"[":
            return self.array(depth)
        if marker == b"S":
            return self.string()
        if marker in _FORMATS:
            return self.number(marker)
        if marker in _CONSTANTS:
            return _CONSTANTS[marker]
        msg = f"UBJSON: unknown marker {marker!r} at {self.position - 1}"
        raise UbjsonError(msg)

    def number(self, marker: bytes) -> Any:
        layout = _FORMATS[marker]
        return layout.unpack_from(self.content, self.skip(layout.size))[0]

    def length(self) -> int:
        at = self.skip(1)
        layout = _INTEGERS.get(self.content[at : at + 1])
        if layout is None:
            msg = f"UBJSON: a length cannot start with {self.content[at : at + 1]!r} at {at}"
            raise UbjsonError(msg)
        count: int = layout.unpack_from(self.content, self.skip(layout.size))[0]
        return count

    def string(self) -> str:
        raw = self.take(self.length())
        known = self.strings.get(raw)
        if known is None:
            try:
                known = self.strings[raw] = raw.decode("utf-8")
            except UnicodeDecodeError as error:
                msg = f"UBJSON: a string that is not UTF-8 before {self.position}"
                raise UbjsonError(msg) from error
        return known

    def object(self, depth: int) -> dict[str, Any]:
        found: dict[str, Any] = {}
        while self.peek() != b"}":
            key = self.string()
            if key in found:
                msg = f"UBJSON: key {key[:40]!r} appears twice"
                raise UbjsonError(msg)
            found[key] = self.value(self.take(1), depth + 1)
        self.take(1)
        return found

    def array(self, depth: int) -> Any:
        if self.peek() == b"$":
            return self.typed_array()
        if self.peek() == b"#":
            self.take(1)
            count = self.length()
            return [self.value(self.take(1), depth + 1) for _ in range(count)]
        items = []
        while self.peek() != b"]":
            items.append(self.value(self.take(1), depth + 1))
        self.take(1)
        return items

    def typed_array(self) -> Any:
        at = self.skip(3)
        marker, sign = self.content[at + 1 : at + 2], self.content[at + 2 : at + 3]
        if marker not in _NUMBERS or sign != b"#":
            msg = f"UBJSON: unsupported typed array {marker!r} at {at + 1}"
            raise UbjsonError(msg)
        count = self.length()
        dtype = _NUMBERS[marker]
        start = self.skip(count * dtype.itemsize)
        return np.frombuffer(self.content, dtype=dtype, count=count, offset=start)
