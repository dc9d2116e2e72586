"""Every engine gives the bits of the golden vectors for every bundled target."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import anb_onnx
from anb_onnx.catalog import Catalog
from anb_onnx.cli import main
from anb_onnx.errors import ArtifactError
from anb_onnx.golden import Golden, read_golden, same_bits
from anb_onnx.loading import ENGINES

CATALOG = Catalog.bundled()
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
    sizes = [file.stat().st_size for file in CATALOG.folder.iterdir()]
    assert sum(sizes) < 12e6
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
        indices = anb_onnx.codes_to_indices(golden.codes)[::-1]
        for start in range(0, 700, 77):
            part = surrogate.query(indices[start : start + 77])
            wanted = golden.outputs[target].mean[::-1][start : start + 77]
            np.testing.assert_array_equal(part.mean.view(np.uint32), wanted.view(np.uint32))


@pytest.mark.parametrize("target", TARGETS)
def test_a_million_random_architectures_native_equals_onnxruntime(target: str) -> None:
    codes = anb_onnx.sample(1_000_000 if target == "accuracy" else 100_000, seed=11)
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


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"sha256": "0" * 64}, "damaged"),
        ({"file": "../golden.bin"}, "plain file name"),
        ({"file": "missing.bin"}, "cannot be read"),
        ({"arrays": None}, "list 'arrays'"),
        ({"arrays": [{"target": "accuracy", "name": "mean"}]}, "malformed array"),
        ({"arrays": []}, "architectures"),
    ],
)
def test_malformed_entries_are_refused(
    tmp_path: Path, change: dict[str, object], message: str
) -> None:
    manifest = json.loads((CATALOG.folder / "manifest.json").read_text())
    content = (CATALOG.folder / manifest["golden"]["file"]).read_bytes()
    (tmp_path / "golden.bin").write_bytes(content)
    manifest["golden"] |= change
    (tmp_path / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(ArtifactError, match=message):
        read_golden(tmp_path)


def test_verify_compares_the_bits(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert main(["verify", "--engine", "native"]) == 0
    assert capsys.readouterr().out.count("4096 golden architectures") == len(TARGETS)
    monkeypatch.setattr("anb_onnx.cli.same_bits", lambda a, b: False)
    assert main(["verify"]) == 1
    assert "differs from the golden vectors" in capsys.readouterr().err
