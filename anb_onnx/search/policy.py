"""How a policy learns: the policy gradient with a baseline, and Adam."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from anb_onnx.search.controller import Controller, Episodes

__all__ = ["Adam", "PolicyGradient"]

Floats: TypeAlias = npt.NDArray[np.float64]


class Adam:
    """Adam (Kingma and Ba, ICLR 2015): bias-corrected moments, epsilon outside of the root."""

    def __init__(
        self,
        n_parameters: int,
        learning_rate: float,
        betas: tuple[float, float] = (0.9, 0.999),
        epsilon: float = 1e-8,
    ) -> None:
        self.learning_rate = learning_rate
        self.steps = 0
        self.first = np.zeros(n_parameters)
        self.second = np.zeros(n_parameters)
        self._scratch = np.empty(n_parameters)
        self._betas = betas
        self._epsilon = epsilon

    def step(self, vector: Floats, gradient: Floats) -> None:
        """Move a vector float64 [n_parameters] in place, against its gradient, by one step."""
        self.steps += 1
        one, two = self._betas
        scratch = self._scratch
        self.first *= one
        self.first += np.multiply(gradient, 1.0 - one, out=scratch)
        np.multiply(gradient, gradient, out=scratch)
        scratch *= 1.0 - two
        self.second *= two
        self.second += scratch
        scale = np.sqrt(self.second, out=scratch)
        scale /= np.sqrt(1.0 - two**self.steps)
        scale += self._epsilon
        np.divide(self.first, scale, out=scale)
        scale *= self.learning_rate / (1.0 - one**self.steps)
        vector -= scale


class PolicyGradient:
    """The update of REINFORCE (Williams 1992), with a moving average of rewards as baseline.

    Parameters
    ----------
    controller : Controller
        Whose parameters it changes.
    learning_rate, baseline_decay, entropy_weight : float
        As for `reinforce`.

    Attributes
    ----------
    baseline : float or None
        None until the first reward, which it then is.
    """

    def __init__(
        self,
        controller: Controller,
        *,
        learning_rate: float = 3.5e-4,
        baseline_decay: float = 0.95,
        entropy_weight: float = 1e-5,
    ) -> None:
        self.controller = controller
        self.adam = Adam(len(controller.vector), learning_rate)
        self.baseline: float | None = None
        self._decay = baseline_decay
        self._entropy_weight = entropy_weight

    def learn(self, episodes: Episodes, rewards: Floats) -> float:
        """Take one step by the episodes that were drawn last and their rewards [n].

        Returns
        -------
        float
            The loss before the step.
        """
        advantages = rewards - self.observe(rewards)
        loss = self.controller.loss(episodes, advantages, self._entropy_weight)
        gradient = self.controller.gradient(episodes, advantages, self._entropy_weight)
        self.adam.step(self.controller.vector, gradient)
        return loss

    def observe(self, rewards: Floats) -> float:
        """Take rewards into the baseline, one after the other, and return it.

        The reference does so before it takes the baseline from these same rewards.
        """
        baseline = self.baseline
        for reward in rewards.tolist():
            if baseline is None:
                baseline = reward
            else:
                baseline = self._decay * baseline + (1.0 - self._decay) * reward
        self.baseline = baseline
        return 0.0 if baseline is None else float(baseline)
