"""Latencies as sums over a few blocks: regression that wild measurements do not steer.

Layers run one after the other, so a latency is nearly a sum over layers. Errors are relative, and
a share of the published measurements is off by a multiple of the others' error: so the relative
error is taken to follow a Student t distribution with four degrees of freedom, whose tails forgive,
fitted by reweighted least squares with a ridge. Form and ridge are chosen on held-out folds.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from math import prod

import numpy as np
from numpy.typing import NDArray

from anb_onnx.spaces.space import SearchSpace
from anb_onnx.terms import Term, Terms

Floats = NDArray[np.float64]

#: Degrees of freedom, and rounds of reweighting: the weights stand still to three digits.
_FREEDOM = 4.0
_ROUNDS = 8

#: Ridges to choose from, in units of a row: what a column of ones in one row would weigh.
RIDGES = (0.01, 1.0, 10.0)

#: Folds of the pool; one is held out at a time.
N_FOLDS = 5


@dataclass(frozen=True, eq=False)
class Part:
    """A summand: a function of the symbols of a few blocks, linear in its coefficients.

    Attributes
    ----------
    blocks : tuple of int
    basis : ndarray of float64, shape (n_entries, k)
        For each combination of symbols, the last block fastest, what the coefficients weigh.
    """

    blocks: Term
    basis: Floats


@dataclass(frozen=True, eq=False)
class Form:
    """A sum of parts.

    Attributes
    ----------
    name : str
    space : SearchSpace
    parts : sequence of Part
    """

    name: str
    space: SearchSpace
    parts: Sequence[Part]

    @cached_property
    def width(self) -> int:
        """Number of coefficients."""
        return sum(part.basis.shape[1] for part in self.parts)

    def design(self, symbols: NDArray[np.integer]) -> Floats:
        """Return float64 [n, width]: what the coefficients weigh of architectures."""
        columns = []
        for part in self.parts:
            shape = [self.space.block_sizes[block] for block in part.blocks]
            index = np.ravel_multi_index(tuple(symbols[:, list(part.blocks)].T.astype(int)), shape)
            columns.append(part.basis[index])
        return np.concatenate(columns, axis=1)

    def tables(self, coefficients: Floats, terms: Terms) -> Floats:
        """Return the tables of coefficients [width, M] over terms: float64 [n_entries, M].

        Each part goes into the first of the smallest terms that hold its blocks.
        """
        entries = np.zeros((terms.n_entries, coefficients.shape[1]))
        start = 0
        for part in self.parts:
            stop = start + part.basis.shape[1]
            values = part.basis @ coefficients[start:stop]
            place = terms.covering(part.blocks)
            if place is None:
                msg = f"no term holds the blocks {part.blocks} of form {self.name!r}"
                raise ValueError(msg)
            term, shape = terms.blocks[place], terms.shapes[place]
            sizes = [n if b in part.blocks else 1 for b, n in zip(term, shape, strict=True)]
            table = entries[terms.offsets[place] : terms.offsets[place] + prod(shape)]
            table.reshape(*shape, -1)[...] += values.reshape(*sizes, -1)
            start = stop
        return entries


def fit(design: Floats, measured: Floats, ridge: float) -> Floats:
    """Return the coefficients, float64 [width], for measurements [n], all positive."""
    typical = float(np.exp(np.log(measured).mean()))
    rows = design * (typical / measured)[:, None]
    weights = np.ones(len(rows))
    found = np.zeros(rows.shape[1])
    for _ in range(_ROUNDS):
        weighted = rows * weights[:, None]
        gram = weighted.T @ rows
        gram[np.diag_indices_from(gram)] += ridge
        found = np.linalg.solve(gram, weighted.sum(axis=0))
        squares = (rows @ found - 1.0) ** 2
        # Residuals of zero would weigh infinitely much.
        variance = max(float(np.mean(weights * squares)), 1e-20)
        weights = (_FREEDOM + 1) / (_FREEDOM + squares / variance)
    return found * typical


def folds(n: int, n_folds: int = N_FOLDS, *, seed: int = 0) -> list[NDArray[np.int64]]:
    """Return a random partition of 0 to n - 1."""
    order = np.random.default_rng(seed).permutation(n)
    return [np.sort(part) for part in np.array_split(order, n_folds)]


def held_out_error(form: Form, ridge: float, symbols: NDArray[np.integer], y: Floats) -> float:
    """Return the mean absolute relative error on folds that the fit has not seen."""
    design = form.design(symbols)
    errors = []
    for held in folds(len(y)):
        rest = np.setdiff1d(np.arange(len(y)), held)
        predicted = design[held] @ fit(design[rest], y[rest], ridge)
        errors.append(np.abs(predicted / y[held] - 1))
    return float(np.concatenate(errors).mean())


def choose(
    forms: Sequence[Form], symbols: NDArray[np.integer], y: Floats
) -> tuple[Form, float, float]:
    """Return the form and the ridge with the least error on held-out folds, and that error."""
    tried = [
        (held_out_error(form, ridge, symbols, y), ridge, form) for form in forms for ridge in RIDGES
    ]
    error, ridge, form = min(tried, key=lambda found: found[0])
    return form, ridge, error


def members(design: Floats, y: Floats, ridge: float, n: int, *, seed: int) -> Floats:
    """Return coefficients float64 [width, n]: each member has not seen a fold of its own."""
    everything = np.arange(len(y))
    rests = [np.setdiff1d(everything, held) for held in folds(len(y), max(n, 2), seed=seed)[:n]]
    return np.stack([fit(design[rest], y[rest], ridge) for rest in rests], axis=1)


def out_of_fold(design: Floats, y: Floats, ridge: float, n: int) -> Floats:
    """Return float64 [len(y), n]: what ensembles of n members predict of folds none has seen."""
    found = np.zeros((len(y), n))
    for number, held in enumerate(folds(len(y))):
        rest = np.setdiff1d(np.arange(len(y)), held)
        found[held] = design[held] @ members(design[rest], y[rest], ridge, n, seed=1 + number)
    return found


@contextmanager
def one_thread() -> Iterator[None]:
    """Let the linear algebra of the block run in one thread, so that its bits are repeatable."""
    from threadpoolctl import threadpool_limits

    with threadpool_limits(limits=1):
        yield
