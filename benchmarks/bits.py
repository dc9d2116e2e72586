"""Whether engines agree to the last bit: `python -m benchmarks.bits [N]`."""

from __future__ import annotations

import sys
import time
from typing import Any

import anb_onnx
from anb_onnx.catalog.benchmarks import find_benchmark
from anb_onnx.engines.base import Outputs
from benchmarks.settings import Settings
from benchmarks.subject import draw

_CHUNK = 500_000


def agreement(n: int) -> dict[str, Any]:
    """Compare native with onnxruntime on `n` random architectures, for every bundled target.

    Returns
    -------
    dict
        Per target: rows, members, and how many of the rows' means, stds and members differ in
        their bits; all of them are compared as bytes, so that NaN and -0 would count.
    """
    names = [a.target.name for a in find_benchmark().artifacts if "tables" in a.card]
    engines = {
        name: [anb_onnx.load(name, engine=engine) for engine in ("native", "onnxruntime")]
        for name in names
    }
    differing = dict.fromkeys(names, 0)
    began = time.perf_counter()
    for start in range(0, n, _CHUNK):
        codes = draw(min(_CHUNK, n - start), seed=1000 + start // _CHUNK)
        for name, (native, other) in engines.items():
            one, two = (s.query_codes(codes, members=True) for s in (native, other))
            differing[name] += _different_values(one, two)
    seconds = time.perf_counter() - began
    return {
        "rows": n,
        "seconds": seconds,
        "targets": {
            name: {"members": pair[0].n_members, "different_values": differing[name]}
            for name, pair in engines.items()
        },
    }


def _different_values(one: Outputs, two: Outputs) -> int:
    total = 0
    for a, b in zip(one, two, strict=True):
        if a is not None and b is not None and a.tobytes() != b.tobytes():
            total += int((a.view("u4") != b.view("u4")).sum())
    return total


if __name__ == "__main__":
    found = agreement(int(sys.argv[1]) if len(sys.argv) > 1 else Settings().bits)
    for target, facts in found["targets"].items():
        print(
            f"{target}: {facts['different_values']} of the values of {found['rows']:,} rows differ"
        )
    raise SystemExit(any(facts["different_values"] for facts in found["targets"].values()))
