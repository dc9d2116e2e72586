"""The figures of many draws as one: means and standard deviations, per device and over devices."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from benchmarks.few_shot.cells import ROWS, Cell

#: What is measured of predictions, in the order of the tables.
FIGURES = ("spearman", "kendall", "mape", "median", "coverage", "width")


@dataclass(frozen=True)
class Line:
    """What came of a method for a device, a design and a number of samples.

    `mean` and `sd` are by kind of rows and figure; `sd` is over draws, with n - 1.
    """

    space: str
    role: str
    task: str
    device: str
    method: str
    design: str
    n: int
    draws: int
    mean: dict[str, dict[str, float]]
    sd: dict[str, dict[str, float]]


def lines(found: Iterable[tuple[Cell, dict[str, Any]]]) -> list[Line]:
    """Return a line for each cell and method."""
    listed = []
    for cell, content in found:
        question, draws = cell.question, content["draws"]
        for method in cell.methods:
            scores = [draw["scores"][method] for draw in draws]
            mean: dict[str, dict[str, float]] = {}
            sd: dict[str, dict[str, float]] = {}
            for rows in ROWS:
                for figure in FIGURES:
                    if figure not in scores[0].get(rows, {}):
                        continue
                    values = [score[rows][figure] for score in scores]
                    mean.setdefault(rows, {})[figure] = float(np.mean(values))
                    spread = float(np.std(values, ddof=1)) if len(values) > 1 else 0.0
                    sd.setdefault(rows, {})[figure] = spread
            place = question.space, question.role, question.task, question.device
            listed.append(Line(*place, method, cell.design, cell.n, len(draws), mean, sd))
    return listed


def over_devices(group: Sequence[Line]) -> Line:
    """Return the mean of lines that differ in their device alone; `sd` is their mean, too."""
    first = group[0]

    def average(of: list[dict[str, dict[str, float]]]) -> dict[str, dict[str, float]]:
        return {
            rows: {figure: float(np.mean([one[rows][figure] for one in of])) for figure in figures}
            for rows, figures in of[0].items()
        }

    return Line(
        first.space, first.role, first.task, f"mean of {len(group)}", first.method, first.design,
        first.n, first.draws, average([x.mean for x in group]), average([x.sd for x in group]),
    )  # fmt: skip
