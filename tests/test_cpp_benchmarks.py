"""Benchmarks of every kind in the C++ clients, and how one of several is found."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cpp_room import Folder, Program, joined_bits, lines, refused
from test_cpp import HINGES, _random, _write, builds, onnxruntime, program, sanitized, standalone

from anb_onnx import MNASNET
from anb_onnx.encoding.encoding import codes_to_symbols
from anb_onnx.links import Link
from anb_onnx.spaces.architecture import Architecture, sample
from anb_onnx.spaces.nasbench201 import NASBENCH201, to_arch_string
from anb_onnx.spaces.space import Block, Gene, SearchSpace
from anb_onnx.terms import Terms

#: Fixtures of `test_cpp`, which this module uses as its own.
FIXTURES = (
    builds,
    onnxruntime,
    program,
    sanitized,
    standalone,
)

CONFORMANCE = Path(__file__).resolve().parent / "conformance"
BENCHMARKS = sorted(path.parent.name for path in CONFORMANCE.glob("*/manifest.json"))


def query(program: Program, benchmark: str, *arguments: str, text: str = "") -> Any:
    """Query a benchmark of the fixtures by its name."""
    return program.query(CONFORMANCE, *arguments, "--benchmark", benchmark, text=text)


# --- the same bits


@pytest.mark.parametrize("benchmark_name", BENCHMARKS)
def test_conformance(program: Program, benchmark_name: str) -> None:
    """The golden bits of every target, read here and by the program itself."""
    folder = Folder(CONFORMANCE / benchmark_name)
    text = lines(folder.golden(None, "architectures"))
    if len(folder.space.genes) == 1:
        text = text.replace(" ", "")  # a number alone is an index, and the same number
    for target in folder.targets:
        found = program.bits(folder.path, target, text)
        np.testing.assert_array_equal(found, folder.golden_bits(target), err_msg=target)
    result = program.run(CONFORMANCE, *program.verify_words, "--benchmark", benchmark_name)
    assert result.returncode == 0, result.stdout + result.stderr
    assert result.stdout.count("all bits equal") == len(folder.targets) > 0


@pytest.mark.parametrize("benchmark_name", BENCHMARKS)
def test_sanitized_conformance(sanitized: Program, benchmark_name: str) -> None:
    result = sanitized.verify(CONFORMANCE, "--benchmark", benchmark_name)
    assert result.returncode == 0, result.stdout + result.stderr


def _wide(name: str, n_genes: int) -> Block:
    return Block(name, tuple(Gene(f"{name}_{g}", tuple(range(256))) for g in range(n_genes)))


def _single(n_symbols: int) -> SearchSpace:
    return SearchSpace("single", (Block("b", (Gene("g", tuple(range(n_symbols))),)),))


_PAIRS = list(combinations(range(7), 2))

#: What the fixtures do not hold: terms over a space whose pairs have code of their own, sizes at
#: their limits, every length of a term.
EDGES: dict[str, tuple[Terms, int]] = {
    "mnasnet_turned": (Terms(MNASNET, tuple(reversed(_PAIRS))), 8),
    "mnasnet_sparse": (Terms(MNASNET, tuple(_PAIRS[:-1])), 8),
    "mnasnet_singles": (Terms.of_order(MNASNET, 1), 1),
    "mnasnet_more": (Terms(MNASNET, (*_PAIRS, (3,))), 2),
    "members": (Terms.of_order(_single(3), 1), 1024),
    "one_symbol": (Terms.of_order(_single(1), 1), 1),
    "symbols_256": (Terms.of_order(_single(256), 1), 2),
    "large_alone": (Terms(SearchSpace("large", (_wide("a", 2),)), ((0,),)), 1),
    "unused": (Terms(SearchSpace("huge", (_wide("a", 4), _wide("b", 1))), ((1,),)), 3),
    "many_blocks": (
        Terms(
            SearchSpace("many", tuple(Block(f"b{b}", (Gene(f"g{b}", (0,)),)) for b in range(64))),
            (tuple(range(31)), (63,), tuple(range(1, 63, 2))),
        ),
        2,
    ),
    "orders": (
        Terms(
            SearchSpace(
                "five", tuple(Block(f"b{b}", (Gene(f"g{b}", ("a", "b", "c")),)) for b in range(5))
            ),
            tuple(t for r in range(5, 0, -1) for t in combinations(range(5), r)),
        ),
        5,
    ),
}


@pytest.mark.parametrize("name", EDGES)
def test_terms_and_sizes_at_their_limits(program: Program, tmp_path: Path, name: str) -> None:
    terms, n_members = EDGES[name]
    space = terms.space
    ensemble = _random(space, Link("-1/2", 7.5, HINGES), n_members, 1, terms)
    folder = _write(tmp_path, {"t": ensemble})
    codes = sample(77, seed=3, space=space)
    text = "".join(json.dumps(space_values(space, row)) + "\n" for row in codes.tolist())
    expected = joined_bits(*ensemble.predict(codes_to_symbols(codes, space)))
    np.testing.assert_array_equal(program.bits(folder.path, "t", text), expected)


def space_values(space: SearchSpace, codes: list[int]) -> list[Any]:
    return [gene.choices[code] for gene, code in zip(space.genes, codes, strict=True)]


# --- architectures


def test_values_are_given_by_name_or_in_order(program: Program) -> None:
    """Strings, an empty one, one that is not ASCII, a negative number and a boolean."""
    for benchmark_name, target in (("one-block", "energy"), ("nasbench201-pairs", "accuracy")):
        folder = Folder(CONFORMANCE / benchmark_name)
        rows = folder.golden(None, "architectures").tolist()
        values = [space_values(folder.space, row) for row in rows]
        names = folder.space.gene_names
        objects = [dict(reversed(list(zip(names, row, strict=True)))) for row in values]
        for documents in (values, objects):
            text = "".join(json.dumps(document) + "\n" for document in documents)
            found = program.bits(folder.path, target, text)
            np.testing.assert_array_equal(found, folder.golden_bits(target))


def test_every_index_of_a_space(program: Program) -> None:
    folder = Folder(CONFORMANCE / "nasbench201-table")
    found = program.bits(folder.path, "accuracy", "\n".join(map(str, range(15_625))))
    codes = np.array(list(np.ndindex(*(5,) * 6)), dtype=np.uint8)
    expected = folder.ensemble("accuracy").predict(codes_to_symbols(codes, folder.space))
    np.testing.assert_array_equal(found, joined_bits(*expected))


def test_indices_of_a_space_of_more_than_2_64_architectures(program: Program) -> None:
    folder = Folder(CONFORMANCE / "fbnet-sparse")
    codes = folder.golden(None, "architectures")[:50]
    indices = [sum(int(code) * 9**g for g, code in enumerate(row[::-1])) for row in codes]
    found = program.bits(folder.path, "latency_pixel2", "".join(f"{i}\n" for i in indices))
    np.testing.assert_array_equal(found, folder.golden_bits("latency_pixel2")[:50])
    assert max(indices) > 2**64
    for index in (str(9**22), "9" * 500):
        result = query(program, "fbnet-sparse", "latency_pixel2", index)
        refused(result, f"is out of range; allowed are 0 to {9**22 - 1}")
    result = query(program, "fbnet-sparse", "latency_pixel2", "skip")
    refused(result, f"'skip' is no architecture; give an index from 0 to {9**22 - 1}, 22 codes")


def test_a_space_of_2_63_architectures_has_indices(standalone: Program, tmp_path: Path) -> None:
    blocks = [_wide(f"b{b}", 1) for b in range(7)] + [Block("c", (Gene("c", tuple(range(128))),))]
    space = SearchSpace("edge", tuple(blocks))
    assert space.size == 2**63
    ensemble = _random(space, Link("1"), 1, 1, Terms.of_order(space, 1))
    folder = _write(tmp_path, {"t": ensemble})
    codes = np.array([[255] * 7 + [127], [128] + [0] * 7], dtype=np.uint8)
    found = standalone.bits(folder.path, "t", f"{2**63 - 1}\n{2**62}\n")
    expected = joined_bits(*ensemble.predict(codes_to_symbols(codes, space)))
    np.testing.assert_array_equal(found, expected)
    for index in (2**63, 2**64 - 1):
        refused(standalone.query(folder.path, "t", str(index)), f"are 0 to {2**63 - 1}")


WRONG_VALUES = {
    "another string": ('["nope"' + ',"none"' * 5 + "]", "'nope' is not one of 'none', 'skip_"),
    "a code": ("[0" + ',"none"' * 5 + "]", "gene edge_1_0: 0 is not one of 'none', "),
    "a boolean": ("[true" + ',"none"' * 5 + "]", "gene edge_1_0: true is not one of"),
    "few values": ('["none"]', "has 6 codes or values, one for each gene, not 1"),
    "no values": ("[]", "has 6 codes or values, one for each gene, not 0"),
    "no genes": ("{}", "gene edge_1_0 is missing"),
    "another gene": (
        json.dumps({f"edge_{b}_{a}": "none" for b in (1, 2, 3) for a in range(b)} | {"x": "y"}),
        "there is no gene 'x' in search space nasbench201; the 6 genes are edge_1_0 ... edge_3_2",
    ),
    "four lists": ("[[1],[3],[1],[true]]", "has 6 codes or values, one for each gene, not 4"),
    "lists by name": (
        '{"expansion":[1],"kernel":[3],"layers":[1],"se":[true]}',
        "there is no gene 'expansion' in search space nasbench201, and gene edge_1_0 is missing",
    ),
    "efficientnet-b0": ("efficientnet-b0", "'efficientnet-b0' is no architecture; give a string"),
    "a word": (
        "none",
        "a string '|op~0|+|op~0|op~1|+|op~0|op~1|op~2|', an index from 0 to 15624, 6 codes 0 ...",
    ),
    "null": ('[null,"","","","",""]', "gene edge_1_0: null is not one of 'none', "),
}


@pytest.mark.parametrize("name", WRONG_VALUES)
def test_values_that_are_none_of_the_choices(
    program: Program, sanitized: Program, name: str
) -> None:
    text, message = WRONG_VALUES[name]
    for found in (program, sanitized):
        refused(query(found, "nasbench201-table", "accuracy", text), message)


def test_values_of_other_kinds(program: Program) -> None:
    """1 and 0 are booleans, but true is no number, and no text of digits is one."""
    for text, message in (
        ('[16, 2, "a"]', "gene se: 2 is not one of false, true (or 'True', 'False', 1, 0)"),
        ('[true, false, "a"]', "gene width: true is not one of 16, 24, -32"),
        ('["16", false, "a"]', "gene width: '16' is not one of 16, 24, -32"),
    ):
        refused(query(program, "one-block", "energy", text), message)


# --- one of several


def test_a_benchmark_is_named_where_there_are_several(program: Program) -> None:
    message = f"holds several benchmarks, name one of: {', '.join(BENCHMARKS)}\n"
    refused(program.query(CONFORMANCE, "accuracy", "0"), message)
    valid = f"valid benchmarks of {CONFORMANCE}: {', '.join(BENCHMARKS)}\n"
    for name in ("nasbench301", "../conformance/mixed", ".", "NASBENCH201-TABLE", "x" * 100_000):
        result = query(program, name, "accuracy", "0")
        refused(result, valid)
        assert result.stderr.startswith(f"{program.path.name}: error: unknown benchmark '")
        assert len(result.stderr) < 1000


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A folder of one benchmark, and of what is none."""
    root = tmp_path / "root"
    shutil.copytree(CONFORMANCE / "one-block", root / "one-block")
    (root / "notes.txt").write_text("no folder")
    for name in ("empty", ".hidden", "Capitals"):
        (root / name).mkdir()
    for name in (".hidden", "Capitals"):
        shutil.copy(root / "one-block" / "manifest.json", root / name)
    return root


def test_the_only_benchmark_needs_no_name(program: Program, root: Path) -> None:
    for folder in (root, root / "one-block"):
        for words in ((), ("--benchmark", "one-block")):
            result = program.query(folder, "energy", "0", *words)
            assert result.returncode == 0, result.stderr
        result = program.query(folder, "energy", "0", "--benchmark", "mixed")
        refused(result, f"unknown benchmark 'mixed'; valid benchmarks of {folder}: one-block\n")


def test_accel_nasbench_is_meant_where_it_is_one_of_several(program: Program, root: Path) -> None:
    other = root / "accel-nasbench"
    shutil.copytree(root / "one-block", other)
    refused(
        program.query(root, "energy", "0"),
        f"{other} is not called as its benchmark, 'one-block': rename it to that",
    )
    (other / "manifest.json").write_text("{}")
    refused(program.query(root, "energy", "0"), f"{other / 'manifest.json'} lacks the key 'schema'")
    result = program.query(root, "energy", "0", "--benchmark", "one-block")
    assert result.returncode == 0, result.stderr


def test_a_benchmark_opened_directly_may_lie_in_any_folder(program: Program, root: Path) -> None:
    (root / "one-block").rename(root / "My Benchmark")
    assert program.query(root / "My Benchmark", "energy", "0").returncode == 0
    refused(program.query(root, "energy", "0"), "without manifest.json, and so are all in it")


NO_ROOTS: dict[str, tuple[Callable[[Path], object], str]] = {
    "nothing": (lambda path: None, "cannot be read (No such file or directory)"),
    "a file": (Path.touch, "cannot be read (Not a directory)"),
    "an empty folder": (Path.mkdir, "is a folder without manifest.json, and so are all in it"),
    "a loop": (
        lambda p: p.symlink_to(p.name),
        "cannot be read (Too many levels of symbolic links)",
    ),
}


@pytest.mark.parametrize("name", NO_ROOTS)
def test_a_folder_that_is_none(program: Program, tmp_path: Path, name: str) -> None:
    make, message = NO_ROOTS[name]
    make(tmp_path / "place")
    for words in ((), ("--benchmark", "mixed")):
        refused(program.query(tmp_path / "place", "energy", "0", *words), message)


def test_a_manifest_in_a_root_that_is_no_file(program: Program, root: Path) -> None:
    manifest = root / "one-block" / "manifest.json"
    manifest.unlink()
    manifest.symlink_to("manifest.json")
    refused(program.query(root, "energy", "0"), f"{manifest} cannot be read (Too many levels")


# --- strings of NAS-Bench-201


def test_architecture_strings(program: Program) -> None:
    folder = Folder(CONFORMANCE / "nasbench201-table")
    rows = folder.golden(None, "architectures")[:50]
    texts = [to_arch_string(Architecture.from_codes(row, space=NASBENCH201)) for row in rows]
    (target, *_) = folder.targets
    found = program.bits(folder.path, target, "".join(f"{text}\n" for text in texts))
    np.testing.assert_array_equal(found, folder.golden_bits(target)[:50])
    result = query(program, "nasbench201-table", target, texts[7])
    assert result.returncode == 0, result.stderr


STRING = "|none~0|+|none~0|none~1|+|none~0|none~1|none~2|"


@pytest.mark.parametrize(
    "text",
    [
        STRING[:-1],
        STRING + "|",
        "|" + STRING,
        STRING.replace("~1", "~0"),
        STRING.replace("+", ""),
        STRING.replace("|none~0", "|~0", 1),
        STRING.replace("none~2", "max_pool~2"),
        "|",
    ],
)
def test_strings_that_are_none(program: Program, text: str) -> None:
    folder = Folder(CONFORMANCE / "nasbench201-table")
    result = query(program, "nasbench201-table", folder.targets[0], text)
    refused(result, "max_pool" if "max_pool" in text else "give a string '|op~0|+|op~0|op~1|+")


def test_a_string_is_of_nasbench201_only(program: Program) -> None:
    result = query(program, "fbnet-sparse", Folder(CONFORMANCE / "fbnet-sparse").targets[0], STRING)
    refused(result, "is no architecture")
