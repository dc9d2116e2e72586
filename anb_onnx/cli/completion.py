"""`anb-onnx completion`: the lines that make a shell complete the program's arguments."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Mapping
from typing import Any

from anb_onnx._io.program import OK
from anb_onnx.catalog.benchmarks import benchmarks, find_benchmark
from anb_onnx.cli.arguments import command
from anb_onnx.cli.completing import SHELLS, paths, script
from anb_onnx.cli.read import named
from anb_onnx.errors import AnbError
from anb_onnx.fidelities import SEEDS


def add_command(commands: Any) -> None:
    """Add the command."""
    text = "print what makes a shell complete commands, options and targets"
    completing = command(commands, "completion", _run, text)
    completing.add_argument(
        "shell",
        choices=SHELLS,
        metavar="SHELL",
        help=f"{' or '.join(SHELLS)}; needs the extra 'completion'",
    )


def _run(args: argparse.Namespace) -> int:
    sys.stdout.write(script("anb-onnx", args.shell))
    return OK


def values(action: argparse.Action, before: argparse.Namespace) -> str | Mapping[str, str]:
    """Return what an argument may be, and what that means; of what is not known, nothing.

    Parameters
    ----------
    action : Action
        The argument.
    before : Namespace
        With the benchmark and folders that were given before.
    """
    if kind := paths(action):
        return kind
    try:
        return dict(_names(str(action.metavar), action.dest, before))
    except AnbError:  # a folder that is none: an error when the command is run
        return {}


def _names(kind: str, dest: str, before: argparse.Namespace) -> Iterable[tuple[str, str]]:
    if kind == "TARGET":
        for target in _targets(before):
            yield target.name, f"{target.unit}, {target.metric} {target.device or ''}".strip()
    elif kind == "ARCHITECTURE":
        for name in named(_catalog(before).space):
            yield name, "by its name"
    elif dest == "benchmark":
        for catalog in benchmarks(_given(before, "artifacts")):
            yield catalog.benchmark, f"{len(catalog.artifacts)} targets of {catalog.space.name}"
    elif dest == "task":
        from anb_onnx.problems.listing import tasks

        for task in tasks():
            yield task.name, task.description
    elif dest == "fidelity":
        for artifact in _catalog(before).artifacts:
            curve, noise = artifact.card.curve, artifact.card.seed_noise
            if curve is not None:
                fidelity, at = curve["fidelity"], curve["at"]
                yield f"{fidelity['name']}=", f"{at[0]:g} to {at[-1]:g} {fidelity['unit']}"
            if noise is not None:
                yield f"{SEEDS}=", "runs of different seeds"
    elif dest == "optimizer":
        from anb_onnx.experiments.optimizers import OPTIMIZERS

        for name in OPTIMIZERS:
            yield name, ""


def _catalog(before: argparse.Namespace) -> Any:
    return find_benchmark(_given(before, "benchmark"), _given(before, "artifacts"))


def _targets(before: argparse.Namespace) -> Iterable[Any]:
    yield from _catalog(before).targets
    for folder in getattr(before, "beside", []):
        yield from find_benchmark(None, folder).targets


def _given(before: argparse.Namespace, dest: str) -> str | None:
    given: str | None = getattr(before, dest, None)
    return given
