"""Histories: best so far, exact regret and rank, fronts and hypervolumes, against slow oracles."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from search_cases import SMALL, rugged

import anb_onnx
from anb_onnx import MNASNET, Problem, exact, sample, search
from anb_onnx.errors import ExtraError, SearchError, TruthError
from anb_onnx.search import measures

TASKS = anb_onnx.tasks()


def made(values: Any, feasible: Any = None, direction: Any = "max", **more: Any) -> search.History:
    """Return a history of made-up values, of rows that are feasible or not."""
    directions = direction if isinstance(direction, tuple) else (direction,)
    observed = np.array(values, dtype=np.float64).reshape(len(values), len(directions))
    kept = np.ones(len(observed), bool) if feasible is None else np.array(feasible, bool)
    return search.History(
        space=SMALL,
        codes=sample(len(observed), seed=0, space=SMALL),
        observed=observed,
        exact=np.array(more.pop("means", observed), np.float64).reshape(observed.shape),
        violations=np.where(kept, 0.0, 0.5)[:, np.newaxis],
        cost=None,
        names=tuple(f"o{i}" for i in range(len(directions))),
        units=("",) * len(directions),
        directions=directions,
        constraints=(("x", "<=", 1.0),),
        **more,
    )


@given(
    st.lists(st.tuples(st.integers(-3, 3), st.booleans()), max_size=12),
    st.sampled_from(["max", "min"]),
)
def test_the_incumbent_is_the_first_of_the_best_that_are_feasible(
    rows: list[tuple[int, bool]], direction: str
) -> None:
    values, kept = [v for v, _ in rows], [k for _, k in rows]
    history = made(values, kept, direction)
    pick = max if direction == "max" else min
    for n in range(1, len(rows) + 1):
        seen = [values[i] for i in range(n) if kept[i]]
        if not seen:
            assert history.incumbents[n - 1] == -1
            assert np.isnan(history.best_so_far[n - 1])
        else:
            first = next(i for i in range(n) if kept[i] and values[i] == pick(seen))
            assert history.incumbents[n - 1] == first
            assert history.best_so_far[n - 1] == pick(seen)
    assert len(history.incumbents) == len(history.best_so_far) == len(rows)


def test_regret_is_of_the_mean_behind_the_best_observation() -> None:
    # The second is lucky: it looks best, and is worst.
    history = made([3.0, 9.0, 8.0, 10.0], means=[3.0, 1.0, 8.0, 9.0]).with_optimum(9.5)
    assert history.best_so_far.tolist() == [3.0, 9.0, 9.0, 10.0]
    assert history.regret.tolist() == [6.5, 8.5, 8.5, 0.5]
    small = made([3.0, 9.0, 2.0], [False, True, True], "min").with_optimum(2.0)
    assert np.isnan(small.regret[0])
    assert small.regret[1:].tolist() == [7.0, 0.0]
    assert not np.signbit(small.regret[2])


def test_what_is_better_than_the_optimum_is_no_regret() -> None:
    history = made([4.0, 1.0, 3.0], [False, True, True]).with_optimum(2.0)
    with pytest.raises(TruthError, match=r"3\.0 was evaluated, which is better than the optimum 2"):
        _ = history.regret
    with pytest.raises(SearchError, match="an optimum is a finite number"):
        history.with_optimum(float("nan"))


def test_regret_and_rank_of_a_target_are_those_of_its_truth() -> None:
    for name in ("accuracy", "latency_vck190"):
        surrogate = anb_onnx.load(name)
        history = search.random_search(surrogate, budget=200, rng=0)
        best = surrogate.query(history.codes[history.incumbents]).mean
        np.testing.assert_array_equal(history.regret, surrogate.regret(best))
        np.testing.assert_array_equal(history.rank, surrogate.rank(best))
        assert history.rank.dtype == np.int64
        assert history.optimum == surrogate.truth.optimum.value


def test_regret_of_tasks_is_against_their_proven_optima() -> None:
    for name in ("accuracy-latency_zcu102-3ms-v1", "reward-latency_zcu102-v1", "accuracy-noisy-v1"):
        task = TASKS[name]
        best = np.array([task.optimum.architecture.codes], np.uint8)
        history = search.random_search(task, budget=200, rng=0)
        seen = ~np.isnan(history.regret)
        assert (history.regret[seen] > 0).all()
        np.testing.assert_array_equal(seen, history.incumbents >= 0)
        with_best = search.random_search(task, budget=1, rng=0, initial=best)
        assert with_best.regret.tolist() == [0.0]


def test_an_optimum_under_constraints_is_proven_when_asked_for() -> None:
    problem = Problem("accuracy", [("latency_zcu102", "<=", 4.0)])
    history = search.random_search(problem, budget=200, rng=0)
    with pytest.raises(TruthError, match=r"not known beforehand; history\.with_optimum\(\)"):
        _ = history.regret
    proven = history.with_optimum()
    expected = exact.optimum("accuracy", [("latency_zcu102", "<=", 4.0)]).solutions[0].value
    assert proven.optimum == expected
    assert (proven.regret[proven.incumbents >= 0] > 0).all()
    with pytest.raises(TruthError, match="of a target by itself, not under constraints"):
        _ = proven.rank


def test_ranks_of_what_was_never_counted() -> None:
    weighted = search.random_search(TASKS["reward-latency_zcu102-v1"], budget=5, rng=0)
    with pytest.raises(TruthError, match="not of several targets that are weighed"):
        _ = weighted.rank
    own = search.random_search(rugged(SMALL, 0), budget=5, rng=0, space=SMALL)
    for ask in ("rank", "regret", "optimum"):
        with pytest.raises(TruthError, match="the history of a function, of which nothing"):
            getattr(own, ask)
    with pytest.raises(TruthError, match="the history of a function"):
        own.with_optimum()
    assert own.with_optimum(SMALL.size - 1.0).regret[-1] >= 0


def test_one_objective_has_no_front_and_several_no_best() -> None:
    one, two = made([1.0, 2.0]), made([[1.0, 2.0], [3.0, 4.0]], direction=("max", "min"))
    for ask in ("best_so_far", "incumbents", "regret", "rank", "optimum"):
        with pytest.raises(SearchError, match=r"of 2 objectives \(o0, o1\) there is no"):
            getattr(two, ask)
    for call in (one.hypervolume, one.hypervolume_regret, one.with_front, lambda: one.front):
        with pytest.raises(SearchError, match=r"of one objective \(o0\) there is no"):
            call()


LOSSES = st.lists(st.tuples(*[st.integers(0, 5)] * 2), min_size=1, max_size=14)


@given(LOSSES, st.data())
def test_hypervolumes_are_the_squares_that_are_dominated(
    rows: list[tuple[int, int]], data: st.DataObject
) -> None:
    kept = data.draw(st.lists(st.booleans(), min_size=len(rows), max_size=len(rows)))
    values = np.array(rows, float) * [-1.0, 1.0]
    history = made(values, kept, ("max", "min"))
    found = history.hypervolume(reference=[-4.0, 4.0])
    for n in range(1, len(rows) + 1):
        points = [row for row, ok in zip(rows[:n], kept, strict=False) if ok]
        squares = {(x, y) for x in range(4) for y in range(4)}
        covered = {(x, y) for x, y in squares if any(a <= x and b <= y for a, b in points)}
        assert found[n - 1] == len(covered)
    some = data.draw(st.lists(st.integers(0, len(rows)), max_size=4))
    expected = [0.0 if n == 0 else found[n - 1] for n in some]
    assert history.hypervolume(some, reference=(-4, 4)).tolist() == expected


@given(LOSSES)
def test_nondominated_rows_are_those_that_none_dominates(rows: list[tuple[int, int]]) -> None:
    history = made(np.array(rows, float) * [1.0, -1.0], direction=("min", "max"))

    def dominated(b: tuple[int, int]) -> bool:
        return any(a != b and a[0] <= b[0] and a[1] <= b[1] for a in rows)

    expected = [i for i, row in enumerate(rows) if not dominated(row)]
    assert history.nondominated().tolist() == expected
    assert history.nondominated(0).tolist() == []
    assert history.nondominated(1).tolist() == [0]


@given(st.permutations(range(30)))
@settings(max_examples=20)
def test_the_same_points_are_the_same_bits_in_any_order(order: list[int]) -> None:
    points = np.random.default_rng(0).random((30, 3))
    reference = np.full(3, 1.1)
    assert measures.hypervolume(points[order], reference) == measures.hypervolume(points, reference)


def test_hypervolume_regret_is_0_for_the_whole_front_alone() -> None:
    task = TASKS["accuracy-latency_zcu102-front-v1"]
    front = task.front
    history = search.random_search(task, budget=len(front), rng=0, initial=front.codes)
    regret = history.hypervolume_regret([0, 1, len(front) - 1, len(front)])
    assert regret[0] == 1.0
    assert 0.0 < regret[2] < regret[1] < 1.0
    assert regret[3] == 0.0
    volume = history.hypervolume([len(front)])[0]
    assert volume == pytest.approx(front.hypervolume(), rel=1e-12)
    np.testing.assert_array_equal(history.front, front.values.astype(float))
    assert sorted(history.nondominated()) == [*range(len(front))]


def test_fronts_and_reference_points_without_a_task() -> None:
    task = TASKS["accuracy-throughput_a100-front-v1"]
    of_task = search.random_search(task, budget=300, rng=0)
    other_way = search.random_search(["throughput_a100", "accuracy"], budget=300, rng=0)
    at = [100, 300]
    np.testing.assert_array_equal(other_way.values[:, ::-1], of_task.values)
    np.testing.assert_array_equal(other_way.front[:, ::-1], of_task.front)
    np.testing.assert_allclose(
        other_way.hypervolume_regret(at), of_task.hypervolume_regret(at), rtol=1e-9
    )
    with_limit = search.random_search(
        Problem(["accuracy", "throughput_a100"], [("latency_zcu102", "<=", 8.0)]), budget=300, rng=0
    )
    with pytest.raises(TruthError, match=r"history\.with_front\(\) has it proven"):
        with_limit.hypervolume_regret(at)
    given_front = with_limit.with_front(of_task.front)
    assert (given_front.hypervolume_regret(at) >= of_task.hypervolume_regret(at)).all()


def test_a_front_is_proven_when_asked_for() -> None:
    problem = Problem(["accuracy", "latency_zcu102"], [("params", "<=", 2.5)])
    history = search.random_search(problem, budget=100, rng=0).with_front()
    expected = exact.pareto(["accuracy", "latency_zcu102"], [("params", "<=", 2.5)])
    np.testing.assert_array_equal(history.front, expected.values.astype(float))
    assert (history.hypervolume_regret() > 0).all()


@pytest.mark.parametrize("at", [[-1], [4], [1.0], "12", None, [True], 2.5])
def test_wrong_numbers_of_evaluations_are_refused(at: Any) -> None:
    history = made([[1.0, 2.0]] * 3, direction=("max", "max"))
    if at is None:
        assert len(history.hypervolume(at, reference=[0, 0])) == 3
        return
    with pytest.raises(SearchError, match="at is a list of numbers of evaluations, 0 to 3"):
        history.hypervolume(at, reference=[0, 0])


@pytest.mark.parametrize("reference", [[0.0], 0.0, [0, float("nan")], "ab", [[0, 0]], [0, None]])
def test_wrong_reference_points_are_refused(reference: Any) -> None:
    history = made([[1.0, 2.0]] * 3, direction=("max", "max"))
    with pytest.raises(SearchError, match="reference is a point of 2 finite numbers"):
        history.hypervolume(reference=reference)


def test_a_hypervolume_says_what_it_needs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "moocore", None)
    history = made([[1.0, 2.0]] * 3, direction=("max", "max"))
    with pytest.raises(ExtraError, match=r"needs moocore .*pip install 'anb-onnx\[search\]'"):
        history.hypervolume(reference=[0, 0])


def test_plots_are_of_what_is_there() -> None:
    pyplot = pytest.importorskip("matplotlib.pyplot", reason="matplotlib is not installed")
    try:
        found = search.regularized_evolution("accuracy", budget=600, rng=1)
        axes = found.plot()
        assert axes.get_ylabel() == "regret of accuracy [%]"
        np.testing.assert_array_equal(axes.lines[0].get_ydata(), found.regret)
        assert axes.get_yscale() == ("symlog" if (found.regret == 0).any() else "log")
        own = search.random_search(rugged(SMALL, 0), budget=50, rng=0, space=SMALL)
        assert own.plot().get_ylabel() == "best objective"
        two = search.random_search(TASKS["accuracy-throughput_a100-front-v1"], budget=99, rng=0)
        given_axes = pyplot.figure().add_subplot()
        assert two.plot(given_axes) is given_axes
        texts = [text.get_text() for text in given_axes.get_legend().get_texts()]
        assert texts == [
            "evaluated (99)",
            "exact front (474)",
            f"found ({len(two.nondominated())})",
        ]
        with pytest.raises(SearchError, match="one or two objectives, not of 3"):
            made([[1.0, 2.0, 3.0]], direction=("max",) * 3).plot()
        with pytest.raises(SearchError, match="nothing to plot"):
            made([]).plot()
    finally:
        pyplot.close("all")


def test_a_history_may_be_pickled() -> None:
    history = search.random_search(TASKS["accuracy-v1"], budget=20, rng=0)
    again = pickle.loads(pickle.dumps(history))
    np.testing.assert_array_equal(again.regret, history.regret)
    assert repr(again) == "<History of 20 evaluations in 'mnasnet': max accuracy>"
    assert again.space == MNASNET


@pytest.mark.parametrize("value", ["66", [66.0], True, 10**400, float("nan")], ids=range(5))
def test_an_optimum_that_is_no_number_is_refused(value: Any) -> None:
    history = search.random_search("accuracy", budget=3, rng=0)
    with pytest.raises(SearchError, match="an optimum is a finite number, not"):
        history.with_optimum(value)


@pytest.mark.parametrize("values", ["x", [["a", 1]], [[1, 2], [3]], [[10**400, 1]]], ids=range(4))
def test_a_front_that_is_no_array_is_refused(values: Any) -> None:
    history = search.random_search(["accuracy", "params"], budget=3, rng=0)
    with pytest.raises(SearchError, match=r"a front is finite numbers \[k, 2\], not"):
        history.with_front(values)
