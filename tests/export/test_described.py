"""Data sets of users: a description, a search space and a table, and what is refused of them."""

from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from anb_export.artifacts.build import check_name_of_folder
from anb_export.cli import main
from anb_export.data.dataset import Dataset, DatasetError
from anb_export.data.read import read_dataset
from anb_export.data.splits import read_split

from anb_onnx import Block, Gene, SearchSpace
from anb_onnx.errors import ArtifactError, TargetError

CONFORMANCE = Path(__file__).resolve().parents[1] / "conformance"

SPACE = SearchSpace(
    "toy",
    (
        Block("stem", (Gene("op", ("conv", "pool", "")), Gene("width", (16, 32)))),
        Block("head", (Gene("se", (True, False)),)),
    ),
)
TARGETS: dict[str, Any] = {
    "latency_pixel3": {"device": "pixel3", "unit": "ms", "direction": "min"},
    "score": {"unit": "points", "direction": "max"},
}
HEADER = ["op", "width", "se", "latency_pixel3", "score"]
ROWS = [
    ["conv", "16", "True", "1.5", "-3"],
    ["pool", "32.0", "false", "2e1", ".5"],
    ["", "16", "TRUE", " 7 ", "+1."],
]


def write(
    folder: Path,
    *,
    header: list[str] = HEADER,
    rows: list[list[str]] = ROWS,
    **changes: Any,
) -> Path:
    """Write description, space and table; changes of None remove a key."""
    folder.mkdir(exist_ok=True)
    (folder / "space.json").write_text(SPACE.to_json())
    with (folder / "table.csv").open("w", newline="") as file:
        csv.writer(file).writerows([header, *rows])
    description = {
        **{"benchmark": "toy-bench", "name": "Toys", "license": "CC0-1.0"},
        **{"space": "space.json", "table": "table.csv", "targets": TARGETS},
        **changes,
    }
    path = folder / "dataset.json"
    path.write_text(json.dumps({k: v for k, v in description.items() if v is not None}))
    return path


def test_a_table_is_read_as_it_stands(tmp_path: Path) -> None:
    dataset = read_dataset(write(tmp_path))
    assert dataset.space == SPACE
    assert dataset.codes.tolist() == [[0, 0, 0], [1, 1, 1], [2, 0, 0]]
    assert dataset.values["latency_pixel3"].tolist() == [1.5, 20.0, 7.0]
    assert dataset.values["score"].tolist() == [-3.0, 0.5, 1.0]
    assert dataset.names == ("0", "7", "8")  # indices of the architectures
    origin = dataset.origin
    assert (origin.benchmark, origin.name, origin.license) == ("toy-bench", "Toys", "CC0-1.0")
    latency, score = origin.targets.values()
    assert (latency.metric, latency.device, latency.unit) == ("latency", "pixel3", "ms")
    assert (score.metric, score.device, score.direction) == ("score", None, "max")
    with pytest.raises(TargetError, match="'energy'; valid targets: latency_pixel3, score"):
        dataset.target("energy")


def test_parquet_indices_and_an_inline_space_are_the_same(tmp_path: Path) -> None:
    pyarrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    wanted = read_dataset(write(tmp_path))
    path = write(tmp_path, table="t.parquet", space=SPACE.to_dict(), index_column="which")
    columns: dict[str, list[Any]] = {
        "which": [0, 7, 8],
        "latency_pixel3": [1.5, 20.0, 7.0],
        "score": [-3.0, 0.5, 1.0],
    }
    parquet.write_table(pyarrow.table(columns), tmp_path / "t.parquet")
    found = read_dataset(path)
    assert found.sha256 == wanted.sha256
    np.testing.assert_array_equal(found.codes, wanted.codes)
    columns["score"][1] = float("nan")
    parquet.write_table(pyarrow.table(columns), tmp_path / "t.parquet")
    with pytest.raises(DatasetError, match=r"t\.parquet: row 1: column 'score': nan is not"):
        read_dataset(path)


def test_the_digest_is_of_what_is_said(tmp_path: Path) -> None:
    whole = read_dataset(write(tmp_path)).sha256
    assert read_dataset(write(tmp_path, name="Others")).sha256 == whole
    changed = [*ROWS[:2], ["", "16", "True", "7", "1.5"]]
    assert read_dataset(write(tmp_path, rows=changed)).sha256 != whole
    unit = {**TARGETS, "score": {"unit": "%", "direction": "max"}}
    assert read_dataset(write(tmp_path, targets=unit)).sha256 != whole


def test_other_columns_are_passed_over_only_when_that_is_said(tmp_path: Path) -> None:
    header, rows = ["id", *HEADER], [["a", *row] for row in ROWS]
    with pytest.raises(DatasetError, match=r'unknown column \'id\': .*"ignore_extra": true'):
        read_dataset(write(tmp_path, header=header, rows=rows))
    found = read_dataset(write(tmp_path, header=header, rows=rows, ignore_extra=True))
    assert found.sha256 == read_dataset(write(tmp_path)).sha256


def with_cell(row: int, column: str, cell: str) -> list[list[str]]:
    rows = [list(r) for r in ROWS]
    rows[row][HEADER.index(column)] = cell
    return rows


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"rows": with_cell(1, "width", "17")}, r"table.csv: line 3: gene 'width': '17' is not"),
        ({"rows": with_cell(1, "op", "none")}, r"line 3: gene 'op': 'none' is not allowed"),
        ({"rows": with_cell(2, "score", "")}, r"line 4: column 'score': an empty cell is not a"),
        ({"rows": with_cell(0, "score", "nan")}, r"line 2: column 'score': 'nan' is not a finite"),
        ({"rows": with_cell(0, "score", "1_0")}, r"line 2: column 'score': '1_0' is not a finite"),
        ({"rows": with_cell(0, "score", "1e39")}, r"'1e39' is not a finite number"),
        ({"rows": [*ROWS, ROWS[1]]}, r"line 5: the architecture of line 3 again \(index 7\)"),
        ({"rows": [ROWS[0][:4]]}, r"line 2: 4 cells, the header has 5"),
        ({"rows": []}, r"table.csv: there are no rows in it"),
        ({"header": ["op", "wide", *HEADER[2:]]}, r"the gene's column 'width' is missing"),
        ({"header": [*HEADER[:4], "points"]}, r"the target's column 'score' is missing; the colum"),
        ({"header": [*HEADER[:4], "latency_pixel3"]}, r"'latency_pixel3' occurs twice"),
        ({"table": "table.xls"}, r"the suffix '.xls' tells no format; known are .csv, .parquet"),
        ({"table": "other.csv"}, r"other.csv"),
        ({"space": "nowhere.json"}, r"no search space at .*nowhere.json"),
        ({"space": {"name": "x"}}, r"key 'space': "),
        ({"license": None}, r"dataset.json: key 'license' is missing; needed are benchmark, name"),
        ({"licence": "MIT"}, r"unknown key 'licence'; known are benchmark"),
        ({"benchmark": "Toy Bench"}, r"key 'benchmark' must be 1 to 64 of the characters"),
        ({"targets": {}}, r"key 'targets' must be an object"),
        ({"targets": {"score": {"unit": "%"}}}, r"target 'score': key 'direction' is missing"),
        (
            {"targets": {"score": {"unit": "%", "direction": "up"}}},
            r"target 'score': key 'direction' must be max or min",
        ),
        (
            {"targets": {"score": {"unit": "%", "direction": "max", "device": "tpu"}}},
            r"target 'score' must be called 'score_tpu'",
        ),
        (
            {"targets": {"x": {"unit": "%", "direction": "max", "column": "se"}}},
            r"column 'se' cannot be both a target and what says the architecture",
        ),
        ({"ignore_extra": 1}, r"key 'ignore_extra' must be true or false"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(DatasetError, match=message):
        read_dataset(write(tmp_path, **changes))


@pytest.mark.parametrize("change", [lambda path: path.write_text("[]"), lambda path: path.unlink()])
def test_a_description_is_an_object(tmp_path: Path, change: Callable[[Path], Any]) -> None:
    path = write(tmp_path)
    change(path)
    with pytest.raises(DatasetError, match="description"):
        read_dataset(path)


def test_a_table_alone_does_not_say_what_it_holds(tmp_path: Path) -> None:
    write(tmp_path)
    with pytest.raises(DatasetError, match="is a table: a JSON file says what its columns are"):
        read_dataset(tmp_path / "table.csv")


def every(measure: Callable[[int], float], n: int = 12) -> list[list[str]]:
    """Rows of the first architectures, with a measurement each."""
    found = []
    for index in range(n):
        op, width, se = index // 4, index // 2 % 2, index % 2
        values = [SPACE.genes[0].choices[op], SPACE.genes[1].choices[width], se == 0]
        found.append([*map(str, values), repr(measure(index)), str(index)])
    return found


def test_a_split_holds_for_any_order_of_the_rows(tmp_path: Path) -> None:
    first: Dataset = read_dataset(write(tmp_path / "a", rows=every(float)))
    turned = read_dataset(write(tmp_path / "b", rows=every(float)[::-1]))
    for one, other in zip(
        read_split(first, "random:3").parts().values(),
        read_split(turned, "random:3").parts().values(),
        strict=True,
    ):
        assert {first.names[row] for row in one} == {turned.names[row] for row in other}


def test_split_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = write(tmp_path, rows=every(float))
    assert main(["split", "--dataset", str(path), "--out", str(tmp_path / "default_split")]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[:2] for line in lines] == [["train", "10"], ["val", "1"], ["test", "1"]]
    assert json.loads((tmp_path / "default_split" / "val_paths.json").read_text())[0].isdecimal()


def test_info_lists_the_targets_of_a_data_set(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["info", str(write(tmp_path))]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines == [
        "data       Toys, CC0-1.0, 3 records",
        "benchmark  toy-bench",
        "space      toy: 2 blocks, 3 genes, 12 architectures",
        "target     latency_pixel3 [ms], min: 3 values, 1.5 to 20, median 7",
        "target     score [points], max: 3 values, -3 to 1, median 0.5",
    ]
    options = ["--target", "energy", "--out", str(tmp_path / "members")]
    path = write(tmp_path, rows=every(float))
    assert main(["train", "--dataset", str(path), *options]) == 2
    assert "'energy'; valid targets: latency_pixel3, score" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["../x", "../../y", "a/b", ".hidden", "a:b", "Acc", "x" * 65, ""])
def test_a_target_s_name_is_a_name_of_a_file(tmp_path: Path, name: str) -> None:
    """An artifact of it is written beside the manifest, and nowhere else."""
    path = write(tmp_path, targets={name: {"unit": "ms", "direction": "min", "column": "score"}})
    with pytest.raises(DatasetError, match="a target's name is also that of its file"):
        read_dataset(path)


@pytest.mark.parametrize("command", ["report", "compare", "families"])
def test_what_compares_with_accel_nasbench_takes_no_other_data(
    tmp_path: Path, command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write(tmp_path, rows=every(float))
    (tmp_path / "upstream_hyperparameters.json").write_text("{}")
    options = {
        "families": ["--family", "xgb"],
        "report": ["--comparison", "none", "--comparison-random", "none"],
    }.get(command, [])
    out = {"families": "page.md", "compare": "comparison.json"}.get(command, "cards")
    code = main([command, "--dataset", str(path), "--out", str(tmp_path / out), *options])
    assert code == 2
    printed = capsys.readouterr().err
    assert "is of benchmark 'toy-bench': this command compares with what was published" in printed


def test_info_of_what_is_neither(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["info", str(tmp_path / "nothing.json")]) == 2
    assert "there is no file or folder" in capsys.readouterr().err
    (tmp_path / "manifest.json").write_text("{}")
    assert main(["info", str(tmp_path)]) == 2
    assert "is a folder of artifacts; see `anb-onnx targets" in capsys.readouterr().err


def test_a_folder_among_benchmarks_is_called_as_its_own(tmp_path: Path) -> None:
    """Else `anb_onnx.benchmarks` would refuse all of them."""
    shutil.copytree(CONFORMANCE / "one-block", tmp_path / "one-block")
    with pytest.raises(ArtifactError, match="is not called 'mine' and lies beside the benchmark"):
        check_name_of_folder(tmp_path / "wrong", "mine")
    check_name_of_folder(tmp_path / "mine", "mine")
    check_name_of_folder(tmp_path / "one-block" / "wrong", "mine")
    (tmp_path / "one-block").rename(tmp_path / "other")  # is no benchmark by its name
    check_name_of_folder(tmp_path / "wrong", "mine")
