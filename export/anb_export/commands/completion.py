"""``anb-export completion``: the lines that make a shell complete the program's arguments."""

from __future__ import annotations

import argparse
from collections.abc import Mapping

from anb_export.commands._show import say
from anb_onnx.cli.completing import SHELLS, paths, script

HELP = "print what makes a shell complete commands, options and targets"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument(
        "shell",
        choices=SHELLS,
        metavar="SHELL",
        help=f"{' or '.join(SHELLS)}; needs the extra 'completion'",
    )


def run(arguments: argparse.Namespace) -> int:
    """Print the lines."""
    say(script("anb-export", arguments.shell).rstrip("\n"))
    return 0


def values(action: argparse.Action, before: argparse.Namespace) -> str | Mapping[str, str]:
    """Return what an argument may be: files, folders, or targets of Accel-NASBench."""
    if kind := paths(action):
        return kind
    if action.dest != "target":
        return {}
    from anb_export.data.accel_nasbench import TARGETS

    return {name: f"{target.unit}, {target.metric}" for name, target in TARGETS.items()}
