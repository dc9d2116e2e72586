"""The programs of docs/how-to/go.md and rust.md, as they stand there: built, run, the same bits."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

import anb_onnx

ROOT = Path(__file__).resolve().parents[1]
PAGES = ROOT / "docs" / "how-to"
if not PAGES.is_dir():
    pytest.skip("needs the pages in docs, part of the repository", allow_module_level=True)

BUNDLED = ROOT / "artifacts" / "accel-nasbench"
FOLDERS = [BUNDLED, *sorted(path.parent for path in ROOT.glob("tests/conformance/*/manifest.json"))]
B0 = ",".join(map(str, anb_onnx.encode(anb_onnx.efficientnet_b0()).ravel().tolist()))

#: Fused multiply-adds of arm64, as Go's assembler calls them.
FUSED = re.compile(r"\tFN?M(?:ADD|SUB)D\t")


def files_of(page: str, language: str, folder: Path) -> None:
    """Write the programs of a page, each under the name in its first line."""
    text = (PAGES / page).read_text("utf-8")
    for block in re.findall(rf"^```{language}\n(.*?)^```$", text, re.M | re.S):
        name = block.partition("\n")[0].removeprefix("// ")
        assert re.fullmatch(r"\w+\.\w+", name), name
        (folder / name).write_text(block, "utf-8")


def tool(name: str, package: str) -> str:
    """Path of a compiler; without one skip, but fail in continuous integration."""
    found = shutil.which(name)
    if found is None:
        reason = f"needs {name}: apt-get install {package}"
        if os.environ.get("CI", "").lower() in ("1", "true"):
            pytest.fail(f"continuous integration must not skip this: {reason}")
        pytest.skip(reason)
    return found


def ran(*command: str | Path, folder: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    own = {**os.environ, "GOCACHE": str(folder / "cache"), "GO111MODULE": "off", **variables}
    return subprocess.run(
        list(map(str, command)), cwd=folder, env=own, capture_output=True, text=True, timeout=300
    )


@pytest.fixture(scope="module")
def go(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("go")
    files_of("go.md", "go", folder)
    done = ran(tool("go", "golang-go"), "build", "anb.go", folder=folder)
    assert done.returncode == 0, done.stderr
    return folder / "anb"


@pytest.fixture(scope="module")
def rust(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("rust")
    files_of("rust.md", "rust", folder)
    command = [tool("rustc", "rustc"), "-O", "--edition", "2021", "-D", "warnings", "anb.rs"]
    done = ran(*command, folder=folder)
    assert (done.returncode, done.stderr) == (0, "")
    return folder / "anb"


@pytest.fixture(scope="module", params=["go", "rust"])
def program(request: pytest.FixtureRequest) -> Path:
    found: Path = request.getfixturevalue(request.param)
    return found


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_it_gives_the_golden_bits_of_every_target_with_tables(program: Path, folder: Path) -> None:
    manifest = json.loads((folder / "manifest.json").read_text("utf-8"))
    n = manifest["golden"]["n"]
    expected = [
        f"{name}: {n} architectures, 0 values differ"
        for name, card in sorted(manifest["targets"].items())
        if card["form"] in ("tables", "projected")
    ]
    done = ran(program, folder, "verify", folder=program.parent)
    assert (done.returncode, done.stdout.splitlines()) == (0, expected), done.stderr


@pytest.mark.parametrize("target", ["accuracy", "score"])
def test_it_refuses_a_form_that_it_does_not_know(program: Path, target: str) -> None:
    folder = ROOT / "tests" / "conformance" / "curves"
    done = ran(program, folder, target, "0,0,0,0,0", folder=program.parent)
    assert (done.returncode != 0, done.stdout) == (True, "")
    assert f'{target}: artifacts of the form "vector" are not read here' in done.stderr


def test_it_asks_for_one_architecture_as_the_page_shows(program: Path) -> None:
    language = "go" if (program.parent / "anb.go").exists() else "rust"
    page = (PAGES / f"{language}.md").read_text("utf-8")
    (line,) = re.findall(r"^```text\n(.*)\n```$", page, re.M)
    assert B0 in page
    done = ran(program, BUNDLED, "accuracy", B0, folder=program.parent)
    assert (done.returncode, done.stdout.strip()) == (0, line)
    found = anb_onnx.load("accuracy").query(anb_onnx.efficientnet_b0())
    assert line.endswith(f"mean {bits(found.mean)} std {bits(found.std)}")


@pytest.mark.parametrize(
    ("codes", "word"), [("0,0", "2 codes"), (B0[:-1] + "2", "code 2 of 2"), ("x," + B0[2:], "")]
)
def test_it_refuses_what_is_no_architecture(program: Path, codes: str, word: str) -> None:
    done = ran(program, BUNDLED, "accuracy", codes, folder=program.parent)
    assert done.returncode != 0
    assert word in done.stderr
    assert done.stdout == ""


def test_changed_tables_are_noticed(program: Path, tmp_path: Path) -> None:
    """By the hash in Go, by the golden vectors in Rust, whose standard library has no SHA-256."""
    folder = tmp_path / "one-block"
    shutil.copytree(ROOT / "tests" / "conformance" / "one-block", folder)
    (target,) = json.loads((folder / "manifest.json").read_text("utf-8"))["targets"].values()
    content = bytearray((folder / target["file"]).read_bytes())
    content[target["tables"]["offset"] + 2] ^= 0x40
    (folder / target["file"]).write_bytes(content)
    done = ran(program, folder, "verify", folder=program.parent)
    assert done.returncode == 1
    assert "differ" in done.stderr or "is not the file of the manifest" in done.stderr


def test_go_fuses_nothing_on_arm64_thanks_to_the_conversions(go: Path) -> None:
    """Their point is that the compiler would: without them it does."""
    source = (go.parent / "anb.go").read_text("utf-8")
    bare, count = re.subn(
        r"float64\(((?:\(value|total\*|math\.Max).*)\)(?= \+|$)", r"\1", source, flags=re.M
    )
    assert count == 3
    (go.parent / "bare.go").write_text(bare, "utf-8")
    fused = {}
    for name in ("anb", "bare"):
        command = ["go", "build", "-gcflags=-S", "-o", "for-arm64", f"{name}.go"]
        done = ran(*command, folder=go.parent, GOARCH="arm64")
        assert done.returncode == 0, done.stderr
        assert "main.summary" in done.stderr
        fused[name] = len(FUSED.findall(done.stderr))
    assert fused["anb"] == 0
    assert fused["bare"] >= 3


def quick_check() -> str:
    """The table of EfficientNet-B0's bits, as the page of the format shows it."""
    rows = [
        "| target | unit | mean | bits of mean | bits of std |",
        "| --- | --- | ---: | --- | --- |",
    ]
    for target in anb_onnx.targets():
        found = anb_onnx.load(target.name).query(anb_onnx.efficientnet_b0())
        cells = (
            target.name,
            target.unit,
            found.mean,
            f"`{bits(found.mean)}`",
            f"`{bits(found.std)}`",
        )
        rows.append("| " + " | ".join(map(str, cells)) + " |")
    return "\n".join(rows)


def test_the_page_of_the_format_shows_the_bits_of_b0() -> None:
    page = (ROOT / "docs" / "reference" / "format.md").read_text("utf-8")
    assert f"<!-- quick-check:begin -->\n{quick_check()}\n<!-- quick-check:end -->" in page
    assert anb_onnx.efficientnet_b0().index == 2169626640
    assert f"`{B0}`" in page.replace(", ", ",")


def bits(value: object) -> str:
    return f"{np.float32(value).view(np.uint32):08x}"  # type: ignore[arg-type]
