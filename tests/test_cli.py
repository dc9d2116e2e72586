import array
import csv
import io
import json
import os
import re
import shutil
import signal
import stat
import subprocess
import sys
import threading
from pathlib import Path
from typing import IO, Any

import numpy as np
import pytest
from small_artifact import N_MEMBERS, SMALL_TARGETS, expected, seed_of, write_catalog

import anb_onnx
from anb_onnx import MNASNET, efficientnet_b0, sample
from anb_onnx.catalog.benchmarks import FOLDER_VARIABLE
from anb_onnx.cli import query
from anb_onnx.cli.main import main
from anb_onnx.spaces.architecture import Architecture
from anb_onnx.spaces.mnasnet import to_lists

B0 = efficientnet_b0()
LISTS = [*to_lists(B0).values()]
CODES = sample(20, seed=8, space=MNASNET)
ARCHITECTURES = [Architecture.from_codes(row, space=MNASNET) for row in CODES.tolist()]
INDICES = [a.index for a in ARCHITECTURES]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_catalog(tmp_path_factory.mktemp("artifacts"))


@pytest.fixture(autouse=True)
def _small(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(FOLDER_VARIABLE, str(folder))


class Shell:
    """Runs `main` and keeps what it wrote."""

    def __init__(self, capsys: pytest.CaptureFixture[str], patch: pytest.MonkeyPatch) -> None:
        self._capsys = capsys
        self._patch = patch

    def __call__(self, *argv: str | Path, stdin: str | bytes = b"") -> tuple[int, str, str]:
        raw = stdin.encode() if isinstance(stdin, str) else stdin
        self._patch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(raw)))
        try:
            code = main([str(a) for a in argv])
        except SystemExit as leave:  # argparse: help, version, wrong usage
            code = int(leave.code or 0)
        out, err = self._capsys.readouterr()
        return code, out, err

    def ok(self, *argv: str | Path, stdin: str | bytes = b"") -> str:
        code, out, err = self(*argv, stdin=stdin)
        assert (code, err) == (0, "")
        return out

    def fails(self, *argv: str | Path, stdin: str | bytes = b"", code: int = 2) -> str:
        found, out, err = self(*argv, stdin=stdin)
        assert found == code
        assert err.startswith("anb-onnx: error: ")
        assert err.count("\n") == 1
        assert out == ""
        return err


@pytest.fixture
def shell(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Shell:
    return Shell(capsys, monkeypatch)


def indices_of(text: str) -> list[int]:
    return [item["index"] for item in json.loads(text)]


def test_targets(shell: Shell) -> None:
    lines = [line.split() for line in shell.ok("targets").splitlines()]
    assert lines[0] == ["target", "metric", "device", "unit", "better", "members"]
    assert lines[1] == ["accuracy", "accuracy", "-", "%", "higher", "3"]
    assert lines[4] == ["latency_zcu102", "latency", "zcu102", "ms", "lower", "3"]
    rows = json.loads(shell.ok("targets", "--json"))
    assert [row["name"] for row in rows] == list(SMALL_TARGETS)
    assert rows[0]["device"] is None


@pytest.mark.parametrize(
    "text",
    [
        "efficientnet-b0",
        str(B0.index),
        B0.to_json(),
        json.dumps(LISTS),
        str(LISTS),  # as Python writes it, with True for true
        json.dumps(dict(zip(("expansion", "kernel", "layers", "se"), LISTS, strict=True))),
        f" {B0.index} ",
    ],
)
def test_query_one_architecture(shell: Shell, text: str) -> None:
    out = shell.ok("query", text, "--target", "accuracy")
    mean, std, _ = expected(B0.codes)
    lines = [line.split() for line in out.splitlines()]
    numbers = ["mean", "lower", "upper", "std", "predictive_std"]
    assert lines[0] == ["architecture", "target", *numbers, "unit"]
    assert lines[1][:2] == ["efficientnet-b0", "accuracy"]
    assert np.float32(lines[1][2]) == np.float32(mean)
    assert float(lines[1][5]) == pytest.approx(std, rel=1e-6)
    assert lines[1][7:] == ["%"]
    assert len(lines) == 2


def test_query_asks_all_targets_unless_told(shell: Shell) -> None:
    table = [line.split() for line in shell.ok("query", "0", "5").splitlines()[1:]]
    assert [line[:2] for line in table] == [[i, t] for i in ("0", "5") for t in SMALL_TARGETS]
    out = shell.ok("query", "0", "--target", "latency_zcu102", "--target", "accuracy", "--csv")
    assert out.splitlines()[0].split(",") == ["index", *columns("latency_zcu102", "accuracy")]


def columns(*targets: str) -> list[str]:
    forms = ("mean", "std", "predictive_std", "lower", "upper")
    return [f"{target}_{form}" for target in targets for form in forms]


def test_json_and_csv_hold_the_exact_float32_values(shell: Shell) -> None:
    texts = [str(i) for i in INDICES]
    options = ["--target", "throughput_a100", "--members"]
    seed = seed_of("throughput_a100")
    found = json.loads(shell.ok("query", *texts, *options, "--json"))
    rows = list(csv.DictReader(io.StringIO(shell.ok("query", *texts, *options, "--csv"))))
    assert len(found) == len(rows) == len(CODES)
    for item, row, architecture in zip(found, rows, ARCHITECTURES, strict=True):
        mean, _, members = expected(architecture.codes, seed)
        assert item["index"] == int(row["index"]) == architecture.index
        assert item["architecture"] == architecture.to_values()
        values = item["predictions"]["throughput_a100"]
        assert values["unit"] == "images/s"
        assert np.float32(values["mean"]) == np.float32(mean)
        assert np.float32(row["throughput_a100_mean"]) == np.float32(mean)
        assert [np.float32(m) for m in values["members"]] == [np.float32(m) for m in members]
        assert [
            np.float32(row[f"throughput_a100_member_{i}"]) for i in range(N_MEMBERS)
        ] == [np.float32(m) for m in members]  # fmt: skip
        # Shortest decimals, not the long ones of the float64 next to a float32.
        assert len(str(values["mean"])) <= 10


def test_members_in_the_table(shell: Shell) -> None:
    lines = shell.ok("query", "0", "--target", "accuracy", "--members").splitlines()
    assert lines[0].split()[8:] == [f"member_{i}" for i in range(N_MEMBERS)]
    assert [float(v) for v in lines[1].split()[8:]] == expected([0] * 28)[2]


def csv_text(columns: list[str], rows: list[list[Any]]) -> str:
    stream = io.StringIO()
    csv.writer(stream).writerows([columns, *rows])
    return stream.getvalue()


GENE_ROWS = [list(a.to_values().values()) for a in ARCHITECTURES]
NAMES = list(MNASNET.gene_names)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.json", json.dumps([a.to_values() for a in ARCHITECTURES])),
        ("b.json", json.dumps(INDICES)),
        ("c.json", "\n".join(a.to_json() for a in ARCHITECTURES)),
        ("d.jsonl", "\n".join(map(str, INDICES)) + "\n\n"),
        ("e.csv", csv_text(NAMES, GENE_ROWS)),
        ("f.csv", csv_text(["index"], [[i] for i in INDICES])),
        ("g.CSV", "\ufeff" + csv_text(NAMES[::-1], [row[::-1] for row in GENE_ROWS])),
        ("h.csv", csv_text(NAMES, [[str(v).lower() for v in row] for row in GENE_ROWS])),
        (
            "i.csv",
            csv_text(NAMES, [[v if v is True or v is False else f"{v}.0" for v in row]
                             for row in GENE_ROWS]),
        ),
        (
            "j.json",
            json.dumps([*INDICES[:10], *[a.to_values() for a in ARCHITECTURES[10:19]],
                        [*to_lists(ARCHITECTURES[19]).values()]]),
        ),
    ],
)  # fmt: skip
@pytest.mark.parametrize("stdin", [False, True])
def test_files_and_standard_input(
    shell: Shell, tmp_path: Path, name: str, content: str, stdin: bool
) -> None:
    if stdin:
        out = shell.ok("query", "--file", "-", "--json", stdin=content)
    else:
        (tmp_path / name).write_text(content, encoding="utf-8")
        out = shell.ok("query", "--file", tmp_path / name, "--json")
    assert indices_of(out) == INDICES


@pytest.mark.parametrize("content", [B0.to_json(), json.dumps(LISTS), '"efficientnet-b0"'])
def test_a_file_may_hold_one_architecture(shell: Shell, content: str) -> None:
    assert indices_of(shell.ok("query", "--file", "-", "--json", stdin=content)) == [B0.index]


@pytest.mark.parametrize("content", ["[]", "index\n", ",".join(NAMES) + "\n"])
@pytest.mark.parametrize("shape", ["--json", "--csv", "--members"])
def test_no_architectures_give_no_rows(shell: Shell, content: str, shape: str) -> None:
    out = shell.ok("query", "--file", "-", shape, stdin=content)
    assert (json.loads(out) == []) if shape == "--json" else (out.count("\n") == 1)


def test_arguments_come_before_files_in_order(shell: Shell, tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text("[3, 4]")
    (tmp_path / "b.csv").write_text("index\n5\n")
    out = shell.ok(
        "query", "1", "--file", tmp_path / "a.json", "2", "--file", tmp_path / "b.csv", "--json"
    )
    assert indices_of(out) == [1, 2, 3, 4, 5]


@pytest.mark.parametrize("columns", ["genes", "index"])
def test_parquet(shell: Shell, tmp_path: Path, columns: str) -> None:
    pyarrow = pytest.importorskip("pyarrow", reason="the parquet extra is not installed")
    parquet = pytest.importorskip("pyarrow.parquet", reason="pyarrow was built without Parquet")
    data = (
        {"index": INDICES}
        if columns == "index"
        else {name: [row[i] for row in GENE_ROWS] for i, name in enumerate(NAMES)}
    )
    path = tmp_path / "a.parquet"
    parquet.write_table(pyarrow.table(data), path)
    assert indices_of(shell.ok("query", "--file", path, "--json")) == INDICES
    parquet.write_table(pyarrow.table({**data, "note": ["x"] * len(INDICES)}), path)
    assert "'note'" in shell.fails("query", "--file", path)
    given = ["--index-column", "index"] if columns == "index" else []
    out = shell.ok("query", "--file", path, "--json", "--ignore-extra", *given)
    assert indices_of(out) == INDICES
    path.write_bytes(b"no parquet")
    assert "not readable as Parquet" in shell.fails("query", "--file", path)


def test_parquet_without_pyarrow_names_the_command(
    shell: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    error = shell.fails("query", "--file", tmp_path / "a.parquet")
    assert "pip install 'anb-onnx[parquet]'" in error


def test_unknown_columns_are_refused_unless_ignored(shell: Shell) -> None:
    content = csv_text([*NAMES, "note"], [[*row, "x"] for row in GENE_ROWS])
    assert "unknown column 'note'" in shell.fails("query", "--file", "-", stdin=content)
    out = shell.ok("query", "--file", "-", "--ignore-extra", "--json", stdin=content)
    assert indices_of(out) == INDICES


WRONG_ROW = csv_text(NAMES, [*GENE_ROWS[:2], [7, *GENE_ROWS[2][1:]]])


@pytest.mark.parametrize(
    ("content", "parts"),
    [
        (WRONG_ROW, ["standard input: line 4", "'block0_e'", "'7'", "1, 4, 6"]),
        (csv_text(NAMES[1:], []), ["column 'block0_e' is missing"]),
        (csv_text([*NAMES, "block0_e"], []), ["'block0_e' occurs twice"]),
        ("index\n1\n2,3\n", ["line 3: 2 cells, the header has 1"]),
        ("index\nx\n", ["line 2", "'x' is not an integer"]),
        (f"index\n{MNASNET.size}\n", ["line 2", str(MNASNET.size), "out of range"]),
        ('index\n"1\n', ["not valid CSV"]),
        ("", ["column 'block0_e' is missing"]),
        ("foo\n", ["line 1: 'foo' is no architecture"]),
        ("foo,bar\n", ["column 'block0_e' is missing"]),
        ("{", ["not valid JSON"]),
        ("[1, 2", ["not valid JSON"]),
        ("1\n2\nx\n", ["line 3: 'x' is no architecture"]),
        ("[1, -1]", ["item 2: index -1 is out of range"]),
        ("1\n-1\n", ["line 2: '-1' is no architecture"]),
        ('[{"block0_e": 1}]', ["item 1", "missing gene 'block0_k'"]),
        ('[{"a": 1, "a": 2}]', ["key 'a' stands twice"]),
        ("[1.5]", ["item 1: 1.5 is no architecture"]),
        ("[true]", ["item 1: true is no architecture"]),
        ("[null]", ["item 1: null is no architecture"]),
        ("[" * 100_000, ["not valid JSON"]),
        ("index\n\u00e9\n".encode("latin-1"), ["not UTF-8"]),
    ],
)
def test_wrong_files_are_refused_with_the_place(
    shell: Shell, content: str | bytes, parts: list[str]
) -> None:
    error = shell.fails("query", "--file", "-", stdin=content)
    for part in parts:
        assert part in error


@pytest.mark.parametrize(
    ("argv", "parts"),
    [
        (["query"], ["no architectures given"]),
        (["query", "foo"], ["'foo' is no architecture", "efficientnet-b0"]),
        (["query", "-1"], ["'-1' is no architecture", "an index from 0 to 104485552127"]),
        (["query", "[1, 2]"], ["is no architecture"]),
        (["query", "[[1],[3],[1],[true]]"], ["expansion"]),
        (["query", "{}"], ["missing gene 'block0_e'"]),
        (["query", "0", "--target", "acuracy"], ["did you mean 'accuracy'"]),
        (["query", "0", "--target", "throughput"], ["valid devices: a100, tpuv2"]),
        (["query", "0", "--target", "accuracy", "--target", "accuracy"], ["given twice"]),
        (["query", "0", "--threads", "0"], ["threads must be a positive integer"]),
        (["query", "0", "--threads", "x"], ["--threads", "anb-onnx query --help"]),
        (["query", "0", "--json", "--csv"], ["not allowed with"]),
        (["query", "--file", "none.csv"], ["none.csv cannot be read (No such file"]),
        (["query", "--file", "a.dat"], ["'.dat'", "--in-format"]),
        (["query", "0", "--format", "csv"], ["--in-format csv", "there is none; --out-format {"]),
        (["query", "-", "--file", "-"], ["standard input is named twice"]),
        (["query", "--file", "-", "--format", "parquet"], ["does not begin as such"]),
        (["query", "0", "--interval", "1"], ["--interval: level must be above 0 and below 1"]),
        (["query", "0", "--out", "x.csv", "--json"], ["'x.csv' says csv", "json was asked for"]),
        (["query", "0", "--out", "x.csv.gz"], ["nothing is compressed here"]),
        (["query", "0", "--out", "x.dat"], ["'.dat' tells no format", ".parquet"]),
        (["query", "0", "--model", "none.onnx"], ["none.onnx cannot be read"]),
        (
            ["query", "0", "--out", "no/such/folder/x.csv"],
            ["cannot write no/such/folder/x.csv (No"],
        ),
        (["sample", "-1"], ["n is an integer >= 0"]),
        (["sample", "x"], ["invalid int value: 'x'"]),
        (["sample", "1", "--seed", "-1"], ["seed"]),
        (["info", "foo"], ["unknown target 'foo'"]),
        (["foo"], ["invalid choice: 'foo'"]),
        ([], ["required: COMMAND"]),
        (["query", "0", "--targ", "accuracy"], ["--targ"]),
    ],
)
def test_errors_of_the_user_are_one_line(
    shell: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, argv: list[str], parts: list[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    error = shell.fails(*argv)
    for part in parts:
        assert part in error


@pytest.mark.parametrize(
    ("name", "options", "start"),
    [
        ("x.json", [], "[\n"),
        ("x.csv", [], "index,"),
        ("x.txt", [], "architecture"),
        ("x.txt", ["--csv"], "index,"),
        ("x.dat", ["--json"], "[\n"),
        ("x.jsonl", [], '{"index": 0, '),
        ("x.jsonl", ["--json"], '{"index": 0, '),
    ],
)
def test_out(shell: Shell, tmp_path: Path, name: str, options: list[str], start: str) -> None:
    path = tmp_path / name
    assert shell.ok("query", "0", "--out", path, *options) == ""
    assert path.read_text().startswith(start)
    assert [p.name for p in tmp_path.iterdir()] == [name]
    plain = tmp_path / "plain"
    plain.touch()
    assert stat.S_IMODE(path.stat().st_mode) == stat.S_IMODE(plain.stat().st_mode)


def test_out_leaves_the_old_file_where_writing_fails(
    shell: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "x.csv"
    path.write_text("old")

    def fail(stream: io.TextIOBase, *_: object) -> None:
        stream.write("half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(query, "write_csv", fail)
    assert "No space left" in shell.fails("query", "0", "--out", path)
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_query_a_model_file(shell: Shell, folder: Path, tmp_path: Path) -> None:
    path = shutil.copy(folder / "latency_zcu102.onnx", tmp_path / "mine.onnx")
    out = shell.ok("query", "0", "--model", path, "--csv")
    assert out.splitlines()[0].split(",") == ["index", *columns("latency_zcu102")]
    both = shell.ok("query", "0", "--model", path, "--target", "accuracy", "--csv")
    assert both.splitlines()[0].split(",")[1:] == columns("accuracy", "latency_zcu102")
    assert "given twice" in shell.fails("query", "0", "--model", path, "--model", path)


@pytest.mark.parametrize("shape", ["index", "json", "csv"])
def test_sample_feeds_query(shell: Shell, shape: str) -> None:
    drawn = shell.ok("sample", "20", "--seed", "8", "--format", shape)
    assert indices_of(shell.ok("query", "--file", "-", "--json", stdin=drawn)) == INDICES


def test_sample_takes_the_space_of_a_target(shell: Shell, folder: Path) -> None:
    drawn = shell.ok("sample", "20", "--seed", "8")
    assert drawn == "".join(f"{index}\n" for index in INDICES)
    assert shell.ok("sample", "20", "--seed", "8", "--target", "latency_zcu102") == drawn
    assert shell.ok("sample", "20", "--seed", "8", "--model", folder / "accuracy.onnx") == drawn
    code, out, err = shell("sample", "20", "--target", "speed")
    assert (code, out) == (2, "")
    assert "latency_zcu102" in err


def test_sample_without_a_seed_differs(shell: Shell, tmp_path: Path) -> None:
    assert shell.ok("sample", "5") != shell.ok("sample", "5")
    assert shell.ok("sample", "0") == ""
    shell.ok("sample", "5", "--seed", "1", "--out", tmp_path / "x")
    assert (tmp_path / "x").read_text() == shell.ok("sample", "5", "--seed", "1")


def test_info(shell: Shell) -> None:
    text = shell.ok("info", "accuracy")
    facts = dict(re.findall(r"^  (\S+) +(.*)$", text, re.MULTILINE))
    assert text.startswith("accuracy, of the benchmark accel-nasbench\n")
    assert facts["unit"] == "%, more is better"
    assert facts["quality"].startswith("Kendall tau 0.9300, mean error 0.25 % (512 test rows)")
    assert facts["uncertainty"] == "no calibration: there are no intervals"
    assert all(len(line) <= 80 or "accuracy.onnx" in line for line in text.splitlines())
    card = json.loads(shell.ok("info", "accuracy", "--json"))
    assert card["quality"]["test"] == {"n": 512, "mae": 0.25, "kendall_tau": 0.93}


def test_info_of_a_benchmark(shell: Shell) -> None:
    text = shell.ok("info")
    assert text.startswith("accel-nasbench\n\n  space    mnasnet: 7 blocks, 28 genes, ")
    assert ["accuracy", "%", "more", "0.9300", "-"] in [x.split() for x in text.splitlines()]
    cards = json.loads(shell.ok("info", "--json"))
    assert list(cards) == [t["name"] for t in json.loads(shell.ok("targets", "--json"))]
    assert cards["accuracy"] == json.loads(shell.ok("info", "accuracy", "--json"))


def test_verify(shell: Shell, folder: Path, tmp_path: Path, monkeypatch: Any) -> None:
    assert [line.split()[0] for line in shell.ok("verify").splitlines()] == ["ok"] * 4
    copied = Path(shutil.copytree(folder, tmp_path / "copy"))
    monkeypatch.setenv(FOLDER_VARIABLE, str(copied))
    (copied / "accuracy.onnx").write_bytes(b"damaged")
    (copied / "latency_zcu102.onnx").unlink()
    code, out, err = shell("verify")
    assert code == 1
    assert [line.split()[2] for line in out.splitlines()] == [
        "throughput_a100.onnx",
        "throughput_tpuv2.onnx",
    ]
    damaged, missing = err.splitlines()
    assert "accuracy.onnx is damaged: expected sha256" in damaged
    assert "latency_zcu102.onnx cannot be read" in missing
    (copied / "manifest.json").write_text("{")
    assert "manifest.json is not valid JSON" in shell.fails("verify", code=1)
    assert "manifest.json is not valid JSON" in shell.fails("targets")


@pytest.mark.parametrize("argv", [["--help"], ["query", "--help"], ["--version"]])
def test_help_and_version(shell: Shell, argv: list[str]) -> None:
    out = shell.ok(*argv)
    assert "anb-onnx" in out
    if argv == ["--version"]:
        assert out == f"anb-onnx {anb_onnx.__version__}\n"


# From here on: real processes, on the artifacts that are bundled.


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.delenv(FOLDER_VARIABLE)
    found = shutil.which("anb-onnx", path=os.pathsep.join([str(Path(sys.executable).parent)]))
    assert found, "the package is not installed in this environment"
    return found


def test_the_installed_command_on_bundled_targets(command: str, tmp_path: Path) -> None:
    run = subprocess.run(
        [command, "query", "efficientnet-b0", "--target", "accuracy",
         "--target", "throughput_tpuv2", "--csv"],
        capture_output=True, text=True, check=True, cwd=tmp_path,
    )  # fmt: skip
    assert run.stderr == ""
    (row,) = csv.DictReader(io.StringIO(run.stdout))
    assert abs(float(row["accuracy_mean"]) - 65.736916) < 3 * 0.1365913
    assert abs(float(row["throughput_tpuv2_mean"]) - 883.5296) < 3 * 8.001069
    subprocess.run([command, "verify"], capture_output=True, check=True, cwd=tmp_path)


def test_an_error_in_a_process(command: str) -> None:
    run = subprocess.run([command, "query", "foo"], capture_output=True, text=True, check=False)
    assert run.returncode == 2
    assert run.stderr.startswith("anb-onnx: error: ")
    assert run.stderr.count("\n") == 1


def test_a_broken_pipe_is_silent(command: str) -> None:
    with subprocess.Popen(
        [command, "sample", "200000", "--seed", "1"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.readline()
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait(30) == 141


def pending(pipe: IO[bytes]) -> int:
    """How many bytes of a pipe nobody has read yet."""
    fcntl, termios = pytest.importorskip("fcntl"), pytest.importorskip("termios")
    count = array.array("i", [0])
    fcntl.ioctl(pipe, termios.FIONREAD, count)
    return count[0]


@pytest.mark.skipif(os.name == "nt", reason="Windows sends Ctrl-C to whole process groups")
def test_ctrl_c(command: str) -> None:
    code = (
        "import sys; from anb_onnx.cli.main import main\n"
        "print('ready', flush=True); sys.exit(main(['query', '--file', '-']))"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline() == b"ready\n"
        assert process.stdin is not None
        process.stdin.write(b"block0_e,")
        process.stdin.flush()
        while pending(process.stdin):  # until it reads its input, and waits for more
            threading.Event().wait(0.001)
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 130
        assert process.stderr.read() == b""


def test_a_query_imports_neither_numba_nor_pyarrow(command: str) -> None:
    code = (
        "import sys; from anb_onnx.cli.main import main\n"
        "main(['query', 'efficientnet-b0'])\n"
        "print(sorted({'numba', 'pyarrow', 'pandas', 'onnx'} & set(sys.modules)))"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.splitlines()[-1] == "[]"


def test_an_accuracy_of_a_short_training_is_said_to_be_one(
    shell: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Below a table once, of the bundled accuracy alone, and never in data."""
    monkeypatch.delenv(FOLDER_VARIABLE)
    note = "accuracy: ImageNet accuracy after the short training scheme of Accel-NASBench,\n"
    asked = ["query", "efficientnet-b0", "5", "--target"]
    table = shell.ok(*asked, "accuracy", "--target", "macs")
    assert table.count(note) == 1
    assert table.endswith("EfficientNet-B0 has 66.03 % here and 77 % as published.\n")
    assert note not in shell.ok(*asked, "macs")
    for shape in ("--json", "--csv"):
        assert "training" not in shell.ok(*asked, "accuracy", shape)


@pytest.mark.parametrize("options", [[], ["--target", "accuracy"]])
def test_a_dash_is_standard_input(shell: Shell, options: list[str]) -> None:
    asked = ["query", "5", "-", "--csv", *options]
    assert shell.ok(*asked, stdin="7\n9\n") == shell.ok("query", "5", "7", "9", "--csv", *options)
