"""The commands `anb-onnx sweep` and `anb-onnx merge`."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from sweep_cases import symbols_of

import anb_onnx
from anb_onnx.cli.main import main
from anb_onnx.sweep import Shards, read_partial

FOLDER = Path(__file__).parent / "conformance" / "large-block"


class Shell:
    """Runs commands on a small benchmark."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self._capsys = capsys

    def __call__(self, *argv: str | Path) -> tuple[int, str, str]:
        try:
            code = main([str(a) for a in argv])
        except SystemExit as leave:
            code = int(leave.code or 0)
        return (code, *self._capsys.readouterr())

    def sweep(self, *argv: str | Path) -> str:
        return self.ok("sweep", "latency", "--artifacts", FOLDER, *argv)

    def ok(self, *argv: str | Path) -> str:
        code, out, err = self(*argv)
        assert (code, err) == (0, "")
        return out

    def fails(self, *argv: str | Path) -> str:
        code, out, err = self(*argv)
        assert (code, out) == (2, "")
        assert err.startswith("anb-onnx: error: ")
        assert err.count("\n") == 1
        return err


@pytest.fixture
def shell(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Shell:
    # Shards of 8 architectures: the space has 2,400.
    monkeypatch.setattr("anb_onnx.cli.sweep.Shards", lambda space: Shards(space, 8))
    return Shell(capsys)


def values() -> np.ndarray[tuple[int], np.dtype[np.float32]]:
    ensemble = anb_onnx.load("latency", path=FOLDER, engine="numpy")._ensemble
    assert ensemble is not None
    return ensemble.predict(symbols_of(ensemble.space))[0]


def test_a_sweep_in_parts_is_merged_to_the_whole(shell: Shell, tmp_path: Path) -> None:
    whole, a, b, out = (tmp_path / name for name in ("whole", "a", "b", "out"))
    mark = str(values()[5])
    options = ("--bins", "50", "--landmark", mark)
    text = shell.sweep("--out", whole, *options)
    assert "2400 architectures of large counted, every one" in text
    assert "missing" not in text
    assert "missing: shards 0:100" in shell.sweep("--out", b, "--shards", "100:300", *options)
    text = shell.sweep("--out", a, "--indices", "0:800", "--threads", "1", *options)
    assert "800 architectures of large counted, 100 of 300 shards" in text
    assert shell.ok("merge", b, a, "--out", out) == shell.ok("merge", whole)
    assert out.read_bytes() == whole.read_bytes()
    # What a pass counts again is what the whole has.
    found = read_partial(whole)
    assert found.counts.tolist() == np.histogram(values(), found.grid.edges)[0].tolist()
    assert found.subject.target == "latency"
    assert found.subject.unit == "ms"
    assert found.grid.landmarks == (float(np.float32(mark)),)
    artifact = anb_onnx.Catalog.read(FOLDER).find("latency")
    assert found.subject.sha256 == artifact.sha256
    # The grid reaches from the least float32 to the largest, whose shortest decimals are printed.
    low, high = (float(str(end)) for end in (values().min(), values().max()))
    lines = [line.split() for line in shell.ok("merge", whole).splitlines()]
    first = next(line for line in lines if line[0] == "0")
    last = next(line for line in lines if line[0] == "1")
    assert float(first[1]) <= low <= float(first[2]) + 1e-6
    assert float(last[1]) - 1e-6 <= high <= float(last[2]) + 1e-6


def test_a_sweep_goes_on_where_it_ended(shell: Shell, tmp_path: Path) -> None:
    path = tmp_path / "counts"
    shell.sweep("--out", path, "--shards", "0:7")
    assert "20 of 300 shards" in shell.sweep("--out", path, "--shards", "0:20")
    assert "missing: shards 20:300" in shell.ok("merge", path, "--incomplete")
    error = shell.fails("sweep", "latency", "--artifacts", FOLDER, "--out", path, "--bins", "9")
    assert "has grid: bins 4096, this sweep 9; continue it with the same" in error
    error = shell.fails("sweep", "energy", "--artifacts", FOLDER, "--out", path)
    assert "has target 'latency', this sweep 'energy'" in error


def test_merge_refuses_gaps_and_overlaps(shell: Shell, tmp_path: Path) -> None:
    a, b = tmp_path / "a", tmp_path / "b"
    shell.sweep("--out", a, "--shards", "0:7")
    shell.sweep("--out", b, "--shards", "6:9")
    error = shell.fails("merge", a, b)
    assert f"shards 6:7 would be counted twice: {a} and {b} have them" in error
    assert "shards 7:300 are missing; sweep them with --shards" in shell.fails("merge", a)
    assert "cannot be read" in shell.fails("merge", a, tmp_path / "none")
    b.write_bytes(a.read_bytes()[:-1])
    assert f"{b}: not a file of anb-onnx sweep" in shell.fails("merge", b)


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("x.parquet", []),
        ("x.parquet", ["--csv"]),
        ("x.json", ["--csv"]),
        ("x.csv", ["--json"]),
        ("x.md", []),
        ("x.txt", []),
        ("x.counts.gz", []),
    ],
)
def test_no_suffix_lies(name: str, options: list[str], shell: Shell, tmp_path: Path) -> None:
    path, out = tmp_path / "counts", tmp_path / name
    shell.sweep("--out", path, "--bins", "5")
    assert "the suffix" in shell.fails("merge", path, *options, "--out", out)
    if not options:
        error = shell.fails("sweep", "latency", "--artifacts", FOLDER, "--out", out)
        assert "would be in it, counts" in error
    assert not out.exists()
    whole = tmp_path / "whole.counts"
    shell.ok("merge", path, "--out", whole)
    assert whole.read_bytes() == path.read_bytes()


def test_the_distribution_as_json_and_csv(shell: Shell, tmp_path: Path) -> None:
    path, out = tmp_path / "counts", tmp_path / "out.json"
    ordered = np.sort(values())
    low, high = str(ordered[10]), str(ordered[-20])
    text = shell.sweep("--out", path, "--low", low, "--high", high, "--bins", "5")
    assert [line.split() for line in text.splitlines() if line.split()[0] == "0"] == [
        ["0", "-", "-"]
    ]
    assert "mean" not in text
    assert shell.ok("merge", path, "--json", "--out", out) == ""
    document = json.loads(out.read_text())
    assert document == json.loads(shell.ok("merge", path, "--json"))
    before = out.read_bytes()
    assert shell.ok("merge", path, "--out", out) == ""  # its suffix says as much
    assert out.read_bytes() == before
    assert (document["below"], document["above"], document["total"]) == (10, 19, 2400)
    edges, counts = document["edges"], document["counts"]
    assert counts == np.histogram(values(), np.array(edges, np.float32))[0].tolist()
    rows = list(csv.DictReader(shell.ok("merge", path, "--csv").splitlines()))
    assert [int(row["count"]) for row in rows] == [10, *counts, 19]
    assert [np.float32(row["from"]) for row in rows[1:]] == [np.float32(edge) for edge in edges]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--shards", "3"), "--shards must be two numbers A:B, not '3'"),
        (("--shards", "3:x"), "--shards must be two numbers A:B"),
        (("--shards", "5:301"), "shards 5:301 are not a range of those"),
        (("--indices", "8:20"), "the last number, 20, is on no border"),
        (("--indices", "8:20"), "the nearest is 16"),
        (("--low", "nan"), "low must be a finite float32"),
        (("--low", "1e39"), "low must be a finite float32"),
        (("--landmark", "1e9"), "landmark 1000000000.0 is outside the bins"),
        (("--bins", "0"), "bins must be a number from 1"),
        (("--threads", "0"), "threads must be a positive integer"),
    ],
)
def test_a_wrong_option_is_refused(
    shell: Shell, tmp_path: Path, options: tuple[str, str], message: str
) -> None:
    path = tmp_path / "counts"
    error = shell.fails("sweep", "latency", "--artifacts", FOLDER, "--out", path, *options)
    assert message in error
    assert not path.exists()


def test_what_cannot_be_written_is_refused_before_the_work(shell: Shell, tmp_path: Path) -> None:
    error = shell.fails("sweep", "latency", "--artifacts", FOLDER, "--out", tmp_path)
    assert "cannot write" in error


def test_artifacts_without_tables_are_refused(shell: Shell, tmp_path: Path) -> None:
    from small_artifact import write_catalog

    folder = write_catalog(tmp_path / "trees")
    error = shell.fails("sweep", "accuracy", "--artifacts", folder, "--out", tmp_path / "x")
    assert "table form" in error


def test_progress_is_shown_where_it_is_asked_for(shell: Shell, tmp_path: Path) -> None:
    code, _, err = shell(
        "sweep", "latency", "--artifacts", FOLDER, "--out", tmp_path / "x", "--progress"
    )
    assert code == 0
    assert err.endswith("\n")
    assert err.splitlines()[-1].startswith("2,400 of 2,400 architectures, 100 %")
