"""The projection, against the ANOVA of all architectures of small spaces and against sampling."""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from anb_export.artifacts.projected_form import build_projected
from anb_export.cli import main
from anb_export.models.forest import Forest
from anb_export.models.xgboost_document import forest_of_booster
from anb_export.tables.compile import compile_tables
from anb_export.tables.fixed_point import FRACTION_BITS, CompileError
from anb_export.tables.project import moebius, project_tables
from anb_export.training.members_folder import Training

import anb_onnx
from anb_onnx.encoding.encoding import codes_to_symbols
from anb_onnx.errors import AnbError
from anb_onnx.links import Link
from anb_onnx.spaces.architecture import sample
from anb_onnx.spaces.mnasnet import MNASNET
from anb_onnx.spaces.space import SearchSpace
from anb_onnx.tables import TableEnsemble
from anb_onnx.terms import Terms, all_pairs

from .pair_models import all_codes, booster_of, forest_of, labels_of, space_of, symbols_of

SPACES = {
    "two genes a block": space_of((3, 2), (2, 3), (4,), (2, 2)),
    "five blocks": space_of((3,), (2, 2), (4,), (3,), (2,)),
    "two blocks": space_of((3, 2), (4,)),
}


def forest_on(space: SearchSpace, *, seed: int, constrained: bool = False, **params: int) -> Forest:
    codes = all_codes(space)
    settings = {"max_depth": 7, "eta": 0.3, "lambda": 0.1, "seed": seed, **params}
    booster = booster_of(
        codes, labels_of(codes, seed), space, rounds=12, constrained=constrained, **settings
    )
    return forest_of_booster(booster)


def brute_force(f: np.ndarray) -> np.ndarray:
    """ANOVA up to pairs, by the means of the whole tensor over the other axes."""
    axes = range(f.ndim)
    mean = f.mean()
    single = {a: f.mean(axis=tuple(k for k in axes if k != a), keepdims=True) - mean for a in axes}
    total = np.full(f.shape, mean)
    for effect in single.values():
        total = total + effect
    for a, b in combinations(axes, 2):
        both = f.mean(axis=tuple(k for k in axes if k not in (a, b)), keepdims=True)
        total = total + both - single[a] - single[b] - mean
    return total


def values(ensemble: TableEnsemble, symbols: np.ndarray) -> np.ndarray:
    """Members on the link's scale, in float64: [n, M]."""
    return ensemble.totals(symbols).astype(np.float64) * ensemble.scale + ensemble.shift


@pytest.mark.parametrize("name", SPACES)
@pytest.mark.parametrize("seed", [1, 2])
def test_equals_the_anova_of_all_architectures(name: str, seed: int) -> None:
    space = SPACES[name]
    codes = all_codes(space)
    forests = [forest_on(space, seed=seed), forest_on(space, seed=seed + 10)]
    ensemble = project_tables(forests, link=Link(), mean=0.0, std=1.0, space=space)
    found = values(ensemble, symbols_of(codes, space))
    steps = len(all_pairs(space).blocks) / 2 * 2.0**-FRACTION_BITS
    for member, forest in enumerate(forests):
        exact = forest.predict_exact(codes)
        wanted = brute_force(exact.reshape(space.block_sizes)).reshape(-1)
        np.testing.assert_allclose(found[:, member], wanted, rtol=0, atol=steps + 1e-9)
        if space.n_blocks > 2:
            assert np.abs(wanted - exact).max() > 0.01  # there is something to project


FIVE = SPACES["five blocks"]
TERMS = {
    "singles": Terms.of_order(FIVE, 1),
    "sparse pairs": Terms(FIVE, ((1, 2), (0, 1), (3, 4))),
    "a block in no term": Terms(FIVE, ((3,), (0, 1))),
    "triples": Terms.of_order(FIVE, 3),
    "mixed": Terms(FIVE, ((0, 1, 4), (2,), (1, 2, 3), (4,), (0, 1))),
    "all blocks": Terms(FIVE, ((0, 1, 2, 3, 4),)),
}


def least_squares(f: np.ndarray, terms: Terms) -> np.ndarray:
    """The closest sum of tables, of one free number for every entry."""
    symbols = np.indices(f.shape).reshape(f.ndim, -1)
    columns = np.zeros((f.size, terms.n_entries))
    for term, shape, offset in zip(terms.blocks, terms.shapes, terms.offsets, strict=False):
        places = offset + np.ravel_multi_index([symbols[b] for b in term], shape)
        columns[np.arange(f.size), places] = 1
    fitted: np.ndarray = columns @ np.linalg.lstsq(columns, f.reshape(-1), rcond=None)[0]
    return fitted


@pytest.mark.parametrize("name", TERMS)
def test_is_the_least_squares_fit_of_any_terms(name: str) -> None:
    terms = TERMS[name]
    codes = all_codes(FIVE)
    forest = forest_on(FIVE, seed=7)
    ensemble = project_tables([forest], link=Link(), mean=0.0, std=1.0, space=FIVE, terms=terms)
    assert ensemble.terms == terms
    exact = forest.predict_exact(codes)
    wanted = least_squares(exact.reshape(FIVE.block_sizes), terms)
    found = values(ensemble, symbols_of(codes, FIVE))[:, 0]
    steps = len(terms) / 2 * 2.0**-FRACTION_BITS
    np.testing.assert_allclose(found, wanted, rtol=0, atol=steps + 1e-9)
    assert (np.abs(wanted - exact).max() > 0.01) == (name != "all blocks")


@pytest.mark.parametrize("order", [1, 2, 3, 4])
def test_factors_are_those_of_inclusion_and_exclusion(order: int) -> None:
    """Summed over all sets between, as the formula states them."""
    space = space_of(*[(2,)] * 7)
    terms = Terms(space, (*Terms.of_order(space, order).blocks, (1, 2, 3, 4, 6)))
    subsets = [u for k in range(8) for u in combinations(range(7), k)]
    down = [set(u) for u in subsets if terms.covering(u) is not None]
    for blocks in subsets:
        found = moebius(blocks, terms)
        for kept in map(set, subsets):
            between = [s for s in down if kept <= s <= set(blocks)]
            wanted = sum((-1) ** (len(s) - len(kept)) for s in between)
            assert found.get(tuple(sorted(kept)), 0) == wanted


def test_a_large_offset_is_no_obstacle_to_triples() -> None:
    forest = forest_on(FIVE, seed=3)
    first = forest.feature[: forest.roots[1]] < 0
    value = forest.value.copy()
    value[: forest.roots[1]][first] += 100.0
    ensemble = project_tables(
        [replace(forest, value=value)],
        link=Link(),
        mean=100.0,
        std=1.0,
        labels_standardised=False,
        space=FIVE,
        terms=TERMS["triples"],
    )
    codes = all_codes(FIVE)
    wanted = least_squares(forest.predict_exact(codes).reshape(FIVE.block_sizes), ensemble.terms)
    found = values(ensemble, symbols_of(codes, FIVE))[:, 0] - 100.0
    assert np.abs(found - wanted).max() < 20 * 2.0**-FRACTION_BITS + 1e-4  # of float32 leaves


def test_one_leaf_by_hand() -> None:
    """Three blocks of two codes; the leaf 8 where all codes are 0.

    In +-1/2 the indicator is (1/2 + x)(1/2 + y)(1/2 + z): without the term xyz, 8 times that is
    1 + 2(x + y + z) + 4(xy + xz + yz).
    """
    space = space_of((2,), (2,), (2,))
    tree = (0, 0.5, (1, 0.5, (2, 0.5, 8.0, 0.0), 0.0), 0.0)
    forest = forest_of([tree], 3, base=0.25)
    ensemble = project_tables([forest], link=Link(), mean=0.0, std=1.0, space=space)
    codes = all_codes(space)
    x, y, z = (0.5 - codes.T.astype(float)).tolist()
    for k, code in enumerate(codes):
        wanted = 0.25 + 1 + 2 * (x[k] + y[k] + z[k])
        wanted += 4 * (x[k] * y[k] + x[k] * z[k] + y[k] * z[k])
        found = values(ensemble, code[None].astype(np.int64))[0, 0]
        assert found == pytest.approx(wanted, abs=1e-6)


@pytest.mark.parametrize("name", SPACES)
def test_pair_limited_models_are_compiled_to_the_bit(name: str) -> None:
    space = SPACES[name]
    forests = [forest_on(space, seed=s, constrained=True, max_depth=5) for s in (1, 2)]
    settings: dict[str, Any] = {"link": Link(), "mean": 0.3, "std": 1.7, "space": space}
    for standardised in (True, False):
        projected = project_tables(forests, labels_standardised=standardised, **settings)
        compiled = compile_tables(forests, labels_standardised=standardised, **settings)
        np.testing.assert_array_equal(projected.entries, compiled.entries)
        assert (projected.scale, projected.shift) == (compiled.scale, compiled.shift)


@pytest.mark.parametrize("name", TERMS)
def test_what_compiles_is_projected_to_the_bit(name: str) -> None:
    terms = TERMS[name]
    rng = np.random.default_rng(4)
    genes = [[g for b in term for g in range(6)[FIVE.block_slices[b]]] for term in terms.blocks]
    trees = [
        (int(rng.choice(of)), 0.5, (int(rng.choice(of)), 1.5, *rng.normal(size=2)), rng.normal())
        for of in genes * 20
    ]
    settings: dict[str, Any] = {
        "link": Link(),
        "mean": 0.3,
        "std": 1.7,
        "space": FIVE,
        "terms": terms,
    }
    projected = project_tables([forest_of(trees, 6, 0.1)], **settings)
    compiled = compile_tables([forest_of(trees, 6, 0.1)], **settings)
    np.testing.assert_array_equal(projected.entries, compiled.entries)


@pytest.fixture(scope="module")
def on_mnasnet() -> Forest:
    codes = sample(1500, seed=4, space=MNASNET)
    booster = booster_of(
        codes, labels_of(codes), MNASNET, rounds=60, constrained=False, max_depth=8, eta=0.2
    )
    return forest_of_booster(booster)


def test_conditional_means_by_sampling(on_mnasnet: Forest) -> None:
    """Given the symbols of any two blocks, a projection has the mean of what it projects."""
    ensemble = project_tables([on_mnasnet], link=Link(), mean=0.0, std=1.0, space=MNASNET)
    rng = np.random.default_rng(8)
    scores = []
    for k, (a, b) in enumerate(all_pairs(MNASNET).blocks):
        codes = sample(2000, seed=100 + k, space=MNASNET)
        fixed = codes[rng.integers(len(codes))]
        for block in (a, b):
            columns = MNASNET.block_slices[block]
            codes[:, columns] = fixed[columns]
        difference = values(ensemble, codes_to_symbols(codes, MNASNET))[
            :, 0
        ] - on_mnasnet.predict_exact(codes)
        scores.append(difference.mean() / (difference.std() / np.sqrt(len(codes))))
    assert np.abs(scores).max() < 4.5
    assert 0.3 < np.std(scores) < 1.8  # and they scatter as sampling errors do


def test_the_closest_of_its_kind(on_mnasnet: Forest) -> None:
    """Moving any entry away from the projection must not bring it closer."""
    ensemble = project_tables([on_mnasnet], link=Link(), mean=0.0, std=1.0, space=MNASNET)
    codes = sample(40_000, seed=9, space=MNASNET)
    residual = values(ensemble, codes_to_symbols(codes, MNASNET))[:, 0] - on_mnasnet.predict_exact(
        codes
    )
    assert residual.std() > 0.01
    symbols = codes_to_symbols(codes, MNASNET)
    rng = np.random.default_rng(2)
    for _ in range(40):
        a, b = all_pairs(MNASNET).blocks[rng.integers(len(all_pairs(MNASNET).blocks))]
        table = rng.normal(size=(MNASNET.block_sizes[a], MNASNET.block_sizes[b]))
        direction = table[symbols[:, a], symbols[:, b]]
        correlation = np.corrcoef(residual, direction)[0, 1]
        assert abs(correlation) < 5 / np.sqrt(len(codes))


def test_wide_labels_use_a_coarser_accumulator() -> None:
    space = SPACES["five blocks"]
    codes = all_codes(space)
    there = (0, 0.5, 100.0, (3, 1.5, -50.0, 20.0))
    back = (0, 0.5, -100.0, (3, 1.5, 50.0, -20.0))
    forest = forest_of([there, back] * 500 + [(0, 0.5, 1.25, (3, 1.5, 2.5, 3.0))], space.n_genes)
    ensemble = project_tables([forest], link=Link(), mean=0.0, std=1.0, space=space)
    found = values(ensemble, symbols_of(codes, space))[:, 0]
    np.testing.assert_allclose(found, forest.predict_exact(codes), atol=1e-6)


def test_a_large_offset_in_the_trees() -> None:
    """As in LightGBM, whose first tree holds the mean of the labels."""
    space = SPACES["five blocks"]
    codes = all_codes(space)
    plain = forest_on(space, seed=3)
    first = plain.feature[: plain.roots[1]] < 0
    value = plain.value.copy()
    value[: plain.roots[1]][first] += 100.0
    shifted = replace(plain, value=value)
    one, other = (
        project_tables([f], link=Link(), mean=mean, std=1.0, labels_standardised=False, space=space)
        for f, mean in ((plain, 0.0), (shifted, 100.0))
    )
    symbols = symbols_of(codes, space)
    difference = values(other, symbols) - values(one, symbols) - 100.0
    assert np.abs(difference).max() < 20 * 2.0**-FRACTION_BITS + 1e-4  # of float32 leaves
    largest = sum(int(np.abs(table.astype(np.int64)).max()) for table in other.tables)
    assert largest < 20 << FRACTION_BITS


def test_what_cannot_be_projected() -> None:
    space = SPACES["two blocks"]
    with pytest.raises(CompileError, match="at least one member"):
        project_tables([], link=Link(), mean=0.0, std=1.0, space=space)
    with pytest.raises(CompileError, match="member 0: the model has 2 features, the space 3"):
        project_tables([forest_of([1.0], 2)], link=Link(), mean=0.0, std=1.0, space=space)
    with pytest.raises(CompileError, match="largest leaves of all trees add up to 1e\\+09"):
        project_tables([forest_of([1e9], 3)], link=Link(), mean=0.0, std=1.0, space=space)
    with pytest.raises(CompileError, match="standard deviations"):
        project_tables([forest_of([300.0], 3)], link=Link(), mean=0.0, std=1.0, space=space)
    with pytest.raises(CompileError, match="link 1/y, which needs positive values"):
        project_tables([forest_of([-3.0], 3)], link=Link("-1"), mean=1.0, std=1.0, space=space)


def test_the_artifact_says_what_it_is(training: Training, tmp_path: Path) -> None:
    model, card = build_projected(training, n=2000)
    assert (card["form"], card["exact"], card["exact_compilation"]) == ("projected", False, False)
    assert card["quality"] == {}
    assert card["members_quality"] == training.document["metrics"]
    assert {"r2", "kendall_tau", "max", "p99.9", "n", "seed"} <= card["fidelity"].keys()
    assert build_projected(training, n=2000)[0] == model
    path = tmp_path / "some.onnx"
    path.write_bytes(model)
    with anb_onnx.load(path=path) as surrogate:
        assert surrogate.metadata["form"] == "projected"
        assert surrogate.metadata["fidelity"] == card["fidelity"]
        assert len(surrogate.query(sample(3, seed=1, space=MNASNET)).mean) == 3


def test_the_command(
    training: Training, study: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "accuracy.onnx"
    arguments = ["project", str(training.folder), "--out", str(out), "--n", "1000"]
    dataset = ["--dataset", str(study / "anb_dataset_jsons.tar.gz")]
    assert main([*arguments, *dataset]) == 0
    captured = capsys.readouterr()
    assert captured.out.startswith("accuracy: projected, R2 0.")
    assert "it is an approximation, and says so" in captured.err
    entry = json.loads((tmp_path / "manifest.json").read_text())["targets"]["accuracy"]
    assert entry["form"] == "projected"
    assert entry["quality"]["test"]["n"] == entry["members_quality"]["test"]["n"]
    before = out.read_bytes()
    assert main([*arguments, *dataset, "--split", "random:1"]) == 2
    assert "was trained on data" in capsys.readouterr().err
    assert out.read_bytes() == before
    assert main(["project", str(training.folder), "--out", str(tmp_path / "a.txt")]) == 2
    assert main([*arguments, "--split", "random:1"]) == 2
    assert "--split random:1 needs --dataset" in capsys.readouterr().err
    assert main([*arguments, "--n", "1"]) == 2


def test_other_labels_are_refused(training: Training) -> None:
    document = json.loads(json.dumps(dict(training.document)))
    document["recipe"]["transform"] = Link("2").to_dict()
    with pytest.raises(AnbError, match="cannot be projected"):
        build_projected(replace(training, document=document), n=10)
