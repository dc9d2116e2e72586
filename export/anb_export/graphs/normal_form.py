"""Trees that predict distributions: a mean and a standard deviation, as an ensemble of two.

The members are the mean less and plus the standard deviation, of which mean and population standard
deviation are just these.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from onnx import TensorProto

from anb_export.graphs.encoded import add_features
from anb_export.graphs.graph import GraphBuilder, make_model, serialise
from anb_export.graphs.tree_nodes import TreeFormError, tree_ensemble_regressor
from anb_export.models.forest import Forest
from anb_export.tables.encoder import Encoder
from anb_onnx.onnx_files.steps import add_ensemble_outputs
from anb_onnx.spaces.space import SearchSpace

_ML_DOMAIN = "ai.onnx.ml"
_ML_OPSET = 1


def build_normals(
    normals: Sequence[tuple[Forest, Forest]],
    card: Mapping[str, Any],
    *,
    space: SearchSpace,
    encoder: Encoder | None = None,
) -> bytes:
    """Return the ONNX file of a mixture of normal distributions in equal parts.

    Parameters
    ----------
    normals : sequence of (Forest, Forest)
        Of each distribution the mean, and the natural logarithm of the standard deviation, in the
        target's unit.
    card : mapping
        Becomes metadata.
    space : SearchSpace
    encoder : Encoder, optional
        What the forests take, if not the codes.

    Raises
    ------
    AnbError
        If a forest does not fit the space, or the graph is refused.
    """
    width = space.n_genes if encoder is None else encoder.width
    builder = GraphBuilder()
    x = add_features(builder, encoder, TensorProto.DOUBLE)

    def value(forest: Forest) -> str:
        if forest.n_features != width:
            msg = f"a forest has {forest.n_features} features, the graph {width}"
            raise TreeFormError(msg)
        trees = builder.add("TreeEnsembleRegressor", x, domain=_ML_DOMAIN)
        builder.nodes[-1].attribute.extend(tree_ensemble_regressor(forest))
        return builder.cast(trees, TensorProto.DOUBLE)

    def square(name: str) -> str:
        return builder.add("Mul", name, name)

    count = builder.constant(float(len(normals)), np.float64)
    means = [value(of_mean) for of_mean, _ in normals]
    stds = [builder.add("Exp", value(of_log)) for _, of_log in normals]
    mean = builder.add("Div", builder.add_all(means), count)
    # A mixture varies as its parts do, and as their means differ.
    parts = [*map(square, stds), *(square(builder.add("Sub", one, mean)) for one in means)]
    std = builder.add("Sqrt", builder.add("Div", builder.add_all(parts), count))
    members = builder.add(
        "Concat", builder.add("Sub", mean, std), builder.add("Add", mean, std), axis=1
    )
    add_ensemble_outputs(builder, members, 2)
    domains = {_ML_DOMAIN: _ML_OPSET}
    return serialise(make_model(builder, space=space, n_members=2, card=card, domains=domains))
