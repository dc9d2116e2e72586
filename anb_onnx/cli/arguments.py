"""Arguments that several commands share."""

from __future__ import annotations

import argparse
import contextlib
from collections.abc import Iterator
from typing import Any

from anb_onnx._io.help_text import with_examples
from anb_onnx._io.program import tell
from anb_onnx.cli.examples import EXAMPLES


def command(commands: Any, name: str, run: Any, text: str) -> argparse.ArgumentParser:
    """Add a command that `run` carries out, described in a line; return its parser."""
    parser: argparse.ArgumentParser = commands.add_parser(
        name,
        help=text,
        description=text[0].upper() + text[1:] + ".",
        epilog=with_examples(EXAMPLES.get(name, ())),
        allow_abbrev=False,
    )
    parser.set_defaults(run=run)
    return parser


@contextlib.contextmanager
def goes_on(what: str) -> Iterator[None]:
    """Say, where the user or a signal interrupts, that nothing is lost that was finished."""
    try:
        yield
    except KeyboardInterrupt:
        tell(f"interrupted; finished {what} are kept, and the same command goes on from there")
        raise


def add_folder(parser: argparse.ArgumentParser) -> None:
    """Add ``--artifacts``."""
    parser.add_argument(
        "--artifacts",
        metavar="FOLDER",
        help="folder of a benchmark, or of several (default: the installed artifacts)",
    )


def add_benchmark(parser: argparse.ArgumentParser) -> None:
    """Add ``--benchmark`` and ``--artifacts``."""
    parser.add_argument(
        "--benchmark",
        metavar="NAME",
        help="a benchmark of 'anb-onnx benchmarks' (default: accel-nasbench, or the only one)",
    )
    add_folder(parser)
