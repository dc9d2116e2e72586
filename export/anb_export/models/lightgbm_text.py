"""Reads models in LightGBM's text format into a `Forest`; LightGBM is not needed.

LightGBM goes left if ``x <= threshold``, a `Forest` if ``x < threshold``. Codes are small
non-negative integers, and for those ``x <= t`` and ``x < floor(t) + 1`` are the same condition,
whose right side float32 holds exactly. Leaves are float64 and stay so; shrinkage, DART's weights
and the average a model starts from (``boost_from_average``) are in them already.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NoReturn

import numpy as np
from numpy.typing import NDArray

from anb_export.models.columns import SILENT, Columns, lightgbm_columns
from anb_export.models.forest import Forest, ForestError, Tree
from anb_onnx._io.show import show

#: First word of the objectives whose prediction is the sum of the leaves itself.
OBJECTIVES = frozenset({"regression", "regression_l1", "huber", "fair", "quantile", "mape"})

#: Versions of the format that are tested: of LightGBM 3 and 4.
VERSIONS = ("v3", "v4")

#: First line of a model in this format.
MAGIC = b"tree\n"

_NUMBERS = "train without categorical_feature"
_CATEGORICAL, _DEFAULT_LEFT = 1, 2
_MISSING_SHIFT, _MISSING_ZERO = 2, 1


@dataclass(frozen=True, eq=False)
class LightgbmModel:
    """What a model file holds.

    Attributes
    ----------
    forest : Forest
        The trees that predict.
    feature_names : tuple of str
    columns : Columns
        What else is said about the columns.
    """

    forest: Forest
    feature_names: tuple[str, ...]
    columns: Columns = SILENT


def read_lightgbm(content: str | bytes, *, first: int | None = None) -> LightgbmModel:
    """Parse a model that ``Booster.save_model`` or ``model_to_string`` wrote.

    Parameters
    ----------
    content : str or bytes
    first : int, optional
        Only so many trees predict, if there are more: LightGBM's ``num_iteration``. A random
        forest's prediction is the mean of these, not a part of the mean of all.

    Raises
    ------
    ForestError
        If the text is damaged, or the model has no exact counterpart here: several classes, an
        objective with a link function, linear trees, categorical splits, zeros taken as missing.
    """
    if isinstance(content, bytes):
        try:
            content = content.decode("utf-8")
        except UnicodeDecodeError as error:
            msg = f"not a LightGBM model: {error}"
            raise ForestError(msg) from error
    text, end, rest = content.partition("\nend of trees")
    head, *parts = text.split("\nTree=")
    if not head.startswith(MAGIC.decode()):
        _refuse("not a LightGBM model in text format: the first line must be 'tree'")
    facts = _facts(head, "the model")
    if _get(facts, "version") not in VERSIONS:
        _refuse(
            f"version {show(facts['version'])} of the text format is not supported; supported: "
            f"{', '.join(VERSIONS)}; load the model with LightGBM 3 or 4 and save it again"
        )
    for key in ("num_class", "num_tree_per_iteration"):
        if _get(facts, key) != "1":
            _refuse(
                f"{key} is {facts[key][:40]}: models with several outputs are not supported; "
                "train one model for each"
            )
    objective = facts.get("objective", "none stated")
    if objective.split(" ")[0] not in OBJECTIVES or "sqrt" in objective.split(" "):
        allowed = ", ".join(sorted(OBJECTIVES))
        _refuse(f"objective {show(objective)} is not supported; supported without sqrt: {allowed}")
    if not parts:
        _refuse("the model holds no trees")
    if not end:
        _refuse("the text ends early: 'end of trees' is missing")
    # After the trees stands what numbers mean (pandas_categorical), in the last line.
    _, end, last = rest.partition("\nend of parameters")
    if not end or (last.strip() and not last.strip().startswith("pandas_categorical:")):
        _refuse(
            "the text ends early: 'end of parameters' and, from Python, a whole line "
            "'pandas_categorical' are expected; get the file again"
        )
    # Trees are numbered, and counted by their sizes: both tell that some were lost or repeated.
    stated = len(facts["tree_sizes"].split()) if "tree_sizes" in facts else len(parts)
    if stated != len(parts):
        _refuse(f"the model is damaged: it holds {len(parts)} trees, tree_sizes states {stated}")
    names = tuple(_get(facts, "feature_names").split(" "))
    n_features = _integer(_get(facts, "max_feature_idx"), "max_feature_idx") + 1
    if len(names) != n_features:
        _refuse(f"{len(names)} feature_names, max_feature_idx states {n_features} features")
    used = len(parts) if first is None else min(first, len(parts))
    # Random forests (boosting=rf) average the trees that predict.
    weight = 1 / used if "average_output" in head.split("\n") else 1.0
    # Trees that do not predict are read all the same: damage in them is damage.
    trees = [_tree(index, part, weight) for index, part in enumerate(parts)]
    forest = Forest.from_trees(
        trees, base_score=0.0, n_features=n_features, objective=objective.split(" ")[0]
    )
    columns = lightgbm_columns(facts.get("feature_infos", ""), rest)
    return LightgbmModel(forest.first(used), names, columns)


def integer_threshold(threshold: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return u such that x < u if and only if x <= threshold, for x = 0, 1, ..., 255.

    NaN stays NaN, which `Forest.from_trees` refuses.
    """
    found: NDArray[np.float64] = np.clip(np.floor(threshold) + 1, 0, 256)
    return found


def _tree(index: int, text: str, weight: float) -> Tree:
    where = f"tree {index}"
    number, _, rest = text.partition("\n")
    if number.strip() != str(index):
        _refuse(f"{where} is damaged: 'Tree={number[:20]}' where 'Tree={index}' is expected")
    facts = _facts(rest, where)
    if facts.get("is_linear", "0") != "0":
        _refuse(f"{where} has linear leaves, which are not supported; train with linear_tree=false")
    if facts.get("num_cat", "0") != "0":
        _refuse(f"{where} has categorical splits, which are not supported; {_NUMBERS}")
    n_leaves = _integer(_get(facts, "num_leaves", where), f"{where}: num_leaves")
    value = _numbers(facts, "leaf_value", n_leaves, where) * weight
    n_branches = n_leaves - 1
    column = {
        key: _integers(facts, key, n_branches, where)
        for key in ("split_feature", "decision_type", "left_child", "right_child")
    }
    threshold = _numbers(facts, "threshold", n_branches, where)
    if (column["decision_type"] & _CATEGORICAL).any():
        _refuse(f"{where} has categorical splits, which are not supported; {_NUMBERS}")
    zero_missing = column["decision_type"] >> _MISSING_SHIFT & 3 == _MISSING_ZERO
    zero_left = column["decision_type"] & _DEFAULT_LEFT != 0
    # Where missing values go the same way as a zero goes, it is none the worse for being one.
    if (zero_missing & (zero_left != (threshold >= 0))).any():
        _refuse(f"{where} takes zeros as missing; train with zero_as_missing=false")
    children = []
    for key in ("left_child", "right_child"):
        child = column[key]
        if ((child < -n_leaves) | (child >= n_branches)).any():
            _refuse(f"{where}: {key}: a child is out of range")
        # Branches first, then the leaves, which the format numbers -1, -2, ...
        children.append(np.where(child >= 0, child, n_branches - 1 - child))
    ends = np.full(n_leaves, -1, dtype=np.int64)
    none = np.zeros(n_leaves, dtype=np.int64)
    return Tree(
        feature=np.concatenate([column["split_feature"], none]),
        threshold=np.concatenate([integer_threshold(threshold), none.astype(np.float64)]),
        left=np.concatenate([children[0], ends]),
        right=np.concatenate([children[1], ends]),
        value=np.concatenate([np.zeros(n_branches), value]),
        stated=np.concatenate([threshold, none.astype(np.float64)]),
    )


def _facts(text: str, where: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for line in text.split("\n"):
        key, equals, value = line.partition("=")
        if equals and key in found:
            _refuse(f"{where} is damaged: {show(key)} stands there twice")
        if equals:
            found[key] = value.strip()
    return found


def _get(facts: Mapping[str, str], key: str, where: str = "the model") -> str:
    if key not in facts:
        _refuse(f"{where} is damaged: {key!r} is missing")
    return facts[key]


def _integer(text: str, key: str) -> int:
    if not text.isdecimal() or not 0 < len(text) < 10 or int(text) > 2**30:
        _refuse(f"{key} must be a non-negative integer, found {text[:40]!r}")
    return int(text)


def _numbers(facts: Mapping[str, str], key: str, count: int, where: str) -> NDArray[np.float64]:
    items = facts.get(key, "").split()
    if len(items) != count:
        _refuse(f"{where} is damaged: {key} has {len(items)} values, expected {count}")
    try:
        return np.array(items, dtype=np.float64)
    except ValueError as error:
        msg = f"{where} is damaged: {key}: {str(error)[:100]}"
        raise ForestError(msg) from error


def _integers(facts: Mapping[str, str], key: str, count: int, where: str) -> NDArray[np.int64]:
    numbers = _numbers(facts, key, count, where)
    if not (np.abs(numbers) < 2**30).all() or (numbers != np.floor(numbers)).any():
        _refuse(f"{where} is damaged: {key} must hold integers")
    return numbers.astype(np.int64)


def _refuse(message: str) -> NoReturn:
    raise ForestError(message)
