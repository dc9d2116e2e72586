"""Representations of curves: linear bases, gates, Bezier curves, tables of any function."""

from __future__ import annotations

import numpy as np
import pytest
from anb_export.curves.bases import CurveError, Floats, bernstein, principal
from anb_export.curves.bezier import bezier_curves, fit_bezier
from anb_export.curves.boosted import BoostSettings, Scale, fit_boosted, predict, tables_of
from anb_export.curves.forests import ForestSettings, adam_features, fit_forest
from anb_export.curves.projecting import at, projected
from anb_export.curves.scores import evaluate_curves
from anb_export.curves.two_part import TwoPart, gate_of, threshold
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from anb_onnx.encoding.encoding import codes_to_symbols
from anb_onnx.spaces.architecture import sample
from anb_onnx.spaces.space import Block, Gene, SearchSpace
from anb_onnx.terms import Terms

EPOCHS = np.arange(1.0, 28.0)
SPACE = SearchSpace(
    "curvy",
    tuple(
        Block(name, (Gene(name, tuple(range(size))),))
        for name, size in (("a", 4), ("b", 3), ("c", 5), ("d", 2))
    ),
)


def saturating(n: int, seed: int = 0) -> Floats:
    """Return n curves that rise towards different values at different rates."""
    rng = np.random.default_rng(seed)
    top, rate = rng.uniform(0.3, 1.0, (n, 1)), rng.uniform(0.05, 0.5, (n, 1))
    return np.asarray(top * (1 - np.exp(-rate * EPOCHS)))


@given(st.lists(st.floats(-100, 100), min_size=6, max_size=6))
def test_coefficients_of_a_polynomial_are_its_own(values: list[float]) -> None:
    basis = bernstein(EPOCHS)
    wanted = np.array([values])
    found = basis.coefficients(basis.curves(wanted))
    assert np.allclose(found, wanted, atol=1e-8)


def test_a_bernstein_polynomial_begins_and_ends_at_its_outer_coefficients() -> None:
    basis = bernstein(EPOCHS)
    curve = basis.curves(np.array([[3.0, 9.0, -4.0, 8.0, 1.0, 7.0]]))[0]
    assert curve[0] == 3.0
    assert curve[-1] == 7.0


def test_a_root_of_the_epoch_fits_what_saturates_better_than_the_epoch() -> None:
    curves = saturating(50)
    scores = []
    for power in (0.5, 1.0):
        basis = bernstein(EPOCHS, power=power)
        scores.append(evaluate_curves(curves, basis.curves(basis.coefficients(curves)))["r2"])
    assert scores[0] > scores[1] > 0.99


def test_principal_components_explain_most_and_are_scaled() -> None:
    curves = saturating(200)
    six = principal(curves, EPOCHS, 6)
    found = six.coefficients(curves)
    assert np.allclose(found.std(axis=0), 1.0)
    bernstein5 = bernstein(EPOCHS)
    of_bernstein = bernstein5.curves(bernstein5.coefficients(curves))
    assert ((six.curves(found) - curves) ** 2).sum() < ((of_bernstein - curves) ** 2).sum()


@pytest.mark.parametrize("count", [0, 28])
def test_as_many_components_as_there_are_epochs_at_most(count: int) -> None:
    with pytest.raises(CurveError, match="have no"):
        principal(saturating(200), EPOCHS, count)


def test_a_polynomial_needs_more_epochs_than_its_degree() -> None:
    with pytest.raises(CurveError, match="more than 5 increasing epochs"):
        bernstein(np.arange(5.0))


def test_the_threshold_parts_two_heaps() -> None:
    rng = np.random.default_rng(0)
    values = np.concatenate([rng.normal(0.1, 0.02, 30), rng.normal(0.9, 0.05, 70)])
    assert 0.2 < threshold(values) < 0.7
    with pytest.raises(CurveError, match="no two parts"):
        threshold(np.full(5, 0.3))


def test_two_parts_are_the_curve_at_rest_and_that_of_runs_that_train() -> None:
    trained, stuck = 0.6 + 0.3 * saturating(40), np.full((20, 27), 0.1)
    curves = np.concatenate([trained, stuck])
    parts = TwoPart.of(curves, bernstein(EPOCHS), rising=True)
    assert parts.trains(curves).tolist() == [True] * 40 + [False] * 20
    assert np.allclose(parts.rest, 0.1)
    coefficients = parts.basis.coefficients(trained[:3])
    # A gate beyond its ends counts as the end.
    shut, open_, half = (parts.curves(coefficients, np.full(3, g)) for g in (-2.0, 1.5, 0.5))
    assert np.allclose(shut, 0.1)
    assert np.allclose(open_, parts.basis.curves(coefficients))
    assert np.allclose(half, (shut + open_) / 2)


@given(st.floats(0.0, 1.0))
def test_gates_rise_with_the_share_and_meet_it_at_a_half(share: float) -> None:
    low, high = gate_of(np.array([share, 1.0]))
    assert low <= high
    assert gate_of(np.array([0.5]))[0] == 0.5


def test_scores_of_perfect_and_of_mean_curves() -> None:
    curves = saturating(60)
    perfect = evaluate_curves(curves, curves)
    assert perfect["r2"] == perfect["final_tau"] == perfect["r2_curve"] == 1.0
    mean = evaluate_curves(curves, np.broadcast_to(curves.mean(axis=0), curves.shape))
    assert mean["r2"] == pytest.approx(0.0)
    assert mean["final_tau"] == 0.0
    # The fall over the epochs alone is explained of pooled values.
    assert mean["r2_pooled"] > 0.1


def test_a_bezier_curve_goes_through_its_ends_and_near_what_it_was_fitted_to() -> None:
    curves = saturating(30)
    numbers = fit_bezier(curves)
    found = bezier_curves(numbers, 27)
    assert np.array_equal(found[:, 0], curves[:, 0])
    assert np.array_equal(found[:, -1], curves[:, -1])
    assert evaluate_curves(curves, found)["r2"] > 0.99


def test_equal_abscissae_make_a_bezier_curve_a_polynomial() -> None:
    y = np.array([0.1, 0.8, 0.2, 0.9, 0.3, 0.6])
    numbers = np.array([[y[0], y[5], 0.2, 0.4, 0.6, 0.8, *y[1:5]]])
    wanted = bernstein(EPOCHS, power=1.0).curves(y[None])
    assert np.allclose(bezier_curves(numbers, 27), wanted, atol=1e-9)


def test_adam_steps_by_the_rate_or_by_its_ratio_to_epsilon() -> None:
    logs = np.zeros((2, 8))
    logs[:, 0] = -3.0
    logs[:, 3] = (-9.0, 1.0)
    found = adam_features(logs)
    assert found[0, 8:].tolist() == [2.0, 1.0, 0.0, -1.0]
    assert found[1, 8:].tolist() == [-4.0] * 4


def test_one_forest_predicts_all_coefficients_and_repeats() -> None:
    codes = sample(200, seed=1, space=SPACE).astype(np.float64)
    labels = np.stack([codes.sum(axis=1), codes[:, 0]], axis=1)
    settings = ForestSettings(trees=20)
    found = fit_forest(codes, labels, settings, 3)(codes)
    assert found.shape == labels.shape
    assert np.array_equal(found, fit_forest(codes, labels, settings, 3)(codes))
    assert fit_forest(codes, labels[:, :1], settings, 3)(codes).shape == (200, 1)


def test_sums_of_tables_are_found_exactly_and_others_nearly() -> None:
    terms = Terms(SPACE, ((0, 2), (1,), (3,)))
    rng = np.random.default_rng(0)
    entries = rng.normal(size=(terms.n_entries, 2))
    codes = sample(500, seed=9, space=SPACE)
    found = projected(lambda some: at(entries, terms, some), terms, seed=0)
    assert np.allclose(at(found, terms, codes), at(entries, terms, codes), atol=1e-2)

    def product(some: NDArray[np.uint8]) -> Floats:
        return np.asarray(some[:, 0] * some[:, 1], dtype=np.float64)

    # What mixes blocks that no term holds is nobody's: its means are what is left.
    mixed = projected(lambda some: product(some)[:, None], terms, seed=0)
    error = at(mixed, terms, codes)[:, 0] - product(codes)
    assert 0.1 < np.sqrt((error**2).mean()) < 2.0


def test_no_entry_of_a_large_term_is_left_out() -> None:
    space = SearchSpace(
        "wide", tuple(Block(name, (Gene(name, tuple(range(20))),)) for name in ("p", "q", "r"))
    )
    terms = Terms(space, ((0, 1), (2,)))
    # Far from 0: an entry that nobody has seen would be far off.
    found = projected(lambda some: some.sum(axis=1, keepdims=True) + 1000.0, terms, seed=0)
    codes = sample(8000, seed=1, space=space)
    error = at(found, terms, codes)[:, 0] - (codes.sum(axis=1) + 1000.0)
    assert np.abs(error).max() < 5.0


def test_boosted_coefficients_are_tables_exactly() -> None:
    terms = Terms(SPACE, ((0, 1), (0, 2), (1, 2, 3)))
    codes = sample(400, seed=2, space=SPACE)
    x = codes.astype(np.float64)
    labels = x[:, 0] * x[:, 2] + x[:, 1] * 3.0 + x[:, 3]
    scale = Scale.of(labels)
    settings = BoostSettings(rounds=30, depth=4, rate=0.3)
    forests = [fit_boosted(codes, labels, scale, terms, settings, seed) for seed in range(2)]
    ensemble = tables_of(forests, scale, terms)
    _, _, members = ensemble.predict(codes_to_symbols(codes, SPACE))
    for m, forest in enumerate(forests):
        assert np.allclose(members[:, m], predict(forest, scale, codes), atol=1e-5)
    assert evaluate_curves(labels[:, None], predict(forests[0], scale, codes)[:, None])["r2"] > 0.9
