"""The web page, built and driven in a headless browser by its own tests."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import numpy as np
from node_room import ROOT, copy_sources, missing, need, run

import anb_onnx

_BROWSERS = ("chromium", "chromium-browser", "google-chrome")


def browser() -> str:
    """Return the path of a Chromium."""
    found = [os.environ.get("CHROMIUM"), *map(shutil.which, _BROWSERS)]
    path = next((p for p in found if p), None)
    if path is None:
        missing("needs Chromium (apt-get install chromium, or CHROMIUM=its path)")
    return path


def adapted(folder: Path) -> Path:
    """Make a surrogate of a device that nobody has: a bundled one, three times as slow."""
    codes = anb_onnx.suggest(12)
    with anb_onnx.load("latency_zcu102") as known:
        times = 3 * known.query(codes).mean * np.random.default_rng(0).normal(1, 0.02, len(codes))
    with anb_onnx.adapt(codes, times, metric="latency", unit="ms", device="my-board") as own:
        own.save(folder)
    return folder


def test_page(tmp_path: Path) -> None:
    need("node")
    need("npm")
    environment = {
        "CHROMIUM": browser(),
        "ANB_ADAPTED": str(adapted(tmp_path / "my-board")),
        # Beside the sources, not the copy, so that pictures of a failure outlive it.
        "ANB_WEB_RESULTS": str(ROOT / "examples" / "web" / "test-results"),
    }
    copy_sources("js", tmp_path)  # the page computes with its sources
    page = copy_sources("web", tmp_path)
    run(["npm", "ci"], page, **environment)
    run(["npm", "test"], page, **environment)
    built = {path.name for path in (page / "dist").iterdir()}
    assert {"index.html", "sw.js", "artifacts", "assets"} <= built
