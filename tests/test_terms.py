"""Terms: which blocks interact, as a value."""

from __future__ import annotations

from itertools import combinations
from math import prod
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from anb_onnx import ArtifactError, Block, Gene, Link, SearchSpace, Terms
from anb_onnx.tables import TableEnsemble
from anb_onnx.terms import MAX_TERMS, all_pairs


def space_of(*sizes: int) -> SearchSpace:
    blocks = (Block(f"b{k}", (Gene(f"g{k}", tuple(range(n))),)) for k, n in enumerate(sizes))
    return SearchSpace("small", tuple(blocks))


SPACE = space_of(3, 4, 2)


def test_pairs_lie_one_after_the_other_in_lexicographic_order() -> None:
    terms = all_pairs(SPACE)
    assert terms.blocks == ((0, 1), (0, 2), (1, 2))
    assert terms.shapes == ((3, 4), (3, 2), (4, 2))
    assert terms.offsets == (0, 12, 18, 26)
    assert terms.n_entries == 26
    assert len(terms) == 3


@pytest.mark.parametrize("order", [1, 2, 3])
def test_terms_of_an_order(order: int) -> None:
    assert Terms.of_order(SPACE, order).blocks == tuple(combinations(range(3), order))


@pytest.mark.parametrize("order", [0, 4, -1])
def test_an_order_that_the_space_has_not(order: int) -> None:
    with pytest.raises(ArtifactError, match=f"no term of it has {order}"):
        Terms.of_order(SPACE, order)


def test_what_is_written_is_read_again() -> None:
    terms = Terms(SPACE, ((2,), (0, 1, 2), (1,)))
    assert terms.to_list() == [[2], [0, 1, 2], [1]]
    assert Terms.from_list(terms.to_list(), SPACE, "here") == terms


@pytest.mark.parametrize(
    ("value", "part"),
    [
        (None, "not None"),
        ([], "not []"),
        ("pairs", "not 'pairs'"),
        ({"0": 1}, "not {'0': 1}"),
        ([[]], "not []"),
        ([0], "not 0"),
        ([[1, 0]], "increasing order, not [1, 0]"),
        ([[0, 0]], "not [0, 0]"),
        ([[0, 3]], "from 0 to 2 in increasing order, not [0, 3]"),
        ([[-1]], "not [-1]"),
        ([[True]], "not [True]"),
        ([[1.0]], "not [1.0]"),
        ([["a"]], "not ['a']"),
        ([[0], [1], [0]], "the term [0] is stated twice"),
        ([[0]] * (MAX_TERMS + 1), f"1 to {MAX_TERMS} lists"),
    ],
)
def test_what_are_no_terms(value: Any, part: str) -> None:
    with pytest.raises(ArtifactError) as caught:
        Terms.from_list(value, SPACE, "file: card")
    assert f"{caught.value}".startswith("file: card: key 'terms': ")
    assert part in f"{caught.value}"


def test_more_entries_than_int32_can_number_are_refused() -> None:
    space = space_of(*[256] * 4)
    with pytest.raises(ArtifactError, match="have 4294967296 entries; 2147483647 at most"):
        Terms(space, ((0, 1, 2, 3),))


def test_tables_of_another_space_are_refused() -> None:
    entries = np.zeros((7, 1), np.int32)
    with pytest.raises(ArtifactError, match="terms are of search space 'small'"):
        TableEnsemble(SPACE, entries, 1.0, 0.0, Link(), Terms.of_order(space_of(3, 4), 1))


def test_the_smallest_term_that_covers_blocks() -> None:
    terms = Terms(SPACE, ((0, 1, 2), (1, 2), (0, 1), (1,)))
    assert terms.covering([1]) == 3
    assert terms.covering([2, 1]) == 1
    assert terms.covering([0, 2]) == 0
    assert terms.covering([]) == 3
    assert Terms(SPACE, ((0, 1),)).covering([2]) is None


@given(st.data())
def test_sums_over_any_terms(data: st.DataObject) -> None:
    sizes = data.draw(st.lists(st.integers(1, 4), min_size=1, max_size=5))
    space = space_of(*sizes)
    every = [t for r in range(1, len(sizes) + 1) for t in combinations(range(len(sizes)), r)]
    chosen = data.draw(st.lists(st.sampled_from(every), min_size=1, max_size=6, unique=True))
    terms = Terms(space, tuple(chosen))
    members = data.draw(st.integers(1, 3))
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32)))
    entries = rng.integers(-999, 999, (terms.n_entries, members), dtype=np.int32)
    ensemble = TableEnsemble(space, entries, 0.5, 0.0, Link(), terms)
    symbols = np.stack([rng.integers(0, n, 7) for n in sizes], axis=1)
    for row, total in zip(symbols.tolist(), ensemble.totals(symbols).tolist(), strict=True):
        wanted, start = np.zeros(members, int), 0
        for term in chosen:
            shape = [sizes[b] for b in term]
            table = entries[start : start + prod(shape)].reshape(*shape, members)
            wanted += table[tuple(row[b] for b in term)]
            start += prod(shape)
        assert total == wanted.tolist()


def test_a_term_of_as_many_blocks_as_there_may_be() -> None:
    """More than arrays of NumPy have axes."""
    space = space_of(*[1] * 40, *[2] * 6, *[1] * 18)
    terms = Terms.of_order(space, 64)
    entries = np.arange(64, dtype=np.int32)[:, None]
    ensemble = TableEnsemble(space, entries, 1.0, 0.0, Link(), terms)
    symbols = np.zeros((64, 64), dtype=np.uint8)
    symbols[:, 40:46] = np.arange(64)[:, None] >> np.arange(5, -1, -1) & 1
    assert ensemble.totals(symbols)[:, 0].tolist() == list(range(64))
