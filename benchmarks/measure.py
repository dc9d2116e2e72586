"""Timing: wall and processor time, in rounds that interleave what is compared."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import cycle
from typing import Any, Literal

import numpy as np

Call = Callable[[], Any]


@dataclass(frozen=True)
class Timing:
    """Seconds per call: on the clock, and of this process's threads on processors.

    Where other programs use the machine the clock runs on while the process waits; two threads
    that have a core each take twice the clock's time on processors.
    """

    wall: float
    cpu: float


def measure(call: Call, count: int) -> Timing:
    """Time `count` calls together."""
    cpu, wall = time.process_time(), time.perf_counter()
    for _ in range(count):
        call()
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    return Timing(wall / count, cpu / count)


def count_for(call: Call, seconds: float) -> int:
    """Return how many calls take about `seconds`; runs the call, so that it is warm."""
    call()
    wall = measure(call, 1).wall
    if wall < seconds / 10:  # one call is too short to tell
        wall = measure(call, max(1, int(seconds / 10 / wall))).wall
    return max(1, round(seconds / wall))


def interleave(
    calls: Mapping[str, Call], *, rounds: int, seconds: float
) -> dict[str, list[Timing]]:
    """Time all calls once per round, one after the other: A B C A B C ...

    So a disturbance, or a change of the processor's clock, meets all of them alike, and ratios
    can be taken round by round.
    """
    counts = {name: count_for(call, seconds) for name, call in calls.items()}
    found: dict[str, list[Timing]] = {name: [] for name in calls}
    for _ in range(rounds):
        for name, call in calls.items():
            found[name].append(measure(call, counts[name]))
    return found


def spread(values: Sequence[float]) -> dict[str, float]:
    """Return median, smallest and largest of repeated measurements, and how many there were."""
    return {
        "median": statistics.median(values),
        "min": min(values),
        "max": max(values),
        "n": len(values),
    }


def rotate(function: Callable[[Any], Any], batches: Sequence[Any]) -> Call:
    """Return a call that takes the next batch every time.

    A batch asked again and again would be answered out of the nearest cache, with branches that
    the processor knows by heart: faster than any real use.
    """
    if len(batches) == 1:
        only = batches[0]
        return lambda: function(only)
    following = cycle(batches).__next__
    return lambda: function(following())


def batches(codes: Any, rows: int, pool: int) -> list[Any]:
    """Cut the first `pool` rows, or one batch if that is more, into up to 1,024 batches."""
    count = max(1, min(pool, len(codes)) // rows)
    step = -(-count // 1024)
    return [codes[k * rows : (k + 1) * rows] for k in range(0, count, step)]


def rates(timings: Sequence[Timing], rows: float) -> dict[str, Any]:
    """Return rows per second of the clock, per second of a processor, and processors used."""
    return {
        "rows_per_second": spread([rows / t.wall for t in timings]),
        # Processor time comes in steps, which a short call may fall between.
        "rows_per_cpu_second": spread([rows / max(t.cpu, 1e-9) for t in timings]),
        "processors": spread([t.cpu / t.wall for t in timings]),
    }


def ratios(
    slow: Sequence[Timing],
    fast: Sequence[Timing],
    rows: tuple[float, float],
    clock: Literal["wall", "cpu"] = "wall",
) -> dict[str, float]:
    """Return how many times the rate of `slow` that of `fast` is, paired round by round.

    Parameters
    ----------
    slow, fast : sequence of Timing
        From the same rounds.
    rows : tuple of float
        Rows per call of each.
    clock : {"wall", "cpu"}
        Which time: that of the processor is for two calls of one thread each.
    """
    pairs = ((getattr(s, clock), getattr(f, clock)) for s, f in zip(slow, fast, strict=True))
    # Processor time may come in steps, which a short call falls between.
    return spread([(rows[1] / max(f, 1e-9)) / (rows[0] / max(s, 1e-9)) for s, f in pairs])


def percentiles(call: Call, *, calls: int, seconds: float) -> dict[str, float]:
    """Time calls one by one; return percentiles in seconds, less what reading the clock takes."""
    call()
    times = _one_by_one(call, calls, seconds)
    clock = float(np.median(_one_by_one(lambda: None, 2000, 1.0)))
    found = np.maximum(np.array(times) - clock, 1.0) * 1e-9
    points = {"p50": 50.0, "p90": 90.0, "p99": 99.0, "p99.9": 99.9}
    result = {name: float(np.percentile(found, q)) for name, q in points.items()}
    return {**result, "min": float(found.min()), "n": len(times)}


def _one_by_one(call: Call, calls: int, seconds: float) -> list[int]:
    clock, times = time.perf_counter_ns, []
    end = clock() + int(seconds * 1e9)
    for _ in range(calls):
        began = clock()
        call()
        stopped = clock()
        times.append(stopped - began)
        if stopped > end and len(times) > 2:
            break
    return times
