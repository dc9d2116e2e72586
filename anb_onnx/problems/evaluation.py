"""What the evaluation of architectures says about each of them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Evaluation:
    """Objectives, constraints and cost of a batch of architectures.

    Attributes
    ----------
    values : float64 array [n, n_objectives]
        As observed, in the objectives' units: what an optimizer may see.
    means : float64 array [n, n_objectives]
        Without noise; `values` itself where the problem has none.
    violations : float64 array [n, n_constraints]
        How far beyond each limit, in the unit of its target; 0 where the limit is kept.
    cost : float64 array [n] or None
        What each evaluation costs, in the unit of the problem's cost.
    """

    values: Floats
    means: Floats
    violations: Floats
    cost: Floats | None = None

    def __len__(self) -> int:
        return len(self.values)

    @property
    def feasible(self) -> NDArray[np.bool_]:
        """Whether all limits are kept: bool [n]."""
        kept: NDArray[np.bool_] = (self.violations == 0.0).all(axis=1)
        return kept

    def __getitem__(self, rows: slice) -> Evaluation:
        """Return the evaluation of some of the rows."""
        means = self.means[rows]
        return Evaluation(
            means if self.values is self.means else self.values[rows],
            means,
            self.violations[rows],
            None if self.cost is None else self.cost[rows],
        )
