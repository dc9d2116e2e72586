"""The folder for temporary files: remains of killed processes go, everybody else's stays."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import pytest
from anb_export._io.scratch import scratch_folder
from anb_export.artifacts.predictions import read_predictions
from anb_export.cli import main

import anb_onnx
from anb_onnx.cli.read import read_architectures
from anb_onnx.errors import AnbError
from anb_onnx.spaces.mnasnet import MNASNET

pytest.importorskip("fcntl")
_KILLED = """
import os, signal
from anb_export._io.scratch import scratch_folder
with scratch_folder() as folder:
    (folder / "model.onnx").write_bytes(b"half")
    os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def test_folders_of_killed_processes_are_removed(place: Path) -> None:
    subprocess.run([sys.executable, "-c", _KILLED], check=False)
    (left,) = place.iterdir()
    with scratch_folder() as folder:
        assert not left.exists()
        assert [*place.iterdir()] == [folder]
    assert not [*place.iterdir()]


@pytest.mark.parametrize("name", ["results", "imported", "a1b2c3d4"])
def test_folders_of_others_with_such_a_name_stay(place: Path, name: str) -> None:
    kept = place / f"anb-export-{name}" / "accuracy.onnx"
    kept.parent.mkdir()
    kept.write_bytes(b"results of a week")
    with scratch_folder():
        assert kept.read_bytes() == b"results of a week"
    assert kept.exists()


def test_folders_in_use_stay(place: Path) -> None:
    with scratch_folder() as first, scratch_folder() as second:
        assert first.is_dir()
        assert second.is_dir()


def test_predictions_are_read_while_another_command_tidies_up(
    place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What `--check` unpacks is in use as well."""
    from anb_export.artifacts import predictions

    file = tmp_path / "check.csv"
    file.write_text("index,prediction\n5,70\n")

    def meanwhile(*arguments: Any) -> object:
        with scratch_folder():
            return read_architectures(*arguments)

    monkeypatch.setattr(predictions, "read_architectures", meanwhile)
    (row,) = read_predictions(file, space=MNASNET).codes.tolist()
    assert anb_onnx.Architecture.from_codes(row, space=anb_onnx.MNASNET).index == 5


def test_no_place_for_temporary_files_is_one_line(
    place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    file = place / "check.csv"
    file.write_text("index,prediction\n5,70\n")
    monkeypatch.setattr(tempfile, "tempdir", str(place / "none"))
    with pytest.raises(AnbError, match=r"no folder for temporary files: No such file.*TMPDIR"):
        read_predictions(file, space=MNASNET)
    model = place / "model.txt"
    model.write_text("tree\n")
    arguments = ["import", str(model), "--target", "accuracy", "--out", str(place / "out")]
    assert main([*arguments, "--check", str(file)]) == 2
    assert len(capsys.readouterr().err.splitlines()) == 1
