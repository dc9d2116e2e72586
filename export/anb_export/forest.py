"""An ensemble of trees as flat arrays, checked, with its exact prediction.

This is the exporter's own reading of a model: the compiler works on it, and everything that is
exported is verified against its float64 sum of leaves. Trees of xgboost are read here, those of
other libraries in `formats`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from anb_export import ubjson
from anb_onnx.errors import AnbError

#: Objectives whose prediction is the sum of the leaves itself, without a link function.
OBJECTIVES = frozenset(
    {"reg:squarederror", "reg:linear", "reg:absoluteerror", "reg:pseudohubererror"}
)

_INT32_MAX = np.iinfo(np.int32).max


class ForestError(AnbError):
    """A model is damaged, or of a kind that cannot be exported exactly."""


@dataclass(frozen=True, eq=False)
class Tree:
    """One tree, not checked yet: children are positions in its own arrays, -1 at leaves.

    A row goes left if ``x[feature] < threshold``; all arrays are 1-D and of equal length.
    """

    feature: NDArray[np.int64]
    threshold: NDArray[np.float64]
    left: NDArray[np.int64]
    right: NDArray[np.int64]
    value: NDArray[np.float64]


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
        Training objective, for xgboost one of `OBJECTIVES`.
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

    @property
    def n_trees(self) -> int:
        """Number of trees."""
        return len(self.roots)

    @property
    def n_nodes(self) -> int:
        """Number of nodes of all trees."""
        return len(self.feature)

    @classmethod
    def from_booster(cls, booster: Any, *, n_features: int | None = None) -> Forest:
        """Take the trees of an ``xgboost.Booster``: all rounds, whatever ``best_iteration`` says.

        See `from_bytes` for parameters and errors.
        """
        return cls.from_bytes(bytes(booster.save_raw("ubj")), n_features=n_features)

    @classmethod
    def from_file(cls, path: str | Path, *, n_features: int | None = None) -> Forest:
        """Read a model that xgboost saved as ``.ubj`` or ``.json``; xgboost is not needed.

        See `from_bytes` for parameters and errors; the message begins with the path.
        """
        try:
            return cls.from_bytes(Path(path).read_bytes(), n_features=n_features)
        except OSError as error:
            msg = f"cannot read the model {path}: {error.strerror}"
            raise ForestError(msg) from error
        except AnbError as error:
            msg = f"{path}: {error}"
            raise ForestError(msg) from error

    @classmethod
    def from_bytes(cls, content: bytes, *, n_features: int | None = None) -> Forest:
        """Parse a model in UBJSON or JSON.

        Parameters
        ----------
        content : bytes
            As written by ``Booster.save_raw("ubj")`` or ``save_raw("json")``.
        n_features : int, optional
            Number of features the model must have.

        Raises
        ------
        ForestError
            If the model is malformed, or uses what has no exact counterpart here: a booster other
            than gbtree, an objective with a link function, several outputs, categorical splits.
        """
        return cls.from_document(decode(content), n_features=n_features)

    @classmethod
    def from_document(cls, document: Any, *, n_features: int | None = None) -> Forest:
        """Take the trees of a model that `decode` returned; see `from_bytes`."""
        return _parse(document, n_features)

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
            _refuse("the model holds no trees")
        flat = {key: np.concatenate([getattr(t, key) for t in trees]) for key in _TREE_KEYS}
        counts = np.array([len(tree.left) for tree in trees], dtype=np.int64)
        if not np.isfinite(base_score):
            _refuse(f"the base score must be finite, found {base_score}")
        return _build(
            counts,
            **flat,
            default_left=np.zeros(len(flat["left"]), dtype=np.bool_),
            base_score=base_score,
            n_features=n_features,
            objective=objective,
        )

    def first(self, n_trees: int) -> Forest:
        """Return the forest of the first `n_trees` trees.

        Raises
        ------
        ForestError
            If there are not as many.
        """
        if not 1 <= n_trees <= self.n_trees:
            _refuse(f"{n_trees} trees are wanted, the model has {self.n_trees}")
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
        from anb_export import _forest_numba  # numba is slow to import: only when it computes

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


def decode(content: bytes) -> Any:
    """Return the document that a model file in UBJSON or JSON holds.

    Raises
    ------
    AnbError
        If it is neither, or damaged.
    """
    if content[:1] != b"{":
        msg = (
            "not an xgboost model in UBJSON or JSON (pickles and the old binary format are refused)"
        )
        raise ForestError(msg)
    # In JSON a quote or white space follows the brace; in UBJSON the type of the key's length.
    if content[1:2] not in b'" \t\r\n':
        return ubjson.loads(content)
    try:
        return json.loads(content)
    except (ValueError, RecursionError) as error:
        msg = f"not an xgboost model: {error}"
        raise ForestError(msg) from error


def _parse(document: Any, n_features: int | None) -> Forest:
    learner = _get(document, "learner")
    booster = _get(learner, "gradient_booster")
    name = _get(booster, "name")
    if name != "gbtree":
        _refuse(f"booster {str(name)[:40]!r} is not supported; train with booster='gbtree'")
    objective = _get(_get(learner, "objective"), "name")
    if not isinstance(objective, str) or objective not in OBJECTIVES:
        allowed = ", ".join(sorted(OBJECTIVES))
        _refuse(f"objective {str(objective)[:40]!r} is not supported; supported: {allowed}")
    param = _get(learner, "learner_model_param")
    width = _integer(_get(param, "num_feature"), "num_feature")
    if n_features is not None and width != n_features:
        _refuse(f"the model has {width} features, expected {n_features}")
    if _integer(_get(param, "num_target", 1), "num_target") > 1:
        _refuse("models with several targets are not supported")
    if _integer(_get(param, "num_class", 0), "num_class") > 1:
        _refuse("models with several classes are not supported")
    model = _get(booster, "model")
    if np.any(_column(_get(model, "tree_info"), "tree_info") != 0):
        _refuse("models with several output groups are not supported")
    trees = _get(model, "trees")
    base_score = _base_score(_get(param, "base_score"))
    return _flatten(trees, base_score=base_score, n_features=width, objective=objective)


def _flatten(trees: Any, *, base_score: float, n_features: int, objective: str) -> Forest:
    if not isinstance(trees, list) or not trees:
        _refuse("the model holds no trees")
    columns: dict[str, list[Any]] = {key: [] for key in _COLUMNS}
    for index, tree in enumerate(trees):
        leaf_size = _get(_get(tree, "tree_param"), "size_leaf_vector", 1)
        if _integer(leaf_size, "size_leaf_vector") > 1:
            _refuse(f"tree {index} has vector leaves, which are not supported")
        if len(_column(_get(tree, "categories_nodes", ()), "categories_nodes")) > 0:
            _refuse(f"tree {index} has categorical splits, which are not supported")
        nodes = {key: _column(_get(tree, key), key) for key in _COLUMNS}
        sizes = {key: len(column) for key, column in nodes.items()}
        if len(set(sizes.values())) != 1 or not sizes["left_children"]:
            _refuse(f"tree {index}: the node arrays differ in length: {sizes}")
        for key, column in columns.items():
            column.append(nodes[key])
    counts = np.array([len(column) for column in columns["left_children"]], dtype=np.int64)
    if counts.sum() > _INT32_MAX:
        _refuse(f"{counts.sum()} nodes are too many")
    flat = {key: np.concatenate(column) for key, column in columns.items()}
    if (_whole(flat, "split_type") != 0).any():
        node = int(np.flatnonzero(_whole(flat, "split_type"))[0])
        tree = int(np.searchsorted(np.cumsum(counts), node, side="right"))
        start = int(counts[:tree].sum())
        _refuse(f"tree {tree}, node {node - start}: categorical splits are not supported")
    condition = _floats(flat, "split_conditions")
    return _build(
        counts,
        left=_whole(flat, "left_children"),
        right=_whole(flat, "right_children"),
        feature=_whole(flat, "split_indices"),
        threshold=condition,
        value=condition,
        default_left=_whole(flat, "default_left").astype(np.bool_),
        base_score=base_score,
        n_features=n_features,
        objective=objective,
    )


def _build(
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
    """Check the trees, whose children count from their own root, and join them."""
    owner = np.repeat(np.arange(len(counts)), counts)
    starts = np.cumsum(counts) - counts
    leaf = left == -1

    def check(bad: NDArray[np.bool_], what: str) -> None:
        if bad.any():
            node = int(np.flatnonzero(bad)[0])
            tree = int(owner[node])
            _refuse(f"tree {tree}, node {node - int(starts[tree])}: {what}")

    check(leaf != (right == -1), "has one child only")
    for child in (left, right):
        check(~leaf & ((child < 0) | (child >= counts[owner])), "a child is out of range")
    check(~leaf & ((feature < 0) | (feature >= n_features)), f"feature not below {n_features}")
    check(~np.isfinite(np.where(leaf, value, threshold)), "the threshold or leaf is not finite")
    left, right = (np.where(leaf, -1, child + starts[owner]) for child in (left, right))
    check(_visits(left, right, starts) > 1, "is reached twice from its root")
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

_COLUMNS = (
    "left_children",
    "right_children",
    "split_indices",
    "split_conditions",
    "split_type",
    "default_left",
)


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


def _base_score(text: Any) -> float:
    """Read "[6.5E1]" (xgboost >= 3.1) or "6.5E1" (before); xgboost itself holds a float32."""
    items = str(text).strip().strip("[]").split(",")
    number = r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?"
    if len(items) != 1 or not re.fullmatch(number, items[0].strip()):
        _refuse(f"base_score must be one finite number, found {str(text)[:60]!r}")
    with np.errstate(over="ignore"):  # overflow becomes infinite, which is refused
        value = float(np.float32(items[0].strip()))
    if not np.isfinite(value):
        _refuse(f"base_score must be one finite number, found {str(text)[:60]!r}")
    return value


def _get(mapping: Any, key: str, default: Any = None) -> Any:
    """Return a value; None is no default."""
    if not isinstance(mapping, dict) or (key not in mapping and default is None):
        _refuse(f"not an xgboost model: {key!r} is missing")
    return mapping.get(key, default)


def _column(value: Any, key: str) -> NDArray[Any]:
    try:
        column = np.asarray(value)
    except (ValueError, OverflowError):  # lists of different lengths
        column = np.empty((0, 0))
    if column.ndim != 1:
        _refuse(f"{key} must be a list of numbers")
    return column


def _integer(value: Any, key: str) -> int:
    try:
        return int(value)
    except (TypeError, ValueError, OverflowError):
        _refuse(f"{key} must be an integer, found {str(value)[:60]!r}")


def _whole(flat: dict[str, NDArray[Any]], key: str) -> NDArray[np.int64]:
    if flat[key].dtype.kind not in "iub":
        _refuse(f"{key} must hold integers")
    return flat[key].astype(np.int64)


def _floats(flat: dict[str, NDArray[Any]], key: str) -> NDArray[np.float32]:
    if flat[key].dtype.kind not in "iuf":
        _refuse(f"{key} must hold numbers")
    with np.errstate(over="ignore"):  # overflow becomes infinite, which is refused by node
        return flat[key].astype(np.float32)


def _refuse(message: str) -> NoReturn:
    raise ForestError(message)
