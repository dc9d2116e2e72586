"""Fits the hinges of a link: an increasing correction of what members systematically miss.

A device that saturates (tpuv3 does, at two levels) bends the relation between what adds up over
the blocks and what is measured, and no power link has such a bend. The correction is a piecewise
linear map of the prediction, fitted by bounded least squares to predictions of rows that no member
has seen, and kept only where cross-validation says that it pays, in the squared and the absolute
error together. It is increasing, so it cannot change the order of architectures; only errors, not
ranks.

Where the architectures with one choice of a gene were measured under other conditions than the
rest (the lower of tpuv3's levels goes with four layers in block 5), one correction cannot serve
both, and they get a `Regime` of their own. All choices of all genes are tried, by the same rule; as
one of so many may gain by chance, the same must come out ahead whichever fifth of the rows is left
out.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from anb_onnx.regimes import Regime
from anb_onnx.spaces.space import SearchSpace

#: Numbers of hinges tried; knots lie at quantiles of the predictions.
_COUNTS = (4, 8, 12)
#: Slopes allowed: never flat, so that order is kept even where a device is saturated.
_SLOPES = (0.05, 5.0)
#: Whether the fit weighs the error itself (0) or the error relative to the prediction (1): where
#: errors grow with the value, the plain fit follows the largest values alone.
_WEIGHTINGS = (0, 1)
#: Least gain, as a share of the cross-validated loss, for which a correction is worth its price.
#: Small gains are what learning from fewer rows, as out of fold, does to the extremes; they do not
#: last.
_LEAST_GAIN = 0.02
_N_FOLDS = 10
#: While regimes are compared: hinges on each side, folds, and the fewest rows on each side.
_SCREENED, _SCREEN_FOLDS, _LEAST_ROWS = 8, 5, 200

# Thousands of small fits: threads of the linear algebra would wait for each other most of the time.
_F = TypeVar("_F", bound=Callable[..., object])
_one_thread: Callable[[_F], _F] = threadpool_limits.wrap(limits=1)

Hinges = tuple[tuple[float, float], ...]


@_one_thread
def fit_hinges(predicted: NDArray[np.float64], measured: NDArray[np.float64]) -> Hinges:
    """Return the hinges of a correction, or none where it does not pay.

    Parameters
    ----------
    predicted, measured : ndarray of float64, shape (n,)
        Out-of-fold predictions, without hinges, and measurements, in the target's unit.

    Returns
    -------
    tuple of (knot, change)
        As `Link.hinges` takes them, rounded to six significant digits.
    """
    choice, loss = _choose(predicted, measured)
    if loss >= (1 - _LEAST_GAIN) * _loss(predicted - measured):
        return ()
    return _fit(predicted, measured, *choice)


@_one_thread
def fit_regime(
    predicted: NDArray[np.float64],
    measured: NDArray[np.float64],
    codes: NDArray[np.uint8],
    space: SearchSpace,
) -> tuple[Hinges, Regime | None]:
    """Return the hinges of a link and, where that pays, a regime with hinges of its own.

    Parameters
    ----------
    predicted, measured : ndarray of float64, shape (n,)
        As for `fit_hinges`.
    codes : ndarray of uint8, shape (n, n_genes)
        The architectures.
    space : SearchSpace

    Returns
    -------
    hinges : tuple of (knot, change)
        As of `fit_hinges`; if there is a regime, fitted to the architectures outside of it.
    regime : Regime or None
        Of one choice of one gene.
    """
    from sklearn.model_selection import KFold

    found = _find_regime(predicted, measured, codes, space)
    folds = KFold(_SCREEN_FOLDS, shuffle=True, random_state=1).split(predicted)
    if found is None or any(
        _find_regime(predicted[rows], measured[rows], codes[rows], space) != found
        for rows, _ in folds
    ):
        return fit_hinges(predicted, measured), None
    gene, code = found
    inside = codes[:, space.positions[gene]] == code
    hinges = fit_hinges(predicted[~inside], measured[~inside])
    bent = apply_hinges(predicted[inside], hinges)
    choice, _ = _choose(bent, measured[inside])
    return hinges, Regime(gene, (code,), _fit(bent, measured[inside], *choice))


def _find_regime(
    predicted: NDArray[np.float64],
    measured: NDArray[np.float64],
    codes: NDArray[np.uint8],
    space: SearchSpace,
) -> tuple[str, int] | None:
    """Return the gene and the code that gain most, or None where none gains enough."""
    _, common = _choose(predicted, measured)
    best, found = (1 - _LEAST_GAIN) * min(common, _loss(predicted - measured)), None
    for gene, size in zip(space.gene_names, space.gene_sizes, strict=True):
        for code in range(size):
            inside = codes[:, space.positions[gene]] == code
            if min(inside.sum(), (~inside).sum()) < _LEAST_ROWS:
                continue
            for weighting in _weightings(predicted):
                parts = (inside, ~inside)
                loss = _cross_validate(
                    predicted, measured, parts, _SCREENED, weighting, _SCREEN_FOLDS
                )
                if loss < best:
                    best, found = loss, (gene, code)
    return found


@_one_thread
def cross_fitted(
    predicted: NDArray[np.float64], measured: NDArray[np.float64], folds: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Return predictions corrected by hinges that were fitted without the row's own fold.

    What hinges gain can be told on the very rows they are for, without flattering them.

    Parameters
    ----------
    predicted, measured : ndarray of float64, shape (n,)
        As for `fit_hinges`.
    folds : ndarray of int64, shape (n,)
        Fold of each row.

    Returns
    -------
    ndarray of float64, shape (n,)
    """
    corrected = np.empty_like(predicted)
    for fold in np.unique(folds):
        held = folds == fold
        hinges = fit_hinges(predicted[~held], measured[~held])
        corrected[held] = apply_hinges(predicted[held], hinges)
    return corrected


def apply_hinges(predicted: NDArray[np.float64], hinges: Hinges) -> NDArray[np.float64]:
    """Return the corrected predictions, as `Link.inverse` computes them."""
    y = predicted
    for knot, change in hinges:
        y = y + np.maximum(y - knot, 0.0) * change
    return y


def _weightings(predicted: NDArray[np.float64]) -> Sequence[int]:
    return _WEIGHTINGS if predicted.min() > 0 else (0,)


def _choose(
    predicted: NDArray[np.float64], measured: NDArray[np.float64]
) -> tuple[tuple[int, int], float]:
    """Return number of hinges and weighting, and the best loss of all."""
    everywhere = np.ones(len(predicted), dtype=np.bool_)
    losses = {
        (count, weighting): _cross_validate(predicted, measured, (everywhere,), count, weighting)
        for count in _COUNTS
        for weighting in _weightings(predicted)
    }
    best = min(losses.values())
    # The fewest hinges that reach nearly the best: more of them mostly follow noise.
    return next(choice for choice, found in losses.items() if found <= 1.002 * best), best


def _cross_validate(
    predicted: NDArray[np.float64],
    measured: NDArray[np.float64],
    parts: Sequence[NDArray[np.bool_]],
    count: int,
    weighting: int,
    n_folds: int = _N_FOLDS,
) -> float:
    """Return the loss where each part of the rows has hinges of its own."""
    from sklearn.model_selection import KFold

    corrected = np.empty_like(predicted)
    for fit, held in KFold(n_folds, shuffle=True, random_state=0).split(predicted):
        for part in parts:
            used, rows = fit[part[fit]], held[part[held]]
            hinges = _fit(predicted[used], measured[used], count, weighting)
            corrected[rows] = apply_hinges(predicted[rows], hinges)
    return _loss(corrected - measured)


def _loss(error: NDArray[np.float64]) -> float:
    # The geometric mean of root mean square and mean absolute error: a study's loss counts both.
    return float(np.sqrt(np.sqrt(np.mean(error**2)) * np.mean(np.abs(error))))


def _fit(
    predicted: NDArray[np.float64], measured: NDArray[np.float64], count: int, weighting: int
) -> Hinges:
    from scipy.optimize import lsq_linear

    knots = np.quantile(predicted, (np.arange(count) + 0.5) / count)
    ends = np.append(knots[1:], np.inf)
    # Below the first knot the prediction stays; each segment above has a slope of its own.
    segments = np.clip(predicted[:, None] - knots, 0.0, ends - knots)
    rest = measured - np.minimum(predicted, knots[0])
    weights = predicted ** -float(weighting)
    # The same problem in as many rows as unknowns: the solver looks at all rows many times.
    both = np.column_stack([segments * weights[:, None], rest * weights])
    small = np.asarray(np.linalg.qr(both, mode="r"))[:count]
    slopes = lsq_linear(small[:, :count], small[:, count], bounds=_SLOPES).x
    hinges: list[tuple[float, float]] = []
    slope = 1.0
    for knot, wanted in zip(knots, slopes, strict=True):
        # A knot is counted after the hinges before it.
        moved = float(apply_hinges(np.array([knot]), tuple(hinges))[0])
        change = float(f"{wanted / slope - 1:.6g}")
        if abs(change) > 1e-9:  # else both segments have the same slope, a bound
            hinges.append((float(f"{moved:.6g}"), change))
            slope = wanted
    return tuple(hinges)
