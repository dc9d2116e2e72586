"""Problems for IOHexperimenter, whose loggers see the distance to the proven optimum."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from anb_onnx._io.show import is_name, show
from anb_onnx.adapters.given import evaluator, only_objective, problem_of, scalar_values
from anb_onnx.adapters.proven import proven_best
from anb_onnx.encoding.encoding import encode
from anb_onnx.errors import SearchError
from anb_onnx.parallel.extras import need

__all__ = ["ioh_problem"]


def ioh_problem(
    problem: Any, *, name: str | None = None, rng: np.random.Generator | int | None = None
) -> Any:
    """Return a problem as ioh has them: integer, one variable for each gene, its optimum known.

    Parameters
    ----------
    problem : Problem, Task or search.Recorder; or what a Problem is made of
        Of one objective.
    name : str, optional
        Under which ioh registers it, and loggers write it; that of the objective, with those of
        the limits, if not given. ioh replaces an earlier problem of the same name.
    rng : numpy.random.Generator or int, optional
        Needed where the problem has noise, which is drawn with it.

    Returns
    -------
    ioh.problem.IntegerSingleObjective
        ``problem(x)`` of codes [genes] is the value in the target's unit, maximised or minimised
        as the target is. What exceeds a limit has a value worse than all that keep them: that of
        `Problem.fitness`. ``bounds`` are those of each gene, ``optimum`` is proven. With noise,
        values may be better than the optimum, which is that of the means.

    Raises
    ------
    SearchError
        If there are several objectives, the name is none, or there is noise and no generator.
    InfeasibleError, ExactError
        If no architecture keeps the limits, or the optimum cannot be proven.
    ExtraError
        If ioh is missing.

    Examples
    --------
    >>> import anb_onnx
    >>> from anb_onnx.adapters import ioh_problem
    >>> problem = ioh_problem("accuracy")
    >>> found = problem(list(anb_onnx.efficientnet_b0().codes))
    >>> f"{problem.optimum.y - found:.3f} % below the optimum"
    '2.446 % below the optimum'
    """
    made = problem_of(problem)
    only_objective(made, "ioh_problem")
    evaluate = evaluator(problem, made, rng)
    if name is None:
        limits = [f"{target}{operator}{value!r}" for target, operator, value in made.constraints]
        name = " ".join([made.names[0], *limits])
    if not is_name(name):
        msg = f"name is a string of printable characters, not {show(name)}"
        raise SearchError(msg)
    tool = need("ioh", extra="ioh", what="anb_onnx.adapters.ioh_problem")
    codes, best = proven_best(made, problem)

    def value(x: NDArray[Any]) -> float:
        row = encode(np.asarray(x).reshape(1, -1), made.space)
        return float(scalar_values(made, evaluate(row))[0])

    directions = {"max": tool.OptimizationType.MAX, "min": tool.OptimizationType.MIN}
    wrapped = tool.wrap_problem(
        value,
        name=name,
        problem_class=tool.ProblemClass.INTEGER,
        dimension=made.space.n_genes,
        optimization_type=directions[made.directions[0]],
        lb=0,
        ub=max(made.space.gene_sizes) - 1,
        calculate_objective=lambda _instance, _dimension: (codes.tolist(), best),
    )
    # ioh knows one bound for all variables when it wraps; genes have their own.
    wrapped.bounds.ub = [size - 1 for size in made.space.gene_sizes]
    return wrapped
