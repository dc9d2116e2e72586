"""The catalogs of other spaces that a checkout has: whole, and the same bits in every language."""

from __future__ import annotations

import itertools
import json
import os
import re
from pathlib import Path

import numpy as np
import pytest
from cpp_room import Program
from node_room import copy_sources, need, run
from test_cpp import builds, onnxruntime, program, standalone

import anb_onnx
from anb_onnx.catalog.benchmarks import find_benchmark
from anb_onnx.catalog.golden import read_golden, same_bits
from anb_onnx.cli.main import main
from anb_onnx.engines.base import Outputs
from anb_onnx.exact import optimum
from anb_onnx.spaces.nasbench201 import from_benchmark_index, to_arch_string
from anb_onnx.vector_answers import VectorPrediction

#: Fixtures of `test_cpp`, which this module uses as its own.
FIXTURES = (builds, onnxruntime, program, standalone)

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT / "spaces" / "anb_onnx_spaces" / "artifacts"
if not FOLDER.is_dir():  # as in the source distribution
    pytest.skip("needs the catalogs in spaces, part of the repository", allow_module_level=True)

#: Of architectures alone, of architecture and training together, and of learning curves.
MEASURED, JOINT = ("fbnet", "nasbench201", "ofa"), ("fcnet", "hpobench_mlp")
CURVES = ("digits", "taskset")
BENCHMARKS = (*MEASURED, *JOINT, *CURVES)
#: Bytes of a catalog, at most: they go into one wheel.
MOST_BYTES = 6_000_000


def targets() -> list[tuple[str, str]]:
    return [(name, t.name) for name in BENCHMARKS for t in anb_onnx.targets(name, path=FOLDER)]


def test_they_are_found_by_name() -> None:
    if "ANB_ONNX_ARTIFACTS" in os.environ:
        pytest.skip("ANB_ONNX_ARTIFACTS names other benchmarks")
    found = {catalog.benchmark: catalog for catalog in anb_onnx.benchmarks()}
    assert set(found) >= {"accel-nasbench", *BENCHMARKS}
    assert [found[name].space.size for name in CURVES] == [290_304, 5_248_800]
    spaces = [found[name].space for name in (*MEASURED, *JOINT)]
    assert spaces == [
        anb_onnx.FBNET,
        anb_onnx.NASBENCH201,
        anb_onnx.OFA,
        anb_onnx.FCNET,
        anb_onnx.HPOBENCH_MLP,
    ]
    assert [len(found[name].targets) for name in BENCHMARKS] == [29, 69, 12, 12, 16, 4, 4]


@pytest.mark.parametrize("benchmark_name", BENCHMARKS)
def test_a_catalog_is_whole_and_small(
    benchmark_name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = FOLDER / benchmark_name
    assert main(["verify", "--artifacts", str(folder)]) == 0, capsys.readouterr()
    manifest = json.loads((folder / "manifest.json").read_text())
    listed = {entry["file"] for entry in manifest["targets"].values()}
    found = {path.name for path in folder.iterdir()}
    assert found == listed | {"manifest.json", "golden.bin"}
    assert sum(path.stat().st_size for path in folder.iterdir()) < MOST_BYTES


@pytest.mark.parametrize("benchmark_name", BENCHMARKS)
def test_a_manifest_follows_the_schema(benchmark_name: str) -> None:
    jsonschema = pytest.importorskip("jsonschema")
    schema = json.loads((ROOT / "docs/manifest.schema.json").read_text())
    manifest = json.loads((FOLDER / benchmark_name / "manifest.json").read_text())
    jsonschema.validate(manifest, schema)


@pytest.mark.parametrize("benchmark_name", BENCHMARKS)
@pytest.mark.parametrize("engine", ["numpy", "onnxruntime"])
def test_golden_bits_of_every_target(engine: str, benchmark_name: str) -> None:
    golden = read_golden(FOLDER / benchmark_name)
    assert golden is not None
    for target in anb_onnx.targets(benchmark_name, path=FOLDER):
        with anb_onnx.load(
            target.name, benchmark=benchmark_name, path=FOLDER, engine=engine
        ) as surrogate:
            found = surrogate.query_codes(golden.codes, members=True)
        outputs = Outputs(found.mean, found.std, found.members)
        assert same_bits(outputs, golden.outputs[target.name]), target.name


@pytest.mark.parametrize(
    ("benchmark_name", "target"),
    [
        ("fbnet", "latency_fpga"),
        ("fbnet", "latency_pixel2"),
        ("fcnet", "train_time_protein_structure"),
        ("fcnet", "val_loss_slice_localization"),
        ("hpobench_mlp", "val_acc_vehicle"),
        ("digits", "test_accuracy"),
        ("nasbench201", "latency_gold_6226"),
        ("nasbench201", "macs_cifar10"),
        ("ofa", "latency_v100_64"),
    ],
)
def test_golden_bits_of_the_native_engine(benchmark_name: str, target: str) -> None:
    golden = read_golden(FOLDER / benchmark_name)
    assert golden is not None
    with anb_onnx.load(target, benchmark=benchmark_name, path=FOLDER, engine="native") as surrogate:
        found = surrogate.query_codes(golden.codes, members=True)
    assert same_bits(Outputs(found.mean, found.std, found.members), golden.outputs[target])


@pytest.mark.parametrize("benchmark_name", BENCHMARKS)
def test_golden_bits_in_cpp(program: Program, benchmark_name: str) -> None:
    result = program.run(FOLDER, *program.verify_words, "--benchmark", benchmark_name)
    assert result.returncode == 0, result.stdout + result.stderr
    count = len(anb_onnx.targets(benchmark_name, path=FOLDER))
    assert result.stdout.count("all bits equal") == count


def test_golden_bits_in_javascript(tmp_path: Path) -> None:
    need("node")
    need("npm")
    package = copy_sources("js", tmp_path)
    run(["npm", "ci"], package)
    command = ["npx", "vitest", "run", "test/conformance.test.ts"]
    printed = run(command, package, ANB_CONFORMANCE=str(FOLDER))
    # Every target by three engines, and more.
    found = re.search(r"Tests .*\b(\d+) passed", printed)
    assert found, printed
    assert int(found[1]) > 3 * len(targets())


def test_an_architecture_string_is_answered_with_the_published_values(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """As HW-NAS-Bench prints for its architecture 0."""
    text = to_arch_string(from_benchmark_index(0))
    arguments = ["query", text, "--artifacts", str(FOLDER), "--benchmark", "nasbench201", "--json"]
    published = {
        "cifar10_latency_edgegpu": 5.807418537139893,
        "cifar10_energy_edgegpu": 24.226614330768584,
        "cifar10_latency_raspi4": 10.481976820010459,
        "cifar10_latency_eyeriss": 3.645620000000001,
        "cifar10_energy_fpga": 18.01072,
    }
    for target in published:
        arguments += ["--target", target]
    assert main(arguments) == 0
    shown = capsys.readouterr().out
    for target, value in published.items():
        with anb_onnx.load(target, benchmark="nasbench201", path=FOLDER) as surrogate:
            mean = float(surrogate.query(from_benchmark_index(0)).mean)
        assert mean == pytest.approx(value, rel=1e-7)
        assert target in shown


def test_cards_say_how_large_the_errors_are() -> None:
    for name, target in targets():
        card = find_benchmark(name, FOLDER).find(target).card
        assert card.license in ("MIT", "Apache-2.0")
        if name in JOINT:
            if not card.exact:
                test = card.quality["test"]
                assert test["tau_rest"] > test["tau_rest_of_run"] - 0.01
                assert 0.85 < card["coverage"]["test"]["intervals"]["0.9"] < 0.95
            continue
        if name in CURVES:
            assert card.quality["test"]["kendall_tau"] > 0.35
            assert (card.curve is None) == (target == "test_accuracy")
            continue
        if card["members"] == 1:
            assert "all" in card.quality
            if not target.startswith(("macs", "params")):
                assert card["rounding"]["largest"] < 1e-4 * card["target_std"]
            continue
        assert card.exact is False
        assert {"test", "out_of_fold"} <= set(card.quality)
        assert card.quality["test"]["n"] == 500
        assert card.quality["out_of_fold"]["n"] == 4500
        assert card.calibration is not None
        assert 0.8 < card["coverage"]["test"]["intervals"]["0.9"] < 0.97


def test_the_best_network_under_a_limit_is_found_and_proven() -> None:
    """Exact search, and a look at the values of all 15,625 architectures."""
    codes = anb_onnx.indices_to_codes(np.arange(15_625), space=anb_onnx.NASBENCH201)
    columns = []
    for target in ("accuracy_cifar100", "latency_pixel2"):
        with anb_onnx.load(
            target, benchmark="nasbench201", path=FOLDER, engine="numpy"
        ) as surrogate:
            columns.append(surrogate.query_codes(codes).mean)
    allowed = columns[1] <= 14
    found = optimum(
        "accuracy_cifar100",
        [("latency_pixel2", "<=", 14.0)],
        benchmark="nasbench201",
        path=FOLDER,
    )
    assert found.solutions[0].value == columns[0][allowed].max()
    assert 0 < allowed.sum() < 15_625


def test_further_outputs_and_noise_of_seeds_are_answered() -> None:
    """Of the golden architectures the bits of both outputs; intervals get narrower with runs."""
    golden = read_golden(FOLDER / "fcnet")
    assert golden is not None
    target = "val_loss_protein_structure"
    with anb_onnx.load(target, benchmark="fcnet", path=FOLDER, engine="numpy") as surrogate:
        assert list(surrogate.outputs) == [target, f"{target}_noise"]
        assert list(surrogate.fidelities) == ["seeds"]
        found = surrogate.query(golden.codes)
        assert isinstance(found, VectorPrediction)
        assert found.outputs[target].mean.tolist() == found.mean.tolist()
        assert (found.outputs[f"{target}_noise"].mean > 0).all()
        widths = []
        for seeds in (1, 2, 4, 1000):
            lower, upper = surrogate.query(golden.codes, fidelity=seeds).interval(0.9)
            widths.append(upper.astype(np.float64) - lower)
        for wide, narrow in itertools.pairwise(widths):
            assert (wide >= narrow).all()
        assert np.median(widths[0] / widths[-1]) > 1.2
