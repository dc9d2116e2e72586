"""The commands `anb-onnx sweep` and `anb-onnx merge`."""

from __future__ import annotations

import argparse
import csv
import json
import sys
from pathlib import Path
from typing import Any, TextIO

import numpy as np

from anb_onnx import scale_out
from anb_onnx._io.output import check_output
from anb_onnx._io.program import OK
from anb_onnx._io.progress import Progress as Bar
from anb_onnx.cli.arguments import goes_on
from anb_onnx.cli.formats import own_format
from anb_onnx.cli.score import add_backend
from anb_onnx.cli.write import open_text, write_aligned
from anb_onnx.errors import AnbError
from anb_onnx.loading import load
from anb_onnx.parallel.shelter import import_sheltered
from anb_onnx.scale_out.opening import open_backend
from anb_onnx.sweep.distribution import Distribution
from anb_onnx.sweep.files import read_partial, write_partial
from anb_onnx.sweep.grid import Grid, SweepError
from anb_onnx.sweep.partial import Partial, join, words
from anb_onnx.sweep.run import Progress, sweep
from anb_onnx.sweep.shards import Shards

#: Bins unless the user asks for others.
BINS = 4096

_QUANTILES = (0.0, 0.001, 0.01, 0.1, 0.25, 0.5, 0.75, 0.9, 0.99, 0.999, 1.0)

#: What a file of this command holds, which no other reads.
_COUNTS = "counts"


def add_sweep_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of `anb-onnx sweep` but for those that name a benchmark."""
    parser.add_argument("target", metavar="TARGET")
    parser.add_argument(
        "--out",
        metavar="FILE",
        required=True,
        help="the counts; written every 10 s, and resumed where the file is there and fits",
    )
    parser.add_argument("--bins", type=int, default=BINS, metavar="N", help=f"default: {BINS}")
    parser.add_argument(
        "--low",
        type=float,
        metavar="V",
        help="least value of the bins (default: the least that any has)",
    )
    parser.add_argument(
        "--high", type=float, metavar="V", help="largest value (default: the largest)"
    )
    parser.add_argument(
        "--landmark",
        type=float,
        action="append",
        default=[],
        metavar="V",
        help="a value that gets a bin of its own; may be repeated",
    )
    part = parser.add_mutually_exclusive_group()
    part.add_argument("--shards", metavar="A:B", help="shards A to before B (default: all)")
    part.add_argument("--indices", metavar="A:B", help="the same as indices of architectures")
    parser.add_argument(
        "--threads", type=int, metavar="N", help="default: all CPUs; 1 on a cluster"
    )
    add_backend(parser)


def run_sweep(args: argparse.Namespace) -> int:
    """Run `anb-onnx sweep`."""
    own_format(args.out, None, (), _COUNTS)
    check_output(args.out)
    with load(
        args.target, benchmark=args.benchmark, path=args.artifacts, engine="numpy"
    ) as surrogate:
        ensemble, target = surrogate._ensemble, surrogate.target
        sha256 = surrogate._origin.sha256
    if ensemble is None:
        msg = f"{args.target} has no tables to sweep; give a target in table form"
        raise AnbError(msg)
    cut = Shards(ensemble.space)
    shards = _shards(args, cut)
    low, high = args.low, args.high
    if low is None or high is None:
        bounds = import_sheltered("anb_onnx.exact.ranks").extremes(ensemble)
        low, high = (bounds[0] if low is None else low), (bounds[1] if high is None else high)
    marks = tuple(map(_float32, args.landmark))
    grid = Grid(_float32(low), _float32(high), args.bins, marks)
    with goes_on("counts"), Bar("architectures", show=args.progress) as bar:

        def show(progress: Progress) -> None:
            bar(progress.resumed + progress.done, progress.total)

        options: dict[str, Any] = {"progress": show, "checkpoint": Path(args.out), "cut": cut}
        if args.backend == "local" and args.workers is None and args.scheduler is None:
            options |= {"sha256": sha256, "target": target.name, "unit": target.unit}
            part = sweep(ensemble, grid, shards, args.threads, **options)
        else:
            with open_backend(
                args.backend, workers=args.workers, address=args.scheduler
            ) as backend:
                options |= {"backend": backend, "threads": args.threads}
                part = scale_out.sweep(surrogate, grid, shards, **options)
    _summary(sys.stdout, part)
    return OK


def add_merge_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of `anb-onnx merge`."""
    parser.add_argument("files", nargs="+", metavar="FILE", help="files of 'anb-onnx sweep'")
    parser.add_argument(
        "--out",
        metavar="FILE",
        help="a file of all counts; with --json, --csv or such a suffix, the distribution so",
    )
    shape = parser.add_mutually_exclusive_group()
    shape.add_argument("--json", action="store_true", help="the distribution as JSON")
    shape.add_argument("--csv", action="store_true", help="the distribution as CSV, a line a bin")
    parser.add_argument(
        "--incomplete", action="store_true", help="put parts together that are not the whole space"
    )


def run_merge(args: argparse.Namespace) -> int:
    """Run `anb-onnx merge`."""
    given = "json" if args.json else "csv" if args.csv else None
    form = own_format(args.out, given, ("json", "csv"), _COUNTS)
    part = join([read_partial(path) for path in args.files], args.files)
    if not args.incomplete:
        part.histogram()  # proves it complete
    if form != _COUNTS:
        with open_text(args.out) as stream:
            (_write_json if form == "json" else _write_csv)(stream, part)
        return OK
    if args.out is not None:
        write_partial(args.out, part)
    _summary(sys.stdout, part)
    return OK


def _float32(value: float) -> float:
    """Return the float32 next to a value, which the user may have rounded."""
    with np.errstate(over="ignore"):  # infinite, which the grid refuses
        return float(np.float32(value))


def _shards(args: argparse.Namespace, cut: Shards) -> range | None:
    if args.indices is not None:
        start, stop = _range(args.indices, "--indices")
        for name, index in (("first", start), ("last", stop)):
            if index % cut.size:
                near = round(index / cut.size) * cut.size
                msg = (
                    f"--indices: the {name} number, {index}, is on no border of shards, which have "
                    f"{cut.size} architectures; the nearest is {near}"
                )
                raise SweepError(msg)
        return range(start // cut.size, stop // cut.size)
    return None if args.shards is None else range(*_range(args.shards, "--shards"))


def _range(text: str, option: str) -> tuple[int, int]:
    parts = text.split(":")
    if len(parts) != 2 or not all(p.isascii() and p.isdigit() and len(p) < 400 for p in parts):
        msg = f"{option} must be two numbers A:B, not {text!r}"
        raise SweepError(msg)
    return int(parts[0]), int(parts[1])


def _summary(stream: TextIO, part: Partial) -> None:
    """Write what was counted, and quantiles where it is the whole space."""
    subject = part.subject
    name = subject.target or "tables"
    of = f"{part.n_shards} of {subject.n_shards} shards" if part.missing else "every one"
    stream.write(f"{name}: {part.total} architectures of {subject.space} counted, {of}\n")
    if part.missing:
        stream.write(f"missing: {words(part.missing)}\n")
        return
    found = Distribution.of(part.histogram())
    rows = [[f"{q:g}", *_pair(found, q)] for q in _QUANTILES]
    write_aligned(stream, ["quantile", "from", "to"], lambda: rows, ["quantile", "from", "to"])
    for label, attribute in (("mean", "mean"), ("standard deviation", "std")):
        if found.below == found.above == 0:
            low, high = getattr(found, attribute)
            stream.write(f"{label} {low:.6g} to {high:.6g} {subject.unit}".rstrip() + "\n")


def _pair(found: Distribution, q: float) -> tuple[str, str]:
    try:
        low, high = found.quantile(q)
    except SweepError:  # outside the bins that were asked for
        return "-", "-"
    return str(np.float32(low)), str(np.float32(high))


def _write_json(stream: TextIO, part: Partial) -> None:
    subject, grid = part.subject, part.grid
    document: dict[str, Any] = {
        "target": subject.target,
        "unit": subject.unit,
        "space": subject.space,
        "sha256": subject.sha256,
        "total": part.total,
        "missing": [list(run) for run in part.missing],
        "below": part.below,
        "above": part.above,
        "edges": grid.edges.astype(float).tolist(),
        "counts": part.counts.tolist(),
    }
    stream.write(json.dumps(document) + "\n")


def _write_csv(stream: TextIO, part: Partial) -> None:
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(["from", "to_below", "count"])
    edges = part.grid.edges
    writer.writerow(["", str(edges[0]), part.below])
    for low, high, count in zip(edges, edges[1:], part.counts.tolist(), strict=False):
        writer.writerow([str(low), str(high), count])
    writer.writerow([str(edges[-1]), "", part.above])
