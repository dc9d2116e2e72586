"""What a card states: an artifact asked about the test rows, with all that is known about it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import anb_onnx
from anb_export.data.dataset import Dataset
from anb_export.data.metrics import evaluate
from anb_export.data.splits import Split
from anb_export.data.targets import TargetSpec
from anb_export.reports.compare_recipes import ComparisonError, work_folder
from anb_export.training.members_folder import open_training
from anb_export.training.predictive_scale import coverage
from anb_onnx.calibration import Calibration
from anb_onnx.catalog.catalog import Artifact
from anb_onnx.encoding.encoding import codes_to_indices
from anb_onnx.errors import AnbError
from anb_onnx.spaces.mnasnet import MNASNET, efficientnet_b0

#: Relative difference in MAE above which a comparison is not of the artifact's own members. The
#: tables differ from the exact sums of leaves by about 1e-6 of a standard deviation.
_SAME_MEMBERS = 1e-3


class ReportError(AnbError):
    """An artifact does not fit the data, split, members or comparison it is reported with."""


@dataclass(frozen=True, eq=False)
class EvaluatedRows:
    """What an artifact predicts for the test rows that have a measurement.

    Attributes
    ----------
    names : tuple of str
        Records of the data set.
    indices : ndarray of int64, shape (n,)
        Indices of the architectures.
    measured : ndarray of float64, shape (n,)
    mean, std : ndarray of float32, shape (n,)
        As the artifact returned them.
    """

    names: tuple[str, ...]
    indices: NDArray[np.int64]
    measured: NDArray[np.float64]
    mean: NDArray[np.float32]
    std: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.names)


@dataclass(frozen=True, eq=False)
class Evaluation:
    """One artifact, evaluated.

    Attributes
    ----------
    spec : TargetSpec
    card : mapping
        Its entry of the manifest.
    rows : EvaluatedRows
    quality : dict
        On the test rows, computed from `rows`; see `metrics.evaluate`.
    efficientnet_b0 : tuple of float
        Mean and std predicted for EfficientNet-B0.
    n_missing : int
        Training and validation records without a measurement.
    calibration : Calibration or None
        None for an exact target, as all that follow.
    coverage : dict or None
        On the test rows, computed from `rows`; see `predictive_scale.coverage`.
    members : list of dict or None
        Seed, held-out fold and rounds of each member.
    compared : mapping or None
        The target's entry of a comparison with the reference; None if it was not compared.
    """

    spec: TargetSpec
    card: Mapping[str, Any]
    rows: EvaluatedRows
    quality: dict[str, float]
    efficientnet_b0: tuple[float, float]
    n_missing: int
    calibration: Calibration | None
    coverage: dict[str, Any] | None
    members: list[dict[str, int]] | None
    compared: Mapping[str, Any] | None

    @property
    def scale(self) -> NDArray[np.float64]:
        """Predictive std of each test row, in the target's unit; zeros for an exact target."""
        if self.calibration is None:
            return np.zeros(len(self.rows))
        scale = self.calibration.predictive_std(self.rows.mean, self.rows.std)
        return scale.astype(np.float64)


def evaluate_artifact(
    artifact: Artifact,
    dataset: Dataset,
    split: Split,
    *,
    work: Path,
    compared: Mapping[str, Any] | None = None,
) -> Evaluation:
    """Ask an artifact about the test rows, and gather what is known about it.

    Parameters
    ----------
    artifact : Artifact
        In table form, built from `dataset` and `split`.
    dataset : Dataset
    split : Split
    work : Path
        Working folder of the build, where its members are described.
    compared : mapping, optional
        The target's entry of a comparison with the reference on this split.

    Returns
    -------
    Evaluation

    Raises
    ------
    AnbError
        If the artifact is not of these data, split, members or comparison, or its quality is not
        the one it states.
    """
    spec, card = dataset.target(artifact.target.name), artifact.card
    _check_origin(artifact, dataset, split)
    rows, b0 = _query(artifact, dataset, split)
    quality = evaluate(rows.measured, rows.mean.astype(np.float64))
    stated = card["quality"]["test"]
    for key in ("mae", "r2", "kendall_tau"):
        if not np.isclose(quality[key], stated[key], rtol=1e-9, atol=1e-12):
            msg = (
                f"{artifact.path}: {key} on the test rows is {quality[key]!r}, the manifest states "
                f"{stated[key]!r}; run `anb-export build` again"
            )
            raise ReportError(msg)
    n_missing = int(np.count_nonzero(np.isnan(dataset.values[spec.name][split.pool])))
    if spec.exact:
        return Evaluation(spec, card, rows, quality, b0, n_missing, None, None, None, None)
    if compared is not None:
        ours = compared["compact"]["quality"]["test"]["mae"]
        if abs(ours - quality["mae"]) > _SAME_MEMBERS * quality["mae"]:
            msg = (
                f"{artifact.path} has a MAE of {quality['mae']:.6g} on the test rows, in the "
                f"comparison the compact recipe has {ours:.6g}: it is of other members; run "
                "`anb-export compare` again"
            )
            raise ComparisonError(msg)
    calibration = Calibration.from_dict(card["calibration"])
    covered = coverage(
        calibration, rows.measured, rows.mean.astype(np.float64), rows.std.astype(np.float64)
    )
    members = _members(artifact, work_folder(work, split) / "compact" / spec.name)
    return Evaluation(
        spec, card, rows, quality, b0, n_missing, calibration, covered, members, compared
    )


def _check_origin(artifact: Artifact, dataset: Dataset, split: Split) -> None:
    card = artifact.card
    if card.get("form") != "tables":
        msg = (
            f"{artifact.path} is in the form {card.get('form')!r}; cards are made of the compact "
            "artifacts that `anb-export build` writes"
        )
        raise ReportError(msg)
    for key, expected in (("dataset", dataset.sha256), ("split", split.sha256)):
        found = card[key]["sha256"]
        if found != expected:
            msg = f"{artifact.path} is from another {key}: sha256 {found}, given {expected}"
            raise ReportError(msg)


def _query(
    artifact: Artifact, dataset: Dataset, split: Split
) -> tuple[EvaluatedRows, tuple[float, float]]:
    kept, _ = dataset.labelled(artifact.target.name, split.test)
    codes = dataset.codes[kept]
    with anb_onnx.load(path=artifact.path, threads=1) as surrogate:
        predicted = surrogate.query(codes)
        b0 = surrogate.query(efficientnet_b0())
    rows = EvaluatedRows(
        tuple(dataset.names[row] for row in kept),
        codes_to_indices(codes, MNASNET),
        dataset.values[artifact.target.name][kept],
        predicted.mean,
        predicted.std,
    )
    return rows, (float(b0.mean), float(b0.std))


def _members(artifact: Artifact, folder: Path) -> list[dict[str, int]]:
    document, card = open_training(folder).document, artifact.card
    found = [{key: int(m[key]) for key in ("seed", "fold", "rounds")} for m in document["members"]]
    same = (
        [member["seed"] for member in found] == card["seeds"]
        and document["dataset"]["sha256"] == card["dataset"]["sha256"]
        and document["split"]["sha256"] == card["split"]["sha256"]
    )
    if not same:
        msg = f"{folder} holds other members than {artifact.path}; run `anb-export build` again"
        raise ReportError(msg)
    return found
