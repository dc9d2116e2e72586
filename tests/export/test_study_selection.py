"""Selections by predictors: measures against brute force, and rows that go on after whatever."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from anb_export.cli import main
from anb_export.study import selecting, selection
from anb_export.study.plan import Fit
from anb_export.study.rows import open_journal, read_fits, rows_in
from anb_export.study.running import Where, Work
from anb_export.study.selecting import OF_SELECTIONS, done, run, run_selection
from anb_export.study.selection_measures import SHARES, Truth, front_of, volume

from anb_onnx.surrogate import Surrogate

from .small_data import write_data


def dominated(first: np.ndarray, second: np.ndarray, row: int) -> bool:
    no_worse = (first <= first[row]) & (second <= second[row])
    return bool((no_worse & ((first < first[row]) | (second < second[row]))).any())


@pytest.mark.parametrize("seed", range(5))
def test_fronts_volumes_and_reductions_are_those_of_brute_force(seed: int) -> None:
    rng = np.random.default_rng(seed)
    accuracy, cost = -rng.integers(0, 12, 60) / 1.0, rng.integers(1, 12, 60) / 1.0  # many equal
    truth = Truth(accuracy, cost)
    front = [row for row in range(60) if not dominated(accuracy, cost, row)]
    assert sorted(front_of(accuracy, cost)) == front
    grid = [(a, c) for a in range(-11, 1) for c in range(1, 13)]
    cells = sum(((accuracy <= a) & (cost <= c)).any() for a, c in grid)
    assert volume(accuracy, cost, (1.0, 13.0)) == cells
    rows = rng.permutation(60)[:8]
    reductions = [accuracy[r] - accuracy[cost <= cost[r]].min() for r in rows]
    assert truth.mean_reduction(rows) == pytest.approx(np.mean(reductions))
    assert sorted(truth.undominated(rows)) == sorted(
        r for k, r in enumerate(rows) if not dominated(accuracy[rows], cost[rows], k)
    )
    assert truth.mean_reduction(front_of(accuracy, cost)) == 0.0
    assert truth.hypervolume_loss(front_of(accuracy, cost)) == 0.0
    for share, limit in zip(SHARES, truth.limits, strict=True):
        assert (cost <= limit).mean() >= share - 1 / 60
        best = truth.best_of(np.arange(60), limit)
        assert best is not None
        assert accuracy[best] == accuracy[cost <= limit].min()
    assert truth.best_of(np.array([int(cost.argmax())]), 0.5) is None
    everywhere = [int(cost.argmin())] * len(SHARES)
    assert all(regret is not None and regret >= 0 for regret in truth.regrets(everywhere))
    assert truth.regrets([None] * len(SHARES)) == [None] * len(SHARES)


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A small space whose accuracy is a predictor's of its energy, taken for true."""
    found = write_data(tmp_path)
    made: dict[str, Surrogate] = {}

    def accuracy_of(protocol: object, target: str) -> Surrogate:
        from anb_export.data.targets import TargetSpec
        from anb_export.predictors.artifact import to_surrogate
        from anb_export.predictors.registry import fit
        from anb_export.study.protocol import Protocol

        assert isinstance(protocol, Protocol)
        if "accuracy" not in made:
            dataset, spec = protocol.dataset, TargetSpec("accuracy", "accuracy", None, "%", "max")
            values = 20 + dataset.values["energy_phone"] + np.sin(np.arange(len(dataset)))
            predictor = fit(
                "xgb-free", dataset.codes, values, space=dataset.space, target=spec, seed=0
            )
            made["accuracy"] = to_surrogate(predictor, spec)
        return made["accuracy"]

    monkeypatch.setattr(selection, "accuracy_of", accuracy_of)
    return found


def test_a_fit_is_judged_before_and_after_it_is_verified(data: Path) -> None:
    work = Work(Where(None, str(data)), Fit("latency_phone", "ridge", 20, 0))
    rows = run_selection(work)
    assert [row["error"] for row in rows] == [None] * len(rows)
    assert [(row["rule"], row["k"]) for row in rows if row["rule"].startswith("top")] == [
        (rule, k) for rule in ("top-mean", "top-interval") for k in selection.KS
    ]
    by = {(row["rule"], row["k"]): row for row in rows}
    before, after = by["mean", 0], next(row for row in rows if row["rule"] == "mean-verified")
    assert after["k"] == before["selected"]
    assert after["mra"] <= before["mra"]
    # What is dominated adds nothing: to measure the same ones finds no more.
    assert after["hypervolume_loss"] == pytest.approx(before["hypervolume_loss"], abs=1e-12)
    for rule in ("top-mean", "top-interval"):
        losses = [by[rule, k]["hypervolume_loss"] for k in selection.KS]
        assert losses == sorted(losses, reverse=True)
        assert losses[-1] < 0.05
        kept = [by[rule, k]["kept_limits"] for k in selection.KS]
        assert kept == sorted(kept)
        assert kept[-1] == len(SHARES)
    assert by["chance", 0]["kept_limits"] >= before["kept_limits"]


def test_selections_go_on_where_they_stopped(data: Path, tmp_path: Path) -> None:
    out, where = tmp_path / "out", Where(None, str(data))
    fits = [Fit("latency_phone", name, 20, 0) for name in ("lookup", "ridge")]
    with open_journal(out, OF_SELECTIONS) as journal:
        run(where, fits[:1], journal, jobs=1)
    content = (out / OF_SELECTIONS.journal).read_bytes()
    # Killed within the rows of the second fit, in the middle of a line.
    with open_journal(out, OF_SELECTIONS) as journal:
        run(where, fits, journal, jobs=1)
    whole = read_fits(out, OF_SELECTIONS)
    both = (out / OF_SELECTIONS.journal).read_bytes()
    (out / OF_SELECTIONS.journal).write_bytes(
        both[: len(content) + (len(both) - len(content)) // 2]
    )
    assert len(done(rows_in(out, OF_SELECTIONS), where.open())) == 1
    counts: list[int] = []
    with open_journal(out, OF_SELECTIONS) as journal:
        run(where, fits, journal, jobs=1, on_rows=counts.append)
    assert counts == [1, 2]
    assert read_fits(out, OF_SELECTIONS).equals(whole)


def test_what_cannot_be_fitted_is_a_row_that_says_so(data: Path) -> None:
    (row,) = run_selection(Work(Where(None, str(data)), Fit("latency_phone", "svr", 5, 0)))
    assert "10 to" in row["error"]
    assert row["mra"] is None


def test_the_command_prints_tables(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["study", "select", "--dataset", str(data), "--targets", "latency_phone"]
    arguments += ["--predictors", "lookup", "--sizes", "20", "--seeds", "1"]
    arguments += ["--out", str(tmp_path / "out"), "--jobs", "1"]
    assert main(arguments) == 0
    printed = capsys.readouterr()
    assert "| lookup table |" in printed.out
    assert "selection.parquet" in printed.err
    monkeypatch.undo()
    assert main(arguments) != 0
    assert "selection needs accuracies" in capsys.readouterr().err


def test_columns_are_what_outcomes_have(data: Path) -> None:
    rows = run_selection(Work(Where(None, str(data)), Fit("latency_phone", "lookup", 20, 1)))
    assert all(list(row) == list(selecting.COLUMNS) for row in rows)
