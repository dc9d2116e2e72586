"""The sweep of a space on many machines: shards in chunks, put together as they come.

A chunk is counted by `anb_onnx.sweep.sweep`, and its counts name their shards. So what came twice,
or not at all, is found when the parts are joined, whatever happened to the workers.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, SupportsIndex

from anb_onnx._io.show import show
from anb_onnx.scale_out.backend import Backend
from anb_onnx.scale_out.opening import as_backend
from anb_onnx.scale_out.score_part import open_surrogate
from anb_onnx.surrogate import Origin, Surrogate
from anb_onnx.sweep import (
    Grid,
    Partial,
    Progress,
    Shards,
    Subject,
    SweepError,
    join,
    read_partial,
    write_partial,
)
from anb_onnx.sweep import sweep as sweep_here
from anb_onnx.sweep.partial import check_same, missing
from anb_onnx.sweep.run import CHECKPOINT_SECONDS, wanted_shards
from anb_onnx.tables import TableEnsemble

# A worker has some chunks to do, so that none waits long for the last one; and one lasts some
# seconds at most, which is what is lost with a worker.
_CHUNKS_EACH = 8
_MOST_SHARDS = 8


@dataclass(frozen=True)
class Chunk:
    """Shards from `start` to before `stop`."""

    start: int
    stop: int

    def __str__(self) -> str:
        return f"shards {self.start}:{self.stop}"


@dataclass(frozen=True)
class _Task:
    """What is the same for all chunks; of the grid what it is made from, as its edges are many."""

    origin: Origin
    threads: SupportsIndex | None
    grid: tuple[float, float, int, tuple[float, ...]]
    most: int


def sweep(
    surrogate: Surrogate,
    grid: Grid,
    shards: range | None = None,
    *,
    backend: Backend | Any | None = None,
    threads: SupportsIndex | None = None,
    progress: Callable[[Progress], object] | None = None,
    checkpoint: str | os.PathLike[str] | None = None,
    cut: Shards | None = None,
    chunk: int | None = None,
) -> Partial:
    """Count every architecture of some shards, as `anb_onnx.sweep.sweep` does, on a cluster.

    Parameters
    ----------
    surrogate : Surrogate
        Of an artifact in table form, which all workers have: its SHA-256 is compared.
    grid : Grid
    shards : range, optional
        Numbers of shards, with a step of 1; all unless given.
    backend : Backend or distributed.Client, optional
        What does the work; this process if not given.
    threads : int, optional
        For each chunk: if not given, one where a cluster does the work, else all CPUs.
    progress : callable, optional
        Called after each chunk.
    checkpoint : path, optional
        A file here that holds what is done, renewed every 10 s and at the end, also after Ctrl-C.
        If it is there, its shards are not counted again, and stay in the result. It is the same as
        of a sweep without a cluster: either goes on from the other's.
    cut : Shards, optional
        How the space is cut; `Shards(surrogate.space)` unless given.
    chunk : int, optional
        Shards of a chunk, at most.

    Returns
    -------
    Partial
        The same as of a sweep without a cluster.

    Raises
    ------
    SweepError
        As from `anb_onnx.sweep.sweep`; if the artifact has no tables.
    ScaleError
        If the cluster is lost. What came until then is in the checkpoint.

    Examples
    --------
    >>> import anb_onnx
    >>> surrogate = anb_onnx.load("params")
    >>> part = sweep(surrogate, Grid(0.0, 20.0, 40), range(2), cut=Shards(surrogate.space, 2**10))
    >>> part.shards, part.total == 2 * part.subject.shard_size
    (((0, 2),), True)
    """
    backend = as_backend(backend)
    if chunk is not None and (type(chunk) is not int or chunk < 1):
        msg = f"chunk is an integer >= 1, not {show(chunk)}"
        raise SweepError(msg)
    if threads is None and backend.remote:
        threads = 1
    _tables(surrogate)
    cut = cut or Shards(surrogate.space)
    wanted = wanted_shards(cut, shards)
    done = Partial.empty(_subject(surrogate, cut), grid)
    if checkpoint is not None and Path(checkpoint).exists():
        before = read_partial(checkpoint)
        check_same(before, done, (f"the file {checkpoint}", "this sweep"))
        done = before
    left = missing(done.shards, wanted.start, wanted.stop)
    count = sum(stop - start for start, stop in left)
    most = chunk or max(1, min(_MOST_SHARDS, count // (_CHUNKS_EACH * backend.slots)))
    values = grid.low, grid.high, grid.bins, grid.landmarks
    task = _Task(replace(surrogate._origin, threads=threads), threads, values, cut.most)
    sums = _Sums(done, checkpoint)
    total, began, counted = len(wanted) * cut.size, time.monotonic(), 0
    try:
        for one, part in backend.map_unordered(partial(sweep_chunk, task), _chunks(left, most)):
            sums.add(replace(part, grid=grid))
            counted += (one.stop - one.start) * cut.size
            if progress is not None:
                resumed = total - count * cut.size
                progress(Progress(counted, resumed, total, time.monotonic() - began))
    finally:
        sums.save()
        if not backend.remote:
            open_surrogate.cache_clear()
    return sums.total()


def _subject(surrogate: Surrogate, cut: Shards) -> Subject:
    target, space = surrogate.target, surrogate.space
    return Subject(
        surrogate._origin.sha256, target.name, target.unit, space.name, space.size, cut.size
    )


def _tables(surrogate: Surrogate) -> TableEnsemble:
    ensemble = surrogate._ensemble
    if ensemble is None:
        msg = f"a sweep needs an artifact in table form; that of {surrogate.target.name!r} is not"
        raise SweepError(msg)
    return ensemble


def _chunks(left: tuple[tuple[int, int], ...], most: int) -> Iterator[Chunk]:
    for start, stop in left:
        for first in range(start, stop, most):
            yield Chunk(first, min(first + most, stop))


def sweep_chunk(task: _Task, chunk: Chunk) -> Partial:
    """Count some shards, where the work is done."""
    surrogate = open_surrogate(task.origin)
    cut = Shards(surrogate.space, task.most)
    part = sweep_here(
        _tables(surrogate),
        Grid(*task.grid),
        range(chunk.start, chunk.stop),
        task.threads,
        sha256=task.origin.sha256,
        target=surrogate.target.name,
        unit=surrogate.target.unit,
        cut=cut,
    )
    return replace(part, grid=Grid(*task.grid))  # without the edges that it has by now


class _Sums:
    """Parts that came, and the file that holds them."""

    def __init__(self, done: Partial, checkpoint: str | os.PathLike[str] | None) -> None:
        self._parts = [done]
        self._checkpoint = checkpoint
        self._saved = time.monotonic()

    def add(self, part: Partial) -> None:
        """Add a part; refuse one that shares a shard with the others."""
        self._parts.append(part)
        if time.monotonic() - self._saved >= CHECKPOINT_SECONDS:
            self.save()
        elif len(self._parts) >= 64:
            self.total()

    def total(self) -> Partial:
        """Return the sum of what came."""
        self._parts = [join(self._parts)]
        return self._parts[0]

    def save(self) -> None:
        """Write the checkpoint, if there is one."""
        if self._checkpoint is not None:
            write_partial(self._checkpoint, self.total())
        self._saved = time.monotonic()
