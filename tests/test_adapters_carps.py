"""CARP-S's own optimizers on our problems: costs, optimum, budgets and units."""

from __future__ import annotations

import sys
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from tools import need_tool

import anb_onnx
from anb_onnx.adapters import carps_objective, carps_task
from anb_onnx.errors import ExtraError, SearchError
from anb_onnx.problems import Budget, Problem, tasks


def random_search(task: Any) -> list[Any]:
    """Run CARP-S's random search; its trials and their values."""
    optimizer = need_tool("carps.optimizers.random_search").RandomSearchOptimizer(task)
    optimizer.run()
    history: list[Any] = optimizer.history
    return history


def trial_of(objective: Any, architecture: Any) -> Any:
    """A trial of one architecture."""
    configuration = need_tool("ConfigSpace").Configuration(
        objective.configspace, values=dict(architecture)
    )
    return need_tool("carps.utils.trials").TrialInfo(config=configuration)


def test_without_arguments_it_is_accuracy() -> None:
    need_tool("carps")
    assert carps_objective().problem.names == ("accuracy",)


def test_random_search_of_carps_counts_down_to_the_proven_optimum() -> None:
    need_tool("carps")
    task = carps_task(tasks()["accuracy-v1"], budget=40, seed=2)
    history = random_search(task)
    assert len(history) == 40
    accuracy = anb_onnx.load("accuracy").query([trial.config for trial, _ in history]).mean
    assert [value.cost for _, value in history] == (-accuracy.astype(float)).tolist()
    reported = [value.additional_info["accuracy"] for _, value in history]
    assert reported == accuracy.astype(float).tolist()
    objective = task.objective_function
    assert objective.n_trials == 40
    best = tasks()["accuracy-v1"].optimum
    assert objective.evaluate(trial_of(objective, best.architecture)).cost == objective.f_min
    assert all(value.cost > objective.f_min for _, value in history)
    again = random_search(carps_task(tasks()["accuracy-v1"], budget=40, seed=2))
    assert [value.cost for _, value in again] == [value.cost for _, value in history]


class Costs:
    """A logger of CARP-S that keeps the costs."""

    def __init__(self) -> None:
        self.seen: list[float] = []

    def log_trial(self, trial_value: Any, **others: Any) -> None:
        self.seen.append(trial_value.cost)


@pytest.mark.parametrize("target", ["latency_zcu102", "accuracy"])
def test_a_model_of_the_costs_improves_them(target: str) -> None:
    """Optuna's TPE as CARP-S has it: what is to be small gets small, what is to be large large."""
    need_tool("carps")
    sampler = need_tool("optuna").samplers.TPESampler(seed=3)
    costs = Costs()
    task = carps_task(target, budget=120, loggers=[costs])
    optimizer = need_tool("carps.optimizers.optuna").OptunaOptimizer(
        task, SimpleNamespace(study={"sampler": sampler})
    )
    _, best = optimizer.run()
    assert len(costs.seen) == 120
    assert np.median(costs.seen[-30:]) < np.quantile(costs.seen[:30], 0.2)
    assert task.objective_function.f_min < min(costs.seen) == best.cost


def test_constraints_are_in_the_cost_and_in_the_optimum() -> None:
    need_tool("carps")
    task = tasks()["accuracy-latency_zcu102-5ms-v1"]
    history = random_search(carps_task(task, budget=60, seed=4))
    name = "violation of latency_zcu102 <= 5.0"
    kept = [value for _, value in history if value.additional_info[name] == 0]
    broken = [value for _, value in history if value.additional_info[name] > 0]
    assert kept
    assert broken
    assert max(v.cost for v in kept) < min(v.cost for v in broken)
    assert all(v.cost == -v.additional_info["accuracy"] for v in kept)
    objective = carps_objective(task)
    assert objective.f_min == -task.optimum.value
    best = objective.evaluate(trial_of(objective, task.optimum.architecture))
    assert best.cost == objective.f_min


def test_the_optimum_of_any_problem_is_proven() -> None:
    need_tool("carps")
    limit = ("latency_gold_6240", "<=", 10.0)
    objective = carps_objective("accuracy_cifar100", [limit], benchmark="nasbench201")
    problem = objective.problem
    codes = anb_onnx.indices_to_codes(np.arange(problem.space.size), problem.space)
    everything = problem.evaluate(codes)
    feasible = everything.values[everything.feasible, 0]
    assert 0 < len(feasible) < len(codes)
    assert objective.f_min == -feasible.max()
    free = carps_objective("accuracy_cifar100", benchmark="nasbench201")
    assert free.f_min == -everything.values.max() < objective.f_min


def test_several_objectives_are_a_list_of_costs() -> None:
    need_tool("carps")
    task = carps_task(tasks()["accuracy-throughput_a100-front-v1"], budget=30, seed=5)
    assert task.output_space.objectives == ("accuracy", "throughput_a100")
    optimizer = need_tool("carps.optimizers.random_search").RandomSearchOptimizer(task)
    front = optimizer.run()
    assert 1 < len(front) < 30
    problem = task.objective_function.problem
    for trial, value in optimizer.history:
        assert value.cost == (-problem([trial.config])[0]).tolist()
    assert task.objective_function.f_min is None


def test_a_budget_of_hours_is_used_up_by_training_times() -> None:
    need_tool("carps")
    ours = replace(tasks()["accuracy-gpu-hours-v1"], budget=Budget(1_000, 8 * 3600.0))
    task = carps_task(ours, seed=6)
    assert task.metadata.has_virtual_time
    history = random_search(task)
    configs = [trial.config for trial, _ in history]
    seconds = anb_onnx.load("train_time").query(configs).mean.astype(float)
    assert [value.virtual_time for _, value in history] == seconds.tolist()
    # What the optimizer itself takes counts, too: minutes could be lost, not hours.
    assert seconds[:-1].sum() < 8 * 3600 < seconds.sum() + 1800
    assert len(history) < 1_000


def test_noise_and_refusals() -> None:
    need_tool("carps")
    noisy = tasks()["accuracy-noisy-v1"]
    with pytest.raises(SearchError, match="noise='predictive_std' needs rng="):
        carps_objective(noisy)
    objective = carps_objective(noisy, rng=7)
    trial = trial_of(objective, anb_onnx.efficientnet_b0())
    costs = [objective.evaluate(trial).cost for _ in range(3)]
    rng, codes = np.random.default_rng(7), anb_onnx.encode([anb_onnx.efficientnet_b0()])
    assert costs == [-noisy.problem().evaluate(codes, rng).values[0, 0] for _ in range(3)]
    with pytest.raises(SearchError, match="budget is a number of trials, an integer >= 1, not 0"):
        carps_task("accuracy", budget=0)
    with pytest.raises(SearchError, match="an integer >= 1, not None"):
        carps_task(Problem("accuracy"))
    with pytest.raises(SearchError, match="not with accuracy, throughput_a100"):
        carps_objective(["accuracy", "throughput_a100"], [("params", "<=", 4.0)])


def test_without_carps_the_error_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    from anb_onnx.adapters import carps as adapter

    adapter._class.cache_clear()
    monkeypatch.setitem(sys.modules, "carps.objective_functions.objective_function", None)
    with pytest.raises(ExtraError, match=r"pip install 'anb-onnx\[carps\]'"):
        carps_objective("accuracy")
