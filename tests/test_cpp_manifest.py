"""The C++ clients believe a manifest only where the ONNX file says the same."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cpp_room import Folder, Program, refused
from test_cpp import _edit, builds, onnxruntime, program, small, standalone

#: Fixtures of `test_cpp`, which this module uses as its own.
FIXTURES = (
    builds,
    onnxruntime,
    program,
    small,
    standalone,
)


def _swap(m: dict[str, Any]) -> None:
    genes = m["search_space"]["blocks"][1]["genes"]
    genes[0]["name"], genes[1]["name"] = genes[1]["name"], genes[0]["name"]


def _turn(m: dict[str, Any]) -> None:
    m["search_space"]["blocks"][0]["genes"][0]["choices"].reverse()


def _next(value: float) -> float:
    return float(np.nextafter(value, np.inf))


def _terms(change: Callable[[list[list[int]]], object]) -> Callable[..., object]:
    """Change the terms; where these have other entries, the tables cannot be as stated."""
    return lambda m, t: change(t["terms"])


DIFFERENCES: dict[str, tuple[Callable[[dict[str, Any], dict[str, Any]], object], str]] = {
    "benchmark": (lambda m, t: m.update(benchmark="other"), "benchmark"),
    "terms turned": (_terms(list.reverse), "terms"),
    "terms swapped": (_terms(lambda terms: terms.insert(0, terms.pop(1))), "terms"),
    "unit": (lambda m, t: t.update(unit="s"), "unit"),
    "metric": (lambda m, t: t.update(metric="throughput"), "metric"),
    "device": (lambda m, t: t.update(device="a100"), "device"),
    "direction": (lambda m, t: t.update(direction="max"), "direction"),
    "form": (lambda m, t: t.update(form="projected"), "form"),
    "members": (
        lambda m, t: (t.update(members=1), t["tables"].update(members=1)),
        "members",
    ),
    "genes swapped": (lambda m, t: _swap(m), "search_space"),
    "choices turned": (lambda m, t: _turn(m), "search_space"),
    "another name of the space": (
        lambda m, t: m["search_space"].update(name="mnasnet2"),
        "search_space",
    ),
    "offset of the link": (lambda m, t: t["link"].update(offset=7.25), "link"),
    "another step": (
        lambda m, t: t["link"]["inverse"].remove("square"),
        "link",
    ),
    "a knot": (lambda m, t: t["link"]["hinges"][0].__setitem__(0, 2.25), "link"),
    "hinges swapped": (lambda m, t: t["link"]["hinges"].reverse(), "link"),
    "the regime's gene": (lambda m, t: t["link"]["regime"].update(gene="b_0"), "link"),
    "the regime's codes": (lambda m, t: t["link"]["regime"].update(codes=[1, 2]), "link"),
    "the regime's change": (
        lambda m, t: t["link"]["regime"]["hinges"][0].__setitem__(1, 0.25),
        "link",
    ),
    "no calibration": (lambda m, t: t.pop("calibration"), "calibration"),
    "spread": (lambda m, t: t["calibration"].update(spread=1.25), "calibration"),
    "a quantile": (lambda m, t: t["calibration"]["quantiles"].__setitem__(1, 0.7), "calibration"),
    "a level": (lambda m, t: t["calibration"]["levels"].__setitem__(1, 0.4), "calibration"),
    "noise_power": (lambda m, t: t["calibration"].update(noise_power=2), "calibration"),
    "tables.offset": (
        lambda m, t: t["tables"].update(offset=t["tables"]["offset"] - 4),
        "tables.offset",
    ),
    "the last digit of scale": (
        lambda m, t: t["tables"].update(scale=_next(t["tables"]["scale"])),
        "tables.scale', 'tables.shift' or what the graph computes",
    ),
    "the sign of scale": (
        lambda m, t: t["tables"].update(scale=-t["tables"]["scale"]),
        "tables.scale', 'tables.shift' or what the graph computes",
    ),
    "shift": (
        lambda m, t: t["tables"].update(shift=_next(t["tables"]["shift"])),
        "tables.scale', 'tables.shift' or what the graph computes",
    ),
}


@pytest.fixture
def copied(small: Folder, tmp_path: Path) -> Path:
    folder = tmp_path / "artifacts"
    folder.mkdir()
    for path in small.path.iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
    return folder


@pytest.mark.parametrize("name", DIFFERENCES)
def test_a_manifest_that_differs_from_its_file_is_refused(
    program: Program, copied: Path, name: str
) -> None:
    """With the right SHA-256 of the file, which the manifest itself states."""
    change, key = DIFFERENCES[name]
    assert program.query(copied, "t", "0").returncode == 0
    _edit(copied, lambda m: change(m, m["targets"]["t"]))
    refused(program.query(copied, "t", "0"), f"of target t differ in '{key}'")


def test_a_target_under_the_name_of_another_is_refused(program: Program, copied: Path) -> None:
    def rename(manifest: dict[str, Any]) -> None:
        manifest["targets"]["u"] = manifest["targets"].pop("t")

    _edit(copied, rename)
    message = "target u of the manifest must be called t, after its metric and device"
    refused(program.query(copied, "u", "0"), message)


def test_two_targets_of_one_file_are_refused(program: Program, copied: Path) -> None:
    _edit(copied, lambda m: m["targets"].update(u=m["targets"]["t"]))
    refused(program.query(copied, "t", "0"), "must be a file of no other target, not 't.onnx'")


def test_facts_that_change_no_prediction_may_differ(program: Program, copied: Path) -> None:
    """As `anb-export verify` adds to the entry, and other releases may."""
    bits = program.bits(copied, "t", "5\n")
    _edit(copied, lambda m: m["targets"]["t"].update(verification={"n": 1}, colour="blue"))
    np.testing.assert_array_equal(program.bits(copied, "t", "5\n"), bits)


# --- files whose graph is another


def _rewrite(folder: Path, change: Callable[[Any], object]) -> None:
    """Change the ONNX file of target t, and list it as it is then."""
    onnx = pytest.importorskip("onnx")
    from hashlib import sha256

    model = onnx.load_from_string((folder / "t.onnx").read_bytes())
    change(model)
    content = model.SerializeToString(deterministic=True)
    (folder / "t.onnx").write_bytes(content)
    tables = next(t for t in model.graph.initializer if t.name == "tables")
    facts = {"sha256": sha256(content).hexdigest(), "bytes": len(content)}
    offset = content.find(tables.raw_data) if tables.raw_data else 0

    def list_anew(manifest: dict[str, Any]) -> None:
        manifest["targets"]["t"].update(facts)
        manifest["targets"]["t"]["tables"]["offset"] = offset

    _edit(folder, list_anew)


def _node_of(model: Any, operator: str) -> Any:
    return next(n for n in model.graph.node if n.op_type == operator)


def _scalar(model: Any, value: float) -> Any:
    wanted = np.float64(value).tobytes()
    return next(t for t in model.graph.initializer if t.data_type == 11 and t.raw_data == wanted)


def _fill(value: int) -> Callable[[Any], None]:
    def apply(model: Any) -> None:
        tables = next(t for t in model.graph.initializer if t.name == "tables")
        count = len(tables.raw_data) // 4
        tables.raw_data = np.full(count, value, dtype="<i4").tobytes()

    return apply


def _one_row(model: Any) -> None:
    """The mean of the first row alone, which a client could take for all rows."""
    cast = next(n for n in model.graph.node if list(n.output) == ["mean"])
    node = model.graph.node.add()
    node.op_type, node.name = "ReduceMean", "all_rows"
    node.input.append(cast.input[0])
    node.output.append("one_row")
    cast.input[0] = "one_row"
    nodes = sorted(model.graph.node, key=lambda n: list(n.output) == ["mean"])
    del model.graph.node[:]
    model.graph.node.extend(nodes)


def _elsewhere(model: Any) -> None:
    tables = next(t for t in model.graph.initializer if t.name == "tables")
    tables.data_location = 1


def _metadata(key: str, value: str | None) -> Callable[[Any], None]:
    def apply(model: Any) -> None:
        kept = [p for p in model.metadata_props if value is not None or p.key != key]
        if value is None:
            del model.metadata_props[:]
            model.metadata_props.extend(kept)
        else:
            next(p for p in kept if p.key == key).value = value

    return apply


GRAPHS: dict[str, tuple[Callable[[Any], object], str]] = {
    "entries of 2^31 - 1": (_fill(2**31 - 1), "do not fit 32 bits"),
    "entries of -2^31": (_fill(-(2**31)), "do not fit 32 bits"),
    "nothing in the link's domain": (_fill(-(2**28)), "domain of its link"),
    "mean of one row": (_one_row, "what the graph computes"),
    "another operator": (
        lambda m: setattr(_node_of(m, "Sqrt"), "op_type", "Abs"),
        "what the graph computes",
    ),
    "another gene in the regime": (
        lambda m: setattr(_node_of(m, "MatMul"), "op_type", "Gemm"),
        "what the graph computes",
    ),
    "another domain": (
        lambda m: setattr(_node_of(m, "Sqrt"), "domain", "com.example"),
        "another domain",
    ),
    "a knot": (
        lambda m: setattr(_scalar(m, 2.5), "raw_data", np.float64(2.25).tobytes()),
        "what the graph computes",
    ),
    "an output that is none": (
        lambda m: setattr(m.graph.node[0], "op_type", "Identity"),
        "what the graph computes",
    ),
    "tables in another file": (_elsewhere, "a constant without name, type or bytes"),
    "no card": (_metadata("anb_onnx.card", None), "is not an anb_onnx artifact"),
    "schema 1": (
        _metadata("anb_onnx.schema", "1"),
        "'anb_onnx.schema' must be 2, not '1': convert its folder with anb-export upgrade FOLDER",
    ),
    "schema 3": (
        _metadata("anb_onnx.schema", "3"),
        "'anb_onnx.schema' must be 2, not '3': it needs the C++ headers of a newer release",
    ),
    "5,000 digits": (_metadata("anb_onnx.schema", "1" * 5000), "'anb_onnx.schema' must be 2"),
    "a card that is none": (_metadata("anb_onnx.card", "[]"), "must be an object"),
    "a card with a key twice": (
        _metadata("anb_onnx.card", '{"unit":"ms","unit":"s"}'),
        "the key 'unit' occurs twice",
    ),
    "metadata twice": (
        lambda m: m.metadata_props.add(key="anb_onnx.card", value="{}"),
        "metadata 'anb_onnx.card' twice",
    ),
}


@pytest.mark.parametrize("name", GRAPHS)
def test_a_file_whose_graph_is_another_is_refused(
    program: Program, copied: Path, name: str
) -> None:
    """Listed by a manifest that fits it, so that only the file itself tells."""
    change, message = GRAPHS[name]
    _rewrite(copied, change)
    refused(program.query(copied, "t", "0"), message)


def test_names_and_order_of_a_graph_do_not_matter(program: Program, copied: Path) -> None:
    bits = program.bits(copied, "t", "5\n600\n")

    def rename(model: Any) -> None:
        for node in model.graph.node:
            for names in (node.input, node.output):
                for i, name in enumerate(names):
                    if name not in ("architectures", "tables", "mean", "std", "members"):
                        names[i] = f"renamed_{name}"
        for tensor in model.graph.initializer:
            if tensor.name != "tables":
                tensor.name = f"renamed_{tensor.name}"

    _rewrite(copied, rename)
    np.testing.assert_array_equal(program.bits(copied, "t", "5\n600\n"), bits)
