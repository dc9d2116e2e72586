"""Random forests, and what they predict in plain Python."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from anb_export.models.forest import Forest, Tree

N_GENES = 28


def random_tree(
    rng: np.random.Generator, depth: int, scale: float = 1.0, n_features: int = N_GENES
) -> Tree:
    """A tree of at most `depth` levels, whose root is a branch unless depth is 0."""
    feature: list[int] = []
    threshold: list[float] = []
    left: list[int] = []
    right: list[int] = []
    value: list[float] = []

    def grow(level: int) -> int:
        node = len(feature)
        for column in (feature, threshold, left, right, value):
            column.append(-1)
        if level == depth or (level > 0 and rng.random() < 0.25):
            value[node] = float(rng.normal(0, scale))
            feature[node] = 0
            return node
        feature[node] = int(rng.integers(n_features))
        threshold[node] = float(rng.integers(1, 4)) - 0.5
        left[node] = grow(level + 1)
        right[node] = grow(level + 1)
        return node

    grow(0)
    return Tree(
        np.array(feature),
        np.array(threshold),
        np.array(left),
        np.array(right),
        np.array(value),
    )


def random_forest(
    n_trees: int,
    *,
    seed: int = 0,
    depth: int = 5,
    base_score: float = 3.25,
    scale: float = 1.0,
    n_features: int = N_GENES,
) -> Forest:
    rng = np.random.default_rng(seed)
    trees = [random_tree(rng, depth, scale, n_features) for _ in range(n_trees)]
    return Forest.from_trees(
        trees, base_score=base_score, n_features=n_features, objective="made up"
    )


def leaves(forest: Forest, codes: Any) -> list[float]:
    """Leaf of each tree for one architecture."""
    found = []
    for root in forest.roots.tolist():
        node = root
        while forest.left[node] >= 0:
            goes_left = codes[forest.feature[node]] < forest.threshold[node]
            node = int(forest.left[node] if goes_left else forest.right[node])
        found.append(float(forest.value[node]))
    return found


def exact_sum(forest: Forest, codes: Any) -> float:
    """The correctly rounded sum of leaves and base score."""
    return math.fsum([forest.base_score, *leaves(forest, codes)])
