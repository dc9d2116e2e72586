"""Regimes: which architectures are inside, what their hinges do, and what is refused."""

from __future__ import annotations

import json
from dataclasses import replace
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from anb_onnx.encoding.encoding import codes_to_symbols
from anb_onnx.errors import ArtifactError
from anb_onnx.links import Link
from anb_onnx.regimes import Regime
from anb_onnx.spaces.architecture import Architecture, sample
from anb_onnx.spaces.mnasnet import MNASNET
from anb_onnx.spaces.space import Block, Gene, SearchSpace
from anb_onnx.tables import TableEnsemble
from anb_onnx.terms import Terms, all_pairs

FOUR_LAYERS = Regime("block5_l", (3,), ((1300.0, -0.75), (1340.0, 0.5)))
CODES = sample(3000, seed=55, space=MNASNET)


def test_four_layers_in_block_5() -> None:
    inside = FOUR_LAYERS.contains(CODES, MNASNET)
    wanted = [
        Architecture.from_codes(row, space=MNASNET).to_values()["block5_l"] == 4 for row in CODES
    ]
    assert inside.tolist() == wanted
    assert FOUR_LAYERS.describe(MNASNET) == "block5_l = 4"
    assert replace(FOUR_LAYERS, gene="block0_se", codes=(0, 1)).describe(MNASNET) == (
        "block0_se = True or False"
    )


@given(
    gene=st.sampled_from(MNASNET.gene_names), data=st.data(), rows=st.integers(0, len(CODES) - 1)
)
def test_symbols_tell_what_codes_tell(gene: str, data: st.DataObject, rows: int) -> None:
    size = MNASNET.gene_sizes[MNASNET.positions[gene]]
    codes = data.draw(st.sets(st.integers(0, size - 1), min_size=1).map(sorted).map(tuple))
    regime = Regime(gene, codes, ((1.0, 1.0),))
    block, of_symbol = regime.symbols(MNASNET)
    assert MNASNET.blocks[block].name == gene.split("_")[0]
    found = of_symbol[codes_to_symbols(CODES[:rows], MNASNET)[:, block]]
    np.testing.assert_array_equal(found, regime.contains(CODES[:rows], MNASNET))
    assert of_symbol.mean() == pytest.approx(len(codes) / size)


def by_rationals(link: Link, u: float, inside: bool) -> float:
    """The identity with hinges, every operation rounded by itself."""
    y = Fraction(u)
    for (knot, change), step in zip(link.bends, link.inverse_steps, strict=True):
        if step == "hinge" or inside:
            above = Fraction(float(y - Fraction(knot)))
            y = Fraction(float(y + Fraction(float(max(above, Fraction(0)) * Fraction(change)))))
    return float(y)


def test_hinges_of_a_regime_follow_those_of_the_link() -> None:
    link = Link("1", None, ((1000.0, 0.1), (1200.0, -0.3)), FOUR_LAYERS)
    assert link.inverse_steps == ("hinge", "hinge", "regime", "regime")
    assert link.bends == (*link.hinges, *FOUR_LAYERS.hinges)
    rng = np.random.default_rng(0)
    u = rng.uniform(700, 2000, (len(CODES), 2))
    found = link.inverse(u, CODES, MNASNET)
    inside = FOUR_LAYERS.contains(CODES, MNASNET)
    assert 0.2 < inside.mean() < 0.3
    for row in range(0, len(CODES), 7):
        wanted = [by_rationals(link, value, bool(inside[row])) for value in u[row]]
        assert found[row].tolist() == wanted
    # One value per architecture, as members come one by one.
    np.testing.assert_array_equal(link.inverse(u[:, 0], CODES, MNASNET), found[:, 0])
    np.testing.assert_array_equal(link.invert(u, inside), found)
    plain = replace(link, regime=None)
    np.testing.assert_array_equal(plain.inverse(u[~inside]), found[~inside])
    assert (plain.inverse(u[inside]) != found[inside]).mean() > 0.3


def test_infinite_predictions_stay_what_they_are_outside() -> None:
    """A product with 0 in place of the choice would make NaN of them."""
    regime = replace(FOUR_LAYERS, hinges=((1300.0, 0.5),))
    link = Link("1", None, (), regime)
    found = link.inverse(np.array([np.inf, -np.inf]), np.zeros((2, 28), np.uint8), MNASNET)
    assert found.tolist() == [np.inf, -np.inf]


def test_codes_are_needed() -> None:
    link = Link("-1", 80.0, (), FOUR_LAYERS)
    for invert in (link.inverse, link.invert):
        with pytest.raises(ArtifactError, match="its regime needs the codes of the architectures"):
            invert(np.ones(3))
    assert not link.is_identity
    assert not Link("1", None, (), FOUR_LAYERS).is_identity


def test_round_trip() -> None:
    link = Link("-1/2", None, ((1000.0, 0.1),), FOUR_LAYERS)
    document = json.loads(json.dumps(link.to_dict()))
    assert document["regime"] == {
        "gene": "block5_l",
        "codes": [3],
        "hinges": [[1300.0, -0.75], [1340.0, 0.5]],
    }
    assert document["inverse"] == ["square", "reciprocal", "hinge", "regime", "regime"]
    assert Link.from_dict(document) == link
    assert Link.from_dict({**document, "regime": {**document["regime"], "hinges": [[1, 2]] * 2}})
    assert "regime" not in Link().to_dict()
    assert hash(link) == hash(Link.from_dict(document))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"gene": ...}, "regime: must have gene, codes and hinges, found"),
        ({"codes": ...}, "regime: must have gene, codes and hinges"),
        ({"hinges": ...}, "regime: must have gene, codes and hinges"),
        ({"gene": 22}, "regime: gene must be the name of a gene, found 22"),
        ({"gene": ""}, "regime: gene must be the name"),
        ({"codes": 3}, "regime: codes must be a list of codes, found 3"),
        ({"codes": []}, r"regime: codes must be a tuple of ascending codes, found \(\)"),
        ({"codes": [3, 1]}, "ascending codes"),
        ({"codes": [1, 1]}, "ascending codes"),
        ({"codes": [-1]}, "ascending codes"),
        ({"codes": [256]}, "ascending codes"),
        ({"codes": [1.0]}, "ascending codes"),
        ({"codes": [True]}, "ascending codes"),
        ({"codes": ["3"]}, "ascending codes"),
        ({"hinges": 3}, "regime: malformed hinges"),
        ({"hinges": [3]}, "regime: malformed hinges"),
        ({"hinges": []}, "regime: at least one hinge is needed"),
        ({"hinges": [[1.0]]}, r"regime: a hinge is \(knot, change\)"),
        ({"hinges": [[1.0, -1.0]]}, "regime: a hinge is .* change > -1"),
        ({"hinges": [[1.0, -1.5]]}, "regime: a hinge is .* change > -1"),
        ({"hinges": [[3.5e38, 1.0]]}, "regime: a hinge is .* of at most 3.403e.38 in size"),
        ({"hinges": [[float("nan"), 1.0]]}, "regime: a hinge is"),
        ({"hinges": [["1", 1.0]]}, "regime: a hinge is"),
        ({"hinges": [[10**400, 1.0]]}, "regime: malformed hinges"),
        ({"hinges": [[1.0, 0.1]] * 65}, "regime: at most 64 hinges are allowed, found 65"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_hostile_regimes(change: dict[str, Any], message: str) -> None:
    regime = {**FOUR_LAYERS.to_dict(), **change}
    regime = {key: value for key, value in regime.items() if value is not ...}
    document = {**Link("1", None, (), FOUR_LAYERS).to_dict(), "regime": regime}
    with pytest.raises(ArtifactError, match=message):
        Link.from_dict(document)


def test_everything_up_to_its_limit_is_allowed() -> None:
    largest = float(np.finfo(np.float32).max)
    hinges = ((-largest, np.nextafter(-1.0, 0.0).item()), (largest, largest)) * 32
    regime = Regime("g", tuple(range(256)), hinges)
    assert (len(regime.hinges), regime.codes[-1]) == (64, 255)
    assert Regime.from_dict(json.loads(json.dumps(regime.to_dict()))) == regime


def test_steps_and_regime_must_agree() -> None:
    document = Link("1", None, (), FOUR_LAYERS).to_dict()
    for steps in ([], ["regime"], ["hinge", "regime"], ["regime"] * 3):
        with pytest.raises(ArtifactError, match=r"steps must be .*'regime'.* found"):
            Link.from_dict({**document, "inverse": steps})
    with pytest.raises(ArtifactError, match="steps must be"):
        Link.from_dict({key: value for key, value in document.items() if key != "regime"})
    wrong: tuple[Any, ...] = (None, 3, [], "block5_l")
    for regime in wrong:
        with pytest.raises(ArtifactError, match="regime: must have gene, codes and hinges"):
            Link.from_dict({**document, "regime": regime})
    with pytest.raises(ArtifactError, match="regime must be a Regime or None, found 'block5_l'"):
        Link(regime="block5_l")  # type: ignore[arg-type]


def test_a_regime_of_another_space_is_refused() -> None:
    entries = np.zeros((all_pairs(MNASNET).offsets[-1], 1), np.int32)
    for gene, code, message in (
        ("block7_l", 0, "gene 'block7_l' is not in search space 'mnasnet'; its genes are block0_e"),
        ("block4_l", 3, "code 3 of gene 'block4_l' is out of range; allowed are 0 to 2"),
        ("block5_l", 4, "code 4 of gene 'block5_l' is out of range; allowed are 0 to 3"),
        ("block6_se", 2, "code 2 of gene 'block6_se' is out of range; allowed are 0 to 1"),
    ):
        link = Link("1", None, (), Regime(gene, (code,), ((1.0, 1.0),)))
        with pytest.raises(ArtifactError, match=message):
            TableEnsemble(MNASNET, entries, 1.0, 0.0, link)
        with pytest.raises(ArtifactError, match=message):
            link.inverse(np.ones(1), CODES[:1], MNASNET)


def test_tables_know_the_regime_by_a_symbol() -> None:
    genes = (Gene("a", (1, 2)), Gene("b", ("x", "y", "z"))), (Gene("c", (True, False)),)
    space = SearchSpace("tiny", tuple(Block(f"k{i}", g) for i, g in enumerate(genes)))
    regime = Regime("b", (1, 2), ((2.5, 3.0),))
    entries = np.arange(12, dtype=np.int32)[:, None]
    ensemble = TableEnsemble(space, entries, 0.5, 0.0, Link("1", None, (), regime))
    symbols = np.array([(s, t) for s in range(6) for t in range(2)])
    mean, _, _ = ensemble.predict(symbols)
    # Code b of symbol s is s % 3; from 2.5 on, each half step counts four times.
    wanted = [k / 2 + (3 * (k / 2 - 2.5) if k / 2 > 2.5 and (k // 2) % 3 else 0) for k in range(12)]
    assert mean.tolist() == wanted


def test_a_regime_in_a_block_of_endless_symbols_is_refused_before_it_takes_memory() -> None:
    genes = tuple(Gene(f"g{k}", tuple(range(256))) for k in range(4))
    space = SearchSpace("big", (Block("huge", genes), Block("b", (Gene("g", (1, 2)),))))
    link = Link("1", None, (), Regime("g0", (1,), ((0.5, 0.5),)))
    with pytest.raises(ArtifactError, match="block 'huge' of gene 'g0' has 4294967296 symbols"):
        TableEnsemble(space, np.zeros((2, 1), np.int32), 1.0, 0.0, link, Terms(space, ((1,),)))
