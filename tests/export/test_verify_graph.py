from __future__ import annotations

import math

import numpy as np
import onnx
import pytest
from anb_export.artifacts.convert import convert
from anb_export.graphs.verify_graph import Difference, VerifyError, run_model, verify
from anb_export.training.members_folder import Training

from anb_onnx.engines.ort import onnxruntime
from anb_onnx.errors import EngineError


@pytest.fixture(scope="module")
def model(training: Training) -> bytes:
    return convert(training)[0]


def test_faithful_model(model: bytes, training: Training) -> None:
    found = verify(model, training, n=5000, seed=1)
    # Members are rounded by half a unit of float32 at 60 %, the mean of them once more.
    assert 0 < found.exact.largest < 8e-6 / training.target_std
    assert len(found.exact.members) == len(found.xgboost) == 3
    assert 0 < max(found.xgboost) < 1e-4
    assert found == verify(model, training, n=5000, seed=1)
    stored = found.to_dict()
    assert (stored["n"], stored["seed"]) == (5000, 1)
    assert stored["exact"]["members"] == [float(f"{v:.3g}") for v in found.exact.members]


def test_one_wrong_leaf_is_found(model: bytes, training: Training) -> None:
    changed = onnx.load_from_string(model)
    trees = [node for node in changed.graph.node if node.op_type == "TreeEnsembleRegressor"][1]
    attribute = next(a for a in trees.attribute if a.name == "target_weights")
    attribute.floats[-1] += 0.5 * training.target_std
    found = verify(changed.SerializeToString(), training, n=5000, seed=1)
    assert found.exact.members[1] == pytest.approx(0.5, rel=1e-3)
    assert max(found.exact.members[0], found.exact.members[2]) < 1e-4
    assert found.exact.mean == pytest.approx(0.5 / 3, rel=1e-3)
    assert found.xgboost[1] == pytest.approx(0.5, rel=1e-3)


def test_nan_is_not_the_smallest_difference() -> None:
    assert math.isnan(Difference((0.0, math.nan), 0.0, 0.0).largest)


def test_refusals(model: bytes, training: Training) -> None:
    message = f"onnxruntime {onnxruntime.__version__} cannot run the model"
    with pytest.raises(VerifyError, match=message):
        verify(b"no model", training, n=10, seed=0)
    with pytest.raises(VerifyError, match="n must be at least 1"):
        verify(model, training, n=0, seed=0)
    document = {**training.document, "members": training.document["members"][:2]}
    with pytest.raises(VerifyError, match="the model has 3 members, the training 2"):
        verify(model, Training(training.folder, document), n=10, seed=0)


def test_an_onnxruntime_that_is_too_old_is_named(
    training: Training, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Some versions before 1.24 do not refuse such a model, but compute it wrongly."""
    model = convert(training, form="tree64")[0]
    codes = np.zeros((1, 28), np.uint8)
    assert run_model(model, codes)["mean"].shape == (1,)
    monkeypatch.setattr(onnxruntime, "__version__", "1.23.2")
    with pytest.raises(EngineError, match=r"needs onnxruntime >=1\.24, installed is 1\.23\.2"):
        run_model(model, codes)
