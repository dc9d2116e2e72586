"""HELP's measurements (Lee et al., NeurIPS 2021) of FBNet's space and of Once-for-all's.

Of each 5,000 architectures are measured: FBNet's on 27 devices, with the variant for images of
32x32 in 100 classes (its multiply-adds fit the exactly additive devices, those on ImageNet do not);
Once-for-all's on four GPUs at three batch sizes.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from anb_export.data.dataset import Dataset, DatasetError, Origin
from anb_export.data.nasbench201 import latencies
from anb_export.data.npz_files import check_equal, dataset_of, read_arrays
from anb_export.data.targets import TargetSpec
from anb_onnx.spaces.fbnet import FBNET, OPERATIONS
from anb_onnx.spaces.ofa import DEPTHS, EXPANSIONS, KERNELS, LAYERS, RESOLUTIONS, UNITS

#: Kernel size, expansion and groups of FBNet's candidates, but for the last, which skips.
_CANDIDATES = (
    (3, 1, 1),
    (3, 1, 2),
    (3, 3, 1),
    (3, 6, 1),
    (5, 1, 1),
    (5, 1, 2),
    (5, 3, 1),
    (5, 6, 1),
)

#: Layers, channels and strides of FBNet's stages (its table 1), and what differs between images:
#: side, stride of the first convolution, strides of the stages, channels of the last, classes. The
#: variant for small images is that of HW-NAS-Bench.
_STAGES = ((1, 16), (4, 24), (4, 32), (4, 64), (4, 112), (4, 184), (1, 352))
_VARIANTS = {
    "cifar100": (32, 1, (1, 1, 2, 2, 1, 2, 1), 1504, 100),
    "imagenet": (224, 2, (1, 2, 2, 2, 1, 2, 1), 1984, 1000),
}


def read_fbnet(folder: Path) -> tuple[Dataset, Dataset]:
    """Read ``help_fbnet.npz``: latencies, and the multiply-adds of the same architectures.

    Raises
    ------
    DatasetError
        If the file is missing, or is not what it should be.
    """
    path = folder / "help_fbnet.npz"
    arrays = read_arrays(
        path,
        {
            "codes": ("u", (None, FBNET.n_genes)),
            "ops": ("U", (len(OPERATIONS),)),
            "devices": ("U", (None,)),
            "latency_ms": ("f", (None, None)),
        },
    )
    check_equal(path, "ops", arrays["ops"], OPERATIONS)
    codes = arrays["codes"]
    targets, values = {}, {}
    for images in _VARIANTS:
        name = f"macs_{images}"
        targets[name] = TargetSpec(name, name, None, "M", "min", exact=True)
        values[name] = fbnet_multiply_adds(codes, images) / 1e6
    counted = dataset_of(Origin("fbnet", "counted", "Apache-2.0", FBNET, targets), codes, values)
    return latencies(arrays, "HELP (FBNet)", "fbnet", codes), counted


def fbnet_multiply_adds(codes: NDArray[np.uint8], images: str) -> NDArray[np.int64]:
    """Count the multiply-adds of architectures of `FBNET`.

    Parameters
    ----------
    codes : ndarray of uint8, shape (n, 22)
    images : str
        ``"cifar100"`` or ``"imagenet"``.

    Returns
    -------
    ndarray of int64, shape (n,)

    Examples
    --------
    >>> import numpy as np
    >>> fbnet_multiply_adds(np.full((1, 22), 8, np.uint8), "imagenet").tolist()
    [49419136]
    """
    side, stem, strides, last, classes = _VARIANTS[images]
    side //= stem
    total = np.full(len(codes), 9 * 3 * 16 * side**2, dtype=np.int64)
    layer, before = 0, 16
    for (count, channels), first_stride in zip(_STAGES, strides, strict=True):
        for number in range(count):
            stride = first_stride if number == 0 else 1
            after = -(-side // stride)
            counts = [_block(before, channels, side, after, *c) for c in _CANDIDATES]
            # To skip costs a convolution of 1x1 where size or channels change.
            change = stride == 2 or before != channels
            counts.append(before * channels * after**2 if change else 0)
            total += np.array(counts, dtype=np.int64)[codes[:, layer]]
            layer, before, side = layer + 1, channels, after
    return np.asarray(total + before * last * side**2 + last * classes)


def _block(
    before: int, channels: int, side: int, after: int, kernel: int, expansion: int, groups: int
) -> int:
    """Multiply-adds of an inverted residual block: 1x1, depthwise, 1x1."""
    inner = before * expansion
    pointwise = before * inner // groups * side**2 + inner * channels // groups * after**2
    return pointwise + kernel**2 * inner * after**2


def read_ofa(folder: Path) -> Dataset:
    """Read ``help_ofa.npz``: latencies of 5,000 architectures of `OFA`.

    Raises
    ------
    DatasetError
        If the file is missing, or is not what it should be.
    """
    path = folder / "help_ofa.npz"
    arrays = read_arrays(
        path,
        {
            "ks": ("u", (None, UNITS * LAYERS)),
            "e": ("u", (None, UNITS * LAYERS)),
            "d": ("u", (None, UNITS)),
            "r": ("u", (None,)),
            "devices": ("U", (None,)),
            "latency_ms": ("f", (None, None)),
        },
    )
    layers = np.stack(
        [_coded(path, "ks", arrays["ks"], KERNELS), _coded(path, "e", arrays["e"], EXPANSIONS)],
        axis=2,
    )
    codes = np.concatenate(
        [
            _coded(path, "r", arrays["r"][:, None], RESOLUTIONS),
            _coded(path, "d", arrays["d"], DEPTHS),
            layers.reshape(len(layers), -1),
        ],
        axis=1,
    )
    return latencies(arrays, "HELP (Once-for-all)", "ofa", codes)


def _coded(
    path: Path, name: str, values: NDArray[np.uint8], choices: tuple[int, ...]
) -> NDArray[np.uint8]:
    """Return the position of each value among the choices."""
    found = np.searchsorted(choices, values).clip(max=len(choices) - 1)
    wrong = np.array(choices)[found] != values
    if wrong.any():
        row = int(np.argwhere(wrong)[0][0])
        msg = f"{path}: array {name!r}, row {row}, is {values[row].tolist()}; allowed are {choices}"
        raise DatasetError(msg)
    return found.astype(np.uint8)
