"""Standard streams, lines and arguments of the C++ programs that nobody wishes for."""

from __future__ import annotations

import os
import resource
import signal
from pathlib import Path

import pytest
from cpp_room import Folder, Program, make_node, refused, start
from test_cpp import builds, onnxruntime, program, sanitized, shipped, standalone

from anb_onnx import MNASNET

#: Fixtures of `test_cpp`, which this module uses as its own.
FIXTURES = (
    builds,
    onnxruntime,
    program,
    sanitized,
    shipped,
    standalone,
)

#: Bytes.
GB = 2**30

STREAMS = (("query", "accuracy", "0"), ("verify", "accuracy"), ("bench", "accuracy", "--rows", "9"))


def _command(program: Program, words: tuple[str, ...]) -> tuple[Program, tuple[str, ...]]:
    """Return what runs a command; with onnxruntime a program of its own measures."""
    if program.query_words:  # standalone
        return program, words
    if words[0] == "bench":
        return Program(program.path.with_name("anb_bench")), words[1:]
    return program, (*(program.verify_words if words[0] == "verify" else ()), *words[1:])


@pytest.mark.parametrize("words", [*STREAMS, ("query", "--help")], ids=" ".join)
def test_a_full_output_is_an_error(
    program: Program, shipped: Folder, tmp_path: Path, words: tuple[str, ...]
) -> None:
    found, arguments = _command(program, words)
    make_node(tmp_path / "full", 7)
    with (tmp_path / "full").open("wb", buffering=0) as full:
        result = start(found, shipped.path, *arguments, stdout=full)
    refused(result, "cannot write to standard output (No space left on device)")


@pytest.mark.parametrize("words", STREAMS, ids=" ".join)
def test_a_file_that_may_not_grow_is_an_error(
    program: Program, shipped: Folder, tmp_path: Path, words: tuple[str, ...]
) -> None:
    """As a full disk is, without a device node."""

    def no_growth() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))

    with (tmp_path / "out").open("wb") as out:
        found, arguments = _command(program, words)
        result = start(found, shipped.path, *arguments, prepare=no_growth, stdout=out)
    refused(result, "cannot write to standard output (File too large)")


@pytest.mark.parametrize("words", STREAMS, ids=" ".join)
def test_a_closed_output_is_an_error(
    program: Program, shipped: Folder, words: tuple[str, ...]
) -> None:
    found, arguments = _command(program, words)
    result = start(found, shipped.path, *arguments, prepare=lambda: os.close(1), stdout=None)
    refused(result, "cannot write to standard output (it is closed)")


def test_a_closed_or_unreadable_input_is_an_error(
    program: Program, shipped: Folder, tmp_path: Path
) -> None:
    """It must not pass for an input without architectures."""
    words = (*program.query_words, "accuracy")
    result = start(program, shipped.path, *words, prepare=lambda: os.close(0), stdin=None)
    refused(result, "standard input is closed")
    folder = os.open(tmp_path, os.O_RDONLY)
    try:
        result = start(program, shipped.path, *words, stdin=folder)
    finally:
        os.close(folder)
    refused(result, "standard input cannot be read (Is a directory)")


def test_all_streams_closed(program: Program, shipped: Folder) -> None:
    """No file that is opened takes their place."""
    words = (*program.query_words, "accuracy", "0")
    result = start(program, shipped.path, *words, prepare=lambda: os.closerange(0, 3), stdin=None)
    assert result.returncode == 2


def test_output_goes_through_pipes_and_devices(
    program: Program, shipped: Folder, tmp_path: Path
) -> None:
    """The programs write to standard output only, whatever that is; nothing is replaced."""
    make_node(tmp_path / "null", 3)
    before = (tmp_path / "null").stat()
    with (tmp_path / "null").open("wb") as out:
        words = (*program.query_words, "accuracy", "0")
        result = start(program, shipped.path, *words, stdout=out)
    assert (result.returncode, result.stderr) == (0, "")
    after = (tmp_path / "null").stat()
    assert (after.st_mode, after.st_rdev, after.st_ino) == (
        before.st_mode,
        before.st_rdev,
        before.st_ino,
    )


# --- lines and arguments


def _object(first: str) -> str:
    genes = [f'"{name}": 1' for name in MNASNET.gene_names[1:]]
    return f'{{"block0_e": {first}, {", ".join(genes)}}}'


LINES = {
    "null": ("null", "'null' is no architecture"),
    "an empty field": ("0,,1" + ",0" * 26, "'0,,1,"),
    "a comma at the end": ("0," * 28, "is no architecture"),
    "a comma at the start": (",0" * 28, "is no architecture"),
    "two commas": ("0, ," + "0," * 26 + "0", "is no architecture"),
    "semicolons": (";".join("0" * 28), "'0;0;0"),
    "a header": ("block0_e,block0_k", "'block0_e,block0_k' is no architecture"),
    "an object": ('{"block0_e": 1}', "gene block0_k is missing"),
    "an object of lists": (_object("[1]"), "gene block0_e: a list is not one of 1, 4, 6"),
    "a huge object": (
        _object("99999999999999999999"),
        "gene block0_e: 99999999999999999999 is not",
    ),
    "a huge power": (_object("1e99999999999999999999"), "gene block0_e: 1e99999999999999999999 is"),
    "values": ("[1, 3, 1]", "an architecture of mnasnet has 28 codes or values, one for each gene"),
    "a list twice": ("[[1],[3],[1],[true],[1]]", "four lists: expansion, kernel, layers, se"),
    "an object in a list": ('[{"a":1,"a":2}]', "the key 'a' stands twice in it"),
    "NUL": ("5\0", "'5\\x00' is no architecture"),
    "escapes": ("\x1b[31mred", "'\\x1b[31mred' is no architecture"),
    "another direction": ("\u202e5", "'\\xe2\\x80\\xae5' is no architecture"),
    "a plus": ("+5", "is no architecture"),
    "a huge index": ("9" * 5000, "is out of range; allowed are 0 to 104485552127"),
    "an endless line": ("0" * 70_000, "has more than 65536 bytes"),
    "few lists": ("[]", "four lists"),
    "an unknown escape": ('"\\x41"', "there is no such escape at byte 2"),
    "deep": ("[" * 50_000, "nested too deeply"),
    "a list of few": ("[[99999999999],[3],[1],[true]]", "expansion takes 7 values, one per block"),
}


@pytest.mark.parametrize("name", LINES)
def test_hostile_lines(program: Program, sanitized: Program, shipped: Folder, name: str) -> None:
    line, message = LINES[name]
    for found in (program, sanitized):
        result = found.query(shipped.path, "accuracy", text=f"0\n{line}\n1\n")
        refused(result, message)
        assert "line 2: " in result.stderr
        assert len(result.stderr) < 500


def test_an_endless_input_without_lines_takes_no_memory(
    standalone: Program, shipped: Folder, tmp_path: Path
) -> None:
    make_node(tmp_path / "zeros", 5)
    with (tmp_path / "zeros").open("rb") as zeros:
        result = start(
            standalone, shipped.path, "query", "accuracy", memory=GB, cpu=60, stdin=zeros
        )
    refused(result, "line 1: has more than 65536 bytes")


ARGUMENTS = {
    "threads": (["--threads", "100000000"], "--threads takes an integer from 1 to 1024, not '1000"),
    "1025 threads": (["--threads", "1025"], "--threads takes an integer from 1 to 1024"),
    "negative threads": (
        ["--threads", "-1"],
        "--threads takes an integer from 1 to 1024, not '-1'",
    ),
    "no threads": (["--threads", "0"], "--threads takes an integer from 1 to 1024, not '0'"),
    "rows": (["--rows", "1" + "0" * 400], "--rows takes an integer from 1 to 100000000, not '1000"),
    "fraction": (["--rows", "1.5"], "--rows takes an integer"),
    "repeats": (["--repeats", "100000001"], "--repeats takes an integer from 1 to 1000000"),
    "empty": (["--rows", ""], "--rows takes an integer from 1 to 100000000, not ''"),
    "no value": (["--rows"], "--rows takes a value"),
    "nan": (["--interval", "nan"], "--interval takes a level as 0.9, not 'nan'"),
    "inf": (["--interval", "inf"], "--interval takes a level as 0.9, not 'inf'"),
    "hexadecimal": (["--interval", "0x1p-1"], "--interval takes a level as 0.9, not '0x1p-1'"),
    "too large": (["--interval", "1e999"], "--interval takes a level as 0.9, not '1e999'"),
    "benchmark": (["--benchmark", ""], "--benchmark takes a name, not ''"),
    "another benchmark": (
        ["--benchmark", "a\nb"],
        "unknown benchmark 'a\\x0ab'; valid benchmarks of ",
    ),
    "artifacts": (["--artifacts", ""], "--artifacts takes a folder, not ''"),
    "a newline": (["--a\nb"], "unknown option --a\\x0ab"),
    "escapes": (["--\x1b]0;x\x07"], "unknown option --\\x1b]0;x\\x07"),
}


@pytest.mark.parametrize("name", ARGUMENTS)
def test_hostile_arguments(
    program: Program, sanitized: Program, shipped: Folder, name: str
) -> None:
    arguments, message = ARGUMENTS[name]
    for found in (program, sanitized):
        refused(found.query(shipped.path, "accuracy", "0", *arguments), message)


def test_hostile_targets(program: Program, shipped: Folder) -> None:
    for target in ("", "\x1b[2J", "a\nb", "x" * 100_000):
        result = program.query(shipped.path, target, "0")
        refused(result, "unknown target '")
        assert len(result.stderr) < 2000


def test_memory_that_is_not_there_is_an_error(standalone: Program, shipped: Folder) -> None:
    words = ("bench", "accuracy", "--rows", "100000000")
    refused(start(standalone, shipped.path, *words, memory=GB), "there is not enough memory")


def test_more_memory_than_a_measurement_needs_is_refused(
    standalone: Program, shipped: Folder
) -> None:
    words = ("bench", "accuracy", "--rows", "100000000", "--members")
    n_members = shipped.manifest["targets"]["accuracy"]["members"]
    taken = 100_000_000 * (28 + 8 + 4 * n_members)
    message = f"--rows 100000000 takes {taken} bytes of memory, at most {4 * GB} are allowed"
    refused(standalone.run(shipped.path, *words), message)


def test_threads_that_cannot_be_started_are_an_error(standalone: Program, shipped: Folder) -> None:
    """Those that were started end first; their stacks alone do not fit the limit."""
    words = ("bench", "accuracy", "--rows", "1000", "--threads", "1024")
    result = start(standalone, shipped.path, *words, memory=GB)
    refused(result, "of 1024 cannot be started (Resource temporarily unavailable)")
