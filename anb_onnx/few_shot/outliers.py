"""Measurements that no device of the space would give: found by what all others say of them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from anb_onnx.few_shot.basis import Basis
from anb_onnx.few_shot.posterior import Posterior, posterior_of
from anb_onnx.few_shot.sources import Values

#: How often a measurement is taken to have gone wrong, and how far it then strays: its logarithm is
#: uniform over so wide a range around what is expected.
_WRONG = 0.002
_RANGE = np.log(100.0)

#: What is off by less than this factor is a device's own way, however sure all others are.
_LEAST_FACTOR = 1.3

#: Fewest measurements of which one can be told to be wrong, and the most that may be: one in ten.
_FEWEST = 8
_IN = 10

_TINY = np.finfo(np.float64).tiny
_LOG_ROOT = 0.5 * np.log(2 * np.pi)


def posterior_without_outliers(
    bases: Sequence[Basis], prior: Values, symbols: NDArray[np.int64], times: Values, errors: Values
) -> tuple[Posterior, list[int]]:
    """Return the posterior without what is likelier wrong than right, and the numbers of that.

    One at a time, the worst first: whether it is wrong is decided by its density given all others,
    with their noise, against that of a wrong measurement. At most one in ten is left out, none of
    fewer than eight.
    """
    kept = np.arange(len(times))
    found: list[int] = []
    most = max(1, len(times) // _IN) if len(times) >= _FEWEST else 0
    posterior = posterior_of(bases, prior, symbols, times, errors)
    while len(found) < most:
        data = posterior.data
        mean, std = posterior.left_out()
        z = (data.times - mean) / std
        right = np.log1p(-_WRONG) - 0.5 * z**2 - np.log(std) - _LOG_ROOT
        wrong = np.log(_WRONG) - np.log(data.times * _RANGE)
        ratio = np.maximum(data.times / np.maximum(mean, _TINY), mean / data.times)
        odds = np.where(ratio >= _LEAST_FACTOR, wrong - right, -np.inf)
        worst = int(odds.argmax())
        if odds[worst] <= 0:
            break
        found.append(int(kept[worst]))
        kept = np.delete(kept, worst)
        posterior = posterior_of(bases, prior, symbols[kept], times[kept], errors[kept])
    return posterior, sorted(found)
