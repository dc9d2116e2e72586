"""`anb-onnx suggest` and `anb-onnx adapt`, as a person with a device uses them."""

from __future__ import annotations

import csv
import io
import json
import shlex
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import anb_onnx
from anb_onnx import MNASNET, NASBENCH201, AnbError
from anb_onnx.catalog.benchmarks import FOLDER_VARIABLE
from anb_onnx.cli.main import main
from anb_onnx.encoding.encoding import codes_to_indices
from anb_onnx.surrogate import Surrogate

PAIRS = Path(__file__).parent / "conformance" / "nasbench201-pairs"
#: A small space, and one source device.
SMALL = ("--artifacts", PAIRS)
LATENCY = ("--metric", "latency", "--unit", "ms", "--device", "my-phone")


class Shell:
    """Runs `main` and keeps what it wrote."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self._capsys = capsys

    def ok(self, *argv: object) -> str:
        code = main([str(part) for part in argv])
        out, err = self._capsys.readouterr()
        assert (code, err) == (0, "")
        return out

    def refused(self, *argv: object) -> str:
        assert main([str(part) for part in argv]) == 2
        out, err = self._capsys.readouterr()
        assert out == ""
        assert err.count("\n") == 1
        return err


@pytest.fixture
def shell(capsys: pytest.CaptureFixture[str]) -> Shell:
    return Shell(capsys)


@pytest.fixture(scope="module")
def edge() -> Surrogate:
    return anb_onnx.load("latency_edgegpu", path=PAIRS)


def rows(text: str) -> list[list[str]]:
    return list(csv.reader(io.StringIO(text)))


def measure(surrogate: Surrogate, path: Path, *, skip: tuple[int, ...] = ()) -> dict[int, float]:
    """Put values beside what `suggest` wrote: twice as slow, with some noise; return them."""
    header, *lines = rows(path.read_text())
    indices = np.array([int(line[0]) for line in lines])
    noise = np.random.default_rng(3).normal(1.0, 0.01, len(indices))
    values = np.round(2 * surrogate.query(indices).mean * noise, 3)
    for place, line in enumerate(lines):
        line.append("" if place in skip else str(values[place]))
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([[*header, "value"], *lines])
    return {
        int(index): float(value)
        for place, (index, value) in enumerate(zip(indices, values, strict=True))
        if place not in skip
    }


def test_suggest_writes_what_the_library_says(shell: Shell, tmp_path: Path) -> None:
    with anb_onnx.load("latency_edgegpu", path=PAIRS) as source:
        codes = anb_onnx.suggest(6, space=NASBENCH201, sources=[source], seed=4)
    header, *lines = rows(shell.ok("suggest", "-n", 6, "--seed", 4, *SMALL))
    assert header == ["index", "architecture", *NASBENCH201.gene_names]
    assert [int(line[0]) for line in lines] == codes_to_indices(codes, NASBENCH201).tolist()
    path = tmp_path / "to_measure.csv"
    out = shell.ok("suggest", "-n", 6, "--seed", 4, *SMALL, "--out", path)
    assert rows(path.read_text()) == [header, *lines]
    # The command that it names reads the file, in the same search space.
    measure(anb_onnx.load("latency_edgegpu", path=PAIRS), path)
    (line,) = [line for line in out.splitlines() if line.startswith("  anb-onnx adapt")]
    command = shlex.split(line)[1:]
    assert command[:4] == ["adapt", str(path), "--artifacts", str(PAIRS)]
    command[command.index("--out") + 1] = str(tmp_path / "my-device")
    assert "and 1 device that is known" in shell.ok(*command)


@pytest.mark.parametrize(
    "options",
    [
        ("--space", "nasbench201"),
        ("--benchmark", "accel-nasbench", "--source", "latency_zcu102"),
        ("--artifacts", "a folder", "--source", "latency_edgegpu"),
    ],
)
def test_suggest_names_the_options_that_it_had(
    shell: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: tuple[str, ...]
) -> None:
    shutil.copytree(PAIRS, tmp_path / "a folder")
    monkeypatch.chdir(tmp_path)
    out = shell.ok("suggest", "-n", 1, *options, "--out", "a.csv")
    assert f"anb-onnx adapt a.csv {shlex.join(options)} --device" in out


def test_suggest_names_none_that_is_measured(shell: Shell, tmp_path: Path, edge: Surrogate) -> None:
    path = tmp_path / "a.csv"
    shell.ok("suggest", "-n", 8, *SMALL, "--out", path)
    measured = measure(edge, path, skip=(2, 5))
    assert len(measured) == 6
    _, *lines = rows(shell.ok("suggest", "-n", 40, *SMALL, "--measured", path))
    again = {int(line[0]) for line in lines}
    assert len(again) == 40
    assert not again & measured.keys()
    err = shell.refused("suggest", *SMALL, "--measured", path, "--out", path)
    assert "would replace the measurements" in err


def test_from_suggestion_to_answers(shell: Shell, tmp_path: Path, edge: Surrogate) -> None:
    path, folder = tmp_path / "to_measure.csv", tmp_path / "my-phone"
    shell.ok("suggest", "-n", 12, *SMALL, "--out", path)
    measured = measure(edge, path, skip=(11,))
    out = shell.ok("adapt", path, *LATENCY, *SMALL, "--out", folder)
    assert "latency_my-phone: 11 architectures measured, and 1 device that is known" in out
    assert "1 row without a value was passed over" in out
    assert f"written: {folder / 'latency_my-phone.onnx'}" in out
    # The same bits as from Python.
    options: dict[str, Any] = {"metric": "latency", "unit": "ms", "device": "my-phone"}
    codes = np.arange(0, 15_625, 7)
    with (
        anb_onnx.adapt(
            np.array(list(measured)),
            list(measured.values()),
            space=NASBENCH201,
            sources=[edge],
            **options,
        ) as wanted,
        anb_onnx.load("latency_my-phone", path=folder) as found,
    ):
        expected, answered = wanted.query(codes, members=True), found.query(codes, members=True)
        assert answered.mean.tobytes() == expected.mean.tobytes()
        assert answered.std.tobytes() == expected.std.tobytes()
        left_out = wanted.metadata["quality"]["leave_one_out"]
    assert f"left out in turn  {left_out['spearman']:.3f}" in out
    # And the commands that it names do what they should.
    _, following = out.split("next:\n")
    commands = [shlex.split(line) for line in following.splitlines()]
    assert [command[:2] for command in commands] == [
        ["anb-onnx", "query"],
        ["anb-onnx", "optimum"],
    ]
    for command in commands:
        assert "latency_my-phone" in shell.ok(*command[1:])


def test_json_tells_what_the_artifact_does(shell: Shell, tmp_path: Path, edge: Surrogate) -> None:
    path, folder = tmp_path / "m.csv", tmp_path / "phone"
    shell.ok("suggest", "-n", 16, *SMALL, "--out", path)
    measured = measure(edge, path, skip=(0,))
    lines = path.read_text().splitlines()
    wrong = list(measured)[6]
    place = next(k for k, line in enumerate(lines) if line.startswith(f"{wrong},"))
    lines[place] = lines[place].replace(str(measured[wrong]), str(round(3 * measured[wrong], 3)))
    path.write_text("\n".join(lines))
    facts = json.loads(shell.ok("adapt", path, *LATENCY, *SMALL, "--out", folder, "--json"))
    assert facts["outliers"] == [{"line": place + 1, "index": wrong}]
    with anb_onnx.load("latency_my-phone", path=folder) as found:
        assert facts["leave_one_out"] == found.metadata["quality"]["leave_one_out"]
        for key in ("expected", "more", "noise", "notes", "sources"):
            assert facts[key] == found.metadata["adapted"][key]
    assert (facts["architectures"], facts["rows_without_value"]) == (15, 1)
    text = shell.ok("adapt", path, *LATENCY, *SMALL, "--out", folder)
    assert f"line {place + 1} (index {wrong}) looks like an outlier" in text


def test_an_own_device_is_a_source_for_the_next(
    shell: Shell, tmp_path: Path, edge: Surrogate
) -> None:
    path, old, new = tmp_path / "m.csv", tmp_path / "old", tmp_path / "new"
    shell.ok("suggest", "-n", 8, *SMALL, "--out", path)
    measure(edge, path)
    shell.ok("adapt", path, *LATENCY, *SMALL, "--out", old)
    options = ("--metric", "latency", "--unit", "us", "--device", "next", "--json")
    facts = json.loads(shell.ok("adapt", path, *options, *SMALL, "--with", old, "--out", new))
    assert facts["sources"] == ["latency_edgegpu", "latency_my-phone"]
    one = ("--source", "latency_my-phone")
    facts = json.loads(shell.ok("adapt", path, *options, *SMALL, *one, "--with", old, "--out", new))
    assert facts["sources"] == ["latency_my-phone"]


def test_a_space_without_devices(
    shell: Shell, tmp_path: Path, edge: Surrogate, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "m.csv"
    shell.ok("suggest", "-n", 10, *SMALL, "--out", path)
    measure(edge, path)
    # No benchmark of the space is there.
    monkeypatch.setenv(FOLDER_VARIABLE, str(PAIRS.parent / "fbnet-sparse"))
    out = shell.ok("adapt", path, *LATENCY, "--space", "nasbench201", "--out", tmp_path / "own")
    assert "10 architectures measured, and no other device" in out
    assert "note: no source devices" in out


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("good") / "good.csv"
    path.write_text("index,value\n5,2.5\n7,4.5\n15000,9.25\n")
    return path


CELLS: dict[str, tuple[str, str]] = {
    "zero": ("5,1.5\n7,0\n90,3\n", "line 3, values: 0.0 is not allowed"),
    "negative": ("5,\n7,1\n90,-3\n", "line 4, values: -3.0 is not allowed"),
    "contradiction": ("5,1\n7,1.5\n9,3\n\n5,4\n", "line 2 and line 6 are of the same architecture"),
    "too few": ("5,1\n7,1.5\n9,\n", "2 distinct architectures were measured, at least 3"),
    "none": ("", "0 distinct architectures were measured, at least 3"),
}


@pytest.mark.parametrize("name", CELLS)
def test_values_that_are_refused_by_line(shell: Shell, tmp_path: Path, name: str) -> None:
    lines, words = CELLS[name]
    path = tmp_path / "m.csv"
    path.write_text(f"index,value\n{lines}")
    assert words in shell.refused("adapt", path, *LATENCY, *SMALL, "--out", tmp_path / "out")
    assert not (tmp_path / "out").exists()


OPTIONS: dict[str, tuple[list[str], str]] = {
    "unit": (["--unit", "images/s"], "unit 'images/s' does not fit metric 'latency'"),
    "metric": (["--metric", "size"], "--direction"),
    "direction": (["--direction", "max"], "contradicts metric 'latency'"),
    "source": (["--source", "latency_edge"], "did you mean 'latency_edgegpu'"),
    "space": (["--space", "mnasnet"], "--space and --artifacts cannot both"),
    "folder": (["--out", "{room}/My Phone"], "a letter or digit first, as in --out my-phone/"),
    "device": (["--device", "a/b"], "makes no name of a file"),
    "column": (["--value-column", "ms"], "column 'ms', of the measured values, is missing"),
    "seed": (["--seed", "-1"], "seed must be an integer >= 0, not -1"),
}


@pytest.mark.parametrize("name", OPTIONS)
def test_options_that_are_refused(shell: Shell, tmp_path: Path, good: Path, name: str) -> None:
    options, words = OPTIONS[name]
    placed = [part.replace("{room}", str(tmp_path)) for part in options]
    argv = ["adapt", good, *LATENCY, *SMALL, "--out", tmp_path / "out", *placed]
    assert words in shell.refused(*argv)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        (["-n", "-1"], "n must be a number of architectures"),
        (["-n", "501"], "n must be a number of architectures from 0 to 500, not 501"),
        (["--seed", "-1"], "seed must be an integer >= 0, not -1"),
        (["--measured", "none.csv"], "none.csv cannot be read"),
    ],
)
def test_suggestions_that_are_refused(shell: Shell, argv: list[str], words: str) -> None:
    assert words in shell.refused("suggest", *argv, *SMALL)


@pytest.mark.parametrize(
    "options", [{"seed": -1}, {"seed": 1.5}, {"seed": None}, {"space": "mnasnet"}], ids=str
)
def test_odd_arguments_are_errors_of_ours(options: dict[str, Any], edge: Surrogate) -> None:
    with pytest.raises(AnbError, match=next(iter(options))):
        anb_onnx.suggest(3, **{"space": NASBENCH201, "sources": [edge], **options})
    if "seed" in options:
        with pytest.raises(AnbError, match="seed must be an integer"):
            anb_onnx.adapt(
                np.array([5, 7, 90]),
                [1.0, 2.0, 3.0],
                metric="latency",
                unit="ms",
                space=NASBENCH201,
                sources=[edge],
                **options,
            )


@pytest.mark.parametrize("out", ["", "a file", "Capital"])
def test_what_is_no_folder_for_a_benchmark_is_refused(
    shell: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, good: Path, out: str
) -> None:
    place = tmp_path / "here"
    place.mkdir()
    monkeypatch.chdir(place)
    Path("a file").write_text("mine")
    words = "it is no folder" if out == "a file" else "the folder is called as the benchmark"
    err = shell.refused("adapt", good, *LATENCY, *SMALL, "--out", out)
    assert f"--out {out!r}: {words}" in err
    assert [path.name for path in place.iterdir()] == ["a file"]


def test_measurements_from_standard_input(
    shell: Shell, tmp_path: Path, good: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    piped = io.TextIOWrapper(io.BytesIO(good.read_bytes()))
    monkeypatch.setattr("sys.stdin", piped)
    facts = json.loads(shell.ok("adapt", "-", *LATENCY, *SMALL, "--out", tmp_path / "a", "--json"))
    assert facts["architectures"] == 3


def test_the_installed_devices_are_the_sources(shell: Shell, tmp_path: Path) -> None:
    path = tmp_path / "to_measure.csv"
    shell.ok("suggest", "-n", 10, "--out", path)
    header = rows(path.read_text())[0]
    assert header == ["index", *MNASNET.gene_names]
    with anb_onnx.load("throughput_a100") as a100:
        measure(a100, path)
    target = ("--metric", "throughput", "--unit", "images/s", "--device", "card")
    facts = json.loads(shell.ok("adapt", path, *target, "--out", tmp_path / "card", "--json"))
    assert len(facts["sources"]) > 5
    assert facts["direction"] == "max"
    assert facts["leave_one_out"]["spearman"] > 0.9
    out = shell.ok("adapt", path, *target, "--out", tmp_path / "card")
    assert f"--with {tmp_path / 'card'} --where 'throughput_card>=" in out
