"""The environment, as gymnasium checks and uses it."""

from __future__ import annotations

import warnings
from typing import Any

import gymnasium
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

import anb_onnx
from anb_onnx import MNASNET, Problem, efficientnet_b0
from anb_onnx.adapters import gymnasium_env
from anb_onnx.errors import SearchError

ID = "anb_onnx.adapters.gymnasium_classes:anb_onnx/Search-v0"


def build(environment: Any, codes: Any) -> tuple[Any, float, dict[str, Any]]:
    """One episode: last observation, sum of rewards, last info."""
    total, done, info = 0.0, False, {}
    seen, _ = environment.reset()
    for code in codes:
        assert not done
        seen, reward, done, truncated, info = environment.step(code)
        assert truncated is False
        total += reward
    assert done
    return seen, total, info


@pytest.mark.parametrize("joint", [False, True])
@pytest.mark.parametrize("noise", ["none", "std"])
def test_gymnasium_finds_nothing_wrong(joint: bool, noise: Any) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.filterwarnings("ignore", message=".*not having a spec")
        check_env(gymnasium_env(Problem("accuracy", noise=noise), joint=joint))


def test_it_is_made_by_its_id() -> None:
    made = gymnasium.make(ID, problem="latency_zcu102", joint=True)
    check_env(made.unwrapped)
    made.reset(seed=1)
    b0 = efficientnet_b0()
    _, reward, done, _, info = made.step(np.array(b0.codes))
    assert done
    assert info["value"] == -reward == float(anb_onnx.load("latency_zcu102").query(b0).mean)
    several = gymnasium.make_vec(ID, num_envs=3, problem="accuracy", joint=True)
    several.reset(seed=1)
    codes = anb_onnx.sample(3, seed=0, space=MNASNET).astype(int)
    rewards = several.step(codes)[1]
    assert rewards.tolist() == anb_onnx.load("accuracy").query(codes).mean.tolist()


def test_an_episode_is_an_architecture_and_its_fitness() -> None:
    environment = gymnasium_env("accuracy")
    b0 = efficientnet_b0()
    seen, total, info = build(environment, b0.codes)
    mean = float(anb_onnx.load("accuracy").query(b0).mean)
    assert total == mean == info["value"] == info["mean"]
    assert info["feasible"] is True
    assert seen["codes"].tolist() == [code + 1 for code in b0.codes]
    assert not seen["action_mask"].any()


def test_masks_are_the_choices_of_the_next_gene() -> None:
    environment = gymnasium_env("accuracy")
    seen, _ = environment.reset(seed=3)
    drawn = []
    for position, gene in enumerate(MNASNET.genes):
        assert seen["action_mask"].sum() == len(gene)
        assert environment.action_masks().tolist() == seen["action_mask"].astype(bool).tolist()
        assert (seen["codes"] > 0).sum() == position
        environment.action_space.seed(position)
        action = environment.action_space.sample(mask=seen["action_mask"])
        assert action < len(gene)
        drawn.append(int(action))
        seen = environment.step(action)[0]
    assert seen["codes"].tolist() == [code + 1 for code in drawn]


def test_no_action_is_illegal() -> None:
    environment = gymnasium_env("accuracy")
    assert environment.action_space.n == 4
    seen, _, _ = build(environment, [3] * 28)
    assert seen["codes"].tolist() == [3 % size + 1 for size in MNASNET.gene_sizes]


def test_rewards_follow_direction_and_limits() -> None:
    environment = gymnasium_env(Problem("latency_zcu102", [("accuracy", ">=", 60.0)]), joint=True)
    codes = anb_onnx.sample(100, seed=0, space=MNASNET).astype(int)
    rewards = np.array([build(environment, [row])[1] for row in codes])
    latency = anb_onnx.load("latency_zcu102").query(codes).mean
    kept = anb_onnx.load("accuracy").query(codes).mean >= 60
    assert rewards[kept].tolist() == (-latency[kept].astype(float)).tolist()
    assert rewards[~kept].max() < rewards[kept].min()
    assert build(environment, [codes[np.argmin(kept)]])[2]["feasible"] is False


def test_noise_is_seeded_by_reset() -> None:
    environment = gymnasium_env(Problem("accuracy", noise="std"), joint=True)
    b0 = np.array(efficientnet_b0().codes)
    seen = []
    for seed in (1, 1, 2):
        environment.reset(seed=seed)
        seen.append(environment.step(b0)[1])
    assert seen[0] == seen[1] != seen[2]


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(SearchError, match="one objective, not 2"):
        gymnasium_env(["accuracy", "macs"])
    environment = gymnasium_env("accuracy")
    with pytest.raises(SearchError, match=r"begins with reset\(\)"):
        environment.step(0)
    environment.reset()
    for action in (4, -1, 0.5, [0], "0", None):
        with pytest.raises(SearchError, match=r"member of Discrete\(4\), not"):
            environment.step(action)
    build(environment, [0] * 28)
    with pytest.raises(SearchError, match=r"begins with reset\(\)"):
        environment.step(0)
    joint = gymnasium_env("accuracy", joint=True)
    joint.reset()
    for joint_action in ([0] * 27, [2] * 28, [0.5] * 28, 1):
        with pytest.raises(SearchError, match="member of MultiDiscrete"):
            joint.step(joint_action)
