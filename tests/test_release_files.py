"""What a release shows of itself says the same everywhere, and leads somewhere."""

from __future__ import annotations

import json
import re
import sys
import tomllib
from email.parser import Parser
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("yaml")
pytest.importorskip("hatchling")
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import yaml
from hatchling.metadata.core import ProjectMetadata
from hatchling.metadata.spec import construct_metadata_file_2_4
from hatchling.plugin.manager import PluginManager

from hatch_build import absolute

ROOT = Path(__file__).resolve().parents[1]
if not (ROOT / "CITATION.cff").is_file():
    pytest.skip("not a checkout", allow_module_level=True)

DISTRIBUTIONS = (".", "export", "spaces")
PROJECTS = {
    folder: tomllib.loads((ROOT / folder / "pyproject.toml").read_text())["project"]
    for folder in DISTRIBUTIONS
}
RUNTIME = PROJECTS["."]
SOURCE = RUNTIME["urls"]["Source"]
CITATION: dict[str, Any] = yaml.safe_load((ROOT / "CITATION.cff").read_text())
ZENODO: dict[str, Any] = json.loads((ROOT / ".zenodo.json").read_text())
RECIPE: dict[str, Any] = yaml.safe_load((ROOT / "conda-recipe/recipe.yaml").read_text())


def long_description(folder: str) -> str:
    """What PyPI shows, from the metadata that is built."""
    metadata = ProjectMetadata(str(ROOT / folder), PluginManager())
    return str(Parser().parsestr(construct_metadata_file_2_4(metadata)).get_payload())


def links(text: str) -> list[str]:
    """All addresses of links and images, also of those in HTML."""
    text = re.sub(r"```.*?```|`[^`\n]*`", "", text, flags=re.S)
    return re.findall(r"\]\(([^)\s]+)", text) + re.findall(r"(?:src|href)=\"([^\"]+)", text)


@pytest.mark.parametrize("folder", DISTRIBUTIONS)
def test_what_pypi_shows_has_no_relative_link(folder: str) -> None:
    found = links(long_description(folder))
    assert len(found) > 0
    for link in found:
        assert link.startswith(("https://", "#")), link
        if not link.startswith(f"{SOURCE}/"):
            continue
        kind, _, rest = link.removeprefix(f"{SOURCE}/").partition("/")
        ref, _, path = rest.partition("/")
        assert kind in ("blob", "tree", "raw")
        assert ref in ("main", f"v{RUNTIME['version']}")
        assert (ROOT / path.partition("#")[0]).exists(), link
        # A picture must be one, not the page about it.
        assert not path.endswith(".png") or kind == "raw", link


def test_the_page_of_the_repository_keeps_its_own_links() -> None:
    own = (ROOT / "README.md").read_text()
    shown = long_description(".")
    assert SOURCE not in own
    assert len(links(own)) == len(links(shown))
    assert shown.count("\n## ") == own.count("\n## ")


def test_links_of_every_kind_are_completed() -> None:
    text = (
        "[a](docs/a.md#b) ![p](docs/p.png) [![p](./docs/p.png)](docs/a.md) [c](#c) "
        "[d](https://x.org/d) [e](mailto:e@x.org) f(g) [h[0]](h.md)"
    )
    assert absolute(text, "https://x.org/r", "2") == (
        "[a](https://x.org/r/blob/v2/docs/a.md#b) ![p](https://x.org/r/raw/v2/docs/p.png) "
        "[![p](https://x.org/r/raw/v2/docs/p.png)](https://x.org/r/blob/v2/docs/a.md) [c](#c) "
        "[d](https://x.org/d) [e](mailto:e@x.org) f(g) [h[0]](https://x.org/r/blob/v2/h.md)"
    )


def test_the_address_stands_once_and_is_the_same_elsewhere() -> None:
    assert SOURCE.startswith("https://")
    for project in PROJECTS.values():
        assert project["urls"] == RUNTIME["urls"]
    for address in RUNTIME["urls"].values():
        assert address.startswith(SOURCE)
    assert CITATION["repository-code"] == SOURCE
    assert SOURCE in [item["identifier"] for item in ZENODO["related_identifiers"]]
    assert RECIPE["about"]["homepage"] == RECIPE["about"]["repository"] == SOURCE
    assert f"({SOURCE}/security)" in (ROOT / "SECURITY.md").read_text()


def test_the_version_is_the_same_everywhere() -> None:
    versions = {project["version"] for project in PROJECTS.values()}
    versions |= {CITATION["version"], ZENODO["version"], RECIPE["context"]["version"]}
    assert versions == {RUNTIME["version"]}
    assert f"## {RUNTIME['version']}" in (ROOT / "CHANGELOG.md").read_text()


def test_who_is_cited() -> None:
    # The format's required keys; `make release` validates the whole by cffconvert.
    assert {"cff-version", "message", "title", "authors"} <= CITATION.keys()
    assert CITATION["license"] == ZENODO["license"] == RUNTIME["license"]
    (authors,) = ([a["name"] for a in RUNTIME["authors"]],)
    assert [a["name"] for a in CITATION["authors"]] == authors
    assert [a["name"] for a in ZENODO["creators"]] == authors
    assert CITATION["keywords"] == ZENODO["keywords"] == RUNTIME["keywords"]
    (paper,) = CITATION["references"]
    assert paper["identifiers"][0]["value"] == "arXiv:2404.08005"
    assert "arXiv:2404.08005" in (ROOT / "NOTICE").read_text()
    assert ZENODO["description"] == RECIPE["about"]["summary"] == RUNTIME["description"]


def test_conda_asks_for_what_pip_asks_for() -> None:
    def spaced(need: str) -> str:
        return re.sub(r"(?<=\w)(?=[<>=])", " ", need, count=1)

    needed = RECIPE["requirements"]
    python = f"python {RUNTIME['requires-python']}"
    assert needed["run"] == [python, *map(spaced, RUNTIME["dependencies"])]
    build = tomllib.loads((ROOT / "pyproject.toml").read_text())["build-system"]["requires"]
    assert needed["host"] == [python, "pip", *map(spaced, build)]
    scripts = [f"{name} = {target}" for name, target in RUNTIME["scripts"].items()]
    assert RECIPE["build"]["python"]["entry_points"] == scripts
    assert RECIPE["about"]["license_file"] == RUNTIME["license-files"]
    for name in RUNTIME["license-files"]:
        assert (ROOT / name).is_file()


def test_the_hooks_are_the_commands_of_lint() -> None:
    config = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())
    hooks = [hook for repo in config["repos"] for hook in repo["hooks"]]
    lint = (ROOT / "Makefile").read_text().split("\nlint:")[1].split("\n\n")[0]
    commands = re.findall(r"\$\(BIN\)/([\w-]+)", lint)
    assert sorted(Path(hook["entry"].split()[0]).name for hook in hooks) == sorted(commands)


@pytest.mark.parametrize("page", ["CONTRIBUTING.md", "SECURITY.md"])
def test_the_pages_lead_to_files_that_are_there(page: str) -> None:
    for link in links((ROOT / page).read_text()):
        assert link.startswith("https://") or (ROOT / link).exists(), link
