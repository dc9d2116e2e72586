"""Golden vectors: what every engine must answer, bit for bit, read from an artifacts folder."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from anb_onnx._manifest import MANIFEST, read_bytes, read_manifest, text
from anb_onnx.engines.base import Codes, Outputs
from anb_onnx.errors import ArtifactError

_DTYPES: dict[str, np.dtype[Any]] = {"uint8": np.dtype("u1"), "float32": np.dtype("<f4")}


@dataclass(frozen=True, eq=False)
class Golden:
    """The golden vectors of a folder of artifacts.

    Attributes
    ----------
    codes : uint8 array [n, n_genes]
        Corners of the space, EfficientNet-B0, its neighbours, and random architectures.
    outputs : mapping of str to Outputs
        By target: ``mean`` [n], ``std`` [n] and ``members`` [n, M], float32.
    """

    codes: Codes
    outputs: Mapping[str, Outputs]


def read_golden(folder: Path) -> Golden | None:
    """Read the golden vectors that a folder's manifest lists; None where it lists none.

    Raises
    ------
    ArtifactError
        Where the manifest or the file is missing, malformed or damaged.
    """
    mend = "anb-export build writes it"
    entry = read_manifest(folder / MANIFEST, mend=mend).get("golden")
    if entry is None:
        return None
    source = f"{folder / MANIFEST}: golden"
    if not isinstance(entry, Mapping) or not isinstance(entry.get("arrays"), list):
        msg = f"{source} must be an object with a list 'arrays'"
        raise ArtifactError(msg)
    name, stated = text(entry, "file", source), text(entry, "sha256", source)
    if Path(name).name != name:
        msg = f"{source}: key 'file' must be a plain file name, not {name!r}"
        raise ArtifactError(msg)
    content = read_bytes(folder / name, mend=mend)
    found = hashlib.sha256(content).hexdigest()
    if found != stated:
        msg = f"{folder / name} is damaged: sha256 {found}, expected {stated}; {mend}"
        raise ArtifactError(msg)
    codes: Codes | None = None
    outputs: dict[str, dict[str, Any]] = {}
    for item in entry["arrays"]:
        array = _array(content, item, source)
        if item.get("target") is None:
            codes = array
        else:
            outputs.setdefault(item["target"], {})[item["name"]] = array
    try:
        if codes is None:
            raise KeyError("architectures")
        by_target = {
            target: Outputs(arrays["mean"], arrays["std"], arrays["members"])
            for target, arrays in outputs.items()
        }
    except KeyError as error:
        msg = f"{source}: array {error} is missing"
        raise ArtifactError(msg) from error
    return Golden(codes, by_target)


def same_bits(found: Outputs, golden: Outputs) -> bool:
    """Whether mean, std and members are equal bit for bit."""
    return all(
        a is not None
        and b is not None
        and a.shape == b.shape
        and np.array_equal(a.view(np.uint32), b.view(np.uint32))
        for a, b in zip(found, golden, strict=True)
    )


def _array(content: bytes, item: Any, source: str) -> npt.NDArray[Any]:
    try:
        dtype = _DTYPES[item["dtype"]]
        shape = tuple(int(size) for size in item["shape"])
        count, offset = int(np.prod(shape)), int(item["offset"])
        if min(*shape, offset, 0) < 0:
            raise ValueError("negative")
        array = np.frombuffer(content, dtype, count=count, offset=offset).reshape(shape)
        item["name"]
    except (KeyError, TypeError, ValueError) as error:
        msg = f"{source}: malformed array {item!r:.120} ({error})"
        raise ArtifactError(msg) from error
    # Native byte order and alignment, for engines that read it in place.
    return array.astype(dtype.newbyteorder("="))
