"""The tasks by name."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import lru_cache
from types import MappingProxyType
from typing import Any, overload

from anb_onnx._io.show import show
from anb_onnx.errors import SearchError
from anb_onnx.problems.definitions import definitions
from anb_onnx.problems.known import ARTIFACTS, OPTIMA, REFERENCES
from anb_onnx.problems.task import Known, Task
from anb_onnx.views import html


class Tasks(Sequence[Task]):
    """All tasks in their order; ``tasks["accuracy-v1"]`` is the one of that name."""

    def __init__(self, tasks: Sequence[Task]) -> None:
        self._tasks = tuple(tasks)
        self._by_name = {task.name: task for task in tasks}

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the tasks."""
        return tuple(self._by_name)

    @overload
    def __getitem__(self, key: int | str) -> Task: ...
    @overload
    def __getitem__(self, key: slice) -> Sequence[Task]: ...
    def __getitem__(self, key: Any) -> Any:
        if not isinstance(key, str):
            try:
                return self._tasks[key]
            except (IndexError, TypeError) as error:
                raise _no_task(key, len(self), error) from error
        if key not in self._by_name:
            near = difflib.get_close_matches(key, self.names, n=1, cutoff=0.5)
            hint = f" (did you mean {near[0]!r}?)" if near else ""
            msg = f"unknown task {show(key)}{hint}; the tasks are {', '.join(self.names)}"
            raise SearchError(msg)
        return self._by_name[key]

    def __contains__(self, key: object) -> bool:
        return key in self._by_name if isinstance(key, str) else key in self._tasks

    def __iter__(self) -> Iterator[Task]:
        return iter(self._tasks)

    def __len__(self) -> int:
        return len(self._tasks)

    def __repr__(self) -> str:
        few = ", ".join(self.names[:3])
        return f"Tasks({few}{', ...' if len(self) > 3 else ''}: {len(self)})"

    def _repr_html_(self) -> str:
        """Return names and what is asked for, for notebooks."""
        rows = [(t.name, t.description, f"{t.budget.evaluations:,}") for t in self]
        return html.table(["task", "asks for", "evaluations"], rows, numbers=["evaluations"])


class TaskIndexError(SearchError, IndexError):
    """A number of a task that there is not: also an IndexError, as of any sequence."""


def _no_task(key: object, n: int, error: Exception) -> Exception:
    msg = f"there is no task {show(key)}; a task goes by its name, or by a number from 0 to {n - 1}"
    # A sequence is at its end where an IndexError is raised, and nothing else will do.
    return TaskIndexError(msg) if isinstance(error, IndexError) else SearchError(msg)


@lru_cache(maxsize=1)
def tasks() -> Tasks:
    """Return the tasks that come with the package: search problems with proven answers.

    Returns
    -------
    Tasks
        A sequence of `Task` that takes names, too.

    Examples
    --------
    >>> import anb_onnx
    >>> task = anb_onnx.tasks()["accuracy-throughput_a100-front-v1"]
    >>> task.budget.evaluations, len(task.front)
    (10000, 474)
    """
    return Tasks([_with_known(task) for task in definitions()])


def targets_of(task: Task) -> list[str]:
    """Return the names of all targets of a task, each once."""
    names: list[str] = []
    for objective in task.objectives:
        names += (
            [objective]
            if isinstance(objective, str)
            else [objective.accuracy, objective.performance]
        )
    names += [target for target, _, _ in task.constraints]
    names += [] if task.cost is None else [task.cost]
    return list(dict.fromkeys(names))


def _with_known(task: Task) -> Task:
    optimum = OPTIMA.get(task.name)
    return replace(
        task,
        reference=REFERENCES.get(task.name),
        known=None if optimum is None else Known(*optimum),
        artifacts=MappingProxyType({name: ARTIFACTS[name] for name in targets_of(task)}),
    )
