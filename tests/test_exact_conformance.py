"""`anb_onnx.exact` on the conformance benchmarks, from their files as a user loads them.

All but one are small enough to query every architecture. That one has 9^22, and a chain of pairs as
its terms, so that dynamic programming over the blocks gives its least sum.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import anb_onnx
from anb_onnx import exact
from anb_onnx.catalog.benchmarks import find_benchmark
from anb_onnx.errors import ExactError
from anb_onnx.spaces.space import SearchSpace

FOLDER = Path(__file__).resolve().parent / "conformance"
SMALL = [
    (catalog.benchmark, target.name, target.direction)
    for catalog in anb_onnx.benchmarks(FOLDER)
    for target in catalog.targets
    if catalog.space.size < 20_000 and catalog.benchmark != "curves"
]


def everything(space: SearchSpace) -> NDArray[np.uint8]:
    axes = np.indices(space.gene_sizes).reshape(space.n_genes, -1)
    return np.ascontiguousarray(axes.T.astype(np.uint8))


def means(benchmark: str, target: str, codes: NDArray[np.uint8]) -> NDArray[np.float32]:
    with anb_onnx.load(target, benchmark=benchmark, path=FOLDER, engine="numpy") as surrogate:
        return surrogate.query_codes(codes).mean


def test_all_that_are_small_are_here() -> None:
    assert len(SMALL) == 12
    assert {benchmark for benchmark, *_ in SMALL} == {
        "joint", "large-block", "measured", "mixed", "nasbench201-pairs", "nasbench201-table",
        "one-block", "several",
    }  # fmt: skip


def test_a_curve_is_no_sum_of_tables() -> None:
    with pytest.raises(ExactError, match="target 'accuracy' is a curve, which no sum of tables is"):
        exact.optimum("accuracy", benchmark="curves", path=FOLDER)


@pytest.mark.parametrize(("benchmark", "target", "better"), SMALL)
@pytest.mark.parametrize("direction", ["max", "min"])
def test_the_best_by_brute_force(benchmark: str, target: str, better: str, direction: Any) -> None:
    space = find_benchmark(benchmark, FOLDER).space
    codes = everything(space)
    mean = means(benchmark, target, codes)
    order = np.argsort(-mean if direction == "max" else mean, kind="stable")
    k = 40
    found = exact.optimum(target, k=k, direction=direction, benchmark=benchmark, path=FOLDER)
    assert [list(s.architecture.codes) for s in found.solutions] == codes[order[:k]].tolist()
    assert [s.value for s in found.solutions] == mean[order[:k]].tolist()
    assert found.all_ties
    value = mean[order[min(k, len(order)) - 1]]
    beyond = mean >= value if direction == "max" else mean <= value
    assert found.ties == int(beyond.sum()) - min(k, len(order))
    listed = exact.enumerate(
        target, float(value), direction=direction, benchmark=benchmark, path=FOLDER
    )
    count = int(beyond.sum())
    assert listed.codes.tolist() == codes[order[:count]].tolist()
    assert listed.values.tolist() == mean[order[:count]].tolist()
    assert exact.optimum(target, benchmark=benchmark, path=FOLDER).direction == better


@pytest.mark.parametrize(
    ("benchmark", "first", "second"),
    [("large-block", "energy", "latency"), ("nasbench201-pairs", "accuracy", "latency_edgegpu")],
)
def test_two_targets_by_brute_force(benchmark: str, first: str, second: str) -> None:
    catalog = find_benchmark(benchmark, FOLDER)
    codes = everything(catalog.space)
    both = [means(benchmark, name, codes) for name in (first, second)]
    largest = [catalog.find(name).target.direction == "max" for name in (first, second)]
    a, b = (-mean if turn else mean for mean, turn in zip(both, largest, strict=True))
    better = [
        int(((a <= x) & (b <= y) & ((a < x) | (b < y))).sum()) for x, y in zip(a, b, strict=True)
    ]
    rows = np.flatnonzero(np.array(better) == 0)
    rows = rows[np.argsort(a[rows], kind="stable")]
    found = exact.pareto([first, second], benchmark=benchmark, path=FOLDER)
    assert found.codes.tolist() == codes[rows].tolist()
    assert found.values.tolist() == np.stack([mean[rows] for mean in both], axis=1).tolist()
    # A constraint at a value that some point of the front has: the point fulfils it.
    for row in rows[:: max(1, len(rows) // 4)]:
        limit = (second, ">=" if largest[1] else "<=", float(both[1][row]))
        best = exact.optimum(first, [limit], benchmark=benchmark, path=FOLDER)
        assert best.bound == both[0][row]


def test_a_chain_of_22_blocks_by_dynamic_programming() -> None:
    """Of a single link, the identity; the sum of the members is a sum over neighbours."""
    catalog = find_benchmark("fbnet-sparse", FOLDER)
    space = catalog.space
    assert space.size == 9**22
    (name,) = (target.name for target in catalog.targets)
    with anb_onnx.load(name, benchmark="fbnet-sparse", path=FOLDER, engine="numpy") as surrogate:
        ensemble = surrogate._ensemble
    assert ensemble is not None
    assert ensemble.link.is_identity
    assert ensemble.terms.blocks == tuple((b, b + 1) for b in range(21))
    tables = [table.sum(axis=-1, dtype=np.int64) for table in ensemble.tables]
    directions: list[tuple[Any, int]] = [("min", 1), ("max", -1)]
    for direction, sign in directions:
        least, back = np.zeros(9, dtype=np.int64), []
        for table in tables:
            total = least[:, None] + sign * table
            back.append(total.argmin(axis=0))
            least = total.min(axis=0)
        symbols = [int(least.argmin())]
        for step in back[::-1]:
            symbols.append(int(step[symbols[-1]]))
        row = np.array([symbols[::-1]])
        value = ensemble.predict(row)[0][0]
        found = exact.optimum(name, benchmark="fbnet-sparse", path=FOLDER, direction=direction)
        assert found.bound == value
        assert list(found.solutions[0].architecture.codes) == row[0].tolist()
