from __future__ import annotations

import math
import re
from typing import Any

import numpy as np
import pytest
from anb_export.models.forest import ForestError
from anb_export.models.lightgbm_text import integer_threshold, read_lightgbm
from hypothesis import given
from hypothesis import strategies as st

from anb_onnx.errors import AnbError
from anb_onnx.spaces.architecture import sample
from anb_onnx.spaces.mnasnet import MNASNET

from .checkpoint_writer import fit, labels, rows

#: Two trees, written by hand: a branch on feature 1, and a constant.
TEXT = """tree
version=v4
num_class=1
num_tree_per_iteration=1
label_index=0
max_feature_idx=2
objective=regression
feature_names=a b c
feature_infos=[0:2] [0:1] [0:2]
tree_sizes=1 1

Tree=0
num_leaves=3
num_cat=0
split_feature=1 2
split_gain=1 1
threshold=0.5 1.0000000180025095e-35
decision_type=2 2
left_child=-1 -2
right_child=1 -3
leaf_value=0.125 0.25 -4e2
is_linear=0
shrinkage=0.1


Tree=1
num_leaves=1
num_cat=0
split_feature=
threshold=
decision_type=
left_child=
right_child=
leaf_value=10
is_linear=0
shrinkage=1


end of trees

parameters:
[boosting: gbdt]
end of parameters

pandas_categorical:null
"""


def test_a_model_written_by_hand() -> None:
    found = read_lightgbm(TEXT)
    assert found.feature_names == ("a", "b", "c")
    codes = np.array([[0, 0, 0], [2, 0, 2], [0, 1, 0], [0, 1, 1]], np.uint8)
    assert found.forest.predict_exact(codes).tolist() == [10.125, 10.125, 10.25, -390.0]
    assert found.forest.value.dtype == np.float64
    np.testing.assert_array_equal(read_lightgbm(TEXT.encode()).forest.value, found.forest.value)


@given(st.floats(allow_nan=False), st.integers(0, 255))
def test_integer_thresholds(threshold: float, code: int) -> None:
    found = integer_threshold(np.array([threshold]))[0]
    assert (code < np.float32(found)) == (code <= threshold)


def test_thresholds_that_are_no_number_stay_so() -> None:
    assert math.isnan(integer_threshold(np.array([math.nan]))[0])


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("tree\nversion", "forest\nversion", "the first line must be 'tree'"),
        ("num_class=1", "num_class=3", "num_class is 3: models with several outputs.*one model f"),
        ("version=v4", "version=v99", "version 'v99' .* not supported; supported: v3, v4; load"),
        ("version=v4\n", "", "'version' is missing"),
        ("\nTree=1", "", "holds 1 trees, tree_sizes states 2"),
        ("Tree=1", "Tree=0", "tree 1 is damaged: 'Tree=0' where 'Tree=1' is expected"),
        ("Tree=1", "Tree=2", "tree 1 is damaged: 'Tree=2' where 'Tree=1' is expected"),
        ("Tree=0", "Tree=1", "tree 0 is damaged: 'Tree=1'"),
        ("tree_sizes=1 1", "tree_sizes=1 1 1", "holds 2 trees, tree_sizes states 3"),
        ("Tree=1", "end of trees\n\nTree=1", "holds 1 trees, tree_sizes states 2"),
        ("num_cat=0", "num_cat=0\nnum_cat=0", "tree 0 is damaged: 'num_cat' stands there twice"),
        ("num_class=1", "num_class=1\nnum_class=1", "the model is damaged: 'num_class' stands"),
        (
            "leaf_value=0.125",
            "leaf_value=1e39",
            "tree 0, node 2: the leaf is not finite in float32",
        ),
        (
            "leaf_value=0.125",
            "leaf_value=1e308",
            "tree 0, node 2: the leaf is not finite in float32",
        ),
        ("iteration=1", "iteration=2", "num_tree_per_iteration is 2"),
        ("num_class=1\n", "", "'num_class' is missing"),
        ("=regression", "=binary sigmoid:1", "objective 'binary sigmoid:1' is not supported"),
        ("=regression", "=poisson", "'poisson' is not supported"),
        ("=regression", "=regression sqrt", "'regression sqrt' is not supported"),
        ("objective=regression\n", "", "'none stated' is not supported"),
        ("feature_names=a b c", "feature_names=a b", "2 feature_names, .* states 3 features"),
        ("max_feature_idx=2", "max_feature_idx=-2", "max_feature_idx must be a non-negative"),
        ("end of trees", "", "the text ends early"),
        ("is_linear=0", "is_linear=1", "tree 0 has linear leaves.*linear_tree=false"),
        ("num_cat=0", "num_cat=1", "tree 0 has categorical splits.*without categorical_feature"),
        ("decision_type=2 2", "decision_type=2 3", "tree 0 has categorical splits.*without categ"),
        ("decision_type=2 2", "decision_type=4 2", "takes zeros as missing.*zero_as_missing=false"),
        ("decision_type=2 2", "decision_type=2 x", "decision_type: could not convert"),
        ("decision_type=2 2", "decision_type=2 2.5", "decision_type must hold integers"),
        ("num_leaves=3", "num_leaves=4", "leaf_value has 3 values, expected 4"),
        ("num_leaves=3", "num_leaves=99999999999", "num_leaves must be a non-negative integer"),
        ("num_leaves=3", "num_leaves=0", "leaf_value has 3 values, expected 0"),
        ("threshold=0.5 ", "threshold=", "threshold has 1 values, expected 2"),
        ("threshold=0.5", "threshold=nan", "tree 0, node 0: the threshold or leaf is not finite"),
        ("leaf_value=0.125", "leaf_value=inf", "tree 0, node 2: .* not finite"),
        ("leaf_value=0.125", "leaf_value=1e999", "not finite"),
        ("split_feature=1 2", "split_feature=1 3", "tree 0, node 1: feature not below 3"),
        ("split_feature=1 2", "split_feature=1 -1", "feature not below 3"),
        ("left_child=-1 -2", "left_child=2 -2", "left_child: a child is out of range"),
        ("left_child=-1 -2", "left_child=-4 -2", "left_child: a child is out of range"),
        ("left_child=-1 -2", "left_child=-1 0", "tree 0, node 0: is reached twice"),
        ("right_child=1 -3", "right_child=1 1", "is reached twice"),
    ],
)
@pytest.mark.filterwarnings("error")
def test_damaged_and_unsupported_models_are_refused(old: str, new: str, message: str) -> None:
    assert old in TEXT
    with pytest.raises(ForestError, match=message):
        read_lightgbm(TEXT.replace(old, new, 1))


def test_merged_trees_without_their_sizes() -> None:
    text = TEXT.replace("tree_sizes=1 1\n", "")
    assert read_lightgbm(text).forest.n_trees == 2
    with pytest.raises(ForestError, match="tree 0 is damaged: 'num_leaves' stands there twice"):
        read_lightgbm(text.replace("\nTree=1", ""))


def test_other_bytes_are_refused() -> None:
    for content in (b"tree\n\xff", "tree\n", ""):
        with pytest.raises(ForestError):
            read_lightgbm(content)


def test_truncated_models_are_refused() -> None:
    """Up to the last line, which tells what the numbers of a table of pandas mean."""
    command_lines = TEXT.index("end of parameters") + len("end of parameters")
    last = TEXT.index("pandas_categorical")
    for end in range(len(TEXT) - 1):
        if not command_lines <= end <= last:  # LightGBM's own program writes no more than this
            with pytest.raises(AnbError):
                read_lightgbm(TEXT[:end])
    for end in range(command_lines, last + 1):
        assert read_lightgbm(TEXT[:end]).columns.categories == ()


def trained(**params: Any) -> Any:
    lgb = pytest.importorskip("lightgbm")
    x = rows(200, 1)
    return lgb.train(
        {"verbose": -1, "num_threads": 1, "num_leaves": 8, "seed": 1, **params},
        lgb.Dataset(x, label=labels(x, "accuracy")),
        num_boost_round=25,
    )


@pytest.mark.parametrize(
    "params",
    [
        {"objective": "regression"},
        {"objective": "regression", "boost_from_average": False},
        {"objective": "regression_l1"},
        {"objective": "huber"},
        {"objective": "quantile", "alpha": 0.3},
        {"objective": "regression", "boosting": "dart", "drop_rate": 0.5},
        {"objective": "regression", "boosting": "rf", "bagging_fraction": 0.7, "bagging_freq": 1},
        {"objective": "regression", "data_sample_strategy": "goss"},
        {"objective": "regression", "extra_trees": True, "max_depth": 3},
    ],
    ids=str,
)
def test_lightgbm_itself_is_the_oracle(params: dict[str, Any]) -> None:
    booster = trained(**params)
    codes = sample(500, seed=3, space=MNASNET)
    found = read_lightgbm(booster.model_to_string()).forest
    np.testing.assert_allclose(
        found.predict_exact(codes), booster.predict(codes.astype(np.float64)), rtol=1e-14
    )
    assert found.n_trees == 25


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"objective": "poisson"}, "objective 'poisson'"),
        ({"objective": "regression", "reg_sqrt": True}, "sqrt"),
        ({"objective": "regression", "linear_tree": True}, "linear leaves"),
        ({"objective": "regression", "categorical_feature": [0, 2, 4]}, "categorical splits"),
        ({"objective": "regression", "zero_as_missing": True}, "zeros as missing"),
        ({"objective": "cross_entropy"}, "objective 'cross_entropy'"),
    ],
    ids=str,
)
@pytest.mark.filterwarnings("ignore:categorical_feature keyword")
def test_real_models_of_other_kinds_are_refused(params: dict[str, Any], message: str) -> None:
    lgb = pytest.importorskip("lightgbm")
    x = rows(200, 1)
    y = labels(x, "accuracy")
    y = (y - y.min()) / np.ptp(y)
    booster = lgb.train(
        {"verbose": -1, "num_threads": 1, "min_data_per_group": 5, "cat_smooth": 1, **params},
        lgb.Dataset(x, label=y),
        num_boost_round=5,
    )
    with pytest.raises(ForestError, match=message):
        read_lightgbm(booster.model_to_string())


def test_onnxmltools_agrees() -> None:
    pytest.importorskip("lightgbm")
    onnxmltools = pytest.importorskip("onnxmltools")
    import onnxruntime as ort
    from onnxmltools.convert.common.data_types import FloatTensorType

    booster = fit("lgb", "accuracy", 3)
    booster.best_iteration = -1
    model = onnxmltools.convert_lightgbm(
        booster, initial_types=[("x", FloatTensorType([None, 28]))], target_opset=15
    )
    codes = sample(100, seed=1, space=MNASNET)
    session = ort.InferenceSession(model.SerializeToString())
    theirs = session.run(None, {"x": codes.astype(np.float32)})[0].reshape(-1)
    text = booster.model_to_string(num_iteration=-1)
    np.testing.assert_allclose(read_lightgbm(text).forest.predict_exact(codes), theirs, rtol=1e-6)
    assert re.search("best_iteration|Tree=1", text)


def test_zeros_as_missing_where_they_go_the_same_way() -> None:
    """Refused only where a zero and a missing value part."""
    for changed in ("6 6", "6 2", "8 10"):  # zeros to the left, where they go anyway; NaN
        read_lightgbm(TEXT.replace("decision_type=2 2", f"decision_type={changed}"))
    for changed in ("4 2", "2 4", "4 4"):
        with pytest.raises(ForestError, match="takes zeros as missing"):
            read_lightgbm(TEXT.replace("decision_type=2 2", f"decision_type={changed}"))
    below = TEXT.replace("threshold=0.5", "threshold=-0.5")  # no zero is on the left
    read_lightgbm(below.replace("decision_type=2 2", "decision_type=4 2"))
    with pytest.raises(ForestError, match="takes zeros as missing"):
        read_lightgbm(below.replace("decision_type=2 2", "decision_type=6 2"))


@pytest.mark.parametrize("kind", [2, 4, 6, 8])
def test_whatever_counts_as_missing_lightgbm_agrees(kind: int) -> None:
    """Every branch of a model is given one decision type: LightGBM is the oracle."""
    lgb = pytest.importorskip("lightgbm")
    x = rows(200, 1)
    params = {"num_threads": 1, "verbose": -1, "num_leaves": 4}
    booster = lgb.train(params, lgb.Dataset(x, labels(x, "accuracy")), 4)
    text = booster.model_to_string()
    changed = re.sub(r"(?<=decision_type=)[ 0-9]+", lambda m: re.sub(r"\d+", str(kind), m[0]), text)
    assert len(changed) == len(text)
    loaded = lgb.Booster(model_str=changed)
    codes = sample(500, seed=3, space=MNASNET)
    wanted = loaded.predict(codes.astype(float))
    same = np.array_equal(wanted, booster.predict(codes.astype(float)))
    assert same == (kind != 4)
    if same:
        found = read_lightgbm(changed).forest.predict_exact(codes)
        np.testing.assert_allclose(found, wanted, rtol=1e-13)
    else:
        with pytest.raises(ForestError, match="takes zeros as missing"):
            read_lightgbm(changed)


def test_use_missing_off_is_no_fault() -> None:
    lgb = pytest.importorskip("lightgbm")
    x = rows(200, 1)
    y = labels(x, "accuracy")
    data = lgb.Dataset(x, y)
    booster = lgb.train({"use_missing": False, "num_threads": 1, "verbose": -1}, data, 9)
    codes = sample(200, seed=3, space=MNASNET)
    found = read_lightgbm(booster.model_to_string()).forest.predict_exact(codes)
    np.testing.assert_allclose(found, booster.predict(codes.astype(float)), rtol=1e-13)
