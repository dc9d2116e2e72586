"""Every engine gives the bits of the golden vectors for every bundled target."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import anb_onnx
from anb_onnx.catalog.benchmarks import find_benchmark
from anb_onnx.catalog.golden import Golden, read_golden, same_bits
from anb_onnx.cli.main import main
from anb_onnx.errors import ArtifactError
from anb_onnx.loading import ENGINES

CATALOG = find_benchmark()
TARGETS = [target.name for target in CATALOG.targets]
ALL = {
    "accuracy",
    *(f"throughput_{d}" for d in ("a100", "3090", "tpuv2", "tpuv3", "zcu102", "vck190")),
    *(f"latency_{d}" for d in ("zcu102", "vck190")),
    *("train_time", "macs", "params"),
}


@pytest.fixture(scope="module")
def golden() -> Golden:
    found = read_golden(CATALOG.folder)
    assert found is not None
    return found


def test_all_twelve_targets_are_bundled(golden: Golden) -> None:
    assert set(TARGETS) == set(golden.outputs) == ALL


def test_the_artifacts_are_small() -> None:
    sizes = {file.name: file.stat().st_size for file in CATALOG.folder.iterdir()}
    assert sizes.pop("truth.bin", 0) < 3e6
    assert sum(sizes.values()) < 12e6
    assert all(a.path.stat().st_size < 1.2e6 for a in CATALOG.artifacts)


def test_architectures_are_distinct_and_hold_b0_and_its_neighbours(golden: Golden) -> None:
    rows = {row.tobytes() for row in golden.codes}
    assert len(rows) == len(golden.codes) == 4096
    b0 = anb_onnx.efficientnet_b0()
    assert all(bytes(a.codes) in rows for a in (b0, *anb_onnx.neighbours(b0)))


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("target", TARGETS)
def test_bits(golden: Golden, target: str, engine: str) -> None:
    with anb_onnx.load(target, engine=engine) as surrogate:
        found = surrogate.query_codes(golden.codes, members=True)
        assert same_bits(found, golden.outputs[target])
        # By index, in odd batches, in reverse: still the same bits.
        indices = anb_onnx.codes_to_indices(golden.codes, anb_onnx.MNASNET)[::-1]
        for start in range(0, 700, 77):
            part = surrogate.query(indices[start : start + 77])
            wanted = golden.outputs[target].mean[::-1][start : start + 77]
            np.testing.assert_array_equal(part.mean.view(np.uint32), wanted.view(np.uint32))


@pytest.mark.parametrize("target", TARGETS)
def test_a_million_random_architectures_native_equals_onnxruntime(target: str) -> None:
    codes = anb_onnx.sample(
        1_000_000 if target == "accuracy" else 100_000, seed=11, space=anb_onnx.MNASNET
    )
    with (
        anb_onnx.load(target, engine="native", threads=2) as native,
        anb_onnx.load(target, engine="onnxruntime", threads=2) as other,
    ):
        a, b = (s.query_codes(codes, members=True) for s in (native, other))
    assert same_bits(a, b)


def test_same_bits_sees_one_bit(golden: Golden) -> None:
    outputs = golden.outputs["accuracy"]
    changed = outputs.std.copy()
    changed.view(np.uint32)[17] ^= 1
    assert not same_bits(outputs._replace(std=changed), outputs)
    assert not same_bits(outputs._replace(members=None), outputs)


@pytest.fixture
def copied(tmp_path: Path) -> dict[str, Any]:
    """Manifest of a folder, `tmp_path`, with the bundled golden vectors."""
    manifest: dict[str, Any] = json.loads((CATALOG.folder / "manifest.json").read_text())
    shutil.copy(CATALOG.folder / manifest["golden"]["file"], tmp_path)
    return manifest


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"sha256": "0" * 64}, "damaged"),
        ({"sha256": 7}, "64 hexadecimal digits, not 7"),
        ({"file": "../golden.bin"}, "plain file name"),
        ({"file": "http:host"}, "plain file name"),
        ({"file": "golden.bin\0"}, "plain file name"),
        ({"file": "."}, "plain file name"),
        ({"file": "missing.bin"}, "cannot be read"),
        ({"arrays": None}, "list 'arrays'"),
        ({"arrays": [{"target": "accuracy", "name": "mean"}]}, "malformed array"),
        ({"arrays": []}, "'architectures', .* is missing"),
        ({"n": 4095}, "key 'n' must be 4096, not 4095"),
        ({"bytes": 1}, "key 'bytes' must be 1851392, not 1"),
        ({"byte_order": "big"}, "key 'byte_order' must be 'little', not 'big'"),
    ],
)
def test_malformed_entries_are_refused(
    copied: dict[str, Any], tmp_path: Path, change: dict[str, object], message: str
) -> None:
    copied["golden"] |= change
    (tmp_path / "manifest.json").write_text(json.dumps(copied))
    with pytest.raises(ArtifactError, match=message):
        read_golden(tmp_path)


@pytest.mark.parametrize("which", [0, 1, 3])
@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("offset", 1),
        ("offset", -1),
        ("offset", 2**70),
        ("offset", 1e308),
        ("offset", "0"),
        ("offset", None),
        ("offset", True),
        ("target", []),
        ("target", {}),
        ("target", ""),
        ("target", 7),
        ("target", "\x1b[2J"),
        ("target", "macs"),
        ("name", []),
        ("name", "other"),
        ("name", "std"),
        ("name", None),
        ("dtype", "float64"),
        ("dtype", "<f4"),
        ("dtype", []),
        ("dtype", None),
        ("shape", []),
        ("shape", 4096),
        ("shape", "ab"),
        ("shape", [2**40, 2**40]),
        ("shape", [4096, -8]),
        ("shape", [4096.0, 8]),
        ("shape", [1, 2, 3]),
        ("shape", [0]),
        ("shape", [True]),
        ("shape", [10**4000]),
    ],
)
def test_hostile_arrays_are_refused(
    copied: dict[str, Any], tmp_path: Path, which: int, key: str, value: object
) -> None:
    copied["golden"]["arrays"][which][key] = value
    (tmp_path / "manifest.json").write_text(json.dumps(copied))
    with pytest.raises(ArtifactError, match=r"manifest\.json: golden: ") as caught:
        read_golden(tmp_path)
    assert len(str(caught.value)) < 600
    assert str(caught.value).isprintable()


@pytest.mark.parametrize("value", ["Infinity", "NaN", "1e999", "9" * 5000])
def test_numbers_that_are_none_are_refused(
    copied: dict[str, Any], tmp_path: Path, value: str
) -> None:
    copied["golden"]["arrays"][0]["offset"] = "here"
    text = json.dumps(copied).replace('"here"', value)
    (tmp_path / "manifest.json").write_text(text)
    with pytest.raises(ArtifactError, match="is not valid JSON"):
        read_golden(tmp_path)


def test_arrays_fill_the_file_once(copied: dict[str, Any], tmp_path: Path) -> None:
    arrays = copied["golden"]["arrays"]
    for change, message in (
        ([*arrays, arrays[0]], "it must begin at byte 1851392"),
        (arrays[:-3], "the arrays take 1802240 bytes, the file has 1851392"),
        (arrays[:-1], "target 'params' needs mean and std"),
        ([*arrays, {**arrays[1], "shape": [0], "offset": 1851392}], "stands twice"),
        ([arrays[1], arrays[0], *arrays[2:]], "it must begin at byte 0"),
        (["x"], "malformed array 'x'"),
        ([None], "malformed array None"),
    ):
        copied["golden"]["arrays"] = change
        (tmp_path / "manifest.json").write_text(json.dumps(copied))
        with pytest.raises(ArtifactError, match=message):
            read_golden(tmp_path)


def test_the_file_of_golden_vectors_is_a_regular_one_of_a_bounded_size(
    copied: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "manifest.json").write_text(json.dumps(copied))
    monkeypatch.setenv("ANB_ONNX_MAX_GOLDEN_BYTES", "1851391")
    with pytest.raises(ArtifactError, match="at most 1851391 are allowed"):
        read_golden(tmp_path)
    monkeypatch.setenv("ANB_ONNX_MAX_GOLDEN_BYTES", "1851392")
    assert read_golden(tmp_path) is not None
    (tmp_path / "golden.bin").unlink()
    (tmp_path / "golden.bin").mkdir()
    with pytest.raises(ArtifactError, match="it is a folder"):
        read_golden(tmp_path)


def test_verify_compares_the_bits(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert main(["verify", "--engine", "native"]) == 0
    assert capsys.readouterr().out.count("4096 golden architectures") == len(TARGETS)
    monkeypatch.setattr("anb_onnx.cli.verify.same_bits", lambda a, b: False)
    assert main(["verify"]) == 1
    assert "differs from the golden vectors" in capsys.readouterr().err
