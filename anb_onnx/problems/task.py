"""Tasks: problems with a name and a version, a budget, and what is known of their answer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from anb_onnx.errors import TruthError
from anb_onnx.problems.objectives import Noise
from anb_onnx.problems.problem import Problem
from anb_onnx.spaces.architecture import Architecture
from anb_onnx.views import html

if TYPE_CHECKING:
    from anb_onnx.catalog.truth import Front


@dataclass(frozen=True)
class Product:
    """A weighted product as plain data; see `anb_onnx.exact.WeightedProduct`."""

    accuracy: str
    performance: str
    reference: float
    exponent: float

    def __str__(self) -> str:
        return f"{self.accuracy}*({self.performance}/{self.reference:g})^{self.exponent:g}"


@dataclass(frozen=True)
class Budget:
    """What a search may use: it stops before either is exceeded.

    Attributes
    ----------
    evaluations : int
        Most evaluations.
    cost : float or None
        Most cost of all evaluations, in the unit of the task's `cost`; None where only
        evaluations are counted.
    """

    evaluations: int
    cost: float | None = None


class Best(NamedTuple):
    """The proven optimum of a task: the architecture, and its value in the objective's unit."""

    architecture: Architecture
    value: float


@dataclass(frozen=True)
class Known:
    """The proven optimum as it is written down: an index and a value."""

    index: int
    value: float


@dataclass(frozen=True, repr=False)
class Task:
    """A problem that papers can cite: once published, a name and a version never change.

    Attributes
    ----------
    name : str
        For example "accuracy-latency_zcu102-5ms-v1"; the version is its end.
    description : str
        In a sentence.
    objectives : tuple of str or Product
    constraints : tuple of (target, operator, value)
    budget : Budget
    noise : {"none", "std", "predictive_std"}
    cost : str or None
        The target whose mean an evaluation costs.
    reference : tuple of float or None
        Reference point of hypervolumes, in the objectives' units: the worst mean of each over the
        whole space. None for one objective.
    known : Known or None
        The proven optimum; None for several objectives, whose front comes with the artifacts.
    benchmark : str
        Whose targets these are.
    artifacts : mapping of str to str
        SHA-256 of each target's artifact: the numbers are of these and no others.

    Examples
    --------
    >>> import anb_onnx
    >>> task = anb_onnx.tasks()["accuracy-latency_zcu102-5ms-v1"]
    >>> f"{task.optimum.value:.3f} {task.problem().units[0]}"
    '65.985 %'
    """

    name: str
    description: str
    objectives: tuple[str | Product, ...]
    constraints: tuple[tuple[str, str, float], ...] = ()
    budget: Budget = Budget(1_000)
    noise: Noise = "none"
    cost: str | None = None
    reference: tuple[float, ...] | None = None
    known: Known | None = None
    benchmark: str = "accel-nasbench"
    artifacts: Mapping[str, str] = field(default_factory=dict, hash=False)

    @property
    def version(self) -> int:
        """The number after the "-v" of the name."""
        return int(self.name.rpartition("-v")[2])

    def problem(self) -> Problem:
        """Return the problem; loaded once for each process.

        Raises
        ------
        TruthError
            If the installed artifacts are not those the task is of.
        """
        return _problem(self)

    @property
    def optimum(self) -> Best:
        """The proven optimum of the one objective.

        Raises
        ------
        TruthError
            If there are several objectives.
        """
        if self.known is None:
            msg = f"task {self.name!r} has several objectives: it has a front, no optimum"
            raise TruthError(msg)
        space = self.problem().space
        return Best(Architecture.from_index(self.known.index, space=space), self.known.value)

    @property
    def front(self) -> Front:
        """The exact Pareto front of the two objectives, with its values in their units.

        Raises
        ------
        TruthError
            If there is one objective only.
        """
        problem = self.problem()
        if problem.n_objectives != 2:
            msg = f"task {self.name!r} has one objective: it has an optimum, no front"
            raise TruthError(msg)
        first, second = problem.objectives
        return first.surrogates[0].truth.fronts[first.name, second.name]

    def to_dict(self) -> dict[str, Any]:
        """Return the task as plain data for JSON."""
        return {
            "name": self.name,
            "description": self.description,
            "benchmark": self.benchmark,
            "objectives": [o if isinstance(o, str) else dict(vars(o)) for o in self.objectives],
            "constraints": [list(constraint) for constraint in self.constraints],
            "budget": dict(vars(self.budget)),
            "noise": self.noise,
            "cost": self.cost,
            "reference": None if self.reference is None else list(self.reference),
            "known": None if self.known is None else dict(vars(self.known)),
            "artifacts": dict(self.artifacts),
        }

    def __repr__(self) -> str:
        return f"Task({self.name!r}: {self.description}; {self.budget.evaluations} evaluations)"

    def _repr_html_(self) -> str:
        """Return what it asks for, for notebooks."""
        best = "a front" if self.known is None else f"{self.known.value:.6g}, proven"
        facts = [
            ("asks for", self.description),
            ("objectives", ", ".join(map(str, self.objectives))),
            ("constraints", ", ".join(f"{t} {op} {v:g}" for t, op, v in self.constraints)),
            ("budget", f"{self.budget.evaluations} evaluations"),
            ("best", best),
            ("noise", "" if self.noise == "none" else self.noise),
            ("benchmark", self.benchmark),
        ]
        return html.card(self.name, [(name, text) for name, text in facts if text])

    def __call__(self, architectures: Any) -> NDArray[np.float64]:
        """Return means in the objectives' units; see `Problem.__call__`."""
        return self.problem()(architectures)

    def __reduce__(self) -> tuple[Any, ...]:
        # By value: a mapping that was made read-only would not pickle.
        values = {**vars(self), "artifacts": dict(self.artifacts)}
        return _task, (values,)


def _task(values: dict[str, Any]) -> Task:
    return Task(**values)


@lru_cache(maxsize=64)
def _problem(task: Task) -> Problem:
    problem = Problem(
        [_made(objective) for objective in task.objectives],
        task.constraints,
        noise=task.noise,
        cost=task.cost,
        benchmark=task.benchmark,
        threads=1,
    )
    for surrogate in problem.surrogates:
        name = surrogate.target.name
        stated = task.artifacts.get(name)
        if stated != surrogate.sha256:
            msg = (
                f"task {task.name!r} is of another artifact of {name!r} (SHA-256 {stated}) than "
                f"the installed one ({surrogate.sha256}): its optimum is not known here; install "
                "the release of anb-onnx that has it, or make an anb_onnx.Problem of your own"
            )
            raise TruthError(msg)
    return problem


def _made(objective: str | Product) -> Any:
    if isinstance(objective, str):
        return objective
    # Imported here, since its kernels take a while and most tasks need none.
    from anb_onnx.exact.objectives import WeightedProduct

    return WeightedProduct(
        objective.accuracy,
        objective.performance,
        reference=objective.reference,
        exponent=objective.exponent,
    )
