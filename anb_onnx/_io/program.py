"""What both command lines share: standard streams, signals, errors in one line, exit codes."""

from __future__ import annotations

import argparse
import contextlib
import errno
import io
import os
import select
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from types import FrameType
from typing import IO, Any, NoReturn

from anb_onnx._io.help_text import Formatter
from anb_onnx._io.show import one_line
from anb_onnx.errors import AnbError

OK, UNVERIFIED, USER_ERROR, INTERRUPTED, BROKEN_PIPE = 0, 1, 2, 130, 141

# By hand, for Windows: there, the second does not exist.
_STOPS = [getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]


class Stopped(KeyboardInterrupt):
    """A signal that ends the program came: whatever cleans up after Ctrl-C does so now, too."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self.number = number


class StreamError(AnbError):
    """Standard output is full or closed."""


class Parser(argparse.ArgumentParser):
    """Reports errors on one line, as all others, and does not lose help that cannot be written."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**{"formatter_class": Formatter, **options})

    def parse_args(self, args: Any = None, namespace: Any = None) -> Any:
        # argparse would point at the help of all commands, for an option of one.
        found, more = self.parse_known_args(args, namespace)
        if more:
            commands = [a for a in self._actions if isinstance(a, argparse._SubParsersAction)]
            chosen = [a.choices[getattr(found, a.dest)] for a in commands]
            (chosen[0] if chosen else self).error(f"unrecognized arguments: {' '.join(more)}")
        return found

    def error(self, message: str) -> NoReturn:
        complain(f"{message} (see {self.prog} --help)")
        sys.exit(USER_ERROR)

    def _print_message(self, message: str, file: Any = None) -> None:
        # argparse passes over errors here, and the exit code would be 0.
        (sys.stderr if file is None else file).write(message)


#: What was typed, innermost last; one line for each error begins with it.
_typed: list[str] = []


def complain(message: str) -> None:
    """Write one line to standard error."""
    tell(f"error: {message}")


def tell(message: str) -> None:
    """Write one line to standard error, after the name of the program as it was typed."""
    program = _typed[-1] if _typed else "anb-onnx"
    sys.stderr.write(f"{program}: {one_line(message)}\n")


def run(program: str, command: Callable[[], int]) -> int:
    """Run a command so that it ends with an exit code, whatever its streams and its input are.

    Parameters
    ----------
    program : str
        Name for messages: what was typed.
    command : callable
        Does the work and returns the exit code.

    Returns
    -------
    int
        What `command` returned; 2 after an error of the user, lack of memory, or where standard
        output is full or closed (one line on standard error, if there is one); 141 where whoever
        read the output stopped (silent for standard output); 128 + the signal's number after
        Ctrl-C, SIGTERM or SIGHUP.

    Raises
    ------
    SystemExit
        As `command` does (argparse: help, version, wrong usage), once the output is written.
    """
    with _named(program), _standard_streams() as output, _stop_signals():
        try:
            return _finish(command, output)
        except AnbError as error:
            complain(str(error))
        except MemoryError as error:
            complain(f"not enough memory ({str(error) or 'for this input'})")
        except RecursionError:
            complain("the input is nested too deeply")
        except BrokenPipeError as error:
            if output is None or output.failure is not error:
                complain(f"whoever read an output has gone ({error.strerror or error})")
            return BROKEN_PIPE
        except OSError as error:
            complain(str(error))
        except Stopped as stop:
            return 128 + stop.number
        except KeyboardInterrupt:
            return INTERRUPTED
        return USER_ERROR


@contextlib.contextmanager
def _named(program: str) -> Iterator[None]:
    _typed.append(program)
    try:
        yield
    finally:
        _typed.pop()


def _finish(command: Callable[[], int], output: _Output | None) -> int:
    """Run the command and write what is buffered; an error there is one of the command."""
    leave: SystemExit | None = None
    code = OK
    try:
        code = command()
    except SystemExit as error:
        leave = error
    sys.stdout.flush()
    if output is not None and output.failure is not None:
        raise output.failure
    if leave is not None:
        raise leave
    return code


class _Output(io.FileIO):
    """Standard output. The first error is raised, and later output dropped.

    Else the interpreter would write what is buffered once more when it exits, and complain.
    """

    failure: Exception | None = None

    def write(self, data: Any, /) -> int:
        while self.failure is None:
            try:
                written: int | None = super().write(data)
            except BrokenPipeError as error:
                self.failure = error
                raise
            except OSError as error:
                closed = error.errno == errno.EBADF
                reason = "it is closed" if closed else error.strerror or error
                self.failure = StreamError(f"standard output cannot be written ({reason})")
                raise self.failure from error
            if written is not None:
                return written
            select.select([], [self], [])  # somebody else made it non-blocking
        return memoryview(data).nbytes


class _Messages(io.FileIO):
    """Standard error. What it cannot take is dropped: no result is in it."""

    def write(self, data: Any, /) -> int:
        with contextlib.suppress(OSError):
            return super().write(data) or 0
        return memoryview(data).nbytes


@contextlib.contextmanager
def _standard_streams() -> Iterator[_Output | None]:
    """Replace the process's own streams by some that fail in one way; yields standard output.

    Streams that a program has put in their place are left alone.
    """
    _fill_descriptors()
    before = sys.stdin, sys.stdout, sys.stderr
    output: _Output | None = None
    if sys.stdin is None:
        sys.stdin = io.TextIOWrapper(io.BufferedReader(io.FileIO(0, closefd=False)))
    if _is_own(sys.stdout, sys.__stdout__):
        output = _Output(1, "wb", closefd=False)
        sys.stdout = _text(output, sys.stdout)
    if _is_own(sys.stderr, sys.__stderr__):
        sys.stderr = _text(_Messages(2, "wb", closefd=False), sys.stderr, always=True)
    try:
        yield output
    finally:
        ours = sys.stdout, sys.stderr
        sys.stdin, sys.stdout, sys.stderr = before
        for stream in ours:
            # After an error of the command nobody wants to hear of another one.
            with contextlib.suppress(AnbError, OSError, ValueError):
                stream.flush()


def _is_own(stream: IO[str] | None, first: IO[str] | None) -> bool:
    """Say whether a stream is the process's own; Windows's console is more than its descriptor."""
    return stream is None or (stream is first and not (os.name == "nt" and stream.isatty()))


def _fill_descriptors() -> None:
    """Open what is closed of 0, 1 and 2, so that no other file gets the number and the output.

    In the wrong direction: reading standard input, and writing standard output, is an error.
    """
    for number, mode in ((0, os.O_WRONLY), (1, os.O_RDONLY), (2, os.O_WRONLY)):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, mode)  # takes the lowest number that is free


def _text(raw: io.FileIO, like: IO[str] | None, *, always: bool = False) -> io.TextIOWrapper:
    """Return a stream of text that writes what its encoding lacks as escapes."""
    if like is not None:
        like.flush()
    lines = always or bool(
        getattr(like, "line_buffering", False) or getattr(like, "write_through", False)
    )
    return io.TextIOWrapper(
        io.BufferedWriter(raw, 2**16),
        encoding=getattr(like, "encoding", None) or "utf-8",
        errors="backslashreplace",
        line_buffering=lines,
    )


@contextlib.contextmanager
def _stop_signals() -> Iterator[None]:
    """Turn signals that would kill the program at once into an exception, as Ctrl-C is one."""

    def stop(number: int, frame: FrameType | None) -> None:
        signal.signal(number, signal.SIG_DFL)  # a second one kills
        raise Stopped(number)

    mine = []
    if threading.current_thread() is threading.main_thread():
        mine = [number for number in _STOPS if signal.getsignal(number) is signal.SIG_DFL]
    for number in mine:
        signal.signal(number, stop)
    try:
        yield
    finally:
        for number in mine:
            signal.signal(number, signal.SIG_DFL)
