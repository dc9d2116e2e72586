"""What the adapters take: a problem, or what one is made of; and what tools ask about it."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from anb_onnx._io.show import show
from anb_onnx.errors import SearchError
from anb_onnx.problems.evaluation import Evaluation
from anb_onnx.problems.problem import Problem
from anb_onnx.problems.task import Task
from anb_onnx.search.recorder import Recorder

Floats: TypeAlias = NDArray[np.float64]

#: Evaluates codes, uint8 [n, genes].
Evaluate: TypeAlias = Callable[[NDArray[np.uint8]], Evaluation]


def as_problem(given: Any, constraints: Any = (), **arguments: Any) -> Problem:
    """Return the problem that is given, or that of a task, or make one of objectives.

    Raises
    ------
    SearchError
        If a problem, which has its own, comes with constraints or other arguments; and as
        `Problem` does.
    """
    if isinstance(given, Recorder):
        msg = "this tool keeps its own history and takes no Recorder: give the task or problem"
        raise SearchError(msg)
    if not isinstance(given, (Problem, Task)):
        return Problem(given, constraints, **arguments)
    stated = {**({"constraints": constraints} if constraints else {}), **arguments}
    if stated:
        name, value = next(iter(stated.items()))
        msg = f"{name}={show(value)} goes with names of targets; {show(given)} has its own"
        raise SearchError(msg)
    return given.problem() if isinstance(given, Task) else given


def problem_of(given: Any, constraints: Any = (), **arguments: Any) -> Problem:
    """Return what `as_problem` does; of a recorder, the problem that it records.

    Raises
    ------
    SearchError
        If the recorder is of a function, which has no targets; and as `as_problem` does.
    """
    if not isinstance(given, Recorder):
        return as_problem(given, constraints, **arguments)
    if given.problem is None:
        msg = "the recorder is of a function; adapters take those of problems, tasks and targets"
        raise SearchError(msg)
    return as_problem(given.problem, constraints, **arguments)


def evaluator(given: Any, problem: Problem, rng: Any) -> Evaluate:
    """Return what evaluates codes: the recorder that was given, or the problem with its noise.

    Raises
    ------
    SearchError
        If there is noise and no generator; or one for a recorder, which has its own.
    """
    if not isinstance(given, Recorder):
        return partial(problem.evaluate, rng=needed_rng(problem, rng))
    if rng is not None:
        msg = f"rng={show(rng)}: a recorder has its own generator, Recorder(..., rng=)"
        raise SearchError(msg)
    return given.measure


def only_objective(problem: Problem, what: str) -> None:
    """Refuse a problem of several objectives.

    Raises
    ------
    SearchError
    """
    if problem.n_objectives != 1:
        msg = (
            f"{what} takes one objective, not {problem.n_objectives} ({', '.join(problem.names)}); "
            "exact.WeightedSum and exact.WeightedProduct weigh several"
        )
        raise SearchError(msg)


def needed_rng(problem: Problem, rng: Any) -> np.random.Generator | None:
    """Return the generator of the noise, or None where there is none.

    Raises
    ------
    SearchError
        If there is noise, and no generator or seed to draw it with.
    """
    if problem.noise == "none":
        return None
    if isinstance(rng, np.random.Generator):
        return rng
    if isinstance(rng, (int, np.integer)) and not isinstance(rng, bool) and rng >= 0:
        return np.random.default_rng(int(rng))
    msg = (
        f"noise={problem.noise!r} needs rng=, a numpy.random.Generator or a seed, an integer "
        f">= 0, not {show(rng)}"
    )
    raise SearchError(msg)


def excesses(problem: Problem, evaluation: Evaluation) -> Floats:
    """Return by what share of each limit it is exceeded: float64 [n, n_constraints].

    Tools add them up: in their own units, that of the largest numbers would count alone.
    """
    if not problem.limits:
        return evaluation.violations
    scales = [1.0 if limit == 0 else abs(limit) for _, _, limit in problem.constraints]
    found: Floats = evaluation.violations / np.array(scales, dtype=np.float64)
    return found


def scalar_losses(problem: Problem, evaluation: Evaluation) -> Floats:
    """Return the loss of each row, float64 [n]: that of the one objective where limits are kept.

    The other rows have larger ones, see `Problem.fitness`.
    """
    return 0.0 - problem.fitness(evaluation)


def scalar_values(problem: Problem, evaluation: Evaluation) -> Floats:
    """Return `scalar_losses` in the objective's unit, float64 [n], for what knows directions."""
    if not problem.limits:
        return evaluation.values[:, 0]
    return problem.values_of(scalar_losses(problem, evaluation)[:, None])[:, 0]
