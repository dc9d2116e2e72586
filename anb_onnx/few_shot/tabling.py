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

#: No time of the mean may fall below this share of the least that was measured, and no member's
#: below this share of the mean's: none can be 0 or less.
_LEAST = 0.01
_OF_MEAN = 0.2

#: How many of the least of the random architectures a descent starts from, and how often a member
#: is looked at again.
_STARTS = 8
_LOOKS = 4


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
    entry of its own, those below the floor are raised to it. In sums of tables, a mean that falls
    below it somewhere is drawn towards its own mean over random architectures, and a member that
    falls far below the mean somewhere is drawn towards the mean.

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
        count = int(low.sum())
        what = "1 architecture was" if count == 1 else f"{count} architectures were"
        note = (
            f"{what} predicted to take no time, and given {_LEAST:.0%} of the least measured time"
        )
        return np.maximum(entries, floor), note
    mean, notes = _raised_mean(basis, entries.mean(axis=1), floor)
    deviation = entries - entries.mean(axis=1, keepdims=True)
    changed = 0
    for member in range(entries.shape[1]):
        kept = _kept(basis, mean, deviation[:, member])
        changed += kept < 1.0
        deviation[:, member] *= kept
    # The mean is what was learnt, and stays, whatever some deviations have lost.
    deviation -= deviation.mean(axis=1, keepdims=True)
    if changed:
        what = "1 member varies" if changed == 1 else f"{changed} members vary"
        notes.append(f"{what} less, as no time was predicted somewhere")
    if not notes:
        return entries, None
    return mean[:, None] + deviation, "; ".join(notes)


def _raised_mean(basis: Basis, mean: Values, floor: float) -> tuple[Values, list[str]]:
    column = mean[:, None]
    middle = float(basis.sums(column, basis.reference)[:, 0].mean())
    lowest = float(basis.sums(column, lowest_of(basis, mean)[None])[0, 0])
    if lowest >= floor or middle <= floor:
        return mean, []
    kept = (middle - floor) / (middle - lowest)
    found = mean * kept
    found[: basis.terms.offsets[1]] += (1 - kept) * middle
    return found, [f"some were predicted to take no time; all vary {1 - kept:.0%} less for that"]


def _kept(basis: Basis, mean: Values, deviation: Values) -> float:
    """Return the largest share of a deviation, found by descent, that keeps times well above 0."""
    kept = 1.0
    for _ in range(_LOOKS):
        worst = lowest_of(basis, mean + kept * deviation)[None]
        at_mean, off = (float(basis.sums(x[:, None], worst)[0, 0]) for x in (mean, deviation))
        if at_mean + kept * off >= _OF_MEAN * at_mean or off >= 0:
            return kept
        kept = max(0.0, (1 - _OF_MEAN) * at_mean / -off)
    return kept


def lowest_of(basis: Basis, entries: Values) -> NDArray[np.int64]:
    """Return the symbols of about the least sum of tables [n_entries]: int64 [n_blocks].

    By descent block by block from the least of the random architectures.
    """
    column = entries[:, None]
    start = basis.sums(column, basis.reference)[:, 0].argsort(kind="stable")[:_STARTS]
    symbols = basis.reference[start].copy()
    before = basis.sums(column, symbols)[:, 0]
    tables = _tables(basis.terms, entries)
    # Of each block: the terms it is in, with its own axis last, and their other blocks.
    views = [
        [
            (np.moveaxis(table, term.index(block), -1), [b for b in term if b != block])
            for term, table in tables
            if block in term
        ]
        for block in range(basis.space.n_blocks)
    ]
    while True:
        for block, size in enumerate(basis.space.block_sizes):
            part = np.zeros((len(symbols), size))
            for table, others in views[block]:
                part += table[tuple(symbols[:, other] for other in others)]
            symbols[:, block] = part.argmin(axis=1)
        now = basis.sums(column, symbols)[:, 0]
        if not (now < before - 1e-12 * np.abs(before)).any():
            return np.asarray(symbols[int(now.argmin())])
        before = now


def _tables(terms: Terms, entries: Values) -> list[tuple[tuple[int, ...], Values]]:
    offsets = terms.offsets
    return [
        (term, entries[offsets[k] : offsets[k + 1]].reshape(shape))
        for k, (term, shape) in enumerate(zip(terms.blocks, terms.shapes, strict=True))
    ]
