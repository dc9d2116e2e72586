"""A plot of one search: regret or best so far, or the front that was found."""

from __future__ import annotations

from typing import Any

import numpy as np

from anb_onnx._io.show import printable, show
from anb_onnx.errors import SearchError, TruthError
from anb_onnx.parallel.extras import need
from anb_onnx.search.objective import Floats

_ALL, _FOUND, _EXACT = "#b8c4d6", "#c0392b", "#1f4e9c"


def plot(history: Any, axes: Any, over: str = "evaluations") -> Any:
    """Draw a `History`, which imports this module; see `History.plot`."""
    if history.n_objectives > 2:
        msg = f"plots are of one or two objectives, not of {history.n_objectives}"
        raise SearchError(msg)
    if over not in ("evaluations", "cost") or (over == "cost" and history.n_objectives > 1):
        msg = f"over is 'evaluations', or of one objective 'cost', not {show(over)}"
        raise SearchError(msg)
    if not len(history):
        msg = "there is nothing to plot: no evaluation was made"
        raise SearchError(msg)
    if axes is None:
        pyplot = need("matplotlib.pyplot", extra="plot", what="history.plot()")
        axes = pyplot.subplots(layout="constrained")[1]
    if history.n_objectives == 1:
        _draw_course(axes, history, over)
    else:
        _draw_front(axes, history)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    return axes


def _draw_course(axes: Any, history: Any, over: str) -> None:
    (name,), (unit,) = history.names, history.units
    try:
        course, what = history.regret, "regret of"
    except TruthError:
        course, what = history.best_so_far, "best"
    counted = over == "evaluations"
    used = np.arange(1, len(history) + 1) if counted else history.spent
    axes.step(used, course, where="post", color=_EXACT)
    if what != "best":
        _set_log(axes, course)
    axes.set_xlabel(over if counted else _label("cost", history.cost_unit), parse_math=False)
    axes.set_ylabel(_label(f"{what} {name}", unit), parse_math=False)


def _set_log(axes: Any, regret: Floats) -> None:
    """Have a logarithmic axis that has room for 0, too, where a search found the optimum."""
    positive = regret[regret > 0]
    if not len(positive):
        axes.set_ylim(bottom=0.0)
    elif (regret == 0).any():
        axes.set_yscale("symlog", linthresh=float(positive.min()))
        axes.set_ylim(bottom=0.0)
    else:
        axes.set_yscale("log")


def _draw_front(axes: Any, history: Any) -> None:
    """Draw two objectives: the first one upwards, the second one to the right."""
    means = history.means[history.feasible]
    style: dict[str, Any] = {"linewidths": 0, "rasterized": True}
    label = f"evaluated ({len(means):,})"
    axes.scatter(means[:, 1], means[:, 0], s=4, color=_ALL, label=label, **style)
    try:
        exact = history.front
    except TruthError:
        exact = None
    if exact is not None:
        label = f"exact front ({len(exact):,})"
        axes.plot(*_stairs(exact, history), color=_EXACT, linewidth=1.0, label=label)
    found = history.means[history.nondominated()]
    if len(found):
        axes.plot(*_stairs(found, history), color=_FOUND, linewidth=0.8, alpha=0.6)
        label = f"found ({len(found):,})"
        axes.scatter(found[:, 1], found[:, 0], s=8, color=_FOUND, label=label, zorder=3)
    (up, right), (up_unit, right_unit) = history.names, history.units
    axes.set_ylabel(_label(up, up_unit), parse_math=False)
    axes.set_xlabel(_label(right, right_unit), parse_math=False)
    axes.legend(fontsize=8, loc="best", frameon=False)


def _stairs(values: Floats, history: Any) -> tuple[Floats, Floats]:
    """Return the border of what points, none dominated, dominate: right and up."""
    sign = 1.0 if history.directions[0] == "max" else -1.0
    up, right = values[np.argsort(-sign * values[:, 0], kind="stable")].T
    # From the best of the first objective on; to the next first along the axis on which it is
    # worse.
    return np.repeat(right, 2)[:-1], np.repeat(up, 2)[1:]


def _label(name: str, unit: str) -> str:
    return printable(f"{name} [{unit}]" if unit else name)
