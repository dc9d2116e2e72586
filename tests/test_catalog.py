import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from small_artifact import SMALL_TARGETS, write_catalog

from anb_onnx import ArtifactError, Target, TargetError, targets
from anb_onnx.catalog.benchmarks import FOLDER_VARIABLE, find_benchmark
from anb_onnx.catalog.catalog import Catalog, listed_beside
from anb_onnx.spaces.mnasnet import MNASNET


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_catalog(tmp_path / "artifacts")


def edit(folder: Path, change: Any) -> None:
    path = folder / "manifest.json"
    manifest = json.loads(path.read_text())
    change(manifest)
    path.write_text(json.dumps(manifest))


def test_reads_targets_in_the_order_of_the_manifest(folder: Path) -> None:
    catalog = Catalog.read(folder)
    assert [t.name for t in catalog.targets] == list(SMALL_TARGETS)
    assert catalog.targets[2] == Target(
        "throughput_tpuv2", "throughput", "tpuv2", "images/s", "max"
    )
    assert all(a.space is MNASNET for a in catalog.artifacts)


@pytest.mark.parametrize(
    ("metric", "device", "name"),
    [
        ("accuracy", None, "accuracy"),
        ("throughput_tpuv2", None, "throughput_tpuv2"),
        ("throughput", "tpuv2", "throughput_tpuv2"),
        ("throughput_tpuv2", "tpuv2", "throughput_tpuv2"),
        ("latency", "zcu102", "latency_zcu102"),
    ],
)
def test_finds(folder: Path, metric: str, device: str | None, name: str) -> None:
    assert Catalog.read(folder).find(metric, device).target.name == name


@pytest.mark.parametrize(
    ("metric", "device", "parts"),
    [
        ("acuracy", None, ["'acuracy'", "did you mean 'accuracy'", "latency_zcu102"]),
        (
            "energy",
            None,
            ["'energy'", "benchmark 'accel-nasbench': accuracy, throughput_a100"],
        ),
        ("Accuracy", None, ["did you mean 'accuracy'"]),
        ("", None, ["valid targets"]),
        ("throughput", None, ["needs a device", "a100, tpuv2"]),
        ("latency", None, ["needs a device", "zcu102"]),
        ("throughput", "tpuv4", ["'tpuv4'", "did you mean 'tpuv2'", "a100, tpuv2"]),
        ("throughput", "zcu102", ["'zcu102'", "valid devices: a100, tpuv2"]),
        ("throughput_a100", "tpuv2", ["'tpuv2'", "valid devices: a100"]),
        ("accuracy", "a100", ["depends on no device", "'a100'"]),
        (7, None, ["target must be a string, not 7"]),
        ("throughput", 3090, ["device must be a string, not 3090"]),
    ],
)
def test_an_unknown_one_is_refused_with_the_valid_ones(
    folder: Path, metric: Any, device: Any, parts: list[str]
) -> None:
    with pytest.raises(TargetError) as caught:
        Catalog.read(folder).find(metric, device)
    for part in parts:
        assert part in str(caught.value)


def test_read_returns_the_very_file(folder: Path) -> None:
    for artifact in Catalog.read(folder).artifacts:
        assert artifact.read() == artifact.path.read_bytes()


@pytest.mark.parametrize("distribution", ["anb-onnx", "anb-onnx-spaces", None])
def test_one_flipped_bit_is_found(folder: Path, distribution: str | None) -> None:
    path = folder / "accuracy.onnx"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    artifact = Catalog.read(folder, distribution=distribution).find("accuracy")
    with pytest.raises(ArtifactError) as caught:
        artifact.read()
    message = str(caught.value)
    assert str(path) in message
    assert artifact.sha256 in message
    remedy = f"pip install --force-reinstall {distribution}" if distribution else "anb-export"
    assert remedy in message
    Catalog.read(folder).find("throughput_a100").read()  # the others are not touched by it


def test_a_missing_file_is_named(folder: Path) -> None:
    (folder / "accuracy.onnx").unlink()
    with pytest.raises(ArtifactError, match=r"accuracy\.onnx cannot be read .*--force-reinstall"):
        Catalog.read(folder, distribution="anb-onnx").find("accuracy").read()


def test_a_missing_manifest_is_named(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match=r"manifest\.json cannot be read .*--force-reinstall"):
        Catalog.read(tmp_path, distribution="anb-onnx")


@pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe", b"[1]", b"null", b"[" * 100_000])
def test_what_is_no_json_object_is_refused(folder: Path, content: bytes) -> None:
    (folder / "manifest.json").write_bytes(content)
    with pytest.raises(ArtifactError, match=r"manifest\.json .*JSON"):
        Catalog.read(folder)


def test_a_huge_manifest_is_not_read(folder: Path) -> None:
    with (folder / "manifest.json").open("r+b") as file:
        file.truncate(2**40)  # sparse: takes no disk
    with pytest.raises(ArtifactError, match="at most"):
        Catalog.read(folder)


@pytest.mark.parametrize(
    ("schema", "part"),
    [
        (3, "pip install --upgrade anb-onnx"),
        (1, "anb-export upgrade FOLDER --out NEW_FOLDER"),
        (0, "must be 2"),
        ("2", "must be 2"),
        (True, "must be 2"),
    ],
)
def test_another_schema_is_refused(folder: Path, schema: Any, part: str) -> None:
    edit(folder, lambda m: m.update(schema=schema))
    with pytest.raises(ArtifactError, match=part):
        Catalog.read(folder)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("file", None),
        ("file", "../accuracy.onnx"),
        ("file", "/etc/passwd"),
        ("file", ".."),
        ("file", "a\\b.onnx"),
        ("sha256", "abc"),
        ("sha256", 7),
        ("metric", ""),
        ("unit", None),
        ("direction", "up"),
        ("device", 7),
    ],
)
def test_an_entry_is_checked(folder: Path, key: str, value: Any) -> None:
    edit(folder, lambda m: m["targets"]["accuracy"].update({key: value}))
    with pytest.raises(ArtifactError, match=f"manifest.json: target 'accuracy': key '{key}'"):
        Catalog.read(folder)


@pytest.mark.parametrize("value", [None, {}, [], {"name": "x", "blocks": []}])
def test_the_search_space_is_checked(folder: Path, value: Any) -> None:
    edit(folder, lambda m: m.update(search_space=value))
    with pytest.raises(ArtifactError, match="search_space"):
        Catalog.read(folder)


@pytest.mark.parametrize("value", [None, [], {"accuracy": 7}])
def test_the_targets_are_checked(folder: Path, value: Any) -> None:
    edit(folder, lambda m: m.update(targets=value))
    with pytest.raises(ArtifactError, match="target"):
        Catalog.read(folder)


def test_the_environment_may_name_another_folder(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(FOLDER_VARIABLE, str(folder))
    assert [t.name for t in targets()] == list(SMALL_TARGETS)


def test_listed_beside(folder: Path, tmp_path: Path) -> None:
    listed = listed_beside(folder / "accuracy.onnx")
    assert listed is not None
    assert listed.target.name == "accuracy"
    assert listed_beside(folder / "other.onnx") is None
    alone = tmp_path / "alone"
    alone.mkdir()
    shutil.copy(folder / "accuracy.onnx", alone)
    assert listed_beside(alone / "accuracy.onnx") is None


def test_a_manifest_of_something_else_is_passed_over(tmp_path: Path) -> None:
    (tmp_path / "manifest.json").write_text('{"name": "a web application", "icons": []}')
    assert listed_beside(tmp_path / "accuracy.onnx") is None
    (tmp_path / "manifest.json").write_text("{")
    with pytest.raises(ArtifactError, match="JSON"):
        listed_beside(tmp_path / "accuracy.onnx")


def test_bundled_targets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(FOLDER_VARIABLE, raising=False)
    found = {t.name: t for t in targets()}
    assert found["accuracy"] == Target("accuracy", "accuracy", None, "%", "max")
    assert found["throughput_tpuv2"] == Target(
        "throughput_tpuv2", "throughput", "tpuv2", "images/s", "max"
    )
    for artifact in find_benchmark().artifacts:
        assert len(artifact.read()) == artifact.card["bytes"]
