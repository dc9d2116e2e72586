"""The sweep on clusters whose workers and clients are killed: count for count the plain one."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from clusters import Deadly, dask
from small_artifact import write_catalog
from tools import need_tool

import anb_onnx
from anb_onnx.cli.main import main
from anb_onnx.scale_out import Local, open_backend, sweep
from anb_onnx.surrogate import Surrogate
from anb_onnx.sweep import Grid, Partial, Progress, Shards, SweepError, merge, read_partial
from anb_onnx.sweep import sweep as plain_sweep
from anb_onnx.sweep.files import partial_bytes

CONFORMANCE = Path(__file__).parent / "conformance"
BENCHMARK, TARGET = "nasbench201-pairs", "accuracy"
MOST = 300  # of the 15,625 architectures, 125 in each of 125 shards


def load() -> Surrogate:
    return anb_onnx.load(TARGET, benchmark=BENCHMARK, path=CONFORMANCE)


def grid() -> Grid:
    ensemble = load()._ensemble
    assert ensemble is not None
    assert ensemble.bounds is not None
    low, high = (float(np.float32(bound)) for bound in ensemble.bounds)
    return Grid(low, high, 500)


@pytest.fixture(scope="module")
def surrogate() -> Iterator[Surrogate]:
    with load() as surrogate:
        yield surrogate


@pytest.fixture(scope="module")
def cut(surrogate: Surrogate) -> Shards:
    cut = Shards(surrogate.space, MOST)
    assert cut.count == 125
    return cut


@pytest.fixture(scope="module")
def plain(surrogate: Surrogate, cut: Shards) -> Partial:
    """What a sweep without a cluster counts."""
    ensemble, target = surrogate._ensemble, surrogate.target
    assert ensemble is not None
    sha256 = surrogate.metadata["sha256"]
    return plain_sweep(
        ensemble, grid(), sha256=sha256, target=target.name, unit=target.unit, cut=cut
    )


@pytest.fixture(scope="module")
def client() -> Iterator[Any]:
    with dask() as client:
        yield client


def assert_same(found: Partial, expected: Partial) -> None:
    assert partial_bytes(found) == partial_bytes(expected)
    histogram = merge([found])  # proves that no shard is missing, and none there twice
    assert histogram.total == expected.subject.size == 15_625


@pytest.mark.parametrize("chunk", [1, 7, 200, None])
def test_in_this_process(
    surrogate: Surrogate, cut: Shards, plain: Partial, chunk: int | None
) -> None:
    seen: list[Progress] = []
    found = sweep(surrogate, grid(), cut=cut, chunk=chunk, progress=seen.append)
    assert_same(found, plain)
    assert len(seen) == -(-125 // (chunk or 8))
    assert (seen[-1].done, seen[-1].resumed, seen[-1].total) == (15_625, 0, 15_625)


@pytest.mark.parametrize("when", ["before", "after"])
def test_dask_with_a_worker_that_dies_at_its_work(
    client: Any, surrogate: Surrogate, cut: Shards, plain: Partial, tmp_path: Path, when: str
) -> None:
    from anb_onnx.scale_out.dask_backend import Dask

    backend = Deadly(Dask(client), tmp_path / "mark", when, "shards 35:40")
    found = sweep(surrogate, grid(), cut=cut, backend=backend, chunk=5)
    assert (tmp_path / "mark").exists()
    assert_same(found, plain)


def test_dask_with_a_worker_killed_from_outside(
    client: Any, surrogate: Surrogate, cut: Shards, plain: Partial
) -> None:
    victim = next(iter(client.run(os.getpid, on_error="ignore").values()))
    done = []

    def kill(progress: Any) -> None:
        done.append(progress.done)
        if len(done) == 3:
            os.kill(victim, signal.SIGKILL)

    found = sweep(surrogate, grid(), cut=cut, backend=client, progress=kill, chunk=2)
    assert_same(found, plain)
    assert done == sorted({*done})  # nothing was counted twice
    assert len(done) == 63
    assert victim not in client.run(os.getpid, on_error="ignore").values()


KILLED = """
import os, signal, sys
sys.path.insert(0, sys.argv[1])
from anb_onnx.scale_out import open_backend, sweep, sweeping
from anb_onnx.sweep import Shards
from test_scale_out_sweep import MOST, grid, load

def die(progress):
    if progress.done >= 1000:
        os.kill(os.getpid(), signal.SIGKILL)

if __name__ == "__main__":
    sweeping.CHECKPOINT_SECONDS = 0
    with load() as surrogate, open_backend("dask", workers=2) as backend:
        cut = Shards(surrogate.space, MOST)
        sweep(surrogate, grid(), cut=cut, backend=backend, checkpoint=sys.argv[2], progress=die,
              chunk=4)
"""


def test_a_killed_client_goes_on(
    surrogate: Surrogate, cut: Shards, plain: Partial, tmp_path: Path
) -> None:
    pytest.importorskip("distributed", reason="the dask extra is not installed")
    script, file = tmp_path / "run.py", tmp_path / "counts"
    script.write_text(KILLED)
    command = [sys.executable, str(script), str(Path(__file__).parent), str(file)]
    run = subprocess.run(command, stderr=subprocess.PIPE, check=False)
    assert run.returncode == -signal.SIGKILL, run.stderr
    before = read_partial(file)
    assert before.n_shards == 8  # two chunks, of which each was 4 shards
    content = file.read_bytes()
    seen: list[Progress] = []
    found = sweep(surrogate, grid(), cut=cut, checkpoint=file, progress=seen.append)
    assert_same(found, plain)
    assert (seen[-1].resumed, seen[-1].done) == (1_000, 14_625)
    assert_same(read_partial(file), plain)
    # A sweep without a cluster goes on from the same file.
    file.write_bytes(content)
    ensemble, target = surrogate._ensemble, surrogate.target
    assert ensemble is not None
    again = plain_sweep(
        ensemble, grid(), checkpoint=file, sha256=surrogate.metadata["sha256"],
        target=target.name, unit=target.unit, cut=cut,
    )  # fmt: skip
    assert_same(again, plain)


def test_what_interrupts_a_sweep_loses_nothing(
    surrogate: Surrogate, cut: Shards, plain: Partial, tmp_path: Path
) -> None:
    file = tmp_path / "counts"

    def interrupt(progress: Any) -> None:
        if progress.done == 5 * 125:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        sweep(surrogate, grid(), cut=cut, checkpoint=file, progress=interrupt, chunk=1)
    assert read_partial(file).shards == ((0, 5),)
    part = sweep(surrogate, grid(), range(3, 9), cut=cut, checkpoint=file, chunk=1)
    assert part.shards == ((0, 9),)
    assert_same(sweep(surrogate, grid(), cut=cut, checkpoint=file), plain)


def test_parts_that_come_twice_or_of_other_artifacts(
    surrogate: Surrogate, cut: Shards, tmp_path: Path
) -> None:
    class Twice(Local):
        def map_unordered(self, function: Any, items: Iterable[Any]) -> Iterator[tuple[Any, Any]]:
            for found in super().map_unordered(function, items):
                yield found
                yield found

    with pytest.raises(SweepError, match="shards 0:2 would be counted twice"):
        sweep(surrogate, grid(), range(2), cut=cut, backend=Twice(), chunk=2)
    file = tmp_path / "counts"
    sweep(surrogate, grid(), range(2), cut=cut, checkpoint=file)
    other = Grid(0.0, 100.0, 500)
    with pytest.raises(SweepError, match=r"the file .*counts has grid: low .*, this sweep 0\.0"):
        sweep(surrogate, other, cut=cut, checkpoint=file)
    with pytest.raises(SweepError, match=r"shards 120:126 are not a range of those"):
        sweep(surrogate, other, range(120, 126), cut=cut)
    with pytest.raises(SweepError, match="chunk is an integer >= 1, not 0"):
        sweep(surrogate, other, cut=cut, chunk=0)


def test_command(client: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["sweep", TARGET, "--benchmark", BENCHMARK, "--artifacts", str(CONFORMANCE)]
    command += ["--low", "0", "--high", "100", "--bins", "500"]  # or their proofs take long
    here, there = tmp_path / "here", tmp_path / "there"
    assert main([*command, "--out", str(here)]) == 0
    printed, _ = capsys.readouterr()
    cluster = ["--backend", "dask", "--scheduler", client.scheduler.address, "--progress"]
    assert main([*command, "--out", str(there), *cluster]) == 0
    assert there.read_bytes() == here.read_bytes()
    printed_there, progress = capsys.readouterr()
    assert printed_there == printed
    assert progress == "15,625 of 15,625 architectures, 100 %\n"
    assert main([*command, "--out", str(here), "--workers", "2"]) == 2
    _, error = capsys.readouterr()
    assert error.startswith("anb-onnx: error: the local backend is this process alone")


def test_an_artifact_without_tables(tmp_path: Path) -> None:
    with (
        anb_onnx.load("accuracy", path=write_catalog(tmp_path)) as trees,
        pytest.raises(SweepError, match="artifact in table form; that of 'accuracy' is not"),
    ):
        sweep(trees, Grid(0.0, 100.0, 10))


def test_ray_counts_the_same_though_a_worker_dies(
    surrogate: Surrogate, cut: Shards, plain: Partial, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    need_tool("ray")
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parent))  # its workers need `clusters`
    with open_backend("ray", workers=2) as ray:
        backend = Deadly(ray, tmp_path / "mark", "after", "shards 25:50")
        assert_same(sweep(surrogate, grid(), cut=cut, backend=backend, chunk=25), plain)
    assert (tmp_path / "mark").exists()
