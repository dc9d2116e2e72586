"""Table-form files written without the onnx package: the bytes of those that are there."""

from __future__ import annotations

from pathlib import Path

import pytest

from anb_onnx.catalog.catalog import Artifact, Catalog
from anb_onnx.catalog.manifest import card_from_metadata
from anb_onnx.onnx_files.messages import read_metadata
from anb_onnx.tables import TableEnsemble
from anb_onnx.vectors import VectorEnsemble
from anb_onnx.writing.table_form import build_table_model
from anb_onnx.writing.vector_form import build_vector_model

ROOT = Path(__file__).resolve().parents[1]
FOLDERS = [
    *sorted(path.parent for path in (ROOT / "artifacts").glob("*/manifest.json")),
    *sorted(path.parent for path in (ROOT / "tests" / "conformance").glob("*/manifest.json")),
]


def artifacts() -> list[Artifact]:
    return [artifact for folder in FOLDERS for artifact in Catalog.read(folder).artifacts]


def name_of(artifact: Artifact) -> str:
    return f"{artifact.benchmark}/{artifact.path.name}"


@pytest.mark.parametrize("artifact", artifacts(), ids=name_of)
def test_the_bytes_of_every_file_are_written_again(artifact: Artifact) -> None:
    content = artifact.read()
    card = card_from_metadata(read_metadata(content), "it")
    del card["search_space"], card["terms"]
    if artifact.card.form == "vector":
        vector = VectorEnsemble.from_artifact(content, artifact.entry, artifact.space, "it")
        card.pop("curve", None)
        written = build_vector_model(vector, card)
    else:
        ensemble = TableEnsemble.from_artifact(content, artifact.entry, artifact.space, "it")
        written = build_table_model(ensemble, card)
    assert written.content == content
    assert written.card["tables"] == artifact.entry["tables"]
    assert written.card["terms"] == artifact.entry["terms"]


def test_all_kinds_of_graphs_are_among_them() -> None:
    # Blocks beyond float32, hinges, regimes, one term, one block and one member.
    links = [artifact.entry["link"] for artifact in artifacts()]
    assert any("hinges" in link for link in links)
    assert any("regime" in link for link in links)
    spaces = [artifact.space for artifact in artifacts()]
    assert any(max(space.block_sizes) > 256 for space in spaces)
    assert {1, 8} <= {artifact.entry["members"] for artifact in artifacts()}
