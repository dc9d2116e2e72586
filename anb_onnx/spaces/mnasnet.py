"""The space of Accel-NASBench: MnasNet-style networks, EfficientNet-B0 among them.

Seven blocks with four genes each: expansion ratio, kernel size, number of layers and
squeeze-and-excitation. Source: Accel-NASBench (arXiv 2404.08005), whose codes these are; the space
is that of MnasNet (Tan et al., CVPR 2019).

The reference names an architecture by four lists, one value per block. They are a spelling of this
space alone; in general an architecture is the values of its genes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from anb_onnx.spaces.architecture import Architecture
from anb_onnx.spaces.own_spellings import LISTS, NAMED, lists_values
from anb_onnx.spaces.space import Block, Choice, Gene, SearchSpace

__all__ = ["LISTS", "MNASNET", "efficientnet_b0", "from_lists", "to_lists"]


def _mnasnet() -> SearchSpace:
    blocks = []
    for number in range(7):
        name = f"block{number}"
        layers = (1, 2, 3, 4) if number == 5 else (1, 2, 3)
        genes = (
            Gene(f"{name}_e", (1, 4, 6)),
            Gene(f"{name}_k", (3, 5)),
            Gene(f"{name}_l", layers),
            Gene(f"{name}_se", (True, False)),
        )
        blocks.append(Block(name, genes))
    return SearchSpace("mnasnet", tuple(blocks))


MNASNET = _mnasnet()
"""The search space of Accel-NASBench: 7 blocks, 28 genes, 104,485,552,128 architectures."""


def efficientnet_b0() -> Architecture:
    """Return EfficientNet-B0 as a member of `MNASNET`.

    Examples
    --------
    >>> arch = efficientnet_b0()
    >>> arch["block1_k"], arch.index
    (3, 2169626640)
    """
    return from_lists(**NAMED["efficientnet-b0"])


def from_lists(
    expansion: Sequence[int],
    kernel: Sequence[int],
    layers: Sequence[int],
    se: Sequence[bool | str],
) -> Architecture:
    """Return the member of `MNASNET` that the reference's four lists name.

    Parameters
    ----------
    expansion, kernel, layers : sequence of int
        One value per block; a list, tuple or array [7].
    se : sequence of bool
        Squeeze-and-excitation per block; the strings "True" and "False" are accepted too.

    Raises
    ------
    ArchitectureError
        If a list is not a sequence of one value per block, or a value is not one of its choices.

    Examples
    --------
    >>> from_lists([1] * 7, [3] * 7, [1] * 7, [True] * 7).index
    0
    """
    given = {"expansion": expansion, "kernel": kernel, "layers": layers, "se": se}
    return Architecture(lists_values(given), space=MNASNET)


def to_lists(arch: Mapping[str, Choice]) -> dict[str, list[Choice]]:
    """Return the four lists of a member of `MNASNET`, as `from_lists` takes them.

    Raises
    ------
    ArchitectureError
        If it is no member of `MNASNET`.

    Examples
    --------
    >>> to_lists(efficientnet_b0())["kernel"]
    [3, 3, 5, 3, 5, 5, 3]
    """
    arch = Architecture(arch, space=MNASNET)
    return {key: [arch[name] for name in _genes(key)] for key in LISTS}


def _genes(key: str) -> list[str]:
    return [f"{block.name}_{LISTS[key]}" for block in MNASNET.blocks]
