"""The commands `anb-onnx tasks` and `anb-onnx search`."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

import anb_onnx
from anb_onnx import search
from anb_onnx.cli.main import main
from anb_onnx.experiments.optimizers import OPTIMIZERS

TASK = "accuracy-latency_zcu102-5ms-v1"
FRONT = "accuracy-throughput_a100-front-v1"
QUICK = ("--seeds", "2", "--budget", "60")


class Shell:
    """Runs commands in this process."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self._capsys = capsys

    def __call__(self, *argv: str | Path) -> tuple[int, str, str]:
        try:
            code = main([str(a) for a in argv])
        except SystemExit as leave:
            code = int(leave.code or 0)
        return (code, *self._capsys.readouterr())

    def ok(self, *argv: str | Path) -> str:
        code, out, err = self(*argv)
        assert (code, err) == (0, "")
        return out

    def fails(self, *argv: str | Path) -> str:
        code, out, err = self(*argv)
        assert (code, out) == (2, "")
        assert err.startswith("anb-onnx: error: ")
        assert err.count("\n") == 1
        return err


@pytest.fixture
def shell(capsys: pytest.CaptureFixture[str]) -> Shell:
    return Shell(capsys)


def files(root: Path) -> dict[str, bytes]:
    """What lies in a folder, but for the times that runs took."""
    return {
        str(path.relative_to(root)): path.read_bytes()
        for path in sorted(root.rglob("*"))
        if path.is_file() and path.name != "timings.csv"
    }


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Runs of two tasks, by the command as a user starts it."""
    out = tmp_path_factory.mktemp("made") / "runs"
    for task, names in ((TASK, "random,local-search"), (FRONT, "random,nsga2")):
        command = ["--task", task, "--optimizer", names, *QUICK, "--out", str(out), "--jobs", "2"]
        subprocess.run(
            [sys.executable, "-m", "anb_onnx.cli.main", "search", *command],
            check=True,
            capture_output=True,
        )
    return out


def test_tasks_are_listed(shell: Shell) -> None:
    lines = shell.ok("tasks").splitlines()
    assert [line.split()[0] for line in lines[1:]] == list(anb_onnx.tasks().names)
    [line] = [line for line in lines if line.startswith(TASK)]
    assert "latency_zcu102<=5" in line
    assert "65.9847" in line
    assert json.loads(shell.ok("tasks", "--json")) == [t.to_dict() for t in anb_onnx.tasks()]


def test_the_same_files_with_any_number_of_processes(
    shell: Shell, runs: Path, tmp_path: Path
) -> None:
    for task, name in ((TASK, "random"), (TASK, "local-search"), (FRONT, "nsga2")):
        out = shell.ok("search", "--task", task, "--optimizer", name, *QUICK, "--out", tmp_path)
        assert out.startswith("2 runs: 0 were there already, 0 were damaged")
    made = files(tmp_path)
    assert made.items() <= files(runs).items()
    assert sorted(made) == sorted(
        f"{cell}/{name}"
        for cell in (f"{FRONT}/nsga2", f"{TASK}/local-search", f"{TASK}/random")
        for name in ("seed-0000.json", "seed-0001.json", "settings.json")
    )


def test_a_run_is_what_the_function_returns(runs: Path, tmp_path: Path) -> None:
    task = anb_onnx.tasks()[TASK]
    for name, function in (("random", search.random_search), ("local-search", search.local_search)):
        function(task, budget=60, rng=1).save(tmp_path / "run.json")
        there = runs / TASK / name / "seed-0001.json"
        assert there.read_bytes() == (tmp_path / "run.json").read_bytes()


def test_settings_and_times_are_written_down(runs: Path) -> None:
    folder = runs / FRONT / "nsga2"
    settings = json.loads((folder / "settings.json").read_text())
    task = anb_onnx.tasks()[FRONT].to_dict()
    assert settings["artifacts"] == task.pop("artifacts")
    assert settings["task"] == task
    assert settings["optimizer"] == {"name": "nsga2", "settings": {"population_size": 100}}
    assert settings["budget"] == {"evaluations": 60, "cost": None}
    assert settings["versions"].keys() == {"anb_onnx", "numpy", "pymoo"}
    header, *lines = (folder / "timings.csv").read_text().splitlines()
    assert header == "seed,jobs,evaluations,wall_seconds,cpu_seconds,evaluations_per_second"
    assert sorted(line.split(",")[:3] for line in lines) == [["0", "2", "60"], ["1", "2", "60"]]


def test_what_is_there_and_whole_is_kept(shell: Shell, runs: Path, tmp_path: Path) -> None:
    shutil.copytree(runs, tmp_path, dirs_exist_ok=True)
    before = files(tmp_path)
    kept, damaged = (tmp_path / TASK / "random" / f"seed-000{n}.json" for n in range(2))
    damaged.write_bytes(damaged.read_bytes()[:-20])
    then = kept.stat()
    command = ("search", "--task", TASK, "--optimizer", "random", "--out", tmp_path)
    assert shell.ok(*command, *QUICK) == (
        "2 runs: 1 were there already, 1 were damaged and made anew\n"
    )
    assert files(tmp_path) == before
    assert kept.stat().st_mtime_ns == then.st_mtime_ns
    assert shell.ok(*command, "--seeds", "1,4", "--budget", "60").startswith("2 runs: 1 were")
    assert files(tmp_path).keys() - before.keys() == {f"{TASK}/random/seed-0004.json"}


def test_runs_of_other_settings_are_refused_by_the_key(
    shell: Shell, runs: Path, tmp_path: Path
) -> None:
    shutil.copytree(runs / TASK, tmp_path / TASK)
    before = files(tmp_path)
    command = ("search", "--task", TASK, "--out", tmp_path)
    other = (*command, "--optimizer", "random", "--seeds", "2", "--budget", "30")
    assert "budget.evaluations is 60 there and 30 now" in shell.fails(*other)
    climbing = (*command, "--optimizer", "local-search", *QUICK)
    key, value = next(iter(OPTIMIZERS["local-search"].defaults().items()))
    changed = "best" if value == "first" else "first" if isinstance(value, str) else "3"
    error = shell.fails(*climbing, "--set", f"{key}={changed}")
    assert f"optimizer.settings.{key} is {value!r} there and" in error
    assert "run_format is 'json' there" in shell.fails(*climbing, "--format", "parquet")
    assert files(tmp_path) == before
    assert shell.ok(*other, "--as", "random-30").startswith("2 runs: 0 were there")
    assert files(tmp_path).items() > before.items()
    assert shell.ok(*other, "--overwrite").startswith("2 runs: 0 were there")
    same = tmp_path / TASK / "random"
    assert files(same) == files(tmp_path / TASK / "random-30")
    (same / "settings.json").unlink()
    assert "has 2 runs, but no settings.json" in shell.fails(*other)


def test_a_setting_that_no_run_came_of_leaves_no_settings(shell: Shell, tmp_path: Path) -> None:
    argv = ("search", "--task", TASK, "--optimizer", "local-search", *QUICK, "--out", tmp_path)
    error = shell.fails(*argv, "--set", "improvement=frist")
    assert "seed 0: improvement is 'best' or 'first', not 'frist'" in error
    assert files(tmp_path) == {}
    shell.ok(*argv, "--set", "improvement=first")
    # Runs that are there keep theirs.
    there = files(tmp_path)
    assert "has runs of other settings" in shell.fails(*argv, "--set", "improvement=frist")
    assert files(tmp_path) == there


def test_parquet_holds_the_same(shell: Shell, runs: Path, tmp_path: Path) -> None:
    command = ("search", "--task", TASK, "--optimizer", "random", *QUICK, "--format", "parquet")
    shell.ok(*command, "--out", tmp_path)
    one = search.History.load(tmp_path / TASK / "random" / "seed-0001.parquet")
    other = search.History.load(runs / TASK / "random" / "seed-0001.json")
    assert one.codes.tolist() == other.codes.tolist()
    assert one.means.tolist() == other.means.tolist()
    assert shell.ok(*command, "--out", tmp_path).startswith("2 runs: 2 were there already")


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (("--task", "acuracy-v1"), "did you mean 'accuracy-v1'?"),
        (
            ("--optimizer", "nsga22"),
            "unknown optimizer 'nsga22' (did you mean 'nsga2'?); there are",
        ),
        (("--optimizer", "nsga2"), f"nsga2 cannot search {TASK}, which has one objective"),
        (("--task", f"{TASK},{FRONT}", "--optimizer", "local-search"), "these can: random, nsga2"),
        (("--set", "population_size=5"), "random has no such setting"),
        (
            ("--optimizer", "regularized-evolution", "--set", "population-size=many"),
            "population_size of regularized-evolution is a whole number, such as 100",
        ),
        (("--optimizer", "regularized-evolution", "--set", "population_size=0"), "seed 0"),
        (("--set", "population_size"), "--set is KEY=VALUE"),
        (("--set", "a=1", "--set", "a=2"), "--set a is given twice"),
        (("--seeds", "-1"), "--seeds is how many"),
        (("--seeds", "0"), "from 1 to 10000 seeds"),
        (("--seeds", "4,4"), "seed 4 is given twice"),
        (("--seeds", "10000,"), "seeds are numbers from 0 to 9999"),
        (("--jobs", "0"), "--jobs is the number of processes, at least 1, not 0"),
        (("--budget", "0"), "--budget is the evaluations of each run, at least 1, not 0"),
        (("--as", "../x"), "--as '../x': a name of runs has letters"),
        (("--optimizer", "random,local-search", "--as", "x"), "names the runs of one optimizer"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_what_cannot_be_done_is_said_before_anything_is(
    shell: Shell, tmp_path: Path, argv: tuple[str, ...], message: str
) -> None:
    given = dict(zip(argv[::2], argv[1::2], strict=True))
    rest = {"--task": TASK, "--optimizer": "random", "--seeds": "2", "--budget": "60"}
    others = [text for key, value in rest.items() if key not in given for text in (key, value)]
    error = shell.fails("search", *argv, *others, "--out", tmp_path / "runs")
    assert message in error
    assert not list(tmp_path.glob("runs/*/*/seed-*"))


@pytest.mark.skipif(os.name != "posix", reason="sends signals")
@pytest.mark.parametrize("jobs", ["1", "2"])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL], ids=["interrupted", "killed"])
def test_a_search_that_was_ended_goes_on(
    shell: Shell, tmp_path: Path, number: signal.Signals, jobs: str
) -> None:
    whole, ended = tmp_path / "whole", tmp_path / "ended"
    # So many that none is done with all of them when the signal comes.
    argv = ["search", "--task", TASK, "--optimizer", "local-search", "--budget", "60"]
    program = subprocess.Popen(
        [
            *(sys.executable, "-m", "anb_onnx.cli.main", *argv, "--seeds", "2000"),
            *("--out", str(ended), "--jobs", jobs, "--progress"),
        ],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    assert program.stderr is not None
    try:
        # A line for every per cent: after the second one some runs are there.
        lines = [program.stderr.readline() for _ in range(2)]
        os.killpg(program.pid, number) if number == signal.SIGINT else program.kill()
        code = program.wait()
        errors = program.stderr.read()  # ends with the last process
    finally:
        program.kill()
        program.wait()
    assert "20 of 2,000 runs, 1 %" in lines[1]
    assert "Traceback" not in errors
    assert code == (130 if number == signal.SIGINT else -signal.SIGKILL)
    kept = "anb-onnx: interrupted; finished runs are kept, and the same command goes on from there"
    assert errors.count(kept) == (number == signal.SIGINT)
    there = sorted((ended / TASK / "local-search").glob("seed-*"))
    assert 20 <= len(there) < 2000
    for path in (*there[:3], *there[-3:]):
        assert len(search.History.load(path)) == 60
    hidden = list(ended.rglob(".*"))
    assert len(hidden) <= (0 if number == signal.SIGINT else int(jobs))
    for path in there[6:]:
        path.unlink()
    count = len(there[:6])
    out = shell.ok(*argv, "--seeds", "12", "--out", ended)
    assert out.startswith(f"12 runs: {count} were there already")
    shell.ok(*argv, "--seeds", "12", "--out", whole)
    assert files(ended) == files(whole)


def test_tasks_are_listed_with_units_and_sizes(
    shell: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = {line.split()[0]: line for line in shell.ok("tasks").splitlines()}
    assert "accuracy [%]  " in lines["accuracy-v1"]
    assert " 68.4731 %  -" in lines["accuracy-v1"]
    assert " latency_zcu102<=5 ms " in lines["accuracy-latency_zcu102-5ms-v1"]
    front = anb_onnx.tasks()["accuracy-throughput_a100-front-v1"].front
    assert f" front of {len(front)}  -" in lines["accuracy-throughput_a100-front-v1"]
    assert " train_time 900000 s, " in lines["accuracy-gpu-hours-v1"]
    anb_onnx.load("macs").save(tmp_path / "others", benchmark="others")
    monkeypatch.setenv("ANB_ONNX_ARTIFACTS", str(tmp_path / "others"))
    without = shell.ok("tasks")
    assert "[%]" not in without
    assert " train_time 900000, 10000 evaluations " in without
