"""Every kind of artifact, in every engine of this package; the clients run the same fixtures."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import anb_onnx
from anb_onnx import Terms
from anb_onnx.catalog.benchmarks import find_benchmark
from anb_onnx.catalog.golden import read_golden, same_bits
from anb_onnx.encoding.encoding import codes_to_symbols
from anb_onnx.engines.base import Outputs

FOLDER = Path(__file__).resolve().parent / "conformance"
ENGINES = ("numpy", "native", "onnxruntime", "auto")


def targets() -> list[tuple[str, str]]:
    return [
        (catalog.benchmark, target.name)
        for catalog in anb_onnx.benchmarks(FOLDER)
        for target in catalog.targets
    ]


def test_there_is_a_fixture_of_every_kind() -> None:
    found = {catalog.benchmark: catalog for catalog in anb_onnx.benchmarks(FOLDER)}
    orders = {
        name: {len(term) for a in catalog.artifacts for term in a.card["terms"]}
        for name, catalog in found.items()
    }
    assert orders == {
        "fbnet-sparse": {2},
        "joint": {2},
        "large-block": {1, 2},
        "measured": {1},
        "mixed": {1, 2, 3},
        "nasbench201-pairs": {2},
        "nasbench201-table": {6},
        "one-block": {1},
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
    golden = read_golden(find_benchmark(benchmark_name, FOLDER).folder)
    assert golden is not None
    with anb_onnx.load(target, benchmark=benchmark_name, path=FOLDER, engine=engine) as surrogate:
        found = surrogate.query_codes(golden.codes, members=True)
        assert same_bits(Outputs(found.mean, found.std, found.members), golden.outputs[target])


@pytest.mark.parametrize(("benchmark_name", "target"), targets(), ids=lambda value: value)
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
