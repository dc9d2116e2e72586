"""The network form: estimators of scikit-learn, as skl2onnx converts them, in one ONNX graph.

Codes go in, as numbers, and everything is computed in float64, also what skl2onnx has in float32:
what the size of a batch changes in the order of a sum is then lost in the one rounding at the end.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from anb_export.graphs.encoded import add_features
from anb_export.graphs.graph import GraphBuilder, GraphError, make_model, serialise
from anb_export.tables.encoder import Encoder
from anb_onnx.onnx_files.building import OPSET
from anb_onnx.onnx_files.steps import add_ensemble_outputs
from anb_onnx.spaces.space import SearchSpace

#: Largest accepted difference to the members, in standard deviations of the predictions.
NETWORK_TOLERANCE = 1e-3

_ML_DOMAIN = "ai.onnx.ml"
_ML_OPSET = 1


def build_networks(
    estimators: Sequence[object],
    card: Mapping[str, Any],
    *,
    space: SearchSpace,
    n_members: int,
    encoder: Encoder | None = None,
) -> bytes:
    """Return the ONNX file of an ensemble of estimators.

    Parameters
    ----------
    estimators : sequence of scikit-learn regressors or pipelines
        Fitted to codes, float32 or float64 [n, n_genes]. Each is as many members as it predicts
        values of an architecture, in the target's unit.
    card : mapping
        Becomes metadata.
    space : SearchSpace
    n_members : int
        Of all estimators, the same number of each.
    encoder : Encoder, optional
        What the estimators take, if not the codes.

    Returns
    -------
    bytes
        Mean and standard deviation are those of `steps.add_ensemble_outputs`.

    Raises
    ------
    GraphError
        If skl2onnx has no conversion of an estimator, or its graph has steps in float32 alone.
    """
    if not estimators or n_members % len(estimators):
        msg = f"{len(estimators)} estimator(s) cannot be {n_members} members, as many each"
        raise GraphError(msg)
    builder = GraphBuilder()
    x = add_features(builder, encoder, TensorProto.DOUBLE)
    width = space.n_genes if encoder is None else encoder.width
    each = n_members // len(estimators)
    members = []
    for number, estimator in enumerate(estimators):
        graph = _promoted(_converted(estimator, width))
        found = _grafted(builder, graph, f"net{number}_", x)
        # Several outputs of one estimator come one after the other, row by row.
        shape = builder.constant([-1, each], np.int64)
        members.append(builder.cast(builder.add("Reshape", found, shape), TensorProto.DOUBLE))
    add_ensemble_outputs(builder, builder.add("Concat", *members, axis=1), n_members)
    domains = {_ML_DOMAIN: _ML_OPSET}
    model = make_model(builder, space=space, n_members=n_members, card=card, domains=domains)
    return serialise(model)


def _converted(estimator: object, width: int) -> onnx.GraphProto:
    """Return the graph that skl2onnx makes of an estimator of float64 [N, width]."""
    from skl2onnx import convert_sklearn
    from skl2onnx.common.data_types import DoubleTensorType

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of what is converted, and of skl2onnx itself
            model = convert_sklearn(
                estimator,
                initial_types=[("x", DoubleTensorType([None, width]))],
                target_opset={"": OPSET, _ML_DOMAIN: _ML_OPSET},
            )
    except Exception as error:  # skl2onnx raises many unrelated types
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        msg = f"skl2onnx cannot convert an estimator of type {type(estimator).__name__}: {reason}"
        raise GraphError(msg) from error
    graph: onnx.GraphProto = model.graph
    if len(graph.output) != 1:
        found = ", ".join(value.name for value in graph.output)
        msg = f"an estimator has one output, its prediction; skl2onnx makes {found}"
        raise GraphError(msg)
    return graph


def _promoted(graph: onnx.GraphProto) -> onnx.GraphProto:
    """Return a graph that computes in float64 what it computed in float32."""
    found = onnx.GraphProto()
    found.CopyFrom(graph)
    for tensor in found.initializer:
        if tensor.data_type == TensorProto.FLOAT:
            array = numpy_helper.to_array(tensor).astype(np.float64)
            tensor.CopyFrom(numpy_helper.from_array(array, tensor.name))
    for node in found.node:
        if node.op_type == "Cast" and helper.get_node_attr_value(node, "to") == TensorProto.FLOAT:
            node.ClearField("attribute")
            node.attribute.append(helper.make_attribute("to", TensorProto.DOUBLE))
    return found


def _grafted(builder: GraphBuilder, graph: onnx.GraphProto, prefix: str, x: str) -> str:
    """Append a graph's nodes and constants, and return the name of its output."""
    names = {graph.input[0].name: x, "": ""}

    def renamed(name: str) -> str:
        return names.get(name, prefix + name)

    for tensor in graph.initializer:
        copy = onnx.TensorProto()
        copy.CopyFrom(tensor)
        copy.name = renamed(tensor.name)
        builder.constants.append(copy)
    for node in graph.node:
        copy = onnx.NodeProto()
        copy.CopyFrom(node)
        copy.name = prefix + node.name
        for part, column in ((copy.input, node.input), (copy.output, node.output)):
            del part[:]
            part.extend(map(renamed, column))
        builder.nodes.append(copy)
    return renamed(graph.output[0].name)
