"""Graphs without tables, by the onnx package: nodes, inputs and outputs, metadata, checks.

What their last steps are, and the metadata, stands in `anb_onnx.onnx_files`, which writes the table
form by itself.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from anb_export._io.files import sha256
from anb_onnx.errors import AnbError
from anb_onnx.onnx_files.building import IR_VERSION, OPSET, PRODUCER, SCHEMA, metadata
from anb_onnx.onnx_files.describing import Descriptions, describe
from anb_onnx.onnx_files.steps import INPUT
from anb_onnx.spaces.space import SearchSpace


class GraphError(AnbError):
    """A graph cannot be built or is not valid ONNX."""


class GraphBuilder:
    """Collects nodes and constants, giving each a name that is unique in the graph."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []
        self._known: dict[str, str] = {}
        self._names = 0

    def add(self, operator: str, *inputs: str, domain: str = "", **attributes: Any) -> str:
        """Append a node with one output and return the output's name."""
        name = f"{operator.lower()}_{self._names}"
        self._names += 1
        self._append(operator, inputs, name, domain, attributes)
        return name

    def output(self, name: str, operator: str, *inputs: str, **attributes: Any) -> None:
        """Append a node whose output is the output `name` of the graph."""
        self._append(operator, inputs, name, "", attributes)

    def constant(self, value: Any, dtype: Any) -> str:
        """Return the name of a constant; equal constants are stored once."""
        array = np.asarray(value, dtype=dtype)
        key = sha256(f"{array.dtype.str}{array.shape}".encode() + array.tobytes())
        if key not in self._known:
            self._known[key] = f"constant_{len(self.constants)}"
            self.constants.append(numpy_helper.from_array(array, self._known[key]))
        return self._known[key]

    def cast(self, name: str, dtype: int) -> str:
        """Append a Cast to an ONNX data type."""
        return self.add("Cast", name, to=dtype)

    def add_all(self, names: Sequence[str]) -> str:
        """Sum tensors from left to right."""
        total = names[0]
        for name in names[1:]:
            total = self.add("Add", total, name)
        return total

    def _append(
        self,
        operator: str,
        inputs: Sequence[str],
        output: str,
        domain: str,
        attributes: Mapping[str, Any],
    ) -> None:
        node = helper.make_node(
            operator, list(inputs), [output], name=f"{output}_node", domain=domain, **attributes
        )
        self.nodes.append(node)


def make_model(
    builder: GraphBuilder,
    *,
    space: SearchSpace,
    n_members: int,
    card: Mapping[str, Any],
    domains: Mapping[str, int] | None = None,
) -> onnx.ModelProto:
    """Wrap the nodes into a checked model.

    Parameters
    ----------
    builder : GraphBuilder
        Its nodes lead from `INPUT` to ``mean``, ``std`` and ``members``.
    space : SearchSpace
        The space of the input; it becomes part of the metadata.
    n_members : int
    card : mapping
        The target's entry of the manifest, without file, sha256 and bytes, and with the name of
        the ``benchmark``.
    domains : mapping, optional
        Opset versions of operator domains besides ai.onnx.

    Raises
    ------
    GraphError
        If the ONNX checker refuses the model.
    """
    opsets = {"": OPSET, **(domains or {})}
    graph = helper.make_graph(
        builder.nodes,
        f"anb_onnx_{card.get('metric', 'surrogate')}",
        [helper.make_tensor_value_info(INPUT, TensorProto.UINT8, ["N", space.n_genes])],
        [
            helper.make_tensor_value_info("mean", TensorProto.FLOAT, ["N"]),
            helper.make_tensor_value_info("std", TensorProto.FLOAT, ["N"]),
            helper.make_tensor_value_info("members", TensorProto.FLOAT, ["N", n_members]),
        ],
        initializer=builder.constants,
    )
    model = helper.make_model(
        graph,
        opset_imports=[helper.make_opsetid(domain, v) for domain, v in sorted(opsets.items())],
        ir_version=IR_VERSION,
        producer_name=PRODUCER,
        producer_version=f"schema {SCHEMA}",
    )
    helper.set_model_props(model, metadata(card, space))
    tell(model, describe(card, space, n_members))
    check_model(model)
    return model


def tell(model: onnx.ModelProto, told: Descriptions) -> None:
    """Set what model, graph, input and outputs say of themselves in words."""
    model.doc_string, model.graph.doc_string = told.model, told.graph
    for value in (*model.graph.input, *model.graph.output):
        value.doc_string = told.input if value.name == INPUT else told.outputs[value.name]


def untold(model: onnx.ModelProto) -> onnx.ModelProto:
    """Return a copy of a model without the words that `tell` sets: all that it computes."""
    bare = onnx.ModelProto()
    bare.CopyFrom(model)
    for part in (bare, bare.graph, *bare.graph.input, *bare.graph.output):
        part.ClearField("doc_string")
    return bare


def check_model(model: onnx.ModelProto | bytes) -> None:
    """Run the ONNX checker, shapes included.

    Raises
    ------
    GraphError
        If it refuses the model.
    """
    try:
        onnx.checker.check_model(model, full_check=True)
    except Exception as error:  # the checker raises several unrelated types
        msg = f"the graph is not valid ONNX: {error}"
        raise GraphError(msg) from error


def serialise(model: onnx.ModelProto) -> bytes:
    """Return the model's bytes; equal models give equal bytes."""
    return bytes(model.SerializeToString(deterministic=True))
