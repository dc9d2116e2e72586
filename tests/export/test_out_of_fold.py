"""Out-of-fold ensembles: nobody sees the rows it is asked about, and nothing is done twice."""

from __future__ import annotations

import itertools
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from anb_export.data.dataset import Dataset
from anb_export.models.forest import Forest
from anb_export.training import out_of_fold, train_members
from anb_export.training.compact import CompactRecipe
from anb_export.training.out_of_fold import N_OOF_FOLDS, predict_out_of_fold
from anb_export.training.predictive_scale import OutOfFold

from anb_onnx.errors import AnbError
from anb_onnx.links import Link

from .pair_models import predict

RECIPE = CompactRecipe(
    Link("-1", 80.0),
    {
        "max_depth": 3,
        "learning_rate": 0.3,
        "min_child_weight": 1.0,
        "subsample": 0.9,
        "colsample_bynode": 0.8,
        "lambda": 1.0,
    },
    loss_scale=0.5,
    num_rounds=15,
    early_stopping_rounds=5,
)
SEEDS = (1, 2)
#: Members of all folds; rows of each fold, of a pool of one hundred.
ALL = N_OOF_FOLDS * len(SEEDS)
HELD = 100 // N_OOF_FOLDS


@pytest.fixture(scope="module")
def pool(dataset: Dataset) -> np.ndarray:
    return np.random.default_rng(0).permutation(len(dataset))[:100]


@pytest.fixture(scope="module")
def before(
    dataset: Dataset, pool: np.ndarray, tmp_path_factory: pytest.TempPathFactory
) -> OutOfFold:
    return run(dataset, pool, tmp_path_factory.mktemp("before"))


@pytest.fixture
def trained(monkeypatch: pytest.MonkeyPatch) -> list[tuple[np.ndarray, Any]]:
    """The codes each member was given, and the member."""
    calls: list[tuple[np.ndarray, Any]] = []
    original = train_members.train_member

    def spy(codes: np.ndarray, *arguments: Any, **options: Any) -> Any:
        booster = original(codes, *arguments, **options)
        calls.append((codes, booster))
        return booster

    monkeypatch.setattr(out_of_fold, "train_member", spy)
    return calls


def run(dataset: Dataset, pool: np.ndarray, folder: Path, **changes: Any) -> OutOfFold:
    recipe = changes.pop("recipe", RECIPE)
    return predict_out_of_fold(
        dataset, "accuracy", pool, recipe, changes.pop("seeds", SEEDS), folder, **changes
    )


def folds_of(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(path.read_bytes()) for path in sorted(folder.iterdir())]


def test_no_member_sees_the_rows_it_predicts(
    dataset: Dataset, pool: np.ndarray, tmp_path: Path, trained: list[tuple[np.ndarray, Any]]
) -> None:
    oof = run(dataset, pool, tmp_path)
    assert sorted(oof.rows.tolist()) == sorted(pool.tolist())
    np.testing.assert_array_equal(oof.measured, dataset.values["accuracy"][oof.rows])
    assert len(trained) == ALL
    files = folds_of(tmp_path)
    assert [set(fold) for fold in files] == [{"key", "labels"}] * N_OOF_FOLDS
    assert {len(fold["labels"]) for fold in files} == {len(SEEDS)}
    assert oof.members.shape == (len(pool), len(SEEDS))
    starts = np.cumsum([0, *(len(fold["labels"][0]) for fold in files)])
    assert np.diff(starts).tolist() == [HELD] * N_OOF_FOLDS
    outside = {bytes(row) for row in np.delete(dataset.codes, pool, axis=0)}
    for fold, (start, stop) in enumerate(itertools.pairwise(starts.tolist())):
        held = oof.rows[start:stop]
        labels = []
        for codes, booster in trained[2 * fold : 2 * fold + 2]:
            seen = {bytes(row) for row in codes}
            assert not seen & {bytes(row) for row in dataset.codes[held]}
            assert not seen & outside
            assert len(seen) == len(pool) - len(held)
            labels.append(predict(booster, dataset.codes[held]))
        # Standardised by the rows that were learned from, and by no others.
        fit = np.setdiff1d(pool, held)
        u = 1 / (80 - dataset.values["accuracy"][fit])
        members = 80 - 1 / (np.stack(labels) * u.std() + u.mean())
        np.testing.assert_allclose(files[fold]["labels"], labels, rtol=1e-5, atol=1e-5)
        np.testing.assert_allclose(oof.members[start:stop], members.T, rtol=1e-6)
        np.testing.assert_allclose(oof.mean[start:stop], members.mean(axis=0), rtol=1e-6)
        std = oof.std(2)[start:stop]
        np.testing.assert_allclose(std, members.std(axis=0), rtol=1e-2, atol=1e-5)


@pytest.mark.parametrize("fold", range(N_OOF_FOLDS))
def test_what_a_fold_measured_does_not_change_its_prediction(
    dataset: Dataset, pool: np.ndarray, before: OutOfFold, tmp_path: Path, fold: int
) -> None:
    """Stronger than a look at the rows: no mean, weight or scale carries anything over either."""
    part = slice(HELD * fold, HELD * (fold + 1))
    poisoned = dataset.values["accuracy"].copy()
    poisoned[before.rows[part]] = 79.0
    outside = np.delete(np.arange(len(dataset)), pool)
    poisoned[outside] = np.nan
    changed = replace(dataset, values={**dataset.values, "accuracy": poisoned})
    after = run(changed, pool, tmp_path)
    np.testing.assert_array_equal(after.rows, before.rows)
    np.testing.assert_array_equal(after.members[part], before.members[part])
    assert (np.delete(after.mean, part) != np.delete(before.mean, part)).all()


def test_finished_folds_are_kept(
    dataset: Dataset, pool: np.ndarray, tmp_path: Path, trained: list[tuple[np.ndarray, Any]]
) -> None:
    first = run(dataset, pool, tmp_path)
    contents = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    trained.clear()
    states: list[tuple[int, str]] = []
    again = run(dataset, pool, tmp_path, on_progress=lambda k, _, s: states.append((k, s)))
    assert not trained
    assert states == [(k, "reused") for k in range(N_OOF_FOLDS)]
    for name in ("rows", "measured", "members"):
        np.testing.assert_array_equal(getattr(first, name), getattr(again, name))
    # Only what is missing or damaged is done again, with the same result.
    (tmp_path / "fold_01.json").unlink()
    (tmp_path / "fold_03.json").write_bytes(b'{"key": ')
    # As an older version left it: means in place of labels, under the same key.
    old = {"key": json.loads(contents["fold_04.json"])["key"], "mean": [70.0], "std": [0.1]}
    (tmp_path / "fold_04.json").write_text(json.dumps(old))
    run(dataset, pool, tmp_path)
    assert len(trained) == 3 * len(SEEDS)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == contents


def test_an_interrupted_run_goes_on(
    dataset: Dataset,
    pool: np.ndarray,
    tmp_path: Path,
    trained: list[tuple[np.ndarray, Any]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    whole = run(dataset, pool, tmp_path / "whole")
    trained.clear()
    spy = vars(out_of_fold)["train_member"]

    def interrupted(*arguments: Any, **options: Any) -> Any:
        if len(trained) == 5:  # within the third fold
            raise KeyboardInterrupt
        return spy(*arguments, **options)

    with monkeypatch.context() as patch:
        patch.setattr(out_of_fold, "train_member", interrupted)
        with pytest.raises(KeyboardInterrupt):
            run(dataset, pool, tmp_path / "parts")
    assert sorted(p.name for p in (tmp_path / "parts").iterdir()) == [
        "fold_00.json",
        "fold_01.json",
    ]
    trained.clear()
    parts = run(dataset, pool, tmp_path / "parts")
    assert len(trained) == ALL - 2 * len(SEEDS)
    np.testing.assert_array_equal(parts.members, whole.members)


def test_whatever_decides_the_result_is_looked_at(
    dataset: Dataset,
    pool: np.ndarray,
    tmp_path: Path,
    trained: list[tuple[np.ndarray, Any]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def retrained(**changes: Any) -> int:
        trained.clear()
        run(changes.pop("data", dataset), pool, tmp_path, **changes)
        return len(trained)

    additive = {"max_depth": 3, "min_child_weight": 1.0, "lambda": 1.0}
    assert retrained() == ALL
    assert retrained(recipe=replace(RECIPE, params={**RECIPE.params, "lambda": 2.0})) == ALL
    assert retrained(recipe=replace(RECIPE, additive=additive)) == ALL
    assert retrained(recipe=replace(RECIPE, additive={**additive, "lambda": 2.0})) == ALL
    assert retrained(recipe=replace(RECIPE, link=Link())) == ALL
    assert retrained(recipe=replace(RECIPE, loss_scale=0.0)) == ALL
    assert retrained() == ALL
    assert retrained(seeds=(1, 3)) == ALL
    assert retrained(seeds=(1,)) == N_OOF_FOLDS
    assert retrained() == ALL
    values = dataset.values["accuracy"].copy()
    values[pool[0]] += 0.1
    # One measurement is learned from in all folds but its own.
    changed = replace(dataset, values={**dataset.values, "accuracy": values})
    assert retrained(data=changed) == ALL - len(SEEDS)
    with monkeypatch.context() as patch:
        patch.setattr(train_members, "version", lambda package: "0.0")
        assert retrained() == ALL
    assert retrained() == ALL
    assert retrained() == 0


def test_hinges_change_predictions_but_train_nothing(
    dataset: Dataset, pool: np.ndarray, tmp_path: Path, trained: list[tuple[np.ndarray, Any]]
) -> None:
    plain = run(dataset, pool, tmp_path)
    contents = folds_of(tmp_path)
    trained.clear()
    knot = float(np.median(plain.members))
    link = Link("-1", 80.0, ((knot, -0.5), (knot + 0.1, 2.0)))
    bent = run(dataset, pool, tmp_path, recipe=replace(RECIPE, link=link))
    assert not trained
    assert folds_of(tmp_path) == contents
    wanted = plain.members + np.maximum(plain.members - knot, 0) * -0.5
    wanted += np.maximum(wanted - (knot + 0.1), 0) * 2.0
    np.testing.assert_array_equal(bent.members, wanted)
    assert (bent.members != plain.members).any()
    np.testing.assert_array_equal(bent.rows, plain.rows)
    # Nor do the keys of the members themselves know of them.
    one, other = (
        replace(RECIPE, link=used).recipe(dataset, "accuracy", pool) for used in (link, RECIPE.link)
    )
    rows = train_members.TrainingSet(dataset.codes[pool], dataset.values["accuracy"][pool], None)
    tasks = [
        train_members.MemberTask(0, tmp_path / "member", rows, used, 1) for used in (one, other)
    ]
    assert tasks[0].key == tasks[1].key
    power = replace(RECIPE, link=Link("-1/2", 80.0)).recipe(dataset, "accuracy", pool)
    assert replace(tasks[0], recipe=power).key != tasks[0].key


def test_jobs_do_not_change_the_bytes(
    dataset: Dataset, pool: np.ndarray, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(out_of_fold, "N_OOF_FOLDS", 2)
    for jobs in (1, 2):
        run(dataset, pool, tmp_path / str(jobs), jobs=jobs)
    assert folds_of(tmp_path / "1") == folds_of(tmp_path / "2")


def test_members_beyond_the_link_are_refused(
    dataset: Dataset, pool: np.ndarray, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Forest, "predict_exact", lambda self, codes: np.full(len(codes), 1e60))
    message = r"fold_00\.json: a member left the domain of its link"
    with np.errstate(over="ignore"), pytest.raises(AnbError, match=message):
        run(dataset, pool, tmp_path, recipe=replace(RECIPE, link=Link("1/8")))


def test_trimmed_and_missing_rows_take_no_part(
    dataset: Dataset, tmp_path: Path, pool: np.ndarray
) -> None:
    y = dataset.values["train_time"].copy()
    y[pool[:3]] = 1e6
    y[pool[3]] = np.nan
    changed = replace(dataset, values={**dataset.values, "train_time": y})
    recipe = replace(RECIPE, link=Link(), trim=2.5, num_rounds=5)
    oof = predict_out_of_fold(changed, "train_time", pool, recipe, (1,), tmp_path)
    assert sorted(oof.rows.tolist()) == sorted(pool[4:].tolist())
