"""What the tests of the JavaScript examples share: node, npm, and a copy to work in."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from typing import NoReturn

import pytest

ROOT = Path(__file__).resolve().parents[1]
ARTIFACTS = Path(os.environ.get("ANB_ONNX_ARTIFACTS") or ROOT / "artifacts").resolve()
#: The folder of the benchmark that the examples are about, where `ARTIFACTS` has those of several.
ACCEL = ARTIFACTS if (ARTIFACTS / "manifest.json").exists() else ARTIFACTS / "accel-nasbench"


def missing(message: str) -> NoReturn:
    """Skip; in continuous integration, which installs everything, fail."""
    if os.environ.get("CI", "").lower() in ("1", "true"):
        pytest.fail(message)
    pytest.skip(message)


def need(program: str) -> None:
    """Say what is missing where a program is."""
    if shutil.which(program) is None:
        missing(f"needs {program}, which is not installed")


def copy_sources(name: str, to: Path) -> Path:
    """Copy an example without what npm and builds have put there."""
    source = ROOT / "examples" / name
    if not source.is_dir():  # as in the source distribution
        missing(f"needs {source}, which is part of the repository only")
    ignored = shutil.ignore_patterns("node_modules", "dist", "test-results")
    return Path(shutil.copytree(source, to / "examples" / name, ignore=ignored))


def run(command: list[str], folder: Path, **environment: str) -> str:
    """Run a command and return what it printed; if it fails, that is the failure's message."""
    settings = {
        "ANB_ONNX_ARTIFACTS": str(ARTIFACTS),
        "ANB_CONFORMANCE": str(ROOT / "tests" / "conformance"),
        "ONNXRUNTIME_NODE_INSTALL": "skip",  # it would fetch CUDA
        "NO_COLOR": "1",
    }
    finished = subprocess.run(
        command,
        cwd=folder,
        env={**os.environ, **settings, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=1800,  # ends what hangs; a busy machine takes its time
        check=False,
    )
    assert finished.returncode == 0, f"{' '.join(command)}\n{finished.stdout[-8000:]}"
    return finished.stdout
