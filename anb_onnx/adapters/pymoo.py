"""Problems and operators for pymoo, vectorised."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np

from anb_onnx.adapters.given import evaluator, problem_of
from anb_onnx.parallel.extras import need
from anb_onnx.parallel.shelter import import_sheltered
from anb_onnx.problems.task import Task
from anb_onnx.spaces.mnasnet import MNASNET
from anb_onnx.spaces.space import SearchSpace, needed_space

if TYPE_CHECKING:
    from anb_onnx.adapters.pymoo_classes import PymooProblem

__all__ = ["pymoo_operators", "pymoo_problem"]


def pymoo_problem(
    targets: Any,
    constraints: Iterable[tuple[Any, str, float]] = (),
    *,
    rng: np.random.Generator | int | None = None,
    **arguments: Any,
) -> PymooProblem:
    """Return a problem as pymoo has them: a whole population is one query.

    Parameters
    ----------
    targets : str, Surrogate, a sequence of these; or Problem, Task or search.Recorder
        What is searched for, as `anb_onnx.Problem` takes it, or that itself.
    constraints : iterable of (target, "<=" or ">=", value)
        In the targets' units.
    rng : numpy.random.Generator or int, optional
        Needed where the problem has noise, which is drawn with it.
    **arguments
        Further ones of `anb_onnx.Problem`.

    Returns
    -------
    PymooProblem
        A ``pymoo.core.problem.Problem``. X are codes; F are losses, that is values in the targets'
        units with the sign turned where large is good; G is by what share of it a limit is
        exceeded. ``values(F)`` are the values in the targets' units, ``architectures(X)`` the
        architectures. ``pareto_front()``, ``ideal_point()`` and ``nadir_point()`` are exact, for
        one objective and for two, and take about a second.

    Raises
    ------
    TargetError, SearchError
        As `anb_onnx.Problem` does.
    ExtraError
        If pymoo is missing.

    Examples
    --------
    >>> from pymoo.algorithms.moo.nsga2 import NSGA2
    >>> from pymoo.optimize import minimize
    >>> from anb_onnx.adapters import pymoo_operators, pymoo_problem
    >>> problem = pymoo_problem(["accuracy", "throughput_a100"])
    >>> found = minimize(problem, NSGA2(100, **pymoo_operators()), ("n_eval", 500), seed=1)
    >>> problem.values(found.F).shape == (len(problem.architectures(found.X)), 2)
    True
    """
    classes = _classes()
    problem = problem_of(targets, tuple(constraints), **arguments)
    made: PymooProblem = classes.PymooProblem(
        problem, evaluator(targets, problem, rng), targets if isinstance(targets, Task) else None
    )
    return made


def pymoo_operators(
    space: SearchSpace | None = None, *, prob_var: float | None = None
) -> dict[str, Any]:
    """Return operators for codes, which pymoo's algorithms take as keyword arguments.

    pymoo's own are for numbers: they round, and favour neighbouring codes, of which categories know
    nothing.

    Parameters
    ----------
    space : SearchSpace, optional
        `MNASNET` if not given.
    prob_var : float, optional
        With what probability each gene of a child mutates; 1 / genes if not given.

    Returns
    -------
    dict
        ``sampling``, ``crossover`` (uniform), ``mutation`` (to any other value, uniformly) and
        ``eliminate_duplicates``.

    Raises
    ------
    ArchitectureError, SearchError
        If `space` or `prob_var` is none.
    ExtraError
        If pymoo is missing.

    Examples
    --------
    >>> from pymoo.algorithms.soo.nonconvex.ga import GA
    >>> from pymoo.optimize import minimize
    >>> from anb_onnx.adapters import pymoo_operators, pymoo_problem
    >>> problem = pymoo_problem("accuracy", [("latency_zcu102", "<=", 5.0)])
    >>> found = minimize(problem, GA(50, **pymoo_operators()), ("n_eval", 1000), seed=1)
    >>> bool(problem.values(found.F)[0] > 64)
    True
    """
    space = needed_space(MNASNET if space is None else space, "pymoo_operators")
    classes = _classes("anb_onnx.adapters.pymoo_operators")
    crossovers = need("pymoo.operators.crossover.ux", extra="pymoo", what=classes.WHAT)
    share = 1.0 / space.n_genes if prob_var is None else classes.checked_share(prob_var)
    return {
        "sampling": classes.CodeSampling(space),
        "crossover": crossovers.UniformCrossover(vtype=int),
        "mutation": classes.CodeMutation(space, share),
        "eliminate_duplicates": True,
    }


def _classes(what: str = "anb_onnx.adapters.pymoo_problem") -> Any:
    need("pymoo.core.problem", extra="pymoo", what=what)
    return import_sheltered("anb_onnx.adapters.pymoo_classes")
