"""What a kernel depends on, and whether it is written out or loops."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from math import prod

from anb_onnx.engines.native.layout import LANES, layouts, padded
from anb_onnx.engines.native.symbols import Sizes, Source, writes_out
from anb_onnx.tables import TableEnsemble
from anb_onnx.terms import Term

#: Most work that is written out, as `work` counts it. A unit takes 1.5 to 2.5 ms to compile, so
#: that this is 0.2 s or so, where a loop takes 0.05 s: `python -m benchmarks.compile_time`.
MOST_WORK = 100

# Most sets of factors that the symbols of a row are multiplied with.
_MOST_SLOTS = 8

# Tables of up to this size are addressed by 32 bits.
_MOST_BYTES = 2**31


@dataclass(frozen=True)
class Spec:
    """All that the code of a kernel depends on.

    Attributes
    ----------
    source : {"codes", "indices"}
        What a row of the input is: uint8 [n_genes], or int64.
    sizes : tuple of tuple of int
        Number of choices of the genes of each block.
    n_members : int
        Number of members M.
    steps : tuple of str
        The inverse link, as in `Link.inverse_steps`.
    bends : tuple of (float, float)
        Knot and change of each hinge, those of the regime last; constants of the code.
    regime_block : int or None
        Number of the block whose symbol says whether a row is inside the link's regime.
    terms : tuple of tuple of int, or None
        The terms, where all lookups of a row are written out. None where the kernel loops over
        terms and members; it is then told of the terms when called, and serves any.
    """

    source: Source
    sizes: Sizes
    n_members: int
    steps: tuple[str, ...]
    bends: tuple[tuple[float, float], ...] = ()
    regime_block: int | None = None
    terms: tuple[Term, ...] | None = None

    @classmethod
    def of(cls, source: Source, ensemble: TableEnsemble) -> Spec:
        """Return what the kernel of an ensemble depends on, for a kind of input."""
        space, link = ensemble.space, ensemble.link
        sizes = tuple(tuple(len(gene) for gene in block.genes) for block in space.blocks)
        block = _regime_block(ensemble)
        terms = ensemble.terms.blocks if _is_written_out(source, sizes, ensemble) else None
        m = ensemble.n_members
        return cls(source, sizes, m, link.inverse_steps, link.bends, block, terms)


@dataclass(frozen=True)
class Slots:
    """Which multiples of symbols kernels keep that are written out.

    Attributes
    ----------
    factors : tuple of tuple of int
        For each slot: what it multiplies the symbols of each block with.
    number : dict of (int, int) to int
        By block and stride: the slot that has it.
    """

    factors: tuple[tuple[int, ...], ...]
    number: dict[tuple[int, int], int]

    @classmethod
    def of(
        cls,
        sizes: tuple[int, ...],
        terms: tuple[Term, ...],
        regime_block: int | None,
        entry_bytes: int,
    ) -> Slots:
        """Return the slots for some terms: as few as there can be, of one factor each if possible.

        A factor that is the same for all blocks is quicker to multiply with.
        """
        wanted = {item for table in layouts(sizes, terms) for item in table.strides.items()}
        if regime_block is not None:
            wanted.add((regime_block, 1))  # an offset into the table of what is inside
        of_block = [sorted(s for b, s in wanted if b == block) for block in range(len(sizes))]
        strides = sorted({stride for _, stride in wanted})
        most = max(map(len, of_block))
        if len(strides) == most:
            of_block = [strides] * len(sizes)
        columns = [[s * entry_bytes for s in found] + [0] * most for found in of_block]
        number = {(b, s): of_block[b].index(s) for b, s in wanted}
        return cls(tuple(zip(*(column[:most] for column in columns), strict=True)), number)


def work(n_terms: int, n_members: int, steps: Iterable[str]) -> float:
    """Return how much there is to compile where all lookups and members are written out.

    The unit is a lookup: a load and an addition of a vector, for 8 rows. A member's mean, standard
    deviation and rounding take as long as 1.5 of them, a step of its link as a sixth.
    """
    vectors = -(-padded(n_members) // LANES)
    return n_terms * vectors + n_members * (1.5 + len(tuple(steps)) / 6)


def _is_written_out(source: Source, sizes: Sizes, ensemble: TableEnsemble) -> bool:
    """Whether a kernel is small enough to write out all lookups and members of a row."""
    terms, m = ensemble.terms, ensemble.n_members
    if work(len(terms), m, ensemble.link.inverse_steps) > MOST_WORK or not writes_out(
        source, sizes
    ):
        return False
    of_blocks, entry_bytes = tuple(map(prod, sizes)), 4 * padded(m)
    block = _regime_block(ensemble)
    n_rows = max(terms.n_entries, 0 if block is None else of_blocks[block])
    if n_rows * entry_bytes > _MOST_BYTES:
        return False
    return len(Slots.of(of_blocks, terms.blocks, block, entry_bytes).factors) <= _MOST_SLOTS


def _regime_block(ensemble: TableEnsemble) -> int | None:
    """Return the number of the block that says whether a row is inside the link's regime."""
    regime = ensemble.link.regime
    return None if regime is None else regime.symbols(ensemble.space)[0]
