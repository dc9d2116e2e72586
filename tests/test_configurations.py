"""Configurations of ConfigSpace: read through their arrays, as what their values are."""

from __future__ import annotations

import copy
import gc
import pickle
import random
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from types import MappingProxyType
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from random_spaces import LARGE_BLOCK, members

import anb_onnx
from anb_onnx import compat
from anb_onnx.encoding import configurations
from anb_onnx.encoding.encoding import encode
from anb_onnx.errors import ArchitectureError
from anb_onnx.spaces.architecture import Architecture, sample
from anb_onnx.spaces.mnasnet import MNASNET
from anb_onnx.spaces.space import Block, Gene, SearchSpace
from anb_onnx.spaces.values import row_codes

cs = pytest.importorskip("ConfigSpace", reason="reads ConfigSpace's Configurations")

CODES = sample(20, seed=5, space=MNASNET)
VALUES = [Architecture.from_codes(row, space=MNASNET).to_values() for row in CODES]
SIZES = (1, 3, 20)


def _space(space: SearchSpace = MNASNET, **changed: Any) -> Any:
    """Return the ConfigurationSpace of a space, with other hyperparameters where they are given."""
    found = cs.ConfigurationSpace()
    for gene in space.genes:
        found.add(changed.get(gene.name) or cs.Categorical(gene.name, list(gene.choices)))
    return found


def _configurations(config_space: Any, n: int = 20) -> list[Any]:
    return [cs.Configuration(config_space, values=values) for values in VALUES[:n]]


def _fresh(config_space: Any, configuration: Any) -> Any:
    """Return a Configuration that has nothing but its array."""
    return cs.Configuration(config_space, vector=configuration.get_array().copy())


def _said(batch: Any, space: SearchSpace = MNASNET) -> Any:
    try:
        return encode(batch, space).tolist()
    except ArchitectureError as error:
        return str(error)


def _strictly(batch: list[Any], space: SearchSpace = MNASNET) -> Any:
    """Return what is said of the values of Configurations, looked at one by one."""
    rows = []
    for number, configuration in enumerate(batch):
        try:
            values = MappingProxyType(dict(configuration))
            rows.append(list(row_codes(values, space, f"row {number}, ")))
        except ArchitectureError as error:
            return str(error)
    return rows


@given(members(), st.integers(0, 2**32), st.sampled_from(SIZES))
def test_any_order_kind_and_spelling_of_hyperparameters(
    drawn: tuple[SearchSpace, list[int]], seed: int, n: int
) -> None:
    space, _ = drawn
    choose = random.Random(seed)
    codes = sample(n, seed=seed, space=space)
    config_space = cs.ConfigurationSpace()
    places: list[list[Any]] = []
    for gene in choose.sample(space.genes, space.n_genes):
        choices: list[Any] = choose.sample(gene.choices, len(gene))
        if gene.kind == "bool" and choose.random() < 0.5:
            choices = list(map(str, choices))
        make = choose.choice([cs.Categorical, cs.OrdinalHyperparameter])
        if len(choices) == 1 and choose.random() < 0.5:
            make = lambda name, values: cs.Constant(name, values[0])  # noqa: E731
        config_space.add(make(gene.name, choices))
    for row in codes.tolist():
        values = Architecture.from_codes(row, space=space).to_values()
        for name, value in values.items():
            hyperparameter = config_space[name]
            if not hyperparameter.legal_value(value):
                values[name] = str(value)
        places.append(cs.Configuration(config_space, values=values))
    fresh = [_fresh(config_space, configuration) for configuration in places]
    for batch in (places, fresh, tuple(fresh)):
        assert _said(batch, space) == codes.tolist()
    assert _said(fresh[0], space) == codes[:1].tolist()
    assert all(configuration._values is None for configuration in fresh)  # no value was made


@pytest.mark.parametrize("n", SIZES)
def test_a_choice_that_is_none_of_the_genes_is_refused_where_it_is_held(n: int) -> None:
    config_space = _space(
        block2_k=cs.Categorical("block2_k", [7, 5, 3]),
        block2_se=cs.OrdinalHyperparameter("block2_se", [False, True]),
        block6_e=cs.Categorical("block6_e", ["x", "4", "6", "1"], weights=[0.1, 0.2, 0.3, 0.4]),
    )
    values = [{**v, "block6_e": str(v["block6_e"])} for v in VALUES[:n]]
    batch = [cs.Configuration(config_space, values=v) for v in values]
    assert _said(batch).startswith("row 0, gene 'block6_e': ")
    assert _said(batch) == _strictly(batch)
    config_space = _space(block2_k=cs.Categorical("block2_k", [7, 5, 3]))
    batch = _configurations(config_space, n)
    assert _said(batch) == CODES[:n].tolist()
    for row in {0, n // 2, n - 1}:
        before = batch[row]["block2_k"]
        batch[row]["block2_k"] = 7
        message = _said(batch)
        assert message.startswith(f"row {row}, gene 'block2_k': ")
        assert message.endswith(" is not allowed; choose from 3, 5")
        assert message == _strictly(batch)
        batch[row]["block2_k"] = before


def test_a_narrowed_space_is_read_by_value() -> None:
    config_space = _space(
        block0_e=cs.Constant("block0_e", 6),
        block1_e=cs.Categorical("block1_e", [6, 1]),
        block1_se=cs.Constant("block1_se", "False"),
    )
    batch = config_space.sample_configuration(30)
    found = encode(batch, MNASNET)
    assert found.tolist() == _strictly(batch)
    assert set(found[:, 0]) == {2}
    assert set(found[:, MNASNET.positions["block1_se"]]) == {1}
    assert set(found[:, MNASNET.positions["block1_e"]]) == {0, 2}


def test_a_hyperparameter_that_is_a_range_is_read_value_by_value() -> None:
    config_space = _space(block0_l=cs.Integer("block0_l", (1, 3)))
    batch = config_space.sample_configuration(30)
    assert _said(batch) == _strictly(batch)
    assert _said(batch[0]) == _strictly(batch[:1])


@pytest.mark.parametrize("n", SIZES)
def test_a_subset_or_a_superset_of_the_genes_is_refused_by_name(n: int) -> None:
    more = _space()
    more.add(cs.Categorical("zoom", [1, 2]), cs.Float("rate", (0.0, 1.0)))
    fewer, other = cs.ConfigurationSpace(), cs.ConfigurationSpace()
    for gene in MNASNET.genes[1:]:
        fewer.add(cs.Categorical(gene.name, list(gene.choices)))
    for gene in LARGE_BLOCK.genes:
        other.add(cs.Categorical(gene.name, list(gene.choices)))
    for config_space, words in (
        (more, "unknown gene 'rate' (and 1 more); the 28 genes are 'block0_e' ... 'block6_se'"),
        (fewer, "missing gene 'block0_e'; the 28 genes are"),
        (other, "unknown gene 'x' (and 2 more) and missing gene 'block0_e' (and 27 more); the"),
    ):
        batch = [_fresh(config_space, c) for c in config_space.sample_configuration(n + 1)][:n]
        assert _said(batch).startswith(f"row 0, {words}")
        assert _said(batch[0]).startswith(words)
        assert _said(batch) == _strictly(batch)
        ours = _configurations(_space(), n)
        assert _said([*ours, batch[0]]).startswith(f"row {n}, {words}")


def test_hyperparameters_that_are_not_active_are_missing() -> None:
    config_space = _space()
    config_space.add(
        cs.EqualsCondition(config_space["block1_k"], config_space["block0_k"], 3),
    )
    batch = [c for c in config_space.sample_configuration(40) if "block1_k" not in [*c]]
    active = [c for c in config_space.sample_configuration(40) if "block1_k" in [*c]]
    assert batch
    assert active
    assert _said(active) == _strictly(active)
    for n in (1, len(batch)):
        assert _said([*active, *batch[:n]]).startswith(
            f"row {len(active)}, missing gene 'block1_k'"
        )
    assert _said(batch[0]).startswith("missing gene 'block1_k'; the 28 genes are")


def test_a_range_that_is_not_active_is_missing() -> None:
    config_space = _space(block0_l=cs.Integer("block0_l", (1, 3)))
    config_space.add(
        cs.EqualsCondition(config_space["block1_k"], config_space["block0_k"], 3),
    )
    batch = [c for c in config_space.sample_configuration(40) if "block1_k" not in [*c]]
    assert batch
    for n in (1, len(batch)):
        assert _said(batch[:n]).startswith("row 0, missing gene 'block1_k'; the 28 genes are")


def test_one_gene_too_much_is_named_where_it_is_not_active() -> None:
    config_space = _space()
    config_space.add(cs.Categorical("zoom", [1, 2]))
    config_space.add(cs.EqualsCondition(config_space["zoom"], config_space["block0_k"], 3))
    for configuration in config_space.sample_configuration(20):
        assert _said(configuration).startswith("unknown gene 'zoom'; the 28 genes")


def test_a_configuration_that_is_changed_is_read_as_it_is_now() -> None:
    config_space = _space()
    batch = _configurations(config_space)
    assert _said(batch) == CODES.tolist()
    for number, gene in enumerate(MNASNET.genes[:20]):
        batch[number][gene.name] = gene.choices[-1]
    wanted = CODES.copy()
    wanted[range(20), range(20)] = [len(gene) - 1 for gene in MNASNET.genes[:20]]
    assert _said(batch) == wanted.tolist()
    assert [encode(c, MNASNET)[0].tolist() for c in batch] == wanted.tolist()


def test_a_space_that_is_changed_is_found_out_anew() -> None:
    config_space = cs.ConfigurationSpace()
    for gene in MNASNET.genes[1:]:
        config_space.add(cs.Categorical(gene.name, list(gene.choices)))
    early = config_space.get_default_configuration()
    assert _said(early).startswith("missing gene 'block0_e'")
    first = MNASNET.genes[0]
    config_space.add(cs.Categorical(first.name, list(reversed(first.choices))))
    batch = _configurations(config_space)
    assert _said(batch) == CODES.tolist()
    assert _said(batch[0]) == CODES[:1].tolist()
    for some in ([early], [*batch, early]):
        assert "the Configuration has 27 values, its ConfigurationSpace 28 hyperp" in _said(some)
    config_space.add(cs.Categorical("zoom", [1, 2]))
    for some in (batch, batch[:1]):
        assert _said(some).startswith("row 0, unknown gene 'zoom'")


def test_copies_and_pickles_have_spaces_of_their_own() -> None:
    config_space = _space()
    batch = _configurations(config_space)
    again: list[Callable[[Any], Any]] = [
        copy.copy,
        copy.deepcopy,
        lambda configuration: pickle.loads(pickle.dumps(configuration)),
    ]
    for way in again:
        assert _said(list(map(way, batch))) == CODES.tolist()
        assert _said(way(batch)) == CODES.tolist()
        assert _said(way(batch[3])) == CODES[3:4].tolist()
    copied = copy.deepcopy(config_space)
    copied.add(cs.Categorical("zoom", [1, 2]))
    assert _said(copied.get_default_configuration()).startswith("unknown gene 'zoom'")
    assert _said(batch) == CODES.tolist()


@pytest.mark.parametrize("n", SIZES)
@pytest.mark.parametrize("number", [-1.0, 3.0, 0.5, 1e300, float("inf"), -float("inf"), 1e-9])
def test_numbers_that_stand_for_nothing_are_refused(n: int, number: float) -> None:
    config_space = _space()
    batch = _configurations(config_space, n)
    for row in {0, n // 2, n - 1}:
        wrong = list(batch)
        wrong[row] = _fresh(config_space, batch[row])
        wrong[row].get_array()[config_space.index_of["block0_e"]] = number
        assert _said(wrong) == (
            f"row {row}, gene 'block0_e': {number!r} in the Configuration's array stands for none "
            "of its hyperparameter's choices"
        )


def test_numbers_are_read_as_configspace_reads_them() -> None:
    config_space = _space()
    near = np.zeros(28) + 1e-14
    for vector in (near, np.zeros(28, np.int64), np.zeros(28, np.float32), -0.0 * np.ones(28)):
        batch = [cs.Configuration(config_space, vector=vector)] * 9
        assert _said(batch) == _strictly(batch)
        assert _said(batch[:1]) == _strictly(batch[:1])


def test_a_number_counts_more_than_a_value_that_python_holds_to_be_equal() -> None:
    config_space = _space()
    configuration = cs.Configuration(config_space, values={**VALUES[0], "block0_e": True})
    wanted = CODES[0].tolist()
    wanted[0] = 0
    assert _said(configuration) == [wanted]
    assert config_space["block0_e"].to_value(configuration.get_array()[0]) == 1


def test_batches_of_several_spaces_and_of_other_mappings() -> None:
    spaces = [_space(), _space(block0_e=cs.Categorical("block0_e", [6, 4, 1]))]
    batch: list[Any] = [
        cs.Configuration(spaces[row % 2], values=values) for row, values in enumerate(VALUES)
    ]
    batch[3], batch[7] = VALUES[3], Architecture.from_codes(CODES[7], space=MNASNET)
    batch[8] = MappingProxyType(VALUES[8])
    batch[9] = compat.Configuration(VALUES[9])
    assert _said(batch) == CODES.tolist()
    batch[12] = {**VALUES[12], "block0_k": 4}
    assert _said(batch).startswith("row 12, gene 'block0_k': 4 is not allowed")
    batch[11] = None
    assert _said(batch).startswith("row 11: None is not an Architecture or a mapping")


def test_one_configuration_space_serves_several_search_spaces() -> None:
    one, two = (
        SearchSpace("s", (Block("b", (Gene("x", choices), Gene("y", ("u", "v")))),))
        for choices in ((1, 2), (2, 1))
    )
    config_space = _space(one)
    batch = config_space.sample_configuration(10)
    for _ in range(3):
        for space in (one, two, SearchSpace("s", one.blocks)):
            assert _said(batch, space) == _strictly(batch, space)
    many = [SearchSpace(f"s{i}", one.blocks) for i in range(50)]
    assert [_said(batch, space) for space in many] == [_said(batch, one)] * 50
    known = configurations._known[id(config_space)]
    assert len(known[1]) <= configurations._MOST_SPACES


def test_spaces_that_are_gone_are_forgotten_and_none_is_taken_for_another() -> None:
    gc.collect()
    before = len(configurations._known)
    space = SearchSpace("s", (Block("b", (Gene("x", (1, 2)), Gene("y", ("u", "v")))),))
    for number in range(300):
        choices = [1, 2] if number % 3 else [2, 1]
        config_space = _space(space, x=cs.Categorical("x", choices))
        configuration = cs.Configuration(config_space, vector=np.array([1.0, 0.0]))
        assert _said(configuration, space) == [[1 if number % 3 else 0, 0]]
        del config_space, configuration
        if number % 60 == 0:
            gc.collect()  # spaces hold themselves in circles
    gc.collect()
    assert len(configurations._known) <= before


def test_threads_read_configurations_of_many_spaces_at_once() -> None:
    spaces = [_space(block0_e=cs.Categorical("block0_e", [6, 1, 4])), _space()]
    batches = [_configurations(config_space) for config_space in spaces]

    def work(seed: int) -> None:
        choose = random.Random(seed)
        for _ in range(30):
            batch = choose.choice(batches)
            if choose.random() < 0.3:  # a space that nobody has seen
                batch = copy.deepcopy(batch)
            row = choose.randrange(20)
            assert encode(batch, MNASNET).tolist() == CODES.tolist()
            assert encode(batch[row], MNASNET).tolist() == CODES[row : row + 1].tolist()

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, range(8)))


def test_a_class_of_their_own_is_read_by_its_values() -> None:
    class Lowered(cs.Configuration):  # type: ignore[misc, name-defined]
        def __getitem__(self, key: str) -> Any:
            return 1 if key == "block0_e" else super().__getitem__(key)

    batch = [Lowered(_space(), values=values) for values in VALUES]
    wanted = CODES.copy()
    wanted[:, 0] = 0
    assert _said(batch) == wanted.tolist()
    assert _said(batch[0]) == wanted[:1].tolist()


def test_queries_and_compat_take_configurations() -> None:
    surrogate = anb_onnx.load("accuracy", engine="numpy")
    wanted = surrogate.query(CODES).mean
    batch = _configurations(_space())
    np.testing.assert_array_equal(surrogate.query(batch).mean, wanted)
    assert surrogate.query(batch[0]).mean == wanted[0]
    ensemble = compat.ANBEnsemble("xgb").load_ensemble()
    ours = [compat.Configuration(values) for values in VALUES]
    ours[0]["block0_e"] = 6
    for some in (batch, ours, [*ours[:10], *batch[10:]]):
        np.testing.assert_array_equal(ensemble.query_mean(some)[1:], wanted[1:])
    assert encode(ours, MNASNET)[0, 0] == 2
    with pytest.raises(ArchitectureError, match="unknown gene 'block0_e'"):
        encode(ours, LARGE_BLOCK)
