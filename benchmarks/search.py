"""Optimizers on tasks, 50 seeds each: `python -m benchmarks.search --seeds 50`.

Runs what is missing in a folder (about half an hour of one processor for all), and prints tables in
Markdown: exact regret or hypervolume regret at the end with 95 % intervals, what a run took, and
how that compares with the queries in it alone. SMS-EMOA is left out: it takes 2 ms of its own for
an evaluation, which would be another half hour.
"""

from __future__ import annotations

import argparse
import csv
import statistics
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from anb_onnx import sample, tasks
from anb_onnx._io.progress import Progress
from anb_onnx.engines.base import Outputs
from anb_onnx.experiments.comparison import Comparison, OfTask, compare
from anb_onnx.experiments.grid import search_tasks
from anb_onnx.experiments.plots import draw
from anb_onnx.experiments.report import number
from anb_onnx.experiments.run_files import TIMINGS, Cell
from anb_onnx.problems.task import Task

#: What is searched by which optimizers: the constrained tasks first, then the fronts, the others.
ONE = (
    *(t.name for t in tasks() if len(t.objectives) == 1 and t.constraints),
    *("reward-throughput_vck190-v1", "accuracy-v1", "accuracy-noisy-v1", "accuracy-gpu-hours-v1"),
)
FRONTS = ("accuracy-throughput_a100-front-v1", "accuracy-latency_zcu102-front-v1")
SEARCHES: tuple[tuple[tuple[str, ...], tuple[str, ...]], ...] = (
    (
        ONE,
        (
            *("random", "local-search", "simulated-annealing", "regularized-evolution"),
            *("regularized-evolution-anb", "reinforce"),
        ),
    ),
    (FRONTS, ("random", "nsga2", "nsga3")),
)

#: What the plot shows.
PLOTTED = ("accuracy-latency_zcu102-5ms-v1", "accuracy-v1", *FRONTS)

_BATCH, _SECONDS = 100, 0.2


def engine_microseconds(task: Task, rows: int) -> float:
    """Processor time of all queries of an evaluation, in batches of so many rows, for one row."""
    problem = task.problem()
    codes = sample(rows, seed=0, space=problem.space)
    total = 0.0
    for surrogate in problem.surrogates:
        out = Outputs.empty(rows, surrogate.n_members, members=False)
        rounds = []
        for _ in range(5):
            count, began = 0, time.process_time()
            while time.process_time() - began < _SECONDS / 5:
                for _ in range(20):
                    surrogate.query_codes(codes, out=out)
                count += 20
            rounds.append((time.process_time() - began) / count / rows)
        total += min(rounds)
    return 1e6 * total


def took(cell: Cell) -> tuple[float, float, float]:
    """Medians of a cell's runs: seconds of the clock, evaluations/s, processor us an evaluation."""
    with (cell.folder / TIMINGS).open(newline="") as file:
        rows = list(csv.DictReader(file))
    wall = statistics.median(float(row["wall_seconds"]) for row in rows)
    rate = statistics.median(float(row["evaluations_per_second"]) for row in rows)
    cpu = statistics.median(float(r["cpu_seconds"]) / float(r["evaluations"]) for r in rows)
    return wall, rate, 1e6 * cpu


def table(part: OfTask, out: Path) -> Iterator[str]:
    """Yield the lines of one task."""
    task, scale = part.task, part.scale
    single, batched = (engine_microseconds(task, rows) for rows in (1, _BATCH))
    yield f"\n### `{task.name}`\n"
    yield (
        f"{task.description[0].upper()}{task.description[1:]}; {number(scale.budget)} "
        f"{scale.axis}. The queries of an evaluation take {single:.2f} us one by one, "
        f"{batched:.2f} us in batches of {_BATCH}.\n"
    )
    yield (
        f"| optimizer | {part.measured} | 95 % interval | mean rank | found | s a run | "
        "evaluations/s | us an evaluation | times the queries, one by one |"
    )
    yield "|---|--:|--:|--:|--:|--:|--:|--:|--:|"
    factor = 100.0 if len(task.objectives) > 1 else 1.0
    for line in part.lines:
        if line.at != scale.budget:
            continue
        wall, rate, cpu = took(Cell(out, task.name, line.optimizer))
        low, middle, high = (factor * v for v in (line.low, line.median, line.high))
        yield (
            f"| {line.optimizer} | {middle:.3g} | {low:.3g} to {high:.3g} | "
            f"{line.mean_rank:.2f} | {line.found} of {line.runs} | {wall:.3f} | {rate:,.0f} | "
            f"{cpu:.1f} | {cpu / single:.1f} |"
        )
    told = [pair for pair in part.pairs if not pair.differs]
    if told:
        names = "; ".join(f"{p.first} and {p.second} (p = {p.corrected:.2g})" for p in told)
        yield f"\nNot told apart: {names}."
    else:
        yield "\nEvery two are told apart."


def report(found: Comparison, out: Path, seeds: int) -> Iterator[str]:
    """Yield the lines of the page."""
    yield f"{seeds} seeds; medians over runs, signed ranks by pair with Holm's correction."
    for part in found.tasks:
        yield from table(part, out)
    for over in found.rankings:
        yield f"\n### Over {len(over.tasks)} tasks of {over.kind}\n"
        if over.ranking is None:
            yield f"Not ranked: {over.reason}."
            continue
        ranking = over.ranking
        yield "| optimizer | mean rank |\n|---|--:|"
        for rank, name in sorted(zip(ranking.ranks, over.optimizers, strict=True)):
            yield f"| {name} | {rank:.2f} |"
        yield f"\nCritical difference {ranking.difference:.2f}; Friedman p = {ranking.p:.2g}."
        for group in ranking.groups:
            yield f"Not told apart: {', '.join(over.optimizers[i] for i in group)}."


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.search", description=__doc__)
    parser.add_argument("--seeds", type=int, default=50, metavar="N")
    parser.add_argument("--jobs", type=int, default=1, metavar="N", help="processes")
    parser.add_argument("--out", type=Path, default=Path("build/search"), metavar="FOLDER")
    parser.add_argument("--plot", type=Path, metavar="FILE", help="draw some tasks")
    parser.add_argument("--budget", type=int, metavar="N", help="evaluations, to try it out")
    args = parser.parse_args(argv)
    for names, optimizers in SEARCHES:
        for optimizer in optimizers:
            sys.stderr.write(f"{optimizer}\n")
            with Progress("runs", show=True) as progress:
                search_tasks(
                    names,
                    [optimizer],
                    range(args.seeds),
                    args.out,
                    budget=args.budget,
                    kind="parquet",
                    jobs=args.jobs,
                    progress=progress,
                )
    with Progress("runs read", show=True) as progress:
        found = compare([args.out], progress=progress)
    for line in report(found, args.out, args.seeds):
        print(line)
    if args.plot is not None:
        some = tuple(part for part in found.tasks if part.task.name in PLOTTED)
        args.plot.write_bytes(draw(Comparison(some, ()), args.plot.suffix))
    return 0


if __name__ == "__main__":
    sys.exit(main())
