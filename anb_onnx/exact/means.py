"""From the sum of all members' totals to a proven bound of the mean that a query returns.

Costs are integers: the sum V over all members of their totals. A query returns something else, the
float32 mean of the members' inverse links. This module proves what that can be at best, given V.

Let u[m] be the arguments of the inverse link h, ``mean u`` their mean, which is linear in V, and
``d[m] = u[m] - mean u``. For all architectures at once it is proven that ``-a <= d[m] <= b`` (see
`Spread`). h is a power link p, which is convex or concave, followed by an increasing, piecewise
linear H, the hinges. For the largest mean (the smallest is the mirror image):

1. p concave or linear, without hinges: ``mean h(u) <= h(mean u)`` (Jensen). No margin at all.
2. p convex: between neighbouring hinges h is a linear function of p with a positive slope, so
   convex; hence the least concave function above h on ``[mean u - a, mean u + b]`` has corners
   at the interval's ends and at hinges only, and ``mean h(u)`` is at most its value at mean u
   (Jensen once more; without a hinge in between it is the chord: Edmundson and Madansky's bound).
3. p concave with hinges: ``mean p(u) <= p(mean u)`` as in 1; the values p(u[m]) lie between those
   at the interval's ends; and ``mean H`` is at most the least concave function above H there.

What rounding adds is bounded by `anb_onnx.exact.rounding`, and added four times: once for the mean,
and for the bound more than once, as its mean u comes from V by a division more. Both end with the
same rounding to float32, which is monotone.

The bound is computed for some 2^16 intervals of V, for each so that it holds in all of it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anb_onnx.encoding.jit import jit
from anb_onnx.exact.rounding import UNIT, bends_of, mean_error
from anb_onnx.links import Link

_Floats = NDArray[np.float64]

#: Intervals of V, half of them of equal width in u, half of them in p(u).
_CELLS = 2**16

#: A limit that no cost exceeds.
NO_LIMIT = 2**62


@dataclass(frozen=True)
class Spread:
    """How far the members of an ensemble can be from their mean, for any architecture of a part.

    For each slope b of `slopes`: ``mean u - u[m] <= below + b * mean u`` and
    ``u[m] - mean u <= above + b * mean u`` for every member m.

    Attributes
    ----------
    slopes : tuple of float
    below, above : tuple of float
    """

    slopes: tuple[float, ...]
    below: tuple[float, ...]
    above: tuple[float, ...]

    def at(self, u: _Floats) -> tuple[_Floats, _Floats]:
        """Return the tightest bounds of both sides where the members' mean is u; at least 0."""
        sides = []
        for side in (self.below, self.above):
            lines = [c + slope * u for slope, c in zip(self.slopes, side, strict=True)]
            # Outward, for what these lines were rounded by.
            wide = np.min(lines, axis=0) + 8 * UNIT * (np.abs(u) + np.max(np.abs(side)))
            sides.append(np.maximum(wide, 0.0))
        return sides[0], sides[1]


#: Of one member, and where the spread is not looked at.
NO_SPREAD = Spread((0.0,), (0.0,), (0.0,))


class MeanBounds:
    """Bounds of the mean of a target, given the cost that stands for it.

    Parameters
    ----------
    link : Link
    inside : bool
        Whether the architectures are inside the link's regime.
    largest : bool
        Whether the largest mean is wanted.
    u : tuple of float
        From V to the mean of u: u = V * u[0] + u[1].
    span : tuple of int
        The least and the largest V of any architecture, or less and more.
    members : tuple of float
        The least and the largest u of any member, or less and more.
    spread : Spread
        Looked at where `needs_spread` says so.
    n_members : int

    Attributes
    ----------
    sign : int
        The cost is V times this: cheaper is better.
    margin : float
        By how much the bound may exceed the value h(mean u) for some V, in the target's unit.
    """

    def __init__(
        self,
        link: Link,
        u: tuple[float, float],
        span: tuple[int, int],
        members: tuple[float, float],
        spread: Spread,
        n_members: int,
        *,
        inside: bool,
        largest: bool,
    ) -> None:
        self._link, self._inside = link, inside
        self._largest = largest
        self._hinges = np.array(bends_of(link, inside=inside)).reshape(-1, 2)
        self.sign = 1 if link.increasing != largest else -1
        # Outward, as these two were rounded.
        slip = 8 * UNIT * max(map(abs, (*members, u[1])))
        self._low, self._high = members[0] - slip, members[1] + slip
        product = max(abs(self._low), abs(self._high)) + abs(u[1])
        error = mean_error(link, self._low, self._high, product, n_members, inside=inside)
        edges = self._edges(u, span)
        means = edges * u[0] + u[1]
        # The integers are exact; their image in u is rounded a few times.
        means = np.clip(means, self._low, self._high)
        bound, plain = self._bound(means, *spread.at(means))
        # A chord is rounded by what its ends are, which members may be far beyond any mean.
        ends = _hinged(self._power(np.array([self._low, self._high])), self._hinges)
        size = max(np.abs(bound).max(), np.abs(ends).max())
        slack = 4 * error + 64 * UNIT * size
        bound = bound + slack if largest else bound - slack
        self.margin = float(np.abs(bound - plain).max())
        worth = (-bound if largest else bound).astype(np.float32)
        if self.sign < 0:  # by rising cost
            edges, worth = -edges[::-1], worth[::-1]
        self._costs = edges.astype(np.int64)
        # Of all that costs at least this much.
        self._worth = np.minimum.accumulate(worth[::-1])[::-1]

    def limit(self, value: np.float32 | float) -> int:
        """Return a cost such that whatever costs more has a mean worse than `value`."""
        worth = np.float32(-value if self._largest else value)
        cell = int(np.searchsorted(self._worth, worth, side="right"))
        return NO_LIMIT if cell == len(self._worth) else int(self._costs[cell]) - 1

    def best(self, cost: int) -> float:
        """Return a bound of the mean of whatever costs at least so much, float32."""
        cell = max(int(np.searchsorted(self._costs[1:-1], cost, side="right")), 0)
        worth = float(self._worth[min(cell, len(self._worth) - 1)])
        return -worth if self._largest else worth

    def _edges(self, u: tuple[float, float], span: tuple[int, int]) -> _Floats:
        """Return the ends of the intervals: whole numbers, ascending, from span to span."""
        low, high = span
        if high - low <= _CELLS:
            return np.arange(low, high + 2, dtype=np.float64)
        even = np.linspace(low, high, _CELLS // 2)
        ends = np.array([even[0], even[-1]]) * u[0] + u[1]
        first, last = self._power(np.clip(ends, self._low, self._high)).tolist()
        p = np.linspace(first, last, _CELLS // 2)
        with np.errstate(all="ignore"):
            other = (self._link.forward(p) - u[1]) / u[0]
        found = np.concatenate([even, other[np.isfinite(other)], [low, high + 1]])
        return np.unique(np.rint(np.clip(found, low, high + 1)))

    def _power(self, u: _Floats) -> _Floats:
        return Link(self._link.power, self._link.offset).invert(u)

    def _bound(self, u: _Floats, below: _Floats, above: _Floats) -> tuple[_Floats, _Floats]:
        """Bounds of the mean for u[i] <= mean u <= u[i + 1], and what they are without margin."""
        below, above = (np.maximum(side[:-1], side[1:]) for side in (below, above))
        best = u[1:] if self._link.increasing == self._largest else u[:-1]
        link, hinges = self._link, self._hinges
        p = self._power(best)
        plain = _hinged(p, hinges)
        if not needs_spread(link, inside=self._inside, largest=self._largest):
            return plain, plain
        if link.power == "1" or _is_convex(link) == self._largest:
            knots = _knots(hinges)
            with np.errstate(all="ignore"):
                knots = link.forward(knots)
            knots = np.sort(knots[np.isfinite(knots)])
            left, right = best - below, best + above
            at = lambda x: _hinged(self._power(x), hinges)  # noqa: E731
        else:
            knots = np.sort(_knots(hinges))
            ends = (np.maximum(u[:-1] - below, self._low), np.minimum(u[1:] + above, self._high))
            left, right = (self._power(end) for end in ends)
            left, right = np.minimum(left, right), np.maximum(left, right)
            best, at = p, lambda x: _hinged(x, hinges)
            return self._hull(best, left, right, knots, at), plain
        left = np.minimum(np.maximum(left, self._low), best)
        right = np.maximum(np.minimum(right, self._high), best)
        return self._hull(best, left, right, knots, at), plain

    def _hull(self, x: _Floats, left: _Floats, right: _Floats, knots: _Floats, at: Any) -> _Floats:
        sign = 1.0 if self._largest else -1.0
        out = np.empty_like(x)
        values = (sign * at(left), sign * at(x), sign * at(right), sign * at(knots))
        _hull(x, left, right, knots, *values, out)
        return sign * out


def needs_spread(link: Link, *, inside: bool, largest: bool) -> bool:
    """Whether the bound of a mean takes more than Jensen's inequality: case 1 is all others."""
    jensen = link.power == "1" or _is_convex(link) != largest
    return bool(bends_of(link, inside=inside)) or not jensen


def _is_convex(link: Link) -> bool:
    """Whether the power link's inverse is convex: u^2, 1/u; not sqrt(u); mirrored by an offset."""
    convex = link.power.startswith("-") or link.power.startswith("1/")
    return convex != (link.offset is not None)


def _hinged(y: _Floats, hinges: _Floats) -> _Floats:
    for knot, change in hinges:
        y = y + np.maximum(y - knot, 0.0) * change
    return y


def _knots(hinges: _Floats) -> _Floats:
    """Return where the hinges bend, before any of them was applied."""
    found: list[float] = []
    for k in range(len(hinges)):
        y = float(hinges[k, 0])
        for knot, change in hinges[:k][::-1]:
            # The inverse of one hinge.
            y = y if y <= knot else float(knot + (y - knot) / (1.0 + change))
        found.append(y)
    return np.array(found)


def _hull_kernel(
    x: Any, left: Any, right: Any, knots: Any, at_left: Any, at_x: Any, at_right: Any,
    at_knots: Any, out: Any,
) -> None:  # fmt: skip
    """Least concave function above given points, at x: the highest chord over x."""
    for i in range(len(x)):
        first = np.searchsorted(knots, left[i], side="right")
        middle = np.searchsorted(knots, x[i], side="right")
        last = np.searchsorted(knots, right[i], side="left")
        best = at_x[i]
        for a in range(first - 1, middle):
            xa = left[i] if a < first else knots[a]
            ya = at_left[i] if a < first else at_knots[a]
            for b in range(middle, last + 1):
                xb = right[i] if b == last else knots[b]
                yb = at_right[i] if b == last else at_knots[b]
                if xb > xa:
                    best = max(best, ya + (yb - ya) * ((x[i] - xa) / (xb - xa)))
        out[i] = best


_hull = jit(_hull_kernel)
