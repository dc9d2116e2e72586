"""Threads of our own that share out the parts of a batch."""

from __future__ import annotations

import _thread
import contextlib
import os
from collections.abc import Callable, Sequence
from itertools import count
from queue import SimpleQueue
from typing import Generic, TypeAlias, TypeVar

from anb_onnx.parallel.shelter import Forks, Gate, refuse_forked

T = TypeVar("T")

_Tasks: TypeAlias = "SimpleQueue[Callable[[], None] | None]"


class WorkerPool:
    """Runs the parts of a batch on the calling thread and on helpers.

    The helpers start with the first batch that needs them. Any number of threads may use a pool
    at once, and a forked child starts helpers of its own. Where no thread can be started, the
    calling thread does it all.

    Parameters
    ----------
    threads : int
        Most threads per batch, the caller's included.
    """

    def __init__(self, threads: int) -> None:
        self._threads = threads
        self._crew: _Crew | None = None
        self._left_behind: list[_Crew] = []
        self.closed = False

    def run(self, work: Callable[[T], object], parts: Sequence[T], threads: int) -> None:
        """Call ``work`` for every part; return, or raise, when no thread is at work any more.

        Whatever ends it - an error, Ctrl-C, a signal handler that raises - the helpers finish the
        parts they are at, and begin no other. Until then they keep ``work``, and with it all the
        arrays that it uses.

        Parameters
        ----------
        work : callable
            Takes a part. Should release the GIL, and be quick.
        parts : sequence
            Taken in order, by whichever thread is free.
        threads : int
            Use at most this many, and at most those of the pool.

        Raises
        ------
        Exception
            One that ``work`` raised; then some parts are not done.
        EngineError
            If a signal handler forked meanwhile, in the child.
        """
        n_helpers = min(threads, self._threads) - 1
        if n_helpers < 1:
            for part in parts:
                work(part)
            return
        batch = _Batch(work, parts, n_helpers)
        try:
            crew = self._crew_here()
            for _ in range(n_helpers):
                if not crew.call(batch.help):
                    batch.gate.retire()
            batch.drain()
        finally:
            # In this order, with no other call before: see `_shelter`.
            batch.stopped = True
            if batch.forks == Forks.count:
                batch.gate.shut()
        if batch.forks != Forks.count:
            refuse_forked()
        batch.gate.retire()
        failure = batch.failure
        if failure is not None:
            try:
                raise failure
            finally:
                del failure, batch  # which refer to each other through this frame

    def close(self) -> None:
        """Let the helpers end, each after the part it is at; the calling threads do the rest."""
        self.closed = True
        crew, self._crew = self._crew, None
        if crew is not None:
            crew.dismiss()

    def _crew_here(self) -> _Crew:
        crew = self._crew
        if crew is not None:
            if crew.pid == os.getpid():
                return crew
            # A fork of the pool's process. Its queue is not freed here: its lock may have been
            # held at the moment of the fork.
            self._left_behind.append(crew)
        # Of two threads that arrive together, one replaces the other's crew; that ends then.
        crew = _Crew(0 if self.closed else self._threads - 1)
        if not self.closed:
            self._crew = crew
        return crew


class _Crew:
    """Helpers of one process, which start as they are called, and end when it is dropped."""

    _started = 0

    def __init__(self, size: int) -> None:
        self.pid = os.getpid()
        self._tasks: _Tasks = SimpleQueue()
        self._to_start = size

    def call(self, task: Callable[[], None]) -> bool:
        """Have a helper call `task`, which must not raise, as soon as one is free.

        Returns
        -------
        bool
            Whether there is any helper that will.
        """
        if self._to_start > 0:
            # Without the `threading` module: its `start` waits, and a signal in between would
            # leave a thread that nobody knows.
            with contextlib.suppress(RuntimeError, MemoryError):
                _thread.start_new_thread(_serve, (self._tasks,))
                self._to_start -= 1
                self._started += 1
        if not self._started:
            return False
        self._tasks.put(task)
        return True

    def dismiss(self) -> None:
        """Let the helpers end, once they have done what they were called for."""
        if self._started and self.pid == os.getpid():
            self._tasks.put(None)

    def __del__(self) -> None:
        self.dismiss()


def _serve(tasks: _Tasks) -> None:
    while (task := tasks.get()) is not None:
        task()
        del task  # or its arrays would live until the next one
    tasks.put(None)  # for the next helper


class _Batch(Generic[T]):
    """The parts of a batch, and who is at work on them."""

    def __init__(self, work: Callable[[T], object], parts: Sequence[T], n_helpers: int) -> None:
        self._work, self._parts = work, parts
        # No lock: a child would find it taken by a thread that it does not have.
        self._numbers = count()
        self.forks = Forks.count
        self.gate = Gate(users=n_helpers + 1)
        self.stopped = False
        self.failure: BaseException | None = None

    def drain(self) -> None:
        """Do parts until there is none left, or the batch has failed or was stopped."""
        while not self.stopped and self.forks == Forks.count:
            number = next(self._numbers)
            if number >= len(self._parts):
                return
            self._work(self._parts[number])

    def help(self) -> None:
        """Do parts on a helper."""
        if self.gate.enter():  # otherwise the batch is over
            try:
                self.drain()
            except BaseException as error:
                self.stopped = True  # the other threads need not finish a batch that has failed
                self.failure = error
            finally:
                self.gate.leave()
        self.gate.retire()
