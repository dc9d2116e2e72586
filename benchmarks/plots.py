"""Plots of the results: throughput over batch size, latency at batch 1."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

#: Ours in blues, rivals in other colours; two threads dashed.
_OURS = {"native": "#1f4e9c", "onnxruntime, table form": "#4f8fd6", "numpy": "#8fb8e0"}
_RIVALS = ("#c0392b", "#e67e22", "#7f8c8d", "#8e44ad", "#27ae60", "#b7950b", "#34495e")


def plot_throughput(results: Mapping[str, Any], path: Path) -> None:
    """Draw architectures per second over batch size, both logarithmic, a line per contender."""
    figure, axes = _figure(8.0, 5.2)
    colours = dict(_OURS)
    for key, by_size in results["curve"].items():
        name, _, threads = key.rpartition(", ")
        if name not in colours:
            colours[name] = _RIVALS[(len(colours) - len(_OURS)) % len(_RIVALS)]
        sizes = sorted(by_size, key=int)
        if not sizes:
            continue
        x = [int(n) for n in sizes]
        spreads = [by_size[n]["rows_per_second"] for n in sizes]
        low, high = ([s[k] for s in spreads] for k in ("min", "max"))
        axes.fill_between(x, low, high, color=colours[name], alpha=0.15, linewidth=0)
        axes.plot(
            x,
            [s["median"] for s in spreads],
            marker="o" if name in _OURS else "s",
            markersize=3,
            linewidth=1.8 if name in _OURS else 1.1,
            linestyle="--" if threads.startswith("2") else "-",
            color=colours[name],
            label=key,
        )
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xlabel("architectures per call")
    axes.set_ylabel("architectures per second")
    axes.set_title("The same ensemble, mean and std, from uint8 codes", fontsize=10)
    axes.legend(fontsize=7, loc="center left", bbox_to_anchor=(1.01, 0.5), frameon=False)
    _save(figure, path)


def plot_latency(results: Mapping[str, Any], path: Path) -> None:
    """Draw the median and the 99th percentile of one call at batch 1, on a logarithmic axis."""
    found = sorted(results["single"].items(), key=lambda item: -item[1]["p50"])
    figure, axes = _figure(8.0, 0.32 * len(found) + 1.2)
    for row, (_, f) in enumerate(found):
        colour = _OURS["native"] if f["ours"] else _RIVALS[0]
        axes.plot([f["p50"], f["p99"]], [row, row], color=colour, linewidth=1.5, alpha=0.5)
        axes.plot(f["p50"], row, "o", color=colour, markersize=5)
        axes.plot(f["p99"], row, "|", color=colour, markersize=9)
    axes.set_yticks(range(len(found)), [name for name, _ in found], fontsize=7)
    axes.set_xscale("log")
    axes.set_xlabel("seconds for one architecture: median, and 99th percentile (|)")
    _save(figure, path)


def plot_cold_start(results: Mapping[str, Any], path: Path) -> None:
    """Draw how long processes take from start to end, with the smallest and the largest."""
    processes = results["cold_start"]["processes"].items()
    found = [(name, f) for name, f in reversed(processes) if "median" in f]
    figure, axes = _figure(8.0, 0.32 * len(found) + 1.0)
    for row, (name, f) in enumerate(found):
        ours = "anb" in name
        axes.barh(row, f["median"], color=_OURS["native"] if ours else _RIVALS[2], height=0.6)
        axes.plot([f["min"], f["max"]], [row, row], color="black", linewidth=1.2)
    axes.set_yticks(range(len(found)), [name for name, _ in found], fontsize=7)
    axes.set_xlabel("seconds from start to end of the process")
    _save(figure, path)


def _figure(width: float, height: float) -> tuple[Any, Any]:
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(figsize=(width, height))
    axes.grid(True, which="major", linewidth=0.4, alpha=0.5)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    return figure, axes


def _save(figure: Any, path: Path) -> None:
    import matplotlib.pyplot as plt

    figure.savefig(path, dpi=130, bbox_inches="tight", metadata={"Software": None})
    plt.close(figure)
