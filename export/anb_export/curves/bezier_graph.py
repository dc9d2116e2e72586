"""The Bezier head as an ONNX file of its own: features in, ten numbers and the curve out.

It is no artifact of a catalog, whose forms have the same bits everywhere: a network's sums and
sigmoids do not. It is there to be compared with those.
"""

from __future__ import annotations

import itertools

import numpy as np
from onnx import TensorProto, helper

from anb_export.curves.bezier import DEGREE, HALVINGS, N_FREE, BezierHead
from anb_export.graphs.graph import GraphBuilder, check_model, serialise
from anb_onnx.onnx_files.building import IR_VERSION, OPSET, PRODUCER


def head_to_onnx(head: BezierHead) -> bytes:
    """Return the ONNX file of a trained head.

    Parameters
    ----------
    head : BezierHead

    Returns
    -------
    bytes
        Input ``features`` float32 [N, d]; outputs ``numbers`` float32 [N, 10] and ``curve``
        float32 [N, T], in the target's unit. The crossing is found in float64.

    Raises
    ------
    GraphError
        If the ONNX checker refuses the graph.
    """
    builder = GraphBuilder()
    x = builder.add("Sub", "features", builder.constant(head.mean, np.float32))
    x = builder.add("Div", x, builder.constant(head.size, np.float32))
    for k, (weight, bias) in enumerate(zip(head.weights, head.biases, strict=True)):
        x = builder.add("Relu", x) if k else x
        x = builder.add("MatMul", x, builder.constant(weight, np.float32))
        x = builder.add("Add", x, builder.constant(bias, np.float32))
    ends = builder.add("Sigmoid", _columns(builder, x, 0, 2))
    rest = _columns(builder, x, 2, N_FREE)
    numbers = builder.add("Concat", ends, rest, axis=1)
    builder.output("numbers", "Identity", numbers)
    _add_curve(builder, builder.cast(numbers, TensorProto.DOUBLE), head)
    graph = helper.make_graph(
        builder.nodes,
        "bezier_head",
        [helper.make_tensor_value_info("features", TensorProto.FLOAT, ["N", len(head.mean)])],
        [
            helper.make_tensor_value_info("numbers", TensorProto.FLOAT, ["N", N_FREE]),
            helper.make_tensor_value_info("curve", TensorProto.FLOAT, ["N", head.n_epochs]),
        ],
        initializer=builder.constants,
    )
    model = helper.make_model(
        graph,
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=IR_VERSION,
        producer_name=PRODUCER,
    )
    check_model(model)
    return serialise(model)


def _add_curve(builder: GraphBuilder, numbers: str, head: BezierHead) -> None:
    """Append the curve: `bezier.bezier_curves` in operators."""
    zero, one = (builder.constant(v, np.float64) for v in (0.0, 1.0))
    first, last = (_columns(builder, numbers, k, k + 1) for k in (0, 1))
    inner = builder.add("Mul", first, zero)
    x = [inner, *(_columns(builder, numbers, k, k + 1) for k in range(2, 6))]
    x.append(builder.add("Add", inner, one))
    y = [first, *(_columns(builder, numbers, k, k + 1) for k in range(6, N_FREE)), last]
    at = np.linspace(0.0, 1.0, head.n_epochs)
    knots = builder.constant(at, np.float64)
    low = builder.add("Mul", inner, knots)  # zeros [N, T]
    step = 1.0
    for _ in range(HALVINGS):
        step /= 2
        size = builder.constant(step, np.float64)
        value = _value(builder, x, builder.add("Add", low, size), one)
        before = builder.cast(
            builder.add("Not", builder.add("Greater", value, knots)), TensorProto.DOUBLE
        )
        low = builder.add("Add", low, builder.add("Mul", before, size))
    found = _value(builder, y, low, one)
    within = _columns(builder, found, 1, head.n_epochs - 1)
    whole = builder.add("Concat", first, within, last, axis=1)
    scaled = builder.add("Mul", whole, builder.constant(head.top, np.float64))
    builder.output("curve", "Cast", scaled, to=TensorProto.FLOAT)


def _value(builder: GraphBuilder, points: list[str], s: str, one: str) -> str:
    """Append de Casteljau's steps at parameters [N, T]."""
    left = builder.add("Sub", one, s)
    parts = points
    for _ in range(DEGREE):
        parts = [
            builder.add("Add", builder.add("Mul", left, a), builder.add("Mul", s, b))
            for a, b in itertools.pairwise(parts)
        ]
    return parts[0]


def _columns(builder: GraphBuilder, name: str, start: int, stop: int) -> str:
    bounds = (builder.constant([v], np.int64) for v in (start, stop, 1))
    return builder.add("Slice", name, *bounds)
