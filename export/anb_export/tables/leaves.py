"""The leaves of an ensemble, and their sums as tables over any terms.

A leaf is a box, a product of intervals of codes of the genes that its path narrows, times a value.
Compiling adds each box to one table, projecting adds several parts of it; both are sums of boxes,
and this is the one place where they are summed. The sums are of int64, the same in any order.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from anb_export.models.forest import Forest
from anb_export.tables.fixed_point import CompileError
from anb_onnx.spaces.space import SearchSpace
from anb_onnx.terms import Term, Terms

#: Nodes of the trees whose leaves are held at a time.
_NODES = 1 << 18


class Part(NamedTuple):
    """What a leaf adds to one table: its box on some of its blocks.

    The part is `factor` times the leaf's value, times the shares of the symbols of its other
    blocks, in the table of term number `term`, for the symbols of `blocks` that are in the box.
    """

    blocks: Term
    term: int
    factor: int


#: Tells the parts of leaves that narrow the given blocks.
Split: TypeAlias = Callable[[Term], Sequence[Part]]


@dataclass(frozen=True, eq=False)
class Leaves:
    """Leaves that some code reaches, tree by tree, each of them left to right.

    Attributes
    ----------
    space : SearchSpace
    tree, node : ndarray of int32, shape (n,)
        Their trees and nodes in the forest.
    start : ndarray of int64, shape (n + 1,)
        Leaf k has the sides from ``start[k]`` to ``start[k + 1]``.
    side : ndarray of int32, shape (n_sides, 3)
        (gene, low, high): only codes with low <= code < high of a gene reach the leaf, and any
        code of the genes without a side.
    """

    space: SearchSpace
    tree: NDArray[np.int32]
    node: NDArray[np.int32]
    start: NDArray[np.int64]
    side: NDArray[np.int32]

    @cached_property
    def _measured(self) -> tuple[NDArray[np.uint64], NDArray[np.float64], NDArray[np.float64]]:
        from anb_export.tables import _leaves_numba

        cardinalities = self.space.cardinalities.astype(np.int32)
        blocks, share, volume = _leaves_numba.measure(
            self.start, self.side, cardinalities, _bits(self.space)
        )
        return blocks, share, volume

    @property
    def share(self) -> NDArray[np.float64]:
        """Share of a block's symbols in the box, at the block's first side; 1 at its others."""
        return self._measured[1]

    @property
    def volume(self) -> NDArray[np.float64]:
        """Share of all architectures in the box: float64 [n]."""
        return self._measured[2]

    @cached_property
    def kinds(self) -> tuple[list[Term], NDArray[np.int64]]:
        """The different sets of blocks that leaves narrow, and which of them each leaf does."""
        found, kind = np.unique(self._measured[0], return_inverse=True)
        sets = [tuple(b for b in range(self.space.n_blocks) if k >> b & 1) for k in found.tolist()]
        return sets, kind.reshape(-1)


def leaves_of(forest: Forest, space: SearchSpace) -> Iterator[Leaves]:
    """Return the leaves of a forest, those of some hundred thousand nodes at a time.

    Raises
    ------
    CompileError
        If the forest has another number of features than the space has genes, or a tree is too
        deep.
    """
    # numba is slow to import: only when it computes
    from anb_export.tables import _leaves_numba

    if forest.n_features != space.n_genes:
        msg = f"the model has {forest.n_features} features, the space {space.n_genes} genes"
        raise CompileError(msg)
    ends = np.append(forest.roots[1:], forest.n_nodes)
    first = 0
    while first < forest.n_trees:
        stop = int(np.searchsorted(ends, int(forest.roots[first]) + _NODES, side="right"))
        stop = max(stop, first + 1)
        most = (int(ends[stop - 1]) - int(forest.roots[first])) // 2 + stop - first
        deep, n, tree, node, starts, side = _leaves_numba.walk(
            forest.feature,
            forest.threshold,
            forest.left,
            forest.right,
            forest.roots[first:stop],
            space.cardinalities.astype(np.int32),
            most,
        )
        if deep >= 0:
            msg = f"tree {first + deep} is deeper than {_leaves_numba.DEEPEST} levels"
            raise CompileError(msg)
        yield Leaves(space, tree[:n] + np.int32(first), node[:n], starts[: n + 1], side)
        first = stop


class Sums:
    """Tables over terms that leaves are added to, entries in int64 of some unit.

    They are kept as differences along every gene: adding a box is then a matter of its corners.

    Parameters
    ----------
    terms : Terms
    split : callable
    """

    def __init__(self, terms: Terms, split: Split) -> None:
        self._terms, self._split = terms, split
        self._strides = _strides(terms)
        self._differences = np.zeros(terms.n_entries, dtype=np.int64)

    def add(self, leaves: Leaves, amount: NDArray[np.float64]) -> None:
        """Add leaves of these amounts, float64 [n]; each part is rounded to an integer."""
        from anb_export.tables import _leaves_numba

        kinds, kind = leaves.kinds
        parts = [self._split(blocks) for blocks in kinds]
        flat = [part for of_kind in parts for part in of_kind]
        _leaves_numba.add(
            amount,
            leaves.start,
            leaves.side,
            leaves.share,
            kind,
            np.cumsum([0, *map(len, parts)]),
            np.array([sum(1 << b for b in part.blocks) for part in flat], dtype=np.uint64),
            np.array([part.term for part in flat], dtype=np.int64),
            np.array([part.factor for part in flat], dtype=np.int64),
            np.array(self._terms.offsets, dtype=np.int64),
            self._strides,
            leaves.space.cardinalities.astype(np.int32),
            _bits(leaves.space),
            self._differences,
        )

    def add_constant(self, amount: int) -> None:
        """Add the same to every architecture, in the first of the smallest terms."""
        place = self._terms.covering(())
        assert place is not None  # there is a term, and each holds no block at all
        self._differences[self._terms.offsets[place]] += amount

    def entries(self) -> NDArray[np.int64]:
        """Return the tables, one after the other: int64 [n_entries]."""
        entries = self._differences.copy()
        for strides, (start, stop) in zip(
            self._strides, pairwise(self._terms.offsets), strict=True
        ):
            for gene in np.flatnonzero(strides):
                size = self._terms.space.gene_sizes[gene]
                table = entries[start:stop].reshape(-1, size, strides[gene])
                table[...] = table.cumsum(axis=1)
        return entries


def _bits(space: SearchSpace) -> NDArray[np.uint64]:
    """Return the bit of each gene's block."""
    block_of = np.repeat(np.arange(space.n_blocks), [len(block.genes) for block in space.blocks])
    return np.left_shift(np.uint64(1), block_of.astype(np.uint64))


def _strides(terms: Terms) -> NDArray[np.int64]:
    """Return the distance of neighbours along each gene in each table, 0 for genes not in it."""
    space = terms.space
    strides = np.zeros((len(terms), space.n_genes), dtype=np.int64)
    for number, term in enumerate(terms.blocks):
        stride = 1
        for block in reversed(term):
            genes = space.block_slices[block]
            for gene in reversed(range(genes.start, genes.stop)):
                strides[number, gene] = stride
                stride *= space.gene_sizes[gene]
    return strides
