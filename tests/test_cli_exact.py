"""The commands that answer for a whole space, against all architectures of one."""

from __future__ import annotations

import csv
import io
import json
import os
import signal
import subprocess
import sys
from importlib import import_module
from itertools import pairwise, product
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pytest
from numpy.typing import NDArray

import anb_onnx
from anb_onnx import MNASNET, NASBENCH201, Architecture
from anb_onnx.cli.main import main
from anb_onnx.cli.proven import Conditions, better_than, plain, proof_of_optimum
from anb_onnx.exact import Certificate, Optimum, Rank, Solution
from anb_onnx.spaces.mnasnet import to_lists
from anb_onnx.sweep.run import Progress

FOLDER = Path(__file__).resolve().parent / "conformance" / "nasbench201-pairs"
ACCURACY, LATENCY = "accuracy", "latency_edgegpu"
Floats = NDArray[np.float32]


class Shell(Protocol):
    def __call__(self, *argv: object, code: int = 0) -> str: ...


@pytest.fixture
def shell(capsys: pytest.CaptureFixture[str]) -> Shell:
    """Run a command: what it prints, or, where it is to fail, the one line of its error."""

    def call(*argv: object, code: int = 0) -> str:
        try:
            found = main([str(a) for a in argv])
        except SystemExit as leave:  # argparse
            found = int(leave.code or 0)
        out, err = capsys.readouterr()
        assert found == code, err
        if code == 0:
            assert err == ""
            return out
        assert out == ""
        assert err.startswith("anb-onnx: error: ")
        assert err.count("\n") == 1
        return err

    return call


class Space:
    """All 15,625 architectures of the small space, and their means."""

    def __init__(self) -> None:
        self.codes = anb_onnx.indices_to_codes(np.arange(15_625), NASBENCH201)
        self.means = {
            name: anb_onnx.load(name, path=FOLDER).query_codes(self.codes).mean
            for name in (ACCURACY, LATENCY)
        }
        assert anb_onnx.load(ACCURACY, path=FOLDER).target.direction == "max"
        assert anb_onnx.load(LATENCY, path=FOLDER).target.direction == "min"

    def order(self, name: str, fits: NDArray[np.bool_], *, largest: bool) -> list[int]:
        """Indices of those that fit, best first, equal ones by index."""
        values = -self.means[name] if largest else self.means[name]
        found = np.flatnonzero(fits)
        return [int(i) for i in found[np.lexsort((found, values[found]))]]


@pytest.fixture(scope="module")
def everything() -> Space:
    return Space()


def gene(space: Space, name: str, *values: object) -> NDArray[np.bool_]:
    position = NASBENCH201.positions[name]
    choices: list[object] = [*NASBENCH201.genes[position].choices]
    return np.isin(space.codes[:, position], [choices.index(value) for value in values])


GENES = NASBENCH201.gene_names
KINDS = NASBENCH201.genes[0].choices
AT = ("--artifacts", FOLDER)


def test_the_best_with_conditions_are_those_of_all_architectures(
    shell: Shell, everything: Space
) -> None:
    level = float(np.median(everything.means[LATENCY]))
    fits = (everything.means[LATENCY] <= level) & gene(everything, GENES[2], *KINDS[1:3])
    out = shell(
        "optimum", ACCURACY, "--k", 7, "--where", f"{LATENCY} <= {level!r}",
        "--gene", f"{GENES[2]}={KINDS[1]},{KINDS[2]}", "--json", *AT,
    )  # fmt: skip
    found = json.loads(out)
    best = everything.order(ACCURACY, fits, largest=True)[:7]
    assert [item["index"] for item in found["solutions"]] == best
    for index, item in zip(best, found["solutions"], strict=True):
        assert item["architecture"] == Architecture.from_index(index, space=NASBENCH201).to_values()
        assert item["values"].keys() == {ACCURACY, LATENCY}
        for name, value in item["values"].items():
            assert np.float32(value) == everything.means[name][index]
    assert np.float32(found["bound"]) == everything.means[ACCURACY][best[0]]
    assert found["constraints"] == [
        {"target": LATENCY, "operator": "<=", "value": level, "unit": "ms"}
    ]
    assert found["genes"] == {GENES[2]: [*KINDS[1:3]]}
    certificate = found["certificate"]
    assert certificate["nodes"] > certificate["leaves"] >= 7
    assert np.float32(certificate["root_bound"]) >= np.float32(found["bound"])
    assert certificate["margin"] >= 0
    assert certificate["margin_source"]


def test_the_worst(shell: Shell, everything: Space) -> None:
    every = np.ones(15_625, dtype=np.bool_)
    for name, largest in ((ACCURACY, False), (LATENCY, True)):
        found = json.loads(shell("optimum", name, "--worst", "--k", 3, "--json", *AT))
        indices = [item["index"] for item in found["solutions"]]
        assert indices == everything.order(name, every, largest=largest)[:3]
        assert found["direction"] == ("max" if largest else "min")


def test_all_that_are_good_enough(shell: Shell, everything: Space) -> None:
    every = np.ones(15_625, dtype=np.bool_)
    order = everything.order(LATENCY, every, largest=False)
    value = float(everything.means[LATENCY][order[40]])
    out = shell("optimum", LATENCY, "--better-than", repr(value), "--csv", *AT)
    rows = list(csv.DictReader(io.StringIO(out)))
    wanted = [i for i in order if everything.means[LATENCY][i] <= value]
    assert [int(row["index"]) for row in rows] == wanted
    assert len(wanted) >= 41
    for row, index in zip(rows, wanted, strict=True):
        assert np.float32(row[f"{LATENCY}_mean"]) == everything.means[LATENCY][index]
        architecture = Architecture.from_index(index, space=NASBENCH201)
        assert [row[name] for name in GENES] == [*architecture.to_values().values()]
    error = shell("optimum", LATENCY, "--better-than", repr(value), "--limit", 40, *AT, code=2)
    assert "more than 40 architectures" in error
    # The worst, by the same words.
    out = shell("optimum", ACCURACY, "--better-than", "98.78", "--worst", "--json", *AT)
    found = json.loads(out)
    assert found["better_than"] == 98.78
    wanted = everything.order(ACCURACY, everything.means[ACCURACY] <= 98.78, largest=False)
    assert [item["index"] for item in found["solutions"]] == wanted
    assert len(wanted) > 10


def test_the_table_and_its_proof(shell: Shell, everything: Space) -> None:
    lines = shell("optimum", ACCURACY, "--k", 2, *AT).splitlines()
    best = everything.order(ACCURACY, np.ones(15_625, np.bool_), largest=True)[:2]
    assert lines[0].split() == ["architecture", "accuracy", "[%]", "values", "of", "the", "genes"]
    for index, line in zip(best, lines[1:3], strict=True):
        number_, value, values = line.split(maxsplit=2)
        assert int(number_) == index
        assert np.float32(value) == everything.means[ACCURACY][index]
        # What it prints names the architecture.
        again = shell("query", values, "--target", ACCURACY, "--csv", *AT)
        assert again.splitlines()[1].split(",")[0] == str(index)
    assert lines[3] == ""
    assert lines[4].startswith(
        "proven of the surrogate: of 15,625 architectures, none but these has a higher accuracy "
        "than the last of them ("
    )
    assert len(lines) == 5


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        (["optimum", LATENCY], ", none has a lower latency_edgegpu ("),
        (["optimum", ACCURACY, "--worst"], ", none has a lower accuracy ("),
        (
            [
                "optimum",
                ACCURACY,
                "--where",
                f"{LATENCY}<=1.010",
                "--gene",
                f"{GENES[0]}={KINDS[0]}",
            ],
            f"of 3,125 architectures with {GENES[0]} = {KINDS[0]}, none with {LATENCY} <= 1.01 ms "
            "has a higher accuracy (",
        ),
        (
            ["optimum", ACCURACY, "--better-than", "1e3"],
            ", these 0 and no others have accuracy >= 1000 % (",
        ),
        (
            ["pareto", ACCURACY, LATENCY, "--where", "accuracy>=98.9"],
            " and no others are dominated by none with accuracy >= 98.9 % (",
        ),
    ],
)
def test_what_is_proven_in_words(shell: Shell, argv: list[str], words: str) -> None:
    assert words in shell(*argv, *AT).splitlines()[-1]


@pytest.mark.parametrize(
    ("ties", "all_ties", "words"),
    [(0, True, " a higher accuracy ("), (3, True, "; 3 more have exactly its ("),
     (10_000, False, "; at least 10,000 more have exactly its (")],
)  # fmt: skip
def test_ties_in_words(ties: int, all_ties: bool, words: str) -> None:
    certificate = Certificate(10, 2, 1, 1.0, 1e-12, "rounding alone")
    best = (Solution(Architecture.from_index(0, space=NASBENCH201), 1.0),)
    found = Optimum("accuracy", "%", "max", best, 1.0, ties, all_ties, 10, certificate)
    assert words in proof_of_optimum(found, Conditions(NASBENCH201, (), {}))


def dominated(a: Floats, b: Floats) -> NDArray[np.bool_]:
    """Which of all are dominated: a is to be large, b small."""
    distinct, group = np.unique(-a, return_inverse=True)
    least = np.full(len(distinct), np.inf, dtype=np.float32)
    np.minimum.at(least, group, b)
    before = np.concatenate([[np.inf], np.minimum.accumulate(least)[:-1]])
    return (b > least[group]) | (b >= before[group])


def test_a_front_is_that_of_all_architectures(
    shell: Shell, everything: Space, tmp_path: Path
) -> None:
    accuracy, latency = everything.means[ACCURACY], everything.means[LATENCY]
    wanted = np.flatnonzero(~dominated(accuracy, latency))
    path = tmp_path / "front.csv"
    out = shell("pareto", ACCURACY, LATENCY, "--out", path, *AT)
    assert out.startswith("proven of the surrogate: of 15,625 architectures, ")
    assert out.count("\n") == 1
    rows = list(csv.DictReader(io.StringIO(path.read_text())))
    assert {int(row["index"]) for row in rows} == {*wanted.tolist()}
    assert len(rows) == len(wanted) > 10
    for row in rows:
        assert np.float32(row["accuracy_mean"]) == accuracy[int(row["index"])]
        assert np.float32(row[f"{LATENCY}_mean"]) == latency[int(row["index"])]
    values = [float(row["accuracy_mean"]) for row in rows]
    assert all(a >= b for a, b in pairwise(values))
    # JSON says the same, and more.
    found = json.loads(shell("pareto", ACCURACY, LATENCY, "--json", *AT))
    assert [item["index"] for item in found["front"]] == [int(row["index"]) for row in rows]
    assert found["ideal"] == [values[0], float(rows[-1][f"{LATENCY}_mean"])]
    assert found["nadir"] == [values[-1], float(rows[0][f"{LATENCY}_mean"])]
    assert found["certificate"]["root_bound"] is None
    assert found["targets"][1] == {"target": LATENCY, "unit": "ms", "direction": "min"}


def test_a_front_of_three_targets(shell: Shell) -> None:
    """Of the 1,728 architectures that differ from EfficientNet-B0 in the last two blocks."""
    b0 = anb_onnx.efficientnet_b0().to_values()
    fixed = {name: value for name, value in b0.items() if name[5] < "5"}
    genes = [f"--gene={name}={value}" for name, value in fixed.items()]
    names = ("accuracy", "macs", "latency_vck190")
    found = json.loads(shell("pareto", *names, *genes, "--json"))
    last = [gene.choices for gene in MNASNET.genes[20:]]
    architectures = [
        Architecture([*fixed.values(), *values], space=MNASNET) for values in product(*last)
    ]
    codes = np.array([a.codes for a in architectures], dtype=np.uint8)
    assert len(codes) == 1_728
    costs = np.stack([anb_onnx.load(name).query_codes(codes).mean for name in names], axis=1)
    costs[:, 0] *= -1
    best = [
        architecture.index
        for architecture, cost in zip(architectures, costs, strict=True)
        if not ((costs <= cost).all(axis=1) & (costs < cost).any(axis=1)).any()
    ]
    assert sorted(item["index"] for item in found["front"]) == sorted(best)
    assert len(best) > 20
    assert all(item["values"].keys() == {*names} for item in found["front"])
    assert [target["direction"] for target in found["targets"]] == ["max", "min", "min"]


@pytest.mark.parametrize(
    "command", [["optimum", ACCURACY, "--k", "4"], ["pareto", ACCURACY, LATENCY]]
)
def test_csv_is_read_again(shell: Shell, tmp_path: Path, command: list[str]) -> None:
    path = tmp_path / "found.csv"
    shell(*command, "--out", path, *AT)
    rows = list(csv.DictReader(io.StringIO(path.read_text())))
    again = shell("query", "--file", path, "--ignore-extra", "--target", ACCURACY, "--csv", *AT)
    answers = list(csv.DictReader(io.StringIO(again)))
    assert len(answers) == len(rows) > 3
    for row, answer in zip(rows, answers, strict=True):
        assert (row["index"], row["accuracy_mean"]) == (answer["index"], answer["accuracy_mean"])


def test_mnasnet_is_shown_by_its_lists(shell: Shell) -> None:
    out = shell("optimum", ACCURACY, "--gene", "block0_se=true", "--gene", "block1_e=1,4")
    header, row, _, proof = out.splitlines()
    assert header.split() == [
        "architecture",
        "accuracy",
        "[%]",
        "expansion",
        "kernel",
        "layers",
        "se",
    ]
    cells = row.split()
    expansion, se = cells[2:9], cells[23:30]
    assert expansion[1] in ("1", "4")
    assert se[0] == "1"
    index = int(cells[0])
    lists = to_lists(Architecture.from_index(index, space=MNASNET))
    assert [int(v) for values in lists.values() for v in values] == [*map(int, cells[2:])]
    # Half of them have block0_se, and two of three expansions.
    assert f"of {104_485_552_128 // 3:,} architectures with block0_se = True and " in proof


def test_named_architectures_go_by_their_name(shell: Shell) -> None:
    b0 = anb_onnx.efficientnet_b0()
    genes = [f"--gene={name}={value}" for name, value in b0.to_values().items()]
    assert shell("optimum", ACCURACY, *genes).splitlines()[1].startswith("efficientnet-b0 ")


def test_an_output_for_a_file_leaves_the_old_one_where_nothing_is_found(
    shell: Shell, tmp_path: Path
) -> None:
    path = tmp_path / "best.json"
    path.write_text("old")
    error = shell("optimum", ACCURACY, "--where", f"{LATENCY}<=0.001", "--out", path, *AT, code=2)
    assert "no architecture has latency_edgegpu <= 0.001 ms: the nearest has " in error
    assert path.read_text() == "old"
    shell("optimum", ACCURACY, "--out", path, *AT)
    assert json.loads(path.read_text())["target"] == ACCURACY


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        (["optimum", "acuracy"], "unknown target 'acuracy' (did you mean 'accuracy'?)"),
        (["optimum", ACCURACY, "--where", "latency_edgegp<=5"],
         "--where 'latency_edgegp<=5': unknown target 'latency_edgegp' (did you mean"),
        (["optimum", ACCURACY, "--k", "0"], "k must be an integer from 1 to 100000, not 0"),
        (["optimum", ACCURACY, "--k", "2", "--better-than", "5"], "not allowed with argument --k"),
        (["optimum", ACCURACY, "--limit", "5"], "--limit is of --better-than"),
        (["optimum", ACCURACY, "--better-than", "5 %"], "--better-than '5 %': the value must be"),
        (["optimum", ACCURACY, "--gene", "x=1"], "there is no gene 'x'"),
        (["pareto", ACCURACY], "a front is of two targets, or three, not of 1"),
        (["pareto", *"abcd"], "a front is of two targets, or three, not of 4"),
        (["pareto", ACCURACY, ACCURACY], "target 'accuracy' is given twice"),
        (["pareto", ACCURACY, LATENCY, "--plot", "x.jpg"],
         "--plot 'x.jpg': the suffix must be one of .png, .svg, .pdf"),
        (["pareto", ACCURACY, LATENCY, "macs", "--plot", "x.png"],
         "--plot draws fronts of two targets, not of 3"),
        (["rank", ACCURACY, "efficientnet-b0"], "no architecture; give"),
    ],
)  # fmt: skip
def test_errors_of_the_user(shell: Shell, argv: list[str], words: str) -> None:
    assert words in shell(*argv, *AT, code=2)


def test_what_is_no_sum_of_tables_is_refused(shell: Shell, tmp_path: Path) -> None:
    from small_artifact import write_catalog

    folder = write_catalog(tmp_path / "trees")
    error = shell("optimum", ACCURACY, "--artifacts", folder, code=2)
    assert "is an artifact of form 'trees'; only sums of tables can be searched exactly" in error


def rank_of(better: int, equal: int, total: int) -> Rank:
    return Rank("accuracy", "%", 1.0, 1 + better, better, equal, total)


@pytest.mark.parametrize(
    ("better", "equal", "total", "share"),
    [
        (0, 1, 1, "0 %"),
        (99, 1, 100, "0 %"),
        (98, 1, 100, "1.00 %"),
        (0, 1, 3, "66.66 %"),  # never rounded up
        (0, 1, 10_000, "99.99 %"),
        (0, 1, 10**6, "99.9999 %"),
        (20, 1, 10**12, "99.999999997 %"),
        (10**6 - 2, 1, 10**6, "0.0001 %"),
        (0, 3, 9**22, "99.9999999999999999996 %"),
    ],
)
def test_better_than_so_many(better: int, equal: int, total: int, share: str) -> None:
    assert better_than(rank_of(better, equal, total)) == share


@pytest.mark.parametrize(
    ("value", "text"), [(5.0, "5"), (0.1, "0.1"), (68.4731234, "68.4731234"), (1e22, "1e+22")]
)
def test_numbers_as_people_write_them(value: float, text: str) -> None:
    assert plain(value) == text
    assert float(text) == value


def test_rank_among_all_architectures(shell: Shell, everything: Space) -> None:
    means = everything.means[LATENCY]
    order = everything.order(LATENCY, np.ones(15_625, np.bool_), largest=False)
    indices = [order[0], order[777], order[-1]]
    found = json.loads(shell("rank", LATENCY, *indices, "--json", *AT))
    rows = list(csv.DictReader(io.StringIO(shell("rank", LATENCY, *indices, "--csv", *AT))))
    table = shell("rank", LATENCY, *indices, *AT).splitlines()
    for index, item, row, line in zip(indices, found, rows, table[1:], strict=True):
        better, equal = int((means < means[index]).sum()), int((means == means[index]).sum())
        assert (item["rank"], item["better"], item["equal"]) == (1 + better, better, equal)
        assert (item["total"], item["unit"]) == (15_625, "ms")
        assert np.float32(item["mean"]) == means[index]
        assert {key: str(value) for key, value in item.items()} == row
        share = better_than(rank_of(better, equal, 15_625))
        assert line.split()[:5] == [str(index), LATENCY, row["mean"], "ms", f"{1 + better:,}"]
        assert line.endswith(f"{share} of all 15,625")


def test_progress_of_counting(
    everything: Space, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Where nothing is listed every architecture is counted, and that is shown if asked for."""
    monkeypatch.setattr("anb_onnx.exact.ranks._MOST_LISTED", 1)
    argv = ["rank", ACCURACY, "1234", "--progress", "--threads", "1", "--csv", *map(str, AT)]
    assert main(argv) == 0
    out, err = capsys.readouterr()
    means = everything.means[ACCURACY]
    (row,) = csv.DictReader(io.StringIO(out))
    assert int(row["better"]) == int((means > means[1234]).sum())
    assert err.splitlines()[-1].startswith("15,625 of 15,625 architectures, 100 %")


@pytest.mark.skipif(os.name == "nt", reason="Windows sends Ctrl-C to whole process groups")
def test_ctrl_c_in_the_middle_of_a_search() -> None:
    code = (
        "import sys\n"
        "from anb_onnx.cli.main import main\n"
        "from anb_onnx.exact.search import Search\n"
        "run = Search.run\n"
        "def endless(self, corners, room, most=None):\n"
        "    print('ready', flush=True)\n"
        "    while True:\n"  # every architecture is good enough, and none is enough
        "        run(self, corners * 0 + 2**62, room)\n"
        "Search.run = endless\n"
        "sys.exit(main(sys.argv[1:]))\n"
    )
    command = [sys.executable, "-c", code, "optimum", ACCURACY, "--out", os.devnull]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline() == b"ready\n"
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 130
        assert process.stderr.read() == b""


def test_commands_of_one_architecture_do_not_import_numba() -> None:
    code = (
        "import sys; from anb_onnx.cli.main import main\n"
        "main(['query', 'efficientnet-b0', '--target', 'accuracy'])\n"
        "print(sorted({'numba', 'matplotlib'} & set(sys.modules)))"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.splitlines()[-1] == "[]"


def test_long_counting_is_told(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a target that was saved nothing is proven; where nobody looks at a bar a line says so."""
    ranks = import_module("anb_onnx.exact.ranks")

    for total, lines in ((10**11, 1), (15_625, 0)):

        def rank(*_: Any, progress: Any, total: int = total, **__: Any) -> Rank:
            for done in (0, 1, 2):
                progress(Progress(done, 0, total, 1.0))
            return Rank("macs", "M", 1.0, 1, 0, 1, total)

        monkeypatch.setattr(ranks, "rank", rank)
        assert main(["rank", "macs", "5", "7"]) == 0
        err = capsys.readouterr().err
        assert err.count("anb-onnx: counting 100,000,000,000 architectures") == lines
        assert err.count("\n") == lines
