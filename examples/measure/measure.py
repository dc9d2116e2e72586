"""Measures the latency of MnasNet architectures in onnxruntime on this machine's CPU.

    anb-onnx suggest -n 20 --out to_measure.csv
    python examples/measure/measure.py --architectures to_measure.csv --out measured.csv
    anb-onnx adapt measured.csv --device my-cpu --metric latency --unit ms --out my-cpu

Every round visits all architectures. `measured.csv` is whole after each round, so that Ctrl-C at
any time leaves a file to work with; the same command goes on from there, and more `--rounds` add
to what was measured.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from latency import (
    CLOCKS,
    STATISTICS,
    Codes,
    Journal,
    Settings,
    Times,
    measure,
    summary,
    summary_of_joules,
)
from meters import METERS, open_meter
from tables import read_architectures, write_measured

from anb_onnx import AnbError

ROUNDS = 15


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what `settings_of` reads, and --rounds, --statistic and --progress."""
    defaults = Settings()
    parser.add_argument("--threads", type=int, default=defaults.threads, help="default: 1")
    parser.add_argument(
        "--rounds", type=int, default=ROUNDS, help=f"visits of each (default: {ROUNDS}; least: 2)"
    )
    parser.add_argument(
        "--runs", type=int, default=defaults.runs, help=f"of a visit (default: {defaults.runs})"
    )
    parser.add_argument(
        "--warm-up",
        type=int,
        default=defaults.warm_up,
        help=f"unmeasured runs before (default: {defaults.warm_up})",
    )
    parser.add_argument(
        "--side", type=int, default=defaults.side, help=f"of the image (default: {defaults.side})"
    )
    parser.add_argument(
        "--statistic",
        choices=list(STATISTICS),
        default="decile",
        help="how long it takes undisturbed, or there and then (default: decile)",
    )
    parser.add_argument(
        "--clock",
        choices=list(CLOCKS),
        default="wall",
        help="thread: processor time, for crowded machines; with --threads 1 (default: wall)",
    )
    parser.add_argument(
        "--energy",
        choices=METERS,
        help="measure the joules of a run, too, into OUT_joules.csv (default: off)",
    )
    parser.add_argument("--seed", type=int, default=defaults.seed, help="default: 0")
    parser.add_argument("--progress", action="store_true", help="show it also where no terminal is")


def settings_of(args: argparse.Namespace) -> Settings:
    """Return the settings that the arguments state."""
    return Settings(
        args.threads, args.runs, args.warm_up, args.side, args.seed, args.clock, args.energy
    )


def measure_to(out: Path, codes: Codes, args: argparse.Namespace) -> Times:
    """Measure, write `out` after every round, and return the times [n, rounds, runs] in ms.

    The journal of all runs stands beside `out`. The arguments are those of `add_arguments`.

    Raises
    ------
    MeasureError
        If a setting is wrong, or the journal is that of something else.
    MeterError
        If the meter that is asked for is missing here.
    """

    def write(times: Times) -> None:
        if times.shape[1] > 1:  # a single round knows no noise
            write_measured(out, codes, *summary(times, args.statistic))
            if args.energy is not None:
                joules = summary_of_joules(journal.joules(times.shape[1]))
                write_measured(out.with_name(f"{out.stem}_joules{out.suffix}"), codes, *joules)

    if args.energy is not None:
        open_meter(args.energy)  # missing, it leaves no journal behind
    journal = Journal(out.with_name(f"{out.name}.journal"), codes, settings_of(args))
    show = Progress(out.name) if args.progress or sys.stderr.isatty() else None
    return measure(journal, args.rounds, report=show, after_round=write)


class Progress:
    """A line on standard error that is written over and over, or one for every tenth elsewhere."""

    def __init__(self, name: str) -> None:
        self._name, self._terminal, self._said = name, sys.stderr.isatty(), -1

    def __call__(self, done: int, total: int) -> None:
        """Say that so many visits are done."""
        tenth = 10 * done // total
        if self._terminal or tenth > self._said:
            end = "\r" if self._terminal and done < total else "\n"
            print(f"{self._name}: {done} of {total} visits", end=end, file=sys.stderr, flush=True)
            self._said = tenth


def end(program: str, work: Callable[[], None]) -> int:
    """Run, and return the exit code; errors of the user and Ctrl-C are one line."""
    try:
        work()
    except AnbError as error:
        print(f"{program}: error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print(f"\n{program}: stopped; the same command goes on", file=sys.stderr)
        return 130
    return 0


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command."""
    parser = argparse.ArgumentParser(prog="measure.py", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--architectures", type=Path, required=True, metavar="FILE.csv")
    parser.add_argument("--out", type=Path, required=True, metavar="FILE.csv")
    add_arguments(parser)
    args = parser.parse_args(argv)

    def work() -> None:
        codes = read_architectures(args.architectures)
        measure_to(args.out, codes, args)

    return end("measure.py", work)


if __name__ == "__main__":
    sys.exit(main())
