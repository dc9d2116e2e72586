"""The optimizers of experiments: each runs, within its budget, the same for the same seed."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

import anb_onnx
from anb_onnx.errors import ExtraError, SearchError
from anb_onnx.experiments import statistics
from anb_onnx.experiments.optimizers import OPTIMIZERS, find_optimizer
from anb_onnx.problems.task import Budget, Task

ONE = anb_onnx.tasks()["accuracy-latency_zcu102-5ms-v1"]
FRONT = anb_onnx.tasks()["accuracy-throughput_a100-front-v1"]


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_every_optimizer_keeps_to_budget_and_seed(name: str) -> None:
    optimizer = find_optimizer(name)
    task = ONE if optimizer.can(ONE) else FRONT
    settings = optimizer.defaults()
    if "population_size" in settings and task is FRONT:
        settings["population_size"] = 20
    first, again, other = (
        optimizer.run(task, evaluations=50, seed=seed, settings=settings) for seed in (3, 3, 4)
    )
    assert len(first) == 50
    assert first.codes.tolist() == again.codes.tolist()
    assert first.codes.tolist() != other.codes.tolist()
    assert first.means.tolist() == task.problem()(first.codes).tolist()
    assert first.problem["task"] == task.name


def test_settings_have_the_type_of_their_default() -> None:
    evolution = find_optimizer("regularized-evolution")
    reference = find_optimizer("regularized-evolution-anb")
    assert (evolution.defaults()["population_size"], evolution.defaults()["sample_size"]) == (
        100,
        25,
    )
    assert reference.defaults() == evolution.defaults() | {
        "population_size": 20,
        "sample_size": 10,
    }
    assert evolution.settings({"sample_size": "7"}) == evolution.defaults() | {"sample_size": 7}
    rate = find_optimizer("reinforce").settings({"learning_rate": "1e-3", "batch": "12"})
    assert (rate["learning_rate"], rate["batch"]) == (1e-3, 12)
    with pytest.raises(SearchError, match="batch of reinforce is a whole number, such as 6"):
        find_optimizer("reinforce").settings({"batch": "1.5"})


def test_evolution_of_several_objectives_keeps_constraints_and_noise_in_mind() -> None:
    constrained = Task(
        "constrained-v1",
        "a front under a limit",
        ("accuracy", "throughput_a100"),
        (("latency_zcu102", "<=", 3.0),),
        Budget(400),
        "std",
        artifacts={
            name: anb_onnx.load(name).sha256
            for name in ("accuracy", "throughput_a100", "latency_zcu102")
        },
    )
    settings = {"population_size": 40}
    found = find_optimizer("nsga2").run(constrained, evaluations=400, seed=1, settings=settings)
    plain = find_optimizer("random").run(constrained, evaluations=400, seed=1, settings={})
    assert found.feasible[-40:].sum() > 4 * plain.feasible.sum() / 10
    assert found.feasible[-40:].mean() > 0.5
    # What it saw was noisy; what is recorded beside it is not.
    assert found.means.tolist() == constrained.problem()(found.codes).tolist()
    assert (found.values != found.means).all()


def test_evolution_beats_random_search_on_a_front() -> None:
    for name in ("nsga2", "nsga3", "sms-emoa"):
        optimizer = find_optimizer(name)
        settings = {**optimizer.defaults(), "population_size": 40}
        found = optimizer.run(FRONT, evaluations=800, seed=0, settings=settings)
        plain = find_optimizer("random").run(FRONT, evaluations=800, seed=0, settings={})
        assert found.hypervolume_regret([800])[0] < plain.hypervolume_regret([800])[0]
        assert len(np.unique(found.indices)) > 700


def test_what_is_missing_is_named_with_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "scipy", None)
    monkeypatch.delitem(sys.modules, "scipy.stats", raising=False)
    with pytest.raises(ExtraError, match=r"needs scipy .*pip install 'anb-onnx\[search\]'"):
        statistics.median_interval([1.0, 2.0])
    monkeypatch.setitem(sys.modules, "pymoo.algorithms.moo.nsga2", None)
    with pytest.raises(ExtraError, match=r"needs pymoo .*pip install 'anb-onnx\[pymoo\]'"):
        find_optimizer("nsga2").run(FRONT, evaluations=10, seed=0, settings={"population_size": 5})


def test_the_page_lists_every_optimizer() -> None:
    page = (Path(__file__).resolve().parents[1] / "docs" / "experiments.md").read_text()
    table = page.split("## Optimizers")[1].split("## What is measured")[0]
    for name in OPTIMIZERS:
        assert f"`{name}`" in table
