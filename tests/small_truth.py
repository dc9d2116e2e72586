"""What is proven of small benchmarks, by asking every architecture: an oracle, and test data."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import numpy.typing as npt

import anb_onnx
from anb_onnx.catalog.catalog import Artifact, Catalog
from anb_onnx.catalog.truth import Extreme, Front, Landmark, Shards, Truth
from anb_onnx.encoding.encoding import codes_to_symbols
from anb_onnx.tables import TableEnsemble

CONFORMANCE = Path(__file__).resolve().parent / "conformance"
PAIRS = CONFORMANCE / "nasbench201-pairs"

Means = npt.NDArray[np.float32]


def everything(catalog: Catalog) -> npt.NDArray[np.uint8]:
    """Codes of all architectures of a small space, by index."""
    return anb_onnx.indices_to_codes(np.arange(catalog.space.size), catalog.space)


def means(artifact: Artifact) -> Means:
    """Means of all architectures of a small space, by index."""
    space = artifact.space
    codes = anb_onnx.indices_to_codes(np.arange(space.size), space)
    ensemble = TableEnsemble.from_artifact(artifact.read(), artifact.entry, space, "test")
    return ensemble.predict(codes_to_symbols(codes, space))[0]


def better(direction: str, a: Means, b: float) -> npt.NDArray[np.bool_]:
    """Which of `a` are strictly better than `b`."""
    return a > b if direction == "max" else a < b


def truth_of(
    artifact: Artifact,
    y: Means,
    *,
    bins: int = 50,
    n_best: int = 100,
    shard_size: int | None = None,
    landmarks: Sequence[int] = (7,),
) -> Truth:
    """Return what is true of a target, but for its fronts, given all means `y` by index."""
    target, space = artifact.target, artifact.space
    codes = anb_onnx.indices_to_codes(np.arange(len(y)), space)
    falling = np.sort(y)[::-1] if target.direction == "max" else np.sort(y)
    extremes = []
    for value in (falling[0], falling[-1]):
        where = np.flatnonzero(y == value)
        extremes.append(Extreme(float(value), codes[where], len(where), space))
    inner = np.linspace(y.min(), y.max(), bins, endpoint=False).astype(np.float32)
    marks = [y[k] for k in landmarks]
    ends = [y.min(), np.nextafter(y.max(), np.float32(np.inf))]
    edges = np.unique([*inner, *marks, *np.nextafter(marks, np.float32(np.inf)), *ends])
    edges = edges.astype(np.float32)
    counts = np.array([np.count_nonzero((a <= y) & (y < b)) for a, b in pairwise(edges)])
    limit = float(falling[min(n_best, len(y)) - 1])
    n = np.count_nonzero(~better("min" if target.direction == "max" else "max", y, limit))
    size = shard_size or len(y)
    digests = [
        hashlib.sha256(
            np.histogram(y[k : k + size].astype(np.float64), edges.astype(np.float64))[0]
            .astype("<i8")
            .tobytes()
        ).digest()[:8]
        for k in range(0, len(y), size)
    ]
    return Truth(
        target=target.name,
        unit=target.unit,
        direction=target.direction,
        space=space,
        sha256=artifact.sha256,
        optimum=extremes[0],
        worst=extremes[1],
        best=falling[:n].astype(np.float32),
        best_to=limit,
        edges=edges,
        counts=counts.astype(np.int64),
        shards=Shards(
            size,
            np.frombuffer(b"".join(digests), np.uint8).reshape(-1, 8),
            bins,
            tuple(float(mark) for mark in marks),
        ),
        landmarks={
            f"number {k}": Landmark(
                codes[k].tobytes(),
                float(y[k]),
                int(better(target.direction, y, y[k]).sum()),
                int((y == y[k]).sum()),
            )
            for k in landmarks
        },
    )


def front_of(catalog: Catalog, pair: tuple[str, str], values: npt.NDArray[np.float32]) -> Front:
    """Return the front of two targets, given all means [n, 2] by index."""
    targets = [catalog.find(name).target for name in pair]
    cost = values * np.array([-1 if t.direction == "max" else 1 for t in targets])
    order = np.lexsort((np.arange(len(cost)), cost[:, 1], cost[:, 0]))
    kept: list[int] = []
    for k in order:
        if not kept or cost[k, 1] < cost[kept[-1], 1] or (cost[k] == cost[kept[-1]]).all():
            kept.append(int(k))
    codes = anb_onnx.indices_to_codes(np.array(kept), catalog.space)
    reference = cost.max(axis=0) * [-1 if t.direction == "max" else 1 for t in targets]
    worst = float(reference[0]), float(reference[1])
    artifacts = catalog.find(pair[0]).sha256, catalog.find(pair[1]).sha256
    return Front(pair, codes, values[kept], worst, catalog.space, artifacts)


def truths_of(folder: Path, **options: int) -> dict[str, Truth]:
    """Return what is true of all targets of a folder."""
    catalog = Catalog.read(folder)
    y = {artifact.target.name: means(artifact) for artifact in catalog.artifacts}
    truths = {
        a.target.name: truth_of(a, y[a.target.name], **options)  # type: ignore[arg-type]
        for a in catalog.artifacts
    }
    first, *others = y
    pairs = [(first, other) for other in others]
    fronts = {p: front_of(catalog, p, np.stack([y[p[0]], y[p[1]]], axis=1)) for p in pairs}
    return {
        name: replace(truth, fronts={p: f for p, f in fronts.items() if name in p})
        for name, truth in truths.items()
    }


def with_truth(source: Path, folder: Path, content: bytes) -> Path:
    """Copy a folder of artifacts, with a file of what is proven of them."""
    shutil.copytree(source, folder, ignore=shutil.ignore_patterns("__pycache__"))
    (folder / "truth.bin").write_bytes(content)
    manifest = json.loads((folder / "manifest.json").read_text())
    digest = hashlib.sha256(content).hexdigest()
    manifest["truth"] = {"file": "truth.bin", "sha256": digest, "bytes": len(content)}
    (folder / "manifest.json").write_text(json.dumps(manifest))
    return folder
