"""Row ranges over threads of our own.

numba's own threading layers do not survive a fork; these threads live for one call only.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

# Below this many rows a thread costs more than it saves.
_ROWS_PER_THREAD = 8_192


def first_bad_row(kernel: Callable[[int, int], int], n_rows: int, threads: int) -> int:
    """Run a kernel over the rows [0, n_rows) in contiguous ranges, one per thread.

    Parameters
    ----------
    kernel : callable
        Takes the range ``start, stop`` and returns its first offending row, or -1; releases the
        GIL.
    n_rows : int
        Number of rows.
    threads : int
        At most this many threads; 1 runs in the caller.

    Returns
    -------
    int
        The first offending row of all, or -1: the same for any number of threads.
    """
    threads = max(1, min(threads, n_rows // _ROWS_PER_THREAD))
    if threads == 1:
        return int(kernel(0, n_rows))
    bounds = [n_rows * part // threads for part in range(threads + 1)]
    with ThreadPoolExecutor(threads) as pool:
        results = list(pool.map(kernel, bounds[:-1], bounds[1:]))
    return next((int(row) for row in results if row >= 0), -1)
