"""Predictors that are sums over blocks: look-up table and three linear regressions.

Each is one table for each block, whose entries add up; their artifacts are tables, too.
"""

from __future__ import annotations

import warnings

import numpy as np
from numpy.typing import NDArray

from anb_export.predictors.contract import Predictor, Sample
from anb_export.predictors.features import Floats, architectures, folds, one_hot, rest, scale_of
from anb_export.predictors.intervals import from_residuals
from anb_export.tables.rounded_tables import rounded_tables
from anb_export.training.block_sums import one_thread
from anb_onnx.calibration import Calibration
from anb_onnx.encoding.encoding import codes_to_symbols
from anb_onnx.spaces.space import SearchSpace
from anb_onnx.tables import TableEnsemble
from anb_onnx.terms import Terms

#: Penalties that ridge regression chooses from.
PENALTIES = tuple(float(p) for p in np.logspace(-6, 4, 41))

#: Folds where leaving one out has no closed form.
_MANY_FOLDS = 20

#: Leverages above are taken for 1: without the row, the fit does not know of it.
_LEVERAGE = 1 - 1e-8


class BlockSums(Predictor):
    """Members that are sums over blocks.

    Attributes
    ----------
    ensemble : TableEnsemble
        Of single blocks. What it holds is what is predicted, its rounding included.
    """

    def __init__(self, ensemble: TableEnsemble, calibration: Calibration) -> None:
        self.space = ensemble.space
        self.ensemble = ensemble
        self.calibration = calibration

    def members(self, codes: NDArray[np.uint8]) -> Floats:
        """Return float64 [N, M]: the sums of the tables."""
        totals = self.ensemble.totals(codes_to_symbols(codes, self.space))
        return totals.astype(np.float64) * self.ensemble.scale + self.ensemble.shift

    def tables(self) -> TableEnsemble:
        """Return the tables."""
        return self.ensemble


def fit_lookup(sample: Sample, seed: int) -> Predictor:
    """Fit the look-up table: what each symbol of each block adds to the mean, one at a time.

    The table of a block has, for each symbol, the mean of the measurements of the architectures
    that have it, minus the mean of all; a symbol that none has adds nothing. A prediction is the
    mean plus one entry for each block. Nothing is regressed: the entries of a block are the same
    whatever the other blocks are in the sample, so that what these happen to be there is noise.

    In the study of Laube et al. the table has a measurement of its own for each entry, of an
    architecture that differs in one block from a base that stays the same. A sample drawn at random
    has no such architectures; averages over it estimate the same effect of a block by itself.
    """
    architectures(sample)
    space, y = sample.space, sample.values
    terms = Terms.of_order(space, 1)
    symbols = codes_to_symbols(sample.codes, space).astype(np.int64)
    rows = symbols + np.array(terms.offsets[:-1])
    n, total = len(y), float(y.sum())
    counts = np.bincount(rows.ravel(), minlength=terms.n_entries)
    sums = np.bincount(rows.ravel(), np.repeat(y, rows.shape[1]), minlength=terms.n_entries)
    entries = np.where(counts > 0, sums / np.maximum(counts, 1) - total / n, 0.0)
    # The same with each row left out in turn.
    mean = (total - y) / (n - 1)
    left, kept = counts[rows] - 1, (sums[rows] - y[:, None])
    effects = np.where(left > 0, kept / np.maximum(left, 1) - mean[:, None], 0.0)
    entries[: terms.offsets[1]] += total / n
    ensemble = rounded_tables(entries[:, None], terms)
    return BlockSums(ensemble, from_residuals(y, mean + effects.sum(axis=1)))


def fit_linear(sample: Sample, seed: int) -> Predictor:
    """Fit least squares on a column for each choice of each gene; the shortest solution of many."""
    return _regression(sample, seed, np.zeros(1))


def fit_ridge(sample: Sample, seed: int) -> Predictor:
    """Fit least squares with a penalty: of `PENALTIES` that with the least error left out."""
    return _regression(sample, seed, np.array(PENALTIES))


def fit_bayesian_ridge(sample: Sample, seed: int) -> Predictor:
    """Fit least squares with the penalty that maximises the evidence."""
    from sklearn.linear_model import BayesianRidge

    architectures(sample)
    mean, scale = scale_of(sample.values)
    y = (sample.values - mean) / scale
    x = one_hot(sample.codes, sample.space)
    penalty = PENALTIES[-1]
    if y.any():
        with one_thread(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found = BayesianRidge(max_iter=1000).fit(x, y)
        penalty = float(found.lambda_ / found.alpha_)
    # Noise that vanishes, as of values that are a sum over the genes, has a penalty of rounding.
    return _regression(sample, seed, np.array([max(penalty, 1e-9)]))


def _regression(sample: Sample, seed: int, penalties: Floats) -> Predictor:
    """Fit least squares with the penalty that predicts best what is left out."""
    number = architectures(sample)
    with one_thread():
        x, y = one_hot(sample.codes, sample.space), sample.values
        fit = _Centred(x, y)
        closed = [fit.left_out(float(penalty)) for penalty in penalties]
        left = [found for found in closed if found is not None]
        if len(left) < len(closed) or number.max() + 1 < len(y):
            parts = folds(sample, seed, _MANY_FOLDS)
            left = _by_folds(x, y, parts, penalties)
        best = int(np.argmin([np.mean((y - found) ** 2) for found in left]))
        coefficients, intercept = fit.solve(float(penalties[best]))
    terms = Terms.of_order(sample.space, 1)
    ensemble = rounded_tables(_tables(coefficients, intercept, sample.space), terms)
    return BlockSums(ensemble, from_residuals(y, left[best]))


class _Centred:
    """Least squares with an intercept, which is not penalised, for all penalties at once."""

    def __init__(self, x: Floats, y: Floats) -> None:
        self.x_mean, self.y_mean, self.y = x.mean(axis=0), float(y.mean()), y
        left, size, self.right = np.linalg.svd(x - self.x_mean, full_matrices=False)
        kept = size > 1e-10 * max(float(size[0]), 1.0)
        self.left, self.size, self.right = left[:, kept], size[kept], self.right[kept]
        self.on_left = self.left.T @ (y - self.y_mean)

    def solve(self, penalty: float) -> tuple[Floats, float]:
        """Return the coefficients and the intercept."""
        found = self.right.T @ (self.size / (self.size**2 + penalty) * self.on_left)
        return found, self.y_mean - float(self.x_mean @ found)

    def left_out(self, penalty: float) -> Floats | None:
        """Return what is predicted of each row without it; None if one is all that a fit has."""
        weights = self.size**2 / (self.size**2 + penalty)
        fitted = self.y_mean + self.left @ (weights * self.on_left)
        leverage = 1 / len(self.y) + (self.left**2) @ weights
        if leverage.max() > _LEVERAGE:
            return None
        return self.y - (self.y - fitted) / (1 - leverage)


def _by_folds(
    x: Floats, y: Floats, parts: list[NDArray[np.int64]], penalties: Floats
) -> list[Floats]:
    """Return for each penalty what is predicted of each row by who learned from other folds."""
    found = np.empty((len(penalties), len(y)))
    for held in parts:
        kept = rest(len(y), held)
        fit = _Centred(x[kept], y[kept])
        for row, penalty in zip(found, penalties, strict=True):
            coefficients, intercept = fit.solve(float(penalty))
            row[held] = x[held] @ coefficients + intercept
    return list(found)


def _tables(coefficients: Floats, intercept: float, space: SearchSpace) -> Floats:
    """Return float64 [n_entries, 1]: coefficients of the choices of genes, summed over blocks."""
    effects = np.split(coefficients, np.cumsum(space.gene_sizes)[:-1])
    tables = []
    for columns in space.block_slices:
        table = np.zeros(1)
        for effect in effects[columns]:
            table = (table[:, None] + effect).ravel()
        tables.append(table)
    tables[0] = tables[0] + intercept
    return np.concatenate(tables)[:, None]
