"""Help of the exporter: it fits a terminal, and what it shows as an example works."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest
from anb_export.cli import command_names, main, parser
from anb_export.commands._examples import EXAMPLES, GROUPS

from .synthetic import write_study

COMMANDS = [name.replace("_", "-") for name in command_names()]
ORDERED = [
    (name, example.line)
    for names in GROUPS.values()
    for name in names
    for example in EXAMPLES[name]
]
#: Those of which the work takes minutes, a network, or files of others; their options are parsed.
LONG = {
    *("fetch-data", "fetch-models", "build", "report", "compare", "import", "truth", "spaces"),
    *("upgrade", "tune", "hpo", "families", "study"),
}


def test_groups_and_examples_are_of_all_commands() -> None:
    named = [name for names in GROUPS.values() for name in names]
    assert sorted(named) == sorted(COMMANDS)
    assert set(EXAMPLES) == set(COMMANDS)
    assert set(COMMANDS) > LONG


@pytest.mark.parametrize("argv", [[], *([name] for name in COMMANDS)], ids=lambda a: a[-1:] or "-")
def test_help_fits_eighty_columns(
    argv: list[str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    with pytest.raises(SystemExit, match=r"^0$"):
        main([*argv, "--help"])
    text = capsys.readouterr().out
    # What is to be copied stays in one line.
    lines = [line for line in text.splitlines() if not line.startswith("  anb-export ")]
    assert max(map(len, lines)) <= 80
    for name in argv:
        for line, what in EXAMPLES[name]:
            assert f"  # {what}\n  {line}\n" in text


@pytest.mark.parametrize("line", [line for _, line in ORDERED if "$" not in line])
def test_an_example_is_understood(line: str) -> None:
    program, *argv = shlex.split(line)
    assert program == "anb-export"
    assert parser().parse_args(argv).command == argv[0]


def test_examples_that_take_seconds_work(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the order of the help: `convert` takes what `train` left, and so on."""
    write_study(tmp_path)
    monkeypatch.chdir(tmp_path)
    for name, line in ORDERED:
        if name in LONG or "$" in line:
            continue
        assert main(shlex.split(line)[1:]) == 0, capsys.readouterr().err
        out, err = capsys.readouterr()
        assert out or err, line
    left = ("split1", "accuracy", "tables/accuracy.onnx", "projected", "trees")
    assert all((tmp_path / name).exists() for name in left)
