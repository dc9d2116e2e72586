"""Which predictor to use, by the number of measurements one can afford.

The rule: each predictor is taken at the largest size that the budget pays for and at which it has
fits for all targets; nothing is interpolated. Named is the one with the best mean over targets and
common seeds, with those that are cheaper to fit and not told apart from it, and the cheapest that
is near it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

from anb_export.predictors.registry import KINDS
from anb_export.study.report_figures import complete, median_of
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
        Mean of the figure over targets and common seeds.
    fit_seconds : float
        Median over targets and all its seeds, in CPU seconds.
    p : float
        Of the signed-rank test against the best, over pairs of one target and seed, corrected; 1
        of the best itself.
    """

    predictor: str
    size: int
    value: float
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
    seeds : int
        Seeds that all of them have for all targets.
    best : Choice
    alike : tuple of Choice, or None
        Cheaper than the best and not told apart from it, the best first; None where the fits are
        too few for the test to tell anything apart.
    near : Choice or None
        The cheapest of those within `NEAR` of the best; None if it is the best or among `alike`.
    """

    budget: int
    sources: bool
    figure: str
    candidates: int
    seeds: int
    best: Choice
    alike: tuple[Choice, ...] | None
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
        None if no predictor has all targets at a size as small, or those that do have no seed in
        common.
    """
    sizes = _sizes(fits, budget, figure)
    names = [name for name in sizes if sources or not learns_from_sources(name)]
    shared = [set(fits.common([name], sizes[name], figure)) for name in names]
    seeds = sorted(set.intersection(*shared)) if shared else []
    if not seeds:
        return None
    choices = _compared(fits, {name: sizes[name] for name in names}, seeds, figure)
    best, *others = choices
    telling = _can_tell(len(fits.targets) * len(seeds), len(others))
    alike = [c for c in others if c.p >= LEVEL and c.fit_seconds < best.fit_seconds]
    near = min(_near(choices, figure), key=lambda c: c.fit_seconds)
    return Advice(
        budget,
        sources,
        figure,
        len(names),
        len(seeds),
        best,
        tuple(alike) if telling else None,
        None if near is best or (telling and near in alike) else near,
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
    fits: Fits, sizes: Mapping[str, int], seeds: Sequence[int], figure: str
) -> list[Choice]:
    """Return the predictors, the best first; equal ones by what they cost."""
    sign = -1.0 if figure in _MORE else 1.0
    losses = {n: sign * fits.values(n, s, figure, seeds=seeds).ravel() for n, s in sizes.items()}
    seconds = {n: median_of(fits, n, s, "fit_seconds") or 0.0 for n, s in sizes.items()}
    order = sorted(sizes, key=lambda n: (float(losses[n].mean()), seconds[n]))
    tests = [signed_rank(losses[order[0]], losses[n]).p for n in order[1:]]
    p_values = [1.0, *holm(tests)]
    return [
        Choice(n, sizes[n], sign * float(losses[n].mean()), seconds[n], p)
        for n, p in zip(order, p_values, strict=True)
    ]


def _can_tell(n_pairs: int, n_tests: int) -> bool:
    """Say whether signed ranks of so many pairs can have a p below the level, corrected."""
    return n_tests * 2.0 ** (1 - n_pairs) < LEVEL


def _near(choices: Sequence[Choice], figure: str) -> list[Choice]:
    best = choices[0].value
    reach = NEAR.get(figure, _NEAR_RELATIVE * abs(best))
    return [c for c in choices if abs(c.value - best) <= reach]
