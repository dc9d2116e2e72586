"""The command of the measured set: `python -m benchmarks.digits_curves`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from anb_onnx.errors import AnbError
from benchmarks.digits_curves import measuring
from benchmarks.digits_curves.plan import plan


def main(argv: Sequence[str] | None = None) -> int:
    """Do what was asked; return 0, or 2 after an error."""
    args = _parser().parse_args(argv)
    try:
        _measure(args)
    except (AnbError, OSError) as error:
        print(f"benchmarks.digits_curves: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("interrupted; the same command goes on from here", file=sys.stderr)
        return 130
    return 0


def _measure(args: argparse.Namespace) -> None:
    drawn = plan(args.seed)
    runs = len(drawn.seed) if args.runs is None else min(args.runs, len(drawn.seed))
    measuring.measure(drawn, args.out.with_suffix(".journal"), seed=args.seed, runs=runs)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.digits_curves",
        description=sys.modules["benchmarks.digits_curves"].__doc__,
    )
    commands = parser.add_subparsers(required=True)
    measured = commands.add_parser("measure", help="train the runs of the plan")
    measured.add_argument("--out", type=Path, required=True, metavar="FILE.parquet")
    measured.add_argument(
        "--runs", type=int, metavar="N", help="the first N of the plan; default: all"
    )
    measured.add_argument(
        "--seed", type=int, default=0, metavar="N", help="of the plan; default: 0"
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
