from __future__ import annotations

import json
from pathlib import Path

import pytest
from anb_export.manifest import describe, find_entry, update_entry, write_artifact
from anb_export.training import Training

from anb_onnx.catalog import Catalog
from anb_onnx.errors import ArtifactError
from anb_onnx.space import MNASNET, Block, Gene, SearchSpace


@pytest.fixture
def card(training: Training) -> dict[str, object]:
    return describe(training, form="trees", versions={"onnx": "1"})


def test_written_manifest_is_the_runtime_s(card: dict[str, object], tmp_path: Path) -> None:
    write_artifact(tmp_path / "b.onnx", b"model b", "throughput_tpuv2", card)
    write_artifact(tmp_path / "a.onnx", b"model a", "accuracy", card)
    catalog = Catalog.read(tmp_path)
    assert [artifact.target.name for artifact in catalog.artifacts] == [
        "accuracy",
        "throughput_tpuv2",
    ]
    assert catalog.artifacts[0].read() == b"model a"
    assert catalog.artifacts[0].space == MNASNET
    assert catalog.artifacts[0].card["bytes"] == 7
    text = (tmp_path / "manifest.json").read_text()
    assert text == json.dumps(json.loads(text), sort_keys=True, indent=1, ensure_ascii=False) + "\n"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.onnx", "b.onnx", "manifest.json"]


def test_rewriting_replaces_the_entry(card: dict[str, object], tmp_path: Path) -> None:
    path = tmp_path / "a.onnx"
    write_artifact(path, b"model", "accuracy", card)
    before = (tmp_path / "manifest.json").read_bytes()
    update_entry(path, lambda entry: {**entry, "verification": {"n": 1}})
    assert find_entry(path)[1]["verification"] == {"n": 1}
    write_artifact(path, b"model", "accuracy", card)
    assert (tmp_path / "manifest.json").read_bytes() == before


def test_only_the_listed_file_is_updated(card: dict[str, object], tmp_path: Path) -> None:
    path = tmp_path / "a.onnx"
    with pytest.raises(ArtifactError, match=r"manifest\.json"):
        find_entry(path)
    write_artifact(path, b"model", "accuracy", card)
    with pytest.raises(ArtifactError, match=r"does not list b\.onnx"):
        find_entry(tmp_path / "b.onnx")
    path.write_bytes(b"changed")
    with pytest.raises(ArtifactError, match=r"is not the file that manifest\.json lists"):
        update_entry(path, lambda entry: entry)


@pytest.mark.parametrize(
    "text", ["", "[]", '{"schema": 2}', '{"schema": 1, "search_space": {}, "targets": {}}']
)
def test_damaged_manifests_are_not_overwritten(
    card: dict[str, object], tmp_path: Path, text: str
) -> None:
    (tmp_path / "manifest.json").write_text(text)
    with pytest.raises(ArtifactError, match=r"manifest\.json"):
        write_artifact(tmp_path / "a.onnx", b"model", "accuracy", card)
    assert (tmp_path / "manifest.json").read_text() == text
    assert not (tmp_path / "a.onnx").exists()


def test_one_search_space_per_folder(card: dict[str, object], tmp_path: Path) -> None:
    write_artifact(tmp_path / "a.onnx", b"model", "accuracy", card)
    other = SearchSpace("tiny", (Block("b", (Gene("g", (1, 2)),)),))
    with pytest.raises(ArtifactError, match="of the space 'mnasnet', not of 'tiny'"):
        write_artifact(tmp_path / "t.onnx", b"model", "macs", card, space=other)
