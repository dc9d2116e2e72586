"""What a histogram says of all predictions, against the predictions."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from anb_onnx.sweep import Distribution, Grid, Histogram, SweepError
from anb_onnx.sweep.grid import MAX_LANDMARKS

VALUES = np.random.default_rng(0).normal(70.0, 3.0, 5_000).astype(np.float32)


def distribution(values: NDArray[np.float32], grid: Grid) -> Distribution:
    places = np.searchsorted(grid.edges, values, side="right")
    found = np.bincount(places, minlength=len(grid.edges) + 1)
    return Distribution.of(Histogram(grid, found[1:-1], int(found[0]), int(found[-1])))


GRID = Grid(float(VALUES.min()), float(VALUES.max()), 97, (float(VALUES[17]), 70.0))
WHOLE = distribution(VALUES, GRID)
CUT = distribution(VALUES, Grid(65.0, 75.0, 40))


@given(st.one_of(st.floats(50, 90), st.sampled_from(VALUES.tolist()), st.floats(allow_nan=False)))
def test_shares_hold_what_they_bound(value: float) -> None:
    for found in (WHOLE, CUT):
        least, most = found.below_value(value)
        assert least <= int((VALUES.astype(float) < value).sum()) <= most
        least, most = found.at_most(value)
        true = int((VALUES.astype(float) <= value).sum())
        assert least <= true <= most
        low, high = found.share(value)
        assert low <= true / len(VALUES) <= high


def test_shares_are_exact_at_edges_and_landmarks() -> None:
    for edge in [*GRID.edges.tolist(), *GRID.landmarks]:
        least, most = WHOLE.below_value(edge)
        assert least == most == (edge > VALUES).sum()
    for mark in GRID.landmarks:
        least, most = WHOLE.at_most(mark)
        assert least == most == (mark >= VALUES).sum()
    assert WHOLE.total == CUT.total == len(VALUES)
    # One bin's width is all that is unknown elsewhere.
    least, most = WHOLE.at_most(71.23)
    assert 0 < most - least < 200


@given(st.floats(0, 1))
def test_quantiles_hold_what_they_bound(q: float) -> None:
    needed = max(1, math.ceil(q * len(VALUES)))
    true = np.sort(VALUES)[needed - 1]
    low, high = WHOLE.quantile(q)
    assert low <= true <= high
    assert high - low <= (GRID.high - GRID.low) / GRID.bins + 1e-4
    if CUT.below < needed <= CUT.total - CUT.above:
        low, high = CUT.quantile(q)
        assert low <= true <= high
    else:
        with pytest.raises(SweepError, match="outside"):
            CUT.quantile(q)


def test_mean_and_deviation_hold_what_they_bound() -> None:
    exact = VALUES.astype(np.float64)
    width = (GRID.high - GRID.low) / GRID.bins
    for bounds, true in ((WHOLE.mean, exact.mean()), (WHOLE.std, exact.std())):
        assert bounds[0] <= true <= bounds[1]
        assert bounds[1] - bounds[0] <= 1.01 * width
    for name in ("mean", "std"):
        with pytest.raises(SweepError, match="outside the histogram's edges"):
            getattr(CUT, name)
    # Where a bin holds one value, nothing is unknown but the rounding.
    ones = Distribution(np.array([1.0, np.nextafter(F(1), F(2))], np.float32), np.array([7]))
    assert ones.mean == pytest.approx((1, 1), abs=1e-8)
    assert ones.std == pytest.approx((0, 0), abs=1e-8)


F = np.float32


def test_what_is_no_number_is_refused() -> None:
    with pytest.raises(SweepError, match="must be a number"):
        WHOLE.share(math.nan)
    for q in (-0.1, 1.1, math.nan):
        with pytest.raises(SweepError, match="q must be from 0 to 1"):
            WHOLE.quantile(q)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((0.1, 1.0, 4), "low must be a finite float32"),
        ((0.0, 1, 4), "high must be a finite float32"),
        ((0.0, math.inf, 4), "high must be a finite float32"),
        ((1.0, 1.0, 4), "less than high"),
        ((0.0, 1.0, 0), "bins must be a number from 1 to"),
        ((0.0, 1.0, 2**30), "bins must be a number from 1 to"),
        ((0.0, 1.0, True), "bins must be a number from 1 to"),
        ((1.0, 1.0 + 2.0**-20, 1000), "narrower than float32"),
        ((0.0, 1.0, 4, (2.0,)), "landmark 2.0 is outside"),
        ((0.0, 1.0, 4, [0.5]), "landmarks are a tuple"),
        ((0.0, 1.0, 4, (0.5,) * (MAX_LANDMARKS + 1)), "landmarks are a tuple"),
    ],
)
def test_a_grid_that_is_none_is_refused(arguments: tuple[object, ...], message: str) -> None:
    with pytest.raises(SweepError, match=message):
        Grid(*arguments)  # type: ignore[arg-type]


def test_edges_rise_and_hold_landmarks() -> None:
    for bins, marks in ((1, ()), (7, (0.0, 3.0)), (4096, (1.0, float(np.nextafter(F(1), F(2)))))):
        grid = Grid(0.0, 3.0, bins, marks)
        assert (np.diff(grid.edges) > 0).all()
        assert grid.edges[grid.starts].tolist() == grid.uniform.tolist()
        assert grid.edges[0] == 0.0
        assert grid.edges[-1] == np.nextafter(F(3), F(4))
        for mark in marks:
            at = int(np.searchsorted(grid.edges, F(mark)))
            assert grid.edges[at] == F(mark)
            assert grid.edges[at + 1] == np.nextafter(F(mark), F(9))
