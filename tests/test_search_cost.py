"""Searches within a budget of what evaluations cost: simulated seconds instead of a number."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import anb_onnx
from anb_onnx import (
    MNASNET,
    NASBENCH201,
    FidelityError,
    Link,
    Problem,
    SearchError,
    Surrogate,
    TargetError,
    Terms,
    search,
)
from anb_onnx.curves import CurveForm
from anb_onnx.loading import from_vector
from anb_onnx.problems import Cost
from anb_onnx.search.annealing import _falling_with_cost
from anb_onnx.search.recorder import Recorder
from anb_onnx.tables import TableEnsemble
from anb_onnx.vectors import VectorEnsemble

CODES = anb_onnx.sample(50, seed=3, space=MNASNET)
DAY = 24 * 3600.0

SEARCHES: dict[str, tuple[Any, dict[str, Any]]] = {
    "random": (search.random_search, {}),
    "evolution": (search.regularized_evolution, {"population_size": 20, "sample_size": 5}),
    "local": (search.local_search, {}),
    "annealing": (search.simulated_annealing, {}),
    "reinforce": (search.reinforce, {"hidden_size": 8, "embedding_size": 4}),
}


def seconds(codes: Any) -> Any:
    return anb_onnx.load("train_time").query(codes).mean.astype(np.float64)


@pytest.mark.parametrize("name", SEARCHES)
def test_every_search_ends_by_cost_alone(name: str) -> None:
    function, settings = SEARCHES[name]
    history = function("accuracy", cost="train_time", cost_budget=4 * DAY, rng=1, **settings)
    np.testing.assert_array_equal(history.cost, seconds(history.codes))
    np.testing.assert_array_equal(history.spent, np.cumsum(history.cost))
    # The run that would not have ended in time is missing, and no other.
    assert history.spent[-1] <= 4 * DAY < history.spent[-1] + seconds(CODES).max()
    assert history.cost_unit == "s"
    assert history.problem["charged"]["name"] == "train_time"
    assert history.regret[-1] >= 0  # proven of accuracy, whatever was charged


@pytest.mark.parametrize("name", SEARCHES)
def test_a_smaller_budget_of_cost_is_the_beginning_of_a_larger_one(name: str) -> None:
    if name == "annealing":  # which cools over its budget
        return
    function, settings = SEARCHES[name]
    some, more = (
        function("accuracy", cost="train_time", cost_budget=days * DAY, rng=1, **settings)
        for days in (1, 2)
    )
    assert 10 < len(some) < len(more)
    np.testing.assert_array_equal(more.codes[: len(some)], some.codes)
    assert more.spent[len(some)] > DAY


def test_it_makes_no_difference_how_the_cost_is_given() -> None:
    def alike(objective: Any, **given: Any) -> Any:
        return search.random_search(objective, cost_budget=DAY, rng=0, **given)

    of_problem = alike(Problem("accuracy", cost="train_time"))
    for cost in ("train_time", anb_onnx.load("train_time"), Cost("train_time")):
        found = alike("accuracy", cost=cost)
        np.testing.assert_array_equal(found.codes, of_problem.codes)
        np.testing.assert_array_equal(found.cost, of_problem.cost)
    assert of_problem.cost_unit == "s"
    task = anb_onnx.tasks()["accuracy-latency_zcu102-5ms-v1"]
    of_task = alike(task, cost="train_time")
    np.testing.assert_array_equal(of_task.codes, of_problem.codes)
    assert of_task.optimum == task.optimum.value


def test_annealing_cools_down_as_the_cost_is_spent() -> None:
    total = float(np.cumsum(seconds(CODES))[-1])
    recorder = Recorder("accuracy", cost="train_time", cost_budget=total)
    recorder.evaluate(CODES[:20])  # the sample: nothing has cooled yet
    begun = recorder.spent
    temperatures = _falling_with_cost(5.0, 1e-3, recorder)
    assert next(temperatures) == 5.0
    for stop in (21, 35, 50):
        recorder.evaluate(CODES[recorder.n_evaluated : stop])
        done = (recorder.spent - begun) / (total - begun)
        assert next(temperatures) == pytest.approx(5.0 * 1e-3**done, rel=1e-12)
    assert recorder.share == 1.0
    assert search.Recorder("accuracy", budget=10).share == 0.0


def test_regrets_after_a_cost_are_those_of_what_had_ended() -> None:
    history = search.random_search("accuracy", budget=200, cost="train_time", rng=0)
    spent = np.cumsum(seconds(history.codes))
    at = [0.0, spent[0], np.nextafter(spent[9], 0), spent[9], 1e12]
    assert history.after(at).tolist() == [0, 1, 9, 10, 200]
    assert history.after(DAY).shape == ()
    found = history.regret_after(at)
    assert np.isnan(found[0])
    np.testing.assert_array_equal(found[1:], history.regret[[0, 8, 9, 199]])
    with pytest.raises(SearchError, match="cost is a number"):
        history.after(float("nan"))
    without = search.random_search("accuracy", budget=5, rng=0)
    for ask in (lambda: without.spent, lambda: without.cost_unit, lambda: without.after(1.0)):
        with pytest.raises(SearchError, match="had no cost"):
            ask()


@pytest.mark.parametrize("kind", ["json", "parquet"])
def test_a_file_keeps_what_was_charged(kind: str, tmp_path: Path) -> None:
    if kind == "parquet":
        pytest.importorskip("pyarrow")
    history = search.random_search("accuracy", cost="train_time", cost_budget=DAY, rng=0)
    path = tmp_path / f"run.{kind}"
    history.save(path)
    again = search.History.load(path)
    np.testing.assert_array_equal(again.spent, history.spent)
    assert (again.cost_unit, again.problem) == ("s", history.problem)
    np.testing.assert_array_equal(again.regret, history.regret)


def test_a_function_may_have_a_cost_of_its_own(tmp_path: Path) -> None:
    def price(codes: Any, epochs: float = 2.0) -> Any:
        return codes.sum(axis=1) * epochs

    def found(**given: Any) -> Any:
        return search.random_search(
            lambda codes: codes[:, 0], space=MNASNET, rng=0, cost_budget=500.0, **given
        )

    history = found(cost=Cost(price, unit="EUR"))
    np.testing.assert_array_equal(history.cost, 2.0 * history.codes.sum(axis=1))
    assert (history.cost_unit, history.problem["charged"]["sha256"]) == ("EUR", None)
    path = tmp_path / "run.json"
    history.save(path)
    assert search.History.load(path).cost_unit == "EUR"
    with pytest.raises(anb_onnx.TruthError, match="history of a function"):
        _ = search.History.load(path).regret
    with pytest.raises(SearchError, match="needs the unit of its costs"):
        found(cost=price)
    with pytest.raises(SearchError, match="needs to know what an evaluation costs"):
        found()


def test_parts_of_a_run_cost_what_is_stated_of_them() -> None:
    even = Cost("train_time", epochs=80)
    whole = seconds(CODES)
    np.testing.assert_array_equal(even.of(CODES), whole)
    np.testing.assert_array_equal(even.of(CODES, 80), whole)
    np.testing.assert_allclose(even.of(CODES, 20), whole / 4, rtol=1e-15)
    np.testing.assert_allclose(even.of(CODES, 60, since=20), whole / 2, rtol=1e-15)
    each = np.arange(50.0)
    np.testing.assert_allclose(even.of(CODES, each), whole * each / 80, rtol=1e-15)
    for wrong in (-1, 81, float("nan"), np.arange(3), "all"):
        with pytest.raises(SearchError, match="fidelity is"):
            even.of(CODES, wrong)  # type: ignore[arg-type]
    with pytest.raises(SearchError, match="less than the"):
        even.of(CODES, 10, since=20)
    with pytest.raises(SearchError, match="is the cost of whole runs"):
        Cost("train_time").of(CODES, 10)
    own = Cost(lambda codes, epoch=9: codes[:, 0] + epoch, unit="s")
    assert own.of(CODES, 4).tolist() == (CODES[:, 0] + 4.0).tolist()


def curve_of_seconds(*, slope: float = 1.0) -> Surrogate:
    """A curve of seconds until epochs 1, 4 and 8: 10 + the first gene's code for each epoch."""
    terms = Terms(NASBENCH201, ((0,),))
    entries = np.arange(5, dtype=np.int32)[:, None]
    each = TableEnsemble(NASBENCH201, entries, 1.0, 10.0, Link(), terms)
    form = CurveForm(at=(1.0, 4.0, 8.0), basis=((1.0,), (4.0,), (8.0 * slope,)), offset=(0.0,) * 3)
    facts: dict[str, Any] = {"metric": "seconds", "device": None, "unit": "s", "direction": "min"}
    facts |= {"exact": False, "quality": {}, "versions": {}}
    facts["outputs"] = [{"unit": "s", "direction": "min"}]
    return from_vector(VectorEnsemble((each,), ("c0",), form), facts)


def test_a_curve_over_epochs_says_itself_what_a_part_costs() -> None:
    codes = anb_onnx.sample(9, seed=0, space=NASBENCH201)
    each = 10.0 + codes[:, 0]
    cost = Cost(curve_of_seconds())
    np.testing.assert_array_equal(cost.of(codes), 8 * each)
    np.testing.assert_array_equal(cost.of(codes, 2), 2 * each)
    np.testing.assert_array_equal(cost.of(codes, 8, since=4), 4 * each)
    epochs = np.array([0, 1, 2, 3, 4, 5, 6, 7, 8.0])
    np.testing.assert_array_equal(cost.of(codes, epochs), epochs * each)
    np.testing.assert_array_equal(cost.of(codes, 4, since=0), 4 * each)
    with pytest.raises(FidelityError, match="from 1 to 8"):
        cost.of(codes, 9)
    with pytest.raises(SearchError, match="says itself what part of a run costs"):
        Cost(curve_of_seconds(), epochs=8)
    with pytest.raises(SearchError, match="costs must not fall"):
        Cost(curve_of_seconds(slope=0.25)).of(codes, 8, since=4)
    # Whole runs are what a search without fidelities pays for.
    history = search.random_search(
        lambda codes: codes[:, 1], space=NASBENCH201, cost=cost, cost_budget=1000.0, rng=0
    )
    np.testing.assert_array_equal(history.cost, 8 * (10.0 + history.codes[:, 0]))


@pytest.mark.parametrize("bad", [-1.0, float("nan"), float("inf")])
def test_no_evaluation_is_for_less_than_nothing(bad: float) -> None:
    cost = Cost(lambda codes: np.where(np.arange(len(codes)) == 7, bad, 1.0), unit="s")
    recorder = Recorder("accuracy", cost=cost, cost_budget=1e9)
    with pytest.raises(SearchError, match="for row 7 of 50; nothing costs less than nothing"):
        recorder.evaluate(CODES)
    assert recorder.n_evaluated == 0


def test_evaluations_for_nothing_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("anb_onnx.search.recorder.MOST_EVALUATIONS", 10_000)
    free = Cost(lambda codes: np.zeros(len(codes)), unit="s")
    with pytest.raises(SearchError, match=r"10,000 evaluations cost 0 of cost_budget=5.*budget="):
        search.random_search("accuracy", cost=free, cost_budget=5.0, rng=0)
    given = search.random_search("accuracy", budget=9, cost=free, cost_budget=5.0, rng=0)
    assert len(given) == 9


def test_what_is_no_cost_is_refused() -> None:
    wrong: dict[str, Any]
    with pytest.raises(SearchError, match="this has 'train_time': leave it out"):
        Recorder(Problem("accuracy", cost="train_time"), budget=1, cost="params")
    with pytest.raises(TargetError, match="is of search space 'mnasnet'"):
        Recorder(lambda codes: codes[:, 0], space=NASBENCH201, budget=1, cost="train_time")
    for wrong, message in (
        ({"source": 5}, "a cost is the name"),
        ({"source": "train_time", "unit": "h"}, "is in 's'"),
        ({"source": "train_time", "epochs": 0}, "epochs is how many"),
        ({"source": len}, "needs the unit"),
    ):
        with pytest.raises(SearchError, match=message):
            Cost(**wrong)
    with pytest.raises(SearchError, match=r"must be numbers \[50\]"):
        Cost(lambda codes: "dear", unit="s").of(CODES)


def test_a_course_is_drawn_over_cost() -> None:
    pyplot = pytest.importorskip("matplotlib.pyplot")
    history = search.random_search("accuracy", budget=20, cost="train_time", rng=0)
    axes = history.plot(pyplot.figure().subplots(), over="cost")
    np.testing.assert_array_equal(axes.lines[0].get_xdata(), history.spent)
    assert axes.get_xlabel() == "cost [s]"
    with pytest.raises(SearchError, match="over is"):
        history.plot(over="money")
    pyplot.close("all")
