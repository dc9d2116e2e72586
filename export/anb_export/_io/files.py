"""Files that are either whole or absent, and JSON that is the same bytes every time."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from anb_onnx._io.output import write_output


def write_atomically(path: Path, content: bytes) -> None:
    """Write a regular file, whole or not at all; missing folders are made, links are followed.

    Raises
    ------
    AnbError
        If the file cannot be written, or a pipe, a device or a folder has its name.
    """
    write_output(path, content)


def to_json(value: Any) -> bytes:
    """Return JSON with sorted keys and a newline at the end; NaN and infinity are refused."""
    text = json.dumps(value, sort_keys=True, indent=1, allow_nan=False, ensure_ascii=False)
    return f"{text}\n".encode()


def sha256(content: bytes) -> str:
    """Return the hexadecimal SHA-256 digest."""
    return hashlib.sha256(content).hexdigest()
