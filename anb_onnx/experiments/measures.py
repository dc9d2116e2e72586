"""How good a search was after so many evaluations: regrets at marks, and when it came near."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from anb_onnx.errors import SearchError
from anb_onnx.problems.task import Task

if TYPE_CHECKING:
    from anb_onnx.search.history import History

Floats = NDArray[np.float64]

#: Points of a curve, evenly on a logarithmic axis.
CURVE_POINTS = 80


#: The unit of hypervolume regrets, of 0 to 1.
SHARE = "share of the exact front's hypervolume"


@dataclass(frozen=True)
class Scale:
    """What regrets of a task are measured in.

    Attributes
    ----------
    measure : str
        "regret", or "hypervolume regret" as a share of the exact front's hypervolume.
    unit : str
        Of the regret.
    axis : str
        What a budget is counted in: "evaluations", or a target with its unit.
    budget : float
        How much of that there is.
    near : float
        What counts as near the optimum, in the unit of the regret.
    """

    measure: str
    unit: str
    axis: str
    budget: float
    near: float


@dataclass(frozen=True)
class Measured:
    """What one run came to.

    Attributes
    ----------
    regret : float64 array [n_marks]
        At each mark: infinite where nothing feasible had been found, 0 where the optimum, or every
        point of the exact front, had been. The same numbers as `History.regret` and
        `History.hypervolume_regret` are.
    reached : float
        What of the budget was used when it first was near the optimum; infinite if it never was.
    front : float64 array [k, n_objectives] or None
        Losses of what no other evaluation dominates, at the end; None of one objective.
    """

    regret: Floats
    reached: float
    front: Floats | None


def scale_of(task: Task, evaluations: int, within: float | None) -> Scale:
    """Return what regrets of a task are measured in.

    Parameters
    ----------
    task : Task
    evaluations : int
        Budget of the runs.
    within : float, optional
        What is near, as a share of the optimum's size or of the exact front's hypervolume; 0.1 % of
        an optimum and 1 % of a hypervolume if not given.
    """
    problem = task.problem()
    axis, budget = "evaluations", float(evaluations)
    if problem.cost is not None and task.budget.cost is not None:
        axis = f"{problem.cost.target.name} [{problem.cost.target.unit}]"
        budget = task.budget.cost
    if problem.n_objectives > 1:
        near = 0.01 if within is None else within
        return Scale("hypervolume regret", SHARE, axis, budget, near)
    share = 0.001 if within is None else within
    near = share * abs(task.optimum.value)
    return Scale("regret", problem.units[0], axis, budget, near)


def curve_marks(scale: Scale) -> Floats:
    """Return where on the axis a curve has its points: float64, ascending, the budget last."""
    counted = scale.axis == "evaluations"
    start = 1.0 if counted else scale.budget / 1_000
    marks = np.geomspace(min(start, scale.budget), scale.budget, CURVE_POINTS)
    marks[-1] = scale.budget
    found: Floats = np.unique(np.rint(marks) if counted else marks)
    return found


def measure(history: History, task: Task, scale: Scale, marks: Floats) -> Measured:
    """Return what a run came to at some marks.

    Raises
    ------
    SearchError
        If the history is not one of the task.
    TruthError
        If something better than the proven optimum was evaluated.
    """
    if history.problem.get("task") != task.name:
        msg = f"is a history of {history.problem.get('task')!r}, not of task {task.name!r}"
        raise SearchError(msg)
    n = len(history)
    used = np.arange(1.0, n + 1)
    if scale.axis != "evaluations" and history.cost is not None:
        used = np.cumsum(history.cost)
    # How many evaluations had been done at each mark.
    counts = np.searchsorted(used, marks, side="right")
    if history.n_objectives == 1:
        regret = np.where(np.isnan(history.regret), np.inf, history.regret)
        near = np.flatnonzero(regret <= scale.near)
        reached = float(used[near[0]]) if len(near) else np.inf
        return Measured(np.concatenate([[np.inf], regret])[counts], reached, None)
    return _of_several(history, scale, used, counts)


def _of_several(
    history: History, scale: Scale, used: Floats, counts: NDArray[np.int64]
) -> Measured:
    losses = history.exact * [1.0 if d == "min" else -1.0 for d in history.directions]
    front = losses[history.nondominated()]
    stops, places = np.unique(counts, return_inverse=True)
    regret = history.hypervolume_regret(stops)
    near = np.flatnonzero(regret <= scale.near)
    if not len(near):
        return Measured(regret[places], np.inf, front)
    # The regret never rises: the first that is near lies after the last mark that is not.
    last = near[0]
    between = np.arange(stops[last - 1] + 1 if last else 0, stops[last] + 1)
    first = between[np.flatnonzero(history.hypervolume_regret(between) <= scale.near)[0]]
    return Measured(regret[places], float(used[first - 1]) if first else 0.0, front)


def checkpoints(scale: Scale, at: Sequence[float]) -> list[float]:
    """Return the checkpoints of a task: those asked for that its budget reaches, or powers of ten.

    Examples
    --------
    >>> checkpoints(Scale("regret", "%", "evaluations", 2_000, 0.1), ())
    [10.0, 100.0, 1000.0, 2000]
    """
    if at:
        return sorted({float(a) for a in at if a <= scale.budget})
    if scale.axis != "evaluations":
        return [scale.budget / 100, scale.budget / 10, scale.budget]
    powers = [10.0**e for e in range(1, 16) if 10.0**e < scale.budget]
    return [*powers[-3:], scale.budget]
