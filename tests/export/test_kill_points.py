"""Killed commands and full disks, at a few points; `make kill-points` tries them all."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).resolve().parents[1] / "kill_points.py"
ONLY = ("train, LightGBM", "import, replacing", "build, replacing", "truth, replacing")


# In a process of its own, as copies of one that has trained before may hang.
@pytest.mark.parametrize(("options", "count"), [([], "kills"), (["--full"], "full disks")])
def test_nothing_half_written_is_believed(options: list[str], count: str) -> None:
    pytest.importorskip("resource", reason="processes are not forked on Windows")
    pytest.importorskip("lightgbm")
    command = [sys.executable, str(SCRIPT), "--points", "2", "--seed", "1", *options]
    for name in ONLY:
        command += ["--only", name]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"in all                  8 {count}, 0 faults" in done.stdout
