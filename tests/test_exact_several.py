"""Several targets at once: fronts of three, weighted objectives, ranks; against all there is."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from numpy.typing import NDArray

import anb_onnx
from anb_onnx import MNASNET, Architecture, exact
from anb_onnx.encoding.encoding import codes_to_indices
from anb_onnx.errors import ArchitectureError, ExactError, InfeasibleError, TargetError
from anb_onnx.exact.objectives import Weighted

#: Four blocks fixed: 36 * 48 * 36 architectures are left.
GENES = {
    f"block{block}_{gene}": value
    for block in (0, 1, 3, 4)
    for gene, value in (("e", 6), ("k", 3), ("l", 2), ("se", True))
}


@pytest.fixture(scope="module")
def codes() -> NDArray[np.uint8]:
    """All architectures with these genes, by index."""
    choices = [
        [gene.find(GENES[gene.name])] if gene.name in GENES else range(len(gene))
        for gene in MNASNET.genes
    ]
    return np.array([*product(*choices)], dtype=np.uint8)


def means(names: tuple[str, ...], codes: NDArray[np.uint8]) -> NDArray[np.float32]:
    return np.stack([anb_onnx.load(name).query(codes).mean for name in names], axis=1)


def signs(names: tuple[str, ...]) -> NDArray[np.float32]:
    of = [anb_onnx.load(name).target.direction for name in names]
    return np.array([-1 if direction == "max" else 1 for direction in of], dtype=np.float32)


def nondominated(worth: NDArray[np.float32]) -> NDArray[np.bool_]:
    """By definition, after a first pass that throws out what some few dominate."""
    left = np.arange(len(worth))
    for weights in np.random.default_rng(0).dirichlet(np.ones(worth.shape[1]), 50):
        scaled = (worth[left] - worth.min(axis=0)) / np.ptp(worth, axis=0)
        best = worth[left[np.argmin(scaled @ weights)]]
        rows = worth[left]
        left = left[~((best <= rows).all(axis=1) & (best < rows).any(axis=1))]
    rows = worth[left]
    keep = [not ((rows <= row).all(axis=1) & (rows < row).any(axis=1)).any() for row in rows]
    found = np.zeros(len(worth), dtype=np.bool_)
    found[left[np.array(keep)]] = True
    return found


@pytest.mark.parametrize(
    "names",
    [
        ("accuracy", "latency_zcu102", "throughput_a100"),
        ("throughput_tpuv3", "accuracy", "params"),
        ("train_time", "throughput_vck190", "throughput_zcu102"),
    ],
)
def test_a_front_of_three_is_that_of_all_architectures(
    names: tuple[str, str, str], codes: NDArray[np.uint8]
) -> None:
    found = exact.pareto(names, genes=GENES)
    values = means(names, codes)
    keep = nondominated(values * signs(names))
    assert {*map(bytes, found.codes)} == {*map(bytes, codes[keep])}
    assert len(found.codes) == keep.sum() > 3
    assert np.array_equal(found.values, means(names, found.codes))


def test_a_front_of_three_under_a_constraint(codes: NDArray[np.uint8]) -> None:
    names = ("accuracy", "throughput_3090", "macs")
    slow = anb_onnx.load("latency_vck190").query(codes).mean
    bound = float(np.median(slow))
    found = exact.pareto(names, [("latency_vck190", "<=", bound)], genes=GENES)
    allowed = codes[slow <= bound]
    keep = nondominated(means(names, allowed) * signs(names))
    assert {*map(bytes, found.codes)} == {*map(bytes, allowed[keep])}


@pytest.mark.parametrize(
    "objective",
    [
        exact.WeightedSum({"accuracy": 1.0, "latency_zcu102": -0.7}),
        exact.WeightedSum({"throughput_a100": 0.001, "accuracy": 2.0, "params": -1.5}),
        exact.WeightedProduct("accuracy", "latency_vck190", 3.0, -0.07),
        exact.WeightedProduct("accuracy", "throughput_tpuv3", 1_000.0, 0.07),
    ],
    ids=str,
)
def test_the_best_of_a_weighted_objective_is_that_of_all(
    objective: Weighted, codes: NDArray[np.uint8]
) -> None:
    found = exact.optimum(objective, genes=GENES)
    values = objective.value(means(tuple(map(str, objective.targets)), codes))
    assert found.solutions[0].value == found.bound == values.max()
    best = codes[values == values.max()]
    assert found.solutions[0].architecture.index == codes_to_indices(best, MNASNET).min()
    assert found.ties == len(best) - 1


def test_what_a_front_does_not_bound_is_refused() -> None:
    wrong = exact.WeightedSum({"accuracy": 1.0, "latency_zcu102": 0.5})
    with pytest.raises(ExactError, match=r"reward a worse latency_zcu102 \(lower is better\)"):
        exact.optimum(wrong)
    wrong_way = exact.WeightedProduct("accuracy", "throughput_a100", 5_000.0, -0.07)
    with pytest.raises(ExactError, match="change the sign of the weight of 'throughput_a100'"):
        exact.optimum(wrong_way)
    right = exact.WeightedSum({"accuracy": 1.0, "latency_zcu102": -0.5})
    with pytest.raises(ExactError, match="give neither k nor direction"):
        exact.optimum(right, k=2)
    with pytest.raises(ExactError, match="give neither k nor direction"):
        exact.optimum(right, direction="min")


@pytest.mark.parametrize(
    "weights", [{"accuracy": 1.0}, {}, [("accuracy", 1)], dict.fromkeys("abcd", 1.0)]
)
def test_a_sum_has_two_or_three_targets(weights: object) -> None:
    with pytest.raises(ExactError, match="two or three targets"):
        exact.WeightedSum(weights)  # type: ignore[arg-type]


@pytest.mark.parametrize("weight", [0, float("nan"), float("inf"), True, "1", None])
def test_a_weight_is_a_finite_number(weight: object) -> None:
    with pytest.raises(ExactError, match="the weight of 'params' must be a finite number"):
        exact.WeightedSum({"accuracy": 1.0, "params": weight})  # type: ignore[dict-item]
    with pytest.raises(ExactError, match="exponent must be a finite number"):
        exact.WeightedProduct("accuracy", "params", 1.0, weight)  # type: ignore[arg-type]


@pytest.mark.parametrize("targets", ["accuracy", ["accuracy"], ["a", "b", "c", "d"], 3, None])
def test_a_front_is_of_two_or_three_targets(targets: object) -> None:
    with pytest.raises(TargetError, match="of two targets, or three"):
        exact.pareto(targets)  # type: ignore[arg-type]


def test_ranks_near_the_top_are_those_of_a_list() -> None:
    found = exact.enumerate("accuracy", 68.2)
    for place in (0, 1, 17, 561):
        rank = exact.rank("accuracy", Architecture.from_codes(found.codes[place], space=MNASNET))
        better = int((found.values > found.values[place]).sum())
        equal = int((found.values == found.values[place]).sum())
        assert (rank.better, rank.equal, rank.rank) == (better, equal, better + 1)
        assert rank.total == MNASNET.size
        assert rank.better_than == (MNASNET.size - better - equal) / MNASNET.size


def test_a_rank_is_of_one_architecture(codes: NDArray[np.uint8]) -> None:
    with pytest.raises(ArchitectureError, match="one architecture is needed"):
        exact.rank("accuracy", codes[:2])


@pytest.mark.parametrize(
    ("target", "operator", "value", "direction"),
    [
        ("accuracy", "<=", 60.0, "max"),
        ("latency_zcu102", "<=", 5.0, "max"),
        ("macs", ">=", 300.0, "min"),
    ],
)
def test_a_limit_on_the_objective_itself_ends_where_nothing_is_better(
    target: str, operator: str, value: float, direction: str
) -> None:
    """Very many have the float32 at the limit: the first that is found will do."""
    found = exact.optimum(target, [(target, operator, value)], direction=direction)  # type: ignore[arg-type]
    assert found.bound == value
    assert not found.all_ties
    assert anb_onnx.load(target).query(found.solutions[0].architecture).mean == value


def test_limits_that_contradict_each_other_are_told_at_once() -> None:
    limits = [("latency_zcu102", "<=", 5.0), ("latency_zcu102", ">=", 5.01)]
    with pytest.raises(InfeasibleError, match=r"both latency_zcu102 >= 5\.01 ms and .* <= 5\.0 ms"):
        exact.optimum("accuracy", limits)


def test_a_search_gives_up_in_words() -> None:
    narrow = [("accuracy", ">=", 60.0), ("latency_zcu102", "<=", 5.0), ("macs", ">=", 200.0)]
    with pytest.raises(ExactError, match=r"nothing is proven after .* and max_nodes is 1000"):
        exact.optimum("macs", narrow, direction="min", k=100_000, max_nodes=1_000)
    for wrong in (0, -1, 1.5, True, None):
        with pytest.raises(ExactError, match="max_nodes must be a positive integer"):
            exact.optimum("macs", max_nodes=wrong)  # type: ignore[arg-type]


def test_values_that_are_not_finite_are_refused() -> None:
    huge = exact.WeightedSum({"accuracy": 1e308, "latency_zcu102": -1e308})
    with pytest.raises(ExactError, match="is not finite for all of the front"):
        exact.optimum(huge, genes=GENES)
    with pytest.raises(ExactError, match="must be a finite number"):
        exact.WeightedSum({"accuracy": 10**400, "params": -1})
