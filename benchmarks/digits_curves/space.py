"""The joint space as a value of the runtime, for surrogates, searches and other tools."""

from __future__ import annotations

from anb_onnx.spaces.space import Block, Gene, SearchSpace
from benchmarks.digits_curves.genes import GENES, is_ordered

DIGITS = SearchSpace(
    "digits",
    tuple(
        Block(name, (Gene(name, choices, ordered=is_ordered(choices)),))
        for name, choices in GENES.items()
    ),
)
"""11 blocks of one gene each, in the order of the file's columns; choices in the order of its
codes; numbers are ordered; 290,304 configurations."""
