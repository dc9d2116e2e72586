"""The Gaussian process over all architectures of a small space, as a predictor."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from anb_export.predictors.contract import Predictor, PredictorError, Sample
from anb_export.predictors.intervals import first_seen, from_residuals
from anb_export.training.lattice_process import LatticeProcess
from anb_onnx.calibration import Calibration

#: Folds whose predictions calibrate the intervals.
_FOLDS = 5


def fit_lattice(sample: Sample, seed: int) -> Predictor:
    """Fit the process, and calibrate it by folds; `Fit` of the registry.

    Raises
    ------
    PredictorError
        If all measurements are of one architecture.
    """
    space, codes, values = sample.space, sample.codes, sample.values
    process = LatticeProcess(space, codes, values, seed)
    number = first_seen(codes)
    count = int(number.max()) + 1
    if count < 2:
        msg = "all measurements are of one architecture; measure at least two"
        raise PredictorError(msg)
    fold = np.random.default_rng((seed, count)).permutation(count)[number] % min(_FOLDS, count)
    left_out = np.empty(len(sample))
    for held in (fold == k for k in range(min(_FOLDS, count))):
        rest = LatticeProcess(space, codes[~held], values[~held], seed, process.settings)
        left_out[held] = rest.middle(codes[held])
    return _OfLattice(sample, process, from_residuals(values, left_out))


class _OfLattice(Predictor):
    def __init__(self, sample: Sample, process: LatticeProcess, calibration: Calibration) -> None:
        self.space, self._process, self.calibration = sample.space, process, calibration

    def members(self, codes: NDArray[np.uint8]) -> NDArray[np.float64]:
        return self._process.members(codes)
