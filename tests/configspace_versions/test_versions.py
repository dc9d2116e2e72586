"""Configurations of whichever release of ConfigSpace is installed: `make check-configspace`.

The reference of Accel-NASBench pins 0.6.1, where the keys of a Configuration are a list and its
ConfigurationSpace has other methods. Needs nothing but ConfigSpace and what the runtime needs.
"""

from __future__ import annotations

import os
import warnings
from typing import Any

import ConfigSpace
import pytest

import anb_onnx
from anb_onnx import FCNET, MNASNET, Architecture, ArchitectureError, encode
from anb_onnx.compat import Configuration as OwnConfiguration
from anb_onnx.compat import Ensemble
from anb_onnx.spaces.mnasnet import from_lists

warnings.simplefilter("ignore")
#: The release that this environment is for; says so where pip took another.
WANTED = os.environ.get("ANB_CONFIGSPACE", "")


def _space(**changes: Any) -> Any:
    """Return the reference's space, made as it makes it: by hand."""
    made = ConfigSpace.ConfigurationSpace(seed=3)
    add = getattr(made, "add_hyperparameter", None) or made.add
    for gene in MNASNET.genes:
        choices = changes.get(gene.name, list(gene.choices))
        add(ConfigSpace.CategoricalHyperparameter(gene.name, choices))
    return made


def _read(configurations: Any) -> list[list[int]]:
    """Return the codes by the values that one asks for by name, one by one."""
    return [
        [gene.choices.index(configuration[gene.name]) for gene in MNASNET.genes]
        for configuration in configurations
    ]


DRAWN = _space().sample_configuration(20)
CODES = _read(DRAWN)


def test_this_is_the_release_that_is_meant() -> None:
    from importlib.metadata import version

    assert WANTED in ("", "newest") or version("ConfigSpace") == WANTED


@pytest.mark.parametrize("n", [1, 3, 20])
def test_configurations_are_read_one_by_one_and_many(n: int) -> None:
    assert encode(DRAWN[:n], MNASNET).tolist() == CODES[:n]
    assert encode(DRAWN[n - 1], MNASNET).tolist() == [CODES[n - 1]]
    assert encode([*DRAWN[:n], "0"], MNASNET).tolist() == [*CODES[:n], [0] * 28]
    assert encode([dict(c) for c in DRAWN[:n]], MNASNET).tolist() == CODES[:n]


def test_queries_of_configurations() -> None:
    surrogate = anb_onnx.load("accuracy", engine="numpy")
    wanted = surrogate.query([Architecture.from_codes(row, space=MNASNET) for row in CODES]).mean
    assert surrogate.query(DRAWN).mean.tolist() == wanted.tolist()
    assert surrogate.query(DRAWN[0]).mean == wanted[0]
    found = anb_onnx.Benchmark([surrogate]).query(DRAWN)["accuracy"]
    assert found.mean.tolist() == wanted.tolist()
    assert Ensemble(surrogate, None).query(DRAWN)[0].tolist() == wanted.tolist()
    assert Ensemble(surrogate, None).query(DRAWN[0])[0].tolist() == wanted[:1].tolist()


def test_values_and_lists_of_configurations() -> None:
    for configuration, row in zip(DRAWN, CODES, strict=True):
        arch = Architecture(configuration, space=MNASNET)
        assert [*arch.codes] == row
        assert OwnConfiguration(configuration).architecture == arch
        lists = [
            [configuration[f"block{b}_{end}"] for b in range(7)] for end in ("e", "k", "l", "se")
        ]
        assert from_lists(*lists) == arch
        assert encode(lists, MNASNET).tolist() == [row]
        assert [*map(configuration.__getitem__, MNASNET.gene_names)] == [*arch.values()]


def test_what_is_no_architecture_is_named() -> None:
    odd = _space(block3_k=[3, 7]).sample_configuration(30)
    wrong = next(c for c in odd if c["block3_k"] == 7)
    with pytest.raises(ArchitectureError, match=r"gene 'block3_k': .*7.* is not allowed; ch"):
        encode(wrong, MNASNET)
    few = ConfigSpace.ConfigurationSpace(seed=3)
    add = getattr(few, "add_hyperparameter", None) or few.add
    add(ConfigSpace.CategoricalHyperparameter("block0_e", [1, 4, 6]))
    with pytest.raises(ArchitectureError, match="missing gene 'block0_k'"):
        encode(few.sample_configuration(), MNASNET)
    add(ConfigSpace.CategoricalHyperparameter("other", [1, 4, 6]))
    with pytest.raises(ArchitectureError, match="unknown gene 'other' and missing gene 'block0_k'"):
        Architecture(few.sample_configuration(), space=MNASNET)


def test_the_adapter_makes_spaces_and_configurations() -> None:
    from anb_onnx.adapters import to_configspace, to_configurations

    made = to_configspace(seed=1)
    drawn = made.sample_configuration(10)
    codes = encode(drawn, MNASNET)
    assert codes.tolist() == _read(drawn)
    for where in (made, _space()):
        again = to_configurations(codes, where)
        assert encode(again, MNASNET).tolist() == codes.tolist()
    with pytest.raises(ArchitectureError):
        to_configurations(codes, ConfigSpace.ConfigurationSpace())


def test_ordinals_and_floats() -> None:
    from anb_onnx.adapters import to_configspace, to_configurations

    made = to_configspace(FCNET, seed=1)
    drawn = made.sample_configuration(10)
    codes = encode(drawn, FCNET)
    assert codes.tolist() == [
        [gene.choices.index(configuration[gene.name]) for gene in FCNET.genes]
        for configuration in drawn
    ]
    again = to_configurations(codes, made, FCNET)
    assert encode(again, FCNET).tolist() == codes.tolist()
    assert encode([dict(c) for c in again], FCNET).tolist() == codes.tolist()
    assert encode(again[0], FCNET).tolist() == codes[:1].tolist()
