"""Random problems whose answers `anb_onnx.exact` must find, and the answers by brute force.

The spaces are small enough to evaluate every architecture with `TableEnsemble.predict`, the
reference of all engines. Nothing here knows of costs, bounds or diffusion.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from anb_onnx.exact.front import Archive, front
from anb_onnx.exact.front3 import front3
from anb_onnx.exact.parts import Part, parts_of
from anb_onnx.exact.solve import Effort, Kept, Limit, Wish, all_as_good, best
from anb_onnx.links import Link
from anb_onnx.regimes import Hinge, Regime
from anb_onnx.spaces.space import Block, Gene, SearchSpace
from anb_onnx.tables import TableEnsemble
from anb_onnx.terms import Term, Terms

#: Genes of each block, by number of choices: one block; blocks of one symbol; many small ones; a
#: large one; a mixture.
SHAPES: tuple[tuple[tuple[int, ...], ...], ...] = (
    ((5, 7),),
    ((1,), (4,), (1, 1), (3, 2), (5,)),
    ((2,), (2,), (3,), (2,), (2,), (3,), (2,), (2,), (2,)),
    ((40, 3), (2, 2), (9,)),
    ((3, 2), (6,), (2, 4), (7,)),
    ((2, 2, 2), (8,), (3,), (2, 3), (4,)),
)

Best = tuple[NDArray[np.float32], NDArray[np.int64]]


def space_of(shape: Sequence[Sequence[int]]) -> SearchSpace:
    blocks = [
        Block(f"b{b}", tuple(Gene(f"b{b}g{g}", tuple(range(n))) for g, n in enumerate(genes)))
        for b, genes in enumerate(shape)
    ]
    return SearchSpace("made for tests", tuple(blocks))


def everything(space: SearchSpace) -> NDArray[np.int64]:
    """All architectures by index, as symbols int64 [size, n_blocks]."""
    assert space.size <= 70_000
    return np.indices(space.block_sizes).reshape(space.n_blocks, -1).T.astype(np.int64)


def random_terms(space: SearchSpace, rng: np.random.Generator) -> Terms:
    """Terms of one to all blocks; some blocks may be in none."""
    found: dict[Term, None] = {}
    for _ in range(int(rng.integers(1, 2 * space.n_blocks + 1))):
        order = int(min(rng.choice([1, 2, 2, 2, 3, space.n_blocks]), space.n_blocks))
        found[tuple(sorted(rng.choice(space.n_blocks, order, replace=False).tolist()))] = None
    return Terms(space, tuple(found))


def random_hinges(
    rng: np.random.Generator, low: float, high: float, most: int
) -> tuple[Hinge, ...]:
    """Up to `most` hinges, most of them with knots from `low` to `high`."""
    width = high - low
    return tuple(
        (
            float(rng.uniform(low - 0.1 * width, high + 0.1 * width)),
            float(rng.choice([rng.uniform(-0.99, 0), rng.uniform(0, 3), -0.999999, 0.0])),
        )
        for _ in range(int(rng.integers(1, most + 1)))
    )


def random_regime(
    space: SearchSpace, rng: np.random.Generator, low: float, high: float
) -> Regime | None:
    wide = [gene for gene in space.genes if len(gene) > 1]
    if not wide:
        return None
    gene = wide[int(rng.integers(len(wide)))]
    codes = rng.choice(len(gene), int(rng.integers(1, len(gene))), replace=False)
    return Regime(gene.name, tuple(sorted(codes.tolist())), random_hinges(rng, low, high, 3))


def random_ensemble(
    space: SearchSpace,
    rng: np.random.Generator,
    power: str = "1",
    *,
    offset: bool = False,
    hinges: int = 0,
    regime: bool = False,
    members: int | None = None,
    grain: int | None = None,
) -> TableEnsemble:
    """Tables whose sums, scaled and shifted, lie about 1, above zero.

    Members agree on most of an entry, or on none; `grain` is the size of the entries: few values
    make ties.
    """
    terms = random_terms(space, rng)
    m = members or int(rng.choice([1, 2, 3, 5, 20], p=[0.2, 0.3, 0.3, 0.15, 0.05]))
    grain = grain or int(rng.choice([2, 100, 2**22]))
    shared = rng.integers(-grain, grain + 1, (terms.n_entries, 1))
    own = rng.integers(-grain, grain + 1, (terms.n_entries, m))
    share = Fraction(int(rng.choice([0, 1, 10, 63])), 64)
    entries = (shared * share.numerator + own * (64 - share.numerator)) // 64
    entries = entries.astype(np.int32)
    reach = max(1, int(np.abs(entries).max())) * len(terms)
    width = float(rng.choice([0.02, 0.4, 0.9]))
    scale = width / reach * float(rng.choice([-1, 1]))
    shift = float(rng.uniform(0.95, 1.05))
    plain = Link(power, float(rng.uniform(2, 90)) if offset else None)
    ends = plain.invert(np.array([shift - width, shift + width]))
    low, high = float(ends.min()), float(ends.max())
    link = Link(
        plain.power,
        plain.offset,
        random_hinges(rng, low, high, hinges) if hinges else (),
        random_regime(space, rng, low, high) if regime else None,
    )
    ensemble = TableEnsemble(space, entries, scale, shift, link, terms)
    assert ensemble.bounds is not None  # as of whatever is loaded
    return ensemble


def values_of(wish: Wish, symbols: NDArray[np.int64]) -> NDArray[np.float32]:
    """The means, negative where the largest is wanted."""
    mean = wish.ensemble.predict(symbols)[0]
    return -mean if wish.largest else mean


def feasible(symbols: NDArray[np.int64], limits: Sequence[Limit]) -> NDArray[np.int64]:
    for limit in limits:
        symbols = symbols[values_of(limit.wish, symbols) <= limit.worth]
    return symbols


def ordered(symbols: NDArray[np.int64], wish: Wish) -> Best:
    """By value, then by index: a stable sort of rows that are in the order of their indices."""
    values = values_of(wish, symbols)
    order = np.argsort(values, kind="stable")
    return values[order], symbols[order]


def brute_best(symbols: NDArray[np.int64], wish: Wish, limits: Sequence[Limit], k: int) -> Best:
    """The k best and all that tie with the last of them."""
    values, rows = ordered(feasible(symbols, limits), wish)
    keep = len(values) if len(values) < k else int((values <= values[k - 1]).sum())
    return values[:keep], rows[:keep]


def brute_as_good(
    symbols: NDArray[np.int64], wish: Wish, limits: Sequence[Limit], worth: np.float32
) -> Best:
    values, rows = ordered(feasible(symbols, limits), wish)
    return values[values <= worth], rows[values <= worth]


def brute_front(
    symbols: NDArray[np.int64], wishes: tuple[Wish, Wish], limits: Sequence[Limit]
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """All that none dominates, by the first value and then by index; slow and obvious."""
    rows = feasible(symbols, limits)
    values = np.stack([values_of(wish, rows) for wish in wishes], axis=1)
    distinct = np.unique(values, axis=0)
    kept, least = [], np.float32(np.inf)
    for first, second in distinct.tolist():  # by the first, then by the second
        if second < least:
            kept.append((first, second))
            least = np.float32(second)
    wanted = set(kept)
    keep = np.array([tuple(pair) in wanted for pair in values.tolist()], dtype=bool)
    values, rows = values[keep], rows[keep]
    order = np.argsort(values[:, 0], kind="stable")
    return values[order], rows[order]


def brute_front3(
    symbols: NDArray[np.int64], wishes: tuple[Wish, Wish, Wish], limits: Sequence[Limit]
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """As `brute_front`, of three: every row against all that are distinct and not dominated yet."""
    rows = feasible(symbols, limits)
    values = np.stack([values_of(wish, rows) for wish in wishes], axis=1)
    rest = np.unique(values, axis=0)  # a row is dominated by none after it
    kept = []
    while len(rest):
        kept.append(rest[0])
        rest = rest[(rest < rest[0]).any(axis=1)]
    wanted = {tuple(row) for row in np.array(kept).tolist()}
    keep = np.array([tuple(row) in wanted for row in values.tolist()], dtype=bool)
    values, rows = values[keep], rows[keep]
    order = np.lexsort((values[:, 2], values[:, 1], values[:, 0]))
    return values[order], rows[order]


def found_best(space: SearchSpace, wish: Wish, limits: Sequence[Limit] = (), k: int = 1) -> Kept:
    return best(_parts(space, [wish], limits), wish, limits, k, Effort())


def found_as_good(
    space: SearchSpace, wish: Wish, limits: Sequence[Limit], worth: np.float32, most: int = 10**6
) -> Best:
    return all_as_good(_parts(space, [wish], limits), wish, limits, worth, most, Effort())


def found_front(
    space: SearchSpace, wishes: tuple[Wish, Wish], limits: Sequence[Limit] = ()
) -> Archive:
    return front(_parts(space, wishes, limits), wishes, limits, Effort())


def found_front3(
    space: SearchSpace, wishes: tuple[Wish, Wish, Wish], limits: Sequence[Limit] = ()
) -> Archive:
    return front3(_parts(space, wishes, limits), wishes, limits, 10**6, Effort())


def _parts(space: SearchSpace, wishes: Sequence[Wish], limits: Sequence[Limit]) -> list[Part]:
    ensembles = [wish.ensemble for wish in (*wishes, *(limit.wish for limit in limits))]
    return parts_of(space, ensembles, None)


def same(found: Best, wanted: Best) -> None:
    """Compare values by their bits (but for the sign of zero), and architectures one by one."""
    assert found[0].dtype == wanted[0].dtype == np.float32
    assert found[0].tolist() == wanted[0].tolist()
    n_blocks = wanted[1].shape[1]
    assert found[1].reshape(-1, n_blocks).tolist() == wanted[1].tolist()
