"""Several outputs, curves and noise between seeds in the C++ clients; the golden bits are those of
`test_cpp_benchmarks`."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cpp_room import SOURCES, TIMEOUT, Program, compile_program, lines, refused
from random_vectors import SMALL, write
from test_cpp import builds, onnxruntime, program, standalone

from anb_onnx.errors import FidelityError
from anb_onnx.spaces.architecture import sample
from anb_onnx.spaces.mnasnet import MNASNET
from anb_onnx.vector_answers import Curve
from anb_onnx.vector_surrogate import VectorSurrogate

#: Fixtures of `test_cpp`, which this module uses as its own.
FIXTURES = (
    builds,
    onnxruntime,
    program,
    standalone,
)

CONFORMANCE = Path(__file__).resolve().parent / "conformance"
CURVES, SEVERAL = CONFORMANCE / "curves", CONFORMANCE / "several"
ROWS = 300
RUNS = 3

Written = tuple[Path, dict[str, VectorSurrogate]]


@pytest.fixture(scope="session")
def printer(builds: Path) -> Path:
    """The program that prints what the library's functions answer."""
    return compile_program(SOURCES / "vectors.cpp", builds / "vectors", ("-O2", "-g1"))


@pytest.fixture(scope="session", params=["mnasnet-8", "small-3"])
def written(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Written:
    """Pairs whose lookups are unrolled, and terms of all kinds that are not."""
    folder = tmp_path_factory.mktemp(request.param)
    space, members = (MNASNET, 8) if request.param == "mnasnet-8" else (SMALL, 3)
    return folder, write(space, members, folder)


def bits(*values: Any) -> list[str]:
    """Numbers as the program prints them: those of float32 in 8 digits, float64 in 16."""
    found = []
    for value in values:
        array = np.atleast_1d(np.asarray(value))
        kind, width = (np.uint32, 8) if array.dtype == np.float32 else (np.uint64, 16)
        found += [f"{bit:0{width}x}" for bit in array.view(kind).tolist()]
    return found


def answers(surrogate: VectorSurrogate, codes: Any, fidelity: float, level: float) -> Any:
    """What Python says of the same, line by line."""
    whole = surrogate.query(codes)
    parts: list[Any] = [whole.mean]
    for output in whole.outputs.values():  # type: ignore[attr-defined]
        parts += [output.mean, output.std]
    runs = surrogate.query(codes, fidelity={"seeds": RUNS})
    parts += [runs.predictive_std, *runs.interval(0.8)]
    if isinstance(whole, Curve):
        there = surrogate.query(codes, members=True, fidelity=fidelity)
        parts += [there.mean, there.std, there.members]
        parts += [there.predictive_std, *there.interval(0.8), whole.crossing(level)]
    return [bits(*(part[row] for part in parts)) for row in range(len(codes))]


@pytest.mark.parametrize("target", ["accuracy", "loss", "time"])
def test_all_that_python_says(printer: Path, written: Written, target: str) -> None:
    folder, surrogates = written
    surrogate = surrogates[target]
    codes = sample(ROWS, seed=3, space=surrogate.space)
    level, ends = 0.0, [1.0]
    if target != "time":
        curve = surrogate.query(codes)
        assert isinstance(curve, Curve)
        level = float(np.median(curve.mean))
        crossed = np.isfinite(curve.crossing(level))
        assert 0 < crossed.sum() < ROWS
        ends = [1.0, 1.3, curve.epochs[17], 123.456, curve.epochs[-1]]
    for fidelity in ends:
        command = [str(printer), str(folder), target, repr(float(fidelity)), repr(level), str(RUNS)]
        result = subprocess.run(
            command, input=codes.tobytes(), capture_output=True, timeout=TIMEOUT, check=False
        )
        assert result.returncode == 0, result.stderr
        found = [line.split() for line in result.stdout.decode().splitlines()]
        expected = answers(surrogate, codes, fidelity, level)
        # Which of all NaN it is is no part of the contract.
        nan = {"7ff8000000000000", "fff8000000000000"}
        same = [["nan" if bit in nan else bit for bit in row] for row in found]
        assert same == [["nan" if bit in nan else bit for bit in row] for row in expected]


def test_programs_verify_them(program: Program, written: Written) -> None:
    folder, surrogates = written
    result = program.verify(folder)
    assert result.returncode == 0, result.stdout + result.stderr
    assert result.stdout.count("all bits equal") == len(surrogates)


def test_golden_bits_of_curves_are_compared(standalone: Program, tmp_path: Path) -> None:
    """A bit of any array that is not as the manifest's file has it."""
    manifest = json.loads((CURVES / "manifest.json").read_text("utf-8"))
    for array in manifest["golden"]["arrays"]:
        if array["target"] == "accuracy" and array["name"] not in ("mean", "std", "members"):
            folder = tmp_path / array["name"]
            copy(CURVES, folder)
            content = bytearray((CURVES / "golden.bin").read_bytes())
            content[array["offset"] + 4] ^= 1
            (folder / "golden.bin").write_bytes(content)
            list_golden(folder, bytes(content))
            result = standalone.verify(folder, "accuracy")
            assert result.returncode == 1
            assert f"DIFFERENT: {array['name']}[1]" in result.stdout


def test_a_fidelity_on_the_command_line(standalone: Program) -> None:
    def table(*options: str, target: str = "accuracy", folder: Path = CURVES) -> list[list[str]]:
        result = standalone.query(folder, target, "--hex", *options, text="5\n77\n")
        assert result.returncode == 0, result.stderr
        return [line.split("\t") for line in result.stdout.splitlines()[1:]]

    import anb_onnx

    surrogate = anb_onnx.load("accuracy", path=CURVES)
    for options, fidelity in (
        ((), None),
        (("--fidelity", "12.5"), 12.5),
        (("--fidelity", "50"), 50),
        (("--seeds", "4"), {"seeds": 4}),
    ):
        found = surrogate.query([5, 77], fidelity=fidelity)
        expected = (found.mean, found.std, found.predictive_std, *found.interval(0.9))
        assert table(*options) == [bits(*(part[row] for part in expected)) for row in range(2)]
    # Nothing is known of intervals before the end of this one.
    assert table("--fidelity", "3", target="loss")[0][2:] == ["", "", ""]
    assert table("--fidelity", "27", target="loss")[0][2:] != ["", "", ""]
    assert table("--seeds", "2", target="loss", folder=SEVERAL)[0][2:] != ["", "", ""]


@pytest.mark.parametrize(
    ("folder", "target", "options", "message"),
    [
        (CURVES, "accuracy", ("--fidelity", "0.999"), "from 1 to 50 epochs, not 0.999"),
        (CURVES, "accuracy", ("--fidelity", "50.01"), "from 1 to 50 epochs, not 50.01"),
        (CURVES, "accuracy", ("--fidelity", "nan"), "--fidelity takes a number as 12, not 'nan'"),
        (CURVES, "accuracy", ("--fidelity", ""), "--fidelity takes a number as 12, not ''"),
        (CURVES, "accuracy", ("--seeds", "0"), "--seeds takes an integer from 1"),
        (CURVES, "accuracy", ("--seeds", "2", "--fidelity", "3"), "or --seeds, not both"),
        (CURVES, "loss", ("--seeds", "2"), "of loss has no fidelity 'seeds'; it has step"),
        (CURVES, "loss", ("--fidelity", "3", "--interval", "0.5"), "at this fidelity"),
        (SEVERAL, "loss", ("--fidelity", "3"), "no fidelity of a curve; it has seeds"),
        (SEVERAL, "size", ("--fidelity", "3"), "the artifact of size has no fidelity"),
        (CONFORMANCE / "one-block", "energy", ("--seeds", "3"), "energy has no fidelity 'seeds'"),
    ],
)  # fmt: skip
def test_what_is_no_fidelity(
    standalone: Program, folder: Path, target: str, options: tuple[str, ...], message: str
) -> None:
    refused(standalone.query(folder, target, "0", *options), message)


def test_the_program_of_onnxruntime_has_the_end_only(onnxruntime: Program) -> None:
    message = "--fidelity and --seeds need the program anb_standalone"
    refused(onnxruntime.query(CURVES, "accuracy", "0", "--fidelity", "3"), message)
    assert onnxruntime.query(CURVES, "accuracy", "0").returncode == 0


def test_outside_of_the_knots_as_in_python(printer: Path, written: Written) -> None:
    folder, surrogates = written
    for fidelity in ("0.5", "1e9", "nan"):
        command = [str(printer), str(folder), "accuracy", fidelity, "0", "1"]
        result = subprocess.run(command, input=b"", capture_output=True, check=False)
        assert result.returncode == 2
        assert b"fidelity 'epoch' must be a number from 1 to 199.7 epochs" in result.stderr
        with pytest.raises(FidelityError):
            surrogates["accuracy"].query(0, fidelity=float(fidelity))


# --- manifests and files that are not believed


def copy(source: Path, folder: Path) -> None:
    folder.mkdir()
    for path in source.iterdir():
        (folder / path.name).write_bytes(path.read_bytes())


def edit(folder: Path, change: Callable[[dict[str, Any]], object]) -> None:
    path = folder / "manifest.json"
    document = json.loads(path.read_text("utf-8"))
    change(document)
    path.write_text(json.dumps(document), "utf-8")


def list_golden(folder: Path, content: bytes) -> None:
    from hashlib import sha256

    edit(folder, lambda m: m["golden"].update(sha256=sha256(content).hexdigest()))


def set_in(*path: Any, to: Any) -> Callable[[dict[str, Any]], None]:
    """Set a value of a target's entry."""

    def apply(entry: dict[str, Any]) -> None:
        place = entry
        for key in path[:-1]:
            place = place[key]
        place[path[-1]] = to

    return apply


DIFFER = " differ in '"
GRAPH = "differ in 'tables.scale', 'tables.shift' or what the graph computes'"

#: Changes of an entry; and what its refusal says.
CHANGES: dict[str, tuple[Callable[[dict[str, Any]], object], str]] = {
    "another form": (set_in("form", to="tables"), ""),
    "a form without tables": (set_in("form", to="trees"), "outputs' must be absent"),
    "no outputs": (lambda e: e.pop("outputs"), "lacks the key 'outputs'"),
    "no tables": (lambda e: e.pop("tables"), "absent, as there are no tables"),
    "outputs of none": (set_in("outputs", to=[]), "'targets.accuracy.outputs' must be one or more"),
    "an output less": (lambda e: e["outputs"].pop(), "must be an integer from 0 to 3"),
    "outputs in another order": (lambda e: e["outputs"].reverse(), DIFFER + "outputs'"),
    "a name twice": (set_in("outputs", 1, "name", to="c0"), "of no other output, not 'c0'"),
    "another unit": (set_in("outputs", 1, "unit", to="s"), DIFFER + "outputs'"),
    "another direction": (set_in("outputs", 1, "direction", to="max"), DIFFER + "outputs'"),
    "no direction": (set_in("outputs", 1, "direction", to="up"), "must be max or min, not 'up'"),
    "a calibration": (
        lambda e: e["outputs"][0].update(calibration=e["calibration"]),
        DIFFER + "outputs'",
    ),
    "another link": (set_in("outputs", 2, "link", "inverse", to=["sqrt"]), DIFFER + "outputs'"),
    "another key": (set_in("outputs", 2, "colour", to=1), "an object without the key 'colour'"),
    "no curve": (lambda e: e.pop("curve"), "unit, direction and link of its first output"),
    "a knot": (set_in("curve", "at", 1, to=2.5), DIFFER + "curve'"),
    "knots that fall": (lambda e: e["curve"]["at"].reverse(), "increasing numbers"),
    "equal knots": (set_in("curve", "at", 1, to=1.0), "increasing numbers"),
    "a knot too many": (lambda e: e["curve"]["at"].append(60), "a list of 7 numbers, not 6"),
    "a knot too large": (set_in("curve", "at", 5, to=1e39), "a float32 can hold"),
    "no knots": (set_in("curve", "at", to=[]), "1 to 4096 increasing numbers"),
    "a weight": (set_in("curve", "basis", 2, 1, to=0.125), DIFFER + "curve'"),
    "a weight too few": (lambda e: e["curve"]["basis"][2].pop(), "a list of 3 numbers, not 2"),
    "a row too few": (lambda e: e["curve"]["basis"].pop(), "a list of 6 rows"),
    "an offset": (set_in("curve", "offset", 0, to=0.125), DIFFER + "curve'"),
    "an offset of -0.0": (set_in("curve", "offset", 0, to=-0.0), "other than -0.0"),
    "a gate": (set_in("curve", "gate", "output", to=3), DIFFER + "curve'"),
    "a coefficient as gate": (set_in("curve", "gate", "output", to=2), "behind the 3 coefficients"),
    "a gate that is none": (set_in("curve", "gate", "output", to=5), "an integer from 0 to 4"),
    "no gate": (set_in("curve", "gate", to=None), DIFFER + "curve'"),
    "a rest": (set_in("curve", "gate", "rest", 5, to=0.02), DIFFER + "curve'"),
    "a rest of -0.0": (set_in("curve", "gate", "rest", 5, to=-0.0), "other than -0.0"),
    "a range": (set_in("curve", "range", 1, to=0.8), DIFFER + "curve'"),
    "an empty range": (set_in("curve", "range", to=[0.5, 0.5]), "the lower one first"),
    "a range from 0": (set_in("curve", "range", 0, to=0.0), "above 0, as the target's link needs"),
    "no range": (set_in("curve", "range", to=None), "above 0, as the target's link needs"),
    "noise": (set_in("curve", "noise", 0, to=3), DIFFER + "curve'"),
    "negative noise": (set_in("curve", "noise", 0, to=-3), "must be 0 or more"),
    "no noise": (set_in("curve", "noise", to=None), DIFFER + "curve'"),
    "a coefficient less": (set_in("curve", "coefficients", to=2), "a list of at most 2, not 3"),
    "no coefficients": (set_in("curve", "coefficients", to=0), "must be 1 or more"),
    "six coefficients": (set_in("curve", "coefficients", to=6), "an integer from 0 to 5"),
    "a key of the curve": (set_in("curve", "colour", to=1), "an object without the key 'colour'"),
    "a missing key": (lambda e: e["curve"].pop("noise"), "lacks the key 'noise'"),
    "a fidelity": (set_in("curve", "fidelity", "name", to="step"), DIFFER + "curve'"),
    "noise of another output": (set_in("seed_noise", "output", to="c0"), DIFFER + "seed_noise'"),
    "noise of none": (set_in("seed_noise", "output", to="x"), "the name of an output, not 'x'"),
    "noise without calibration": (
        lambda e: e["seed_noise"].pop("calibration"),
        "lacks the key 'calibration'",
    ),
    "no seed noise": (lambda e: e.pop("seed_noise"), DIFFER + "seed_noise'"),
    "the curve's link": (set_in("link", "hinges", 0, 0, to=97.0), DIFFER + "link'"),
    "a scale": (set_in("tables", "scale", 4, to=1e-9), GRAPH),
    "a scale of 0": (set_in("tables", "scale", 4, to=0), "from 2^-500 to 2^95 in size"),
    "scales in another order": (lambda e: e["tables"]["scale"].reverse(), GRAPH),
    "one scale": (set_in("tables", "scale", to=1e-9), "must be a list"),
    "a scale too few": (
        lambda e: e["tables"]["scale"].pop(),
        "a scale and a shift for each",
    ),
    "a shift": (set_in("tables", "shift", 0, to=1.5), GRAPH),
    "a shift too many": (lambda e: e["tables"]["shift"].append(1.5), "a list of at most 5, not 6"),
    "the offset of the tables": (
        lambda e: e["tables"].update(offset=e["tables"]["offset"] + 4),
        DIFFER + "tables.offset'",
    ),
    "tables behind the file": (
        set_in("tables", "offset", to=18600),
        "must be within the file's",
    ),
    "the number of outputs": (set_in("tables", "outputs", to=4), "5, as many as there are outputs"),
    "no number of outputs": (lambda e: e["tables"].pop("outputs"), "lacks the key 'outputs'"),
    "a key of the tables": (set_in("tables", "colour", to=1), "an object without the key 'colour'"),
    "members": (
        lambda e: (e.update(members=5), e["tables"].update(members=5)),
        "",
    ),
    "terms": (lambda e: e["terms"].reverse(), DIFFER + "terms'"),
}


@pytest.mark.parametrize("name", CHANGES)
def test_an_entry_that_is_wrong_is_refused(standalone: Program, tmp_path: Path, name: str) -> None:
    change, message = CHANGES[name]
    copy(CURVES, tmp_path / "c")
    edit(tmp_path / "c", lambda m: change(m["targets"]["accuracy"]))
    refused(standalone.query(tmp_path / "c", "accuracy", "0"), message)


def _set_of(target: str, key: str, value: object) -> Callable[[dict[str, Any]], object]:
    return lambda manifest: manifest["targets"][target].update({key: value})


def test_a_plain_target_has_no_keys_of_several(standalone: Program, tmp_path: Path) -> None:
    for key, value in (("outputs", []), ("curve", None), ("seed_noise", {})):
        copy(CONFORMANCE / "one-block", tmp_path / key)
        edit(tmp_path / key, _set_of("energy", key, value))
        refused(standalone.query(tmp_path / key, "energy", "0"), "must be absent, as the form is")


def test_the_first_output_is_the_target(standalone: Program, tmp_path: Path) -> None:
    copy(SEVERAL, tmp_path / "s")
    edit(tmp_path / "s", lambda m: m["targets"]["loss"]["outputs"].reverse())
    message = "unit, direction and link of its first output"
    refused(standalone.query(tmp_path / "s", "loss", "0"), message)


def _rewire(operator: str, number: int, change: Callable[[Any], object]) -> Callable[[Any], None]:
    """Change one of the nodes of an operator."""

    def apply(model: Any) -> None:
        change([node for node in model.graph.node if node.op_type == operator][number])

    return apply


GRAPHS: dict[str, Callable[[Any], None]] = {
    "a minimum for a maximum": _rewire("Max", 0, lambda n: setattr(n, "op_type", "Min")),
    "outputs joined in another order": _rewire(
        "Concat", 0, lambda n: (n.input.append(n.input[0]), n.input.pop(0))
    ),
    "a curve along another axis": _rewire(
        "Unsqueeze", 0, lambda n: n.attribute[0].ints.__setitem__(0, 1)
    ),
    "the value at another knot": lambda m: _value_of_curve(m),
    "mean of another output": lambda m: _swap_outputs(m, "output_means", "output_stds"),
    "curves of nothing": lambda m: _swap_outputs(m, "curve_mean", "mean"),
}


def _value_of_curve(model: Any) -> None:
    """Take the target from the third knot."""
    onnx = pytest.importorskip("onnx")
    gather = next(
        node for node in model.graph.node if node.op_type == "Gather" and node.attribute[0].i == 2
    )
    model.graph.initializer.append(
        onnx.helper.make_tensor("third", 7, [], np.int64(2).tobytes(), True)
    )
    gather.input[1] = "third"


def _swap_outputs(model: Any, first: str, second: str) -> None:
    for node in model.graph.node:
        names = {first: second, second: first}
        node.output[0] = names.get(node.output[0], node.output[0])


@pytest.mark.parametrize("name", GRAPHS)
def test_a_graph_that_computes_something_else_is_refused(
    program: Program, tmp_path: Path, name: str
) -> None:
    onnx = pytest.importorskip("onnx")
    from hashlib import sha256

    folder = tmp_path / "c"
    copy(CURVES, folder)
    model = onnx.load_from_string((folder / "accuracy.onnx").read_bytes())
    GRAPHS[name](model)
    content = model.SerializeToString(deterministic=True)
    (folder / "accuracy.onnx").write_bytes(content)
    tables = next(t for t in model.graph.initializer if t.name == "tables")
    facts = {"sha256": sha256(content).hexdigest(), "bytes": len(content)}

    def list_anew(manifest: dict[str, Any]) -> None:
        manifest["targets"]["accuracy"].update(facts)
        manifest["targets"]["accuracy"]["tables"]["offset"] = content.find(tables.raw_data)

    edit(folder, list_anew)
    refused(program.query(folder, "accuracy", "0"), "what the graph computes")


def test_batches_of_any_size(standalone: Program) -> None:
    codes = sample(80, seed=2, space=_space())
    whole = standalone.query(CURVES, "accuracy", "--fidelity", "4", "--hex", text=lines(codes))
    for n in (1, 31, 32, 33, 64):
        part = standalone.query(
            CURVES, "accuracy", "--fidelity", "4", "--hex", text=lines(codes[:n])
        )
        assert part.stdout.splitlines() == whole.stdout.splitlines()[: n + 1]


def _space() -> Any:
    from anb_onnx.catalog.benchmarks import find_benchmark

    return find_benchmark(folder=CURVES).space
