"""Processes that do one piece of work after another."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
from multiprocessing import active_children
from pathlib import Path

import pytest

from anb_onnx.errors import SearchError, TruthError
from anb_onnx.experiments.workers import run_all


def square(n: int) -> tuple[int, int]:
    return n * n, os.getpid()


def fail(n: int) -> int:
    if n == 1:
        msg = "piece 1: what the user did"
        raise TruthError(msg)
    if n == 2:
        raise KeyError("the bug")
    if n == 3:
        os._exit(5)
    return n


def test_pieces_are_done_here_or_by_processes_that_stay() -> None:
    here = dict(run_all(square, range(5), 1))
    assert here == {n: (n * n, os.getpid()) for n in range(5)}
    there = dict(run_all(square, range(9), 2))
    assert {n: value for n, (value, _) in there.items()} == {n: n * n for n in range(9)}
    assert os.getpid() not in {process for _, process in there.values()}
    assert len({process for _, process in there.values()}) <= 2
    assert list(run_all(square, [], 2)) == []
    assert active_children() == []


@pytest.mark.parametrize(
    ("pieces", "error", "message"),
    [
        ([0, 1], TruthError, "piece 1: what the user did"),
        ([0, 2], SearchError, "2: KeyError: 'the bug'"),
        ([0, 3], SearchError, r"3: its process died \(exit code 5\)"),
    ],
    ids=["user", "bug", "crash"],
)
def test_what_goes_wrong_there_is_raised_here(
    pieces: list[int], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        list(run_all(fail, pieces, 2))
    assert active_children() == []


def test_there_is_at_least_one_process() -> None:
    with pytest.raises(SearchError, match="at least 1, not 0"):
        list(run_all(square, [1], 0))


def test_who_stops_early_leaves_no_process() -> None:
    results = run_all(square, range(50), 2)
    next(results)
    assert len(active_children()) == 2
    results.close()
    assert active_children() == []


SCRIPT = """
    import os, sys
    from pathlib import Path
    from anb_onnx.experiments.workers import run_all

    def note(n):
        os.write(1, b"started\\n")
        with open(Path(sys.argv[1], "go"), "rb", buffering=0) as go:
            go.read(1)
        Path(sys.argv[1], str(n)).write_text("done")

    if __name__ == "__main__":
        for n, _ in run_all(note, range(4), 2):
            pass
"""


@pytest.mark.skipif(os.name != "posix", reason="sends signals")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL], ids=["interrupted", "killed"])
def test_processes_end_with_their_parent(tmp_path: Path, number: signal.Signals) -> None:
    script, pipe = tmp_path / "script.py", tmp_path / "go"
    script.write_text(textwrap.dedent(SCRIPT))
    os.mkfifo(pipe)
    go = os.open(pipe, os.O_RDWR)
    parent = subprocess.Popen(
        [sys.executable, script, tmp_path],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        # A shell that runs tests in the background would have Ctrl-C ignored.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    assert parent.stdout is not None
    assert parent.stderr is not None
    try:
        assert [parent.stdout.readline() for _ in range(2)] == ["started\n"] * 2
        if number == signal.SIGKILL:
            parent.kill()
        else:  # as a terminal does: all of the group get it
            os.killpg(parent.pid, number)
        parent.wait()
        # Who was killed ends no one; its processes finish what they do, and find it gone.
        os.write(go, b"gggg")
        # The pipes end when the last process that holds them has ended.
        output, errors = parent.stdout.read(), parent.stderr.read()
    finally:
        parent.kill()
        parent.wait()
        os.close(go)
    assert output == ""  # no other piece was begun
    done = {path.name for path in tmp_path.iterdir()} - {"go", "script.py"}
    if number == signal.SIGINT:
        assert errors.count("Traceback") == 1  # the parent's own
        assert done == set()
    else:
        assert errors == ""
        assert done == {"0", "1"}
