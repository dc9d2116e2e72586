"""The exact Pareto front of three targets.

The space of the first and the third mean is cut into a grid of zones, by values that lie on the
fronts of two of the three targets. Zone after zone, from the best values to the worst, weights are
sought with which the three costs bound the second mean there; many zones are seen to be dominated
by that alone. In what is left a search (`anb_onnx.exact.search`) looks below the corners that the
archive leaves: the *local upper bounds* of Klamroth, Lacour and Vanderpooten ("On the
representation of the search region in multi-objective optimization", EJOR 245, 2015).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import count, pairwise, product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anb_onnx.encoding.jit import jit
from anb_onnx.errors import ExactError
from anb_onnx.exact.front import Archive, Region, front, mark_nondominated
from anb_onnx.exact.means import NO_LIMIT
from anb_onnx.exact.parts import Part
from anb_onnx.exact.solve import Effort, Limit, Wish
from anb_onnx.exact.weights import Weighted, seek

#: Zones along either axis.
_ZONES = 8

#: Steps for each weight of a zone.
_STEPS = 6

#: Nodes after which a zone is cut into four.
_MOST_NODES = 2**18

_FIRST_ROOM, _MOST_ROOM = 16, 2**12

_INF = np.float32(np.inf)

_Worths = NDArray[np.float32]


def front3(
    parts: Sequence[Part],
    wishes: tuple[Wish, Wish, Wish],
    limits: Sequence[Limit],
    most: int,
    effort: Effort,
    progress: Callable[[float, int], object] | None = None,
) -> Archive:
    """Return the exact front of three targets.

    `progress` is called after each zone with the share of them that is done, and the number of
    points that are on the front up to now.

    Raises
    ------
    ExactError
        If more than `most` points were found that do not dominate each other.
    """
    first, second, third = wishes
    pairs = [
        front(parts, pair, limits, effort)
        for pair in ((first, second), (first, third), (third, second))
    ]
    archive = Archive(3, len(parts[0].domains))
    columns = _cuts(pairs[0].worth[:, 0], pairs[1].worth[:, 0])
    rows = _cuts(pairs[1].worth[:, 1], pairs[2].worth[:, 0])
    regions = [Region(part, wishes, limits) for part in parts]
    # From the best values to the worst, in both.
    for number, ((below, above), (left, right)) in enumerate(product(rows, columns)):
        for region in regions:
            if not region.empty:
                _Zone(region, (left, below), (right, above)).search(archive, effort)
        if progress is not None:
            progress((number + 1) / (len(rows) * len(columns)), len(archive.worth))
        if len(archive.worth) > most:
            msg = (
                f"the front of these three targets has more than {most} architectures; add "
                "constraints, limit genes or ask for two targets"
            )
            raise ExactError(msg)
    return archive


def _cuts(*worths: _Worths) -> list[tuple[np.float32, np.float32]]:
    """Return intervals that cover all values, cut where as many of some lie on either side."""
    values = np.unique(np.concatenate(worths))
    places = np.linspace(0, len(values) - 1, _ZONES - 1) if len(values) else np.zeros(0)
    inner = values[np.unique(places.astype(np.int64))]
    return [*pairwise([-_INF, *inner, _INF])]


class _Zone:
    """All of a region with first and third worth from `start` to below `stop`."""

    def __init__(
        self,
        region: Region,
        start: tuple[np.float32, np.float32],
        stop: tuple[np.float32, np.float32],
    ) -> None:
        self._region, self._start, self._stop = region, start, stop

    def search(self, archive: Archive, effort: Effort) -> None:
        """Add to the archive what is not dominated by it."""
        region = self._region
        corners = self._corners(archive)
        weighted = self._weights(corners)
        ends = [self._ends(corner) for corner in corners]
        if all(weighted.least > region.total(weighted, end) for end in ends):
            return
        search, smaller = region.search(weighted), self._halves()
        done = False
        for number in count():
            if done or (smaller and search.nodes > _MOST_NODES):
                break
            rows = [region.corner(weighted, NO_LIMIT, self._ends(corner)) for corner in corners]
            room = min(_FIRST_ROOM << min(number, 20), _MOST_ROOM)
            budget = _MOST_NODES if smaller else None
            leaves, done = search.run(np.array(rows, dtype=np.int64), room, budget)
            effort.leaves += len(leaves)
            if len(leaves):
                self._take(archive, region.part.symbols(leaves))
                corners = self._corners(archive)
        effort.nodes += search.nodes
        if not done:  # weights of their own say more; what was found is not lost
            for zone in smaller:
                zone.search(archive, effort)

    def _halves(self) -> list[_Zone]:
        """Cut the zone where it is widest, or not at all."""
        (left, below), (right, above) = self._start, self._stop
        cuts = [(a + b) / np.float32(2) for a, b in ((left, right), (below, above))]
        found: list[_Zone] = []
        spans = [(a, c, b) for a, c, b in zip((left, below), cuts, (right, above), strict=True)]
        inside = [bool(np.isfinite(c) and a < c < b) for a, c, b in spans]
        if all(inside):
            x, z = cuts
            # From the best values to the worst, in both.
            for low, high in ((below, z), (z, above)):
                found += [
                    _Zone(self._region, (left, low), (x, high)),
                    _Zone(self._region, (x, low), (right, high)),
                ]
        return found

    def _weights(self, corners: _Worths) -> Weighted:
        """Seek weights that bound the second cost where the others are within the zone."""
        region = self._region
        ends = [*self._ends(corners.max(axis=0)), *region.ends]
        free = [i for i in range(len(ends)) if ends[i] < NO_LIMIT]
        # Where the second has no end yet, whether the zone can be reached at all.
        fixed = 1 if 1 in free or not free else free[0]
        free = [i for i in free if i != fixed]
        shares = [float(i == fixed) for i in range(len(ends))]
        if not free:
            return Weighted.of(region.part, region.costs, shares)
        return seek(region.part, region.costs, shares, free, ends, _STEPS)

    def _ends(self, corner: _Worths) -> tuple[int, ...]:
        return tuple(self._region.limit(number, worth) for number, worth in enumerate(corner))

    def _take(self, archive: Archive, symbols: NDArray[np.int64]) -> None:
        region, (left, below), (right, above) = self._region, self._start, self._stop
        worth = np.stack([wish.worth(symbols) for wish in region.wishes], axis=1)
        fits = (worth[:, 0] >= left) & (worth[:, 0] < right)
        fits &= (worth[:, 2] >= below) & (worth[:, 2] < above)
        fits[fits] = region.feasible(symbols[fits])
        archive.add(worth[fits], symbols[fits])

    def _corners(self, archive: Archive) -> _Worths:
        """Return the local upper bounds within the zone, float32 [n, 3]."""
        (left, below), (right, above) = self._start, self._stop
        worth = archive.worth[(archive.worth[:, 0] < right) & (archive.worth[:, 2] < above)].copy()
        # What is better than all of the zone is so by any amount.
        worth[worth[:, 0] <= left, 0] = -_INF
        worth[worth[:, 2] <= below, 2] = -_INF
        worth = np.unique(worth, axis=0)
        kept = np.empty(len(worth), dtype=np.bool_)
        mark_nondominated(worth, kept)
        found = np.empty((2 * int(kept.sum()) + 8, 3), dtype=np.float32)
        start = np.array([right, _INF, above], dtype=np.float32)
        n = _upper_bounds(worth[kept], start, found)
        return found[:n]


def _upper_bounds_kernel(points: Any, start: Any, out: Any) -> int:
    """List the local upper bounds of points, which do not dominate each other."""
    width = len(start)
    out[0] = start
    n = 1
    for p in range(len(points)):
        point = points[p]
        # Those above the point in all coordinates give way to their projections.
        split = np.empty((n, width), dtype=np.float32)
        n_split, rest = 0, 0
        for u in range(n):
            above = True
            for k in range(width):
                if out[u, k] <= point[k]:
                    above = False
                    break
            if above:
                split[n_split] = out[u]
                n_split += 1
            else:
                out[rest] = out[u]
                rest += 1
        n = rest
        for k in range(width):
            for a in range(n_split):
                # The projection is redundant if another's lies above it.
                needed = True
                for b in range(n_split):
                    if a == b:
                        continue
                    covered, same = True, True
                    for j in range(width):
                        if j == k:
                            continue
                        if split[b, j] < split[a, j]:
                            covered = False
                            break
                        if split[b, j] > split[a, j]:
                            same = False
                    if covered and (not same or b < a):
                        needed = False
                        break
                if needed and point[k] > -np.inf:
                    out[n] = split[a]
                    out[n, k] = point[k]
                    n += 1
    return n


_upper_bounds = jit(_upper_bounds_kernel)
