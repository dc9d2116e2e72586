"""How good a search was after so many evaluations: regrets at marks, and when it came near."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from anb_onnx.errors import SearchError
from anb_onnx.problems.task import Task

if TYPE_CHECKING:
    from anb_onnx.search.history import History

Floats = NDArray[np.float64]

#: What runs are compared over.
Over: TypeAlias = Literal["evaluations", "cost"]

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
        What is counted: "evaluations", or a target with its unit.
    budget : float
        How much of that there is; or how much of it every run has, where something else was
        limited.
    near : float
        What counts as near the optimum, in the unit of the regret.
    limited : bool
        Whether it is what the runs' budget limits.
    """

    measure: str
    unit: str
    axis: str
    budget: float
    near: float
    limited: bool = True


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


@dataclass(frozen=True)
class Used:
    """What one run used: evaluations, and what they cost (None where they had no cost)."""

    evaluations: int
    cost: float | None


def used_by(history: History) -> Used:
    """Return what a run used."""
    spent = None if history.cost is None else float(history.spent[-1]) if len(history) else 0.0
    return Used(len(history), spent)


def scale_of(
    task: Task,
    budget: Mapping[str, Any],
    within: float | None,
    over: Over | None = None,
    used: Iterable[Used] = (),
) -> Scale:
    """Return what regrets of a task are measured in.

    Parameters
    ----------
    task : Task
    budget : mapping
        That of the runs, as their settings have it.
    within : float, optional
        What is near, as a share of the optimum's size or of the exact front's hypervolume; 0.1 % of
        an optimum and 1 % of a hypervolume if not given.
    over : {"evaluations", "cost"}, optional
        What is counted. If not given, that which was limited: cost, where both were.
    used : iterable of Used
        What each run used, where `over` is not what was limited: then the runs are compared up to
        where the first of them ends, so that each is there at every mark.

    Raises
    ------
    SearchError
        If they are to be compared over a cost that evaluations did not have.
    """
    problem = task.problem()
    most_evaluations, most_cost = budget["evaluations"], budget["cost"]
    axis, most = "evaluations", most_evaluations
    if over == "cost" or (over is None and most_cost is not None):
        axis, most = _cost_axis(task, budget), most_cost
    elif most_cost is not None:
        most = None  # another limit may have ended each run before
    limited = most is not None
    if most is None:
        ends = [u.evaluations if axis == "evaluations" else u.cost for u in used]
        most = min((end for end in ends if end is not None), default=0)
        if not most:
            msg = f"task {task.name}: a run has no evaluation, so there is nothing to compare over"
            raise SearchError(msg)
    if problem.n_objectives > 1:
        near = 0.01 if within is None else within
        return Scale("hypervolume regret", SHARE, axis, float(most), near, limited)
    share = 0.001 if within is None else within
    near = share * abs(task.optimum.value)
    return Scale("regret", problem.units[0], axis, float(most), near, limited)


def _cost_axis(task: Task, budget: Mapping[str, Any]) -> str:
    """Return the name and unit of what evaluations cost."""
    charged = budget.get("charged")
    if charged is not None:
        return f"{charged['name']} [{charged['unit']}]"
    cost = task.problem().cost
    if cost is None:
        msg = (
            f"the runs of {task.name} had no cost to compare them over; search with one, such as "
            "--cost train_time"
        )
        raise SearchError(msg)
    return f"{cost.target.name} [{cost.target.unit}]"


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
        used = history.spent
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
