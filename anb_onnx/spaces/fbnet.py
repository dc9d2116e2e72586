"""The space of FBNet: 22 layers, one of nine candidate blocks in each.

Source: FBNet (Wu et al., CVPR 2019, arXiv 1812.03443), tables 1 and 2; candidates named and ordered
as by HW-NAS-Bench (Li et al., ICLR 2021): kernel size, expansion, and "g2" for convolutions in two
groups. It has 9**22 architectures, more than int64 holds: indices are Python integers.
"""

from __future__ import annotations

from anb_onnx.spaces.space import Block, Gene, SearchSpace

__all__ = ["FBNET", "OPERATIONS"]

#: What a layer may be, in the order of the codes.
OPERATIONS = (
    "k3_e1",
    "k3_e1_g2",
    "k3_e3",
    "k3_e6",
    "k5_e1",
    "k5_e1_g2",
    "k5_e3",
    "k5_e6",
    "skip",
)

FBNET = SearchSpace(
    "fbnet",
    tuple(Block(name, (Gene(name, OPERATIONS),)) for name in (f"layer_{i}" for i in range(22))),
)
"""22 blocks of one gene each, named ``"layer_0"`` to ``"layer_21"``; 9**22 architectures."""
