"""A Gaussian process over every architecture of a small space, exact at any number of measurements.

The covariance is Matérn's of smoothness 5/2 with a length of its own for each gene (Rasmussen and
Williams, Gaussian Processes for Machine Learning, 2006, equation 4.17): two choices of an ordered
gene are as far apart as their places on its scale, those of another gene one apart.

The architectures of a space are a lattice, and Matérn's covariance is a mixture of Gaussian ones,
each a product over genes; the mixture is over a gamma distribution, of which a quadrature takes a
few nodes. So a product with the covariance of *all* architectures is a few small matrices along
each axis, and conjugate gradients solve for the posterior without ever holding a matrix of
measurements by measurements (Saatçi, Scalable Inference for Structured Gaussian Process Models,
2011, chapter 5).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cho_factor, cho_solve
from scipy.optimize import minimize
from scipy.spatial import cKDTree
from scipy.special import roots_genlaguerre

from anb_onnx.spaces.space import SearchSpace

Floats = NDArray[np.float64]

#: Smoothness of the covariance.
_SMOOTHNESS = 2.5

#: Nodes of the quadrature, and the least weight of one that counts: with them the covariance is
#: off by less than 0.0004 of the variance, and predictions are those of the dense matrices.
_NODES, _LEAST_WEIGHT = 16, 1e-6

#: Measurements that lengths and variances are found on, of the largest evidence.
_EVIDENCE = 600
_STEPS = 60

#: Logarithms of lengths, in scales from 0 to 1, and of variances lie between these.
_LENGTHS, _VARIANCES, _NOISES = (-4.0, 4.0), (-9.0, 5.0), (-7.0, 2.0)

#: Axes are joined up to this size: few large products are faster than many small ones.
_AXIS = 40

#: Measurements that a standard deviation is given, and architectures whose are found at once.
_NEAREST, _BLOCK = 16, 1024

#: Residual at which conjugate gradients stop, as a share of what they began with, and most steps.
_TOLERANCE, _MOST_STEPS = 3e-3, 5000


@dataclass(frozen=True)
class Settings:
    """Lengths and variances of a covariance.

    Attributes
    ----------
    lengths : ndarray of float64, shape (n_genes,)
    variance : float
        Of the function.
    noise : float
        Variance of one measurement.
    """

    lengths: Floats
    variance: float
    noise: float


def distances(space: SearchSpace) -> list[Floats]:
    """Return the squared distances between the choices of each gene, float64 [size, size]."""
    found = []
    for gene in space.genes:
        places = np.arange(len(gene)) / max(len(gene) - 1, 1)
        if gene.kind == "str" and not gene.ordered:
            found.append((places[:, None] != places).astype(np.float64))
        else:
            found.append((places[:, None] - places) ** 2)
    return found


def settings_of(
    space: SearchSpace, codes: NDArray[np.uint8], z: Floats, n: int = _EVIDENCE
) -> Settings:
    """Return the settings of the largest evidence for some measurements of mean about 0.

    Parameters
    ----------
    space : SearchSpace
    codes : ndarray of uint8, shape (k, n_genes)
        Only the first `n` are looked at: they should be in no order.
    z : ndarray of float64, shape (k,)
        Of variance about 1.
    """
    codes, z = codes[:n].astype(np.int64), z[:n]
    n = len(z)
    squares = distances(space)
    places = [c[:, None] * len(d) + c for c, d in zip(codes.T, squares, strict=True)]
    n_genes = len(squares)

    def loss(logs: Floats) -> tuple[float, Floats]:
        lengths, variance, noise = np.exp(logs[:n_genes]), np.exp(logs[-2]), np.exp(logs[-1])
        r2 = np.zeros((n, n))
        for place, square, length in zip(places, squares, lengths, strict=True):
            r2 += (square / length**2).ravel()[place]
        r = np.sqrt(2 * _SMOOTHNESS * r2)
        decay = variance * np.exp(-r)
        gram = (1 + r + r**2 / 3) * decay
        factor = cho_factor(gram + noise * np.eye(n) + 1.0, lower=True)  # a constant of variance 1
        inverse = cho_solve(factor, np.eye(n))
        alpha = inverse @ z
        value = 0.5 * z @ alpha + np.log(np.diag(factor[0])).sum()
        half = 0.5 * (inverse - np.outer(alpha, alpha))
        # d gram / d r2 = -(5/6) (1 + r) exp(-r), and r2 falls with the square of a length.
        weights = (half * (1 + r) * decay).ravel() * (2 * _SMOOTHNESS / 3)
        slopes = [
            np.bincount(place.ravel(), weights, square.size) @ (square / length**2).ravel()
            for place, square, length in zip(places, squares, lengths, strict=True)
        ]
        return float(value), np.array([*slopes, (half * gram).sum(), np.trace(half) * noise])

    start = np.array([0.0] * n_genes + [0.0, np.log(0.1)])
    bounds = [_LENGTHS] * n_genes + [_VARIANCES, _NOISES]
    found = minimize(
        loss, start, jac=True, method="L-BFGS-B", bounds=bounds, options={"maxiter": _STEPS}
    )
    whole = np.exp(found.x)
    return Settings(whole[:n_genes], float(whole[-2]), float(whole[-1]))


class Lattice:
    """The covariance of all architectures of a space, as an operator.

    Values of all architectures are vectors in the order of their codes, the last gene fastest.
    """

    def __init__(self, space: SearchSpace, settings: Settings) -> None:
        self.space, self.settings = space, settings
        self._sizes = space.gene_sizes

    def places(self, codes: NDArray[np.uint8]) -> NDArray[np.int64]:
        """Return the places of architectures in vectors of all, int64 [n]."""
        return np.asarray(np.ravel_multi_index(tuple(codes.T.astype(np.int64)), self._sizes))

    @cached_property
    def _parts(self) -> list[tuple[float, list[Floats]]]:
        """Weight and joined matrices of each Gaussian covariance of the mixture."""
        nodes, weights = roots_genlaguerre(_NODES, _SMOOTHNESS - 1)
        squares = distances(self.space)
        found = []
        weights = weights / weights.sum()
        kept = weights > _LEAST_WEIGHT
        for node, weight in zip(nodes[kept] / _SMOOTHNESS, weights[kept], strict=True):
            matrices = [
                np.exp(-square / (2 * node * length**2))
                for square, length in zip(squares, self.settings.lengths, strict=True)
            ]
            found.append((float(weight) * self.settings.variance, _joined(matrices)))
        return found

    def apply(self, values: Floats) -> Floats:
        """Return the covariance times values [size], with a constant of variance 1."""
        found = np.full(len(values), values.sum())
        for weight, matrices in self._parts:
            found += weight * _along_axes(matrices, values)
        return found

    def posterior(self, places: NDArray[np.int64], noise: Floats, z: Floats) -> Floats:
        """Return the posterior mean of all architectures: float64 [size].

        Parameters
        ----------
        places : ndarray of int64, shape (n,)
            Of what was measured, each once.
        noise : ndarray of float64, shape (n,)
            Variance of each measurement.
        z : ndarray of float64, shape (n,)
            What was measured.
        """

        def spread(x: Floats) -> Floats:
            whole = np.zeros(self.space.size)
            whole[places] = x
            return self.apply(whole)

        # Scaled such that the noise of each measurement is 1: fewer steps where it differs.
        root = 1.0 / np.sqrt(noise)
        found = _conjugate_gradients(lambda x: root * spread(root * x)[places] + x, root * z)
        return spread(root * found)

    def deviations(self, places: NDArray[np.int64], noise: Floats, of: NDArray[np.int64]) -> Floats:
        """Return the posterior standard deviation of architectures: float64 [m].

        Each is given its `_NEAREST` measurements only: what lies behind those tells little more,
        and can only lower it.

        Parameters
        ----------
        places, noise
            As for `posterior`.
        of : ndarray of int64, shape (m,)
            Places of the architectures.
        """
        settings = self.settings
        points = _points(self.space, settings)
        measured, wanted = points[places], points[of]
        count = min(_NEAREST, len(places))
        tree = cKDTree(measured)
        diagonal = np.arange(count)
        found = np.empty(len(of))
        for start in range(0, len(of), _BLOCK):
            block = wanted[start : start + _BLOCK]
            _, near = tree.query(block, k=range(1, count + 1))
            there = measured[near] - block[:, None]  # differences to the architecture itself
            square = (there**2).sum(axis=-1)
            inner = there @ there.transpose(0, 2, 1)
            gram = self._covariance(square[:, :, None] + square[:, None] - 2 * inner)
            gram[:, diagonal, diagonal] += noise[near]
            cross = self._covariance(square)
            known = (cross * np.linalg.solve(gram, cross[..., None])[..., 0]).sum(axis=1)
            found[start : start + _BLOCK] = settings.variance + 1.0 - known
        return np.sqrt(np.maximum(found, 0.0))

    def _covariance(self, r2: Floats) -> Floats:
        r = np.sqrt(2 * _SMOOTHNESS * np.maximum(r2, 0.0))
        return np.asarray(self.settings.variance * (1 + r + r * r / 3) * np.exp(-r) + 1.0)


def _points(space: SearchSpace, settings: Settings) -> Floats:
    """Return points whose distances are those of the architectures, in lengths: [size, d]."""
    codes = np.indices(space.gene_sizes).reshape(space.n_genes, -1)
    columns = []
    for gene, square, length, code in zip(
        space.genes, distances(space), settings.lengths, codes, strict=True
    ):
        if len(gene) > 2 and square[0].max() == square[0, 1]:  # all one apart
            columns.extend(np.eye(len(gene))[code].T * np.sqrt(0.5) / length)
        else:
            columns.append(np.sqrt(square[0])[code] / length)
    return np.stack(columns, axis=1)


def _conjugate_gradients(system: Callable[[Floats], Floats], right: Floats) -> Floats:
    """Solve a positive definite system."""
    found = np.zeros_like(right)
    residual, step = right.copy(), right.copy()
    size = float(residual @ residual)
    least = _TOLERANCE**2 * size
    for _ in range(_MOST_STEPS):
        if size <= least:
            break
        image = system(step)
        length = size / float(step @ image)
        found += length * step
        residual -= length * image
        before, size = size, float(residual @ residual)
        step = residual + size / before * step
    return found


def _joined(matrices: list[Floats]) -> list[Floats]:
    """Join neighbouring axes up to `_AXIS`: the product over them is their Kronecker product."""
    found = [matrices[0]]
    for matrix in matrices[1:]:
        if len(found[-1]) * len(matrix) <= _AXIS:
            found[-1] = np.asarray(np.kron(found[-1], matrix), dtype=np.float64)
        else:
            found.append(matrix)
    return found


def _along_axes(matrices: list[Floats], values: Floats) -> Floats:
    """Multiply each axis of values [size] by its matrix."""
    found: Floats = values
    after = len(values)
    for matrix in matrices:
        after //= len(matrix)
        rows = found.reshape(-1, len(matrix), after)
        found = np.asarray(np.matmul(matrix, rows), dtype=np.float64)
    return found.ravel()
