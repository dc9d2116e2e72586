"""Proves the optima of all tasks and writes them down: `python -m benchmarks.tasks`.

Writes anb_onnx/problems/known.py. Run it when a task was added, or for new versions of tasks after
new artifacts; what a release holds must not change. With `--table` it prints the table of
docs/tasks.md instead.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import anb_onnx
from anb_onnx import exact
from anb_onnx.problems.definitions import definitions
from anb_onnx.problems.listing import targets_of
from anb_onnx.problems.task import Task, _made

OUT = Path(anb_onnx.__file__).parent / "problems" / "known.py"

HEAD = '''"""What is proven of the tasks; written by `python -m benchmarks.tasks`, never by hand."""

from __future__ import annotations

'''


def optimum(task: Task) -> tuple[int, float]:
    """Index and value of a task's optimum, by the exact search."""
    (objective,) = task.objectives
    found = exact.optimum(_made(objective), task.constraints, benchmark=task.benchmark)
    best = found.solutions[0]
    return best.architecture.index, best.value


def reference(task: Task) -> tuple[float, ...]:
    """The worst mean of each target over the whole space."""
    surrogates = [anb_onnx.load(str(o), benchmark=task.benchmark) for o in task.objectives]
    return tuple(s.truth.worst.value for s in surrogates)


def lines(name: str, kind: str, values: dict[str, Any]) -> str:
    rows = "".join(f"    {key!r}: {value!r},\n" for key, value in values.items())
    return f"{name}: dict[str, {kind}] = {{\n{rows}}}\n".replace("'", '"')


def table() -> str:
    """The tasks as a table in Markdown."""
    rows = ["| task | what | evaluations | proven optimum, or points of the exact front |"]
    rows.append("|---|---|--:|--:|")
    for task in anb_onnx.tasks():
        if len(task.objectives) == 1:
            best = f"{task.optimum.value:.4f} {task.problem().units[0]}".strip()
        else:
            best = f"{len(task.front)} points"
        rows.append(
            f"| `{task.name}` | {task.description} | {task.budget.evaluations:,} | {best} |"
        )
    return "\n".join(rows)


def main() -> None:
    if "--table" in sys.argv[1:]:
        print(table())
        return
    all_tasks = definitions()
    names = sorted({name for task in all_tasks for name in targets_of(task)})
    artifacts = {name: anb_onnx.load(name, benchmark="accel-nasbench").sha256 for name in names}
    optima = {t.name: optimum(t) for t in all_tasks if len(t.objectives) == 1}
    points = {t.name: reference(t) for t in all_tasks if len(t.objectives) > 1}
    text = HEAD + "#: SHA-256 of the artifact of each target.\n"
    text += lines("ARTIFACTS", "str", artifacts)
    text += "\n#: Index and value of each optimum, in the unit of the objective.\n"
    text += lines("OPTIMA", "tuple[int, float]", optima)
    text += "\n#: Reference points of hypervolumes, in the units of the objectives.\n"
    text += lines("REFERENCES", "tuple[float, ...]", points)
    OUT.write_text(text)
    print(f"{len(optima)} optima and {len(points)} reference points: {OUT}")


if __name__ == "__main__":
    main()
