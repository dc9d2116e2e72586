"""A small space and objectives over it, for tests of searches."""

from __future__ import annotations

from typing import Any

import numpy as np

import anb_onnx
from anb_onnx import search
from anb_onnx.spaces.space import Block, Gene, SearchSpace

SMALL = SearchSpace(
    "small",
    (
        Block("a", (Gene("one", (7,)), Gene("p", (1, 2, 3)))),
        Block("b", (Gene("q", (1, 2, 3, 4)), Gene("r", (0, 5)), Gene("s", (1, 2, 3)))),
    ),
)


def rugged(space: SearchSpace, seed: int) -> Any:
    """Return an objective with many local optima: a random number for each architecture."""
    table = np.random.default_rng(seed).permutation(space.size).astype(float)
    return lambda codes: table[anb_onnx.codes_to_indices(codes, space)]


def smooth(codes: Any) -> Any:
    """Return an objective with one optimum, at the largest codes."""
    return codes.astype(float) @ (np.arange(codes.shape[1]) % 5 + 1.0)


def starts_with(long: search.History, short: search.History) -> bool:
    n = len(short)
    same = np.array_equal(long.codes[:n], short.codes)
    return same and np.array_equal(long.values[:n], short.values)
