"""Sweeps of small spaces and parts of large ones against every architecture, asked one by one."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from sweep_cases import (
    SMALL,
    as_lists,
    brute,
    ensemble_of,
    grid_around,
    random_ensemble,
    space_of,
    symbols_of,
    tables,
)

from anb_onnx import FBNET, MNASNET, Link, Terms
from anb_onnx.errors import ArtifactError
from anb_onnx.links import POWERS
from anb_onnx.regimes import Regime
from anb_onnx.sweep import Grid, Shards, SweepError, default_range, sweep
from anb_onnx.sweep.kernel import Counter
from anb_onnx.tables import TableEnsemble

CONFORMANCE = Path(__file__).parent / "conformance"


def check(ensemble: TableEnsemble, bins: int, *, fast: bool = True) -> Counter:
    """Compare the counts of a whole small space with those of all its predictions."""
    mean = ensemble.predict(symbols_of(ensemble.space))[0]
    grid = grid_around(mean, bins)
    counter = Counter(ensemble, grid, fast=fast)
    counts = counter.count(0, counter.layout.n_prefixes)
    assert as_lists(counts) == brute(mean, grid)
    if counter.plan is None:
        assert counts.exact == ensemble.space.size
    return counter


@pytest.mark.parametrize(
    ("folder", "target"),
    [
        ("nasbench201-pairs", "accuracy"),
        ("nasbench201-pairs", "latency_edgegpu"),
        ("nasbench201-table", "accuracy"),
        ("one-block", "energy"),
        ("large-block", "latency"),
        ("large-block", "energy"),
        ("mixed", "throughput_tpu"),
    ],
)
def test_every_conformance_space_is_counted_as_it_is_predicted(folder: str, target: str) -> None:
    check(tables(target, CONFORMANCE / folder), 37)


@pytest.mark.parametrize("offset", [None, 3.0])
@pytest.mark.parametrize("power", POWERS)
def test_every_link(power: str, offset: float | None) -> None:
    terms = Terms.of_order(space_of(5, 7, 3, 11), 2)
    link = Link(power, offset)
    counter = check(ensemble_of(terms, 3, link), 100)
    assert counter.plan is not None


@pytest.mark.parametrize("seed", range(8))
def test_any_ensemble(seed: int) -> None:
    check(random_ensemble(seed), (1, 7, 300)[seed % 3])


@pytest.mark.parametrize("members", [1, 2, 9, 17, 40])
@pytest.mark.parametrize("hinges", [(), ((0.9, -0.75), (1.1, 2.0), (1.2, -0.9))])
def test_any_number_of_members(members: int, hinges: tuple[tuple[float, float], ...]) -> None:
    terms = Terms.of_order(space_of(4, 6, 17), 2)
    counter = check(ensemble_of(terms, members, Link("-1", None, hinges)), 50)
    assert counter.plan is not None


@pytest.mark.parametrize("block", [0, 1, 2])
def test_a_regime_of_any_block(block: int) -> None:
    # Of the prefix, of the rows and, by its size, of the lanes: where it is never put.
    space = space_of(70, 3, 16)
    regime = Regime(f"g{block}", (0, 2), ((0.9, 1.5), (1.0, -0.9)))
    counter = check(ensemble_of(Terms.of_order(space, 2), 2, Link("-1/2", None, (), regime)), 64)
    assert counter.plan is not None
    assert block not in counter.layout.lanes


def test_terms_of_many_blocks_and_blocks_of_no_term() -> None:
    terms = Terms(space_of(3, 4, 2, 20, 5), ((0, 1, 2, 3), (1,), (0, 3)))
    check(ensemble_of(terms, 2, Link("1/2")), 200)


def test_blocks_of_many_symbols_and_of_one() -> None:
    check(ensemble_of(Terms(space_of(6000), ((0,),)), 2, Link("-1")), 20)
    check(ensemble_of(Terms(space_of(1, 1), ((0, 1),)), 2, Link("-1")), 1)
    check(ensemble_of(Terms(space_of(1, 300, 1, 2), ((0, 1), (3,))), 2), 20)


def test_a_scale_that_float32_does_not_hold_is_counted_in_float64() -> None:
    terms = Terms.of_order(space_of(4, 5), 2)
    ensemble = replace(ensemble_of(terms, 2, Link("-1")), scale=2.0**-120, shift=2.0**-90)
    mean = ensemble.predict(symbols_of(terms.space))[0]
    counter = Counter(ensemble, grid_around(mean, 9))
    assert counter.plan is None
    assert as_lists(counter.count(0, counter.layout.n_prefixes)) == brute(mean, counter.grid)


def test_means_outside_the_grid_are_counted_below_and_above() -> None:
    ensemble = ensemble_of(Terms.of_order(space_of(9, 7, 5), 2), 4, Link("-1"))
    mean = np.sort(ensemble.predict(symbols_of(ensemble.space))[0])
    grid = Grid(float(mean[100]), float(mean[-57]), 40)
    for fast in (True, False):
        counter = Counter(ensemble, grid, fast=fast)
        counts = counter.count(0, counter.layout.n_prefixes)
        assert as_lists(counts) == brute(mean, grid)
        assert (counts.below, counts.above) == (100, 56)


def test_a_landmark_tells_how_many_are_below_at_and_above_it() -> None:
    ensemble = ensemble_of(Terms.of_order(space_of(9, 7, 5), 2), 4, Link("-1"))
    mean = ensemble.predict(symbols_of(ensemble.space))[0]
    value = mean[123]
    grid = Grid(float(mean.min()), float(mean.max()), 3, (float(value),))
    found = sweep(ensemble, grid)
    at = int(np.searchsorted(grid.edges, value))
    assert found.counts[:at].sum() == (mean < value).sum()
    assert found.counts[at] == (mean == value).sum()
    assert found.counts[at + 1 :].sum() == (mean > value).sum()


def test_means_that_are_no_numbers_are_refused() -> None:
    # The least sum is outside the link's domain, which the tables' bounds do not rule out.
    terms = Terms.of_order(space_of(4, 5), 2)
    ensemble = replace(ensemble_of(terms, 2, Link("2")), shift=0.0)
    assert ensemble.bounds is None
    with pytest.raises(SweepError, match="architectures have a mean that is not a number"):
        sweep(ensemble, Grid(0.0, 1.0, 4))
    with pytest.raises(SweepError, match="--low and --high"):
        default_range(ensemble)


def test_sums_that_could_leave_int32_are_refused() -> None:
    terms = Terms.of_order(space_of(4, 5), 1)
    entries = np.full((terms.n_entries, 1), 2**30 + 1, np.int32)
    ensemble = TableEnsemble(terms.space, entries, 1.0, 0.0, Link(), terms)
    with pytest.raises(ArtifactError, match="sums must stay"):
        sweep(ensemble, Grid(0.0, 1.0, 4))


@pytest.mark.parametrize("seed", [1, 2])
def test_mean_and_variance_are_those_of_the_tables(seed: int) -> None:
    """With independent blocks, single tables' means and variances add up: no architecture asked."""
    space = space_of(8, 9, 10, 11, 12)
    terms = Terms.of_order(space, 1)
    rng = np.random.default_rng(seed)
    entries = rng.integers(-50, 50, (terms.n_entries, 1)).astype(np.int32)
    ensemble = TableEnsemble(space, entries, 1.0, 0.0, Link(), terms)
    low, high = default_range(ensemble)
    found = sweep(ensemble, Grid(low, high, round(high - low)))
    values = found.grid.edges[:-1].astype(float)
    # The last bin holds two integers, high - 1 and high: a landmark tells them apart.
    found = sweep(ensemble, Grid(low, high, round(high - low), (high,)))
    values, counts = found.grid.edges[:-1].astype(float), found.counts
    mean = sum(float(table.mean()) for table in ensemble.tables)
    variance = sum(float(table.var()) for table in ensemble.tables)
    assert counts.sum() == space.size
    assert values @ counts / space.size == pytest.approx(mean, rel=1e-12)
    assert (values - mean) ** 2 @ counts / space.size == pytest.approx(variance, rel=1e-12)


@pytest.mark.parametrize(
    "target", ["accuracy", "latency_zcu102", "macs", "throughput_a100", "throughput_tpuv3"]
)
def test_parts_of_mnasnet_are_counted_as_they_are_predicted(target: str) -> None:
    ensemble = tables(target)
    low, high = default_range(ensemble)
    shards = [3, 700_001, SMALL.count - 1]
    mean = [
        ensemble.predict(symbols_of(MNASNET, n * SMALL.size, (n + 1) * SMALL.size))[0]
        for n in shards
    ]
    grid = Grid(low, high, 4096, (float(mean[0][17]),))
    counter = Counter(ensemble, grid, SMALL.n_fixed)
    assert counter.plan is not None
    step = counter.layout.n_prefixes // SMALL.count
    for number, values in zip(shards, mean, strict=True):
        counts = counter.count(number * step, (number + 1) * step)
        assert as_lists(counts) == brute(values, grid)
        # Float32 decides nearly always; the bound of its error is a small part of a cell.
        assert 0 < counts.exact < 0.1 * SMALL.size


def test_fbnet_is_too_large_but_for_parts() -> None:
    ensemble = tables("latency_pixel2", CONFORMANCE / "fbnet-sparse")
    grid = Grid(*default_range(ensemble), 64)
    with pytest.raises(SweepError, match=r"would take some [0-9.e+]+ years of a core"):
        sweep(ensemble, grid)
    cut = Shards(FBNET, 9**5)
    number = cut.count - 12_345
    start = number * cut.size
    symbols = np.array(
        [[(start + k) // 9 ** (21 - b) % 9 for b in range(22)] for k in range(cut.size)]
    )
    found = sweep(ensemble, grid, range(number, number + 1), cut=cut)
    assert (found.counts.tolist(), 0, 0) == brute(ensemble.predict(symbols)[0], grid)
    assert found.missing == ((0, number), (number + 1, cut.count))
