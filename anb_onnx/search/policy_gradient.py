"""REINFORCE: a recurrent policy that learns which choices are worth it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from anb_onnx._io.show import show
from anb_onnx.errors import SearchError
from anb_onnx.search.controller import Controller
from anb_onnx.search.history import History
from anb_onnx.search.objective import Directions, Objective
from anb_onnx.search.policy import PolicyGradient
from anb_onnx.search.recorder import Charged, Progress, Recorder
from anb_onnx.search.settings import Rng, count, generator, number, told
from anb_onnx.spaces.space import SearchSpace

Floats: TypeAlias = npt.NDArray[np.float64]
#: Called with the fitness float64 [n] of a batch; returns its rewards [n].
Reward: TypeAlias = Callable[[Floats], Any]


def reinforce(
    objective: Objective,
    *,
    budget: int | None = None,
    rng: Rng,
    space: SearchSpace | None = None,
    direction: Directions = "max",
    hidden_size: int = 100,
    embedding_size: int = 32,
    learning_rate: float = 3.5e-4,
    batch: int = 6,
    baseline_decay: float = 0.95,
    entropy_weight: float = 1e-5,
    reward: Reward | None = None,
    progress: Progress | None = None,
    cost: Charged | None = None,
    cost_budget: float | None = None,
) -> History:
    """Learn a policy that draws architectures gene by gene, by REINFORCE.

    The controller and all settings are those of Accel-NASBench's searches: an LSTM cell, its inputs
    embedded, one linear decoder for each distinct tuple of choices, parameters uniform from -0.1 to
    0.1, Adam. What differs is that it computes in float64, that the first input is one fixed row of
    the embedding whatever the seed, and that the policy is not asked twice for the same batch.

    After each batch it descends the mean of ``-sum(log p) * (reward - baseline) - entropy_weight *
    entropy``, where the sums and ``entropy = -sum(p * log p)`` are over the choices made, and the
    baseline is a moving average of all rewards, those of the batch included. The last batch may be
    a short one.

    Parameters
    ----------
    objective : str, Surrogate, Problem, Task or callable
        What is searched for: one objective. See `Recorder`.
    budget : int, optional
        Evaluations. May be left out for a task, which has its own.
    rng : int or numpy.random.Generator
        Of parameters and draws, and of the noise if there is some.
    space, direction, progress, cost, cost_budget : optional
        As for `Recorder`: with a budget of cost, that of evaluations may be left out.
    hidden_size, embedding_size : int
        Sizes of the LSTM's state and of its inputs.
    learning_rate : float
        Of Adam, whose betas are 0.9 and 0.999 and whose epsilon is 1e-8.
    batch : int
        Architectures drawn and evaluated between two steps.
    baseline_decay : float
        From 0 to 1: what stays of the baseline with each reward.
    entropy_weight : float
        Not negative; the larger, the longer the policy keeps trying.
    reward : callable, optional
        Makes rewards float64 [n] of the fitness [n] of a batch, which they else are.

    Returns
    -------
    History
        The same whenever it is run with the same seed on the same machine. BLAS adds in another
        order on another one, by which a choice that hung by a hair may fall differently.

    Raises
    ------
    SearchError, TargetError
        If an argument is not as above, there are several objectives, or rewards are not finite.

    Examples
    --------
    >>> from anb_onnx import search
    >>> history = search.reinforce("throughput_a100", budget=300, rng=0)
    >>> first, last = history.values[:60].mean(), history.values[-60:].mean()
    >>> bool(last > first)
    True
    """
    settings = {
        "hidden_size": count("hidden_size", hidden_size),
        "embedding_size": count("embedding_size", embedding_size),
        "learning_rate": number("learning_rate", learning_rate, 0.0),
        "batch": count("batch", batch),
        "baseline_decay": number("baseline_decay", baseline_decay, 0.0, 1.0),
        "entropy_weight": number("entropy_weight", entropy_weight, 0.0),
        "reward": None if reward is None else getattr(reward, "__name__", "callable"),
    }
    rng, seed = generator(rng), told(rng)
    recorder = Recorder(
        objective,
        budget=budget,
        rng=rng,
        space=space,
        direction=direction,
        progress=progress,
        cost=cost,
        cost_budget=cost_budget,
        optimizer={"name": "reinforce", "seed": seed, **settings},
    )
    controller = Controller(
        recorder.space, rng, hidden_size=hidden_size, embedding_size=embedding_size
    )
    policy = PolicyGradient(
        controller,
        learning_rate=learning_rate,
        baseline_decay=baseline_decay,
        entropy_weight=entropy_weight,
    )
    with recorder.until_exhausted():
        while not recorder.done:
            episodes = controller.sample(min(batch, recorder.remaining), rng)
            fitness = recorder.evaluate(episodes.codes)
            if not recorder.done:
                policy.learn(episodes, _rewards(fitness, reward))
    return recorder.history()


def _rewards(fitness: Floats, reward: Reward | None) -> Floats:
    """Return the rewards of a batch, float64 [n].

    Raises
    ------
    SearchError
        If a user's function does not return one finite number for each row.
    """
    if reward is None:
        return fitness
    found = np.asarray(reward(fitness.copy()))
    if (
        found.dtype.kind not in "iuf"
        or found.shape != fitness.shape
        or not np.isfinite(found).all()
    ):
        msg = f"reward must return finite numbers [{len(fitness)}], not {show(found)}"
        raise SearchError(msg)
    return found.astype(np.float64)
