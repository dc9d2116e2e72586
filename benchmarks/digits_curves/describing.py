"""Figures of the measured set: what repeats, what seeds change, how well one run can be known."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from anb_onnx.errors import AnbError
from benchmarks.digits_curves.agreement import tau
from benchmarks.digits_curves.files import DigitsCurves
from benchmarks.digits_curves.plan import SEEDS

Floats = npt.NDArray[np.float64]

#: Validation accuracy at most this high after the last epoch: as good as chance, which is 0.1.
CHANCE = 0.2


@dataclass(frozen=True)
class Ceiling:
    """How well one run (seed 0) tells the mean of the other seeds of its configuration.

    Attributes
    ----------
    tau, r2 : float
        Kendall's tau-b, and the share of the variance of those means that one run explains as it
        is, nothing fitted.
    spread : float
        Root of the mean variance between seeds.
    """

    tau: float
    r2: float
    spread: float


@dataclass(frozen=True)
class Description:
    """Figures of a measured set.

    Attributes
    ----------
    runs, configurations, seeded, repeats : int
        All runs, configurations, those of five seeds, runs made twice.
    chance, diverged, good : float
        Shares of configurations (seed 0): at chance, with a loss that is not finite, above 95 %
        validation accuracy; after the last epoch.
    seconds : float
        Mean CPU seconds of a run.
    same : int
        Repeats whose curves have the same bits as the first time.
    repeat_raw, repeat_corrected, repeat_fastest : float
        Median relative difference of the times of a run and its repeat: as measured, divided by
        the reference's, and by the fastest of the 27 epochs.
    ceilings : dict of str to Ceiling
        Of final values and times.
    curve_r2 : float
        As `Ceiling.r2`, of all 27 values of the validation accuracy, around their common mean;
        where one of the five is no number, the epoch is left out.
    """

    runs: int
    configurations: int
    seeded: int
    repeats: int
    chance: float
    diverged: float
    good: float
    seconds: float
    same: int
    repeat_raw: float
    repeat_corrected: float
    repeat_fastest: float
    ceilings: dict[str, Ceiling]
    curve_r2: float


def fastest(rows: DigitsCurves) -> Floats:
    """Return 27 times the CPU seconds of each run's fastest epoch, [N].

    All epochs of a run do the same work. Other processes can only make one slower: the fastest is
    the one that was least disturbed.
    """
    epochs = np.diff(rows.seconds.astype(float), axis=1, prepend=0)
    found: Floats = epochs.min(axis=1) * epochs.shape[1]
    return found


def describe(rows: DigitsCurves) -> Description:
    """Compute the figures of a set that was loaded with its repeats.

    Raises
    ------
    AnbError
        If there are less than two configurations of five seeds, or no repeats.
    """
    by_seed: dict[bytes, dict[int, int]] = defaultdict(dict)
    again: list[tuple[int, int]] = []
    for number, codes in enumerate(rows.codes):
        runs = by_seed[codes.tobytes()]
        if rows.repeat[number]:
            again.append((runs[int(rows.seed[number])], number))
        else:
            runs[int(rows.seed[number])] = number
    seeded = np.array(
        [[runs[s] for s in range(SEEDS)] for runs in by_seed.values() if len(runs) == SEEDS]
    )
    if len(seeded) < 2 or not again:
        msg = "too few runs for these figures: measure more (benchmarks.digits_curves measure)"
        raise AnbError(msg)
    first, second = np.array(again).T
    once = rows.take((rows.seed == 0) & ~rows.repeat)
    final = once.val_accuracy[:, -1].astype(float)
    quick = fastest(rows)
    measured = {
        "validation accuracy": rows.val_accuracy[:, -1],
        "log validation loss": np.log(rows.val_loss[:, -1]),
        "test accuracy": rows.test_accuracy,
        "log seconds": np.log(rows.seconds[:, -1]),
        "log seconds, corrected": np.log(rows.seconds[:, -1] / rows.reference_seconds),
        "log seconds, fastest epoch": np.log(quick),
    }
    curves = rows.val_accuracy.astype(float)[seeded]
    return Description(
        runs=len(rows.seed),
        configurations=len(final),
        seeded=len(seeded),
        repeats=len(again),
        chance=float(np.mean(~(final > CHANCE))),
        diverged=float(once.diverged.mean()),
        good=float(np.mean(final > 0.95)),
        seconds=float(rows.seconds[:, -1].mean()),
        same=int(sum(_same(rows, *pair) for pair in again)),
        repeat_raw=_differ(rows.seconds[:, -1], first, second),
        repeat_corrected=_differ(rows.seconds[:, -1] / rows.reference_seconds, first, second),
        repeat_fastest=_differ(quick, first, second),
        ceilings={
            name: _ceiling(values.astype(float)[seeded]) for name, values in measured.items()
        },
        curve_r2=_r2(curves[:, 0], curves[:, 1:].mean(axis=1)),
    )


def _same(rows: DigitsCurves, first: int, second: int) -> bool:
    names = ("val_accuracy", "val_loss", "train_loss", "test_accuracy")
    return all(
        np.array_equal(getattr(rows, name)[first], getattr(rows, name)[second], equal_nan=True)
        for name in names
    )


def _differ(
    values: npt.NDArray[np.floating], first: npt.NDArray[np.int64], second: npt.NDArray[np.int64]
) -> float:
    logs = np.log(values.astype(float))
    return float(np.expm1(np.median(np.abs(logs[first] - logs[second]))))


def _ceiling(values: Floats) -> Ceiling:
    values = values[np.isfinite(values).all(axis=1)]
    rest = values[:, 1:].mean(axis=1)
    spread = float(np.sqrt(values.var(axis=1, ddof=1).mean()))
    return Ceiling(tau(values[:, 0], rest), _r2(values[:, 0], rest), spread)


def _r2(first: Floats, truth: Floats) -> float:
    good = np.isfinite(first) & np.isfinite(truth)
    truth, left = truth[good], (truth - first)[good]
    around = ((truth - truth.mean()) ** 2).sum()
    return float(1 - (left**2).sum() / around) if around else float("nan")


def markdown(found: Description) -> str:
    """Return the figures as a list and a table."""
    lines = [
        f"- {found.runs:,} runs: {found.configurations:,} configurations, of {found.seeded} five "
        f"seeds; {found.repeats} runs were made twice;",
        f"- after the last epoch {found.good:.0%} of the configurations are above 95 % validation "
        f"accuracy and {found.chance:.0%} at chance (20 % or less); {found.diverged:.1%} diverged;",
        f"- a run takes {found.seconds:.2f} CPU seconds on average, under the load there was;",
        f"- of the {found.repeats} repeats {found.same} have the same curves, bit for bit; their "
        f"times differ by {found.repeat_raw:.1%} (median), by {found.repeat_corrected:.1%} once "
        f"divided by the reference's, and by {found.repeat_fastest:.1%} by their fastest epochs.",
        "",
        "| one run against the mean of four other seeds | tau | R2 | sd between seeds |",
        "| --- | ---: | ---: | ---: |",
        *(
            f"| {name} | {c.tau:.3f} | {c.r2:.3f} | {c.spread:.4f} |"
            for name, c in found.ceilings.items()
        ),
        f"| validation accuracy, whole curves | | {found.curve_r2:.3f} | |",
    ]
    return "\n".join(lines)
