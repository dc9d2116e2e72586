"""The vector form: several outputs over the same terms as one ONNX graph, and curves made of them.

One Gather a term serves all outputs. What follows the sums is `anb_onnx.vectors` and
`anb_onnx.curves` in operators that IEEE 754 rounds correctly, in their order.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from anb_onnx._io.show import show
from anb_onnx.catalog.card import VECTOR, check_values
from anb_onnx.curves import CurveForm
from anb_onnx.errors import ArtifactError
from anb_onnx.onnx_files.building import Graph
from anb_onnx.onnx_files.graph import check_same
from anb_onnx.onnx_files.steps import (
    DOUBLE,
    FLOAT,
    add_ensemble_outputs,
    add_summary,
    invert_link,
    rows_inside,
)
from anb_onnx.vectors import VectorEnsemble
from anb_onnx.writing.table_form import (
    TABLES,
    TableModel,
    add_sum_of_terms,
    add_symbols,
    end_of,
)


def build_vector_model(vector: VectorEnsemble, card: Mapping[str, Any]) -> TableModel:
    """Return the ONNX file of an ensemble of several outputs.

    Parameters
    ----------
    vector : VectorEnsemble
    card : mapping
        The target's entry of the manifest, without what concerns the file, and with ``outputs``:
        it says of each output unit and direction at least. What the ensemble says itself (terms,
        names and links of the outputs, the curve) is added.

    Returns
    -------
    TableModel
        Its card has ``tables`` of the vector form.

    Raises
    ------
    ArtifactError
        If the card says something else than the ensemble, or too little of an output.
    """
    card = {**card, **stated(vector, card)}
    check_values(card, ("outputs",), "the card")
    builder = Graph()
    symbols = add_symbols(builder, vector.space)
    entries = np.ascontiguousarray(vector.entries, dtype="<i4")
    builder.named_constant(TABLES, entries)
    tensor = builder.constants[-1]
    total = builder.cast(add_sum_of_terms(builder, vector.terms, symbols), DOUBLE)
    outputs = [_output(builder, vector, total, k) for k in range(len(vector.outputs))]
    members = vector.n_members
    # Of a curve, outputs are coefficients, and the target is what they make at the last knot.
    target, curve = outputs[0], ""
    if vector.curve is not None:
        curve = _curve(builder, vector.curve, outputs)
        last = builder.constant(len(vector.curve.at) - 1, np.int64)
        target = builder.add("Gather", curve, last, axis=2)
    add_ensemble_outputs(builder, target, members)
    more = {"output_means": [len(outputs)], "output_stds": [len(outputs)]}
    more["output_members"] = [members, len(outputs)]
    joined = _joined(builder, outputs, 2)
    _add_outputs(builder, joined, members, ("output_means", "output_stds", "output_members"))
    if vector.curve is not None:
        knots = len(vector.curve.at)
        more |= {"curve_mean": [knots], "curve_std": [knots], "curve_members": [members, knots]}
        _add_outputs(builder, curve, members, ("curve_mean", "curve_std", "curve_members"))
    content = builder.model(space=vector.space, n_members=members, card=card, more=more)
    tables = {
        "offset": end_of(tensor, content) - entries.nbytes,
        "entries": len(entries),
        "members": members,
        "outputs": len(outputs),
        "scale": [output.scale for output in vector.outputs],
        "shift": [output.shift for output in vector.outputs],
    }
    return TableModel(content, {**card, "tables": tables})


def check_graph(model: bytes, vector: VectorEnsemble, card: Mapping[str, Any], source: str) -> None:
    """Compare what a file's graph computes with what its card says of its tables.

    Raises
    ------
    ArtifactError
        Naming the first output that is computed otherwise.
    """
    check_same(model, build_vector_model(vector, card).content, vector.terms, source)


def stated(vector: VectorEnsemble, card: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a card says of an ensemble: form, members, terms, outputs, link and curve."""
    listed: Any = card.get("outputs")
    n = len(vector.outputs)
    is_list = isinstance(listed, list | tuple) and all(isinstance(o, Mapping) for o in listed)
    if not is_list or len(listed) != n:
        msg = (
            f"the card: key 'outputs' must be a list of {n} objects, one for each of "
            f"{', '.join(vector.names)}, not {show(listed)}"
        )
        raise ArtifactError(msg)
    outputs = [
        _with(told, {"name": name, "link": output.link.to_dict()}, f"outputs[{k}].")
        for k, (told, name, output) in enumerate(
            zip(listed, vector.names, vector.outputs, strict=True)
        )
    ]
    link = (vector.outputs[0] if vector.curve is None else vector.curve).link
    known: dict[str, Any] = {
        "form": VECTOR,
        "members": vector.n_members,
        "terms": vector.terms.to_list(),
        "link": link.to_dict(),
    }
    if vector.curve is not None:
        known["curve"] = vector.curve.to_dict()
    elif card.get("curve") is not None:
        msg = "the card: key 'curve' is there, but the ensemble makes no curve"
        raise ArtifactError(msg)
    return {
        **_with({key: card[key] for key in known if key in card}, known, ""),
        "outputs": outputs,
    }


def _with(told: Mapping[str, Any], known: Mapping[str, Any], place: str) -> dict[str, Any]:
    """Return what is told, and what is known besides; refuse what is told otherwise."""
    for key, value in known.items():
        if told.get(key, value) != value:
            msg = (
                f"the card: key '{place}{key}' is {show(told[key])}, but {show(value)} in the "
                "ensemble; leave it out"
            )
            raise ArtifactError(msg)
    return {**told, **known}


def _output(builder: Graph, vector: VectorEnsemble, total: str, k: int) -> str:
    """Append the members' predictions of one output, float64 [N, M]."""
    output, members = vector.outputs[k], vector.n_members
    columns = builder.constant(np.arange(k * members, (k + 1) * members), np.int64)
    own = builder.add("Gather", total, columns, axis=1)
    scaled = builder.add("Mul", own, builder.constant(output.scale, np.float64))
    u = builder.add("Add", scaled, builder.constant(output.shift, np.float64))
    inside = rows_inside(builder, output.link.regime, vector.space)
    return invert_link(builder, output.link, u, inside)


def _curve(builder: Graph, form: CurveForm, outputs: list[str]) -> str:
    """Append the members' curves at all knots, float64 [N, M, T]; see `anb_onnx.curves`."""
    _, offset, basis, rest = form.arrays
    z = builder.constant(offset, np.float64)
    for j in range(form.n_coefficients):
        column = builder.add("Unsqueeze", outputs[j], axes=[2])
        part = builder.add("Mul", column, builder.constant(basis[:, j], np.float64))
        z = builder.add("Add", z, part)
    if form.gate is not None:
        zero, one = (builder.constant(v, np.float64) for v in (0.0, 1.0))
        gate = builder.add("Min", builder.add("Max", outputs[form.gate], zero), one)
        column = builder.add("Unsqueeze", gate, axes=[2])
        low = builder.constant(rest, np.float64)
        z = builder.add("Add", low, builder.add("Mul", column, builder.add("Sub", z, low)))
    if form.range is not None:
        low, high = (builder.constant(v, np.float64) for v in form.range)
        z = builder.add("Min", builder.add("Max", z, low), high)
    return invert_link(builder, form.link, z, "")


def _joined(builder: Graph, values: list[str], axis: int) -> str:
    """Append tensors of one shape side by side along a new axis."""
    columns = [builder.add("Unsqueeze", value, axes=[axis]) for value in values]
    return columns[0] if len(columns) == 1 else builder.add("Concat", *columns, axis=axis)


def _add_outputs(builder: Graph, members: str, n_members: int, names: tuple[str, ...]) -> None:
    """Append outputs of the graph: mean and std over axis 1, and the members themselves."""
    for name, value in zip(
        names, (*add_summary(builder, members, n_members), members), strict=True
    ):
        builder.output(name, "Cast", value, to=FLOAT)
