"""The plot of a model card: predictions against measurements, and observed coverage."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anb_export.reports.evaluate_artifact import Evaluation, ReportError
from anb_onnx.calibration import Calibration

# Okabe and Ito's palette, which colour-blind readers can tell apart.
_BLUE, _SKY, _ORANGE, _GREY = "#0072B2", "#56B4E9", "#D55E00", "#555555"

#: Level of the error bars.
INTERVAL = 0.9

#: Settings of every plot here, over matplotlib's own defaults.
STYLE = {
    "font.family": "DejaVu Sans",  # comes with matplotlib: the same everywhere
    "font.size": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": _GREY,
    "axes.titlesize": 11,
    "axes.titlelocation": "left",
    "legend.frameon": False,
    "legend.fontsize": 9,
}


def plot(evaluation: Evaluation) -> bytes:
    """Draw the plot of a measured target.

    Returns
    -------
    bytes
        A PNG of 1000 x 450 pixels; the same bytes for the same evaluation and matplotlib.

    Raises
    ------
    ReportError
        If the target is exact.
    """
    import matplotlib.style
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    calibration = evaluation.calibration
    if calibration is None:
        msg = f"{evaluation.spec.name} is exact; there is nothing to plot"
        raise ReportError(msg)
    # The user's own matplotlib settings must not show in the file.
    with matplotlib.style.context(["default", STYLE]):
        figure = Figure(figsize=(10, 4.5), dpi=100, layout="constrained")
        canvas = FigureCanvasAgg(figure)
        left, right = figure.subplots(1, 2)
        _draw_predictions(left, evaluation, calibration)
        _draw_coverage(right, evaluation, calibration)
        canvas.draw()
        pixels = np.asarray(canvas.buffer_rgba())[..., :3]
    return compress(pixels)


def observed_coverage(
    evaluation: Evaluation, levels: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the shares of test rows inside the calibrated and inside the normal intervals.

    Parameters
    ----------
    evaluation : Evaluation
        Of a measured target.
    levels : ndarray of float64, shape (k,)

    Returns
    -------
    calibrated, normal : ndarray of float64, shape (k,)
        Inside `Calibration.interval`, and inside what a normal distribution with the members' own
        std would give.
    """
    from scipy.stats import norm

    rows = evaluation.rows
    if evaluation.calibration is None:
        return np.ones(len(levels)), np.ones(len(levels))
    calibrated = []
    for level in levels:
        lower, upper = evaluation.calibration.interval(rows.mean, rows.std, float(level))
        calibrated.append(np.mean((rows.measured >= lower) & (rows.measured <= upper)))
    error = np.abs(rows.measured - rows.mean)
    half = norm.ppf((1 + levels) / 2)[:, np.newaxis] * rows.std
    return np.array(calibrated), np.mean(error <= half, axis=1)


def _draw_predictions(axes: Any, evaluation: Evaluation, calibration: Calibration) -> None:
    rows, unit = evaluation.rows, evaluation.spec.unit
    lower, upper = calibration.interval(rows.mean, rows.std, INTERVAL)
    low, high = _frame(rows.measured, rows.mean.astype(np.float64))
    shown = (rows.measured >= low) & (rows.measured <= high)
    axes.plot([low, high], [low, high], color=_GREY, linewidth=0.8, zorder=3)
    axes.vlines(
        rows.measured[shown], lower[shown], upper[shown], color=_SKY, alpha=0.35, linewidth=1.2
    )
    axes.plot(rows.measured[shown], rows.mean[shown], ".", color=_BLUE, markersize=3.5, zorder=4)
    axes.set(
        xlim=(low, high),
        ylim=(low, high),
        xlabel=f"measured [{unit}]",
        ylabel=f"predicted [{unit}]",
        title=f"{evaluation.spec.name}, {len(rows)} test rows",
    )
    axes.text(
        0.04,
        0.96,
        f"bars: {100 * INTERVAL:g} % interval\n"
        f"R² {evaluation.quality['r2']:.4f}\nτ {evaluation.quality['kendall_tau']:.4f}",
        transform=axes.transAxes,
        verticalalignment="top",
        fontsize=9,
    )
    hidden = int(np.count_nonzero(~shown))
    if hidden:
        axes.text(
            0.98,
            0.03,
            f"{hidden} row{'s' if hidden > 1 else ''} outside the frame",
            transform=axes.transAxes,
            horizontalalignment="right",
            fontsize=9,
            color=_ORANGE,
        )


def _frame(measured: NDArray[np.float64], mean: NDArray[np.float64]) -> tuple[float, float]:
    """Return limits that hold all predictions, and all measurements but wild ones."""
    low, high = float(mean.min()), float(mean.max())
    reach = 0.5 * (high - low)
    usual = measured[(measured >= low - reach) & (measured <= high + reach)]
    if len(usual):
        low, high = min(low, float(usual.min())), max(high, float(usual.max()))
    margin = 0.03 * (high - low) or 1.0
    return low - margin, high + margin


def _draw_coverage(axes: Any, evaluation: Evaluation, calibration: Calibration) -> None:
    from scipy.stats import binom

    levels = np.arange(0.02, calibration.levels[-1], 0.02)
    calibrated, normal = observed_coverage(evaluation, levels)
    n = len(evaluation.rows)
    axes.fill_between(
        levels,
        binom.ppf(0.025, n, levels) / n,
        binom.ppf(0.975, n, levels) / n,
        color=_SKY,
        alpha=0.35,
        linewidth=0,
        label="95 % of binomial draws",
    )
    axes.plot([0, 1], [0, 1], color=_GREY, linewidth=0.8)
    axes.plot(levels, calibrated, color=_BLUE, linewidth=1.8, label="calibrated interval")
    axes.plot(
        levels, normal, color=_ORANGE, linewidth=1.5, linestyle="--", label="normal, members' std"
    )
    axes.set(
        xlim=(0, 1),
        ylim=(0, 1),
        xlabel="nominal coverage",
        ylabel="observed on the test rows",
        title="coverage",
    )
    axes.legend(loc="upper left")


def compress(pixels: NDArray[np.uint8]) -> bytes:
    """Return a PNG with a palette of 128 colours: a third of the size, no metadata at all."""
    from PIL import Image

    image = Image.fromarray(np.ascontiguousarray(pixels))
    reduced = image.quantize(128, method=Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE)
    buffer = io.BytesIO()
    reduced.save(buffer, format="PNG", optimize=True)
    return buffer.getvalue()
