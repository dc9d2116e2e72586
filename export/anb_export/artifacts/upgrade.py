"""Converts a folder of artifacts to what is written today.

In schema 1 all tables are of all pairs of blocks; schema 2 states the terms and names the
benchmark. Files of schema 2 are given what today's say in words (``doc_string``). The graphs stay
as they are, node by node, and so do the bits of every prediction; only what the files say of
themselves is written anew.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import helper, numpy_helper

from anb_export._io.files import sha256, write_atomically
from anb_export.artifacts.truth import write_truth
from anb_export.graphs.graph import serialise, tell, untold
from anb_onnx._io.show import show
from anb_onnx.catalog.card import Card
from anb_onnx.catalog.catalog import Catalog
from anb_onnx.catalog.golden import read_golden, same_bits
from anb_onnx.catalog.manifest import (
    MANIFEST,
    benchmark_name,
    card_from_metadata,
    file_name,
    parse_object,
    read_bytes,
    read_document,
    read_space,
)
from anb_onnx.catalog.truth_file import read_listed
from anb_onnx.catalog.truth_reader import of_catalog, read_truth
from anb_onnx.encoding.encoding import codes_to_symbols
from anb_onnx.engines.base import Outputs
from anb_onnx.errors import ArtifactError
from anb_onnx.onnx_files.building import SCHEMA
from anb_onnx.onnx_files.describing import describe
from anb_onnx.spaces.space import SearchSpace
from anb_onnx.tables import TableEnsemble
from anb_onnx.terms import all_pairs
from anb_onnx.writing.manifest import set_listed, write_artifact
from anb_onnx.writing.table_form import TABLES

#: The schema that is converted, and today's, whose files are given what they lack.
OLD_SCHEMA, NEW_SCHEMA = 1, int(SCHEMA)

_MEND = "give the folder that anb-export wrote, with its manifest.json"


def upgrade(folder: Path, out: Path, benchmark: str) -> list[str]:
    """Write the artifacts of a folder to another folder, as they are written today.

    What is proven of files of schema 2 (``truth.bin``) is proven of those that are written, too:
    but for their words they are compared to be the same messages, and the golden bits are theirs.

    Parameters
    ----------
    folder : Path
        With a manifest of schema 1 or 2 and the files that it lists.
    out : Path
        Folder to write to; another one.
    benchmark : str
        Name of the benchmark they are of.

    Returns
    -------
    list of str
        The targets.

    Raises
    ------
    ArtifactError
        If the folder is of no such schema or of another benchmark, a file is missing, damaged or
        of another schema, or what was written does not give the golden bits of the folder.
    """
    source = folder / MANIFEST
    manifest = read_document(source, mend=_MEND)
    schema = manifest.get("schema")
    if type(schema) is not int or schema not in (OLD_SCHEMA, NEW_SCHEMA):
        msg = (
            f"{source}: key 'schema' is {show(schema)}; {OLD_SCHEMA} and {NEW_SCHEMA} are converted"
        )
        raise ArtifactError(msg)
    if folder.resolve() == out.resolve():
        msg = f"--out {out} is the folder to convert; give another one"
        raise ArtifactError(msg)
    if schema == NEW_SCHEMA and benchmark_name(manifest, str(source)) != benchmark:
        msg = (
            f"{source} is of the benchmark {manifest['benchmark']!r}, not of {benchmark!r}; its "
            f"files say so, too: give --benchmark {manifest['benchmark']}"
        )
        raise ArtifactError(msg)
    space = read_space(manifest.get("search_space"), str(source))
    targets = manifest.get("targets")
    if not isinstance(targets, dict) or not all(isinstance(e, dict) for e in targets.values()):
        msg = f"{source}: key 'targets' must be an object of objects, not {show(targets)}"
        raise ArtifactError(msg)
    for name, entry in targets.items():
        path = folder / file_name(entry, f"{source}: target {show(name)}")
        model = read_bytes(path, mend=_MEND)
        if sha256(model) != entry.get("sha256"):
            msg = f"{path} is damaged: its SHA-256 is not the one in {source}"
            raise ArtifactError(msg)
        convert = _convert if schema == OLD_SCHEMA else _described
        written, card = convert(model, entry, space, benchmark, str(path))
        write_artifact(out / path.name, written, name, card, space=space)
    if "golden" in manifest:
        _copy_golden(folder, out, manifest["golden"])
    if "truth" in manifest and schema == OLD_SCHEMA:
        _copy_truth(folder, out, manifest["truth"])
    elif "truth" in manifest:
        _bind_truth(folder, out)
    return list(targets)


def _parsed(model: bytes, source: str) -> onnx.ModelProto:
    try:
        return onnx.load_from_string(model)
    except Exception as error:  # protobuf's own errors, of several types
        msg = f"{source} is not an ONNX file: {error}"
        raise ArtifactError(msg) from error


def _described(
    model: bytes, entry: Mapping[str, Any], space: SearchSpace, benchmark: str, source: str
) -> tuple[bytes, Card]:
    """Return a file of today's schema with what it says in words, and its card."""
    proto = _parsed(model, source)
    metadata = {prop.key: prop.value for prop in proto.metadata_props}
    document = card_from_metadata(metadata, source)
    card = Card.from_dict({**entry, "benchmark": benchmark}, source, listed=True)
    tell(proto, describe(document, space, card.members))
    written = serialise(proto)
    before, after = untold(_parsed(model, source)), untold(_parsed(written, source))
    if serialise(before) != serialise(after):
        msg = f"{source}: written anew, it is another graph; make it again with anb-export"
        raise ArtifactError(msg)
    if card.tables is not None:
        card |= {"tables": {**card.tables, "offset": _offset(proto, written, source)}}
    return written, card


def _convert(
    model: bytes, entry: Mapping[str, Any], space: SearchSpace, benchmark: str, source: str
) -> tuple[bytes, Card]:
    """Return file and card in today's schema."""
    proto = _parsed(model, source)
    metadata = {prop.key: prop.value for prop in proto.metadata_props}
    if metadata.get("anb_onnx.schema") != str(OLD_SCHEMA):
        msg = (
            f"{source}: its metadata 'anb_onnx.schema' is "
            f"{show(metadata.get('anb_onnx.schema'))}, not {OLD_SCHEMA}"
        )
        raise ArtifactError(msg)
    document = parse_object(metadata.get("anb_onnx.card", ""), f"{source}: its card")
    added: dict[str, Any] = {"benchmark": benchmark}
    if "tables" in entry:
        added["terms"] = all_pairs(space).to_list()
    card = Card.from_dict({**entry, **added}, source, listed=True)
    text = json.dumps({**document, **added}, sort_keys=True, separators=(",", ":"), allow_nan=False)
    del proto.metadata_props[:]
    helper.set_model_props(proto, {"anb_onnx.schema": SCHEMA, "anb_onnx.card": text})
    proto.producer_version = f"schema {SCHEMA}"
    tell(proto, describe({**document, **added}, space, card.members))
    written = serialise(proto)
    if card.tables is not None:
        card |= {"tables": {**card.tables, "offset": _offset(proto, written, source)}}
    return written, card


def _offset(proto: onnx.ModelProto, written: bytes, source: str) -> int:
    """Return the byte at which the tables begin."""
    tables = next((t for t in proto.graph.initializer if t.name == TABLES), None)
    raw = b"" if tables is None else np.ascontiguousarray(numpy_helper.to_array(tables)).tobytes()
    offset = written.find(raw) if raw else -1
    if offset < 0 or written.find(raw, offset + 1) >= 0:
        msg = f"{source}: its tables do not lie in one place of the file"
        raise ArtifactError(msg)
    return offset


def _copy_golden(folder: Path, out: Path, golden: Mapping[str, Any]) -> None:
    """Copy the golden vectors, once all that was written gives their bits."""
    name = file_name(golden, f"{folder / MANIFEST}: golden")
    write_atomically(out / name, read_bytes(folder / name, mend=_MEND))
    set_listed(out, "golden", lambda: golden)
    vectors = read_golden(out)
    if vectors is None:
        msg = f"{folder / MANIFEST}: key 'golden' must be an object, not null"
        raise ArtifactError(msg)
    for artifact in Catalog.read(out).artifacts:
        wanted = vectors.outputs.get(artifact.target.name)
        if wanted is None or "tables" not in artifact.entry:
            continue
        model = artifact.read()
        ensemble = TableEnsemble.from_artifact(
            model, artifact.entry, artifact.space, str(artifact.path)
        )
        symbols = codes_to_symbols(vectors.codes, artifact.space)
        if not same_bits(Outputs(*ensemble.predict(symbols)), wanted):
            msg = f"{artifact.path} does not give the golden bits of {folder}"
            raise ArtifactError(msg)


def _copy_truth(folder: Path, out: Path, entry: Any) -> None:
    """Copy what is proven, if it is proven of the very files that were written.

    Files of schema 1 have other bytes, as far as they say what they are. Whoever wants to believe
    what was proven of those proves it anew.
    """
    header, arrays, _ = read_listed(folder, entry)
    try:
        found = of_catalog(Catalog.read(out), header, arrays, str(folder / MANIFEST))
    except ArtifactError:
        return
    write_truth(out, found)


def _bind_truth(folder: Path, out: Path) -> None:
    """Copy what is proven, of the files that were written: they compute the same."""
    proven = read_truth(folder)
    if proven is not None:
        digest = {a.target.name: a.sha256 for a in Catalog.read(out).artifacts}
        write_truth(out, {n: replace(t, sha256=digest[n]) for n, t in proven.items()})
