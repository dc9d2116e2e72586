"""Throughput: contenders side by side, the curve over batch sizes, and several targets at once."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from typing import Any, Literal

import anb_onnx
from anb_onnx.catalog.benchmarks import find_benchmark
from benchmarks import measure
from benchmarks.contenders import Contender
from benchmarks.settings import Settings
from benchmarks.subject import Codes, draw

#: Rows per second above which a contender gets the larger batch of the comparison: between the
#: slowest engine that looks up tables and the fastest that walks trees.
_FAST = 2e5


def compare(contenders: Sequence[Contender], settings: Settings) -> dict[str, Any]:
    """Time all contenders round by round; ratios are those of the same round.

    Returns
    -------
    dict
        Per contender: rows per call, rates, and how many times as fast native is on one thread
        (``native_1``) and on as many threads as it has (``native_same``).
    """
    size = {c.key: _rows(c, settings) for c in contenders}
    codes = draw(4 * settings.fast_rows, seed=2)
    timings = measure.interleave(
        {c.key: _call(c, codes, size[c.key], 4 * size[c.key]) for c in contenders},
        rounds=settings.headline_rounds,
        seconds=settings.seconds,
    )
    rows = {c.key: size[c.key] * c.share for c in contenders}
    found = {}
    for c in contenders:
        found[c.key] = {
            "name": c.name,
            "threads": c.threads,
            "ours": c.ours,
            "rows_per_call": size[c.key],
            "error": c.error,
            "note": c.note,
            **measure.rates(timings[c.key], rows[c.key]),
        }
        for label, threads in (("native_1", 1), ("native_same", c.threads)):
            base = f"native, {threads} thread{'s' if threads > 1 else ''}"
            if base in timings:
                # On a busy machine a short call often fits between two interruptions, a long one
                # never does: of one thread each, processor time is the fairer clock.
                clock: Literal["wall", "cpu"] = "cpu" if threads == c.threads == 1 else "wall"
                found[c.key][label] = measure.ratios(
                    timings[c.key], timings[base], (rows[c.key], rows[base]), clock
                )
    return found


def curve(contenders: Sequence[Contender], settings: Settings) -> dict[str, Any]:
    """Return the rates per batch size, of each contender until a call would take too long."""
    codes = draw(max(settings.fast_rows, *settings.sizes), seed=3)
    found: dict[str, Any] = {c.key: {} for c in contenders}
    rate = {c.key: 0.0 for c in contenders}
    left = list(contenders)
    pools = {c.key: _rows(c, settings) for c in contenders}
    for size in settings.sizes:
        left = [c for c in left if not rate[c.key] or size / rate[c.key] < settings.limit]
        timings = measure.interleave(
            {c.key: _call(c, codes, size, pools[c.key]) for c in left},
            rounds=settings.rounds,
            seconds=settings.seconds,
        )
        for c in left:
            found[c.key][str(size)] = measure.rates(timings[c.key], size * c.share)
            rate[c.key] = size / min(t.wall for t in timings[c.key])
    return found


def together(settings: Settings) -> dict[str, Any]:
    """Time three bundled targets with one `Benchmark.query`."""
    names = _three_targets()
    if len(names) < 2:
        return {"not_run": "fewer than two bundled artifacts are in table form"}
    codes = draw(settings.fast_rows, seed=4)
    found: dict[str, Any] = {"targets": names, "rows_per_call": len(codes), "engines": {}}
    calls = {}
    opened = []
    for engine in ("native", "onnxruntime"):
        for threads in (1, 2):
            benchmark = anb_onnx.Benchmark(names, engine=engine, threads=threads)
            opened.append(benchmark)
            key = f"{engine}, {threads} thread{'s' if threads > 1 else ''}"
            calls[key] = lambda benchmark=benchmark: benchmark.query(codes)
    timings = measure.interleave(calls, rounds=settings.headline_rounds, seconds=settings.seconds)
    for key, values in timings.items():
        found["engines"][key] = measure.rates(values, len(codes))
    for benchmark in opened:
        benchmark.close()
    return found


def _three_targets() -> list[str]:
    """Return accuracy and two throughputs where they are bundled, else other targets."""
    wanted = ("accuracy", "throughput_a100", "throughput_tpuv2")
    there = [a.target.name for a in find_benchmark().artifacts if "tables" in a.card]
    first = [name for name in wanted if name in there]
    return [*first, *(name for name in there if name not in first)][:3]


def _call(contender: Contender, codes: Codes, rows: int, pool: int) -> measure.Call:
    batches = measure.batches(codes, rows, max(rows, pool))
    return measure.rotate(contender.predict, [contender.prepare(batch) for batch in batches])


def _rows(contender: Contender, settings: Settings) -> int:
    """Return the rows per call of the comparison: so many that a call takes a while, not ages."""
    codes = draw(4096, seed=5)
    rate, rows = 0.0, 128
    while rows <= len(codes):
        batch = contender.prepare(codes[:rows])
        began = time.perf_counter()
        contender.predict(batch)
        took = time.perf_counter() - began
        rate = max(rate, rows / took)
        if took > settings.limit / 10:  # slow, without doubt
            break
        rows *= 2
    if rate > _FAST:
        return settings.fast_rows
    fits: int = 2 ** int(math.log2(max(1.0, rate * settings.limit / 2)))
    return max(64, min(settings.slow_rows, fits))
