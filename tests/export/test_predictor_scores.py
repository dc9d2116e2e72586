from __future__ import annotations

import numpy as np
import pytest
from anb_export.predictors.contract import PredictorError
from anb_export.predictors.scores import crps_normal, interval_scores
from scipy import integrate, stats

from anb_onnx.calibration import Calibration, LevelError

NORMAL = Calibration(
    1.0,
    0.0,
    0,
    None,
    (0.0, 0.5, 0.9),
    (0.0, float(stats.norm.ppf(0.75)), float(stats.norm.ppf(0.95))),
)


@pytest.mark.parametrize("measured", [-2.5, 0.3, 1.7, 40.0])
@pytest.mark.parametrize("std", [0.1, 1.0, 7.0])
def test_the_closed_form_is_the_integral(measured: float, std: float) -> None:
    """The definition: the squared difference of two distribution functions, integrated."""
    mean = 1.2
    below, _ = integrate.quad(lambda z: stats.norm.cdf(z, mean, std) ** 2, -np.inf, measured)
    above, _ = integrate.quad(lambda z: stats.norm.sf(z, mean, std) ** 2, measured, np.inf)
    found = crps_normal(np.array([measured]), np.array([mean]), np.array([std]))[0]
    assert found == pytest.approx(below + above, rel=1e-6, abs=1e-8)


def test_the_score_is_that_of_draws() -> None:
    """Another definition: E|X - y| - E|X - X'| / 2."""
    rng = np.random.default_rng(0)
    first, second = rng.normal(3.0, 2.0, (2, 400_000))
    wanted = np.abs(first - 4.5).mean() - np.abs(first - second).mean() / 2
    found = crps_normal(np.array([4.5]), np.array([3.0]), np.array([2.0]))[0]
    assert found == pytest.approx(wanted, abs=0.01)


def test_it_has_the_unit_of_the_target() -> None:
    y, mean, std = np.array([1.0, 5.0]), np.array([2.0, 4.5]), np.array([0.3, 2.0])
    scaled = crps_normal(1000 * y, 1000 * mean, 1000 * std)
    np.testing.assert_allclose(scaled, 1000 * crps_normal(y, mean, std), rtol=1e-12)


def test_without_width_it_is_the_absolute_error() -> None:
    zero = np.zeros(3)
    assert crps_normal(np.array([-2.0, 0.0, 1.5]), zero, zero).tolist() == [2.0, 0.0, 1.5]


def test_a_calibrated_normal_is_covered_as_it_says() -> None:
    rng = np.random.default_rng(1)
    mean = rng.uniform(10, 20, 20_000).astype(np.float32)
    std = rng.uniform(0.5, 3, 20_000).astype(np.float32)
    found = interval_scores(rng.normal(mean, std), mean, std, NORMAL)
    assert found["coverage_50"] == pytest.approx(0.5, abs=0.02)
    assert found["coverage_90"] == pytest.approx(0.9, abs=0.01)
    assert found["width_90"] == pytest.approx(2 * 1.6449 * std.mean(), rel=1e-4)
    # Of a normal distribution that is right, the mean score is std / sqrt(pi).
    assert found["crps"] == pytest.approx(std.mean() / np.sqrt(np.pi), rel=0.02)


def test_the_intervals_are_those_of_the_calibration() -> None:
    """Noise in proportion, a spread: the bounds are to be those that a user asks for."""
    calibration = Calibration(1.5, 0.1, 1, None, (0.0, 0.5, 0.95), (0.0, 0.8, 2.5))
    rng = np.random.default_rng(2)
    mean = rng.uniform(10, 20, 500).astype(np.float32)
    std = rng.uniform(0.1, 2, 500).astype(np.float32)
    y = rng.normal(mean, 2.0)
    found = interval_scores(y, mean, calibration.predictive_std(mean, std), calibration)
    for level in (0.5, 0.9):
        lower, upper = calibration.interval(mean, std, level)
        assert found[f"coverage_{100 * level:.0f}"] == pytest.approx(
            ((lower <= y) & (y <= upper)).mean(), abs=0.004
        )
    assert found["width_90"] == pytest.approx((upper - lower).mean(), rel=1e-6)


def test_an_exact_answer_is_in_its_interval() -> None:
    mean = np.array([0.1, 7.3], np.float32)
    calibration = Calibration(0.0, 0.0, 0, None, (0.0, 0.995), (0.0, 0.0))
    found = interval_scores(mean, mean, np.zeros(2, np.float32), calibration)
    assert found == {"crps": 0.0, "coverage_50": 1.0, "coverage_90": 1.0, "width_90": 0.0}


@pytest.mark.parametrize(
    ("measured", "message"),
    [
        (np.ones(2), r"vectors of one length, not empty; found measured \[2\], mean \[3\]"),
        (np.ones((3, 1)), "vectors of one length"),
        (np.array([1.0, np.nan, 1.0]), "row 1: measured is nan"),
    ],
)
def test_what_cannot_be_scored_is_refused(measured: np.ndarray, message: str) -> None:
    ones = np.ones(3, np.float32)
    with pytest.raises(PredictorError, match=message):
        interval_scores(measured, ones, ones, NORMAL)


def test_nothing_is_no_score() -> None:
    none = np.empty(0, np.float32)
    with pytest.raises(PredictorError, match="not empty"):
        interval_scores(none, none, none, NORMAL)


def test_levels_that_end_below_are_refused() -> None:
    ones = np.ones(3, np.float32)
    low = Calibration(1.0, 0.0, 0, None, (0.0, 0.5), (0.0, 0.7))
    with pytest.raises(LevelError, match=r"at most 0\.5"):
        interval_scores(ones, ones, ones, low)
