"""Figures of merit where every configuration was run several times, each beside its ceiling.

A prediction is held against the mean of all runs but one, and so is the run left out: how well one
run ranks what others say is what a surrogate that had seen every configuration once would reach.
All figures are means over which run is left out.
"""

from __future__ import annotations

from itertools import permutations

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from anb_export.data.metrics import evaluate

Floats = NDArray[np.float64]


def rank_figures(runs: Floats, predicted: Floats) -> dict[str, float]:
    """Compare predictions with runs.

    Parameters
    ----------
    runs : ndarray of float64, shape (n, S)
        Two or more of each configuration.
    predicted : ndarray of float64, shape (n,)

    Returns
    -------
    dict of str to float
        As `metrics.evaluate` of the mean over all runs, and ``median_relative_error``;
        ``tau_rest`` and its ceiling ``tau_rest_of_run``: Kendall's tau of the prediction, and of
        the run left out, to the mean of the other runs; ``tau_run`` and its ceiling
        ``tau_run_of_run``: the same to one single run.
    """
    seeds = range(runs.shape[1])
    rest = [np.delete(runs, s, axis=1).mean(axis=1) for s in seeds]
    next_run = [runs[:, (s + 1) % runs.shape[1]] for s in seeds]
    mean = runs.mean(axis=1)
    own = [runs[:, s] for s in seeds]
    with np.errstate(divide="ignore"):
        relative = np.abs(predicted / mean - 1)
    return {
        **evaluate(mean, predicted),
        "median_relative_error": float(np.median(relative)),
        "tau_rest": _mean_tau([predicted] * len(own), rest),
        "tau_rest_of_run": _mean_tau(own, rest),
        "tau_run": _mean_tau([predicted] * len(own), own),
        "tau_run_of_run": _mean_tau(own, next_run),
    }


def noise_figures(runs: Floats, predicted: Floats) -> dict[str, float]:
    """Compare a predicted standard deviation between seeds with how far runs lie apart.

    Parameters
    ----------
    runs : ndarray of float64, shape (n, S)
        Four or more of each configuration.
    predicted : ndarray of float64, shape (n,)

    Returns
    -------
    dict of str to float
        ``n``; ``spearman_pair`` and its ceiling ``spearman_pair_of_pair``: rank correlation of the
        prediction, and of the distance of two other runs, to the distance of two runs, the means
        over three ways to choose both among the first four; ``spearman_std``, that of the
        prediction to the standard deviation of all runs.
    """
    pairs = [(a, b) for a, b in permutations(range(4), 2) if a < b]
    apart = {pair: np.abs(runs[:, pair[0]] - runs[:, pair[1]]) for pair in pairs}
    other = {p: next(q for q in pairs if not set(p) & set(q)) for p in pairs}
    return {
        "n": len(runs),
        "spearman_pair": _mean_spearman([predicted] * len(pairs), [apart[p] for p in pairs]),
        "spearman_pair_of_pair": _mean_spearman(
            [apart[other[p]] for p in pairs], [apart[p] for p in pairs]
        ),
        "spearman_std": float(stats.spearmanr(predicted, runs.std(axis=1, ddof=1)).statistic),
    }


def _mean_tau(found: list[Floats], wanted: list[Floats]) -> float:
    taus = [stats.kendalltau(a, b).statistic for a, b in zip(found, wanted, strict=True)]
    return float(np.mean(taus))


def _mean_spearman(found: list[Floats], wanted: list[Floats]) -> float:
    rhos = [stats.spearmanr(a, b).statistic for a, b in zip(found, wanted, strict=True)]
    return float(np.mean(rhos))
