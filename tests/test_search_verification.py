"""What is worth a measurement: against brute force, and against what is true of a device."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from tools import need_tool

import anb_onnx
from anb_onnx import MNASNET, search
from anb_onnx.errors import SearchError
from anb_onnx.search.gains import choose
from anb_onnx.search.measures import hypervolume, nondominated
from anb_onnx.search.possible import Possible

LATENCY = "latency_zcu102"
PROBLEM = anb_onnx.Problem("accuracy", [(LATENCY, "<=", 5.0)])
FRONT = anb_onnx.Problem(["accuracy", LATENCY])
CODES = anb_onnx.sample(3_000, seed=2, space=MNASNET)


def volume(points: np.ndarray, reference: np.ndarray) -> float:
    """The mean hypervolume of points [k, draws, m], draw by draw."""
    if len(reference) == 1:
        return float(np.maximum(reference - points.min(axis=0, initial=np.inf), 0.0).mean())
    draws = range(points.shape[1])
    return float(np.mean([hypervolume(points[:, d], reference) for d in draws]))


@pytest.mark.parametrize("m", [1, 2, 3])
@pytest.mark.parametrize("n_known", [0, 2])
def test_each_choice_adds_most_of_all(m: int, n_known: int) -> None:
    if m > 1:
        need_tool("moocore")
    rng = np.random.default_rng(m)
    losses, known = rng.random((20, 4, m)), rng.uniform(0.6, 0.9, (n_known, m))
    reference = np.full(m, 0.8)
    rows, gains = choose(losses, reference, 6, known, np.arange(20.0))
    points = np.repeat(known[:, None], 4, axis=1)
    for row, gain in zip(rows, gains, strict=True):
        if gain == 0.0:
            break
        before = volume(points, reference)
        each = [volume(np.vstack([points, loss[None]]), reference) - before for loss in losses]
        assert row == int(np.argmax(np.round(each, 12)))
        assert gain == pytest.approx(each[row], abs=1e-12)
        points = np.vstack([points, losses[row][None]])
    assert len(points) >= n_known + 2


def test_taken_for_certain_the_best_come_in_their_order() -> None:
    found = PROBLEM.evaluate(CODES)
    order = np.argsort(np.where(found.feasible, -found.values[:, 0], np.inf), kind="stable")
    shortlist = search.verify_top(PROBLEM, CODES, 10, measure=LATENCY, rule="mean")
    assert shortlist.rows.tolist() == order[:10].tolist()
    assert (shortlist.codes == CODES[shortlist.rows]).all()
    assert shortlist.worth[0] > 0
    assert (shortlist.worth[1:] == 0).all()  # if the first is certain, no other is of use


def test_once_nothing_keeps_the_limit_the_nearest_come_first() -> None:
    slow = anb_onnx.Problem("accuracy", [(LATENCY, "<=", 0.5)])
    excess = slow.evaluate(CODES).violations[:, 0]
    shortlist = search.verify_top(slow, CODES, 5, measure=LATENCY, rule="mean")
    assert shortlist.rows.tolist() == np.argsort(excess, kind="stable")[:5].tolist()
    assert (shortlist.worth == 0).all()


def test_taken_for_certain_a_front_comes_first_and_the_next_behind_it() -> None:
    losses = FRONT.losses(FRONT.evaluate(CODES).values)
    front = nondominated(losses, np.ones(len(CODES), dtype=bool))
    shortlist = search.verify_top(FRONT, CODES, len(front) + 5, measure=LATENCY, rule="mean")
    assert set(shortlist.rows[: len(front)]) == set(front)
    rest = np.setdiff1d(np.arange(len(CODES)), front)
    second = rest[nondominated(losses[rest], np.ones(len(rest), dtype=bool))]
    assert set(shortlist.rows[len(front) :]) <= set(second)


def test_draws_lie_within_intervals_as_often_as_these_say() -> None:
    surrogate = anb_onnx.load(LATENCY)
    drawn = Possible(FRONT, CODES, [LATENCY], certain=False).values[..., 1]
    for level in (0.5, 0.9):
        lower, upper = surrogate.query(CODES).interval(level)
        inside = (drawn >= lower[:, None]) & (drawn <= upper[:, None])
        assert inside.mean() == pytest.approx(level, abs=0.02)
    assert (
        np.ptp(Possible(FRONT, CODES, [LATENCY], certain=False).values[..., 0], axis=1).max() == 0
    )


def test_verified_a_few_at_a_time_the_best_of_a_device_is_found() -> None:
    """The bundled surrogate of a board is its truth; it is known from other devices' and 20 rows.

    Of the whole space the optimum is proven, so that nothing of the regret is a guess.
    """
    truth = anb_onnx.load(LATENCY)
    names = [t.name for t in anb_onnx.targets() if t.metric in ("latency", "throughput")]
    sources = [name for name in names if "zcu102" not in name]
    codes = anb_onnx.suggest(20, sources=sources)
    known, optimum = None, anb_onnx.tasks()["accuracy-latency_zcu102-5ms-v1"].optimum.value
    regrets, off = [], []
    for seed in range(2):
        device = anb_onnx.adapt(
            codes,
            truth.query(codes).mean,
            metric="latency",
            unit="ms",
            device="mine",
            sources=sources,
        )
        problem = anb_onnx.Problem("accuracy", [(device, "<=", 5.0)])
        history = search.regularized_evolution(problem, budget=3_000, rng=seed, batch=25)
        best = history.codes[history.incumbents[-1]]
        off.append(float(truth.query_codes(best[np.newaxis]).mean[0]) / 5.0 - 1)
        shortlist = search.verify_top(problem, history.codes, 5, measure=device, known=known)
        times = truth.query(shortlist.codes).mean
        known = search.verified(problem, shortlist.codes, {"latency_mine": times}, known=known)
        codes = np.concatenate([codes, shortlist.codes])
        assert known.best is not None
        regrets.append(optimum - float(known.values[known.best, 0]))
    assert off[0] > 0.05  # what looks best is too good to be true
    assert known is not None
    assert len(np.unique(known.codes, axis=0)) == 10
    assert regrets[0] < 0.7
    assert regrets == sorted(regrets, reverse=True)
    assert -1e-5 < regrets[-1] < 0.25


def test_measured_values_stand_in_the_place_of_means() -> None:
    codes = CODES[:4]
    confident = anb_onnx.Problem("accuracy", [(LATENCY, "<=", 5.0)], confidence=0.9)
    found = search.verified(confident, codes, {LATENCY: [5.0, 4.0, 5.5, 7.0]})
    assert found.violations[:, 0].tolist() == [0.0, 0.0, 0.5, 2.0]
    assert found.feasible.tolist() == [True, True, False, False]
    accuracy = PROBLEM(codes)
    assert (found.values[:, 0] == accuracy).all()
    assert found.best == int(accuracy[:2].argmax())
    assert found.indices.tolist() == anb_onnx.codes_to_indices(codes, MNASNET).tolist()
    none = search.verified(confident, codes, {LATENCY: [9.0] * 4})
    assert none.best is None
    assert not len(none.front)
    with pytest.raises(SearchError, match="see front"):
        _ = search.verified(FRONT, codes, {LATENCY: [9.0] * 4}).best


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"k": 0}, "k is an integer from 1 to 3"),
        ({"k": 4}, "k is an integer from 1 to 3"),
        ({"k": True}, "k is an integer"),
        ({"measure": "latency_tx2"}, "accuracy, latency_zcu102"),
        ({"measure": []}, "at least one"),
        ({"measure": 3}, "accuracy, latency_zcu102"),
        ({"rule": "best"}, "'interval', 'mean'"),
        ({"reference": [1.0, 2.0]}, "1 finite"),
        ({"known": 3}, "what verified"),
        ({"candidates": CODES[:0]}, "no candidates left"),
        ({"measure": "params", "problem": ["accuracy", "params"], "known": "other"}, "known is of"),
    ],
)
def test_what_is_no_question_is_refused(arguments: dict[str, Any], message: str) -> None:
    given: dict[str, Any] = {
        "problem": PROBLEM,
        "candidates": CODES[[0, 1, 2, 1]],
        "k": 2,
        "measure": LATENCY,
    }
    given |= arguments
    if given.get("known") == "other":
        given["known"] = search.verified(PROBLEM, CODES[:1], {LATENCY: [4.0]})
    with pytest.raises(SearchError, match=message):
        search.verify_top(given.pop("problem"), given.pop("candidates"), given.pop("k"), **given)


@pytest.mark.parametrize(
    ("measured", "message"),
    [
        ([4.0, 5.0], "values by target"),
        ({}, "at least one"),
        ({"latency_tx2": [4.0, 5.0]}, "accuracy, latency_zcu102"),
        ({LATENCY: [4.0]}, "each of 2"),
        ({LATENCY: ["fast", "slow"]}, "each of 2"),
        ({LATENCY: [4.0, float("nan")]}, "in row 1"),
    ],
)
def test_what_is_no_measurement_is_refused(measured: Any, message: str) -> None:
    with pytest.raises(SearchError, match=message):
        search.verified(PROBLEM, CODES[:2], measured)
