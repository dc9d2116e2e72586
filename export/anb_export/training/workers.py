"""Runs training tasks in processes of their own, with progress, ended cleanly on Ctrl-C."""

from __future__ import annotations

import multiprocessing
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from pathlib import Path
from types import FrameType
from typing import Any, Literal, Protocol, TypeAlias

from anb_onnx._io.output import remove_abandoned
from anb_onnx.errors import AnbError

State: TypeAlias = Literal["running", "done", "reused"]
OnProgress: TypeAlias = Callable[[int, int, State], None]

_REPORT_SECONDS = 0.1
_HANGUP = (signal.SIGHUP,) if hasattr(signal, "SIGHUP") else ()


class Task(Protocol):
    """One unit of work with a file as its result. Must pickle if it is to run in a process."""

    @property
    def index(self) -> int:
        """Number of the task, for progress and errors."""

    @property
    def path(self) -> Path:
        """The file it writes."""

    def is_done(self) -> bool:
        """Whether the file is there already."""

    def run(self, on_round: Callable[[int], None]) -> None:
        """Write the file; call `on_round` with the rounds done now and then."""


def run(tasks: Sequence[Task], *, jobs: int, on_progress: OnProgress | None = None) -> None:
    """Run the tasks that are not done yet, at most `jobs` at a time.

    Whatever happens (an error, Ctrl-C), no process and no temporary file is left behind.

    Raises
    ------
    AnbError
        If `jobs` is not positive, or a task fails: the first failure, with the task's number.
    """
    if jobs < 1:
        msg = f"jobs must be at least 1, found {jobs}"
        raise AnbError(msg)
    report: OnProgress = on_progress or (lambda index, rounds, state: None)
    waiting = []
    for task in tasks:
        if task.is_done():
            report(task.index, 0, "reused")
        else:
            waiting.append(task)
    if jobs == 1 or len(waiting) <= 1:
        for task in waiting:
            throttle = _Throttle(task.index, report)
            task.run(throttle)
            report(task.index, throttle.rounds, "done")
    else:
        _run_processes(waiting, jobs, report)


class _Throttle:
    """Passes rounds on a few times per second only."""

    def __init__(self, index: int, report: OnProgress) -> None:
        self.index, self.report = index, report
        self.rounds, self.last = 0, 0.0

    def __call__(self, rounds: int) -> None:
        self.rounds = rounds
        now = time.monotonic()
        if now - self.last >= _REPORT_SECONDS:
            self.last = now
            self.report(self.index, rounds, "running")


def _run_processes(tasks: list[Task], jobs: int, report: OnProgress) -> None:
    # spawn: a forked child of a process that has used OpenMP can hang.
    context = multiprocessing.get_context("spawn")
    running: dict[Connection, tuple[Task, SpawnProcess]] = {}
    queue = list(reversed(tasks))
    try:
        while queue or running:
            while queue and len(running) < jobs:
                task = queue.pop()
                receiver, sender = context.Pipe(duplex=False)
                process = context.Process(target=_child, args=(task, sender), daemon=True)
                running[receiver] = task, process
                with _undisturbed():
                    process.start()
                sender.close()
            ready = set(wait(list(running)))
            for receiver in [receiver for receiver in running if receiver in ready]:
                task, process = running[receiver]
                if _receive(receiver, task, process, report):
                    process.join()
                    process.close()
                    receiver.close()
                    del running[receiver]
    finally:
        for receiver, (task, process) in running.items():
            _end(task, process)
            receiver.close()


@contextmanager
def _undisturbed() -> Iterator[None]:
    """Let signals wait: half started, a child can neither be ended nor read what it is to do."""
    came: list[tuple[int, FrameType | None]] = []
    main = threading.current_thread() is threading.main_thread()
    before = {
        number: signal.signal(number, lambda *signalled: came.append(signalled))
        for number in (signal.SIGINT, signal.SIGTERM, *_HANGUP)
        if main and callable(signal.getsignal(number))
    }
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    for number, frame in came:
        handler = before[number]
        if callable(handler):
            handler(number, frame)


def _receive(receiver: Connection, task: Task, process: SpawnProcess, report: OnProgress) -> bool:
    """Handle one message; True when the task is finished."""
    try:
        kind, content = receiver.recv()
    except EOFError:
        process.join()
        msg = f"member {task.index}: the training process died (exit code {process.exitcode})"
        raise AnbError(msg) from None
    if kind == "error":
        msg = f"member {task.index}: {content}"
        raise AnbError(msg)
    report(task.index, content, kind)
    return bool(kind == "done")


def _end(task: Task, process: SpawnProcess) -> None:
    if process.pid is None:  # never started
        return
    process.terminate()
    process.join(5)
    if process.is_alive():
        process.kill()
        process.join()
    remove_abandoned(task.path)


def _child(task: Task, sender: Connection) -> None:
    # Ctrl-C reaches every process of the terminal; the parent decides and ends the children.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()

    def report(index: int, rounds: int, state: Any) -> None:
        if parent is not None and not parent.is_alive():
            raise SystemExit(1)  # nobody waits for the result any more
        sender.send((state, rounds))

    throttle = _Throttle(task.index, report)
    try:
        task.run(throttle)
        sender.send(("done", throttle.rounds))
    except AnbError as error:
        sender.send(("error", str(error)))
    except Exception as error:
        sender.send(("error", f"{type(error).__name__}: {error}"))
