"""The Gaussian process over all architectures of a space: what dense matrices say, in small."""

from __future__ import annotations

import numpy as np
import pytest
from anb_export.training.lattice import Lattice, Settings, distances, settings_of
from anb_export.training.lattice_process import LatticeProcess, Scores

from anb_onnx.spaces.space import Block, Gene, SearchSpace

SPACE = SearchSpace(
    "small",
    (
        Block("rate", (Gene("rate", (0.001, 0.01, 0.1, 1.0), ordered=True),)),
        Block("layer", (Gene("op", ("conv", "pool", "skip")), Gene("size", ("s", "m", "l"), True))),
        Block("width", (Gene("width", (8, 16, 32, 64, 128)),)),
    ),
)
CODES = np.indices(SPACE.gene_sizes).reshape(SPACE.n_genes, -1).T.astype(np.uint8)
SETTINGS = Settings(np.array([0.8, 1.5, 0.7, 1.1]), 1.3, 0.05)


def dense(settings: Settings) -> np.ndarray:
    """The covariance of all architectures, from the distances of their genes."""
    r2 = np.zeros((SPACE.size, SPACE.size))
    for codes, square, length in zip(CODES.T, distances(SPACE), settings.lengths, strict=True):
        r2 += square[np.ix_(codes, codes)] / length**2
    r = np.sqrt(5 * r2)
    return np.asarray(settings.variance * (1 + r + r * r / 3) * np.exp(-r) + 1.0)


def test_ordered_genes_have_distances_and_names_are_one_apart() -> None:
    rate, op, size, width = distances(SPACE)
    np.testing.assert_allclose(rate[0], np.array([0, 1, 2, 3]) ** 2 / 9)
    np.testing.assert_array_equal(op, 1 - np.eye(3))
    np.testing.assert_allclose(size[0], [0, 0.25, 1])
    np.testing.assert_allclose(width[1, 3], 0.25)


def test_the_operator_is_the_dense_covariance() -> None:
    lattice, rng = Lattice(SPACE, SETTINGS), np.random.default_rng(0)
    values = rng.standard_normal(SPACE.size)
    wanted = dense(SETTINGS) @ values
    assert np.abs(lattice.apply(values) - wanted).max() < 1e-3 * np.abs(values).sum()
    np.testing.assert_array_equal(lattice.places(CODES), np.arange(SPACE.size))


def test_the_posterior_is_that_of_dense_matrices() -> None:
    rng = np.random.default_rng(1)
    lattice, covariance = Lattice(SPACE, SETTINGS), dense(SETTINGS)
    places = rng.permutation(SPACE.size)[:16]
    noise = rng.uniform(0.02, 0.2, 16)
    z = np.sin(np.arange(16.0))
    gram = covariance[np.ix_(places, places)] + np.diag(noise)
    cross = covariance[:, places]
    mean = cross @ np.linalg.solve(gram, z)
    np.testing.assert_allclose(lattice.posterior(places, noise, z), mean, atol=0.01)
    variance = np.diag(covariance) - (cross * np.linalg.solve(gram, cross.T).T).sum(axis=1)
    # Of 16 measurements all are the nearest: here nothing is left out.
    found = lattice.deviations(places, noise, np.arange(SPACE.size))
    np.testing.assert_allclose(found, np.sqrt(variance), rtol=1e-6)


def test_lengths_are_found_from_what_the_process_itself_would_give() -> None:
    settings = Settings(np.array([0.5, 4.0, 4.0, 4.0]), 1.0, 0.01)
    rng = np.random.default_rng(2)
    root = np.linalg.cholesky(dense(settings) - 1.0 + 1e-9 * np.eye(SPACE.size))
    z = root @ rng.standard_normal(SPACE.size) + 0.1 * rng.standard_normal(SPACE.size)
    order = rng.permutation(SPACE.size)
    found = settings_of(SPACE, CODES[order], z[order])
    # The first gene matters most.
    assert found.lengths.argmin() == 0
    assert 0.2 < found.lengths[0] < 1.5
    assert 0.002 < found.noise < 0.05


def test_scores_are_normal_quantiles_and_come_back() -> None:
    values = np.array([3.0, 1e9, 1.0, 3.0, -2.0])
    scores = Scores.of(values)
    np.testing.assert_allclose(scores.forward(np.array([1.0])), [-0.5244], atol=1e-4)
    np.testing.assert_array_equal(scores.back(scores.forward(values)), values)
    # Nothing beyond what was measured.
    np.testing.assert_array_equal(scores.back(np.array([-9.0, 9.0])), [-2.0, 1e9])


@pytest.mark.parametrize("power", [1.0, 7.0])
def test_a_process_of_ranks_does_not_mind_a_monotone_map(power: float) -> None:
    rng = np.random.default_rng(3)
    values = 2 + np.cos(CODES @ np.array([0.5, 1.0, 0.2, 0.3])) + 0.05 * rng.random(SPACE.size)
    rows = rng.permutation(SPACE.size)[:120]
    process = LatticeProcess(SPACE, CODES[rows], values[rows] ** power, 0)
    middle = process.middle(CODES) ** (1 / power)
    low, high = process.members(CODES).T
    assert (low <= high).all()
    held = np.setdiff1d(np.arange(SPACE.size), rows)
    assert np.corrcoef(middle[held], values[held])[0, 1] > 0.97


def test_repeats_count_as_several_measurements_of_one() -> None:
    values = np.arange(SPACE.size, dtype=float)
    once = LatticeProcess(SPACE, CODES[:90], values[:90], 0, SETTINGS)
    twice = LatticeProcess(
        SPACE, np.repeat(CODES[:90], 2, axis=0), np.repeat(values[:90], 2), 0, SETTINGS
    )
    (_, std_of_once), (_, std_of_twice) = once.scored(CODES[:5]), twice.scored(CODES[:5])
    assert (std_of_twice < std_of_once).all()
