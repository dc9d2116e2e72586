"""The ensemble that all contenders evaluate: its members, its tables, its exact predictions."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from anb_export.artifacts.describe import describe
from anb_export.graphs.table_form import build_table_model
from anb_export.models.forest import Forest
from anb_export.tables.of_training import compile_training
from anb_export.training.members_folder import Training, read_training
from numpy.typing import NDArray

import anb_onnx
from anb_onnx.catalog.benchmarks import find_benchmark
from anb_onnx.tables import TableEnsemble
from anb_onnx.writing.manifest import write_artifact

Codes = NDArray[np.uint8]
#: Mean and std [N], in the target's unit.
Answer = tuple[NDArray[Any], NDArray[Any]]


@dataclass(frozen=True, eq=False)
class Subject:
    """An ensemble in all its forms.

    Attributes
    ----------
    training : Training
        The members as xgboost saved them.
    ensemble : TableEnsemble
        The same members compiled into tables, now, by the exporter.
    artifact : Path
        The table-form ONNX file of `ensemble`, with its manifest beside it.
    """

    training: Training
    ensemble: TableEnsemble
    artifact: Path

    @cached_property
    def contents(self) -> tuple[bytes, ...]:
        """The members' files."""
        return self.training.contents()

    @cached_property
    def forests(self) -> tuple[Forest, ...]:
        """The members' trees."""
        return self.training.forests()

    @property
    def n_members(self) -> int:
        """Number of members."""
        return self.ensemble.n_members

    def answer(self, labels: NDArray[Any], codes: Codes) -> Answer:
        """Return mean and std from what the members predict, [N, M] on the scale of training."""
        members = self.training.transform.inverse(
            labels.astype(np.float64), codes, anb_onnx.MNASNET
        )
        return members.mean(axis=1), members.std(axis=1)

    def exact(self, codes: Codes, n_members: int) -> Answer:
        """Return mean and std of the first members from the exact sums of their leaves."""
        labels = [forest.predict_exact(codes) for forest in self.forests[:n_members]]
        return self.answer(np.stack(labels, axis=1), codes)

    def error(self, answer: Answer, exact: Answer) -> float:
        """Return the largest difference of two answers, in standard deviations of the target."""
        worst = max(float(np.abs(a - e).max()) for a, e in zip(answer, exact, strict=True))
        return worst / self.training.target_std

    def facts(self) -> dict[str, Any]:
        """Return what the ensemble is, for the report."""
        return {
            "target": self.training.target,
            "members": self.n_members,
            "trees": [forest.n_trees for forest in self.forests],
            "nodes": sum(forest.n_nodes for forest in self.forests),
            "tables_bytes": self.ensemble.entries.nbytes,
            "link": self.ensemble.link.name,
            "bundled": self._is_bundled(),
        }

    def _is_bundled(self) -> bool:
        """Whether the bundled artifact of the target holds the same tables."""
        for artifact in find_benchmark().artifacts:
            if artifact.target.name == self.training.target and "tables" in artifact.card:
                model = artifact.read()
                found = TableEnsemble.from_artifact(model, artifact.card, artifact.space, "bundled")
                return bool(np.array_equal(found.entries, self.ensemble.entries))
        return False


def open_subject(members: Path, dataset: Path | None, work: Path) -> Subject:
    """Compile the members in a folder; train them first if there are none and data is given.

    Parameters
    ----------
    members : Path
        As `anb-export train --recipe compact` writes it.
    dataset : Path or None
        The data set to train on, where the folder is missing.
    work : Path
        Where the ONNX file goes.
    """
    if dataset is not None and not (members / "training.json").is_file():
        command = ["train", "--recipe", "compact", "--target", "accuracy"]
        command += ["--dataset", str(dataset), "--out", str(members)]
        print(f"training the members first: anb-export {' '.join(command)}", flush=True)
        subprocess.run([sys.executable, "-m", "anb_export.cli", *command], check=True)
    training = read_training(members)
    ensemble = compile_training(training)
    card = describe(training, form="tables", versions={}) | {"link": ensemble.link.to_dict()}
    model = build_table_model(ensemble, card)
    path = work / f"{training.target}.onnx"
    write_artifact(path, model.content, training.target, model.card, space=training.space)
    subject = Subject(training, ensemble, path)
    subject.contents, subject.forests  # noqa: B018 - read now: the folder may change meanwhile
    return subject


def draw(n: int, seed: int = 0) -> Codes:
    """Return random architectures, uint8 [n, 28]."""
    return anb_onnx.sample(n, seed=seed, space=anb_onnx.MNASNET)
