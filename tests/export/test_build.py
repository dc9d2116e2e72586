"""A whole build, small: what it writes, that it repeats itself, and that test rows take no part."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from anb_export._io.files import sha256
from anb_export.artifacts import build as module
from anb_export.artifacts.build import (
    Built,
    build,
    check,
    held_out,
    train_compact,
)
from anb_export.cli import main
from anb_export.data.dataset import Dataset
from anb_export.data.read import read_dataset
from anb_export.data.splits import Split, read_split
from anb_export.reports.evaluate_ensemble import evaluate_ensemble
from anb_export.tables.fixed_point import CompileError
from anb_export.tables.of_training import compile_training
from anb_export.training import out_of_fold
from anb_export.training.compact import CompactRecipe, genes_of_terms
from anb_export.training.members_folder import Training, read_training
from anb_export.training.predictive_scale import coverage, learning_gain
from anb_export.training.recipe import Recipe
from anb_export.training.train_members import fold_rows, train
from anb_export.training.tune_compact import store_recipe

import anb_onnx
from anb_onnx.calibration import Calibration
from anb_onnx.catalog.catalog import Catalog
from anb_onnx.errors import AnbError, ArtifactError
from anb_onnx.links import Link
from anb_onnx.regimes import Regime
from anb_onnx.spaces.architecture import sample
from anb_onnx.spaces.mnasnet import MNASNET, efficientnet_b0
from anb_onnx.tables import TableEnsemble
from anb_onnx.terms import all_pairs
from anb_onnx.writing.golden import write_golden

from .pair_models import predict, symbols_of
from .synthetic import write_study

TARGETS = ("accuracy", "macs")
RECIPE = CompactRecipe(
    Link("-1", 80.0),
    {
        "max_depth": 3,
        "learning_rate": 0.2,
        "min_child_weight": 1.0,
        "subsample": 0.9,
        "colsample_bynode": 0.8,
        "lambda": 1.0,
    },
    additive={"max_depth": 2, "min_child_weight": 1.0, "lambda": 2.0},
    loss_scale=0.25,
    num_rounds=40,
    early_stopping_rounds=10,
)
RECIPES = {"accuracy": RECIPE}


@pytest.fixture(scope="module", autouse=True)
def small() -> Iterator[None]:
    """Two members, two folds, few rows: seconds instead of hours."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "N_MEMBERS", 2)
        patch.setattr(module, "_VERIFY_ROWS", 3000)
        patch.setattr(out_of_fold, "N_OOF_FOLDS", 2)
        yield


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Enough records to determine the exact targets and to calibrate."""
    return write_study(tmp_path_factory.mktemp("study"), n=600)


@pytest.fixture(scope="module")
def records(archive: Path) -> Dataset:
    return read_dataset(archive)


@pytest.fixture(scope="module")
def split(archive: Path, records: Dataset) -> Split:
    return read_split(records, archive.parent / "default_split")


class Finished:
    """A finished build and its folders."""

    def __init__(self, root: Path, built: list[Built]) -> None:
        self.work, self.out = root / "work", root / "out"
        self.built = {b.target: b for b in built}
        self.manifest = json.loads((self.out / "manifest.json").read_text())


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory, records: Dataset, split: Split) -> Finished:
    root = tmp_path_factory.mktemp("build")
    found = build(records, split, RECIPES, TARGETS, work=root / "work", out=root / "out")
    return Finished(root, found)


def contents(folder: Path) -> dict[str, bytes]:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def manifest_of(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "manifest.json").read_text())
    return found


CODES = sample(2000, seed=12, space=MNASNET)


def test_files(done: Finished) -> None:
    assert sorted(contents(done.out)) == [
        "accuracy.onnx",
        "golden.bin",
        "macs.onnx",
        "manifest.json",
    ]
    assert [a.target.name for a in Catalog.read(done.out).artifacts] == sorted(TARGETS)
    for name in TARGETS:
        entry = done.manifest["targets"][name]
        model = (done.out / entry["file"]).read_bytes()
        assert (entry["sha256"], entry["bytes"]) == (sha256(model), len(model))
        facts = entry["tables"]
        count = facts["entries"] * facts["members"]
        read = np.frombuffer(model, "<i4", count=count, offset=facts["offset"])
        ensemble = done.built[name].ensemble
        np.testing.assert_array_equal(read.reshape(-1, facts["members"]), ensemble.entries)
        assert (facts["scale"], facts["shift"]) == (ensemble.scale, ensemble.shift)
        assert Link.from_dict(entry["link"]) == ensemble.link


@pytest.mark.parametrize("target", TARGETS)
def test_loads_and_predicts(done: Finished, target: str) -> None:
    wanted = done.built[target].ensemble.predict(symbols_of(CODES, MNASNET))
    with anb_onnx.load(path=done.out / f"{target}.onnx") as surrogate:
        assert surrogate.target.name == target
        found = surrogate.query(CODES, members=True)
        b0 = surrogate.query(efficientnet_b0())
    assert found.members is not None
    for one, other in zip((found.mean, found.std, found.members), wanted, strict=True):
        np.testing.assert_array_equal(one.view(np.int32), other.view(np.int32))
    codes = np.array([efficientnet_b0().codes], dtype=np.uint8)
    alone = done.built[target].ensemble.predict(symbols_of(codes, MNASNET))
    assert b0.mean == alone[0][0]


def test_card_in_the_file_is_the_manifest_s(done: Finished) -> None:
    for name in TARGETS:
        entry = dict(done.manifest["targets"][name])
        proto = onnx.load_from_string((done.out / entry["file"]).read_bytes())
        card = json.loads({p.key: p.value for p in proto.metadata_props}["anb_onnx.card"])
        assert card.pop("search_space") == MNASNET.to_dict()
        assert card.pop("benchmark") == done.manifest["benchmark"]
        for key in ("file", "sha256", "bytes", "tables"):
            del entry[key]
        assert card == entry


def test_predictions_are_those_of_the_boosters(done: Finished, records: Dataset) -> None:
    """From members on disk to the ensemble's mean by xgboost alone, in its float32."""
    import xgboost as xgb

    labels = []
    for path in sorted((done.work / "compact" / "accuracy").glob("*.ubj")):
        booster = xgb.Booster({"nthread": 1})
        booster.load_model(bytearray(path.read_bytes()))
        labels.append(predict(booster, CODES))
    training = read_training(done.work / "compact" / "accuracy")
    transform = training.document["recipe"]["transform"]
    members = 80 - 1 / (np.stack(labels, axis=1) * transform["std"] + transform["mean"])
    mean, std, found = done.built["accuracy"].ensemble.predict(symbols_of(CODES, MNASNET))
    np.testing.assert_allclose(found, members, rtol=2e-6)
    np.testing.assert_allclose(mean, members.mean(axis=1), rtol=2e-6)
    np.testing.assert_allclose(std, members.std(axis=1), atol=2e-4)


def test_accuracy_s_card(done: Finished, records: Dataset, split: Split) -> None:
    card = done.manifest["targets"]["accuracy"]
    assert (card["form"], card["exact"], card["members"], card["seeds"]) == (
        *("tables", False, 2),
        [1, 2],
    )
    assert (card["unit"], card["direction"], card["recipe"]) == ("%", "max", "compact")
    assert CompactRecipe.from_dict(card["recipe_parameters"]) == RECIPE
    assert {p: q["n"] for p, q in card["quality"].items()} == {
        "train": 420,
        "val": 90,
        "out_of_fold": 510,
        "test": 90,
    }
    mean, _, _ = done.built["accuracy"].ensemble.predict(
        symbols_of(records.codes[split.test], MNASNET)
    )
    error = np.abs(mean - records.values["accuracy"][split.test])
    assert card["quality"]["test"]["mae"] == pytest.approx(error.mean(), rel=1e-9)
    assert card["quality"]["test"]["r2"] > 0.8
    assert card["verification"]["steps"] <= card["verification"]["bound"] == 11
    assert card["verification"]["largest"] < 1e-5
    assert 0.5 < card["learning_gain"] <= 1
    for part in ("out_of_fold", "test"):
        intervals = card["coverage"][part]["intervals"]
        assert list(intervals) == ["0.5", "0.8", "0.9", "0.95"]
        for level, share in intervals.items():
            # Out-of-fold ensembles learn from half the rows: their errors are larger, not smaller.
            assert share < float(level) + (0.02 if part == "out_of_fold" else 0.15)
            assert share > float(level) - 0.2
    # The members' std alone is no error bar.
    assert card["coverage"]["out_of_fold"]["std"]["1"] < 0.6


def test_exact_card(done: Finished, records: Dataset) -> None:
    card = done.manifest["targets"]["macs"]
    assert (card["exact"], card["members"]) == (True, 1)
    assert card["quality"]["all"]["mae"] < 1e-4  # float32 at some 600 million
    mean, std, _ = done.built["macs"].ensemble.predict(symbols_of(records.codes, MNASNET))
    np.testing.assert_array_equal(mean, records.values["macs"].astype(np.float32))
    assert not std.any()


def test_golden_vectors(done: Finished) -> None:
    entry = done.manifest["golden"]
    content = (done.out / entry["file"]).read_bytes()
    assert (sha256(content), len(content)) == (entry["sha256"], entry["bytes"])
    arrays = {(a["target"], a["name"]): a for a in entry["arrays"]}
    assert {target for target, _ in arrays} == {None, *TARGETS}

    def read(target: str | None, name: str) -> np.ndarray:
        facts = arrays[target, name]
        dtype = np.uint8 if facts["dtype"] == "uint8" else np.dtype("<f4")
        count = int(np.prod(facts["shape"]))
        return np.frombuffer(content, dtype, count, facts["offset"]).reshape(facts["shape"])

    for target in TARGETS:
        with anb_onnx.load(path=done.out / f"{target}.onnx") as surrogate:
            found = surrogate.query(read(None, "architectures"), members=True)
        assert found.members is not None
        for name in ("mean", "std", "members"):
            one, other = getattr(found, name), read(target, name)
            np.testing.assert_array_equal(one.view(np.int32), other.view(np.int32))


def test_again_in_the_same_folder(done: Finished, records: Dataset, split: Split) -> None:
    before = contents(done.out), contents(done.work)
    states: set[str] = set()
    stages: list[str] = []

    def report(stage: str) -> Any:
        stages.append(stage)
        return lambda index, rounds, state: states.add(state)

    build(records, split, RECIPES, TARGETS, work=done.work, out=done.out, report=report)
    assert (contents(done.out), contents(done.work)) == before
    assert stages == ["accuracy: members", "accuracy: out-of-fold ensembles"]
    assert states == {"reused"}


def test_calibration_is_that_of_the_out_of_fold_predictions(
    done: Finished, records: Dataset, split: Split, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def spy(name: str) -> list[Any]:
        function, found = getattr(module, name), []

        def call(*arguments: Any, **options: Any) -> Any:
            result = function(*arguments, **options)
            found.append((arguments, result))
            return result

        monkeypatch.setattr(module, name, call)
        return found

    seen, calls, gains = map(spy, ("predict_out_of_fold", "fit_calibration", "learning_gain"))
    build(records, split, RECIPES, ("accuracy",), work=done.work, out=tmp_path)
    (((measured, mean, std, offset), fitted),) = calls
    ((_, oof),) = seen
    assert offset == 80.0
    assert sorted(oof.rows.tolist()) == sorted(split.pool.tolist())
    np.testing.assert_array_equal(oof.measured, records.values["accuracy"][oof.rows])
    np.testing.assert_array_equal(measured, oof.measured)
    np.testing.assert_allclose(mean, (oof.members[:, 0] + oof.members[:, 1]) / 2)
    # As many members as the artifact has: their std needs no correction here.
    np.testing.assert_allclose(std, np.abs(oof.members[:, 0] - oof.members[:, 1]) / 2)
    card = done.manifest["targets"]["accuracy"]
    # Single members on both sides, on rows they have not learned from.
    (((_, fewer, more), gain),) = gains
    assert card["learning_gain"] == gain
    assert len(fewer[0]) == 2 * 510
    np.testing.assert_array_equal(
        fewer[0] - fewer[1], (oof.measured[:, None] - oof.members).ravel()
    )
    training = read_training(done.work / "compact" / "accuracy")
    wanted = held_out(records, "accuracy", split.pool, training)
    np.testing.assert_array_equal(more, wanted)
    assert gain == learning_gain(fitted, fewer, more)
    found = Calibration.from_dict(card["calibration"])
    assert found == replace(fitted, noise=fitted.noise * gain)
    assert coverage(found, measured, mean, std) == card["coverage"]["out_of_fold"]
    for level, share in coverage(fitted, measured, mean, std)["intervals"].items():
        assert share == pytest.approx(float(level), abs=0.02)
    # Ensembles of half the data are worse than the ensemble is on the rows it learned from.
    assert card["quality"]["out_of_fold"]["mae"] > card["quality"]["train"]["mae"]


def test_held_out_rows_are_those_that_stopped_each_member(
    done: Finished, records: Dataset, split: Split
) -> None:
    import xgboost as xgb

    pool = RECIPE.rows(records, "accuracy", split.pool)
    folder = done.work / "compact" / "accuracy"
    training = read_training(folder)
    measured, predicted = held_out(records, "accuracy", pool, training)
    transform, start = training.document["recipe"]["transform"], 0
    for member in training.document["members"]:
        fit, held = fold_rows(len(pool), member["seed"])
        assert not set(fit) & set(held)
        booster = xgb.Booster(model_file=folder / member["file"])
        label = predict(booster, records.codes[pool[held]])
        part = slice(start, start + len(held))
        np.testing.assert_array_equal(measured[part], records.values["accuracy"][pool[held]])
        y = 80 - 1 / (label * transform["std"] + transform["mean"])
        np.testing.assert_allclose(predicted[part], y, rtol=2e-6)
        # The loss that xgboost noted when it stopped is that of these rows and this member.
        standardised = (1 / (80 - measured[part]) - transform["mean"]) / transform["std"]
        weights = RECIPE.weights(records, "accuracy", pool)
        assert weights is not None
        squares = (standardised - label) ** 2
        loss = np.sqrt(np.average(squares, weights=weights[held]))
        assert member["held_out_loss"] == pytest.approx(loss, rel=1e-4)
        start += len(held)
    assert start == len(measured) == len(predicted)


def test_one_more_target_keeps_the_golden_vectors_of_the_others(
    done: Finished, records: Dataset, split: Split, tmp_path: Path
) -> None:
    """Target by target, in any order, is the same as all at once."""
    build(records, split, RECIPES, ("macs",), work=done.work, out=tmp_path)
    assert {a["target"] for a in manifest_of(tmp_path)["golden"]["arrays"]} == {None, "macs"}
    build(records, split, RECIPES, ("accuracy",), work=done.work, out=tmp_path)
    golden = manifest_of(tmp_path)["golden"]
    assert {a["target"] for a in golden["arrays"]} == {None, *TARGETS}
    assert contents(tmp_path) == contents(done.out)
    # And again for one that is there already.
    build(records, split, RECIPES, ("macs",), work=done.work, out=tmp_path)
    assert contents(tmp_path) == contents(done.out)


def test_golden_vectors_are_of_sound_table_forms_only(done: Finished, tmp_path: Path) -> None:
    shutil.copytree(done.out, tmp_path / "out")
    out = tmp_path / "out"
    (out / "golden.bin").unlink()
    write_golden(out)
    assert contents(out) == contents(done.out)
    # An artifact in tree form has no tables; it is left out.
    manifest = manifest_of(out)
    for key in ("tables", "terms"):
        del manifest["targets"]["macs"][key]
    manifest["targets"]["macs"]["form"] = "trees"
    (out / "manifest.json").write_text(json.dumps(manifest))
    write_golden(out)
    assert {a["target"] for a in manifest_of(out)["golden"]["arrays"]} == {None, "accuracy"}
    before = contents(out)
    model = bytearray(before["accuracy.onnx"])
    model[len(model) // 2] ^= 1
    (out / "accuracy.onnx").write_bytes(model)
    with pytest.raises(ArtifactError, match=r"accuracy\.onnx is damaged"):
        write_golden(out)
    (out / "accuracy.onnx").write_bytes(before["accuracy.onnx"])
    assert contents(out) == before
    with pytest.raises(ArtifactError, match="manifest"):
        write_golden(tmp_path)


def test_hinges_reach_the_artifact_without_any_training(
    done: Finished, records: Dataset, split: Split, tmp_path: Path
) -> None:
    """Through tables, graph, manifest, golden vectors and every engine."""
    shutil.copytree(done.work, tmp_path / "work")
    plain = done.built["accuracy"]
    symbols = symbols_of(CODES, MNASNET)
    low, high = (float(q) for q in np.quantile(plain.ensemble.predict(symbols)[0], [0.3, 0.8]))
    regime = Regime("block6_k", (1,), ((low, 0.5),))
    link = Link("-1", 80.0, ((low, -0.5), (high, 1.5)), regime)
    recipes = {"accuracy": replace(RECIPE, link=link)}
    states: list[str] = []
    (bent,) = build(
        *(records, split, recipes, ("accuracy",)),
        work=tmp_path / "work",
        out=tmp_path / "out",
        report=lambda name: lambda number, rounds, state: states.append(state),
    )
    assert set(states) == {"reused"}
    assert bent.ensemble.link == link
    np.testing.assert_array_equal(bent.ensemble.entries, plain.ensemble.entries)
    totals = plain.ensemble.totals(symbols).astype(np.float64)
    y = plain.ensemble.link.inverse(totals * plain.ensemble.scale + plain.ensemble.shift)
    y = y + np.where(y > low, (y - low) * -0.5, 0.0)
    y = y + np.where(y > high, (y - high) * 1.5, 0.0)
    inside = CODES[:, MNASNET.positions["block6_k"]] == 1
    assert 0.3 < inside.mean() < 0.7
    y = y + np.where(inside[:, None] & (y > low), (y - low) * 0.5, 0.0)
    wanted = [y.mean(axis=1), y.std(axis=1), y]
    for engine in ("native", "onnxruntime", "numpy"):
        with anb_onnx.load(path=tmp_path / "out" / "accuracy.onnx", engine=engine) as surrogate:
            found = surrogate.query(CODES, members=True)
            assert found.members is not None
            for one, other in zip((found.mean, found.std, found.members), wanted, strict=True):
                np.testing.assert_allclose(one, other, rtol=2e-6, atol=1e-6)
    card = manifest_of(tmp_path / "out")["targets"]["accuracy"]
    assert card["link"]["hinges"] == [[low, -0.5], [high, 1.5]]
    assert Link.from_dict(card["link"]) == link
    assert CompactRecipe.from_dict(card["recipe_parameters"]) == recipes["accuracy"]
    assert card["verification"]["largest"] < 1e-5
    test = records.codes[split.test]
    mean = bent.ensemble.predict(symbols_of(test, MNASNET))[0]
    error = np.abs(mean - records.values["accuracy"][split.test]).mean()
    assert card["quality"]["test"]["mae"] == pytest.approx(error, rel=1e-9)
    # Whatever else reads the members.
    members = tmp_path / "work" / "compact" / "accuracy"
    for path in (members, tmp_path / "out" / "accuracy.onnx"):
        found_mae = evaluate_ensemble(path, records, split).metrics["test"]["mae"]
        assert found_mae == pytest.approx(error, rel=1e-6)
    again = tmp_path / "again" / "accuracy.onnx"
    assert main(["compile", str(members), "--out", str(again)]) == 0
    assert main(["verify", str(again), str(members), "--n", "500"]) == 0
    projected = [
        "project",
        str(members),
        "--out",
        str(tmp_path / "again" / "projected.onnx"),
        "--n",
        "500",
    ]
    assert main(projected) == 0
    assert error != done.manifest["targets"]["accuracy"]["quality"]["test"]["mae"]
    # training.json now says what the members' labels mean.
    folder = tmp_path / "work" / "compact" / "accuracy"
    assert read_training(folder).transform.to_dict()["link"] == link.to_dict()
    train_compact(records, split, "accuracy", RECIPE, (1, 2), folder)
    assert contents(folder) == contents(done.work / "compact" / "accuracy")


def test_two_jobs_give_the_same_bytes(
    done: Finished, records: Dataset, split: Split, tmp_path: Path
) -> None:
    work, out = tmp_path / "work", tmp_path / "out"
    build(records, split, RECIPES, TARGETS, work=work, out=out, jobs=2)
    assert contents(out) == contents(done.out)
    assert contents(work) == contents(done.work)


@pytest.mark.parametrize(
    ("stage", "index", "reused"),
    [("accuracy: members", 0, 1), ("accuracy: out-of-fold ensembles", 0, 3)],
)
def test_an_interrupted_build_goes_on(
    done: Finished,
    records: Dataset,
    split: Split,
    tmp_path: Path,
    stage: str,
    index: int,
    reused: int,
) -> None:
    """Interrupted when a member, or a fold, is finished; the rest is done, that is kept."""
    work, out = tmp_path / "work", tmp_path / "out"

    def interrupt(found: str) -> Any:
        def on_progress(number: int, rounds: int, state: str) -> None:
            if (found, number, state) == (stage, index, "done"):
                raise KeyboardInterrupt

        return on_progress

    with pytest.raises(KeyboardInterrupt):
        build(records, split, RECIPES, TARGETS, work=work, out=out, report=interrupt)
    assert not out.exists()
    states: list[str] = []
    build(
        *(records, split, RECIPES, TARGETS),
        work=work,
        out=out,
        report=lambda name: lambda number, rounds, state: states.append(state),
    )
    assert states.count("reused") == reused
    assert states.count("done") == 4 - reused
    assert contents(out) == contents(done.out)


def test_test_rows_only_enter_the_report(
    done: Finished, records: Dataset, split: Split, tmp_path: Path
) -> None:
    """Other measurements on the test rows: other figures there, but the same surrogate."""
    poisoned = records.values["accuracy"].copy()
    poisoned[split.test] = 79.9 - np.arange(len(split.test)) / 10
    poisoned[split.test[::3]] = np.nan
    changed = replace(records, values={**records.values, "accuracy": poisoned})
    (found,) = build(
        *(changed, split, RECIPES, ("accuracy",)), work=tmp_path / "work", out=tmp_path / "out"
    )
    before = done.built["accuracy"]
    np.testing.assert_array_equal(found.ensemble.entries, before.ensemble.entries)
    assert (found.ensemble.scale, found.ensemble.shift) == (
        before.ensemble.scale,
        before.ensemble.shift,
    )
    assert found.card["calibration"] == before.card["calibration"]
    assert found.card["learning_gain"] == before.card["learning_gain"]
    for part in ("train", "val", "out_of_fold"):
        assert found.card["quality"][part] == before.card["quality"][part]
    assert found.card["quality"]["test"] != before.card["quality"]["test"]
    assert found.card["quality"]["test"]["n"] == 60


def test_nothing_is_trained_if_a_recipe_is_missing(
    records: Dataset, split: Split, tmp_path: Path
) -> None:
    targets = ("accuracy", "throughput_a100")
    with pytest.raises(AnbError, match=r"no compact recipe for 'throughput_a100'.*anb-export tune"):
        build(records, split, RECIPES, targets, work=tmp_path / "work", out=tmp_path / "out")
    with pytest.raises(AnbError, match="unknown target 'flops'"):
        build(records, split, RECIPES, ("accuracy", "flops"), work=tmp_path / "w", out=tmp_path)
    assert not list(tmp_path.iterdir())


def test_unfaithful_tables_are_refused(done: Finished) -> None:
    training = read_training(done.work / "compact" / "accuracy")
    ensemble = done.built["accuracy"].ensemble
    assert check(ensemble, training, n=3_000)["steps"] <= 11
    entries = ensemble.entries.copy()
    entries[:, 1] += 1  # in all 21 tables
    moved = TableEnsemble(MNASNET, entries, ensemble.scale, ensemble.shift, ensemble.link)
    with pytest.raises(AnbError, match=r"accuracy: tables are 2\d\.\d\d steps off .* allowed 11"):
        check(moved, training, n=3_000)


def test_members_on_the_target_s_own_scale(records: Dataset, split: Split, tmp_path: Path) -> None:
    params = {
        "max_depth": 3,
        "learning_rate": 0.3,
        "tree_method": "hist",
        "interaction_constraints": json.dumps(genes_of_terms(all_pairs(MNASNET))),
    }
    plain = Recipe("plain", params, 30, 5)
    training = train(records, split, "accuracy", plain, [1, 2], tmp_path / "plain")
    found = check(compile_training(training), training, n=3_000)
    assert found["steps"] <= 11
    assert found["largest"] < 2e-5
    linked = replace(plain, transform=Link("-1", 80.0))
    training = train(records, split, "accuracy", linked, [1], tmp_path / "linked")
    with pytest.raises(AnbError, match=r"linked: members trained on Link.* cannot be compiled"):
        compile_training(training)


def test_the_reference_s_members_have_no_tables(training: Training) -> None:
    params = training.document["recipe"]["params"]
    assert "interaction_constraints" not in params
    with pytest.raises(CompileError, match=r"member 0: tree \d+ mixes more than two blocks \(blo"):
        compile_training(training)


def test_commands(
    done: Finished, archive: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    recipes = tmp_path / "recipes.json"
    store_recipe(recipes, "accuracy", {"recipe": RECIPE.to_dict(), "study": {}})
    out = tmp_path / "out"
    arguments = ["build", "--dataset", archive, "--out", out, "--work", done.work]
    arguments += ["--recipes", recipes, "--target", "accuracy", "--target", "macs"]
    assert main([*map(str, arguments), "--jobs", "1"]) == 0
    assert contents(out) == contents(done.out)
    printed = capsys.readouterr()
    assert [line.split()[:3] for line in printed.out.splitlines()] == [
        ["accuracy", "link", "1/(80-y)"],
        ["macs", "link", "y"],
    ]
    assert "wrote 2 artifacts" in printed.err

    file = tmp_path / "compiled" / "accuracy.onnx"
    members = done.work / "compact" / "accuracy"
    assert main(["compile", str(members), "--out", str(file)]) == 0
    assert "(bound 11.0) on 400 random architectures" in capsys.readouterr().out
    wanted = done.built["accuracy"].ensemble.predict(symbols_of(CODES, MNASNET))
    with anb_onnx.load(path=file) as surrogate:
        np.testing.assert_array_equal(surrogate.query(CODES).mean, wanted[0])
    assert main(["compile", str(members), "--out", str(tmp_path / "x.bin")]) == 2
    assert main(["build", *map(str, arguments[1:]), "--target", "flops"]) == 2
