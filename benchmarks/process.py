"""Runs a snippet in a fresh process and reads back the JSON it prints."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Sequence
from typing import Any


def run_snippet(code: str, *arguments: object) -> Any:
    """Run Python code with this interpreter; return the JSON of its last line of output.

    Raises
    ------
    RuntimeError
        If it fails; with the last lines of what it said.
    """
    command = [sys.executable, "-c", code, *map(str, arguments)]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    if run.returncode:
        raise RuntimeError("; ".join(run.stderr.strip().splitlines()[-2:]) or "no output")
    return json.loads(run.stdout.strip().splitlines()[-1])


def seconds_of(command: Sequence[str]) -> float:
    """Return how long a command takes, from start to end.

    Raises
    ------
    RuntimeError
        If it fails.
    """
    began = time.perf_counter()
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    seconds = time.perf_counter() - began
    if run.returncode:
        msg = f"{' '.join(command)}: {run.stderr.strip()[-300:]}"
        raise RuntimeError(msg)
    return seconds
