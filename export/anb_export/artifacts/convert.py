"""The forms that stay what was trained: one ONNX graph of the ai.onnx.ml domain for an ensemble.

Trees: "trees" goes through onnxmltools and runs on any onnxruntime; "tree64" is written by `tree64`
and gives the same bits for every batch and number of threads. Support vector machines have one
form, "kernel", written by `kernel_form`.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib.metadata import version
from typing import Any

from onnx import TensorProto, helper

from anb_export.artifacts.describe import describe
from anb_export.artifacts.forms import (
    FORMS,
    KERNEL_FAMILIES,
    TRAINED_FORMS,
    ConvertError,
    Members,
    check_difference,
    choose,
)
from anb_export.graphs.graph import GraphBuilder, make_model, serialise
from anb_export.models.forest import Forest
from anb_export.models.svm_form import Kernel
from anb_export.training.members_folder import Training
from anb_onnx.catalog.card import Card
from anb_onnx.links import Link
from anb_onnx.onnx_files.building import OPSET
from anb_onnx.onnx_files.steps import INPUT, add_ensemble_outputs
from anb_onnx.spaces.space import SearchSpace

_ML_DOMAIN = "ai.onnx.ml"
# TreeEnsembleRegressor as onnxmltools writes it has not changed since its first version.
_ML_OPSET = 1

#: Packages that write each form.
_PACKAGES = {
    "trees": ("onnx", "onnxmltools"),
    "tree64": ("onnx",),
    "kernel": ("onnx", "skl2onnx"),
}


def convert(training: Training, *, form: str | None = None) -> tuple[bytes, Card]:
    """Convert trained members into one ONNX model.

    Parameters
    ----------
    training : Training
    form : str, optional
        One of `forms.TRAINED_FORMS`, the first if not given. Support vector machines take none.

    Returns
    -------
    model : bytes
        The ONNX file; equal members and versions give equal bytes.
    card : Card
        Its model card, which is also in the model's metadata.

    Raises
    ------
    AnbError
        If a member is damaged or of an unsupported kind, the recipe trains on transformed labels,
        the form does not fit the members, or the converted graph does not predict what they
        predict.
    """
    space = training.space
    kernels = training.family in KERNEL_FAMILIES
    form = choose(form, TRAINED_FORMS, kernels=kernels)
    if training.transform != Link():
        msg = (
            f"recipe {training.document['recipe']['name']!r} trains on transformed labels, "
            "which the tree form does not support"
        )
        raise ConvertError(msg)
    # Parsing refuses, by name, what onnxmltools would convert wrongly without a word: several
    # outputs, dart, gblinear, objectives with a link function.
    parsed = training.members() if kernels else training.forests()
    _check_features(training, parsed, space)
    members = Members(parsed, space, unit=training.target_std)
    if form == "trees" and training.family != "xgb":
        msg = f"members of the family {training.family} have the form tree64: --form tree64"
        raise ConvertError(msg)
    versions = {package: version(package) for package in _PACKAGES[form]}
    card = describe(training, form=form, versions=versions)
    if form != "trees":
        return FORMS[form](members, card)
    model = _boosters(training, space, card)
    # A first check, so that no wrong file is ever written; `anb-export verify` does it at length.
    check_difference(members, model, form)
    return model, card


def _boosters(training: Training, space: SearchSpace, card: Card) -> bytes:
    """Return the graph of boosters of xgboost, as onnxmltools converts them.

    In float64: onnxruntime then adds the leaves in float64 and rounds once, instead of once per
    tree. Largest error of one upstream member of 1,467 trees on 20,000 random architectures, in
    standard deviations of the target::

                                          accuracy   throughput_tpuv2
        xgboost itself                     7.6e-5        1.6e-5
        float32                            6.6e-5        1.6e-5
        float32, nodes of 500 trees        4.0e-5        8.6e-6
        float32, nodes of 100 trees        1.8e-5        3.6e-6
        float64                            1.1e-6        2.1e-7   (half a unit of float32)

    The speed is the same: 33,000 to 36,000 rows/s on one thread in float32 and in float64.
    """
    builder = GraphBuilder()
    x = builder.cast(INPUT, TensorProto.DOUBLE)
    members = []
    for content in training.contents():
        trees = builder.add(
            "TreeEnsembleRegressor", x, domain=_ML_DOMAIN, **_tree_attributes(content, space)
        )
        members.append(builder.cast(trees, TensorProto.DOUBLE))
    add_ensemble_outputs(builder, builder.add("Concat", *members, axis=1), len(members))
    model = make_model(
        builder,
        space=space,
        n_members=len(members),
        card=card,
        domains={_ML_DOMAIN: _ML_OPSET},
    )
    return serialise(model)


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
