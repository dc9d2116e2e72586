from __future__ import annotations

import json
import math
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xgboost as xgb
from anb_export.models.forest import Forest
from anb_export.models.formats import (
    FormatError,
    Model,
    check_features,
    model_from_bytes,
    model_from_object,
    read_model,
)
from anb_export.models.xgboost_document import forest_of_booster
from sklearn.ensemble import ExtraTreesRegressor, RandomForestRegressor
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.linear_model import LinearRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVR, NuSVR

from anb_onnx.errors import AnbError
from anb_onnx.spaces.architecture import sample
from anb_onnx.spaces.mnasnet import MNASNET

from .checkpoint_writer import fit, labels, rows

PUBLISHED = Path(__file__).parent / "data" / "published"
EXPECTED = json.loads((PUBLISHED / "expected.json").read_text())
X = rows(150, 1)
Y = labels(X, "accuracy")
CODES = sample(200, seed=8, space=MNASNET)


def forest_of(model: Model) -> Forest:
    assert isinstance(model.member, Forest)
    return model.member


@pytest.mark.parametrize("name", EXPECTED["predictions"])
def test_checkpoints_of_old_libraries_predict_the_same(name: str) -> None:
    """Pickles of xgboost 1.7.1, LightGBM 3.3.5 and scikit-learn 1.2.2."""
    model = read_model(PUBLISHED / name / "surrogate_model.model")
    found = model.member.predict_exact(np.array(EXPECTED["codes"], np.uint8))
    tolerance = 1e-6 if model.family == "xgb" else 1e-13  # xgboost sums in float32
    np.testing.assert_allclose(found, EXPECTED["predictions"][name], rtol=tolerance)


def test_checkpoints_of_xgboost_1_7_load_in_this_xgboost() -> None:
    for name in ("xgb/20230401-120001-1", "xgb/20230401-120002-2"):
        model = read_model(PUBLISHED / name / "surrogate_model.model")
        assert model.content is not None
        booster = xgb.Booster()
        booster.load_model(bytearray(model.content))
        assert booster.num_boosted_rounds() == forest_of(model).n_trees
        codes = np.array(EXPECTED["codes"], np.float32)
        rounds = (0, booster.num_boosted_rounds())
        found = booster.inplace_predict(codes, iteration_range=rounds)
        np.testing.assert_array_equal(found, np.float32(EXPECTED["predictions"][name]))


def test_all_rounds_or_the_best() -> None:
    booster = fit("xgb", "accuracy", 3)
    n, best = booster.num_boosted_rounds(), booster.best_iteration
    assert best + 1 < n
    model = model_from_object(booster)
    assert forest_of(model).n_trees == n
    cut = model.at_best_iteration()
    assert forest_of(cut).n_trees == best + 1
    wanted = booster.inplace_predict(CODES.astype(np.float32), iteration_range=(0, best + 1))
    np.testing.assert_allclose(cut.member.predict_exact(CODES), wanted, rtol=1e-6)
    plain = xgb.train({"nthread": 1}, xgb.DMatrix(X, Y, nthread=1), 3)
    with pytest.raises(FormatError, match="no best iteration"):
        model_from_object(plain).at_best_iteration()


def test_best_round_of_several_trees() -> None:
    held = xgb.DMatrix(X[:30], Y[:30] * 0.5, nthread=1)
    booster = xgb.train(
        {"nthread": 1, "num_parallel_tree": 3, "subsample": 0.5},
        xgb.DMatrix(X, Y, nthread=1),
        20,
        evals=[(held, "held")],
        early_stopping_rounds=2,
        verbose_eval=False,
    )
    model = model_from_object(booster)
    assert forest_of(model).n_trees == 3 * booster.num_boosted_rounds()
    assert forest_of(model.at_best_iteration()).n_trees == 3 * (booster.best_iteration + 1)


@pytest.mark.parametrize("suffix", ["json", "ubj", "model"])
@pytest.mark.filterwarnings("ignore:.*UBJSON format as default")
def test_xgboost_files(suffix: str, tmp_path: Path) -> None:
    booster = fit("xgb", "accuracy", 3)
    path = tmp_path / f"mine.{suffix}"
    booster.save_model(path)
    model = read_model(path)
    np.testing.assert_array_equal(
        forest_of(model).predict_exact(CODES), forest_of_booster(booster).predict_exact(CODES)
    )
    assert model.family == "xgb"
    assert forest_of(model).value.dtype == np.float32


def test_wrappers_use_all_rounds() -> None:
    held = (X[:30], Y[:30] * 0.5)
    wrapper = xgb.XGBRegressor(n_estimators=30, n_jobs=1, early_stopping_rounds=2)
    wrapper.fit(X, Y, eval_set=[held], verbose=False)
    model = model_from_object(wrapper)
    n = wrapper.get_booster().num_boosted_rounds()
    assert forest_of(model).n_trees == n > wrapper.best_iteration + 1
    np.testing.assert_allclose(
        model.at_best_iteration().member.predict_exact(CODES),
        wrapper.predict(CODES.astype(np.float32)),
        rtol=1e-6,
    )
    with pytest.raises(AnbError, match="not fitted"):
        model_from_object(xgb.XGBRegressor())


def test_lightgbm_predicts_with_its_best_round(tmp_path: Path) -> None:
    lgb = pytest.importorskip("lightgbm")
    booster = fit("lgb", "accuracy", 3)
    # LightGBM drops the rounds after the best one by itself, unless told to keep them.
    assert booster.best_iteration == booster.num_trees() > 3
    booster.best_iteration = 3
    x = CODES.astype(np.float64)
    for model in (model_from_object(booster), model_from_object(booster).at_best_iteration()):
        assert forest_of(model).n_trees == 3
        np.testing.assert_array_equal(model.member.predict_exact(CODES), booster.predict(x))
    booster.save_model(tmp_path / "all.txt", num_iteration=-1)
    model = read_model(tmp_path / "all.txt")  # the text does not know the best round
    wanted = booster.predict(x, num_iteration=-1)
    np.testing.assert_allclose(model.member.predict_exact(CODES), wanted, rtol=1e-15)
    windows = (tmp_path / "all.txt").read_bytes().replace(b"\n", b"\r\n")
    np.testing.assert_array_equal(
        model_from_bytes(windows).member.predict_exact(CODES), model.member.predict_exact(CODES)
    )
    wrapper = lgb.LGBMRegressor(n_estimators=5, n_jobs=1, verbose=-1).fit(X, Y)
    np.testing.assert_array_equal(
        model_from_object(wrapper).member.predict_exact(CODES), wrapper.predict(x)
    )


@pytest.mark.parametrize(
    "params",
    [
        {"n_estimators": 20},
        {"n_estimators": 7, "criterion": "absolute_error", "max_depth": 4},
        {"n_estimators": 5, "bootstrap": False, "max_leaf_nodes": 9},
    ],
    ids=str,
)
def test_random_forests(params: dict[str, Any], tmp_path: Path) -> None:
    forest = RandomForestRegressor(random_state=1, **params).fit(X, Y)
    model = model_from_object(forest)
    found = model.member.predict_exact(CODES)
    np.testing.assert_allclose(found, forest.predict(CODES.astype(np.float64)), rtol=1e-14)
    assert forest_of(model).value.dtype == np.float64
    joblib = pytest.importorskip("joblib")
    joblib.dump(forest, tmp_path / "forest")
    np.testing.assert_array_equal(
        read_model(tmp_path / "forest").member.predict_exact(CODES), found
    )
    joblib.dump(forest, tmp_path / "compressed", compress=3)
    with pytest.raises(FormatError, match="decompress it, or write it without compress"):
        read_model(tmp_path / "compressed")


def test_one_output_only() -> None:
    forest = RandomForestRegressor(3).fit(X, np.stack([Y, Y], axis=1))
    with pytest.raises(AnbError, match="2 outputs"):
        model_from_object(forest)


@pytest.mark.parametrize("estimator", [LinearRegression(), GaussianProcessRegressor()], ids=repr)
def test_other_estimators_are_refused_by_name(estimator: Any) -> None:
    with pytest.raises(AnbError, match=type(estimator).__name__):
        model_from_object(estimator.fit(X, Y))


def test_one_tree_in_the_place_of_many() -> None:
    """A pickle can repeat a tree in two bytes, and would have it copied each time."""
    forest = RandomForestRegressor(2, random_state=1).fit(X, Y)
    forest.estimators_ = [forest.estimators_[0]] * 5
    with pytest.raises(AnbError, match="holds one tree several times"):
        model_from_object(forest)


def test_what_cannot_be_pickled() -> None:
    with pytest.raises(FormatError, match=r"builtins\.function cannot be pickled"):
        model_from_object(lambda: None)


def test_white_space_before_a_model() -> None:
    booster = fit("xgb", "accuracy", 3)
    content = bytes(booster.save_raw("json"))
    found = model_from_bytes(b"\r\n  " + content)
    assert (found.family, found.content) == ("xgb", content)


IN_ROWS = [0.0, -0.0, 0, 1.0, 2, 3.0, 1e-50, 1 + 1e-9, False, True, "nan", np.zeros(2)]
IN_ROWS += [4, 5.0, 6]  # no codes, but values of genes


@pytest.mark.parametrize("missing", [*IN_ROWS, 10**400], ids=str)
def test_what_counts_as_missing_must_be_in_no_row(missing: Any) -> None:
    """A Booster alone does not know that its regressor took zeros as missing."""
    wrapper = xgb.XGBRegressor(n_estimators=3, n_jobs=1).fit(X, Y)
    for allowed in (math.nan, np.float32("nan"), None):
        wrapper.missing = allowed
        assert forest_of(model_from_object(wrapper)).n_trees == 3
    del wrapper.missing
    assert forest_of(model_from_object(wrapper)).n_trees == 3
    wrapper.missing = missing
    with pytest.raises(FormatError, match=r"missing=.* is not supported.*missing=float\('nan'\)"):
        check_features(model_from_object(wrapper), MNASNET)


@pytest.mark.parametrize("missing", [-999, -1.0, 0.5, 7, 255, 1e30, np.float32(-999), np.int64(-1)])
def test_what_is_missing_in_no_architecture(missing: Any) -> None:
    x = X.copy()
    x[:20, 3] = missing  # so that the trees learn where to send it
    wrapper = xgb.XGBRegressor(n_estimators=9, n_jobs=1, missing=missing).fit(x, Y)
    found = model_from_object(wrapper).member.predict_exact(CODES)
    np.testing.assert_allclose(found, wrapper.predict(CODES.astype(np.float32)), rtol=1e-6)


@pytest.mark.parametrize("estimator", [RandomForestRegressor(2, random_state=1), SVR(), NuSVR()])
def test_columns_of_a_table(estimator: Any, tmp_path: Path) -> None:
    pd = pytest.importorskip("pandas")
    plain = model_from_object(estimator.fit(X, Y)).member.predict_exact(CODES)
    estimator.fit(pd.DataFrame(X, columns=GENES), Y)
    contents = [pickle.dumps(estimator, protocol) for protocol in range(6)]
    joblib = pytest.importorskip("joblib")
    joblib.dump(estimator, tmp_path / "joblib")
    for content in [*contents, (tmp_path / "joblib").read_bytes()]:
        model = model_from_bytes(content)
        check_features(model, space=MNASNET)
        assert model.feature_names == MNASNET.gene_names
        np.testing.assert_array_equal(model.member.predict_exact(CODES), plain)
    model = model_from_object(estimator.fit(pd.DataFrame(X, columns=GENES[::-1]), Y))
    with pytest.raises(FormatError, match="feature 0 of the model is 'block6_se', expected"):
        check_features(model, space=MNASNET)


@pytest.mark.parametrize("names", [3, [1], np.zeros(28), ("block0_e", 7)], ids=str)
def test_names_that_are_none(names: Any) -> None:
    estimator = SVR().fit(X, Y)
    estimator.feature_names_in_ = names
    with pytest.raises(FormatError, match="'feature_names_in_' is no array of names"):
        model_from_object(estimator)


def test_models_that_are_refused_say_what_to_do() -> None:
    pipeline = make_pipeline(StandardScaler(), SVR()).fit(X, Y)
    forest = RandomForestRegressor(2, random_state=0).fit(X, Y)
    search = GridSearchCV(SVR(), {"C": [1.0]}, cv=2).fit(X, Y)
    rounds = xgb.XGBRFRegressor(n_estimators=2, n_jobs=1).fit(X, Y)
    for model, hint in (
        (pipeline, "give its last step, fitted on the codes themselves"),
        (search, "give its best_estimator_"),
        (rounds, "save its booster: "),
        (forest.estimators_[0], "supported: xgboost.core.Booster, .*SVR"),
    ):
        with pytest.raises(AnbError, match=hint):
            model_from_object(model)
    booster = model_from_object(rounds.get_booster()).member.predict_exact(CODES)
    np.testing.assert_allclose(booster, rounds.predict(CODES.astype(np.float32)), rtol=1e-6)


def test_regressors_that_hold_something_else() -> None:
    start = b"\x80\x02cxgboost.sklearn\nXGBRegressor\n)\x81q\x00}V_Booster\n"
    svr = b"csklearn.svm._classes\nSVR\n)\x81"
    with pytest.raises(FormatError, match=r"holds a sklearn\.svm.*SVR, expected a xgboost\.core"):
        model_from_bytes(start + svr + b"sb.")
    itself = b"h\x00"
    with pytest.raises(FormatError, match=r"the estimator holds a xgboost\.sklearn\.XGBRegressor"):
        model_from_bytes(start + itself + b"sb.")


def test_sizes(tmp_path: Path) -> None:
    with pytest.raises(FormatError, match="nothing cannot be read"):
        read_model(tmp_path / "nothing")
    (tmp_path / "large").write_bytes(b"{" + bytes(100))
    with pytest.raises(FormatError, match="large has 101 bytes, at most 100 are allowed"):
        read_model(tmp_path / "large", limit=100)


def booster(names: list[str] | None = None, width: int = 28) -> Any:
    x = np.zeros((20, width))
    x[:, -1] = np.arange(20) % 3
    return xgb.train(
        {"nthread": 1, "min_child_weight": 0},
        xgb.DMatrix(x, x[:, -1], feature_names=names, nthread=1),
        2,
    )


GENES = list(MNASNET.gene_names)


def numbered(prefix: str, first: int = 0) -> list[str]:
    return [f"{prefix}{first + k}" for k in range(28)]


AUTOMATIC = [
    *(numbered(prefix) for prefix in ("", "f", "Column_", "column_", "x", "feature_", "_c")),
    *(numbered(prefix, 1) for prefix in ("V", "X", "x", "Var")),
]


@pytest.mark.parametrize("names", [None, GENES, *AUTOMATIC], ids=lambda n: n[0] if n else "none")
def test_names_that_fit(names: list[str] | None) -> None:
    check_features(model_from_object(booster(names)), space=MNASNET)


@pytest.mark.parametrize("names", AUTOMATIC, ids=lambda n: n[0])
def test_automatic_names_count_in_their_order_only(names: list[str]) -> None:
    swapped = [*names[:5], names[6], names[5], *names[7:]]
    for other in (swapped, names[::-1], [*names[1:], names[0]], [*names[:-1], names[-1] + "0"]):
        with pytest.raises(FormatError, match=r"feature 0 of .*numbered in that order"):
            check_features(model_from_object(booster(other)), space=MNASNET)


@pytest.mark.parametrize("table", ["pandas", "polars", "polars of pandas"])
@pytest.mark.parametrize(
    "estimator",
    [
        xgb.XGBRegressor(n_estimators=3, n_jobs=1),
        "lightgbm",
        RandomForestRegressor(3, random_state=0),
        ExtraTreesRegressor(3, random_state=0),
        SVR(),
        NuSVR(),
    ],
    ids=lambda e: type(e).__name__,
)
def test_tables_without_names_are_taken_in_their_order(estimator: Any, table: str) -> None:
    if estimator == "lightgbm":
        lgb = pytest.importorskip("lightgbm")
        estimator = lgb.LGBMRegressor(n_estimators=3, n_jobs=1, verbose=-1)
    pd, pl = pytest.importorskip("pandas"), pytest.importorskip("polars")
    make = {
        "pandas": pd.DataFrame,
        "polars": lambda x: pl.DataFrame(x, schema=[f"column_{k}" for k in range(28)]),
        "polars of pandas": lambda x: pl.DataFrame(x, schema=numbered("")),
    }[table]
    if table != "pandas" and type(estimator).__name__ == "LGBMRegressor":
        fitted = estimator.fit(make(X).to_pandas(), Y)  # which LightGBM does not take itself
        wanted = fitted.predict(make(CODES.astype(float)).to_pandas())
    else:
        fitted = estimator.fit(make(X), Y)
        wanted = fitted.predict(make(CODES.astype(float)))
    model = model_from_object(fitted)
    check_features(model, space=MNASNET)
    np.testing.assert_allclose(model.member.predict_exact(CODES), wanted, rtol=1e-6)


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (
            [f"gene {k}" for k in range(28)],
            "feature 0 of the model is 'gene 0', expected 'block0_e'",
        ),
        ([*GENES[:26], GENES[27], GENES[26]], "feature 26 of the model is 'block6_se', expected"),
        (GENES[::-1], "feature 0"),
        ([f"f{27 - k}" for k in range(28)], "feature 0 of the model is 'f27'"),
        ([*(f"f{k}" for k in range(27)), "f" + "9" * 5000], "feature 0 of the model is 'f0'"),
        (["f" + "9" * 5000, *(f"f{k}" for k in range(1, 28))], "feature 0 of the model is 'f999"),
    ],
)
def test_names_that_do_not_fit(names: list[str], message: str) -> None:
    with pytest.raises(FormatError, match=message):
        check_features(model_from_object(booster(names)), space=MNASNET)


@pytest.mark.parametrize("width", [27, 29])
def test_other_numbers_of_features(width: int) -> None:
    with pytest.raises(FormatError, match=f"has {width} features, the space 'mnasnet' 28 genes"):
        check_features(model_from_object(booster(width=width)), space=MNASNET)


def test_one_hot_columns() -> None:
    with pytest.raises(FormatError, match="has 71 features, one for each choice, the space"):
        check_features(model_from_object(booster(width=71)), space=MNASNET)
