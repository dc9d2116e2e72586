"""The posterior as tables: its mean, and draws from it as ensemble members."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from anb_onnx.few_shot.basis import Basis, Function, Points
from anb_onnx.few_shot.posterior import Fit, Posterior
from anb_onnx.few_shot.sources import Values


def mean_functions(posterior: Posterior) -> list[tuple[Fit, Function, float]]:
    """Return for each view its part of the posterior mean: a function, and the factor of m."""
    found = []
    for fit in posterior.fits:
        weights = np.einsum("n,nc,nk->ck", fit.share, fit.variances, fit.solved)
        found.append((fit, fit.basis.function(fit.points, weights), float(fit.share.sum())))
    return found


def mean_at(posterior: Posterior, symbols: NDArray[np.int64]) -> Values:
    """Return the posterior mean, in the data's scale, of architectures: float64 [N]."""
    total = np.zeros(len(symbols))
    for fit, function, share in mean_functions(posterior):
        points = fit.basis.at(symbols)
        total += function.at(points) + share * points.mean
    return total


class Draw:
    """One function drawn from the posterior: a setting, then a function given the measurements.

    Matheron's rule: a function of the prior, corrected by what it says of the measured
    architectures. The correction is a sum of kernels, so a draw is a sum of tables, as the mean is.
    """

    def __init__(
        self, posterior: Posterior, fit: Fit, setting: int, rng: np.random.Generator
    ) -> None:
        data = posterior.data
        variances = fit.variances[setting]
        self.fit, self.setting = fit, setting
        self.function = fit.basis.draw(rng, variances)
        noise = np.sqrt(fit.noises[setting] ** 2 * data.sizes**2 + data.errors**2)
        said = self.function.at(fit.points) + noise * rng.standard_normal(len(noise))
        solved = fit.inverse[setting] @ (fit.residual - said)
        self.function.add_points(fit.points, np.outer(variances, solved))

    def entries(self) -> Values:
        """Return the draw as tables of the basis' terms."""
        return self.function.entries(mean=1.0)

    def at(self, points: Points) -> Values:
        """Return its values at points of its view: float64 [N]."""
        return self.function.at(points) + points.mean


def draws(posterior: Posterior, n: int, rng: np.random.Generator) -> list[Draw]:
    """Draw functions, their settings spread evenly over the settings' posterior.

    Systematic sampling: of a setting with a share of a third, a third of the draws has it.
    """
    shares = np.concatenate([fit.share for fit in posterior.fits])
    edges = shares.cumsum() / shares.sum()
    places = (np.arange(n) + rng.random()) / n
    numbers = np.minimum(np.searchsorted(edges, places, side="right"), len(edges) - 1)
    starts = np.cumsum([0, *(len(fit.share) for fit in posterior.fits)])
    found = []
    for number in numbers:
        view = int(np.searchsorted(starts, number, side="right")) - 1
        fit = posterior.fits[view]
        found.append(Draw(posterior, fit, int(number - starts[view]), rng))
    return found


def member_entries(posterior: Posterior, n: int, rng: np.random.Generator) -> Values:
    """Return n members as tables whose mean is the posterior mean: float64 [n_entries, n].

    Draws differ from the posterior mean by chance also in their mean; that is taken out, and the
    deviations are enlarged by sqrt(n / (n - 1)), so that the population std of members, which
    artifacts report, is on average that of the posterior.
    """
    basis: Basis = posterior.fits[0].basis
    mean = np.zeros(basis.terms.n_entries)
    for _, function, share in mean_functions(posterior):
        mean += function.entries(mean=share)
    if n == 1:
        return mean[:, None]
    found = np.stack([draw.entries() for draw in draws(posterior, n, rng)], axis=1)
    deviation = found - found.mean(axis=1, keepdims=True)
    return np.asarray(mean[:, None] + deviation * np.sqrt(n / (n - 1)))
