"""A tiny artifact with the interface of the real ones, and its predictions in plain Python.

The ONNX file is written as protocol-buffer bytes here, so that these tests run where the `onnx`
package is not installed, as after installing the wheel alone. Field numbers: onnx/onnx.proto.

Every member is an integer linear form of the codes divided by 64, so float64 holds each of its
values exactly and `expected` is no matter of tolerance.
"""

from __future__ import annotations

import hashlib
import json
import struct
from collections.abc import Sequence
from fractions import Fraction
from math import sqrt
from pathlib import Path

from anb_onnx.spaces.mnasnet import MNASNET
from anb_onnx.spaces.space import SearchSpace

N_MEMBERS = 3
_UINT8, _FLOAT, _DOUBLE = 2, 1, 11


def weight(gene: int, member: int, seed: int = 0) -> int:
    """Integer weight of a gene in a member: any fixed numbers would do."""
    return (gene * 37 + member * 11 + seed * 5) % 23 - 7


def offset(member: int, seed: int = 0) -> int:
    return 4000 + 3 * member + seed


def expected(codes: Sequence[int], seed: int = 0) -> tuple[float, float, list[float]]:
    """Mean, population std and members of one architecture, before rounding to float32."""
    members = [
        Fraction(
            sum(weight(g, m, seed) * int(c) for g, c in enumerate(codes)) + offset(m, seed), 64
        )
        for m in range(N_MEMBERS)
    ]
    mean = sum(members) / N_MEMBERS
    variance = sum((m - mean) ** 2 for m in members) / N_MEMBERS
    return float(mean), sqrt(variance), [float(m) for m in members]


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])


def _field(number: int, value: int | str | bytes) -> bytes:
    if isinstance(value, int):
        return _varint(number << 3) + _varint(value)
    data = value.encode() if isinstance(value, str) else value
    return _varint(number << 3 | 2) + _varint(len(data)) + data


def _node(op: str, inputs: Sequence[str], output: str, **attributes: int | list[int]) -> bytes:
    node = b"".join(_field(1, name) for name in inputs) + _field(2, output) + _field(4, op)
    for name, value in attributes.items():
        if isinstance(value, int):  # type 2 is INT, 7 is INTS
            attribute = _field(1, name) + _field(3, value) + _field(20, 2)
        else:
            attribute = _field(1, name) + b"".join(_field(8, v) for v in value) + _field(20, 7)
        node += _field(5, attribute)
    return node


def _doubles(name: str, dims: Sequence[int], values: Sequence[float]) -> bytes:
    tensor = b"".join(_field(1, d) for d in dims) + _field(2, _DOUBLE) + _field(8, name)
    return tensor + _field(9, struct.pack(f"<{len(values)}d", *values))


def _value(name: str, dtype: int, shape: Sequence[int | str]) -> bytes:
    dims = b"".join(_field(1, _field(1 if isinstance(d, int) else 2, d)) for d in shape)
    return _field(1, name) + _field(2, _field(1, _field(1, dtype) + _field(2, dims)))


def onnx_bytes(
    metadata: dict[str, str],
    *,
    seed: int = 0,
    n_genes: int = MNASNET.n_genes,
    names: dict[str, str] | None = None,
) -> bytes:
    """Return the ONNX file; `names` renames inputs and outputs to make invalid ones."""
    name = {n: (names or {}).get(n, n) for n in ("architectures", "mean", "std", "members")}
    weights = [weight(g, m, seed) / 64 for g in range(n_genes) for m in range(N_MEMBERS)]
    nodes = [
        _node("Cast", [name["architectures"]], "x", to=_DOUBLE),
        _node("MatMul", ["x", "weights"], "sums"),
        _node("Add", ["sums", "offsets"], "m"),
        _node("ReduceMean", ["m"], "centre", axes=[1], keepdims=1),
        _node("ReduceMean", ["m"], "average", axes=[1], keepdims=0),
        _node("Sub", ["m", "centre"], "off"),
        _node("Mul", ["off", "off"], "squares"),
        _node("ReduceMean", ["squares"], "variance", axes=[1], keepdims=0),
        _node("Sqrt", ["variance"], "deviation"),
        _node("Cast", ["average"], name["mean"], to=_FLOAT),
        _node("Cast", ["deviation"], name["std"], to=_FLOAT),
        _node("Cast", ["m"], name["members"], to=_FLOAT),
    ]
    graph = b"".join(_field(1, node) for node in nodes) + _field(2, "small")
    graph += _field(5, _doubles("weights", [n_genes, N_MEMBERS], weights))
    graph += _field(
        5, _doubles("offsets", [N_MEMBERS], [offset(m, seed) / 64 for m in range(N_MEMBERS)])
    )
    graph += _field(11, _value(name["architectures"], _UINT8, ["N", n_genes]))
    shapes: dict[str, list[int | str]] = {"mean": ["N"], "std": ["N"], "members": ["N", N_MEMBERS]}
    for output, shape in shapes.items():
        graph += _field(12, _value(name[output], _FLOAT, shape))
    model = _field(1, 8) + _field(2, "anb_onnx tests") + _field(7, graph)
    model += _field(8, _field(2, 13))
    for key, value in metadata.items():
        model += _field(14, _field(1, key) + _field(2, value))
    return model


def card(metric: str, device: str | None, unit: str, direction: str) -> dict[str, object]:
    """Return the manifest's entry of a small artifact, without the file."""
    return {
        "form": "trees",
        "metric": metric,
        "device": device,
        "unit": unit,
        "direction": direction,
        "members": N_MEMBERS,
        "exact": False,
        "link": {"name": "y", "power": "1", "offset": None, "inverse": []},
        "versions": {},
        "quality": {"test": {"n": 512, "mae": 0.25, "kendall_tau": 0.93}},
        "license": "Apache-2.0",
    }


def metadata_of(entry: dict[str, object], space: SearchSpace = MNASNET) -> dict[str, str]:
    return {
        "anb_onnx.schema": "2",
        "anb_onnx.card": json.dumps(
            {**entry, "benchmark": BENCHMARK, "search_space": space.to_dict()}
        ),
    }


#: The benchmark that small artifacts are of.
BENCHMARK = "accel-nasbench"

#: Targets of the small catalog; their seeds follow their order.
SMALL_TARGETS = {
    "accuracy": ("accuracy", None, "%", "max"),
    "throughput_a100": ("throughput", "a100", "images/s", "max"),
    "throughput_tpuv2": ("throughput", "tpuv2", "images/s", "max"),
    "latency_zcu102": ("latency", "zcu102", "ms", "min"),
}


def seed_of(target: str) -> int:
    return list(SMALL_TARGETS).index(target)


def write_catalog(folder: Path) -> Path:
    """Write a folder of small artifacts with their manifest."""
    folder.mkdir(parents=True, exist_ok=True)
    entries = {}
    for name, facts in SMALL_TARGETS.items():
        entry = card(*facts)
        model = onnx_bytes(metadata_of(entry), seed=seed_of(name))
        (folder / f"{name}.onnx").write_bytes(model)
        entries[name] = {
            "file": f"{name}.onnx",
            "sha256": hashlib.sha256(model).hexdigest(),
            "bytes": len(model),
            **entry,
        }
    write_manifest(folder, entries)
    return folder


def write_manifest(folder: Path, entries: dict[str, dict[str, object]]) -> None:
    manifest = {
        "schema": 2,
        "benchmark": BENCHMARK,
        "search_space": MNASNET.to_dict(),
        "targets": entries,
    }
    (folder / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
