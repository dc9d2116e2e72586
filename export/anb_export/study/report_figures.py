"""What the fits of a study say: means with their errors, medians, ranks."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from anb_export.study.report_rows import Fits, Floats
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


@dataclass(frozen=True, eq=False)
class Levelled:
    """Means of predictors that have not all the same seeds, as if they had.

    Attributes
    ----------
    reference : str
        The predictor with the most seeds for all targets.
    means : mapping of str to ndarray of float64, shape (n_targets,)
        Mean of the reference over its seeds, and for the others that plus their mean difference
        from it over the seeds that both have: whether a seed is an easy one then does not matter.
        Where all have the same seeds these are plain means.
    seeds : mapping of str to int
        How many each has in common with the reference.
    lonely : tuple of str
        Those that have none in common with it; they have no mean.
    """

    reference: str
    means: Mapping[str, Floats]
    seeds: Mapping[str, int]
    lonely: tuple[str, ...]


def levelled(fits: Fits, sizes: Mapping[str, int], figure: str = "tau") -> Levelled:
    """Return means that can be compared, of some predictors, each at a size of its own.

    Parameters
    ----------
    fits : Fits
    sizes : mapping of str to int
        By predictor; at least one. Each has a seed for all targets there.
    figure : str
    """
    own = {name: fits.common([name], size, figure) for name, size in sizes.items()}
    reference = max(own, key=lambda name: len(own[name]))
    base = fits.values(reference, sizes[reference], figure).mean(axis=1)
    means, seeds, lonely = {}, {}, []
    for name, size in sizes.items():
        both = sorted(set(own[name]) & set(own[reference]))
        if not both:
            lonely.append(name)
            continue
        apart = fits.values(name, size, figure, seeds=both) - fits.values(
            reference, sizes[reference], figure, seeds=both
        )
        means[name] = base + apart.mean(axis=1)
        seeds[name] = len(both)
    return Levelled(reference, means, seeds, tuple(lonely))


@dataclass(frozen=True)
class Ranks:
    """Predictors ranked by tau at one size, over targets.

    Attributes
    ----------
    size : int
    predictors : tuple of str
    ranks : tuple of float
        Mean ranks over the targets, 1 the best; ranked are means as of `levelled`.
    seeds : tuple of int
        How many seeds each of them has for all targets.
    p : float
        Of Friedman's test that all rank alike; NaN where targets or predictors are too few.
    difference : float
        Nemenyi's critical difference (level .95); NaN likewise.
    """

    size: int
    predictors: tuple[str, ...]
    ranks: tuple[float, ...]
    seeds: tuple[int, ...]
    p: float
    difference: float


def ranks_at(fits: Fits, size: int) -> Ranks | None:
    """Rank the predictors that have all targets at a size; None if there are not two.

    Blocks are the targets, not the single seeds: those of one target share their data, and would
    make differences look surer than they are (Demsar 2006, section 3.2.2).
    """
    there = complete(fits, size)
    found = levelled(fits, dict.fromkeys(there, size)) if there else None
    if found is None or len(found.means) < 2:
        return None
    names, seeds = tuple(found.means), tuple(found.seeds.values())
    losses = -np.stack(list(found.means.values()), axis=1)
    if losses.shape[0] >= LEAST_TASKS and losses.shape[1] >= LEAST_OPTIMIZERS:
        over = friedman_nemenyi(losses)
        return Ranks(size, names, over.ranks, seeds, over.p, over.difference)
    ranks = tuple(float(rank) for rank in mean_ranks(losses))
    return Ranks(size, names, ranks, seeds, math.nan, math.nan)
