"""Files that are either whole or absent, and JSON that is the same bytes every time."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import Any

from anb_onnx.errors import AnbError


def write_atomically(path: Path, content: bytes) -> None:
    """Write `content` to a temporary file beside `path`, then rename it to `path`.

    Raises
    ------
    AnbError
        If the file cannot be written.
    """
    temporary = temporary_of(path, os.getpid())
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            temporary.write_bytes(content)
            temporary.replace(path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
    except OSError as error:
        msg = f"cannot write {path}: {error.strerror or error}"
        raise AnbError(msg) from error


def temporary_of(path: Path, process: int) -> Path:
    """Return the temporary file in which the process with this id writes `path`."""
    return path.with_name(f".{path.name}.{process}.tmp")


def to_json(value: Any) -> bytes:
    """Return JSON with sorted keys and a newline at the end; NaN and infinity are refused."""
    text = json.dumps(value, sort_keys=True, indent=1, allow_nan=False, ensure_ascii=False)
    return f"{text}\n".encode()


def sha256(content: bytes) -> str:
    """Return the hexadecimal SHA-256 digest."""
    return hashlib.sha256(content).hexdigest()
