"""The most accurate cell under a predicted latency: `python -m benchmarks.few_shot_search`.

As in table 4 of HELP (Lee et al., NeurIPS 2021): a device is measured at ten architectures of
NAS-Bench-201, its latency is predicted from them, and of the architectures that are predicted to
be fast enough the most accurate on CIFAR-100 is taken, whose latency and accuracy are then looked
up. Once among all 15,625, and once, like for like, among the 500 that MetaD2A proposed to HELP.
With a margin it is the upper end of the 90 % interval that must be fast enough.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from anb_export.reports.markdown import table
from numpy.typing import NDArray

from anb_onnx.errors import AnbError
from benchmarks.few_shot import methods, report
from benchmarks.few_shot.__main__ import LOOK, ROOT
from benchmarks.few_shot.cells import DESIGNS, samples_of
from benchmarks.few_shot.measured import Measured, read
from benchmarks.few_shot.scores import Guess
from benchmarks.few_shot.tasks import HELP

Floats = NDArray[np.float64]
Rows = NDArray[np.int64]

SPACE = "nasbench201"
#: How many architectures are measured: HELP's ten, without its ten references.
SAMPLES = 10


@dataclass(frozen=True)
class Limit:
    """A constraint of the table, and what HELP found under it: true latency and accuracy."""

    device: str
    ms: float
    help_ms: float | None = None
    help_accuracy: float | None = None


#: Name of the candidates that are the whole space.
EVERYTHING = "all"

#: HELP's table 4, as in the README of HayeonLee/HELP.
LIMITS = (
    Limit("titan_rtx_256", 18.0, 17.8, 69.7),
    Limit("titan_rtx_256", 21.0, 18.9, 71.5),
    Limit("titan_rtx_256", 25.0, 24.2, 71.8),
    Limit("gold_6226", 8.0, 8.0, 67.3),
    Limit("gold_6226", 11.0, 10.7, 70.2),
    Limit("gold_6226", 14.0, 14.3, 72.1),
    Limit("pixel2", 14.0, 13.0, 69.7),
    Limit("pixel2", 18.0, 19.0, 71.8),
    Limit("pixel2", 22.0, 25.0, 73.2),
    Limit("eyeriss", 5.0, 3.9, 71.5),
    Limit("eyeriss", 7.0, 5.1, 71.8),
    Limit("eyeriss", 9.0, 9.1, 73.5),
    Limit("fpga", 4.0, 3.8, 70.2),
    Limit("fpga", 5.0, 4.7, 71.8),
    Limit("fpga", 6.0, 7.4, 73.5),
)
#: Shares of the architectures that fulfil the constraints of the devices that are no test devices.
_SHARES = (0.1, 0.3, 0.6)


@dataclass(frozen=True, eq=False)
class Candidates:
    """Architectures to choose from: rows of the measurements, and the accuracy of each in %."""

    name: str
    rows: Rows
    accuracy: Floats


@dataclass(frozen=True)
class Outcome:
    """What came of a constraint over the draws.

    `kept` is the share of draws in which the chosen one truly is fast enough, `none` of those in
    which nothing was predicted to be; `ms`, `accuracy` are means of what was chosen; `best` is the
    accuracy of who knows all latencies.
    """

    limit: Limit
    candidates: str
    design: str
    margin: bool
    kept: float
    none: float
    ms: float
    accuracy: float
    best: float


def limits(role: str, measured: Measured) -> Iterator[Limit]:
    """Yield the constraints of a role: HELP's of its test devices, else by shares of the pool."""
    if role == "test":
        yield from LIMITS
        return
    for device in HELP[SPACE][role]:
        times = measured.devices[device].times[measured.pool]
        for share in _SHARES:
            yield Limit(device, float(f"{np.quantile(times, share):.3g}"))


def choose(guess: Guess, limit: float, candidates: Candidates, *, margin: bool) -> int | None:
    """Return the place among the candidates of the most accurate that is predicted fast enough."""
    times = guess.upper if margin and guess.upper is not None else guess.times
    fits = np.flatnonzero(times[candidates.rows] <= limit)
    return int(fits[np.argmax(candidates.accuracy[fits])]) if len(fits) else None


def outcome(
    limit: Limit,
    guesses: Sequence[Guess],
    times: Floats,
    candidates: Candidates,
    design: str,
    *,
    margin: bool,
) -> Outcome:
    """Choose once for each draw's prediction, and look up what was chosen."""
    chosen = [choose(guess, limit.ms, candidates, margin=margin) for guess in guesses]
    found = np.array([place for place in chosen if place is not None], dtype=np.int64)
    ms, accuracy = times[candidates.rows[found]], candidates.accuracy[found]
    best = candidates.accuracy[times[candidates.rows] <= limit.ms].max()
    return Outcome(
        limit, candidates.name, design, margin,
        kept=float(np.sum(ms <= limit.ms)) / len(guesses),
        none=1 - len(found) / len(guesses),
        ms=float(ms.mean()) if len(found) else float("nan"),
        accuracy=float(accuracy.mean()) if len(found) else float("nan"),
        best=float(best),
    )  # fmt: skip


def outcomes(
    measured: Measured, role: str, several: Sequence[Candidates], draws: int
) -> Iterator[Outcome]:
    """Yield what comes of every constraint, design, set of candidates, and margin."""
    known = [methods.source(SPACE, name) for name in HELP[SPACE]["train"]]
    of_role = list(limits(role, measured))
    for device in dict.fromkeys(limit.device for limit in of_role):
        target = measured.devices[device]
        for design in DESIGNS:
            guesses = []
            for draw in range(draws):
                samples = samples_of(design, measured, measured.pool, SAMPLES, known, draw)
                guesses.append(methods.adapted(measured, target, samples, known, draw))
            for limit in of_role:
                for candidates in several if limit.device == device else ():
                    for margin in (False, True):
                        yield outcome(
                            limit, guesses, target.times, candidates, design, margin=margin
                        )


def candidates_of(measured: Measured, data: Path) -> list[Candidates]:
    """Return all architectures with NAS-Bench-201's accuracies, and MetaD2A's with HELP's.

    Raises
    ------
    AnbError
        If a file of the data is missing.
    """
    files = [data / "seeds" / name for name in ("hwnas_nb201.npz", "help_nb201.npz")]
    for file in files:
        if not file.is_file():
            msg = f"no accuracies at {file}; --data names the folder that has seeds/"
            raise AnbError(msg)
    with np.load(files[0]) as found:
        accuracy = np.nanmean(found["acc_cifar100"], axis=1)
    with np.load(files[1]) as found:
        rows, proposed = found["metad2a_idx"], found["metad2a_cifar100_acc"]
    return [
        Candidates(EVERYTHING, np.arange(len(measured.codes)), accuracy),
        Candidates("MetaD2A's 500", rows.astype(np.int64), proposed.astype(np.float64)),
    ]


def section(found: Sequence[Outcome]) -> str:
    """Return the table of the outcomes: of a constraint side by side, without and with a margin."""
    rows = []
    margins = {(x.limit, x.candidates, x.design): x for x in found if x.margin}
    for limit in dict.fromkeys(x.limit for x in found):
        for one in found:
            if one.limit != limit or one.margin:
                continue
            careful = margins[limit, one.candidates, one.design]
            helps = "-"
            if limit.help_ms is not None and one.candidates != EVERYTHING:
                helps = f"{limit.help_ms:g} ms, {limit.help_accuracy:.1f} %"
            rows.append(
                [
                    f"{limit.device} <= {limit.ms:g} ms",
                    one.candidates,
                    one.design,
                    *_came_of(one),
                    *_came_of(careful),
                    f"{one.best:.1f} %",
                    helps,
                ]
            )
    header = ["constraint", "among", "samples", "truly met", "latency", "accuracy"]
    header += ["met with margin", "latency", "accuracy", "best there is", "HELP"]
    return table(header, rows, left=3)


def _came_of(one: Outcome) -> list[str]:
    kept = f"{100 * one.kept:.0f} %" + (f" ({100 * one.none:.0f} % none)" if one.none else "")
    return [kept, f"{one.ms:.1f} ms", f"{one.accuracy:.1f} %"]


def main(argv: Sequence[str] | None = None) -> int:
    """Search on every device of a role and print the table; return 0, or 2 after an error."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.few_shot_search",
        description="Search under a latency that ten measurements predict, as HELP's table 4.",
    )
    default = os.environ.get("ANB_SHARED", ROOT.parent / "shared" / "data")
    parser.add_argument("--role", choices=("valid", "test"), default="valid")
    parser.add_argument("--draws", type=int, default=30, metavar="N", help="default: 30")
    parser.add_argument("--data", type=Path, default=Path(default), metavar="DIR")
    parser.add_argument("--markdown", type=Path, metavar="PAGE", help="a page to put the table in")
    args = parser.parse_args(argv)
    if args.role == "test":
        print(f"note: {LOOK} (docs/few-shot.md lists all of them)", file=sys.stderr)
    try:
        measured = read(SPACE, args.data)
        several = candidates_of(measured, args.data)
        text = section(list(outcomes(measured, args.role, several, args.draws)))
        if args.markdown is not None:
            name = f"search-{args.role}"
            page = report.fill(args.markdown.read_text(), [(name, text)])
            args.markdown.write_text(page)
    except (AnbError, OSError) as error:
        print(f"benchmarks.few_shot_search: {error}", file=sys.stderr)
        return 2
    print(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
