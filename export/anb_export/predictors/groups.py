"""Groups of features of blocks and of pairs of blocks: what a Gaussian process is a sum of.

Each group is an inner product of one-hot features of single blocks, or of pairs of blocks:

==========  ====================================================================================
count       operation counts (multiply-adds, weights, ...), where the space's layers are published
shared      for each choice of each kind of gene, how many blocks have it
value       for each gene whose choices are numbers, its choice, from 0 to 1
gene        for each choice of each gene, whether it is there
block       for each symbol of each block, whether it is there
gene pair   for each two choices of genes of different blocks, whether both are there
pair        for each two symbols of different blocks, whether both are there
==========  ====================================================================================

So whatever is linear in them is a sum of tables over blocks and pairs of blocks, exactly. In a
space of one gene a block, ``gene`` and ``gene pair`` are ``block`` and ``pair``, and left out.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from itertools import combinations

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from anb_onnx.encoding.encoding import codes_to_symbols
from anb_onnx.few_shot.counts import counts_of
from anb_onnx.few_shot.effective import View
from anb_onnx.spaces.architecture import sample
from anb_onnx.spaces.space import SearchSpace
from anb_onnx.terms import Terms

Floats = NDArray[np.float64]

#: Random architectures over which groups are scaled: the mean square of each is 1.
_REFERENCE = 512


def kinds_of_choices(space: SearchSpace) -> tuple[tuple[str, ...], Floats]:
    """Return names, and which symbols of all blocks have each: float64 [symbols, n_kinds].

    Genes of different blocks are of one kind if their names differ in numbers only; the edges of a
    cell, whose names tell nodes, are.

    Examples
    --------
    >>> from anb_onnx import NASBENCH201
    >>> kinds_of_choices(NASBENCH201)[0]
    ('none', 'skip_connect', 'nor_conv_1x1', 'nor_conv_3x3', 'avg_pool_3x3')
    """
    columns: dict[tuple[str, object], list[int]] = {}
    start = 0
    for block in space.blocks:
        grid = np.indices([len(gene) for gene in block.genes]).reshape(len(block.genes), -1)
        for gene, codes in zip(block.genes, grid, strict=True):
            kind = re.sub(r"\d+", "#", gene.name)
            for code, choice in enumerate(gene.choices):
                rows = (start + np.flatnonzero(codes == code)).tolist()
                columns.setdefault((kind, choice), []).extend(rows)
        start += block.size
    found = np.zeros((start, len(columns)))
    for number, rows in enumerate(columns.values()):
        found[rows, number] = 1.0
    several = len({kind for kind, _ in columns}) > 1
    names = (f"{kind}={choice}" if several else str(choice) for kind, choice in columns)
    return tuple(names), found


@dataclass(frozen=True, eq=False)
class Group:
    """Features linear in the one-hot symbols of blocks, or of pairs of blocks.

    Attributes
    ----------
    name : str
    view : View
        How symbols are read.
    pairs : bool
        Whether of pairs.
    features : sparse array of float64, shape (entries of all blocks or pairs, p)
    offset : ndarray of float64, shape (p,)
        Subtracted: the mean over random architectures.
    """

    name: str
    view: View
    pairs: bool
    features: sparse.csr_array
    offset: Floats


class Groups:
    """All groups of a space.

    Parameters
    ----------
    space : SearchSpace
    views : tuple of View
        The groups are there for each of them.

    Attributes
    ----------
    groups : list of Group
    sizes : list of int
        Number of features of each group.
    """

    def __init__(self, space: SearchSpace, views: tuple[View, ...]) -> None:
        self.space, self.views = space, views
        self.pair_terms = Terms.of_order(space, 2) if space.n_blocks > 1 else None
        self.groups: list[Group] = []
        codes = sample(_REFERENCE, seed=0, space=space)
        symbols = codes_to_symbols(codes, space).astype(np.int64)
        for view in views:
            for name, pairs, features in self._made():
                self._add(name, view, pairs, sparse.csr_array(features), symbols)
        self.sizes = [group.features.shape[1] for group in self.groups]

    def _made(self) -> list[tuple[str, bool, sparse.csr_array | Floats]]:
        space = self.space
        genes = _genes(space)
        found: list[tuple[str, bool, sparse.csr_array | Floats]] = []
        counts = counts_of(space)
        if counts:
            found.append(("count", False, np.stack([np.concatenate(c.blocks) for c in counts], 1)))
        found.append(("shared", False, kinds_of_choices(space)[1]))
        values = _values(space)
        if values is not None:
            found.append(("value", False, values))
        several = max(len(block.genes) for block in space.blocks) > 1
        if several:
            found.append(("gene", False, genes))
        found.append(("block", False, sparse.identity(genes.shape[0], format="csr")))
        if self.pair_terms is not None:
            if several:
                found.append(("gene pair", True, _gene_pairs(space)))
            found.append(("pair", True, sparse.identity(self.pair_terms.n_entries, format="csr")))
        return found

    def _add(
        self,
        name: str,
        view: View,
        pairs: bool,
        features: sparse.csr_array,
        symbols: NDArray[np.int64],
    ) -> None:
        """Add a group, scaled to mean square 1: as a whole, or its columns alike."""
        at = self._one_hot(view.of(symbols), pairs) @ features
        mean = np.asarray(at.mean(axis=0)).ravel()
        if name in ("count", "value"):  # of different units
            deviation = np.asarray(at.todense()) - mean
            size = np.sqrt((deviation**2).mean(axis=0)) * np.sqrt(len(mean))
            features = sparse.csr_array(features.multiply(1.0 / np.where(size > 0, size, 1.0)))
            mean = mean / np.where(size > 0, size, 1.0)
            offset = mean
        else:
            square = float((at.multiply(at)).sum() / len(symbols))
            features = sparse.csr_array(features * (1.0 / np.sqrt(square)))
            offset = np.zeros_like(mean)
        self.groups.append(Group(name, view, pairs, features, offset))

    def _one_hot(self, symbols: NDArray[np.int64], pairs: bool) -> sparse.csr_array:
        """Return a sparse array [N, entries]: which symbols, or pairs of symbols, are there."""
        n = len(symbols)
        if pairs:
            terms = self.pair_terms
            assert terms is not None
            columns, there = [], []
            for (a, b), shape, start in zip(
                terms.blocks, terms.shapes, terms.offsets[:-1], strict=True
            ):
                columns.append(start + symbols[:, a] * shape[1] + symbols[:, b])
                there.append((symbols[:, a] >= 0) & (symbols[:, b] >= 0))
            width = terms.n_entries
        else:
            starts = np.concatenate([[0], np.cumsum(self.space.block_sizes)])
            columns = list((symbols + starts[:-1]).T)
            there = list((symbols >= 0).T)
            width = int(starts[-1])
        keep = np.stack(there, axis=1)
        column = np.stack(columns, axis=1)[keep]
        rows = np.concatenate([[0], np.cumsum(keep.sum(axis=1))])
        return sparse.csr_array((np.ones(len(column)), column, rows), shape=(n, width))

    def matrices(self, codes: NDArray[np.uint8]) -> list[sparse.csr_array | Floats]:
        """Return the features of architectures, one matrix [N, p] for each group."""
        symbols = codes_to_symbols(codes, self.space).astype(np.int64)
        found: list[sparse.csr_array | Floats] = []
        hot: dict[tuple[str, bool], sparse.csr_array] = {}
        for group in self.groups:
            key = group.view.name, group.pairs
            if key not in hot:
                hot[key] = self._one_hot(group.view.of(symbols), group.pairs)
            at = hot[key] @ group.features
            # Only where it is not 0: the others stay sparse.
            found.append(np.asarray(at.todense()) - group.offset if group.offset.any() else at)
        return found

    def design(self, codes: NDArray[np.uint8], weights: Floats) -> sparse.csr_array:
        """Return all features side by side, each group times the root of its weight."""
        found = self.matrices(codes)
        scaled = [sparse.csr_array(m * np.sqrt(w)) for m, w in zip(found, weights, strict=True)]
        return sparse.csr_array(sparse.hstack(scaled, format="csr"))

    def tables(self, coefficients: Floats, weights: Floats) -> tuple[Terms, Floats]:
        """Return what is linear in `design` as tables.

        Parameters
        ----------
        coefficients : ndarray of float64, shape (p of all groups, M)
        weights : ndarray of float64, shape (n_groups,)
            As those of the design.

        Returns
        -------
        terms : Terms
            All pairs of blocks, or the block of a space of one.
        entries : ndarray of float64, shape (n_entries, M)
        """
        space = self.space
        terms = self.pair_terms or Terms.of_order(space, 1)
        starts = np.concatenate([[0], np.cumsum(space.block_sizes)])
        single = np.zeros((int(starts[-1]), coefficients.shape[1]))
        entries = np.zeros((terms.n_entries, coefficients.shape[1]))
        constant = np.zeros(coefficients.shape[1])
        begin = 0
        for group, weight in zip(self.groups, weights, strict=True):
            part = coefficients[begin : begin + group.features.shape[1]] * np.sqrt(weight)
            begin += len(part)
            if group.pairs:
                entries += group.features @ part
            else:
                single += group.features @ part
                constant -= group.offset @ part
        single[: starts[1]] += constant
        # Each block's own table goes into the first term that holds it.
        for block in range(space.n_blocks):
            number = next(k for k, term in enumerate(terms.blocks) if block in term)
            table = entries[terms.offsets[number] : terms.offsets[number + 1]]
            shape = terms.shapes[number]
            index = np.indices(shape)[terms.blocks[number].index(block)].ravel()
            table += single[starts[block] : starts[block + 1]][index]
        return terms, entries


@cache
def groups_of(space: SearchSpace, views: tuple[View, ...]) -> Groups:
    """Return the groups of a space, made once."""
    return Groups(space, views)


def _values(space: SearchSpace) -> Floats | None:
    """Return the choice of each gene of numbers, from 0 to 1: float64 [symbols, n]; None if none.

    Choices of one kind of gene have one scale, in all blocks.
    """
    columns, start, width = [], 0, sum(space.block_sizes)
    for block in space.blocks:
        grid = np.indices([len(gene) for gene in block.genes]).reshape(len(block.genes), -1)
        for gene, codes in zip(block.genes, grid, strict=True):
            if gene.kind != "int" or len(gene) < 2:
                continue
            choices = np.array(gene.choices, dtype=np.float64)
            column = np.zeros(width)
            column[start : start + block.size] = (
                (choices - choices.min()) / (choices.max() - choices.min())
            )[codes]
            columns.append(column)
        start += block.size
    return np.stack(columns, axis=1) if columns else None


def _genes(space: SearchSpace) -> sparse.csr_array:
    """Return which symbols of all blocks have each choice of each gene."""
    parts = []
    for block in space.blocks:
        sizes = [len(gene) for gene in block.genes]
        grid = np.indices(sizes).reshape(len(sizes), -1)
        parts.append(
            np.concatenate(
                [
                    codes[:, None] == np.arange(size)
                    for codes, size in zip(grid, sizes, strict=True)
                ],
                axis=1,
            ).astype(np.float64)
        )
    return sparse.csr_array(sparse.block_diag(parts, format="csr"))


def _gene_pairs(space: SearchSpace) -> sparse.csr_array:
    """Return which pairs of symbols have each two choices of genes of their two blocks."""
    ends = np.cumsum([0, *(sum(len(gene) for gene in block.genes) for block in space.blocks)])
    genes = _genes(space)
    starts = np.cumsum([0, *space.block_sizes])
    own = [
        genes[starts[b] : starts[b + 1], :][:, ends[b] : ends[b + 1]] for b in range(space.n_blocks)
    ]
    pairs = [sparse.kron(own[a], own[b]) for a, b in combinations(range(space.n_blocks), 2)]
    return sparse.csr_array(sparse.block_diag(pairs, format="csr"))
