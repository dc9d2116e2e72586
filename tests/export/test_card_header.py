"""Model cards begin with a header that the Hugging Face Hub reads, and say of which files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from anb_export.reports.card_header import header

ROOT = Path(__file__).resolve().parents[2]
TARGETS: dict[str, Any] = json.loads((ROOT / "artifacts/accel-nasbench/manifest.json").read_text())[
    "targets"
]


def read(name: str) -> tuple[str, dict[str, Any]]:
    text = (ROOT / "docs/cards" / f"{name}.md").read_text()
    before, between, _ = text.split("---\n", 2)
    assert before == ""
    return text, yaml.safe_load(between)


@pytest.mark.parametrize("name", sorted(TARGETS))
def test_every_card_is_of_the_file_that_is_there(name: str) -> None:
    text, found = read(name)
    entry = TARGETS[name]
    assert text.startswith(header(name, entry) + f"\n\n# {name}\n")
    assert f"`{entry['file']}`, {entry['bytes']:,} bytes" in text
    assert f"`{entry['sha256']}`" in text
    assert found["license"] == "apache-2.0"
    (model,) = found["model-index"]
    (result,) = model["results"]
    assert model["name"] == name
    figures = {m["type"]: m["value"] for m in result["metrics"]}
    assert all(type(value) is float for value in figures.values())
    assert figures["mae"] == pytest.approx(entry["quality"]["test"]["mae"], rel=1e-5)
    assert sorted(found["metrics"]) == sorted(figures)


@pytest.mark.parametrize("name", sorted(TARGETS))
def test_the_hub_s_own_reader_takes_it(name: str) -> None:
    hub = pytest.importorskip("huggingface_hub", reason="validates by the Hub's own classes")
    card = hub.ModelCard.load(ROOT / "docs/cards" / f"{name}.md")
    assert card.data.license == "apache-2.0"
    assert card.data.library_name == "anb-onnx"
    assert card.data.model_name == name
    assert {r.metric_type for r in card.data.eval_results} >= {"mae", "r_squared", "spearmanr"}
    assert card.data.eval_results[0].dataset_name.startswith("Accel-NASBench, test rows")


def test_numbers_are_numbers_to_every_reader_of_yaml() -> None:
    entry = {**TARGETS["macs"], "quality": {"all": {"n": 2, "mae": 1e-9, "rmse": 2.5e-8, "r2": 1}}}
    found = yaml.safe_load(header("macs", entry).strip("-"))
    metrics = found["model-index"][0]["results"][0]["metrics"]
    assert [m["value"] for m in metrics] == [1e-9, 2.5e-8, 1.0]
