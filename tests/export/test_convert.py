from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import pytest
import xgboost as xgb
from anb_export.convert import ConvertError, convert
from anb_export.files import sha256, to_json
from anb_export.training import Training, read_training

import anb_onnx
from anb_onnx.architecture import efficientnet_b0, sample
from anb_onnx.errors import AnbError


@pytest.fixture(scope="module")
def converted(training: Training) -> tuple[bytes, dict[str, object]]:
    return convert(training)


def test_outputs_are_xgboost_s(
    training: Training, converted: tuple[bytes, dict[str, object]]
) -> None:
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    session = ort.InferenceSession(converted[0], options)
    codes = np.concatenate([sample(200, seed=5), [efficientnet_b0().codes]]).astype(np.uint8)
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


def test_same_bits_in_every_batch(converted: tuple[bytes, dict[str, object]]) -> None:
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    session = ort.InferenceSession(converted[0], options)
    codes = sample(100, seed=6)
    whole = session.run(None, {"architectures": codes})
    for size in (1, 7):
        parts = [
            session.run(None, {"architectures": codes[k : k + size]}) for k in range(0, 100, size)
        ]
        for output, part in zip(whole, zip(*parts, strict=True), strict=True):
            np.testing.assert_array_equal(np.concatenate(part), output)


def test_card_and_bytes(training: Training, converted: tuple[bytes, dict[str, object]]) -> None:
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


def test_runtime_reads_it(converted: tuple[bytes, dict[str, object]], tmp_path: Path) -> None:
    if not hasattr(anb_onnx, "load"):
        pytest.skip("this anb_onnx has no load")
    path = tmp_path / "mine.onnx"
    path.write_bytes(converted[0])
    with anb_onnx.load(path=path) as surrogate:
        prediction = surrogate.query(sample(3, seed=0), members=True)
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
    codes = sample(60, seed=0).astype(np.float32)
    matrix = xgb.DMatrix(codes, codes[:, 0] / 3, nthread=1)
    for params in ({"booster": "dart"}, {"booster": "gblinear"}, {"objective": "reg:logistic"}):
        booster = xgb.train({"nthread": 1, **params}, matrix, 3)
        with pytest.raises(AnbError, match="not supported"):
            convert(rewritten(training, tmp_path, booster))
    narrow = xgb.train({"nthread": 1}, xgb.DMatrix(codes[:, :5], codes[:, 0], nthread=1), 3)
    with pytest.raises(ConvertError, match=r"member_00.ubj has 5 features, the space 28 genes"):
        convert(rewritten(training, tmp_path, narrow))


def test_feature_names_and_other_base_scores_convert(training: Training, tmp_path: Path) -> None:
    codes = sample(60, seed=0).astype(np.float32)
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
