"""Changes of codes, for whole batches at once: what `mutate` and `neighbours` are made of."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from anb_onnx.spaces.space import SearchSpace

Codes = NDArray[np.uint8]


def draw_moves(
    n: int, n_genes: int, rng: np.random.Generator, space: SearchSpace
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Draw which genes change, and how far: int64 [n, n_genes] both, for `moved`."""
    free = free_genes(space)
    if n_genes == 1:
        genes = free[rng.integers(0, len(free), size=(n, 1))]
    else:
        genes = rng.permuted(np.tile(free, (n, 1)), axis=1)[:, :n_genes]
    return genes, rng.integers(1, np.array(space.gene_sizes)[genes])


def moved(
    codes: Codes, genes: NDArray[np.int64], steps: NDArray[np.int64], sizes: NDArray[np.int64]
) -> Codes:
    """Return codes [n, genes] with drawn moves made; a copy."""
    rows = np.arange(len(codes))[:, np.newaxis]
    mutants = codes.copy()
    # A step of 1 to size - 1 around the circle of codes reaches each other code once.
    mutants[rows, genes] = (codes[rows, genes] + steps) % sizes[genes]
    return mutants


def free_genes(space: SearchSpace) -> NDArray[np.int64]:
    """Return the genes that can change: int64 [n_free], those with more than one choice."""
    return np.flatnonzero(np.array(space.gene_sizes) > 1).astype(np.int64)


def all_near(codes: Codes, space: SearchSpace) -> Codes:
    """Return all architectures that differ in exactly one gene: uint8 [n, n_neighbours, genes]."""
    genes, steps = _moves(space)
    near = np.repeat(codes[:, np.newaxis], len(genes), axis=1)
    # The codes before the present one as they are, those behind it one further: all but itself.
    near[:, np.arange(len(genes)), genes] = steps + (steps >= codes[:, genes])
    return near


def _moves(space: SearchSpace) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return gene and number of every move to a neighbour: int64 [n_neighbours] both."""
    others = np.array(space.gene_sizes, dtype=np.int64) - 1
    genes = np.repeat(np.arange(space.n_genes), others)
    numbers = np.arange(len(genes)) - np.repeat(np.cumsum(others) - others, others)
    return genes, numbers
