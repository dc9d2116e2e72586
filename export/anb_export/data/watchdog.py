"""Ends a connection that stalls, or that takes too long in all, whatever the server does."""

from __future__ import annotations

import contextlib
import http.client
import socket
import threading
import time
import urllib.request
from types import TracebackType
from typing import Any

#: Bytes a second below which a connection counts as stalled.
LEAST_SPEED = 1000


class Watchdog:
    """Shuts the connection down when it is too slow.

    A time-out of a socket starts anew with every byte, so a server that sends one every two seconds
    would hold the caller for ever: in a handshake, a header or the content. Here a thread of its
    own watches all of it.

    Parameters
    ----------
    stall : float
        Seconds the server has for its answer, and in which it then must send
        `LEAST_SPEED` bytes for each of them.
    deadline : float
        Value of `time.monotonic` at which the connection ends in any case.
    """

    def __init__(self, stall: float, deadline: float) -> None:
        self.stall, self.deadline = stall, deadline
        self.reason: str | None = None
        self._answered = False
        self._bytes = 0
        self._socket: socket.socket | None = None
        self._lock = threading.Lock()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> Watchdog:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._over.set()
        self._thread.join()
        self._drop()

    def connected(self, connection: socket.socket) -> None:
        """Watch this connection from now on; redirects lead to a new one."""
        with self._lock:
            self._drop()
            # A copy: TLS takes the socket over, and shutting down one ends both.
            self._socket = connection.dup()
            if self.reason:
                self._shut_down()

    def answered(self) -> None:
        """Note that the server has answered: what follows is the content."""
        self._answered = True

    def received(self, count: int) -> None:
        """Note that so many bytes of the content have arrived."""
        self._bytes += count

    def _watch(self) -> None:
        answered, seen = False, 0
        end = time.monotonic() + self.stall
        while not self._over.wait(max(min(end, self.deadline) - time.monotonic(), 0)):
            now = time.monotonic()
            if now >= self.deadline:
                self._end("it takes longer than allowed in all")
                return
            if now < end:
                continue
            if not self._answered:
                self._end(f"no answer within {self.stall:g} seconds")
                return
            # The window in which the answer came is no measure of the content's speed.
            if answered and self._bytes - seen < LEAST_SPEED * self.stall:
                found = self._bytes - seen
                self._end(f"the server sent only {found:,} bytes in {self.stall:g} seconds")
                return
            answered, seen = True, self._bytes
            end = now + self.stall

    def _end(self, reason: str) -> None:
        with self._lock:
            self.reason = reason
            self._shut_down()

    def _shut_down(self) -> None:
        if self._socket is not None:
            with contextlib.suppress(OSError):  # it has ended by itself
                self._socket.shutdown(socket.SHUT_RDWR)

    def _drop(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None


def handlers(watchdog: Watchdog) -> tuple[urllib.request.BaseHandler, ...]:
    """Return what opens the connections of `urllib` under a watchdog."""

    class _Watched(http.client.HTTPConnection):
        def connect(self) -> None:
            super().connect()
            watchdog.connected(self.sock)

    # Between the two, so that `connect` is over before the handshake begins.
    class _WatchedTls(http.client.HTTPSConnection, _Watched):
        pass

    class _Http(urllib.request.HTTPHandler):
        def http_open(self, req: urllib.request.Request) -> Any:
            return self.do_open(_Watched, req)

    class _Https(urllib.request.HTTPSHandler):
        def https_open(self, req: urllib.request.Request) -> Any:
            return self.do_open(_WatchedTls, req)

    return _Http(), _Https()
