"""Downloads, against a server on this machine that misbehaves in every way."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from anb_export.cli import main
from anb_export.data import download
from anb_export.data.fetch import (
    DATA,
    MODELS,
    Fetched,
    FetchError,
    Patience,
    Source,
    cache_folder,
    fetch,
)

CONTENT = np.random.default_rng(3).bytes(3_000_000)
DIGEST = hashlib.sha256(CONTENT).hexdigest()

Answer = Callable[[Any, "Server"], None]


@dataclass
class Server:
    """What the server will answer, in order (the last answer again and again), and was asked."""

    url: str = ""
    answers: list[Answer] = field(default_factory=list)
    asked: list[dict[str, str]] = field(default_factory=list)


@pytest.fixture
def server() -> Iterator[Server]:
    state = Server()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            state.asked.append({"path": self.path, **dict(self.headers)})
            answer = state.answers[min(len(state.asked), len(state.answers)) - 1]
            with contextlib.suppress(ConnectionError):  # the client may have had enough
                answer(self, state)
            self.close_connection = True

        def log_message(self, format: str, *args: Any) -> None:
            pass

    httpd = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=httpd.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    state.url = f"http://127.0.0.1:{httpd.server_port}/file"
    yield state
    httpd.shutdown()
    httpd.server_close()
    thread.join()


def send(
    *,
    content: bytes = CONTENT,
    upto: int | None = None,
    length: int | None = None,
    ranges: bool = True,
    etag: str | None = '"one"',
    shift: int = 0,
) -> Answer:
    """Answer with content from the asked range on, cut off at the byte `upto` of it."""

    def answer(handler: Any, state: Server) -> None:
        start = 0
        asked = handler.headers.get("Range")
        if ranges and asked and handler.headers.get("If-Range") == etag:
            start = int(asked.removeprefix("bytes=").removesuffix("-"))
        if start >= len(content) > 0:
            handler.send_response(416)
            handler.send_header("Content-Range", f"bytes */{len(content)}")
            handler.end_headers()
            return
        handler.send_response(206 if start else 200)
        if start:
            last = len(content) - 1
            handler.send_header(
                "Content-Range", f"bytes {start + shift}-{last + shift}/{len(content)}"
            )
        handler.send_header(
            "Content-Length", str(len(content) - start if length is None else length)
        )
        if etag:
            handler.send_header("ETag", etag)
        handler.end_headers()
        handler.wfile.write(content[start:upto])

    return answer


def status(code: int, **headers: str) -> Answer:
    def answer(handler: Any, state: Server) -> None:
        handler.send_response(code)
        for name, value in headers.items():
            handler.send_header(name, value)
        handler.send_header("Content-Length", "0")
        handler.end_headers()

    return answer


def chunked(handler: Any, state: Server) -> None:
    """Without a length, broken off in the middle of a chunk."""
    handler.protocol_version = "HTTP/1.1"
    handler.send_response(200)
    handler.send_header("Transfer-Encoding", "chunked")
    handler.send_header("ETag", '"one"')
    handler.end_headers()
    handler.wfile.write(b"100000\r\n" + CONTENT[:1000])


def get(server: Server, folder: Path, **options: Any) -> Fetched:
    known = options.pop("known", DIGEST)
    source = Source("file.bin", server.url, known, options.pop("max_bytes", 1 << 23))
    patience = Patience(
        attempts=3, pause=0.0, stall=options.pop("stall", 5.0), total=options.pop("total", 60.0)
    )
    return fetch(source, folder, patience=patience, **options)


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()} if folder.exists() else set()


def test_a_plain_download(server: Server, tmp_path: Path) -> None:
    server.answers = [send()]
    seen: list[tuple[int, int | None]] = []
    found = get(server, tmp_path / "new" / "cache", on_bytes=lambda *args: seen.append(args))
    assert found.path.read_bytes() == CONTENT
    assert (found.sha256, found.downloaded, found.trusted) == (DIGEST, True, True)
    assert seen[0] == (0, len(CONTENT))
    assert seen[-1] == (len(CONTENT), len(CONTENT))
    assert names(found.path.parent) == {"file.bin"}
    again = get(server, found.path.parent)
    assert (again.path, again.downloaded, len(server.asked)) == (found.path, False, 1)


def test_a_broken_connection_is_taken_up(server: Server, tmp_path: Path) -> None:
    server.answers = [send(upto=1_000_000), send(upto=1_700_000), send()]
    found = get(server, tmp_path)
    assert found.path.read_bytes() == CONTENT
    assert [asked.get("Range") for asked in server.asked] == [
        None,
        "bytes=1000000-",
        "bytes=1700000-",
    ]
    assert names(tmp_path) == {"file.bin"}


def test_what_has_arrived_is_kept_for_the_next_run(server: Server, tmp_path: Path) -> None:
    server.answers = [send(upto=500_000), status(503)]
    with pytest.raises(FetchError, match=r"HTTP 503 .*500,000 bytes are kept, run again to go on"):
        get(server, tmp_path)
    assert names(tmp_path) == {"file.bin.part", "file.bin.part.json"}
    server.answers = [send()]
    assert get(server, tmp_path).path.read_bytes() == CONTENT
    assert server.asked[-1]["Range"] == "bytes=500000-"
    assert names(tmp_path) == {"file.bin"}


@pytest.mark.parametrize(
    "later",
    [
        send(ranges=False),  # ignores Range
        send(etag='"two"'),  # the file has changed: If-Range brings the whole new one
    ],
)
def test_a_server_that_sends_everything_again(
    server: Server, tmp_path: Path, later: Answer
) -> None:
    server.answers = [send(upto=900_000), later]
    assert get(server, tmp_path).path.read_bytes() == CONTENT


def test_without_a_strong_validator_nothing_is_resumed(server: Server, tmp_path: Path) -> None:
    server.answers = [send(upto=900_000, etag='W/"one"'), send(etag='W/"one"')]
    assert get(server, tmp_path).path.read_bytes() == CONTENT
    assert "Range" not in server.asked[1]


def test_a_wrong_range_is_refused(server: Server, tmp_path: Path) -> None:
    server.answers = [send(upto=900_000), send(shift=5)]
    with pytest.raises(FetchError, match="another range than asked for"):
        get(server, tmp_path)
    assert "file.bin" not in names(tmp_path)


def test_a_part_of_another_file_is_dropped(server: Server, tmp_path: Path) -> None:
    # The validator lies: what was resumed does not fit. A second, whole download does.
    server.answers = [send(content=b"x" * 3_000_000, upto=900_000), send()]
    assert get(server, tmp_path).path.read_bytes() == CONTENT
    assert [asked.get("Range") for asked in server.asked] == [None, "bytes=900000-", None]


def test_a_finished_part_is_used(server: Server, tmp_path: Path) -> None:
    (tmp_path / "file.bin.part").write_bytes(CONTENT)
    state = {"url": server.url, "validator": '"one"'}
    (tmp_path / "file.bin.part.json").write_text(json.dumps(state))
    server.answers = [send()]
    assert get(server, tmp_path).path.read_bytes() == CONTENT
    assert len(server.asked) == 1


@pytest.mark.parametrize(
    "answer",
    [
        send(content=CONTENT[:-1] + bytes([CONTENT[-1] ^ 1])),
        send(content=CONTENT[:-1000]),
        send(content=CONTENT + b"more"),
        send(content=b""),
        send(content=b"<html>Sign in</html>"),
        send(length=1000),
    ],
    ids=["one bit", "truncated", "longer", "empty", "a page", "short length"],
)
def test_tampered_content_leaves_nothing(server: Server, tmp_path: Path, answer: Answer) -> None:
    server.answers = [answer]
    with pytest.raises(FetchError, match=rf"expected {DIGEST}.*nothing was kept"):
        get(server, tmp_path)
    assert names(tmp_path) == set()


@pytest.mark.parametrize(
    "answer", [send(length=4_000_000, etag=None), chunked], ids=["length", "chunked"]
)
def test_an_early_end_is_an_error(server: Server, tmp_path: Path, answer: Answer) -> None:
    server.answers = [answer]
    with pytest.raises(FetchError, match="attempts"):
        get(server, tmp_path)
    assert "file.bin" not in names(tmp_path)


def test_too_large(server: Server, tmp_path: Path) -> None:
    server.answers = [send()]
    with pytest.raises(FetchError, match="allowed are 1,000,000"):
        get(server, tmp_path, max_bytes=1_000_000)
    assert names(tmp_path) == set()


def test_a_refusal_is_not_repeated(server: Server, tmp_path: Path) -> None:
    server.answers = [status(404)]
    with pytest.raises(FetchError, match=rf"cannot download {server.url}: HTTP 404"):
        get(server, tmp_path)
    assert (len(server.asked), names(tmp_path)) == (1, set())


def test_redirects(server: Server, tmp_path: Path) -> None:
    server.answers = [status(302, Location="/elsewhere"), send()]
    assert get(server, tmp_path).path.read_bytes() == CONTENT
    assert [asked["path"] for asked in server.asked] == ["/file", "/elsewhere"]


def test_a_redirect_out_of_http_is_refused(server: Server, tmp_path: Path) -> None:
    server.answers = [status(302, Location="file:///etc/hostname")]
    with pytest.raises(FetchError):
        get(server, tmp_path)
    assert names(tmp_path) == set()
    with pytest.raises(FetchError, match="only http and https"):
        fetch(Source("x", "file:///etc/hostname", None, 9), tmp_path)


def test_no_redirect_to_plain_http() -> None:
    import urllib.request

    handler = download._Redirects()
    request = urllib.request.Request("https://example.invalid/a")
    with pytest.raises(FetchError, match="not encrypted"):
        handler.redirect_request(request, None, 302, "", {}, "http://example.invalid/a")


MALFORMED = {
    "http://[bad/x": "the address is malformed: Invalid IPv6 URL",
    "http://h:abc/x": "the address is malformed: Port could not be cast",
    "http://h:99999/x": "the address is malformed: Port out of range",
    "http://127.0.0.1:9/é": "write characters other than printable ASCII as %XX",
    "http://bücher.example/x": "such hosts as xn--...",
    "http://h/a b": "printable ASCII",
    "http://h/a\nb": "printable ASCII",
    "http://user:secret@h/x": "without a user name or password",
    "http:///x": "expected http://host/path",
    "http:x": "expected http://host/path",
    "http://h:0/x": "expected http://host/path",
    "http://a..b/x": "expected http://host/path",
    f"http://{'a' * 64}/x": "expected http://host/path",
    "http://h%41/x": "expected http://host/path",
    "ftp://h/x": "only http and https are downloaded",
    "": "only http and https are downloaded",
}


@pytest.mark.parametrize(("url", "message"), MALFORMED.items())
def test_malformed_addresses_are_refused_at_once(
    url: str,
    message: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(time, "sleep", lambda seconds: pytest.fail("tried again"))
    assert main(["fetch-data", "--cache", str(tmp_path), "--url", url]) == 2
    printed = capsys.readouterr().err
    assert printed.startswith(f"anb-export: error: cannot download {url!r}: ")
    assert message in printed
    assert printed.count("\n") == 1
    assert names(tmp_path) == set()


@pytest.mark.parametrize(
    "url",
    [
        DATA.url,
        MODELS.url,
        "https://h",
        "http://[::1]:80/x?a=%20b#c",
        "http://h.:/x",
        "HTTP://a_b/",
    ],
)
def test_addresses_that_are_right(url: str) -> None:
    download._check_url(url)


@pytest.mark.parametrize("location", ["http://[bad/x", "http://h:abc/x", "http://a..b/x"])
def test_a_redirect_to_a_malformed_address(server: Server, tmp_path: Path, location: str) -> None:
    server.answers = [status(302, Location=location)]
    with pytest.raises(FetchError, match=r"malformed address|cannot download"):
        get(server, tmp_path)
    assert len(server.asked) == 1
    assert names(tmp_path) == set()


def test_numbers_of_thousands_of_digits(server: Server, tmp_path: Path) -> None:
    def long(handler: Any, state: Server) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", "9" * 5000)
        handler.end_headers()
        handler.wfile.write(b"abc")

    def ranged(handler: Any, state: Server) -> None:
        handler.send_response(206)
        handler.send_header("Content-Range", f"bytes {'9' * 5000}-/*")
        handler.end_headers()

    server.answers = [long]
    with pytest.raises(FetchError, match=r"has 99,999,999,999,999,999,999 bytes or more, allowed"):
        get(server, tmp_path)
    assert names(tmp_path) == set()
    server.answers = [send(upto=900_000), ranged]
    server.asked.clear()
    with pytest.raises(FetchError, match="another range than asked for"):
        get(server, tmp_path)


def test_a_validator_that_no_header_can_hold(server: Server, tmp_path: Path) -> None:
    (tmp_path / "file.bin.part").write_bytes(b"x")
    state = {"url": server.url, "validator": "漢"}
    (tmp_path / "file.bin.part.json").write_text(json.dumps(state))
    server.answers = [send()]
    assert get(server, tmp_path).path.read_bytes() == CONTENT
    assert "Range" not in server.asked[0]


def test_nobody_answers(tmp_path: Path) -> None:
    source = Source("file.bin", "http://127.0.0.1:9/x", DIGEST, 100)
    with pytest.raises(FetchError, match="2 attempts"):
        fetch(source, tmp_path, patience=Patience(attempts=2, pause=0.0, stall=1.0))
    assert names(tmp_path) == set()


def test_offline(server: Server, tmp_path: Path) -> None:
    with pytest.raises(FetchError, match="without --offline"):
        get(server, tmp_path, offline=True)
    (tmp_path / "file.bin").write_bytes(b"damaged")
    with pytest.raises(FetchError, match=rf"damaged.*expected {DIGEST}"):
        get(server, tmp_path, offline=True)
    assert server.asked == []
    server.answers = [send()]
    assert get(server, tmp_path).downloaded
    assert not get(server, tmp_path, offline=True).downloaded


def test_an_unpublished_digest_is_recorded(server: Server, tmp_path: Path) -> None:
    server.answers = [send()]
    first = get(server, tmp_path, known=None)
    assert (first.sha256, first.trusted) == (DIGEST, False)
    assert get(server, tmp_path, known=None).trusted
    # Another file under the same address is then found out.
    (tmp_path / "file.bin").unlink()
    server.answers = [send(content=b"another")]
    with pytest.raises(FetchError, match=rf"expected {DIGEST}"):
        get(server, tmp_path, known=None)
    assert names(tmp_path) == {"file.bin.sha256"}
    (tmp_path / "file.bin.sha256").write_text("{}")
    with pytest.raises(FetchError, match="remove it to record a new one"):
        get(server, tmp_path, known=None)


def test_a_given_digest_goes_first(server: Server, tmp_path: Path) -> None:
    server.answers = [send()]
    with pytest.raises(FetchError, match="nothing was kept"):
        get(server, tmp_path, known=None, sha256="0" * 64)
    assert names(tmp_path) == set()
    assert get(server, tmp_path, known=None, sha256=DIGEST).trusted
    with pytest.raises(FetchError, match="64 digits"):
        get(server, tmp_path, sha256="0123")


def test_one_download_at_a_time(server: Server, tmp_path: Path) -> None:
    pytest.importorskip("fcntl")
    inside = threading.Event()
    leave = threading.Event()

    def slow(handler: Any, state: Server) -> None:
        inside.set()
        leave.wait(10)
        send()(handler, state)

    server.answers = [slow]
    thread = threading.Thread(target=get, args=(server, tmp_path))
    thread.start()
    try:
        assert inside.wait(10)
        with pytest.raises(FetchError, match="another process is downloading"):
            get(server, tmp_path)
    finally:
        leave.set()
        thread.join()
    assert names(tmp_path) == {"file.bin"}


def test_an_unwritable_cache(server: Server, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(FetchError, match="cannot write to the cache"):
        get(server, tmp_path / "file")


def test_where_the_cache_is(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("ANB_ONNX_CACHE", raising=False)
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    assert cache_folder() == tmp_path / ".cache" / "anb_onnx"
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")
    assert cache_folder() == tmp_path / ".cache" / "anb_onnx"
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert cache_folder() == tmp_path / "xdg" / "anb_onnx"
    monkeypatch.setenv("ANB_ONNX_CACHE", str(tmp_path / "own"))
    assert cache_folder() == tmp_path / "own"


def test_the_commands(server: Server, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    server.answers = [send()]
    arguments = ["--cache", str(tmp_path), "--url", server.url]
    assert main(["fetch-data", *arguments]) == 2
    assert f"expected {DATA.sha256}" in capsys.readouterr().err
    assert names(tmp_path) == set()
    assert main(["fetch-models", *arguments]) == 0
    captured = capsys.readouterr()
    assert captured.out == f"{tmp_path / MODELS.name}\n"
    assert f"sha256 {DIGEST}: nobody has published a digest" in captured.err
    assert main(["fetch-models", *arguments, "--offline"]) == 0
    assert "from the cache" in capsys.readouterr().err
    assert main(["fetch-data", *arguments, "--offline"]) == 2
    assert capsys.readouterr().err.count("\n") == 1


@contextlib.contextmanager
def raw_server(*parts: bytes, drip: bool = False) -> Iterator[int]:
    """A server that sends what it is told to every connection, the last part for ever if `drip`.

    Otherwise it sends all and then nothing, without closing. Yields its port.
    """
    leave = threading.Event()

    def serve(connection: socket.socket) -> None:
        with connection, contextlib.suppress(OSError):
            for part in parts[:-1] if drip else parts:
                connection.sendall(part)
            # Each wait is far below the time-out of the client's socket.
            while drip and not leave.wait(0.02):
                connection.sendall(parts[-1])
            leave.wait(30)

    def accept() -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = listener.accept()
                threading.Thread(target=serve, args=(connection,), daemon=True).start()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=accept, daemon=True)
        thread.start()
        try:
            yield listener.getsockname()[1]
        finally:
            leave.set()
            listener.shutdown(socket.SHUT_RDWR)
            thread.join()


HEAD = b'HTTP/1.1 200 OK\r\nETag: "one"\r\n'
LONG = HEAD + b"Content-Length: 3000000\r\n\r\n"
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"
#: What is sent, whether the last part is sent for ever, byte by byte, and what is said of it.
SLOW: dict[str, tuple[str, tuple[bytes, ...], bool, str]] = {
    "nothing": ("http", (b"",), False, "no answer within 0.4 seconds|timed out"),
    "status, byte by byte": ("http", (b"HTTP/1.1 200 ", b"a"), True, "no answer within 0.4 sec"),
    "headers for ever": ("http", (HEAD, b"A: b"), True, "no answer within 0.4 seconds"),
    "continue for ever": (
        "http",
        (b"HTTP/1.1 100 Continue\r\n\r\n",),
        True,
        "no answer within 0.4 seconds",
    ),
    "TLS handshake": ("https", (b"\x16\x03\x03\x40\x00", b"\x02"), True, "no answer within 0.4"),
    "no content": ("http", (LONG,), False, "timed out|sent only 0 bytes in 0.4 seconds"),
    "content, byte by byte": ("http", (LONG, b"x"), True, r"sent only \d+ bytes in 0.4 seconds"),
    "without a length": ("http", (HEAD + b"\r\n", b"x"), True, r"sent only \d+ bytes in 0.4"),
    "chunks of a byte": ("http", (CHUNKED, b"1\r\nx\r\n"), True, r"sent only \d+ bytes in 0.4"),
    "trailers for ever": ("http", (CHUNKED, b"0\r\n", b"A: b\r\n"), True, "sent only 0 bytes"),
    "an extension for ever": ("http", (CHUNKED, b"5;", b"a"), True, "sent only 0 bytes in 0.4"),
    "a redirect with content": (
        "http",
        (b"HTTP/1.1 302 Found\r\nLocation: file:///x\r\n\r\n", b"x"),
        True,
        "HTTP 302",
    ),
    "a refusal with content": ("http", (b"HTTP/1.1 404 No\r\n\r\n", b"x"), True, "HTTP 404 No"),
}


@pytest.mark.parametrize(("scheme", "parts", "drip", "message"), SLOW.values(), ids=SLOW)
def test_no_server_holds_the_command(
    tmp_path: Path, scheme: str, parts: tuple[bytes, ...], drip: bool, message: str
) -> None:
    with raw_server(*parts, drip=drip) as port:
        source = Source("file.bin", f"{scheme}://127.0.0.1:{port}/x", DIGEST, 1 << 23)
        patience = Patience(attempts=2, pause=0.0, stall=0.4)
        with pytest.raises(FetchError, match=message):
            fetch(source, tmp_path, patience=patience)
    assert "file.bin" not in names(tmp_path)


def test_all_attempts_together_have_a_limit(tmp_path: Path) -> None:
    with raw_server(LONG, b"x" * 1000, drip=True) as port:  # fast enough never to stall
        source = Source("file.bin", f"http://127.0.0.1:{port}/x", DIGEST, 1 << 23)
        patience = Patience(attempts=10**9, stall=20.0, total=0.3)
        with pytest.raises(FetchError, match=r"\(not within 0\.3 seconds\); .* run again"):
            fetch(source, tmp_path, patience=patience)
    assert names(tmp_path) == {"file.bin.part", "file.bin.part.json"}


def test_pauses_count_as_well(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    start = time.monotonic()
    pauses: list[float] = []
    clock = SimpleNamespace(monotonic=lambda: start + sum(pauses), sleep=pauses.append)
    monkeypatch.setattr(download, "time", clock)
    server.answers = [status(503)]
    source = Source("file.bin", server.url, DIGEST, 1 << 23)
    with pytest.raises(FetchError, match=r"HTTP 503 .*\(not within 100 seconds\)"):
        fetch(source, tmp_path, patience=Patience(attempts=10**9, pause=1.0, total=100.0))
    assert pauses == [1, 2, 4, 8, 16, 32]  # another 64 would be too many
    assert len(server.asked) == 7


@pytest.mark.parametrize("option", ["--stall", "--max-time"])
@pytest.mark.parametrize("value", ["0", "-1", "nan", "inf", "1e9", "soon"])
def test_times_are_checked(option: str, value: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["fetch-data", f"{option}={value}"])
    assert "positive number of seconds" in capsys.readouterr().err


@pytest.mark.parametrize("values", [{"stall": 0.0}, {"total": float("nan")}, {"pause": -1.0}])
def test_patience_is_checked(values: dict[str, float]) -> None:
    with pytest.raises(FetchError, match="number of seconds"):
        Patience(**values)  # type: ignore[arg-type]


ESCAPES = "\x1b]0;title\x07\x1b[2J\x9b31m\r"


@pytest.mark.parametrize(
    "answer",
    [
        f"HTTP/1.1 404 {ESCAPES}",
        f"HTTP/1.1 503 {ESCAPES}",
        f"HTTP/1.1 200{ESCAPES} OK",
        f"{ESCAPES}",
        f"HTTP/1.1 302 {ESCAPES}\r\nLocation: ftp://{ESCAPES}",
        f"HTTP/1.1 302 {ESCAPES}\r\nLocation: http://h{ESCAPES}/x",
        f"HTTP/1.1 302 Found\r\nLocation: http://[{ESCAPES}",
        f"HTTP/1.1 200 OK\r\nContent-Length: {ESCAPES}",
        f"HTTP/1.1 200 OK\r\nTransfer-Encoding: {ESCAPES}",
        f"HTTP/1.1 206 {ESCAPES}\r\nContent-Length: 3",
    ],
)
def test_what_a_server_says_does_nothing_to_the_terminal(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    answer: str,
) -> None:
    monkeypatch.setattr(time, "sleep", lambda seconds: None)
    with raw_server(answer.encode("latin-1") + b"\r\n\r\n") as port:
        url = f"http://127.0.0.1:{port}/x"
        assert main(["fetch-data", "--cache", str(tmp_path), "--url", url, "--stall", "5"]) == 2
    printed = capsys.readouterr().err
    assert printed.startswith("anb-export: error: ")
    assert printed.endswith("\n")
    assert printed[:-1].isprintable()
    assert len(printed) < 1200


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"-5\r\nabcde\r\n0\r\n\r\n", "chunk of a size that is none"),
        (b"-ffffffffffffffffffff\r\nabcde", "chunk of a size that is none"),
        (b"xyz\r\nabc\r\n0\r\n\r\n", "attempts"),
        (b"3\r\nabcdefgh\r\n0\r\n\r\n", "attempts"),
        (b"f" * 5000 + b"\r\nabc", "attempts"),
        (b"\r\n\r\n", "attempts"),
        (b"3" * 100_000, "attempts"),
    ],
    ids=["negative", "very negative", "no number", "short", "5,000 digits", "empty", "long line"],
)
@pytest.mark.parametrize("known", [DIGEST, None])
def test_garbage_instead_of_chunks(
    tmp_path: Path, body: bytes, message: str, known: str | None
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            with contextlib.suppress(OSError):
                while True:
                    connection, _ = listener.accept()
                    with connection, contextlib.suppress(OSError):
                        connection.recv(65536)
                        connection.sendall(CHUNKED + body)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        source = Source("f", f"http://127.0.0.1:{listener.getsockname()[1]}/x", known, 1 << 20)
        with pytest.raises(FetchError, match=message):
            fetch(source, tmp_path, patience=Patience(attempts=2, pause=0.0, stall=5.0))
        listener.shutdown(socket.SHUT_RDWR)
        thread.join()
    assert "f" not in names(tmp_path)


def headed(*headers: tuple[str, str], code: int = 200, content: bytes = CONTENT) -> Answer:
    def answer(handler: Any, state: Server) -> None:
        handler.send_response(code)
        for name, value in headers:
            handler.send_header(name, value)
        handler.end_headers()
        handler.wfile.write(content)

    return answer


@pytest.mark.parametrize(
    "lengths", [["-5"], ["3e6"], ["+3"], ["0x10"], ["3000000", "3"], ["\xb2"], [""]]
)
def test_lengths_that_are_none(server: Server, tmp_path: Path, lengths: list[str]) -> None:
    server.answers = [headed(*(("Content-Length", length) for length in lengths))]
    with pytest.raises(FetchError, match=r"states the length '.*', which is none"):
        get(server, tmp_path, known=None)
    assert names(tmp_path) == set()


def test_content_that_is_packed_once_more(server: Server, tmp_path: Path) -> None:
    """Some servers state gzip of every .gz, so a known digest decides; else it is refused."""
    server.answers = [headed(("Content-Encoding", "gzip"))]
    with pytest.raises(FetchError, match="in the encoding 'gzip', though none was asked for"):
        get(server, tmp_path, known=None)
    assert names(tmp_path) == set()
    assert get(server, tmp_path).path.read_bytes() == CONTENT


@pytest.mark.parametrize("code", [201, 204, 206, 226])
def test_a_part_that_nobody_asked_for(server: Server, tmp_path: Path, code: int) -> None:
    server.answers = [headed(("Content-Range", "bytes 5-9/10"), code=code, content=b"abcde")]
    with pytest.raises(FetchError, match=f"HTTP {code} .*though the whole file was asked for"):
        get(server, tmp_path, known=None)
    assert "file.bin" not in names(tmp_path)


def test_circles_of_redirects(server: Server, tmp_path: Path) -> None:
    server.answers = [status(302, Location="/file")]
    with pytest.raises(FetchError, match="infinite loop"):
        get(server, tmp_path)
    assert len(server.asked) < 20
    assert names(tmp_path) == set()


def test_the_content_of_a_redirect_is_not_read(server: Server, tmp_path: Path) -> None:
    def redirect(handler: Any, state: Server) -> None:
        handler.send_response(302)
        handler.send_header("Location", "/other")
        handler.end_headers()
        with contextlib.suppress(OSError):
            while not done.is_set():
                handler.wfile.write(bytes(1 << 16))

    done = threading.Event()
    server.answers = [redirect, send()]
    try:
        assert get(server, tmp_path).path.read_bytes() == CONTENT
    finally:
        done.set()


def test_a_part_or_lock_that_is_a_pipe(server: Server, tmp_path: Path) -> None:
    for name in ("file.bin.part", "file.bin.part.lock"):
        os.mkfifo(tmp_path / name)
        with pytest.raises(FetchError, match=f"{name} is not a regular file; remove it"):
            get(server, tmp_path)
        (tmp_path / name).unlink()
    assert server.asked == []


def test_the_published_archive_is_the_one_expected(shared_data: Path, tmp_path: Path) -> None:
    (tmp_path / DATA.name).write_bytes((shared_data / DATA.name).read_bytes())
    assert not fetch(DATA, tmp_path, offline=True).downloaded
