"""What the sums of tables can reach: they must stay in int32, and in the domain of the link."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anb_export.tables.fixed_point import FRACTION_BITS, CompileError
from anb_onnx.tables import TableEnsemble
from anb_onnx.terms import Terms

#: Combinations of symbols that a lower bound may enumerate, each with the symbols of a further
#: block: 36 * 36 * 36 are 47 thousand, three blocks of 256 symbols would fill the memory.
_MOST_ENUMERATED = 2**17


def largest_sum(entries: NDArray[np.signedinteger[Any]], terms: Terms) -> int:
    """Return what the entries of an architecture, [n] or [n, M], cannot exceed in any order."""
    sizes = np.abs(entries.astype(np.int64))
    largest = np.maximum.reduceat(sizes, np.array(terms.offsets[:-1]), axis=0).sum(axis=0)
    return int(largest.max())


def check_range(ensemble: TableEnsemble) -> None:
    """Refuse tables of which some sum, in any order, could leave int32."""
    worst = largest_sum(ensemble.entries, ensemble.terms)
    if worst >= 2**31:
        msg = (
            f"the tables of a member can add up to {worst / 2**FRACTION_BITS:.1f} standard "
            f"deviations of the label; int32 at 2**-{FRACTION_BITS} holds "
            f"{2**31 / 2**FRACTION_BITS:.0f}"
        )
        raise CompileError(msg)


def check_domain(ensemble: TableEnsemble) -> None:
    """Refuse tables of which some architecture might leave the domain of the inverse link."""
    if not ensemble.link.needs_positive:
        return
    lowest = lower_bounds(ensemble).astype(np.float64) * ensemble.scale + ensemble.shift
    if lowest.min() <= 0:
        member = int(lowest.argmin())
        msg = (
            f"member {member}: an architecture could reach {lowest[member]:.3g} on the scale of "
            f"the link {ensemble.link.name}, which needs positive values; choose another link"
        )
        raise CompileError(msg)


def lower_bounds(ensemble: TableEnsemble) -> NDArray[np.int64]:
    """Return a lower bound of each member's total over the whole space: int64 [M].

    It is the larger of two: the sum of the least entries of all tables, and that of `_enumerated`.
    """
    least = [table.min(axis=tuple(range(table.ndim - 1))) for table in ensemble.tables]
    apart = np.sum(least, axis=0, dtype=np.int64)
    together = [_enumerated(ensemble, member) for member in range(ensemble.n_members)]
    return np.maximum(apart, np.array(together, dtype=np.int64))


def _enumerated(ensemble: TableEnsemble, member: int) -> int:
    """Return a lower bound of the totals, from all combinations of the first few blocks.

    Three blocks, or fewer where they are large, are enumerated together; each other block then
    takes its best symbol on its own, with the residual interactions among the others, after their
    main effects are moved out, bounded by their minima.
    """
    terms, sizes = ensemble.terms, ensemble.space.block_sizes
    used = sorted(set().union(*terms.blocks))
    fits = [k for k in (1, 2, 3) if math.prod(sizes[b] for b in used[:k]) <= _MOST_ENUMERATED]
    chosen = used[: max(fits, default=0)]
    total = np.zeros([sizes[b] for b in chosen], dtype=np.int64)
    effects: dict[int, list[NDArray[np.int64]]] = {b: [] for b in used[len(chosen) :]}
    for term, entries in zip(terms.blocks, ensemble.tables, strict=True):
        # The chosen blocks first, and those of them that are not in the term of size one.
        shape = [sizes[b] if b in term else 1 for b in chosen]
        others = [b for b in term if b not in chosen]
        table = entries[..., member].astype(np.int64).reshape(shape + [sizes[b] for b in others])
        axes = range(len(chosen), table.ndim)
        for axis, block in zip(axes, others, strict=True):
            rest = tuple(k for k in axes if k != axis)
            means = np.floor(table.mean(axis=rest, keepdims=True)).astype(np.int64)
            table = table - means
            effects[block].append(means.reshape([*shape, -1]))
        total += table.min(axis=tuple(axes))
    for of_block in effects.values():
        total += sum(of_block, start=np.zeros(1, dtype=np.int64)).min(axis=-1)
    return int(total.min())
