"""What Ctrl-C must not cut in half.

Python runs signal handlers on the main thread, after any call and at any jump back: from there the
`KeyboardInterrupt` of Ctrl-C may come at any time, also a second one while the first is handled.
But nothing of that sort happens inside a foreign function. So whatever must not be left halfway
runs on other threads, which signals never reach, and the main thread waits for them in one foreign
call, as the first thing it calls in a ``finally``::

    try:
        ...                  # may be interrupted anywhere
    finally:
        job.stopped = True   # a plain attribute: no call, so no signal handler
        job.gate.shut()      # a foreign function: the handlers run once it has returned

`Gate` is that wait; `sheltered` runs one function, `import_sheltered` an import in this way.

A signal handler may also fork. The child comes back from it without any of the other threads, and
must not wait for them: see `Forks`.
"""

from __future__ import annotations

import _thread
import ctypes
import importlib
import os
import sys
import threading
from collections.abc import Callable
from functools import partial
from itertools import count
from typing import Any, ClassVar, Generic, NoReturn, TypeVar

from anb_onnx.errors import EngineError

T = TypeVar("T")

# As `ctypes.pythonapi`, but its calls release the GIL. Locks of Python's stable ABI: unlike those
# of `threading`, they can be waited for without signal handlers being run meanwhile.
_python = ctypes.CDLL("python", handle=ctypes.pythonapi._handle)
_allocate = _python.PyThread_allocate_lock
_acquire, _release = _python.PyThread_acquire_lock, _python.PyThread_release_lock
_allocate.restype, _release.restype = ctypes.c_void_p, None

# Locks of gates that are done with. Freeing them would take a `__del__`, in which a
# KeyboardInterrupt is lost; a gate that Ctrl-C keeps from being retired costs some bytes instead.
_spare: list[ctypes.c_void_p] = []


class Forks:
    """How many forks this process is behind: whoever waits for threads looks whether it changed.

    As an attribute of a class it can be compared without a call, in which a handler could run.
    """

    count = 0
    #: Locks that the main thread waits for; in a child nobody would let it go on.
    waited_for: ClassVar[set[Any]] = set()

    @classmethod
    def forked(cls) -> None:
        """In a child: note it, and let the thread go on that forked."""
        cls.count += 1
        for lock in cls.waited_for:
            if lock.locked():
                lock.release()
        cls.waited_for = set()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=Forks.forked)


def refuse_forked() -> NoReturn:
    """Raise the error for work that a process began before it forked."""
    msg = (
        "this process was forked in the middle of this call, by a signal handler or a finalizer, "
        "and has none of the threads that were at work on it; call again"
    )
    raise EngineError(msg)


class Gate:
    """Lets helpers into a job until it is shut, for ever, once all of them have left.

    Parameters
    ----------
    users : int
        How many threads will call `retire`, the one that shuts the gate included.

    Attributes
    ----------
    shut : callable
        Waits until no helper is inside and lets none in any more. A foreign function throughout,
        so that no signal handler runs before it returns. To be called once.
    """

    __slots__ = ("_gone", "_inside", "_lock", "_mutex", "_users", "shut")

    def __init__(self, users: int = 0) -> None:
        self._mutex = threading.Lock()  # of the helpers alone: see `retire`
        self._inside = 0
        self._users, self._gone = users, count(1)
        try:
            self._lock = _spare.pop()
        except IndexError:
            self._lock = ctypes.c_void_p(_allocate())
            if not self._lock:
                raise MemoryError from None
        self.shut: Callable[[], object] = partial(_acquire, self._lock, 1)

    def enter(self) -> bool:
        """Let the calling thread in, not the main thread; say whether it was still open."""
        with self._mutex:
            # The first inside holds the lock for all. If somebody else has it, the gate is shut.
            if self._inside == 0 and not _acquire(self._lock, 0):
                return False
            self._inside += 1
            return True

    def leave(self) -> None:
        """Let the calling thread out again."""
        with self._mutex:
            self._inside -= 1
            if self._inside == 0:
                _release(self._lock)

    def retire(self) -> None:
        """Say that the calling thread is done with this gate, which stays shut.

        The last one gives the lock to another gate. Nobody waits here for anybody: in a child that
        is forked meanwhile, the others would never come.
        """
        if next(self._gone) == self._users:
            _release(self._lock)
            _spare.append(self._lock)


def sheltered(function: Callable[[], T]) -> T:
    """Call a function such that signals neither interrupt it nor are lost.

    On the main thread they are handled once it has returned: a `KeyboardInterrupt` then comes out
    of here, although all has been done. On any other thread nothing is special.

    Raises
    ------
    Exception
        What the function raises.
    EngineError
        If a signal handler forked meanwhile, in the child.
    """
    # While the interpreter ends no thread gets the GIL, and Ctrl-C has no one left to reach.
    if threading.get_ident() != threading.main_thread().ident or sys.is_finalizing():
        return function()
    job = _Job(function)
    try:
        # Before the thread starts: a child forked from here on finds the lock released.
        Forks.waited_for.add(job.done)
        if job.forks == Forks.count:
            try:
                _thread.start_new_thread(job.run, ())
            except (RuntimeError, MemoryError):  # no further thread; then Ctrl-C may come between
                return function()
            job.done.acquire()
    finally:
        if job.forks == Forks.count:
            job.gate.shut()
        Forks.waited_for.discard(job.done)
    if job.forks != Forks.count:
        refuse_forked()
    job.gate.retire()
    if job.error is not None:
        try:
            raise job.error
        finally:
            del job  # which refers to the error, which refers to this frame
    return job.result


def import_sheltered(name: str) -> Any:
    """Import a module that Ctrl-C must not interrupt, as those do not that are partly in C.

    Python forgets a module whose import was cut short, but its C part is still there, and refuses
    to be initialised again: the process could never use it any more.

    Raises
    ------
    ImportError
        As the import statement does.
    """
    module = sys.modules.get(name)
    if module is not None and not getattr(module.__spec__, "_initializing", False):
        return module
    return sheltered(lambda: importlib.import_module(name))


class _Job(Generic[T]):
    def __init__(self, function: Callable[[], T]) -> None:
        self._function = function
        self.forks = Forks.count
        self.gate = Gate(users=2)
        self.done = threading.Lock()
        self.done.acquire()
        self.result: T
        self.error: BaseException | None = None

    def run(self) -> None:
        if self.gate.enter():
            try:
                self.result = self._function()
            except BaseException as error:
                self.error = error
            finally:
                self.done.release()
                self.gate.leave()
        self.gate.retire()
