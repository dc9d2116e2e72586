from __future__ import annotations

import json
import pickle
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xgboost as xgb
from anb_export._io.files import sha256
from anb_export.data.dataset import Dataset
from anb_export.data.read import read_dataset
from anb_export.data.splits import Split, read_split
from anb_export.models import ubjson
from anb_export.training.members_folder import Training
from anb_export.training.recipe import Recipe, RecipeError, upstream_recipe
from anb_export.training.train_members import (
    KEY_ATTRIBUTE,
    MemberTask,
    TrainingSet,
    fold_rows,
    predict_ensemble,
    train,
    train_member,
)

from anb_onnx.errors import AnbError
from anb_onnx.links import Link
from anb_onnx.spaces.mnasnet import MNASNET

from .pair_models import predict
from .synthetic import records, write_folder

FIRST = {"max_depth": 1, "lambda": 2.0}
PATIENCE = 6
STAGED = Recipe(
    "staged",
    {
        "max_depth": 4,
        "learning_rate": 0.2,
        "subsample": 0.8,
        "colsample_bynode": 0.7,
        "lambda": 1.0,
    },
    400,
    PATIENCE,
    keep_best=True,
    first_stage=FIRST,
)
#: The first stage as a training of its own.
ALONE = replace(STAGED, params={**STAGED.params, **FIRST}, first_stage=None)


@pytest.fixture(scope="module")
def split(study: Path, dataset: Dataset) -> Split:
    return read_split(dataset, study / "default_split")


@pytest.fixture(scope="module")
def pool(dataset: Dataset, split: Split) -> tuple[np.ndarray, np.ndarray]:
    return dataset.codes[split.pool], dataset.values["accuracy"][split.pool]


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


def trees(booster: Any) -> list[dict[str, Any]]:
    model = json.loads(booster.save_raw("json"))["learner"]["gradient_booster"]["model"]
    found: list[dict[str, Any]] = model["trees"]
    return found


def depth(tree: dict[str, Any], node: int = 0) -> int:
    children = [tree[side][node] for side in ("left_children", "right_children")]
    return 0 if children[0] < 0 else 1 + max(depth(tree, child) for child in children)


@pytest.mark.parametrize("seed", [1, 4])
def test_the_first_stage_is_a_training_of_its_own(
    pool: tuple[np.ndarray, np.ndarray], seed: int
) -> None:
    alone, staged = (train_member(*pool, recipe, seed) for recipe in (ALONE, STAGED))
    n = alone.num_boosted_rounds()
    assert n == alone.best_iteration + 1 < staged.num_boosted_rounds()
    assert trees(staged)[:n] == trees(alone)
    depths = [depth(tree) for tree in trees(staged)]
    assert max(depths[:n]) == 1 < max(depths[n:]) <= 4
    # All else is inherited: what the first stage does not replace decides its trees, too.
    slower = replace(STAGED, params={**STAGED.params, "learning_rate": 0.1})
    assert trees(train_member(*pool, slower, seed))[0] != trees(alone)[0]
    deeper = replace(STAGED, params={**STAGED.params, "max_depth": 3})
    assert trees(train_member(*pool, deeper, seed))[:n] == trees(alone)


@pytest.mark.parametrize("keep_best", [False, True])
def test_the_second_stage_goes_on_as_xgboost_does(
    pool: tuple[np.ndarray, np.ndarray], keep_best: bool
) -> None:
    fit, held = (xgb.DMatrix(pool[0][r].astype(float), pool[1][r]) for r in fold_rows(102, 4))
    booster = None
    for params in (FIRST, {}):
        booster = xgb.train(
            {**STAGED.params, **params, "seed": 4, "nthread": 1},
            fit,
            400,
            evals=[(held, "x")],
            early_stopping_rounds=PATIENCE,
            verbose_eval=False,
            xgb_model=booster,
        )
        if params or keep_best:
            booster = booster[: booster.best_iteration + 1]
    found = train_member(*pool, replace(STAGED, keep_best=keep_best), 4)
    assert trees(found) == trees(booster)
    np.testing.assert_array_equal(predict(found, pool[0]), predict(booster, pool[0]))


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("weighted", [False, True])
def test_the_second_stage_ends_at_its_best_round(
    pool: tuple[np.ndarray, np.ndarray], seed: int, weighted: bool
) -> None:
    codes, labels = pool
    weights = np.linspace(0.2, 1.8, len(labels)) if weighted else np.ones(len(labels))
    n = train_member(codes, labels, ALONE, seed, weights=weights).num_boosted_rounds()
    whole = train_member(codes, labels, replace(STAGED, keep_best=False), seed, weights=weights)
    _, held = fold_rows(len(labels), seed)
    losses = []
    for rounds in range(1, whole.num_boosted_rounds() + 1):
        error = predict(whole[:rounds], codes[held]) - labels[held]
        losses.append(np.sqrt(np.average(error**2, weights=weights[held])))
    # The best of the second stage; it need not be better than where the first one ended.
    assert whole.best_iteration == n + int(np.argmin(losses[n:]))
    assert len(losses) == whole.best_iteration + 1 + PATIENCE < 400
    kept = train_member(codes, labels, STAGED, seed, weights=weights)
    assert kept.best_iteration == whole.best_iteration
    assert trees(kept) == trees(whole)[: kept.best_iteration + 1]
    assert float(kept.attr("best_score")) == pytest.approx(losses[kept.best_iteration], rel=1e-4)


def test_rounds_are_those_of_both_stages(pool: tuple[np.ndarray, np.ndarray]) -> None:
    rounds: list[int] = []
    booster = train_member(*pool, STAGED, 4, on_round=rounds.append)
    n = train_member(*pool, ALONE, 4).num_boosted_rounds()
    # What the first stage did after its best round is given up, and counted no more.
    first, second = rounds[: n + PATIENCE], rounds[n + PATIENCE :]
    assert first == list(range(1, n + PATIENCE + 1))
    assert second == list(range(n + 1, booster.num_boosted_rounds() + PATIENCE + 1))


def test_two_stages_are_a_pure_function(pool: tuple[np.ndarray, np.ndarray]) -> None:
    first = train_member(*pool, STAGED, 4).save_raw("ubj")
    assert train_member(*pool, pickle.loads(pickle.dumps(STAGED)), 4).save_raw("ubj") == first
    assert train_member(*pool, STAGED, 5).save_raw("ubj") != first


def test_keys_know_the_first_stage(pool: tuple[np.ndarray, np.ndarray], tmp_path: Path) -> None:
    task = MemberTask(0, tmp_path / "member.ubj", TrainingSet(*pool), STAGED, 1)
    recipes = [
        replace(STAGED, first_stage=first)
        for first in (None, {}, {"max_depth": 1}, {**FIRST, "lambda": 3.0})
    ]
    keys = {task.key, *(replace(task, recipe=recipe).key for recipe in recipes)}
    assert len(keys) == 5
    same = replace(STAGED, first_stage={"lambda": 2.0, "max_depth": 1})
    assert replace(task, recipe=same).key == task.key
    task.run(lambda rounds: None)
    assert task.is_done()
    assert not replace(task, recipe=recipes[0]).is_done()


def test_ensembles_in_two_stages(dataset: Dataset, split: Split, tmp_path: Path) -> None:
    states: list[str] = []

    def run(folder: str, recipe: Recipe = STAGED, jobs: int = 1) -> Training:
        states.clear()
        return train(
            *(dataset, split, "accuracy", recipe, [1, 2], tmp_path / folder),
            jobs=jobs,
            on_progress=lambda member, rounds, state: states.append(state),
        )

    document = run("one").document
    assert document["recipe"] == json.loads(json.dumps(STAGED.to_dict()))
    for member in document["members"]:
        assert member["rounds"] == member["best_iteration"] + 1
    before = contents(tmp_path / "one")
    run("two", jobs=2)
    assert contents(tmp_path / "two") == before
    run("one")
    assert states == ["reused", "reused"]
    for other in (None, {**FIRST, "lambda": 3.0}):
        run("one", replace(STAGED, first_stage=other))
        assert states.count("done") == 2
        assert contents(tmp_path / "one").keys() == before.keys()
        assert contents(tmp_path / "one") != before


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
    bad = replace(STAGED, first_stage={"objective": "reg:nonsense"})
    with pytest.raises(AnbError, match=r"xgboost refused recipe 'staged'.*reg:nonsense"):
        train_member(codes, labels, bad, 1)


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
    with pytest.raises(AnbError, match="holds members of 'accuracy', family xgb; give another"):
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
    predicted = predict_ensemble(training.forests(), other, codes, MNASNET)[:, 0]
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


def test_parameters_that_are_not_finite(
    dataset: Dataset, split: Split, recipe: Recipe, tmp_path: Path
) -> None:
    wrong = {"lambda": float("nan")}
    for bad in (replace(recipe, params=wrong), replace(recipe, first_stage=wrong)):
        with pytest.raises(RecipeError, match="lambda must be finite, found nan"):
            train(dataset, split, "accuracy", bad, [1], tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_training_that_went_astray_writes_nothing(
    dataset: Dataset, split: Split, recipe: Recipe, tmp_path: Path
) -> None:
    wild = replace(recipe, params={**recipe.params, "learning_rate": 1e38})
    with pytest.raises(AnbError, match="not finite"):
        train(dataset, split, "accuracy", wild, [1], tmp_path)
    assert list(tmp_path.iterdir()) == []


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
