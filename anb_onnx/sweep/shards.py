"""How a sweep is cut into shards: ranges of indices of one size, each counted on its own."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from math import prod

from anb_onnx.spaces.space import SearchSpace

#: Most architectures of a shard, where the blocks allow it: some tenths of a second.
MOST = 2**27


@dataclass(frozen=True)
class Shards:
    """The shards of a space: all architectures with the same symbols of its first blocks.

    Shard i holds the indices from ``i * size`` to before ``(i + 1) * size``.

    Parameters
    ----------
    space : SearchSpace
    most : int
        Most architectures of a shard. As few blocks are fixed as that takes, and never the last.

    Examples
    --------
    >>> from anb_onnx import MNASNET
    >>> shards = Shards(MNASNET)
    >>> shards.count, shards.size, shards.count * shards.size == MNASNET.size
    (1296, 80621568, True)
    """

    space: SearchSpace
    most: int = MOST

    @cached_property
    def n_fixed(self) -> int:
        """Number of blocks whose symbols are fixed within a shard."""
        sizes = self.space.block_sizes
        fixed = 0
        while fixed < len(sizes) - 1 and prod(sizes[fixed:]) > self.most:
            fixed += 1
        return fixed

    @cached_property
    def count(self) -> int:
        """Number of shards."""
        return prod(self.space.block_sizes[: self.n_fixed])

    @cached_property
    def size(self) -> int:
        """Number of architectures of a shard."""
        return prod(self.space.block_sizes[self.n_fixed :])
