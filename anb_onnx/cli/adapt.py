"""The commands for a device of one's own: which architectures to measure, and what they tell."""

from __future__ import annotations

import argparse
import json
import os
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from anb_onnx._io.input import check_rows
from anb_onnx._io.program import OK
from anb_onnx._io.show import printable, show
from anb_onnx.catalog.benchmarks import DEFAULT_BENCHMARK, benchmarks
from anb_onnx.catalog.card import BENCHMARK
from anb_onnx.catalog.manifest import MANIFEST
from anb_onnx.cli.adapt_report import Report
from anb_onnx.cli.arguments import add_benchmark, command
from anb_onnx.cli.formats import add_output, output_format
from anb_onnx.cli.measured import MeasuredFile, read_measured, write_to_measure
from anb_onnx.cli.targets import Targets, add_with
from anb_onnx.errors import AnbError
from anb_onnx.few_shot.measurements import measurements
from anb_onnx.spaces.ready import READY, ready_made
from anb_onnx.spaces.space import SearchSpace
from anb_onnx.surrogate import Surrogate

#: How many architectures to measure, unless told otherwise.
_N = 20


def add_commands(commands: Any) -> None:
    """Add the commands to those of `anb-onnx`."""
    text = "say which architectures to measure on a device of your own"
    suggesting = command(commands, "suggest", _suggest, text)
    suggesting.add_argument("-n", type=int, default=_N, help=f"how many (default: {_N})")
    suggesting.add_argument(
        "--measured",
        metavar="FILE.csv",
        help="measurements that are there already, as for 'anb-onnx adapt'; they are not repeated",
    )
    _add_shared(suggesting)
    add_output(suggesting, ("csv", "json", "jsonl", "parquet"), "csv")

    text = "make a surrogate of a device of your own from a few measurements"
    adapting = command(commands, "adapt", _adapt, text)
    adapting.add_argument(
        "measured",
        metavar="FILE.csv",
        help="what 'anb-onnx suggest' wrote, with a column 'value' beside it, and if you like "
        "'std' (of one measurement) and 'repeats'; '-' for standard input",
    )
    _add_target(adapting)
    _add_shared(adapting)
    adapting.add_argument("--json", action="store_true", help="print JSON")
    adapting.add_argument(
        "--out",
        required=True,
        metavar="FOLDER",
        help="write the surrogate into this folder, beside what is there",
    )


def _add_target(adapting: argparse.ArgumentParser) -> None:
    adapting.add_argument("--device", metavar="NAME", help="what was measured, as in my-phone")
    adapting.add_argument(
        "--metric",
        required=True,
        metavar="NAME",
        help="latency, throughput, energy, or another one with --direction",
    )
    adapting.add_argument(
        "--unit", required=True, metavar="UNIT", help="of the values: ms, images/s, mJ and so on"
    )
    adapting.add_argument(
        "--direction",
        choices=("min", "max"),
        help="of other metrics: min for what adds up as times do, max for a rate",
    )


def _add_shared(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--source",
        action="append",
        default=[],
        metavar="TARGET",
        help="a target of a device to learn from; may be repeated (default: those of all devices)",
    )
    parser.add_argument("--seed", type=int, default=0, help="default: 0")
    parser.add_argument(
        "--value-column", default="value", metavar="NAME", help="of FILE.csv (default: value)"
    )
    parser.add_argument(
        "--index-column",
        metavar="NAME",
        help="column of FILE.csv that holds indices of architectures",
    )
    parser.add_argument("--ignore-extra", action="store_true", help="pass over unknown columns")
    parser.add_argument(
        "--space",
        choices=READY,
        metavar="NAME",
        help=f"a search space instead of a benchmark's: {', '.join(READY)}; without a benchmark of "
        "it there are no devices to learn from",
    )
    add_benchmark(parser)
    add_with(parser)


def _place(args: argparse.Namespace) -> tuple[SearchSpace, Sequence[str | Surrogate] | None]:
    """Return the search space, and what to learn from: None for what is installed."""
    chosen = {
        "--benchmark": args.benchmark,
        "--artifacts": args.artifacts,
        "--with": args.beside,
    }
    given = [option for option, value in chosen.items() if value]
    if args.space is not None:
        if given:
            msg = f"--space and {given[0]} cannot both say which search space is meant"
            raise AnbError(msg)
        space = ready_made(args.space)
        assert space is not None  # one of the choices
        return space, args.source or None
    targets = Targets(args)
    if not given and not args.source:
        return targets.space, None
    return targets.space, [targets.load(n) for n in args.source or targets.names_of_devices()]


def _read(path: str, args: argparse.Namespace, space: SearchSpace) -> MeasuredFile:
    return read_measured(
        path,
        space,
        value=args.value_column,
        index_column=args.index_column,
        ignore_extra=args.ignore_extra,
    )


def _suggest(args: argparse.Namespace) -> int:
    check_rows(args.n)
    form = output_format(args)
    if args.out is not None and args.out == args.measured:
        msg = f"--out {show(args.out)} would replace the measurements; name another file"
        raise AnbError(msg)
    space, sources = _place(args)
    known = None if args.measured is None else _read(args.measured, args, space).codes
    # Imported here, as below: other commands do without.
    from anb_onnx.few_shot.adapting import suggest

    codes = suggest(args.n, space=space, sources=sources, measured=known, seed=args.seed)
    write_to_measure(args.out, form, codes, space)
    if args.out is not None:
        file = printable(shlex.quote(args.out))
        sys.stdout.write(
            f"{len(codes)} architectures of {space.name} to measure, the most telling first. Add a "
            f"column 'value' to {file}, then\n"
            f"  anb-onnx adapt {file}{printable(_again(args))} --device my-device "
            "--metric latency --unit ms --out my-device/\n"
        )
    return OK


def _again(args: argparse.Namespace) -> str:
    """Return the options, a space before each, by which `adapt` learns from the same devices."""
    given = [
        ("--space", [args.space]),
        ("--benchmark", [args.benchmark]),
        ("--artifacts", [args.artifacts]),
        ("--with", args.beside),
        ("--source", args.source),
    ]
    return "".join(
        f" {option} {shlex.quote(value)}" for option, values in given for value in values if value
    )


def _adapt(args: argparse.Namespace) -> int:
    _check_folder(args.out)
    space, sources = _place(args)
    file = _read(args.measured, args, space)
    checked = measurements(
        file.codes,
        file.values,
        std=file.std,
        repeats=file.repeats,
        metric=args.metric,
        unit=args.unit,
        device=args.device,
        direction=args.direction,
        space=space,
        place=file.place,
    )
    from anb_onnx.few_shot.adapting import adapted

    with adapted(checked, sources=sources, seed=args.seed) as surrogate:
        path = surrogate.save(args.out)
        report = Report(surrogate, path, file, len(checked), _beside(args, space))
    if args.json:
        sys.stdout.write(json.dumps(report.facts(), indent=1) + "\n")
    else:
        sys.stdout.writelines(f"{printable(line)}\n" for line in report.lines())
    return OK


def _check_folder(out: str) -> None:
    """Refuse a folder that a benchmark cannot have, before anything is read."""
    folder = Path(out)
    if os.path.lexists(folder) and not folder.is_dir():
        msg = f"--out {show(out)}: it is no folder; name another one"
        raise AnbError(msg)
    # An empty text is the current folder for a Path, but not for who typed it.
    fits = BENCHMARK.fullmatch(folder.absolute().name) or os.path.lexists(folder / MANIFEST)
    if not out or not fits:
        msg = (
            f"--out {show(out)}: the folder is called as the benchmark in it, by 1 to 64 of the "
            "characters a-z, 0-9, '.', '_' and '-', a letter or digit first, as in --out my-phone/"
        )
        raise AnbError(msg)


def _beside(args: argparse.Namespace, space: SearchSpace) -> str | None:
    """Return an accuracy of a search space as a command names it, benchmark and all, if any."""
    place = "" if args.artifacts is None else f" --artifacts {shlex.quote(args.artifacts)}"
    for catalog in benchmarks(args.artifacts):
        names = [t.name for t in catalog.targets if t.metric.startswith("accuracy")]
        if catalog.space == space and names:
            is_default = catalog.benchmark == DEFAULT_BENCHMARK
            which = "" if is_default else f" --benchmark {catalog.benchmark}"
            return f"{shlex.quote(names[0])}{place}{which}"
    return None
