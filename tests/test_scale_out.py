"""Scoring on real clusters, whose workers, clients and schedulers are killed on the way."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
from clusters import Deadly, dask, kill_self
from scored_folders import (
    CODES,
    N_PARTS,
    TARGETS,
    contents,
    genes,
    in_out,
    make_source,
)
from tools import need_tool

from anb_onnx.cli.main import main
from anb_onnx.errors import ArchitectureError
from anb_onnx.scale_out import Local, ScaleError, Scored, open_backend, score
from anb_onnx.scale_out.score import COMPLETE


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_source(tmp_path_factory.mktemp("source"))


@pytest.fixture(scope="module")
def plain(source: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """What scoring in this process writes."""
    out = tmp_path_factory.mktemp("plain")
    assert score(source, out, TARGETS) == Scored(N_PARTS, 2_000, kept=0, damaged=0)
    return contents(out)


KILLED = """
import os, signal, sys
from anb_onnx.scale_out import open_backend, score

def die(done, total):
    if done >= 600:
        os.kill(os.getpid(), signal.SIGKILL)

if __name__ == "__main__":
    source, out, backend, workers = sys.argv[1:]
    with open_backend(backend, workers=int(workers) or None) as opened:
        score(source, out, ["accuracy", "latency_zcu102"], backend=opened, on_progress=die)
"""


@pytest.mark.parametrize(("backend", "workers"), [("local", 0), ("dask", 2)])
def test_a_killed_client_goes_on(
    source: Path, plain: dict[str, bytes], tmp_path: Path, backend: str, workers: int
) -> None:
    if backend == "dask":
        pytest.importorskip("distributed", reason="the dask extra is not installed")
    script, out = tmp_path / "run.py", tmp_path / "out"
    script.write_text(KILLED)
    command = [sys.executable, str(script), str(source), str(out), backend, str(workers)]
    run = subprocess.run(command, stderr=subprocess.PIPE, check=False)
    assert run.returncode == -signal.SIGKILL, run.stderr
    assert not (out / COMPLETE).exists()
    done = score(source, out, TARGETS)
    # Workers finish what they are at before they see that their client has gone.
    assert done.kept == 3 if backend == "local" else done.kept >= 3
    assert contents(out) == plain


INTERRUPTED = """
import os, signal, sys
from anb_onnx._io.progress import Progress
from anb_onnx.cli.main import main

def interrupt(progress, done, total):
    if done == 400:
        os.killpg(0, signal.SIGINT)  # as a terminal does

if __name__ == "__main__":
    Progress.__call__ = interrupt
    source, out = sys.argv[1:]
    sys.exit(main(["score", source, "--out", out, "--target", "params", "--backend", "dask"]))
"""


def test_an_interrupt_ends_the_command_and_its_workers_in_one_line(
    source: Path, tmp_path: Path
) -> None:
    pytest.importorskip("distributed", reason="the dask extra is not installed")
    script = tmp_path / "run.py"
    script.write_text(INTERRUPTED)
    command = [sys.executable, str(script), str(source), str(tmp_path / "out")]
    run = subprocess.run(command, capture_output=True, text=True, start_new_session=True)
    kept = "interrupted; finished parts are kept, and the same command goes on from there"
    assert (run.returncode, run.stdout, run.stderr) == (130, "", f"anb-onnx: {kept}\n")
    assert score(source, tmp_path / "out", ["params"]).kept >= 2


@pytest.fixture(scope="module")
def client() -> Iterator[Any]:
    with dask() as client:
        yield client


def test_dask_with_a_worker_killed_from_outside(
    client: Any, source: Path, plain: dict[str, bytes], tmp_path: Path
) -> None:
    out = tmp_path / "out"
    victims = [*client.run(os.getpid).values()][:1]
    calls = []

    def kill(done: int, total: int) -> None:
        calls.append(done)
        if len(calls) == 2:
            os.kill(victims[0], signal.SIGKILL)

    done = score(source, out, TARGETS, backend=client, on_progress=kill)
    assert (done.parts, done.rows, done.damaged) == (N_PARTS, 2_000, 0)
    assert calls == sorted({*calls})  # no row was counted twice
    assert len(calls) == N_PARTS
    assert calls[-1] == 2_000
    assert contents(out) == plain
    assert victims[0] not in client.run(os.getpid, on_error="ignore").values()


@pytest.mark.parametrize("when", ["before", "after"])
def test_dask_with_a_worker_that_dies_at_its_work(
    client: Any, source: Path, plain: dict[str, bytes], tmp_path: Path, when: str
) -> None:
    from anb_onnx.scale_out.dask_backend import Dask

    mark, out = tmp_path / "mark", tmp_path / "out"
    backend = Deadly(Dask(client), mark, when, "a.parquet, row group 3")
    done = score(source, out, TARGETS, backend=backend)
    assert mark.exists()
    # What was written before its worker died is found by the next one, and kept; it may also have
    # died with results of others that nobody had fetched.
    assert (done.parts, done.rows, done.damaged) == (N_PARTS, 2_000, 0)
    assert done.kept >= int(when == "after")
    assert contents(out) == plain


def test_each_item_comes_once_whatever_dies(client: Any, tmp_path: Path) -> None:
    from anb_onnx.scale_out.dask_backend import Dask

    backend = Deadly(Dask(client), tmp_path / "mark", "after", "17")
    found = [*backend.map_unordered(abs, [*range(40), 5, 5])]
    assert sorted(found) == sorted((i, i) for i in [*range(40), 5, 5])


def test_an_error_on_a_worker_is_that_of_the_plain_path(client: Any, tmp_path: Path) -> None:
    columns = {**genes(CODES[:4]), "block3_k": [3, 3, 3, 4]}
    file, out = in_out(tmp_path, columns, rows=2)
    with pytest.raises(ArchitectureError, match="row group 1: row 3, gene 'block3_k': 4 is not"):
        score(file, out, ["params"], backend=client)
    assert [*client.futures] == []


def test_a_folder_that_workers_do_not_share(source: Path, tmp_path: Path) -> None:
    class Elsewhere(Local):
        """Its files are on another machine."""

        def map_unordered(self, function: Any, items: Iterable[Any]) -> Iterator[tuple[Any, Any]]:
            for item, result in super().map_unordered(function, items):
                (tmp_path / "out" / item.name).unlink()
                yield item, result

    with pytest.raises(ScaleError, match="on a file system that this machine and all workers"):
        score(source, tmp_path / "out", ["params"], backend=Elsewhere())
    assert not (tmp_path / "out" / COMPLETE).exists()


def test_an_item_that_kills_every_worker_is_an_error() -> None:
    from anb_onnx.scale_out.dask_backend import Dask

    with (
        dask(workers=1, allowed_failures=0) as client,
        pytest.raises(ScaleError, match="5 ended every worker that tried it"),
    ):
        [*Dask(client).map_unordered(kill_self, [5])]


def test_a_scheduler_that_is_killed(source: Path, tmp_path: Path) -> None:
    distributed = pytest.importorskip("distributed", reason="the dask extra is not installed")
    config = pytest.importorskip("dask").config
    file = tmp_path / "scheduler.json"
    start = [sys.executable, "-m", "distributed.cli.dask_"]
    at = ["--host", "127.0.0.1", "--scheduler-file", str(file)]
    scheduler = subprocess.Popen([*start[:2], f"{start[2]}scheduler", "--port", "0", *at])
    worker = subprocess.Popen([*start[:2], f"{start[2]}worker", "--no-nanny", *at])
    try:
        with config.set({"distributed.comm.timeouts.connect": "2s"}):  # waits for another one
            with distributed.Client(scheduler_file=str(file)) as client:
                address = client.scheduler.address
            with (
                pytest.raises(ScaleError, match="the Dask scheduler has gone"),
                open_backend("dask", address=address) as backend,
            ):
                score(
                    source,
                    tmp_path / "out",
                    TARGETS,
                    backend=backend,
                    on_progress=lambda done, total: scheduler.kill(),
                )
    finally:
        for process in (scheduler, worker):
            process.kill()
            process.wait()
    assert score(source, tmp_path / "out", TARGETS).kept >= 1


def test_ray_gives_the_same_bytes_though_a_worker_dies(
    source: Path, plain: dict[str, bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    need_tool("ray")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parent))  # its workers need this module
    (tmp_path / "home").mkdir()
    out = tmp_path / "out"
    with open_backend("ray", workers=2) as ray:
        backend = Deadly(ray, tmp_path / "mark", "after", "a.parquet, row group 3")
        done = score(source, out, TARGETS, backend=backend)
        file, other = in_out(tmp_path, {"index": [-1]})
        with pytest.raises(ArchitectureError, match="row group 0: row 0: index -1 is out of range"):
            score(file, other.with_name("other"), ["params"], backend=ray)
    assert (done.parts, done.rows, done.damaged) == (N_PARTS, 2_000, 0)
    assert done.kept >= 1
    assert contents(out) == plain
    assert [*(tmp_path / "home").iterdir()] == []  # no token


def test_backends_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    def message(*args: Any, **options: Any) -> str:
        with pytest.raises(ScaleError) as error, open_backend(*args, **options):
            pass
        return str(error.value)

    assert "unknown backend 'spark'; valid backends: local, dask, ray" in message("spark")
    assert "workers is an integer >= 1, not 0" in message("dask", workers=0)
    both = message("dask", workers=1, address="x")
    assert "give either workers to start here, or the address" in both
    assert "this process alone; --backend dask starts workers" in message("local", workers=2)
    monkeypatch.setitem(sys.modules, "distributed", None)
    monkeypatch.setitem(sys.modules, "ray", None)
    assert "pip install 'anb-onnx[dask]'" in message("dask")
    assert "pip install 'anb-onnx[ray]'" in message("ray")
    with pytest.raises(ScaleError, match=r"is a Backend, a distributed\.Client or None, not 'd"):
        score("x", "y", backend="dask")


def test_no_scheduler_at_an_address() -> None:
    pytest.importorskip("distributed", reason="the dask extra is not installed")
    with (
        pytest.raises(ScaleError, match="no Dask scheduler answers at nonsense://x"),
        open_backend("dask", address="nonsense://x"),
    ):
        pass


def test_a_cluster_that_runs_already(
    client: Any, source: Path, plain: dict[str, bytes], tmp_path: Path
) -> None:
    address, out = client.scheduler.address, tmp_path / "out"
    command = ["score", str(source), "--out", str(out), "--backend", "dask"]
    command += ["--target", "accuracy", "--target", "latency_zcu102", "--scheduler", address]
    assert main(command) == 0
    assert contents(out) == plain
    assert client.submit(abs, -1).result() == 1  # it is not ours to end
