"""Parametrizations and losses for nevergrad, searched by nevergrad."""

from __future__ import annotations

from typing import Any

import nevergrad
import numpy as np
import pytest

import anb_onnx
from anb_onnx import FCNET, MNASNET, NASBENCH201, OFA, Architecture, Problem
from anb_onnx.adapters import nevergrad_batch, nevergrad_loss, nevergrad_parametrization
from anb_onnx.errors import SearchError
from anb_onnx.spaces.space import SearchSpace

LIMITED = ("accuracy", [("latency_zcu102", "<=", 5.0)])


@pytest.mark.parametrize("transitions", [False, True], ids=["choices", "transitions"])
@pytest.mark.parametrize("space", [MNASNET, NASBENCH201, OFA, FCNET], ids=lambda s: s.name)
def test_values_are_architectures_and_can_be_set(space: SearchSpace, transitions: bool) -> None:
    made = nevergrad_parametrization(space, seed=1, transitions=transitions)
    drawn = [Architecture(made.sample().value, space=space) for _ in range(3)]
    assert len(set(drawn)) == 3
    again = nevergrad_parametrization(space, seed=1, transitions=transitions)
    assert [Architecture(again.sample().value, space=space) for _ in range(3)] == drawn
    if transitions:
        child = made.spawn_child(new_value=drawn[1].to_values())
        assert Architecture(child.value, space=space) == drawn[1]


def test_ordered_genes_are_ordered_transitions_either_way() -> None:
    for transitions in (False, True):
        made = nevergrad_parametrization(FCNET, transitions=transitions)
        for gene in FCNET.genes:
            part = made[gene.name]
            moves = isinstance(part, nevergrad.p.TransitionChoice)
            assert moves == (gene.ordered or transitions)
            # An unordered one keeps what it draws from anew, whatever it is.
            assert not moves or (part._ref is None) == gene.ordered
            assert [choice.value for choice in part.choices] == list(gene.choices)


@pytest.mark.parametrize("target", ["accuracy", "latency_zcu102"])
def test_what_is_good_is_found(target: str) -> None:
    surrogate, loss = anb_onnx.load(target), nevergrad_loss(target)
    search = nevergrad.optimizers.OnePlusOne(nevergrad_parametrization(seed=2), budget=40)
    best = search.minimize(loss).value
    mean = float(surrogate.query(best).mean)
    assert loss.problem.values_of(np.array([[loss(best)]])).tolist() == [[mean]]
    drawn = surrogate.query(anb_onnx.sample(1000, seed=0, space=MNASNET)).mean
    better = drawn > mean if surrogate.target.direction == "max" else drawn < mean
    assert better.mean() < 0.1


def test_limits_are_kept() -> None:
    loss = nevergrad_loss(Problem(*LIMITED))
    search = nevergrad.optimizers.OnePlusOne(nevergrad_parametrization(seed=1), budget=40)
    best = search.minimize(loss, constraint_violation=loss.constraint_violation).value
    assert anb_onnx.load("latency_zcu102").query(best).mean <= 5.0
    assert [excess(best) for excess in loss.constraint_violation] == [0.0]
    accuracy = float(anb_onnx.load("accuracy").query(best).mean)
    optimum = anb_onnx.tasks()["accuracy-latency_zcu102-5ms-v1"].optimum.value
    assert -loss(best) == accuracy <= optimum


def test_what_exceeds_a_limit_is_worse_than_all_that_keeps_it() -> None:
    problem = Problem(*LIMITED)
    loss = nevergrad_loss(problem)
    drawn = [
        Architecture.from_codes(r, space=MNASNET)
        for r in anb_onnx.sample(200, seed=0, space=MNASNET)
    ]
    latency = anb_onnx.load("latency_zcu102").query(drawn).mean
    losses = np.array([loss(a) for a in drawn])
    excess = np.array([loss.constraint_violation[0](a) for a in drawn])
    assert np.allclose(excess, np.maximum(latency / 5.0 - 1, 0), atol=1e-6)
    assert losses[excess > 0].min() > losses[excess == 0].max()
    assert (np.argsort(losses[excess > 0]) == np.argsort(excess[excess > 0])).all()


def test_a_batch_is_told_as_one_by_one() -> None:
    def search() -> Any:
        made = nevergrad_parametrization(seed=3)
        return nevergrad.optimizers.TwoPointsDE(made, budget=16, num_workers=8)

    at_once, one_by_one, loss = search(), search(), nevergrad_loss("accuracy")
    for _ in range(2):
        found = nevergrad_batch(at_once, "accuracy", 8)
        asked = [one_by_one.ask() for _ in range(8)]
        losses = [loss(candidate.value) for candidate in asked]
        for candidate, value in zip(asked, losses, strict=True):
            one_by_one.tell(candidate, value)
        assert found.values[:, 0].tolist() == [-value for value in losses]
    assert at_once.recommend().value == one_by_one.recommend().value
    assert len(nevergrad_batch(at_once, "accuracy", 0)) == 0


def test_several_objectives_have_a_front() -> None:
    two = ["accuracy", "latency_zcu102"]
    made = nevergrad_parametrization(seed=1)
    search = nevergrad.optimizers.DE(made, budget=60, num_workers=30)
    seen = np.concatenate([nevergrad_batch(search, two, 30).values for _ in range(2)])
    losses = seen * [-1, 1]
    best = np.array([candidate.losses for candidate in search.pareto_front()])
    better = (losses[:, None] <= best).all(axis=2) & (losses[:, None] < best).any(axis=2)
    assert len(best) > 1
    assert not better.any()
    assert {tuple(b) for b in best.tolist()} <= {tuple(row) for row in losses.tolist()}
    assert nevergrad_loss(two)(search.pareto_front()[0].value) == best[0].tolist()


def test_noise_and_settings_are_checked() -> None:
    noisy = Problem("accuracy", noise="std")
    b0 = anb_onnx.efficientnet_b0()
    first, second = nevergrad_loss(noisy, rng=1), nevergrad_loss(noisy, rng=1)
    assert first(b0) == second(b0) != first(b0)
    with pytest.raises(SearchError, match="needs rng="):
        nevergrad_loss(noisy)
    with pytest.raises(SearchError, match="seed is an integer from 0 to 4294967295"):
        nevergrad_parametrization(seed=2**32)
    search = nevergrad.optimizers.OnePlusOne(nevergrad_parametrization(seed=1), budget=1)
    with pytest.raises(SearchError, match="n is an integer >= 0"):
        nevergrad_batch(search, "accuracy", 1.5)  # type: ignore[arg-type]
