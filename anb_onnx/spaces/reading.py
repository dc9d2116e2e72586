"""Values of genes -> codes, quickly: what nearly every loop holds, and nothing but that.

A value of a gene may be of several types, and equal values of Python need not be the same value
(``True == 1``). `Gene.find` decides about that, one value at a time. Here its answers are looked up
where they are certain: by the types of a row, or by the very objects that the choices are. Whatever
is not found here goes to the strict way, which finds it or names what is wrong.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from operator import getitem, itemgetter
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

#: Types whose equal values are the same value for an integer gene, with the hash of the integer.
INTEGERS = frozenset({int, *(np.dtype(kind).type for kind in "bhilqBHILQ")})
FLOATS = frozenset({float, np.float32, np.float64})
_NUMPYS = INTEGERS - {int} | {np.bool_}
# To a boolean gene 1 and 0 are the same values as True and False, and the same keys.
_OF_KIND = {
    "int": INTEGERS | FLOATS,
    # A float32 may have the hash of a choice that it equals in its own precision alone.
    "float": {int, float, np.float64},
    "bool": {bool, np.bool_} | INTEGERS | FLOATS,
    "str": {str, np.str_},
}

# Combinations of types that are remembered: loops have one or two.
_MOST_COMBINATIONS = 64

# Choices of a gene, at most, that a batch is compared with one by one.
_MOST_COMPARED = 16
# Python has one object for each small integer; where it has not, these are just never met.
_SMALL = tuple(range(_MOST_COMPARED))


class _Gene(Protocol):
    """What is needed of a `Gene`, whose module needs this one."""

    @property
    def name(self) -> str: ...
    @property
    def choices(self) -> tuple[Any, ...]: ...
    @property
    def kind(self) -> str: ...
    @property
    def codes(self) -> dict[Any, int]: ...
    @property
    def codes_by_type(self) -> dict[type, dict[Any, int]]: ...
    def find(self, value: object) -> int: ...
    def __len__(self) -> int: ...


def lookup_of(gene: _Gene, kind: type) -> dict[Any, int] | None:
    """Return the codes of a gene by values of one exact type; None where `Gene.find` must say."""
    if kind in _OF_KIND[gene.kind]:
        return gene.codes
    if gene.kind == "bool" and kind in _OF_KIND["str"]:
        return gene.codes_by_type[str]
    return None


class RowReader:
    """Reads rows of values of a space's genes: made once for a space, and kept by it.

    Attributes
    ----------
    values_of : callable
        From a mapping that has all genes to the tuple of their values, in the order of the genes.
    """

    def __init__(self, genes: Sequence[_Gene]) -> None:
        self._genes = genes
        self._lookups: dict[tuple[type, ...], tuple[dict[Any, int], ...]] = {}
        self.values_of: Callable[[Mapping[Any, Any]], tuple[Any, ...]]
        names = [gene.name for gene in genes]
        self.values_of = itemgetter(*names) if len(names) > 1 else lambda row: (row[names[0]],)
        self._choices = _places([gene.choices for gene in genes])
        self._each_code: list[dict[Any, int]] = [
            {code: code for code in range(len(gene))} for gene in genes
        ]
        self._codes = _places([_SMALL[: len(gene)] for gene in genes])

    def row(self, values: Sequence[Any]) -> bytes | None:
        """Return the codes of one value for every gene, or None: the strict way must look at it."""
        types = tuple(map(type, values))
        lookups = self._lookups.get(types)
        if lookups is None:
            lookups = self._learn(types)
            if lookups is None:
                return None
        try:
            return bytes(map(getitem, lookups, values))
        except KeyError:
            return None

    def codes(self, codes: Sequence[float]) -> bytes | None:
        """Return one number for every gene as bytes, or None if one is no code."""
        try:
            return bytes(map(getitem, self._each_code, codes))
        except KeyError:
            return None

    def mapping(self, values: dict[Any, Any]) -> bytes | None:
        """Return the codes of a dict (of no subclass), or None as `row` does."""
        if len(values) != len(self._genes):
            return None
        try:
            return self.row(self.values_of(values))
        except KeyError:
            return None

    def _learn(self, types: tuple[type, ...]) -> tuple[dict[Any, int], ...] | None:
        """Return where to look up values of some types, in the order of the genes."""
        if len(types) != len(self._genes):
            return None
        found = [lookup_of(gene, kind) for gene, kind in zip(self._genes, types, strict=True)]
        lookups = tuple(lookup for lookup in found if lookup is not None)
        if len(lookups) != len(types):
            return None
        if len(self._lookups) >= _MOST_COMBINATIONS:
            self._lookups = {}
        self._lookups[types] = lookups
        return lookups

    def cells(self, cells: NDArray[np.object_]) -> NDArray[np.uint8] | None:
        """Return the codes of an array of values [N, genes], N > 0, or None as `row` does."""
        if len(cells) == 1:
            row = self.row(cells[0].tolist())
            return None if row is None else np.ndarray(cells.shape, np.uint8, bytearray(row))
        found = _matches(cells, self._choices)
        unknown = np.flatnonzero(found.min(axis=0) == 0)
        found -= 1
        for position in unknown.tolist():
            codes = column_codes(self._genes[position], cells[:, position].tolist())
            if codes.min() < 0:
                return None
            found[:, position] = codes
        return found

    def small_codes(self, cells: NDArray[np.object_]) -> NDArray[np.uint8] | None:
        """Return an array of codes [N, genes] as uint8; None unless all are small ints in range."""
        found = _matches(cells, self._codes)
        if found.min() == 0:
            return None
        found -= 1
        return found


def column_codes(gene: _Gene, values: list[Any]) -> NDArray[np.int16]:
    """Return the code of each value, -1 where it is not one of the choices."""
    types = set(map(type, values))
    if len(types) == 1 and types <= _NUMPYS:  # their hashes and comparisons are slow
        values = np.fromiter(values, types.pop(), len(values)).tolist()
        types = {type(values[0])}
    # Where all are of one type the choices have, equal keys are equal values (True == 1).
    known = lookup_of(gene, types.pop()) if len(types) == 1 else None
    if known is None:
        return np.fromiter(map(gene.find, values), np.int16, len(values))
    try:
        return np.fromiter(map(known.__getitem__, values), np.int16, len(values))
    except KeyError:
        if gene.kind == "float":  # an integer that no float64 is, for one
            return np.fromiter(map(gene.find, values), np.int16, len(values))
        return np.fromiter((known.get(value, -1) for value in values), np.int16, len(values))


def _places(objects: Sequence[Sequence[object]]) -> list[NDArray[np.intp]]:
    """Return where the first objects of each column lie, then the second ones, and so on.

    Whoever keeps them keeps the objects, too: another may else come to lie in the same place.
    """
    most = min(max(map(len, objects)), _MOST_COMPARED)
    # No object lies at 0.
    return [
        np.array([id(column[k]) if k < len(column) else 0 for column in objects], np.intp)
        for k in range(most)
    ]


def _matches(cells: NDArray[np.object_], places: Sequence[NDArray[np.intp]]) -> NDArray[np.uint8]:
    """Return 1 + the number of the object that each cell of an array [N, columns] is.

    It is 0 where the cell is none of those in `places`. The same object is the same value of the
    same type; what is not the same object may be equal still. Comparing places takes a hundredth of
    the time of comparing values.
    """
    # The array holds references: nothing else can come to lie there as long as it lives.
    found_at = np.frombuffer(np.ascontiguousarray(cells), np.intp).reshape(cells.shape)
    found = np.zeros(cells.shape, np.uint8)
    for number, place in enumerate(places, start=1):
        same = (found_at == place).view(np.uint8)
        same *= np.uint8(number)
        found |= same
    return found
