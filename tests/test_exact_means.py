"""The bounds behind `anb_onnx.exact`: no architecture beats them, and rounding is within them."""

from __future__ import annotations

from decimal import Decimal, localcontext
from itertools import product

import numpy as np
import pytest
from exact_problems import SHAPES, everything, random_ensemble, space_of
from numpy.typing import NDArray

from anb_onnx.errors import ExactError
from anb_onnx.exact.means import NO_LIMIT, MeanBounds, needs_spread
from anb_onnx.exact.parts import Part, parts_of
from anb_onnx.exact.rounding import UNIT, bends_of, mean_error
from anb_onnx.links import POWERS, Link
from anb_onnx.regimes import Hinge
from anb_onnx.tables import TableEnsemble
from anb_onnx.terms import Terms

KINDS = [
    (number, *kind) for number, kind in enumerate(product(POWERS, (False, True), (False, True)))
]


def ensemble_of(seed: int, power: str, *, offset: bool, bent: bool) -> TableEnsemble:
    rng = np.random.default_rng(seed + 77)
    space = space_of(SHAPES[seed % len(SHAPES)])
    hinges = int(rng.choice([1, 4, 12])) if bent else 0
    regime = bent and bool(rng.integers(2))
    return random_ensemble(space, rng, power, offset=offset, hinges=hinges, regime=regime)


def of_part(part: Part, symbols: NDArray[np.int64]) -> NDArray[np.int64]:
    inside = [np.isin(symbols[:, b], domain) for b, domain in enumerate(part.domains)]
    return symbols[np.all(inside, axis=0)]


def check(ensemble: TableEnsemble) -> list[MeanBounds]:
    """Compare the bounds with all architectures of each part, in both directions."""
    symbols = everything(ensemble.space)
    seen, found = 0, []
    for part in parts_of(ensemble.space, [ensemble], None):
        rows = of_part(part, symbols)
        seen += len(rows)
        total = ensemble.totals(rows).sum(axis=1, dtype=np.int64)
        mean = ensemble.predict(rows)[0]
        for largest in (False, True):
            bounds = part.sum_of(ensemble).bounds(largest=largest)
            cost = bounds.sign * total * (1 if ensemble.scale > 0 else -1)
            # Whatever is as good as a value costs no more than the limit of it; the least good of
            # all that cost the same, or less, is the one that tests it.
            for value in np.unique(mean)[:: max(1, len(np.unique(mean)) // 500)]:
                good = mean >= value if largest else mean <= value
                assert bounds.limit(value) >= cost[good].max()
            for one in np.unique(cost)[:: max(1, len(np.unique(cost)) // 500)]:
                dearer = mean[cost >= one]
                best = bounds.best(int(one))
                assert best >= dearer.max() if largest else best <= dearer.min()
            found.append(bounds)
    assert seen == ensemble.space.size
    return found


@pytest.mark.parametrize(("seed", "power", "offset", "bent"), KINDS)
def test_no_architecture_is_cut_off(seed: int, power: str, offset: bool, bent: bool) -> None:
    check(ensemble_of(seed, power, offset=offset, bent=bent))


@pytest.mark.parametrize("scale", [1e-17, -3e-16, 2.0**-60, 1e-3, 1e12])
@pytest.mark.parametrize("members", [1, 2, 7])
def test_sums_that_rounding_makes_equal(scale: float, members: int) -> None:
    """Steps of the sum are smaller than those of float64 at the shift, or far larger than it."""
    space = space_of(SHAPES[4])
    rng = np.random.default_rng(5)
    terms = Terms(space, ((0, 2), (1, 3), (0, 3)))
    entries = rng.integers(-9, 10, (terms.n_entries, members)).astype(np.int32)
    for hinges in ((), ((1.0, -0.999), (1.0, 40.0)), ((0.0, 1e-16),)):
        for offset in (None, 3.0):
            check(TableEnsemble(space, entries, scale, 1.0, Link("1", offset, hinges), terms))


def test_members_that_differ_by_more_than_means_do() -> None:
    """Two members of opposite sign: their mean is small, and what it is made of is not."""
    space = space_of(SHAPES[2])
    rng = np.random.default_rng(6)
    terms = Terms.of_order(space, 2)
    half = rng.integers(-(2**24), 2**24, (terms.n_entries, 1))
    entries = np.hstack([half, rng.integers(-3, 4, half.shape) - half]).astype(np.int32)
    for change in (1e-17, 1e-9, 0.5, -0.5):
        link = Link("1", None, ((0.0, change),))
        check(TableEnsemble(space, entries, 1e-3, 0.0, link, terms))


@pytest.mark.parametrize(("power", "offset"), list(product(POWERS, (None, 9.0))))
def test_one_member_without_hinges_leaves_no_margin(power: str, offset: float | None) -> None:
    """The bound at a cost is its value: only rounding, and the width of an interval, is between."""
    space = space_of(SHAPES[4])
    rng = np.random.default_rng(8)
    terms = Terms.of_order(space, 2)
    entries = rng.integers(-99, 100, (terms.n_entries, 1)).astype(np.int32)
    ensemble = TableEnsemble(space, entries, 1e-3, 1.0, Link(power, offset), terms)
    symbols = everything(space)
    mean, cost = ensemble.predict(symbols)[0], ensemble.totals(symbols)[:, 0].astype(np.int64)
    (part,) = parts_of(space, [ensemble], None)
    for largest in (False, True):
        bounds = part.sum_of(ensemble).bounds(largest=largest)
        assert bounds.margin < 1e-10 * float(np.abs(mean).max())
        best, worst = (mean.max(), mean.min()) if largest else (mean.min(), mean.max())
        # One step of the sum beyond the best, which an interval's width may add, but no two.
        ends = bounds.sign * cost[mean == best]
        assert ends.min() <= bounds.limit(best) <= ends.max() + 2
        assert bounds.limit(worst) == NO_LIMIT or bounds.limit(worst) >= (bounds.sign * cost).max()


def test_a_margin_is_there_only_where_the_link_bends_the_wrong_way() -> None:
    """1/u is convex: its largest mean depends on how members differ, its smallest does not."""
    ensemble = ensemble_of(3, "-1", offset=False, bent=False)
    assert ensemble.n_members > 1
    (part,) = parts_of(ensemble.space, [ensemble], None)
    margin = {b: part.sum_of(ensemble).bounds(largest=b).margin for b in (False, True)}
    assert margin[False] < 1e-9 < margin[True]
    assert [needs_spread(ensemble.link, inside=False, largest=b) for b in (False, True)] == [
        False,
        True,
    ]


def exact_mean(
    ensemble: TableEnsemble, row: NDArray[np.int64], bends: tuple[Hinge, ...]
) -> Decimal:
    """The mean in 120 digits: no step of it is rounded to float64."""
    link, members = ensemble.link, []
    for total in ensemble.totals(row[None])[0].tolist():
        y = total * Decimal(ensemble.scale) + Decimal(ensemble.shift)
        hinges = iter(bends)
        for step in link.inverse_steps:
            if step == "square":
                y *= y
            elif step == "sqrt":
                y = y.sqrt()
            elif step == "reciprocal":
                y = 1 / y
            elif step == "reflect":
                y = Decimal(link.offset or 0.0) - y
            elif (bend := next(hinges, None)) is not None:
                knot, change = map(Decimal, bend)
                y += max(y - knot, Decimal(0)) * change
        members.append(y)
    return sum(members, Decimal(0)) / len(members)


@pytest.mark.parametrize(("seed", "power", "offset", "bent"), KINDS)
def test_rounding_errors_are_bounded(seed: int, power: str, offset: bool, bent: bool) -> None:
    ensemble = ensemble_of(seed + 500, power, offset=offset, bent=bent)
    rng = np.random.default_rng(seed)
    symbols = everything(ensemble.space)
    rows = symbols[rng.choice(len(symbols), min(len(symbols), 60), replace=False)]
    inside = np.zeros(len(rows), dtype=bool)
    if ensemble.link.regime is not None:
        block, of_symbol = ensemble.link.regime.symbols(ensemble.space)
        inside = of_symbol[rows[:, block]]
    u = ensemble.totals(rows).astype(np.float64) * ensemble.scale + ensemble.shift
    y = ensemble.link.invert(u, inside)
    total = y[:, 0].copy()
    for column in y.T[1:]:
        total += column
    means = total / ensemble.n_members
    low, high = float(u.min()) * (1 - 4 * UNIT), float(u.max()) * (1 + 4 * UNIT)
    product_size = max(abs(low), abs(high)) + abs(ensemble.shift)
    seen = 0.0
    with localcontext() as context:
        context.prec = 120
        for row, mean, side in zip(rows, means.tolist(), inside.tolist(), strict=True):
            bends = bends_of(ensemble.link, inside=side)
            error = abs(Decimal(mean) - exact_mean(ensemble, row, bends))
            bound = mean_error(
                ensemble.link, low, high, product_size, ensemble.n_members, inside=side
            )
            assert error <= bound
            seen = max(seen, float(error) / bound)
    # The bound is one of the worst case, but no idle one; hinges flatten what comes before them.
    assert seen > (0.0 if bent else 1e-5)


def test_where_a_link_ends_nothing_is_proven() -> None:
    for power in POWERS[1:]:
        with pytest.raises(ExactError, match="where the link ends, so that nothing can be proven"):
            mean_error(Link(power), -0.1, 2.0, 2.0, 3, inside=False)
    assert mean_error(Link("1"), -0.1, 2.0, 2.0, 3, inside=False) < 1e-14
