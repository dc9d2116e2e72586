"""One architecture: its spellings, its behaviour as a value, sampling and changes."""

from __future__ import annotations

import copy
import json
import pickle
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import oracle
import pytest
from hypothesis import given
from hypothesis import strategies as st
from random_spaces import BEYOND_64_BITS, NEAR_64_BITS, index_of, members

from anb_onnx.errors import ArchitectureError
from anb_onnx.spaces.architecture import Architecture, sample
from anb_onnx.spaces.changing import mutate, neighbours
from anb_onnx.spaces.mnasnet import MNASNET, efficientnet_b0, from_lists, to_lists
from anb_onnx.spaces.space import Block, Gene, SearchSpace

B0 = efficientnet_b0()
B0_LISTS: dict[str, Any] = {
    "expansion": [1, 6, 6, 6, 6, 6, 6],
    "kernel": [3, 3, 5, 3, 5, 5, 3],
    "layers": [1, 2, 2, 3, 3, 4, 1],
    "se": [True] * 7,
}
CELL = SearchSpace(
    "cell", tuple(Block(f"edge{i}", (Gene(f"op{i}", ("none", "skip", "conv")),)) for i in range(3))
)
INDICES = st.integers(0, oracle.SIZE - 1)


def test_efficientnet_b0_is_the_published_one() -> None:
    assert list(B0.codes) == oracle.B0_CODES
    assert B0.to_values() == oracle.B0_VALUES
    assert B0.index == oracle.index(oracle.B0_VALUES) == 2_169_626_640


@given(oracle.architectures())
def test_every_spelling_is_the_same_architecture(values: dict[str, Any]) -> None:
    arch = Architecture(values, space=MNASNET)
    assert list(arch.codes) == oracle.codes(values)
    assert arch.index == oracle.index(values)
    assert arch.to_values() == values
    assert Architecture.from_codes(arch.codes, space=MNASNET) == arch
    assert Architecture.from_codes(np.array(arch.codes, dtype=np.uint8), space=MNASNET) == arch
    assert Architecture.from_index(arch.index, space=MNASNET) == arch
    assert Architecture.from_json(arch.to_json(), space=MNASNET) == arch
    assert Architecture([values[name] for name in MNASNET.gene_names], space=MNASNET) == arch
    assert from_lists(**to_lists(arch)) == arch  # type: ignore[arg-type]
    assert eval(repr(arch)) == arch


@pytest.mark.parametrize("index", [0, 1, oracle.SIZE // 2, oracle.SIZE - 1, np.int64(12345)])
def test_index_round_trip(index: int) -> None:
    arch = Architecture.from_index(index, space=MNASNET)
    assert arch.index == index
    assert arch.to_values() == oracle.values_of_index(int(index))


@given(INDICES)
def test_index_round_trip_anywhere(index: int) -> None:
    assert Architecture.from_index(index, space=MNASNET).to_values() == oracle.values_of_index(
        index
    )
    assert Architecture.from_index(index, space=MNASNET).index == index


@given(INDICES, INDICES)
def test_order_and_hash_follow_the_index(a: int, b: int) -> None:
    first, second = (
        Architecture.from_index(a, space=MNASNET),
        Architecture.from_index(b, space=MNASNET),
    )
    assert (first < second, first <= second) == (a < b, a <= b)
    assert (first > second, first >= second) == (a > b, a >= b)
    assert (first == second) == (a == b)
    assert len({first, second, Architecture.from_index(a, space=MNASNET)}) == len({a, b})


def test_it_is_a_mapping() -> None:
    assert isinstance(B0, Mapping)
    assert dict(B0) == oracle.B0_VALUES
    assert {**B0} == oracle.B0_VALUES
    assert B0["block2_k"] == 5
    assert len(B0) == 28
    assert "block6_se" in B0
    assert "block7_se" not in B0
    with pytest.raises(KeyError):
        B0["block7_se"]


def test_it_never_equals_a_dict_nor_orders_with_other_things() -> None:
    assert B0 != oracle.B0_VALUES
    with pytest.raises(TypeError):
        sorted([B0, 3])  # type: ignore[type-var]
    with pytest.raises(TypeError):
        sorted([B0, Architecture.from_index(0, space=CELL)])


def test_it_is_immutable() -> None:
    for name in ("codes", "_codes", "index", "note"):
        with pytest.raises(AttributeError):
            setattr(B0, name, 1)
    with pytest.raises(AttributeError):
        del B0._codes
    assert not hasattr(B0, "__dict__")


@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy, lambda a: pickle.loads(_dumps(a))])
@pytest.mark.parametrize("arch", [B0, Architecture.from_index(26, space=CELL)])
def test_copies_are_equal(arch: Architecture, copied: Callable[[Any], Any]) -> None:
    again = copied(arch)
    assert again == arch
    assert again.space == arch.space
    assert hash(again) == hash(arch)


def _dumps(arch: Architecture) -> bytes:
    data = pickle.dumps(arch)
    assert len(data) < 400  # the default space goes by name
    return data


def test_numpy_values_and_the_references_strings_are_accepted() -> None:
    values = {
        name: (np.int64(v) if not isinstance(v, bool) else np.bool_(v)) for name, v in B0.items()
    }
    assert Architecture(values, space=MNASNET) == B0
    strings = {name: (str(v) if isinstance(v, bool) else v) for name, v in B0.items()}
    assert Architecture(strings, space=MNASNET) == B0
    lists = {**B0_LISTS, "expansion": np.array(B0_LISTS["expansion"]), "se": ("True",) * 7}
    assert from_lists(**lists) == B0


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"block0_e": 5}, "gene 'block0_e': 5 is not allowed; choose from 1, 4, 6"),
        ({"block0_e": True}, "gene 'block0_e': True is not allowed; choose from 1, 4, 6"),
        ({"block3_k": float("nan")}, "gene 'block3_k': nan is not allowed; choose from 3, 5"),
        ({"block3_k": 3.5}, "gene 'block3_k': 3.5 is not"),
        ({"block3_k": 2**64}, "gene 'block3_k': 18446744073709551616 is not"),
        ({"block3_k": 10**9999}, "gene 'block3_k': a value of type int is not"),
        ({"block3_k": "3"}, "gene 'block3_k': '3' is not"),
        ({"block3_k": None}, "gene 'block3_k': None is not"),
        ({"block3_k": [3]}, "gene 'block3_k': [3] is not"),
        ({"block0_l": 4}, "gene 'block0_l': 4 is not allowed; choose from 1, 2, 3"),
        ({"block6_se": 2}, "gene 'block6_se': 2 is not allowed; choose from True, False (or the"),
        ({"block6_se": "yes"}, "gene 'block6_se': 'yes' is not allowed; choose from True, False"),
        ({"block7_e": 1}, "unknown gene 'block7_e'; the 28 genes are 'block0_e' ... 'block6_se'"),
        ({5: 1, None: 2}, "unknown gene 5 (and 1 more)"),
    ],
)
def test_wrong_values_are_refused_by_name(change: dict[Any, Any], message: str) -> None:
    with pytest.raises(ArchitectureError) as caught:
        Architecture({**oracle.B0_VALUES, **change}, space=MNASNET)
    assert message in str(caught.value)


def test_missing_genes_are_named() -> None:
    values = dict(oracle.B0_VALUES)
    del values["block4_l"]
    with pytest.raises(ArchitectureError, match="missing gene 'block4_l'; the 28 genes"):
        Architecture(values, space=MNASNET)
    values["blok4_l"] = 3
    with pytest.raises(ArchitectureError, match="unknown gene 'blok4_l' and missing gene 'block4_"):
        Architecture(values, space=MNASNET)
    with pytest.raises(ArchitectureError, match=r"missing gene 'block0_e' \(and 27 more\)"):
        Architecture({}, space=MNASNET)


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("expansion", [1, 6], "expansion takes a list of 7 values, one per block, not [1, 6]"),
        ("kernel", None, "kernel takes a list of 7 values, one per block, not None"),
        ("layers", (n for n in range(7)), "layers takes a list of 7 values"),
        ("layers", 7, "layers takes a list of 7 values, one per block, not 7"),
        ("se", "TTTTTTT", "se takes a list of 7 values, one per block, not 'TTTTTTT'"),
        ("se", [True] * 6 + [-1], "gene 'block6_se': -1 is not allowed"),
        ("kernel", [3, 3, 3, 4, 3, 3, 3], "gene 'block3_k': 4 is not allowed; choose from 3, 5"),
        ("kernel", [[3], 3, 3, 3, 3, 3, 3], "gene 'block0_k': [3] is not allowed"),
    ],
)
def test_wrong_lists_are_refused_by_name(key: str, value: Any, message: str) -> None:
    with pytest.raises(ArchitectureError) as caught:
        from_lists(**{**B0_LISTS, key: value})
    assert message in str(caught.value)


@pytest.mark.parametrize(
    "codes",
    [
        None,
        5,
        "0" * 28,
        bytes(28),
        [],
        [0] * 27,
        [3] + [0] * 27,
        [-1] + [0] * 27,
        [2**64] + [0] * 27,
        [True] + [0] * 27,
        [0.0] + [0] * 27,
        [None] * 28,
        np.zeros((1, 28), dtype=np.uint8),
        np.zeros(28),
        iter([0] * 28),
    ],
)
def test_wrong_codes_are_refused(codes: Any) -> None:
    with pytest.raises(ArchitectureError):
        Architecture.from_codes(codes, space=MNASNET)


@pytest.mark.parametrize(
    "index",
    [-1, oracle.SIZE, 2**64, pytest.param(10**9999, id="huge"), 0.0, True, "0", None, [0]],
)
def test_wrong_indices_are_refused(index: Any) -> None:
    with pytest.raises(ArchitectureError, match="index"):
        Architecture.from_index(index, space=MNASNET)


@pytest.mark.parametrize("values", [None, 5, "x", "x" * 28, [("block0_e", 1)], B0_LISTS["se"]])
def test_values_are_a_mapping_or_a_list_of_one_for_each_gene(values: Any) -> None:
    with pytest.raises(ArchitectureError, match="is a mapping of gene names to values or a list"):
        Architecture(values, space=MNASNET)


def test_values_by_position_are_checked_like_those_by_name() -> None:
    row = [*oracle.B0_VALUES.values()]
    for values in (row, tuple(row), np.array(row, dtype=object)):
        assert Architecture(values, space=MNASNET) == B0
    assert Architecture.from_json(json.dumps(row), space=MNASNET) == B0
    with pytest.raises(ArchitectureError, match="gene 'block0_se': 2 is not allowed"):
        Architecture([*row[:3], 2, *row[4:]], space=MNASNET)


def test_json_is_of_values_by_name() -> None:
    assert json.loads(B0.to_json()) == oracle.B0_VALUES
    assert "\n" not in B0.to_json()
    assert Architecture.from_json(B0.to_json().encode(), space=MNASNET) == B0


def test_the_four_lists_are_those_of_mnasnet() -> None:
    assert to_lists(B0) == B0_LISTS
    assert to_lists(oracle.B0_VALUES) == B0_LISTS
    with pytest.raises(ArchitectureError, match="unknown gene 'op0'"):
        to_lists(Architecture.from_index(0, space=CELL))


def test_without_a_space_none_is_assumed() -> None:
    calls: list[Callable[[], Any]] = [
        lambda: Architecture(oracle.B0_VALUES),
        lambda: Architecture([*oracle.B0_VALUES.values()]),
        lambda: Architecture.from_codes(oracle.B0_CODES),
        lambda: Architecture.from_index(0),
        lambda: Architecture.from_json(B0.to_json()),
        lambda: sample(3, seed=0),
    ]
    for call in calls:
        with pytest.raises(ArchitectureError, match=r"pass a SearchSpace, .*=surrogate\.space"):
            call()
    with pytest.raises(ArchitectureError, match="from_index got space='mnasnet'; pass a SearchSp"):
        Architecture.from_index(0, space="mnasnet")  # type: ignore[arg-type]
    assert Architecture(B0) == B0
    for changed in (mutate(B0, seed=0), neighbours(B0)[0]):
        assert changed.space is MNASNET


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "null",
        '"block0_e"',
        "[" * 100_000,
        b"\xff\xfe\xff",
        None,
        "1" * 5000,
        json.dumps({**B0_LISTS, "kernel": 3}),
        json.dumps([*B0_LISTS.values()][:3]),
        B0.to_json().replace("6", "NaN", 1),
        B0.to_json()[:-1] + ', "block0_e": 1}',
    ],
)
def test_wrong_json_is_refused(text: Any) -> None:
    with pytest.raises(ArchitectureError):
        Architecture.from_json(text, space=MNASNET)


def test_another_space() -> None:
    arch = Architecture({"op0": "conv", "op1": "none", "op2": "skip"}, space=CELL)
    assert arch.codes == (2, 0, 1)
    assert arch.index == 19
    assert repr(arch) == (
        "Architecture({'op0': 'conv', 'op1': 'none', 'op2': 'skip'}, space=<SearchSpace 'cell'>)"
    )
    assert arch != Architecture.from_codes((2, 0, 1), space=SearchSpace("other", CELL.blocks))


@given(members())
def test_every_way_to_the_architectures_of_any_space(drawn: tuple[SearchSpace, list[int]]) -> None:
    space, codes = drawn
    index = index_of(codes, space.gene_sizes)
    arch = Architecture.from_codes(codes, space=space)
    values = {gene.name: gene.choices[code] for gene, code in zip(space.genes, codes, strict=True)}
    assert arch.to_values() == values
    assert [type(value) for value in arch.values()] == [type(value) for value in values.values()]
    assert list(arch.codes) == codes
    assert arch.index == index
    assert Architecture(values, space=space) == arch
    assert Architecture([*values.values()], space=space) == arch
    assert Architecture.from_index(index, space=space) == arch
    assert Architecture.from_json(arch.to_json(), space=space) == arch
    assert pickle.loads(pickle.dumps(arch)) == arch
    assert all(repr(value) in repr(arch) for value in values.values())
    again = SearchSpace.from_json(space.to_json())
    assert again == space
    assert Architecture.from_index(index, space=again) == arch


@given(members(), st.integers(0, 2**32))
def test_neighbours_and_mutants_in_any_space(
    drawn: tuple[SearchSpace, list[int]], seed: int
) -> None:
    space, codes = drawn
    arch = Architecture.from_codes(codes, space=space)
    near = neighbours(arch)
    assert len(set(near)) == len(near) == sum(space.gene_sizes) - space.n_genes
    for other in near:
        assert sum(a != b for a, b in zip(other.codes, codes, strict=True)) == 1
        assert Architecture.from_index(other.index, space=space) == other
    if near:
        assert mutate(arch, seed=seed) in near


@pytest.mark.parametrize("space", [BEYOND_64_BITS, NEAR_64_BITS], ids=lambda space: space.name)
def test_indices_beyond_64_bits_have_the_same_bounds(space: SearchSpace) -> None:
    assert space.size > 2**63
    last = Architecture.from_index(space.size - 1, space=space)
    assert [code + 1 for code in last.codes] == list(space.gene_sizes)
    for index in (-1, space.size):
        with pytest.raises(ArchitectureError, match=f"0 to {space.size - 1}"):
            Architecture.from_index(index, space=space)


def test_sample_is_reproducible_and_leaves_the_global_state_alone() -> None:
    before = np.random.get_state()[1].tolist()  # type: ignore[index]  # noqa: NPY002
    codes = sample(1000, seed=7, space=MNASNET)
    assert np.random.get_state()[1].tolist() == before  # type: ignore[index]  # noqa: NPY002
    assert codes.dtype == np.uint8
    assert codes.shape == (1000, 28)
    assert codes.flags.c_contiguous
    np.testing.assert_array_equal(codes, sample(1000, seed=np.random.default_rng(7), space=MNASNET))
    np.testing.assert_array_equal(codes[:300], sample(300, seed=7, space=MNASNET))
    assert (codes != sample(1000, seed=8, space=MNASNET)).any()
    assert (sample(5, space=MNASNET) != sample(5, space=MNASNET)).any()
    assert sample(0, seed=7, space=MNASNET).shape == (0, 28)


def test_sample_is_uniform() -> None:
    n = 60_000
    codes = sample(n, seed=0, space=MNASNET)
    for position, size in enumerate(MNASNET.gene_sizes):
        counts = np.bincount(codes[:, position], minlength=size)
        assert len(counts) == size
        # Five standard deviations of a binomial count.
        assert np.abs(counts - n / size).max() < 5 * (n / size) ** 0.5
    # Genes are independent: every symbol of the largest block comes as often as the others.
    symbols = codes[:, 20:24].astype(int) @ np.array(MNASNET.symbol_weights[20:24])
    counts = np.bincount(symbols, minlength=48)
    assert np.abs(counts - n / 48).max() < 5 * (n / 48) ** 0.5


@pytest.mark.parametrize("n", [-1, 1.5, True, None, "3"])
def test_sample_refuses_a_wrong_count(n: Any) -> None:
    with pytest.raises(ArchitectureError, match="n is an integer >= 0"):
        sample(n, seed=0, space=MNASNET)


@pytest.mark.parametrize("seed", [-1, 1.5, "x", True, [1]])
def test_a_wrong_seed_is_refused(seed: Any) -> None:
    with pytest.raises(ArchitectureError, match="seed is an integer >= 0"):
        sample(1, seed=seed, space=MNASNET)


def test_neighbours_are_all_one_gene_changes() -> None:
    expected = {
        Architecture({**B0, name: value}, space=MNASNET)
        for name, codes in oracle.GENES.items()
        for value in codes
    } - {B0}
    found = neighbours(B0)
    assert len(found) == len(expected) == 43
    assert set(found) == expected


@given(st.integers(0, 2**32), st.integers(0, 28))
def test_mutate_changes_that_many_genes(seed: int, n_genes: int) -> None:
    mutant = mutate(B0, seed=seed, n_genes=n_genes)
    assert sum(a != b for a, b in zip(mutant.codes, B0.codes, strict=True)) == n_genes
    assert mutant == Architecture.from_codes(mutant.codes, space=MNASNET)
    assert mutant == mutate(B0, seed=seed, n_genes=n_genes)


def test_mutate_reaches_every_neighbour() -> None:
    rng = np.random.default_rng(0)
    assert {mutate(B0, seed=rng) for _ in range(1500)} == set(neighbours(B0))


@pytest.mark.parametrize("n_genes", [-1, 29, 1.0, None])
def test_mutate_refuses_a_wrong_count(n_genes: Any) -> None:
    with pytest.raises(ArchitectureError, match="n_genes is an integer from 0 to 28"):
        mutate(B0, seed=0, n_genes=n_genes)


def test_a_gene_with_one_choice_never_changes() -> None:
    space = SearchSpace("x", (Block("a", (Gene("fixed", (7,)), Gene("free", (1, 2)))),))
    arch = Architecture.from_index(0, space=space)
    assert mutate(arch, seed=0)["fixed"] == 7
    assert [n.codes for n in neighbours(arch)] == [(0, 1)]
    with pytest.raises(ArchitectureError, match="from 0 to 1"):
        mutate(arch, seed=0, n_genes=2)
