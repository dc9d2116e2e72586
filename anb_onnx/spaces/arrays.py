"""Arrays of other libraries as arrays of NumPy, by the protocols that they share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from anb_onnx.errors import ArchitectureError

_CONVERT: dict[str, Callable[[Any], Any]] = {
    "__array__": np.asarray,
    "__dlpack__": np.from_dlpack,
}


def is_table(value: object) -> bool:
    """Say whether a value looks like a table with named columns."""
    # Of the class: to ask a lazy table itself is work.
    return any(hasattr(type(value), name) for name in ("columns", "schema"))


def as_ndarray(value: Any) -> Any:
    """Return what stands for an array as an ndarray, and anything else as it is.

    Tensors and series of other libraries are asked by ``__array__``, else by ``__dlpack__``; their
    memory is shared where they allow it. None of these libraries is imported here.

    Raises
    ------
    ArchitectureError
        If it refuses, as what lies in a graphics card's memory does.
    """
    kind = type(value)
    known = [protocol for protocol in _CONVERT if hasattr(kind, protocol)]
    if not known or issubclass(kind, (np.ndarray, np.generic)) or is_table(value):
        return value
    try:
        return _CONVERT[known[0]](value)
    except Exception as error:  # whatever the other library raises
        msg = (
            f"the {kind.__name__} does not become an array of NumPy ({type(error).__name__}: "
            f"{error}); architectures are read in main memory: of torch pass .detach().cpu(), of "
            "CuPy .get()"
        )
        raise ArchitectureError(msg) from error
