"""Small search spaces, trees written by hand, and pair-limited boosters for the tests."""

from __future__ import annotations

import json
from collections.abc import Sequence
from itertools import combinations, product
from typing import Any, TypeAlias

import numpy as np
import xgboost as xgb
from anb_export.models.forest import Forest

from anb_onnx.spaces.space import Block, Gene, SearchSpace

#: A leaf, or (gene, threshold, left, right): left is taken where code < threshold.
Tree: TypeAlias = "float | tuple[int, float, Tree, Tree]"


def space_of(*blocks: Sequence[int]) -> SearchSpace:
    """The space whose blocks have genes of these sizes."""
    return SearchSpace(
        "hand-made",
        tuple(
            Block(f"block{b}", tuple(Gene(f"g{b} {k}", tuple(range(n))) for k, n in enumerate(ns)))
            for b, ns in enumerate(blocks)
        ),
    )


def all_codes(space: SearchSpace) -> np.ndarray:
    rows = list(product(*(range(len(gene)) for gene in space.genes)))
    return np.array(rows, dtype=np.uint8)


def symbols_of(codes: np.ndarray, space: SearchSpace) -> np.ndarray:
    """Rank of each block's codes among all combinations, listed in lexicographic order."""
    columns, start = [], 0
    for block in space.blocks:
        stop = start + len(block.genes)
        every = list(product(*(range(len(gene)) for gene in block.genes)))
        rank = {combination: k for k, combination in enumerate(every)}
        columns.append([rank[tuple(row)] for row in codes[:, start:stop].tolist()])
        start = stop
    return np.array(columns, dtype=np.int64).T.reshape(len(codes), space.n_blocks)


def forest_of(
    trees: Sequence[Tree], n_features: int, base: float = 0.0, *, children_first: bool = False
) -> Forest:
    """Return the trees as a forest, nodes numbered in preorder, or children before parents."""
    columns: list[list[Any]] = []
    roots = []
    for tree in trees:
        start = len(columns)
        _append(tree, columns)
        if children_first:  # the root has to stay the first; the others turn round
            n = len(columns) - start
            place = {-1: -1, start: start}
            place |= {start + k: start + n - k for k in range(1, n)}
            nodes = columns[start:]
            del columns[start:]
            moved: dict[int, list[Any]] = {}
            for k, (feature, threshold, left, right, value) in enumerate(nodes):
                moved[place[start + k]] = [feature, threshold, place[left], place[right], value]
            columns += [moved[start + k] for k in range(n)]
        roots.append(start)
    feature, threshold, left, right, value = (list(c) for c in zip(*columns, strict=True))
    return Forest(
        feature=np.array(feature, dtype=np.int32),
        threshold=np.array(threshold, dtype=np.float32),
        left=np.array(left, dtype=np.int32),
        right=np.array(right, dtype=np.int32),
        value=np.array(value, dtype=np.float32),
        default_left=np.zeros(len(columns), dtype=np.bool_),
        roots=np.array(roots, dtype=np.int32),
        base_score=base,
        n_features=n_features,
        objective="reg:squarederror",
    )


def _append(tree: Tree, columns: list[list[Any]]) -> int:
    place = len(columns)
    if not isinstance(tree, tuple):
        columns.append([-1, 0.0, -1, -1, tree])
        return place
    gene, threshold, left, right = tree
    columns.append([gene, threshold, -1, -1, 0.0])
    columns[place][2] = _append(left, columns)
    columns[place][3] = _append(right, columns)
    return place


def leaf_of(tree: Tree, codes: Sequence[int]) -> float:
    while isinstance(tree, tuple):
        gene, threshold, left, right = tree
        tree = left if codes[gene] < threshold else right
    return float(tree)


def genes_of_pairs(space: SearchSpace) -> list[list[int]]:
    ends = np.cumsum([len(block.genes) for block in space.blocks]).tolist()
    genes = [
        list(range(end - len(block.genes), end))
        for block, end in zip(space.blocks, ends, strict=True)
    ]
    return [genes[a] + genes[b] for a, b in combinations(range(space.n_blocks), 2)]


def labels_of(codes: np.ndarray, seed: int = 0) -> np.ndarray:
    """Standardised labels in which all genes interact, with some noise."""
    rng = np.random.default_rng([11, seed])
    x = codes.astype(float)
    n = x.shape[1]
    y = x @ rng.normal(size=n) + ((x @ rng.normal(size=(n, 6))) ** 2).sum(axis=1) / 6
    y += np.std(y) * 0.1 * rng.normal(size=len(y))
    standardised: np.ndarray = (y - y.mean()) / y.std()
    return standardised


def booster_of(
    codes: np.ndarray,
    labels: np.ndarray,
    space: SearchSpace,
    *,
    rounds: int,
    constrained: bool = True,
    **params: Any,
) -> Any:
    """Train on all rows, mixing two blocks per path at most unless not `constrained`."""
    if constrained:
        params["interaction_constraints"] = json.dumps(genes_of_pairs(space))
    matrix = xgb.DMatrix(codes.astype(np.float32), label=labels, nthread=1)
    settings = {"nthread": 1, "tree_method": "hist", "base_score": 0.0, "seed": 1, **params}
    return xgb.train(settings, matrix, rounds)


def predict(booster: Any, codes: np.ndarray) -> np.ndarray:
    """xgboost's own prediction, in float32 arithmetic."""
    return np.asarray(booster.predict(xgb.DMatrix(codes.astype(np.float32), nthread=1)), float)
