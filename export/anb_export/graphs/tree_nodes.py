"""Forests as attributes of ONNX's tree operators, written directly from their arrays."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import AttributeProto, numpy_helper

from anb_export.models.forest import Forest
from anb_onnx.errors import AnbError

_BRANCH_LT = 1  # in the enumeration of TreeEnsemble's nodes_modes
_SUM = 1


class TreeFormError(AnbError):
    """A forest cannot be written as a tree ensemble."""


def tree_ensemble(forest: Forest) -> list[AttributeProto]:
    """Return the attributes of TreeEnsemble (ai.onnx.ml 5) with double tensors.

    Leaves and branches are numbered apart, in the order of the forest's arrays. onnxruntime 1.21
    to 1.23 take a root for a leaf if one child is a leaf, the other a branch, and both have the
    same number; so the leaves' numbers are rotated until no root is like that.

    Raises
    ------
    TreeFormError
        If that fails (there is always such a rotation, as each of these trees has three leaves and
        rules one rotation out).
    """
    forest = _with_branches(forest)
    reached = forest.reached()
    is_leaf = forest.left < 0
    leaves = np.flatnonzero(is_leaf & reached)
    number = np.zeros(forest.n_nodes, dtype=np.int64)
    number[leaves] = np.arange(len(leaves))
    tests = np.flatnonzero(~is_leaf & reached)
    position = np.zeros(forest.n_nodes, dtype=np.int64)
    position[tests] = np.arange(len(tests))

    def child(column: NDArray[np.int32]) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
        node = column[tests]
        return np.where(is_leaf[node], number[node], position[node]), is_leaf[node]

    roots = position[forest.roots]
    rotation = _rotation(*child(forest.left), *child(forest.right), roots, len(leaves))
    number[leaves] = (np.arange(len(leaves)) + rotation) % len(leaves)
    weights = np.empty(len(leaves))
    weights[number[leaves]] = forest.value[leaves]
    true, true_is_leaf = child(forest.left)
    false, false_is_leaf = child(forest.right)
    clash = (true == false) & (true_is_leaf != false_is_leaf)
    if clash[roots].any():
        msg = f"the root of tree {int(np.flatnonzero(clash[roots])[0])} has two children of a kind"
        raise TreeFormError(msg)
    return [
        _tensor("leaf_weights", weights),
        _ints("leaf_targetids", np.zeros(len(leaves), dtype=np.int64)),
        _tensor("nodes_splits", forest.threshold[tests].astype(np.float64)),
        _tensor("nodes_modes", np.full(len(tests), _BRANCH_LT, dtype=np.uint8)),
        _ints("nodes_featureids", np.maximum(forest.feature[tests], 0)),
        _ints("nodes_truenodeids", true),
        _ints("nodes_trueleafs", true_is_leaf),
        _ints("nodes_falsenodeids", false),
        _ints("nodes_falseleafs", false_is_leaf),
        _ints("tree_roots", roots),
        _int("n_targets", 1),
        _int("aggregate_function", _SUM),
        _int("post_transform", 0),
    ]


def _with_branches(forest: Forest) -> Forest:
    """Give each tree that is one leaf a branch as its root, with two leaves of the same value.

    Only branches can be roots. One leaf on both sides would do, but onnxruntime before 1.30 leaves
    some of these out of the sum.
    """
    single = np.flatnonzero(forest.left[forest.roots] < 0)
    if not len(single):
        return forest
    roots = forest.roots[single].astype(np.int64)
    after = np.repeat(roots + 1, 2)
    # Where each node is once two leaves follow each of these roots.
    place = np.arange(forest.n_nodes) + 2 * np.searchsorted(roots, np.arange(forest.n_nodes))

    def moved(column: NDArray[np.int32]) -> NDArray[np.int32]:
        return np.where(column < 0, -1, place[column]).astype(np.int32)

    left, right = (np.insert(moved(side), after, -1) for side in (forest.left, forest.right))
    value: NDArray[Any] = np.insert(forest.value, after, np.repeat(forest.value[roots], 2))
    feature = np.insert(forest.feature, after, -1)
    left[place[roots]], right[place[roots]] = place[roots] + 1, place[roots] + 2
    value[place[roots]], feature[place[roots]] = 0, 0
    return replace(
        forest,
        feature=feature,
        threshold=np.insert(forest.threshold, after, 0),
        left=left,
        right=right,
        value=value,
        default_left=np.insert(forest.default_left, after, False),
        roots=place[forest.roots].astype(np.int32),
    )


def tree_ensemble_regressor(forest: Forest) -> list[AttributeProto]:
    """Return the attributes of TreeEnsembleRegressor (ai.onnx.ml 1); leaves become float32."""
    kept = np.flatnonzero(forest.reached())
    starts = np.append(forest.roots, forest.n_nodes).astype(np.int64)
    tree = np.repeat(np.arange(forest.n_trees), np.diff(starts))
    node = np.arange(forest.n_nodes) - starts[tree]
    is_leaf = forest.left < 0

    def child(column: NDArray[np.int32]) -> NDArray[np.int64]:
        return np.where(is_leaf, 0, column - starts[tree])[kept]

    ends = np.flatnonzero(is_leaf & forest.reached())
    modes = np.array([b"BRANCH_LT", b"LEAF"], dtype=object)[is_leaf[kept].astype(np.int64)]
    return [
        _ints("nodes_treeids", tree[kept]),
        _ints("nodes_nodeids", node[kept]),
        _ints("nodes_featureids", np.maximum(forest.feature[kept], 0)),
        AttributeProto(name="nodes_modes", type=AttributeProto.STRINGS, strings=modes.tolist()),
        _floats("nodes_values", forest.threshold[kept]),
        _ints("nodes_truenodeids", child(forest.left)),
        _ints("nodes_falsenodeids", child(forest.right)),
        _ints("target_treeids", tree[ends]),
        _ints("target_nodeids", node[ends]),
        _ints("target_ids", np.zeros(len(ends), dtype=np.int64)),
        _floats("target_weights", forest.value[ends].astype(np.float32)),
        _floats("base_values", np.array([forest.base_score], dtype=np.float32)),
        _int("n_targets", 1),
    ]


def _rotation(
    true: NDArray[np.int64],
    true_is_leaf: NDArray[np.bool_],
    false: NDArray[np.int64],
    false_is_leaf: NDArray[np.bool_],
    roots: NDArray[np.int64],
    n_leaves: int,
) -> int:
    """Return the smallest rotation of the leaves' numbers after which no root's children clash."""
    mixed = roots[true_is_leaf[roots] != false_is_leaf[roots]]
    leaf = np.where(true_is_leaf[mixed], true[mixed], false[mixed])
    branch = np.where(true_is_leaf[mixed], false[mixed], true[mixed])
    # A branch number above all leaves' cannot clash.
    ruled_out = np.zeros(n_leaves, dtype=np.bool_)
    possible = branch < n_leaves
    ruled_out[(branch - leaf)[possible] % n_leaves] = True
    return int(np.argmin(ruled_out))


# Made here rather than with onnx.helper, which looks at each of millions of numbers in Python.


def _ints(name: str, values: NDArray[Any]) -> AttributeProto:
    items = values.astype(np.int64).tolist()
    return AttributeProto(name=name, type=AttributeProto.INTS, ints=items)


def _floats(name: str, values: NDArray[np.float32]) -> AttributeProto:
    return AttributeProto(name=name, type=AttributeProto.FLOATS, floats=values.tolist())


def _int(name: str, value: int) -> AttributeProto:
    return AttributeProto(name=name, type=AttributeProto.INT, i=value)


def _tensor(name: str, values: NDArray[Any]) -> AttributeProto:
    tensor = numpy_helper.from_array(values)
    return AttributeProto(name=name, type=AttributeProto.TENSOR, t=tensor)
