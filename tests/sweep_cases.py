"""Ensembles to sweep, small enough to ask of every architecture what it is."""

from __future__ import annotations

from itertools import combinations
from pathlib import Path
from random import Random

import numpy as np
from numpy.typing import NDArray

import anb_onnx
from anb_onnx import MNASNET, Block, Gene, Link, SearchSpace, Terms
from anb_onnx.links import POWERS
from anb_onnx.regimes import Hinge, Regime
from anb_onnx.sweep import Grid, Shards
from anb_onnx.sweep.kernel import Counts
from anb_onnx.tables import TableEnsemble

#: Shards of the three last blocks of MnasNet.
SMALL = Shards(MNASNET, 36 * 48 * 36)


def tables(target: str, folder: Path | None = None) -> TableEnsemble:
    ensemble = anb_onnx.load(target, path=folder, engine="numpy")._ensemble
    assert ensemble is not None
    return ensemble


def space_of(*sizes: int) -> SearchSpace:
    """Return a space of blocks of one gene each."""
    blocks = (
        Block(f"b{k}", (Gene(f"g{k}", tuple(range(size))),)) if size <= 256 else large(k, size)
        for k, size in enumerate(sizes)
    )
    return SearchSpace("small", tuple(blocks))


def large(number: int, size: int) -> Block:
    """Return a block of more symbols than a gene has choices."""
    assert size % 60 == 0
    parts = (tuple(range(size // 60)), tuple(range(60)))
    return Block(f"b{number}", tuple(Gene(f"g{number}.{k}", p) for k, p in enumerate(parts)))


def symbols_of(space: SearchSpace, start: int = 0, stop: int | None = None) -> NDArray[np.int64]:
    """Return the symbols of the architectures in a range of indices."""
    rest = np.arange(start, space.size if stop is None else stop)
    columns = []
    for size in reversed(space.block_sizes):
        columns.append(rest % size)
        rest = rest // size
    return np.stack(columns[::-1], axis=1)


def ensemble_of(
    terms: Terms,
    members: int,
    link: Link | None = None,
    *,
    seed: int = 0,
    negative: bool = False,
    most: int = 2**28,
) -> TableEnsemble:
    """Return random tables whose u is from 0.5 to 1.5, roughly."""
    rng = np.random.default_rng(seed)
    entry = most // len(terms)
    entries = rng.integers(-entry, entry, (terms.n_entries, members)).astype(np.int32)
    scale = 2.0**-30 * rng.uniform(0.75, 1)
    shift = float(rng.uniform(0.8, 1.1))
    return TableEnsemble(
        terms.space, entries, -scale if negative else scale, shift, link or Link(), terms
    )


def random_ensemble(seed: int) -> TableEnsemble:
    """Return an ensemble of any shape: terms, members, link, hinges, regime."""
    draw = Random(seed)
    sizes = [draw.choice([1, 2, 3, 5, 7, 12, 20]) for _ in range(draw.randint(1, 5))]
    while np.prod(sizes) > 30_000:
        sizes[draw.randrange(len(sizes))] = 2
    space = space_of(*sizes)
    every = [t for n in range(1, len(sizes) + 1) for t in combinations(range(len(sizes)), n)]
    terms = Terms(space, tuple(draw.sample(every, draw.randint(1, min(8, len(every))))))
    rng = np.random.default_rng(seed)

    def hinges(most: int) -> tuple[Hinge, ...]:
        count = draw.choice([0, 1, most])
        return tuple(
            (float(rng.uniform(0.1, 3)), float(rng.uniform(-0.99, 2))) for _ in range(count)
        )

    bends, regime = hinges(9), None
    if draw.random() < 0.5 and (own := hinges(6) or ((0.9, -0.5),)):
        block = draw.randrange(len(sizes))
        codes = sorted(draw.sample(range(sizes[block]), max(1, sizes[block] // 2)))
        regime = Regime(f"g{block}", tuple(codes), own)
    link = Link(draw.choice(POWERS), draw.choice([None, 3.0]), bends, regime)
    members = draw.choice([1, 2, 3, 8, 16, 17])
    return ensemble_of(terms, members, link, seed=seed, negative=draw.random() < 0.5)


def grid_around(mean: NDArray[np.float32], bins: int, marks: int = 2) -> Grid:
    """Return a grid that holds all of some values, some of them with bins of their own."""
    low, high = float(mean.min()), float(mean.max())
    if low == high:
        low = float(np.nextafter(np.float32(low), np.float32(-np.inf)))
    while bins > 1 and (high - low) / bins < 4 * np.spacing(np.float32(max(abs(low), abs(high)))):
        bins //= 2
    chosen = np.random.default_rng(0).choice(mean, marks)
    return Grid(low, high, bins, tuple(map(float, chosen)))


def brute(mean: NDArray[np.float32], grid: Grid) -> tuple[list[int], int, int]:
    """Return the counts of some values, those below the grid and those above."""
    edges = grid.edges
    places = np.searchsorted(edges, mean, side="right")
    found = np.bincount(places, minlength=len(edges) + 1).tolist()
    return found[1:-1], found[0], found[-1]


def as_lists(counts: Counts) -> tuple[list[int], int, int]:
    """Return counts in the form of `brute`."""
    return counts.bins.tolist(), counts.below, counts.above
