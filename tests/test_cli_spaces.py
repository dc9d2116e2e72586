"""The command line with artifacts of other spaces than MnasNet: their genes, names and indices."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from random_spaces import BEYOND_64_BITS, LARGE_BLOCK, ONE_BLOCK
from small_artifact import card, expected, metadata_of, onnx_bytes

from anb_onnx import FBNET, FCNET, MNASNET, NASBENCH201, Architecture, SearchSpace, sample
from anb_onnx.cli.main import main
from anb_onnx.cli.read import read_architectures
from anb_onnx.errors import ArchitectureError
from anb_onnx.spaces.nasbench201 import to_arch_string
from anb_onnx.spaces.space import Block, Gene

# A comma, a quote and spaces around: what CSV has to protect; integers that no float64 holds.
AWKWARD = SearchSpace(
    "awkward",
    (
        Block("a", (Gene("a, b", ("x,y", 'say "x"', " spaced ", "", "12")),)),
        Block("c", (Gene("c", (2**53 + 1, 2**53, -(2**63))), Gene("d", (False, True)))),
    ),
)
# Floats whose texts have exponents, or say no more than an integer; ordered ones among them.
FLOATS = SearchSpace(
    "floats",
    (
        Block("a", (Gene("rate", (1e-05, 5e-4, 0.1, 1.0, 1e16, 1e22), ordered=True),)),
        Block("b", (Gene("whole", (2.0, 0.0, -3.0)), Gene("odd", (0.1, 0.1 + 2**-56, 5e-324)))),
        Block("c", (Gene("word", ("0.1", "high"), ordered=True),)),
    ),
)
SPACES = [
    FCNET,
    FLOATS,
    FBNET,
    NASBENCH201,
    BEYOND_64_BITS,
    ONE_BLOCK,
    LARGE_BLOCK,
    AWKWARD,
    MNASNET,
]


@pytest.fixture(scope="module", params=SPACES, ids=lambda space: space.name)
def artifact(request: pytest.FixtureRequest, tmp_path_factory: Any) -> tuple[SearchSpace, Path]:
    return request.param, write(tmp_path_factory.mktemp("artifact"), request.param)


def write(folder: Path, space: SearchSpace) -> Path:
    """Write an artifact of a space, without a manifest."""
    metadata = metadata_of(card("latency", "fpga", "ms", "min"), space)
    path = folder / f"{space.name}.onnx"
    path.write_bytes(onnx_bytes(metadata, n_genes=space.n_genes))
    return path


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    def call(*argv: object) -> str:
        code = main([str(a) for a in argv])
        out, err = capsys.readouterr()
        assert (code, err) == (0, "")
        return out

    return call


def some(space: SearchSpace) -> list[Architecture]:
    codes = sample(6, seed=4, space=space)
    codes[0], codes[1] = 0, np.array(space.gene_sizes) - 1
    return [Architecture.from_codes(row, space=space) for row in codes]


def means(architectures: list[Architecture]) -> list[np.float32]:
    return [np.float32(expected(a.codes)[0]) for a in architectures]


def test_query_of_indices_in_arguments_and_json(artifact: Any, run: Any) -> None:
    space, path = artifact
    architectures = some(space)
    answers = json.loads(run("query", *(a.index for a in architectures), "--model", path, "--json"))
    assert [answer["index"] for answer in answers] == [a.index for a in architectures]
    assert [answer["architecture"] for answer in answers] == [a.to_values() for a in architectures]
    found = [np.float32(answer["predictions"]["latency_fpga"]["mean"]) for answer in answers]
    assert found == means(architectures)


def test_query_of_values_by_name_and_by_position(artifact: Any, run: Any) -> None:
    space, path = artifact
    arch = some(space)[-1]
    for text in (arch.to_json(), json.dumps([*arch.values()]), str([*arch.values()])):
        (answer,) = json.loads(run("query", text, "--model", path, "--json"))
        assert answer["index"] == arch.index


def test_tables_label_architectures_by_index(artifact: Any, run: Any) -> None:
    space, path = artifact
    lines = run("query", space.size - 1, "--model", path).splitlines()
    assert lines[1].split()[:2] == [str(space.size - 1), "latency_fpga"]


@pytest.mark.parametrize("shape", ["index", "json", "csv"])
def test_samples_are_read_again(artifact: Any, run: Any, tmp_path: Path, shape: str) -> None:
    space, path = artifact
    suffix = {"index": "json"}.get(shape, shape)  # an index a line is JSON lines
    file = tmp_path / f"sample.{suffix}"
    assert run("sample", 30, "--seed", 5, "--model", path, "--format", shape, "--out", file) == ""
    np.testing.assert_array_equal(
        read_architectures(str(file), space), sample(30, seed=5, space=space)
    )
    answers = json.loads(run("query", "--file", file, "--model", path, "--json"))
    assert len(answers) == 30


def test_predictions_as_csv_are_read_again(artifact: Any, run: Any, tmp_path: Path) -> None:
    space, path = artifact
    architectures = some(space)
    text = run("query", *(a.index for a in architectures), "--model", path, "--csv")
    rows = [*csv.DictReader(io.StringIO(text))]
    assert [row["index"] for row in rows] == [str(a.index) for a in architectures]
    assert [np.float32(row["latency_fpga_mean"]) for row in rows] == means(architectures)
    file = tmp_path / "again.csv"
    file.write_text(text)
    found = read_architectures(str(file), space, ignore_extra=True)
    assert found.tolist() == [list(a.codes) for a in architectures]


@pytest.mark.parametrize("kind", ["string", "large_string", "dictionary", "int64"])
def test_parquet_holds_indices_as_integers_or_decimals(
    artifact: Any, tmp_path: Path, kind: str
) -> None:
    arrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    space, _ = artifact
    architectures = some(space)
    if kind == "int64":
        architectures = [Architecture.from_index(i, space=space) for i in (3, 1, 0)]
        cells = arrow.array([a.index for a in architectures], arrow.int64())
    else:
        texts = arrow.array([str(a.index) for a in architectures])
        cells = texts.dictionary_encode() if kind == "dictionary" else texts.cast(kind)
    file = tmp_path / "indices.parquet"
    parquet.write_table(arrow.table({"index": cells}), file)
    if kind == "dictionary":
        with pytest.raises(ArchitectureError, match=r"holds dictionary<.*>, not integers \(nor"):
            read_architectures(str(file), space)
        return
    found = read_architectures(str(file), space)
    assert found.tolist() == [list(a.codes) for a in architectures]


def test_json_takes_decimals_as_texts(artifact: Any, tmp_path: Path) -> None:
    space, _ = artifact
    architectures = some(space)
    file = tmp_path / "indices.json"
    file.write_text(json.dumps([str(a.index) for a in architectures]))
    codes = [list(a.codes) for a in architectures]
    assert read_architectures(str(file), space).tolist() == codes


@pytest.mark.parametrize("text", ["-1", "{size}", "9" * 400, '["{size}"]', '[["x"]]', "{{}}"])
def test_what_is_out_of_the_space_is_refused(
    artifact: Any, capsys: pytest.CaptureFixture[str], text: str
) -> None:
    space, path = artifact
    code = main(["query", f"--model={path}", "--", text.format(size=space.size)])
    out, err = capsys.readouterr()
    assert (code, out) == (2, "")
    assert err.startswith("anb-onnx: error: ")
    assert err.count("\n") == 1


def test_one_row_of_values_in_a_file_is_one_architecture(tmp_path: Path) -> None:
    arch = Architecture.from_index(15_000, space=NASBENCH201)
    row = [*arch.values()]
    for number, text in enumerate(
        [json.dumps(row), json.dumps([row]), f"{json.dumps(row)}\n{json.dumps(row)}\n"]
    ):
        file = tmp_path / f"{number}.jsonl"
        file.write_text(text)
        found = read_architectures(str(file), NASBENCH201)
        assert found.tolist() == [list(arch.codes)] * (2 if number == 2 else 1)


def test_integers_alone_are_indices(tmp_path: Path) -> None:
    file = tmp_path / "x.json"
    space = SearchSpace("numbers", tuple(Block(f"b{i}", (Gene(f"g{i}", (3, 5)),)) for i in "abc"))
    file.write_text("[3, 5, 3]")
    assert read_architectures(str(file), space).tolist() == [[0, 1, 1], [1, 0, 1], [0, 1, 1]]
    file.write_text("[[0, 1, 0]]")
    assert read_architectures(str(file), space).tolist() == [[0, 1, 0]]
    file.write_text("[0, 1, 0]")
    with pytest.raises(ArchitectureError, match="an array of 3 small numbers is one architecture"):
        read_architectures(str(file), space)
    file.write_text("[0, 1, 0]\n[1, 1, 1]\n")
    assert read_architectures(str(file), space).tolist() == [[0, 1, 0], [1, 1, 1]]
    file.write_text("[[3, 5, 3]]")
    with pytest.raises(ArchitectureError, match="item 1: gene 'ga': code 3 is out of range"):
        read_architectures(str(file), space)


def test_architecture_strings_are_nasbench201s(tmp_path: Path, run: Any, capsys: Any) -> None:
    arch = Architecture.from_index(12_345, space=NASBENCH201)
    text = to_arch_string(arch)
    path = write(tmp_path, NASBENCH201)
    (answer,) = json.loads(run("query", text, "--model", path, "--json"))
    assert answer["index"] == 12_345
    assert main(["query", text, "--model", str(write(tmp_path, FBNET))]) == 2
    err = capsys.readouterr().err
    assert "is no architecture; give an index from 0 to 984770902183611232880, 22 codes" in err
    assert "28 genes" not in err


@pytest.mark.parametrize("text", ["efficientnet-b0", "[[1],[3],[1],[true]]", '{"expansion": [1]}'])
def test_the_spellings_of_mnasnet_are_its_own(tmp_path: Path, text: str, capsys: Any) -> None:
    assert main(["query", text, "--model", str(write(tmp_path, FBNET))]) == 2
    assert "efficientnet" not in capsys.readouterr().err.replace(text, "")
