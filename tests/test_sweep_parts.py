"""Sweeps in parts: threads, shards, merging, and what a killed or interrupted one leaves."""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from sweep_cases import SMALL, brute, ensemble_of, space_of, symbols_of, tables

from anb_onnx import Link, Terms
from anb_onnx.sweep import (
    Grid,
    Partial,
    Progress,
    Shards,
    SweepError,
    default_range,
    fingerprint,
    join,
    merge,
    sweep,
)
from anb_onnx.sweep.partial import digest
from anb_onnx.tables import TableEnsemble


def test_threads_and_parts_give_the_same_counts_and_digests() -> None:
    ensemble = tables("latency_zcu102")
    grid = Grid(*default_range(ensemble), 500)
    whole = sweep(ensemble, grid, range(5, 25), 1, cut=SMALL)
    shared = sweep(ensemble, grid, range(5, 25), 2, cut=SMALL)
    parts = [sweep(ensemble, grid, range(a, a + 10), 2, cut=SMALL) for a in (15, 5)]
    for other in (shared, join(parts)):
        assert other.shards == whole.shards == ((5, 25),)
        assert other.counts.tolist() == whole.counts.tolist()
        assert other.digests.tolist() == whole.digests.tolist()
        assert other.exact == whole.exact
    again = sweep(ensemble, grid, range(19, 20), cut=SMALL)
    expected = hashlib.sha256(again.counts.astype("<i8").tobytes()).digest()[:8]
    assert digest(again.counts) == whole.digest_of(19) == again.digest_of(19) == expected
    with pytest.raises(SweepError, match=r"shard 4 is not among those counted, shards 5:25"):
        whole.digest_of(4)


def test_shards_in_many_calls_are_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    ensemble = tables("latency_zcu102")
    grid = Grid(*default_range(ensemble), 500)
    whole = sweep(ensemble, grid, range(5, 7), cut=SMALL)
    monkeypatch.setattr("anb_onnx.sweep.run._CALL", 1)
    parts = sweep(ensemble, grid, range(5, 7), 2, cut=SMALL)
    assert parts.counts.tolist() == whole.counts.tolist()
    assert parts.digests.tolist() == whole.digests.tolist()
    assert (parts.total, parts.exact) == (whole.total, whole.exact)


def test_progress_tells_all_that_is_done() -> None:
    ensemble = tables("macs")
    grid = Grid(*default_range(ensemble), 50)
    seen: list[Progress] = []
    sweep(ensemble, grid, range(4), 2, seen.append, cut=SMALL)
    assert [p.done for p in seen] == [SMALL.size * n for n in (1, 2, 3, 4)]
    assert {p.total for p in seen} == {4 * SMALL.size}
    assert seen[-1].left == 0.0
    assert seen[0].rate > 0


@pytest.mark.parametrize("shards", [range(2, 2), range(0, 4, 2), range(-1, 2), range(0, 1297)])
def test_shards_that_are_none_are_refused(shards: range) -> None:
    ensemble = tables("macs")
    with pytest.raises(SweepError, match="0:1296"):
        sweep(ensemble, Grid(*default_range(ensemble), 50), shards)


def parts() -> tuple[TableEnsemble, list[Partial]]:
    ensemble = ensemble_of(Terms.of_order(space_of(4, 5, 6), 2), 3, Link("-1"))
    cut = Shards(ensemble.space, 30)
    grid = Grid(*default_range(ensemble), 20)
    some = [sweep(ensemble, grid, range(a, a + 1), cut=cut) for a in range(4)]
    return ensemble, some


def test_merge_proves_that_nothing_is_missing_nor_twice() -> None:
    ensemble, some = parts()
    mean = ensemble.predict(symbols_of(ensemble.space))[0]
    merged = merge([some[2], some[0], some[3], some[1]])
    assert (merged.counts.tolist(), merged.below, merged.above) == brute(mean, merged.grid)
    assert merged.total == 120
    with pytest.raises(SweepError, match=r"of 4 shards, shards 1:2, 3:4 are missing"):
        merge([some[0], some[2]])
    with pytest.raises(SweepError, match=r"shards 2:3 would be counted twice: part 1 and part 3"):
        merge([some[0], some[2], some[1], some[2], some[3]])
    with pytest.raises(SweepError, match="nothing to merge"):
        merge([])
    # A whole part that lost one count cannot be told by its shards.
    fewer = some[1].counts.copy()
    fewer[np.argmax(fewer)] -= 1
    with pytest.raises(SweepError, match="add up to 119; the space has 120"):
        merge([some[0], replace(some[1], counts=fewer), *some[2:]])


def test_merge_refuses_parts_of_another_sweep() -> None:
    ensemble, some = parts()
    other = replace(ensemble, shift=ensemble.shift * 1.0000001)
    assert fingerprint(other) != fingerprint(ensemble)
    cut = Shards(ensemble.space, 30)
    for foreign, what in (
        (sweep(other, some[0].grid, range(1, 2), cut=cut), "sha256"),
        (sweep(ensemble, replace(some[0].grid, bins=21), range(1, 2), cut=cut), "grid: bins"),
        (sweep(ensemble, some[0].grid, cut=Shards(ensemble.space, 120)), "shard_size"),
        (sweep(ensemble, some[0].grid, range(1, 2), cut=cut, target="t"), "target"),
    ):
        with pytest.raises(SweepError, match=f"part 0 has {what} .*, part 1 "):
            join([some[0], foreign])


_SWEEP = """
import sys
from pathlib import Path
import anb_onnx
from anb_onnx import MNASNET
from anb_onnx.sweep import Grid, Shards, run, sweep
run.CHECKPOINT_SECONDS = 0.0
ensemble = anb_onnx.load("macs", engine="numpy")._ensemble
grid = Grid(*run.default_range(ensemble), 300)
sweep(ensemble, grid, range(3_000), 2, lambda p: print(p.done, flush=True), Path(sys.argv[1]),
      cut=Shards(MNASNET, 36 * 48 * 36))
"""


def test_a_killed_sweep_is_resumed_to_the_same_bytes(tmp_path: Path) -> None:
    path = tmp_path / "counts"
    ensemble = tables("macs")
    grid = Grid(*default_range(ensemble), 300)
    run = subprocess.Popen(
        [sys.executable, "-c", _SWEEP, str(path)], stdout=subprocess.PIPE, text=True
    )
    assert run.stdout is not None
    for _ in range(5):
        assert run.stdout.readline()
    os.kill(run.pid, signal.SIGKILL)
    run.communicate()
    assert run.returncode == -signal.SIGKILL
    before = path.read_bytes()
    seen: list[Progress] = []
    sweep(ensemble, grid, range(3_000), 2, seen.append, path, cut=SMALL)
    assert seen[0].resumed >= 4 * SMALL.size
    assert seen[-1].done + seen[-1].resumed == 3_000 * SMALL.size
    fresh = tmp_path / "fresh"
    sweep(ensemble, grid, range(3_000), 1, checkpoint=fresh, cut=SMALL)
    assert path.read_bytes() == fresh.read_bytes() != before


def test_an_interrupted_sweep_keeps_what_it_has_done(tmp_path: Path) -> None:
    ensemble = tables("macs")
    grid = Grid(*default_range(ensemble), 300)
    path = tmp_path / "counts"

    def stop(progress: Progress) -> None:
        if progress.done == 3 * SMALL.size:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        sweep(ensemble, grid, range(20), 1, stop, path, cut=SMALL)
    seen: list[Progress] = []
    found = sweep(ensemble, grid, range(20), 1, seen.append, path, cut=SMALL)
    assert seen[0].resumed == 3 * SMALL.size
    assert found.counts.tolist() == sweep(ensemble, grid, range(20), cut=SMALL).counts.tolist()
    # A finished one is done at once, and other bins are refused.
    assert sweep(ensemble, grid, range(20), checkpoint=path, cut=SMALL).shards == ((0, 20),)
    with pytest.raises(SweepError, match=r"counts has grid: bins 300, this sweep 301; continue"):
        sweep(ensemble, replace(grid, bins=301), range(20), checkpoint=path, cut=SMALL)
