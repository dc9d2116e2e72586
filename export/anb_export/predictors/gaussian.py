"""Gaussian processes over blocks and pairs of blocks, exact and sparse.

What is predicted is a sum of the groups of `groups`, each an independent Gaussian function with a
weight of its own, and noise. The weights are those of the largest evidence (type II maximum
likelihood: Rasmussen and Williams, Gaussian Processes for Machine Learning, 2006, section 5.4.1),
found on at most some hundred of the measurements. As the groups have finitely many features, the
posterior is exact at any number of measurements: in the space of features where there are fewer of
those, in the space of measurements otherwise.

Rates are learned as their reciprocals, the times that add up over layers.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.linalg import cho_factor, cho_solve, solve_triangular
from scipy.optimize import minimize

from anb_export.predictors.contract import (
    MOST_ENUMERATED,
    Predictor,
    PredictorError,
    Sample,
    two_members,
)
from anb_export.predictors.groups import Floats, Groups, groups_of
from anb_export.predictors.intervals import first_seen, from_residuals
from anb_export.predictors.live import views_of
from anb_export.training.block_sums import one_thread
from anb_onnx.encoding.encoding import codes_to_symbols
from anb_onnx.few_shot.basis import Basis
from anb_onnx.few_shot.effective import AS_BUILT, View
from anb_onnx.few_shot.tabling import raised, tabled
from anb_onnx.links import Link
from anb_onnx.spaces.architecture import sample as draw_architectures
from anb_onnx.tables import TableEnsemble

#: Measurements that the weights are found on; more of them change little and take long.
_EVIDENCE = 400

#: Weights start here, in variances of the measurements, and may lie between e**-9 and e**5.
_START, _NOISE_START = 0.3, 0.1
_LOW, _HIGH, _NOISE_HIGH = -9.0, 5.0, 2.0
_STEPS = 60

#: Inducing architectures of the sparse process.
_INDUCING = 256

#: Posterior draws that stand as members where the space is too large to be enumerated.
_DRAWS = 8

#: Most numbers of a basis that is made dense for a product.
_DENSE = 2**24

#: Random architectures on which the members' std is compared with the process's, and the least
#: share of it that is taken for one.
_REFERENCE, _LEAST_SHARE = 256, 0.01


def fit_gp(sample: Sample, seed: int) -> Predictor:
    """Fit the exact process to architectures as they are built; `Fit` of the registry."""
    return _fit(sample, seed, (AS_BUILT,), None)


def fit_live_gp(sample: Sample, seed: int) -> Predictor:
    """Fit the exact process to all views of the space's architectures."""
    return fit_live_process(sample, seed)


def fit_live_process(sample: Sample, seed: int) -> Process:
    """Fit the exact process to all views of the space's architectures."""
    return _fit(sample, seed, views_of(sample.space), None)


def fit_sparse_gp(sample: Sample, seed: int) -> Predictor:
    """Fit a process that knows of the measurements what `_INDUCING` architectures can tell.

    Those are chosen one by one where the prior leaves most uncertain (pivoted Cholesky). The
    posterior is that of Titsias (AISTATS 2009), equation 6, at these inputs and weights.
    """
    return _fit(sample, seed, (AS_BUILT,), _INDUCING)


def _fit(sample: Sample, seed: int, views: tuple[View, ...], inducing: int | None) -> Process:
    rate = sample.target.metric == "throughput"
    if rate and (sample.values <= 0).any():
        row = int(np.argmax(sample.values <= 0))
        msg = f"row {row}: a throughput is above 0, found {sample.values[row]}"
        raise PredictorError(msg)
    labels = 1.0 / sample.values if rate else sample.values
    shift = float(labels.mean())
    size = float(labels.std()) or abs(shift) or 1.0
    z = (labels - shift) / size
    groups = groups_of(sample.space, views)
    rng = np.random.default_rng(seed)
    with one_thread():
        some = np.sort(rng.permutation(len(z))[:_EVIDENCE])
        weights, noise = _weights(groups, sample.codes[some], z[some])
        design = groups.design(sample.codes, weights)
        posterior = _posterior(design, z, noise, inducing, first_seen(sample.codes))
        return Process(sample, rate, shift, size, groups, weights, posterior, seed)


def _weights(groups: Groups, codes: NDArray[np.uint8], z: Floats) -> tuple[Floats, float]:
    """Return the groups' weights and the variance of the noise, of the largest evidence."""
    n = len(z)
    grams = []
    for matrix in groups.matrices(codes):
        rows = sparse.csr_array(matrix)
        grams.append(_dense(rows @ rows.T))
    stack = np.stack([*grams, np.eye(n)])
    flat = stack.reshape(len(stack), -1)

    def loss(logs: Floats) -> tuple[float, Floats]:
        weights = np.exp(logs)
        gram = (weights @ flat).reshape(n, n) + 1.0  # a constant of variance 1
        factor = cho_factor(gram, lower=True)
        inverse = cho_solve(factor, np.eye(n))
        alpha = inverse @ z
        value = 0.5 * z @ alpha + np.log(np.diag(factor[0])).sum()
        slope = flat @ (inverse - np.outer(alpha, alpha)).ravel()
        return float(value), np.asarray(0.5 * weights * slope)

    start = np.log(np.array([_START] * len(grams) + [_NOISE_START]))
    bounds = [(_LOW, _HIGH)] * len(grams) + [(_LOW, _NOISE_HIGH)]
    found = minimize(
        loss, start, jac=True, method="L-BFGS-B", bounds=bounds, options={"maxiter": _STEPS}
    )
    weights = np.exp(found.x)
    return weights[:-1], float(weights[-1])


@dataclass(frozen=True, eq=False)
class _Posterior:
    """The posterior of coefficients of features, which include a constant.

    Attributes
    ----------
    mean : ndarray of float64, shape (p,)
    basis : sparse array or None
        Rows of features of the measurements that the posterior is kept over; None keeps it over
        the features themselves.
    factor : ndarray of float64
        Lower Cholesky factor: of the posterior's precision over features, or of the measurements'
        covariance; with `basis` of inducing inputs, of their prior covariance.
    second : ndarray of float64 or None
        With inducing inputs: factor of their covariance given the measurements, in units of
        `factor`.
    noise : float
    design : sparse array
        Features of all measurements, for draws.
    left_out, left_out_std : ndarray of float64, shape (n,)
        Mean and standard deviation for each measurement, without noise, given those of all other
        architectures.
    """

    mean: Floats
    basis: sparse.csr_array | None
    factor: Floats
    second: Floats | None
    noise: float
    design: sparse.csr_array
    left_out: Floats
    left_out_std: Floats

    def std(self, rows: sparse.csr_array) -> Floats:
        """Return the standard deviation without noise of architectures with these features."""
        prior = np.asarray(rows.multiply(rows).sum(axis=1)).ravel()
        if self.basis is None:
            half = solve_triangular(self.factor, _dense(rows.T), lower=True)
            return np.asarray(np.sqrt((half**2).sum(axis=0)))
        half = solve_triangular(self.factor, _cross(rows, self.basis), lower=True)
        left = prior - (half**2).sum(axis=0)
        if self.second is not None:
            half = solve_triangular(self.second, half, lower=True)
            left = np.maximum(left, 0.0) + (half**2).sum(axis=0)
        return np.asarray(np.sqrt(np.maximum(left, 0.0)))

    def deviations(self, n: int, rng: np.random.Generator) -> Floats:
        """Return draws of the coefficients less their mean: float64 [p, n] (Matheron's rule)."""
        p = self.design.shape[1]
        prior = rng.standard_normal((p, n))
        noise = np.sqrt(self.noise) * rng.standard_normal((self.design.shape[0], n))
        return prior - self.solve(np.asarray(self.design @ prior) + noise)

    def solve(self, z: Floats) -> Floats:
        """Return the posterior's mean of the coefficients given other values [n, k]: [p, k]."""
        if self.basis is None:
            right = np.asarray(self.design.T @ z) / self.noise
            return np.asarray(cho_solve((self.factor, True), right))
        if self.second is None:
            return np.asarray(self.design.T @ cho_solve((self.factor, True), z))
        cross = solve_triangular(self.factor, _cross(self.design, self.basis), lower=True)
        inner = cho_solve((self.second, True), cross @ z) / self.noise
        return np.asarray(self.basis.T @ solve_triangular(self.factor, inner, lower=True, trans=1))


def _cross(rows: sparse.csr_array, basis: sparse.csr_array) -> Floats:
    """Return the covariance of a basis and rows: float64 [len(basis), len(rows)]."""
    # Sparse by dense is several times faster than sparse by sparse, but for very many features.
    if basis.shape[0] * basis.shape[1] <= _DENSE:
        return np.asarray(rows @ _dense(basis.T)).T
    return _dense(basis @ rows.T)


def _dense(matrix: sparse.csr_array) -> Floats:
    return np.asarray(matrix.todense(), dtype=np.float64)


def _posterior(
    design: sparse.csr_array,
    z: Floats,
    noise: float,
    inducing: int | None,
    repeats: NDArray[np.int64],
) -> _Posterior:
    """Return the posterior; `repeats` numbers the architecture of each row."""
    n = design.shape[0]
    design = sparse.csr_array(sparse.hstack([design, np.ones((n, 1))], format="csr"))
    p = design.shape[1]
    if inducing is not None and inducing < min(n, p):
        return _sparse_posterior(design, z, noise, inducing, repeats)
    if p < n:
        precision = _dense(design.T @ design) / noise + np.eye(p)
        factor = np.tril(cho_factor(precision, lower=True)[0])
        mean = cho_solve((factor, True), np.asarray(design.T @ z) / noise)
        half = solve_triangular(factor, _dense(design.T), lower=True)
        variance = (half**2).sum(axis=0)
        leverage = variance / noise
        fitted = np.asarray(design @ mean)
        left_out = z - (z - fitted) / (1.0 - leverage)
        # Of a measurement less: Sherman and Morrison.
        left_std = np.sqrt(variance / (1.0 - leverage))
        for rows in _repeated(repeats):
            hat = half[:, rows].T @ half[:, rows] / noise
            left_out[rows], square = _without(rows, z, fitted, hat, noise)
            left_std[rows] = np.sqrt(square)
        return _Posterior(mean, None, factor, None, noise, design, left_out, left_std)
    covariance = _dense(design @ design.T) + noise * np.eye(n)
    factor = np.tril(cho_factor(covariance, lower=True)[0])
    inverse = cho_solve((factor, True), np.eye(n))
    alpha = inverse @ z
    diagonal = np.diag(inverse)
    left_std = np.sqrt(np.maximum(1.0 / diagonal - noise, 0.0))
    mean = np.asarray(design.T @ alpha)
    left_out = z - alpha / diagonal
    for rows in _repeated(repeats):
        hat = np.eye(len(rows)) - noise * inverse[np.ix_(rows, rows)]
        left_out[rows], square = _without(rows, z, z - noise * alpha, hat, noise)
        left_std[rows] = np.sqrt(square)
    return _Posterior(mean, design, factor, None, noise, design, left_out, left_std)


def _sparse_posterior(
    design: sparse.csr_array, z: Floats, noise: float, inducing: int, repeats: NDArray[np.int64]
) -> _Posterior:
    chosen = _pivots(design, inducing)
    basis = sparse.csr_array(design[chosen])
    prior = _dense(basis @ basis.T)
    prior += 1e-8 * np.trace(prior) / len(prior) * np.eye(len(prior))
    factor = np.tril(cho_factor(prior, lower=True)[0])
    cross = solve_triangular(factor, _cross(design, basis), lower=True)
    inner = cross @ cross.T / noise + np.eye(len(prior))
    second = np.tril(cho_factor(inner, lower=True)[0])
    half = solve_triangular(second, cross, lower=True)
    leverage = (half**2).sum(axis=0) / noise
    weights = cho_solve((second, True), cross @ z) / noise
    mean = np.asarray(basis.T @ solve_triangular(factor, weights, lower=True, trans=1))
    fitted = cross.T @ weights
    left_out = z - (z - fitted) / (1.0 - leverage)
    own = np.asarray(design.multiply(design).sum(axis=1)).ravel()
    rest = np.maximum(own - (cross**2).sum(axis=0), 0.0)
    left_std = np.sqrt(rest + noise * leverage / (1.0 - leverage))
    for rows in _repeated(repeats):
        hat = half[:, rows].T @ half[:, rows] / noise
        left_out[rows], square = _without(rows, z, fitted, hat, noise)
        left_std[rows] = np.sqrt(rest[rows] + square)
    return _Posterior(mean, basis, factor, second, noise, design, left_out, left_std)


def _repeated(number: NDArray[np.int64]) -> Iterator[NDArray[np.int64]]:
    """Yield the rows of each architecture that was measured more than once."""
    for again in np.flatnonzero(np.bincount(number) > 1):
        yield np.flatnonzero(number == again)


def _without(
    rows: NDArray[np.int64], z: Floats, fitted: Floats, hat: Floats, noise: float
) -> tuple[Floats, Floats]:
    """Return mean and variance, without noise, of rows given all others.

    `hat` is the block of these rows of the matrix that maps z to what is fitted. Of a single row
    this is z - (z - fitted) / (1 - hat) and noise * hat / (1 - hat).
    """
    rest = np.eye(len(rows)) - hat
    mean = z[rows] - np.linalg.solve(rest, z[rows] - fitted[rows])
    square = noise * np.diag(np.linalg.solve(rest, hat))
    return np.asarray(mean), np.maximum(square, 0.0)


def _pivots(design: sparse.csr_array, count: int) -> NDArray[np.int64]:
    """Return rows chosen one by one, each where the others leave most variance."""
    left = np.asarray(design.multiply(design).sum(axis=1)).ravel()
    columns = np.zeros((count, design.shape[0]))
    chosen = np.zeros(count, dtype=np.int64)
    for k in range(count):
        row = int(np.argmax(left))
        chosen[k] = row
        cross = np.asarray((design @ design[[row]].T).todense()).ravel()
        column = (cross - columns[:k].T @ columns[:k, row]) / np.sqrt(max(left[row], 1e-12))
        columns[k] = column
        left = left - column**2
        left[row] = 0.0
    return np.sort(np.unique(chosen))


class Process(Predictor):
    """The process: two members that state its deviation, or draws as tables in a large space."""

    def __init__(
        self,
        sample: Sample,
        rate: bool,
        shift: float,
        size: float,
        groups: Groups,
        weights: Floats,
        posterior: _Posterior,
        seed: int,
    ) -> None:
        self.space, self._rate, self._shift, self._size = sample.space, rate, shift, size
        self._groups, self._weights, self._posterior = groups, weights, posterior
        self._least = float((1.0 / sample.values).min()) if rate else 0.0
        self._tables: TableEnsemble | None = None
        if self.space.size > MOST_ENUMERATED:
            self._tables = self._tabled(sample, seed)
        self._calibrate(sample, seed)

    def _calibrate(self, sample: Sample, seed: int) -> None:
        left_out, std = self._posterior.left_out, self._posterior.left_out_std
        if self._tables is None:
            mean, spread = self._in_units(left_out, std)
            self.calibration = from_residuals(sample.values, mean, spread)
            return
        # Where times would have fallen to 0 the tables vary less than the process.
        symbols = codes_to_symbols(sample.codes, self.space)
        u = (self._tables.totals(symbols) * self._tables.scale + self._tables.shift).mean(axis=1)
        fitted = np.asarray(self._posterior.design @ self._posterior.mean)
        kept = np.cov(u, fitted)[0, 1] / self._size / np.var(fitted, ddof=1)
        middle = u.mean() - kept * self._size * fitted.mean() - self._shift
        mean, _ = self._in_units(kept * left_out + middle / self._size, std)
        # The std of few draws is itself uncertain.
        freedom = _DRAWS - 1
        rng = np.random.default_rng((seed, len(sample), 1))
        drawn = std * np.sqrt(rng.chisquare(freedom, len(std)) / freedom)
        _, spread = self._in_units(left_out, drawn)
        found = from_residuals(sample.values, mean, spread, freedom=freedom)
        # Members vary less than the draws that they are, where these would have been 0 somewhere.
        codes = draw_architectures(_REFERENCE, seed=0, space=self.space)
        whole = self._in_units(*self._of_posterior(codes))[1]
        share = float(np.sqrt((self.predict(codes)[1] ** 2).mean() / (whole**2).mean()))
        self.calibration = replace(found, spread=1.0 / max(share, _LEAST_SHARE))

    @property
    def left_out(self) -> Floats:
        """What it says of each measurement given all others: float64 [n], in the target's unit."""
        return self._in_units(self._posterior.left_out, self._posterior.left_out_std)[0]

    def mean(self, codes: NDArray[np.uint8]) -> Floats:
        """Return float64 [N]: the mean alone, in the target's unit."""
        with one_thread():
            design = self._rows(codes)
            mean = np.asarray(design @ self._posterior.mean)
            return self._in_units(mean, np.zeros_like(mean))[0]

    def _rows(self, codes: NDArray[np.uint8]) -> sparse.csr_array:
        design = self._groups.design(codes, self._weights)
        return sparse.csr_array(sparse.hstack([design, np.ones((len(codes), 1))], format="csr"))

    def _of_posterior(self, codes: NDArray[np.uint8]) -> tuple[Floats, Floats]:
        rows = self._rows(codes)
        return np.asarray(rows @ self._posterior.mean), self._posterior.std(rows)

    def _in_units(self, mean: Floats, std: Floats) -> tuple[Floats, Floats]:
        """Return what the link makes of mean and standard deviation (to first order)."""
        found = self._shift + self._size * mean
        spread = self._size * std
        if not self._rate:
            return found, spread
        # Far from anything measured, a time may fall to 0.
        found = np.maximum(found, 0.01 * self._least)
        return 1.0 / found, spread / found**2

    def _tabled(self, sample: Sample, seed: int) -> TableEnsemble:
        rng = np.random.default_rng((seed, len(sample)))
        posterior = self._posterior
        deviation = posterior.deviations(_DRAWS, rng)
        # The mean of the members is the process's own.
        deviation -= deviation.mean(axis=1, keepdims=True)
        deviation *= np.sqrt(_DRAWS / (_DRAWS - 1))
        coefficients = (posterior.mean[:, None] + deviation) * self._size
        terms, entries = self._groups.tables(coefficients[:-1], self._weights)
        entries[: terms.offsets[1]] += coefficients[-1] + self._shift
        link = Link("-1") if self._rate else Link()
        basis = Basis(self.space, (), AS_BUILT)
        if basis.terms != terms:
            msg = f"the pairs of blocks of {self.space.name!r} are too many for a Gaussian process"
            raise PredictorError(msg)
        if self._rate:
            entries, _ = raised(basis, entries, self._least)
        return tabled(basis, entries, link)

    def members(self, codes: NDArray[np.uint8]) -> NDArray[np.float64]:
        """Return one deviation below and above the mean, or draws; see `Predictor.members`."""
        if self._tables is not None:
            symbols = codes_to_symbols(codes, self.space)
            return np.asarray(self._tables.predict(symbols)[2], dtype=np.float64)
        with one_thread():
            return two_members(*self._in_units(*self._of_posterior(codes)))

    def tables(self) -> TableEnsemble | None:
        """Return the draws, where they are tables; see `Predictor.tables`."""
        return self._tables
