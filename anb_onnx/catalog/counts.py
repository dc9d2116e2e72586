"""How many architectures lie below a value: exact where it is known, and proven bounds elsewhere.

What is known comes from two sources: a histogram of all architectures, exact at its edges, and the
list of the best ones, exact everywhere in its range. Both become one function of float32 numbers x,
*how many architectures have a mean below x*, known at its knots. It never falls, so that between
two knots it is at least what it is at the one and at most what it is at the other.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

Float32s = npt.NDArray[np.float32]
Float64s = npt.NDArray[np.float64]
_FLOAT32 = np.dtype(np.float32)


def after(x: Any) -> Float32s:
    """Return the next larger float32 numbers."""
    with np.errstate(over="ignore"):  # after the largest comes infinity
        return np.nextafter(np.asarray(x, _FLOAT32), np.float32(np.inf))


def at_least(values: Float64s) -> Float32s:
    """Return the least float32 numbers that are not less than values."""
    with np.errstate(over="ignore"):
        near = values.astype(_FLOAT32)
    return np.where(near.astype(np.float64) < values, after(near), near)


def at_most(values: Float64s) -> Float32s:
    """Return the largest float32 numbers that are not more than values."""
    return -at_least(-values)


@dataclass(frozen=True, eq=False)
class Below:
    """How many architectures have a mean below a number.

    Attributes
    ----------
    knots : float64 array [n]
        float32 numbers, strictly increasing: at the first nothing lies below, at the last all.
    counts : int64 array [n], or of Python's integers where int64 does not hold the total
        How many lie below each knot.
    everywhere : bool
        Whether a histogram says how they spread; else one stretch is of unknown shape.
    """

    knots: Float64s
    counts: npt.NDArray[Any]
    everywhere: bool

    @classmethod
    def of(
        cls,
        ends: tuple[float, float],
        total: int,
        histogram: tuple[Float32s, npt.NDArray[np.integer[Any]]] | None,
        best: Float32s,
        best_to: float | None,
        *,
        rising: bool,
    ) -> Below:
        """Join a histogram and the values of the best architectures.

        Parameters
        ----------
        ends : (float, float)
            Least and largest mean of all architectures.
        total : int
            How many there are.
        histogram : (edges float32 [n + 1], counts [n]), optional
            Bin i holds ``edges[i] <= mean < edges[i + 1]``; from the least mean to the number
            after the largest.
        best : float32 array [k]
            Means of the best architectures, in any order.
        best_to : float or None
            Down to which value they are complete; None where there is no list.
        rising : bool
            Whether larger means are better.
        """
        dtype: Any = np.int64 if total < 2**63 else object
        if histogram is None:
            knots = np.array([ends[0], float(after(ends[1]))])
            counts = np.array([0, total], dtype=dtype)
        else:
            knots = histogram[0].astype(np.float64)
            counts = np.concatenate([[0], np.cumsum(histogram[1], dtype=np.int64)])
        if best_to is None:
            return cls(knots, counts, histogram is not None)
        # In the range of the list the count changes at its values and after them, nowhere else.
        values, times = np.unique(best, return_counts=True)
        limit = _FLOAT32.type(best_to)
        border = limit if rising else after(limit)
        steps = np.unique(np.concatenate([values, after(values), np.atleast_1d(border)]))
        sums = np.concatenate([[0], np.cumsum(times)])
        listed = sums[np.searchsorted(values, steps)].astype(dtype)
        if rising:
            listed = listed + (total - len(best))
            kept = knots < float(border)
            parts = (knots[kept], steps), (counts[kept], listed)
        else:
            kept = knots > float(border)
            parts = (steps, knots[kept]), (listed, counts[kept])
        where, what = (np.concatenate(part) for part in parts)
        return cls(where.astype(np.float64), what, histogram is not None)

    def bounds(self, x: Float32s) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
        """Return proven bounds (least, most) of how many lie below x, int64 or object [n]."""
        above = np.searchsorted(self.knots, x.astype(np.float64), side="left")
        last = len(self.knots) - 1
        most = np.minimum(above, last)
        exact = (above > last) | (self.knots[most] == x)
        least = np.where(exact, most, np.maximum(above - 1, 0))
        return self.counts[least], self.counts[most]

    def estimate(self, x: Float32s) -> Float64s:
        """Return about how many lie below x: exact at the knots, linear between."""
        return np.interp(x.astype(np.float64), self.knots, self._floats)

    def known(self, x: Float32s) -> npt.NDArray[np.bool_]:
        """Say at which x the estimate means something: not in a stretch of unknown shape."""
        if self.everywhere:
            return np.ones(x.shape, dtype=np.bool_)
        least, most = self.bounds(x)
        return np.asarray(least == most)

    @cached_property
    def _floats(self) -> Float64s:
        return self.counts.astype(np.float64)

    @cached_property
    def coarsest(self) -> int:
        """Most architectures between two knots that are not told apart."""
        steps = np.diff(self.counts)
        # A stretch of one float32 number holds means that are equal.
        several = after(self.knots[:-1].astype(_FLOAT32)) < self.knots[1:]
        return int(steps[several].max(initial=0))
