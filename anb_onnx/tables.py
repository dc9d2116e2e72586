"""A surrogate as integer tables: what a table-form artifact stores, and its reference evaluation.

An ensemble whose trees mix at most two blocks per path equals, exactly, a sum of one table per
pair of blocks. The tables hold fixed-point int32, so that the sum does not depend on its order;
what follows the sum is a short, fixed sequence of correctly rounded float64 operations. Together
these give the same bits in every engine, thread count, batch size and language.

Every engine computes, for each architecture with symbols s and each ensemble member m::

    total[m] = sum over pairs p = (a, b) of entries[offset[p] + s[a] * size[b] + s[b], m]  (int32)
    u[m]     = float64(total[m]) * scale + shift                       (two roundings, never fused)
    y[m]     = link.invert(u[m], inside)                               (steps of `Link`)
    mean     = (y[0] + y[1] + ... ) / M                                (left to right)
    std      = sqrt(((y[0] - mean)^2 + (y[1] - mean)^2 + ...) / M)     (left to right)

in float64, and rounds mean, std and y once to float32. ``inside`` says whether the architecture is
inside the link's regime, which the symbol of one block tells.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anb_onnx.errors import ArtifactError
from anb_onnx.links import Link
from anb_onnx.space import SearchSpace

Arrays = tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]


def pair_offsets(space: SearchSpace) -> tuple[int, ...]:
    """Return the first entry of each pair's table, in the order of ``space.pairs``, and the end."""
    offsets = [0]
    for a, b in space.pairs:
        offsets.append(offsets[-1] + space.block_sizes[a] * space.block_sizes[b])
    return tuple(offsets)


@dataclass(frozen=True, eq=False)
class TableEnsemble:
    """The tables of all members of an ensemble, and how their sums become predictions.

    Attributes
    ----------
    space : SearchSpace
    entries : ndarray of int32, shape (n_entries, M)
        The pairs' tables one after the other; the members of an entry lie side by side, so that
        one load serves all.
    scale, shift : float
        From the integer sum to the link's scale.
    link : Link
    """

    space: SearchSpace
    entries: NDArray[np.int32]
    scale: float
    shift: float
    link: Link

    def __post_init__(self) -> None:
        expected = pair_offsets(self.space)[-1]
        if self.entries.dtype != np.int32 or self.entries.ndim != 2:
            msg = f"tables must be int32 [n, M], found {self.entries.dtype} {self.entries.shape}"
            raise ArtifactError(msg)
        if len(self.entries) != expected or self.entries.shape[1] < 1:
            msg = (
                f"tables of search space {self.space.name!r} have {expected} entries, "
                f"found {len(self.entries)}"
            )
            raise ArtifactError(msg)
        if not (np.isfinite(self.scale) and np.isfinite(self.shift)):
            msg = f"scale and shift must be finite, found {self.scale!r} and {self.shift!r}"
            raise ArtifactError(msg)
        if self.link.regime is not None:
            self.link.regime.check(self.space)

    @classmethod
    def from_artifact(
        cls, model: bytes, card: Mapping[str, Any], space: SearchSpace, source: str
    ) -> TableEnsemble:
        """Read the tables out of a table-form ONNX file.

        Parameters
        ----------
        model : bytes
            The file, its hash already checked.
        card : mapping
            Its entry of the manifest: ``tables`` says where in the file the entries lie, as
            little-endian int32, and ``link`` what follows the sum.
        space : SearchSpace
        source : str
            Name of the file, for errors.

        Raises
        ------
        ArtifactError
            If a key is missing, of the wrong kind, or points outside the file.
        """
        entry = card.get("tables")
        if not isinstance(entry, Mapping) or not isinstance(card.get("link"), Mapping):
            msg = f"{source}: its card needs the keys 'tables' and 'link' of the table form"
            raise ArtifactError(msg)
        for key, kind in (
            ("offset", int),
            ("entries", int),
            ("members", int),
            ("scale", float),
            ("shift", float),
        ):
            value = entry.get(key)
            if type(value) is not kind or (kind is int and value < 0):
                msg = f"{source}: key 'tables.{key}' must be {kind.__name__}, found {value!r}"
                raise ArtifactError(msg)
        count = entry["entries"] * entry["members"]
        if entry["offset"] + 4 * count > len(model):
            msg = f"{source}: the tables would end behind the file's {len(model)} bytes"
            raise ArtifactError(msg)
        flat = np.frombuffer(model, dtype="<i4", count=count, offset=entry["offset"])
        entries = flat.astype(np.int32).reshape(entry["entries"], entry["members"])
        link = Link.from_dict(card["link"])
        return cls(space, entries, entry["scale"], entry["shift"], link)

    @property
    def n_members(self) -> int:
        """Number of ensemble members, M."""
        return int(self.entries.shape[1])

    @cached_property
    def tables(self) -> tuple[NDArray[np.int32], ...]:
        """One view per pair: int32 [size of block a, size of block b, M]."""
        sizes, offsets = self.space.block_sizes, pair_offsets(self.space)
        return tuple(
            self.entries[start:stop].reshape(sizes[a], sizes[b], self.n_members)
            for (a, b), start, stop in zip(self.space.pairs, offsets[:-1], offsets[1:], strict=True)
        )

    def totals(self, symbols: NDArray[np.integer]) -> NDArray[np.int32]:
        """Sum the entries of each architecture.

        Parameters
        ----------
        symbols : ndarray of integers, shape (N, n_blocks)
            Block symbols, within their ranges.

        Returns
        -------
        ndarray of int32, shape (N, M)
        """
        total = np.zeros((len(symbols), self.n_members), dtype=np.int32)
        for (a, b), table in zip(self.space.pairs, self.tables, strict=True):
            total += table[symbols[:, a], symbols[:, b]]
        return total

    def predict(self, symbols: NDArray[np.integer]) -> Arrays:
        """Return mean [N], std [N] and members [N, M], float32: the reference of all engines."""
        u = self.totals(symbols).astype(np.float64) * self.scale + self.shift
        inside = None
        if self.link.regime is not None:
            block, of_symbol = self.link.regime.symbols(self.space)
            inside = of_symbol[symbols[:, block]]
        return summarise(self.link.invert(u, inside))


def summarise(members: NDArray[np.float64]) -> Arrays:
    """Return mean, std and members in float32 from members float64 [N, M], in the fixed order."""
    count = float(members.shape[1])
    total = members[:, 0].copy()
    for m in range(1, members.shape[1]):
        total += members[:, m]
    mean = total / count
    squares = np.zeros(len(members))
    for m in range(members.shape[1]):
        deviation = members[:, m] - mean
        squares += deviation * deviation
    std = np.sqrt(squares / count)
    return mean.astype(np.float32), std.astype(np.float32), members.astype(np.float32)
