"""How good predictions of a device will be, before anybody measures more: from the posterior.

Each draw of the posterior is a device that might be the one. Against each, predictions are scored
as a user would score them against new measurements of random architectures, noise and all. What
more measurements would bring is told the same way: each draw is measured at the architectures that
`suggest` would name next, and the predictions learn from that.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from anb_onnx.few_shot.figures import ranks
from anb_onnx.few_shot.members import Draw, draws, mean_at
from anb_onnx.few_shot.posterior import Data, Fit, Posterior
from anb_onnx.few_shot.sources import Values

#: Devices drawn, and random architectures they are scored on.
_DEVICES = 48
_ARCHITECTURES = 512


@dataclass(frozen=True)
class Forecast:
    """Expected figures: mean, and the bounds that hold 90 % of the devices there might be.

    Attributes
    ----------
    spearman, mape : tuple of three floats
        Rank correlation, and mean absolute error relative to the measurement, of the predictions as
        they are.
    """

    spearman: tuple[float, float, float]
    mape: tuple[float, float, float]

    def to_dict(self) -> Mapping[str, list[float]]:
        """Return plain data for JSON, four digits each."""
        return {
            key: [float(f"{value:.4g}") for value in getattr(self, key)]
            for key in ("spearman", "mape")
        }


def forecasts(
    posterior: Posterior,
    more: Callable[[], NDArray[np.int64]],
    rng: np.random.Generator,
) -> tuple[Forecast, Forecast]:
    """Return what to expect now, and with further measurements.

    Parameters
    ----------
    posterior : Posterior
    more : callable
        Returns the symbols [n, n_blocks] of the architectures that would be measured next.
    rng : numpy.random.Generator
    """
    basis = posterior.fits[0].basis
    reference = basis.reference[rng.permutation(len(basis.reference))[:_ARCHITECTURES]]
    extra = more()
    now = mean_at(posterior, reference)
    views = {id(fit): _View(fit, posterior.data, reference, extra) for fit in posterior.fits}
    before, after = [], []
    for draw in draws(posterior, _DEVICES, rng):
        view = views[id(draw.fit)]
        noise = draw.fit.noises[draw.setting]
        times = draw.at(view.points)
        measured = times * (1 + noise * rng.standard_normal(len(times)))
        before.append(_scores(now, measured))
        after.append(_scores(view.learnt(draw, rng), measured))
    first, second = _forecast(before), _forecast(after)
    # Knowing its setting, a draw's own predictions are a little better than the average over all
    # settings: the difference that more measurements make counts, and is never a loss.
    return first, Forecast(
        tuple(max(a, b) for a, b in zip(first.spearman, second.spearman, strict=True)),  # type: ignore[arg-type]
        tuple(min(a, b) for a, b in zip(first.mape, second.mape, strict=True)),  # type: ignore[arg-type]
    )


class _View:
    """One view's kernels between what was measured, will be, and is scored: found once."""

    def __init__(
        self, fit: Fit, data: Data, reference: NDArray[np.int64], extra: NDArray[np.int64]
    ) -> None:
        basis = fit.basis
        self.fit, self.data = fit, data
        self.points, self.extra = basis.at(reference), basis.at(extra)
        known = basis.at(np.concatenate([data.symbols, extra]))
        self.among = basis.grams(known, known)
        self.across = basis.grams(self.points, known)

    def learnt(self, draw: Draw, rng: np.random.Generator) -> Values:
        """Return the times expected by one who measured the draw at further architectures, too."""
        fit, data = self.fit, self.data
        variances, noise = fit.variances[draw.setting], fit.noises[draw.setting]
        times = draw.at(self.extra)
        sizes = np.sqrt((times**2 + 1) / 2)
        told = times + noise * sizes * rng.standard_normal(len(times))
        covariance = np.tensordot(variances, self.among, 1)
        known = noise**2 * data.sizes**2 + data.errors**2
        covariance += np.diag(np.concatenate([known, (noise * sizes) ** 2]))
        residual = np.concatenate([fit.residual, told - self.extra.mean])
        solved = np.linalg.solve(covariance, residual)
        # Groups one by one: an array of all kernels times weights is not made for every draw.
        weights = variances[:, None] * solved[None, :]
        return np.asarray(self.points.mean + np.einsum("crk,ck->r", self.across, weights))


def _scores(predicted: Values, measured: Values) -> tuple[float, float]:
    # Predictions that are all the same, as those of equal measurements may be, order nothing.
    tells = np.ptp(predicted) > 0 and np.ptp(measured) > 0
    spearman = float(np.corrcoef(ranks(predicted), ranks(measured))[0, 1]) if tells else 0.0
    # A draw may be 0 or less somewhere, which no device is; one that is so everywhere says nothing.
    positive = measured > 0
    error = np.abs(predicted[positive] - measured[positive]) / measured[positive]
    return spearman, float(error.mean()) if len(error) else 1.0


def _forecast(scores: list[tuple[float, float]]) -> Forecast:
    table = np.array(scores)
    low, high = np.quantile(table, [0.05, 0.95], axis=0)
    triple = [tuple(map(float, (table[:, k].mean(), low[k], high[k]))) for k in (0, 1)]
    return Forecast(triple[0], triple[1])  # type: ignore[arg-type]
