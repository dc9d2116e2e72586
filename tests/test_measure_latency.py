"""examples/measure: timing that can be interrupted, its files, and what is made of the runs.

No test looks at how long anything took, but for the order of the extremes.
"""

from __future__ import annotations

import csv
import functools
import itertools
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from measure_room import FOLDER, LARGEST, SMALLEST, example

import anb_onnx
from anb_onnx import MNASNET

CODES = anb_onnx.sample(3, seed=1, space=MNASNET)
#: Small images: what is tested does not depend on it.
QUICK = ("--side", "32", "--runs", "2", "--warm-up", "0", "--rounds", "2")


def start(script: str, *args: object) -> subprocess.Popen[str]:
    example("mnasnet_onnx")  # or skip
    command = [sys.executable, str(FOLDER / script), *map(str, args)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def run(*args: object, code: int = 0) -> str:
    """Run measure.py as a user does, and return what it says on standard error."""
    with start("measure.py", *args) as process:
        _, said = process.communicate(timeout=300)
    assert process.returncode == code, said
    return said


def table(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def journal_of(out: Path) -> list[dict[str, Any]]:
    lines = Path(f"{out}.journal").read_text("utf-8").splitlines()
    return [json.loads(line) for line in lines]


@pytest.fixture
def listed(tmp_path: Path) -> Path:
    path = tmp_path / "to_measure.csv"
    example("tables").write_architectures(path, CODES)
    return path


def test_the_extremes_differ(tmp_path: Path) -> None:
    """The largest network has ten times the operations of the smallest one."""
    listed, out = tmp_path / "to_measure.csv", tmp_path / "measured.csv"
    codes = np.array([LARGEST.codes, SMALLEST.codes], dtype=np.uint8)
    example("tables").write_architectures(listed, codes)
    run("--architectures", listed, "--out", out, "--runs", 3, "--rounds", 2)
    large, small = (float(row["value"]) for row in table(out))
    assert large > small > 0


def test_what_is_written(listed: Path, tmp_path: Path) -> None:
    out = tmp_path / "measured.csv"
    assert run("--architectures", listed, "--out", out, *QUICK, "--progress").count("\n") > 1
    rows = table(out)
    assert list(rows[0]) == [*MNASNET.gene_names, "value", "std", "repeats"]
    assert all(float(r["value"]) > 0 <= float(r["std"]) and r["repeats"] == "2" for r in rows)
    codes, value, std, repeats = example("tables").read_measured(out)
    np.testing.assert_array_equal(codes, CODES)
    assert value.shape == std.shape == (3,)
    assert repeats == 2
    head, *visits = journal_of(out)
    assert head["side"] == 32
    assert sorted((v["round"], v["row"]) for v in visits) == [
        (r, i) for r in (0, 1) for i in range(3)
    ]
    assert all(len(v["ms"]) == 2 and min(v["ms"]) > 0 for v in visits)


def test_more_rounds_add_to_what_was_measured(listed: Path, tmp_path: Path) -> None:
    out = tmp_path / "measured.csv"
    run("--architectures", listed, "--out", out, *QUICK)
    before = journal_of(out)
    run("--architectures", listed, "--out", out, *QUICK, "--rounds", 3)
    assert journal_of(out)[: len(before)] == before
    assert len(journal_of(out)) == 1 + 3 * 3
    assert {row["repeats"] for row in table(out)} == {"3"}


def test_half_a_line_is_measured_again(listed: Path, tmp_path: Path) -> None:
    out = tmp_path / "measured.csv"
    run("--architectures", listed, "--out", out, *QUICK)
    journal = Path(f"{out}.journal")
    whole = journal.read_bytes()
    journal.write_bytes(whole[:-7])
    run("--architectures", listed, "--out", out, *QUICK)
    lines = journal.read_bytes().splitlines()
    assert lines[:-1] == whole.splitlines()[:-1]
    last = json.loads(lines[-1])
    assert (last["round"], last["row"]) == tuple(journal_of(out)[-1][k] for k in ("round", "row"))
    assert len(lines) == 1 + 2 * 3


@pytest.mark.skipif(os.name == "nt", reason="Windows sends no SIGINT to one process")
def test_ctrl_c_leaves_whole_rounds(listed: Path, tmp_path: Path) -> None:
    out = tmp_path / "measured.csv"
    args = ("--architectures", listed, "--out", out, *QUICK, "--rounds", 10_000)
    with start("measure.py", *args) as process:
        while not out.exists() and process.poll() is None:
            time.sleep(0.01)
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=300)
    assert process.returncode == 130, said
    assert said == "\nmeasure.py: stopped; the same command goes on\n"
    visits = journal_of(out)[1:]
    (repeats,) = {int(row["repeats"]) for row in table(out)}
    assert 2 <= repeats <= len(visits) / 3 < repeats + 2
    assert not list(tmp_path.glob(".*"))


def test_a_journal_of_something_else_is_refused(listed: Path, tmp_path: Path) -> None:
    out = tmp_path / "measured.csv"
    run("--architectures", listed, "--out", out, *QUICK)
    before = out.read_bytes()
    said = run("--architectures", listed, "--out", out, *QUICK, "--threads", 2, code=2)
    assert "its 'threads' is 1, now it is 2; remove it or give another --out" in said
    example("tables").write_architectures(listed, CODES[:2])
    said = run("--architectures", listed, "--out", out, *QUICK, code=2)
    assert "its 'architectures' is" in said
    Path(f"{out}.journal").write_text("{}\n[]\n")
    said = run("--architectures", listed, "--out", out, *QUICK, code=2)
    assert "is no journal of this example" in said
    assert out.read_bytes() == before


@pytest.mark.parametrize(
    ("option", "value", "message"),
    [
        ("--rounds", 1, "rounds is 1; it must be at least 2"),
        ("--runs", 0, "runs is 0; it must be at least 1"),
        ("--threads", 0, "threads is 0; it must be at least 1"),
        ("--side", 16, "side is 16; it must be at least 32"),
    ],
)
def test_settings_are_checked(
    listed: Path, tmp_path: Path, option: str, value: int, message: str
) -> None:
    said = run(
        "--architectures", listed, "--out", tmp_path / "m.csv", *QUICK, option, value, code=2
    )
    assert message in said
    assert said.count("\n") == 1


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a,b\n1,2\n", "line 2: column 'block0_e' is missing; `anb-onnx suggest"),
        ("index\n7\n7\n", "line 3: the architecture of line 2"),
        ("index\n-1\n", "line 2: index -1 is out of range"),
        ("index\nx\n", "line 2: invalid literal"),
        ("index\n", "there is no architecture to measure"),
        (None, "cannot be read"),
    ],
    ids=["columns", "twice", "range", "text", "nothing", "no file"],
)
def test_tables_are_checked(tmp_path: Path, text: str | None, message: str) -> None:
    path = tmp_path / "to_measure.csv"
    if text is not None:
        path.write_text(text)
    said = run("--architectures", path, "--out", tmp_path / "m.csv", *QUICK, code=2)
    assert message in said


def test_genes_and_indices_are_read_alike(tmp_path: Path) -> None:
    tables = example("tables")
    by_gene, by_index = tmp_path / "a.csv", tmp_path / "b.csv"
    tables.write_architectures(by_gene, CODES)
    indices = anb_onnx.codes_to_indices(CODES, MNASNET)
    by_index.write_text("index,why\n" + "".join(f"{i},x\n" for i in indices))
    for path in (by_gene, by_index):
        np.testing.assert_array_equal(tables.read_architectures(path), CODES)
    by_gene.write_text(by_gene.read_text().replace("False", "no", 1))
    with pytest.raises(anb_onnx.AnbError, match=r"line \d: .*'no'"):
        tables.read_architectures(by_gene)


def test_neighbours_on_the_machine_do_not_move_the_decile() -> None:
    """Half of the visits take half as long again: the median moves, the decile does not."""
    summary = example("latency").summary
    rng = np.random.default_rng(0)
    true = np.linspace(2, 30, 10)
    times = true[:, None, None] * (1 + 0.01 * rng.random((10, 24, 5)))
    times[:, ::2] *= 1.5
    value, std, repeats = summary(times)
    assert repeats == 24
    assert np.abs(value / true - 1).max() < 0.01
    median, spread, _ = summary(times, "median")
    assert (median / true - 1).min() > 0.1
    assert (spread > 1.5 * std).all()
    with pytest.raises(anb_onnx.AnbError, match="'mean'; it must be one of decile, median"):
        summary(times, "mean")


def test_the_standard_error_is_that_of_the_value() -> None:
    """Of values drawn again and again, within a third: a bootstrap is no more exact than that."""
    summary = example("latency").summary
    rng = np.random.default_rng(0)
    times = 10 + rng.normal(size=(400, 25, 1))
    for statistic in ("decile", "median"):
        value, std, repeats = summary(times, statistic)
        assert np.mean(std) / np.sqrt(repeats) == pytest.approx(np.std(value), rel=0.33)


def test_orders_visit_all_and_differ() -> None:
    orders = [example("latency")._order(20, number, 0) for number in range(5)]
    assert all(sorted(order) == list(range(20)) for order in orders)
    assert len({tuple(order) for order in orders}) == 5


def test_the_clock_is_the_one_asked_for(
    listed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    latency = example("latency")
    assert latency.CLOCKS["thread"] is time.thread_time_ns
    for number, clock in enumerate(latency.CLOCKS, start=3):
        ticks = itertools.count(step=number * 10**6)
        monkeypatch.setitem(latency.CLOCKS, clock, functools.partial(next, ticks))
    for clock, taken in (("wall", 3.0), ("thread", 4.0)):
        settings = latency.Settings(side=32, runs=2, clock=clock)
        assert latency.visit(SMALLEST, settings) == ([taken, taken], None)
    args = ("--architectures", listed, "--out", tmp_path / "m.csv", *QUICK, "--clock", "thread")
    said = run(*args, "--threads", 2, code=2)
    assert "clock is 'thread', which sees one thread, and threads is 2" in said
    run(*args)
    assert all(float(row["value"]) > 0 for row in table(tmp_path / "m.csv"))
