"""What the fits of a study say: means with their errors, medians, ranks."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from anb_export.study.report_rows import Fits
from anb_onnx.experiments.statistics import (
    LEAST_OPTIMIZERS,
    LEAST_TASKS,
    friedman_nemenyi,
    mean_ranks,
)


@dataclass(frozen=True)
class Mean:
    """A mean over seeds of what is, for each seed, a mean over targets.

    Attributes
    ----------
    value : float
    std : float
        Sample standard deviation over the seeds; NaN of a single one.
    seeds : int
        How many.
    """

    value: float
    std: float
    seeds: int

    @property
    def error(self) -> float:
        """Standard error of the mean; NaN of a single seed."""
        return self.std / math.sqrt(self.seeds)


def mean_of(
    fits: Fits, predictor: str, size: int, figure: str = "tau", *, target: str | None = None
) -> Mean | None:
    """Return the mean of a figure over all targets, or for one.

    For each seed the targets are averaged, and of these averages come mean and standard deviation:
    targets share the test rows and the training rows of a seed and are not independent.

    Parameters
    ----------
    fits : Fits
    predictor : str
    size : int
    figure : str
        Of `report_rows.FIGURES`.
    target : str, optional

    Returns
    -------
    Mean or None
        None unless there is a seed that has the figure for each of the targets.
    """
    found = fits.values(predictor, size, figure, target=target)
    if not found.size:
        return None
    means = found.mean(axis=0)
    std = float(means.std(ddof=1)) if len(means) > 1 else math.nan
    return Mean(float(means.mean()), std, len(means))


def median_of(fits: Fits, predictor: str, size: int, figure: str) -> float | None:
    """Return the median of a figure over targets and seeds; None as in `mean_of`.

    For times and sizes of files, of which a few are far from the others.
    """
    found = fits.values(predictor, size, figure)
    return float(np.median(found)) if found.size else None


def complete(fits: Fits, size: int, figure: str = "tau") -> list[str]:
    """Return the predictors that have a seed for all targets at this size, in their order."""
    return [name for name in fits.predictors if fits.common([name], size, figure)]


@dataclass(frozen=True)
class Ranks:
    """Predictors ranked by tau at one size, over targets.

    Attributes
    ----------
    size : int
    predictors : tuple of str
    ranks : tuple of float
        Mean ranks over the targets, 1 the best; ranked are means over the common seeds.
    seeds : int
        How many seeds all of them have for all targets.
    p : float
        Of Friedman's test that all rank alike; NaN where targets or predictors are too few.
    difference : float
        Nemenyi's critical difference (level .95); NaN likewise.
    """

    size: int
    predictors: tuple[str, ...]
    ranks: tuple[float, ...]
    seeds: int
    p: float
    difference: float


def ranks_at(fits: Fits, size: int) -> Ranks | None:
    """Rank the predictors that have all targets at a size; None if there are not two.

    Blocks are the targets, not the single seeds: those of one target share their data, and would
    make differences look surer than they are (Demsar 2006, section 3.2.2).
    """
    names = complete(fits, size)
    seeds = fits.common(names, size)
    if len(names) < 2 or not seeds:
        return None
    tau = np.stack([fits.values(name, size, seeds=seeds).mean(axis=1) for name in names], axis=1)
    if tau.shape[0] >= LEAST_TASKS and tau.shape[1] >= LEAST_OPTIMIZERS:
        found = friedman_nemenyi(-tau)
        return Ranks(size, tuple(names), found.ranks, len(seeds), found.p, found.difference)
    ranks = tuple(float(rank) for rank in mean_ranks(-tau))
    return Ranks(size, tuple(names), ranks, len(seeds), math.nan, math.nan)
