"""Every kind of artifact, in every engine of this package; the clients run the same fixtures."""

from __future__ import annotations

import json
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

import anb_onnx
from anb_onnx import Terms
from anb_onnx.catalog.benchmarks import find_benchmark
from anb_onnx.catalog.golden import Golden, read_golden, same_bits
from anb_onnx.encoding.encoding import codes_to_symbols
from anb_onnx.engines.base import Outputs
from anb_onnx.vector_answers import Curve, VectorPrediction
from anb_onnx.vector_surrogate import VectorSurrogate

FOLDER = Path(__file__).resolve().parent / "conformance"
ENGINES = ("numpy", "native", "onnxruntime", "auto")

#: Outputs of a graph beside mean, std and members, and how golden vectors call them.
OUTPUTS_OF_GRAPH = ("output_means", "output_stds", "curve_mean", "curve_std")


def targets(form: str = "", key: str = "form") -> list[tuple[str, str]]:
    return [
        (catalog.benchmark, artifact.target.name)
        for catalog in anb_onnx.benchmarks(FOLDER)
        for artifact in catalog.artifacts
        if key in artifact.card and form in (artifact.card.form, "")
    ]


def golden_of(benchmark_name: str) -> Golden:
    golden = read_golden(find_benchmark(benchmark_name, FOLDER).folder)
    assert golden is not None
    return golden


def equal_bits(found: np.ndarray, wanted: np.ndarray) -> None:
    assert found.dtype == wanted.dtype == np.float32
    np.testing.assert_array_equal(found.view(np.uint32), wanted.view(np.uint32))


def test_there_is_a_fixture_of_every_kind() -> None:
    found = {catalog.benchmark: catalog for catalog in anb_onnx.benchmarks(FOLDER)}
    orders = {
        name: {len(term) for a in catalog.artifacts for term in a.card["terms"]}
        for name, catalog in found.items()
    }
    assert orders == {
        "curves": {1, 2},
        "fbnet-sparse": {2},
        "joint": {2},
        "large-block": {1, 2},
        "measured": {1},
        "mixed": {1, 2, 3},
        "nasbench201-pairs": {2},
        "nasbench201-table": {6},
        "one-block": {1},
        "several": {1, 2},
    }
    assert found["fbnet-sparse"].space.size == 9**22 > 2**63
    assert max(found["large-block"].space.block_sizes) == 300
    (own,) = found["measured"].artifacts  # of few measurements: no row is left for a test
    assert list(own.card["quality"]) == ["leave_one_out"]
    assert found["one-block"].space.n_blocks == 1
    genes = found["joint"].space.genes
    assert [gene.kind for gene in genes] == ["int", "str", "str", "float", "float", "float", "bool"]
    assert [gene.ordered for gene in genes] == [True, False, True, True, True, False, False]
    members = {a.card["members"] for c in found.values() for a in c.artifacts}
    assert {1, 20} <= members
    table = Terms.of_order(found["nasbench201-table"].space, 6)
    assert table.n_entries == 15_625


@pytest.mark.parametrize(("benchmark_name", "target"), targets(), ids=lambda value: value)
@pytest.mark.parametrize("engine", ENGINES)
def test_every_engine_gives_the_golden_bits(engine: str, benchmark_name: str, target: str) -> None:
    golden = golden_of(benchmark_name)
    if engine == "native" and (benchmark_name, target) in targets(key="curve"):
        with pytest.raises(anb_onnx.EngineError, match="runs artifacts of one output"):
            anb_onnx.load(target, benchmark=benchmark_name, path=FOLDER, engine=engine)
        return
    with anb_onnx.load(target, benchmark=benchmark_name, path=FOLDER, engine=engine) as surrogate:
        found = surrogate.query_codes(golden.codes, members=True)
        assert same_bits(Outputs(found.mean, found.std, found.members), golden.outputs[target])


def test_there_are_vectors_and_curves_of_every_kind() -> None:
    cards = {
        target: find_benchmark(name, FOLDER).find(target).card
        for name, target in targets("vector")
        if name == "curves"
    }
    accuracy, loss, score = (cards[name]["curve"] for name in ("accuracy", "loss", "score"))
    assert None not in (accuracy["gate"], accuracy["range"], accuracy["noise"])
    assert {"reciprocal", "reflect", "hinge"} == set(cards["accuracy"]["link"]["inverse"])
    assert "seed_noise" in cards["accuracy"]
    assert (loss["gate"], loss["range"], loss["noise"]) == (None, None, None)
    assert (len(score["at"]), len(score["basis"][0])) == (1, 1)
    several = find_benchmark("several", FOLDER)
    first = several.find("loss").card
    assert "regime" in first["link"]
    assert len({str(output["link"]) for output in first["outputs"]}) == 3
    assert len(several.find("size").card["outputs"]) == 1


@pytest.mark.parametrize(("benchmark_name", "target"), targets("vector"), ids=lambda value: value)
@pytest.mark.parametrize("engine", ["auto", "numpy", "onnxruntime"])
def test_outputs_have_the_golden_bits(engine: str, benchmark_name: str, target: str) -> None:
    golden = golden_of(benchmark_name)
    more = golden.more[target]
    codes = golden.codes[: len(more["output_means"])]
    with anb_onnx.load(target, benchmark=benchmark_name, path=FOLDER, engine=engine) as surrogate:
        assert isinstance(surrogate, VectorSurrogate)
        found = surrogate.query(codes)
        assert isinstance(found, VectorPrediction | Curve)
        assert len(found.outputs) == more["output_means"].shape[1] > 0
        for k, prediction in enumerate(found.outputs.values()):
            equal_bits(prediction.mean, np.ascontiguousarray(more["output_means"][:, k]))
            equal_bits(prediction.std, np.ascontiguousarray(more["output_stds"][:, k]))


@pytest.mark.parametrize(
    ("benchmark_name", "target"), targets(key="curve"), ids=lambda value: value
)
def test_curves_have_the_golden_bits(benchmark_name: str, target: str) -> None:
    golden = golden_of(benchmark_name)
    more = golden.more[target]
    codes = golden.codes[: len(more["curve_mean"])]
    with anb_onnx.load(target, benchmark=benchmark_name, path=FOLDER) as surrogate:
        curve = surrogate.query(codes)
        assert isinstance(curve, Curve)
        whole = curve.until(curve.epochs[-1])
        equal_bits(whole.mean, more["curve_mean"])
        equal_bits(whole.std, more["curve_std"])
        for i, t in enumerate(curve.epochs.tolist()):
            equal_bits(curve.at(t).mean, np.ascontiguousarray(more["curve_mean"][:, i]))
        if len(curve.epochs) == 1:
            assert set(more) == set(OUTPUTS_OF_GRAPH)
            return
        for i, (a, b) in enumerate(pairwise(curve.epochs.tolist())):
            between = curve.at(a + (b - a) / 2)
            equal_bits(between.mean, np.ascontiguousarray(more["between_mean"][:, i]))
            equal_bits(between.std, np.ascontiguousarray(more["between_std"][:, i]))


@pytest.mark.parametrize(("benchmark_name", "target"), targets("vector"), ids=lambda value: value)
def test_the_graph_gives_outputs_and_curves(benchmark_name: str, target: str) -> None:
    import onnxruntime as ort

    golden = golden_of(benchmark_name)
    more = golden.more[target]
    names = [name for name in OUTPUTS_OF_GRAPH if name in more]
    file = find_benchmark(benchmark_name, FOLDER).find(target).path
    session = ort.InferenceSession(file, providers=["CPUExecutionProvider"])
    codes = golden.codes[: len(more["output_means"])]
    for name, found in zip(names, session.run(names, {"architectures": codes}), strict=True):
        equal_bits(found, more[name])


@pytest.mark.parametrize(("benchmark_name", "target"), targets("tables"), ids=lambda value: value)
def test_the_tables_add_up_as_the_specification_says(benchmark_name: str, target: str) -> None:
    """Entry by entry, in Python's integers, from `docs/reference/format.md`."""
    catalog = find_benchmark(benchmark_name, FOLDER)
    artifact = catalog.find(target)
    stated = artifact.card["tables"]
    size = 4 * stated["entries"] * stated["members"]
    raw = artifact.path.read_bytes()[stated["offset"] : stated["offset"] + size]
    entries = np.frombuffer(raw, "<i4").reshape(-1, stated["members"])
    codes = anb_onnx.sample(40, seed=5, space=catalog.space)
    symbols = codes_to_symbols(codes, catalog.space)
    with anb_onnx.load(target, benchmark=benchmark_name, path=FOLDER, engine="numpy") as surrogate:
        assert surrogate._ensemble is not None
        found = surrogate._ensemble.totals(symbols)
    for row, wanted in zip(symbols.tolist(), found.tolist(), strict=True):
        total, start = [0] * stated["members"], 0
        for term in artifact.card["terms"]:
            index, n = 0, 1
            for block in term:
                block_size = catalog.space.block_sizes[block]
                index, n = index * block_size + row[block], n * block_size
            total = [t + int(e) for t, e in zip(total, entries[start + index], strict=True)]
            start += n
        assert total == wanted


def test_the_command_writes_the_same_bytes_again(tmp_path: Path) -> None:
    pytest.importorskip("anb_export", reason="needs the exporter: pip install -e export")
    root = FOLDER.parents[1]
    command = [sys.executable, "tests/conformance", "--out", str(tmp_path)]
    subprocess.run(command, check=True, cwd=root)
    for path in sorted(FOLDER.glob("*/*.*")):
        if path.parent.name != "__pycache__":
            assert (tmp_path / path.parent.name / path.name).read_bytes() == path.read_bytes(), path


def test_the_manifests_follow_the_schema() -> None:
    jsonschema = pytest.importorskip("jsonschema")
    schema = json.loads((FOLDER.parents[1] / "docs/manifest.schema.json").read_text())
    for path in FOLDER.glob("*/manifest.json"):
        jsonschema.validate(json.loads(path.read_text()), schema)
