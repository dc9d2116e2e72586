from __future__ import annotations

import os
import signal
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.context import SpawnProcess
from pathlib import Path

import pytest
from anb_export.training import workers

from anb_onnx._io import program
from anb_onnx._io.output import temporary_of
from anb_onnx.errors import AnbError


@dataclass(frozen=True)
class Write:
    """Writes its file, or fails as told."""

    index: int
    path: Path
    fails: str = ""

    def is_done(self) -> bool:
        return self.path.exists()

    def run(self, on_round: Callable[[int], None]) -> None:
        on_round(1)
        if self.fails == "user":
            msg = "the reason"
            raise AnbError(msg)
        if self.fails == "bug":
            raise KeyError("the bug")
        if self.fails == "crash":
            temporary_of(self.path).write_text("half")
            os._exit(3)
        self.path.write_text("whole")
        on_round(7)


def tasks(folder: Path, fails: str = "") -> list[Write]:
    return [Write(i, folder / f"{i}", fails if i == 1 else "") for i in range(3)]


@pytest.mark.parametrize("jobs", [1, 2])
def test_all_run_and_report(tmp_path: Path, jobs: int) -> None:
    (tmp_path / "2").write_text("from before")
    ends: dict[int, tuple[int, str]] = {}

    def note(index: int, rounds: int, state: str) -> None:
        if state != "running":
            ends[index] = rounds, state

    workers.run(tasks(tmp_path), jobs=jobs, on_progress=note)
    assert ends == {0: (7, "done"), 1: (7, "done"), 2: (0, "reused")}
    assert (tmp_path / "2").read_text() == "from before"


@pytest.mark.parametrize(
    ("fails", "message"),
    [
        ("user", "member 1: the reason"),
        ("bug", "member 1: KeyError: 'the bug'"),
        ("crash", r"member 1: the training process died \(exit code 3\)"),
    ],
)
def test_failures_name_the_member(tmp_path: Path, fails: str, message: str) -> None:
    with pytest.raises(AnbError, match=message):
        workers.run(tasks(tmp_path, fails), jobs=3)
    assert [path.name for path in tmp_path.iterdir() if path.suffix == ".tmp"] == []


def test_jobs_must_be_positive(tmp_path: Path) -> None:
    with pytest.raises(AnbError, match="at least 1, found 0"):
        workers.run(tasks(tmp_path), jobs=0)


@pytest.mark.skipif(os.name != "posix", reason="sends signals")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_while_a_process_starts_leaves_none(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    number: signal.Signals,
) -> None:
    start = SpawnProcess.start

    def interrupted(process: SpawnProcess) -> None:
        os.kill(os.getpid(), number)
        start(process)
        started.append(process)

    started: list[SpawnProcess] = []
    monkeypatch.setattr(SpawnProcess, "start", interrupted)

    def command() -> int:
        workers.run(tasks(tmp_path), jobs=2)
        return 0

    assert program.run("program", command) == 128 + number
    assert len(started) == 1
    assert not started[0].is_alive()
    assert "Traceback" not in capfd.readouterr().err
    assert [path.name for path in tmp_path.iterdir() if path.suffix == ".tmp"] == []
