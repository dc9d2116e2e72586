"""Help of both programs: it fits a terminal, and what it shows as an example works."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow
import pyarrow.parquet
import pytest

import anb_onnx
from anb_onnx import MNASNET
from anb_onnx._io.help_text import Example, grouped, with_examples
from anb_onnx.cli import main as cli
from anb_onnx.cli.examples import EXAMPLES, GROUPS

PATH = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
COMMANDS = [name for names in GROUPS.values() for name in names]


@pytest.fixture(autouse=True)
def wide(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "200")


def help_of(argv: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    with pytest.raises(SystemExit, match=r"^0$"):
        cli.main([*argv, "--help"])
    return capsys.readouterr().out


@pytest.mark.parametrize("argv", [[], *([name] for name in COMMANDS)], ids=lambda a: a[-1:] or "-")
def test_help_fits_eighty_columns(argv: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    text = help_of(argv, capsys)
    # What is to be copied stays in one line.
    lines = [line for line in text.splitlines() if not line.startswith("  anb-onnx ")]
    assert max(map(len, lines)) <= 80
    assert text.endswith("\n")


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_examples(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    text = help_of([name], capsys)
    assert EXAMPLES[name]
    for line, what in EXAMPLES[name]:
        assert f"  # {what}\n  {line}\n" in text
        assert f"anb-onnx {name}" in line or name == "adapt"
    assert set(EXAMPLES) == set(COMMANDS)


def test_commands_are_in_groups(capsys: pytest.CaptureFixture[str]) -> None:
    text = help_of([], capsys)
    for heading, names in GROUPS.items():
        assert f"\n{heading}:\n  {names[0]} " in text
    for name in COMMANDS:
        assert text.count(f"\n  {name} ") == 1
    assert "usage: anb-onnx [-h] [--version] COMMAND ...\n" in text


def test_a_command_in_no_group_is_an_error() -> None:
    [action] = [a for a in cli._parser()._actions if a.dest == "command"]
    with pytest.raises(ValueError, match="in no group: benchmarks, info"):
        grouped(action, {"some": [n for n in COMMANDS if n not in ("info", "benchmarks")]})
    with pytest.raises(KeyError, match="another"):
        grouped(action, {"some": [*COMMANDS, "another"]})


def test_one_example_is_not_several() -> None:
    assert with_examples([]) == ""
    assert with_examples([Example("a b", "c")]) == "example:\n  # c\n  a b"


@pytest.fixture(scope="module")
def room(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with what a reader has: measurements, and a file with many rows."""
    room = tmp_path_factory.mktemp("reader")
    codes = anb_onnx.sample(12, seed=0, space=MNASNET)
    indices = anb_onnx.codes_to_indices(codes, MNASNET)
    times = anb_onnx.load("latency_zcu102").query(codes).mean * 1.5
    rows = [f"{index},{value:.4f}" for index, value in zip(indices, times, strict=True)]
    (room / "measured.csv").write_text("\n".join(["index,value", *rows]) + "\n")
    table = pyarrow.table({"index": pyarrow.array(np.asarray(indices, np.int64))})
    pyarrow.parquet.write_table(table, room / "many.parquet")
    return room


#: In the order of the help, in which one may need what another left.
ORDERED = [(name, example.line) for name in COMMANDS for example in EXAMPLES[name]]


def run_line(line: str, room: Path, capsys: Any, monkeypatch: pytest.MonkeyPatch) -> str:
    """Run an example as it stands: in this process, unless it is one for a shell."""
    monkeypatch.chdir(room)
    if any(sign in line for sign in "|>$"):
        done = subprocess.run(
            ["bash", "-ec", line],
            capture_output=True,
            text=True,
            env={**os.environ, "PATH": PATH},
            check=False,
        )
        assert (done.returncode, done.stderr) == (0, "")
        return done.stdout
    program, *argv = shlex.split(line)
    assert program == "anb-onnx"
    assert cli.main(argv) == 0
    out, err = capsys.readouterr()
    assert err == ""
    return str(out)


def test_every_example_works(
    room: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """One test: an example may need what another one left."""
    for name, line in ORDERED:
        if name == "verify":
            continue  # tried on small artifacts by tests/test_verify.py: it takes ten seconds
        out = run_line(line, room, capsys, monkeypatch)
        assert out or " --out " in line or ">" in line or "eval" in line, line
    for left in ("answers.parquet", "front.csv", "measure.csv", "anb-onnx.fish", "_anb-onnx"):
        assert (room / left).stat().st_size > 100
