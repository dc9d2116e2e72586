"""Calibrations of predictors: from few residuals as from many.

`anb_export.training.predictive_scale` wants 200 residuals and an ensemble; these make do with
less. The noise is the root mean square of the residuals, absolute or in proportion to the
prediction, whichever is likelier; the quantiles are those of Student's t where residuals are few,
and the residuals' own where they are many.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from anb_onnx.calibration import NOISE_POWERS, Calibration

#: Levels of intervals, as those of the bundled surrogates.
LEVELS = (0.0, *(k / 20 for k in range(1, 20)), 0.975, 0.99, 0.995)

#: From how many residuals on their own quantiles are taken.
OWN_QUANTILES = 200


def from_residuals(
    measured: NDArray[np.float64],
    predicted: NDArray[np.float64],
    std: NDArray[np.float64] | None = None,
    *,
    freedom: int = 2**31,
) -> Calibration:
    """Return a calibration from predictions for what was not learned from.

    Parameters
    ----------
    measured, predicted : ndarray of float64, shape (n,)
    std : ndarray of float64, shape (n,), optional
        What the predictor says of its own uncertainty there, noise left out; its squares are
        added to those of the noise as they stand (``spread`` is 1). Without it ``spread`` is 0.
    freedom : int
        Degrees of freedom of `std`, where it is estimated from few draws.

    Returns
    -------
    Calibration
    """
    residual = measured - predicted
    own = np.zeros_like(residual) if std is None else std
    size = float(np.abs(measured).mean()) or 1.0
    fits = []
    for power in NOISE_POWERS:
        unit = np.abs(predicted) ** power
        if unit.min() <= 1e-3 * size**power:
            continue
        # What is left of the residuals' squares once the predictor's own are taken away.
        left = float(np.mean((residual**2 - own**2) / unit**2))
        noise = np.sqrt(max(left, (1e-4 * size / float(unit.mean())) ** 2))
        scale = np.hypot(own, noise * unit)
        fits.append((-float(stats.norm.logpdf(residual, scale=scale).mean()), power, noise, scale))
    _, power, noise, scale = min(fits, key=lambda fit: fit[:2])
    found = np.sort(np.abs(residual / scale))
    # Of a target that is learned exactly the answers are still rounded to float32.
    least = float(np.spacing(np.float32(np.abs(predicted).max())) / scale.min())
    return Calibration(
        0.0 if std is None else 1.0,
        float(noise),
        power,
        None,
        LEVELS,
        _quantiles(found, min(freedom, len(found) - 1), least),
    )


def first_seen(codes: NDArray[np.uint8]) -> NDArray[np.int64]:
    """Return int64 [n]: 0 for the first architecture, and the next number for each new one.

    What is left out for a residual is all that was measured of an architecture.
    """
    _, first, inverse = np.unique(codes, axis=0, return_index=True, return_inverse=True)
    return np.asarray(first.argsort().argsort()[inverse.reshape(-1)], dtype=np.int64)


def _quantiles(found: NDArray[np.float64], freedom: int, least: float) -> tuple[float, ...]:
    """Return half-widths by level, none but the first below the least.

    `found` are residuals in units of their scale, sorted.
    """
    n = len(found)
    halves = [float(stats.t.ppf((1 + level) / 2, max(freedom, 2))) for level in LEVELS]
    if n >= OWN_QUANTILES:
        # As split conformal prediction takes them: of n residuals and the one to come.
        ranks = np.minimum(np.ceil(np.array(LEVELS) * (n + 1)).astype(int), n)
        halves = [0.0 if rank == 0 else float(found[rank - 1]) for rank in ranks]
    # Older versions of scipy have a median of Student's t that is not quite 0.
    halves = [0.0, *np.maximum(halves[1:], least).tolist()]
    return tuple(np.maximum.accumulate(np.array(halves)).tolist())
