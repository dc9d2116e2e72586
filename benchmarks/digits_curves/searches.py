"""Searches over the joint space that may stop a run early, at a budget of training seconds.

Each is a sampler and a pruner of Optuna: configurations drawn at random or by TPE, and runs that
are trained to the end, stopped by asynchronous successive halving (Li et al., MLSys 2020) or by
Hyperband (Li et al., JMLR 18, 2018), whose brackets are such halvings. TPE with Hyperband is what
BOHB (Falkner et al., ICML 2018) does, by Optuna's kernel densities. What trains is any `Run`: the
real thing or a surrogate.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from anb_onnx.errors import AnbError
from anb_onnx.parallel.extras import need
from benchmarks.digits_curves.genes import EPOCHS, GENES, is_ordered

Floats = npt.NDArray[np.float64]

#: What trains a configuration: codes and a number of epochs -> its validation accuracy after each
#: epoch and the seconds spent on it until then. Asked again for more epochs of the same codes, it
#: goes on where it was.
Run = Callable[[tuple[int, ...], int], tuple[Sequence[float], Sequence[float]]]

#: Epochs at which a run may be stopped; the reduction factor is 3.
RUNGS = (1, 3, 9)
FACTOR = 3

#: Name -> sampler, pruner.
SEARCHES = {
    "random": ("random", None),
    "TPE": ("TPE", None),
    "successive halving": ("random", "halving"),
    "successive halving, TPE": ("TPE", "halving"),
    "Hyperband": ("random", "hyperband"),
    "BOHB": ("TPE", "hyperband"),
}


@dataclass(frozen=True)
class Course:
    """What a search has found as its seconds were spent.

    Attributes
    ----------
    seconds : ndarray of float64, [N]
        Training seconds of all runs together, after each epoch of any of them; none exceeds the
        budget: an epoch that ends later is not counted.
    accuracy : ndarray of float64, [N]
        The validation accuracy after that epoch; 0 for a run that diverged.
    runs : int
        How many were begun.
    """

    seconds: Floats
    accuracy: Floats
    runs: int

    def best(self, at: Sequence[float]) -> Floats:
        """Return the highest accuracy observed until some seconds, 0 before the first epoch."""
        highest = np.concatenate([[0.0], np.maximum.accumulate(self.accuracy)])
        return np.asarray(highest[np.searchsorted(self.seconds, at, side="right")])


def search(name: str, run: Run, *, budget: float, seed: int) -> Course:
    """Search until the training seconds are spent.

    Parameters
    ----------
    name : str
        Of `SEARCHES`.
    run : callable
        What trains; only its seconds count, not those of the search itself.
    budget : float
        In seconds.
    seed : int
        Of the search. What `run` draws is its own.

    Raises
    ------
    AnbError
        If there is no such search or the budget is not positive.
    ExtraError
        If Optuna is missing.
    """
    if name not in SEARCHES:
        msg = f"search {name!r} is unknown; there are {', '.join(SEARCHES)}"
        raise AnbError(msg)
    if not budget > 0:
        msg = f"budget {budget!r} must be seconds above 0"
        raise AnbError(msg)
    optuna = need("optuna", extra="optuna", what="a search over the digits' space")
    study = _study(optuna, name, seed)
    distributions = _distributions(optuna)
    seconds: list[float] = []
    accuracy: list[float] = []
    spent, runs = 0.0, 0
    while spent <= budget:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            trial = study.ask(distributions)
        codes = tuple(int(trial.params[gene]) for gene in GENES)
        runs += 1
        begun, value, state = 0, 0.0, optuna.trial.TrialState.COMPLETE
        for epochs in (*RUNGS, EPOCHS):
            values, costs = run(codes, epochs)
            usual = [value if value == value else 0.0 for value in map(float, values)]
            seconds += [spent + float(cost) for cost in costs[begun:]]
            accuracy += usual[begun:]
            begun, value = epochs, usual[-1]
            trial.report(value, epochs)
            if seconds[-1] > budget:
                break
            if epochs < EPOCHS and trial.should_prune():
                state = optuna.trial.TrialState.PRUNED
                break
        spent = seconds[-1]
        if spent <= budget:
            pruned = state == optuna.trial.TrialState.PRUNED
            study.tell(trial, None if pruned else value, state=state)
    within = int(np.searchsorted(seconds, budget, side="right"))
    return Course(np.array(seconds[:within]), np.array(accuracy[:within]), runs)


def _study(optuna: Any, name: str, seed: int) -> Any:
    sampler, pruner = SEARCHES[name]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        sampling = (
            optuna.samplers.RandomSampler(seed=seed)
            if sampler == "random"
            else optuna.samplers.TPESampler(seed=seed, multivariate=True)
        )
    pruning = {
        None: optuna.pruners.NopPruner,
        "halving": lambda: optuna.pruners.SuccessiveHalvingPruner(1, FACTOR),
        "hyperband": lambda: optuna.pruners.HyperbandPruner(1, EPOCHS, FACTOR),
    }[pruner]()
    level = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        # Hyperband draws a trial's bracket by this name.
        return optuna.create_study(
            direction="maximize", sampler=sampling, pruner=pruning, study_name=f"digits-{seed}"
        )
    finally:
        optuna.logging.set_verbosity(level)


def _distributions(optuna: Any) -> dict[str, Any]:
    made = optuna.distributions
    return {
        name: made.IntDistribution(0, len(choices) - 1)
        if is_ordered(choices)
        else made.CategoricalDistribution(tuple(range(len(choices))))
        for name, choices in GENES.items()
    }
