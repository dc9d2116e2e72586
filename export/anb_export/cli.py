"""The command line ``anb-export``."""

from __future__ import annotations

import argparse
import importlib
import pkgutil
from collections.abc import Sequence
from importlib.metadata import version

from anb_export import commands
from anb_export.commands import completion
from anb_export.commands._examples import EXAMPLES, GROUPS
from anb_onnx._io.help_text import grouped, with_examples
from anb_onnx._io.program import Parser, run, tell
from anb_onnx.cli.completing import answer, asked

_PROGRAM = "anb-export"


def command_names() -> list[str]:
    """Names of all commands: those of `commands`, less the underscore after a word of Python."""
    return [name.rstrip("_") for name in _module_names()]


def _module_names() -> list[str]:
    found = (module.name for module in pkgutil.iter_modules(commands.__path__))
    return sorted(name for name in found if not name.startswith("_"))


def main(arguments: Sequence[str] | None = None, *, program: str = _PROGRAM) -> int:
    """Run one command and return its exit code, as `anb_onnx._io.program.run` tells them."""
    return run(program, lambda: _main(arguments, program))


def _main(arguments: Sequence[str] | None, program: str) -> int:
    typed = parser(program)
    if asked():
        answer(typed, completion.values)
    parsed = typed.parse_args(arguments)
    try:
        return int(parsed.run(parsed))
    except KeyboardInterrupt:
        tell("interrupted")
        raise


def parser(program: str = _PROGRAM) -> Parser:
    """Return the parser of all commands."""
    found = Parser(
        prog=program,
        usage=f"{program} [-h] [--version] COMMAND ...",
        description="Train surrogate ensembles and compile them into ONNX artifacts.",
        allow_abbrev=False,
    )
    stated = f"{_PROGRAM} {version('anb-onnx-export')} (of the distribution anb-onnx-export)"
    found.add_argument("--version", action="version", version=stated)
    subparsers = found.add_subparsers(
        dest="command", required=True, metavar="COMMAND", prog=program, help=argparse.SUPPRESS
    )
    for name in _module_names():
        module = importlib.import_module(f"{commands.__name__}.{name}")
        typed = name.rstrip("_").replace("_", "-")
        subparser = subparsers.add_parser(
            typed,
            help=module.HELP,
            description=module.HELP[0].upper() + module.HELP[1:] + ".",
            epilog=with_examples(EXAMPLES.get(typed, ())),
        )
        module.add_arguments(subparser)
        subparser.set_defaults(run=module.run)
    found.epilog = grouped(subparsers, GROUPS)
    return found


if __name__ == "__main__":
    raise SystemExit(main())
