"""How far long work is, on standard error: with the rate of late and the time that is left."""

from __future__ import annotations

import sys
import time
from collections import deque
from collections.abc import Callable
from types import TracebackType
from typing import TextIO

# The rate is that of the last so many seconds, from the first call on: what a run before left is
# passed over in no time, and what begins with compiling takes longer to the first.
_WINDOW = 60.0
# Between two lines on a terminal.
_PAUSE = 0.1


class Progress:
    """Called with what is done and the total; a context manager that leaves whole lines behind.

    On a terminal one line is written over and over. Elsewhere, if asked for, there is a line for
    every whole per cent.

    Parameters
    ----------
    unit : str
        What is counted, for example ``"rows"``.
    show : bool
        Whether to write where standard error is no terminal, too.
    stream : text stream, optional
        Standard error if not given.
    clock : callable
        Seconds, of any beginning.
    wait : float
        Seconds from the first call on in which a terminal shows nothing: short work needs none.

    Attributes
    ----------
    shown : bool
        Whether anything is written.
    """

    def __init__(
        self,
        unit: str,
        *,
        show: bool = False,
        stream: TextIO | None = None,
        clock: Callable[[], float] = time.monotonic,
        wait: float = 0.0,
    ) -> None:
        self._unit = unit
        self._stream = sys.stderr if stream is None else stream
        self._terminal = self._stream.isatty()
        self.shown = show or self._terminal
        self._clock = clock
        self._seen: deque[tuple[float, int]] = deque()
        self._wrote: tuple[float, int] | None = None
        self._width = 0
        self._quiet = wait if self._terminal and not show else 0.0
        self._first: float | None = None

    def __call__(self, done: int, total: int | None) -> None:
        """Say that so many are done; None for a total that nobody knows."""
        if not self.shown:
            return
        now = self._clock()
        self._first = now if self._first is None else self._first
        self._seen.append((now, done))
        while len(self._seen) > 2 and now - self._seen[0][0] > _WINDOW:
            self._seen.popleft()
        if now - self._first < self._quiet:
            return
        # Of an unknown total, a line for each doubling counts as one for a whole per cent.
        percent = done.bit_length() if total is None else 100 * done // total if total else 100
        if self._wrote is not None and (total is None or done < total):
            then, before = self._wrote
            if (now - then < _PAUSE) if self._terminal else (percent == before):
                return
        self._wrote = now, percent
        self._write(self._text(done, total, percent))

    def _text(self, done: int, total: int | None, percent: int) -> str:
        text = f"{done:,} {self._unit}"
        if total is not None:
            text = f"{done:,} of {total:,} {self._unit}, {percent} %"
        (then, before), (now, _) = self._seen[0], self._seen[-1]
        if done > before and now > then:
            rate = (done - before) / (now - then)
            text += f", {rate:,.0f}/s"
            if total is not None and done < total:
                text += f", {_duration((total - done) / rate)} left"
        return text

    def _write(self, text: str) -> None:
        if self._terminal:
            self._stream.write("\r" + text.ljust(self._width))
            self._width = len(text)
        else:
            self._stream.write(text + "\n")
        self._stream.flush()

    def __enter__(self) -> Progress:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._width:
            self._stream.write("\n")
            self._stream.flush()


def _duration(seconds: float) -> str:
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02} min"
