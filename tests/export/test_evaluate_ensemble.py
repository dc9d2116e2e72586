"""The reference's metrics, by its own formulas, and the plots."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from anb_export.cli import main
from anb_export.data.dataset import Dataset
from anb_export.data.splits import read_split
from anb_export.reports.evaluate_ensemble import (
    METRICS,
    evaluate_ensemble,
    plot,
    reference_metrics,
    write_evaluation,
)
from anb_export.training.members_folder import Training
from scipy import stats
from sklearn import metrics as sk

from anb_onnx.errors import AnbError


def test_the_metric_set_of_the_reference() -> None:
    rng = np.random.default_rng(1)
    y = 60 + 3 * rng.normal(size=400)
    p = y + 0.4 * rng.normal(size=400)
    found = reference_metrics(y, p)
    assert found.pop("n") == 400
    wanted = {
        "mae": sk.mean_absolute_error(y, p),
        "mse": sk.mean_squared_error(y, p),
        "rmse": np.sqrt(sk.mean_squared_error(y, p)),
        "r2": sk.r2_score(y, p),
        "kendall_tau": stats.kendalltau(y, p)[0],
        "kendall_tau_1_dec": stats.kendalltau(y, np.round(p, 1))[0],
        "kendall_tau_2_dec": stats.kendalltau(y, np.round(p, 2))[0],
        "spearman": stats.spearmanr(y, p)[0],
    }
    assert found == pytest.approx(wanted)
    assert set(METRICS) == wanted.keys()
    assert found["kendall_tau_1_dec"] != found["kendall_tau"]
    assert reference_metrics([1.0, 2.0], [0.01, 0.04])["kendall_tau_1_dec"] == 0.0


def test_of_a_folder(training: Training, dataset: Dataset, study: Path, tmp_path: Path) -> None:
    split = read_split(dataset, study / "default_split")
    found = evaluate_ensemble(training.folder, dataset, split)
    for part, known in training.document["metrics"].items():
        assert {k: found.metrics[part][k] for k in known} == pytest.approx(known)
    assert len(found.members) == 3
    assert found.kind == "xgb, upstream"
    files = write_evaluation(found, tmp_path / "out")
    assert {file.name for file in files} == {
        "evaluation.json",
        *(f"predicted_{part}.png" for part in ("train", "val", "test")),
    }
    document = json.loads(files[0].read_text())
    assert document["metrics"]["test"]["kendall_tau_1_dec"] <= 1
    assert files[1].read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"
    first = [file.read_bytes() for file in files]
    assert [file.read_bytes() for file in write_evaluation(found, tmp_path / "out")] == first


def test_of_an_onnx_file(training: Training, dataset: Dataset, study: Path, tmp_path: Path) -> None:
    file = tmp_path / "accuracy.onnx"
    assert main(["convert", str(training.folder), "--out", str(file)]) == 0
    split = read_split(dataset, study / "default_split")
    found = evaluate_ensemble(file, dataset, split)
    wanted = evaluate_ensemble(training.folder, dataset, split)
    assert found.kind.startswith("ONNX, ")
    assert found.metrics["test"]["mae"] == pytest.approx(wanted.metrics["test"]["mae"], rel=1e-4)


def test_wild_predictions_stay_in_the_plot() -> None:
    y = np.linspace(0.0, 1.0, 50)
    p = np.where(y > 0.5, 1e6, y)
    content = plot(y, p, "title", "%", reference_metrics(y, p))
    assert content[:4] == b"\x89PNG"


def test_the_command(
    training: Training, study: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    dataset = ["--dataset", str(study / "anb_dataset_jsons.tar.gz")]
    folder = str(training.folder)
    out = tmp_path / "out"
    assert main(["evaluate", folder, folder, *dataset, "--out", str(out)]) == 0
    text = capsys.readouterr().out
    assert "kendall_tau_2_dec" in text
    assert text.count("member 2") == 2
    assert {path.name for path in out.iterdir()} == {"accuracy", "accuracy_"}
    assert main(["evaluate", str(tmp_path / "none"), *dataset]) == 2
    assert "no folder of members and no ONNX file" in capsys.readouterr().err


def test_missing(dataset: Dataset, study: Path, tmp_path: Path) -> None:
    split = read_split(dataset, study / "default_split")
    with pytest.raises(AnbError, match=r"no training\.json"):
        evaluate_ensemble(tmp_path, dataset, split)
