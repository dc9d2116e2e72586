"""The controller of the reference's REINFORCE, which needs no torch here."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from anb_onnx._io.show import show
from anb_onnx.compat.configurations import generator
from anb_onnx.encoding.encoding import check_codes
from anb_onnx.errors import SearchError
from anb_onnx.search.controller import Controller as Policy
from anb_onnx.search.controller import Episodes
from anb_onnx.search.policy import Adam
from anb_onnx.spaces.mnasnet import MNASNET

__all__ = ["Controller"]

FloatArray = npt.NDArray[np.float64]


class Controller:
    """Draws architectures and learns from their rewards.

    `sample` and `get_p` return what the original's do, as NumPy arrays. What a script of the
    original does with torch (the loss, `backward`, `Adam.step`) is one call here: `learn`. New code
    is better off with `anb_onnx.search.reinforce`.

    Parameters
    ----------
    embedding_size, hidden_size : int
    device : ignored
        It computes on the CPU, in float64.
    seed : int
        Any, not negative. The original takes it for a row of its embedding, and so fails above 10;
        its draws come from torch's global generator.
    learning_rate : float
        Of Adam.

    Examples
    --------
    >>> controller = Controller(32, seed=12)
    >>> p, log_p, actions_index = controller.sample()
    >>> p.shape, actions_index.dtype
    ((28,), dtype('int64'))
    >>> loss = controller.learn([actions_index], [66.0], baseline=65.0)
    """

    def __init__(
        self,
        embedding_size: int,
        hidden_size: int = 100,
        device: Any = "cpu",
        seed: int = 2,
        *,
        learning_rate: float = 3.5e-4,
    ) -> None:
        self.embedding_size = embedding_size
        self.hidden_size = hidden_size
        self.device = device
        self.seed = seed
        self._rng = generator(seed)
        self._policy = Policy(
            MNASNET, self._rng, hidden_size=hidden_size, embedding_size=embedding_size
        )
        self._adam = Adam(len(self._policy.vector), learning_rate)

    def to(self, device: Any) -> Controller:
        """Return the controller itself; there is but the CPU."""
        return self

    def sample(self) -> tuple[FloatArray, FloatArray, npt.NDArray[np.int64]]:
        """Draw one architecture.

        Returns
        -------
        p, log_p : float64 [28]
            Probability of each choice, and its logarithm.
        actions_index : int64 [28]
            The number of each choice.
        """
        drawn = self._policy.sample(1, self._rng)
        return drawn.p[0], drawn.log_p[0], drawn.codes[0].astype(np.int64)

    def get_p(self, actions_index: Iterable[Any]) -> tuple[FloatArray, FloatArray]:
        """Return the probabilities float64 [28] of given choices, and their logarithms."""
        read = self._read([actions_index])
        return read.p[0], read.log_p[0]

    def learn(
        self,
        actions_indices: Sequence[Iterable[Any]],
        rewards: Sequence[float] | FloatArray,
        baseline: float,
        entropy_weight: float = 1e-5,
    ) -> float:
        """Take one step of Adam down the mean loss of a batch.

        Parameters
        ----------
        actions_indices : sequence of n arrays [28]
            As `sample` returned them.
        rewards : sequence of n floats
        baseline, entropy_weight : float

        Returns
        -------
        float
            The loss before the step: the mean of ``-sum(log p) * (reward - baseline) -
            entropy_weight * entropy``, with ``entropy = -sum(p * log p)`` over the choices made.

        Raises
        ------
        SearchError
            If there is not one finite reward for each architecture.
        ArchitectureError
            If one is none of `MNASNET`.
        """
        advantages = np.asarray(rewards, dtype=np.float64) - baseline
        if advantages.shape != (len(actions_indices),) or not np.isfinite(advantages).all():
            msg = f"rewards are {len(actions_indices)} finite numbers, not {show(rewards)}"
            raise SearchError(msg)
        read = self._read(actions_indices)
        loss = self._policy.loss(read, advantages, entropy_weight)
        gradient = self._policy.gradient(read, advantages, entropy_weight)
        self._adam.step(self._policy.vector, gradient)
        return loss

    def _read(self, actions_indices: Sequence[Iterable[Any]]) -> Episodes:
        codes = np.array([[int(code) for code in row] for row in actions_indices], np.int64)
        small = codes.astype(np.uint8)
        check_codes(np.where(small == codes, small, 255).astype(np.uint8), MNASNET)
        return self._policy.read(small)

    def state_dict(self) -> dict[str, npt.NDArray[Any]]:
        """Return copies of all that it has learned, as arrays, such as `numpy.savez` keeps."""
        adam = self._adam
        return {
            **{name: part.copy() for name, part in self._policy.parts.items()},
            "adam_first": adam.first.copy(),
            "adam_second": adam.second.copy(),
            "adam_steps": np.array(adam.steps),
        }

    def load_state_dict(self, state: Mapping[str, npt.NDArray[Any]]) -> None:
        """Take over what another one has learned; the draws stay its own.

        Raises
        ------
        SearchError
            If something is missing or of another size.
        """
        own = {
            **self._policy.parts,
            "adam_first": self._adam.first,
            "adam_second": self._adam.second,
        }
        for name in [*own, "adam_steps"]:
            shape = own[name].shape if name in own else ()
            if name not in state or np.shape(state[name]) != shape:
                found = show(state[name]) if name in state else "missing"
                msg = f"the state's {name!r} is an array of shape {list(shape)}; here it is {found}"
                raise SearchError(msg)
        for name, array in own.items():
            array[:] = state[name]
        self._adam.steps = int(state["adam_steps"])
