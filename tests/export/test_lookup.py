"""Whole tables: what is measured of every architecture, looked up bit by bit."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from anb_export.artifacts.lookup import step_of, whole_table
from anb_export.cli import main
from anb_export.data.accel_nasbench import ACCEL_NASBENCH
from anb_export.data.dataset import Dataset, DatasetError
from anb_export.data.read import read_dataset

import anb_onnx
from anb_onnx.encoding.encoding import codes_to_indices
from anb_onnx.errors import AnbError

from .test_described import SPACE, every, write

#: The values of 12 architectures: decimals, a negative one, and zero.
VALUES = [0.1, -2.5, 0.0, 9.31, 7.25, 12.0, 1 / 3, 0.9, 5.5, 0.7, 6.4, 2.0]


def value(index: int) -> float:
    return VALUES[index]


def built(folder: Path, *arguments: str) -> dict[str, object]:
    """Build all targets as whole tables; return the manifest."""
    path = write(folder, rows=every(value))
    out = folder / "out" / "toy-bench"
    options = ["--out", str(out), "--work", str(folder / "work"), *arguments]
    assert main(["build", "--dataset", str(path), "--terms", "all", *options]) == 0
    manifest: dict[str, object] = json.loads((out / "manifest.json").read_text())
    return manifest


def test_every_measurement_is_looked_up(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    manifest = built(tmp_path)
    assert "score" in capsys.readouterr().out
    assert manifest["benchmark"] == "toy-bench"
    root = tmp_path / "out"
    with anb_onnx.load("score", benchmark="toy-bench", path=root) as surrogate:
        found = surrogate.query(np.arange(12)).mean
    np.testing.assert_array_equal(found, np.arange(12, dtype=np.float32))
    latency = anb_onnx.load("latency", device="pixel3", benchmark="toy-bench", path=root)
    with latency as surrogate:
        found = surrogate.query(np.arange(12)).mean
        asked = surrogate.query({"op": "", "width": 32, "se": True})
    wanted = np.array(VALUES, dtype=np.float32)
    assert asked.mean == wanted[10]
    np.testing.assert_array_equal(found.view(np.int32), (wanted + 0.0).view(np.int32))


def test_the_card_says_whose_it_is_and_how_exact(tmp_path: Path) -> None:
    targets = built(tmp_path, "--target", "latency_pixel3")["targets"]
    assert isinstance(targets, dict)
    card = targets["latency_pixel3"]
    assert (card["exact"], card["members"], card["terms"]) == (True, 1, [[0, 1]])
    assert (card["unit"], card["device"], card["direction"]) == ("ms", "pixel3", "min")
    assert (card["dataset"]["name"], card["license"]) == ("Toys", "CC0-1.0")
    # Only the rounding to float32 that every prediction has.
    wanted = max(abs(float(np.float32(v)) - v) for v in VALUES)
    assert card["rounding"]["largest"] == wanted
    assert card["tables"]["scale"] == card["rounding"]["step"]
    assert "calibration" not in card  # no interval is claimed


def test_what_int32_does_not_span_is_not_called_exact(tmp_path: Path) -> None:
    path = write(tmp_path, rows=every(lambda index: 1e-9 if index == 3 else 1e6 + index / 7))
    out = tmp_path / "out"
    assert main(["build", "--dataset", str(path), "--terms", "all", "--out", str(out)]) == 0
    card = json.loads((out / "manifest.json").read_text())["targets"]["latency_pixel3"]
    assert card["exact"] is False
    assert 1e-9 <= card["rounding"]["largest"] <= card["rounding"]["step"] / 2 + 2**-5


def test_steps_divide_all_values() -> None:
    assert step_of(np.array([0.0, 0.0], np.float32)) == 1.0
    assert step_of(np.array([3.0, -12.0, 0.0], np.float32)) == 1.0
    assert step_of(np.array([40.0, 24.0], np.float32)) == 8.0
    assert step_of(np.array([0.75], np.float32)) == 0.25
    rng = np.random.default_rng(0)
    for _ in range(50):
        values = (rng.normal(size=20) * 10.0 ** rng.integers(-30, 30)).astype(np.float32)
        values = values[np.abs(values) > np.abs(values).max() / 100]
        multiples = values.astype(np.float64) / step_of(values)
        assert (multiples == np.rint(multiples)).all()
        assert np.abs(multiples).max() < 2**31
    wide = np.array([1.0, 3e9], np.float32)
    assert np.rint(wide.astype(np.float64) / step_of(wide)).max() < 2**31


def test_a_missing_architecture_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = every(value)
    path = write(tmp_path, rows=rows[:5] + rows[6:])
    out = str(tmp_path / "out")
    assert main(["build", "--dataset", str(path), "--terms", "all", "--out", out]) == 2
    error = capsys.readouterr().err
    assert "1 of the 12 architectures of 'toy' are in no record, such as index 5 (op=pool" in error
    assert not (tmp_path / "out").exists()


def test_records_of_one_architecture_and_huge_spaces_are_refused(tmp_path: Path) -> None:
    whole = read_dataset(write(tmp_path, rows=every(value)))
    rows = np.array([*range(12), 4])
    twice = replace(
        whole,
        names=tuple(map(str, rows)),
        codes=whole.codes[rows],
        values={name: column[rows] for name, column in whole.values.items()},
    )
    with pytest.raises(DatasetError, match="13 records of 12 architectures: some stand in two"):
        whole_table(twice, "score")
    space = ACCEL_NASBENCH.space
    codes = np.zeros((1, space.n_genes), np.uint8)
    values = {"accuracy": np.ones(1)}
    one = Dataset(ACCEL_NASBENCH, ("result_0.json",), codes, values, {}, "")
    with pytest.raises(AnbError, match="104485552128 entries"):
        whole_table(one, "accuracy")


def test_entries_are_in_the_order_of_indices(tmp_path: Path) -> None:
    dataset = read_dataset(write(tmp_path, rows=every(value)[::-1]))
    table = whole_table(dataset, "score")
    assert codes_to_indices(dataset.codes, SPACE).tolist() == list(range(11, -1, -1))
    np.testing.assert_array_equal(table.entries[:, 0] * table.scale, np.arange(12))
