"""What a study fits predictors to, and what it tests them on.

NAS-Bench-201, FBNet and Once-for-all are cut into folds, once and for all: seed s tests on fold s,
counted round, and draws what it trains on from all others. Accel-NASBench and data of one's own
have a split: every seed tests on its test rows, and draws from its training and validation rows.
The rows of a smaller size are the first of those of a larger one of the same seed, and the same for
every target that has a value there: sizes, predictors and targets are compared in pairs.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from anb_export.data.accel_nasbench import ACCEL_NASBENCH
from anb_export.data.dataset import Dataset
from anb_export.data.help_spaces import read_fbnet, read_ofa
from anb_export.data.nasbench201 import read_sources
from anb_export.data.read import read_dataset
from anb_export.data.splits import Split, read_split, usual_split
from anb_export.data.targets import TargetSpec
from anb_onnx._io.show import show
from anb_onnx.errors import AnbError, TargetError
from anb_onnx.loading import load
from anb_onnx.surrogate import Surrogate

Rows: TypeAlias = NDArray[np.int64]

#: Sizes of training sets, from 11 to all but the test rows of NAS-Bench-201; most are those of
#: Laube et al., "What to expect of hardware metric predictors in neural architecture search", 2022.
SIZES = (11, 25, 55, 124, 276, 614, 1366, 3036, 15000)

#: Seed of the one permutation that folds are cut from.
FOLD_SEED = 20210

#: What follows a device's name where it was measured at a batch size.
_BATCH = re.compile(r"_(1|32|64|256)$")


class StudyError(AnbError):
    """A study cannot be run as it is asked for, or its folder does not hold one."""


def device_of(spec: TargetSpec | str) -> str | None:
    """Return a target's device, whatever the batch size it was measured at.

    Examples
    --------
    >>> device_of("titan_rtx_256"), device_of("pixel3")
    ('titan_rtx', 'pixel3')
    """
    device = spec if isinstance(spec, str) else spec.device
    return None if device is None else _BATCH.sub("", device)


@dataclass(frozen=True, eq=False)
class Protocol(ABC):
    """Data sets of one space, and how they are cut.

    Attributes
    ----------
    space : str
        Name of the space, or of the benchmark of one's own data: the rows of a study say it.
    datasets : tuple of Dataset
        All of the same architectures in the same order, no two with a target of the same name.
    targets : tuple of str
        Those that are studied unless others are named.
    sizes : tuple of int
        Likewise, as far as there are so many rows.
    devices : tuple of str
        Targets with a bundled surrogate that may serve as a source device.
    """

    space: str
    datasets: tuple[Dataset, ...]
    targets: tuple[str, ...]
    sizes: tuple[int, ...]
    devices: tuple[str, ...] = ()

    @property
    def dataset(self) -> Dataset:
        """The data set of the default targets."""
        return self.datasets[0]

    def all_targets(self) -> tuple[str, ...]:
        """Return the names of all targets that could be studied."""
        return tuple(name for dataset in self.datasets for name in dataset.origin.targets)

    def of(self, target: str) -> Dataset:
        """Return the data set that has a target.

        Raises
        ------
        TargetError
            If there is no such target; lists what there is.
        """
        for dataset in self.datasets:
            if target in dataset.origin.targets:
                return dataset
        known = ", ".join(self.all_targets())
        msg = f"unknown target {show(target)} of {self.space}; valid targets: {known}"
        raise TargetError(msg)

    def rows(self, target: str, size: int, seed: int) -> tuple[Rows, Rows]:
        """Return the rows to fit to and those to test on.

        Parameters
        ----------
        target : str
        size : int
            Rows to fit to.
        seed : int

        Returns
        -------
        train, test : ndarray of int64
            Rows of the target's data set, disjoint; all have a value.

        Raises
        ------
        TargetError
            If there is no such target.
        StudyError
            If there are not so many rows to fit to.
        """
        dataset = self.of(target)
        pool, test = (dataset.labelled(target, rows)[0] for rows in self._parts(seed))
        if not 2 <= size <= len(pool):
            msg = (
                f"size {size}: {self.space} has {len(pool)} rows to fit {target!r} to, so a size "
                f"is from 2 to {len(pool)}"
            )
            raise StudyError(msg)
        return pool[:size], test

    def largest(self, target: str) -> int:
        """Return how many rows there are to fit to, whatever the seed.

        Raises
        ------
        TargetError
            If there is no such target.
        StudyError
            If predictions of the test rows cannot be ranked: there are less than two, or all have
            the same value.
        """
        dataset, counts = self.of(target), []
        for seed in range(self._distinct):
            pool, test = (dataset.labelled(target, rows)[0] for rows in self._parts(seed))
            if np.ptp(dataset.values[target][test]) == 0:
                msg = (
                    f"{target!r} of {self.space}: the {len(test)} test rows have one value, so "
                    "nothing can be ranked; give more measurements, or another --split"
                )
                raise StudyError(msg)
            counts.append(len(pool))
        return min(counts)

    def sources(self, target: str) -> tuple[Surrogate, ...]:
        """Return surrogates of source devices: none of the target's own device, in any data set.

        Raises
        ------
        AnbError
            If the bundled artifacts of the space are not installed.
        """
        own = device_of(self.of(target).target(target))
        found = []
        for name in self.devices:
            surrogate = _bundled(self.space, name)
            if own is None or device_of(surrogate.target.device or "") != own:
                found.append(surrogate)
        return tuple(found)

    @property
    @abstractmethod
    def _distinct(self) -> int:
        """How many seeds there are until test rows repeat."""

    @abstractmethod
    def _parts(self, seed: int) -> tuple[Rows, Rows]:
        """Return what a seed draws from, in the order of its draw, and what it tests on."""


@dataclass(frozen=True, eq=False)
class Folds(Protocol):
    """All rows, cut into folds of one size.

    Attributes
    ----------
    n_folds : int
    """

    n_folds: int = 10

    @property
    def _distinct(self) -> int:
        return self.n_folds

    def _parts(self, seed: int) -> tuple[Rows, Rows]:
        order = np.random.default_rng(FOLD_SEED).permutation(len(self.dataset)).astype(np.int64)
        size = len(order) // self.n_folds
        start = seed % self.n_folds * size
        test = order[start : start + size]
        rest = np.concatenate([order[:start], order[start + size :]])
        return _drawn(rest, seed), test


@dataclass(frozen=True, eq=False)
class Fixed(Protocol):
    """A split whose test rows serve every seed.

    Attributes
    ----------
    split : Split or None
        None only where it is not set yet.
    """

    split: Split | None = None

    @property
    def _distinct(self) -> int:
        return 1

    def _parts(self, seed: int) -> tuple[Rows, Rows]:
        assert self.split is not None
        return _drawn(self.split.pool, seed), self.split.test


def _drawn(rows: Rows, seed: int) -> Rows:
    """Return rows in the order a seed draws them."""
    return np.asarray(np.random.default_rng((seed, FOLD_SEED)).permutation(rows))


@lru_cache(maxsize=64)
def _bundled(space: str, target: str) -> Surrogate:
    return load(target, benchmark=space, engine="numpy")


# What HELP trains on: no device of its tests is among them.
_HELP_PHONES = ("samsung_a50", "pixel3", "essential_ph_1", "samsung_s7")
_HELP_CPUS = ("silver_4114", "silver_4210r")


def _help_devices(batches: tuple[int, ...]) -> tuple[str, ...]:
    gpus = tuple(f"1080ti_{batch}" for batch in batches)
    return tuple(f"latency_{device}" for device in (*gpus, *_HELP_CPUS, *_HELP_PHONES))


#: The five sets of the paper that can be had.
FIVE = (
    "imagenet16_latency_raspi4",
    "cifar100_latency_pixel3",
    "cifar10_latency_edgegpu",
    "cifar100_energy_edgegpu",
    "imagenet16_arithmetic_intensity",
)


def _nasbench201(data: Path) -> Protocol:
    helped, hardware, trained, counted = read_sources(data)
    sets = (hardware, helped, trained, counted)
    return Folds("nasbench201", sets, FIVE, SIZES, _help_devices((1, 32, 256)), n_folds=25)


def _fbnet(data: Path) -> Protocol:
    targets = ("latency_fpga", "latency_raspi4", "latency_eyeriss")
    return Folds("fbnet", read_fbnet(data), targets, SIZES, _help_devices((1, 32, 64)))


def _ofa(data: Path) -> Protocol:
    devices = [f"latency_{gpu}_{n}" for gpu in ("2080ti", "titan_xp", "v100") for n in (1, 32, 64)]
    return Folds("ofa", (read_ofa(data),), ("latency_titan_rtx_64",), SIZES, tuple(devices))


#: Spaces whose measurements lie in a folder of .npz files.
_FOLDERS = {"nasbench201": _nasbench201, "fbnet": _fbnet, "ofa": _ofa}

#: Name of the space of Accel-NASBench's measurements.
_ACCEL = ACCEL_NASBENCH.benchmark

#: What ``--space`` may be.
SPACES = (*_FOLDERS, _ACCEL)

#: Sizes for Accel-NASBench, which has about 4,700 rows to draw from.
_ACCEL_SIZES = (50, 200, 1000, 4000)


def protocol_of(space: str | None, data: str | Path, split: str | None = None) -> Protocol:
    """Read measurements, and return the protocol of their space.

    Parameters
    ----------
    space : str, optional
        One of `SPACES`; if not given, what `data` describes.
    data : path
        A folder of ``.npz`` files; or, of Accel-NASBench, its archive or the folder unpacked from
        it; or the ``.json`` file that describes data of one's own.
    split : str, optional
        A folder or ``random:SEED``, for the latter two. If not given: the published split where one
        lies beside the data, else ``random:0``.

    Raises
    ------
    StudyError
        If there is no such space, or it is not that of the data.
    AnbError
        If data or split cannot be read.
    """
    data = Path(data)
    if space in _FOLDERS:
        if split is not None:
            msg = f"--split {show(split)}: {space} is cut into folds; leave the option out"
            raise StudyError(msg)
        if data.is_file():
            msg = f"{data}: {space} is read from a folder of .npz files (--data DIR), not a file"
            raise StudyError(msg)
        return _FOLDERS[space](data)
    if space not in (None, _ACCEL):
        msg = f"unknown space {show(space)}; known are {', '.join(SPACES)}, and data of your own"
        raise StudyError(msg)
    dataset = read_dataset(data)
    if space is not None and dataset.origin.benchmark != space:
        msg = f"--space {space}: {data} is of benchmark {dataset.origin.benchmark!r}"
        raise StudyError(msg)
    return _fixed(dataset, read_split(dataset, usual_split(data) if split is None else split))


def _fixed(dataset: Dataset, split: Split) -> Protocol:
    origin = dataset.origin
    measured = {name: spec for name, spec in origin.targets.items() if not spec.exact}
    if origin != ACCEL_NASBENCH:
        return Fixed(origin.benchmark, (dataset,), tuple(measured), SIZES, split=split)
    devices = _of_devices(measured)
    return Fixed(_ACCEL, (dataset,), devices, _ACCEL_SIZES, devices, split=split)


def _of_devices(targets: Mapping[str, TargetSpec]) -> tuple[str, ...]:
    return tuple(name for name, spec in targets.items() if spec.device is not None)
