"""The fast pass in float32: it is within its bound, needs it, and the bound is no excuse."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from numpy.typing import NDArray
from sweep_cases import as_lists, brute, ensemble_of, random_ensemble, space_of, symbols_of

import anb_onnx
from anb_onnx import MNASNET, Link, Terms
from anb_onnx.sweep import Grid, kernel
from anb_onnx.sweep.bound import FastPass, contract_error, plan_fast_pass
from anb_onnx.sweep.curve import Curve
from anb_onnx.sweep.line import bent
from anb_onnx.sweep.run import default_range
from anb_onnx.tables import TableEnsemble

F = np.float32


def positions(
    ensemble: TableEnsemble, plan: FastPass, symbols: NDArray[np.integer]
) -> NDArray[np.float32]:
    """Return t of architectures by the fast pass, written once more with NumPy's float32."""
    totals = ensemble.totals(symbols).astype(np.int64)
    if plan.members != ensemble.n_members:
        half = (1 << plan.shift) >> 1
        summed = (ensemble.entries.sum(axis=1, keepdims=True, dtype=np.int64) + half) >> plan.shift
        single = replace(ensemble, entries=summed.astype(np.int32))
        totals = single.totals(symbols).astype(np.int64)
    inside = np.zeros(len(symbols), np.bool_)
    if ensemble.link.regime is not None:
        block, of_symbol = ensemble.link.regime.symbols(ensemble.space)
        inside = of_symbol[symbols[:, block]]
    by_curve = [_position(plan, curve, totals + plan.offset) for curve in plan.curves]
    return np.where(inside, by_curve[-1], by_curve[0])


def _position(plan: FastPass, curve: Curve, v: NDArray[np.int64]) -> NDArray[np.float32]:
    r = v.astype(F) * F(plan.factor)
    for step in plan.chain:
        r = r * r if step == "square" else np.sqrt(r) if step == "sqrt" else F(1) / r
    if not curve.bends:
        total = np.zeros(len(r), F)
        for column in r.T:
            total = total + column
        t: NDArray[np.float32] = total * F(curve.slope) + F(curve.start)
        return t
    n = np.floor(v * curve.unit) if not plan.chain else np.trunc(r * F(curve.unit))
    n = n.astype(np.int64)
    members = n.shape[1]
    t = (n.sum(axis=1) - members * curve.base).astype(F) * F(curve.slope) + F(curve.start)
    for knot, change in curve.bends:
        t = t + (np.maximum(n, knot).sum(axis=1) - members * knot).astype(F) * F(change)
    return t


def exact_mean(ensemble: TableEnsemble, symbols: NDArray[np.integer]) -> NDArray[np.longdouble]:
    """Return the contract's mean before it is rounded to float32."""
    u = ensemble.totals(symbols).astype(np.float64) * ensemble.scale + ensemble.shift
    inside = None
    if ensemble.link.regime is not None:
        block, of_symbol = ensemble.link.regime.symbols(ensemble.space)
        inside = of_symbol[symbols[:, block]]
    mean: NDArray[np.longdouble] = (
        ensemble.link.invert(u, inside).astype(np.longdouble).mean(axis=1)
    )
    return mean


def worst(ensemble: TableEnsemble, grid: Grid, symbols: NDArray[np.integer]) -> tuple[float, float]:
    """Return the largest error of t that is seen, and its bound, in cells."""
    plan = plan_fast_pass(ensemble, grid.low, grid.high, grid.bins)
    assert plan is not None
    per_cell = np.longdouble(grid.bins) / (np.longdouble(grid.high) - np.longdouble(grid.low))
    t = 1 + (exact_mean(ensemble, symbols) - np.longdouble(grid.low)) * per_cell
    error = np.abs(positions(ensemble, plan, symbols).astype(np.longdouble) - t)
    return float(error.max()), plan.error


@pytest.mark.parametrize(
    "target",
    [
        *("accuracy", "latency_vck190", "params", "throughput_3090", "throughput_a100"),
        *("throughput_tpuv2", "throughput_tpuv3", "throughput_vck190", "train_time"),
    ],
)
def test_the_bound_covers_what_is_seen_on_mnasnet(target: str) -> None:
    ensemble = anb_onnx.load(target, engine="numpy")._ensemble
    assert ensemble is not None
    rng = np.random.default_rng(0)
    symbols = np.stack([rng.integers(0, size, 200_000) for size in MNASNET.block_sizes], axis=1)
    seen, bound = worst(ensemble, Grid(*default_range(ensemble), 4096), symbols)
    # Errors of many roundings cancel, and the bound counts on none of it; still it is no guess.
    assert 1.2 * seen < bound < 60 * seen
    assert bound < 0.025


@pytest.mark.parametrize("seed", range(60))
def test_the_bound_covers_what_is_seen_on_any_ensemble(seed: int) -> None:
    ensemble = random_ensemble(1000 + seed)
    symbols = symbols_of(ensemble.space)
    mean = ensemble.predict(symbols)[0]
    low, high = float(mean.min()), float(mean.max())
    if low == high or (high - low) < 2**-14 * max(abs(low), abs(high)):
        pytest.skip("all predictions are nearly the same: no histogram of them is of use")
    grid = Grid(low, high, 16)
    if plan_fast_pass(ensemble, low, high, 16) is None:
        pytest.skip("no fast pass")
    seen, bound = worst(ensemble, grid, symbols)
    assert seen <= bound


def test_without_the_bound_counts_are_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    ensemble = anb_onnx.load("throughput_zcu102", engine="numpy")._ensemble
    assert ensemble is not None
    grid = Grid(*default_range(ensemble), 100_000)
    symbols = symbols_of(MNASNET, 0, 36 * 48 * 36 * 4)
    expected = brute(ensemble.predict(symbols)[0], grid)

    def careless(*args: object) -> FastPass:
        plan = plan_fast_pass(*args)  # type: ignore[arg-type]
        assert plan is not None
        return replace(plan, error=-1.0)

    counter = kernel.Counter(ensemble, grid, 4)
    prefixes = len(symbols) // counter.layout.inner
    assert as_lists(counter.count(0, prefixes)) == expected
    monkeypatch.setattr(kernel, "plan_fast_pass", careless)
    counter = kernel.Counter(ensemble, grid, 4)
    found = counter.count(0, prefixes)
    assert found.exact == 0
    assert as_lists(found) != expected


def test_cells_finer_than_float32_are_left_to_float64() -> None:
    ensemble = ensemble_of(Terms.of_order(space_of(9, 9), 2), 2, Link("-1"))
    mean = ensemble.predict(symbols_of(ensemble.space))[0]
    low, high = float(mean.min()), float(mean.max())
    coarse = plan_fast_pass(ensemble, low, high, 100)
    fine = plan_fast_pass(ensemble, low, high, 100_000)
    assert coarse is not None
    assert fine is not None
    assert fine.error > 100 * coarse.error
    assert plan_fast_pass(ensemble, low, high, 1_000_000) is None


def test_the_contract_is_as_exact_as_stated() -> None:
    ensemble = random_ensemble(4)
    bound = contract_error(ensemble)
    assert bound is not None
    assert 0 < bound < 1e-12
    # Squares and reciprocals of fractions are fractions: nothing is rounded here.
    ensemble = ensemble_of(Terms.of_order(space_of(4, 5), 2), 3, Link("-1/2", 3.0, ((0.5, -0.75),)))
    symbols = symbols_of(ensemble.space)
    totals = ensemble.totals(symbols).tolist()
    bound = contract_error(ensemble)
    assert bound is not None
    scale, shift = Fraction(ensemble.scale), Fraction(ensemble.shift)
    for row, found in zip(totals, exact_mean(ensemble, symbols).tolist(), strict=True):
        y = [3 - 1 / (total * scale + shift) ** 2 for total in row]
        y = [v - Fraction(3, 4) * max(v - Fraction(1, 2), 0) for v in y]
        assert abs(float(sum(y) / 3 - Fraction(float(found)))) <= bound


def test_hinges_as_a_piecewise_linear_function() -> None:
    link = Link("1", None, ((2.0, 0.5), (1.0, -0.75), (1.5, 3.0), (1.2, -0.5)))
    for alpha, beta in ((Fraction(3), Fraction(1, 2)), (Fraction(-2), Fraction(5))):
        line = bent(alpha, beta, link.hinges)
        assert list(line.bends) == sorted(line.bends)
        for x in np.linspace(-3, 3, 61).tolist():
            y = float(alpha) * x + float(beta)
            expected = link.invert(np.array([y]))[0]
            assert float(line(Fraction(x))) == pytest.approx(expected, abs=1e-12)
