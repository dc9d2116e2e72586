"""Help of both command lines: within 80 columns, commands in groups, examples that are run."""

from __future__ import annotations

import argparse
import shutil
import textwrap
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

_COLUMNS = 80


class Example(NamedTuple):
    """A command line that works as it stands, and what it does."""

    line: str
    what: str


class Formatter(argparse.HelpFormatter):
    """Wraps what is a paragraph, leaves lines alone that begin with a space, stays readable."""

    def __init__(self, prog: str, **options: Any) -> None:
        width = min(shutil.get_terminal_size().columns, _COLUMNS) - 2
        super().__init__(prog, **{"width": width, **options})

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        return "\n".join(
            line if line.startswith(" ") or not line else textwrap.fill(line, width)
            for line in text.splitlines()
        )


def with_examples(examples: Sequence[Example]) -> str:
    """Return the end of a command's help."""
    if not examples:
        return ""
    lines = [f"  # {example.what}\n  {example.line}" for example in examples]
    return "\n".join([f"example{'s' if len(lines) > 1 else ''}:", *lines])


def grouped(commands: Any, groups: Mapping[str, Sequence[str]]) -> str:
    """Return commands with their help, in groups, for the end of a program's help.

    Parameters
    ----------
    commands : action
        What `add_subparsers` returned, with all commands added.
    groups : mapping of str to sequence of str
        By the heading, the names.

    Raises
    ------
    KeyError
        If a name is no command.
    ValueError
        If a command is in no group.
    """
    helps = {action.dest: action.help or "" for action in commands._get_subactions()}
    left = set(helps) - {name for names in groups.values() for name in names}
    if left:
        msg = f"in no group: {', '.join(sorted(left))}"
        raise ValueError(msg)
    width = max(map(len, helps))
    parts = []
    for heading, names in groups.items():
        lines = [
            textwrap.fill(
                helps[name],
                _COLUMNS - 2,
                initial_indent=f"  {name.ljust(width)}  ",
                subsequent_indent=" " * (width + 4),
            )
            for name in names
        ]
        parts.append("\n".join([f"{heading}:", *lines]))
    return "\n\n".join(parts)
