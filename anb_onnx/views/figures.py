"""Numbers for people to read: no more digits than mean something."""

from __future__ import annotations

import math
from typing import Any, TypeAlias

import numpy as np

Number: TypeAlias = float | np.floating[Any]

#: The level of intervals where none was asked for.
LEVEL = 0.9


def short(value: Number) -> str:
    """Return a number with five significant digits.

    Examples
    --------
    >>> short(1234.5678), short(0.25), short(20484321.0)
    ('1234.6', '0.25', '20484000')
    """
    value = float(value)
    if not math.isfinite(value) or (value and not 1e-4 <= abs(value) < 1e9):
        return f"{value:.5g}"
    return np.format_float_positional(value, precision=5, fractional=False, trim="-")


def decimals(half: float) -> int | None:
    """Return how many decimals show two digits of half an interval; None if that is no help."""
    if not math.isfinite(half) or half <= 0:
        return None
    digits = max(0, 1 - math.floor(math.log10(half)))
    return digits if digits <= 9 else None


def within(value: Number, lower: Number, upper: Number) -> tuple[str, str, str]:
    """Return a value and the bounds of its interval, to two digits of half the interval.

    Examples
    --------
    >>> within(66.02722, 65.6388, 66.4156), within(2212.4, 2155.8, 2269.0)
    (('66.03', '65.64', '66.42'), ('2212', '2156', '2269'))
    """
    digits = decimals((float(upper) - float(lower)) / 2)
    values = (float(value), float(lower), float(upper))
    if digits is None or max(map(abs, values)) >= 1e12:
        first, second, third = map(short, values)
    else:
        first, second, third = (f"{v:.{digits}f}" for v in values)
    return first, second, third


def percent(share: float) -> str:
    """Return a share as per cent: ``0.9`` is ``"90 %"``."""
    return f"{100 * share:g} %"
