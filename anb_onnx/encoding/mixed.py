"""Single architectures, and lists of them, in spellings other than mappings and rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anb_onnx._io.show import show
from anb_onnx.encoding.configurations import one_codes
from anb_onnx.errors import ArchitectureError
from anb_onnx.spaces.architecture import Architecture
from anb_onnx.spaces.arrays import as_ndarray
from anb_onnx.spaces.own_spellings import are_lists, has_lists
from anb_onnx.spaces.space import SearchSpace, is_integer
from anb_onnx.spaces.spelling import value_codes
from anb_onnx.spaces.values import rows_array

# Integers below this may be codes.
_MOST_CODES = 256

_BLOCKS = 7


def is_one_list(items: Sequence[Any], space: SearchSpace) -> bool:
    """Say whether a list or tuple is one architecture, rather than a batch of them.

    Values by position are, if a boolean is among them or a string that is its gene's value; and
    MnasNet's four lists.
    """
    if not items or isinstance(items[0], Mapping):
        return False
    if len(items) == 4 and has_lists(space) and are_lists(items):
        return any(len(item) == _BLOCKS for item in items)
    if len(items) != space.n_genes:
        return False
    return any(
        isinstance(item, (bool, np.bool_)) or (isinstance(item, str) and gene.find(item) >= 0)
        for gene, item in zip(space.genes, items, strict=True)
    )


def one_list_codes(items: Sequence[Any], space: SearchSpace) -> bytes:
    """Return the codes of a list that is one architecture."""
    return Architecture(items, space=space)._codes


def refuse_codes_or_indices(items: Sequence[Any], space: SearchSpace) -> None:
    """Refuse a list of as many small integers as there are genes.

    Raises
    ------
    ArchitectureError
        With both ways to say what they are.
    """
    n = space.n_genes
    if len(items) == n > 1 and all(0 <= item < _MOST_CODES for item in items):
        msg = (
            f"a list of {n} small integers is one row of codes, or {n} indices: pass [codes] for a "
            f"batch of this row (Architecture.from_codes for one architecture), or "
            f"indices_to_codes(indices, space) if they are indices"
        )
        raise ArchitectureError(msg)


def are_texts(array: NDArray[Any]) -> bool:
    """Say whether an array [N] holds strings, rather than numbers."""
    if array.ndim != 1 or array.dtype.kind not in "OUT" or len(array) == 0:
        return False
    return array.dtype.kind != "O" or any(isinstance(item, str) for item in array.tolist())


def mixed_codes(items: Sequence[Any], space: SearchSpace) -> NDArray[np.uint8]:
    """Return the codes uint8 [N, n_genes] of a sequence of texts, indices, mappings and rows.

    Raises
    ------
    ArchitectureError
        For the first that is no architecture of the space.
    """
    rows = (_item(row, item, space) for row, item in enumerate(items))
    return rows_array(bytearray().join(rows), space)


def _item(row: int, item: Any, space: SearchSpace) -> bytes:
    where = f"row {row}"
    if isinstance(item, Architecture) and item.space != space:
        raise other_space(row, item, space)
    if isinstance(item, Mapping):
        return one_codes(item, space, f"{where}, ")
    item = as_ndarray(item)
    if isinstance(item, np.ndarray) and item.ndim < 2:
        item = item.tolist()
    if not isinstance(item, (str, list, tuple)) and not is_integer(item):
        msg = (
            f"{where}: {show(item)} is not an Architecture or a mapping, nor a text, an index or a "
            "row of codes or values"
        )
        raise ArchitectureError(msg)
    try:
        return value_codes(item, space)
    except ArchitectureError as error:
        msg = f"{where}: {error}"
        raise ArchitectureError(msg) from error


def other_space(row: int, item: Architecture, space: SearchSpace) -> ArchitectureError:
    """Return the error for an architecture of another space than that of the batch."""
    msg = (
        f"row {row} is an architecture of search space {item.space.name!r}, which is "
        f"not the space asked for, {space.name!r}"
    )
    return ArchitectureError(msg)
