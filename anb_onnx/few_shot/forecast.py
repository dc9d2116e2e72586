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

from anb_onnx.few_shot.basis import GROUPS, Points
from anb_onnx.few_shot.figures import ranks
from anb_onnx.few_shot.members import Draw, draws, mean_at
from anb_onnx.few_shot.posterior import Posterior
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
    views = {id(fit): (fit.basis.at(reference), fit.basis.at(extra)) for fit in posterior.fits}
    before, after = [], []
    for draw in draws(posterior, _DEVICES, rng):
        points, further = views[id(draw.fit)]
        noise = draw.fit.noises[draw.setting]
        times = draw.at(points)
        measured = times * (1 + noise * rng.standard_normal(len(times)))
        before.append(_scores(now, measured))
        after.append(_scores(_learnt(posterior, draw, points, further, rng), measured))
    first, second = _forecast(before), _forecast(after)
    # Knowing its setting, a draw's own predictions are a little better than the average over all
    # settings: the difference that more measurements make counts, and is never a loss.
    return first, Forecast(
        tuple(max(a, b) for a, b in zip(first.spearman, second.spearman, strict=True)),  # type: ignore[arg-type]
        tuple(min(a, b) for a, b in zip(first.mape, second.mape, strict=True)),  # type: ignore[arg-type]
    )


def _learnt(
    posterior: Posterior, draw: Draw, points: Points, further: Points, rng: np.random.Generator
) -> Values:
    """Return predictions for points by one who measured the draw at further architectures, too."""
    fit, data = draw.fit, posterior.data
    variances = fit.variances[draw.setting]
    noise = fit.noises[draw.setting]

    def kernel(a: Points, b: Points) -> Values:
        grams = fit.basis.grams(a, b)
        flat = np.tensordot(variances, grams.reshape(len(GROUPS), -1), 1)
        return np.asarray(flat).reshape(grams.shape[1:])

    times = draw.at(further)
    size = np.sqrt((times**2 + 1) / 2)
    told = times + noise * size * rng.standard_normal(len(times))
    cross = kernel(further, fit.points)
    between = kernel(further, further) + np.diag((noise * size) ** 2)
    known = kernel(fit.points, fit.points)
    known[np.diag_indices(len(known))] += noise**2 * data.sizes**2 + data.errors**2
    whole = np.block([[known, cross.T], [cross, between]])
    residual = np.concatenate([fit.residual, told - further.mean])
    solved = np.linalg.solve(whole, residual)
    across = np.concatenate([kernel(points, fit.points), kernel(points, further)], axis=1)
    return np.asarray(points.mean + across @ solved)


def _scores(predicted: Values, measured: Values) -> tuple[float, float]:
    spearman = float(np.corrcoef(ranks(predicted), ranks(measured))[0, 1])
    # A draw may be 0 or less somewhere, which no device is.
    positive = measured > 0
    error = np.abs(predicted[positive] - measured[positive]) / measured[positive]
    return spearman, float(error.mean())


def _forecast(scores: list[tuple[float, float]]) -> Forecast:
    table = np.array(scores)
    low, high = np.quantile(table, [0.05, 0.95], axis=0)
    triple = [tuple(map(float, (table[:, k].mean(), low[k], high[k]))) for k in (0, 1)]
    return Forecast(triple[0], triple[1])  # type: ignore[arg-type]
