"""Threads of our own that share out the parts of a batch."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Generic, TypeVar

T = TypeVar("T")


class WorkerPool:
    """Runs the parts of a batch on the calling thread and on helpers.

    The helpers start with the first batch that needs them. Any number of threads may use a pool
    at once, and a forked child starts helpers of its own.

    Parameters
    ----------
    threads : int
        Most threads per batch, the caller's included.
    """

    def __init__(self, threads: int) -> None:
        self._threads = threads
        self._helpers: tuple[int, ThreadPoolExecutor] | None = None
        self._left_behind: list[ThreadPoolExecutor] = []
        self._closed = False

    @property
    def closed(self) -> bool:
        """Whether `close` was called."""
        return self._closed

    def run(self, work: Callable[[T], None], parts: Iterable[T], threads: int) -> None:
        """Call ``work`` for every part; return when all are done.

        Parameters
        ----------
        work : callable
            Takes a part. Should release the GIL.
        parts : iterable
            Drawn from in order, by whichever thread is free.
        threads : int
            Use at most this many, and at most those of the pool.

        Raises
        ------
        Exception
            One that ``work`` raised; then some parts are not done.
        """
        shared = _Shared(parts)
        futures: list[Future[None]] = []
        n_helpers = min(threads, self._threads) - 1
        if n_helpers > 0:
            # A pool that close() or the end of the interpreter shut down takes no more work; the
            # calling thread then does it all.
            with contextlib.suppress(RuntimeError):
                helpers = self._executor()
                for _ in range(n_helpers):
                    futures.append(helpers.submit(_drain, work, shared))
        try:
            _drain(work, shared)
        finally:
            # After Ctrl-C the helpers find no further part; when this returns, none of them
            # writes into the caller's memory any more.
            shared.stop()
            failures = [f.exception() for f in futures if not f.cancel()]
        for failure in failures:
            if failure is not None:
                raise failure

    def close(self) -> None:
        """Let the helpers end."""
        self._closed = True
        helpers, self._helpers = self._helpers, None
        if helpers is not None and helpers[0] == os.getpid():
            helpers[1].shutdown()

    def _executor(self) -> ThreadPoolExecutor:
        helpers = self._helpers
        if helpers is not None and helpers[0] == os.getpid():
            return helpers[1]
        if helpers is not None:
            # A fork of the pool's process. Its executor is not freed here: one of its locks may
            # have been held at the moment of the fork.
            self._left_behind.append(helpers[1])
        executor = ThreadPoolExecutor(self._threads - 1, thread_name_prefix="anb_onnx")
        # Of two threads that arrive together one drops its executor, whose threads then end.
        self._helpers = (os.getpid(), executor)
        return executor


def _drain(work: Callable[[T], None], parts: _Shared[T]) -> None:
    try:
        for part in parts:
            work(part)
    except BaseException:
        parts.stop()  # the other threads need not finish a batch that has failed
        raise


class _Shared(Generic[T]):
    """An iterator that several threads may draw from."""

    def __init__(self, items: Iterable[T]) -> None:
        self._items = iter(items)
        self._lock = threading.Lock()

    def __iter__(self) -> Iterator[T]:
        return self

    def __next__(self) -> T:
        with self._lock:
            return next(self._items)

    def stop(self) -> None:
        with self._lock:
            self._items = iter(())
