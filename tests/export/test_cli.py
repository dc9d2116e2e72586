"""The commands, run as a user runs them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from anb_export.cli import command_names, main

from .synthetic import HYPERPARAMETERS

ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1"}


def anb_export(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "anb_export.cli", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, env=ENVIRONMENT, check=False)


def train_arguments(study: Path, out: Path, target: str = "accuracy") -> list[object]:
    dataset = study / "anb_dataset_jsons.tar.gz"
    return ["train", "--dataset", dataset, "--target", target, "--out", out, "--members", 2]


def test_the_whole_road(study: Path, tmp_path: Path) -> None:
    members, file = tmp_path / "members", tmp_path / "artifacts" / "throughput_tpuv2.onnx"
    done = anb_export(*train_arguments(study, members, "throughput_tpuv2"), "--jobs", 2)
    assert (done.returncode, "Traceback" in done.stderr) == (0, False), done.stderr
    assert [line.split()[0] for line in done.stdout.splitlines()] == ["train", "val", "test"]
    assert "training records without throughput_tpuv2 were dropped" in done.stderr

    assert main(["info", str(members)]) == 0
    assert main(["convert", str(members), "--out", str(file)]) == 0
    first = file.read_bytes()
    done = anb_export("verify", file, members, "--n", 2000)
    assert done.returncode == 0, done.stderr
    assert "member 1  to the exact sum of leaves" in done.stdout
    manifest = json.loads((file.parent / "manifest.json").read_text())
    entry = manifest["targets"]["throughput_tpuv2"]
    assert (entry["device"], entry["unit"]) == ("tpuv2", "images/s")
    assert max(entry["verification"]["exact"]["members"]) < 1e-4
    assert main(["convert", str(members), "--out", str(file)]) == 0
    assert file.read_bytes() == first


def test_failed_verification(
    study: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    members, file = tmp_path / "members", tmp_path / "a.onnx"
    assert main([*map(str, train_arguments(study, members)), "--jobs", "1"]) == 0
    assert main(["convert", str(members), "--out", str(file)]) == 0
    before = (tmp_path / "manifest.json").read_bytes()
    arguments = ["verify", str(file), str(members), "--n", "100", "--tolerance", "1e-12"]
    assert main(arguments) == 1
    assert "FAILED" in capsys.readouterr().err
    assert (tmp_path / "manifest.json").read_bytes() == before


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"--target": "latency"}, "unknown target 'latency'; valid targets: accuracy"),
        ({"--target": "macs"}, "no xgb hyper-parameters for 'macs'"),
        ({"--dataset": "/nowhere/data.tar.gz"}, "no data set at /nowhere/data.tar.gz"),
        ({"--split": "nowhere"}, "no split file nowhere/train_paths.json"),
        ({"--split": "random:x"}, "non-negative integer"),
    ],
)
def test_errors_are_one_line(
    study: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    change: dict[str, str],
    message: str,
) -> None:
    arguments = [*map(str, train_arguments(study, tmp_path / "out"))]
    assert main([*arguments, *(text for pair in change.items() for text in pair)]) == 2
    captured = capsys.readouterr()
    assert captured.err.startswith("anb-export: error: ")
    assert captured.err.count("\n") == 1
    assert message in captured.err
    assert captured.out == ""


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["unknown"],
        ["train", "--members", "0"],
        ["train", "--seeds", "1,x"],
        ["train", "--seeds", "1", "--members", "2"],
        ["verify", "a", "b", "--n", "0"],
    ],
)
def test_wrong_arguments(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code == 2
    error = capsys.readouterr().err
    assert error.startswith("anb-export: error: ")
    assert error.endswith(" --help)\n")
    assert error.count("\n") == 1


@pytest.mark.skipif(os.name != "posix", reason="closes streams in a POSIX shell")
def test_results_need_standard_output_and_no_other_stream(study: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "anb_export.cli", "split", "--out", str(tmp_path), "--dataset"]
    command += [str(study / "anb_dataset_jsons.tar.gz")]
    for redirection, code in ((">&-", 2), ("2>&- <&-", 0)):
        script = f'exec "$@" {redirection}'
        done = subprocess.run(["sh", "-c", script, "sh", *command], capture_output=True, text=True)
        assert done.returncode == code
        assert done.stdout.count("\n") == (0 if code else 3)
        assert done.stderr.count("anb-export: error: standard output cannot be") == (code == 2)
        assert "Traceback" not in done.stderr


def test_missing_members(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for arguments in (
        ["convert", str(tmp_path), "--out", str(tmp_path / "a.onnx")],
        ["verify", str(tmp_path / "a.onnx"), str(tmp_path)],
        ["info", str(tmp_path)],
    ):
        assert main(arguments) == 2
        assert "run `anb-export train` again" in capsys.readouterr().err
    assert main(["convert", str(tmp_path), "--out", str(tmp_path / "a.txt")]) == 2


def test_every_command_has_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert {"train", "convert", "verify", "info"} <= set(command_names())
    for name in command_names():
        with pytest.raises(SystemExit) as caught:
            main([name.replace("_", "-"), "--help"])
        assert caught.value.code == 0
        assert capsys.readouterr().out.startswith("usage: anb-export")


def test_help_imports_nothing_heavy() -> None:
    code = (
        "import sys, anb_export.cli as c\n"
        "try: c.main(['--help'])\n"
        "except SystemExit: pass\n"
        "print([m for m in ('xgboost', 'onnx', 'sklearn', 'numba', 'scipy') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


# As `anb-export`; says on standard output which members are being boosted.
TELLING = """
import contextlib, sys
import anb_export.commands.train as command
from anb_export.cli import main
progress, at_work = command.member_progress, set()
@contextlib.contextmanager
def telling(*given):
    with progress(*given) as update:
        def tell(member, rounds, state):
            update(member, rounds, state)
            if rounds and member not in at_work:
                at_work.add(member)
                print("boosts", flush=True)
        yield tell
command.member_progress = telling
sys.exit(main())
"""


@pytest.mark.skipif(os.name != "posix", reason="signals a whole process group, as a terminal does")
@pytest.mark.parametrize("jobs", [1, 2])
def test_interrupt_leaves_nothing_behind(study: Path, tmp_path: Path, jobs: int) -> None:
    endless = {**HYPERPARAMETERS, "num_rounds": 10**6, "early_stopping_rounds": 10**6}
    hyperparameters = tmp_path / "endless.json"
    hyperparameters.write_text(json.dumps({"xgb": {"accuracy": endless}}))
    out = tmp_path / "out"
    arguments = train_arguments(study, out)
    arguments += ["--jobs", jobs, "--hyperparameters", hyperparameters]
    process = subprocess.Popen(
        [sys.executable, "-c", TELLING, *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=ENVIRONMENT,
        start_new_session=True,
    )
    try:
        assert process.stdout is not None
        assert [process.stdout.readline() for _ in range(jobs)] == ["boosts\n"] * jobs
        os.killpg(process.pid, signal.SIGINT)
        # Returns once nobody has the streams open any more: no process is left behind.
        _, stderr = process.communicate(timeout=300)
    finally:
        process.kill()
    assert process.returncode == 130
    assert "Traceback" not in stderr
    assert stderr.rstrip().endswith("anb-export: interrupted")
    assert not out.exists() or list(out.iterdir()) == []


@pytest.mark.parametrize(
    "arguments",
    [
        ["build"],
        ["train", "--target", "accuracy", "--out", "o"],
        ["compare", "--out", "c.json"],
        ["report", "--comparison", "c.json"],
        ["tune", "--target", "accuracy", "--out", "r.json"],
        ["hpo", "--target", "accuracy", "--family", "xgb", "--out", "h.json"],
        ["families"],
        ["split", "--out", "s"],
    ],
    ids=lambda arguments: str(arguments[0]),
)
def test_a_missing_data_set_is_told_with_what_gets_it(
    arguments: list[str],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main([*arguments, "--dataset", "anb_dataset_jsons.tar.gz"]) == 2
    err = capsys.readouterr().err
    assert err.startswith("anb-export: error: no data set at anb_dataset_jsons.tar.gz (looked for ")
    assert f"{tmp_path / 'anb_dataset_jsons.tar.gz'}): `anb-export fetch-data` downloads" in err
    assert main([*arguments, "--dataset", "."]) == 2
    assert ". holds no result_N.json; `anb-export fetch-data` downloads" in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments",
    [
        ["compile", "nowhere", "--out", "x.onnx"],
        ["convert", "nowhere", "--out", "x.onnx"],
        ["project", "nowhere", "--out", "x.onnx"],
        ["verify", "x.onnx", "nowhere"],
        ["evaluate", "nowhere", "--dataset", "{data}"],
        ["info", "nowhere"],
    ],
    ids=lambda arguments: str(arguments[0]),
)
def test_a_missing_training_is_told_with_what_makes_it(
    arguments: list[str],
    study: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    data = str(study / "anb_dataset_jsons.tar.gz")
    given = [data if argument == "{data}" else argument for argument in arguments]
    assert main(given) == 2
    err = capsys.readouterr().err
    assert "nowhere" in err
    assert "`anb-export train" in err
    assert err.count("\n") == 1
