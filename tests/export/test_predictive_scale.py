"""The calibration fit on residuals whose law is known."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace

import numpy as np
import pytest
from anb_export.training.predictive_scale import (
    LEVELS,
    OutOfFold,
    coverage,
    fit_calibration,
    learning_gain,
    size_gain,
)

from anb_onnx.calibration import Calibration
from anb_onnx.errors import AnbError

#: (spread, noise, noise_power, offset) of the law, and the range of the means.
LAWS = {
    "absolute": (0.0, 0.5, 0, None, (40.0, 70.0)),
    "relative": (0.0, 0.02, 1, None, (100.0, 2000.0)),
    "of a reciprocal": (0.0, 1e-5, 2, None, (200.0, 2000.0)),
    "to an offset": (0.0, 0.02, 1, 80.0, (40.0, 75.0)),
    "std only": (3.0, 0.0, 0, None, (40.0, 70.0)),
    "std and absolute": (2.0, 0.4, 0, None, (40.0, 70.0)),
    "std and relative": (2.0, 0.02, 1, None, (100.0, 2000.0)),
}
BY_LAW = pytest.mark.parametrize("law", LAWS)


@dataclass(frozen=True, eq=False)
class Drawn:
    """Measurements, and what an ensemble said about them."""

    measured: np.ndarray
    mean: np.ndarray
    std: np.ndarray

    def fit(self, offset: float | None) -> Calibration:
        return fit_calibration(self.measured, self.mean, self.std, offset)


def draw(law: str, n: int, seed: int, *, heavy: bool = False) -> tuple[Drawn, np.ndarray]:
    """Residuals by the law, and the scale each was drawn with."""
    spread, noise, power, offset, (low, high) = LAWS[law]
    rng = np.random.default_rng([seed, n])
    mean = rng.uniform(low, high, n)
    t = mean if offset is None else offset - mean
    # Members disagree by amounts that have nothing to do with the mean.
    std = np.median(noise * t**power + 0.1) * rng.lognormal(-0.5, 0.7, n)
    scale = np.hypot(spread * std, noise * t**power)
    shock = rng.standard_t(4, n) if heavy else rng.normal(size=n)
    return Drawn(mean + scale * shock, mean, std), scale


def scale_of(calibration: Calibration, oof: Drawn) -> np.ndarray:
    found = calibration.predictive_std(oof.mean.astype(np.float32), oof.std.astype(np.float32))
    return found.astype(np.float64)


@BY_LAW
def test_known_laws_are_recovered(law: str) -> None:
    oof, scale = draw(law, 4000, seed=1)
    spread, noise, power, offset, _ = LAWS[law]
    calibration = oof.fit(offset)
    # The wildest per cent of normal residuals left out, the rest has 0.962 of the deviation.
    ratio = scale_of(calibration, oof) / (0.962 * scale)
    assert np.median(ratio) == pytest.approx(1, abs=0.04)
    assert np.quantile(np.abs(ratio - 1), 0.95) < 0.12
    if noise:
        assert calibration.noise_power == power
        assert calibration.noise == pytest.approx(0.962 * noise, rel=0.12)
    assert calibration.offset == (offset if power else None)
    if spread:
        assert calibration.spread == pytest.approx(0.962 * spread, rel=0.12)


@pytest.mark.parametrize("heavy", [False, True])
@BY_LAW
def test_coverage_of_fresh_data(law: str, heavy: bool) -> None:
    oof, _ = draw(law, 4000, seed=2, heavy=heavy)
    calibration = oof.fit(LAWS[law][3])
    fresh, _ = draw(law, 20_000, seed=3, heavy=heavy)
    levels = (0.5, 0.8, 0.9, 0.95, 0.99)
    found = coverage(calibration, fresh.measured, fresh.mean, fresh.std, levels)
    assert found["n"] == 20_000
    assert list(found["intervals"]) == ["0.5", "0.8", "0.9", "0.95", "0.99"]
    for level in levels:
        assert found["intervals"][f"{level:g}"] == pytest.approx(level, abs=0.02)


def test_coverage_is_even_across_scales() -> None:
    """Conditional, not only on average: where the std is small and where it is large."""
    oof, _ = draw("std and relative", 4000, seed=4)
    calibration = oof.fit(None)
    fresh, scale = draw("std and relative", 20_000, seed=5)
    lower, upper = calibration.interval(
        fresh.mean.astype(np.float32), fresh.std.astype(np.float32), 0.8
    )
    inside = (fresh.measured >= lower) & (fresh.measured <= upper)
    for part in np.array_split(np.argsort(scale), 5):
        assert inside[part].mean() == pytest.approx(0.8, abs=0.03)


def test_a_few_wild_measurements_do_not_widen_the_rest() -> None:
    oof, scale = draw("absolute", 4000, seed=6)
    measured = oof.measured.copy()
    measured[::400] += 300.0
    calibration = replace(oof, measured=measured).fit(None)
    ratio = scale_of(calibration, oof) / (0.962 * scale)
    assert np.median(ratio) == pytest.approx(1, abs=0.05)


def test_shares_are_counted() -> None:
    calibration = Calibration(0.0, 1.0, 0, None, (0.0, 0.5, 0.9), (0.0, 1.0, 2.0))
    error = np.array([-0.5, 0.9, 1.5, -1.9, 2.1, 3.5, 0.0, 10.0])
    mean, std = np.full(8, 50.0), np.full(8, 1.0)
    found = coverage(calibration, mean + error, mean, std, levels=(0.5, 0.9))
    assert found["intervals"] == {"0.5": 3 / 8, "0.9": 5 / 8}
    assert found["std"] == {"1": 3 / 8, "2": 5 / 8, "3": 6 / 8}


def test_quantiles_and_levels() -> None:
    oof, _ = draw("absolute", 2000, seed=7)
    calibration = oof.fit(None)
    assert calibration.levels == LEVELS
    ratio = np.abs(oof.measured - oof.mean) / scale_of(calibration, oof)
    for level, quantile in zip(LEVELS[1:], calibration.quantiles[1:], strict=True):
        assert np.mean(ratio <= quantile) == pytest.approx(level, abs=1e-3)
    assert Calibration.from_dict(json.loads(json.dumps(calibration.to_dict()))) == calibration
    assert oof.fit(None) == calibration


def test_members_that_never_disagree() -> None:
    oof, scale = draw("absolute", 2000, seed=8)
    calibration = replace(oof, std=np.zeros(2000)).fit(None)
    assert scale_of(calibration, oof)[0] > 0
    found = calibration.predictive_std(oof.mean.astype(np.float32), np.zeros(2000, np.float32))
    np.testing.assert_allclose(found, 0.962 * scale, rtol=0.06)


def test_refusals() -> None:
    oof, _ = draw("absolute", 200, seed=9)
    oof.fit(None)
    short = Drawn(oof.measured[1:], oof.mean[1:], oof.std[1:])
    with pytest.raises(AnbError, match="at least 200 out-of-fold residuals, found 199"):
        short.fit(None)
    with pytest.raises(AnbError, match="finite and not all zero"):
        replace(oof, measured=oof.mean).fit(None)
    with pytest.raises(AnbError, match="finite and not all zero"):
        replace(oof, mean=np.where(np.arange(200) == 3, np.nan, 50.0)).fit(None)


#: Power and offset of the noise law by which errors are compared.
UNITS = {"absolute": (0, None), "relative": (1, None), "square": (2, None), "offset": (1, 80.0)}


def errors(
    power: int, offset: float | None, size: float, n: int, seed: int, wild: float = 0.0
) -> tuple[np.ndarray, np.ndarray]:
    """Measurements and predictions whose difference is `size` in the law's unit."""
    rng = np.random.default_rng(seed)
    predicted = rng.uniform(20, 70, n)
    t = predicted if offset is None else offset - predicted
    shock = rng.normal(size=n)
    shock[: int(n * wild)] = 1e4
    return predicted + size * t**power * shock, predicted


@pytest.mark.parametrize("ratio", [0.5, 0.8, 0.97])
@pytest.mark.parametrize(("power", "offset"), UNITS.values(), ids=UNITS)
def test_known_gains_of_more_rows(power: int, offset: float | None, ratio: float) -> None:
    law = Calibration(0.0, 1.0, power, offset, (0.0, 0.5), (0.0, 0.7))
    fewer = errors(power, offset, 0.02, 20_000, seed=1)
    more = errors(power, offset, 0.02 * ratio, 5_000, seed=2)
    assert learning_gain(law, fewer, more) == pytest.approx(ratio, rel=0.03)
    assert learning_gain(law, fewer, fewer) == 1.0
    # Some wild measurements, of either side, decide nothing.
    wild = errors(power, offset, 0.02 * ratio, 5_000, seed=2, wild=0.005)
    assert learning_gain(law, fewer, wild) == pytest.approx(ratio, rel=0.05)
    wild = errors(power, offset, 0.02, 20_000, seed=1, wild=0.005)
    assert learning_gain(law, wild, more) == pytest.approx(ratio, rel=0.05)


@pytest.mark.parametrize("ratio", [1.01, 1.3, 100.0])
@pytest.mark.parametrize(("power", "offset"), UNITS.values(), ids=UNITS)
def test_more_rows_never_widen_intervals(power: int, offset: float | None, ratio: float) -> None:
    law = Calibration(0.0, 1.0, power, offset, (0.0, 0.5), (0.0, 0.7))
    fewer = errors(power, offset, 0.02, 2_000, seed=1)
    assert learning_gain(law, fewer, errors(power, offset, 0.02 * ratio, 2_000, seed=1)) == 1.0


def test_the_gain_is_measured_in_the_unit_of_the_noise() -> None:
    """Relative errors are equal, so a sample of faster devices is no worse."""
    rng = np.random.default_rng(3)
    slow, fast = rng.uniform(10, 20, 5000), rng.uniform(1000, 2000, 5000)
    shock = 1 + 0.1 * rng.normal(size=5000)
    relative = Calibration(0.0, 1.0, 1, None, (0.0, 0.5), (0.0, 0.7))
    absolute = replace(relative, noise_power=0)
    assert learning_gain(relative, (fast * shock, fast), (slow * shock, slow)) == pytest.approx(1)
    assert learning_gain(absolute, (fast * shock, fast), (slow * shock, slow)) < 0.02


def test_mean_and_std_of_out_of_fold_members() -> None:
    """The std of M members, ddof=0, estimates sqrt(1 - 1/M) of that which they come from."""
    rng = np.random.default_rng(4)
    eight = 50 + 3 * rng.normal(size=(40_000, 8))
    oof = OutOfFold(np.arange(40_000), eight[:, 0], eight[:, :4])
    np.testing.assert_allclose(oof.mean, eight[:, :4].sum(axis=1) / 4)
    np.testing.assert_allclose(oof.std(4), eight[:, :4].std(axis=1))
    assert np.mean(oof.std(8) ** 2) == pytest.approx(9 * 7 / 8, rel=0.02)
    assert np.mean(oof.std(8) ** 2) == pytest.approx(np.mean(eight.std(axis=1) ** 2), rel=0.02)
    assert not oof.std(1).any()
    one = OutOfFold(oof.rows, oof.measured, eight[:, :1])
    assert not one.std(8).any()
    np.testing.assert_array_equal(one.mean, eight[:, 0])


def test_size_gain_is_what_more_members_save() -> None:
    rng = np.random.default_rng(8)
    n, few, many = 40_000, 4, 8
    truth, noise, between = rng.uniform(50, 60, n), 0.3, 0.8
    members = truth[:, None] + between * rng.normal(size=(n, many))
    measured = truth + noise * rng.normal(size=n)
    law = Calibration(0.0, 1.0, 0, None, (0.0, 0.9), (0.0, 1.6))
    oof = OutOfFold(np.arange(n), measured, members[:, :few])
    gain = size_gain(law, oof, oof.std(many), many)

    def error(m: int) -> float:
        return float(np.std(measured - members[:, :m].mean(axis=1)))

    assert gain == pytest.approx(error(many) / error(few), rel=0.02)
    assert gain < 0.85
    assert size_gain(law, oof, oof.std(few), few) == 1.0
    one = OutOfFold(np.arange(n), measured, members[:, :1])
    assert size_gain(law, one, one.std(many), many) == 1.0
