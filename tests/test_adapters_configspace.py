"""Spaces and architectures as ConfigSpace has them, against ConfigSpace itself."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from ConfigSpace import (
    CategoricalHyperparameter,
    ConfigurationSpace,
    OrdinalHyperparameter,
    UniformIntegerHyperparameter,
)

from anb_onnx import (
    FBNET,
    FCNET,
    HPOBENCH_MLP,
    MNASNET,
    NASBENCH201,
    OFA,
    Architecture,
    Block,
    Gene,
    encode,
    sample,
)
from anb_onnx.adapters import to_configspace, to_configurations
from anb_onnx.errors import ArchitectureError
from anb_onnx.spaces.space import SearchSpace

# What the reference's anb_eval/configspace/configspace.json says of each of its seven blocks.
REFERENCE = {
    "e": ((1, 4, 6), 1),
    "k": ((3, 5), 3),
    "l": ((1, 2, 3), 1),
    "se": ((True, False), False),
}


# Scales of words, of numbers that fall, and of one step.
WORDS = SearchSpace(
    "words",
    (
        Block(
            "all",
            (
                Gene("size", ("small", "large", "huge"), ordered=True),
                Gene("rate", (1.0, 0.1, 1e-05), ordered=True),
                Gene("one", (3,), ordered=True),
                Gene("flag", (False, True)),
            ),
        ),
    ),
)


def reference() -> Any:
    """The reference's space, by hand."""
    parts = []
    for block in range(7):
        for gene, (choices, default) in REFERENCE.items():
            listed = (1, 2, 3, 4) if (block, gene) == (5, "l") else choices
            parts.append((f"block{block}_{gene}", listed, default))
    space = ConfigurationSpace()
    space.add([CategoricalHyperparameter(n, list(c), default_value=d) for n, c, d in parts])
    return space


def test_the_space_is_the_references() -> None:
    ours, theirs = to_configspace(), reference()
    assert ours == theirs
    assert list(ours) == list(theirs) == list(MNASNET.gene_names)
    for name in theirs:
        # Equality of hyperparameters holds True == 1, and in any order: look at both.
        assert repr(ours[name].choices) == repr(theirs[name].choices)
        assert repr(ours[name].default_value) == repr(theirs[name].default_value)
    assert ours.get_default_configuration() == theirs.get_default_configuration()
    assert dict(ours.get_default_configuration())["block3_se"] == np.False_


@pytest.mark.parametrize(
    "space", [MNASNET, NASBENCH201, FBNET, OFA, FCNET, HPOBENCH_MLP, WORDS], ids=lambda s: s.name
)
def test_architectures_come_back_the_same(space: SearchSpace) -> None:
    config_space = to_configspace(space, seed=0)
    codes = sample(20, seed=0, space=space)
    there = to_configurations(codes, config_space, space)
    assert np.array_equal(encode(there, space), codes)
    drawn = config_space.sample_configuration(20)
    back = to_configurations([Architecture(c, space=space) for c in drawn], config_space, space)
    assert back == drawn
    for configuration in there:
        configuration.check_valid_configuration()


def test_ordered_genes_are_ordinals() -> None:
    made = to_configspace(FCNET)
    for gene in FCNET.genes:
        found = made[gene.name]
        if gene.ordered:
            assert isinstance(found, OrdinalHyperparameter)
            assert repr(tuple(found.sequence)) == repr(gene.choices)
        else:
            assert isinstance(found, CategoricalHyperparameter)
            assert tuple(found.choices) == gene.choices
        assert found.default_value == gene.choices[0]


def test_ordinals_and_categories_of_others_are_read_either_way() -> None:
    codes = sample(30, seed=2, space=FCNET)
    turned, plain = ConfigurationSpace(), ConfigurationSpace()
    for gene in FCNET.genes:
        turned.add(OrdinalHyperparameter(gene.name, list(gene.choices)[::-1]))
        plain.add(CategoricalHyperparameter(gene.name, list(gene.choices)))
    for config_space in (turned, plain):
        there = to_configurations(codes, config_space, FCNET)
        assert np.array_equal(encode(there, FCNET), codes)
        assert np.array_equal(encode([dict(c) for c in there], FCNET), codes)
        assert np.array_equal(encode(there[0], FCNET), codes[:1])


def test_choices_in_another_order_are_met_by_name() -> None:
    turned = ConfigurationSpace()
    for gene in MNASNET.genes:
        turned.add(CategoricalHyperparameter(gene.name, list(gene.choices)[::-1]))
    codes = sample(20, seed=1, space=MNASNET)
    assert np.array_equal(encode(to_configurations(codes, turned), MNASNET), codes)


def test_seeds_are_of_the_space_alone() -> None:
    first, second, other = (to_configspace(seed=s).sample_configuration(5) for s in (3, 3, 4))
    assert first == second != other


def test_no_architectures_are_no_configurations() -> None:
    assert to_configurations([], to_configspace()) == []


def test_other_genes_and_choices_are_refused() -> None:
    b0 = Architecture.from_index(0, space=MNASNET)
    larger = to_configspace()
    larger.add(CategoricalHyperparameter("width", [1, 2]))
    with pytest.raises(ArchitectureError, match="only config_space has 'width'"):
        to_configurations([b0], larger)
    with pytest.raises(ArchitectureError, match="only search space 'mnasnet' has 'block0_e'"):
        to_configurations([b0], ConfigurationSpace())
    # Who forgets the space is not told that there are too few codes of MnasNet's.
    of_another = to_configspace(FCNET)
    with pytest.raises(ArchitectureError, match=r"of 'mnasnet', no others \(space= names"):
        to_configurations(sample(2, seed=0, space=FCNET), of_another)
    with pytest.raises(ArchitectureError, match="of categories and ordinals, not 3"):
        to_configurations([b0], 3)
    wrong = ConfigurationSpace()
    for gene in MNASNET.genes:
        choices = [3, 7] if gene.name == "block1_k" else list(gene.choices)
        wrong.add(CategoricalHyperparameter(gene.name, choices))
    with pytest.raises(ArchitectureError, match=r"'block1_k': the choices are 3, 5, those of"):
        to_configurations([b0], wrong)
    ranged = ConfigurationSpace({"block0_e": UniformIntegerHyperparameter("block0_e", 1, 6)})
    with pytest.raises(ArchitectureError, match="of categories"):
        to_configurations([b0], ranged)
    with pytest.raises(ArchitectureError, match="pass a SearchSpace"):
        to_configspace("mnasnet")  # type: ignore[arg-type]
