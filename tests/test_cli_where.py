"""Conditions on the command line: what is one, and what is said of all that is none."""

from __future__ import annotations

from typing import Any

import pytest
from test_cli_spaces import AWKWARD

from anb_onnx import FCNET, MNASNET, NASBENCH201, SearchSpace
from anb_onnx.cli.where import number, parse_genes, parse_where
from anb_onnx.errors import ArchitectureError, ExactError

GENES = NASBENCH201.gene_names
KINDS = NASBENCH201.genes[0].choices


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("latency<=5", ("latency", "<=", 5.0)),
        (" latency  >=  -1.5e-3 ", ("latency", ">=", -0.0015)),
        ("a<=b<=.5", ("a<=b", "<=", 0.5)),
        ("x y>=+7.", ("x y", ">=", 7.0)),
    ],
)
def test_conditions(text: str, meant: tuple[str, str, float]) -> None:
    assert parse_where(text) == meant


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("latency", "there is no operator in it"),
        ("", "there is no operator in it"),
        ("latency<5", "'<' is no operator here (give '<=')"),
        ("latency>5", "'>' is no operator here (give '>=')"),
        ("latency=5", "'=' is no operator here; write TARGET<=VALUE"),
        ("latency==5", "'==' is no operator here; write"),
        ("latency=<5", "'=<' is no operator here (give '<=')"),
        ("latency≤5", "'≤' is no operator here (give '<=')"),
        ("latency≥5", "'≥' is no operator here (give '>=')"),
        ("<=5", "a target is missing before '<='"),
        ("latency<=", "the value must be a decimal number, as 5 or 68.2, not ''"),
        ("latency<=5 ms", "leave 'ms' out: values are in the target's own unit"),
        ("accuracy>=68%", "leave '%' out"),
        ("latency<=5,5", "a dot separates decimals, and nothing groups digits"),
        ("latency<=1_000", "nothing groups digits"),
        ("latency<=nan", "not 'nan'"),
        ("latency<=inf", "not 'inf'"),
        ("latency<=0x10", "leave 'x10' out"),
        ("latency<=٥", "must be a decimal number"),
        ("latency<=5\N{NO-BREAK SPACE}", "must be a decimal number"),
        ("latency<=1e999", "'1e999' is too large for a number"),
        ("latency<= - 5", "must be a decimal number"),
    ],
)
def test_what_is_no_condition_is_shown_with_what_is_allowed(text: str, words: str) -> None:
    with pytest.raises(ExactError) as caught:
        parse_where(text)
    assert words in str(caught.value)
    assert str(caught.value).startswith(f"--where {text!r}")


def test_a_number_of_any_length_is_read_at_once() -> None:
    assert number("1" + "0" * 300, "x") == 1e300
    with pytest.raises(ExactError, match="too large"):
        number("9" * 100_000, "x")


@pytest.mark.parametrize(
    ("space", "texts", "meant"),
    [
        (MNASNET, ["block0_k=3"], {"block0_k": [3]}),
        (
            MNASNET,
            ["block5_l = 3, 4", "block0_se=TRUE", "block1_se=0"],
            {"block5_l": [3, 4], "block0_se": [True], "block1_se": [False]},
        ),
        (MNASNET, ["block0_se=[false, true]"], {"block0_se": [False, True]}),
        (NASBENCH201, [f"{GENES[0]}={KINDS[0]},{KINDS[1]}"], {GENES[0]: [*KINDS[:2]]}),
        (AWKWARD, ["a, b=x,y"], {"a, b": ["x,y"]}),
        (AWKWARD, ['a, b=["x,y", "12", " spaced "]'], {"a, b": ["x,y", "12", " spaced "]}),
        (AWKWARD, ["a, b="], {"a, b": [""]}),
        (AWKWARD, ["a, b=12", f"c={2**53}"], {"a, b": ["12"], "c": [2**53]}),
        (FCNET, ["init_lr=5e-4, .001", "dropout_1=0"], {"init_lr": [5e-4, 1e-3], "dropout_1": [0]}),
        (FCNET, ["init_lr=[0.05]", "batch_size=8"], {"init_lr": [0.05], "batch_size": [8]}),
    ],
)
def test_values_of_genes(space: SearchSpace, texts: list[str], meant: dict[str, list[Any]]) -> None:
    found = parse_genes(texts, space)
    assert found == meant
    # Of floats a text is a float, whether it has a point or not.
    assert [type(v) for vs in found.values() for v in vs] == [
        float if "dropout" in name else type(v) for name, vs in meant.items() for v in vs
    ]


def test_what_is_no_float_of_a_gene() -> None:
    for text, words in (
        ("init_lr=0.0006", "0.0006 is not allowed; choose from 0.0005, 0.001, 0.005, 0.01, 0.05, "),
        ("init_lr=0.0006", "(the nearest is 0.0005)"),
        ("init_lr=nan", "'nan' is not allowed"),
        ("init_lr=1e999", "inf is not allowed"),
        ("init_lr=0,05", "0.0 is not allowed"),
    ):
        with pytest.raises(ArchitectureError) as caught:
            parse_genes([text], FCNET)
        assert words in str(caught.value)


@pytest.mark.parametrize(
    ("texts", "words"),
    [
        (["block0_k"], "write GENE=VALUE or GENE=VALUE,VALUE, as in --gene 'block0_e=1'"),
        (["block9_k=3"], "there is no gene 'block9_k'; the genes are block0_e, "),
        (["=3"], "there is no gene ''"),
        (["block0_k=7"], "gene 'block0_k': 7 is not allowed; choose from 3, 5"),
        (["block0_k=3,7"], "gene 'block0_k': 7 is not allowed"),
        (["block0_k=3,,5"], "gene 'block0_k': '' is not allowed"),
        (["block0_k="], "gene 'block0_k': '' is not allowed"),
        (["block0_k=[]"], "gene 'block0_k': an empty list is not allowed"),
        (["block0_k=[3"], "not a JSON list of values"),
        (["block0_k=[true]"], "gene 'block0_k': True is not allowed"),
        (["block0_k=" + "9" * 5000], "is not allowed"),
        (["block0_se=2"], "gene 'block0_se': '2' is not allowed; choose from True, False"),
        (["block0_k=3", "block0_k=5"], "gene 'block0_k' is given twice"),
    ],
)
def test_what_is_no_value_of_a_gene(texts: list[str], words: str) -> None:
    with pytest.raises(ArchitectureError) as caught:
        parse_genes(texts, MNASNET)
    assert words in str(caught.value)
    assert str(caught.value).startswith("--gene ")
