"""A surrogate as integer tables: what a table-form artifact stores, and its reference evaluation.

An ensemble is a sum of one table for each of its terms (see `anb_onnx.terms`): one whose trees mix
at most two blocks per path equals, exactly, a sum over pairs of blocks. The tables hold
fixed-point int32, so that the sum does not depend on its order; what follows the sum is a short,
fixed sequence of correctly rounded float64 operations. Together these give the same bits in every
engine, thread count, batch size and language.

Every engine computes, for each architecture with symbols s and each ensemble member m::

    total[m] = sum over terms k of entries[offset[k] + index(k), m]    (int32)
    u[m]     = float64(total[m]) * scale + shift                       (two roundings, never fused)
    y[m]     = link.invert(u[m], inside)                               (steps of `Link`)
    mean     = (y[0] + y[1] + ... ) / M                                (left to right)
    std      = sqrt(((y[0] - mean)^2 + (y[1] - mean)^2 + ...) / M)     (left to right)

in float64, and rounds mean, std and y once to float32. A term k of the blocks a, b, c has the index
``(s[a] * size[b] + s[b]) * size[c] + s[c]``, and so on for any number of blocks. ``inside`` says
whether the architecture is inside the link's regime, which the symbol of one block tells.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from anb_onnx._io.show import show
from anb_onnx.errors import ArtifactError
from anb_onnx.links import Link
from anb_onnx.onnx_files.graph import read_graph
from anb_onnx.regimes import LARGEST
from anb_onnx.spaces.space import SearchSpace
from anb_onnx.terms import Terms, all_pairs

#: Most members of an ensemble, as in the C++ client.
MAX_MEMBERS = 1024

#: Sizes that a scale may have; with totals of int32 and a shift of up to `_MOST_SHIFT`, every
#: step of a link then stays inside float64 (the eighth power of 2^127 does).
_SCALES = (2.0**-500, 2.0**95)
_MOST_SHIFT = 2.0**126

_INT32 = np.iinfo(np.int32)

Arrays = tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]


@dataclass(frozen=True, eq=False)
class TableEnsemble:
    """The tables of all members of an ensemble, and how their sums become predictions.

    Attributes
    ----------
    space : SearchSpace
    entries : ndarray of int32, shape (n_entries, M)
        The terms' tables one after the other; the members of an entry lie side by side, so that
        one load serves all.
    scale, shift : float
        From the integer sum to the link's scale.
    link : Link
    terms : Terms
        Of the same space; all pairs of blocks unless given.
    """

    space: SearchSpace
    entries: NDArray[np.int32]
    scale: float
    shift: float
    link: Link
    terms: Terms = None  # type: ignore[assignment]  # never None once it is made

    def __post_init__(self) -> None:
        if self.terms is None:
            object.__setattr__(self, "terms", all_pairs(self.space))
        if self.terms.space != self.space:
            msg = (
                f"the terms are of search space {self.terms.space.name!r}, the tables of another, "
                f"{self.space.name!r}"
            )
            raise ArtifactError(msg)
        expected = self.terms.n_entries
        if self.entries.dtype != np.int32 or self.entries.ndim != 2:
            msg = f"tables must be int32 [n, M], found {self.entries.dtype} {self.entries.shape}"
            raise ArtifactError(msg)
        if len(self.entries) != expected or not 1 <= self.entries.shape[1] <= MAX_MEMBERS:
            msg = (
                f"tables of search space {self.space.name!r} have {expected} entries, found "
                f"{len(self.entries)}, of 1 to {MAX_MEMBERS} members, found {self.entries.shape[1]}"
            )
            raise ArtifactError(msg)
        if not (np.isfinite(self.scale) and np.isfinite(self.shift)):
            msg = f"scale and shift must be finite, found {self.scale!r} and {self.shift!r}"
            raise ArtifactError(msg)
        if not _SCALES[0] <= abs(self.scale) <= _SCALES[1]:
            msg = f"scale must be from 2^-500 to 2^95 in size, found {self.scale!r}"
            raise ArtifactError(msg)
        if abs(self.shift) > _MOST_SHIFT:
            msg = f"shift must be at most 2^126 in size, found {self.shift!r}"
            raise ArtifactError(msg)
        if self.link.regime is not None:
            self.link.regime.check(self.space)

    @classmethod
    def from_artifact(
        cls, model: bytes, card: Mapping[str, Any], space: SearchSpace, source: str
    ) -> TableEnsemble:
        """Read the tables out of a table-form ONNX file.

        What the file's card says of them is compared with what the file's graph computes, so that
        every engine gives the same predictions or none.

        Parameters
        ----------
        model : bytes
            The file, its hash already checked.
        card : mapping
            Its entry of the manifest: ``terms`` says what the tables are of, ``tables`` where in
            the file the entries lie, as little-endian int32, and ``link`` what follows the sum.
        space : SearchSpace
        source : str
            Name of the file, for errors.

        Raises
        ------
        ArtifactError
            If a key is missing, of the wrong kind or out of range; if a value is not that of the
            graph; if some sum could leave int32, or some prediction float32.
        """
        stated, link = _stated(card, source)
        terms = Terms.from_list(card.get("terms"), space, source)
        count = terms.n_entries
        if stated["entries"] != count:
            msg = (
                f"{source}: key 'tables.entries' is {stated['entries']}; the tables of its terms "
                f"have {count} entries"
            )
            raise ArtifactError(msg)
        if stated["offset"] + 4 * count * stated["members"] > len(model):
            msg = f"{source}: the tables would end behind the file's {len(model)} bytes"
            raise ArtifactError(msg)
        graph = read_graph(model, terms, source)
        for key, value in stated.items():
            if value != getattr(graph, key):
                _differs(source, f"tables.{key}", value, getattr(graph, key))
        found, wanted = link.to_dict(), graph.link.to_dict()
        for key in found.keys() | wanted.keys():
            if found.get(key) != wanted.get(key):
                _differs(source, f"link.{key}", found.get(key), wanted.get(key))
        flat = np.frombuffer(
            model, dtype="<i4", count=count * stated["members"], offset=stated["offset"]
        )
        entries = flat.astype(np.int32).reshape(count, stated["members"])
        try:
            ensemble = cls(space, entries, stated["scale"], stated["shift"], link, terms)
            _ = ensemble.bounds
        except ArtifactError as error:
            msg = f"{source}: {error}"
            raise ArtifactError(msg) from error
        return ensemble

    @cached_property
    def bounds(self) -> tuple[float, float] | None:
        """Bounds of all predictions, float64 in the target's unit, from those of each table.

        None where they do not follow from the least and the largest entry of each table, because
        the sum of the least is outside the link's domain.

        Raises
        ------
        ArtifactError
            If a sum could leave int32, in whatever order engines add; if no architecture is inside
            the link's domain; if a prediction could leave float32.
        """
        starts = np.array(self.terms.offsets[:-1])
        most = np.maximum.reduceat(self.entries, starts, axis=0).astype(np.int64)
        least = np.minimum.reduceat(self.entries, starts, axis=0).astype(np.int64)
        # Engines add in various orders, some of them only a part first: all of one sign.
        highest, lowest = np.maximum(most, 0).sum(axis=0), np.minimum(least, 0).sum(axis=0)
        if highest.max() > _INT32.max or lowest.min() < _INT32.min:
            msg = (
                f"the entries of a member can add up to {lowest.min()} or {highest.max()}; sums "
                f"must stay from {_INT32.min} to {_INT32.max}"
            )
            raise ArtifactError(msg)
        totals = np.array([least.sum(axis=0).min(), most.sum(axis=0).max()], dtype=np.float64)
        u = np.sort(totals * self.scale + self.shift)
        if self.link.needs_positive and u[1] <= 0:
            msg = (
                f"link {self.link.name} needs positive values; what the tables add up to, scaled "
                f"and shifted, is {float(u[1])!r} at most"
            )
            raise ArtifactError(msg)
        bounded = not self.link.needs_positive or u[0] > 0
        u = u if bounded else u[1:]
        with np.errstate(all="ignore"):
            # The link is monotone, inside its regime and outside.
            y = np.concatenate([self.link.invert(u, np.full(len(u), b)) for b in (False, True)])
        for value in y.tolist():
            if not abs(value) <= LARGEST:
                msg = f"a prediction could be {value!r}; float32 holds {LARGEST:.4g} at most"
                raise ArtifactError(msg)
        return (float(y.min()), float(y.max())) if bounded else None

    @property
    def n_members(self) -> int:
        """Number of ensemble members, M."""
        return int(self.entries.shape[1])

    @cached_property
    def tables(self) -> tuple[NDArray[np.int32], ...]:
        """One view per term: int32 [size of its first block, ..., size of its last, M].

        NumPy has at most 64 axes (32 before its version 2): not for longer terms.
        """
        offsets = self.terms.offsets
        return tuple(
            self.entries[start:stop].reshape(*shape, self.n_members)
            for shape, start, stop in zip(self.terms.shapes, offsets[:-1], offsets[1:], strict=True)
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
        terms = self.terms
        columns = np.ascontiguousarray(symbols.T, dtype=np.int64)
        for term, shape, start in zip(terms.blocks, terms.shapes, terms.offsets[:-1], strict=True):
            # By hand: arrays of NumPy have 64 axes at most, or 32, and a term may have more blocks.
            index = columns[term[0]]
            for block, size in zip(term[1:], shape[1:], strict=True):
                index = index * size + columns[block]
            # `take` copies whole rows: four times faster than indexing.
            total += self.entries.take(start + index, axis=0)
        return total

    def predict(self, symbols: NDArray[np.integer]) -> Arrays:
        """Return mean [N], std [N] and members [N, M], float32: the reference of all engines."""
        return summarise(self.values(symbols))

    def values(self, symbols: NDArray[np.integer]) -> NDArray[np.float64]:
        """Return the members' predictions before they are rounded: float64 [N, M]."""
        u = self.totals(symbols).astype(np.float64) * self.scale + self.shift
        inside = None
        if self.link.regime is not None:
            block, of_symbol = self.link.regime.symbols(self.space)
            inside = of_symbol[symbols[:, block]]
        return self.link.invert(u, inside)


def summarise(members: NDArray[np.float64]) -> Arrays:
    """Return mean, std and members in float32, in the fixed order.

    Parameters
    ----------
    members : float64 array [N, M], or [N, M, S]
        Mean and std are [N], or [N, S].
    """
    count = float(members.shape[1])
    total = members[:, 0].copy()
    for m in range(1, members.shape[1]):
        total += members[:, m]
    mean = total / count
    squares = np.zeros(mean.shape)
    for m in range(members.shape[1]):
        deviation = members[:, m] - mean
        squares += deviation * deviation
    std = np.sqrt(squares / count)
    return mean.astype(np.float32), std.astype(np.float32), members.astype(np.float32)


def _stated(card: Mapping[str, Any], source: str) -> tuple[dict[str, Any], Link]:
    """Return what a card says of its tables, and the link; each of the right kind."""
    entry = card.get("tables")
    if not isinstance(entry, Mapping) or not isinstance(card.get("link"), Mapping):
        msg = f"{source}: its card needs the keys 'tables' and 'link' of the table form"
        raise ArtifactError(msg)
    stated = {}
    for key, kind in (
        ("offset", int),
        ("entries", int),
        ("members", int),
        ("scale", float),
        ("shift", float),
    ):
        value = entry.get(key)
        if kind is float and type(value) is int and abs(value) < 2**53:
            value = float(value)  # JSON does not tell 80 from 80.0
        if type(value) is not kind or (kind is int and value < 0):
            msg = f"{source}: key 'tables.{key}' must be {kind.__name__}, found {show(value)}"
            raise ArtifactError(msg)
        stated[key] = value
    if not 1 <= stated["members"] <= MAX_MEMBERS:
        msg = (
            f"{source}: key 'tables.members' must be from 1 to {MAX_MEMBERS}, "
            f"found {show(stated['members'])}"
        )
        raise ArtifactError(msg)
    return stated, Link.from_dict(card["link"])


def _differs(source: str, key: str, stated: object, found: object) -> NoReturn:
    msg = (
        f"{source}: key {key!r} is {show(stated)} in its card, but {show(found)} in the graph that "
        "the file holds"
    )
    raise ArtifactError(msg)
