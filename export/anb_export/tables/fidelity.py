"""How close an approximation comes to the ensemble it was made from, on fresh architectures.

Fidelity is not quality: it compares predictions with predictions, on architectures nobody has
measured. It goes into the card of every approximate artifact, beside `"exact_compilation": false`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from anb_export.models.forest import Forest
from anb_export.training.recipe import LabelTransform
from anb_onnx.encoding.encoding import codes_to_symbols
from anb_onnx.errors import AnbError
from anb_onnx.spaces.architecture import sample
from anb_onnx.spaces.space import SearchSpace
from anb_onnx.tables import TableEnsemble

#: Random architectures a fidelity is measured on unless told otherwise, and their seed, which no
#: other step of the exporter uses.
N_FIDELITY, FIDELITY_SEED = 200_000, 9_176_402

#: Architectures handled at a time.
_ROWS = 16_384


@dataclass(frozen=True)
class Fidelity:
    """Comparison of an approximation with its ensemble.

    Attributes
    ----------
    n, seed : int
        Number of random architectures, and their seed.
    r2 : float
        Share of the variance of the ensemble's mean that the approximation reproduces.
    kendall_tau : float
        Rank correlation (tau-b) of the two means.
    max, p999, rms : float
        Of the absolute differences of the means, in the target's unit: the largest, the 99.9th
        percentile, and the root of their mean square.
    bias : float
        Mean of approximation minus ensemble, in the target's unit.
    target_std : float
        Standard deviation of the measurements, or else of the predictions, in the target's unit.
    own_std : float
        Mean over the architectures of the ensemble's own standard deviation, in the target's unit.
    within_own_std : float
        Share of the architectures on which the means differ by less than the ensemble's own
        standard deviation there.
    std_ratio, std_kendall_tau : float
        The approximation's own standard deviation: its mean over that of the ensemble, and the
        rank correlation of the two. A ratio of 1 and a tau of 1 for ensembles of one member.
    measured : bool
        Whether `target_std` is of measurements.
    """

    n: int
    seed: int
    r2: float
    kendall_tau: float
    max: float
    p999: float
    rms: float
    bias: float
    target_std: float
    own_std: float
    within_own_std: float
    std_ratio: float
    std_kendall_tau: float
    measured: bool = True

    def to_dict(self) -> dict[str, Any]:
        """Return the fidelity as it stands in cards: differences in three units, four digits."""
        of_target = "target_std" if self.measured else "prediction_std"
        facts: dict[str, Any] = {
            "n": self.n,
            "seed": self.seed,
            "r2": self.r2,
            "kendall_tau": self.kendall_tau,
            "bias": self.bias,
            "within_own_std": self.within_own_std,
            "std_ratio": self.std_ratio,
            "std_kendall_tau": self.std_kendall_tau,
            "own_std": self.own_std,
        }
        for name, value in (("max", self.max), ("p99.9", self.p999), ("rms", self.rms)):
            facts[name] = {
                "target": _short(value),
                of_target: _short(value / self.target_std),
                "own_std": _short(value / self.own_std) if self.own_std > 0 else None,
            }
        return {k: _short(v) if isinstance(v, float) else v for k, v in facts.items()}


def measure(
    approximation: TableEnsemble,
    forests: Sequence[Forest],
    transform: LabelTransform,
    *,
    target_std: float,
    measured: bool = True,
    n: int = N_FIDELITY,
    seed: int = FIDELITY_SEED,
) -> Fidelity:
    """Compare tables with the exact sums of the leaves they stand for.

    Parameters
    ----------
    approximation : TableEnsemble
    forests : sequence of Forest
        The members the tables were made from.
    transform : LabelTransform
        From the target to what the members predict.
    target_std : float
        Standard deviation of the target, in its unit.
    measured : bool
        False where nothing is measured, and `target_std` is that of the predictions. Cards then
        call it so.
    n, seed : int
        Number, at least 2, and seed of the random architectures.

    Raises
    ------
    AnbError
        If `n` is too small or the numbers of members differ.
    """
    if n < 2:
        msg = f"a fidelity needs at least 2 architectures, found {n}"
        raise AnbError(msg)
    if approximation.n_members != len(forests):
        msg = f"{approximation.n_members} tables stand for {len(forests)} members"
        raise AnbError(msg)
    mean, std, full_mean, full_std = np.empty((4, n))
    for start, codes in _batches(n, seed, approximation.space):
        rows = slice(start, start + len(codes))
        symbols = codes_to_symbols(codes, approximation.space)
        mean[rows], std[rows], _ = approximation.predict(symbols)
        labels = np.stack([forest.predict_exact(codes) for forest in forests], axis=1)
        members = transform.inverse(labels, codes, approximation.space)
        full_mean[rows], full_std[rows] = members.mean(axis=1), members.std(axis=1)
    difference = mean - full_mean
    own = float(full_std.mean())
    variance = float(full_mean.var())
    mse = float(np.mean(difference**2))
    error = np.abs(difference)
    spread = own > 0
    return Fidelity(
        n=n,
        seed=seed,
        # A constant ensemble leaves nothing to explain: reproduced, or not at all.
        r2=1.0 - mse / variance if variance > 0 else float(mse == 0),
        kendall_tau=_tau(full_mean, mean),
        max=float(error.max()),
        p999=float(np.quantile(error, 0.999)),
        rms=float(np.sqrt(mse)),
        bias=float(difference.mean()),
        target_std=target_std,
        own_std=own,
        within_own_std=float(np.mean(error <= full_std)) if spread else 0.0,
        std_ratio=float(std.mean()) / own if spread else 1.0,
        std_kendall_tau=_tau(full_std, std) if spread else 1.0,
        measured=measured,
    )


def _batches(n: int, seed: int, space: SearchSpace) -> list[tuple[int, NDArray[np.uint8]]]:
    codes = sample(n, seed=seed, space=space)
    return [(start, codes[start : start + _ROWS]) for start in range(0, n, _ROWS)]


def _tau(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
    if np.ptp(a) == 0 or np.ptp(b) == 0:
        return 0.0
    return float(stats.kendalltau(a, b).statistic)


def _short(value: float) -> float:
    # Six digits where a figure is close to 1, as R2 and tau are, and four are not enough.
    return float(f"{value:.6g}" if 0.9 < value < 1 else f"{value:.4g}")
