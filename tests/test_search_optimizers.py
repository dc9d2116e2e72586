"""The searches: what each must do with any objective, on any space."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from random_spaces import spaces
from search_cases import SMALL, smooth, starts_with

import anb_onnx
from anb_onnx import MNASNET, Problem, sample, search
from anb_onnx.errors import ArchitectureError, SearchError
from anb_onnx.spaces.space import Block, Gene, SearchSpace

Search = Callable[..., search.History]

SEARCHES: dict[str, Search] = {
    "random": search.random_search,
    "evolution": search.regularized_evolution,
    "local": search.local_search,
    "annealing": search.simulated_annealing,
}
#: Those that take initial architectures; the controller of `reinforce` has nowhere to put them.
each_from = pytest.mark.parametrize("run", SEARCHES.values(), ids=SEARCHES)
ALL = {**SEARCHES, "reinforce": search.reinforce}
each_search = pytest.mark.parametrize("run", ALL.values(), ids=ALL)


@each_search
@given(
    spaces(max_blocks=3, max_choices=4).filter(lambda s: max(s.gene_sizes) > 1),
    st.integers(1, 70),
    st.integers(0, 99),
    st.sampled_from(["max", "min"]),
)
@settings(max_examples=25)
def test_each_uses_its_whole_budget_and_the_seed_alone(
    run: Search, space: SearchSpace, budget: int, seed: int, direction: str
) -> None:
    sizes: list[int] = []

    def objective(codes: Any) -> Any:
        sizes.append(len(codes))
        return smooth(codes)

    def history() -> search.History:
        return run(objective, budget=budget, rng=seed, space=space, direction=direction)

    first = history()
    assert len(first) == budget == sum(sizes)
    assert (first.codes < np.array(space.gene_sizes)).all()
    again = run(
        objective,
        budget=budget,
        rng=np.random.default_rng(seed),
        space=space,
        direction=direction,
    )
    assert starts_with(again, first)
    np.testing.assert_array_equal(first.values, smooth(first.codes))
    best = np.maximum if direction == "max" else np.minimum
    np.testing.assert_array_equal(first.best_so_far, best.accumulate(first.values))


@pytest.mark.parametrize("name", ["random", "evolution", "local"])
def test_a_smaller_budget_evaluates_the_first_of_a_larger_one(name: str) -> None:
    run = SEARCHES[name]
    long = run("accuracy", budget=1500, rng=3)
    for budget in (1, 99, 700):
        assert starts_with(long, run("accuracy", budget=budget, rng=3))


@each_from
def test_initial_architectures_come_first(run: Search) -> None:
    codes = sample(5, seed=9, space=MNASNET)
    history = run("accuracy", budget=60, rng=0, initial=codes)
    np.testing.assert_array_equal(history.codes[:5], codes)
    b0 = [anb_onnx.efficientnet_b0()]
    np.testing.assert_array_equal(
        run("accuracy", budget=60, rng=0, initial=b0).codes[:1], anb_onnx.encode(b0)
    )
    with pytest.raises(ArchitectureError):
        run("accuracy", budget=60, rng=0, initial=codes + np.uint8(7))


@each_search
@pytest.mark.parametrize("objective", ["latency_zcu102", "accuracy"])
def test_each_finds_much_better_than_most(run: Search, objective: str) -> None:
    history = run(objective, budget=400, rng=1)
    drawn = sample(400, seed=1, space=MNASNET)
    typical = anb_onnx.load(objective).regret(anb_onnx.load(objective).query(drawn).mean)
    assert history.regret[-1] < 0.4 * np.median(typical)
    assert history.optimizer["name"] in run.__name__
    assert history.optimizer["seed"] == 1


@each_search
def test_each_keeps_constraints(run: Search) -> None:
    problem = Problem("accuracy", [("latency_zcu102", "<=", 3.0)])
    history = run(problem, budget=600, rng=0)
    assert 0 < history.feasible.sum() < 600
    slow = anb_onnx.load("latency_zcu102").query(history.codes).mean > 3.0
    np.testing.assert_array_equal(history.feasible, ~slow)
    assert not slow[history.incumbents[history.incumbents >= 0]].any()


@each_search
def test_each_runs_noisy_tasks_and_tells_progress(run: Search) -> None:
    calls: list[int] = []
    task = anb_onnx.tasks()["accuracy-noisy-v1"]
    history = run(task, budget=150, rng=4, progress=lambda done, total: calls.append(done))
    assert calls[-1] == 150
    assert all(a < b for a, b in pairwise(calls))
    assert (history.values != history.means).all()
    assert starts_with(run(task, budget=150, rng=4), history)


def test_random_search_evaluates_what_sample_draws() -> None:
    history = search.random_search("accuracy", budget=5000, rng=7)
    np.testing.assert_array_equal(history.codes, sample(5000, seed=7, space=MNASNET))


def test_random_search_beyond_one_draw(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("anb_onnx.search.random_sampling._DRAWN", 64)
    history = search.random_search(smooth, budget=200, rng=7, space=SMALL)
    rng = np.random.default_rng(7)
    drawn = np.concatenate([sample(n, seed=rng, space=SMALL) for n in (64, 64, 64, 8)])
    np.testing.assert_array_equal(history.codes, drawn)


@pytest.mark.parametrize(
    ("run", "setting", "message"),
    [
        ("evolution", {"population_size": 0}, "population_size is an integer >= 1, not 0"),
        ("evolution", {"sample_size": 0}, "sample_size is an integer >= 1, not 0"),
        ("evolution", {"sample_size": 2.5}, "sample_size is an integer >= 1, not 2.5"),
        ("evolution", {"batch": 101}, "batch is an integer from 1 to 100, not 101"),
        ("evolution", {"n_genes": 29}, "n_genes is an integer from 1 to 28, not 29"),
        ("evolution", {"n_genes": 0}, "n_genes is an integer from 1 to 28, not 0"),
        (
            "evolution",
            {"population_size": 2, "initial": sample(3, seed=0, space=MNASNET)},
            "initial has 3 architectures, more than population_size=2",
        ),
        ("local", {"improvement": "worst"}, "improvement is 'best' or 'first', not 'worst'"),
        ("local", {"improvement": None}, "improvement is 'best' or 'first', not None"),
        ("local", {"n_initial": 0}, "n_initial is an integer >= 1"),
        ("local", {"restarts": -1}, "restarts is an integer >= 0, not -1"),
        ("annealing", {"cooling": 0.0}, "cooling is a finite number from 4.94066e-324 to 1"),
        ("annealing", {"cooling": 1.5}, "cooling is a finite number from"),
        ("annealing", {"initial_temperature": -1.0}, "initial_temperature is a finite number >= 0"),
        ("annealing", {"initial_temperature": float("inf")}, "initial_temperature is a finite"),
        ("annealing", {"initial_temperature": "1"}, "initial_temperature is a finite number"),
        ("annealing", {"n_genes": True}, "n_genes is an integer from 1 to 28"),
        ("random", {"rng": None}, "rng is an integer >= 0 or a numpy.random.Generator, not None"),
        ("local", {"rng": -1}, "rng is an integer >= 0"),
        ("annealing", {"rng": 0.5}, "rng is an integer >= 0"),
        ("evolution", {"rng": "0"}, "rng is an integer >= 0"),
        ("random", {"budget": 0}, "budget is an integer >= 1"),
    ],
)
def test_wrong_settings_are_refused(run: str, setting: dict[str, Any], message: str) -> None:
    with pytest.raises(SearchError) as caught:
        SEARCHES[run]("accuracy", **{"budget": 200, "rng": 0, **setting})
    assert message in str(caught.value)


@pytest.mark.parametrize("name", ["evolution", "local", "annealing"])
def test_several_objectives_need_another_search(name: str) -> None:
    with pytest.raises(SearchError, match="2 objectives"):
        SEARCHES[name](["accuracy", "latency_zcu102"], budget=200, rng=0)


@pytest.mark.parametrize("name", ["regularized_evolution", "simulated_annealing"])
def test_a_space_of_one_architecture_leaves_nothing_to_mutate(name: str) -> None:
    space = SearchSpace("one", (Block("b", (Gene("g", (7,)),)),))
    with pytest.raises(SearchError, match="every gene of search space 'one' has one choice"):
        getattr(search, name)(lambda codes: codes[:, 0] * 1.0, space=space, budget=3, rng=0)
