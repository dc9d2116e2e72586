"""`anb-onnx sample`: architectures of a search space, uniformly at random."""

from __future__ import annotations

import argparse
import csv
from typing import Any

from anb_onnx._io.input import check_rows
from anb_onnx._io.program import OK
from anb_onnx.catalog.benchmarks import find_benchmark
from anb_onnx.cli.arguments import add_benchmark, add_out, command
from anb_onnx.cli.write import open_text, write_array
from anb_onnx.encoding.encoding import codes_to_indices
from anb_onnx.loading import load
from anb_onnx.spaces.architecture import Architecture, sample
from anb_onnx.spaces.space import SearchSpace

_BLOCK_ROWS = 2**16


def add_command(commands: Any) -> None:
    """Add the command."""
    draw = command(commands, "sample", _run, "draw architectures uniformly at random")
    draw.add_argument("n", type=int, metavar="N", help="how many")
    draw.add_argument("--seed", type=int, help="for the same architectures again")
    draw.add_argument("--format", choices=("index", "json", "csv"), default="index")
    whose = draw.add_mutually_exclusive_group()
    whose.add_argument(
        "--target", metavar="TARGET", help="of the search space of this target (default: any)"
    )
    whose.add_argument(
        "--model", metavar="FILE.onnx", help="of the search space of a file of anb-export"
    )
    add_benchmark(draw)
    add_out(draw)


def _run(args: argparse.Namespace) -> int:
    check_rows(args.n)
    space = _space_to_sample(args)
    codes = sample(args.n, seed=args.seed, space=space)
    rows = (Architecture.from_codes(row, space=space).to_values() for row in codes)
    with open_text(args.out) as stream:
        if args.format == "index":
            for start in range(0, len(codes), _BLOCK_ROWS):
                indices = codes_to_indices(codes[start : start + _BLOCK_ROWS], space)
                stream.writelines(f"{index}\n" for index in indices.tolist())
        elif args.format == "json":
            write_array(stream, rows)
        else:
            writer = csv.writer(stream, lineterminator="\n")
            writer.writerow(space.gene_names)
            writer.writerows(values.values() for values in rows)
    return OK


def _space_to_sample(args: argparse.Namespace) -> SearchSpace:
    if args.model is not None:
        with load(path=args.model) as surrogate:
            return surrogate.space
    catalog = find_benchmark(args.benchmark, args.artifacts)
    return catalog.space if args.target is None else catalog.find(args.target).space
