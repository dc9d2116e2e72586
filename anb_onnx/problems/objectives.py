"""Objectives and constraints of a problem: of one target, or of several that are weighed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, NoReturn, TypeAlias

import numpy as np
from numpy.typing import NDArray

from anb_onnx._io.real import finite
from anb_onnx._io.show import show
from anb_onnx.calibration import LevelError, check_share
from anb_onnx.errors import SearchError
from anb_onnx.surrogate import Surrogate

Floats: TypeAlias = NDArray[np.float64]
Direction: TypeAlias = Literal["max", "min"]
Noise: TypeAlias = Literal["none", "std", "predictive_std"]

#: Where the noise of an observation can come from.
NOISES: tuple[Noise, ...] = ("none", "std", "predictive_std")

OPERATORS = ("<=", ">=")


@dataclass(frozen=True)
class Limit:
    """A constraint: the mean of a target is at most, or at least, a value in its unit.

    With a confidence it is a chance constraint: a new measurement keeps the limit with at least
    this probability, by the calibration of the target.
    """

    surrogate: Surrogate
    operator: str
    value: float
    confidence: float | None = None

    @property
    def name(self) -> str:
        """Name of the target."""
        return self.surrogate.target.name

    def bounds(self, codes: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return what the limit is held against, float32 [n]: means without a confidence.

        With one, what a measurement is at most ("<="), or at least, with that probability.
        """
        found = self.surrogate.query_codes(codes)
        calibration = self.surrogate.calibration
        if self.confidence is None or calibration is None:
            return found.mean
        share = self.confidence if self.operator == "<=" else 1 - self.confidence
        return calibration.bound(found.mean, found.std, share)

    def violation(self, means: NDArray[np.float32]) -> Floats:
        """Return how far values, float32 [n], are beyond the limit: float64 [n], 0 where kept."""
        excess = means.astype(np.float64) - self.value
        return np.maximum(excess if self.operator == "<=" else -excess, 0.0)

    def __str__(self) -> str:
        chance = "" if self.confidence is None else f" with probability {self.confidence!r}"
        return f"{self.name} {self.operator} {self.value!r} {self.surrogate.target.unit}{chance}"

    def check_confidence(self) -> None:
        """Refuse a confidence that the target's calibration cannot tell a bound of.

        Raises
        ------
        SearchError
        """
        if self.confidence is None:
            return
        if self.surrogate.calibration is None:
            msg = (
                f"confidence={self.confidence!r} needs a calibration, and the artifact of "
                f"{self.name!r} has none; without a confidence, limits are of means"
            )
            raise SearchError(msg)
        try:
            check_share(self.confidence, self.surrogate.calibration.levels[-1], 0.5)
        except LevelError as error:
            msg = f"confidence={self.confidence!r} of the limit of {self.name!r}: {error}"
            raise SearchError(msg) from error


@dataclass(frozen=True)
class Objective:
    """What is to be made large or small.

    Attributes
    ----------
    name, unit : str
    direction : {"max", "min"}
    surrogates : tuple of Surrogate
        Of the targets it is made of.
    weighted : WeightedSum, WeightedProduct or None
        How several targets are weighed; None for a target by itself.
    """

    name: str
    unit: str
    direction: Direction
    surrogates: tuple[Surrogate, ...]
    weighted: Any = None

    @property
    def sign(self) -> float:
        """1 where small is good, -1 where large is good: a value times it is a loss."""
        return 1.0 if self.direction == "min" else -1.0

    def combine(self, columns: Iterable[NDArray[Any]]) -> Floats:
        """Return the objective, float64 [n], of the targets' values [n]."""
        values = np.stack([np.asarray(c, dtype=np.float64) for c in columns], axis=1)
        found: Floats = values[:, 0] if self.weighted is None else self.weighted.value(values)
        return found

    def worst(self) -> float:
        """Return a value that no architecture is worse than, in the unit of the objective.

        Raises
        ------
        SearchError, ExactError
            If it cannot be proven.
        """
        worst = [[_worst_mean(s)] for s in self.surrogates]
        # A weighted objective rises where a target gets better: all at their worst bound it.
        return float(self.combine(np.array(worst, dtype=np.float32))[0])


def _worst_mean(surrogate: Surrogate) -> float:
    """Return the worst mean of a target over the whole space, proven; of a curve, a bound."""
    from anb_onnx import exact
    from anb_onnx.errors import TruthError
    from anb_onnx.vector_surrogate import VectorSurrogate

    if isinstance(surrogate, VectorSurrogate) and surrogate.vector.curve is not None:
        return surrogate.vector.worst_mean(surrogate.target.direction == "max")
    try:
        return float(surrogate.truth.worst.value)
    except TruthError:  # nothing is proven of it yet
        opposite: Direction = "min" if surrogate.target.direction == "max" else "max"
        return exact.optimum(surrogate, direction=opposite).solutions[0].value


def refuse_constraint(constraint: object) -> NoReturn:
    """Raise the error for what is no constraint."""
    msg = (
        "a constraint is (target, '<=' or '>=', finite number), as in "
        f"('latency_zcu102', '<=', 5.0), not {show(constraint)}"
    )
    raise SearchError(msg)


def observed(
    surrogate: Surrogate, codes: NDArray[np.uint8], noise: Noise, normal: Floats | None
) -> tuple[NDArray[np.float32], Floats]:
    """Return the means, float32 [n], of a target, and float64 [n] with noise added to them.

    Parameters
    ----------
    normal : float64 array [n] or None
        Standard normal numbers, one for each row; None where there is no noise.
    """
    if normal is None:
        mean = surrogate.query_codes(codes).mean
        return mean, mean.astype(np.float64)
    found = surrogate.query(codes)
    scale = found.std if noise == "std" else found.predictive_std
    return found.mean, found.mean.astype(np.float64) + scale.astype(np.float64) * normal


def read_constraints(constraints: object) -> list[tuple[Any, str, float]]:
    """Return constraints once each is (target, operator, finite number).

    Raises
    ------
    SearchError
        For the first that is not.
    """
    if isinstance(constraints, (str, bytes, Mapping)) or not isinstance(constraints, Iterable):
        refuse_constraint(constraints)
    read = []
    for constraint in constraints:
        if not isinstance(constraint, (tuple, list)) or len(constraint) != 3:
            refuse_constraint(constraint)
        target, operator, stated = constraint
        value = finite(stated)
        if operator not in OPERATORS or value is None:
            refuse_constraint(constraint)
        read.append((target, operator, value))
    return read
