"""Features of architectures that are sums of tables: what a graph computes from codes by look-ups.

Learners want columns: one for each choice, for each symbol of a block, for a layer that is there
only up to some depth, for how often something is used. Each of these is a sum of one table for each
of a few terms, of single blocks and of pairs, as an ensemble in table form is; only that an entry
is a row of features here, and of float32.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anb_onnx.encoding.encoding import codes_to_symbols
from anb_onnx.errors import AnbError
from anb_onnx.spaces.architecture import sample
from anb_onnx.spaces.space import SearchSpace
from anb_onnx.terms import Term, Terms

#: Most numbers in the tables of an encoder: 256 MB.
_MOST = 2**26
#: Random architectures on which a sum of tables is compared with the features themselves.
_CHECKED_ROWS = 256

#: Makes an array of numbers [N, d] of codes uint8 [N, n_genes].
Features = Callable[[NDArray[np.uint8]], NDArray[np.floating[Any]]]


class EncoderError(AnbError):
    """The tables of an encoder are not those of its terms."""


@dataclass(frozen=True, eq=False)
class Encoder:
    """Makes features of codes.

    Attributes
    ----------
    terms : Terms
    entries : ndarray of float32, shape (terms.n_entries, d)
        The terms' tables one after the other.

    Examples
    --------
    >>> from anb_onnx import NASBENCH201
    >>> encoder = encoder_of(NASBENCH201, lambda codes: (codes[:, :2] == 3).astype(np.float32))
    >>> encoder.terms.blocks[:2], encoder.width
    (((0,), (1,)), 2)
    >>> encoder(np.array([[3, 0, 0, 0, 0, 0]], dtype=np.uint8)).tolist()
    [[1.0, 0.0]]
    """

    terms: Terms
    entries: NDArray[np.float32]

    def __post_init__(self) -> None:
        found, wanted = self.entries, self.terms.n_entries
        if found.dtype != np.float32 or found.ndim != 2 or len(found) != wanted:
            msg = f"entries must be float32 [{wanted}, d], found {found.dtype} {list(found.shape)}"
            raise EncoderError(msg)

    @property
    def width(self) -> int:
        """Number of features, d."""
        return int(self.entries.shape[1])

    def __call__(self, codes: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return float32 [N, d]: the features of codes uint8 [N, n_genes]."""
        terms = self.terms
        columns = codes_to_symbols(codes, terms.space).astype(np.int64).T
        total = np.zeros((len(codes), self.width), dtype=np.float32)
        for term, shape, start in zip(terms.blocks, terms.shapes, terms.offsets, strict=False):
            index = columns[term[0]]
            for block, size in zip(term[1:], shape[1:], strict=True):
                index = index * size + columns[block]
            total += self.entries.take(start + index, axis=0)
        return total


def encoder_of(space: SearchSpace, features: Features) -> Encoder | None:
    """Return the encoder of features that are sums over blocks, and over some pairs of them.

    Parameters
    ----------
    space : SearchSpace
    features : callable
        Of numbers that float32 adds without rounding, such as small integers.

    Returns
    -------
    Encoder or None
        None if more than two blocks mix in a feature, or the tables would be too large. Compared on
        random architectures.
    """
    base = np.zeros((1, space.n_genes), dtype=np.uint8)
    at_base = features(base)
    width = at_base.shape[1]
    rows = sum(space.block_sizes)
    if rows * width > _MOST:
        return None
    tables: dict[Term, NDArray[Any]] = {
        (block,): features(_codes(space, (block,))) - at_base for block in range(space.n_blocks)
    }
    singles = dict(tables)
    tables[0,] = singles[0,] + at_base
    found = _encoder(space, tables)
    codes = sample(_CHECKED_ROWS, seed=0, space=space)
    wanted = features(codes)
    if np.array_equal(found(codes), wanted):
        return found
    for a, b in combinations(range(space.n_blocks), 2):
        sizes = space.block_sizes[a], space.block_sizes[b]
        if sizes[0] * sizes[1] * width > _MOST:
            return None
        both = (features(_codes(space, (a, b))) - at_base).reshape(*sizes, width)
        both = both - singles[a,][:, None] - singles[b,][None, :]
        if both.any():
            tables[a, b] = both.reshape(-1, width)
            rows += len(tables[a, b])
            if rows * width > _MOST:
                return None
    found = _encoder(space, tables)
    return found if np.array_equal(found(codes), wanted) else None


def _encoder(space: SearchSpace, tables: dict[Term, NDArray[Any]]) -> Encoder:
    # Blocks that change nothing need no table, but there must be one.
    kept = {term: table for term, table in tables.items() if table.any()} or dict(
        [*tables.items()][:1]
    )
    entries = np.concatenate([np.asarray(table, dtype=np.float32) for table in kept.values()])
    return Encoder(Terms(space, tuple(kept)), entries)


def _codes(space: SearchSpace, term: Term) -> NDArray[np.uint8]:
    """Return the architectures of all symbols of a term's blocks, all others being 0."""
    sizes = [size for block in term for size in space.gene_sizes[space.block_slices[block]]]
    columns = [
        column for block in term for column in range(space.n_genes)[space.block_slices[block]]
    ]
    found = np.zeros((int(np.prod(sizes)), space.n_genes), dtype=np.uint8)
    found[:, columns] = np.indices(sizes).reshape(len(sizes), -1).T
    return found
