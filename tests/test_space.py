"""The search space against the oracle, and spaces of other shapes."""

from __future__ import annotations

import copy
import json
import pickle
from collections.abc import Callable
from itertools import product
from math import prod

import numpy as np
import oracle
import pytest
from hypothesis import given
from random_spaces import spaces

from anb_onnx._io import strict_json
from anb_onnx.encoding.encoding import encode
from anb_onnx.errors import AnbError, ArchitectureError
from anb_onnx.spaces.architecture import Architecture
from anb_onnx.spaces.mnasnet import MNASNET
from anb_onnx.spaces.space import Block, Gene, SearchSpace
from anb_onnx.terms import all_pairs


def test_mnasnet_is_the_space_of_the_reference() -> None:
    assert MNASNET.gene_names == tuple(oracle.GENES)
    assert [list(g.choices) for g in MNASNET.genes] == [list(c) for c in oracle.GENES.values()]
    assert [b.name for b in MNASNET.blocks] == list(oracle.BLOCKS)
    assert (MNASNET.n_genes, MNASNET.n_blocks) == (28, 7)
    assert MNASNET.size == oracle.SIZE
    assert MNASNET.block_sizes == (36, 36, 36, 36, 36, 48, 36)
    assert MNASNET.symbol_dtype == np.uint8
    assert all_pairs(MNASNET).blocks == tuple(
        (a, b) for a, b in product(range(7), range(7)) if a < b
    )
    assert len(all_pairs(MNASNET).blocks) == 21


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


def test_json_round_trips_and_a_repr_is_short() -> None:
    assert SearchSpace.from_json(MNASNET.to_json()) == MNASNET
    assert SearchSpace.from_dict(MNASNET.to_dict()) == MNASNET
    assert repr(MNASNET) == (
        "<SearchSpace 'mnasnet': 7 blocks, 28 genes, 104,485,552,128 architectures>"
    )
    assert eval(repr(MNASNET.blocks[5])) == MNASNET.blocks[5]
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


@pytest.mark.parametrize("choices", [(), (1, 1), (1, True), (1.5, 1), tuple(range(257)), "ab", 3])
def test_bad_choices_are_refused(choices: object) -> None:
    with pytest.raises(ArchitectureError, match="'g'"):
        Gene("g", choices)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("choices", "ordered", "message"),
    [
        ((0, 0.3), False, r"all float.*write \(0\.0, 0\.3\)"),
        ((0.1, float("nan")), False, "nan is no finite number"),
        ((0.1, float("inf")), False, "inf is no finite number"),
        ((-0.0, 0.3), False, "write 0.0"),
        ((0.3, 0.3), False, "distinct"),
        ((1, 3, 2), True, "ascend or descend"),
        ((0.1, 0.3, 0.2), True, "ascend or descend"),
        ((False, True), True, "booleans are no scale"),
        ((1, 2), 1, "True or False, not 1"),
    ],
)
def test_floats_and_scales_that_are_none_are_refused(
    choices: tuple[int, ...], ordered: bool, message: str
) -> None:
    with pytest.raises(ArchitectureError, match=f"^gene 'g': .*{message}"):
        Gene("g", choices, ordered)


def test_scales_are_of_numbers_either_way_and_of_words_in_any_order() -> None:
    for choices in ((1, 2, 3), (3, 2, 1), (0.0,), (1e-5, 0.1), ("small", "large", "huge")):
        gene = Gene("g", choices, ordered=True)
        assert gene.ordered
        assert gene != Gene("g", choices)
        assert hash(gene) != hash(Gene("g", choices))
        assert eval(repr(gene)) == gene
        assert pickle.loads(pickle.dumps(gene)) == gene
        assert Gene.from_dict(gene.to_dict()) == gene
        assert gene.to_dict()["ordered"] is True
        assert "ordered" not in Gene("g", choices).to_dict()


RATES = Gene("rate", (0.1, 5e-4, 1.0, 0.0))


@pytest.mark.parametrize(
    ("value", "code"),
    [
        (0.1, 0),
        (np.float64(0.1), 0),
        (np.float32(0.1), -1),
        (np.nextafter(0.1, 1), -1),
        (0.0005, 1),
        (1, 2),
        (np.uint8(1), 2),
        (np.float16(1), 2),
        (True, -1),
        (np.True_, -1),
        ("0.1", -1),
        (-0.0, 3),
        (0, 3),
        (float("nan"), -1),
        (10**400, -1),
        (None, -1),
    ],
)
def test_floats_match_to_the_last_bit(value: object, code: int) -> None:
    assert RATES.find(value) == code
    space = SearchSpace("x", (Block("b", (RATES,)),))
    for n in (1, 20):  # one by one, and many at once
        batch = [{"rate": value}] * n
        if code < 0:
            with pytest.raises(ArchitectureError, match=r"choose from 0\.1, 0\.0005, 1\.0, 0\.0"):
                encode(batch, space)
        else:
            assert encode(batch, space).ravel().tolist() == [code] * n


def test_what_is_nearly_a_choice_is_refused_with_the_nearest() -> None:
    space = SearchSpace("x", (Block("b", (RATES,)),))
    with pytest.raises(
        ArchitectureError, match=r"\(the nearest is 0.1; as float64 this is 0.10000000149011612\)"
    ):
        Architecture({"rate": np.float32(0.1)}, space=space)
    with pytest.raises(ArchitectureError, match=r"0.0006 is not .*\(the nearest is 0.0005\)"):
        Architecture({"rate": 0.0006}, space=space)


@pytest.mark.parametrize(
    ("choices", "wanted"),
    [
        ("[0, 0.3, 0.6]", Gene("g", (0.0, 0.3, 0.6))),  # as JavaScript writes them
        ("[1, 2]", Gene("g", (1, 2))),
        ("[1.0, 2e0]", Gene("g", (1, 2))),  # to JSON the same as the line above
        ('[1, 2], "kind": "float"', Gene("g", (1.0, 2.0))),
        ('[1e-05, 1], "ordered": true', Gene("g", (1e-05, 1.0), ordered=True)),
        ('[3, 5], "ordered": false', Gene("g", (3, 5))),
    ],
)
def test_kinds_of_numbers_in_json(choices: str, wanted: Gene) -> None:
    gene = Gene.from_dict(strict_json.loads(f'{{"name": "g", "choices": {choices}}}'))
    assert gene == wanted
    assert [type(choice) for choice in gene.choices] == [type(c) for c in wanted.choices]


@given(spaces())
def test_any_space_comes_back_from_json_that_javascript_wrote(space: SearchSpace) -> None:
    def as_javascript(value: object) -> object:
        if isinstance(value, float) and value.is_integer():
            return int(value)
        if isinstance(value, dict):
            return {key: as_javascript(item) for key, item in value.items()}
        return [*map(as_javascript, value)] if isinstance(value, list) else value

    assert SearchSpace.from_json(space.to_json()) == space
    assert SearchSpace.from_json(json.dumps(as_javascript(space.to_dict()))) == space


@pytest.mark.parametrize(
    "choices", ['[1, 2], "kind": "int"', '["a"], "kind": "float"', '[0.5], "ordered": 1', "[1e999]"]
)
def test_kinds_and_orders_that_are_none_are_refused(choices: str) -> None:
    with pytest.raises(ArchitectureError):
        SearchSpace.from_json(
            f'{{"name": "x", "blocks": [{{"name": "b", "genes": '
            f'[{{"name": "g", "choices": {choices}}}]}}]}}'
        )


def test_names_are_unique() -> None:
    gene = Gene("g", (1, 2))
    with pytest.raises(ArchitectureError, match="'g' is used twice"):
        SearchSpace("x", (Block("a", (gene,)), Block("b", (gene,))))
    with pytest.raises(ArchitectureError, match="'a' is used twice"):
        SearchSpace("x", (Block("a", (gene,)), Block("a", (Gene("h", (1,)),))))


def test_equality_sees_the_type_of_the_choices() -> None:
    assert Gene("g", (0, 1)) != Gene("g", (False, True))
    assert Gene("g", (0, 1)) != Gene("g", (0.0, 1.0))


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
        ("true", 0),
        ("false", 1),
        ("TRUE", -1),
        ("1", -1),
        ("", -1),
        (1, 0),
        (0, 1),
        (1.0, 0),
        (-0.0, 1),
        (np.int64(0), 1),
        (np.float32(1), 0),
        (2, -1),
        (0.5, -1),
        (float("nan"), -1),
        (None, -1),
        ({}, -1),
    ],
)
def test_a_boolean_gene_matches_by_type(value: object, code: int) -> None:
    assert MNASNET.genes[3].find(value) == code


def test_every_error_is_an_anb_error_and_a_value_error() -> None:
    assert issubclass(ArchitectureError, AnbError)
    assert issubclass(AnbError, ValueError)


def described(blocks: int, genes: int, choices: int) -> dict[str, object]:
    """Return a space of so many blocks, genes per block and choices per gene, without its size."""
    gene = {"choices": list(range(choices))}
    return {
        "name": "x",
        "blocks": [
            {"name": f"b{b}", "genes": [{**gene, "name": f"b{b}g{g}"} for g in range(genes)]}
            for b in range(blocks)
        ],
    }


@pytest.mark.parametrize("shape", [(64, 1, 2), (1, 1024, 1), (64, 16, 4), (22, 1, 9), (2, 1, 256)])
def test_large_spaces_are_allowed(shape: tuple[int, int, int]) -> None:
    space = SearchSpace.from_dict(described(*shape))
    assert SearchSpace.from_json(space.to_json()) == space


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ((65, 1, 2), "it has 65 blocks, at most 64 are allowed"),
        ((20_000, 1, 1), "it has 20000 blocks"),
        ((1, 1025, 1), "it has 1025 genes, at most 1024"),
        ((1, 60_000, 1), "it has 60000 genes"),
        ((2, 1, 257), "it has 257 choices, at most 256"),
        ((2, 513, 1), "search space 'x' has 1026 genes; 1 to 1024 are allowed"),
        ((2, 33, 2), r"has 8589934592 symbols; at most 2\*\*32"),
    ],
)
def test_spaces_that_are_too_large_are_refused(shape: tuple[int, int, int], message: str) -> None:
    with pytest.raises(ArchitectureError, match=message):
        SearchSpace.from_dict(described(*shape))


def test_spaces_made_directly_have_the_same_bounds() -> None:
    gene = Gene("g", (1, 2))
    with pytest.raises(ArchitectureError, match="'x' has 65 blocks; 1 to 64 are allowed"):
        SearchSpace("x", tuple(Block(f"b{k}", (Gene(f"g{k}", (1,)),)) for k in range(65)))
    with pytest.raises(ArchitectureError, match="'b' has 1025 genes; 1 to 1024 are allowed"):
        Block("b", (gene,) * 1025)
    with pytest.raises(ArchitectureError, match="'b' has no genes"):
        Block("b", ())
    with pytest.raises(ArchitectureError, match="'x' has no blocks"):
        SearchSpace("x", ())


UNFIT = ["", "\x1b[2J", "a\nb", "a\0", "\u202eabc", "\u2028", "\ud800", "x" * 256]


@pytest.mark.parametrize("name", UNFIT)
def test_names_and_choices_are_fit_to_be_shown(name: str) -> None:
    """They reach terminals: no control characters, nothing that turns the text around."""
    gene = Gene("g", (1, 2))
    calls: list[Callable[[], object]] = [
        lambda: Gene(name, (1, 2)),
        lambda: Block(name, (gene,)),
        lambda: SearchSpace(name, (Block("b", (gene,)),)),
    ]
    if name:
        calls.append(lambda: Gene("g", (name, "other")))
    for make in calls:
        with pytest.raises(ArchitectureError, match="1 to 255 printable characters") as caught:
            make()
        assert str(caught.value).isprintable()
    assert Gene("größe", ("3 × 3", "µ", "")).choices[0] == "3 × 3"


def test_integer_choices_have_64_bits() -> None:
    assert len(Gene("g", (-(2**63), 2**63 - 1))) == 2
    for choice in (2**63, -(2**63) - 1, 10**4000):
        with pytest.raises(ArchitectureError, match="no 64-bit integer"):
            Gene("g", (0, choice))
