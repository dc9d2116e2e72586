"""`anb_onnx.exact` on the bundled targets: known facts, subspaces, and millions drawn at random.

Two million architectures are drawn by default; ANB_EXACT_MILLIONS=20 makes it twenty, as in CI.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import anb_onnx
from anb_onnx import MNASNET, Surrogate, exact
from anb_onnx.catalog.benchmarks import find_benchmark

TARGETS = [target.name for target in find_benchmark().targets]
DIRECTION = {target.name: target.direction for target in find_benchmark().targets}
CHUNKS = 5 * int(os.environ.get("ANB_EXACT_MILLIONS", "2"))
ROWS = 200_000

Codes = NDArray[np.uint8]


@pytest.fixture(scope="module")
def surrogates() -> Iterator[dict[str, Surrogate]]:
    with ExitStack() as stack:
        yield {name: stack.enter_context(anb_onnx.load(name, threads=1)) for name in TARGETS}


def worth(name: str, mean: NDArray[np.float32]) -> NDArray[np.float32]:
    """The values so that less is better."""
    return -mean if DIRECTION[name] == "max" else mean


def test_the_most_accurate_architecture_of_all() -> None:
    found = exact.optimum("accuracy")
    (solution,) = found.solutions
    assert f"{solution.value:.4f}" == "68.4731"
    assert found.bound == solution.value
    assert (found.ties, found.all_ties) == (0, True)
    assert found.certificate.root_bound >= found.bound
    assert found.certificate.parts == 1
    assert (found.target, found.unit, found.direction) == ("accuracy", "%", "max")


def test_how_many_reach_68_2(surrogates: dict[str, Surrogate]) -> None:
    listed = exact.enumerate("accuracy", 68.2)
    assert len(listed.values) == 562
    assert listed.values.min() >= 68.2
    values = surrogates["accuracy"].query_codes(listed.codes).mean
    assert listed.values.tobytes() == values.tobytes()
    # The same 562 are the best 562, and the next one is below.
    best = exact.optimum("accuracy", k=563)
    assert [s.value for s in best.solutions[:562]] == listed.values.tolist()
    assert [list(s.architecture.codes) for s in best.solutions[:562]] == listed.codes.tolist()
    assert best.solutions[562].value < 68.2


def test_the_front_of_accuracy_and_latency(surrogates: dict[str, Surrogate]) -> None:
    found = exact.pareto(["accuracy", "latency_zcu102"])
    assert len(found.codes) == 618
    for column, name in enumerate(found.targets):
        mean = surrogates[name].query_codes(found.codes).mean
        assert found.values[:, column].tobytes() == mean.tobytes()
    assert found.values[0, 0] == found.ideal[0] == exact.optimum("accuracy").bound
    assert found.values[-1, 1] == found.ideal[1] == exact.optimum("latency_zcu102").bound
    assert found.nadir.tolist() == [found.values[:, 0].min(), found.values[:, 1].max()]
    # The same from the other side, and nothing comes twice.
    turned = exact.pareto(["latency_zcu102", "accuracy"])
    assert {row.tobytes() for row in turned.codes} == {row.tobytes() for row in found.codes}
    assert len(np.unique(found.codes, axis=0)) == 618


@pytest.mark.parametrize("name", TARGETS)
def test_the_best_and_the_worst_are_what_a_query_gives(
    name: str, surrogates: dict[str, Surrogate]
) -> None:
    best, worst = exact.optimum(name, k=3), exact.optimum(name, direction=_other(name))
    for found in (best, worst):
        codes = np.array([s.architecture.codes for s in found.solutions], dtype=np.uint8)
        mean = surrogates[name].query_codes(codes).mean
        assert [s.value for s in found.solutions] == mean.tolist()
    assert best.direction == DIRECTION[name] != worst.direction
    # Two tails of one distribution: nearly every architecture lies between.
    codes = anb_onnx.sample(1000, seed=1, space=MNASNET)
    values = surrogates[name].query_codes(codes).mean
    low, high = sorted([best.bound, worst.bound])
    assert low <= values.min() <= values.max() <= high


def _other(name: str) -> Any:
    return "min" if DIRECTION[name] == "max" else "max"


#: What constrained problems are asked of millions: objective, and constraints.
PROBLEMS: list[tuple[str, list[tuple[str, str, float]]]] = [
    ("accuracy", [("latency_zcu102", "<=", 5.0)]),
    ("accuracy", [("throughput_tpuv3", ">=", 1000.0), ("params", "<=", 5.0)]),
    ("throughput_a100", [("accuracy", ">=", 66.0)]),
    ("train_time", [("accuracy", ">=", 66.0), ("macs", "<=", 600.0)]),
]


def test_nothing_at_random_is_better(surrogates: dict[str, Surrogate]) -> None:
    """Neither than an optimum, nor than one under constraints, nor than a front."""
    bound = {
        name: worth(name, np.array([exact.optimum(name).bound], np.float32))[0] for name in TARGETS
    }
    under = [exact.optimum(name, constraints).bound for name, constraints in PROBLEMS]
    fronts = [exact.pareto(["accuracy", name]) for name in ("latency_zcu102", "throughput_tpuv3")]
    seen, feasible = 0, [0] * len(PROBLEMS)
    for chunk in range(CHUNKS):
        codes = anb_onnx.sample(ROWS, seed=1000 + chunk, space=MNASNET)
        mean = {name: surrogates[name].query_codes(codes).mean for name in TARGETS}
        for name in TARGETS:
            assert worth(name, mean[name]).min() >= bound[name], name
        for number, (name, constraints) in enumerate(PROBLEMS):
            fits = np.ones(len(codes), dtype=bool)
            for other, operator, limit in constraints:
                fits &= mean[other] <= limit if operator == "<=" else mean[other] >= limit
            feasible[number] += int(fits.sum())
            best = worth(name, np.array([under[number]], np.float32))[0]
            assert worth(name, mean[name][fits]).min(initial=np.inf) >= best, constraints
        for front in fronts:
            _none_beyond(front, mean, codes)
        seen += len(codes)
    assert seen == 200_000 * CHUNKS
    assert min(feasible) > 100  # they were tried


def _none_beyond(front: exact.Front, mean: dict[str, NDArray[np.float32]], codes: Codes) -> None:
    """Everything is dominated by a point of the front, or is on it."""
    first, second = (worth(name, front.values[:, c]) for c, name in enumerate(front.targets))
    assert (np.diff(first) >= 0).all()
    ours = [worth(name, mean[name]) for name in front.targets]
    # The least second worth of all points whose first is as good.
    count = np.searchsorted(first, ours[0], side="right")
    least = np.concatenate([np.array([np.inf], np.float32), np.minimum.accumulate(second)])[count]
    assert (least <= ours[1]).all()
    equal = np.flatnonzero(least == ours[1])
    points = set(zip(first.tolist(), second.tolist(), strict=True))
    members = {row.tobytes() for row in front.codes}
    for row in equal.tolist():
        if (float(ours[0][row]), float(ours[1][row])) in points:
            assert codes[row].tobytes() in members


#: Free blocks; block 5 has the regime of throughput_tpuv3, and one more choice.
SUBSPACES = [(0, (0, 1, 2)), (1, (3, 5, 6)), (2, (1, 4, 5))]


class Subspace:
    """All architectures that differ in three blocks only, and the genes that say so."""

    def __init__(self, seed: int, free: tuple[int, ...]) -> None:
        fixed = anb_onnx.sample(1, seed=seed, space=MNASNET)[0].tolist()
        kept = [int(name[5]) not in free for name in MNASNET.gene_names]
        pairs = zip(MNASNET.genes, fixed, kept, strict=True)
        self.genes = {gene.name: gene.choices[code] for gene, code, keep in pairs if keep}
        pairs = zip(MNASNET.genes, fixed, kept, strict=True)
        axes = [[code] if keep else range(len(gene)) for gene, code, keep in pairs]
        grid = np.meshgrid(*axes, indexing="ij")  # in the order of the indices
        self.codes = np.stack([axis.ravel() for axis in grid], axis=1).astype(np.uint8)


def listed(rows: NDArray[np.intp], mean: NDArray[np.float32], largest: bool) -> NDArray[np.intp]:
    """The rows by value, then by index."""
    return rows[np.argsort(-mean[rows] if largest else mean[rows], kind="stable")]


@pytest.mark.parametrize(("seed", "free"), SUBSPACES)
def test_subspaces_by_brute_force(
    seed: int, free: tuple[int, ...], surrogates: dict[str, Surrogate]
) -> None:
    space = Subspace(seed, free)
    assert len(space.codes) in (36**3, 48 * 36**2)
    mean = {name: surrogates[name].query_codes(space.codes).mean for name in TARGETS}

    def attained(name: str, share: float) -> float:
        return float(np.quantile(mean[name], share, method="nearest"))

    latency, speed = attained("latency_zcu102", 0.3), attained("throughput_tpuv3", 0.6)
    constraints = [("latency_zcu102", "<=", latency), ("throughput_tpuv3", ">=", speed)]
    fits = (mean["latency_zcu102"] <= latency) & (mean["throughput_tpuv3"] >= speed)
    assert fits.sum() > 30
    for name in ("accuracy", "throughput_tpuv3", "throughput_vck190", "train_time", "params"):
        for direction in ("max", "min"):
            for limits, rows in (([], np.arange(len(fits))), (constraints, np.flatnonzero(fits))):
                order = listed(rows, mean[name], direction == "max")
                found = exact.optimum(name, limits, k=30, genes=space.genes, direction=direction)
                codes = [list(s.architecture.codes) for s in found.solutions]
                assert codes == space.codes[order[:30]].tolist()
                values = mean[name][order]
                assert [s.value for s in found.solutions] == values[:30].tolist()
                assert found.bound == values[0]
                assert found.ties == int((values == values[min(29, len(values) - 1)]).sum()) - sum(
                    s.value == found.solutions[-1].value for s in found.solutions
                )


@pytest.mark.parametrize(("seed", "free"), SUBSPACES)
@pytest.mark.parametrize(
    "pair", [("accuracy", "throughput_tpuv3"), ("train_time", "throughput_a100")]
)
def test_fronts_of_subspaces_by_brute_force(
    seed: int, free: tuple[int, ...], pair: tuple[str, str], surrogates: dict[str, Surrogate]
) -> None:
    space = Subspace(seed, free)
    names = (*pair, "params")
    mean = {name: surrogates[name].query_codes(space.codes).mean for name in names}
    most = float(np.quantile(mean["params"], 0.5, method="nearest"))
    for limits, fits in (
        ([], np.ones(len(space.codes), dtype=bool)),
        ([("params", "<=", most)], mean["params"] <= most),
    ):
        rows = np.flatnonzero(fits)
        first, second = (worth(name, mean[name][rows]) for name in pair)
        # One after the other, by the first and then the second: on the front if none before is
        # as good in the second, or it is equal to the last that was on it.
        kept, last = [], (np.float32(np.nan), np.float32(np.inf))
        for i in np.lexsort((rows, second, first)).tolist():
            if second[i] < last[1] or (first[i], second[i]) == last:
                kept.append(rows[i])
                last = (first[i], second[i])
        found = exact.pareto(pair, limits, genes=space.genes)
        assert found.codes.tolist() == space.codes[kept].tolist()
        for column, name in enumerate(pair):
            assert found.values[:, column].tolist() == mean[name][kept].tolist()
