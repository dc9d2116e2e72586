"""The classic predictors, fitted to few measurements of two search spaces."""

from __future__ import annotations

import numpy as np
import onnxruntime
import pytest
from anb_export.data.targets import TargetSpec
from anb_export.predictors.contract import Predictor, PredictorError, Sample
from anb_export.predictors.features import folds, one_hot
from anb_export.predictors.registry import fit
from tools import need_tool

from anb_onnx import FBNET, MNASNET, NASBENCH201
from anb_onnx.encoding.encoding import codes_to_symbols
from anb_onnx.spaces.space import SearchSpace

TARGET = TargetSpec("latency_phone", "latency", "phone", "ms", "min")
SPACES = {space.name: space for space in (NASBENCH201, MNASNET, FBNET)}
TABLES = ("lookup", "linear", "ridge", "bayesian-ridge")
NAMES = (*TABLES, "svr", "random-forest", "lightgbm", "ngboost", "mlp-small", "mlp-large")


def drawn(space: SearchSpace, n: int, seed: int = 0) -> np.ndarray:
    """Architectures at random."""
    return np.random.default_rng(seed).integers(0, space.gene_sizes, (n, space.n_genes), np.uint8)


def truth(space: SearchSpace, codes: np.ndarray) -> np.ndarray:
    """Milliseconds that are a sum over genes."""
    rng = np.random.default_rng(5)
    found = np.full(len(codes), 20.0)
    for gene, size in enumerate(space.gene_sizes):
        found += rng.random(size)[codes[:, gene]]
    return found


def fitted(name: str, space: SearchSpace, n: int, seed: int = 0) -> Predictor:
    """Fit a predictor to n architectures of the truth."""
    if name in ("lightgbm", "ngboost"):
        need_tool(name)
    codes = drawn(space, n)
    return fit(name, codes, truth(space, codes), space=space, target=TARGET, seed=seed)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("space", SPACES)
def test_few_measurements_are_enough_for_finite_answers(name: str, space: str) -> None:
    predictor = fitted(name, SPACES[space], 11)
    mean, std = predictor.predict(drawn(SPACES[space], 50, seed=1))
    assert mean.shape == std.shape == (50,)
    mean32, std32 = mean.astype(np.float32), std.astype(np.float32)
    lower, upper = predictor.calibration.interval(mean32, std32, 0.9)
    assert np.isfinite([lower, upper]).all()
    assert ((lower < mean32) & (mean32 < upper)).all()


@pytest.mark.parametrize("name", NAMES)
def test_measurements_of_one_architecture_are_refused(name: str) -> None:
    if name in ("lightgbm", "ngboost"):
        need_tool(name)
    codes = np.repeat(drawn(NASBENCH201, 1), 12, axis=0)
    with pytest.raises(PredictorError, match="all 12 measurements are of one architecture"):
        fit(name, codes, np.arange(12.0), space=NASBENCH201, target=TARGET)


@pytest.mark.parametrize("name", ["linear", "ridge", "bayesian-ridge"])
@pytest.mark.parametrize("space", SPACES)
def test_regressions_find_a_sum_over_genes(name: str, space: str) -> None:
    codes = drawn(SPACES[space], 200, seed=1)
    mean, _ = fitted(name, SPACES[space], 400).predict(codes)
    np.testing.assert_allclose(mean, truth(SPACES[space], codes), rtol=1e-5)


def test_the_lookup_table_is_of_averages() -> None:
    codes = drawn(NASBENCH201, 60)
    codes[:, 0] %= 4  # so that none has the last choice, which then adds nothing
    values = truth(NASBENCH201, codes)
    predictor = fit("lookup", codes, values, space=NASBENCH201, target=TARGET)
    asked = drawn(NASBENCH201, 20, seed=1)
    expected = []
    for row in asked:
        total = values.mean()
        for gene, code in enumerate(row):
            having = values[codes[:, gene] == code]
            total += having.mean() - values.mean() if len(having) else 0.0
        expected.append(total)
    assert 4 in asked[:, 0]
    np.testing.assert_allclose(predictor.predict(asked)[0], expected, rtol=1e-7)


@pytest.mark.parametrize("name", TABLES)
def test_tables_answer_as_the_predictor(name: str) -> None:
    predictor = fitted(name, MNASNET, 50)
    codes = drawn(MNASNET, 100, seed=1)
    tables = predictor.tables()
    assert tables is not None
    _, _, members = tables.predict(codes_to_symbols(codes, MNASNET))
    np.testing.assert_array_equal(members, predictor.members(codes).astype(np.float32))


@pytest.mark.parametrize("space", ["mnasnet", "fbnet"])
@pytest.mark.parametrize("name", ["svr", "random-forest"])
def test_forests_and_kernels_answer_as_the_predictor(name: str, space: str) -> None:
    """On codes where these have an order, on a column for each choice elsewhere."""
    codes = drawn(SPACES[space], 100, seed=1)
    predictor = fitted(name, SPACES[space], 30)
    assert (predictor.features() is None) == (space == "mnasnet")
    x = codes if space == "mnasnet" else one_hot(codes, SPACES[space]).astype(np.uint8)
    machines = predictor.kernels() if name == "svr" else predictor.forests()
    assert machines is not None
    found = np.stack([machine.predict_exact(x) for machine in machines], axis=1)
    np.testing.assert_array_equal(found, predictor.members(codes))


def test_the_network_has_the_members_and_is_converted() -> None:
    predictor = fitted("mlp-small", NASBENCH201, 60)
    codes = drawn(NASBENCH201, 40, seed=1)
    from skl2onnx import convert_sklearn
    from skl2onnx.common.data_types import FloatTensorType

    kind = FloatTensorType([None, NASBENCH201.n_genes])
    model = convert_sklearn(predictor.network(), initial_types=[("codes", kind)])
    session = onnxruntime.InferenceSession(model.SerializeToString())
    found = session.run(None, {"codes": codes.astype(np.float32)})[0]
    # skl2onnx makes one column of a network's outputs.
    np.testing.assert_allclose(found.reshape(40, 3), predictor.members(codes), rtol=1e-5)


@pytest.mark.parametrize("name", [*NAMES[:7], "mlp-small"])
def test_the_same_sample_and_seed_give_the_same_bits(name: str) -> None:
    codes = drawn(NASBENCH201, 30, seed=1)
    first, again = (fitted(name, NASBENCH201, 40, seed=3) for _ in range(2))
    np.testing.assert_array_equal(first.members(codes), again.members(codes))
    assert first.calibration == again.calibration


@pytest.mark.parametrize("name", [*NAMES[:7], "mlp-small"])
def test_constant_values_and_repeated_measurements_do(name: str) -> None:
    if name == "lightgbm":
        need_tool(name)
    codes = np.repeat(drawn(NASBENCH201, 6), 2, axis=0)
    asked = drawn(NASBENCH201, 20, seed=1)
    same = fit(name, codes, np.full(12, 7.5), space=NASBENCH201, target=TARGET)
    np.testing.assert_allclose(same.predict(asked)[0], 7.5, rtol=1e-2)
    values = truth(NASBENCH201, codes)
    mean, _ = fit(name, codes, values, space=NASBENCH201, target=TARGET).predict(asked)
    assert np.isfinite(mean).all()


def test_repeats_of_an_architecture_are_held_out_together() -> None:
    """Else a repeat would give away what is asked, and intervals would be too narrow."""
    codes = np.repeat(drawn(NASBENCH201, 10), 3, axis=0)
    sample = Sample(NASBENCH201, codes, truth(NASBENCH201, codes), TARGET)
    parts = folds(sample, 0)
    assert sorted(np.concatenate(parts).tolist()) == list(range(30))
    assert len(parts) == 5
    for held in parts:
        assert len(set(held // 3)) * 3 == len(held)
