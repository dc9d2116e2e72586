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

from anb_onnx.errors import AnbError
from anb_onnx.onnx_files.building import Graph
from anb_onnx.onnx_files.graph import MOST_EXACT
from anb_onnx.onnx_files.steps import (
    DOUBLE,
    FLOAT,
    INPUT,
    INT32,
    Builder,
    add_ensemble_outputs,
    invert_link,
    rows_inside,
)
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
    builder = Graph()
    symbols = add_symbols(builder, space)
    entries = np.ascontiguousarray(ensemble.entries, dtype="<i4")
    builder.named_constant(TABLES, entries)
    tensor = builder.constants[-1]
    total = add_sum_of_terms(builder, ensemble.terms, symbols)
    scaled = builder.add(
        "Mul", builder.cast(total, DOUBLE), builder.constant(ensemble.scale, np.float64)
    )
    u = builder.add("Add", scaled, builder.constant(ensemble.shift, np.float64))
    inside = rows_inside(builder, ensemble.link.regime, space)
    y = invert_link(builder, ensemble.link, u, inside)
    add_ensemble_outputs(builder, y, ensemble.n_members)
    content = builder.model(space=space, n_members=ensemble.n_members, card=card)
    tables = {
        "offset": end_of(tensor, content) - entries.nbytes,
        "entries": len(entries),
        "members": ensemble.n_members,
        "scale": ensemble.scale,
        "shift": ensemble.shift,
    }
    return TableModel(content, {**card, "tables": tables})


def end_of(tensor: bytes, content: bytes) -> int:
    """Return the byte of a file behind a constant, which must stand in it once.

    Parameters
    ----------
    tensor : bytes
        With its head, that is name and shape: tables of a few zeros could lie anywhere.
    content : bytes
        The file.

    Raises
    ------
    AnbError
    """
    end = content.find(tensor) + len(tensor)
    if end < len(tensor) or content.find(tensor, end) >= 0:
        msg = "the tables do not lie in one place of the file"
        raise AnbError(msg)
    return end


def add_symbols(builder: Builder, space: SearchSpace) -> list[str]:
    """Append the symbols of the input's architectures; return one int32 [N] per block."""
    weights = np.zeros((space.n_blocks, space.n_genes), dtype=np.float32)
    for block, genes in enumerate(space.block_slices):
        if space.block_sizes[block] <= MOST_EXACT:
            weights[block, genes] = space.symbol_weights[genes]
    # Transposed, so that each block's symbols are contiguous.
    codes = builder.add("Transpose", INPUT, perm=[1, 0])
    matrix = integers = ""
    if weights.any():
        floats = builder.cast(codes, FLOAT)
        matrix = builder.add("MatMul", builder.constant(weights, np.float32), floats)
        matrix = builder.cast(matrix, INT32)
    if max(space.block_sizes) > MOST_EXACT:
        integers = builder.cast(codes, INT32)
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


def add_sum_of_terms(builder: Builder, terms: Terms, symbols: list[str]) -> str:
    """Append the sum [N, M] of the entries of all terms, of the constant `TABLES` [entries, M]."""
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
    builder: Builder,
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
