"""Arrays of other libraries as arrays of NumPy, by the protocols that they share."""

from __future__ import annotations

from typing import Any

import numpy as np

from anb_onnx.errors import ArchitectureError

# Types that most values have, and that are not converted.
_PLAIN = frozenset({np.ndarray, list, tuple, dict, str, int})


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
    if kind in _PLAIN:
        return value
    speaks_array = hasattr(kind, "__array__")
    if not (speaks_array or hasattr(kind, "__dlpack__")):
        return value
    if issubclass(kind, (np.ndarray, np.generic)) or is_table(value):
        return value
    try:
        return np.asarray(value) if speaks_array else np.from_dlpack(value)
    except Exception as error:  # whatever the other library raises
        msg = (
            f"the {kind.__name__} does not become an array of NumPy ({type(error).__name__}: "
            f"{error}); architectures are read in main memory: of torch pass .detach().cpu(), of "
            "CuPy .get()"
        )
        raise ArchitectureError(msg) from error
