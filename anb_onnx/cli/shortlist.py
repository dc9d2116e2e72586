"""`anb-onnx shortlist`: which predicted architectures are worth a real measurement."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from anb_onnx._io.program import OK
from anb_onnx._io.show import printable, show
from anb_onnx.cli.answers import LEVEL, check_level
from anb_onnx.cli.arguments import add_benchmark, command
from anb_onnx.cli.blocks import add_progress, open_progress, read_progress
from anb_onnx.cli.formats import add_output, output_format
from anb_onnx.cli.query import add_files, check_in_format, given
from anb_onnx.cli.shortlist_question import columns_of, known_of, question_of
from anb_onnx.cli.shortlist_report import Report
from anb_onnx.cli.targets import add_with
from anb_onnx.cli.where import add_where
from anb_onnx.encoding.encoding import codes_to_indices
from anb_onnx.errors import AnbError
from anb_onnx.problems import Problem
from anb_onnx.search.settings import count

if TYPE_CHECKING:
    from anb_onnx.search.verification import Verified

Codes = npt.NDArray[np.uint8]

_K, _BUDGET, _SEED = 10, 1_000, 0


def add_command(commands: Any) -> None:
    """Add the command to those of `anb-onnx`."""
    text = "say which predicted architectures are worth a real measurement"
    parser = command(commands, "shortlist", _run, text)
    parser.add_argument(
        "targets",
        nargs="+",
        metavar="TARGET",
        help="what is to be made as good as can be: a target of 'anb-onnx targets', or several for "
        "a front",
    )
    add_where(parser)
    parser.add_argument(
        "--measure",
        action="append",
        required=True,
        metavar="TARGET",
        help="a target of these that can be measured; may be repeated. The means of all others are "
        "taken for true",
    )
    parser.add_argument(
        "-k", "--k", type=int, default=_K, metavar="N", help=f"how many to measure (default: {_K})"
    )
    parser.add_argument(
        "--rule",
        choices=("interval", "mean"),
        help="whether a prediction may turn out as its interval says, or is taken for certain "
        "(default: interval for one target, mean for a front)",
    )
    _add_known(parser)
    add_files(parser)
    parser.set_defaults(architectures=())
    _add_search(parser)
    parser.add_argument(
        "--interval",
        type=float,
        default=LEVEL,
        metavar="LEVEL",
        help="the share of new measurements between 'lower' and 'upper', which are shown; what is "
        "chosen does not depend on it (default: 0.9)",
    )
    add_benchmark(parser)
    add_with(parser)
    add_progress(parser)
    add_output(parser, ("table", "csv", "json", "jsonl", "parquet"), "table")


def _add_known(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--known",
        action="append",
        default=[],
        metavar="FILE.csv",
        help="what was measured already: what this command wrote as CSV, with a column called as "
        "each target of --measure beside it; may be repeated; '-' for standard input",
    )
    parser.add_argument(
        "--value-column",
        metavar="NAME",
        help="of --known, where one target is measured (default: the target's name)",
    )


def _add_search(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--budget",
        type=int,
        metavar="N",
        help="without --file, evaluations of the search for candidates: evolution for one target, "
        f"random for a front (default: {_BUDGET})",
    )
    parser.add_argument("--seed", type=int, metavar="N", help=f"of that search (default: {_SEED})")


def _run(args: argparse.Namespace) -> int:
    form = output_format(args)
    _check(args)
    question = question_of(args)
    check_level(question.problem.surrogates, args.interval)
    # Imported here: other commands do without.
    from anb_onnx.search.verification import verify_top

    known = known_of(args, question)
    candidates = _read(args, question.problem) if args.file else _found(args, question.problem)
    _check_enough(args.k, candidates, known, question.problem)
    shortlist = verify_top(
        question.problem,
        candidates,
        args.k,
        measure=question.names,
        rule=question.rule,
        known=known,
    )
    report = Report(
        question.problem,
        question.measured,
        question.rule,
        shortlist,
        known,
        len(candidates),
        args.interval,
    )
    report.write(args.out, form)
    if args.out is not None or form == "table":
        start = "" if args.out is not None else "\n"
        again = None if args.out is None or form != "csv" else args.out
        lines = report.lines(again, columns_of(args, question))
        sys.stdout.write(start + "".join(f"{printable(line)}\n" for line in lines))
    return OK


def _check_enough(k: int, candidates: Codes, known: Verified | None, problem: Problem) -> None:
    """Refuse to list more than there are."""
    left = set(codes_to_indices(candidates, problem.space).tolist())
    if known is not None:
        left -= set(known.indices.tolist())
    if k > len(left):
        yet = "" if known is None else " that were not measured yet"
        msg = (
            f"-k {k}: there are {len(left)} different candidates{yet}; give a smaller -k, or more "
            "candidates by --file or a larger --budget"
        )
        raise AnbError(msg)


def _check(args: argparse.Namespace) -> None:
    """Refuse what is wrong with the options together, before anything is read or searched."""
    count("-k", args.k)
    check_in_format(args)
    if args.out is not None and args.out in [*args.known, *args.file]:
        msg = f"--out {show(args.out)} would replace what is read; name another file"
        raise AnbError(msg)
    if [*args.file, *args.known].count("-") > 1:
        msg = "standard input is named twice: it is there to be read once"
        raise AnbError(msg)
    if args.value_column is not None and not args.known:
        msg = "--value-column is of the files of --known, and there is none"
        raise AnbError(msg)
    for option, value in (("--budget", args.budget), ("--seed", args.seed)):
        if args.file and value is not None:
            msg = f"{option} is of the search for candidates, and --file says what these are"
            raise AnbError(msg)


def _read(args: argparse.Namespace, problem: Problem) -> Codes:
    """Read the candidates."""
    from anb_onnx.search.verification import MOST_CANDIDATES

    blocks: list[Codes] = [np.empty((0, problem.space.n_genes), np.uint8)]
    n = 0
    with read_progress(args) as on_read:
        for codes in given(args, problem.space, on_read):
            blocks.append(codes)
            n += len(codes)
            if n > MOST_CANDIDATES:
                msg = (
                    f"--file: more than {MOST_CANDIDATES:,} candidates; give those of a predicted "
                    "front ('anb-onnx pareto'), the best ('anb-onnx optimum --k'), or a sample"
                )
                raise AnbError(msg)
    if n == 0:
        msg = f"--file {show(args.file[0])}: there are no candidates in it"
        raise AnbError(msg)
    return np.concatenate(blocks)


def _found(args: argparse.Namespace, problem: Problem) -> Codes:
    """Search for candidates."""
    from anb_onnx import search
    from anb_onnx.search.verification import MOST_CANDIDATES

    budget = count("--budget", _BUDGET if args.budget is None else args.budget, 1, MOST_CANDIDATES)
    seed = count("--seed", _SEED if args.seed is None else args.seed, 0)
    find = search.regularized_evolution if problem.n_objectives == 1 else search.random_search
    with open_progress(args, "evaluations") as progress:
        codes: Codes = find(problem, budget=budget, rng=seed, progress=progress).codes
    return codes
