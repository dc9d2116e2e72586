"""A bounded run of `fuzz_models`, the same on every machine; and what it once found."""

from __future__ import annotations

import random

import pytest
from anb_export.models.formats import model_from_bytes
from fuzz_models import CHANGES, FOUND, changed, corpus, outcome

from anb_onnx.errors import AnbError

FILES = corpus()
REFUSED = {"README.md", "old.expected", "xgboost-1.2.1.model", "xgboost-1.2.1.pickle"}


@pytest.mark.parametrize("name", FILES)
def test_the_corpus_is_what_it_says(name: str) -> None:
    if name.endswith(".skops"):
        pytest.importorskip("skops.io", reason="the exporter's extra 'skops' is not installed")
    assert outcome(FILES[name]) == ("refused" if name in REFUSED else "read")


@pytest.mark.parametrize("name", FILES)
def test_changed_models_are_read_or_refused(name: str) -> None:
    numbers = random.Random(name)
    for _ in range(120):
        assert outcome(changed(FILES[name], numbers)) in ("read", "refused")


@pytest.mark.parametrize("name", sorted(path.name for path in FOUND.iterdir()))
def test_what_once_escaped(name: str) -> None:
    with pytest.raises(AnbError):
        model_from_bytes((FOUND / name).read_bytes())


@pytest.mark.parametrize("name", FILES)
def test_every_prefix_is_refused(name: str) -> None:
    """But for those without a few line breaks at their end, and comments behind the trees."""
    content = FILES[name]
    end_of_trees = content.find(b"end of trees") if name == "lightgbm.txt" else -1
    whole = end_of_trees if end_of_trees > 0 else len(content.rstrip())
    for end in range(0, whole, max(1, len(content) // 150)):
        with pytest.raises(AnbError):
            model_from_bytes(content[:end])


def test_the_changes_change() -> None:
    content = FILES["xgboost.json"]
    for change in CHANGES:
        numbers = random.Random(1)
        results = set()
        for _ in range(5):
            other = bytearray(content)
            change(other, numbers)
            results.add(bytes(other))
        assert len(results - {content}) >= 3
