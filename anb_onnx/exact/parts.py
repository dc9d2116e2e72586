"""Parts of a space, in each of which every target is a linear cost and one link.

A link with a regime is two links, told apart by one block's symbol. So a space is cut into parts:
in each of them all architectures are inside the regime, or all outside, for every target that has
one. A part is given by the symbols that each block may have; so are limits on genes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anb_onnx._io.show import show
from anb_onnx.errors import ArchitectureError, ExactError
from anb_onnx.exact.diffusion import Costs, Layout, scaling
from anb_onnx.exact.means import NO_SPREAD, MeanBounds, Spread, needs_spread
from anb_onnx.spaces.space import SearchSpace
from anb_onnx.spaces.values import value_error
from anb_onnx.tables import TableEnsemble
from anb_onnx.terms import Term

#: Rounds of diffusion. The sums of the bundled targets stand still after 10 to 60.
ROUNDS = 60

#: Rounds for what members differ by: more would move limits by next to nothing.
_FEW_ROUNDS = 16

#: Most blocks of a term: arrays of NumPy had 32 axes at most, before its version 2.
MAX_BLOCKS = 30

#: Slopes of `Spread`, in 64ths: members of slow architectures differ more than those of fast ones.
_SLOPES = (0, 1, 4)

Domains = tuple[NDArray[np.int64], ...]


class Part:
    """Architectures given by the symbols that each block may have.

    Parameters
    ----------
    space : SearchSpace
    domains : tuple of ndarray of int64
        For each block its symbols, ascending, at least one.
    terms : iterable of Term
        All that some target has a table for.
    inside : dict of int to bool
        By the identity of an ensemble: whether all are inside its link's regime.
    """

    def __init__(
        self, space: SearchSpace, domains: Domains, terms: Iterable[Term], inside: dict[int, bool]
    ) -> None:
        self.space, self.domains = space, domains
        wide = tuple(dict.fromkeys(term for term in terms if len(term) > 1))
        self.layout = Layout(tuple(len(domain) for domain in domains), wide)
        self._inside = inside
        self._sums: dict[int, Sum] = {}

    def sum_of(self, ensemble: TableEnsemble) -> Sum:
        """Return the linear sum of one of the targets."""
        key = id(ensemble)
        if key not in self._sums:
            self._sums[key] = Sum(self, ensemble, inside=self._inside.get(key, False))
        return self._sums[key]

    def symbols(self, leaves: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the blocks' symbols of leaves of a `Search`: int64 [n, n_blocks]."""
        columns = [domain[leaves[:, b]] for b, domain in enumerate(self.domains)]
        return np.stack(columns, axis=1)


class Sum:
    """The sum over all members of their totals, V, turned so that the mean of u rises with it."""

    def __init__(self, part: Part, ensemble: TableEnsemble, *, inside: bool) -> None:
        self.ensemble, self._part, self.inside = ensemble, part, inside
        self._turn = 1 if ensemble.scale > 0 else -1
        self._cheap: dict[bool, Cost] = {}

    def cost(self, *, largest: bool) -> Cost:
        """Return the cost that is least where the mean is largest, or smallest."""
        if largest not in self._cheap:
            self._cheap[largest] = Cost(self._part.layout, self, largest=largest)
        return self._cheap[largest]

    def costs_of(self, entries: NDArray[np.int64]) -> Costs:
        """Lay out one number for each entry of the tables: int64 [n_costs]."""
        return np.concatenate([entries, [0]])[self._places]

    @cached_property
    def _places(self) -> NDArray[np.int64]:
        """Which entry stands where in the costs, or, for none, the number of entries."""
        layout, domains = self._part.layout, self._part.domains
        terms = self.ensemble.terms
        places = np.full(layout.n_costs, terms.n_entries, dtype=np.int64)
        for term, shape, start, end in zip(
            terms.blocks, terms.shapes, terms.offsets[:-1], terms.offsets[1:], strict=True
        ):
            numbers = np.arange(start, end).reshape(shape)
            found = numbers[np.ix_(*(domains[block] for block in term))]
            if len(term) == 1:
                first = layout.block_offsets[term[0]]
                places[first : first + len(found)] = found
            else:
                layout.view(places, layout.terms.index(term))[...] = found
        return places

    @cached_property
    def entries(self) -> NDArray[np.int64]:
        """V's part of each entry: int64 [n_entries]."""
        return np.asarray(self._turn * self.ensemble.entries.sum(axis=1, dtype=np.int64))

    @cached_property
    def raw(self) -> Costs:
        """V as costs, neither scaled nor diffused."""
        return self.costs_of(self.entries)

    @property
    def u(self) -> tuple[float, float]:
        """From V to the mean of u: u = V * u[0] + u[1]."""
        return abs(self.ensemble.scale) / self.ensemble.n_members, self.ensemble.shift

    @cached_property
    def span(self) -> tuple[int, int]:
        """Bounds of V."""
        low, high = (least(self._part.layout, sign * self.raw) for sign in (1, -1))
        return low, -high

    def bounds(self, *, largest: bool) -> MeanBounds:
        """Return the bounds of the largest, or the smallest, mean."""
        ensemble = self.ensemble
        needed = needs_spread(ensemble.link, inside=self.inside, largest=largest)
        return MeanBounds(
            ensemble.link,
            self.u,
            self.span,
            self._members,
            self._spread if needed else NO_SPREAD,
            ensemble.n_members,
            inside=self.inside,
            largest=largest,
        )

    @cached_property
    def _members(self) -> tuple[float, float]:
        """Bounds of every member's u."""
        ensemble, layout = self.ensemble, self._part.layout
        columns = self._turn * ensemble.entries.astype(np.int64)
        costs = [self.costs_of(column) for column in columns.T]
        low = min(least(layout, cost) for cost in costs)
        high = -min(least(layout, -cost) for cost in costs)
        scale = abs(ensemble.scale)
        return low * scale + ensemble.shift, high * scale + ensemble.shift

    @cached_property
    def _spread(self) -> Spread:
        m, layout = self.ensemble.n_members, self._part.layout
        unit, shift = self.u
        turned = self._turn * self.ensemble.entries.astype(np.int64)
        apart = [self.costs_of(m * column - self.entries) for column in turned.T]
        sides: tuple[list[float], list[float]] = ([], [])
        for slope in _SLOPES:
            for side, sign in zip(sides, (-1, 1), strict=True):
                sums = [slope * self.raw - 64 * sign * difference for difference in apart]
                most = max(-least(layout, costs, _FEW_ROUNDS) for costs in sums)
                # In V the bound is most / 64 + slope / 64 * V, and u has the shift, too.
                side.append((most * unit - slope * shift) / 64)
        return Spread(tuple(slope / 64 for slope in _SLOPES), tuple(sides[0]), tuple(sides[1]))


class Cost:
    """A cost to make small: V, or -V, as it stands and diffused.

    Attributes
    ----------
    raw : Costs
    diffused : Costs
        Scaled by 2 to the power of `bits`.
    least : int
        Bound of the sums of `raw`.
    size : int
        Bound of the size of all sums of `raw` and their parts.
    """

    def __init__(self, layout: Layout, source: Sum, *, largest: bool) -> None:
        self.bounds = source.bounds(largest=largest)
        self.raw = self.bounds.sign * source.raw
        self.diffused, self.bits, self.least = diffuse(layout, self.raw)
        self.size = size_of(layout, self.raw)


def diffuse(layout: Layout, raw: Costs, rounds: int = ROUNDS) -> tuple[Costs, int, int]:
    """Return costs diffused, by how many bits they were scaled, and a bound of the raw sums."""
    most = size_of(layout, raw)
    try:
        bits = scaling(most)
    except OverflowError as error:
        msg = f"the tables are too large to add up in int64: {error}"
        raise ExactError(msg) from error
    costs = raw << bits
    bound = layout.diffuse(costs, rounds)
    if size_of(layout, costs) >= 2**62:  # never seen; what is as it was cannot overflow
        return raw << bits, bits, -most
    return costs, bits, -(-bound >> bits)


def least(layout: Layout, raw: Costs, rounds: int = ROUNDS) -> int:
    """Return a bound of the least sum."""
    return diffuse(layout, raw, rounds)[2]


def size_of(layout: Layout, costs: Costs) -> int:
    """Return a bound of the size of all sums and their parts, a Python integer."""
    found = 0
    for offsets in (layout.block_offsets, layout.term_offsets):
        starts = offsets[:-1]
        if len(starts):
            found += sum(map(int, np.maximum.reduceat(np.abs(costs), starts)))
    return found


def parts_of(
    space: SearchSpace, ensembles: Sequence[TableEnsemble], genes: Mapping[str, Any] | None
) -> list[Part]:
    """Cut a space, or what limits on genes leave of it, into parts.

    Parameters
    ----------
    space : SearchSpace
    ensembles : sequence of TableEnsemble
        Of all targets.
    genes : mapping of str, optional
        For some genes the value, or a list of the values, that they may have.

    Raises
    ------
    ArchitectureError
        If there is no such gene or value.
    ExactError
        If a term has more than `MAX_BLOCKS` blocks.
    """
    allowed = allowed_symbols(space, genes or {})
    splits: dict[tuple[int, bytes], NDArray[np.bool_]] = {}
    of_ensemble: dict[int, tuple[int, bytes]] = {}
    for ensemble in ensembles:
        if ensemble.link.regime is not None:
            block, mask = ensemble.link.regime.symbols(space)
            key = (block, mask.tobytes())
            splits[key], of_ensemble[id(ensemble)] = mask, key
    terms = [term for ensemble in ensembles for term in ensemble.terms.blocks]
    longest = max(map(len, terms))
    if longest > MAX_BLOCKS:
        msg = f"a term of the tables has {longest} blocks; {MAX_BLOCKS} at most can be searched"
        raise ExactError(msg)
    found = []
    for choice in product((False, True), repeat=len(splits)):
        domains = list(allowed)
        for ((block, _), mask), wanted in zip(splits.items(), choice, strict=True):
            domains[block] = domains[block][mask[domains[block]] == wanted]
        if all(len(domain) for domain in domains):
            inside = dict(zip(splits, choice, strict=True))
            known = {ensemble: inside[key] for ensemble, key in of_ensemble.items()}
            found.append(Part(space, tuple(domains), terms, known))
    return found


def allowed_symbols(space: SearchSpace, genes: Mapping[str, Any]) -> Domains:
    """Return the symbols of each block whose genes have allowed values.

    Raises
    ------
    ArchitectureError
        If there is no such gene or value; lists those that there are.
    """
    if not isinstance(genes, Mapping):
        msg = (
            "genes must be a mapping from names to a value or a list of values, as "
            f"{{{space.gene_names[0]!r}: ...}}, not {show(genes)}"
        )
        raise ArchitectureError(msg)
    codes = {name: _allowed_codes(space, name, value) for name, value in genes.items()}
    domains = []
    for block, size in enumerate(space.block_sizes):
        symbols = np.arange(size, dtype=np.int64)
        kept = np.ones(size, dtype=np.bool_)
        for position in range(space.n_genes)[space.block_slices[block]]:
            name = space.gene_names[position]
            if name in codes:
                weight, radix = space.symbol_weights[position], space.gene_sizes[position]
                kept &= np.isin(symbols // weight % radix, codes[name])
        domains.append(symbols[kept])
    return tuple(domains)


def _allowed_codes(space: SearchSpace, name: Any, value: Any) -> list[int]:
    if name not in space.positions:
        msg = f"there is no gene {show(name)}; the genes are {', '.join(space.gene_names)}"
        raise ArchitectureError(msg)
    gene = space.genes[space.positions[name]]
    values = list(value) if isinstance(value, (list, tuple, set, frozenset, range)) else [value]
    found = []
    for one in values:
        code = gene.find(one)
        if code < 0:
            raise value_error(gene, show(one))
        found.append(code)
    if not found:
        raise value_error(gene, "an empty list")
    return found
