"""Tests that need data say so, name the one variable, and fail in continuous integration."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from measured_data import DEFAULT, LACK, data_folder, need_data, summary

TESTS = Path(__file__).resolve().parent


def test_the_variable_names_the_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("ANB_SHARED", str(tmp_path))
    (tmp_path / "there").touch()
    assert need_data("there") == data_folder() == tmp_path
    monkeypatch.setenv("ANB_SHARED", "")
    assert data_folder() == DEFAULT


@pytest.mark.parametrize(
    ("ci", "without", "kind"),
    [
        ("", "", pytest.skip.Exception),
        ("true", "", pytest.fail.Exception),
        ("1", "integrations", pytest.fail.Exception),
        ("true", "integrations,data", pytest.skip.Exception),
        ("true", "data", pytest.skip.Exception),
        ("false", "", pytest.skip.Exception),
    ],
)
def test_what_is_missing_is_skipped_or_fails(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    ci: str,
    without: str,
    kind: type[BaseException],
) -> None:
    monkeypatch.setenv("ANB_SHARED", str(tmp_path))
    monkeypatch.setenv("CI", ci)
    monkeypatch.setenv("ANB_WITHOUT", without)
    with pytest.raises(kind, match=rf"no {tmp_path}/gone; ANB_SHARED names the folder"):
        need_data("gone")


def test_the_summary_counts_what_lacks_data_alone() -> None:
    assert summary(["needs ray: pip install"]) is None
    one = summary(["needs ray", f"Skipped: {LACK}no x"])
    assert one is not None
    assert one.startswith("1 test skipped for lack of data: ANB_SHARED=FOLDER runs them")
    assert str(summary([LACK, LACK])).startswith("2 tests skipped")


@pytest.mark.parametrize("ci", ["", "true"], ids=["at home", "in CI"])
def test_a_run_without_the_data_ends_with_how_many_were_skipped(ci: str, tmp_path: Path) -> None:
    (tmp_path / "test_it.py").write_text("def test_it(shared_data):\n    pass\n")
    (tmp_path / "conftest.py").write_text((TESTS / "conftest.py").read_text())
    env = {**os.environ, "CI": ci, "ANB_WITHOUT": "", "ANB_SHARED": str(tmp_path / "nowhere")}
    env["PYTHONPATH"] = str(TESTS)
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-q", str(tmp_path)]
    done = subprocess.run(
        command, env=env, cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False
    )
    if ci:
        assert done.returncode == 1, done.stdout
        assert "continuous integration must not skip this" in done.stdout
    else:
        assert done.returncode == 0, done.stdout
        assert "1 test skipped for lack of data: ANB_SHARED=FOLDER runs them" in done.stdout
