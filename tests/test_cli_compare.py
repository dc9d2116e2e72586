"""The command `anb-onnx compare`, and what it says against the runs themselves."""

from __future__ import annotations

import contextlib
import csv
import io
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from test_cli_search import Shell

import anb_onnx
from anb_onnx import search
from anb_onnx.cli.main import main
from anb_onnx.errors import SearchError
from anb_onnx.experiments.comparison import compare
from anb_onnx.experiments.plots import Levels, quartiles

TASK = "accuracy-latency_zcu102-5ms-v1"
FRONT = "accuracy-throughput_a100-front-v1"
PLAIN = "accuracy-v1"
HOURS = "accuracy-gpu-hours-v1"


def run(out: Path, task: str, names: str, *options: str) -> None:
    command = ["search", "--task", task, "--optimizer", names, "--out", str(out), *options]
    with contextlib.redirect_stdout(io.StringIO()):
        assert main(command) == 0


@pytest.fixture
def shell(capsys: pytest.CaptureFixture[str]) -> Shell:
    return Shell(capsys)


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("compared") / "runs"
    for task in (TASK, PLAIN):
        names = "random,regularized-evolution-anb,simulated-annealing"
        run(out, task, names, "--seeds", "6", "--budget", "120")
    run(out, FRONT, "random,nsga2", "--seeds", "5", "--budget", "120")
    return out


def history(runs: Path, task: str, name: str, seed: int) -> search.History:
    return search.History.load(runs / task / name / f"seed-{seed:04d}.json")


def of_task(document: Any, name: str) -> Any:
    [found] = [task for task in document["tasks"] if task["task"] == name]
    return found


def test_a_table_says_what_the_histories_say(shell: Shell, runs: Path) -> None:
    document = json.loads(shell.ok("compare", runs, "--at", "5,40", "--json"))
    assert [task["task"] for task in document["tasks"]] == [TASK, FRONT, PLAIN]
    for task, n in ((TASK, 6), (FRONT, 5), (PLAIN, 6)):
        found = of_task(document, task)
        table = {}
        for line in found["lines"]:
            at = int(line["at"])
            several = [history(runs, task, line["optimizer"], seed) for seed in range(n)]
            listed = [
                h.hypervolume_regret([at])[0] if task == FRONT else h.regret[at - 1]
                for h in several
            ]
            regrets = np.where(np.isnan(listed), np.inf, listed)
            table[line["optimizer"], at] = regrets
            middle = np.median(regrets)
            assert line["median"] == (middle if np.isfinite(middle) else None)
            assert line["runs"] == n
            assert line["found"] == (regrets == 0).sum()
            if line["high"] is not None:
                assert regrets.min() <= line["low"] <= line["median"] <= line["high"]
                assert line["high"] <= regrets.max()
        assert {at for _, at in table} == {5, 40, 120}
        names = found["optimizers"]
        for line in found["lines"]:
            own = table[line["optimizer"], int(line["at"])]
            others = np.array([table[name, int(line["at"])] for name in names])
            ranks = (others < own).sum(axis=0) + ((others == own).sum(axis=0) + 1) / 2
            assert line["mean_rank"] == pytest.approx(ranks.mean())


def test_how_soon_a_search_came_near(shell: Shell, runs: Path) -> None:
    document = json.loads(shell.ok("compare", runs, "--within", "0.4", "--json"))
    for task, n in ((TASK, 6), (FRONT, 5), (PLAIN, 6)):
        found = of_task(document, task)
        for near in found["near"]:
            used: list[float] = []
            for seed in range(n):
                h = history(runs, task, near["optimizer"], seed)
                if task == FRONT:
                    close = h.hypervolume_regret() <= 0.4
                else:
                    close = h.regret <= 0.4 * anb_onnx.tasks()[task].optimum.value
                used.append(float(np.argmax(close)) + 1 if close.any() else np.inf)
            assert near["reached"] == np.isfinite(used).sum()
            middle = np.median(used)
            assert near["median"] == (middle if np.isfinite(middle) else None)


def test_pairs_are_of_the_end_and_corrected(shell: Shell, runs: Path) -> None:
    document = json.loads(shell.ok("compare", runs, "--task", PLAIN, "--json"))
    [found] = document["tasks"]
    pairs = found["pairs"]
    assert len(pairs) == 3
    for pair in pairs:
        first, second = (
            np.array([history(runs, PLAIN, pair[one], seed).regret[-1] for seed in range(6)])
            for one in ("first", "second")
        )
        assert pair["first_better"] == (first < second).sum()
        assert pair["equal"] == (first == second).sum()
        assert pair["corrected"] >= pair["p"]
    least = min(pairs, key=lambda pair: pair["p"])
    assert least["corrected"] == pytest.approx(min(1.0, 3 * least["p"]))
    text = shell.ok("compare", runs, "--task", PLAIN)
    assert f"p = {least['corrected']:.2g})" in text


def test_text_markdown_and_csv(shell: Shell, runs: Path, tmp_path: Path) -> None:
    report = tmp_path / "report.md"
    assert shell.ok("compare", runs, "--out", report) == ""
    text = report.read_text()
    assert text.startswith("# Optimizers compared\n")
    assert f"\n## {TASK.replace('_', chr(92) + '_')}\n" in text
    assert "\n| optimizer | after | runs | median | from | to | mean rank | found |\n" in text
    plain = shell.ok("compare", runs)
    assert "over 6 seeds, 0 to 5 that all have" in plain
    assert "Not ranked: ranks over tasks want at least 5 tasks and 3 optimizers" in plain
    rows = list(csv.DictReader(shell.ok("compare", runs, "--csv", "--at", "40").splitlines()))
    assert len(rows) == 2 * (3 + 3 + 2)
    document = json.loads(shell.ok("compare", runs, "--json", "--at", "40"))
    medians = [line["median"] for task in document["tasks"] for line in task["lines"]]
    assert [float(row["median"]) for row in rows] == [np.inf if m is None else m for m in medians]


def test_missing_seeds_are_named(shell: Shell, runs: Path, tmp_path: Path) -> None:
    shutil.copytree(runs / TASK, tmp_path / "a" / TASK)
    folder = tmp_path / "a" / TASK / "simulated-annealing"
    for seed in (0, 3, 4):
        (folder / f"seed-{seed:04d}.json").unlink()
    text = shell.ok("compare", tmp_path / "a")
    assert "simulated-annealing lacks 3 seeds, 0, 3, 4." in text
    assert "over 3 seeds, 1, 2, 5 that all have" in text
    assert "With 3 seeds in common this test can hardly tell anything apart." in text
    # The others in a second folder are the same runs again.
    other = tmp_path / "b" / TASK / "simulated-annealing"
    other.mkdir(parents=True)
    for name in ("settings.json", "seed-0000.json", "seed-0003.json", "seed-0004.json"):
        shutil.copy(runs / TASK / "simulated-annealing" / name, other)
    both = shell.ok("compare", tmp_path / "a", tmp_path / "b")
    assert both == shell.ok("compare", runs, "--task", TASK)
    shutil.copy(runs / TASK / "simulated-annealing" / "seed-0001.json", other)
    assert "are both of seed 1; leave one out" in shell.fails(
        "compare", tmp_path / "a", tmp_path / "b"
    )


def test_what_does_not_belong_together_is_refused(shell: Shell, runs: Path, tmp_path: Path) -> None:
    a, b, c = (tmp_path / name for name in "abc")
    run(a, PLAIN, "local-search", "--seeds", "2", "--budget", "60")
    run(b, PLAIN, "simulated-annealing", "--seeds", "8,9", "--budget", "120")
    shell.ok("compare", runs, b, "--task", PLAIN)
    error = shell.fails("compare", runs, a, "--task", PLAIN)
    assert (
        "cannot be compared: budget.evaluations is 120 in the first and 60 in the second" in error
    )
    shutil.copytree(b, c)
    path = c / PLAIN / "simulated-annealing" / "settings.json"
    document = json.loads(path.read_text())
    document["optimizer"]["settings"]["extra"] = 1
    path.write_text(json.dumps(document))
    error = shell.fails("compare", runs, c, "--task", PLAIN)
    assert "have the same name but are not the same: optimizer.settings.extra is nothing" in error
    document["artifacts"]["accuracy"] = "0" * 64
    path.write_text(json.dumps(document))
    assert "these runs have artifacts.accuracy '000" in shell.fails("compare", c)
    del document["budget"]
    path.write_text(json.dumps(document))
    assert f"{path}: key 'budget' is missing" in shell.fails("compare", c)
    path.write_text("{")
    assert f"{path} cannot be read as the settings of runs" in shell.fails("compare", c)
    damaged = b / PLAIN / "simulated-annealing" / "seed-0009.json"
    damaged.write_bytes(damaged.read_bytes()[:-9])
    error = shell.fails("compare", b)
    assert str(damaged) in error
    assert "remove it and search again" in error


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (("--task", FRONT[:-1] + "9"), "unknown task"),
        (("--task", HOURS), f"there are no runs of task {HOURS} in"),
        (("--at", "ten"), "--at is numbers with commas"),
        (("--at", "0"), "a checkpoint is a number above 0"),
        (("--within", "-1"), "what is near is a share"),
        (("--within", "7"), "what is near is a share, from 0 to below 1"),
        (("--plot", "x.gif"), "the suffix must be one of .png, .pdf, .svg"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_what_cannot_be_asked(
    shell: Shell, runs: Path, argv: tuple[str, ...], message: str
) -> None:
    assert message in shell.fails("compare", runs, *argv)


def test_folders_without_runs(shell: Shell, runs: Path, tmp_path: Path) -> None:
    assert "is no folder of runs; anb-onnx search --out" in shell.fails("compare", tmp_path / "x")
    assert "has no runs: no TASK/OPTIMIZER/settings.json" in shell.fails("compare", tmp_path)
    assert "give the folder above the tasks" in shell.fails("compare", runs / TASK)


def test_a_budget_of_cost_is_the_axis(shell: Shell, tmp_path: Path) -> None:
    run(tmp_path, HOURS, "random", "--seeds", "2")
    document = json.loads(shell.ok("compare", tmp_path, "--at", "90000,450000", "--json"))
    [found] = document["tasks"]
    assert found["scale"]["axis"] == "train_time [s]"
    assert found["scale"]["budget"] == 900_000
    assert [line["at"] for line in found["lines"]] == [90_000, 450_000, 900_000]
    for line in found["lines"]:
        regrets = []
        for seed in range(2):
            h = history(tmp_path, HOURS, "random", seed)
            assert h.cost is not None
            regrets.append(h.regret[int((np.cumsum(h.cost) <= line["at"]).sum()) - 1])
        assert line["median"] == np.median(regrets)


def test_optimizers_are_ranked_over_enough_tasks(shell: Shell, tmp_path: Path) -> None:
    tasks = [t.name for t in anb_onnx.tasks() if t.name.startswith("accuracy-throughput_")][:5]
    names = "random,simulated-annealing,regularized-evolution-anb"
    run(tmp_path, ",".join(tasks), names, "--seeds", "2", "--budget", "40")
    document = json.loads(shell.ok("compare", tmp_path, "--json"))
    [over] = document["rankings"]
    assert over["tasks"] == tasks
    table = np.array(
        [
            [
                next(
                    np.inf if line["median"] is None else line["median"]
                    for line in of_task(document, task)["lines"]
                    if line["optimizer"] == name and line["at"] == 40
                )
                for name in over["optimizers"]
            ]
            for task in tasks
        ]
    )
    below = (table[:, :, None] > table[:, None, :]).sum(axis=2)
    equal = (table[:, :, None] == table[:, None, :]).sum(axis=2)
    assert over["ranking"]["ranks"] == pytest.approx((below + (equal + 1) / 2).mean(axis=0))
    text = shell.ok("compare", tmp_path)
    assert "Over the 5 tasks of one objective" in text
    assert "Nemenyi's critical difference (level 0.05): 1.48." in text


@pytest.mark.parametrize(
    ("suffix", "magic"), [("png", b"\x89PNG"), ("pdf", b"%PDF"), ("svg", b"<")]
)
def test_plots(shell: Shell, runs: Path, tmp_path: Path, suffix: str, magic: bytes) -> None:
    pytest.importorskip("matplotlib", reason="needs matplotlib")
    path = tmp_path / f"plot.{suffix}"
    shell.ok("compare", runs, "--plot", path)
    content = path.read_bytes()
    assert content.startswith(magic)
    if suffix == "svg":
        # Names are drawn as shapes; each legend's text stands in a comment.
        for text in ("regularized-evolution-anb", "nsga2", TASK, "accuracy [%]"):
            assert f"<!-- {text} -->".encode() in content
        shell.ok("compare", runs, "--plot", path)
        assert path.read_bytes() == content


def test_zero_has_a_level_of_its_own() -> None:
    curves = np.array([[np.inf, 4.0, 0.5, 0.0], [8.0, 2.0, 0.0, 0.0], [4.0, 1.0, 0.0, 0.0]])
    bands = quartiles(curves)
    assert bands[1].tolist() == [8.0, 2.0, 0.0, 0.0]
    assert bands[2].tolist() == [np.inf, 3.0, 0.25, 0.0]
    levels = Levels.of([bands])
    assert (levels.low, levels.high) == (0.25, 8.0)
    assert levels.zero is not None
    assert levels.zero < levels.low / 1.5
    assert levels.place(bands[1]).tolist() == [8.0, 2.0, levels.zero, levels.zero]
    assert all(levels.low <= tick <= levels.top for tick in levels.ticks())
    assert len(levels.ticks()) >= 3
    assert Levels.of([np.array([1.0, 2.0])]).zero is None
    assert Levels.of([np.zeros(3)]).zero is not None


def test_a_history_of_another_task_is_refused(runs: Path, tmp_path: Path) -> None:
    shutil.copytree(runs / PLAIN / "random", tmp_path / PLAIN / "random")
    shutil.copy(
        runs / TASK / "random" / "seed-0001.json", tmp_path / PLAIN / "random" / "seed-0001.json"
    )
    with pytest.raises(SearchError, match=f"seed-0001.json: is a history of '{TASK}', not of"):
        compare([tmp_path])


def test_checkpoints_beyond_the_budget_are_named(shell: Shell, runs: Path) -> None:
    text = shell.ok("compare", runs, "--task", PLAIN, "--at", "40,5000,900")
    assert "Not shown: after 900, 5,000; the budget is 120 evaluations.\n" in text
    assert "Not shown" not in shell.ok("compare", runs, "--task", PLAIN, "--at", "40,120")
    document = json.loads(shell.ok("compare", runs, "--task", PLAIN, "--at", "900", "--json"))
    assert of_task(document, PLAIN)["beyond"] == [900.0]


def test_units_are_of_what_is_measured(shell: Shell, runs: Path) -> None:
    text = shell.ok("compare", runs, "--within", "0.01")
    assert "runs within 0.6847 percentage points" in text  # a hundredth of 68.47 %
    assert "runs within 1 % of the exact front's hypervolume" in text
    rows = list(csv.DictReader(io.StringIO(shell.ok("compare", runs, "--csv"))))
    units = {row["task"]: row["unit"] for row in rows}
    assert units == {TASK: "%", PLAIN: "%", FRONT: "share of the exact front's hypervolume"}
    assert all(0 <= float(row["median"]) <= 1 for row in rows if row["task"] == FRONT)
