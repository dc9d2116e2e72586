"""The deterministic tree form, and the plain one for forests of any library.

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
from onnx import TensorProto

from anb_export.graphs.encoded import add_features
from anb_export.graphs.graph import GraphBuilder, make_model, serialise
from anb_export.graphs.tree_nodes import TreeFormError, tree_ensemble, tree_ensemble_regressor
from anb_export.graphs.verify_graph import run_model
from anb_export.models.forest import Forest
from anb_export.tables.encoder import Encoder
from anb_onnx.onnx_files.steps import add_ensemble_outputs
from anb_onnx.spaces.space import SearchSpace

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
    forests: Sequence[Forest],
    card: Mapping[str, Any],
    *,
    space: SearchSpace,
    encoder: Encoder | None = None,
) -> bytes:
    """Return the ONNX file of an ensemble in deterministic tree form.

    Parameters
    ----------
    forests : sequence of Forest
        The members, in the target's unit.
    card : mapping
        Becomes metadata; should have ``requires``.
    space : SearchSpace
    encoder : Encoder, optional
        What the forests take, if not the codes.

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
    x = add_features(builder, encoder, TensorProto.DOUBLE)
    members = []
    for index, forest in enumerate(forests):
        _check_width(index, forest, space, encoder)
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


def _check_width(index: int, forest: Forest, space: SearchSpace, encoder: Encoder | None) -> None:
    wanted = space.n_genes if encoder is None else encoder.width
    if forest.n_features != wanted:
        what = "space" if encoder is None else "encoder"
        of = "genes" if encoder is None else "features"
        msg = f"member {index} has {forest.n_features} features, the {what} {wanted} {of}"
        raise TreeFormError(msg)


def build_trees(
    forests: Sequence[Forest],
    card: Mapping[str, Any],
    *,
    space: SearchSpace,
    encoder: Encoder | None = None,
) -> bytes:
    """Return the ONNX file of an ensemble of any forests with TreeEnsembleRegressor (ai.onnx.ml 1).

    For runtimes before onnxruntime 1.24. Leaves and outputs are float32 here, as that operator has
    them. The input is float64 and makes onnxruntime add in float64, which hides the order of the
    sum from nearly every result, but from no one by proof. Parameters and errors are those of
    `build_tree64`.
    """
    builder = GraphBuilder()
    x = add_features(builder, encoder, TensorProto.DOUBLE)
    members = []
    for index, forest in enumerate(forests):
        _check_width(index, forest, space, encoder)
        trees = builder.add("TreeEnsembleRegressor", x, domain=ML_DOMAIN)
        builder.nodes[-1].attribute.extend(tree_ensemble_regressor(forest))
        members.append(builder.cast(trees, TensorProto.DOUBLE))
    return _finish(builder, members, card, space, 1)


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
