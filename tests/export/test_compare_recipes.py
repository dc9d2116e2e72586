"""Comparisons of the compact recipe with the reference's."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from anb_export.data.splits import read_split
from anb_export.reports.compare_recipes import (
    BENCHMARK_TARGETS,
    _usual_test_rows,
    ahead,
    comparison_table,
    read_comparison,
)
from anb_export.reports.report import write_report

from anb_onnx.errors import AnbError

from .report_room import MEASURED, RECIPES, Room, cells, make_room, recorder


@pytest.fixture(scope="module")
def room(tmp_path_factory: pytest.TempPathFactory) -> Room:
    return make_room(tmp_path_factory.mktemp("report"))


def test_members_are_reused(room: Room, tmp_path: Path) -> None:
    # The build's own members the first time, all of them the second.
    for target in MEASURED:
        assert room.states.count(f"{target}: compact reused") == 8
        assert room.states.count(f"{target}: upstream done") == 6
    states: list[str] = []
    again = room.compare(tmp_path / "again.json", report=recorder(states))
    assert len(states) == 28
    assert all(state.endswith("reused") for state in states)
    before = json.loads((room.root / "comparison.json").read_text())
    sizes = [before["targets"][t]["compact"].pop("artifact_bytes") for t in MEASURED]
    assert sizes == [(room.root / "artifacts" / f"{t}.onnx").stat().st_size for t in MEASURED]
    for target in MEASURED:
        assert again["targets"][target]["compact"].pop("artifact_bytes") is None
    assert again == before


def test_stored_as_soon_as_done(room: Room, tmp_path: Path) -> None:
    out = tmp_path / "comparison.json"

    def stop(stage: str) -> None:
        if stage.startswith("throughput_tpuv2"):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        room.compare(out, report=stop)
    assert list(json.loads(out.read_bytes())["targets"]) == ["accuracy"]
    found = room.compare(out, "throughput_tpuv2")
    assert set(found["targets"]) == set(MEASURED)


def test_random_split(room: Room, tmp_path: Path) -> None:
    split = read_split(room.dataset, "random:5")
    work, out = tmp_path / "work", tmp_path / "random.json"
    found = room.compare(out, "accuracy", split=split, work=work)
    assert (work / "random-5" / "upstream" / "accuracy" / "training.json").is_file()
    assert found["split"]["sha256"] == split.sha256
    assert found["targets"]["accuracy"]["compact"]["quality"]["test"]["n"] == len(split.test)
    with pytest.raises(AnbError, match="about another split"):
        room.compare(out, "accuracy", work=work)
    sources = replace(room.sources, comparison_random=out)
    write_report(room.dataset, room.split, sources, tmp_path / "cards")
    page = (tmp_path / "cards" / "README.md").read_text()
    assert comparison_table(found) in page
    assert "Split `random:5` of 480 records" in page


def test_outliers_are_also_left_out(room: Room) -> None:
    y = room.dataset.values["accuracy"]
    median = np.median(y[room.split.pool])
    limit = float(np.sort(y[room.split.test])[-4] / median)
    trimmed = replace(RECIPES["accuracy"], trim=limit)
    found = _usual_test_rows(room.dataset, room.split, "accuracy", trimmed)
    assert found is not None
    assert len(found) == len(room.split.test) - 3
    assert (
        _usual_test_rows(room.dataset, room.split, "accuracy", replace(trimmed, trim=9.0)) is None
    )
    assert _usual_test_rows(room.dataset, room.split, "accuracy", RECIPES["accuracy"]) is None


def side(tau: float, r2: float, mae: float) -> dict[str, Any]:
    return {"quality": {"test": {"kendall_tau": tau, "r2": r2, "mae": mae}}}


def test_who_is_ahead() -> None:
    upstream = side(0.9, 0.99, 2.0)
    wins = {"compact": side(0.91, 0.991, 1.9), "upstream": upstream, "unit": "%"}
    mixed = {"compact": side(0.91, 0.99, 2.1), "upstream": upstream, "unit": "ms"}
    assert ahead(wins) == ("compact", "compact", "compact")
    assert ahead(mixed) == ("compact", "equal", "upstream")
    document = {"targets": {"train_time": wins, "latency_zcu102": mixed, "accuracy": wins}}
    text = comparison_table(document)
    assert cells(text, "latency_zcu102")[-3:] == ["compact", "equal", "upstream"]
    assert text.index("accuracy") < text.index("latency_zcu102") < text.index("train_time")
    assert "all three on 1 of the 2 benchmark targets (train_time not counted)." in text
    assert len(BENCHMARK_TARGETS) == 9


def test_comparisons_that_cannot_be_made(room: Room, tmp_path: Path) -> None:
    out = tmp_path / "out.json"
    with pytest.raises(AnbError, match="exact closed form"):
        room.compare(out, "macs")
    with pytest.raises(AnbError, match="no compact recipe for 'train_time'"):
        room.compare(out, "train_time")
    with pytest.raises(AnbError, match="make it with `anb-export compare"):
        read_comparison(out, room.dataset)
    assert not out.exists()
