"""Architectures as numbers for learners, and the folds of a sample.

Genes with numbers or booleans for choices (kernel sizes, widths, whether a block squeezes) have
codes in a meaningful order: their codes are features as they stand. Names of operations have none,
and become one column for each choice.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from anb_export.predictors.contract import PredictorError, Sample
from anb_export.tables.encoder import Encoder, encoder_of
from anb_onnx.spaces.space import SearchSpace

Floats = NDArray[np.float64]

#: Folds of a sample, where it has as many architectures.
N_FOLDS = 5

#: Learns from features and values, and predicts for other features.
Learn = Callable[[Floats, Floats, Floats], Floats]


def is_ordered(space: SearchSpace) -> bool:
    """Say whether codes are in a meaningful order: no gene's choices are names."""
    return all(gene.kind != "str" for gene in space.genes)


def one_hot(codes: NDArray[np.uint8], space: SearchSpace) -> Floats:
    """Return float64 [n, sum of gene_sizes]: a column for each choice of each gene, 0 or 1."""
    starts = np.cumsum((0, *space.gene_sizes[:-1]))
    found = np.zeros((len(codes), sum(space.gene_sizes)))
    found[np.arange(len(codes))[:, None], starts + codes.astype(np.int64)] = 1.0
    return found


def features(codes: NDArray[np.uint8], space: SearchSpace) -> Floats:
    """Return float64 [n, d]: the codes where their order means something, else one-hot columns."""
    return codes.astype(np.float64) if is_ordered(space) else one_hot(codes, space)


@lru_cache(maxsize=8)
def encoder_for(space: SearchSpace) -> Encoder | None:
    """Return what makes the features in an artifact; None where they are the codes."""
    return None if is_ordered(space) else encoder_of(space, lambda codes: one_hot(codes, space))


def architectures(sample: Sample) -> NDArray[np.int64]:
    """Return int64 [n]: the number of each row's architecture, equal for repeated measurements.

    Raises
    ------
    PredictorError
        If all rows are of one architecture: nothing can be learned of others.
    """
    _, number = np.unique(sample.codes, axis=0, return_inverse=True)
    if not len(number) or number.max() == 0:
        msg = (
            f"all {len(sample)} measurements are of one architecture, of which nothing can be "
            "learned of others; measure at least two"
        )
        raise PredictorError(msg)
    return np.asarray(number, dtype=np.int64).reshape(-1)


def folds(sample: Sample, seed: int, most: int = N_FOLDS) -> list[NDArray[np.int64]]:
    """Return a random partition of the rows, repeats of an architecture together.

    There are as many folds as architectures, at most `most`.
    """
    number = architectures(sample)
    count = int(number.max()) + 1
    order = np.random.default_rng(seed).permutation(count)
    fold = np.empty(count, dtype=np.int64)
    fold[order] = np.arange(count) % min(most, count)
    return [np.flatnonzero(fold[number] == k) for k in range(min(most, count))]


def rest(n: int, held: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the rows from 0 to n - 1 that are not held."""
    kept = np.ones(n, dtype=np.bool_)
    kept[held] = False
    return np.flatnonzero(kept)


def out_of_fold(learn: Learn, x: Floats, y: Floats, parts: list[NDArray[np.int64]]) -> Floats:
    """Return float64 [n]: of each row, what is predicted by who learned from the other folds."""
    found = np.empty(len(y))
    for held in parts:
        kept = rest(len(y), held)
        found[held] = learn(x[kept], y[kept], x[held])
    return found


def scale_of(values: Floats) -> tuple[float, float]:
    """Return mean and standard deviation of values; 1 for that of constant ones."""
    mean = float(values.mean())
    std = float(values.std())
    # Constant values have one of rounding.
    return mean, std if std > 1e-12 * abs(mean) else 1.0
