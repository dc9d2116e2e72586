"""Counting of many shards: threads, progress, checkpoints."""

from __future__ import annotations

import hashlib
import json
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, SupportsIndex

import numpy as np

from anb_onnx.engines.base import resolve_threads
from anb_onnx.parallel.pool import WorkerPool
from anb_onnx.parallel.shelter import import_sheltered
from anb_onnx.sweep.files import read_partial, write_partial
from anb_onnx.sweep.grid import Grid, SweepError
from anb_onnx.sweep.partial import DIGEST, Partial, Subject, check_same, digest, join, missing
from anb_onnx.sweep.shards import Shards
from anb_onnx.tables import TableEnsemble

if TYPE_CHECKING:
    from anb_onnx.sweep.kernel import Counter, Counts

#: Most architectures of one sweep: a month of a machine with hundreds of cores.
MOST = 2**48

#: Seconds from one checkpoint to the next.
CHECKPOINT_SECONDS = 10.0

#: Members' values of one call of the kernel, about: Ctrl-C waits for it.
_CALL = 2**29

#: Shards that are put together at once.
_FOLD = 256

#: Architectures a second and core, roughly, for estimates in messages.
TYPICAL_RATE = 300e6


@dataclass(frozen=True)
class Progress:
    """How far a sweep has come.

    Attributes
    ----------
    done : int
        Architectures counted by this call.
    resumed : int
        Architectures of the same range that were counted before.
    total : int
        Architectures of the range.
    seconds : float
        Since the first shard began.
    """

    done: int
    resumed: int
    total: int
    seconds: float

    @property
    def rate(self) -> float:
        """Architectures a second."""
        return self.done / self.seconds if self.seconds > 0 else 0.0

    @property
    def left(self) -> float:
        """Seconds until the end, at this rate."""
        rest = self.total - self.resumed - self.done
        return rest / self.rate if self.rate else float("inf")


def fingerprint(ensemble: TableEnsemble) -> str:
    """Return the SHA-256 of all that an ensemble computes from: for one that is of no artifact."""
    facts = {
        "space": ensemble.space.to_dict(),
        "terms": ensemble.terms.to_list(),
        "scale": ensemble.scale,
        "shift": ensemble.shift,
        "link": ensemble.link.to_dict(),
        "members": ensemble.n_members,
    }
    found = hashlib.sha256(json.dumps(facts, sort_keys=True).encode())
    found.update(np.ascontiguousarray(ensemble.entries, dtype="<i4").tobytes())
    return found.hexdigest()


def default_range(ensemble: TableEnsemble) -> tuple[float, float]:
    """Return float32 values that no prediction is outside of, for a grid.

    Raises
    ------
    SweepError
        If the tables do not tell.
    """
    bounds = ensemble.bounds
    if bounds is None:
        msg = (
            "the tables do not bound the predictions; say where the bins are with --low and --high"
        )
        raise SweepError(msg)
    # As float32 is what is counted, and rounding is monotone; one number more where there is one.
    low, high = np.float32(bounds[0]), np.float32(bounds[1])
    if low == high:
        low = np.nextafter(low, np.float32(-np.inf))
    return float(low), float(high)


def sweep(
    ensemble: TableEnsemble,
    grid: Grid,
    shards: range | None = None,
    threads: SupportsIndex | None = None,
    progress: Callable[[Progress], object] | None = None,
    checkpoint: Path | None = None,
    *,
    sha256: str | None = None,
    target: str = "",
    unit: str = "",
    cut: Shards | None = None,
) -> Partial:
    """Count every architecture of some shards into a histogram of float32 means, exactly.

    Parameters
    ----------
    ensemble : TableEnsemble
    grid : Grid
    shards : range, optional
        Numbers of shards, with a step of 1; all unless given.
    threads : int, optional
        All CPUs this process may use unless given. The counts do not depend on it.
    progress : callable, optional
        Called after each shard, by one thread at a time but not always the same one.
    checkpoint : path, optional
        A file that holds what is done, renewed every 10 s and at the end, also after Ctrl-C. If it
        is there, its shards are not counted again, and stay in the result.
    sha256, target, unit : str, optional
        What is swept, for the file; the tables' own `fingerprint` unless given.
    cut : Shards, optional
        How the space is cut; `Shards(ensemble.space)` unless given.

    Returns
    -------
    Partial

    Raises
    ------
    SweepError
        If there is no such shard; if there are too many architectures; if the checkpoint is of
        another sweep; if a mean is not a number.

    Examples
    --------
    >>> import anb_onnx
    >>> from anb_onnx.terms import Terms
    >>> terms = Terms(anb_onnx.NASBENCH201, ((0,), (1,)))
    >>> entries = np.arange(10, dtype=np.int32)[:, None]
    >>> ensemble = TableEnsemble(terms.space, entries, 1.0, 0.0, anb_onnx.Link(), terms)
    >>> part = sweep(ensemble, Grid(5.0, 13.0, 8))
    >>> part.total, part.counts.tolist()
    (15625, [625, 1250, 1875, 2500, 3125, 2500, 1875, 1875])
    """
    cut = cut or Shards(ensemble.space)
    wanted = wanted_shards(cut, shards)
    subject = Subject(
        sha256 or fingerprint(ensemble), target, unit, ensemble.space.name, ensemble.space.size,
        cut.size,
    )  # fmt: skip
    done = Partial.empty(subject, grid)
    if checkpoint is not None and Path(checkpoint).exists():
        before = read_partial(checkpoint)
        try:
            check_same(before, done, (f"the file {checkpoint}", "this sweep"))
        except SweepError as error:
            msg = f"{error}; continue it with the same artifact and bins, or name another file"
            raise SweepError(msg) from error
        done = before
    left = [
        number
        for start, stop in missing(done.shards, wanted.start, wanted.stop)
        for number in range(start, stop)
    ]
    # Imported here: reading and merging of files must not wait for numba.
    kernel = import_sheltered("anb_onnx.sweep.kernel")
    job = _Job(kernel.Counter(ensemble, grid, cut.n_fixed), done, cut, wanted, len(left))
    job.progress, job.checkpoint = progress, checkpoint
    count = min(resolve_threads(threads), max(1, len(left)))
    pool = WorkerPool(count)
    try:
        pool.run(job.work, left, count)
    finally:
        pool.close()
        job.save()
    return job.result()


def wanted_shards(cut: Shards, shards: range | None) -> range:
    """Return the shards to do, once they are there and not too many."""
    wanted = range(cut.count) if shards is None else shards
    if wanted.step != 1 or not 0 <= wanted.start < wanted.stop <= cut.count:
        msg = (
            f"shards {wanted.start}:{wanted.stop} are not a range of those of search space "
            f"{cut.space.name!r}, 0:{cut.count}"
        )
        raise SweepError(msg)
    total = len(wanted) * cut.size if len(wanted) < 2**62 else cut.space.size
    if total > MOST:
        years = total / TYPICAL_RATE / (365.25 * 86400)
        msg = (
            f"{total} architectures of search space {cut.space.name!r} would take some "
            f"{years:.3g} years of a core; {MOST} at most can be swept: give a range with --shards "
            f"(a shard has {cut.size}), of the {cut.count} shards"
        )
        raise SweepError(msg)
    return wanted


class _Job:
    """Shards on their way. Whatever interrupts it, `done` is a sum of whole shards."""

    progress: Callable[[Progress], object] | None = None
    checkpoint: Path | None = None

    def __init__(
        self, counter: Counter, done: Partial, cut: Shards, wanted: range, left: int
    ) -> None:
        self._counter, self._cut = counter, cut
        self._state: tuple[Partial, list[Partial]] = (done, [])
        self._lock = threading.Lock()
        self._prefixes = counter.layout.n_prefixes // cut.count
        self._step = max(1, _CALL // (counter.layout.inner * counter.n_members))
        self._stopped = False
        self._total = len(wanted) * cut.size
        self._resumed = (len(wanted) - left) * cut.size
        counter.count(0, 0)  # compiles
        self._began = self._saved = time.monotonic()
        self._counted = 0

    def work(self, shard: int) -> None:
        """Count a shard, on any thread; nothing, once another thread was interrupted."""
        try:
            counts = self._count(shard)
        except BaseException:
            self._stopped = True
            raise
        if counts is None:
            return
        part = self._partial(shard, counts)
        with self._lock:
            self._state[1].append(part)
            self._counted += 1
            now = time.monotonic()
            if len(self._state[1]) >= _FOLD:
                self._fold()
            if now - self._saved >= CHECKPOINT_SECONDS:
                self._saved = now
                self._write()
            if self.progress is not None:
                done = self._counted * self._cut.size
                self.progress(Progress(done, self._resumed, self._total, now - self._began))

    def _count(self, shard: int) -> Counts | None:
        first = shard * self._prefixes
        found: Counts | None = None
        for start in range(first, first + self._prefixes, self._step):
            if self._stopped:
                return None
            stop = min(start + self._step, first + self._prefixes)
            counts = self._counter.count(start, stop)
            found = counts if found is None else found + counts
        return found

    def save(self) -> None:
        """Write the checkpoint, if there is one."""
        with self._lock:
            self._write()

    def result(self) -> Partial:
        """Return all that was counted."""
        with self._lock:
            return self._fold()

    def _fold(self) -> Partial:
        done, new = self._state
        if new:
            done = join([done, *new])
            self._state = (done, [])
        return done

    def _write(self) -> None:
        if self.checkpoint is not None:
            write_partial(self.checkpoint, self._fold())

    def _partial(self, shard: int, counts: Counts) -> Partial:
        done = self._state[0]
        own = np.frombuffer(digest(counts.bins), dtype=np.uint8).reshape(1, DIGEST)
        return Partial(
            done.subject, done.grid, ((shard, shard + 1),), counts.bins, counts.below,
            counts.above, own, counts.exact,
        )  # fmt: skip
