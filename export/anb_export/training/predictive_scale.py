"""Fits the predictive scale of a target to out-of-fold residuals of whole ensembles.

Each fold of the pool of training and validation rows is predicted by an ensemble trained, by the
same recipe, on the other folds. Its residuals are those of an ensemble on measurements it has not
seen, which is what a user meets; the members' own held-out folds would show single members only.
The test rows take no part.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anb_onnx.calibration import NOISE_POWERS, Calibration
from anb_onnx.errors import AnbError

#: Fewest residuals that determine a calibration.
LEAST_ROWS = 200

#: Levels whose quantiles are stored. The highest is kept where the number of residuals, some
#: thousands, still determines it.
LEVELS = (0.0, *(k / 20 for k in range(1, 20)), 0.975, 0.99, 0.995)


@dataclass(frozen=True, eq=False)
class OutOfFold:
    """What ensembles predicted for rows that none of their members has seen.

    Attributes
    ----------
    rows : ndarray of int64, shape (n,)
        Rows of the data set.
    measured : ndarray of float64, shape (n,)
        In the target's unit.
    members : ndarray of float64, shape (n, M)
        In the target's unit.
    """

    rows: NDArray[np.int64]
    measured: NDArray[np.float64]
    members: NDArray[np.float64]

    @property
    def mean(self) -> NDArray[np.float64]:
        """The ensembles' means, float64 [n]."""
        return np.asarray(self.members.mean(axis=1))

    def std(self, n_members: int) -> NDArray[np.float64]:
        """Return the std that ensembles of `n_members` would show on average, float64 [n].

        The expected variance of M members with ddof=0 is 1 - 1/M of that which they are drawn
        from. Where there is one member only, its std is zero and nothing can be said.
        """
        found = self.members.shape[1]
        if found == 1:
            return np.zeros(len(self.members))
        factor = np.sqrt((1 - 1 / n_members) / (1 - 1 / found))
        return np.asarray(self.members.std(axis=1) * factor)


def fit_calibration(
    measured: NDArray[np.float64],
    mean: NDArray[np.float64],
    std: NDArray[np.float64],
    offset: float | None,
) -> Calibration:
    """Fit spread, noise and noise_power, then take the quantiles.

    Parameters
    ----------
    measured, mean, std : ndarray of float64, shape (n,)
        Measurements, and what ensembles that have not seen them predict, in the target's unit.
    offset : float or None
        Offset of the target's link: noise may follow the distance to it instead of the mean.

    Returns
    -------
    Calibration
        With the largest likelihood of the residuals under a Student t distribution with four
        degrees of freedom, whose tails forgive the few wild measurements of every device.

    Raises
    ------
    AnbError
        If there are fewer than 200 residuals, as the outer quantiles would be guesses, or they
        are not finite, or all zero.
    """
    from scipy.optimize import minimize
    from scipy.stats import t as student

    residual = measured - mean
    if len(residual) < LEAST_ROWS:
        msg = (
            f"a calibration needs at least {LEAST_ROWS} out-of-fold residuals, found "
            f"{len(residual)}"
        )
        raise AnbError(msg)
    if not (np.isfinite(residual).all() and residual.any()):
        msg = "out-of-fold residuals must be finite and not all zero"
        raise AnbError(msg)
    distance = mean if offset is None else offset - mean
    fits = []
    for power in NOISE_POWERS:
        if power and distance.min() <= 0:
            continue  # of no meaning there
        unit = distance**power
        spread = np.std(residual) / (np.mean(std) or 1.0) / 2
        start = np.log([spread, np.mean(np.abs(residual / unit)) / 2])

        def loss(x: NDArray[np.float64], unit: NDArray[np.float64] = unit) -> float:
            scale = np.hypot(np.exp(x[0]) * std, np.exp(x[1]) * unit)
            return float(np.mean(np.log(scale) - student.logpdf(residual / scale, df=4)))

        found = minimize(loss, start, method="Nelder-Mead", options={"xatol": 1e-6, "fatol": 1e-9})
        fits.append((float(found.fun), power, np.exp(found.x)))
    _, power, (spread, noise) = min(fits, key=lambda fit: fit[:2])
    scale = np.hypot(spread * std, noise * distance**power)
    # Under the t distribution the scale is not the standard deviation. Make it that of the
    # residuals, the wildest per cent apart.
    ratio = np.abs(residual / scale)
    core = ratio[ratio <= np.quantile(ratio, 0.99)]
    factor = float(np.sqrt(np.mean(core**2)))
    return Calibration(
        spread=float(spread) * factor,
        noise=float(noise) * factor,
        noise_power=power,
        offset=offset if power else None,
        levels=LEVELS,
        quantiles=(0.0, *(float(q) for q in np.quantile(ratio / factor, LEVELS[1:]))),
    )


def learning_gain(
    calibration: Calibration,
    fewer: tuple[NDArray[np.float64], NDArray[np.float64]],
    more: tuple[NDArray[np.float64], NDArray[np.float64]],
) -> float:
    """Return how much smaller the error of a member is when it learns from more rows.

    Out-of-fold ensembles learn from fewer rows than the artifact's members do, and where the
    measurements have little noise that matters: their errors are too large by this factor. Both
    sides here are single members on rows they have not seen.

    Parameters
    ----------
    calibration : Calibration
        Its noise law says in which unit errors are compared.
    fewer, more : (measured, predicted), float64 arrays of equal shape
        Of the out-of-fold members, and of the artifact's members on their own held-out folds.

    Returns
    -------
    float
        Ratio of the root mean squares, the wildest per cent of each apart; at most 1.
    """

    def error(measured: NDArray[np.float64], predicted: NDArray[np.float64]) -> float:
        t = predicted if calibration.offset is None else calibration.offset - predicted
        size = np.abs((measured - predicted) / t**calibration.noise_power)
        return float(np.sqrt(np.mean(size[size <= np.quantile(size, 0.99)] ** 2)))

    return min(1.0, error(*more) / error(*fewer))


def size_gain(
    calibration: Calibration, oof: OutOfFold, std: NDArray[np.float64], n_members: int
) -> float:
    """Return how much smaller the noise is for ensembles of more members than out of fold.

    The squared error of an ensemble of M members is that of a single member less 1 - 1/M of the
    variance between members. From the few members that out-of-fold ensembles have this gives the
    error of the artifact's ensembles; what the members' std does not account for is noise.

    Parameters
    ----------
    calibration : Calibration
        As fitted to the out-of-fold ensembles.
    oof : OutOfFold
    std : ndarray of float64, shape (n,)
        What the calibration was fitted with.
    n_members : int
        Members of the artifact's ensemble.

    Returns
    -------
    float
        Factor of the noise; 1 where the ensembles are equally large.
    """
    few = oof.members.shape[1]
    if few < 2 or calibration.noise == 0:
        return 1.0
    t = oof.mean if calibration.offset is None else calibration.offset - oof.mean
    unit = t**calibration.noise_power

    def error(predicted: NDArray[np.float64]) -> float:
        squares = np.sort(((oof.measured[:, None] - predicted) / unit[:, None]).ravel() ** 2)
        return float(np.mean(squares[: int(0.99 * len(squares))]))

    single, ensemble = error(oof.members), error(oof.mean[:, None])
    # Both errors leave out the wildest per cent, so their difference is the variance between
    # members on the same footing.
    between = max(0.0, (single - ensemble) / (1 - 1 / few))
    ratio = 1.0 if n_members == few else (single - (1 - 1 / n_members) * between) / ensemble
    spread = calibration.spread**2 * float(np.mean((std / unit) ** 2))
    noise = calibration.noise**2
    return float(np.sqrt(max(1 - (1 - ratio) * (spread + noise) / noise, 0.01)))


def coverage(
    calibration: Calibration,
    measured: NDArray[np.float64],
    mean: NDArray[np.float64],
    std: NDArray[np.float64],
    levels: Sequence[float] = (0.5, 0.8, 0.9, 0.95),
) -> dict[str, Any]:
    """Return the shares of measurements inside the intervals, and inside 1, 2 and 3 std.

    Parameters
    ----------
    calibration : Calibration
    measured, mean, std : ndarray of float64, shape (n,)
    levels : sequence of float

    Returns
    -------
    dict
        ``intervals``: share per level; ``std``: share within 1, 2 and 3 of the members' std.
    """
    mean32, std32 = mean.astype(np.float32), std.astype(np.float32)
    intervals = {}
    for level in levels:
        lower, upper = calibration.interval(mean32, std32, level)
        intervals[f"{level:g}"] = float(np.mean((measured >= lower) & (measured <= upper)))
    error = np.abs(measured - mean)
    return {
        "n": len(measured),
        "intervals": intervals,
        "std": {str(k): float(np.mean(error <= k * std)) for k in (1, 2, 3)},
    }
