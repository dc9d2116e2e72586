"""The directive `program-help`: what a command and its sub-commands print for `--help`.

    ```{program-help} anb_onnx.cli.main
    ```

Made by the parsers themselves, so that the page cannot say anything else.
"""

from __future__ import annotations

import argparse
import importlib
import os
from collections.abc import Iterator
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

_COLUMNS = "88"


def parser_of(module: str) -> argparse.ArgumentParser:
    """Return the parser of a command line by the module that has its `main`."""
    found = importlib.import_module(module)
    make = getattr(found, "parser", None) or found._parser
    parser: argparse.ArgumentParser = make()
    return parser


def commands_of(parser: argparse.ArgumentParser) -> Iterator[tuple[str, argparse.ArgumentParser]]:
    """Yield the names and parsers of all sub-commands, in their order."""
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            yield from action.choices.items()


def help_of(parser: argparse.ArgumentParser) -> str:
    """Return what `--help` prints, in a width that does not depend on the terminal."""
    before = {name: os.environ.get(name) for name in ("COLUMNS", "NO_COLOR", "FORCE_COLOR")}
    try:
        os.environ["COLUMNS"], os.environ["NO_COLOR"] = _COLUMNS, "1"
        os.environ.pop("FORCE_COLOR", None)
        return parser.format_help()
    finally:
        for name, value in before.items():
            os.environ.pop(name, None)
            if value is not None:
                os.environ[name] = value


class ProgramHelp(SphinxDirective):  # type: ignore[misc]
    """A section with the help of each sub-command."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        """Return the help of the program, then a section a command."""
        self.env.note_reread()  # the page is as old as the parsers, whatever its file's date is
        parser = parser_of(self.arguments[0])
        found: list[nodes.Node] = [_printed(help_of(parser))]
        for name, command in commands_of(parser):
            title = f"{parser.prog} {name}"
            section = nodes.section(ids=[nodes.make_id(title)], names=[title])
            section += nodes.title(title, "", nodes.literal(title, title))
            section += _printed(help_of(command))
            self.state.document.note_implicit_target(section, section)
            found.append(section)
        return found


def _printed(text: str) -> nodes.literal_block:
    block = nodes.literal_block(text, text)
    block["language"] = "text"
    return block


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the extension."""
    app.add_directive("program-help", ProgramHelp)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
