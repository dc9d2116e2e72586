"""Writes ``manifest.json``, which lists the artifacts of a folder and says what each one is."""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from anb_onnx._io.output import write_output
from anb_onnx._io.strict_json import loads, to_json
from anb_onnx.catalog.card import VECTOR, Card
from anb_onnx.catalog.catalog import Catalog
from anb_onnx.catalog.manifest import (
    MANIFEST,
    SCHEMA,
    benchmark_name,
    check_card,
    read_bytes,
    read_manifest,
    read_space,
)
from anb_onnx.errors import ArtifactError
from anb_onnx.spaces.space import SearchSpace
from anb_onnx.tables import TableEnsemble
from anb_onnx.vectors import VectorEnsemble
from anb_onnx.writing.vector_form import check_graph

#: Entries of a manifest about files that follow from all its artifacts: golden vectors, and what
#: is proven.
OF_ARTIFACTS = ("golden", "truth")


def write_artifact(
    path: Path, model: bytes, name: str, card: Mapping[str, Any], *, space: SearchSpace
) -> None:
    """Write an ONNX file, and list it in the manifest beside it.

    Two files cannot be replaced at once, and a process may be killed between any two steps. So
    where the manifest lists another content of the file, the new one is first written and listed
    under another name: at every moment the manifest lists files that are there, whole, either the
    old ones or the new. Running the same command again brings what was left to the same bytes.

    Parameters
    ----------
    path : Path
        The ONNX file.
    model : bytes
        Its content.
    name : str
        The target; an entry of this name is replaced.
    card : mapping
        What the model's metadata holds, with ``tables`` if it has some.
        It names the ``benchmark``, which must be that of the manifest.
    space : SearchSpace
        Space of the model's input.

    Raises
    ------
    AnbError
        If a file cannot be written, the manifest there is malformed or of another space, or `card`
        says anything else than the model itself, so that `anb_onnx.load` would refuse it.
    """
    facts = {"file": path.name, "sha256": hashlib.sha256(model).hexdigest(), "bytes": len(model)}
    benchmark = benchmark_name(card, str(path))
    card = {key: value for key, value in card.items() if key != "benchmark"}
    stand_in = path.with_name(f"{path.stem}.anb-export-new{path.suffix}")
    with _locked(path.parent):
        manifest = _read(path.parent, space, benchmark)  # refuse before anything is written
        before = manifest["targets"]
        # A file has one target: another one that it had goes with its content.
        ours = (path.name, stand_in.name)
        kept = {key: entry for key, entry in before.items() if entry["file"] not in ours}
        manifest["targets"] = {**kept, name: {**card, **facts}}
        manifest = loads(to_json(manifest))  # as it will be read: tuples become lists
        _check(path, model, name, manifest)
        after = {key: entry["sha256"] for key, entry in manifest["targets"].items()}
        if any(after.get(key) != entry["sha256"] for key, entry in before.items()):
            # The folder's golden vectors hold the bits of the file that is replaced, and what is
            # proven is proven of them. A build writes new ones at its end, `anb-export truth`
            # proves anew.
            for key in OF_ARTIFACTS:
                manifest.pop(key, None)
        listed = {entry["sha256"] for entry in before.values() if entry["file"] == path.name}
        if listed - {facts["sha256"]}:
            write_output(stand_in, model)
            entry = {**manifest["targets"][name], "file": stand_in.name}
            _write(path.parent, {**manifest, "targets": {**manifest["targets"], name: entry}})
        write_output(path, model)
        _write(path.parent, manifest)
        with contextlib.suppress(OSError):
            stand_in.unlink()


def _check(path: Path, model: bytes, name: str, manifest: Mapping[str, Any]) -> None:
    """Refuse to list a model that the runtime would refuse to load."""
    listed = {a.target.name: a for a in Catalog.of(path.parent, manifest).artifacts}[name]
    check_card(model, listed.entry, listed.space, listed.benchmark, listed.source, str(path))
    card = Card.from_dict(listed.entry, listed.source, listed=True)
    if card.form == VECTOR:
        vector = VectorEnsemble.from_artifact(model, card, listed.space, str(path))
        check_graph(model, vector, card, str(path))
    elif "tables" in listed.entry:
        TableEnsemble.from_artifact(model, listed.entry, listed.space, str(path))


def set_listed(folder: Path, key: str, make: Callable[[], Mapping[str, Any]]) -> None:
    """Write an entry of the manifest about a file that follows from all artifacts.

    Parameters
    ----------
    folder : Path
        Of the manifest.
    key : str
        One of `OF_ARTIFACTS`.
    make : callable
        Writes the file of what the manifest lists, and returns the entry. No other process
        writes to the folder meanwhile, so that none can list an artifact which the file misses. It
        must not write to the manifest itself, but by `forget`: that would wait for ever.

    Raises
    ------
    ArtifactError
        If there is no manifest yet, or it is malformed.
    """
    with _locked(folder):
        manifest = _read(folder, None)
        manifest[key] = dict(make())
        _write(folder, manifest)


def forget(folder: Path, key: str, sha256: str) -> None:
    """Within `set_listed`, before the file is replaced: list no content of it but this.

    Killed in between, the process leaves a folder without golden vectors, not with wrong ones.

    Parameters
    ----------
    folder : Path
        Of the manifest.
    key : str
        One of `OF_ARTIFACTS`.
    sha256 : str
        Digest of the content that is about to be written.
    """
    manifest = _read(folder, None)
    if manifest.get(key, {}).get("sha256", sha256) != sha256:
        del manifest[key]
        _write(folder, manifest)


def update_entry(path: Path, change: Callable[[dict[str, Any]], Mapping[str, Any]]) -> None:
    """Change the manifest's entry of an ONNX file.

    Parameters
    ----------
    path : Path
        The ONNX file.
    change : callable
        Maps the entry to the new one.

    Raises
    ------
    ArtifactError
        If no manifest lists the file, or lists it with another content.
    """
    with _locked(path.parent):
        manifest = _read(path.parent, None)
        name = _name_of(path, manifest)
        manifest["targets"][name] = dict(change(dict(manifest["targets"][name])))
        _write(path.parent, manifest)


def find_entry(path: Path) -> tuple[str, dict[str, Any]]:
    """Return target and manifest entry of an ONNX file.

    Raises
    ------
    ArtifactError
        If no manifest lists the file, or lists it with another content.
    """
    manifest = _read(path.parent, None)
    name = _name_of(path, manifest)
    return name, dict(manifest["targets"][name])


def _name_of(path: Path, manifest: Mapping[str, Any]) -> str:
    for name, entry in manifest["targets"].items():
        if entry.get("file") == path.name:
            model = read_bytes(path, mend="run `anb-export convert`")
            if entry.get("sha256") != hashlib.sha256(model).hexdigest():
                msg = f"{path} is not the file that {MANIFEST} lists; run `anb-export convert`"
                raise ArtifactError(msg)
            return str(name)
    msg = f"{path.parent / MANIFEST} does not list {path.name}; run `anb-export convert`"
    raise ArtifactError(msg)


def _read(folder: Path, space: SearchSpace | None, benchmark: str | None = None) -> dict[str, Any]:
    path = folder / MANIFEST
    if space is not None and not path.exists():
        return {
            "schema": SCHEMA,
            "benchmark": benchmark,
            "search_space": space.to_dict(),
            "targets": {},
        }
    manifest = read_manifest(
        path, mend="remove it, and anb-export or Surrogate.save writes a new one"
    )
    found = read_space(manifest.get("search_space"), str(path))
    if space is not None and found != space:
        msg = f"{path} lists surrogates of the space {found.name!r}, not of {space.name!r}"
        raise ArtifactError(msg)
    known = Catalog.read(folder).benchmark  # checks every entry
    if benchmark not in (None, known):
        msg = f"{path} lists surrogates of the benchmark {known!r}, not of {benchmark!r}"
        raise ArtifactError(msg)
    return manifest


def _write(folder: Path, manifest: Mapping[str, Any]) -> None:
    write_output(folder / MANIFEST, to_json(manifest))


@contextlib.contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Keep two processes that write into one folder from losing each other's entry."""
    try:
        import fcntl
    except ImportError:  # Windows: there, build one target at a time
        yield
        return
    try:
        folder.mkdir(parents=True, exist_ok=True)
        handle = os.open(folder, os.O_RDONLY)
    except OSError as error:
        msg = f"cannot write to {folder}: {error.strerror}"
        raise ArtifactError(msg) from error
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)
