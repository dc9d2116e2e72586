"""Scoring of folders, here and on real clusters whose workers are killed on the way."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from clusters import Deadly, dask, kill_self

import anb_onnx
from anb_onnx import FBNET, MNASNET, sample
from anb_onnx._io.files import FileError
from anb_onnx._io.output import OutputError
from anb_onnx.cli.main import main
from anb_onnx.encoding.encoding import codes_to_indices
from anb_onnx.errors import ArchitectureError, TargetError
from anb_onnx.scale_out import Local, ScaleError, Scored, open_backend, score
from anb_onnx.scale_out.part_files import PartError, columns_of, find_part, write_part
from anb_onnx.scale_out.score import COMPLETE
from anb_onnx.spaces.architecture import Architecture

arrow = pytest.importorskip("pyarrow", reason="the dask extra is not installed")
parquet = pytest.importorskip("pyarrow.parquet", reason="pyarrow was built without Parquet")

TARGETS = ["accuracy", "latency_zcu102"]
CODES = sample(2_000, seed=3, space=MNASNET)
INDICES = codes_to_indices(CODES, MNASNET)
GROUP = 200
N_PARTS = 10


def genes(codes: np.ndarray[Any, Any]) -> dict[str, list[object]]:
    rows = [Architecture.from_codes(row, space=MNASNET).to_values() for row in codes.tolist()]
    return {name: [row[name] for row in rows] for name in MNASNET.gene_names}


def write(path: Path, columns: dict[str, Any], rows: int = GROUP) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    parquet.write_table(arrow.table(columns), path, row_group_size=rows)
    return path


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two files: 1,000 architectures by genes, and 1,000 by index, in a folder of its own."""
    folder = tmp_path_factory.mktemp("source")
    write(folder / "a.parquet", genes(CODES[:1000]))
    write(folder / "b" / "c.parquet", {"index": INDICES[1000:]})
    (folder / "_SUCCESS").touch()
    (folder / ".crc").mkdir()
    return folder


@pytest.fixture(scope="module")
def plain(source: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """What scoring in this process writes."""
    out = tmp_path_factory.mktemp("plain")
    assert score(source, out, TARGETS) == Scored(N_PARTS, 2_000, kept=0, damaged=0)
    return contents(out)


def contents(folder: Path) -> dict[str, bytes]:
    """The files of a folder by name, but for those that a killed process left unfinished."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not path.name.startswith(".")
    }


def table(folder: Path) -> Any:
    return parquet.read_table(folder)


def in_out(tmp_path: Path, columns: dict[str, Any], rows: int = GROUP) -> tuple[Path, Path]:
    return write(tmp_path / "x.parquet", columns, rows), tmp_path / "out"


# What is written


def test_rows_are_those_of_query_in_their_order(plain: dict[str, bytes], tmp_path: Path) -> None:
    for name, content in plain.items():
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(content)
    names = [name for name in plain if name != COMPLETE]
    assert names == sorted(names)
    assert names[0] == "a.parquet.000000.parquet"
    assert names[-1] == "b/c.parquet.000004.parquet"
    found = arrow.concat_tables([parquet.read_table(tmp_path / name) for name in names])
    assert found["index"].to_pylist() == INDICES.tolist()
    for target in TARGETS:
        with anb_onnx.load(target) as surrogate:
            expected = surrogate.query(CODES)
        for kind in ("mean", "std"):
            column = found[f"{target}_{kind}"].to_numpy()
            assert column.dtype == np.float32
            assert column.tobytes() == getattr(expected, kind).tobytes()
    assert len(found.column_names) == 5


def test_members_have_columns_as_in_csv(tmp_path: Path) -> None:
    file, out = in_out(tmp_path, {"index": INDICES[:50]})
    score(file, out, ["accuracy"], members=True)
    with anb_onnx.load("accuracy") as surrogate:
        expected = surrogate.query(CODES[:50], members=True).members
    assert expected is not None
    found = table(out)
    for member, column in enumerate(expected.T):
        assert found[f"accuracy_member_{member}"].to_numpy().tobytes() == column.tobytes()
    text = tmp_path / "x.csv"
    command = ["query", "--file", str(file), "--target", "accuracy", "--members"]
    assert main([*command, "--csv", "--out", str(text)]) == 0
    assert text.read_text().splitlines()[0].split(",") == found.column_names


def test_what_was_written_is_read_again(tmp_path: Path) -> None:
    file, out = in_out(tmp_path, {"index": INDICES[:50]})
    score(file, out, ["accuracy"])
    again = tmp_path / "again"
    score(out, again, ["params"], ignore_extra=True)
    assert table(again)["index"].to_pylist() == INDICES[:50].tolist()


def test_long_row_groups_are_cut_for_memory_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("anb_onnx.scale_out.score_part._BATCH", 77)
    file, out = in_out(tmp_path, genes(CODES[:GROUP]))
    score(file, out, TARGETS)
    whole = tmp_path / "whole"
    monkeypatch.undo()
    score(file, whole, TARGETS)
    assert table(out).equals(table(whole))


MEASURED = """
import sys
from pathlib import Path
from anb_onnx.scale_out import score

source, out = sys.argv[1:]
score(source, out, ["accuracy", "latency_zcu102"], engine="numpy", threads=1)
(peak,) = (x for x in Path("/proc/self/status").read_text().splitlines() if "VmHWM" in x)
print(int(peak.split()[1]) // 1024)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_memory_does_not_grow_with_the_row_group(tmp_path: Path) -> None:
    peaks = []
    for rows in (300_000, 3_000_000):
        columns = {"index": np.arange(rows) * 30_011 % MNASNET.size}
        file = write(tmp_path / f"{rows}.parquet", columns, rows)
        command = [sys.executable, "-c", MEASURED, str(file), str(tmp_path / str(rows))]
        run = subprocess.run(command, capture_output=True, text=True, check=True)
        peaks.append(int(run.stdout))
    # In memory at once, the codes alone would take 108 MB more, and the output 65.
    assert peaks[1] < peaks[0] + 20, peaks


def test_a_space_beyond_64_bits_has_decimals(tmp_path: Path) -> None:
    columns = columns_of({"x": 2}, members=True, big=True)
    path = tmp_path / "x.parquet"
    indices = [str(FBNET.size), str(2**70)]
    values = np.zeros(2, np.float32)
    write_part(path, {"a": 1}, columns, [[np.array(indices), values, values, values, values]])
    assert parquet.read_table(path).to_pydict()["index"] == indices


def test_files_without_rows_and_odd_names(tmp_path: Path) -> None:
    folder = tmp_path / "in"
    schema = arrow.schema([("index", arrow.int64())])
    folder.mkdir()
    parquet.ParquetWriter(folder / "none.parquet", schema).close()  # no row group at all
    write(folder / "a.parquet.parquet", {"index": INDICES[:1]})
    write(folder / "a.parquet", {"index": INDICES[1:2]})
    write(folder / "a.b.parquet", {"index": INDICES[2:3]})
    write(folder / "a-ü 'x'.parquet", {"index": INDICES[3:4]})
    out = tmp_path / "out"
    assert score(folder, out, ["params"]) == Scored(5, 4, 0, 0)
    order = [name for name in contents(out) if name != COMPLETE]
    found = [parquet.read_table(out / name)["index"].to_pylist() for name in order]
    assert found == [[INDICES[3]], [INDICES[2]], [INDICES[1]], [INDICES[0]], []]


# What is refused


@pytest.mark.parametrize(
    ("columns", "expected"),
    [
        ({"index": [5, 6, 7, -1]}, "row group 1: row 3: index -1 is out of range"),
        ({"index": [5, 6, 7, None]}, "row group 1: row 3: column 'index': null is not an integer"),
        ({"index": [5.0]}, "row group 0: column 'index' holds double, not integers"),
        ({"other": [1]}, "row group 0: column 'block0_e' is missing"),
        (
            {**genes(CODES[:4]), "block3_k": [3, 3, 3, 4]},
            "row group 1: row 3, gene 'block3_k': 4 is not allowed; choose from",
        ),
        ({"index": [5], "x": [1]}, "row group 0: unknown column 'x'"),
    ],
)
def test_errors_name_file_row_group_row_and_gene(
    tmp_path: Path, columns: dict[str, Any], expected: str
) -> None:
    file, out = in_out(tmp_path, columns, rows=2)
    with pytest.raises(ArchitectureError) as error:
        score(file, out, ["params"])
    assert f"{file}, {expected}" in str(error.value)
    assert COMPLETE not in contents(out)


def test_row_numbers_are_no_indices(tmp_path: Path) -> None:
    columns = {"index": range(10), "accuracy_mean": [0.0] * 10}
    file, out = in_out(tmp_path, columns, rows=4)
    with pytest.raises(ArchitectureError, match="row group 0: column 'index' holds 0 to 3 in this"):
        score(file, out, ["params"], ignore_extra=True)
    assert score(file, out, ["params"], ignore_extra=True, index_column="index").rows == 10


def test_folders_that_are_refused(source: Path, tmp_path: Path) -> None:
    run = partial(score, targets=["params"])
    with pytest.raises(FileError, match="nowhere cannot be read"):
        run(tmp_path / "nowhere", tmp_path / "out")
    (tmp_path / "empty").mkdir()
    with pytest.raises(ArchitectureError, match=r"empty has no Parquet file \(\*\.parquet\)"):
        run(tmp_path / "empty", tmp_path / "out")
    (tmp_path / "empty" / "x.csv").touch()
    with pytest.raises(ArchitectureError, match=r"x\.csv is not called \*\.parquet"):
        run(tmp_path / "empty", tmp_path / "out")
    linked = tmp_path / "linked"
    linked.mkdir()
    (linked / "b").symlink_to(source / "b")
    with pytest.raises(ArchitectureError, match="b is a link to a folder"):
        run(linked, tmp_path / "out")
    (linked / "b").unlink()
    strange = os.fsencode(linked) + b"/\xff.parquet"
    Path(os.fsdecode(strange)).touch()
    with pytest.raises(ArchitectureError, match="is no file name in UTF-8"):
        run(linked, tmp_path / "out")
    Path(os.fsdecode(strange)).unlink()
    (linked / "x.parquet").write_bytes(b"PAR1 no")
    with pytest.raises(ArchitectureError, match=r"x\.parquet: not readable as Parquet"):
        run(linked, tmp_path / "out")
    for out in (source, source / "out", source.parent):
        with pytest.raises(OutputError, match="lie in one another"):
            run(source, out)
    with pytest.raises(OutputError, match="it is no folder"):
        run(source, linked / "x.parquet")
    with pytest.raises(TargetError, match="unknown target 'acuracy'"):
        score(source, tmp_path / "out", ["acuracy"])
    assert not (tmp_path / "out").exists()


def test_a_file_that_states_other_rows_than_it_has(tmp_path: Path) -> None:
    file, out = in_out(tmp_path, {"index": INDICES[:GROUP]})

    class Later(Local):
        """Another file takes the place of the one that was looked at."""

        def map_unordered(self, function: Any, items: Iterable[Any]) -> Iterator[tuple[Any, Any]]:
            write(file, {"index": INDICES[:5]})
            return super().map_unordered(function, items)

    with pytest.raises(ArchitectureError, match="row group 0: it had 200 rows when the work began"):
        score(file, out, ["params"], backend=Later())


# Going on


def test_what_is_complete_is_kept(source: Path, plain: dict[str, bytes], tmp_path: Path) -> None:
    out = tmp_path / "out"
    score(source, out, TARGETS)
    times = {path: path.stat().st_mtime_ns for path in out.rglob("*.parquet")}
    assert score(source, out, TARGETS) == Scored(N_PARTS, 2_000, kept=N_PARTS, damaged=0)
    (out / "a.parquet.000002.parquet").unlink()
    assert score(source, out, TARGETS) == Scored(N_PARTS, 2_000, kept=N_PARTS - 1, damaged=0)
    assert contents(out) == plain
    for path, before in times.items():
        assert (path.stat().st_mtime_ns == before) == (path.name != "a.parquet.000002.parquet")


@pytest.mark.parametrize("place", [10, 1000, 3000])
def test_a_damaged_part_is_made_anew(
    source: Path, plain: dict[str, bytes], tmp_path: Path, place: int
) -> None:
    out = tmp_path / "out"
    score(source, out, TARGETS)
    path = out / "a.parquet.000001.parquet"
    content = bytearray(path.read_bytes())
    content[place] ^= 4
    path.write_bytes(content)
    assert score(source, out, TARGETS) == Scored(N_PARTS, 2_000, N_PARTS - 1, damaged=1)
    assert contents(out) == plain


def test_every_byte_of_a_part_is_covered(tmp_path: Path) -> None:
    job = {"schema": 1, "targets": {"x": "0" * 64}}
    path = tmp_path / "x.parquet"
    columns = columns_of({"x": 1}, members=False, big=False)
    values = np.arange(3, dtype=np.float32)
    digest = write_part(path, job, columns, [[np.arange(3), values, values]])
    assert find_part(path, job) == digest
    content = path.read_bytes()
    for place in range(len(content)):
        path.write_bytes(content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :])
        with suppress(PartError):  # where the footer is damaged, it does not say whose it is
            assert find_part(path, job) is None, place
        path.write_bytes(content[:place])
        with pytest.raises(PartError):
            find_part(path, job)


def other_file(path: Path) -> None:
    write(path, {"index": INDICES[:GROUP]})


@pytest.mark.parametrize(
    ("name", "change", "expected"),
    [
        ("out/a.parquet.000009.parquet", Path.touch, "not a part of this job"),
        ("out/notes.txt", Path.touch, "notes.txt is not a part of this job"),
        ("out/a.parquet.000001.parquet", Path.touch, ""),
        ("out/a.parquet.000001.parquet", lambda path: path.write_bytes(b"x"), "is in the way"),
        ("out/a.parquet.000001.parquet", other_file, "is in the way: it holds no predictions"),
        ("in/a.parquet", lambda path: write(path, genes(CODES[1:1001])), "input_sha256 is"),
        ("in/a.parquet", lambda path: write(path, genes(CODES[:1000]), 100), "rows is 200 there"),
    ],
)
def test_what_is_not_of_this_job_is_refused_and_stays(
    source: Path, tmp_path: Path, name: str, change: Callable[[Path], object], expected: str
) -> None:
    here, out = tmp_path / "in", tmp_path / "out"
    shutil.copytree(source, here)
    score(here, out, TARGETS)
    change(tmp_path / name)
    before = contents(out)
    if not expected:  # touching a part does nothing to it
        assert score(here, out, TARGETS).kept == N_PARTS
        return
    with pytest.raises(PartError) as error:
        score(here, out, TARGETS)
    assert expected in str(error.value)
    assert str(out) in str(error.value)
    after = contents(out)
    assert {**before, **after} == before  # nothing was replaced


def test_other_options_are_another_job(source: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    score(source, out, TARGETS)
    before = contents(out)
    with pytest.raises(PartError, match="of another job: targets latency_zcu102 is"):
        score(source, out, ["accuracy"])
    with pytest.raises(PartError, match="members is False there, True here; remove it, or give"):
        score(source, out, TARGETS, members=True)
    assert contents(out) == before


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


# Clusters


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
    pytest.importorskip("ray", reason="the ray extra (214 MB) is not installed")
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


# Backends by name, and the command


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


def test_command(
    source: Path, plain: dict[str, bytes], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    command = ["score", str(source), "--out", str(out)]
    command += ["--target", "accuracy", "--target", "latency_zcu102"]
    assert main([*command, "--progress"]) == 0
    printed, progress = capsys.readouterr()
    assert printed == (
        "2000 architectures in 10 parts: 0 were there already, 0 were damaged and made anew\n"
    )
    assert progress.splitlines()[-1].startswith("2,000 of 2,000 rows, 100 %")
    assert contents(out) == plain
    assert main([*command, "--workers", "2"]) == 2
    _, error = capsys.readouterr()
    assert error.startswith("anb-onnx: error: the local backend is this process alone")


def test_a_cluster_that_runs_already(
    client: Any, source: Path, plain: dict[str, bytes], tmp_path: Path
) -> None:
    address, out = client.scheduler.address, tmp_path / "out"
    command = ["score", str(source), "--out", str(out), "--backend", "dask"]
    command += ["--target", "accuracy", "--target", "latency_zcu102", "--scheduler", address]
    assert main(command) == 0
    assert contents(out) == plain
    assert client.submit(abs, -1).result() == 1  # it is not ours to end
