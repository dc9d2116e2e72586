"""Two solvers that know nothing of this package confirm the optima of the sums of tables.

toulbar2 (weighted constraint satisfaction) and HiGHS (integer programming) get the tables of a
target, all members added up; both are exact. The bundled targets are sums over pairs of blocks.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import anb_onnx
from anb_onnx import exact
from anb_onnx.catalog.benchmarks import find_benchmark
from anb_onnx.encoding.encoding import codes_to_symbols
from anb_onnx.exact.parts import parts_of
from anb_onnx.exact.search import Search
from anb_onnx.exact.solve import order_of
from anb_onnx.tables import TableEnsemble
from benchmarks.solvers import SOLVERS, sums, value

TARGETS = [target.name for target in find_benchmark().targets]

#: 12 symbols a block, one of them 16: 47,775,744 architectures, few enough for HiGHS with a bound.
LIMITED = {f"block{b}_{gene}": value for b in range(7) for gene, value in (("e", [1, 6]), ("k", 3))}

Domains = tuple[NDArray[np.int64], ...]


def witness(name: str) -> Any:
    """A solver, where it is installed: pip install 'anb-onnx[test]'."""
    pytest.importorskip({"toulbar2": "pytoulbar2", "HiGHS": "scipy"}[name])
    return SOLVERS[name]


def ensemble_of(target: str) -> TableEnsemble:
    with anb_onnx.load(target, engine="numpy") as surrogate:
        assert surrogate._ensemble is not None
        return surrogate._ensemble


def least(ensemble: TableEnsemble, sign: int) -> tuple[int, NDArray[np.int64]]:
    """The least sum by the search of `anb_onnx.exact`, with no bound of any mean."""
    part = parts_of(ensemble.space, [ensemble], None)[0]
    cost = part.sum_of(ensemble).cost(largest=sign * ensemble.scale * _slope(ensemble) < 0)
    search = Search(part.layout, [cost.diffused], order_of(part, cost.diffused))
    best, end, done = np.zeros(0, np.int64), 2**62, False
    while not done:
        leaves, done = search.run(np.array([[end]]), 1)
        if len(leaves):
            best = leaves[0]
            end = (part.layout.total(cost.raw, best) << cost.bits) - 1
    return part.layout.total(cost.raw, best), part.symbols(best[None])[0]


def symbols_of(found: exact.Optimum, ensemble: TableEnsemble) -> NDArray[np.int64]:
    codes = np.array([found.solutions[0].architecture.codes], dtype=np.uint8)
    return codes_to_symbols(codes, ensemble.space).astype(np.int64)


def _slope(ensemble: TableEnsemble) -> int:
    return 1 if ensemble.link.increasing else -1


def everywhere(ensemble: TableEnsemble) -> Domains:
    """All symbols, but those inside a regime: one side of it is one sum."""
    return parts_of(ensemble.space, [ensemble], None)[0].domains


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("sign", [1, -1])
def test_toulbar2_finds_the_same_least_and_largest_sum(target: str, sign: int) -> None:
    ensemble = ensemble_of(target)
    domains = everywhere(ensemble)
    tables = sums(ensemble, sign, domains)
    found, _ = least(ensemble, sign)
    assert found == value(tables, witness("toulbar2")(tables))


@pytest.mark.parametrize("target", ["accuracy", "latency_zcu102"])
def test_highs_finds_the_same_sum(target: str) -> None:
    ensemble = ensemble_of(target)
    domains = everywhere(ensemble)
    sign = -1 if target == "accuracy" else 1
    tables = sums(ensemble, sign, domains)
    found, symbols = least(ensemble, sign)
    assert symbols.tolist() == witness("HiGHS")(tables).tolist()
    assert found == value(tables, symbols)


#: Objective, its direction, and a constraint on a target that is its sum itself.
PROBLEMS = [
    ("latency_vck190", "max", "latency_zcu102", 5.0),
    ("params", "max", "macs", 300.0),
    ("macs", "max", "latency_zcu102", 4.0),
    ("latency_zcu102", "max", "params", 3.5),
]


@pytest.mark.parametrize(("objective", "direction", "bounded", "most"), PROBLEMS)
@pytest.mark.parametrize("solver", SOLVERS)
def test_both_solvers_agree_under_a_constraint(
    solver: str, objective: str, direction: Any, bounded: str, most: float
) -> None:
    """Where links are the identity, means are the sums but for rounding."""
    genes = LIMITED
    ensemble, other = ensemble_of(objective), ensemble_of(bounded)
    assert ensemble.link.is_identity
    assert other.link.is_identity
    domains = parts_of(ensemble.space, [ensemble, other], genes)[0].domains
    assert np.prod([len(domain) for domain in domains]) > 10**7
    tables, parts = sums(ensemble, -1, domains), sums(other, 1, domains)
    end = int(np.floor((most - other.shift) * other.n_members / other.scale))
    row = witness(solver)(tables, (parts, end))
    assert value(parts, row) <= end
    found = exact.optimum(objective, [(bounded, "<=", most)], genes=genes, direction=direction)
    ours = symbols_of(found, ensemble)[0]
    positions = np.array([np.searchsorted(d, x) for d, x in zip(domains, ours, strict=True)])
    # Of the sums the solver's is the least, of the float32 means ours is the best.
    assert value(parts, positions) <= end
    mean = ensemble.predict(np.array([[d[x] for d, x in zip(domains, row, strict=True)]]))[0][0]
    assert float(mean) <= found.solutions[0].value
    gap = value(tables, positions) - value(tables, row)
    assert 0 <= gap * ensemble.scale / ensemble.n_members <= 1e-6 * abs(float(mean))


def test_toulbar2_confirms_accuracy_under_a_bound_of_latency() -> None:
    """The whole space; accuracy bends its sum, which its best architecture feels but little."""
    accuracy, latency = ensemble_of("accuracy"), ensemble_of("latency_zcu102")
    domains = everywhere(accuracy)
    tables, parts = sums(accuracy, -1, domains), sums(latency, 1, domains)
    end = int(np.floor((8.0 - latency.shift) * latency.n_members / latency.scale))
    row = witness("toulbar2")(tables, (parts, end))
    found = exact.optimum("accuracy", [("latency_zcu102", "<=", 8.0)])
    best = symbols_of(found, accuracy)
    mean = accuracy.predict(np.concatenate([row[None], best]))[0]
    assert mean[0] <= mean[1] == np.float32(found.solutions[0].value)
    assert value(tables, row) <= value(tables, best[0])
    # No architecture of a larger sum has a better mean: 80 - 1/u is concave.
    bound = 80 - 1 / (-value(tables, row) * accuracy.scale / accuracy.n_members + accuracy.shift)
    assert float(mean[1]) <= bound + 1e-5
