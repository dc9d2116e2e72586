"""Reads the metadata of an ONNX file without opening it.

An artifact may need a newer onnxruntime than is installed; one that is too old cannot open the file
and so cannot say what the file asks for. An ONNX file is a protocol buffer message: fields of a
number and a length, of which `metadata_props` is number 14 (onnx/onnx.proto).
"""

from __future__ import annotations

from collections.abc import Iterator

_METADATA_PROPS, _KEY, _VALUE = 14, 1, 2
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5


def read_metadata(model: bytes) -> dict[str, str]:
    """Return the `metadata_props` of an ONNX file; empty where the bytes are none.

    Whether the file is valid is for the engine to say, so nothing is refused here.
    """
    found = {}
    try:
        for number, content in _fields(memoryview(model)):
            if number == _METADATA_PROPS:
                entry = dict(_fields(content))
                found[str(entry[_KEY], "utf-8")] = str(entry[_VALUE], "utf-8")
    except (IndexError, KeyError, ValueError):
        return {}
    return found


def _fields(message: memoryview) -> Iterator[tuple[int, memoryview]]:
    """Yield number and content of the fields that have a length; the others are passed over."""
    position = 0
    while position < len(message):
        tag, position = _varint(message, position)
        kind = tag & 7
        if kind == _BYTES:
            length, position = _varint(message, position)
            if position + length > len(message):
                msg = "a field ends after its message"
                raise ValueError(msg)
            yield tag >> 3, message[position : position + length]
            position += length
        elif kind == _VARINT:
            _, position = _varint(message, position)
        elif kind in (_FIXED64, _FIXED32):
            position += 8 if kind == _FIXED64 else 4
        else:
            msg = f"unknown kind of field {kind}"
            raise ValueError(msg)


def _varint(message: memoryview, position: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        byte = message[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, position
    msg = "a number of more than ten bytes"
    raise ValueError(msg)
