"""The command line ``anb-export``."""

from __future__ import annotations

import importlib
import pkgutil
import sys
from collections.abc import Sequence
from importlib.metadata import version

from anb_export import commands
from anb_onnx._io.program import Parser, run


def command_names() -> list[str]:
    """Names of all commands: those of `commands`, less the underscore after a word of Python."""
    return [name.rstrip("_") for name in _module_names()]


def _module_names() -> list[str]:
    found = (module.name for module in pkgutil.iter_modules(commands.__path__))
    return sorted(name for name in found if not name.startswith("_"))


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code, as `anb_onnx._io.program.run` tells them."""
    return run("anb-export", lambda: _main(arguments))


def _main(arguments: Sequence[str] | None) -> int:
    parsed = parser().parse_args(arguments)
    try:
        return int(parsed.run(parsed))
    except KeyboardInterrupt:
        sys.stderr.write("anb-export: interrupted\n")
        raise


def parser() -> Parser:
    """Return the parser of all commands."""
    found = Parser(
        prog="anb-export",
        description="Train surrogate ensembles and compile them into ONNX artifacts.",
    )
    found.add_argument("--version", action="version", version=version("anb-onnx-export"))
    subparsers = found.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name in _module_names():
        module = importlib.import_module(f"{commands.__name__}.{name}")
        subparser = subparsers.add_parser(
            name.rstrip("_").replace("_", "-"), help=module.HELP, description=module.HELP
        )
        module.add_arguments(subparser)
        subparser.set_defaults(run=module.run)
    return found


if __name__ == "__main__":
    raise SystemExit(main())
