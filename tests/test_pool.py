"""Threads that share out a batch: whatever ends it, nobody is at work on it any more."""

import _thread
import gc
import os
import signal
import subprocess
import sys
import textwrap
import threading
import weakref
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from anb_onnx.parallel.pool import WorkerPool
from anb_onnx.parallel.shelter import Gate, sheltered


def test_a_pool_hands_on_errors_and_goes_on() -> None:
    pool = WorkerPool(3)

    def work(part: int) -> None:
        done.append(part)
        if part == 5:
            raise KeyError(part)

    done: list[int] = []
    with pytest.raises(KeyError):
        pool.run(work, range(100_000), 3)
    assert len(done) < 100_000
    done.clear()
    pool.run(work, range(5), 3)
    assert sorted(done) == list(range(5))
    pool.close()
    pool.run(work, range(5), 3)
    assert pool.closed


def test_an_error_of_a_helper_reaches_the_caller() -> None:
    caller = threading.get_ident()
    met = threading.Event()

    def work(part: int) -> None:
        if threading.get_ident() == caller:
            assert met.wait(30)  # until a helper has failed
        else:
            met.set()
            raise KeyError(part)

    with pytest.raises(KeyError):
        WorkerPool(2).run(work, range(2), 2)


def test_an_error_in_the_parts_reaches_the_caller() -> None:
    class Parts(list[int]):
        def __getitem__(self, number: Any) -> Any:
            if number == 3:
                raise LookupError
            return super().__getitem__(number)

    done: list[int] = []
    with pytest.raises(LookupError):
        WorkerPool(3).run(done.append, Parts(range(4)), 3)
    assert sorted(done) == [0, 1, 2]


def test_parts_are_shared_by_all_threads() -> None:
    barrier = threading.Barrier(4)
    found: list[int] = []

    def work(part: int) -> None:
        found.append(threading.get_ident())
        barrier.wait(30)  # goes on only once four threads are at a part each

    WorkerPool(4).run(work, range(4), 4)
    assert len(set(found)) == 4


@pytest.mark.parametrize("error", [RuntimeError("can't start new thread"), MemoryError()])
def test_without_threads_the_caller_does_it_all(
    error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*args: Any) -> int:
        raise error

    monkeypatch.setattr(_thread, "start_new_thread", refuse)
    pool = WorkerPool(4)
    for _ in range(3):
        done: list[int] = []
        pool.run(done.append, range(100), 4)
        assert sorted(done) == list(range(100))
        assert sheltered(lambda: 7) == 7


@pytest.mark.skipif(
    not Path("/proc/self/task").is_dir(), reason="counts threads through /proc/self/task"
)
@pytest.mark.parametrize("end", ["pool.close()", "del pool", "pool._crew = None"])
def test_helpers_end_with_their_pool(end: str) -> None:
    # In a process of its own, where no thread of another test is about to end.
    code = f"""
import os, threading
from anb_onnx.parallel.pool import WorkerPool
def count():
    return len(os.listdir("/proc/self/task"))
before, barrier, pool = count(), threading.Barrier(5), WorkerPool(5)
pool.run(lambda part: barrier.wait(30), range(5), 5)
assert count() == before + 4, (before, count())
{end}
while count() > before:
    threading.Event().wait(0.001)
"""
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def test_a_batch_keeps_nothing_once_it_is_done() -> None:
    pool = WorkerPool(3)
    array = np.zeros(10)
    known = weakref.ref(array)

    def work(part: int, array: Any = array) -> None:
        array[part] = part

    pool.run(work, range(10), 3)
    # The helpers may still be about to find that there is nothing left to do.
    barrier = threading.Barrier(3)
    pool.run(lambda part: barrier.wait(30), range(3), 3)
    del array, work
    gc.collect()
    assert known() is None


def test_a_gate_is_shut_for_ever_and_only_once_all_have_left() -> None:
    gate = Gate()
    assert gate.enter()
    assert gate.enter()
    order: list[str] = []

    def shut() -> None:
        gate.shut()
        order.append("shut")

    thread = threading.Thread(target=shut)
    thread.start()
    gate.leave()
    order.append("one left")
    gate.leave()
    thread.join(30)
    assert order == ["one left", "shut"]
    assert not gate.enter()
    assert not gate.enter()


def test_who_is_done_with_a_gate_waits_for_nobody() -> None:
    gate = Gate(users=2)
    gate.shut()
    with gate._mutex:  # as a helper that comes too late, and is not there any more in a child
        gate.retire()
    assert not gate.enter()


def test_sheltered_hands_on_results_and_errors() -> None:
    assert sheltered(threading.get_ident) != threading.get_ident()
    with pytest.raises(ZeroDivisionError):
        sheltered(lambda: 1 // 0)
    found: list[int] = []

    def elsewhere() -> None:
        found.append(threading.get_ident() - sheltered(threading.get_ident))

    thread = threading.Thread(target=elsewhere)
    thread.start()
    thread.join(30)
    assert found == [0]  # signals do not reach it anyway


class Interrupted(Exception):
    """What the signal handler of these tests raises."""


needs_signals = pytest.mark.skipif(
    not hasattr(signal, "setitimer"), reason="this system has no interval timers"
)


class Interrupts:
    """An interval timer whose signals raise `Interrupted`, as Ctrl-C raises KeyboardInterrupt.

    A signal that comes while Python runs a callback of a weak reference is reported to
    `sys.unraisablehook`, not raised. pytest's hook is Python and can itself be interrupted, which
    fails the test; a list's `append` is one step, and what it kept is passed on at the end.
    """

    def __init__(self) -> None:
        self.armed = False
        self._unraisable: list[Any] = []
        self._report, sys.unraisablehook = sys.unraisablehook, self._unraisable.append
        self._old = signal.signal(signal.SIGALRM, self._handle)

    def set(self, first: float, again: float = 0.0) -> None:
        self.armed = True
        signal.setitimer(signal.ITIMER_REAL, first, again)

    def end(self) -> None:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, self._old)
        sys.unraisablehook = self._report
        for unraisable in self._unraisable:
            if unraisable.exc_type is not Interrupted:
                self._report(unraisable)
        self._unraisable.clear()

    def _handle(self, number: int, frame: Any) -> None:
        if self.armed:  # a signal may be late: it may have gone to another thread
            raise Interrupted


@pytest.fixture
def interrupts() -> Iterator[Interrupts]:
    timer = Interrupts()
    yield timer
    timer.end()


class Watch:
    """Work that notices who is still at it."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.at_work = 0
        self.over = self.late = False

    def work(self, part: int) -> None:
        with self.lock:
            self.at_work += 1
        sum(range(20))
        with self.lock:
            self.at_work -= 1
            self.late = self.late or self.over


@needs_signals
@pytest.mark.parametrize("again", [0.0, 2e-5], ids=["once", "again and again"])
def test_no_helper_works_on_after_an_interrupt(interrupts: Interrupts, again: float) -> None:
    pool = WorkerPool(4)
    interrupted = 0
    for k in range(1_000):
        watch = Watch()
        try:
            try:
                # From the first microsecond on, and again while the first is handled.
                interrupts.set(1e-6 * (1 + k % 400), again)
                pool.run(watch.work, range(60), 4)
            finally:
                watch.over = True
                interrupts.armed = False
        except Interrupted:
            interrupted += 1
        # The caller's own part may have been interrupted, and count for ever.
        assert watch.at_work <= 1
        assert not watch.late
    assert interrupted > 50
    interrupts.end()
    done: list[int] = []
    pool.run(done.append, range(1000), 4)
    assert sorted(done) == list(range(1000))


@needs_signals
def test_what_is_sheltered_is_done_or_not_begun(interrupts: Interrupts) -> None:
    begun, ended = [0], [0]

    def function() -> None:
        begun[0] += 1
        sum(range(1000))
        ended[0] += 1

    interrupted = 0
    for k in range(1_000):
        try:
            try:
                interrupts.set(1e-6 * (1 + k % 300))
                sheltered(function)
            finally:
                interrupts.armed = False
        except Interrupted:
            interrupted += 1
        assert begun == ended
    assert interrupted > 50


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
@pytest.mark.parametrize("shelter", [False, True], ids=["batch", "sheltered"])
def test_a_child_forked_by_a_signal_handler_waits_for_no_thread_of_its_parent(
    shelter: bool,
) -> None:
    code = """
    import os, signal, sys, threading
    from anb_onnx import EngineError
    from anb_onnx.parallel.pool import WorkerPool
    from anb_onnx.parallel.shelter import sheltered

    inside, goes_on, children = threading.Event(), threading.Event(), []
    main = threading.get_ident()

    def fork(number, frame):
        if not children:
            children.append(os.fork())
        if children != [0]:  # in the child a helper may hold the event's lock for ever
            goes_on.set()

    def wait(part=None):
        if threading.get_ident() != main:
            inside.set()
            if sys.argv[1] == "True":
                # While it waits: a signal that comes just before is handled afterwards only.
                while not goes_on.wait(0.01):
                    signal.pthread_kill(main, signal.SIGUSR1)
            goes_on.wait(60)
        elif not goes_on.is_set():
            inside.wait(60)
            signal.raise_signal(signal.SIGUSR1)

    signal.signal(signal.SIGUSR1, fork)
    pool, status = WorkerPool(2), 1
    try:
        if sys.argv[1] == "True":
            sheltered(wait)
        else:
            pool.run(wait, range(2), 2)
        status = 2  # right for the parent only
    except EngineError as error:
        assert "forked" in str(error)
        status = 0
    if children == [0]:
        done = []
        pool.run(done.append, range(100), 2)  # all goes on as usual
        os._exit(status if sorted(done) == list(range(100)) and sheltered(int) == 0 else 3)
    print(status, os.waitstatus_to_exitcode(os.waitpid(children[0], 0)[1]))
    """
    run = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", textwrap.dedent(code), str(shelter)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (run.stdout, run.returncode) == ("2 0\n", 0), run.stderr


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
@pytest.mark.parametrize("shelter", [False, True], ids=["batch", "sheltered"])
def test_a_child_waits_for_no_thread_wherever_it_was_forked(shelter: bool) -> None:
    """Forks at every place of the calling thread at which Python runs signal handlers."""
    code = """
    import dis, faulthandler, os, sys
    from functools import cache
    from anb_onnx import EngineError
    from anb_onnx.parallel import pool, shelter
    from anb_onnx.parallel.pool import WorkerPool
    from anb_onnx.parallel.shelter import sheltered

    FILES = {pool.__file__, shelter.__file__}

    @cache
    def names(code):
        return {i.offset: i.opname for i in dis.get_instructions(code)}

    class ForksAt:
        def __init__(self, place):
            self.place, self.seen, self.last, self.child = place, 0, {}, None

        def __call__(self, frame, event, argument):
            if frame.f_code.co_filename not in FILES:
                return None
            frame.f_trace_opcodes = True
            if event == "opcode":
                # Handlers run as a function begins, after a call, and as a loop jumps back.
                if self.last.get(frame, "").startswith(("RESUME", "CALL", "JUMP_BACKWARD")):
                    if self.seen == self.place:
                        self.child = os.fork()
                    self.seen += 1
                self.last[frame] = names(frame.f_code)[frame.f_lasti]
            return self

    def work(part=None):
        sum(range(1_000))
        done.append(part)

    def attempt():
        if sys.argv[1] == "True":
            sheltered(work)
        else:
            workers.run(work, range(3), 3)

    place, refused = 0, 0
    while True:
        workers, done, forks = WorkerPool(3), [], ForksAt(place)
        sys.settrace(forks)
        try:
            attempt()
            refuses = False
        except EngineError:
            refuses = True
        sys.settrace(None)
        if forks.child == 0:
            faulthandler.dump_traceback_later(60, exit=True)
            done = []
            attempt()  # all goes on as usual
            os._exit(3 if not done else 10 if refuses else 0)
        if forks.child is None:
            break
        status = os.waitstatus_to_exitcode(os.waitpid(forks.child, 0)[1])
        assert not refuses and status in (0, 10), (place, refuses, status)
        refused += status == 10
        place += 1
    print(place, refused)
    """
    run = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", textwrap.dedent(code), str(shelter)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    places, refused = map(int, run.stdout.split())
    assert places > refused > 5


def test_a_process_ends_although_helpers_wait() -> None:
    code = (
        "from anb_onnx.parallel.pool import WorkerPool\n"
        "pool = WorkerPool(8)\n"
        "pool.run(lambda part: None, range(1000), 8)\n"
        "print('done')"
    )
    run = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    assert (run.stdout, run.stderr) == ("done\n", "")
