"""How long and how large the measurements are."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Settings:
    """Sizes of one run of the benchmarks; the defaults are the full run.

    Attributes
    ----------
    sizes : tuple of int
        Batch sizes of the curve of throughput.
    rounds : int
        Measurements per figure; its median and its smallest and largest are reported.
    headline_rounds : int
        The same for the comparison with the rivals, whose ratios are paired round by round.
    seconds : float
        A measurement repeats its call until it takes about this long.
    slow_rows, fast_rows : int
        Rows per call in the comparison, of contenders that walk trees (less, where that takes
        more than half of `limit`) and of those that look up tables.
    limit : float
        Seconds a call may take; larger batches are left out for a contender that needs more.
    single_calls : int
        Calls timed one by one for the percentiles at batch 1, at most `single_seconds` long.
    single_seconds : float
    check_rows : int
        Rows on which outputs are compared with the exact sums of leaves before time counts.
    bits : int
        Architectures on which two engines have to agree bit for bit.
    memory_rows : int
        Rows of the batch whose peak memory is measured.
    processes : int
        Fresh processes per figure of the cold start.
    compiled_members : int
        Members compiled by tl2cgen; its time is scaled up to all of them.
    """

    sizes: tuple[int, ...] = (1, 4, 16, 64, 256, 1024, 4096, 16_384, 131_072, 1_048_576)
    rounds: int = 5
    headline_rounds: int = 9
    seconds: float = 0.02
    slow_rows: int = 8192
    fast_rows: int = 131_072
    limit: float = 1.0
    single_calls: int = 20_000
    single_seconds: float = 1.0
    check_rows: int = 2000
    bits: int = 10_000_000
    memory_rows: int = 10_000_000
    processes: int = 7
    compiled_members: int = 8


QUICK = Settings(
    sizes=(1, 64, 1024),
    rounds=2,
    headline_rounds=3,
    seconds=0.002,
    slow_rows=256,
    fast_rows=16_384,
    limit=0.1,
    single_calls=200,
    single_seconds=0.1,
    check_rows=200,
    bits=20_000,
    memory_rows=300_000,
    processes=2,
    compiled_members=1,
)
