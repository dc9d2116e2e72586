"""Only regular files are read, and only so many bytes of them: nothing waits, nothing overflows."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from anb_onnx._io.files import FileError, limit_of, open_regular, read_regular

posix = pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="pipes and devices of POSIX")


def message(path: object, limit: int = 100, **options: str) -> str:
    with pytest.raises(FileError) as caught:
        read_regular(path, limit, **options)  # type: ignore[arg-type]
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("size", [0, 1, 99, 100, 2**16, 2**16 + 1])
def test_a_file_up_to_the_limit_is_read_whole(tmp_path: Path, size: int) -> None:
    content = os.urandom(size)
    path = tmp_path / "file"
    path.write_bytes(content)
    assert read_regular(path, size) == content
    assert read_regular(str(path), size + 1) == content
    with open_regular(path) as file:
        assert file.read() == content


def test_one_byte_more_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(bytes(101))
    assert message(path) == f"{path} has 101 bytes, at most 100 are allowed"
    assert message(path, variable="LIMIT").endswith("allowed (LIMIT sets this limit)")


def test_a_sparse_file_of_ten_gigabytes_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "file"
    with path.open("wb") as file:
        file.truncate(10 * 2**30)
    assert "has 10737418240 bytes" in message(path, 64 * 2**20)


def test_links_are_followed(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"content")
    (tmp_path / "link").symlink_to("file")
    (tmp_path / "again").symlink_to("link")
    assert read_regular(tmp_path / "again", 7) == b"content"
    (tmp_path / "round").symlink_to("round")
    assert "cannot be read" in message(tmp_path / "round")


@posix
def test_what_is_no_regular_file_is_refused_without_waiting(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)  # nobody writes to it: reading would wait for ever
    assert message(pipe) == f"{pipe} cannot be read (it is a pipe, not a regular file)"
    (tmp_path / "link").symlink_to("pipe")
    assert "it is a pipe" in message(tmp_path / "link")
    assert "it is a device" in message("/dev/zero")
    assert "it is a folder" in message(tmp_path)
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "socket"))
        assert "it is a socket" in message(tmp_path / "socket")


@posix
def test_a_pipe_in_the_place_of_a_file_that_was_looked_at(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_bytes(b"content")
    regular = (tmp_path / "file").stat()
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    highest = os.open(tmp_path / "file", os.O_RDONLY)
    os.close(highest)
    with monkeypatch.context() as patch:
        patch.setattr(Path, "stat", lambda path: regular)  # as it was a moment ago
        assert "it is a pipe" in message(pipe)
    again = os.open(tmp_path / "file", os.O_RDONLY)
    os.close(again)
    assert again == highest  # the pipe was closed again


@pytest.mark.skipif(not Path("/proc/self/maps").exists(), reason="needs /proc")
def test_files_that_state_no_size_are_bounded_too() -> None:
    assert Path("/proc/self/maps").stat().st_size == 0
    assert message("/proc/self/maps") == (
        "/proc/self/maps has more than 100 bytes, at most 100 are allowed"
    )
    assert read_regular("/proc/self/maps", 2**24).count(b"\n") > 5


@pytest.mark.parametrize(
    "path", ["a\0b", "a\ud800b", b"bytes", object(), None, 1.5, 0], ids=lambda p: ascii(p)[:20]
)
def test_what_is_no_path_is_refused(path: object) -> None:
    assert "no file name" in message(path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    path = tmp_path / "missing"
    assert message(path) == f"{path} cannot be read (No such file or directory)"
    assert "cannot be read" in message(tmp_path / ("x" * 5000))


def test_a_limit_may_be_set(monkeypatch: pytest.MonkeyPatch) -> None:
    assert limit_of("A_LIMIT", 7) == 7
    monkeypatch.setenv("A_LIMIT", "")
    assert limit_of("A_LIMIT", 7) == 7
    monkeypatch.setenv("A_LIMIT", "1000000")
    assert limit_of("A_LIMIT", 7) == 1_000_000


@pytest.mark.parametrize(
    "value", ["0", "-1", "1e6", "64MB", " 7", "7 ", "٣", "1_000", "9" * 5000, str(2**48 + 1), "x"]
)
def test_a_limit_that_is_no_number_of_bytes_is_refused(
    value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("A_LIMIT", value)
    with pytest.raises(FileError, match="A_LIMIT must be a number of bytes from 1 to ") as caught:
        limit_of("A_LIMIT", 7)
    assert len(str(caught.value)) < 250
