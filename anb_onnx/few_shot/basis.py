"""The prior over a device's time: sums of tables, in groups of similar size.

The time of an architecture on an unknown device is taken to be

    t(a) / scale = m(a) + g_1(a) + g_2(a) + ...

with m the mean of the source devices, each divided by its own mean over random architectures, and
independent Gaussian groups of deviations:

=========  ====================================================================================
const      a constant: overhead that every architecture has
slope      a multiple of m - 1: a device that is more, or less, sensitive than the sources' mean
src        a multiple of each source's deviation from m: the span of the source devices
cnt        a multiple of the deviation of each operation count (MACs, weights, ...) from m
shared     for each choice of a gene, the number of blocks that have it: one effect for all blocks
work       for each choice of a gene, the operation counts of the blocks that have it
pb         a multiple of each count of each block
blk        a number of its own for every symbol of every block
pair       a number of its own for every pair of symbols of every pair of blocks
=========  ====================================================================================

Each group is scaled so that its standard deviation over random architectures is that of m, the
*spread*. What is left are the groups' weights, dimensionless and much the same from device to
device; `anb_onnx.few_shot.posterior` averages over them. As every group is an inner product of
one-hot features of at most two blocks (or of a source's term), what it learns is a sum of tables.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from anb_onnx.encoding.encoding import codes_to_symbols
from anb_onnx.few_shot.counts import Count, counts_of
from anb_onnx.few_shot.effective import Symbols, View, views_of
from anb_onnx.few_shot.sources import (
    WHOLE,
    SourceTable,
    TermTables,
    Values,
    all_symbols,
    whole_terms,
)
from anb_onnx.spaces.architecture import sample
from anb_onnx.spaces.space import SearchSpace
from anb_onnx.terms import Terms

#: The groups, in the order of every array of weights.
GROUPS = ("const", "slope", "src", "cnt", "shared", "work", "pb", "blk", "pair")
_BLK, _PAIR = GROUPS.index("blk"), GROUPS.index("pair")

#: Random architectures over which groups are scaled.
_REFERENCE = 2048

#: Most entries of all pairs of blocks; beyond it a space has single blocks and its sources' terms.
_MOST_PAIRS = 2**18

#: Standard deviation, relative to a mean, of what varies by rounding only.
_NOTHING = 1e-9

#: Spread of a device's time where no source and no count tells it.
_SPREAD = 0.3


@dataclass(frozen=True, eq=False)
class Linear:
    """A group of features that are tables themselves.

    Attributes
    ----------
    terms : float64 array [n_entries, p] or None
        Tables over the basis' terms.
    blocks : float64 array [symbols of all blocks, p] or None
        Tables over single blocks, of the symbols that a view takes for run.
    offset : float64 array [p]
        Subtracted, so that the mean over random architectures is 0.
    """

    terms: Values | None
    blocks: Values | None
    offset: Values

    @property
    def size(self) -> int:
        """Number of features p."""
        return len(self.offset)


class Basis:
    """The groups of a space with its sources, as one view of it sees architectures.

    Parameters
    ----------
    space : SearchSpace
    sources : sequence of SourceTable
        May be empty.
    view : View
    counts : sequence of Count, optional
        Those of `counts_of` if not given.

    Attributes
    ----------
    terms : Terms
        Over which every sum of groups is a sum of tables.
    spread : float
        Standard deviation of m over random architectures; its mean is 1.
    reference : int64 array [n, n_blocks]
        Symbols of the random architectures.
    """

    def __init__(
        self,
        space: SearchSpace,
        sources: Sequence[SourceTable],
        view: View,
        counts: Sequence[Count] | None = None,
    ) -> None:
        self.space, self.view = space, view
        self.whole = space.size <= WHOLE
        self.terms = _terms(space, sources)
        codes = sample(_REFERENCE, seed=0, space=space)
        self.reference = codes_to_symbols(codes, space).astype(np.int64)
        counts = counts_of(space) if counts is None else counts
        self._block_starts = np.concatenate([[0], np.cumsum(space.block_sizes)])[:-1]
        self._effective = view.of(self.reference)
        self._build(sources, counts)

    def _build(self, sources: Sequence[SourceTable], counts: Sequence[Count]) -> None:
        """Scale sources and counts, and set up the groups."""
        space = self.space
        tables = np.stack([_on(self.terms, s) for s in sources], axis=1) if sources else None
        if tables is not None:
            tables = tables / self.sums(tables, self.reference).mean(axis=0)
        block_counts = [np.concatenate(count.blocks) for count in counts]
        total = np.array([count.rest for count in counts])
        stacked = np.stack(block_counts, axis=1) if counts else None
        if stacked is not None:
            size = self.block_sums(stacked, self._effective).mean(axis=0) + total
            stacked = stacked / size
        # The mean of the sources; without any, that of the counts; without those, a constant.
        self._mean_terms = tables.mean(axis=1, keepdims=True) if tables is not None else None
        no_source = tables is None and stacked is not None
        self._mean_blocks = stacked.mean(axis=1, keepdims=True) if no_source else None  # type: ignore[union-attr]
        self._mean_shift = 0.0
        raw = self._raw_mean(self.reference, self._effective)
        self._mean_shift = 1.0 - float(raw.mean())
        m = raw + self._mean_shift
        self.spread = float(m.std()) if m.std() > _NOTHING else _SPREAD
        self.linear: dict[str, Linear] = {}
        if self._mean_terms is not None or self._mean_blocks is not None:
            self._add("slope", self._mean_terms, self._mean_blocks)
        if tables is not None and tables.shape[1] > 1:
            self._add("src", tables - self._mean_terms, None)
        if stacked is not None:
            less = (
                None
                if self._mean_terms is None
                else -np.repeat(self._mean_terms, stacked.shape[1], 1)
            )
            self._add("cnt", less, stacked)
            self._add("pb", None, _of_each_block(space, stacked))
        choices = _choices(space)
        self._add("shared", None, choices)
        if stacked is not None:
            of_each = [choices * stacked[:, [count]] for count in range(stacked.shape[1])]
            self._add("work", None, np.concatenate(of_each, axis=1))

    def _add(self, name: str, terms: Values | None, blocks: Values | None) -> None:
        """Add a group, scaled to the spread."""
        group = Linear(terms, blocks, np.zeros((terms if terms is not None else blocks).shape[1]))  # type: ignore[union-attr]
        features = self._features(group, self.reference, self._effective)
        middle = features.mean(axis=0)
        size = float(np.sqrt(((features - middle) ** 2).sum(axis=1).mean()))
        if size <= _NOTHING:
            return
        factor = self.spread / size
        self.linear[name] = Linear(
            None if terms is None else terms * factor,
            None if blocks is None else blocks * factor,
            middle * factor,
        )

    def sums(self, tables: Values, symbols: Symbols) -> Values:
        """Sum tables [n_entries, p] for architectures: [N, p]."""
        total = np.zeros((len(symbols), tables.shape[1]))
        terms = self.terms
        for term, shape, start in zip(terms.blocks, terms.shapes, terms.offsets[:-1], strict=True):
            index = symbols[:, term[0]]
            for block, size in zip(term[1:], shape[1:], strict=True):
                index = index * size + symbols[:, block]
            total += tables.take(start + index, axis=0)
        return total

    def block_sums(self, tables: Values, effective: Symbols) -> Values:
        """Sum tables over single blocks [symbols, p] for architectures: [N, p]."""
        total = np.zeros((len(effective), tables.shape[1]))
        for block, start in enumerate(self._block_starts):
            total += tables.take(start + effective[:, block], axis=0)
        return total

    def _features(self, group: Linear, symbols: Symbols, effective: Symbols) -> Values:
        found = -np.repeat(group.offset[None], len(symbols), axis=0)
        if group.terms is not None:
            found += self.sums(group.terms, symbols)
        if group.blocks is not None:
            found += self.block_sums(group.blocks, effective)
        return found

    def _raw_mean(self, symbols: Symbols, effective: Symbols) -> Values:
        found = np.full(len(symbols), self._mean_shift)
        if self._mean_terms is not None:
            found += self.sums(self._mean_terms, symbols)[:, 0]
        if self._mean_blocks is not None:
            found += self.block_sums(self._mean_blocks, effective)[:, 0]
        return found

    @cached_property
    def everything(self) -> Points:
        """All architectures of a space that is tabulated whole, in order of their indices."""
        return self.at(all_symbols(self.space))

    def at(self, symbols: Symbols) -> Points:
        """Return what the groups need to know of architectures, int64 [N, n_blocks]."""
        effective = self.view.of(symbols)
        linear = {
            name: self._features(group, symbols, effective) for name, group in self.linear.items()
        }
        return Points(self._raw_mean(symbols, effective), linear, effective)

    @cached_property
    def _one_hot(self) -> tuple[float, float]:
        """Factors of the groups `blk` and `pair`: their variance over random ones is spread^2."""
        sizes = self.space.block_sizes
        single = sum(1 - 1 / n for n in sizes)
        pair = sum(1 - 1 / (a * b) for a, b in combinations(sizes, 2))
        square = self.spread**2
        # A source may bring a few pairs where there are too many for all to have tables.
        couples = combinations(range(len(sizes)), 2)
        has_pairs = self.whole or all(self.terms.covering(c) is not None for c in couples)
        return square / (single or 1.0), (square / pair if pair and has_pairs else 0.0)

    def grams(self, a: Points, b: Points) -> NDArray[np.float64]:
        """Return the kernel of each group between architectures: float64 [9, len(a), len(b)]."""
        grams = np.zeros((len(GROUPS), len(a.mean), len(b.mean)))
        grams[0] = 1.0
        for name in self.linear:
            grams[GROUPS.index(name)] = a.linear[name] @ b.linear[name].T
        same = np.zeros(grams.shape[1:])
        for block in range(self.space.n_blocks):
            same += a.effective[:, block][:, None] == b.effective[:, block][None, :]
        single, pair = self._one_hot
        grams[_BLK] = same * single
        grams[_PAIR] = same * (same - 1) / 2 * pair
        return grams

    def function(self, points: Points, weights: Values) -> Function:
        """Return sum over groups c and points i of weights[c, i] * kernel_c(., point i).

        Parameters
        ----------
        points : Points
            k architectures.
        weights : float64 array [9, k]
        """
        found = Function(self)
        found.add_points(points, weights)
        return found

    def draw(self, rng: np.random.Generator, variances: Values) -> Function:
        """Return a random function of the prior whose groups have these weights [9]."""
        found = Function(self)
        roots = np.sqrt(variances)
        found.const = float(rng.standard_normal() * roots[0])
        for name, group in self.linear.items():
            found.linear[name] = rng.standard_normal(group.size) * roots[GROUPS.index(name)]
        single, pair = np.sqrt(self._one_hot)
        sizes = self.space.block_sizes
        found.blocks = rng.standard_normal(sum(sizes)) * (roots[_BLK] * single)
        if pair * roots[_PAIR] > 0:
            found.pairs = {
                (a, b): rng.standard_normal((sizes[a], sizes[b])) * (roots[_PAIR] * pair)
                for a, b in combinations(range(len(sizes)), 2)
            }
        return found


@dataclass(frozen=True, eq=False)
class Points:
    """Architectures as the groups see them: m [N], features by group, symbols that are run."""

    mean: Values
    linear: dict[str, Values]
    effective: Symbols

    def some(self, part: slice) -> Points:
        """Return some of them."""
        linear = {name: features[part] for name, features in self.linear.items()}
        return Points(self.mean[part], linear, self.effective[part])


class Function:
    """A sum of the groups: one number for each feature, and with them a table for each term."""

    def __init__(self, basis: Basis) -> None:
        self.basis = basis
        self.const = 0.0
        self.linear = {name: np.zeros(group.size) for name, group in basis.linear.items()}
        self.blocks = np.zeros(sum(basis.space.block_sizes))
        self.pairs: dict[tuple[int, int], Values] = {}

    def add_points(self, points: Points, weights: Values) -> None:
        """Add the kernels of points: what an observation of them teaches."""
        basis = self.basis
        self.const += float(weights[0].sum())
        for name, features in points.linear.items():
            self.linear[name] += weights[GROUPS.index(name)] @ features
        single, pair = basis._one_hot
        rows = points.effective + basis._block_starts[None, :]
        np.add.at(self.blocks, rows, (weights[_BLK] * single)[:, None])
        if pair > 0 and weights[_PAIR].any():
            sizes = basis.space.block_sizes
            for a, b in combinations(range(len(sizes)), 2):
                table = self.pairs.setdefault((a, b), np.zeros((sizes[a], sizes[b])))
                cells = (points.effective[:, a], points.effective[:, b])
                np.add.at(table, cells, weights[_PAIR] * pair)

    def at(self, points: Points) -> Values:
        """Return the function's values, float64 [N]."""
        found = np.full(len(points.mean), self.const)
        for name, features in points.linear.items():
            found += features @ self.linear[name]
        for block, start in enumerate(self.basis._block_starts):
            found += self.blocks[start + points.effective[:, block]]
        for (a, b), table in self.pairs.items():
            found += table[points.effective[:, a], points.effective[:, b]]
        return found

    def entries(self, mean: float = 0.0) -> Values:
        """Return the function plus `mean` times m as tables of the basis' terms: [n_entries]."""
        basis = self.basis
        if basis.whole:
            points = basis.everything
            return self.at(points) + mean * points.mean
        entries = np.zeros(basis.terms.n_entries)
        blocks = self.blocks.copy()
        constant = self.const + mean * basis._mean_shift
        for name, group in basis.linear.items():
            weights = self.linear[name]
            constant -= float(group.offset @ weights)
            if group.terms is not None:
                entries += group.terms @ weights
            if group.blocks is not None:
                blocks += group.blocks @ weights
        if basis._mean_terms is not None:
            entries += mean * basis._mean_terms[:, 0]
        if basis._mean_blocks is not None:
            blocks += mean * basis._mean_blocks[:, 0]
        tables = TermTables(basis.terms, entries)
        tables.add(None, constant)
        for block, (start, size) in enumerate(
            zip(basis._block_starts, basis.space.block_sizes, strict=True)
        ):
            tables.add((block,), blocks[start : start + size])
        for pair, table in self.pairs.items():
            tables.add(pair, table)
        return entries


def bases_of(
    space: SearchSpace, sources: Sequence[SourceTable], counts: Sequence[Count] | None = None
) -> tuple[Basis, ...]:
    """Return a basis for each view of a space."""
    return tuple(Basis(space, sources, view, counts) for view in views_of(space))


def _terms(space: SearchSpace, sources: Sequence[SourceTable]) -> Terms:
    """Return terms that hold all pairs of blocks, or all single ones, and those of the sources."""
    if space.size <= WHOLE:
        return whole_terms(space)
    sizes = space.block_sizes
    pairs = sum(a * b for a, b in combinations(sizes, 2))
    order = 2 if len(sizes) > 1 and pairs <= _MOST_PAIRS else 1
    blocks = list(Terms.of_order(space, order).blocks)
    wanted = {term for source in sources for term in source.terms.blocks}
    for term in sorted(wanted, key=lambda t: (-len(t), t)):
        if not any(set(term) <= set(there) for there in blocks):
            blocks.append(term)
    # A block of its own is held by any pair.
    kept = [t for t in blocks if not any(set(t) < set(other) for other in blocks)]
    return Terms(space, tuple(sorted(kept, key=lambda t: (len(t), t))))


def _on(terms: Terms, source: SourceTable) -> Values:
    """Return a source's entries on terms that hold all of its own."""
    if source.terms == terms:
        return source.entries.astype(np.float64)
    entries = np.zeros(terms.n_entries)
    tables = TermTables(terms, entries)
    offsets = source.terms.offsets
    for k, (term, shape) in enumerate(zip(source.terms.blocks, source.terms.shapes, strict=True)):
        tables.add(term, source.entries[offsets[k] : offsets[k + 1]].reshape(shape))
    return entries


def _of_each_block(space: SearchSpace, stacked: Values) -> Values:
    """Return one column for each count of each block: float64 [symbols, n_blocks * n_counts]."""
    sizes = space.block_sizes
    found = np.zeros((len(stacked), len(sizes) * stacked.shape[1]))
    start = 0
    for block, size in enumerate(sizes):
        columns = slice(block * stacked.shape[1], (block + 1) * stacked.shape[1])
        found[start : start + size, columns] = stacked[start : start + size]
        start += size
    return found


def _choices(space: SearchSpace) -> Values:
    """Return one column for each choice of each kind of gene: float64 [symbols, p].

    Genes of different blocks are of one kind if their names differ in numbers only and their
    choices are the same, or one's begin with the other's: ``block0_e`` and ``block1_e``.
    """
    columns: dict[tuple[str, object], list[int]] = {}
    start = 0
    for block in space.blocks:
        codes = np.stack(np.unravel_index(np.arange(block.size), [len(g) for g in block.genes]), 1)
        for gene, column in zip(block.genes, codes.T, strict=True):
            kind = re.sub(r"\d+", "#", gene.name)
            for code, choice in enumerate(gene.choices):
                rows = (start + np.flatnonzero(column == code)).tolist()
                columns.setdefault((kind, choice), []).extend(rows)
        start += block.size
    found = np.zeros((start, len(columns)))
    for number, rows in enumerate(columns.values()):
        found[rows, number] = 1.0
    return found
