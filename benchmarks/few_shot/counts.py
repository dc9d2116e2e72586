"""What can be said of an architecture without measuring: operations counted, and their MACs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

import anb_onnx

Codes = NDArray[np.uint8]
Floats = NDArray[np.float64]

#: FBNet (Wu et al., CVPR 2019, table 1): channels, layers and first stride of each stage; strides
#: are those for images of 32 x 32 (HW-NAS-Bench, which HELP's measurements follow).
_FBNET = ((16, 1, 1), (24, 4, 1), (32, 4, 2), (64, 4, 2), (112, 4, 1), (184, 4, 2), (352, 1, 1))
#: Kernel, expansion and groups of its candidates, in the order of the codes; the last is "skip".
_FBNET_BLOCKS = (
    *((3, 1, 1), (3, 1, 2), (3, 3, 1), (3, 6, 1)),
    *((5, 1, 1), (5, 1, 2), (5, 3, 1), (5, 6, 1)),
)
#: Once-for-all over MobileNetV3 (Cai et al., ICLR 2020): channels and stride of each unit.
_OFA = ((24, 2), (40, 2), (80, 2), (112, 1), (160, 2))


def nasbench201_counts(codes: Codes) -> Floats:
    """Return float64 [n, 5]: how many edges carry each operation."""
    return _occurrences(codes, 5)


def nasbench201_macs(codes: Codes) -> Floats:
    """Return float64 [n]: MACs of a cell's edges, one convolution of 1x1 counting 1."""
    counts = nasbench201_counts(codes)
    return counts[:, 2] + 9 * counts[:, 3]


def fbnet_counts(codes: Codes) -> Floats:
    """Return float64 [n, 9]: how many layers are each candidate."""
    return _occurrences(codes, 9)


def fbnet_macs(codes: Codes) -> Floats:
    """Return float64 [n]: MACs of the searched layers at 32 x 32 pixels.

    A skip that changes channels or resolution is a convolution of 1x1, as in HW-NAS-Bench.
    """
    per_layer = np.array(_fbnet_layers())
    return np.asarray(per_layer[np.arange(codes.shape[1]), codes].sum(axis=1), dtype=np.float64)


def _fbnet_layers() -> list[list[float]]:
    size, before, layers = 32, 16, []
    for channels, repeats, first in _FBNET:
        for position in range(repeats):
            stride = first if position == 0 else 1
            inner, outer = size**2, (size // stride) ** 2
            row = [
                before * e * before * inner / g + e * before * outer * (k**2 + channels / g)
                for k, e, g in _FBNET_BLOCKS
            ]
            same = stride == 1 and before == channels
            layers.append([*row, 0.0 if same else before * channels * outer])
            size, before = size // stride, channels
    return layers


def mnasnet_counts(codes: Codes) -> Floats:
    """Return float64 [n, 7]: layers by expansion (3), kernel (2) and squeeze-and-excitation (2)."""
    genes = codes.reshape(len(codes), 7, 4)
    layers = genes[:, :, 2] + 1.0
    kinds = [(0, 3), (1, 2), (3, 2)]
    columns = [
        (layers * (genes[:, :, gene] == code)).sum(axis=1) for gene, n in kinds for code in range(n)
    ]
    return np.stack(columns, axis=1)


def mnasnet_macs(codes: Codes) -> Floats:
    """Return float64 [n]: MACs in millions, as the bundled target counts them."""
    with anb_onnx.load("macs") as macs:
        return macs.query_codes(np.ascontiguousarray(codes)).mean.astype(np.float64)


def ofa_counts(choices: NDArray[np.int64]) -> Floats:
    """Return float64 [n, 7]: live layers by kernel (3) and expansion (3), and the resolution.

    `choices` holds the resolution, the depth of 5 units, and kernel and expansion of 20 layers.
    """
    resolution, live, kernels, expansions = _ofa_parts(choices)
    kinds = ((kernels, (3, 5, 7)), (expansions, (3, 4, 6)))
    columns = [(live & (of == value)).sum(axis=1) for of, values in kinds for value in values]
    return np.stack([*columns, resolution], axis=1).astype(np.float64)


def ofa_macs(choices: NDArray[np.int64]) -> Floats:
    """Return float64 [n]: MACs of the searched layers, up to rounding of odd sizes."""
    resolution, live, kernels, expansions = _ofa_parts(choices)
    size, before = resolution / 2.0, 16
    total = np.zeros(len(choices))
    for unit, (channels, first) in enumerate(_OFA):
        for position in range(4):
            stride = first if position == 0 else 1
            layer = 4 * unit + position
            middle = before * expansions[:, layer]
            outer = (size / stride) ** 2
            macs = middle * (before * size**2 + outer * (kernels[:, layer] ** 2 + channels))
            total += macs * live[:, layer]
            size, before = size / stride, channels
    return total


def _ofa_parts(choices: NDArray[np.int64]) -> tuple[NDArray[Any], ...]:
    depths = choices[:, 1:6]
    live = np.arange(4)[None, None, :] < depths[:, :, None]
    layers = choices[:, 6:].reshape(len(choices), 20, 2)
    return choices[:, 0], live.reshape(len(choices), 20), layers[:, :, 0], layers[:, :, 1]


def _occurrences(codes: Codes, n: int) -> Floats:
    return np.stack([(codes == code).sum(axis=1) for code in range(n)], axis=1).astype(np.float64)


#: Per space: what to count, and MACs.
COUNTED: dict[str, tuple[Callable[..., Floats], Callable[..., Floats]]] = {
    "nasbench201": (nasbench201_counts, nasbench201_macs),
    "fbnet": (fbnet_counts, fbnet_macs),
    "ofa": (ofa_counts, ofa_macs),
    "mnasnet": (mnasnet_counts, mnasnet_macs),
}
