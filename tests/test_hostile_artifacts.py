"""Folders and files that somebody else may have made: one clear error, at once, or the truth."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from small_artifact import card, metadata_of, onnx_bytes, write_catalog, write_manifest

import anb_onnx
from anb_onnx import AnbError, ArtifactError, TargetError
from anb_onnx.catalog.benchmarks import FOLDER_VARIABLE, find_benchmark
from anb_onnx.catalog.catalog import Catalog
from anb_onnx.spaces.mnasnet import MNASNET

posix = pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="pipes and devices of POSIX")
ACCURACY = card("accuracy", None, "%", "max")


def refusal(error: type[AnbError], call: Callable[[], object]) -> str:
    with pytest.raises(error) as caught:
        call()
    message = str(caught.value)
    assert message.isprintable()
    assert len(message) < 800
    return message


class Patched:
    """The bundled artifact of macs, changed everywhere alike: file, hash and manifest."""

    def __init__(self, folder: Path) -> None:
        source = find_benchmark()
        self.document = json.loads((source.folder / "manifest.json").read_text())
        self.document.pop("golden")
        self.document["targets"] = {"macs": self.document["targets"]["macs"]}
        self.entry: dict[str, Any] = self.document["targets"]["macs"]
        self.model = bytearray((source.folder / "macs.onnx").read_bytes())
        self.folder = folder

    def replace(self, old: float, new: float) -> None:
        """Replace a float64 of the graph."""
        place = self.model.find(struct.pack("<d", old))
        assert place > 0
        self.model[place : place + 8] = struct.pack("<d", new)

    def entries(self) -> np.ndarray[Any, np.dtype[np.int32]]:
        return np.frombuffer(self.model, "<i4", 29808, self.entry["tables"]["offset"])

    def load(self, engine: str = "numpy") -> anb_onnx.Surrogate:
        (self.folder / "macs.onnx").write_bytes(self.model)
        self.entry["sha256"] = hashlib.sha256(self.model).hexdigest()
        (self.folder / "manifest.json").write_text(json.dumps(self.document))
        return anb_onnx.load(path=self.folder / "macs.onnx", engine=engine)


@pytest.fixture
def patched(tmp_path: Path) -> Patched:
    return Patched(tmp_path)


def test_a_consistent_change_is_a_new_artifact(patched: Patched) -> None:
    """The oracle of the tests below: only what they say is refused."""
    patched.replace(1e-6, 2e-6)
    patched.entry["tables"]["scale"] = 2e-6
    for engine in ("numpy", "native", "onnxruntime"):
        with patched.load(engine) as surrogate, anb_onnx.load("macs") as bundled:
            b0 = anb_onnx.efficientnet_b0()
            assert surrogate.query(b0).mean == pytest.approx(2 * bundled.query(b0).mean, rel=1e-6)


@pytest.mark.parametrize(
    ("scale", "message"),
    [
        (0.0, r"scale must be from 2^-500 to 2^95 in size, found 0.0"),
        (-0.0, "scale must be from 2^-500"),
        (1e308, r"scale must be from 2^-500 to 2^95 in size, found 1e+308"),
        (5e-324, "found 5e-324"),
        (1e29, "found 1e+29"),
    ],
)
def test_scales_out_of_range(patched: Patched, scale: float, message: str) -> None:
    patched.replace(1e-6, scale)
    patched.entry["tables"]["scale"] = scale
    for engine in ("numpy", "native", "onnxruntime", "auto"):
        assert message in refusal(ArtifactError, lambda e=engine: patched.load(e))  # type: ignore[misc]


@pytest.mark.parametrize("value", [2**31 - 1, -(2**31), 2**28])
def test_sums_that_leave_int32(patched: Patched, value: int) -> None:
    patched.entries()[:] = value
    assert "can add up to" in refusal(ArtifactError, patched.load)


def test_sums_leave_int32_in_no_order(patched: Patched) -> None:
    """The first half of the tables adds up to more than int32 holds, the others lessen it again."""
    entries, half = patched.entries(), 29808 // 2
    entries[:half], entries[half:] = 2**28, -(2**28)
    assert "can add up to" in refusal(ArtifactError, patched.load)
    entries[:half], entries[half:] = 2**26, -(2**26)
    patched.load().close()


def test_intervals_that_leave_float32(patched: Patched) -> None:
    calibration = patched.entry["calibration"]
    # The card in the file says the same, in as many bytes.
    for key, old, new in (("levels", "[0.0,0.995]", "[0.0,0.99]"), ("noise", "0.0", "3e38")):
        before, after = (f'"{key}":{value}'.encode() for value in (old, new))
        assert patched.model.count(before) == 1
        patched.model = patched.model.replace(before, after)
        calibration[key] = json.loads(new)
    patched.load().close()
    patched.model = patched.model.replace(b'"noise_power":0', b'"noise_power":2')
    calibration["noise_power"] = 2
    assert "the largest float32; anb-export" in refusal(ArtifactError, patched.load)


@pytest.mark.parametrize("path", [b"accuracy.onnx", 7, object(), ["a"], True])
def test_what_is_no_path(path: Any) -> None:
    message = refusal(TargetError, lambda: anb_onnx.load(path=path))
    assert "path must be a string or a Path, not" in message


@pytest.mark.parametrize("path", ["a\0b.onnx", "a\ud800.onnx", "x" * 5000, ""])
def test_paths_that_no_file_can_have(path: str) -> None:
    with pytest.raises(ArtifactError):
        anb_onnx.load(path=path)


@posix
@pytest.mark.parametrize("name", ["accuracy.onnx", "manifest.json"])
@pytest.mark.parametrize("kind", ["pipe", "folder", "device", "huge"])
def test_nothing_waits_and_nothing_overflows(tmp_path: Path, name: str, kind: str) -> None:
    folder = write_catalog(tmp_path / "artifacts")
    place = folder / name
    place.unlink()
    if kind == "pipe":
        os.mkfifo(place)
    elif kind == "folder":
        place.mkdir()
    elif kind == "device":
        place.symlink_to("/dev/zero")
    else:
        with place.open("wb") as file:
            file.truncate(10 * 2**30)
    message = refusal(ArtifactError, lambda: anb_onnx.load(path=folder / "accuracy.onnx"))
    assert str(place) in message
    wanted = {
        "pipe": "it is a pipe, not a regular file",
        "folder": "is a folder without manifest.json"
        if name == "accuracy.onnx"
        else "it is a folder, not a regular file",
        "device": "it is a device",
        "huge": "has 10737418240 bytes, at most",
    }
    assert wanted[kind] in message
    if name == "accuracy.onnx":  # without a manifest it is the same
        (folder / "manifest.json").unlink()
        assert wanted[kind] in refusal(ArtifactError, lambda: anb_onnx.load(path=place))


def test_a_limit_that_is_none_is_not_mended_by_another_file(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("ANB_ONNX_MAX_ARTIFACT_BYTES", "1e9")
    with pytest.raises(ArtifactError, match="must be a number of bytes") as caught:
        anb_onnx.load("accuracy")
    assert "install" not in str(caught.value)


def test_limits_can_be_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = write_catalog(tmp_path / "artifacts")
    load = lambda: anb_onnx.load(path=folder / "accuracy.onnx")  # noqa: E731
    monkeypatch.setenv("ANB_ONNX_MAX_ARTIFACT_BYTES", "1000")
    assert "at most 1000 are allowed (ANB_ONNX_MAX_ARTIFACT_BYTES sets" in refusal(
        ArtifactError, load
    )
    monkeypatch.setenv("ANB_ONNX_MAX_ARTIFACT_BYTES", "1 GB")
    assert "ANB_ONNX_MAX_ARTIFACT_BYTES must be a number of bytes" in refusal(ArtifactError, load)
    monkeypatch.delenv("ANB_ONNX_MAX_ARTIFACT_BYTES")
    monkeypatch.setenv("ANB_ONNX_MAX_MANIFEST_BYTES", "1000")
    assert "(ANB_ONNX_MAX_MANIFEST_BYTES sets this limit)" in refusal(ArtifactError, load)
    monkeypatch.setenv(FOLDER_VARIABLE, str(folder))
    assert "(ANB_ONNX_MAX_MANIFEST_BYTES sets this limit)" in refusal(
        ArtifactError, anb_onnx.targets
    )


SPACE = json.dumps(MNASNET.to_dict())


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"schema": 2, "schema": 2, "targets": {}}', "key 'schema' stands twice"),
        (
            f'{{"schema": 2, "search_space": {SPACE}, "targets": {{"a": 1, "a": 2}}}}',
            "'a' stands",
        ),
        ('{"schema": 2, "benchmark": "x", "x": NaN, "targets": {}}', "NaN is not a number"),
        ('{"schema": 2, "benchmark": "x", "x": 1e999, "targets": {}}', "too large"),
        (f'{{"schema": {"9" * 5000}, "targets": {{}}}}', "a number has 5000 digits"),
        (f'{{"schema": {"9" * 4000}, "targets": {{}}}}', "schema"),
        (r'{"schema": 2, "benchmark": "x", "x": "\ud800", "targets": {}}', "half a surrogate pair"),
        (
            '{"schema": 2, "benchmark": "x", "targets": {}, "x":' + "[" * 100_000,
            "nested too deeply",
        ),
        ('{"schema": 2, "benchmark": "x", "targets": []}', "'targets' must be an object"),
        ('{"schema": 2, "benchmark": "x", "targets": {}, "search_space": 1}', "search_space"),
        (
            '{"schema": 2, "benchmark": "x", "targets": {}, "search_space": {"name": "x", '
            '"blocks": '
            + json.dumps([{"name": f"b{k}", "genes": []} for k in range(20_000)])
            + "}}",
            "it has 20000 blocks, at most 64 are allowed",
        ),
        (
            f'{{"schema": 2, "benchmark": "x", "search_space": {SPACE}, "targets": '
            + json.dumps({f"t{k}": {} for k in range(5000)})
            + "}",
            "lists 5000 targets, at most 4096",
        ),
    ],
)
def test_hostile_manifests(tmp_path: Path, text: str, message: str) -> None:
    folder = write_catalog(tmp_path / "artifacts")
    (folder / "manifest.json").write_text(text)
    for call in (
        lambda: Catalog.read(folder),
        lambda: anb_onnx.load(path=folder / "accuracy.onnx"),
    ):
        assert message in refusal(ArtifactError, call)


UNFIT = ["\x1b]0;title\x07", "a\nb", "\u202e", "x" * 256, "", 7, None, [], {"a": 1}, "\x7f"]


@pytest.mark.parametrize("value", UNFIT, ids=lambda v: ascii(v)[:12])
@pytest.mark.parametrize("key", ["metric", "unit", "device", "direction", "sha256", "file"])
def test_texts_that_do_not_fit_a_terminal(tmp_path: Path, key: str, value: Any) -> None:
    if key == "device" and value is None:
        return  # that is allowed
    entry = {**ACCURACY, "file": "a.onnx", "sha256": "0" * 64, key: value}
    write_manifest(tmp_path, {"accuracy": entry})
    message = refusal(ArtifactError, lambda: Catalog.read(tmp_path))
    assert f"key '{key}' must be" in message


@pytest.mark.parametrize("name", ["\x1b[2J", "a\nb", "", "\u202eabc"])
def test_names_that_do_not_fit_a_terminal(tmp_path: Path, name: str) -> None:
    write_manifest(tmp_path, {name: {**ACCURACY, "file": "a.onnx", "sha256": "0" * 64}})
    assert "the name of a target must have" in refusal(
        ArtifactError, lambda: Catalog.read(tmp_path)
    )


@pytest.mark.parametrize(
    "file",
    [
        *("http:host", "c:a.onnx", "a/b", "a\\b", "..", ".", ".hidden", "a.", " a", "a "),
        *("a*", "a?", 'a"', "<a", "a>", "a|b", "a\0"),
    ],
)
def test_files_are_plain_names_everywhere(tmp_path: Path, file: str) -> None:
    write_manifest(tmp_path, {"accuracy": {**ACCURACY, "file": file, "sha256": "0" * 64}})
    assert "key 'file' must be" in refusal(ArtifactError, lambda: Catalog.read(tmp_path))


@pytest.mark.parametrize("file", ["a.onnx", "größe 3 × 3.onnx", "-a", "a..b", "A_1-2.onnx"])
def test_other_names_of_files_are_allowed(tmp_path: Path, file: str) -> None:
    write_manifest(tmp_path, {"accuracy": {**ACCURACY, "file": file, "sha256": "0" * 64}})
    assert Catalog.read(tmp_path).artifacts[0].path == tmp_path / file


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"anb_onnx.schema": "9" * 5000}, "key 'schema' must be 2, not '999"),
        ({"anb_onnx.schema": "999999999"}, "pip install --upgrade anb-onnx"),
        ({"anb_onnx.schema": "\u0661"}, "key 'schema' must be 2"),
        ({"anb_onnx.card": '{"a": 1, "a": 1}'}, "key 'a' stands twice"),
        ({"anb_onnx.card": '{"members": NaN}'}, "NaN is not a number"),
        ({"anb_onnx.card": "9" * 5000}, "a number has 5000 digits"),
        ({"anb_onnx.card": "[" * 100_000}, "nested too deeply"),
        ({"anb_onnx.card": "[]"}, "must hold a JSON object"),
    ],
)
def test_hostile_metadata(tmp_path: Path, change: dict[str, str], message: str) -> None:
    path = tmp_path / "mine.onnx"
    path.write_bytes(onnx_bytes({**metadata_of(ACCURACY), **change}))
    assert message in refusal(ArtifactError, lambda: anb_onnx.load(path=path))


@pytest.mark.parametrize(
    "change",
    [
        {"unit": "\x1b[2J"},
        {"metric": "a\nb"},
        {"members": 10**4000},
        {"calibration": {"spread": "1"}},
        {"calibration": 3},
    ],
)
def test_hostile_cards(tmp_path: Path, change: dict[str, Any]) -> None:
    path = tmp_path / "mine.onnx"
    path.write_bytes(onnx_bytes(metadata_of({**ACCURACY, **change})))
    refusal(ArtifactError, lambda: anb_onnx.load(path=path))


def test_metadata_that_are_not_utf_8(tmp_path: Path) -> None:
    path = tmp_path / "mine.onnx"
    path.write_bytes(
        onnx_bytes({**metadata_of(ACCURACY), "x": "abc"}).replace(b"abc", b"\xff\xfe!")
    )
    assert "its metadata is not UTF-8" in refusal(ArtifactError, lambda: anb_onnx.load(path=path))


def test_a_copy_without_its_manifest_says_the_same(tmp_path: Path) -> None:
    artifact = find_benchmark().find("accuracy")
    shutil.copy(artifact.path, tmp_path)
    with (
        anb_onnx.load(path=tmp_path / artifact.path.name) as alone,
        anb_onnx.load("accuracy", engine="onnxruntime") as bundled,
    ):
        codes = anb_onnx.sample(100, seed=1, space=anb_onnx.MNASNET)
        assert (alone.query(codes).mean == bundled.query(codes).mean).all()
        assert (alone.target, alone.calibration) == (bundled.target, bundled.calibration)
