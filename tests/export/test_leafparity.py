"""The tree form against leafparity, which proves for every input which leaves two models reach."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import onnx
import pytest
import xgboost as xgb
from anb_export.artifacts.convert import convert
from anb_export.training.members_folder import Training
from leafparity import UnsupportedModelError, analyze
from onnx import TensorProto, helper


@dataclass(frozen=True)
class Member:
    """A member as it was trained, and its node of the converted ensemble as a model of its own."""

    booster: xgb.Booster
    model: onnx.ModelProto

    @property
    def verdict(self) -> dict[str, Any]:
        found: dict[str, Any] = analyze(self.booster, self.model, input_dtype="float32").verdict
        return found


def members(training: Training, form: str, op: str) -> list[Member]:
    content, _ = convert(training, form=form)
    graph = onnx.load_model_from_string(content)
    nodes = [node for node in graph.graph.node if node.op_type == op]
    assert len(nodes) == len(training.files)
    found = []
    for node, path in zip(nodes, training.files, strict=True):
        kind = TensorProto.FLOAT if op == "TreeEnsembleRegressor" else TensorProto.DOUBLE
        alone = helper.make_graph(
            [node],
            "member",
            [helper.make_tensor_value_info(node.input[0], TensorProto.DOUBLE, [None, 28])],
            [helper.make_tensor_value_info(node.output[0], kind, [None, 1])],
        )
        model = helper.make_model(
            alone, opset_imports=graph.opset_import, ir_version=graph.ir_version
        )
        found.append(Member(xgb.Booster(model_file=str(path)), model))
    return found


def test_every_input_reaches_the_same_leaves(training: Training) -> None:
    for member in members(training, "trees", "TreeEnsembleRegressor"):
        verdict = member.verdict
        assert verdict["status"] == "EQUIVALENT", verdict["headline"]
        assert verdict["max_raw_difference_found"] <= verdict["rounding_allowance"]


def test_a_threshold_that_moved_is_found(training: Training) -> None:
    """The proof above is worth something: one split of one tree is enough to refuse it."""
    member = members(training, "trees", "TreeEnsembleRegressor")[0]
    (node,) = member.model.graph.node
    attributes = {attribute.name: attribute for attribute in node.attribute}
    modes = [mode.decode() for mode in attributes["nodes_modes"].strings]
    split = next(k for k, mode in enumerate(modes) if mode != "LEAF")
    attributes["nodes_values"].floats[split] += 0.25
    verdict = member.verdict
    assert verdict["status"] == "NOT EQUIVALENT"
    assert verdict["places_in_trees"] >= 1


def test_it_does_not_read_tree64_yet(training: Training) -> None:
    """When this fails, prove that form, too."""
    member = members(training, "tree64", "TreeEnsemble")[0]
    with pytest.raises(UnsupportedModelError, match="opset-5 'TreeEnsemble' is not supported yet"):
        _ = member.verdict
