"""What a sweep of some shards has counted, and how such parts are put together."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from anb_onnx.sweep.grid import Grid, SweepError

#: Bytes of a shard's digest.
DIGEST = 8


@dataclass(frozen=True)
class Subject:
    """What is swept, and how it is cut: parts of one sweep have the same.

    Attributes
    ----------
    sha256 : str
        Of the artifact, 64 hexadecimal digits; or of the tables themselves, see `fingerprint`.
    target : str
        Its name, and its unit; empty where there is none.
    unit : str
    space : str
        Name of the search space.
    size : int
        Number of its architectures.
    shard_size : int
        Number of architectures of a shard.
    """

    sha256: str
    target: str
    unit: str
    space: str
    size: int
    shard_size: int

    @property
    def n_shards(self) -> int:
        """Number of shards of the whole space."""
        return self.size // self.shard_size


@dataclass(frozen=True, eq=False)
class Histogram:
    """How many architectures of the whole space are in each bin, exactly.

    Attributes
    ----------
    grid : Grid
    counts : ndarray of int64, shape (grid.n_bins,)
    below, above : int
        Architectures outside the grid.
    """

    grid: Grid
    counts: NDArray[np.int64]
    below: int
    above: int

    @property
    def total(self) -> int:
        """Number of all architectures."""
        return self.below + int(self.counts.sum()) + self.above


@dataclass(frozen=True, eq=False)
class Partial:
    """Counts of some shards, exactly, with a digest of each so that any can be done again.

    Attributes
    ----------
    subject : Subject
    grid : Grid
    shards : tuple of (int, int)
        Ranges [start, stop) of shards; ascending, apart from each other.
    counts : ndarray of int64, shape (grid.n_bins,)
        Sum over the shards.
    below, above : int
        Architectures outside the grid.
    digests : ndarray of uint8, shape (number of shards, 8)
        In the order of the shards; see `digest`.
    exact : int
        Architectures that were evaluated in the contract's float64. It tells nothing of the
        result, which is exact in any case.
    """

    subject: Subject
    grid: Grid
    shards: tuple[tuple[int, int], ...]
    counts: NDArray[np.int64]
    below: int
    above: int
    digests: NDArray[np.uint8]
    exact: int

    @classmethod
    def empty(cls, subject: Subject, grid: Grid) -> Partial:
        """Return the counts of no shard."""
        counts = np.zeros(grid.n_bins, dtype=np.int64)
        return cls(subject, grid, (), counts, 0, 0, np.zeros((0, DIGEST), np.uint8), 0)

    @property
    def n_shards(self) -> int:
        """Number of shards counted."""
        return sum(stop - start for start, stop in self.shards)

    @property
    def total(self) -> int:
        """Number of architectures counted."""
        return self.below + int(self.counts.sum()) + self.above

    @cached_property
    def numbers(self) -> list[int]:
        """Numbers of the shards counted, ascending."""
        return [number for start, stop in self.shards for number in range(start, stop)]

    @property
    def missing(self) -> tuple[tuple[int, int], ...]:
        """Ranges of the shards of the space that are not counted."""
        return missing(self.shards, 0, self.subject.n_shards)

    def digest_of(self, shard: int) -> bytes:
        """Return the digest of a shard that was counted.

        Raises
        ------
        SweepError
            If it was not.
        """
        before = 0
        for start, stop in self.shards:
            if start <= shard < stop:
                return bytes(self.digests[before + shard - start])
            before += stop - start
        msg = f"shard {shard} is not among those counted, {words(self.shards)}"
        raise SweepError(msg)

    def histogram(self) -> Histogram:
        """Return the histogram of the whole space.

        Raises
        ------
        SweepError
            If shards are missing; names them.
        """
        if self.missing:
            msg = (
                f"the sweep is not complete: of {self.subject.n_shards} shards, "
                f"{words(self.missing)} are missing; sweep them with --shards and merge again"
            )
            raise SweepError(msg)
        return Histogram(self.grid, self.counts, self.below, self.above)


def digest(counts: NDArray[np.int64]) -> bytes:
    """Return the first 8 bytes of the SHA-256 of a shard's counts, little-endian int64."""
    return hashlib.sha256(np.ascontiguousarray(counts, dtype="<i8").tobytes()).digest()[:DIGEST]


def join(partials: Sequence[Partial], names: Sequence[str] = ()) -> Partial:
    """Return the sum of parts of one sweep that share no shard; `names` are theirs, for errors.

    Raises
    ------
    SweepError
        If there is none, they are of different artifacts or grids, or a shard is in two of them.
    """
    if not partials:
        msg = "there is nothing to merge"
        raise SweepError(msg)
    first = partials[0]
    names = names or [f"part {number}" for number in range(len(partials))]
    for name, other in zip(names[1:], partials[1:], strict=True):
        check_same(first, other, (names[0], name))
    numbers = np.concatenate([np.array(part.numbers, dtype=np.int64) for part in partials])
    order = np.argsort(numbers, kind="stable")
    numbers = numbers[order]
    twice = sorted(set(numbers[1:][numbers[1:] == numbers[:-1]].tolist()))
    if twice:
        whose = [n for n, part in zip(names, partials, strict=True) if _has(part, twice[0])]
        msg = f"{words(ranges(twice))} would be counted twice: {' and '.join(whose)} have them"
        raise SweepError(msg)
    return replace(
        first,
        shards=ranges(numbers.tolist()),
        counts=np.sum([part.counts for part in partials], axis=0, dtype=np.int64),
        below=sum(part.below for part in partials),
        above=sum(part.above for part in partials),
        digests=np.concatenate([part.digests for part in partials])[order],
        exact=sum(part.exact for part in partials),
    )


def merge(partials: Sequence[Partial]) -> Histogram:
    """Return the histogram of the whole space from parts that together are it, once.

    Raises
    ------
    SweepError
        If they are of different artifacts or grids, if shards are missing or in two of them, or if
        the counts do not add up to the size of the space.
    """
    histogram = join(partials).histogram()
    size = partials[0].subject.size
    if histogram.total != size:
        msg = f"the counts add up to {histogram.total}; the space has {size} architectures"
        raise SweepError(msg)
    return histogram


def _has(part: Partial, shard: int) -> bool:
    return any(start <= shard < stop for start, stop in part.shards)


def check_same(a: Partial, b: Partial, names: tuple[str, str]) -> None:
    """Refuse parts of different sweeps.

    Raises
    ------
    SweepError
        Naming what differs.
    """
    for ours, theirs in ((a.subject, b.subject), (a.grid, b.grid)):
        # Of another target everything else differs, too.
        for field in sorted(fields(ours), key=lambda field: field.name != "target"):
            x, y = getattr(ours, field.name), getattr(theirs, field.name)
            if x != y:
                what = "grid: " if ours is a.grid else ""
                msg = f"{names[0]} has {what}{field.name} {x!r}, {names[1]} {y!r}"
                raise SweepError(msg)


def ranges(numbers: Iterable[int]) -> tuple[tuple[int, int], ...]:
    """Return ascending numbers as ranges [start, stop)."""
    found: list[tuple[int, int]] = []
    for number in numbers:
        if found and found[-1][1] == number:
            found[-1] = (found[-1][0], number + 1)
        else:
            found.append((number, number + 1))
    return tuple(found)


def missing(
    shards: Iterable[tuple[int, int]], start: int, stop: int
) -> tuple[tuple[int, int], ...]:
    """Return what of the range from `start` to before `stop` is in none of some ranges."""
    found, at = [], start
    for begin, end in shards:
        if at < min(begin, stop):
            found.append((at, min(begin, stop)))
        at = max(at, end)
    if at < stop:
        found.append((at, stop))
    return tuple(found)


def words(shards: Sequence[tuple[int, int]]) -> str:
    """Return ranges of shards for messages, as `--shards` takes them."""
    some = ", ".join(f"{start}:{stop}" for start, stop in shards[:8])
    return f"shards {some}{', ...' if len(shards) > 8 else ''}" if shards else "no shards"
