"""A member's part of the position on the histogram as a curve in float32, and its error."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from itertools import accumulate
from math import ceil, floor, log2

import numpy as np

from anb_onnx.sweep.line import Line

#: Unit roundoff of float32.
D32 = 2.0**-24

#: Magnitudes that no number of the fast pass leaves, and intermediate products neither.
TINY, HUGE = 2.0**-100, 2.0**100


@dataclass(frozen=True)
class Curve:
    """t as a function of the members' r; all floats are float32 values.

    Without bends::

        t = start + slope * sum_m r[m]

    and with bends, of integers n[m] = r[m] * unit, whose sums are exact::

        t = start + slope * (sum_m n[m] - M * base)
            + sum_j change[j] * (sum_m max(n[m], knot[j]) - M * knot[j])

    Attributes
    ----------
    start, slope : float
    unit : float
        A power of two; 1 without bends.
    base : int
    bends : tuple of (knot, change)
        Knots are integers.
    """

    start: float
    slope: float
    unit: float = 1.0
    base: int = 0
    bends: tuple[tuple[int, float], ...] = ()


@dataclass(frozen=True)
class Start:
    """The way to r, for all members: y = alpha * r + beta."""

    offset: int
    factor: float
    chain: tuple[str, ...]
    low: float
    high: float
    relative: float  # error of r
    absolute: float
    alpha: Fraction
    beta: Fraction
    members: int
    shift: int = 0

    @property
    def error(self) -> float:
        """Most that r is off."""
        return max(abs(self.low), abs(self.high)) * self.relative + self.absolute

    @property
    def largest(self) -> float:
        """Largest r in size, with its error."""
        return max(abs(self.low), abs(self.high)) + self.error


def scaled(line: Line, per_cell: Fraction, low: float, start: Start) -> Line:
    """Return a member's y as its part of t, without the bends that no r reaches."""
    begin, slope, bends = line.start, line.slope, []
    for knot, change in line.bends:
        if knot <= Fraction(start.low):
            begin, slope = begin - change * knot, slope + change
        elif knot < Fraction(start.high):
            bends.append((knot, change))
    factor = per_cell / start.members
    # The constant of all members together: 1 - low in cells, and M times the function's own.
    constant = 1 - Fraction(low) * per_cell + begin * per_cell
    return Line(constant, slope * factor, tuple((k, c * factor) for k, c in bends))


def curve_of(line: Line, start: Start) -> tuple[Curve, float] | None:
    """Return the float32 constants of t, and the bound of the error of what they give."""
    made = _straight(line, start) if not line.bends else _bent(line, start)
    curve, error = made
    numbers = [curve.start, curve.slope, *(change for _, change in curve.bends)]
    if any(number and not TINY < abs(number) < HUGE for number in numbers):
        return None
    return (curve, error) if error < 2.0**20 else None


def _straight(line: Line, start: Start) -> tuple[Curve, float]:
    members, slope = start.members, abs(float(line.slope))
    # The error of r; then that of the sum, of the constant and of the product.
    error = members * slope * start.error
    error += members * slope * start.largest * _gamma(additions(members, 0) + 2)
    error += abs(float(line.start)) * D32
    ends = (line.start + members * line.slope * Fraction(end) for end in (start.low, start.high))
    error += (float(max(map(abs, ends))) + error) * D32
    return Curve(_float32(line.start), _float32(line.slope)), error


def _bent(line: Line, start: Start) -> tuple[Curve, float]:
    members = start.members
    group = group_size(members, len(line.bends))
    # A sum, and its distance from that of the knots, stay inside int32.
    most = max(start.largest, start.high - start.low + 2 * start.error)
    unit = Fraction(2) ** floor(log2((2**31 - 2) / (group * (most + 2.0**-20 * most))))
    base = floor(Fraction(start.low) * unit)
    bends = [(round(knot * unit), change / unit) for knot, change in line.bends]
    first = line.start + line.slope * members * base / unit
    # The sums of integers are exact. What is rounded: r on its way to n, the knots, ...
    slopes = accumulate((change for _, change in line.bends), initial=line.slope)
    error = members * float(max(map(abs, slopes))) * (start.error + float(1 / unit))
    error += members * sum(abs(float(change)) for _, change in bends) * 0.5
    # ... and in t each sum's conversion, constant and product, and each partial sum.
    rounded = _gamma(3 + (members > group) * ceil(members / group))
    for at, change in [(base, line.slope / unit), *bends]:
        span = members * (start.high * float(unit) - at + start.error * float(unit) + 2)
        error += abs(float(change)) * span * rounded
    error += abs(float(first)) * D32
    whole = Line(line.start, line.slope * members, tuple((k, c * members) for k, c in line.bends))
    places = [Fraction(start.low), Fraction(start.high), *(knot for knot, _ in line.bends)]
    for n in range(len(line.bends) + 1):
        error += (float(max(abs(whole(place, n)) for place in places)) + error) * D32
    numbers = tuple((knot, _float32(change)) for knot, change in bends)
    slope = _float32(line.slope / unit)
    return Curve(_float32(first), slope, float(unit), base, numbers), error


def additions(members: int, bends: int) -> int:
    """Return the most additions that a member passes through in the kernel's sum of members."""
    group = group_size(members, bends)
    return ceil(log2(group)) + (members > group) * (ceil(members / group))


def group_size(members: int, bends: int) -> int:
    """Return how many members the kernel adds up in one expression."""
    # Compilers take longer than linearly for long ones.
    return max(1, min(members, 16, floor(320 / (bends + 4))))


def _gamma(n: int) -> float:
    return n * D32 / (1 - n * D32)


def _float32(value: Fraction) -> float:
    return float(np.float32(float(value)))
