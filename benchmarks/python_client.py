"""Predictions per second of one engine in this process, for `python -m benchmarks.languages`.

    python -m benchmarks.python_client TARGET [--engine native] [--rows N] [--repeats N]

Prints JSON: the medians of the passes, in seconds of the clock and of the processor. Before any of
them counts the engine has to give the golden bits of the target.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
from typing import Any

import anb_onnx
from anb_onnx.catalog.benchmarks import find_benchmark
from anb_onnx.catalog.golden import read_golden, same_bits
from anb_onnx.engines.base import Outputs
from anb_onnx.errors import AnbError
from benchmarks import measure


def run(target: str, engine: str, rows: int, repeats: int) -> dict[str, Any]:
    """Time `query_codes(codes, out=out)` on one thread, pass by pass."""
    golden = read_golden(find_benchmark().folder)
    if golden is None or target not in golden.outputs:
        msg = f"the artifacts have no golden vectors of {target}"
        raise RuntimeError(msg)
    with anb_onnx.load(target, engine=engine, threads=1) as surrogate:
        found = surrogate.query_codes(golden.codes, members=True)
        if not same_bits(found, golden.outputs[target]):
            msg = f"{engine} does not give the golden bits of {target}"
            raise RuntimeError(msg)
        codes = anb_onnx.sample(rows, seed=6, space=anb_onnx.MNASNET)
        out = Outputs.empty(rows, surrogate.n_members, members=False)

        def call() -> None:
            surrogate.query_codes(codes, out=out)

        call()  # touches the memory
        timings = [measure.measure(call, 1) for _ in range(repeats)]
    return {
        "engine": engine,
        "rows": rows,
        "wall": statistics.median(t.wall for t in timings),
        "cpu": statistics.median(t.cpu for t in timings),
    }


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("target")
    parser.add_argument("--engine", default="native")
    parser.add_argument("--rows", type=int, default=262_144)
    parser.add_argument("--repeats", type=int, default=20)
    args = parser.parse_args()
    try:
        print(json.dumps(run(args.target, args.engine, args.rows, args.repeats)))
    except (RuntimeError, AnbError) as error:
        sys.exit(str(error))
