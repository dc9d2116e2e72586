"""Plots of a study: tau and ranks against size, tau against what a fit costs.

Colours are Okabe and Ito's, one for each family of predictors; within a family lines and everywhere
markers differ, so that the plots can be read in black and white, too.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np

from anb_export.predictors.registry import KINDS
from anb_export.reports.plots import STYLE, compress
from anb_export.study.report_figures import Ranks, complete, mean_of, median_of, ranks_at
from anb_export.study.report_rows import Fits
from anb_export.study.report_tables import count, title_of
from anb_onnx._io.show import printable

_COLOURS = ("#0072B2", "#D55E00", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#000000", "#777777")
_LINES = ("-", "--", ":", "-.")
_MARKERS = "osD^v<>P*Xpd"
_OF_LINES = ("linestyle", "linewidth")

#: Ticks of tau, on a scale on which 1 - tau is logarithmic.
_TICKS = (0.0, 0.2, 0.4, 0.5, 0.6, 0.7, 0.8, 0.85, 0.9, 0.93, 0.95, 0.97, 0.98, 0.99, 0.995)
_TOP = 0.9999

#: Transparency of bands.
_FAINT = 0.12


def plots(fits: Fits, sizes: Sequence[int]) -> dict[str, bytes]:
    """Draw the plots of one space.

    Parameters
    ----------
    fits : Fits
    sizes : sequence of int
        Those whose costs are drawn.

    Returns
    -------
    dict of str to bytes
        PNG files: ``tau``, ``cost`` and, if anything can be ranked, ``ranks``. The same bytes for
        the same fits and matplotlib. Without fits for all targets there is no ``cost``.
    """
    styles = styles_of(fits.predictors)
    panels = (None, *(fits.targets if len(fits.targets) > 1 else ()))
    tau = [partial(_draw_tau, fits=fits, target=target, styles=styles) for target in panels]
    found = {"tau": _figure(tau, styles, across=min(3, len(tau)))}
    priced = [size for size in sizes if complete(fits, size)]
    cost = [partial(_draw_cost, fits=fits, size=size, styles=styles) for size in priced]
    if cost:
        found["cost"] = _figure(cost, styles, across=min(2 if len(cost) == 4 else 3, len(cost)))
    ranks = [r for size in fits.sizes if (r := ranks_at(fits, size)) is not None]
    if ranks:
        found["ranks"] = _figure(
            [partial(_draw_ranks, ranks=ranks, styles=styles)], styles, across=1
        )
    return found


def styles_of(predictors: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Return how each predictor looks, the same in all plots and whichever others are there."""
    modules = {kind.name: kind.where.partition(":")[0] for kind in KINDS}
    families = list(dict.fromkeys(modules.values()))
    order = [*modules, *sorted(set(predictors) - modules.keys())]
    seen: dict[str, int] = {}
    found = {}
    for place, name in enumerate(order):
        family = modules.get(name, "")
        number = families.index(family) if family in families else len(families)
        line = seen[family] = seen.get(family, -1) + 1
        hollow = place // len(_MARKERS) % 2 == 1
        found[name] = {
            "color": _COLOURS[number % len(_COLOURS)],
            "linestyle": _LINES[line % len(_LINES)],
            "marker": _MARKERS[place % len(_MARKERS)],
            "markersize": 5.0,
            "fillstyle": "none" if hollow else "full",
            "markeredgewidth": 1.3 if hollow else 0.5,
            "linewidth": 1.4,
        }
    return {name: found[name] for name in predictors}


def _figure(
    panels: Sequence[Callable[[Any], None]],
    styles: Mapping[str, Mapping[str, Any]],
    *,
    across: int,
) -> bytes:
    """Return a PNG with these panels and a legend below them."""
    import matplotlib.style
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    down = -(-len(panels) // across)
    columns = min(2 + 2 * (across > 1), len(styles))
    legend = 0.26 * -(-len(styles) // columns)
    width = 7.5 if across == 1 else 4.6 * across
    # The user's own matplotlib settings must not show in the file.
    with matplotlib.style.context(["default", STYLE]):
        figure = Figure(figsize=(width, 3.9 * down + legend), dpi=100, layout="constrained")
        canvas = FigureCanvasAgg(figure)
        grid = figure.subplots(down, across, squeeze=False).ravel()
        for axes, panel in zip(grid, panels, strict=False):
            panel(axes)
        for axes in grid[len(panels) :]:
            axes.set_axis_off()
        handles = [grid[0].plot([], [], label=title_of(n), **s)[0] for n, s in styles.items()]
        figure.legend(handles=handles, loc="outside lower center", ncols=columns)
        canvas.draw()
        pixels = np.asarray(canvas.buffer_rgba())[..., :3]
    return compress(pixels)


def _draw_tau(
    axes: Any, fits: Fits, target: str | None, styles: Mapping[str, Mapping[str, Any]]
) -> None:
    """Draw means and bands of one standard deviation over seeds, for a target or all."""
    lowest = 1.0
    for name, style in styles.items():
        found = [(s, m) for s in fits.sizes if (m := mean_of(fits, name, s, target=target))]
        for run in _neighbours(fits.sizes, found):
            sizes = [size for size, _ in run]
            mean = np.array([m.value for _, m in run])
            std = np.nan_to_num(np.array([m.std for _, m in run]))
            axes.fill_between(
                sizes, mean - std, mean + std, color=style["color"], alpha=_FAINT, linewidth=0
            )
            axes.plot(sizes, mean, **style)
        lowest = min([lowest, *(m.value for _, m in found)])
    _tau_axis(axes, "y", lowest)
    _size_axis(axes, fits.sizes)
    one = fits.targets[0] if len(fits.targets) == 1 else f"mean over {len(fits.targets)} targets"
    title = one if target is None else target
    axes.set_title(printable(title), fontsize=10, parse_math=False)
    axes.set_ylabel("Kendall's τ; band: ± std over seeds")


def _neighbours(sizes: Sequence[int], found: Sequence[tuple[int, Any]]) -> Iterator[list[Any]]:
    """Yield runs of sizes without a gap: no line is drawn over what was not studied."""
    run: list[tuple[int, Any]] = []
    for entry in found:
        if run and sizes.index(entry[0]) != sizes.index(run[-1][0]) + 1:
            yield run
            run = []
        run.append(entry)
    if run:
        yield run


def _tau_axis(axes: Any, which: str, lowest: float) -> None:
    """Make 1 - tau logarithmic, so that .98 and .99 are as far apart as .8 and .9."""

    def forward(tau: Any) -> Any:
        return -np.log10(1 - np.minimum(tau, _TOP))

    def inverse(place: Any) -> Any:
        return 1 - 10.0 ** -np.asarray(place)

    getattr(axes, f"set_{which}scale")("function", functions=(forward, inverse))
    axis = getattr(axes, f"{which}axis")
    low, high = getattr(axes, f"get_{which}lim")()
    low = max(low, lowest - 0.08 * (1 - lowest))
    high = min(high, _TOP)
    ticks = [tick for tick in _TICKS if low <= tick <= high]
    axis.set_ticks(ticks, [f"{tick:g}" for tick in ticks], minor=False)
    axis.set_ticks([], minor=True)
    getattr(axes, f"set_{which}lim")(low, high)
    axes.grid(axis=which, color="0.9", linewidth=0.6)
    axes.set_axisbelow(True)


def _size_axis(axes: Any, sizes: Sequence[int]) -> None:
    axes.set_xscale("log")
    axes.xaxis.set_ticks(list(sizes), [count(size) for size in sizes], rotation=45, fontsize=8)
    axes.xaxis.set_ticks([], minor=True)
    axes.set_xlabel("measurements")


def _draw_cost(axes: Any, fits: Fits, size: int, styles: Mapping[str, Mapping[str, Any]]) -> None:
    """Draw tau against CPU seconds, and the front of what is better the longer it takes."""
    points = []
    for name in complete(fits, size):
        seconds, mean = median_of(fits, name, size, "fit_seconds"), mean_of(fits, name, size)
        if seconds is not None and mean is not None:
            points.append((max(seconds, 1e-4), mean.value))
            look = {k: v for k, v in styles[name].items() if k not in _OF_LINES}
            axes.plot(
                *points[-1], linestyle="", zorder=3, clip_on=False, **{**look, "markersize": 8}
            )
    axes.set_xscale("log")
    front: list[tuple[float, float]] = []
    for seconds, tau in sorted(points, key=lambda point: (point[0], -point[1])):
        if not front or tau > front[-1][1]:
            front.append((seconds, tau))
    across, up = zip(*front, strict=True)
    axes.step(across, up, where="post", color="0.6", linewidth=1.0, zorder=1)
    _tau_axis(axes, "y", min(tau for _, tau in points))
    axes.set_title(f"{count(size)} measurements", fontsize=10)
    axes.set_xlabel("CPU seconds of a fit (median)")
    axes.set_ylabel("Kendall's τ, mean over targets")


def _draw_ranks(axes: Any, ranks: Sequence[Ranks], styles: Mapping[str, Mapping[str, Any]]) -> None:
    """Draw mean ranks, the best above; the title has the critical differences."""
    sizes = [found.size for found in ranks]
    for name, style in styles.items():
        found = [(r.size, r.ranks[r.predictors.index(name)]) for r in ranks if name in r.predictors]
        for run in _neighbours(sizes, found):
            axes.plot([s for s, _ in run], [rank for _, rank in run], **style)
    axes.invert_yaxis()
    _size_axis(axes, sizes)
    axes.set_ylabel("mean rank over targets, 1 is the best")
    differences = [r.difference for r in ranks if not math.isnan(r.difference)]
    if differences:
        least, most = min(differences), max(differences)
        said = f"{least:.1f}" if least == most else f"{least:.1f} to {most:.1f}"
        title = f"critical difference (Nemenyi, level 0.05): {said}"
        axes.set_title(title, fontsize=10)
