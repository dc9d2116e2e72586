"""What is proven of a problem: the optima and fronts that tools compare with."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from anb_onnx.adapters.given import Floats
from anb_onnx.errors import TruthError
from anb_onnx.problems.fronts import known_front
from anb_onnx.problems.listing import tasks
from anb_onnx.problems.problem import Problem
from anb_onnx.problems.task import Task


def proven_best(problem: Problem, given: Any = None) -> tuple[NDArray[np.uint8], float]:
    """Return a best architecture of one objective, its codes [genes], and its value.

    It is read where it is known, from the artifacts or the task that was given, and proven where it
    is not, which takes seconds.

    Raises
    ------
    InfeasibleError
        If no architecture keeps the limits.
    ExactError
        If it cannot be proven.
    """
    (objective,) = problem.objectives
    task = given if isinstance(given, Task) else _task_of(problem)
    if task is not None:
        known = task.optimum
        return np.array(known.architecture.codes, dtype=np.uint8), known.value
    if objective.weighted is None and not problem.limits:
        try:
            best = objective.surrogates[0].truth.optimum
        except TruthError:
            pass
        else:
            return best.codes[0], best.value
    from anb_onnx import exact

    found = exact.optimum(_wished(problem)[0], problem.limits_of_means()).solutions[0]
    return np.array(found.architecture.codes, dtype=np.uint8), found.value


def proven_losses(problem: Problem, given: Any = None) -> Floats | None:
    """Return the losses of the exact front, float64 [n, n_objectives]; of one objective, the best.

    None where that would take too long to do it unasked: for more than two objectives, and for two
    of which one is weighed.

    Raises
    ------
    InfeasibleError, ExactError
        As from `proven_best`.
    """
    if problem.n_objectives == 1:
        return problem.losses(np.array([[proven_best(problem, given)[1]]]))
    if problem.n_objectives > 2 or any(o.weighted is not None for o in problem.objectives):
        return None
    known = known_front(problem)
    if known is None:
        from anb_onnx import exact

        known = np.asarray(
            exact.pareto(_wished(problem), problem.limits_of_means()).values, np.float64
        )
    return problem.losses(known)


def _task_of(problem: Problem) -> Task | None:
    """Return a task of the same target, limits and artifacts, whose optimum is known."""
    if problem.confidence is not None:  # tasks have limits of means
        return None
    used = [o.surrogates[0] for o in problem.objectives] + [x.surrogate for x in problem.limits]
    for task in tasks():
        same = task.objectives == problem.names and set(task.constraints) == set(
            problem.constraints
        )
        if same and all(task.artifacts.get(s.target.name) == s.sha256 for s in used):
            return task
    return None


def _wished(problem: Problem) -> list[Any]:
    return [o.surrogates[0] if o.weighted is None else o.weighted for o in problem.objectives]
