"""The recorder: what it evaluates, counts and keeps, for any objective and any optimizer."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from random_spaces import BEYOND_64_BITS, ONE_BLOCK, spaces

import anb_onnx
from anb_onnx import MNASNET, Problem, exact, sample, search
from anb_onnx.errors import AnbError, ArchitectureError, SearchError, TargetError
from anb_onnx.spaces.space import SearchSpace

CODES = sample(50, seed=1, space=MNASNET)
LIMIT = ("latency_zcu102", "<=", 5.0)


def weights_of(space: SearchSpace) -> Callable[[Any], Any]:
    """Return an objective: a sum of the codes with different weights, exact in any order."""
    weights = np.arange(space.n_genes) % 7 - 3.25
    return lambda codes: codes @ weights


@given(spaces(), st.sampled_from(["max", "min"]), st.lists(st.integers(0, 7), max_size=9))
@settings(max_examples=50)
def test_all_that_a_function_is_asked_is_recorded_in_order(
    space: SearchSpace, direction: Any, sizes: list[int]
) -> None:
    function = weights_of(space)
    recorder = search.Recorder(function, budget=20, space=space, direction=direction)
    asked = []
    with recorder.until_exhausted():
        for seed, size in enumerate(sizes):
            codes = sample(size, seed=seed, space=space)
            asked.append(codes)
            fitness = recorder.evaluate(codes)
            expected = function(codes) if direction == "max" else -function(codes)
            np.testing.assert_array_equal(fitness, expected)
    everything = np.concatenate([np.empty((0, space.n_genes), np.uint8), *asked])
    history = recorder.history()
    assert len(history) == recorder.n_evaluated == min(20, len(everything))
    assert recorder.done == (len(history) == 20)
    np.testing.assert_array_equal(history.codes, everything[:20])
    np.testing.assert_array_equal(history.values, function(everything[:20]))
    np.testing.assert_array_equal(history.means, history.values)
    assert history.feasible.all()
    assert history.cost is None


def test_rows_beyond_the_budget_are_not_evaluated() -> None:
    seen = []

    def function(codes: Any) -> Any:
        seen.extend(codes.tolist())
        return codes[:, 0]

    recorder = search.Recorder(function, budget=7, space=MNASNET)
    recorder.evaluate(CODES[:5])
    assert (recorder.remaining, recorder.done) == (2, False)
    message = "the budget is used up after 7 evaluations of 7"
    with pytest.raises(search.BudgetExhausted, match=message):
        recorder.evaluate(CODES[5:10])
    assert (recorder.remaining, recorder.done) == (0, True)
    with pytest.raises(search.BudgetExhausted):
        recorder.evaluate(CODES[:1])
    assert len(recorder.evaluate(CODES[:0])) == 0
    assert seen == CODES[:7].tolist()
    np.testing.assert_array_equal(recorder.history().codes, CODES[:7])


@pytest.mark.parametrize("objective", ["accuracy", "latency_zcu102"])
@pytest.mark.parametrize("sizes", [[50], [1] * 50, [20, 1, 0, 29]])
def test_a_target_is_recorded_as_a_query_answers(objective: str, sizes: list[int]) -> None:
    surrogate = anb_onnx.load(objective)
    means = surrogate.query(CODES).mean.astype(np.float64)
    sign = 1.0 if surrogate.target.direction == "max" else -1.0
    for asked in (objective, surrogate, Problem(objective)):
        recorder = search.Recorder(asked, budget=50)
        parts = np.split(CODES, np.cumsum(sizes)[:-1])
        fitness = np.concatenate([recorder.evaluate(part) for part in parts])
        np.testing.assert_array_equal(fitness, sign * means)
        history = recorder.history()
        np.testing.assert_array_equal(history.values, means)
        assert history.units == (surrogate.target.unit,)
        assert history.problem["artifacts"] == {objective: surrogate.sha256}
        with pytest.raises(search.BudgetExhausted):
            recorder.evaluate(CODES[:1])


def test_infeasible_rows_come_below_all_others_and_are_told() -> None:
    recorder = search.Recorder(Problem("accuracy", [LIMIT]), budget=50)
    fitness = recorder.evaluate(CODES)
    history = recorder.history()
    latency = anb_onnx.load("latency_zcu102").query(CODES).mean.astype(np.float64)
    np.testing.assert_array_equal(history.feasible, latency <= 5.0)
    assert 0 < history.feasible.sum() < 50
    np.testing.assert_array_equal(history.violations[:, 0], np.maximum(latency - 5.0, 0.0))
    assert fitness[~history.feasible].max() < fitness[history.feasible].min()
    assert history.constraints == (LIMIT,)


def test_losses_and_measures_of_several_objectives() -> None:
    recorder = search.Recorder(["accuracy", "latency_zcu102"], budget=50)
    with pytest.raises(SearchError, match="2 objectives"):
        recorder.evaluate(CODES[:1])
    assert recorder.n_evaluated == 0
    losses = recorder.evaluate_losses(CODES[:20])
    found = recorder.measure(CODES[20:])
    history = recorder.history()
    np.testing.assert_array_equal(losses, history.values[:20] * [-1.0, 1.0])
    np.testing.assert_array_equal(found.values, history.values[20:])
    assert history.directions == ("max", "min")


def test_a_function_of_several_objectives() -> None:
    def function(codes: Any) -> Any:
        return np.stack([codes.sum(axis=1), codes[:, 0]], axis=1)

    recorder = search.Recorder(function, budget=50, space=MNASNET, direction=("max", "min"))
    losses = recorder.evaluate_losses(CODES)
    np.testing.assert_array_equal(losses, function(CODES) * [-1.0, 1.0])
    with pytest.raises(SearchError, match="of 2 objectives there is no single best"):
        recorder.evaluate(CODES)


def test_noise_is_drawn_row_by_row_apart_from_what_the_optimizer_draws() -> None:
    problem = Problem("accuracy", noise="std")
    surrogate = anb_onnx.load("accuracy")

    def observed(sizes: list[int], draws: int = 0) -> Any:
        rng = np.random.default_rng(5)
        recorder = search.Recorder(problem, budget=50, rng=rng)
        for part in np.split(CODES, np.cumsum(sizes)[:-1]):
            rng.random(draws)  # an optimizer's own
            recorder.evaluate(part)
        return recorder.history()

    whole = observed([50])
    for sizes in ([1] * 50, [20, 30]):
        np.testing.assert_array_equal(observed(sizes, draws=3).values, whole.values)
    found = surrogate.query(CODES)
    np.testing.assert_array_equal(whole.means, found.mean.astype(np.float64))
    normal = (whole.values - whole.means) / found.std
    # Of 50 numbers: five standard errors.
    assert abs(normal.mean()) < 5 / 50**0.5
    assert abs(normal.std() - 1.0) < 5 / 100**0.5
    expected = np.random.default_rng(5).spawn(1)[0].standard_normal(50)
    np.testing.assert_allclose(normal, expected, rtol=1e-6)
    with pytest.raises(SearchError, match="noise='std' needs rng"):
        search.Recorder(problem, budget=1)


def test_threads_change_nothing() -> None:
    histories = [
        search.regularized_evolution(
            anb_onnx.load("accuracy", threads=threads), budget=300, rng=0, population_size=50
        )
        for threads in (1, 2)
    ]
    np.testing.assert_array_equal(histories[0].codes, histories[1].codes)
    np.testing.assert_array_equal(histories[0].values, histories[1].values)


@pytest.mark.parametrize("size", [1, 7, 50])
def test_a_budget_of_cost_ends_before_the_first_row_that_exceeds_it(size: int) -> None:
    cost = anb_onnx.load("train_time").query(CODES).mean.astype(np.float64)
    most = float(np.cumsum(cost)[17])
    problem = Problem("accuracy", cost="train_time")
    for limit, rows in ((most, 18), (np.nextafter(most, 0.0), 17), (0.0, 0)):
        recorder = search.Recorder(problem, budget=1000, cost_budget=limit)
        with recorder.until_exhausted():
            for start in range(0, 50, size):
                recorder.evaluate(CODES[start : start + size])
        history = recorder.history()
        assert (len(history), recorder.done, recorder.remaining) == (rows, True, 0)
        np.testing.assert_array_equal(history.cost, cost[:rows])
        assert recorder.spent == (np.cumsum(cost)[rows - 1] if rows else 0.0)


def test_a_task_brings_its_budgets() -> None:
    tasks = anb_onnx.tasks()
    assert search.Recorder(tasks["accuracy-v1"]).budget == tasks["accuracy-v1"].budget.evaluations
    history = search.random_search(tasks["accuracy-gpu-hours-v1"], rng=0)
    most = tasks["accuracy-gpu-hours-v1"].budget.cost
    assert most is not None
    assert history.cost is not None
    assert history.cost.sum() <= most < history.cost.sum() + history.cost.max()
    assert history.problem["task"] == "accuracy-gpu-hours-v1"


def test_weighted_objectives_are_searched() -> None:
    score = exact.WeightedSum({"accuracy": 1.0, "latency_zcu102": -0.5})
    recorder = search.Recorder(score, budget=50)
    fitness = recorder.evaluate(CODES)
    np.testing.assert_array_equal(fitness, Problem(score)(CODES))
    assert recorder.history().problem["objectives"] == [
        {"sum": {"accuracy": 1.0, "latency_zcu102": -0.5}}
    ]


def test_progress_and_what_is_told_of_the_optimizer() -> None:
    calls: list[tuple[int, int]] = []
    recorder = search.Recorder(
        "accuracy",
        budget=50,
        progress=lambda done, total: calls.append((done, total)),
        optimizer={"name": "mine", "sizes": (1, 2)},
    )
    recorder.evaluate(CODES[:10])
    recorder.measure(CODES[10:50])
    assert calls == [(10, 50), (50, 50)]
    assert recorder.history().optimizer == {"name": "mine", "sizes": [1, 2]}
    for wrong in ({"a": np.float32(1)}, {"a": float("nan")}, {"a": {1, 2}}):
        with pytest.raises(SearchError, match="optimizer is a mapping that JSON can hold"):
            search.Recorder("accuracy", budget=5, optimizer=wrong)


def test_a_history_is_a_copy() -> None:
    recorder = search.Recorder("accuracy", budget=50)
    recorder.evaluate(CODES[:10])
    before = recorder.history()
    values = before.values.tolist()
    recorder.evaluate(CODES[10:])
    assert before.values.tolist() == values
    for array in (before.codes, before.values, before.means, before.violations):
        with pytest.raises(ValueError, match="read-only"):
            array[...] = 0


def test_a_function_cannot_change_what_is_recorded() -> None:
    def function(codes: Any) -> Any:
        codes[:] = 0
        return codes[:, 0]

    with pytest.raises(ValueError, match="read-only"):
        search.Recorder(function, budget=5, space=MNASNET).evaluate(CODES[:2].copy())


@pytest.mark.parametrize(
    ("returned", "message"),
    [
        (np.zeros(4), r"must return numbers \[5\], not an array of float64 of shape \[4\]"),
        (np.zeros((5, 1)), r"return its column, found\[:, 0\]"),
        (np.zeros((5, 2)), "several objectives need direction="),
        (1.0, r"must return numbers \[5\], not 1\.0"),
        (None, r"must return numbers \[5\], not None"),
        (["a"] * 5, r"must return numbers \[5\]"),
        ([True] * 5, r"must return numbers \[5\]"),
        ([[1], [1, 2], 3, 4, 5], r"must return numbers \[5\]"),
        ([0, 0, float("nan"), 0, float("inf")], "returned nan for row 2 of 5"),
        ([0, 0, 0, 0, -float("inf")], "returned -inf for row 4 of 5"),
        ([1j] * 5, r"must return numbers \[5\]"),
    ],
    ids=range(11),
)
def test_what_a_function_returns_is_checked(returned: Any, message: str) -> None:
    recorder = search.Recorder(lambda codes: returned, budget=9, space=MNASNET)
    with pytest.raises(SearchError, match=message):
        recorder.evaluate(CODES[:5])
    assert recorder.n_evaluated == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"budget": 0}, "budget is an integer >= 1, not 0"),
        ({"budget": None}, "budget is an integer >= 1, not None"),
        ({"budget": 1.0}, "budget is an integer >= 1"),
        ({"budget": True}, "budget is an integer >= 1"),
        ({"objective": "acuracy"}, "unknown target 'acuracy'"),
        ({"objective": None}, "an objective is the name of a target, a Surrogate"),
        ({"objective": 3}, "an objective is the name"),
        ({"objective": len}, "a function needs to know its search space"),
        ({"objective": len, "space": "mnasnet"}, "a function needs to know its search space"),
        ({"objective": len, "space": MNASNET, "direction": "up"}, 'direction is "max" or "min"'),
        ({"objective": len, "space": MNASNET, "direction": ()}, 'direction is "max" or "min"'),
        ({"direction": "min"}, "direction='min' is for functions"),
        ({"space": ONE_BLOCK}, "is of 'mnasnet'; leave it out"),
        ({"cost_budget": 5.0}, "cost_budget=5.0 needs to know what an evaluation costs"),
        ({"rng": "0"}, "rng is an integer >= 0"),
        ({"objective": []}, "a problem needs an objective"),
    ],
)
def test_wrong_settings_are_refused(arguments: dict[str, Any], message: str) -> None:
    given = {"objective": "accuracy", "budget": 5, **arguments}
    with pytest.raises((SearchError, TargetError), match=message):
        search.Recorder(given.pop("objective"), **given)


@pytest.mark.parametrize(
    "codes",
    [
        CODES.astype(np.int64),
        CODES[:, :-1],
        CODES[0],
        CODES.tolist(),
        CODES + np.uint8(9),
        np.zeros((2, 28)),
    ],
    ids=range(6),
)
@pytest.mark.parametrize("objective", ["accuracy", ["accuracy", "params"]], ids=["one", "two"])
def test_what_are_no_codes_is_refused(objective: Any, codes: Any) -> None:
    recorder = search.Recorder(objective, budget=100)
    ask = recorder.evaluate if objective == "accuracy" else recorder.evaluate_losses
    with pytest.raises(ArchitectureError):
        ask(codes)
    assert recorder.n_evaluated == 0


def test_another_recorders_end_is_not_swallowed() -> None:
    inner = search.Recorder("accuracy", budget=1)
    outer = search.Recorder("accuracy", budget=5)
    with pytest.raises(search.BudgetExhausted), outer.until_exhausted():
        inner.evaluate(CODES[:2])
    assert issubclass(search.BudgetExhausted, AnbError)


def test_ctrl_c_passes_and_what_was_evaluated_stays() -> None:
    def stop(done: int, total: int) -> None:
        if done >= 30:
            raise KeyboardInterrupt

    recorder = search.Recorder("accuracy", budget=50, progress=stop)

    def run() -> None:
        with recorder.until_exhausted():
            for row in range(50):
                recorder.evaluate(CODES[row : row + 1])

    with pytest.raises(KeyboardInterrupt):
        run()
    assert len(recorder.history()) == 30


def test_more_rows_than_there_was_room_for_at_first() -> None:
    codes = sample(5000, seed=0, space=BEYOND_64_BITS)
    recorder = search.Recorder(weights_of(BEYOND_64_BITS), budget=10**12, space=BEYOND_64_BITS)
    for start in range(0, 5000, 700):
        recorder.evaluate(codes[start : start + 700])
    history = recorder.history()
    np.testing.assert_array_equal(history.codes, codes)
    assert history.indices.dtype == object
    assert json.dumps([int(history.indices[-1])])


@pytest.mark.parametrize("codes", [None, 3, [[0] * 28], "codes"])
def test_what_is_no_array_is_refused_and_not_counted(codes: Any) -> None:
    recorder = search.Recorder("accuracy", budget=5)
    with pytest.raises(ArchitectureError):
        recorder.evaluate(codes)
    assert recorder.n_evaluated == 0
