"""`anb-onnx shortlist`: what to measure, and what is best once it was measured."""

from __future__ import annotations

import csv
import io
import json
import sys
from pathlib import Path

import numpy as np
import pytest
from small_artifact import write_catalog
from tools import need_tool

import anb_onnx
from anb_onnx import NASBENCH201, Problem, search
from anb_onnx.cli.main import main
from anb_onnx.search.verification import Rule

PAIRS = Path(__file__).parent / "conformance" / "nasbench201-pairs"
LATENCY = "latency_edgegpu"
LIMIT = 4.0
#: The question, with a search that takes no time.
ASKED = ["accuracy", "--where", f"{LATENCY}<={LIMIT}", "--measure", LATENCY]
ASKED += ["--artifacts", str(PAIRS)]
QUICK = [*ASKED, "--budget", "110"]


class Shell:
    """Runs `anb-onnx shortlist` and keeps what it wrote."""

    def __init__(self, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
        self._capsys, self._monkeypatch = capsys, monkeypatch

    def _run(self, command: str, argv: tuple[object, ...], stdin: str) -> tuple[int, str, str]:
        given = io.TextIOWrapper(io.BytesIO(stdin.encode()))
        self._monkeypatch.setattr(sys, "stdin", given)
        code = main([command, *map(str, argv)])
        return code, *self._capsys.readouterr()

    def ok(self, *argv: object, command: str = "shortlist", stdin: str = "") -> str:
        code, out, err = self._run(command, argv, stdin)
        assert (code, err) == (0, "")
        return out

    def refused(self, *argv: object, stdin: str = "") -> str:
        code, out, err = self._run("shortlist", argv, stdin)
        assert (code, out, err.count("\n")) == (2, "", 1)
        return err


@pytest.fixture
def shell(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Shell:
    return Shell(capsys, monkeypatch)


@pytest.fixture(scope="module")
def problem() -> Problem:
    return Problem("accuracy", [(LATENCY, "<=", LIMIT)], path=PAIRS)


def rows(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def indices(text: str) -> list[int]:
    return [int(row["index"]) for row in rows(text)]


def filled(text: str, values: dict[str, list[object]]) -> str:
    """Put columns of measurements beside what the command wrote."""
    table = rows(text)
    for name, column in values.items():
        for row, value in zip(table, column, strict=True):
            row[name] = str(value)
    stream = io.StringIO()
    writer = csv.DictWriter(stream, table[0])
    writer.writeheader()
    writer.writerows(table)
    return stream.getvalue()


@pytest.mark.parametrize("rule", ["interval", "mean", None])
def test_the_list_is_that_of_the_library(shell: Shell, problem: Problem, rule: str | None) -> None:
    asked = [] if rule is None else ["--rule", rule]
    found = rows(shell.ok(*QUICK, *asked, "--seed", 3, "-k", 4, "--csv"))
    candidates = search.regularized_evolution(problem, budget=110, rng=3).codes
    kind: Rule = "mean" if rule == "mean" else "interval"
    expected = search.verify_top(problem, candidates, 4, measure=LATENCY, rule=kind)
    assert len(found) == 4
    own = anb_onnx.codes_to_indices(expected.codes, NASBENCH201).tolist()
    assert [int(row["index"]) for row in found] == own
    assert [float(row["worth"]) for row in found] == pytest.approx(expected.worth, rel=1e-6)
    answer = anb_onnx.load(LATENCY, path=PAIRS).query(expected.codes)
    lower, upper = answer.interval(0.9)
    for form, values in {"mean": answer.mean, "lower": lower, "upper": upper}.items():
        assert [np.float32(row[f"{LATENCY}_{form}"]) for row in found] == values.tolist()
    assert "accuracy_mean" in found[0]
    assert "accuracy_lower" not in found[0]  # taken for true
    assert found[0]["architecture"].startswith("|")


def test_of_several_targets_it_is_about_a_front(shell: Shell) -> None:
    argv = ["accuracy", LATENCY, "--measure", LATENCY, "--artifacts", PAIRS, "--budget", 300]
    found = indices(shell.ok(*argv, "-k", 3, "--csv"))
    problem = Problem(["accuracy", LATENCY], path=PAIRS)
    drawn = search.random_search(problem, budget=300, rng=0).codes
    expected = search.verify_top(problem, drawn, 3, measure=LATENCY).codes
    assert found == anb_onnx.codes_to_indices(expected, NASBENCH201).tolist()
    assert found != indices(shell.ok(*argv, "-k", 3, "--csv", "--rule", "interval"))


def test_what_was_measured_comes_back(shell: Shell, problem: Problem, tmp_path: Path) -> None:
    path = tmp_path / "short.csv"
    said = shell.ok(*QUICK, "-k", 4, "--out", path)
    assert f"a column '{LATENCY}' [ms] of {path}" in said
    # The second is not measured; the first is too slow after all.
    first = indices(path.read_text())
    path.write_text(filled(path.read_text(), {LATENCY: [LIMIT + 0.5, "", 3.5, 3.75]}))
    measured = [first[0], first[2], first[3]]
    times = {LATENCY: [LIMIT + 0.5, 3.5, 3.75]}
    checked = search.verified(problem, measured, times)
    best = checked.best
    assert best is not None
    document = json.loads(shell.ok(*QUICK, "-k", 3, "--known", path, "--json"))
    assert document["measured"] == 3
    [told] = document["best"]
    assert told["index"] == measured[best]
    assert told["values"][LATENCY] == times[LATENCY][best]
    after = [item["index"] for item in document["shortlist"]]
    assert not {*after} & {*measured}
    candidates = search.regularized_evolution(problem, budget=110, rng=0).codes
    expected = search.verify_top(problem, candidates, 3, measure=LATENCY, known=checked)
    assert after == anb_onnx.codes_to_indices(expected.codes, NASBENCH201).tolist()
    text = shell.ok(*QUICK, "-k", 1, "--known", "-", stdin=path.read_text())
    assert f"best of 3 measured: {measured[best]} (accuracy " in text


def test_several_targets_are_measured(shell: Shell, tmp_path: Path) -> None:
    argv = [*QUICK, "--measure", "accuracy", "-k", 3]
    given = shell.ok(*argv, "--csv")
    first, second = tmp_path / "1.csv", tmp_path / "2.csv"
    text = filled(given, {"accuracy": [90, 91, 92], LATENCY: [3, 9, 9]})
    header, *lines = text.splitlines()
    first.write_text("\n".join([header, *lines[:2]]))
    second.write_text("\n".join([header, *lines[2:]]))
    said = shell.ok(*argv, "--known", first, "--known", second)
    assert f"best of 3 measured: {indices(given)[0]} (accuracy 90 %, {LATENCY} 3 ms)" in said
    first.write_text(filled(given, {"accuracy": [90, 91, 92], LATENCY: [3, "", 9]}))
    assert f"line 3: column '{LATENCY}' is empty, but 'accuracy' is not" in shell.refused(
        *argv, "--known", first
    )
    assert "--value-column 'v' is of one target" in shell.refused(
        *argv, "--known", first, "--value-column", "v"
    )


def test_none_may_keep_the_limits(shell: Shell, tmp_path: Path) -> None:
    path = tmp_path / "measured.csv"
    path.write_text("index,value\n700,9.5\n5,8\n")
    argv = [*QUICK, "-k", 1, "--known", path, "--value-column", "value"]
    assert "of 2 measured, none keeps all limits" in shell.ok(*argv)
    assert json.loads(shell.ok(*argv, "--json"))["best"] == []


@pytest.mark.parametrize("suffix", [".csv", ".json", ".jsonl", ".parquet"])
def test_candidates_are_read_as_query_reads_them(shell: Shell, tmp_path: Path, suffix: str) -> None:
    if suffix == ".parquet":
        need_tool("pyarrow")
    names = [700, 5, 12_000, 8_213, 234]
    path = tmp_path / f"short{suffix}"
    lines = "".join(f"{name}\n" for name in names)
    shell.ok(*ASKED, "--file", "-", "-k", 5, "--out", path, stdin=lines)
    place = ["--artifacts", PAIRS, "--target", "accuracy", "--csv"]
    listed = indices(shell.ok("--file", path, *place, command="query"))
    assert sorted(listed) == sorted(names)
    again = indices(shell.ok(*ASKED, "--file", path, "-k", 2, "--csv"))
    assert {*again} <= {*names}


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (["--measure", "macs"], "--measure 'macs': it is one of what is asked about, accuracy, "),
        (["--measure", LATENCY], f"--measure '{LATENCY}' is given twice"),
        (["--where", "speed<=5"], "--where 'speed<=5': unknown target 'speed'"),
        (["-k", 0], "-k is an integer >= 1, not 0"),
        (["--budget", 20, "-k", 21], "-k 21: there are 20 different candidates; give"),
        (["--budget", 70_000], "--budget is an integer from 1 to 65536"),
        (["--seed", -1], "--seed is an integer >= 0, not -1"),
        (["--file", "x.csv"], "--budget is of the search for candidates, and --file says"),
        (["--value-column", "v"], "--value-column is of the files of --known"),
        (["--known", "x.csv", "--out", "x.csv"], "--out 'x.csv' would replace what is read"),
        (["--interval", 2], "--interval: level must be above 0 and below 1"),
        (["--known", "none.csv"], "none.csv cannot be read"),
    ],
)
def test_what_is_wrong_is_said(shell: Shell, argv: list[object], said: str) -> None:
    assert said in shell.refused(*QUICK, *argv)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("index,value\n5,3\n", f"column '{LATENCY}', of the measured values, is missing"),
        (f"index,{LATENCY}\n5,nan\n", "line 2, column 'latency_edgegpu': the value must be a"),
        (f"index,{LATENCY}\n5,inf\n", "line 2, column 'latency_edgegpu': the value must be a"),
        (f"index,{LATENCY}\n5,\n", f"no row has a value in column '{LATENCY}'"),
        (f"index,{LATENCY}\n5,3\n7,4\n5,9\n", "line 4: the architecture with index 5 was"),
        (f"block0_e,{LATENCY}\n1,3\n", "column 'index' is missing"),
        (f"index,block0_e,{LATENCY}\n7,1,3\n", "'block0_e' is a gene of search space 'mnasnet'"),
        (f"index,{LATENCY},other\n5,3,4\n", "unknown column 'other'; --ignore-extra passes"),
    ],
)
def test_measurements_that_are_none(shell: Shell, text: str, said: str) -> None:
    error = shell.refused(*QUICK, "--known", "-", stdin=text)
    assert "standard input" in error or "'-'" in error
    assert said in error


def test_candidates_that_are_none(shell: Shell, tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_text("block0_e,block0_k\n1,3\n")
    assert "column 'edge_1_0' is missing" in shell.refused(*ASKED, "--file", path)
    path.write_text("index\n5\n7\n5\n")
    assert "-k 3: there are 2 different candidates;" in shell.refused(
        *ASKED, "--file", path, "-k", 3
    )
    known = f"index,{LATENCY}\n5,3.5\n"
    argv = [*ASKED, "--file", path, "--known", "-", "-k"]
    assert "1 different candidates that were not measured yet" in shell.refused(
        *argv, 2, stdin=known
    )
    assert indices(shell.ok(*argv, 1, "--csv", stdin=known)) == [7]
    assert "standard input is named twice" in shell.refused(*argv, 1, "--file", "-")


def test_without_intervals_there_is_the_rule_of_means(shell: Shell, tmp_path: Path) -> None:
    place = ["--artifacts", write_catalog(tmp_path), "--budget", 9, "-k", 2]
    argv = ["accuracy", "--measure", "accuracy", *place]
    assert "--measure 'accuracy': its artifact has no calibration" in shell.refused(*argv)
    found = rows(shell.ok(*argv, "--rule", "mean", "--csv"))
    assert [row["accuracy_upper"] for row in found] == ["", ""]
    assert " -  " in shell.ok(*argv, "--rule", "mean")
