"""The fixed point of the entries of tables, and what does not fit into it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from anb_onnx.errors import AnbError

#: Fixed point of the stored entries, in bits below one standard deviation of the label.
FRACTION_BITS = 24


class CompileError(AnbError):
    """A model cannot be written as tables over the terms."""


def rounded(entries: NDArray[np.int64], bits: int) -> NDArray[np.int32]:
    """Return entries of a fixed point of so many bits in that of the tables, ties upwards.

    Raises
    ------
    CompileError
        If an entry leaves the range of int32.
    """
    shift = bits - FRACTION_BITS
    steps = (entries + (1 << (shift - 1))) >> shift
    largest = int(np.abs(steps).max())
    if largest >= 2**31:
        msg = f"an entry is {largest / 2**FRACTION_BITS:.1f} standard deviations"
        raise CompileError(msg)
    return steps.astype(np.int32)
