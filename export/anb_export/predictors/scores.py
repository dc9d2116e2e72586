"""How good predictors are on rows that they were not fitted to, and above all their intervals.

The continuous ranked probability score, coverage and width are of what an artifact answers: float32
mean and calibrated scale, as a user gets them.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from anb_export.data.metrics import evaluate
from anb_export.predictors.contract import Predictor, PredictorError
from anb_export.training.predictive_scale import coverage
from anb_onnx.calibration import Calibration

#: Levels of the intervals whose coverage is told.
COVERED = (0.5, 0.9)


def crps_normal(
    measured: NDArray[np.floating[Any]],
    mean: NDArray[np.floating[Any]],
    std: NDArray[np.floating[Any]],
) -> NDArray[np.float64]:
    """Return the continuous ranked probability score of normal distributions.

    It is the integral over z of the squared difference between the distribution function at z and
    the step that the measurement is; less is better. Of a distribution without width it is the
    absolute error. The closed form is equation 21 of T. Gneiting and A. E. Raftery, "Strictly
    proper scoring rules, prediction, and estimation", JASA 102 (2007), with the sign turned.

    Parameters
    ----------
    measured, mean, std : ndarray of floats, shape (n,)
        In the target's unit; std not negative.

    Returns
    -------
    ndarray of float64, shape (n,)
        In the target's unit.

    Examples
    --------
    >>> import numpy as np
    >>> one, zero = np.ones(2), np.zeros(2)
    >>> crps_normal(np.array([0.0, 1.0]), zero, np.array([1.0, 0.0])).round(4).tolist()
    [0.2337, 1.0]
    """
    error = np.asarray(measured, dtype=np.float64) - np.asarray(mean, dtype=np.float64)
    std = np.asarray(std, dtype=np.float64)
    z = np.divide(error, std, out=np.zeros_like(error), where=std > 0)
    score = std * (z * (2 * stats.norm.cdf(z) - 1) + 2 * stats.norm.pdf(z) - 1 / np.sqrt(np.pi))
    return np.where(std > 0, score, np.abs(error))


def interval_scores(
    measured: NDArray[np.floating[Any]],
    mean: NDArray[np.float32],
    predictive_std: NDArray[np.float32],
    calibration: Calibration,
) -> dict[str, float]:
    """Return how good the intervals of predictions are.

    Parameters
    ----------
    measured : ndarray of floats, shape (n,)
        In the target's unit; n at least 1.
    mean, predictive_std : ndarray of float32, shape (n,)
        Of an artifact's answers: ``prediction.mean`` and ``prediction.predictive_std``.
    calibration : Calibration
        The artifact's.

    Returns
    -------
    dict of str to float
        ``crps``, the mean of `crps_normal` with the predictive scale, and ``width_90``, the mean
        width of the 90 % interval, in the target's unit; ``coverage_50`` and ``coverage_90``, the
        shares of measurements inside the intervals of these levels, bounds included.

    Raises
    ------
    PredictorError
        If the arrays are not vectors of one length, or one holds a number that is not finite.
    LevelError
        If the calibration does not go up to 90 %.

    Examples
    --------
    >>> import numpy as np
    >>> from anb_onnx.calibration import Calibration
    >>> calibration = Calibration(1.0, 0.0, 0, None, (0.0, 0.5, 0.9), (0.0, 0.7, 1.6))
    >>> mean, std = np.full(4, 10, np.float32), np.ones(4, np.float32)
    >>> found = interval_scores(np.array([9.5, 10.5, 11.0, 12.0]), mean, std, calibration)
    >>> found["coverage_50"], found["coverage_90"], round(found["width_90"], 5)
    (0.5, 0.75, 3.2)
    """
    given = {"measured": measured, "mean": mean, "predictive_std": predictive_std}
    found = {name: np.asarray(array, dtype=np.float64) for name, array in given.items()}
    y, centre, scale = found.values()
    for name, array in found.items():
        if array.ndim != 1 or array.shape != y.shape or not len(y):
            shapes = ", ".join(f"{key} {list(value.shape)}" for key, value in found.items())
            msg = f"intervals are scored on vectors of one length, not empty; found {shapes}"
            raise PredictorError(msg)
        if not np.isfinite(array).all():
            row = int(np.argmin(np.isfinite(array)))
            msg = f"row {row}: {name} is {array[row]}; intervals are scored on finite numbers"
            raise PredictorError(msg)
    # The scale is that of the calibration already: one that takes a std as it stands gives the
    # bounds, rounded as the artifact's are.
    plain = Calibration(1.0, 0.0, 0, None, calibration.levels, calibration.quantiles)
    scores = {"crps": float(crps_normal(y, centre, scale).mean())}
    bounds = {level: plain.interval(mean, predictive_std, level) for level in COVERED}
    for level, (lower, upper) in bounds.items():
        scores[f"coverage_{level:.0%}".rstrip("%")] = float(((lower <= y) & (y <= upper)).mean())
    lower, upper = bounds[0.9]
    scores["width_90"] = float((upper.astype(np.float64) - lower).mean())
    return scores


def facts_of_test(
    predictor: Predictor, codes: NDArray[np.uint8], values: NDArray[np.floating[Any]]
) -> dict[str, Any]:
    """Return what a predictor is worth on measurements that it was not fitted to, as facts.

    Parameters
    ----------
    predictor : Predictor
    codes : ndarray of uint8, shape (n, n_genes)
    values : ndarray of floats, shape (n,)
        In the target's unit; at least two different ones.

    Returns
    -------
    dict
        ``quality`` and ``coverage``, each of the part ``test``: facts for `artifact.to_surrogate`.

    Raises
    ------
    AnbError
        If the measurements are not as many as the architectures, not finite or all equal.
    """
    measured = np.asarray(values, dtype=np.float64)
    mean, std = predictor.predict(codes)
    return {
        "quality": {"test": evaluate(measured, mean)},
        "coverage": {"test": coverage(predictor.calibration, measured, mean, std)},
    }
