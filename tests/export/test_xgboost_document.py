"""Models of xgboost of other objectives and versions, and JSON made to do harm."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xgboost as xgb
from anb_export.models.formats import check_features, model_from_bytes, read_model
from anb_export.models.ubjson import UbjsonError
from anb_export.models.ubjson import loads as from_ubjson
from anb_export.models.xgboost_document import OBJECTIVES, decode

from anb_onnx.errors import AnbError
from anb_onnx.spaces.architecture import sample
from anb_onnx.spaces.mnasnet import MNASNET

from .checkpoint_writer import fit, labels, rows

CORPUS = Path(__file__).parents[1] / "corpus" / "models"
OLD = json.loads((CORPUS / "old.expected").read_text())
X = rows(150, 1)
Y = labels(X, "accuracy")
CODES = sample(300, seed=8, space=MNASNET)


def trained(objective: str, y: Any = Y, **params: Any) -> xgb.Booster:
    params = {"objective": objective, "nthread": 1, "max_depth": 3, **params}
    return xgb.train(params, xgb.DMatrix(X, y, nthread=1), 8)


def check_predictions(booster: xgb.Booster) -> None:
    """Compare all ways to save a model with what xgboost predicts."""
    wanted = booster.predict(xgb.DMatrix(CODES.astype(np.float32), nthread=1))
    for form in ("ubj", "json"):
        found = model_from_bytes(bytes(booster.save_raw(form))).member.predict_exact(CODES)
        np.testing.assert_allclose(found, wanted, rtol=2e-6)


@pytest.mark.parametrize("base_score", [None, 12.5])
@pytest.mark.parametrize("objective", sorted(OBJECTIVES))
def test_objectives_without_a_link_predict_as_xgboost(
    objective: str, base_score: float | None
) -> None:
    params = {} if base_score is None else {"base_score": base_score}
    if objective == "reg:quantileerror":
        params["quantile_alpha"] = 0.3
    check_predictions(trained(objective, **params))
    for shift in (-100.0, 1e4) if objective != "reg:squaredlogerror" else (1e4,):
        check_predictions(trained(objective, Y + shift, **params))


@pytest.mark.parametrize("alpha", [0.05, 0.5, [0.9]], ids=str)
def test_one_quantile(alpha: Any) -> None:
    check_predictions(trained("reg:quantileerror", quantile_alpha=alpha))


def test_several_quantiles_are_refused() -> None:
    booster = trained("reg:quantileerror", quantile_alpha=[0.1, 0.5, 0.9])
    for form in ("ubj", "json"):
        with pytest.raises(AnbError, match=r"several (targets|output groups|quantiles)"):
            model_from_bytes(bytes(booster.save_raw(form)))


@pytest.mark.parametrize(
    "objective",
    [
        *("count:poisson", "reg:gamma", "reg:tweedie", "reg:logistic", "binary:logistic"),
        *("binary:logitraw", "binary:hinge", "survival:cox", "rank:pairwise"),
    ],
)
def test_other_objectives_are_refused_by_name(objective: str) -> None:
    y = (Y - Y.min() + 1) / (np.ptp(Y) + 2)
    booster = trained(objective, y.round() if "binary" in objective or "rank" in objective else y)
    with pytest.raises(AnbError, match=f"objective '{objective}' is not supported; supported: "):
        model_from_bytes(bytes(booster.save_raw("ubj")))


@pytest.mark.parametrize("version", OLD["predictions"])
def test_json_of_old_versions(version: str) -> None:
    model = read_model(CORPUS / f"xgboost-{version}.json")
    check_features(model, space=MNASNET)
    found = model.member.predict_exact(np.array(OLD["codes"], np.uint8))
    np.testing.assert_allclose(found, OLD["predictions"][version], rtol=1e-6)
    # Nor does xgboost of today read anything else from it.
    booster = xgb.Booster()
    booster.load_model(CORPUS / f"xgboost-{version}.json")
    again = booster.inplace_predict(np.array(OLD["codes"], np.float32))
    np.testing.assert_allclose(found, again, rtol=1e-6)


def test_json_without_the_keys_that_old_versions_lack() -> None:
    booster = fit("xgb", "accuracy", 1)
    document = json.loads(booster.save_raw("json"))
    learner = document["learner"]
    for key in ("feature_names", "feature_types"):
        del learner[key]
    for tree in learner["gradient_booster"]["model"]["trees"]:
        for key in [key for key in tree if key.startswith("categories") or key == "split_type"]:
            del tree[key]
        tree["default_left"] = [bool(left) for left in tree["default_left"]]
    model = model_from_bytes(json.dumps(document).encode())
    wanted = model_from_bytes(bytes(booster.save_raw("json"))).member.predict_exact(CODES)
    np.testing.assert_array_equal(model.member.predict_exact(CODES), wanted)


JSON = bytes(fit("xgb", "accuracy", 1).save_raw("json"))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (JSON.replace(b'"version"', b'"learner"'), "key 'learner' stands twice in one object"),
        (JSON[:-1] + b',"version":0}', "key 'version' stands twice"),
        (b'{"a":' + b"9" * 5000 + b"}", "not an xgboost model: Exceeds the limit"),
        (b'{"a":' + b"[" * 100_000, "nested too deeply|recursion|Expecting"),
        (b'{"a":' + b"[" * 3_000_000, "brackets in"),
        (b'{"a":[' + b"[]," * 2_000_000 + b"[]]}", "2000003 brackets in 6000010 bytes"),
        (b'{"a":[' + b"{}," * 2_000_000 + b"[]]}", "brackets in"),
        (b'{"learner":NaN}', "'gradient_booster' is missing"),
        (b'{"learner": ' + JSON, "Expecting"),
        (JSON + JSON, "Extra data"),
        (JSON.replace(b'"base_score":"', b'"base_score":"[NaN]'), "base_score must be one finite"),
    ],
    ids=range(11),
)
def test_json_made_to_do_harm(content: bytes, message: str) -> None:
    with pytest.raises(AnbError, match=message) as caught:
        model_from_bytes(content)
    assert "\n" not in str(caught.value)


def test_repeated_keys_are_compared_once_each() -> None:
    """Not with all keys before them, whichever of them it is that repeats."""

    class Counted(str):
        compared = 0

        def __eq__(self, other: object) -> bool:
            Counted.compared += 1
            return str.__eq__(self, other)

        __hash__ = str.__hash__

    from anb_onnx._io.strict_json import JsonError
    from anb_onnx._io.strict_json import _object as unique_object

    pairs = [(Counted(k), None) for k in range(10_000)] + [(Counted("9999"), None)]
    with pytest.raises(JsonError, match="'9999' stands twice"):
        unique_object(pairs)  # type: ignore[arg-type]
    assert Counted.compared < 100


@pytest.mark.parametrize(
    "content",
    [
        b"[" + b"T" * 2_000_000 + b"]",
        b"[" + b"[]" * 2_000_000 + b"]",
        b"[" + b"{}" * 2_000_000 + b"]",
        b"[#l\x7f\xff\xff\xff" + b"Z" * 1_000_000,
    ],
    ids=range(4),
)
def test_ubjson_of_many_values_for_its_size(content: bytes) -> None:
    with pytest.raises(UbjsonError, match=f"too many values for {len(content)} bytes"):
        from_ubjson(content)


def test_honest_documents_are_far_from_these_limits() -> None:
    x = rows(60, 2)
    params = {"max_depth": 1, "nthread": 1}
    booster = xgb.train(params, xgb.DMatrix(x, labels(x, "accuracy"), nthread=1), 400)
    content = bytes(booster.save_raw("json"))
    assert content.count(b"[") + content.count(b"{") < len(content) / 32
    content = bytes(booster.save_raw("ubj"))
    from anb_export.models import ubjson

    reader = ubjson._Reader(content)
    before = reader.left
    reader.value(reader.take(1), 0)
    assert before - reader.left < len(content) / 20


def test_sizes_of_containers_are_those_the_limits_count_on() -> None:
    assert max(sys.getsizeof([]), sys.getsizeof({})) <= 64
    assert isinstance(decode(b'{"a": [1]}'), dict)
