"""The web page, built and driven in a headless browser by its own tests."""

from __future__ import annotations

import csv
import os
import shutil
from pathlib import Path

import numpy as np
from node_room import ROOT, copy_sources, missing, need, run

import anb_onnx
from anb_onnx.cli.main import main

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


def written(folder: Path) -> Path:
    """Write 20 architectures as the command line does, in each of its text formats."""
    folder.mkdir()
    for name in ("index.csv", "index.txt", "genes.csv", "genes.json", "genes.jsonl"):
        kind, suffix = name.split(".")
        what = "index" if kind == "index" else suffix
        asked = ["sample", "20", "--seed", "3", "--format", what, "--out", str(folder / name)]
        assert main(asked) == 0
    for suffix in ("csv", "json", "jsonl"):
        out = str(folder / f"answers.{suffix}")
        read = str(folder / "genes.csv")
        assert (
            main(["query", "--file", read, "--target", "accuracy", "--members", "--out", out]) == 0
        )
    for suffix in ("csv", "json"):
        assert main(["optimum", "accuracy", "--k", "20", "--out", f"{folder}/best.{suffix}"]) == 0
    return folder


def check_read_again(file: Path, out: Path) -> None:
    """Query what the page has saved: it is read as it is, and has the same answers to the bit."""
    assert main(["query", "--file", str(file), "--target", "accuracy", "--out", str(out)]) == 0
    with file.open(newline="") as saved, out.open(newline="") as answered:
        rows, answers = list(csv.DictReader(saved)), list(csv.DictReader(answered))
    assert len(rows) == len(answers) > 0
    shared = [name for name in answers[0] if name in rows[0]]
    assert {"index", "accuracy_mean"} <= set(shared)
    for row, answer in zip(rows, answers, strict=True):
        assert [np.float32(row[name]) for name in shared] == [
            np.float32(answer[name]) for name in shared
        ]


def test_page(tmp_path: Path) -> None:
    need("node")
    need("npm")
    results = ROOT / "examples" / "web" / "test-results"
    environment = {
        "CHROMIUM": browser(),
        "ANB_WRITTEN": str(written(tmp_path / "written")),
        "ANB_ADAPTED": str(adapted(tmp_path / "my-board")),
        # Beside the sources, not the copy, so that pictures of a failure outlive it.
        "ANB_WEB_RESULTS": str(results),
    }
    copy_sources("js", tmp_path)  # the page computes with its sources
    page = copy_sources("web", tmp_path)
    run(["npm", "ci"], page, **environment)
    run(["npm", "test"], page, **environment)
    built = {path.name for path in (page / "dist").iterdir()}
    assert {"index.html", "sw.js", "artifacts", "assets"} <= built
    for name in ("front", "list", "selection"):
        check_read_again(results / f"{name}.csv", tmp_path / f"{name}.csv")
