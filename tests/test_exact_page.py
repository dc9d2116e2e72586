"""docs/exact.md: its examples run, in order and in one folder, and print what stands below them."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "exact.md"
if not PAGE.is_file():
    pytest.skip("not a checkout", allow_module_level=True)

BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```$", PAGE.read_text("utf-8"), re.M | re.S)

#: What a proof took changes with the search; what is proven does not.
_EFFORT = re.compile(r"\([\d,]+ nodes, [\d,]+ evaluated(; margin \S+)?")


def run(language: str, text: str, folder: Path) -> str:
    """Run a block as a reader does, with the commands of this environment."""
    search = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    command = [sys.executable, "-c", text] if language == "python" else ["sh", "-ec", text]
    done = subprocess.run(
        command, cwd=folder, capture_output=True, text=True, env={**os.environ, "PATH": search}
    )
    assert (done.returncode, done.stderr) == (0, ""), f"{text}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def words(text: str) -> list[str]:
    """What is said, however its lines are broken."""
    return _EFFORT.sub("(effort", " ".join(text.split())).split()


def test_every_example_prints_what_stands_below_it(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib", reason="one example draws: pip install 'anb-onnx[plot]'")
    assert len(BLOCKS) >= 10
    for (language, code), (kind, printed) in zip(BLOCKS[::2], BLOCKS[1::2], strict=True):
        assert language in ("bash", "python")
        assert kind == "text"
        assert words(run(language, code, tmp_path)) == words(printed), code
    assert (tmp_path / "front.png").read_bytes().startswith(b"\x89PNG")
    assert (tmp_path / "more.csv").read_text().startswith("index,throughput_3090_mean,")
