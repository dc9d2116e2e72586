from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import xgboost as xgb
from anb_export import ubjson
from anb_export.dataset import Dataset, read_dataset
from anb_export.files import sha256
from anb_export.recipe import Recipe, upstream_recipe
from anb_export.splits import Split, read_split
from anb_export.train import KEY_ATTRIBUTE, fold_rows, predict_ensemble, train, train_member
from anb_export.training import Training

from anb_onnx.errors import AnbError
from anb_onnx.links import Link

from .synthetic import records, write_folder


@pytest.fixture(scope="module")
def split(study: Path, dataset: Dataset) -> Split:
    return read_split(dataset, study / "default_split")


@pytest.fixture(scope="module")
def recipe(study: Path) -> Recipe:
    return upstream_recipe("accuracy", study / "upstream_hyperparameters.json")


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def test_folds_are_the_reference_s() -> None:
    from sklearn.model_selection import KFold

    for seed in (1, 9, 13):
        folds = list(KFold(9, shuffle=True, random_state=seed).split(range(50)))
        fit, held = fold_rows(50, seed)
        np.testing.assert_array_equal(fit, folds[seed % 9][0])
        np.testing.assert_array_equal(held, folds[seed % 9][1])
    with pytest.raises(AnbError, match="found 8"):
        fold_rows(8, 1)


def test_a_member_is_plain_xgboost(dataset: Dataset, split: Split, recipe: Recipe) -> None:
    codes, labels = dataset.codes[split.pool], dataset.values["accuracy"][split.pool]
    rounds: list[int] = []
    booster = train_member(codes, labels, recipe, 4, on_round=rounds.append)
    fit, held = fold_rows(len(labels), 4)
    matrices = [xgb.DMatrix(codes[rows].astype(float), labels[rows]) for rows in (fit, held)]
    wanted = xgb.train(
        {**recipe.params, "seed": 4, "nthread": 1},
        matrices[0],
        300,
        evals=[(matrices[1], "x")],
        early_stopping_rounds=5,
        verbose_eval=False,
    )
    assert rounds == list(range(1, wanted.num_boosted_rounds() + 1))
    rows = codes.astype(np.float32)
    np.testing.assert_array_equal(booster.inplace_predict(rows), wanted.inplace_predict(rows))


def test_weights_matter(dataset: Dataset, split: Split, recipe: Recipe) -> None:
    codes, labels = dataset.codes[split.pool], dataset.values["accuracy"][split.pool]
    plain = train_member(codes, labels, recipe, 1).save_raw("ubj")
    ones = train_member(codes, labels, recipe, 1, weights=np.ones(len(labels))).save_raw("ubj")
    other = train_member(codes, labels, recipe, 1, weights=np.linspace(1, 2, len(labels))).save_raw(
        "ubj"
    )
    assert plain == ones != other


def test_what_xgboost_refuses_is_one_line(dataset: Dataset, split: Split) -> None:
    codes, labels = dataset.codes[split.pool], dataset.values["accuracy"][split.pool]
    bad = Recipe("mine", {"objective": "reg:nonsense"}, 3, None)
    with pytest.raises(AnbError, match="xgboost refused recipe 'mine'") as caught:
        train_member(codes, labels, bad, 1)
    assert "\n" not in str(caught.value)


def test_document_tells_what_was_done(training: Training, dataset: Dataset, split: Split) -> None:
    document = training.document
    assert [m["seed"] for m in document["members"]] == [1, 2, 3]
    assert [m["fold"] for m in document["members"]] == [1, 2, 3]
    assert document["dataset"]["sha256"] == dataset.sha256
    assert document["dataset"]["n_dropped"] == 0
    assert document["split"]["sha256"] == split.sha256
    assert document["versions"]["xgboost"] == xgb.__version__
    y = dataset.values["accuracy"]
    assert training.target_std == pytest.approx(np.std(y[split.pool]))
    # The metrics again, through xgboost itself.
    predictions = []
    for path, member in zip(training.files, document["members"], strict=True):
        assert sha256(path.read_bytes()) == member["sha256"]
        booster = xgb.Booster()
        booster.load_model(path)
        assert booster.num_boosted_rounds() == member["rounds"] > member["best_iteration"] + 1
        matrix = xgb.DMatrix(dataset.codes[split.test].astype(float))
        predictions.append(booster.predict(matrix, iteration_range=(0, member["rounds"])))
    error = np.mean(predictions, axis=0) - y[split.test]
    assert document["metrics"]["test"]["mae"] == pytest.approx(np.abs(error).mean(), rel=1e-4)
    assert document["metrics"]["test"]["n"] == len(split.test)
    assert document["metrics"]["train"]["mae"] < document["metrics"]["test"]["mae"]


def test_same_bytes_whatever_the_jobs(
    training: Training, dataset: Dataset, split: Split, recipe: Recipe, tmp_path: Path
) -> None:
    train(dataset, split, "accuracy", recipe, [1, 2, 3], tmp_path, jobs=2)
    assert contents(tmp_path) == contents(training.folder)


def test_finished_members_are_kept(
    dataset: Dataset, split: Split, recipe: Recipe, tmp_path: Path
) -> None:
    states: dict[int, str] = {}

    def run(seeds: list[int], other: Recipe = recipe) -> dict[str, bytes]:
        states.clear()
        train(
            dataset,
            split,
            "accuracy",
            other,
            seeds,
            tmp_path,
            on_progress=lambda member, rounds, state: states.__setitem__(member, state),
        )
        return contents(tmp_path)

    first = run([1, 2])
    assert states == {0: "done", 1: "done"}
    assert run([1, 2]) == first
    assert states == {0: "reused", 1: "reused"}
    run([1, 2, 3])
    assert states == {0: "reused", 1: "reused", 2: "done"}
    (tmp_path / "member_00.ubj").write_bytes(first["member_00.ubj"][:-9])  # as after a crash
    run([1, 5])
    assert states == {0: "done", 1: "done"}
    run([1, 5], Recipe("upstream", {**recipe.params, "alpha": 0.2}, 300, 5))
    assert states == {0: "done", 1: "done"}


def test_another_target_is_not_overwritten(
    training: Training, dataset: Dataset, split: Split, recipe: Recipe
) -> None:
    before = contents(training.folder)
    with pytest.raises(AnbError, match="holds members of 'accuracy'; give another folder"):
        train(dataset, split, "macs", recipe, [1], training.folder)
    assert contents(training.folder) == before


def test_missing_values_are_dropped(
    dataset: Dataset, split: Split, recipe: Recipe, tmp_path: Path
) -> None:
    training = train(dataset, split, "throughput_tpuv2", recipe, [1], tmp_path)
    missing = np.isnan(dataset.values["throughput_tpuv2"])
    assert training.document["dataset"]["n_dropped"] == int(missing[split.pool].sum()) > 0
    assert training.document["metrics"]["test"]["n"] == int((~missing[split.test]).sum())


def test_transformed_labels(dataset: Dataset, split: Split, recipe: Recipe, tmp_path: Path) -> None:
    link = Link("-1", 80.0)
    other = Recipe("linked", {**recipe.params, "learning_rate": 0.1}, 60, None, link)
    training = train(dataset, split, "accuracy", other, [1], tmp_path)
    assert training.transform == link
    codes = dataset.codes[split.train]
    booster = xgb.Booster()
    booster.load_model(training.files[0])
    label = booster.inplace_predict(codes.astype(np.float32))
    predicted = predict_ensemble(training.forests(), other, codes)[:, 0]
    np.testing.assert_allclose(predicted, 80 - 1 / label.astype(float), rtol=1e-5)
    with pytest.raises(AnbError, match="no finite label for 'accuracy' of result_"):
        train(dataset, split, "accuracy", Recipe("x", {}, 1, None, Link("-1", 50.0)), [1], tmp_path)


@pytest.mark.parametrize(
    ("seeds", "message"),
    [([], "at least one member"), ([1, 1], "given twice"), ([-1], "from 0"), ([2**31], "from 0")],
)
def test_seeds(
    dataset: Dataset, split: Split, recipe: Recipe, tmp_path: Path, seeds: list[int], message: str
) -> None:
    with pytest.raises(AnbError, match=message):
        train(dataset, split, "accuracy", recipe, seeds, tmp_path)


def test_too_few_records(recipe: Recipe, tmp_path: Path) -> None:
    dataset = read_dataset(write_folder(tmp_path / "data", records(10)))
    split = Split("tiny", np.arange(4), np.arange(4, 6), np.arange(6, 10), "")
    with pytest.raises(AnbError, match=r"9 folds need at least as many .* found 6"):
        train(dataset, split, "accuracy", recipe, [1], tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_members_are_no_pickles_and_carry_their_key(training: Training) -> None:
    for path, member in zip(training.files, training.document["members"], strict=True):
        attributes = ubjson.loads(path.read_bytes())["learner"]["attributes"]
        assert attributes[KEY_ATTRIBUTE] == member["key"]


def test_document_is_canonical_json(training: Training) -> None:
    text = (training.folder / "training.json").read_text()
    assert text.endswith("}\n")
    assert text == json.dumps(json.loads(text), sort_keys=True, indent=1) + "\n"
