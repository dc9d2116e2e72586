"""The space of NAS-Bench-201: cells of six edges, one of five operations on each.

Source: NAS-Bench-201 (Dong and Yang, ICLR 2020, arXiv 2001.00326); operations in the order of its
code, edges in the order of its architecture strings. The `index` of an architecture is the mixed
radix number of its codes, as in every space here. The benchmark's own files count architectures in
another order, that in which they were trained: `to_benchmark_index` and `from_benchmark_index`.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anb_onnx._io.show import show
from anb_onnx.errors import ArchitectureError
from anb_onnx.spaces.architecture import Architecture
from anb_onnx.spaces.matrix import as_uint8, in_range, plain, refuse_codes
from anb_onnx.spaces.own_spellings import ARCH_STRING, arch_string_values
from anb_onnx.spaces.space import Block, Choice, Gene, SearchSpace, is_integer

__all__ = [
    "NASBENCH201",
    "OPERATIONS",
    "benchmark_indices_to_codes",
    "codes_to_benchmark_indices",
    "from_arch_string",
    "from_benchmark_index",
    "to_arch_string",
    "to_benchmark_index",
]

#: What an edge computes, in the order of the codes.
OPERATIONS = ("none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3")

_EDGES = ("edge_1_0", "edge_2_0", "edge_2_1", "edge_3_0", "edge_3_1", "edge_3_2")

NASBENCH201 = SearchSpace(
    "nasbench201", tuple(Block(name, (Gene(name, OPERATIONS),)) for name in _EDGES)
)
"""6 blocks of one gene each: ``"edge_1_0"``, into node 1 from node 0, ``"edge_2_0"``,
``"edge_2_1"``, ``"edge_3_0"``, ``"edge_3_1"`` and ``"edge_3_2"``; 15,625 architectures."""


def from_arch_string(text: str) -> Architecture:
    """Return the architecture of a string as NAS-Bench-201 writes it.

    Parameters
    ----------
    text : str
        The nodes joined by "+"; of each node its edges ``operation~from`` between bars.

    Raises
    ------
    ArchitectureError
        If it is no such string; says which edge is wrong and which operations there are.

    Examples
    --------
    >>> from_arch_string(
    ...     "|nor_conv_3x3~0|+|none~0|skip_connect~1|+|none~0|none~1|avg_pool_3x3~2|"
    ... ).codes
    (3, 0, 1, 0, 0, 4)
    """
    values = arch_string_values(text.strip()) if isinstance(text, str) else None
    if values is None:
        form = ARCH_STRING.format(*["op"] * 6)
        msg = f"an architecture string of {NASBENCH201.name} is {form!r}, not {show(text)}"
        raise ArchitectureError(msg)
    return Architecture(values, space=NASBENCH201)


def to_arch_string(arch: Mapping[str, Choice]) -> str:
    """Return the string by which NAS-Bench-201 names a member of `NASBENCH201`.

    Raises
    ------
    ArchitectureError
        If it is no member of `NASBENCH201`.

    Examples
    --------
    >>> to_arch_string(Architecture.from_index(0, space=NASBENCH201))
    '|none~0|+|none~0|none~1|+|none~0|none~1|none~2|'
    """
    arch = Architecture(arch, space=NASBENCH201)
    return ARCH_STRING.format(*arch.values())


def from_benchmark_index(index: int) -> Architecture:
    """Return the architecture that NAS-Bench-201 and NATS-Bench count by this number.

    Parameters
    ----------
    index : int
        0 to 15,624: the order of their files, and of every benchmark built on them.

    Raises
    ------
    ArchitectureError
        If it is no integer or out of range.

    Examples
    --------
    >>> to_arch_string(from_benchmark_index(0))
    '|avg_pool_3x3~0|+|nor_conv_1x1~0|skip_connect~1|+|nor_conv_1x1~0|skip_connect~1|skip_connect~2|'
    """
    if not is_integer(index):
        msg = f"an index of the benchmark is an integer, not {show(index)}"
        raise ArchitectureError(msg)
    return Architecture.from_codes(
        benchmark_indices_to_codes(np.array([index], dtype=object))[0], space=NASBENCH201
    )


def to_benchmark_index(arch: Mapping[str, Choice]) -> int:
    """Return the number by which NAS-Bench-201 counts a member of `NASBENCH201`.

    Raises
    ------
    ArchitectureError
        If it is no member of `NASBENCH201`.

    Examples
    --------
    >>> to_benchmark_index(Architecture.from_index(0, space=NASBENCH201))
    1651
    """
    arch = Architecture(arch, space=NASBENCH201)
    return int(_orders()[1][arch.index])


def benchmark_indices_to_codes(indices: NDArray[Any]) -> NDArray[np.uint8]:
    """Return the codes of architectures that the benchmark's own files count by these numbers.

    Parameters
    ----------
    indices : ndarray of integers, shape (N,)

    Returns
    -------
    ndarray of uint8, shape (N, 6)

    Raises
    ------
    ArchitectureError
        If they are no such array, or one is out of range; names the first.

    Examples
    --------
    >>> import numpy as np
    >>> benchmark_indices_to_codes(np.arange(2)).tolist()
    [[4, 2, 1, 2, 1, 1], [3, 3, 4, 1, 3, 1]]
    """
    array = plain(indices)
    if array.ndim != 1 or array.dtype.kind == "f":
        msg = f"indices of the benchmark are an array [N] of integers, not {show(indices)}"
        raise ArchitectureError(msg)
    bad = (array < 0) | (array >= NASBENCH201.size)
    if bad.any():
        row = int(np.argmax(bad))
        msg = (
            f"row {row}: index {show(array[row])} of the benchmark is out of range; allowed are 0 "
            f"to {NASBENCH201.size - 1}"
        )
        raise ArchitectureError(msg)
    return np.asarray(_codes(_orders()[0][array.astype(np.int64)]), dtype=np.uint8)


def codes_to_benchmark_indices(codes: NDArray[np.integer[Any]]) -> NDArray[np.int64]:
    """Return the numbers by which the benchmark's own files count architectures.

    Parameters
    ----------
    codes : ndarray of integers, shape (N, 6)

    Returns
    -------
    ndarray of int64, shape (N,)

    Raises
    ------
    ArchitectureError
        If the codes are of another shape, or one is out of range; names the first.

    Examples
    --------
    >>> import numpy as np
    >>> codes_to_benchmark_indices(np.array([[3, 3, 4, 1, 3, 1]]))
    array([1])
    """
    array = as_uint8(codes, NASBENCH201)
    if not in_range(array, NASBENCH201):
        refuse_codes(array, NASBENCH201)
    return np.asarray(_orders()[1][array @ np.array(NASBENCH201.index_weights)], dtype=np.int64)


def _codes(indices: NDArray[np.int64]) -> NDArray[np.int64]:
    weights = np.array(NASBENCH201.index_weights)
    return np.asarray(indices[:, None] // weights % len(OPERATIONS))


@cache
def _orders() -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return our index of each number of the benchmark, and the number of each of our indices.

    The benchmark lists the operations of node 1, of each those of node 2, edge 2<-1 changing faster
    than 2<-0, and so on: exactly our order. Then its authors shuffled the list with Python's own
    generator, seeded with 88 (AutoDL-Projects, exps/NAS-Bench-201/main.py), to train it in pieces.
    Python promises the same stream for `random`, but not for `shuffle`: it is written out here.
    """
    order = list(range(NASBENCH201.size))
    draw = random.Random(88)
    for last in range(len(order) - 1, 0, -1):
        # As `shuffle` draws from 0..last: bits until they are in range.
        bits = (last + 1).bit_length()
        other = draw.getrandbits(bits)
        while other > last:
            other = draw.getrandbits(bits)
        order[last], order[other] = order[other], order[last]
    ours = np.array(order, dtype=np.int64)
    theirs = np.empty_like(ours)
    theirs[ours] = np.arange(len(ours))
    for array in (ours, theirs):
        array.flags.writeable = False
    return ours, theirs
