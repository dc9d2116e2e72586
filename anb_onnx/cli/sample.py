"""`anb-onnx sample`: architectures of a search space, uniformly at random."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import Any

from anb_onnx._io.input import check_rows
from anb_onnx._io.program import OK
from anb_onnx.catalog.benchmarks import find_benchmark
from anb_onnx.cli.arguments import add_benchmark, command
from anb_onnx.cli.blocks import add_progress, open_progress
from anb_onnx.cli.columns import Column, architecture_columns
from anb_onnx.cli.formats import add_output, output_format
from anb_onnx.cli.tables import Blocks, write_csv, write_json, write_json_lines, write_parquet
from anb_onnx.cli.write import open_binary, open_text
from anb_onnx.errors import AnbError
from anb_onnx.loading import load
from anb_onnx.spaces.architecture import sample
from anb_onnx.spaces.space import SearchSpace

_FORMATS = ("csv", "json", "jsonl", "parquet")

_BLOCK_ROWS = 2**16


def add_command(commands: Any) -> None:
    """Add the command."""
    draw = command(commands, "sample", _run, "draw architectures uniformly at random")
    draw.add_argument("n", type=int, metavar="N", help="how many")
    draw.add_argument("--seed", type=int, help="for the same architectures again")
    draw.add_argument(
        "--format",
        choices=("index", *_FORMATS),
        metavar="FORMAT",
        help="format of the output, as --out-format; 'index' is one column of indices, as lines "
        "or in what the suffix of --out says (default: by the suffix, else index)",
    )
    whose = draw.add_mutually_exclusive_group()
    whose.add_argument(
        "--target", metavar="TARGET", help="of the search space of this target (default: any)"
    )
    whose.add_argument(
        "--model", metavar="FILE.onnx", help="of the search space of a file of anb-export"
    )
    add_benchmark(draw)
    add_progress(draw)
    add_output(draw, ("index", *_FORMATS), "index")


def _run(args: argparse.Namespace) -> int:
    check_rows(args.n)
    form, by_index = _form(args)
    space = _space_to_sample(args)
    codes = sample(args.n, seed=args.seed, space=space)

    def blocks() -> Blocks:
        with open_progress(args, "architectures") as progress:
            for start in range(0, max(len(codes), 1), _BLOCK_ROWS):
                part = codes[start : start + _BLOCK_ROWS]
                yield architecture_columns(part, space, index=by_index, genes=not by_index)
                progress(start + len(part), len(codes))

    def item(columns: Sequence[Column]) -> Any:
        return columns[0] if by_index else {column.name: column for column in columns}

    if form == "parquet":
        with open_binary(args.out) as file:
            write_parquet(file, blocks(), {"anb_onnx.space": space.name})
        return OK
    with open_text(args.out) as stream:
        if form == "csv":
            write_csv(stream, blocks())
        elif form == "json":
            write_json(stream, blocks(), item)
        else:  # an index is JSON, too
            write_json_lines(stream, blocks(), item)
    return OK


def _form(args: argparse.Namespace) -> tuple[str, bool]:
    """Return the format of the output, and whether it has indices rather than genes."""
    if args.format not in (None, "index"):
        if args.shape not in (None, args.format):
            msg = f"--format {args.format} and {args.shape}: both say how the output is written"
            raise AnbError(msg)
        args.shape = args.format
    elif args.format == "index" and args.shape == "index":
        args.shape = None
    by_index = args.format == "index" or args.shape == "index"
    if by_index and args.shape == "index":
        args.shape = None
    form = output_format(args)
    return form, by_index or form == "index"


def _space_to_sample(args: argparse.Namespace) -> SearchSpace:
    if args.model is not None:
        with load(path=args.model) as surrogate:
            return surrogate.space
    catalog = find_benchmark(args.benchmark, args.artifacts)
    return catalog.space if args.target is None else catalog.find(args.target).space
