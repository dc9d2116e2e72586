"""What shells complete: asked of the program, and of bash, zsh and fish as they are."""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

import pytest

import anb_onnx
from anb_onnx._io.completing import ASKED, SHELLS, answer, script
from anb_onnx.cli import main as cli
from anb_onnx.cli.completion import values
from anb_onnx.cli.examples import GROUPS

PATH = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
PROGRAMS = ["anb-onnx", *(["anb-export"] if find_spec("anb_export") else [])]


def told(*words: str, shell: str = "zsh") -> tuple[str, list[str]]:
    kind, *lines = answer(cli._parser(), [shell, *words], values).splitlines()
    return kind, [line.split("\t")[0] for line in lines]


TARGETS = [target.name for target in anb_onnx.targets()]


@pytest.mark.parametrize(
    ("words", "found"),
    [
        (["inf"], ["info"]),
        (["--v"], ["--version"]),
        (["nonsense", ""], []),
        (["info", "acc"], ["accuracy"]),
        (["info", "accuracy", "--j"], ["--json"]),
        (["query", "--target", "throughput_z"], ["throughput_zcu102"]),
        (["query", "--target=throughput_z"], ["--target=throughput_zcu102"]),
        (["query", "--engine", "n"], ["native", "numpy"]),
        (["query", "eff"], ["efficientnet-b0"]),
        (["query", "5", "eff"], ["efficientnet-b0"]),
        (["query", "--json", "--js"], []),  # once is enough
        (["query", "--target", "macs", "--target", "ma"], ["macs"]),
        (["query", "--threads", ""], []),
        (["rank", "acc"], ["accuracy"]),
        (["rank", "accuracy", "e"], ["efficientnet-b0"]),
        (["optimum", "accuracy", "--wor"], ["--worst"]),
        (["search", "--optimizer", "random,loc"], ["random,local-search"]),
        (["search", "--task", "accuracy-v"], ["accuracy-v1"]),
        (["targets", "--benchmark", "accel"], ["accel-nasbench"]),
        (["completion", ""], list(SHELLS)),
        (["--artifacts", "x", "in"], []),  # not an option of the program
    ],
    ids=" ".join,
)
def test_words_of_the_command_line(words: list[str], found: list[str]) -> None:
    assert told(*words) == ("words", found)


def test_all_commands_and_all_targets() -> None:
    assert sorted(told("")[1]) == sorted(n for names in GROUPS.values() for n in names)
    assert told("info", "") == ("words", TARGETS)
    assert told("pareto", "accuracy", "") == ("words", TARGETS)


@pytest.mark.parametrize(
    ("words", "kind"),
    [
        (["query", "--file", ""], "files"),
        (["query", "--file=some"], "files"),
        (["query", "--out", "x"], "files"),
        (["query", "--artifacts", ""], "folders"),
        (["compare", "ru"], "folders"),
        (["merge", ""], "files"),
        (["adapt", ""], "files"),
    ],
    ids=" ".join,
)
def test_files_are_left_to_the_shell(words: list[str], kind: str) -> None:
    assert told(*words) == (kind, [])


def test_bash_takes_words_apart() -> None:
    assert told("query", "--target", "=", "macs", shell="bash") == ("words", ["macs"])
    assert told("query", "--target", "=", shell="bash") == ("words", TARGETS)
    assert told("query", "--target", "=", "macs", "--csv", "ef", shell="bash")[1] == [
        "efficientnet-b0"
    ]


def test_targets_of_other_folders_are_found(tmp_path: Path) -> None:
    anb_onnx.load("params").save(tmp_path / "mine", benchmark="mine")
    mine = str(tmp_path / "mine")
    assert told("info", "--artifacts", mine, "") == ("words", ["params"])
    assert told("query", "--with", mine, "--target", "par")[1] == ["params", "params"]
    assert told("info", "--artifacts", str(tmp_path / "none"), "") == ("words", [])
    if find_spec("anb_onnx_spaces"):
        assert "latency_pixel3" in told("info", "--benchmark", "nasbench201", "latency_p")[1]
        assert told("query", "--benchmark", "nasbench201", "eff") == ("words", [])


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
FREE |= {"'TARGET<=VALUE'", "'GENE=VALUE,...'", "N[,N...]", "seed", "n"}


def test_what_names_a_file_or_a_folder_is_known_as_such() -> None:
    """So that no argument of a new command is forgotten."""
    parser = cli._parser()
    for name, action in _takes_values(parser):
        what = str(action.metavar or action.dest)
        kind, words = told(name, *_before(parser, name, action), "")
        if "FILE" in what or "FOLDER" in what:
            assert kind in ("files", "folders"), (name, what)
        elif what not in FREE:
            assert words, (name, what)


def _before(parser: argparse.ArgumentParser, name: str, action: argparse.Action) -> list[str]:
    """Return what stands before the value of an argument."""
    if action.option_strings:
        return [action.option_strings[-1]]
    [commands] = [a for a in parser._actions if isinstance(a, argparse._SubParsersAction)]
    positional = [a.dest for a in commands.choices[name]._actions if not a.option_strings]
    return ["x"] * positional.index(action.dest)


@pytest.mark.skipif(not find_spec("anb_export"), reason="the exporter is not installed")
def test_the_exporter_completes_too() -> None:
    export = import_module("anb_export.cli")
    completing = import_module("anb_export.commands.completion")

    def ask(*words: str) -> list[str]:
        return answer(export.parser(), ["zsh", *words], completing.values).splitlines()

    assert [line.split("\t")[0] for line in ask("fetch-")[1:]] == ["fetch-data", "fetch-models"]
    assert ask("train", "--target", "accu") == ["words", "accuracy\t%, accuracy"]
    assert ask("train", "--dataset", "") == ["files"]
    assert ask("train", "--out", "") == ["folders"]
    assert [line.split("\t")[0] for line in ask("train", "--family", "l")[1:]] == ["lgb"]
    parser = export.parser()
    for name, action in _takes_values(parser):
        if "DIR" in str(action.metavar) or "FILE" in str(action.metavar):
            assert ask(name, *_before(parser, name, action), "")[0] in ("files", "folders"), name


@pytest.mark.parametrize("asked", [[], ["bash"], ["elvish", "query", ""], ["zsh", "query", "--"]])
def test_odd_questions_are_answered(asked: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main([ASKED, *asked]) == 0
    out, err = capsys.readouterr()
    assert out.startswith("words\n")
    assert err == ""


def run_shell(shell: str, text: str, folder: Path) -> str:
    """Run lines in a shell that has read none of its user's own."""
    found = shutil.which(shell)
    if found is None:
        pytest.skip(f"needs {shell}")
    options = {"bash": ["--norc", "--noprofile"], "zsh": ["-f"], "fish": ["--no-config"]}[shell]
    done = subprocess.run(
        [found, *options, "-c", text],
        capture_output=True,
        text=True,
        cwd=folder,
        env={**os.environ, "PATH": PATH, "HOME": str(folder), "TERM": "dumb"},
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "some file.csv").touch()
    (tmp_path / "some folder").mkdir()
    return tmp_path


_BASH = """
eval "$({program} completion bash)"
ask() {{
    COMP_WORDS=("$@") COMP_CWORD=$(($# - 1))
    _{name}_complete
    local IFS="|"
    echo "${{COMPREPLY[*]}}"
}}
"""


@pytest.mark.parametrize("program", PROGRAMS)
def test_bash(program: str, folder: Path) -> None:
    wanted = {f"{program} verif": "verify", f"{program} nonsense ''": ""}
    if program == "anb-onnx":
        wanted |= {
            "anb-onnx query --target throughput_z": "throughput_zcu102",
            "anb-onnx query --target = throughput_z": "throughput_zcu102",
            "anb-onnx query --artifacts ''": "some folder",
            "anb-onnx query --file some": "some file.csv|some folder",
            "anb-onnx query --file =": "some file.csv|some folder",
        }
    text = _BASH.format(program=program, name=program.replace("-", "_"))
    found = run_shell("bash", text + "\n".join(f"ask {line}" for line in wanted), folder)
    assert [sorted(line.split("|")) for line in found.splitlines()] == [
        line.split("|") for line in wanted.values()
    ]


@pytest.mark.parametrize("program", PROGRAMS)
def test_fish(program: str, folder: Path) -> None:
    wanted = {f"{program} verif": "verify"}
    if program == "anb-onnx":
        wanted |= {
            "anb-onnx query --target throughput_z": "throughput_zcu102",
            "anb-onnx query --target=throughput_z": "--target=throughput_zcu102",
            "anb-onnx query --artifacts ": "some folder/",
        }
    lines = [f"{program} completion fish | source", *(f"complete -C '{line}'" for line in wanted)]
    found = run_shell("fish", "\n".join(lines), folder).splitlines()
    assert [line.split("\t")[0] for line in found] == list(wanted.values())


# Completion of zsh needs its line editor; here its words are put in place and what it would offer
# is printed.
_ZSH = """
compdef() {{ registered="$*" }}
eval "$({program} completion zsh)"
print -r -- $registered
_describe() {{ print -rl -- "${{(@P)2}}" }}
_files() {{ print -r -- files "$@" }}
compset() {{ }}
ask() {{ words=("$@") CURRENT=$#; _{name}_complete }}
"""


@pytest.mark.parametrize("program", PROGRAMS)
def test_zsh(program: str, folder: Path) -> None:
    name = program.replace("-", "_")
    wanted = {f"{program} verif": "verify:"}
    if program == "anb-onnx":
        wanted |= {
            "anb-onnx query --target throughput_z": "throughput_zcu102:images/s, throughput zcu102",
            "anb-onnx query --artifacts ''": "files -/",
            "anb-onnx query --file ''": "files",
        }
    text = _ZSH.format(program=program, name=name) + "\n".join(f"ask {line}" for line in wanted)
    registered, first, *rest = run_shell("zsh", text, folder).splitlines()
    assert registered == f"_{name}_complete {program}"
    assert first.startswith("verify:")
    assert rest == list(wanted.values())[1:]


@pytest.mark.parametrize("shell", SHELLS)
def test_a_script_names_the_program_and_nothing_of_this_machine(shell: str) -> None:
    text = script("anb-onnx", shell)
    assert "_anb_onnx_complete" in text
    assert ASKED in text
    assert not {"PROGRAM", "_FUNCTION", "ASKED"} & set(text.replace("(", " ").split())
    assert str(Path.home()) not in text or str(Path.home()) == "/"
