"""Gaussian processes, boosted trees, few-shot and our recipe as predictors; live structure."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from anb_export.data.targets import TargetSpec
from anb_export.predictors import gaussian
from anb_export.predictors.contract import PredictorError, Sample
from anb_export.predictors.groups import groups_of, kinds_of_choices
from anb_export.predictors.live import (
    ABSENT,
    live_features,
    live_names,
    live_nasbench201,
    to_output_nasbench201,
    views_of,
    within_depth_ofa,
)
from anb_export.predictors.registry import KINDS, UNAVAILABLE, fit, kind_of

from anb_onnx import MNASNET, NASBENCH201, OFA, sample
from anb_onnx.encoding.encoding import codes_to_symbols, indices_to_codes
from anb_onnx.few_shot.effective import AS_BUILT
from anb_onnx.loading import load

LATENCY = TargetSpec("latency_phone", "latency", "phone", "ms", "min")
RATE = TargetSpec("throughput_phone", "throughput", "phone", "images/s", "max")

#: Those of this file's modules.
NAMES = ("gp", "gp-live", "sparse-gp", "xgb-pairs", "xgb-free", "xgb-live", "gp-trees", "recipe")


def cells(n: int, seed: int = 0) -> np.ndarray:
    rows = np.random.default_rng(seed).permutation(NASBENCH201.size)[:n]
    return indices_to_codes(rows, NASBENCH201)


def times(codes: np.ndarray) -> np.ndarray:
    """Times of what leads to the output: a sum over operations, and one pair."""
    live = to_output_nasbench201(codes.astype(np.int64))
    cost = np.array([0.0, 0.3, 1.0, 3.0, 0.7])[live]
    pair = (live[:, 0] == 3) & (live[:, 5] == 3)
    return np.asarray(5.0 + cost.sum(axis=1) + 2.0 * pair, dtype=np.float64)


@pytest.mark.parametrize("name", NAMES)
def test_same_arguments_give_the_same_predictor_and_learn_what_is_there(name: str) -> None:
    codes = cells(200)
    test = cells(300, seed=1)
    first, again = (
        fit(name, codes, times(codes), space=NASBENCH201, target=LATENCY, seed=3) for _ in range(2)
    )
    assert np.array_equal(first.members(test), again.members(test))
    assert first.calibration == again.calibration
    mean, std = first.predict(test)
    assert np.allclose(mean, first.members(test).mean(axis=1))
    assert np.corrcoef(mean, times(test))[0, 1] > (0.99 if "live" in name else 0.8)
    scale = first.calibration.predictive_std(mean.astype(np.float32), std.astype(np.float32))
    error = np.sqrt(((mean - times(test)) ** 2).mean())
    assert 0.3 * error < np.sqrt((scale.astype(float) ** 2).mean()) < 3 * error + 0.1


@pytest.mark.parametrize("name", NAMES)
def test_few_measurements_and_equal_ones_are_learned_from(name: str) -> None:
    least = kind_of(name).least
    codes = cells(least)
    predictor = fit(name, codes, times(codes), space=NASBENCH201, target=LATENCY)
    assert np.isfinite(predictor.members(cells(50, seed=1))).all()
    if name == "recipe":  # its labels are standardised: there is nothing to learn
        return
    flat = fit(name, cells(30), np.full(30, 7.0), space=NASBENCH201, target=LATENCY)
    assert np.allclose(flat.predict(cells(50, seed=1))[0], 7.0, atol=0.1)


@pytest.mark.parametrize("name", NAMES)
def test_a_repeated_measurement_is_not_left_out_beside_its_like(name: str) -> None:
    """Of values that nothing tells but themselves, measured thrice: the intervals know."""
    codes = cells(60)
    values = 10.0 + np.random.default_rng(0).standard_normal(60)
    predictor = fit(
        name, np.repeat(codes, 3, axis=0), np.repeat(values, 3), space=NASBENCH201, target=LATENCY
    )
    mean, std = (a.astype(np.float32) for a in predictor.predict(cells(300, seed=1)))
    lower, upper = predictor.calibration.interval(mean, std, 0.9)
    others = 10.0 + np.random.default_rng(1).standard_normal(300)
    assert ((lower <= others) & (others <= upper)).mean() > 0.75


@pytest.mark.parametrize("n", [40, 1000])
def test_all_that_was_measured_of_an_architecture_is_left_out_together(n: int) -> None:
    codes = cells(n)
    codes[5] = codes[3]
    data = Sample(NASBENCH201, codes, times(codes) + np.random.default_rng(0).random(n), LATENCY)
    process = gaussian.fit_live_process(data, 0)
    design = np.asarray(process._rows(codes).todense())
    z = (data.values - process._shift) / process._size
    noise = process._posterior.noise
    left = np.delete(np.arange(n), [3, 5])
    less = design[left]
    gram = np.linalg.inv(less @ less.T + noise * np.eye(n - 2))
    expected = process._shift + process._size * float(design[5] @ less.T @ gram @ z[left])
    assert process.left_out[[3, 5]] == pytest.approx([expected, expected], rel=1e-5)
    cross = design[5] @ less.T
    variance = float(design[5] @ design[5] - cross @ gram @ cross)
    assert process._posterior.left_out_std[[3, 5]] == pytest.approx([variance**0.5] * 2, rel=1e-4)


@pytest.mark.parametrize("name", ["gp", "sparse-gp", "xgb-pairs", "recipe"])
@pytest.mark.parametrize("target", [LATENCY, RATE], ids=["latency", "throughput"])
def test_a_large_space_gets_tables_that_say_what_the_members_say(
    name: str, target: TargetSpec
) -> None:
    codes = sample(400, seed=0, space=MNASNET)
    values = np.asarray(load("latency_zcu102").query(codes).mean, dtype=np.float64)
    values = 1000.0 / values if target is RATE else values
    predictor = fit(name, codes[:300], values[:300], space=MNASNET, target=target)
    tables = predictor.tables()
    assert tables is not None
    found = tables.predict(codes_to_symbols(codes[300:], MNASNET))[2]
    assert np.allclose(found, predictor.members(codes[300:]), rtol=1e-5)
    order = np.corrcoef(predictor.predict(codes[300:])[0], values[300:])[0, 1]
    assert order > 0.85


def test_free_trees_over_ordinal_codes_are_forests_over_codes() -> None:
    codes = sample(200, seed=0, space=MNASNET)
    values = codes.sum(axis=1).astype(float)
    predictor = fit("xgb-free", codes, values, space=MNASNET, target=LATENCY)
    forests = predictor.forests()
    assert forests is not None
    exact = np.stack([forest.predict_exact(codes) for forest in forests], axis=1)
    assert np.allclose(exact, predictor.members(codes), atol=1e-4)


def test_free_trees_over_names_are_forests_over_their_columns() -> None:
    codes = cells(50)
    predictor = fit("xgb-free", codes, times(codes), space=NASBENCH201, target=LATENCY)
    forests, encoder = predictor.forests(), predictor.features()
    assert forests is not None
    assert encoder is not None
    columns = encoder(codes).astype(np.uint8)
    exact = np.stack([forest.predict_exact(columns) for forest in forests], axis=1)
    assert np.allclose(exact, predictor.members(codes), atol=1e-4)


def test_intervals_of_what_is_learned_exactly_hold_the_rounded_answers() -> None:
    codes, test = cells(300), cells(300, seed=1)
    cost = np.array([0.0, 0.31, 1.07, 3.3, 0.73])
    predictor = fit(
        "linear", codes, 5.1 + cost[codes].sum(axis=1), space=NASBENCH201, target=LATENCY
    )
    mean, std = (a.astype(np.float32) for a in predictor.predict(test))
    lower, upper = predictor.calibration.interval(mean, std, 0.9)
    true = 5.1 + cost[test].sum(axis=1)
    assert ((lower <= true) & (true <= upper)).all()
    assert (upper - lower < 1e-4).all()


def test_few_shot_answers_as_adapt_does() -> None:
    codes = cells(20)
    source = load("latency_silver_4114", benchmark="nasbench201")
    predictor = fit(
        "few-shot", codes, times(codes), space=NASBENCH201, target=LATENCY, sources=(source,)
    )
    import anb_onnx

    adapted = anb_onnx.adapt(
        codes, times(codes), metric="latency", unit="ms", device="phone", space=NASBENCH201,
        sources=[source],
    )  # fmt: skip
    found = adapted.query(codes)
    mean, std = predictor.predict(codes)
    assert np.allclose(mean, found.mean, rtol=1e-6)
    assert np.allclose(std, found.std, rtol=1e-3)
    assert predictor.calibration == adapted.calibration


def test_few_shot_takes_what_is_better_when_larger_and_no_rate() -> None:
    codes = cells(20)
    intensity = TargetSpec("intensity", "intensity", None, "ops/byte", "max")
    source = load("latency_silver_4114", benchmark="nasbench201")
    predictor = fit(
        "few-shot", codes, times(codes), space=NASBENCH201, target=intensity, sources=(source,)
    )
    assert np.corrcoef(predictor.predict(codes)[0], times(codes))[0, 1] > 0.8


def test_a_process_is_what_the_textbook_says() -> None:
    """Mean, deviation and left-out predictions from the covariance alone, n smaller and larger."""
    for n in (40, 1000):  # fewer than features, and more
        codes, test = cells(n), cells(30, seed=1)
        process = gaussian.fit_live_process(Sample(NASBENCH201, codes, times(codes), LATENCY), 0)
        design = np.asarray(process._rows(codes).todense())
        at = np.asarray(process._rows(test).todense())
        z = (times(codes) - process._shift) / process._size
        noise = process._posterior.noise
        inverse = np.linalg.inv(design @ design.T + noise * np.eye(n))
        mean = process._shift + process._size * (at @ design.T @ inverse @ z)
        cross = at @ design.T
        variance = (at**2).sum(axis=1) - np.einsum("ij,jk,ik->i", cross, inverse, cross)
        found, std = process.predict(test)
        assert np.allclose(found, mean, rtol=1e-6)
        assert np.allclose(std, process._size * np.sqrt(np.maximum(variance, 0)), atol=1e-5)
        left = np.delete(np.arange(n), 7)
        less = design[left]
        alone = np.linalg.solve(less @ less.T + noise * np.eye(n - 1), z[left])
        expected = process._shift + process._size * float(design[7] @ less.T @ alone)
        assert abs(process.left_out[7] - expected) < 1e-6 * abs(expected)


def test_the_sparse_process_with_all_but_one_architecture_is_nearly_the_exact_one() -> None:
    codes = cells(120)
    data = Sample(NASBENCH201, codes, times(codes), LATENCY)
    exact = gaussian.fit_gp(data, 0)
    design = exact._groups.design(codes, exact._weights)  # type: ignore[attr-defined]
    z = np.asarray(times(codes) - times(codes).mean())
    noise = 0.1
    whole = gaussian._posterior(design, z, noise, None, np.arange(120))
    thin = gaussian._posterior(design, z, noise, 119, np.arange(120))
    rows = whole.design
    assert np.allclose(rows @ thin.mean, rows @ whole.mean, atol=0.05)
    assert np.allclose(thin.std(rows), whole.std(rows), atol=0.05)


@pytest.mark.parametrize("space", [NASBENCH201, MNASNET], ids=["nasbench201", "mnasnet"])
def test_whatever_is_linear_in_the_groups_is_a_sum_of_tables(space) -> None:  # type: ignore[no-untyped-def]
    groups = groups_of(space, (AS_BUILT,))
    codes = sample(50, seed=0, space=space)
    rng = np.random.default_rng(0)
    weights = rng.uniform(0.1, 2.0, len(groups.groups))
    design = groups.design(codes, weights)
    coefficients = rng.standard_normal((design.shape[1], 2))
    terms, entries = groups.tables(coefficients, weights)
    symbols = codes_to_symbols(codes, space).astype(np.int64)
    total = np.zeros((len(codes), 2))
    for (a, b), shape, start in zip(terms.blocks, terms.shapes, terms.offsets[:-1], strict=True):
        total += entries[start + symbols[:, a] * shape[1] + symbols[:, b]]
    assert np.allclose(total, design @ coefficients)


#: Of the edges of a cell: nodes left and entered, written out once more.
ENDS = ((0, 1), (0, 2), (1, 2), (0, 3), (1, 3), (2, 3))


def test_live_structure_is_what_a_walk_finds() -> None:
    """All 15,625 cells against reachability by a walk over nodes."""
    codes = indices_to_codes(np.arange(NASBENCH201.size), NASBENCH201).astype(np.int64)
    live, to_output = live_nasbench201(codes), to_output_nasbench201(codes)
    for on in product((0, 1), repeat=6):
        reached, leads = {0}, {3}
        for _ in range(3):
            reached |= {b for (a, b), there in zip(ENDS, on, strict=True) if there and a in reached}
            leads |= {a for (a, b), there in zip(ENDS, on, strict=True) if there and b in leads}
        rows = ((codes != 0) == np.array(on, bool)).all(axis=1)
        back = [there and b in leads for (_, b), there in zip(ENDS, on, strict=True)]
        both = [there and a in reached for (a, _), there in zip(ENDS, back, strict=True)]
        assert np.array_equal(to_output[rows], np.where(back, codes[rows], 0))
        assert np.array_equal(live[rows], np.where(both, codes[rows], 0))


def test_layers_beyond_the_depth_are_absent() -> None:
    codes = sample(200, seed=0, space=OFA)
    symbols = codes_to_symbols(codes, OFA).astype(np.int64)
    found = within_depth_ofa(symbols)
    names = [block.name for block in OFA.blocks]
    for unit, layer in product(range(5), range(4)):
        block = names.index(f"layer_{unit}_{layer}")
        gone = layer >= 2 + symbols[:, names.index(f"depth_{unit}")]
        assert np.array_equal(found[:, block] == ABSENT, gone)
        assert np.array_equal(found[~gone, block], symbols[~gone, block])


def test_features_have_names_and_count_operations() -> None:
    codes = cells(64)
    features = live_features(codes, NASBENCH201)
    names = live_names(NASBENCH201)
    assert features.shape == (64, len(names))
    assert len(set(names)) == len(names)
    column = features[:, names.index("live: nor_conv_3x3 (number)")]
    assert np.array_equal(column, (live_nasbench201(codes.astype(np.int64)) == 3).sum(axis=1))
    assert len(views_of(MNASNET)) == 1
    # Every symbol of a block has one choice of each of its genes.
    _, kinds = kinds_of_choices(MNASNET)
    genes = [len(block.genes) for block in MNASNET.blocks for _ in range(block.size)]
    assert np.array_equal(kinds.sum(axis=1), genes)


def test_errors_say_what_is_allowed() -> None:
    codes, space = cells(20), NASBENCH201
    with pytest.raises(PredictorError, match="unknown predictor 'gaussian'; known are lookup, "):
        fit("gaussian", codes, times(codes), space=space, target=LATENCY)
    for name, why in UNAVAILABLE.items():
        with pytest.raises(PredictorError, match="known are") as caught:
            kind_of(name)
        assert why in str(caught.value)
    with pytest.raises(PredictorError, match="as many values"):
        fit("gp", codes, times(codes)[1:], space=space, target=LATENCY)
    wrong = times(codes)
    wrong[3] = np.nan
    with pytest.raises(PredictorError, match="row 3: the value nan"):
        fit("gp", codes, wrong, space=space, target=LATENCY)
    with pytest.raises(PredictorError, match="takes 3 to 500 measurements, found 2"):
        fit("few-shot", codes[:2], times(codes[:2]), space=space, target=LATENCY)
    with pytest.raises(PredictorError, match="row 0: a throughput is above 0"):
        fit("gp", codes, -times(codes), space=space, target=RATE)
    with pytest.raises(PredictorError, match="seed must be an integer"):
        fit("gp", codes, times(codes), space=space, target=LATENCY, seed=-1)
    some = sample(20, seed=0, space=OFA)
    with pytest.raises(PredictorError, match="too many for a table of all"):
        fit("xgb-live", some, np.ones(20), space=OFA, target=LATENCY)
    assert len({kind.name for kind in KINDS}) == len(KINDS)
