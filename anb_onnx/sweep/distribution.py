"""What a histogram proves of a distribution: every answer is a pair of bounds, or exact."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from anb_onnx._io.show import show
from anb_onnx.sweep.grid import SweepError
from anb_onnx.sweep.partial import Histogram

#: More than the rounding of the sums of a million numbers in float64.
_SLACK = 2.0**-30


@dataclass(frozen=True, eq=False)
class Distribution:
    """How the predictions of all architectures of a space are distributed.

    Parameters
    ----------
    edges : ndarray of float32, shape (n + 1,)
        Strictly increasing, in the target's unit.
    counts : ndarray of int64, shape (n,)
        Architectures with ``edges[i] <= mean < edges[i + 1]``, mean in float32.
    below, above : int
        Architectures outside the edges.

    Examples
    --------
    >>> edges = np.array([0.0, 1.0, 2.0, 3.0], dtype=np.float32)
    >>> found = Distribution(edges, np.array([1, 2, 5]))
    >>> found.total, found.at_most(0.5), found.below_value(2.0)
    (8, (0, 1), (3, 3))
    >>> found.quantile(0.5)
    (2.0, 2.999999761581421)
    """

    edges: NDArray[np.float32]
    counts: NDArray[np.int64]
    below: int = 0
    above: int = 0

    @classmethod
    def of(cls, histogram: Histogram) -> Distribution:
        """Return the distribution of a sweep's histogram."""
        return cls(histogram.grid.edges, histogram.counts, histogram.below, histogram.above)

    @property
    def total(self) -> int:
        """Number of all architectures."""
        return int(self.cumulative[-1]) + self.above

    @cached_property
    def cumulative(self) -> NDArray[np.int64]:
        """Number of architectures with mean < edges[i]: int64 [n + 1], exact."""
        return np.concatenate([[self.below], self.below + np.cumsum(self.counts)]).astype(np.int64)

    def below_value(self, value: float) -> tuple[int, int]:
        """Return the least and the most architectures that may have mean < value.

        Both are the same where the value is an edge, or no float32 between it and one.

        Raises
        ------
        SweepError
            If the value is not a number.
        """
        if math.isnan(value):
            msg = f"the value must be a number, not {show(value)}"
            raise SweepError(msg)
        # mean < value is mean < v for the least float32 v not less than the value.
        v = np.float32(min(max(value, -3e38), 3e38))
        v = np.nextafter(v, np.float32(np.inf)) if float(v) < value else v
        if v < self.edges[0]:
            return 0, 0 if self.below == 0 else self.below
        if v > self.edges[-1]:
            return self.total - self.above, self.total
        at = int(np.searchsorted(self.edges, v))
        most = int(self.cumulative[at])
        return (most if self.edges[at] == v else int(self.cumulative[at - 1])), most

    def at_most(self, value: float) -> tuple[int, int]:
        """Return the least and the most architectures that may have mean <= value.

        Raises
        ------
        SweepError
            If the value is not a number.
        """
        if math.isnan(value):
            return self.below_value(value)
        v = np.float32(min(max(value, -3e38), 3e38))
        v = np.nextafter(v, np.float32(-np.inf)) if float(v) > value else v
        return self.below_value(float(np.nextafter(v, np.float32(np.inf))))

    def share(self, value: float) -> tuple[float, float]:
        """Return bounds of the share of all architectures that have mean <= value."""
        least, most = self.at_most(value)
        return least / self.total, most / self.total

    def quantile(self, q: float) -> tuple[float, float]:
        """Return float32 values, as floats, between which the q-quantile is, both inclusive.

        That is the least prediction that at least a share q of all architectures do not exceed;
        for q = 0 the least of all.

        Raises
        ------
        SweepError
            If q is not from 0 to 1; if the quantile is outside the edges.
        """
        if not 0 <= q <= 1:
            msg = f"q must be from 0 to 1, not {show(q)}"
            raise SweepError(msg)
        needed = max(1, math.ceil(q * self.total))  # in order of predictions
        if needed <= self.below or needed > self.total - self.above:
            msg = f"the {q:g}-quantile is outside the histogram's edges"
            raise SweepError(msg)
        at = int(np.searchsorted(self.cumulative, needed)) - 1
        high = np.nextafter(self.edges[at + 1], np.float32(-np.inf))
        return float(self.edges[at]), float(high)

    @property
    def mean(self) -> tuple[float, float]:
        """Bounds of the mean over all architectures.

        Raises
        ------
        SweepError
            If there are architectures outside the edges.
        """
        low, high, counts = self._bins()
        slack = _SLACK * float(np.abs(self.edges).max())
        total = counts.sum()
        return float(low @ counts / total) - slack, float(high @ counts / total) + slack

    @property
    def std(self) -> tuple[float, float]:
        """Bounds of the standard deviation over all architectures, population form.

        A value is the middle of its bin and a rest of half a bin at most, and the standard
        deviation of a sum is between the difference and the sum of both.

        Raises
        ------
        SweepError
            If there are architectures outside the edges.
        """
        low, high, counts = self._bins()
        shares = counts / counts.sum()
        middle = (low + high) / 2
        std = math.sqrt(float((middle - middle @ shares) ** 2 @ shares))
        rest = math.sqrt(float(((high - low) / 2) ** 2 @ shares))
        slack = _SLACK * float(np.abs(self.edges).max())
        return max(0.0, std - rest - slack), std + rest + slack

    def _bins(self) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
        """Return the least and the largest value of each bin, and the counts."""
        if self.below or self.above:
            msg = (
                f"{self.below + self.above} architectures are outside the histogram's edges, so "
                "that it tells neither mean nor standard deviation"
            )
            raise SweepError(msg)
        high = np.nextafter(self.edges[1:], np.float32(-np.inf)).astype(np.float64)
        return self.edges[:-1].astype(np.float64), high, self.counts.astype(np.float64)
