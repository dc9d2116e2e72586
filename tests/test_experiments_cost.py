"""Optimizers compared at equal cost: `anb-onnx search --cost-budget`, `anb-onnx compare --over`."""

from __future__ import annotations

import contextlib
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import anb_onnx
from anb_onnx import SearchError, search
from anb_onnx.cli.main import main
from anb_onnx.experiments import compare, search_tasks
from anb_onnx.experiments.grid import read_history

TASK = "accuracy-latency_zcu102-5ms-v1"
HOURS = "accuracy-gpu-hours-v1"
NAMES = ["random", "regularized-evolution-anb", "simulated-annealing"]
DAY = 86_400.0


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("cost") / "runs"
    search_tasks([TASK], NAMES, range(3), out, cost="train_time", cost_budget=3 * DAY)
    return out


def settings(runs: Path, task: str, name: str) -> Any:
    return json.loads((runs / task / name / "settings.json").read_text())


def test_runs_end_by_cost_and_their_settings_say_so(runs: Path) -> None:
    budget = settings(runs, TASK, "random")["budget"]
    sha256 = anb_onnx.load("train_time").sha256
    charged = {"name": "train_time", "unit": "s", "sha256": sha256}
    assert budget == {"evaluations": None, "cost": 3 * DAY, "charged": charged}
    task = anb_onnx.tasks()[TASK]
    for name, function in (
        ("random", search.random_search),
        ("simulated-annealing", search.simulated_annealing),
    ):
        found = read_history(runs / TASK / name / "seed-0001.json")
        again = function(task, cost="train_time", cost_budget=3 * DAY, rng=1)
        np.testing.assert_array_equal(found.codes, again.codes)
        assert found.spent[-1] <= 3 * DAY
    # All are there: nothing is searched again.
    done = search_tasks([TASK], NAMES, range(3), runs, cost="train_time", cost_budget=3 * DAY)
    assert (done.made, done.kept) == (0, 9)


def test_regrets_are_compared_at_equal_cost(runs: Path) -> None:
    [part] = compare([runs], at=[DAY]).tasks
    assert (part.scale.axis, part.scale.budget) == ("train_time [s]", 3 * DAY)
    for line in part.lines:
        files = [runs / TASK / line.optimizer / f"seed-{s:04d}.json" for s in range(3)]
        regrets = [float(read_history(f).regret_after(line.at)) for f in files]
        expected = np.median(np.where(np.isnan(regrets), np.inf, regrets))
        assert line.median == expected


def test_the_same_runs_are_compared_at_equal_evaluations(runs: Path) -> None:
    [part] = compare([runs], over="evaluations").tasks
    lengths = [len(read_history(path)) for path in runs.glob("*/*/seed-*.json")]
    assert len(lengths) == 9
    assert (part.scale.axis, part.scale.budget) == ("evaluations", min(lengths))
    assert not part.scale.limited
    last = [line for line in part.lines if line.at == min(lengths)]
    for line in last:
        files = [runs / TASK / line.optimizer / f"seed-{s:04d}.json" for s in range(3)]
        regrets = [read_history(f).regret[min(lengths) - 1] for f in files]
        assert line.median == np.median(np.where(np.isnan(regrets), np.inf, regrets))


def test_runs_of_so_many_evaluations_are_compared_at_equal_cost(tmp_path: Path) -> None:
    search_tasks([TASK], NAMES[:2], range(2), tmp_path, budget=60, cost="train_time")
    [part] = compare([tmp_path], over="cost").tasks
    spent = [read_history(path).spent[-1] for path in tmp_path.glob("*/*/seed-*.json")]
    assert part.scale.budget == min(spent)
    [counted] = compare([tmp_path]).tasks
    assert (counted.scale.axis, counted.scale.budget) == ("evaluations", 60.0)


def test_a_task_with_a_budget_of_cost_takes_another(tmp_path: Path) -> None:
    search_tasks([HOURS], ["random"], range(2), tmp_path, cost_budget=DAY)
    assert settings(tmp_path, HOURS, "random")["budget"] == {"evaluations": None, "cost": DAY}
    [part] = compare([tmp_path]).tasks
    assert part.scale.budget == DAY
    with pytest.raises(SearchError, match=r"runs of other settings: budget\.cost is 86400"):
        search_tasks([HOURS], ["random"], range(2), tmp_path, cost_budget=2 * DAY)
    with pytest.raises(SearchError, match="has 'train_time'; leave --cost out"):
        search_tasks([HOURS], ["random"], range(2), tmp_path / "a", cost="params")


def test_several_objectives_end_by_cost(tmp_path: Path) -> None:
    pytest.importorskip("pymoo")
    front = "accuracy-throughput_a100-front-v1"
    done = search_tasks([front], ["nsga2"], [0], tmp_path, cost="train_time", cost_budget=4 * DAY)
    assert done.made == 1
    assert (
        3 * DAY < read_history(tmp_path / front / "nsga2" / "seed-0000.json").spent[-1] <= 4 * DAY
    )


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"cost_budget": 5.0}, "nothing says what an evaluation .* costs; give --cost"),
        ({"cost": "train_time", "cost_budget": -5.0}, "--cost-budget is a number of at least 0"),
        ({"cost": "hours", "cost_budget": 5.0}, "unknown target 'hours'"),
    ],
)
def test_what_is_no_budget_is_refused_before_anything_is_searched(
    given: dict[str, Any], message: str, tmp_path: Path
) -> None:
    with pytest.raises(anb_onnx.AnbError, match=message):
        search_tasks([TASK], ["random"], [0], tmp_path, **given)
    assert not list(tmp_path.iterdir())


def test_runs_without_a_cost_have_none_to_compare_over(tmp_path: Path) -> None:
    search_tasks([TASK], ["random"], [0], tmp_path, budget=10)
    with pytest.raises(SearchError, match="search with one, such as --cost train_time"):
        compare([tmp_path], over="cost")


def test_the_commands(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["search", "--task", TASK, "--optimizer", "random,local-search", "--seeds", "2"]
    where = ["--out", str(tmp_path / "runs")]
    with contextlib.redirect_stdout(io.StringIO()):
        assert main([*command, "--cost", "train_time", "--cost-budget", "36h", *where]) == 0
    budget = settings(tmp_path / "runs", TASK, "random")["budget"]
    assert (budget["cost"], budget["charged"]["name"]) == (36 * 3600.0, "train_time")
    assert main(["compare", str(tmp_path / "runs")]) == 0
    assert "budget 129,600 train_time [s]" in capsys.readouterr().out
    assert main(["compare", str(tmp_path / "runs"), "--over", "evaluations"]) == 0
    assert "; the shortest run has " in capsys.readouterr().out
    for amount in ("36x", "-3", "nan", "h"):
        assert main([*command, "--cost", "train_time", f"--cost-budget={amount}", *where]) == 2
        assert "--cost-budget is a number" in capsys.readouterr().err
    assert main([*command, "--cost", "params", "--cost-budget", "3h", *where]) == 2
    assert "params is in 'M', not in seconds" in capsys.readouterr().err
