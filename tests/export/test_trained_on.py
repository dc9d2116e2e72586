"""Models that were not trained on codes: translated, or refused with the evidence.

The oracle is the library that trained a model, asked for the numbers that it was trained on.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import xgboost as xgb
from anb_export.artifacts.importing import ImportingError, Source, import_models
from anb_export.data.accel_nasbench import ACCEL_NASBENCH
from anb_export.graphs.verify_graph import run_model
from anb_export.models.forest import Forest, Tree
from anb_export.models.formats import Model, model_from_object, read_model
from anb_export.models.trained_on import (
    TrainedOnError,
    is_ambiguous,
    rewritten,
    settle,
    value_inputs,
)
from anb_export.models.xgboost_document import forest_of_document
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.ensemble import RandomForestRegressor
from sklearn.preprocessing import MinMaxScaler, RobustScaler, StandardScaler
from sklearn.svm import SVR, NuSVR
from sklearn.tree import DecisionTreeRegressor

import anb_onnx
from anb_onnx import HPOBENCH_MLP
from anb_onnx.errors import AnbError
from anb_onnx.spaces.architecture import Architecture, sample
from anb_onnx.spaces.mnasnet import MNASNET
from anb_onnx.spaces.space import Block, Gene, SearchSpace

from .forests import random_forest

lgb = pytest.importorskip("lightgbm")

PUBLISHED = Path(__file__).parent / "data" / "published"
CODES = sample(300, seed=1, space=MNASNET)
TEST = sample(200, seed=2, space=MNASNET)
NAMES = list(MNASNET.gene_names)
ALL: dict[str, list[Any]] = {"e": [1, 4, 6], "k": [3, 5], "l": [1, 2, 3, 4], "se": [False, True]}


def table(codes: Any) -> pd.DataFrame:
    """The genes' values, as `anb-onnx sample --format csv` writes and pandas reads them."""
    rows = [Architecture.from_codes(row, space=MNASNET).to_values() for row in codes.tolist()]
    return pd.DataFrame(rows, columns=NAMES)


def values(codes: Any) -> Any:
    return table(codes).to_numpy(dtype=np.float64)


def labels(codes: Any) -> Any:
    x = codes.astype(np.float64)
    weights = np.random.default_rng(0).normal(size=28)
    return 70 + x @ weights + 2 * x[:, 0] * x[:, 5] + (x[:, 22] == 3)


FAMILIES: dict[str, Callable[[], Any]] = {
    "hist": lambda: xgb.XGBRegressor(n_estimators=15, max_depth=4, n_jobs=1),
    "exact": lambda: xgb.XGBRegressor(
        n_estimators=15, max_depth=4, tree_method="exact", subsample=0.6, n_jobs=1
    ),
    "approx": lambda: xgb.XGBRegressor(
        n_estimators=15, max_depth=5, tree_method="approx", min_child_weight=0, n_jobs=1
    ),
    "lightgbm": lambda: lgb.LGBMRegressor(n_estimators=15, verbose=-1, n_jobs=1),
    "lightgbm's forest": lambda: lgb.LGBMRegressor(
        boosting_type="rf", subsample=0.6, subsample_freq=1, n_estimators=8, verbose=-1, n_jobs=1
    ),
    "coarse bins": lambda: lgb.LGBMRegressor(
        n_estimators=15, max_bin=3, min_data_in_bin=50, extra_trees=True, verbose=-1, n_jobs=1
    ),
    "forest": lambda: RandomForestRegressor(4, max_features=0.4, random_state=0),
    "svr": SVR,
    "nusvr": NuSVR,
    "linear svr": lambda: SVR(kernel="linear"),
    "poly svr": lambda: SVR(kernel="poly", degree=2, gamma=0.01, coef0=1.0),
}
TREES = [name for name in FAMILIES if "svr" not in name]


def fitted(name: str, x: Any) -> Any:
    return FAMILIES[name]().fit(x, labels(CODES))


def tolerance(name: str) -> float:
    return 1e-6 if name in ("hist", "exact", "approx") else 1e-9  # xgboost sums in float32


@pytest.mark.parametrize("name", FAMILIES)
@pytest.mark.parametrize("kind", [np.float64, np.int64, pd.DataFrame])
def test_models_of_codes_are_taken_as_they_are(name: str, kind: Any) -> None:
    x = kind(CODES) if kind is not pd.DataFrame else pd.DataFrame(CODES, columns=NAMES)
    model = model_from_object(fitted(name, x))
    for stated in (None, "codes"):
        assert settle(model, stated, space=MNASNET) == (model, "codes")
    with pytest.raises(TrainedOnError, match=r"not trained on the genes' values: .* --trained-on"):
        settle(model, "values", space=MNASNET)


@pytest.mark.parametrize("path", sorted(PUBLISHED.rglob("surrogate_model.model")), ids=str)
def test_checkpoints_of_old_libraries_are_taken_as_they_are(path: Path) -> None:
    model = read_model(path)
    assert settle(model, space=MNASNET) == (model, "codes")


@pytest.mark.parametrize("name", FAMILIES)
def test_models_of_values_are_refused_with_the_evidence(name: str) -> None:
    model = model_from_object(fitted(name, table(CODES)))
    evidence = (
        r"\d+ of \d+ support vectors are no architectures' codes \(the first: block"
        if "svr" in name
        else r"\d+ of \d+ splits send every code of their gene the same way \(the first: tree \d+, "
        "block"
    )
    if name == "coarse bins":
        evidence = r"block0_e was 1 to 6 in training \(and 20 more"
    message = f"not trained on the genes' codes: .*{evidence}.* say --trained-on values"
    for checked in (False, True):
        with pytest.raises(TrainedOnError, match=message):
            settle(model, checked=checked, space=MNASNET)
    with pytest.raises(TrainedOnError, match=evidence):
        settle(model, "codes", space=MNASNET)


@pytest.mark.parametrize("name", FAMILIES)
@pytest.mark.parametrize("kind", [table, values])
def test_models_of_values_are_translated(name: str, kind: Any) -> None:
    estimator = fitted(name, kind(CODES))
    model, found = settle(model_from_object(estimator), "values", space=MNASNET)
    assert (found, model.content) == ("values", None)
    np.testing.assert_allclose(
        model.member.predict_exact(TEST), estimator.predict(kind(TEST)), rtol=tolerance(name)
    )


@pytest.mark.parametrize("name", ["hist", "lightgbm", "forest", "svr", "poly svr"])
def test_artifacts_of_models_of_values(name: str) -> None:
    """The graph, too; an ensemble of two members shares the look-up of the numbers."""
    estimator = fitted(name, table(CODES))
    source = Source("mine.pkl", "0" * 64, None, model_from_object(estimator))
    with pytest.raises(ImportingError, match=r"mine\.pkl: not trained on the genes' codes"):
        import_models("accuracy", [source, source], origin=ACCEL_NASBENCH)
    model, card = import_models(
        "accuracy", [source, source], trained_on="values", origin=ACCEL_NASBENCH
    )
    assert [entry["trained_on"] for entry in card["sources"]] == ["values", "values"]
    found = run_model(model, TEST)
    wanted = estimator.predict(table(TEST))
    assert np.abs(found["mean"] - wanted).max() < 1e-4 * np.std(wanted)


def test_the_best_round_is_translated_too() -> None:
    estimator = xgb.XGBRegressor(
        n_estimators=40, learning_rate=0.5, early_stopping_rounds=2, n_jobs=1
    )
    held = (labels(TEST) + labels(CODES).mean()) / 2  # the best round is half way
    x = values(CODES)
    estimator.fit(x, labels(CODES), eval_set=[(values(TEST), held)], verbose=False)
    model, _ = settle(model_from_object(estimator), "values", space=MNASNET)
    assert isinstance(model.member, Forest)
    assert model.best is not None
    assert model.best.n_trees < model.member.n_trees
    cut = model.at_best_iteration()
    wanted = estimator.predict(values(TEST))
    np.testing.assert_allclose(cut.member.predict_exact(TEST), wanted, rtol=1e-6)


def where(last: str, one: Any, other: Any) -> Any:
    """Columns of `one` for genes of this kind, of `other` for all others."""
    return np.where([name.endswith(f"_{last}") for name in NAMES], one, other)


OTHERS: dict[str, Callable[[Any], Any]] = {
    "standardised": lambda c: StandardScaler().fit_transform(values(c)),
    "standardised codes": lambda c: StandardScaler().fit_transform(c),
    "robust": lambda c: RobustScaler().fit_transform(c),
    "0 to 1": lambda c: MinMaxScaler().fit_transform(values(c)),
    "codes 0 to 1": lambda c: MinMaxScaler().fit_transform(c),
    "-1 to 1": lambda c: MinMaxScaler((-1, 1)).fit_transform(c),
    "divided by 255": lambda c: c / 255,
    "from 1": lambda c: c + 1.0,
    "centred": lambda c: c - 1.0,
    "logarithms": lambda c: np.log1p(values(c)),
    "e by value": lambda c: where("e", values(c), c),
    "k by value": lambda c: where("k", values(c), c),
    "l by value": lambda c: where("l", values(c), c),
    "l by code": lambda c: where("l", c, values(c)),
    "e and k by code": lambda c: where("e", c, where("k", c, values(c))),
}


@pytest.mark.parametrize("name", [*TREES, "svr"])
@pytest.mark.parametrize("kind", OTHERS)
def test_other_numbers_are_refused(name: str, kind: str) -> None:
    x = OTHERS[kind](CODES)
    if name == "svr" and (x < 0).any():
        with pytest.raises(anb_onnx.AnbError, match="neither scaled nor shifted"):
            model_from_object(fitted(name, x))
        return
    model = model_from_object(fitted(name, x))
    with pytest.raises(TrainedOnError, match=r"not trained on the genes' codes: .*retrain on the"):
        settle(model, space=MNASNET)
    with pytest.raises(TrainedOnError, match="not trained on the genes' values: "):
        settle(model, "values", space=MNASNET)
    if "0 to 1" not in kind and kind != "divided by 255":
        with pytest.raises(TrainedOnError, match="not trained on the genes' codes: "):
            settle(model, "codes", space=MNASNET)


def test_a_scaled_column_is_told_where_its_splits_are_those_of_codes() -> None:
    """Halves and wholes are thresholds of codes, too; but such a model would also split at 2."""
    y = CODES[:, 0] + 0.5 * CODES[:, 14] + 0.1 * CODES[:, 2] * CODES[:, 0]
    x = MinMaxScaler().fit_transform(CODES)
    for method, evidence in (("hist", "sets a last code apart"), ("exact", "half way between")):
        booster = xgb.XGBRegressor(n_estimators=5, tree_method=method, n_jobs=1).fit(x, y)
        with pytest.raises(TrainedOnError, match=evidence):
            settle(model_from_object(booster), space=MNASNET)


def test_somebody_may_know_better_where_codes_are_possible() -> None:
    """Random thresholds between codes are no learner's that is known here, but divide codes."""
    one = Forest.from_trees(
        [Tree(np.array([0, 0, 0]), np.array([0.3, 0, 0]), *ENDS, np.array([0.0, 1.0, 2.0]))],
        base_score=0.0,
        n_features=28,
        objective="made up",
    )
    model = Model("forest", one)
    with pytest.raises(TrainedOnError, match=r"not where a training on codes makes them.*say -"):
        settle(model, space=MNASNET)
    assert settle(model, "codes", space=MNASNET) == (model, "codes")


ENDS = (np.array([1, -1, -1]), np.array([2, -1, -1]))


def stumps(*splits: tuple[str, float]) -> Model:
    """An xgboost model of one split each, of ``gene < threshold``."""
    trees = [
        Tree(
            np.array([NAMES.index(gene), 0, 0]),
            np.array([threshold, 0, 0]),
            *ENDS,
            np.array([0.0, 1.0, 2.0]),
        )
        for gene, threshold in splits
    ]
    forest = Forest.from_trees(trees, base_score=0.0, n_features=28, objective="made up")
    return Model("xgb", replace(forest, stated=None))  # xgboost's own thresholds are kept


def test_the_end_of_the_last_bin_is_no_evidence() -> None:
    """xgboost may split there if empty leaves are allowed: all rows went left in training, too."""
    of_codes = [("block0_e", 4.00001), ("block1_k", 2.00001), ("block5_l", 6.00001)]
    usual = [("block0_e", 1.0), ("block0_e", 2.0), ("block3_k", 1.0)]
    model = stumps(*usual, *of_codes)
    assert settle(model, space=MNASNET) == (model, "codes")
    for other in (4.0, 4.001, 12.00001):
        with pytest.raises(TrainedOnError, match="1 of 4 splits send every code"):
            settle(stumps(*usual, ("block0_e", other)), space=MNASNET)


def test_few_splits_that_divide_nothing_may_be_of_other_rows() -> None:
    usual = [("block0_e", 1.0), ("block0_e", 2.0), ("block3_k", 1.0), ("block5_l", 3.0)] * 50
    model = stumps(*usual, ("block0_l", 3.0))  # as of a training with four layers
    with pytest.raises(TrainedOnError, match=r"1 of 201 splits send every code.* --trained"):
        settle(model, space=MNASNET)
    assert settle(model, "codes", space=MNASNET) == (model, "codes")
    with pytest.raises(TrainedOnError, match="9 of 209 splits send every code"):
        settle(stumps(*usual, *[("block0_l", 3.0)] * 9), "codes", space=MNASNET)
    # Whatever their number, where everything is as values make it.
    usual = [("block0_l", 2.0), ("block3_l", 2.0), ("block2_se", 1.0)] * 50
    with pytest.raises(TrainedOnError, match=r"1 of 151 splits .* everything fits the genes"):
        settle(stumps(*usual, ("block0_l", 3.0)), "codes", space=MNASNET)


def only(gene: int) -> Any:
    """A model that splits on one gene alone."""
    x = np.zeros((300, 28))
    x[:, gene] = CODES[:, gene]
    return xgb.XGBRegressor(n_estimators=2, max_depth=1, n_jobs=1).fit(x, x[:, gene])


def test_what_fits_both_is_refused_until_somebody_says_which() -> None:
    model = model_from_object(only(NAMES.index("block2_se")))
    assert is_ambiguous(model, space=MNASNET)
    message = "2 splits fit both; say which with --trained-on codes or --trained-on values"
    with pytest.raises(TrainedOnError, match=message):
        settle(model, space=MNASNET)
    assert settle(model, checked=True, space=MNASNET) == (model, "codes")
    codes, _ = settle(model, "codes", space=MNASNET)
    turned, _ = settle(model, "values", space=MNASNET)
    flipped = TEST.copy()
    flipped[:, NAMES.index("block2_se")] ^= 1
    np.testing.assert_array_equal(
        codes.member.predict_exact(flipped), turned.member.predict_exact(TEST)
    )
    # A gene whose codes and values have no threshold in common tells.
    assert not is_ambiguous(model_from_object(only(NAMES.index("block2_k"))), space=MNASNET)


def test_stated_ranges_tell_where_splits_do_not() -> None:
    gene = NAMES.index("block2_se")
    for x, scale in ((CODES.astype(float), "codes"), (values(CODES), "values")):
        booster = lgb.LGBMRegressor(n_estimators=2, num_leaves=2, verbose=-1, n_jobs=1)
        model = model_from_object(booster.fit(x, x[:, gene]))
        assert isinstance(model.member, Forest)
        assert {*model.member.feature.tolist()} == {-1, gene}
        assert not is_ambiguous(model, space=MNASNET)
        if scale == "codes":
            assert settle(model, space=MNASNET)[1] == "codes"
        for stated in SCALES_AND_NONE - {scale, None if scale == "codes" else "values"}:
            with pytest.raises(TrainedOnError, match="the file states that block0_e was"):
                settle(model, stated, space=MNASNET)


SCALES_AND_NONE = {None, "codes", "values"}


def test_columns_of_booleans_are_values() -> None:
    x = pd.DataFrame(CODES, columns=NAMES)
    x["block2_se"] = x["block2_se"] == 0
    for names in (["block2_se"], NAMES):
        y = x[names].sum(axis=1)
        model = model_from_object(xgb.XGBRegressor(n_estimators=2, n_jobs=1).fit(x, y))
        with pytest.raises(TrainedOnError, match="block2_se was a column of booleans"):
            settle(model, space=MNASNET)


def test_constants_are_what_they_are() -> None:
    for x in (CODES.astype(float), values(CODES)):
        y = np.full(len(x), 3.0)
        model = model_from_object(lgb.LGBMRegressor(verbose=-1, n_jobs=1).fit(x, y))
        assert isinstance(model.member, Forest)
        assert model.member.n_nodes == model.member.n_trees
    booster = xgb.XGBRegressor(n_estimators=2, n_jobs=1, gamma=1e9).fit(values(CODES), y)
    model = model_from_object(booster)
    assert settle(model, space=MNASNET) == (model, "codes")


def drawn(x: Any) -> Any:
    """A forest of trees that draw their splits, as extra trees do."""
    forest = RandomForestRegressor(6, random_state=0).fit(x, labels(CODES))
    forest.estimators_ = [
        DecisionTreeRegressor(splitter="random", max_features=0.5, random_state=k).fit(
            x, labels(CODES)
        )
        for k in range(6)
    ]
    return forest


def test_drawn_splits_lie_anywhere() -> None:
    x = CODES.astype(float)
    model = model_from_object(drawn(x))
    assert isinstance(model.member, Forest)
    assert model.member.stated is not None
    assert (model.member.stated[model.member.left >= 0] % 0.5 > 0.01).any()
    assert settle(model, space=MNASNET) == (model, "codes")
    estimator = drawn(values(CODES))
    model = model_from_object(estimator)
    with pytest.raises(TrainedOnError, match=r"splits send every code.*say --trained-on values"):
        settle(model, space=MNASNET)
    turned, _ = settle(model, "values", space=MNASNET)
    wanted = estimator.predict(values(TEST))
    np.testing.assert_allclose(turned.member.predict_exact(TEST), wanted, rtol=1e-12)
    for kind in (
        "standardised",
        "0 to 1",
        "codes 0 to 1",
        "divided by 255",
        "from 1",
        "l by value",
    ):
        with pytest.raises(TrainedOnError, match="not trained on the genes' codes: "):
            settle(model_from_object(drawn(OTHERS[kind](CODES))), space=MNASNET)


# Categories of pandas


def categorical(codes: Any, categories: dict[str, list[Any]], ordered: bool = True) -> Any:
    """The values, with the columns of some kinds of genes as categories."""
    found = table(codes)
    for name in NAMES:
        items = categories.get(name.split("_")[1])
        if items is not None:
            column = found[name].astype(str) if isinstance(items[0], str) else found[name]
            column = column.astype(object).where(column.isin(items))  # others are missing
            found[name] = pd.Categorical(column, categories=items, ordered=ordered)
    return found


def boosted(x: Any, codes: Any = CODES) -> Any:
    data = lgb.Dataset(x, labels(codes))
    return lgb.train({"objective": "regression", "verbose": -1, "num_threads": 1}, data, 15)


@pytest.mark.parametrize(
    "categories",
    [
        ALL,
        {**ALL, "se": [True, False]},
        {**ALL, "e": [6, 4, 1], "k": [5, 3], "l": [4, 3, 2, 1]},
        {"e": ["1", "4", "6"], "k": ["3", "5"], "l": [1, 2, 3, 4], "se": ["False", "True"]},
        {**ALL, "l": [1, 2, 3, 4, 5, 6], "e": [0, 1, 4, 6, 9]},
    ],
    ids=["natural", "true first", "falling", "text", "more than there are"],
)
@pytest.mark.parametrize("form", ["text", "pickle"])
def test_ordered_categories_are_translated(
    categories: dict[str, list[Any]], form: str, tmp_path: Path
) -> None:
    booster = boosted(categorical(CODES, categories))
    if form == "text":
        booster.save_model(tmp_path / "model.txt")
        model = read_model(tmp_path / "model.txt")
    else:
        model = model_from_object(booster)
    found, scale = settle(model, space=MNASNET)
    assert scale == "categories"
    wanted = booster.predict(categorical(TEST, categories))
    np.testing.assert_allclose(found.member.predict_exact(TEST), wanted, rtol=1e-12)
    again, _ = settle(model, "values", space=MNASNET)
    np.testing.assert_array_equal(
        again.member.predict_exact(TEST), found.member.predict_exact(TEST)
    )
    with pytest.raises(TrainedOnError, match="which are the values; leave out --trained-on"):
        settle(model, "codes", space=MNASNET)


def test_categories_that_are_codes() -> None:
    """Also in another order, which the file states."""
    x = pd.DataFrame(CODES, columns=NAMES)
    for turn in (1, -1):
        kinds = {name: sorted({*x[name].tolist()})[::turn] for name in NAMES}

        def made(codes: Any, kinds: dict[str, Any] = kinds) -> Any:
            found = pd.DataFrame(codes, columns=NAMES)
            return found.assign(
                **{n: pd.Categorical(found[n], kinds[n], ordered=True) for n in NAMES}
            )

        booster = boosted(made(CODES))
        model, scale = settle(model_from_object(booster), space=MNASNET)
        assert scale == ("codes" if turn == 1 else "categories")
        wanted = booster.predict(made(TEST))
        np.testing.assert_allclose(model.member.predict_exact(TEST), wanted, rtol=1e-12)


@pytest.mark.parametrize(
    ("categories", "message"),
    [
        ({"se": [False, True]}, r"7 of 28 columns are categories, such as \[False, True\], and th"),
        ({**ALL, "e": ["a", "b"]}, r"those of 'block0_e' are \['a', 'b'\], its values 1, 4, 6"),
        ({**ALL, "e": [4, 1, 6]}, "neither rise nor fall with the codes"),
        ({**ALL, "l": [1, 2]}, r"those of 'block0_l' are \[1, 2\], its values 1, 2, 3"),
    ],
)
def test_categories_that_tell_no_codes_are_refused(
    categories: dict[str, list[Any]], message: str
) -> None:
    model = model_from_object(boosted(categorical(CODES, categories)))
    for stated in (None, "values"):
        with pytest.raises(TrainedOnError, match=message):
            settle(model, stated, space=MNASNET)


def test_unordered_categories_are_refused() -> None:
    with pytest.raises(anb_onnx.AnbError, match="categorical splits, which are not supported"):
        model_from_object(boosted(categorical(CODES, ALL, ordered=False)))
    x = categorical(CODES, {**ALL, "se": ["False", "True"]})
    booster = xgb.XGBRegressor(n_estimators=3, enable_categorical=True, n_jobs=1)
    with pytest.raises(anb_onnx.AnbError, match="categorical splits"):
        model_from_object(booster.fit(x, labels(CODES)))


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("[[1, 4, 6]", "pandas_categorical: "),
        ("{}", "pandas_categorical must hold lists"),
        ("[1]", "pandas_categorical must hold lists"),
        ("[[[1]]]", "no category"),
        ("[[NaN]]", "pandas_categorical: "),
        ("[" * 100_000, "pandas_categorical: "),
    ],
)
def test_damaged_categories(line: str, message: str) -> None:
    text = boosted(CODES.astype(float)).model_to_string()
    assert "\npandas_categorical:null" in text
    damaged = text.replace("pandas_categorical:null", f"pandas_categorical:{line}")
    with pytest.raises(anb_onnx.AnbError, match=message):
        read_lightgbm_text(damaged)
    for harmless in ("[]", "null"):
        model = read_lightgbm_text(
            text.replace("pandas_categorical:null", f"pandas_categorical:{harmless}")
        )
        assert settle(model, space=MNASNET) == (model, "codes")


def read_lightgbm_text(text: str) -> Model:
    from anb_export.models.formats import model_from_bytes

    return model_from_bytes(text.encode())


# Any trees


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(0, 6))
def test_any_trees_of_values_are_translated_exactly(seed: int, depth: int) -> None:
    """Values are small integers: the forest itself can be asked for them."""
    forest = random_forest(5, seed=seed, depth=depth)
    rng = np.random.default_rng(seed)
    moved = rng.integers(-1, 8, forest.n_nodes) + rng.choice([0, 0.5, 0.25], forest.n_nodes)
    forest = Forest(
        **{
            name: getattr(forest, name)
            for name in ("feature", "left", "right", "value", "default_left", "roots")
        },
        threshold=np.where(forest.left < 0, 0, moved).astype(np.float32),
        base_score=forest.base_score,
        n_features=28,
        objective="made up",
    )
    found = rewritten(Model("xgb", forest), value_inputs(space=MNASNET), space=MNASNET)
    wanted = forest.predict_exact(values(TEST).astype(np.uint8))
    np.testing.assert_array_equal(found.member.predict_exact(TEST), wanted)


def test_spaces_of_words_have_no_values() -> None:
    space = SearchSpace("words", (Block("b", (Gene("op", ("conv", "pool")), Gene("k", (3, 5)))),))
    tree = Tree(np.array([1, 0, 0]), np.array([0.5, 0, 0]), *ENDS, np.array([0.0, 1.0, 2.0]))
    forest = Forest.from_trees([tree], base_score=0.0, n_features=2, objective="made up")
    model = Model("forest", forest)
    assert settle(model, space=space) == (model, "codes")
    with pytest.raises(TrainedOnError, match="values of genes are words"):
        settle(model, "values", space=space)
    with pytest.raises(TrainedOnError, match="the values of 'op' are no numbers"):
        value_inputs(space)


def test_unknown_scales() -> None:
    model = model_from_object(fitted("forest", CODES))
    with pytest.raises(TrainedOnError, match="'ranks' is not known; known are codes, values"):
        settle(model, "ranks", space=MNASNET)


@pytest.mark.parametrize("method", ["hist", "approx", "exact"])
@pytest.mark.parametrize(("missing", "trained_on"), [(0, "codes"), (1, "codes"), (0, "values")])
def test_boosters_of_trainings_in_which_a_number_was_missing(
    method: str, missing: float, trained_on: str, tmp_path: Path
) -> None:
    """The booster does not state it, but its splits do; they would follow the number itself."""
    x = CODES.astype(np.float64) if trained_on == "codes" else values(CODES)
    estimator = xgb.XGBRegressor(
        n_estimators=10, max_depth=3, tree_method=method, missing=missing, n_jobs=1
    )
    path = tmp_path / "model.ubj"
    estimator.fit(x, labels(CODES)).save_model(path)
    for stated in {None, trained_on}:
        with pytest.raises(TrainedOnError, match=r"numbers were missing|send every|half way"):
            settle(read_model(path), stated, space=MNASNET)
    if method != "exact":  # which tells it by splits below all numbers
        with pytest.raises(TrainedOnError, match=r"missing in the training: .*block.*missing=0"):
            settle(read_model(path), trained_on, space=MNASNET)


def test_rows_without_a_number_are_told_from_missing_ones_by_predictions() -> None:
    x = CODES.astype(np.float64)
    x[np.random.default_rng(3).random(x.shape) < 0.3] = np.nan
    estimator = xgb.XGBRegressor(n_estimators=10, max_depth=6, n_jobs=1).fit(x, labels(CODES))
    model = model_from_object(estimator)
    for stated in (None, "codes"):
        with pytest.raises(TrainedOnError, match="numbers were missing in the training"):
            settle(model, stated, space=MNASNET)
        assert settle(model, stated, checked=True, space=MNASNET) == (model, "codes")
    np.testing.assert_allclose(model.member.predict_exact(TEST), estimator.predict(TEST), rtol=1e-6)


@pytest.mark.parametrize("hessians", [None, [], [1.0], ["a"]])
def test_odd_weights_of_nodes_leave_only_the_evidence_out(hessians: Any) -> None:
    booster = xgb.XGBRegressor(n_estimators=2, max_depth=2, n_jobs=1).fit(CODES, labels(CODES))
    document = json.loads(booster.get_booster().save_raw("json"))
    for tree in document["learner"]["gradient_booster"]["model"]["trees"]:
        tree["sum_hessian"] = hessians
        if hessians is None:
            del tree["sum_hessian"]
    forest = forest_of_document(document)
    assert forest.divided is None
    whole = model_from_object(booster).member
    assert isinstance(whole, Forest)
    assert whole.divided is not None
    np.testing.assert_array_equal(whole.divided, whole.left >= 0)
    np.testing.assert_array_equal(forest.predict_exact(TEST), whole.predict_exact(TEST))


@pytest.mark.parametrize("name", ["hist", "lightgbm", "forest", "svr"])
def test_models_of_floats_are_refused_and_those_of_their_codes_taken(name: str) -> None:
    codes = sample(300, seed=1, space=HPOBENCH_MLP)
    choices = [np.array(gene.choices, dtype=np.float64) for gene in HPOBENCH_MLP.genes]
    numbers = np.stack([choices[k][codes[:, k]] for k in range(5)], axis=1)
    y = np.sin(codes.astype(np.float64)).sum(axis=1)
    of_codes = model_from_object(FAMILIES[name]().fit(codes.astype(np.float64), y))
    assert settle(of_codes, space=HPOBENCH_MLP) == (of_codes, "codes")
    try:
        of_values = model_from_object(FAMILIES[name]().fit(numbers, y))
    except AnbError:  # support vectors that no codes are
        return
    for stated in (None, "codes", "values"):
        with pytest.raises(TrainedOnError, match=r"retrain on the codes|not trained on the genes'"):
            settle(of_values, stated, space=HPOBENCH_MLP)
    with pytest.raises(TrainedOnError, match="values of genes are floats"):
        settle(of_codes, "values", space=HPOBENCH_MLP)
    with pytest.raises(TrainedOnError, match=r"values of 'alpha' are floats, .* retrain on"):
        value_inputs(HPOBENCH_MLP)
