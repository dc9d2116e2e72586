"""Compares ensembles with measurements, by the reference's metrics and plots."""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from anb_export._io.files import to_json, write_atomically
from anb_export.data.dataset import Dataset
from anb_export.data.metrics import evaluate
from anb_export.data.splits import Split
from anb_export.graphs.verify_graph import run_model
from anb_export.training.members_folder import read_training
from anb_export.training.train_families import predict_members
from anb_onnx.errors import AnbError
from anb_onnx.writing.manifest import find_entry

#: The metrics in the order in which they are shown.
METRICS = (
    "mae",
    "mse",
    "rmse",
    "r2",
    "kendall_tau",
    "kendall_tau_1_dec",
    "kendall_tau_2_dec",
    "spearman",
)

_BLUE, _GREY = "#0072B2", "#555555"


def reference_metrics(measured: ArrayLike, predicted: ArrayLike) -> dict[str, float]:
    """Return the metric set of the reference.

    Parameters
    ----------
    measured, predicted : array_like, shape (n,)
        In the target's unit; n >= 2.

    Returns
    -------
    dict of str to float
        Those of `metrics.evaluate`, and ``kendall_tau_1_dec`` and ``kendall_tau_2_dec``: the rank
        correlation with predictions rounded to one and two decimals of the unit.

    Raises
    ------
    AnbError
        As `metrics.evaluate`.
    """
    found = evaluate(measured, predicted)
    for decimals in (1, 2):
        rounded = np.round(np.asarray(predicted, dtype=np.float64), decimals)
        constant = np.all(rounded == rounded[0])
        tau = 0.0 if constant else float(stats.kendalltau(measured, rounded).statistic)
        found[f"kendall_tau_{decimals}_dec"] = tau
    return found


@dataclass(frozen=True, eq=False)
class Evaluated:
    """An ensemble asked about a split.

    Attributes
    ----------
    name : str
        Folder or file, as given.
    target, unit, kind : str
        ``kind`` is the family and recipe of members, or the form of an ONNX file.
    metrics : dict
        Metrics of the ensemble's mean by part of the split.
    members : list of dict
        Metrics of each member on the test part.
    points : dict
        Measured and predicted values by part: two float64 arrays.
    """

    name: str
    target: str
    unit: str
    kind: str
    metrics: dict[str, dict[str, float]]
    members: list[dict[str, float]]
    points: dict[str, tuple[NDArray[np.float64], NDArray[np.float64]]]

    def to_dict(self) -> dict[str, Any]:
        """Return what ``evaluation.json`` holds."""
        return {
            "target": self.target,
            "unit": self.unit,
            "kind": self.kind,
            "metrics": self.metrics,
            "members": self.members,
        }


def evaluate_ensemble(path: Path, dataset: Dataset, split: Split) -> Evaluated:
    """Evaluate a folder of members, or an ONNX file with its manifest beside it.

    Parameters
    ----------
    path : Path
    dataset : Dataset
    split : Split

    Raises
    ------
    AnbError
        If the folder or file is missing or damaged, or a prediction is not finite.
    """
    if path.is_dir():
        training = read_training(path)
        target, kind = training.target, f"{training.family}, {training.document['recipe']['name']}"
        members, inverse = training.members(), training.transform.inverse

        def predict(codes: NDArray[np.uint8]) -> NDArray[np.float64]:
            return inverse(predict_members(members, codes), codes, training.space)

    else:
        if not path.is_file():
            msg = (
                f"no folder of members and no ONNX file at {path}; `anb-export train --out {path}` "
                "makes the one, build, compile and convert the other"
            )
            raise AnbError(msg)
        target, card = find_entry(path)
        kind, model = f"ONNX, {card.get('form')}", path.read_bytes()

        def predict(codes: NDArray[np.uint8]) -> NDArray[np.float64]:
            return run_model(model, codes)["members"].astype(np.float64)

    spec = dataset.target(target)
    metrics, points, each = {}, {}, []
    for part, all_rows in split.parts().items():
        rows, _ = dataset.labelled(target, all_rows)
        measured = dataset.values[target][rows]
        predicted = predict(dataset.codes[rows])
        mean = predicted.mean(axis=1)
        metrics[part] = reference_metrics(measured, mean)
        points[part] = measured, mean
        if part == "test":
            each = [reference_metrics(measured, column) for column in predicted.T]
    return Evaluated(str(path), target, spec.unit, kind, metrics, each, points)


def write_evaluation(found: Evaluated, folder: Path) -> list[Path]:
    """Write ``evaluation.json`` and a plot for each part; return the files.

    Raises
    ------
    AnbError
        If a file cannot be written.
    """
    files = {folder / "evaluation.json": to_json(found.to_dict())}
    for part, (measured, predicted) in found.points.items():
        title = f"{found.target}, {part} part\n{found.kind}"
        picture = plot(measured, predicted, title, found.unit, found.metrics[part])
        files[folder / f"predicted_{part}.png"] = picture
    for path, content in files.items():
        write_atomically(path, content)
    return list(files)


def plot(
    measured: NDArray[np.float64],
    predicted: NDArray[np.float64],
    title: str,
    unit: str,
    metrics: Mapping[str, float],
) -> bytes:
    """Draw predictions against measurements.

    Returns
    -------
    bytes
        A PNG of 600 x 600 pixels.
    """
    import matplotlib.style
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    # The user's own matplotlib settings must not show in the file.
    with matplotlib.style.context(["default"]):
        figure = Figure(figsize=(6, 6), dpi=100, layout="constrained")
        FigureCanvasAgg(figure)
        axes = figure.subplots()
        # One range for both axes, from what was measured: a wild prediction is drawn at the edge.
        low, high = float(measured.min()), float(measured.max())
        margin = 0.05 * (high - low)
        low, high = low - margin, high + margin
        axes.plot([low, high], [low, high], color=_GREY, linewidth=1, zorder=1)
        axes.scatter(
            np.clip(predicted, low, high), measured, s=6, color=_BLUE, alpha=0.5, linewidths=0
        )
        axes.set(xlim=(low, high), ylim=(low, high), aspect="equal")
        axes.set_xlabel(f"predicted [{unit}]")
        axes.set_ylabel(f"measured [{unit}]")
        axes.set_title(title, loc="left")
        outside = int(np.count_nonzero((predicted < low) | (predicted > high)))
        lines = [
            f"MAE {metrics['mae']:.4g} {unit}",
            f"RMSE {metrics['rmse']:.4g} {unit}",
            f"R² {metrics['r2']:.4f}",
            f"Kendall τ {metrics['kendall_tau']:.4f}",
            f"Spearman ρ {metrics['spearman']:.4f}",
            f"n {len(measured)}",
        ]
        if outside:
            lines.append(f"{outside} predicted outside, at the edge")
        axes.text(
            0.03, 0.97, "\n".join(lines), transform=axes.transAxes, va="top", family="monospace"
        )
        stream = io.BytesIO()
        figure.savefig(stream, format="png", metadata={"Software": None})
    return stream.getvalue()
