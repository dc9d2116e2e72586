"""Ways to change architectures, for whole batches of codes at once."""

from __future__ import annotations

import numpy as np

from anb_onnx._io.show import show
from anb_onnx.errors import SearchError
from anb_onnx.search.settings import Codes, Rng, count, generator, row_matrix
from anb_onnx.spaces.moves import all_near, draw_moves, free_genes, moved
from anb_onnx.spaces.space import SearchSpace, needed_space


def mutate(codes: Codes, *, rng: Rng, space: SearchSpace | None, n_genes: int = 1) -> Codes:
    """Return a mutant of every row: some genes changed, each to another value.

    Which genes is drawn uniformly, without replacement, from those with more than one choice; each
    takes one of its other values, uniformly. So every architecture in exactly this distance is as
    likely as any other that differs in the same genes.

    Parameters
    ----------
    codes : uint8 array [n, genes]
        Is left as it is.
    rng : int or numpy.random.Generator
    space : SearchSpace
    n_genes : int
        How many genes of each row change.

    Returns
    -------
    uint8 array [n, genes]

    Raises
    ------
    ArchitectureError
        If `codes` are not of the space.
    SearchError
        If a setting is not as above.

    Examples
    --------
    >>> import anb_onnx
    >>> from anb_onnx import search
    >>> codes = anb_onnx.sample(1_000, seed=0, space=anb_onnx.MNASNET)
    >>> mutants = search.mutate(codes, rng=1, space=anb_onnx.MNASNET, n_genes=2)
    >>> set((mutants != codes).sum(axis=1).tolist())
    {2}
    """
    space = needed_space(space, "mutate")
    codes = row_matrix("codes", codes, space)
    n_genes = count("n_genes", n_genes, 0, len(free_genes(space)))
    genes, steps = draw_moves(len(codes), n_genes, generator(rng), space)
    return moved(codes, genes, steps, np.array(space.gene_sizes))


def to_mutate(n_genes: object, space: SearchSpace) -> int:
    """Return how many genes a search mutates at a time, once there are so many.

    Raises
    ------
    SearchError
        If it is no such number, or no gene of the space has another choice.
    """
    free = len(free_genes(space))
    if free == 0:
        msg = f"every gene of search space {space.name!r} has one choice: there is no other to find"
        raise SearchError(msg)
    return count("n_genes", n_genes, 1, free)


def crossover(a: Codes, b: Codes, *, rng: Rng, space: SearchSpace | None = None) -> Codes:
    """Return a child of every pair of rows: each gene is that of either parent, equally likely.

    Parameters
    ----------
    a, b : uint8 array [n, genes]
        Are left as they are.
    rng : int or numpy.random.Generator
    space : SearchSpace, optional
        If given, the parents are checked.

    Returns
    -------
    uint8 array [n, genes]
        For the other child of each pair, give `b` and `a` with the same seed.

    Raises
    ------
    ArchitectureError
        If parents are not of the space.
    SearchError
        If they are not two arrays of the same shape, or `rng` is none.

    Examples
    --------
    >>> import numpy as np
    >>> from anb_onnx import search
    >>> a, b = np.zeros((2, 6), np.uint8), np.ones((2, 6), np.uint8)
    >>> search.crossover(a, b, rng=0).shape
    (2, 6)
    """
    a, b = row_matrix("a", a, space), row_matrix("b", b, space)
    if a.shape != b.shape:
        msg = f"a and b have the same shape, not {show(a)} and {show(b)}"
        raise SearchError(msg)
    from_a = generator(rng).integers(0, 2, size=a.shape, dtype=bool)
    return np.where(from_a, a, b)


def neighbours(codes: Codes, *, space: SearchSpace | None) -> Codes:
    """Return every architecture that differs in exactly one gene, in the order of genes, codes.

    Parameters
    ----------
    codes : uint8 array [genes]
        One architecture.
    space : SearchSpace

    Returns
    -------
    uint8 array [n_neighbours, genes]
        ``sum(gene_sizes) - n_genes`` rows.

    Raises
    ------
    ArchitectureError, SearchError
        If `codes` is no row of the space.

    Examples
    --------
    >>> import numpy as np
    >>> from anb_onnx import NASBENCH201, search
    >>> search.neighbours(np.zeros(6, np.uint8), space=NASBENCH201).shape
    (24, 6)
    """
    space = needed_space(space, "neighbours")
    if not isinstance(codes, np.ndarray) or codes.ndim != 1:
        msg = f"codes are those of one architecture, uint8 [{space.n_genes}], not {show(codes)}"
        raise SearchError(msg)
    row = row_matrix("codes", codes[np.newaxis], space)
    near: Codes = all_near(row, space)[0]
    return near
