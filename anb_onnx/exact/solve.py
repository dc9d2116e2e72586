"""The best architectures under constraints: the search, driven by what queries return.

All that is proven is proven of linear costs (`anb_onnx.exact.parts`); what decides is the float32
mean that a query returns. A solution found so far says how cheap another must be at least to be
as good (`MeanBounds.limit`), and so does the limit of a constraint. The search lists whatever is
that cheap; each is then evaluated by the reference arithmetic, and kept or not.

With constraints the cost alone says little, since the cheapest violate them. So weights w are
added, ``cost + sum over i of w[i] * (cost[i] - limit[i])``, which is no more than the cost wherever
the constraints hold: its least value is a bound (Lagrangian relaxation), and weights are sought
that make it as large as can be.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import count

import numpy as np
from numpy.typing import NDArray

from anb_onnx.errors import ExactError
from anb_onnx.exact.diffusion import Costs
from anb_onnx.exact.means import NO_LIMIT
from anb_onnx.exact.parts import Cost, Part, diffuse
from anb_onnx.exact.search import Search
from anb_onnx.tables import TableEnsemble

#: Weights are whole numbers of at most this size: finer ones change bounds by less than 0.01 %.
_MOST_WEIGHT = 2**14

#: Steps of the search for the best weight of a constraint, each a diffusion.
_WEIGHT_STEPS = 12

#: Leaves evaluated at a time: few at first, to be guided by what they are.
_FIRST_ROOM, _MOST_ROOM = 2, 2**14

#: Rows evaluated at a time: intermediates stay in the cache.
_ROWS = 4096


@dataclass(frozen=True)
class Wish:
    """The tables of a target, and whether its largest or its smallest mean is wanted."""

    ensemble: TableEnsemble
    largest: bool

    def cost(self, part: Part) -> Cost:
        """Return the cost that is least where the wish is fulfilled best."""
        return part.sum_of(self.ensemble).cost(largest=self.largest)

    def worth(self, symbols: NDArray[np.int64]) -> NDArray[np.float32]:
        """Return the means, float32 [n], negative where the largest is wanted: less is better."""
        means = [
            self.ensemble.predict(symbols[start : start + _ROWS])[0]
            for start in range(0, len(symbols), _ROWS)
        ]
        mean = np.concatenate([np.zeros(0, dtype=np.float32), *means])
        return -mean if self.largest else mean


@dataclass(frozen=True)
class Limit:
    """A constraint: the mean of a target is to be at least as good as a value.

    Attributes
    ----------
    wish : Wish
    worth : float32
        The value, negative where the mean is to be at least as large.
    """

    wish: Wish
    worth: np.float32

    def cost_limit(self, part: Part) -> int:
        """Return the cost that no architecture exceeds that fulfils the constraint."""
        return _limit(self.wish, self.wish.cost(part), self.worth)


@dataclass
class Effort:
    """What a proof took.

    Attributes
    ----------
    nodes : int
        Nodes of the search, all parts together.
    leaves : int
        Architectures that were evaluated.
    margin : float
        By how much, at most, a bound of the objective's mean may exceed what the sum gives, in
        its unit; that of rounding alone where Jensen's inequality suffices.
    root : float
        Bound of the objective (as worth: less is better) before anything was branched on.
    """

    nodes: int = 0
    leaves: int = 0
    margin: float = 0.0
    root: float = field(default=float("inf"))


class Relaxation:
    """The costs of a part that a search looks at, and where they must end.

    The costs are, in this order: that with weights, where there are constraints; the objective's;
    each constraint's; and, where there are several, the weighted sum of these alone.
    """

    def __init__(self, part: Part, wish: Wish, limits: Sequence[Limit]) -> None:
        self.part, self.wish = part, wish
        self._objective = wish.cost(part)
        self._costs = [limit.wish.cost(part) for limit in limits]
        self._ends = [limit.cost_limit(part) for limit in limits]
        layout = part.layout
        self.least = self._objective.least
        self.empty = any(c.least > end for c, end in zip(self._costs, self._ends, strict=True))
        self._weighted: list[tuple[tuple[int, ...], Costs, int]] = []
        binding = [i for i, end in enumerate(self._ends) if end < NO_LIMIT]
        if not self.empty and binding:
            weights, bound = self._weigh(self._objective, binding)
            self._add(weights, self._objective)
            # The first weight is the objective's own.
            gained = bound - sum(
                w * self._ends[i] for i, w in zip(binding, weights[1:], strict=True)
            )
            self.least = max(self.least, -(-gained // weights[0]))
        self._binding = binding
        self._layout = layout

    def _combine(self, weights: Sequence[int], objective: Cost, binding: Sequence[int]) -> Costs:
        total = weights[0] * objective.raw
        for weight, i in zip(weights[1:], binding, strict=True):
            if weight:
                total = total + weight * self._costs[i].raw
        return total

    def _weigh(self, objective: Cost, binding: Sequence[int]) -> tuple[list[int], int]:
        """Seek the weights with the best bound; return them and the bound of the weighted sum."""
        layout = self.part.layout

        def bound(weights: Sequence[int]) -> tuple[float, int]:
            found = diffuse(layout, self._combine(weights, objective, binding))[2]
            ends = sum(w * self._ends[i] for i, w in zip(binding, weights[1:], strict=True))
            return (found - ends) / weights[0], found

        weights, best = [1, *(0 for _ in binding)], (float(objective.least), objective.least)
        ratios = [_range(objective) / max(_range(self._costs[i]), 1) for i in binding]
        shares = [0.0] * len(binding)
        for _ in range(1 if len(binding) == 1 else 2):
            for k, ratio in enumerate(ratios):
                # Quasi-concave in the logarithm of one weight: golden-section search.
                def at(x: float, k: int = k, ratio: float = ratio) -> tuple[float, int]:
                    return bound(_whole([*shares[:k], ratio * 2.0**x, *shares[k + 1 :]]))

                x, value = _maximum(at, -8.0, 8.0, _WEIGHT_STEPS)
                if value[0] > best[0]:
                    shares[k], best = ratio * 2.0**x, value
                    weights = _whole(shares)
        return weights, best[1]

    def _add(self, weights: Sequence[int], objective: Cost) -> None:
        binding = [i for i, end in enumerate(self._ends) if end < NO_LIMIT]
        costs, bits, _ = diffuse(self.part.layout, self._combine(weights, objective, binding))
        self._weighted.append((tuple(weights), costs, bits))

    def search(self) -> Search:
        """Return a search over the part."""
        costs = [costs for _, costs, _ in self._weighted]
        costs += [self._objective.diffused, *(cost.diffused for cost in self._costs)]
        return Search(self.part.layout, costs, order_of(self.part, costs[0]))

    def corner(self, worth: np.float32 | None) -> list[int]:
        """Return what no cost may exceed, scaled, for means at least as good; None for any."""
        limit = NO_LIMIT if worth is None else _limit(self.wish, self._objective, worth)
        found = []
        for weights, _, bits in self._weighted:
            ends = [limit, *(self._ends[i] for i in self._binding)]
            active = [w * end for w, end in zip(weights, ends, strict=True)]
            found.append(NO_LIMIT if limit == NO_LIMIT else scaled(sum(active), bits))
        found.append(scaled(limit, self._objective.bits))
        found += [scaled(end, cost.bits) for end, cost in zip(self._ends, self._costs, strict=True)]
        return found


def best(
    parts: Sequence[Part], wish: Wish, limits: Sequence[Limit], k: int, effort: Effort
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Return the worths and symbols of the k best, and of all that tie with the last of them.

    Returns
    -------
    worth : float32 array [n], ascending
    symbols : int64 array [n, n_blocks]
    """
    kept = Kept(k)
    relaxations = [Relaxation(part, wish, limits) for part in parts]
    for relaxed in sorted(relaxations, key=_root):
        _note(effort, relaxed)
        if relaxed.empty:
            continue
        for symbols in leaves_of(relaxed, kept.last, effort):
            kept.add(wish.worth(symbols), symbols, limits)
    return kept.worth, kept.symbols


def all_as_good(
    parts: Sequence[Part],
    wish: Wish,
    limits: Sequence[Limit],
    worth: np.float32,
    most: int,
    effort: Effort,
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Return worths and symbols of all that are at least so good, ordered as `best` orders them.

    Raises
    ------
    ExactError
        If there are more than `most`.
    """
    found = [(np.zeros(0, np.float32), np.zeros((0, len(parts[0].domains)), np.int64))]
    n = 0
    for part in parts:
        relaxed = Relaxation(part, wish, limits)
        _note(effort, relaxed)
        if relaxed.empty:
            continue
        for symbols in leaves_of(relaxed, lambda: worth, effort):
            means = wish.worth(symbols)
            fits = means <= worth
            for limit in limits:
                fits[fits] = limit.wish.worth(symbols[fits]) <= limit.worth
            found.append((means[fits], symbols[fits]))
            n += int(fits.sum())
            if n > most:
                msg = (
                    f"more than {most} architectures are at least that good; give a better value, "
                    "more constraints or a larger limit"
                )
                raise ExactError(msg)
    means, rows = (np.concatenate(side) for side in zip(*found, strict=True))
    order = np.lexsort((*rows.T[::-1], means))
    return means[order], rows[order]


def leaves_of(relaxed: Relaxation, worth: object, effort: Effort) -> Iterator[NDArray[np.int64]]:
    """Search a part; yield symbols of what may be as good as `worth()` says it must be."""
    search = relaxed.search()
    done = False
    for number in count():
        if done:
            break
        room = min(_FIRST_ROOM << (2 * number), _MOST_ROOM)
        corners = np.array([relaxed.corner(worth())], dtype=np.int64)  # type: ignore[operator]
        leaves, done = search.run(corners, room)
        effort.leaves += len(leaves)
        if len(leaves):
            yield relaxed.part.symbols(leaves)
    effort.nodes += search.nodes


class Kept:
    """The k best up to now, and all that tie with the last of them."""

    def __init__(self, k: int) -> None:
        self._k = k
        self.worth = np.zeros(0, dtype=np.float32)
        self.symbols: NDArray[np.int64] = np.zeros((0, 0), dtype=np.int64)

    def last(self) -> np.float32 | None:
        """Return the worth that another must have at least; None where any will do."""
        return self.worth[self._k - 1] if len(self.worth) >= self._k else None

    def add(
        self, worth: NDArray[np.float32], symbols: NDArray[np.int64], limits: Sequence[Limit]
    ) -> None:
        """Take those that fulfil the constraints and are good enough."""
        last = self.last()
        fits = np.ones(len(worth), dtype=np.bool_) if last is None else worth <= last
        for limit in limits:
            fits[fits] = limit.wish.worth(symbols[fits]) <= limit.worth
        if not fits.any():
            return
        old = self.symbols.reshape(-1, symbols.shape[1])
        worth = np.concatenate([self.worth, worth[fits]])
        symbols = np.concatenate([old, symbols[fits]])
        # By worth, then by index: the first block is the most significant.
        order = np.lexsort((*symbols.T[::-1], worth))
        self.worth, self.symbols = worth[order], symbols[order]
        if (last := self.last()) is not None:
            keep = int(np.searchsorted(self.worth, last, side="right"))
            self.worth, self.symbols = self.worth[:keep], self.symbols[:keep]


def order_of(part: Part, costs: Costs) -> list[int]:
    """Return the blocks, those first of which most symbols are far from the best."""
    offsets = part.layout.block_offsets
    gaps = []
    for block in range(len(part.domains)):
        unary = costs[offsets[block] : offsets[block + 1]]
        gaps.append(-float(np.median(unary - unary.min())))
    return sorted(range(len(gaps)), key=lambda block: (gaps[block], block))


def _root(relaxed: Relaxation) -> float:
    worth = relaxed.wish.cost(relaxed.part).bounds.best(relaxed.least)
    return -worth if relaxed.wish.largest else worth


def _note(effort: Effort, relaxed: Relaxation) -> None:
    effort.margin = max(effort.margin, relaxed.wish.cost(relaxed.part).bounds.margin)
    if not relaxed.empty:
        effort.root = min(effort.root, _root(relaxed))


def _limit(wish: Wish, cost: Cost, worth: np.float32) -> int:
    return cost.bounds.limit(-worth if wish.largest else worth)


def scaled(limit: int, bits: int) -> int:
    """Return a limit of scaled costs; sums of these stay below 2^60 in size."""
    return max(min(limit << bits, NO_LIMIT), -NO_LIMIT) if limit < NO_LIMIT else NO_LIMIT


def _range(cost: Cost) -> float:
    """Return how far the sums reach that are of interest: from the least to that of no entries."""
    return float(np.abs(cost.raw).max())


def _whole(shares: Sequence[float]) -> list[int]:
    """Return weights as whole numbers in the same ratio, that of the objective first."""
    unit = _MOST_WEIGHT / max(1.0, *shares)
    return [max(1, round(unit)), *(round(share * unit) for share in shares)]


def _maximum(at: object, low: float, high: float, steps: int) -> tuple[float, tuple[float, int]]:
    """Return where a quasi-concave function is largest, about, and its value."""
    golden = (5.0**0.5 - 1) / 2
    a, b = high - golden * (high - low), low + golden * (high - low)
    fa, fb = at(a), at(b)  # type: ignore[operator]
    for _ in range(steps):
        if fa[0] >= fb[0]:
            high, b, fb = b, a, fa
            a = high - golden * (high - low)
            fa = at(a)  # type: ignore[operator]
        else:
            low, a, fa = a, b, fb
            b = low + golden * (high - low)
            fb = at(b)  # type: ignore[operator]
    return (a, fa) if fa[0] >= fb[0] else (b, fb)
