"""The classic predictors, fitted to few measurements of two search spaces."""

from __future__ import annotations

import numpy as np
import pytest
from anb_export.data.targets import TargetSpec
from anb_export.predictors.contract import Predictor, PredictorError
from anb_export.predictors.registry import fit
from tools import need_tool

from anb_onnx import FBNET, MNASNET, NASBENCH201
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
