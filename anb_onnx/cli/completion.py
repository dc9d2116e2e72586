"""`anb-onnx completion`: the lines that make a shell complete the program's arguments."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable
from typing import Any

from anb_onnx._io.completing import FILES, FOLDERS, SHELLS, Line, answer, script
from anb_onnx._io.program import OK
from anb_onnx.catalog.benchmarks import benchmarks, find_benchmark
from anb_onnx.cli.arguments import command
from anb_onnx.cli.read import named
from anb_onnx.errors import AnbError

#: By the name that the help gives a value, what it may be: files and folders are the shell's.
_KINDS = {
    "FILE": FILES,
    "FILE.csv": FILES,
    "FILE.onnx": FILES,
    "FOLDER": FOLDERS,
}


def add_command(commands: Any) -> None:
    """Add the command."""
    text = "print what makes a shell complete commands, options and targets"
    completing = command(commands, "completion", _run, text)
    completing.add_argument("shell", choices=SHELLS, metavar="SHELL", help=" or ".join(SHELLS))


def _run(args: argparse.Namespace) -> int:
    sys.stdout.write(script("anb-onnx", args.shell))
    return OK


def answer_shell(parser: argparse.ArgumentParser, asked: list[str]) -> int:
    """Tell a shell what a word may become; nothing where that cannot be known."""
    sys.stdout.write(answer(parser, asked, values))
    return OK


def values(action: argparse.Action, line: Line) -> str | Iterable[tuple[str, str]]:
    """Return what an argument may be; of what is not known, nothing.

    Parameters
    ----------
    action : Action
        The argument.
    line : Line
        With the benchmark and folders that were given before.
    """
    kind = str(action.metavar)
    if kind in _KINDS:
        return _KINDS[kind]
    try:
        return list(_names(kind, action.dest, line))
    except AnbError:  # a folder that is none: an error when the command is run
        return []


def _names(kind: str, dest: str, line: Line) -> Iterable[tuple[str, str]]:
    if kind == "TARGET":
        for target in _targets(line):
            yield target.name, f"{target.unit}, {target.metric} {target.device or ''}".strip()
    elif kind == "ARCHITECTURE":
        for name in named(_catalog(line).space):
            yield name, "by its name"
    elif dest == "benchmark":
        for catalog in benchmarks(_last(line, "artifacts")):
            yield catalog.benchmark, f"{len(catalog.artifacts)} targets of {catalog.space.name}"
    elif dest == "task":
        from anb_onnx.problems.listing import tasks

        for task in tasks():
            yield task.name, task.description
    elif dest == "optimizer":
        from anb_onnx.experiments.optimizers import OPTIMIZERS

        for name in OPTIMIZERS:
            yield name, ""


def _catalog(line: Line) -> Any:
    return find_benchmark(_last(line, "benchmark"), _last(line, "artifacts"))


def _targets(line: Line) -> Iterable[Any]:
    yield from _catalog(line).targets
    for folder in line.options.get("beside", []):
        yield from find_benchmark(None, folder).targets


def _last(line: Line, dest: str) -> str | None:
    given = line.options.get(dest)
    return given[-1] if given else None
