"""Noise between seeds: what is fitted to runs is what they were drawn with."""

from __future__ import annotations

import numpy as np
import pytest
from anb_export.data.run_figures import noise_figures, rank_figures
from anb_export.training.seed_noise import fit_seed_noise, means_of_runs, seed_coverage

from anb_onnx.errors import AnbError

N, SEEDS = 4000, 4


def drawn(share: float) -> tuple[np.ndarray, ...]:
    """Runs around a truth, predictions that miss it by `share`, and half of the noise there is."""
    rng = np.random.default_rng(0)
    truth, between = rng.uniform(5, 10, N), rng.uniform(0.1, 2.0, N)
    runs = truth[:, None] + between[:, None] * rng.standard_normal((N, SEEDS))
    mean = truth + share * rng.standard_normal(N)
    return runs, mean, np.zeros(N), between / 2


@pytest.mark.parametrize("share", [0.05, 0.5, 2.0])
def test_both_errors_are_told_apart(share: float) -> None:
    runs, mean, std, half = drawn(share)
    calibration, factor = fit_seed_noise(runs, mean, std, half)
    assert factor == pytest.approx(2.0, rel=0.15)
    scale = calibration.predictive_std(mean.astype(np.float32), std.astype(np.float32))
    assert np.sqrt(np.mean(scale**2)) == pytest.approx(share, rel=0.2, abs=0.1)
    for inside in seed_coverage(calibration, runs, mean, std, factor * half).values():
        assert inside["0.5"] == pytest.approx(0.5, abs=0.05)
        assert inside["0.9"] == pytest.approx(0.9, abs=0.03)


def test_five_runs_are_two_pairs_and_one_left() -> None:
    runs = np.array([[1.0, 3.0, 5.0, 7.0, 9.0]])
    found = means_of_runs(runs)
    assert {n: values.tolist() for n, values in found.items()} == {
        1: runs.tolist(),
        2: [[2.0, 6.0]],
        5: [[5.0]],
    }


def test_single_runs_tell_no_noise() -> None:
    runs, mean, std, half = drawn(0.1)
    with pytest.raises(AnbError, match="two runs or more of at least 200 configurations, found 1"):
        fit_seed_noise(runs[:, :1], mean, std, half)


def test_ceilings_are_what_one_run_reaches() -> None:
    runs, _, _, half = drawn(0.0)
    truth = runs.mean(axis=1)
    figures = rank_figures(runs, truth)
    # The prediction knows the run that is left out, and three others.
    assert figures["tau_rest"] > figures["tau_rest_of_run"] > figures["tau_run_of_run"]
    assert figures["tau_run"] > figures["tau_run_of_run"]
    assert figures["r2"] == 1.0
    assert figures["n"] == N
    own = rank_figures(runs, runs[:, 0])
    # A run is its own ceiling but where it is compared with itself.
    assert own["tau_rest"] > figures["tau_rest_of_run"]
    noise = noise_figures(runs, half)
    assert noise["spearman_pair"] > noise["spearman_pair_of_pair"] > 0.1
    assert noise["spearman_std"] > noise["spearman_pair"]
