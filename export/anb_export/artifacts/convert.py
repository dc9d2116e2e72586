"""The forms that stay what was trained: one ONNX graph of the ai.onnx.ml domain for an ensemble.

Trees: "trees" goes through onnxmltools and runs on any onnxruntime; "tree64" is written by `tree64`
and gives the same bits for every batch and number of threads. Support vector machines have one
form, "kernel", written by `kernel_form`.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib.metadata import version
from typing import Any

import numpy as np
from onnx import TensorProto, helper

from anb_export.artifacts.manifest import describe
from anb_export.graphs.graph import (
    INPUT,
    OPSET,
    GraphBuilder,
    add_ensemble_outputs,
    make_model,
    serialise,
)
from anb_export.graphs.kernel_form import KERNEL_TOLERANCE, build_kernels
from anb_export.graphs.tree64 import REQUIRES, build_tree64, check_tree64, tree64_facts
from anb_export.graphs.verify_graph import compare, exact_members
from anb_export.models.forest import Forest
from anb_export.models.svm_form import Kernel
from anb_export.training.members_folder import Training
from anb_onnx.errors import AnbError
from anb_onnx.links import Link
from anb_onnx.spaces.architecture import sample
from anb_onnx.spaces.mnasnet import MNASNET
from anb_onnx.spaces.space import SearchSpace

#: What `convert` makes of trees.
FORMS = ("trees", "tree64")

#: Largest accepted difference to the exact sum of leaves, in standard deviations of the target.
TOLERANCE = 1e-4

_KERNEL_FAMILIES = ("svr", "nusvr")
_KERNEL_ROWS = 512

_ML_DOMAIN = "ai.onnx.ml"
# TreeEnsembleRegressor as onnxmltools writes it has not changed since its first version.
_ML_OPSET = 1


class ConvertError(AnbError):
    """An ensemble has no form of these that is faithful to it."""


def convert(
    training: Training, *, form: str | None = None, space: SearchSpace = MNASNET
) -> tuple[bytes, dict[str, Any]]:
    """Convert trained members into one ONNX model.

    Parameters
    ----------
    training : Training
    form : str, optional
        One of `FORMS`; ``"trees"`` if not given. Support vector machines take none.
    space : SearchSpace
        Space of the architectures.

    Returns
    -------
    model : bytes
        The ONNX file; equal members and versions give equal bytes.
    card : dict
        Its model card, which is also in the model's metadata.

    Raises
    ------
    AnbError
        If a member is damaged or of an unsupported kind, the recipe trains on transformed labels,
        the form does not fit the members, or the converted graph does not predict what they
        predict.
    """
    if form is not None and form not in FORMS:
        msg = f"unknown form {form!r}; valid forms: {', '.join(FORMS)}"
        raise ConvertError(msg)
    if training.transform != Link():
        msg = (
            f"recipe {training.document['recipe']['name']!r} trains on transformed labels, "
            "which the tree form does not support"
        )
        raise ConvertError(msg)
    if training.family in _KERNEL_FAMILIES:
        if form is not None:
            msg = f"support vector machines have no trees: leave out --form {form}"
            raise ConvertError(msg)
        return _convert_kernels(training, space)
    # Parsing refuses, by name, what onnxmltools would convert wrongly without a word: several
    # outputs, dart, gblinear, objectives with a link function.
    forests = training.forests()
    _check_features(training, forests, space)
    if form == "tree64":
        card = describe(training, form=form, versions={"onnx": version("onnx")})
        card |= {"requires": REQUIRES, "arithmetic": tree64_facts(forests)}
        model = build_tree64(forests, card, space=space)
        check_tree64(model, forests, sample(256, seed=0, space=space))
        return model, card
    if training.family != "xgb":
        msg = f"members of the family {training.family} have the form tree64: --form tree64"
        raise ConvertError(msg)
    card = describe(training, form="trees", versions=_versions())
    builder = GraphBuilder()
    # In float64: onnxruntime then adds the leaves in float64 and rounds once, instead of once per
    # tree. Largest error of one upstream member of 1,467 trees on 20,000 random architectures, in
    # standard deviations of the target:
    #                                     accuracy   throughput_tpuv2
    #   xgboost itself                     7.6e-5        1.6e-5
    #   float32                            6.6e-5        1.6e-5
    #   float32, nodes of 500 trees        4.0e-5        8.6e-6
    #   float32, nodes of 100 trees        1.8e-5        3.6e-6
    #   float64                            1.1e-6        2.1e-7   (half a unit of float32)
    # The speed is the same: 33,000 to 36,000 rows/s on one thread in float32 and in float64.
    x = builder.cast(INPUT, TensorProto.DOUBLE)
    members = []
    for content in training.contents():
        trees = builder.add(
            "TreeEnsembleRegressor", x, domain=_ML_DOMAIN, **_tree_attributes(content, space)
        )
        members.append(builder.cast(trees, TensorProto.DOUBLE))
    add_ensemble_outputs(builder, builder.add("Concat", *members, axis=1), len(members))
    model = serialise(
        make_model(
            builder,
            space=space,
            n_members=len(members),
            card=card,
            domains={_ML_DOMAIN: _ML_OPSET},
        )
    )
    # A first check, so that no wrong file is ever written; `anb-export verify` does it at length.
    codes = sample(256, seed=0, space=space)
    worst = compare(model, codes, exact_members(training, codes), training.target_std)
    if not worst.largest <= TOLERANCE:
        msg = f"the converted graph is {worst.largest:.2g} standard deviations off the members"
        raise ConvertError(msg)
    return model, card


def _convert_kernels(training: Training, space: SearchSpace) -> tuple[bytes, dict[str, Any]]:
    kernels = [member for member in training.members() if isinstance(member, Kernel)]
    _check_features(training, kernels, space)
    versions = {package: version(package) for package in ("onnx", "skl2onnx")}
    card = describe(training, form="kernel", versions=versions)
    codes = sample(_KERNEL_ROWS, seed=0, space=space)
    exact = np.stack([kernel.predict_exact(codes) for kernel in kernels], axis=1)
    model = build_kernels(kernels, card, space=space)
    worst = compare(model, codes, exact, training.target_std).largest
    # The reference's published parameters of nusvr predict values 50 times as spread as the target:
    # what float32 loses is then to be seen against these.
    spread = float(exact.mean(axis=1).std()) / training.target_std
    allowed = KERNEL_TOLERANCE * max(1.0, spread)
    if not worst <= allowed:
        msg = (
            f"the graph is {worst:.2g} standard deviations off the members, allowed are "
            f"{allowed:.2g}"
        )
        raise ConvertError(msg)
    card["verification"] = {"n": len(codes), "seed": 0, "largest": float(f"{worst:.3g}")}
    return build_kernels(kernels, card, space=space), card


def _check_features(
    training: Training, members: Sequence[Forest | Kernel], space: SearchSpace
) -> None:
    for path, member in zip(training.files, members, strict=True):
        if member.n_features != space.n_genes:
            msg = f"{path} has {member.n_features} features, the space {space.n_genes} genes"
            raise ConvertError(msg)


def _tree_attributes(content: bytes, space: SearchSpace) -> dict[str, Any]:
    """Convert one booster with onnxmltools; return the attributes of its TreeEnsembleRegressor."""
    import onnxmltools
    import xgboost as xgb
    from onnxmltools.convert.common.data_types import FloatTensorType

    booster = xgb.Booster()
    booster.load_model(bytearray(content))
    booster.feature_names = None  # names other than f0, f1, ... fail in onnxmltools
    # From a Booster (not an XGBRegressor) all rounds are converted, as the reference predicts.
    model = onnxmltools.convert_xgboost(
        booster,
        initial_types=[("x", FloatTensorType([None, space.n_genes]))],
        target_opset=OPSET,
    )
    nodes = [node for node in model.graph.node if node.op_type == "TreeEnsembleRegressor"]
    if len(nodes) != 1 or len(model.graph.node) != 1:
        found = ", ".join(node.op_type for node in model.graph.node)
        msg = f"expected one TreeEnsembleRegressor from onnxmltools, found {found}"
        raise ConvertError(msg)
    return {a.name: helper.get_attribute_value(a) for a in nodes[0].attribute}


def _versions() -> dict[str, str]:
    return {package: version(package) for package in ("onnx", "onnxmltools")}
