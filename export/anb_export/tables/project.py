"""Projects any ensemble of trees onto tables over pairs of blocks, in closed form from the leaves.

Where the trees mix three and more blocks, no tables over pairs equal them. The closest ones, in
the mean square over all architectures with equal weight, are the functional ANOVA of the ensemble
cut off after the interactions of two blocks. A leaf with value v that admits the symbols A_b of
block b, a share p_b of them, is the product of v and the indicators 1[s_b in A_b]; blocks are
independent under the uniform measure, so its projection is

    v * sum over sets S of at most two blocks of
        product over b in S of (1[s_b in A_b] - p_b)  *  product over b not in S of p_b

(Sobol 1993; Hooker 2004), and the projection of a sum of leaves is the sum of theirs. Nothing is
sampled and nothing fitted. For a leaf of at most two blocks the projection is the leaf itself:
pair-limited ensembles come out as `anb_export.tables.compile` makes them, to the bit.

The sets A_b are boxes, products of intervals of codes, of which a block has only some hundred.
Leaves are first summed by pair of boxes, one addition for each pair of blocks on the path, and
the boxes are spread over their symbols once at the end.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise, product

import numpy as np
from numpy.typing import NDArray

from anb_export.models.forest import Forest
from anb_export.tables.compile import (
    FRACTION_BITS,
    CompileError,
    check_domain,
    check_range,
    fold_singles,
)
from anb_export.training.members_folder import Training
from anb_export.training.recipe import Standardised
from anb_onnx.errors import AnbError
from anb_onnx.links import Link
from anb_onnx.spaces.mnasnet import MNASNET
from anb_onnx.spaces.space import SearchSpace
from anb_onnx.tables import TableEnsemble
from anb_onnx.terms import all_pairs

#: Fixed point while leaves are accumulated, where the range allows it, and the coarsest allowed.
_ACCUMULATOR_BITS, _FEWEST_BITS = 50, 40
#: Most pairs of boxes (8 bytes each) that are summed over.
_MOST_CELLS = 1 << 27


def project_tables(
    forests: Sequence[Forest],
    *,
    link: Link,
    mean: float,
    std: float,
    labels_standardised: bool = True,
    space: SearchSpace = MNASNET,
) -> TableEnsemble:
    """Return the projection of every member onto interactions of at most two blocks.

    Parameters
    ----------
    forests : sequence of Forest
        The members.
    link : Link
        From the target to the scale the members' labels are on. The projection is the closest
        one on that scale.
    mean, std : float
        Of the labels on the link's scale; they set the fixed point as in `compile.compile_tables`.
    labels_standardised : bool
        Whether the members predict (g(y) - mean) / std, or g(y) itself.
    space : SearchSpace

    Returns
    -------
    TableEnsemble
        Entries are the exact projection to within half a step of the fixed point (and the
        rounding of each leaf at 2**-50 standard deviations of the label).

    Raises
    ------
    CompileError
        If the model does not fit the space, a sum could leave the range of int32, or an
        architecture could leave the domain of the link.
    """
    if not forests:
        msg = "an ensemble needs at least one member"
        raise CompileError(msg)
    unit = 1.0 if labels_standardised else std
    columns = []
    for member, forest in enumerate(forests):
        base = forest.base_score if labels_standardised else forest.base_score - mean
        try:
            columns.append(_project_member(forest, space, unit, base))
        except CompileError as error:
            msg = f"member {member}: {error}"
            raise CompileError(msg) from None
    entries = np.ascontiguousarray(np.stack(columns, axis=1))
    ensemble = TableEnsemble(space, entries, math.ldexp(std, -FRACTION_BITS), mean, link)
    check_range(ensemble)
    check_domain(ensemble)
    return ensemble


def project_training(training: Training, *, space: SearchSpace = MNASNET) -> TableEnsemble:
    """Project trained members; see `project_tables`.

    Raises
    ------
    AnbError
        If a member is damaged, or trained on a transform tables cannot carry.
    """
    transform = training.transform
    if isinstance(transform, Standardised):
        return project_tables(
            training.forests(),
            link=transform.link,
            mean=transform.mean,
            std=transform.std,
            space=space,
        )
    if not isinstance(transform, Link) or not transform.is_identity:
        msg = f"{training.folder}: members trained on {transform} cannot be projected"
        raise AnbError(msg)
    return project_tables(
        training.forests(),
        link=transform,
        mean=float(training.document["target_mean"]),
        std=training.target_std,
        labels_standardised=False,
        space=space,
    )


def _project_member(
    forest: Forest, space: SearchSpace, unit: float, base: float
) -> NDArray[np.int32]:
    # numba is slow to import: only when it computes
    from anb_export.tables import _project_numba

    if forest.n_features != space.n_genes:
        msg = f"the model has {forest.n_features} features, the space {space.n_genes} genes"
        raise CompileError(msg)
    interval, n_intervals = _intervals(space)
    masks = [_box_masks(space, block) for block in range(space.n_blocks)]
    counts = np.array([len(mask) for mask in masks], dtype=np.int64)
    pair_offset = np.full((space.n_blocks, space.n_blocks), -1, dtype=np.int64)
    cells = 0
    for a, b in all_pairs(space).blocks:
        pair_offset[a, b] = cells
        cells += int(counts[a] * counts[b])
    if cells > _MOST_CELLS:
        msg = f"space {space.name!r} has {cells} pairs of boxes, allowed are {_MOST_CELLS}"
        raise CompileError(msg)
    pairs = np.zeros(cells, dtype=np.int64)
    singles = np.zeros((space.n_blocks + 1, int(counts.max())), dtype=np.int64)
    bits = _accumulator_bits(forest, space, unit, base)
    units = math.ldexp(1.0, bits) / unit
    deep = _project_numba.add_leaves(
        forest.feature,
        forest.threshold,
        forest.left,
        forest.right,
        forest.value,
        forest.roots,
        space.cardinalities.astype(np.int32),
        np.array([b.start for b in space.block_slices] + [space.n_genes], dtype=np.int64),
        interval,
        n_intervals,
        counts,
        pair_offset,
        units,
        pairs,
        singles,
    )
    if deep >= 0:
        msg = f"tree {deep} is deeper than {_project_numba.DEEPEST} levels"
        raise CompileError(msg)
    offsets = all_pairs(space).offsets
    entries = np.zeros(offsets[-1], dtype=np.int64)
    for (a, b), start, stop in zip(all_pairs(space).blocks, offsets[:-1], offsets[1:], strict=True):
        first = int(pair_offset[a, b])
        boxes = pairs[first : first + int(counts[a] * counts[b])].reshape(counts[a], counts[b])
        # Integer products, so that the sum does not depend on its order.
        entries[start:stop] = (masks[a].T @ boxes @ masks[b]).reshape(-1)
    effects = np.zeros((space.n_blocks + 1, max(space.block_sizes)), dtype=np.int64)
    for block, mask in enumerate(masks):
        effects[block, : space.block_sizes[block]] = singles[block, : len(mask)] @ mask
    effects[space.n_blocks, 0] = singles[space.n_blocks, 0] + round(base * units)
    if _largest_sum(entries, effects, offsets) >> (bits - FRACTION_BITS) >= 2**31:
        _centre(entries, effects, space, offsets)
    fold_singles(entries, effects, space, offsets)
    shift = bits - FRACTION_BITS
    rounded = (entries + (1 << (shift - 1))) >> shift
    if np.abs(rounded).max() >= 2**31:
        msg = f"an entry is {np.abs(rounded).max() / 2**FRACTION_BITS:.1f} standard deviations"
        raise CompileError(msg)
    return rounded.astype(np.int32)


def _largest_sum(
    entries: NDArray[np.int64], effects: NDArray[np.int64], offsets: Sequence[int]
) -> int:
    """Return what the entries of an architecture, in any order, cannot exceed."""
    tables = [entries[start:stop] for start, stop in pairwise(offsets)]
    parts = [*tables, *effects]
    return sum(int(np.abs(part).max()) for part in parts)


def _centre(
    entries: NDArray[np.int64],
    effects: NDArray[np.int64],
    space: SearchSpace,
    offsets: Sequence[int],
) -> None:
    """Move the means of the pairs' tables into effects of blocks, and those into the constant.

    All sums stay the same, exactly, and the tables become as small as they can be. Needed where
    trees hold an offset many standard deviations large, as the first one of LightGBM does: then
    the terms of a leaf are large, and cancel only in their sum.
    """
    for (a, b), start, stop in zip(all_pairs(space).blocks, offsets[:-1], offsets[1:], strict=True):
        table = entries[start:stop].reshape(space.block_sizes[a], space.block_sizes[b])
        rows = np.floor(table.mean(axis=1)).astype(np.int64)
        table -= rows[:, None]
        columns = np.floor(table.mean(axis=0)).astype(np.int64)
        table -= columns[None, :]
        effects[a, : len(rows)] += rows
        effects[b, : len(columns)] += columns
    for block, size in enumerate(space.block_sizes):
        mean = int(np.floor(effects[block, :size].mean()))
        effects[block, :size] -= mean
        effects[space.n_blocks, 0] += mean


def _accumulator_bits(forest: Forest, space: SearchSpace, unit: float, base: float) -> int:
    """Return the finest fixed point at which no sum can leave int64.

    Every table the leaves of a tree are summed into holds conditional means of the tree, times
    the factors of `_project_numba.add_leaves`: no entry exceeds the tree's largest leaf times
    those factors.
    """
    largest = np.maximum.reduceat(np.abs(forest.value.astype(np.float64)), forest.roots).sum()
    most = space.n_blocks
    factor = 1 + 2 * max(most - 2, 1) + max((most - 1) * (most - 2) // 2, 1)
    worst = (factor * float(largest) + abs(base)) / unit
    bits = min(_ACCUMULATOR_BITS, 61 - math.frexp(worst)[1]) if math.isfinite(worst) else 0
    if bits < _FEWEST_BITS:
        msg = (
            f"the largest leaves of all trees add up to {largest / unit:.3g} standard deviations; "
            f"allowed are about {2.0 ** (61 - _FEWEST_BITS) / factor:.0f}"
        )
        raise CompileError(msg)
    return bits


def _intervals(space: SearchSpace) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return numbers for the intervals [low, high) of codes of each gene.

    They are int64 [n_genes, k + 1, k + 1], the number at [gene, low, high], with k the
    most codes of a gene; and int64 [n_genes], how many there are.
    """
    most = int(space.cardinalities.max())
    numbers = np.full((space.n_genes, most + 1, most + 1), -1, dtype=np.int64)
    for gene, codes in enumerate(space.cardinalities):
        for number, (low, high) in enumerate(_gene_intervals(int(codes))):
            numbers[gene, low, high] = number
    counts = space.cardinalities.astype(np.int64)
    return numbers, counts * (counts + 1) // 2


def _gene_intervals(n_codes: int) -> list[tuple[int, int]]:
    return [(low, high) for low in range(n_codes) for high in range(low + 1, n_codes + 1)]


def _box_masks(space: SearchSpace, block: int) -> NDArray[np.int64]:
    """Return int64 [n_boxes, block size]: 1 where a symbol lies in the box.

    The boxes are in mixed radix of the genes' intervals, first gene most significant, as the
    symbols are of the codes.
    """
    genes = []
    for gene in space.blocks[block].genes:
        codes = np.arange(len(gene))
        genes.append([(low <= codes) & (codes < high) for low, high in _gene_intervals(len(gene))])
    rows = []
    for box in product(*genes):
        mask = np.ones(1, dtype=np.int64)
        for inside in box:
            mask = np.kron(mask, inside.astype(np.int64))
        rows.append(mask)
    return np.array(rows, dtype=np.int64)
