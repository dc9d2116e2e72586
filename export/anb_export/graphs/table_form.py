"""The table form: integer tables as one ONNX graph of standard operators.

The graph computes what `anb_onnx.tables` defines, with operators that every ONNX runtime has:
symbols by one small MatMul, one Gather per term, an integer sum, and the float64 tail.

Symbols below 256, and all summands of theirs, are exact in float32 and in the shorter formats
(TF32, bfloat16) that accelerators may put in its place. Larger blocks' symbols, and the indices of
entries, are computed in int32.

Pairs or lines: the seven lines of the Fano plane hold all pairs of seven blocks in 7 Gathers
instead of 21, from tables folded out of the pairs at load. The bits are the same, and the speed is
a tie that the third-level cache decides: onnxruntime 1.31, one thread, 8 members, million
architectures per second at 512 / 2,048 / 4,096 rows per call, on an idle machine pairs
4.7 / 7.0 / 7.8 and lines 4.3 / 7.8 / 9.3, on a busy one pairs 3.9 / 5.9 / 6.8 and lines
4.4 / 5.1 / 4.3. Pairs stay, because a loaded file then takes 1 MB of memory and not 12, opens in
half the time, and depends on nobody else's use of the cache. (`python -m benchmarks.graph_forms`
measures it again.)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from onnx import TensorProto, numpy_helper

from anb_export.graphs.graph import INPUT, GraphBuilder, add_ensemble_outputs, make_model, serialise
from anb_onnx.errors import AnbError
from anb_onnx.links import Link
from anb_onnx.onnx_files.graph import MOST_EXACT
from anb_onnx.regimes import Regime
from anb_onnx.spaces.space import SearchSpace
from anb_onnx.tables import TableEnsemble
from anb_onnx.terms import Terms

#: Name of the initializer that holds all tables.
TABLES = "tables"


@dataclass(frozen=True)
class TableModel:
    """A table-form ONNX file, and where its tables lie in it.

    Attributes
    ----------
    content : bytes
    card : dict
        The card, with what the file adds to it: ``terms``, which blocks the tables are of, and
        ``tables``: ``offset`` (byte of the file where the entries begin, as little-endian int32 in
        rows of one value per member), ``entries``, ``members``, ``scale`` and ``shift``.
    """

    content: bytes
    card: dict[str, Any]


def build_table_model(ensemble: TableEnsemble, card: Mapping[str, Any]) -> TableModel:
    """Return the ONNX file of an ensemble.

    Parameters
    ----------
    ensemble : TableEnsemble
    card : mapping
        The target's entry of the manifest, without what concerns the file; becomes metadata.

    Raises
    ------
    AnbError
        If the graph is refused.
    """
    space = ensemble.space
    card = {**card, "terms": ensemble.terms.to_list()}
    builder = GraphBuilder()
    symbols = _symbols(builder, space)
    entries = np.ascontiguousarray(ensemble.entries, dtype="<i4")
    builder.constants.append(numpy_helper.from_array(entries, TABLES))
    total = _sum_of_terms(builder, ensemble.terms, symbols)
    scaled = builder.add(
        "Mul", builder.cast(total, TensorProto.DOUBLE), builder.constant(ensemble.scale, np.float64)
    )
    u = builder.add("Add", scaled, builder.constant(ensemble.shift, np.float64))
    inside = rows_inside(builder, ensemble.link.regime, space)
    y = invert_link(builder, ensemble.link, u, inside)
    add_ensemble_outputs(builder, y, ensemble.n_members)
    model = make_model(builder, space=space, n_members=ensemble.n_members, card=card)
    content = serialise(model)
    raw = entries.tobytes()
    offset = content.find(raw)
    if offset < 0 or content.find(raw, offset + 1) >= 0:
        msg = "the tables do not lie in one place of the file"
        raise AnbError(msg)
    tables = {
        "offset": offset,
        "entries": len(entries),
        "members": ensemble.n_members,
        "scale": ensemble.scale,
        "shift": ensemble.shift,
    }
    return TableModel(content, {**card, "tables": tables})


def rows_inside(builder: GraphBuilder, regime: Regime | None, space: SearchSpace) -> str:
    """Return bool [N, 1]: whether architectures are inside the regime; "" where there is none."""
    if regime is None:
        return ""
    regime.check(space)
    position = space.positions[regime.gene]
    inside = np.isin(np.arange(space.gene_sizes[position]), regime.codes)
    code = builder.add("Gather", INPUT, builder.constant(position, np.int64), axis=1)
    table = builder.constant(inside[:, None], np.bool_)
    return builder.add("Gather", table, builder.cast(code, TensorProto.INT32), axis=0)


def invert_link(builder: GraphBuilder, link: Link, u: str, inside: str) -> str:
    """Append the steps of the inverse link to the float64 tensor `u`."""
    y, bends = u, iter(link.bends)
    for step in link.inverse_steps:
        if step == "square":
            y = builder.add("Mul", y, y)
        elif step == "sqrt":
            y = builder.add("Sqrt", y)
        elif step == "reciprocal":
            y = builder.add("Div", builder.constant(1.0, np.float64), y)
        elif step == "reflect":
            y = builder.add("Sub", builder.constant(link.offset, np.float64), y)
        else:
            knot, change, zero = (builder.constant(v, np.float64) for v in (*next(bends), 0.0))
            above = builder.add("Max", builder.add("Sub", y, knot), zero)
            bent = builder.add("Add", y, builder.add("Mul", above, change))
            y = bent if step == "hinge" else builder.add("Where", inside, bent, y)
    return y


def _symbols(builder: GraphBuilder, space: SearchSpace) -> list[str]:
    """Return one int32 [N] per block."""
    weights = np.zeros((space.n_blocks, space.n_genes), dtype=np.float32)
    for block, genes in enumerate(space.block_slices):
        if space.block_sizes[block] <= MOST_EXACT:
            weights[block, genes] = space.symbol_weights[genes]
    # Transposed, so that each block's symbols are contiguous.
    codes = builder.add("Transpose", INPUT, perm=[1, 0])
    matrix = integers = ""
    if weights.any():
        floats = builder.cast(codes, TensorProto.FLOAT)
        matrix = builder.add("MatMul", builder.constant(weights, np.float32), floats)
        matrix = builder.cast(matrix, TensorProto.INT32)
    if max(space.block_sizes) > MOST_EXACT:
        integers = builder.cast(codes, TensorProto.INT32)
    symbols = []
    for block, genes in enumerate(space.block_slices):
        if space.block_sizes[block] <= MOST_EXACT:
            symbols.append(builder.add("Gather", matrix, builder.constant(block, np.int64), axis=0))
            continue
        digits = [
            builder.add("Gather", integers, builder.constant(column, np.int64), axis=0)
            for column in range(space.n_genes)[genes]
        ]
        symbols.append(_mixed_radix(builder, digits, space.gene_sizes[genes], {}))
    return symbols


def _sum_of_terms(builder: GraphBuilder, terms: Terms, symbols: list[str]) -> str:
    """Return int32 [N, M]: the sum of the entries of all terms."""
    axes = builder.constant([0], np.int64)
    known: dict[tuple[str, int], str] = {}
    found = []
    for k, (term, shape) in enumerate(zip(terms.blocks, terms.shapes, strict=True)):
        index = _mixed_radix(builder, [symbols[block] for block in term], shape, known)
        table = builder.add(
            "Slice",  # of a constant: runtimes fold it when they load the file
            TABLES,
            builder.constant([terms.offsets[k]], np.int64),
            builder.constant([terms.offsets[k + 1]], np.int64),
            axes,
        )
        found.append(builder.add("Gather", table, index, axis=0))
    return builder.add_all(found)


def _mixed_radix(
    builder: GraphBuilder,
    digits: Sequence[str],
    sizes: Sequence[int],
    known: dict[tuple[str, int], str],
) -> str:
    """Put int32 digits together, the first most significant; `known` holds products made before."""
    value = digits[0]
    for digit, size in zip(digits[1:], sizes[1:], strict=True):
        if (value, size) not in known:
            known[value, size] = builder.add("Mul", value, builder.constant(size, np.int32))
        value = builder.add("Add", known[value, size], digit)
    return value
