"""examples/measure/run.py, the real thing with small numbers: this machine's CPU, measured.

No figure of it is asserted, since the machines that run this are shared; but for the order of the
largest and the smallest network of the space, which are a factor of ten apart.
"""

from __future__ import annotations

import csv
import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from measure_room import FOLDER, LARGEST, SMALLEST, example

import anb_onnx
from anb_onnx import MNASNET
from anb_onnx.cli.main import main

N, FRESH = 6, 4
OPTIONS = ("--n", N, "--fresh", FRESH, "--rounds", 2, "--runs", 2, "--warm-up", 1, "--side", 96)


def run(folder: Path, *options: object, code: int = 0) -> str:
    """Run the command as a user does; return what it prints."""
    example("mnasnet_onnx")  # or skip
    pytest.importorskip("matplotlib", reason="plots need the extra anb-onnx[plot]")
    command = [sys.executable, FOLDER / "run.py", "--out", folder, *OPTIONS, *options]
    done = subprocess.run([*map(str, command)], capture_output=True, text=True, timeout=600)
    assert done.returncode == code, done.stderr
    return done.stdout if code == 0 else done.stderr


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    folder = tmp_path_factory.mktemp("measure") / "my-cpu"
    return folder, run(folder)


def table(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_what_lies_in_the_folder(done: tuple[Path, str]) -> None:
    folder, printed = done
    assert printed == (folder / "report.md").read_text("utf-8")
    assert (folder / "measured.png").read_bytes().startswith(b"\x89PNG")
    for name, listed, size in (
        ("measured.csv", "to_measure.csv", N),
        ("fresh_measured.csv", "fresh.csv", FRESH),
    ):
        rows = table(folder / name)
        assert len(rows) == size
        assert all(float(row["value"]) > 0 for row in rows)
        genes = [{gene: row[gene] for gene in MNASNET.gene_names} for row in rows]
        assert genes == table(folder / listed)
    fitted, fresh = table(folder / "to_measure.csv"), table(folder / "fresh.csv")
    assert not [row for row in fresh if row in fitted]


def test_the_report_is_finite(done: tuple[Path, str]) -> None:
    report = json.loads((done[0] / "report.json").read_text("utf-8"))
    assert report["conditions"]["onnxruntime"]
    assert report["slowest_ms"] > report["fastest_ms"] > 0
    for part, size in (("surrogate", 7), ("rivals", 3), ("repeatability", 2)):
        figures = report[part]
        assert len(figures) == size
        assert np.isfinite([*figures.values()]).all()
        assert all(abs(v) <= 1 for name, v in figures.items() if "spearman" in name)
    assert 0 <= report["surrogate"]["coverage_percent"] <= 100
    assert report["surrogate"]["interval_width_percent"] > 0


def test_what_was_saved_is_a_target_like_any_other(done: tuple[Path, str]) -> None:
    surrogate = anb_onnx.load("latency", device="my-cpu", path=done[0] / "artifact")
    assert surrogate.target.unit == "ms"
    small, large = surrogate.query([SMALLEST, LARGEST]).mean
    assert 0 < small < large
    lower, upper = surrogate.query(LARGEST).interval(0.9)
    assert lower < large < upper


def test_the_commands_of_the_page_read_each_other(done: tuple[Path, str], tmp_path: Path) -> None:
    """`anb-onnx suggest` for measure.py, and what that wrote for `anb-onnx adapt`."""
    listed, out = tmp_path / "to_measure.csv", tmp_path / "my-cpu"
    assert main(["suggest", "-n", str(N), "--out", str(listed)]) == 0
    codes = example("tables").read_architectures(listed)
    np.testing.assert_array_equal(
        codes, example("tables").read_architectures(done[0] / "measured.csv")
    )
    target = ["--device", "my-cpu", "--metric", "latency", "--unit", "ms"]
    assert main(["adapt", str(done[0] / "measured.csv"), *target, "--out", str(out)]) == 0
    some = anb_onnx.sample(100, seed=0, space=MNASNET)
    found = [
        anb_onnx.load("latency", device="my-cpu", path=path).query(some).mean
        for path in (out, done[0] / "artifact")
    ]
    np.testing.assert_allclose(found[0], found[1], rtol=1e-3)


def test_a_second_run_measures_nothing_again(done: tuple[Path, str]) -> None:
    folder, _ = done
    journal = folder / "all_measured.csv.journal"
    before = journal.read_bytes()
    report = json.loads((folder / "report.json").read_text("utf-8"))
    run(folder)
    assert journal.read_bytes() == before
    again = json.loads((folder / "report.json").read_text("utf-8"))
    for found in (report, again):
        del found["adapt_seconds"]
    assert again == report


def test_fresh_ones_can_be_measured_afterwards(done: tuple[Path, str], tmp_path: Path) -> None:
    for name in ("to_measure.csv", "fresh.csv"):
        shutil.copy(done[0] / name, tmp_path)
    assert "the fresh ones afterwards" in run(tmp_path, "--apart")
    journals = [f"{name}.csv.journal" for name in ("fresh_measured", "measured")]
    assert sorted(path.name for path in tmp_path.glob("*.journal")) == journals
    assert len(table(tmp_path / "fresh_measured.csv")) == FRESH


def test_other_numbers_want_another_folder(done: tuple[Path, str]) -> None:
    said = run(done[0], "--n", N + 1, code=2)
    assert f"has {N} architectures, not {N + 1}; remove it or give another --out" in said
    assert "--n 2 --fresh 4: at least 3 to learn from" in run(done[0], "--n", 2, code=2)
