"""Batches of architectures -> codes -> symbols and indices.

A batch is checked where it comes in: everything behind `encode` may rely on codes in range.
NumPy does the work until compiled kernels would have saved as much time as it takes to have
them: at worst twice what would have been best, as in every ski-rental problem. Both give the same
integers.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from math import inf, prod
from types import ModuleType
from typing import Any, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from anb_onnx._io.show import show
from anb_onnx.encoding.configurations import many_codes, one_codes
from anb_onnx.encoding.mixed import (
    are_texts,
    is_one_list,
    mixed_codes,
    one_list_codes,
    other_space,
    refuse_codes_or_indices,
)
from anb_onnx.encoding.rows import rows_codes
from anb_onnx.encoding.tables import from_table
from anb_onnx.errors import ArchitectureError, EngineError
from anb_onnx.parallel.shelter import import_sheltered
from anb_onnx.spaces.architecture import Architecture
from anb_onnx.spaces.arrays import as_ndarray, is_table
from anb_onnx.spaces.indices import codes_at, refuse_indices
from anb_onnx.spaces.matrix import (
    as_uint8,
    in_range,
    plain,
    plain_matrix,
    refuse_codes,
    refuse_one_row,
)
from anb_onnx.spaces.space import SearchSpace, is_integer, needed_space
from anb_onnx.spaces.spelling import value_codes
from anb_onnx.spaces.values import mappings_codes, rows_array

__all__ = [
    "Architectures",
    "Batch",
    "check_codes",
    "codes_to_indices",
    "codes_to_symbols",
    "encode",
    "encode_and_tell",
    "from_table",
    "indices_to_codes",
]


class Table(Protocol):
    """A table of pandas, polars or pyarrow, as far as types tell."""

    @property
    def columns(self) -> Any:
        """What is in it, or the names of that."""

    def __len__(self) -> int:
        """Return the number of rows."""


class Array(Protocol):
    """An array of another library, as far as types tell."""

    def __array__(self) -> NDArray[Any]:
        """Return it as an array of NumPy."""


Batch: TypeAlias = (
    NDArray[Any]
    | Sequence[Mapping[str, Any] | Sequence[Any] | NDArray[Any] | float | np.integer[Any]]
    | Table
    | Array
)
"""What `encode` accepts of more than one architecture."""

Single: TypeAlias = Mapping[str, Any] | str | int | np.integer[Any]
"""What `encode` accepts of one architecture. An `Architecture` is a `Mapping`."""

Architectures: TypeAlias = Single | Batch
"""What `encode` accepts."""

_DICT, _ARCHITECTURE = {dict}, {Architecture}
_ROWS = (list, tuple, np.ndarray)

# Seconds per row that a compiled kernel saves, and what it costs to have one: to import numba and
# set it up, or, where that is done, to compile a kernel or load it from the cache (a figure between
# the two). All from `python -m benchmarks.encoding`; their precision matters little.
_SAVED = {"check": 17e-9, "symbols": 35e-9, "indices": 60e-9, "codes": 70e-9}
_COLD_SECONDS = 0.6
_WARM_SECONDS = 0.05
# A kernel that is there is used from so many rows on, and batches of so many make it come.
_KERNEL_ROWS = 2**10
_COUNTED_ROWS = 2**13
# What kernels would have saved this process by now, by task and space.
_lost: dict[tuple[str, str], float] = {}


def encode(
    architectures: Architectures, space: SearchSpace | None = None, *, threads: int = 1
) -> NDArray[np.uint8]:
    """Return the codes of a batch of architectures; refuse anything that is not one.

    Parameters
    ----------
    architectures
        One of

        * one architecture: an `Architecture`, any `Mapping` from gene names to values, a text (see
          `Architecture.parse`), an index; values by position in a list or tuple [n_genes] with a
          boolean among them or a string that is its gene's value; of MnasNet's space the four
          lists, in order or in a mapping;
        * a list or tuple of these, mixed or not;
        * a list or tuple of rows, each a list, tuple or array [n_genes]. If the first row has a
          boolean or a string among its items, all are rows of values in the order of
          ``space.genes``, as `Architecture` takes them; else all are rows of codes, as in an array
          of the same numbers;
        * an array of codes [N, n_genes] of any integer type, or of floats that are integers;
        * an array of indices [N] of any integer type, or of Python's integers (dtype object);
        * an array [N] of strings, each a text;
        * anything that NumPy makes one of these arrays of by ``__array__`` or ``__dlpack__``:
          tensors in main memory, series;
        * a pandas or polars DataFrame, a pyarrow Table or RecordBatch, as `from_table` takes them.

        N may be 0. A list of `n_genes` integers could be codes or indices, and is refused.
        A ConfigSpace Configuration is a Mapping; of its values, those count that its
        `get_array` stands for.
    space : SearchSpace
        The space they are members of. May be left out for `Architecture` objects, which know it.
    threads : int
        Threads for the compiled kernels of big batches.

    Returns
    -------
    ndarray of uint8 [N, n_genes]
        C-contiguous codes in the order of `space.genes`. May be the given array itself.

    Raises
    ------
    ArchitectureError
        If the batch is none of the above; the message names the first offending row, gene and
        value, and what is allowed. If there is no space.

    Examples
    --------
    >>> from anb_onnx import MNASNET, efficientnet_b0
    >>> b0 = efficientnet_b0()
    >>> encode([b0, dict(b0)], MNASNET)[:, :8].tolist()
    [[0, 0, 0, 0, 2, 0, 1, 0], [0, 0, 0, 0, 2, 0, 1, 0]]
    >>> [encode([row], MNASNET)[0, :4].tolist() for row in (b0.codes, list(b0.values()))]
    [[0, 0, 0, 0], [0, 0, 0, 0]]
    """
    space = needed_space(_space_of(architectures) if space is None else space, "encode")
    return encode_and_tell(architectures, space, threads=threads)[0]


def encode_and_tell(
    architectures: Architectures, space: SearchSpace, *, threads: int = 1
) -> tuple[NDArray[np.uint8], bool]:
    """Return what `encode` does, and whether it is one architecture rather than a batch.

    Raises
    ------
    ArchitectureError
        As from `encode`.
    """
    kind = type(architectures)
    if kind is Architecture:
        return _architectures_codes([architectures], space), True  # type: ignore[list-item]
    if isinstance(architectures, (list, tuple)):
        return _sequence_codes(architectures, space)
    if kind is not np.ndarray:
        if isinstance(architectures, Mapping):
            return rows_array(bytearray(one_codes(architectures, space)), space), True
        if isinstance(architectures, str) or is_integer(architectures):
            return rows_array(bytearray(value_codes(architectures, space)), space), True
        if is_table(architectures):
            return from_table(architectures, space), False
    array = as_ndarray(architectures)
    if isinstance(array, np.ndarray) and array.ndim == 0 and is_integer(array[()]):
        return encode_and_tell(array[()], space)
    return _array_codes(array, space, threads), False


def _array_codes(array: Any, space: SearchSpace, threads: int) -> NDArray[np.uint8]:
    """Return the codes of an array of codes, of indices or of texts."""
    if isinstance(array, np.ndarray) and are_texts(array):
        return mixed_codes(array.tolist(), space)
    array = plain(array)
    if array.ndim == 1:
        if len(array) == 0:
            return np.empty((0, space.n_genes), dtype=np.uint8)
        refuse_one_row(array, space)
        return indices_to_codes(array, space, threads=threads)
    codes = as_uint8(array, space)
    if array.dtype == np.uint8:  # else it was checked before it was converted
        check_codes(codes, space, threads=threads)
    return codes


def _space_of(architectures: object) -> SearchSpace | None:
    """Return the space of an Architecture, or of the first of a list of nothing else."""
    items = architectures if isinstance(architectures, (list, tuple)) else [architectures]
    known = [item.space for item in items if isinstance(item, Architecture)]
    return known[0] if known and len(known) == len(items) else None


def _sequence_codes(items: Sequence[Any], space: SearchSpace) -> tuple[NDArray[np.uint8], bool]:
    """Return the codes of a list or tuple, and whether it is one architecture, not many."""
    kinds = set(map(type, items))
    if kinds == _DICT:
        return mappings_codes(items, space), False
    if kinds <= _ARCHITECTURE:
        return _architectures_codes(items, space), False
    if is_one_list(items, space):
        return rows_array(bytearray(one_list_codes(items, space)), space), True
    if all(issubclass(kind, _ROWS) for kind in kinds) and getattr(items[0], "ndim", True):
        return rows_codes(items, space), False
    if all(issubclass(kind, Mapping) for kind in kinds):
        return many_codes(items, space), False
    if all(map(is_integer, items)):
        refuse_codes_or_indices(items, space)
        return indices_to_codes(items, space), False
    return mixed_codes(items, space), False


def _architectures_codes(items: Sequence[Architecture], space: SearchSpace) -> NDArray[np.uint8]:
    for row, item in enumerate(items):
        if item._space is not space and item._space != space:
            raise other_space(row, item, space)
    return rows_array(bytearray().join([item._codes for item in items]), space)


def check_codes(codes: NDArray[Any], space: SearchSpace, *, threads: int = 1) -> None:
    """Refuse anything but a uint8 array [N, n_genes] of codes in range.

    Raises
    ------
    ArchitectureError
        Naming the first offending row, gene and code.
    """
    codes = plain_matrix(codes, space)
    if codes.dtype != np.uint8:
        msg = f"codes are an array of uint8, not {codes.dtype}; encode() converts"
        raise ArchitectureError(msg)
    kernels = _kernels("check", len(codes), space, threads)
    if kernels is not None:
        valid = kernels.check(np.ascontiguousarray(codes), space, threads) < 0
    else:
        valid = in_range(codes, space)
    if not valid:
        refuse_codes(codes, space)


def codes_to_symbols(
    codes: NDArray[Any], space: SearchSpace | None = None, *, threads: int = 1
) -> NDArray[np.unsignedinteger[Any]]:
    """Return the symbol of every block.

    Parameters
    ----------
    codes : ndarray [N, n_genes]
        As `encode` accepts them; they are checked in the same pass.
    space : SearchSpace
        The space they are members of.
    threads : int
        Threads for the compiled kernel of a big batch.

    Returns
    -------
    ndarray of `space.symbol_dtype` (uint8 for `MNASNET`) [N, n_blocks]
        A block's codes in mixed radix, first gene most significant.

    Raises
    ------
    ArchitectureError
        As `encode` does, and if there is no space.

    Examples
    --------
    >>> from anb_onnx import MNASNET, efficientnet_b0
    >>> codes_to_symbols(encode([efficientnet_b0()]), MNASNET).tolist()
    [[0, 26, 32, 28, 34, 46, 24]]
    """
    space = needed_space(space, "codes_to_symbols")
    codes = as_uint8(codes, space)
    symbols = np.empty((len(codes), space.n_blocks), dtype=space.symbol_dtype)
    kernels = _kernels("symbols", len(codes), space, threads)
    if kernels is not None:
        if kernels.symbols(codes, symbols, space, threads) >= 0:
            refuse_codes(codes, space)
        return symbols
    if not in_range(codes, space):
        refuse_codes(codes, space)
    for block, columns in enumerate(space.block_slices):
        symbol = codes[:, columns.start].astype(space.symbol_dtype)
        for gene in range(columns.start + 1, columns.stop):
            # A size of 256 wraps to 0 in uint8, where the symbol so far can only be 0.
            symbol *= np.asarray(space.gene_sizes[gene]).astype(space.symbol_dtype)
            symbol += codes[:, gene]
        symbols[:, block] = symbol
    return symbols


def codes_to_indices(
    codes: NDArray[Any], space: SearchSpace | None = None, *, threads: int = 1
) -> NDArray[Any]:
    """Return the index of every row of codes [N, n_genes], which are checked first.

    Returns
    -------
    ndarray of int64 [N], or of object [N]
        Where the space has more than 2**63 members, whichever rows these are: Python's integers,
        exact and of any magnitude.

    Raises
    ------
    ArchitectureError
        As `encode` does, and if there is no space.

    Examples
    --------
    >>> from anb_onnx import MNASNET, efficientnet_b0
    >>> codes_to_indices(encode([efficientnet_b0()]), MNASNET).tolist()
    [2169626640]
    """
    space = needed_space(space, "codes_to_indices")
    codes = as_uint8(codes, space)
    if len(space.index_parts) > 1:
        return _big_indices(codes, space)
    indices = np.zeros(len(codes), dtype=np.int64)
    kernels = _kernels("indices", len(codes), space, threads)
    if kernels is not None:
        if kernels.indices(codes, indices, space, threads) >= 0:
            refuse_codes(codes, space)
        return indices
    if not in_range(codes, space):
        refuse_codes(codes, space)
    for gene, size in enumerate(space.gene_sizes):
        indices *= size
        indices += codes[:, gene]
    return indices


def _big_indices(codes: NDArray[np.uint8], space: SearchSpace) -> NDArray[np.object_]:
    """Return indices beyond int64: few steps in Python's integers, each over many genes."""
    if not in_range(codes, space):
        refuse_codes(codes, space)
    indices = np.zeros(len(codes), dtype=object)
    for part in space.index_parts:
        low = np.zeros(len(codes), dtype=np.int64)
        for gene in range(part.start, part.stop):
            low *= space.gene_sizes[gene]
            low += codes[:, gene]
        indices = indices * prod(space.gene_sizes[part]) + low.astype(object)
    return indices


def indices_to_codes(
    indices: NDArray[Any] | Sequence[int], space: SearchSpace | None = None, *, threads: int = 1
) -> NDArray[np.uint8]:
    """Return the codes uint8 [N, n_genes] of an array [N], or a list or tuple, of indices.

    The array is of an integer type, or of Python's integers (dtype object), which may be of any
    magnitude as those of a list may.

    Raises
    ------
    ArchitectureError
        If they are not integers, one is not in 0 to ``space.size - 1``, or there is no space.

    Examples
    --------
    >>> from anb_onnx import NASBENCH201
    >>> indices_to_codes([0, 15_624], NASBENCH201).tolist()
    [[0, 0, 0, 0, 0, 0], [4, 4, 4, 4, 4, 4]]
    """
    space = needed_space(space, "indices_to_codes")
    if isinstance(indices, (list, tuple)):
        for row, index in enumerate(indices):
            if not is_integer(index):
                msg = f"row {row}: an index is an integer, not {show(index)}"
                raise ArchitectureError(msg)
        indices = np.array(indices, dtype=object)
    indices = plain(indices)
    if indices.ndim != 1 or indices.dtype.kind not in "iuO":
        msg = f"indices are an array [N] of integers, not {show(indices)}"
        raise ArchitectureError(msg)
    if indices.dtype == object:  # NumPy's integers among them would overflow
        indices = np.array([*map(int, indices.tolist())], dtype=object)
    refuse_indices(indices, space)
    kernels = None
    if len(space.index_parts) == 1:
        kernels = _kernels("codes", len(indices), space, threads)
    if kernels is None:
        return codes_at(indices, space)
    codes = np.empty((len(indices), space.n_genes), dtype=np.uint8)
    kernels.codes(np.ascontiguousarray(indices, dtype=np.int64), codes, space, threads)
    return codes


def _kernels(task: str, n_rows: int, space: SearchSpace, threads: int) -> ModuleType | None:
    """Return the compiled kernels if they are worth it for this many rows more, else None."""
    if not is_integer(threads) or threads < 1:
        msg = f"threads is an integer >= 1, not {show(threads)}"
        raise EngineError(msg)
    key = task, space.name
    if n_rows >= _COUNTED_ROWS:
        _lost[key] = _lost.get(key, 0.0) + n_rows * _SAVED[task]
    cost = _WARM_SECONDS if "numba" in sys.modules else _COLD_SECONDS
    if n_rows < _KERNEL_ROWS or _lost.get(key, 0.0) < cost:
        return None
    try:
        kernels: ModuleType = import_sheltered("anb_onnx.encoding.numba_encoder")
    except (ImportError, OSError):  # not installed, or not for this version of NumPy
        _lost[key] = -inf
        return None
    return kernels
