"""Mappings of a class that holds codes already: Configurations of ConfigSpace, and our own.

A Configuration keeps one number for every hyperparameter, the place of its value among the choices,
and makes a value of it when it is asked for one, which takes a hundred times as long as to read the
number. Which number stands for which code is found out once for every ConfigurationSpace. Only what
ConfigSpace documents is used, and it is not imported: whoever has a Configuration has done that.
"""

from __future__ import annotations

import sys
import weakref
from collections.abc import Callable, Mapping, Sequence
from operator import getitem, itemgetter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anb_onnx._io.show import show
from anb_onnx.errors import ArchitectureError
from anb_onnx.spaces.architecture import HoldsArchitecture
from anb_onnx.spaces.space import SearchSpace
from anb_onnx.spaces.values import (
    FEW_ROWS,
    mappings_codes,
    names_error,
    row_codes,
    rows_array,
    value_error,
)

# How far a number may be from a whole one that it stands for, as in ConfigSpace.
_TOLERANCE = 1e-13

# Search spaces that a ConfigurationSpace is read for, at most, before all are found out anew.
_MOST_SPACES = 16


def one_codes(mapping: Mapping[Any, Any], space: SearchSpace, where: str = "") -> bytes:
    """Return the codes of one mapping from gene names to values.

    Raises
    ------
    ArchitectureError
        If a gene is unknown or missing, or a value is not one of its choices.
    """
    kind = type(mapping)
    if kind is not dict:
        if kind is _configuration():
            way = _way_of(mapping.config_space, space)  # type: ignore[attr-defined]
            if way is not None:
                return way.one(mapping, where)
            # What is not active is no key of a Configuration, but may be too much or too little.
            names = dict.fromkeys(mapping.config_space)  # type: ignore[attr-defined]
            if names.keys() != space.positions.keys():
                raise names_error(names, space, where)
        elif isinstance(mapping, HoldsArchitecture):
            held = mapping.architecture
            if held.space is space or held.space == space:
                return held._codes
    return row_codes(mapping, space, where)


def many_codes(mappings: Sequence[Mapping[Any, Any]], space: SearchSpace) -> NDArray[np.uint8]:
    """Return the codes uint8 [N, n_genes] of a sequence of mappings.

    Raises
    ------
    ArchitectureError
        For the first mapping that is not a member of the space.
    """
    kinds = set(map(type, mappings))
    configuration = _configuration()
    if len(mappings) >= FEW_ROWS and kinds == {configuration}:
        codes = _configurations_codes(mappings, space)
        if codes is not None:
            return codes
    if configuration in kinds or any(issubclass(kind, HoldsArchitecture) for kind in kinds):
        rows = (one_codes(m, space, f"row {row}, ") for row, m in enumerate(mappings))
        return rows_array(bytearray().join(rows), space)
    return mappings_codes(mappings, space)


def _configuration() -> type | None:
    """Return ConfigSpace's Configuration, if anybody has imported it, of a release we know.

    What earlier ones keep is another matter; they are mappings to us, as any other.
    """
    config_space = sys.modules.get("ConfigSpace")
    if str(getattr(config_space, "__version__", "0")).startswith("0."):
        return None
    return getattr(config_space, "Configuration", None)


class _Way:
    """How the numbers of Configurations of one ConfigurationSpace stand for codes of a space.

    Attributes
    ----------
    space : SearchSpace
    index_of : mapping
        The ConfigurationSpace's, which is another object after it has changed.
    places : list of int
        Where the number of each gene is in a Configuration's array.
    codes : list of dict
        Of each gene, from the number to the code, -1 where the choice is none of the gene's.
    """

    def __init__(
        self,
        space: SearchSpace,
        index_of: Mapping[str, int],
        values: Mapping[str, Mapping[float, object]],
    ) -> None:
        self.space = space
        self.index_of = index_of
        self.places = [index_of[name] for name in space.gene_names]
        self.codes = [
            {number: gene.find(value) for number, value in values[gene.name].items()}
            for gene in space.genes
        ]
        self._n = len(index_of)
        self._known = [{n: c for n, c in codes.items() if c >= 0} for codes in self.codes]
        self._in_order: Callable[[Sequence[float]], tuple[float, ...]] = (
            itemgetter(*self.places) if len(self.places) > 1 else lambda row: (row[0],)
        )
        self._set_tables()

    def _set_tables(self) -> None:
        """Lay out the codes of all numbers, in the order of a Configuration's array."""
        by_place = sorted(zip(self.places, self.codes, strict=True), key=itemgetter(0))
        sizes = [int(max(codes)) + 1 for _, codes in by_place]
        self._sizes = np.array(sizes, np.float64)
        self._starts = np.cumsum([0, *sizes[:-1]])
        self._table = np.full(sum(sizes), -1, np.int16)
        for start, (_, codes) in zip(self._starts.tolist(), by_place, strict=True):
            for number, code in codes.items():
                self._table[start + int(number)] = code

    def one(self, configuration: Any, where: str) -> bytes:
        """Return the codes of one Configuration."""
        numbers = configuration.get_array().tolist()
        if len(numbers) == self._n:
            try:
                return bytes(map(getitem, self._known, self._in_order(numbers)))
            except (KeyError, TypeError):
                pass
        return self._strictly(configuration, numbers, where)

    def many(self, configurations: Sequence[Any]) -> NDArray[np.uint8] | None:
        """Return the codes of many Configurations; None if one must be looked at by itself."""
        arrays = [configuration.get_array() for configuration in configurations]
        if set(map(len, arrays)) != {self._n}:
            return None
        numbers = np.concatenate(arrays).reshape(-1, self._n)
        if numbers.dtype != np.float64 or not ((numbers >= 0) & (numbers < self._sizes)).all():
            return None  # NaN is not within bounds
        places = numbers.astype(np.intp)
        if (places != numbers).any():
            return None
        places += self._starts
        codes = self._table.take(places)
        if codes.min() < 0:
            return None
        return codes.astype(np.uint8).take(self.places, axis=1)

    def _strictly(self, configuration: Any, numbers: list[Any], where: str) -> bytes:
        """Return the codes of one Configuration, number by number."""
        if len(numbers) != self._n:
            msg = (
                f"{where}the Configuration has {len(numbers)} values, its ConfigurationSpace "
                f"{self._n} hyperparameters: it has changed since; make the Configuration anew"
            )
            raise ArchitectureError(msg)
        if any(number != number for number in numbers):  # NaN: hyperparameters not active
            raise names_error(dict.fromkeys(configuration), self.space, where)
        found = bytearray()
        for gene, place, codes in zip(self.space.genes, self.places, self.codes, strict=True):
            number = numbers[place]
            near = [n for n in codes if isinstance(number, (int, float)) and _near(n, number)]
            if not near:
                msg = (
                    f"{where}gene {gene.name!r}: {show(number)} in the Configuration's array "
                    "stands for none of its hyperparameter's choices"
                )
                raise ArchitectureError(msg)
            whole = near[0]
            if codes[whole] < 0:
                value = configuration[gene.name]
                raise value_error(gene, show(value), where, value=value)
            found.append(codes[whole])
        return bytes(found)


def _near(known: float, number: float) -> bool:
    return abs(known - number) <= _TOLERANCE


# By the id of a ConfigurationSpace (they have no hash): a reference to it, and by the id of a
# SearchSpace how to read its Configurations; None where their values must be read one by one.
_Ways = dict[int, tuple[SearchSpace, Mapping[str, int], "_Way | None"]]
_known: dict[int, tuple[weakref.ref[Any], _Ways]] = {}


def _way_of(config_space: Any, space: SearchSpace) -> _Way | None:
    """Return how to read the Configurations of a ConfigurationSpace, found out before or now.

    None where it has other genes than the space, or is not of choices alone.
    """
    known = _known.get(id(config_space))
    if known is None or known[0]() is not config_space:
        known = _remember(config_space)
    ways = known[1]
    found = ways.get(id(space))
    # Whatever is added to a ConfigurationSpace makes a new `index_of`; the old one is kept here, so
    # that no other can be mistaken for it. The same goes for the search space.
    if found is None or found[1] is not config_space.index_of:
        if len(ways) >= _MOST_SPACES:
            ways.clear()
        index_of = config_space.index_of
        found = space, index_of, _find_out(config_space, index_of, space)
        ways[id(space)] = found
    return found[2]


def _remember(config_space: Any) -> tuple[weakref.ref[Any], _Ways]:
    key = id(config_space)

    def forget(gone: weakref.ref[Any]) -> None:
        # Another may have come to lie there meanwhile.
        known = _known.get(key)
        if known is not None and known[0] is gone:
            _known.pop(key, None)

    entry: tuple[weakref.ref[Any], _Ways] = (weakref.ref(config_space, forget), {})
    _known[key] = entry
    return entry


def _find_out(config_space: Any, index_of: Mapping[str, int], space: SearchSpace) -> _Way | None:
    names = dict.fromkeys(config_space)
    values = {name: _values(config_space[name]) for name in names}
    known = {name: found for name, found in values.items() if found is not None}
    if names.keys() != space.positions.keys() or len(known) < len(values):
        return None
    return _Way(space, index_of, known)


def _values(hyperparameter: Any) -> dict[float, object] | None:
    """Return the values of a hyperparameter by the number that stands for each.

    None where numbers stand for anything else than one of a few choices.
    """
    config_space = sys.modules["ConfigSpace"]
    kind = type(hyperparameter)
    if kind is config_space.Constant:
        size = 2  # whatever the number of a constant is, it stands for its value
    elif kind in (config_space.CategoricalHyperparameter, config_space.OrdinalHyperparameter):
        size = hyperparameter.size
    else:
        return None
    numbers = np.arange(float(size))
    return dict(zip(numbers.tolist(), hyperparameter.to_value(numbers), strict=True))


def _configurations_codes(
    configurations: Sequence[Any], space: SearchSpace
) -> NDArray[np.uint8] | None:
    """Return the codes of many Configurations; None if they must be read one by one."""
    config_space = configurations[0].config_space
    if any(c.config_space is not config_space for c in configurations):
        return None
    way = _way_of(config_space, space)
    return None if way is None else way.many(configurations)
