"""Curves as artifacts: tables of coefficients, how they make a curve, and of which error."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anb_export.curves.bases import Basis, Floats
from anb_export.curves.scores import evaluate_curves
from anb_export.data.metrics import evaluate
from anb_export.data.targets import TargetSpec
from anb_export.graphs.graph import check_model
from anb_export.predictors.intervals import from_residuals
from anb_export.training.predictive_scale import coverage, fit_calibration
from anb_onnx.calibration import Calibration
from anb_onnx.curves import CurveForm
from anb_onnx.encoding.encoding import codes_to_symbols
from anb_onnx.links import Link
from anb_onnx.spaces.space import SearchSpace
from anb_onnx.tables import TableEnsemble
from anb_onnx.vectors import VectorEnsemble
from anb_onnx.writing.manifest import write_artifact
from anb_onnx.writing.table_form import TableModel, build_table_model
from anb_onnx.writing.vector_form import build_vector_model

#: Called with the name of a target and its card once it is written.
Report = Callable[[str, Mapping[str, Any]], None]

Codes = NDArray[np.uint8]


def form_of(
    basis: Basis,
    *,
    noise: Floats | None,
    fidelity: tuple[str, str],
    link: Link | None = None,
    limits: tuple[float, float] | None = None,
) -> CurveForm:
    """Return how coefficients of a basis make a curve.

    Parameters
    ----------
    basis : Basis
    noise : ndarray of float64, shape (T,), or None
        Scale of the error at each epoch.
    fidelity : (str, str)
        Name and unit of what the curve runs along.
    link : Link, optional
        The identity if not given.
    limits : (float, float), optional
        What values are limited to before the link.
    """
    # Adding 0.0 makes no zero negative.
    return CurveForm(
        at=tuple((basis.at + 0.0).tolist()),
        basis=tuple(tuple(row) for row in (basis.rows + 0.0).tolist()),
        offset=tuple((basis.offset + 0.0).tolist()),
        link=link or Link(),
        range=limits,
        noise=None if noise is None else tuple(noise.tolist()),
        fidelity=fidelity[0],
        unit=fidelity[1],
    )


def vector_of(outputs: Sequence[TableEnsemble], form: CurveForm) -> VectorEnsemble:
    """Return tables of coefficients as an ensemble; outputs are called c0, c1 and so on."""
    return VectorEnsemble(tuple(outputs), tuple(f"c{k}" for k in range(len(outputs))), form)


def errors_of(
    measured: Floats, left_out: Floats, offset: float | None = None
) -> tuple[Mapping[str, Any], Floats]:
    """Return calibration of the last value and scale of the error at each epoch, float64 [T].

    Parameters
    ----------
    measured, left_out : ndarray of float64, shape (n, T)
        Curves, and what was predicted of them by single members that have not learnt from them.
    offset : float, optional
        Of the link, above all values: errors may then follow the distance to it.
    """
    last = measured[:, -1], left_out[:, -1]
    if offset is None:
        calibration = from_residuals(*last)
    else:
        # What single members say of their own spread is nothing.
        found = fit_calibration(*last, np.zeros(len(measured)), offset)
        calibration = replace(found, spread=0.0)
    distance = np.abs(left_out if offset is None else offset - left_out)
    power = calibration.noise_power
    # Times and losses begin near 0.
    unit = np.maximum(distance, 1e-3 * float(distance.mean())) ** power
    sizes = np.sqrt((((measured - left_out) / unit) ** 2).mean(axis=0))
    return calibration.to_dict(), np.asarray(calibration.noise * sizes / sizes[-1])


def write_curve(
    folder: Path,
    vector: VectorEnsemble,
    spec: TargetSpec,
    facts: Mapping[str, Any],
    test: tuple[Codes, Floats],
    left_out: tuple[Floats, Floats],
    report: Report,
) -> None:
    """Write an artifact of a curve, and list it in the folder's manifest.

    Parameters
    ----------
    folder : Path
    vector : VectorEnsemble
        Made with the noise that `errors_of` returns.
    spec : TargetSpec
    facts : mapping
        ``benchmark``, ``dataset``, ``license``, ``calibration``, ``recipe``, and what else the card
        is to say.
    test : (codes [n, n_genes], curves [n, T])
        Rows that nothing was learnt from or chosen by.
    left_out : (measured, predicted), float64 arrays [n, T]
        As for `errors_of`.
    report : callable
    """
    codes, measured = test
    symbols = codes_to_symbols(codes, vector.space)
    mean, std, _ = vector.predict_knots(symbols, np.arange(measured.shape[1]))
    predicted = mean.astype(np.float64)
    quality = {
        "out_of_fold": curve_quality(*left_out),
        "test": curve_quality(measured, predicted),
    }
    last = measured[:, -1], predicted[:, -1], std[:, -1].astype(np.float64)
    # What tables say by themselves is added by who writes them.
    card = _card(spec, facts, quality, last)
    card |= {"outputs": [{"unit": "1", "direction": spec.direction}] * len(vector.outputs)}
    _write(folder, spec, build_vector_model(vector, card), vector.space, report)


def write_scalar(
    folder: Path,
    ensemble: TableEnsemble,
    spec: TargetSpec,
    facts: Mapping[str, Any],
    test: tuple[Codes, Floats],
    left_out: tuple[Floats, Floats],
    report: Report,
) -> None:
    """Write an artifact of a single value; as `write_curve`, with values [n] for curves."""
    codes, measured = test
    mean, std, _ = ensemble.predict(codes_to_symbols(codes, ensemble.space))
    predicted = mean.astype(np.float64)
    quality = {"out_of_fold": evaluate(*left_out), "test": evaluate(measured, predicted)}
    card = _card(spec, facts, quality, (measured, predicted, std.astype(np.float64)))
    card |= {"form": "tables", "members": ensemble.n_members, "link": ensemble.link.to_dict()}
    _write(folder, spec, build_table_model(ensemble, card), ensemble.space, report)


def _card(
    spec: TargetSpec,
    facts: Mapping[str, Any],
    quality: Mapping[str, Mapping[str, float]],
    tested: tuple[Floats, Floats, Floats],
) -> dict[str, Any]:
    """Return what a card says but for what its tables say; `tested` is measured, mean and std."""
    calibration = Calibration.from_dict(facts["calibration"])
    return {
        "metric": spec.metric,
        "device": spec.device,
        "unit": spec.unit,
        "direction": spec.direction,
        "exact": False,
        "quality": quality,
        "coverage": {"test": coverage(calibration, *tested)},
        "versions": {p: version(p) for p in ("anb-onnx-export", "numpy", "onnx")},
        "target_std": float(np.std(tested[0])),
        **facts,
    }


def _write(
    folder: Path, spec: TargetSpec, model: TableModel, space: SearchSpace, report: Report
) -> None:
    check_model(model.content)
    write_artifact(folder / f"{spec.name}.onnx", model.content, spec.name, model.card, space=space)
    report(spec.name, model.card)


def curve_quality(measured: Floats, predicted: Floats) -> dict[str, float]:
    """Return the figures of the last value, and of the curve: ``curve_r2`` and so on."""
    curve = evaluate_curves(measured, predicted)
    more = {f"curve_{key}": curve[key] for key in ("r2", "r2_pooled", "mae")}
    return {**evaluate(measured[:, -1], predicted[:, -1]), **more}
