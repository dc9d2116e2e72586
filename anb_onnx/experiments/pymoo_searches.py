"""Searches of several objectives by pymoo's algorithms, recorded as all others are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from anb_onnx.adapters import pymoo_operators, pymoo_problem
from anb_onnx.adapters.given import excesses
from anb_onnx.parallel.extras import need
from anb_onnx.problems.task import Task
from anb_onnx.search.recorder import Recorder

if TYPE_CHECKING:
    from anb_onnx.search.history import History


def nsga2(task: Task, *, rng: int, population_size: int = 100, **limits: Any) -> History:
    """Search by NSGA-II (Deb et al., 2002)."""
    module = _need("pymoo.algorithms.moo.nsga2")
    algorithm = module.NSGA2(pop_size=population_size, **_operators(task))
    return _search(algorithm, task, rng, limits)


def nsga3(task: Task, *, rng: int, population_size: int = 100, **limits: Any) -> History:
    """Search by NSGA-III (Deb and Jain, 2014), with as many directions as there are individuals."""
    module = _need("pymoo.algorithms.moo.nsga3")
    directions = _need("pymoo.util.ref_dirs").get_reference_directions(
        "das-dennis", len(task.objectives), n_partitions=population_size - 1
    )
    algorithm = module.NSGA3(directions, pop_size=population_size, **_operators(task))
    return _search(algorithm, task, rng, limits)


def sms_emoa(
    task: Task, *, rng: int, population_size: int = 100, offspring: int = 10, **limits: Any
) -> History:
    """Search by SMS-EMOA (Beume et al., 2007), with so many children at a time."""
    module = _need("pymoo.algorithms.moo.sms")
    algorithm = module.SMSEMOA(pop_size=population_size, n_offsprings=offspring, **_operators(task))
    return _search(algorithm, task, rng, limits)


def _need(module: str) -> Any:
    return need(module, extra="pymoo", what="a search of several objectives")


def _operators(task: Task) -> dict[str, Any]:
    return pymoo_operators(task.problem().space)


def _search(algorithm: Any, task: Task, seed: int, limits: Mapping[str, Any]) -> History:
    """Run an algorithm, ask and tell, until the budget is used up: those of `Recorder`."""
    evaluators, problems = _need("pymoo.core.evaluator"), _need("pymoo.problems.static")
    never = _need("pymoo.core.termination").NoTermination()
    # Nothing is evaluated by this one, so that it draws no noise.
    stated = pymoo_problem(task, rng=0)
    recorder = Recorder(task, rng=seed, **limits)
    algorithm.setup(stated, termination=never, seed=seed)
    with recorder.until_exhausted():
        while not recorder.done:
            asked = algorithm.ask()
            if asked is None or not len(asked):  # it knows no architecture that it has not tried
                break
            found = recorder.measure(np.asarray(asked.get("X")).astype(np.uint8))
            problem = recorder.problem
            assert problem is not None
            values = {"F": problem.losses(found.values)}
            if problem.constraints:
                values["G"] = excesses(problem, found)
            evaluators.Evaluator().eval(problems.StaticProblem(stated, **values), asked)
            algorithm.tell(infills=asked)
    return recorder.history()
