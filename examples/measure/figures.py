"""How good predictions are: ranks, errors, intervals, and the picture of them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Values = NDArray[np.float64]

#: Draws of the bootstrap.
DRAWS = 2000


def ranks(values: Values) -> Values:
    """Return the ranks [n] from 1, equal values sharing the mean of theirs."""
    _, group, counts = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    shared: Values = (last - (counts - 1) / 2)[group]
    return shared


def spearman(a: Values, b: Values) -> float:
    """Return Spearman's rank correlation: Pearson's of the ranks; nan where all are equal."""
    a, b = ranks(a) - (len(a) + 1) / 2, ranks(b) - (len(b) + 1) / 2
    norm = float(np.sqrt((a @ a) * (b @ b)))
    return float(a @ b) / norm if norm > 0 else float("nan")


def mape(predicted: Values, measured: Values) -> float:
    """Return the mean absolute error in per cent of what was measured."""
    return float(100 * np.mean(np.abs(predicted - measured) / measured))


def bootstrap(a: Values, b: Values, *, seed: int = 0) -> tuple[float, float]:
    """Return the central 90 % of Spearman's correlation over architectures drawn again."""
    rng = np.random.default_rng(seed)
    drawn = [spearman(a[rows], b[rows]) for rows in rng.integers(0, len(a), (DRAWS, len(a)))]
    lower, upper = np.nanquantile(drawn, [0.05, 0.95]).tolist()
    return lower, upper


def line_through(x: Values, y: Values) -> tuple[float, float]:
    """Return slope and shift of the line with the least squares of relative errors."""
    design = np.stack([x, np.ones_like(x)], axis=1) / y[:, None]
    slope, shift = np.linalg.lstsq(design, np.ones_like(y), rcond=None)[0].tolist()
    return slope, shift


@dataclass(frozen=True)
class Fresh:
    """Architectures that nothing was fitted to: what was predicted, what was measured [n], in ms.

    Attributes
    ----------
    mean, lower, upper : ndarray of float64 [n]
        The prediction and its 90 % interval.
    measured : ndarray of float64 [n]
    """

    mean: Values
    lower: Values
    upper: Values
    measured: Values

    def figures(self) -> dict[str, float]:
        """Return Spearman's correlation with its interval, errors, and coverage of the interval."""
        low, high = bootstrap(self.mean, self.measured)
        inside = (self.lower <= self.measured) & (self.measured <= self.upper)
        return {
            "spearman": spearman(self.mean, self.measured),
            "spearman_low": low,
            "spearman_high": high,
            "mape_percent": mape(self.mean, self.measured),
            "bias_percent": float(100 * np.mean(self.mean / self.measured - 1)),
            "coverage_percent": float(100 * np.mean(inside)),
            "interval_width_percent": float(100 * np.mean((self.upper - self.lower) / self.mean)),
        }


def plot(path: Path, fresh: Fresh, used: tuple[Values, Values], title: str) -> None:
    """Draw predicted against measured, with the intervals.

    Parameters
    ----------
    path : Path
        Of a file that matplotlib knows by its suffix.
    fresh : Fresh
    used : pair of ndarray of float64 [k]
        Predicted and measured of what the surrogate was made from.
    title : str
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(5.6, 5.6), layout="constrained")
    axes = figure.subplots()
    reach = np.concatenate([fresh.lower, fresh.upper, fresh.measured, *used])
    reach = reach[reach > 0]
    ends = [0.92 * reach.min(), 1.08 * reach.max()]
    axes.plot(ends, ends, color="#999999", linewidth=0.8, zorder=1)
    axes.errorbar(
        fresh.measured,
        fresh.mean,
        yerr=[fresh.mean - fresh.lower, fresh.upper - fresh.mean],
        fmt="o",
        markersize=4,
        color="#1f4e9c",
        ecolor="#b8c4d6",
        label=f"{len(fresh.mean)} fresh architectures, 90 % intervals",
        zorder=2,
    )
    axes.plot(
        used[1], used[0], "x", color="#c0392b", label=f"{len(used[0])} measured for it", zorder=3
    )
    axes.set(
        xscale="log",
        yscale="log",
        xlim=ends,
        ylim=ends,
        xlabel="measured latency [ms]",
        ylabel="predicted latency [ms]",
        title=title,
        aspect="equal",
    )
    for axis in (axes.xaxis, axes.yaxis):
        _label(axis, ends)
    axes.legend(loc="upper left", frameon=False)
    # Without the time of day and the version: the same numbers give the same file.
    figure.savefig(path, dpi=150, metadata={"Software": None} if path.suffix == ".png" else None)


def _label(axis: Any, ends: list[float]) -> None:
    """Label a logarithmic axis with plain numbers."""
    from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

    steps = [m * 10.0**e for e in range(-3, 6) for m in (1, 1.5, 2, 3, 4, 5, 7)]
    axis.set_major_locator(FixedLocator([s for s in steps if ends[0] <= s <= ends[1]]))
    axis.set_minor_locator(NullLocator())
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
