"""`anb-onnx pareto --plot`."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from anb_onnx import NASBENCH201
from anb_onnx.cli.main import main

FOLDER = Path(__file__).resolve().parent / "conformance" / "nasbench201-pairs"
ACCURACY, LATENCY = "accuracy", "latency_edgegpu"
AT = ("--artifacts", FOLDER)
GENES = NASBENCH201.gene_names
KINDS = NASBENCH201.genes[0].choices


def pareto(*argv: object, code: int = 0) -> None:
    assert main(["pareto", *map(str, argv)]) == code


@pytest.mark.parametrize("name", ["front.png", "front.svg", "front.pdf"])
def test_a_plot_of_a_front(tmp_path: Path, name: str) -> None:
    pytest.importorskip("matplotlib", reason="plots need the extra anb-onnx[plot]")
    paths = [tmp_path / f"{number}-{name}" for number in (0, 1)]
    for path in paths:
        pareto(ACCURACY, LATENCY, "--where", "accuracy>=98.9", "--plot", path, *AT)
    content = paths[0].read_bytes()
    begins = {".png": b"\x89PNG\r\n", ".svg": b"<?xml", ".pdf": b"%PDF"}
    assert content.startswith(begins[paths[0].suffix])
    assert content == paths[1].read_bytes()


def test_what_a_plot_shows(tmp_path: Path) -> None:
    """The cloud, the front and EfficientNet-B0, by their colours."""
    pytest.importorskip("matplotlib", reason="plots need the extra anb-onnx[plot]")
    from matplotlib.image import imread

    from anb_onnx.cli import plot

    path = tmp_path / "front.png"
    pareto(ACCURACY, "latency_zcu102", "--plot", path)
    image = (imread(path)[..., :3] * 255).round().astype(int)
    assert image.shape[0] > 400
    assert image.shape[1] > 600

    def painted(colour: str) -> int:
        wanted = [int(colour[k : k + 2], 16) for k in (1, 3, 5)]
        return int((np.abs(image - wanted).max(axis=2) <= 2).sum())

    assert painted(plot._CLOUD) > 5_000
    assert painted(plot._FRONT) > 500
    assert 50 < painted(plot._NAMED) < 2_000


def test_the_words_of_a_plot(tmp_path: Path) -> None:
    matplotlib = pytest.importorskip("matplotlib", reason="plots need the extra anb-onnx[plot]")
    path = tmp_path / "front.svg"
    with matplotlib.rc_context({"svg.fonttype": "none"}):
        pareto(ACCURACY, LATENCY, "--gene", f"{GENES[0]}={KINDS[0]}", "--plot", path, *AT)
    text = path.read_text()
    assert ">accuracy [%], higher is better<" in text
    assert ">latency_edgegpu [ms], lower is better<" in text
    assert f"of 3,125 architectures with {GENES[0]} = {KINDS[0]}<" in text
    assert "EfficientNet" not in text


def test_a_plot_without_matplotlib_names_the_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    path = tmp_path / "x.png"
    pareto(ACCURACY, LATENCY, "--plot", path, *AT, code=2)
    error = capsys.readouterr().err
    assert "--plot needs matplotlib: pip install 'anb-onnx[plot]'" in error
    assert not path.exists()
