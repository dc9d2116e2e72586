"""What a search asks: a problem as it is, or a user's function behind the same few methods."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Literal, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from anb_onnx._io.show import show
from anb_onnx.errors import SearchError
from anb_onnx.problems import Evaluation, Problem, Task
from anb_onnx.search.settings import Codes
from anb_onnx.spaces.space import SearchSpace
from anb_onnx.surrogate import Surrogate

Floats: TypeAlias = NDArray[np.float64]
Direction: TypeAlias = Literal["max", "min"]
Directions: TypeAlias = Direction | Sequence[Direction]
#: What is searched for: a function of codes; or what knows its space, which is a `Problem`, a
#: `Task`, or what a `Problem` is made of (target, `Surrogate`, weighted objective, some of these).
Objective: TypeAlias = Callable[[Codes], Any] | Problem | Task | Surrogate | str | Any


class Asked(Protocol):
    """The part of a `Problem` that a search uses."""

    @property
    def space(self) -> SearchSpace:
        """Search space of the codes."""

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the objectives."""

    @property
    def units(self) -> tuple[str, ...]:
        """Units of their values."""

    @property
    def directions(self) -> tuple[Direction, ...]:
        """What is good of each."""

    @property
    def constraints(self) -> tuple[tuple[str, str, float], ...]:
        """Name of the target, operator, value in its unit."""

    @property
    def n_objectives(self) -> int:
        """Number of objectives."""

    def evaluate(self, codes: Codes, rng: np.random.Generator | None = None) -> Evaluation:
        """Evaluate codes [n, genes]; `rng` is of the noise."""

    def losses(self, values: NDArray[Any]) -> Floats:
        """Return values [n, m] as losses: smaller is better."""

    def fitness(self, evaluation: Evaluation) -> Floats:
        """Return one number for each row: larger is better."""


class Function:
    """A user's function of codes, without constraints, noise or cost of its own.

    Parameters
    ----------
    function : callable
        Takes uint8 [n, genes], returns numbers [n], or [n, m] of m objectives.
    space : SearchSpace
    directions : tuple of {"max", "min"}
        One for each objective.
    """

    units: tuple[str, ...]
    constraints: tuple[tuple[str, str, float], ...] = ()

    def __init__(
        self,
        function: Callable[[Codes], Any],
        space: SearchSpace,
        directions: tuple[Direction, ...],
    ) -> None:
        self._function = function
        self.space = space
        self.directions = directions
        self.n_objectives = len(directions)
        several = self.n_objectives > 1
        self.names = tuple(f"objective{i if several else ''}" for i in range(self.n_objectives))
        self.units = ("",) * self.n_objectives
        self._signs = np.array([1.0 if d == "min" else -1.0 for d in directions])

    def evaluate(self, codes: Codes, rng: np.random.Generator | None = None) -> Evaluation:
        """Call the function, and check what it returns.

        Raises
        ------
        SearchError
            If it is not one finite number for each row, or for each row and objective.
        """
        # Read-only: a function that changed its argument would change what is recorded.
        given = codes.view()
        given.flags.writeable = False
        values = self._checked(self._function(given), len(codes))
        return Evaluation(values, values, np.zeros((len(codes), 0)))

    def _checked(self, found: Any, n: int) -> Floats:
        try:
            array = np.asarray(found)
        except ValueError:  # a ragged list
            array = np.empty(0, dtype=object)
        shape = (n,) if self.n_objectives == 1 else (n, self.n_objectives)
        if array.dtype.kind not in "iuf" or array.shape != shape:
            hint = ""
            if array.shape == (n, 1) and self.n_objectives == 1:
                hint = "; return its column, found[:, 0]"
            elif array.shape == (n, 2) or array.shape == (n, 3):
                hint = '; several objectives need direction=("max", "min"), one for each'
            found_text = show(array if array.dtype.kind in "biufOUS" and array.ndim else found)
            msg = f"the objective must return numbers {list(shape)}, not {found_text}{hint}"
            raise SearchError(msg)
        values = array.astype(np.float64).reshape(n, self.n_objectives)
        if not np.isfinite(values).all():
            row, column = (int(i[0]) for i in np.nonzero(~np.isfinite(values)))
            which = "" if self.n_objectives == 1 else f" for objective {column}"
            msg = (
                f"the objective returned {values[row, column]} for row {row}{which} of {n}; it "
                "must be a finite number: return a bad one for what failed"
            )
            raise SearchError(msg)
        return values

    def losses(self, values: NDArray[Any]) -> Floats:
        """Return values [n, m] as losses, float64 [n, m]: smaller is better."""
        found: Floats = np.asarray(values, dtype=np.float64) * self._signs
        return found

    def fitness(self, evaluation: Evaluation) -> Floats:
        """Return one number for each row, float64 [n]: larger is better.

        Raises
        ------
        SearchError
            If there are several objectives.
        """
        if self.n_objectives != 1:
            msg = f"of {self.n_objectives} objectives there is no single best; weigh them, into one"
            raise SearchError(msg)
        found: Floats = 0.0 - self.losses(evaluation.values)[:, 0]
        return found


def asked(
    objective: object, space: SearchSpace | None, direction: object
) -> tuple[Asked, Task | None]:
    """Return what a search asks, and the task that it was made from, if any.

    Raises
    ------
    SearchError
        If the objective is none, or `space` or `direction` is missing or contradicts it.
    TargetError
        If it is a name that is unknown.
    """
    task = objective if isinstance(objective, Task) else None
    if task is not None:
        objective = task.problem()
    elif not callable(objective):
        if objective is None or isinstance(objective, (bool, int, float, np.ndarray)):
            msg = (
                "an objective is the name of a target, a Surrogate, a Problem, a Task or a "
                f"function of codes, not {show(objective)}"
            )
            raise SearchError(msg)
        objective = Problem(objective)
    if isinstance(objective, Problem):
        _check_agrees(objective, space, direction)
        return objective, task
    assert callable(objective)
    if not isinstance(space, SearchSpace):
        msg = f"a function needs to know its search space, as in space=MNASNET, not {show(space)}"
        raise SearchError(msg)
    return Function(objective, space, _directions(direction)), None


def _check_agrees(problem: Problem, space: SearchSpace | None, direction: object) -> None:
    if space is not None and space != problem.space:
        msg = f"space is {show(space)}, but {problem} is of {problem.space.name!r}; leave it out"
        raise SearchError(msg)
    # "max" is what is there if nobody said anything.
    if not isinstance(direction, str) or direction != "max":
        msg = (
            f"direction={show(direction)} is for functions; {problem} knows what is better: leave "
            "it out"
        )
        raise SearchError(msg)


def _directions(direction: object) -> tuple[Direction, ...]:
    """Return the directions of a function's objectives."""
    given = direction if isinstance(direction, (list, tuple)) else (direction,)
    if not given or any(not isinstance(d, str) or d not in ("max", "min") for d in given):
        msg = (
            'direction is "max" or "min", or a tuple of these, one for each objective, not '
            f"{show(direction)}"
        )
        raise SearchError(msg)
    return tuple(given)
