"""From names of targets, constraints and genes to what the search takes."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn, TypeAlias

import numpy as np

from anb_onnx._io.real import finite
from anb_onnx._io.show import show
from anb_onnx.catalog.catalog import Target
from anb_onnx.errors import ExactError, InfeasibleError, TargetError
from anb_onnx.exact.parts import Part, parts_of
from anb_onnx.exact.solve import Limit, Wish
from anb_onnx.loading import load
from anb_onnx.spaces.space import SearchSpace
from anb_onnx.surrogate import Surrogate
from anb_onnx.tables import TableEnsemble

#: A target by name, or its surrogate.
TargetLike: TypeAlias = str | Surrogate

#: (target, "<=" or ">=", value in the target's unit)
Constraint: TypeAlias = tuple[TargetLike, str, float]

Path: TypeAlias = str | os.PathLike[str]

_OPERATORS = ("<=", ">=")


@dataclass(frozen=True)
class Source:
    """Where targets given by name are looked up; see `anb_onnx.load`."""

    benchmark: str | None
    path: Path | None


@dataclass(frozen=True)
class Bounded:
    """A constraint as it was stated, and what becomes of it."""

    target: Target
    operator: str
    value: float
    limit: Limit

    def __str__(self) -> str:
        return f"{self.target.name} {self.operator} {self.value!r} {self.target.unit}"


@dataclass(frozen=True)
class Question:
    """Targets, constraints and limits on genes, all of one search space."""

    space: SearchSpace
    surrogates: tuple[Surrogate, ...]
    constraints: tuple[Bounded, ...]
    genes: Mapping[str, Any] | None

    @property
    def limits(self) -> tuple[Limit, ...]:
        """The constraints as the search takes them."""
        return tuple(constraint.limit for constraint in self.constraints)

    def parts(self) -> list[Part]:
        """Cut the space into parts."""
        ensembles = [tables_of(surrogate) for surrogate in self.surrogates]
        ensembles += [limit.wish.ensemble for limit in self.limits]
        return parts_of(self.space, ensembles, self.genes)


def ask(
    targets: Sequence[TargetLike],
    constraints: Iterable[Constraint],
    genes: Mapping[str, Any] | None,
    source: Source,
) -> Question:
    """Look up targets and check constraints.

    Raises
    ------
    TargetError
        If a target is unknown, given twice, or of another search space than the first.
    ExactError
        If a target has no tables, or a constraint is none.
    InfeasibleError
        If two constraints on one target contradict each other.
    ArchitectureError
        From `Question.parts`, if there is no such gene or value.
    """
    known: dict[str, Surrogate] = {}
    surrogates = tuple(_surrogate(target, source, known) for target in targets)
    names = [surrogate.target.name for surrogate in surrogates]
    for name in names:
        if names.count(name) > 1:
            msg = f"target {name!r} is given twice"
            raise TargetError(msg)
    space = surrogates[0].space
    if isinstance(constraints, (str, bytes)) or not isinstance(constraints, Iterable):
        _refuse(constraints)
    bounded = tuple(_bounded(constraint, source, known) for constraint in constraints)
    _refuse_contradictions(bounded)
    for surrogate in known.values():
        if surrogate.space != space:
            msg = (
                f"targets {names[0]!r} ({space.name}) and {surrogate.target.name!r} "
                f"({surrogate.space.name}) have different search spaces"
            )
            raise TargetError(msg)
    return Question(space, surrogates, bounded, genes)


def _refuse_contradictions(bounded: Sequence[Bounded]) -> None:
    """Refuse two limits of one target that leave nothing between them."""
    for low in bounded:
        for high in bounded:
            same = low.limit.wish.ensemble is high.limit.wish.ensemble
            # Worths are means with the sign turned where they are to be large.
            opposed = same and (low.operator, high.operator) == (">=", "<=")
            if opposed and -low.limit.worth > high.limit.worth:
                msg = f"no float32 value fulfils both {low} and {high}"
                raise InfeasibleError(msg)


def tables_of(surrogate: Surrogate) -> TableEnsemble:
    """Return the tables behind a surrogate.

    Raises
    ------
    ExactError
        If it has none.
    """
    ensemble = surrogate._ensemble
    if ensemble is None and surrogate.outputs:
        msg = (
            f"target {surrogate.target.name!r} is a curve, which no sum of tables is; its outputs "
            f"can be searched exactly: {', '.join(surrogate.outputs)}"
        )
        raise ExactError(msg)
    if ensemble is None:
        form = surrogate.metadata.get("form")
        msg = (
            f"target {surrogate.target.name!r} is an artifact of form {form!r}; only sums of "
            "tables can be searched exactly: see anb-export project"
        )
        raise ExactError(msg)
    return ensemble


def _surrogate(target: object, source: Source, known: dict[str, Surrogate]) -> Surrogate:
    """Return a target's surrogate, the same for the same name; one that is given is itself."""
    if isinstance(target, Surrogate):
        # Under a name of its own, too: two artifacts may be of one target, yours and the bundled.
        known[f"object {id(target)}"] = target
        known.setdefault(target.target.name, target)
        return target
    if not isinstance(target, str):
        msg = f"a target is a name or a surrogate, not {show(target)}"
        raise TargetError(msg)
    if target not in known:
        # The engine of any form, so that what has no tables is refused with the reason.
        found = load(target, benchmark=source.benchmark, path=source.path)
        known.setdefault(found.target.name, found)
        known[target] = known[found.target.name]
    return known[target]


def _bounded(constraint: object, source: Source, known: dict[str, Surrogate]) -> Bounded:
    if not isinstance(constraint, (tuple, list)) or len(constraint) != 3:
        _refuse(constraint)
    name, operator, stated = constraint
    if not isinstance(operator, str) or operator not in _OPERATORS:
        _refuse(constraint)
    value = finite(stated)
    if value is None:
        _refuse(constraint)
    surrogate = _surrogate(name, source, known)
    largest = operator == ">="
    limit = Limit(Wish(tables_of(surrogate), largest), worth_of(value, largest=largest))
    return Bounded(surrogate.target, operator, value, limit)


def worth_of(value: float, *, largest: bool) -> np.float32:
    """Return the worth of the last float32 that is at least as good as a value."""
    worth = -value if largest else value
    with np.errstate(over="ignore"):
        found = np.float32(worth)
    return np.nextafter(found, np.float32(-np.inf)) if float(found) > worth else found


def _refuse(constraint: object) -> NoReturn:
    msg = (
        "a constraint is (target, '<=' or '>=', finite number), as in "
        f"('latency_zcu102', '<=', 5.0), not {show(constraint)}"
    )
    raise ExactError(msg)
