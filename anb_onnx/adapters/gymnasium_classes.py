"""The environment that derives from gymnasium's: imported when one is made, or by its own id.

``gymnasium.make("anb_onnx.adapters.gymnasium_classes:anb_onnx/Search-v0", problem="accuracy")``
imports this module by itself.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from anb_onnx._io.show import show
from anb_onnx.adapters.given import evaluator, only_objective, problem_of
from anb_onnx.errors import SearchError
from anb_onnx.parallel.extras import need
from anb_onnx.problems.evaluation import Evaluation
from anb_onnx.search.recorder import Recorder
from anb_onnx.spaces.space import is_integer

_gymnasium: Any = need("gymnasium", extra="gymnasium", what="anb_onnx.adapters.gymnasium_env")
_Env: Any = _gymnasium.Env

#: Under which gymnasium knows the environment, once this module is imported.
ID = "anb_onnx/Search-v0"


class SearchEnv(_Env):  # type: ignore[misc]
    """Architectures built gene by gene, or at once; see `gymnasium_env`."""

    # As gymnasium wants it of every environment.
    metadata: dict[str, Any] = {"render_modes": []}  # noqa: RUF012

    def __init__(self, problem: Any, *, joint: bool = False, render_mode: None = None) -> None:
        self.problem = problem_of(problem)
        self._given = problem
        only_objective(self.problem, "gymnasium_env")
        self.joint = joint
        self.render_mode = render_mode
        spaces = _gymnasium.spaces
        self._sizes = np.array(self.problem.space.gene_sizes)
        codes = spaces.MultiDiscrete(self._sizes + 1)
        self._most = int(self._sizes.max())
        if joint:
            self.action_space = spaces.MultiDiscrete(self._sizes)
            self.observation_space = codes
        else:
            self.action_space = spaces.Discrete(self._most)
            mask = spaces.MultiBinary(self._most)
            self.observation_space = spaces.Dict({"action_mask": mask, "codes": codes})
        # Of each gene, which actions stand for a choice of their own; of none, after the last.
        self._masks = np.arange(self._most) < np.append(self._sizes, 0)[:, None]
        self._codes: list[int] = []
        self._started = False

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Any, dict[str, Any]]:
        """Begin an architecture; return the observation and an empty dict."""
        super().reset(seed=seed)
        self._codes, self._started = [], True
        return self._observation(), {}

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        """Choose a gene's value, or all; return observation, reward, whether it is done, and so on.

        Raises
        ------
        SearchError
            If the action is none of the action space, or the episode is over.
        """
        if not self._started:
            msg = "an episode begins with reset(), and after its last gene the next one does"
            raise SearchError(msg)
        self._codes += self._chosen(action)
        if len(self._codes) < len(self._sizes):
            return self._observation(), 0.0, False, False, {}
        self._started = False
        found = self._evaluate(np.array([self._codes], dtype=np.uint8))
        info = {
            "value": float(found.values[0, 0]),
            "mean": float(found.means[0, 0]),
            "feasible": bool(found.feasible[0]),
        }
        return self._observation(), float(self.problem.fitness(found)[0]), True, False, info

    def action_masks(self) -> NDArray[np.bool_]:
        """Return which actions stand for a choice of their own: bool [largest number of choices].

        The name by which MaskablePPO of sb3-contrib asks for it. All False once the episode is
        over; not for an environment that is `joint`, where every action is one.
        """
        mask: NDArray[np.bool_] = self._masks[len(self._codes)].copy()
        return mask

    def _chosen(self, action: Any) -> list[int]:
        if self.joint:
            codes = np.asarray(action)
            if codes.dtype.kind in "iu" and self.action_space.contains(codes.astype(np.int64)):
                listed: list[int] = codes.tolist()
                return listed
        else:
            if isinstance(action, np.ndarray) and action.shape == ():
                action = action[()]
            if is_integer(action) and 0 <= action < self._most:
                return [int(action) % self.problem.space.gene_sizes[len(self._codes)]]
        msg = f"an action is a member of {self.action_space}, not {show(action)}"
        raise SearchError(msg)

    def _observation(self) -> Any:
        codes = np.zeros(len(self._sizes), dtype=np.int64)
        codes[: len(self._codes)] = np.array(self._codes, dtype=np.int64) + 1
        if self.joint:
            return codes
        return {"action_mask": self.action_masks().astype(np.int8), "codes": codes}

    def _evaluate(self, codes: NDArray[np.uint8]) -> Evaluation:
        noisy = self.problem.noise != "none" and not isinstance(self._given, Recorder)
        rng = self.np_random if noisy else None
        return evaluator(self._given, self.problem, rng)(codes)


_gymnasium.register(id=ID, entry_point=f"{__name__}:SearchEnv")
