"""What is proven of the bundled targets over their whole space, gathered for a page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import floor, log10

import numpy as np
from numpy.typing import NDArray

import anb_onnx
from anb_onnx import Surrogate, exact
from anb_onnx.catalog.truth import Truth
from anb_onnx.cli.read import named
from anb_onnx.errors import AnbError
from anb_onnx.exact import Front, Optimum

#: Levels of a constraint, evenly between the ends of its front.
LEVELS = 5


@dataclass(frozen=True, eq=False)
class Subject:
    """A target, its best and worst architecture, and what was counted of it.

    Attributes
    ----------
    surrogate : Surrogate
    best, worst : Optimum
    known : dict of str to float
        Means of architectures with a name.
    truth : Truth or None
        None where nobody has proven and counted yet.
    """

    surrogate: Surrogate
    best: Optimum
    worst: Optimum
    known: dict[str, float]
    truth: Truth | None

    @property
    def name(self) -> str:
        """Name of the target."""
        return self.surrogate.target.name


@dataclass(frozen=True, eq=False)
class Cost:
    """What a constraint costs: the best accuracy that it leaves.

    Attributes
    ----------
    operator : str
    level : float
    best : float
        Of the first target, where the constraint holds.
    """

    operator: str
    level: float
    best: float


def subject(name: str) -> Subject:
    """Return what there is to tell of a target alone."""
    surrogate = anb_onnx.load(name)
    largest = surrogate.target.direction == "max"
    known = {
        key: float(surrogate.query(architecture).mean)
        for key, architecture in named(surrogate.space).items()
    }
    best = exact.optimum(surrogate)
    worst = exact.optimum(surrogate, direction="min" if largest else "max")
    try:
        truth = surrogate.truth
    except AnbError:
        truth = None
    return Subject(surrogate, best, worst, known, truth)


def costs(first: Surrogate, other: Surrogate, front: Front) -> list[Cost]:
    """Return what constraints on the other target cost, at some levels.

    The exact front tells: the first of its architectures that fulfil a constraint is the optimum
    under it. An optimum that is sought under the constraint must be the same, or one of both is
    wrong.
    """
    operator = ">=" if other.target.direction == "max" else "<="
    found = []
    for level in levels(front):
        values = front.values[:, 1]
        fits = values >= level if operator == ">=" else values <= level
        best = float(front.values[fits][0, 0])
        sought = exact.optimum(first, [(other, operator, level)]).bound
        if sought != best:
            msg = (
                f"under {other.target.name} {operator} {level}, the front has {best!r}, but the "
                f"optimum is {sought!r}: one of both is wrong"
            )
            raise RuntimeError(msg)
        found.append(Cost(operator, level, best))
    return found


def levels(front: Front) -> list[float]:
    """Return levels of the second target between the ends of a front, from loose to tight."""
    loose, tight = float(front.values[0, 1]), float(front.values[-1, 1])
    steps = np.linspace(loose, tight, LEVELS + 2)[1:-1]
    return [_short(step, abs(tight - loose)) for step in steps.tolist()]


def _short(value: float, reach: float) -> float:
    """Round to what tells levels apart, so that a person can type it."""
    return round(value, 1 - floor(log10(reach)))


def beaten_by(front: Front, values: Sequence[float]) -> tuple[float, float] | None:
    """Return the best first value at no worse a second one, and the other way round.

    None where an architecture with these values is on the front.
    """
    signs = np.array([1 if d == "max" else -1 for d in front.directions])
    better = (front.values - np.asarray(values, dtype=np.float32)) * signs
    first, second = (front.values[better[:, k] >= 0] for k in (1, 0))
    if not ((better >= 0).all(axis=1) & (better > 0).any(axis=1)).any():
        return None
    return float(first[0, 0]), float(second[-1, 1])


@dataclass(frozen=True, eq=False)
class Shared:
    """How much the architectures of a front agree in each gene.

    Attributes
    ----------
    values : tuple of object
        The most frequent value of each gene.
    shares : float64 array [n_genes]
        How many of the architectures have it, from 0 to 1.
    """

    values: tuple[object, ...]
    shares: NDArray[np.float64]


def shared(front: Front, surrogate: Surrogate) -> Shared:
    """Return the most frequent values of the genes on a front."""
    values, shares = [], []
    for gene, column in zip(surrogate.space.genes, front.codes.T, strict=True):
        counts = np.bincount(column, minlength=len(gene.choices))
        values.append(gene.choices[int(counts.argmax())])
        shares.append(counts.max() / len(column))
    return Shared(tuple(values), np.array(shares))


def quantiles(truth: Truth, shares: Sequence[float]) -> list[float]:
    """Return the values that such shares of all architectures do not exceed, to within a bin."""
    if truth.edges is None or truth.counts is None:
        msg = f"the architectures of {truth.target} were never counted"
        raise AnbError(msg)
    below = np.cumsum(truth.counts)
    places = [int(np.searchsorted(below, share * truth.total)) for share in shares]
    return [float(truth.edges[1:][place]) for place in places]
