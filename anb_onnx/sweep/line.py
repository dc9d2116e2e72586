"""Piecewise linear functions in exact numbers: what hinges make of a value."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise

from anb_onnx.regimes import Hinge


@dataclass(frozen=True)
class Line:
    """A continuous piecewise linear function.

    Attributes
    ----------
    start, slope : Fraction
        The value at 0 and the slope of the first piece, wherever that ends.
    bends : tuple of (knot, change)
        Ascending; from the knot on the slope is `change` more.
    """

    start: Fraction
    slope: Fraction
    bends: tuple[tuple[Fraction, Fraction], ...]

    def __call__(self, x: Fraction, bends: int | None = None) -> Fraction:
        """Return the value at x of the function with its first so many bends, or all."""
        y = self.start + self.slope * x
        for knot, change in self.bends[:bends]:
            if x > knot:
                y += change * (x - knot)
        return y


def bent(alpha: Fraction, beta: Fraction, hinges: tuple[Hinge, ...]) -> Line:
    """Return y = alpha * x + beta with hinges, as a function of x; alpha is not 0."""
    # Knots in the y before all hinges, and the slope from each on: 1 before the first.
    knots: list[Fraction] = []
    slopes = [Fraction(1)]
    values: list[Fraction] = []  # of the bent function at the knots
    for at, change in ((Fraction(a), Fraction(c)) for a, c in hinges):
        # The function so far increases: solve it for the new knot.
        piece = bisect_right(values, at)
        if not knots:
            place = at
        elif piece == 0:
            place = knots[0] + (at - values[0]) / slopes[0]
        else:
            place = knots[piece - 1] + (at - values[piece - 1]) / slopes[piece]
        knots.insert(piece, place)
        slopes.insert(piece, slopes[piece])
        values.insert(piece, at)
        for k in range(piece, len(knots)):
            slopes[k + 1] *= 1 + change
            values[k] += change * (values[k] - at)
    if not knots:
        return Line(beta, alpha, ())
    changes = [after - before for before, after in pairwise(slopes)]
    points = [(knot - beta) / alpha for knot in knots]
    first = values[0] + (beta - knots[0])  # at x = 0 on the first piece, which has slope 1
    if alpha > 0:
        bends = [(x, alpha * change) for x, change in zip(points, changes, strict=True)]
        return Line(first, alpha, tuple(bends))
    last = slopes[-1] * alpha
    bends = [(x, -alpha * change) for x, change in zip(points, changes, strict=True)][::-1]
    start = values[-1] + slopes[-1] * (beta - knots[-1])
    return Line(start, last, tuple(bends))
