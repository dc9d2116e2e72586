"""Median attainment surfaces, by their definition."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from anb_onnx.experiments.fronts import median_attainment

POINTS = st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), max_size=12)


def array(points: list[tuple[int, int]]) -> NDArray[np.float64]:
    return np.array(points, dtype=np.float64).reshape(-1, 2)


def cells(points: list[tuple[int, int]], reference: int) -> NDArray[np.bool_]:
    """Which unit squares below the reference point are dominated."""
    grid = np.zeros((reference, reference), dtype=bool)
    for x, y in points:
        grid[x:, y:] = True
    return grid


@given(st.lists(POINTS, min_size=1, max_size=6))
def test_a_median_attainment_surface_is_attained_by_half(
    fronts: list[list[tuple[int, int]]],
) -> None:
    surface = median_attainment([array(front) for front in fronts])
    attained = np.sum([cells(front, 10) for front in fronts], axis=0)
    expected = attained >= len(fronts) / 2
    found = cells([(int(x), int(y)) for x, y in surface.tolist()], 10)
    assert found.tolist() == expected.tolist()
    # Corners only: none is dominated by another.
    assert (np.diff(surface, axis=0) * [1, -1] > 0).all()


def test_surfaces_of_few_or_empty_fronts() -> None:
    assert median_attainment([]).shape == (0, 2)
    assert median_attainment([np.empty((0, 2))] * 3).shape == (0, 2)
    one = np.array([[1.0, 5.0], [2.0, 3.0]])
    assert median_attainment([one]).tolist() == one.tolist()
    assert median_attainment([one, np.empty((0, 2)), np.empty((0, 2))]).shape == (0, 2)
