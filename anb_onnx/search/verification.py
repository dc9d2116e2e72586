"""Which predictions are worth a real measurement, and what is known once they were measured."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from anb_onnx._io.show import show
from anb_onnx.encoding.encoding import codes_to_indices, encode
from anb_onnx.errors import SearchError
from anb_onnx.problems import Problem, Task
from anb_onnx.search import measures
from anb_onnx.search.gains import choose
from anb_onnx.search.objective import Floats
from anb_onnx.search.possible import Possible
from anb_onnx.search.settings import Codes, count
from anb_onnx.surrogate import Surrogate

Rule: TypeAlias = Literal["interval", "mean"]

#: How predictions are weighed.
RULES: tuple[Rule, ...] = ("interval", "mean")

#: Candidates at most: what each may turn out to be takes half a kB and more.
MOST_CANDIDATES = 2**16


@dataclass(frozen=True, eq=False)
class Shortlist:
    """What to measure, the most worthwhile first; made by `verify_top`.

    Attributes
    ----------
    rows : int64 array [k]
        Rows of the candidates.
    codes : uint8 array [k, n_genes]
    worth : float64 array [k]
        What measuring each is expected to add once those before it are measured: of one objective,
        to the best value that is known to keep all limits, in its unit; of several, to the
        hypervolume, in the product of their units. 0 of those that would change nothing.
    measure : tuple of str
        The targets to measure.
    reference : float64 array [n_objectives]
        From where on worth is counted, in the objectives' units.
    """

    rows: NDArray[np.int64]
    codes: Codes
    worth: Floats
    measure: tuple[str, ...]
    reference: Floats

    def __len__(self) -> int:
        """Return the number of architectures to measure."""
        return len(self.rows)


@dataclass(frozen=True, eq=False)
class Verified:
    """Architectures of which the targets in question were measured; made by `verified`.

    Attributes
    ----------
    problem : Problem
    codes : uint8 array [n, n_genes]
    measured : mapping of str to float64 array [n]
        What was measured, by target.
    values : float64 array [n, n_objectives]
        In the objectives' units; of targets that were not measured, the means.
    violations : float64 array [n, n_constraints]
        How far beyond each limit; what was measured has to keep it as it is, whatever the
        confidence of the problem.
    """

    problem: Problem
    codes: Codes
    measured: Mapping[str, Floats]
    values: Floats
    violations: Floats

    def __len__(self) -> int:
        """Return the number of architectures."""
        return len(self.codes)

    @cached_property
    def indices(self) -> NDArray[Any]:
        """Indices of the architectures: int64 [n], object where int64 does not hold them."""
        return codes_to_indices(self.codes, self.problem.space)

    @cached_property
    def feasible(self) -> NDArray[np.bool_]:
        """Whether all limits are kept: bool [n]."""
        kept: NDArray[np.bool_] = (self.violations == 0.0).all(axis=1)
        return kept

    @property
    def best(self) -> int | None:
        """The row of the best that keeps all limits, the first of equals; None if none does.

        Raises
        ------
        SearchError
            If there are several objectives.
        """
        if self.problem.n_objectives > 1:
            msg = (
                f"of {self.problem.n_objectives} objectives ({', '.join(self.problem.names)}) "
                "there is no best; see front"
            )
            raise SearchError(msg)
        if not self.feasible.any():
            return None
        losses = self.problem.losses(self.values)[:, 0]
        return int(np.where(self.feasible, losses, np.inf).argmin())

    @cached_property
    def front(self) -> NDArray[np.int64]:
        """The rows that no other dominates, among those that keep all limits: int64 [k]."""
        return measures.nondominated(self.problem.losses(self.values), self.feasible)


def verify_top(
    problem: Problem | Task | Any,
    candidates: Any,
    k: int,
    *,
    measure: str | Surrogate | Any,
    rule: Rule | None = None,
    known: Verified | None = None,
    reference: Any = None,
) -> Shortlist:
    """Choose the predictions that are most worth a real measurement.

    A search among predictions ends with those that look best, which is where predictions are too
    good to be true. Some should be measured before one is believed, and not only those that look
    best: one just beyond a limit may be within it. What a set of measurements is worth is the best
    value, or the hypervolume, that is certain once they are made; `k` architectures are chosen one
    by one, each such that the expectation of this becomes largest.

    Parameters
    ----------
    problem : Problem or Task
        The question: one objective and its limits, or a front; or what a `Problem` is made of.
        Its noise and cost are not looked at.
    candidates
        Architectures to choose among, as `anb_onnx.encode` takes them: what a search found, say,
        or `anb_onnx.exact.pareto`, or a sample; at most 65,536. Of equal ones the first is taken.
    k : int
        How many to measure, at most as many as there are different candidates.
    measure : str or Surrogate; or a sequence of these
        Targets of the problem that are to be measured. The means of all others are taken for true.
    rule : {"interval", "mean"}, optional
        Whether what is predicted may turn out as its interval says, errors going together the
        more, the more architectures have in common; or is taken for certain: then those that look
        best are chosen, and after them those that would if they were not there. If not given,
        "interval" of one objective, and "mean" of several: for fronts it is as good or better with
        few measurements, as docs/search.md says.
    known : Verified, optional
        What was measured before; not chosen again, and worth is what is added to it.
    reference : sequence of float, optional
        Values in the objectives' units from where on worth is counted. If not given: of one
        objective, the worst of the candidates; of several, what lies a tenth of the predicted
        front's range beyond its worst.

    Returns
    -------
    Shortlist

    Raises
    ------
    SearchError
        If an argument is not as above, or a target to be measured has no calibration, without which
        there is no interval.
    ArchitectureError
        If the candidates are no architectures of the space.

    Examples
    --------
    What is the most accurate architecture that runs within 4.96 ms? The first is all but sure to;
    the next two are more accurate, if they do.

    >>> import anb_onnx
    >>> from anb_onnx import search
    >>> problem = anb_onnx.Problem("accuracy", [("latency_zcu102", "<=", 4.96)])
    >>> found = search.regularized_evolution(problem, budget=1_000, rng=0)
    >>> shortlist = search.verify_top(problem, found.codes, 3, measure="latency_zcu102")
    >>> [f"{worth:.3f} %" for worth in shortlist.worth]
    ['12.832 %', '0.047 %', '0.003 %']

    Once they are measured:

    >>> times = [4.90, 4.97, 4.95]
    >>> checked = search.verified(problem, shortlist.codes, {"latency_zcu102": times})
    >>> f"row {checked.best}: {checked.values[checked.best, 0]:.2f} %"
    'row 2: 64.81 %'
    """
    problem = _problem(problem)
    if rule is None:
        rule = "interval" if problem.n_objectives == 1 else "mean"
    if rule not in RULES:
        msg = f"rule is one of {', '.join(map(repr, RULES))}, not {show(rule)}"
        raise SearchError(msg)
    targets = _measured(problem, measure)
    if known is not None:
        _check_known(known, problem, targets)
    codes = encode(candidates, problem.space)
    if len(codes) > MOST_CANDIDATES:
        msg = (
            f"{len(codes)} candidates are more than {MOST_CANDIDATES}; give those of a predicted "
            "front, or a sample"
        )
        raise SearchError(msg)
    rows = _different(codes, known)
    count("k", k, 1, len(rows))
    possible = Possible(problem, codes[rows], targets, certain=rule == "mean")
    point = possible.reference() if reference is None else _losses_of(problem, reference)
    before = np.empty((0, problem.n_objectives))
    if known is not None:
        before = problem.losses(known.values[known.feasible])
    chosen, worth = choose(possible.losses(point), point, int(k), before, possible.last())
    rows = rows[chosen]
    return Shortlist(rows, codes[rows], worth, targets, problem.values_of(point))


def verified(
    problem: Problem | Task | Any,
    architectures: Any,
    measured: Mapping[str, Any],
    *,
    known: Verified | None = None,
) -> Verified:
    """Put measurements in the place of predictions, and look at the question again.

    Parameters
    ----------
    problem : Problem or Task
        As for `verify_top`.
    architectures
        What was measured, as `anb_onnx.encode` takes it: `Shortlist.codes`, say.
    measured : mapping of str to sequence of float
        For each measured target of the problem, by name, a finite number for each architecture, in
        the target's unit.
    known : Verified, optional
        What was measured before, of the same targets; it comes first.

    Returns
    -------
    Verified

    Raises
    ------
    SearchError
        If an argument is not as above; names the target and the row.
    ArchitectureError
        If an architecture is not of the space.

    Examples
    --------
    >>> import anb_onnx
    >>> from anb_onnx import search
    >>> problem = anb_onnx.Problem(["accuracy", "latency_zcu102"])
    >>> codes = anb_onnx.sample(3, seed=0, space=problem.space)
    >>> search.verified(problem, codes, {"latency_zcu102": [4.1, 6.2, 9.5]}).front
    array([0])
    """
    problem = _problem(problem)
    codes = encode(architectures, problem.space)
    if not isinstance(measured, Mapping):
        msg = (
            f"measured is values by target, such as {{'latency_tx2': [4.1]}}, not {show(measured)}"
        )
        raise SearchError(msg)
    targets = _measured(problem, [*measured])
    values = {name: _finite(name, measured[name], len(codes)) for name in targets}
    if known is not None:
        _check_known(known, problem, targets)
        codes = np.concatenate([known.codes, codes])
        values = {name: np.concatenate([known.measured[name], values[name]]) for name in targets}
    possible = Possible(problem, codes, targets, certain=True, measured=values)
    return Verified(problem, codes, values, possible.values[:, 0], possible.violations[:, 0])


def _problem(given: Any) -> Problem:
    if isinstance(given, Task):
        return given.problem()
    return given if isinstance(given, Problem) else Problem(given)


def _measured(problem: Problem, given: Any) -> tuple[str, ...]:
    """Return the names of targets to be measured, in the problem's order."""
    listed = [given] if isinstance(given, (str, Surrogate)) else given
    used = [s for o in problem.objectives for s in o.surrogates]
    names = list(
        dict.fromkeys(s.target.name for s in [*used, *(x.surrogate for x in problem.limits)])
    )
    try:
        stated = [x.target.name if isinstance(x, Surrogate) else x for x in listed]
    except TypeError:
        stated = [listed]
    for name in stated:
        if not isinstance(name, str) or name not in names:
            msg = f"measured can be the problem's targets, {', '.join(names)}, not {show(name)}"
            raise SearchError(msg)
    if not stated:
        msg = f"measured is at least one of the problem's targets: {', '.join(names)}"
        raise SearchError(msg)
    return tuple(name for name in names if name in stated)


def _check_known(known: object, problem: Problem, targets: tuple[str, ...]) -> None:
    if not isinstance(known, Verified):
        msg = f"known is what verified() returns, not {show(known)}"
        raise SearchError(msg)
    same = known.problem.names, known.problem.constraints, known.problem.space
    if same != (problem.names, problem.constraints, problem.space):
        msg = f"known is of {known.problem}, not of {problem}"
        raise SearchError(msg)
    if tuple(known.measured) != targets:
        msg = f"known has measurements of {', '.join(known.measured)}, not of {', '.join(targets)}"
        raise SearchError(msg)


def _different(codes: Codes, known: Verified | None) -> NDArray[np.int64]:
    """Return the first row of each architecture that was not measured yet: int64, ascending."""
    before = codes[:0] if known is None else known.codes
    both = np.concatenate([before, codes])
    _, first = np.unique(both, axis=0, return_index=True)
    rows = np.sort(first[first >= len(before)]) - len(before)
    if not len(rows):
        msg = "there are no candidates left to measure; give some that were not measured yet"
        raise SearchError(msg)
    return rows.astype(np.int64)


def _losses_of(problem: Problem, reference: object) -> Floats:
    return problem.losses(measures.checked_reference(reference, problem.n_objectives))


def _finite(name: str, given: Any, n: int) -> Floats:
    """Return what was measured of a target: float64 [n]."""
    try:
        values = np.array(given, dtype=np.float64)
    except (TypeError, ValueError, OverflowError):
        values = np.empty(0)
    if values.shape != (n,):
        msg = f"measured[{name!r}] is one number for each of {n} architectures, not {show(given)}"
        raise SearchError(msg)
    if not np.isfinite(values).all():
        row = int(np.argmin(np.isfinite(values)))
        msg = (
            f"measured[{name!r}] is {values[row]} in row {row}; leave out an architecture that "
            "could not be measured"
        )
        raise SearchError(msg)
    return values
