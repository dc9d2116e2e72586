"""Search spaces, losses and batches for nevergrad."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from anb_onnx._io.show import show
from anb_onnx.adapters.given import Evaluate, evaluator, excesses, problem_of, scalar_losses
from anb_onnx.encoding.encoding import encode
from anb_onnx.errors import SearchError
from anb_onnx.parallel.extras import need
from anb_onnx.problems.evaluation import Evaluation
from anb_onnx.problems.problem import Problem
from anb_onnx.spaces.mnasnet import MNASNET
from anb_onnx.spaces.space import SearchSpace, is_integer, needed_space

__all__ = ["NevergradLoss", "nevergrad_batch", "nevergrad_loss", "nevergrad_parametrization"]


def nevergrad_parametrization(
    space: SearchSpace | None = None, *, seed: int | None = None, transitions: bool = False
) -> Any:
    """Return a search space as a parametrization, for any of nevergrad's optimizers.

    Parameters
    ----------
    space : SearchSpace, optional
        `MNASNET` if not given.
    seed : int, optional
        Of the optimizers that get it; without it nevergrad seeds them from NumPy's global state.
    transitions : bool
        Whether genes without an order are ``TransitionChoice``, unordered, which have one number
        each, instead of ``Choice``, which have a weight for each choice. Ordered genes are
        ``TransitionChoice``, ordered, either way: they move to what is near.

    Returns
    -------
    nevergrad.p.Dict
        Its ``value`` is a dict from gene names to values, which `anb_onnx.encode` takes.

    Raises
    ------
    ArchitectureError
        If `space` is no SearchSpace.
    SearchError
        If `seed` is no integer from 0 to 2**32 - 1.
    ExtraError
        If nevergrad is missing.

    Examples
    --------
    >>> import anb_onnx
    >>> from anb_onnx.adapters import nevergrad_parametrization
    >>> parametrization = nevergrad_parametrization(anb_onnx.NASBENCH201, seed=1)
    >>> sorted(parametrization.sample().value) == sorted(anb_onnx.NASBENCH201.gene_names)
    True
    """
    space = needed_space(MNASNET if space is None else space, "nevergrad_parametrization")
    what = "anb_onnx.adapters.nevergrad_parametrization"
    parts = need("nevergrad", extra="nevergrad", what=what).p
    if seed is not None and (not is_integer(seed) or not 0 <= seed < 2**32):
        msg = f"seed is an integer from 0 to {2**32 - 1}, or None, not {show(seed)}"
        raise SearchError(msg)
    genes = {
        gene.name: parts.TransitionChoice(list(gene.choices), ordered=gene.ordered)
        if transitions or gene.ordered
        else parts.Choice(list(gene.choices))
        for gene in space.genes
    }
    made = parts.Dict(**genes)
    if seed is not None:
        made.random_state = np.random.RandomState(seed)  # nevergrad has no other
    return made


class NevergradLoss:
    """A problem as a function that nevergrad minimises; made by `nevergrad_loss`.

    Attributes
    ----------
    problem : Problem
    constraint_violation : list of callables
        For ``optimizer.minimize(loss, constraint_violation=loss.constraint_violation)``: from
        values to the share by which a limit is exceeded, one function for each limit.
    """

    def __init__(self, problem: Problem, evaluate: Evaluate) -> None:
        self.problem = problem
        self._evaluate = evaluate
        self.constraint_violation: list[Callable[[Mapping[str, Any]], float]] = [
            _Excess(problem, position) for position in range(len(problem.constraints))
        ]

    def __call__(self, values: Mapping[str, Any]) -> Any:
        """Return the loss of one architecture: a float, or a list of several."""
        codes = encode(values, self.problem.space)
        return _losses(self.problem, self._evaluate(codes))[0]


class _Excess:
    """By what share of it one limit of a problem is exceeded."""

    def __init__(self, problem: Problem, position: int) -> None:
        self._limit = problem.limits[position]
        self._scale = 1.0 if self._limit.value == 0 else abs(self._limit.value)

    def __call__(self, values: Mapping[str, Any]) -> float:
        surrogate = self._limit.surrogate
        means = surrogate.query_codes(encode(values, surrogate.space)).mean
        return float(self._limit.violation(means)[0]) / self._scale


def nevergrad_loss(problem: Any, *, rng: np.random.Generator | int | None = None) -> NevergradLoss:
    """Return what ``optimizer.minimize`` takes: a function of values, to be minimised.

    Parameters
    ----------
    problem : Problem, Task or search.Recorder; or what a Problem is made of
    rng : numpy.random.Generator or int, optional
        Needed where the problem has noise, which is drawn with it.

    Returns
    -------
    NevergradLoss
        From a dict of values to the loss: the value in the target's unit, the sign turned where
        large is good (``problem.values_of`` turns it back); a list of several. Of one objective,
        what exceeds a limit has a larger loss than all that keep them.

    Raises
    ------
    SearchError
        If there is noise and no generator.

    Examples
    --------
    >>> import nevergrad
    >>> import anb_onnx
    >>> from anb_onnx.adapters import nevergrad_loss, nevergrad_parametrization
    >>> loss = nevergrad_loss("accuracy")
    >>> search = nevergrad.optimizers.OnePlusOne(nevergrad_parametrization(seed=1), budget=20)
    >>> best = search.minimize(loss).value
    >>> -loss(best) == float(anb_onnx.load("accuracy").query(best).mean)
    True
    """
    made = problem_of(problem)
    return NevergradLoss(made, evaluator(problem, made, rng))


def nevergrad_batch(
    optimizer: Any, problem: Any, n: int, *, rng: np.random.Generator | int | None = None
) -> Evaluation:
    """Ask an optimizer for candidates, evaluate them in one query, and tell it their losses.

    Parameters
    ----------
    optimizer : nevergrad optimizer
        Of a `nevergrad_parametrization`, best made with ``num_workers=n``.
    problem : Problem, Task or search.Recorder; or what a Problem is made of
    n : int
        Number of candidates, 0 or more.
    rng : numpy.random.Generator or int, optional
        Needed where the problem has noise. Pass one generator to all batches: a seed would draw
        the same noise for each.

    Returns
    -------
    Evaluation
        Of the candidates, in the order in which they were asked for.

    Raises
    ------
    SearchError
        If `n` is no such integer, or there is noise and no generator.

    Examples
    --------
    >>> import nevergrad
    >>> from anb_onnx.adapters import nevergrad_batch, nevergrad_parametrization
    >>> parametrization = nevergrad_parametrization(seed=1)
    >>> search = nevergrad.optimizers.TwoPointsDE(parametrization, budget=60, num_workers=30)
    >>> found = [nevergrad_batch(search, "accuracy", 30) for _ in range(2)]
    >>> found[0].values.shape, search.num_tell
    ((30, 1), 60)
    """
    made = problem_of(problem)
    if not is_integer(n) or n < 0:
        msg = f"n is an integer >= 0, the number of candidates, not {show(n)}"
        raise SearchError(msg)
    evaluate = evaluator(problem, made, rng)
    asked = [optimizer.ask() for _ in range(n)]
    found = evaluate(encode([c.value for c in asked], made.space))
    rows = zip(asked, _losses(made, found), excesses(made, found), strict=True)
    for candidate, loss, beyond in rows:
        if made.constraints:
            optimizer.tell(candidate, loss, beyond)
        else:
            optimizer.tell(candidate, loss)
    return found


def _losses(problem: Problem, evaluation: Evaluation) -> list[Any]:
    """Return what is to be told of each row: a float, or a list of several.

    Of one objective with the limits in it: the penalty that nevergrad adds itself is a multiple of
    the loss, and none where that is negative, until half of the budget is used up.
    """
    if problem.n_objectives > 1:
        several: list[Any] = problem.losses(evaluation.values).tolist()
        return several
    one: list[Any] = scalar_losses(problem, evaluation).tolist()
    return one
