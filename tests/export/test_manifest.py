from __future__ import annotations

import contextlib
import json
from pathlib import Path
from threading import Barrier, Thread
from typing import Any

import numpy as np
import pytest
from anb_export._io.files import sha256, write_atomically
from anb_export.artifacts.describe import describe
from anb_export.graphs.table_form import build_table_model
from anb_export.training.members_folder import Training
from small_artifact import metadata_of, onnx_bytes

from anb_onnx.catalog.catalog import Catalog
from anb_onnx.errors import ArtifactError
from anb_onnx.links import Link
from anb_onnx.spaces.mnasnet import MNASNET
from anb_onnx.spaces.space import Block, Gene, SearchSpace
from anb_onnx.tables import TableEnsemble
from anb_onnx.terms import all_pairs
from anb_onnx.writing import golden as golden_module
from anb_onnx.writing import manifest
from anb_onnx.writing.golden import golden_vectors, write_golden
from anb_onnx.writing.manifest import find_entry, update_entry, write_artifact


@pytest.fixture
def card(training: Training) -> dict[str, Any]:
    return describe(training, form="trees", versions={"onnx": "1"}).to_dict()


def model_of(card: dict[str, Any], seed: int = 0) -> bytes:
    """Return an ONNX file with this card; another one for each seed."""
    return onnx_bytes(metadata_of(card), seed=seed)


def of_target(card: dict[str, Any], target: str) -> dict[str, Any]:
    """Return the card as that of another target."""
    metric, _, device = target.partition("_")
    return {**card, "metric": metric, "device": device or None}


def test_written_manifest_is_the_runtime_s(card: dict[str, Any], tmp_path: Path) -> None:
    other = of_target(card, "throughput_tpuv2")
    write_artifact(tmp_path / "b.onnx", model_of(other), "throughput_tpuv2", other, space=MNASNET)
    card = of_target(card, "accuracy")
    write_artifact(tmp_path / "a.onnx", model_of(card), "accuracy", card, space=MNASNET)
    catalog = Catalog.read(tmp_path)
    assert [artifact.target.name for artifact in catalog.artifacts] == [
        "accuracy",
        "throughput_tpuv2",
    ]
    assert catalog.artifacts[0].read() == model_of(card)
    assert catalog.artifacts[0].space == MNASNET
    assert catalog.artifacts[0].card["bytes"] == len(model_of(card))
    text = (tmp_path / "manifest.json").read_text()
    assert text == json.dumps(json.loads(text), sort_keys=True, indent=1, ensure_ascii=False) + "\n"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.onnx", "b.onnx", "manifest.json"]


def test_rewriting_replaces_the_entry(card: dict[str, Any], tmp_path: Path) -> None:
    path = tmp_path / "a.onnx"
    write_artifact(path, model_of(card), "accuracy", card, space=MNASNET)
    before = (tmp_path / "manifest.json").read_bytes()
    update_entry(path, lambda entry: {**entry, "verification": {"n": 1}})
    assert find_entry(path)[1]["verification"] == {"n": 1}
    write_artifact(path, model_of(card), "accuracy", card, space=MNASNET)
    assert (tmp_path / "manifest.json").read_bytes() == before


@pytest.mark.parametrize("key", manifest.OF_ARTIFACTS)
def test_golden_vectors_and_truth_of_a_replaced_file_are_dropped(
    card: dict[str, Any], tmp_path: Path, key: str
) -> None:
    """They would blame the engine for what is another model."""
    path = tmp_path / "a.onnx"
    write_artifact(path, model_of(card), "accuracy", card, space=MNASNET)
    manifest.set_listed(tmp_path, key, lambda: {"file": "golden.bin"})
    write_artifact(path, model_of(card), "accuracy", card, space=MNASNET)
    write_artifact(tmp_path / "b.onnx", model_of(card, 2), "train_time", card, space=MNASNET)
    assert key in json.loads((tmp_path / "manifest.json").read_text())
    write_artifact(path, model_of(card, 1), "accuracy", card, space=MNASNET)
    assert key not in json.loads((tmp_path / "manifest.json").read_text())


def test_at_every_moment_the_folder_is_the_old_one_or_the_new(
    card: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process that is killed between two files leaves one of the states seen here."""
    path, other = tmp_path / "a.onnx", of_target(card, "macs")
    write_artifact(path, model_of(card), "accuracy", card, space=MNASNET)
    write_artifact(tmp_path / "b.onnx", model_of(other), "macs", other, space=MNASNET)
    seen: list[bytes] = []

    def write(file: Path, content: bytes) -> None:
        write_atomically(file, content)
        first, second = Catalog.read(tmp_path).artifacts
        assert second.read() == model_of(other)
        seen.append(first.read())

    monkeypatch.setattr(manifest, "write_output", write)
    new = model_of(card, 1)
    write_artifact(path, new, "accuracy", card, space=MNASNET)
    assert seen == [model_of(card), new, new, new]
    assert sorted(file.name for file in tmp_path.iterdir()) == ["a.onnx", "b.onnx", "manifest.json"]
    assert find_entry(path)[1]["file"] == "a.onnx"


@pytest.mark.parametrize("writes", range(5))
@pytest.mark.parametrize("then", [1, 2, 0], ids=["the same", "another", "the old one"])
def test_running_again_brings_the_same_bytes(
    card: dict[str, Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    writes: int,
    then: int,
) -> None:
    class Killed(Exception):
        pass

    left = [writes]

    def write(file: Path, content: bytes) -> None:
        if not left[0]:
            raise Killed
        left[0] -= 1
        write_atomically(file, content)

    for folder in (tmp_path / "killed", tmp_path / "whole"):
        write_artifact(folder / "a.onnx", model_of(card), "accuracy", card, space=MNASNET)
    with pytest.MonkeyPatch.context() as patch, contextlib.suppress(Killed):
        patch.setattr(manifest, "write_output", write)
        patch.setattr(Path, "unlink", lambda *_, **__: None)  # nor is this done
        write_artifact(
            tmp_path / "killed/a.onnx", model_of(card, 1), "accuracy", card, space=MNASNET
        )
    for folder in (tmp_path / "killed", tmp_path / "whole"):
        write_artifact(folder / "a.onnx", model_of(card, then), "accuracy", card, space=MNASNET)
    killed, whole = (
        {file.name: file.read_bytes() for file in folder.iterdir()}
        for folder in (tmp_path / "killed", tmp_path / "whole")
    )
    assert killed == whole


def test_a_file_that_gets_another_target_loses_the_former(
    card: dict[str, Any], tmp_path: Path
) -> None:
    path, other = tmp_path / "a.onnx", of_target(card, "macs")
    write_artifact(path, model_of(card), "accuracy", card, space=MNASNET)
    write_artifact(path, model_of(other), "macs", other, space=MNASNET)
    (found,) = Catalog.read(tmp_path).artifacts
    assert (found.target.name, found.read()) == ("macs", model_of(other))
    assert sorted(file.name for file in tmp_path.iterdir()) == ["a.onnx", "manifest.json"]


def test_only_the_listed_file_is_updated(card: dict[str, Any], tmp_path: Path) -> None:
    path = tmp_path / "a.onnx"
    with pytest.raises(ArtifactError, match=r"manifest\.json"):
        find_entry(path)
    write_artifact(path, model_of(card), "accuracy", card, space=MNASNET)
    with pytest.raises(ArtifactError, match=r"does not list b\.onnx"):
        find_entry(tmp_path / "b.onnx")
    path.write_bytes(b"changed")
    with pytest.raises(ArtifactError, match=r"is not the file that manifest\.json lists"):
        update_entry(path, lambda entry: entry)


@pytest.mark.parametrize(
    "text", ["", "[]", '{"schema": 2}', '{"schema": 1, "search_space": {}, "targets": {}}']
)
def test_damaged_manifests_are_not_overwritten(
    card: dict[str, Any], tmp_path: Path, text: str
) -> None:
    (tmp_path / "manifest.json").write_text(text)
    with pytest.raises(ArtifactError, match=r"manifest\.json"):
        write_artifact(tmp_path / "a.onnx", model_of(card), "accuracy", card, space=MNASNET)
    assert (tmp_path / "manifest.json").read_text() == text
    assert not (tmp_path / "a.onnx").exists()


def test_one_search_space_per_folder(card: dict[str, Any], tmp_path: Path) -> None:
    write_artifact(tmp_path / "a.onnx", model_of(card), "accuracy", card, space=MNASNET)
    other = SearchSpace("tiny", (Block("b", (Gene("g", (1, 2)),)),))
    with pytest.raises(ArtifactError, match="of the space 'mnasnet', not of 'tiny'"):
        write_artifact(tmp_path / "t.onnx", model_of(card), "macs", card, space=other)


def tables(card: dict[str, Any], target: str) -> tuple[bytes, dict[str, Any]]:
    """Return a file with arbitrary tables, and its card."""
    rng = np.random.default_rng(len(target))
    shape = (all_pairs(MNASNET).offsets[-1], 1)
    entries = rng.integers(-(2**24), 2**24, size=shape, dtype=np.int32)
    ensemble = TableEnsemble(MNASNET, entries, 2.0**-27, 3.0, Link())
    facts = {**card, "form": "tables", "metric": target, "members": 1}
    model = build_table_model(ensemble, facts)
    return model.content, model.card


def check_golden(folder: Path, targets: set[str]) -> None:
    document = json.loads((folder / "manifest.json").read_text())
    assert document["targets"].keys() == targets
    golden = document["golden"]
    assert {array["target"] for array in golden["arrays"]} == {None, *targets}
    content = (folder / "golden.bin").read_bytes()
    assert (golden["sha256"], golden["bytes"]) == (sha256(content), len(content))
    write_golden(folder)  # and they are of the artifacts as they are now
    assert (folder / "golden.bin").read_bytes() == content


@pytest.mark.parametrize("locked", [True, False])
def test_a_build_that_comes_in_between_is_not_lost(
    card: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, locked: bool
) -> None:
    """Between another build's reading of the manifest and its writing of the golden vectors."""
    pytest.importorskip("fcntl", reason="there is no lock on Windows")

    def build_one(target: str) -> None:
        write_artifact(tmp_path / f"{target}.onnx", *files[target], space=MNASNET)
        write_golden(tmp_path)

    def slow(*arguments: Any) -> Any:
        found = golden_vectors(*arguments)
        if not other.ident:
            other.start()
            other.join(0.5 if locked else 30)
            assert other.is_alive() == locked  # it waits
        return found

    if not locked:  # this is how it would go
        monkeypatch.setattr(manifest, "_locked", lambda folder: contextlib.nullcontext())
    monkeypatch.setattr(golden_module, "golden_vectors", slow)
    files = {}
    for target in ("macs", "params"):
        model, facts = tables(card, target)
        files[target] = (model, target, facts)
    other = Thread(target=build_one, args=("params",))
    build_one("macs")
    other.join()
    if locked:
        check_golden(tmp_path, {"macs", "params"})
    else:
        with pytest.raises(AssertionError):
            check_golden(tmp_path, {"macs", "params"})


def test_builds_at_once(card: dict[str, Any], tmp_path: Path) -> None:
    targets = ("accuracy", "train_time", "macs", "params")
    pytest.importorskip("fcntl", reason="there is no lock on Windows")
    files = {target: tables(card, target) for target in targets}
    start = Barrier(len(targets))

    def build_one(target: str) -> None:
        start.wait()
        model, facts = files[target]
        write_artifact(tmp_path / f"{target}.onnx", model, target, facts, space=MNASNET)
        write_golden(tmp_path)

    threads = [Thread(target=build_one, args=(target,)) for target in targets]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    check_golden(tmp_path, set(targets))
