"""The digits' curves: read, split, learnt; and the shipped catalog's figures, from the file."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from anb_export.curves.boosted import BoostSettings
from anb_export.curves.digits_catalog import (
    N_FOLDS,
    Recipe,
    fit,
    learn_and_test,
    tasks_of,
    terms_of,
)
from anb_export.curves.making import curve_quality
from anb_export.data.dataset import DatasetError
from anb_export.data.digits import COMMITTED, Digits, read_digits
from tools import need_tool

import anb_onnx
from anb_onnx.vector_answers import Curve

ROOT = Path(__file__).resolve().parents[2]
CATALOG = ROOT / "spaces" / "anb_onnx_spaces" / "artifacts" / "digits"


@pytest.fixture(scope="module")
def runs() -> Digits:
    need_tool("pyarrow")
    if not (ROOT / COMMITTED).exists():
        pytest.skip(f"needs {COMMITTED}, part of the repository")
    return read_digits(ROOT / COMMITTED)


def test_runs_are_read_with_stated_limits(runs: Digits) -> None:
    assert runs.accuracy.shape == runs.loss.shape == (len(runs.codes), 27)
    assert 0.0 <= runs.accuracy.min() <= runs.accuracy.max() <= 100.0
    assert 0.0 <= runs.loss.min() <= runs.loss.max() <= np.log(10)
    assert runs.seconds.min() > 0.0
    rate = runs.space.genes[runs.space.gene_names.index("learning_rate")]
    assert rate.ordered
    assert rate.kind == "float"
    assert (runs.codes < runs.space.cardinalities).all()


def test_the_space_is_that_of_the_benchmark(runs: Digits) -> None:
    try:
        from benchmarks.digits_curves.space import DIGITS
    except ImportError:
        pytest.skip("needs benchmarks, part of the repository")
    assert runs.space == DIGITS
    assert anb_onnx.load("train_time", benchmark="digits", path=CATALOG).space == DIGITS


def test_a_file_of_something_else_is_refused(tmp_path: Path) -> None:
    need_tool("pyarrow")
    path = tmp_path / "digits.parquet"
    path.write_bytes(b"nothing of the kind")
    with pytest.raises(DatasetError, match="--data names the folder of"):
        read_digits(path)


def test_all_seeds_of_a_configuration_are_on_one_side(runs: Digits) -> None:
    folds, test = learn_and_test(runs)
    _, number = np.unique(runs.codes, axis=0, return_inverse=True)
    for configuration in np.unique(number.reshape(-1)[runs.seed == 3])[:50]:
        assert len(set(folds[number.reshape(-1) == configuration].tolist())) == 1
    assert np.array_equal(test, np.flatnonzero(folds == -1))
    assert set(folds.tolist()) == {-1, *range(N_FOLDS)}
    share = len(np.unique(runs.codes[test], axis=0)) / len(np.unique(runs.codes, axis=0))
    assert share == pytest.approx(0.2, abs=0.001)


def test_what_is_left_out_was_not_learnt_from(runs: Digits) -> None:
    some = np.arange(600)
    few = Digits(
        runs.space,
        runs.codes[some],
        runs.seed[some],
        runs.epochs,
        runs.accuracy[some],
        runs.loss[some],
        runs.seconds[some],
        runs.test_accuracy[some],
        runs.sha256,
    )
    folds, test = learn_and_test(few)
    task = tasks_of(few)["train_time"]
    recipe = Recipe(2, BoostSettings(rounds=60, depth=4, rate=0.2))
    fitted = fit(few, task, recipe, folds)
    pool = np.flatnonzero(folds >= 0)
    assert np.isnan(fitted.left_out[test]).all()
    assert np.isfinite(fitted.left_out[pool]).all()
    quality = curve_quality(task.curves[pool], fitted.left_out[pool])
    assert 0.6 < quality["kendall_tau"] < 0.99
    assert len(fitted.forests) == N_FOLDS
    # Times in proportion to the epoch are one coefficient.
    assert fitted.basis.n_coefficients == 1
    assert terms_of(few.space, 2).blocks[:2] == ((0, 1), (0, 2))


def test_figures_of_the_shipped_catalog_are_those_of_the_file(runs: Digits) -> None:
    manifest = json.loads((CATALOG / "manifest.json").read_text())
    _, test = learn_and_test(runs)
    for name, task in tasks_of(runs).items():
        entry = manifest["targets"][name]
        assert entry["dataset"]["sha256"] == runs.sha256
        surrogate = anb_onnx.load(name, benchmark="digits", path=CATALOG, engine="numpy")
        answer = surrogate.query(runs.codes[test])
        if isinstance(answer, Curve):
            predicted = answer.until().mean.astype(np.float64)
            found = curve_quality(task.curves[test], predicted)
            assert found["curve_r2"] == pytest.approx(entry["quality"]["test"]["curve_r2"])
        error = np.abs(answer.mean - task.curves[test][:, -1]).mean()
        assert error == pytest.approx(entry["quality"]["test"]["mae"], rel=1e-5)
