"""`adapt` from end to end: what a user gives it, and what comes out."""

from __future__ import annotations

import json
import pickle
from pathlib import Path

import numpy as np
import pytest

import anb_onnx
from anb_onnx import MNASNET, NASBENCH201, Block, Gene, SearchSpace, Surrogate, exact

SOURCES = ["latency_vck190", "throughput_3090", "throughput_tpuv2", "throughput_zcu102"]
CODES = anb_onnx.sample(400, seed=5, space=MNASNET)
FRESH = CODES[100:]


@pytest.fixture(scope="module")
def times() -> np.ndarray:
    """Return the times of a device that is no source, with noise of 2 %."""
    exact_times = anb_onnx.load("latency_zcu102").query(CODES).mean.astype(np.float64)
    return exact_times * (1 + 0.02 * np.random.default_rng(1).standard_normal(len(CODES)))


def adapted(codes: object, values: object, **options: object) -> Surrogate:
    given = {"metric": "latency", "unit": "ms", "device": "mine", "sources": SOURCES, **options}
    return anb_onnx.adapt(codes, values, **given)  # type: ignore[arg-type]


def spearman(a: np.ndarray, b: np.ndarray) -> float:
    ranks = [np.argsort(np.argsort(x)) for x in (a, b)]
    return float(np.corrcoef(ranks[0], ranks[1])[0, 1])


def test_a_device_is_learnt_from_twenty_measurements(times: np.ndarray) -> None:
    surrogate = adapted(CODES[:20], times[:20])
    found = surrogate.query(FRESH)
    assert spearman(found.mean, times[100:]) > 0.95
    lower, upper = found.interval(0.9)
    assert np.isfinite([lower, upper]).all()
    assert ((lower <= times[100:]) & (times[100:] <= upper)).mean() > 0.5
    facts = surrogate.metadata["adapted"]
    low, high = facts["expected"]["spearman"][1:]
    assert low <= facts["expected"]["spearman"][0] <= high <= 1
    assert facts["more"]["spearman"][0] >= facts["expected"]["spearman"][0]
    assert facts["outliers"] == []
    json.dumps(dict(surrogate.metadata), allow_nan=False)


def test_the_same_input_gives_the_same_file_and_every_engine_its_bits(
    times: np.ndarray, tmp_path: Path
) -> None:
    first, second = (adapted(CODES[:12], times[:12], seed=3) for _ in range(2))
    assert first.sha256 == second.sha256
    assert adapted(CODES[:12], times[:12], seed=4).sha256 != first.sha256
    path = first.save(tmp_path / "mine")
    wanted = first.query(FRESH, members=True)
    again = [pickle.loads(pickle.dumps(first)), anb_onnx.load(path=path)]
    again += [anb_onnx.load(path=path, engine=name) for name in ("native", "numpy", "onnxruntime")]
    for surrogate in again:
        found = surrogate.query(FRESH, members=True)
        for key in ("mean", "std", "members"):
            np.testing.assert_array_equal(getattr(found, key), getattr(wanted, key))


def test_the_order_of_the_measurements_does_not_matter(times: np.ndarray) -> None:
    order = np.random.default_rng(0).permutation(15)
    first = adapted(CODES[:15], times[:15]).query(FRESH)
    second = adapted(CODES[:15][order], times[:15][order]).query(FRESH)
    np.testing.assert_allclose(first.mean, second.mean, rtol=1e-5)


def test_units_scale_and_rates_are_reciprocal_times(times: np.ndarray) -> None:
    in_ms = adapted(CODES[:15], times[:15]).query(FRESH).mean
    in_s = adapted(CODES[:15], times[:15] / 1000, unit="s").query(FRESH).mean
    np.testing.assert_allclose(in_s * 1000, in_ms, rtol=1e-5)
    rate = adapted(CODES[:15], 1000 / times[:15], metric="throughput", unit="images/s")
    assert rate.target.direction == "max"
    assert spearman(rate.query(FRESH).mean, -in_ms) > 0.999
    for scale in (1e-9, 1e9):
        found = adapted(CODES[:15], times[:15] * scale).query(FRESH).mean
        np.testing.assert_allclose(found / scale, in_ms, rtol=1e-4)


@pytest.mark.parametrize("factor", [3.0, 0.3])
def test_one_wrong_measurement_in_ten_is_found(times: np.ndarray, factor: float) -> None:
    right = adapted(CODES[:20], times[:20]).query(FRESH).mean
    found = 0
    for wrong in (0, 7, 19):
        values = times[:20].copy()
        values[wrong] *= factor
        surrogate = adapted(CODES[:20], values)
        found += surrogate.metadata["adapted"]["outliers"] == [wrong]
        assert surrogate.metadata["dataset"]["n_dropped"] == len(
            surrogate.metadata["adapted"]["outliers"]
        )
        assert np.median(np.abs(surrogate.query(FRESH).mean / right - 1)) < 0.1
    assert found == 3


def test_whole_milliseconds_equal_values_and_three_measurements_are_taken(
    times: np.ndarray,
) -> None:
    whole = adapted(CODES[:20], np.maximum(np.rint(times[:20]), 1))
    assert spearman(whole.query(FRESH).mean, times[100:]) > 0.9
    few = adapted(CODES[:3], times[:3]).query(FRESH)
    many = adapted(CODES[:60], times[:60]).query(FRESH)
    assert np.median(few.predictive_std) > np.median(many.predictive_std)
    equal = adapted(CODES[:5], [4.0] * 5)
    assert equal.metadata["adapted"]["notes"]
    assert np.isfinite(equal.query(FRESH).interval(0.9)).all()


@pytest.mark.parametrize("members", [1, 2, 32])
def test_any_number_of_members_has_the_same_mean(times: np.ndarray, members: int) -> None:
    found = adapted(CODES[:15], times[:15], members=members)
    assert found.n_members == members
    wanted = adapted(CODES[:15], times[:15]).query(FRESH).mean
    np.testing.assert_allclose(found.query(FRESH).mean, wanted, rtol=2e-3)
    lower, upper = found.query(FRESH).interval(0.9)
    assert (lower < upper).all()


@pytest.mark.parametrize("sources", [[], ["throughput_3090"], SOURCES[:2]])
def test_few_sources_or_none_still_serve(times: np.ndarray, sources: list[str]) -> None:
    surrogate = adapted(CODES[:20], times[:20], sources=sources)
    assert spearman(surrogate.query(FRESH).mean, times[100:]) > 0.8
    assert surrogate.metadata["adapted"]["sources"] == sources
    assert bool(surrogate.metadata["adapted"]["notes"]) >= (not sources)


def test_times_stay_above_zero_in_the_whole_space(times: np.ndarray) -> None:
    surrogate = adapted(CODES[:10], times[:10])
    (least,) = exact.optimum(surrogate).solutions
    assert least.value > 0


def test_a_search_space_of_ones_own_without_counts_or_sources() -> None:
    genes = [Gene(f"width{i}", (8, 16, 32)) for i in range(5)]
    space = SearchSpace("own", tuple(Block(f"block{i}", (gene,)) for i, gene in enumerate(genes)))
    codes = anb_onnx.suggest(30, space=space)
    assert len(np.unique(codes, axis=0)) == 30
    values = 1 + (codes.astype(float) ** 2).sum(axis=1)
    surrogate = anb_onnx.adapt(codes, values, metric="energy", unit="mJ", space=space)
    fresh = anb_onnx.sample(200, seed=2, space=space)
    wanted = 1 + (fresh.astype(float) ** 2).sum(axis=1)
    assert spearman(surrogate.query(fresh).mean, wanted) > 0.97


def test_equal_measurements_of_a_space_of_which_nothing_is_known() -> None:
    """Predictions are then all the same: no correlation is defined, and none is made up."""
    space = SearchSpace("own", tuple(Block(f"b{i}", (Gene(f"g{i}", (1, 2)),)) for i in range(5)))
    codes = anb_onnx.sample(32, seed=1, space=space)[:8]
    surrogate = anb_onnx.adapt(codes, [4.0] * 8, metric="latency", unit="ms", space=space)
    json.dumps(dict(surrogate.metadata), allow_nan=False)
    assert surrogate.metadata["adapted"]["expected"]["spearman"][0] <= 0.5
    np.testing.assert_allclose(surrogate.query(codes).mean, 4.0, rtol=0.05)


def test_one_block_and_sixty_four() -> None:
    one = SearchSpace("one", (Block("b", (Gene("g", tuple(range(9))),)),))
    codes = np.arange(9, dtype=np.uint8)[:, None]
    surrogate = anb_onnx.adapt(codes, codes[:, 0] + 1.0, metric="latency", unit="ms", space=one)
    assert spearman(surrogate.query(codes).mean, codes[:, 0]) > 0.9
    wide = SearchSpace("wide", tuple(Block(f"b{i}", (Gene(f"g{i}", (0, 1)),)) for i in range(64)))
    codes = anb_onnx.suggest(20, space=wide)
    values = 10.0 + codes.sum(axis=1)
    found = anb_onnx.adapt(codes, values, metric="latency", unit="ms", space=wide)
    assert found.query(codes).mean.shape == (20,)


def test_nasbench201_under_a_predicted_latency() -> None:
    if not any(catalog.space == NASBENCH201 for catalog in anb_onnx.benchmarks()):
        pytest.skip("anb-onnx-spaces is not installed")
    sources = [f"latency_{name}" for name in ("1080ti_1", "silver_4114", "pixel3", "samsung_s7")]
    codes = anb_onnx.suggest(10, space=NASBENCH201, sources=sources)
    truth = anb_onnx.load("latency_gold_6240", benchmark="nasbench201")
    values = truth.query(codes).mean
    given = {"metric": "latency", "unit": "ms", "space": NASBENCH201, "sources": sources}
    mine = anb_onnx.adapt(codes, values, **given)  # type: ignore[arg-type]
    best = exact.optimum("accuracy_cifar100", [(mine, "<=", 10.0)], benchmark="nasbench201")
    chosen = best.solutions[0].architecture
    assert mine.query(chosen).mean <= 10.0
    everything = anb_onnx.load("accuracy_cifar100", benchmark="nasbench201")
    all_codes = anb_onnx.indices_to_codes(np.arange(NASBENCH201.size), NASBENCH201)
    allowed = mine.query(all_codes).mean <= 10.0
    assert best.solutions[0].value == everything.query(all_codes).mean[allowed].max()
