"""JSON files that the user names: regular ones, of a bounded size, with one meaning."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from anb_onnx._io.files import FileError, read_regular
from anb_onnx._io.strict_json import JsonError, loads

#: Most bytes of a file of hyper-parameters, recipes, a split or a comparison; the published ones
#: have 0.3 MB.
MAX_JSON_BYTES = 16 << 20


def read_json(path: Path) -> Any:
    """Return what a JSON file holds.

    Raises
    ------
    FileNotFoundError
        If there is no file.
    FileError
        If it cannot be read, is a pipe or a device, or has more than `MAX_JSON_BYTES`.
    JsonError
        If it is not JSON, or a key stands twice; both are a ValueError.
    """
    try:
        content = read_regular(path, MAX_JSON_BYTES)
    except FileError as error:
        if isinstance(error.__cause__, FileNotFoundError):
            raise error.__cause__ from None
        raise
    try:
        return loads(content)
    except JsonError as error:
        msg = f"it is not valid JSON: {error}"
        raise JsonError(msg) from error
