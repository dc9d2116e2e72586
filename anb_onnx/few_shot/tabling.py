"""From sums of tables in float64 to the integer tables of an artifact."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from anb_onnx.few_shot.basis import Basis
from anb_onnx.few_shot.sources import Values
from anb_onnx.links import Link
from anb_onnx.tables import TableEnsemble
from anb_onnx.terms import Terms

#: Entries of all terms together stay below this in size, whatever the architecture.
_MOST = 2**30

#: No time may fall below this share of the least that was measured: none can be 0 or less.
_LEAST = 0.01

#: Random architectures from which the least time of a member is sought, and how many of the best of
#: them a descent starts from.
_STARTS = 8


def tabled(basis: Basis, entries: Values, link: Link) -> TableEnsemble:
    """Return the integer tables of members: float64 [n_entries, M], in steps of a power of two."""
    terms = basis.terms
    most = np.maximum.reduceat(np.abs(entries), np.array(terms.offsets[:-1]), axis=0).sum(axis=0)
    step = math.ldexp(1.0, math.frexp(float(most.max()) / _MOST)[1])
    whole = np.rint(entries / step).astype(np.int32)
    return TableEnsemble(basis.space, whole, step, 0.0, link, terms)


def raised(basis: Basis, entries: Values, least: float) -> tuple[Values, str | None]:
    """Keep all times above 0: return the entries, and a note of what was changed, if anything.

    Far from anything measured a Gaussian function may fall to 0. Where every architecture has an
    entry of its own, those below the floor are raised to it; in sums of tables, the members that
    fall below it somewhere are drawn towards their mean over random architectures.

    Parameters
    ----------
    basis : Basis
    entries : float64 array [n_entries, M]
    least : float
        The least time that was measured.
    """
    floor = _LEAST * least
    if basis.whole:
        low = (entries < floor).any(axis=1)
        if not low.any():
            return entries, None
        note = (
            f"{int(low.sum())} architectures were predicted to take no time; given is {floor:.3g}"
        )
        return np.maximum(entries, floor), note
    found = entries.copy()
    changed = 0
    for member in range(entries.shape[1]):
        column = entries[:, member : member + 1]
        middle = float(basis.sums(column, basis.reference)[:, 0].mean())
        lowest = lowest_sum(basis, column)
        if lowest < floor and middle > floor:
            kept = (middle - floor) / (middle - lowest)
            found[:, member] *= kept
            found[: basis.terms.offsets[1], member] += (1 - kept) * middle
            changed += 1
    if not changed:
        return entries, None
    return found, f"{changed} members predicted no time somewhere, and vary less for that"


def lowest_sum(basis: Basis, column: Values) -> float:
    """Return about the least sum of tables [n_entries, 1] over all architectures.

    By descent block by block from the least of the random ones.
    """
    start = basis.sums(column, basis.reference)[:, 0].argsort(kind="stable")[:_STARTS]
    symbols = basis.reference[start].copy()
    best = basis.sums(column, symbols)[:, 0]
    tables = _tables(basis.terms, column[:, 0])
    while True:
        for block, size in enumerate(basis.space.block_sizes):
            part = np.zeros((len(symbols), size))
            for term, table in tables:
                if block in term:
                    part += _along(table, term, block, symbols)
            symbols[:, block] = part.argmin(axis=1)
        now = basis.sums(column, symbols)[:, 0]
        if not (now < best).any():
            return float(best.min())
        best = np.minimum(best, now)


def _tables(terms: Terms, entries: Values) -> list[tuple[tuple[int, ...], Values]]:
    offsets = terms.offsets
    return [
        (term, entries[offsets[k] : offsets[k + 1]].reshape(shape))
        for k, (term, shape) in enumerate(zip(terms.blocks, terms.shapes, strict=True))
    ]


def _along(table: Values, term: tuple[int, ...], block: int, symbols: NDArray[np.int64]) -> Values:
    """Return a term's entries for every symbol of one block, the others as they are: [N, size]."""
    axis = term.index(block)
    moved = np.moveaxis(table, axis, -1)
    others = tuple(symbols[:, other] for other in term if other != block)
    return np.asarray(
        np.broadcast_to(moved[others] if others else moved, (len(symbols), moved.shape[-1]))
    )
