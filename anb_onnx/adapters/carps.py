"""Problems as CARP-S has them: objective functions and tasks for its optimizers."""

from __future__ import annotations

import time
from functools import cache, cached_property
from typing import Any

import numpy as np

from anb_onnx._io.show import show
from anb_onnx.adapters.configspace import to_configspace
from anb_onnx.adapters.given import as_problem, needed_rng
from anb_onnx.adapters.proven import proven_best
from anb_onnx.encoding.encoding import encode
from anb_onnx.errors import SearchError, TruthError
from anb_onnx.parallel.extras import need
from anb_onnx.problems.problem import Problem
from anb_onnx.problems.task import Task

__all__ = ["carps_objective", "carps_task"]


def _is_timed(problem: Problem) -> bool:
    """Say whether the cost of an evaluation is a time in seconds."""
    return problem.cost is not None and problem.cost.target.unit == "s"


def _best(problem: Problem) -> float:
    """Return the proven optimum of one objective; that of a target by itself is written down."""
    (objective,) = problem.objectives
    if objective.weighted is None and not problem.limits:
        try:
            return float(objective.surrogates[0].truth.optimum.value)
        except TruthError:  # nothing is proven of it yet
            pass
    return proven_best(problem)[1]


@cache
def _class() -> Any:
    """Return our class of objective functions, which can exist only where CARP-S does."""
    what = "anb_onnx.adapters.carps_objective"
    base: Any = need(
        "carps.objective_functions.objective_function", extra="carps", what=what
    ).ObjectiveFunction
    trials: Any = need("carps.utils.trials", extra="carps", what=what)

    class ProblemObjective(base):  # type: ignore[misc]
        """A problem as a CARP-S objective function; made by `carps_objective`."""

        def __init__(
            self,
            problem: Problem,
            rng: np.random.Generator | None,
            seed: int | None,
            loggers: list[Any] | None,
            known: float | None,
        ) -> None:
            super().__init__(loggers)
            self.problem = problem
            self._rng = rng
            self._known = known
            self._configspace = to_configspace(problem.space, seed=seed)

        @property
        def configspace(self) -> Any:
            return self._configspace

        @cached_property
        def _f_min(self) -> float | None:
            if self.problem.n_objectives > 1:
                return None
            best = _best(self.problem) if self._known is None else self._known
            return float(self.problem.losses(np.array([[best]]))[0, 0])

        @property
        def f_min(self) -> float | None:
            return self._f_min

        def _evaluate(self, trial_info: Any) -> Any:
            start = time.time()
            problem = self.problem
            found = problem.evaluate(encode(trial_info.config, problem.space), self._rng)
            if problem.n_objectives == 1:
                cost = float(0.0 - problem.fitness(found)[0])
            else:
                cost = problem.losses(found.values)[0].tolist()
            info = dict(zip(problem.names, found.values[0].tolist(), strict=True))
            for (name, operator, value), excess in zip(
                problem.constraints, found.violations[0].tolist(), strict=True
            ):
                info[f"violation of {name} {operator} {value}"] = excess
            seconds = 0.0
            if found.cost is not None and _is_timed(problem):
                seconds = float(found.cost[0])
            end = time.time()
            return trials.TrialValue(
                cost=cost,
                time=end - start,
                virtual_time=seconds,
                starttime=start,
                endtime=end,
                additional_info=info,
            )

    return ProblemObjective


def carps_objective(
    objectives: Any = "accuracy",
    constraints: Any = (),
    *,
    seed: int | None = None,
    rng: np.random.Generator | int | None = None,
    loggers: list[Any] | None = None,
    **arguments: Any,
) -> Any:
    """Return a problem as a CARP-S objective function.

    Parameters
    ----------
    objectives : Problem, Task, or what `Problem` takes as objectives; accuracy if not given
    constraints, **arguments
        As for `Problem`, where no problem is given.
    seed : int, optional
        Of its configuration space, which some of CARP-S's optimizers sample from; without it, from
        the operating system.
    rng : numpy.random.Generator or int, optional
        Needed where the problem has noise, and then drawn from at each evaluation. Seeds that come
        with trials are not looked at.
    loggers : list, optional
        CARP-S's.

    Returns
    -------
    carps.objective_functions.objective_function.ObjectiveFunction
        Its costs are to be minimised: losses (`Problem.losses`), and of one objective with
        constraints the negative of `Problem.fitness`, as CARP-S knows no constraints. Values in
        the targets' units, and by how much constraints are violated, are in the
        ``additional_info`` of a trial; ``virtual_time`` is the problem's cost where that is in
        seconds. ``f_min`` is the loss of the proven optimum (without noise), None for several
        objectives; ``problem`` the Problem.

    Raises
    ------
    SearchError
        If there are constraints on several objectives, or there is noise and no `rng`.
    TargetError
        If a target is unknown or of another search space.
    ExtraError
        If CARP-S or ConfigSpace is missing.

    Examples
    --------
    >>> import anb_onnx
    >>> from carps.utils.trials import TrialInfo
    >>> from anb_onnx.adapters import carps_objective
    >>> objective = carps_objective(anb_onnx.tasks()["accuracy-v1"], seed=0)
    >>> trial = TrialInfo(config=objective.configspace.get_default_configuration())
    >>> value = objective.evaluate(trial)
    >>> f"{value.additional_info['accuracy']:.2f} %, {value.cost - objective.f_min:.2f} % to go"
    '33.91 %, 34.56 % to go'
    """
    problem = as_problem(objectives, constraints, **arguments)
    if problem.n_objectives > 1 and problem.constraints:
        msg = (
            "CARP-S knows no constraints, and a penalty stands for them with one objective only, "
            f"not with {', '.join(problem.names)}"
        )
        raise SearchError(msg)
    known = None
    if isinstance(objectives, Task) and objectives.known is not None:
        known = objectives.known.value
    return _class()(problem, needed_rng(problem, rng), seed, loggers, known)


def carps_task(
    objectives: Any,
    constraints: Any = (),
    *,
    budget: int | None = None,
    seed: int | None = None,
    rng: np.random.Generator | int | None = None,
    loggers: list[Any] | None = None,
    **arguments: Any,
) -> Any:
    """Return a problem as a CARP-S task, which is what its optimizers take.

    Parameters
    ----------
    objectives, constraints, seed, rng, loggers, **arguments
        As for `carps_objective`.
    budget : int, optional
        Number of trials. May be left out for a Task, whose budget counts then.

    Returns
    -------
    carps.utils.task.Task
        With a time budget, too, where the Task's budget has a cost in seconds: CARP-S counts
        ``virtual_time`` (and what the optimizer itself takes), and stops once that is used up.

    Raises
    ------
    SearchError
        If there is no budget; and as from `carps_objective`, with the other errors.

    Examples
    --------
    >>> import anb_onnx
    >>> from carps.optimizers.random_search import RandomSearchOptimizer
    >>> from anb_onnx.adapters import carps_task
    >>> task = carps_task(anb_onnx.tasks()["accuracy-v1"], budget=20, seed=1)
    >>> trial, value = RandomSearchOptimizer(task).run()
    >>> f"{value.additional_info['accuracy']:.2f} %"
    '64.98 %'
    """
    objective = carps_objective(
        objectives, constraints, seed=seed, rng=rng, loggers=loggers, **arguments
    )
    problem: Problem = objective.problem
    minutes = None
    if budget is None and isinstance(objectives, Task):
        budget = objectives.budget.evaluations
        if _is_timed(problem) and objectives.budget.cost is not None:
            minutes = objectives.budget.cost / 60
    if isinstance(budget, bool) or not isinstance(budget, (int, np.integer)) or budget < 1:
        msg = f"budget is a number of trials, an integer >= 1, not {show(budget)}"
        raise SearchError(msg)
    tool: Any = need("carps.utils.task", extra="carps", what="anb_onnx.adapters.carps_task")
    if isinstance(objectives, Task):
        name = objectives.name
    else:
        name = "-".join([*problem.names, *(f"{n}{op}{v}" for n, op, v in problem.constraints)])
    metadata = tool.TaskMetadata(
        has_constraints=bool(problem.constraints),
        domain="NAS",
        objective_function_approximation="surrogate",
        has_virtual_time=_is_timed(problem),
        deterministic=problem.noise == "none",
        **tool.get_search_space_info(objective.configspace),
    )
    return tool.Task(
        name=f"anb_onnx/{name}",
        objective_function=objective,
        input_space=tool.InputSpace(configuration_space=objective.configspace),
        output_space=tool.OutputSpace(n_objectives=problem.n_objectives, objectives=problem.names),
        optimization_resources=tool.OptimizationResources(
            n_trials=int(budget), time_budget=minutes
        ),
        metadata=metadata,
        seed=seed,
    )
