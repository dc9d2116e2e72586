"""Files say in words what they are: whoever opens one alone learns how to read it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort
import pytest

import anb_onnx
from anb_onnx import FBNET, MNASNET, NASBENCH201
from anb_onnx.catalog.catalog import Artifact, Catalog
from anb_onnx.onnx_files.describing import DOCUMENTATION, MAX_GENES_TEXT, describe
from anb_onnx.onnx_files.messages import fields
from anb_onnx.spaces.space import Block, Gene, SearchSpace

ROOT = Path(__file__).resolve().parents[1]
FOLDERS = [
    *sorted(path.parent for path in (ROOT / "artifacts").glob("*/manifest.json")),
    *sorted(path.parent for path in (ROOT / "spaces").glob("*/artifacts/*/manifest.json")),
    *sorted(path.parent for path in (ROOT / "tests" / "conformance").glob("*/manifest.json")),
]


def words_of(model: bytes) -> dict[str, str]:
    """The doc_string of a model, its graph, inputs and outputs, by name; by a reader of its own."""

    def text(start: int, stop: int, number: int) -> str:
        found = [model[a:b] for n, a, b in fields(model, start, stop) if n == number]
        return b"".join(found).decode()

    (graph,) = ((a, b) for n, a, b in fields(model, 0, len(model)) if n == 7)
    values = [(a, b) for n, a, b in fields(model, *graph) if n in (11, 12)]
    named = {text(a, b, 1): text(a, b, 3) for a, b in values}
    return {"model": text(0, len(model), 6), "graph": text(*graph, 10), **named}


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_every_file_says_what_it_predicts_and_how_it_is_read(folder: Path) -> None:
    artifacts: tuple[Artifact, ...] = Catalog.read(folder).artifacts
    assert artifacts
    for artifact in artifacts:
        entry, told = artifact.entry, words_of(artifact.read())
        more = set()
        if "outputs" in entry:
            more = {"output_means", "output_stds", "output_members"}
        if "curve" in entry:
            more |= {"curve_mean", "curve_std", "curve_members"}
        assert set(told) == {"model", "graph", "architectures", "mean", "std", "members", *more}
        for fact in ("metric", "unit", "license"):
            assert entry.get(fact, "") in told["model"], artifact.path
        assert entry["device"] is None or f" on {entry['device']} " in told["model"]
        better = {"max": "higher is better", "min": "lower is better"}[entry["direction"]]
        assert better in told["model"]
        assert entry.get("dataset", {"name": ""})["name"] in told["model"]
        assert DOCUMENTATION in told["model"]
        assert ("not an error bar" in told["std"]) == (entry["members"] > 1)
        assert f"members float32 [N, {entry['members']}]" in told["graph"]
        for gene in (artifact.space.genes[0], artifact.space.genes[-1]):
            assert gene.name in told["architectures"]


def test_the_accuracy_says_whose_training_it_is_of() -> None:
    model = (ROOT / "artifacts/accel-nasbench/accuracy.onnx").read_bytes()
    assert "short training scheme" in words_of(model)["model"]
    value = anb_onnx.load("accuracy").query(anb_onnx.efficientnet_b0()).mean
    assert "EfficientNet-B0 reaches 66 %" in words_of(model)["model"]
    assert round(float(value)) == 66


def test_runtimes_show_the_words() -> None:
    path = ROOT / "artifacts/accel-nasbench/latency_zcu102.onnx"
    meta = ort.InferenceSession(path).get_modelmeta()
    assert meta.description.startswith("Predicts latency on zcu102 in ms (lower is better)")
    assert meta.graph_description.startswith("architectures uint8 [N, 28] -> mean float32 [N]")


def test_every_bundled_file_stays_under_a_megabyte() -> None:
    sizes = {p.name: p.stat().st_size for p in ROOT.glob("artifacts/*/*.onnx")}
    assert sizes
    assert max(sizes.values()) < 1_000_000, sizes


def test_a_surrogate_that_is_saved_says_it_too(tmp_path: Path) -> None:
    with anb_onnx.load("latency_zcu102") as surrogate:
        saved = surrogate.save(tmp_path / "mine", benchmark="mine")
    told = words_of(saved.read_bytes())
    assert "benchmark mine." in told["model"]
    assert "short training" not in told["model"]  # that is about another benchmark


def test_a_card_that_says_nothing_gives_words_as_well() -> None:
    told = describe({}, NASBENCH201, 1)
    assert told.model.startswith("Predicts a target of architectures of the search space nasbench")
    assert told.outputs["std"] == "0: there is one member."


@pytest.mark.parametrize(
    ("quality", "words"),
    [
        (
            {"test": {"n": 7, "rmse": 0.12345, "spearman": 0.98765}},
            "error 0.123 ms, Spearman 0.988",
        ),
        ({"leave_one_out": {"n": 7, "rmse": 2, "spearman": 1}}, "each predicted from all others"),
        ({"train": {"n": 7, "rmse": 2, "spearman": 1}}, "members."),
        ({"test": {"n": 7}}, "members."),
    ],
)
def test_only_figures_of_rows_kept_apart_count(quality: dict[str, Any], words: str) -> None:
    assert words in describe({"unit": "ms", "quality": quality}, MNASNET, 8).model


def test_genes_that_are_alike_are_listed_once_and_too_many_not_at_all() -> None:
    assert "layer_0 to layer_21 (22 genes): k3_e1, " in describe({}, FBNET, 1).input
    assert "block0_se: True, False; block1_e: 1, 4, 6;" in describe({}, MNASNET, 1).input
    genes = [Gene(f"g{i}", tuple(int(v) for v in np.arange(256) + i)) for i in range(40)]
    large = SearchSpace("large", tuple(Block(g.name, (g,)) for g in genes))
    told = describe({}, large, 1).input
    assert "as search_space in the model card has them" in told
    assert len(told) < MAX_GENES_TEXT
