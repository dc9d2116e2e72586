"""What a selection is worth: reduction of accuracy, hypervolume, regret under limits.

All of losses: accuracies and costs turned so that smaller is better. The truth is of all
candidates, so that nothing is an estimate.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Losses: TypeAlias = NDArray[np.float64]
Rows: TypeAlias = NDArray[np.int64]

#: Limits of the cost: what these shares of the candidates keep.
SHARES = (0.1, 0.25, 0.5, 0.75)


def front_of(first: Losses, second: Losses) -> Rows:
    """Return the rows that no other dominates, all of those that are equal, by the second loss.

    Examples
    --------
    >>> front_of(np.array([3.0, 1.0, 2.0, 3.0]), np.array([1.0, 3.0, 3.0, 1.0])).tolist()
    [0, 3, 1]
    """
    order = np.lexsort((first, second))
    best = np.minimum.accumulate(first[order])
    # Better than all of a smaller second loss; of equal second losses, the best.
    before = np.searchsorted(second[order], second[order], side="left")
    bound = np.concatenate([[np.inf], best])[before]
    kept = (first[order] < bound) & (first[order] == best[before])
    return np.asarray(order[kept], dtype=np.int64)


def volume(first: Losses, second: Losses, reference: tuple[float, float]) -> float:
    """Return the area that points dominate, up to a reference point.

    Examples
    --------
    >>> volume(np.array([1.0, 2.0]), np.array([2.0, 1.0]), (3.0, 3.0))
    3.0
    """
    rows = front_of(first, second)
    x, y = np.minimum(first[rows], reference[0]), np.minimum(second[rows], reference[1])
    widths = np.diff(np.append(y, reference[1]))
    return float(((reference[0] - x) * widths).sum())


@dataclass(frozen=True, eq=False)
class Truth:
    """What is true of all candidates.

    Attributes
    ----------
    accuracy, cost : ndarray of float64, shape (N,)
        As losses: the accuracy in points, negative; the cost in its unit, negative where large is
        good.
    """

    accuracy: Losses
    cost: Losses

    @cached_property
    def limits(self) -> tuple[float, ...]:
        """The cost's limits, as losses: what `SHARES` of the candidates keep."""
        return tuple(float(x) for x in np.quantile(self.cost, SHARES, method="lower"))

    @cached_property
    def _by_cost(self) -> tuple[Losses, Losses]:
        order = np.argsort(self.cost, kind="stable")
        return self.cost[order], np.minimum.accumulate(self.accuracy[order])

    def best_within(self, costs: Losses) -> Losses:
        """Return the best accuracy, as a loss, at no more than each of these costs."""
        ordered, best = self._by_cost
        return np.asarray(best[np.searchsorted(ordered, costs, side="right") - 1])

    def mean_reduction(self, rows: Rows) -> float:
        """Return the mean reduction of accuracy (MRA) of selected rows, in points of accuracy.

        That of a row is by how much the most accurate of all candidates that cost no more than it
        truly does is better: its distance to the true front at its own cost (Laube et al., "What
        to expect of hardware metric predictors in neural architecture search", 2022). Not
        relative: one of 69 % in the place of one of 70 % is a reduction by 1.
        """
        return float((self.accuracy[rows] - self.best_within(self.cost[rows])).mean())

    @property
    def reference(self) -> tuple[float, float]:
        """The reference point of hypervolumes: the worst accuracy and cost of all candidates."""
        return float(self.accuracy.max()), float(self.cost.max())

    @cached_property
    def _volume(self) -> float:
        return volume(self.accuracy, self.cost, self.reference)

    def hypervolume_loss(self, rows: Rows) -> float:
        """Return the share of the true front's hypervolume that rows miss, from 0 to 1."""
        found = volume(self.accuracy[rows], self.cost[rows], self.reference)
        return 1.0 - found / self._volume

    def undominated(self, rows: Rows) -> Rows:
        """Return those of some rows that none of them truly dominates."""
        return rows[front_of(self.accuracy[rows], self.cost[rows])]

    def best_of(self, rows: Rows, limit: float) -> int | None:
        """Return the most accurate of some rows that truly keeps a limit; None if none does."""
        kept = rows[self.cost[rows] <= limit]
        return int(kept[self.accuracy[kept].argmin()]) if len(kept) else None

    def regrets(self, chosen: Sequence[int | None]) -> list[float | None]:
        """Return the regret of what was chosen for each of the limits, in points of accuracy.

        None where nothing was chosen, or what does not truly keep the limit.
        """
        found: list[float | None] = []
        for row, limit in zip(chosen, self.limits, strict=True):
            if row is None or self.cost[row] > limit:
                found.append(None)
            else:
                best = self.best_within(np.array([limit]))[0]
                found.append(float(self.accuracy[row] - best))
        return found
