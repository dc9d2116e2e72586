"""Reading of manifests and model cards: nothing in them is believed before it is checked."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from anb_onnx._show import show
from anb_onnx.errors import ArchitectureError, ArtifactError
from anb_onnx.space import MNASNET, SearchSpace

#: Version of `manifest.json` and of the metadata in ONNX files that this release reads.
SCHEMA = 1

#: Name of the file that lists the artifacts of a folder.
MANIFEST = "manifest.json"

# Far above any manifest we write; a cap keeps a wrong file from being read into memory.
_MANIFEST_BYTES = 16 * 2**20


def read_manifest(path: Path, *, mend: str) -> dict[str, Any]:
    """Read a manifest as far as its schema; `mend` ends the message where it is unusable.

    Raises
    ------
    ArtifactError
        Where the file cannot be read, is no JSON object or has another schema.
    """
    content = read_bytes(path, mend=mend, limit=_MANIFEST_BYTES)
    try:
        manifest = parse_object(content, str(path))
    except ArtifactError as error:
        msg = f"{error}; {mend}"
        raise ArtifactError(msg) from error
    check_schema(manifest.get("schema"), str(path))
    return manifest


def read_bytes(path: Path, *, mend: str, limit: int | None = None) -> bytes:
    """Read a file of at most `limit` bytes; an `ArtifactError` ending with `mend` if it fails."""
    try:
        size = path.stat().st_size
        if limit is not None and size > limit:
            msg = f"{path} has {size} bytes, at most {limit} are allowed; {mend}"
            raise ArtifactError(msg)
        return path.read_bytes()
    except OSError as error:
        msg = f"{path} cannot be read ({error.strerror or error}); {mend}"
        raise ArtifactError(msg) from error


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
    check_schema(int(schema) if schema.isdecimal() else schema, source)
    return parse_object(card, f"{source}: metadata 'anb_onnx.card'")


def read_space(value: Any, source: str) -> SearchSpace:
    """Search space of a manifest or card; `MNASNET` itself where it is that one."""
    try:
        space = SearchSpace.from_dict(value)
    except ArchitectureError as error:
        msg = f"{source}: key 'search_space': {error}"
        raise ArtifactError(msg) from error
    return MNASNET if space == MNASNET else space


def text(card: Mapping[str, Any], key: str, source: str) -> str:
    """Return a value that must be a non-empty string."""
    value = card.get(key)
    if not isinstance(value, str) or not value:
        msg = f"{source}: key {key!r} must be a non-empty string, not {show(value)}"
        raise ArtifactError(msg)
    return value


def check_schema(schema: object, source: str) -> None:
    """Refuse any schema but `SCHEMA`, a newer one with the command that updates the package."""
    if type(schema) is int and schema > SCHEMA:
        msg = (
            f"{source} has schema {schema}, this anb_onnx reads {SCHEMA}; "
            "update it with: pip install --upgrade anb-onnx"
        )
        raise ArtifactError(msg)
    if type(schema) is not int or schema != SCHEMA:
        msg = f"{source}: key 'schema' must be {SCHEMA}, not {show(schema)}"
        raise ArtifactError(msg)


def parse_object(content: str | bytes, source: str) -> dict[str, Any]:
    """Parse a JSON object; `source` names it in errors."""
    try:
        value = json.loads(content)
    except (ValueError, RecursionError) as error:
        msg = f"{source} is not valid JSON ({error})"
        raise ArtifactError(msg) from error
    if not isinstance(value, dict):
        msg = f"{source} must hold a JSON object, not {show(value)}"
        raise ArtifactError(msg)
    return value
