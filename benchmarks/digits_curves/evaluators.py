"""What a search may ask: real training, measured runs, or a surrogate of both curves."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from anb_onnx import Surrogate
from anb_onnx.errors import AnbError
from anb_onnx.parallel.extras import need
from benchmarks.digits_curves.files import DigitsCurves
from benchmarks.digits_curves.genes import EPOCHS, GENES, is_ordered
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


class Forest:
    """Answers with the means of two forests over all measured runs: a stand-in that smooths.

    Extremely randomised trees of scikit-learn, its defaults but for 50 trees and leaves of at least
    two runs: one forest of the 27 accuracies, NaN as 0, and one of the logarithms of the seconds.
    Their features are those of `Nearest`.

    Parameters
    ----------
    measured : DigitsCurves

    Raises
    ------
    ExtraError
        If scikit-learn is missing.
    """

    def __init__(self, measured: DigitsCurves) -> None:
        ensemble = need("sklearn.ensemble", extra="bench", what="a forest of measured runs")
        places = _places(measured.codes)
        curves = np.nan_to_num(measured.val_accuracy.astype(float))
        self._forests = [
            ensemble.ExtraTreesRegressor(50, min_samples_leaf=2, random_state=0).fit(places, values)
            for values in (curves, np.log(measured.seconds.astype(float)))
        ]
        self._known: dict[tuple[int, ...], Curve] = {}

    def __call__(self, codes: tuple[int, ...], epochs: int) -> Curve:
        """Return both curves until so many epochs."""
        if codes not in self._known:
            accuracy, logs = (f.predict(_places([codes]))[0] for f in self._forests)
            self._known[codes] = accuracy.tolist(), np.exp(logs).tolist()
        accuracy, seconds = self._known[codes]
        return accuracy[:epochs], seconds[:epochs]


class Predicted:
    """Answers with the means of two surrogates, the same whenever it is asked: no noise.

    Parameters
    ----------
    accuracy : Surrogate
        Of the validation accuracy, a curve over 27 epochs, as share or in percent.
        Its space has the genes and choices of the file, in any order of the genes.
    time : Surrogate
        Of the training seconds: a curve of what is spent until each epoch, or those of the whole
        run, of which each epoch is then taken to cost a 27th. A curve that falls between two
        epochs stays where it was.

    Raises
    ------
    AnbError
        If they are of another space, of other epochs or of other units.
    """

    def __init__(self, accuracy: Surrogate, time: Surrogate) -> None:
        genes = {gene.name: gene.choices for block in accuracy.space.blocks for gene in block.genes}
        if genes != GENES or time.space != accuracy.space:
            msg = (
                f"surrogates of {accuracy.space.name} and {time.space.name} do not know the digits"
            )
            raise AnbError(msg)
        self._order = [list(GENES).index(name) for name in genes]
        units = {"%": 100.0, "1": 1.0, "": 1.0}
        if accuracy.target.unit not in units or time.target.unit != "s":
            msg = (
                f"{accuracy.target.name} in {accuracy.target.unit!r} and {time.target.name} in "
                f"{time.target.unit!r}, where '%' or '1' and 's' are needed"
            )
            raise AnbError(msg)
        for surrogate in (accuracy, *([time] if time.fidelities else [])):
            epoch = surrogate.fidelities.get("epoch")
            if epoch is None or (epoch.least, epoch.most) != (1, EPOCHS):
                msg = f"{surrogate.target.name} is no curve over {EPOCHS} epochs"
                raise AnbError(msg)
        self._accuracy, self._time = accuracy, time
        self._unit = units[accuracy.target.unit]
        self._known: tuple[tuple[int, ...], Curve] | None = None

    def __call__(self, codes: tuple[int, ...], epochs: int) -> Curve:
        """Return both curves until so many epochs."""
        if self._known is None or self._known[0] != codes:
            self._known = codes, self._predict(codes)
        accuracy, seconds = self._known[1]
        return accuracy[:epochs], seconds[:epochs]

    def _predict(self, codes: tuple[int, ...]) -> Curve:
        batch = np.array([codes], np.uint8)[:, self._order]
        accuracy = _values(self._accuracy, batch) / self._unit
        if self._time.fidelities:
            seconds = _values(self._time, batch)
            return accuracy.tolist(), np.maximum.accumulate(seconds).tolist()
        whole = float(self._time.query(batch).mean[0])
        return accuracy.tolist(), (whole * _EPOCHS / EPOCHS).tolist()


_EPOCHS = np.arange(1, EPOCHS + 1)


def _values(surrogate: Surrogate, batch: npt.NDArray[np.uint8]) -> npt.NDArray[np.float64]:
    """Return the curve of one configuration at every epoch."""
    many = np.repeat(batch, EPOCHS, axis=0)
    return np.asarray(surrogate.query(many, fidelity=_EPOCHS).mean, np.float64)


def _places(codes: npt.ArrayLike) -> npt.NDArray[np.float64]:
    columns = []
    for column, choices in zip(np.asarray(codes).T, GENES.values(), strict=True):
        if is_ordered(choices):
            columns.append(column[:, None] / (len(choices) - 1))
        else:
            columns.append((column[:, None] == np.arange(len(choices))) / 2)
    return np.concatenate(columns, axis=1)
