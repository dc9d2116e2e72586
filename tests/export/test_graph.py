from __future__ import annotations

import json
import math
from fractions import Fraction

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from anb_export.graphs.graph import (
    GraphBuilder,
    GraphError,
    make_model,
    serialise,
)
from onnx import TensorProto

from anb_onnx.onnx_files.steps import INPUT, add_ensemble_outputs
from anb_onnx.spaces.architecture import sample
from anb_onnx.spaces.mnasnet import MNASNET
from anb_onnx.spaces.space import SearchSpace


def linear_model(weights: np.ndarray) -> onnx.ModelProto:
    """Members that are linear in the codes: enough to look at the last steps."""
    builder = GraphBuilder()
    x = builder.cast(INPUT, TensorProto.DOUBLE)
    members = builder.add("MatMul", x, builder.constant(weights, np.float64))
    add_ensemble_outputs(builder, members, weights.shape[1])
    return make_model(builder, space=MNASNET, n_members=weights.shape[1], card={"metric": "test"})


def run(model: onnx.ModelProto, codes: np.ndarray) -> list[np.ndarray]:
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    session = ort.InferenceSession(serialise(model), options)
    found: list[np.ndarray] = session.run(["mean", "std", "members"], {INPUT: codes})
    return found


@pytest.mark.parametrize("n_members", [1, 2, 7])
def test_mean_and_population_std_rounded_once(n_members: int) -> None:
    weights = np.random.default_rng(0).integers(-9, 10, (28, n_members)) / 8 + 20
    codes = sample(50, seed=3, space=MNASNET)
    mean, std, members = run(linear_model(weights), codes)
    assert mean.dtype == std.dtype == members.dtype == np.float32
    for row in range(50):
        exact = [Fraction(float(v)) for v in codes[row].astype(float) @ weights]
        center = sum(exact) / n_members
        variance = sum((v - center) ** 2 for v in exact) / n_members
        assert members[row].tolist() == [float(np.float32(float(v))) for v in exact]
        assert mean[row] == np.float32(float(center))
        assert std[row] == pytest.approx(math.sqrt(variance), rel=1e-7, abs=1e-12)


def test_shapes() -> None:
    model = linear_model(np.ones((28, 3)))
    for n in (0, 1, 5):
        shapes = [output.shape for output in run(model, sample(n, seed=0, space=MNASNET))]
        assert shapes == [(n,), (n,), (n, 3)]


def test_interface_and_metadata() -> None:
    model = linear_model(np.ones((28, 2)))
    (value,) = model.graph.input
    assert value.name == "architectures"
    assert value.type.tensor_type.elem_type == TensorProto.UINT8
    dims = value.type.tensor_type.shape.dim
    assert (dims[0].dim_param, dims[1].dim_value) == ("N", 28)
    assert [output.name for output in model.graph.output] == ["mean", "std", "members"]
    assert (model.producer_name, model.ir_version) == ("anb_export", 5)
    assert [(o.domain, o.version) for o in model.opset_import] == [("", 10)]
    metadata = {p.key: p.value for p in model.metadata_props}
    assert metadata.keys() == {"anb_onnx.schema", "anb_onnx.card"}
    card = json.loads(metadata["anb_onnx.card"])
    assert SearchSpace.from_dict(card["search_space"]) == MNASNET
    assert card["metric"] == "test"


def test_no_reductions_and_standard_operators_only() -> None:
    operators = {node.op_type for node in linear_model(np.ones((28, 4))).graph.node}
    assert operators == {"Cast", "MatMul", "Add", "Div", "Sub", "Mul", "Sqrt", "Gather"}


def test_equal_models_are_equal_bytes() -> None:
    weights = np.random.default_rng(1).random((28, 3))
    assert serialise(linear_model(weights)) == serialise(linear_model(weights.copy()))


def test_equal_constants_are_stored_once() -> None:
    builder = GraphBuilder()
    names = [builder.constant(1.0, np.float64), builder.constant(1.0, np.float64)]
    assert names[0] == names[1] != builder.constant(1.0, np.float32)
    assert len(builder.constants) == 2


def test_invalid_graphs_are_refused() -> None:
    builder = GraphBuilder()
    builder.output("mean", "Cast", "nowhere", to=TensorProto.FLOAT)
    with pytest.raises(GraphError, match="not valid ONNX"):
        make_model(builder, space=MNASNET, n_members=1, card={})
