"""The compiler against exact sums of leaves, against xgboost itself, and against brute force."""

from __future__ import annotations

import hashlib
import json
import math
import random
import re
from collections.abc import Iterator, Sequence
from fractions import Fraction
from itertools import combinations, product
from typing import Any

import numpy as np
import oracle
import pytest
from anb_export.models.forest import Forest
from anb_export.models.xgboost_document import forest_of_booster
from anb_export.tables.bounds import lower_bounds
from anb_export.tables.compile import compile_tables
from anb_export.tables.fixed_point import FRACTION_BITS, CompileError
from hypothesis import given, settings
from hypothesis import strategies as st

from anb_onnx.links import Link
from anb_onnx.spaces.architecture import sample
from anb_onnx.spaces.mnasnet import MNASNET
from anb_onnx.spaces.space import SearchSpace
from anb_onnx.tables import TableEnsemble
from anb_onnx.terms import Terms, all_pairs

from .pair_models import (
    Tree,
    all_codes,
    booster_of,
    forest_of,
    labels_of,
    leaf_of,
    predict,
    space_of,
    symbols_of,
)

STEP = 2.0**-FRACTION_BITS
B0 = np.array(oracle.B0_CODES, dtype=np.uint8)
#: Codes of every symbol of each block of the MnasNet-style space.
SYMBOLS = [
    np.array(list(product(*(range(len(c)) for c in genes.values()))), dtype=np.uint8)
    for genes in oracle.BLOCKS.values()
]
B0_SYMBOLS = [int((s == B0[4 * k : 4 * k + 4]).all(axis=1).argmax()) for k, s in enumerate(SYMBOLS)]
PAIRS = list(combinations(range(7), 2))


def with_blocks(a: int, b: int) -> np.ndarray:
    """B0 with every symbol of block a (slowest) combined with every symbol of block b."""
    n, m = len(SYMBOLS[a]), len(SYMBOLS[b])
    codes = np.tile(B0, (n * m, 1))
    codes[:, 4 * a : 4 * a + 4] = np.repeat(SYMBOLS[a], m, axis=0)
    codes[:, 4 * b : 4 * b + 4] = np.tile(SYMBOLS[b], (n, 1))
    return codes


def standardised(forests: list[Forest], space: SearchSpace = MNASNET) -> TableEnsemble:
    return compile_tables(forests, link=Link(), mean=0.0, std=1.0, space=space)


@pytest.fixture(scope="module")
def boosters() -> list[Any]:
    """Trees of every depth from 3 to 6, leaves of very different size, bases of all kinds."""
    codes = sample(1200, seed=5, space=MNASNET)
    kinds: list[dict[str, Any]] = [
        {"max_depth": 3, "learning_rate": 0.1, "rounds": 300},
        {"max_depth": 4, "learning_rate": 0.3, "rounds": 150, "base_score": 0.125},
        {"max_depth": 6, "learning_rate": 0.05, "rounds": 250, "base_score": -0.3, "lambda": 0.01},
        {
            "max_depth": 5,
            "learning_rate": 0.2,
            "rounds": 150,
            "objective": "reg:pseudohubererror",
            "huber_slope": 0.3,
            "colsample_bynode": 0.6,
            "subsample": 0.7,
        },
    ]
    return [booster_of(codes, labels_of(codes, k), MNASNET, **kind) for k, kind in enumerate(kinds)]


@pytest.fixture(scope="module")
def forests(boosters: list[Any]) -> list[Forest]:
    return [forest_of_booster(booster) for booster in boosters]


@pytest.fixture(scope="module")
def ensemble(forests: list[Forest]) -> TableEnsemble:
    return standardised(forests)


def steps_off(ensemble: TableEnsemble, forests: list[Forest], codes: np.ndarray) -> float:
    symbols = symbols_of(codes, ensemble.space)
    exact = np.stack([forest.predict_exact(codes) for forest in forests], axis=1)
    return float(np.abs(ensemble.totals(symbols) - exact / STEP).max())


def test_random_architectures(ensemble: TableEnsemble, forests: list[Forest]) -> None:
    # 21 entries, each half a step off at most; the rest is float64 in the sum of leaves.
    assert 0 < steps_off(ensemble, forests, sample(20_000, seed=1, space=MNASNET)) <= 21 / 2 + 1e-3


def test_every_one_and_two_block_variation_of_b0(
    ensemble: TableEnsemble, forests: list[Forest]
) -> None:
    seen: set[bytes] = set()
    for a, b in PAIRS:
        codes = with_blocks(a, b)
        seen.update(map(bytes, codes))
        assert steps_off(ensemble, forests, codes) <= 21 / 2 + 1e-3
    assert len(seen) == 28_503


def test_anchored_inclusion_exclusion_of_xgboost_s_own_predictions(
    ensemble: TableEnsemble, boosters: list[Any]
) -> None:
    """Interactions and main effects, from predictions alone: no tree is read here."""
    anchor = np.array([predict(booster, B0[None])[0] for booster in boosters])
    tables = dict(zip(PAIRS, ensemble.tables, strict=True))
    for a, b in PAIRS:
        shape = (len(SYMBOLS[a]), len(SYMBOLS[b]), -1)
        grid = np.stack([predict(booster, with_blocks(a, b)) for booster in boosters], axis=1)
        f = grid.reshape(shape)
        ia, ib = B0_SYMBOLS[a], B0_SYMBOLS[b]
        np.testing.assert_array_equal(f[ia, ib], anchor)
        found = f - f[:, [ib]] - f[[ia]] + anchor
        t = tables[a, b].astype(np.float64) * STEP
        wanted = t - t[:, [ib]] - t[[ia]] + t[ia, ib]
        # Four sums of up to 300 leaves in float32, which reach a few standard deviations.
        np.testing.assert_allclose(found, wanted, rtol=0, atol=2e-5)
        assert wanted.std() > 100 * np.abs(found - wanted).max()
        # What changes with block a alone shows in all tables that have the block.
        change = np.zeros_like(f[:, ib])
        for other in range(7):
            if other != a:
                pair = (min(a, other), max(a, other))
                table = tables[pair].astype(np.float64)
                column = np.take(table, B0_SYMBOLS[other], axis=pair.index(other))
                change += (column - column[ia]) * STEP
        np.testing.assert_allclose(f[:, ib] - anchor, change, rtol=0, atol=2e-5)
    total = sum(tables[a, b][B0_SYMBOLS[a], B0_SYMBOLS[b]].astype(float) for a, b in PAIRS)
    np.testing.assert_allclose(anchor, total * STEP, rtol=0, atol=2e-5)


def test_labels_that_were_not_standardised() -> None:
    codes = sample(800, seed=2, space=MNASNET)
    y = 63.0 + 2.5 * labels_of(codes)
    booster = booster_of(codes, y, MNASNET, rounds=120, max_depth=4, base_score=60.0)
    forest = forest_of_booster(booster)
    tables = compile_tables(
        [forest], link=Link(), mean=63.0, std=2.5, labels_standardised=False, space=MNASNET
    )
    rows = sample(5000, seed=3, space=MNASNET)
    exact = forest.predict_exact(rows)
    u = tables.totals(symbols_of(rows, MNASNET))[:, 0] * tables.scale + tables.shift
    assert (tables.scale, tables.shift) == (2.5 * STEP, 63.0)
    assert np.abs(u - exact).max() <= (21 / 2 + 1e-2) * 2.5 * STEP
    np.testing.assert_allclose(tables.predict(symbols_of(rows, MNASNET))[0], exact, rtol=1e-6)


def test_base_score_that_xgboost_chose_itself() -> None:
    codes = sample(500, seed=4, space=MNASNET)
    booster = booster_of(
        codes, labels_of(codes) + 7, MNASNET, rounds=20, max_depth=3, base_score=None
    )
    forest = forest_of_booster(booster)
    assert forest.base_score == pytest.approx(7, abs=1e-3)
    assert steps_off(standardised([forest]), [forest], codes) <= 21 / 2


# --- trees written by hand, exact in rationals over the whole of a small space ---

SPACES = {
    "two blocks": space_of((3, 2), (2, 2)),
    "one gene per block": space_of((3,), (4,), (2,), (5,)),
    "eight blocks": space_of((2,), (2,), (3,), (2,), (2,), (2,), (2,), (2,)),
    "uneven": space_of((2, 3, 2), (7,), (1, 2), (3,)),
}


@st.composite
def models(draw: st.DrawFn) -> tuple[SearchSpace, list[Tree], float]:
    """Trees over at most two blocks each, with leaves that are whole steps of the tables."""
    space = SPACES[draw(st.sampled_from(sorted(SPACES)))]
    starts = np.cumsum([0, *(len(block.genes) for block in space.blocks)]).tolist()

    def tree(genes: list[int], depth: int) -> Tree:
        if depth == 0 or draw(st.integers(0, 3)) == 0:
            return draw(st.integers(-(2**20), 2**20)) / 2**20
        gene = draw(st.sampled_from(genes))
        # Below all codes, above all of them, twice the same on a path: everything is allowed.
        threshold = draw(st.sampled_from([-1.0, 0.0, 0.5, 1.0, 1.5, 2.0, 3.5, 9.0]))
        return gene, threshold, tree(genes, depth - 1), tree(genes, depth - 1)

    trees = []
    for _ in range(draw(st.integers(1, 5))):
        blocks = draw(st.lists(st.integers(0, space.n_blocks - 1), min_size=1, max_size=2))
        genes = [g for b in blocks for g in range(starts[b], starts[b + 1])]
        trees.append(tree(genes, 4))
    return space, trees, draw(st.integers(-4, 4)) / 4


@settings(max_examples=150)
@given(models(), st.booleans())
def test_whole_spaces_exactly(
    model: tuple[SearchSpace, list[Tree], float], children_first: bool
) -> None:
    space, trees, base = model
    forest = forest_of(trees, space.n_genes, base, children_first=children_first)
    tables = standardised([forest], space)
    codes = all_codes(space)
    totals = tables.totals(symbols_of(codes, space))[:, 0]
    for row, total in zip(codes.tolist(), totals.tolist(), strict=True):
        wanted = Fraction(base) + sum(Fraction(leaf_of(tree, row)) for tree in trees)
        assert Fraction(total, 2**FRACTION_BITS) == wanted


def test_constants_only() -> None:
    space = SPACES["uneven"]
    tables = standardised([forest_of([0.5, -0.125, 1.0], space.n_genes, 0.25)], space)
    totals = tables.totals(symbols_of(all_codes(space), space))
    assert (totals == int(1.625 / STEP)).all()


def test_small_leaves_are_rounded_at_the_end_only() -> None:
    """Thousands of leaves far below one step still add up."""
    space = SPACES["two blocks"]
    trees: list[Tree] = [(0, 0.5, STEP / 64, -STEP / 64)] * 6400
    totals = standardised([forest_of(trees, space.n_genes)], space).totals(
        symbols_of(all_codes(space), space)
    )
    assert set(totals[:, 0].tolist()) == {100, -100}


def test_many_large_leaves_that_cancel_are_no_obstacle() -> None:
    space = SPACES["two blocks"]
    one: Tree = (0, 0.5, (2, 0.5, 1.0, -1.0), (2, 0.5, -1.0, 1.0))
    other: Tree = (0, 0.5, (2, 0.5, -1.0, 1.0), (2, 0.5, 1.0, -1.0))
    forest = forest_of([one, other] * 1000 + [one], space.n_genes)
    assert np.abs(forest.value).sum() == 8004  # but no entry gets more than 2,001 of it
    assert steps_off(standardised([forest], space), [forest], all_codes(space)) == 0


@pytest.mark.parametrize("std", [3 * 2.0**40, 2.0**49, 0.7, 3 * 2.0**-40])
def test_labels_of_any_size(std: float) -> None:
    """Steps are of the labels' std, whatever their unit: nanoseconds or gigahertz."""
    space = SPACES["two blocks"]
    trees: list[Tree] = [
        (0, 0.5, (2, 0.5, 1.25 * std, -0.1 * std), 0.3 * std),
        (1, 0.5, 0.77 * std, (3, 0.5, std / 3, -std / 7)),
    ]
    forest = forest_of(trees, space.n_genes, 2.5 * std)
    tables = compile_tables(
        [forest], link=Link(), mean=2 * std, std=std, labels_standardised=False, space=space
    )
    assert (tables.scale, tables.shift) == (std * STEP, 2 * std)
    codes = all_codes(space)
    totals = tables.totals(symbols_of(codes, space))[:, 0].tolist()
    rounded = [_as_float32(tree) for tree in trees]
    for row, total in zip(codes.tolist(), totals, strict=True):
        exact = Fraction(std) / 2 + sum(Fraction(leaf_of(tree, row)) for tree in rounded)
        assert abs(total - exact / Fraction(std * STEP)) <= Fraction(1, 2) + Fraction(1, 2**20)


def _as_float32(tree: Tree) -> Tree:
    """The tree with the leaves that a forest keeps of it."""
    if not isinstance(tree, tuple):
        return float(np.float32(tree))
    gene, threshold, left, right = tree
    return gene, threshold, _as_float32(left), _as_float32(right)


def test_members_stay_in_order() -> None:
    space = SPACES["two blocks"]
    forests = [forest_of([float(m)], space.n_genes) for m in range(5)]
    totals = standardised(forests, space).totals(np.zeros((1, 2), np.int64))
    assert (totals * STEP).tolist() == [[0.0, 1.0, 2.0, 3.0, 4.0]]


def test_trained_on_other_spaces() -> None:
    for k, space in enumerate(SPACES.values()):
        codes = all_codes(space)
        labels = labels_of(codes, k)
        booster = booster_of(codes, labels, space, rounds=60, max_depth=5, learning_rate=0.3)
        forest = forest_of_booster(booster)
        bound = len(all_pairs(space).blocks) / 2 + 1e-3
        assert steps_off(standardised([forest], space), [forest], codes) <= bound


# --- refusals ---


def paths(tree: dict[str, Any]) -> Iterator[tuple[list[tuple[int, str, float]], list[int]]]:
    """Conditions and nodes from the root to each leaf of a tree of xgboost's JSON."""
    pending: list[tuple[list[tuple[int, str, float]], list[int]]] = [([], [0])]
    while pending:
        conditions, nodes = pending.pop()
        node = nodes[-1]
        if tree["left_children"][node] < 0:
            yield conditions, nodes
            continue
        gene, cut = tree["split_indices"][node], tree["split_conditions"][node]
        for key, sign in (("left_children", "<"), ("right_children", ">=")):
            pending.append(([*conditions, (gene, sign, cut)], [*nodes, tree[key][node]]))


def blocks_of(conditions: list[tuple[int, str, float]]) -> set[int]:
    return {gene // 4 for gene, _, _ in conditions}


def test_unconstrained_models_are_refused_by_tree_and_path(forests: list[Forest]) -> None:
    codes = sample(600, seed=6, space=MNASNET)
    labels = labels_of(codes)
    # The first trees have two levels, so that the first fault is not in tree 0.
    booster = booster_of(codes, labels, MNASNET, rounds=3, max_depth=2, constrained=False)
    matrix_params = {"max_depth": 4, "tree_method": "hist", "nthread": 1, "seed": 1}
    import xgboost as xgb

    matrix = xgb.DMatrix(codes.astype(np.float32), label=labels, nthread=1)
    booster = xgb.train(matrix_params, matrix, 3, xgb_model=booster)
    with pytest.raises(CompileError) as caught:
        standardised([forests[0], forest_of_booster(booster)])
    message = str(caught.value)
    found = re.match(
        r"member 1: tree (\d+) mixes more than two blocks \((.*)\) on the path (.*); train with "
        r"interaction constraints over pairs of blocks \(anb-export train --recipe compact\), "
        r"convert the model in tree form \(anb-export convert\), or approximate it by tables "
        r"\(anb-export project\)$",
        message,
    )
    assert found, message
    model = json.loads(booster.save_raw("json"))["learner"]["gradient_booster"]["model"]
    number = int(found[1])
    assert number >= 3
    for tree in model["trees"][:number]:
        assert all(len(blocks_of(conditions)) <= 2 for conditions, _ in paths(tree))
    names = list(oracle.GENES)
    listed = {
        " and ".join(f"{names[g]} {sign} {cut:g}" for g, sign, cut in conditions): conditions
        for conditions, _ in paths(model["trees"][number])
    }
    assert found[3] in listed
    blocks = sorted(blocks_of(listed[found[3]]))
    assert len(blocks) > 2
    assert found[2] == ", ".join(f"block{b}" for b in blocks)


@pytest.mark.parametrize("children_first", [False, True])
def test_only_blocks_that_are_narrowed_count(children_first: bool) -> None:
    space = SPACES["one gene per block"]

    def compiled(tree: Tree) -> TableEnsemble:
        forest = forest_of([0.5, tree], space.n_genes, children_first=children_first)
        return standardised([forest], space)

    # Gene 1 is tested, but every code passes: the leaves depend on blocks 0 and 2 only.
    compiled((0, 0.5, (1, 9.0, (2, 0.5, 1.0, 2.0), 5.0), 3.0))
    # The third block is on a way that no code takes.
    compiled((0, 0.5, (1, 1.5, (1, 1.5, 1.0, (3, 0.5, 2.0, 1.0)), 2.0), 3.0))
    with pytest.raises(CompileError) as caught:
        compiled((0, 0.5, (1, 9.0, (2, 0.5, (3, 2.5, 1.0, 4.0), 2.0), 5.0), 3.0))
    assert (
        "member 0: tree 1 mixes more than two blocks (block0, block2, block3) on the path "
        "g0 0 < 0.5 and g1 0 < 9 and g2 0 < 0.5 and g3 0 < 2.5;"
    ) in str(caught.value)


def test_sums_beyond_int32_are_refused() -> None:
    space = SPACES["one gene per block"]

    def compiled(*trees: Tree) -> TableEnsemble:
        return standardised([forest_of(trees, space.n_genes)], space)

    edge = 2.0**31 * STEP  # 128
    with pytest.raises(CompileError, match=r"member 0: an entry is 300\.0 standard deviations"):
        compiled((0, 0.5, (1, 0.5, 300.0, 0.0), 0.0))
    one: Tree = (0, 0.5, (1, 0.5, 100.0, 0.0), 0.0)
    other: Tree = (2, 0.5, (3, 0.5, -100.0, 0.0), 0.0)
    with pytest.raises(CompileError, match=r"add up to 200\.0 standard deviations.*holds 128"):
        compiled(one, other)
    with pytest.raises(CompileError, match=r"as much as 5e\+03 standard deviations; .* 4096"):
        compiled((0, 0.5, 5000.0, 0.0))
    with pytest.raises(CompileError, match=r"an entry is 128\.0"):
        compiled((0, 0.5, (1, 0.5, edge, 0.0), 0.0))
    fits = compiled((0, 0.5, (1, 0.5, edge - 2.0**-17, -edge + 2.0**-17), 0.0))
    totals = fits.totals(symbols_of(all_codes(space), space))
    assert (totals.max(), totals.min()) == (2**31 - 2**7, -(2**31) + 2**7)


def test_ways_out_of_the_link_s_domain_are_refused() -> None:
    space = SPACES["one gene per block"]
    forests = [
        forest_of([(0, 0.5, (1, 0.5, depth, 0.0), 1.0)], space.n_genes) for depth in (0.5, -2.0)
    ]

    def compiled(link: Link, mean: float) -> TableEnsemble:
        return compile_tables(forests, link=link, mean=mean, std=0.5, space=space)

    for link in (Link("-1"), Link("1/2"), Link("-1", 80.0)):
        with pytest.raises(CompileError) as caught:
            compiled(link, 0.9)
        assert "member 1: an architecture could reach -0.1 on the scale" in str(caught.value)
        assert f"the link {link.name}, which needs positive values" in str(caught.value)
        with pytest.raises(CompileError, match="could reach 0 on the scale"):
            compiled(link, 1.0)
        compiled(link, 1.001)
    for link in (Link(), Link("1", 80.0)):
        compiled(link, -5.0)


def test_other_refusals(forests: list[Forest]) -> None:
    with pytest.raises(CompileError, match="at least one member"):
        standardised([])
    with pytest.raises(CompileError, match="member 0: the model has 28 features, the space 4"):
        standardised(forests[:1], SPACES["two blocks"])
    other = Terms.of_order(SPACES["eight blocks"], 2)
    with pytest.raises(CompileError, match="terms are of search space 'hand-made', not of 'mn"):
        compile_tables(forests, link=Link(), mean=0.0, std=1.0, space=MNASNET, terms=other)


@pytest.mark.parametrize(
    ("depth", "message"),
    [(3000, "tree 0 mixes more than two blocks"), (4335, "tree 0 is deeper than 4095 levels")],
)
def test_trees_of_thousands_of_levels_are_refused(depth: int, message: str) -> None:
    """A chain that takes the codes of 17 genes away one by one; what waits must fit the stack."""
    space = space_of(*[(256,)] * 17)
    inner = np.arange(depth)
    n = 2 * depth + 1  # node 2k has the leaf 2k + 1 on its right, and the next on its left
    feature, left, right = (np.full(n, -1, np.int32) for _ in range(3))
    threshold = np.zeros(n, np.float32)
    feature[2 * inner], threshold[2 * inner] = inner // 255, 254.5 - inner % 255
    left[2 * inner], right[2 * inner] = 2 * inner + 2, 2 * inner + 1
    forest = Forest(
        feature=feature,
        threshold=threshold,
        left=left,
        right=right,
        value=np.ones(n, np.float32),
        default_left=np.zeros(n, np.bool_),
        roots=np.zeros(1, np.int32),
        base_score=0.0,
        n_features=17,
        objective="reg:squarederror",
    )
    with pytest.raises(CompileError, match=message):
        standardised([forest], space)


# --- lower bounds ---


def random_tables(space: SearchSpace, n_members: int, seed: int, interaction: float) -> np.ndarray:
    """Entries with main effects, and interactions of the given relative size."""
    rng = np.random.default_rng(seed)
    parts = []
    for a, b in all_pairs(space).blocks:
        shape = (space.block_sizes[a], space.block_sizes[b], n_members)
        main = rng.normal(size=(shape[0], 1, n_members)) + rng.normal(size=(1, *shape[1:]))
        parts.append((main + interaction * rng.normal(size=shape)).reshape(-1, n_members))
    return np.rint(np.concatenate(parts) * 2**20).astype(np.int32)


@pytest.mark.parametrize("blocks", [((3, 2), (2, 2)), ((4,), (5,), (3,)), ((7,), (2,), (9,))])
def test_lower_bounds_of_few_blocks_are_minima(blocks: tuple[tuple[int, ...], ...]) -> None:
    space = space_of(*blocks)
    entries = random_tables(space, 3, 1, interaction=1.0)
    tables = TableEnsemble(space, entries, 1.0, 0.0, Link())
    lowest = tables.totals(symbols_of(all_codes(space), space)).min(axis=0)
    assert lower_bounds(tables).tolist() == lowest.tolist()


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("interaction", [0.0, 0.1, 2.0])
def test_lower_bounds_are_below_every_architecture(seed: int, interaction: float) -> None:
    space = space_of((3,), (2, 2), (4,), (3,), (2, 2), (5,))
    entries = random_tables(space, 2, seed, interaction)
    tables = TableEnsemble(space, entries, 1.0, 0.0, Link())
    totals = tables.totals(symbols_of(all_codes(space), space)).astype(np.int64)
    bounds = lower_bounds(tables)
    assert (bounds <= totals.min(axis=0)).all()
    spread = totals.max(axis=0) - totals.min(axis=0)
    loose = (totals.min(axis=0) - bounds) / spread
    # Without interactions only the rounding of the main effects is lost.
    assert (loose <= {0.0: 1e-5, 0.1: 0.05, 2.0: 0.4}[interaction]).all()


def test_lower_bounds_of_a_trained_model_are_tight(ensemble: TableEnsemble) -> None:
    """Compared with the best of many descents, one block at a time."""
    rng = np.random.default_rng(0)
    sizes = ensemble.space.block_sizes
    bounds = lower_bounds(ensemble) * STEP
    for member, bound in enumerate(bounds):
        one = TableEnsemble(
            ensemble.space, np.ascontiguousarray(ensemble.entries[:, [member]]), 1, 0, Link()
        )
        best = math.inf
        for _ in range(10):
            symbols = np.array([rng.integers(n) for n in sizes])
            for block in [*range(7)] * 3:
                rows = np.tile(symbols, (sizes[block], 1))
                rows[:, block] = np.arange(sizes[block])
                totals = one.totals(rows)[:, 0]
                symbols = rows[int(totals.argmin())]
            best = min(best, float(totals.min()) * STEP)
        # These noisy labels leave strong interactions among the last four blocks; real ones less.
        assert best - 2.0 <= bound <= best


def test_lower_bounds_of_large_blocks_fit_memory() -> None:
    space = space_of((100,), (100,), (100,), (100,))
    tables = TableEnsemble(space, random_tables(space, 1, 3, 0.1), 1.0, 0.0, Link())
    symbols = np.random.default_rng(0).integers(100, size=(100_000, 4))
    assert lower_bounds(tables)[0] <= tables.totals(symbols).min()


def random_tree(space: SearchSpace, blocks: Sequence[int], rng: random.Random, depth: int) -> Tree:
    """A tree over these blocks; `random()` gives the same numbers in every release of Python."""
    genes = [g for b in blocks for g in range(space.n_genes)[space.block_slices[b]]]
    if depth == 0:
        return rng.random() - 0.5
    gene = genes[int(rng.random() * len(genes))]
    threshold = int(rng.random() * space.gene_sizes[gene]) + 0.5
    left, right = (random_tree(space, blocks, rng, depth - 1) for _ in range(2))
    return gene, threshold, left, right


def random_forest(space: SearchSpace, sets: Sequence[Sequence[int]], seed: int) -> Forest:
    """Ten trees over each set of blocks."""
    rng = random.Random(seed)
    trees = [random_tree(space, blocks, rng, 5) for _ in range(10) for blocks in sets]
    return forest_of(trees, space.n_genes, rng.random())


def test_pair_limited_ensembles_keep_their_bytes() -> None:
    """As the release before terms were data compiled them."""
    forests = [random_forest(MNASNET, PAIRS, seed) for seed in (1, 2, 3)]
    tables = compile_tables(forests, link=Link(), mean=0.25, std=3.0, space=MNASNET)
    found = hashlib.sha256(tables.entries.astype("<i4").tobytes()).hexdigest()
    assert found == "45cbd227b5107537a250197f1bec1d50b81ca394fe927fd68f89e3ac9b0a9ca0"


# --- other terms than all pairs ---

FIVE = space_of((3,), (2, 2), (4,), (3,), (2,))
TERMS = {
    "singles": Terms.of_order(FIVE, 1),
    "sparse pairs": Terms(FIVE, ((1, 2), (0, 1), (3,), (4,))),
    "triples": Terms.of_order(FIVE, 3),
    "mixed": Terms(FIVE, ((0, 1, 4), (2,), (2, 3), (4,), (0, 1))),
    "all blocks": Terms(FIVE, ((0, 1, 2, 3, 4),)),
}


@pytest.mark.parametrize("name", TERMS)
def test_any_terms_exactly(name: str) -> None:
    terms = TERMS[name]
    forest = random_forest(FIVE, terms.blocks, 5)
    tables = compile_tables([forest], link=Link(), mean=0.0, std=1.0, space=FIVE, terms=terms)
    assert tables.terms == terms
    assert steps_off(tables, [forest], all_codes(FIVE)) <= len(terms) / 2 + 1e-3


def test_a_leaf_goes_into_the_first_of_the_smallest_terms() -> None:
    def places(tree: Tree) -> list[int]:
        terms = TERMS["mixed"]
        tables = compile_tables(
            [forest_of([tree], FIVE.n_genes)],
            link=Link(),
            mean=0.0,
            std=1.0,
            space=FIVE,
            terms=terms,
        )
        return [k for k, table in enumerate(tables.tables) if table.any()]

    assert places(1.0) == [1]  # no block: the first of (2,) and (4,)
    assert places((3, 0.5, 1.0, 0.0)) == [1]  # block 2
    assert places((0, 0.5, 1.0, 0.0)) == [4]  # block 0: (0, 1), not (0, 1, 4)
    assert places((0, 0.5, (1, 0.5, 1.0, 0.0), 0.0)) == [4]
    assert places((0, 0.5, (5, 0.5, 1.0, 0.0), 0.0)) == [0]  # blocks 0 and 4
    assert places((3, 0.5, (4, 0.5, 1.0, 0.0), 0.0)) == [2]


def test_paths_that_no_term_holds_are_named_with_the_terms() -> None:
    tree: Tree = (0, 0.5, (3, 1.5, 1.0, 0.0), 0.0)
    with pytest.raises(CompileError) as caught:
        compile_tables(
            [forest_of([0.5, tree], FIVE.n_genes)],
            link=Link(),
            mean=0.0,
            std=1.0,
            space=FIVE,
            terms=TERMS["mixed"],
        )
    assert str(caught.value).startswith(
        "member 0: tree 1 mixes blocks that no term holds together (block0, block2) on the path "
        "g0 0 < 0.5 and g2 0 < 1.5; the terms are [[0, 1, 4], [2], [2, 3], [4], [0, 1]]; "
    )


def test_one_block_alone_has_one_table() -> None:
    space = space_of((3, 5))
    forest = random_forest(space, [(0,)], 1)
    tables = standardised([forest], space)
    assert tables.terms.blocks == ((0,),)
    assert steps_off(tables, [forest], all_codes(space)) <= 1 / 2 + 1e-3


def test_a_chain_of_thousands_of_levels_within_one_term() -> None:
    """Neither the walk nor the message of a refusal recurses."""
    space = space_of((250,), (250,), (2,))
    tree: Tree = 1.0
    for k in range(498):
        gene, code = divmod(k, 249)
        tree = (gene, 249.5 - (248 - code), tree, float(k % 7))
    forest = forest_of([tree], 3)
    terms = Terms(space, ((0, 1),))
    tables = compile_tables([forest], link=Link(), mean=0.0, std=1.0, space=space, terms=terms)
    codes = np.random.default_rng(1).integers(0, (250, 250, 2), size=(5000, 3)).astype(np.uint8)
    assert steps_off(tables, [forest], codes) == 0


@pytest.mark.parametrize("name", TERMS)
def test_lower_bounds_of_any_terms_are_below_every_architecture(name: str) -> None:
    terms = TERMS[name]
    entries = np.random.default_rng(3).integers(-1000, 1000, (terms.n_entries, 3), dtype=np.int32)
    tables = TableEnsemble(FIVE, entries, 1.0, 0.0, Link(), terms)
    lowest = tables.totals(symbols_of(all_codes(FIVE), FIVE)).min(axis=0)
    bounds = lower_bounds(tables)
    assert (bounds <= lowest).all()
    if name in ("singles", "sparse pairs", "all blocks"):
        assert bounds.tolist() == lowest.tolist()


def test_entries_lie_where_the_runtime_looks_for_them() -> None:
    space = space_of((2,), (3,), (2,))
    tree: Tree = (1, 1.5, (2, 0.5, 0.0, 1.0), 0.0)  # block 1 below 2, block 2 at 1
    entries = standardised([forest_of([tree], 3)], space).entries[:, 0] * STEP
    assert all_pairs(space).offsets == (0, 6, 10, 16)
    assert np.flatnonzero(entries).tolist() == [10 + 0 * 2 + 1, 10 + 1 * 2 + 1]
