"""Reads scikit-learn's forests, as `safe_pickle` leaves them, into a `Forest`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anb_export.models.forest import Forest, Tree, refuse
from anb_export.models.lightgbm_text import integer_threshold
from anb_export.models.safe_pickle import Object
from anb_onnx._io.show import show


def forest_from_state(state: Mapping[str, Any]) -> Forest:
    """Take the trees of a pickled RandomForestRegressor or ExtraTreesRegressor.

    The forest's prediction is the mean of its trees; as a sum, each leaf counts a share.

    Raises
    ------
    ForestError
        If the estimator is not fitted, damaged, or has several outputs.
    """
    estimators, width = state.get("estimators_"), state.get("n_features_in_")
    if not isinstance(estimators, list) or not estimators:
        refuse("the random forest is not fitted; fit it first")
    if type(width) is not int or not 0 < width < 2**31:
        refuse(f"n_features_in_ must be a positive integer, found {show(width)}")
    # A pickle may hold anything, an array for one: types first, values then.
    outputs, criterion = state.get("n_outputs_"), state.get("criterion")
    if type(outputs) is not int or outputs != 1:
        refuse(f"a random forest with {show(outputs)} outputs is not supported; fit one for each")
    if not isinstance(criterion, str):
        refuse(f"the random forest is damaged: criterion must be a name, found {show(criterion)}")
    inner = [_inner(k, tree) for k, tree in enumerate(estimators)]
    # A pickle can name one tree a million times, in a few bytes each.
    if len({id(state.get("nodes")) for state in inner}) != len(inner):
        refuse("the random forest is damaged: it holds one tree several times")
    trees = [_sklearn_tree(k, state, len(inner)) for k, state in enumerate(inner)]
    return Forest.from_trees(trees, base_score=0.0, n_features=width, objective=criterion[:40])


def _inner(index: int, estimator: Any) -> Mapping[str, Any]:
    inner = estimator.state.get("tree_") if isinstance(estimator, Object) else None
    if not isinstance(inner, Object):
        refuse(f"tree {index} is damaged: it has no nodes")
    return inner.state


def _sklearn_tree(index: int, state: Mapping[str, Any], n_trees: int) -> Tree:
    nodes, values = state.get("nodes"), state.get("values")
    if not isinstance(nodes, np.ndarray) or not isinstance(values, np.ndarray):
        refuse(f"tree {index} is damaged: it has no nodes")
    if nodes.ndim != 1 or values.shape != (len(nodes), 1, 1) or values.dtype.kind != "f":
        refuse(
            f"tree {index} is damaged: nodes of shape {[*nodes.shape]}, values of shape "
            f"{[*values.shape]}"
        )
    missing = {"left_child", "right_child", "feature", "threshold"} - {*(nodes.dtype.names or ())}
    if missing:
        refuse(f"tree {index} is damaged: {sorted(missing)[0]!r} is missing")
    if nodes["threshold"].dtype.kind != "f":
        refuse(f"tree {index} is damaged: thresholds must be floats")
    left = _int64(nodes["left_child"])
    leaf = left == -1
    threshold = nodes["threshold"].astype(np.float64)
    return Tree(
        feature=_int64(nodes["feature"]),
        # scikit-learn goes left if x <= threshold, like LightGBM.
        threshold=np.where(leaf, 0, integer_threshold(threshold)),
        left=left,
        right=_int64(nodes["right_child"]),
        value=np.where(leaf, values.reshape(-1) / n_trees, 0.0),
        stated=threshold,
    )


def _int64(column: NDArray[Any]) -> NDArray[np.int64]:
    if column.dtype.kind != "i":
        refuse("a tree is damaged: children and features must be integers")
    return column.astype(np.int64)


def draws_splits(state: Mapping[str, Any]) -> bool:
    """Say whether a pickled forest's trees drew their splits at random (``splitter="random"``)."""
    trees = state.get("estimators_")
    states = [t.state for t in trees if isinstance(t, Object)] if isinstance(trees, list) else []
    splitters = [found.get("splitter") for found in states]
    return any(isinstance(found, str) and found == "random" for found in splitters)
