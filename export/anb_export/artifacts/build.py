"""Builds the compact artifact of each target: train, compile, calibrate, verify, write.

Everything long is kept in a working folder and reused if what it depends on has not changed, so an
interrupted build goes on where it stopped, and a repeated one only writes the same bytes again.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anb_export.artifacts.describe import describe
from anb_export.artifacts.lookup import card_of, whole_table
from anb_export.data.dataset import Dataset
from anb_export.data.metrics import evaluate
from anb_export.data.splits import Split
from anb_export.graphs.table_form import build_table_model
from anb_export.graphs.verify_graph import compare
from anb_export.tables.closed_form import exact_tables
from anb_export.tables.fixed_point import FRACTION_BITS
from anb_export.tables.of_training import compile_training
from anb_export.training import workers
from anb_export.training.compact import CompactRecipe
from anb_export.training.members_folder import Training
from anb_export.training.out_of_fold import N_OOF_MEMBERS, predict_out_of_fold
from anb_export.training.predictive_scale import (
    LEAST_ROWS,
    LEVELS,
    coverage,
    fit_calibration,
    learning_gain,
    size_gain,
)
from anb_export.training.recipe import Standardised
from anb_export.training.train_members import fold_rows, train
from anb_onnx.calibration import Calibration
from anb_onnx.catalog.catalog import Catalog
from anb_onnx.catalog.manifest import MANIFEST
from anb_onnx.encoding.encoding import codes_to_symbols
from anb_onnx.errors import AnbError, ArtifactError
from anb_onnx.spaces.architecture import sample
from anb_onnx.tables import TableEnsemble
from anb_onnx.writing.golden import write_golden
from anb_onnx.writing.manifest import write_artifact

#: Members of a compact ensemble, with seeds 1 to N_MEMBERS.
N_MEMBERS = 8

#: Random architectures on which tables are compared with the leaves they were compiled from: each
#: walks some ten thousand trees. `anb-export verify` compares more.
_VERIFY_ROWS = 20_000

Report = Callable[[str], "workers.OnProgress | None"]


@dataclass(frozen=True, eq=False)
class Built:
    """One artifact, before it is written.

    Attributes
    ----------
    target : str
    ensemble : TableEnsemble
    card : mapping
        Its entry of the manifest, without what concerns the file.
    """

    target: str
    ensemble: TableEnsemble
    card: Mapping[str, Any]


def build(
    dataset: Dataset,
    split: Split,
    recipes: Mapping[str, CompactRecipe],
    targets: tuple[str, ...],
    *,
    work: Path,
    out: Path,
    lookup: bool = False,
    jobs: int = 1,
    report: Report = lambda stage: None,
) -> list[Built]:
    """Build artifacts, the manifest, and the golden vectors of all targets.

    Parameters
    ----------
    dataset : Dataset
    split : Split
    recipes : mapping of str to CompactRecipe
        For every measured target among `targets`.
    targets : tuple of str
    work : Path
        Folder for members and out-of-fold predictions; may be kept for the next build.
    out : Path
        Folder of the artifacts.
    lookup : bool
        Whether to store the measurements of all architectures, and to train nothing; see `lookup`.
    jobs : int
        Trainings at a time.
    report : callable, optional
        Called as ``report(stage)`` with, for example, ``"accuracy: members"``; returns the
        progress callback for that stage.

    Returns
    -------
    list of Built

    Raises
    ------
    AnbError
        If a target has no recipe, or too few rows, or a compiled ensemble is not faithful to its
        members.
    """
    for target in targets:  # refused now, not after hours
        if not (lookup or dataset.target(target).exact):
            _check_trainable(dataset, split, target, recipes)
    found = []
    for target in targets:
        if lookup:
            ensemble = whole_table(dataset, target)
            found.append(Built(target, ensemble, card_of(dataset, target, ensemble)))
        elif dataset.target(target).exact:
            found.append(build_exact(dataset, split, target))
        else:
            found.append(
                build_compact(
                    dataset, split, target, recipes[target], work=work, jobs=jobs, report=report
                )
            )
        built = found[-1]
        model = build_table_model(built.ensemble, built.card)
        path = out / f"{target}.onnx"
        write_artifact(path, model.content, target, model.card, space=dataset.space)
    write_golden(out, tuple(dataset.origin.targets))
    return found


def _check_trainable(
    dataset: Dataset, split: Split, target: str, recipes: Mapping[str, CompactRecipe]
) -> None:
    if target not in recipes:
        msg = f"no compact recipe for {target!r}; make one with `anb-export tune`"
        raise AnbError(msg)
    rows = recipes[target].rows(dataset, target, split.pool)
    recipes[target].recipe(dataset, target, rows)  # terms and link fit
    if len(rows) < LEAST_ROWS:
        msg = (
            f"{target}: {len(rows)} training and validation records; a build needs at least "
            f"{LEAST_ROWS}, to know how far off predictions are (`anb-export train` and `compile` "
            "make an artifact that does not tell)"
        )
        raise AnbError(msg)


def check_name_of_folder(out: Path, benchmark: str) -> None:
    """Refuse to lay a folder of another name among those of benchmarks.

    Raises
    ------
    ArtifactError
        If the folder is not called as its benchmark, and one beside it is: `anb_onnx.benchmarks`
        would then refuse all of them.
    """
    out = out.absolute()
    if out.name == benchmark or not out.parent.is_dir():
        return
    for other in sorted(out.parent.iterdir()):
        if other == out or not (other / MANIFEST).is_file():
            continue
        try:
            proper = Catalog.read(other).benchmark == other.name
        except ArtifactError:  # whatever that is, it is no benchmark
            proper = False
        if proper:
            msg = (
                f"--out {out} is not called {benchmark!r} and lies beside the "
                f"benchmark {other.name!r}; give --out {out.parent / benchmark}"
            )
            raise ArtifactError(msg)


def build_compact(
    dataset: Dataset,
    split: Split,
    target: str,
    compact: CompactRecipe,
    *,
    work: Path,
    jobs: int = 1,
    report: Report = lambda stage: None,
) -> Built:
    """Train, compile, calibrate and check one measured target."""
    training = train_compact(
        dataset,
        split,
        target,
        compact,
        tuple(range(1, N_MEMBERS + 1)),
        work / "compact" / target,
        jobs=jobs,
        on_progress=report(f"{target}: members"),
    )
    ensemble = compile_training(training)
    seeds = tuple(int(m["seed"]) for m in training.document["members"])
    oof = predict_out_of_fold(
        dataset,
        target,
        split.pool,
        compact,
        seeds[:N_OOF_MEMBERS],
        work / "out_of_fold" / target,
        jobs=jobs,
        on_progress=report(f"{target}: out-of-fold ensembles"),
    )
    oof_std = oof.std(len(seeds))
    calibration = fit_calibration(oof.measured, oof.mean, oof_std, compact.link.offset)
    measured_oof = np.repeat(oof.measured[:, None], oof.members.shape[1], axis=1)
    gain = learning_gain(
        calibration,
        (measured_oof.ravel(), oof.members.ravel()),
        held_out(dataset, target, compact.rows(dataset, target, split.pool), training),
    )
    # The members' own std shrinks by itself as they learn from more rows; the noise does not.
    size = size_gain(calibration, oof, oof_std, len(seeds))
    calibration = replace(calibration, noise=calibration.noise * gain * size)
    rows, _ = dataset.labelled(target, split.test)
    measured = dataset.values[target][rows]
    mean, std, _ = ensemble.predict(codes_to_symbols(dataset.codes[rows], dataset.space))
    mean64, std64 = mean.astype(np.float64), std.astype(np.float64)
    card = describe(training, form="tables", versions={"onnx": version("onnx")})
    card |= {
        "link": compact.link.to_dict(),
        "recipe_parameters": compact.to_dict(),
        "quality": {
            "train": card["quality"]["train"],
            "val": card["quality"]["val"],
            "out_of_fold": evaluate(oof.measured, oof.mean),
            "test": evaluate(measured, mean64),
        },
        "calibration": calibration.to_dict(),
        "learning_gain": gain,
        "size_gain": size,
        "coverage": {
            "out_of_fold": coverage(calibration, oof.measured, oof.mean, oof_std),
            "test": coverage(calibration, measured, mean64, std64),
        },
        "fraction_bits": FRACTION_BITS,
        "verification": check(ensemble, training, n=_VERIFY_ROWS),
    }
    return Built(target, ensemble, card)


def held_out(
    dataset: Dataset, target: str, rows: NDArray[np.int64], training: Training
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return (measured, predicted) of each member on the fold that stopped its training."""
    measured, predicted = [], []
    for member, forest in zip(training.document["members"], training.forests(), strict=True):
        _, held = fold_rows(len(rows), int(member["seed"]))
        measured.append(dataset.values[target][rows[held]])
        codes = dataset.codes[rows[held]]
        label = forest.predict_exact(codes)
        predicted.append(training.transform.inverse(label, codes, dataset.space))
    return np.concatenate(measured), np.concatenate(predicted)


def train_compact(
    dataset: Dataset,
    split: Split,
    target: str,
    compact: CompactRecipe,
    seeds: tuple[int, ...],
    folder: Path,
    *,
    jobs: int = 1,
    on_progress: workers.OnProgress | None = None,
) -> Training:
    """Train the members of the compact recipe; see `train_members.train`."""
    rows = compact.rows(dataset, target, split.pool)
    weights = compact.weights(dataset, target, rows)
    of_records = None
    if weights is not None:
        of_records = np.zeros(len(dataset))
        of_records[rows] = weights
    return train(
        dataset,
        split,
        target,
        compact.recipe(dataset, target, rows),
        seeds,
        folder,
        jobs=jobs,
        weights=of_records,
        rows=rows,
        on_progress=on_progress,
    )


def check(ensemble: TableEnsemble, training: Training, *, n: int) -> dict[str, Any]:
    """Compare tables with the exact sums of leaves on `n` random architectures.

    Returns
    -------
    dict
        ``n``, ``seed``, the worst difference of an integer total in ``steps`` of the fixed point
        with its ``bound``, and the worst difference of the outputs in target standard deviations.

    Raises
    ------
    AnbError
        If the bound is exceeded.
    """
    codes = sample(n, seed=0, space=ensemble.space)
    totals = ensemble.totals(codes_to_symbols(codes, ensemble.space))
    with ThreadPoolExecutor() as pool:  # compiled code without the interpreter's lock
        columns = pool.map(lambda forest: forest.predict_exact(codes), training.forests())
        label = np.stack(list(columns), axis=1)
    standardised = label
    if not isinstance(training.transform, Standardised):
        standardised = (label - ensemble.shift) / math.ldexp(ensemble.scale, FRACTION_BITS)
    steps = float(np.abs(totals - np.ldexp(standardised, FRACTION_BITS)).max())
    bound = (len(ensemble.terms) + 1) / 2
    if not steps <= bound:
        msg = f"{training.target}: tables are {steps:.2f} steps off the leaves, allowed {bound}"
        raise AnbError(msg)
    content = build_table_model(ensemble, {"metric": training.spec.metric}).content
    exact = training.transform.inverse(label, codes, ensemble.space)
    difference = compare(content, codes, exact, training.target_std)
    return {
        "n": n,
        "seed": 0,
        "steps": float(f"{steps:.3g}"),
        "bound": bound,
        "largest": float(f"{difference.largest:.3g}"),
    }


def build_exact(dataset: Dataset, split: Split, target: str) -> Built:
    """Solve and check one exact target (multiply-adds, parameters)."""
    ensemble = exact_tables(dataset, target)
    spec, origin = dataset.target(target), dataset.origin
    mean, _, _ = ensemble.predict(codes_to_symbols(dataset.codes, dataset.space))
    measured = dataset.values[target]
    card: dict[str, Any] = {
        "benchmark": origin.benchmark,
        "form": "tables",
        "metric": spec.metric,
        "device": spec.device,
        "unit": spec.unit,
        "direction": spec.direction,
        "members": 1,
        "seeds": [],
        "exact": True,
        "link": ensemble.link.to_dict(),
        "recipe": "closed form",
        "quality": {
            "test": evaluate(measured[split.test], mean[split.test].astype(np.float64)),
            "all": evaluate(measured, mean.astype(np.float64)),
        },
        # Nothing is uncertain: every interval is the value itself.
        "calibration": Calibration(0.0, 0.0, 0, None, (0.0, LEVELS[-1]), (0.0, 0.0)).to_dict(),
        "target_std": float(np.std(measured)),
        "dataset": {
            "name": origin.name,
            "license": origin.license,
            "sha256": dataset.sha256,
            "n_records": len(dataset),
            "n_used": len(dataset),
            "n_dropped": 0,
        },
        "split": {"name": split.name, "sha256": split.sha256},
        "versions": {p: version(p) for p in ("anb-onnx-export", "numpy", "onnx")},
        "license": origin.license,
    }
    if not np.array_equal(mean, measured.astype(np.float32)):
        msg = f"{target}: the tables do not reproduce every record"
        raise AnbError(msg)
    return Built(target, ensemble, card)
