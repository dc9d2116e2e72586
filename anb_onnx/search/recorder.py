"""The recorder: evaluates for an optimizer, counts, stops in time, and keeps the history."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from anb_onnx._io.show import show
from anb_onnx.encoding.encoding import check_codes
from anb_onnx.engines.base import Outputs
from anb_onnx.errors import SearchError
from anb_onnx.problems import Cost, Evaluation, Problem
from anb_onnx.problems.cost import costing
from anb_onnx.search.describing import describe
from anb_onnx.search.history import History
from anb_onnx.search.objective import Directions, Floats, Objective, asked
from anb_onnx.search.settings import Codes, Rng, count, generator, number
from anb_onnx.spaces.space import SearchSpace
from anb_onnx.surrogate import Surrogate

#: Called with the number of evaluations so far and the budget.
Progress: TypeAlias = Callable[[int, int], object]

#: What each evaluation costs: a target such as "train_time", or a `Cost`.
Charged: TypeAlias = str | Surrogate | Cost

#: Most evaluations where nothing but their cost is limited; what costs so little is a mistake.
MOST_EVALUATIONS = 10_000_000

# Rows that there is room for at first; doubled when they are full.
_ROOM = 1024


class BudgetExhausted(SearchError):
    """A search asked for more evaluations than its budget allows: it has ended, all is recorded."""


class Recorder:
    """Evaluates architectures for any optimizer within a budget, and records all of it.

    Every call is answered for all of its rows, or raises `BudgetExhausted` once those rows are
    recorded that the budget still had room for. So an optimizer of another package may simply run
    on until it is stopped::

        recorder = Recorder("accuracy", budget=600)
        with recorder.until_exhausted():
            ...                               # calls recorder.evaluate(codes) again and again
        history = recorder.history()

    It is for one thread.

    Parameters
    ----------
    objective : str, Surrogate, Problem, Task or callable
        What is searched for: a target by name, or a problem. A callable takes codes, uint8
        [n, genes], and returns one finite number for each row: [n], or [n, m] of m objectives.
    budget : int, optional
        Most evaluations. May be left out for a task, which has its own; and with a `cost_budget`,
        which is all that counts then.
    rng : int or numpy.random.Generator, optional
        Needed where observations are noisy. The noise has a stream of its own, spawned from it, so
        that it shares no draw with the optimizer.
    space : SearchSpace, optional
        Of a callable.
    direction : {"max", "min"}, or a tuple of these
        What is better of a callable's objectives; everything else knows that by itself.
    cost : str, Surrogate or Cost, optional
        What each evaluation costs, such as "train_time", for what has no cost of its own, as
        ``Problem(..., cost=)`` and some tasks have. It changes nothing of what is searched for.
    cost_budget : float, optional
        Most cost of all evaluations, in the unit of the cost; of a task it is known. The search
        ends before the first row that would exceed it: that run had not ended when the time was
        up, so there is no result of it, in the history or for the optimizer.
    progress : callable, optional
        Called after each batch with the number of evaluations so far and the most that there may
        be, which is no aim where cost alone is limited.
    optimizer : mapping of str, optional
        What is told of the optimizer in the history: its name and settings, as JSON has them.

    Attributes
    ----------
    space : SearchSpace
    budget : int

    Raises
    ------
    SearchError
        If a setting is not as above.
    TargetError
        If the target is unknown.

    Examples
    --------
    >>> import anb_onnx
    >>> from anb_onnx import search
    >>> recorder = search.Recorder("latency_zcu102", budget=100)
    >>> fitness = recorder.evaluate(anb_onnx.sample(60, seed=0, space=recorder.space))
    >>> history = recorder.history()
    >>> bool(fitness.max() == -history.best_so_far[-1]), recorder.remaining
    (True, 40)
    """

    def __init__(
        self,
        objective: Objective,
        *,
        budget: int | None = None,
        rng: Rng | None = None,
        space: SearchSpace | None = None,
        direction: Directions = "max",
        cost: Charged | None = None,
        cost_budget: float | None = None,
        progress: Progress | None = None,
        optimizer: Mapping[str, Any] | None = None,
    ) -> None:
        self._asked, self._task = asked(objective, space, direction)
        self.space = self._asked.space
        self._costing = self._costing_of(cost)
        # What is given is all that counts: a task's own evaluations would end it before.
        self._only_cost = budget is None and cost_budget is not None
        if budget is None and self._task is not None:
            budget = self._task.budget.evaluations
        if self._only_cost:
            budget = MOST_EVALUATIONS
        self.budget = count("budget", budget)
        if cost_budget is None and self._task is not None:
            cost_budget = self._task.budget.cost
        self._most_cost = self._checked_cost(cost_budget)
        self._noise = self._noise_of(rng)
        self._progress = progress
        self._optimizer = _as_json(optimizer or {})
        self._quick, self._sign = (None, 0.0) if self._costing else _quick(self._asked)
        self._n = 0
        self._spent = 0.0
        self._over = False
        self._codes: Codes = np.empty((0, self.space.n_genes), dtype=np.uint8)
        self._make_room(min(_ROOM, self.budget))

    def _costing_of(self, cost: Charged | None) -> Cost | None:
        """Return what is charged beside the problem, which has no cost of its own then."""
        if cost is None:
            return None
        own = getattr(self._asked, "cost", None)
        if own is not None:
            msg = (
                f"cost={show(cost)} is for what has no cost of its own; this has "
                f"{own.target.name!r}: leave it out"
            )
            raise SearchError(msg)
        found = costing(cost, None if self._task is None else self._task.benchmark)
        found.check_space(self.space)
        return found

    def _checked_cost(self, most: float | None) -> float | None:
        if most is None:
            return None
        if not self._has_cost:
            msg = (
                f"cost_budget={show(most)} needs to know what an evaluation costs, as in "
                'cost="train_time" or Problem(..., cost="train_time")'
            )
            raise SearchError(msg)
        return number("cost_budget", most, 0.0)

    def _noise_of(self, rng: Rng | None) -> np.random.Generator | None:
        """Return the stream of the noise; None where there is none."""
        noise = getattr(self._asked, "noise", "none")
        if rng is not None:
            rng = generator(rng)
        if noise == "none":
            return None
        if rng is None:
            msg = f"noise={noise!r} needs rng, an integer >= 0 or a numpy.random.Generator"
            raise SearchError(msg)
        try:
            return rng.spawn(1)[0]
        except TypeError as error:
            msg = f"rng={show(rng)} cannot spawn a stream for the noise ({error}); give a seed"
            raise SearchError(msg) from error

    def _make_room(self, rows: int) -> None:
        """Have arrays of so many rows; what is recorded stays."""
        n, m = self._n, self._asked.n_objectives
        k = len(self._asked.constraints)
        old = self._codes
        self._codes = _longer(old, (rows, self.space.n_genes), n)
        if not len(old):
            self._values = np.empty((rows, m))
            self._means = self._values if self._noise is None else np.empty((rows, m))
            self._violations = np.empty((rows, k))
            self._cost = np.empty(rows)
            return
        self._values = _longer(self._values, (rows, m), n)
        same = self._noise is None
        self._means = self._values if same else _longer(self._means, (rows, m), n)
        self._violations = _longer(self._violations, (rows, k), n)
        self._cost = _longer(self._cost, (rows,), n)

    @property
    def problem(self) -> Problem | None:
        """The problem that is searched; None for a callable."""
        return self._asked if isinstance(self._asked, Problem) else None

    @property
    def n_objectives(self) -> int:
        """Number of objectives."""
        return self._asked.n_objectives

    @property
    def n_evaluated(self) -> int:
        """How many rows were evaluated."""
        return self._n

    @property
    def remaining(self) -> int:
        """How many more may be; fewer where a budget of cost ends before."""
        return 0 if self._over else self.budget - self._n

    @property
    def _has_cost(self) -> bool:
        return self._costing is not None or getattr(self._asked, "cost", None) is not None

    @property
    def spent(self) -> float:
        """The cost of all evaluations, in the unit of the cost; 0 where there is none."""
        return self._spent

    @property
    def share(self) -> float:
        """The share of the budget that is used, 0 to 1: of evaluations, else of cost."""
        if not self._only_cost:
            return self._n / self.budget
        most = self._most_cost
        return self._spent / most if most else 1.0

    @property
    def done(self) -> bool:
        """Whether the budget is used up."""
        return self._over or self._n >= self.budget

    @contextmanager
    def until_exhausted(self) -> Iterator[Recorder]:
        """Return a context that ends quietly where the budget of this recorder is used up."""
        try:
            yield self
        except BudgetExhausted:
            if not self.done:  # another recorder's
                raise

    def evaluate(self, codes: Codes) -> Floats:
        """Evaluate and record a batch.

        Parameters
        ----------
        codes : uint8 array [n, genes]
            Any number of rows.

        Returns
        -------
        float64 array [n]
            The fitness: larger is better, always, and those that violate a constraint come below
            all others (see `Problem.fitness`).

        Raises
        ------
        BudgetExhausted
            If not all rows fit into the budget. Those that do are recorded.
        ArchitectureError
            If a row is no architecture of the space.
        SearchError
            If there are several objectives, or a callable returns something else than numbers.
        """
        quick = self._quick
        if quick is None or not isinstance(codes, np.ndarray):
            if self._asked.n_objectives != 1:  # before anything is recorded
                nothing = np.empty((0, self._asked.n_objectives))
                self._asked.fitness(Evaluation(nothing, nothing, nothing))
            return self._asked.fitness(self.measure(codes))
        n = len(codes)
        start, stop = self._n, self._n + n
        if stop > self.budget:
            return self._asked.fitness(self.measure(codes))
        means = quick(codes)
        if stop > len(self._codes):
            self._make_room(self._rows_for(stop))
        self._codes[start:stop] = codes
        self._values[start:stop, 0] = means
        self._n = stop
        if self._progress is not None:
            self._progress(stop, self.budget)
        fitness = means.astype(np.float64)
        return fitness if self._sign < 0 else 0.0 - fitness

    def evaluate_losses(self, codes: Codes) -> Floats:
        """Evaluate and record a batch of one or several objectives.

        Returns
        -------
        float64 array [n, n_objectives]
            Losses: smaller is better, always. They say nothing about constraints; `measure` does.

        Raises
        ------
        BudgetExhausted, ArchitectureError, SearchError
            As from `evaluate`.
        """
        return self._asked.losses(self.measure(codes).values)

    def measure(self, codes: Codes) -> Evaluation:
        """Evaluate and record a batch, and return all there is: values, violations, cost.

        Returns
        -------
        Evaluation
            `values` are what an optimizer may see; `means` are the truth behind noisy ones.

        Raises
        ------
        BudgetExhausted, ArchitectureError, SearchError
            As from `evaluate`.
        """
        check_codes(codes, self.space)
        if self.done and len(codes):
            self._refuse()
        some = codes[: self.budget - self._n]
        found = self._asked.evaluate(some, self._noise)
        if self._costing is not None:
            found = replace(found, cost=self._costing.of(some))
        fits = self._affordable(found)
        self._append(codes, found, fits)
        if self._only_cost and self._n >= self.budget and not self._over:
            self._refuse_cheap()
        if fits < len(codes):
            self._refuse()
        return found

    def fitness(self, evaluation: Evaluation) -> Floats:
        """Return what `evaluate` returns of what `measure` returned: float64 [n].

        Raises
        ------
        SearchError
            If there are several objectives.
        """
        return self._asked.fitness(evaluation)

    def _affordable(self, found: Evaluation) -> int:
        """Return how many of the evaluated rows the budget of cost has room for."""
        if found.cost is None:
            return len(found)
        # Added one by one from what was spent: it makes no difference how rows come in batches.
        sums = np.cumsum(np.concatenate([[self._spent], found.cost]))[1:]
        fits = len(found)
        if self._most_cost is not None and (beyond := sums > self._most_cost).any():
            fits = int(np.argmax(beyond))
            self._over = True
        self._spent = float(sums[fits - 1]) if fits else self._spent
        return fits

    def _append(self, codes: Codes, found: Evaluation, n: int) -> None:
        start, stop = self._n, self._n + n
        if stop > len(self._codes):
            self._make_room(self._rows_for(stop))
        self._codes[start:stop] = codes[:n]
        self._values[start:stop] = found.values[:n]
        if self._means is not self._values:
            self._means[start:stop] = found.means[:n]
        self._violations[start:stop] = found.violations[:n]
        if found.cost is not None:
            self._cost[start:stop] = found.cost[:n]
        self._n = stop
        if self._progress is not None and n:
            self._progress(stop, self.budget)

    def _rows_for(self, rows: int) -> int:
        return min(self.budget, max(2 * len(self._codes), rows))

    def _refuse(self) -> None:
        spent = f" (spent: {self._spent:g})" if self._over else ""
        msg = f"the budget is used up after {self._n} evaluations of {self.budget}{spent}"
        raise BudgetExhausted(msg)

    def _refuse_cheap(self) -> None:
        msg = (
            f"{self._n:,} evaluations cost {self._spent:g} of cost_budget={self._most_cost:g}, and "
            "there would be no end: give budget=, the most evaluations, too"
        )
        raise SearchError(msg)

    def history(self) -> History:
        """Return what was recorded so far; copies, which later evaluations do not change."""
        n, asked = self._n, self._asked
        values = self._values[:n].copy()
        return History(
            space=self.space,
            codes=self._codes[:n].copy(),
            observed=values,
            exact=values if self._means is self._values else self._means[:n].copy(),
            violations=self._violations[:n].copy(),
            cost=self._cost[:n].copy() if self._has_cost else None,
            names=asked.names,
            units=asked.units,
            directions=asked.directions,
            constraints=asked.constraints,
            problem=describe(asked, self._task, self._costing),
            optimizer=self._optimizer,
            source=self._task or self.problem,
        )


def _as_json(optimizer: Mapping[str, Any]) -> dict[str, Any]:
    """Return what is told of an optimizer as a file gives it back: lists for tuples."""
    try:
        found = json.loads(json.dumps(optimizer, allow_nan=False))
    except (TypeError, ValueError) as error:
        msg = f"optimizer is a mapping that JSON can hold ({error}), not {show(optimizer)}"
        raise SearchError(msg) from error
    if not isinstance(found, dict):
        msg = f"optimizer is a mapping of name and settings, not {show(optimizer)}"
        raise SearchError(msg)
    return found


def _longer(array: NDArray[Any], shape: tuple[int, ...], n: int) -> NDArray[Any]:
    """Return an array of another length that begins with the first rows of the old one."""
    longer = np.empty(shape, dtype=array.dtype)
    longer[:n] = array[:n]
    return longer


def _quick(asked: object) -> tuple[Callable[[Codes], NDArray[np.float32]] | None, float]:
    """Return a short way to the means of one target by itself, and the sign of its loss.

    Evaluated one by one, `Problem.evaluate` takes several times as long as the query in it.
    """
    plain = (
        isinstance(asked, Problem)
        and asked.n_objectives == 1
        and asked.noise == "none"
        and asked.objectives[0].weighted is None
        and not asked.limits
        and asked.cost is None
    )
    if not plain:
        return None, 0.0
    assert isinstance(asked, Problem)
    (objective,) = asked.objectives
    (surrogate,) = objective.surrogates
    one = Outputs.empty(1, surrogate.n_members, members=False)

    def means(codes: Codes) -> NDArray[np.float32]:
        if len(codes) == 1:
            return surrogate.query_codes(codes, out=one).mean
        return surrogate.query_codes(codes).mean

    return means, objective.sign
