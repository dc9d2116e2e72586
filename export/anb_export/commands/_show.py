"""What commands print: results to standard output, messages and progress to standard error."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from anb_onnx._io.show import printable

if TYPE_CHECKING:
    from anb_export.training.workers import OnProgress, State
    from anb_onnx.sweep.run import Progress


def say(text: str) -> None:
    """Print a line of the result, or lines; whatever else would steer a terminal is escaped."""
    sys.stdout.write(printable(text, keep="\n") + "\n")


def note(text: str) -> None:
    """Print a line about what happens."""
    sys.stderr.write(printable(text, keep="\n") + "\n")


@contextmanager
def member_progress(n_members: int, n_rounds: int) -> Iterator[OnProgress]:
    """Show a bar for each member while the block runs; yields the callback for `train`."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("rounds  {task.fields[state]}"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=Console(stderr=True)) as progress:
        bars = [
            progress.add_task(f"member {i}", total=n_rounds, start=False, state="waiting")
            for i in range(n_members)
        ]

        def update(member: int, rounds: int, state: State) -> None:
            bar = bars[member]
            if not progress.tasks[bar].started:
                progress.start_task(bar)
            # Early stopping ends most members long before the last round.
            total = n_rounds if state == "running" else rounds
            progress.update(bar, completed=rounds, total=total, state=state)
            if state != "running":
                progress.stop_task(bar)

        yield update


@contextmanager
def stage_progress() -> Iterator[Callable[[str], OnProgress]]:
    """Show one bar per stage of a build; yields what makes the callback of a stage."""
    from rich.console import Console
    from rich.progress import Progress, TextColumn, TimeElapsedColumn

    columns = (
        TextColumn("{task.description}"),
        TextColumn("{task.fields[finished]} finished, {task.fields[rounds]:,} rounds"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=Console(stderr=True)) as progress:

        def stage(name: str) -> OnProgress:
            for earlier in progress.task_ids:
                progress.stop_task(earlier)
            bar = progress.add_task(name, total=None, finished=0, rounds=0)
            rounds: dict[int, int] = {}
            finished: set[int] = set()

            def update(index: int, done: int, state: State) -> None:
                rounds[index] = done
                if state != "running":
                    finished.add(index)
                progress.update(bar, finished=len(finished), rounds=sum(rounds.values()))

            return update

        yield stage


@contextmanager
def trial_progress(name: str, n_trials: int | None) -> Iterator[Callable[[int, float], None]]:
    """Show a bar of trials; yields the callback for `tune_compact.tune`."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("trials, best score {task.fields[best]}"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=Console(stderr=True)) as progress:
        bar = progress.add_task(name, total=n_trials, best="-")
        yield lambda count, best: progress.update(bar, completed=count, best=f"{best:.4f}")


@contextmanager
def byte_progress(name: str) -> Iterator[Callable[[int, int | None], None]]:
    """Show a bar of bytes; yields the callback for `fetch.fetch`."""
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        DownloadColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
        TransferSpeedColumn,
    )

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
    )
    progress = Progress(*columns, console=Console(stderr=True), transient=True)
    bar = progress.add_task(name, total=None)

    def update(done: int, total: int | None) -> None:
        progress.start()  # only now: what is in the cache shows no bar
        progress.update(bar, completed=done, total=total)

    try:
        yield update
    finally:
        if progress.live.is_started:
            progress.stop()


@contextmanager
def sweep_progress() -> Iterator[Callable[[str], Callable[[Progress], None]]]:
    """Show a bar for each sweep; yields what makes the callback of one, given its name."""
    from rich.console import Console
    from rich.progress import BarColumn, TaskID, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bars

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.percentage:.1f} % of {task.total:,} architectures"),
        TextColumn("{task.fields[rate]:,.0f} M/s"),
        TimeRemainingColumn(),
    )
    with Bars(*columns, console=Console(stderr=True)) as bars:

        def sweep(name: str) -> Callable[[Progress], None]:
            bar: TaskID | None = None

            def update(at: Progress) -> None:
                nonlocal bar
                if bar is None:  # only now: a sweep that is done shows no bar
                    bar = bars.add_task(name, total=at.total, rate=0.0)
                bars.update(bar, completed=at.resumed + at.done, rate=at.rate / 1e6)

            return update

        yield sweep
