"""EA-HAS-Bench's tasks on our own measured set: the curve, its last value, the cost."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from anb_export.curves import bezier
from anb_export.curves.bases import Basis, Floats, bernstein, principal
from anb_export.curves.boosted import BoostSettings, Scale, fit_boosted, predict
from anb_export.curves.digits_catalog import (
    RECIPES,
    Task,
    find_file,
    learn_and_test,
    tasks_of,
    terms_of,
)
from anb_export.curves.scores import evaluate_curves
from anb_export.curves.two_part import TwoPart, gate_of
from anb_export.data.digits import Digits, read_digits
from numpy.typing import NDArray

from anb_onnx import load

Rows = NDArray[np.int64]
Report = Callable[[str], None]


def validate(data: Path, fold: int, report: Report) -> dict[str, Any]:
    """Compare representations and terms on a fold of the learning runs; no test run is read."""
    runs = read_digits(find_file(data))
    folds, _ = learn_and_test(runs)
    learn, held = np.flatnonzero((folds >= 0) & (folds != fold)), np.flatnonzero(folds == fold)
    found: dict[str, Any] = {}
    for name, task in tasks_of(runs).items():
        if name in ("val_accuracy", "val_loss"):
            found[name] = _curves(runs, task, learn, held)
        else:
            found[name] = _values(runs, task, learn, held)
        for kind, by in found[name].items():
            for how, s in by.items():
                report(
                    f"{name:14} {kind:12} {how:9} R2 {s['r2']:.4f} own {s['r2_curve']:.3f} "
                    f"final tau {s['final_tau']:.3f} R2 {s['final_r2']:.3f} MAPE {s['mape']:.3f}"
                )
    return found


def _fit(
    runs: Digits,
    labels: Floats,
    learn: Rows,
    held: Rows,
    blocks: int | None,
    settings: BoostSettings,
) -> Floats:
    """Return what boosted trees predict of the held-out runs' labels: float64 [n, J]."""
    terms = None if blocks is None else terms_of(runs.space, blocks)
    columns = []
    for column in labels.T:
        scale = Scale.of(column[learn])
        forest = fit_boosted(runs.codes[learn], column[learn], scale, terms, settings, 0)
        columns.append(predict(forest, scale, runs.codes[held]))
    return np.stack(columns, axis=1)


def _curves(runs: Digits, task: Task, learn: Rows, held: Rows) -> dict[str, Any]:
    measured, settings = task.curves[held], RECIPES[task.spec.name].settings
    count = RECIPES[task.spec.name].coefficients
    plain = principal(task.curves[learn], runs.epochs, count)
    bases = [bernstein(runs.epochs), principal(task.curves[learn], runs.epochs, 6), plain]
    found: dict[str, Any] = {}
    for basis in bases:
        labels = basis.coefficients(task.curves)
        by = {"itself": basis.curves(labels[held])}
        by["free"] = basis.curves(_fit(runs, labels, learn, held, None, settings))
        found[basis.name] = _scores(measured, by)
    # What the catalog has: on the scale of the link.
    rooted = principal(task.labels[learn], runs.epochs, count)
    labels = rooted.coefficients(task.labels)

    def invert(coefficients: Floats) -> Floats:
        values = np.clip(rooted.curves(coefficients), *task.limits)
        return np.asarray(task.link.invert(values))

    by = {"itself": invert(labels[held])}
    for how, blocks in _WAYS:
        by[how] = invert(_fit(runs, labels, learn, held, blocks, settings))
    found[f"{rooted.name}, root"] = _scores(measured, by)
    found["two-part"] = _scores(measured, _two_part(runs, task, plain, learn, held))
    top = 100.0 if task.spec.unit == "%" else float(task.curves.max())
    numbers = bezier.fit_bezier(task.curves / top)
    steps = len(runs.epochs)
    free = _fit(runs, numbers, learn, held, None, settings)
    found["Bezier"] = _scores(
        measured,
        {
            "itself": top * bezier.bezier_curves(numbers[held], steps),
            "free": top * bezier.bezier_curves(free, steps),
        },
    )
    return found


#: Trees without bounds, and those that are tables over terms of so many genes.
_WAYS: Sequence[tuple[str, int | None]] = (
    ("free", None),
    ("4 genes", 4),
    ("3 genes", 3),
    ("2 genes", 2),
)


def _two_part(runs: Digits, task: Task, basis: Basis, learn: Rows, held: Rows) -> dict[str, Floats]:
    settings = RECIPES[task.spec.name].settings
    parts = TwoPart.of(task.curves[learn], basis, rising=task.spec.direction == "max")
    trains = parts.trains(task.curves)
    labels = basis.coefficients(task.curves)
    found = {"itself": parts.curves(labels[held], trains[held].astype(float))}
    for how, blocks in (*_WAYS[:2], _WAYS[-1]):
        shares = _fit(runs, trains[:, None].astype(float), learn, held, blocks, settings)
        some = _fit(runs, labels, learn[trains[learn]], held, blocks, settings)
        found[how] = parts.curves(some, gate_of(shares[:, 0]))
    return found


def _values(runs: Digits, task: Task, learn: Rows, held: Rows) -> dict[str, Any]:
    """Compare terms for a single value, or for times, which are one in proportion to the epoch."""
    settings = RECIPES[task.spec.name].settings
    by = {}
    for how, blocks in _WAYS:
        labels = _fit(runs, task.labels[:, -1:], learn, held, blocks, settings)
        by[how] = np.asarray(task.link.invert(labels))
    return {"value": _scores(task.curves[held][:, -1:], by)}


def _scores(measured: Floats, found: dict[str, Floats]) -> dict[str, Any]:
    return {
        how: {**evaluate_curves(measured, c), "mape": _mape(measured[:, -1], c[:, -1])}
        for how, c in found.items()
    }


def _mape(measured: Floats, predicted: Floats) -> float:
    return float(np.mean(np.abs(predicted / measured - 1)))


def final(data: Path, catalog: Path, report: Report) -> dict[str, Any]:
    """Score a catalog on the test runs, beside what one seed says of the others.

    ``test`` is of all test configurations, against their run of seed 0. ``seeds`` is of the test
    configurations with five seeds: the artifact, and the run of seed 0, against the mean of the
    other four; the latter is the ceiling.
    """
    runs = read_digits(find_file(data))
    _, test = learn_and_test(runs)
    first = test[runs.seed[test] == 0]
    single, others = _seeded(runs, test)
    found: dict[str, Any] = {}
    for name, task in tasks_of(runs).items():
        surrogate = load(name, path=catalog)
        predicted = _predicted(surrogate, runs, first, task)
        scores = {"test": _scores(task.curves[first], {"artifact": predicted})["artifact"]}
        means = np.stack([task.curves[rows].mean(axis=0) for rows in others])
        of_seeds = {
            "artifact": _predicted(surrogate, runs, single, task),
            "one seed": task.curves[single],
        }
        scores["seeds"] = _scores(means, of_seeds)
        scores["seeds"]["n"] = len(single)
        found[name] = scores
        t, a, c = scores["test"], scores["seeds"]["artifact"], scores["seeds"]["one seed"]
        report(
            f"{name:14} test: R2 {t['r2']:.3f} final tau {t['final_tau']:.3f} "
            f"R2 {t['final_r2']:.3f} MAPE {t['mape']:.3f}; of {len(single)} with seeds: "
            f"R2 {a['r2']:.3f} (one seed {c['r2']:.3f}), final tau {a['final_tau']:.3f} "
            f"({c['final_tau']:.3f}), MAPE {a['mape']:.3f} ({c['mape']:.3f})"
        )
    return found


def _predicted(surrogate: Any, runs: Digits, rows: Rows, task: Task) -> Floats:
    answer = surrogate.query(runs.codes[rows])
    if task.curves.shape[1] == 1:
        return np.asarray(answer.mean, dtype=np.float64)[:, None]
    return np.asarray(answer.until().mean, dtype=np.float64)


def _seeded(runs: Digits, test: Rows) -> tuple[Rows, list[Rows]]:
    """Return the runs of seed 0 of the test configurations with more seeds, and those others."""
    _, number = np.unique(runs.codes[test], axis=0, return_inverse=True)
    number = number.reshape(-1)
    counts = np.bincount(number)
    single, others = [], []
    for configuration in np.flatnonzero(counts > 1):
        rows = test[number == configuration]
        single.append(rows[runs.seed[rows] == 0][0])
        others.append(rows[runs.seed[rows] != 0])
    return np.array(single, dtype=np.int64), others
