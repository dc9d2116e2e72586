"""`need_tool`: what is missing skips for a developer, and fails in continuous integration."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from tools import HEAVY, need_tool

SKIPPED, FAILED = pytest.skip.Exception, pytest.fail.Exception


@pytest.mark.parametrize(
    ("package", "ci", "without", "outcome"),
    [
        ("smac", "", "", SKIPPED),
        ("pymoo", "", "", SKIPPED),
        ("smac", "true", "", FAILED),
        ("pymoo", "true", "", FAILED),
        ("smac", "true", "integrations", SKIPPED),
        ("pymoo", "true", "integrations", FAILED),
    ],
)
def test_a_missing_package(
    package: str,
    ci: str,
    without: str,
    outcome: type[BaseException],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    monkeypatch.setenv("CI", ci)
    monkeypatch.setenv("ANB_WITHOUT", without)
    extra = HEAVY.get(package, "test")
    with pytest.raises(outcome, match=rf"needs {package}: pip install --editable '.\[{extra}\]'"):
        need_tool(f"{package}.problems")


def test_a_broken_package_is_no_missing_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "broken_tool.py").write_text("import nowhere_to_be_found\n")
    (tmp_path / "whole_tool.py").write_text("import json as part\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ModuleNotFoundError, match="nowhere_to_be_found"):
        need_tool("broken_tool")
    assert need_tool("whole_tool").part.loads("[1]") == [1]
    with pytest.raises(ModuleNotFoundError, match=r"whole_tool\.missing"):
        need_tool("whole_tool.missing")
