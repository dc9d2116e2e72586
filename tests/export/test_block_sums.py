"""Robust sums over blocks: what they recover, and what they let pass."""

from __future__ import annotations

import numpy as np
import pytest
from anb_export.artifacts.measured_spaces import ofa_forms, terms_of
from anb_export.tables.rounded_tables import rounded_tables
from anb_export.training.block_sums import (
    Form,
    Part,
    choose,
    fit,
    folds,
    members,
    out_of_fold,
)

from anb_onnx.encoding.encoding import codes_to_symbols
from anb_onnx.spaces.architecture import sample
from anb_onnx.spaces.nasbench201 import NASBENCH201
from anb_onnx.spaces.ofa import OFA
from anb_onnx.terms import Terms

SINGLES = Form("singles", NASBENCH201, [Part((b,), np.eye(5)) for b in range(6)])
CONSTANT = Form("constant", NASBENCH201, [Part((0,), np.ones((5, 1)))])


def measured(noise: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Codes, what they cost, and measurements of it: one in ten is three times as large."""
    rng = np.random.default_rng(0)
    codes = sample(800, seed=1, space=NASBENCH201)
    cost = rng.uniform(1, 3, size=(6, 5))
    true = cost[np.arange(6), codes].sum(axis=1)
    found = true * (1 + noise * rng.standard_normal(len(true)))
    found[rng.random(len(true)) < 0.1] *= 3
    return codes, true, found


def test_one_in_ten_that_is_off_by_a_factor_changes_little() -> None:
    codes, true, found = measured(0.01)
    design = SINGLES.design(codes)
    robust = design @ fit(design, found, 1e-6)
    plain = design @ np.linalg.lstsq(design, found, rcond=None)[0]
    assert np.abs(robust / true - 1).mean() < 0.004
    assert np.abs(plain / true - 1).mean() > 0.1


def test_the_form_that_predicts_held_out_rows_is_chosen() -> None:
    codes, _, found = measured(0.01)
    form, ridge, error = choose([CONSTANT, SINGLES], codes, found)
    assert form is SINGLES
    assert ridge < 10
    assert 0.05 < error < 0.12  # the tenth that is off by two thirds, and little else


def test_folds_are_a_partition_and_always_the_same() -> None:
    parts = folds(103, 5)
    assert sorted(np.concatenate(parts).tolist()) == list(range(103))
    assert {len(part) for part in parts} == {20, 21}
    assert all(np.array_equal(a, b) for a, b in zip(parts, folds(103, 5), strict=True))
    assert not np.array_equal(parts[0], folds(103, 5, seed=1)[0])


def test_what_is_out_of_fold_was_not_seen() -> None:
    """An error in one row moves its own prediction only by way of others, which is not at all."""
    codes, _, found = measured(0.01)
    design = SINGLES.design(codes)
    held = folds(len(found))[2]
    changed = found.copy()
    changed[held] *= 1.7
    before = out_of_fold(design, found, 1.0, 2)
    after = out_of_fold(design, changed, 1.0, 2)
    assert np.array_equal(before[held], after[held])
    rest = np.setdiff1d(np.arange(len(found)), held)
    assert not np.isclose(before[rest], after[rest]).all()


def test_members_have_missed_different_rows() -> None:
    codes, _, found = measured(0.01)
    coefficients = members(SINGLES.design(codes), found, 1.0, 4, seed=0)
    assert coefficients.shape == (30, 4)
    assert len({column.tobytes() for column in coefficients.T}) == 4


@pytest.mark.parametrize("number", [0, 1])
def test_tables_of_once_for_all_are_the_sums_of_the_form(number: int) -> None:
    form = ofa_forms()[number]
    symbols = codes_to_symbols(sample(200, seed=3, space=OFA), OFA)
    coefficients = np.random.default_rng(4).uniform(0, 2, size=(form.width, 3))
    terms = terms_of(form)
    tables = form.tables(coefficients, terms)
    ensemble = rounded_tables(tables, terms)
    found = ensemble.totals(symbols) * ensemble.scale + ensemble.shift
    np.testing.assert_allclose(found, form.design(symbols) @ coefficients, rtol=1e-7)
    # Each entry is off by half a step at most.
    bound = len(terms) * ensemble.scale / 2
    assert np.abs(found - form.design(symbols) @ coefficients).max() <= bound * 1.001


@pytest.mark.parametrize("number", [0, 1])
def test_layers_behind_the_depth_of_their_unit_count_nothing(number: int) -> None:
    form = ofa_forms()[number]
    codes = sample(50, seed=5, space=OFA)
    other = codes.copy()
    rng = np.random.default_rng(6)
    for unit in range(5):
        for layer in range(4):
            dead = layer >= codes[:, 1 + unit] + 2
            column = 6 + 2 * (4 * unit + layer)
            other[dead, column : column + 2] = rng.integers(0, 3, size=(dead.sum(), 2))
    assert not np.array_equal(codes, other)
    one, two = (form.design(codes_to_symbols(c, OFA)) for c in (codes, other))
    np.testing.assert_array_equal(one, two)


def test_a_form_needs_terms_that_hold_its_blocks() -> None:
    form = Form("pair", NASBENCH201, [Part((0, 1), np.eye(25))])
    with pytest.raises(ValueError, match=r"no term holds the blocks \(0, 1\)"):
        form.tables(np.zeros((25, 1)), Terms.of_order(NASBENCH201, 1))


@pytest.mark.parametrize("size", [1e-6, 1.0, 1e9])
def test_rounded_tables_use_the_range_of_int32(size: float) -> None:
    values = np.random.default_rng(7).uniform(0, size, size=(30, 2))
    ensemble = rounded_tables(values, Terms.of_order(NASBENCH201, 1))
    codes = sample(100, seed=8, space=NASBENCH201)
    wanted = values.reshape(6, 5, 2)[np.arange(6), codes].sum(axis=1)
    found = ensemble.totals(codes) * ensemble.scale + ensemble.shift
    np.testing.assert_allclose(found, wanted, atol=6 * ensemble.scale / 2)
    assert ensemble.scale < 6 * size / 2**30
    _ = ensemble.bounds  # refuses what could leave int32


def test_tables_that_are_all_the_same_are_rounded_to_it() -> None:
    ensemble = rounded_tables(np.full((30, 1), 0.3), Terms.of_order(NASBENCH201, 1))
    mean, _, _ = ensemble.predict(sample(5, seed=9, space=NASBENCH201))
    assert mean.tolist() == [np.float32(1.8)] * 5
