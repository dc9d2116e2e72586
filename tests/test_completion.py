"""What is completed, asked of the programs in the way of a shell."""

from __future__ import annotations

import argparse
import contextlib
import io
import subprocess
import sys
from collections.abc import Callable
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from tools import need_tool

import anb_onnx
from anb_onnx.cli import completion
from anb_onnx.cli import main as cli
from anb_onnx.cli.completing import FILES, FOLDERS, SHELLS, options_first, script
from anb_onnx.cli.examples import GROUPS
from anb_onnx.errors import ExtraError
from anb_onnx.parallel import extras

need_tool("argcomplete")

TARGETS = [target.name for target in anb_onnx.targets()]
Ask = Callable[..., dict[str, str]]


@pytest.fixture
def ask(tmp_path_factory: pytest.TempPathFactory) -> Ask:
    """Return what is offered for a command line and how it is explained, as a shell is told it."""
    told = tmp_path_factory.mktemp("told") / "words"

    def asking(line: str, main: Any = cli.main) -> dict[str, str]:
        with pytest.MonkeyPatch.context() as patch:
            # By itself it would write, and close in the end, what the tests have as descriptor 9.
            patch.setattr("argcomplete.CompletionFinder._init_debug_stream", lambda _: None)
            patch.setattr("argcomplete.io.debug_stream", io.StringIO())
            for name, value in {
                "_ARGCOMPLETE": "1",
                "_ARGCOMPLETE_STDOUT_FILENAME": str(told),
                "_ARGCOMPLETE_IFS": "\n",
                "_ARGCOMPLETE_DFS": "\t",
                "_ARGCOMPLETE_SHELL": "fish",
                "_ARGCOMPLETE_SUPPRESS_SPACE": "1",
                "COMP_LINE": line,
                "COMP_POINT": str(len(line)),
            }.items():
                patch.setenv(name, value)
            with contextlib.suppress(SystemExit):
                assert main([]) is None
        words = [word.partition("\t") for word in told.read_text().splitlines()]
        return {name: text for name, _, text in words}

    return asking


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("inf", ["info"]),
        ("--v", ["--version"]),
        ("info acc", ["accuracy"]),
        ("info accuracy --j", ["--json"]),
        ("query --target throughput_z", ["throughput_zcu102"]),
        ("query --target=throughput_z", ["--target=throughput_zcu102"]),
        ("query --engine n", ["native", "numpy"]),
        ("query eff", ["efficientnet-b0"]),
        ("query 5 eff", ["efficientnet-b0"]),
        ("query 5 --json eff", ["efficientnet-b0"]),
        ("query --target macs 5 --threads 2 eff", ["efficientnet-b0"]),
        ("query 5 --json --target ma", ["macs"]),
        ("query --json --js", []),  # once is enough
        ("query --target macs --target ma", ["macs"]),
        ("query --threads ", []),
        ("query --interval ", []),
        ("rank acc", ["accuracy"]),
        ("rank accuracy e", ["efficientnet-b0"]),
        ("optimum accuracy --wor", ["--worst"]),
        ("pareto accuracy --json latency_v", ["latency_vck190"]),
        ("search --optimizer random,loc", ["random,local-search"]),
        ("search --task accuracy-v", ["accuracy-v1"]),
        ("targets --benchmark accel", ["accel-nasbench"]),
        ("targets ", ["--help", "--benchmark", "--artifacts", "--json"]),
        ("completion ", list(SHELLS)),
        ("query -- eff", ["efficientnet-b0"]),
        ("query --nonsense eff", ["efficientnet-b0"]),
        ("info accuracy x y z --j", ["--json"]),
    ],
)
def test_words_of_the_command_line(line: str, found: list[str], ask: Ask) -> None:
    assert list(ask(f"anb-onnx {line}")) == found


def test_all_commands_and_all_targets(ask: Ask) -> None:
    commands = ask("anb-onnx ")
    assert sorted(commands) == sorted(name for names in GROUPS.values() for name in names)
    assert all(commands.values())
    assert list(ask("anb-onnx info ")) == TARGETS
    assert list(ask("anb-onnx pareto accuracy ")) == TARGETS


def test_words_are_explained_in_a_line(ask: Ask) -> None:
    assert ask("anb-onnx info lat")["latency_vck190"] == "ms, latency vck190"
    assert ask("anb-onnx query --target=macs")["--target=macs"] == "M, macs"
    for text in ask("anb-onnx query --").values():
        assert 0 < len(text) <= 70


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("query --file ", ["some file.csv", "some folder/"]),
        ("query --file=some", ["--file=some file.csv", "--file=some folder/"]),
        ("query --out some", ["some file.csv", "some folder/"]),
        ("query --artifacts ", ["some folder/"]),
        ("compare so", ["some folder/"]),
        ("merge ", ["some file.csv", "some folder/"]),
        ("adapt ", ["some file.csv", "some folder/"]),
        ("query --file ~/some\\ f", ["~/some file.csv", "~/some folder/"]),
    ],
)
def test_files_and_folders(
    line: str, found: list[str], ask: Ask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "some file.csv").touch()
    (tmp_path / "some folder").mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert sorted(ask(f"anb-onnx {line}")) == found


def test_a_variable_stays_one() -> None:
    from anb_onnx.cli.finder import Finder

    finder = Finder(append_space=False)
    assert finder.quote_completions(["$HOME/a b"], "", None) == ["$HOME/a\\ b"]
    assert finder.quote_completions(["a$b"], "", None) == ["a\\$b"]


def test_targets_of_other_folders_are_found(tmp_path: Path, ask: Ask) -> None:
    anb_onnx.load("params").save(tmp_path / "mine", benchmark="mine")
    mine = str(tmp_path / "mine")
    assert list(ask(f"anb-onnx info --artifacts {mine} ")) == ["params"]
    assert list(ask(f"anb-onnx info --artifacts={mine} ")) == ["params"]
    assert list(ask(f"anb-onnx query --artifacts {mine} 5 --target ")) == ["params"]
    assert list(ask(f"anb-onnx query --with {mine} --target par")) == ["params"]
    missing = ask(f"anb-onnx info --artifacts {tmp_path / 'none'} ")
    assert not set(TARGETS) & set(missing)
    if find_spec("anb_onnx_spaces"):
        assert "latency_pixel3" in ask("anb-onnx info --benchmark nasbench201 latency_p")
        assert ask("anb-onnx query --benchmark nasbench201 eff") == {}


def _takes_values(parser: argparse.ArgumentParser) -> list[tuple[str, argparse.Action]]:
    [commands] = [a for a in parser._actions if isinstance(a, argparse._SubParsersAction)]
    return [
        (name, action)
        for name, command in commands.choices.items()
        for action in command._actions
        if action.nargs != 0 and action.choices is None
    ]


#: What nobody can know before it is typed.
FREE = {"N", "V", "SHARE", "VALUE", "NAME", "UNIT", "A:B", "ADDRESS", "KEY=VALUE", "LEVEL"}
FREE |= {"AMOUNT", "NAME=NUMBER", "'TARGET<=VALUE'", "'GENE=VALUE,...'", "N[,N...]", "seed", "n"}


def test_what_names_a_file_or_a_folder_is_known_as_such() -> None:
    """So that no argument of a new command is forgotten."""
    for name, action in _takes_values(cli._parser()):
        what = str(action.metavar or action.dest)
        known = completion.values(action, argparse.Namespace())
        if "FILE" in what or "FOLDER" in what:
            assert known in (FILES, FOLDERS), (name, what)
        elif what not in FREE:
            assert known, (name, what)


@pytest.mark.skipif(not find_spec("anb_export"), reason="the exporter is not installed")
def test_the_exporter_completes_too(ask: Ask) -> None:
    export = import_module("anb_export.cli")
    values = import_module("anb_export.commands.completion").values

    def offered(line: str) -> list[str]:
        return list(ask(f"anb-export {line}", export.main))

    assert offered("fetch-") == ["fetch-data", "fetch-models"]
    assert offered("train --target accu") == ["accuracy"]
    assert offered("train --family l") == ["lgb"]
    for name, action in _takes_values(export.parser()):
        if "DIR" in str(action.metavar) or "FILE" in str(action.metavar):
            assert values(action, argparse.Namespace()) in (FILES, FOLDERS), name


def test_options_come_first() -> None:
    command = argparse.ArgumentParser()
    command.add_argument("words", nargs="*")
    command.add_argument("--flag", action="store_true")
    command.add_argument("--value")
    for typed, wanted in {
        "a --flag b": "--flag a b",
        "a --value b c": "--value b a c",
        "a --value=b c": "--value=b a c",
        "a --value": "a --value",
        "a - --flag": "--flag a -",
        "a --other b": "a --other b",
        "a -- --flag": "a -- --flag",
    }.items():
        assert options_first(command, typed.split()) == wanted.split()


@pytest.mark.parametrize("shell", SHELLS)
def test_a_script_names_the_program_and_nothing_of_this_machine(shell: str) -> None:
    text = script("anb-onnx", shell)
    assert "anb-onnx" in text
    assert not {"PROGRAM", "FUNCTION", "SHELLCODE"} & set(text.replace("(", " ").split())
    assert str(Path(sys.prefix)) not in text


def test_without_argcomplete_it_is_said_what_to_install(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def missing(module: str) -> Any:
        raise ImportError(f"No module named {module!r}")

    monkeypatch.setattr(extras, "import_sheltered", missing)
    with pytest.raises(ExtraError, match=r"pip install 'anb-onnx\[completion\]'"):
        script("anb-onnx", "bash")
    assert cli.main(["completion", "bash"]) == 2
    # A shell that asks all the same gets nothing, and no command is run.
    monkeypatch.setenv("_ARGCOMPLETE", "1")
    assert cli.main(["benchmarks"]) == 2
    assert capsys.readouterr().out == ""


def test_no_command_imports_it() -> None:
    code = "import sys; from anb_onnx.cli.main import main; main(['benchmarks']); "
    code += "assert 'argcomplete' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True, stdout=subprocess.DEVNULL)


@pytest.mark.parametrize("module", ["anb_onnx", "anb_export"])
def test_argcomplete_for_all_programs_finds_these(module: str) -> None:
    """Who told it to complete every program needs nothing more, for `python -m` neither."""
    if find_spec(module) is None:
        pytest.skip(f"needs {module}")
    for name in (module, f"{module}._start"):
        subprocess.run([sys.executable, "-m", "argcomplete._check_module", name], check=True)
