"""Files whose graphs ask for more than they bring are refused before a runtime opens them."""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from small_artifact import _field, _node, card, metadata_of, onnx_bytes, write_catalog

import anb_onnx
from anb_onnx.catalog.benchmarks import find_benchmark
from anb_onnx.errors import ArtifactError
from anb_onnx.onnx_files.operators import ALLOWED, check_operators

MODEL = onnx_bytes(metadata_of(card("accuracy", None, "%", "max")))


def graph(*parts: bytes) -> bytes:
    """A model with these parts in its graph. Where a message stands twice, both are merged."""
    return MODEL + _field(7, b"".join(parts))


def node(operator: str, domain: str = "") -> bytes:
    return graph(_field(1, _node(operator, ["x"], "y") + _field(7, domain)))


def test_what_anb_export_writes_is_allowed() -> None:
    check_operators(MODEL, "model")
    for artifact in find_benchmark().artifacts:
        check_operators(artifact.read(), str(artifact.path))
    for domain, operators in ALLOWED.items():
        for operator in operators:
            check_operators(node(operator, domain), "model")
    check_operators(node("Add", "ai.onnx"), "model")


@pytest.mark.parametrize(
    "operator",
    [
        "ConstantOfShape",
        "Expand",
        "Tile",
        "Range",
        "Pad",
        "Resize",
        "Loop",
        "Scan",
        "If",
        "OneHot",
        "RandomNormal",
    ],
)
def test_operators_that_make_memory_of_nothing_are_refused(operator: str) -> None:
    with pytest.raises(ArtifactError, match=rf"some\.onnx .* '{operator}'; allowed are Abs, Add"):
        check_operators(node(operator), "some.onnx")


@pytest.mark.parametrize("domain", ["com.microsoft", "ai.onnx.ml", "\x1b[2J"])
def test_operators_of_other_domains_are_refused(domain: str) -> None:
    with (
        pytest.raises(ArtifactError, match=f"'Add' of domain '{domain[:3]}")
        if (domain.isprintable())
        else pytest.raises(ArtifactError, match=r"of domain '\\x1b")
    ):
        check_operators(node("Add", domain), "some.onnx")


@pytest.mark.parametrize(
    ("model", "problem"),
    [
        (lambda: MODEL + _field(25, _field(1, "Add")), "defines functions"),
        (lambda: graph(_field(15, _field(1, 5))), "sparse initializers"),
        (lambda: graph(_field(5, _field(8, "w") + _field(14, 1))), "data in other files"),
        (lambda: graph(_field(5, _field(13, _field(1, "location")))), "data in other files"),
    ],
)
def test_what_hides_its_size_is_refused(model: Callable[[], bytes], problem: str) -> None:
    with pytest.raises(ArtifactError, match=problem):
        check_operators(model(), "some.onnx")


@pytest.mark.parametrize("listed", [True, False], ids=["listed", "alone"])
def test_a_file_that_would_take_all_memory_is_refused_at_load(tmp_path: Path, listed: bool) -> None:
    # 2**38 floats, as soon as a runtime folds what is constant.
    path = write_catalog(tmp_path) / "accuracy.onnx"
    shape = _field(1, 1) + _field(2, 7) + _field(8, "size") + _field(7, 2**38)
    fill = _field(1, _node("ConstantOfShape", ["size"], "zeros"))
    model = graph(_field(5, shape), fill)
    path.write_bytes(model)
    manifest = json.loads((tmp_path / "manifest.json").read_text())
    if listed:
        entry = manifest["targets"]["accuracy"]
        entry["sha256"], entry["bytes"] = hashlib.sha256(model).hexdigest(), len(model)
    else:
        del manifest["targets"]["accuracy"]
    (tmp_path / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(ArtifactError, match="'ConstantOfShape'"):
        anb_onnx.load(path=path)
