"""A manifest edited by hand, with the right hash of the ONNX file, is never believed.

Every digit and value of an entry stands for what some prediction, interval or unit is. The whole
sweep takes minutes: `python tests/manifest_edits.py`.
"""

from __future__ import annotations

import json
import shutil
from collections import Counter
from collections.abc import Callable
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
from manifest_edits import Folder, damages, digit_edits, value_edits

import anb_onnx
from anb_onnx import ArtifactError
from anb_onnx.catalog.benchmarks import find_benchmark
from anb_onnx.catalog.catalog import Catalog
from anb_onnx.links import Link
from anb_onnx.loading import ENGINES


# The target with every part of a link, and the smallest file.
@pytest.mark.parametrize(
    ("target", "digit_step", "value_step"), [("macs", 1, 13), ("throughput_tpuv3", 5, 29)]
)
def test_no_edit_is_believed(tmp_path: Path, target: str, digit_step: int, value_step: int) -> None:
    folder = Folder(target, tmp_path)
    digits = Counter(map(folder.verdict, islice(digit_edits(folder.text), 0, None, digit_step)))
    values = Counter(map(folder.verdict, islice(value_edits(folder.document), 0, None, value_step)))
    assert folder.verdict(folder.text) == "harmless"
    assert digits["believed"] == values["believed"] == 0
    assert min(digits["refused"], values["refused"]) > 400
    # Verifications and new keys are free, and 1 may be written for 1.0; all else is not.
    assert digits["harmless"] + values["harmless"] < 60


def test_no_damage_is_believed(tmp_path: Path) -> None:
    """Nor does any end in another error than ours, or hold up the process."""
    folder = Folder("macs", tmp_path)
    verdicts = Counter(map(folder.verdict, damages(folder.text, 600)))
    assert verdicts["believed"] == 0
    assert verdicts["refused"] > 500


def _entry(manifest: dict[str, Any]) -> dict[str, Any]:
    entry: dict[str, Any] = manifest["targets"]["throughput_tpuv3"]
    return entry


def _genes(manifest: dict[str, Any], block: int) -> list[dict[str, Any]]:
    genes: list[dict[str, Any]] = manifest["search_space"]["blocks"][block]["genes"]
    return genes


def _swap(items: list[Any], a: int, b: int) -> None:
    items[a], items[b] = items[b], items[a]


def _regime(manifest: dict[str, Any]) -> dict[str, Any]:
    regime: dict[str, Any] = _entry(manifest)["link"]["regime"]
    return regime


EDITS: dict[str, tuple[Callable[[dict[str, Any]], object], str]] = {
    "scale 0": (lambda m: _entry(m)["tables"].update(scale=0.0), "tables.scale' is 0.0"),
    "scale": (lambda m: _entry(m)["tables"].update(scale=1e308), "tables.scale' is 1e.308"),
    "shift": (lambda m: _entry(m)["tables"].update(shift=1.0), "tables.shift' is 1.0 in its card"),
    "offset": (
        lambda m: _entry(m)["tables"].update(offset=_entry(m)["tables"]["offset"] + 4),
        r"tables.offset' is \d+ in its card, but \d+ in the graph",
    ),
    "entries": (lambda m: _entry(m)["tables"].update(entries=29807), "tables.entries' is 29807"),
    "table members": (lambda m: _entry(m)["tables"].update(members=4), "tables.members' is 4"),
    "members": (lambda m: _entry(m).update(members=4), "key 'members' is 4, but 8"),
    "unit": (lambda m: _entry(m).update(unit="ms"), "key 'unit' is 'ms', but 'images/s'"),
    "direction": (lambda m: _entry(m).update(direction="min"), "key 'direction' is 'min'"),
    "device": (lambda m: _entry(m).update(device="a100"), "must be called 'throughput_a100'"),
    "exact": (lambda m: _entry(m).update(exact=True), "key 'exact' is True, but False"),
    "form": (lambda m: _entry(m).update(form="projected"), "key 'form' is 'projected'"),
    "two genes": (
        lambda m: _swap(_genes(m, 0), 0, 1),
        r"search_space.blocks\[0\].genes\[0\].name' is 'block0_k', but 'block0_e'",
    ),
    "two choices": (
        lambda m: _swap(_genes(m, 0)[0]["choices"], 0, 2),
        r"genes\[0\].choices\[0\]' is 6, but 1",
    ),
    "two blocks": (
        lambda m: _swap(m["search_space"]["blocks"], 0, 1),
        r"search_space.blocks\[0\].name' is 'block1', but 'block0'",
    ),
    "another choice": (
        lambda m: _genes(m, 0)[0]["choices"].__setitem__(1, 3),
        r"choices\[1\]' is 3, but 4",
    ),
    "a space's name": (lambda m: m["search_space"].update(name="x"), "search_space.name' is 'x'"),
    "power": (
        lambda m: _entry(m)["link"].update(power="-1"),
        "key 'link.power' is '-1', but '-1/2'",
    ),
    "a link": (
        lambda m: _entry(m).update(link=Link("-1").to_dict()),
        r"key 'link.name' is '1/y', but '1/y\^\(1/2\)'",
    ),
    "a hinge": (lambda m: _entry(m)["link"]["hinges"].pop(), "link.hinges"),
    "a knot": (
        lambda m: _entry(m)["link"]["hinges"][0].__setitem__(0, 700.0),
        r"link.hinges\[0\]\[0\]' is 700.0, but 789.19",
    ),
    "codes": (lambda m: _regime(m).update(codes=[0]), "link.regime.codes"),
    "a regime's gene": (lambda m: _regime(m).update(gene="block0_l"), "link.regime.gene"),
    "no regime": (lambda m: _entry(m)["link"].pop("regime"), "link.regime' is absent"),
    "calibration": (
        lambda m: _entry(m)["calibration"].update(spread=0.1),
        "calibration.spread' is 0.1",
    ),
    "no calibration": (lambda m: _entry(m).pop("calibration"), "'calibration' is absent"),
    "a requirement": (
        lambda m: _entry(m).update(requires={"onnxruntime": ">=1.9"}),
        "key 'requires' is .*, but absent in the card inside",
    ),
    "quality": (
        lambda m: _entry(m)["quality"]["test"].update(mae=0.0),
        "key 'quality.test.mae' is 0.0, but",
    ),
    "a name": (
        lambda m: m.update(targets={"throughput_a100": _entry(m)}),
        "must be called 'throughput_tpuv3'",
    ),
}


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("edit", EDITS)
def test_edits_are_named(tmp_path: Path, edit: str, engine: str) -> None:
    """Every engine refuses, with the key, both values and what mends it."""
    folder = Folder("throughput_tpuv3", tmp_path)
    change, message = EDITS[edit]
    change(folder.document)
    folder.manifest.write_text(json.dumps(folder.document))
    with pytest.raises(ArtifactError, match=message) as caught:
        anb_onnx.load(path=folder.path, engine=engine)
    assert "anb-export build writes the files and their manifest.json" in str(caught.value)
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 700


def test_targets_by_name_are_compared_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = Folder("throughput_tpuv3", tmp_path)
    monkeypatch.setenv("ANB_ONNX_ARTIFACTS", str(tmp_path))
    anb_onnx.load("throughput", device="tpuv3").close()
    folder.document["targets"]["throughput_tpuv3"]["tables"]["shift"] += 1e-9
    folder.manifest.write_text(json.dumps(folder.document))
    with pytest.raises(ArtifactError, match=r"tables\.shift"):
        anb_onnx.load("throughput", device="tpuv3")


def test_new_keys_and_later_verifications_are_allowed(tmp_path: Path) -> None:
    folder = Folder("throughput_tpuv3", tmp_path)
    entry = folder.document["targets"]["throughput_tpuv3"]
    entry["verification"] = {"n": 1}
    entry["new"] = {"key": [1, 2]}
    assert folder.verdict(json.dumps(folder.document)) != "refused"


def test_numbers_may_be_written_otherwise(tmp_path: Path) -> None:
    """JSON does not tell 80 from 80.0, and other writers drop what Python adds."""
    folder = Folder("latency_zcu102", tmp_path)
    entry = folder.document["targets"]["latency_zcu102"]
    entry["calibration"]["levels"][0] = 0
    entry["tables"]["scale"] = float(f"{entry['tables']['scale']:.17e}")
    assert folder.verdict(json.dumps(folder.document)) == "harmless"
    folder.document["search_space"].pop("size")
    assert folder.verdict(json.dumps(folder.document)) == "harmless"


def test_two_targets_of_one_file_are_refused(tmp_path: Path) -> None:
    """At most one of the names can be right."""
    source = find_benchmark()
    manifest = json.loads((source.folder / "manifest.json").read_text())
    manifest["targets"] = {
        "macs": manifest["targets"]["macs"],
        "params": manifest["targets"]["macs"],
    }
    shutil.copy(source.folder / "macs.onnx", tmp_path)
    (tmp_path / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(ArtifactError, match="'macs' and 'params' name the same file"):
        Catalog.read(tmp_path)
