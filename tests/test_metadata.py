"""Metadata of ONNX files, read without opening them, and what a card may require."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path

import onnxruntime
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from small_artifact import card, metadata_of, onnx_bytes

import anb_onnx
from anb_onnx import ArtifactError, EngineError
from anb_onnx.engines.onnxruntime_engine import OnnxRuntimeEngine
from anb_onnx.onnx_files.messages import read_metadata

ACCURACY = card("accuracy", None, "%", "max")


def test_onnxruntime_reads_the_same() -> None:
    metadata = {**metadata_of(ACCURACY), "ü": "", "long": "x" * 100_000}
    model = onnx_bytes(metadata)
    assert read_metadata(model) == metadata
    assert OnnxRuntimeEngine(model).metadata == metadata
    assert read_metadata(onnx_bytes({})) == {}


def test_truncated_files_have_none_or_less() -> None:
    metadata = metadata_of(ACCURACY)
    model = onnx_bytes(metadata)
    for end in range(0, len(model), 7):
        found = read_metadata(model[:end])
        assert found.items() <= metadata.items()


@given(st.binary(max_size=300))
@example(b"\x72\x03\x0a\x01\xff")
def test_any_bytes_are_read(content: bytes) -> None:
    """Or refused, as texts that are not UTF-8 or a key that stands twice."""
    with contextlib.suppress(ArtifactError):
        assert isinstance(read_metadata(content), dict)


def required(value: object) -> bytes:
    return onnx_bytes(metadata_of({**ACCURACY, "requires": value}))


@pytest.mark.parametrize("version", [">=1.24", ">=2.0", ">=10.3"])
def test_an_old_onnxruntime_is_refused(
    version: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "mine.onnx"
    path.write_bytes(required({"onnxruntime": version}))
    for installed in ("1.9.0", "1.23.2"):
        monkeypatch.setattr(onnxruntime, "__version__", installed)
        with pytest.raises(EngineError) as caught:
            anb_onnx.load(path=path)
        assert str(caught.value) == (
            f"{path} needs onnxruntime {version}, installed is {installed}; "
            f"update it with: pip install --upgrade 'onnxruntime{version}'"
        )
    for installed in ("10.3.0", "11.0.0.dev1"):
        monkeypatch.setattr(onnxruntime, "__version__", installed)
        anb_onnx.load(path=path).close()


@pytest.mark.parametrize("value", [None, {}, [], "1.24", {"numpy": ">=9"}])
def test_nothing_is_required(value: object) -> None:
    OnnxRuntimeEngine(required(value)).close()


def test_requirements_that_are_not_understood() -> None:
    for value in ("1.24", "==1.24", ">=1.24,<2", None, 3):
        with pytest.raises(ArtifactError, match="key 'requires' asks for onnxruntime"):
            OnnxRuntimeEngine(required({"onnxruntime": value}))
    model = onnx_bytes({"anb_onnx.card": "no JSON", "anb_onnx.schema": "2"})
    assert OnnxRuntimeEngine(model).n_members
    assert json.loads(read_metadata(required({}))["anb_onnx.card"])["requires"] == {}
