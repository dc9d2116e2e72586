"""Statistics of runs, against SciPy and by hand."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st

from anb_onnx.errors import SearchError
from anb_onnx.experiments import statistics
from anb_onnx.experiments.statistics import (
    friedman_nemenyi,
    holm,
    mean_ranks,
    median,
    median_interval,
    signed_rank,
)


def test_the_interval_is_that_of_the_order_statistics() -> None:
    # The percentile bootstrap of a median resamples order statistics: with 51 distinct values its
    # ends are values themselves, near those that the binomial distribution gives.
    values = np.random.default_rng(5).permutation(np.arange(51.0))
    found = median_interval(values)
    low, high = scipy.stats.binom.ppf([0.025, 0.975], 51, 0.5)
    assert found.median == 25.0
    assert abs(found.low - low) <= 1
    assert abs(found.high - high) <= 1
    assert median_interval(values[::-1]) == found


def test_an_interval_holds_the_median_as_often_as_it_says() -> None:
    rng = np.random.default_rng(1)
    true = scipy.stats.expon.median()
    found = [median_interval(rng.exponential(size=25)) for _ in range(200)]
    held = sum(i.low <= true <= i.high for i in found)
    # 190 of 200 on average; below 176 or above 199 less than once in 10,000.
    assert 176 <= held <= 199


def test_zeros_and_infinities_of_an_interval() -> None:
    assert median_interval([0.0] * 10) == statistics.Interval(0.0, 0.0, 0.0)
    mostly = median_interval([0.5] * 3 + [math.inf] * 7)
    assert (mostly.median, mostly.low, mostly.high) == (math.inf, 0.5, math.inf)
    assert median([1.0, math.inf]) == math.inf
    assert median([1.0, 2.0, math.inf]) == 2.0
    assert math.isnan(median([]))
    one = median_interval([3.0])
    assert one.median == 3.0
    assert math.isnan(one.low)
    assert math.isnan(one.high)


@pytest.mark.parametrize("n", [5, 12, 30])
def test_signed_ranks_without_ties_are_those_of_scipy(n: int) -> None:
    rng = np.random.default_rng(n)
    first, second = rng.normal(size=n), rng.normal(0.4, size=n)
    found = signed_rank(first, second)
    assert found.p == pytest.approx(scipy.stats.wilcoxon(first, second, method="exact").pvalue)
    assert found.first_better == (first < second).sum()
    assert found.second_better == (first > second).sum()


@given(st.lists(st.integers(-3, 3), min_size=1, max_size=9))
def test_signed_ranks_with_ties_and_zeros_count_all_signs(differences: list[int]) -> None:
    # The independent way: all 2^n assignments of signs to the ranks of what differs.
    array = np.array(differences, dtype=float)
    ranks = scipy.stats.rankdata(np.abs(array))[array != 0]
    observed = ranks[array[array != 0] > 0].sum()
    middle = ranks.sum() / 2
    sums = [
        sum(rank for rank, positive in zip(ranks, signs, strict=True) if positive)
        for signs in itertools.product([False, True], repeat=len(ranks))
    ]
    expected = np.mean([abs(s - middle) >= abs(observed - middle) for s in sums])
    found = signed_rank(array, np.zeros(len(array)))
    assert found.p == pytest.approx(expected)
    assert found.equal == (array == 0).sum()


def test_many_pairs_are_near_the_normal_distribution(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    first, second = rng.integers(0, 9, (2, 250)) + np.array([[0], [0.25]])
    counted = signed_rank(first, second).p
    monkeypatch.setattr(statistics, "EXACT_PAIRS", 0)
    approximated = signed_rank(first, second).p
    assert counted == pytest.approx(approximated, rel=0.02)
    scipys = scipy.stats.wilcoxon(
        first, second, zero_method="pratt", correction=True, method="approx"
    )
    # SciPy's step is that of ranks, whose sums here step by halves.
    assert approximated == pytest.approx(scipys.pvalue, rel=0.01)


def test_equal_and_infinite_pairs() -> None:
    none = signed_rank([0.0, math.inf], [0.0, math.inf])
    assert (none.equal, none.p) == (2, 1.0)
    found = signed_rank([0.0, 0.0, 1.0, math.inf], [math.inf, 0.5, 0.5, math.inf])
    assert (found.first_better, found.second_better, found.equal) == (2, 1, 1)
    with pytest.raises(SearchError, match="pairs of numbers"):
        signed_rank([1.0, math.nan], [1.0, 2.0])
    with pytest.raises(SearchError, match=r"\(1,\) and \(2,\)"):
        signed_rank([1.0], [1.0, 2.0])


@given(st.lists(st.floats(0, 1), max_size=12))
def test_holm_by_its_definition(p_values: list[float]) -> None:
    corrected = holm(p_values)
    order = np.argsort(p_values, kind="stable")
    for place, i in enumerate(order):
        earlier = [(len(p_values) - j) * p_values[order[j]] for j in range(place + 1)]
        assert corrected[i] == min(1.0, max(earlier))


def test_mean_ranks_share_ties() -> None:
    table = [[0.0, 0.0, 3.0], [2.0, 1.0, math.inf], [5.0, math.inf, math.inf]]
    assert mean_ranks(table).tolist() == [4.5 / 3, 5 / 3, 8.5 / 3]
    assert np.isnan(mean_ranks(np.empty((0, 2)))).all()


@pytest.mark.parametrize(("k", "q"), [(3, 2.343), (4, 2.569), (6, 2.850), (10, 3.164)])
def test_the_critical_difference_is_that_of_the_tables(k: int, q: float) -> None:
    # Critical values of Nemenyi's test at 0.05: Demsar 2006, table 5(a).
    found = friedman_nemenyi(np.tile(np.arange(float(k)), (14, 1)))
    assert found.difference == pytest.approx(q * math.sqrt(k * (k + 1) / (6 * 14)), abs=2e-3)


def test_a_ranking_over_tasks_by_hand() -> None:
    table = [[1, 2, 3], [1, 3, 2], [2, 1, 3], [1, 2, 3], [1, 2, 3], [1, 2, 3]]
    found = friedman_nemenyi(table)
    assert found.ranks == pytest.approx((7 / 6, 12 / 6, 17 / 6))
    # 12 / (n k (k + 1)) * sum of squared rank sums - 3 n (k + 1), of two degrees of freedom.
    statistic = 12 / (6 * 3 * 4) * (49 + 144 + 289) - 3 * 6 * 4
    assert found.p == pytest.approx(math.exp(-statistic / 2))
    assert found.groups == ((0, 1), (1, 2))


def test_groups_of_a_ranking() -> None:
    ordered = np.tile(np.arange(6.0), (40, 1))
    found = friedman_nemenyi(ordered)
    assert found.difference == pytest.approx(1.192, abs=1e-3)
    assert found.groups == ((0, 1), (1, 2), (2, 3), (3, 4), (4, 5))
    assert friedman_nemenyi(np.tile(np.arange(3.0), (100, 1))).groups == ()
    alike = friedman_nemenyi(np.zeros((5, 3)))
    assert (alike.p, alike.groups) == (1.0, ((0, 1, 2),))


def test_too_few_tasks_or_optimizers_are_not_ranked() -> None:
    with pytest.raises(SearchError, match=r"at least 5 tasks and 3 .* there are 4 and 3"):
        friedman_nemenyi(np.zeros((4, 3)))
    with pytest.raises(SearchError, match="there are 5 and 2"):
        friedman_nemenyi(np.zeros((5, 2)))
