"""Projects any ensemble of trees onto tables over terms, in closed form from the leaves.

Where the paths of trees mix more blocks than a term has, no tables over the terms equal them. The
closest ones, in the mean square over all architectures with equal weight, are the functional ANOVA
of the ensemble cut off after the interactions D that lie within some term: all subsets of the
terms. A leaf with value v that admits the symbols A_b of block b, a share p_b of them, is the
product of v and the indicators 1_b = 1[s_b in A_b] of the set B of blocks that its path narrows;
blocks are independent under the uniform measure, so its projection is

    v * sum over sets S in D, S within B, of
        product over b in S of (1_b - p_b)  *  product over b in B without S of p_b

(Sobol 1993; Hooker 2004), and the projection of a sum of leaves is the sum of theirs. Multiplied
out, that is

    v * sum over sets U in D, U within B, of
        c(U)  *  product over b in U of 1_b  *  product over b in B without U of p_b

    c(U) = sum over sets S in D with U within S within B of (-1)^(|S| - |U|)

with integers c(U) by inclusion and exclusion: the sum of c(W) over all W in D with U within W
within B is 1 for each U in D, and so c(U) is 1 for the largest sets of D within B, and 0 for all
others but their intersections. For all pairs of blocks, and m blocks in B, c is 1 for pairs, 2 - m
for single blocks, and (m - 1)(m - 2)/2 for none.

Nothing is sampled and nothing fitted. Where some term holds B, the projection of the leaf is the
leaf itself: what `anb_export.tables.compile` compiles comes out the same here, to the bit.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cache, partial

import numpy as np
from numpy.typing import NDArray

from anb_export.models.forest import Forest
from anb_export.tables.bounds import largest_sum
from anb_export.tables.compile import checked_terms, ensemble_of
from anb_export.tables.fixed_point import FRACTION_BITS, CompileError, rounded
from anb_export.tables.leaves import Part, Split, Sums, leaves_of
from anb_onnx.links import Link
from anb_onnx.spaces.space import SearchSpace
from anb_onnx.tables import TableEnsemble
from anb_onnx.terms import Term, Terms

#: Fixed point while leaves are accumulated, where the range allows it, and the coarsest allowed.
_ACCUMULATOR_BITS, _FEWEST_BITS = 50, 40


def project_tables(
    forests: Sequence[Forest],
    *,
    link: Link,
    mean: float,
    std: float,
    labels_standardised: bool = True,
    space: SearchSpace,
    terms: Terms | None = None,
) -> TableEnsemble:
    """Return the projection of every member onto the interactions within terms.

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
    terms : Terms, optional
        Of that space; all pairs of blocks unless given.

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
    terms = checked_terms(terms, space)
    return ensemble_of(
        forests,
        partial(_project_member, terms=terms, split=_splitting(terms)),
        link=link,
        mean=mean,
        std=std,
        labels_standardised=labels_standardised,
        terms=terms,
    )


def _splitting(terms: Terms) -> Split:
    """Return what tells the parts of a leaf's projection."""
    covering = cache(terms.covering)

    @cache
    def split(blocks: Term) -> list[Part]:
        parts = []
        for kept, factor in moebius(blocks, terms).items():
            place = covering(kept)
            assert place is not None  # it lies within a term
            parts.append(Part(kept, place, factor))
        return parts

    return split


def moebius(blocks: Term, terms: Terms) -> dict[Term, int]:
    """Return c(U) for leaves that narrow these blocks, where it is not 0; see the module."""
    # Sets as bits: a space of many blocks has leaves of ten thousands of sets of them.
    bits = _bits(blocks)
    within = {bits & mask for mask in map(_bits, terms.blocks)}
    largest = [top for top in within if sum(top & other == top for other in within) == 1]
    closed: set[int] = set()  # all intersections of the largest
    for top in largest:
        closed |= {top & other for other in closed} | {top}
    factors: dict[int, int] = {}
    for kept in sorted(closed, key=int.bit_count, reverse=True):
        factors[kept] = 1 - sum(c for other, c in factors.items() if kept & other == kept)
    return {tuple(b for b in blocks if kept >> b & 1): c for kept, c in factors.items() if c}


@cache
def _bits(blocks: Term) -> int:
    return sum(1 << block for block in blocks)


def _project_member(
    forest: Forest, unit: float, base: float, *, terms: Terms, split: Split
) -> NDArray[np.int32]:
    bits = _accumulator_bits(forest, unit, base, terms, split)
    units = math.ldexp(1.0, bits) / unit
    entries = _summed(forest, base, units, terms, split)
    if largest_sum(entries, terms) >> (bits - FRACTION_BITS) >= 2**31:
        # Some tree holds an offset many standard deviations large, as the first one of LightGBM
        # does: the parts of its leaves are large, and cancel only in their sum.
        centres = _means(forest, units, terms.space)
        entries = _summed(forest, base, units, terms, split, centres)
    return rounded(entries, bits)


def _summed(
    forest: Forest,
    base: float,
    units: float,
    terms: Terms,
    split: Split,
    centres: NDArray[np.float64] | None = None,
) -> NDArray[np.int64]:
    """Return the sums of all leaves, each less its tree's centre, and of all centres."""
    sums = Sums(terms, split)
    for leaves in leaves_of(forest, terms.space):
        amount = forest.value[leaves.node].astype(np.float64) * units
        sums.add(leaves, amount if centres is None else amount - centres[leaves.tree])
    offset = 0 if centres is None else sum(map(int, centres.tolist()))
    sums.add_constant(round(base * units) + offset)
    return sums.entries()


def _means(forest: Forest, units: float, space: SearchSpace) -> NDArray[np.float64]:
    """Return each tree's mean over the space, as a whole number: float64 [n_trees]."""
    means = np.zeros(forest.n_trees)
    for leaves in leaves_of(forest, space):
        weighted = forest.value[leaves.node] * leaves.volume
        means += np.bincount(leaves.tree, weighted, forest.n_trees)
    return np.rint(means * units)


def _accumulator_bits(forest: Forest, unit: float, base: float, terms: Terms, split: Split) -> int:
    """Return the finest fixed point at which no sum can leave int64.

    Every table the leaves of a tree are summed into holds conditional means of the tree, times
    factors of its parts: no entry exceeds the tree's largest leaf times those factors.
    """
    largest = np.maximum.reduceat(np.abs(forest.value.astype(np.float64)), forest.roots).sum()
    factor = _largest_factor(forest, terms, split)
    worst = (factor * float(largest) + abs(base)) / unit
    bits = min(_ACCUMULATOR_BITS, 61 - math.frexp(worst)[1]) if math.isfinite(worst) else 0
    if bits < _FEWEST_BITS:
        msg = (
            f"the largest leaves of all trees add up to {largest / unit:.3g} standard deviations; "
            f"allowed are about {2.0 ** (61 - _FEWEST_BITS) / factor:.0f}"
        )
        raise CompileError(msg)
    return bits


def _largest_factor(forest: Forest, terms: Terms, split: Split) -> int:
    """Return what the factors of the different parts in a table add up to at most."""
    kinds = {blocks for leaves in leaves_of(forest, terms.space) for blocks in leaves.kinds[0]}
    factors: dict[int, dict[Term, int]] = {}
    for blocks in kinds:
        for part in split(blocks):
            of_term = factors.setdefault(part.term, {})
            of_term[part.blocks] = max(of_term.get(part.blocks, 0), abs(part.factor))
    return max(sum(of_term.values()) for of_term in factors.values())
