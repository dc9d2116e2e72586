"""All families, against what their own libraries predict."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from anb_export._io.files import sha256
from anb_export.cli import main
from anb_export.data.dataset import Dataset
from anb_export.data.metrics import evaluate
from anb_export.data.read import read_dataset
from anb_export.data.splits import Split, read_split
from anb_export.models.formats import FAMILIES
from anb_export.reports.compare_families import (
    BEGIN,
    END,
    NINE,
    jobs_for,
    markdown,
    run_table,
    write_table,
)
from anb_export.training.family_members import FamilyError, read_member
from anb_export.training.family_recipe import FamilyRecipe, family_recipe, family_recipe_of
from anb_export.training.members_folder import open_training, read_training
from anb_export.training.recipe import RecipeError
from anb_export.training.train_families import fit_member, train_family
from anb_export.training.train_members import TrainingSet, fold_rows

from anb_onnx.errors import AnbError

from . import family_study
from .family_study import write_family_study

OTHERS = [family for family in FAMILIES if family != "xgb"]


@pytest.fixture(scope="module")
def families(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_family_study(tmp_path_factory.mktemp("families")).parent


@pytest.fixture(scope="module")
def data(families: Path) -> Dataset:
    return read_dataset(families / "anb_dataset_jsons.tar.gz")


@pytest.fixture(scope="module")
def split(families: Path, data: Dataset) -> Split:
    return read_split(data, families / "default_split")


def recipe_of(families: Path, family: str) -> Any:
    return family_recipe(family, "accuracy", families / "upstream_hyperparameters.json")


def own_prediction(family: str, rows: TrainingSet, seed: int, codes: np.ndarray) -> np.ndarray:
    """Fit with the library itself, straight from the published parameters."""
    fit, held = fold_rows(len(rows.labels), seed)
    x, y = rows.codes.astype(float), rows.labels
    if family == "lgb":
        import lightgbm as lgb

        params = {k: v for k, v in family_study.FAMILIES["lgb"].items() if "round" not in k}
        del params["bananas_enc"]
        booster = lgb.train(
            {
                **params,
                "objective": "regression",
                "metric": "rmse",
                "seed": seed,
                "verbosity": -1,
                "num_threads": 1,
                "deterministic": True,
                "force_col_wise": True,
            },
            lgb.Dataset(x[fit], y[fit]),
            40,
            valid_sets=[lgb.Dataset(x[held], y[held])],
            callbacks=[lgb.early_stopping(5, verbose=False)],
        )
        return np.asarray(booster.predict(codes.astype(float)))
    from sklearn.compose import TransformedTargetRegressor
    from sklearn.ensemble import RandomForestRegressor
    from sklearn.preprocessing import StandardScaler
    from sklearn.svm import SVR, NuSVR

    if family == "forest":
        found = family_study.FAMILIES["sklearn_forest"]
        model: Any = RandomForestRegressor(**found, random_state=seed)
    else:
        section, kind = ("svr", SVR) if family == "svr" else ("svr_nu", NuSVR)
        inner = kind(**family_study.FAMILIES[section])
        model = TransformedTargetRegressor(inner, transformer=StandardScaler())
    return np.asarray(model.fit(x[fit], y[fit]).predict(codes.astype(float)))


@pytest.mark.parametrize("family", OTHERS)
def test_members_are_the_library_s(
    families: Path, data: Dataset, split: Split, family: str
) -> None:
    rows = TrainingSet(data.codes[split.pool], data.values["accuracy"][split.pool])
    content = fit_member(recipe_of(families, family), rows, 4)
    assert content == fit_member(recipe_of(families, family), rows, 4)
    member = read_member(family, content)
    wanted = own_prediction(family, rows, 4, data.codes)
    np.testing.assert_allclose(member.predict_exact(data.codes), wanted, rtol=0, atol=1e-9)
    other = read_member(family, fit_member(recipe_of(families, family), rows, 5))
    assert np.abs(other.predict_exact(data.codes) - wanted).max() > 1e-3


@pytest.mark.parametrize("family", FAMILIES)
def test_training_document(
    families: Path, data: Dataset, split: Split, family: str, tmp_path: Path
) -> None:
    states: dict[int, str] = {}

    def run(seeds: list[int]) -> dict[str, bytes]:
        states.clear()
        train_family(
            data,
            split,
            "throughput_tpuv2",
            family_recipe(family, "throughput_tpuv2", families / "upstream_hyperparameters.json"),
            seeds,
            tmp_path,
            on_progress=lambda member, rounds, state: states.__setitem__(member, state),
        )
        return {path.name: path.read_bytes() for path in tmp_path.iterdir()}

    first = run([1, 2])
    assert states == {0: "done", 1: "done"}
    training = read_training(tmp_path)
    assert training.family == family
    document = training.document
    plain = {"schema", "target", "origin", "recipe", "members", "n_folds", "dataset", "split"}
    plain |= {"target_mean", "target_std", "metrics", "versions"}
    assert plain <= document.keys() <= plain | {"family"}
    assert document["recipe"]["name"] == "upstream"
    assert document["dataset"]["n_dropped"] > 0
    assert [m["seed"] for m in document["members"]] == [1, 2]
    for path, member in zip(training.files, document["members"], strict=True):
        assert sha256(path.read_bytes()) == member["sha256"]
    rows, _ = data.labelled("throughput_tpuv2", split.test)
    mean = np.mean([m.predict_exact(data.codes[rows]) for m in training.members()], axis=0)
    wanted = evaluate(data.values["throughput_tpuv2"][rows], mean)
    assert document["metrics"]["test"] == pytest.approx(wanted)
    assert run([1, 2]) == first
    assert states == {0: "reused", 1: "reused"}
    training.files[0].write_bytes(first[training.files[0].name][:-9])  # as after a crash
    assert run([1, 2]) == first
    assert states == {0: "done", 1: "reused"}


def test_a_folder_keeps_its_family(
    families: Path, data: Dataset, split: Split, tmp_path: Path
) -> None:
    train_family(data, split, "accuracy", recipe_of(families, "svr"), [1], tmp_path)
    with pytest.raises(AnbError, match="holds members of 'accuracy', family svr; give another"):
        train_family(data, split, "accuracy", recipe_of(families, "nusvr"), [1], tmp_path)
    with pytest.raises(AnbError, match="the family svr, which are no trees"):
        read_training(tmp_path).forests()
    document = json.loads((tmp_path / "training.json").read_bytes())
    (tmp_path / "training.json").write_text(json.dumps({**document, "family": "gnn"}))
    with pytest.raises(AnbError, match="unknown family 'gnn'"):
        open_training(tmp_path)


@pytest.mark.parametrize("family", ["forest", "xgb"])
@pytest.mark.parametrize(
    ("seeds", "message"),
    [
        ([], "at least one member"),
        ([1, 1], "seed 1 is given twice"),
        ([-1], "a seed must be from 0 to 2147483647, found -1"),
        ([1, 99999999999999999999], "from 0 to 2147483647, found 99999999999999999999"),
    ],
)
def test_wrong_seeds(
    families: Path,
    data: Dataset,
    split: Split,
    tmp_path: Path,
    family: str,
    seeds: list[int],
    message: str,
) -> None:
    with pytest.raises(AnbError, match=message):
        train_family(data, split, "accuracy", recipe_of(families, family), seeds, tmp_path / "a")
    assert not (tmp_path / "a").exists()


@pytest.mark.parametrize("family", OTHERS)
@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda found: found.popitem() and found, "is missing|must be a positive"),
        (lambda found: {**found, "speed": 1}, "hyper-parameter 'speed' is unknown"),
        (lambda found: {**found, next(iter(found)): "x" if len(found) else 0}, "must be"),
    ],
)
def test_malformed_hyperparameters(family: str, change: Any, message: str) -> None:
    section = {"forest": "sklearn_forest", "nusvr": "svr_nu"}.get(family, family)
    found = dict(family_study.FAMILIES[section])
    found.pop("bananas_enc", None)
    with pytest.raises(RecipeError, match=message):
        family_recipe_of(family, change(found), where="here")


SECTION = {"forest": "sklearn_forest", "nusvr": "svr_nu"}


def all_values() -> list[tuple[str, str]]:
    return [
        (family, key)
        for family in FAMILIES
        for key in family_study.FAMILIES[SECTION.get(family, family)]
        if key not in ("booster", "boosting_type", "bananas_enc")  # fixed, and tested elsewhere
    ]


@pytest.mark.parametrize(("family", "key"), all_values())
def test_wrong_values_are_refused_by_name(
    families: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], family: str, key: str
) -> None:
    """From the file, with nothing written."""
    section, file = SECTION.get(family, family), tmp_path / "h.json"
    arguments = ["train", "--dataset", str(families / "anb_dataset_jsons.tar.gz")]
    arguments += ["--target", "accuracy", "--jobs", "1", "--seeds", "1", "--family", family]
    arguments += ["--hyperparameters", str(file), "--out", str(tmp_path / "out")]
    wrong: list[Any] = [float("inf"), -float("inf"), float("nan"), "x", None, [], 10**30, -(10**30)]
    if isinstance(family_study.FAMILIES[section][key], bool):
        wrong.append(1)
    else:
        wrong.append(True)
    if key not in ("coef0", "max_depth"):
        wrong.append(-1)
    # A large number is a bad choice, but it is one.
    unbounded = ("C", "coef0", "tol", "epsilon", "lambda", "alpha", "lambda_l1", "lambda_l2")
    if key in (*unbounded, "min_child_weight"):
        wrong.remove(10**30)
    if key == "coef0":
        wrong.remove(-(10**30))
    for value in wrong:
        found = {**family_study.FAMILIES[section], key: value}
        file.write_text(json.dumps({section: {"accuracy": found}}))
        assert main(arguments) == 2, value
        printed = capsys.readouterr().err
        # What JSON has no number for is refused before anybody looks at keys.
        finite = not isinstance(value, float)
        if finite:
            assert f"{section}.accuracy.{key} must be " in printed
            assert f"found {value!r}" in printed
        else:
            assert "is not a number of JSON" in printed
        assert printed.count("\n") == 1
        assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("family", "key", "value", "allowed"),
    [
        ("svr", "C", 0, "a finite number above 0"),
        ("svr", "kernel", "precomputed", 'one of "linear", "poly", "rbf", "sigmoid"'),
        ("nusvr", "nu", 1.1, "a finite number above 0 up to 1"),
        ("nusvr", "shrinking", 0, "one of true, false"),
        ("forest", "n_estimators", 10**6, "an integer from 1 to 100000"),
        ("lgb", "num_leaves", 1, "an integer from 2 to 131072"),
        ("xgb", "max_depth", 3.5, "an integer from 0 to 2147483647"),
    ],
)
def test_what_is_allowed_is_said(family: str, key: str, value: Any, allowed: str) -> None:
    found = {**family_study.FAMILIES[SECTION.get(family, family)], key: value}
    with pytest.raises(RecipeError) as caught:
        family_recipe_of(family, found, where="here")
    assert str(caught.value) == f"here.{key} must be {allowed}, found {value!r}"


@pytest.mark.parametrize(
    ("family", "wild"),
    [
        ("nusvr", {"C": 1e300}),
        ("svr", {"coef0": 1e300, "kernel": "poly"}),
        ("svr", {"epsilon": 1e300}),
        ("lgb", {"learning_rate": 1e300}),
    ],
)
def test_a_training_that_fails_leaves_no_ensemble(
    data: Dataset, split: Split, tmp_path: Path, family: str, wild: dict[str, Any]
) -> None:
    recipe = family_recipe_of(family, family_study.FAMILIES[SECTION.get(family, family)], where="")
    assert isinstance(recipe, FamilyRecipe)
    bad = replace(recipe, params={**recipe.params, **wild})
    with pytest.raises(AnbError, match=r"finite|0 vectors"):
        train_family(data, split, "accuracy", bad, [1, 2], tmp_path)
    assert list(tmp_path.iterdir()) == []
    train_family(data, split, "accuracy", recipe, [1, 2], tmp_path)
    with pytest.raises(AnbError, match=r"finite|0 vectors"):
        train_family(data, split, "accuracy", bad, [1, 2], tmp_path)
    with pytest.raises(AnbError, match="the training is not finished"):
        read_training(tmp_path)


def test_unsupported_variants() -> None:
    lgb = family_study.FAMILIES["lgb"]
    with pytest.raises(RecipeError, match="boosting_type must be 'gbdt', found 'dart'"):
        family_recipe_of("lgb", {**lgb, "boosting_type": "dart"}, where="here")
    with pytest.raises(RecipeError, match="unknown family 'gnn'; valid families: xgb, lgb"):
        family_recipe_of("gnn", {}, where="here")


def test_what_a_library_refuses_is_one_line(data: Dataset) -> None:
    rows = TrainingSet(data.codes, data.values["accuracy"])
    svr = FamilyRecipe("svr", {**family_study.FAMILIES["svr"], "C": -1.0})
    with pytest.raises(FamilyError, match="scikit-learn refused svr") as caught:
        fit_member(svr, rows, 1)
    assert "\n" not in str(caught.value)
    lgb = family_recipe_of("lgb", family_study.FAMILIES["lgb"], where="here")
    assert isinstance(lgb, FamilyRecipe)
    bad = replace(lgb, params={**lgb.params, "feature_fraction": 7.0})
    with pytest.raises(FamilyError, match="LightGBM refused"):
        fit_member(bad, rows, 1)


def test_damaged_members(data: Dataset, families: Path) -> None:
    import io

    rows = TrainingSet(data.codes, data.values["accuracy"])
    for family in ("forest", "svr"):
        content = fit_member(recipe_of(families, family), rows, 1)
        with pytest.raises(FamilyError, match="not a file of arrays"):
            read_member(family, content[: len(content) // 2])
        with pytest.raises(FamilyError, match="not a file of arrays"):
            read_member("svr" if family == "forest" else "forest", content)
        arrays = dict(np.load(io.BytesIO(content)))
        changes: list[dict[str, Any]] = (
            [
                {"left": np.where(arrays["left"] >= 0, 10**6, -1).astype(np.int32)},
                {"feature": arrays["feature"] + 40},
                {"value": arrays["value"] * np.nan},
                {"roots": arrays["roots"][::-1].copy()},
                {"value": arrays["value"][:-1]},
                {"left": arrays["left"].astype(float)},
            ]
            if family == "forest"
            else [
                {"numbers": np.full(5, 9.0)},
                {"vectors": arrays["vectors"] + np.inf},
                {"coefficients": arrays["coefficients"][:-1]},
            ]
        )
        changes.append({key: np.array([{}], dtype=object) for key in list(arrays)[:1]})  # a pickle
        for change in changes:
            stream = io.BytesIO()
            np.savez(stream, **{**arrays, **change})
            with pytest.raises(AnbError):
                read_member(family, stream.getvalue())
    lgb = fit_member(recipe_of(families, "lgb"), rows, 1)
    with pytest.raises(FamilyError, match="is of the family lgb, expected xgb"):
        read_member("xgb", lgb)


def test_trees_of_any_family_can_be_projected(
    families: Path,
    data: Dataset,
    split: Split,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    folder, out = tmp_path / "members", tmp_path / "accuracy.onnx"
    train_family(data, split, "accuracy", recipe_of(families, "lgb"), [1, 2], folder)
    assert main(["project", str(folder), "--out", str(out), "--n", "500"]) == 0
    entry = json.loads((tmp_path / "manifest.json").read_text())["targets"]["accuracy"]
    assert entry["fidelity"]["r2"] > 0.9
    assert entry["family"] == "lgb"
    convert = ["convert", str(folder), "--out", str(out)]
    assert main([*convert, "--form", "tree64"]) == 0
    assert main([*convert, "--form", "trees"]) == 2
    assert "members of the family lgb have the form tree64" in capsys.readouterr().err
    assert main(["verify", str(out), str(folder), "--n", "10"]) == 2


def test_the_train_command(
    families: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["train", "--dataset", str(families / "anb_dataset_jsons.tar.gz")]
    arguments += ["--target", "accuracy", "--jobs", "1", "--members", "2"]
    assert main([*arguments, "--family", "forest", "--out", str(tmp_path / "a")]) == 0
    assert capsys.readouterr().out.startswith("train  n ")
    assert read_training(tmp_path / "a").family == "forest"
    seeds = ["--family", "forest", "--seeds", "99999999999999999999", "--out", str(tmp_path / "c")]
    assert main([*arguments[:-2], *seeds]) == 2
    printed = capsys.readouterr().err
    assert "a seed must be from 0 to 2147483647, found 99999999999999999999" in printed
    assert printed.count("\n") == 1
    again = [*arguments, "--recipe", "compact", "--family", "svr", "--out", str(tmp_path / "b")]
    assert main(again) == 2
    assert "compact recipe is for the family xgb" in capsys.readouterr().err


def test_the_compact_recipe(families: Path, tmp_path: Path) -> None:
    from anb_export.training.tune_compact import DEFAULT

    recipe = {**DEFAULT.to_dict(), "num_rounds": 20, "early_stopping_rounds": 5}
    recipes = tmp_path / "recipes.json"
    recipes.write_text(json.dumps({"accuracy": {"recipe": recipe}}))
    arguments = ["train", "--dataset", str(families / "anb_dataset_jsons.tar.gz")]
    arguments += ["--recipe", "compact", "--recipes", str(recipes), "--jobs", "1"]
    arguments += ["--out", str(tmp_path / "members"), "--target"]
    assert main([*arguments, "accuracy"]) == 0
    document = read_training(tmp_path / "members").document
    assert (document["recipe"]["name"], len(document["members"])) == ("compact", 8)
    assert main([*arguments, "latency_zcu102"]) == 2


def test_the_families_command(
    families: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    page = tmp_path / "families.md"
    page.write_text(f"# Title\n\nBefore.\n\n{BEGIN}\nobsolete\n{END}\n\nAfter.\n")
    searched = tmp_path / "searched.json"
    searched.write_text(json.dumps({"svr": {"accuracy": family_study.FAMILIES["svr"]}}))
    arguments = ["families", "--dataset", str(families / "anb_dataset_jsons.tar.gz")]
    arguments += ["--work", str(tmp_path / "work"), "--out", str(page), "--members", "1"]
    arguments += ["--target", "accuracy", "--target", "latency_zcu102", "--jobs", "1"]
    arguments += ["--searched", str(searched)]
    assert main(arguments) == 0
    assert len(capsys.readouterr().out.splitlines()) == 5 * 2 + 1
    text = page.read_text()
    assert text.startswith("# Title\n\nBefore.\n")
    assert text.endswith("\n\nAfter.\n")
    assert "obsolete" not in text
    assert "| random forest " in text
    assert "| ε-SVR, searched here " in text
    document = json.loads(page.with_suffix(".json").read_text())
    assert set(document["results"]) == {*FAMILIES, "svr-searched"}
    entry = document["results"]["lgb"]["accuracy"]
    training = read_training(tmp_path / "work" / "lgb" / "accuracy")
    assert entry["metrics"]["mae"] == pytest.approx(training.document["metrics"]["test"]["mae"])
    before = {p: p.stat().st_mtime_ns for p in (tmp_path / "work").rglob("member_*")}
    assert main(arguments) == 0  # nothing is trained twice
    assert before == {p: p.stat().st_mtime_ns for p in (tmp_path / "work").rglob("member_*")}
    assert page.read_text() == text
    page.write_text("no markers")
    assert main(arguments) == 2
    assert page.read_text() == "no markers"


def test_the_table_marks_the_best(
    families: Path, data: Dataset, split: Split, tmp_path: Path
) -> None:
    results = {
        "xgb": {"accuracy": {"metrics": {"kendall_tau": 0.9, "r2": 0.95, "mae": 0.4}}},
        "svr": {"accuracy": {"metrics": {"kendall_tau": 0.8, "r2": -2700.0, "mae": 0.3}}},
    }
    document = {
        "seeds": [1, 2],
        "dataset": data.sha256,
        "split": {"name": "x", "sha256": "0" * 64},
        "results": results,
    }
    text = markdown(document)
    assert "**0.9000**" in text
    assert " -2700 |" in text
    assert text.count("**0.3000**") == 1
    page = tmp_path / "new.md"
    write_table(document, page)
    assert page.read_text().count(BEGIN) == 1
    assert json.loads(page.with_suffix(".json").read_bytes()) == document
    # In parts: what is of the same data, split and seeds stays.
    part = {"latency_zcu102": {"metrics": {"kendall_tau": 0.7, "r2": 0.5, "mae": 0.2}}}
    again = {"accuracy": {"metrics": {"kendall_tau": 0.85, "r2": 0.9, "mae": 0.1}}}
    write_table({**document, "results": {"svr": again, "lgb": part}}, page)
    merged = json.loads(page.with_suffix(".json").read_bytes())
    assert merged == {**document, "results": {"xgb": results["xgb"], "lgb": part, "svr": again}}
    # What is of others goes, and what is no table.
    for other in ({"seeds": [1]}, {"dataset": "0"}, {"split": {"name": "y", "sha256": "1"}}):
        changed = {**document, **other, "results": {"lgb": part}}
        write_table(changed, page)
        assert json.loads(page.with_suffix(".json").read_bytes()) == changed
    page.with_suffix(".json").write_text("[3]")
    write_table(document, page)
    assert json.loads(page.with_suffix(".json").read_bytes()) == document
    with pytest.raises(AnbError, match="unknown target 'macs'"):
        jobs_for(["xgb"], ["macs"], families / "upstream_hyperparameters.json")
    assert len(NINE) == 9
    jobs = jobs_for(["svr"], ["accuracy"], families / "upstream_hyperparameters.json")
    assert run_table(data, split, jobs, [3], tmp_path / "w")["results"]["svr"]["accuracy"]["bytes"]
