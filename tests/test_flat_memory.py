"""Memory of commands does not grow with the number of architectures."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from anb_onnx import MNASNET

# The fewer are more than is read, asked or written at once.
FEW, MANY = 2**17, 3 * 2**18


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[int, Path]:
    place = tmp_path_factory.mktemp("indices")
    indices = np.random.default_rng(1).integers(0, MNASNET.size, MANY)
    found = {}
    for rows in (FEW, MANY):
        found[rows] = place / f"{rows}.txt"
        found[rows].write_text("\n".join(map(str, indices[:rows].tolist())) + "\n")
    return found


# Between a command and this process, whose own memory would count as that of its child.
BETWEEN = """
import os, subprocess, sys
process = subprocess.Popen(sys.argv[1:])
_, status, used = os.wait4(process.pid, 0)
process.returncode = os.waitstatus_to_exitcode(status)
print(process.returncode, used.ru_maxrss)
"""


def peak(*argv: str) -> int:
    """Return the most memory that a command took, in a process of its own."""
    command = [sys.executable, "-S", "-c", BETWEEN, sys.executable, "-m", "anb_onnx", *argv]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    code, memory = map(int, done.stdout.split())
    assert (code, done.stderr) == (0, "")
    return memory


@pytest.mark.skipif(not hasattr(os, "wait4"), reason="the system does not tell what a child took")
@pytest.mark.parametrize("suffix", ["jsonl", "txt"])
def test_query(suffix: str, files: dict[int, Path], tmp_path: Path) -> None:
    # NumPy alone: what a compiler takes, it takes once, but from some number of rows on.
    options = ["--target", "accuracy", "--engine", "numpy"]
    out = tmp_path / f"answers.{suffix}"
    few, many = (
        peak("query", "--file", str(files[rows]), *options, "--out", str(out))
        for rows in (FEW, MANY)
    )
    with out.open("rb") as file:
        lines = sum(1 for _ in file)
    assert lines >= MANY
    # Codes and answers alone would take half of it more, their text twice as much.
    assert many < 1.3 * few
