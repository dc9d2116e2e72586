"""What is given as a model file: regular files only, of bounded size; one line otherwise."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from anb_export.cli import main
from anb_export.models.forest import ForestError
from anb_export.models.formats import FormatError, read_model
from anb_export.models.model_files import LIMIT, VARIABLE, read_content
from anb_export.models.safe_pickle import PickleError, read_pickle
from anb_export.models.xgboost_document import forest_of_file

from anb_onnx.errors import AnbError

CORPUS = Path(__file__).parents[1] / "corpus" / "models"
MODEL = CORPUS / "xgboost.ubj"


def imported(path: Path, capsys: pytest.CaptureFixture[str]) -> str:
    """Import a file as the user does; return the message of the error."""
    out = path.parent / "out"
    assert main(["import", str(path), "--target", "accuracy", "--out", str(out)]) == 2
    captured = capsys.readouterr()
    assert (captured.out, captured.err.count("\n")) == ("", 1)
    assert not out.exists()
    return captured.err.removeprefix("anb-export: error: ").rstrip("\n")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes here")
def test_pipes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "pipe"
    os.mkfifo(path)
    link = tmp_path / "link"
    link.symlink_to(path)
    for one in (path, link):
        assert imported(one, capsys) == (f"{one} cannot be read (it is a pipe, not a regular file)")


@pytest.mark.skipif(not Path("/dev/zero").exists(), reason="no such device here")
def test_devices_without_an_end(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    link = tmp_path / "zeros"
    link.symlink_to("/dev/zero")
    assert imported(link, capsys).endswith("cannot be read (it is a device, not a regular file)")
    for read, kind in (
        (read_model, FormatError),
        (read_pickle, PickleError),
        (forest_of_file, ForestError),
        (read_content, AnbError),
    ):
        with pytest.raises(kind, match=f"^{link} cannot be read .it is a device"):
            read(link)


CHILD = """
import resource, sys
from pathlib import Path
from anb_export.cli import main
resource.setrlimit(resource.RLIMIT_AS, (4 * 2**30, 4 * 2**30))
main(["import", sys.argv[1], "--target", "accuracy", "--out", sys.argv[2]])
lines = Path("/proc/self/status").read_text().split("\\n")
print(next(line.split()[1] for line in lines if line.startswith("VmHWM")))  # kB
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
def test_a_sparse_file_of_ten_gigabytes(tmp_path: Path) -> None:
    path = tmp_path / "large"
    with path.open("wb") as file:
        file.write(MODEL.read_bytes())
        file.truncate(10 * 2**30)
    ran = subprocess.run(
        [sys.executable, "-c", CHILD, str(path), str(tmp_path / "out")],
        capture_output=True,
        text=True,
        check=True,
    )
    assert ran.stderr == (
        f"anb-export: error: {path} has {10 * 2**30} bytes, at most {LIMIT} are allowed "
        f"({VARIABLE} sets this limit)\n"
    )
    assert int(ran.stdout) < 512 * 2**10  # the libraries; nothing of the file


def test_folders(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    assert "is a folder" in imported(folder, capsys)
    with pytest.raises(FormatError, match="folder is a folder; give the model files themselves"):
        read_model(folder)


def test_the_limit_can_be_set(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "model"
    path.write_bytes(MODEL.read_bytes())
    size = path.stat().st_size
    monkeypatch.setenv(VARIABLE, str(size))
    read_model(path)
    monkeypatch.setenv(VARIABLE, str(size - 1))
    assert imported(path, capsys) == (
        f"{path} has {size} bytes, at most {size - 1} are allowed ({VARIABLE} sets this limit)"
    )
    read_model(path, limit=size)
    monkeypatch.setenv(VARIABLE, "many")
    assert f"{VARIABLE} must be a number of bytes" in imported(path, capsys)


def test_names_that_are_none(capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("a\0b", "a\udc80"):
        with pytest.raises(FormatError):
            read_model(name)
