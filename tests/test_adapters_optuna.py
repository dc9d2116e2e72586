"""Studies of Optuna, run by Optuna."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import optuna
import pytest

import anb_onnx
from anb_onnx import FBNET, FCNET, MNASNET, NASBENCH201, OFA, Architecture, Problem
from anb_onnx.adapters import (
    optuna_batch,
    optuna_constraints,
    optuna_distributions,
    optuna_objective,
    optuna_study,
    optuna_suggest,
)
from anb_onnx.errors import SearchError
from anb_onnx.spaces.space import SearchSpace


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    yield
    optuna.logging.set_verbosity(before)


def random_sampler(seed: int) -> Any:
    return optuna.samplers.RandomSampler(seed=seed)


@pytest.mark.parametrize("space", [MNASNET, NASBENCH201, FBNET, OFA, FCNET], ids=lambda s: s.name)
def test_distributions_are_the_space(space: SearchSpace) -> None:
    distributions = optuna_distributions(space)
    assert tuple(distributions) == space.gene_names
    assert [d.choices for d in distributions.values()] == [g.choices for g in space.genes]
    study = optuna.create_study(sampler=random_sampler(1))
    trial = study.ask(distributions)
    asked = Architecture(trial.params, space=space)
    assert asked == optuna_suggest(trial, space)
    made = optuna.trial.create_trial(
        params=asked.to_values(), distributions=distributions, value=1.0
    )
    study.add_trial(made)
    assert Architecture(study.trials[-1].params, space=space) == asked


def test_a_batch_is_one_query_told_in_units() -> None:
    study = optuna_study(["accuracy", "latency_zcu102"], sampler=random_sampler(1))
    told = optuna_batch(study, ["accuracy", "latency_zcu102"], 20)
    assert [t.number for t in told] == list(range(20))
    assert all(t.state is optuna.trial.TrialState.COMPLETE for t in study.trials)
    for position, name in enumerate(("accuracy", "latency_zcu102")):
        means = anb_onnx.load(name).query([t.params for t in told]).mean
        assert [t.values[position] for t in study.trials] == means.astype(float).tolist()
    # Most accurate and fastest, whatever the sign: nothing in the study dominates its best.
    values = np.array([t.values for t in study.trials]) * [-1, 1]
    best = np.array([t.values for t in study.best_trials]) * [-1, 1]
    assert not ((values[:, None] <= best).all(axis=2) & (values[:, None] < best).any(axis=2)).any()


@pytest.mark.parametrize("target", ["accuracy", "latency_zcu102"])
def test_the_best_is_the_best_in_the_targets_direction(target: str) -> None:
    study = optuna_study(target, sampler=random_sampler(3))
    study.optimize(optuna_objective(target), n_trials=15)
    surrogate = anb_onnx.load(target)
    assert study.best_value == float(surrogate.query(study.best_params).mean)
    means = surrogate.query([t.params for t in study.trials]).mean
    expected = means.max() if surrogate.target.direction == "max" else means.min()
    assert study.best_value == expected
    assert optuna_batch(study, target, 0) == []


def test_tpe_learns_from_what_it_is_told() -> None:
    late = {}
    for name, sampler in (
        ("tpe", optuna.samplers.TPESampler(seed=1)),
        ("random", random_sampler(1)),
    ):
        study = optuna_study("accuracy", sampler=sampler)
        for _ in range(8):
            optuna_batch(study, "accuracy", 10)
        late[name] = np.mean([t.value for t in study.trials[-30:]])
        assert study.best_value <= anb_onnx.load("accuracy").truth.optimum.value
    assert late["random"] + 0.5 < late["tpe"]


@pytest.mark.filterwarnings("ignore::FutureWarning", "ignore:.*constraints_func")
def test_constraints_are_known_to_the_study() -> None:
    problem = Problem("accuracy", [("latency_zcu102", "<=", 3.5), ("macs", "<=", 300.0)])
    arguments = (
        {} if hasattr(optuna.Trial, "set_constraint") else {"constraints_func": optuna_constraints}
    )
    study = optuna_study(problem, sampler=optuna.samplers.TPESampler(seed=2, **arguments))
    for _ in range(4):
        optuna_batch(study, problem, 10)
    study.optimize(optuna_objective(problem), n_trials=10)
    latency = anb_onnx.load("latency_zcu102").query([t.params for t in study.trials]).mean
    macs = anb_onnx.load("macs").query([t.params for t in study.trials]).mean
    stated = np.array([optuna_constraints(t) for t in study.trials])
    expected = np.stack([latency / 3.5 - 1, macs / 300 - 1], axis=1)
    assert np.allclose(stated, np.maximum(expected, 0), atol=1e-6)
    kept = (stated == 0).all(axis=1)
    assert 0 < kept.sum() < 50
    if hasattr(optuna.Trial, "set_constraint"):
        assert set(study.trials[0].constraints) == {"latency_zcu102 <= 3.5", "macs <= 300.0"}
        best = anb_onnx.load("latency_zcu102").query(study.best_trial.params).mean
        assert best <= 3.5
        feasible = [t.value for t, ok in zip(study.trials, kept, strict=True) if ok]
        assert study.best_value == max(feasible)
        # Of a wider limit, whose optimum is known.
        wider = anb_onnx.tasks()["accuracy-latency_zcu102-5ms-v1"]
        assert study.best_value < wider.optimum.value


def test_noise_is_drawn_row_by_row() -> None:
    noisy = Problem("accuracy", noise="std")
    seen = []
    for sizes in ((6,), (2, 4)):
        study = optuna_study(noisy, sampler=random_sampler(4))
        rng = np.random.default_rng(9)
        seen.append([t.value for n in sizes for t in optuna_batch(study, noisy, n, rng=rng)])
    assert seen[0] == seen[1]
    study = optuna_study(noisy, sampler=random_sampler(4))
    study.optimize(optuna_objective(noisy, rng=9), n_trials=6)
    assert [t.value for t in study.trials] == seen[0]
    with pytest.raises(SearchError, match="needs rng="):
        optuna_objective(noisy)


def test_a_fixed_trial_is_evaluated() -> None:
    b0 = anb_onnx.efficientnet_b0()
    value = optuna_objective("accuracy")(optuna.trial.FixedTrial(b0.to_values()))
    assert value == float(anb_onnx.load("accuracy").query(b0).mean)


def test_what_does_not_fit_is_refused() -> None:
    wrong = optuna.create_study()
    with pytest.raises(SearchError, match=r"\['minimize'\], those of accuracy \['maximize'\]"):
        optuna_batch(wrong, "accuracy", 2)
    with pytest.raises(SearchError, match=r"\['minimize'\], those of accuracy \['maximize'\]"):
        wrong.optimize(optuna_objective("accuracy"), n_trials=1)
    with pytest.raises(SearchError, match="the directions are the problem's"):
        optuna_study("accuracy", direction="minimize")
    with pytest.raises(SearchError, match="n is an integer >= 0"):
        optuna_batch(optuna_study("accuracy"), "accuracy", -1)
