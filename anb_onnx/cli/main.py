"""The command `anb-onnx`: list, query, score, sample, sweep, explain, verify from a shell."""

from __future__ import annotations

import argparse
import csv
import json
import sys
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from anb_onnx import __version__
from anb_onnx._io.input import check_rows
from anb_onnx._io.program import OK, Parser, run
from anb_onnx.catalog.benchmarks import benchmarks, find_benchmark
from anb_onnx.catalog.catalog import Catalog
from anb_onnx.cli import score
from anb_onnx.cli.adapt import add_commands as add_adapt_commands
from anb_onnx.cli.arguments import add_benchmark, add_folder, add_out, add_shape, command, shape_of
from anb_onnx.cli.compare import add_command as add_compare_command
from anb_onnx.cli.exact import add_commands as add_exact_commands
from anb_onnx.cli.read import FORMATS, parse_architecture, read_architectures
from anb_onnx.cli.search import add_commands as add_search_commands
from anb_onnx.cli.sweep import add_merge_arguments, add_sweep_arguments, run_merge, run_sweep
from anb_onnx.cli.targets import Targets, add_with
from anb_onnx.cli.verify import verify
from anb_onnx.cli.write import (
    Codes,
    Predictions,
    open_text,
    write_aligned,
    write_array,
    write_card,
    write_csv,
    write_json,
    write_table,
)
from anb_onnx.encoding.encoding import codes_to_indices
from anb_onnx.errors import AnbError
from anb_onnx.loading import ENGINES, load
from anb_onnx.spaces.architecture import Architecture, sample
from anb_onnx.spaces.space import SearchSpace
from anb_onnx.surrogate import Surrogate

_BLOCK_ROWS = 2**16

_WRITERS = {"table": write_table, "json": write_json, "csv": write_csv}


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line.

    Parameters
    ----------
    argv : sequence of str, optional
        Arguments without the program's name; those of the process if not given.

    Returns
    -------
    int
        0 where all went well, 1 where `verify` found a damaged artifact, 2 after an error of
        the user or with full or closed streams (one line on standard error), 130 after Ctrl-C,
        141 where whoever read the output stopped.
    """
    return run("anb-onnx", lambda: _main(argv))


def _main(argv: Sequence[str] | None) -> int:
    args = _parser().parse_args(argv)
    return int(args.run(args))


class _Parser(Parser):
    """Lets options stand between arguments."""

    _mixing = False

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        # Sub-commands are parsed through this method, and argparse by itself takes
        # `query 1 --json 2` for a mistake. Its intermixed parsing calls this method in turn.
        if self._mixing or self._subparsers is not None:
            return super().parse_known_args(args, namespace)
        self._mixing = True
        try:
            return self.parse_known_intermixed_args(args, namespace)
        finally:
            self._mixing = False


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="anb-onnx",
        description="Predict accuracy and device performance of architectures by surrogates.",
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"anb-onnx {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    listing = command(commands, "benchmarks", _benchmarks, "list the benchmarks")
    add_folder(listing)
    listing.add_argument("--json", action="store_true", help="print JSON")

    listing = command(commands, "targets", _targets, "list the targets of a benchmark")
    add_benchmark(listing)
    listing.add_argument("--json", action="store_true", help="print JSON")

    _add_query(commands)
    _add_sample(commands)
    add_exact_commands(commands)
    add_adapt_commands(commands)
    add_search_commands(commands)
    add_compare_command(commands)

    scoring = command(commands, "score", score.run, score.HELP)
    score.add_arguments(scoring)
    add_benchmark(scoring)

    counting = command(
        commands, "sweep", run_sweep, "count every architecture into a histogram of a target"
    )
    add_sweep_arguments(counting)
    add_benchmark(counting)
    merging = command(
        commands,
        "merge",
        run_merge,
        "put parts of a sweep together, and prove that none is missing",
    )
    add_merge_arguments(merging)

    info = command(commands, "info", _info, "print a target's model card")
    info.add_argument("target", metavar="TARGET")
    add_benchmark(info)
    info.add_argument("--json", action="store_true", help="print JSON")

    checking = command(
        commands,
        "verify",
        verify,
        "check the SHA-256 of every artifact, an engine's bits on the golden vectors, and what is "
        "proven",
    )
    add_benchmark(checking)
    checking.add_argument("--engine", choices=ENGINES, default="auto", help="default: auto")
    checking.add_argument(
        "--thorough",
        action="store_true",
        help="count a random shard of every target again, not of one",
    )
    return parser


def _add_query(commands: Any) -> None:
    query = command(commands, "query", _query, "predict targets for architectures")
    query.add_argument(
        "architectures",
        nargs="*",
        metavar="ARCHITECTURE",
        help="an index, or the values of the genes: a JSON object by name or a list in their "
        "order; for mnasnet also efficientnet-b0 or four lists "
        "'[[expansion...],[kernel...],[layers...],[se...]]', for nasbench201 '|op~0|+|op~0|...'",
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


def _add_sample(commands: Any) -> None:
    draw = command(commands, "sample", _sample, "draw architectures uniformly at random")
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


def _catalog(args: argparse.Namespace) -> Catalog:
    return find_benchmark(args.benchmark, args.artifacts)


def _benchmarks(args: argparse.Namespace) -> int:
    found = benchmarks(args.artifacts)
    if args.json:
        rows = [
            {
                "name": catalog.benchmark,
                "search_space": catalog.space.to_dict(),
                "targets": [target.name for target in catalog.targets],
                "folder": str(catalog.folder),
            }
            for catalog in found
        ]
        sys.stdout.write(json.dumps(rows, indent=1) + "\n")
        return OK
    cells = [
        [c.benchmark, c.space.name, str(c.space.n_genes), str(c.space.size), str(len(c.targets))]
        for c in found
    ]
    header = ["benchmark", "search space", "genes", "architectures", "targets"]
    write_aligned(sys.stdout, header, lambda: cells, header[2:])
    return OK


def _targets(args: argparse.Namespace) -> int:
    artifacts = _catalog(args).artifacts
    if args.json:
        rows: list[dict[str, Any]] = [
            {
                "name": a.target.name,
                "metric": a.target.metric,
                "device": a.target.device,
                "unit": a.target.unit,
                "direction": a.target.direction,
                "members": a.entry.get("members"),
            }
            for a in artifacts
        ]
        sys.stdout.write(json.dumps(rows, indent=1) + "\n")
        return OK
    header = ["target", "metric", "device", "unit", "better", "members"]
    better = {"max": "higher", "min": "lower"}
    cells = [
        [
            a.target.name,
            a.target.metric,
            a.target.device or "-",
            a.target.unit,
            better[a.target.direction],
            str(a.entry.get("members", "-")),
        ]
        for a in artifacts
    ]
    write_aligned(sys.stdout, header, lambda: cells, ["members"])
    return OK


def _query(args: argparse.Namespace) -> int:
    if not args.architectures and not args.file:
        msg = "no architectures given; name one (efficientnet-b0), an index, or --file FILE"
        raise AnbError(msg)
    surrogates = _surrogates(args)
    # One batch is encoded once and asked of every surrogate: they must share a space.
    space = _common_space([(s.target.name, s.space) for s in surrogates])
    parts = [parse_architecture(text, space) for text in args.architectures]
    parts += [
        read_architectures(
            path,
            space,
            file_format=args.format,
            ignore_extra=args.ignore_extra,
            index_column=args.index_column,
        )
        for path in args.file
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


def _sample(args: argparse.Namespace) -> int:
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
    catalog = _catalog(args)
    return catalog.space if args.target is None else catalog.find(args.target).space


def _info(args: argparse.Namespace) -> int:
    artifact = _catalog(args).find(args.target)
    if args.json:
        sys.stdout.write(json.dumps(dict(artifact.card), indent=1) + "\n")
        return OK
    write_card(sys.stdout, artifact.target.name, artifact.card)
    return OK


if __name__ == "__main__":
    sys.exit(main())
