"""Which blocks interact: the terms over which an ensemble is a sum of tables.

A term is a tuple of blocks, and has one table with an entry for every combination of their
symbols. All pairs of blocks are what trees of two blocks a path compile into; single blocks are
the additive look-up tables of latency models; one term of all blocks is a tabular benchmark.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate, combinations, pairwise
from math import prod
from typing import Any, TypeAlias

from anb_onnx._io.show import show
from anb_onnx.errors import ArtifactError
from anb_onnx.spaces.space import SearchSpace

#: Most terms. All pairs of 64 blocks are 2,016.
MAX_TERMS = 4096

#: Most entries of all tables: engines and graphs number them with int32.
MAX_ENTRIES = 2**31 - 1

Term: TypeAlias = tuple[int, ...]


@dataclass(frozen=True)
class Terms:
    """The terms of a search space that have a table, in the order of their tables.

    Parameters
    ----------
    space : SearchSpace
    blocks : tuple of tuple of int
        1 to 4,096 different terms, each the numbers of its blocks in increasing order. A block may
        be in no term: it then changes nothing.

    Raises
    ------
    ArtifactError
        If a term is none, occurs twice, or all tables together have 2**31 entries or more.

    Examples
    --------
    >>> from anb_onnx import NASBENCH201
    >>> terms = Terms(NASBENCH201, ((0,), (1, 3)))
    >>> terms.offsets, terms.n_entries
    ((0, 5, 30), 30)
    """

    space: SearchSpace
    blocks: tuple[Term, ...]

    def __post_init__(self) -> None:
        if not isinstance(self.blocks, (tuple, list)) or not 0 < len(self.blocks) <= MAX_TERMS:
            msg = f"terms are 1 to {MAX_TERMS} lists of block numbers, not {show(self.blocks)}"
            raise ArtifactError(msg)
        for term in self.blocks:
            self._check(term)
        object.__setattr__(self, "blocks", tuple(tuple(term) for term in self.blocks))
        if len(set(self.blocks)) < len(self.blocks):
            twice = next(term for term in self.blocks if self.blocks.count(term) > 1)
            msg = f"the term {list(twice)} is stated twice"
            raise ArtifactError(msg)
        if self.n_entries > MAX_ENTRIES:
            msg = (
                f"the tables of the terms have {show(self.n_entries)} entries; "
                f"{MAX_ENTRIES} at most are supported"
            )
            raise ArtifactError(msg)

    def _check(self, term: Any) -> None:
        n = self.space.n_blocks
        if (
            not isinstance(term, (tuple, list))
            or not 0 < len(term) <= n
            or not all(type(block) is int and 0 <= block < n for block in term)
            or any(a >= b for a, b in pairwise(term))
        ):
            msg = (
                f"a term of search space {self.space.name!r} is a list of block numbers from 0 to "
                f"{n - 1} in increasing order, not {show(term)}"
            )
            raise ArtifactError(msg)

    @classmethod
    def of_order(cls, space: SearchSpace, order: int) -> Terms:
        """Return all terms of so many blocks: 1 for singles, 2 for pairs, in lexicographic order.

        Raises
        ------
        ArtifactError
            If the space has fewer blocks.
        """
        if not 0 < order <= space.n_blocks:
            msg = (
                f"search space {space.name!r} has {space.n_blocks} block(s): "
                f"no term of it has {order}"
            )
            raise ArtifactError(msg)
        return cls(space, tuple(combinations(range(space.n_blocks), order)))

    @classmethod
    def from_list(cls, value: object, space: SearchSpace, source: str) -> Terms:
        """Read what `to_list` wrote; `source` names where it stands, for errors."""
        try:
            return cls(space, value)  # type: ignore[arg-type]
        except ArtifactError as error:
            msg = f"{source}: key 'terms': {error}"
            raise ArtifactError(msg) from error

    def to_list(self) -> list[list[int]]:
        """Return the terms as plain data for JSON."""
        return [list(term) for term in self.blocks]

    def __len__(self) -> int:
        """Return the number of terms."""
        return len(self.blocks)

    @cached_property
    def shapes(self) -> tuple[tuple[int, ...], ...]:
        """Number of symbols of each block of each term: the shapes of the tables."""
        sizes = self.space.block_sizes
        return tuple(tuple(sizes[block] for block in term) for term in self.blocks)

    @cached_property
    def offsets(self) -> tuple[int, ...]:
        """First entry of each term's table, and the end of the last."""
        return (0, *accumulate(map(prod, self.shapes)))

    @property
    def n_entries(self) -> int:
        """Number of entries of all tables."""
        return self.offsets[-1]

    @cached_property
    def _numbers(self) -> dict[Term, int]:
        """Number of each term."""
        return {term: number for number, term in enumerate(self.blocks)}

    def covering(self, blocks: Iterable[int]) -> int | None:
        """Return the number of the first of the smallest terms that hold all these blocks."""
        wanted = set(blocks)
        itself = self._numbers.get(tuple(sorted(wanted)))
        if itself is not None:
            return itself
        found = [k for k, term in enumerate(self.blocks) if wanted <= set(term)]
        return min(found, key=lambda k: len(self.blocks[k]), default=None)


def all_pairs(space: SearchSpace) -> Terms:
    """Return all pairs of blocks, the terms of most surrogates; see `Terms.of_order`.

    Examples
    --------
    >>> from anb_onnx import MNASNET
    >>> len(all_pairs(MNASNET)), all_pairs(MNASNET).n_entries
    (21, 29808)
    """
    return Terms.of_order(space, 2)
