"""The measurements of a space: architectures, devices, and which rows serve for what."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from anb_export.data.accel_nasbench import TARGETS, read_archive
from anb_export.data.splits import read_split
from numpy.typing import NDArray

import anb_onnx
from anb_onnx.errors import AnbError
from anb_onnx.spaces.ready import ready_made
from anb_onnx.spaces.space import SearchSpace
from benchmarks.few_shot.counts import COUNTED
from benchmarks.few_shot.tasks import MNASNET

Floats = NDArray[np.float64]
Rows = NDArray[np.int64]

#: HELP's pool, in rows of its data; the test rows are the next thousand.
_POOLS = {"nasbench201": 900, "fbnet": 4000, "ofa": 4000}
_FILES = {"nasbench201": "help_nb201.npz", "fbnet": "help_fbnet.npz", "ofa": "help_ofa.npz"}
_TEST_ROWS = 1000
#: Share of the test rows that HELP drops at either end.
_TRIMMED = 0.1


@dataclass(frozen=True, eq=False)
class Device:
    """What was measured on a device.

    Attributes
    ----------
    values : float64 array [n]
        In `unit`; NaN where it was not measured.
    metric, device, unit, direction : str
        As `anb_onnx.adapt` takes them.
    """

    values: Floats
    metric: str
    device: str
    unit: str
    direction: str

    @property
    def times(self) -> Floats:
        """float64 [n] on the scale where layers add up: latency, or one over throughput."""
        return 1 / self.values if self.direction == "max" else self.values


@dataclass(frozen=True, eq=False)
class Measured:
    """Architectures of a space and their measurements.

    Attributes
    ----------
    space : SearchSpace
    codes : uint8 array [n, n_genes]
    devices : dict of str to Device
    pool, test : int64 arrays
        Rows to take samples of, and rows to predict.
    counts : float64 array [n, k]
    macs : float64 array [n]
    references : int64 array
        HELP's fixed reference architectures, which it measures on every device; else empty.
    """

    space: SearchSpace
    codes: NDArray[np.uint8]
    devices: dict[str, Device]
    pool: Rows
    test: Rows
    counts: Floats
    macs: Floats
    references: Rows


def read(space: str, folder: Path) -> Measured:
    """Read the measurements of a space from the folder of the data (`ANB_SHARED`, `--data`).

    Raises
    ------
    AnbError
        If a file is missing or cannot be read; names it.
    """
    if space == "mnasnet":
        return _accel_nasbench(folder)
    file = folder / "seeds" / _FILES[space]
    if not file.is_file():
        msg = f"no measurements of {space} at {file}; --data names the folder that has seeds/"
        raise AnbError(msg)
    with np.load(file) as found:
        names, latency, references = found["devices"], found["latency_ms"], found["ref_idx"]
        if space == "ofa":
            parts = found["r"][:, None], found["d"], found["ks"], found["e"]
            layers = np.stack(parts[2:], axis=2).reshape(len(parts[0]), -1)
            choices = np.concatenate([*parts[:2], layers], axis=1).astype(np.int64)
        else:
            choices = found["codes"]
    ready = ready_made(space)
    if ready is None:
        msg = f"the package has no search space {space!r}"
        raise AnbError(msg)
    codes = ofa_codes(choices, ready) if space == "ofa" else choices
    counts, macs = COUNTED[space]
    pool = _POOLS[space]
    return Measured(
        ready,
        np.ascontiguousarray(codes, dtype=np.uint8),
        {
            str(name): Device(row.astype(np.float64), "latency", str(name), "ms", "min")
            for name, row in zip(names, latency, strict=True)
        },
        np.arange(pool),
        np.arange(pool, pool + _TEST_ROWS),
        counts(choices),
        macs(choices),
        references.astype(np.int64),
    )


def ofa_codes(choices: NDArray[np.int64], space: SearchSpace) -> NDArray[np.uint8]:
    """Return the codes of architectures given as values of the genes, in the data's order.

    `choices` are resolution, depth of each unit, and kernel and expansion of each layer.
    """
    named = {"resolution": choices[:, 0]}
    for unit in range(5):
        named[f"depth_{unit}"] = choices[:, 1 + unit]
        for layer in range(4):
            column = 6 + 2 * (4 * unit + layer)
            named[f"kernel_{unit}_{layer}"] = choices[:, column]
            named[f"expansion_{unit}_{layer}"] = choices[:, column + 1]
    columns = [np.searchsorted(gene.choices, named[gene.name]) for gene in space.genes]
    return np.stack(columns, axis=1).astype(np.uint8)


def _accel_nasbench(folder: Path) -> Measured:
    """Read Accel-NASBench: samples of the train rows of its split, predictions of its test rows."""
    dataset = read_archive(folder / "anb_dataset_jsons.tar.gz")
    split = read_split(dataset, folder / "default_split")
    first = dataset.is_unique()
    devices = {}
    for name in MNASNET:
        target = TARGETS[name]
        devices[name] = Device(
            dataset.values[name], target.metric, str(target.device), target.unit, target.direction
        )
    counts, macs = COUNTED["mnasnet"]
    return Measured(
        anb_onnx.MNASNET,
        dataset.codes,
        devices,
        split.train[first[split.train]],
        split.test,
        counts(dataset.codes),
        macs(dataset.codes),
        np.zeros(0, np.int64),
    )


def trimmed(rows: Rows, values: Floats) -> Rows:
    """Return the rows that HELP keeps: without the tenth slowest and the tenth fastest of them."""
    order = rows[np.argsort(values[rows], kind="stable")]
    cut = int(_TRIMMED * len(order))
    return np.sort(order[cut : len(order) - cut])
