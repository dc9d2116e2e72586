"""Full, closed and broken standard streams, under every command of both programs."""

from __future__ import annotations

import argparse
import io
import os
import select
import signal
import subprocess
import sys
import tempfile
import textwrap
import tomllib
from collections.abc import Iterator
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pyarrow
import pyarrow.parquet
import pytest
from small_artifact import write_catalog
from test_output import make_node

from anb_onnx import MNASNET
from anb_onnx._io.program import BROKEN_PIPE, USER_ERROR
from anb_onnx._io.show import one_line, printable
from anb_onnx.catalog.benchmarks import FOLDER_VARIABLE
from anb_onnx.cli import main as cli
from anb_onnx.cli import query
from anb_onnx.cli.answers import ask
from anb_onnx.cli.answers_table import write_table
from anb_onnx.cli.info import write_facts
from anb_onnx.prediction import Prediction

ROOT = Path(__file__).resolve().parents[1]

pytestmark = pytest.mark.skipif(os.name != "posix", reason="redirections of a POSIX shell")


def commands(parser: argparse.ArgumentParser) -> list[list[str]]:
    """Return the arguments that print the help of the program and of each of its commands."""
    [actions] = [a for a in parser._actions if isinstance(a, argparse._SubParsersAction)]
    return [["--help"], ["--version"], *([name, "--help"] for name in actions.choices)]


HELP = [("anb_onnx.cli.main", argv) for argv in commands(cli._parser())]
#: Both programs, or the runtime's alone where the exporter is not installed.
PROGRAMS = {"anb_onnx": "anb-onnx"}
if find_spec("anb_export"):
    PROGRAMS["anb_export"] = "anb-export"
    export = import_module("anb_export.cli")
    HELP += [("anb_export.cli", argv) for argv in commands(export.parser())]

#: Artifacts that are tables, as answers about the whole space need them.
TABLES = ["--artifacts", str(ROOT / "tests" / "conformance" / "nasbench201-pairs")]
MEASURED = ["--metric", "latency", "--unit", "ms", "--device", "phone"]

SEARCH = ["search", "--task", "accuracy-v1", "--optimizer", "random", "--seeds", "2"]
SEARCH += ["--budget", "5"]
#: Those that want the artifacts of the package: tasks are of no others.
BUNDLED = {"search", "compare"}

#: Commands that compute and print; all of anb-onnx, as a command that is missing here fails below.
WORK = {
    "benchmarks": ["benchmarks"],
    "targets": ["targets"],
    "query": ["query", "5", "--target", "accuracy"],
    "sample": ["sample", "5"],
    "info": ["info", "accuracy"],
    "verify": ["verify"],
    "completion": ["completion", "zsh"],
    "optimum": ["optimum", "accuracy", *TABLES],
    "pareto": ["pareto", "accuracy", "latency_edgegpu", *TABLES],
    "rank": ["rank", "accuracy", "5", *TABLES],
    "suggest": ["suggest", "-n", "3", *TABLES],
    "shortlist": [
        "shortlist",
        "accuracy",
        "--measure",
        "accuracy",
        "--budget",
        "9",
        *TABLES,
        "-k2",
    ],
    "adapt": ["adapt", "{room}/ms.csv", *MEASURED, *TABLES, "--out", "{room}/device"],
    "sweep": ["sweep", "accuracy", *TABLES, "--bins", "16", "--out", "{room}/counts"],
    "merge": ["merge", "{room}/counts"],
    "tasks": ["tasks"],
    "search": [*SEARCH, "--out", "{room}/again"],
    "compare": ["compare", "{room}/runs"],
    "score": ["score", "{room}/some.parquet", "--target", "accuracy", "--out", "{room}/scored"],
}
#: Those that import numba: they are tried in one way, the others in all.
SLOW = {"optimum", "pareto", "rank", "sweep"}


@pytest.fixture(scope="module")
def room(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as name:
        room = Path(name)
        write_catalog(room / "artifacts")
        table = pyarrow.table({"index": pyarrow.array([5, 7], pyarrow.int64())})
        pyarrow.parquet.write_table(table, room / "some.parquet")
        (room / "ms.csv").write_text("index,value\n5,2.5\n7,4.5\n15000,9.25\n")
        assert cli.main(placed(WORK["sweep"], room)) == 0
        assert cli.main(placed([*SEARCH, "--out", "{room}/runs"], room)) == 0
        yield room


def placed(argv: list[str], room: Path) -> list[str]:
    """Return arguments with the paths of a room."""
    return [part.replace("{room}", str(room)) for part in argv]


def shell(
    room: Path, module: str, argv: list[str], redirection: str
) -> subprocess.CompletedProcess[str]:
    """Run a program with a redirection of a shell, in which {full} is a device that is full."""
    if "{full}" in redirection and not (room / "full").exists():
        make_node(room / "full", 7)
    small = {**os.environ, FOLDER_VARIABLE: str(room / "artifacts")}
    script = f'exec "$@" {redirection.format(full=room / "full")}'
    return subprocess.run(
        ["sh", "-c", script, "sh", sys.executable, "-m", module, *placed(argv, room)],
        capture_output=True,
        text=True,
        env=os.environ if argv[0] in BUNDLED else small,
        stdin=subprocess.DEVNULL,
    )


def is_one_line(text: str, program: str) -> bool:
    return text.startswith(f"{program}: error: ") and text.count("\n") == 1 and text.endswith("\n")


@pytest.mark.parametrize(
    ("module", "argv"),
    HELP,
    ids=lambda value: " ".join(value) if isinstance(value, list) else value,
)
def test_help_that_cannot_be_written_is_an_error(room: Path, module: str, argv: list[str]) -> None:
    done = shell(room, module, argv, ">{full}")
    program = module.partition(".")[0].replace("_", "-")
    assert done.returncode == USER_ERROR
    assert is_one_line(done.stderr, program)
    assert "standard output cannot be written (No space left on device)" in done.stderr


def test_every_command_is_tried() -> None:
    assert {
        argv[0] for module, argv in HELP if module == "anb_onnx.cli.main" and len(argv) > 1
    } == set(WORK)


@pytest.mark.parametrize(
    ("name", "redirection"),
    [(name, ">{full}") for name in WORK]
    + [(name, closed) for name in WORK if name not in SLOW for closed in (">&-", "<&- >&-")],
)
def test_results_that_cannot_be_written_are_an_error(
    room: Path, name: str, redirection: str
) -> None:
    done = shell(room, "anb_onnx.cli.main", WORK[name], redirection)
    assert done.returncode == USER_ERROR
    assert is_one_line(done.stderr, "anb-onnx")
    assert done.stdout == ""


@pytest.mark.parametrize("name", ["query", "verify"])
@pytest.mark.parametrize("redirection", ["2>&-", "2>{full}", "<&- 2>&-"])
def test_results_do_not_need_the_other_streams(room: Path, name: str, redirection: str) -> None:
    done = shell(room, "anb_onnx.cli.main", WORK[name], redirection)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == shell(room, "anb_onnx.cli.main", WORK[name], "").stdout != ""


@pytest.mark.parametrize(
    ("argv", "redirection", "code"),
    [
        (["query", "x"], "2>&-", USER_ERROR),
        (["query", "x"], "2>{full}", USER_ERROR),
        (["query", "--none"], "2>&-", USER_ERROR),
        (["query", "--none"], "<&- >&- 2>&-", USER_ERROR),
        (["targets"], "<&- >&- 2>&-", USER_ERROR),
        (["targets"], ">{full} 2>{full}", USER_ERROR),
        (["targets"], ">/dev/null 2>&-", 0),
    ],
)
def test_an_error_without_a_place_to_tell_it(
    room: Path, argv: list[str], redirection: str, code: int
) -> None:
    done = shell(room, "anb_onnx.cli.main", argv, redirection)
    assert (done.returncode, done.stdout, done.stderr) == (code, "", "")


def test_closed_standard_input_is_an_error(room: Path) -> None:
    done = shell(room, "anb_onnx.cli.main", ["query", "--file", "-"], "<&-")
    assert done.returncode == USER_ERROR
    assert is_one_line(done.stderr, "anb-onnx")
    assert "standard input cannot be read" in done.stderr


def test_no_file_takes_the_place_of_a_closed_stream(room: Path) -> None:
    # The next file that is opened gets the lowest number: what is printed must not end up in it.
    out = room / "out.json"
    done = shell(room, "anb_onnx.cli.main", ["query", "5", "--out", str(out)], "<&- >&- 2>&-")
    assert done.returncode == 0
    assert out.read_text().startswith("[\n")


@pytest.mark.parametrize(
    ("argv", "unbuffered"),
    [(argv, "") for argv in (*WORK.values(), ["query", "--help"])]
    + [(argv, "1") for name, argv in WORK.items() if name not in SLOW],
)
def test_nobody_reads(room: Path, argv: list[str], unbuffered: str) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    environment = {"PYTHONUNBUFFERED": unbuffered}
    if argv[0] not in BUNDLED:
        environment[FOLDER_VARIABLE] = str(room / "artifacts")
    command = [sys.executable, "-m", "anb_onnx.cli.main", *placed(argv, room)]
    done = subprocess.run(
        command, stdout=writer, stderr=subprocess.PIPE, env={**os.environ, **environment}
    )
    os.close(writer)
    assert (done.returncode, done.stderr) == (BROKEN_PIPE, b"")


def test_nobody_reads_a_pipe_any_more(room: Path, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    reader = os.open(tmp_path / "pipe", os.O_RDONLY | os.O_NONBLOCK)
    command = [sys.executable, "-m", "anb_onnx.cli.main", "sample", "100000", "--out"]
    with subprocess.Popen([*command, str(tmp_path / "pipe")], stderr=subprocess.PIPE) as process:
        select.select([reader], [], [])
        os.close(reader)
        assert process.stderr is not None
        error = process.stderr.read().decode()
    assert process.returncode == BROKEN_PIPE
    assert is_one_line(error, "anb-onnx")
    assert "whoever read an output has gone (Broken pipe)" in error


def test_a_stream_that_would_wait_is_waited_for(room: Path) -> None:
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    command = [sys.executable, "-m", "anb_onnx.cli.main", "sample", "50000", "--seed", "1"]
    with subprocess.Popen(command, stdout=writer, stderr=subprocess.PIPE) as process:
        os.close(writer)
        with os.fdopen(reader, "rb") as stream:
            assert stream.read().count(b"\n") == 50000
        assert process.stderr is not None
        assert process.stderr.read() == b""
    assert process.returncode == 0


def test_what_an_encoding_lacks_is_escaped(room: Path) -> None:
    code = (
        "import sys; from anb_onnx._io.program import run\n"
        "sys.exit(run('p', lambda: sys.stdout.write('1 \\u00b5s \\udcff\\n') * 0))"
    )
    for encoding, shown in (("ascii", rb"1 \xb5s \udcff"), ("utf-8", "1 µs \\udcff".encode())):
        done = subprocess.run(
            [sys.executable, "-c", code],
            capture_output=True,
            env={**os.environ, "PYTHONIOENCODING": encoding},
        )
        assert (done.returncode, done.stdout, done.stderr) == (0, shown + b"\n", b"")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_a_signal_leaves_no_temporary_file(tmp_path: Path, number: signal.Signals) -> None:
    (tmp_path / "x").write_text("old")
    code = (
        "import signal, sys; from anb_onnx.cli import main as cli, query\n"
        "def write(stream, *_):\n"
        "    stream.write('half'); stream.flush()\n"
        "    print('writing', flush=True); signal.pause()\n"
        "query.write_table = write\n"
        "sys.exit(cli.main(['query', '5', '--target', 'accuracy', '--out', sys.argv[1]]))"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "x")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"writing\n"
        assert len(list(tmp_path.iterdir())) == 2
        process.send_signal(number)
        assert process.wait(60) == 128 + number
        assert process.stderr is not None
        assert process.stderr.read() == b""
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("x", "old")]


@pytest.mark.parametrize("package", PROGRAMS)
@pytest.mark.parametrize("when", ["imported", "run", "over"])
def test_ctrl_c_is_silent_from_the_first_import_to_the_end(package: str, when: str) -> None:
    # The moment is made, not waited for: a library that is being imported sends the signal.
    command = {"anb_onnx": "anb_onnx.cli.main", "anb_export": "anb_export.cli"}[package]
    code = f"""
    import atexit, signal, sys, types
    from {package} import _start

    class Finder:
        def find_spec(self, name, path=None, target=None):
            if name == "{command}" and {when!r} == "imported":
                signal.raise_signal(signal.SIGINT)

    def main(program):
        if {when!r} == "run":
            signal.raise_signal(signal.SIGINT)
        return 0

    sys.meta_path.insert(0, Finder())
    if {when!r} != "imported":
        sys.modules["{command}"] = types.SimpleNamespace(main=main)
    if {when!r} == "over":
        atexit.register(signal.raise_signal, signal.SIGINT)
    sys.exit(_start.main())
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)], capture_output=True, timeout=60, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (130, b"", b"")


@pytest.mark.parametrize("name", PROGRAMS.values())
def test_the_commands_start_where_ctrl_c_is_silent(name: str) -> None:
    project = ROOT / ("." if name == "anb-onnx" else "export") / "pyproject.toml"
    scripts = tomllib.loads(project.read_text())["project"]["scripts"]
    assert scripts == {name: f"{name.replace('-', '_')}._start:main"}


@pytest.mark.parametrize(
    ("error", "message"),
    [
        ("MemoryError()", "not enough memory (for this input)"),
        ("MemoryError('4 TiB')", "not enough memory (4 TiB)"),
        ("RecursionError()", "nested too deeply"),
        ("OSError(5, 'Input/output error', 'x')", "[Errno 5] Input/output error: 'x'"),
        ("AnbError('a\\nb\\x1b[31mc')", r"a b\x1b[31mc"),
    ],
)
def test_errors_are_one_line_and_exit_code_2(
    error: str, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    from anb_onnx._io.program import run
    from anb_onnx.errors import AnbError

    def fail() -> int:
        raise eval(error, {"AnbError": AnbError})

    assert run("program", fail) == USER_ERROR
    captured = capsys.readouterr()
    assert is_one_line(captured.err, "program")
    assert message in captured.err


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain µ – 日本 \u00a0", "plain µ – 日本 \u00a0"),
        ("\x1b[31m\x07\x00\x7f\x9b", r"\x1b[31m\x07\x00\x7f\x9b"),
        ("a\nb\tc\r", r"a\nb\tc\r"),
        ("\u202eturned\u2066", r"\u202eturned\u2066"),
        ("\u2028\udcff\U000e0001", r"\u2028\udcff\U000e0001"),
    ],
)
def test_text_from_outside_is_printable(text: str, shown: str) -> None:
    assert printable(text) == shown
    assert "\n" not in one_line(text)
    assert len(one_line("x " * 100_000)) < 5000


def test_names_and_cards_from_files_do_not_steer_the_terminal(
    capsys: pytest.CaptureFixture[str],
) -> None:
    evil, shown = "\x1b]0;title\x07\n\u202e", r"\x1b]0;title\x07\n\u202e"
    values = np.ones(1, np.float32)
    found = Prediction(values, values, values[:, None], evil, evil, None)
    codes = np.zeros((1, 28), np.uint8)
    asked: Any = SimpleNamespace(query=lambda codes, members, fidelity=None: found)
    answers = [(codes, [ask(asked, codes, 0.9, members=True)])]
    for form in ("table", "csv", "json", "jsonl"):
        if form == "table":
            write_table(sys.stdout, answers, MNASNET)
        else:
            query._write(None, form, answers, answers[0][1], MNASNET)
        text = capsys.readouterr().out.replace("\n", "")
        assert text.isprintable()
        assert shown in text or r"\u001b]0;title\u0007\n\u202e" in text
    stream = io.StringIO()
    write_facts(stream, [(evil, evil), ("unit", evil)])
    assert stream.getvalue().count("\n") == 2
    assert stream.getvalue().replace("\n", "").isprintable()
    assert stream.getvalue().count(shown) == 3


@pytest.mark.parametrize("text", ["\udcff\udc80", "a\nb\x1b[31m", "\ud800", "x" * 5000, "a\0b", ""])
def test_odd_arguments_end_in_one_line(
    text: str, capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    options = ["--target", "--file", "--threads", "--engine", "--format"]
    if not {"\0", "\ud800"} & set(text):  # of which the tests of `load` know more
        options.append("--model")
    for argv in (
        *([["query", "5", option, text] for option in options]),
        ["query", "5", "--index-column", text, "--file", f"{text}.csv"],
        ["query", "5", "--file", f"{text}.parquet"],
        ["query", text],
        ["info", text],
        ["verify", "--engine", text],
        ["sample", text],
        ["sample", "5", "--seed", text],
        ["sample", "5", "--out", f"none/{text}"],
        [text],
        ["targets", text],
        ["targets", f"--{text}"],
    ):
        if argv[:2] == ["targets", "--"]:
            continue
        try:
            code = cli.main(argv)
        except SystemExit as leave:
            code = int(leave.code or 0)
        captured = capsys.readouterr()
        assert (code, captured.out) == (USER_ERROR, ""), argv
        assert is_one_line(captured.err, "anb-onnx"), argv
        assert captured.err[:-1].isprintable(), argv
        assert len(captured.err) < 6000, argv
    assert list(tmp_path.iterdir()) == []
