"""The exact front of two targets, where the artifacts come with it."""

from __future__ import annotations

import numpy as np

from anb_onnx.errors import TruthError
from anb_onnx.problems.objectives import Floats
from anb_onnx.problems.problem import Problem


def known_front(problem: Problem) -> Floats | None:
    """Return the exact front of two targets without limits, float64 [n, 2], in their units.

    None where it is not written down, or is that of other artifacts: a surrogate of one's own may
    have the name of a target that comes with the package.
    """
    if problem.n_objectives != 2 or problem.limits:
        return None
    if any(objective.weighted is not None for objective in problem.objectives):
        return None
    first, second = (objective.surrogates[0] for objective in problem.objectives)
    try:
        fronts = first.truth.fronts
    except TruthError:
        return None
    for one, other, order in ((first, second, 1), (second, first, -1)):
        front = fronts.get((one.target.name, other.target.name))
        if front is not None and front.artifacts == (one.sha256, other.sha256):
            return np.asarray(front.values[:, ::order], dtype=np.float64)
    return None
