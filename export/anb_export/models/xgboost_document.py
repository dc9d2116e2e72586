"""Reads the documents in which xgboost stores models into a `Forest`; xgboost is not needed."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anb_export.models import ubjson
from anb_export.models.forest import Forest, ForestError, build_forest, refuse
from anb_export.models.model_files import read_content
from anb_onnx._io.files import FileError
from anb_onnx._io.show import show
from anb_onnx._io.strict_json import _object as unique_object
from anb_onnx.errors import AnbError

#: Objectives whose prediction is the sum of the leaves itself, without a link function.
OBJECTIVES = frozenset(
    {
        *("reg:squarederror", "reg:linear", "reg:absoluteerror", "reg:pseudohubererror"),
        *("reg:quantileerror", "reg:squaredlogerror"),
    }
)

#: Most brackets and braces in JSON, each of which becomes a list or a dict: so many in any file,
#: and one more for so many bytes. A tree of two leaves has 18 in 1 kB.
_BRACKETS, _BYTES_PER_BRACKET = 2**20, 16

#: Share of its parent's weight up to which a node counts as empty.
_EMPTY = 1e-6

_ONE_EACH = "train one model for each target"
_NUMBERS = "train on the codes as numbers (enable_categorical=False)"


def decode(content: bytes) -> Any:
    """Return the document that a model file in UBJSON or JSON holds.

    Raises
    ------
    AnbError
        If it is neither, or damaged.
    """
    if content[:1] not in (b"{", b"["):
        msg = (
            "not an xgboost model in UBJSON or JSON (pickles and the old binary format are refused)"
        )
        raise ForestError(msg)
    # In UBJSON the type of the key's length follows the brace, or of the object.
    if content[:1] == b"{" and content[1:2] in (b"i", b"U", b"I", b"l", b"L", b"$", b"#"):
        return ubjson.loads(content)
    brackets = content.count(b"[") + content.count(b"{")
    if brackets > _BRACKETS + len(content) // _BYTES_PER_BRACKET:
        refuse(f"not an xgboost model: {brackets} brackets in {len(content)} bytes of JSON")
    try:
        # Not through `_json.loads`: numbers that are not finite are refused where they are used.
        return json.loads(content, object_pairs_hook=unique_object)
    except (ValueError, RecursionError) as error:
        msg = f"not an xgboost model: {' '.join(str(error).split())[:200]}"
        raise ForestError(msg) from error


def forest_of_booster(booster: Any, *, n_features: int | None = None) -> Forest:
    """Take the trees of an ``xgboost.Booster``: all rounds, whatever ``best_iteration`` says.

    See `forest_of_bytes` for parameters and errors.
    """
    return forest_of_bytes(bytes(booster.save_raw("ubj")), n_features=n_features)


def forest_of_file(path: str | Path, *, n_features: int | None = None) -> Forest:
    """Read a model that xgboost saved as ``.ubj`` or ``.json``.

    See `forest_of_bytes` for parameters and errors; the message begins with the path.
    """
    try:
        return forest_of_bytes(read_content(path), n_features=n_features)
    except FileError as error:
        raise ForestError(str(error)) from error
    except AnbError as error:
        msg = f"{path}: {error}"
        raise ForestError(msg) from error


def forest_of_bytes(content: bytes, *, n_features: int | None = None) -> Forest:
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
    return forest_of_document(decode(content), n_features=n_features)


def forest_of_document(document: Any, *, n_features: int | None = None) -> Forest:
    """Take the trees of a model that `decode` returned; see `forest_of_bytes`."""
    learner = _get(document, "learner")
    booster = _get(learner, "gradient_booster")
    name = _get(booster, "name")
    if not isinstance(name, str) or name != "gbtree":
        refuse(f"booster {show(name)} is not supported; train with booster='gbtree'")
    objective = _get(_get(learner, "objective"), "name")
    if not isinstance(objective, str) or objective not in OBJECTIVES:
        allowed = ", ".join(sorted(OBJECTIVES))
        refuse(f"objective {show(objective)} is not supported; supported: {allowed}")
    param = _get(learner, "learner_model_param")
    width = _integer(_get(param, "num_feature"), "num_feature")
    if not 0 < width < 2**31:
        refuse(f"num_feature must be a positive integer, found {width}")
    if n_features is not None and width != n_features:
        refuse(f"the model has {width} features, expected {n_features}")
    if _integer(_get(param, "num_target", 1), "num_target") > 1:
        refuse(f"models with several targets are not supported; {_ONE_EACH}")
    if _integer(_get(param, "num_class", 0), "num_class") > 1:
        refuse(f"models with several classes are not supported; {_ONE_EACH}")
    model = _get(booster, "model")
    groups = _column(_get(model, "tree_info"), "tree_info")
    if np.any(groups != 0):
        refuse(f"models with several output groups are not supported; {_ONE_EACH}")
    trees = _get(model, "trees")
    if not isinstance(trees, list) or not trees:
        refuse("the model holds no trees")
    # Both counts stand in every model; they tell that trees were lost.
    counts = {"tree_info": len(groups)}
    if "gbtree_model_param" in model:
        number = _get(model["gbtree_model_param"], "num_trees")
        counts["num_trees"] = _integer(number, "num_trees")
    for key, count in counts.items():
        if count != len(trees):
            refuse(f"the model is damaged: it holds {len(trees)} trees, {key} states {count}")
    base_score = _base_score(_get(param, "base_score"))
    return _flatten(trees, base_score=base_score, n_features=width, objective=objective)


def _flatten(trees: list[Any], *, base_score: float, n_features: int, objective: str) -> Forest:
    columns: dict[str, list[Any]] = {key: [] for key in _COLUMNS}
    for index, tree in enumerate(trees):
        leaf_size = _get(_get(tree, "tree_param"), "size_leaf_vector", 1)
        if _integer(leaf_size, "size_leaf_vector") > 1:
            refuse(f"tree {index} has vector leaves, which are not supported; {_ONE_EACH}")
        if len(_column(_get(tree, "categories_nodes", ()), "categories_nodes")) > 0:
            refuse(f"tree {index} has categorical splits, which are not supported; {_NUMBERS}")
        if "split_type" not in tree:  # xgboost 1.0 to 1.2 know no other splits than numerical ones
            count = len(_column(_get(tree, "left_children"), "left_children"))
            tree = {**tree, "split_type": [0] * count}
        nodes = {key: _column(_get(tree, key), key) for key in _COLUMNS}
        sizes = {key: len(column) for key, column in nodes.items()}
        if len(set(sizes.values())) != 1 or not sizes["left_children"]:
            refuse(f"tree {index}: the node arrays differ in length: {sizes}")
        for key, column in columns.items():
            column.append(nodes[key])
    counts = np.array([len(column) for column in columns["left_children"]], dtype=np.int64)
    flat = {key: np.concatenate(column) for key, column in columns.items()}
    if (_whole(flat, "split_type") != 0).any():
        node = int(np.flatnonzero(_whole(flat, "split_type"))[0])
        tree = int(np.searchsorted(np.cumsum(counts), node, side="right"))
        start = int(counts[:tree].sum())
        refuse(
            f"tree {tree}, node {node - start}: categorical splits are not supported; {_NUMBERS}"
        )
    condition = _floats(flat, "split_conditions")
    forest = build_forest(
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
    return replace(forest, divided=_divided(trees, forest))


def _divided(trees: list[Any], forest: Forest) -> NDArray[np.bool_] | None:
    """Say which branches sent rows both ways: the sums of their hessians tell, if they are there.

    Nothing is computed from these sums, so that what is wrong with them only leaves them untold.
    """
    columns = [_column(tree.get("sum_hessian", ()), "sum_hessian") for tree in trees]
    found = np.concatenate(columns)
    if len(found) != forest.n_nodes or found.dtype.kind not in "iuf":
        return None
    weight, branch = found.astype(np.float64), forest.left >= 0
    less = np.minimum(weight[forest.left], weight[forest.right])
    # What is left of empty nodes by subtraction is not always 0.
    return branch & (less > _EMPTY * weight)


_COLUMNS = (
    "left_children",
    "right_children",
    "split_indices",
    "split_conditions",
    "split_type",
    "default_left",
)


def _base_score(text: Any) -> float:
    """Read "[6.5E1]" (xgboost >= 3.1) or "6.5E1" (before); xgboost itself holds a float32."""
    if not isinstance(text, str | float | int):
        refuse(f"base_score must be one finite number, found {show(text)}")
    items = str(text).strip().strip("[]").split(",")
    number = r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?"
    if len(items) != 1 or not re.fullmatch(number, items[0].strip()):
        refuse(f"base_score must be one finite number, found {show(text)}")
    with np.errstate(over="ignore"):  # overflow becomes infinite, which is refused
        value = float(np.float32(items[0].strip()))
    if not np.isfinite(value):
        refuse(f"base_score must be one finite number, found {show(text)}")
    return value


def _get(mapping: Any, key: str, default: Any = None) -> Any:
    """Return a value; None is no default."""
    if not isinstance(mapping, dict) or (key not in mapping and default is None):
        refuse(f"not an xgboost model: {key!r} is missing")
    return mapping.get(key, default)


def _column(value: Any, key: str) -> NDArray[Any]:
    try:
        column = np.asarray(value)
    except (ValueError, OverflowError):  # lists of different lengths
        column = np.empty((0, 0))
    if column.ndim != 1:
        refuse(f"{key} must be a list of numbers")
    return column


def _integer(value: Any, key: str) -> int:
    if type(value) is int and abs(value) < 2**63:
        return value
    if not isinstance(value, str) or not re.fullmatch("-?[0-9]{1,18}", value):
        refuse(f"{key} must be an integer, found {show(value)}")
    return int(value)


def _whole(flat: dict[str, NDArray[Any]], key: str) -> NDArray[np.int64]:
    if flat[key].dtype.kind not in "iub":
        refuse(f"{key} must hold integers")
    return flat[key].astype(np.int64)


def _floats(flat: dict[str, NDArray[Any]], key: str) -> NDArray[np.float32]:
    if flat[key].dtype.kind not in "iuf":
        refuse(f"{key} must hold numbers")
    with np.errstate(over="ignore"):  # overflow becomes infinite, which is refused by node
        return flat[key].astype(np.float32)
