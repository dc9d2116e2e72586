"""Objectives that weigh several targets against each other, and how they are bounded.

Where such an objective rises whenever one of its targets gets better, an architecture that another
dominates cannot be better than that other. So the best one is on the exact Pareto front, and the
front's points are all that has to be looked at. That is the bound: nothing else is needed, and none
is offered for what does not rise with its targets, nor for more than the best (the second best may
be dominated by the best, and so be on no front).
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anb_onnx._io.real import finite
from anb_onnx._io.show import show
from anb_onnx.catalog.catalog import Target
from anb_onnx.errors import ExactError
from anb_onnx.exact.questions import TargetLike
from anb_onnx.surrogate import Surrogate


class Weighted:
    """An objective of several targets, larger is better; see `WeightedSum`, `WeightedProduct`."""

    @property
    @abstractmethod
    def targets(self) -> tuple[TargetLike, ...]:
        """The targets, by name or as surrogates."""

    @abstractmethod
    def value(self, means: NDArray[np.float32]) -> NDArray[np.float64]:
        """Return the values, float64 [n], of means, float32 [n, n_targets]."""

    @abstractmethod
    def rises(self) -> tuple[bool, ...]:
        """Return for each target whether the objective rises with it, or falls."""

    def check(self, targets: Sequence[Target]) -> None:
        """Check that the objective rises where a target gets better.

        Raises
        ------
        ExactError
            If not: then the front says nothing about its optimum.
        """
        for target, rising in zip(targets, self.rises(), strict=True):
            if rising != (target.direction == "max"):
                better = "higher" if target.direction == "max" else "lower"
                msg = (
                    f"{self} would reward a worse {target.name} ({better} is better): its optimum "
                    "need not be on the Pareto front, and is not offered; change the sign of the "
                    f"weight of {target.name!r}"
                )
                raise ExactError(msg)


@dataclass(frozen=True)
class WeightedSum(Weighted):
    """The sum of means times weights.

    Parameters
    ----------
    weights : mapping of str or Surrogate to float
        By target, two or three; positive where higher is better, else negative.

    Raises
    ------
    ExactError
        If a weight is no finite number, or 0.

    Examples
    --------
    >>> from anb_onnx import exact
    >>> score = exact.WeightedSum({"accuracy": 1.0, "latency_zcu102": -0.5})
    >>> f"{exact.optimum(score).solutions[0].value:.4f}"
    '63.7740'
    """

    weights: Mapping[Any, float]  # of TargetLike; Mapping does not vary in its keys

    def __post_init__(self) -> None:
        if not isinstance(self.weights, Mapping) or len(self.weights) not in (2, 3):
            msg = (
                "a weighted sum has two or three targets, as in {'accuracy': 1.0, "
                f"'latency_zcu102': -0.5}}, not {show(self.weights)}"
            )
            raise ExactError(msg)
        for name, weight in self.weights.items():
            _check_weight(f"the weight of {show(_named(name))}", weight)

    @property
    def targets(self) -> tuple[TargetLike, ...]:
        """The targets, by name or as surrogates."""
        return tuple(self.weights)

    def value(self, means: NDArray[np.float32]) -> NDArray[np.float64]:
        """Return the values, float64 [n], of means, float32 [n, n_targets], added in order."""
        total = np.zeros(len(means))
        for column, weight in zip(means.T, self.weights.values(), strict=True):
            with np.errstate(all="ignore"):  # what is not finite is refused where it matters
                total += column.astype(np.float64) * float(weight)
        return total

    def rises(self) -> tuple[bool, ...]:
        """Return for each target whether the objective rises with it, or falls."""
        return tuple(weight > 0 for weight in self.weights.values())

    def __str__(self) -> str:
        return " + ".join(f"{weight:g} * {_named(name)}" for name, weight in self.weights.items())


@dataclass(frozen=True)
class WeightedProduct(Weighted):
    """``accuracy * (performance / reference) ** exponent``: the scalar objective of MnasNet.

    From Tan et al., "MnasNet: Platform-Aware Neural Architecture Search for Mobile" (2019), and
    what Accel-NASBench's own searches optimise.

    Parameters
    ----------
    accuracy : str or Surrogate
        A target that is positive, higher is better.
    performance : str or Surrogate
        A target of a device, positive.
    reference : float
        What the performance is compared with, in its unit; positive.
    exponent : float
        Positive for a throughput, negative for a latency.

    Raises
    ------
    ExactError
        If a number is not allowed.

    Examples
    --------
    >>> from anb_onnx import exact
    >>> score = exact.WeightedProduct("accuracy", "latency_zcu102", reference=5.0, exponent=-0.07)
    >>> f"{exact.optimum(score).solutions[0].value:.4f}"
    '66.0680'
    """

    accuracy: TargetLike
    performance: TargetLike
    reference: float
    exponent: float

    def __post_init__(self) -> None:
        _check_weight("reference", self.reference)
        _check_weight("exponent", self.exponent)
        if self.reference < 0:
            msg = f"reference must be positive, not {show(self.reference)}"
            raise ExactError(msg)

    @property
    def targets(self) -> tuple[TargetLike, ...]:
        """The targets, by name or as surrogates."""
        return self.accuracy, self.performance

    def value(self, means: NDArray[np.float32]) -> NDArray[np.float64]:
        """Return the values, float64 [n], of means, float32 [n, 2].

        Unlike all other values of this package their last bits depend on the C library's power.

        Raises
        ------
        ExactError
            If a mean is not positive.
        """
        if len(means) and not means.min() > 0:
            msg = f"{self} needs positive values; a mean is {float(means.min())!r}"
            raise ExactError(msg)
        accuracy, performance = means.astype(np.float64).T
        with np.errstate(all="ignore"):  # what is not finite is refused where it matters
            factor = (performance / float(self.reference)) ** float(self.exponent)
            return np.asarray(accuracy * factor)

    def rises(self) -> tuple[bool, ...]:
        """Return for each target whether the objective rises with it, or falls."""
        return True, self.exponent > 0

    def __str__(self) -> str:
        ratio = f"({_named(self.performance)} / {self.reference:g})"
        return f"{_named(self.accuracy)} * {ratio}^{self.exponent:g}"


def _named(target: TargetLike) -> str:
    return target.target.name if isinstance(target, Surrogate) else target


def _check_weight(name: str, value: Any) -> None:
    if not finite(value):
        msg = f"{name} must be a finite number other than 0, not {show(value)}"
        raise ExactError(msg)
