"""Optimizers compared on tasks: tables, tests and curves, as values."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from anb_onnx._io.show import show
from anb_onnx.errors import AnbError, SearchError
from anb_onnx.experiments.grid import read_history
from anb_onnx.experiments.measures import (
    Measured,
    Over,
    Scale,
    checkpoints,
    curve_marks,
    measure,
    scale_of,
    used_by,
)
from anb_onnx.experiments.reading import Runs, read_folders
from anb_onnx.experiments.statistics import (
    Ranking,
    friedman_nemenyi,
    holm,
    mean_ranks,
    median,
    median_interval,
    signed_rank,
)
from anb_onnx.problems.task import Task

Floats = NDArray[np.float64]

#: Chance of a false alarm, of all comparisons of a task together.
LEVEL = 0.05


@dataclass(frozen=True)
class Line:
    """One optimizer at one checkpoint of a task.

    Attributes
    ----------
    optimizer : str
    at : float
        Used of the budget.
    runs : int
    median, low, high : float
        Median regret and its 95 % bootstrap interval; infinite where nothing feasible was found by
        most runs.
    mean_rank : float
        Among the optimizers, over the seeds that all of them have; NaN if there are none.
    found : int
        Runs that had found the optimum, or the whole exact front.
    """

    optimizer: str
    at: float
    runs: int
    median: float
    low: float
    high: float
    mean_rank: float
    found: int


@dataclass(frozen=True)
class Near:
    """How soon an optimizer came near the optimum.

    Attributes
    ----------
    optimizer : str
    reached : int
        Runs that did.
    median : float
        What they had used of the budget then; infinite where fewer than half did.
    """

    optimizer: str
    reached: int
    median: float


@dataclass(frozen=True)
class Pair:
    """Two optimizers at the end, over the seeds that both have.

    Attributes
    ----------
    first, second : str
    first_better, second_better, equal : int
        Seeds.
    p, corrected : float
        Of the two-sided signed-rank test; and by Holm's method for all pairs of the task.
    """

    first: str
    second: str
    first_better: int
    second_better: int
    equal: int
    p: float
    corrected: float

    @property
    def differs(self) -> bool:
        """Whether they are told apart."""
        return self.corrected <= LEVEL

    @property
    def better(self) -> str:
        """Name of the one that is better in more seeds."""
        return self.first if self.first_better > self.second_better else self.second


@dataclass(frozen=True)
class OfTask:
    """All that a comparison says of one task.

    Attributes
    ----------
    task : Task
    scale : Scale
    optimizers : tuple of str
    seeds : tuple of int
        Those that all optimizers have.
    missing : mapping of str to tuple of int
        Seeds that another optimizer has and this one has not.
    lines, near, pairs : tuple
    beyond : tuple of float
        Checkpoints that were asked for and that the budget does not reach.
    marks : float64 array [n_marks]
        Where the curves have points.
    curves : mapping of str to float64 array [runs, n_marks]
        Regrets.
    fronts : mapping of str to list of float64 array [k, 2]
        Losses of what each run found; empty for one objective.
    """

    task: Task
    scale: Scale
    optimizers: tuple[str, ...]
    seeds: tuple[int, ...]
    missing: Mapping[str, tuple[int, ...]]
    lines: tuple[Line, ...]
    near: tuple[Near, ...]
    pairs: tuple[Pair, ...]
    beyond: tuple[float, ...]
    marks: Floats
    curves: Mapping[str, Floats]
    fronts: Mapping[str, list[Floats]] = field(default_factory=dict)

    @property
    def unit(self) -> str:
        """Unit of the regrets as tables for people have them; empty where they have none."""
        return "% of the exact front's" if len(self.task.objectives) > 1 else self.scale.unit

    @property
    def measured(self) -> str:
        """What is measured, with its unit."""
        return f"{self.scale.measure} [{self.unit}]" if self.unit else self.scale.measure


@dataclass(frozen=True)
class OverTasks:
    """Optimizers ranked over tasks, or why they are not.

    Attributes
    ----------
    kind : str
        Which tasks: of one objective, or of several.
    tasks, optimizers : tuple of str
    ranking : Ranking or None
    reason : str
        Why there is no ranking; empty where there is.
    """

    kind: str
    tasks: tuple[str, ...]
    optimizers: tuple[str, ...]
    ranking: Ranking | None
    reason: str = ""


@dataclass(frozen=True)
class Comparison:
    """What `compare` returns: a part for each task, and rankings over all of them."""

    tasks: tuple[OfTask, ...]
    rankings: tuple[OverTasks, ...]


def compare(
    folders: Sequence[Path],
    *,
    only: Iterable[str] = (),
    at: Sequence[float] = (),
    within: float | None = None,
    over: Over | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Comparison:
    """Compare optimizers by their runs.

    Parameters
    ----------
    folders : sequence of Path
        What `search_tasks` wrote.
    only : iterable of str
        Tasks; all that are there if empty.
    at : sequence of float
        Checkpoints, in what the budget is counted in; powers of ten and the budget if empty. Of a
        task, those count that its budget reaches; the budget itself always does.
    within : float, optional
        What is near: see `scale_of`.
    over : {"evaluations", "cost"}, optional
        What is compared at equal amounts of: evaluations, or what they cost (simulated seconds,
        say). If not given, what the budget limits. Where something else was limited, runs are
        compared up to where the first of the task's ends.
    progress : callable, optional
        Called with the number of runs read, and of all.

    Raises
    ------
    SearchError
        If runs cannot be compared; says which, and why.
    AnbError
        If a file cannot be read.
    """
    _check(at, within)
    if over not in (None, "evaluations", "cost"):
        msg = f"--over is evaluations or cost, not {show(over)}"
        raise SearchError(msg)
    found = read_folders(folders, only)
    total = sum(len(runs.paths) for _, of_task in found.values() for runs in of_task)
    done = itertools.count(1)
    report = progress or (lambda done, total: None)
    parts = [
        _compare_task(task, runs, at, within, over, lambda: report(next(done), total))
        for task, runs in found.values()
    ]
    return Comparison(tuple(parts), tuple(_over_tasks(parts)))


def _compare_task(
    task: Task,
    runs: Sequence[Runs],
    at: Sequence[float],
    within: float | None,
    over: Over | None,
    tick: Callable[[], None],
) -> OfTask:
    used = (used_by(read_history(path)) for r in runs for path in r.paths.values())
    scale = scale_of(task, runs[0].settings["budget"], within, over, used)
    points = sorted({*checkpoints(scale, at), scale.budget})
    marks = np.union1d(curve_marks(scale), points)
    measured = {r.label: _measured(r, task, scale, marks, tick) for r in runs}
    every = set().union(*measured.values())
    common = tuple(sorted(every.intersection(*measured.values())))
    columns = {point: int(np.searchsorted(marks, point)) for point in points}
    several = len(task.objectives) > 1
    return OfTask(
        task,
        scale,
        tuple(measured),
        common,
        {
            label: tuple(sorted(every - of.keys()))
            for label, of in measured.items()
            if every - of.keys()
        },
        tuple(_lines(measured, common, columns)),
        tuple(_near(label, of) for label, of in measured.items()),
        tuple(_pairs(measured, columns[points[-1]])),
        tuple(sorted({float(point) for point in at if point > scale.budget})),
        marks,
        {
            label: np.array([m.regret for m in of.values()]).reshape(len(of), len(marks))
            for label, of in measured.items()
        },
        {
            label: [m.front for m in of.values() if m.front is not None]
            for label, of in measured.items()
            if several
        },
    )


def _measured(
    runs: Runs, task: Task, scale: Scale, marks: Floats, tick: Callable[[], None]
) -> dict[int, Measured]:
    found = {}
    for seed, path in runs.paths.items():
        try:
            found[seed] = measure(read_history(path), task, scale, marks)
        except AnbError as error:
            text = str(error) if str(path) in str(error) else f"{path}: {error}"
            msg = f"{text}; remove it and search again"
            raise type(error)(msg) from error
        tick()
    return found


def _lines(
    measured: Mapping[str, Mapping[int, Measured]],
    common: Sequence[int],
    columns: Mapping[float, int],
) -> Iterable[Line]:
    for point, column in columns.items():
        table = [[of[seed].regret[column] for of in measured.values()] for seed in common]
        ranks = mean_ranks(np.array(table).reshape(len(common), len(measured)))
        for (label, of), rank in zip(measured.items(), ranks, strict=True):
            regrets = [float(m.regret[column]) for m in of.values()]
            interval = median_interval(regrets)
            yield Line(
                label,
                point,
                len(of),
                interval.median,
                interval.low,
                interval.high,
                float(rank),
                regrets.count(0.0),
            )


def _near(label: str, of: Mapping[int, Measured]) -> Near:
    used = [m.reached for m in of.values()]
    return Near(label, int(np.isfinite(used).sum()), median(used))


def _pairs(measured: Mapping[str, Mapping[int, Measured]], column: int) -> Iterable[Pair]:
    found = []
    for first, second in itertools.combinations(measured, 2):
        both = sorted(measured[first].keys() & measured[second].keys())
        if not both:
            continue
        a, b = ([measured[one][seed].regret[column] for seed in both] for one in (first, second))
        found.append((first, second, signed_rank(a, b)))
    corrected = holm([test.p for _, _, test in found])
    for (first, second, test), p in zip(found, corrected, strict=True):
        yield Pair(first, second, test.first_better, test.second_better, test.equal, test.p, p)


def _over_tasks(parts: Sequence[OfTask]) -> Iterable[OverTasks]:
    """Rank optimizers over the tasks of one objective, and over those of several."""
    for kind, several in (("one objective", False), ("several objectives", True)):
        chosen = [part for part in parts if (len(part.task.objectives) > 1) == several]
        if len(chosen) < 2:
            continue
        names = tuple(part.task.name for part in chosen)
        everywhere = tuple(
            label
            for label in chosen[0].optimizers
            if all(label in part.optimizers for part in chosen)
        )
        table = np.array(
            [[_final(part, label) for label in everywhere] for part in chosen]
        ).reshape(len(chosen), len(everywhere))
        try:
            yield OverTasks(kind, names, everywhere, friedman_nemenyi(table))
        except SearchError as error:
            yield OverTasks(kind, names, everywhere, None, str(error))


def _final(part: OfTask, label: str) -> float:
    (line,) = (x for x in part.lines if x.optimizer == label and x.at == part.scale.budget)
    return math.inf if math.isnan(line.median) else line.median


def _check(at: Sequence[float], within: float | None) -> None:
    for value in at:
        if not (math.isfinite(value) and value > 0):
            msg = f"--at {show(value)}: a checkpoint is a number above 0"
            raise SearchError(msg)
    if within is not None and not 0 <= within < 1:
        msg = f"--within {show(within)}: what is near is a share, from 0 to below 1, such as 0.001"
        raise SearchError(msg)
