"""The four representations on TaskSet: as they are, predicted, and predicted by tables."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from anb_export.curves import bezier
from anb_export.curves.bases import Basis, Floats, bernstein, principal
from anb_export.curves.forests import ForestSettings, adam_features, fit_forest
from anb_export.curves.projecting import at, projected
from anb_export.curves.scores import evaluate_curves
from anb_export.curves.taskset_catalog import N_FOLDS, TERMS, learn_and_test, level_features
from anb_export.curves.two_part import TwoPart, gate_of
from anb_export.data.taskset import (
    TaskSet,
    logarithms,
    nearest,
    read_taskset,
    short_name,
)
from numpy.typing import NDArray

Codes = NDArray[np.uint8]


@dataclass(frozen=True, eq=False)
class Case:
    """One task, and which of its runs are learnt from and held out."""

    curves: Floats
    limit: float
    at: Floats
    logs: Floats
    codes: Codes
    learn: NDArray[np.int64]
    held: NDArray[np.int64]


def cases(data: TaskSet, tasks: Iterable[int], fold: int | None) -> Iterable[tuple[str, Case]]:
    """Yield each task with a fold of the learning rows held out, or with the test rows (None)."""
    pool, test = learn_and_test(len(data.hyper_parameters))
    parts = np.array_split(pool, N_FOLDS)
    held = test if fold is None else parts[fold]
    learn = np.setdiff1d(pool, parts[0] if fold is None else held)
    rounded = nearest(data.hyper_parameters).codes
    logs = logarithms(data.hyper_parameters)
    for task in tasks:
        curves, limit = data.curves(task, "valid", learn)
        case = Case(curves, limit, data.steps, logs, rounded, learn, held)
        yield short_name(data.tasks[task]), case


def linear(case: Case, basis: Basis, settings: ForestSettings, seed: int) -> dict[str, Any]:
    """Compare a linear basis: itself, by a forest, by a forest on the grid, by tables."""
    found = {"itself": basis.curves(basis.coefficients(case.curves[case.held]))}
    labels = basis.coefficients(case.curves[case.learn])
    for name, predict in _predictors(case, labels, settings, seed):
        found[name] = basis.curves(predict(case.held))
    return _scores(case, found)


def two_part(case: Case, basis: Basis, settings: ForestSettings, seed: int) -> dict[str, Any]:
    """Compare the two-part form: the gate of all runs, the coefficients of those that train."""
    learn = case.curves[case.learn]
    parts = TwoPart.of(learn, basis, rising=False)
    trains = parts.trains(learn)
    held = case.curves[case.held]
    gate = parts.trains(held).astype(float)
    found = {"itself": parts.curves(basis.coefficients(held), gate)}
    shares = trains[:, None].astype(float)
    gates = dict(_predictors(case, shares, settings, seed, after=gate_of))
    some = Case(**{**vars(case), "learn": case.learn[trains]})
    for name, predict in _predictors(some, basis.coefficients(learn[trains]), settings, seed):
        found[name] = parts.curves(predict(case.held), gates[name](case.held)[:, 0])
    return _scores(case, found)


def free_bezier(
    case: Case, settings: ForestSettings, seed: int, epochs: int | None
) -> dict[str, Any]:
    """Compare Bezier curves: themselves, their numbers by a forest and by the network."""
    steps = case.curves.shape[1]
    numbers = bezier.fit_bezier(case.curves / case.limit)
    found = {"itself": case.limit * bezier.bezier_curves(numbers[case.held], steps)}
    for name, predict in _predictors(case, numbers[case.learn], settings, seed):
        if name == "forest":
            found[name] = case.limit * bezier.bezier_curves(predict(case.held), steps)
    if epochs is not None:
        features = adam_features(case.logs)
        head = bezier.fit_head(
            features[case.learn], case.curves[case.learn], case.limit, epochs=epochs, seed=seed
        )
        found["network"] = head.curves(features[case.held])
    return _scores(case, found)


def _predictors(
    case: Case,
    labels: Floats,
    settings: ForestSettings,
    seed: int,
    after: Callable[[Floats], Floats] = np.asarray,
) -> list[tuple[str, Callable[[NDArray[np.int64]], Floats]]]:
    """Return what predicts labels of runs: from what they are, from the grid, and by tables.

    `after` is applied to what forests predict; tables are of that.
    """
    features = adam_features(case.logs)
    forest = fit_forest(features[case.learn], labels, settings, seed)
    on_grid = fit_forest(level_features(case.codes[case.learn]), labels, settings, seed)
    entries = projected(lambda codes: after(on_grid(level_features(codes))), TERMS, seed=seed)
    return [
        ("forest", lambda rows: after(forest(features[rows]))),
        ("forest, rounded", lambda rows: after(on_grid(level_features(case.codes[rows])))),
        ("tables", lambda rows: at(entries, TERMS, case.codes[rows])),
    ]


def _scores(case: Case, found: dict[str, Floats]) -> dict[str, Any]:
    return {name: evaluate_curves(case.curves[case.held], c) for name, c in found.items()}


def ceilings(data: TaskSet, task: int, case: Case) -> dict[str, Any]:
    """Compare the run's own curves on other data: what none could predict better."""
    held = case.held
    return {
        part: evaluate_curves(case.curves[held], data.curves(task, part, case.learn)[0][held])
        for part in ("test", "train")
    }


def compare(
    folder: Path,
    tasks: Iterable[int],
    fold: int | None,
    settings: ForestSettings,
    network_epochs: int | None,
    report: Callable[[str], None],
) -> dict[str, Any]:
    """Return the scores of all representations by task; a fold of None looks at the test rows."""
    data = read_taskset(folder)
    found: dict[str, Any] = {}
    numbers = list(tasks)
    for task, (name, case) in zip(numbers, cases(data, numbers, fold), strict=True):
        learn = case.curves[case.learn]
        bernstein5 = bernstein(case.at)
        rows: dict[str, Any] = {
            "Bernstein 5": linear(case, bernstein5, settings, 0),
            "PCA 6": linear(case, principal(learn, case.at, 6), settings, 0),
            "PCA 3": linear(case, principal(learn, case.at, 3), settings, 0),
            "PCA 4": linear(case, principal(learn, case.at, 4), settings, 0),
            "two-part": two_part(case, bernstein5, settings, 0),
            "Bezier": free_bezier(case, settings, 0, network_epochs),
            "another part": ceilings(data, task, case),
        }
        found[name] = rows
        report(f"{name}: " + _line(rows))
    return found


def _line(rows: dict[str, Any]) -> str:
    return "; ".join(
        f"{kind} " + ", ".join(f"{k} {v['r2']:.3f}/{v['final_tau']:.3f}" for k, v in by.items())
        for kind, by in rows.items()
    )


def means(found: dict[str, Any]) -> dict[str, Any]:
    """Return the means of all scores over the tasks."""
    first = next(iter(found.values()))
    return {
        kind: {
            how: {
                key: float(np.mean([rows[kind][how][key] for rows in found.values()]))
                for key in score
            }
            for how, score in by.items()
        }
        for kind, by in first.items()
    }
