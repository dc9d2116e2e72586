"""``anb-export completion``: the lines that make a shell complete the program's arguments."""

from __future__ import annotations

import argparse
from collections.abc import Iterable

from anb_export.commands._show import say
from anb_onnx._io.completing import FILES, FOLDERS, SHELLS, Line, script

HELP = "print what makes a shell complete commands, options and targets"

#: By the name that the help gives a value, what it may be.
_KINDS = {
    **dict.fromkeys(("DIR", "FOLDER", "NEW_FOLDER", "MEMBERS_DIR", "DIR|random:SEED"), FOLDERS),
    **dict.fromkeys(
        (
            "FILE",
            "PATH",
            "FILE.json",
            "FILE.onnx",
            "FILE.md",
            "PAGE.md",
            "DIR|FILE",
            "DIR|FILE.onnx",
            "DIR|FILE.json",
        ),
        FILES,
    ),
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("shell", choices=SHELLS, metavar="SHELL", help=" or ".join(SHELLS))


def run(arguments: argparse.Namespace) -> int:
    """Print the lines."""
    say(script("anb-export", arguments.shell).rstrip("\n"))
    return 0


def values(action: argparse.Action, line: Line) -> str | Iterable[tuple[str, str]]:
    """Return what an argument may be: files, folders, or targets of Accel-NASBench."""
    if str(action.metavar) in _KINDS:
        return _KINDS[str(action.metavar)]
    if action.dest != "target":
        return []
    from anb_export.data.accel_nasbench import TARGETS

    return [(name, f"{target.unit}, {target.metric}") for name, target in TARGETS.items()]
