"""An environment for gymnasium, in which an agent builds architectures."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from anb_onnx.parallel.extras import need
from anb_onnx.parallel.shelter import import_sheltered

if TYPE_CHECKING:
    from anb_onnx.adapters.gymnasium_classes import SearchEnv

__all__ = ["gymnasium_env"]


def gymnasium_env(problem: Any, *, joint: bool = False) -> SearchEnv:
    """Return an environment in which each episode builds one architecture, for its fitness.

    Parameters
    ----------
    problem : Problem, Task or search.Recorder; or what a Problem is made of
        Of one objective. Noise is drawn from the environment's own generator, which
        ``reset(seed=)`` seeds; a recorder has its own.
    joint : bool
        Whether one action chooses all genes, and an episode is one step; else each step chooses
        the next gene.

    Returns
    -------
    SearchEnv
        A ``gymnasium.Env``. The reward is 0 until the architecture is complete, and then the
        fitness: the value in the target's unit, its negative where small is good, and less than
        all that keep the limits where one is exceeded, see `Problem.fitness`. ``info`` then has
        ``"value"``, ``"mean"`` and ``"feasible"``.

        Gene by gene, actions are ``Discrete(most)``, as many as the gene of most choices has; of a
        gene of fewer, action `a` stands for the choice ``a % choices``, so that none is illegal,
        and ``"action_mask"`` has the first of each choice: who samples with it is uniform. Observed
        are the mask and the ``"codes"``, one more than each gene's code, 0 where none is chosen.
        With `joint`, actions are ``MultiDiscrete``, and the codes are all that is observed.

    Raises
    ------
    SearchError
        If the problem has several objectives.
    ExtraError
        If gymnasium is missing.

    Examples
    --------
    >>> from anb_onnx.adapters import gymnasium_env
    >>> environment, done = gymnasium_env("accuracy"), False
    >>> seen, _ = environment.reset(seed=1)
    >>> while not done:
    ...     action = environment.action_space.sample(mask=seen["action_mask"])
    ...     seen, reward, done, _, info = environment.step(action)
    >>> reward == info["value"] > 30
    True
    """
    need("gymnasium", extra="gymnasium", what="anb_onnx.adapters.gymnasium_env")
    classes = import_sheltered("anb_onnx.adapters.gymnasium_classes")
    made: SearchEnv = classes.SearchEnv(problem, joint=joint)
    return made
