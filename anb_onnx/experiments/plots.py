"""Plots of a comparison: regrets against what was used of the budget, fronts before the exact one.

By matplotlib, which only those need who ask for a plot.
"""

from __future__ import annotations

import io
import math
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anb_onnx._io.show import printable, show
from anb_onnx.errors import AnbError
from anb_onnx.experiments.comparison import Comparison, OfTask
from anb_onnx.experiments.fronts import median_attainment
from anb_onnx.experiments.report import number
from anb_onnx.parallel.extras import need

Floats = NDArray[np.float64]

#: Suffixes of what can be drawn.
SUFFIXES = (".png", ".pdf", ".svg")

# Okabe and Ito's colours, which most eyes tell apart; then again with other lines.
_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
_LINES = ("-", "--", ":")

_QUARTILES = (0.25, 0.5, 0.75)

# Stands for infinity where quantiles are interpolated.
_HUGE, _BEYOND = 1e150, 1e100


def check(path: str) -> None:
    """Refuse, before anything is read, what cannot be drawn.

    Raises
    ------
    AnbError
        If matplotlib is missing or the suffix names no format.
    """
    if Path(path).suffix.lower() not in SUFFIXES:
        msg = f"--plot {show(path)}: the suffix must be one of {', '.join(SUFFIXES)}"
        raise AnbError(msg)
    need("matplotlib.figure", extra="search", what="--plot")


def draw(comparison: Comparison, suffix: str) -> bytes:
    """Return a file with a panel of regrets for each task, and of fronts of two objectives.

    The same bytes for the same comparison and matplotlib.
    """
    matplotlib = need("matplotlib", extra="search", what="--plot")
    figures = need("matplotlib.figure", extra="search", what="--plot")
    styles = _styles([name for part in comparison.tasks for name in part.optimizers])
    panels: list[Callable[[Any], None]] = []
    for part in comparison.tasks:
        panels.append(partial(_draw_regrets, part=part, styles=styles))
        if part.fronts and len(part.task.objectives) == 2:
            panels.append(partial(_draw_fronts, part=part, styles=styles))
    across = min(2 if len(panels) <= 4 else 3, len(panels))
    down = -(-len(panels) // across)
    figure = figures.Figure(figsize=(5.2 * across, 3.9 * down + 0.6), layout="constrained")
    grid = figure.subplots(down, across, squeeze=False).ravel()
    for axes, panel in zip(grid, panels, strict=False):
        panel(axes)
        for side in ("top", "right"):
            axes.spines[side].set_visible(False)
    for axes in grid[len(panels) :]:
        axes.set_axis_off()
    handles = [grid[0].plot([], [], label=name, **style)[0] for name, style in styles.items()]
    figure.legend(
        handles=handles, loc="outside lower center", ncols=min(5, len(handles)), frameon=False
    )
    buffer = io.BytesIO()
    kind = suffix.lower().removeprefix(".")
    # Nothing of the day or of versions: the same comparison is the same file.
    metadata = {"png": {"Software": None}, "svg": {"Date": None}, "pdf": {"CreationDate": None}}
    with matplotlib.rc_context({"svg.hashsalt": "anb-onnx"}):
        figure.savefig(buffer, format=kind, dpi=130, metadata=metadata[kind])
    return buffer.getvalue()


def _styles(names: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Return how the line of each optimizer looks, the same in all panels."""
    return {
        name: {
            "color": _COLOURS[i % len(_COLOURS)],
            "linestyle": _LINES[i // len(_COLOURS) % len(_LINES)],
            "linewidth": 1.5,
        }
        for i, name in enumerate(dict.fromkeys(names))
    }


def _draw_regrets(axes: Any, part: OfTask, styles: Mapping[str, Mapping[str, Any]]) -> None:
    """Draw medians as steps and the middle half of the runs as bands."""
    scale = part.scale
    factor = 100.0 if part.fronts else 1.0
    bands = {name: factor * quartiles(curves) for name, curves in part.curves.items()}
    axes.set_xscale("log")
    levels = Levels.of(list(bands.values()))
    for name, (low, middle, high) in bands.items():
        style = styles[name]
        top = np.where(np.isfinite(high), levels.place(high), levels.top)
        shown = np.isfinite(low)
        axes.fill_between(
            *(part.marks, np.where(shown, levels.place(low), levels.top), top),
            step="post",
            where=shown,
            color=style["color"],
            alpha=0.18,
            linewidth=0,
        )
        line = np.where(np.isfinite(middle), levels.place(middle), np.nan)
        axes.plot(part.marks, line, drawstyle="steps-post", **style)
    levels.apply(axes)
    axes.set_xlim(part.marks[0], part.marks[-1])
    axes.set_xlabel(printable(scale.axis), parse_math=False)
    axes.set_ylabel(printable(part.measured), parse_math=False)
    axes.set_title(printable(part.task.name), fontsize=10, parse_math=False)


def quartiles(curves: Floats) -> Floats:
    """Return the quartiles of curves [runs, n_marks] at each mark: [3, n_marks], maybe infinite."""
    found = np.quantile(np.minimum(curves, _HUGE), _QUARTILES, axis=0)
    return np.where(found > _BEYOND, np.inf, found)


class Levels:
    """A logarithmic axis on which 0 has a place: a level of its own, below all that is drawn.

    Parameters
    ----------
    low, high : float
        Least and largest positive number that is drawn.
    zero : float or None
        Where 0 is drawn; None where there is none.
    """

    def __init__(self, low: float, high: float, zero: float | None) -> None:
        self.low, self.high, self.zero = low, high, zero
        self.top = high * (high / low) ** 0.05 * 1.05

    @classmethod
    def of(cls, drawn: Sequence[Floats]) -> Levels:
        """Return levels for what is drawn."""
        values = np.concatenate([array.ravel() for array in drawn])
        positive = values[np.isfinite(values) & (values > 0)]
        low, high = (positive.min(), positive.max()) if len(positive) else (0.1, 1.0)
        zero = low / max((high / low) ** 0.12, 2.0) if (values == 0).any() else None
        return cls(float(low), float(high), None if zero is None else float(zero))

    def place(self, values: Floats) -> Floats:
        """Return where values are drawn."""
        return values if self.zero is None else np.where(values == 0, self.zero, values)

    def ticks(self) -> list[float]:
        """Return the positive numbers that get a label."""
        decades = range(math.floor(math.log10(self.low)), math.ceil(math.log10(self.high)) + 1)
        for steps in ((1,), (1, 3), (1, 2, 5), (1, 1.5, 2, 3, 4, 5, 6, 7, 8, 9)):
            found = [s * 10.0**e for e in decades for s in steps]
            found = [tick for tick in found if self.low <= tick <= self.top]
            if len(found) >= 3:
                break
        return found[:: -(-len(found) // 8)] if found else [self.low]

    def apply(self, axes: Any) -> None:
        """Give the axis its scale, its labels and the line above 0."""
        ticks = self.ticks()
        labels = [f"{tick:.3g}" for tick in ticks]
        axes.set_yscale("log")
        bottom = self.low / (self.high / self.low) ** 0.03
        if self.zero is not None:
            ticks, labels = [self.zero, *ticks], ["0", *labels]
            edge = math.sqrt(self.zero * self.low)
            axes.axhline(edge, color="0.6", linewidth=0.7, linestyle=(0, (2, 3)))
            bottom = self.zero / (self.low / self.zero) ** 0.35
        axes.set_yticks(ticks, labels=labels)
        axes.set_yticks([], minor=True)
        axes.set_ylim(bottom, self.top)


def _draw_fronts(axes: Any, part: OfTask, styles: Mapping[str, Mapping[str, Any]]) -> None:
    """Draw median attainment surfaces before the exact front, the first objective upwards."""
    problem = part.task.problem()

    def right_and_up(losses: Floats) -> Floats:
        corners = np.column_stack([np.repeat(losses[:, 0], 2)[1:], np.repeat(losses[:, 1], 2)[:-1]])
        return problem.values_of(corners).T[::-1]

    front = problem.losses(part.task.front.values)
    front = front[np.argsort(front[:, 0])]
    axes.fill_between(*right_and_up(front), color="0.9", linewidth=0, zorder=0)
    axes.plot(*right_and_up(front), color="0.35", linewidth=1.0, zorder=1)
    for name, fronts in part.fronts.items():
        surface = median_attainment(fronts)
        if len(surface):
            axes.plot(*right_and_up(surface), **styles[name], zorder=2)
    up, right = ((n, u) for n, u in zip(problem.names, problem.units, strict=True))
    for (name, unit), label_axis in ((up, axes.set_ylabel), (right, axes.set_xlabel)):
        label_axis(printable(f"{name} [{unit}]"), parse_math=False)
    worst, best = np.sort(problem.values_of(front)[:, 0])[[0, -1]]
    axes.set_ylim(worst - 0.05 * (best - worst), best + 0.05 * (best - worst))
    title = (
        f"fronts after {number(part.scale.budget)} {part.scale.axis}: median of the runs, and the "
        "exact one (grey)"
    )
    axes.set_title(printable(title), fontsize=8, parse_math=False)
