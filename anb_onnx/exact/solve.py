"""The best architectures under constraints: the search, driven by what queries return.

All that is proven is proven of linear costs (`anb_onnx.exact.parts`); what decides is the float32
mean that a query returns. A solution found so far says how cheap another must be at least to be
as good (`MeanBounds.limit`), and so does the limit of a constraint. The search lists whatever is
that cheap; each is then evaluated by the reference arithmetic, and kept or not.

With constraints the cost alone says little, since the cheapest violate them; weighted sums of it
and the constraints' costs say more (`anb_onnx.exact.weights`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import count

import numpy as np
from numpy.typing import NDArray

from anb_onnx.errors import ExactError, TooManyError
from anb_onnx.exact.diffusion import Costs
from anb_onnx.exact.means import NO_LIMIT
from anb_onnx.exact.parts import Cost, Part
from anb_onnx.exact.search import Search
from anb_onnx.exact.weights import Weighted, scaled, seek
from anb_onnx.tables import TableEnsemble

#: Leaves evaluated at a time: few at first, to be guided by what they are.
_FIRST_ROOM, _MOST_ROOM = 2, 2**14

#: Most architectures that are kept for being as good as the last of the k best.
MOST_TIES = 10_000

#: Nodes after which a search ends whose k best are as good as can be, with ties left.
_ENOUGH = 2**20

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
    most : int
        Most nodes.
    """

    nodes: int = 0
    leaves: int = 0
    margin: float = 0.0
    root: float = field(default=float("inf"))
    most: int = 2**62

    def spend(self, nodes: int) -> None:
        """Count nodes of a search.

        Raises
        ------
        ExactError
            If they are more than `most`.
        """
        self.nodes += nodes
        if self.nodes > self.most:
            msg = (
                f"nothing is proven after {self.nodes} nodes, and max_nodes is {self.most}: limits "
                "on both sides of one target leave very many architectures between them; "
                "ask for less, or raise max_nodes"
            )
            raise ExactError(msg)


class Relaxation:
    """The costs of a part that a search looks at, and where they must end.

    These are, in this order: the objective with weights of the constraints; where there are several
    constraints, a weighted sum of these alone; the objective; and each constraint.

    Attributes
    ----------
    least : int
        Bound of the objective's cost where the constraints hold.
    empty : bool
        Whether it is proven at once that no architecture of the part fulfils the constraints.
    """

    def __init__(self, part: Part, wish: Wish, limits: Sequence[Limit]) -> None:
        self.part, self.wish = part, wish
        self._costs = [wish.cost(part), *(limit.wish.cost(part) for limit in limits)]
        self._ends = [limit.cost_limit(part) for limit in limits]
        self._weighted: list[Weighted] = []
        self.least = self._costs[0].least
        # An end of 0 for the objective: it is not free, so that its end does not count.
        ends = [0, *self._ends]
        bounds = zip(self._costs[1:], self._ends, strict=True)
        self.empty = any(cost.least > end for cost, end in bounds)
        free = [i for i in range(1, len(ends)) if ends[i] < NO_LIMIT]
        if free and not self.empty:
            shares = [1.0, *(0.0 for _ in limits)]
            found = seek(part, self._costs, shares, free, ends)
            self._weighted.append(found)
            gained = found.least - sum(found.weights[i] * ends[i] for i in free)
            self.least = max(self.least, -(-gained // found.weights[0]))
        if len(free) > 1 and not self.empty:
            shares = [0.0, *(float(i == free[0]) for i in range(1, len(ends)))]
            found = seek(part, self._costs, shares, free[1:], ends)
            self._weighted.append(found)
            self.empty = found.least > found.total(ends)

    def search(self) -> Search:
        """Return a search over the part."""
        costs = [weighted.diffused for weighted in self._weighted]
        costs += [cost.diffused for cost in self._costs]
        return Search(self.part.layout, costs, order_of(self.part, costs[0]))

    def corner(self, worth: np.float32 | None) -> list[int]:
        """Return what no cost may exceed, scaled, for means at least as good; None for any."""
        limit = NO_LIMIT if worth is None else _limit(self.wish, self._costs[0], worth)
        ends = [limit, *self._ends]
        found = [weighted.end(ends) for weighted in self._weighted]
        pairs = zip(ends, self._costs, strict=True)
        return [*found, *(scaled(end, cost.bits) for end, cost in pairs)]


def best(
    parts: Sequence[Part], wish: Wish, limits: Sequence[Limit], k: int, effort: Effort
) -> Kept:
    """Return the k best, and all that tie with the last of them, unless these are too many."""
    kept = Kept(k, _floor(wish, limits))
    relaxations = [Relaxation(part, wish, limits) for part in parts]
    for relaxed in sorted(relaxations, key=_root):
        _note(effort, relaxed)
        if relaxed.empty:
            continue
        for symbols in leaves_of(relaxed, kept.wanted, effort):
            kept.add(wish.worth(symbols), symbols, limits)
            # Of very many that are just within a limit, not all are sought.
            if kept.done and effort.nodes > _ENOUGH:
                kept.complete = False
                return kept
    return kept


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
    TooManyError
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
                raise TooManyError(msg)
    means, rows = (np.concatenate(side) for side in zip(*found, strict=True))
    order = np.lexsort((*rows.T[::-1], means))
    return means[order], rows[order]


def leaves_of(
    relaxed: Relaxation, worth: Callable[[], np.float32 | None], effort: Effort
) -> Iterator[NDArray[np.int64]]:
    """Search a part; yield symbols of what may be as good as `worth()` says it must be."""
    search = relaxed.search()
    done = False
    for number in count():
        if done:
            break
        room = min(_FIRST_ROOM << min(2 * number, 20), _MOST_ROOM)
        corners = np.array([relaxed.corner(worth())], dtype=np.int64)
        before = search.nodes
        leaves, done = search.run(corners, room, before + effort.most - effort.nodes)
        effort.leaves += len(leaves)
        effort.spend(search.nodes - before)
        if len(leaves):
            yield relaxed.part.symbols(leaves)


def _floor(wish: Wish, limits: Sequence[Limit]) -> np.float32 | None:
    """Return the worth that constraints on the objective itself leave at best."""
    same = [
        x for x in limits if x.wish.ensemble is wish.ensemble and x.wish.largest != wish.largest
    ]
    return max((np.float32(-limit.worth) for limit in same), default=None)


class Kept:
    """The k best up to now, and all that tie with the last of them.

    Parameters
    ----------
    k : int
    floor : float32, optional
        What no worth can be below.

    Attributes
    ----------
    worth : float32 array [n], ascending
    symbols : int64 array [n, n_blocks]
        Of equal worths by index.
    complete : bool
        Whether all that tie are there. Where they are more than `MOST_TIES`, the search goes on for
        what is better only; where nothing can be better, it ends after some nodes. Which of them
        are there then depends on its way.
    """

    def __init__(self, k: int, floor: np.float32 | None) -> None:
        self._k, self._floor = k, floor
        self.complete = True
        self.worth = np.zeros(0, dtype=np.float32)
        self.symbols: NDArray[np.int64] = np.zeros((0, 0), dtype=np.int64)

    @property
    def last(self) -> np.float32 | None:
        """The worth of the last of the k best; None where there are fewer yet."""
        return self.worth[self._k - 1] if len(self.worth) >= self._k else None

    @property
    def done(self) -> bool:
        """Whether nothing better can come: all of the k best are as good as can be."""
        return self.last is not None and self.last == self._floor

    def wanted(self) -> np.float32 | None:
        """Return the worth that another must have at least; None where any will do."""
        last = self.last
        if last is None or self.complete:
            return last
        return np.float32(np.nextafter(last, np.float32(-np.inf)))

    def add(
        self, worth: NDArray[np.float32], symbols: NDArray[np.int64], limits: Sequence[Limit]
    ) -> None:
        """Take those that fulfil the constraints and are good enough."""
        wanted = self.wanted()
        fits = np.ones(len(worth), dtype=np.bool_) if wanted is None else worth <= wanted
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
        if (last := self.last) is not None:
            keep = int(np.searchsorted(self.worth, last, side="right"))
            self.complete = keep <= self._k + MOST_TIES
            keep = min(keep, self._k + MOST_TIES)
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
