"""Limits with a confidence: chance constraints of problems, and what is proven of them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import anb_onnx
from anb_onnx import search
from anb_onnx.adapters.proven import proven_best
from anb_onnx.calibration import Calibration, LevelError
from anb_onnx.errors import SearchError, TruthError

LIMIT = ("latency_zcu102", "<=", 5.0)
CODES = anb_onnx.sample(2_000, seed=1, space=anb_onnx.MNASNET)


def test_a_limit_with_a_confidence_is_one_of_the_interval() -> None:
    surrogate = anb_onnx.load("latency_zcu102")
    _, upper = surrogate.query(CODES).interval(0.8)
    found = anb_onnx.Problem("accuracy", [LIMIT], confidence=0.9).evaluate(CODES)
    assert (found.violations[:, 0] == np.maximum(upper.astype(np.float64) - 5.0, 0.0)).all()
    kept = anb_onnx.Problem("accuracy", [LIMIT]).evaluate(CODES).feasible
    assert found.feasible.sum() < kept.sum()
    assert not (found.feasible & ~kept).any()


def test_what_is_to_be_large_is_held_from_below() -> None:
    limit = ("throughput_a100", ">=", 9_000.0)
    lower, _ = anb_onnx.load("throughput_a100").query(CODES).interval(0.9)
    found = anb_onnx.Problem("accuracy", [limit], confidence=0.95).evaluate(CODES)
    assert (found.feasible == (lower >= 9_000.0)).all()
    assert found.feasible.any()


@pytest.mark.parametrize("confidence", [0.5, None])
def test_a_half_is_the_mean(confidence: float | None) -> None:
    plain = anb_onnx.Problem("accuracy", [LIMIT]).evaluate(CODES).violations
    found = anb_onnx.Problem("accuracy", [LIMIT], confidence=confidence).evaluate(CODES)
    assert (found.violations == plain).all()


def test_of_exact_targets_it_makes_no_difference() -> None:
    limit = ("params", "<=", 4.0)
    plain = anb_onnx.Problem("accuracy", [limit]).evaluate(CODES).violations
    found = anb_onnx.Problem("accuracy", [limit], confidence=0.95).evaluate(CODES)
    assert (found.violations == plain).all()


@pytest.mark.parametrize("confidence", [0.4999, 0.9976, 1, -0.9, True, "0.9", float("nan"), [0.9]])
def test_no_probability_is_refused(confidence: object) -> None:
    with pytest.raises(SearchError, match="confidence"):
        anb_onnx.Problem("accuracy", [LIMIT], confidence=confidence)  # type: ignore[arg-type]


def test_without_limits_it_is_refused() -> None:
    with pytest.raises(SearchError, match="there are none"):
        anb_onnx.Problem("accuracy", confidence=0.9)


def test_nothing_is_proven_of_it(tmp_path: Path) -> None:
    problem = anb_onnx.Problem("accuracy", [LIMIT], confidence=0.9)
    history = search.random_search(problem, budget=50, rng=0)
    with pytest.raises(TruthError, match=r"confidence of 0\.9"):
        history.with_optimum()
    with pytest.raises(TruthError, match=r"confidence of 0\.9"):
        proven_best(problem)  # though a task has the same limit of means
    history.save(tmp_path / "history.json")
    again = search.History.load(tmp_path / "history.json", objective=problem)
    assert again.problem["confidence"] == 0.9
    with pytest.raises(TruthError, match=r"confidence=0\.9"):
        search.History.load(
            tmp_path / "history.json", objective=anb_onnx.Problem("accuracy", [LIMIT])
        )


def test_bounds_of_a_share_are_ends_of_intervals() -> None:
    calibration = Calibration(1.0, 2.0, 0, None, (0.0, 0.5, 0.9), (0.0, 0.7, 1.7))
    mean, std = np.array([3.0, -1.0], np.float32), np.array([0.5, 0.0], np.float32)
    lower, upper = calibration.interval(mean, std, 0.9)
    assert (calibration.bound(mean, std, 0.95) == upper).all()
    assert (calibration.bound(mean, std, 0.05) == lower).all()
    assert (calibration.bound(mean, std, 0.5) == mean).all()
    with pytest.raises(LevelError, match=r"from 0\.05 to 0\.95"):
        calibration.bound(mean, std, 0.951)
