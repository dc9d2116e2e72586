"""The few-shot prior by explicit features, and small spaces with source devices, for tests.

Written from the description of the groups in `anb_onnx.few_shot.basis`, not from its code: every
group is a matrix of features of every architecture, every kernel a product of two such matrices.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import combinations, product

import numpy as np
from numpy.typing import NDArray

from anb_onnx.few_shot.basis import GROUPS
from anb_onnx.few_shot.counts import Count
from anb_onnx.few_shot.sources import SourceTable
from anb_onnx.spaces.space import Block, Gene, SearchSpace
from anb_onnx.terms import Terms

Values = NDArray[np.float64]
Symbols = NDArray[np.int64]

#: 4 * 6 * 3 * 2 architectures; `block0_e` and `block1_e` are of one kind.
SMALL = SearchSpace(
    "small",
    (
        Block("b0", (Gene("block0_e", (1, 3)), Gene("block0_k", (3, 5)))),
        Block("b1", (Gene("block1_e", (1, 3, 6)), Gene("block1_k", (3, 5)))),
        Block("b2", (Gene("op", ("skip", "conv", "pool")),)),
        Block("b3", (Gene("gate", (False, True)),)),
    ),
)


def everything(space: SearchSpace) -> Symbols:
    """Return the symbols of all architectures."""
    return np.array(list(product(*(range(n) for n in space.block_sizes))), np.int64)


def random_source(space: SearchSpace, seed: int, order: int = 2) -> SourceTable:
    """Return a device whose time is a sum of random positive tables."""
    rng = np.random.default_rng(seed)
    terms = Terms.of_order(space, order)
    return SourceTable(f"source{seed}", terms, 1.0 + rng.gamma(2.0, size=terms.n_entries))


def random_counts(space: SearchSpace, seed: int) -> tuple[Count, ...]:
    """Return two counts with random tables."""
    rng = np.random.default_rng(seed)
    return tuple(
        Count(name, tuple(rng.gamma(1.0, size=n) * 100 for n in space.block_sizes), 50.0)
        for name in ("macs", "weights")
    )


def sum_of(terms: Terms, entries: Values, symbols: Symbols) -> Values:
    """Sum tables architecture by architecture, in float64."""
    found = []
    for row in symbols:
        total = 0.0
        for term, shape, start in zip(terms.blocks, terms.shapes, terms.offsets[:-1], strict=True):
            table = entries[start : start + int(np.prod(shape))].reshape(shape)
            total += float(table[tuple(row[list(term)])])
        found.append(total)
    return np.array(found)


class Dense:
    """Features of all groups, for any architectures."""

    def __init__(
        self,
        space: SearchSpace,
        sources: Sequence[SourceTable],
        counts: Sequence[Count],
        reference: Symbols,
        view: Callable[[Symbols], Symbols] = lambda symbols: symbols,
    ) -> None:
        self.space, self.sources, self.counts, self.view = space, sources, counts, view
        self.size: dict[str, tuple[Values, float]] = {}
        self._grams: dict[tuple[bytes, bytes], Values] = {}
        self.means: tuple[Values, Values] = np.ones(0), np.ones(0)
        times, counted, _ = self._raw(reference)
        self.means = times.mean(axis=0), counted.sum(axis=2).mean(axis=0)
        self.spread = float(self.mean(reference).std())
        for name, features in self._unscaled(reference).items():
            middle = features.mean(axis=0)
            size = np.sqrt(((features - middle) ** 2).sum(axis=1).mean())
            self.size[name] = middle, self.spread / size

    def _raw(self, symbols: Symbols) -> tuple[Values, Values, Values]:
        """Return times [N, S], counts [N, C, n_blocks + 1] and codes [N, n_genes]."""
        run = self.view(symbols)
        times = np.zeros((len(symbols), len(self.sources)))
        for k, source in enumerate(self.sources):
            times[:, k] = sum_of(source.terms, source.entries, symbols)
        counted = np.zeros((len(symbols), len(self.counts), self.space.n_blocks + 1))
        for k, count in enumerate(self.counts):
            for b, table in enumerate(count.blocks):
                counted[:, k, b] = table[run[:, b]]
            counted[:, k, -1] = count.rest
        codes = [
            np.stack(np.unravel_index(run[:, b], [len(g) for g in block.genes]), axis=1)
            for b, block in enumerate(self.space.blocks)
        ]
        return times, counted, np.concatenate(codes, axis=1).astype(np.float64)

    def mean(self, symbols: Symbols) -> Values:
        """Return m: the mean of the sources, else of the counts, each in its own mean."""
        times, counted, _ = self._raw(symbols)
        if self.sources:
            return np.asarray((times / self.means[0]).mean(axis=1))
        return np.asarray((counted.sum(axis=2) / self.means[1]).mean(axis=1))

    def _unscaled(self, symbols: Symbols) -> dict[str, Values]:
        times, counted, codes = self._raw(symbols)
        m = self.mean(symbols)[:, None]
        found = {"slope": m}
        if len(self.sources) > 1:
            found["src"] = times / self.means[0] - m
        per_block = counted[:, :, :-1] / self.means[1][None, :, None]
        total = counted.sum(axis=2) / self.means[1]
        found["cnt"] = total - m if self.sources else total
        found["pb"] = per_block.reshape(len(symbols), -1)
        kinds: dict[tuple[str, object], list[tuple[int, int, int]]] = {}
        genes = [(b, g) for b, block in enumerate(self.space.blocks) for g in block.genes]
        for column, (block, gene) in enumerate(genes):
            kind = "".join("#" if c.isdigit() else c for c in gene.name)
            for code, choice in enumerate(gene.choices):
                kinds.setdefault((kind, choice), []).append((block, column, code))
        has = np.zeros((len(symbols), len(kinds), self.space.n_blocks))
        for number, places in enumerate(kinds.values()):
            for block, column, code in places:
                has[:, number, block] += codes[:, column] == code
        found["shared"] = has.sum(axis=2)
        work = np.einsum("nkb,ncb->nkc", has, per_block)
        found["work"] = work.reshape(len(symbols), -1)
        return found

    def features(self, symbols: Symbols) -> list[Values]:
        """Return the features of each group, in the order of `GROUPS`."""
        found = {
            name: (f - self.size[name][0]) * self.size[name][1]
            for name, f in self._unscaled(symbols).items()
        }
        found["const"] = np.ones((len(symbols), 1))
        sizes, run = self.space.block_sizes, self.view(symbols)
        hot = [np.eye(n)[run[:, b]] for b, n in enumerate(sizes)]
        single = sum(1 - 1 / n for n in sizes)
        found["blk"] = np.concatenate(hot, axis=1) * (self.spread / np.sqrt(single))
        couples = list(combinations(range(len(sizes)), 2))
        if couples:
            pair = sum(1 - 1 / (sizes[a] * sizes[b]) for a, b in couples)
            both = [np.einsum("na,nb->nab", hot[a], hot[b]) for a, b in couples]
            flat = np.concatenate([t.reshape(len(symbols), -1) for t in both], axis=1)
            found["pair"] = flat * (self.spread / np.sqrt(pair))
        empty = np.zeros((len(symbols), 1))
        return [found.get(name, empty) for name in GROUPS]

    def kernel(self, variances: Values, a: Symbols, b: Symbols) -> Values:
        """Return the covariance of the times of architectures in one setting."""
        key = a.tobytes(), b.tobytes()
        if key not in self._grams:
            pairs = zip(self.features(a), self.features(b), strict=True)
            self._grams[key] = np.stack([x @ y.T for x, y in pairs])
        return np.asarray(np.tensordot(variances, self._grams[key], 1))
