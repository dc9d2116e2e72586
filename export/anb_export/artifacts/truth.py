"""Writes the file of what is proven of a benchmark's targets; the runtime reads and checks it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from anb_export._io.files import sha256, write_atomically
from anb_onnx.catalog.catalog import Catalog
from anb_onnx.catalog.truth import Extreme, Landmark, Truth
from anb_onnx.catalog.truth_file import DTYPES, KIND, VERSION, Arrays, unpack
from anb_onnx.catalog.truth_reader import of_catalog, read_truth
from anb_onnx.errors import ArtifactError
from anb_onnx.writing.manifest import forget, set_listed

#: Name of the file in a folder of artifacts.
TRUTH = "truth.bin"


def to_bytes(header: Mapping[str, Any], arrays: Arrays) -> bytes:
    """Return a file that `anb_onnx.catalog.truth_file.unpack` reads; the same for the same input.

    Parameters
    ----------
    header : mapping
        What its JSON holds besides kind, version and the layout of the arrays.
    arrays : mapping
        By what they are of and their name.
    """
    items: list[dict[str, Any]] = []
    parts: list[bytes] = []
    for (of, name), array in arrays.items():
        dtype = DTYPES[array.dtype.name]
        parts.append(np.ascontiguousarray(array, dtype=dtype).tobytes())
        whose = list(of) if isinstance(of, tuple) else of
        shape = list(array.shape)
        items.append({"of": whose, "name": name, "dtype": array.dtype.name, "shape": shape})
    document = {**header, "kind": KIND, "version": VERSION, "arrays": items}
    text = json.dumps(document, sort_keys=True, separators=(",", ":"), allow_nan=False).encode()
    return b"".join([len(text).to_bytes(8, "little"), text, *parts])


def pack(truths: Mapping[str, Truth]) -> bytes:
    """Return the file of what is proven of the targets of one search space, in whatever order."""
    space = next(iter(truths.values())).space
    arrays: dict[tuple[str | tuple[str, str], str], npt.NDArray[Any]] = {}
    entries: dict[str, Any] = {}
    for name, truth in sorted(truths.items()):
        entry: dict[str, Any] = {
            "sha256": truth.sha256,
            "optimum": _extreme(truth.optimum),
            "worst": _extreme(truth.worst),
            "landmarks": {key: _landmark(value) for key, value in truth.landmarks.items()},
        }
        arrays[name, "optimum"] = truth.optimum.codes
        arrays[name, "worst"] = truth.worst.codes
        if truth.best_to is not None:
            entry["best_to"] = truth.best_to
            arrays[name, "best"] = truth.best
        if truth.edges is not None and truth.counts is not None:
            arrays[name, "edges"] = truth.edges
            narrow = int(truth.counts.max()) < 2**32
            arrays[name, "counts"] = truth.counts.astype(np.uint32 if narrow else np.int64)
        if truth.shards is not None:
            shards = truth.shards
            marks = list(shards.landmarks)
            entry["shards"] = {"size": shards.size, "bins": shards.bins, "landmarks": marks}
            arrays[name, "digests"] = shards.digests
        entries[name] = entry
    fronts = {pair: front for truth in truths.values() for pair, front in truth.fronts.items()}
    for pair, front in sorted(fronts.items()):
        arrays[pair, "codes"] = front.codes
        arrays[pair, "values"] = front.values
    header = {"search_space": {"name": space.name, "size": space.size}, "targets": entries}
    return to_bytes(header, arrays)


def _extreme(extreme: Extreme) -> dict[str, Any]:
    return {"value": extreme.value, "count": extreme.count}


def _landmark(landmark: Landmark) -> dict[str, Any]:
    return {
        "codes": list(landmark.codes),
        "value": landmark.value,
        "better": landmark.better,
        "equal": landmark.equal,
    }


def known_truth(folder: Path) -> dict[str, Truth]:
    """Return what a folder's file says of the artifacts that it now lists; nothing without one.

    Raises
    ------
    ArtifactError
        If the manifest is missing or malformed. A file that is damaged is as good as none.
    """
    Catalog.read(folder)
    try:
        return dict(read_truth(folder) or {})
    except ArtifactError:
        return {}


def write_truth(folder: Path, truths: Mapping[str, Truth]) -> int:
    """Write the file of what is proven into a folder of artifacts, and list it in its manifest.

    Returns
    -------
    int
        Its size in bytes.

    Raises
    ------
    ArtifactError
        If the folder now lists other artifacts than those that it was proven of, or the file
        contradicts itself, so that the runtime would refuse it; or nothing is proven.
    """
    if not truths:
        msg = f"nothing is proven of any target of {folder}"
        raise ArtifactError(msg)
    content = pack(truths)
    path = folder / TRUTH

    def make() -> dict[str, Any]:
        header, arrays = unpack(content, str(path))
        of_catalog(Catalog.read(folder), header, arrays, str(path))
        digest = sha256(content)
        forget(folder, "truth", digest)
        write_atomically(path, content)
        return {"file": TRUTH, "sha256": digest, "bytes": len(content)}

    set_listed(folder, "truth", make)
    return len(content)
