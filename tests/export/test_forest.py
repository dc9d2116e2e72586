from __future__ import annotations

import copy
import json
import math
import struct
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import xgboost as xgb
from anb_export.models.forest import Forest, ForestError, Tree
from anb_export.models.xgboost_document import forest_of_booster, forest_of_bytes, forest_of_file
from anb_export.training.members_folder import Training

from anb_onnx.spaces.architecture import sample
from anb_onnx.spaces.mnasnet import MNASNET


def booster_of(training: Training) -> Any:
    booster = xgb.Booster()
    booster.load_model(training.files[0])
    return booster


def document_of(training: Training) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(booster_of(training).save_raw("json"))
    return document


def leaves(document: dict[str, Any], codes: list[int]) -> list[float]:
    """Leaf of each tree for one architecture, by walking xgboost's own JSON."""
    found = []
    for tree in document["learner"]["gradient_booster"]["model"]["trees"]:
        node = 0
        while tree["left_children"][node] != -1:
            threshold = np.float32(tree["split_conditions"][node])
            left = np.float32(codes[tree["split_indices"][node]]) < threshold
            node = tree["left_children" if left else "right_children"][node]
        found.append(float(np.float32(tree["split_conditions"][node])))
    return found


def as_json(document: Any) -> bytes:
    return json.dumps(document).encode()


def test_exact_prediction_is_the_sum_of_the_leaves(training: Training) -> None:
    forest = forest_of_file(training.files[0], n_features=28)
    document = document_of(training)
    codes = sample(300, seed=1, space=MNASNET)
    wanted = [math.fsum([0.5, *leaves(document, row)]) for row in codes.tolist()]
    np.testing.assert_allclose(forest.predict_exact(codes), wanted, rtol=1e-14)
    own = booster_of(training).inplace_predict(
        codes.astype(np.float32), iteration_range=(0, forest.n_trees)
    )
    np.testing.assert_allclose(forest.predict_exact(codes), own, rtol=1e-5)
    assert forest.predict_exact(codes[:0]).shape == (0,)


def test_all_ways_in_give_the_same_forest(training: Training) -> None:
    booster = booster_of(training)
    forests = [
        forest_of_booster(booster),
        forest_of_file(training.files[0]),
        forest_of_bytes(bytes(booster.save_raw("json"))),
        forest_of_bytes(as_json(document_of(training))),
    ]
    assert forests[0].n_trees == booster.num_boosted_rounds() > booster.best_iteration + 1
    for forest in forests[1:]:
        for name in ("feature", "threshold", "left", "right", "value", "default_left", "roots"):
            first, other = getattr(forests[0], name), getattr(forest, name)
            assert first.dtype == other.dtype
            np.testing.assert_array_equal(first, other)
        assert forest.base_score == 0.5


@pytest.mark.parametrize(
    ("text", "value"),
    [("[1.1E2]", 110.0), ("1.1E2", 110.0), ("0.1", float(np.float32(0.1))), (" [-3e-1] ", None)],
)
def test_base_score_spellings(training: Training, text: str, value: float | None) -> None:
    document = document_of(training)
    document["learner"]["learner_model_param"]["base_score"] = text
    wanted = float(np.float32(-0.3)) if value is None else value
    assert forest_of_bytes(as_json(document)).base_score == wanted


@pytest.mark.parametrize("text", ["", "[]", "[1,2]", "nan", "inf", "1e99", "x", "1_0"])
def test_malformed_base_scores(training: Training, text: str) -> None:
    document = document_of(training)
    document["learner"]["learner_model_param"]["base_score"] = text
    with pytest.raises(ForestError, match="base_score"):
        forest_of_bytes(as_json(document))


def tree(document: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = document["learner"]["gradient_booster"]["model"]["trees"][20]
    return found


def set_all(document: dict[str, Any], path: str, value: Any) -> None:
    *keys, last = path.split(".")
    for key in keys:
        document = document[key]
    document[last] = value


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda d: d.pop("learner"), "'learner' is missing"),
        (lambda d: tree(d).pop("left_children"), "'left_children' is missing"),
        (lambda d: tree(d)["split_indices"].pop(), "tree 20: the node arrays differ"),
        (lambda d: tree(d)["left_children"].__setitem__(0, 10_000), "tree 20, node 0: a child is"),
        (lambda d: tree(d)["left_children"].__setitem__(0, -2), "tree 20, node 0: a child is out"),
        (lambda d: tree(d)["left_children"].__setitem__(0, -1), "tree 20, node 0: has one child"),
        (lambda d: tree(d)["left_children"].__setitem__(0, 0), "tree 20, node 0: is reached twice"),
        (
            lambda d: tree(d)["left_children"].__setitem__(0, tree(d)["right_children"][0]),
            "tree 20, node 2: is reached twice",
        ),
        (lambda d: tree(d)["split_indices"].__setitem__(0, 28), "tree 20, node 0: feature not be"),
        (lambda d: tree(d)["split_indices"].__setitem__(0, -1), "tree 20, node 0: feature not be"),
        (lambda d: tree(d)["split_indices"].__setitem__(0, 0.5), "must hold integers"),
        (lambda d: tree(d)["split_conditions"].__setitem__(0, math.nan), "node 0: .*not finite"),
        (lambda d: tree(d)["split_conditions"].__setitem__(-1, 1e39), "not finite"),
        (lambda d: tree(d)["split_conditions"].__setitem__(0, "1"), "must hold numbers"),
        (lambda d: tree(d)["split_type"].__setitem__(0, 1), "node 0: categorical splits"),
        (lambda d: tree(d)["categories_nodes"].append(0), "tree 20 has categorical splits"),
        (lambda d: set_all(tree(d), "tree_param.size_leaf_vector", "2"), "vector leaves"),
        (lambda d: set_all(d, "learner.gradient_booster.model.trees", []), "no trees"),
        (lambda d: set_all(d, "learner.gradient_booster.name", "dart"), "booster 'dart'"),
        (lambda d: set_all(d, "learner.gradient_booster.name", "gblinear"), "booster 'gblinear'"),
        (lambda d: set_all(d, "learner.objective.name", "reg:logistic"), "'reg:logistic' is not"),
        (lambda d: set_all(d, "learner.objective.name", "count:poisson"), "'count:poisson' is"),
        (lambda d: set_all(d, "learner.learner_model_param.num_target", "2"), "several targets"),
        (lambda d: set_all(d, "learner.learner_model_param.num_class", "3"), "several classes"),
        (lambda d: set_all(d, "learner.learner_model_param.num_feature", "x"), "num_feature must"),
        (lambda d: set_all(d, "learner.learner_model_param.num_feature", "27"), "has 27 features"),
        (
            lambda d: set_all(d, "learner.learner_model_param.num_class", "3"),
            "train one model for each target",
        ),
        (
            lambda d: set_all(tree(d), "tree_param.size_leaf_vector", "2"),
            "train one model for each target",
        ),
        (
            lambda d: d["learner"]["gradient_booster"]["model"]["tree_info"].__setitem__(0, 1),
            "several output groups are not supported; train one model for each target",
        ),
        (lambda d: tree(d)["split_type"].__setitem__(0, 1), "train on the codes as numbers"),
        (lambda d: tree(d)["categories_nodes"].append(0), "train on the codes as numbers"),
    ],
)
def test_damaged_and_unsupported_models_are_refused(
    training: Training, change: Callable[[dict[str, Any]], Any], message: str
) -> None:
    document = copy.deepcopy(document_of(training))
    change(document)
    with pytest.raises(ForestError, match=message):
        forest_of_bytes(as_json(document), n_features=28)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "not an xgboost model"),
        (b"\x80\x04pickle", "pickles"),
        (b'{"learner": ', "not an xgboost model"),
        (b'{"learner": [1]}', "'gradient_booster' is missing"),
        (b"{}", "."),
    ],
)
def test_other_files_are_refused(content: bytes, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        forest_of_bytes(content)


@pytest.mark.parametrize(
    "params",
    [
        {"booster": "dart"},
        {"booster": "gblinear"},
        {"objective": "reg:logistic"},
        {"objective": "reg:tweedie"},
        {"objective": "multi:softprob", "num_class": 3},
        {"objective": "reg:quantileerror", "quantile_alpha": [0.1, 0.9]},
    ],
    ids=str,
)
def test_real_models_of_other_kinds_are_refused(params: dict[str, Any]) -> None:
    codes = sample(60, seed=0, space=MNASNET).astype(np.float32)
    labels = (codes[:, 0] > 1).astype(np.float32)
    booster = xgb.train({"nthread": 1, **params}, xgb.DMatrix(codes, labels, nthread=1), 3)
    with pytest.raises(ForestError, match="not supported"):
        forest_of_booster(booster)


def test_multi_target_is_refused() -> None:
    codes = sample(60, seed=0, space=MNASNET).astype(np.float32)
    for strategy in ("one_output_per_tree", "multi_output_tree"):
        booster = xgb.train(
            {"nthread": 1, "multi_strategy": strategy, "tree_method": "hist"},
            xgb.DMatrix(codes, codes[:, :2], nthread=1),
            3,
        )
        with pytest.raises(ForestError, match=r"several targets|one finite number"):
            forest_of_booster(booster)


def test_wrong_codes_are_refused(training: Training) -> None:
    forest = forest_of_file(training.files[0])
    for codes in (np.zeros((2, 27), np.uint8), np.zeros(28, np.uint8), np.zeros((2, 28), float)):
        with pytest.raises(ForestError, match="codes must be uint8 of shape"):
            forest.predict_exact(codes)


def one_leaf(value: float) -> Tree:
    end = np.array([-1])
    return Tree(np.array([0]), np.array([0.0]), end, end, np.array([value]))


@pytest.mark.parametrize(
    ("values", "base_score", "message"),
    [
        ([1.0, 1e39], 0.0, "tree 1, node 0: the leaf is not finite in float32"),
        ([-1e308] * 3, 0.0, "tree 0, node 0: the leaf is not finite in float32"),
        ([3e38, -3e38], 0.0, r"the leaves may add up to 6.00e\+38, which is beyond float32"),
        ([3e38], -1e38, r"may add up to 4.00e\+38"),
        ([3e38], 3e37, ""),
    ],
)
@pytest.mark.filterwarnings("error")
def test_predictions_beyond_float32(values: list[float], base_score: float, message: str) -> None:
    trees = [one_leaf(value) for value in values]
    if message:
        with pytest.raises(ForestError, match=message):
            Forest.from_trees(trees, base_score=base_score, n_features=1, objective="x")
    else:
        forest = Forest.from_trees(trees, base_score=base_score, n_features=1, objective="x")
        assert np.isfinite(forest.predict_exact(np.zeros((1, 1), np.uint8)).astype(np.float32))


def test_trees_without_nodes() -> None:
    none = np.zeros(0, np.int64)
    empty = Tree(none, none.astype(float), none, none, none.astype(float))
    with pytest.raises(ForestError, match="tree 1 has no nodes"):
        Forest.from_trees([one_leaf(1), empty], base_score=0.0, n_features=1, objective="x")


def test_thresholds_that_equal_a_code_go_right() -> None:
    """Compared in float32, as xgboost does: x < threshold goes left."""
    nan_free = {
        "left_children": [1, -1, -1],
        "right_children": [2, -1, -1],
        "split_indices": [0, 0, 0],
        "split_conditions": [1.0, -5.0, 7.0],
        "split_type": [0, 0, 0],
        "default_left": [1, 0, 0],
        "categories_nodes": [],
        "tree_param": {"size_leaf_vector": "1"},
    }
    document = {
        "learner": {
            "learner_model_param": {"base_score": "[0E0]", "num_feature": "1"},
            "objective": {"name": "reg:squarederror"},
            "gradient_booster": {
                "name": "gbtree",
                "model": {"tree_info": [0], "trees": [nan_free]},
            },
        }
    }
    forest = forest_of_bytes(as_json(document))
    codes = np.array([[0], [1], [255]], np.uint8)
    assert forest.predict_exact(codes).tolist() == [-5.0, 7.0, 7.0]
    just_above = struct.unpack(
        ">f", struct.pack(">I", struct.unpack(">I", struct.pack(">f", 1.0))[0] + 1)
    )
    nan_free["split_conditions"] = [just_above[0], -5.0, 7.0]
    assert forest_of_bytes(as_json(document)).predict_exact(codes).tolist() == [-5.0, -5.0, 7.0]
