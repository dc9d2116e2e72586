"""Graphs of the table form, read without a runtime: what they say is what onnxruntime computes."""

from __future__ import annotations

import struct
from collections import Counter
from typing import Any

import numpy as np
import pytest
from small_artifact import card, metadata_of, onnx_bytes

import anb_onnx
from anb_onnx import ArtifactError
from anb_onnx.catalog.benchmarks import find_benchmark
from anb_onnx.catalog.catalog import Artifact
from anb_onnx.encoding.encoding import codes_to_symbols
from anb_onnx.engines.onnxruntime_engine import OnnxRuntimeEngine
from anb_onnx.links import Link
from anb_onnx.onnx_files.graph import TableGraph, read_graph
from anb_onnx.onnx_files.messages import fields, read_metadata
from anb_onnx.spaces.mnasnet import MNASNET
from anb_onnx.spaces.space import Block, SearchSpace
from anb_onnx.tables import TableEnsemble
from anb_onnx.terms import all_pairs

CATALOG = find_benchmark()
TERMS = all_pairs(MNASNET)
CODES = anb_onnx.sample(64, seed=3, space=anb_onnx.MNASNET)


@pytest.mark.parametrize("artifact", CATALOG.artifacts, ids=lambda a: a.target.name)
def test_the_bundled_graphs_say_what_their_manifest_says(artifact: Artifact) -> None:
    stated = artifact.card["tables"]
    wanted = TableGraph(**stated, link=Link.from_dict(artifact.card["link"]))
    assert read_graph(artifact.read(), TERMS, "file") == wanted


def entry_of(target: str) -> tuple[Artifact, bytes]:
    artifact = CATALOG.find(target)
    return artifact, artifact.read()


@pytest.mark.parametrize("target", ["macs", "throughput_tpuv3"])
def test_a_damaged_graph_is_refused_or_computes_the_same(target: str) -> None:
    """As if card and hash had been made to fit: each byte but the tables' may be changed."""
    artifact, model = entry_of(target)
    start = artifact.card["tables"]["offset"]
    stop = start + 4 * artifact.card["tables"]["entries"] * artifact.card["members"]
    rng = np.random.default_rng(1)
    wanted = TableEnsemble.from_artifact(model, artifact.card, MNASNET, "file").predict(
        codes_to_symbols(CODES, MNASNET)
    )
    graphs = [(a, b) for number, a, b in fields(model, 0, len(model)) if number == 7]
    counts: Counter[str] = Counter()
    places = [p for p in range(graphs[0][0] - 8, graphs[0][1]) if not start <= p < stop]
    for place in places[::7]:
        damaged = bytearray(model)
        damaged[place] ^= 1 << int(rng.integers(8))
        try:
            TableEnsemble.from_artifact(bytes(damaged), artifact.card, MNASNET, "file")
        except ArtifactError as error:
            counts["refused" if f"{error}".isprintable() else "unfit for a terminal"] += 1
            continue
        try:
            engine = OnnxRuntimeEngine(bytes(damaged))
        except ArtifactError:
            counts["refused by onnxruntime"] += 1
            continue
        found = engine.predict(CODES, members=True)
        engine.close()
        for a, b in zip(found, wanted, strict=True):
            np.testing.assert_array_equal(a, b)
        counts["the same"] += 1
    assert counts["unfit for a terminal"] == 0
    assert counts["refused"] > 0.6 * counts.total()  # the others are names of nodes


def patched(target: str, old: bytes, new: bytes) -> bytes:
    """Return the file with the first occurrence of some bytes replaced by as many others."""
    _, model = entry_of(target)
    assert len(old) == len(new)
    assert old in model
    return model.replace(old, new, 1)


def double(value: float) -> bytes:
    return struct.pack("<d", value)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        # The graph changed under a card and manifest that agree.
        (double(789.19), double(790.0), r"'link.hinges' is .*789.19.* but .*790.0"),
        (double(2.2050561784035739e-10), double(2.0**-32), "'tables.scale' is 2.205"),
        (double(0.029199144765188624), double(0.03), "'tables.shift' is 0.029"),
        (double(8.0), double(4.0), "mean and std are not those of its members"),
        (b"Max", b"Min", "'Min' stands where Max"),
        (b"Sqrt", b"Sqr_", "mean and std"),
        (b"Slice", b"Slic_", "adds other entries"),
        (
            struct.pack("<7f", 12, 6, 2, 1, 0, 0, 0),
            struct.pack("<7f", 6, 12, 2, 1, 0, 0, 0),
            "adds",
        ),
        (b"\x0a\x06tables", b"\x0a\x06tabl__", "read before it is computed"),
        (b"\x42\x06tables", b"\x42\x06tabl__", "tables"),
    ],
)
def test_a_graph_that_differs_from_its_card_is_refused(
    old: bytes, new: bytes, message: str
) -> None:
    artifact, _ = entry_of("throughput_tpuv3")
    model = patched("throughput_tpuv3", old, new)
    with pytest.raises(ArtifactError, match=message):
        TableEnsemble.from_artifact(model, artifact.card, MNASNET, "file")


def test_a_graph_of_another_space_is_refused() -> None:
    artifact, model = entry_of("throughput_tpuv3")
    blocks = list(MNASNET.blocks)
    genes = list(blocks[0].genes)
    other = SearchSpace("other", (Block("block0", (genes[1], genes[0], *genes[2:])), *blocks[1:]))
    with pytest.raises(ArtifactError, match="not that of tables over the terms of its card"):
        TableEnsemble.from_artifact(model, artifact.card, other, "file")


@pytest.mark.parametrize(
    "model",
    [
        b"",
        b"\x08\x05",
        b"\x3a\x00",
        b"\x3a\x00\x3a\x00",
        b"\x3a\x05ab",
        onnx_bytes(metadata_of(card("accuracy", None, "%", "max"))),
        b"\xca\x01\x00" + onnx_bytes({}),
    ],
)
def test_what_is_no_graph_of_tables_is_refused(model: bytes) -> None:
    with pytest.raises(ArtifactError, match="not that of tables") as caught:
        read_graph(model, TERMS, "file")
    assert str(caught.value).isprintable()


def test_a_second_graph_is_refused() -> None:
    """Protocol buffers merge two, and a reader of one would see the half."""
    _, model = entry_of("macs")
    with pytest.raises(ArtifactError, match="it has 2 graphs, not 1"):
        read_graph(model + b"\x3a\x00", TERMS, "file")


def test_huge_graphs_are_refused_before_they_are_read() -> None:
    node = b"\x0a\x00"
    graph = node * 60_000
    length = bytes([len(graph) & 0x7F | 0x80, len(graph) >> 7 & 0x7F | 0x80, len(graph) >> 14])
    with pytest.raises(ArtifactError, match="more than 50210 operators"):
        read_graph(b"\x3a" + length + graph, TERMS, "file")


def model_with(metadata: list[tuple[bytes, bytes]]) -> bytes:
    parts = []
    for key, value in metadata:
        entry = b"\x0a" + bytes([len(key)]) + key + b"\x12" + bytes([len(value)]) + value
        parts.append(b"\x72" + bytes([len(entry)]) + entry)
    return b"".join(parts)


@pytest.mark.parametrize(
    ("metadata", "message"),
    [
        ([(b"a", b"1"), (b"a", b"2")], "file: metadata 'a' stands twice"),
        ([(b"a", b"\xff")], "file: its metadata is not UTF-8 .byte 0xff at 0"),
        ([(b"\xed\xa0\x80", b"")], "not UTF-8"),
    ],
)
def test_metadata_is_read_strictly(metadata: list[tuple[bytes, bytes]], message: str) -> None:
    with pytest.raises(ArtifactError, match=message):
        read_metadata(model_with(metadata), "file")


def test_an_entry_may_lack_its_value() -> None:
    assert read_metadata(model_with([(b"a", b"")]) + b"\x72\x03\x0a\x01b") == {"a": "", "b": ""}


def test_predictions_of_both_are_compared_with_the_reference() -> None:
    """The oracle of the test above: onnxruntime and the tables of the undamaged file."""
    artifact, model = entry_of("macs")
    tables: Any = TableEnsemble.from_artifact(model, artifact.card, MNASNET, "file")
    engine = OnnxRuntimeEngine(model)
    found = engine.predict(CODES, members=True)
    for a, b in zip(found, tables.predict(codes_to_symbols(CODES, MNASNET)), strict=True):
        np.testing.assert_array_equal(a, b)
    engine.close()
