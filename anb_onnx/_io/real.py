"""Numbers as users give them."""

from __future__ import annotations

from math import isfinite
from numbers import Real


def finite(value: object) -> float | None:
    """Return a finite real number as a float; None if it is none."""
    if isinstance(value, bool) or not isinstance(value, Real):
        return None
    try:
        found = float(value)
    except OverflowError:
        return None
    return found if isfinite(found) else None
