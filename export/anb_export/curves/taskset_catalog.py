"""The catalog of TaskSet's curves: validation losses of one task of each kind of cell."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anb_export.curves.bases import Basis, Floats, principal
from anb_export.curves.forests import ForestSettings, adam_features, fit_forest
from anb_export.curves.making import Report, errors_of, form_of, vector_of, write_curve
from anb_export.curves.projecting import at, projected
from anb_export.data.targets import TargetSpec
from anb_export.data.taskset import (
    FILE,
    TASKSET_ADAM8P,
    level_logarithms,
    nearest,
    read_taskset,
    short_name,
)
from anb_export.tables.rounded_tables import rounded_tables
from anb_onnx._io.files import read_regular
from anb_onnx.terms import Terms
from anb_onnx.writing.golden import write_golden

#: Rate, epsilon and both penalties together, and what the betas and the decays do beside the rate.
TERMS = Terms(TASKSET_ADAM8P, ((0, 1, 2), (0, 3, 4, 5), (0, 6), (0, 7)))

#: The tasks that are artifacts: the first of each kind of cell, LSTM, GRU, IRNN and VRNN.
TASKS = (0, 3, 5, 9)

SETTINGS = ForestSettings()
N_COEFFICIENTS = 3

#: Members, each without a fold of its own; the other folds serve the calibration alone.
N_FOLDS, N_MEMBERS = 8, 3

#: Rows that take no part in anything but the final figures, and the seed of their choice.
_N_TEST, _SEED = 200, 0

_N_GOLDEN = 128


def learn_and_test(n: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the rows that are learnt from, in a random order, and the test rows."""
    order = np.random.default_rng(_SEED).permutation(n)
    return order[_N_TEST:], np.sort(order[:_N_TEST])


def level_features(codes: NDArray[np.uint8]) -> Floats:
    """Return the features of configurations of the space."""
    levels = level_logarithms()
    return adam_features(np.stack([levels[k][codes[:, k]] for k in range(len(levels))], axis=1))


def coefficient_tables(codes: NDArray[np.uint8], curves: Floats, basis: Basis, seed: int) -> Floats:
    """Return tables of the coefficients of curves: float64 [n_entries, J]."""
    labels = basis.coefficients(curves)
    predict = fit_forest(level_features(codes), labels, SETTINGS, seed)
    return projected(lambda some: predict(level_features(some)), TERMS, seed=seed)


def build_taskset(data: Path, out: Path, report: Report = lambda name, card: None) -> int:
    """Write the catalog; parameters and errors as `space_catalogs.build_nasbench201`."""
    measured = read_taskset(data)
    codes = nearest(measured.hyper_parameters).codes
    pool, test = learn_and_test(len(codes))
    order = []
    for task in TASKS:
        curves, limit = measured.curves(task, "valid", pool)
        basis = principal(curves[pool], measured.steps, N_COEFFICIENTS)
        found, left_out = [], np.empty((len(codes), len(measured.steps)))
        for seed, held in enumerate(np.array_split(pool, N_FOLDS)):
            learn = np.setdiff1d(pool, held)
            entries = coefficient_tables(codes[learn], curves[learn], basis, seed)
            left_out[held] = np.clip(basis.curves(at(entries, TERMS, codes[held])), 0.0, limit)
            found.append(entries)
        calibration, noise = errors_of(curves[pool], left_out[pool])
        members = np.stack(found[:N_MEMBERS], axis=2)
        outputs = [rounded_tables(members[:, k], TERMS) for k in range(N_COEFFICIENTS)]
        form = form_of(basis, noise=noise, fidelity=("step", "steps"), limits=(0.0, limit))
        device = short_name(measured.tasks[task])
        spec = TargetSpec(f"valid_loss_{device}", "valid_loss", device, "nats", "min")
        write_curve(
            out,
            vector_of(outputs, form),
            spec,
            {**_facts(data), **_parameters(limit), "calibration": calibration},
            (codes[test], curves[test]),
            (curves[pool], left_out[pool]),
            report,
        )
        order.append(spec.name)
    write_golden(out, order, n=_N_GOLDEN)
    return len(order)


def _facts(data: Path) -> dict[str, Any]:
    import hashlib

    digest = hashlib.sha256(read_regular(data / FILE, 2**28)).hexdigest()
    return {
        "benchmark": "taskset",
        "recipe": "randomised trees of principal components, projected onto tables",
        "seeds": list(range(N_MEMBERS)),
        "dataset": {
            "name": "TaskSet (google-research, through releaunifreiburg/DPL)",
            "license": "Apache-2.0",
            "sha256": digest,
            "n_records": 1000,
            "n_used": 1000 - _N_TEST,
            "n_dropped": 0,
        },
        "license": "Apache-2.0",
    }


def _parameters(limit: float) -> dict[str, Any]:
    return {
        "recipe_parameters": {**vars(SETTINGS), "coefficients": N_COEFFICIENTS, "folds": N_FOLDS},
        "transformation": (
            f"losses above the task's median initial loss, {limit:.6g} nats, infinite or not a "
            "number, count as that loss; hyper-parameters are rounded to the levels of the space"
        ),
        "split": {"test": _N_TEST, "seed": _SEED, "by": "configuration"},
    }
