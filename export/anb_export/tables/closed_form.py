"""Multiply-adds and parameters as exact tables: both are sums of one integer per block.

Every record of the data set states both counts in millions with all digits. Differences between
the symbols of a block are determined by them; they are solved for, rounded to integers and then
required to reproduce every record to the last digit.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from anb_export.data.dataset import Dataset
from anb_export.tables.bounds import largest_sum
from anb_export.tables.compile import checked_terms
from anb_onnx.encoding.encoding import codes_to_symbols
from anb_onnx.errors import AnbError
from anb_onnx.links import Link
from anb_onnx.spaces.space import SearchSpace
from anb_onnx.tables import TableEnsemble
from anb_onnx.terms import Terms

#: Counts per unit of the target: both are published in millions.
_COUNTS = 1e6
#: Largest distance of a count from an integer that the decimal fraction may leave.
_CLOSE = 1e-3


class ClosedFormError(AnbError):
    """A target is not a sum of one integer per block."""


def exact_tables(dataset: Dataset, target: str, terms: Terms | None = None) -> TableEnsemble:
    """Return tables of one member whose predictions are exact for every architecture.

    Parameters
    ----------
    dataset : Dataset
        All its records determine the tables; nothing is estimated, so no split is kept apart.
    target : str
        ``"macs"`` or ``"params"``.
    terms : Terms, optional
        Of the data set's space; all pairs of blocks unless given. What depends on a block goes
        into the first of the smallest terms that hold it.

    Raises
    ------
    ClosedFormError
        If the target is not an exact count, some symbol occurs in no record, the records do not
        determine all counts, some record is not reproduced, no term holds a block that counts, or
        a sum leaves the range of int32.
    CompileError
        If the terms are of another space.
    """
    space = dataset.space
    terms = checked_terms(terms, space)
    if not dataset.target(target).exact:
        msg = f"{target!r} is measured, not counted; exact targets: macs, params"
        raise ClosedFormError(msg)
    effects = np.split(_effects(dataset, target, space), np.cumsum(space.block_sizes)[:-1].tolist())
    entries = _entries(effects, target, terms)
    if largest_sum(entries, terms) >= 2**31:
        msg = f"{target} can exceed {2**31 / _COUNTS:.0f} million, which int32 does not hold"
        raise ClosedFormError(msg)
    return TableEnsemble(space, entries.astype(np.int32), 1 / _COUNTS, 0.0, Link(), terms)


def _counts(dataset: Dataset, target: str) -> NDArray[np.int64]:
    """Return the counts of all records."""
    values = dataset.values[target] * _COUNTS
    # Not a number is not close to one either.
    broken = np.flatnonzero(~(np.abs(values - np.rint(values)) < _CLOSE))
    if len(broken):
        row = broken[0]
        msg = (
            f"{target} of {dataset.names[row]} is {dataset.values[target][row]!r}: not a count in "
            "millions with all its digits"
        )
        raise ClosedFormError(msg)
    return np.rint(values).astype(np.int64)


def _effects(dataset: Dataset, target: str, space: SearchSpace) -> NDArray[np.int64]:
    """Return the count of every symbol of every block, one block after the other."""
    counts = _counts(dataset, target)
    starts = np.concatenate([[0], np.cumsum(space.block_sizes)])
    symbols = codes_to_symbols(dataset.codes, space).astype(np.int64)
    columns = symbols + starts[:-1]
    seen = np.bincount(columns.ravel(), minlength=starts[-1])
    if (seen == 0).any():
        block = int(np.searchsorted(starts, np.flatnonzero(seen == 0)[0], side="right")) - 1
        msg = f"a choice of {space.blocks[block].name} occurs in no record; its count is unknown"
        raise ClosedFormError(msg)
    # The constant goes into the first block; each other block's first symbol counts zero.
    design = np.zeros((len(dataset), int(starts[-1])))
    np.put_along_axis(design, columns, 1.0, axis=1)
    free = [c for c in range(int(starts[-1])) if c == 0 or c not in starts[1:]]
    solution, _, rank, _ = np.linalg.lstsq(design[:, free], counts.astype(float), rcond=None)
    if rank < len(free):
        msg = (
            f"the {len(dataset)} records leave {len(free) - rank} of {len(free)} differences "
            f"between choices open; {target} needs more records"
        )
        raise ClosedFormError(msg)
    effects = np.zeros(int(starts[-1]), dtype=np.int64)
    effects[free] = np.rint(solution).astype(np.int64)
    wrong = np.flatnonzero(effects[columns].sum(axis=1) != counts)
    if len(wrong):
        msg = (
            f"{target} of {dataset.names[wrong[0]]} is {counts[wrong[0]]}, the sum over its "
            f"blocks {effects[columns[wrong[0]]].sum()}: not a sum of one integer per block"
        )
        raise ClosedFormError(msg)
    return effects


def _entries(effects: Sequence[NDArray[np.int64]], target: str, terms: Terms) -> NDArray[np.int64]:
    """Return the counts of each block in the first of the smallest terms that hold it.

    What all architectures have in common goes into the first of the smallest terms of all.
    """
    entries = np.zeros((terms.n_entries, 1), dtype=np.int64)
    common, smallest = effects[0][0], terms.covering(()) or 0
    entries[terms.offsets[smallest] : terms.offsets[smallest + 1]] += common
    effects = [effects[0] - common, *effects[1:]]
    for block, effect in enumerate(effects):
        place = terms.covering((block,))
        if place is not None:
            axis = terms.blocks[place].index(block)
            table = entries[terms.offsets[place] : terms.offsets[place + 1], 0]
            table = table.reshape(terms.shapes[place])
            table += effect.reshape([-1 if k == axis else 1 for k in range(table.ndim)])
        elif effect.any():
            msg = f"{target} depends on {terms.space.blocks[block].name}, which no term holds"
            raise ClosedFormError(msg)
    return entries
