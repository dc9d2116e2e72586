"""What a cluster costs and brings on one machine: `python -m benchmarks.scale_out`.

Scoring of a folder and a sweep over some shards, in this process and on workers of a Dask cluster
(and of Ray with --ray), round by round in one run. The first round, in which kernels are compiled
and workers import, does not count and is given apart. The results must be the same, byte for byte
and count for count. Prints a table in Markdown, with the processor's time of all processes: unlike
the seconds, it is little changed by other programs on the machine.
"""

from __future__ import annotations

import argparse
import contextlib
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import psutil

import anb_onnx
from anb_onnx.scale_out import open_backend, score, sweep
from anb_onnx.scale_out.backend import Backend
from anb_onnx.sweep import Grid, Shards
from anb_onnx.sweep import sweep as plain_sweep
from anb_onnx.sweep.files import partial_bytes

_BINS = 16_384
_ROW_GROUP = 500_000

#: Seconds of a call that does the work anew, and what it gives.
Call = Callable[[], tuple[float, bytes]]


def _source(folder: Path, rows: int) -> Path:
    import pyarrow
    import pyarrow.parquet

    source = folder / "source"
    source.mkdir()
    codes = anb_onnx.sample(rows, seed=0, space=anb_onnx.MNASNET)
    table = pyarrow.table({"index": anb_onnx.codes_to_indices(codes, anb_onnx.MNASNET)})
    pyarrow.parquet.write_table(table, source / "x.parquet", row_group_size=_ROW_GROUP)
    return source


def _scoring(source: Path, out: Path, target: str, backend: Backend | None, threads: int) -> Call:
    def call() -> tuple[float, bytes]:
        shutil.rmtree(out, ignore_errors=True)
        began = time.perf_counter()
        score(source, out, [target], backend=backend, threads=threads, engine="native")
        seconds = time.perf_counter() - began
        return seconds, b"".join(path.read_bytes() for path in sorted(out.iterdir()))

    return call


def _sweeping(
    surrogate: anb_onnx.Surrogate, grid: Grid, shards: range, backend: Backend | None, threads: int
) -> Call:
    target, ensemble = surrogate.target, surrogate._ensemble
    assert ensemble is not None

    def call() -> tuple[float, bytes]:
        began = time.perf_counter()
        if backend is None:
            part = plain_sweep(
                ensemble, grid, shards, threads, sha256=surrogate._origin.sha256,
                target=target.name, unit=target.unit,
            )  # fmt: skip
        else:
            part = sweep(surrogate, grid, shards, backend=backend, threads=threads)
        return time.perf_counter() - began, partial_bytes(part)

    return call


def _processor_seconds() -> float:
    """Return the processor's time of this process and all below it that are alive."""
    here = psutil.Process()
    total = 0.0
    for process in [here, *here.children(recursive=True)]:
        with contextlib.suppress(psutil.NoSuchProcess):
            times = process.cpu_times()
            total += times.user + times.system
    return total


def _compare(title: str, count: int, calls: dict[str, Call], rounds: int) -> None:
    """Print the rate of each way to the same result."""
    first: dict[str, float] = {}
    times: dict[str, list[float]] = {name: [] for name in calls}
    busy: dict[str, list[float]] = {name: [] for name in calls}
    results = set()
    for number in range(rounds + 1):
        for name, call in calls.items():
            before = _processor_seconds()
            seconds, result = call()
            after = _processor_seconds()
            results.add(result)
            if number:
                times[name].append(seconds)
                busy[name].append(after - before)
            else:
                first[name] = seconds
    assert len(results) == 1, "the ways do not give the same"
    plain = statistics.median(times[next(iter(calls))])
    for name, found in times.items():
        median = statistics.median(found)
        print(
            f"| {title} | {name} | {count / median / 1e6:,.2f} | {plain / median:.2f} | "
            f"{median:.2f} ({min(found):.2f} to {max(found):.2f}) | {first[name]:.2f} | "
            f"{statistics.median(busy[name]):.2f} |",
            flush=True,
        )


def _grid(surrogate: anb_onnx.Surrogate) -> Grid:
    ensemble = surrogate._ensemble
    assert ensemble is not None
    assert ensemble.bounds is not None
    low, high = (float(np.float32(bound)) for bound in ensemble.bounds)
    return Grid(low, high, _BINS)


def main() -> int:
    parser = argparse.ArgumentParser(description="What a cluster costs and brings.")
    parser.add_argument("--target", default="latency_zcu102")
    parser.add_argument("--rows", type=int, default=10_000_000)
    parser.add_argument("--shards", type=int, default=32)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--ray", action="store_true", help="with Ray, too")
    options = parser.parse_args()
    n = options.workers
    columns = ["where", "M/s", "of the first", "seconds (range)", "first round", "processor"]
    print(f"| {options.target} | {' | '.join(columns)} |")
    print("| --- | --- | ---: | ---: | ---: | ---: | ---: |")
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        clusters = {"Dask": stack.enter_context(open_backend("dask", workers=n))}
        if options.ray:
            clusters["Ray"] = stack.enter_context(open_backend("ray", workers=n))
        surrogate = stack.enter_context(anb_onnx.load(options.target))
        shards, grid = range(options.shards), _grid(surrogate)
        here = {"this process, 1 thread": 1, f"this process, {n} threads": n}
        sweeps = {k: _sweeping(surrogate, grid, shards, None, v) for k, v in here.items()}
        source, out = _source(folder, options.rows), folder / "out"
        scores = {k: _scoring(source, out, options.target, None, v) for k, v in here.items()}
        for name, cluster in clusters.items():
            where = f"{name}, {n} workers"
            sweeps[where] = _sweeping(surrogate, grid, shards, cluster, 1)
            scores[where] = _scoring(source, out, options.target, cluster, 1)
        _compare("scoring, rows", options.rows, scores, options.rounds)
        count = options.shards * Shards(surrogate.space).size
        _compare("sweep, architectures", count, sweeps, options.rounds)
    return 0


if __name__ == "__main__":
    sys.exit(main())
