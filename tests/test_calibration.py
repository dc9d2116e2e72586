"""The runtime's calibration against its formula in plain Python, and against bad input."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from statistics import NormalDist
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from anb_onnx.calibration import NOISE_POWERS, Calibration, LevelError
from anb_onnx.errors import AnbError, ArtifactError

LEVELS = (0.0, 0.25, 0.5, 0.8, 0.9, 0.95, 0.99)
NORMAL = Calibration(
    spread=2.5,
    noise=0.03,
    noise_power=1,
    offset=80.0,
    levels=LEVELS,
    quantiles=tuple(NormalDist().inv_cdf((1 + level) / 2) for level in LEVELS),
)
MEAN = np.array([50.0, 62.5, 71.0], dtype=np.float32)
STD = np.array([0.1, 0.0, 0.4], dtype=np.float32)


@pytest.mark.parametrize("power", NOISE_POWERS)
@pytest.mark.parametrize("offset", [None, 80.0])
def test_predictive_std(power: int, offset: float | None) -> None:
    calibration = replace(NORMAL, noise_power=power, offset=offset)
    found = calibration.predictive_std(MEAN, STD)
    assert (found.dtype, found.shape) == (np.dtype(np.float32), (3,))
    for value, mean, std in zip(found, MEAN.tolist(), STD.tolist(), strict=True):
        t = mean if offset is None else offset - mean
        wanted = math.hypot(2.5 * std, 0.03 * t**power)
        assert float(value) == pytest.approx(wanted, rel=1e-6)


def test_interval_is_symmetric_and_normal() -> None:
    scale = NORMAL.predictive_std(MEAN, STD).astype(float)
    for level in LEVELS[1:]:
        lower, upper = NORMAL.interval(MEAN, STD, level)
        assert lower.dtype == upper.dtype == np.float32
        half = NormalDist().inv_cdf((1 + level) / 2) * scale
        np.testing.assert_allclose(upper - MEAN.astype(float), half, rtol=1e-4)
        np.testing.assert_allclose(MEAN - lower.astype(float), half, rtol=1e-4)


def test_between_stored_levels_quantiles_are_interpolated() -> None:
    calibration = replace(NORMAL, levels=(0.0, 0.5, 0.9), quantiles=(0.0, 1.0, 3.0))
    scale = calibration.predictive_std(MEAN, STD)
    for level, factor in ((0.25, 0.5), (0.7, 2.0), (0.9, 3.0)):
        _, upper = calibration.interval(MEAN, STD, level)
        np.testing.assert_allclose(upper, MEAN + factor * scale, rtol=1e-6)


@given(st.floats(0.001, 0.99), st.floats(0.001, 0.99))
def test_intervals_nest(one: float, other: float) -> None:
    small, large = sorted((one, other))
    inner, outer = NORMAL.interval(MEAN, STD, small), NORMAL.interval(MEAN, STD, large)
    assert (outer[0] <= inner[0]).all()
    assert (inner[1] <= outer[1]).all()
    assert (inner[0] <= MEAN).all()
    assert (inner[1] >= MEAN).all()


def test_scalars_and_empty_batches() -> None:
    assert float(NORMAL.predictive_std(MEAN[0], STD[0])) == NORMAL.predictive_std(MEAN, STD)[0]
    lower, upper = NORMAL.interval(MEAN[0], STD[0], 0.9)
    assert float(lower) < MEAN[0] < float(upper)
    assert NORMAL.predictive_std(MEAN[:0], STD[:0]).shape == (0,)


@pytest.mark.parametrize("level", [0, 0.0, -0.5, 0.991, 1, 95, math.nan, math.inf, "0.9", None])
def test_bad_levels(level: Any) -> None:
    with pytest.raises(LevelError, match=r"level must be above 0 and at most 0\.99, found"):
        NORMAL.interval(MEAN, STD, level)
    assert issubclass(LevelError, AnbError)


def test_levels_of_numpy() -> None:
    for level in (np.float64(0.9), np.float32(0.5)):
        wanted = NORMAL.interval(MEAN, STD, float(level))
        np.testing.assert_array_equal(NORMAL.interval(MEAN, STD, level), wanted)  # type: ignore[arg-type]


@pytest.mark.parametrize("offset", [None, 80.0])
def test_through_json(offset: float | None) -> None:
    calibration = replace(NORMAL, offset=offset)
    assert Calibration.from_dict(json.loads(json.dumps(calibration.to_dict()))) == calibration


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"spread": -1.0}, r"spread must be >= 0, found -1\.0"),
        ({"spread": math.nan}, "spread must be >= 0, found nan"),
        ({"noise": math.inf}, "noise must be >= 0, found inf"),
        ({"noise": "much"}, "noise must be >= 0, found 'much'"),
        ({"noise": 10**400}, "calibration: malformed"),
        ({"noise_power": 3}, r"noise_power must be one of \(0, 1, 2\), found 3"),
        ({"noise_power": 1.5}, "noise_power must be one of"),
        ({"noise_power": True}, "noise_power must be one of"),
        ({"noise_power": math.inf}, "noise_power must be one of"),
        ({"offset": math.nan}, "offset must be finite or None, found nan"),
        ({"offset": []}, "offset must be finite or None, found"),
        ({"noise": "0.5"}, "noise must be >= 0, found '0.5'"),
        ({"spread": True}, "spread must be >= 0, found True"),
        ({"spread": 1e39}, "at most 3.403e.38 is allowed"),
        ({"offset": -1e300}, "offset must be finite or None, found -1e.300; at most"),
        ({"levels": ["0", *LEVELS[1:]]}, "levels must be two or more"),
        ({"levels": [0.0] * 1025}, "a list of at most 1024 numbers"),
        ({"quantiles": [0.0, 1, 2, 3, 4, 5, 1e39]}, "quantiles must be"),
        ({"levels": []}, "levels must be two or more"),
        ({"levels": [0.0]}, "levels must be two or more"),
        ({"levels": [0.1, *LEVELS[1:]]}, "levels must be .* increase from 0"),
        ({"levels": [*LEVELS[:-1], 0.2]}, "levels must be .* increase from 0"),
        ({"levels": [*LEVELS[:-1], LEVELS[-2]]}, "levels must differ"),
        ({"levels": [*LEVELS[:-1], 1.0]}, r"levels must be below 1, found 1\.0"),
        ({"levels": [*LEVELS[:-1], math.nan]}, "levels must be .* increase from 0"),
        ({"levels": None}, "calibration: malformed"),
        ({"quantiles": [0.0, 1.0]}, "quantiles must be .* as many as levels"),
        ({"quantiles": [0.0, 1.0, 2.0, 1.5, 3.0, 4.0, 5.0]}, "quantiles must be .* increase"),
        ({"quantiles": [0.0, 1, 2, 3, 4, 5, math.inf]}, "quantiles must be"),
        ({"quantiles": [0.5, 1, 2, 3, 4, 5, 6]}, "quantiles must be .* increase from 0"),
    ],
)
def test_hostile_dicts(change: dict[str, Any], message: str) -> None:
    with pytest.raises(ArtifactError, match=message):
        Calibration.from_dict({**NORMAL.to_dict(), **change})


@pytest.mark.parametrize("key", list(NORMAL.to_dict()))
def test_missing_keys(key: str) -> None:
    document = NORMAL.to_dict()
    del document[key]
    with pytest.raises(ArtifactError, match=f"calibration: malformed.*{key}"):
        Calibration.from_dict(document)


def test_intervals_stay_inside_float32() -> None:
    NORMAL.check_range(-1e30, 1e30)
    for spread, noise, power, high in (
        (1e30, 0.0, 0, 1e10),
        (0.0, 1e38, 0, 1.0),
        (0.0, 1.0, 2, 1e20),
        (0.0, 1.0, 2, 1e30),
    ):
        wide = Calibration(spread, noise, power, None, (0.0, 0.9), (0.0, 4.0))
        with pytest.raises(ArtifactError, match="the largest float32"):
            wide.check_range(0.0, high)
        mean, std = np.array([[0.0, high], [high / 2, 0.0]], np.float32)
        with np.errstate(over="ignore"):
            assert not np.isfinite(wide.interval(mean, std, 0.9)).all()
