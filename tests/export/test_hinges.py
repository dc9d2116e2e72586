"""Hinges fitted to maps that are known, and to those where there is nothing to fit."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from anb_export.training import hinges as module
from anb_export.training.hinges import (
    Hinges,
    apply_hinges,
    cross_fitted,
    fit_hinges,
    fit_regime,
)

from anb_onnx.links import Link
from anb_onnx.spaces.architecture import sample
from anb_onnx.spaces.mnasnet import MNASNET


def saturating(x: np.ndarray) -> np.ndarray:
    """A device at its limit: from 2000 on, a tenth of the slope."""
    bent: np.ndarray = np.minimum(x, 2000.0) + 0.1 * np.maximum(x - 2000.0, 0.0)
    return bent


def two_levels(x: np.ndarray) -> np.ndarray:
    bent: np.ndarray = np.interp(x, [0, 1000, 1800, 2600, 4000], [0, 1000, 1240, 2440, 2580])
    return bent


MAPS = {"saturating": saturating, "two levels": two_levels}
BY_MAP = pytest.mark.parametrize("true", MAPS.values(), ids=MAPS)


def draw(
    true: Callable[[np.ndarray], np.ndarray], n: int = 3000, noise: float = 30.0, seed: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    """Predictions, and measurements that follow them by the map."""
    rng = np.random.default_rng(seed)
    predicted = rng.uniform(500, 3500, n)
    return predicted, true(predicted) + noise * rng.normal(size=n)


def rms(error: np.ndarray) -> float:
    return float(np.sqrt(np.mean(error**2)))


@BY_MAP
def test_known_maps_are_recovered(true: Callable[[np.ndarray], np.ndarray]) -> None:
    predicted, measured = draw(true)
    hinges = fit_hinges(predicted, measured)
    assert len(hinges) in (4, 8, 12)
    fresh, _ = draw(true, seed=1)
    before, after = rms(fresh - true(fresh)), rms(apply_hinges(fresh, hinges) - true(fresh))
    assert before > 300
    # Between two knots, at most 750 apart, a corner of the map is cut.
    assert after < 25
    inside = fresh[(fresh > 600) & (fresh < 1000)]
    assert rms(apply_hinges(inside, hinges) - inside) < 15
    # Held-out measurements are as close as their noise allows.
    _, noisy = draw(true, seed=1)
    assert rms(apply_hinges(fresh, hinges) - noisy) < 1.25 * 30


def test_a_map_with_its_corners_at_the_knots_is_found() -> None:
    """Four hinges stand at the odd eighths of the predictions; more of them follow noise only."""
    predicted = np.linspace(0.0, 800.0, 8001)
    knots, slopes = np.array([100.0, 300.0, 500.0, 700.0]), np.array([0.5, 2.0, 0.25, 1.5])
    corners = np.array([100.0, 200.0, 600.0, 650.0, 800.0])  # by hand, from the slopes
    assert np.diff(corners).tolist() == [*(slopes[:3] * 200), slopes[3] * 100]
    true = np.interp(predicted, [0.0, *knots, 800.0], [0.0, *corners])
    hinges = fit_hinges(predicted, true + 10 * np.random.default_rng(6).normal(size=8001))
    assert len(hinges) == 4
    assert [knot for knot, _ in hinges] == pytest.approx(corners[:4], abs=2)
    changes = [0.5 - 1, 2.0 / 0.5 - 1, 0.25 / 2.0 - 1, 1.5 / 0.25 - 1]
    assert [change for _, change in hinges] == pytest.approx(changes, rel=0.05)
    np.testing.assert_allclose(apply_hinges(predicted, hinges), true, atol=2)


def two_kinds(
    n: int = 3000, noise: float = 30.0, limit: float = 1400.0, seed: int = 0
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Predictions, measurements, codes, and the map; block5_l = 4 has a limit of its own."""
    predicted, _ = draw(saturating, n, seed=seed)
    codes = sample(n, seed=seed, space=MNASNET)
    inside = codes[:, MNASNET.positions["block5_l"]] == 3
    true = np.where(inside, np.minimum(predicted, limit), saturating(predicted))
    return predicted, true + noise * np.random.default_rng(seed).normal(size=n), codes, true


def test_a_regime_is_found() -> None:
    predicted, measured, codes, true = two_kinds()
    hinges, regime = fit_regime(predicted, measured, codes, MNASNET)
    assert regime is not None
    assert (regime.gene, regime.codes) == ("block5_l", (3,))
    link = Link("1", None, hinges, regime)
    assert rms(link.inverse(predicted, codes, MNASNET) - true) < 25
    common = apply_hinges(predicted, fit_hinges(predicted, measured))
    assert rms(common - true) > 200
    # The hinges of the rest are those of the rest alone.
    inside = regime.contains(codes, MNASNET)
    assert hinges == fit_hinges(predicted[~inside], measured[~inside])
    # Both kinds keep their order.
    for rows in (inside, ~inside):
        y = link.inverse(np.sort(predicted[rows]), codes[rows], MNASNET)
        assert (np.diff(y) > 0).all()
    # Changes of nothing, where slopes are at their bound, are left out.
    assert all(abs(change) > 1e-9 for _, change in (*hinges, *regime.hinges))


@pytest.mark.parametrize("seed", range(3))
@BY_MAP
def test_no_regime_where_all_are_alike(true: Callable[[np.ndarray], np.ndarray], seed: int) -> None:
    predicted, measured = draw(true, seed=seed)
    hinges, regime = fit_regime(
        predicted, measured, sample(len(predicted), seed=seed, space=MNASNET), MNASNET
    )
    assert regime is None
    assert hinges == fit_hinges(predicted, measured)


def test_no_regime_of_a_few_rows() -> None:
    """Nor where there is nothing to gain at all."""
    predicted, measured, codes, _ = two_kinds(n=700)  # 175 with four layers
    _, regime = fit_regime(predicted, measured, codes, MNASNET)
    assert regime is None or regime.gene != "block5_l"
    assert fit_regime(predicted, predicted, codes, MNASNET) == ((), None)


@BY_MAP
def test_ranks_are_kept(true: Callable[[np.ndarray], np.ndarray]) -> None:
    predicted, measured = draw(true, noise=200.0)
    hinges = fit_hinges(predicted, measured)
    assert hinges
    wide = np.linspace(-1000.0, 9000.0, 20_001)  # far beyond what was fitted
    for x in (wide, np.sort(predicted)):
        assert (np.diff(apply_hinges(x, hinges)) > 0).all()


@pytest.mark.parametrize("sign", [0.0, -1.0])
def test_even_a_flat_or_falling_device_keeps_ranks(sign: float) -> None:
    """Slopes are at least 0.05: what the measurements say would lose the order."""
    predicted, measured = draw(lambda x: np.minimum(x, 1500) + sign * np.maximum(x - 1500, 0))
    hinges = fit_hinges(predicted, measured)
    x = np.linspace(500, 3500, 3001)
    slope = np.diff(apply_hinges(x, hinges))
    assert slope.min() == pytest.approx(0.05, rel=1e-3)
    assert slope.max() < 5.01


@pytest.mark.parametrize("noise", [1e-9, 1.0, 100.0])
def test_nothing_to_gain(noise: float) -> None:
    for seed in range(3):
        assert fit_hinges(*draw(lambda x: x, noise=noise, seed=seed)) == ()


def test_nothing_to_gain_from_perfect_predictions() -> None:
    predicted, _ = draw(saturating)
    assert fit_hinges(predicted, predicted) == ()


@pytest.mark.parametrize(("size", "kept"), [(0.5, False), (4.0, True)])
def test_small_gains_are_left(size: float, kept: bool) -> None:
    """Even if real: what is learned from fewer rows looks like a small bend, too."""
    predicted, measured = draw(lambda x: x - size * np.maximum(x - 2000, 0) / 15, 4000, 250)
    gain = 1 - 250 / rms(measured - predicted)  # of the true map
    assert gain > 0.05 if kept else gain < 0.01
    assert bool(fit_hinges(predicted, measured)) == kept


def skewed(share: float) -> tuple[np.ndarray, np.ndarray]:
    """Most measurements are as predicted; this share of them is 300 above."""
    predicted, measured = draw(lambda x: x, noise=5.0, seed=2)
    late = np.random.default_rng(9).random(len(predicted)) < share
    return predicted, measured + 300.0 * late


def test_squared_and_absolute_errors_count_alike() -> None:
    predicted, measured = skewed(0.1)
    error = measured - predicted
    # The mean of what is missed could be taken off: good for squares, bad for most rows.
    better, worse = rms(error - error.mean()) / rms(error), np.abs(error - error.mean()).mean()
    assert better < 0.96
    assert worse > 1.4 * np.abs(error).mean()
    assert fit_hinges(predicted, measured) == ()
    # Where nearly all are above, both errors gain.
    assert fit_hinges(*skewed(0.9))


def growing(n: int, noise: float, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Predictions over three decades, a map that halves the slope, errors in per cent."""
    rng = np.random.default_rng(seed)
    predicted = np.exp(rng.uniform(np.log(10), np.log(10_000), n))
    true = np.minimum(predicted, 100) + np.maximum(predicted - 100, 0) / 2
    return predicted, true * (1 + noise * rng.normal(size=n)), true


def fit_with(weightings: tuple[int, ...], predicted: np.ndarray, measured: np.ndarray) -> Hinges:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "_WEIGHTINGS", weightings)
        return fit_hinges(predicted, measured)


@pytest.mark.parametrize("seed", range(4))
def test_relative_errors_tell_more_where_errors_grow_with_the_value(seed: int) -> None:
    """A fit of the errors themselves follows the largest values and neglects the small ones."""
    predicted, measured, true = growing(4000, 0.1, seed)
    small, missed = predicted < 300, []
    for weighting in (0, 1):
        hinges = fit_with((weighting,), predicted, measured)
        missed.append(rms(apply_hinges(predicted, hinges)[small] / true[small] - 1))
    assert missed[1] < missed[0]
    assert missed[1] < 0.05 < 0.15 < rms(predicted[small] / true[small] - 1)


def test_the_weighting_is_chosen_by_what_it_gains() -> None:
    chosen = []
    for seed in range(6):
        predicted, measured, _ = growing(600, 0.5, seed)
        plain, relative = (fit_with((w,), predicted, measured) for w in (0, 1))
        assert plain != relative
        found = fit_hinges(predicted, measured)
        assert found in (plain, relative)
        chosen.append(found == relative)
    assert True in chosen
    assert False in chosen
    # Where the noise is the same everywhere, the plain fit is the best there is.
    predicted, measured = draw(saturating)
    assert fit_hinges(predicted, measured) == fit_with((0,), predicted, measured)


@pytest.mark.parametrize("low", [0.0, -0.5, -800.0])
@BY_MAP
def test_predictions_need_not_be_positive(
    true: Callable[[np.ndarray], np.ndarray], low: float
) -> None:
    """Errors relative to them mean nothing then; errors themselves still do."""
    predicted, measured = draw(true)
    predicted[17] = low
    with np.errstate(all="raise"):
        hinges = fit_hinges(predicted, measured)
    assert hinges == fit_with((0,), predicted, measured) != ()
    rest = np.delete(np.arange(len(predicted)), 17)
    after = rms(apply_hinges(predicted, hinges)[rest] - true(predicted)[rest])
    assert after < 25


#: Numbers of folds may be any, and their rows may lie anywhere.
FOLDS = np.array([7, 3, 20])[np.random.default_rng(8).integers(3, size=3000)]


@pytest.mark.parametrize("fold", [3, 7, 20])
@pytest.mark.parametrize("poison", [0.0, 1e5])
def test_what_a_fold_measured_does_not_correct_it(fold: int, poison: float) -> None:
    predicted, measured = draw(saturating)
    before = cross_fitted(predicted, measured, FOLDS)
    own = fold == FOLDS
    poisoned = np.where(own, poison, measured)
    after = cross_fitted(predicted, poisoned, FOLDS)
    np.testing.assert_array_equal(after[own], before[own])
    # The others learn from it: that the above can fail.
    for other in {3, 7, 20} - {fold}:
        assert (after[other == FOLDS] != before[other == FOLDS]).mean() > 0.8


def test_other_predictions_of_a_fold_do_not_change_how_it_is_corrected() -> None:
    predicted, measured = draw(saturating)
    own = FOLDS == 3
    before = cross_fitted(predicted, measured, FOLDS)
    moved = predicted.copy()
    moved[own] = moved[own][::-1]
    after = cross_fitted(moved, measured, FOLDS)
    np.testing.assert_array_equal(after[own], before[own][::-1])
    assert (after[~own] != before[~own]).mean() > 0.8


@BY_MAP
def test_cross_fitted_predictions_are_corrected(
    true: Callable[[np.ndarray], np.ndarray],
) -> None:
    predicted, measured = draw(true)
    copies = predicted.copy(), measured.copy(), FOLDS.copy()
    found = cross_fitted(predicted, measured, FOLDS)
    assert rms(predicted - measured) > 300
    assert rms(found - true(predicted)) < 25
    for array, copy in zip((predicted, measured, FOLDS), copies, strict=True):
        np.testing.assert_array_equal(array, copy)
    # Within a fold no rank changes.
    for fold in (3, 7, 20):
        rows = np.flatnonzero(fold == FOLDS)
        assert (np.diff(found[rows[np.argsort(predicted[rows])]]) > 0).all()


def test_a_bend_of_one_fold_alone_is_not_flattered() -> None:
    """Hinges fitted to all rows would correct it in part; the other folds know nothing of it."""
    predicted, _ = draw(saturating)
    folds = np.where(FOLDS == 3, 3, 20)  # the larger part is fold 20
    own = folds == 20
    measured = np.where(own, saturating(predicted), predicted)
    flattered = apply_hinges(predicted, fit_hinges(predicted, measured))
    found = cross_fitted(predicted, measured, folds)
    np.testing.assert_array_equal(found[own], predicted[own])
    assert rms((flattered - measured)[own]) < 0.9 * rms((found - measured)[own])


def test_cross_fitted_without_anything_to_gain() -> None:
    predicted, measured = draw(lambda x: x, noise=100.0)
    np.testing.assert_array_equal(cross_fitted(predicted, measured, FOLDS), predicted)


def test_deterministic() -> None:
    predicted, measured = draw(saturating)
    first = fit_hinges(predicted, measured)
    np.random.default_rng().normal(size=3)
    assert fit_hinges(predicted.copy(), measured.copy()) == first
    assert all(type(part) is float for hinge in first for part in hinge)
    # Six digits: the file does not depend on the last bits of a linear algebra library.
    assert all(float(f"{part:.6g}") == part for hinge in first for part in hinge)


def test_equal_predictions_make_equal_knots() -> None:
    """Where architectures share a prediction, quantiles coincide and segments are empty."""
    rng = np.random.default_rng(4)
    predicted = rng.choice([800.0, 1500.0, 2400.0, 3300.0], 2000)
    measured = saturating(predicted) + 20 * rng.normal(size=2000)
    hinges = fit_hinges(predicted, measured)
    assert hinges
    found = apply_hinges(np.unique(predicted), hinges)
    assert (np.diff(found) > 0).all()
    assert rms(apply_hinges(predicted, hinges) - saturating(predicted)) < 40


@pytest.mark.parametrize("hinges", [(), ((30.0, -0.5),), ((30.0, -0.5), (35.0, 2.0), (20.0, 0.1))])
def test_applied_as_links_do(hinges: Hinges) -> None:
    x = np.random.default_rng(5).uniform(0, 60, 500)
    np.testing.assert_array_equal(apply_hinges(x, hinges), Link("1", None, hinges).inverse(x))
    link, bare = Link("-1/4", 80.0, hinges), Link("-1/4", 80.0)
    u = bare.forward(x)
    np.testing.assert_array_equal(link.inverse(u), apply_hinges(bare.inverse(u), hinges))
