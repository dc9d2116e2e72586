"""How far runs of other seeds lie from a prediction: fitted to runs that it has not seen.

The mean of n runs of a configuration differs from a surrogate's mean by two errors: that of the
surrogate, which more runs do not mend, and the noise between seeds, which falls with n. Their
variances add up,

    predictive_std^2 = (spread * std)^2 + (noise * mean^noise_power)^2 + (factor * between)^2 / n

where ``between`` is a prediction of the standard deviation between seeds. All of it is fitted at
once, to single runs, to means of two and to means of all, as the one tells the other's share.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from anb_export.training.predictive_scale import LEAST_ROWS, LEVELS
from anb_onnx.calibration import NOISE_POWERS, Calibration, Pointwise
from anb_onnx.errors import AnbError

Floats = NDArray[np.float64]

#: Degrees of freedom of the Student t distribution whose likelihood is largest.
_FREEDOM = 4


def means_of_runs(runs: Floats) -> dict[int, Floats]:
    """Return means of one, of two and of all runs [n, S], float64 [n, k] of k disjoint groups.

    Examples
    --------
    >>> found = means_of_runs(np.array([[1.0, 3.0, 5.0, 7.0]]))
    >>> {n: values.tolist() for n, values in found.items()}
    {1: [[1.0, 3.0, 5.0, 7.0]], 2: [[2.0, 6.0]], 4: [[4.0]]}
    """
    n = runs.shape[1]
    sizes = sorted({1, min(2, n), n})
    return {
        size: np.stack(
            [runs[:, k : k + size].mean(axis=1) for k in range(0, n - size + 1, size)], axis=1
        )
        for size in sizes
    }


def fit_seed_noise(
    runs: Floats, mean: Floats, std: Floats, between: Floats
) -> tuple[Calibration, float]:
    """Fit the calibration of the mean over all seeds, and the factor of what lies between them.

    Parameters
    ----------
    runs : ndarray of float64, shape (n, S)
        At least two runs of each configuration, none of which the surrogate has seen.
    mean, std : ndarray of float64, shape (n,)
        What the surrogate predicts of them.
    between : ndarray of float64, shape (n,)
        Standard deviation between seeds, as predicted; not negative.

    Returns
    -------
    calibration : Calibration
    factor : float
        Of `between`.

    Raises
    ------
    AnbError
        If there are too few configurations or runs, or residuals are not finite.
    """
    from scipy.optimize import minimize

    if len(runs) < LEAST_ROWS or runs.shape[1] < 2:
        msg = (
            f"noise between seeds is fitted to two runs or more of at least {LEAST_ROWS} "
            f"configurations, found {runs.shape[1]} of {len(runs)}"
        )
        raise AnbError(msg)
    groups = means_of_runs(runs)
    residual = np.concatenate([(v - mean[:, None]).ravel() for v in groups.values()])
    if not (np.isfinite(residual).all() and residual.any()):
        msg = "residuals of runs must be finite and not all zero"
        raise AnbError(msg)

    def repeated(values: Floats) -> Floats:
        return np.concatenate([np.repeat(values, v.shape[1]) for v in groups.values()])

    stds, means = repeated(std), repeated(mean)
    seeds = np.concatenate([np.full(v.size, float(n)) for n, v in groups.items()])
    shared = repeated(between) / np.sqrt(seeds)
    typical = float(np.median(np.abs(residual)))

    def scale(logs: Floats, unit: Floats) -> Floats:
        parts = np.exp(logs)[:, None] * np.stack([stds, unit, shared])
        # Where nothing is uncertain, no residual has a finite likelihood.
        return np.asarray(np.sqrt((parts**2).sum(axis=0) + (1e-6 * typical) ** 2))

    fits = []
    for power in NOISE_POWERS:
        if power and means.min() <= 0:
            continue
        unit = means**power

        def loss(logs: Floats, unit: Floats = unit) -> float:
            found = scale(logs, unit)
            # Without the constant of the density.
            tails = (_FREEDOM + 1) / 2 * np.log1p((residual / found) ** 2 / _FREEDOM)
            return float(np.mean(np.log(found) + tails))

        start = np.log([1.0, typical / float(np.median(unit)), 1.0])
        found = minimize(loss, start, method="Nelder-Mead", options={"xatol": 1e-4, "fatol": 1e-7})
        fits.append((float(found.fun), power, found.x))
    _, power, logs = min(fits, key=lambda fit: fit[:2])
    ratio = np.abs(residual) / scale(logs, means**power)
    # As of a single calibration: the scale is to be a standard deviation, the wildest per cent of
    # residuals apart.
    core = ratio[ratio <= np.quantile(ratio, 0.99)]
    size = float(np.sqrt(np.mean(core**2)))
    spread, noise, factor = (float(value) * size for value in np.exp(logs))
    if noise * float(np.max(means**power)) < 1e-6 * typical:
        noise, power = 0.0, 0  # the search went towards none at all
    quantiles = (0.0, *(float(q) for q in np.quantile(ratio / size, LEVELS[1:])))
    return Calibration(spread, noise, power, None, LEVELS, quantiles), factor


def seed_coverage(
    calibration: Calibration,
    runs: Floats,
    mean: Floats,
    std: Floats,
    between: Floats,
    levels: tuple[float, ...] = (0.5, 0.9),
) -> dict[str, Mapping[str, float]]:
    """Return the share of means of runs inside the intervals, by number of runs and level.

    Parameters
    ----------
    calibration : Calibration
        As `fit_seed_noise` returns it.
    runs, mean, std, between
        As for `fit_seed_noise`, with `between` times the factor.
    levels : tuple of float
    """
    found: dict[str, Mapping[str, float]] = {}
    for n, means in means_of_runs(runs).items():
        of_n = Pointwise.of(calibration, added_variance=between**2 / n)
        inside = {}
        for level in levels:
            bounds = of_n.interval(mean.astype(np.float32), std.astype(np.float32), level)
            lower, upper = (bound.astype(np.float64)[:, None] for bound in bounds)
            inside[f"{level:g}"] = float(np.mean((means >= lower) & (means <= upper)))
        found[str(n)] = inside
    return found
