"""What a few measurements teach: weights of the groups by their evidence, then Gaussian algebra.

The weights of the groups (how far a device may stray from the sources, and in what) and the noise
of its measurements are not known. They are drawn once from a broad prior, a thousand settings;
each source device, looked at from the others, then says which settings suit a device of this space,
and the measurements say it once more. Predictions are averages over all settings by that evidence;
only the middle and the width of the broad prior are chosen, once for all spaces.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from anb_onnx.few_shot.basis import GROUPS, Basis, Points, bases_of
from anb_onnx.few_shot.counts import Count
from anb_onnx.few_shot.sources import SourceTable, Values
from anb_onnx.spaces.space import SearchSpace

#: Middle of the broad prior of each group's standard deviation, in spreads of m; the constant's is
#: in means. Chosen on HELP's training and validation devices, where a factor of 2 changes nothing.
_MIDDLE = {
    "const": 0.5,
    "slope": 0.3,
    "src": 0.3,
    "cnt": 0.3,
    "shared": 0.15,
    "work": 0.05,
    "pb": 0.03,
    "blk": 0.05,
    "pair": 0.03,
}
#: Standard deviation of the logarithm of all of them, and how often a group is left out.
_WIDTH = 1.3
_ABSENT = {
    **dict.fromkeys(("slope", "src", "cnt", "shared", "blk"), 0.2),
    **dict.fromkeys(("work", "pb", "pair"), 0.3),
}
#: Settings drawn.
_SETTINGS = 1000

#: Noise of a measurement, relative to a time between its own and the mean's, and its prior.
NOISES = np.array([0.003, 0.01, 0.03, 0.08, 0.2])
_NOISE_PRIOR = np.array([0.1, 0.2, 0.4, 0.2, 0.1])

#: Random architectures by which a source device tells its settings, and most sources asked.
_ASKED = 20
_MOST_ASKED = 9

#: Measurements up to which all settings are asked, and how many are at least.
_MANY = 60
_FEWEST_SETTINGS = 50

#: Numbers of a stack of covariances that are worked on at a time: 32 MB.
_CHUNK = 2**22

#: Share of the settings' prior that no source decides.
_FLAT = 0.03

#: Settings kept: those that together have all but this share of the evidence.
_LEFT_OUT = 1e-3
_MOST_KEPT = 200


@cache
def settings() -> Values:
    """Return the variances of the groups in every setting, always the same: [n_settings, 9]."""
    rng = np.random.default_rng(3)
    logs = np.log([_MIDDLE[group] for group in GROUPS])
    # A Latin hypercube: every group's weight is spread evenly over its prior.
    normal = np.array([NormalDist().inv_cdf((k + 0.5) / _SETTINGS) for k in range(_SETTINGS)])
    columns = [normal[rng.permutation(_SETTINGS)] for _ in GROUPS]
    found = np.exp(2 * (logs + _WIDTH * np.stack(columns, axis=1)))
    absent = np.array([_ABSENT.get(group, 0.0) for group in GROUPS])
    found[rng.random(found.shape) < absent] = 0.0
    return np.asarray(found)


@dataclass(frozen=True, eq=False)
class Data:
    """Measurements on the additive scale, relative to what m leads to expect.

    Attributes
    ----------
    symbols : int64 array [k, n_blocks]
    times : float64 array [k]
        In units of `scale`.
    scale : float
        Mean time divided by the mean of m, over the measured architectures.
    errors : float64 array [k]
        Known standard errors, in units of `scale`; 0 where nothing is known.
    """

    symbols: NDArray[np.int64]
    times: Values
    scale: float
    errors: Values

    @property
    def sizes(self) -> Values:
        """What the noise is relative to: float64 [k]."""
        return np.sqrt((self.times**2 + 1.0) / 2.0)


def data_of(basis: Basis, symbols: NDArray[np.int64], times: Values, errors: Values) -> Data:
    """Return measurements in units in which the sources' mean is about 1."""
    scale = float(times.mean() / basis.at(symbols).mean.mean())
    return Data(symbols, times / scale, scale, errors / scale)


@dataclass(frozen=True, eq=False)
class Fit:
    """One view's settings given measurements.

    Attributes
    ----------
    basis : Basis
    points : Points
        Of the k measured architectures.
    variances : float64 array [n, 9]
    noises : float64 array [n]
        Of each setting kept.
    share : float64 array [n]
        Its posterior probability, over all views.
    inverse : float64 array [n, k, k]
        Of the covariance of the measurements.
    residual : float64 array [k]
        Measured minus m.
    """

    basis: Basis
    points: Points
    variances: Values
    noises: Values
    share: Values
    inverse: Values
    residual: Values

    @property
    def solved(self) -> Values:
        """Inverse @ residual: float64 [n, k]."""
        return np.asarray(self.inverse @ self.residual)


@dataclass(frozen=True, eq=False)
class Posterior:
    """All views' settings given measurements; shares add up to 1."""

    fits: tuple[Fit, ...]
    data: Data

    @property
    def noise(self) -> float:
        """Relative noise of a measurement: root of the mean square over all settings."""
        return float(np.sqrt(sum((f.share * f.noises**2).sum() for f in self.fits)))

    def left_out(self) -> tuple[Values, Values]:
        """Return mean and standard deviation of each measurement given all others.

        Of every setting by the usual identities for Gaussian processes (Rasmussen and Williams
        2006, equations 5.10 to 5.12); settings are weighed by what the other measurements say.

        Returns
        -------
        mean, std : float64 arrays [k]
            In units of the data's scale; std is that of a new measurement, with its noise.
        """
        means, variances, logs = [], [], []
        for fit in self.fits:
            diagonal = np.diagonal(fit.inverse, axis1=1, axis2=2)
            off = fit.solved / diagonal
            means.append(fit.points.mean + fit.residual - off)
            variances.append(1.0 / diagonal)
            # The share without a measurement: divided by what the setting said of it.
            said = -0.5 * off**2 * diagonal + 0.5 * np.log(diagonal)
            logs.append(np.log(fit.share)[:, None] - said)
        mean, variance, log = (np.concatenate(a) for a in (means, variances, logs))
        weight = np.exp(log - log.max(axis=0))
        weight /= weight.sum(axis=0)
        middle = (weight * mean).sum(axis=0)
        total = (weight * (variance + (mean - middle) ** 2)).sum(axis=0)
        return middle, np.sqrt(total)


def _affordable(prior: Values, k: int) -> NDArray[np.int64]:
    """Return the settings to ask: all of them for a few measurements, the likeliest ones for many.

    Time grows with the cube of the measurements, which by then say more than any prior.
    """
    count = int(np.clip(_SETTINGS * (_MANY / k) ** 3, _FEWEST_SETTINGS, _SETTINGS))
    likeliest = np.argsort(-prior.sum(axis=0), kind="stable")[:count]
    return np.sort(likeliest)


def posterior_of(
    bases: Sequence[Basis], prior: Values, symbols: NDArray[np.int64], times: Values, errors: Values
) -> Posterior:
    """Return the settings given measurements.

    Parameters
    ----------
    bases : sequence of Basis
        A view each.
    prior : float64 array [views, n_settings]
        Probabilities; see `setting_prior`.
    symbols : int64 array [k, n_blocks]
    times, errors : float64 arrays [k]
        On the additive scale, in any one unit.
    """
    asked = _affordable(prior, len(times))
    variances, prior = settings()[asked], prior[:, asked]
    data = data_of(bases[0], symbols, times, errors)
    points = [basis.at(symbols) for basis in bases]
    logs = np.stack(
        [
            evidence(basis, p, data, variances) + np.log(share)[None, :]
            for basis, p, share in zip(bases, points, prior, strict=True)
        ]
    )
    logs += np.log(_NOISE_PRIOR)[None, :, None]
    share = np.exp(logs - logs.max())
    share /= share.sum()
    ordered = np.sort(share.ravel())[::-1]
    enough = int(np.searchsorted(ordered.cumsum(), 1.0 - _LEFT_OUT)) + 1
    least = ordered[min(enough, _MOST_KEPT, len(ordered)) - 1]
    kept = share >= least
    total = share[kept].sum()
    fits = []
    for number, (basis, p) in enumerate(zip(bases, points, strict=True)):
        noise_number, setting = np.nonzero(kept[number])
        if not len(setting):
            continue
        covariance = _covariance(basis.grams(p, p), data, variances[setting], NOISES[noise_number])
        fits.append(
            Fit(
                basis,
                p,
                variances[setting],
                NOISES[noise_number],
                share[number][noise_number, setting] / total,
                np.asarray(np.linalg.inv(covariance), dtype=np.float64),
                data.times - p.mean,
            )
        )
    return Posterior(tuple(fits), data)


def _covariance(
    grams: NDArray[np.float64], data: Data, variances: Values, noises: Values
) -> NDArray[np.float64]:
    """Return the covariance of measurements in each setting: float64 [n, k, k]."""
    k = len(data.times)
    found = (variances @ grams.reshape(len(GROUPS), -1)).reshape(-1, k, k)
    diagonal = np.arange(k)
    found[:, diagonal, diagonal] += noises[:, None] ** 2 * data.sizes**2 + data.errors**2
    return np.asarray(found)


def evidence(
    basis: Basis, points: Points, data: Data, variances: Values, noises: Values = NOISES
) -> Values:
    """Return the logarithm of the evidence: float64 [noises, settings]."""
    residual = data.times - points.mean
    k = len(residual)
    diagonal = np.arange(k)
    found = np.empty((len(noises), len(variances)))
    grams = basis.grams(points, points)
    count = max(1, _CHUNK // k**2)
    for start in range(0, len(variances), count):
        part = slice(start, start + count)
        kernel = _covariance(grams, data, variances[part], np.zeros(len(variances[part])))
        for number, noise in enumerate(noises):
            covariance = kernel.copy()
            covariance[:, diagonal, diagonal] += noise**2 * data.sizes**2
            lower = np.asarray(np.linalg.cholesky(covariance), dtype=np.float64)
            solved = _forward(lower, residual)
            roots = np.diagonal(lower, axis1=1, axis2=2)
            found[number, part] = -0.5 * (solved**2).sum(axis=1) - np.log(roots).sum(axis=1)
    return found


def _forward(lower: NDArray[np.float64], right: Values) -> Values:
    """Solve lower @ x = right for a stack of triangular matrices: float64 [n, k]."""
    n, k = lower.shape[:2]
    x = np.empty((n, k))
    for row in range(k):
        known = np.einsum("nj,nj->n", lower[:, row, :row], x[:, :row])
        x[:, row] = (right[row] - known) / lower[:, row, row]
    return x


def setting_prior(
    space: SearchSpace,
    sources: Sequence[SourceTable],
    counts: Sequence[Count] | None = None,
    *,
    threads: int = 2,
) -> Values:
    """Return the probability of each setting before anything is measured: [views, n_settings].

    The mean, over the source devices, of what `_ASKED` of a device's times say of the settings when
    it is looked at from the other sources: the hyper-prior is the devices of the space themselves.
    """
    views = len(bases_of(space, (), ()))
    flat = np.full((views, _SETTINGS), 1.0 / (views * _SETTINGS))
    if len(sources) < 3:
        return flat
    asked = np.arange(len(sources))
    if len(asked) > _MOST_ASKED:
        asked = np.random.default_rng(0).permutation(len(asked))[:_MOST_ASKED]
    with ThreadPoolExecutor(threads) as pool:  # linear algebra without the interpreter's lock
        found = list(pool.map(lambda number: _said(space, sources, counts, int(number)), asked))
    return np.asarray((1.0 - _FLAT) * np.mean(found, axis=0) + _FLAT * flat)


def _said(
    space: SearchSpace,
    sources: Sequence[SourceTable],
    counts: Sequence[Count] | None,
    number: int,
) -> Values:
    """Return the settings' probabilities by one source device, seen from the others."""
    others = [source for k, source in enumerate(sources) if k != number]
    device = bases_of(space, [sources[number]], ())[0]
    rng = np.random.default_rng((7, number))
    chosen = rng.choice(len(device.reference), _ASKED, replace=False)
    symbols = device.reference[chosen]
    times = device.at(symbols).mean
    bases = bases_of(space, others, counts)
    data = data_of(bases[0], symbols, times, np.zeros(_ASKED))
    variances = settings()
    # A source is a smooth function or repeats of measurements: neither of the extremes is needed.
    some = slice(1, 4)
    logs = np.stack(
        [evidence(basis, basis.at(symbols), data, variances, NOISES[some]) for basis in bases]
    )
    logs += np.log(_NOISE_PRIOR[some])[None, :, None]
    share = np.exp(logs - logs.max()).sum(axis=1)
    return np.asarray(share / share.sum())
