"""The space of Once-for-all, MobileNetV3 version: five units of two to four layers, any of them.

Source: Once-for-All (Cai et al., ICLR 2020, arXiv 1908.09791): image resolution, depth of each
unit, kernel size and expansion of each layer. A unit of depth d uses the first d of its layers;
what the others would be changes nothing, but tells architectures apart, as it does in published
data sets. It has some 7e22 architectures, more than int64 holds: indices are Python integers.
"""

from __future__ import annotations

from anb_onnx.spaces.space import Block, Gene, SearchSpace

__all__ = ["DEPTHS", "EXPANSIONS", "KERNELS", "LAYERS", "OFA", "RESOLUTIONS", "UNITS"]

#: Choices of each kind of gene.
RESOLUTIONS = tuple(range(128, 225, 4))
DEPTHS = (2, 3, 4)
KERNELS = (3, 5, 7)
EXPANSIONS = (3, 4, 6)

#: Units, and layers of each.
UNITS = 5
LAYERS = 4


def _layer(unit: int, layer: int) -> Block:
    at = f"{unit}_{layer}"
    genes = (Gene(f"kernel_{at}", KERNELS), Gene(f"expansion_{at}", EXPANSIONS))
    return Block(f"layer_{at}", genes)


OFA = SearchSpace(
    "ofa",
    (
        Block("resolution", (Gene("resolution", RESOLUTIONS),)),
        *(Block(f"depth_{u}", (Gene(f"depth_{u}", DEPTHS),)) for u in range(UNITS)),
        *(_layer(u, i) for u in range(UNITS) for i in range(LAYERS)),
    ),
)
"""26 blocks of 46 genes: ``"resolution"``, ``"depth_0"`` to ``"depth_4"``, and ``"kernel_U_L"`` and
``"expansion_U_L"`` of layer L, 0 to 3, of unit U; 25 * 3**45 architectures."""
