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

from anb_export.artifacts.space_catalogs import N_GOLDEN, Made, Report, card, closed_form, write
from anb_export.data.joint_runs import JointRuns, read_fcnet, read_hpobench_mlp
from anb_export.data.run_figures import noise_figures, rank_figures
from anb_export.tables.bounds import check_domain
from anb_export.tables.enumeration import all_codes
from anb_export.tables.rounded_tables import rounded_tables
from anb_export.training.block_sums import Form, Part, members, one_thread
from anb_export.training.lattice_process import LatticeProcess
from anb_export.training.predictive_scale import coverage, fit_calibration
from anb_export.training.seed_noise import fit_seed_noise, seed_coverage
from anb_onnx.encoding.encoding import codes_to_symbols
from anb_onnx.links import Link
from anb_onnx.spaces.fcnet import UNITS
from anb_onnx.spaces.space import SearchSpace
from anb_onnx.tables import TableEnsemble
from anb_onnx.terms import Terms
from anb_onnx.vectors import VectorEnsemble
from anb_onnx.writing.golden import write_golden

Floats = NDArray[np.float64]

#: What stands in for the logarithm: losses, times and their noise are positive.
_EIGHTH = Link("1/8")

#: Steps of entries on the scale of the link. Losses are as fine as float32: runs that learn nothing
#: but the mean differ in the sixth digit. Times and noise are some 1/1,000 of themselves: what is
#: coarse compresses well.
_FINE, _COARSE = 2.0**-24, 2.0**-16

#: Configurations that sums over pairs learn from, their members, and their ridge.
_N_TIMES, _N_MEMBERS, _RIDGE = 6_000, 4, 0.01

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
    space, between = joint.dataset.space, joint.dataset.stds[target]
    link, learn = _link(runs), joint.learn
    process = LatticeProcess(space, _repeated(codes[learn], runs), runs[learn].ravel(), 0)
    noises = LatticeProcess(space, codes[learn], between[learn], 0)
    target_tables = _tabled(space, process.members(_all(space)), link, _FINE)
    val = codes_to_symbols(codes[joint.val], space)
    held = _answers(target_tables, val)
    middle = noises.middle(codes[joint.val])
    calibration, factor = fit_seed_noise(runs[joint.val], *held, middle)
    plain = fit_calibration(*_single_runs(runs[joint.val], *held), None)
    # What the noise is, is told by its mean alone: its members say the same.
    of_noise = np.repeat(factor * noises.middle(_all(space))[:, None], 2, axis=1)
    vector = VectorEnsemble(
        (target_tables, _tabled(space, of_noise, link, _COARSE)), (target, f"{target}_noise")
    )
    noise_val = _answers(vector.outputs[1], val)[0]
    test = codes_to_symbols(codes[joint.test], space)
    found, noise_test = _answers(target_tables, test), _answers(vector.outputs[1], test)[0]
    of_val, of_test = runs[joint.val], runs[joint.test]
    unit = joint.dataset.target(target).unit
    stated = card(
        joint.dataset,
        target,
        target_tables,
        exact=False,
        recipe="Gaussian process over all configurations",
        quality={"val": rank_figures(of_val, held[0]), "test": rank_figures(of_test, found[0])},
        calibration=plain.to_dict(),
        others={
            **_learned(joint, runs, len(learn)),
            "coverage": {"test": coverage(plain, *_single_runs(of_test, *found))},
            "seed_coverage": {
                "val": seed_coverage(calibration, of_val, *held, noise_val),
                "test": seed_coverage(calibration, of_test, *found, noise_test),
            },
            "seed_noise_quality": {"test": noise_figures(of_test, noise_test)},
            "rounding": {"step": target_tables.scale},
        },
    ).to_dict()
    own = {key: stated[key] for key in ("direction", "calibration", "quality")}
    outputs = [{"unit": unit, **own}, {"unit": unit, "direction": "min"}]
    noise_card = {"output": f"{target}_noise", "calibration": calibration.to_dict()}
    del stated["form"]  # of one output; the ensemble says what it is
    return Made(target, vector, {**stated, "outputs": outputs, "seed_noise": noise_card})


def of_all(joint: JointRuns, target: str) -> Made:
    """Return a target as one table of all configurations, of one member."""
    runs, learn, space = joint.runs[target], joint.learn, joint.dataset.space
    codes = _repeated(joint.dataset.codes[learn], runs)
    process = LatticeProcess(space, codes, runs[learn].ravel(), 0)
    ensemble = _tabled(space, process.middle(_all(space))[:, None], _link(runs), _COARSE)
    return _scalar(joint, target, ensemble, "Gaussian process over all configurations", len(learn))


def of_pairs(joint: JointRuns, target: str) -> Made:
    """Return a target that is nearly a sum over pairs of genes on the scale of `_EIGHTH`."""
    chosen = np.random.default_rng(0).permutation(joint.learn)[:_N_TIMES]
    labels = _EIGHTH.forward(joint.runs[target][chosen]).mean(axis=1)
    ensemble = _sums_of_pairs(joint.dataset.space, joint.dataset.codes[chosen], labels)
    return _scalar(joint, target, ensemble, "robust sum over pairs", len(chosen))


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
    otherwise = "the networks are of another size than their widths say"
    return closed_form(dataset, target, ensemble, otherwise)


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
    process = LatticeProcess(space, codes, values, 0)
    return _tabled(space, process.middle(_all(space))[:, None], _link(runs), _FINE)


def _link(runs: Floats) -> Link:
    """Return the link of a target: eighth roots of what spans powers of ten."""
    return _EIGHTH if runs.min() > 0 and runs.max() > 100 * runs.min() else Link()


def _all(space: SearchSpace) -> NDArray[np.uint8]:
    return all_codes(space)[0]


def _repeated(codes: NDArray[np.uint8], runs: Floats) -> NDArray[np.uint8]:
    """Return the configuration of each run, of all runs one after the other."""
    return np.repeat(codes, runs.shape[1], axis=0)


def _answers(ensemble: TableEnsemble, symbols: NDArray[np.integer[Any]]) -> tuple[Floats, Floats]:
    """Return mean and std as the artifact answers them."""
    mean, std, _ = ensemble.predict(symbols)
    return mean.astype(np.float64), std.astype(np.float64)


def _tabled(space: SearchSpace, values: Floats, link: Link, step: float) -> TableEnsemble:
    """Return values of all configurations [size, M], in the order of `_all`, as one table."""
    entries = np.rint(link.forward(values) / step).astype(np.int32)
    return TableEnsemble(space, entries, step, 0.0, link, all_codes(space)[1])


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
    joint: JointRuns, target: str, ensemble: TableEnsemble, recipe: str, n_learned: int
) -> Made:
    """Return a target of one output, calibrated by single runs of the validation rows."""
    runs, codes = joint.runs[target], joint.dataset.codes
    val, test = runs[joint.val], runs[joint.test]
    held = _answers(ensemble, codes_to_symbols(codes[joint.val], joint.dataset.space))
    found = _answers(ensemble, codes_to_symbols(codes[joint.test], joint.dataset.space))
    calibration = fit_calibration(*_single_runs(val, *held), None)
    return Made(
        target,
        ensemble,
        card(
            joint.dataset,
            target,
            ensemble,
            exact=False,
            recipe=recipe,
            quality={"val": rank_figures(val, held[0]), "test": rank_figures(test, found[0])},
            calibration=calibration.to_dict(),
            others={
                **_learned(joint, runs, n_learned),
                "coverage": {"test": coverage(calibration, *_single_runs(test, *found))},
                "rounding": {"step": ensemble.scale},
            },
        ),
    )


def _single_runs(runs: Floats, mean: Floats, std: Floats) -> tuple[Floats, Floats, Floats]:
    """Return each run [n * S], and mean and std of its configuration."""
    seeds = runs.shape[1]
    return runs.ravel(), np.repeat(mean, seeds), np.repeat(std, seeds)


def _learned(joint: JointRuns, runs: Floats, n: int) -> dict[str, Any]:
    """Return how many configurations were learned from, and how many runs of each."""
    split = {"learn": n, "val": len(joint.val), "test": len(joint.test)}
    return {"runs_of_each": runs.shape[1], "split": split}
