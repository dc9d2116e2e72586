"""Plots of what is proven: fronts, what their architectures share, distributions."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from anb_onnx import Surrogate
from anb_onnx.cli.plot import draw_front
from anb_onnx.exact import Front
from benchmarks.exact_facts import Shared, Subject

_COLUMNS = 3
_BLUE, _RED, _GREY = "#1f4e9c", "#c0392b", "#7f8c8d"


def plot_fronts(surrogates: Sequence[tuple[Surrogate, Surrogate]], fronts: Sequence[Front],
                path: Path) -> None:  # fmt: skip
    """Draw a panel for each front, as `anb-onnx pareto --plot` does."""
    figure, panels = _panels(len(fronts), 3.0)
    for axes, pair, front in zip(panels, surrogates, fronts, strict=True):
        draw_front(axes, front, pair)
        axes.set_title(f"{len(front.codes):,} architectures", fontsize=8)
        axes.xaxis.label.set_size(7)
        axes.yaxis.label.set_size(7)
        axes.tick_params(labelsize=6)
    handles, labels = panels[0].get_legend_handles_labels()
    labels[1] = "exact front"
    figure.legend(handles, labels, loc="outside lower center", ncols=3, fontsize=8, frameon=False)
    _save(figure, path)


def plot_front(pair: tuple[Surrogate, Surrogate], front: Front, path: Path) -> None:
    """Draw one front."""
    figure = Figure(figsize=(7.2, 4.2), layout="constrained")
    axes = figure.add_subplot()
    draw_front(axes, front, pair)
    axes.legend(fontsize=8, frameon=False)
    _save(figure, path)


def plot_shared(found: dict[str, Shared], genes: Sequence[str], path: Path) -> None:
    """Draw, for each front and gene, the most frequent value, the darker the more frequent."""
    figure = Figure(
        figsize=(0.36 * len(genes) + 1.6, 0.32 * len(found) + 1.5), layout="constrained"
    )
    axes = figure.add_subplot()
    shares = np.array([shared.shares for shared in found.values()])
    image = axes.imshow(shares, cmap="Blues", vmin=1 / 3, vmax=1, aspect="auto")
    for row, shared in enumerate(found.values()):
        for column, (value, share) in enumerate(zip(shared.values, shared.shares, strict=True)):
            text = {True: "se", False: "-"}.get(value, value) if type(value) is bool else value
            colour = "white" if share > 0.75 else "black"
            axes.text(column, row, str(text), ha="center", va="center", fontsize=7, color=colour)
    axes.set_xticks(range(len(genes)), genes, rotation=90, fontsize=7)
    axes.set_yticks(range(len(found)), [f"accuracy, {name}" for name in found], fontsize=7)
    for k in range(1, len(genes)):
        if genes[k].split("_")[0] != genes[k - 1].split("_")[0]:
            axes.axvline(k - 0.5, color="white", linewidth=2)
    figure.colorbar(image, ax=axes, label="share of the front", pad=0.01)
    _save(figure, path)


def plot_distributions(subjects: Sequence[Subject], path: Path) -> None:
    """Draw how many architectures have which mean, on a logarithmic axis, with those of a name."""
    figure, panels = _panels(len(subjects), 2.3)
    for axes, subject in zip(panels, subjects, strict=True):
        truth, target = subject.truth, subject.surrogate.target
        assert truth is not None
        assert truth.edges is not None
        assert truth.counts is not None
        edges, counts = _coarse(truth.edges, truth.counts, 256)
        axes.stairs(counts, edges, fill=True, color=_BLUE, linewidth=0)
        axes.set_yscale("log")
        axes.set_ylim(0.5, None)
        axes.axvline(subject.best.bound, color=_GREY, linewidth=0.8, linestyle="--")
        for value in subject.known.values():
            axes.axvline(value, color=_RED, linewidth=1)
        axes.set_xlabel(f"{target.name} [{target.unit}]", fontsize=7, parse_math=False)
        axes.tick_params(labelsize=6)
        for side in ("top", "right"):
            axes.spines[side].set_visible(False)
    for axes in panels[::_COLUMNS]:
        axes.set_ylabel("architectures", fontsize=7)
    _save(figure, path)


def _coarse(edges: Any, counts: Any, bins: int) -> tuple[Any, Any]:
    """Join bins to about so many of equal width; every count stays in the bin that it begins in."""
    wide = np.linspace(float(edges[0]), float(edges[-1]), bins + 1)
    places = np.clip(np.searchsorted(wide, edges[:-1], side="right") - 1, 0, bins - 1)
    return wide, np.bincount(places, weights=counts, minlength=bins)


def _panels(count: int, height: float) -> tuple[Figure, list[Any]]:
    rows = ceil(count / _COLUMNS)
    figure = Figure(figsize=(9.6, height * rows), layout="constrained")
    panels = figure.subplots(rows, _COLUMNS, squeeze=False).ravel().tolist()
    for axes in panels[count:]:
        axes.remove()
    return figure, panels[:count]


def _save(figure: Figure, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    # A palette is enough for plots, and a third of the size.
    figure.savefig(path, dpi=100, metadata={"Software": None})
    from PIL import Image

    with Image.open(path) as image:
        palette = image.convert("RGB").quantize(64, Image.Quantize.MAXCOVERAGE)
        palette.save(path, optimize=True)
