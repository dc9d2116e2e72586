"""Support vector regression."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anb_export.models.svm_form import Kernel, kernel_from_state
from anb_export.predictors.contract import Predictor, Sample
from anb_export.predictors.features import (
    Floats,
    encoder_for,
    features,
    folds,
    out_of_fold,
    rest,
    scale_of,
)
from anb_export.predictors.intervals import from_residuals
from anb_export.tables.encoder import Encoder
from anb_export.training.block_sums import one_thread

#: What is chosen from: C, epsilon in units of the labels' standard deviation, and gamma in units
#: of 1 / (features' variance, all added up), scikit-learn's "scale".
GRID = tuple((c, 0.1, g) for c in (1.0, 3.0, 10.0) for g in (0.1, 0.3, 1.0))

#: Rows that the choice looks at, at most; and rows beyond which the residuals are those of one fold
#: of ten, of which the machine does not learn.
_CHOICE_ROWS = 600
_MANY_ROWS = 4000
_FOLDS_OF_MANY = 10


class SupportVectors(Predictor):
    """One kernel machine.

    Attributes
    ----------
    kernel : Kernel
        Of codes, or of one-hot columns where codes have no order.
    """

    def __init__(self, kernel: Kernel, sample: Sample) -> None:
        self.space = sample.space
        self.kernel = kernel

    def members(self, codes: NDArray[np.uint8]) -> Floats:
        """Return float64 [N, 1]: the kernel machine in float64."""
        x = features(codes, self.space).astype(np.uint8)
        with one_thread():
            return self.kernel.predict_exact(x)[:, None]

    def features(self) -> Encoder | None:
        """Return the columns, if the machine is not one over codes."""
        return encoder_for(self.space)

    def kernels(self) -> Sequence[Kernel] | None:
        """Return the machine."""
        return [self.kernel]


def fit_svr(sample: Sample, seed: int) -> Predictor:
    """Fit a support vector machine with a radial kernel.

    C and gamma are chosen on five folds of the sample, of 600 of its rows if there are more. The
    residuals are out of fold. Above 4,000 rows those of one tenth stand for all, of which the
    machine learns nothing: it takes time with the square of the rows.
    """
    x, y = features(sample.codes, sample.space), sample.values
    few = _few(sample, seed)
    parts = folds(few, seed)
    x_few, y_few = features(few.codes, few.space), few.values
    tried = []
    for options in GRID:
        found = out_of_fold(lambda *data, o=options: _learn(o, *data), x_few, y_few, parts)
        tried.append((float(np.abs(found - y_few).mean()), options))
    _, options = min(tried, key=lambda one: one[0])
    if len(sample) > _MANY_ROWS:
        held = folds(sample, seed, _FOLDS_OF_MANY)[0]
        kept = rest(len(sample), held)
        fitted = SupportVectors(_kernel(options, x[kept], y[kept]), sample)
        fitted.calibration = from_residuals(y[held], fitted.members(sample.codes[held])[:, 0])
        return fitted
    predicted = out_of_fold(lambda *data: _learn(options, *data), x, y, folds(sample, seed))
    fitted = SupportVectors(_kernel(options, x, y), sample)
    fitted.calibration = from_residuals(y, predicted)
    return fitted


def _few(sample: Sample, seed: int) -> Sample:
    if len(sample) <= _CHOICE_ROWS:
        return sample
    chosen = np.random.default_rng(seed).permutation(len(sample))[:_CHOICE_ROWS]
    return replace(sample, codes=sample.codes[chosen], values=sample.values[chosen])


def _machine(options: tuple[float, float, float], x: Floats, y: Floats) -> Any:
    from sklearn.svm import SVR

    c, epsilon, gamma = options
    variance = float(x.var(axis=0).sum()) or 1.0
    return SVR(C=c, epsilon=epsilon, gamma=gamma / variance, cache_size=500).fit(x, y)


def _learn(options: tuple[float, float, float], x: Floats, y: Floats, wanted: Floats) -> Floats:
    mean, scale = scale_of(y)
    found: Floats = _machine(options, x, (y - mean) / scale).predict(wanted)
    return mean + scale * found


def _kernel(options: tuple[float, float, float], x: Floats, y: Floats) -> Kernel:
    """Return the machine that has learned, in the unit of the values."""
    mean, scale = scale_of(y)
    kernel = kernel_from_state(vars(_machine(options, x, (y - mean) / scale)))
    return replace(
        kernel,
        coefficients=kernel.coefficients * scale,
        intercept=kernel.intercept * scale + mean,
    )
