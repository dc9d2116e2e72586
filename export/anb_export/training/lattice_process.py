"""A Gaussian process over all architectures of a small space, of values of any distribution.

What is learned are normal scores: the rank of each measurement among all, as a quantile of the
normal distribution. Losses that span ten powers of ten, times with outliers and accuracies with a
ceiling are then alike, and no single diverged run steers what is said of the others. Predictions
are taken back by the measurements' own quantiles, so that they stay within what was measured.

Repeated measurements of an architecture are so many measurements of one value.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from anb_export.training.block_sums import one_thread
from anb_export.training.lattice import Floats, Lattice, Settings, settings_of
from anb_onnx.spaces.space import SearchSpace


@dataclass(frozen=True, eq=False)
class Scores:
    """Values of any distribution as normal scores, and back.

    Attributes
    ----------
    scores, values : ndarray of float64, shape (k,)
        Both increasing.
    """

    scores: Floats
    values: Floats

    @classmethod
    def of(cls, values: Floats) -> Scores:
        """Return the scores of values [n]; equal values have their middle rank."""
        ranks = (stats.rankdata(values) - 0.5) / len(values)
        distinct, first = np.unique(values, return_index=True)
        return cls(np.asarray(stats.norm.ppf(ranks[first]), dtype=np.float64), distinct)

    def forward(self, values: Floats) -> Floats:
        """Return the scores of values; of those between two, between theirs."""
        return np.interp(values, self.values, self.scores)

    def back(self, scores: Floats) -> Floats:
        """Return the values of scores, within the range of those that the scores are of."""
        return np.interp(scores, self.scores, self.values)


class LatticeProcess:
    """The process: two members that state its deviation.

    Parameters
    ----------
    space : SearchSpace
        Small enough to be enumerated.
    codes : ndarray of uint8, shape (n, n_genes)
    values : ndarray of float64, shape (n,)
        Architectures may come several times.
    seed : int
        Of the measurements that the settings are found on.
    settings : Settings, optional
        Of the covariance; those of the largest evidence if not given.
    """

    def __init__(
        self,
        space: SearchSpace,
        codes: NDArray[np.uint8],
        values: Floats,
        seed: int,
        settings: Settings | None = None,
    ) -> None:
        self.space = space
        self.scores = Scores.of(values)
        z = self.scores.forward(values)
        unique, number = np.unique(codes, axis=0, return_inverse=True)
        number = number.reshape(-1)
        counts = np.bincount(number)
        with one_thread():
            if settings is None:
                order = np.random.default_rng(seed).permutation(len(z))
                settings = settings_of(space, codes[order], z[order])
            self.settings = settings
            self._lattice = Lattice(space, settings)
            places = self._lattice.places(unique)
            noise = settings.noise / counts
            z_of = np.bincount(number, z) / counts
            self._mean = self._lattice.posterior(places, noise, z_of)
        self._measured = places, noise

    def scored(self, codes: NDArray[np.uint8]) -> tuple[Floats, Floats]:
        """Return mean and standard deviation of the scores of architectures, float64 [N] each."""
        of = self._lattice.places(codes)
        with one_thread():
            return self._mean[of], self._lattice.deviations(*self._measured, of)

    def middle(self, codes: NDArray[np.uint8]) -> Floats:
        """Return what the mean score stands for, float64 [N], in the target's unit."""
        return self.scores.back(self._mean[self._lattice.places(codes)])

    def members(self, codes: NDArray[np.uint8]) -> Floats:
        """Return float64 [N, 2]: one standard deviation of the score below its mean, and above."""
        mean, std = self.scored(codes)
        return self.scores.back(np.stack([mean - std, mean + std], axis=1))

    def predict(self, codes: NDArray[np.uint8]) -> tuple[Floats, Floats]:
        """Return mean and population standard deviation of the members, float64 [N] each."""
        found = self.members(codes)
        return np.asarray(found.mean(axis=1)), np.asarray(found.std(axis=1))
