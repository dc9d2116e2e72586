"""The search space against the oracle, and spaces of other shapes."""

from __future__ import annotations

import copy
import pickle
from itertools import product
from math import prod

import numpy as np
import oracle
import pytest

from anb_onnx.errors import AnbError, ArchitectureError
from anb_onnx.space import MNASNET, Block, Gene, SearchSpace


def test_mnasnet_is_the_space_of_the_reference() -> None:
    assert MNASNET.gene_names == tuple(oracle.GENES)
    assert [list(g.choices) for g in MNASNET.genes] == [list(c) for c in oracle.GENES.values()]
    assert [b.name for b in MNASNET.blocks] == list(oracle.BLOCKS)
    assert (MNASNET.n_genes, MNASNET.n_blocks) == (28, 7)
    assert MNASNET.size == oracle.SIZE
    assert MNASNET.block_sizes == (36, 36, 36, 36, 36, 48, 36)
    assert MNASNET.symbol_dtype == np.uint8
    assert MNASNET.pairs == tuple((a, b) for a, b in product(range(7), range(7)) if a < b)
    assert len(MNASNET.pairs) == 21


def test_place_values() -> None:
    assert MNASNET.symbol_weights[:4] == (12, 6, 2, 1)
    assert MNASNET.symbol_weights[20:24] == (16, 8, 2, 1)
    for position in range(28):
        assert MNASNET.index_weights[position] == prod(MNASNET.gene_sizes[position + 1 :])
    assert [MNASNET.positions[name] for name in MNASNET.gene_names] == list(range(28))
    columns = [number for part in MNASNET.block_slices for number in range(28)[part]]
    assert columns == list(range(28))


def test_cardinalities_are_read_only() -> None:
    assert MNASNET.cardinalities.dtype == np.uint8
    assert MNASNET.cardinalities.tolist() == [len(c) for c in oracle.GENES.values()]
    with pytest.raises(ValueError, match="read-only"):
        MNASNET.cardinalities[0] = 9


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda s: pickle.loads(pickle.dumps(s))])
def test_copies_are_equal_and_stay_read_only(copied: object) -> None:
    again = copied(MNASNET)  # type: ignore[operator]
    assert again == MNASNET
    assert hash(again) == hash(MNASNET)
    assert not again.cardinalities.flags.writeable


def test_json_and_repr_round_trip() -> None:
    assert SearchSpace.from_json(MNASNET.to_json()) == MNASNET
    assert SearchSpace.from_dict(MNASNET.to_dict()) == MNASNET
    assert eval(repr(MNASNET)) == MNASNET
    assert MNASNET.to_dict()["blocks"][0]["genes"][3] == {
        "name": "block0_se",
        "choices": [True, False],
    }


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "3",
        "{}",
        "[" * 100_000,
        '{"name": "x"}',
        '{"name": "x", "blocks": 3}',
        '{"name": "x", "blocks": []}',
        '{"name": "x", "blocks": [{"name": "b", "genes": []}]}',
        '{"name": "x", "blocks": [{"name": "b", "genes": [{"name": "g"}]}]}',
        '{"name": "x", "blocks": [{"name": "b", "genes": [{"name": "g", "choices": [1, true]}]}]}',
        '{"name": "x", "blocks": [{"name": "b", "genes": [{"name": "g", "choices": [[1]]}]}]}',
        '{"name": "x", "blocks": [{"name": "b", "genes": [{"name": 5, "choices": [1]}]}]}',
    ],
)
def test_bad_json_is_refused(text: str) -> None:
    with pytest.raises(ArchitectureError):
        SearchSpace.from_json(text)


def test_json_that_states_another_size_is_refused() -> None:
    with pytest.raises(ArchitectureError, match="104485552128 members but states 7"):
        SearchSpace.from_dict({**MNASNET.to_dict(), "size": 7})


@pytest.mark.parametrize("choices", [(), (1, 1), (1, True), (1.5,), tuple(range(257)), "ab", 3])
def test_bad_choices_are_refused(choices: object) -> None:
    with pytest.raises(ArchitectureError, match="'g'"):
        Gene("g", choices)  # type: ignore[arg-type]


def test_names_are_unique() -> None:
    gene = Gene("g", (1, 2))
    with pytest.raises(ArchitectureError, match="'g' is used twice"):
        SearchSpace("x", (Block("a", (gene,)), Block("b", (gene,))))
    with pytest.raises(ArchitectureError, match="'a' is used twice"):
        SearchSpace("x", (Block("a", (gene,)), Block("a", (Gene("h", (1,)),))))


def test_equality_sees_the_type_of_the_choices() -> None:
    assert Gene("g", (0, 1)) != Gene("g", (False, True))


class _Text(str):
    def __str__(self) -> str:
        return "something else"


@pytest.mark.parametrize(
    ("value", "code"),
    [
        (4, 1),
        (np.int8(4), 1),
        (np.uint64(4), 1),
        (4.0, 1),
        (np.float32(4), 1),
        (True, -1),
        (np.True_, -1),
        ("4", -1),
        (4.5, -1),
        (float("nan"), -1),
        (float("inf"), -1),
        (2**64, -1),
        (-1, -1),
        (None, -1),
        ([4], -1),
        (np.array(4), -1),
        (np.timedelta64(4, "s"), -1),
        (4 + 0j, -1),
    ],
)
def test_an_integer_gene_matches_by_type(value: object, code: int) -> None:
    assert MNASNET.genes[0].find(value) == code


@pytest.mark.parametrize(
    ("value", "code"),
    [
        (True, 0),
        (False, 1),
        (np.True_, 0),
        (np.False_, 1),
        ("True", 0),
        ("False", 1),
        (np.str_("False"), 1),
        (_Text("True"), 0),
        ("true", -1),
        ("", -1),
        (1, -1),
        (0, -1),
        (1.0, -1),
        (np.int64(0), -1),
        (None, -1),
        ({}, -1),
    ],
)
def test_a_boolean_gene_matches_by_type(value: object, code: int) -> None:
    assert MNASNET.genes[3].find(value) == code


def test_every_error_is_an_anb_error_and_a_value_error() -> None:
    assert issubclass(ArchitectureError, AnbError)
    assert issubclass(AnbError, ValueError)
