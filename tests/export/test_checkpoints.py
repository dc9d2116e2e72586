from __future__ import annotations

import json
import os
import pickle
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xgboost as xgb
from anb_export.artifacts.forms import ConvertError
from anb_export.artifacts.importing import (
    ImportingError,
    Source,
    import_models,
    read_source,
    read_sources,
)
from anb_export.cli import main
from anb_export.data.accel_nasbench import ACCEL_NASBENCH
from anb_export.data.read import read_dataset
from anb_export.data.splits import read_split
from anb_export.models.checkpoints import CheckpointError, find_checkpoints
from anb_export.models.formats import model_from_object
from anb_export.models.xgboost_document import forest_of_booster

import anb_onnx
from anb_onnx.catalog.catalog import Catalog
from anb_onnx.errors import AnbError, TargetError
from anb_onnx.spaces.architecture import sample
from anb_onnx.spaces.mnasnet import MNASNET

from .checkpoint_writer import fit, labels, rows, write_member

PUBLISHED = Path(__file__).parent / "data" / "published"
CODES = sample(300, seed=8, space=MNASNET)


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two xgboost ensembles, of two members and one, written in an order that is not theirs."""
    root = tmp_path_factory.mktemp("anb_models_0_9")
    write_member(root, fit("xgb", "accuracy", 3), "xgb", seed=3)
    write_member(root, fit("xgb", "accuracy", 1), "xgb", seed=1, protocol=2)
    booster = fit("xgb", "throughput_tpuv2", 2)
    write_member(root, booster, "xgb_accel", "tpuv2", "throughput", seed=2, protocol=5)
    return root


def copied(tree: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(tree, tmp_path / "anb_models_0_9"))


def test_the_whole_tree_is_found_in_order(tree: Path) -> None:
    accuracy, throughput = find_checkpoints(tree)
    assert (accuracy.family, accuracy.target) == ("xgb", "accuracy")
    assert (throughput.family, throughput.target) == ("xgb", "throughput_tpuv2")
    assert [(m.name, m.seed) for m in accuracy.members] == [
        ("xgb/20230401-120001-1/surrogate_model.model", 1),
        ("xgb/20230401-120003-3/surrogate_model.model", 3),
    ]
    names = [m.name for m in throughput.members]
    assert names == ["xgb_accel/tpuv2/throughput/20230401-120002-2/surrogate_model.model"]


def test_all_families_are_found() -> None:
    found = [(e.family, e.target, len(e.members)) for e in find_checkpoints(PUBLISHED)]
    assert found == [
        ("forest", "accuracy", 1),
        ("lgb", "throughput_tpuv2", 1),
        ("nusvr", "latency_zcu102", 1),
        ("svr", "accuracy", 1),
        ("xgb", "accuracy", 2),
    ]


def test_parts_of_the_tree_can_be_given(tree: Path) -> None:
    member = tree / "xgb" / "20230401-120003-3"
    for path in (member, member / "surrogate_model.model"):
        (found,) = find_checkpoints(path)
        assert [m.name for m in found.members] == ["surrogate_model.model"]
    (found,) = find_checkpoints(tree / "xgb_accel")
    assert found.target == "throughput_tpuv2"
    (found,) = find_checkpoints(tree / "xgb")
    assert len(found.members) == 2


def test_ensembles_of_one_run_are_found(tree: Path, tmp_path: Path) -> None:
    """The reference's own ensembles keep members below the run, which has a configuration too."""
    run = tmp_path / "xgb" / "20230401-120000-6"
    for k, name in enumerate(("20230401-120001-1", "20230401-120003-3")):
        shutil.copytree(tree / "xgb" / name, run / f"ensemble_member_{k}")
    shutil.copy(run / "ensemble_member_0" / "model_config.json", run)
    (found,) = find_checkpoints(tmp_path)
    assert [m.path.parent.name for m in found.members] == ["ensemble_member_0", "ensemble_member_1"]


def change(path: Path, **values: Any) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text()), **values}))


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"model": "gnn"}, "model 'gnn' is not supported; supported: xgb, lgb, sklearn_forest"),
        ({"model": None}, "'model' is missing"),
        ({"device": None}, "'device' is missing, which model 'xgb_accel' needs"),
        ({"metric": None}, "'metric' is missing"),
        ({"device": "h100"}, "unknown target 'throughput_h100'; valid targets: accuracy"),
        ({"metric": "latency"}, "unknown target 'latency_tpuv2'"),
        ({"device": "tpuv3"}, "'device' is 'tpuv3', but by its folder's name it is 'tpuv2'"),
        ({"device": "zcu102", "metric": "latency"}, "'device' is 'zcu102', but by its folder's"),
        ({"model": "lgb_accel"}, "'model' is 'lgb_accel', but by its folder's name it is 'xgb_a"),
        ({"model": "xgb"}, "model 'xgb' predicts accuracy, but 'device' is 'tpuv2'"),
    ],
)
def test_configurations_are_checked(
    tree: Path, tmp_path: Path, values: dict[str, Any], message: str
) -> None:
    root = copied(tree, tmp_path)
    path = root / "xgb_accel" / "tpuv2" / "throughput" / "20230401-120002-2" / "model_config.json"
    change(path, **values)
    with pytest.raises(CheckpointError, match=message) as caught:
        find_checkpoints(root)
    assert str(path) in str(caught.value)


def test_other_places_are_believed(tree: Path, tmp_path: Path) -> None:
    """A folder whose names do not follow the layout says nothing about the model."""
    member = tree / "xgb_accel" / "tpuv2" / "throughput" / "20230401-120002-2"
    for name in ("mine", "xgb/some/folder/of/mine", "lgb_accel/a/b/c/d/e"):
        shutil.copytree(member, tmp_path / name)
    (found,) = find_checkpoints(tmp_path)
    assert (found.target, len(found.members)) == ("throughput_tpuv2", 3)


@pytest.mark.parametrize("name", ["model_config.json", "data_config.json"])
@pytest.mark.parametrize("content", [None, "{", "[]", "\x00", "[" * 100_000, " " * 2**21])
def test_missing_and_damaged_configurations(
    tree: Path, tmp_path: Path, name: str, content: str | None
) -> None:
    root = copied(tree, tmp_path)
    path = root / "xgb" / "20230401-120001-1" / name
    path.unlink()
    if content is not None:
        path.write_text(content)
    with pytest.raises(CheckpointError, match=name):
        find_checkpoints(root)


def test_missing_files(tree: Path, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"no folder .*nothing"):
        find_checkpoints(tmp_path / "nothing")
    with pytest.raises(CheckpointError, match=r"no surrogate_model\.model in or below .*<stamp>"):
        find_checkpoints(tmp_path)
    root = copied(tree, tmp_path)
    (root / "xgb" / "20230401-120001-1" / "surrogate_model.model").unlink()
    with pytest.raises(CheckpointError, match=r"120001-1 has .*surrogate_model\.model is missing"):
        find_checkpoints(root)


def link(place: Path, target: Path) -> None:
    try:
        place.symlink_to(target, target_is_directory=True)
    except OSError:
        pytest.skip("no symbolic links here")


def test_linked_members_are_found(tree: Path, tmp_path: Path) -> None:
    root = copied(tree, tmp_path)
    store = tmp_path / "store"
    shutil.move(root / "xgb" / "20230401-120003-3", store / "other name")
    link(root / "xgb" / "20230401-120003-3", store / "other name")
    shutil.move(root / "xgb_accel", store / "lgb" / "some")
    link(root / "xgb_accel", store / "lgb" / "some")
    assert [(e.target, [m.name for m in e.members]) for e in find_checkpoints(root)] == [
        (e.target, [m.name for m in e.members]) for e in find_checkpoints(tree)
    ]


def test_links_that_bring_no_member_once(tree: Path, tmp_path: Path) -> None:
    root = copied(tree, tmp_path)
    (root / "notes").mkdir()
    link(root / "other", root / "notes")
    link(root / "notes" / "loop", root / "notes")
    assert len(find_checkpoints(root)) == 2  # no member is in either
    again = root / "xgb" / "latest"
    for target, message in (
        (root / "xgb" / "20230401-120003-3", "120003-3 and .*latest are one folder with members"),
        (root, "anb_models_0_9 and .*latest are one folder with members: remove the symbolic link"),
        (tmp_path, "latest is a symbolic link to .*, above .*anb_models_0_9: remove it"),
        (root / "nothing", "latest is a symbolic link that leads nowhere"),
    ):
        link(again, target)
        with pytest.raises(CheckpointError, match=message):
            find_checkpoints(root)
        again.unlink()


def test_folders_that_cannot_be_listed(
    tree: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root, scandir = copied(tree, tmp_path), os.scandir

    def refusing(path: Any) -> Any:
        if str(path).endswith("xgb"):
            raise PermissionError(13, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refusing)
    with pytest.raises(CheckpointError, match=r"cannot list the folder .*xgb: Permission denied"):
        find_checkpoints(root)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes here")
def test_pipes_are_not_waited_for(tree: Path, tmp_path: Path) -> None:
    root = copied(tree, tmp_path)
    member = root / "xgb" / "20230401-120003-3"
    for name in ("surrogate_model.model", "data_config.json"):
        (member / name).unlink()
        os.mkfifo(member / name)
        with pytest.raises(AnbError, match=f"{name} cannot be read .it is a pipe"):
            read_sources(find_checkpoints(root)[0], space=MNASNET)


def test_the_pickle_must_be_of_the_family(tree: Path, tmp_path: Path) -> None:
    root = copied(tree, tmp_path)
    member = root / "xgb" / "20230401-120001-1"
    other = PUBLISHED / "svr" / "20230401-120001-1" / "surrogate_model.model"
    shutil.copy(other, member / "surrogate_model.model")
    (found,) = find_checkpoints(member)
    with pytest.raises(ImportingError, match=r"family 'svr', model_config\.json says 'xgb'"):
        read_sources(found, space=MNASNET)


# The command


def expected(tree: Path, name: str, rounds: int | None = None) -> Any:
    """What xgboost's own booster predicts, in float64."""
    booster = pickle.loads((tree / name / "surrogate_model.model").read_bytes())
    forest = forest_of_booster(booster)
    return (forest if rounds is None else forest.first(rounds)).predict_exact(CODES), booster


def test_import_of_the_whole_tree(
    tree: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    assert main(["import", str(tree), "--out", str(out)]) == 0
    printed = capsys.readouterr().out.splitlines()
    assert [line.split()[:4] for line in printed] == [
        ["accuracy", "xgb", "members", "2"],
        ["throughput_tpuv2", "xgb", "members", "1"],
    ]
    first = {path.name: path.read_bytes() for path in out.iterdir()}
    assert sorted(first) == ["accuracy.onnx", "manifest.json", "throughput_tpuv2.onnx"]
    wanted = np.stack([expected(tree, f"xgb/20230401-12000{k}-{k}")[0] for k in (1, 3)], axis=1)
    artifact = Catalog.read(out).find("accuracy")
    assert artifact.card["form"] == "tree64"
    assert [s["seed"] for s in artifact.card["sources"]] == [1, 3]
    assert artifact.card["sources"][0]["file"] == "xgb/20230401-120001-1/surrogate_model.model"
    with anb_onnx.load(path=out / "accuracy.onnx") as surrogate:
        found = surrogate.query(CODES, members=True)
        assert (surrogate.target.name, found.unit) == ("accuracy", "%")
    assert found.members is not None
    np.testing.assert_allclose(found.members, wanted, rtol=6e-8)
    np.testing.assert_allclose(found.mean, wanted.mean(axis=1), rtol=6e-8)
    np.testing.assert_allclose(found.std, wanted.std(axis=1), rtol=1e-6)
    with anb_onnx.load(path=out / "throughput_tpuv2.onnx") as surrogate:
        assert (surrogate.target.device, surrogate.target.unit) == ("tpuv2", "images/s")
    assert main(["import", str(tree), "--out", str(out)]) == 0
    assert {path.name: path.read_bytes() for path in out.iterdir()} == first


def test_import_of_every_family(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Real checkpoints of the reference's age: several families, so a folder for each."""
    assert main(["import", str(PUBLISHED), "--out", str(tmp_path)]) == 0
    found = sorted(path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*.onnx"))
    assert found == [
        "forest/accuracy.onnx",
        "lgb/throughput_tpuv2.onnx",
        "nusvr/latency_zcu102.onnx",
        "svr/accuracy.onnx",
        "xgb/accuracy.onnx",
    ]
    document = json.loads((PUBLISHED / "expected.json").read_text())
    codes = np.array(document["codes"], np.uint8)
    members: dict[str, list[Any]] = {}
    for name, values in document["predictions"].items():
        family = {"svr_nu": "nusvr", "sklearn_forest": "forest"}
        model = name.split("/")[0].removesuffix("_accel")
        members.setdefault(family.get(model, model), []).append(values)
    for path in tmp_path.rglob("*.onnx"):
        with anb_onnx.load(path=path) as surrogate:
            mean = surrogate.query(codes).mean
        wanted = np.mean(members[path.parent.name], axis=0)
        np.testing.assert_allclose(mean, wanted, rtol=1e-6)


@pytest.mark.parametrize("form", ["tree64", "trees"])
def test_best_iteration(tree: Path, tmp_path: Path, form: str) -> None:
    arguments = ["import", str(tree / "xgb"), "--out", str(tmp_path), "--form", form]
    assert main([*arguments, "--best-iteration"]) == 0
    _, booster = expected(tree, "xgb/20230401-120001-1")
    best = booster.best_iteration + 1
    assert best < booster.num_boosted_rounds()
    wanted, _ = expected(tree, "xgb/20230401-120001-1", best)
    with anb_onnx.load(path=tmp_path / "accuracy.onnx") as surrogate:
        found = surrogate.query(CODES, members=True).members
        assert surrogate.metadata["sources"][0]["trees"] == best
    assert found is not None
    np.testing.assert_allclose(found[:, 0], wanted, rtol=3e-7)


def imported(out: Path) -> list[str]:
    return sorted(path.relative_to(out).as_posix() for path in out.rglob("*.onnx"))


def test_nothing_is_written_unless_all_can_be(
    tree: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    class Bomb:
        def __reduce__(self) -> Any:
            return os.system, ("true",)

    root, out = copied(tree, tmp_path), tmp_path / "out"
    last = root / "xgb_accel" / "tpuv2" / "throughput" / "20230401-120002-2"
    good = (last / "surrogate_model.model").read_bytes()
    # Paths that mix many blocks: a fault that shows at the end of a conversion.
    deep = pickle.dumps(fit("xgb", "throughput_tpuv2", 1, rounds=40, n=900))
    shutil.rmtree(root / "xgb")
    write_member(root, pair_booster(), "xgb", seed=1)
    for content, form, message in (
        (pickle.dumps(Bomb()), "tree64", "system', which is not allowed"),
        (deep, "tables", "blocks"),
    ):
        (last / "surrogate_model.model").write_bytes(content)
        assert main(["import", str(root), "--out", str(out), "--form", form]) == 2
        captured = capsys.readouterr()
        assert message in captured.err
        assert (captured.out, captured.err.count("\n")) == ("", 1)
        assert not out.exists()
    (last / "surrogate_model.model").write_bytes(good)
    assert main(["import", str(root), "--out", str(out)]) == 0
    assert imported(out) == ["accuracy.onnx", "throughput_tpuv2.onnx"]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("svr/accuracy.onnx", None, "accuracy.onnx (it is a folder)"),
        ("svr/manifest.json", "{", "remove it, and a new one is written"),
        ("svr", "", "svr: it is not a folder; give another --out"),
    ],
)
def test_what_cannot_be_replaced_is_refused_before(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    name: str,
    content: str | None,
    message: str,
) -> None:
    place = tmp_path / name
    place.parent.mkdir(exist_ok=True)
    if content is None:
        place.mkdir()
    else:
        place.write_text(content)
    assert main(["import", str(PUBLISHED), "--out", str(tmp_path)]) == 2
    assert message in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["svr"]


@pytest.mark.parametrize("form", ["tree64", "projected"])
def test_forms_are_for_families_with_trees(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], form: str
) -> None:
    arguments = ["--out", str(tmp_path / "out"), "--form", form]
    assert main(["import", str(PUBLISHED), *arguments]) == 0
    noted = capsys.readouterr().err
    for place in imported(tmp_path / "out"):
        card = Catalog.read((tmp_path / "out" / place).parent).artifacts[0].card
        machine = place.startswith(("svr", "nusvr"))
        assert card["form"] == ("kernel" if machine else form)
    for name in ("latency_zcu102 nusvr", "accuracy svr"):
        assert f"{name}: support vector machines have no trees, so not --form {form}" in noted
    assert main(["import", str(PUBLISHED / "svr"), "--out", str(tmp_path / "x"), *arguments]) == 2
    assert f"leave out --form {form}" in capsys.readouterr().err


def test_rounds_after_the_best_are_noted(
    tree: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    x = rows(160, 1)
    wrapped = xgb.XGBRegressor(
        n_estimators=14, max_depth=3, learning_rate=0.5, early_stopping_rounds=2, n_jobs=1
    )
    held = rows(40, 7)
    y = labels(x, "accuracy")
    wrapped.fit(x, y, eval_set=[(held, (labels(held, "accuracy") + y.mean()) / 2)], verbose=False)
    best, all_of_them = wrapped.best_iteration + 1, wrapped.get_booster().num_boosted_rounds()
    assert best < all_of_them
    (tmp_path / "a.pkl").write_bytes(pickle.dumps(wrapped))
    pair_booster().save_model(tmp_path / "b.ubj")
    files = [str(tmp_path / name) for name in ("a.pkl", "b.ubj")]
    rest = ["--target", "accuracy", "--out", str(tmp_path / "out")]
    assert main(["import", *files, *rest]) == 0
    noted, _, _ = capsys.readouterr().err.splitlines()
    assert f"for 1 of 2 members, after {best} of {all_of_them} trees; all trees are used" in noted
    assert "--best-iteration" in noted
    for quiet in ([files[1]], [files[0], "--best-iteration"]):
        assert main(["import", *quiet, *rest]) == 0
        assert "early stopping" not in capsys.readouterr().err
    assert main(["import", str(tree), "--out", str(tmp_path / "tree")]) == 0
    noted = capsys.readouterr().err
    assert noted.count("for 2 of 2 members") == noted.count("for 1 of 1 members") == 1


def test_best_iteration_leaves_other_families(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    plain, best = tmp_path / "plain", tmp_path / "best"
    assert main(["import", str(PUBLISHED), "--out", str(plain)]) == 0
    assert main(["import", str(PUBLISHED), "--out", str(best), "--best-iteration"]) == 0
    assert imported(best) == imported(plain)
    for place in imported(plain):
        same = (plain / place).read_bytes() == (best / place).read_bytes()
        assert same == (not place.startswith("xgb"))
    root = Path(shutil.copytree(PUBLISHED, tmp_path / "models"))
    path = write_member(root, pair_booster(), "xgb", seed=9) / "surrogate_model.model"
    capsys.readouterr()
    assert main(["import", str(root), "--out", str(tmp_path / "x"), "--best-iteration"]) == 2
    assert f"{path}: the model has no best iteration" in capsys.readouterr().err


def test_names_that_are_not_utf8(tree: Path, tmp_path: Path) -> None:
    root = copied(tree, tmp_path)
    folder = root / "xgb" / os.fsdecode(b"bad\xff")
    file = tmp_path / os.fsdecode(b"bad\xff.ubj")
    try:
        (root / "xgb" / "20230401-120001-1").rename(folder)
        file.write_bytes(pair_booster().save_raw("ubj"))
    except (OSError, UnicodeError):
        pytest.skip("names are UTF-8 here")
    assert main(["import", str(root / "xgb"), "--out", str(tmp_path / "a")]) == 0
    rest = ["--target", "accuracy", "--out", str(tmp_path / "b")]
    assert main(["import", str(file), *rest]) == 0
    names = [
        source["file"]
        for name in "ab"
        for source in Catalog.read(tmp_path / name).find("accuracy").card["sources"]
    ]
    assert "bad\\xff/surrogate_model.model" in names
    assert names[-1] == "bad\\xff.ubj"


def pair_booster() -> Any:
    """A booster whose paths mix at most two blocks: one of the first two, one of the others."""
    x = rows(300, 1)
    pairs = [
        [*range(4 * a, 4 * a + 4), *range(4 * b, 4 * b + 4)] for a in range(7) for b in range(a)
    ]
    return xgb.train(
        {
            "nthread": 1,
            "max_depth": 4,
            "interaction_constraints": str(pairs),
            "tree_method": "hist",
        },
        xgb.DMatrix(x, labels(x, "accuracy"), nthread=1),
        30,
    )


def test_tables_and_projected(
    tree: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    booster = pair_booster()
    booster.save_model(tmp_path / "pairs.ubj")
    files = [str(tmp_path / "pairs.ubj")] * 2
    wanted = forest_of_booster(booster).predict_exact(CODES)
    for form in ("tables", "projected"):
        out = tmp_path / form
        arguments = ["import", *files, "--out", str(out), "--target", "accuracy", "--form", form]
        assert main(arguments) == 0
        with anb_onnx.load(path=out / "accuracy.onnx") as surrogate:
            assert surrogate.metadata["form"] == form
            found = surrogate.query(CODES).mean
        np.testing.assert_allclose(found, wanted, rtol=3e-7)
    capsys.readouterr()
    arguments = ["import", str(tree / "xgb"), "--out", str(tmp_path / "x"), "--form"]
    assert main([*arguments, "projected"]) == 0
    assert "projected, R2 0." in capsys.readouterr().out
    card = Catalog.read(tmp_path / "x").find("accuracy").card
    assert card["exact_compilation"] is False
    assert card["fidelity"]["r2"] < 1
    difference = card["fidelity"]["rms"]
    assert difference.keys() == {"target", "prediction_std", "own_std"}
    wanted = difference["target"] / card["prediction_std"]
    assert difference["prediction_std"] == pytest.approx(wanted, rel=1e-3)


def test_projections_are_told_in_units_of_what_was_measured(
    study: Path, tree: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = study / "anb_dataset_jsons.tar.gz"
    arguments = ["import", str(tree / "xgb"), "--out", str(tmp_path), "--form", "projected"]
    assert main([*arguments, "--dataset", str(path)]) == 0
    dataset = read_dataset(path)
    std = np.std(dataset.values["accuracy"][read_split(dataset, study / "default_split").pool])
    card = Catalog.read(tmp_path).find("accuracy").card
    assert card["target_std"] == pytest.approx(std)
    assert card["target_std"] != pytest.approx(card["prediction_std"], rel=0.05)
    difference = card["fidelity"]["max"]
    assert difference.keys() == {"target", "target_std", "own_std"}
    assert difference["target_std"] == pytest.approx(difference["target"] / std, rel=1e-3)
    assert f"and max {difference['target']:.2g} %" in capsys.readouterr().out


def test_the_quality_can_be_stated(
    study: Path, tree: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    dataset = str(study / "anb_dataset_jsons.tar.gz")
    arguments = ["import", str(tree / "xgb"), "--out", str(tmp_path), "--dataset", dataset]
    assert main(arguments) == 0
    assert "test R2 " in capsys.readouterr().out
    card = Catalog.read(tmp_path).find("accuracy").card
    assert card["quality"]["test"]["n"] == 18


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["{model}", "--out", "{out}", "--target", "speed"], "unknown target 'speed'"),
        (["{ubj}", "--out", "{out}"], "give it with --target"),
        (["{model}", "{model}", "--out", "{out}"], "give it with --target"),
        (["{root}", "{root}", "--out", "{out}"], "found 2 paths: give one folder"),
        (["{root}", "--out", "{out}", "--target", "accuracy"], "is a folder, and --target is for"),
        (["{zip}", "--out", "{out}"], "is an archive: unpack it, and give the folder"),
        (["{root}", "--out", "{out}", "--split", "random:1"], "random:1 needs --dataset"),
        (
            ["{device}", "--out", "{out}", "--target", "accuracy"],
            "it is a device, not a",
        ),
        (["{root}/nothing", "--out", "{out}"], "no folder"),
        (["{ubj}", "--out", "{out}", "--target", "accuracy", "--best-iteration"], "no best iter"),
        (["{ubj}", "--out", "{ubj}", "--target", "accuracy"], "cannot write"),
    ],
)
def test_errors_are_one_line(
    tree: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    message: str,
) -> None:
    model = tree / "xgb" / "20230401-120001-1" / "surrogate_model.model"
    pair_booster().save_model(tmp_path / "pairs.ubj")
    places = {"root": tree, "model": model, "ubj": tmp_path / "pairs.ubj", "out": tmp_path / "out"}
    places |= {"zip": tmp_path / "anb_models_0_9.zip", "device": Path(os.devnull)}
    places["zip"].write_bytes(b"PK")
    assert main(["import", *(a.format(**places) for a in arguments)]) == 2
    captured = capsys.readouterr()
    assert captured.err.startswith("anb-export: error: ")
    assert captured.err.count("\n") == 1
    assert message in captured.err
    assert not (tmp_path / "out").exists()


def test_members_must_be_of_one_family(tmp_path: Path) -> None:
    sources = [
        read_source(PUBLISHED / name / "20230401-120001-1" / "surrogate_model.model", space=MNASNET)
        for name in ("svr", "xgb")
    ]
    with pytest.raises(ImportingError, match=r"members of one family, found \['svr', 'xgb'\]"):
        import_models("accuracy", sources, origin=ACCEL_NASBENCH)
    with pytest.raises(ConvertError, match="unknown form 'tree'"):
        import_models("accuracy", sources[1:], form="tree", origin=ACCEL_NASBENCH)
    with pytest.raises(TargetError):
        import_models("speed", sources[1:], origin=ACCEL_NASBENCH)
    deep = Source("deep", "", None, model_from_object(fit("xgb", "accuracy", 1, rounds=40, n=900)))
    with pytest.raises(AnbError, match=r"member 0: tree .* blocks"):
        import_models("accuracy", [deep], form="tables", origin=ACCEL_NASBENCH)
