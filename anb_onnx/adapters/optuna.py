"""Search spaces, studies and batches for Optuna."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from anb_onnx._io.show import show
from anb_onnx.adapters.given import evaluator, excesses, problem_of
from anb_onnx.encoding.encoding import encode
from anb_onnx.errors import SearchError
from anb_onnx.parallel.extras import need
from anb_onnx.problems.problem import Problem
from anb_onnx.spaces.architecture import Architecture
from anb_onnx.spaces.mnasnet import MNASNET
from anb_onnx.spaces.space import SearchSpace, is_integer, needed_space

__all__ = [
    "optuna_batch",
    "optuna_constraints",
    "optuna_distributions",
    "optuna_objective",
    "optuna_study",
    "optuna_suggest",
]

# Optuna's words for what is good of an objective.
_DIRECTIONS = {"max": "maximize", "min": "minimize"}

#: The attribute of a trial that holds by what share of it each limit is exceeded.
ATTRIBUTE = "anb_onnx:excess"


def optuna_distributions(space: SearchSpace | None = None) -> dict[str, Any]:
    """Return a search space as distributions, for ``study.ask`` and for trials made by hand.

    Parameters
    ----------
    space : SearchSpace, optional
        `MNASNET` if not given.

    Returns
    -------
    dict of str to optuna.distributions.CategoricalDistribution
        One for each gene, in their order, with its choices in the order of the codes.

    Raises
    ------
    ArchitectureError
        If `space` is no SearchSpace.
    ExtraError
        If Optuna is missing.

    Examples
    --------
    >>> from anb_onnx.adapters import optuna_distributions
    >>> optuna_distributions()["block0_e"]
    CategoricalDistribution(choices=(1, 4, 6))
    """
    space = needed_space(MNASNET if space is None else space, "optuna_distributions")
    tool = _optuna("optuna_distributions").distributions
    return {gene.name: tool.CategoricalDistribution(gene.choices) for gene in space.genes}


def optuna_suggest(trial: Any, space: SearchSpace | None = None) -> Architecture:
    """Return the architecture that a trial suggests: for objectives of your own.

    Parameters
    ----------
    trial : optuna.Trial
    space : SearchSpace, optional
        `MNASNET` if not given.

    Raises
    ------
    ArchitectureError
        If `space` is no SearchSpace.

    Examples
    --------
    >>> import optuna
    >>> import anb_onnx
    >>> from anb_onnx.adapters import optuna_suggest
    >>> optuna.logging.set_verbosity(optuna.logging.WARNING)
    >>> surrogate = anb_onnx.load("accuracy")
    >>> study = optuna.create_study(direction="maximize")
    >>> study.optimize(lambda trial: surrogate.query(optuna_suggest(trial)).mean, n_trials=3)
    >>> float(surrogate.query(study.best_params).mean) == study.best_value
    True
    """
    space = needed_space(MNASNET if space is None else space, "optuna_suggest")
    return Architecture(_suggested(trial, space), space=space)


def optuna_study(problem: Any, **arguments: Any) -> Any:
    """Return a new study that looks for what is good of a problem.

    Parameters
    ----------
    problem : Problem, Task or search.Recorder; or what a Problem is made of
    **arguments
        Of ``optuna.create_study``: sampler, storage and so on, but no direction.

    Returns
    -------
    optuna.Study
        Its values are in the targets' units: Optuna maximises by itself what is to be large.

    Raises
    ------
    SearchError
        If a direction is given.
    ExtraError
        If Optuna is missing.

    Examples
    --------
    >>> from anb_onnx.adapters import optuna_study
    >>> [direction.name for direction in optuna_study(["accuracy", "latency_zcu102"]).directions]
    ['MAXIMIZE', 'MINIMIZE']
    """
    for name in ("direction", "directions"):
        if name in arguments:
            msg = f"{name}={show(arguments[name])}: the directions are the problem's"
            raise SearchError(msg)
    directions = [_DIRECTIONS[d] for d in problem_of(problem).directions]
    return _optuna("optuna_study").create_study(directions=directions, **arguments)


def optuna_objective(
    problem: Any, *, rng: np.random.Generator | int | None = None
) -> Callable[[Any], float | tuple[float, ...]]:
    """Return what ``study.optimize`` takes: a function of a trial.

    Parameters
    ----------
    problem : Problem, Task or search.Recorder; or what a Problem is made of
    rng : numpy.random.Generator or int, optional
        Needed where the problem has noise, which is drawn with it.

    Returns
    -------
    callable
        From a trial to its value, or to a tuple of several, in the targets' units. By what share
        of it each limit is exceeded becomes constraints of the trial, see `optuna_constraints`.

    Raises
    ------
    SearchError
        If there is noise and no generator; from the function, if the study's directions are not
        the problem's.

    Examples
    --------
    >>> import optuna
    >>> from anb_onnx.adapters import optuna_objective, optuna_study
    >>> optuna.logging.set_verbosity(optuna.logging.WARNING)
    >>> study = optuna_study("latency_zcu102", sampler=optuna.samplers.RandomSampler(seed=1))
    >>> study.optimize(optuna_objective("latency_zcu102"), n_trials=5)
    >>> study.best_value == min(trial.value for trial in study.trials)
    True
    """
    made = problem_of(problem)
    evaluate = evaluator(problem, made, rng)

    def objective(trial: Any) -> float | tuple[float, ...]:
        if hasattr(trial, "study"):  # a FixedTrial has none
            _check_directions(trial.study, made)
        found = evaluate(encode(_suggested(trial, made.space), made.space))
        _set_constraints(trial, made, excesses(made, found)[0].tolist())
        values: list[float] = found.values[0].tolist()
        return values[0] if len(values) == 1 else tuple(values)

    return objective


def optuna_batch(
    study: Any, problem: Any, n: int, *, rng: np.random.Generator | int | None = None
) -> list[Any]:
    """Ask a study for some trials, evaluate them in one query, and tell it the values.

    Parameters
    ----------
    study : optuna.Study
        With the problem's directions, as from `optuna_study`.
    problem : Problem, Task or search.Recorder; or what a Problem is made of
    n : int
        Number of trials, 0 or more.
    rng : numpy.random.Generator or int, optional
        Needed where the problem has noise. Pass one generator to all batches: a seed would draw
        the same noise for each.

    Returns
    -------
    list of optuna.trial.FrozenTrial
        The trials, with values in the targets' units.

    Raises
    ------
    SearchError
        If the study's directions are not the problem's, `n` is no such integer, or there is noise
        and no generator.

    Examples
    --------
    >>> import optuna
    >>> from anb_onnx.adapters import optuna_batch, optuna_study
    >>> optuna.logging.set_verbosity(optuna.logging.WARNING)
    >>> study = optuna_study("accuracy", sampler=optuna.samplers.TPESampler(seed=1))
    >>> len([optuna_batch(study, "accuracy", 10) for _ in range(3)]), len(study.trials)
    (3, 30)
    """
    made = problem_of(problem)
    if not is_integer(n) or n < 0:
        msg = f"n is an integer >= 0, the number of trials, not {show(n)}"
        raise SearchError(msg)
    _check_directions(study, made)
    evaluate = evaluator(problem, made, rng)
    distributions = optuna_distributions(made.space)
    trials = [study.ask(distributions) for _ in range(n)]
    try:
        found = evaluate(encode([t.params for t in trials], made.space))
    except BaseException:  # a recorder's budget is used up, Ctrl-C: none is to stay "running"
        failed = need("optuna.trial", extra="optuna", what=__name__).TrialState.FAIL
        for trial in trials:
            study.tell(trial, state=failed)
        raise
    rows = zip(trials, found.values.tolist(), excesses(made, found).tolist(), strict=True)
    told = []
    for trial, values, excess in rows:
        _set_constraints(trial, made, excess)
        told.append(study.tell(trial, values))
    return told


def optuna_constraints(trial: Any) -> tuple[float, ...]:
    """Return by what share of it each limit is exceeded: a sampler's ``constraints_func``.

    Needed with Optuna 4 alone, as in ``TPESampler(constraints_func=optuna_constraints)``; later
    ones know the constraints of a trial by themselves.

    Parameters
    ----------
    trial : optuna.trial.FrozenTrial
        Evaluated by `optuna_objective` or `optuna_batch`.

    Returns
    -------
    tuple of float
        One for each limit; 0 where it is kept.

    Examples
    --------
    >>> import optuna
    >>> import anb_onnx
    >>> from anb_onnx.adapters import optuna_batch, optuna_constraints, optuna_study
    >>> optuna.logging.set_verbosity(optuna.logging.WARNING)
    >>> problem = anb_onnx.Problem("accuracy", [("latency_zcu102", "<=", 1.0)])
    >>> (trial,) = optuna_batch(optuna_study(problem), problem, 1)
    >>> optuna_constraints(trial)[0] > 0
    True
    """
    return tuple(trial.user_attrs.get(ATTRIBUTE, ()))


def _suggested(trial: Any, space: SearchSpace) -> dict[str, Any]:
    return {g.name: trial.suggest_categorical(g.name, g.choices) for g in space.genes}


def _optuna(what: str) -> Any:
    return need("optuna", extra="optuna", what=f"anb_onnx.adapters.{what}")


def _set_constraints(trial: Any, problem: Problem, excess: list[float]) -> None:
    if not problem.constraints:
        return
    trial.set_user_attr(ATTRIBUTE, excess)
    if hasattr(trial, "set_constraint"):
        for (name, operator, value), share in zip(problem.constraints, excess, strict=True):
            trial.set_constraint(f"{name} {operator} {value!r}", share)


def _check_directions(study: Any, problem: Problem) -> None:
    found = [direction.name.lower() for direction in study.directions]
    wanted = [_DIRECTIONS[d] for d in problem.directions]
    if found != wanted:
        msg = (
            f"the study's directions are {found}, those of {', '.join(problem.names)} {wanted}; "
            "optuna_study(problem) makes a study that has them"
        )
        raise SearchError(msg)
