"""Operators on codes: what they change, and that every possible change is equally likely."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from random_spaces import BEYOND_64_BITS, LARGE_BLOCK, members

from anb_onnx import MNASNET, Architecture, sample, search
from anb_onnx import neighbours as near_one
from anb_onnx.errors import AnbError, ArchitectureError, SearchError
from anb_onnx.spaces.space import Block, Gene, SearchSpace

#: Genes of 1, 2, 3 and 256 choices.
MIXED = SearchSpace(
    "mixed",
    (
        Block("a", (Gene("fixed", (7,)), Gene("two", (False, True)))),
        Block("b", (Gene("three", ("x", "y", "z")), Gene("byte", tuple(range(256))))),
    ),
)
TINY = SearchSpace(
    "tiny",
    (Block("a", (Gene("one", (7,)), Gene("p", (1, 2)), Gene("q", (1, 2, 3)), Gene("r", (0, 5)))),),
)


def chi_square(counts: np.ndarray[Any, Any], expected: np.ndarray[Any, Any]) -> tuple[float, float]:
    """Return the statistic, and a bound that one in a million exceeds (Wilson and Hilferty)."""
    degrees = counts.size - 1
    bound = degrees * (1 - 2 / (9 * degrees) + 4.75 * (2 / (9 * degrees)) ** 0.5) ** 3
    return float(((counts - expected) ** 2 / expected).sum()), bound


@given(members(), st.integers(0, 2**32), st.data())
def test_a_mutant_differs_in_exactly_that_many_genes(
    drawn: tuple[SearchSpace, list[int]], seed: int, data: st.DataObject
) -> None:
    space, row = drawn
    free = sum(size > 1 for size in space.gene_sizes)
    n_genes = data.draw(st.integers(0, free))
    codes = np.array([row] * 5, dtype=np.uint8)
    mutants = search.mutate(codes, rng=seed, space=space, n_genes=n_genes)
    assert mutants.dtype == np.uint8
    assert ((mutants != codes).sum(axis=1) == n_genes).all()
    for mutant in mutants:
        Architecture.from_codes(mutant, space=space)  # refuses what is not of the space
    np.testing.assert_array_equal(codes, [row] * 5)
    again = search.mutate(codes, rng=np.random.default_rng(seed), space=space, n_genes=n_genes)
    np.testing.assert_array_equal(mutants, again)


def test_every_mutation_of_one_gene_is_as_likely_as_it_should_be() -> None:
    n = 60_000
    for start in ([0, 0, 0, 0], [0, 1, 2, 255], [0, 0, 1, 100]):
        codes = np.tile(np.array(start, np.uint8), (n, 1))
        mutants = search.mutate(codes, rng=3, space=MIXED)
        changed = mutants != codes
        assert not changed[:, 0].any()
        for gene, size in ((1, 2), (2, 3), (3, 256)):
            values = np.bincount(mutants[changed[:, gene], gene], minlength=size)
            assert values[start[gene]] == 0
            # One of three genes, then one of its other values.
            others = np.delete(values, start[gene])
            expected = np.full(others.shape, n / 3 / (size - 1))
            if others.size > 1:
                statistic, bound = chi_square(others, expected * others.sum() / (n / 3))
                assert statistic < bound
            assert abs(others.sum() - n / 3) < 5 * (n * 2 / 9) ** 0.5


@pytest.mark.parametrize("n_genes", [2, 3])
def test_every_mutation_of_several_genes_is_as_likely_as_it_should_be(n_genes: int) -> None:
    n = 40_000
    start = np.array([0, 1, 2, 0], np.uint8)
    mutants = search.mutate(np.tile(start, (n, 1)), rng=5, space=TINY, n_genes=n_genes)
    found: dict[tuple[int, ...], int] = {}
    for mutant in map(tuple, mutants.tolist()):
        found[mutant] = found.get(mutant, 0) + 1
    expected: dict[tuple[int, ...], float] = {}
    for codes in product(*map(range, TINY.gene_sizes)):
        changed = [gene for gene in range(4) if codes[gene] != start[gene]]
        if len(changed) == n_genes:
            share = {2: 1 / 3, 3: 1.0}[n_genes]
            for gene in changed:
                share /= TINY.gene_sizes[gene] - 1
            expected[codes] = n * share
    assert found.keys() == expected.keys()
    counts = np.array([found[codes] for codes in expected])
    statistic, bound = chi_square(counts, np.array([*expected.values()]))
    assert statistic < bound


def test_genes_of_a_row_are_drawn_apart_from_those_of_another() -> None:
    codes = np.zeros((4000, 28), np.uint8)
    mutants = search.mutate(codes, rng=0, space=MNASNET)
    genes = mutants.argmax(axis=1)
    pairs = np.bincount(genes[:-1] * 28 + genes[1:], minlength=784)
    statistic, bound = chi_square(pairs, np.full(784, 3999 / 784))
    assert statistic < bound


@given(members())
def test_neighbours_are_those_of_an_architecture(drawn: tuple[SearchSpace, list[int]]) -> None:
    space, row = drawn
    near = search.neighbours(np.array(row, np.uint8), space=space)
    expected = [list(a.codes) for a in near_one(Architecture.from_codes(row, space=space))]
    assert near.dtype == np.uint8
    assert near.tolist() == expected
    assert near.shape == (sum(space.gene_sizes) - space.n_genes, space.n_genes)


def test_a_child_has_each_gene_of_either_parent() -> None:
    a, b = sample(30_000, seed=0, space=MNASNET), sample(30_000, seed=1, space=MNASNET)
    child = search.crossover(a, b, rng=2, space=MNASNET)
    other = search.crossover(b, a, rng=2)
    assert ((child == a) | (child == b)).all()
    # The other child has what this one left.
    np.testing.assert_array_equal(child.astype(int) + other, a.astype(int) + b)
    zeros, ones = np.zeros((30_000, 28), np.uint8), np.ones((30_000, 28), np.uint8)
    mixed = search.crossover(zeros, ones, rng=2)
    # Each gene by itself, and pairs of genes: half of them, five standard deviations at most.
    assert np.abs(mixed.sum(axis=0) - 15_000.0).max() < 5 * 7500**0.5
    agree = (mixed[:, 1:] == mixed[:, :-1]).sum(axis=0)
    assert np.abs(agree - 15_000.0).max() < 5 * 7500**0.5


def test_operators_in_a_space_beyond_64_bits() -> None:
    codes = sample(50, seed=0, space=BEYOND_64_BITS)
    assert search.mutate(codes, rng=0, space=BEYOND_64_BITS, n_genes=22).shape == (50, 22)
    assert search.crossover(codes, codes, rng=0).tolist() == codes.tolist()


@pytest.mark.parametrize("n_genes", [-1, 4, 1.0, True, None, "1"])
def test_mutate_refuses_a_wrong_number_of_genes(n_genes: Any) -> None:
    codes = np.zeros((2, 4), np.uint8)
    with pytest.raises(SearchError, match="n_genes is an integer from 0 to 3, not "):
        search.mutate(codes, rng=0, space=MIXED, n_genes=n_genes)


@pytest.mark.parametrize("rng", [None, -1, 1.5, "0", True, np.random.RandomState(0)])
def test_a_generator_is_needed(rng: Any) -> None:
    codes = np.zeros((2, 4), np.uint8)
    with pytest.raises(SearchError, match=r"rng is an integer >= 0 or a numpy\.random\.Generator"):
        search.mutate(codes, rng=rng, space=MIXED)
    with pytest.raises(SearchError, match="rng is an integer"):
        search.crossover(codes, codes, rng=rng)


@pytest.mark.parametrize(
    ("codes", "message"),
    [
        ([[0, 0, 0, 0]], r"codes is an array of uint8 \[n, genes\], not \[\[0, 0, 0, 0\]\]"),
        (np.zeros((2, 4)), "codes is an array of uint8"),
        (np.zeros(4, np.uint8), "codes is an array of uint8"),
        (np.zeros((2, 3), np.uint8), "4"),
        (np.array([[0, 0, 0, 0], [0, 2, 0, 0]], np.uint8), "row 1.*'two'"),
    ],
    ids=["list", "float", "one row", "genes", "range"],
)
def test_what_is_no_batch_of_codes_is_refused(codes: Any, message: str) -> None:
    with pytest.raises(AnbError, match=message):
        search.mutate(codes, rng=0, space=MIXED)
    with pytest.raises(AnbError):
        search.crossover(codes, codes, rng=0, space=MIXED)


def test_parents_and_spaces_must_fit() -> None:
    with pytest.raises(SearchError, match="a and b have the same shape"):
        search.crossover(np.zeros((2, 4), np.uint8), np.zeros((3, 4), np.uint8), rng=0)
    with pytest.raises(ArchitectureError, match="mutate needs to know the search space"):
        search.mutate(np.zeros((2, 4), np.uint8), rng=0, space=None)
    with pytest.raises(SearchError, match="codes are those of one architecture"):
        search.neighbours(np.zeros((1, 3), np.uint8), space=LARGE_BLOCK)
    with pytest.raises(ArchitectureError):
        search.neighbours(np.array([0, 3, 0], np.uint8), space=LARGE_BLOCK)
