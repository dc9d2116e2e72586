"""Searches at equal simulated hours, and at equal evaluations: `python -m benchmarks.equal_cost`.

Every optimizer searches every task twice with each seed: once until so many hours of training are
spent, as the bundled target train_time predicts them, and once for as many evaluations as random
search affords in these hours, in the median of its seeds. Prints tables in Markdown: how many
evaluations the hours were, how many hours the evaluations, and the exact regret of both. Runs that
are there in the folder are kept.
"""

from __future__ import annotations

import argparse
import statistics
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from anb_onnx import load
from anb_onnx._io.progress import Progress
from anb_onnx.experiments.comparison import Line, OfTask, compare
from anb_onnx.experiments.grid import read_history, search_tasks
from anb_onnx.experiments.run_files import Cell

COST = "train_time"

#: Those of one objective that tell optimizers apart, and accuracy alone, whose best train longest.
TASKS = (
    "accuracy-latency_zcu102-5ms-v1",
    "accuracy-latency_vck190-3ms-v1",
    "accuracy-throughput_a100-12000-v1",
    "accuracy-v1",
)
OPTIMIZERS = (
    *("random", "local-search", "simulated-annealing", "regularized-evolution"),
    "regularized-evolution-anb",
)
HOURS = 250.0


def used(out: Path, task: str, optimizer: str) -> tuple[float, float]:
    """Medians over the seeds: evaluations of a run, and the hours of all of them."""
    runs = [read_history(path) for path in Cell(out, task, optimizer).runs().values()]
    hours = [float(run.spent[-1]) / 3600 for run in runs]
    return statistics.median(len(run) for run in runs), statistics.median(hours)


def at_end(part: OfTask) -> dict[str, Line]:
    """The lines of a comparison at the end, by optimizer."""
    return {line.optimizer: line for line in part.lines if line.at == part.scale.budget}


def told(part: OfTask) -> str:
    """Say which pairs are not told apart."""
    alike = [f"{p.first} and {p.second}" for p in part.pairs if not p.differs]
    return "; ".join(alike) or "none"


def table(by_cost: OfTask, by_count: OfTask, folders: tuple[Path, Path]) -> Iterator[str]:
    """Yield the lines of one task."""
    task = by_cost.task
    hours, count = by_cost.scale.budget / 3600, by_count.scale.budget
    yield f"\n### `{task.name}`\n"
    yield (
        f"| optimizer | evaluations in {hours:g} h | regret [%] after {hours:g} h | mean rank | "
        f"hours of {count:g} evaluations | regret [%] after {count:g} evaluations | mean rank |"
    )
    yield "|---|--:|--:|--:|--:|--:|--:|"
    ends = at_end(by_cost), at_end(by_count)
    for name in by_cost.optimizers:
        cells = []
        for place, (of, folder) in enumerate(zip(ends, folders, strict=True)):
            evaluations, spent = used(folder, task.name, name)
            line = of[name]
            cells += [
                f"{spent:.0f}" if place else f"{evaluations:.0f}",
                f"{line.median:.3g} ({line.low:.3g} to {line.high:.3g})",
                f"{line.mean_rank:.2f}",
            ]
        yield f"| {name} | {' | '.join(cells)} |"
    yield (
        f"\nNot told apart after {hours:g} h: {told(by_cost)}. "
        f"After {count:g} evaluations: {told(by_count)}."
    )


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.equal_cost", description=__doc__)
    parser.add_argument("--seeds", type=int, default=50, metavar="N")
    parser.add_argument("--hours", type=float, default=HOURS, help=f"default: {HOURS:g}")
    parser.add_argument("--jobs", type=int, default=1, metavar="N", help="processes")
    parser.add_argument("--out", type=Path, default=Path("build/equal_cost"), metavar="FOLDER")
    args = parser.parse_args(argv)
    folders = args.out / "cost", args.out / "evaluations"
    print(
        f"{args.seeds} seeds; {args.hours:g} hours of training by {COST} (SHA-256 "
        f"{load(COST).sha256[:12]}); medians with 95 % bootstrap intervals, mean ranks over the "
        "seeds; pairs by signed ranks with Holm's correction, level 0.05."
    )
    for task in TASKS:
        sys.stderr.write(f"{task}\n")
        with Progress("runs", show=True) as progress:
            search_tasks(
                *([task], OPTIMIZERS, range(args.seeds), folders[0]),
                cost=COST,
                cost_budget=args.hours * 3600,
                kind="parquet",
                jobs=args.jobs,
                progress=progress,
            )
        count = round(used(folders[0], task, "random")[0])
        with Progress("runs", show=True) as progress:
            search_tasks(
                *([task], OPTIMIZERS, range(args.seeds), folders[1]),
                budget=count,
                cost=COST,
                kind="parquet",
                jobs=args.jobs,
                progress=progress,
            )
        (by_cost,), (by_count,) = (compare([folder], only=[task]).tasks for folder in folders)
        for line in table(by_cost, by_count, folders):
            print(line, flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
