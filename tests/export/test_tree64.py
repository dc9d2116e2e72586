from __future__ import annotations

import json
import math
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from anb_export.artifacts.convert import convert
from anb_export.artifacts.forms import ConvertError
from anb_export.graphs.tree64 import (
    REQUIRES,
    build_tree64,
    build_trees,
    check_tree64,
    exact_leaves,
)
from anb_export.graphs.tree_nodes import TreeFormError, tree_ensemble
from anb_export.graphs.verify_graph import run_model
from anb_export.models.forest import Forest, ForestError, Tree
from anb_export.training.members_folder import Training
from hypothesis import given, settings
from hypothesis import strategies as st

import anb_onnx
from anb_onnx import EngineError
from anb_onnx.catalog.card import Card
from anb_onnx.spaces.architecture import sample
from anb_onnx.spaces.mnasnet import MNASNET

from .forests import exact_sum, leaves, random_forest

CARD = {"metric": "accuracy"}


def session(model: bytes, threads: int) -> ort.InferenceSession:
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    return ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def members(model: bytes, codes: Any) -> Any:
    return run_model(model, codes)["members"]


@pytest.mark.parametrize("n_trees", [1, 3, 200])
def test_outputs_are_the_sums_of_the_leaves_to_the_bit(n_trees: int) -> None:
    forests = [random_forest(n_trees, seed=seed) for seed in (1, 2, 3)]
    codes = sample(300, seed=4, space=MNASNET)
    found = run_model(build_tree64(forests, CARD, space=MNASNET), codes)
    wanted = np.array(
        [[exact_sum(exact_leaves(f).forest, row) for f in forests] for row in codes.tolist()]
    )
    np.testing.assert_array_equal(found["members"], wanted.astype(np.float32))
    np.testing.assert_allclose(found["mean"], wanted.mean(axis=1), rtol=1e-7)
    np.testing.assert_allclose(found["std"], wanted.std(axis=1), rtol=1e-6)


def test_every_thread_count_and_batch_gives_the_same_bits() -> None:
    # 200 trees and more are split over threads in small batches, rows in large ones.
    forests = [random_forest(400, seed=seed, depth=7) for seed in (1, 2)]
    model = build_tree64(forests, CARD, space=MNASNET)
    codes = sample(4097, seed=5, space=MNASNET)
    whole = session(model, 1).run(None, {"architectures": codes})
    for threads in (1, 2, 3):
        opened = session(model, threads)
        for batch in (1, 7, 512, 4097):
            n = 300 if batch == 1 else 4097
            parts = [
                opened.run(None, {"architectures": codes[k : min(k + batch, n)]})
                for k in range(0, n, batch)
            ]
            for output, part in zip(whole, zip(*parts, strict=True), strict=True):
                assert np.concatenate(part).tobytes() == output[:n].tobytes()


@settings(max_examples=60)
@given(
    st.lists(
        st.floats(-1e6, 1e6, allow_subnormal=False) | st.floats(-1e-6, 1e-6), min_size=1, max_size=9
    ),
    st.floats(-1e3, 1e3),
    st.randoms(use_true_random=False),
)
def test_sums_of_exact_leaves_do_not_depend_on_their_order(
    values: list[float], base_score: float, random: Any
) -> None:
    trees = [one_leaf(value) for value in values]
    forest = Forest.from_trees(trees, base_score=base_score, n_features=28, objective="x")
    found = exact_leaves(forest)
    terms = [found.forest.base_score, *found.forest.value.tolist()]
    exact = sum(map(Fraction, terms))
    for _ in range(5):
        random.shuffle(terms)
        total = 0.0
        for term in terms:
            total += term
        assert Fraction(total) == exact
    original = sum(map(Fraction, [base_score, *values]), Fraction())
    assert abs(original - exact) <= Fraction(found.error)
    bound = (len(values) + 1) * 2.0**-51 * sum(map(abs, [base_score, *values]))
    assert found.error <= max(bound, 1e-15 if bound == 0 else 1e-250)


def one_leaf(value: float) -> Tree:
    end = np.array([-1])
    return Tree(np.array([0]), np.array([0.0]), end, end, np.array([value]))


def test_trees_of_one_leaf() -> None:
    forest = random_forest(5, seed=1)
    mixed = Forest.from_trees(
        [one_leaf(0.5), *[one_leaf(1.0)] * 2], base_score=2.0, n_features=28, objective="x"
    )
    codes = sample(50, seed=0, space=MNASNET)
    assert members(build_tree64([mixed], CARD, space=MNASNET), codes).tolist() == [[4.5]] * 50
    trees = [one_leaf(0.5), stump(1.0, 2.0), one_leaf(-3.0)]
    with_stump = Forest.from_trees(trees, base_score=0.0, n_features=28, objective="x")
    found = members(build_tree64([with_stump, forest], CARD, space=MNASNET), codes)[:, 0]
    wanted = np.where(codes[:, 5] < 0.5, -1.5, -0.5)
    np.testing.assert_array_equal(found, wanted)
    np.testing.assert_array_equal(
        members(build_trees([with_stump], CARD, space=MNASNET), codes)[:, 0], wanted
    )


def stump(left: float, right: float) -> Tree:
    return Tree(
        np.array([5, 0, 0]),
        np.array([0.5, 0, 0]),
        np.array([1, -1, -1]),
        np.array([2, -1, -1]),
        np.array([0, left, right]),
    )


def lopsided(leaf_first: bool, depth: int) -> Tree:
    """A chain of branches, each with one leaf: its root has a leaf and a branch as children."""
    n = 2 * depth + 1
    left, right = np.full(n, -1), np.full(n, -1)
    for level in range(depth):
        leaf, below = 2 * level + 1, 2 * level + 2
        left[2 * level], right[2 * level] = (leaf, below) if leaf_first else (below, leaf)
    value = np.where(left < 0, np.arange(n) / 8, 0.0)
    return Tree(np.arange(n) % 28, np.full(n, 0.5), left, right, value)


@settings(max_examples=60)
@given(st.lists(st.tuples(st.booleans(), st.integers(1, 5)), min_size=1, max_size=30))
def test_no_root_has_a_leaf_and_a_branch_of_one_number(shapes: list[tuple[bool, int]]) -> None:
    """In onnxruntime 1.21 to 1.23 such a root gives wrong predictions without a word."""
    trees = [lopsided(*shape) for shape in shapes]
    forest = Forest.from_trees(trees, base_score=0.0, n_features=28, objective="x")
    attributes = {a.name: onnx.helper.get_attribute_value(a) for a in tree_ensemble(forest)}
    for root in attributes["tree_roots"]:
        kinds = (attributes["nodes_trueleafs"][root], attributes["nodes_falseleafs"][root])
        numbers = (attributes["nodes_truenodeids"][root], attributes["nodes_falsenodeids"][root])
        assert kinds[0] == kinds[1] or numbers[0] != numbers[1]
    codes = sample(20, seed=len(shapes), space=MNASNET)
    found = members(build_tree64([forest], CARD, space=MNASNET), codes)[:, 0]
    assert found.tolist() == [exact_sum(forest, row) for row in codes.tolist()]


def test_no_leaf_is_on_both_sides_of_a_branch() -> None:
    """onnxruntime 1.24 to 1.29 leave some trees that are such a branch out of the sum."""
    trees = [one_leaf(1.5), stump(4, 8), one_leaf(-0.25), lopsided(True, 3), one_leaf(8.0)]
    forest = Forest.from_trees(trees, base_score=0.0, n_features=28, objective="x")
    attributes = {a.name: onnx.helper.get_attribute_value(a) for a in tree_ensemble(forest)}
    sides = ("nodes_truenodeids", "nodes_trueleafs", "nodes_falsenodeids", "nodes_falseleafs")
    for true, true_leaf, false, false_leaf in zip(*(attributes[k] for k in sides), strict=True):
        assert (true, true_leaf) != (false, false_leaf)
    assert len(attributes["tree_roots"]) == 5
    codes = sample(20, seed=1, space=MNASNET)
    found = members(build_tree64([forest], CARD, space=MNASNET), codes)[:, 0]
    assert found.tolist() == [exact_sum(forest, row) for row in codes.tolist()]


def test_without_care_roots_would_clash() -> None:
    # Leaves and branches numbered in order of appearance: the first tree's root has the children
    # leaf 0 and branch 1, then leaf 2 and branch 2 meet. The rotation is what prevents it.
    trees = [lopsided(True, depth) for depth in range(1, 8)]
    forest = Forest.from_trees(trees, base_score=0.0, n_features=28, objective="x")
    is_leaf = forest.left < 0
    leaf, branch = np.cumsum(is_leaf) - 1, np.cumsum(~is_leaf) - 1
    roots = forest.roots[np.diff(np.append(forest.roots, forest.n_nodes)) > 3]
    assert (leaf[forest.left[roots]] == branch[forest.right[roots]]).any()


def test_pruned_nodes_are_left_out() -> None:
    """xgboost leaves nodes behind that nothing leads to."""
    tree = Tree(
        np.array([5, 0, 0, 7, 0]),
        np.array([0.5, 0, 0, 1.5, 0]),
        np.array([1, -1, -1, 4, -1]),
        np.array([2, -1, -1, 4, -1]),
        np.array([0, 1.0, 2.0, 0, 9.0]),
    )
    forest = Forest.from_trees([tree, stump(4, 8)], base_score=0, n_features=28, objective="x")
    assert forest.reached().tolist() == [True] * 3 + [False] * 2 + [True] * 3
    attributes = {a.name: onnx.helper.get_attribute_value(a) for a in tree_ensemble(forest)}
    assert len(attributes["nodes_featureids"]) == 2
    codes = sample(20, seed=0, space=MNASNET)
    wanted = [[exact_sum(forest, row)] for row in codes.tolist()]
    for build in (build_tree64, build_trees):
        assert members(build([forest], CARD, space=MNASNET), codes).tolist() == wanted


def test_long_forests_are_cut_without_a_trace(monkeypatch: pytest.MonkeyPatch) -> None:
    forest = random_forest(60, seed=3)
    codes = sample(100, seed=1, space=MNASNET)
    whole = members(build_tree64([forest], CARD, space=MNASNET), codes)
    monkeypatch.setattr("anb_export.graphs.tree64.MOST_NODES", 100)
    model = build_tree64([forest], CARD, space=MNASNET)
    n_parts = [n.op_type for n in onnx.load_from_string(model).graph.node].count("TreeEnsemble")
    assert n_parts > 5
    assert members(model, codes).tobytes() == whole.tobytes()
    sizes = [part.n_nodes for part in forest.parts(100)]
    assert sum(sizes) == forest.n_nodes
    row = codes[0].tolist()
    assert [v for part in forest.parts(100) for v in leaves(part, row)] == leaves(forest, row)
    assert leaves(forest.first(7), row) == leaves(forest, row)[:7]
    with pytest.raises(ForestError, match="61 trees are wanted, the model has 60"):
        forest.first(61)


def test_huge_leaves_are_refused() -> None:
    forest = Forest.from_trees([one_leaf(1.0)], base_score=0, n_features=28, objective="x")
    forest = replace(forest, value=np.array([1e300]))
    with pytest.raises(TreeFormError, match="out of range"):
        exact_leaves(forest)
    tiny = Forest.from_trees([one_leaf(1e-300)], base_score=0, n_features=28, objective="x")
    assert exact_leaves(tiny).error < 1e-270
    nothing = Forest.from_trees([one_leaf(0.0)], base_score=0, n_features=28, objective="x")
    assert (
        members(
            build_tree64([nothing], CARD, space=MNASNET), sample(3, seed=0, space=MNASNET)
        ).tolist()
        == [[0.0]] * 3
    )


def test_other_widths_are_refused() -> None:
    forest = replace(random_forest(2), n_features=29)
    with pytest.raises(TreeFormError, match="member 1 has 29 features, the space 28 genes"):
        build_tree64([random_forest(2), forest], CARD, space=MNASNET)


def test_a_wrong_graph_is_found() -> None:
    model = build_tree64([random_forest(5, seed=1)], CARD, space=MNASNET)
    with pytest.raises(TreeFormError, match=r"does not predict.*needs >=1\.24"):
        check_tree64(model, [random_forest(5, seed=2)], sample(9, seed=0, space=MNASNET))


# Against other writers and the trained members


@pytest.fixture(scope="module")
def converted(training: Training) -> tuple[bytes, Card]:
    return convert(training, form="tree64")


def test_onnxmltools_form_is_the_oracle(training: Training, converted: tuple[bytes, Card]) -> None:
    """Three writers: onnxmltools, and our two."""
    codes = sample(500, seed=11, space=MNASNET)
    theirs = run_model(convert(training)[0], codes)
    ours = run_model(build_trees(training.forests(), CARD, space=MNASNET), codes)
    for name in ("mean", "std", "members"):
        np.testing.assert_array_equal(theirs[name], ours[name])
    double = members(converted[0], codes)
    # Leaves are float32 in all of them; only the last rounding of the sum differs.
    np.testing.assert_allclose(double, theirs["members"], rtol=2e-7)
    exact = np.stack([f.predict_exact(codes) for f in training.forests()], axis=1)
    np.testing.assert_array_equal(double, exact.astype(np.float32))


def test_card_and_bytes(training: Training, converted: tuple[bytes, Card]) -> None:
    model, card = converted
    assert convert(training, form="tree64") == (model, card)
    assert (card["form"], card["requires"]) == ("tree64", {"onnxruntime": ">=1.24"})
    assert card["arithmetic"]["order_independent"] is True
    assert 0 < card["arithmetic"]["leaf_rounding"] < 1e-9
    opsets = {o.domain: o.version for o in onnx.load_from_string(model).opset_import}
    assert opsets["ai.onnx.ml"] == 5
    with pytest.raises(ConvertError, match="unknown form 'tree32'; valid forms: trees, tree64"):
        convert(training, form="tree32")


def test_an_old_onnxruntime_is_refused_by_the_runtime(
    converted: tuple[bytes, Card], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "mine.onnx"
    path.write_bytes(converted[0])
    with anb_onnx.load(path=path) as surrogate:
        found = surrogate.query(sample(9, seed=0, space=MNASNET), members=True)
    assert found.members is not None
    np.testing.assert_array_equal(
        found.members, members(converted[0], sample(9, seed=0, space=MNASNET))
    )
    monkeypatch.setattr(ort, "__version__", "1.23.2")
    with pytest.raises(EngineError, match=r"needs onnxruntime >=1\.24, installed is 1\.23\.2"):
        anb_onnx.load(path=path)


def test_a_forest_of_the_recipe_s_size_converts_quickly() -> None:
    """20,000 trees; the real ones have ten times the nodes (`docs/import.md` has the figures)."""
    rng = np.random.default_rng(0)
    forest = random_forest(500, seed=1, depth=5)
    trees = 40

    def moved(child: np.ndarray) -> np.ndarray:
        """The children of a node in each of the copies."""
        copies = [np.where(child < 0, -1, child + forest.n_nodes * k) for k in range(trees)]
        return np.concatenate(copies).astype(np.int32)

    value = np.tile(forest.value.astype(np.float64), trees)
    repeated = replace(
        forest,
        feature=np.tile(forest.feature, trees),
        threshold=np.tile(forest.threshold, trees),
        default_left=np.tile(forest.default_left, trees),
        value=value * rng.normal(size=len(value)),
        left=moved(forest.left),
        right=moved(forest.right),
        roots=np.concatenate([forest.roots + forest.n_nodes * k for k in range(trees)]),
    )
    assert repeated.n_trees == 20_000
    codes = sample(64, seed=0, space=MNASNET)
    model = build_tree64([repeated], CARD, space=MNASNET)
    check_tree64(model, [repeated], codes)
    wanted = [math.fsum([3.25, *leaves(repeated, row)]) for row in codes[:2].tolist()]
    np.testing.assert_allclose(members(model, codes[:2])[:, 0], wanted, rtol=1e-6)


def test_requirement_stands_in_the_file(converted: tuple[bytes, Card]) -> None:
    from anb_onnx.onnx_files.messages import read_metadata

    card = json.loads(read_metadata(converted[0])["anb_onnx.card"])
    assert card["requires"] == REQUIRES
