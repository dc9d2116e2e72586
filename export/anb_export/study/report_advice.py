"""Which predictor to use, by the number of measurements one can afford.

The rule: each predictor is taken at the largest size that the budget pays for and at which it has
fits for all targets; nothing is interpolated. Named is the one with the best mean over targets and
seeds, levelled where some have fewer (`report_figures.levelled`), with those that are cheaper to
fit and not told apart from it, and the cheapest that is near it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

from anb_export.predictors.registry import KINDS
from anb_export.study.report_figures import complete, levelled, median_of
from anb_export.study.report_rows import Fits
from anb_onnx.experiments.statistics import holm, signed_rank

#: Budgets that users ask about, beside the sizes that were studied.
BUDGETS = (20, 50, 100, 200, 500, 1000, 2000, 5000, 10000)

#: Level of the signed-rank tests, corrected for their number by Holm's method.
LEVEL = 0.05

#: How far below the best, in the figure's unit, a predictor is near it.
NEAR = {"tau": 0.01}
_NEAR_RELATIVE = 0.05  # of figures without a scale of their own

#: Figures of which more is better; of the others less is.
_MORE = ("tau", "spearman", "r2")

_FROM_SOURCES = frozenset(kind.name for kind in KINDS if kind.from_sources)


@dataclass(frozen=True)
class Choice:
    """A predictor, and what it gives within a budget.

    Attributes
    ----------
    predictor : str
    size : int
        How many of the measurements it uses: its largest size that was studied.
    value : float
        Mean of the figure over targets and its own seeds, as in the tables.
    level : float
        The same, levelled: by this it is compared.
    seeds : int
        How many it has for all targets.
    fit_seconds : float
        Median over targets and all its seeds, in CPU seconds.
    p : float
        Of the signed-rank test against the best, over pairs of one target and seed, corrected; 1
        of the best itself, NaN where the pairs are too few for a p below the level.
    """

    predictor: str
    size: int
    value: float
    level: float
    seeds: int
    fit_seconds: float
    p: float


@dataclass(frozen=True)
class Advice:
    """What to use from so many measurements.

    Attributes
    ----------
    budget : int
        Measurements one can afford.
    sources : bool
        Whether predictors that learn from other devices are among the candidates.
    figure : str
        By which they are compared.
    candidates : int
        Predictors that were compared.
    best : Choice
    alike : tuple of Choice
        Cheaper than the best and not told apart from it, the best first.
    untold : tuple of str
        Predictors with too few fits in common with the best for the test to tell.
    near : Choice or None
        The cheapest of those within `NEAR` of the best; None if it is the best or among `alike`.
    """

    budget: int
    sources: bool
    figure: str
    candidates: int
    best: Choice
    alike: tuple[Choice, ...]
    untold: tuple[str, ...]
    near: Choice | None


def learns_from_sources(predictor: str) -> bool:
    """Say whether a predictor learns from surrogates of other devices."""
    return predictor in _FROM_SOURCES


def budgets_of(fits: Fits) -> list[int]:
    """Return the budgets advice is given for: the sizes that were studied, and round numbers."""
    between = [b for b in BUDGETS if fits.sizes[0] <= b < fits.sizes[-1]]
    return sorted({*fits.sizes, *between})


def advise(fits: Fits, budget: int, *, sources: bool = True, figure: str = "tau") -> Advice | None:
    """Return what to use from so many measurements.

    Parameters
    ----------
    fits : Fits
    budget : int
    sources : bool
        Whether surrogates of other devices are at hand.
    figure : str
        Of `report_rows.FIGURES`.

    Returns
    -------
    Advice or None
        None if no predictor has all targets at a size as small.
    """
    sizes = _sizes(fits, budget, figure)
    names = [name for name in sizes if sources or not learns_from_sources(name)]
    if not names:
        return None
    choices, lonely = _compared(fits, {name: sizes[name] for name in names}, figure)
    best, *others = choices
    cheaper = [c for c in others if c.fit_seconds < best.fit_seconds]
    alike = tuple(c for c in cheaper if c.p >= LEVEL)
    near = min(_near(choices, figure), key=lambda c: c.fit_seconds)
    return Advice(
        budget,
        sources,
        figure,
        len(names),
        best,
        alike,
        (*(c.predictor for c in others if math.isnan(c.p)), *lonely),
        None if near is best or near in alike else near,
    )


@lru_cache(maxsize=16)
def advices(fits: Fits, *, figure: str = "tau") -> tuple[Advice, ...]:
    """Return advice for each budget; where it needs other devices, also what does without them."""
    found: list[Advice] = []
    known: dict[tuple[object, ...], Advice | None] = {}
    for budget in budgets_of(fits):
        for sources in (True, False):
            if not sources and found and not learns_from_sources(found[-1].best.predictor):
                break
            # Between two sizes nothing changes but the budget.
            key = (sources, *_sizes(fits, budget, figure).items())
            if key not in known:
                known[key] = advise(fits, budget, sources=sources, figure=figure)
            if (advice := known[key]) is not None:
                found.append(replace(advice, budget=budget))
    return tuple(found)


def _sizes(fits: Fits, budget: int, figure: str) -> dict[str, int]:
    """Return by predictor the largest size within a budget at which it has all targets."""
    found: dict[str, int] = {}
    for size in fits.sizes:
        if size <= budget:
            found.update(dict.fromkeys(complete(fits, size, figure), size))
    return {name: found[name] for name in fits.predictors if name in found}


def _compared(
    fits: Fits, sizes: Mapping[str, int], figure: str
) -> tuple[list[Choice], tuple[str, ...]]:
    """Return the predictors, the best first, equal ones by what they cost; and those left out."""
    sign = -1.0 if figure in _MORE else 1.0
    found = levelled(fits, sizes, figure)
    levels = {name: float(mean.mean()) for name, mean in found.means.items()}
    seconds = {n: median_of(fits, n, sizes[n], "fit_seconds") or 0.0 for n in levels}
    best, *others = sorted(levels, key=lambda n: (sign * levels[n], seconds[n]))
    p_values = {best: 1.0, **_p_values(fits, sizes, best, others, figure)}
    choices = []
    for name in (best, *others):
        values = fits.values(name, sizes[name], figure)
        choices.append(
            Choice(
                name,
                sizes[name],
                float(values.mean()),
                levels[name],
                values.shape[1],
                seconds[name],
                p_values.get(name, math.nan),
            )
        )
    return choices, found.lonely


def _p_values(
    fits: Fits, sizes: Mapping[str, int], best: str, others: Sequence[str], figure: str
) -> dict[str, float]:
    """Return the corrected p of each against the best, without those with too few pairs."""
    sign = -1.0 if figure in _MORE else 1.0
    tests: dict[str, float] = {}
    for name in others:
        pair = (best, name)
        seeds = set.intersection(*(set(fits.common([n], sizes[n], figure)) for n in pair))
        # So many pairs can have a p below the level, as corrected.
        if len(others) * 2.0 ** (1 - len(fits.targets) * len(seeds)) < LEVEL:
            first, second = (
                sign * fits.values(n, sizes[n], figure, seeds=sorted(seeds)).ravel() for n in pair
            )
            tests[name] = signed_rank(first, second).p
    return dict(zip(tests, holm(list(tests.values())), strict=True))


def _near(choices: Sequence[Choice], figure: str) -> list[Choice]:
    best = choices[0].level
    reach = NEAR.get(figure, _NEAR_RELATIVE * abs(best))
    return [c for c in choices if abs(c.level - best) <= reach]
