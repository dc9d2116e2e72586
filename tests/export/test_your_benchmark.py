"""docs/your-benchmark.md, as it stands: from a table to an artifact that is asked."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from anb_export.artifacts import build as build_module
from anb_export.artifacts.build import build
from anb_export.cli import main
from anb_export.data.dataset import Dataset, Origin
from anb_export.data.splits import random_split
from anb_export.data.targets import TargetSpec
from anb_export.training import out_of_fold
from anb_export.training.compact import recipes_for
from measured_data import need_data
from numpy.typing import NDArray

import anb_onnx
from anb_onnx import Block, Gene, SearchSpace
from anb_onnx.catalog.catalog import Catalog
from anb_onnx.encoding.encoding import codes_to_indices

from .test_described import every, write

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "your-benchmark.md"
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```$", PAGE.read_text("utf-8"), re.M | re.S)


def run(language: str, text: str, folder: Path) -> str:
    """Run a block of the page as a reader does, with the commands of this environment."""
    search = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    command = [sys.executable, "-c", text] if language == "python" else ["sh", "-ec", text]
    done = subprocess.run(
        command, cwd=folder, capture_output=True, text=True, env={**os.environ, "PATH": search}
    )
    assert done.returncode == 0, f"{text}\n{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def outputs(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[str]]:
    """Everything on the page, run in order in one folder."""
    folder = tmp_path_factory.mktemp("reader")
    shutil.copytree(ROOT / "examples" / "own_benchmark", folder / "examples" / "own_benchmark")
    blocks = [block for block in BLOCKS if block[0] != "json"]
    return folder, [run(language, text, folder) for language, text in blocks]


def test_the_page_leads_from_a_table_to_an_answer(outputs: tuple[Path, list[str]]) -> None:
    folder, (_, told, built, asked, queried, steps) = outputs
    assert "latency_phone [ms], min: " in told
    quality = dict(re.findall(r"^(\w+) .* test R2 (\S+)", built, re.M))
    assert quality.keys() == {"latency_phone", "accuracy"}
    assert all(float(r2) > 0.8 for r2 in quality.values())
    assert re.fullmatch(r"[\d.]+ ms, 90 % from [\d.]+ to [\d.]+\n", asked)
    assert "accuracy" in queried
    assert "to the exact sum of leaves" in steps
    catalog = Catalog.read(folder / "artifacts" / "four-stages")
    assert (catalog.benchmark, catalog.space.size) == ("four-stages", 20_736)
    for artifact in catalog.artifacts:
        assert artifact.card["dataset"]["name"] == "Made-up measurements"
        assert artifact.card["license"] == "CC0-1.0"


def test_the_description_on_the_page_is_that_of_the_example(
    outputs: tuple[Path, list[str]],
) -> None:
    (shown,) = (text for language, text in BLOCKS if language == "json")
    assert json.loads(shown) == json.loads((outputs[0] / "my-nas" / "dataset.json").read_text())


@pytest.fixture(scope="module")
def nasbench201() -> dict[str, NDArray[np.float64]]:
    """Latencies of all 15,625 architectures of NAS-Bench-201 on 27 devices (HELP, MIT)."""
    path = need_data("seeds/help_nb201.npz") / "seeds" / "help_nb201.npz"
    with np.load(path) as file:
        return {name: file[name] for name in ("codes", "latency_ms", "devices")}


def as_dataset(found: dict[str, NDArray[np.float64]], device: str, n: int) -> Dataset:
    """Return the first `n` of the architectures, in a random order, as a data set."""
    kinds = ("none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3")
    edges = ("edge_1_0", "edge_2_0", "edge_2_1", "edge_3_0", "edge_3_1", "edge_3_2")
    space = SearchSpace("nasbench201", tuple(Block(e, (Gene(e, kinds),)) for e in edges))
    target = TargetSpec(f"latency_{device}", "latency", device, "ms", "min")
    origin = Origin("nasbench201", "HELP", "MIT", space, {target.name: target})
    rows = np.random.default_rng(0).permutation(len(found["codes"]))[:n]
    codes = found["codes"][rows].astype(np.uint8)
    row = [str(name) for name in found["devices"]].index(device)
    values = found["latency_ms"][row, rows].astype(np.float64)
    names = tuple(str(index) for index in codes_to_indices(codes, space))
    unknown = np.full(len(rows), np.nan)
    return Dataset(origin, names, codes, {target.name: values}, {target.name: unknown}, "0" * 64)


def test_measurements_of_another_space_are_learned(
    nasbench201: dict[str, NDArray[np.float64]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """900 of 15,625 architectures, the default recipe: the order of the others is known."""
    monkeypatch.setattr(build_module, "N_MEMBERS", 2)
    monkeypatch.setattr(build_module, "N_OOF_MEMBERS", 1)
    monkeypatch.setattr(build_module, "_VERIFY_ROWS", 1000)
    monkeypatch.setattr(out_of_fold, "N_OOF_FOLDS", 3)
    dataset = as_dataset(nasbench201, "pixel2", 1000)
    split = random_split(dataset, 1)
    out = tmp_path / "nasbench201"
    target = "latency_pixel2"
    recipes = recipes_for(dataset)
    (built,) = build(dataset, split, recipes, (target,), work=tmp_path / "work", out=out)
    assert built.card["quality"]["test"]["spearman"] > 0.85
    assert (built.card["dataset"]["name"], built.card["license"]) == ("HELP", "MIT")
    kind = dict.fromkeys(dataset.space.gene_names, "nor_conv_3x3")
    with anb_onnx.load("latency", device="pixel2", path=out) as surrogate:
        assert surrogate.space == dataset.space
        slow = surrogate.query(kind).mean
        fast = surrogate.query(dict.fromkeys(kind, "none")).mean
    assert slow > 2 * fast


def test_all_of_another_space_is_looked_up(
    nasbench201: dict[str, NDArray[np.float64]], tmp_path: Path
) -> None:
    dataset = as_dataset(nasbench201, "fpga", 15_625)
    split, target = random_split(dataset, 0), "latency_fpga"
    out = tmp_path / "nasbench201"
    (built,) = build(dataset, split, {}, (target,), work=tmp_path, out=out, lookup=True)
    with anb_onnx.load("latency", device="fpga", path=out) as surrogate:
        found = surrogate.query(dataset.codes).mean
    wanted = dataset.values[target].astype(np.float32)
    assert built.card["exact"] == bool((found == wanted).all())
    np.testing.assert_allclose(found, wanted, rtol=0, atol=built.card["rounding"]["step"])


@pytest.mark.parametrize(
    ("terms", "message"),
    [
        ("triples", "not one of singles, pairs, all, and no list"),
        ("[[0, 4]]", "a list of block numbers from 0 to 1"),
        ("[[0]]", r"no term has block 1 \(head\); add \[1\]"),
        ("all", "anb-export build --terms all"),
    ],
)
def test_terms_that_are_none_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], terms: str, message: str
) -> None:
    path = write(tmp_path, rows=every(float))
    options = ["--target", "score", "--out", str(tmp_path / "members"), "--terms", terms]
    assert main(["train", "--dataset", str(path), *options]) == 2
    assert re.search(message, capsys.readouterr().err)


@pytest.mark.parametrize(
    ("terms", "wanted"),
    [("singles", [[0], [1], [2], [3]]), ("[[1, 2], [0, 1], [3]]", [[1, 2], [0, 1], [3]])],
)
def test_members_of_any_terms_are_compiled_into_them(
    tmp_path: Path, terms: str, wanted: list[list[int]]
) -> None:
    """What the members' recipe lets meet is what the artifact has tables of."""
    run("sh", f"python '{ROOT}/examples/own_benchmark/measure.py' nas", tmp_path)
    options = ["--target", "accuracy", "--members", "2", "--jobs", "1", "--terms", terms]
    members, file = tmp_path / "members", tmp_path / "accuracy.onnx"
    dataset = tmp_path / "nas" / "dataset.json"
    assert main(["train", "--dataset", str(dataset), "--out", str(members), *options]) == 0
    assert main(["compile", str(members), "--out", str(file)]) == 0
    assert main(["verify", str(file), str(members), "--n", "500"]) == 0
    card = json.loads((tmp_path / "manifest.json").read_text())["targets"]["accuracy"]
    assert card["terms"] == wanted
    assert "calibration" not in card


def test_a_build_needs_rows_enough_to_know_its_errors(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write(tmp_path, rows=every(float))
    out = tmp_path / "out"
    assert main(["build", "--dataset", str(path), "--out", str(out)]) == 2
    error = capsys.readouterr().err
    assert "11 training and validation records; a build needs at least 200" in error
    assert not out.exists()
