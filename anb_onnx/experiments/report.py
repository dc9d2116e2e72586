"""A comparison as tables and sentences, as plain data and as rows."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from anb_onnx.experiments.comparison import LEVEL, Comparison, OfTask, OverTasks, Pair

FORMAT, VERSION = "anb-onnx compare", 1

#: Columns of the table as CSV.
COLUMNS = (
    *("task", "measure", "unit", "optimizer", "at", "axis", "runs"),
    *("median", "low", "high", "mean_rank", "found"),
)


@dataclass(frozen=True)
class Table:
    """A table: its header, its cells, and the names of columns that hold numbers."""

    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    numbers: tuple[str, ...]


@dataclass(frozen=True)
class Section:
    """A heading, and what stands below it in order."""

    title: str
    parts: tuple[str | Table, ...]


def sections(comparison: Comparison) -> Iterator[Section]:
    """Yield a section for each task, and one for each ranking over tasks."""
    for part in comparison.tasks:
        yield Section(part.task.name, tuple(_of_task(part)))
    for over in comparison.rankings:
        yield Section(f"Over the {len(over.tasks)} tasks of {over.kind}", tuple(_over(over)))


def _of_task(part: OfTask) -> Iterator[str | Table]:
    scale = part.scale
    budget = "budget" if scale.limited else "the shortest run has"
    yield (
        f"{part.task.description[0].upper()}{part.task.description[1:]}; {budget} "
        f"{number(scale.budget)} {scale.axis}; {part.measured}, median and its "
        f"95 % bootstrap interval; mean rank over {_seeds(part.seeds)} that all have."
    )
    header = ("optimizer", "after", "runs", "median", "from", "to", "mean rank", "found")
    rows = [
        (
            line.optimizer,
            number(line.at),
            str(line.runs),
            _regret(part, line.median),
            _regret(part, line.low),
            _regret(part, line.high),
            "-" if math.isnan(line.mean_rank) else f"{line.mean_rank:.2f}",
            f"{line.found}",
        )
        for line in part.lines
    ]
    yield Table(header, tuple(rows), header[1:])
    within = f"runs within {_regret(part, scale.near)} {_distance(part)}".strip()
    until = f"median {scale.axis} until then"
    soon = [
        (near.optimizer, str(near.reached), number(near.median, "more than the budget"))
        for near in part.near
    ]
    yield Table(("optimizer", within, until), tuple(soon), (within, until))
    if part.beyond:
        points = ", ".join(map(number, part.beyond))
        most = "the budget is" if scale.limited else "the shortest run has"
        yield f"Not shown: after {points}; {most} {number(scale.budget)} {scale.axis}."
    for label, seeds in part.missing.items():
        yield f"{label} lacks {_seeds(seeds)}."
    yield from _sentences(part)


def _distance(part: OfTask) -> str:
    """Return what a distance from the best is counted in: of a percentage, points."""
    if part.task.known is None:
        return "% of the exact front's hypervolume"
    return "percentage points" if part.unit == "%" else part.unit


def _sentences(part: OfTask) -> Iterator[str]:
    if not part.pairs:
        return
    few = min(p.first_better + p.second_better + p.equal for p in part.pairs)
    yield (
        "At the end, by Wilcoxon's signed-rank test over seeds that both have, corrected by "
        f"Holm's method for {_pairs(len(part.pairs))} (level {LEVEL:g}):"
    )
    for pair in sorted(part.pairs, key=lambda pair: pair.corrected):
        yield f"{_said(pair)} ({_counted(pair)}; p = {pair.corrected:.2g})."
    if few < 6:
        yield f"With {few} seeds in common this test can hardly tell anything apart."


def _pairs(n: int) -> str:
    return "1 pair" if n == 1 else f"{n} pairs"


def _said(pair: Pair) -> str:
    if not pair.differs:
        return f"{pair.first} and {pair.second} are not told apart"
    worse = pair.second if pair.better == pair.first else pair.first
    return f"{pair.better} is better than {worse}"


def _counted(pair: Pair) -> str:
    return (
        f"{pair.first} in {pair.first_better} seeds, {pair.second} in {pair.second_better}, "
        f"equal in {pair.equal}"
    )


def _over(over: OverTasks) -> Iterator[str | Table]:
    yield f"Tasks: {', '.join(over.tasks)}."
    if over.ranking is None:
        yield f"Not ranked: {over.reason}."
        return
    ranking = over.ranking
    order = sorted(range(len(over.optimizers)), key=lambda i: ranking.ranks[i])
    yield Table(
        ("optimizer", "mean rank"),
        tuple((over.optimizers[i], f"{ranking.ranks[i]:.2f}") for i in order),
        ("mean rank",),
    )
    yield (
        f"Ranks of median regrets at the end. Friedman's test that all rank alike: p = "
        f"{ranking.p:.2g}. Nemenyi's critical difference (level {LEVEL:g}): "
        f"{ranking.difference:.2f}."
    )
    for group in ranking.groups:
        yield f"Not told apart: {', '.join(over.optimizers[i] for i in group)}."


def rows(comparison: Comparison) -> Iterator[tuple[str, ...]]:
    """Yield the lines of all tasks as text, in the order of `COLUMNS`; empty where undefined."""
    for part in comparison.tasks:
        for line in part.lines:
            yield (
                *(part.task.name, part.scale.measure, part.scale.unit, line.optimizer),
                *(repr(line.at), part.scale.axis, str(line.runs)),
                *(_plain(v) for v in (line.median, line.low, line.high, line.mean_rank)),
                str(line.found),
            )


def document(comparison: Comparison) -> dict[str, Any]:
    """Return a comparison as JSON has it; null for what is infinite or undefined."""
    return {
        "format": FORMAT,
        "version": VERSION,
        "tasks": [_task_document(part) for part in comparison.tasks],
        "rankings": [_finite(dataclasses.asdict(over)) for over in comparison.rankings],
    }


def _task_document(part: OfTask) -> dict[str, Any]:
    found: dict[str, Any] = _finite(
        {
            "task": part.task.name,
            "scale": dataclasses.asdict(part.scale),
            "optimizers": part.optimizers,
            "seeds": part.seeds,
            "missing": part.missing,
            "lines": [dataclasses.asdict(line) for line in part.lines],
            "beyond": list(part.beyond),
            "near": [dataclasses.asdict(near) for near in part.near],
            "pairs": [{**dataclasses.asdict(p), "differs": p.differs} for p in part.pairs],
        }
    )
    return found


def _finite(value: Any) -> Any:
    """Return plain data with None for numbers that JSON has not."""
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _plain(value: float) -> str:
    return "" if math.isnan(value) else repr(value)


def number(value: float, infinite: str = "-") -> str:
    """Return a count, or an amount of a budget, as text.

    Examples
    --------
    >>> number(10000.0), number(0.0125), number(float("inf"))
    ('10,000', '0.0125', '-')
    """
    if not math.isfinite(value):
        return infinite
    return f"{value:,.0f}" if value == round(value) else f"{value:,.4g}"


def _regret(part: OfTask, value: float) -> str:
    """Return a regret as text; one of a hypervolume as per cent."""
    if math.isnan(value):
        return "-"
    if math.isinf(value):
        return "none feasible"
    return f"{100 * value if part.fronts else value:.4g}"


def _seeds(seeds: Sequence[int]) -> str:
    if not seeds:
        return "no seeds"
    one = len(seeds) == 1
    return f"{'seed' if one else f'{len(seeds)} seeds,'} {ranges(seeds)}"


def ranges(numbers: Iterable[int]) -> str:
    """Return ascending numbers as text, with those in a row as a range.

    Examples
    --------
    >>> ranges([0, 1, 2, 5, 7, 8])
    '0 to 2, 5, 7, 8'
    """
    runs: list[list[int]] = []
    for n in numbers:
        if runs and n == runs[-1][-1] + 1:
            runs[-1].append(n)
        else:
            runs.append([n])
    parts = [f"{run[0]} to {run[-1]}" if len(run) > 2 else ", ".join(map(str, run)) for run in runs]
    return ", ".join(parts)
