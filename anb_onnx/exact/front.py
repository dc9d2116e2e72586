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
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anb_onnx.encoding.jit import jit
from anb_onnx.exact.means import NO_LIMIT
from anb_onnx.exact.parts import Part
from anb_onnx.exact.search import Search
from anb_onnx.exact.solve import Effort, Limit, Wish, order_of
from anb_onnx.exact.weights import Weighted, scaled, seek

#: Most points of the hull that are sought; more zones are smaller, but each takes a diffusion.
_MOST_HULL = 96

#: Nodes for a point of it.
_MOST_HULL_NODES = 2**17

_FIRST_ROOM, _MOST_ROOM = 4, 2**12

Point = tuple[int, int]


class Archive:
    """What is not dominated up to now, by rising first worth; equal ones are all kept.

    Attributes
    ----------
    worth : float32 array [n, n_targets]
    symbols : int64 array [n, n_blocks]
    """

    def __init__(self, n_targets: int, n_blocks: int) -> None:
        self.worth = np.zeros((0, n_targets), dtype=np.float32)
        self.symbols = np.zeros((0, n_blocks), dtype=np.int64)

    def add(self, worth: NDArray[np.float32], symbols: NDArray[np.int64]) -> None:
        """Take what is not dominated, and drop what now is; what comes twice is kept once."""
        worth = np.concatenate([self.worth, worth])
        symbols = np.concatenate([self.symbols, symbols])
        order = np.lexsort((*symbols.T[::-1], *worth.T[::-1]))
        worth, symbols = worth[order], symbols[order]
        new = np.ones(len(worth), dtype=np.bool_)
        new[1:] = (symbols[1:] != symbols[:-1]).any(axis=1)
        worth, symbols = worth[new], symbols[new]
        keep = nondominated(worth)
        self.worth, self.symbols = worth[keep], symbols[keep]


def nondominated(worth: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Return which rows no other dominates: bool [n], of rows sorted by their columns."""
    if worth.shape[1] > 2:
        return _nondominated_of_many(worth)
    first, second = worth[:, 0], worth[:, 1]
    # The least second of all that are strictly better in the first, and of all equal in it.
    starts = np.searchsorted(first, first, side="left")
    least = np.concatenate([[np.inf], np.minimum.accumulate(second)])
    return np.asarray((second < least[starts]) & (second == second[starts]))


def _nondominated_of_many(worth: NDArray[np.float32]) -> NDArray[np.bool_]:
    """As `nondominated`, of any number of columns."""
    distinct, back = np.unique(worth, axis=0, return_inverse=True)
    keep = np.empty(len(distinct), dtype=np.bool_)
    mark_nondominated(distinct, keep)
    return np.asarray(keep[back.reshape(-1)])


def _mark_kernel(rows: Any, keep: Any) -> None:
    """Mark the rows that no other dominates; they are sorted by columns, and no two are equal."""
    for i in range(len(rows)):
        keep[i] = True
        for j in range(i):
            if keep[j]:
                worse = True
                for k in range(rows.shape[1]):
                    if rows[j, k] > rows[i, k]:
                        worse = False
                        break
                if worse:
                    keep[i] = False
                    break


mark_nondominated = jit(_mark_kernel)


def front(
    parts: Sequence[Part], wishes: tuple[Wish, Wish], limits: Sequence[Limit], effort: Effort
) -> Archive:
    """Return the exact front of two targets."""
    archive = Archive(2, len(parts[0].domains))
    zones = []
    for part in parts:
        region = Region(part, wishes, limits)
        effort.margin = max(effort.margin, region.costs[0].bounds.margin)
        if not region.empty:
            zones += [(region, *zone) for zone in _zones(region, effort)]
    # All zones, whatever their part, by rising first worth: what was found in one serves others.
    for region, start, stop, weights in sorted(zones, key=lambda zone: zone[1]):
        _Zone(region, start, stop, weights).search(archive, effort)
    return archive


class Region:
    """What of a part the constraints leave, and the costs of its targets, then of constraints."""

    def __init__(self, part: Part, wishes: Sequence[Wish], limits: Sequence[Limit]) -> None:
        self.part, self.wishes, self.limits = part, wishes, limits
        self.costs = [wish.cost(part) for wish in (*wishes, *(limit.wish for limit in limits))]
        self.ends = [limit.cost_limit(part) for limit in limits]
        self.empty = any(
            c.least > e for c, e in zip(self.costs[len(wishes) :], self.ends, strict=True)
        )

    def limit(self, number: int, worth: np.float32) -> int:
        """Return the cost that a target's mean as good as `worth` cannot exceed."""
        if not np.isfinite(worth):
            return NO_LIMIT if worth > 0 else -NO_LIMIT
        value = -worth if self.wishes[number].largest else worth
        return self.costs[number].bounds.limit(value)

    def total(self, weighted: Weighted, point: Sequence[int]) -> int:
        """Return what a weighted sum cannot exceed where the targets' costs do not a point."""
        return weighted.total([*point, *self.ends])

    def weighted(self, weights: tuple[float, float]) -> Weighted:
        """Return the sum of both costs with weights, and of those of constraints with good ones."""
        ends = [0, 0, *self.ends]
        free = [i for i in range(2, len(ends)) if ends[i] < NO_LIMIT]
        shares = [*weights, *(0.0 for _ in self.limits)]
        if free:
            return seek(self.part, self.costs, shares, free, ends)
        return Weighted.of(self.part, self.costs, shares)

    def search(self, weighted: Weighted) -> Search:
        """Return a search that looks at a weighted sum first."""
        costs = [weighted.diffused, *(cost.diffused for cost in self.costs)]
        return Search(self.part.layout, costs, order_of(self.part, weighted.diffused))

    def corner(self, weighted: Weighted, total: int, point: Sequence[int]) -> list[int]:
        """Return what no cost may exceed, scaled, from what the sum and targets' costs may be."""
        ends = [*point, *self.ends]
        pairs = zip(ends, self.costs, strict=True)
        return [
            min(scaled(total, weighted.bits), weighted.end(ends)),
            *(scaled(end, cost.bits) for end, cost in pairs),
        ]

    def feasible(self, symbols: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Return which architectures fulfil the constraints: bool [n]."""
        fits = np.ones(len(symbols), dtype=np.bool_)
        for limit in self.limits:
            fits[fits] = limit.wish.worth(symbols[fits]) <= limit.worth
        return fits


def _zones(
    region: Region, effort: Effort
) -> list[tuple[np.float32, np.float32, tuple[float, float]]]:
    """Return zones of a region: from and up to which first worth, and weights of both costs."""
    hull = _Hull(region)
    points = hull.points()
    effort.nodes += hull.nodes
    worth = np.zeros(0, dtype=np.float32)
    if points:
        leaves = np.array([hull.leaf[point] for point in points])
        worth = region.wishes[0].worth(region.part.symbols(leaves))
    # Of costs that rise, but for margins; where worths do not, neighbours' weights serve as well.
    starts = [np.float32(-np.inf), *np.sort(worth), np.float32(np.inf)]
    weights = [(float(p[1] - q[1]), float(q[0] - p[0])) for p, q in pairwise(points)]
    weights = [(1.0, 0.0), *weights, (0.0, 1.0)] if points else [(1.0, 1.0)]
    return [
        (start, stop, weight)
        for (start, stop), weight in zip(pairwise(starts), weights, strict=True)
        if start < stop
    ]


class _Hull:
    """The convex hull of a region's front of two linear costs, or about that.

    Its points only say where zones begin and end: any would do.
    """

    def __init__(self, region: Region) -> None:
        self._region = region
        self.leaf: dict[Point, NDArray[np.int64]] = {}
        self.nodes = 0

    def points(self) -> list[Point]:
        """Return points of the hull by rising first cost; none where none was found."""
        # Nearly all weight on one cost: of those that are best in it, one good in the other.
        ends = self._least((1.0, 2.0**-14)), self._least((2.0**-14, 1.0))
        found = sorted({end for end in ends if end is not None})
        if len(found) == 2 and found[0][1] <= found[1][1]:
            # Constraints or a search that was cut off: one is worse in both, and no weights of
            # both costs that are positive, as a bound needs them, make the two equally good.
            del found[1]
        todo = [*pairwise(found)]
        while todo and len(found) < _MOST_HULL:
            # The widest gap first, by the area between its points.
            todo.sort(key=lambda gap: (gap[1][0] - gap[0][0]) * (gap[0][1] - gap[1][1]))
            p, q = todo.pop()
            weights = (float(p[1] - q[1]), float(q[0] - p[0]))
            new = self._least(weights)
            if (
                new is not None
                and p[0] < new[0] < q[0]
                and q[1] < new[1] < p[1]
                and _sum(weights, new) < _sum(weights, p)
            ):
                found.append(new)
                todo += [(p, new), (new, q)]
        return sorted(found)

    def _least(self, weights: tuple[float, float]) -> Point | None:
        """Return the feasible point with the least weighted sum, or one with nearly that."""
        region, layout = self._region, self._region.part.layout
        weighted = region.weighted(weights)
        search = region.search(weighted)
        total, point, done = NO_LIMIT, None, False
        while not done and search.nodes < _MOST_HULL_NODES:
            corner = region.corner(weighted, total, (NO_LIMIT, NO_LIMIT))
            leaves, done = search.run(np.array([corner]), 1)
            if region.feasible(region.part.symbols(leaves)).any():
                costs = [layout.total(cost.raw, leaves[0]) for cost in region.costs]
                total, point = weighted.total(costs) - 1, (costs[0], costs[1])
                self.leaf[point] = leaves[0]
        self.nodes += search.nodes
        return point


class _Zone:
    """All of a region whose first worth is from `start` to below `stop`."""

    def __init__(
        self,
        region: Region,
        start: np.float32,
        stop: np.float32,
        weights: tuple[float, float],
    ) -> None:
        self._region, self._start, self._stop = region, start, stop
        self._weighted = region.weighted(weights)

    def search(self, archive: Archive, effort: Effort) -> None:
        """Add to the archive what is not dominated by it."""
        search = self._region.search(self._weighted)
        done = False
        for number in count():
            if done:
                break
            corners = self._corners(archive)
            leaves, done = search.run(corners, min(_FIRST_ROOM << min(number, 20), _MOST_ROOM))
            effort.leaves += len(leaves)
            if len(leaves):
                self._take(archive, self._region.part.symbols(leaves))
        effort.nodes += search.nodes

    def _take(self, archive: Archive, symbols: NDArray[np.int64]) -> None:
        worth = np.stack([wish.worth(symbols) for wish in self._region.wishes], axis=1)
        # Each zone keeps to its own: what is elsewhere is found there, with all that is near.
        fits = (worth[:, 0] >= self._start) & (worth[:, 0] < self._stop)
        fits[fits] = self._region.feasible(symbols[fits])
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
            (self._region.limit(0, a), self._region.limit(1, b))
            for a, b in zip(firsts, seconds, strict=True)
        )
        corners = [self._region.corner(self._weighted, NO_LIMIT, point) for point in found]
        return np.array(corners, dtype=np.int64)


def _sum(weights: tuple[float, float], point: Point) -> float:
    return weights[0] * point[0] + weights[1] * point[1]
