"""Compiles pair-limited ensembles into integer tables, exactly, from the leaves of their trees.

A leaf is a product of intervals of codes, one per gene, times a value. If its path narrows the
genes of at most two blocks, it adds its value to a rectangle-like set of entries of that pair's
table. Leaves are accumulated as int64 in units of 2**-50, which holds a float32 leaf without loss
down to 2**-27: finer than float64 would, and the same whatever the order. Only the final entries
are rounded, to 2**-24 of the label's standard deviation.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import product

import numpy as np
from numpy.typing import NDArray

from anb_export.models.forest import Forest
from anb_onnx.errors import AnbError
from anb_onnx.links import Link
from anb_onnx.spaces.mnasnet import MNASNET
from anb_onnx.spaces.space import SearchSpace
from anb_onnx.tables import TableEnsemble
from anb_onnx.terms import all_pairs

#: Fixed point of the stored entries, in bits below one standard deviation of the label.
FRACTION_BITS = 24
#: Fixed point while leaves are accumulated.
_ACCUMULATOR_BITS = 50

#: Combinations of symbols that a lower bound may enumerate, each with the symbols of a further
#: block: 36 * 36 * 36 are 47 thousand, three blocks of 256 symbols would fill the memory.
_MOST_ENUMERATED = 2**17


class CompileError(AnbError):
    """A model cannot be written as tables over pairs of blocks."""


def compile_tables(
    forests: Sequence[Forest],
    *,
    link: Link,
    mean: float,
    std: float,
    labels_standardised: bool = True,
    space: SearchSpace = MNASNET,
) -> TableEnsemble:
    """Return the ensemble as tables.

    Parameters
    ----------
    forests : sequence of Forest
        The members.
    link : Link
        From the target to the scale the members' labels are on.
    mean, std : float
        Of the labels on the link's scale. They set the fixed point: one step is
        ``std * 2**-FRACTION_BITS``.
    labels_standardised : bool
        Whether the members predict (g(y) - mean) / std, as the compact recipe trains them, or
        g(y) itself.
    space : SearchSpace

    Returns
    -------
    TableEnsemble
        Each entry is within half a step of the exact sum of its leaves, so a prediction is within
        ``len(all_pairs(space).blocks) / 2`` steps of the exact sum of all leaves.

    Raises
    ------
    CompileError
        If a path mixes three or more blocks (the tree and the path are named), a sum could leave
        the range of int32, or an architecture could leave the domain of the link.
    """
    if not forests:
        msg = "an ensemble needs at least one member"
        raise CompileError(msg)
    if not all_pairs(space).blocks:
        msg = f"search space {space.name!r} has one block; tables are over pairs of blocks"
        raise CompileError(msg)
    unit = 1.0 if labels_standardised else std
    columns = []
    for member, forest in enumerate(forests):
        try:
            base = forest.base_score if labels_standardised else forest.base_score - mean
            columns.append(_compile_member(forest, space, unit, base))
        except CompileError as error:
            msg = f"member {member}: {error}"
            raise CompileError(msg) from None
    entries = np.ascontiguousarray(np.stack(columns, axis=1))
    ensemble = TableEnsemble(space, entries, math.ldexp(std, -FRACTION_BITS), mean, link)
    check_range(ensemble)
    check_domain(ensemble)
    return ensemble


def _compile_member(
    forest: Forest, space: SearchSpace, unit: float, base: float
) -> NDArray[np.int32]:
    # numba is slow to import: only when it computes
    from anb_export.tables import _compile_numba

    if forest.n_features != space.n_genes:
        msg = f"the model has {forest.n_features} features, the space {space.n_genes} genes"
        raise CompileError(msg)
    sizes = np.array(space.block_sizes, dtype=np.int64)
    offsets = all_pairs(space).offsets
    pair_offset = np.full((space.n_blocks, space.n_blocks), -1, dtype=np.int64)
    for (a, b), offset in zip(all_pairs(space).blocks, offsets, strict=False):
        pair_offset[a, b] = offset
    entries = np.zeros(offsets[-1], dtype=np.int64)
    singles = np.zeros((space.n_blocks + 1, int(sizes.max())), dtype=np.int64)
    units = math.ldexp(1.0, _ACCUMULATOR_BITS) / unit
    # No entry receives more than one leaf of a tree.
    of_trees = np.maximum.reduceat(np.abs(forest.value), forest.roots)
    largest = float(of_trees.sum(dtype=np.float64)) + abs(base)
    if largest * units >= 2.0**62:
        msg = (
            f"the leaves add up to as much as {largest / unit:.3g} standard deviations; "
            f"allowed are {2.0**62 / 2.0**_ACCUMULATOR_BITS:.0f}"
        )
        raise CompileError(msg)
    tree, leaf = _compile_numba.add_leaves(
        forest.feature,
        forest.threshold,
        forest.left,
        forest.right,
        forest.value,
        forest.roots,
        space.cardinalities.astype(np.int32),
        _block_of(space),
        np.array([b.start for b in space.block_slices] + [space.n_genes], dtype=np.int32),
        _symbol_codes(space),
        sizes,
        pair_offset,
        units,
        entries,
        singles,
    )
    if tree >= 0:
        msg = _mixes(forest, space, int(tree), int(leaf))
        raise CompileError(msg)
    singles[space.n_blocks, 0] += round(base * units)
    fold_singles(entries, singles, space, offsets)
    half, shift = 1 << (_ACCUMULATOR_BITS - FRACTION_BITS - 1), _ACCUMULATOR_BITS - FRACTION_BITS
    rounded = (entries + half) >> shift
    if np.abs(rounded).max() >= 2**31:
        msg = f"an entry is {np.abs(rounded).max() / 2**FRACTION_BITS:.1f} standard deviations"
        raise CompileError(msg)
    return rounded.astype(np.int32)


def fold_singles(
    entries: NDArray[np.int64],
    singles: NDArray[np.int64],
    space: SearchSpace,
    offsets: Sequence[int],
) -> None:
    """Add what depends on one block, or on none, to the first pair that has the block."""
    for block in range(space.n_blocks):
        place = next(k for k, pair in enumerate(all_pairs(space).blocks) if block in pair)
        a, b = all_pairs(space).blocks[place]
        table = entries[offsets[place] : offsets[place + 1]].reshape(
            space.block_sizes[a], space.block_sizes[b]
        )
        effect = singles[block, : space.block_sizes[block]]
        table += effect[:, None] if block == a else effect[None, :]
    entries[: offsets[1]] += singles[space.n_blocks, 0]


def _block_of(space: SearchSpace) -> NDArray[np.int32]:
    block_of = np.empty(space.n_genes, dtype=np.int32)
    for number, genes in enumerate(space.block_slices):
        block_of[genes] = number
    return block_of


def _symbol_codes(space: SearchSpace) -> NDArray[np.int32]:
    """Return the codes of each symbol: int32 [n_blocks, largest block, most genes]."""
    most = max(len(block.genes) for block in space.blocks)
    codes = np.zeros((space.n_blocks, max(space.block_sizes), most), dtype=np.int32)
    for number, block in enumerate(space.blocks):
        every = product(*(range(len(gene)) for gene in block.genes))
        codes[number, : block.size, : len(block.genes)] = list(every)
    return codes


def _mixes(forest: Forest, space: SearchSpace, tree: int, leaf: int) -> str:
    if leaf < 0:
        return f"tree {tree} is deeper than 4,000 levels"
    path: tuple[tuple[int, str], ...] = ()  # branches from the root to the leaf, and the ways taken
    pending = [(int(forest.roots[tree]), path)]
    while (last := pending.pop())[0] != leaf:
        node, path = last
        if forest.left[node] >= 0:
            pending.append((int(forest.left[node]), (*path, (node, "<"))))
            pending.append((int(forest.right[node]), (*path, (node, ">="))))
    conditions = []
    codes = [np.arange(size, dtype=np.float32) for size in space.gene_sizes]
    for node, sign in last[1]:
        gene, threshold = forest.feature[node], forest.threshold[node]
        below = codes[gene] < threshold
        codes[gene] = codes[gene][below if sign == "<" else ~below]
        conditions.append(f"{space.gene_names[gene]} {sign} {threshold:g}")
    narrowed = [len(left) < size for left, size in zip(codes, space.gene_sizes, strict=True)]
    blocks = [
        block.name
        for block, genes in zip(space.blocks, space.block_slices, strict=True)
        if any(narrowed[genes])
    ]
    return (
        f"tree {tree} mixes more than two blocks ({', '.join(blocks)}) on the path "
        f"{' and '.join(conditions)}; train with interaction constraints over pairs of blocks "
        "(anb-export train --recipe compact), convert the model in tree form (anb-export "
        "convert), or approximate it by tables (anb-export project)"
    )


def check_range(ensemble: TableEnsemble) -> None:
    """Refuse tables of which some sum, in any order, could leave int32."""
    largest = sum(np.abs(table.astype(np.int64)).max(axis=(0, 1)) for table in ensemble.tables)
    worst = int(np.max(largest))
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

    Three blocks, or fewer where they are large, are enumerated together; each other block then
    takes its best symbol on its own, with the residual interactions among the others, after their
    main effects are moved out, bounded by their minima.
    """
    space = ensemble.space
    fits = [k for k in (1, 2, 3) if math.prod(space.block_sizes[:k]) <= _MOST_ENUMERATED]
    chosen = tuple(range(min(max(fits, default=0), space.n_blocks)))
    others = [b for b in range(space.n_blocks) if b not in chosen]
    tables = dict(zip(all_pairs(space).blocks, ensemble.tables, strict=True))
    bounds = []
    for member in range(ensemble.n_members):
        single = {b: np.zeros(space.block_sizes[b], dtype=np.int64) for b in others}
        constant = 0
        for i, a in enumerate(others):
            for b in others[i + 1 :]:
                table = tables[a, b][:, :, member].astype(np.int64)
                rows = np.floor(table.mean(axis=1)).astype(np.int64)
                columns = np.floor((table - rows[:, None]).mean(axis=0)).astype(np.int64)
                single[a] += rows
                single[b] += columns
                constant += int((table - rows[:, None] - columns[None, :]).min())
        shape = tuple(space.block_sizes[b] for b in chosen)
        total = np.full(shape, constant, dtype=np.int64)
        for a, b in all_pairs(space).blocks:
            if b in chosen:
                total += _spread(tables[a, b][:, :, member], (a, b), len(chosen))
        for b in others:
            best = np.zeros((*shape, space.block_sizes[b]), dtype=np.int64)
            for a in chosen:
                axes = [1] * len(chosen)
                axes[a] = shape[a]
                best += tables[a, b][:, :, member].reshape(*axes, space.block_sizes[b])
            total += (best + single[b]).min(axis=-1)
        bounds.append(int(total.min()))
    return np.array(bounds, dtype=np.int64)


def _spread(table: NDArray[np.int32], pair: tuple[int, int], rank: int) -> NDArray[np.int32]:
    axes = [1] * rank
    axes[pair[0]], axes[pair[1]] = table.shape
    return table.reshape(axes)
