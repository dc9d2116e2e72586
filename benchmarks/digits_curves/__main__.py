"""The command of the measured set: `python -m benchmarks.digits_curves`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from anb_onnx.errors import AnbError
from benchmarks.digits_curves import files, measuring
from benchmarks.digits_curves.plan import plan


def main(argv: Sequence[str] | None = None) -> int:
    """Do what was asked; return 0, or 2 after an error."""
    args = _parser().parse_args(argv)
    try:
        args.run(args)
    except (AnbError, OSError) as error:
        print(f"benchmarks.digits_curves: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("interrupted; the same command goes on from here", file=sys.stderr)
        return 130
    return 0


def _measure(args: argparse.Namespace) -> None:
    drawn = plan(args.seed)
    journal = args.out.with_suffix(".journal")
    runs = len(drawn.seed) if args.runs is None else min(args.runs, len(drawn.seed))
    measuring.measure(drawn, journal, seed=args.seed, runs=runs)
    print(f"{args.out}: {files.write(args.out, drawn, journal)} runs")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.digits_curves",
        description="Learning curves and training times of small networks, measured here.",
    )
    commands = parser.add_subparsers(required=True)
    measured = commands.add_parser("measure", help="train the runs of the plan")
    measured.add_argument(
        "--out", type=Path, required=True, metavar="FILE.parquet",
        help="written at the end; runs are kept in FILE.journal meanwhile, which is continued",
    )  # fmt: skip
    measured.add_argument(
        "--runs", type=int, metavar="N", help="the first N of the plan; default: all"
    )
    measured.add_argument(
        "--seed", type=int, default=0, metavar="N", help="of the plan; default: 0"
    )
    measured.set_defaults(run=_measure)
    return parser


if __name__ == "__main__":
    sys.exit(main())
