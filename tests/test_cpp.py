"""The C++ examples: built as their README says, and started as a user starts them."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cpp_room import (
    CPP,
    INTERVAL,
    SANITIZED,
    STRICT,
    TIMEOUT,
    Folder,
    Program,
    build,
    configure,
    joined_bits,
    lines,
    missing,
    need_compiler,
    onnxruntime_library,
    processor_has,
)
from random_texts import CASES

from anb_onnx.calibration import Calibration
from anb_onnx.catalog.benchmarks import FOLDER_VARIABLE
from anb_onnx.encoding.encoding import codes_to_indices, codes_to_symbols
from anb_onnx.links import POWERS, Link
from anb_onnx.regimes import Regime
from anb_onnx.spaces.architecture import sample
from anb_onnx.spaces.mnasnet import MNASNET, efficientnet_b0, to_lists
from anb_onnx.spaces.space import Block, Gene, SearchSpace
from anb_onnx.tables import TableEnsemble
from anb_onnx.terms import Terms, all_pairs

ROOT = CPP.parents[1]

#: Random architectures that are compared; a release is checked with ANB_TEST_ROWS=1000000.
N_RANDOM = int(os.environ.get("ANB_TEST_ROWS", "100000"))


@pytest.fixture(scope="session")
def builds(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of the programs, shared by all processes of this test run."""
    base = tmp_path_factory.getbasetemp()
    return (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "cpp_builds"


@pytest.fixture(scope="session")
def standalone(builds: Path) -> Program:
    folder = build(CPP / "standalone", builds / "standalone")
    return Program(folder / "anb_standalone", ("query",), ("verify",))


@pytest.fixture(scope="session")
def onnxruntime(builds: Path) -> Program:
    option = f"-DANB_ONNXRUNTIME_LIBRARY={onnxruntime_library()}"
    return Program(build(CPP, builds / "onnxruntime", option) / "anb_query")


@pytest.fixture(scope="session")
def sanitized(builds: Path) -> Program:
    """The standalone program, which ends with an error message at any bad access or overflow."""
    flags = f"{STRICT} {' '.join(SANITIZED)}"
    option = "-DCMAKE_CXX_FLAGS_RELEASE="  # -O1 compiles in half the time
    folder = build(CPP / "standalone", builds / "sanitized", option, flags=flags)
    return Program(folder / "anb_standalone", ("query",), ("verify",))


@pytest.fixture(params=["standalone", "onnxruntime"])
def program(request: pytest.FixtureRequest) -> Program:
    found: Program = request.getfixturevalue(request.param)
    return found


@pytest.fixture(scope="session")
def shipped() -> Folder:
    folder = Folder(Path(os.environ.get(FOLDER_VARIABLE) or ROOT / "artifacts/accel-nasbench"))
    if "golden" not in folder.manifest:
        missing(f"no golden vectors in {folder.path}")
    return folder


OTHER = SearchSpace(
    "other",
    (
        Block("stem", (Gene("stem_width", (16, 24, 32)),)),
        Block("a", (Gene("a_kernel", (3, 5)), Gene("a_se", (False, True)))),
        Block("b", tuple(Gene(f"b_{i}", tuple(range(5))) for i in range(3))),
        Block("c", (Gene("c_e", (-1,)), Gene("c_l", ("deep", "")))),
    ),
)


def _write(folder: Path, ensembles: dict[str, TableEnsemble], **facts_of_cards: object) -> Folder:
    """Write artifacts as the exporter does, with these facts in their cards; None drops one."""
    pytest.importorskip("anb_export", reason="needs the exporter: pip install -e export")
    from anb_export._io.files import sha256
    from anb_export.graphs.table_form import build_table_model

    from anb_onnx.writing.golden import golden_vectors
    from anb_onnx.writing.manifest import set_listed, write_artifact

    space = next(iter(ensembles.values())).space
    for name, ensemble in ensembles.items():
        card: dict[str, Any] = {
            "benchmark": "accel-nasbench",
            "form": "tables",
            "metric": name,
            "device": None,
            "unit": "ms",
            "direction": "min",
            "members": ensemble.n_members,
            "exact": False,
            "link": ensemble.link.to_dict(),
            "calibration": Calibration(
                1.5, 0.01, 1, ensemble.link.offset, (0.0, 0.5, 0.8, 0.95), (0.0, 0.6, 1.1, 2.3)
            ).to_dict(),
            "dataset": {"name": "random numbers", "license": "Apache-2.0", "sha256": "0" * 64},
            "license": "Apache-2.0",
            "quality": {"test": {"n": 0}},
            "versions": {},
        }
        card |= facts_of_cards
        card = {key: fact for key, fact in card.items() if key == "device" or fact is not None}
        model = build_table_model(ensemble, card)
        card = model.card
        write_artifact(folder / f"{name}.onnx", model.content, name, card, space=space)
    content, entry = golden_vectors(ensembles, space)
    (folder / "golden.bin").write_bytes(content)
    facts = {"file": "golden.bin", "sha256": sha256(content), "bytes": len(content)}
    set_listed(folder, "golden", lambda: {**facts, **entry})
    return Folder(folder)


def _random(
    space: SearchSpace, link: Link, n_members: int, seed: int, terms: Terms | None = None
) -> TableEnsemble:
    """An ensemble of random tables, whose totals lie around what the link can invert."""
    terms = terms or all_pairs(space)
    rng = np.random.default_rng(seed)
    shape = (terms.n_entries, n_members)
    entries = rng.integers(-(2**24), 2**24, size=shape, dtype=np.int32)
    return TableEnsemble(space, entries, 2.0**-27 * 1.1, 3.0, link, terms)


def _with_regime(
    ensemble: TableEnsemble, gene: str, codes: tuple[int, ...], n_hinges: int = 2
) -> TableEnsemble:
    """The ensemble with a regime, whose knots lie among its predictions."""
    space = ensemble.space
    symbols = codes_to_symbols(sample(1000, seed=0, space=space), space)
    knots = np.quantile(ensemble.predict(symbols)[0], (0.3, 0.6, 0.9)[:n_hinges])
    hinges = tuple(zip(knots.tolist(), (0.5, -0.75, 3.1), strict=False))
    return replace(ensemble, link=replace(ensemble.link, regime=Regime(gene, codes, hinges)))


HINGES = ((2.5, -0.375), (3.1, 0.7))

#: Of genes that stand first, in the middle and last in their block and space, and of all choices.
REGIMES: tuple[tuple[str, tuple[int, ...]], ...] = (
    ("stem_width", (0, 2)),
    ("a_se", (1,)),
    ("b_1", (1, 2, 4)),
    ("c_e", (0,)),
    ("c_l", (1,)),
)


@pytest.fixture(scope="session")
def other_space(tmp_path_factory: pytest.TempPathFactory) -> Folder:
    """A search space with other numbers of everything; every link, without and with a regime."""
    ensembles = {
        f"t{i}": _random(OTHER, Link(power, 7.5 if i % 2 else None, HINGES[: i % 3]), 1 + i, i)
        for i, power in enumerate(POWERS)
    }
    ensembles |= {
        f"r{i}": _with_regime(ensembles[f"t{i}"], *REGIMES[i % len(REGIMES)], 1 + i % 3)
        for i in range(len(POWERS))
    }
    return _write(tmp_path_factory.mktemp("other_space"), ensembles)


@pytest.fixture(scope="session")
def small(tmp_path_factory: pytest.TempPathFactory) -> Folder:
    """One target of a small space with all there is.

    Terms of one to three blocks, in no order; an offset, hinges, a regime, a calibration.
    """
    terms = Terms(OTHER, ((1, 2), (3,), (0, 1, 3), (0, 2)))
    ensemble = _random(OTHER, Link("-1/2", 7.5, HINGES), 3, 1, terms)
    folder = tmp_path_factory.mktemp("small")
    return _write(folder, {"t": _with_regime(ensemble, "b_1", (1, 2, 4), 2)})


@pytest.fixture(scope="session")
def member_counts(tmp_path_factory: pytest.TempPathFactory) -> Folder:
    """The shipped space with every number of members that has lookups of its own, and one more.

    Without a regime (m1, ...) and with (r1, ...).
    """
    counts = (1, 2, 3, 4, 5, 6, 7, 8, 16, 19)
    ensembles = {f"m{m}": _random(MNASNET, Link("-1/2"), m, m) for m in counts}
    regimes = (("block5_l", (3,)), ("block0_e", (0, 2)), ("block6_se", (1,)))
    ensembles |= {
        f"r{m}": _with_regime(ensembles[f"m{m}"], *regimes[i % 3]) for i, m in enumerate(counts)
    }
    return _write(tmp_path_factory.mktemp("member_counts"), ensembles)


# --- the same bits


def test_the_single_header_is_made_from_its_parts() -> None:
    code = "import amalgamate; print(amalgamate.amalgamate(), end='')"
    environment = {**os.environ, "PYTHONPATH": str(CPP), "PYTHONDONTWRITEBYTECODE": "1"}
    made = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment
    ).stdout
    header = (CPP / "standalone" / "anb_surrogate.hpp").read_text(encoding="utf-8")
    assert made == header, "run: python examples/cpp/amalgamate.py"


def test_golden_vectors(program: Program, shipped: Folder) -> None:
    text = lines(shipped.golden(None, "architectures"))
    for target in shipped.targets:
        found = program.bits(shipped.path, target, text)
        np.testing.assert_array_equal(found, shipped.golden_bits(target), err_msg=target)


def test_the_programs_verify_the_golden_vectors_themselves(
    program: Program, shipped: Folder
) -> None:
    result = program.verify(shipped.path)
    assert result.returncode == 0, result.stdout + result.stderr
    n = shipped.manifest["golden"]["n"]
    assert result.stdout.splitlines() == [
        f"{target}\t{n} architectures\tall bits equal" for target in shipped.targets
    ]


def test_random_architectures(program: Program, shipped: Folder) -> None:
    """As indices, on the target with the longest link and on accuracy."""
    links = {t: shipped.manifest["targets"][t]["link"]["inverse"] for t in shipped.targets}
    codes = sample(N_RANDOM, seed=6, space=shipped.space)
    text = "\n".join(map(str, codes_to_indices(codes, shipped.space).tolist()))
    symbols = codes_to_symbols(codes, shipped.space)
    for target in sorted({"accuracy", max(links, key=lambda t: len(links[t]))}):
        expected = joined_bits(*shipped.ensemble(target).predict(symbols))
        np.testing.assert_array_equal(program.bits(shipped.path, target, text), expected)


def test_another_search_space(program: Program, other_space: Folder) -> None:
    result = program.verify(other_space.path)
    assert result.returncode == 0, result.stdout + result.stderr
    assert result.stdout.count("all bits equal") == 2 * len(POWERS)


def test_any_number_of_members(program: Program, member_counts: Folder) -> None:
    result = program.verify(member_counts.path)
    assert result.returncode == 0, result.stdout + result.stderr


@pytest.mark.parametrize("n", [0, 1, 15, 16, 17, 33])
def test_batches_of_any_size(program: Program, shipped: Folder, n: int) -> None:
    codes = shipped.golden(None, "architectures")[:n]
    found = program.bits(shipped.path, "accuracy", lines(codes))
    np.testing.assert_array_equal(found, shipped.golden_bits("accuracy")[:n])


@pytest.mark.parametrize("target", ["r8", "r19"])
def test_a_regime_in_batches_of_any_size(
    program: Program, member_counts: Folder, target: str
) -> None:
    """Of rows inside and outside, whose bits tell whether the regime was applied."""
    ensemble = member_counts.ensemble(target)
    regime = ensemble.link.regime
    assert regime is not None
    codes = sample(97, seed=1, space=MNASNET)
    inside = regime.contains(codes, MNASNET)
    symbols = codes_to_symbols(codes, MNASNET)
    expected = joined_bits(*ensemble.predict(symbols))
    without = replace(ensemble, link=replace(ensemble.link, regime=None))
    changed = (expected != joined_bits(*without.predict(symbols))).any(axis=1)
    assert changed[inside].any()
    assert not changed[~inside].any()
    for n in (1, 16, 31, 32, 33, 64, 97):
        found = program.bits(member_counts.path, target, lines(codes[:n]))
        np.testing.assert_array_equal(found, expected[:n])


def test_compiled_for_this_processor(
    builds: Path, shipped: Folder, other_space: Folder, member_counts: Folder
) -> None:
    folder = build(CPP / "standalone", builds / "native", "-DANB_NATIVE=ON")
    program = Program(folder / "anb_standalone", ("query",), ("verify",))
    for artifacts in (shipped, other_space, member_counts):
        result = program.verify(artifacts.path)
        assert result.returncode == 0, result.stdout + result.stderr


def test_fused_products_are_refused(builds: Path, shipped: Folder) -> None:
    """A program compiled against the contract says so instead of giving other bits."""
    if not processor_has("fma"):
        pytest.skip("needs an x86 processor with fused multiply-add")
    compiler = need_compiler()
    program = builds / "fused"
    builds.mkdir(exist_ok=True)
    source = CPP / "standalone" / "anb_standalone.cpp"
    flags = ["-std=c++17", "-O2", "-mfma", "-ffp-contract=fast", "-pthread"]
    subprocess.run([compiler, *flags, str(source), "-o", str(program)], check=True)
    result = Program(program, ("query",), ("verify",)).verify(shipped.path)
    assert result.returncode == 2
    assert "compile it with -ffp-contract=off" in result.stderr


def test_onnxruntime_with_headers(builds: Path, shipped: Folder) -> None:
    """The layout of a release archive; our declarations stand in for onnxruntime's header."""
    library = onnxruntime_library()
    root = builds / "release"
    include, lib = root / "include", root / "lib"
    for folder in (include, lib):
        folder.mkdir(parents=True, exist_ok=True)
    header = (CPP / "onnxruntime_minimal.hpp").read_text(encoding="utf-8")
    header += 'extern "C" const OrtApiBase* OrtGetApiBase();\n'
    (include / "onnxruntime_c_api.h").write_text(header, encoding="utf-8")
    suffix = ".dylib" if library.name.endswith("dylib") else ".so"
    for name in (f"libonnxruntime{suffix}", f"libonnxruntime{suffix}.1", library.name):
        if not (lib / name).exists():
            (lib / name).symlink_to(library)
    folder = build(CPP, builds / "with_headers", f"-DONNXRUNTIME_ROOT={root}", target="anb_query")
    result = Program(folder / "anb_query").verify(shipped.path, "accuracy")
    assert result.returncode == 0, result.stdout + result.stderr


# --- what a user types and reads


def test_the_readme_compiles(tmp_path: Path, shipped: Folder) -> None:
    compiler = need_compiler()
    readme = (CPP / "README.md").read_text(encoding="utf-8")
    match = re.search(r"```cpp\n(.*?)```", readme, re.DOTALL)
    assert match is not None
    (tmp_path / "main.cpp").write_text(match[1], encoding="utf-8")
    shutil.copy(CPP / "standalone" / "anb_surrogate.hpp", tmp_path)
    command = re.search(r"^g\+\+ (.*) && ./main$", readme, re.MULTILINE)
    assert command is not None
    subprocess.run([compiler, *STRICT.split(), *command[1].split()], cwd=tmp_path, check=True)
    (tmp_path / "artifacts").symlink_to(shipped.path.resolve())
    result = subprocess.run(
        ["./main"], cwd=tmp_path, capture_output=True, text=True, check=True, timeout=60
    )
    b0 = codes_to_symbols(np.array([efficientnet_b0().codes], dtype=np.uint8), MNASNET)
    mean, std, _ = shipped.ensemble("accuracy").predict(b0)
    calibration = Calibration.from_dict(shipped.manifest["targets"]["accuracy"]["calibration"])
    lower, upper = calibration.interval(mean, std, 0.9)
    believed = f"90 % of new measurements from {lower[0]:.6g} to {upper[0]:.6g}"
    assert result.stdout == f"{mean[0]:.6g} %, {believed}\n"


def test_all_spellings_of_an_architecture(program: Program, shipped: Folder) -> None:
    b0 = efficientnet_b0()
    lists = [*to_lists(b0).values()]
    spellings = ["efficientnet-b0", str(b0.index), json.dumps(lists), lines(np.array([b0.codes]))]
    result = program.query(shipped.path, "accuracy", *spellings)
    assert result.returncode == 0, result.stderr
    header, *rows = result.stdout.splitlines()
    assert header == "\t".join(("mean", "std", *INTERVAL))
    assert len(rows) == 4
    assert len(set(rows)) == 1
    mean, std, _ = shipped.ensemble("accuracy").predict(
        codes_to_symbols(np.array([b0.codes], dtype=np.uint8), MNASNET)
    )
    assert [np.float32(word) for word in rows[0].split("\t")[:2]] == [mean[0], std[0]]


def test_cases_of_architectures_as_text(program: Program, shipped: Folder) -> None:
    """Those that all languages share, as arguments and as lines."""
    here = json.loads(CASES.read_text("utf-8"))["spaces"][0]
    assert here["space"]["name"] == shipped.space.name
    texts = [case["text"] for case in here["valid"]]
    expected = program.query(
        shipped.path, "accuracy", text=lines(np.array([case["codes"] for case in here["valid"]]))
    ).stdout
    assert expected.count("\n") == len(texts) + 1
    assert program.query(shipped.path, "accuracy", *texts).stdout == expected
    one_line = "\n".join(" ".join(text.split("\n")) for text in texts)
    assert program.query(shipped.path, "accuracy", "-", text=one_line).stdout == expected
    for case in here["invalid"][::10]:
        result = program.query(shipped.path, "accuracy", "0", case["text"])
        assert result.returncode == 2
        assert all(name in result.stderr for name in case["names"]), (case, result.stderr)


def test_intervals(program: Program, shipped: Folder) -> None:
    codes = shipped.golden(None, "architectures")[:200]
    for target in ("accuracy", "throughput_a100"):
        calibration = Calibration.from_dict(shipped.manifest["targets"][target]["calibration"])
        mean, std = (shipped.golden(target, name)[:200] for name in ("mean", "std"))
        for level in (None, 0.33, calibration.levels[1], calibration.levels[-1]):
            arguments = ["--hex"] if level is None else ["--interval", repr(level), "--hex"]
            level = level or 0.9
            result = program.query(shipped.path, target, *arguments, text=lines(codes))
            assert result.returncode == 0, result.stderr
            rows = [line.split("\t") for line in result.stdout.splitlines()[1:]]
            found = np.array([[int(word, 16) for word in row] for row in rows], dtype=np.uint32)
            scale = calibration.predictive_std(mean, std)
            bounds = np.column_stack(calibration.interval(mean, std, level))
            expected = joined_bits(mean, std, np.column_stack([scale, bounds]))
            np.testing.assert_array_equal(found, expected)


EXACT = {
    "exact": (True, ("00000000", None, None)),
    "estimated": (False, ("", "", "")),
}


@pytest.mark.parametrize("name", EXACT)
def test_intervals_without_a_calibration(
    program: Program, small: Folder, tmp_path: Path, name: str
) -> None:
    """Of what is exact it is the mean; of other targets nothing is known: nothing is made up."""
    exact, cells = EXACT[name]
    folder = _write(tmp_path, {"t": small.ensemble("t")}, exact=exact, calibration=None)
    rows = [
        line.split("\t")
        for line in program.query(folder.path, "t", "7", "--hex").stdout.splitlines()
    ]
    header, row = rows
    assert header == ["mean", "std", *INTERVAL]
    assert tuple(row[2:]) == tuple(row[0] if cell is None else cell for cell in cells)
    result = program.query(folder.path, "t", "7", "--interval", "0.9")
    assert result.returncode == (0 if exact else 2)
    assert exact or "target t has no calibration" in result.stderr


INPUT_ERRORS = {
    "word": "'resnet' is no architecture; give efficientnet-b0, four lists [[expansion...],",
    "fraction": "'0.5' is no architecture",
    "negative": "'-1' is no architecture",
    "index": "index 104485552128 is out of range; allowed are 0 to 104485552127",
    "code": "gene block0_k: code 2 is out of range; allowed are 0 to 1",
    "large code": "gene block0_k: code 256 is out of range; allowed are 0 to 1",
    "few codes": "an architecture of mnasnet has 28 codes or values, one for each gene, not 2",
    "value": "gene block0_e: 2 is not one of 1, 4, 6",
    "short list": "layers takes 7 values, one per block, not 6",
    "integer for se": "gene block0_se: 2 is not one of true, false (or 'True', 'False', 1, 0)",
    "broken list": "'[[1,6,6,6,6,6,6],[3,3,5,3,5,5,3],[1,2,2,3,3,4,1],[true,true,...' is no",
}
_GOOD = "[[1,6,6,6,6,6,6],[3,3,5,3,5,5,3],[1,2,2,3,3,4,1],[true,true,true,true,true,true,true]]"
INPUTS = {
    "word": "resnet",
    "fraction": "0.5",
    "negative": "-1",
    "index": "104485552128",
    "code": "0 2" + " 0" * 26,
    "large code": "0 256" + " 0" * 26,
    "few codes": "0,1",
    "value": _GOOD.replace("[[1,", "[[2,"),
    "short list": _GOOD.replace("[1,2,2,3,3,4,1]", "[1,2,2,3,3,4]"),
    "integer for se": _GOOD.replace("[true,", "[2,"),
    "broken list": _GOOD[:-1],
}


@pytest.mark.parametrize("name", INPUTS)
def test_bad_input(program: Program, shipped: Folder, name: str) -> None:
    for arguments, text, where in (
        ([INPUTS[name]], "", ""),
        ([], f"0\n\n{INPUTS[name]}\n", "line 3: "),
    ):
        result = program.query(shipped.path, "accuracy", *arguments, text=text)
        assert result.returncode == 2
        assert result.stderr.startswith(f"{program.path.name}: error: {where}{INPUT_ERRORS[name]}")
        assert result.stderr.count("\n") == 1


USAGE_ERRORS: dict[str, tuple[list[str], str]] = {
    "no target": ([], "name a target, one of: "),
    "unknown target": (["flops"], "unknown target 'flops'; valid targets: "),
    "unknown option": (["accuracy", "--member"], "unknown option --member"),
    "no value": (["accuracy", "--interval"], "--interval takes a value"),
    "level": (["accuracy", "--interval", "1.5"], "level must be above 0 and at most 0."),
    "no number": (["accuracy", "--interval", "x"], "--interval takes a level as 0.9, not 'x'"),
}


@pytest.mark.parametrize("name", USAGE_ERRORS)
def test_bad_usage(program: Program, shipped: Folder, name: str) -> None:
    arguments, message = USAGE_ERRORS[name]
    result = program.query(shipped.path, *arguments)
    assert result.returncode == 2
    assert message in result.stderr


def test_help(program: Program) -> None:
    for word in ("--help", "-h"):
        result = program.run(Path("nowhere"), word)
        assert result.returncode == 0
        assert result.stdout.startswith(f"usage: {program.path.name} ")


def test_the_examples_of_the_help_run(program: Program, shipped: Folder) -> None:
    text = program.run(Path("nowhere"), "--help").stdout
    examples = [line.strip() for line in text.partition("examples:\n")[2].splitlines()]
    assert len(examples) >= 4
    for example in examples:
        if " bench " in example:
            continue  # `test_measuring` takes less time
        command = example.replace(program.path.name, str(program.path), 1).partition(" > ")[0]
        result = subprocess.run(
            ["sh", "-c", command],
            capture_output=True,
            text=True,
            timeout=TIMEOUT,
            check=True,
            env={**os.environ, FOLDER_VARIABLE: str(shipped.path)},
        )
        rows = result.stdout.splitlines()
        assert len(rows) > 1, example
        if "verify" not in example:
            assert rows[0].split("\t") == ["mean", "std", *INTERVAL]


def test_the_release(program: Program) -> None:
    """The headers and the package of JavaScript are of the release that this is."""
    result = program.run(Path("nowhere"), "--version")
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    assert result.stdout == f"{program.path.name} {project['version']}\n"
    package = json.loads((ROOT / "examples" / "js" / "package.json").read_text("utf-8"))
    assert package["version"] == project["version"]


def test_measuring(standalone: Program, onnxruntime: Program, shipped: Folder) -> None:
    bench = Program(onnxruntime.path.with_name("anb_bench"))
    for found, words in ((standalone, ["bench"]), (bench, [])):
        options = ["--rows", "5000", "--repeats", "2", "--threads", "2"]
        result = found.run(shipped.path, *words, "accuracy", *options)
        assert result.returncode == 0, result.stderr
        facts = dict(line.split("\t") for line in result.stdout.splitlines())
        assert facts["rows"] == "5000"
        assert float(facts["best_per_second"]) >= float(facts["median_per_second"]) > 0


def test_no_onnxruntime(onnxruntime: Program, shipped: Folder) -> None:
    result = onnxruntime.query(shipped.path, "accuracy", "0", ANB_ONNXRUNTIME="/nowhere.so")
    assert result.returncode == 2
    assert "set ANB_ONNXRUNTIME to the path of libonnxruntime" in result.stderr


def test_building_without_onnxruntime_says_what_to_do(tmp_path: Path) -> None:
    need_compiler()
    option = "-DCMAKE_DISABLE_FIND_PACKAGE_onnxruntime=ON"
    result = configure(CPP, tmp_path, option)
    assert result.returncode != 0
    assert "-DONNXRUNTIME_ROOT=" in result.stderr


# --- damaged artifacts


def _edit(folder: Path, change: Callable[[dict[str, Any]], object]) -> None:
    path = folder / "manifest.json"
    document = json.loads(path.read_text(encoding="utf-8"))
    change(document)
    path.write_text(json.dumps(document), encoding="utf-8")


def _flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def _accuracy(change: dict[str, Any], key: str | None = None) -> Callable[[Path], None]:
    def apply(document: dict[str, Any]) -> None:
        card = document["targets"]["accuracy"]
        (card if key is None else card[key]).update(change)

    return lambda folder: _edit(folder, apply)


def _regime(steps: int = 1, **change: object) -> Callable[[Path], None]:
    regime = {"gene": "block5_l", "codes": [3], "hinges": [[90.0, 0.5]]} | change
    return _accuracy({"inverse": ["regime"] * steps, "regime": regime}, "link")


DAMAGES: dict[str, tuple[Callable[[Path], object], str]] = {
    "no manifest": (
        lambda f: (f / "manifest.json").unlink(),
        " is a folder without manifest.json, and so are all in it",
    ),
    "no JSON": (lambda f: (f / "manifest.json").write_text("{]"), "is not valid JSON"),
    "schema 1": (
        lambda f: _edit(f, lambda m: m.update(schema=1)),
        "'schema' must be 2, not 1: convert its folder with anb-export upgrade FOLDER --out",
    ),
    "schema 3": (
        lambda f: _edit(f, lambda m: m.update(schema=3)),
        "'schema' must be 2, not 3: it needs the C++ headers of a newer release",
    ),
    "no benchmark": (
        lambda f: _edit(f, lambda m: m.pop("benchmark")),
        "lacks the key 'benchmark'",
    ),
    "no targets": (lambda f: _edit(f, lambda m: m.pop("targets")), "lacks the key 'targets'"),
    "no file": (lambda f: (f / "accuracy.onnx").unlink(), "accuracy.onnx cannot be read"),
    "truncated": (
        lambda f: os.truncate(f / "accuracy.onnx", 1000),
        "accuracy.onnx is damaged: expected ",
    ),
    "one bit": (lambda f: _flip(f / "accuracy.onnx"), "accuracy.onnx is damaged: expected sha256"),
    "path": (_accuracy({"file": "../a.onnx"}), "must be a plain file name, not '../a.onnx'"),
    "hash": (_accuracy({"sha256": "0"}), "must be 64 hexadecimal digits"),
    "members": (_accuracy({"members": 0}), "'targets.accuracy.members' must be"),
    "negative offset": (_accuracy({"offset": -1}, "tables"), "tables.offset' must be an integer"),
    "offset behind the end": (_accuracy({"offset": 10**6}, "tables"), "within the file's"),
    "huge offset": (_accuracy({"offset": 2**64}, "tables"), "tables.offset' must be an integer"),
    "scale": (_accuracy({"scale": "1"}, "tables"), "tables.scale' must be a number"),
    "step": (
        _accuracy({"inverse": ["exp"]}, "link"),
        "square, sqrt, reciprocal, reflect, hinge or regime, not 'exp'",
    ),
    "hinge": (
        _accuracy({"inverse": ["hinge"], "hinges": [[1.0]]}, "link"),
        "link.hinges' must be one [knot, change] for each step hinge",
    ),
    "hinges": (
        _accuracy({"inverse": ["hinge"], "hinges": [[1.0, 0.5]] * 2}, "link"),
        "link.hinges' must be one [knot, change] for each step hinge",
    ),
    "regime": (_accuracy({"inverse": ["regime"]}, "link"), "link' lacks the key 'regime'"),
    "regime: gene": (
        _regime(gene="block5_x"),
        "link.regime.gene' must be a gene of search space mnasnet, not 'block5_x'",
    ),
    "regime: no list": (_regime(codes=3), "link.regime.codes' must be a list"),
    "regime: no codes": (
        _regime(codes=[]),
        "link.regime.codes' must be one or more, that increase",
    ),
    "regime: codes": (
        _regime(codes=[2, 1]),
        "link.regime.codes' must be one or more, that increase",
    ),
    "regime: code twice": (_regime(codes=[1, 1]), "must be one or more, that increase"),
    "regime: code": (
        _regime(codes=[3, 4]),
        "link.regime.codes[1]' must be an integer from 0 to 3, not 4",
    ),
    "regime: negative code": (_regime(codes=[-1]), "must be an integer from 0 to 3, not -1"),
    "regime: fraction": (_regime(codes=[0.5]), "must be an integer from 0 to 3, not 0.5"),
    "regime: hinge": (
        _regime(hinges=[[90.0, 0.5, 1.0]]),
        "link.regime.hinges' must be one [knot, change] for each step regime",
    ),
    "regime: change": (_regime(hinges=[[90.0, None]]), "regime.hinges[0][1]' must be a number"),
    "regime: few steps": (_regime(0), "must be one [knot, change] for each step regime"),
    "regime: many steps": (_regime(2), "must be one [knot, change] for each step regime"),
    "regime: no hinges": (_regime(0, hinges=[]), "link.regime.hinges' must be one or more"),
    "entries": (
        _accuracy({"entries": 100}, "tables"),
        "tables.entries' must be 29808 as the terms have, not 100",
    ),
    "size": (
        lambda f: _edit(f, lambda m: m["search_space"].update(size=5)),
        "'search_space.size' must be 104485552128, not 5",
    ),
}


@pytest.fixture
def damaged(tmp_path: Path, shipped: Folder) -> Path:
    """A copy of one artifact to be damaged."""
    folder = tmp_path / "artifacts"
    folder.mkdir()
    for name in ("accuracy.onnx", "golden.bin", "manifest.json"):
        shutil.copy(shipped.path / name, folder)
    return folder


@pytest.mark.parametrize("name", DAMAGES)
def test_damage(program: Program, damaged: Path, name: str) -> None:
    damage, message = DAMAGES[name]
    damage(damaged)
    result = program.query(damaged, "accuracy", "0")
    assert result.returncode == 2
    assert message in result.stderr
    assert result.stdout == ""


def test_a_form_without_tables_needs_a_runtime(standalone: Program, damaged: Path) -> None:
    _accuracy({"form": "trees"})(damaged)

    def without_tables(manifest: dict[str, Any]) -> None:
        del manifest["targets"]["accuracy"]["tables"]
        del manifest["targets"]["accuracy"]["terms"]

    _edit(damaged, without_tables)
    result = standalone.query(damaged, "accuracy", "0")
    assert result.returncode == 2
    assert "target accuracy, of the form 'trees', has no tables" in result.stderr


def test_wrong_bits_are_found(program: Program, damaged: Path) -> None:
    """Golden vectors that differ in one bit of one member, in a file that is listed as it is."""
    from hashlib import sha256

    golden = Folder(damaged).manifest["golden"]
    array = next(a for a in golden["arrays"] if (a["target"], a["name"]) == ("accuracy", "members"))
    content = bytearray((damaged / golden["file"]).read_bytes())
    content[array["offset"] + 4 * 123] ^= 1
    (damaged / golden["file"]).write_bytes(content)
    digest = sha256(content).hexdigest()
    _edit(damaged, lambda m: m["golden"].update(sha256=digest))
    result = program.verify(damaged, "accuracy")
    assert result.returncode == 1
    assert "DIFFERENT: members[123]: expected " in result.stdout


# --- under the sanitizers


def test_sanitized_predictions(
    sanitized: Program, shipped: Folder, other_space: Folder, member_counts: Folder
) -> None:
    for folder in (shipped, other_space, member_counts):
        result = sanitized.verify(folder.path)
        assert result.returncode == 0, result.stdout + result.stderr
    codes = shipped.golden(None, "architectures")
    for n in (0, 1, 15, 16, 17):
        result = sanitized.query(shipped.path, "accuracy", "--members", text=lines(codes[:n]))
        assert result.returncode == 0, result.stderr
        assert result.stdout.count("\n") == n + 1


@pytest.mark.parametrize("name", INPUTS)
def test_sanitized_input(sanitized: Program, shipped: Folder, name: str) -> None:
    result = sanitized.query(shipped.path, "accuracy", text=INPUTS[name])
    assert (result.returncode, result.stderr.count("\n")) == (2, 1), result.stderr


@pytest.mark.parametrize("name", DAMAGES)
def test_sanitized_damage(sanitized: Program, damaged: Path, name: str) -> None:
    DAMAGES[name][0](damaged)
    result = sanitized.query(damaged, "accuracy", "0")
    assert (result.returncode, result.stderr.count("\n")) == (2, 1), result.stderr


def test_sanitized_manifests_cut_off_or_mutated(
    sanitized: Program, damaged: Path, shipped: Folder
) -> None:
    """Whatever a manifest holds, the program ends with a prediction or one line of error."""
    content = (shipped.path / "manifest.json").read_bytes()
    rng = np.random.default_rng(1)
    cuts = [content[:n] for n in rng.integers(0, len(content), 10)]
    mutants = []
    for _ in range(20):
        mutant = bytearray(content)
        for place in rng.integers(0, len(content), 3):
            mutant[place] = int(rng.integers(0, 256))
        mutants.append(bytes(mutant))
    deep = [b"[" * 100_000, b'{"a":' * 100_000, b'"\\ud800"', b'"\\u12', b"1e999", b"\xff\xfe"]
    for manifest in [*cuts, *mutants, *deep]:
        (damaged / "manifest.json").write_bytes(manifest)
        result = sanitized.query(damaged, "accuracy", "0")
        good = result.returncode == 0 or (
            result.returncode == 2 and result.stderr.startswith("anb_standalone: error: ")
        )
        assert good, (manifest[:200], result.returncode, result.stderr)
