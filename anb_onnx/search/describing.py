"""What was searched for, as plain data that a file keeps, and the way back to the problem."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias

from anb_onnx._io.show import show
from anb_onnx.catalog.benchmarks import benchmarks
from anb_onnx.errors import AnbError, TruthError
from anb_onnx.problems import Cost, Problem, Task, tasks

#: What is known of the objective beside the history itself: a problem, or a task that has one.
Source: TypeAlias = Problem | Task


def describe(asked: object, task: Task | None, charged: Cost | None = None) -> dict[str, Any]:
    """Return what `find` needs to make a problem again; of a function, nothing.

    Returns
    -------
    dict
        ``task`` (name or None), ``objectives`` (a name, or what is weighed and how), ``noise``,
        ``cost`` (name or None), ``artifacts`` (SHA-256 by target), and ``confidence`` where the
        limits have one; ``charged`` (name, unit, SHA-256) where evaluations had a cost that is no
        part of the problem, of a function, too.
    """
    others: dict[str, Any] = {} if charged is None else {"charged": charged.to_dict()}
    if not isinstance(asked, Problem):
        return others
    if asked.confidence is not None:
        others["confidence"] = asked.confidence
    return others | {
        "task": None if task is None else task.name,
        "objectives": [
            o.name if o.weighted is None else _weights(o.weighted) for o in asked.objectives
        ],
        "noise": asked.noise,
        "cost": None if asked.cost is None else asked.cost.target.name,
        "artifacts": {s.target.name: s.sha256 for s in asked.surrogates},
    }


def _weights(weighted: Any) -> dict[str, Any]:
    """Return a weighted objective as data."""
    from anb_onnx.exact.objectives import WeightedProduct, WeightedSum

    names = [t if isinstance(t, str) else t.target.name for t in weighted.targets]
    if isinstance(weighted, WeightedSum):
        values = map(float, weighted.weights.values())
        return {"sum": dict(zip(names, values, strict=True))}
    if isinstance(weighted, WeightedProduct):
        numbers = float(weighted.reference), float(weighted.exponent)
        return {"product": [*names, *numbers]}
    return {"other": str(weighted)}


def _weighted(data: Mapping[str, Any]) -> Any:
    from anb_onnx.exact.objectives import WeightedProduct, WeightedSum

    if "sum" in data:
        return WeightedSum(dict(data["sum"]))
    accuracy, performance, reference, exponent = data["product"]
    return WeightedProduct(accuracy, performance, reference=reference, exponent=exponent)


def find(described: Mapping[str, Any], constraints: tuple[tuple[str, str, float], ...]) -> Source:
    """Return the problem or task that a history describes, of the artifacts that are installed.

    Raises
    ------
    TruthError
        If it was a function's, or its artifacts are not those that are installed.
    """
    if "objectives" not in described:
        msg = (
            "this is the history of a function, of which nothing is proven; "
            "history.with_optimum(value) tells what its best value is"
        )
        raise TruthError(msg)
    hint = "; give the problem that it is of, as in History.load(path, objective=...)"
    try:
        source: Source
        if described["task"] is not None:
            task: Task = tasks()[described["task"]]
            source, problem = task, task.problem()
        else:
            objectives = [
                o if isinstance(o, str) else _weighted(o) for o in described["objectives"]
            ]
            source = problem = Problem(
                objectives,
                constraints,
                noise=described["noise"],
                confidence=described.get("confidence"),
                cost=described["cost"],
                benchmark=_benchmark(described["artifacts"]),
            )
    except (AnbError, LookupError, TypeError, ValueError) as error:
        msg = f"the problem of this history cannot be made again ({error}){hint}"
        raise TruthError(msg) from error
    check_same(described, problem, hint)
    return source


def _benchmark(artifacts: Mapping[str, str]) -> str | None:
    """Return the installed benchmark that has all of these artifacts; None if there is none."""
    for catalog in benchmarks():
        found = {a.target.name: a.sha256 for a in catalog.artifacts}
        if artifacts.items() <= found.items():
            return catalog.benchmark
    return None


def check_same(described: Mapping[str, Any], problem: Problem, hint: str = "") -> None:
    """Refuse a problem whose artifacts, or confidence, are not those of a history.

    Raises
    ------
    TruthError
        Naming the first target that differs.
    """
    if described.get("confidence") != problem.confidence:
        msg = (
            f"this history is of limits with confidence={show(described.get('confidence'))}, not "
            f"confidence={problem.confidence!r}{hint}"
        )
        raise TruthError(msg)
    stated = described.get("artifacts", {})
    found = {s.target.name: s.sha256 for s in problem.surrogates}
    for name in stated.keys() | found.keys():
        if stated.get(name) != found.get(name):
            msg = (
                f"this history is of another artifact of {name!r} (SHA-256 "
                f"{show(stated.get(name))}, here {show(found.get(name))}){hint}"
            )
            raise TruthError(msg)
