"""`anb-export upgrade`: folders become what is written today, and keep their bits."""

from __future__ import annotations

import hashlib
import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import onnx
import pytest
from anb_export.artifacts.truth import pack
from anb_export.cli import main
from anb_export.graphs.graph import serialise, untold
from onnx import helper
from small_truth import truths_of, with_truth

import anb_onnx
from anb_onnx.catalog.golden import read_golden, same_bits
from anb_onnx.catalog.truth_reader import read_truth
from anb_onnx.engines.base import Outputs

ROOT = Path(__file__).resolve().parents[2]
BUNDLED = ROOT / "artifacts/accel-nasbench"
PAIRS = ROOT / "tests/conformance/nasbench201-pairs"


def schema_1(source: Path, folder: Path) -> Path:
    """Write a folder of all pairs as it was before: without the names of benchmark and terms."""
    shutil.copytree(source, folder)
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest |= {"schema": 1}
    del manifest["benchmark"]
    for entry in manifest["targets"].values():
        path = folder / entry["file"]
        model = onnx.load(path)
        (text,) = (p.value for p in model.metadata_props if p.key == "anb_onnx.card")
        card = {k: v for k, v in json.loads(text).items() if k not in ("benchmark", "terms")}
        del model.metadata_props[:]
        helper.set_model_props(model, {"anb_onnx.schema": "1", "anb_onnx.card": json.dumps(card)})
        content = model.SerializeToString(deterministic=True)
        path.write_bytes(content)
        del entry["terms"]
        entry |= {"sha256": hashlib.sha256(content).hexdigest(), "bytes": len(content)}
    (folder / "manifest.json").write_text(json.dumps(manifest))
    return folder


@pytest.mark.parametrize("source", [BUNDLED, PAIRS], ids=["bundled", "other"])
def test_files_differ_only_in_what_they_say_of_themselves(source: Path, tmp_path: Path) -> None:
    old = schema_1(source, tmp_path / "old")
    with pytest.raises(anb_onnx.ArtifactError, match="anb-export upgrade FOLDER --out NEW_FOLDER"):
        anb_onnx.load("accuracy", path=old)
    with pytest.raises(anb_onnx.ArtifactError, match="anb-export upgrade FOLDER --out NEW_FOLDER"):
        anb_onnx.load(path=old / "accuracy.onnx")
    new = tmp_path / source.name
    assert main(["upgrade", str(old), "--out", str(new)]) == 0
    for path in source.iterdir():
        if path.suffix == ".onnx":
            assert onnx.load(new / path.name).graph == onnx.load(path).graph
        # The originals were written by this release: so is what comes out, to the byte.
        assert (new / path.name).read_bytes() == path.read_bytes(), path.name


def test_the_golden_bits_of_before_are_those_of_after(tmp_path: Path) -> None:
    old, new = schema_1(PAIRS, tmp_path / "old"), tmp_path / "new"
    assert main(["upgrade", str(old), "--out", str(new), "--benchmark", "mine"]) == 0
    assert (new / "golden.bin").read_bytes() == (old / "golden.bin").read_bytes()
    golden = read_golden(new)
    assert golden is not None
    for target, wanted in golden.outputs.items():
        with anb_onnx.load(target, benchmark="mine", path=new) as surrogate:
            found = surrogate.query_codes(golden.codes, members=True)
            assert same_bits(Outputs(found.mean, found.std, found.members), wanted)


def test_what_is_proven_stays_where_the_files_are_the_same(tmp_path: Path) -> None:
    truths = truths_of(PAIRS, bins=9, n_best=5)
    source = with_truth(PAIRS, tmp_path / PAIRS.name, pack(truths))
    old, new = schema_1(source, tmp_path / "old"), tmp_path / "new" / PAIRS.name
    assert main(["upgrade", str(old), "--out", str(new)]) == 0
    assert (new / "truth.bin").read_bytes() == (source / "truth.bin").read_bytes()
    assert read_truth(new) is not None
    # Proven of the files of schema 1, it is of no use for those of today.
    manifest = json.loads((old / "manifest.json").read_text())
    others = {n: replace(t, sha256=manifest["targets"][n]["sha256"]) for n, t in truths.items()}
    (old / "truth.bin").write_bytes(pack(others))
    digest = hashlib.sha256(pack(others)).hexdigest()
    edit(old, truth={"file": "truth.bin", "sha256": digest, "bytes": len(pack(others))})
    assert main(["upgrade", str(old), "--out", str(tmp_path / "again")]) == 0
    assert read_truth(tmp_path / "again") is None
    edit(old, truth={"file": "truth.bin", "sha256": "0" * 64, "bytes": 1})
    assert main(["upgrade", str(old), "--out", str(tmp_path / "damaged")]) == 2


def wordless(source: Path, folder: Path) -> Path:
    """Write a folder as it was before files said in words what they are."""
    shutil.copytree(source, folder)
    proven = dict(read_truth(source) or {})
    manifest = json.loads((folder / "manifest.json").read_text())
    for name, entry in manifest["targets"].items():
        path = folder / entry["file"]
        model = onnx.load(path)
        (tables,) = (t.raw_data for t in model.graph.initializer if t.name == "tables")
        content = serialise(untold(model))
        path.write_bytes(content)
        entry |= {"sha256": hashlib.sha256(content).hexdigest(), "bytes": len(content)}
        entry["tables"]["offset"] = content.index(tables)
        if name in proven:
            proven[name] = replace(proven[name], sha256=entry["sha256"])
    if proven:
        content = pack(proven)
        (folder / "truth.bin").write_bytes(content)
        manifest["truth"] |= {"sha256": hashlib.sha256(content).hexdigest(), "bytes": len(content)}
    (folder / "manifest.json").write_text(json.dumps(manifest))
    return folder


def test_files_without_words_are_given_them_and_stay_proven(tmp_path: Path) -> None:
    old = wordless(BUNDLED, tmp_path / "old")
    assert onnx.load(old / "accuracy.onnx").doc_string == ""
    with anb_onnx.load("accuracy", path=old) as surrogate:  # today's package still reads them
        assert surrogate.truth is not None
    new = tmp_path / BUNDLED.name
    assert main(["upgrade", str(old), "--out", str(new)]) == 0
    for path in BUNDLED.iterdir():
        assert (new / path.name).read_bytes() == path.read_bytes(), path.name
    # Once more, nothing is left to do.
    again = tmp_path / "again" / BUNDLED.name
    assert main(["upgrade", str(new), "--out", str(again)]) == 0
    for path in BUNDLED.iterdir():
        assert (again / path.name).read_bytes() == path.read_bytes(), path.name


def test_what_is_proven_of_other_files_is_not_carried_over(tmp_path: Path) -> None:
    old = wordless(BUNDLED, tmp_path / "old")
    content = (BUNDLED / "truth.bin").read_bytes()  # of the files with words
    (old / "truth.bin").write_bytes(content)
    digest = hashlib.sha256(content).hexdigest()
    edit(old, truth={"file": "truth.bin", "sha256": digest, "bytes": len(content)})
    new = tmp_path / BUNDLED.name
    assert main(["upgrade", str(old), "--out", str(new)]) == 2
    assert read_truth(new) is None


def edit(folder: Path, **changes: Any) -> None:
    path = folder / "manifest.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def test_what_is_not_converted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def refusal(*arguments: str) -> str:
        assert main(["upgrade", *arguments]) == 2
        return capsys.readouterr().err

    out = str(tmp_path / "new")
    assert "of the benchmark 'nasbench201-pairs', not of 'new'" in refusal(str(PAIRS), "--out", out)
    newer = tmp_path / "newer"
    shutil.copytree(PAIRS, newer)
    edit(newer, schema=3)
    assert "key 'schema' is 3; 1 and 2 are converted" in refusal(str(newer), "--out", out)
    assert "cannot be read" in refusal(str(tmp_path / "nowhere"), "--out", out)
    old = schema_1(PAIRS, tmp_path / "old")
    assert "is the folder to convert" in refusal(str(old), "--out", str(old))
    assert "must be 1 to 64 of the characters" in refusal(
        str(old), "--out", out, "--benchmark", "A"
    )
    edit(old, targets=[])
    assert "key 'targets' must be an object" in refusal(str(old), "--out", out)
    shutil.rmtree(old)
    schema_1(PAIRS, old)
    with (old / "accuracy.onnx").open("ab") as file:
        file.write(b"\0")
    assert "accuracy.onnx is damaged" in refusal(str(old), "--out", out)
    assert not Path(out).exists()
