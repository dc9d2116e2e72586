"""The examples of docs/search.md run, in order and in one folder, and print what they say."""

from __future__ import annotations

import contextlib
import io
import re
from pathlib import Path
from typing import Any

import pytest

from anb_onnx import search

PAGE = Path(__file__).resolve().parents[1] / "docs" / "search.md"
if not PAGE.is_file():  # as in the source distribution
    pytest.skip("needs the pages in docs, part of the repository", allow_module_level=True)

TEXT = PAGE.read_text()
BLOCKS = re.findall(r"^```python\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL)


def test_the_examples_of_the_page_print_what_they_say(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {}
    checked = 0
    for number, block in enumerate(BLOCKS):
        expected = re.findall(r"^print\(.*\)  # (.*)$", block, re.MULTILINE)
        assert len(expected) == block.count("print(")
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            exec(compile(block, f"{PAGE.name}, block {number + 1}", "exec"), names)
        assert printed.getvalue().splitlines() == expected
        checked += len(expected)
    assert checked == 10


def test_every_public_name_has_its_place() -> None:
    found = {*re.findall(r"\b[A-Za-z_]+\b", TEXT)}
    assert [name for name in search.__all__ if name not in found] == []
