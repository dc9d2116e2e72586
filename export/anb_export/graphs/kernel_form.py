"""The kernel form: an ensemble of support vector machines as one ONNX graph, in float32."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from onnx import TensorProto

from anb_export.graphs.encoded import add_features
from anb_export.graphs.graph import GraphBuilder, make_model, serialise
from anb_export.models.svm_form import Kernel, svm_attributes
from anb_export.tables.encoder import Encoder
from anb_onnx.onnx_files.steps import INPUT, add_ensemble_outputs
from anb_onnx.spaces.space import SearchSpace

#: Largest accepted difference to the members in float64, in standard deviations of the predictions
#: or, if that is known and larger, of the target.
KERNEL_TOLERANCE = 1e-3

_ML_DOMAIN = "ai.onnx.ml"
# SVMRegressor has not changed since its first version.
_ML_OPSET = 1


def build_kernels(
    kernels: Sequence[Kernel],
    card: Mapping[str, Any],
    *,
    space: SearchSpace,
    encoder: Encoder | None = None,
) -> bytes:
    """Return the ONNX file of an ensemble of support vector machines.

    Parameters
    ----------
    kernels : sequence of Kernel
        The members, in the target's unit.
    card : mapping
        Becomes metadata.
    space : SearchSpace
    encoder : Encoder, optional
        What the machines take, if not the codes; they have no ``inputs`` then.

    Returns
    -------
    bytes
        Each member is an SVMRegressor, which computes in float32; mean and standard deviation are
        those of `graph.add_ensemble_outputs`.

    Raises
    ------
    AnbError
        If skl2onnx makes something else of a member, or the graph is refused.
    """
    builder = GraphBuilder()
    inputs: dict[bytes | None, str] = {}
    members = []
    for kernel in kernels:
        table = None if kernel.inputs is None else kernel.inputs.tobytes()
        if table not in inputs:
            inputs[table] = _input(builder, kernel, encoder)
        svm = builder.add(
            "SVMRegressor", inputs[table], domain=_ML_DOMAIN, **svm_attributes(kernel)
        )
        members.append(builder.cast(svm, TensorProto.DOUBLE))
    add_ensemble_outputs(builder, builder.add("Concat", *members, axis=1), len(members))
    return serialise(
        make_model(
            builder,
            space=space,
            n_members=len(members),
            card=card,
            domains={_ML_DOMAIN: _ML_OPSET},
        )
    )


def _input(builder: GraphBuilder, kernel: Kernel, encoder: Encoder | None) -> str:
    """Return what a member computes with, in float32: the codes, or the numbers they stand for."""
    if kernel.inputs is None:
        return add_features(builder, encoder, TensorProto.FLOAT)
    rows, width = kernel.inputs.shape
    # Each code's place in the table of all features' numbers, written row after row.
    starts = builder.constant(np.arange(rows) * width, np.int64)
    places = builder.add("Add", builder.cast(INPUT, TensorProto.INT64), starts)
    return builder.add("Gather", builder.constant(kernel.inputs.reshape(-1), np.float32), places)
