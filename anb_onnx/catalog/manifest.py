"""Reading of manifests and model cards: nothing in them is believed before it is checked."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, NoReturn

from anb_onnx._io.files import (
    ARTIFACT_BYTES,
    ARTIFACT_VARIABLE,
    MANIFEST_BYTES,
    MANIFEST_VARIABLE,
    FileError,
    limit_of,
    read_regular,
)
from anb_onnx._io.show import show
from anb_onnx._io.strict_json import JsonError, loads
from anb_onnx.catalog.card import check_values
from anb_onnx.errors import ArchitectureError, ArtifactError
from anb_onnx.onnx_files.messages import read_metadata
from anb_onnx.spaces.ready import interned
from anb_onnx.spaces.space import SearchSpace

#: Version of `manifest.json` and of the metadata in ONNX files that this release reads.
SCHEMA = 2

#: Name of the file that lists the artifacts of a folder.
MANIFEST = "manifest.json"

#: Keys of a manifest's entry that are not in the card inside the file: they are about the file, or
#: were found out once it was written.
OUTSIDE = frozenset({"file", "sha256", "bytes", "tables", "verification"})

#: Keys of a card that say what a prediction is. Where the card in the file has none of them, the
#: manifest must not have it either; other keys may be new ones.
MEANING = frozenset(
    {
        *("form", "metric", "device", "unit", "direction", "members", "exact", "terms"),
        *("link", "calibration", "requires", "outputs", "curve", "seed_noise"),
    }
)

_ABSENT: Final = object()


def read_manifest(path: Path, *, mend: str) -> dict[str, Any]:
    """Read a manifest as far as its schema; `mend` ends the message where it is unusable.

    Raises
    ------
    ArtifactError
        Where the file cannot be read, is no JSON object or has another schema.
    """
    manifest = read_document(path, mend=mend)
    check_schema(manifest.get("schema"), str(path))
    return manifest


def read_document(path: Path, *, mend: str) -> dict[str, Any]:
    """Read a JSON object of at most 16 MB; `mend` ends the message where it is none."""
    content = read_bytes(path, mend=mend, variable=MANIFEST_VARIABLE, default=MANIFEST_BYTES)
    try:
        return parse_object(content, str(path))
    except ArtifactError as error:
        msg = f"{error}; {mend}"
        raise ArtifactError(msg) from error


def read_bytes(
    path: Path, *, mend: str, variable: str = ARTIFACT_VARIABLE, default: int = ARTIFACT_BYTES
) -> bytes:
    """Read a regular file of at most as many bytes as an environment variable or `default` allows.

    Raises
    ------
    ArtifactError
        If it fails; the message ends with `mend`, unless the variable itself is wrong.
    """
    try:
        limit = limit_of(variable, default)
    except FileError as error:  # which no other file would mend
        raise ArtifactError(str(error)) from error
    try:
        return read_regular(path, limit, variable=variable)
    except FileError as error:
        msg = f"{error}; {mend}"
        raise ArtifactError(msg) from error


def check_card(
    model: bytes,
    entry: Mapping[str, Any],
    space: SearchSpace,
    benchmark: str,
    source: str,
    file: str,
) -> None:
    """Compare a manifest's entry with the card inside the ONNX file that it lists.

    The file is what its maker wrote, and its hash is checked; a manifest is a text that anybody
    may edit. What both state must be the same.

    Parameters
    ----------
    model : bytes
        The ONNX file.
    entry : mapping
        Of the manifest.
    space : SearchSpace
        Of the manifest.
    benchmark : str
        Of the manifest.
    source, file : str
        Names of the entry and of the file, for errors.

    Raises
    ------
    ArtifactError
        If the file has no card, or a value differs; names the key and both values.
    """
    card = card_from_metadata(read_metadata(model, file), file)
    _compare(benchmark, card.pop("benchmark", _ABSENT), "benchmark", source, file)
    stated = card.pop("search_space", None)
    if stated != space.to_dict():
        # A card may leave the size out, which follows from the blocks.
        found = read_space(stated, file).to_dict()
        _compare(space.to_dict(), found, "search_space", source, file)
    try:
        for key in sorted((card.keys() | (entry.keys() & MEANING)) - OUTSIDE):
            _compare(entry.get(key, _ABSENT), card.get(key, _ABSENT), key, source, file)
    except RecursionError:
        msg = f"{source}: key {show(key)} is nested too deeply"
        raise ArtifactError(msg) from None


def _compare(stated: Any, found: Any, key: str, source: str, file: str) -> None:
    """Refuse the first difference between values of JSON, which may be absent."""
    if isinstance(stated, dict) and isinstance(found, dict):
        for name in [*stated, *(name for name in found if name not in stated)]:
            inner = f"{key}.{name}"
            _compare(stated.get(name, _ABSENT), found.get(name, _ABSENT), inner, source, file)
    elif isinstance(stated, list) and isinstance(found, list) and len(stated) == len(found):
        for number, (a, b) in enumerate(zip(stated, found, strict=True)):
            _compare(a, b, f"{key}[{number}]", source, file)
    elif stated != found or isinstance(stated, bool) != isinstance(found, bool):
        _differs(stated, found, key, source, file)


def _differs(stated: Any, found: Any, key: str, source: str, file: str) -> NoReturn:
    here, there = ("absent" if v is _ABSENT else show(v) for v in (stated, found))
    msg = f"{source}: key {show(key)} is {here}, but {there} in the card inside {file}"
    raise ArtifactError(msg)


def card_from_metadata(metadata: Mapping[str, str], source: str) -> dict[str, Any]:
    """Read the model card out of an ONNX file's `metadata_props`.

    Raises
    ------
    ArtifactError
        Where the metadata of an anb_onnx artifact is missing or invalid.
    """
    schema, card = metadata.get("anb_onnx.schema"), metadata.get("anb_onnx.card")
    if schema is None or card is None:
        msg = (
            f"{source} is not an anb_onnx artifact: its metadata lacks 'anb_onnx.schema' or "
            f"'anb_onnx.card', and no {MANIFEST} beside it lists it"
        )
        raise ArtifactError(msg)
    check_schema(int(schema) if re.fullmatch("[0-9]{1,9}", schema) else schema, source)
    return parse_object(card, f"{source}: metadata 'anb_onnx.card'")


def read_space(value: Any, source: str) -> SearchSpace:
    """Search space of a manifest or card; the package's own object where it has that space."""
    try:
        space = SearchSpace.from_dict(value)
    except ArchitectureError as error:
        msg = f"{source}: key 'search_space': {error}"
        raise ArtifactError(msg) from error
    return interned(space)


def benchmark_name(document: Mapping[str, Any], source: str) -> str:
    """Return the value of the key 'benchmark' of a manifest or card.

    Raises
    ------
    ArtifactError
        If it is not 1 to 64 characters of a-z, 0-9, ".", "_" and "-", a letter or digit first: it
        is also the name of a folder.
    """
    check_values(document, ("benchmark",), source)
    return str(document["benchmark"])


def file_name(card: Mapping[str, Any], source: str) -> str:
    """Return the value of the key 'file': a name in the manifest's folder, on every system."""
    check_values(card, ("file",), source)
    return str(card["file"])


def check_schema(schema: object, source: str) -> None:
    """Refuse any schema but `SCHEMA`, a newer one with the command that updates the package."""
    if type(schema) is int and schema > SCHEMA:
        msg = (
            f"{source} has schema {show(schema)}, this anb_onnx reads {SCHEMA}; "
            "update it with: pip install --upgrade anb-onnx"
        )
        raise ArtifactError(msg)
    if type(schema) is int and schema == SCHEMA - 1:
        msg = (
            f"{source} has schema {schema}, this anb_onnx reads {SCHEMA}; convert its folder with: "
            "anb-export upgrade FOLDER --out NEW_FOLDER (pip install anb-onnx-export)"
        )
        raise ArtifactError(msg)
    if type(schema) is not int or schema != SCHEMA:
        msg = f"{source}: key 'schema' must be {SCHEMA}, not {show(schema)}"
        raise ArtifactError(msg)


def parse_object(content: str | bytes, source: str) -> dict[str, Any]:
    """Parse a JSON object; `source` names it in errors."""
    try:
        value = loads(content)
    except JsonError as error:
        msg = f"{source} is not valid JSON ({error})"
        raise ArtifactError(msg) from error
    if not isinstance(value, dict):
        msg = f"{source} must hold a JSON object, not {show(value)}"
        raise ArtifactError(msg)
    return value
