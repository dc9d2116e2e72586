"""The command `anb-onnx`: list, query, score, sample, sweep, explain, verify from a shell."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from typing import Any

from anb_onnx import __version__
from anb_onnx._io.help_text import grouped
from anb_onnx._io.program import OK, Parser, run
from anb_onnx.catalog.benchmarks import benchmarks, find_benchmark
from anb_onnx.catalog.catalog import Catalog
from anb_onnx.cli import completion, info, query, sample, score, shortlist
from anb_onnx.cli.adapt import add_commands as add_adapt_commands
from anb_onnx.cli.arguments import add_benchmark, add_folder, command
from anb_onnx.cli.compare import add_command as add_compare_command
from anb_onnx.cli.completing import answer, asked, options_first
from anb_onnx.cli.exact import add_commands as add_exact_commands
from anb_onnx.cli.examples import GROUPS
from anb_onnx.cli.search import add_commands as add_search_commands
from anb_onnx.cli.sweep import add_merge_arguments, add_sweep_arguments, run_merge, run_sweep
from anb_onnx.cli.verify import verify
from anb_onnx.cli.write import write_aligned
from anb_onnx.loading import ENGINES

_PROGRAM = "anb-onnx"


def main(argv: Sequence[str] | None = None, *, program: str = _PROGRAM) -> int:
    """Run the command line.

    Parameters
    ----------
    argv : sequence of str, optional
        Arguments without the program's name; those of the process if not given.
    program : str
        What was typed, for messages and help.

    Returns
    -------
    int
        0 where all went well, 1 where `verify` found a damaged artifact, 2 after an error of
        the user or with full or closed streams (one line on standard error), 130 after Ctrl-C,
        141 where whoever read the output stopped.
    """
    return run(program, lambda: _main(argv, program))


def _main(argv: Sequence[str] | None, program: str) -> int:
    parser = _parser(program)
    if asked():
        answer(parser, completion.values)
    args = parser.parse_args(argv)
    return int(args.run(args))


class _Parser(Parser):
    """Lets options stand between arguments."""

    _mixing = False

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        # Sub-commands are parsed through this method, and argparse by itself takes
        # `query 1 --json 2` for a mistake. Its intermixed parsing calls this method in turn.
        if self._mixing or self._subparsers is not None:
            return super().parse_known_args(args, namespace)
        if asked():  # argcomplete has a way of parsing of its own, which mixes nothing
            return super().parse_known_args(options_first(self, args), namespace)
        self._mixing = True
        try:
            return self.parse_known_intermixed_args(args, namespace)
        finally:
            self._mixing = False


def _parser(program: str = _PROGRAM) -> argparse.ArgumentParser:
    parser = _Parser(
        prog=program,
        usage=f"{program} [-h] [--version] COMMAND ...",
        description="Predict accuracy and device performance of architectures by surrogates.",
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"{_PROGRAM} {__version__}")
    commands = parser.add_subparsers(
        dest="command", required=True, metavar="COMMAND", prog=program, help=argparse.SUPPRESS
    )

    listing = command(commands, "benchmarks", _benchmarks, "list the benchmarks")
    add_folder(listing)
    listing.add_argument("--json", action="store_true", help="print JSON")

    listing = command(commands, "targets", _targets, "list the targets of a benchmark")
    add_benchmark(listing)
    listing.add_argument("--json", action="store_true", help="print JSON")

    query.add_command(commands)
    sample.add_command(commands)
    add_exact_commands(commands)
    add_adapt_commands(commands)
    shortlist.add_command(commands)
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

    info.add_command(commands)
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
    completion.add_command(commands)
    parser.epilog = grouped(commands, GROUPS)
    return parser


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


if __name__ == "__main__":
    sys.exit(main())
