"""The spaces that come with the package: what they hold, and how their own literature spells it."""

from __future__ import annotations

import doctest
import pickle
import random
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from measured_data import need_data

import anb_onnx
import anb_onnx.spaces.nasbench201
from anb_onnx.encoding.encoding import indices_to_codes
from anb_onnx.errors import ArchitectureError
from anb_onnx.spaces.architecture import Architecture
from anb_onnx.spaces.fbnet import FBNET
from anb_onnx.spaces.fcnet import FCNET
from anb_onnx.spaces.hpobench_mlp import HPOBENCH_MLP
from anb_onnx.spaces.mnasnet import MNASNET
from anb_onnx.spaces.nasbench201 import (
    NASBENCH201,
    benchmark_indices_to_codes,
    codes_to_benchmark_indices,
    from_arch_string,
    from_benchmark_index,
    to_arch_string,
    to_benchmark_index,
)
from anb_onnx.spaces.ofa import OFA
from anb_onnx.spaces.ready import READY, interned, is_ready_made, ready_made
from anb_onnx.spaces.space import SearchSpace

RESNET = "|nor_conv_3x3~0|+|none~0|nor_conv_3x3~1|+|skip_connect~0|none~1|avg_pool_3x3~2|"


def test_they_go_by_name_and_are_one_object() -> None:
    assert list(READY) == ["mnasnet", "nasbench201", "fbnet", "ofa", "fcnet", "hpobench_mlp"]
    for name, attribute in READY.items():
        space = ready_made(name)
        assert space is getattr(anb_onnx, attribute)
        assert space.name == name
        again = SearchSpace.from_json(space.to_json())
        assert again is not space
        assert interned(again) is space
        arch = pickle.loads(pickle.dumps(Architecture.from_index(7, space=again)))
        assert arch.space is space
        assert eval(repr(arch), {"Architecture": Architecture, attribute: space}) == arch
    assert ready_made("random") is None


def test_the_name_alone_does_not_make_a_space_a_ready_made_one() -> None:
    other = SearchSpace("mnasnet", NASBENCH201.blocks)
    assert not is_ready_made(other)
    assert interned(other) is other
    arch = Architecture.from_index(7, space=other)
    assert pickle.loads(pickle.dumps(arch)) == arch
    assert "<SearchSpace 'mnasnet'>" in repr(arch)


def test_nasbench201_has_six_edges_of_five_operations() -> None:
    assert NASBENCH201.size == 15_625
    assert NASBENCH201.gene_names == (
        "edge_1_0",
        "edge_2_0",
        "edge_2_1",
        "edge_3_0",
        "edge_3_1",
        "edge_3_2",
    )
    assert {gene.choices for gene in NASBENCH201.genes} == {
        ("none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3")
    }


def test_fbnet_has_more_architectures_than_64_bits_count() -> None:
    assert FBNET.size == 9**22 > 2**64
    assert FBNET.n_blocks == FBNET.n_genes == 22
    assert {len(gene) for gene in FBNET.genes} == {9}
    assert {gene.choices[8] for gene in FBNET.genes} == {"skip"}


def test_once_for_all_has_layers_that_may_be_dead() -> None:
    assert OFA.size == 25 * 3**5 * 9**20 > 2**64
    assert OFA.block_sizes == (25, *[3] * 5, *[9] * 20)
    assert OFA.gene_names[:8] == (
        "resolution",
        *(f"depth_{u}" for u in range(5)),
        "kernel_0_0",
        "expansion_0_0",
    )
    assert OFA.genes[0].choices[:2] == (128, 132)
    assert OFA.genes[0].choices[-1] == 224
    last = Architecture.from_codes([0] * 45 + [1], space=OFA)
    assert last["expansion_4_3"] == 4


def test_fcnet_has_the_order_of_the_measurements() -> None:
    assert FCNET.size == 62_208
    seeds = need_data("seeds") / "seeds"
    with np.load(seeds / "fcnet_hpolib.npz") as data:
        assert tuple(data["genes"]) == FCNET.gene_names
        codes = data["codes"]
        size = data["protein_structure__model_size"][:, 0]
        seconds = data["slice_localization__train_time"].mean(axis=1)
    assert np.array_equal(indices_to_codes(np.arange(FCNET.size), FCNET), codes)
    one, two = (np.array(FCNET.genes[place].choices)[codes[:, place]] for place in (7, 8))
    # Nine inputs, two hidden layers, one output, the weights and biases of each.
    inputs = 9
    assert np.array_equal(size, (inputs + 1) * one + (one + 1) * two + two + 1)
    means = [seconds[codes[:, 2] == code].mean() for code in range(4)]
    assert means == sorted(means, reverse=True)
    assert [gene.name for gene in FCNET.genes if not gene.ordered] == [
        "activation_fn_1",
        "activation_fn_2",
        "lr_schedule",
    ]


def test_hpobench_mlp_has_the_order_of_the_measurements() -> None:
    assert HPOBENCH_MLP.size == 30_000
    assert all(gene.ordered for gene in HPOBENCH_MLP.genes)
    # The values are decimals of float32 on geometric grids.
    for name, least in (("alpha", 1e-8), ("learning_rate_init", 1e-5)):
        choices = np.array(HPOBENCH_MLP.genes[HPOBENCH_MLP.positions[name]].choices)
        grid = np.geomspace(least, 1, 10)
        assert np.array_equal(choices.astype(np.float32), grid.astype(np.float32))
    seeds = need_data("seeds") / "seeds"
    with np.load(seeds / "hpobench_mlp.npz") as data:
        assert tuple(data["genes"]) == HPOBENCH_MLP.gene_names
        codes, seconds = data["codes"], data["phoneme__train_time"].mean(axis=1)
    assert np.array_equal(indices_to_codes(np.arange(HPOBENCH_MLP.size), HPOBENCH_MLP), codes)
    for place, sign in ((1, -1), (2, 1), (4, 1)):
        means = [sign * seconds[codes[:, place] == c].mean() for c in range(codes[:, place].max())]
        assert means == sorted(means)


def test_an_architecture_string_names_the_edges_of_node_after_node() -> None:
    arch = from_arch_string(RESNET)
    assert dict(arch) == {
        "edge_1_0": "nor_conv_3x3",
        "edge_2_0": "none",
        "edge_2_1": "nor_conv_3x3",
        "edge_3_0": "skip_connect",
        "edge_3_1": "none",
        "edge_3_2": "avg_pool_3x3",
    }
    assert to_arch_string(arch) == to_arch_string(dict(arch)) == RESNET


@given(st.integers(0, 15_624))
def test_architecture_strings_round_trip(index: int) -> None:
    arch = Architecture.from_index(index, space=NASBENCH201)
    assert from_arch_string(to_arch_string(arch)) == arch


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "'|op~0|+|op~0|op~1|+|op~0|op~1|op~2|', not None"),
        ("", "is '|op~0|"),
        ("|none~0|", "is '|op~0|"),
        (RESNET[1:], "is '|op~0|"),
        (RESNET + "|", "is '|op~0|"),
        ("|" + RESNET, "is '|op~0|"),
        (RESNET.replace("~1", "~0"), "is '|op~0|"),
        (RESNET.replace("+", ""), "is '|op~0|"),
        (RESNET.replace("|+|", "|", 1), "is '|op~0|"),
        (
            RESNET.replace("avg_pool_3x3", "max_pool_3x3"),
            "gene 'edge_3_2': 'max_pool_3x3' is not allowed; choose from 'none', 'skip_connect', ",
        ),
    ],
)
def test_other_strings_are_refused(text: Any, message: str) -> None:
    with pytest.raises(ArchitectureError) as caught:
        from_arch_string(text)
    assert message in str(caught.value)


def test_an_architecture_string_is_of_nasbench201_only() -> None:
    with pytest.raises(ArchitectureError, match="unknown gene"):
        to_arch_string(anb_onnx.efficientnet_b0())


#: Published with the benchmark: the first line of its list of architectures, and of others' tests.
NUMBERED = {
    0: "|avg_pool_3x3~0|+|nor_conv_1x1~0|skip_connect~1|+"
    "|nor_conv_1x1~0|skip_connect~1|skip_connect~2|",
    1: "|nor_conv_3x3~0|+|nor_conv_3x3~0|avg_pool_3x3~1|+"
    "|skip_connect~0|nor_conv_3x3~1|skip_connect~2|",
}


@pytest.mark.parametrize(("number", "text"), NUMBERED.items())
def test_the_benchmark_counts_architectures_in_its_own_order(number: int, text: str) -> None:
    arch = from_benchmark_index(number)
    assert to_arch_string(arch) == text
    assert arch.index != number
    assert to_benchmark_index(from_arch_string(text)) == number


def test_the_order_of_the_benchmark_is_that_of_pythons_shuffle() -> None:
    """The very statements of the benchmark's authors, on the same list."""
    order = list(range(NASBENCH201.size))
    random.seed(88)
    random.shuffle(order)
    codes = benchmark_indices_to_codes(np.arange(NASBENCH201.size))
    assert anb_onnx.codes_to_indices(codes, space=NASBENCH201).tolist() == order
    assert np.array_equal(codes_to_benchmark_indices(codes), np.arange(NASBENCH201.size))


@pytest.mark.parametrize("index", [-1, 15_625, 2**70])
def test_numbers_that_the_benchmark_has_not_are_refused(index: int) -> None:
    with pytest.raises(ArchitectureError, match="out of range; allowed are 0 to 15624"):
        from_benchmark_index(index)
    with pytest.raises(ArchitectureError, match="row 1: index"):
        benchmark_indices_to_codes(np.array([0, index]))


@pytest.mark.parametrize("wrong", [np.array([0.0]), np.array([[0]]), [0], "0", None])
def test_what_are_no_numbers_of_the_benchmark_is_refused(wrong: Any) -> None:
    with pytest.raises(ArchitectureError):
        benchmark_indices_to_codes(wrong)
    with pytest.raises(ArchitectureError, match="is an integer"):
        from_benchmark_index(wrong)


def test_numbers_of_codes_out_of_range_are_refused() -> None:
    with pytest.raises(ArchitectureError, match="row 0, gene 'edge_3_2': code 5"):
        codes_to_benchmark_indices(np.array([[0, 0, 0, 0, 0, 5]], np.uint8))


def test_codes_are_in_the_order_of_the_data_sets() -> None:
    """A row of the published codes means the same here: 1x1 after skip, 8 is FBNet's skip."""
    assert Architecture.from_codes(np.array([4, 3, 2, 1, 0, 3]), space=NASBENCH201)["edge_2_1"] == (
        "nor_conv_1x1"
    )
    assert set(Architecture.from_codes([8] * 22, space=FBNET).values()) == {"skip"}
    assert MNASNET.genes[3].choices == (True, False)


def test_the_examples_in_the_docstrings_run() -> None:
    results = doctest.testmod(anb_onnx.spaces.nasbench201)
    assert results.attempted > 0
    assert results.failed == 0
