"""`anb-onnx query`: predictions of targets for architectures."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from anb_onnx._io.input import check_rows
from anb_onnx._io.program import OK
from anb_onnx.cli.arguments import add_benchmark, add_out, add_shape, command, shape_of
from anb_onnx.cli.read import FORMATS, parse_architecture, read_architectures
from anb_onnx.cli.targets import Targets, add_with
from anb_onnx.cli.write import Codes, Predictions, open_text, write_csv, write_json, write_table
from anb_onnx.errors import AnbError
from anb_onnx.loading import ENGINES, load
from anb_onnx.spaces.space import SearchSpace
from anb_onnx.surrogate import Surrogate

_BLOCK_ROWS = 2**16

_WRITERS = {"table": write_table, "json": write_json, "csv": write_csv}


def add_command(commands: Any) -> None:
    """Add the command."""
    query = command(commands, "query", _run, "predict targets for architectures")
    query.add_argument(
        "architectures",
        nargs="*",
        metavar="ARCHITECTURE",
        help="an index, or the values of the genes: a JSON object by name or a list in their "
        "order; for mnasnet also efficientnet-b0 or four lists "
        "'[[expansion...],[kernel...],[layers...],[se...]]', for nasbench201 '|op~0|+|op~0|...'; "
        "'-' for standard input, as with --file",
    )
    _add_files(query)
    query.add_argument(
        "--target",
        action="append",
        default=[],
        metavar="TARGET",
        help="a target of 'anb-onnx targets'; may be repeated (default: all of them)",
    )
    query.add_argument(
        "--model",
        action="append",
        default=[],
        metavar="FILE.onnx",
        help="an ONNX file written by anb-export; may be repeated",
    )
    add_benchmark(query)
    add_with(query)
    query.add_argument("--members", action="store_true", help="print each member's prediction")
    query.add_argument("--threads", type=int, metavar="N", help="default: all CPUs")
    query.add_argument("--engine", choices=ENGINES, default="auto", help="default: auto")
    add_shape(query)
    add_out(query)


def _add_files(query: argparse.ArgumentParser) -> None:
    query.add_argument(
        "--file",
        action="append",
        default=[],
        metavar="FILE",
        help="architectures from a JSON, JSON-lines, CSV or Parquet file, '-' for standard input "
        "(JSON, JSON lines or CSV); CSV and Parquet need a column per gene or one 'index'",
    )
    query.add_argument("--format", choices=FORMATS, help="format of the files")
    query.add_argument("--ignore-extra", action="store_true", help="pass over unknown columns")
    query.add_argument(
        "--index-column",
        metavar="NAME",
        help="column of indices of architectures (default: 'index', unless of row numbers)",
    )


def _run(args: argparse.Namespace) -> int:
    if not args.architectures and not args.file:
        msg = "no architectures given; name one (efficientnet-b0), an index, or --file FILE"
        raise AnbError(msg)
    # "-" is standard input, as for --file.
    given = [text for text in args.architectures if text != "-"]
    files = [*args.file, *["-"] * (len(args.architectures) - len(given))]
    surrogates = _surrogates(args)
    # One batch is encoded once and asked of every surrogate: they must share a space.
    space = _common_space([(s.target.name, s.space) for s in surrogates])
    parts = [parse_architecture(text, space) for text in given]
    parts += [
        read_architectures(
            path,
            space,
            file_format=args.format,
            ignore_extra=args.ignore_extra,
            index_column=args.index_column,
        )
        for path in files
    ]
    check_rows(sum(map(len, parts)))
    codes: Codes = np.concatenate(parts) if len(parts) > 1 else parts[0]

    def answers() -> Iterator[tuple[Codes, Predictions]]:
        # As text, a million answers take more memory than the architectures.
        for start in range(0, max(len(codes), 1), _BLOCK_ROWS):
            block = codes[start : start + _BLOCK_ROWS]
            yield block, {s.target.name: s.query(block, members=args.members) for s in surrogates}

    with open_text(args.out) as stream:
        _WRITERS[shape_of(args)](stream, answers, space)
    return OK


def _common_space(of_targets: Sequence[tuple[str, SearchSpace]]) -> SearchSpace:
    """Return the one search space of targets, given by name and space."""
    if not of_targets:
        msg = "there is no target, so that no search space is known; name a file with --model"
        raise AnbError(msg)
    first, space = of_targets[0]
    for name, other in of_targets:
        if other != space:
            msg = (
                f"{first} ({space.name}) and {name} ({other.name}) have different search spaces; "
                "name one of them with --target"
            )
            raise AnbError(msg)
    return space


def _surrogates(args: argparse.Namespace) -> list[Surrogate]:
    names, place = list(args.target), Targets(args)
    if not names and not args.model:
        names = place.names()
    options = {"engine": args.engine, "threads": args.threads}
    surrogates = [place.load(name, **options) for name in names]
    surrogates += [load(path=path, **options) for path in args.model]
    found: dict[str, Surrogate] = {}
    for surrogate in surrogates:
        name = surrogate.target.name
        if name in found:
            msg = f"target {name!r} is given twice"
            raise AnbError(msg)
        found[name] = surrogate
    return surrogates
