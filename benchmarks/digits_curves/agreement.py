"""Whether searches rank alike where runs are real and where a surrogate answers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations, permutations

import numpy as np
import numpy.typing as npt

from anb_onnx.errors import AnbError

Floats = npt.NDArray[np.float64]

#: Draws of seeds for an interval.
DRAWS = 2_000


@dataclass(frozen=True)
class Agreement:
    """How alike two rankings of searches are.

    Attributes
    ----------
    tau : float
        Kendall's tau-b of the searches' mean values; NaN where all are equal.
    low, high : float
        Bounds that hold 90 % of the taus when seeds are drawn again, with replacement, on both
        sides.
    chance : float
        Share of all orders of the searches whose tau is at least as high: rankings that have
        nothing to do with each other.
    ceiling : float
        Mean tau of the second side with itself, over all ways of halving its seeds; NaN for one
        seed. Halves have half of the seeds: it is lower than two whole samples would reach.
    """

    tau: float
    low: float
    high: float
    chance: float
    ceiling: float


def tau(first: npt.ArrayLike, second: npt.ArrayLike) -> float:
    """Return Kendall's tau-b (Kendall, Biometrika 33, 1945), NaN if one side is constant."""
    a, b = (np.sign(np.subtract.outer(v, v)) for v in map(np.asarray, (first, second)))
    norm = np.sqrt((a * a).sum() * (b * b).sum())
    return float((a * b).sum() / norm) if norm else float("nan")


def agree(first: Floats, second: Floats, *, seed: int = 0) -> Agreement:
    """Compare two tables of values, seeds down and searches across, [S1, K] and [S2, K].

    Raises
    ------
    AnbError
        If the numbers of searches differ, or are not between 2 and 8.
    """
    count = first.shape[1]
    if second.shape[1] != count or not 2 <= count <= 8:
        msg = f"two tables of the same 2 to 8 searches, not of {count} and {second.shape[1]}"
        raise AnbError(msg)
    a, b = first.mean(axis=0), second.mean(axis=0)
    found = tau(a, b)
    rng = np.random.default_rng(seed)
    drawn = [tau(*(_again(table, rng) for table in (first, second))) for _ in range(DRAWS)]
    low, high = np.nanquantile(drawn, [0.05, 0.95]) if found == found else (np.nan, np.nan)
    # A hair below, because equal taus may differ in their last bit.
    orders = [tau(a, b[list(order)]) >= found - 1e-9 for order in permutations(range(count))]
    ceiling = [tau(*halves) for halves in _halves(second)]
    return Agreement(
        found,
        float(low),
        float(high),
        float(np.mean(orders)) if found == found else float("nan"),
        float(np.nanmean(ceiling)) if np.isfinite(ceiling).any() else float("nan"),
    )


def _again(table: Floats, rng: np.random.Generator) -> Floats:
    return np.asarray(table[rng.integers(len(table), size=len(table))].mean(axis=0))


def _halves(table: Floats) -> Sequence[tuple[Floats, Floats]]:
    rows = range(len(table))
    return [
        (table[list(half)].mean(axis=0), table[[r for r in rows if r not in half]].mean(axis=0))
        for half in combinations(rows, len(table) // 2)
        if half
    ]
