"""What each search is known to do: where it climbs, what it accepts, whom it replaces."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from search_cases import SMALL, rugged, smooth, starts_with

import anb_onnx
from anb_onnx import MNASNET, Problem, indices_to_codes, search
from anb_onnx.errors import TruthError
from anb_onnx.spaces.space import Block, Gene, SearchSpace


def is_local_optimum(codes: Any, objective: Any, space: SearchSpace) -> bool:
    near = search.neighbours(codes, space=space)
    return bool((objective(near) <= objective(codes[np.newaxis])[0]).all())


@pytest.mark.parametrize("improvement", ["best", "first"])
@pytest.mark.parametrize("seed", range(5))
def test_local_search_climbs_to_a_local_optimum(improvement: str, seed: int) -> None:
    objective = rugged(SMALL, seed)
    run = search.local_search(
        objective, budget=1000, rng=seed, space=SMALL, improvement=improvement, restarts=0
    )
    best = run.codes[run.incumbents[-1]]
    assert is_local_optimum(best, objective, SMALL)
    # Nothing is evaluated twice within a climb.
    assert len(np.unique(run.indices)) == len(run) < SMALL.size
    if improvement == "first":
        # Each is a neighbour of where the climb stands, which goes to each that is better.
        stands, height = run.codes[0], run.values[0]
        for codes, value in zip(run.codes[1:], run.values[1:], strict=True):
            assert (codes != stands).sum() == 1
            if value > height:
                stands, height = codes, value
        np.testing.assert_array_equal(stands, best)


def test_local_search_goes_to_the_best_neighbour() -> None:
    objective = rugged(SMALL, 0)
    start = indices_to_codes(np.array([0]), SMALL)
    run = search.local_search(objective, budget=1000, rng=0, space=SMALL, initial=start, restarts=0)
    here = start[0]
    visited = {here.tobytes()}
    while True:
        near = search.neighbours(here, space=SMALL)
        visited |= {row.tobytes() for row in near}
        values = objective(near)
        if values.max() <= objective(here[np.newaxis])[0]:
            break
        here = near[values.argmax()]
    assert {row.tobytes() for row in run.codes} == visited
    np.testing.assert_array_equal(run.codes[run.incumbents[-1]], here)


def test_local_search_restarts_until_all_is_found() -> None:
    objective = rugged(SMALL, 1)
    run = search.local_search(objective, budget=2000, rng=0, space=SMALL)
    assert run.best_so_far[-1] == SMALL.size - 1
    # Starts alone are evaluated again once everything is known.
    assert len(np.unique(run.indices)) == SMALL.size
    three = search.local_search(objective, budget=2000, rng=0, space=SMALL, restarts=2, n_initial=4)
    assert starts_with(
        search.local_search(objective, budget=2000, rng=0, space=SMALL, restarts=3, n_initial=4),
        three,
    )


@pytest.mark.parametrize("improvement", ["best", "first"])
def test_local_search_finds_the_one_optimum_of_a_smooth_objective(improvement: str) -> None:
    run = search.local_search(
        smooth, budget=5000, rng=0, space=MNASNET, improvement=improvement, restarts=0
    )
    assert (run.codes[run.incumbents[-1]] == MNASNET.cardinalities - 1).all()


def test_local_search_takes_any_of_equal_neighbours() -> None:
    def flat(codes: Any) -> Any:
        return (codes != 0).sum(axis=1).clip(max=1)

    start = np.zeros((1, 5), np.uint8)
    arrived = set()
    for seed in range(60):
        climbs = search.local_search(flat, budget=40, rng=seed, space=SMALL, initial=start)
        arrived.add(climbs.codes[climbs.incumbents[-1]].tobytes())
    assert len(arrived) == len(search.neighbours(start[0], space=SMALL)) == 8


def test_annealing_at_temperature_0_never_goes_down() -> None:
    objective = rugged(SMALL, 3)
    run = search.simulated_annealing(
        objective, budget=400, rng=0, space=SMALL, n_initial=1, initial_temperature=0.0
    )
    stands, height = run.codes[0], run.values[0]
    for codes, value in zip(run.codes[1:], run.values[1:], strict=True):
        assert (codes != stands).sum() == 1
        if value >= height:
            stands, height = codes, value
    assert is_local_optimum(stands, objective, SMALL)


def test_annealing_at_a_high_temperature_goes_anywhere() -> None:
    run = search.simulated_annealing(
        rugged(SMALL, 3),
        budget=8000,
        rng=0,
        space=SMALL,
        n_initial=1,
        initial_temperature=1e12,
        cooling=1.0,
    )
    # Each step begins where the last one went.
    assert ((run.codes[1:] != run.codes[:-1]).sum(axis=1) == 1).all()
    counts = np.bincount(run.indices, minlength=SMALL.size)
    assert counts.min() > 0.4 * 8000 / SMALL.size


def test_annealing_accepts_as_its_temperature_says() -> None:
    space = SearchSpace("two", (Block("a", (Gene("g", (0, 1)),)),))
    temperature, n = 0.7, 20_000
    run = search.simulated_annealing(
        lambda codes: -codes[:, 0].astype(float),
        budget=n,
        rng=0,
        space=space,
        n_initial=1,
        initial=np.zeros((1, 1), np.uint8),
        initial_temperature=temperature,
        cooling=1.0,
    )
    # From 0 each step proposes 1; it is there that the next one proposes 0 again.
    proposed = np.flatnonzero(run.codes[:-1, 0] == 1)
    went = run.codes[proposed + 1, 0] == 0
    share = np.exp(-1.0 / temperature)
    assert abs(went.mean() - share) < 5 * (share * (1 - share) / len(went)) ** 0.5


def test_annealing_takes_its_scale_from_the_feasible_sample() -> None:
    run = search.simulated_annealing("accuracy", budget=300, rng=0)
    spread = float(run.values[:20].std())
    same = search.simulated_annealing("accuracy", budget=300, rng=0, initial_temperature=spread)
    assert starts_with(run, same)
    other = search.simulated_annealing("accuracy", budget=300, rng=0, initial_temperature=0.0)
    assert not starts_with(run, other)


def test_evolution_replaces_the_oldest_by_a_mutant_of_the_best_drawn() -> None:
    size = 6
    objective = rugged(SMALL, 5)
    run = search.regularized_evolution(
        objective, budget=300, rng=2, space=SMALL, population_size=size, sample_size=200
    )
    # Of 200 draws with replacement the best of six is always among them, but once in 10**15.
    for row in range(size, 300):
        members = slice(row - size, row)
        parent = run.codes[members][run.values[members].argmax()]
        assert (run.codes[row] != parent).sum() == 1


def test_evolution_without_selection_drifts() -> None:
    run = search.regularized_evolution(
        rugged(SMALL, 5), budget=400, rng=2, space=SMALL, population_size=5, sample_size=1
    )
    parents = [
        ((run.codes[row] != run.codes[row - 5 : row]).sum(axis=1) == 1).any()
        for row in range(5, 400)
    ]
    assert all(parents)
    # What is drawn once is any member, good or bad: the mean stays that of the space.
    assert abs(run.values[5:].mean() - (SMALL.size - 1) / 2) < 5


@pytest.mark.parametrize("batch", [2, 3, 7])
def test_evolution_in_batches_has_children_of_the_same_members(batch: int) -> None:
    sizes = []

    def objective(codes: Any) -> Any:
        sizes.append(len(codes))
        return rugged(SMALL, 5)(codes)

    run = search.regularized_evolution(
        objective,
        budget=7 + 40 * batch + 1,
        rng=2,
        space=SMALL,
        population_size=7,
        sample_size=200,
        batch=batch,
    )
    assert sizes == [7, *[batch] * 40, 1]
    for start in range(7, 7 + 40 * batch, batch):
        members = slice(start - 7, start)
        parent = run.codes[members][run.values[members].argmax()]
        assert ((run.codes[start : start + batch] != parent).sum(axis=1) == 1).all()


def test_evolution_with_the_reference_settings_finds_the_optimum_of_accuracy() -> None:
    surrogate = anb_onnx.load("accuracy")
    found = []
    for seed in range(10):
        history = search.regularized_evolution(
            surrogate, budget=600, rng=seed, population_size=20, sample_size=10
        )
        found.append(bool(history.regret[-1] == 0.0))
        if found[-1]:
            assert history.rank[-1] == 1
    # Of 50 seeds it is 41; the issue measured 43 of another implementation.
    assert found == [False, True, True, True, True, False, True, True, True, False]


def test_the_front_of_a_target_is_not_that_of_another_artifact_of_its_name() -> None:
    codes = anb_onnx.suggest(5)
    bundled = anb_onnx.load("latency_zcu102")
    times = 2.0 * bundled.query(codes).mean
    own = anb_onnx.adapt(codes, times, metric="latency", unit="ms", device="zcu102", members=1)
    assert own.target == bundled.target
    for pair in (["accuracy", own], [own, "accuracy"]):
        history = search.random_search(Problem(pair), budget=5, rng=0)
        with pytest.raises(TruthError, match="not known beforehand"):
            _ = history.front
    for pair in (["accuracy", bundled], [bundled, "accuracy"]):
        problem = Problem(pair)
        front = search.random_search(problem, budget=5, rng=0).front
        assert front.shape == (618, 2)
        assert front[:, problem.names.index("accuracy")].min() > 33
        assert front[:, problem.names.index("latency_zcu102")].max() < 33
