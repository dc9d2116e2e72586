"""Plots of fronts, by matplotlib, which only those need who ask for one."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from anb_onnx._io.show import printable, show
from anb_onnx.cli.proven import Conditions
from anb_onnx.cli.read import named
from anb_onnx.errors import AnbError
from anb_onnx.parallel.shelter import import_sheltered
from anb_onnx.spaces.architecture import sample
from anb_onnx.surrogate import Surrogate

if TYPE_CHECKING:
    from anb_onnx.exact.results import Front

#: Architectures drawn at random around a front, with this seed.
CLOUD, _SEED = 20_000, 0

_FORMATS = (".png", ".svg", ".pdf")

_CLOUD, _FRONT, _NAMED = "#b8c4d6", "#1f4e9c", "#c0392b"


def check(path: str, targets: Sequence[str]) -> None:
    """Refuse, before the search, what cannot be drawn.

    Raises
    ------
    AnbError
        If matplotlib is missing, the suffix names no format, or there are not two targets.
    """
    if Path(path).suffix.lower() not in _FORMATS:
        msg = f"--plot {show(path)}: the suffix must be one of {', '.join(_FORMATS)}"
        raise AnbError(msg)
    if len(targets) != 2:
        msg = f"--plot draws fronts of two targets, not of {len(targets)}"
        raise AnbError(msg)
    try:
        import_sheltered("matplotlib.figure")
    except ImportError as error:
        msg = "--plot needs matplotlib: pip install 'anb-onnx[plot]'"
        raise AnbError(msg) from error


def draw(
    file: BinaryIO,
    suffix: str,
    front: Front,
    surrogates: Sequence[Surrogate],
    conditions: Conditions,
) -> None:
    """Draw a front of two targets, architectures sampled from the space, and those with a name.

    The first target is drawn upwards, the second one to the right.
    """
    import matplotlib
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7.2, 4.8), layout="constrained")
    axes = figure.add_subplot()
    draw_front(axes, front, surrogates)
    for target, _, value in conditions.bounds:
        along = {front.targets[0]: axes.axhline, front.targets[1]: axes.axvline}
        if target.name in along:
            along[target.name](value, color="black", linewidth=0.8, linestyle=":")
    title = (
        f"{len(front.codes):,} of {conditions.n_architectures:,} architectures"
        f"{conditions.of_genes}{conditions.of_targets}"
    )
    axes.set_title(printable(title), fontsize=9, parse_math=False)
    axes.legend(fontsize=8, loc="best", frameon=False)
    buffer = io.BytesIO()
    kind = suffix.lower().removeprefix(".")
    # Nothing of the day or of versions: the same front is the same file.
    metadata = {"png": {"Software": None}, "svg": {"Date": None}, "pdf": {"CreationDate": None}}
    with matplotlib.rc_context({"svg.hashsalt": "anb-onnx"}):
        figure.savefig(buffer, format=kind, dpi=130, metadata=metadata[kind])
    file.write(buffer.getvalue())


def draw_front(axes: Any, front: Front, surrogates: Sequence[Surrogate]) -> None:
    """Draw a front with what is around it; labels have the units."""
    up, right = surrogates
    space = up.space
    cloud = sample(CLOUD, seed=_SEED, space=space)
    style: dict[str, Any] = {"linewidths": 0, "rasterized": True}
    axes.scatter(
        *_means(right, up, cloud), s=3, color=_CLOUD, label=f"{CLOUD:,} at random", **style
    )
    values = front.values
    axes.plot(*_stairs(front), color=_FRONT, linewidth=0.8, alpha=0.6)
    label = f"exact front ({len(values):,})"
    axes.scatter(values[:, 1], values[:, 0], s=5, color=_FRONT, label=label, **style)
    for name, architecture in named(space).items():
        codes = np.array([architecture.codes], dtype=np.uint8)
        shown = name.replace("efficientnet", "EfficientNet").replace("-b", "-B")
        axes.scatter(
            *_means(right, up, codes), s=70, marker="*", color=_NAMED, label=shown, zorder=3
        )
    for surrogate, label_axis in ((right, axes.set_xlabel), (up, axes.set_ylabel)):
        target = surrogate.target
        better = {"max": "higher", "min": "lower"}[target.direction]
        text = printable(f"{target.name} [{target.unit}], {better} is better")
        label_axis(text, parse_math=False)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)


def _means(right: Surrogate, up: Surrogate, codes: NDArray[np.uint8]) -> list[NDArray[np.float32]]:
    return [surrogate.query_codes(codes).mean for surrogate in (right, up)]


def _stairs(front: Front) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return the border of what the front dominates: right and up, one step a point."""
    up, right = front.values.T
    # From one point to the next, first along the axis on which the next one is worse.
    return np.repeat(right, 2)[:-1], np.repeat(up, 2)[1:]
