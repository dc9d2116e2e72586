"""reinforce(): a search like any other, and what it finds."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from random_spaces import LARGE_BLOCK

from anb_onnx import MNASNET, Problem
from anb_onnx.errors import SearchError
from anb_onnx.search import reinforce
from anb_onnx.search.settings import Codes


def test_accuracy_with_the_settings_of_the_reference() -> None:
    history = reinforce("accuracy", budget=600, rng=0)
    assert len(history.values) == 600
    drawn = history.values[:60].mean()
    assert history.values[-60:].mean() > drawn + 1.0
    assert 0 <= history.regret[-1] < 1.0
    again = reinforce("accuracy", budget=600, rng=0)
    np.testing.assert_array_equal(again.codes, history.codes)
    other = reinforce("accuracy", budget=60, rng=1)
    assert (other.codes != history.codes[:60]).any()


def test_what_is_to_be_small_becomes_small() -> None:
    history = reinforce("latency_zcu102", budget=300, rng=0, learning_rate=0.003)
    assert history.values[-60:].mean() < history.values[:60].mean() - 1.0


def test_a_smaller_budget_finds_the_first_of_what_a_larger_one_does() -> None:
    full = reinforce("accuracy", budget=50, rng=3)
    for budget in (1, 5, 6, 44):
        short = reinforce("accuracy", budget=budget, rng=3)
        np.testing.assert_array_equal(short.codes, full.codes[:budget])


def test_a_function_on_another_space() -> None:
    def first_gene(codes: Codes) -> Any:
        return np.abs(codes[:, 0].astype(float) - 70.0)

    settings: dict[str, Any] = {"budget": 2_000, "rng": 0, "learning_rate": 0.01, "batch": 20}
    near = reinforce(first_gene, space=LARGE_BLOCK, direction="min", **settings)
    far = reinforce(first_gene, space=LARGE_BLOCK, **settings)
    assert near.values[-200:].mean() < 3.0
    assert far.values[-200:].mean() > 60.0


def test_rewards_of_ones_own() -> None:
    seen: list[int] = []

    def negative(fitness: Any) -> Any:
        seen.append(len(fitness))
        fitness *= -1.0  # its own copy
        return fitness

    worse = reinforce("accuracy", budget=301, rng=0, reward=negative, learning_rate=0.003)
    assert worse.values[-60:].mean() < worse.values[:60].mean() - 1.0
    assert seen == [6] * 50  # the last batch, of one, is nothing to learn from
    assert worse.best_so_far[-1] == worse.values.max()


def test_limits_and_noise() -> None:
    problem = Problem("accuracy", [("latency_zcu102", "<=", 4.0)], noise="std")
    history = reinforce(problem, budget=300, rng=0, learning_rate=0.003)
    assert history.feasible[-60:].mean() > history.feasible[:60].mean() + 0.3
    assert (history.values != history.means).all()


def test_progress_and_an_interruption() -> None:
    told: list[tuple[int, int]] = []

    def progress(done: int, budget: int) -> None:
        told.append((done, budget))
        if done == 12:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        reinforce("accuracy", budget=50, rng=0, progress=progress)
    assert told == [(6, 50), (12, 50)]


def test_the_history_tells_the_settings() -> None:
    told = reinforce("accuracy", budget=7, rng=2, entropy_weight=0.1).optimizer
    assert (told["name"], told["seed"], told["entropy_weight"]) == ("reinforce", 2, 0.1)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"batch": 0}, "batch is an integer >= 1, not 0"),
        ({"hidden_size": 1.5}, "hidden_size"),
        ({"embedding_size": None}, "embedding_size"),
        ({"learning_rate": -1.0}, "learning_rate"),
        ({"learning_rate": float("nan")}, "learning_rate"),
        ({"baseline_decay": 1.5}, "baseline_decay is a finite number from 0 to 1, not 1.5"),
        ({"entropy_weight": "much"}, "entropy_weight"),
        ({"rng": None}, "rng"),
        ({"budget": 0}, "budget"),
        ({"reward": lambda fitness: fitness[:1]}, "reward must return finite numbers"),
        ({"reward": lambda fitness: fitness * np.nan}, "reward must return finite numbers"),
        ({"objective": ["accuracy", "latency_zcu102"]}, "no single best"),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, dict) else "",
)
def test_wrong_settings_are_refused_by_name(settings: dict[str, Any], said: str) -> None:
    arguments: dict[str, Any] = {"objective": Problem("accuracy"), "budget": 12, "rng": 0}
    arguments |= settings
    if isinstance(arguments["objective"], list):
        arguments["objective"] = Problem(arguments["objective"])
    with pytest.raises(SearchError, match=said):
        reinforce(arguments.pop("objective"), **arguments)


def test_mnasnet_is_known_from_the_target() -> None:
    assert reinforce("accuracy", budget=1, rng=0).space == MNASNET
