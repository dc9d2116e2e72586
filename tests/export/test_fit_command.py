"""`anb-export fit`: a predictor of one's own measurements as an artifact."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from anb_export.cli import main
from anb_export.study.plan import Fit
from anb_export.study.running import Where, Work, run_fit

from anb_onnx.encoding.encoding import indices_to_codes
from anb_onnx.loading import load

from .small_data import write_data


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_data(tmp_path_factory.mktemp("measured"))


def asked(data: Path, out: Path, *more: str, predictor: str = "ridge") -> list[str]:
    """Return the arguments of a fit."""
    place = ["fit", "--dataset", str(data), "--target", "latency_phone", "--out", str(out)]
    return [*place, "--predictor", predictor, *more]


@pytest.mark.parametrize("predictor", ["lookup", "gp", "xgb-free", "mlp-small"])
def test_it_writes_what_answers_and_says_what_it_is_worth(
    predictor: str, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(asked(data, tmp_path, "--size", "100", predictor=predictor)) == 0
    printed = capsys.readouterr().out
    surrogate = load("latency_phone", path=tmp_path, engine="numpy")
    assert surrogate.space.name == "small"
    quality = surrogate.metadata["quality"]["test"]
    assert f"Kendall tau {quality['kendall_tau']:.4f}" in printed
    assert quality["kendall_tau"] > 0.7
    assert surrogate.metadata["dataset"]["n_used"] == 100
    assert surrogate.metadata["dataset"]["name"] == "made up"
    assert surrogate.metadata["license"] == "CC0-1.0"
    found = surrogate.query(indices_to_codes(np.arange(256), surrogate.space))
    lower, upper = found.interval(0.9)
    assert (lower < upper).all()


def test_it_is_the_fit_of_the_study_of_the_same_size_and_seed(data: Path, tmp_path: Path) -> None:
    assert main(asked(data, tmp_path, "--size", "40", "--seed", "3")) == 0
    quality = load("latency_phone", path=tmp_path).metadata["quality"]["test"]
    row = run_fit(Work(Where(None, str(data)), Fit("latency_phone", "ridge", 40, 3)))
    assert quality["kendall_tau"] == pytest.approx(row["tau"], abs=1e-9)
    assert quality["mae"] == pytest.approx(row["mae"], rel=1e-5)


def test_all_learns_from_every_row(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(asked(data, tmp_path, "--all")) == 0
    assert "tau" not in capsys.readouterr().out
    card = load("latency_phone", path=tmp_path).metadata
    assert card["dataset"]["n_used"] == 256
    assert card["quality"]["test"] == {"n": 0}


@pytest.mark.parametrize(
    ("more", "predictor", "said"),
    [
        (["--all", "--size", "9"], "ridge", "leave out --size 9"),
        (["--size", "999"], "ridge", "so a size is from 2 to"),
        ([], "gcn", "unknown predictor 'gcn': "),
        ([], "xgb-live", "no part of an architecture of 'small' is known to change nothing"),
    ],
    ids=["all-and-size", "too-many", "unavailable", "not-live"],
)
def test_what_cannot_be_is_said(
    more: list[str],
    predictor: str,
    said: str,
    data: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(asked(data, tmp_path / "out", *more, predictor=predictor)) == 2
    assert said in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
