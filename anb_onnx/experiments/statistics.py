"""What samples of runs say: medians with intervals, signed ranks, ranks over many tasks.

Regrets are often exactly 0, and infinite where nothing feasible has been found; every function here
takes both as they are.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from anb_onnx.errors import SearchError
from anb_onnx.parallel.extras import need

Floats = NDArray[np.float64]

#: Resamples of an interval, and the seed they are drawn with.
RESAMPLES, SEED = 9_999, 0

#: Pairs of runs up to which the null distribution of signed ranks is counted, not approximated.
EXACT_PAIRS = 300

#: Tasks and optimizers from which ranks over tasks are compared.
LEAST_TASKS, LEAST_OPTIMIZERS = 5, 3

# Stands for infinity where quantiles are interpolated, which infinity itself would turn into NaN.
_HUGE, _BEYOND = 1e150, 1e100


@dataclass(frozen=True)
class Interval:
    """A median, and the bounds of its confidence interval; NaN where there are none."""

    median: float
    low: float
    high: float


def median(values: ArrayLike) -> float:
    """Return the median of numbers [n], of which some may be infinite; NaN of none."""
    data = _finite(values)
    return float(_infinite(np.median(data))) if data.size else math.nan


def median_interval(values: ArrayLike, *, level: float = 0.95) -> Interval:
    """Return the median of a sample and its percentile bootstrap interval.

    Not the bias-corrected one (BCa): of a median its acceleration, a jackknife's, says nothing, and
    of a sample that is mostly zeros it is not defined.

    Parameters
    ----------
    values : numbers [n]
        Infinity is allowed. Of fewer than two values there is no interval.
    level : float
        Share of samples whose interval holds the true median.

    Returns
    -------
    Interval
        The same for the same sample, in any order of its values.

    Raises
    ------
    ExtraError
        If SciPy is missing.

    Examples
    --------
    >>> median_interval([0.0, 0.0, 0.0, 1.0, 2.0])
    Interval(median=0.0, low=0.0, high=2.0)
    """
    data = np.sort(_finite(values))
    if data.size < 2:
        return Interval(median(values), math.nan, math.nan)
    stats = need("scipy.stats", extra="search", what="an interval of a median")
    # A generator, which SciPy takes as `rng` since 1.15 and as `random_state` before.
    options: dict[str, Any] = {"n_resamples": RESAMPLES, "method": "percentile"}
    try:
        found = stats.bootstrap(
            (data,), np.median, rng=np.random.default_rng(SEED), confidence_level=level, **options
        )
    except TypeError:
        found = stats.bootstrap(
            (data,),
            np.median,
            random_state=np.random.default_rng(SEED),
            confidence_level=level,
            **options,
        )
    ends = _infinite([found.confidence_interval.low, found.confidence_interval.high])
    return Interval(median(values), float(ends[0]), float(ends[1]))


def mean_ranks(table: ArrayLike) -> Floats:
    """Return the mean rank of each column, 1 the smallest; equal values share their mean rank.

    Parameters
    ----------
    table : numbers [n_blocks, n_columns]
        A row is what is compared with each other: runs of one seed, or medians of one task.
    """
    values = np.asarray(table, dtype=np.float64)
    ranks = np.stack([_ranks(row) for row in values]) if len(values) else values
    found: Floats = ranks.mean(axis=0) if len(ranks) else np.full(values.shape[1], np.nan)
    return found


@dataclass(frozen=True)
class SignedRank:
    """What Wilcoxon's signed-rank test says of two paired samples.

    Attributes
    ----------
    first_better, second_better, equal : int
        Pairs in which the first is smaller, the second is, or both are the same.
    p : float
        Two-sided.
    """

    first_better: int
    second_better: int
    equal: int
    p: float


def signed_rank(first: ArrayLike, second: ArrayLike) -> SignedRank:
    """Compare paired samples by Wilcoxon's signed-rank test, two-sided.

    Pairs without a difference are ranked with the others and then left out (Pratt, "Remarks on
    zeros and ties in the Wilcoxon signed rank procedures", 1959); equal differences share their
    mean rank. The distribution under the null hypothesis, given these ranks, is counted exactly up
    to `EXACT_PAIRS` pairs, ties and zeros or not, and is normal beyond.

    Parameters
    ----------
    first, second : numbers [n]
        Smaller is better. Infinity is worse than all, and equal to itself.

    Returns
    -------
    SignedRank

    Raises
    ------
    SearchError
        If they have different lengths or hold NaN.

    Examples
    --------
    >>> signed_rank([0, 0, 0, 1, 2, 3], [0, 1, 2, 3, 4, 5])
    SignedRank(first_better=5, second_better=0, equal=1, p=0.0625)
    """
    a, b = np.asarray(first, dtype=np.float64), np.asarray(second, dtype=np.float64)
    if a.shape != b.shape or a.ndim != 1 or np.isnan(a).any() or np.isnan(b).any():
        msg = f"signed ranks are of pairs of numbers, not of {a.shape} and {b.shape} with NaN"
        raise SearchError(msg)
    differences = np.where(a == b, 0.0, a - np.where(a == b, 0.0, b))
    below, above = int((differences < 0).sum()), int((differences > 0).sum())
    # Twice the ranks: mean ranks of ties are halves, and these are integers.
    doubled = np.rint(2 * _ranks(np.abs(differences))).astype(np.int64)
    used = doubled[differences != 0]
    statistic = int(doubled[differences > 0].sum())
    if not len(used):
        return SignedRank(0, 0, len(a), 1.0)
    p = _exact(used, statistic) if len(used) <= EXACT_PAIRS else _normal(used, statistic)
    return SignedRank(below, above, len(a) - below - above, p)


def _exact(doubled: NDArray[np.int64], statistic: int) -> float:
    """Return the two-sided p-value of a sum of ranks whose signs are fair coins."""
    total = int(doubled.sum())
    chance = np.zeros(total + 1)
    chance[0] = 1.0
    for rank in doubled:
        # Halved at each coin, so that the numbers stay chances whatever their count.
        taken = np.zeros_like(chance)
        taken[rank:] = chance[: total + 1 - rank]
        chance = (chance + taken) / 2
    low = chance[: min(statistic, total - statistic) + 1].sum()
    return float(min(1.0, 2 * low))


def _normal(doubled: NDArray[np.int64], statistic: int) -> float:
    """Return the p-value by the normal approximation, corrected by half a step of the sum."""
    spread = math.sqrt(float((doubled.astype(np.float64) ** 2).sum()) / 4)
    step = 1.0  # half of the 2 that a rank more adds to a doubled sum
    z = max(abs(statistic - doubled.sum() / 2) - step, 0.0) / spread
    return math.erfc(z / math.sqrt(2))


def holm(p_values: Sequence[float]) -> list[float]:
    """Return p-values corrected for their number by Holm's step-down method.

    Examples
    --------
    >>> holm([0.01, 0.04, 0.03])
    [0.03, 0.06, 0.06]
    """
    order = sorted(range(len(p_values)), key=lambda i: p_values[i])
    corrected = [0.0] * len(p_values)
    least = 0.0
    for place, i in enumerate(order):
        least = max(least, min(1.0, (len(p_values) - place) * p_values[i]))
        corrected[i] = least
    return corrected


@dataclass(frozen=True)
class Ranking:
    """Optimizers ranked over tasks.

    Attributes
    ----------
    ranks : tuple of float
        Mean rank of each optimizer, 1 the best.
    p : float
        Of Friedman's test that all rank alike.
    difference : float
        Critical difference: mean ranks that are further apart differ, by Nemenyi's test.
    groups : tuple of tuple of int
        Largest sets of optimizers, by number, none of which differ; those of one are left out.
    """

    ranks: tuple[float, ...]
    p: float
    difference: float
    groups: tuple[tuple[int, ...], ...]


def friedman_nemenyi(table: ArrayLike, *, level: float = 0.95) -> Ranking:
    """Rank optimizers over tasks as Demsar does.

    "Statistical comparisons of classifiers over multiple data sets" (2006): Friedman's test, and
    the critical difference of Nemenyi's.

    Parameters
    ----------
    table : numbers [n_tasks, n_optimizers]
        Smaller is better.
    level : float
        1 less the chance that optimizers which rank alike are told apart.

    Returns
    -------
    Ranking

    Raises
    ------
    SearchError
        If there are fewer than `LEAST_TASKS` tasks or `LEAST_OPTIMIZERS` optimizers.
    ExtraError
        If SciPy is missing.

    Examples
    --------
    >>> ranking = friedman_nemenyi([[0, 1, 2]] * 8)
    >>> ranking.ranks, f"{ranking.difference:.3f}", ranking.groups
    ((1.0, 2.0, 3.0), '1.172', ((0, 1), (1, 2)))
    """
    values = np.asarray(table, dtype=np.float64)
    n, k = values.shape
    if n < LEAST_TASKS or k < LEAST_OPTIMIZERS:
        msg = (
            f"ranks over tasks want at least {LEAST_TASKS} tasks and {LEAST_OPTIMIZERS} "
            f"optimizers that ran on all of them; there are {n} and {k}"
        )
        raise SearchError(msg)
    stats = need("scipy.stats", extra="search", what="a ranking over tasks")
    ranked = np.stack([_ranks(row) for row in values])
    ranks = ranked.mean(axis=0)
    alike = (ranked == ranked[:, :1]).all()
    p = 1.0 if alike else float(stats.friedmanchisquare(*ranked.T).pvalue)
    q = stats.studentized_range.ppf(level, k, np.inf) / math.sqrt(2)
    difference = float(q * math.sqrt(k * (k + 1) / (6 * n)))
    return Ranking(tuple(map(float, ranks)), p, difference, _groups(ranks, difference))


def _groups(ranks: Floats, difference: float) -> tuple[tuple[int, ...], ...]:
    """Return the largest runs of neighbours, in order of rank, that are no further apart."""
    order = np.argsort(ranks, kind="stable")
    found: list[tuple[int, ...]] = []
    reached = 0
    for start in range(len(order)):
        stop = start
        while stop < len(order) and ranks[order[stop]] - ranks[order[start]] <= difference:
            stop += 1
        if stop - start > 1 and stop > reached:
            found.append(tuple(int(i) for i in order[start:stop]))
        reached = max(reached, stop)
    return tuple(found)


def _ranks(values: Floats) -> Floats:
    """Return the ranks of numbers [n] from 1; equal ones share their mean rank."""
    _, place, counts = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    mean: Floats = (last - (counts - 1) / 2)[place.reshape(-1)]
    return mean


def _finite(values: ArrayLike) -> Floats:
    return np.minimum(np.asarray(values, dtype=np.float64), _HUGE)


def _infinite(values: Any) -> Floats:
    found = np.asarray(values, dtype=np.float64)
    return np.where(found > _BEYOND, np.inf, found)
