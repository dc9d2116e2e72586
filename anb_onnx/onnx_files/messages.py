"""Reads ONNX files without opening them: fields of protocol buffers, and the metadata.

An artifact may need a newer onnxruntime than is installed; one that is too old cannot open the file
and so cannot say what the file asks for. An ONNX file is a protocol buffer message: fields of a
number and a value, of which `metadata_props` is number 14 (onnx/onnx.proto).
"""

from __future__ import annotations

from collections.abc import Iterator

from anb_onnx._io.show import show
from anb_onnx.errors import ArtifactError

_METADATA_PROPS, _KEY, _VALUE = 14, 1, 2
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5


class MessageError(ValueError):
    """Bytes are no protocol buffer message."""


def read_metadata(model: bytes, source: str = "model") -> dict[str, str]:
    """Return the `metadata_props` of an ONNX file; empty where the bytes are none.

    Whether the file is valid is for the engine to say, so bytes that are no message are not
    refused here.

    Raises
    ------
    ArtifactError
        Where the metadata is not UTF-8, or a key stands twice: runtimes differ in which they take.
    """
    found: dict[str, str] = {}
    try:
        for number, start, stop in fields(model, 0, len(model)):
            if number != _METADATA_PROPS or stop < 0:
                continue
            entry = {n: model[a:b] for n, a, b in fields(model, start, stop) if b >= 0}
            key, value = (_decode(entry.get(n, b""), source) for n in (_KEY, _VALUE))
            if key in found:
                msg = f"{source}: metadata {show(key)} stands twice"
                raise ArtifactError(msg)
            found[key] = value
    except MessageError:
        return {}
    return found


def _decode(content: bytes, source: str) -> str:
    try:
        return str(content, "utf-8")
    except UnicodeDecodeError as error:
        at = f"byte {error.object[error.start]:#04x} at {error.start}"
        msg = f"{source}: its metadata is not UTF-8 ({at} of {show(content)})"
        raise ArtifactError(msg) from None


def fields(message: bytes, position: int, end: int) -> Iterator[tuple[int, int, int]]:
    """Yield the fields of the message that lies from `position` to `end`.

    Yields
    ------
    number : int
    start, stop : int
        Where the content of a field with a length lies; for an integer its value, and -1. Fields
        of 4 or 8 bytes, which no part of ONNX that we read has, are passed over.

    Raises
    ------
    MessageError
        Where the bytes are no message.
    """
    while position < end:
        # Inlined for tags and lengths below 128, which nearly all are.
        tag = message[position]
        position += 1
        if tag > 0x7F:
            tag, position = _varint(message, position - 1, end)
        kind = tag & 7
        if kind == _BYTES:
            if position >= end:
                msg = "a field has no length"
                raise MessageError(msg)
            length = message[position]
            position += 1
            if length > 0x7F:
                length, position = _varint(message, position - 1, end)
            if position + length > end:
                msg = "a field ends after its message"
                raise MessageError(msg)
            yield tag >> 3, position, position + length
            position += length
        elif kind == _VARINT:
            value, position = _varint(message, position, end)
            yield tag >> 3, value, -1
        elif kind in (_FIXED64, _FIXED32):
            position += 8 if kind == _FIXED64 else 4
        else:
            msg = f"unknown kind of field {kind}"
            raise MessageError(msg)
    if position > end:
        msg = "a field ends after its message"
        raise MessageError(msg)


def _varint(message: bytes, position: int, end: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        if position >= end:
            break
        byte = message[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, position
    msg = "a number that does not end, or of more than ten bytes"
    raise MessageError(msg)
