"""Reading of what is proven of a benchmark, each part against the others and the manifest.

A proof cannot be repeated here; `anb-onnx verify` does. But whatever contradicts itself is refused:
counts that do not add up to the space, a list that differs from the distribution, a point of a
front that another one dominates, an artifact other than the one that it was proven of.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any, NoReturn

import numpy as np
import numpy.typing as npt

from anb_onnx._io.show import is_name, show
from anb_onnx.catalog.catalog import Catalog, Target
from anb_onnx.catalog.counts import after
from anb_onnx.catalog.manifest import MANIFEST, read_document
from anb_onnx.catalog.truth import Extreme, Float32s, Front, Landmark, Shards, Truth
from anb_onnx.catalog.truth_file import Arrays, read_listed, refuse
from anb_onnx.regimes import LARGEST
from anb_onnx.spaces.matrix import in_range
from anb_onnx.spaces.space import SearchSpace

_MEND = "anb-export build writes it, and so do anb-onnx adapt and Surrogate.save"
_NONE: Float32s = np.zeros(0, dtype=np.float32)
_NONE.setflags(write=False)


def read_truth(folder: Path) -> Mapping[str, Truth] | None:
    """Read what is proven of the targets of a folder; None where its manifest lists nothing.

    Returns
    -------
    mapping of str to Truth
        By target; of the targets that something is proven of.

    Raises
    ------
    ArtifactError
        Where the manifest or the file is missing, malformed or damaged, contradicts itself, or was
        proven of other artifacts.
    """
    manifest = read_document(folder / MANIFEST, mend=_MEND)
    if manifest.get("truth") is None:
        return None
    catalog = Catalog.of(folder, manifest)
    header, arrays, source = read_listed(folder, manifest["truth"])
    return of_catalog(catalog, header, arrays, source)


def of_catalog(
    catalog: Catalog, header: Mapping[str, Any], arrays: Arrays, source: str
) -> Mapping[str, Truth]:
    """Return what a file that is already parsed says of the targets of a catalog.

    Raises
    ------
    ArtifactError
        As `read_truth`; `source` names the file.
    """
    space = catalog.space
    found = header.get("search_space")
    if found != {"name": space.name, "size": space.size}:
        refuse(source, f"key 'search_space' is {show(found)}, not that of the manifest")
    entries = header.get("targets")
    if not isinstance(entries, Mapping) or not entries:
        refuse(source, f"key 'targets' must be an object that is not empty, not {show(entries)}")
    listed = {artifact.target.name: artifact for artifact in catalog.artifacts}
    rest = dict(arrays)
    truths: dict[str, Truth] = {}
    for name, entry in entries.items():
        if name not in listed:
            refuse(source, f"target {show(name)} is not in {catalog.folder / MANIFEST}")
        if not isinstance(entry, Mapping) or entry.get("sha256") != listed[name].sha256:
            refuse(source, f"target {name!r} was proven of other bytes than {listed[name].path}")
        part = _Part(source, f"target {name!r}", name, space, rest)
        truths[name] = _truth(listed[name].target, entry, part)
    fronts = _fronts(truths, space, source, rest)
    if rest:
        refuse(source, f"array {show(next(iter(rest)))} is unknown")
    return MappingProxyType(
        {
            name: replace(
                truth, fronts=MappingProxyType({p: f for p, f in fronts.items() if name in p})
            )
            for name, truth in truths.items()
        }
    )


@dataclass(frozen=True)
class _Part:
    """A part of the file: takes the arrays that are of it, and refuses what is wrong there."""

    source: str
    what: str
    of: str | tuple[str, str]
    space: SearchSpace
    arrays: dict[tuple[str | tuple[str, str], str], npt.NDArray[Any]]

    def refuse(self, problem: str) -> NoReturn:
        refuse(self.source, f"{self.what}: {problem}")

    def take(
        self, name: str, dtypes: tuple[str, ...], shape: tuple[int | None, ...]
    ) -> npt.NDArray[Any] | None:
        """Return an array, None where there is none; None in a shape is a size of 1 or more."""
        array = self.arrays.pop((self.of, name), None)
        if array is None:
            return None
        fits = len(array.shape) == len(shape) and all(
            found == wanted or (wanted is None and found > 0)
            for found, wanted in zip(array.shape, shape, strict=True)
        )
        if array.dtype.name not in dtypes or not fits:
            sizes = ["n" if size is None else size for size in shape]
            wanted = f"{' or '.join(dtypes)} {show(sizes)}"
            self.refuse(f"array {name!r} must be {wanted}, not {show(array)}")
        return array

    def codes(self, name: str) -> npt.NDArray[np.uint8]:
        """Return codes of architectures, at least one, all of the space and all different."""
        codes = self.take(name, ("uint8",), (None, self.space.n_genes))
        if codes is None:
            self.refuse(f"array {name!r} is missing")
        if not in_range(codes, self.space):
            self.refuse(f"array {name!r} holds codes that search space {self.space.name!r} has not")
        if len({row.tobytes() for row in codes}) < len(codes):
            self.refuse(f"array {name!r} holds an architecture twice")
        return codes

    def values(self, name: str, shape: tuple[int | None, ...]) -> Float32s | None:
        """Return finite float32 numbers."""
        values = self.take(name, ("float32",), shape)
        if values is not None and not np.isfinite(values).all():
            self.refuse(f"array {name!r} holds a number that is not finite")
        return values

    def number(self, value: object, key: str) -> float:
        """Return a number of the JSON that float32 holds."""
        if type(value) is int and abs(value) < 2**53:
            value = float(value)  # JSON does not tell 80 from 80.0
        if type(value) is not float or abs(value) > LARGEST or float(np.float32(value)) != value:
            self.refuse(f"key {key!r} must be a number of float32, not {show(value)}")
        return value

    def count(self, value: object, key: str, least: int) -> int:
        """Return a number of architectures of the JSON."""
        if type(value) is not int or not least <= value <= self.space.size:
            allowed = f"from {least} to {self.space.size}"
            self.refuse(f"key {key!r} must be {allowed}, not {show(value)}")
        return value

    def mapping(self, value: object, key: str, keys: set[str]) -> Mapping[str, Any]:
        """Return an object of the JSON that has these keys and no others."""
        if not isinstance(value, Mapping) or value.keys() != keys:
            self.refuse(f"key {key!r} must have {', '.join(sorted(keys))}, not {show(value)}")
        return value


def _truth(target: Target, entry: Mapping[str, Any], part: _Part) -> Truth:
    """Return what is proven of a target, but for its fronts."""
    optimum, worst = (_extreme(entry, key, part) for key in ("optimum", "worst"))
    rising = target.direction == "max"
    ends = (worst.value, optimum.value) if rising else (optimum.value, worst.value)
    if ends[0] > ends[1]:
        part.refuse(f"its optimum, {optimum.value!r}, is worse than its worst, {worst.value!r}")
    best, best_to = _best(entry, optimum, worst, rising, part)
    edges, counts = _distribution(ends, part)
    truth = Truth(
        target=target.name,
        unit=target.unit,
        direction=target.direction,
        space=part.space,
        sha256=entry["sha256"],
        optimum=optimum,
        worst=worst,
        best=best,
        best_to=best_to,
        edges=edges,
        counts=counts,
        shards=_shards(entry, counts is not None, part),
    )
    _check_agreement(truth, part)
    return replace(truth, landmarks=_landmarks(truth, entry, part))


def _extreme(entry: Mapping[str, Any], key: str, part: _Part) -> Extreme:
    stated = part.mapping(entry.get(key), key, {"value", "count"})
    codes = part.codes(key)
    value = part.number(stated["value"], f"{key}.value")
    count = part.count(stated["count"], f"{key}.count", len(codes))
    return Extreme(value, codes, count, part.space)


def _best(
    entry: Mapping[str, Any], optimum: Extreme, worst: Extreme, rising: bool, part: _Part
) -> tuple[Float32s, float | None]:
    """Return the means of the best architectures, best first, and down to where they are all."""
    best = part.values("best", (None,))
    if (best is None) != (entry.get("best_to") is None):
        part.refuse("key 'best_to' and array 'best' need each other")
    if best is None:
        return _NONE, None
    limit = part.number(entry["best_to"], "best_to")
    falling = best if rising else -best
    steps = np.diff(falling)
    if (steps > 0).any():
        part.refuse("array 'best' must begin with the best and go on to worse")
    if best[0] != optimum.value or np.count_nonzero(best == best[0]) != optimum.count:
        part.refuse("array 'best' must begin with the optimum, as often as architectures have it")
    low, high = sorted((worst.value, float(best[-1])))
    if not low <= limit <= high or len(best) > part.space.size:
        part.refuse(f"key 'best_to' must lie between the worst and the last of 'best', not {limit}")
    return best, limit


def _distribution(
    ends: tuple[float, float], part: _Part
) -> tuple[Float32s | None, npt.NDArray[np.int64] | None]:
    """Return the edges and the counts of all architectures, if somebody counted them."""
    edges = part.values("edges", (None,))
    counts = part.take("counts", ("uint32", "int64"), (None,))
    if edges is None and counts is None:
        return None, None
    if edges is None or counts is None or len(edges) != len(counts) + 1:
        part.refuse("arrays 'edges' and 'counts' need each other, and one edge more than counts")
    if not (np.diff(edges) > 0).all():
        part.refuse("array 'edges' must be strictly increasing")
    if (edges[0], edges[-1]) != (ends[0], after(ends[1])):
        part.refuse("array 'edges' must begin at the least mean and end behind the largest")
    size = part.space.size
    if int(counts.min()) < 0 or int(counts.max()) > size or sum(counts.tolist()) != size:
        part.refuse(f"array 'counts' must add up to the {size} architectures of the space")
    return edges, counts.astype(np.int64)


def _shards(entry: Mapping[str, Any], counted: bool, part: _Part) -> Shards | None:
    digests = part.take("digests", ("uint8",), (None, 8))
    stated = entry.get("shards")
    if (digests is None) != (stated is None) or (digests is not None and not counted):
        part.refuse("key 'shards', array 'digests' and a distribution need each other")
    if digests is None:
        return None
    stated = part.mapping(stated, "shards", {"size", "bins", "landmarks"})
    size = part.count(stated["size"], "shards.size", 1)
    if size * len(digests) != part.space.size:
        part.refuse(f"{len(digests)} shards of {size} architectures do not make up the space")
    bins, marks = stated["bins"], stated["landmarks"]
    if type(bins) is not int or bins < 1 or not isinstance(marks, list):
        part.refuse(f"key 'shards' must state bins and a list of landmarks, not {show(stated)}")
    landmarks = tuple(part.number(mark, "shards.landmarks") for mark in marks)
    return Shards(size, digests, bins, landmarks)


def _check_agreement(truth: Truth, part: _Part) -> None:
    """Check that distribution, list of the best, and extremes count the same architectures."""
    if (np.diff(truth.below.counts) < 0).any():
        part.refuse("the list of the best holds other counts than the distribution")
    if truth.edges is None or truth.counts is None:
        return
    if truth.best_to is not None:
        # Everywhere else the distribution is all that is known.
        rising = truth.direction == "max"
        listed = truth.edges >= truth.best_to if rising else truth.edges <= truth.best_to
        total = np.concatenate([[0], np.cumsum(truth.counts)])[listed]
        least, most = truth.below.bounds(truth.edges[listed])
        if not (np.array_equal(least, total) and np.array_equal(most, total)):
            part.refuse("the list of the best holds other counts than the distribution")
    for what, extreme in (("optimum", truth.optimum), ("worst", truth.worst)):
        x = np.array([extreme.value], dtype=np.float32)
        low, high = truth.below.bounds(x), truth.below.bounds(after(x))
        if not int(high[0][0] - low[1][0]) <= extreme.count <= int(high[1][0] - low[0][0]):
            part.refuse(f"its {what} has another count than the distribution")


def _landmarks(truth: Truth, entry: Mapping[str, Any], part: _Part) -> Mapping[str, Landmark]:
    stated = entry.get("landmarks", {})
    if not isinstance(stated, Mapping) or not all(map(is_name, stated)):
        part.refuse(f"key 'landmarks' must be an object of names, not {show(stated)}")
    found = {}
    for name, value in stated.items():
        key = f"landmarks.{name}"
        part.mapping(value, key, {"codes", "value", "better", "equal"})
        codes = value["codes"]
        if (
            not isinstance(codes, list)
            or len(codes) != part.space.n_genes
            or not all(
                type(code) is int and 0 <= code < size
                for code, size in zip(codes, part.space.gene_sizes, strict=True)
            )
        ):
            part.refuse(
                f"key '{key}.codes' must be the codes of an architecture, not {show(codes)}"
            )
        landmark = Landmark(
            bytes(codes),
            part.number(value["value"], f"{key}.value"),
            part.count(value["better"], f"{key}.better", 0),
            part.count(value["equal"], f"{key}.equal", 1),
        )
        # Those that are better, and those that are at least as good.
        x = np.array([landmark.value], dtype=np.float32)
        bounds = [truth.below.bounds(edge) for edge in (x, after(x))]
        if truth.direction == "max":
            bounds = [(truth.total - most, truth.total - least) for least, most in bounds[::-1]]
        for count, (least, most) in zip(
            (landmark.better, landmark.better + landmark.equal), bounds, strict=True
        ):
            if not least[0] <= count <= most[0]:
                part.refuse(f"key {key!r} is not what the distribution counts")
        found[name] = landmark
    return MappingProxyType(found)


def _fronts(
    truths: Mapping[str, Truth],
    space: SearchSpace,
    source: str,
    arrays: dict[tuple[str | tuple[str, str], str], npt.NDArray[Any]],
) -> dict[tuple[str, str], Front]:
    """Return the fronts of two targets each."""
    fronts: dict[tuple[str, str], Front] = {}
    for pair in [of for of, _ in arrays if isinstance(of, tuple)]:
        if pair in fronts:
            continue
        part = _Part(source, f"front of {pair[0]!r} and {pair[1]!r}", pair, space, arrays)
        if pair[0] == pair[1] or not truths.keys() >= set(pair):
            part.refuse("both must be targets, and two, that something is proven of")
        codes = part.codes("codes")
        values = part.values("values", (len(codes), 2))
        if values is None:
            part.refuse("array 'values' is missing")
        first, second = (truths[name] for name in pair)
        for column, truth in enumerate((first, second)):
            ends = sorted((truth.optimum.value, truth.worst.value))
            if not ((ends[0] <= values[:, column]) & (values[:, column] <= ends[1])).all():
                part.refuse(f"array 'values' is not between optimum and worst of {truth.target!r}")
        # As if less were better for both: from the best of the first on, the second improves.
        signs = np.array([-1 if t.direction == "max" else 1 for t in (first, second)], np.float32)
        steps = np.diff(values * signs, axis=0)
        equal = (steps == 0).all(axis=1)
        if not (equal | ((steps[:, 0] > 0) & (steps[:, 1] < 0))).all():
            part.refuse("array 'values' holds a point that another one dominates, or is not sorted")
        for column, truth in ((0, first), (-1, second)):
            if values[column, column] != truth.optimum.value:
                part.refuse(f"it does not reach the optimum of {truth.target!r}")
        reference = (first.worst.value, second.worst.value)
        artifacts = (first.sha256, second.sha256)
        fronts[pair] = Front(pair, codes, values, reference, space, artifacts)
    return fronts
