from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import pytest
import xgboost as xgb
from anb_export._io.files import sha256, to_json
from anb_export.artifacts.convert import convert
from anb_export.artifacts.forms import ConvertError
from anb_export.cli import main
from anb_export.data.read import read_dataset
from anb_export.data.splits import read_split
from anb_export.models.svm_form import Kernel
from anb_export.training.family_recipe import family_recipe
from anb_export.training.members_folder import Training, read_training
from anb_export.training.train_families import train_family

import anb_onnx
from anb_onnx.catalog.card import Card
from anb_onnx.errors import AnbError
from anb_onnx.spaces.architecture import sample
from anb_onnx.spaces.mnasnet import MNASNET, efficientnet_b0

from .family_study import write_family_study


@pytest.fixture(scope="module")
def converted(training: Training) -> tuple[bytes, Card]:
    return convert(training)


def test_outputs_are_xgboost_s(training: Training, converted: tuple[bytes, Card]) -> None:
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    session = ort.InferenceSession(converted[0], options)
    codes = np.concatenate([sample(200, seed=5, space=MNASNET), [efficientnet_b0().codes]]).astype(
        np.uint8
    )
    mean, std, members = session.run(["mean", "std", "members"], {"architectures": codes})
    columns = []
    for path in training.files:
        booster = xgb.Booster()
        booster.load_model(path)
        n = booster.num_boosted_rounds()
        columns.append(booster.inplace_predict(codes.astype(np.float32), iteration_range=(0, n)))
    wanted = np.stack(columns, axis=1).astype(float)
    scale = training.target_std
    assert np.abs(members - wanted).max() < 1e-4 * scale
    assert np.abs(mean - wanted.mean(axis=1)).max() < 1e-4 * scale
    assert np.abs(std - wanted.std(axis=1)).max() < 1e-4 * scale


def test_same_bits_in_every_batch(converted: tuple[bytes, Card]) -> None:
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    session = ort.InferenceSession(converted[0], options)
    codes = sample(100, seed=6, space=MNASNET)
    whole = session.run(None, {"architectures": codes})
    for size in (1, 7):
        parts = [
            session.run(None, {"architectures": codes[k : k + size]}) for k in range(0, 100, size)
        ]
        for output, part in zip(whole, zip(*parts, strict=True), strict=True):
            np.testing.assert_array_equal(np.concatenate(part), output)


def test_card_and_bytes(training: Training, converted: tuple[bytes, Card]) -> None:
    model, card = converted
    assert convert(training) == (model, card)
    assert (card["form"], card["metric"], card["device"]) == ("trees", "accuracy", None)
    assert (card["unit"], card["direction"], card["members"]) == ("%", "max", 3)
    assert card["quality"] == training.document["metrics"]
    assert card["license"] == "Apache-2.0"
    metadata = {p.key: p.value for p in onnx.load_from_string(model).metadata_props}
    stored = json.loads(metadata["anb_onnx.card"])
    stored.pop("search_space")
    assert stored == card


def test_runtime_reads_it(converted: tuple[bytes, Card], tmp_path: Path) -> None:
    if not hasattr(anb_onnx, "load"):
        pytest.skip("this anb_onnx has no load")
    path = tmp_path / "mine.onnx"
    path.write_bytes(converted[0])
    with anb_onnx.load(path=path) as surrogate:
        prediction = surrogate.query(sample(3, seed=0, space=MNASNET), members=True)
        assert surrogate.target.name == "accuracy"
    assert prediction.unit == "%"
    assert prediction.members is not None
    np.testing.assert_allclose(prediction.mean, prediction.members.mean(axis=1), rtol=1e-6)


def rewritten(training: Training, folder: Path, booster: xgb.Booster) -> Training:
    """Give a folder with one other member, correctly described."""
    content = bytes(booster.save_raw("ubj"))
    (folder / "member_00.ubj").write_bytes(content)
    document = json.loads(json.dumps(dict(training.document)))
    document["members"] = [{**document["members"][0], "sha256": sha256(content)}]
    (folder / "training.json").write_bytes(to_json(document))
    return read_training(folder)


def test_what_onnxmltools_converts_wrongly_is_refused(training: Training, tmp_path: Path) -> None:
    codes = sample(60, seed=0, space=MNASNET).astype(np.float32)
    matrix = xgb.DMatrix(codes, codes[:, 0] / 3, nthread=1)
    for params in ({"booster": "dart"}, {"booster": "gblinear"}, {"objective": "reg:logistic"}):
        booster = xgb.train({"nthread": 1, **params}, matrix, 3)
        with pytest.raises(AnbError, match="not supported"):
            convert(rewritten(training, tmp_path, booster))
    narrow = xgb.train({"nthread": 1}, xgb.DMatrix(codes[:, :5], codes[:, 0], nthread=1), 3)
    with pytest.raises(ConvertError, match=r"member_00.ubj has 5 features, the space 28 genes"):
        convert(rewritten(training, tmp_path, narrow))


def test_feature_names_and_other_base_scores_convert(training: Training, tmp_path: Path) -> None:
    codes = sample(60, seed=0, space=MNASNET).astype(np.float32)
    names = [f"gene {k}" for k in range(28)]
    matrix = xgb.DMatrix(codes, codes[:, 0] + 50, feature_names=names, nthread=1)
    booster = xgb.train({"nthread": 1}, matrix, 3)  # base score: the mean, not 0.5
    model, _ = convert(rewritten(training, tmp_path, booster))
    session = ort.InferenceSession(model)
    found = session.run(["mean"], {"architectures": codes.astype(np.uint8)})[0]
    np.testing.assert_allclose(found, booster.predict(matrix), rtol=1e-6)


def test_transformed_labels_are_refused(training: Training) -> None:
    document = json.loads(json.dumps(dict(training.document)))
    document["recipe"]["transform"] = {"power": "-1", "offset": None, "inverse": ["reciprocal"]}
    with pytest.raises(ConvertError, match="transformed labels"):
        convert(replace(training, document=document))


@pytest.fixture(scope="module", params=["svr", "nusvr"])
def machines(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Training:
    """Two support vector machines, trained as `anb-export train --family` does."""
    folder = tmp_path_factory.mktemp("machines")
    dataset = read_dataset(write_family_study(folder))
    hyperparameters = folder / "upstream_hyperparameters.json"
    return train_family(
        dataset,
        read_split(dataset, folder / "default_split"),
        "latency_zcu102",
        family_recipe(request.param, "latency_zcu102", hyperparameters),
        [1, 2],
        folder / "members",
    )


def test_support_vector_machines(machines: Training) -> None:
    """SVMRegressor is float32; the oracle is the sum over the support vectors in float64."""
    model, card = convert(machines)
    assert (card["form"], card["family"], card["members"]) == ("kernel", machines.family, 2)
    assert (card["metric"], card["device"], card["unit"]) == ("latency", "zcu102", "ms")
    assert card["quality"] == machines.document["metrics"]
    assert {"onnx", "skl2onnx", "scikit-learn"} <= card["versions"].keys()
    codes = sample(500, seed=3, space=MNASNET)
    kernels = machines.members()
    assert all(isinstance(kernel, Kernel) for kernel in kernels)
    wanted = np.stack([kernel.predict_exact(codes) for kernel in kernels], axis=1)
    session = ort.InferenceSession(model)
    mean, std, members = session.run(["mean", "std", "members"], {"architectures": codes})
    near = 1e-4 * machines.target_std
    assert np.abs(members - wanted).max() < near
    assert np.abs(mean - wanted.mean(axis=1)).max() < near
    assert np.abs(std - wanted.std(axis=1)).max() < near
    assert std.max() > 10 * near  # members do differ
    assert card["verification"]["largest"] < 1e-4
    metadata = {p.key: p.value for p in onnx.load_from_string(model).metadata_props}
    stored = json.loads(metadata["anb_onnx.card"])
    stored.pop("search_space")
    assert stored == card
    assert convert(machines) == (model, card)


def test_the_command_converts_support_vector_machines(
    machines: Training, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "latency_zcu102.onnx"
    arguments = ["convert", str(machines.folder), "--out", str(out)]
    assert main(arguments) == 0
    assert out.read_bytes() == convert(machines)[0]
    with anb_onnx.load(path=out) as surrogate:
        codes = sample(20, seed=1, space=MNASNET)
        wanted = np.mean([kernel.predict_exact(codes) for kernel in machines.members()], axis=0)
        found = surrogate.query(codes).mean
        assert np.abs(found - wanted).max() < 1e-4 * machines.target_std
    before = (tmp_path / "manifest.json").read_bytes()
    capsys.readouterr()
    for form in ("trees", "tree64", "projected"):
        assert main([*arguments, "--form", form]) == 2
        message = "are no trees" if form == "projected" else f"leave out --form {form}"
        assert message in capsys.readouterr().err
    assert (tmp_path / "manifest.json").read_bytes() == before


def test_a_wrong_kernel_graph_is_not_written(
    machines: Training, monkeypatch: pytest.MonkeyPatch
) -> None:
    from anb_export.graphs import kernel_form
    from anb_export.models.svm_form import svm_attributes

    def wrong(kernel: Kernel) -> dict[str, object]:
        attributes = svm_attributes(kernel)
        attributes["coefficients"] = [1.01 * value for value in attributes["coefficients"]]
        return attributes

    monkeypatch.setattr(kernel_form, "svm_attributes", wrong)
    with pytest.raises(ConvertError, match=r"standard deviations off the members, allowed are"):
        convert(machines)


def test_projected_is_what_project_writes(
    training: Training, study: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    dataset = ["--dataset", str(study / "anb_dataset_jsons.tar.gz")]
    written, said = [], []
    for name, command in (
        ("a", ["project"]),
        ("b", ["convert", "--form", "projected"]),
    ):
        folder = tmp_path / name
        arguments = [*command, str(training.folder), "--out", str(folder / "accuracy.onnx")]
        assert main([*arguments, "--n", "1000", *dataset]) == 0
        written.append({path.name: path.read_bytes() for path in folder.iterdir()})
        said.append(capsys.readouterr().out)
    assert written[0].keys() == {"accuracy.onnx", "manifest.json"}
    assert written[0] == written[1]
    assert said[0] == said[1]
    entry = json.loads(written[1]["manifest.json"])["targets"]["accuracy"]
    assert (entry["form"], entry["exact_compilation"]) == ("projected", False)
    assert entry["fidelity"]["n"] == 1000
    assert entry["quality"]["test"] != entry["members_quality"]["test"]


@pytest.mark.parametrize("form", [[], ["--form", "trees"], ["--form", "tree64"]], ids=str)
@pytest.mark.parametrize(
    "option", [["--n", "1000"], ["--dataset", "data.tar.gz"], ["--split", "random:1"]], ids=str
)
def test_options_of_a_projection_are_refused_elsewhere(
    training: Training,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    form: list[str],
    option: list[str],
) -> None:
    out = tmp_path / "accuracy.onnx"
    assert main(["convert", str(training.folder), "--out", str(out), *form, *option]) == 2
    assert f"{option[0]} goes with --form projected only" in capsys.readouterr().err
    assert not any(tmp_path.iterdir())
