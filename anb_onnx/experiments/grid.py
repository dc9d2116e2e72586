"""Runs of optimizers on tasks with many seeds, each into a file; resumed where they ended."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from anb_onnx._io.output import check_output
from anb_onnx._io.real import finite
from anb_onnx._io.show import show
from anb_onnx._io.version import own_version
from anb_onnx.errors import AnbError, SearchError
from anb_onnx.experiments.optimizers import Optimizer, Setting, find_optimizer
from anb_onnx.experiments.run_files import (
    FORMAT,
    FORMATS,
    MOST_SEEDS,
    SETTINGS,
    VERSION,
    Cell,
    check_label,
    differences,
)
from anb_onnx.experiments.workers import run_all
from anb_onnx.parallel.extras import need
from anb_onnx.parallel.shelter import import_sheltered
from anb_onnx.problems.cost import costing
from anb_onnx.problems.listing import tasks
from anb_onnx.problems.task import Task

if TYPE_CHECKING:
    from anb_onnx.search.history import History


@dataclass(frozen=True)
class Limits:
    """What a run may use.

    Attributes
    ----------
    evaluations : int or None
        Most of them; None where cost alone is limited.
    cost : float or None
        Most cost of all evaluations; None where they alone are limited.
    charged : str or None
        The target whose mean an evaluation costs, of a task that has no cost of its own.
    """

    evaluations: int | None
    cost: float | None
    charged: str | None

    def given(self, task: Task) -> dict[str, Any]:
        """Return these as `Optimizer.run` takes them; what a task states it knows by itself."""
        own = self.evaluations is not None and self.cost == task.budget.cost
        return {
            "evaluations": self.evaluations,
            "cost": self.charged,
            "cost_budget": None if own else self.cost,
        }

    def document(self, task: Task) -> dict[str, Any]:
        """Return these as the settings of runs have them."""
        found: dict[str, Any] = {"evaluations": self.evaluations, "cost": self.cost}
        if self.charged is not None:
            found["charged"] = costing(self.charged, task.benchmark).to_dict()
        return found


@dataclass(frozen=True)
class Run:
    """One search: what is needed to do it in any process."""

    cell: Cell
    optimizer: str
    settings: Mapping[str, Setting]
    limits: Limits
    seed: int
    kind: str

    @property
    def path(self) -> Path:
        """The file it is written to."""
        return self.cell.run(self.seed, self.kind)

    def __str__(self) -> str:
        return f"{self.cell.task}, {self.cell.label}, seed {self.seed}"


@dataclass(frozen=True)
class Took:
    """How many evaluations a run had, and the seconds they took: of the clock, of the processor."""

    evaluations: int
    wall: float
    cpu: float


@dataclass(frozen=True)
class Done:
    """What a call of `search_tasks` did.

    Attributes
    ----------
    runs : int
        All that were asked for.
    made, kept, damaged : int
        Those that were searched now; those that were there; and those of `made` whose file was
        there, but not whole.
    """

    runs: int
    made: int
    kept: int
    damaged: int


def search_tasks(
    names: Sequence[str],
    optimizers: Sequence[str],
    seeds: Sequence[int],
    out: Path,
    *,
    budget: int | None = None,
    cost: str | None = None,
    cost_budget: float | None = None,
    settings: Mapping[str, str] | None = None,
    label: str | None = None,
    kind: str = "json",
    jobs: int = 1,
    overwrite: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> Done:
    """Run optimizers on tasks, each with each and with every seed.

    Parameters
    ----------
    names : sequence of str
        Tasks of `anb_onnx.tasks`.
    optimizers : sequence of str
        Names of `OPTIMIZERS`.
    seeds : sequence of int
        Run n is that of the optimizer's function called with ``rng=n``, whatever else runs.
    out : Path
        Folder of all runs: see `anb_onnx.experiments.run_files`. Runs that are there are kept.
    budget : int, optional
        Evaluations of each run; those of its task if not given, and any number where there is a
        `cost_budget`.
    cost : str, optional
        A target whose mean each evaluation costs, such as "train_time", of tasks that have no cost
        of their own.
    cost_budget : float, optional
        Most cost of all evaluations of a run, in the unit of the cost. The evaluation that would
        exceed it has no result.
    settings : mapping of str, optional
        Settings of the optimizers as text, each of which all of them have.
    label : str, optional
        Folder name of the runs of the only optimizer; its own name if not given.
    kind : {"json", "parquet"}
        What a run is written as.
    jobs : int
        Processes. The files are the same bytes with any number.
    overwrite : bool
        Whether to remove what is there of these tasks and optimizers first.
    progress : callable, optional
        Called with the number of runs done, and of all.

    Returns
    -------
    Done

    Raises
    ------
    SearchError
        If something is unknown, an optimizer cannot search a task, or runs that are there were made
        with other settings; nothing is searched then.
    OutputError
        If a file cannot be written.
    """
    _check(seeds, kind, budget, jobs)
    limits = Limits(budget, cost_budget, cost)
    plan = list(_plan(names, optimizers, out, limits, settings or {}, label, kind))
    for cell, _, document in plan:
        check_output(cell.folder / SETTINGS)
        if not overwrite:
            _refuse_others(cell, document)
    waiting, damaged, begun = [], 0, []
    for cell, run_of, document in plan:
        if overwrite:
            cell.clear()
        there = cell.runs()
        for seed in seeds:
            run = run_of(seed)
            whole = _is_whole(run) if seed in there else None
            damaged += whole is False
            if not whole:
                waiting.append(run)
        if cell.settings() is None:
            cell.write_settings(document)
            begun.append(cell)
    total = len(plan) * len(seeds)
    kept = total - len(waiting)
    report = progress or (lambda done, of: None)
    report(kept, total)
    try:
        with contextlib.closing(run_all(do, waiting, jobs)) as results:
            for number, (run, took) in enumerate(results, kept + 1):
                run.cell.note_time(run.seed, jobs, took.evaluations, took.wall, took.cpu)
                report(number, total)
    except AnbError:
        # A setting that no run came of must not stand in the way of the one that mends it.
        for cell in begun:
            if not cell.runs():
                cell.clear()
        raise
    finally:
        for cell, _, _ in plan:
            cell.tidy()
    return Done(total, len(waiting), kept, damaged)


def do(run: Run) -> Took:
    """Search, and write the history.

    Raises
    ------
    AnbError
        If the search fails; names the run.
    """
    task, optimizer = tasks()[run.cell.task], find_optimizer(run.optimizer)
    try:
        task.problem()  # loading is not part of what the search takes
        wall, cpu = time.perf_counter(), time.process_time()
        history = optimizer.run(
            task, seed=run.seed, settings=run.settings, **run.limits.given(task)
        )
        took = Took(len(history.codes), time.perf_counter() - wall, time.process_time() - cpu)
        history.save(run.path)
    except AnbError as error:
        msg = f"{run}: {error}"
        raise type(error)(msg) from error
    return took


def read_history(path: Path) -> History:
    """Return the history in a run's file.

    Raises
    ------
    AnbError
        If it cannot be read; names the file.
    """
    history: History = import_sheltered("anb_onnx.search.history").History.load(path)
    return history


def _plan(
    names: Sequence[str],
    optimizers: Sequence[str],
    out: Path,
    asked: Limits,
    settings: Mapping[str, str],
    label: str | None,
    kind: str,
) -> Iterator[tuple[Cell, Callable[[int], Run], dict[str, Any]]]:
    """Yield each cell, its run of a seed, and its settings as they are written down."""
    if label is not None and len(set(optimizers)) != 1:
        msg = f"--as {show(label)} names the runs of one optimizer; {len(optimizers)} are given"
        raise SearchError(msg)
    for name in dict.fromkeys(names):
        task = tasks()[name]
        limits = _limits(task, asked)
        for found in map(find_optimizer, dict.fromkeys(optimizers)):
            found.check(task)
            chosen = found.settings(settings)
            cell = Cell(out, name, found.name if label is None else check_label(label))

            def run_of(
                seed: int,
                cell: Cell = cell,
                found: Optimizer = found,
                chosen: Mapping[str, Setting] = chosen,
                limits: Limits = limits,
            ) -> Run:
                return Run(cell, found.name, chosen, limits, seed, kind)

            yield cell, run_of, _document(task, found, chosen, limits, kind)


def _limits(task: Task, asked: Limits) -> Limits:
    """Return what the runs of a task may use: what is asked for, else what the task states.

    Raises
    ------
    SearchError
        If nothing says what an evaluation costs, or two things do, or the cost is no such target.
    """
    if asked.charged is not None:
        if task.cost is not None:
            msg = f"--cost {show(asked.charged)}: {task.name} has {task.cost!r}; leave --cost out"
            raise SearchError(msg)
        costing(asked.charged, task.benchmark).check_space(task.problem().space)
    if asked.cost is None:
        evaluations = asked.evaluations or task.budget.evaluations
        return Limits(evaluations, task.budget.cost, asked.charged)
    if asked.charged is None and task.cost is None:
        msg = (
            f"--cost-budget {show(asked.cost)}: nothing says what an evaluation of {task.name} "
            "costs; give --cost, such as --cost train_time"
        )
        raise SearchError(msg)
    most = finite(asked.cost)
    if most is None or most < 0:
        msg = f"--cost-budget is a number of at least 0, not {show(asked.cost)}"
        raise SearchError(msg)
    return Limits(asked.evaluations, most, asked.charged)


def _document(
    task: Task, optimizer: Optimizer, settings: Mapping[str, Setting], limits: Limits, kind: str
) -> dict[str, Any]:
    description = task.to_dict()
    artifacts = description.pop("artifacts")
    packages = {"anb_onnx": own_version(), "numpy": version("numpy")}
    for package in (*optimizer.packages, *(("pyarrow",) if kind == "parquet" else ())):
        packages[package] = _version(package, optimizer.name)
    return {
        "format": FORMAT,
        "version": VERSION,
        "task": description,
        "artifacts": artifacts,
        "optimizer": {"name": optimizer.name, "settings": dict(settings)},
        "budget": limits.document(task),
        "run_format": kind,
        "versions": packages,
    }


def _version(package: str, what: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        need(package, extra="search", what=what)  # says how to install it
        return "unknown"


def _refuse_others(cell: Cell, wanted: Mapping[str, Any]) -> None:
    """Refuse to put runs beside others that were made with other settings."""
    there = cell.settings()
    if there is None:
        if runs := cell.runs():
            msg = (
                f"{cell.folder} has {len(runs)} runs, but no {SETTINGS} that says how they were "
                "made; give --out another folder, or --overwrite to remove them"
            )
            raise SearchError(msg)
        return
    for key, old, new in differences(there, wanted):
        msg = (
            f"{cell.folder} has runs of other settings: {key} is {old} there and {new} now; give "
            "--out another folder or --as another name, or --overwrite to remove them"
        )
        raise SearchError(msg)


def _is_whole(run: Run) -> bool:
    try:
        history = read_history(run.path)
    except AnbError:
        return False
    most = run.limits.evaluations
    return most is None or len(history.codes) <= most


def _check(seeds: Sequence[int], kind: str, budget: int | None, jobs: int) -> None:
    if not seeds or min(seeds) < 0 or max(seeds) >= MOST_SEEDS:
        msg = f"seeds are numbers from 0 to {MOST_SEEDS - 1}, at least one, not {show(seeds)}"
        raise SearchError(msg)
    if len(set(seeds)) != len(seeds):
        twice = next(seed for seed in seeds if list(seeds).count(seed) > 1)
        msg = f"seed {twice} is given twice"
        raise SearchError(msg)
    if kind not in FORMATS:
        msg = f"--format is one of {', '.join(FORMATS)}, not {show(kind)}"
        raise SearchError(msg)
    if kind == "parquet":
        need("pyarrow", extra="search", what="--format parquet")
    if budget is not None and budget < 1:
        msg = f"--budget is the evaluations of each run, at least 1, not {budget}"
        raise SearchError(msg)
    if jobs < 1:
        msg = f"--jobs is the number of processes, at least 1, not {jobs}"
        raise SearchError(msg)
