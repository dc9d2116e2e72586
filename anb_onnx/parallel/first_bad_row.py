"""Row ranges over threads of our own: numba's own threading layers do not survive a fork."""

from __future__ import annotations

from collections.abc import Callable

from anb_onnx.parallel.pool import WorkerPool

# Below this many rows a thread costs more than it saves.
_ROWS_PER_THREAD = 8_192
# A fraction of a millisecond, so that Ctrl-C does not wait longer.
_PART_ROWS = 2**17


def first_bad_row(kernel: Callable[[int, int], int], n_rows: int, threads: int) -> int:
    """Run a kernel over the rows [0, n_rows), in parts, on several threads.

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
    size = min(_PART_ROWS, -(-n_rows // threads)) or 1
    starts = range(0, n_rows, size)
    bad: list[int] = []

    def work(start: int) -> None:
        row = int(kernel(start, min(start + size, n_rows)))
        if row >= 0:
            bad.append(row)

    pool = WorkerPool(threads)
    try:
        pool.run(work, starts, threads)
    finally:
        pool.close()
    return min(bad, default=-1)
