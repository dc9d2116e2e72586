"""The examples of other optimizers, run as a user runs them, to small budgets."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
from tools import need_installed

import anb_onnx

EXAMPLES = Path(__file__).resolve().parents[1] / "examples" / "optimizers"
NAMES = ("ax", "carps", "pygmo", "smac", "syne_tune")
LIMITED, FRONT = "accuracy-latency_zcu102-5ms-v1", "accuracy-throughput_a100-front-v1"


def start(tool: str, folder: Path, *, task: str, budget: int) -> subprocess.CompletedProcess[str]:
    """Run an example to its end."""
    need_installed(tool)
    arguments = ["--task", task, "--budget", str(budget), "--seed", "1"]
    own = {"SYNETUNE_FOLDER": str(folder), "HOME": str(folder)}
    return subprocess.run(
        [sys.executable, EXAMPLES / f"{tool}_search.py", *arguments],
        cwd=folder,
        # One thread: torch's would wait for those of other tests.
        env={**os.environ, **own, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )


def run(tool: str, folder: Path, *, task: str, budget: int) -> str:
    """Run an example and return what it printed."""
    finished = start(tool, folder, task=task, budget=budget)
    assert finished.returncode == 0, finished.stderr
    assert f"; {budget} evaluations\n" in finished.stdout
    return finished.stdout


def best_and_regret(printed: str) -> tuple[float, float]:
    match = re.search(r"^best ([\d.]+) %, regret ([\d.]+) %$", printed, re.MULTILINE)
    assert match, printed
    return float(match[1]), float(match[2])


def test_all_are_tried_here() -> None:
    found = {path.name.removesuffix("_search.py") for path in EXAMPLES.glob("*_search.py")}
    assert found == set(NAMES)


@pytest.mark.parametrize(
    ("tool", "budget"), [("ax", 6), ("carps", 60), ("pygmo", 400), ("smac", 12), ("syne_tune", 80)]
)
def test_the_regret_is_exact(tool: str, budget: int, tmp_path: Path) -> None:
    best, regret = best_and_regret(run(tool, tmp_path, task=LIMITED, budget=budget))
    assert best + regret == pytest.approx(anb_onnx.tasks()[LIMITED].optimum.value, abs=2e-3)
    # Better than a few random ones: none minimises accuracy, or takes what violates the limit.
    assert regret < 8


def test_several_objectives_are_refused_where_they_would_be_one(tmp_path: Path) -> None:
    refused = start("carps", tmp_path, task=FRONT, budget=10)
    assert refused.returncode == 2
    assert f"this search is for one objective, and {FRONT} has several" in refused.stderr


def test_pygmo_comes_near_to_the_front_and_to_the_optimum(tmp_path: Path) -> None:
    need_installed("moocore")
    printed = run("pygmo", tmp_path, task=FRONT, budget=4000)
    match = re.search(r"([\d.]+)% of that of the exact front$", printed.strip())
    assert match, printed
    assert 96 < float(match[1]) < 100
    assert printed == run("pygmo", tmp_path, task=FRONT, budget=4000)
    _, regret = best_and_regret(run("pygmo", tmp_path, task="accuracy-v1", budget=4000))
    assert regret < 0.5


@pytest.mark.parametrize("tool", ["syne_tune", "carps"])
def test_the_lines_of_the_page_run(tool: str, capsys: pytest.CaptureFixture[str]) -> None:
    need_installed(tool)
    page = (EXAMPLES.parents[1] / "docs" / "optimizers.md").read_text()
    (block,) = (code for code in re.findall(r"```python\n(.*?)```", page, re.S) if tool in code)
    names: dict[str, Any] = {}
    exec(block, names)
    if tool == "carps":
        accuracy, regret = map(float, capsys.readouterr().out.split()[-2:])
        assert accuracy + regret == pytest.approx(anb_onnx.tasks()[LIMITED].optimum.value)
    else:
        assert names["backend"].blackbox.metrics == ["fitness"]
        assert names["scheduler"].suggest().config.keys() == set(anb_onnx.MNASNET.gene_names)


def test_the_page_states_the_versions_that_are_tried() -> None:
    page = (EXAMPLES.parents[1] / "docs" / "optimizers.md").read_text()
    rows = re.findall(r"^\| \[(?:[\w -]+)\]\(#([\w-]+)\) \| ([\d.]+) \|", page, re.MULTILINE)
    packages = {"smac": "smac", "ax": "ax-platform", "pygmo": "pygmo"}
    packages |= {"syne-tune": "syne-tune", "carp-s": "carps"}
    stated = {packages[anchor]: version for anchor, version in rows}
    extras = tomllib.loads((EXAMPLES.parents[1] / "pyproject.toml").read_text())["project"]
    bounds = dict(need.split(">=") for need in extras["optional-dependencies"]["integrations"])
    for package, version in stated.items():
        assert version.startswith(bounds[package] + "."), package
    assert len(stated) == len(NAMES)
