"""Questions about all architectures of a search space, answered exactly.

"Exact" is of the surrogate: of the float32 mean that `Surrogate.query` returns. What a device or a
training run would give may differ; see the model cards.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anb_onnx._io.real import finite
from anb_onnx._io.show import show
from anb_onnx.encoding.encoding import codes_to_indices
from anb_onnx.errors import ExactError, InfeasibleError, TargetError
from anb_onnx.exact.front import front
from anb_onnx.exact.front3 import front3
from anb_onnx.exact.means import needs_spread
from anb_onnx.exact.objectives import Weighted
from anb_onnx.exact.parts import Part
from anb_onnx.exact.questions import (
    Constraint,
    Path,
    Question,
    Source,
    TargetLike,
    ask,
    tables_of,
    worth_of,
)
from anb_onnx.exact.results import Certificate, Direction, Enumeration, Front, Optimum, Solution
from anb_onnx.exact.solve import Effort, Wish, all_as_good, best
from anb_onnx.spaces.architecture import Architecture
from anb_onnx.spaces.space import SearchSpace, is_integer

#: Most solutions of `optimum`; `enumerate` gives more.
MOST_SOLUTIONS = 100_000

#: Nodes after which `optimum` gives up, and the search for what is nearest to a limit.
MOST_NODES, _MOST_NEAREST = 1_000_000_000, 100_000_000

#: Most architectures of a front of three targets.
MOST_POINTS = 1_000_000


def optimum(
    objective: TargetLike | Weighted,
    constraints: Iterable[Constraint] = (),
    *,
    k: int = 1,
    genes: Mapping[str, Any] | None = None,
    direction: Direction | None = None,
    max_nodes: int = MOST_NODES,
    benchmark: str | None = None,
    path: Path | None = None,
) -> Optimum:
    """Find the best architectures of the whole space, and prove that there are no better ones.

    Parameters
    ----------
    objective : str, Surrogate, WeightedSum or WeightedProduct
        The target: the float32 mean that a query returns. Of several targets that are weighed
        against each other only the best (k = 1) is found, through their exact front.
    constraints : iterable of (target, operator, value)
        ``("latency_zcu102", "<=", 5.0)``: the mean of that target, too, is what a query returns.
    k : int
        How many, from 1 to 100,000.
    genes : mapping of str, optional
        For some genes the value, or a list of the values, that they may have.
    direction : {"max", "min"}, optional
        What is best; the target's own direction unless given. The other one gives the worst.
    max_nodes : int
        Nodes after which the search gives up: some minutes by default, where hundreds are the
        rule. Limits on both sides of one target, close to each other, can take very many.
    benchmark, path : optional
        Where targets given by name are looked up, as for `anb_onnx.load`.

    Returns
    -------
    Optimum

    Raises
    ------
    InfeasibleError
        If no architecture fulfils the constraints; says what comes nearest.
    TargetError, ArchitectureError, ExactError
        If a target, gene, value or constraint is none; ExactError also after `max_nodes`.

    Examples
    --------
    >>> from anb_onnx import exact
    >>> found = exact.optimum("accuracy", [("latency_zcu102", "<=", 5.0)])
    >>> f"{found.solutions[0].value:.3f} {found.unit}"
    '65.985 %'
    """
    if not is_integer(k) or not 1 <= k <= MOST_SOLUTIONS:
        msg = f"k must be an integer from 1 to {MOST_SOLUTIONS}, not {show(k)}"
        raise ExactError(msg)
    if not is_integer(max_nodes) or max_nodes < 1:
        msg = f"max_nodes must be a positive integer, not {show(max_nodes)}"
        raise ExactError(msg)
    if isinstance(objective, Weighted):
        if k != 1 or direction is not None:
            msg = (
                "of weighted objectives only the one best architecture is found, by their exact "
                "front: the second best may be dominated by it; give neither k nor direction"
            )
            raise ExactError(msg)
        named = ask(objective.targets, (), None, Source(benchmark, path))
        objective.check([surrogate.target for surrogate in named.surrogates])
        found = pareto(objective.targets, constraints, genes=genes, benchmark=benchmark, path=path)
        return _best_of(found, objective, named.space)
    question = ask([objective], constraints, genes, Source(benchmark, path))
    target = question.surrogates[0].target
    wish = _wish(question, direction)
    parts, effort = question.parts(), Effort(most=int(max_nodes))
    kept = best(parts, wish, question.limits, k, effort)
    if not len(kept.worth):
        _refuse_infeasible(question, parts)
    values = (-kept.worth if wish.largest else kept.worth).tolist()
    codes = codes_of(kept.symbols[:k], question.space)
    solutions = tuple(
        Solution(Architecture.from_codes(row, space=question.space), value)
        for row, value in zip(codes, values, strict=False)
    )
    return Optimum(
        target.name,
        target.unit,
        "max" if wish.largest else "min",
        solutions,
        values[0],
        len(values) - len(solutions),
        kept.complete,
        effort.nodes,
        _certificate(parts, [wish], effort),
    )


def enumerate(
    objective: TargetLike,
    better_than: float,
    constraints: Iterable[Constraint] = (),
    *,
    limit: int = 1_000_000,
    genes: Mapping[str, Any] | None = None,
    direction: Direction | None = None,
    benchmark: str | None = None,
    path: Path | None = None,
) -> Enumeration:
    """List all architectures whose value is at least as good as one.

    Parameters
    ----------
    objective : str or Surrogate
    better_than : float
        In the target's unit; equal is good enough.
    constraints, genes, direction, benchmark, path
        As for `optimum`.
    limit : int
        Most architectures.

    Returns
    -------
    Enumeration

    Raises
    ------
    ExactError
        If there are more than `limit`; and as `optimum`.

    Examples
    --------
    >>> from anb_onnx import exact
    >>> len(exact.enumerate("accuracy", 68.2).values)
    562
    """
    value = finite(better_than)
    if value is None:
        msg = f"better_than must be a finite number, not {show(better_than)}"
        raise ExactError(msg)
    if not is_integer(limit) or limit < 1:
        msg = f"limit must be a positive integer, not {show(limit)}"
        raise ExactError(msg)
    question = ask([objective], constraints, genes, Source(benchmark, path))
    target = question.surrogates[0].target
    wish = _wish(question, direction)
    parts, effort = question.parts(), Effort()
    least = worth_of(value, largest=wish.largest)
    worth, symbols = all_as_good(parts, wish, question.limits, least, limit, effort)
    return Enumeration(
        target.name,
        target.unit,
        "max" if wish.largest else "min",
        codes_of(symbols, question.space),
        -worth if wish.largest else worth,
        effort.nodes,
        _certificate(parts, [wish], effort),
    )


def pareto(
    targets: Sequence[TargetLike],
    constraints: Iterable[Constraint] = (),
    *,
    genes: Mapping[str, Any] | None = None,
    progress: Callable[[float, int], object] | None = None,
    benchmark: str | None = None,
    path: Path | None = None,
) -> Front:
    """Find all architectures of the whole space that no other dominates.

    One dominates another if it is at least as good in all targets, and better in one; what is
    good is the targets' own direction.

    Parameters
    ----------
    targets : sequence of str or Surrogate
        Two targets, or three; see Notes.
    constraints, genes, benchmark, path
        As for `optimum`.
    progress : callable, optional
        For three targets: called now and then with the share of the work that is done, and how
        many architectures are on the front up to now.

    Returns
    -------
    Front

    Raises
    ------
    InfeasibleError, TargetError, ArchitectureError, ExactError
        As `optimum`. ExactError also if a front of three has more than 1,000,000 architectures.

    Notes
    -----
    Fronts of two targets take about a second. Those of three have thousands of points and can take
    a quarter of an hour and more; constraints, or genes that are fixed, make them quick.

    Examples
    --------
    >>> from anb_onnx import exact
    >>> exact.pareto(["accuracy", "latency_zcu102"]).values.shape
    (618, 2)
    """
    named = isinstance(targets, Sequence) and not isinstance(targets, (str, bytes))
    if not named or len(targets) not in (2, 3):
        msg = (
            "a front is of two targets, or three, as in ['accuracy', 'latency_zcu102'], "
            f"not {show(targets)}"
        )
        raise TargetError(msg)
    question = ask(targets, constraints, genes, Source(benchmark, path))
    wishes = tuple(
        Wish(tables_of(surrogate), surrogate.target.direction == "max")
        for surrogate in question.surrogates
    )
    parts, effort = question.parts(), Effort()
    if len(wishes) == 2:
        archive = front(parts, (wishes[0], wishes[1]), question.limits, effort)
    else:
        three = (wishes[0], wishes[1], wishes[2])
        archive = front3(parts, three, question.limits, MOST_POINTS, effort, progress)
    if not len(archive.worth):
        _refuse_infeasible(question, parts)
    signs = np.array([-1 if wish.largest else 1 for wish in wishes], dtype=np.float32)
    of_targets = [surrogate.target for surrogate in question.surrogates]
    return Front(
        tuple(target.name for target in of_targets),
        tuple(target.unit for target in of_targets),
        tuple(target.direction for target in of_targets),
        codes_of(archive.symbols, question.space),
        archive.worth * signs,
        effort.nodes,
        _certificate(parts, wishes, effort),
    )


def _best_of(found: Front, objective: Weighted, space: SearchSpace) -> Optimum:
    """Return the best of a front by an objective that rises with its targets."""
    values = objective.value(found.values)
    if not np.isfinite(values).all():
        msg = f"{objective} is not finite for all of the front; choose smaller weights"
        raise ExactError(msg)
    top = np.flatnonzero(values == values.max())
    indices = codes_to_indices(found.codes[top], space)
    first = top[int(np.argmin(indices))]
    solution = Solution(
        Architecture.from_codes(found.codes[first], space=space), float(values[first])
    )
    return Optimum(
        str(objective),
        "",
        "max",
        (solution,),
        solution.value,
        len(top) - 1,
        False,  # what is dominated can be rounded to the same value, and is on no front
        found.nodes,
        found.certificate,
    )


def codes_of(symbols: NDArray[np.int64], space: SearchSpace) -> NDArray[np.uint8]:
    """Return the codes uint8 [n, n_genes] of symbols [n, n_blocks]."""
    codes = np.empty((len(symbols), space.n_genes), dtype=np.uint8)
    for block, columns in zip(symbols.T, space.block_slices, strict=True):
        for position in range(columns.start, columns.stop):
            weight, size = space.symbol_weights[position], space.gene_sizes[position]
            codes[:, position] = block // weight % size
    return codes


def _wish(question: Question, direction: object) -> Wish:
    surrogate = question.surrogates[0]
    if direction not in (None, "max", "min"):
        msg = f"direction must be 'max', 'min' or None, not {show(direction)}"
        raise ExactError(msg)
    return Wish(tables_of(surrogate), (direction or surrogate.target.direction) == "max")


def _certificate(parts: Sequence[Part], wishes: Sequence[Wish], effort: Effort) -> Certificate:
    jensen = not any(
        needs_spread(wish.ensemble.link, inside=inside, largest=wish.largest)
        for wish in wishes
        for inside in (False, True)
    )
    source = (
        "rounding alone: the link bends so that the mean is at most its value at the mean"
        if jensen
        else "how far members can differ, proven for all architectures, where the link bends"
    )
    root = -effort.root if wishes[0].largest else effort.root
    root = root if len(wishes) == 1 else float("nan")
    return Certificate(effort.nodes, effort.leaves, len(parts), root, effort.margin, source)


def _refuse_infeasible(question: Question, parts: Sequence[Part]) -> None:
    """Raise the error that names the first constraint that those before leave unfulfilled."""
    if not question.constraints:
        msg = "no architecture has these genes"
        raise InfeasibleError(msg)
    for number in range(len(question.constraints)):
        constraint, before = question.constraints[number], question.constraints[:number]
        wish = constraint.limit.wish
        try:
            effort = Effort(most=_MOST_NEAREST)
            worth = best(parts, wish, [c.limit for c in before], 1, effort).worth
        except ExactError:  # limits on both sides of a target: what is nearest takes too long
            continue
        if len(worth) and worth[0] > constraint.limit.worth:
            nearest = -worth[0] if wish.largest else worth[0]
            among = f" among those with {' and '.join(map(str, before))}" if before else ""
            msg = (
                f"no architecture has {constraint}{among}: the nearest has {float(nearest):.9g} "
                f"{constraint.target.unit}"
            )
            raise InfeasibleError(msg)
    msg = f"no architecture fulfils {' and '.join(map(str, question.constraints))} at once"
    raise InfeasibleError(msg)
