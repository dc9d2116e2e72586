"""Which architectures to measure: those after which least is left unknown of all others."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from anb_onnx.few_shot.basis import GROUPS, Basis, Points
from anb_onnx.few_shot.posterior import settings
from anb_onnx.few_shot.sources import Values

#: Relative noise that a design reckons with: the middle of the noise's prior.
_NOISE = 0.03

#: Settings that a design is made for: those that the sources find likeliest, up to this share.
_SHARE = 0.9
_MOST_SETTINGS = 40

#: Architectures on which the remaining variance is looked at.
_LOOKED_AT = 768

#: Candidates whose kernels are in memory at a time.
_PART = 4096


def design(
    bases: Sequence[Basis],
    prior: Values,
    candidates: NDArray[np.int64],
    n: int,
    measured: NDArray[np.int64],
    rng: np.random.Generator,
) -> NDArray[np.int64]:
    """Choose architectures one by one, each the one that lessens the mean variance most.

    The variance is that of the time of random architectures, relative to the time expected of them,
    summed over the settings and views by their prior probability (a V-optimal design, greedily).

    Parameters
    ----------
    bases : sequence of Basis
    prior : float64 array [views, n_settings]
    candidates : int64 array [C, n_blocks]
        Symbols of the architectures to choose from.
    n : int
        How many, at most C.
    measured : int64 array [k, n_blocks]
        Symbols of what is measured already.
    rng : numpy.random.Generator
        Draws the architectures on which the variance is looked at.

    Returns
    -------
    int64 array [n]
        Numbers of candidates, in the order in which to measure.
    """
    parts = [
        _Remaining(basis, weights, share, candidates, measured, rng)
        for basis, weights, share in _likeliest(bases, prior)
    ]
    chosen: list[int] = []
    for _ in range(n):
        gain = np.sum([part.gains() for part in parts], axis=0)
        gain[chosen] = -np.inf
        best = int(gain.argmax())
        chosen.append(best)
        for part in parts:
            part.measure(best)
    return np.array(chosen, dtype=np.int64)


def _likeliest(bases: Sequence[Basis], prior: Values) -> list[tuple[Basis, Values, float]]:
    """Return a basis, variances of its groups, and their share, for the likeliest settings.

    Settings of one view are put together: variances are averaged on the scale of logarithms, as
    they are drawn, so that no rare setting of huge ones decides.
    """
    variances = settings()
    found = []
    for basis, probabilities in zip(bases, prior, strict=True):
        share = float(probabilities.sum())
        order = np.argsort(-probabilities, kind="stable")[:_MOST_SETTINGS]
        enough = int(np.searchsorted(probabilities[order].cumsum(), _SHARE * share)) + 1
        order = order[:enough]
        weights = probabilities[order] / probabilities[order].sum()
        floor = 1e-6
        mean = np.exp(weights @ np.log(np.maximum(variances[order], floor)))
        found.append((basis, np.asarray(mean), share))
    return found


def _covariance(basis: Basis, variances: Values, a: Points, b: Points) -> Values:
    """Return the prior covariance of architectures' times: float64 [len(a), len(b)]."""
    grams = basis.grams(a, b)
    flat = np.tensordot(variances, grams.reshape(len(GROUPS), -1), 1)
    return np.asarray(flat).reshape(grams.shape[1:])


class _Remaining:
    """The variance that is left of one view, as architectures are measured one after the other."""

    def __init__(
        self,
        basis: Basis,
        variances: Values,
        share: float,
        candidates: NDArray[np.int64],
        measured: NDArray[np.int64],
        rng: np.random.Generator,
    ) -> None:
        reference = basis.reference
        looked_at = rng.permutation(len(reference))[:_LOOKED_AT]
        a, b = basis.at(reference[looked_at]), basis.at(np.concatenate([candidates, measured]))
        self.rows = basis, b, variances
        self.noise = _NOISE**2 * (b.mean**2 + 1) / 2
        self.across = np.zeros((len(looked_at), len(b.mean)))
        self.variance = np.zeros(len(b.mean))
        for first in range(0, len(b.mean), _PART):
            some = b.some(slice(first, first + _PART))
            self.across[:, first : first + _PART] = _covariance(basis, variances, a, some)
            for start in range(0, len(some.mean), 512):
                few = some.some(slice(start, start + 512))
                found = _covariance(basis, variances, few, some).diagonal(start)
                self.variance[first + start : first + start + len(found)] = found
        self.across /= a.mean[:, None]
        self.factors: list[Values] = []
        self.n = len(candidates)
        self.share = share
        for number in range(self.n, len(b.mean)):
            self.measure(number)

    def gains(self) -> Values:
        """Return by how much each candidate's measurement lessens the mean variance: [C]."""
        left = np.maximum(self.variance, 0.0) + self.noise
        found = (self.across**2).mean(axis=0) / left
        return np.asarray(self.share * found[: self.n])

    def measure(self, number: int) -> None:
        """Take a candidate's time for known, but for its noise."""
        basis, points, variances = self.rows
        one = points.some(slice(number, number + 1))
        row = _covariance(basis, variances, one, points)[0]
        for factor in self.factors:
            row = row - factor[number] * factor
        factor = row / np.sqrt(max(float(row[number]), 0.0) + self.noise[number])
        scale = 1.0 / np.sqrt(max(float(row[number]), 0.0) + self.noise[number])
        self.across -= np.outer(self.across[:, number] * scale, factor)
        self.variance = self.variance - factor**2
        self.factors.append(factor)
