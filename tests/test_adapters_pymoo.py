"""Problems for pymoo, searched by pymoo itself."""

from __future__ import annotations

import pickle
from typing import Any

import moocore
import numpy as np
import pytest
from pymoo.algorithms.moo.nsga2 import NSGA2
from pymoo.algorithms.soo.nonconvex.ga import GA
from pymoo.core.population import Population
from pymoo.optimize import minimize

import anb_onnx
from anb_onnx import MNASNET, NASBENCH201, exact, sample
from anb_onnx.adapters import pymoo_operators, pymoo_problem
from anb_onnx.errors import ArchitectureError, SearchError
from anb_onnx.spaces.space import Block, Gene, SearchSpace


@pytest.fixture(scope="module")
def accuracy_and_throughput() -> Any:
    return pymoo_problem(["accuracy", "throughput_a100"])


def test_losses_are_values_with_the_sign_of_what_is_good() -> None:
    problem = pymoo_problem(["accuracy", "latency_zcu102"], [("throughput_a100", ">=", 9000.0)])
    codes = sample(50, seed=0, space=MNASNET)
    accuracy, latency, throughput = (
        anb_onnx.load(name).query(codes).mean.astype(float)
        for name in ("accuracy", "latency_zcu102", "throughput_a100")
    )
    losses, excess = problem.evaluate(codes.astype(int))
    assert np.array_equal(losses, np.stack([-accuracy, latency], axis=1))
    assert np.array_equal(problem.values(losses), np.stack([accuracy, latency], axis=1))
    assert np.array_equal(excess[:, 0] > 0, throughput < 9000)
    assert np.allclose(excess[:, 0], np.maximum(9000 - throughput, 0) / 9000)
    assert [a.codes for a in problem.architectures(codes)] == [tuple(row) for row in codes.tolist()]
    assert problem.architectures(codes[3])[0].codes == tuple(codes[3].tolist())


def test_nsga2_comes_near_the_exact_front_and_not_beyond(accuracy_and_throughput: Any) -> None:
    problem = accuracy_and_throughput
    found = minimize(problem, NSGA2(100, **pymoo_operators()), ("n_eval", 4000), seed=1)
    front, nadir = problem.pareto_front(), problem.nadir_point()

    def volume(losses: Any) -> float:
        return float(moocore.hypervolume(losses, ref=nadir))

    drawn = problem.evaluate(sample(4000, seed=1, space=MNASNET))
    assert 0.95 * volume(front) < volume(found.F) <= volume(front)
    assert volume(drawn) < 0.9 * volume(found.F)
    assert np.array_equal(problem.evaluate(found.X), found.F)
    # None of what was found dominates a point of the front, in the numbers that it reports.
    below = (found.F[:, None] <= front).all(axis=2) & (found.F[:, None] < front).any(axis=2)
    assert not below.any()


def test_the_front_and_its_corners_are_the_exact_ones(accuracy_and_throughput: Any) -> None:
    exactly = exact.pareto(["accuracy", "throughput_a100"])
    problem = accuracy_and_throughput
    both = problem.values(problem.pareto_front())
    assert {tuple(row) for row in both.tolist()} == {tuple(r) for r in exactly.values.tolist()}
    assert problem.values(problem.ideal_point()).tolist() == exactly.ideal.tolist()
    assert problem.values(problem.nadir_point()).tolist() == exactly.nadir.tolist()
    turned = pymoo_problem(["throughput_a100", "accuracy"]).pareto_front()
    assert sorted(turned[:, ::-1].tolist()) == sorted(problem.pareto_front().tolist())


def test_fronts_and_optima_under_limits() -> None:
    limits = [("latency_zcu102", "<=", 5.0)]
    front = pymoo_problem(["accuracy", "throughput_vck190"], limits).pareto_front()
    expected = exact.pareto(["accuracy", "throughput_vck190"], limits)
    assert sorted((-front).tolist()) == sorted(expected.values.tolist())
    task = anb_onnx.tasks()["accuracy-latency_zcu102-5ms-v1"]
    assert pymoo_problem(task).pareto_front().tolist() == [[-task.optimum.value]]
    assert pymoo_problem(["accuracy", "macs", "params"]).pareto_front() is None
    weighed = exact.WeightedSum({"accuracy": 1.0, "latency_zcu102": -1.0})
    assert pymoo_problem([weighed, "macs"]).pareto_front() is None


def test_limits_are_kept() -> None:
    problem = pymoo_problem("accuracy", [("latency_zcu102", "<=", 5.0)])
    found = minimize(problem, GA(50, **pymoo_operators()), ("n_eval", 1500), seed=2)
    (best,) = problem.architectures(found.X)
    assert anb_onnx.load("latency_zcu102").query(best).mean <= 5.0
    assert problem.values(found.F)[0] == float(anb_onnx.load("accuracy").query(best).mean)
    optimum = problem.values(problem.pareto_front())[0, 0]
    assert optimum - 1.0 < problem.values(found.F)[0] <= optimum


def test_no_architecture_that_keeps_the_limits_is_said_so() -> None:
    problem = pymoo_problem("accuracy", [("latency_zcu102", "<=", 2.0), ("accuracy", ">=", 66.0)])
    found = minimize(problem, GA(20, **pymoo_operators()), ("n_eval", 40), seed=1)
    assert found.X is None
    with pytest.raises(SearchError, match="F is None: pymoo found no architecture that keeps"):
        problem.values(found.F)
    with pytest.raises(SearchError, match="X is None"):
        problem.architectures(found.X)


def test_real_numbers_are_refused_with_what_to_do(accuracy_and_throughput: Any) -> None:
    with pytest.raises(ArchitectureError, match=r"not an integer.*\*\*anb_onnx.*pymoo_operators"):
        minimize(accuracy_and_throughput, NSGA2(20), ("n_eval", 40), seed=1)


def test_the_same_seed_finds_the_same_whatever_was_drawn_meanwhile() -> None:
    found = []
    for draws in (0, 7):
        np.random.rand(draws)  # noqa: NPY002
        problem = pymoo_problem(["accuracy", "macs"])
        found.append(minimize(problem, NSGA2(20, **pymoo_operators()), ("n_eval", 200), seed=5))
    assert np.array_equal(found[0].X, found[1].X)
    assert np.array_equal(found[0].F, found[1].F)


def test_noise_needs_a_generator_and_comes_from_it() -> None:
    codes = sample(30, seed=0, space=MNASNET)
    with pytest.raises(SearchError, match="needs rng="):
        pymoo_problem("accuracy", noise="std")
    first, second = (pymoo_problem("accuracy", noise="std", rng=3) for _ in range(2))
    noisy = first.evaluate(codes)
    assert np.array_equal(noisy, second.evaluate(codes))
    assert not np.array_equal(noisy, first.evaluate(codes))
    rest = noisy[:, 0] + anb_onnx.load("accuracy").query(codes).mean
    assert 0.2 < np.std(rest / anb_onnx.load("accuracy").query(codes).std) < 2.0


def test_a_problem_has_its_own_constraints(accuracy_and_throughput: Any) -> None:
    with pytest.raises(SearchError, match="has its own"):
        pymoo_problem(accuracy_and_throughput.problem, [("macs", "<=", 400.0)])
    with pytest.raises(SearchError, match=r"noise='std' goes with names"):
        pymoo_problem(anb_onnx.tasks()[0], noise="std")


def test_a_problem_travels(accuracy_and_throughput: Any) -> None:
    there = pickle.loads(pickle.dumps(accuracy_and_throughput))
    codes = sample(5, seed=0, space=MNASNET)
    assert np.array_equal(there.evaluate(codes), accuracy_and_throughput.evaluate(codes))
    assert "maximise throughput_a100" in there.name()


class Sized:
    """What operators ask of a problem."""

    def __init__(self, space: SearchSpace) -> None:
        self.n_var = space.n_genes
        self.xl, self.xu = np.zeros(self.n_var), np.array(space.gene_sizes) - 1


def test_mutation_is_uniform_over_the_other_values() -> None:
    genes = Gene("one", (7,)), Gene("three", (1, 2, 3)), Gene("five", tuple("abcde"))
    space = SearchSpace("small", tuple(Block(g.name, (g,)) for g in genes))
    n, share = 20_000, 0.3
    mutation = pymoo_operators(space, prob_var=share)["mutation"]
    start = np.tile(np.array([0, 1, 3]), (n, 1))
    population = Population.new("X", start)
    children = mutation.do(Sized(space), population, random_state=np.random.default_rng(1))
    codes = children.get("X")
    assert (codes[:, 0] == 0).all()
    for gene, size, old in ((1, 3, 1), (2, 5, 3)):
        expected = np.full(size, n * share / (size - 1))
        expected[old] = n * (1 - share)
        counts = np.bincount(codes[:, gene], minlength=size)
        # Chi-square, whose mean is size - 1; 25 is far beyond what chance gives.
        assert ((counts - expected) ** 2 / expected).sum() < 25
    assert np.array_equal(start[0], [0, 1, 3])


def test_children_have_genes_of_their_parents() -> None:
    operators = pymoo_operators(NASBENCH201)
    rng = np.random.default_rng(1)
    problem = Sized(NASBENCH201)
    parents = operators["sampling"].do(problem, 100, random_state=rng)
    codes = parents.get("X")
    assert codes.min() == 0
    assert codes.max() == 4
    pairs = np.arange(100).reshape(50, 2)
    children = operators["crossover"].do(problem, parents, pairs, random_state=rng).get("X")
    first, second = children[:50], children[50:]
    a, b = codes[pairs[:, 0]], codes[pairs[:, 1]]
    assert (((first == a) & (second == b)) | ((first == b) & (second == a))).all()
    assert (first != a).any()
    assert (first == a).any()


def test_settings_of_operators_are_checked() -> None:
    with pytest.raises(SearchError, match="prob_var is a number from 0 to 1"):
        pymoo_operators(prob_var=1.5)
    with pytest.raises(ArchitectureError, match="pass a SearchSpace"):
        pymoo_operators("fbnet")  # type: ignore[arg-type]
