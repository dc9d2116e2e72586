"""Two exact solvers that know nothing of this package, for the least sum of tables over blocks.

A problem is a list of (term, table): the blocks of a term, ascending, and int64 costs of the shape
of their symbols. A bound is another such list and what its sum must not exceed. The tests of
`anb_onnx.exact` take these as witnesses, `python -m benchmarks.exact` as rivals.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from anb_onnx.tables import TableEnsemble
from anb_onnx.terms import Term

Tables: TypeAlias = list[tuple[Term, NDArray[np.int64]]]
Bound: TypeAlias = tuple[Tables, int]


def sums(
    ensemble: TableEnsemble, sign: int, domains: tuple[NDArray[np.int64], ...] | None = None
) -> Tables:
    """Return the tables of all members together, at the symbols that each block may have."""
    entries = sign * ensemble.entries.sum(axis=1, dtype=np.int64)
    terms = ensemble.terms
    if domains is None:
        domains = tuple(np.arange(size) for size in ensemble.space.block_sizes)
    return [
        (term, entries[start:stop].reshape(shape)[np.ix_(*(domains[b] for b in term))])
        for term, shape, start, stop in zip(
            terms.blocks, terms.shapes, terms.offsets[:-1], terms.offsets[1:], strict=True
        )
    ]


def value(tables: Tables, symbols: NDArray[np.int64]) -> int:
    """Return the sum at one symbol for each block."""
    return sum(int(table[tuple(symbols[b] for b in term)]) for term, table in tables)


def toulbar2(tables: Tables, bound: Bound | None = None) -> NDArray[np.int64]:
    """Return the symbols with the least sum, by soft local consistency and branch and bound."""
    import pytoulbar2

    def network(parts: Tables, **options: Any) -> Any:
        problem = pytoulbar2.CFN(2**60, **options)
        for b, size in enumerate(_sizes(tables)):
            problem.AddVariable(f"b{b}", range(size))
        for term, table in parts:
            # Costs from 0: of each table, its least taken away.
            problem.AddFunction([f"b{b}" for b in term], (table - table.min()).ravel().tolist())
        return problem

    main = network(tables)
    if bound is not None:
        parts, end = bound
        base = sum(int(table.min()) for _, table in parts)
        side = network(parts, init=False)
        main.AddWeightedCSPConstraint(side, 0, end - base + 1)
    found = main.Solve()
    if found is None:
        msg = "toulbar2 found no solution"
        raise RuntimeError(msg)
    return np.array(found[0], dtype=np.int64)


def highs(tables: Tables, bound: Bound | None = None) -> NDArray[np.int64]:
    """Return the same by integer programming: a variable for each symbol and each entry."""
    from scipy import optimize, sparse

    starts = np.cumsum([0, *_sizes(tables)])
    rows, right = _links_of(tables, starts)
    at, column, entry = (np.array(side) for side in zip(*rows, strict=True))
    n = int(starts[-1]) + sum(table.size for _, table in tables)
    # Of 32 bits, as scipy before 1.12 hands them on.
    places = (at.astype(np.int32), column.astype(np.int32))
    matrix = sparse.csr_matrix((entry, places), shape=(len(right), n))
    held = [optimize.LinearConstraint(matrix, right, right)]

    def scaled(parts: Tables) -> tuple[NDArray[np.float64], float]:
        scale = max(float(np.abs(table).max()) for _, table in parts)
        flat = np.concatenate([table.ravel() for _, table in parts]) / scale
        return np.concatenate([np.zeros(starts[-1]), flat]), scale

    if bound is not None:
        costs, scale = scaled(bound[0])
        held.append(optimize.LinearConstraint(costs[None], -np.inf, bound[1] / scale))
    whole = np.concatenate([np.ones(starts[-1]), np.zeros(n - starts[-1])])
    options = {"mip_rel_gap": 0.0}
    found = optimize.milp(
        scaled(tables)[0], constraints=held, integrality=whole, bounds=(0, 1), options=options
    )
    if not found.success:
        msg = f"HiGHS: {found.message}"
        raise RuntimeError(msg)
    return np.array([found.x[a:b].argmax() for a, b in pairwise(starts)], dtype=np.int64)


def _sizes(tables: Tables) -> list[int]:
    sizes = {b: size for term, table in tables for b, size in zip(term, table.shape, strict=True)}
    return [sizes[b] for b in range(len(sizes))]


def _links_of(
    tables: Tables, starts: NDArray[np.int64]
) -> tuple[list[tuple[int, int, float]], list[float]]:
    """Return entries (row, column, factor) of the equations, and their right sides.

    One symbol for each block; and of a table, the entries of a symbol are taken as it is.
    """
    rows: list[tuple[int, int, float]] = []
    right: list[float] = []
    for first, end in pairwise(starts.tolist()):
        rows += [(len(right), column, 1.0) for column in range(first, end)]
        right.append(1.0)
    first = int(starts[-1])
    for term, table in tables:
        numbers = first + np.arange(table.size).reshape(table.shape)
        first += table.size
        for axis, b in enumerate(term):
            for x in range(table.shape[axis]):
                those = numbers.take(x, axis=axis).ravel().tolist()
                rows += [(len(right), column, 1.0) for column in those]
                rows.append((len(right), int(starts[b]) + x, -1.0))
                right.append(0.0)
    return rows, right


SOLVERS: dict[str, Callable[..., NDArray[np.int64]]] = {"toulbar2": toulbar2, "HiGHS": highs}
