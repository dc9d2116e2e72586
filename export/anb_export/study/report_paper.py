"""What Laube et al. report, to be shown beside.

Kendall's tau on 625 test architectures of NAS-Bench-201, mean of 50 seeds, read from "What to
expect of hardware metric predictors in neural architecture search" (AutoML-Conf 2022).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

#: The paper in one word of a table.
NAME = "Laube et al."

#: The space of its data sets that can be had.
SPACE = "nasbench201"

#: Its five data sets that can be had, in the paper's order.
FIVE = (
    "imagenet16_latency_raspi4",
    "cifar100_latency_pixel3",
    "cifar10_latency_edgegpu",
    "cifar100_energy_edgegpu",
    "imagenet16_arithmetic_intensity",
)


@dataclass(frozen=True)
class Line:
    """A predictor in the paper.

    Attributes
    ----------
    title : str
    size : int or None
        Training samples; None where it takes one measurement of each operation.
    tau : mapping of str to float
        By target, of `FIVE`.
    mean : float
        As the paper rounds it.
    """

    title: str
    size: int | None
    tau: Mapping[str, float]
    mean: float


def _line(title: str, size: int | None, tau: tuple[float, ...], mean: float) -> Line:
    return Line(title, size, dict(zip(FIVE, tau, strict=True)), mean)


LINES = (
    _line("lookup table", None, (0.443, 0.484, 0.175, 0.221, 0.861), 0.437),
    _line("linear regression", 124, (0.676, 0.780, 0.790, 0.812, 0.805), 0.773),
    _line("XGBoost", 15000, (0.757, 0.877, 0.926, 0.920, 0.970), 0.890),
)


def is_its_own(space: str, targets: tuple[str, ...]) -> bool:
    """Say whether these are the paper's data sets, all and no others."""
    return space == SPACE and set(targets) == set(FIVE)


def lines_at(space: str, targets: tuple[str, ...], size: int) -> list[Line]:
    """Return the paper's lines for a table of one size; none of other spaces or data sets."""
    if space != SPACE or not set(targets) & set(FIVE):
        return []
    return [line for line in LINES if line.size in (None, size)]
