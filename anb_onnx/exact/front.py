"""The exact Pareto front of two targets: all architectures that no other dominates.

First the convex hull of the front of the two linear costs: weighted sums whose weights are found
between any two neighbours on it. Each of its edges gives a *zone*, the architectures whose first
mean lies between those of its ends, and weights whose sum bounds what is to be found there.

Then zone after zone, from the best first mean to the worst, a search (`anb_onnx.exact.search`) with
a corner between any two neighbours of what was found up to now: whatever is not below some corner
is dominated. Corners are limits of costs by `MeanBounds.limit`, and so allow for all margins;
what the search lists is evaluated, so that the front is that of the float32 means.

The two phases are those of Ulungu and Teghem for bi-objective problems ("The two phases method",
1995), with the bound sets of Ehrgott and Gandibleux (2007) in the second.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import count, pairwise

import numpy as np
from numpy.typing import NDArray

from anb_onnx.exact.diffusion import Costs
from anb_onnx.exact.means import NO_LIMIT
from anb_onnx.exact.parts import Cost, Part, diffuse
from anb_onnx.exact.search import Search
from anb_onnx.exact.solve import Effort, Limit, Wish, order_of, scaled

#: Most points of the hull that are sought; more zones are smaller, but each takes a diffusion.
_MOST_HULL = 96

_MOST_WEIGHT = 2**16

_FIRST_ROOM, _MOST_ROOM = 4, 2**12

Point = tuple[int, int]


class Archive:
    """What is not dominated up to now, by rising first worth; equal ones are all kept.

    Attributes
    ----------
    worth : float32 array [n, 2]
    symbols : int64 array [n, n_blocks]
    """

    def __init__(self, n_blocks: int) -> None:
        self.worth = np.zeros((0, 2), dtype=np.float32)
        self.symbols = np.zeros((0, n_blocks), dtype=np.int64)

    def add(self, worth: NDArray[np.float32], symbols: NDArray[np.int64]) -> None:
        """Take what is not dominated, and drop what now is; nothing may come twice."""
        worth = np.concatenate([self.worth, worth])
        symbols = np.concatenate([self.symbols, symbols])
        order = np.lexsort((*symbols.T[::-1], worth[:, 1], worth[:, 0]))
        worth, symbols = worth[order], symbols[order]
        keep = nondominated(worth)
        self.worth, self.symbols = worth[keep], symbols[keep]


def nondominated(worth: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Return which rows no other dominates: bool [n], of rows sorted by both columns."""
    first, second = worth[:, 0], worth[:, 1]
    # The least second of all that are strictly better in the first, and of all equal in it.
    starts = np.searchsorted(first, first, side="left")
    least = np.concatenate([[np.inf], np.minimum.accumulate(second)])
    return np.asarray((second < least[starts]) & (second == second[starts]))


def front(
    parts: Sequence[Part], wishes: tuple[Wish, Wish], limits: Sequence[Limit], effort: Effort
) -> Archive:
    """Return the exact front."""
    archive = Archive(len(parts[0].domains))
    zones = []
    for part in parts:
        zones += [(part, *zone) for zone in _zones(part, wishes, effort)]
    for part, *_ in zones:
        for wish in wishes:
            effort.margin = max(effort.margin, wish.cost(part).bounds.margin)
    # All zones, whatever their part, by rising first worth: what was found in one serves others.
    for part, start, stop, weights in sorted(zones, key=lambda zone: zone[1]):
        _Zone(part, wishes, limits, start, stop, weights).search(archive, effort)
    return archive


def _zones(
    part: Part, wishes: tuple[Wish, Wish], effort: Effort
) -> list[tuple[np.float32, np.float32, Point]]:
    """Return zones of a part: from and up to which first worth, and weights of the costs."""
    first, second = (wish.cost(part) for wish in wishes)
    hull = _Hull(part, first, second)
    points = hull.points()
    effort.nodes += hull.nodes
    worth = wishes[0].worth(part.symbols(np.array([hull.leaf[point] for point in points])))
    order = np.argsort(worth, kind="stable")
    starts = [np.float32(-np.inf), *worth[order], np.float32(np.inf)]
    weights = [(p[1] - q[1], q[0] - p[0]) for p, q in pairwise(points)]
    weights = [(1, 0), *weights, (0, 1)]
    return [
        (start, stop, weight)
        for (start, stop), weight in zip(pairwise(starts), weights, strict=True)
        if start < stop
    ]


class _Hull:
    """The convex hull of a part's front of two linear costs, or most of it."""

    def __init__(self, part: Part, first: Cost, second: Cost) -> None:
        self._part, self._costs = part, (first, second)
        self.leaf: dict[Point, NDArray[np.int64]] = {}
        self.nodes = 0

    def points(self) -> list[Point]:
        """Return points of the hull by rising first cost."""
        # Nearly all weight on one cost: of those that are best in it, one good in the other.
        ends = self._least((_MOST_WEIGHT, 1)), self._least((1, _MOST_WEIGHT))
        found = sorted(set(ends))
        todo = [*pairwise(found)]
        while todo and len(found) < _MOST_HULL:
            # The widest gap first, by the area between its points.
            todo.sort(key=lambda gap: (gap[1][0] - gap[0][0]) * (gap[0][1] - gap[1][1]))
            p, q = todo.pop()
            weights = _whole((p[1] - q[1], q[0] - p[0]))
            new = self._least(weights)
            inside = p[0] < new[0] < q[0] and q[1] < new[1] < p[1]
            if inside and _sum(weights, new) < min(_sum(weights, p), _sum(weights, q)):
                found.append(new)
                todo += [(p, new), (new, q)]
        return sorted(found)

    def _least(self, weights: Point) -> Point:
        """Return the point with the least weighted sum."""
        layout = self._part.layout
        raw = combined(weights, [cost.raw for cost in self._costs])
        costs, bits, _ = diffuse(layout, raw)
        search = Search(layout, [costs], order_of(self._part, costs))
        best, end, done = None, NO_LIMIT, False
        while not done:
            leaves, done = search.run(np.array([[end]]), 1)
            if len(leaves):
                best = leaves[0]
                end = (layout.total(raw, best) << bits) - 1
        self.nodes += search.nodes
        assert best is not None  # no part is empty
        point = tuple(layout.total(cost.raw, best) for cost in self._costs)
        self.leaf[point] = best  # type: ignore[index]
        return point  # type: ignore[return-value]


class _Zone:
    """All of a part whose first worth is from `start` to below `stop`."""

    def __init__(
        self,
        part: Part,
        wishes: tuple[Wish, Wish],
        limits: Sequence[Limit],
        start: np.float32,
        stop: np.float32,
        weights: Point,
    ) -> None:
        self._part, self._wishes, self._limits = part, wishes, limits
        self._start, self._stop = start, stop
        self._two = tuple(wish.cost(part) for wish in wishes)
        self._fixed = [limit.wish.cost(part) for limit in limits]
        self._ends = [limit.cost_limit(part) for limit in limits]
        self._weights = _whole(weights)
        raw = combined(self._weights, [cost.raw for cost in self._two])
        self._sum, self._bits, _ = diffuse(part.layout, raw)

    def search(self, archive: Archive, effort: Effort) -> None:
        """Add to the archive what is not dominated by it."""
        costs: list[Costs] = [self._sum, *(c.diffused for c in (*self._two, *self._fixed))]
        search = Search(self._part.layout, costs, order_of(self._part, self._sum))
        done = False
        for number in count():
            if done:
                break
            corners = self._corners(archive)
            leaves, done = search.run(corners, min(_FIRST_ROOM << number, _MOST_ROOM))
            effort.leaves += len(leaves)
            if len(leaves):
                self._take(archive, self._part.symbols(leaves))
        effort.nodes += search.nodes

    def _take(self, archive: Archive, symbols: NDArray[np.int64]) -> None:
        worth = np.stack([wish.worth(symbols) for wish in self._wishes], axis=1)
        # Each zone keeps to its own, or what lies in two would be found twice.
        fits = (worth[:, 0] >= self._start) & (worth[:, 0] < self._stop)
        for limit in self._limits:
            fits[fits] = limit.wish.worth(symbols[fits]) <= limit.worth
        archive.add(worth[fits], symbols[fits])

    def _corners(self, archive: Archive) -> NDArray[np.int64]:
        """Return the corners between what is in the archive: int64 [n, n_costs]."""
        first, second = archive.worth[:, 0], archive.worth[:, 1]
        before = second[first <= self._start]
        inside = (first > self._start) & (first < self._stop)
        # As good as the next in the first, and as the one before in the second.
        firsts = [*first[inside], self._stop]
        seconds = [before[-1] if len(before) else np.float32(np.inf), *second[inside]]
        found = dict.fromkeys(
            (self._limit(0, a), self._limit(1, b)) for a, b in zip(firsts, seconds, strict=True)
        )
        return np.array([self._corner(ends) for ends in found], dtype=np.int64)

    def _limit(self, number: int, worth: np.float32) -> int:
        if not np.isfinite(worth):
            return NO_LIMIT
        value = -worth if self._wishes[number].largest else worth
        return self._two[number].bounds.limit(value)

    def _corner(self, ends: Point) -> list[int]:
        needed = [end for end, weight in zip(ends, self._weights, strict=True) if weight]
        total = NO_LIMIT if NO_LIMIT in needed else scaled(_sum(self._weights, ends), self._bits)
        watched = zip((*ends, *self._ends), (*self._two, *self._fixed), strict=True)
        return [total, *(scaled(end, cost.bits) for end, cost in watched)]


def combined(weights: Sequence[int], costs: Sequence[Costs]) -> Costs:
    """Return a weighted sum of costs."""
    total = np.zeros_like(costs[0])
    for weight, cost in zip(weights, costs, strict=True):
        if weight:
            total += weight * cost
    return total


def _sum(weights: Point, point: Point) -> int:
    return sum(w * c for w, c in zip(weights, point, strict=True) if w)


def _whole(weights: Point) -> Point:
    """Return weights in about the same ratio, whole numbers of at most `_MOST_WEIGHT`."""
    unit = max(weights) / _MOST_WEIGHT
    if unit <= 1:
        return weights
    return max(round(weights[0] / unit), 0), max(round(weights[1] / unit), 0)
