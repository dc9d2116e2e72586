"""Compiles ensembles into integer tables over terms, exactly, from the leaves of their trees.

A leaf is a product of intervals of codes, one per gene, times a value. If some term holds all
blocks whose genes its path narrows, it adds its value to a rectangle-like set of entries of that
term's table. Leaves are accumulated as int64 in units of 2**-50, which holds a float32 leaf without
loss down to 2**-27: finer than float64 would, and the same whatever the order. Only the final
entries are rounded, to 2**-24 of the label's standard deviation.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import cache, partial
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from anb_export.models.forest import Forest
from anb_export.tables.bounds import check_domain, check_range
from anb_export.tables.fixed_point import FRACTION_BITS, CompileError, rounded
from anb_export.tables.leaves import Leaves, Part, Sums, leaves_of
from anb_onnx._io.show import show
from anb_onnx.links import Link
from anb_onnx.spaces.space import SearchSpace
from anb_onnx.tables import TableEnsemble
from anb_onnx.terms import Term, Terms

#: Fixed point while leaves are accumulated.
_ACCUMULATOR_BITS = 50

#: Makes one member's entries of its forest, the unit of its leaves and its constant.
Member: TypeAlias = Callable[[Forest, float, float], NDArray[np.int32]]


def compile_tables(
    forests: Sequence[Forest],
    *,
    link: Link,
    mean: float,
    std: float,
    labels_standardised: bool = True,
    space: SearchSpace,
    terms: Terms | None = None,
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
    terms : Terms, optional
        Of that space; all pairs of blocks unless given. A leaf goes into the table of the first of
        the smallest terms that hold all blocks of its path.

    Returns
    -------
    TableEnsemble
        Each entry is within half a step of the exact sum of its leaves, so a prediction is within
        ``len(terms) / 2`` steps of the exact sum of all leaves.

    Raises
    ------
    CompileError
        If a path mixes blocks that no term holds together (the tree and the path are named), a sum
        could leave the range of int32, or an architecture could leave the domain of the link.
    """
    terms = checked_terms(terms, space)
    return ensemble_of(
        forests,
        partial(_compile_member, terms=terms),
        link=link,
        mean=mean,
        std=std,
        labels_standardised=labels_standardised,
        terms=terms,
    )


def checked_terms(terms: Terms | None, space: SearchSpace) -> Terms:
    """Return terms of that space: those given, or all pairs of blocks, or the only block."""
    if terms is None:
        return Terms.of_order(space, min(2, space.n_blocks))
    if terms.space != space:
        msg = f"the terms are of search space {terms.space.name!r}, not of {space.name!r}"
        raise CompileError(msg)
    return terms


def ensemble_of(
    forests: Sequence[Forest],
    member: Member,
    *,
    link: Link,
    mean: float,
    std: float,
    labels_standardised: bool,
    terms: Terms,
) -> TableEnsemble:
    """Return the tables that `member` makes of each forest, once their sums are in range."""
    if not forests:
        msg = "an ensemble needs at least one member"
        raise CompileError(msg)
    unit = 1.0 if labels_standardised else std
    columns = []
    for number, forest in enumerate(forests):
        base = forest.base_score if labels_standardised else forest.base_score - mean
        try:
            columns.append(member(forest, unit, base))
        except CompileError as error:
            msg = f"member {number}: {error}"
            raise CompileError(msg) from None
    entries = np.ascontiguousarray(np.stack(columns, axis=1))
    scale = math.ldexp(std, -FRACTION_BITS)
    ensemble = TableEnsemble(terms.space, entries, scale, mean, link, terms)
    check_range(ensemble)
    check_domain(ensemble)
    return ensemble


def _compile_member(forest: Forest, unit: float, base: float, *, terms: Terms) -> NDArray[np.int32]:
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

    @cache
    def whole(blocks: Term) -> list[Part]:
        place = terms.covering(blocks)
        return [] if place is None else [Part(blocks, place, 1)]

    sums = Sums(terms, whole)
    for leaves in leaves_of(forest, terms.space):
        _refuse_mixed(forest, leaves, terms)
        sums.add(leaves, forest.value[leaves.node].astype(np.float64) * units)
    sums.add_constant(round(base * units))
    return rounded(sums.entries(), _ACCUMULATOR_BITS)


def _refuse_mixed(forest: Forest, leaves: Leaves, terms: Terms) -> None:
    """Refuse leaves whose blocks no term holds together, and describe the first of them."""
    kinds, kind = leaves.kinds
    mixed = np.array([terms.covering(blocks) is None for blocks in kinds])
    if not mixed.any():
        return
    leaf = int(np.flatnonzero(mixed[kind])[0])
    tree, node = int(leaves.tree[leaf]), int(leaves.node[leaf])
    names = ", ".join(terms.space.blocks[block].name for block in kinds[kind[leaf]])
    path = _path(forest, terms.space, tree, node)
    if terms == checked_terms(None, terms.space):
        msg = (
            f"tree {tree} mixes more than two blocks ({names}) on the path {path}; train with "
            "interaction constraints over pairs of blocks (anb-export train --recipe compact), "
            "convert the model in tree form (anb-export convert), or approximate it by tables "
            "(anb-export project)"
        )
    else:
        msg = (
            f"tree {tree} mixes blocks that no term holds together ({names}) on the path {path}; "
            f"the terms are {show(terms.to_list())}; train with interaction constraints over "
            "them, or convert the model in tree form (anb-export convert)"
        )
    raise CompileError(msg)


def _path(forest: Forest, space: SearchSpace, tree: int, node: int) -> str:
    """Return the conditions from a tree's root to a node in words."""
    root = int(forest.roots[tree])
    end = int(forest.roots[tree + 1]) if tree + 1 < forest.n_trees else forest.n_nodes
    parents = {}
    for parent in range(root, end):
        if forest.left[parent] >= 0:
            parents[int(forest.left[parent])] = parent, "<"
            parents[int(forest.right[parent])] = parent, ">="
    conditions = []
    while node != root:
        node, sign = parents[node]
        gene = space.gene_names[forest.feature[node]]
        conditions.append(f"{gene} {sign} {forest.threshold[node]:g}")
    return " and ".join(reversed(conditions))
