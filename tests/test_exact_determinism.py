"""The same answers, nodes and bounds in other processes and threads, bit by bit."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path
from typing import Any

import pytest

#: Two parts, two constraints, a list and a front: what depends on an order somewhere would show.
_ANSWERS = """
import hashlib, json
from anb_onnx import exact

def answers():
    limits = [("latency_zcu102", "<=", 5.0), ("throughput_tpuv3", ">=", 800.0)]
    best = exact.optimum("accuracy", limits, k=40)
    front = exact.pareto(["throughput_tpuv3", "latency_vck190"], genes={"block3_e": {1, 6}})
    listed = exact.enumerate("accuracy", 68.1)
    return json.dumps({
        "best": [(s.architecture.index, s.value.hex()) for s in best.solutions],
        "lists": [
            hashlib.sha256(f.codes.tobytes() + f.values.tobytes()).hexdigest()
            for f in (front, listed)
        ],
        "effort": [repr(f.certificate) for f in (best, front, listed)],
    })
"""


@cache
def here() -> Any:
    names: dict[str, Any] = {}
    exec(_ANSWERS, names)
    return names["answers"]


def elsewhere(variables: dict[str, str], flags: tuple[str, ...] = ()) -> Any:
    run = subprocess.run(
        [sys.executable, *flags, "-c", _ANSWERS + "print(answers())"],
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    return json.loads(run.stdout)


@pytest.fixture(scope="module")
def answers() -> str:
    return str(here()())


def test_hashes_do_not_matter(answers: str) -> None:
    assert elsewhere({"PYTHONHASHSEED": "4242"}) == json.loads(answers)


def test_nothing_compiled_before(answers: str, tmp_path: Path) -> None:
    """Neither numba's cache nor this package's own is there; other hashes, and no assertions."""
    empty = {"NUMBA_CACHE_DIR": str(tmp_path / "numba"), "ANB_ONNX_CACHE": str(tmp_path / "own")}
    assert elsewhere({"PYTHONHASHSEED": "1", **empty}, ("-O",)) == json.loads(answers)
    assert any((tmp_path / "numba").rglob("*.nbi"))


def test_threads_at_the_same_time(answers: str) -> None:
    """Questions share nothing that one of them changes."""
    with ThreadPoolExecutor(2) as pool:
        found = [future.result() for future in [pool.submit(here()) for _ in range(2)]]
    assert found == [answers, answers]
