"""Files that are either whole or absent, and JSON that is the same bytes every time."""

from __future__ import annotations

import hashlib
from pathlib import Path

from anb_onnx._io.output import write_output
from anb_onnx._io.strict_json import to_json as to_json


def write_atomically(path: Path, content: bytes) -> None:
    """Write a regular file, whole or not at all; missing folders are made, links are followed.

    Raises
    ------
    AnbError
        If the file cannot be written, or a pipe, a device or a folder has its name.
    """
    write_output(path, content)


def sha256(content: bytes) -> str:
    """Return the hexadecimal SHA-256 digest."""
    return hashlib.sha256(content).hexdigest()
