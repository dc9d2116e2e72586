"""Numbers as decimals, by NumPy or, where there are millions, by compiled code: the same text."""

from __future__ import annotations

import sys
from math import inf
from types import ModuleType

import numpy as np
from numpy.typing import NDArray

from anb_onnx._io.cells import Cells
from anb_onnx._io.decimals import float32_cells, replaced
from anb_onnx.parallel.shelter import import_sheltered

# Seconds per number that the compiled kernel saves, and what it costs to have it: to import numba
# and compile, or load from numba's cache (a figure between the two). Precision matters little.
_SAVED = 110e-9
_COLD_SECONDS, _WARM_SECONDS = 0.8, 0.4
# What the kernel would have saved this process by now.
_lost = {"cells": 0.0}


def float_cells(values: NDArray[np.float32]) -> Cells:
    """Return what `float32_cells` does; compiled once so much was asked for that this pays.

    Parameters
    ----------
    values : ndarray of float32 [N]

    Returns
    -------
    ndarray of uint8 [width, N]
    """
    kernel = _kernel(len(values))
    if kernel is None:
        return float32_cells(values)
    cells, doubtful = kernel.float32_text(np.asarray(values, np.float32))
    return replaced(cells, doubtful, values) if len(doubtful) else cells


def _kernel(count: int) -> ModuleType | None:
    """Return the compiled kernel if it is worth it for so many numbers more, else None."""
    _lost["cells"] += count * _SAVED
    cost = _WARM_SECONDS if "numba" in sys.modules else _COLD_SECONDS
    if _lost["cells"] < cost:
        return None
    try:
        kernel: ModuleType = import_sheltered("anb_onnx.encoding.decimal_kernel")
    except (ImportError, OSError):  # not installed, or not for this version of NumPy
        _lost["cells"] = -inf
        return None
    return kernel
