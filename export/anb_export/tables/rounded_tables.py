"""Tables of real numbers as integer tables: one power of two for all, as fine as int32 allows."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from anb_export.tables.bounds import largest_sum
from anb_onnx.links import Link
from anb_onnx.tables import TableEnsemble
from anb_onnx.terms import Terms

#: What the sums of a member stay below.
_MOST = 2**31


def rounded_tables(values: NDArray[np.float64], terms: Terms) -> TableEnsemble:
    """Return an ensemble that predicts the sums of tables of real numbers, rounded.

    Parameters
    ----------
    values : ndarray of float64, shape (n_entries, M)
        In the target's unit.
    terms : Terms

    Returns
    -------
    TableEnsemble
        Each entry is off by half of its `scale` at most. The middle of each table is moved into
        the shift, so that the whole range of int32 is of use.
    """
    starts = np.array(terms.offsets[:-1])
    most = np.maximum.reduceat(values, starts, axis=0).max(axis=1)
    least = np.minimum.reduceat(values, starts, axis=0).min(axis=1)
    middles = (most + least) / 2
    centred = values - np.repeat(middles, np.diff(terms.offsets))[:, None]
    size = float(((most - least) / 2).sum()) or 1.0
    exponent = math.frexp(size / _MOST)[1]
    while True:  # roundings may add up to more than fits
        entries = np.rint(np.ldexp(centred, -exponent)).astype(np.int64)
        if largest_sum(entries, terms) < _MOST:
            break
        exponent += 1
    shift = math.fsum(middles.tolist())
    scale = math.ldexp(1.0, exponent)
    return TableEnsemble(terms.space, entries.astype(np.int32), scale, shift, Link(), terms)
