"""`--with FOLDER`: targets of your own beside those of the benchmark."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import numpy as np
import pytest
from test_in_memory import CARD, tables_of

import anb_onnx
from anb_onnx import NASBENCH201, exact
from anb_onnx.cli.main import main
from anb_onnx.loading import from_tables

NAME = "latency_my-phone"


@pytest.fixture(scope="module")
def phone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("with") / "my-phone"
    with from_tables(tables_of(), CARD) as surrogate:
        surrogate.save(folder)
    return folder


def printed(capsys: pytest.CaptureFixture[str], *argv: object) -> str:
    code = main([str(part) for part in argv])
    out, err = capsys.readouterr()
    assert (code, err) == (0, "")
    return out


def refused(capsys: pytest.CaptureFixture[str], *argv: object) -> str:
    assert main([str(part) for part in argv]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    return err


def test_the_best_network_for_a_device_of_ones_own(
    phone: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with anb_onnx.load(NAME, path=phone) as surrogate:
        value = exact.optimum(surrogate).solutions[0].value + 8
        wanted = exact.optimum("accuracy", [(surrogate, "<=", value)]).solutions[0]
    where = f"{NAME}<={value}"
    out = printed(capsys, "optimum", "accuracy", "--with", phone, "--where", where, "--json")
    (found,) = json.loads(out)["solutions"]
    assert found["index"] == wanted.architecture.index
    assert set(found["values"]) == {"accuracy", NAME}
    assert found["values"][NAME] <= value


def test_it_is_an_objective_too(phone: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with anb_onnx.load(NAME, path=phone) as surrogate:
        wanted = exact.pareto(["accuracy", surrogate])
    out = printed(capsys, "pareto", "accuracy", NAME, "--with", phone, "--csv")
    rows = list(csv.DictReader(io.StringIO(out)))
    assert [float(row[f"{NAME}_mean"]) for row in rows] == pytest.approx(
        wanted.values[:, 1].tolist(), rel=1e-6
    )
    assert len(rows) > 10
    ranks = json.loads(printed(capsys, "rank", NAME, rows[-1]["index"], "--with", phone, "--json"))
    assert ranks[0]["rank"] == 1


def test_a_query_answers_with_the_targets_of_both(
    phone: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    index = 123_456
    answers = json.loads(printed(capsys, "query", index, "--with", phone, "--json"))
    with anb_onnx.Benchmark() as bundled, anb_onnx.load(NAME, path=phone) as surrogate:
        names = [*bundled, NAME]
        mean = surrogate.query(np.array([index])).mean[0]
    (answer,) = answers
    assert list(answer["predictions"]) == names
    assert np.float32(answer["predictions"][NAME]["mean"]) == mean
    only = json.loads(printed(capsys, "query", index, "--with", phone, "--target", NAME, "--json"))
    assert list(only[0]["predictions"]) == [NAME]


def test_the_variable_takes_the_folder_alone(
    phone: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ANB_ONNX_ARTIFACTS", str(phone))
    assert NAME in printed(capsys, "query", 5)
    assert NAME in printed(capsys, "targets")
    assert NAME in printed(capsys, "optimum", NAME)


def test_what_is_refused(phone: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    err = refused(capsys, "query", 5, "--target", "latency_your-phone", "--with", phone)
    assert "unknown target 'latency_your-phone'" in err
    assert f"--with {phone}: {NAME}" in err
    # Of another space.
    with from_tables(tables_of(NASBENCH201), CARD) as surrogate:
        surrogate.save(tmp_path / "cell")
    err = refused(capsys, "optimum", "accuracy", "--with", tmp_path / "cell")
    assert "search space 'nasbench201', those of the benchmark 'accel-nasbench'" in err
    # A name that two have.
    with from_tables(tables_of(seed=4), CARD) as surrogate:
        surrogate.save(tmp_path / "again")
    both = ["--with", phone, "--with", tmp_path / "again"]
    err = refused(capsys, "optimum", "accuracy", *both, "--where", f"{NAME}<=30")
    assert f"'{NAME}' is in {phone} and in {tmp_path / 'again'}" in err
    with anb_onnx.load("accuracy") as surrogate:
        surrogate.save(tmp_path / "copy")
    err = refused(capsys, "optimum", "accuracy", "--with", tmp_path / "copy")
    assert "'accuracy' is in" in err
    err = refused(capsys, "optimum", "accuracy", "--with", tmp_path / "none")
    assert "none/manifest.json" in err


def test_a_metric_is_looked_up_in_the_benchmark(
    phone: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    err = refused(capsys, "query", 5, "--target", "latency", "--with", phone)
    assert "latency needs a device" in err
