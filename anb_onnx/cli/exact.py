"""The commands that answer for the whole space: optimum, pareto and rank."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from anb_onnx._io.output import open_output
from anb_onnx._io.program import OK, tell
from anb_onnx._io.progress import Progress
from anb_onnx._io.show import show
from anb_onnx.cli.arguments import add_benchmark, command
from anb_onnx.cli.formats import add_output, output_format
from anb_onnx.cli.proven import (
    Codes,
    Conditions,
    Listing,
    decimal32,
    front_facts,
    optimum_facts,
    proof_of_front,
    proof_of_list,
    proof_of_optimum,
    write_listing,
    write_ranks,
)
from anb_onnx.cli.read import parse_architecture
from anb_onnx.cli.targets import Targets, add_with
from anb_onnx.cli.where import add_where, bounds_of, number, parse_genes
from anb_onnx.errors import AnbError
from anb_onnx.parallel.shelter import import_sheltered
from anb_onnx.spaces.architecture import Architecture
from anb_onnx.surrogate import Surrogate

if TYPE_CHECKING:
    from anb_onnx.exact.results import Front, Optimum

#: Most architectures of ``--better-than``, unless more are asked for.
_LIMIT = 1_000_000

#: Who counts more is told so: it takes more than a few seconds.
_LONG = 2_000_000_000


def add_commands(commands: Any) -> None:
    """Add the commands to those of `anb-onnx`."""
    _add_optimum(commands)
    _add_pareto(commands)
    _add_rank(commands)


def _add_optimum(commands: Any) -> None:
    text = "find the best architectures of the whole space, proven"
    best = command(commands, "optimum", _optimum, text)
    best.add_argument("target", metavar="TARGET", help="a target of 'anb-onnx targets'")
    _add_conditions(best)
    many = best.add_mutually_exclusive_group()
    many.add_argument("--k", type=int, metavar="N", help="how many, best first (default: 1)")
    many.add_argument(
        "--better-than",
        metavar="VALUE",
        help="instead, all that are at least as good as this value",
    )
    best.add_argument(
        "--limit",
        type=int,
        metavar="N",
        help=f"most architectures of --better-than (default: {_LIMIT})",
    )
    best.add_argument("--worst", action="store_true", help="the worst instead of the best")
    _add_output(best)


def _add_pareto(commands: Any) -> None:
    text = "find all architectures of the whole space that no other dominates, proven"
    front = command(commands, "pareto", _pareto, text)
    front.add_argument(
        "targets",
        nargs="+",
        metavar="TARGET",
        help="two targets of 'anb-onnx targets', or three, which can take minutes",
    )
    _add_conditions(front)
    front.add_argument(
        "--plot",
        metavar="FILE",
        help="draw the front as PNG, SVG or PDF, by the file's suffix; "
        "needs pip install 'anb-onnx[plot]'",
    )
    _add_output(front)


def _add_rank(commands: Any) -> None:
    rank = command(commands, "rank", _rank, "place architectures among all of the whole space")
    rank.add_argument("target", metavar="TARGET", help="a target of 'anb-onnx targets'")
    rank.add_argument(
        "architectures",
        nargs="+",
        metavar="ARCHITECTURE",
        help="written as for 'anb-onnx query': efficientnet-b0, an index, JSON",
    )
    rank.add_argument("--threads", type=int, metavar="N", help="for counting (default: all CPUs)")
    rank.add_argument(
        "--progress", action="store_true", help="show progress also where no terminal is"
    )
    _add_output(rank)


def _add_conditions(parser: argparse.ArgumentParser) -> None:
    add_where(parser)
    parser.add_argument(
        "--gene",
        action="append",
        default=[],
        metavar="'GENE=VALUE,...'",
        help="only with one of these values of a gene; may be repeated",
    )


def _add_output(parser: argparse.ArgumentParser) -> None:
    add_benchmark(parser)
    add_with(parser)
    add_output(parser, ("table", "csv", "json", "jsonl", "parquet"), "table")


@dataclass(frozen=True, eq=False)
class _Asked:
    """What a command line asks about: surrogates, each loaded once, and conditions."""

    surrogates: tuple[Surrogate, ...]
    bounds: tuple[tuple[Surrogate, str, float], ...]
    conditions: Conditions

    def listing(self, codes: Codes) -> Listing:
        """Return architectures with the means of all targets that were named."""
        seen = {s.target.name: s for s in (*self.surrogates, *(s for s, *_ in self.bounds))}
        return Listing(self.conditions.space, codes, tuple(seen.values()))


def _asked(args: argparse.Namespace, targets: Sequence[str]) -> _Asked:
    """Load what is asked about, whatever form it has: `anb_onnx.exact` says what it takes."""
    known: dict[str, Surrogate] = {}
    place = Targets(args)

    def surrogate(name: str) -> Surrogate:
        if name not in known:
            known[name] = place.load(name)
        return known[name]

    surrogates = tuple(surrogate(name) for name in targets)
    bounds = bounds_of(args.where, surrogate)
    space = surrogates[0].space
    genes = parse_genes(args.gene, space)
    stated = tuple((s.target, operator, value) for s, operator, value in bounds)
    return _Asked(surrogates, tuple(bounds), Conditions(space, stated, genes))


def _exact(module: str = "answers") -> Any:
    """Import a module of `anb_onnx.exact`: numba, which it needs, must not be cut in half."""
    return import_sheltered(f"anb_onnx.exact.{module}")


def _optimum(args: argparse.Namespace) -> int:
    output_format(args)  # what is wrong with it is said before the search
    if args.limit is not None and args.better_than is None:
        msg = "--limit is of --better-than; --k says how many of the best are wanted"
        raise AnbError(msg)
    asked = _asked(args, [args.target])
    (surrogate,), conditions = asked.surrogates, asked.conditions
    options: dict[str, Any] = {"genes": conditions.genes}
    if args.worst:
        options["direction"] = "min" if surrogate.target.direction == "max" else "max"
    exact = _exact()
    if args.better_than is not None:
        value = number(args.better_than, f"--better-than {show(args.better_than)}")
        limit = _LIMIT if args.limit is None else args.limit
        listed = exact.enumerate(surrogate, value, asked.bounds, limit=limit, **options)
        proof = proof_of_list(listed, value, conditions)
        facts = optimum_facts(listed, conditions) | {"better_than": value}
        return _write(args, asked.listing(listed.codes), facts, "solutions", proof)
    found: Optimum = exact.optimum(
        surrogate, asked.bounds, k=1 if args.k is None else args.k, **options
    )
    codes = np.array([s.architecture.codes for s in found.solutions], dtype=np.uint8)
    facts = optimum_facts(found, conditions) | {"bound": decimal32(found.bound), "ties": found.ties}
    proof = proof_of_optimum(found, conditions)
    return _write(args, asked.listing(codes), facts, "solutions", proof)


def _pareto(args: argparse.Namespace) -> int:
    output_format(args)
    if len(args.targets) not in (2, 3):
        msg = f"a front is of two targets, or three, not of {len(args.targets)}"
        raise AnbError(msg)
    plot = None
    if args.plot is not None:
        # All that can be wrong with it, before the search.
        plot = import_sheltered("anb_onnx.cli.plot")
        plot.check(args.plot, args.targets)
    asked = _asked(args, args.targets)
    found: Front = _exact().pareto(
        list(asked.surrogates), asked.bounds, genes=asked.conditions.genes
    )
    if plot is not None:
        with open_output(args.plot) as file:
            plot.draw(file, Path(args.plot).suffix, found, asked.surrogates, asked.conditions)
    facts = front_facts(found, asked.conditions)
    proof = proof_of_front(found, asked.conditions)
    return _write(args, asked.listing(found.codes), facts, "front", proof)


def _write(
    args: argparse.Namespace, listing: Listing, facts: dict[str, Any], key: str, proof: str
) -> int:
    """Write architectures, and the proof in words: on standard output, unless that is data."""
    shape = output_format(args)
    write_listing(args.out, shape, listing, facts, key)
    if args.out is not None:
        sys.stdout.write(f"{proof}\n")
    elif shape == "table":
        sys.stdout.write(f"\n{proof}\n")
    return OK


def _rank(args: argparse.Namespace) -> int:
    output_format(args)
    surrogate = Targets(args).load(args.target)
    space = surrogate.space
    rows = [parse_architecture(text, space)[0] for text in args.architectures]
    architectures = [Architecture.from_codes(row, space=space) for row in rows]
    exact = _exact("ranks")
    ranks = []
    silent = not Progress("", show=args.progress).shown
    for architecture in architectures:
        with Progress("architectures", show=args.progress) as bar:

            def show_progress(done: Any, bar: Progress = bar) -> None:
                nonlocal silent
                if silent and done.total > _LONG:
                    tell(
                        f"counting {done.total:,} architectures, as the rank is not among what is "
                        "proven of this target; --progress shows how far"
                    )
                silent = False
                bar(done.resumed + done.done, done.total)

            options = {"threads": args.threads, "progress": show_progress}
            ranks.append(exact.rank(surrogate, architecture, **options))
    write_ranks(args.out, output_format(args), [a.index for a in architectures], ranks, space)
    return OK
