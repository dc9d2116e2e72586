"""Architectures near others: of one as a value, of many as codes."""

from __future__ import annotations

from typing import Any, overload

import numpy as np
from numpy.typing import NDArray

from anb_onnx._io.show import show
from anb_onnx.errors import ArchitectureError
from anb_onnx.spaces.architecture import Architecture, Seed, checked_count, generator_of
from anb_onnx.spaces.arrays import as_ndarray
from anb_onnx.spaces.matrix import as_uint8, in_range, refuse_codes
from anb_onnx.spaces.moves import all_near, draw_moves, free_genes, moved
from anb_onnx.spaces.space import SearchSpace, needed_space

__all__ = ["mutate", "neighbours"]


def _space_of(arch: object, space: SearchSpace | None, function: str) -> SearchSpace:
    if not isinstance(arch, Architecture):
        return needed_space(space, function)
    if space is not None and space != arch.space:
        msg = (
            f"{function} got an architecture of search space {arch.space.name!r} and "
            f"space={show(getattr(space, 'name', space))}; an Architecture knows its space"
        )
        raise ArchitectureError(msg)
    return arch.space


def _matrix(codes: object, space: SearchSpace, function: str) -> tuple[NDArray[np.uint8], bool]:
    """Return codes as uint8 [N, n_genes], once they are such, and whether they were one row."""
    array = as_ndarray(codes)
    if not isinstance(array, np.ndarray) or array.ndim not in (1, 2):
        msg = (
            f"{function} takes an Architecture, or an array of codes [{space.n_genes}] or "
            f"[N, {space.n_genes}], not {show(codes)}; encode() makes codes of all else"
        )
        raise ArchitectureError(msg)
    one = array.ndim == 1
    matrix = as_uint8(array[np.newaxis] if one else array, space)
    if not in_range(matrix, space):
        refuse_codes(matrix, space)
    return matrix, one


@overload
def neighbours(arch: Architecture, *, space: SearchSpace | None = ...) -> list[Architecture]: ...
@overload
def neighbours(arch: NDArray[Any], *, space: SearchSpace | None = ...) -> NDArray[np.uint8]: ...
def neighbours(
    arch: Architecture | NDArray[Any], *, space: SearchSpace | None = None
) -> list[Architecture] | NDArray[np.uint8]:
    """Return every architecture that differs in exactly one gene, in the order of genes, codes.

    Parameters
    ----------
    arch : Architecture, or ndarray of integers [n_genes] or [N, n_genes]
        One architecture, its codes, or the codes of many, as `sample` returns them.
    space : SearchSpace
        Of codes; an Architecture knows it.

    Returns
    -------
    list of Architecture, or ndarray of uint8 [n_neighbours, n_genes] or [N, n_neighbours, n_genes]
        Of the same kind as `arch`; ``sum(space.gene_sizes) - n_genes`` of each.
        ``reshape(-1, space.n_genes)`` makes a batch for `query` of those of many.

    Raises
    ------
    ArchitectureError
        If `arch` is not as above, or there is no space.

    Examples
    --------
    >>> from anb_onnx import NASBENCH201, sample
    >>> len(neighbours(Architecture.from_index(0, space=NASBENCH201)))
    24
    >>> neighbours(sample(3, seed=0, space=NASBENCH201), space=NASBENCH201).shape
    (3, 24, 6)
    """
    space = _space_of(arch, space, "neighbours")
    if isinstance(arch, Architecture):
        row = np.frombuffer(arch._codes, np.uint8)[np.newaxis]
        return [Architecture._make(bytes(near), space) for near in all_near(row, space)[0]]
    codes, one = _matrix(arch, space, "neighbours")
    near = all_near(codes, space)
    return near[0] if one else near


@overload
def mutate(
    arch: Architecture, *, seed: Seed = ..., n_genes: int = ..., space: SearchSpace | None = ...
) -> Architecture: ...
@overload
def mutate(
    arch: NDArray[Any], *, seed: Seed = ..., n_genes: int = ..., space: SearchSpace | None = ...
) -> NDArray[np.uint8]: ...
def mutate(
    arch: Architecture | NDArray[Any],
    *,
    seed: Seed = None,
    n_genes: int = 1,
    space: SearchSpace | None = None,
) -> Architecture | NDArray[np.uint8]:
    """Return a copy with some genes changed to another value, of each architecture.

    Parameters
    ----------
    arch : Architecture, or ndarray of integers [n_genes] or [N, n_genes]
        Where to start: one architecture, its codes, or the codes of many, as `sample` returns them.
    seed : int, numpy.random.Generator or None
        As in `sample`. Codes draw what `anb_onnx.search.mutate` draws, an Architecture other
        numbers.
    n_genes : int
        How many genes change, drawn uniformly without replacement from those with more than one
        choice. Each takes one of its other values, uniformly.
    space : SearchSpace
        Of codes; an Architecture knows it.

    Returns
    -------
    Architecture, or ndarray of uint8 of the shape of `arch`

    Raises
    ------
    ArchitectureError
        If `arch`, `seed` or `n_genes` is not as above, or there is no space.

    Examples
    --------
    >>> from anb_onnx import NASBENCH201, sample
    >>> parent = Architecture.from_index(0, space=NASBENCH201)
    >>> mutate(parent, seed=1) in neighbours(parent)
    True
    >>> parents = sample(1_000, seed=0, space=NASBENCH201)
    >>> mutants = mutate(parents, seed=1, n_genes=2, space=NASBENCH201)
    >>> set((mutants != parents).sum(axis=1).tolist())
    {2}
    """
    space = _space_of(arch, space, "mutate")
    free = free_genes(space)
    if isinstance(arch, Architecture):
        n_genes = checked_count("n_genes", n_genes, 0, len(free))
        return _mutant(arch, generator_of(seed), n_genes, free.tolist())
    codes, one = _matrix(arch, space, "mutate")
    n_genes = checked_count("n_genes", n_genes, 0, len(free))
    genes, steps = draw_moves(len(codes), n_genes, generator_of(seed), space)
    mutants = moved(codes, genes, steps, np.array(space.gene_sizes))
    return mutants[0] if one else mutants


def _mutant(
    arch: Architecture, rng: np.random.Generator, n_genes: int, free: list[int]
) -> Architecture:
    sizes = arch.space.gene_sizes
    codes = bytearray(arch._codes)
    for gene in rng.choice(free, size=n_genes, replace=False).tolist() if n_genes else ():
        # A step of 1 to size - 1 around the circle of codes reaches each other code once.
        codes[gene] = (codes[gene] + int(rng.integers(1, sizes[gene]))) % sizes[gene]
    return Architecture._make(bytes(codes), arch.space)
