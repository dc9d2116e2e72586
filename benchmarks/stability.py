"""Shows that a table-form file gives the same bits however onnxruntime is set up.

    python -m benchmarks.stability [--n 1000000] [--target accuracy ...]

Runs the artifact itself, not our runtime, with 1 and 2 intra-op threads, all graph optimisation
levels, and batches of 1, 7, 512 and 65,536 rows, and compares every bit of mean, std and members
with the NumPy reference. Without optimisation, batches of 1 take a tenth of the architectures only.
"""

from __future__ import annotations

import argparse
import sys
import time
from itertools import product
from typing import TypeAlias

import numpy as np
import onnxruntime

import anb_onnx
from anb_onnx.catalog.benchmarks import find_benchmark

BATCHES = (1, 7, 512, 65_536)
THREADS = (1, 2)
LEVELS = ("ORT_DISABLE_ALL", "ORT_ENABLE_BASIC", "ORT_ENABLE_ALL")
#: Threads, level of optimisation, rows a call.
Setup: TypeAlias = tuple[int, str, int]

INPUT, NAMES = "architectures", ["mean", "std", "members"]


def differing(model: bytes, codes: np.ndarray, wanted: list[np.ndarray], setup: Setup) -> int:
    """Return how many rows differ in any bit, for one set-up of onnxruntime."""
    threads, level, batch = setup
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.graph_optimization_level = getattr(onnxruntime.GraphOptimizationLevel, level)
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    found = [np.empty_like(array) for array in wanted]
    for start in range(0, len(codes), batch):
        stop = start + batch
        for whole, part in zip(found, session.run(NAMES, {INPUT: codes[start:stop]}), strict=True):
            whole[start:stop] = part
    rows = np.zeros(len(codes), dtype=bool)
    for a, b in zip(found, wanted, strict=True):
        different = a.view(np.uint32) != b.view(np.uint32)
        rows |= different if different.ndim == 1 else different.any(axis=1)
    return int(rows.sum())


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--n", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=104)
    parser.add_argument("--target", action="append", help="default: all bundled targets")
    arguments = parser.parse_args()
    catalog = find_benchmark()
    codes = anb_onnx.sample(arguments.n, seed=arguments.seed, space=catalog.space)
    total = 0
    for target in arguments.target or [t.name for t in catalog.targets]:
        model = catalog.find(target).read()
        out = anb_onnx.load(target, engine="numpy").query_codes(codes, members=True)
        assert out.members is not None
        reference = (out.mean, out.std, out.members)
        began = time.perf_counter()
        for setup in product(THREADS, LEVELS, BATCHES):
            # Unoptimised, every call slices all tables: a tenth of the rows will do at batch 1.
            rows = len(codes) // (10 if setup[1:] == ("ORT_DISABLE_ALL", 1) else 1)
            bad = differing(model, codes[:rows], [a[:rows] for a in reference], setup)
            total += bad
            if bad:
                print(f"{target}: {bad} of {rows} rows differ with threads, level, batch = {setup}")
        print(
            f"{target}: {len(codes):,} architectures, {len(THREADS) * len(LEVELS) * len(BATCHES)} "
            f"set-ups, {total} rows differ ({time.perf_counter() - began:.0f} s)",
            flush=True,
        )
    return 1 if total else 0


if __name__ == "__main__":
    sys.exit(main())
