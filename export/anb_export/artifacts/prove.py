"""Proves what there is to prove of a folder of artifacts: optima, fronts, and every rank.

Each part is kept in a work folder as soon as it is there, with what it is of; a command that was
killed goes on where it stopped, and parts of other artifacts or settings are not taken for it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from anb_export._io.files import sha256, to_json, write_atomically
from anb_export.artifacts.truth import to_bytes
from anb_onnx import exact
from anb_onnx._io.files import FileError, read_regular
from anb_onnx.catalog.catalog import Artifact, Catalog
from anb_onnx.catalog.counts import after
from anb_onnx.catalog.truth import Extreme, Front, Landmark, Shards, Truth
from anb_onnx.catalog.truth_file import Arrays, unpack
from anb_onnx.encoding.encoding import codes_to_symbols
from anb_onnx.errors import AnbError, ArtifactError
from anb_onnx.spaces.mnasnet import MNASNET, efficientnet_b0
from anb_onnx.sweep.grid import Grid, SweepError
from anb_onnx.sweep.partial import merge
from anb_onnx.sweep.run import MOST, Progress, sweep
from anb_onnx.tables import TableEnsemble

#: Bins of a distribution, and how many of the best are listed, at least, if not told otherwise.
BINS = 2**14
N_BEST = 2**12

#: Most architectures listed: with many ties the list may end before `N_BEST`.
_MOST_LISTED = 4

#: Most architectures of which the codes are kept, where many share the optimum.
_MOST_TIED = 1024

#: Most bytes of a part in the work folder.
_PART_BYTES = 2**28


@dataclass(frozen=True)
class Work:
    """What to prove, where to keep its parts, and whom to tell.

    Attributes
    ----------
    catalog : Catalog
    folder : Path
        For parts.
    bins, n_best : int
        Bins of each distribution; how many of the best to list, at least.
    threads : int or None
        Of sweeps; all CPUs if None.
    counts : bool
        Whether to count all architectures, which takes minutes or hours. If not, only what the
        folder keeps of earlier counts is used.
    note : callable
        Takes a line of text.
    progress : callable
        Takes the name of a sweep, and returns what is called on the way.
    """

    catalog: Catalog
    folder: Path
    bins: int = BINS
    n_best: int = N_BEST
    threads: int | None = None
    counts: bool = True
    note: Callable[[str], object] = lambda text: None
    progress: Callable[[str], Callable[[Progress], object] | None] = lambda name: None

    def part(
        self,
        name: str,
        key: dict[str, Any],
        make: Callable[[], tuple[dict[str, Any], Arrays]],
    ) -> tuple[dict[str, Any], Arrays]:
        """Return a part: what the work folder keeps under a name, if it is of `key`, or a new one.

        Parameters
        ----------
        name : str
        key : dict
            Plain data for JSON: whatever the part depends on.
        make : callable
            Returns plain data and arrays.
        """
        kept = self.kept(name, key)
        if kept is not None:
            return kept
        part, arrays = make()
        write_atomically(self._path(name), to_bytes({"key": key, "part": part}, arrays))
        return part, arrays

    def kept(self, name: str, key: dict[str, Any]) -> tuple[dict[str, Any], Arrays] | None:
        """Return what the work folder keeps under a name, if it is of `key`."""
        path = self._path(name)
        try:
            header, arrays = unpack(read_regular(path, _PART_BYTES), str(path))
        except (FileError, ArtifactError):
            return None  # not there, or of a release with another layout
        return (dict(header["part"]), arrays) if header.get("key") == key else None

    def _path(self, name: str) -> Path:
        return self.folder / f"{name}.part"


def prove(work: Work, names: Sequence[str] | None = None) -> dict[str, Truth]:
    """Prove what there is to prove of targets.

    Parameters
    ----------
    work : Work
    names : sequence of str, optional
        Targets; all whose artifacts hold tables if not given.

    Returns
    -------
    dict of str to Truth
        Without fronts; see `prove_fronts`.

    Raises
    ------
    AnbError
        If a target is unknown or its artifact holds no tables; if two proofs contradict each other.
    """
    artifacts = work.catalog.artifacts
    if names is not None:
        artifacts = tuple(work.catalog.find(name) for name in dict.fromkeys(names))
    found = {}
    for artifact in artifacts:
        name = artifact.target.name
        if "tables" in artifact.entry:
            found[name] = _prove_target(work, artifact)
            continue
        msg = f"{name}: an artifact in the form {artifact.card.form!r} has no tables to prove from"
        if names is not None:
            raise AnbError(msg)
        work.note(msg)
    return found


def _prove_target(work: Work, artifact: Artifact) -> Truth:
    target, space = artifact.target, artifact.space
    ensemble = TableEnsemble.from_artifact(
        artifact.read(), artifact.entry, space, str(artifact.path)
    )
    optimum, worst = (_extreme(work, artifact, worst=worst) for worst in (False, True))
    work.note(
        f"{target.name}: optimum {optimum.value:g} {target.unit}, worst {worst.value:g}, of "
        f"{optimum.count:,} and {worst.count:,} architectures"
    )
    truth = Truth(
        target=target.name,
        unit=target.unit,
        direction=target.direction,
        space=space,
        sha256=artifact.sha256,
        optimum=optimum,
        worst=worst,
        best=np.zeros(0, dtype=np.float32),
        best_to=None,
    )
    landmarks = _landmark_codes(artifact)
    values = {
        name: float(ensemble.predict(codes_to_symbols(codes, space))[0][0])
        for name, codes in landmarks.items()
    }
    truth = _with_distribution(work, truth, ensemble, list(values.values()))
    truth = _with_best(work, truth)
    found = {
        name: landmark
        for name, codes in landmarks.items()
        if (landmark := _landmark(truth, codes, values[name])) is not None
    }
    return replace(truth, landmarks=found)


def _extreme(work: Work, artifact: Artifact, *, worst: bool) -> Extreme:
    """Return the best or the worst mean, and who has it."""
    name, space = artifact.target.name, artifact.space
    side = "worst" if worst else "optimum"

    def make() -> tuple[dict[str, Any], Arrays]:
        best = artifact.target.direction
        direction: Any = {"max": "min", "min": "max"}[best] if worst else best
        place: dict[str, Any] = {"benchmark": artifact.benchmark, "path": artifact.path.parent}
        found = exact.optimum(name, direction=direction, **place)
        count = 1 + found.ties
        if found.ties:
            k = min(count, _MOST_TIED)
            found = exact.optimum(name, direction=direction, k=k, **place)
        codes = np.array([s.architecture.codes for s in found.solutions], dtype=np.uint8)
        value = float(found.solutions[0].value)
        return {"value": value, "count": count}, {(name, "codes"): codes}

    part, arrays = work.part(f"{name}.{side}", {"sha256": artifact.sha256, "side": side}, make)
    return Extreme(part["value"], arrays[name, "codes"], part["count"], space)


def _landmark_codes(artifact: Artifact) -> dict[str, npt.NDArray[np.uint8]]:
    """Codes uint8 [1, n_genes] of the well-known architectures of a space."""
    if artifact.space != MNASNET:
        return {}
    return {"efficientnet-b0": np.array([efficientnet_b0().codes], dtype=np.uint8)}


def _landmark(truth: Truth, codes: npt.NDArray[np.uint8], value: float) -> Landmark | None:
    """Return how many are better than a landmark, if that is known exactly."""
    x = np.array([value], dtype=np.float32)
    below, up_to = truth.below.bounds(x), truth.below.bounds(after(x))
    if below[0] != below[1] or up_to[0] != up_to[1]:
        return None
    worse, at_most = int(below[0][0]), int(up_to[0][0])
    better = truth.total - at_most if truth.direction == "max" else worse
    return Landmark(codes.tobytes(), value, better, at_most - worse)


def _with_distribution(
    work: Work, truth: Truth, ensemble: TableEnsemble, marks: Sequence[float]
) -> Truth:
    """Count all architectures, unless there are too many."""
    low, high = sorted((truth.optimum.value, truth.worst.value))
    if low == high:
        edges = np.array([low, after(low)], dtype=np.float32)
        return replace(truth, edges=edges, counts=np.array([truth.total]))
    if truth.total > MOST:
        work.note(f"{truth.target}: no distribution, as {MOST:,} architectures at most are counted")
        return truth
    grid = _grid(low, high, work.bins, (low, high, *marks))
    if grid.bins < work.bins:
        work.note(f"{truth.target}: {grid.bins} bins, as float32 does not tell more apart")
    key = {
        "sha256": truth.sha256,
        **{"low": low, "high": high, "bins": grid.bins, "marks": list(grid.landmarks)},
    }
    name = truth.target
    if not work.counts and work.kept(f"{name}.counts", key) is None:
        work.note(f"{name}: no distribution, as it is not counted")
        return truth
    make = partial(_count, work, truth, ensemble, grid, key)
    _, arrays = work.part(f"{name}.counts", key, make)
    digests = arrays[name, "digests"]
    shards = Shards(truth.total // len(digests), digests, grid.bins, grid.landmarks)
    return replace(truth, edges=grid.edges, counts=arrays[name, "counts"], shards=shards)


def _count(
    work: Work, truth: Truth, ensemble: TableEnsemble, grid: Grid, key: dict[str, Any]
) -> tuple[dict[str, Any], Arrays]:
    """Sweep the whole space; what was counted already is in a checkpoint of the same key."""
    name = truth.target
    found = sweep(
        ensemble,
        grid,
        threads=work.threads,
        progress=work.progress(name),
        checkpoint=work.folder / f"{name}.{sha256(to_json(key))[:12]}.sweep",
        sha256=truth.sha256,
        target=name,
        unit=truth.unit,
    )
    histogram = merge([found])
    if outside := histogram.below + histogram.above:
        msg = (
            f"{name}: the sweep found {outside} architectures outside of what was proven, "
            f"{grid.low!r} to {grid.high!r}; please report this"
        )
        raise AnbError(msg)
    return {}, {(name, "counts"): histogram.counts, (name, "digests"): found.digests}


def _grid(low: float, high: float, bins: int, landmarks: tuple[float, ...]) -> Grid:
    """Return so many bins, or fewer where float32 does not tell them apart."""
    while True:
        try:
            return Grid(low, high, bins, landmarks)
        except SweepError:
            if bins == 1:
                raise
            bins //= 2


def _with_best(work: Work, truth: Truth) -> Truth:
    """List the best architectures: down to an edge of the distribution, or a number of them."""
    place: dict[str, Any] = {"benchmark": work.catalog.benchmark, "path": work.catalog.folder}
    name = truth.target

    def make() -> tuple[dict[str, Any], Arrays]:
        limit, count = _limit_of_list(truth, work.n_best)
        if count is None:
            found = exact.optimum(name, k=min(work.n_best, truth.total), **place)
            limit, count = found.solutions[-1].value, len(found.solutions) + found.ties
        if count > _MOST_LISTED * work.n_best:
            return {"best_to": None}, {}
        listed = exact.enumerate(name, limit, limit=_MOST_LISTED * work.n_best, **place)
        if len(listed.values) != count:
            msg = (
                f"{name}: {len(listed.values)} architectures are at least as good as {limit!r}, "
                f"but {count} were counted; please report this"
            )
            raise AnbError(msg)
        return {"best_to": limit}, {(name, "values"): listed.values}

    key = {"sha256": truth.sha256, "n_best": work.n_best, "edges": _digest_of(truth)}
    part, arrays = work.part(f"{name}.best", key, make)
    if part["best_to"] is None:
        work.note(f"{name}: too many architectures share the best means to list them")
        return truth
    work.note(f"{name}: listed the {len(arrays[name, 'values']):,} best, {part['best_to']:g} on")
    return replace(truth, best=arrays[name, "values"], best_to=part["best_to"])


def _limit_of_list(truth: Truth, n_best: int) -> tuple[float, int | None]:
    """Return a mean, and how many architectures are at least as good: `n_best`, if edges allow.

    None where nobody counted them.
    """
    if truth.edges is None or truth.counts is None:
        return 0.0, None
    rising = truth.direction == "max"
    so_far = np.cumsum(truth.counts[::-1] if rising else truth.counts)
    last = min(int(np.searchsorted(so_far, n_best)), len(so_far) - 1)
    if so_far[last] > _MOST_LISTED * n_best and last > 0 and so_far[last - 1] > 0:
        last -= 1  # fewer than asked for, and not by far more
    if rising:
        limit = truth.edges[len(truth.counts) - 1 - last]
    else:
        limit = np.nextafter(truth.edges[last + 1], np.float32(-np.inf))
    return float(limit), int(so_far[last])


def _digest_of(truth: Truth) -> str | None:
    """Return a digest of a distribution, of which the list of the best must be."""
    if truth.edges is None or truth.counts is None:
        return None
    return sha256(truth.edges.tobytes() + truth.counts.astype("<i8").tobytes())


def prove_fronts(
    work: Work, truths: Mapping[str, Truth], names: Sequence[str] | None = None
) -> dict[str, Truth]:
    """Find the exact fronts of the first accuracy and every other target, proven before.

    Parameters
    ----------
    work : Work
    truths : mapping of str to Truth
        As from `prove`.
    names : sequence of str, optional
        Targets whose fronts to find; all if not given.

    Returns
    -------
    dict of str to Truth
        The same with these fronts, besides those that they had.
    """
    targets = [target for target in work.catalog.targets if target.name in truths]
    if not targets:
        return {}
    metrics = [target.metric for target in targets]
    first = targets[metrics.index("accuracy") if "accuracy" in metrics else 0].name
    found = {name: dict(truth.fronts) for name, truth in truths.items()}
    for other in [target.name for target in targets if target.name != first]:
        if names is not None and not {first, other} & set(names):
            continue
        pair = (first, other)
        front = _front(work, pair, truths)
        work.note(f"{first}, {other}: {len(front):,} architectures on the front")
        found[first][pair] = found[other][pair] = front
    return {name: replace(truth, fronts=found[name]) for name, truth in truths.items()}


def _front(work: Work, pair: tuple[str, str], truths: Mapping[str, Truth]) -> Front:
    def make() -> tuple[dict[str, Any], Arrays]:
        found = exact.pareto(pair, benchmark=work.catalog.benchmark, path=work.catalog.folder)
        return {}, {(pair, "codes"): found.codes, (pair, "values"): found.values}

    key = {"sha256": [truths[name].sha256 for name in pair]}
    _, arrays = work.part(f"{pair[0]}.{pair[1]}.front", key, make)
    reference = (truths[pair[0]].worst.value, truths[pair[1]].worst.value)
    return Front(pair, arrays[pair, "codes"], arrays[pair, "values"], reference, work.catalog.space)
