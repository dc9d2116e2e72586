"""ARCHITECTURE.md shows the rooms as they are."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "ARCHITECTURE.md"
if not PAGE.is_file():
    pytest.skip("not a checkout", allow_module_level=True)


def pictured(package: str) -> list[str]:
    """The rooms of a package, line by line, as the picture has them."""
    (picture,) = re.findall(r"```\n(.*?)```", PAGE.read_text(), re.DOTALL)
    (rooms,) = re.findall(rf"^{package}\b.*\n((?:  .+\n)+)", picture, re.MULTILINE)
    return [re.split(r" {2,}", line.strip())[0] for line in rooms.splitlines()]


@pytest.mark.parametrize("package", ["anb_onnx", "anb_export"])
def test_the_picture_shows_the_layers_that_lint_checks(package: str) -> None:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]
    (layers,) = (
        contract["layers"]
        for contract in settings["contracts"]
        if contract["type"] == "layers" and contract["containers"] == [package]
    )
    assert pictured(package) == layers


def test_what_the_page_names_is_there() -> None:
    text = PAGE.read_text()
    for link in re.findall(r"\]\(([^)#]+)\)", text):
        assert (ROOT / link).exists(), link
    # A path from the root, or from within one of the packages.
    places = (ROOT, ROOT / "anb_onnx", ROOT / "export")
    for name in re.findall(r"`([\w./]*/[\w./]+)`", text):
        if name != "artifacts/NAME":
            assert any((place / name).exists() for place in places), name
    makefile = (ROOT / "Makefile").read_text()
    for command in re.findall(r"`(?:make )?(check-[\w-]+|kill-points|mutants|lint)`", text):
        assert f"\n{command}:" in makefile, command
