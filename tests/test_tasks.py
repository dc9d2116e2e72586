"""Tasks: every optimum and reference point that is written down, proven again."""

from __future__ import annotations

import json
import pickle
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import anb_onnx
from anb_onnx import exact
from anb_onnx.errors import SearchError, TruthError
from anb_onnx.problems.task import _made

TASKS = anb_onnx.tasks()
SINGLE = [task.name for task in TASKS if len(task.objectives) == 1]
SEVERAL = [task.name for task in TASKS if len(task.objectives) > 1]


@pytest.mark.parametrize("name", SINGLE)
def test_the_optimum_is_proven_again(name: str) -> None:
    task = TASKS[name]
    found = exact.optimum(_made(task.objectives[0]), task.constraints)
    best = task.optimum
    assert (best.architecture, best.value) == (
        found.solutions[0].architecture,
        found.solutions[0].value,
    )
    evaluation = task.problem().evaluate(np.array([best.architecture.codes], np.uint8), rng())
    assert evaluation.means[0, 0] == best.value
    assert evaluation.feasible[0]
    with pytest.raises(TruthError, match="no front"):
        _ = task.front


@pytest.mark.parametrize("name", SEVERAL)
def test_the_front_is_the_exact_one_and_all_of_it_better_than_the_reference(name: str) -> None:
    task = TASKS[name]
    found = exact.pareto([str(o) for o in task.objectives])
    assert np.array_equal(task.front.values, found.values)
    problem, reference = task.problem(), np.array(task.reference)
    worst = [o.surrogates[0].truth.worst.value for o in problem.objectives]
    assert reference.tolist() == worst
    assert np.array_equal(problem(task.front.codes), task.front.values)
    assert (problem.losses(task.front.values) < problem.losses(reference)).all()
    with pytest.raises(TruthError, match="it has a front, no optimum"):
        _ = task.optimum


def rng() -> np.random.Generator:
    return np.random.default_rng(0)


def test_names_and_versions() -> None:
    assert len(set(TASKS.names)) == len(TASKS) == len(list(TASKS))
    assert all(task.name.endswith(f"-v{task.version}") for task in TASKS)
    assert TASKS["accuracy-v1"] is TASKS[TASKS.names.index("accuracy-v1")]
    found: list[Any] = ["accuracy-v1", TASKS[0], "accuracy", None, 1]
    assert [key in TASKS for key in found] == [True, True, False, False, False]
    assert [task.name for task in TASKS[:2]] == list(TASKS.names[:2])
    with pytest.raises(
        SearchError, match=r"unknown task 'accuracy-v2' .did you mean 'accuracy-v1'"
    ):
        TASKS["accuracy-v2"]


def test_a_task_is_a_value() -> None:
    task = TASKS["reward-latency_zcu102-v1"]
    assert pickle.loads(pickle.dumps(task)) == task
    assert hash(task) == hash(pickle.loads(pickle.dumps(task)))
    assert task.problem() is task.problem()
    document = json.loads(json.dumps(task.to_dict()))
    assert document["objectives"][0]["exponent"] == -0.07
    assert document["known"]["value"] == task.optimum.value
    assert set(document["artifacts"]) == {"accuracy", "latency_zcu102"}
    assert np.array_equal(
        task([anb_onnx.efficientnet_b0()]), task.problem()([anb_onnx.efficientnet_b0()])
    )


def test_a_task_of_other_artifacts_is_refused() -> None:
    task = replace(TASKS["accuracy-v1"], artifacts={"accuracy": "0" * 64})
    with pytest.raises(TruthError, match=r"of another artifact of 'accuracy' .SHA-256 0000"):
        task.problem()


def test_the_noisy_task_is_noisy_and_the_one_of_hours_costs_training_time() -> None:
    codes = anb_onnx.sample(300, seed=0, space=anb_onnx.MNASNET)
    noisy = TASKS["accuracy-noisy-v1"].problem().evaluate(codes, rng())
    assert (noisy.values != noisy.means).all()
    hours = TASKS["accuracy-gpu-hours-v1"]
    cost = hours.problem().evaluate(codes).cost
    assert cost is not None
    assert hours.budget.cost is not None
    # The description says how many architectures the hours are good for.
    assert 300 < hours.budget.cost / cost.mean() < 500


def test_the_page_lists_every_task() -> None:
    page = Path(__file__).resolve().parents[1] / "docs" / "tasks.md"
    if not page.is_file():
        pytest.skip("not a checkout")
    rows = dict(re.findall(r"^\| `(\S+)` \| .* \| (.+?) \|$", page.read_text(), re.MULTILINE))
    assert list(rows) == list(TASKS.names)
    for task in TASKS:
        known = task.known
        answer = f"{len(task.front)} points" if known is None else f"{known.value:.4f}"
        assert rows[task.name].startswith(answer)


@pytest.mark.parametrize("number", [29, -30, 10**30])
def test_a_number_of_no_task_is_an_error_of_ours(number: int) -> None:
    with pytest.raises(IndexError, match=r"a number from 0 to 28$") as caught:
        anb_onnx.tasks()[number]
    assert isinstance(caught.value, SearchError)


def test_what_is_no_number_is_refused() -> None:
    with pytest.raises(SearchError, match=r"there is no task 1\.5; a task goes by its name"):
        anb_onnx.tasks()[1.5]  # type: ignore[call-overload]
    assert [task.name for task in anb_onnx.tasks()[:2]] == list(anb_onnx.tasks().names[:2])
