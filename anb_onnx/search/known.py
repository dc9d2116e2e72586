"""What is proven of a problem that was searched: its optimum, its front, its reference point."""

from __future__ import annotations

from typing import Any

import numpy as np

from anb_onnx.errors import TruthError
from anb_onnx.problems import Problem, Task
from anb_onnx.problems.fronts import known_front
from anb_onnx.search.describing import Source
from anb_onnx.search.objective import Floats
from anb_onnx.surrogate import Surrogate

_PROVE = "history.with_optimum() has it proven, which may take a while"
_PROVE_FRONT = "history.with_front() has it proven, which may take a while"


def alone(problem: Problem) -> Surrogate | None:
    """Return the surrogate of the one objective; None if it is weighed, or there are limits."""
    if problem.n_objectives > 1 or problem.limits or problem.objectives[0].weighted is not None:
        return None
    return problem.objectives[0].surrogates[0]


def optimum_of(source: Source) -> float:
    """Return the proven optimum of one objective, where somebody has proven it before.

    Raises
    ------
    TruthError
        If nobody has; says how to.
    """
    if isinstance(source, Task):
        return source.optimum.value
    surrogate = alone(source)
    if surrogate is None:
        msg = f"the optimum of {source} is not known beforehand; {_PROVE}"
        raise TruthError(msg)
    try:
        return surrogate.truth.optimum.value
    except TruthError as error:
        msg = f"{error}; or {_PROVE}"
        raise TruthError(msg) from error


def proven_optimum(source: Source) -> float:
    """Return the optimum of one objective, known or proven now.

    Raises
    ------
    ExactError
        If it cannot be proven.
    """
    try:
        return optimum_of(source)
    except TruthError:
        from anb_onnx import exact

        problem = problem_of(source)
        (objective,) = problem.objectives
        asked: Any = objective.weighted or objective.surrogates[0]
        return exact.optimum(asked, problem.limits_of_means()).solutions[0].value


def front_of(source: Source) -> Floats:
    """Return the exact front of two objectives, float64 [n, 2], where it was proven before.

    Raises
    ------
    TruthError
        If it was not; says how to.
    """
    problem = problem_of(source)
    if isinstance(source, Task):
        return np.asarray(source.front.values, dtype=np.float64)
    known = known_front(problem)
    if known is not None:
        return known
    msg = f"the front of {problem} is not known beforehand; {_PROVE_FRONT}"
    raise TruthError(msg)


def proven_front(source: Source) -> Floats:
    """Return the exact front of two or three targets, known or proven now: float64 [n, m].

    Raises
    ------
    ExactError
        If it cannot be proven.
    TruthError
        If an objective weighs several targets.
    """
    try:
        return front_of(source)
    except TruthError:
        problem = problem_of(source)
        if not _is_plain(problem):
            msg = f"fronts are proven of targets, not of what weighs several: {problem}"
            raise TruthError(msg) from None
        from anb_onnx import exact

        targets = [o.surrogates[0] for o in problem.objectives]
        found = exact.pareto(targets, problem.limits_of_means())
        return np.asarray(found.values, dtype=np.float64)


def reference_of(source: Source) -> tuple[float, ...]:
    """Return the reference point of hypervolumes: the worst of each objective, in its unit.

    Raises
    ------
    TruthError, ExactError
        If it is not known and cannot be proven.
    """
    if isinstance(source, Task) and source.reference is not None:
        return source.reference
    return tuple(o.worst() for o in problem_of(source).objectives)


def problem_of(source: Source) -> Problem:
    """Return the problem itself."""
    return source.problem() if isinstance(source, Task) else source


def _is_plain(problem: Problem) -> bool:
    return all(o.weighted is None for o in problem.objectives)
