"""Which trees predict, and how much each counts, where a model holds more than it uses.

The oracle is the library's own prediction, on random architectures.
"""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xgboost as xgb
from anb_export.cli import main
from anb_export.models.forest import Forest
from anb_export.models.formats import Model, model_from_bytes, model_from_object, read_model

import anb_onnx
from anb_onnx.spaces.architecture import sample
from anb_onnx.spaces.mnasnet import MNASNET

from .checkpoint_writer import labels, rows

lgb = pytest.importorskip("lightgbm")

X = rows(400, 1)
Y = labels(X, "accuracy")
HELD = rows(100, 2)
HELD_Y = (labels(HELD, "accuracy") + Y.mean()) / 2  # the best round is before the last
CODES = sample(300, seed=8, space=MNASNET)
ROWS = CODES.astype(np.float64)

FOREST: dict[str, Any] = {
    "boosting": "rf",
    "bagging_freq": 1,
    "bagging_fraction": 0.6,
    "feature_fraction": 0.6,
}
BOOSTING: dict[str, dict[str, Any]] = {
    "rf": FOREST,
    "rf from zero": {**FOREST, "boost_from_average": False},
    "gbdt": {"learning_rate": 0.3},
    "goss": {"data_sample_strategy": "goss", "learning_rate": 0.3},
    "dart": {"boosting": "dart", "drop_rate": 0.3},
}


def parameters(name: str) -> dict[str, Any]:
    common = {"objective": "regression", "num_leaves": 7, "verbose": -1, "num_threads": 1}
    return {**common, "seed": 1, **BOOSTING[name]}


def trained(name: str, n: int = 12) -> Any:
    data = lgb.Dataset(X, Y, free_raw_data=False)
    return lgb.train(parameters(name), data, n, keep_training_booster=True)


def n_trees(model: Model) -> int:
    assert isinstance(model.member, Forest)
    return model.member.n_trees


def check(model: Model, wanted: Any) -> None:
    np.testing.assert_allclose(model.member.predict_exact(CODES), wanted, rtol=1e-13)


@pytest.mark.parametrize("name", BOOSTING)
@pytest.mark.parametrize("best", [1, 5, 11, 12, 40, 0, -1])
def test_a_best_round_that_somebody_set(name: str, best: int) -> None:
    booster = trained(name)
    booster.best_iteration = best
    model = model_from_object(booster)
    assert n_trees(model) == (min(best, 12) if best > 0 else 12)
    check(model, booster.predict(ROWS))
    if best > 0:
        check(model.at_best_iteration(), booster.predict(ROWS))


@pytest.mark.parametrize("name", ["rf", "gbdt", "goss"])
def test_boosters_of_cross_validation(name: str) -> None:
    """`lgb.cv` ends later than the best round, and keeps all trees."""
    found = lgb.cv(
        parameters(name),
        lgb.Dataset(X, Y + np.random.default_rng(0).normal(0, 3, len(Y)), free_raw_data=False),
        60,
        nfold=3,
        stratified=False,
        callbacks=[lgb.early_stopping(3, verbose=False)],
        return_cvbooster=True,
    )["cvbooster"]
    for booster in found.boosters:
        assert 0 < booster.best_iteration < booster.num_trees()
        model = model_from_object(booster)
        assert n_trees(model) == booster.best_iteration
        check(model, booster.predict(ROWS))


@pytest.mark.parametrize("name", ["rf", "gbdt", "goss"])
@pytest.mark.parametrize("keep", [False, True])
def test_early_stopping(name: str, keep: bool) -> None:
    booster = lgb.train(
        parameters(name),
        lgb.Dataset(X, Y, free_raw_data=False),
        60,
        valid_sets=[lgb.Dataset(HELD, HELD_Y, free_raw_data=False)],
        callbacks=[lgb.early_stopping(3, verbose=False)],
        keep_training_booster=keep,
    )
    assert booster.best_iteration < 60
    check(model_from_object(booster), booster.predict(ROWS))


@pytest.mark.parametrize("name", ["rf", "gbdt"])
@pytest.mark.filterwarnings("ignore:The argument 'eval_set' is deprecated")
def test_regressors_that_stopped_early(name: str) -> None:
    estimator = lgb.LGBMRegressor(n_estimators=60, **parameters(name))
    stopping = [lgb.early_stopping(3, verbose=False)]
    estimator.fit(X, Y, eval_set=[(HELD, HELD_Y)], callbacks=stopping)
    assert estimator.best_iteration_ < 60
    model = model_from_object(estimator)
    assert n_trees(model) == estimator.best_iteration_
    check(model, estimator.predict(ROWS))
    estimator.booster_.best_iteration = 2
    check(model_from_object(estimator), estimator.predict(ROWS))


@pytest.mark.parametrize("name", BOOSTING)
@pytest.mark.parametrize(("start", "n"), [(0, 5), (4, -1), (3, 4), (0, -1)])
def test_texts_of_some_of_the_trees(name: str, start: int, n: int, tmp_path: Path) -> None:
    """A text does not know of others: whoever loads it averages those that it holds."""
    trained(name).save_model(tmp_path / "some.txt", start_iteration=start, num_iteration=n)
    loaded = lgb.Booster(model_file=tmp_path / "some.txt")
    model = read_model(tmp_path / "some.txt")
    assert n_trees(model) == loaded.num_trees() < 13
    check(model, loaded.predict(ROWS))
    assert "average_output" in loaded.model_to_string() or not name.startswith("rf")


def test_the_command_averages_the_trees_used(tmp_path: Path) -> None:
    booster = trained("rf")
    booster.best_iteration = 5
    (tmp_path / "rf.pkl").write_bytes(pickle.dumps(booster))
    arguments = ["import", str(tmp_path / "rf.pkl"), "--target", "accuracy", "--out", str(tmp_path)]
    assert main(arguments) == 0
    with anb_onnx.load(path=tmp_path / "accuracy.onnx") as surrogate:
        found = surrogate.query(CODES).mean
    np.testing.assert_allclose(found, booster.predict(ROWS), rtol=1e-7)


def test_random_forests_of_xgboost() -> None:
    """Their leaves are divided in training; one round holds all trees."""
    estimator = xgb.XGBRFRegressor(n_estimators=9, max_depth=4, n_jobs=1, random_state=1).fit(X, Y)
    model = model_from_object(estimator.get_booster())
    assert n_trees(model) == 9
    wanted = estimator.predict(ROWS)
    np.testing.assert_allclose(model.member.predict_exact(CODES), wanted, rtol=1e-6)


def test_rounds_of_several_trees_of_xgboost(tmp_path: Path) -> None:
    estimator = xgb.XGBRegressor(
        n_estimators=40, num_parallel_tree=4, subsample=0.5, colsample_bynode=0.5, n_jobs=1
    ).set_params(early_stopping_rounds=2, learning_rate=0.5)
    estimator.fit(X, Y, eval_set=[(HELD, HELD_Y)], verbose=False)
    booster = estimator.get_booster()
    assert estimator.best_iteration + 1 < booster.num_boosted_rounds()
    booster.save_model(tmp_path / "m.json")
    for model in (model_from_object(estimator), read_model(tmp_path / "m.json")):
        assert n_trees(model) == 4 * booster.num_boosted_rounds()
        cut = model.at_best_iteration()
        assert n_trees(cut) == 4 * (estimator.best_iteration + 1)
        wanted = estimator.predict(ROWS)
        np.testing.assert_allclose(cut.member.predict_exact(CODES), wanted, rtol=1e-6)
    part = booster[:3]
    model = model_from_bytes(bytes(part.save_raw("ubj")))
    wanted = part.inplace_predict(ROWS)
    np.testing.assert_allclose(model.member.predict_exact(CODES), wanted, rtol=1e-6)
