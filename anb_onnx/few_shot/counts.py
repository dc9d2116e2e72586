"""Operation counts of architectures, as tables over single blocks.

What a network has to compute, move and hold is known before anything is measured. Where the layers
of a space are published, these are exact; a device's time is then a little more than a sum of them.
All counts are of one input image.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from anb_onnx.few_shot.sources import decomposed
from anb_onnx.spaces.fbnet import FBNET
from anb_onnx.spaces.nasbench201 import NASBENCH201
from anb_onnx.spaces.space import SearchSpace

if TYPE_CHECKING:
    from anb_onnx.surrogate import Surrogate


#: Most that pairs of blocks of a count may have, against the largest entry of a block: rounding.
_ADDITIVE = 1e-6


@dataclass(frozen=True, eq=False)
class Count:
    """One kind of operations: a table for each block, and what all architectures share.

    Attributes
    ----------
    name : str
        ``"macs"`` (multiply-adds), ``"activations"`` (numbers written by convolutions),
        ``"weights"`` (parameters of convolutions) or ``"kernels"`` (operations to launch).
    blocks : tuple of float64 arrays, each [size of the block]
    rest : float
        Of stem and head.
    """

    name: str
    blocks: tuple[NDArray[np.float64], ...]
    rest: float


def counts_of(space: SearchSpace) -> tuple[Count, ...]:
    """Return the counts of a space whose layers are published; none of any other."""
    make = _MAKERS.get(space.name)
    return make() if make is not None and space == _SPACES[space.name] else ()


def count_of(surrogate: Surrogate) -> Count | None:
    """Return a target that is counted, not measured, as a count; None if it is none.

    It must be a sum over single blocks, as multiply-adds and parameters are.
    """
    ensemble, target = surrogate.ensemble, surrogate.target
    if ensemble is None or target.device is not None or not ensemble.link.is_identity:
        return None
    if any(len(term) > 2 for term in ensemble.terms.blocks):
        return None
    entries = ensemble.entries.astype(np.float64).mean(axis=1) * ensemble.scale
    mean, single, pair = decomposed(ensemble.terms, entries)
    size = max(float(np.abs(table).max()) for table in single)
    if any(float(np.abs(table).max()) > _ADDITIVE * size for table in pair.values()):
        return None
    least = [float(table.min()) for table in single]
    tables = tuple(table - low for table, low in zip(single, least, strict=True))
    return Count(target.name, tables, mean + ensemble.shift + sum(least))


def _nasbench201() -> tuple[Count, ...]:
    """Source: NAS-Bench-201 (arXiv 2001.00326), section 2.1: three stages of five cells.

    Of 16, 32 and 64 channels at 32x32, 16x16 and 8x8, so that a convolution has the same multiply-
    adds in every stage; stem and the two residual blocks between stages are the rest.
    """
    stages = ((16, 32), (32, 16), (64, 8))
    cells = 5
    area = {1: 1, 3: 9}
    macs = {k: cells * n * sum(c * c * s * s for c, s in stages) for k, n in area.items()}
    weights = {k: cells * n * sum(c * c for c, _ in stages) for k, n in area.items()}
    written = {k: cells * sum(c * s * s for c, s in stages) for k in area}
    residual = [
        (cin * cout * 9 + cout * cout * 9 + cin * cout, cout, size)
        for cin, cout, size in ((16, 32, 16), (32, 64, 8))
    ]
    rest = {
        "macs": 3 * 16 * 9 * 32 * 32 + sum(w * s * s for w, _, s in residual) + 640,
        "weights": 3 * 16 * 9 + sum(w for w, _, _ in residual) + 640,
        "activations": 16 * 32 * 32 + sum(3 * c * s * s for _, c, s in residual),
    }

    def of(name: str, of_1x1: float, of_3x3: float) -> Count:
        table = np.array([0.0, 0.0, of_1x1, of_3x3, 0.0])
        return Count(name, (table,) * 6, float(rest[name]))

    return (
        of("macs", macs[1], macs[3]),
        of("weights", weights[1], weights[3]),
        of("activations", written[1], written[3]),
    )


# FBNet's stages (arXiv 1812.03443, table 1): channels and layers, with the strides that the
# measurements have at an input of 32x32 (HW-NAS-Bench's FBNet on CIFAR-100).
_FBNET_STAGES = (
    *((16, 1, 1), (24, 4, 1), (32, 4, 2), (64, 4, 2), (112, 4, 1), (184, 4, 2), (352, 1, 1)),
)
_FBNET_HEAD = 1504


def _fbnet() -> tuple[Count, ...]:
    """Source: FBNet (arXiv 1812.03443), tables 1 and 2; kernels counted by us.

    A convolution in two groups is followed by a shuffle of channels: two kernels more. A skipped
    layer that changes its shape is a 1x1 convolution.
    """
    tables: list[NDArray[np.float64]] = []
    before, size = 16, 32
    for channels, layers, first in _FBNET_STAGES:
        for layer in range(layers):
            stride = first if layer == 0 else 1
            tables.append(_fbnet_layer(before, channels, size, stride))
            before, size = channels, size // stride
    pixels = size * size
    rest = (
        before * _FBNET_HEAD * pixels + 3 * 16 * 9 * 32 * 32,
        before * _FBNET_HEAD + _FBNET_HEAD * 100,
        _FBNET_HEAD * pixels + 16 * 32 * 32,
        3.0,
    )
    names = ("macs", "weights", "activations", "kernels")
    return tuple(
        Count(name, tuple(table[:, k] for table in tables), float(rest[k]))
        for k, name in enumerate(names)
    )


def _fbnet_layer(before: int, after: int, size: int, stride: int) -> NDArray[np.float64]:
    """Return macs, weights, activations and kernels of the nine candidates of a layer."""
    inside, outside = size * size, (size // stride) ** 2
    candidates = [(k, e, g) for k in (3, 5) for e, g in ((1, 1), (1, 2), (3, 1), (6, 1))]
    rows: list[tuple[float, float, float, float]] = []
    for kernel, expansion, groups in candidates:
        middle = before * expansion
        expand, depth, project = (
            before * middle / groups,
            middle * kernel**2,
            middle * after / groups,
        )
        rows.append(
            (
                expand * inside + (depth + project) * outside,
                expand + depth + project,
                float(middle * (inside + outside) + after * outside),
                5.0 if groups > 1 else 3.0,
            )
        )
    same = stride == 1 and before == after
    weights = float(before * after)
    skipped = (weights * outside, weights, float(after * outside), 1.0)
    rows.append((0.0, 0.0, 0.0, 0.0) if same else skipped)
    return np.array(rows)


_SPACES = {"nasbench201": NASBENCH201, "fbnet": FBNET}
_MAKERS: dict[str, Callable[[], tuple[Count, ...]]] = {
    "nasbench201": _nasbench201,
    "fbnet": _fbnet,
}
