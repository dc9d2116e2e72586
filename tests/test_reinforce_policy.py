"""The policy of REINFORCE by itself: its layout, its draws, its gradient."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from random_spaces import BEYOND_64_BITS, LARGE_BLOCK, ONE_BLOCK, spaces

from anb_onnx import MNASNET, Block, Gene, SearchSpace
from anb_onnx.errors import SearchError
from anb_onnx.search.controller import Controller, Layout
from anb_onnx.search.policy import PolicyGradient


def generator(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def test_the_layout_for_mnasnet_is_that_of_the_reference() -> None:
    layout = Layout.of(MNASNET)
    assert layout.n_rows == 11
    assert sorted(layout.sizes) == [2, 2, 3, 3, 4]
    assert layout.offsets == (0, 3, 5, 9) * 7  # expansion, kernel, layers, squeeze-and-excitation
    four_layers = [g for g, d in enumerate(layout.decoders) if layout.sizes[d] == 4]
    assert [MNASNET.gene_names[gene] for gene in four_layers] == ["block5_l"]
    # Its LSTM cell, its embedding and five linear decoders.
    parameters = 400 * (32 + 100 + 2) + 11 * 32 + 101 * (3 + 2 + 3 + 4 + 2)
    assert len(Controller(MNASNET, generator()).vector) == parameters


def test_parameters_at_first() -> None:
    controller = Controller(MNASNET, generator())
    for name, part in controller.parts.items():
        if name[:5] == "bias_" and name[5:].isdigit():
            assert not part.any()
        else:
            assert -0.1 <= part.min() < -0.05
            assert 0.05 < part.max() <= 0.1


@given(spaces(max_blocks=3, max_choices=5), st.integers(0, 5), st.integers(0, 2**32))
def test_any_space(space: SearchSpace, n: int, seed: int) -> None:
    layout = Layout.of(space)
    for gene, decoder, offset in zip(space.genes, layout.decoders, layout.offsets, strict=True):
        assert layout.sizes[decoder] == len(gene)
        assert 0 <= offset <= layout.n_rows - len(gene)
    controller = Controller(space, generator(seed), hidden_size=3, embedding_size=2)
    episodes = controller.sample(n, generator(seed))
    assert episodes.codes.dtype == np.uint8
    assert (episodes.codes < np.array(space.gene_sizes)).all()
    again = controller.read(episodes.codes)
    np.testing.assert_array_equal(again.log_p, episodes.log_p)
    np.testing.assert_allclose(np.exp(again.log_p), episodes.p, rtol=1e-13)


@pytest.mark.parametrize(
    "space", [ONE_BLOCK, LARGE_BLOCK, BEYOND_64_BITS, MNASNET], ids=lambda space: space.name
)
def test_the_gradient_by_finite_differences(space: SearchSpace) -> None:
    rng = generator(1)
    controller = Controller(space, rng, hidden_size=5, embedding_size=4)
    vector = controller.vector
    vector *= 8.0  # so that no derivative is lost beside 1
    codes, advantages = controller.sample(4, rng).codes, rng.normal(size=4)

    def loss() -> float:
        return controller.loss(controller.read(codes), advantages, 0.7)

    loss()
    gradient = controller.gradient(controller.read(codes), advantages, 0.7)
    for number in rng.permutation(len(vector))[:60].tolist():
        value, step = vector[number], 1e-5
        vector[number] = value + step
        above = loss()
        vector[number] = value - step
        below = loss()
        vector[number] = value
        assert gradient[number] == pytest.approx((above - below) / (2 * step), abs=2e-8)


def test_only_the_last_episodes_have_a_gradient() -> None:
    controller = Controller(ONE_BLOCK, generator())
    old = controller.sample(2, generator())
    controller.read(old.codes)
    with pytest.raises(SearchError, match="last"):
        controller.gradient(old, np.zeros(2), 0.0)


def test_draws_are_as_probable_as_the_policy_says() -> None:
    """All six architectures of a space, 30,000 draws: Pearson's chi-square, 5 degrees."""
    controller = Controller(ONE_BLOCK, generator(2))
    controller.vector *= 20.0  # else all are nearly as probable
    all_codes = np.array([[x, y] for x in range(2) for y in range(3)], np.uint8)
    p = np.exp(controller.read(all_codes).log_p.sum(axis=1))
    assert p.sum() == pytest.approx(1.0, abs=1e-12)
    assert p.max() > 2 * p.min()
    n = 30_000
    drawn = controller.sample(n, generator(3)).codes
    counts = np.bincount(drawn[:, 0] * 3 + drawn[:, 1], minlength=6)
    assert (((counts - n * p) ** 2) / (n * p)).sum() < 20.5  # exceeded once in 1,000


def test_fewer_draws_are_the_first_of_more() -> None:
    controller = Controller(MNASNET, generator())
    few, many = (controller.sample(n, generator(4)).codes for n in (3, 8))
    np.testing.assert_array_equal(few, many[:3])


def test_a_policy_learns_the_better_choice_of_every_gene() -> None:
    space = SearchSpace("bits", tuple(Block(f"b{i}", (Gene(f"g{i}", (0, 1)),)) for i in range(6)))
    rng = generator(5)
    controller = Controller(space, rng)
    policy = PolicyGradient(controller, learning_rate=0.01)
    for _ in range(200):
        episodes = controller.sample(6, rng)
        policy.learn(episodes, episodes.codes.sum(axis=1).astype(float))
    assert controller.read(np.ones((1, 6), np.uint8)).p.min() > 0.97


def test_a_policy_that_is_sure_of_everything_stays_one() -> None:
    controller = Controller(MNASNET, generator())
    controller.vector *= 1e6
    episodes = controller.sample(50, generator())
    assert episodes.p.max() == 1.0
    assert np.isfinite(episodes.log_p).all()
    gradient = controller.gradient(episodes, np.ones(50), 0.1)
    assert np.isfinite(gradient).all()
    controller.parts["bias_0"][0] = np.inf
    with (
        np.errstate(invalid="ignore"),
        pytest.raises(SearchError, match="a smaller learning_rate mends it"),
    ):
        controller.sample(50, generator())


def test_the_baseline_is_an_average_of_rewards_in_their_order() -> None:
    policy = PolicyGradient(Controller(ONE_BLOCK, generator()), baseline_decay=0.5)
    assert policy.observe(np.array([4.0])) == 4.0
    assert policy.observe(np.array([8.0, 2.0])) == 4.0
    assert policy.observe(np.array([])) == 4.0


SCRIPT = """
import hashlib, numpy as np
from anb_onnx import MNASNET
from anb_onnx.search.controller import Controller
from anb_onnx.search.policy import PolicyGradient
rng = np.random.default_rng(0)
controller = Controller(MNASNET, rng)
policy = PolicyGradient(controller)
for n in (6, 6, 40):
    episodes = controller.sample(n, rng)
    policy.learn(episodes, rng.normal(size=n))
print(hashlib.sha256(controller.vector).hexdigest())
"""


def test_the_number_of_threads_of_blas_makes_no_difference() -> None:
    found = set()
    for threads in ("1", "2"):
        variables = {"OPENBLAS_NUM_THREADS": threads, "OMP_NUM_THREADS": threads}
        run = subprocess.run(
            [sys.executable, "-c", SCRIPT],
            capture_output=True,
            text=True,
            check=True,
            env={**os.environ, **variables},
        )
        found.add(run.stdout)
    assert len(found) == 1
