"""Scoring of folders: what is written."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from scored_folders import (
    CODES,
    GROUP,
    INDICES,
    N_PARTS,
    TARGETS,
    arrow,
    contents,
    genes,
    in_out,
    make_source,
    parquet,
    table,
    write,
)
from small_artifact import write_catalog

import anb_onnx
from anb_onnx import FBNET, MNASNET
from anb_onnx.calibration import LevelError
from anb_onnx.cli.main import main
from anb_onnx.scale_out import Scored, score
from anb_onnx.scale_out.part_files import PartError, columns_of, write_part
from anb_onnx.scale_out.score import COMPLETE


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_source(tmp_path_factory.mktemp("source"))


@pytest.fixture(scope="module")
def plain(source: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """What scoring in this process writes."""
    out = tmp_path_factory.mktemp("plain")
    assert score(source, out, TARGETS) == Scored(N_PARTS, 2_000, kept=0, damaged=0)
    return contents(out)


def test_rows_are_those_of_query_in_their_order(plain: dict[str, bytes], tmp_path: Path) -> None:
    for name, content in plain.items():
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(content)
    names = [name for name in plain if name != COMPLETE]
    assert names == sorted(names)
    assert names[0] == "a.parquet.000000.parquet"
    assert names[-1] == "b/c.parquet.000004.parquet"
    found = arrow.concat_tables([parquet.read_table(tmp_path / name) for name in names])
    assert found["index"].to_pylist() == INDICES.tolist()
    for target in TARGETS:
        with anb_onnx.load(target) as surrogate:
            expected = surrogate.query(CODES)
        for kind in ("mean", "std"):
            column = found[f"{target}_{kind}"].to_numpy()
            assert column.dtype == np.float32
            assert column.tobytes() == getattr(expected, kind).tobytes()
    assert len(found.column_names) == 5


def test_members_have_columns_as_in_csv(tmp_path: Path) -> None:
    file, out = in_out(tmp_path, {"index": INDICES[:50]})
    score(file, out, ["accuracy"], members=True)
    with anb_onnx.load("accuracy") as surrogate:
        expected = surrogate.query(CODES[:50], members=True).members
    assert expected is not None
    found = table(out)
    for member, column in enumerate(expected.T):
        assert found[f"accuracy_member_{member}"].to_numpy().tobytes() == column.tobytes()
    text = tmp_path / "x.csv"
    command = ["query", "--file", str(file), "--target", "accuracy", "--members"]
    assert main([*command, "--csv", "--out", str(text)]) == 0
    columns = text.read_text().splitlines()[0].split(",")
    assert [c for c in columns if not c.endswith(("_predictive_std", "_lower", "_upper"))] == (
        found.column_names
    )


def test_intervals_are_those_of_query(tmp_path: Path) -> None:
    file, out = in_out(tmp_path, {"index": INDICES[:50]})
    options = ["--target", "accuracy", "--target", "macs", "--members", "--interval", "0.8"]
    assert main(["score", str(file), "--out", str(out), *options]) == 0
    asked = tmp_path / "x.parquet"
    assert main(["query", "--file", str(file), *options, "--out", str(asked)]) == 0
    found, expected = table(out), parquet.read_table(asked)
    assert found.column_names == expected.column_names
    for name in found.column_names:
        assert found[name].to_numpy().tobytes() == expected[name].to_numpy().tobytes()
    # Another level is another job, and so is none.
    for level in (0.9, None):
        with pytest.raises(PartError, match="interval"):
            score(file, out, ["accuracy", "macs"], members=True, interval=level)
    for level in (0.0, 1.0, float("nan")):
        with pytest.raises(LevelError, match="level"):
            score(file, tmp_path / "none", ["accuracy"], interval=level)
    assert not (tmp_path / "none").exists()


def test_without_a_calibration_there_is_no_interval(tmp_path: Path) -> None:
    file, out = in_out(tmp_path, {"index": INDICES[:5]})
    artifacts = write_catalog(tmp_path / "artifacts")
    score(file, out, ["accuracy"], path=artifacts, interval=0.9)
    found = table(out)
    for form in ("predictive_std", "lower", "upper"):
        assert found[f"accuracy_{form}"].to_pylist() == [None] * 5
    assert found["accuracy_std"].null_count == 0


def test_what_was_written_is_read_again(tmp_path: Path) -> None:
    file, out = in_out(tmp_path, {"index": INDICES[:50]})
    score(file, out, ["accuracy"])
    again = tmp_path / "again"
    score(out, again, ["params"], ignore_extra=True)
    assert table(again)["index"].to_pylist() == INDICES[:50].tolist()


def test_long_row_groups_are_cut_for_memory_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("anb_onnx.scale_out.score_part._BATCH", 77)
    file, out = in_out(tmp_path, genes(CODES[:GROUP]))
    score(file, out, TARGETS)
    whole = tmp_path / "whole"
    monkeypatch.undo()
    score(file, whole, TARGETS)
    assert table(out).equals(table(whole))


MEASURED = """
import sys
from pathlib import Path
from anb_onnx.scale_out import score

source, out = sys.argv[1:]
score(source, out, ["accuracy", "latency_zcu102"], engine="numpy", threads=1)
(peak,) = (x for x in Path("/proc/self/status").read_text().splitlines() if "VmHWM" in x)
print(int(peak.split()[1]) // 1024)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_memory_does_not_grow_with_the_row_group(tmp_path: Path) -> None:
    peaks = []
    for rows in (300_000, 3_000_000):
        columns = {"index": np.arange(rows) * 30_011 % MNASNET.size}
        file = write(tmp_path / f"{rows}.parquet", columns, rows)
        command = [sys.executable, "-c", MEASURED, str(file), str(tmp_path / str(rows))]
        run = subprocess.run(command, capture_output=True, text=True, check=True)
        peaks.append(int(run.stdout))
    # In memory at once, the codes alone would take 108 MB more, and the output 65.
    assert peaks[1] < peaks[0] + 20, peaks


def test_a_space_beyond_64_bits_has_decimals(tmp_path: Path) -> None:
    columns = columns_of({"x": 2}, members=True, big=True)
    path = tmp_path / "x.parquet"
    indices = [str(FBNET.size), str(2**70)]
    values = np.zeros(2, np.float32)
    write_part(path, {"a": 1}, columns, [[np.array(indices), values, values, values, values]])
    assert parquet.read_table(path).to_pydict()["index"] == indices


def test_files_without_rows_and_odd_names(tmp_path: Path) -> None:
    folder = tmp_path / "in"
    schema = arrow.schema([("index", arrow.int64())])
    folder.mkdir()
    parquet.ParquetWriter(folder / "none.parquet", schema).close()  # no row group at all
    write(folder / "a.parquet.parquet", {"index": INDICES[:1]})
    write(folder / "a.parquet", {"index": INDICES[1:2]})
    write(folder / "a.b.parquet", {"index": INDICES[2:3]})
    write(folder / "a-ü 'x'.parquet", {"index": INDICES[3:4]})
    out = tmp_path / "out"
    assert score(folder, out, ["params"]) == Scored(5, 4, 0, 0)
    order = [name for name in contents(out) if name != COMPLETE]
    found = [parquet.read_table(out / name)["index"].to_pylist() for name in order]
    assert found == [[INDICES[3]], [INDICES[2]], [INDICES[1]], [INDICES[0]], []]


def test_command(
    source: Path, plain: dict[str, bytes], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    command = ["score", str(source), "--out", str(out)]
    command += ["--target", "accuracy", "--target", "latency_zcu102"]
    assert main([*command, "--progress"]) == 0
    printed, progress = capsys.readouterr()
    assert printed == (
        "2000 architectures in 10 parts: 0 were there already, 0 were damaged and made anew\n"
    )
    assert progress.splitlines()[-1].startswith("2,000 of 2,000 rows, 100 %")
    assert contents(out) == plain
    assert main([*command, "--workers", "2"]) == 2
    _, error = capsys.readouterr()
    assert error.startswith("anb-onnx: error: the local backend is this process alone")
