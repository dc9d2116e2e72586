"""`anb_onnx.exact` against every architecture of small spaces, evaluated one by one.

ANB_EXACT_ROUNDS=20 draws twenty problems for each that is drawn here.
"""

from __future__ import annotations

import os
from itertools import product

import numpy as np
import pytest
from exact_problems import (
    SHAPES,
    brute_as_good,
    brute_best,
    brute_front,
    brute_front3,
    everything,
    found_as_good,
    found_best,
    found_front,
    found_front3,
    random_ensemble,
    same,
    space_of,
    values_of,
)
from numpy.typing import NDArray

from anb_onnx.errors import ExactError
from anb_onnx.exact.solve import MOST_TIES, Limit, Wish
from anb_onnx.links import POWERS, Link
from anb_onnx.spaces.space import SearchSpace
from anb_onnx.tables import TableEnsemble
from anb_onnx.terms import Terms

ROUNDS = int(os.environ.get("ANB_EXACT_ROUNDS", "1"))

#: Every power with and without an offset, with and without hinges and regimes: each some problem.
KINDS = [
    (number, *kind)
    for number, kind in enumerate(product(POWERS, (False, True), (False, True), range(ROUNDS)))
]


class Problem:
    """A random space, objective and constraints, and all architectures."""

    def __init__(self, seed: int, power: str, *, offset: bool, bent: bool) -> None:
        self.rng = np.random.default_rng(seed)
        self.space = space_of(SHAPES[seed % len(SHAPES)])
        self.symbols = everything(self.space)
        hinges = int(self.rng.choice([1, 3, 12])) if bent else 0
        regime = bent and bool(self.rng.integers(2))
        ensemble = random_ensemble(
            self.space, self.rng, power, offset=offset, hinges=hinges, regime=regime
        )
        self.wish = Wish(ensemble, bool(self.rng.integers(2)))

    def other(self) -> Wish:
        """An objective of any link, now and then one with a regime of its own."""
        rng = self.rng
        ensemble = random_ensemble(
            self.space,
            rng,
            str(rng.choice(POWERS)),
            offset=bool(rng.integers(2)),
            hinges=int(rng.choice([0, 0, 2])),
            regime=bool(rng.integers(4) == 0),
        )
        return Wish(ensemble, bool(rng.integers(2)))

    def limits(self, n: int) -> list[Limit]:
        """Constraints to values that some architecture has, now and then on the objective itself.

        Two or three of them are often more than any architecture fulfils.
        """
        found = []
        for _ in range(n):
            wish = self.other()
            if self.rng.integers(5) == 0:
                wish = Wish(self.wish.ensemble, wish.largest)
            found.append(Limit(wish, self.value(wish, 0.02, 0.3, 0.7, 1.0)))
        return found

    def value(self, wish: Wish, *shares: float) -> np.float32:
        values = values_of(wish, self.symbols)
        return np.float32(np.quantile(values, self.rng.choice(shares), method="nearest"))


@pytest.mark.parametrize(("seed", "power", "offset", "bent", "number"), KINDS)
def test_the_k_best(seed: int, power: str, offset: bool, bent: bool, number: int) -> None:
    problem = Problem(seed, power, offset=offset, bent=bent)
    limits = problem.limits(seed % 4)
    k = int(problem.rng.choice([1, 2, 10, 300]))
    found = found_best(problem.space, problem.wish, limits, k)
    assert found.complete
    same(
        (found.worth, found.symbols.reshape(-1, problem.space.n_blocks)),
        brute_best(problem.symbols, problem.wish, limits, k),
    )


@pytest.mark.parametrize(("seed", "power", "offset", "bent", "number"), KINDS)
def test_all_that_are_as_good(seed: int, power: str, offset: bool, bent: bool, number: int) -> None:
    problem = Problem(seed + 1000, power, offset=offset, bent=bent)
    limits = problem.limits((seed + 1) % 3)
    worth = problem.value(problem.wish, 0.0, 0.001, 0.1)
    for wanted in (worth, np.nextafter(worth, np.float32(-np.inf))):
        same(
            found_as_good(problem.space, problem.wish, limits, wanted),
            brute_as_good(problem.symbols, problem.wish, limits, wanted),
        )


@pytest.mark.parametrize(("seed", "power", "offset", "bent", "number"), KINDS)
def test_fronts(seed: int, power: str, offset: bool, bent: bool, number: int) -> None:
    problem = Problem(seed + 2000, power, offset=offset, bent=bent)
    limits = problem.limits((seed + 2) % 4)
    wishes = (problem.wish, problem.other())
    if seed % 2:
        wishes = (wishes[1], wishes[0])
    found = found_front(problem.space, wishes, limits)
    same((found.worth, found.symbols), brute_front(problem.symbols, wishes, limits))


def ladder(space: SearchSpace, order: tuple[int, ...]) -> TableEnsemble:
    """One table, of one block: as many values as it has symbols."""
    terms = Terms(space, (order,))
    entries = np.arange(terms.n_entries, dtype=np.int32).reshape(-1, 1)
    return TableEnsemble(space, entries, 1.0, 1.0, Link(), terms)


def test_blocks_in_no_term_make_ties_and_all_are_listed() -> None:
    space = space_of(SHAPES[4])
    symbols: NDArray[np.int64] = everything(space)
    wish = Wish(ladder(space, (1,)), True)
    ties = space.size // space.block_sizes[1]
    assert 1 < ties <= MOST_TIES
    found = found_best(space, wish, (), 3)
    assert len(found.worth) == ties
    same((found.worth, found.symbols), brute_best(symbols, wish, (), 3))
    # A front of what depends on nothing else: the best of both, with all their ties.
    pair = (wish, Wish(ladder(space, (2,)), False))
    archive = found_front(space, pair)
    assert len(archive.worth) == ties // space.block_sizes[2]
    same((archive.worth, archive.symbols), brute_front(symbols, pair, ()))


def test_more_ties_than_are_listed_are_said_to_be_not_all() -> None:
    space = space_of(((5,), *(((3, 4),) * 5)))
    wish = Wish(ladder(space, (0,)), False)
    found = found_best(space, wish, (), 2)
    assert not found.complete
    assert len(found.worth) == 2 + MOST_TIES
    assert set(found.worth.tolist()) == {1.0}
    assert len(np.unique(found.symbols, axis=0)) == 2 + MOST_TIES
    assert not found.symbols[:, 0].any()


def test_more_than_the_limit_are_refused() -> None:
    space = space_of(SHAPES[4])
    wish = Wish(ladder(space, (1,)), True)
    ties = space.size // space.block_sizes[1]
    worth = values_of(wish, np.array([[0, 5, 0, 0]]))[0]
    assert len(found_as_good(space, wish, (), worth, most=ties)[0]) == ties
    with pytest.raises(ExactError, match=f"more than {ties - 1} architectures"):
        found_as_good(space, wish, (), worth, most=ties - 1)


def test_costs_of_very_different_size_under_a_constraint() -> None:
    """Entries of one target are 2^26 times those of the other; so are the weights that help."""
    space = space_of(SHAPES[5])
    symbols = everything(space)
    rng = np.random.default_rng(7)
    large = random_ensemble(space, rng, "1", members=1, grain=2**26)
    small = random_ensemble(space, rng, "1", members=1, grain=1)
    for objective, other in ((large, small), (small, large)):
        for share in (0.0, 0.1, 0.5):
            bound = Wish(other, False)
            worth = np.quantile(values_of(bound, symbols), share, method="nearest")
            limits = [Limit(bound, np.float32(worth))]
            wish = Wish(objective, True)
            found = found_best(space, wish, limits, 5)
            same((found.worth, found.symbols), brute_best(symbols, wish, limits, 5))
            pair = (wish, bound)
            archive = found_front(space, pair, limits)
            same((archive.worth, archive.symbols), brute_front(symbols, pair, limits))


@pytest.mark.parametrize("seed", [0, 1, 2, 4, 7, *range(8, 8 * ROUNDS)])
def test_fronts_of_three(seed: int) -> None:
    """Few members and few values: ties in one coordinate, in two and in all three."""
    rng = np.random.default_rng(seed + 3000)
    space = space_of(SHAPES[(1, 3, 4, 2)[seed % 4]])
    symbols = everything(space)
    grain = (2, 2**22)[seed // 4 % 2]

    def wish() -> Wish:
        ensemble = random_ensemble(
            space,
            rng,
            str(rng.choice(POWERS)),
            offset=bool(rng.integers(2)),
            hinges=int(rng.integers(2)),
            regime=seed % 8 == 1,
            members=int(rng.integers(1, 4)),
            grain=grain,
        )
        return Wish(ensemble, bool(rng.integers(2)))

    wishes = (wish(), wish(), wish())
    limits = []
    if seed % 2:
        bound = wish()
        least = np.quantile(values_of(bound, symbols), 0.4, method="nearest")
        limits = [Limit(bound, np.float32(least))]
    found = found_front3(space, wishes, limits)
    same((found.worth, found.symbols), brute_front3(symbols, wishes, limits))
