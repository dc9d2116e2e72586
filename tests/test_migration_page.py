"""docs/migration.md: what it names is there, and its example runs."""

from __future__ import annotations

import importlib
import re
from pathlib import Path

import pytest

import anb_onnx.compat

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "migration.md"
if not PAGE.is_file():
    pytest.skip("not a checkout", allow_module_level=True)
TEXT = PAGE.read_text()


def test_the_example_runs(capsys: pytest.CaptureFixture[str]) -> None:
    (example,) = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)
    exec(example, {})
    best, regret = map(float, capsys.readouterr().out.split())
    assert 50.0 < best < 70.0
    assert 0.0 <= regret < 10.0


def test_every_name_of_ours_is_there() -> None:
    names = set(re.findall(r"`[^`]*?\b(anb_onnx(?:\.[A-Za-z_]+)*)\b", TEXT))
    assert len(names) > 10
    for name in names:
        found = importlib.import_module("anb_onnx")
        for part in name.split(".")[1:]:
            found = getattr(found, part)


def test_every_name_of_compat_is_on_the_page() -> None:
    named_by_others = {"Ensemble", "Member", "ConfigurationSpace", "CustomSearchable"}
    named_by_others |= {"CategoricalHyperparameter", "OrdinalHyperparameter"}
    for name in set(anb_onnx.compat.__all__) - named_by_others:
        assert re.search(rf"\b{name}\b", TEXT), name


def test_links_and_files() -> None:
    for link in re.findall(r"\]\(([^)#]+)\)", TEXT):
        assert link.startswith("https://") or (PAGE.parent / link).exists(), link
    for name in re.findall(r"`(?:python )?(examples/[\w/.]+)`", TEXT):
        assert (ROOT / name).exists(), name
