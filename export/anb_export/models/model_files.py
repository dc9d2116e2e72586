"""Reading of model files: regular ones, of a bounded size."""

from __future__ import annotations

from pathlib import Path

from anb_onnx._io.files import FileError, limit_of, read_regular

#: Largest file read. The largest published checkpoint has 80 MB.
LIMIT = 2**30
#: Environment variable that sets it, in bytes.
VARIABLE = "ANB_ONNX_MAX_MODEL_BYTES"


def read_content(path: str | Path, *, limit: int | None = None) -> bytes:
    """Read a file that may hold a model.

    Parameters
    ----------
    path : str or Path
    limit : int, optional
        Most bytes; see `largest`.

    Raises
    ------
    FileError
        If it cannot be read, is no regular file or is larger; the message begins with the path.
    """
    path = Path(path)
    if path.is_dir():
        msg = f"{path} is a folder; give the model files themselves"
        raise FileError(msg)
    return read_regular(path, largest(limit), variable=VARIABLE)


def largest(limit: int | None = None) -> int:
    """Return the given limit; or what `VARIABLE` says, or `LIMIT`."""
    return limit_of(VARIABLE, LIMIT) if limit is None else limit
