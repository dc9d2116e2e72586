"""The two programs by both of their names: what is typed is what errors and help say."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

import anb_onnx
from anb_onnx._io.program import complain, run, tell

PROGRAMS = ["anb_onnx", *(["anb_export"] if find_spec("anb_export") else [])]


def typed(package: str, way: str) -> tuple[list[str], str]:
    """Return what starts a program, and what it calls itself."""
    command = package.replace("_", "-")
    if way == "command":
        return [str(Path(sys.executable).with_name(command))], command
    return [sys.executable, "-m", package], f"python -m {package}"


def shell(words: list[str]) -> tuple[int, str, str]:
    done = subprocess.run(words, capture_output=True, text=True, env={**os.environ}, check=False)
    return done.returncode, done.stdout, done.stderr


@pytest.mark.parametrize("way", ["command", "module"])
@pytest.mark.parametrize("package", PROGRAMS)
def test_a_program_calls_itself_what_was_typed(package: str, way: str) -> None:
    start, name = typed(package, way)
    if way == "command" and not Path(start[0]).exists():
        pytest.skip(f"{start[0]} is not installed")
    code, out, _ = shell([*start, "--help"])
    assert (code, out.partition("\n")[0]) == (0, f"usage: {name} [-h] [--version] COMMAND ...")
    code, out, err = shell([*start, "verify", "--nonsense"])
    assert (code, out) == (2, "")
    assert err.startswith(f"{name}: error: ")
    assert err.endswith(f"(see {name} verify --help)\n")


def test_a_version_has_the_name_of_what_it_is_of() -> None:
    start, _ = typed("anb_onnx", "module")
    assert shell([*start, "--version"]) == (0, f"anb-onnx {anb_onnx.__version__}\n", "")


@pytest.mark.skipif("anb_export" not in PROGRAMS, reason="the exporter is not installed")
def test_the_exporter_names_its_distribution() -> None:
    start, _ = typed("anb_export", "module")
    code, out, err = shell([*start, "--version"])
    assert (code, err) == (0, "")
    assert out.split() == [
        "anb-export",
        out.split()[1],
        "(of",
        "the",
        "distribution",
        "anb-onnx-export)",
    ]


def test_errors_name_the_program_that_runs(capsys: pytest.CaptureFixture[str]) -> None:
    def inner() -> int:
        tell("inner")
        return 0

    def outer() -> int:
        run("inner program", inner)
        complain("outer")
        return 0

    assert run("outer program", outer) == 0
    complain("none")
    assert capsys.readouterr().err.splitlines() == [
        "inner program: inner",
        "outer program: error: outer",
        "anb-onnx: error: none",
    ]
