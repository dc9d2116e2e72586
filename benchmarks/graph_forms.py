"""Two graphs for the same tables in onnxruntime: `python -m benchmarks.graph_forms`.

The bundled form gathers from 21 tables, one per pair of blocks. The seven lines of the Fano plane
contain every pair of seven points exactly once, so seven tables over three blocks each hold the
same sums: a third of the Gathers, from tables of 12 MB instead of 1 MB. onnxruntime folds them
out of the pairs when it loads the file.
"""

from __future__ import annotations

import sys
import time
from functools import partial
from itertools import combinations
from typing import Any

import numpy as np
import onnxruntime as ort
from anb_export.graphs.graph import GraphBuilder, make_model, serialise
from onnx import TensorProto, numpy_helper

from anb_onnx.encoding.encoding import codes_to_symbols
from anb_onnx.links import Link
from anb_onnx.onnx_files.steps import INPUT, add_ensemble_outputs, invert_link, rows_inside
from anb_onnx.spaces.mnasnet import MNASNET
from anb_onnx.tables import TableEnsemble
from anb_onnx.terms import all_pairs
from anb_onnx.writing.table_form import TABLES, add_symbols, build_table_model
from benchmarks import measure
from benchmarks.settings import QUICK, Settings
from benchmarks.subject import Codes, draw

#: The lines of the Fano plane.
LINES = ((0, 1, 3), (1, 2, 4), (2, 3, 5), (3, 4, 6), (0, 4, 5), (1, 5, 6), (0, 2, 6))
_ROWS_PER_CALL = (512, 2048, 4096)


def compare(ensemble: TableEnsemble | None, settings: Settings) -> dict[str, Any]:
    """Return rows per second on one thread of both forms, per number of rows in a call.

    Ratios are of processor time.
    """
    ensemble = ensemble or random_tables()
    forms = {"pairs": build_table_model(ensemble, {}).content, "lines": lines_model(ensemble)}
    sessions, opened = {}, {}
    for name, content in forms.items():
        began = time.perf_counter()
        sessions[name] = _session(content)
        opened[name] = time.perf_counter() - began
    codes = draw(settings.fast_rows, seed=6)
    some = codes[: max(_ROWS_PER_CALL)]
    expected = ensemble.predict(codes_to_symbols(some, ensemble.space))
    same = {
        name: all(
            a.tobytes() == b.tobytes()
            for a, b in zip(session.run(None, {INPUT: some}), expected, strict=True)
        )
        for name, session in sessions.items()
    }
    found: dict[str, Any] = {
        "bits_equal": same,
        "file_bytes": {name: len(content) for name, content in forms.items()},
        "seconds_to_open": opened,
        "rates": {name: {} for name in forms},
        "pairs_over_lines": {},
    }
    for rows in _ROWS_PER_CALL:
        batches = measure.batches(codes, rows, len(codes))
        calls = {
            name: measure.rotate(partial(_answer, session), batches)
            for name, session in sessions.items()
        }
        timings = measure.interleave(
            calls, rounds=settings.headline_rounds, seconds=2 * settings.seconds
        )
        for name, values in timings.items():
            found["rates"][name][str(rows)] = measure.rates(values, rows)
        found["pairs_over_lines"][str(rows)] = measure.ratios(
            timings["lines"], timings["pairs"], (rows, rows), "cpu"
        )
    return found


def lines_model(ensemble: TableEnsemble) -> bytes:
    """Return the ONNX file that gathers from seven tables over three blocks each."""
    space = ensemble.space
    of_lines = sorted(pair for line in LINES for pair in combinations(line, 2))
    if of_lines != sorted(ensemble.terms.blocks):
        msg = f"the lines hold the pairs of seven blocks, {space.name!r} has {space.n_blocks}"
        raise ValueError(msg)
    builder = GraphBuilder()
    symbols = add_symbols(builder, space)
    builder.constants.append(numpy_helper.from_array(ensemble.entries, TABLES))
    sizes = space.block_sizes
    gathered = []
    for a, b, c in LINES:
        sides = [
            _spread(builder, ensemble, (a, b), [sizes[a], sizes[b], 1]),
            _spread(builder, ensemble, (a, c), [sizes[a], 1, sizes[c]]),
            _spread(builder, ensemble, (b, c), [1, sizes[b], sizes[c]]),
        ]
        flat = builder.constant([-1, ensemble.n_members], np.int64)
        table = builder.add("Reshape", builder.add_all(sides), flat)
        index = _scaled(builder, symbols[a], sizes[b])
        index = _scaled(builder, builder.add("Add", index, symbols[b]), sizes[c])
        gathered.append(builder.add("Gather", table, builder.add("Add", index, symbols[c]), axis=0))
    total = builder.cast(builder.add_all(gathered), TensorProto.DOUBLE)
    scaled = builder.add("Mul", total, builder.constant(ensemble.scale, np.float64))
    u = builder.add("Add", scaled, builder.constant(ensemble.shift, np.float64))
    inside = rows_inside(builder, ensemble.link.regime, space)
    y = invert_link(builder, ensemble.link, u, inside)
    add_ensemble_outputs(builder, y, ensemble.n_members)
    return serialise(make_model(builder, space=space, n_members=ensemble.n_members, card={}))


def random_tables(n_members: int = 8) -> TableEnsemble:
    """Return tables of random entries with the shape of the accuracy surrogate's."""
    entries = np.random.default_rng(0).integers(
        -(2**20), 2**20, (all_pairs(MNASNET).offsets[-1], n_members), dtype=np.int32
    )
    return TableEnsemble(MNASNET, entries, 2.0**-24 * 1e-4, 7e-4, Link("-1"))


def _spread(
    builder: GraphBuilder, ensemble: TableEnsemble, pair: tuple[int, int], shape: list[int]
) -> str:
    """Append a pair's table, shaped for adding it to those of the other two pairs of a line."""
    place, offsets = ensemble.terms.blocks.index(pair), ensemble.terms.offsets
    rows = [builder.constant([at], np.int64) for at in (offsets[place], offsets[place + 1], 0)]
    table = builder.add("Slice", TABLES, *rows)
    return builder.add("Reshape", table, builder.constant([*shape, ensemble.n_members], np.int64))


def _scaled(builder: GraphBuilder, symbol: str, factor: int) -> str:
    return builder.add("Mul", symbol, builder.constant(factor, np.int32))


def _answer(session: ort.InferenceSession, codes: Codes) -> list[Any]:
    found: list[Any] = session.run(["mean", "std"], {INPUT: codes})
    return found


def _session(content: bytes) -> ort.InferenceSession:
    options = ort.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    return ort.InferenceSession(content, options, providers=["CPUExecutionProvider"])


if __name__ == "__main__":
    found = compare(None, QUICK if "--quick" in sys.argv else Settings())
    print("same bits as the tables:", found["bits_equal"], " bytes:", found["file_bytes"])
    for rows, ratio in found["pairs_over_lines"].items():
        million = {
            n: r[rows]["rows_per_cpu_second"]["median"] / 1e6 for n, r in found["rates"].items()
        }
        print(
            f"{rows} rows per call: pairs {million['pairs']:.2f}, lines {million['lines']:.2f} "
            f"million rows/s; pairs are {ratio['median']:.2f} ({ratio['min']:.2f} to "
            f"{ratio['max']:.2f}) times as fast"
        )
