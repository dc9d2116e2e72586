"""Architectures in files, pipes and on standard input: what is read, what is refused and how."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from anb_onnx import MNASNET, sample
from anb_onnx._io import input as _input
from anb_onnx.cli import main as cli
from anb_onnx.cli import query
from anb_onnx.cli.read import parse_architecture, read_architectures
from anb_onnx.encoding import parquet_files as _parquet_files
from anb_onnx.encoding.encoding import codes_to_indices, from_table
from anb_onnx.errors import AnbError
from anb_onnx.spaces.architecture import Architecture

CODES = sample(8, seed=5, space=MNASNET)
VALUES = [Architecture.from_codes(row, space=MNASNET).to_values() for row in CODES]
INDICES = codes_to_indices(CODES, MNASNET).tolist()
GENES = ",".join(MNASNET.gene_names)
ROWS = [",".join(map(str, values.values())) for values in VALUES]
CORPUS = Path(__file__).parent / "corpus"

Read = Callable[..., list[int]]


@pytest.fixture
def read(tmp_path: Path) -> Read:
    """Return a function that writes a file, reads it as a command does, and tells indices."""

    def read(content: str | bytes, name: str = "x.csv", **options: Any) -> list[int]:
        path = tmp_path / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        found: list[int] = codes_to_indices(
            read_architectures(str(path), MNASNET, **options), MNASNET
        ).tolist()
        return found

    return read


def refusal(call: Callable[[], Any]) -> str:
    with pytest.raises(AnbError) as caught:
        call()
    return str(caught.value)


@pytest.mark.parametrize(
    ("content", "place"),
    [
        ("5\nnull\n6\n", "line 2: null is no architecture"),
        ("5\n\n\r\nnull", "line 4: null"),
        ("null\nnull\n", "line 1: null"),
        ("null", "item 1: null"),
        ("[5, null]", "item 2: null"),
        ("5\n[]\n", r"line 2: [] is no architecture"),
        ("5\n6 7\n", "line 2: not valid JSON (Extra data"),
        ('5\n{"a": 1, "a": 2}\n', "line 2: not valid JSON (key 'a' stands twice"),
        ("5\nNaN\n", "line 2: not valid JSON (NaN"),
        ("5\n1e400\n", "line 2: not valid JSON"),
        ("5\u20286", "not valid JSON"),
        ("5\x0c6", "not valid JSON"),
        (f'{{"a": {"9" * 5000}}}', "digits"),
        ("[" * 10_000 + "]" * 10_000, "nested too deeply"),
    ],
)
def test_no_item_of_json_is_lost(read: Read, content: str, place: str) -> None:
    assert place in refusal(lambda: read(content, "x.json"))


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r", "\n\n", "\n \t\n"])
@pytest.mark.parametrize("last", [True, False])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_lines_end_in_any_of_the_usual_ways(read: Read, end: str, last: bool, mark: str) -> None:
    lines = [str(index) for index in INDICES]
    text = mark + end.join(lines) + (end if last else "")
    assert read(text, "x.jsonl") == INDICES
    if " " not in end:  # a line of blanks is a row of one cell
        assert read(f"{mark}index{end}{text.removeprefix(mark)}") == INDICES
        assert read(f"{mark}{GENES}{end}" + end.join(ROWS) + (end if last else "")) == INDICES


@pytest.mark.parametrize(
    ("header", "row", "message"),
    [
        (
            GENES.replace(",", ";"),
            ROWS[0].replace(",", ";"),
            "separated by ';'; give commas (tr ';'",
        ),
        (GENES.replace(",", "\t"), ROWS[0].replace(",", "\t"), r"separated by '\t'; give commas"),
        (GENES.replace(",", "|"), ROWS[0].replace(",", "|"), "separated by '|'"),
        (GENES.replace(",", " "), ROWS[0].replace(",", " "), "separated by ' '"),
        ("sep=;", GENES.replace(",", ";"), "separated by ';'"),
        ('"index";"note"', "5;x", "separated by ';'"),
        (GENES.upper(), ROWS[0], "'block0_e' is missing (there is 'BLOCK0_E')"),
        (
            GENES.replace("block0_e", "Block 0 e"),
            ROWS[0],
            "'block0_e' is missing (there is 'Block 0 e')",
        ),
        (GENES, ROWS[0].replace("True", ""), "gene 'block"),
        (GENES, "," * 27, "line 2: gene 'block0_e': '' is not allowed; choose from 1, 4, 6"),
        (GENES, ROWS[0][1:], "line 2: gene 'block0_e': '' is not allowed"),
        (GENES, ROWS[0] + ",", "line 2: 29 cells, the header has 28"),
        ("", "", "'block0_e' is missing (nothing is in the first line)"),
        (" ", "", "'block0_e' is missing (nothing is in the first line)"),
        ("5", "6", "'block0_e' is missing (the first line holds values, not names)"),
        (ROWS[0], ROWS[1], "'block0_e' is missing (the first line holds values, not names)"),
        ("index", "1_0", "line 2: column 'index': '1_0' is not an integer"),
        ("index", "٣", "is not an integer"),
        ("index", "5.0", "'5.0' is not an integer"),
        ("index", "9" * 5000, "is not an integer"),
        ("index", '""', "'' is not an integer"),
        ("index", '"5\n6"', r"'5\n6' is not an integer"),
        ("index", "5\x00", "byte 7 is NUL"),
        ("index", "x" * 200_000, "line 2: not valid CSV (field larger"),
        (GENES, "0_" + ROWS[0], "line 2: gene 'block0_e'"),
        (GENES, ROWS[0].replace("3", "0_3", 1), "'0_3' is not allowed"),
        (GENES, "nan" + ROWS[0][1:], "'nan' is not allowed"),
    ],
)
def test_tables_that_are_none_are_refused_with_the_reason(
    read: Read, header: str, row: str, message: str
) -> None:
    assert message in refusal(lambda: read(f"{header}\n{row}\n"))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("index\n5\n".encode("utf-16"), "it is UTF-16 text; save it as UTF-8"),
        ("5\n".encode("utf-16-be"), "NUL"),
        (b"\xfe\xff" + "5\n".encode("utf-16-be"), "it is UTF-16 text"),
        (b"\x1f\x8b\x08\x00abc", "it is compressed"),
        (b"PK\x03\x04rest", "a ZIP archive or a spreadsheet"),
        (b"PAR1rest", "it is Parquet"),
        (b"index\n\xff\n", "not UTF-8 text"),
    ],
)
@pytest.mark.parametrize("name", ["x.csv", "x.json"])
def test_what_is_no_text_is_said(read: Read, content: bytes, message: str, name: str) -> None:
    assert message in refusal(lambda: read(content, name))


def test_quoted_cells_may_be_read(read: Read) -> None:
    quoted = ["\n".join([",".join(f'"{c}"' for c in line.split(",")) for line in (GENES, *ROWS)])]
    assert read(quoted[0]) == INDICES
    assert (
        read(f'{GENES},note\n{ROWS[0]},"two\nlines, and ""quotes"""\n', ignore_extra=True)
        == INDICES[:1]
    )


#: Headers beside `index` and whether what stands in it are indices without a doubt.
BESIDE = {
    "accuracy_mean,accuracy_std": True,
    "accuracy_mean,accuracy_std,accuracy_member_0,accuracy_member_12": True,
    "BLOCK0_E": False,
    "Block 0 E,block0k": False,
    "expand": False,
    "level_0": False,
    "Unnamed: 0": False,
    "": False,
    "note": False,
    "accuracy_mean,note": False,
    "_mean": False,
    "mean": False,
}


@pytest.mark.parametrize("beside", BESIDE)
def test_an_index_that_may_be_row_numbers_is_refused(read: Read, beside: str) -> None:
    cells = "," * (beside.count(",") + 1)
    content = f"{beside},index\n" + "".join(f"{cells}{index}\n" for index in INDICES)
    if BESIDE[beside]:
        assert read(content) == read(content, ignore_extra=True) == INDICES
    else:
        assert "--ignore-extra passes over" in refusal(lambda: read(content))
        assert "--index-column index takes" in refusal(lambda: read(content, ignore_extra=True))
    assert read(content, ignore_extra=True, index_column="index") == INDICES
    # Row numbers are row numbers, whatever stands beside them.
    content = f"{beside},index\n" + "".join(f"{cells}{row}\n" for row in range(3))
    assert "--index-column index takes" in refusal(lambda: read(content, ignore_extra=True))
    assert read(content, ignore_extra=True, index_column="index") == [0, 1, 2]


def test_genes_and_named_columns_come_before_index(read: Read) -> None:
    content = f"index,{GENES},mine\n" + "".join(f"{i},{row},7\n" for i, row in enumerate(ROWS))
    assert read(content, ignore_extra=True) == INDICES
    assert read(content, ignore_extra=True, index_column="mine") == [7] * len(ROWS)
    assert "'none' is missing" in refusal(lambda: read(content, index_column="none"))
    assert read("index\n0\n1\n2\n") == [0, 1, 2]


def pandas() -> Any:
    return pytest.importorskip("pandas")


@pytest.mark.parametrize(
    "misnamed", [str.upper, lambda n: n.replace("block", "stage"), lambda n: f" {n}_"]
)
@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_a_reset_index_beside_misnamed_genes(
    tmp_path: Path, kind: str, misnamed: Callable[[str], str]
) -> None:
    frame = pandas().DataFrame(VALUES).rename(columns=misnamed).iloc[[1, 4, 6]].reset_index()
    path = tmp_path / f"x.{kind}"
    frame.to_csv(path, index=False) if kind == "csv" else frame.to_parquet(path)
    message = refusal(lambda: read_architectures(str(path), MNASNET, ignore_extra=True))
    assert "column 'index' may hold row numbers: beside it stands" in message


def parquet(path: Path, columns: dict[str, Any], **options: Any) -> str:
    arrow = pytest.importorskip("pyarrow")
    pq = pytest.importorskip("pyarrow.parquet")
    pq.write_table(arrow.table(columns), path, **options)
    return str(path)


def gene_columns(repeat: int = 1) -> dict[str, Any]:
    return {name: [values[name] for values in VALUES] * repeat for name in MNASNET.gene_names}


def test_parquet_is_read_in_batches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_parquet_files, "_BATCH", 3)
    columns = gene_columns(4)
    for strings in (False, True):
        if strings:
            columns = {
                n: [str(v) if isinstance(v, bool) else v for v in c] for n, c in columns.items()
            }
        path = parquet(tmp_path / "x.parquet", columns, row_group_size=10)
        assert codes_to_indices(read_architectures(path, MNASNET), MNASNET).tolist() == INDICES * 4
    columns["block3_se"][17] = "x" * 100_000
    path = parquet(tmp_path / "x.parquet", columns)
    message = refusal(lambda: read_architectures(path, MNASNET))
    assert "row 17, gene 'block3_se': 'xxx" in message
    assert len(message) < 300
    path = parquet(tmp_path / "x.parquet", {"index": [*INDICES, None]})
    assert "row 8: column 'index': null is not" in refusal(
        lambda: read_architectures(path, MNASNET)
    )


def test_a_long_text_in_every_row_is_in_memory_once(tmp_path: Path) -> None:
    arrow = pytest.importorskip("pyarrow")
    columns = gene_columns(2000)
    columns["block0_se"] = ["True" + "x" * 1_000_000] * 16_000  # 16 GB as plain cells
    columns["block0_se"] = (
        arrow.array(columns["block0_se"][:1])
        .dictionary_encode()
        .take(arrow.array(np.zeros(16_000, np.int32)))
    )
    path = parquet(tmp_path / "x.parquet", columns, store_schema=False)
    assert Path(path).stat().st_size < 2_000_000
    message = refusal(lambda: read_architectures(path, MNASNET))
    assert "row 0, gene 'block0_se': 'Truex" in message


@pytest.mark.parametrize("name", ["index", "block0_e"])
def test_parquet_of_odd_types_is_refused(tmp_path: Path, name: str) -> None:
    arrow = pytest.importorskip("pyarrow")
    for kind in (
        arrow.timestamp("us", "Nowhere/City"),
        arrow.timestamp("us", "\x1b[31m"),
        arrow.date32(),
        arrow.duration("s"),
        arrow.list_(arrow.int64()),
        arrow.struct([("a", arrow.int64())]),
        arrow.binary(),
        arrow.float64() if name == "index" else arrow.null(),
    ):
        column = arrow.array([None] * 8, kind)
        columns = {"index": column} if name == "index" else {**gene_columns(), name: column}
        path = parquet(tmp_path / "x.parquet", columns)
        assert name in refusal(partial(read_architectures, path, MNASNET))


@pytest.mark.parametrize(
    ("variable", "name"),
    [
        *(("rows", n) for n in ("x.csv", "genes.csv", "x.json", "y.json", "x.parquet", "z.txt")),
        # What is read line by line may be of any length.
        *(("bytes", n) for n in ("x.json", "line.csv", "line.txt")),
    ],
)
def test_limits_are_settable_and_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variable: str, name: str
) -> None:
    path = tmp_path / name
    if name == "x.parquet":
        parquet(path, {"index": INDICES})
    else:
        texts = {
            "x.csv": "index\n" + "\n".join(map(str, INDICES)),
            "genes.csv": "\n".join([GENES, *ROWS]),
            "x.json": json.dumps(INDICES),
            "y.json": "\n".join(map(str, INDICES)),
            "z.txt": "\n".join(map(str, INDICES)),
            "line.csv": "x" * 5000,
            "line.txt": "5" + "0" * 5000,
        }
        path.write_text(texts[name])
    setting = _input.ROWS_VARIABLE if variable == "rows" else _input.INPUT_VARIABLE
    fits = len(INDICES) if variable == "rows" else path.stat().st_size
    monkeypatch.setenv(setting, str(fits))
    if not name.startswith("line"):
        found = read_architectures(str(path), MNASNET)
        assert codes_to_indices(found, MNASNET).tolist() == INDICES
    monkeypatch.setenv(setting, str(fits - 1))
    message = refusal(lambda: read_architectures(str(path), MNASNET))
    assert f"more than {fits - 1} " in message
    assert setting in message


def test_a_huge_file_is_not_read(tmp_path: Path) -> None:
    for name in ("x.csv", "x.json"):
        path = tmp_path / name
        with path.open("wb") as file:
            file.truncate(10 * 2**30)  # sparse
        assert "byte 0 is NUL" in refusal(lambda: read_architectures(str(path), MNASNET))  # noqa: B023


@pytest.mark.skipif(os.name != "posix", reason="pipes and devices")
def test_pipes_are_read_and_other_things_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from test_output import make_node

    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)

    def feed() -> None:
        with pipe.open("wb") as file:
            file.write(b"index\n")
            file.flush()
            file.writelines(b"%d\n" % index for index in INDICES)

    writer = threading.Thread(target=feed)
    writer.start()
    found = read_architectures(str(pipe), MNASNET, file_format="csv")
    writer.join()
    assert codes_to_indices(found, MNASNET).tolist() == INDICES
    monkeypatch.setattr(_input, "PIPE_SECONDS", 0.0)

    def reason(name: str, kind: str = "csv") -> str:
        path = str(tmp_path / name)
        return refusal(lambda: read_architectures(path, MNASNET, file_format=kind))

    assert "nobody writes into this pipe" in reason("pipe")
    assert "it is a pipe, not a regular file" in reason("pipe", "parquet")
    assert "it is a folder" in reason(".")
    assert "it is a folder, not a regular file" in reason(".", "parquet")
    assert "null byte" in reason("a\0b")
    make_node(tmp_path / "zero", 5)
    assert "byte 0 is NUL" in reason("zero")
    assert "it is a device" in reason("zero", "parquet")
    assert not (tmp_path / "none").exists()
    assert "No such file" in reason("none")


@pytest.mark.skipif(not Path("/dev/fd").is_dir(), reason="needs /dev/fd")
@pytest.mark.parametrize("path", ["/dev/stdin", "/dev/fd/0", "-"])
@pytest.mark.parametrize("slow", [True, False])
def test_standard_input_under_its_names(path: str, slow: bool) -> None:
    code = (
        "import sys; from anb_onnx.cli.read import *; from anb_onnx import MNASNET\n"
        f"print(len(read_architectures({path!r}, MNASNET, file_format='csv')))"
    )
    reader, writer = os.pipe()
    os.set_blocking(reader, not slow)  # a terminal or pipe that somebody made so
    with subprocess.Popen([sys.executable, "-c", code], stdin=reader, stdout=-1) as process:
        os.close(reader)
        with os.fdopen(writer, "wb") as stream:
            stream.write(b"index\n5\n")
            stream.flush()
            stream.write(b"6\n" * 100_000)
        assert process.stdout is not None
        assert process.stdout.read() == b"100001\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"block0_e": 1, "block0_e": 1}', "key 'block0_e' stands twice"),
        ("{'block0_e': 1, 'block0_e': 1}", "is no architecture"),
        ("['\\d', 1is 2]", "is no architecture"),
        ("(" * 1000, "is no architecture"),
        ("[" * 100_000, "is no architecture"),
        ("-" * 100_000 + "1", "is no architecture"),
        ("9" * 10_000, "is out of range"),
        ("[1, 2\0]", "is no architecture"),
        ("\udcff\ud800", "is no architecture"),
        ("null", "'null' is no architecture"),
        ("", "'' is no architecture"),
        ("nan", "'nan' is no architecture"),
        ("{[]: 1}", "is no architecture"),
    ],
)
def test_odd_arguments_are_refused_in_one_line(
    text: str, message: str, recwarn: pytest.WarningsRecorder
) -> None:
    found = refusal(lambda: parse_architecture(text, MNASNET))
    assert message in found
    assert len(found) < 1000
    assert list(recwarn) == []


def test_values_as_python_prints_them_are_read() -> None:
    for row, values in zip(CODES, VALUES, strict=True):
        np.testing.assert_array_equal(parse_architecture(str(values), MNASNET)[0], row)


@pytest.mark.parametrize("number", ["100000000000", "9" * 30, "9" * 5000, "1e3"])
def test_samples_beyond_the_limit(number: str, capsys: pytest.CaptureFixture[str]) -> None:
    try:
        code = cli.main(["sample", number])
    except SystemExit as leave:
        code = int(leave.code or 0)
    captured = capsys.readouterr()
    assert code == 2
    assert captured.out == ""
    assert captured.err.count("\n") == 1
    assert len(captured.err) < 6000


def test_answers_in_blocks_are_those_of_one(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for shape in ("--csv", "--json", "--members"):
        argv = ["query", *map(str, INDICES), shape, "--target", "accuracy"]
        texts = []
        for rows in (1, 3, 100):
            monkeypatch.setattr(query, "_BLOCK_ROWS", rows)
            assert cli.main(argv) == 0
            texts.append(capsys.readouterr().out)
        assert texts[0] == texts[1] == texts[2]
        assert texts[0].count("\n") >= len(INDICES)


PIECES = [
    *("5", "null", "index", "True", "1", "-", '"', "'", ",", ";", "\t", "\n", "\r\n", "\r", " "),
    *("[", "]", "{", "}", ":", "\ufeff", "\0", "\x85", "\u2028", "NaN", "1e999", "efficientnet-b0"),
    *(
        '"index":',
        '"block0_e": 1',
        GENES,
        ROWS[0],
        GENES + "\n" + ROWS[0] + "\n",
        "_mean",
        "\\ud800",
    ),
    json.dumps(VALUES[0]),
]
TEXTS = st.lists(st.one_of(st.sampled_from(PIECES), st.text(max_size=5)), max_size=12).map("".join)
BYTES = st.one_of(
    TEXTS.map(lambda text: text.encode("utf-8", "surrogatepass")),
    TEXTS.map(lambda text: text.encode("utf-16", "surrogatepass")),
    st.binary(max_size=40),
)


def corpus() -> list[bytes]:
    return [path.read_bytes() for path in sorted(CORPUS.iterdir()) if path.is_file()]


def read_any(content: bytes, file_format: str | None, **options: Any) -> None:
    """Read whatever it is; it is an error of the user, or architectures, nothing else."""
    before = sys.stdin
    sys.stdin = io.TextIOWrapper(io.BytesIO(content))
    try:
        codes = read_architectures("-", MNASNET, file_format=file_format, **options)
    except AnbError:
        pass
    else:
        assert codes.dtype == np.uint8
        assert codes.shape[1:] == (28,)
        assert (codes < np.array(MNASNET.gene_sizes)).all()
    finally:
        sys.stdin = before


@given(
    BYTES, st.sampled_from([None, "json", "csv"]), st.booleans(), st.sampled_from([None, "index"])
)
@example(b'{"index": 5}', "json", False, None)
@example(b"index,index\n1,2\n", "csv", True, None)
def test_readers_end_in_an_answer_or_an_error(
    content: bytes, file_format: str | None, ignore: bool, index: str | None
) -> None:
    read_any(content, file_format, ignore_extra=ignore, index_column=index)


@given(TEXTS)
def test_arguments_end_in_an_answer_or_an_error(text: str) -> None:
    try:
        codes = parse_architecture(text, MNASNET)
    except AnbError:
        pass
    else:
        assert codes.shape == (1, 28)


@pytest.mark.parametrize("content", corpus())
@pytest.mark.parametrize("file_format", [None, "json", "csv"])
def test_the_corpus_ends_in_an_answer_or_an_error(content: bytes, file_format: str | None) -> None:
    read_any(content, file_format, ignore_extra=True)


@given(st.lists(st.integers(0, 7), min_size=1, max_size=8), st.data())
def test_a_damaged_table_is_read_as_it_stands_or_refused(
    rows: list[int], data: st.DataObject
) -> None:
    """Whatever one byte becomes: each row that is answered is one that the text says."""
    text = "\n".join([GENES, *(ROWS[row] for row in rows)]).encode() + b"\n"
    place = data.draw(st.integers(0, len(text) - 1))
    damaged = text[:place] + bytes([data.draw(st.integers(0, 255))]) + text[place + 1 :]
    before = sys.stdin
    sys.stdin = io.TextIOWrapper(io.BytesIO(damaged))
    try:
        codes = read_architectures("-", MNASNET, file_format="csv")
    except AnbError:
        return
    finally:
        sys.stdin = before
    lines = [line for line in damaged.decode().splitlines()[1:] if line]
    assert len(codes) == len(lines)
    for row, line in zip(codes.tolist(), lines, strict=True):
        found = [
            str(value) for value in Architecture.from_codes(row, space=MNASNET).to_values().values()
        ]
        given_cells = [cell.strip().strip('"').lower() for cell in line.split(",")]
        assert [cell.lower() for cell in found] == given_cells


def test_masked_and_missing_values_are_no_codes() -> None:
    pd = pandas()
    frame = pd.DataFrame(VALUES)
    for column, missing in (("block0_e", float("nan")), ("block0_se", pd.NA), ("block1_k", None)):
        for kind in (object, "category"):
            broken = frame.astype({column: object})
            broken.loc[3, column] = missing
            broken = broken.astype({column: kind})
            assert f"row 3, gene '{column}': null" in refusal(partial(from_table, broken, MNASNET))
    nullable = frame.astype({"block0_e": "Int64", "block0_se": "boolean"})
    np.testing.assert_array_equal(from_table(nullable, MNASNET), CODES)
    nullable.loc[2, "block0_e"] = pd.NA
    assert "row 2, gene 'block0_e': null" in refusal(lambda: from_table(nullable, MNASNET))
