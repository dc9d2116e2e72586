"""What the C++ clients refuse to read: other files, big ones, documents beyond all bounds."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cpp_room import Program, make_node, refused, start
from test_cpp import (
    _accuracy,
    _edit,
    builds,
    damaged,
    onnxruntime,
    program,
    sanitized,
    shipped,
    standalone,
)

#: Fixtures of `test_cpp`, which this module uses as its own.
FIXTURES = (
    builds,
    damaged,
    onnxruntime,
    program,
    sanitized,
    shipped,
    standalone,
)

#: Bytes.
GB = 2**30


def _replace(make: Callable[[Path], object]) -> Callable[[Path], None]:
    def apply(path: Path) -> None:
        path.unlink()
        make(path)

    return apply


def _huge(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(10 * GB)  # of which nothing is stored


def _socket(path: Path) -> None:
    # By a short relative name: the path of a socket has 108 bytes at most.
    here = Path.cwd()
    os.chdir(path.parent)
    try:
        socket.socket(socket.AF_UNIX).bind(path.name)
    finally:
        os.chdir(here)


NO_FILES: dict[str, tuple[Callable[[Path], object], str]] = {
    "pipe": (_replace(os.mkfifo), "cannot be read (it is a pipe, not a regular file)"),
    "folder": (_replace(Path.mkdir), "cannot be read (it is a folder, not a regular file)"),
    "socket": (_replace(_socket), "cannot be read (it is a socket, not a regular file)"),
    "zeros": (_replace(lambda p: make_node(p, 5)), "cannot be read (it is a device, not a regular"),
    "10 GB": (_replace(_huge), " has 10737418240 bytes, at most "),
    "loop": (_replace(lambda p: p.symlink_to(p.name)), "cannot be read (Too many levels"),
}


@pytest.mark.parametrize("name", NO_FILES)
@pytest.mark.parametrize("file", ["manifest.json", "accuracy.onnx", "golden.bin"])
def test_only_regular_files_of_a_bounded_size_are_read(
    program: Program, damaged: Path, file: str, name: str
) -> None:
    """A pipe nobody writes to would be waited for; the limits hold before memory is taken."""
    make, message = NO_FILES[name]
    make(damaged / file)
    words = (*program.verify_words, "accuracy")
    # A program with onnxruntime maps more than the limit.
    memory = GB if program.path.name == "anb_standalone" else None
    result = start(program, damaged, *words, memory=memory)
    refused(result, f"{damaged / file}{'' if message.startswith(' ') else ' '}{message}")


def test_a_link_to_a_file_is_followed(program: Program, damaged: Path) -> None:
    (damaged / "accuracy.onnx").rename(damaged / "elsewhere")
    (damaged / "accuracy.onnx").symlink_to("elsewhere")
    assert program.query(damaged, "accuracy", "0").returncode == 0


def test_limits_of_sizes_are_set_by_the_environment(program: Program, damaged: Path) -> None:
    for file, variable, words in (
        ("manifest.json", "ANB_ONNX_MAX_MANIFEST_BYTES", program.query_words),
        ("accuracy.onnx", "ANB_ONNX_MAX_ARTIFACT_BYTES", program.query_words),
        ("golden.bin", "ANB_ONNX_MAX_GOLDEN_BYTES", program.verify_words),
    ):
        size = (damaged / file).stat().st_size
        arguments = (*words, "accuracy", *(["0"] if words == program.query_words else []))
        good = program.run(damaged, *arguments, **{variable: str(size)})
        assert good.returncode == 0, good.stderr
        message = f"{file} has {size} bytes, at most {size - 1} are allowed ({variable} sets"
        refused(program.run(damaged, *arguments, **{variable: str(size - 1)}), message)
        for value in ("-1", "0", "x", "1e6", "9" * 30):
            refused(program.run(damaged, *arguments, **{variable: value}), f"{variable} must be")


def test_huge_files_are_read_where_the_limit_allows(standalone: Program, damaged: Path) -> None:
    """The hash is that of what was read, whose length is not what the manifest states."""
    with (damaged / "accuracy.onnx").open("ab") as file:
        file.truncate(100 * 2**20)
    refused(standalone.query(damaged, "accuracy", "0"), "at most 67108864 are allowed")
    result = standalone.query(damaged, "accuracy", "0", ANB_ONNX_MAX_ARTIFACT_BYTES=str(GB))
    refused(result, "is damaged: expected ")


# --- documents that cost more than they are worth


def _documents() -> dict[str, tuple[str, str]]:
    names = ",".join(f'"k{number}":0' for number in range(600_000))
    key = "k" * 3000
    return {
        "a long path to many values": (f'{{"{key}":[{",".join("0" * 700_000)}]}}', "lacks the key"),
        "600,000 keys": (f"{{{names}}}", "lacks the key 'schema'"),
        "the last key twice": (f'{{{names},"k0":0}}', "the key 'k0' occurs twice"),
        "millions of lists": ("[" + "[]," * 5_000_000 + "[]]", "more than 1000000 values"),
        "deep": ("[" * 8_000_000, "nested too deeply"),
        "deep objects": ('{"a":' * 2_000_000, "nested too deeply"),
        "a long number": ('{"schema":' + "9" * 10_000_000 + "}", "'schema' must be an integer"),
        "a long string": ('{"schema":"' + "x" * 10_000_000 + '"}', "'schema' must be an integer"),
        "a long key": ('{"schema":2,"' + "x" * 9_000_000 + '":1}', "lacks the key 'benchmark'"),
    }


@pytest.mark.parametrize("name", _documents())
def test_big_manifests_take_little_memory_and_time(
    standalone: Program, tmp_path: Path, name: str
) -> None:
    """400 MB of address space and a minute of processor time, of which they take a second."""
    text, message = _documents()[name]
    (tmp_path / "manifest.json").write_text(text)
    result = start(standalone, tmp_path, "query", "accuracy", "0", memory=400 * 2**20, cpu=60)
    refused(result, message)
    assert len(result.stderr) < 500


def _space(change: Callable[[dict[str, Any]], object]) -> Callable[[Path], None]:
    return lambda folder: _edit(folder, lambda m: change(m["search_space"]))


def _blocks(count: int, genes: int = 1) -> Callable[[Path], None]:
    blocks = [
        {
            "name": f"b{b}",
            "genes": [{"name": f"b{b}_{g}", "choices": [1]} for g in range(genes)],
        }
        for b in range(count)
    ]
    return _space(lambda space: space.update(blocks=blocks, size=1))


def _choices(*choices: object) -> Callable[[Path], None]:
    return _space(lambda space: space["blocks"][0]["genes"][0].update(choices=choices))


def _wide_block(n_genes: int) -> dict[str, Any]:
    genes = [{"name": f"wide_{g}", "choices": list(range(256))} for g in range(n_genes)]
    return {"name": "wide", "genes": genes}


def _benchmark(name: object) -> Callable[[Path], None]:
    return lambda folder: _edit(folder, lambda m: m.update(benchmark=name))


def _bytes(content: bytes) -> Callable[[Path], None]:
    def edit(folder: Path) -> None:
        (folder / "manifest.json").write_bytes(content)

    return edit


def _text(old: str, new: str) -> Callable[[Path], None]:
    def apply(folder: Path) -> None:
        text = (folder / "manifest.json").read_text("utf-8")
        assert old in text
        (folder / "manifest.json").write_text(text.replace(old, new, 1), "utf-8")

    return apply


BOUNDS: dict[str, tuple[Callable[[Path], None], str]] = {
    "20,000 blocks": (_blocks(20_000), "search_space.blocks' must be a list of at most 64"),
    "65 blocks": (_blocks(65), "must be a list of at most 64, not 65"),
    "60,000 genes": (_blocks(1, 60_000), "genes' must be a list of at most 1024, not 60000"),
    "1,025 genes": (_blocks(41, 25), "must have 1 to 1024 genes"),
    "5,000 targets": (
        lambda f: _edit(f, lambda m: m.update(targets={f"{n}": {} for n in range(5000)})),
        "'targets' must be an object of at most 4096 targets, not 5000",
    ),
    "one block": (_blocks(1), "numbers of blocks that increase, from 0 to 0"),
    "no blocks": (_blocks(0), "must have 1 to 64 blocks, has 0"),
    "no genes": (_blocks(2, 0), "must have 1 to 1024 genes, and one in each block"),
    "300 choices": (
        _space(lambda s: s["blocks"][0]["genes"][0].update(choices=list(range(300)))),
        "choices' must be a list of at most 256, not 300",
    ),
    "choices of two kinds": (
        _choices(1, True, 6),
        "gene block0_e: the choices must be all integers, all floats, all booleans or all strings",
    ),
    "a long choice": (_choices("x" * 2000), "choices[0]' must be a string of 1 to 255 printable"),
    "escapes in a choice": (_choices("\x1b[2J"), "characters, not '\\x1b[2J'"),
    "a fraction": (_choices(0.5), "'search_space.size' must be 34828517376, not 104485552128"),
    "a huge choice": (_choices(2**63), "must be an integer from -2^63 to 2^63 - 1, not 9223"),
    "a list of choices": (_choices([1]), "must be a number, true or false, or a string"),
    "2^40 symbols": (
        _space(lambda s: s["blocks"].__setitem__(0, _wide_block(5))),
        "block wide has more than 2^32 symbols",
    ),
    "a benchmark elsewhere": (_benchmark("../b"), "'benchmark' must be 1 to 64 of a-z, 0-9,"),
    "capitals in a benchmark": (_benchmark("Nas"), "a letter or digit first, not 'Nas'"),
    "a hidden benchmark": (_benchmark(".b"), "a letter or digit first, not '.b'"),
    "a long benchmark": (_benchmark("b" * 65), "'benchmark' must be 1 to 64 of"),
    "a benchmark without a name": (_benchmark(""), "'benchmark' must be 1 to 64 of"),
    "a benchmark that is a number": (_benchmark(1), "'benchmark' must be a string"),
    "no terms": (_accuracy({"terms": []}), "terms': there must be 1 to 4096 terms, not 0"),
    "4,097 terms": (
        _accuracy({"terms": [[0]] * 4097}),
        "accuracy.terms' must be a list of at most 4096, not 4097",
    ),
    "an empty term": (_accuracy({"terms": [[0], []]}), "term 1 (from 0) must be one or more"),
    "a falling term": (_accuracy({"terms": [[1, 0]]}), "that increase, from 0 to 6"),
    "a block twice in a term": (_accuracy({"terms": [[1, 1]]}), "that increase, from 0 to 6"),
    "a block that is not there": (_accuracy({"terms": [[6, 7]]}), "that increase, from 0 to 6"),
    "a negative block": (_accuracy({"terms": [[-1, 0]]}), "terms[0][0]' must be an integer from 0"),
    "65 blocks in a term": (_accuracy({"terms": [[0] * 65]}), "a list of at most 64, not 65"),
    "a term twice": (_accuracy({"terms": [[0], [1], [0]]}), "term 2 (from 0) stands twice"),
    "a term that is a number": (_accuracy({"terms": [0]}), "terms[0]' must be a list"),
    "10^11 entries": (
        _accuracy({"terms": [[0], list(range(7))]}),
        "term 1 (from 0) leads to more than 2147483647 entries",
    ),
    "entries of other terms": (
        _accuracy({"terms": [[0], [5]]}),
        "tables.entries' must be 84 as the terms have, not 29808",
    ),
    "tables without terms": (
        lambda f: _edit(f, lambda m: m["targets"]["accuracy"].pop("terms")),
        "accuracy' lacks the key 'terms'",
    ),
    "terms without tables": (
        lambda f: _edit(f, lambda m: m["targets"]["accuracy"].pop("tables")),
        "accuracy.terms' must be absent, as there are no tables",
    ),
    "a choice twice": (
        _space(lambda s: s["blocks"][0]["genes"][0].update(choices=[1, 4, 4])),
        "gene block0_e has a choice twice",
    ),
    "a gene twice": (
        _space(lambda s: s["blocks"][0]["genes"][0].update(name="block0_k")),
        "the name 'block0_k' is used twice",
    ),
    "a block twice": (
        _space(lambda s: s["blocks"][1].update(name="block0")),
        "the name 'block0' is used twice",
    ),
    "200,000 members": (
        _accuracy({"members": 200_000}),
        "accuracy.members' must be an integer from 0 to 1024, not 200000",
    ),
    "a size of 5,000 digits": (
        _text('"size":', '"size":' + "1" * 5000 + ',"other":'),
        "search_space.size' must be 104485552128, not 111",
    ),
    "scale 0": (_accuracy({"scale": 0}, "tables"), "tables.scale' must be from 2^-500 to 2^95"),
    "scale 1e308": (_accuracy({"scale": 1e308}, "tables"), "tables.scale' must be from 2^-500"),
    "scale 1e999": (
        _text('"scale":', '"scale": 1e999, "other":'),
        "tables.scale' must be a number that a float64 can hold, not 1e999",
    ),
    "shift": (_accuracy({"shift": 1e300}, "tables"), "tables.shift' must be at most 2^126"),
    "offset of the link": (_accuracy({"offset": 1e39}, "link"), "must be a number that a float32"),
    "65 hinges": (
        _accuracy({"inverse": ["hinge"] * 65, "hinges": [[1.0, 0.5]] * 65}, "link"),
        "link.hinges' must be a list of at most 64, not 65",
    ),
    "a falling hinge": (
        _accuracy({"inverse": ["hinge"], "hinges": [[1.0, -1.0]]}, "link"),
        "link.hinges[0][1]' must be above -1",
    ),
    "order of steps": (
        _accuracy({"inverse": ["reflect", "reciprocal"]}, "link"),
        "link.inverse' must be at most three squares or two sqrt",
    ),
    "NaN": (_text('"spread":', '"spread": NaN, "other":'), "is not valid JSON"),
    "negative spread": (_accuracy({"spread": -1}, "calibration"), "spread' must be 0 or more"),
    "level 1": (_accuracy({"levels": [0, 1], "quantiles": [0, 1]}, "calibration"), "below 1"),
    "falling quantiles": (
        _accuracy({"levels": [0, 0.5, 0.9], "quantiles": [0, 2, 1]}, "calibration"),
        "quantiles' must be numbers that increase from 0",
    ),
    "no unit": (_accuracy({"unit": ""}), "unit' must be a string of 1 to 255 printable"),
    "escapes in the unit": (
        _accuracy({"unit": "\x1b[2J%"}),
        "unit' must be a string of 1 to 255 printable characters, not '\\x1b[2J%'",
    ),
    "a key twice": (_text('"schema":', '"schema": 1, "schema":'), "key 'schema' occurs twice"),
    "a key twice, escaped": (
        _text('"schema":', '"\\u0073chema": 1, "schema":'),
        "key 'schema' occurs twice",
    ),
    "NUL in the file": (_accuracy({"file": "accuracy.onnx\0"}), "must be a plain file name"),
    "half a surrogate pair": (_text('"schema":', '"\\ud800":1,"schema":'), "surrogate pair"),
    "not UTF-8": (
        _bytes(b'{"\xff":1}'),
        "is not valid JSON: not UTF-8 at byte 2",
    ),
}


@pytest.mark.parametrize("name", BOUNDS)
def test_bounds_of_what_a_manifest_may_state(program: Program, damaged: Path, name: str) -> None:
    change, message = BOUNDS[name]
    change(damaged)
    refused(program.query(damaged, "accuracy", "0"), message)


@pytest.mark.parametrize("name", BOUNDS)
def test_sanitized_bounds(sanitized: Program, damaged: Path, name: str) -> None:
    change, message = BOUNDS[name]
    change(damaged)
    refused(sanitized.query(damaged, "accuracy", "0"), message)


def test_golden_vectors_that_state_more_than_there_is(program: Program, damaged: Path) -> None:
    """Memory is taken for as many predictions as the file holds, not as the manifest states."""

    def arrays(manifest: dict[str, Any]) -> list[dict[str, Any]]:
        return [a for a in manifest["golden"]["arrays"] if a["target"] in (None, "accuracy")]

    def shorten(manifest: dict[str, Any]) -> None:
        manifest["golden"]["n"] = 2**40

    def unshaped(manifest: dict[str, Any]) -> None:
        next(a for a in arrays(manifest) if a["name"] == "members")["shape"] = [4096, 7]

    def twice(manifest: dict[str, Any]) -> None:
        manifest["golden"]["arrays"].append(dict(arrays(manifest)[0]))

    def far(manifest: dict[str, Any]) -> None:
        arrays(manifest)[1]["offset"] = 1e400

    for change, message in (
        (shorten, "golden vectors: wrong shape of architectures"),
        (unshaped, "golden vectors: wrong shape of members of accuracy"),
        (twice, "must be listed once"),
        (far, "is not valid JSON"),
    ):
        original = (damaged / "manifest.json").read_text("utf-8")
        _edit(damaged, change)
        refused(program.verify(damaged, "accuracy"), message)
        (damaged / "manifest.json").write_text(original, "utf-8")
