"""The command `anb-onnx compare`."""

from __future__ import annotations

import argparse
import csv
import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, TextIO

from anb_onnx._io.output import check_output, open_output
from anb_onnx._io.program import OK
from anb_onnx._io.progress import Progress
from anb_onnx._io.show import printable
from anb_onnx.cli.arguments import command
from anb_onnx.cli.formats import add_output, output_format
from anb_onnx.cli.search import listed
from anb_onnx.cli.write import open_text, write_aligned
from anb_onnx.errors import AnbError
from anb_onnx.experiments import report
from anb_onnx.experiments.comparison import Comparison, compare


def add_command(commands: Any) -> None:
    """Add the command."""
    parser = command(commands, "compare", _run, "compare optimizers by the runs of 'search'")
    parser.add_argument(
        "folders", nargs="+", type=Path, metavar="FOLDER", help="what --out of a search was"
    )
    parser.add_argument(
        "--task",
        action="append",
        default=[],
        metavar="NAME[,NAME...]",
        help="only this task; may be repeated (default: all that have runs)",
    )
    parser.add_argument(
        "--at",
        default="",
        metavar="N[,N...]",
        help="checkpoints, in evaluations or what else the budget is counted in (default: powers "
        "of ten); the whole budget is always one",
    )
    parser.add_argument(
        "--over",
        choices=("evaluations", "cost"),
        help="compare at equal evaluations, or at equal cost (default: what the budget limits)",
    )
    parser.add_argument(
        "--within",
        type=float,
        metavar="SHARE",
        help="what is near: a share of the optimum (default: 0.001), or of the exact front's "
        "hypervolume (default: 0.01)",
    )
    parser.add_argument(
        "--plot",
        metavar="FILE",
        help="draw regrets and fronts into a file, whose suffix is .png, .pdf or .svg",
    )
    parser.add_argument(
        "--progress",
        action="store_true",
        help="show progress on standard error, also where that is no terminal",
    )
    add_output(parser, ("text", "markdown", "csv", "json"), "text")


def _run(args: argparse.Namespace) -> int:
    write = _writer(args)
    if args.plot is not None:
        from anb_onnx.experiments import plots

        plots.check(args.plot)
        check_output(args.plot)
    with Progress("runs read", show=args.progress) as progress:
        found = compare(
            args.folders,
            only=listed(args.task),
            at=_checkpoints(args.at),
            within=args.within,
            over=args.over,
            progress=progress,
        )
    with open_text(args.out) as stream:
        write(stream, found)
    if args.plot is not None:
        content = plots.draw(found, Path(args.plot).suffix)
        with open_output(args.plot) as file:
            file.write(content)
    return OK


def _writer(args: argparse.Namespace) -> Callable[[TextIO, Comparison], None]:
    """Return what writes the shape that was asked for, or that the file's name says."""
    return _WRITERS[output_format(args)]


def _checkpoints(text: str) -> list[float]:
    try:
        return [float(part) for part in text.split(",") if part.strip()]
    except ValueError:
        msg = f"--at is numbers with commas between them, such as 100,1000, not {text!r}"
        raise AnbError(msg) from None


def _json(stream: TextIO, found: Comparison) -> None:
    stream.write(json.dumps(report.document(found), indent=1, allow_nan=False) + "\n")


def _csv(stream: TextIO, found: Comparison) -> None:
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(report.COLUMNS)
    writer.writerows(report.rows(found))


def _text(stream: TextIO, found: Comparison) -> None:
    for number, section in enumerate(report.sections(found)):
        stream.write(("\n" if number else "") + printable(section.title) + "\n")
        for part in section.parts:
            if isinstance(part, str):
                stream.write(printable(part) + "\n")
            else:
                write_aligned(stream, part.header, partial(iter, part.rows), part.numbers)


def _markdown(stream: TextIO, found: Comparison) -> None:
    stream.write("# Optimizers compared\n")
    for section in report.sections(found):
        stream.write(f"\n## {_escaped(section.title)}\n")
        for part in section.parts:
            if isinstance(part, str):
                stream.write(f"\n{_escaped(part)}\n")
                continue
            stream.write("\n")
            rules = ["---:" if name in part.numbers else "---" for name in part.header]
            for row in (part.header, rules, *part.rows):
                stream.write(f"| {' | '.join(map(_escaped, row))} |\n")


def _escaped(text: str) -> str:
    """Return a text that Markdown shows as it is."""
    return printable(text).replace("|", "\\|").replace("*", "\\*").replace("_", "\\_")


_WRITERS = {"json": _json, "csv": _csv, "markdown": _markdown, "text": _text}
