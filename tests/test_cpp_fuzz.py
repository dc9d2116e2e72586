"""The C++ clients, fuzzed and raced under sanitizers."""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cpp_room import (
    CPP,
    SANITIZED,
    SOURCES,
    TIMEOUT,
    Folder,
    Program,
    compile_program,
)
from random_texts import CASES, damaged_cases, n_cases
from test_cpp import builds, shipped, small

#: Fixtures of `test_cpp`, which this module uses as its own.
FIXTURES = (
    builds,
    shipped,
    small,
)

CORPUS = Path(__file__).resolve().parent / "corpus" / "cpp"
#: Inputs of the bounded run; more with ANB_TEST_FUZZ=1000000.
N_FUZZ = int(os.environ.get("ANB_TEST_FUZZ", "20000"))
#: Of memory that a sanitized program may ask for at once: no input is worth more.
ASAN_OPTIONS = "max_allocation_size_mb=256:detect_leaks=1"


@pytest.fixture(scope="session")
def fuzzer(builds: Path) -> Path:
    return compile_program(SOURCES / "fuzz_clients.cpp", builds / "fuzz_clients", SANITIZED)


def test_fuzzed_inputs_end_in_an_error_or_a_right_answer(fuzzer: Path, small: Folder) -> None:
    """The program compares with ways of its own, and ends if one of them says otherwise."""
    command = [str(fuzzer), str(small.path), str(N_FUZZ), "11", str(CORPUS)]
    environment = {**os.environ, "ASAN_OPTIONS": ASAN_OPTIONS}
    result = subprocess.run(
        command, capture_output=True, text=True, timeout=TIMEOUT, check=False, env=environment
    )
    print(result.stdout)
    assert result.returncode == 0, result.stdout + result.stderr
    kept = int(re.findall(r"kept inputs\t(\d+)", result.stdout)[0])
    assert kept == 5 + sum(path.is_file() for path in CORPUS.rglob("*"))
    found = re.findall(r"(\w+)\t(\d+) tried\t(\d+) refused\t(\d+) accepted", result.stdout)
    assert [kind for kind, *_ in found] == ["json", "manifest", "onnx", "lines", "arguments"]
    assert sum(int(tried) for _, tried, _, _ in found) == kept + N_FUZZ
    assert all(int(refused) > 0 and int(accepted) > 0 for _, _, refused, accepted in found)


def test_every_digit_of_a_manifest(fuzzer: Path, small: Folder) -> None:
    """None that is believed predicts anything else, or in another unit."""
    result = subprocess.run(
        [str(fuzzer), str(small.path), "digits"],
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
        check=False,
    )
    print(result.stdout)
    assert result.returncode == 0, result.stdout + result.stderr
    text = (small.path / "manifest.json").read_text("utf-8")
    tried, refused = map(int, re.findall(r"manifest\t(\d+) tried\t(\d+)", result.stdout)[0])
    assert tried == 9 * sum(character.isdigit() for character in text)
    assert 0 < refused < tried


def test_cases_of_architectures_as_text(fuzzer: Path, small: Folder, tmp_path: Path) -> None:
    """Those that all languages share, in spaces of every kind, and as many times more, damaged."""
    damaged = tmp_path / "damaged.json"
    damaged.write_text(json.dumps(damaged_cases(seed=1, n=1000)), "utf-8")
    for cases in (CASES, damaged):
        document = json.loads(cases.read_text("utf-8"))
        result = subprocess.run(
            [str(fuzzer), str(small.path), "spell", str(cases)],
            capture_output=True,
            text=True,
            timeout=TIMEOUT,
            check=False,
        )
        assert result.returncode == 0, result.stdout + result.stderr
        assert result.stdout.splitlines() == [
            f"{name}\t{valid} valid\t{invalid} invalid"
            for name, valid, invalid in n_cases(document)
        ]


def _judge(document: str) -> bool:
    """Whether Python reads a document, and it has one meaning, and no more than 32 levels."""

    def pairs(items: list[tuple[str, Any]]) -> dict[str, Any]:
        if len(dict(items)) < len(items):
            raise ValueError
        return dict(items)

    def refuse(name: str) -> None:
        raise ValueError(name)

    def depth(value: Any) -> int:
        inner = value.values() if isinstance(value, dict) else value
        return 1 + max(map(depth, inner), default=0) if isinstance(value, (dict, list)) else 0

    try:
        value = json.loads(document, object_pairs_hook=pairs, parse_constant=refuse)
        json.dumps(value, ensure_ascii=False).encode()
    except (ValueError, RecursionError):
        return False
    return depth(value) <= 32


def test_json_is_read_or_refused_as_python_does(fuzzer: Path, small: Folder) -> None:
    source = '{"a":[1,-0.5e+3,true,null,"\\u00e9\\ud83d\\ude00\\n"],"b":{"a":"x","c":[[],{}]}}'
    parts = ["1", "0", "-", ".", "e5", '"', "\\", "u", "[", "]", "{", "}", ",", ":", " ", "null"]
    parts += ['"a"', '"b":1,', "\\u0041", "\\ud800", "NaN", "\t", "é", "\x7f", "]" * 40, "[" * 40]
    rng = np.random.default_rng(5)
    documents = [
        source,
        "[" * 32 + "]" * 32,
        "[" * 33 + "]" * 33,
        '{"a":1,"\\u0061":2}',
        "01",
        "-0",
    ]
    for _ in range(6000):
        text = source
        for _ in range(rng.integers(1, 3)):
            start = int(rng.integers(0, len(text)))
            stop = min(start + int(rng.integers(0, 4)), len(text))
            text = text[:start] + str(rng.choice(parts)) * int(rng.integers(0, 2)) + text[stop:]
        documents.append(text)
    result = subprocess.run(
        [str(fuzzer), str(small.path), "judge"],
        input="\n".join(documents),
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
        check=True,
    )
    found = [word == "1" for word in result.stdout.split()]
    expected = [_judge(document) for document in documents]
    assert 500 < sum(expected) < len(expected) - 500
    assert [d for d, f, e in zip(documents, found, expected, strict=True) if f != e] == []


# --- threads


@pytest.mark.parametrize("target", ["accuracy", "throughput_tpuv3"])
def test_codes_that_change_during_a_call(builds: Path, shipped: Folder, target: str) -> None:
    """Nothing outside of the tables is read, and no answer is made of a code out of range."""
    race = compile_program(SOURCES / "race_codes.cpp", builds / "race_codes", SANITIZED)
    _race(race, shipped.path, target)


def test_codes_that_change_during_a_call_in_another_space(builds: Path, small: Folder) -> None:
    race = compile_program(SOURCES / "race_codes.cpp", builds / "race_codes", SANITIZED)
    _race(race, small.path, "t")


def _race(race: Path, folder: Path, target: str) -> None:
    result = subprocess.run(
        [str(race), str(folder), target, "5000"],
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
        check=False,
    )
    print(result.stdout)
    assert result.returncode == 0, result.stdout + result.stderr
    answered, refused = map(int, re.findall(r"\d+", result.stdout))
    assert answered + refused >= 5000
    assert refused > 0, "the writer was never seen"


def test_threads_of_one_surrogate_do_not_race(builds: Path, shipped: Folder) -> None:
    """Under ThreadSanitizer, which ends the program with an exit code of its own."""
    flags = ("-O1", "-g1", "-fsanitize=thread")
    source = CPP / "standalone" / "anb_standalone.cpp"
    path = compile_program(source, builds / "thread_sanitizer", flags)
    program = Program(path)
    words = ("bench", "throughput_tpuv3", "--rows", "4000", "--repeats", "3", "--threads", "4")
    result = program.run(shipped.path, *words, TSAN_OPTIONS="halt_on_error=1 exitcode=66")
    if "unexpected memory mapping" in result.stderr:
        pytest.skip("ThreadSanitizer does not know this kernel's layout of memory")
    assert result.returncode == 0, result.stderr
    assert "threads\t4\n" in result.stdout
