"""Catalogs of joint spaces, learned from runs of several seeds: FCNet and HPOBench's MLPs.

Losses and accuracies are those of a Gaussian process over all configurations, with the noise
between seeds as a second output. Training times of FCNet are sums over pairs of genes, those of
HPOBench another such process; the size of FCNet's networks is counted.

Recipes were chosen on validation rows; the test rows, configurations that nothing was learned from,
serve the figures of the cards alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anb_export.artifacts.space_catalogs import N_GOLDEN, Made, Report, card, write
from anb_export.data.joint_runs import JointRuns, read_fcnet, read_hpobench_mlp
from anb_export.data.metrics import evaluate
from anb_export.data.run_figures import noise_figures, rank_figures
from anb_export.tables.bounds import check_domain
from anb_export.tables.enumeration import all_codes
from anb_export.tables.rounded_tables import rounded_tables
from anb_export.training.block_sums import Form, Part, members, one_thread
from anb_export.training.lattice_process import LatticeProcess
from anb_export.training.predictive_scale import coverage, fit_calibration
from anb_export.training.seed_noise import fit_seed_noise, seed_coverage
from anb_onnx.calibration import EXACT
from anb_onnx.encoding.encoding import codes_to_symbols
from anb_onnx.errors import AnbError
from anb_onnx.links import Link
from anb_onnx.spaces.fcnet import UNITS
from anb_onnx.spaces.space import SearchSpace
from anb_onnx.tables import TableEnsemble
from anb_onnx.terms import Terms
from anb_onnx.vectors import VectorEnsemble
from anb_onnx.writing.golden import write_golden

Floats = NDArray[np.float64]
Rows = NDArray[np.int64]

#: What stands in for the logarithm: losses, times and their noise are positive.
_EIGHTH = Link("1/8")

#: Steps of entries on the scale of the link: 2^-16 of an eighth root is some 1/10,000 of a loss.
_STEPS = {"1/8": 2.0**-16, "1": 2.0**-20}

#: Configurations that sums over pairs learn from, their members, and their ridge.
_N_TIMES, _N_MEMBERS, _RIDGE = 12_000, 4, 0.01

#: Inputs of FCNet's networks, by data set.
_INPUTS = {
    "naval_propulsion": 14,
    "parkinsons_telemonitoring": 19,
    "protein_structure": 8,
    "slice_localization": 379,
}


def build_fcnet(data: Path, out: Path, report: Report = lambda made: None) -> int:
    """Write the catalog of FCNet; parameters and errors as `space_catalogs.build_nasbench201`."""
    joint = read_fcnet(data)
    makers = {"val_loss": of_seeds, "train_time": of_pairs, "model_size": counted_size}
    return _build(joint, out, report, makers)


def build_hpobench_mlp(data: Path, out: Path, report: Report = lambda made: None) -> int:
    """Write the catalog of HPOBench's perceptrons; as `space_catalogs.build_nasbench201`."""
    joint = read_hpobench_mlp(data)
    return _build(joint, out, report, {"val_acc": of_seeds, "train_time": of_all})


def _build(joint: JointRuns, out: Path, report: Report, makers: Mapping[str, Any]) -> int:
    order = tuple(joint.dataset.origin.targets)
    for target in order:
        make = next(make for metric, make in makers.items() if target.startswith(metric))
        with one_thread():
            write(out, make(joint, target), joint.dataset, report)
    write_golden(out, order, n=N_GOLDEN)
    return len(order)


def of_seeds(joint: JointRuns, target: str) -> Made:
    """Return a target with the noise between seeds as a second output."""
    runs, codes = joint.runs[target], joint.dataset.codes
    between = joint.dataset.stds[target]
    space = joint.dataset.space
    link = _link(runs)
    # First without the validation rows, which then tell how far off it is.
    process = _process(joint, target, joint.learn)
    noises = LatticeProcess(space, codes[joint.learn], between[joint.learn], 0)
    held = (*process.predict(codes[joint.val]), noises.middle(codes[joint.val]))
    calibration, factor = fit_seed_noise(runs[joint.val], *held)
    plain = fit_calibration(*_single_runs(runs[joint.val], *held[:2]), None)
    process = _process(joint, target, joint.known, process)
    noises = LatticeProcess(space, codes[joint.known], between[joint.known], 0, noises.settings)
    vector = VectorEnsemble(
        (_tabled(process, link), _tabled(noises, link, factor)), (target, f"{target}_noise")
    )
    test = codes_to_symbols(codes[joint.test], space)
    (mean, std, _), (noise, _, _) = (output.predict(test) for output in vector.outputs)
    found = (mean.astype(np.float64), std.astype(np.float64), noise.astype(np.float64))
    of_test = runs[joint.test]
    unit = joint.dataset.target(target).unit
    stated = card(
        joint.dataset,
        target,
        vector.outputs[0],
        exact=False,
        recipe="Gaussian process over all configurations",
        quality={
            "val": rank_figures(runs[joint.val], held[0]),
            "test": rank_figures(of_test, found[0]),
        },
        calibration=plain.to_dict(),
        others={
            **_learned(joint, runs),
            "coverage": {"test": coverage(plain, *_single_runs(of_test, *found[:2]))},
            "seed_coverage": {
                "val": seed_coverage(calibration, runs[joint.val], *held[:2], factor * held[2]),
                "test": seed_coverage(calibration, of_test, *found),
            },
            "seed_noise_quality": {"test": noise_figures(of_test, found[2])},
            "rounding": {"step": vector.outputs[0].scale},
        },
    ).to_dict()
    outputs = [
        {"unit": unit, "direction": stated["direction"], "calibration": stated["calibration"]},
        {"unit": unit, "direction": "min"},
    ]
    noise_card = {"output": f"{target}_noise", "calibration": calibration.to_dict()}
    return Made(target, vector, {**stated, "outputs": outputs, "seed_noise": noise_card})


def of_all(joint: JointRuns, target: str) -> Made:
    """Return a target as one table of all configurations, without noise of its own."""
    codes, runs = joint.dataset.codes, joint.runs[target]
    process = _process(joint, target, joint.learn)
    held = process.predict(codes[joint.val])
    process = _process(joint, target, joint.known, process)
    ensemble = _tabled(process, _link(runs))
    return _scalar(joint, target, ensemble, held, "Gaussian process over all configurations")


def of_pairs(joint: JointRuns, target: str) -> Made:
    """Return a target that is nearly a sum over pairs of genes on the scale of `_EIGHTH`."""
    held = _pairs(joint, target, joint.learn).predict(
        codes_to_symbols(joint.dataset.codes[joint.val], joint.dataset.space)
    )
    ensemble = _pairs(joint, target, joint.known)
    validated = [a.astype(np.float64) for a in held[:2]]
    return _scalar(joint, target, ensemble, (validated[0], validated[1]), "robust sum over pairs")


def counted_size(joint: JointRuns, target: str) -> Made:
    """Return the number of weights and biases of FCNet's networks, which the widths tell.

    Raises
    ------
    AnbError
        If a record says otherwise.
    """
    dataset = joint.dataset
    inputs = _INPUTS[target.removeprefix("model_size_")]
    first, second = np.meshgrid(UNITS, UNITS, indexing="ij")
    sizes = (inputs + 2) * first + (first + 1) * second + second + 1
    blocks = tuple(dataset.space.gene_names.index(f"n_units_{layer}") for layer in (1, 2))
    terms = Terms(dataset.space, (blocks,))
    entries = np.asarray(sizes, dtype=np.int32).reshape(-1, 1)
    ensemble = TableEnsemble(dataset.space, entries, 1.0, 0.0, Link(), terms)
    mean, _, _ = ensemble.predict(codes_to_symbols(dataset.codes, dataset.space))
    measured = dataset.values[target]
    if not np.array_equal(mean.astype(np.float64), measured):
        msg = f"{target}: the networks are of another size than their widths say"
        raise AnbError(msg)
    figures = evaluate(measured, mean.astype(np.float64))
    return Made(
        target,
        ensemble,
        card(
            dataset,
            target,
            ensemble,
            exact=True,
            recipe="closed form",
            quality={"test": figures, "all": figures},
            calibration=EXACT.to_dict(),
        ),
    )


def of_few_runs(joint: JointRuns, target: str, n: int) -> TableEnsemble:
    """Return what is learned of one run each of `n` configurations, by the same recipe.

    The configurations are drawn among those of `JointRuns.learn`, and of each the seed.
    """
    rng = np.random.default_rng(n)
    rows = rng.permutation(joint.learn)[:n]
    runs = joint.runs[target]
    values = runs[rows, rng.integers(0, runs.shape[1], n)]
    space, codes = joint.dataset.space, joint.dataset.codes[rows]
    if joint.dataset.origin.benchmark == "fcnet" and target.startswith("train_time"):
        return _sums_of_pairs(space, codes, _EIGHTH.forward(values))
    with one_thread():
        return _tabled(LatticeProcess(space, codes, values, 0), _link(runs))


def _process(
    joint: JointRuns, target: str, rows: Rows, like: LatticeProcess | None = None
) -> LatticeProcess:
    """Return the process of all runs of some rows, with the settings of another if given."""
    runs = joint.runs[target][rows]
    codes = np.repeat(joint.dataset.codes[rows], runs.shape[1], axis=0)
    settings = None if like is None else like.settings
    return LatticeProcess(joint.dataset.space, codes, runs.ravel(), 0, settings)


def _link(runs: Floats) -> Link:
    """Return the link of a target: eighth roots of what spans powers of ten."""
    return _EIGHTH if runs.min() > 0 and runs.max() > 100 * runs.min() else Link()


def _tabled(process: LatticeProcess, link: Link, factor: float = 1.0) -> TableEnsemble:
    """Return the two members of a process, times a factor, as one table of all configurations."""
    codes, terms = all_codes(process.space)
    step = _STEPS[link.power]
    labels = link.forward(factor * process.members(codes))
    entries = np.rint(labels / step).astype(np.int32)
    return TableEnsemble(process.space, entries, step, 0.0, link, terms)


def _pairs(joint: JointRuns, target: str, rows: Rows) -> TableEnsemble:
    chosen = np.random.default_rng(0).permutation(rows)[:_N_TIMES]
    labels = _EIGHTH.forward(joint.runs[target][chosen]).mean(axis=1)
    return _sums_of_pairs(joint.dataset.space, joint.dataset.codes[chosen], labels)


def _sums_of_pairs(space: SearchSpace, codes: NDArray[np.uint8], labels: Floats) -> TableEnsemble:
    sizes = space.block_sizes
    parts = [
        Part((a, b), np.eye(sizes[a] * sizes[b])) for a, b in combinations(range(len(sizes)), 2)
    ]
    form = Form("pairs", space, parts)
    terms = Terms.of_order(space, 2)
    with one_thread():
        design = form.design(codes_to_symbols(codes, space))
        coefficients = members(design, labels, _RIDGE, _N_MEMBERS, seed=0)
    ensemble = replace(rounded_tables(form.tables(coefficients, terms), terms), link=_EIGHTH)
    check_domain(ensemble)
    return ensemble


def _scalar(
    joint: JointRuns,
    target: str,
    ensemble: TableEnsemble,
    held: tuple[Floats, Floats],
    recipe: str,
) -> Made:
    """Return a target of one output, calibrated by the validation rows that `held` predicts."""
    runs = joint.runs[target]
    calibration = fit_calibration(*_single_runs(runs[joint.val], *held), None)
    symbols = codes_to_symbols(joint.dataset.codes[joint.test], joint.dataset.space)
    mean, std = (a.astype(np.float64) for a in ensemble.predict(symbols)[:2])
    test = runs[joint.test]
    return Made(
        target,
        ensemble,
        card(
            joint.dataset,
            target,
            ensemble,
            exact=False,
            recipe=recipe,
            quality={
                "val": rank_figures(runs[joint.val], held[0]),
                "test": rank_figures(test, mean),
            },
            calibration=calibration.to_dict(),
            others={
                **_learned(joint, runs),
                "coverage": {"test": coverage(calibration, *_single_runs(test, mean, std))},
                "rounding": {"step": ensemble.scale},
            },
        ),
    )


def _single_runs(runs: Floats, mean: Floats, std: Floats) -> tuple[Floats, Floats, Floats]:
    """Return each run [n * S], and mean and std of its configuration."""
    seeds = runs.shape[1]
    return runs.ravel(), np.repeat(mean, seeds), np.repeat(std, seeds)


def _learned(joint: JointRuns, runs: Floats) -> dict[str, Any]:
    return {
        "seeds_of_each": runs.shape[1],
        "split": {
            "learn": len(joint.learn),
            "val": len(joint.val),
            "test": len(joint.test),
        },
    }
