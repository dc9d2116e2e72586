"""The history of a search: what was evaluated, in order, and how good the best of it was."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anb_onnx._io.real import finite
from anb_onnx._io.show import show
from anb_onnx.errors import SearchError, TruthError
from anb_onnx.problems import Problem
from anb_onnx.search import files, known, plotting
from anb_onnx.search.describing import check_same
from anb_onnx.search.fronts import Fronts
from anb_onnx.search.objective import Floats, asked


@dataclass(frozen=True, eq=False, repr=False)
class History(Fronts):
    """All evaluations of one search, in their order; what a `Recorder` and every search returns.

    Made by these; read from a file by `load`.

    Attributes
    ----------
    space : SearchSpace
    codes : uint8 array [n, genes]
        What was evaluated.
    observed, exact : float64 array [n, n_objectives]
        `values` and `means`, with two axes always.
    violations : float64 array [n, n_constraints]
        How far beyond each limit, in its unit; 0 where it is kept.
    cost : float64 array [n] or None
        What each evaluation cost, in `cost_unit`; `spent` adds it up.
    names, units : tuple of str
    directions : tuple of {"max", "min"}
        Of the objectives.
    constraints : tuple of (target, operator, value)
    problem : mapping
        The task or targets that were searched, with the SHA-256 of each artifact, and what was
        charged for evaluations beside them; empty for a function without a cost.
    optimizer : mapping
        Name and settings of the optimizer, as far as it told them.
    known_optimum : float or None
        The best value there is, if it was given or proven by `with_optimum`.
    known_front : float64 array [k, n_objectives] or None
        The exact front, if it was given or proven by `with_front`.
    source : Problem, Task or None
        What was searched. None for a function, and once read from a file, where `problem` tells
        what it was.

    Examples
    --------
    >>> from anb_onnx import search
    >>> history = search.random_search("accuracy", budget=1_000, rng=0)
    >>> f"{history.best_so_far[-1]:.2f} %, regret {history.regret[-1]:.2f} %"
    '67.25 %, regret 1.22 %'
    >>> len(history), history.indices[:2].tolist()
    (1000, [69280486926, 70008723625])
    """

    @cached_property
    def incumbents(self) -> NDArray[np.int64]:
        """Row of the best of the first i + 1 evaluations, for each i: int64 [n].

        The best observed value among those that keep all constraints; of equal ones the first.
        -1 as long as there is none.

        Raises
        ------
        SearchError
            If there are several objectives.
        """
        self._refuse_several("best evaluation")
        gains = self.values if self.directions[0] == "max" else -self.values
        gains = np.where(self.feasible, gains, -np.inf)
        best = np.maximum.accumulate(gains)
        new = gains > np.concatenate([[-np.inf], best[:-1]])
        return np.maximum.accumulate(np.where(new, np.arange(len(self)), -1)).astype(np.int64)

    @cached_property
    def best_so_far(self) -> Floats:
        """Best observed value of the first i + 1 evaluations: float64 [n], in the unit.

        NaN as long as none keeps all constraints. Observed is what the optimizer saw: where there
        is noise, the luckiest observation. `regret` is of the truth behind it.

        Raises
        ------
        SearchError
            If there are several objectives.
        """
        return self._at_incumbents(self.values)

    def _at_incumbents(self, values: Floats) -> Floats:
        rows = self.incumbents
        return np.where(rows < 0, np.nan, values[rows]) if len(rows) else np.empty(0)

    @property
    def optimum(self) -> float:
        """The best value of all architectures that keep the constraints, in the unit.

        Raises
        ------
        TruthError
            If nobody has proven it yet; `with_optimum` does.
        SearchError
            If there are several objectives.
        """
        self._refuse_several("optimum")
        if self.known_optimum is not None:
            return self.known_optimum
        return known.optimum_of(self._found_source)

    @cached_property
    def regret(self) -> Floats:
        """How much worse than the optimum the incumbent is, in truth: float64 [n], in the unit.

        The incumbent is the best *observed* so far; what counts is its mean without noise. NaN as
        long as no evaluation keeps all constraints.

        Raises
        ------
        TruthError
            If the optimum is not known, or an evaluation is better.
        SearchError
            If there are several objectives.
        """
        sign = 1.0 if self.directions[0] == "max" else -1.0
        regret = sign * (self.optimum - self._at_incumbents(self.means))
        if (regret < 0).any():
            best = float(self.means[self.incumbents[int(np.nanargmin(regret))]])
            msg = f"{best!r} was evaluated, which is better than the optimum {self.optimum!r}"
            raise TruthError(msg)
        # 0.0 - 0.0 of an objective to be small is -0.0.
        return regret + 0.0

    @property
    def cost_unit(self) -> str:
        """Unit of `cost`, such as "s".

        Raises
        ------
        SearchError
            If evaluations had no cost.
        TruthError
            If it is that of a problem, read from a file, whose artifacts are not installed.
        """
        self._costs()
        charged = self.problem.get("charged")
        if charged is not None:
            return str(charged["unit"])
        cost = known.problem_of(self._found_source).cost
        assert cost is not None
        return cost.target.unit

    @cached_property
    def spent(self) -> Floats:
        """What the first i + 1 evaluations cost together, added in order: float64 [n].

        Raises
        ------
        SearchError
            If evaluations had no cost.
        """
        return np.cumsum(self._costs())

    def after(self, cost: Any) -> NDArray[np.int64]:
        """Return how many evaluations had ended once so much was spent.

        Parameters
        ----------
        cost : float or array of float
            In `cost_unit`.

        Returns
        -------
        int64 array of the shape of `cost`
            A run that had begun and not ended does not count.

        Raises
        ------
        SearchError
            If evaluations had no cost, or an amount is no number.
        """
        amounts = np.asarray(cost)
        if amounts.dtype.kind not in "iuf" or np.isnan(amounts.astype(np.float64)).any():
            msg = f"cost is a number, or an array of them, in {self.cost_unit}, not {show(cost)}"
            raise SearchError(msg)
        return np.asarray(np.searchsorted(self.spent, amounts, side="right"), dtype=np.int64)

    def regret_after(self, cost: Any) -> Floats:
        """Return the regret once so much was spent: searches compared at equal cost.

        Parameters
        ----------
        cost : float or array of float
            In `cost_unit`.

        Returns
        -------
        float64 array of the shape of `cost`
            `regret` of the last evaluation that had ended; NaN as long as there is none.

        Raises
        ------
        SearchError, TruthError
            As from `after` and `regret`.

        Examples
        --------
        >>> from anb_onnx import search
        >>> day = 24 * 3600.0
        >>> found = search.random_search("accuracy", cost="train_time", cost_budget=7 * day, rng=0)
        >>> [f"{regret:.2f} %" for regret in found.regret_after([day, 7 * day])]
        ['3.74 %', '2.51 %']
        """
        return np.concatenate([[np.nan], self.regret])[self.after(cost)]

    def _costs(self) -> Floats:
        if self.cost is None:
            msg = (
                "the evaluations of this history had no cost; search with one, as in "
                'cost="train_time"'
            )
            raise SearchError(msg)
        return self.cost

    @cached_property
    def rank(self) -> NDArray[np.int64]:
        """1 + the number of architectures that are better than the incumbent: int64 [n].

        By its mean without noise, of the whole space; see `Surrogate.rank`.

        Raises
        ------
        TruthError
            If that was never counted: of several targets that are weighed, under constraints, or
            of a function.
        SearchError
            If there are several objectives.
        """
        self._refuse_several("rank")
        surrogate = known.alone(known.problem_of(self._found_source))
        if surrogate is None:
            what = "constraints" if self.constraints else "several targets that are weighed"
            msg = f"ranks are counted of a target by itself, not under {what}"
            raise TruthError(msg.replace("not under several", "not of several"))
        means, rows = np.unique(self._at_incumbents(self.means), return_inverse=True)
        return np.asarray(surrogate.rank(means), dtype=np.int64)[rows]

    def with_optimum(self, value: float | None = None) -> History:
        """Return the same history with the best value there is: the given one, or proven now.

        Parameters
        ----------
        value : float, optional
            In the objective's unit. If not given, `anb_onnx.exact.optimum` proves it, which takes
            from milliseconds to minutes.

        Raises
        ------
        ExactError
            If it cannot be proven.
        TruthError, SearchError
            If it is the history of a function and no value is given; if there are several
            objectives.
        """
        self._refuse_several("optimum")
        if value is None:
            value = known.proven_optimum(self._found_source)
        best = finite(value)
        if best is None:
            msg = f"an optimum is a finite number, not {show(value)}"
            raise SearchError(msg)
        return replace(self, known_optimum=best)

    def plot(self, ax: Any = None, *, over: str = "evaluations") -> Any:
        """Plot the search: its regret, or what it found in two objectives before the exact front.

        Of one objective whose optimum is not known, the best so far.

        Parameters
        ----------
        ax : matplotlib Axes, optional
            Where to draw; a new figure of pyplot if not given.
        over : {"evaluations", "cost"}
            What the course of one objective is drawn over: evaluations, or what they cost.

        Returns
        -------
        Axes

        Raises
        ------
        SearchError
            If there are more than two objectives, or nothing was evaluated; or if it is to be drawn
            over a cost that there is not, or of a front.
        ExtraError
            If matplotlib is missing.
        """
        return plotting.plot(self, ax, over)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the history into a file, whole or not at all; `load` gives the same back.

        Parameters
        ----------
        path : path
            Ending in .json, or in .parquet (smaller, needs pyarrow). Missing folders are made.

        Raises
        ------
        SearchError
            If the suffix is another.
        OutputError
            If the file cannot be written.
        ExtraError
            If pyarrow is needed and missing.

        Examples
        --------
        >>> import tempfile
        >>> from anb_onnx import search
        >>> history = search.random_search("accuracy", budget=100, rng=0)
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     history.save(f"{folder}/seed-0.json")
        ...     again = search.History.load(f"{folder}/seed-0.json")
        >>> bool((again.regret == history.regret).all())
        True
        """
        front = self.known_front
        header = {
            "names": [*self.names],
            "units": [*self.units],
            "directions": [*self.directions],
            "constraints": [[name, op, float(value)] for name, op, value in self.constraints],
            "problem": self.problem,
            "optimizer": self.optimizer,
            "known_optimum": self.known_optimum,
            "known_front": None if front is None else front.tolist(),
        }
        content = files.Content(
            header, self.space, self.codes, self.observed, self.exact, self.violations, self.cost
        )
        files.write(path, content)

    @classmethod
    def load(cls, path: str | os.PathLike[str], *, objective: Any = None) -> History:
        """Read a history that `save` wrote.

        Parameters
        ----------
        path : path
        objective : Problem, Task, Surrogate or str, optional
            What was searched, where its artifacts are not those of an installed benchmark: then
            nothing else knows its optimum.

        Raises
        ------
        SearchError
            If the file is no history, or damaged.
        FileError
            If it cannot be read.
        TruthError
            If `objective` has other artifacts than what was searched.
        """
        content = files.read(path)
        header = dict(content.header)
        front = header.pop("known_front")
        history = cls(
            space=content.space,
            codes=content.codes,
            observed=content.values,
            exact=content.means,
            violations=content.violations,
            cost=content.cost,
            names=tuple(header.pop("names")),
            units=tuple(header.pop("units")),
            directions=tuple(header.pop("directions")),
            constraints=tuple((n, op, float(v)) for n, op, v in header.pop("constraints")),
            known_front=None if front is None else np.array(front, dtype=np.float64),
            **header,
        )
        return history if objective is None else history.of(objective)

    def of(self, objective: Any) -> History:
        """Return the same history of a problem that is given, which knows what is proven of it.

        Raises
        ------
        TruthError
            If it is another one: of other artifacts, objectives or constraints.
        """
        asked_for, task = asked(objective, None, "max")
        stated = self.names, self.directions, self.constraints
        given = asked_for.names, asked_for.directions, asked_for.constraints
        if stated != given:
            msg = f"this history is of {stated}, not of {given}"
            raise TruthError(msg)
        problem = asked_for
        assert isinstance(problem, Problem)
        check_same(self.problem, problem)
        return replace(self, source=task or problem)

    def _refuse_several(self, what: str) -> None:
        if self.n_objectives > 1:
            msg = (
                f"of {self.n_objectives} objectives ({', '.join(self.names)}) there is no {what}; "
                "history.hypervolume() tells how good they are together"
            )
            raise SearchError(msg)
