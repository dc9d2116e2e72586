"""Source devices: what their tables say of time, on the scale where times add up.

Hardware time adds up over layers, so that is where devices are compared: a latency or an energy as
it is, a throughput as its reciprocal. A surrogate's tables add up on the scale of its link; most
links are that scale already. Hinges of a link, which bend the ends of a device's range, are left
out: they are the measured device's own.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from itertools import combinations
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from numpy.typing import NDArray

from anb_onnx.errors import SourceError
from anb_onnx.few_shot.units import is_rate
from anb_onnx.links import Link
from anb_onnx.spaces.space import SearchSpace
from anb_onnx.tables import TableEnsemble
from anb_onnx.terms import Terms

if TYPE_CHECKING:
    from anb_onnx.surrogate import Surrogate

Values: TypeAlias = NDArray[np.float64]

#: Spaces of at most so many architectures are tabulated whole: one entry an architecture.
WHOLE = 2**16


@dataclass(frozen=True, eq=False)
class SourceTable:
    """Time of one source device as a sum of tables.

    Attributes
    ----------
    name : str
    terms : Terms
    entries : float64 array [n_entries]
        Up to a constant factor and shift, which `adapt` finds by itself.
    """

    name: str
    terms: Terms
    entries: Values


def source_of(surrogate: Surrogate, *, name: str | None = None) -> SourceTable:
    """Return the time of a surrogate's device as tables.

    Raises
    ------
    SourceError
        If the surrogate has no tables.
    """
    ensemble, target = surrogate.ensemble, surrogate.target
    name = name or target.name
    if ensemble is None:
        msg = (
            f"source {name!r} is in the form {surrogate.metadata['form']!r}; sources need tables "
            "(anb-export project writes some)"
        )
        raise SourceError(msg)
    rate = is_rate(target.unit)
    if ensemble.space.size <= WHOLE:
        return SourceTable(name, whole_terms(ensemble.space), _tabulated(ensemble, rate))
    mean = ensemble.entries.astype(np.float64).mean(axis=1) * ensemble.scale
    mean[: ensemble.terms.offsets[1]] += ensemble.shift
    power = Fraction(ensemble.link.power)
    exponent = (-1 if rate else 1) / power
    offset = ensemble.link.offset
    if exponent == 1 and offset is None:
        return SourceTable(name, ensemble.terms, mean)
    if exponent == 2 and offset is None and all(len(term) <= 2 for term in ensemble.terms.blocks):
        return SourceTable(name, ensemble.terms, squared(ensemble.terms, mean))
    return SourceTable(name, ensemble.terms, _tangent(ensemble, mean, rate, name))


def _tangent(ensemble: TableEnsemble, mean: Values, rate: bool, name: str) -> Values:
    """Return times by the straight line that the link is close to the middle of its range."""
    link = Link(ensemble.link.power, ensemble.link.offset)
    middle = decomposed_mean(ensemble.terms, mean)
    step = 1e-4 * abs(middle)
    with np.errstate(all="ignore"):
        y = link.invert(np.array([middle - step, middle, middle + step]))
        low, time, high = (1.0 / y if rate else y).tolist()
    if not (np.isfinite([low, time, high]).all() and time > 0):
        msg = f"source {name!r} has no time in the middle of its range, but {time:.4g}"
        raise SourceError(msg)
    slope = (high - low) / (2 * step)
    found = slope * mean
    found[: ensemble.terms.offsets[1]] += time - slope * middle
    return np.asarray(found)


def decomposed_mean(terms: Terms, entries: Values) -> float:
    """Return the mean of a sum of tables over all architectures."""
    pairs = zip(terms.offsets[:-1], terms.offsets[1:], strict=True)
    return sum(float(entries[start:stop].mean()) for start, stop in pairs)


def whole_terms(space: SearchSpace) -> Terms:
    """Return the one term of all blocks."""
    return Terms.of_order(space, space.n_blocks)


def all_symbols(space: SearchSpace) -> NDArray[np.int64]:
    """Return the symbols of every architecture: int64 [size, n_blocks], in order of the indices."""
    # By hand: arrays of NumPy have 64 axes at most, or 32, and a space may have more blocks.
    symbols = np.empty((space.size, space.n_blocks), np.int64)
    left = np.arange(space.size)
    for block in reversed(range(space.n_blocks)):
        left, symbols[:, block] = np.divmod(left, space.block_sizes[block])
    return symbols


def _tabulated(ensemble: TableEnsemble, rate: bool) -> Values:
    mean = ensemble.predict(all_symbols(ensemble.space))[0].astype(np.float64)
    if rate and not mean.min() > 0:
        msg = f"a source predicts {mean.min():.4g}; a throughput must be above 0"
        raise SourceError(msg)
    return 1.0 / mean if rate else mean


def squared(terms: Terms, entries: Values) -> Values:
    """Return the sum of singles and pairs closest to the square of such a sum.

    That is the conditional mean of the square for every pair of symbols, over uniformly random
    architectures, put together as in an analysis of variance: no architecture is drawn.

    Parameters
    ----------
    terms : Terms
        Of at most two blocks each.
    entries : float64 array [n_entries]

    Returns
    -------
    float64 array [n_entries]
        On the same terms. Pairs that have no term are left out.
    """
    sizes = terms.space.block_sizes
    mean, single, pair = decomposed(terms, entries)
    blocks = range(len(sizes))
    zero = {(a, b): np.zeros((sizes[a], sizes[b])) for a, b in combinations(blocks, 2)}
    both = {**zero, **pair}

    def inner(a: int, b: int) -> Values:
        return both[a, b] if a < b else both[b, a].T

    own = {a: single[a] ** 2 for a in blocks}
    variance = sum(float(own[a].mean()) for a in blocks)
    variance += sum(float((t**2).mean()) for t in both.values())
    # Main effects of the square: 2*mean*f_a + f_a^2 + 2*sum_c E[f_c f_ac] + sum_c E[f_ac^2] + ...
    first = {}
    for a in blocks:
        effect = 2 * mean * single[a] + own[a]
        for c in blocks:
            if c != a:
                effect = effect + 2 * (inner(a, c) @ single[c]) / sizes[c]
                effect = effect + (inner(a, c) ** 2).mean(axis=1)
        first[a] = effect - effect.mean()
    second = {}
    for a, b in combinations(blocks, 2):
        f = single[a][:, None] + single[b][None, :] + both[a, b]
        effect = 2 * mean * both[a, b] + f**2
        for c in blocks:
            if c not in (a, b):
                cross = inner(a, c) @ inner(c, b)
                effect = effect + 2 * cross / sizes[c]
        effect = effect - effect.mean(axis=0) - effect.mean(axis=1)[:, None] + effect.mean()
        second[a, b] = effect
    return composed(terms, mean**2 + variance, first, second)


def decomposed(
    terms: Terms, entries: Values
) -> tuple[float, list[Values], dict[tuple[int, int], Values]]:
    """Return mean, main effects and pure pair effects of a sum of terms of at most two blocks."""
    sizes = terms.space.block_sizes
    mean, single = 0.0, [np.zeros(size) for size in sizes]
    pair: dict[tuple[int, int], Values] = {}
    for term, start, stop in zip(terms.blocks, terms.offsets[:-1], terms.offsets[1:], strict=True):
        table = entries[start:stop].reshape([sizes[block] for block in term])
        middle = float(table.mean())
        mean += middle
        table = table - middle
        if len(term) == 1:
            single[term[0]] += table
            continue
        rows, columns = table.mean(axis=1), table.mean(axis=0)
        single[term[0]] += rows
        single[term[1]] += columns
        pair[term[0], term[1]] = table - rows[:, None] - columns
    return mean, single, pair


def composed(
    terms: Terms,
    mean: float,
    single: dict[int, Values],
    pair: dict[tuple[int, int], Values],
) -> Values:
    """Return the entries of effects on terms that hold every block."""
    entries = np.zeros(terms.n_entries)
    place = TermTables(terms, entries)
    place.add(None, mean)
    for block, effect in single.items():
        place.add((block,), effect)
    for blocks, effect in pair.items():
        if terms.covering(blocks) is not None:
            place.add(blocks, effect)
    return entries


class TermTables:
    """Tables of terms, to which effects of fewer blocks are added where they fit."""

    def __init__(self, terms: Terms, entries: Values) -> None:
        self.terms = terms
        self.entries = entries

    def add(self, blocks: tuple[int, ...] | None, effect: Values | float) -> None:
        """Add a table over some blocks, or a constant, to the smallest term that holds them."""
        terms = self.terms
        k = 0 if blocks is None else terms.covering(blocks)
        if k is None:
            msg = f"no term holds the blocks {blocks}"
            raise SourceError(msg)
        shape = terms.shapes[k]
        view = self.entries[terms.offsets[k] : terms.offsets[k + 1]].reshape(shape)
        if blocks is None:
            view += effect
            return
        sizes = [
            size if block in blocks else 1
            for block, size in zip(terms.blocks[k], shape, strict=True)
        ]
        view += np.asarray(effect).reshape(sizes)
