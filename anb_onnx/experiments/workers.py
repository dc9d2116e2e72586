"""Work in processes that stay for one piece after another, and are ended with their parent."""

from __future__ import annotations

import multiprocessing
import signal
import threading
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from types import FrameType
from typing import Any, TypeVar

from anb_onnx.errors import AnbError, SearchError

Work = TypeVar("Work")
Result = TypeVar("Result")

_HANGUP = (signal.SIGHUP,) if hasattr(signal, "SIGHUP") else ()


def run_all(
    function: Callable[[Work], Result], pieces: Sequence[Work], jobs: int
) -> Generator[tuple[Work, Result]]:
    """Yield each piece of work with what a function makes of it, in the order they are done.

    Parameters
    ----------
    function : callable
        Of a module's top level; so are the types of pieces and results, as both are pickled.
    pieces : sequence
    jobs : int
        Processes; with 1 the work is done in this one. Whatever happens, an error or Ctrl-C, none
        is left behind.

    Raises
    ------
    SearchError
        If `jobs` is not positive or a process dies.
    AnbError
        The first that the function raises; its text names what it was about.
    """
    if jobs < 1:
        msg = f"--jobs is the number of processes, at least 1, not {jobs}"
        raise SearchError(msg)
    if jobs == 1 or len(pieces) <= 1:
        for piece in pieces:
            yield piece, function(piece)
        return
    yield from _in_processes(function, pieces, min(jobs, len(pieces)))


def _in_processes(
    function: Callable[[Work], Result], pieces: Sequence[Work], jobs: int
) -> Generator[tuple[Work, Result]]:
    # Spawned: a fork would inherit the threads of this process, but not their state.
    context = multiprocessing.get_context("spawn")
    waiting = list(reversed(pieces))
    running: dict[Connection, SpawnProcess] = {}
    at_work: dict[Connection, Work] = {}
    try:
        for _ in range(jobs):
            ours, theirs = context.Pipe()
            process = context.Process(target=_work, args=(function, theirs), daemon=True)
            running[ours] = process
            with _undisturbed():
                process.start()
            theirs.close()
            at_work[ours] = waiting.pop()
            _give(ours, at_work[ours], process)
        while at_work:
            ready = set(wait(list(at_work)))
            for ours in [one for one in at_work if one in ready]:
                result: Result = _take(ours, at_work[ours], running[ours])
                piece = at_work.pop(ours)
                if waiting:
                    at_work[ours] = waiting.pop()
                    _give(ours, at_work[ours], running[ours])
                yield piece, result
    finally:
        for ours, process in running.items():
            ours.close()
            _end(process)


def _give(connection: Connection, piece: object, process: SpawnProcess) -> None:
    try:
        connection.send(piece)
    except OSError as error:  # it has gone
        raise _died(piece, process) from error


def _take(connection: Connection, piece: object, process: SpawnProcess) -> Any:
    try:
        failed, content = connection.recv()
    except (EOFError, OSError) as error:
        raise _died(piece, process) from error
    if failed:
        raise content
    return content


def _died(piece: object, process: SpawnProcess) -> SearchError:
    process.join()
    return SearchError(f"{piece}: its process died (exit code {process.exitcode}); run it again")


def _end(process: SpawnProcess) -> None:
    if process.pid is None:  # never started
        return
    process.terminate()
    process.join(5)
    if process.is_alive():
        process.kill()
        process.join()
    process.close()


@contextmanager
def _undisturbed() -> Iterator[None]:
    """Let signals wait: half started, a child can neither be ended nor read what it is to do.

    Ctrl-C is kept from the child for good, by a mask that it inherits: it reaches every process of
    a terminal, and would come out of the child's imports as a traceback. The parent decides.
    """
    came: list[tuple[int, FrameType | None]] = []
    main = threading.current_thread() is threading.main_thread()
    before = {
        number: signal.signal(number, lambda *signalled: came.append(signalled))
        for number in (signal.SIGTERM, *_HANGUP)
        if main and callable(signal.getsignal(number))
    }
    mask = None
    if hasattr(signal, "pthread_sigmask"):
        resource_tracker.ensure_running()  # which lifts the mask when it starts
        mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        if mask is not None:
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)
    for number, frame in came:
        handler = before[number]
        if callable(handler):
            handler(number, frame)


def _work(function: Callable[[Work], object], connection: Connection) -> None:
    """Do piece after piece until the parent closes its end, or is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # where there is no mask
    while True:
        try:
            piece = connection.recv()
        except (EOFError, OSError):
            return
        try:
            answer = (False, function(piece))
        except AnbError as error:
            answer = (True, type(error)(str(error)))
        except Exception as error:
            answer = (True, SearchError(f"{piece}: {type(error).__name__}: {error}"))
        try:
            connection.send(answer)
        except OSError:
            return
