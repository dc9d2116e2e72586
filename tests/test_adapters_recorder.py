"""Searches of other tools through a recorder: they stop in time and end as histories."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import nevergrad
import numpy as np
import optuna
import pytest
from pymoo.algorithms.moo.nsga2 import NSGA2
from pymoo.algorithms.soo.nonconvex.ga import GA
from pymoo.optimize import minimize

import anb_onnx
from anb_onnx import MNASNET, Problem
from anb_onnx import adapters as tools
from anb_onnx.adapters.given import as_problem
from anb_onnx.adapters.proven import proven_best
from anb_onnx.errors import SearchError
from anb_onnx.search import BudgetExhausted, Recorder

TASK = "accuracy-latency_zcu102-5ms-v1"


def by_pymoo(recorder: Recorder) -> None:
    problem = tools.pymoo_problem(recorder)
    minimize(problem, GA(20, **tools.pymoo_operators()), ("n_eval", 200), seed=1)


def by_optuna(recorder: Recorder) -> None:
    study = tools.optuna_study(recorder, sampler=optuna.samplers.RandomSampler(seed=1))
    study.optimize(tools.optuna_objective(recorder), n_trials=20)
    assert len(tools.optuna_batch(study, recorder, 25)) == 25
    try:
        tools.optuna_batch(study, recorder, 9)
    finally:
        states = [trial.state.name for trial in study.trials]
        assert states == ["COMPLETE"] * 45 + ["FAIL"] * 9


def by_nevergrad(recorder: Recorder) -> None:
    made = tools.nevergrad_parametrization(seed=1)
    search = nevergrad.optimizers.OnePlusOne(made, budget=100, num_workers=7)
    for _ in range(3):
        tools.nevergrad_batch(search, recorder, 7)
    loss = tools.nevergrad_loss(recorder)
    while True:
        loss(made.sample().value)


def by_ioh(recorder: Recorder) -> None:
    problem = tools.ioh_problem(recorder, name="recorded")
    for row in anb_onnx.sample(100, seed=2, space=MNASNET).tolist():
        problem(row)


def by_gymnasium(recorder: Recorder) -> None:
    environment = tools.gymnasium_env(recorder, joint=True)
    environment.action_space.seed(1)
    while True:
        environment.reset(seed=1)
        environment.step(environment.action_space.sample())


@pytest.mark.parametrize(
    "run", [by_pymoo, by_optuna, by_nevergrad, by_ioh, by_gymnasium], ids=lambda run: run.__name__
)
def test_a_search_ends_as_a_history_with_exact_regret(run: Callable[[Recorder], None]) -> None:
    task = anb_onnx.tasks()[TASK]
    recorder = Recorder(task, budget=50)
    with pytest.raises(BudgetExhausted):
        run(recorder)
    history = recorder.history()
    assert len(history) == 50
    means = anb_onnx.load("accuracy").query(history.codes).mean.astype(float)
    assert history.values.tolist() == means.tolist()
    kept = anb_onnx.load("latency_zcu102").query(history.codes).mean <= 5.0
    assert np.array_equal(history.feasible, kept)
    if kept.any():
        assert history.regret[-1] == pytest.approx(task.optimum.value - means[kept].max())
    assert len({row.tobytes() for row in history.codes}) > 25


def test_two_objectives_are_recorded_in_their_units() -> None:
    recorder = Recorder(["accuracy", "latency_zcu102"], budget=100)
    problem = tools.pymoo_problem(recorder)
    with recorder.until_exhausted():
        minimize(problem, NSGA2(20, **tools.pymoo_operators()), ("n_gen", 99), seed=1)
    history = recorder.history()
    assert history.values.shape == (100, 2)
    assert np.array_equal(history.values, problem.problem(history.codes))


def test_noise_is_the_recorders() -> None:
    noisy = Problem("accuracy", noise="std")
    seen: list[float] = []
    for _ in range(2):
        recorder = Recorder(noisy, budget=10, rng=3)
        environment: Any = tools.gymnasium_env(recorder, joint=True)
        environment.reset(seed=len(seen))  # which seeds no noise here
        seen.append(environment.step(np.zeros(28, dtype=int))[1])
    assert seen[0] == seen[1]
    with pytest.raises(SearchError, match="a recorder has its own generator"):
        tools.pymoo_problem(recorder, rng=1)
    with pytest.raises(SearchError, match="has its own"):
        tools.pymoo_problem(recorder, [("macs", "<=", 300.0)])
    of_a_function = Recorder(lambda codes: codes.sum(axis=1), budget=10, space=MNASNET)
    with pytest.raises(SearchError, match="recorder is of a function"):
        tools.optuna_study(of_a_function)


def test_what_a_task_knows_is_not_proven_again(monkeypatch: pytest.MonkeyPatch) -> None:
    def proves(*arguments: Any) -> None:
        raise AssertionError(arguments)

    monkeypatch.setattr(anb_onnx.exact, "optimum", proves)
    for name in (TASK, "accuracy-noisy-v1", "accuracy-params-4M-latency_zcu102-5ms-v1"):
        task = anb_onnx.tasks()[name]
        same = Problem("accuracy", task.constraints[::-1])
        codes, value = proven_best(same)
        assert (tuple(codes.tolist()), value) == (
            task.optimum.architecture.codes,
            task.optimum.value,
        )
    with pytest.raises(AssertionError):
        proven_best(Problem("accuracy", [("latency_zcu102", "<=", 5.5)]))


def test_a_tool_with_a_history_of_its_own_takes_no_recorder() -> None:
    # What the adapters of CARP-S and Syne Tune make their problem with.
    with pytest.raises(SearchError, match="takes no Recorder: give the task or problem"):
        as_problem(Recorder("accuracy", budget=5))
