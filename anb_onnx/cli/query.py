"""`anb-onnx query`: predictions of targets for architectures."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from anb_onnx._io.input import check_rows
from anb_onnx._io.program import OK
from anb_onnx._io.show import printable
from anb_onnx.cli.answers import LEVEL, Answer, ask, check_level
from anb_onnx.cli.answers_table import Answers, write_table
from anb_onnx.cli.arguments import add_benchmark, command
from anb_onnx.cli.blocks import add_progress, merged, peeked, read_progress
from anb_onnx.cli.columns import Column, architecture_columns
from anb_onnx.cli.fidelity import add_fidelity, read_fidelity
from anb_onnx.cli.formats import add_output, output_format
from anb_onnx.cli.notes import write_notes
from anb_onnx.cli.read import FORMATS, parse_architecture, read_blocks
from anb_onnx.cli.tables import Blocks, write_csv, write_json, write_json_lines, write_parquet
from anb_onnx.cli.targets import Targets, add_with
from anb_onnx.cli.write import open_binary, open_text
from anb_onnx.errors import AnbError
from anb_onnx.loading import ENGINES, load
from anb_onnx.spaces.space import SearchSpace
from anb_onnx.surrogate import Surrogate

Codes = npt.NDArray[np.uint8]

# Few enough that sixty columns of answers take little; enough that each step does much.
_BLOCK_ROWS = 2**15


def add_command(commands: Any) -> None:
    """Add the command."""
    query = command(commands, "query", _run, "predict targets for architectures")
    query.add_argument(
        "architectures",
        nargs="*",
        metavar="ARCHITECTURE",
        help="an index, or the values of the genes: a JSON object by name or a list in their "
        "order; '-' for standard input; for mnasnet also efficientnet-b0 or four lists "
        "'[[expansion...],[kernel...],[layers...],[se...]]', for nasbench201 '|op~0|+|op~0|...'",
    )
    add_files(query)
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
    query.add_argument(
        "--interval",
        type=float,
        default=LEVEL,
        metavar="LEVEL",
        help="the share of new measurements between 'lower' and 'upper' (default: 0.9)",
    )
    add_fidelity(query)
    add_progress(query)
    add_output(query, ("table", "csv", "json", "jsonl", "parquet"), "table")


def add_files(query: argparse.ArgumentParser) -> None:
    """Add ``--file`` and what says how files are read."""
    query.add_argument(
        "--file",
        action="append",
        default=[],
        metavar="FILE",
        help="architectures from a JSON, JSON-lines, CSV or Parquet file, '-' for standard input "
        "(JSON, JSON lines or CSV); CSV and Parquet need a column per gene or one 'index'",
    )
    query.add_argument(
        "--in-format",
        "--format",
        dest="in_format",
        choices=FORMATS,
        metavar="FORMAT",
        help=f"format of the input, of --file and '-': {', '.join(FORMATS[:-1])} or {FORMATS[-1]} "
        "(default: by the suffix, or by what is there)",
    )
    query.add_argument("--ignore-extra", action="store_true", help="pass over unknown columns")
    query.add_argument(
        "--index-column",
        metavar="NAME",
        help="column of indices of architectures (default: 'index', unless of row numbers)",
    )


def _run(args: argparse.Namespace) -> int:
    if not args.architectures and not args.file:
        msg = "no architectures given; name one (efficientnet-b0), an index, --file FILE, or -"
        raise AnbError(msg)
    form = output_format(args)
    check_in_format(args)
    surrogates = _surrogates(args)
    check_level(surrogates, args.interval)
    # One batch is encoded once and asked of every surrogate: they must share a space.
    space = _common_space([(s.target.name, s.space) for s in surrogates])
    options = {"members": args.members, "fidelity": read_fidelity(args.fidelity, surrogates)}

    def answers(blocks: Iterable[Codes]) -> Answers:
        for codes in blocks:
            yield codes, [ask(s, codes, args.interval, **options) for s in surrogates]

    with read_progress(args) as on_read:
        blocks = merged(given(args, space, on_read), _BLOCK_ROWS, space.n_genes)
        first, found = peeked(answers(blocks))
        if form == "table":
            with open_text(args.out) as stream:
                write_table(stream, found, space)
                write_notes(stream, surrogates, args.interval, fidelity=options["fidelity"])
        else:
            _write(args.out, form, found, first[1], space)
    return OK


def check_in_format(args: argparse.Namespace) -> None:
    """Refuse a format of an input that is not there: the answers' is meant, or nothing."""
    if args.in_format is None or args.file or "-" in args.architectures:
        return
    msg = (
        f"--in-format {args.in_format} (--format for short) is that of the input, --file or '-', "
        f"and there is none; --out-format {{{','.join(args.out_formats)}}} is that of the answers"
    )
    raise AnbError(msg)


def given(
    args: argparse.Namespace, space: SearchSpace, on_read: Callable[[int], None]
) -> Iterator[Codes]:
    """Yield the codes of what was named, in its order: arguments before files."""
    rows = 0
    texts = [text for text in args.architectures if text != "-"]
    if texts:
        rows = len(texts)
        check_rows(rows)
        yield np.concatenate([parse_architecture(text, space) for text in texts])
    paths = ["-"] * ("-" in args.architectures) + args.file
    if paths.count("-") > 1 or args.architectures.count("-") > 1:
        msg = "standard input is named twice: it is there to be read once"
        raise AnbError(msg)
    for path in paths:
        blocks = read_blocks(
            path,
            space,
            file_format=args.in_format,
            ignore_extra=args.ignore_extra,
            index_column=args.index_column,
            answers=_names_of_answers(args),
            believe=partial(_are_answers, args),
            on_read=on_read,
        )
        for codes in blocks:
            rows += len(codes)
            check_rows(rows)
            yield codes


def _names_of_answers(args: argparse.Namespace) -> frozenset[str]:
    """Return the names of all targets that are known, which the page's files have as columns."""
    try:
        return frozenset(Targets(args).names())
    except AnbError:  # no benchmark is there: --model does without
        return frozenset()


def _are_answers(args: argparse.Namespace, codes: Codes, means: dict[str, list[str]]) -> bool:
    """Say whether means, as text by column, are those of architectures: then these are meant."""
    place = Targets(args)
    known = {f"{printable(name)}_mean": name for name in _names_of_answers(args)}
    compared = False
    for column, texts in means.items():
        if column not in known or not texts:
            continue
        with place.load(known[column], engine="auto") as surrogate:
            values = surrogate.query(codes[: len(texts)]).mean
        try:
            if not np.array_equal(np.array(texts, np.float32), values):
                return False
        except ValueError:
            return False
        compared = True
    return compared


def _columns(answers: Answers, space: SearchSpace, *, genes: bool = False) -> Blocks:
    for codes, block in answers:
        found = architecture_columns(codes, space, genes=genes)
        yield [*found, *(column for answer in block for column in answer.columns())]


def _write(
    out: str | None, form: str, answers: Answers, targets: Sequence[Answer], space: SearchSpace
) -> None:
    if form == "parquet":
        metadata = {
            "anb_onnx.units": json.dumps({a.target: a.unit for a in targets}),
            "anb_onnx.levels": json.dumps({a.target: a.level for a in targets}),
        }
        with open_binary(out) as file:
            write_parquet(file, _columns(answers, space), metadata)
        return
    with open_text(out) as stream:
        if form == "csv":
            write_csv(stream, _columns(answers, space))
        else:
            write = write_json if form == "json" else write_json_lines
            write(stream, _columns(answers, space, genes=True), partial(_item, targets, space))


def _item(targets: Sequence[Answer], space: SearchSpace, columns: Sequence[Column]) -> Any:
    """Return what an architecture and its answers are in JSON."""
    index, *rest = columns
    genes, rest = rest[: space.n_genes], rest[space.n_genes :]
    predictions = {}
    for answer in targets:
        n_numbers, n_members = len(answer.numbers()), len(answer.members)
        numbers, members, rest = (
            rest[:n_numbers],
            rest[n_numbers : n_numbers + n_members],
            rest[n_numbers + n_members :],
        )
        predictions[answer.target] = {
            **dict(zip(answer.numbers(), numbers, strict=True)),
            "level": answer.level,
            "unit": answer.unit,
            **({"members": members} if members else {}),
        }
    return {
        "index": index,
        "architecture": {gene.name: gene for gene in genes},
        "predictions": predictions,
    }


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
