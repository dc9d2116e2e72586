"""Models made to do harm: each ends in one line on standard error, with nothing executed."""

from __future__ import annotations

import json
import os
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from anb_export.cli import main
from anb_export.models import ubjson
from anb_export.models.formats import model_from_bytes
from hypothesis import given, settings
from hypothesis import strategies as st

from anb_onnx.errors import AnbError

from .checkpoint_writer import fit, write_member

BOOSTER = fit("xgb", "accuracy", 1)
UBJ = bytes(BOOSTER.save_raw("ubj"))
PICKLE = pickle.dumps(BOOSTER, 4)


def document() -> dict[str, Any]:
    found = json.loads(BOOSTER.save_raw("json"))
    assert isinstance(found, dict)
    return found


def imported(content: bytes, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> str:
    """Import a file as the user does; return the message of the error."""
    path, out = tmp_path / "model", tmp_path / "out"
    path.write_bytes(content)
    assert main(["import", str(path), "--target", "accuracy", "--out", str(out)]) == 2
    captured = capsys.readouterr()
    assert (captured.out, captured.err.count("\n")) == ("", 1)
    assert captured.err.startswith(f"anb-export: error: {path}: ")
    assert not out.exists()
    return captured.err


class Bomb:
    def __init__(self, command: str) -> None:
        self.command = command

    def __reduce__(self) -> Any:
        return os.system, (self.command,)


def bomb_in_state(command: str) -> Any:
    booster = BOOSTER.copy()
    booster.payload = Bomb(command)
    return booster


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize("make", [Bomb, bomb_in_state, lambda c: {"model": [BOOSTER, Bomb(c)]}])
def test_pickle_bombs(
    make: Callable[[str], Any],
    protocol: int,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    mark = tmp_path / "executed"
    message = imported(pickle.dumps(make(f"touch {mark}"), protocol), tmp_path, capsys)
    assert ".system' which is not allowed" in message.replace("',", "'")
    assert not mark.exists()


def test_a_bomb_in_the_published_layout(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    mark = tmp_path / "executed"
    write_member(tmp_path / "root", bomb_in_state(f"touch {mark}"), "xgb", seed=1)
    write_member(tmp_path / "root", BOOSTER, "xgb", seed=2)
    assert main(["import", str(tmp_path / "root"), "--out", str(tmp_path / "out")]) == 2
    assert "20230401-120001-1/surrogate_model.model: the pickle asks for" in capsys.readouterr().err
    assert not mark.exists()
    assert not (tmp_path / "out").exists()


def trees_of(model: dict[str, Any]) -> list[Any]:
    found = model["learner"]["gradient_booster"]["model"]["trees"]
    assert isinstance(found, list)
    return found


def node(key: str, position: int, value: Any) -> Callable[[dict[str, Any]], None]:
    def change(model: dict[str, Any]) -> None:
        trees_of(model)[1][key][position] = value

    return change


def learner(path: str, value: Any) -> Callable[[dict[str, Any]], None]:
    def change(model: dict[str, Any]) -> None:
        *keys, last = f"learner.{path}".split(".")
        for key in keys:
            model = model[key]
        model[last] = value

    return change


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (node("left_children", 2, 0), "tree 1, node 0: is reached twice"),
        (node("right_children", 1, 1), "tree 1, node 1: is reached twice"),
        (node("left_children", 0, 10**6), "tree 1, node 0: a child is out of range"),
        (node("left_children", 0, -7), "tree 1, node 0: a child is out of range"),
        (node("left_children", 0, 2**40), "a child is out of range"),
        (node("left_children", 0, 2**70), "must hold integers"),
        (node("split_conditions", 0, float("nan")), "tree 1, node 0: the threshold or leaf is not"),
        (node("split_conditions", -1, float("inf")), "the threshold or leaf is not finite"),
        (node("split_indices", 0, 28), "tree 1, node 0: feature not below 28"),
        (node("split_type", 0, 1), "tree 1, node 0: categorical splits are not supported"),
        (learner("learner_model_param.num_feature", "29"), "has 29 features, the space 'mnasnet'"),
        (learner("feature_names", [f"gene{k}" for k in range(28)]), "feature 0 of the model is"),
        (learner("feature_names", ["f0"]), "the model has 28 features, but names 1"),
        (learner("feature_names", [f"f{k}" for k in range(29)]), "28 features, but names 29"),
        (learner("learner_model_param.num_feature", "-28"), "num_feature must be a positive int"),
        (learner("learner_model_param.num_feature", 28.5), "num_feature must be an integer, found"),
        (learner("feature_names", "f0"), "feature_names must be strings"),
        (learner("gradient_booster.name", "dart"), "booster 'dart' is not supported; train with"),
        (learner("gradient_booster.name", "gblinear"), "booster 'gblinear' is not supported"),
        (learner("objective.name", "reg:logistic"), "objective 'reg:logistic' is not supported"),
        (learner("learner_model_param.num_target", "2"), "several targets are not supported; trai"),
        (learner("learner_model_param.base_score", "nan"), "base_score must be one finite number"),
        (learner("attributes", {"best_iteration": "x"}), "best_iteration must be an integer"),
        (learner("attributes", {"best_iteration": "999"}), "1000 trees are wanted"),
        (learner("gradient_booster.model", 7), "not an xgboost model"),
        (learner("gradient_booster.model.trees", []), "the model holds no trees"),
        (
            learner("gradient_booster.model.gbtree_model_param.num_trees", "99"),
            "num_trees states 99",
        ),
        (learner("gradient_booster.model.tree_info", [0]), "tree_info states 1"),
        (lambda m: trees_of(m).pop(), "tree_info states"),
    ],
)
def test_damaged_json(
    change: Callable[[dict[str, Any]], None],
    message: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    model = document()
    change(model)
    found = imported(json.dumps(model).encode(), tmp_path, capsys)
    assert any(part in found for part in message.split("|"))


def test_deep_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "not an xgboost model" in imported(b'{"a":' + b"[" * 10**6, tmp_path, capsys)


@pytest.mark.parametrize("content", [UBJ, PICKLE], ids=["ubj", "pickle"])
def test_truncated(content: bytes, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for end in [1, 2, 9, 100, len(content) // 2, len(content) - 1]:
        imported(content[:end], tmp_path, capsys)
    for end in range(0, len(content), 53):
        with pytest.raises(AnbError):
            model_from_bytes(content[:end])


def test_a_truncated_model_in_a_whole_pickle(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    handle = BOOSTER.__getstate__()["handle"]
    for value in (handle[:1000], bytearray(), bytearray(b"CONFIG-offset:00"), "text", None):
        imported(dumps_state({"handle": value}), tmp_path, capsys)
    imported(dumps_state({"other": 1}), tmp_path, capsys)
    model_from_bytes(dumps_state({"handle": handle}))


def dumps_state(state: dict[str, Any]) -> bytes:
    """A pickle of a Booster with any state, which the real class would not let us write."""
    inner = pickle.dumps(state, 4)[2:-1]  # without protocol and STOP
    if inner[:1] == b"\x95":
        inner = inner[9:]  # nor the frame
    return b"\x80\x04\x8c\x0cxgboost.core\x8c\x07Booster\x93)\x81" + inner + b"b."


@settings(max_examples=150)
@given(st.data())
def test_changed_models_are_read_or_refused(data: Any) -> None:
    """Flip bytes of real models: a model or an `AnbError`, never another exception."""
    changed = bytearray(data.draw(st.sampled_from([UBJ, PICKLE])))
    for _ in range(data.draw(st.integers(1, 3))):
        changed[data.draw(st.integers(0, len(changed) - 1))] = data.draw(st.integers(0, 255))
    try:
        model = model_from_bytes(bytes(changed))
    except AnbError:
        return
    assert model.member.n_features >= 0


#: What may stand anywhere in JSON.
ODD: list[Any] = [None, True, 0, -1, 2**31, 2**63, 2**70, 1.5, 1e300, float("nan")]
ODD += ["", "x", "[1,2]", [], [[]], [1, [2]], ["a"], [None], {}, {"a": 1}]


@settings(max_examples=300)
@given(st.data())
def test_json_with_any_part_replaced_is_read_or_refused(data: Any) -> None:
    model = document()
    place: Any = model
    while True:
        keys = sorted(place) if isinstance(place, dict) else range(len(place))
        key = data.draw(st.sampled_from(keys))
        inside = place[key]
        if not isinstance(inside, dict | list) or not inside or data.draw(st.integers(0, 4)) == 0:
            break
        place = inside
    place[key] = data.draw(st.sampled_from(ODD))
    try:
        model_from_bytes(json.dumps(model).encode())
    except AnbError as error:
        message = str(error)
    else:
        message = ""
    assert len(message) < 500


@settings(max_examples=200)
@given(st.binary(max_size=200))
def test_random_bytes_are_refused(content: bytes) -> None:
    for start in (b"", b"{", b"{L", b'{"', b"tree\n"):
        with pytest.raises(AnbError):
            model_from_bytes(start + content)


@settings(max_examples=100)
@given(st.text(max_size=200))
def test_random_lightgbm_texts_are_refused(text: str) -> None:
    for start in ("tree\n", "tree\nnum_class=1\nnum_tree_per_iteration=1\nobjective=regression\n"):
        with pytest.raises(AnbError):
            model_from_bytes((start + text).encode("utf-8", "surrogatepass"))


def test_members_of_documents_are_cut_out() -> None:
    handle = bytes(BOOSTER.__getstate__()["handle"])
    inner = ubjson.member(handle, "Model")
    assert inner is not None
    assert ubjson.loads(inner).keys() == ubjson.loads(handle)["Model"].keys()
    assert ubjson.member(handle, "None") is None
    for content in (b"", b"[]", b"{", handle[:50]):
        with pytest.raises(ubjson.UbjsonError):
            ubjson.member(content, "Model")
