"""Fidelity figures, against the same figures computed plainly."""

from __future__ import annotations

import numpy as np
import pytest
from anb_export.models.forest import Forest
from anb_export.models.xgboost_document import forest_of_booster
from anb_export.tables.fidelity import measure
from anb_export.tables.project import project_tables
from scipy import stats

from anb_onnx.encoding.encoding import codes_to_symbols
from anb_onnx.errors import AnbError
from anb_onnx.links import Link
from anb_onnx.spaces.architecture import sample
from anb_onnx.spaces.mnasnet import MNASNET

from .pair_models import booster_of, forest_of, labels_of


@pytest.fixture(scope="module")
def forests() -> list[Forest]:
    codes = sample(800, seed=4, space=MNASNET)
    return [
        forest_of_booster(
            booster_of(
                codes,
                labels_of(codes),
                MNASNET,
                rounds=20,
                constrained=False,
                seed=s,
                subsample=0.5,
            )
        )
        for s in (1, 2, 3)
    ]


def test_figures(forests: list[Forest]) -> None:
    ensemble = project_tables(forests, link=Link(), mean=0.0, std=1.0, space=MNASNET)
    n = 20_000  # more than one batch
    found = measure(ensemble, forests, Link(), target_std=2.0, n=n, seed=77)
    codes = sample(n, seed=77, space=MNASNET)
    full = np.stack([f.predict_exact(codes) for f in forests])
    mean, std, _ = ensemble.predict(codes_to_symbols(codes, MNASNET))
    error = np.abs(mean - full.mean(axis=0))
    assert found.r2 == pytest.approx(1 - np.mean(error**2) / np.var(full.mean(axis=0)))
    assert found.kendall_tau == pytest.approx(stats.kendalltau(full.mean(axis=0), mean)[0])
    assert (found.max, found.rms) == pytest.approx((error.max(), np.sqrt(np.mean(error**2))))
    assert np.sum(error > found.p999) == pytest.approx(n / 1000, abs=1)
    assert found.own_std == pytest.approx(full.std(axis=0).mean())
    assert found.within_own_std == pytest.approx(np.mean(error <= full.std(axis=0)))
    assert found.std_ratio == pytest.approx(std.mean() / full.std(axis=0).mean())
    assert abs(found.bias) < 5 * found.rms / np.sqrt(n)
    card = found.to_dict()
    assert card["max"]["target"] == pytest.approx(error.max(), rel=1e-3)
    assert card["max"]["target_std"] == pytest.approx(error.max() / 2, rel=1e-3)
    assert card["max"]["own_std"] == pytest.approx(error.max() / found.own_std, rel=1e-3)
    assert found.r2 < 1.0


def test_an_exact_approximation() -> None:
    forest = forest_of([(0, 0.5, 1.0, (4, 1.5, 2.0, 3.0))], MNASNET.n_genes)
    ensemble = project_tables([forest], link=Link(), mean=0.0, std=1.0, space=MNASNET)
    found = measure(ensemble, [forest], Link(), target_std=1.0, n=500)
    assert (found.kendall_tau, found.own_std, found.std_ratio) == (1.0, 0.0, 1.0)
    assert found.r2 > 1 - 1e-12
    assert found.max < 1e-6
    assert found.to_dict()["max"]["own_std"] is None


def test_a_constant() -> None:
    forest = forest_of([1.0], MNASNET.n_genes)
    ensemble = project_tables([forest], link=Link(), mean=0.0, std=1.0, space=MNASNET)
    found = measure(ensemble, [forest], Link(), target_std=1.0, n=10)
    assert (found.r2, found.kendall_tau, found.max) == (1.0, 0.0, 0.0)


def test_refusals(forests: list[Forest]) -> None:
    ensemble = project_tables(forests, link=Link(), mean=0.0, std=1.0, space=MNASNET)
    with pytest.raises(AnbError, match="at least 2"):
        measure(ensemble, forests, Link(), target_std=1.0, n=1)
    with pytest.raises(AnbError, match="3 tables stand for 2 members"):
        measure(ensemble, forests[:2], Link(), target_std=1.0, n=10)
