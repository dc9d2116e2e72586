"""Hypervolumes and attainment surfaces, by their definitions."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from anb_onnx.experiments.fronts import hypervolume, median_attainment, nondominated

POINTS = st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), max_size=12)


def array(points: list[tuple[int, int]]) -> NDArray[np.float64]:
    return np.array(points, dtype=np.float64).reshape(-1, 2)


def cells(points: list[tuple[int, int]], reference: int) -> NDArray[np.bool_]:
    """Which unit squares below the reference point are dominated."""
    grid = np.zeros((reference, reference), dtype=bool)
    for x, y in points:
        grid[x:, y:] = True
    return grid


@given(POINTS)
def test_a_hypervolume_counts_what_is_dominated(points: list[tuple[int, int]]) -> None:
    found = hypervolume(array(points), np.array([8.0, 8.0]))
    assert found == cells(points, 8).sum()
    beyond = np.vstack([array(points), [[np.inf, np.inf], [8.0, 0.0]]])
    assert hypervolume(beyond, np.array([8.0, 8.0])) == found


@given(POINTS)
def test_what_is_not_dominated(points: list[tuple[int, int]]) -> None:
    expected = {
        p for p in points if not any(q != p and q[0] <= p[0] and q[1] <= p[1] for q in points)
    }
    found = nondominated(np.vstack([array(points), [[np.inf, np.inf]]]))
    assert [tuple(row) for row in found.tolist()] == sorted(expected)


@given(st.lists(POINTS, min_size=1, max_size=6))
def test_a_median_attainment_surface_is_attained_by_half(
    fronts: list[list[tuple[int, int]]],
) -> None:
    surface = median_attainment([nondominated(array(front)) for front in fronts])
    attained = np.sum([cells(front, 10) for front in fronts], axis=0)
    expected = attained >= len(fronts) / 2
    found = cells([(int(x), int(y)) for x, y in surface.tolist()], 10)
    assert found.tolist() == expected.tolist()
    # Corners only: none is dominated by another.
    assert len(nondominated(surface)) == len(surface)


def test_surfaces_of_few_or_empty_fronts() -> None:
    assert median_attainment([]).shape == (0, 2)
    assert median_attainment([np.empty((0, 2))] * 3).shape == (0, 2)
    one = np.array([[1.0, 5.0], [2.0, 3.0]])
    assert median_attainment([one]).tolist() == one.tolist()
    assert median_attainment([one, np.empty((0, 2)), np.empty((0, 2))]).shape == (0, 2)
    assert hypervolume(np.empty((0, 2)), np.array([1.0, 1.0])) == pytest.approx(0.0)
