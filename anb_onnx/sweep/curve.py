"""A member's part of the position on the histogram as a curve in float32, and its error."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from math import ceil, floor, log2

import numpy as np

from anb_onnx.sweep.line import Line

#: Unit roundoff of float32.
D32 = 2.0**-24

#: Magnitudes that no number of the fast pass leaves, and intermediate products neither.
TINY, HUGE = 2.0**-100, 2.0**100


@dataclass(frozen=True)
class Curve:
    """t as a function of the members' r; all numbers are float32 values.

    Attributes
    ----------
    start : float
        B.
    slope : float
        g[0].
    bends : tuple of (knot, M * knot, change)
    """

    start: float
    slope: float
    bends: tuple[tuple[float, float, float], ...]


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
    members = start.members
    largest = max(abs(start.low), abs(start.high)) * (1 + start.relative) + start.absolute
    steepest = max(abs(line.slope + sum(c for _, c in line.bends[:n]))
                   for n in range(len(line.bends) + 1))  # fmt: skip
    error = (
        members
        * float(steepest)
        * (max(abs(start.low), abs(start.high)) * start.relative + start.absolute)
    )
    depth = additions(members, len(line.bends))
    numbers = [line.start, line.slope]
    error += members * abs(float(line.slope)) * largest * _gamma(depth + 2)
    error += abs(float(line.start)) * D32
    bends = []
    for knot, change in line.bends:
        reach = max(largest, abs(float(knot)))
        span = members * (start.high - float(knot)) + 2 * members * reach * _gamma(depth + 2)
        error += abs(float(change)) * (
            members * reach * _gamma(depth + 2) + 2 * members * abs(float(knot)) * D32
            + span * _gamma(4)
        )  # fmt: skip
        numbers += [knot, members * knot, change]
        bends.append((_float32(knot), _float32(members * knot), _float32(change)))
    whole = Line(line.start, line.slope * members, tuple((k, c * members) for k, c in line.bends))
    places = [Fraction(start.low), Fraction(start.high), *(knot for knot, _ in line.bends)]
    for n in range(len(line.bends) + 1):
        most = max(abs(whole(place, n)) for place in places)
        error += (float(most) + error) * D32
    sizes = [abs(float(number)) for number in numbers if number]
    if any(not TINY < size < HUGE for size in sizes) or not error < 2.0**20:
        return None
    return Curve(_float32(line.start), _float32(line.slope), tuple(bends)), error


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
