"""An ensemble of trees as flat arrays, checked, with its exact prediction.

This is the exporter's own reading of a model: the compiler works on it, and everything that is
exported is verified against its float64 sum of leaves. Trees of xgboost are read in
`xgboost_document`, those of other libraries in `formats`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from anb_onnx.errors import AnbError

_INT32_MAX = np.iinfo(np.int32).max
#: Largest prediction: artifacts give float32.
_LARGEST = float(np.finfo(np.float32).max)


class ForestError(AnbError):
    """A model is damaged, or of a kind that cannot be exported exactly."""


@dataclass(frozen=True, eq=False)
class Tree:
    """One tree, not checked yet: children are positions in its own arrays, -1 at leaves.

    A row goes left if ``x[feature] < threshold``; all arrays are 1-D and of equal length. `stated`
    are the thresholds as the file has them, where `threshold` stands for them on integers only.
    """

    feature: NDArray[np.int64]
    threshold: NDArray[np.float64]
    left: NDArray[np.int64]
    right: NDArray[np.int64]
    value: NDArray[np.float64]
    stated: NDArray[np.float64] | None = None


@dataclass(frozen=True, eq=False)
class Forest:
    """Single-output regression trees; prediction = base_score + one leaf value per tree.

    At a branch, a row goes left if ``x[feature] < threshold`` in float32, as in xgboost.

    Attributes
    ----------
    feature : ndarray of int32, shape (n_nodes,)
        Feature a branch tests; -1 at leaves.
    threshold : ndarray of float32, shape (n_nodes,)
        Threshold of a branch; 0 at leaves.
    left, right : ndarray of int32, shape (n_nodes,)
        Children, as positions in these arrays; -1 at leaves.
    value : ndarray of float32 or float64, shape (n_nodes,)
        Value of a leaf; 0 at branches. xgboost's leaves are float32, those of others float64.
    default_left : ndarray of bool, shape (n_nodes,)
        Where missing values go. Architectures have none, so nothing here follows it.
    roots : ndarray of int32, shape (n_trees,)
        First node of each tree; the tree's nodes end where the next tree's begin.
    base_score : float
        The constant that is added to the leaves; a float32 in models of xgboost.
    n_features : int
        Number of features the model was trained on.
    objective : str
        Training objective, for xgboost one of `xgboost_document.OBJECTIVES`.
    stated : ndarray of float64, shape (n_nodes,), or None
        Thresholds as the file has them, if others than `threshold`: evidence of what the model was
        trained on (`trained_on`). Nothing computes with them.
    divided : ndarray of bool, shape (n_nodes,), or None
        Branches that sent rows of the training both ways; None if the file does not tell. Evidence,
        too.
    """

    feature: NDArray[np.int32]
    threshold: NDArray[np.float32]
    left: NDArray[np.int32]
    right: NDArray[np.int32]
    value: NDArray[np.float32] | NDArray[np.float64]
    default_left: NDArray[np.bool_]
    roots: NDArray[np.int32]
    base_score: float
    n_features: int
    objective: str
    stated: NDArray[np.float64] | None = None
    divided: NDArray[np.bool_] | None = None

    @property
    def n_trees(self) -> int:
        """Number of trees."""
        return len(self.roots)

    @property
    def n_nodes(self) -> int:
        """Number of nodes of all trees."""
        return len(self.feature)

    @classmethod
    def from_trees(
        cls,
        trees: Sequence[Tree],
        *,
        base_score: float,
        n_features: int,
        objective: str,
    ) -> Forest:
        """Join the trees of a model of another library.

        Parameters
        ----------
        trees : sequence of Tree
            In the order of their sum.
        base_score : float
        n_features : int
        objective : str
            What the model was trained for, in the words of its library.

        Raises
        ------
        ForestError
            If there are no trees, or one is no tree or holds a number that is not finite; names
            the tree and the node.
        """
        if not trees:
            refuse("the model holds no trees")
        flat = {key: np.concatenate([getattr(t, key) for t in trees]) for key in _TREE_KEYS}
        counts = np.array([len(tree.left) for tree in trees], dtype=np.int64)
        if not np.isfinite(base_score):
            refuse(f"the base score must be finite, found {base_score}")
        forest = build_forest(
            counts,
            **flat,
            default_left=np.zeros(len(flat["left"]), dtype=np.bool_),
            base_score=base_score,
            n_features=n_features,
            objective=objective,
        )
        stated = [tree.threshold if tree.stated is None else tree.stated for tree in trees]
        return replace(forest, stated=np.concatenate(stated))

    def first(self, n_trees: int) -> Forest:
        """Return the forest of the first `n_trees` trees.

        Raises
        ------
        ForestError
            If there are not as many.
        """
        if not 1 <= n_trees <= self.n_trees:
            refuse(f"{n_trees} trees are wanted, the model has {self.n_trees}")
        return self._slice(0, n_trees)

    def parts(self, most_nodes: int) -> Iterator[Forest]:
        """Cut between trees into forests of at most `most_nodes` nodes (or of one larger tree).

        Their leaves add up to those of the whole; each has the base score, to be added once.
        """
        ends = np.append(self.roots[1:], self.n_nodes).astype(np.int64)
        start = 0
        while start < self.n_trees:
            limit = int(self.roots[start]) + most_nodes
            stop = max(start + 1, int(np.searchsorted(ends, limit, side="right")))
            yield self._slice(start, stop)
            start = stop

    def _slice(self, start: int, stop: int) -> Forest:
        if (start, stop) == (0, self.n_trees):
            return self
        begin = int(self.roots[start])
        end = int(self.roots[stop]) if stop < self.n_trees else self.n_nodes
        kept = {
            column: getattr(self, column)[begin:end]
            for column in ("feature", "threshold", "value", "default_left")
        }
        for column in ("left", "right"):
            child = getattr(self, column)[begin:end]
            kept[column] = np.where(child < 0, child, child - np.int32(begin))
        for column in ("stated", "divided"):
            if getattr(self, column) is not None:
                kept[column] = getattr(self, column)[begin:end]
        return replace(self, roots=self.roots[start:stop] - np.int32(begin), **kept)

    def reached(self) -> NDArray[np.bool_]:
        """Return which nodes can be reached: bool [n_nodes]; xgboost leaves pruned ones behind."""
        return _visits(
            self.left.astype(np.int64), self.right.astype(np.int64), self.roots.astype(np.int64)
        ).astype(np.bool_)

    def predict_exact(self, codes: NDArray[np.uint8]) -> NDArray[np.float64]:
        """Sum the leaves in float64.

        Parameters
        ----------
        codes : ndarray of uint8, shape (n, n_features)

        Returns
        -------
        ndarray of float64, shape (n,)
            Leaf values added in the order of the trees, then the base score. "Exact" is meant
            against float32: every addition rounds to float64, so another order of the trees can
            change the last bits. The accumulated rounding is below ``n_trees * 2**-53`` of the sum
            of absolute leaf values.
        """
        # numba is slow to import: only when it computes
        from anb_export.models import _forest_numba

        if codes.ndim != 2 or codes.shape[1] != self.n_features or codes.dtype != np.uint8:
            msg = (
                f"codes must be uint8 of shape [n, {self.n_features}], "
                f"found {codes.dtype} of shape {list(codes.shape)}"
            )
            raise ForestError(msg)
        total: NDArray[np.float64] = _forest_numba.sum_leaves(
            np.ascontiguousarray(codes),
            self.feature,
            self.threshold,
            self.left,
            self.right,
            self.value,
            self.roots,
            self.base_score,
        )
        return total


def build_forest(
    counts: NDArray[np.int64],
    *,
    left: NDArray[np.int64],
    right: NDArray[np.int64],
    feature: NDArray[np.int64],
    threshold: NDArray[Any],
    value: NDArray[Any],
    default_left: NDArray[np.bool_],
    base_score: float,
    n_features: int,
    objective: str,
) -> Forest:
    """Check trees of which all nodes stand one after another, and make a `Forest` of them.

    Parameters
    ----------
    counts : ndarray of int64, shape (n_trees,)
        Nodes of each tree. Children count from the tree's own root; all other columns have one
        value for each node.

    Raises
    ------
    ForestError
        If a tree is no tree, or a number not finite; names the tree and the node. Or if a sum of
        leaves may be beyond float32.
    """
    if not counts.all():
        refuse(f"tree {int(np.argmin(counts))} has no nodes")
    if counts.sum() > _INT32_MAX:
        refuse(f"{counts.sum()} nodes are too many")
    owner = np.repeat(np.arange(len(counts)), counts)
    starts = np.cumsum(counts) - counts
    leaf = left == -1

    def check(bad: NDArray[np.bool_], what: str) -> None:
        if bad.any():
            node = int(np.flatnonzero(bad)[0])
            tree = int(owner[node])
            refuse(f"tree {tree}, node {node - int(starts[tree])}: {what}")

    check(leaf != (right == -1), "has one child only")
    for child in (left, right):
        check(~leaf & ((child < 0) | (child >= counts[owner])), "a child is out of range")
    check(~leaf & ((feature < 0) | (feature >= n_features)), f"feature not below {n_features}")
    check(~np.isfinite(np.where(leaf, value, threshold)), "the threshold or leaf is not finite")
    left, right = (np.where(leaf, -1, child + starts[owner]) for child in (left, right))
    visits = _visits(left, right, starts)
    check(visits > 1, "is reached twice from its root")
    size = np.where(leaf & (visits > 0), np.abs(value.astype(np.float64)), 0.0)
    check(
        size > _LARGEST,
        f"the leaf is not finite in float32 (at most {_LARGEST:.2e}), which artifacts give; train "
        "on a target of a smaller unit",
    )
    # One leaf of each tree is added. None is beyond float32, so that no float64 overflows here.
    bound = float(np.maximum.reduceat(size, starts).sum()) + abs(base_score)
    if bound > _LARGEST:
        refuse(
            f"the leaves may add up to {bound:.2e}, which is beyond float32 ({_LARGEST:.2e}), "
            "which artifacts give; train on a target of a smaller unit"
        )
    return Forest(
        feature=np.where(leaf, -1, feature).astype(np.int32),
        threshold=np.where(leaf, 0, threshold).astype(np.float32),
        left=left.astype(np.int32),
        right=right.astype(np.int32),
        value=np.where(leaf, value, np.zeros(1, value.dtype)),
        default_left=default_left,
        roots=starts.astype(np.int32),
        base_score=base_score,
        n_features=n_features,
        objective=objective,
    )


_TREE_KEYS = ("feature", "threshold", "left", "right", "value")


def _visits(
    left: NDArray[np.int64], right: NDArray[np.int64], roots: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Walk all trees level by level; count how often each node is reached.

    More than once is a cycle or a shared node, where the walk ends. Nodes that are not reached at
    all are no fault: xgboost may leave pruned ones behind.
    """
    times = np.zeros(len(left), dtype=np.int64)
    front = roots
    while len(front):
        np.add.at(times, front, 1)
        if (times[front] > 1).any():
            break
        front = front[left[front] >= 0]
        front = np.concatenate([left[front], right[front]])
    return times


def refuse(message: str) -> NoReturn:
    """Raise a `ForestError`."""
    raise ForestError(message)
