"""How fast `sweep` counts, beside queries of the same architectures in the same run.

`python -m benchmarks.sweep TARGET...`: for each target some shards are swept with one thread and
with all, and as many architectures asked by index and by codes; the fastest of some rounds counts,
in CPU seconds with one thread and in seconds with more.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

import anb_onnx
from anb_onnx.engines.base import Outputs, resolve_threads
from anb_onnx.sweep import Grid, Shards, default_range, sweep
from anb_onnx.sweep.kernel import Counter
from anb_onnx.tables import TableEnsemble

#: Rows of a query: enough for all threads, little enough for any memory.
ROWS = 2**22


def main(argv: Sequence[str] | None = None) -> int:
    """Run the benchmark; return 0."""
    parser = argparse.ArgumentParser(description=__doc__, allow_abbrev=False)
    parser.add_argument("targets", nargs="*", metavar="TARGET", help="default: all")
    parser.add_argument("--shards", type=int, default=4, metavar="N", help="default: 4")
    parser.add_argument("--bins", type=int, default=4096, metavar="N", help="default: 4096")
    parser.add_argument("--rounds", type=int, default=3, metavar="N", help="default: 3")
    parser.add_argument("--json", metavar="FILE", help="write the results to a file, too")
    args = parser.parse_args(argv)
    names = args.targets or [target.name for target in anb_onnx.targets()]
    rows = []
    for name in names:
        row = measure(name, args.shards, args.bins, args.rounds)
        rows.append(row)
        print("  ".join(f"{key} {_text(value)}" for key, value in row.items()), flush=True)
    if args.json:
        Path(args.json).write_text(json.dumps(rows, indent=1) + "\n")
    return 0


def measure(name: str, n_shards: int, bins: int, rounds: int) -> dict[str, Any]:
    """Return the rates of one target, in millions of architectures a second."""
    threads = resolve_threads(None)
    with anb_onnx.load(name, engine="native") as surrogate:
        ensemble = surrogate._ensemble
        assert ensemble is not None
        grid = Grid(*default_range(ensemble), bins)
        start = time.process_time()
        counter = Counter(ensemble, grid, Shards(ensemble.space).n_fixed)
        counter.count(0, 0)
        compiled = time.process_time() - start
        # In the middle: the first ones all begin with the same, cheapest blocks.
        first = Shards(ensemble.space).count // 2
        shards = range(first, min(first + n_shards, Shards(ensemble.space).count))
        exact = sweep(ensemble, grid, shards, threads).exact
        n = len(shards) * Shards(ensemble.space).size
        row: dict[str, Any] = {"target": name, "compile_s": compiled, "float64_share": exact / n}
        for count in sorted({1, threads}):
            clock = time.process_time if count == 1 else time.perf_counter
            work = partial(sweep, ensemble, grid, shards, count)
            row[f"sweep_{count}"] = _rate(work, n, rounds, clock)
        row |= _queries(surrogate, ensemble, first, rounds)
    row["ratio_1"] = row["sweep_1"] / row["indices_1"]
    return row


def _queries(
    surrogate: anb_onnx.Surrogate, ensemble: TableEnsemble, first: int, rounds: int
) -> dict[str, float]:
    """Return the rates of queries by index and by codes, with one thread."""
    space = ensemble.space
    n = min(ROWS, space.size)
    start = min(first * Shards(space).size, space.size - n)
    indices = np.arange(start, start + n)
    codes = anb_onnx.indices_to_codes(indices, space)
    out = Outputs.empty(n, ensemble.n_members, members=False)
    with anb_onnx.load(surrogate.target.name, engine="native", threads=1) as single:
        return {
            "indices_1": _rate(lambda: single.query(indices), n, rounds, time.process_time),
            "codes_1": _rate(
                lambda: single.query_codes(codes, out=out), n, rounds, time.process_time
            ),
        }


def _rate(work: Callable[[], object], n: int, rounds: int, clock: Callable[[], float]) -> float:
    work()
    best = float("inf")
    for _ in range(rounds):
        start = clock()
        work()
        best = min(best, clock() - start)
    return n / best / 1e6


def _text(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


if __name__ == "__main__":
    sys.exit(main())
