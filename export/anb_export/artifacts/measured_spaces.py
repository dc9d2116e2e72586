"""Catalogs of spaces of which a part was measured: FBNet and Once-for-all.

Latencies are sums over layers. Where they are so exactly, the tables are solved for; where noise is
in the measurements, an ensemble is fitted whose form is chosen on held-out folds, and tested on
rows that take no part in it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from anb_export.artifacts.space_catalogs import N_GOLDEN, Made, Report, card, counted, write
from anb_export.data.dataset import Dataset
from anb_export.data.help_spaces import read_fbnet, read_ofa
from anb_export.data.metrics import evaluate
from anb_export.tables.closed_form import ClosedFormError, exact_tables
from anb_export.tables.rounded_tables import rounded_tables
from anb_export.training.block_sums import (
    N_FOLDS,
    Form,
    Part,
    choose,
    folds,
    members,
    one_thread,
    out_of_fold,
)
from anb_export.training.predictive_scale import OutOfFold, coverage, fit_calibration, size_gain
from anb_onnx.encoding.encoding import codes_to_symbols
from anb_onnx.spaces.ofa import LAYERS, OFA, RESOLUTIONS, UNITS
from anb_onnx.spaces.space import SearchSpace
from anb_onnx.terms import Terms
from anb_onnx.writing.golden import write_golden

#: Members of an ensemble, and of those out of fold.
N_MEMBERS = 4
N_OOF_MEMBERS = 2

#: Rows that are kept apart for the test, one of ten.
_TEST_FOLDS = 10

#: Largest relative error of a sum of real numbers that is one exactly.
_SAME = 1e-12


def build_fbnet(data: Path, out: Path, report: Report = lambda made: None) -> int:
    """Write the catalog of FBNet; parameters and errors as `space_catalogs.build_nasbench201`."""
    measured, exact = read_fbnet(data)
    space = measured.space
    # Interactions of neighbours, of all pairs and of counts did not help where they were tried.
    forms = [Form("single blocks", space, _one_hot(space))]
    order = []
    with one_thread():
        for target in measured.origin.targets:
            made = additive(measured, target) or estimated(measured, target, forms)
            write(out, made, measured, report)
            order.append(target)
    for target in exact.origin.targets:
        write(out, counted(exact, target), exact, report)
        order.append(target)
    write_golden(out, order, n=N_GOLDEN)
    return len(order)


def build_ofa(data: Path, out: Path, report: Report = lambda made: None) -> int:
    """Write the catalog of OFA; parameters and errors as `space_catalogs.build_nasbench201`."""
    dataset = read_ofa(data)
    with one_thread():
        for target in dataset.origin.targets:
            write(out, estimated(dataset, target, ofa_forms()), dataset, report)
    write_golden(out, tuple(dataset.origin.targets), n=N_GOLDEN)
    return len(dataset.origin.targets)


def ofa_forms() -> list[Form]:
    """Return forms of latencies of `OFA`: sums over its live layers.

    A layer's latency has a part that grows with the pixels, and one that does not; a unit's
    depends on resolution and depth in any way. The first form, for small batches, knows of pixels
    only what all layers share.
    """
    resolutions = Part((0,), np.eye(len(RESOLUTIONS)))
    units = [Part((0, 1 + u), np.eye(3 * len(RESOLUTIONS))) for u in range(UNITS)]
    pixels = (np.array(RESOLUTIONS) / np.mean(RESOLUTIONS)) ** 2
    kinds = np.eye(9)
    fixed, growing = [], []
    for unit in range(UNITS):
        for layer in range(LAYERS):
            # Of depths 2, 3 and 4; the first layers are always there.
            live = (layer < np.array([2, 3, 4])).astype(float)
            block = 1 + UNITS + unit * LAYERS + layer
            fixed.append(Part((1 + unit, block), np.kron(live[:, None], kinds).astype(np.float64)))
            both = np.kron(np.kron(pixels[:, None], live[:, None]), kinds)
            growing.append(Part((0, 1 + unit, block), np.asarray(both, np.float64)))
    return [
        Form("live layers", OFA, [resolutions, *fixed]),
        Form("live layers by pixels, units by resolution", OFA, [*units, *fixed, *growing]),
    ]


def terms_of(form: Form) -> Terms:
    """Return the terms of a form: of its parts, those that no other holds."""
    found = list(dict.fromkeys(part.blocks for part in form.parts))
    largest = [t for t in found if not any(set(t) < set(other) for other in found)]
    return Terms(form.space, tuple(sorted(largest)))


def additive(dataset: Dataset, target: str) -> Made | None:
    """Return a target that is a sum of real numbers, one of each block; None if it is none.

    All records serve to solve for it: there is no noise that a test could find. Where all have six
    decimals at most, the tables hold them as they are.
    """
    space, measured = dataset.space, dataset.values[target]
    symbols = codes_to_symbols(dataset.codes, space)
    form = Form("sum over blocks", space, _one_hot(space))
    design = form.design(symbols)
    solution, _, rank, _ = np.linalg.lstsq(design, measured, rcond=None)
    # The blocks share one constant.
    whole = rank == form.width - (space.n_blocks - 1)
    if not whole or np.abs(design @ solution / measured - 1).max() > _SAME:
        return None
    terms = Terms.of_order(space, 1)
    try:
        ensemble = exact_tables(_as_counts(dataset, target), target, terms)
    except ClosedFormError:
        tables = form.tables(np.asarray(solution[:, None], np.float64), terms)
        ensemble = rounded_tables(tables, terms)
    mean, _, _ = ensemble.predict(symbols)
    predicted = mean.astype(np.float64)
    rounding = {"step": ensemble.scale, "largest": float(np.abs(predicted - measured).max())}
    return Made(
        target,
        ensemble,
        card(
            dataset,
            target,
            ensemble,
            exact=bool(np.array_equal(mean, measured.astype(np.float32))),
            recipe=form.name,
            quality={"all": evaluate(measured, predicted)},
            others={"rounding": rounding},
        ),
    )


def _as_counts(dataset: Dataset, target: str) -> Dataset:
    """Return the data set as if the target were counted: in millionths of its unit."""
    origin = dataset.origin
    spec = replace(dataset.target(target), exact=True)
    return replace(dataset, origin=replace(origin, targets={**origin.targets, target: spec}))


def _one_hot(space: SearchSpace) -> list[Part]:
    return [Part((block,), np.eye(size)) for block, size in enumerate(space.block_sizes)]


def estimated(dataset: Dataset, target: str, forms: Sequence[Form]) -> Made:
    """Fit, calibrate and test an ensemble of the form that predicts held-out folds best."""
    symbols = codes_to_symbols(dataset.codes, dataset.space)
    measured = dataset.values[target]
    test = folds(len(dataset), _TEST_FOLDS)[0]
    pool = np.setdiff1d(np.arange(len(dataset)), test)
    form, ridge, error = choose(forms, symbols[pool], measured[pool])
    terms = terms_of(form)
    design = form.design(symbols[pool])
    coefficients = members(design, measured[pool], ridge, N_MEMBERS, seed=0)
    ensemble = rounded_tables(form.tables(coefficients, terms), terms)
    ahead = OutOfFold(
        pool, measured[pool], out_of_fold(design, measured[pool], ridge, N_OOF_MEMBERS)
    )
    std = ahead.std(N_MEMBERS)
    calibration = fit_calibration(ahead.measured, ahead.mean, std, None)
    gain = size_gain(calibration, ahead, std, N_MEMBERS)
    calibration = replace(calibration, noise=calibration.noise * gain)
    mean, spread = (a.astype(np.float64) for a in ensemble.predict(symbols[test])[:2])
    return Made(
        target,
        ensemble,
        card(
            dataset,
            target,
            ensemble,
            exact=False,
            recipe="robust sum over blocks",
            quality={
                "out_of_fold": _figures(ahead.measured, ahead.mean),
                "test": _figures(measured[test], mean),
            },
            calibration=calibration.to_dict(),
            others={
                "recipe_parameters": {"form": form.name, "ridge": ridge, "folds": N_FOLDS},
                "held_out_error": error,
                "coverage": {"test": coverage(calibration, measured[test], mean, spread)},
            },
        ),
    )


def _figures(measured: NDArray[np.float64], predicted: NDArray[np.float64]) -> dict[str, float]:
    """Return the figures of merit, and the mean absolute relative error."""
    relative = float(np.mean(np.abs(predicted / measured - 1)))
    return {**evaluate(measured, predicted), "mape": relative}
