"""What is proven of the bundled targets: whole, small, and what architectures at random say."""

from __future__ import annotations

import numpy as np
import pytest

import anb_onnx
from anb_onnx import exact
from anb_onnx.catalog.benchmarks import find_benchmark
from anb_onnx.catalog.truth_reader import read_truth

CATALOG = find_benchmark()
TARGETS = [target.name for target in CATALOG.targets]
RANDOM = 200_000


def test_all_targets_are_proven_in_three_megabytes() -> None:
    truths = read_truth(CATALOG.folder)
    assert truths is not None
    assert sorted(truths) == sorted(TARGETS)
    assert (CATALOG.folder / "truth.bin").stat().st_size < 3e6
    for name, truth in truths.items():
        assert truth.total == 104_485_552_128
        assert truth.counts is not None
        assert sum(truth.counts.tolist()) == truth.total
        assert len(truth.best) >= 4096
        assert truth.shards is not None
        assert truth.shards.size * len(truth.shards.digests) == truth.total
        assert list(truth.landmarks) == ["efficientnet-b0"]
        others = [other for other in TARGETS if other != "accuracy"]
        wanted = [("accuracy", o) for o in others if name in ("accuracy", o)]
        assert sorted(truth.fronts) == sorted(wanted)


@pytest.mark.parametrize("target", TARGETS)
def test_the_distribution_is_that_of_random_architectures(target: str) -> None:
    """Quantiles of random means are uniform: Kolmogorov and Smirnov, at one in 10^7."""
    with anb_onnx.load(target) as surrogate:
        codes = anb_onnx.sample(RANDOM, seed=2024, space=surrogate.space)
        mean = surrogate.query(codes).mean
        truth = surrogate.truth
        quantiles = np.sort(surrogate.quantile(mean))
        ranks = surrogate.rank(mean)
        least, most = surrogate.rank_bounds(mean)
        regret = surrogate.regret(mean)
    ideal = np.arange(1, RANDOM + 1) / RANDOM
    largest = float(np.sqrt(np.log(2 / 1e-7) / (2 * RANDOM)))
    assert truth.resolution is not None
    assert np.abs(quantiles - ideal).max() < largest + truth.resolution
    assert (regret >= 0).all()
    assert mean.min() >= min(truth.worst.value, truth.optimum.value)
    assert mean.max() <= max(truth.worst.value, truth.optimum.value)
    assert (least <= ranks).all()
    assert (ranks <= most).all()
    # Better means never have a higher rank.
    order = np.argsort(mean)
    steps = np.diff(ranks[order]) * (1 if truth.direction == "min" else -1)
    assert (steps >= 0).all()


@pytest.mark.parametrize("target", TARGETS)
def test_b0_is_where_its_landmark_says(target: str) -> None:
    with anb_onnx.load(target) as surrogate:
        mean = surrogate.query(anb_onnx.efficientnet_b0()).mean
        landmark = surrogate.truth.landmarks["efficientnet-b0"]
        assert landmark.value == mean
        assert surrogate.rank_bounds(mean) == (landmark.rank, landmark.rank)
        assert surrogate.rank(mean) == landmark.rank
        after = np.nextafter(mean, np.float32(np.inf))
        below = np.nextafter(mean, np.float32(-np.inf))
        share = surrogate.quantile(mean) - surrogate.quantile(below)
        assert share == pytest.approx(landmark.equal / surrogate.space.size, abs=1e-15)
        worse = after if surrogate.target.direction == "min" else below
        assert surrogate.rank(worse) == landmark.rank + landmark.equal


def test_no_random_architecture_dominates_a_front() -> None:
    codes = anb_onnx.sample(RANDOM, seed=7, space=CATALOG.space)
    found = anb_onnx.Benchmark().query(codes)
    truths = read_truth(CATALOG.folder)
    assert truths is not None
    for pair, front in truths["accuracy"].fronts.items():
        sign = [1 if truths[name].direction == "max" else -1 for name in pair]
        accuracy, other = (found[name].mean * s for name, s in zip(pair, sign, strict=True))
        points = front.values * np.array(sign, dtype=np.float32)
        # The best of the other target among points with at least as much accuracy.
        best = np.concatenate([[-np.inf], np.maximum.accumulate(points[:, 1])])
        place = np.searchsorted(-points[:, 0], -accuracy, side="right")
        assert (other <= best[place]).all(), pair


def test_the_optimum_is_proven_once_more() -> None:
    truth = anb_onnx.load("accuracy").truth
    found = exact.optimum("accuracy")
    assert found.solutions[0].value == truth.optimum.value
    assert truth.optimum.architectures == (found.solutions[0].architecture,)
