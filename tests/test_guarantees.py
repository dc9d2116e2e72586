"""The page of guarantees names tests that there are."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "guarantees.md"


def test_every_guarantee_has_its_test() -> None:
    if not PAGE.is_file():  # as in an installed package
        pytest.skip(f"needs {PAGE}, which is part of the repository only")
    named = re.findall(r"`(tests/[\w/]+\.py)(?:::(\w+))?`", PAGE.read_text("utf-8"))
    assert len(named) > 40
    for file, name in named:
        text = (ROOT / file).read_text("utf-8")
        assert not name or f"def {name}(" in text, f"{file} has no {name}"


def test_the_modules_that_are_mutated_and_their_tests_are_there() -> None:
    """Read as text: the module itself needs a package that no test needs."""
    named = re.findall(
        r"(?:anb_onnx|export|tests)/[\w/]+\.py", (ROOT / "tests/mutation.py").read_text("utf-8")
    )
    assert len(named) > 20
    for file in named:
        assert (ROOT / file).is_file(), file
