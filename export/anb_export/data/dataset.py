"""A data set: measured architectures of a search space, and what was measured of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anb_export.data.targets import TargetSpec
from anb_onnx.errors import AnbError, TargetError
from anb_onnx.spaces.space import SearchSpace


class DatasetError(AnbError):
    """The data set cannot be read, or a record of it is not what it should be."""


@dataclass(frozen=True)
class Origin:
    """Whose measurements these are, of which architectures, and of what.

    Attributes
    ----------
    benchmark : str
        Name of the benchmark that is made of them: also that of its folder.
    name : str
        Name of the data set.
    license : str
        Its licence, as an SPDX expression or in words: also that of the artifacts made from it.
    space : SearchSpace
    targets : mapping of str to TargetSpec
        By name, in the order in which they are listed to users.
    """

    benchmark: str
    name: str
    license: str
    space: SearchSpace
    targets: Mapping[str, TargetSpec]

    def target(self, name: str) -> TargetSpec:
        """Return the target called `name`.

        Raises
        ------
        TargetError
            If there is no such target; the message lists the valid names.
        """
        if name not in self.targets:
            msg = f"unknown target {name!r}; valid targets: {', '.join(self.targets)}"
            raise TargetError(msg)
        return self.targets[name]

    def of(self, target: str) -> dict[str, Any]:
        """Return the origin of one target as plain data: a part of ``training.json``."""
        return {
            "benchmark": self.benchmark,
            "name": self.name,
            "license": self.license,
            "search_space": self.space.to_dict(),
            "target": self.target(target).to_dict(),
        }


@dataclass(frozen=True, eq=False)
class Dataset:
    """Measured architectures, one row per record.

    Attributes
    ----------
    origin : Origin
    names : tuple of str
        What splits call each record, such as ``result_7.json``; n of them, distinct.
    codes : ndarray of uint8, shape (n, n_genes)
        Gene codes of each architecture. Architectures measured more than once appear as often.
    values : dict of str to ndarray of float64, shape (n,)
        Measured value per target, in the target's unit; NaN where it is missing.
    stds : dict of str to ndarray of float64, shape (n,)
        Standard deviation of the repeated measurements per target; NaN where not published.
    sha256 : str
        Digest of all of it, which does not depend on how it is stored.
    """

    origin: Origin
    names: tuple[str, ...]
    codes: NDArray[np.uint8]
    values: dict[str, NDArray[np.float64]]
    stds: dict[str, NDArray[np.float64]]
    sha256: str

    def __len__(self) -> int:
        return len(self.names)

    @property
    def space(self) -> SearchSpace:
        """The search space of the architectures."""
        return self.origin.space

    def target(self, name: str) -> TargetSpec:
        """Return the target called `name`; see `Origin.target`."""
        return self.origin.target(name)

    def labelled(self, target: str, rows: NDArray[np.int64]) -> tuple[NDArray[np.int64], int]:
        """Drop the rows that have no value for `target`.

        Parameters
        ----------
        target : str
            Name of a target.
        rows : ndarray of int64, shape (k,)
            Rows of this data set.

        Returns
        -------
        kept : ndarray of int64
            The rows with a value, in the given order.
        n_dropped : int
            How many rows were dropped.

        Raises
        ------
        TargetError
            If the target is unknown.
        DatasetError
            If no row has a value.
        """
        self.target(target)
        kept = rows[~np.isnan(self.values[target][rows])]
        if len(kept) == 0:
            msg = f"none of the {len(rows)} records has a value for {target!r}"
            raise DatasetError(msg)
        return kept, len(rows) - len(kept)

    def groups(self) -> NDArray[np.int64]:
        """Return int64 [n]: a number per record, equal where the architectures are equal."""
        _, inverse = np.unique(self.codes, axis=0, return_inverse=True)
        return np.asarray(inverse, dtype=np.int64).reshape(-1)

    def is_unique(self) -> NDArray[np.bool_]:
        """Return bool [n]: True at the first record of each architecture, False at repeats."""
        _, first = np.unique(self.codes, axis=0, return_index=True)
        unique = np.zeros(len(self), dtype=np.bool_)
        unique[first] = True
        return unique
