"""The one door to onnxruntime: how it is imported, and when it may be called.

From version 1.32 on, onnxruntime reports its use over the network unless it is told not to before
it is imported: it keeps a thread for that, without which the child of a plain `os.fork` waits for
ever when it ends, and files in the user's cache folder. Who wants these reports sets
ORT_DISABLE_TELEMETRY=0, or imports onnxruntime first.

While the interpreter ends, Python ends every thread that comes back to it from C. In the middle of
onnxruntime's C++ that aborts the process ("terminate called without an active exception"). So the
end waits until no thread is in a call, and from then on lets none begin.
"""

import atexit
import os
import threading
from collections.abc import Callable
from typing import TypeVar

from anb_onnx.errors import EngineError
from anb_onnx.parallel.shelter import Gate

os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

import onnxruntime

__all__ = ["call", "onnxruntime"]

T = TypeVar("T")

_gate = Gate()


def call(function: Callable[[], T]) -> T:
    """Call a function that is in onnxruntime for a while.

    Raises
    ------
    EngineError
        If the interpreter is ending, on any thread but the main thread: that one ends it, so that
        it is in no call then.
    """
    gate = _gate
    if threading.get_ident() == threading.main_thread().ident:
        return function()
    if not gate.enter():
        msg = "the interpreter is ending, and begins no further query"
        raise EngineError(msg)
    try:
        return function()
    finally:
        gate.leave()


def _end() -> None:
    _gate.shut()


def _renew() -> None:
    # The threads of the parent that were in a call are not in a forked child.
    global _gate
    _gate = Gate()


atexit.register(_end)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew)
