"""Benchmarks by name: artifacts of several search spaces in one installation."""

from __future__ import annotations

import json
import pickle
import shutil
from importlib.machinery import PathFinder
from pathlib import Path

import numpy as np
import pytest

import anb_onnx
from anb_onnx import ArtifactError, Benchmark, TargetError
from anb_onnx.catalog import benchmarks as module
from anb_onnx.catalog.benchmarks import FOLDER_VARIABLE, find_benchmark
from anb_onnx.cli.main import main

ROOT = Path(__file__).resolve().parents[1]
SEVERAL = ROOT / "tests" / "conformance"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A folder with Accel-NASBench and two others."""
    folder = tmp_path / "root"
    shutil.copytree(ROOT / "artifacts/accel-nasbench", folder / "accel-nasbench")
    for name in ("mixed", "nasbench201-pairs"):
        shutil.copytree(SEVERAL / name, folder / name)
    (folder / "notes").mkdir()  # a folder that is none of a benchmark
    (folder / "README.md").write_text("")
    return folder


def test_the_installed_benchmark_is_listed_and_loaded_by_default() -> None:
    found, *others = anb_onnx.benchmarks()
    further = {"digits", "fbnet", "fcnet", "hpobench_mlp", "nasbench201", "ofa", "taskset"}
    assert {other.benchmark for other in others} <= further
    assert found.benchmark == "accel-nasbench"
    assert found.space == anb_onnx.MNASNET
    assert found.targets == anb_onnx.targets() == anb_onnx.targets("accel-nasbench")
    with (
        anb_onnx.load("accuracy") as one,
        anb_onnx.load("accuracy", benchmark="accel-nasbench") as other,
    ):
        assert one.target == other.target


def test_benchmarks_lie_side_by_side(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(FOLDER_VARIABLE, str(root))
    assert [c.benchmark for c in anb_onnx.benchmarks()] == [
        "accel-nasbench",
        "mixed",
        "nasbench201-pairs",
    ]
    with anb_onnx.load("accuracy") as surrogate:  # the default, though another has an accuracy
        assert surrogate.space == anb_onnx.MNASNET
    with anb_onnx.load("latency", device="edgegpu", benchmark="nasbench201-pairs") as surrogate:
        assert surrogate.space.name == "nasbench201"
        assert surrogate.n_members == 20
    assert [t.name for t in anb_onnx.targets("mixed")] == ["throughput_tpu"]
    assert Benchmark(benchmark="nasbench201-pairs").space.name == "nasbench201"


def test_a_folder_may_be_given(root: Path) -> None:
    with anb_onnx.load("throughput", device="tpu", benchmark="mixed", path=root) as surrogate:
        assert surrogate.target.unit == "images/s"
    with anb_onnx.load("throughput", device="tpu", path=root / "mixed") as surrogate:
        assert surrogate.space.name == "mixed"
    assert set(Benchmark(path=root / "nasbench201-pairs")) == {"accuracy", "latency_edgegpu"}


def test_a_surrogate_of_a_folder_is_pickled(
    root: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(root.parent)
    with anb_onnx.load("throughput_tpu", benchmark="mixed", path="root") as surrogate:
        pickled = pickle.dumps(surrogate)
        wanted = surrogate.query(np.array([5])).mean
    monkeypatch.chdir(root)
    with pickle.loads(pickled) as again:
        assert again.query(np.array([5])).mean == wanted


@pytest.mark.parametrize(
    ("name", "part"),
    [
        ("nasbench201", "(did you mean 'nasbench201-pairs'?)"),
        ("x", "unknown benchmark 'x'; valid benchmarks: accel-nasbench, mixed, nasbench201-pairs"),
        ("../mixed", "unknown benchmark '../mixed'"),
        ("", "unknown benchmark ''"),
        (5, "benchmark must be a string, not 5"),
    ],
)
def test_an_unknown_benchmark_is_answered_with_the_valid_ones(
    root: Path, name: str, part: str
) -> None:
    with pytest.raises(TargetError) as caught:
        anb_onnx.load("accuracy", benchmark=name, path=root)
    assert part in f"{caught.value}"


def test_a_catalog_is_shown_in_one_line(root: Path) -> None:
    shown = [repr(catalog) for catalog in anb_onnx.benchmarks(root)]
    assert shown[1].startswith("Catalog('mixed', search space 'mixed', 1 targets, ")
    assert max(map(len, shown)) < 300
    assert [t.name for t in anb_onnx.targets("mixed", path=root)] == ["throughput_tpu"]


def test_one_of_several_has_to_be_named() -> None:
    with pytest.raises(TargetError, match=r"none is named; give benchmark=.*: curves, fbnet-sp"):
        anb_onnx.load("accuracy", path=SEVERAL)


def test_another_name_than_that_of_a_single_folder() -> None:
    with pytest.raises(TargetError, match="unknown benchmark 'mixed'; valid benchmarks: one-block"):
        anb_onnx.load("energy", benchmark="mixed", path=SEVERAL / "one-block")


def test_a_folder_that_is_not_called_as_its_benchmark(root: Path) -> None:
    (root / "mixed").rename(root / "renamed")
    with pytest.raises(ArtifactError, match="'benchmark' is 'mixed', but the folder is called"):
        anb_onnx.benchmarks(root)
    # By itself it may have any name.
    assert find_benchmark(folder=root / "renamed").benchmark == "mixed"


@pytest.mark.parametrize("value", [None, 5, "", "Mixed", "a b", "../x", "-x", "x" * 65])
def test_a_manifest_needs_the_name_of_a_benchmark(root: Path, value: object) -> None:
    path = root / "mixed" / "manifest.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "benchmark": value}))
    with pytest.raises(ArtifactError, match="key 'benchmark' must be 1 to 64 of the characters"):
        anb_onnx.load("throughput_tpu", path=root / "mixed")


def test_the_file_must_be_of_the_benchmark_of_its_manifest(root: Path) -> None:
    path = root / "mixed" / "manifest.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "benchmark": "other"}))
    with pytest.raises(ArtifactError, match="'benchmark' is 'other', but 'mixed' in the card"):
        anb_onnx.load("throughput_tpu", path=root / "mixed")


def test_terms_of_the_manifest_must_be_those_of_the_file(root: Path) -> None:
    path = root / "mixed" / "manifest.json"
    document = json.loads(path.read_text())
    document["targets"]["throughput_tpu"]["terms"].reverse()
    path.write_text(json.dumps(document))
    with pytest.raises(ArtifactError, match=r"key 'terms\[0\]"):
        anb_onnx.load("throughput_tpu", path=root / "mixed")


def test_a_folder_without_any_manifest(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    for ask in (anb_onnx.benchmarks, lambda folder: anb_onnx.load("accuracy", path=folder)):
        with pytest.raises(ArtifactError, match=r"is a folder without manifest\.json"):
            ask(tmp_path)


def test_the_command_line_lists_and_chooses(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["benchmarks", "--artifacts", str(SEVERAL)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[1].split() == ["curves", "joint", "5", "144", "3"]
    assert lines[2].split() == ["fbnet-sparse", "fbnet", "22", str(9**22), "1"]
    assert main(["benchmarks", "--json", "--artifacts", str(SEVERAL)]) == 0
    found = json.loads(capsys.readouterr().out)
    assert [entry["name"] for entry in found][-1] == "several"
    place = ["--artifacts", str(SEVERAL), "--benchmark"]
    assert main(["targets", *place, "nasbench201-pairs"]) == 0
    assert "latency_edgegpu" in capsys.readouterr().out
    assert main(["info", "energy", *place, "one-block"]) == 0
    assert "energy" in capsys.readouterr().out
    assert main(["verify", *place, "mixed"]) == 0
    assert "239 golden architectures" in capsys.readouterr().out
    assert main(["targets", *place, "nosuch"]) == 2
    assert "valid benchmarks: curves, fbnet-sparse" in capsys.readouterr().err


def test_what_is_sampled_can_be_asked(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """More architectures than int64 holds: drawn, written and read again."""
    place = ["--artifacts", str(SEVERAL), "--benchmark", "fbnet-sparse"]
    answers = set()
    for form, suffix in (("index", ".csv"), ("csv", ".csv"), ("json", ".json")):
        path = tmp_path / f"{form}{suffix}"
        options = ["sample", "20", "--seed", "1", "--format", form, *place, "--out", str(path)]
        assert main(options) == 0
        assert main(["query", "--file", str(path), *place, "--csv"]) == 0
        answers.add(capsys.readouterr().out)
    (answer,) = answers
    indices = [int(line.split(",")[0]) for line in answer.splitlines()[1:]]
    assert max(indices) > 2**63


@pytest.fixture
def apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of installed packages; this package as if it were in no checkout."""
    package = tmp_path / "place" / "anb_onnx"
    shutil.copytree(ROOT / "artifacts/accel-nasbench", package / "artifacts" / "accel-nasbench")
    monkeypatch.setattr(module, "__file__", str(package / "catalog" / "benchmarks.py"))
    monkeypatch.delenv(FOLDER_VARIABLE, raising=False)
    site = tmp_path / "site"
    site.mkdir()
    # What is really installed shall not be found.
    monkeypatch.setattr(module, "find_spec", lambda name: PathFinder.find_spec(name, [str(site)]))
    return site


def test_without_the_other_distribution_its_benchmarks_are_not_there(apart: Path) -> None:
    assert [c.benchmark for c in anb_onnx.benchmarks()] == ["accel-nasbench"]
    for name in ("nasbench201", "fbnet", "ofa", "fcnet", "hpobench_mlp", "digits", "taskset"):
        with pytest.raises(TargetError, match="pip install anb-onnx-spaces"):
            find_benchmark(name)
    with pytest.raises(TargetError, match="did you mean 'accel-nasbench'") as caught:
        find_benchmark("accel-nasbnch")
    assert "pip install" not in str(caught.value)


def test_the_other_distribution_is_found_where_it_is_installed(apart: Path) -> None:
    root = apart / "anb_onnx_spaces"
    root.mkdir()
    (root / "__init__.py").write_text("raise AssertionError('it is only looked for')")
    assert [c.benchmark for c in anb_onnx.benchmarks()] == ["accel-nasbench"]  # no data yet
    for name in ("mixed", "nasbench201-pairs"):
        shutil.copytree(SEVERAL / name, root / "artifacts" / name)
    shutil.copytree(SEVERAL / "mixed", root / "artifacts" / "accel-nasbench")  # not ours
    found = anb_onnx.benchmarks()
    assert [c.benchmark for c in found] == ["accel-nasbench", "mixed", "nasbench201-pairs"]
    assert find_benchmark().space == anb_onnx.MNASNET
    catalog = find_benchmark("mixed")
    assert catalog.folder == root / "artifacts" / "mixed"
    assert catalog.artifacts[0].mend.endswith("--force-reinstall anb-onnx-spaces")
    with anb_onnx.load("throughput_tpu", benchmark="mixed") as surrogate:
        assert surrogate.target.device == "tpu"
    with pytest.raises(TargetError, match="'ofa' is not installed"):
        find_benchmark("ofa")


def test_a_folder_of_ones_own_hides_what_is_installed(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(FOLDER_VARIABLE, str(root))
    with pytest.raises(TargetError, match="unknown benchmark 'nasbench201'"):
        find_benchmark("nasbench201")  # which no installation would put there
