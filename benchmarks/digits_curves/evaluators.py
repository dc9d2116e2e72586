"""What a search may ask: real training, measured runs, or a surrogate of both curves."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from benchmarks.digits_curves.files import DigitsCurves
from benchmarks.digits_curves.genes import GENES, is_ordered
from benchmarks.digits_curves.training import Training

Curve = tuple[Sequence[float], Sequence[float]]


class Real:
    """Trains, one configuration at a time; its seconds are this process's CPU seconds.

    Parameters
    ----------
    seed : int
        Of the first run; each run has another.
    """

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._runs = 0
        self._now: tuple[tuple[int, ...], Training] | None = None

    def __call__(self, codes: tuple[int, ...], epochs: int) -> Curve:
        """Train until so many epochs are done."""
        if self._now is None or self._now[0] != codes or len(self._now[1].epochs) >= epochs:
            # Seeds far from those of the measured runs, which are 0 to 4.
            self._now = codes, Training(codes, 1_000_000 + 100_000 * self._seed + self._runs)
            self._runs += 1
        training = self._now[1]
        while len(training.epochs) < epochs:
            training.step()
        done = training.epochs
        return [epoch.val_accuracy for epoch in done], [epoch.seconds for epoch in done]


class Nearest:
    """Answers with the measured run (of seed 0) whose configuration is nearest: a stand-in.

    The distance is the sum over genes: of categorical ones 1 if they differ, of ordered ones the
    difference of the codes by the number of choices less one; the first of equals answers.

    Parameters
    ----------
    measured : DigitsCurves
    """

    def __init__(self, measured: DigitsCurves) -> None:
        rows = measured.take(measured.seed == 0)
        self._places = _places(rows.codes)
        self._curves = rows.val_accuracy.astype(float), rows.seconds.astype(float)

    def __call__(self, codes: tuple[int, ...], epochs: int) -> Curve:
        """Return both curves until so many epochs."""
        asked = _places(np.array([codes]))
        row = int(np.abs(self._places - asked).sum(axis=1).argmin())
        accuracy, seconds = (curve[row, :epochs] for curve in self._curves)
        return accuracy.tolist(), seconds.tolist()


def _places(codes: npt.ArrayLike) -> npt.NDArray[np.float64]:
    columns = []
    for column, choices in zip(np.asarray(codes).T, GENES.values(), strict=True):
        if is_ordered(choices):
            columns.append(column[:, None] / (len(choices) - 1))
        else:
            columns.append((column[:, None] == np.arange(len(choices))) / 2)
    return np.concatenate(columns, axis=1)
