"""Downloads one file over HTTP, and goes on where a broken connection left off."""

from __future__ import annotations

import http.client
import json
import re
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any
from urllib.parse import urlsplit

from anb_export.files import to_json, write_atomically
from anb_onnx.errors import AnbError

_CHUNK = 1 << 18
#: An answer that brings so many bytes made progress: it does not count as a failed attempt.
_PROGRESS = 1 << 20

OnBytes = Callable[[int, int | None], None]


class FetchError(AnbError):
    """A file cannot be downloaded, or is not the one expected."""


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
    source: Source, part: Path, on_bytes: OnBytes, attempts: int, timeout: float, pause: float
) -> bool:
    """Complete `part`; return whether a former part was continued.

    Parameters
    ----------
    source : Source
    part : Path
        Written to; what is there is continued if the server still has the same file.
    on_bytes, attempts, timeout, pause
        As for `fetch.fetch`.

    Raises
    ------
    FetchError
        If the server refuses, or does not deliver all bytes in the given number of attempts.
    """
    _check_url(source.url)
    failures, resumed = 0, False
    while True:
        before = part.stat().st_size if part.exists() else 0
        resumed = resumed or before > 0
        try:
            if _request(source, part, on_bytes, timeout):
                return resumed
            reason = "the connection broke off"
        except urllib.error.HTTPError as error:
            reason = f"HTTP {error.code} {error.reason}"
            if error.code < 500 and error.code not in (408, 429):
                msg = f"cannot download {source.url}: {reason}"
                raise FetchError(msg) from error
        except (urllib.error.URLError, http.client.HTTPException, TimeoutError) as error:
            reason = str(getattr(error, "reason", None) or error or type(error).__name__)
        except ConnectionError as error:
            reason = str(error)
        except OSError as error:
            msg = f"cannot write {part}: {error.strerror or error}"
            raise FetchError(msg) from error
        after = part.stat().st_size if part.exists() else 0
        failures = 1 if after - before >= _PROGRESS else failures + 1
        if failures >= attempts:
            kept = f"; {after:,} bytes are kept, run again to go on" if after else ""
            msg = f"cannot download {source.url}: {reason} ({failures} attempts){kept}"
            raise FetchError(msg)
        time.sleep(pause * 2.0 ** (failures - 1))


def _request(source: Source, part: Path, on_bytes: OnBytes, timeout: float) -> bool:
    """Ask once for what is missing; return whether the file is complete now."""
    start, validator = _resume_point(source, part)
    headers = {"User-Agent": "anb-export", "Accept-Encoding": "identity"}
    if start:
        # With If-Range, a server whose file has changed sends the whole new one.
        headers |= {"Range": f"bytes={start}-", "If-Range": validator}
    request = urllib.request.Request(source.url, headers=headers)
    try:
        answer = _OPENER.open(request, timeout=timeout)
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
    with answer:
        if start and not _continues(answer, start):
            start = 0
        length = answer.headers.get("Content-Length", "")
        # Python reads no number of thousands of digits; twenty are too much already.
        total = start + int(length.lstrip("0")[:20] or 0) if length.isdecimal() else None
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
                done += len(chunk)
                _check_size(source, done, part)
                file.write(chunk)
                on_bytes(done, total)
    # Without a length, an early end cannot be told from the end: the digest decides.
    return total is None or done == total


def _chunks(answer: IO[bytes]) -> Iterator[bytes]:
    while True:
        try:
            chunk = answer.read(_CHUNK)
        except http.client.IncompleteRead as error:
            yield error.partial  # do not lose what has arrived
            raise
        if not chunk:
            return
        yield chunk


def _resume_point(source: Source, part: Path) -> tuple[int, str]:
    """Return where to go on, and the validator of what is there; 0 if a new start is needed."""
    try:
        size = part.stat().st_size
        state = json.loads(state_of(part).read_bytes())
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
        _check_url(url)
        if req.full_url.startswith("https:") and not url.startswith("https:"):
            text = f"{req.full_url} redirects to {url}, which is not encrypted"
            raise FetchError(text)
        return super().redirect_request(req, fp, code, msg, headers, url)


_OPENER = urllib.request.build_opener(_Redirects)


def discard(part: Path) -> None:
    """Remove a part and what is known about it."""
    part.unlink(missing_ok=True)
    state_of(part).unlink(missing_ok=True)


def state_of(part: Path) -> Path:
    """Return the file that says where a part comes from."""
    return part.with_name(f"{part.name}.json")
