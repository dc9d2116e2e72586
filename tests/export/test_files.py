from __future__ import annotations

import os
import socket
import stat
from pathlib import Path

import pytest
from anb_export._io.files import sha256, to_json, write_atomically
from anb_export.cli import main

from anb_onnx.errors import AnbError


def test_whole_or_absent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "new" / "file"
    write_atomically(path, b"first")
    assert path.read_bytes() == b"first"
    assert stat.S_IMODE(path.stat().st_mode) & 0o600 == 0o600

    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Path, "replace", stop)
    with pytest.raises(KeyboardInterrupt):
        write_atomically(path, b"second")
    assert path.read_bytes() == b"first"
    assert list(path.parent.iterdir()) == [path]


def test_unwritable(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(AnbError, match="cannot write"):
        write_atomically(tmp_path / "file" / "below", b"")


def test_canonical_json() -> None:
    assert to_json({"b": 1, "a": [0.1, None, "µ"]}) == (
        '{\n "a": [\n  0.1,\n  null,\n  "µ"\n ],\n "b": 1\n}\n'.encode()
    )
    with pytest.raises(ValueError, match="Out of range"):
        to_json(float("nan"))


def test_sha256() -> None:
    assert sha256(b"abc").startswith("ba7816bf8f01cfea")  # FIPS 180-2, appendix B.1


COMMANDS = {
    "convert": ["convert", "none"],
    "compile": ["compile", "none"],
    "project": ["project", "none"],
    "projected": ["convert", "none", "--form", "projected"],
    "tune": ["tune", "--dataset", "none", "--target", "accuracy"],
    "hpo": ["hpo", "--dataset", "none", "--target", "accuracy", "--family", "svr"],
    "families": ["families", "--dataset", "none"],
}


@pytest.mark.skipif(os.name != "posix", reason="makes pipes and sockets")
@pytest.mark.parametrize("command", COMMANDS)
def test_an_out_that_is_no_file_is_refused_before_anything_is_read(
    tmp_path: Path,
    command: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    suffix = {"tune": "json", "hpo": "json", "families": "md"}.get(command, "onnx")
    os.mkfifo(f"pipe.{suffix}")
    Path(f"link.{suffix}").symlink_to("/dev/stdout")
    Path(f"folder.{suffix}").mkdir()
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(f"socket.{suffix}")
        names = sorted(path.name for path in tmp_path.iterdir())
        for name in names:
            assert main([*COMMANDS[command], "--out", name]) == 2
            error = capsys.readouterr().err
            assert error.startswith(f"anb-export: error: cannot write {name} (it is ")
            assert error.count("\n") == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == names


def test_links_are_followed_and_modes_kept(tmp_path: Path) -> None:
    real = tmp_path / "real"
    real.write_bytes(b"old")
    real.chmod(0o600)
    (tmp_path / "link").symlink_to("real")
    write_atomically(tmp_path / "link", b"new")
    assert (tmp_path / "link").is_symlink()
    assert real.read_bytes() == b"new"
    assert stat.S_IMODE(real.stat().st_mode) == 0o600
