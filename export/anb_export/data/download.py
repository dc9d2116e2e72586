"""Downloads one file over HTTP, and goes on where a broken connection left off."""

from __future__ import annotations

import http.client
import re
import ssl
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from anb_export._io.files import to_json, write_atomically
from anb_export.data.watchdog import Watchdog, handlers
from anb_onnx._io.files import read_regular
from anb_onnx._io.strict_json import loads
from anb_onnx.errors import AnbError

_CHUNK = 1 << 18
#: Most bytes of the note about a part.
_STATE_BYTES = 1 << 16
#: An answer that brings so many bytes made progress: it does not count as a failed attempt.
_PROGRESS = 1 << 20

OnBytes = Callable[[int, int | None], None]


def _plain(text: str) -> str:
    """Return text that does nothing to a terminal but to be shown, of at most 1,000 characters."""
    shown = "".join(
        character if character.isprintable() else repr(character)[1:-1] for character in text
    )
    return shown if len(shown) <= 1000 else f"{shown[:990]} ... ({len(shown):,} characters)"


@dataclass(frozen=True)
class Patience:
    """How long a server is given.

    Attributes
    ----------
    attempts : int
        How often in a row a broken connection is taken up again without getting anywhere.
    pause : float
        Seconds between two attempts; doubled each time.
    stall : float
        Seconds for the server to answer, and in which it must then send 1 kB for each of them.
    total : float
        Seconds for everything, pauses included.
    """

    attempts: int = 5
    pause: float = 1.0
    stall: float = 30.0
    total: float = 7200.0

    def __post_init__(self) -> None:
        for name in ("pause", "stall", "total"):
            value = getattr(self, name)
            # `threading` waits for no more than some hundred years.
            if not 0 <= value <= 1e8 or (name != "pause" and value == 0):
                msg = f"{name} must be a number of seconds, positive and at most 1e8, found {value}"
                raise FetchError(msg)


class FetchError(AnbError):
    """A file cannot be downloaded, or is not the one expected.

    What a server says is part of many messages, so none has control characters or other lines.
    """

    def __init__(self, message: str) -> None:
        super().__init__(_plain(message))


@dataclass(frozen=True)
class Source:
    """A published file.

    Attributes
    ----------
    name : str
        Its name in the cache.
    url : str
        Where it is published.
    sha256 : str or None
        Its hexadecimal SHA-256; None if nobody has published one: then the digest of the first
        download is recorded beside the file, and later ones must have it.
    max_bytes : int
        More than this is refused, whatever the server says.
    """

    name: str
    url: str
    sha256: str | None
    max_bytes: int


def download(
    source: Source, part: Path, on_bytes: OnBytes, patience: Patience, deadline: float
) -> bool:
    """Complete `part`; return whether a former part was continued.

    Parameters
    ----------
    source : Source
    part : Path
        Written to; what is there is continued if the server still has the same file.
    on_bytes : callable
        As for `fetch.fetch`.
    patience : Patience
    deadline : float
        Value of `time.monotonic` that ends it in any case.

    Raises
    ------
    FetchError
        If the server refuses, or does not deliver all bytes in the given number of attempts, or
        in time.
    """
    _check_url(source.url)
    failures, resumed = 0, False
    while True:
        before = _size(part)
        resumed = resumed or before > 0
        reason = _attempt(source, part, on_bytes, patience.stall, deadline)
        if reason is None:
            return resumed
        after = _size(part)
        failures = 1 if after - before >= _PROGRESS else failures + 1
        pause = patience.pause * 2.0 ** min(failures - 1, 60)
        late = time.monotonic() + pause >= deadline
        if failures >= patience.attempts or late:
            how = f"not within {patience.total:g} seconds" if late else f"{failures} attempts"
            kept = f"; {after:,} bytes are kept, run again to go on" if after else ""
            msg = f"cannot download {source.url}: {reason} ({how}){kept}"
            raise FetchError(msg)
        time.sleep(pause)


def _attempt(
    source: Source, part: Path, on_bytes: OnBytes, stall: float, deadline: float
) -> str | None:
    """Ask once for what is missing; return what went wrong, None if the file is complete."""
    watchdog = Watchdog(stall, deadline)
    try:
        with watchdog:
            complete = _request(source, part, on_bytes, watchdog)
        return None if complete else watchdog.reason or "the connection broke off"
    except urllib.error.HTTPError as error:
        reason = f"HTTP {error.code} {error.reason}"
        if error.code < 500 and error.code not in (408, 429):
            msg = f"cannot download {source.url}: {reason}"
            raise FetchError(msg) from error
    except FetchError:
        raise
    except (urllib.error.URLError, http.client.HTTPException, TimeoutError, ValueError) as error:
        reason = str(getattr(error, "reason", None) or error or type(error).__name__)
    except (ConnectionError, ssl.SSLError) as error:
        reason = str(error)
    except OSError as error:
        if watchdog.reason is None:
            msg = f"cannot write {part}: {error.strerror or error}"
            raise FetchError(msg) from error
        reason = str(error)
    # What its end looked like to the reader says less.
    return watchdog.reason or reason


def _request(source: Source, part: Path, on_bytes: OnBytes, watchdog: Watchdog) -> bool:
    """Ask once for what is missing; return whether the file is complete now."""
    start, validator = _resume_point(source, part)
    headers = {"User-Agent": "anb-export", "Accept-Encoding": "identity"}
    if start:
        # With If-Range, a server whose file has changed sends the whole new one.
        headers |= {"Range": f"bytes={start}-", "If-Range": validator}
    request = urllib.request.Request(source.url, headers=headers)
    opener = urllib.request.build_opener(_Redirects, *handlers(watchdog))
    try:
        answer = opener.open(request, timeout=watchdog.stall)
    except FetchError:
        raise
    except urllib.error.HTTPError as error:
        if error.code == 416 and start:  # nothing there after `start`
            if error.headers.get("Content-Range") == f"bytes */{start}":
                return True  # a former run ended just before it could rename the file
            discard(part)
            return False
        raise
    except ValueError as error:  # the address itself was checked: it is one that it leads to
        msg = f"{source.url} redirects to a malformed address: {error}"
        raise FetchError(msg) from error
    watchdog.answered()
    with answer:
        if start and not _continues(answer, start):
            start = 0
        if start == 0 and answer.status != 200:
            msg = f"HTTP {answer.status} {answer.reason}, though the whole file was asked for"
            raise http.client.HTTPException(msg)
        _check_encoding(source, answer)
        length = _length(answer)
        total = None if length is None else start + length
        _check_size(source, total or 0, part)
        if start == 0:
            discard(part)
            etag = answer.headers.get("ETag") or answer.headers.get("Last-Modified")
            # A weak validator does not promise equal bytes.
            if etag and not etag.startswith("W/"):
                state = {"url": source.url, "validator": etag}
                write_atomically(state_of(part), to_json(state))
        done = start
        on_bytes(done, total)
        with part.open("ab" if start else "wb") as file:
            for chunk in _chunks(answer):
                watchdog.received(len(chunk))
                done += len(chunk)
                _check_size(source, done, part)
                file.write(chunk)
                on_bytes(done, total)
    # Without a length, an early end cannot be told from the end: the digest decides. An end that
    # the watchdog made is none.
    return done == total if total is not None else watchdog.reason is None


def _length(answer: Any) -> int | None:
    """Return the length that the server states, None if it states none."""
    if answer.chunked:
        return None
    stated = {value.strip() for value in answer.headers.get_all("Content-Length", [])}
    if not stated:
        return None
    text = stated.pop()
    if stated or not re.fullmatch("[0-9]+", text):
        msg = f"the server states the length {text[:40]!r}, which is none"
        raise http.client.HTTPException(msg)
    # Python reads no number of thousands of digits; twenty are too much already.
    return int(text.lstrip("0")[:20] or 0)


def _check_encoding(source: Source, answer: Any) -> None:
    """Refuse content that is packed once more, unless a digest tells what it must be."""
    encoding = answer.headers.get("Content-Encoding", "identity").strip().lower()
    # Some servers state gzip of every .gz file, although it is sent as it is.
    if encoding not in ("", "identity") and source.sha256 is None:
        msg = f"{source.url} is sent in the encoding {encoding[:40]!r}, though none was asked for"
        raise FetchError(msg)
    transfer = answer.headers.get("Transfer-Encoding", "chunked").strip().lower()
    if transfer not in ("chunked", "identity"):
        msg = f"{source.url} is sent in the transfer encoding {transfer[:40]!r}"
        raise FetchError(msg)


def _chunks(answer: Any) -> Iterator[bytes]:
    # What has arrived, not so many bytes: of a broken connection nothing is lost.
    while True:
        try:
            chunk = answer.read1(_CHUNK)
        except OverflowError as error:
            msg = "the server sent a chunk of a size that is none"
            raise http.client.HTTPException(msg) from error
        if not chunk:
            return
        left = answer.chunk_left
        if isinstance(left, int) and left < 0:
            msg = "the server sent a chunk of a size that is none"
            raise http.client.HTTPException(msg)
        yield chunk


def _size(part: Path) -> int:
    return part.stat().st_size if part.exists() else 0


def _resume_point(source: Source, part: Path) -> tuple[int, str]:
    """Return where to go on, and the validator of what is there; 0 if a new start is needed."""
    try:
        size = part.stat().st_size
        state = loads(read_regular(state_of(part), _STATE_BYTES))
        validator = str(state["validator"])
        if size and state["url"] == source.url and validator.isascii() and validator.isprintable():
            return size, validator
    except (OSError, ValueError, KeyError, TypeError):
        pass
    return 0, ""


def _continues(answer: Any, start: int) -> bool:
    """Whether the answer is the rest from `start` on, not the whole file."""
    if answer.status != 206:
        return False
    if not re.match(rf"bytes 0*{start}-", answer.headers.get("Content-Range", "")):
        msg = f"the server sent another range than asked for ({start}-)"
        raise http.client.HTTPException(msg)
    return True


def _check_size(source: Source, size: int, part: Path) -> None:
    if size > source.max_bytes:
        discard(part)
        msg = f"{source.url} has {size:,} bytes or more, allowed are {source.max_bytes:,}"
        raise FetchError(msg)


def _check_url(url: str) -> None:
    """Refuse at once what no attempt can download."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        msg = f"cannot download {url!r:.200}: the address is malformed: {error}"
        raise FetchError(msg) from error
    reason = None
    if parts.scheme not in ("http", "https"):
        reason = "only http and https are downloaded"
    elif not re.fullmatch("[!-~]+", url):
        reason = "write characters other than printable ASCII as %XX, and such hosts as xn--..."
    elif "@" in parts.netloc:
        reason = "give it without a user name or password"
    elif port == 0 or not _HOST.fullmatch(parts.netloc):
        reason = "expected http://host/path or http://host:port/path"
    if reason:
        msg = f"cannot download {url!r:.200}: {reason}"
        raise FetchError(msg)


#: Names of at most 63 characters between dots, or an IPv6 address in brackets.
_HOST = re.compile(
    r"([a-z0-9_-]{1,63}(\.[a-z0-9_-]{1,63})*\.?|\[[0-9a-f:.]+\])(:[0-9]*)?", re.IGNORECASE
)


class _Redirects(urllib.request.HTTPRedirectHandler):
    """Follows redirects, but never from https to something that can be tampered with."""

    def redirect_request(
        self, req: Any, fp: Any, code: int, msg: str, headers: Any, url: str
    ) -> Any:
        if fp is not None:
            fp.close()  # urllib would read all of its content, of any size
        _check_url(url)
        if req.full_url.startswith("https:") and not url.startswith("https:"):
            text = f"{req.full_url} redirects to {url}, which is not encrypted"
            raise FetchError(text)
        return super().redirect_request(req, fp, code, msg, headers, url)


def discard(part: Path) -> None:
    """Remove a part and what is known about it."""
    part.unlink(missing_ok=True)
    state_of(part).unlink(missing_ok=True)


def state_of(part: Path) -> Path:
    """Return the file that says where a part comes from."""
    return part.with_name(f"{part.name}.json")
