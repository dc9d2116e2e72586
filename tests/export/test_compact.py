"""The compact recipe: what xgboost makes of it, and its form on disk."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from anb_export.data.accel_nasbench import TARGETS
from anb_export.data.dataset import Dataset
from anb_export.models.xgboost_document import forest_of_booster
from anb_export.tables.compile import compile_tables
from anb_export.tables.fixed_point import FRACTION_BITS
from anb_export.training.compact import (
    RECIPES,
    CompactRecipe,
    genes_of_terms,
    load_recipes,
    monotone_signs,
)
from anb_export.training.recipe import RecipeError, Standardised
from anb_export.training.train_members import train_member
from anb_export.training.tune_compact import store_recipe

from anb_onnx.errors import AnbError
from anb_onnx.links import Link
from anb_onnx.regimes import Regime
from anb_onnx.spaces.architecture import sample
from anb_onnx.spaces.mnasnet import MNASNET
from anb_onnx.terms import Terms, all_pairs

from .pair_models import genes_of_pairs, predict, space_of, symbols_of

PARAMS = {
    "max_depth": 5,
    "learning_rate": 0.3,
    "min_child_weight": 1.0,
    "subsample": 0.9,
    "colsample_bynode": 0.8,
    "lambda": 1.0,
}
RECIPE = CompactRecipe(Link(), PARAMS, num_rounds=60, early_stopping_rounds=20)
ADDITIVE = {"max_depth": 3, "min_child_weight": 2.0, "lambda": 0.5}
STAGED = replace(RECIPE, additive=ADDITIVE)
EVERY = replace(
    STAGED,
    link=Link("-1", 80.0, ((65.0, -0.25), (70.0, 0.5))),
    loss_scale=0.5,
    noise_floor=0.04,
    huber=0.3,
    monotone=True,
    trim=2.5,
)


def member(dataset: Dataset, target: str, compact: CompactRecipe, **changes: Any) -> Any:
    rows = compact.rows(dataset, target, np.arange(len(dataset)))
    recipe = compact.recipe(dataset, target, rows)
    recipe = replace(recipe, params={**recipe.params, **changes})
    labels = recipe.transform.forward(dataset.values[target][rows])
    weights = compact.weights(dataset, target, rows)
    return train_member(dataset.codes[rows], labels, recipe, 1, weights=weights)


def trees(booster: Any) -> list[dict[str, Any]]:
    """The trees, from xgboost's own JSON."""
    document = json.loads(booster.save_raw("json"))
    found: list[dict[str, Any]] = document["learner"]["gradient_booster"]["model"]["trees"]
    return found


def paths_of(tree: dict[str, Any]) -> Iterator[list[int]]:
    """Genes on the way to each leaf."""
    pending: list[tuple[int, list[int]]] = [(0, [])]
    while pending:
        node, genes = pending.pop()
        if tree["left_children"][node] < 0:
            yield genes
            continue
        further = [*genes, tree["split_indices"][node]]
        pending += [(tree[key][node], further) for key in ("left_children", "right_children")]


def paths(booster: Any) -> Iterator[list[int]]:
    for tree in trees(booster):
        yield from paths_of(tree)


def blocks_of(tree: dict[str, Any]) -> set[int]:
    return {gene // 4 for genes in paths_of(tree) for gene in genes}


def most_blocks(booster: Any) -> int:
    return max(len({gene // 4 for gene in genes}) for genes in paths(booster))


def first_stage(dataset: Dataset, target: str, compact: CompactRecipe) -> Any:
    """The first stage as a member of its own."""
    assert compact.additive is not None
    return member(
        *(dataset, target, replace(compact, additive=None)),
        **dict[str, Any](compact.additive),
        interaction_constraints=json.dumps([list(range(4 * b, 4 * b + 4)) for b in range(7)]),
    )


@pytest.mark.parametrize("compact", [STAGED, EVERY], ids=["plain", "everything"])
def test_what_adds_up_is_learned_first(dataset: Dataset, compact: CompactRecipe) -> None:
    """From trees of one block each; only then pairs may meet."""
    booster = member(dataset, "accuracy", compact)
    alone = first_stage(dataset, "accuracy", compact)
    n, blocks = alone.num_boosted_rounds(), [blocks_of(tree) for tree in trees(booster)]
    assert trees(booster)[:n] == trees(alone)
    assert {len(found) for found in blocks[:n]} <= {0, 1}
    assert set().union(*blocks[:n]) == set(range(7))
    assert max(len(genes) for tree in trees(alone) for genes in paths_of(tree)) == 3
    assert max(map(len, blocks[n:])) > 1
    assert most_blocks(booster) == 2


def test_first_stages_add_up_over_the_blocks(dataset: Dataset) -> None:
    """In what they predict: no block changes what another one is worth. No tree is read here."""
    booster = member(dataset, "accuracy", STAGED)
    n = first_stage(dataset, "accuracy", STAGED).num_boosted_rounds()
    first, whole = forest_of_booster(booster).first(n), forest_of_booster(booster)
    start, other = sample(300, seed=3, space=MNASNET), sample(300, seed=4, space=MNASNET)
    mixed = {"first": 0.0, "whole": 0.0}
    for a, b in all_pairs(MNASNET).blocks:
        corners = []
        for changed in ((), (a,), (b,), (a, b)):
            codes = start.copy()
            for block in changed:
                codes[:, 4 * block : 4 * block + 4] = other[:, 4 * block : 4 * block + 4]
            corners.append(codes)
        for name, forest in (("first", first), ("whole", whole)):
            none, one, two, both = (forest.predict_exact(codes) for codes in corners)
            mixed[name] = max(mixed[name], float(np.abs(both - one - two + none).max()))
    assert mixed["first"] < 1e-12
    assert mixed["whole"] > 1e-3
    assert first.predict_exact(start).std() > 0.3


@pytest.mark.parametrize("compact", [STAGED, EVERY], ids=["plain", "everything"])
def test_two_stages_compile_into_tables(dataset: Dataset, compact: CompactRecipe) -> None:
    booster = member(dataset, "accuracy", compact)
    forest = forest_of_booster(booster)
    rows = compact.rows(dataset, "accuracy", np.arange(len(dataset)))
    transform = compact.recipe(dataset, "accuracy", rows).transform
    assert isinstance(transform, Standardised)
    tables = compile_tables(
        [forest], link=transform.link, mean=transform.mean, std=transform.std, space=MNASNET
    )
    codes = sample(20_000, seed=1, space=MNASNET)
    symbols = symbols_of(codes, MNASNET)
    steps = tables.totals(symbols)[:, 0] - forest.predict_exact(codes) * 2.0**FRACTION_BITS
    # 21 entries, each half a step off at most.
    assert 0 < np.abs(steps).max() <= 21 / 2 + 1e-3
    wanted = transform.inverse(predict(booster, codes))
    np.testing.assert_allclose(tables.predict(symbols)[0], wanted, rtol=2e-6)


@pytest.mark.parametrize("compact", [RECIPE, STAGED, EVERY], ids=["plain", "staged", "everything"])
def test_no_path_mixes_three_blocks(dataset: Dataset, compact: CompactRecipe) -> None:
    booster = member(dataset, "accuracy", compact)
    assert most_blocks(booster) == 2
    assert max(map(len, paths(booster))) > 2
    # That this can fail: the same without the constraint.
    anything = json.dumps([list(range(28))])
    free = member(dataset, "accuracy", compact, interaction_constraints=anything)
    assert most_blocks(free) > 2


def test_constraints_are_the_pairs_of_blocks() -> None:
    small = space_of((2, 2), (3,), (2,))
    constraints = genes_of_terms(all_pairs(MNASNET))
    assert constraints == genes_of_pairs(MNASNET)
    assert len(constraints) == 21
    assert constraints[5] == [0, 1, 2, 3, 24, 25, 26, 27]
    assert genes_of_terms(all_pairs(small)) == [[0, 1, 2], [0, 1, 3], [2, 3]]
    assert genes_of_terms(Terms.of_order(MNASNET, 1)) == [
        list(range(gene, gene + 4)) for gene in range(0, 28, 4)
    ]
    assert genes_of_terms(Terms.of_order(small, 1)) == [[0, 1], [2], [3]]


def test_first_stage_of_the_recipe(dataset: Dataset) -> None:
    rows = np.arange(30)
    assert RECIPE.recipe(dataset, "accuracy", rows).first_stage is None
    recipe = STAGED.recipe(dataset, "accuracy", rows)
    first = dict(recipe.first_stage or {})
    assert json.loads(first.pop("interaction_constraints")) == genes_of_terms(
        Terms.of_order(MNASNET, 1)
    )
    assert first == ADDITIVE
    assert replace(recipe, first_stage=None) == RECIPE.recipe(dataset, "accuracy", rows)


@pytest.mark.parametrize("compact", [RECIPE, STAGED], ids=["plain", "staged"])
def test_monotone_members(dataset: Dataset, compact: CompactRecipe) -> None:
    """Raising a code of e, k or l never moves the label the wrong way, for any architecture."""
    codes = sample(200, seed=1, space=MNASNET)
    for target, link, sign in (
        ("accuracy", Link(), 1),
        ("accuracy", Link("-1"), -1),
        ("accuracy", Link("-1", 80.0), 1),
        ("throughput_a100", Link(), -1),
        ("throughput_a100", Link("-1"), 1),
        ("latency_zcu102", Link("1/2"), 1),
    ):
        signs = monotone_signs(target.split("_")[0], link, MNASNET)
        assert signs == (sign, sign, sign, 0) * 7
        bound = member(dataset, target, replace(compact, link=link, monotone=True))
        free = member(dataset, target, replace(compact, link=link))
        wrong = {"bound": 0, "free": 0}
        for gene in range(28):
            if gene % 4 == 3:
                continue
            raised = codes[codes[:, gene] + 1 < MNASNET.gene_sizes[gene]]
            higher = raised.copy()
            higher[:, gene] += 1
            for name, booster in (("bound", bound), ("free", free)):
                step = sign * (predict(booster, higher) - predict(booster, raised))
                wrong[name] += int((step < -1e-5).sum())
        assert wrong["bound"] == 0
        assert wrong["free"] > 0


def test_only_numbers_have_a_direction() -> None:
    from anb_onnx.spaces.space import Block, Gene, SearchSpace

    genes = (Gene("a", (3, 5)), Gene("b", ("conv", "skip")), Gene("c", (False, True)))
    space = SearchSpace("s", (Block("x", genes), Block("y", (Gene("d", (1, 2, 3)),))))
    assert monotone_signs("train_time", Link(), space) == (1, 0, 0, 1)


def test_weights(dataset: Dataset) -> None:
    rows = np.arange(10, 90)
    y = dataset.values["throughput_a100"][rows]
    link = Link("-1")
    assert RECIPE.weights(dataset, "throughput_a100", rows) is None
    weighted = replace(RECIPE, link=link, loss_scale=0.75)
    found = weighted.weights(dataset, "throughput_a100", rows)
    assert found is not None
    assert found.mean() == pytest.approx(1)
    # dy/du of u = 1/y is y^2, by differences of the link itself.
    u, h = link.forward(y), 1e-9
    slope = np.abs(link.inverse(u + h) - link.inverse(u - h)) / (2 * h)
    np.testing.assert_allclose(found / found[0], (slope / slope[0]) ** 1.5, rtol=1e-4)

    noisy = replace(RECIPE, noise_floor=1e-3).weights(dataset, "throughput_a100", rows)
    assert noisy is not None
    wanted = 1 / (1 + (dataset.stds["throughput_a100"][rows] / y / 1e-3) ** 2)
    np.testing.assert_allclose(noisy, wanted / wanted.mean(), rtol=1e-12)
    # Where no std is published, nothing is known and nothing weighted.
    unknown = replace(RECIPE, noise_floor=1e-3).weights(dataset, "latency_zcu102", rows)
    assert unknown is not None
    np.testing.assert_allclose(unknown, np.ones(80))


def test_weights_do_not_look_at_other_rows(dataset: Dataset) -> None:
    rows = np.arange(10, 90)
    others = np.setdiff1d(np.arange(len(dataset)), rows)
    poisoned = {name: column.copy() for name, column in dataset.values.items()}
    poisoned["accuracy"][others] = 1e6
    poisoned["accuracy"][others[::2]] = np.nan
    changed = replace(dataset, values=poisoned)
    for compact in (replace(RECIPE, loss_scale=1.0), EVERY):
        np.testing.assert_array_equal(
            compact.weights(dataset, "accuracy", rows), compact.weights(changed, "accuracy", rows)
        )
        one, other = (compact.recipe(d, "accuracy", rows) for d in (dataset, changed))
        assert one.to_dict() == other.to_dict()


def test_weights_reach_the_training(dataset: Dataset) -> None:
    plain, weighted = (
        member(
            dataset, "throughput_a100", replace(RECIPE, link=Link("-1"), loss_scale=scale)
        ).save_raw("ubj")
        for scale in (0.0, 1.0)
    )
    assert plain != weighted


def test_trim(dataset: Dataset) -> None:
    y = np.full(len(dataset), 100.0)
    y[3], y[4], y[5] = 251.0, 250.0, 1e5
    y[6] = np.nan
    changed = replace(dataset, values={**dataset.values, "train_time": y})
    rows = np.arange(2, 60)
    kept = replace(RECIPE, trim=2.5).rows(changed, "train_time", rows)
    assert np.setdiff1d(rows, kept).tolist() == [3, 5, 6]
    assert np.setdiff1d(rows, RECIPE.rows(changed, "train_time", rows)).tolist() == [6]


def test_labels_are_standardised_over_the_rows_given(dataset: Dataset) -> None:
    rows = np.arange(30)
    recipe = replace(RECIPE, link=Link("-1")).recipe(dataset, "throughput_a100", rows)
    assert isinstance(recipe.transform, Standardised)
    labels = recipe.transform.forward(dataset.values["throughput_a100"][rows])
    assert (labels.mean(), labels.std()) == (pytest.approx(0), pytest.approx(1))
    back = recipe.transform.inverse(labels)
    np.testing.assert_allclose(back, dataset.values["throughput_a100"][rows], rtol=1e-12)
    assert recipe.keep_best
    assert (recipe.params["base_score"], recipe.params["tree_method"]) == (0.0, "hist")


def test_pseudo_huber(dataset: Dataset) -> None:
    rows = np.arange(30)
    params = replace(RECIPE, huber=0.3).recipe(dataset, "accuracy", rows).params
    assert (params["objective"], params["huber_slope"]) == ("reg:pseudohubererror", 0.3)
    assert RECIPE.recipe(dataset, "accuracy", rows).params["objective"] == "reg:squarederror"
    raw = {
        slope: member(dataset, "accuracy", replace(RECIPE, huber=slope)).save_raw("json")
        for slope in (0.01, 10.0)
    }
    assert raw[0.01] != raw[10.0]


@pytest.mark.parametrize("compact", [RECIPE, STAGED, EVERY])
def test_through_json(compact: CompactRecipe, tmp_path: Path) -> None:
    document = json.loads(json.dumps(compact.to_dict()))
    assert CompactRecipe.from_dict(document) == compact
    path = tmp_path / "recipes.json"
    store_recipe(path, "accuracy", {"recipe": compact.to_dict(), "study": {}})
    store_recipe(path, "train_time", {"recipe": RECIPE.to_dict(), "study": {}})
    assert load_recipes(path) == {"accuracy": compact, "train_time": RECIPE}


def link(**changes: Any) -> dict[str, Any]:
    document = {"power": "-1", "offset": 80.0, "hinges": [[65.0, 0.5]], **changes}
    return {key: value for key, value in document.items() if value is not ...}


REGIME = Regime("block5_l", (3,), ((60.0, -0.5), (65.0, 0.25)))


def test_a_regime_is_part_of_a_recipe() -> None:
    compact = replace(EVERY, link=replace(EVERY.link, regime=REGIME))
    document = json.loads(json.dumps(compact.to_dict()))
    assert document["link"]["regime"] == REGIME.to_dict()
    assert CompactRecipe.from_dict(document) == compact
    assert "regime" not in EVERY.to_dict()["link"]
    for regime, message in (
        (None, "regime: must have gene, codes and hinges, found None"),
        ({**REGIME.to_dict(), "gene": "block7_l"}, "gene 'block7_l' is not in search space"),
        ({**REGIME.to_dict(), "codes": [4]}, "code 4 of gene 'block5_l' is out of range"),
    ):
        bad = {**document, "link": {**document["link"], "regime": regime}}
        with pytest.raises(RecipeError, match=f"compact recipe: .*{message}"):
            CompactRecipe.from_dict(bad).terms_of(MNASNET)


@pytest.mark.parametrize("regime", [None, REGIME], ids=["hinges", "and a regime"])
def test_training_does_not_see_hinges(regime: Regime | None, dataset: Dataset) -> None:
    rows = np.arange(10, 90)
    bent = replace(EVERY, link=replace(EVERY.link, regime=regime))
    plain = replace(EVERY, link=Link("-1", 80.0))
    one, other = (compact.recipe(dataset, "accuracy", rows) for compact in (bent, plain))
    assert one.to_dict() != other.to_dict()
    assert one.training_dict() == other.training_dict() == other.to_dict()
    np.testing.assert_array_equal(
        bent.weights(dataset, "accuracy", rows), plain.weights(dataset, "accuracy", rows)
    )
    y = dataset.values["accuracy"][rows]
    labels = one.transform.forward(y)
    np.testing.assert_array_equal(labels, other.transform.forward(y))
    # What users get is corrected.
    codes = dataset.codes[rows]
    assert (one.transform.inverse(labels, codes, MNASNET) != other.transform.inverse(labels)).any()
    direct = replace(one, transform=EVERY.link), replace(one, transform=Link("-1", 80.0))
    assert direct[0].training_dict() == direct[1].training_dict() == direct[1].to_dict()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"color": 1}, "unknown key 'color'"),
        ({"huber": ...}, "missing key 'huber'"),
        ({"params": {**PARAMS, "gamma": 1}}, "params must be max_depth, .*lambda; see 'gamma'"),
        ({"params": {"max_depth": 3}}, "params must be max_depth, .*; see 'colsample_bynode'"),
        ({"params": {**PARAMS, "lambda": "1"}}, "params.lambda must be a number >= 0, found '1'"),
        ({"params": {**PARAMS, "max_depth": -1}}, "params.max_depth must be a number >= 0, found"),
        ({"params": list(PARAMS)}, "params must be"),
        ({"params": None}, "params must be"),
        ({"additive": ...}, "missing key 'additive'"),
        ({"additive": {}}, "additive must be max_depth, min_child_weight, lambda; see"),
        ({"additive": {"max_depth": 3, "lambda": 1.0}}, "additive must be .*'min_child_weight'"),
        ({"additive": {**ADDITIVE, "subsample": 1.0}}, "additive must be .*; see 'subsample'"),
        ({"additive": {**ADDITIVE, "lambda": "1"}}, "additive.lambda must be a number >= 0, fo"),
        ({"additive": {**ADDITIVE, "max_depth": True}}, "additive.max_depth must be a number >= "),
        ({"additive": {**ADDITIVE, "lambda": None}}, "additive.lambda must be .*, found None"),
        ({"additive": list(ADDITIVE)}, "additive must be"),
        ({"additive": [3, 2.0, 0.5]}, "additive must be"),
        ({"additive": "max_depth"}, "additive must be"),
        ({"additive": 3}, "additive must be"),
        ({"additive": False}, "additive must be"),
        ({"loss_scale": None}, "loss_scale must be a number >= 0, found None"),
        ({"huber": True}, "huber must be a number >= 0, found True"),
        ({"trim": float("nan")}, "trim must be a number >= 0, found nan"),
        ({"noise_floor": "none"}, "noise_floor must be a number >= 0, found 'none'"),
        ({"monotone": "false"}, "monotone must be true or false, found 'false'"),
        ({"link": link(power="3")}, "link: power must be one of 1, -1"),
        ({"link": link(power=["1"])}, "link: power must be one of 1, -1"),
        ({"link": link(offset="80")}, "link: offset must be a finite float"),
        ({"link": link(offset=10**400)}, "link: offset must be a finite float"),
        ({"link": link(hinges=...)}, "link must have power, offset and hinges, found"),
        ({"link": link(power=...)}, "link must have power, offset and hinges, found"),
        ({"link": link(name="y")}, "link must have power, offset and hinges, found"),
        ({"link": None}, "link must have power, offset and hinges, found None"),
        ({"link": "y"}, "link must have power, offset and hinges, found 'y'"),
        ({"link": link(hinges=None)}, r"hinges must be a list of \[knot, change\], found None"),
        ({"link": link(hinges=3)}, "hinges must be a list of"),
        ({"link": link(hinges={})}, "hinges must be a list of"),
        ({"link": link(hinges="ab")}, "hinges must be a list of"),
        ({"link": link(hinges=[65.0, 0.5])}, "hinges must be a list of"),
        ({"link": link(hinges=["ab"])}, "hinges must be a list of"),
        ({"link": link(hinges=[{"65.0": 0.5}])}, "hinges must be a list of"),
        ({"link": link(hinges=[[]])}, r"a hinge is \(knot, change\)"),
        ({"link": link(hinges=[[65.0, 0.5, 1.0]])}, "a hinge is"),
        ({"link": link(hinges=[["65", 0.5]])}, "a hinge is"),
        ({"link": link(hinges=[[65.0, True]])}, "a hinge is"),
        ({"link": link(hinges=[[65.0, [0.5]]])}, "a hinge is"),
        ({"link": link(hinges=[[10**400, 0.5]])}, "a hinge is"),
        ({"link": link(hinges=[[float("nan"), 0.5]])}, "a hinge is"),
        ({"link": link(hinges=[[65.0, float("inf")]])}, "a hinge is"),
        ({"link": link(hinges=[[65.0, 0.5]] * 65)}, "at most 64 hinges are allowed, found 65"),
        ({"link": link(hinges=[[65.0, -1.0]])}, "a hinge is .* change > -1"),
    ],
)
def test_malformed_recipes(change: dict[str, Any], message: str, tmp_path: Path) -> None:
    document = {**EVERY.to_dict(), **change}
    document = {key: value for key, value in document.items() if value is not ...}
    with pytest.raises(RecipeError, match=f"compact recipe: .*{message}"):
        CompactRecipe.from_dict(document)
    path = tmp_path / "recipes.json"
    path.write_text(json.dumps({"accuracy": {"recipe": document}}))
    # What JSON cannot hold is refused before anybody looks at keys.
    in_json = "(NaN|Infinity) is not a number of JSON|too many digits"
    with pytest.raises(
        RecipeError, match=f"cannot read the compact recipes .*({message}|{in_json})"
    ):
        load_recipes(path)


@pytest.mark.parametrize(
    "content",
    [
        "{",
        "[]",
        "3",
        '{"accuracy": 3}',
        '{"accuracy": {}}',
        '{"accuracy": {"recipe": 3}}',
        "[" * 9**5,
    ],
)
def test_malformed_files(content: str, tmp_path: Path) -> None:
    path = tmp_path / "recipes.json"
    path.write_text(content)
    with pytest.raises(RecipeError, match=r"cannot read the compact recipes .*recipes\.json"):
        load_recipes(path)
    before = path.read_bytes()
    with pytest.raises(RecipeError):
        store_recipe(path, "accuracy", {"recipe": RECIPE.to_dict()})
    assert path.read_bytes() == before


def test_no_file(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match=r"no compact recipes at .*make them with `anb-export tu"):
        load_recipes(tmp_path / "recipes.json")


def test_link_outside_its_domain_is_refused_when_trained(dataset: Dataset) -> None:
    """An offset below measured values leaves labels that are not numbers."""
    with pytest.raises(AnbError):
        member(dataset, "accuracy", replace(RECIPE, link=Link("-1", 61.0)))


@pytest.mark.parametrize("name", [name for name, spec in TARGETS.items() if not spec.exact])
def test_a_recipe_is_committed_for_every_measured_target(name: str) -> None:
    recipes = load_recipes()
    assert name in recipes, f"recipes/compact.json has no recipe for {name}: run anb-export tune"


def test_committed_recipes_are_sound(published: Dataset) -> None:
    recipes = load_recipes()
    assert not [name for name in recipes if name not in TARGETS or TARGETS[name].exact]
    for name, compact in recipes.items():
        assert CompactRecipe.from_dict(compact.to_dict()) == compact
        rows = compact.rows(published, name, np.arange(len(published)))
        recipe = compact.recipe(published, name, rows)
        y = published.values[name][rows]
        labels = recipe.transform.forward(y)
        assert np.isfinite(labels).all(), name
        assert isinstance(recipe.transform, Standardised)
        plain = Standardised(
            Link(compact.link.power, compact.link.offset),
            recipe.transform.mean,
            recipe.transform.std,
        )
        np.testing.assert_allclose(plain.inverse(labels), y, rtol=1e-9)
        # Hinges correct predictions, not measurements; they keep their order and their range.
        for hinges in (compact.link.hinges, compact.link.bends):
            corrected = Link("1", None, hinges).inverse(np.unique(y))
            assert (np.diff(corrected) > 0).all(), name
            assert all(y.min() < knot < y.max() for knot, _ in hinges), name
            assert 0.5 < np.std(corrected) / np.std(np.unique(y)) < 2, name
        assert len(rows) > 0.97 * np.isfinite(published.values[name]).sum(), name


def test_the_documented_gains_of_the_additive_stage_are_those_of_the_studies() -> None:
    document = json.loads(RECIPES.read_text(encoding="utf-8"))
    path = Path(__file__).parents[2] / "docs" / "training.md"
    if not path.exists():
        pytest.skip("docs/ is part of the repository only")
    text = path.read_text(encoding="utf-8")
    text = text.split("\n## What adds up first")[1].split("\n## ")[0]
    for target, entry in document.items():
        (row,) = re.findall(rf"^\| {target} \| (.*) \| (.*) \| (.*) \|$", text, re.MULTILINE)
        gains = entry["study"]["additive_stage"][row[0]]
        for name, shown in (("without", row[1]), ("with", row[2])):
            m = gains[name]
            assert shown == f"{m['kendall_tau']:.4f} / {m['r2']:.4f} / {m['mae']:.4g}"
