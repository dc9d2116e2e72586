"""Forests as ONNX nodes, written directly from their arrays; and the deterministic tree form.

The deterministic form ("tree64") is TreeEnsemble of ai.onnx.ml 5 with double tensors. A runtime may
add the leaves of an architecture in any order - onnxruntime splits the trees or the rows over its
threads, depending on the size of the batch - and floating-point sums depend on the order. So the
leaves are rounded, once and here, to multiples of a power of two so large that float64 holds every
sum of leaves without rounding: all orders then give the same bits, in every runtime, and that is a
matter of proof, not of measurement. The step of this grid is 2**-52 to 2**-53 of the largest sum
that the trees can reach, no more than what a plain float64 sum loses on its way.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.metadata import version
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import AttributeProto, TensorProto, numpy_helper

from anb_export.forest import Forest
from anb_export.graph import INPUT, GraphBuilder, add_ensemble_outputs, make_model, serialise
from anb_export.verify import run_model
from anb_onnx.errors import AnbError
from anb_onnx.space import MNASNET, SearchSpace

#: Operator domain of the trees.
ML_DOMAIN = "ai.onnx.ml"
#: First version of ai.onnx.ml with TreeEnsemble, the one tree operator with double outputs.
ML_OPSET = 5
#: What an artifact of this form needs. onnxruntime before 1.24 computes some such graphs wrongly.
REQUIRES = {"onnxruntime": ">=1.24"}

#: Most nodes of one TreeEnsemble. onnxruntime's time to open one grows with their square (1.31:
#: 6.4 s for a member of 20,000 trees and 2.5 million nodes, 0.6 s in parts of this size), and as no
#: sum rounds, cutting changes nothing.
MOST_NODES = 100_000

_BRANCH_LT = 1  # in the enumeration of TreeEnsemble's nodes_modes
_SUM = 1


class TreeFormError(AnbError):
    """A forest cannot be written as a tree ensemble."""


@dataclass(frozen=True)
class ExactForest:
    """A forest whose leaves and base score add up without rounding, in any order.

    Attributes
    ----------
    forest : Forest
        With float64 leaves; `Forest.predict_exact` is exact in the strict sense.
    step : float
        All leaves are integer multiples of it.
    error : float
        Largest possible difference to the sum of the original leaves.
    """

    forest: Forest
    step: float
    error: float


def exact_leaves(forest: Forest) -> ExactForest:
    """Round leaves and base score to a grid on which float64 sums are exact.

    Raises
    ------
    TreeFormError
        If the leaves are so large that their sum is not finite.
    """
    value = forest.value.astype(np.float64)
    # Only one leaf of each tree is added.
    largest = float(np.maximum.reduceat(np.abs(value), forest.roots).sum())
    bound = largest + abs(forest.base_score)
    if not math.isfinite(bound) or bound > 2.0**900:
        msg = f"the leaves add up to {bound:.3g}, which is out of range"
        raise TreeFormError(msg)
    # bound <= 2**exponent. After rounding, sums stay below 2**(exponent + 1) = 2**53 steps: any
    # integer up to that is a float64. Below 2**-900 there is nothing to gain.
    exponent = max(math.frexp(bound)[1], -900)
    step = math.ldexp(1.0, exponent + 1 - 53)
    rounded = np.rint(value / step) * step
    base = round(forest.base_score / step) * step
    error = (forest.n_trees + 1) * step / 2
    return ExactForest(replace(forest, value=rounded, base_score=base), step, error)


def build_tree64(
    forests: Sequence[Forest], card: Mapping[str, Any], *, space: SearchSpace = MNASNET
) -> bytes:
    """Return the ONNX file of an ensemble in deterministic tree form.

    Parameters
    ----------
    forests : sequence of Forest
        The members, in the target's unit.
    card : mapping
        Becomes metadata; should have ``requires``.
    space : SearchSpace

    Returns
    -------
    bytes
        Members are computed as `exact_leaves` defines them, then mean and standard deviation in
        the fixed order of `graph.add_ensemble_outputs`.

    Raises
    ------
    AnbError
        If a member does not fit the space, or the graph is refused.
    """
    builder = GraphBuilder()
    x = builder.cast(INPUT, TensorProto.DOUBLE)
    members = []
    for index, forest in enumerate(forests):
        if forest.n_features != space.n_genes:
            msg = (
                f"member {index} has {forest.n_features} features, the space {space.n_genes} genes"
            )
            raise TreeFormError(msg)
        exact = exact_leaves(forest).forest
        terms = [builder.constant(exact.base_score, np.float64)]
        for part in exact.parts(MOST_NODES):
            terms.append(builder.add("TreeEnsemble", x, domain=ML_DOMAIN))
            builder.nodes[-1].attribute.extend(tree_ensemble(part))
        members.append(builder.add_all(terms))
    return _finish(builder, members, card, space, ML_OPSET)


def tree64_facts(forests: Sequence[Forest]) -> dict[str, Any]:
    """Return what a card says about the arithmetic of the form.

    ``order_independent`` is True; ``leaf_rounding`` bounds the difference of a member to the sum
    of its original leaves, in the target's unit.
    """
    error = max(exact_leaves(forest).error for forest in forests)
    return {"order_independent": True, "leaf_rounding": float(f"{error:.3g}")}


def check_tree64(model: bytes, forests: Sequence[Forest], codes: NDArray[np.uint8]) -> None:
    """Check that a graph in deterministic tree form gives the members to the bit.

    Raises
    ------
    TreeFormError
        If it does not.
    AnbError
        If onnxruntime cannot run it.
    """
    wanted = np.stack([exact_leaves(f).forest.predict_exact(codes) for f in forests], axis=1)
    if not np.array_equal(run_model(model, codes)["members"], wanted.astype(np.float32)):
        msg = (
            "the graph does not predict what the trees predict; onnxruntime "
            f"{version('onnxruntime')} is installed, the form needs {REQUIRES['onnxruntime']}"
        )
        raise TreeFormError(msg)


def build_trees(
    forests: Sequence[Forest], card: Mapping[str, Any], *, space: SearchSpace = MNASNET
) -> bytes:
    """Return the ONNX file of an ensemble of any forests with TreeEnsembleRegressor (ai.onnx.ml 1).

    For runtimes before onnxruntime 1.24. Leaves and outputs are float32 here, as that operator has
    them. The input is float64 and makes onnxruntime add in float64, which hides the order of the
    sum from nearly every result, but from no one by proof. Parameters and errors are those of
    `build_tree64`.
    """
    builder = GraphBuilder()
    x = builder.cast(INPUT, TensorProto.DOUBLE)
    members = []
    for forest in forests:
        trees = builder.add("TreeEnsembleRegressor", x, domain=ML_DOMAIN)
        builder.nodes[-1].attribute.extend(tree_ensemble_regressor(forest))
        members.append(builder.cast(trees, TensorProto.DOUBLE))
    return _finish(builder, members, card, space, 1)


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
    reached = forest.reached()
    is_leaf = forest.left < 0
    branches = np.flatnonzero(~is_leaf & reached)
    # Only branches can be roots: a tree that is one leaf becomes a branch with it on both sides.
    single = forest.roots[is_leaf[forest.roots]]
    leaves = np.flatnonzero(is_leaf & reached)
    number = np.zeros(forest.n_nodes, dtype=np.int64)
    number[leaves] = np.arange(len(leaves))
    tests = np.sort(np.concatenate([branches, single]))
    position = np.zeros(forest.n_nodes, dtype=np.int64)
    position[tests] = np.arange(len(tests))

    def child(column: NDArray[np.int32]) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
        node = np.where(is_leaf[tests], tests, column[tests])
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


def _finish(
    builder: GraphBuilder,
    members: Sequence[str],
    card: Mapping[str, Any],
    space: SearchSpace,
    ml_opset: int,
) -> bytes:
    add_ensemble_outputs(builder, builder.add("Concat", *members, axis=1), len(members))
    return serialise(
        make_model(
            builder, space=space, n_members=len(members), card=card, domains={ML_DOMAIN: ml_opset}
        )
    )


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
