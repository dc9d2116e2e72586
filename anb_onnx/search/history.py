"""The history of a search: what was evaluated, in order, and how good the best of it was."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anb_onnx._io.show import show
from anb_onnx.encoding.encoding import codes_to_indices
from anb_onnx.errors import SearchError, TruthError
from anb_onnx.search import known
from anb_onnx.search.describing import Source, find
from anb_onnx.search.objective import Direction, Floats
from anb_onnx.search.settings import Codes
from anb_onnx.spaces.space import SearchSpace


@dataclass(frozen=True, eq=False, repr=False)
class History:
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
        What each evaluation cost, in the unit of the problem's cost.
    names, units : tuple of str
    directions : tuple of {"max", "min"}
        Of the objectives.
    constraints : tuple of (target, operator, value)
    problem : mapping
        The task or targets that were searched, with the SHA-256 of each artifact; empty for a
        function.
    optimizer : mapping
        Name and settings of the optimizer, as far as it told them.
    known_optimum : float or None
        The best value there is, if it was given or proven by `with_optimum`.
    known_front : float64 array [k, n_objectives] or None
        The exact front, if it was given or proven by `with_front`.

    Examples
    --------
    >>> from anb_onnx import search
    >>> history = search.random_search("accuracy", budget=1_000, rng=0)
    >>> f"{history.best_so_far[-1]:.2f} %, regret {history.regret[-1]:.2f} %"
    '67.25 %, regret 1.22 %'
    >>> len(history), history.indices[:2].tolist()
    (1000, [69280486926, 70008723625])
    """

    space: SearchSpace
    codes: Codes
    observed: Floats
    exact: Floats
    violations: Floats
    cost: Floats | None
    names: tuple[str, ...]
    units: tuple[str, ...]
    directions: tuple[Direction, ...]
    constraints: tuple[tuple[str, str, float], ...] = ()
    problem: Mapping[str, Any] = field(default_factory=dict)
    optimizer: Mapping[str, Any] = field(default_factory=dict)
    known_optimum: float | None = None
    known_front: Floats | None = None
    source: Source | None = None

    def __post_init__(self) -> None:
        for array in (self.codes, self.observed, self.exact, self.violations, self.cost):
            if array is not None:
                array.setflags(write=False)

    def __len__(self) -> int:
        """Return the number of evaluations."""
        return len(self.codes)

    def __repr__(self) -> str:
        what = ", ".join(f"{d} {n}" for n, d in zip(self.names, self.directions, strict=True))
        return f"<History of {len(self)} evaluations in {self.space.name!r}: {what}>"

    @property
    def n_objectives(self) -> int:
        """Number of objectives."""
        return len(self.names)

    @property
    def values(self) -> Floats:
        """As observed, in the objectives' units: float64 [n], or [n, m] of several."""
        return self.observed[:, 0] if self.n_objectives == 1 else self.observed

    @property
    def means(self) -> Floats:
        """Without noise, in the objectives' units: float64 [n], or [n, m] of several."""
        return self.exact[:, 0] if self.n_objectives == 1 else self.exact

    @cached_property
    def indices(self) -> NDArray[Any]:
        """Indices of the architectures: int64 [n], object where int64 does not hold them."""
        return codes_to_indices(self.codes, self.space)

    @cached_property
    def feasible(self) -> NDArray[np.bool_]:
        """Whether all constraints are kept: bool [n]."""
        kept: NDArray[np.bool_] = (self.violations == 0.0).all(axis=1)
        return kept

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
        self._refuse_several("a best evaluation")
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
        self._refuse_several("an optimum")
        if self.known_optimum is not None:
            return self.known_optimum
        return known.optimum_of(self._found_source)

    @cached_property
    def _found_source(self) -> Source:
        return find(self.problem, self.constraints) if self.source is None else self.source

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
            best = float(self.means[self.incumbents[int(np.argmin(regret))]])
            msg = f"{best!r} was evaluated, which is better than the optimum {self.optimum!r}"
            raise TruthError(msg)
        # 0.0 - 0.0 of an objective to be small is -0.0.
        return regret + 0.0

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
        self._refuse_several("a rank")
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
        self._refuse_several("an optimum")
        if value is None:
            value = known.proven_optimum(self._found_source)
        if not np.isfinite(value):
            msg = f"an optimum is a finite number, not {show(value)}"
            raise SearchError(msg)
        return replace(self, known_optimum=float(value))

    def _refuse_several(self, what: str) -> None:
        if self.n_objectives > 1:
            msg = (
                f"of {self.n_objectives} objectives ({', '.join(self.names)}) there is no {what}; "
                "history.hypervolume() tells how good they are together"
            )
            raise SearchError(msg.replace("no a ", "no ").replace("no an ", "no "))
