"""Files of counts: the same bytes again, and nothing believed that does not add up."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from anb_onnx.sweep import Grid, Partial, Subject, SweepError, read_partial, write_partial
from anb_onnx.sweep.files import partial_bytes, partial_of


def sample() -> Partial:
    """Return the counts of 3 of 5 shards of 10 architectures."""
    grid = Grid(0.5, 2.5, 4, (1.25,))
    counts = np.array([3, 4, 5, 6, 7, 2], dtype=np.int64)[: grid.n_bins]
    digests = np.arange(24, dtype=np.uint8).reshape(3, 8)
    subject = Subject("ab" * 32, "latency_x", "ms", "toy", 50, 10)
    below = 30 - 1 - int(counts.sum())
    return Partial(subject, grid, ((0, 1), (3, 5)), counts, below, 1, digests, 4)


def test_what_is_written_is_read(tmp_path: Path) -> None:
    part = sample()
    path = tmp_path / "counts"
    write_partial(path, part)
    found = read_partial(path)
    assert (found.subject, found.grid, found.shards) == (part.subject, part.grid, part.shards)
    assert (found.below, found.above, found.exact) == (part.below, part.above, part.exact)
    assert found.counts.tolist() == part.counts.tolist()
    assert found.digests.tolist() == part.digests.tolist()
    assert partial_bytes(found) == path.read_bytes()


def test_the_layout_is_the_one_of_the_page() -> None:
    part = sample()
    head, _, arrays = partial_bytes(part).partition(b"\n")
    header = json.loads(head)
    assert list(header) == sorted(header)
    assert header["grid"] == {"low": 0.5, "high": 2.5, "bins": 4, "landmarks": [1.25]}
    assert header["shards"] == [[0, 1], [3, 5]]
    assert header["arrays_sha256"] == hashlib.sha256(arrays).hexdigest()
    n = part.grid.n_bins
    assert np.frombuffer(arrays, "<i8", n).tolist() == part.counts.tolist()
    assert arrays[8 * n :] == bytes(range(24))


Edit = Callable[[dict[str, Any]], Any]


def edited(edit: Edit, arrays: Callable[[bytes], bytes] = bytes) -> bytes:
    """Return the sample's file with another header, its digest made right again."""
    head, _, rest = partial_bytes(sample()).partition(b"\n")
    header = json.loads(head)
    rest = arrays(rest)
    header["arrays_sha256"] = hashlib.sha256(rest).hexdigest()
    edit(header)
    return json.dumps(header).encode() + b"\n" + rest


def nothing(_: dict[str, Any]) -> None:
    pass


EDITS: dict[str, tuple[Edit, str]] = {
    "another format": (lambda h: h.update(format="x"), "no format"),
    "a later version": (lambda h: h.update(version=2), "'version' is 2"),
    "a key less": (lambda h: h.pop("exact"), "missing or unknown: 'exact'"),
    "a key more": (lambda h: h.update(more=1), "missing or unknown: 'more'"),
    "a digest": (lambda h: h.update(arrays_sha256="00"), "damaged"),
    "no sha256": (lambda h: h.update(sha256="AB" * 32), "64 hexadecimal digits"),
    "no target": (lambda h: h.update(target=None), "'target' must be a string"),
    "a name for terminals": (lambda h: h.update(target="\x1b[2J"), "'target' must be a string"),
    "no size": (lambda h: h.update(size=True), "'size'"),
    "no multiple": (lambda h: h.update(size=51), "no multiple"),
    "shards of nothing": (lambda h: h.update(shard_size=0), "'shard_size'"),
    "large shards": (lambda h: h.update(shard_size=51), "'shard_size'"),
    "a float": (lambda h: h.update(below=2.0), "'below'"),
    "fewer than none": (lambda h: h.update(above=-1), "'above'"),
    "another sum": (lambda h: h.update(above=2), "add up to"),
    "no grid": (lambda h: h.update(grid=[1]), "'grid'"),
    "a grid of no bins": (lambda h: h["grid"].update(bins=0), "'grid': bins"),
    "a grid of many bins": (lambda h: h["grid"].update(bins=10**30), "'grid': bins"),
    "more bins": (lambda h: h["grid"].update(bins=5), "arrays have"),
    "no float32": (lambda h: h["grid"].update(low=0.1), "'grid': low"),
    "a whole number": (lambda h: h["grid"].update(low=0), "'grid': low"),
    "landmarks": (lambda h: h["grid"].update(landmarks=None), "landmarks' must be a list"),
    "a landmark outside": (lambda h: h["grid"].update(landmarks=[3.0]), "landmark 3.0 is outside"),
    "no landmark": (lambda h: h["grid"].update(landmarks=[[1]]), "landmark"),
    "no shards": (lambda h: h.update(shards={}), "'shards' must be a list"),
    "a shard that is none": (lambda h: h.update(shards=[[0, 1], [3, 6]]), "'shards'"),
    "a range that is none": (lambda h: h.update(shards=[[0, 0], [3, 5]]), "'shards'"),
    "ranges that touch": (lambda h: h.update(shards=[[0, 1], [1, 3]]), "'shards'"),
    "ranges that fall": (lambda h: h.update(shards=[[3, 5], [0, 1]]), "'shards'"),
    "many shards": (
        lambda h: h.update(shards=[[0, 10**15]], size=10**16, shard_size=10),
        "arrays have",
    ),
}


@pytest.mark.parametrize("name", EDITS)
def test_a_header_that_says_something_else_is_refused(name: str) -> None:
    edit, message = EDITS[name]
    assert partial_of(edited(nothing), "f").total == 30
    with pytest.raises(SweepError, match="f: not a file of anb-onnx sweep: ") as caught:
        partial_of(edited(edit), "f")
    assert message in str(caught.value)


def test_counts_below_zero_are_refused() -> None:
    def swap(arrays: bytes) -> bytes:
        counts = np.frombuffer(arrays, "<i8", 2).copy()
        counts += [-10, 10]
        return counts.tobytes() + arrays[16:]

    with pytest.raises(SweepError, match="add up to 30"):
        partial_of(edited(nothing, swap), "f")


@pytest.mark.parametrize(
    "content", [b"", b"\n", b"[]\n", b"{}", b"\xff\n", b"{1}\n", b"PK\x03\x04"]
)
def test_what_is_no_such_file_is_refused(content: bytes) -> None:
    with pytest.raises(SweepError, match="not a file of anb-onnx sweep"):
        partial_of(content, "f")


@given(st.data())
def test_a_changed_or_missing_byte_is_never_passed_over(data: st.DataObject) -> None:
    content = bytearray(partial_bytes(sample()))
    place = data.draw(st.integers(0, len(content) - 1))
    if data.draw(st.booleans()):
        del content[place:]
    else:
        content[place] ^= data.draw(st.integers(1, 255))
    try:
        found = partial_of(bytes(content), "f")
    except SweepError:
        return
    # What was read says something else of whose counts these are, never other counts.
    assert found.counts.tolist() == sample().counts.tolist()
    assert found.digests.tolist() == sample().digests.tolist()
