"""Which points are worth most together, where each is known only as draws of what it may be.

The worth of a set is the hypervolume that it dominates up to a reference point, averaged over the
draws; of one objective, by how much its best is better than the reference. It is submodular: what
one more point adds never grows as others join, so the greedy choice is within 1 - 1/e of the best
set (Nemhauser, Wolsey and Fisher, 1978), and a point whose last known gain is less than another's
present one need not be looked at ("lazy", Minoux, 1978).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from anb_onnx.search.measures import hypervolume
from anb_onnx.search.objective import Floats

#: Points whose gains are computed at a time.
_BATCH = 64


class Chosen:
    """Points chosen so far, as they may be: what others add to their hypervolume.

    Parameters
    ----------
    reference : float64 array [m]
    known : float64 array [j, m]
        Losses of points that are there already, the same in every draw.
    n_draws : int
    """

    def __init__(self, reference: Floats, known: Floats, n_draws: int) -> None:
        self._reference = reference
        # As others of no use: a point at the reference adds nothing.
        self._points = np.repeat(np.minimum(known, reference)[np.newaxis], n_draws, axis=0)

    def add(self, losses: Floats) -> None:
        """Add a point: float64 [draws, m], no worse than the reference."""
        self._points = np.concatenate([self._points, losses[:, np.newaxis]], axis=1)

    def gains(self, losses: Floats) -> Floats:
        """Return what each point would add: float64 [n] of losses [n, draws, m], the mean."""
        if len(self._reference) == 1:
            return self._gains_of_one(losses)
        if len(self._reference) == 2:
            return self._gains_of_two(losses)
        return self._gains_of_more(losses)

    def _gains_of_one(self, losses: Floats) -> Floats:
        best = np.minimum(self._reference, self._points.min(axis=1, initial=np.inf))
        return np.asarray(np.maximum(best - losses, 0.0).mean(axis=(1, 2)))

    def _gains_of_two(self, losses: Floats) -> Floats:
        # The chosen as a staircase: up to each of `ends` in the first loss, the second that is
        # dominated begins at `heights`.
        x, y = self._points[..., 0], self._points[..., 1]
        order = np.argsort(x, axis=1, kind="stable")
        top = np.full((len(x), 1), self._reference[1])
        stairs = np.minimum.accumulate(np.take_along_axis(y, order, 1), axis=1)
        heights = np.concatenate([top, stairs], axis=1)
        ends = np.concatenate(
            [np.take_along_axis(x, order, 1), np.full((len(x), 1), self._reference[0])], axis=1
        )
        starts = np.concatenate([np.full((len(x), 1), -np.inf), ends[:, :-1]], axis=1)
        gains = []
        for first in range(0, len(losses), _BATCH):
            part = losses[first : first + _BATCH, :, :, np.newaxis]
            widths = np.maximum(ends - np.maximum(starts, part[:, :, 0]), 0.0)
            gains.append((widths * np.maximum(heights - part[:, :, 1], 0.0)).sum(-1).mean(-1))
        return np.concatenate(gains)

    def _gains_of_more(self, losses: Floats) -> Floats:
        if not self._points.shape[1]:
            return np.asarray((self._reference - losses).prod(axis=2).mean(axis=1))
        before = [hypervolume(points, self._reference) for points in self._points]
        found = np.empty(losses.shape[:2])
        for draw, points in enumerate(self._points):
            for row, loss in enumerate(losses[:, draw]):
                found[row, draw] = hypervolume(np.vstack([points, loss]), self._reference)
        return np.asarray((found - before).mean(axis=1))


def choose(
    losses: Floats, reference: Floats, k: int, known: Floats, last: Floats
) -> tuple[NDArray[np.int64], Floats]:
    """Choose points one by one, each the one that adds most.

    Where none adds anything to those chosen, the next are chosen as if these were not there: they
    are the second bests, should the best be none after all.

    Parameters
    ----------
    losses : float64 array [n, draws, m]
        Smaller is better; what does not count in a draw is at the reference there.
    reference : float64 array [m]
        A loss that is not better than it in every objective adds nothing.
    k : int
        At most n.
    known : float64 array [j, m]
        Losses of what is known for certain.
    last : float64 array [n]
        Order of those that add nothing in any draw, whatever was chosen: the smallest first.

    Returns
    -------
    rows : int64 array [k]
    gains : float64 array [k]
        What each added when it was chosen; 0 of those after which nothing was to be gained.
    """
    losses = np.minimum(losses, reference)
    n, n_draws, m = losses.shape
    nothing = np.empty((0, m))
    alone = Chosen(reference, nothing, n_draws).gains(losses)
    chosen = Chosen(reference, known, n_draws)
    bounds, free = alone.copy(), np.ones(n, dtype=bool)
    rows: list[int] = []
    gains: list[float] = []
    fresh = not len(known)
    while len(rows) < k:
        row, gain = _best(chosen, losses, bounds, free, exact=fresh)
        if gain > 0.0:
            gains.append(gain if not _is_layered(rows, gains) else 0.0)
        elif (alone[free] > 0.0).any():
            # A layer below: the chosen are left out of account, and so are the known.
            gains.append(0.0)
            chosen, bounds, fresh = Chosen(reference, nothing, n_draws), alone.copy(), True
            row, _ = _best(chosen, losses, bounds, free, exact=True)
        else:
            row = int(np.flatnonzero(free)[np.argmin(last[free])])
            gains.append(0.0)
        rows.append(row)
        free[row] = False
        chosen.add(losses[row])
        fresh = False
    return np.array(rows, dtype=np.int64), np.array(gains)


def _is_layered(rows: list[int], gains: list[float]) -> bool:
    """Whether what was chosen before begins another layer, in which nothing is added."""
    return bool(rows) and gains[-1] == 0.0


def _best(
    chosen: Chosen, losses: Floats, bounds: Floats, free: NDArray[np.bool_], *, exact: bool
) -> tuple[int, float]:
    """Return the free row that adds most, and what it adds; `bounds` are lowered on the way.

    Parameters
    ----------
    bounds : float64 array [n]
        What each row adds at most: its last known gain.
    exact : bool
        Whether they are what each row adds.
    """
    held = np.where(free, bounds, -1.0)
    if exact:
        row = int(held.argmax())
        return row, float(held[row])
    row, gain, most = -1, -1.0, _BATCH
    stale = free.copy()
    while True:
        candidates = np.flatnonzero(stale & (held > max(gain, 0.0)))
        if not len(candidates):
            break
        # Twice as many each time: where the first guess is wrong, most have to be looked at.
        size, most = min(most, len(candidates)), 2 * most
        part = candidates[np.argpartition(-held[candidates], size - 1)[:size]]
        part.sort()
        found = chosen.gains(losses[part])
        bounds[part] = held[part] = found
        stale[part] = False
        best = int(found.argmax())
        if found[best] > gain:
            row, gain = int(part[best]), float(found[best])
    return (row, gain) if gain > 0.0 else (int(held.argmax()), 0.0)
