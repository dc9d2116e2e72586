"""A file that holds what a sweep has counted: one line of JSON, then arrays.

The same counts give the same bytes. Layout: the header as one line of ASCII JSON with sorted keys,
a line feed, the counts as little-endian int64 [n_bins], the digests of the shards as bytes
[shards, 8]. Nothing follows.
"""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import asdict
from typing import Any, NoReturn

import numpy as np

from anb_onnx._io import strict_json
from anb_onnx._io.files import read_regular
from anb_onnx._io.output import write_output
from anb_onnx._io.show import is_name, show
from anb_onnx.sweep.grid import Grid, SweepError
from anb_onnx.sweep.partial import DIGEST, Partial, Subject

FORMAT = "anb-onnx sweep"
VERSION = 1

#: Most bytes of a file: two million shards, and as many bins as a grid may have.
MOST_BYTES = 64 * 2**20
_MOST_HEADER = 2**25


def partial_bytes(partial: Partial) -> bytes:
    """Return the content of a partial's file."""
    grid = partial.grid
    counts = np.ascontiguousarray(partial.counts, dtype="<i8").tobytes()
    arrays = counts + np.ascontiguousarray(partial.digests).tobytes()
    header = {
        "format": FORMAT,
        "version": VERSION,
        **asdict(partial.subject),
        "grid": {
            "low": grid.low,
            "high": grid.high,
            "bins": grid.bins,
            "landmarks": list(grid.landmarks),
        },
        "shards": [list(part) for part in partial.shards],
        "below": partial.below,
        "above": partial.above,
        "exact": partial.exact,
        "arrays_sha256": hashlib.sha256(arrays).hexdigest(),
    }
    return json.dumps(header, sort_keys=True).encode("ascii") + b"\n" + arrays


def write_partial(path: str | os.PathLike[str], partial: Partial) -> None:
    """Write a partial's file, whole or not at all.

    Raises
    ------
    OutputError
        If it cannot be written.
    """
    write_output(path, partial_bytes(partial))


def read_partial(path: str | os.PathLike[str]) -> Partial:
    """Read what `write_partial` wrote.

    Raises
    ------
    FileError
        If it cannot be read.
    SweepError
        If it is no such file, damaged, or contradicts itself.
    """
    return partial_of(read_regular(path, MOST_BYTES), str(path))


def partial_of(content: bytes, source: str) -> Partial:
    """Return the partial of a file's content; `source` names it in errors.

    Raises
    ------
    SweepError
        If it is no such file, damaged, or contradicts itself.
    """
    reader = _Reader(source)
    head, newline, arrays = content[:_MOST_HEADER].partition(b"\n")
    if not newline:
        reader.refuse("it does not begin with a line of JSON")
    arrays = content[len(head) + 1 :]
    try:
        header = strict_json.loads(head)
    except strict_json.JsonError as error:
        reader.refuse(f"it does not begin with a line of JSON: {error}")
    if not isinstance(header, dict) or header.get("format") != FORMAT:
        reader.refuse(f"its header has no format {FORMAT!r}")
    if header.get("version") != VERSION:
        reader.refuse(
            f"key 'version' is {show(header.get('version'))}; this anb-onnx reads {VERSION}"
        )
    return reader.partial(header, arrays)


class _Reader:
    """Takes a header apart; every error names the file and the key."""

    def __init__(self, source: str) -> None:
        self._source = source

    def refuse(self, reason: str) -> NoReturn:
        msg = f"{self._source}: not a file of anb-onnx sweep: {reason}"
        raise SweepError(msg)

    def partial(self, header: dict[str, Any], arrays: bytes) -> Partial:
        expected = {
            "format", "version", "sha256", "target", "unit", "space", "size", "shard_size", "grid",
            "shards", "below", "above", "exact", "arrays_sha256",
        }  # fmt: skip
        if header.keys() != expected:
            keys = sorted(map(show, header.keys() ^ expected))
            self.refuse(f"keys are missing or unknown: {', '.join(keys[:8])}")
        subject, grid = self._subject(header), self._grid(header["grid"])
        shards = self._shards(header["shards"], subject)
        n_shards = sum(stop - start for start, stop in shards)
        length = 8 * grid.n_bins + DIGEST * n_shards
        if len(arrays) != length:
            self.refuse(f"its arrays have {len(arrays)} bytes, not {length}")
        if hashlib.sha256(arrays).hexdigest() != header["arrays_sha256"]:
            self.refuse("its arrays are damaged: another SHA-256 than key 'arrays_sha256' states")
        counts = np.frombuffer(arrays, "<i8", grid.n_bins).astype(np.int64)
        digests = np.frombuffer(arrays, np.uint8, offset=8 * grid.n_bins).reshape(-1, DIGEST)
        most = n_shards * subject.shard_size
        below, above, exact = (
            self._integer(header, key, 0, most) for key in ("below", "above", "exact")
        )
        partial = Partial(subject, grid, shards, counts, below, above, digests.copy(), exact)
        if (counts < 0).any() or partial.total != most:
            self.refuse(
                f"its counts add up to {partial.total}, its {n_shards} shards have {most} "
                "architectures"
            )
        return partial

    def _integer(self, header: dict[str, Any], key: str, least: int, most: int) -> int:
        value = header[key]
        if type(value) is not int or not least <= value <= most:
            self.refuse(f"key {key!r} must be a number from {least} to {most}, not {show(value)}")
        return value

    def _subject(self, header: dict[str, Any]) -> Subject:
        texts: list[str] = []
        for key in ("sha256", "target", "unit", "space"):
            value = header[key]
            if not (is_name(value) or (value == "" and key in ("target", "unit"))):
                self.refuse(f"key {key!r} must be a string, not {show(value)}")
            texts.append(value)
        if len(texts[0]) != 64 or not set(texts[0]) <= set("0123456789abcdef"):
            self.refuse(f"key 'sha256' must have 64 hexadecimal digits, not {show(texts[0])}")
        size = self._integer(header, "size", 1, 10**400)
        shard_size = self._integer(header, "shard_size", 1, min(size, 2**40))
        if size % shard_size:
            self.refuse(f"'size' {show(size)} is no multiple of 'shard_size' {shard_size}")
        sha256, target, unit, space = texts
        return Subject(sha256, target, unit, space, size, shard_size)

    def _grid(self, entry: Any) -> Grid:
        if not isinstance(entry, dict) or entry.keys() != {"low", "high", "bins", "landmarks"}:
            self.refuse(f"key 'grid' must have low, high, bins and landmarks, not {show(entry)}")
        if not isinstance(entry["landmarks"], list):
            self.refuse(f"key 'grid.landmarks' must be a list, not {show(entry['landmarks'])}")
        try:
            marks = tuple(entry["landmarks"])
            return Grid(entry["low"], entry["high"], entry["bins"], marks)
        except SweepError as error:
            self.refuse(f"key 'grid': {error}")

    def _shards(self, entry: Any, subject: Subject) -> tuple[tuple[int, int], ...]:
        found, at = [], -1
        if not isinstance(entry, list):
            self.refuse(f"key 'shards' must be a list of [start, stop], not {show(entry)}")
        for part in entry:
            if not (
                isinstance(part, list)
                and len(part) == 2
                and all(type(number) is int for number in part)
                and at < part[0] < part[1] <= subject.n_shards
            ):
                self.refuse(
                    f"key 'shards' must be ascending [start, stop] of 0 to {subject.n_shards}, "
                    f"apart from each other; found {show(part)}"
                )
            at = part[1]
            found.append((part[0], part[1]))
        return tuple(found)
