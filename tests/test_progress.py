import io

import pytest

from anb_onnx._io.progress import Progress


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_nothing_is_written_unasked() -> None:
    stream = io.StringIO()
    with Progress("rows", stream=stream) as progress:
        progress(1, 2)
    assert stream.getvalue() == ""


def test_a_line_for_each_per_cent_where_there_is_no_terminal() -> None:
    stream, clock = io.StringIO(), Clock()
    with Progress("rows", show=True, stream=stream, clock=clock) as progress:
        for done in range(1, 1001):
            clock.now += 0.5
            progress(done, 1000)
    lines = stream.getvalue().splitlines()
    assert len(lines) == 101  # 0 to 100
    assert lines[50] == "500 of 1,000 rows, 50 %, 2/s, 4 min 10 s left"
    assert lines[-1] == "1,000 of 1,000 rows, 100 %, 2/s"


def test_a_terminal_has_one_line_that_ends() -> None:
    stream, clock = Terminal(), Clock()
    with Progress("rows", stream=stream, clock=clock) as progress:
        for done in range(1, 101):
            clock.now += 0.01
            progress(done, 100)
        clock.now += 1
        progress(100, 100)
    text = stream.getvalue()
    assert text.count("\n") == 1
    assert text.endswith("\n")
    parts = text.split("\r")[1:]
    assert len(parts) < 14  # ten a second, and the last
    assert parts[-1].startswith("100 of 100 rows, 100 %")
    assert len(parts[-1].rstrip("\n")) >= len(
        parts[-2].rstrip()
    )  # nothing of the line before shows


@pytest.mark.parametrize(
    ("rate", "left"), [(1000, "59 s"), (10, "1 h 38 min"), (100, "9 min 50 s")]
)
def test_the_rate_is_that_of_late(rate: int, left: str) -> None:
    stream, clock = io.StringIO(), Clock()
    progress = Progress("rows", show=True, stream=stream, clock=clock)
    progress(41_000, 100_000)  # was there already
    clock.now += 100
    progress(41_000, 100_000)
    stream.truncate(0)
    done = 41_000
    for _ in range(70):
        clock.now += 1 / rate
        done += 1
        progress(done, 100_000 + 70)
    assert f"{left} left" in stream.getvalue()


def test_what_comes_before_the_first_call_is_no_part_of_the_rate() -> None:
    stream, clock = io.StringIO(), Clock()
    progress = Progress("rows", show=True, stream=stream, clock=clock)
    for done in (100, 200, 300):
        clock.now += 50 if done == 100 else 1
        progress(done, 400)
    assert stream.getvalue().splitlines() == [
        "100 of 400 rows, 25 %",
        "200 of 400 rows, 50 %, 100/s, 2 s left",
        "300 of 400 rows, 75 %, 100/s, 1 s left",
    ]


def test_a_total_of_nothing() -> None:
    stream = io.StringIO()
    Progress("rows", show=True, stream=stream)(0, 0)
    assert stream.getvalue() == "0 of 0 rows, 100 %\n"


def test_short_work_on_a_terminal_shows_nothing() -> None:
    stream, clock = Terminal(), Clock()
    with Progress("rows", stream=stream, clock=clock, wait=1.0) as progress:
        for clock.now in (5.0, 5.9):
            progress(1, 10)
        assert stream.getvalue() == ""
        clock.now = 6.1
        progress(2, 10)
    assert stream.getvalue().startswith("\r2 of 10 rows, 20 %")


def test_a_total_that_nobody_knows() -> None:
    stream, clock = io.StringIO(), Clock()
    with Progress("rows", show=True, stream=stream, clock=clock) as progress:
        for done in range(1, 1001):
            clock.now += 0.5
            progress(done, None)
    lines = stream.getvalue().splitlines()
    assert len(lines) == 10  # a line for each doubling
    assert lines[-1] == "512 rows, 2/s"
