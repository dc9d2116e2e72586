"""Source devices as tables, and operation counts, each against counting in another way."""

from __future__ import annotations

from fractions import Fraction
from itertools import product
from typing import Any

import numpy as np
import pytest
from few_shot_dense import SMALL, everything, random_source, sum_of
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

import anb_onnx
from anb_onnx.encoding.encoding import codes_to_symbols
from anb_onnx.errors import SourceError
from anb_onnx.few_shot import sources as sources_module
from anb_onnx.few_shot.basis import Basis, _on, _terms
from anb_onnx.few_shot.counts import count_of, counts_of
from anb_onnx.few_shot.effective import AS_BUILT
from anb_onnx.few_shot.sources import (
    SourceTable,
    TermTables,
    all_symbols,
    composed,
    decomposed,
    source_of,
    squared,
)
from anb_onnx.links import Link
from anb_onnx.loading import from_tables
from anb_onnx.spaces.fbnet import FBNET
from anb_onnx.spaces.mnasnet import MNASNET
from anb_onnx.spaces.nasbench201 import NASBENCH201
from anb_onnx.spaces.space import Block, Gene, SearchSpace
from anb_onnx.surrogate import Surrogate
from anb_onnx.tables import TableEnsemble
from anb_onnx.terms import Terms


def one_hot_pairs(symbols: NDArray[np.int64], sizes: tuple[int, ...]) -> NDArray[np.float64]:
    hot = [np.eye(n)[symbols[:, b]] for b, n in enumerate(sizes)]
    pairs = [
        np.einsum("na,nb->nab", hot[a], hot[b]).reshape(len(symbols), -1)
        for a in range(len(sizes))
        for b in range(a + 1, len(sizes))
    ]
    return np.concatenate(pairs, axis=1)


def space_of(sizes: list[int]) -> SearchSpace:
    blocks = [Block(f"b{k}", (Gene(f"g{k}", tuple(range(n))),)) for k, n in enumerate(sizes)]
    return SearchSpace("made-up", tuple(blocks))


SIZES = st.lists(st.integers(1, 4), min_size=2, max_size=4)


@settings(max_examples=40)
@given(SIZES, st.integers(0, 2**31))
def test_the_square_is_the_least_squares_fit_of_pairs(sizes: list[int], seed: int) -> None:
    space = space_of(sizes)
    terms = Terms.of_order(space, 2)
    entries = np.random.default_rng(seed).normal(1.0, 1.0, terms.n_entries)
    symbols = everything(space)
    target = sum_of(terms, entries, symbols) ** 2
    features = one_hot_pairs(symbols, space.block_sizes)
    expected = features @ np.linalg.lstsq(features, target, rcond=None)[0]
    found = sum_of(terms, squared(terms, entries), symbols)
    np.testing.assert_allclose(found, expected, rtol=1e-8, atol=1e-8 * np.abs(target).max())


@settings(max_examples=40)
@given(SIZES, st.integers(0, 2**31), st.data())
def test_effects_are_pure_and_add_up(sizes: list[int], seed: int, data: st.DataObject) -> None:
    space = space_of(sizes)
    every = [*Terms.of_order(space, 2).blocks, *Terms.of_order(space, 1).blocks]
    kept = data.draw(st.lists(st.sampled_from(every), min_size=1, unique=True))
    terms = Terms(space, tuple(kept))
    entries = np.random.default_rng(seed).normal(0.0, 1.0, terms.n_entries)
    mean, single, pair = decomposed(terms, entries)
    symbols = everything(space)
    values = sum_of(terms, entries, symbols)
    assert mean == pytest.approx(values.mean(), abs=1e-12)
    for block, table in enumerate(single):
        of_block = [values[symbols[:, block] == s].mean() - mean for s in range(sizes[block])]
        np.testing.assert_allclose(table, of_block, atol=1e-10)
    for table in pair.values():
        assert np.abs(table.mean(axis=0)).max() < 1e-12
        assert np.abs(table.mean(axis=1)).max() < 1e-12
    known = {b: t for b, t in enumerate(single) if terms.covering((b,)) is not None}
    again = composed(terms, mean, known, pair)
    np.testing.assert_allclose(sum_of(terms, again, symbols), values, atol=1e-10)


def test_effects_are_added_along_the_right_axes_of_a_triple() -> None:
    terms = Terms(SMALL, ((0, 1, 3), (2,)))
    entries = np.zeros(terms.n_entries)
    tables = TermTables(terms, entries)
    rng = np.random.default_rng(0)
    pair, single = rng.normal(size=(4, 2)), rng.normal(size=6)
    tables.add((0, 3), pair)
    tables.add((1,), single)
    tables.add(None, 2.5)
    symbols = everything(SMALL)
    expected = 2.5 + pair[symbols[:, 0], symbols[:, 3]] + single[symbols[:, 1]]
    np.testing.assert_allclose(sum_of(terms, entries, symbols), expected)
    with pytest.raises(SourceError, match="no term holds"):
        tables.add((0, 2), np.zeros((4, 3)))


def surrogate(
    link: Link, unit: str, *, space: SearchSpace = SMALL, order: int = 2, low: int = 50
) -> Surrogate:
    """Return a device of two members whose u are small positive tables."""
    terms = Terms.of_order(space, order)
    rng = np.random.default_rng(4)
    entries = rng.integers(low, low + 60, (terms.n_entries, 2)).astype(np.int32)
    rate = unit.endswith("/s")
    card: dict[str, Any] = {
        "metric": "throughput" if rate else "latency",
        "device": "d",
        "unit": unit,
        "direction": "max" if rate else "min",
        "exact": False,
        "quality": {},
        "versions": {},
    }
    return from_tables(TableEnsemble(space, entries, 2.0**-8, 0.125, link, terms), card)


LINKS = {
    "y": ("1", None),
    "1/y": ("-1", None),
    "y^(1/2)": ("1/2", None),
    "1/y^(1/2)": ("-1/2", None),
    "y^(1/4)": ("1/4", None),
    "y^2": ("2", None),
    "1/(80-y)": ("-1", 80.0),
    "80-y": ("1", 80.0),
}


@pytest.mark.parametrize("unit", ["ms", "images/s"])
@pytest.mark.parametrize("link", LINKS)
@pytest.mark.parametrize("hinges", [(), ((1.0, 0.5), (2.0, -0.3))])
def test_a_small_space_has_each_time_exactly(link: str, unit: str, hinges: Any) -> None:
    with surrogate(Link(*LINKS[link], hinges), unit) as device:
        found = source_of(device)
        y = device.query(np.arange(SMALL.size)).mean.astype(np.float64)
    np.testing.assert_array_equal(found.entries, 1 / y if unit == "images/s" else y)


@pytest.mark.parametrize("unit", ["ms", "images/s"])
@pytest.mark.parametrize("link", LINKS)
def test_a_large_space_has_times_in_their_order_and_size(
    link: str, unit: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Exactly where the link is the scale of times, as close as a straight line comes elsewhere."""
    monkeypatch.setattr(sources_module, "WHOLE", 0)
    power, offset = LINKS[link]
    with surrogate(Link(power, offset), unit) as device:
        found = source_of(device)
        ensemble = device.ensemble
    assert ensemble is not None
    symbols = everything(SMALL)
    u = ensemble.totals(symbols).mean(axis=1) * ensemble.scale + ensemble.shift
    y = Link(power, offset).invert(u)
    times = 1 / y if unit == "images/s" else y
    as_tables = sum_of(found.terms, found.entries, symbols)
    # Only up to a factor: what `Basis` makes of it.
    as_tables, times = as_tables / as_tables.mean(), times / times.mean()
    exponent = (-1 if unit == "images/s" else 1) / Fraction(power)
    if offset is None and exponent == 1:
        np.testing.assert_allclose(as_tables, times, rtol=1e-12)
        return
    assert np.corrcoef(as_tables, times)[0, 1] > 0.95
    assert as_tables.std() == pytest.approx(times.std(), rel=0.15)


def test_hinges_are_left_out_in_a_large_space(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sources_module, "WHOLE", 0)
    for power in ("1", "1/2", "1/4"):
        with surrogate(Link(power), "ms") as plain:
            expected = source_of(plain)
        with surrogate(Link(power, None, ((1.0, 0.5),)), "ms") as bent:
            np.testing.assert_array_equal(source_of(bent).entries, expected.entries)


def test_all_architectures_in_order() -> None:
    np.testing.assert_array_equal(all_symbols(SMALL), everything(SMALL))
    many = space_of([1] * 62 + [2, 3])
    assert all_symbols(many)[:, 62:].tolist() == [list(p) for p in product(range(2), range(3))]


@pytest.mark.parametrize("order", [1, 2, 3])
def test_a_source_on_the_terms_of_all(order: int, monkeypatch: pytest.MonkeyPatch) -> None:
    sources = [random_source(SMALL, 1, order), random_source(SMALL, 2, 1)]
    terms = _terms(SMALL, sources)
    assert terms.blocks == (tuple(range(4)),)
    monkeypatch.setattr("anb_onnx.few_shot.basis.WHOLE", 0)
    large = _terms(SMALL, sources)
    assert all(large.covering(term) is not None for s in sources for term in s.terms.blocks)
    assert all(large.covering(pair) is not None for pair in Terms.of_order(SMALL, 2).blocks)
    symbols = everything(SMALL)
    for source in sources:
        expected = sum_of(source.terms, source.entries, symbols)
        for place in (terms, large):
            np.testing.assert_allclose(sum_of(place, _on(place, source), symbols), expected)


def test_large_blocks_and_a_source_of_one_pair() -> None:
    """A space with too many pairs for tables has those of its sources only."""
    blocks = [
        Block(f"b{k}", (Gene(f"x{k}", tuple(range(130))), Gene(f"y{k}", (1, 2)))) for k in range(4)
    ]
    space = SearchSpace("large blocks", tuple(blocks))
    rng = np.random.default_rng(0)
    terms = Terms(space, ((0, 1), (2,), (3,)))
    source = SourceTable("one pair", terms, rng.gamma(2.0, size=terms.n_entries))
    basis = Basis(space, (source,), AS_BUILT, ())
    points = basis.at(basis.reference[:4])
    assert not basis.grams(points, points)[-1].any()
    function = basis.function(points, rng.normal(size=(9, 4)))
    entries = function.entries(mean=1.0)
    expected = function.at(points) + points.mean
    np.testing.assert_allclose(
        sum_of(basis.terms, entries, basis.reference[:4]), expected, rtol=1e-9
    )


@pytest.mark.parametrize("n", [1, 2, 3, 7])
def test_rounding_is_no_feature(n: int) -> None:
    """Sources that say the same, and counts that are a source, differ by nothing."""
    source = random_source(SMALL, 1, 1)
    same = [
        SourceTable(str(k), source.terms, source.entries * factor)
        for k, factor in enumerate((1.0, 3.0, 0.7, 11.0, 1 / 3, 1e-9, 1e9)[:n])
    ]
    basis = Basis(SMALL, same, AS_BUILT, ())
    assert "src" not in basis.linear
    flat = SourceTable("flat", source.terms, np.full(source.terms.n_entries, 0.1 / 3))
    constant = Basis(SMALL, [flat], AS_BUILT, ())
    assert constant.spread > 0.1
    assert "slope" not in constant.linear


def symbols_of(space: SearchSpace, n: int = 200) -> tuple[Any, NDArray[np.int64]]:
    codes = anb_onnx.sample(n, seed=3, space=space)
    return codes, codes_to_symbols(codes, space).astype(np.int64)


@pytest.mark.parametrize(
    ("space", "name", "target"),
    [
        (MNASNET, "weights", "params"),
        (NASBENCH201, "macs", "macs_cifar10"),
    ],
    ids=["mnasnet", "nasbench201"],
)
def test_counts_are_exact_targets(space: SearchSpace, name: str, target: str) -> None:
    catalog = next((c for c in anb_onnx.benchmarks() if c.space == space), None)
    if catalog is None:
        pytest.skip(f"no benchmark of {space.name} is installed")
    codes, symbols = symbols_of(space)
    (count,) = (c for c in counts_of(space) if c.name == name)
    total = count.rest + sum(t[symbols[:, b]] for b, t in enumerate(count.blocks))
    exact = anb_onnx.load(target, benchmark=catalog.benchmark, engine="numpy")
    found = exact.query(codes).mean.astype(np.float64) * 1e6
    # The published ones have ten biases of the classifier, too.
    np.testing.assert_allclose(found, total, rtol=1e-6, atol=11)


def test_an_exact_target_is_read_as_a_count() -> None:
    codes, symbols = symbols_of(MNASNET)
    exact = anb_onnx.load("params", engine="numpy")
    count = count_of(exact)
    assert count is not None
    total = count.rest + sum(t[symbols[:, b]] for b, t in enumerate(count.blocks))
    np.testing.assert_allclose(total, exact.query(codes).mean, rtol=1e-6)
    assert count_of(anb_onnx.load("latency_zcu102", engine="numpy")) is None


def test_counts_of_cells_are_those_of_their_convolutions() -> None:
    """Layer by layer: NAS-Bench-201, section 2.1; three stages of five cells, two reductions."""
    _, symbols = symbols_of(NASBENCH201, 50)
    counts = {count.name: count for count in counts_of(NASBENCH201)}
    for cell in symbols:
        weights = macs = written = 0
        for channels, size in ((16, 32), (32, 16), (64, 8)):
            for op in cell.tolist() * 5:
                k = {2: 1, 3: 3}.get(op, 0)
                weights += channels * channels * k * k
                macs += channels * channels * k * k * size * size
                written += channels * size * size if k else 0
        for name, expected in (("weights", weights), ("macs", macs), ("activations", written)):
            count = counts[name]
            assert sum(t[s] for t, s in zip(count.blocks, cell, strict=True)) == expected


def test_counts_of_fbnet_are_those_of_its_convolutions() -> None:
    """A stack of layers, each convolution counted by itself."""
    _, symbols = symbols_of(FBNET, 50)
    stages = [(16, 1, 1), (24, 4, 1), (32, 4, 2), (64, 4, 2), (112, 4, 1), (184, 4, 2), (352, 1, 1)]
    layers = [(c, s if k == 0 else 1) for c, n, s in stages for k in range(n)]
    candidates = [(k, e, g) for k in (3, 5) for e, g in ((1, 1), (1, 2), (3, 1), (6, 1))]
    counts = {count.name: count for count in counts_of(FBNET)}
    assert len(layers) == FBNET.n_blocks

    def convolution(cin: int, cout: int, k: int, size: int, groups: int) -> NDArray[np.int64]:
        weights = cout * (cin // groups) * k * k
        return np.array([weights * size * size, weights, cout * size * size])

    for network in symbols.tolist():
        total, before, size = np.zeros(3, np.int64), 16, 32
        for (after, stride), op in zip(layers, network, strict=True):
            out = size // stride
            if op < 8:
                k, e, g = candidates[op]
                middle = before * e
                total += convolution(before, middle, 1, size, g)
                total += convolution(middle, middle, k, out, middle)
                total += convolution(middle, after, 1, out, g)
            elif stride != 1 or before != after:
                total += convolution(before, after, 1, out, 1)
            before, size = after, out
        for name, expected in zip(("macs", "weights", "activations"), total, strict=True):
            count = counts[name]
            assert sum(t[s] for t, s in zip(count.blocks, network, strict=True)) == expected
