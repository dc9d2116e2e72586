"""Catalogs of other search spaces, from what others measured of them.

A table of all architectures where every one is measured; a table for each block where the target is
a sum over blocks. What these reproduce of the measurements, and how exactly, is in their cards.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from anb_export.artifacts.lookup import card_of, whole_table
from anb_export.data import nasbench201
from anb_export.data.dataset import Dataset
from anb_export.data.metrics import evaluate
from anb_export.graphs.table_form import build_table_model
from anb_export.tables.closed_form import exact_tables
from anb_onnx.calibration import EXACT
from anb_onnx.catalog.card import Card
from anb_onnx.encoding.encoding import codes_to_symbols
from anb_onnx.errors import AnbError
from anb_onnx.tables import TableEnsemble
from anb_onnx.terms import Terms
from anb_onnx.vectors import VectorEnsemble
from anb_onnx.writing.golden import write_golden
from anb_onnx.writing.manifest import write_artifact
from anb_onnx.writing.vector_form import build_vector_model

#: Architectures in the golden vectors of a catalog: some dozens of targets make them large enough.
N_GOLDEN = 128


@dataclass(frozen=True, eq=False)
class Made:
    """One artifact before it is written.

    Attributes
    ----------
    target : str
    ensemble : TableEnsemble or VectorEnsemble
    card : mapping
        Its entry of the manifest, without what concerns the file.
    """

    target: str
    ensemble: TableEnsemble | VectorEnsemble
    card: Mapping[str, Any]


Report = Callable[[Made], None]


def build_nasbench201(data: Path, out: Path, report: Report = lambda made: None) -> int:
    """Write the catalog of NAS-Bench-201.

    Parameters
    ----------
    data : Path
        Folder of the .npz files; see `nasbench201.read_sources`.
    out : Path
        Folder of the catalog.
    report : callable, optional
        Called with each artifact once it is written.

    Returns
    -------
    int
        How many artifacts there are.

    Raises
    ------
    AnbError
        If the data cannot be read, or the folder cannot be written to.
    """
    order = []
    for dataset in nasbench201.read_sources(data):
        for target in dataset.origin.targets:
            make = counted if dataset.target(target).exact else tabulated
            write(out, make(dataset, target), dataset, report)
            order.append(target)
    write_golden(out, order, n=N_GOLDEN)
    return len(order)


def write(out: Path, made: Made, dataset: Dataset, report: Report) -> None:
    """Write an artifact into the folder `out`, and list it there."""
    if isinstance(made.ensemble, VectorEnsemble):
        model = build_vector_model(made.ensemble, made.card)
    else:
        model = build_table_model(made.ensemble, made.card)
    path = out / f"{made.target}.onnx"
    write_artifact(path, model.content, made.target, model.card, space=dataset.space)
    report(made)


def tabulated(dataset: Dataset, target: str) -> Made:
    """Return a target of which every architecture is measured."""
    ensemble = whole_table(dataset, target)
    return Made(target, ensemble, card_of(dataset, target, ensemble))


def counted(dataset: Dataset, target: str) -> Made:
    """Return a target that is a sum of an integer of each block, in millions.

    Raises
    ------
    AnbError
        If it is none, or the tables do not reproduce every record.
    """
    ensemble = exact_tables(dataset, target, Terms.of_order(dataset.space, 1))
    return closed_form(dataset, target, ensemble, "the tables do not reproduce every record")


def closed_form(dataset: Dataset, target: str, ensemble: TableEnsemble, otherwise: str) -> Made:
    """Return an exact artifact of tables, once they give every record of a target.

    Parameters
    ----------
    dataset : Dataset
    target : str
    ensemble : TableEnsemble
    otherwise : str
        What is wrong if they do not, for the error.

    Raises
    ------
    AnbError
    """
    mean, _, _ = ensemble.predict(codes_to_symbols(dataset.codes, dataset.space))
    measured = dataset.values[target]
    if not np.array_equal(mean, measured.astype(np.float32)):
        msg = f"{target}: {otherwise}"
        raise AnbError(msg)
    figures = evaluate(measured, mean.astype(np.float64))
    written = card(
        dataset,
        target,
        ensemble,
        exact=True,
        recipe="closed form",
        quality={"test": figures, "all": figures},
        calibration=EXACT.to_dict(),
    )
    return Made(target, ensemble, written)


def card(
    dataset: Dataset,
    target: str,
    ensemble: TableEnsemble,
    *,
    exact: bool,
    recipe: str,
    quality: Mapping[str, Mapping[str, float]],
    calibration: Mapping[str, Any] | None = None,
    others: Mapping[str, Any] | None = None,
) -> Card:
    """Return the card of tables that no training has made."""
    spec, origin = dataset.target(target), dataset.origin
    return Card(
        benchmark=origin.benchmark,
        form="tables",
        metric=spec.metric,
        device=spec.device,
        unit=spec.unit,
        direction=spec.direction,
        members=ensemble.n_members,
        seeds=[],
        exact=exact,
        link=ensemble.link.to_dict(),
        quality=quality,
        calibration=calibration,
        versions={p: version(p) for p in ("anb-onnx-export", "numpy", "onnx")},
        target_std=float(np.std(dataset.values[target])),
        recipe=recipe,
        dataset={
            "name": origin.name,
            "license": origin.license,
            "sha256": dataset.sha256,
            "n_records": len(dataset),
            "n_used": len(dataset),
            "n_dropped": 0,
        },
        license=origin.license,
        others=others or {},
    )
