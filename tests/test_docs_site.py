"""The documentation site: every public name has its place, and links lead where they should.

That it builds without a warning is for `make docs`, which continuous integration runs.
"""

from __future__ import annotations

import inspect
import re
import sys
from importlib import import_module
from pathlib import Path
from types import ModuleType

import pytest
from tools import need_installed

import anb_onnx

ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / "docs"
if not DOCS.is_dir():
    pytest.skip("needs the pages in docs, part of the repository", allow_module_level=True)

API = "".join(path.read_text("utf-8") for path in sorted((DOCS / "reference" / "api").glob("*.md")))
URL = "https://example.org/repository"


def test_every_public_name_is_in_the_reference() -> None:
    documented = set(re.findall(r"^\.\. auto(?:class|function):: anb_onnx\.(\w+)$", API, re.M))
    names = {
        name
        for name in anb_onnx.__all__
        if inspect.isroutine(value := getattr(anb_onnx, name)) or inspect.isclass(value)
    }
    errors = {name for name in names if name.endswith("Error")}  # by their module
    assert documented == names - errors
    for room in (*anb_onnx._ROOMS, "scale_out", "errors"):
        assert f".. automodule:: anb_onnx.{room}\n" in API, room


def test_every_page_has_its_place() -> None:
    """Sphinx warns of pages in no toctree; of files that it passes over it says nothing."""
    settings = (DOCS / "conf.py").read_text("utf-8")
    (line,) = re.findall(r"^exclude_patterns = (.*)$", settings, re.M)
    assert line == '["_ext", "_static", "search.md"]'
    linked = {path.resolve() for path in DOCS.rglob("*") if path.is_symlink()}
    assert DOCS / "search.md" in linked
    for name in ("README", "CHANGELOG", "ARCHITECTURE"):
        assert ROOT / f"{name}.md" in linked


@pytest.fixture(scope="module")
def links() -> ModuleType:
    need_installed("sphinx")
    sys.path.append(str(DOCS / "_ext"))
    try:
        return import_module("repository_links")
    finally:
        sys.path.remove(str(DOCS / "_ext"))


@pytest.mark.parametrize(
    ("page", "written", "leads_to"),
    [
        ("docs/exact.md", "[a](tasks.md#x)", "[a](/tasks.md#x)"),
        ("docs/exact.md", "[a](../examples/cpp)", f"[a]({URL}/tree/main/examples/cpp)"),
        ("docs/exact.md", "[a](../pyproject.toml)", f"[a]({URL}/blob/main/pyproject.toml)"),
        ("docs/exact.md", "[a](../ARCHITECTURE.md)", "[a](/project/architecture)"),
        ("docs/exact.md", "[a](search.md)", "[a](/how-to/search-of-your-own)"),
        ("docs/exact.md", "![a](images/search.png)", "![a](/images/search.png)"),
        ("docs/project/readme.md", "[a](docs/exact.md)", "[a](/exact.md)"),
        ("docs/project/readme.md", "[a](CHANGELOG.md)", "[a](/project/changelog)"),
        (
            "docs/tutorials/tutorial.ipynb",
            "[a](reproduction.ipynb)",
            "[a](/tutorials/reproduction)",
        ),
        ("docs/exact.md", "[a](https://x.org/y.md) [b](#c)", "[a](https://x.org/y.md) [b](#c)"),
        ("docs/exact.md", "```md\n[a](tasks.md)\n```\n", "```md\n[a](tasks.md)\n```\n"),
    ],
)
def test_a_link_leads_to_the_page_or_the_repository(
    links: ModuleType, page: str, written: str, leads_to: str
) -> None:
    assert links.led(written, ROOT / page, DOCS, ROOT, URL) == (leads_to, [])


def test_a_link_to_nothing_is_named(links: ModuleType) -> None:
    text, missing = links.led("[a](none.md) [b](tasks.md)", DOCS / "exact.md", DOCS, ROOT, URL)
    assert text == "[a](none.md) [b](/tasks.md)"
    assert missing == ["none.md"]
