"""Problems: values, signs, limits, noise, cost, against what the surrogates say by themselves."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from vector_cases import curves, surrogate_of

import anb_onnx
from anb_onnx import MNASNET, Link, Problem, exact, search
from anb_onnx.errors import ArchitectureError, SearchError, TargetError

CODES = anb_onnx.sample(500, seed=5, space=MNASNET)


def mean(target: str) -> np.ndarray:
    return anb_onnx.load(target).query(CODES).mean.astype(np.float64)


def test_values_are_the_means_in_the_units_of_the_targets() -> None:
    problem = Problem(["accuracy", "latency_zcu102"])
    assert problem.units == ("%", "ms")
    assert problem.directions == ("max", "min")
    found = problem.evaluate(CODES)
    assert np.array_equal(found.values, np.stack([mean("accuracy"), mean("latency_zcu102")], 1))
    assert found.means is found.values
    assert found.cost is None
    assert found.feasible.all()
    assert np.array_equal(problem(CODES), found.means)
    assert np.array_equal(
        Problem("accuracy")([anb_onnx.efficientnet_b0()]),
        [anb_onnx.load("accuracy").query(anb_onnx.efficientnet_b0()).mean],
    )


def test_losses_turn_what_is_to_be_large_and_turn_it_back() -> None:
    problem = Problem(["accuracy", "latency_zcu102"])
    values = problem.evaluate(CODES).values
    losses = problem.losses(values)
    assert np.array_equal(losses[:, 0], -values[:, 0])
    assert np.array_equal(losses[:, 1], values[:, 1])
    assert np.array_equal(problem.values_of(losses), values)


def test_limits_are_of_means_in_the_target_s_unit() -> None:
    problem = Problem("accuracy", [("latency_zcu102", "<=", 9.0), ("throughput_a100", ">=", 7e3)])
    found = problem.evaluate(CODES)
    assert np.array_equal(found.violations[:, 0], np.maximum(mean("latency_zcu102") - 9.0, 0))
    assert np.array_equal(found.violations[:, 1], np.maximum(7e3 - mean("throughput_a100"), 0))
    kept = (mean("latency_zcu102") <= 9.0) & (mean("throughput_a100") >= 7e3)
    assert 0 < kept.sum() < len(kept)
    assert np.array_equal(found.feasible, kept)


def test_a_limit_that_is_met_exactly_is_kept() -> None:
    limit = float(mean("latency_zcu102")[0])
    assert Problem("accuracy", [("latency_zcu102", "<=", limit)]).evaluate(CODES).feasible[0]
    below = np.nextafter(limit, 0.0)
    assert not Problem("accuracy", [("latency_zcu102", "<=", below)]).evaluate(CODES).feasible[0]


@pytest.mark.parametrize(("objective", "sign"), [("accuracy", 1), ("latency_vck190", -1)])
def test_fitness_puts_every_feasible_one_before_every_other(objective: str, sign: int) -> None:
    problem = Problem(objective, [("params", "<=", 5.0), ("macs", "<=", 420.0)])
    found = problem.evaluate(CODES)
    fitness = problem.fitness(found)
    feasible = found.feasible
    assert 20 < feasible.sum() < 480
    assert np.array_equal(fitness[feasible], sign * mean(objective)[feasible])
    worst = anb_onnx.load(objective).truth.worst.value
    excess = (found.violations / [5.0, 420.0]).sum(axis=1)
    assert np.array_equal(fitness[~feasible], (sign * worst - excess)[~feasible])
    assert fitness[~feasible].max() < fitness[feasible].min()


def test_a_weighted_objective_is_the_one_that_is_searched_exactly() -> None:
    score = exact.WeightedProduct("accuracy", "latency_zcu102", reference=5.0, exponent=-0.07)
    problem = Problem(score, [("params", "<=", 5.0)])
    best = exact.optimum(score, [("params", "<=", 5.0)]).solutions[0]
    codes = np.array([best.architecture.codes], dtype=np.uint8)
    assert problem(codes)[0] == best.value
    found = problem.evaluate(CODES)
    expected = mean("accuracy") * (mean("latency_zcu102") / 5.0) ** -0.07
    assert np.allclose(found.values[:, 0], expected, rtol=1e-15)
    assert problem.fitness(found).max() < best.value
    infeasible = problem.fitness(found)[~found.feasible]
    assert infeasible.max() < found.values.min()


@pytest.mark.parametrize("noise", ["std", "predictive_std"])
def test_noise_is_one_normal_number_for_each_row_and_target(noise: str) -> None:
    problem = Problem(["accuracy", "latency_zcu102"], noise=noise)  # type: ignore[arg-type]
    found = problem.evaluate(CODES, np.random.default_rng(3))
    normal = np.random.default_rng(3).standard_normal((500, 2))
    for column, target in enumerate(("accuracy", "latency_zcu102")):
        scale = getattr(anb_onnx.load(target).query(CODES), noise).astype(np.float64)
        assert np.array_equal(found.means[:, column], mean(target))
        assert np.array_equal(found.values[:, column], mean(target) + scale * normal[:, column])


def test_noise_does_not_depend_on_batches() -> None:
    problem = Problem("accuracy", noise="predictive_std")
    whole = problem.evaluate(CODES, np.random.default_rng(3)).values
    rng = np.random.default_rng(3)
    parts = [problem.evaluate(part, rng).values for part in np.split(CODES, [1, 2, 130, 477])]
    assert np.array_equal(np.concatenate(parts), whole)


def test_noise_leaves_the_global_generator_alone_and_needs_one_of_its_own() -> None:
    problem = Problem("accuracy", noise="std")
    with pytest.raises(SearchError, match=r"noise='std' needs a numpy.random.Generator, not rng="):
        problem.evaluate(CODES)
    before = np.random.get_state()[1].copy()  # type: ignore[index]  # noqa: NPY002
    problem.evaluate(CODES, np.random.default_rng(0))
    assert np.array_equal(np.random.get_state()[1], before)  # type: ignore[index]  # noqa: NPY002


def test_cost_is_the_mean_of_its_target() -> None:
    problem = Problem("accuracy", cost="train_time")
    cost = problem.evaluate(CODES).cost
    assert cost is not None
    assert np.array_equal(cost, mean("train_time"))
    assert problem.evaluate(CODES)[3:7].cost is not None
    assert np.array_equal(problem.evaluate(CODES)[3:7].values[:, 0], mean("accuracy")[3:7])


@pytest.mark.parametrize(
    ("objectives", "constraints", "settings", "error", "message"),
    [
        ([], (), {}, SearchError, "a problem needs an objective"),
        ("acuracy", (), {}, TargetError, "did you mean 'accuracy'"),
        ("accuracy-v1", (), {}, TargetError, "is a task, not a target: give anb_onnx.tasks"),
        (3, (), {}, TargetError, "a target is a name or a Surrogate, not 3"),
        (["params", "params"], (), {}, TargetError, "objective 'params' is given twice"),
        ("accuracy", "latency", {}, SearchError, "a constraint is"),
        ("accuracy", [("params", "<", 3.0)], {}, SearchError, "not .*'<'"),
        ("accuracy", [("params", "<=", float("nan"))], {}, SearchError, "finite number"),
        ("accuracy", [("params", "<=", True)], {}, SearchError, "finite number"),
        ("accuracy", [("parms", "<=", 3.0)], {}, TargetError, "did you mean 'params'"),
        ("accuracy", [("params", "<=", 3), ("params", "<=", 3.0)], {}, SearchError, "given twice"),
        ("accuracy", (), {"noise": "normal"}, SearchError, "noise is one of 'none', 'std'"),
        ("accuracy", (), {"cost": "time"}, TargetError, "unknown target 'time'"),
    ],
)
def test_what_is_no_problem_is_refused(
    objectives: object, constraints: object, settings: dict[str, object], error: type, message: str
) -> None:
    with pytest.raises(error, match=message):
        Problem(objectives, constraints, **settings)  # type: ignore[arg-type]


def test_several_objectives_have_no_fitness_and_bad_codes_are_refused() -> None:
    problem = Problem(["accuracy", "params"])
    with pytest.raises(SearchError, match="of 2 objectives \\(accuracy, params\\)"):
        problem.fitness(problem.evaluate(CODES))
    bad = CODES.copy()
    bad[7, 3] = 9
    with pytest.raises(ArchitectureError, match="row 7"):
        problem.evaluate(bad)


def test_it_says_what_it_is() -> None:
    problem = Problem(["accuracy", "params"], [("macs", "<=", 300)], noise="std")
    assert repr(problem) == (
        "Problem(maximise accuracy; minimise params; macs <= 300.0 M; noise std)"
    )


def test_two_artifacts_of_one_name_are_refused() -> None:
    bundled = anb_onnx.load("latency_zcu102")
    codes = anb_onnx.suggest(5)
    own = anb_onnx.adapt(
        codes, bundled.query(codes).mean, metric="latency", unit="ms", device="zcu102", members=1
    )
    for arguments in ((own, [(bundled, "<=", 5.0)]), ("latency_zcu102", [(own, "<=", 5.0)])):
        with pytest.raises(TargetError, match="two artifacts have the target 'latency_zcu102'"):
            Problem(*arguments)
    with pytest.raises(TargetError, match="two artifacts have the target"):
        Problem("latency_zcu102", cost=own)
    # The same artifact opened twice is no other one.
    Problem(anb_onnx.load("latency_zcu102", threads=2), [(bundled, "<=", 5.0)])


@pytest.mark.parametrize("direction", ["max", "min"])
@pytest.mark.parametrize("form", [{}, {"range": None, "link": Link()}], ids=["range", "none"])
def test_limits_beside_a_curve(form: dict[str, Any], direction: str) -> None:
    """No mean of a curve is worse than the floor, however far a limit is missed."""
    with surrogate_of(curves(**form), direction=direction) as curve:
        codes = anb_onnx.sample(500, seed=4, space=curve.space)
        values = curve.outputs["c1"].query(codes).mean
        problem = Problem(curve, [(curve.outputs["c1"], "<=", float(np.median(values)))])
        found = problem.evaluate(codes)
        fitness = problem.fitness(found)
        sign = 1 if direction == "max" else -1
        assert fitness[found.feasible].tolist() == (sign * found.values[found.feasible, 0]).tolist()
        assert 100 < found.feasible.sum() < 400
        floor = (fitness + found.violations[:, 0] / abs(problem.limits[0].value))[~found.feasible]
        assert floor.max() < (sign * curve.query(codes).mean).min()
        assert search.random_search(problem, budget=50, rng=0).best_so_far[-1] is not None
