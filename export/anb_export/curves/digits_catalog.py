"""The catalog of our own measured set: curves, cost and final accuracy on the digits."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from anb_export.curves.bases import Basis, Floats, principal
from anb_export.curves.boosted import BoostSettings, Scale, fit_boosted, predict, tables_of
from anb_export.curves.making import (
    Report,
    errors_of,
    form_of,
    vector_of,
    write_curve,
    write_scalar,
)
from anb_export.data.digits import COMMITTED, FILE, Digits, read_digits
from anb_export.data.targets import TargetSpec
from anb_export.models.forest import Forest
from anb_export.training.block_sums import one_thread
from anb_onnx.links import Link
from anb_onnx.spaces.space import SearchSpace
from anb_onnx.terms import Terms
from anb_onnx.writing.golden import write_golden

#: Members, each without a fold of its own; the other folds serve the calibration alone.
N_FOLDS, N_MEMBERS = 5, 3

#: Share of the configurations that take no part in anything but the final figures, and the seed.
_TEST_SHARE, _SEED = 0.2, 0

_N_GOLDEN = 128


@dataclass(frozen=True)
class Recipe:
    """How a target is learnt.

    Attributes
    ----------
    blocks : int
        How many genes meet in a term, of all such terms.
    settings : BoostSettings
    coefficients : int
        Principal components of a curve.
    """

    blocks: int
    settings: BoostSettings
    coefficients: int = 1


#: Chosen on validation folds: docs/learning-curves.md.
RECIPES: Mapping[str, Recipe] = {
    "val_accuracy": Recipe(4, BoostSettings(), 3),
    "val_loss": Recipe(4, BoostSettings(), 3),
    "train_time": Recipe(3, BoostSettings()),
    "test_accuracy": Recipe(4, BoostSettings()),
}

#: Times are learnt as their eighth root, which stands in for the logarithm; losses as their root,
#: and accuracies as that of what is missing to 101 %, so that good runs are told apart.
TIME_LINK, LOSS_LINK, ACCURACY_LINK = Link("1/8"), Link("1/2"), Link("1/2", 101.0)


@dataclass(frozen=True, eq=False)
class Task:
    """A target as curves: one of a single epoch where it has none.

    Attributes
    ----------
    spec : TargetSpec
    curves : ndarray of float64, shape (n, T)
        In the target's unit.
    labels : ndarray of float64, shape (n, T)
        On the scale where they are learnt.
    limits : (float, float)
        Of values of curves on that scale.
    """

    spec: TargetSpec
    curves: Floats
    labels: Floats
    limits: tuple[float, float]
    link: Link


def tasks_of(runs: Digits) -> dict[str, Task]:
    """Return the targets of the measured runs."""
    time = runs.seconds[:, None] * (runs.epochs / runs.epochs[-1])
    final = runs.test_accuracy[:, None]
    share, chance = np.array([100.0, 0.0]), float(runs.loss.max())
    found = [
        _task("val_accuracy", "%", "max", runs.accuracy, ACCURACY_LINK, share),
        _task("val_loss", "nats", "min", runs.loss, LOSS_LINK, (runs.loss.min() / 2, chance)),
        _task("train_time", "s", "min", time, TIME_LINK, (time.min() / 2, 2 * time.max())),
        # As a sum of tables it has no range, and a root needs one.
        _task("test_accuracy", "%", "max", final, Link(), share),
    ]
    return {task.spec.name: task for task in found}


def _task(
    metric: str, unit: str, direction: Any, curves: Floats, link: Link, ends: ArrayLike
) -> Task:
    low, high = np.sort(link.forward(np.asarray(ends, dtype=np.float64))).tolist()
    spec = TargetSpec(metric, metric, None, unit, direction)
    return Task(spec, curves, link.forward(curves), (low, high), link)


def terms_of(space: SearchSpace, blocks: int) -> Terms:
    """Return all terms of so many blocks."""
    return Terms(space, tuple(combinations(range(space.n_blocks), blocks)))


def learn_and_test(runs: Digits) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the numbers of a fold for each run, and the test runs (fold -1): int64 [n] and [k].

    By configuration: all seeds of one are together. Which are which does not depend on the order
    of the genes.
    """
    by_name = np.argsort(runs.space.gene_names)
    _, number = np.unique(runs.codes[:, by_name], axis=0, return_inverse=True)
    number = number.reshape(-1)
    count = int(number.max()) + 1
    order = np.random.default_rng(_SEED).permutation(count)
    fold = np.empty(count, dtype=np.int64)
    n_test = round(_TEST_SHARE * count)
    fold[order[:n_test]] = -1
    fold[order[n_test:]] = np.arange(count - n_test) % N_FOLDS
    folds = fold[number]
    return folds, np.flatnonzero(folds == -1)


def basis_of(task: Task, epochs: Floats, rows: NDArray[np.int64], count: int) -> Basis:
    """Return what a target's curves are made of: components of those learnt from.

    Times grow in proportion to the epoch, which on their scale is one curve; a single value is
    itself.
    """
    if task.labels.shape[1] == 1:
        return Basis("value", epochs[-1:], np.zeros(1), np.ones((1, 1)))
    if task.spec.name == "train_time":
        shape = TIME_LINK.forward(epochs / epochs[-1])
        return Basis("time", epochs, np.zeros(len(epochs)), shape[:, None])
    return principal(task.labels[rows], epochs, count)


@dataclass(frozen=True, eq=False)
class Fitted:
    """The members of a target.

    Attributes
    ----------
    basis : Basis
    scales : list of Scale
        One for each coefficient.
    forests : list of list of Forest
        [fold][coefficient].
    left_out : ndarray of float64, shape (n, T)
        Curves in the target's unit, of those who have not learnt from the run; of the test runs
        NaN.
    """

    basis: Basis
    scales: list[Scale]
    forests: list[list[Forest]]
    left_out: Floats


def fit(
    runs: Digits, task: Task, recipe: Recipe, folds: NDArray[np.int64], *, free: bool = False
) -> Fitted:
    """Fit a member without each fold; `free` leaves the terms of the recipe away."""
    pool = np.flatnonzero(folds >= 0)
    terms = None if free else terms_of(runs.space, recipe.blocks)
    basis = basis_of(task, runs.epochs, pool, recipe.coefficients)
    labels = basis.coefficients(task.labels)
    scales = [Scale.of(labels[pool, k]) for k in range(labels.shape[1])]
    forests, left_out = [], np.full(task.curves.shape, np.nan)
    with one_thread():
        for fold in range(N_FOLDS):
            learn, held = pool[folds[pool] != fold], np.flatnonzero(folds == fold)
            codes = runs.codes[learn]
            found = [
                fit_boosted(codes, labels[learn, k], scale, terms, recipe.settings, fold)
                for k, scale in enumerate(scales)
            ]
            left_out[held] = curves_of(task, basis, scales, found, runs.codes[held])
            forests.append(found)
    return Fitted(basis, scales, forests, left_out)


def curves_of(
    task: Task, basis: Basis, scales: list[Scale], forests: list[Forest], codes: NDArray[np.uint8]
) -> Floats:
    """Return the curves that one member predicts, float64 [n, T], in the target's unit."""
    pairs = zip(forests, scales, strict=True)
    found = np.stack([predict(forest, scale, codes) for forest, scale in pairs], axis=1)
    values = basis.curves(found)
    if values.shape[1] > 1:  # a single value has no range in its form
        values = np.clip(values, *task.limits)
    return np.asarray(task.link.invert(values))


def find_file(data: Path) -> Path:
    """Return the Parquet file: that of the folder, or else that of the checkout."""
    return data / FILE if (data / FILE).exists() or not COMMITTED.exists() else COMMITTED


def build_digits(data: Path, out: Path, report: Report = lambda name, card: None) -> int:
    """Write the catalog; parameters and errors as `space_catalogs.build_nasbench201`."""
    runs = read_digits(find_file(data))
    folds, test = learn_and_test(runs)
    pool = np.flatnonzero(folds >= 0)
    for name, task in tasks_of(runs).items():
        recipe = RECIPES[name]
        fitted = fit(runs, task, recipe, folds)
        measured, left_out = task.curves[pool], fitted.left_out[pool]
        calibration, noise = errors_of(measured, left_out, task.link.offset)
        terms = terms_of(runs.space, recipe.blocks)
        chosen = list(zip(*fitted.forests[:N_MEMBERS], strict=True))
        outputs = [
            tables_of(members, scale, terms)
            for members, scale in zip(chosen, fitted.scales, strict=True)
        ]
        facts = {**_facts(runs, recipe, len(pool)), "calibration": calibration}
        tested = runs.codes[test], task.curves[test]
        if task.curves.shape[1] == 1:
            one = tested[0], tested[1][:, 0]
            errors = measured[:, 0], left_out[:, 0]
            write_scalar(out, outputs[0], task.spec, facts, one, errors, report)
            continue
        form = form_of(
            fitted.basis,
            noise=noise,
            fidelity=("epoch", "epochs"),
            link=task.link,
            limits=task.limits,
        )
        vector = vector_of(outputs, form)
        write_curve(out, vector, task.spec, facts, tested, (measured, left_out), report)
    write_golden(out, tuple(RECIPES), n=_N_GOLDEN)
    return len(RECIPES)


def _facts(runs: Digits, recipe: Recipe, used: int) -> dict[str, Any]:
    parameters = {
        **vars(recipe.settings),
        "blocks": recipe.blocks,
        "coefficients": recipe.coefficients,
    }
    return {
        "benchmark": "digits",
        "recipe": "boosted trees of a curve's coefficients, as tables",
        "seeds": list(range(N_MEMBERS)),
        "dataset": {
            "name": "digits_curves",
            "license": "Apache-2.0",
            "sha256": runs.sha256,
            "n_records": len(runs.codes),
            "n_used": used,
            "n_dropped": 0,
        },
        "license": "Apache-2.0",
        "recipe_parameters": parameters,
        "transformation": (
            "accuracy of a run whose outputs are not finite counts as that of chance; losses "
            "above that of chance, infinite or not a number, count as it; seconds are the fastest "
            "epoch's times the number of epochs"
        ),
        "split": {"test": _TEST_SHARE, "seed": _SEED, "by": "configuration"},
    }
