"""TaskSet's runs on their finite space, and the catalog of their curves."""

from __future__ import annotations

import numpy as np
import pytest
from anb_export.curves.taskset_catalog import N_FOLDS, learn_and_test, level_features
from anb_export.data.dataset import DatasetError
from anb_export.data.taskset import (
    TASKSET_ADAM8P,
    TaskSet,
    level_logarithms,
    logarithms,
    nearest,
    read_taskset,
)
from measured_data import need_data

from anb_onnx.spaces.architecture import sample

DEFAULTS = np.array([[1e-3, 0.9, 0.999, 1e-8, 1e-6, 1e-6, 1e-6, 1e-5]])


def test_levels_are_ordered_floats_and_round_to_themselves() -> None:
    assert all(gene.ordered and gene.kind == "float" for gene in TASKSET_ADAM8P.genes)
    codes = sample(200, seed=0, space=TASKSET_ADAM8P)
    values = np.array(
        [[g.choices[c] for g, c in zip(TASKSET_ADAM8P.genes, row, strict=True)] for row in codes],
        dtype=np.float64,
    )
    found = nearest(values)
    assert np.array_equal(found.codes, codes)
    assert found.decades.max() < 1e-9


def test_rounding_is_to_the_nearest_and_says_how_far() -> None:
    found = nearest(DEFAULTS)
    for k, levels in enumerate(level_logarithms()):
        apart = np.abs(logarithms(DEFAULTS)[0, k] - levels)
        assert apart[found.codes[0, k]] == apart.min() == found.decades[0, k]
    assert found.decades.max() > 0.1


@pytest.mark.parametrize(
    ("column", "value", "said"),
    [(0, 0.0, "learning_rate must be above 0"), (1, 1.0, "beta1 must be between 0 and 1")],
)
def test_what_is_no_hyper_parameter_is_refused(column: int, value: float, said: str) -> None:
    wrong = DEFAULTS.copy()
    wrong[0, column] = value
    with pytest.raises(DatasetError, match=f"row 0: {said}"):
        nearest(wrong)
    with pytest.raises(DatasetError, match=r"must be an array \[n, 8\]"):
        nearest(DEFAULTS[:, :7])


def test_diverged_runs_count_as_not_begun() -> None:
    losses = np.full((1, 4, 3, 3), 0.5)
    losses[0, :, :, 0] = 0.7
    losses[0, 1, 1, 1:] = (np.nan, np.inf)
    losses[0, 2, 1, 2] = 900.0
    data = TaskSet(
        ("task",), np.repeat(DEFAULTS, 4, axis=0), 200.0 * np.arange(3, dtype=np.float64), losses
    )
    curves, limit = data.curves(0, "valid", np.arange(4))
    assert limit == 0.7
    assert curves.tolist() == [[0.7, 0.5, 0.5], [0.7, 0.7, 0.7], [0.7, 0.5, 0.7], [0.7, 0.5, 0.5]]


def test_the_split_is_fixed_and_by_configuration() -> None:
    pool, test = learn_and_test(1000)
    assert (len(pool), len(test)) == (800, 200)
    assert not set(pool.tolist()) & set(test.tolist())
    assert [len(part) for part in np.array_split(pool, N_FOLDS)] == [100] * 8
    # Known beforehand: another order would be another test.
    assert test[:6].tolist() == TEST_ROWS


TEST_ROWS = [2, 8, 12, 13, 19, 25]


def test_published_runs_are_read_and_lie_near_to_levels() -> None:
    folder = need_data("seeds/taskset_rnn_text.npz") / "seeds"
    data = read_taskset(folder)
    assert len(data.tasks) == 12
    assert data.losses.shape == (12, 1000, 3, 51)
    found = nearest(data.hyper_parameters)
    # Levels of the rate are a third of a decade apart, where it matters.
    assert found.decades[:, 0].mean() < 0.12
    assert level_features(found.codes).shape == (1000, 12)
