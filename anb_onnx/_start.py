"""Where the commands begin, before anything big is imported: Ctrl-C ends them without a word.

The imports of a command take longer than many of its answers. Ctrl-C in the middle of one would
end in a traceback, or in the error of a library that was cut in half.
"""
# PYTHON_ARGCOMPLETE_OK: so argcomplete completes it, where that was told to complete every program.

from __future__ import annotations

import os
import signal
import threading
from importlib import import_module
from types import FrameType
from typing import Any, NoReturn

_INTERRUPTED = 130  # as in `_program`, which imports more than is needed here


def main(program: str = "anb-onnx") -> int:
    """Run `anb-onnx`, as it was typed; return its exit code, 130 after Ctrl-C at any time."""
    return start("anb_onnx.cli.main", program)


def start(module: str, program: str) -> int:
    """Import the module of a command, run its ``main`` and return the exit code.

    Parameters
    ----------
    module : str
        Has a function ``main`` that takes ``program``.
    program : str
        What was typed, for messages and help.
    """
    here = threading.current_thread() is threading.main_thread()
    # Not where somebody else decides about Ctrl-C: a shell that starts a job in the background.
    if not here or signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        return _run(import_module(module), program)
    signal.signal(signal.SIGINT, _leave)
    command = import_module(module)
    try:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        return _run(command, program)
    except KeyboardInterrupt:
        return _INTERRUPTED
    finally:
        signal.signal(signal.SIGINT, _leave)  # while the interpreter ends


def _run(command: Any, program: str) -> int:
    code: int = command.main(program=program)
    return code


def _leave(number: int, frame: FrameType | None) -> NoReturn:
    """End the process: nothing has been begun that would have to be cleaned up."""
    os._exit(_INTERRUPTED)
