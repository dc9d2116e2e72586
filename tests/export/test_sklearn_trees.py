"""Random forests whose pickles hold something else than scikit-learn writes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from anb_export.models.forest import ForestError
from anb_export.models.safe_pickle import Object
from anb_export.models.sklearn_trees import forest_from_state

DEEP: list[Any] = []
for _ in range(100_000):
    DEEP = [DEEP]

NODE = [("left_child", "<i8"), ("right_child", "<i8"), ("feature", "<i8"), ("threshold", "<f8")]


def state(nodes: Any = None, values: Any = None, **changes: Any) -> dict[str, Any]:
    """What is left of a forest of one tree with two leaves."""
    if nodes is None:
        nodes = np.array([(1, 2, 5, 0.5), (-1, -1, -2, -2.0), (-1, -1, -2, -2.0)], dtype=NODE)
    if values is None:
        values = np.array([0.0, 1.0, 2.0]).reshape(3, 1, 1)
    inner = Object("sklearn.tree._tree", "Tree", (), {"nodes": nodes, "values": values})
    tree = Object("sklearn.tree._classes", "DecisionTreeRegressor", (), {"tree_": inner})
    whole = {"estimators_": [tree], "n_features_in_": 28, "n_outputs_": 1}
    return {**whole, "criterion": "squared_error", **changes}


def test_a_forest_by_hand() -> None:
    forest = forest_from_state(state())
    codes = np.zeros((2, 28), np.uint8)
    codes[1, 5] = 1
    assert forest.predict_exact(codes).tolist() == [1.0, 2.0]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: state(estimators_=[]), "not fitted; fit it first"),
        (lambda: state(estimators_=np.zeros(2)), "not fitted"),
        (lambda: state(estimators_=[np.zeros(2)]), "tree 0 is damaged: it has no nodes"),
        (lambda: state(n_outputs_=np.array([1, 1])), "with an array of int64 of shape .* outputs"),
        (lambda: state(n_outputs_=10**5000), "with a value of type int outputs is not supported"),
        (lambda: state(n_outputs_=True), "with True outputs"),
        (lambda: state(n_outputs_=DEEP), "outputs is not supported; fit one for each"),
        (lambda: state(criterion=10**5000), "criterion must be a name, found a value of type int"),
        (lambda: state(criterion=np.zeros(2)), "criterion must be a name, found an array"),
        (lambda: state(criterion=DEEP), "criterion must be a name"),
        (lambda: state(n_features_in_=np.zeros(2)), "n_features_in_ must be a positive integer"),
        (lambda: state(n_features_in_=10**5000), "n_features_in_ must be a positive integer"),
        (lambda: state(n_features_in_=0), "n_features_in_ must be a positive integer, found 0"),
        (lambda: state(n_features_in_=DEEP), "n_features_in_ must be a positive integer"),
        (lambda: state(np.zeros((), NODE)), r"tree 0 is damaged: nodes of shape \[\], values of"),
        (lambda: state(np.zeros((3, 1), NODE)), r"nodes of shape \[3, 1\]"),
        (lambda: state(np.zeros(0, NODE), np.zeros((0, 1, 1))), "tree 0 has no nodes"),
        (lambda: state(np.zeros(3, NODE[:3])), "'threshold' is missing"),
        (lambda: state(np.zeros(3, [*NODE[:3], ("threshold", NODE)])), "thresholds must be floats"),
        (lambda: state(np.zeros(3, [("left_child", NODE), *NODE[1:]])), "must be integers"),
        (
            lambda: state(values=np.full((3, 1, 1), 1e39)),
            "tree 0, node 1: the leaf is not finite in",
        ),
    ],
)
@pytest.mark.filterwarnings("error")
def test_odd_forests_are_refused(make: Callable[[], dict[str, Any]], message: str) -> None:
    with pytest.raises(ForestError, match=message):
        forest_from_state(make())
