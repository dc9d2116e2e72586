"""Hinges fitted to maps that are known, and to those where there is nothing to fit."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from anb_export.recalibrate import Hinges, apply_hinges, fit_hinges

from anb_onnx.links import Link


def saturating(x: np.ndarray) -> np.ndarray:
    """A device at its limit: from 2000 on, a tenth of the slope."""
    return np.minimum(x, 2000.0) + 0.1 * np.maximum(x - 2000.0, 0.0)


def two_levels(x: np.ndarray) -> np.ndarray:
    return np.interp(x, [0, 1000, 1800, 2600, 4000], [0, 1000, 1240, 2440, 2580])


MAPS = {"saturating": saturating, "two levels": two_levels}
BY_MAP = pytest.mark.parametrize("true", MAPS.values(), ids=MAPS)


def draw(
    true: Callable[[np.ndarray], np.ndarray], n: int = 3000, noise: float = 30.0, seed: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    """Predictions, and measurements that follow them by the map."""
    rng = np.random.default_rng(seed)
    predicted = rng.uniform(500, 3500, n)
    return predicted, true(predicted) + noise * rng.normal(size=n)


def rms(error: np.ndarray) -> float:
    return float(np.sqrt(np.mean(error**2)))


@BY_MAP
def test_known_maps_are_recovered(true: Callable[[np.ndarray], np.ndarray]) -> None:
    predicted, measured = draw(true)
    hinges = fit_hinges(predicted, measured)
    assert len(hinges) in (4, 8, 12)
    fresh, _ = draw(true, seed=1)
    before, after = rms(fresh - true(fresh)), rms(apply_hinges(fresh, hinges) - true(fresh))
    assert before > 300
    # Between two knots, at most 750 apart, a corner of the map is cut.
    assert after < 25
    inside = fresh[(fresh > 600) & (fresh < 1000)]
    assert rms(apply_hinges(inside, hinges) - inside) < 15
    # Held-out measurements are as close as their noise allows.
    _, noisy = draw(true, seed=1)
    assert rms(apply_hinges(fresh, hinges) - noisy) < 1.25 * 30


def test_a_map_with_its_corners_at_the_knots_is_found() -> None:
    """Four hinges stand at the odd eighths of the predictions; more of them follow noise only."""
    predicted = np.linspace(0.0, 800.0, 8001)
    knots, slopes = np.array([100.0, 300.0, 500.0, 700.0]), np.array([0.5, 2.0, 0.25, 1.5])
    corners = np.array([100.0, 200.0, 600.0, 650.0, 800.0])  # by hand, from the slopes
    assert np.diff(corners).tolist() == [*(slopes[:3] * 200), slopes[3] * 100]
    true = np.interp(predicted, [0.0, *knots, 800.0], [0.0, *corners])
    hinges = fit_hinges(predicted, true + 10 * np.random.default_rng(6).normal(size=8001))
    assert len(hinges) == 4
    assert [knot for knot, _ in hinges] == pytest.approx(corners[:4], abs=2)
    changes = [0.5 - 1, 2.0 / 0.5 - 1, 0.25 / 2.0 - 1, 1.5 / 0.25 - 1]
    assert [change for _, change in hinges] == pytest.approx(changes, rel=0.05)
    np.testing.assert_allclose(apply_hinges(predicted, hinges), true, atol=2)


@BY_MAP
def test_ranks_are_kept(true: Callable[[np.ndarray], np.ndarray]) -> None:
    predicted, measured = draw(true, noise=200.0)
    hinges = fit_hinges(predicted, measured)
    assert hinges
    wide = np.linspace(-1000.0, 9000.0, 20_001)  # far beyond what was fitted
    for x in (wide, np.sort(predicted)):
        assert (np.diff(apply_hinges(x, hinges)) > 0).all()


@pytest.mark.parametrize("sign", [0.0, -1.0])
def test_even_a_flat_or_falling_device_keeps_ranks(sign: float) -> None:
    """Slopes are at least 0.05: what the measurements say would lose the order."""
    predicted, measured = draw(lambda x: np.minimum(x, 1500) + sign * np.maximum(x - 1500, 0))
    hinges = fit_hinges(predicted, measured)
    x = np.linspace(500, 3500, 3001)
    slope = np.diff(apply_hinges(x, hinges))
    assert slope.min() == pytest.approx(0.05, rel=1e-3)
    assert slope.max() < 5.01


@pytest.mark.parametrize("noise", [1e-9, 1.0, 100.0])
def test_nothing_to_gain(noise: float) -> None:
    for seed in range(3):
        assert fit_hinges(*draw(lambda x: x, noise=noise, seed=seed)) == ()


def test_nothing_to_gain_from_perfect_predictions() -> None:
    predicted, _ = draw(saturating)
    assert fit_hinges(predicted, predicted) == ()


@pytest.mark.parametrize(("size", "kept"), [(0.5, False), (4.0, True)])
def test_small_gains_are_left(size: float, kept: bool) -> None:
    """Even if real: what is learned from fewer rows looks like a small bend, too."""
    predicted, measured = draw(lambda x: x - size * np.maximum(x - 2000, 0) / 15, 4000, 250)
    gain = 1 - 250**2 / np.mean((measured - predicted) ** 2)  # of the true map
    assert gain > 0.1 if kept else gain < 0.02
    assert bool(fit_hinges(predicted, measured)) == kept


def test_deterministic() -> None:
    predicted, measured = draw(saturating)
    first = fit_hinges(predicted, measured)
    np.random.default_rng().normal(size=3)
    assert fit_hinges(predicted.copy(), measured.copy()) == first
    assert all(type(part) is float for hinge in first for part in hinge)
    # Six digits: the file does not depend on the last bits of a linear algebra library.
    assert all(float(f"{part:.6g}") == part for hinge in first for part in hinge)


def test_equal_predictions_make_equal_knots() -> None:
    """Where architectures share a prediction, quantiles coincide and segments are empty."""
    rng = np.random.default_rng(4)
    predicted = rng.choice([800.0, 1500.0, 2400.0, 3300.0], 2000)
    measured = saturating(predicted) + 20 * rng.normal(size=2000)
    hinges = fit_hinges(predicted, measured)
    assert hinges
    found = apply_hinges(np.unique(predicted), hinges)
    assert (np.diff(found) > 0).all()
    assert rms(apply_hinges(predicted, hinges) - saturating(predicted)) < 40


@pytest.mark.parametrize("hinges", [(), ((30.0, -0.5),), ((30.0, -0.5), (35.0, 2.0), (20.0, 0.1))])
def test_applied_as_links_do(hinges: Hinges) -> None:
    x = np.random.default_rng(5).uniform(0, 60, 500)
    np.testing.assert_array_equal(apply_hinges(x, hinges), Link("1", None, hinges).inverse(x))
    link, bare = Link("-1/4", 80.0, hinges), Link("-1/4", 80.0)
    u = bare.forward(x)
    np.testing.assert_array_equal(link.inverse(u), apply_hinges(bare.inverse(u), hinges))
