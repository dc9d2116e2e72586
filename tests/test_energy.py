"""The stated energy model: watts x seconds x PUE, said to be an estimate wherever it appears."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import anb_onnx
from anb_onnx import MNASNET, NASBENCH201, EnergyError, Link, Problem, Terms, exact, search
from anb_onnx.calibration import Calibration
from anb_onnx.energy import ESTIMATE, EnergyModel
from anb_onnx.loading import from_tables
from anb_onnx.regimes import Regime
from anb_onnx.surrogate import Surrogate
from anb_onnx.tables import TableEnsemble

CODES = anb_onnx.sample(64, seed=5, space=MNASNET)
MODEL = EnergyModel({"gpu": 250.0, "host": 60.0}, pue=1.5, grams_per_kwh=400.0)

watts = st.floats(1e-3, 1e6)


@given(watts, st.floats(1.0, 3.0), st.floats(0.0, 1e9), st.integers(1, 64))
def test_it_is_watts_times_seconds_times_pue(
    power: float, pue: float, seconds: float, count: int
) -> None:
    found = EnergyModel({"gpu": power}, pue=pue).of(seconds, {"gpu": count})
    assert found.joules == pytest.approx(power * count * seconds * pue, rel=1e-14)
    assert found.watt_hours == pytest.approx(found.joules / 3600, rel=1e-14)


def test_several_devices_are_in_use_at_once() -> None:
    found = MODEL.of([3600.0, 1800.0], {"gpu": 4, "host": 1})
    assert found.watts == 4 * 250 + 60
    np.testing.assert_allclose(found.watt_hours, [1590.0, 795.0])
    np.testing.assert_allclose(found.grams, [636.0, 318.0])
    assert found.total().watt_hours == pytest.approx(2385.0)


def test_it_says_everywhere_that_it_is_an_estimate() -> None:
    time = anb_onnx.load("train_time").query(CODES)
    found = MODEL.of(time, "gpu")
    one = MODEL.of(3600.0, {"gpu": 2})
    for text in (repr(found), repr(one), json.dumps(one.to_dict()), json.dumps(found.to_dict())):
        assert "not a measurement" in text
    assert repr(one) == f"EnergyEstimate(750 Wh; {ESTIMATE}: 500 W (2 x gpu), PUE 1.5)"
    assert one.to_dict()["uses"] == {"gpu": 2.0}
    assert one.to_dict()["grams_co2"] == pytest.approx(300.0)
    assert repr(MODEL.of([], "gpu")).startswith("EnergyEstimate(no runs; ")
    surrogate = MODEL.surrogate(anb_onnx.load("train_time"), "gpu")
    assert surrogate.target.metric == "energy_estimate"
    assert surrogate.metadata["estimate"]["what"] == ESTIMATE


def test_intervals_are_those_of_the_seconds() -> None:
    time = anb_onnx.load("train_time").query(CODES)
    found = MODEL.of(time, "gpu")
    low, high = found.interval(0.9)
    for bound, of_time in zip((low, high), time.interval(0.9), strict=True):
        np.testing.assert_allclose(bound, of_time.astype(np.float64) * 375 / 3600, rtol=1e-12)
    assert (low < found.watt_hours).all()
    single = MODEL.of(anb_onnx.load("train_time").query(anb_onnx.efficientnet_b0()), "gpu")
    assert single.interval(0.5)[0] < single.watt_hours < single.interval(0.5)[1]
    with pytest.raises(EnergyError, match="given, not predicted"):
        MODEL.of(5.0, "gpu").interval(0.9)


def test_units_of_time_are_converted() -> None:
    fast = anb_onnx.load("latency_zcu102").query(CODES)  # ms
    np.testing.assert_allclose(
        MODEL.of(fast, "gpu").seconds, fast.mean.astype(np.float64) * 1e-3, rtol=1e-12
    )
    with pytest.raises(EnergyError, match="'accuracy' is in '%', which is no time"):
        MODEL.of(anb_onnx.load("accuracy").query(CODES), "gpu")
    with pytest.raises(EnergyError, match="which is no time"):
        MODEL.surrogate(anb_onnx.load("accuracy"), "gpu")


def test_a_whole_search_is_added_up() -> None:
    history = search.random_search("accuracy", cost="train_time", cost_budget=86_400.0, rng=0)
    found = MODEL.of(history.cost, "gpu").total()
    assert found.watt_hours == pytest.approx(history.spent[-1] * 375 / 3600)


@pytest.mark.parametrize(
    "link",
    [
        Link(),
        Link("-1"),
        Link("1/4"),
        Link("-2", offset=900.0),
        Link("1/2", hinges=((20.0, -0.5), (30.0, 0.75))),
        Link(hinges=((40.0, 0.5),), regime=Regime("node1_from0", (1, 2), ((30.0, -0.25),))),
    ],
    ids=lambda link: f"{link.name}-{len(link.bends)}",
)
@pytest.mark.parametrize("noise_power", [0, 1, 2])
@pytest.mark.parametrize("factor", [0.004, 37.0])
def test_a_surrogate_of_it_has_the_same_tables_with_another_link(
    link: Link, noise_power: int, factor: float
) -> None:
    terms = Terms(NASBENCH201, tuple((edge,) for edge in range(6)))
    entries = np.random.default_rng(0).integers(10, 90, (30, 3)).astype(np.int32)
    gene = NASBENCH201.gene_names[0]
    if link.regime is not None:
        link = Link(hinges=link.hinges, regime=Regime(gene, (1, 2), link.regime.hinges))
    tables = TableEnsemble(NASBENCH201, entries, 0.01, 0.5, link, terms)
    offset = 900.0 if link.offset is not None else None
    noise = 0.01 * 50.0 ** (1 - noise_power)
    calibration = Calibration(2.0, noise, noise_power, offset, (0.0, 0.9), (0.0, 1.5))
    card: dict[str, Any] = {
        "metric": "time",
        "device": None,
        "unit": "h",
        "direction": "min",
        "exact": False,
    }
    card |= {"quality": {"test": {"n": 5, "rmse": 2.0, "r2": 0.5}}, "versions": {}}
    card |= {
        "dataset": {"name": "x", "license": "x", "sha256": "0" * 64},
        "license": "x",
        "calibration": calibration.to_dict(),
    }
    with from_tables(tables, card) as surrogate:
        energy = EnergyModel({"d": factor}, pue=1.0).surrogate(surrogate)
        assert energy.metadata["quality"]["test"]["rmse"] == pytest.approx(2.0 * factor)
        assert energy.metadata["quality"]["test"]["r2"] == 0.5
        check_scaled(surrogate, energy, factor)


def check_scaled(surrogate: Surrogate, energy: Surrogate, factor: float) -> None:
    """Check a surrogate of the estimate against the predictions of the time, in hours."""
    codes = anb_onnx.sample(40, seed=1, space=NASBENCH201)
    time, found = surrogate.query(codes, members=True), energy.query(codes, members=True)
    assert time.members is not None
    assert found.members is not None
    for ours, theirs in ((found.mean, time.mean), (found.members, time.members)):
        np.testing.assert_allclose(ours, theirs.astype(np.float64) * factor, rtol=3e-7)
    size = float(np.abs(found.mean).max())
    np.testing.assert_allclose(found.std, time.std * factor, rtol=1e-4, atol=1e-6 * size)
    for ours, theirs in zip(found.interval(0.8), time.interval(0.8), strict=True):
        expected = theirs.astype(np.float64) * factor
        np.testing.assert_allclose(ours, expected, rtol=1e-5, atol=1e-6 * size)


def test_it_is_searched_and_proven_as_any_target(tmp_path: Path) -> None:
    time = anb_onnx.load("train_time")
    energy = MODEL.surrogate(time, "gpu")
    expected = time.query(CODES).mean.astype(np.float64) * 375 / 3600
    np.testing.assert_allclose(energy.query(CODES).mean, expected, rtol=3e-7)
    (best,) = exact.optimum(energy).solutions
    (shortest,) = exact.optimum(time).solutions
    assert best.architecture == shortest.architecture
    problem = Problem(["accuracy", energy])
    assert problem.units == ("%", "Wh")
    history = search.random_search(problem, budget=20, rng=0)
    assert history.names == ("accuracy", "energy_estimate_gpu")
    limited = Problem("accuracy", [(energy, "<=", 100.0)])
    found = limited.evaluate(CODES).violations[:, 0]
    np.testing.assert_array_equal(found == 0, energy.query(CODES).mean <= 100.0)
    path = energy.save(tmp_path, benchmark="mine")
    again = anb_onnx.load(path.stem, path=tmp_path)
    np.testing.assert_array_equal(again.query(CODES).mean, energy.query(CODES).mean)
    assert again.metadata["estimate"]["pue"] == 1.5
    assert again.metadata["estimate"]["time"]["sha256"] == time.sha256


def test_a_budget_may_be_one_of_energy() -> None:
    energy = MODEL.surrogate(anb_onnx.load("train_time"), "gpu")
    history = search.random_search("accuracy", cost=energy, cost_budget=5_000.0, rng=0)
    assert history.cost_unit == "Wh"
    assert 4_000.0 < history.spent[-1] <= 5_000.0


def test_device_classes_name_the_target() -> None:
    time = anb_onnx.load("train_time")
    both = MODEL.surrogate(time, {"gpu": 4, "host": 1})
    assert both.target.name == "energy_estimate_gpux4-host"
    assert MODEL.surrogate(time, "gpu", device="lab").target.name == "energy_estimate_lab"
    assert EnergyModel({"gpu": 1.0}, pue=1.0).of(1.0).uses == {"gpu": 1.0}


@pytest.mark.parametrize(
    ("devices", "given", "message"),
    [
        ({}, {"pue": 1.2}, "devices is the watts of each class"),
        (250.0, {"pue": 1.2}, "devices is the watts of each class"),
        ({"gpu": -1.0}, {"pue": 1.2}, "watts of 'gpu' must be a finite number above 0, not -1.0"),
        ({"gpu": 0}, {"pue": 1.2}, "above 0"),
        ({"gpu": "much"}, {"pue": 1.2}, "above 0, not 'much'"),
        ({"": 5.0}, {"pue": 1.2}, "a device class has a name"),
        ({"gpu": 5.0}, {"pue": 0.9}, "pue, .*must be a finite number of at least 1, not 0.9"),
        ({"gpu": 5.0}, {"pue": float("inf")}, "at least 1"),
        ({"gpu": 5.0}, {"pue": 1.0, "grams_per_kwh": -1}, "grams_per_kwh must be"),
    ],
)
def test_nonsense_is_refused(devices: Any, given: dict[str, Any], message: str) -> None:
    with pytest.raises(EnergyError, match=message):
        EnergyModel(devices, **given)


@pytest.mark.parametrize(
    ("time", "uses", "message"),
    [
        (1.0, "tpu", "unknown device class 'tpu'; this model states 'gpu', 'host'"),
        (1.0, None, "say which devices are in use, of 'gpu', 'host'"),
        (1.0, {"gpu": 0}, "how many 'gpu' are in use must be"),
        (1.0, {}, "uses is a device class"),
        (-1.0, "gpu", "seconds are finite and at least 0, not -1.0"),
        ([1.0, float("nan")], "gpu", "seconds are finite"),
        ("1 h", "gpu", "time is a Prediction"),
    ],
)
def test_what_is_no_use_is_refused(time: Any, uses: Any, message: str) -> None:
    with pytest.raises(EnergyError, match=message):
        MODEL.of(time, uses)


def test_nothing_is_assumed_that_was_not_stated() -> None:
    with pytest.raises(TypeError, match="pue"):
        EnergyModel({"gpu": 250.0})  # type: ignore[call-arg]
    with pytest.raises(EnergyError, match="no carbon intensity was stated"):
        _ = EnergyModel({"gpu": 250.0}, pue=1.0).of(1.0).grams


def test_other_forms_are_refused_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    time = anb_onnx.load("train_time")
    monkeypatch.setattr(time, "_ensemble", None)
    with pytest.raises(EnergyError, match=r"made of one value's tables\. EnergyModel\.of takes"):
        MODEL.surrogate(time, "gpu")
