"""docs/exact.md: its examples run, in order and in one folder, and print what stands below them."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from small_truth import PAIRS, truths_of, with_truth

import anb_onnx
from anb_onnx import exact
from anb_onnx.catalog.benchmarks import FOLDER_VARIABLE

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


def test_the_page_of_results_is_written_for_any_benchmark(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a space whose architectures are few enough to see that what it says is so."""
    pytest.importorskip("matplotlib", reason="it draws: pip install 'anb-onnx[plot]'")
    report = imported("benchmarks.exact_report", monkeypatch)
    from anb_export.artifacts.truth import pack

    monkeypatch.setenv(FOLDER_VARIABLE, str(PAIRS))
    assert report.main(["--out", str(tmp_path), "--targets", "latency_edgegpu"]) == 0
    assert "## Distributions" not in (tmp_path / "exact-results.md").read_text()
    # Once all are counted, there is more to tell.
    folder = with_truth(PAIRS, tmp_path / "counted", pack(truths_of(PAIRS, bins=500)))
    monkeypatch.setenv(FOLDER_VARIABLE, str(folder))
    assert report.main(["--out", str(tmp_path), "--targets", "latency_edgegpu"]) == 0
    codes = anb_onnx.indices_to_codes(np.arange(15_625), anb_onnx.NASBENCH201)
    accuracy, latency = (
        anb_onnx.load(name).query_codes(codes).mean for name in ("accuracy", "latency_edgegpu")
    )
    text = (tmp_path / "exact-results.md").read_text()
    best = rows_of(text, "Optima")["accuracy [%]"]
    assert best[:2] == [f"{accuracy.max():.3f}", f"{accuracy.min():.3f}"]
    assert accuracy[int(best[2])] == accuracy.max()
    (cells,) = rows_of(text, "What constraints cost").values()
    assert len(cells) == 5
    for cell in cells:
        operator, level, found, less = cell.replace(":", "").split()
        top = accuracy[latency <= float(level)].max()
        assert operator == "<="
        assert float(found) == pytest.approx(top, rel=1e-3)
        assert float(less.strip("()")) == pytest.approx(top - accuracy.max(), rel=1e-2)
    place = rows_of(text, "EfficientNet-B0's ranks")["accuracy [%]"]
    assert place[1] == f"{1 + int((accuracy > accuracy[7]).sum()):,}"
    shares = rows_of(text, "Distributions")["latency_edgegpu [ms]"]
    near = float(np.ptp(latency)) / 500 + 5e-4  # a bin, and four digits
    for cell, share in zip(shares, (0.001, 0.01, 0.1, 0.5, 0.9, 0.99, 0.999), strict=True):
        assert float(cell) == pytest.approx(np.quantile(latency, share), abs=near)
    for name in ("exact-fronts.png", "exact-genes.png", "exact-distributions.png"):
        assert (tmp_path / "images" / name).read_bytes().startswith(b"\x89PNG")


def test_the_results_on_the_page_are_those_of_today() -> None:
    """Optima, of all targets; and a constrained one."""
    text = (ROOT / "docs" / "exact-results.md").read_text("utf-8")
    found = rows_of(text, "Optima")
    targets = {f"{target.name} [{target.unit}]": target for target in anb_onnx.targets()}
    assert found.keys() == targets.keys()
    for label, cells in found.items():
        best = exact.optimum(targets[label].name).solutions[0]
        assert float(cells[0].replace(",", "")) == pytest.approx(best.value, rel=1e-4)
        assert int(cells[-2]) == best.architecture.index
    operator, level, value, _ = rows_of(text, "What constraints cost")["macs [M]"][2].split()
    bound = exact.optimum("accuracy", [("macs", operator, float(level.strip(":")))]).bound
    assert float(value) == pytest.approx(bound, rel=1e-3)


def rows_of(text: str, section: str) -> dict[str, list[str]]:
    """The cells of the table of a section, by the first of each row."""
    (body,) = re.findall(rf"^## {section}\n(.*?)(?=^## |\Z)", text, re.M | re.S)
    lines = [line for line in body.splitlines() if line.startswith("| ")][2:]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    return {first: rest for first, *rest in cells}


def imported(name: str, patch: pytest.MonkeyPatch) -> Any:
    """Import a module of the checkout."""
    pytest.importorskip("anb_export", reason="needs the exporter: pip install -e export")
    patch.syspath_prepend(str(ROOT))
    return import_module(name)
