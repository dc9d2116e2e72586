"""Weighted sums of costs, and the search for weights whose bound is worth most.

Where an architecture must fulfil ``cost[i] <= end[i]``, then for any weights w >= 0 also
``sum of w[i] * cost[i] <= sum of w[i] * end[i]``. With good weights the least value of that one sum
says more than those of all costs by themselves (Lagrangian relaxation, surrogate constraints).
Any weights are valid; how good they are only decides how much is left to search.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from anb_onnx.exact.diffusion import Costs
from anb_onnx.exact.means import NO_LIMIT
from anb_onnx.exact.parts import Cost, Part, diffuse

#: The least weight, where there is room: finer ones change bounds by less than 0.01 %.
_FINE = 2.0**14

#: Weighted sums stay below this, with room for diffusion.
_MOST_SUM = 2**58

#: Steps of the search for one weight, each a diffusion, and how far from 1 its logarithm goes.
_STEPS, _REACH = 10, 8.0


@dataclass(frozen=True)
class Weighted:
    """A weighted sum of costs.

    Attributes
    ----------
    weights : tuple of int
        One for each cost.
    diffused : Costs
        Scaled by 2 to the power of `bits`.
    bits : int
    least : int
        Bound of the sum, not scaled.
    """

    weights: tuple[int, ...]
    diffused: Costs
    bits: int
    least: int

    @classmethod
    def of(cls, part: Part, costs: Sequence[Cost], shares: Sequence[float]) -> Weighted:
        """Return the sum with weights in about the ratio of shares, not all of which are 0."""
        weights = _whole(shares, [cost.size for cost in costs])
        total: Costs = np.zeros_like(costs[0].raw)
        for weight, cost in zip(weights, costs, strict=True):
            if weight:
                total += weight * cost.raw
        diffused, bits, least = diffuse(part.layout, total)
        return cls(weights, diffused, bits, least)

    def total(self, ends: Sequence[int]) -> int:
        """Return the weighted sum of ends; `NO_LIMIT` where one that counts has none."""
        needed = [(w, end) for w, end in zip(self.weights, ends, strict=True) if w]
        if any(end >= NO_LIMIT for _, end in needed):
            return NO_LIMIT
        return sum(w * end for w, end in needed)

    def end(self, ends: Sequence[int]) -> int:
        """Return what the diffused sum must not exceed."""
        return scaled(self.total(ends), self.bits)


def scaled(limit: int, bits: int) -> int:
    """Return a limit of costs scaled by 2 to the power of `bits`, which stay below 2^62 in size."""
    if limit >= NO_LIMIT:
        return NO_LIMIT
    return max(min(limit << bits, NO_LIMIT), -NO_LIMIT)


def seek(
    part: Part,
    costs: Sequence[Cost],
    shares: Sequence[float],
    free: Sequence[int],
    ends: Sequence[int],
    steps: int = _STEPS,
) -> Weighted:
    """Seek the shares of some costs that make the bound worth most; the others' are given.

    Parameters
    ----------
    part : Part
    costs : sequence of Cost
    shares : sequence of float
        Those of the free costs are 0 or guesses.
    free : sequence of int
        Numbers of the free costs.
    ends : sequence of int
        What the free costs must not exceed.
    """
    fixed = [i for i in range(len(costs)) if i not in free and shares[i]]
    leading = max(fixed, key=lambda i: shares[i] * _reach(costs[i]))
    reference = shares[leading] * _reach(costs[leading])
    best = Weighted.of(part, costs, shares)
    value = _worth(best, leading, free, ends)
    found = list(shares)
    for _ in range(1 if len(free) == 1 else 2):
        for i in free:

            def at(x: float, i: int = i) -> tuple[float, Weighted]:
                tried = [*found]
                tried[i] = reference / _reach(costs[i]) * 2.0**x
                weighted = Weighted.of(part, costs, tried)
                return _worth(weighted, leading, free, ends), weighted

            x, (new, weighted) = _maximum(at, -_REACH, _REACH, steps)
            if new > value:
                found[i] = reference / _reach(costs[i]) * 2.0**x
                best, value = weighted, new
    return best


def _worth(weighted: Weighted, leading: int, free: Sequence[int], ends: Sequence[int]) -> float:
    """Return the bound of the sum of the costs that are not free, for one of the leading cost."""
    gone = sum(weighted.weights[i] * ends[i] for i in free)
    return (weighted.least - gone) / weighted.weights[leading]


def _reach(cost: Cost) -> float:
    """Return about how much costs differ."""
    return float(max(np.abs(cost.raw).max(), 1))


def _whole(shares: Sequence[float], sizes: Sequence[int]) -> tuple[int, ...]:
    """Return shares as whole numbers in about their ratio; none of what has one becomes 0.

    Costs of one target may be millions of times those of another, and so may weights: what has to
    stay small is their products.
    """
    sums = sum(share * size for share, size in zip(shares, sizes, strict=True))
    unit = _FINE / min(share for share in shares if share)
    if sums:
        unit = min(unit, _MOST_SUM / 2 / sums)
    # Weights of 1 for want of room add little: no size is beyond 2^43 (`TableEnsemble.bounds`).
    return tuple(max(1, round(share * unit)) if share else 0 for share in shares)


def _maximum(
    at: Callable[[float], tuple[float, Weighted]], low: float, high: float, steps: int
) -> tuple[float, tuple[float, Weighted]]:
    """Return about where a quasi-concave function is largest, and what it is there.

    By golden-section search (Kiefer 1953).
    """
    golden = (5.0**0.5 - 1) / 2
    a, b = high - golden * (high - low), low + golden * (high - low)
    fa, fb = at(a), at(b)
    for _ in range(steps):
        if fa[0] >= fb[0]:
            high, b, fb = b, a, fa
            a = high - golden * (high - low)
            fa = at(a)
        else:
            low, a, fa = a, b, fb
            b = low + golden * (high - low)
            fb = at(b)
    return (a, fa) if fa[0] >= fb[0] else (b, fb)
