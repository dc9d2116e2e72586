"""The optimizers of an experiment by name, their settings, and what each can search."""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from anb_onnx._io.show import show
from anb_onnx.errors import SearchError
from anb_onnx.parallel.shelter import import_sheltered
from anb_onnx.problems.task import Task

if TYPE_CHECKING:
    from anb_onnx.search.history import History

Setting: TypeAlias = bool | int | float | str

#: How many objectives an optimizer takes.
Objectives: TypeAlias = Literal["one", "several", "any"]

# What a search is given beside its settings.
_NO_SETTINGS = {"objective", "budget", "rng", "space", "direction", "progress", "cost"}
_NO_SETTINGS |= {"cost_budget"}


@dataclass(frozen=True)
class Optimizer:
    """An optimizer as `anb-onnx search` runs it.

    Attributes
    ----------
    name : str
    module, function : str
        The function ``(task, *, budget, rng, cost=None, cost_budget=None, **settings) -> History``;
        imported when it is used.
    objectives : {"one", "several", "any"}
    presets : mapping
        Settings that differ from the function's own.
    packages : tuple of str
        What its runs depend on besides this package and NumPy.
    """

    name: str
    module: str
    function: str
    objectives: Objectives
    presets: Mapping[str, Setting] = field(default_factory=dict)
    packages: tuple[str, ...] = ()

    def _callable(self) -> Callable[..., History]:
        found: Callable[..., History] = getattr(import_sheltered(self.module), self.function)
        return found

    def defaults(self) -> dict[str, Setting]:
        """Return all settings and what they are unless something else is asked for."""
        parameters = inspect.signature(self._callable()).parameters.values()
        own = {
            parameter.name: parameter.default
            for parameter in parameters
            if parameter.name not in _NO_SETTINGS
            and isinstance(parameter.default, (bool, int, float, str))
        }
        return {**own, **self.presets}

    def settings(self, given: Mapping[str, str]) -> dict[str, Setting]:
        """Return all settings, those that are given as text instead of the defaults.

        Raises
        ------
        SearchError
            If there is no such setting, or the text is no value of its type.
        """
        settings = self.defaults()
        for key, text in given.items():
            if key not in settings:
                known = ", ".join(f"{k}={v}" for k, v in settings.items()) or "none"
                msg = f"--set {key}: {self.name} has no such setting; it has {known}"
                raise SearchError(msg)
            settings[key] = _read(self.name, key, text, settings[key])
        return settings

    def can(self, task: Task) -> bool:
        """Say whether it takes so many objectives as a task has."""
        return self.objectives in ("any", "several" if len(task.objectives) > 1 else "one")

    def check(self, task: Task) -> None:
        """Refuse a task that it cannot search.

        Raises
        ------
        SearchError
            Names the optimizers that can.
        """
        if not self.can(task):
            able = ", ".join(name for name, other in OPTIMIZERS.items() if other.can(task))
            n = len(task.objectives)
            many = "one objective" if n == 1 else f"{n} objectives"
            msg = f"{self.name} cannot search {task.name}, which has {many}; these can: {able}"
            raise SearchError(msg)

    def run(
        self,
        task: Task,
        *,
        evaluations: int | None,
        seed: int,
        settings: Mapping[str, Setting],
        cost: str | None = None,
        cost_budget: float | None = None,
    ) -> History:
        """Search a task.

        Parameters
        ----------
        task : Task
        evaluations : int or None
            Most of them; a task with a budget of cost may end before. None where there is a
            `cost_budget` and nothing else counts.
        seed : int
            All that is random comes from it: the function called with ``rng=seed`` does the same.
        settings : mapping
            All settings.
        cost, cost_budget : optional
            As for `anb_onnx.search.Recorder`.

        Raises
        ------
        SearchError
            If a setting has a value that it cannot have.
        """
        limits: dict[str, Any] = {"budget": evaluations}
        limits |= {} if cost is None else {"cost": cost}
        limits |= {} if cost_budget is None else {"cost_budget": cost_budget}
        return self._callable()(task, rng=seed, **limits, **settings)


def _read(name: str, key: str, text: str, default: Setting) -> Setting:
    """Return a setting from text: of the type that its default has."""
    if isinstance(default, bool):
        if text in ("true", "false"):
            return text == "true"
        kind = "true or false"
    elif isinstance(default, str):
        return text
    else:
        kind = "a whole number" if isinstance(default, int) else "a number"
        try:
            return type(default)(text)
        except ValueError:
            pass
    msg = f"--set {key}={show(text)}: {key} of {name} is {kind}, such as {default}"
    raise SearchError(msg)


def _registry(optimizers: Sequence[Optimizer]) -> Mapping[str, Optimizer]:
    return MappingProxyType({optimizer.name: optimizer for optimizer in optimizers})


_SEARCH, _PYMOO = "anb_onnx.search", "anb_onnx.experiments.pymoo_searches"

#: All of them by name.
OPTIMIZERS: Mapping[str, Optimizer] = _registry(
    [
        Optimizer("random", _SEARCH, "random_search", "any"),
        Optimizer("regularized-evolution", _SEARCH, "regularized_evolution", "one"),
        # The settings of Accel-NASBench's own regularized_evolution.py.
        Optimizer(
            "regularized-evolution-anb",
            _SEARCH,
            "regularized_evolution",
            "one",
            {"population_size": 20, "sample_size": 10},
        ),
        Optimizer("local-search", _SEARCH, "local_search", "one"),
        Optimizer("simulated-annealing", _SEARCH, "simulated_annealing", "one"),
        Optimizer("reinforce", _SEARCH, "reinforce", "one"),
        Optimizer("nsga2", _PYMOO, "nsga2", "several", packages=("pymoo",)),
        Optimizer("nsga3", _PYMOO, "nsga3", "several", packages=("pymoo",)),
        Optimizer("sms-emoa", _PYMOO, "sms_emoa", "several", packages=("pymoo", "moocore")),
    ]
)


def find_optimizer(name: str) -> Optimizer:
    """Return an optimizer by name.

    Raises
    ------
    SearchError
        If there is none of this name.
    """
    if name not in OPTIMIZERS:
        near = difflib.get_close_matches(name, OPTIMIZERS, n=1, cutoff=0.5)
        hint = f" (did you mean {near[0]!r}?)" if near else ""
        msg = f"unknown optimizer {show(name)}{hint}; there are {', '.join(OPTIMIZERS)}"
        raise SearchError(msg)
    return OPTIMIZERS[name]
