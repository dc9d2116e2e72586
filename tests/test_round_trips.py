"""Whatever a command or the page writes of architectures, `anb-onnx query` reads."""

from __future__ import annotations

import csv
import io
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from small_artifact import write_catalog
from tools import need_tool

from anb_onnx import MNASNET, Problem, indices_to_codes, sample, search
from anb_onnx.cli.main import main
from anb_onnx.encoding.encoding import codes_to_indices
from anb_onnx.spaces.architecture import Architecture

SUFFIXES = (".csv", ".json", ".jsonl", ".parquet")
CODES = sample(7, seed=3, space=MNASNET)
INDICES = codes_to_indices(CODES, MNASNET).tolist()

Run = Callable[..., str]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_catalog(tmp_path_factory.mktemp("artifacts"))


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, folder: Path) -> Run:
    """Return a function that runs a command and returns what it wrote."""

    def run(*argv: object, stdin: bytes = b"") -> str:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin)))
        monkeypatch.setenv("ANB_ONNX_ARTIFACTS", str(folder))
        code = main([*map(str, argv)])
        out, err = capsys.readouterr()
        assert (code, err) == (0, "")
        return out

    return run


def answered(run: Run, path: Path) -> list[int]:
    """Return the indices that `query` reads, from the file and from standard input alike."""
    found = run("query", "--file", path, "--target", "accuracy", "--csv")
    again = run("query", "-", "--target", "accuracy", "--csv", stdin=path.read_bytes())
    assert again == found
    return [int(line.split(",")[0]) for line in found.splitlines()[1:]]


def need(suffix: str) -> None:
    if suffix == ".parquet":
        need_tool("pyarrow")


@pytest.mark.parametrize("suffix", [*SUFFIXES, ".txt"])
@pytest.mark.parametrize("form", [[], ["--format", "index"]])
def test_samples(run: Run, tmp_path: Path, suffix: str, form: list[str]) -> None:
    need(suffix)
    path = tmp_path / f"x{suffix}"
    assert run("sample", 7, "--seed", 3, "--out", path, *form) == ""
    assert answered(run, path) == INDICES


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("indices", [INDICES, [0], [0, 1, 2]])
@pytest.mark.parametrize("members", [[], ["--members"]])
def test_answers(
    run: Run, tmp_path: Path, suffix: str, indices: list[int], members: list[str]
) -> None:
    need(suffix)
    path = tmp_path / f"x{suffix}"
    assert run("query", *indices, *members, "--out", path) == ""
    # Indices that just count are no row numbers: the means beside them are theirs.
    assert answered(run, path) == indices


def test_means_of_others_make_no_indices_of_row_numbers(
    run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "x.csv"
    run("query", *INDICES[:3], "--target", "accuracy", "--out", path)
    rows = [*csv.reader(io.StringIO(path.read_text()))]
    for number, row in enumerate(rows[1:]):
        row[0] = str(number)
    path.write_text("\n".join(map(",".join, rows)))
    assert main(["query", "--file", str(path)]) == 2
    assert "as row numbers do" in capsys.readouterr().err


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("beside", ["right", "row numbers", "wrong"])
def test_an_index_beside_genes(
    run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str], suffix: str, beside: str
) -> None:
    need(suffix)
    pandas = need_tool("pandas")
    rows = [Architecture.from_codes(row, space=MNASNET).to_values() for row in CODES]
    frame = pandas.DataFrame(rows)
    stated = {"right": INDICES, "row numbers": [*range(7)], "wrong": [*INDICES[:-1], 5]}[beside]
    frame.insert(0, "index", stated)
    frame["accuracy"] = 0.5  # as the page writes answers
    path = tmp_path / f"x{suffix}"
    if suffix == ".csv":
        frame.to_csv(path, index=False)
    elif suffix == ".parquet":
        frame.to_parquet(path)
    else:
        frame.to_json(path, orient="records", lines=suffix == ".jsonl")
    if beside != "wrong":
        assert answered(run, path) == INDICES
        return
    assert main(["query", "--file", str(path)]) == 2
    error = capsys.readouterr().err
    assert "leave one of them out" in error
    assert main(["query", "--file", str(path), "--ignore-extra", "--csv"]) == 0


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("name", ["optimum", "pareto", "rank"])
def test_answers_about_the_whole_space(
    run: Run, tmp_path: Path, suffix: str, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    need(suffix)
    from anb_onnx.cli import proven
    from anb_onnx.exact.results import Rank
    from anb_onnx.loading import load

    path = tmp_path / f"x{suffix}"
    codes = indices_to_codes(INDICES, MNASNET)
    if name == "rank":
        ranks = [Rank("accuracy", "%", 66.5, 1, 0, 1, MNASNET.size)] * 7  # only their form counts
        proven.write_ranks(str(path), suffix[1:], INDICES, ranks, MNASNET)
    else:
        with monkeypatch.context() as patch:
            patch.setenv("ANB_ONNX_ARTIFACTS", "")
            surrogates = (load("accuracy"), load("latency_zcu102"))
        key = {"optimum": "solutions", "pareto": "front"}[name]
        listing = proven.Listing(MNASNET, codes, surrogates)
        proven.write_listing(str(path), suffix[1:], listing, {"certificate": {}}, key)
    assert answered(run, path) == INDICES


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_what_to_measure(run: Run, tmp_path: Path, suffix: str) -> None:
    need(suffix)
    from anb_onnx.cli.measured import write_to_measure

    path = tmp_path / f"x{suffix}"
    write_to_measure(str(path), suffix[1:], CODES, MNASNET)
    assert answered(run, path) == INDICES


def test_histories(run: Run, folder: Path, tmp_path: Path) -> None:
    need_tool("pyarrow")
    path = tmp_path / "seed-0.parquet"
    problem = Problem(["accuracy", "latency_zcu102"], path=folder)
    history = search.random_search(problem, budget=20, rng=0)
    history.save(path)
    assert answered(run, path) == history.indices.tolist()


def test_parquet_of_answers_has_types_units_and_levels(run: Run, tmp_path: Path) -> None:
    need_tool("pyarrow")
    import pyarrow.parquet as pq

    path = tmp_path / "x.parquet"
    run("query", *INDICES, "--target", "accuracy", "--out", path)
    table = pq.read_table(path)
    types = dict(zip(table.schema.names, map(str, table.schema.types), strict=True))
    assert types.pop("index") == "int64"
    assert [*types] == [
        f"accuracy_{f}" for f in ("mean", "std", "predictive_std", "lower", "upper")
    ]
    assert set(types.values()) == {"float"}
    assert table.schema.field("accuracy_mean").metadata == {b"unit": b"%"}
    text = run("query", *INDICES, "--target", "accuracy", "--csv")
    (column,) = np.array([row.split(",")[1:2] for row in text.splitlines()[1:]], np.float32).T
    np.testing.assert_array_equal(table["accuracy_mean"].to_numpy(), column)
    assert json.loads(table.schema.metadata[b"anb_onnx.units"]) == {"accuracy": "%"}


def test_lines_that_a_person_types(run: Run) -> None:
    b0 = Architecture.from_index(2169626640, space=MNASNET)
    codes = " ".join(map(str, b0.codes))
    lines = ["efficientnet-b0", "", "2169626640", b0.to_json(), str(dict(b0)), codes]
    lines.append(json.dumps([*map(int, b0.codes)]))
    text = "\r\n".join(lines).encode()
    found: Any = run("query", "-", "--target", "accuracy", "--json", stdin=text)
    assert [item["index"] for item in json.loads(found)] == [2169626640] * 6


def refused(path: Path, folder: Path, capsys: pytest.CaptureFixture[str], *argv: str) -> str:
    """Return why a file is not read."""
    where = ["--artifacts", str(folder), "--target", "accuracy"]
    assert main(["query", "--file", str(path), *where, *argv]) == 2
    return capsys.readouterr().err


@pytest.mark.parametrize("options", [[], ["--members"]])
def test_tables_for_people_are_refused_by_what_they_are(
    run: Run, tmp_path: Path, folder: Path, capsys: pytest.CaptureFixture[str], options: list[str]
) -> None:
    path = tmp_path / "x.txt"
    run("query", 5, "--target", "accuracy", "--out", path, *options)
    assert "a table for people" in refused(path, folder, capsys)


def test_a_format_that_the_suffix_contradicts_is_said_to_be_of_the_input(
    run: Run, tmp_path: Path, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "x.csv"
    run("sample", 3, "--out", path)
    error = refused(path, folder, capsys, "--format", "json")
    assert "read as json, as --in-format says: --out-format is that of the answers" in error
    path.write_text("[5]")
    assert run("query", "--file", path, "--in-format", "json", "--target", "accuracy", "--csv")


@pytest.mark.parametrize("command", [["query", "5"], ["pareto", "accuracy", "macs"]])
def test_parquet_without_its_package_is_refused_before_the_work(
    command: list[str],
    tmp_path: Path,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)
    # Not even the targets are looked up.
    nowhere = tmp_path / "nowhere"
    argv = [*command, "--artifacts", str(nowhere), "--out", str(tmp_path / "x.parquet")]
    assert main(argv) == 2
    assert "pip install 'anb-onnx[parquet]'" in capsys.readouterr().err
