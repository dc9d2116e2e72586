from __future__ import annotations

import stat
from pathlib import Path

import pytest
from anb_export.files import sha256, to_json, write_atomically

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
