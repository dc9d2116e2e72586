"""Where compiled kernels pay in the encoder: `python -m benchmarks.encoding`.

NumPy and numba do the same work in one process, round by round, on one thread; what numba costs
before the first result is measured in fresh processes, without and with its cache on disk. From
both follow the constants of `anb_onnx/encoding/encoding.py`. Prints tables in Markdown.

A table of values has no kernel in the package; what one would bring is measured with the kernel
here, which looks up one column at a time as NumPy does.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from math import inf
from typing import Any

import numpy as np
import pandas as pd

from anb_onnx import FBNET, MNASNET, SearchSpace, from_table, indices_to_codes, sample
from anb_onnx.encoding import encoding
from anb_onnx.encoding.encoding import check_codes, codes_to_indices, codes_to_symbols
from anb_onnx.spaces import values
from benchmarks import measure
from benchmarks.process import run_snippet

_START = """import json, os, sys, time
os.environ["NUMBA_CACHE_DIR"] = sys.argv[1]
from anb_onnx import MNASNET, sample
from anb_onnx.encoding import encoding
encoding._WARM_SECONDS = encoding._COLD_SECONDS = 0.0
codes = sample(10_000, seed=0, space=MNASNET)
seconds = {}
def clock(name, call):
    began = time.process_time()
    call()
    seconds[name] = time.process_time() - began
clock("import numba", lambda: __import__("numba"))
clock("symbols, the first kernel", lambda: encoding.codes_to_symbols(codes, MNASNET))
clock("check", lambda: encoding.check_codes(codes, MNASNET))
clock("indices", lambda: encoding.codes_to_indices(codes, MNASNET))
indices = encoding.codes_to_indices(codes, MNASNET)
clock("codes", lambda: encoding.indices_to_codes(indices, MNASNET))
print(json.dumps(seconds))
"""


@contextmanager
def _way(numba: bool) -> Iterator[None]:
    """Let the encoder use nothing but NumPy, or kernels for everything."""
    names = ("_WARM_SECONDS", "_COLD_SECONDS", "_KERNEL_ROWS")
    before = [getattr(encoding, name) for name in names]
    for name, value in zip(names, (0.0, 0.0, 0) if numba else (inf, inf, 0), strict=True):
        setattr(encoding, name, value)
    try:
        yield
    finally:
        for name, value in zip(names, before, strict=True):
            setattr(encoding, name, value)


def _either(numba: bool, call: Callable[[], Any]) -> Callable[[], Any]:
    def run() -> Any:
        with _way(numba):
            return call()

    return run


def _tasks(rows: int) -> dict[str, Callable[[], Any]]:
    codes = sample(rows, seed=0, space=MNASNET)
    indices = codes_to_indices(codes, MNASNET)
    return {
        "check codes": lambda: check_codes(codes, MNASNET),
        "codes to symbols": lambda: codes_to_symbols(codes, MNASNET),
        "codes to indices": lambda: codes_to_indices(codes, MNASNET),
        "indices to codes": lambda: indices_to_codes(indices, MNASNET),
    }


def _table(space: SearchSpace, rows: int) -> pd.DataFrame:
    codes = sample(rows, seed=0, space=space)
    columns = {g.name: np.array(g.choices)[codes[:, k]] for k, g in enumerate(space.genes)}
    return pd.DataFrame(columns)


def _kernel() -> Callable[..., None]:
    import numba

    def look_up(column: Any, first: Any, codes: Any, out: Any) -> None:
        last = np.int64(len(codes) - 1)
        for row in range(len(column)):
            place = np.int64(column[row]) - first
            out[row] = codes[min(max(place, np.int64(0)), last)]

    compiled: Callable[..., None] = numba.njit(nogil=True)(look_up)
    return compiled


def _table_with_numba(table: pd.DataFrame, space: SearchSpace, look_up: Any) -> Any:
    """Return the codes of a table of integers and booleans, column by column, block by block."""
    out = np.empty((len(table), space.n_genes), np.uint8)
    for start in range(0, len(table), values._BLOCK_ROWS):
        rows = slice(start, start + values._BLOCK_ROWS)
        for position, gene in enumerate(space.genes):
            first, codes = values._lookup(gene) or (0, np.empty(0, np.int16))
            found = np.empty(len(out[rows]), np.int16)
            look_up(table[gene.name].iloc[rows].to_numpy(), first, codes, found)
            if found.min() < 0:
                raise ValueError(gene.name)
            out[rows, position] = found
    return out


def _compare(
    numpy: Callable[[], Any], numba: Callable[[], Any], rows: int, options: argparse.Namespace
) -> str:
    """Return the cells of both and of their ratio, in nanoseconds of the processor per row."""
    calls = {"numpy": numpy, "numba": numba}
    found = measure.interleave(calls, rounds=options.rounds, seconds=options.seconds)
    nanoseconds = [
        statistics.median(t.cpu for t in timings) * 1e9 / rows for timings in found.values()
    ]
    ratio = measure.ratios(found["numpy"], found["numba"], (rows, rows), "cpu")
    return (
        f"{nanoseconds[0]:.3g} | {nanoseconds[1]:.3g} | "
        f"{ratio['median']:.2g} ({ratio['min']:.2g} to {ratio['max']:.2g})"
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=0.2, help="per round and way")
    parser.add_argument("--starts", type=int, default=3, help="fresh processes of each kind")
    options = parser.parse_args()
    print("| batch | rows | NumPy, ns/row | numba, ns/row | ratio |")
    print("| --- | ---: | ---: | ---: | ---: |")
    for rows in (1_000, 10_000, 100_000, 1_000_000):
        for name, call in _tasks(rows).items():
            cells = _compare(_either(False, call), _either(True, call), rows, options)
            print(f"| {name} | {rows:,} | {cells} |", flush=True)
    look_up = _kernel()
    for rows in (10_000, 100_000, 1_000_000):
        table = _table(MNASNET, rows)
        with_numpy = partial(from_table, table, MNASNET)
        with_numba = partial(_table_with_numba, table, MNASNET, look_up)
        assert (with_numba() == with_numpy()).all()
        cells = _compare(with_numpy, with_numba, rows, options)
        print(f"| table of integers and booleans | {rows:,} | {cells} |", flush=True)
        table = _table(FBNET, rows)
        call = _either(False, partial(from_table, table, FBNET))
        time = measure.interleave({"": call}, rounds=options.rounds, seconds=options.seconds)[""]
        nanoseconds = statistics.median(t.cpu for t in time) * 1e9 / rows
        print(f"| table of strings | {rows:,} | {nanoseconds:.3g} | - | - |", flush=True)
    _print_starts(options.starts)
    return 0


def _print_starts(n: int) -> None:
    """Print what numba costs before its first result."""
    found: dict[str, list[dict[str, float]]] = {"without a cache": [], "with a cache": []}
    for _ in range(n):
        with tempfile.TemporaryDirectory() as folder:
            for kind in found:
                found[kind].append(run_snippet(_START, folder))
    print("\n| in a fresh process, processor seconds | without a cache | with a cache |")
    print("| --- | ---: | ---: |")
    for name in found["with a cache"][0]:
        cells = " | ".join(
            f"{statistics.median(s[name] for s in starts):.2g}" for starts in found.values()
        )
        print(f"| {name} | {cells} |")


if __name__ == "__main__":
    sys.exit(main())
