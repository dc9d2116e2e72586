"""Designs: each choice against the mean variance by brute force; what `suggest` promises."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from few_shot_dense import SMALL, Dense, everything, random_counts, random_source

import anb_onnx
from anb_onnx.errors import MeasurementError
from anb_onnx.few_shot.basis import bases_of
from anb_onnx.few_shot.design import _LOOKED_AT, _NOISE, _likeliest, design
from anb_onnx.few_shot.posterior import settings


def test_every_choice_lessens_the_mean_variance_most() -> None:
    sources = [random_source(SMALL, seed) for seed in (1, 2)]
    counts = random_counts(SMALL, 5)
    bases = bases_of(SMALL, sources, counts)
    prior = np.random.default_rng(0).dirichlet(np.ones(len(settings())), 1)
    rng = np.random.default_rng(1)
    candidates = rng.permutation(everything(SMALL))[:12]
    measured = everything(SMALL)[[5, 77]]
    found = design(bases, prior, candidates, 3, measured, np.random.default_rng(2))
    reference = bases[0].reference
    looked_at = reference[np.random.default_rng(2).permutation(len(reference))[:_LOOKED_AT]]
    dense = Dense(SMALL, sources, counts, reference)
    ((_, variances, _),) = _likeliest(bases, prior)

    def left(symbols: np.ndarray) -> float:
        known = dense.kernel(variances, symbols, symbols)
        known += np.diag(_NOISE**2 * (dense.mean(symbols) ** 2 + 1) / 2)
        across = dense.kernel(variances, looked_at, symbols)
        gain = (across * np.linalg.solve(known, across.T).T).sum(axis=1)
        return -float((gain / dense.mean(looked_at) ** 2).mean())

    taken = list(measured)
    for number in found:
        rest = [k for k in range(12) if not any((candidates[k] == t).all() for t in taken)]
        lefts = {k: left(np.array([*taken, candidates[k]])) for k in rest}
        assert lefts[int(number)] == pytest.approx(min(lefts.values()), rel=1e-9)
        taken.append(candidates[number])
    values = [left(np.array(taken[: k + 2])) for k in range(4)]
    assert all(a >= b for a, b in pairwise(values))


def test_fewer_are_the_first_of_more() -> None:
    candidates = anb_onnx.sample(200, seed=1, space=anb_onnx.MNASNET)
    more = anb_onnx.suggest(10, candidates=candidates, seed=4)
    few = anb_onnx.suggest(5, candidates=candidates, seed=4)
    np.testing.assert_array_equal(few, more[:5])
    assert len(np.unique(more, axis=0)) == 10
    others = anb_onnx.suggest(10, candidates=candidates, measured=few, seed=4)
    assert not {row.tobytes() for row in few} & {row.tobytes() for row in others}


def test_all_of_a_small_space_and_no_more() -> None:
    found = anb_onnx.suggest(SMALL.size, space=SMALL, seed=3)
    assert len(np.unique(found, axis=0)) == SMALL.size
    np.testing.assert_array_equal(found, anb_onnx.suggest(SMALL.size, space=SMALL, seed=3))
    rest = anb_onnx.suggest(SMALL.size - 9, space=SMALL, measured=found[:9])
    assert len(np.unique(np.concatenate([rest, found[:9]]), axis=0)) == SMALL.size
    with pytest.raises(MeasurementError, match=f"there are {SMALL.size} to choose from"):
        anb_onnx.suggest(SMALL.size + 1, space=SMALL)
    assert anb_onnx.suggest(0, space=SMALL).shape == (0, SMALL.n_genes)
