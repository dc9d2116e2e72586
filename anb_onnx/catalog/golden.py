"""Golden vectors: what every engine must answer, bit for bit, read from an artifacts folder."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import numpy.typing as npt

from anb_onnx._io.files import GOLDEN_BYTES, GOLDEN_VARIABLE
from anb_onnx._io.show import is_name, show
from anb_onnx.catalog.card import check_values
from anb_onnx.catalog.manifest import MANIFEST, file_name, read_bytes, read_manifest
from anb_onnx.engines.base import Codes, Outputs
from anb_onnx.errors import ArtifactError

_DTYPES: dict[str, np.dtype[Any]] = {"uint8": np.dtype("u1"), "float32": np.dtype("<f4")}
_MEND = "anb-export build writes it, and so do anb-onnx adapt and Surrogate.save"


@dataclass(frozen=True, eq=False)
class Golden:
    """The golden vectors of a folder of artifacts.

    Attributes
    ----------
    codes : uint8 array [n, n_genes]
        Corners of the space, EfficientNet-B0, its neighbours, and random architectures.
    outputs : mapping of str to Outputs
        By target: ``mean`` [n], ``std`` [n] and ``members`` [n, M], float32.
    more : mapping of str to mapping of str to float32 array [n', columns]
        By target of several outputs: what is told of the first n' architectures besides, see
        `anb_onnx.writing.golden.more_arrays`.
    """

    codes: Codes
    outputs: Mapping[str, Outputs]
    more: Mapping[str, Mapping[str, npt.NDArray[np.float32]]] = field(default_factory=dict)


#: Names of arrays that targets of several outputs have besides.
MORE_ARRAYS = (
    *("output_means", "output_stds", "curve_mean", "curve_std"),
    *("between_mean", "between_std"),
)


def read_golden(folder: Path) -> Golden | None:
    """Read the golden vectors that a folder's manifest lists; None where it lists none.

    Raises
    ------
    ArtifactError
        Where the manifest or the file is missing, malformed or damaged.
    """
    manifest = read_manifest(folder / MANIFEST, mend=_MEND)
    entry = manifest.get("golden")
    if entry is None:
        return None
    source = f"{folder / MANIFEST}: golden"
    if not isinstance(entry, Mapping) or not isinstance(entry.get("arrays"), list):
        msg = f"{source} must be an object with a list 'arrays'"
        raise ArtifactError(msg)
    check_values(entry, ("sha256",), source)
    name, stated = file_name(entry, source), entry["sha256"]
    content = read_bytes(folder / name, mend=_MEND, variable=GOLDEN_VARIABLE, default=GOLDEN_BYTES)
    found = hashlib.sha256(content).hexdigest()
    if found != stated:
        msg = f"{folder / name} is damaged: sha256 {found}, expected {show(stated)}; {_MEND}"
        raise ArtifactError(msg)
    golden = _read_arrays(content, entry["arrays"], source)
    for key, value in (
        ("n", len(golden.codes)),
        ("bytes", len(content)),
        ("byte_order", "little"),
    ):
        if entry.get(key, value) != value:
            _refuse(source, f"key {key!r} must be {value!r}, not {show(entry[key])}")
    return golden


def _read_arrays(content: bytes, items: list[Any], source: str) -> Golden:
    """Read the arrays, which must fill the file one after the other and fit each other."""
    arrays: dict[tuple[str | None, str], npt.NDArray[Any]] = {}
    end = 0
    for item in items:
        place, array = _array(content, item, end, source)
        if place in arrays:
            _refuse(source, f"array {show(place)} stands twice")
        arrays[place] = array
        end += array.nbytes
    codes = arrays.pop((None, "architectures"), np.zeros(0))
    if codes.dtype != np.uint8 or codes.ndim != 2:
        _refuse(source, "array 'architectures', uint8 [n, genes], is missing")
    outputs = {}
    for target in dict.fromkeys(target for target, _ in arrays):
        found = [arrays.pop((target, name), None) for name in ("mean", "std", "members")]
        shapes = [() if array is None else (array.dtype.name, *array.shape) for array in found]
        n = ("float32", len(codes))
        if target is None or shapes[:2] != [n, n] or shapes[2][:2] != n or len(shapes[2]) != 3:
            _refuse(
                source,
                f"target {show(target)} needs mean and std, float32 [{len(codes)}], and members, "
                f"float32 [{len(codes)}, M]; found {show(shapes)}",
            )
        outputs[target] = Outputs(*found)  # type: ignore[arg-type]
    more: dict[str, dict[str, npt.NDArray[np.float32]]] = {}
    for target, name in [place for place in arrays if place[1] in MORE_ARRAYS]:
        array = arrays.pop((target, name))
        if target is None or array.dtype != np.float32 or array.ndim != 2:
            _refuse(source, f"array {show(name)} of {show(target)} must be float32 [n, columns]")
        first = next(iter(more.get(target, {}).values()), array)
        if len(array) > len(codes) or len(array) != len(first):
            _refuse(
                source,
                f"array {show(name)} of {show(target)} has {len(array)} rows; all that are told "
                f"besides have as many, and {len(codes)} at most",
            )
        more.setdefault(target, {})[name] = array
    if arrays:
        _refuse(source, f"array {show(next(iter(arrays)))} is unknown")
    if end != len(content):
        _refuse(source, f"the arrays take {end} bytes, the file has {len(content)}")
    return Golden(codes, outputs, more)


def same_bits(found: Outputs, golden: Outputs) -> bool:
    """Whether mean, std and members are equal bit for bit."""
    return all(
        a is not None
        and b is not None
        and a.shape == b.shape
        and np.array_equal(a.view(np.uint32), b.view(np.uint32))
        for a, b in zip(found, golden, strict=True)
    )


def _array(
    content: bytes, item: Any, end: int, source: str
) -> tuple[tuple[str | None, str], npt.NDArray[Any]]:
    """Return target, name and content of the array that an item describes, from byte `end` on."""
    try:
        target, name, shape = item["target"], item["name"], item["shape"]
        dtype = _DTYPES[item["dtype"]]
        if not (target is None or is_name(target)) or not is_name(name):
            _malformed("target and name are strings")
        if not isinstance(shape, list) or not 1 <= len(shape) <= 2:
            _malformed("the shape has one or two sizes")
        if not all(type(size) is int and 0 <= size <= len(content) for size in shape):
            _malformed("a size is out of range")
        if type(item["offset"]) is not int or item["offset"] != end:
            _malformed(f"it must begin at byte {end}, where the one before ends")
        count = math.prod(shape)
        if end + count * dtype.itemsize > len(content):
            _malformed(f"it ends behind the file's {len(content)} bytes")
        array = np.frombuffer(content, dtype, count=count, offset=end).reshape(shape)
    except (KeyError, TypeError, ValueError) as error:
        msg = f"{source}: malformed array {show(item)} ({error})"
        raise ArtifactError(msg) from error
    # Native byte order and alignment, for engines that read it in place.
    return (target, name), array.astype(dtype.newbyteorder("="))


def _malformed(what: str) -> NoReturn:
    raise ValueError(what)


def _refuse(source: str, what: str) -> NoReturn:
    msg = f"{source}: {what}; {_MEND}"
    raise ArtifactError(msg)
