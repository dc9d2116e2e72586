"""`anb-onnx score`: a folder of Parquet with architectures in, one with predictions out."""

from __future__ import annotations

import argparse
import sys

from anb_onnx._io.program import OK
from anb_onnx._io.progress import Progress
from anb_onnx.cli.arguments import goes_on
from anb_onnx.loading import ENGINES
from anb_onnx.scale_out.opening import BACKENDS, open_backend
from anb_onnx.scale_out.score import score

HELP = "predict targets for a folder of Parquet files, here or on a cluster"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what the command takes, but for the benchmark."""
    parser.add_argument(
        "folder", metavar="FOLDER", help="Parquet files with architectures, or one such file"
    )
    parser.add_argument(
        "--out",
        required=True,
        metavar="FOLDER",
        help="folder of predictions, a file for each row group; what is complete there is kept",
    )
    parser.add_argument(
        "--target",
        action="append",
        metavar="TARGET",
        help="a target of 'anb-onnx targets'; may be repeated (default: all of them)",
    )
    parser.add_argument("--members", action="store_true", help="write each member's prediction")
    parser.add_argument(
        "--interval",
        type=float,
        metavar="LEVEL",
        help="write where new measurements lie, too: predictive_std, lower and upper, with this "
        "share of them between the last two (0.9, for one)",
    )
    parser.add_argument("--ignore-extra", action="store_true", help="pass over unknown columns")
    parser.add_argument(
        "--index-column",
        metavar="NAME",
        help="column of indices of architectures (default: 'index', unless of row numbers)",
    )
    parser.add_argument("--engine", choices=ENGINES, default="auto", help="default: auto")
    parser.add_argument(
        "--threads",
        type=int,
        metavar="N",
        help="per call (default: all CPUs; 1 for the workers of a cluster)",
    )
    add_backend(parser)


def add_backend(parser: argparse.ArgumentParser) -> None:
    """Add the options that say where the work is done."""
    parser.add_argument(
        "--backend", choices=BACKENDS, default="local", help="default: local, this process"
    )
    where = parser.add_mutually_exclusive_group()
    where.add_argument(
        "--workers", type=int, metavar="N", help="processes to start here (default: one per CPU)"
    )
    where.add_argument(
        "--scheduler", metavar="ADDRESS", help="a cluster that runs already: tcp://host:8786"
    )
    parser.add_argument(
        "--progress",
        action="store_true",
        help="show progress on standard error, also where that is no terminal",
    )


def run(args: argparse.Namespace) -> int:
    """Run the command."""
    with (
        goes_on("parts"),
        open_backend(args.backend, workers=args.workers, address=args.scheduler) as backend,
        Progress("rows", show=args.progress) as progress,
    ):
        done = score(
            args.folder,
            args.out,
            args.target,
            benchmark=args.benchmark,
            path=args.artifacts,
            engine=args.engine,
            threads=args.threads,
            members=args.members,
            ignore_extra=args.ignore_extra,
            index_column=args.index_column,
            interval=args.interval,
            backend=backend,
            on_progress=progress,
        )
    sys.stdout.write(
        f"{done.rows} architectures in {done.parts} parts: {done.kept} were there already, "
        f"{done.damaged} were damaged and made anew\n"
    )
    return OK
