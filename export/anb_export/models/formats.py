"""Models of several libraries and file formats, read into one kind of value.

Files are told apart by their content, never by their name. A live estimator is pickled first and
then read like a file, so that there is one reader for each library. No file is ever handed to the
library that wrote it (but for skops files, to skops): what is read is checked here, as `Forest` or
`Kernel`.
"""

from __future__ import annotations

import pickle
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NoReturn

import numpy as np

from anb_export.models import skops_file, ubjson
from anb_export.models.columns import SILENT, Columns, xgboost_columns
from anb_export.models.forest import Forest
from anb_export.models.lightgbm_text import MAGIC, read_lightgbm
from anb_export.models.model_files import largest, read_content
from anb_export.models.other_files import OLD_BINARY, what_document, what_it_is
from anb_export.models.safe_pickle import Object, PickleError, loads
from anb_export.models.sklearn_trees import draws_splits, forest_from_state
from anb_export.models.svm_form import Kernel, kernel_from_state
from anb_export.models.xgboost_document import decode, forest_of_document
from anb_onnx._io.files import FileError
from anb_onnx._io.show import show
from anb_onnx.errors import AnbError
from anb_onnx.spaces.space import SearchSpace

#: Model families by the names that `anb-export train --family` knows.
FAMILIES = ("xgb", "lgb", "forest", "svr", "nusvr")

# How libraries name columns that have no names: before a number, and the first number.
_AUTOMATIC = (
    ("", 0),  # pandas.DataFrame(codes)
    ("f", 0),  # xgboost
    ("Column_", 0),  # LightGBM
    ("column_", 0),  # polars
    ("x", 0),  # scikit-learn
    ("feature_", 0),
    ("_c", 0),  # Spark
    ("V", 1),  # R, of a matrix or a file
    ("X", 1),  # R, of unnamed columns
    ("x", 1),  # Julia
    ("Var", 1),  # MATLAB
)

# Pickles of protocol 2 and later; of earlier ones, of an object or a container.
_PICKLE = re.compile(rb"\x80|c[\w.]+\r?\n[\w.]+\r?\n|[(\]}]")


class FormatError(AnbError):
    """A file or object is no model of a supported kind."""


@dataclass(frozen=True, eq=False)
class Model:
    """A model, whatever it was stored in.

    Attributes
    ----------
    family : str
        One of `FAMILIES`.
    member : Forest or Kernel
        What computes; for a `Forest` all trees that the model predicts with.
    feature_names : tuple of str
        Names the model was trained with; empty if it has none.
    best : Forest or None
        The trees up to the best round of early stopping, where the model recorded one.
    content : bytes or None
        For xgboost, the model alone in UBJSON or JSON, as ``Booster.load_model`` takes it.
    columns : Columns
        What else the file says about the columns it was trained on.
    missing : object
        The value that xgboost takes for a missing one, besides NaN, if the file says so.
    """

    family: str
    member: Forest | Kernel
    feature_names: tuple[str, ...] = ()
    best: Forest | None = None
    content: bytes | None = None
    columns: Columns = SILENT
    missing: Any = None

    def at_best_iteration(self) -> Model:
        """Return the model cut off after its best round.

        Raises
        ------
        FormatError
            If it recorded none.
        """
        if self.best is None:
            msg = "the model has no best iteration: it was trained without early stopping"
            raise FormatError(msg)
        return replace(self, member=self.best, content=None)


def read_model(path: str | Path, *, limit: int | None = None) -> Model:
    """Read a model file; see `model_from_bytes`.

    Raises
    ------
    AnbError
        As `model_files.read_content` and `model_from_bytes`; the message begins with the path.
    """
    try:
        return model_from_bytes(read_content(path, limit=limit), limit=limit)
    except FileError as error:
        raise FormatError(str(error)) from error
    except AnbError as error:
        msg = f"{path}: {error}"
        raise FormatError(msg) from error


def model_from_bytes(content: bytes, *, limit: int | None = None) -> Model:
    """Read a model.

    Parameters
    ----------
    content : bytes
        A model of xgboost in UBJSON or JSON; of LightGBM in text; or a pickle (joblib's too, if not
        compressed) of an xgboost or LightGBM Booster or regressor, or of scikit-learn's
        RandomForestRegressor, ExtraTreesRegressor, SVR or NuSVR; or a skops file of these four.
    limit : int, optional
        Largest pickle or skops file; see `model_files.largest`.

    Raises
    ------
    AnbError
        If the content is damaged, or of another kind; says what to do instead.
    """
    content = content.lstrip(b" \t\r\n")  # with which no other kind of file begins
    if not content:
        _refuse("the file is empty: there is no model in it")
    if content[:1] in (b"{", b"[") and content[1:2] != b"\0":
        return _xgboost(content)
    if content.replace(b"\r\n", b"\n", 1).startswith(MAGIC):
        return _lightgbm(content.replace(b"\r\n", b"\n"), None)
    if content.startswith(skops_file.MAGIC):
        return model_from_object(skops_file.load_estimator(content, limit=largest(limit)))
    what = what_it_is(content)
    if what is not None:
        _refuse(what)
    try:
        value = loads(content, limit=largest(limit))
    except PickleError as error:
        if _PICKLE.match(content):
            raise
        msg = (
            f"no model of a kind that is known: it begins with {show(content[:24])}; give a model "
            "as xgboost, LightGBM or skops save it, or a pickle"
        )
        raise FormatError(msg) from error
    return _from_pickle(value)


def model_from_object(estimator: Any) -> Model:
    """Read a live model: a Booster or regressor of xgboost or LightGBM, or of scikit-learn.

    Raises
    ------
    AnbError
        If it is of another kind.
    """
    try:
        content = pickle.dumps(estimator, protocol=4)
    except Exception as error:  # an object may fail in any way of its own
        kind = f"{type(estimator).__module__}.{type(estimator).__name__}"
        msg = f"{kind} cannot be pickled: {' '.join(str(error).split())[:200]}"
        raise FormatError(msg) from error
    return _from_pickle(loads(content))


def check_features(model: Model, space: SearchSpace) -> None:
    """Check that a model takes the codes of a space: its number of features and their names.

    Raises
    ------
    FormatError
        If it has another number of features, or they are named, but not as the genes (nor
        numbered from first to last, as libraries name columns that have no names); if it takes a
        code or value of a gene for a missing one.
    """
    if model.missing is not None and not _is_in_no_row(model.missing, space):
        # Rows that hold it would take other ways through the trees.
        _refuse(
            f"missing={show(model.missing)} is not supported, only numbers that are neither code "
            "nor value of a gene: an architecture has no missing codes; refit with "
            "missing=float('nan')"
        )
    width, names = model.member.n_features, model.feature_names
    if width != space.n_genes:
        hint = ", one for each choice" if width == sum(space.gene_sizes) else ""
        _refuse(
            f"the model has {width} features{hint}, the space {space.name!r} {space.n_genes} "
            "genes; train on the genes' codes (anb_onnx.encode), one column for each"
        )
    if not names or names == space.gene_names:
        return
    if len(names) != width:
        _refuse(f"the model has {width} features, but names {len(names)}")
    for prefix, first in _AUTOMATIC:
        if names == tuple(f"{prefix}{first + k}" for k in range(width)):
            return
    pairs = zip(names, space.gene_names, strict=True)
    position = next(k for k, (name, gene) in enumerate(pairs) if name != gene)
    _refuse(
        f"feature {position} of the model is {show(names[position])}, expected "
        f"{space.gene_names[position]!r}: the features must be the genes' codes, in the order of "
        "the space (or numbered in that order, as libraries name columns without names)"
    )


def _from_pickle(value: Any) -> Model:
    if not isinstance(value, Object):
        _refuse(f"the pickle holds a {type(value).__name__}, no model; pickle the model itself")
    reader = _READERS.get(value.kind)
    if reader is None:
        _refuse(
            f"the pickle holds a {value.kind}, which is no model that is supported; supported: "
            f"{', '.join(_READERS)}"
        )
    return reader(value.state)


def _xgboost(content: bytes) -> Model:
    document = decode(content)
    what = what_document(document)
    if what is not None:
        _refuse(what)
    if isinstance(document, dict) and "Model" in document:
        # What pickles hold: the model beside the training's configuration.
        inner = ubjson.member(content, "Model")
        if inner is None:
            _refuse("not an xgboost model: 'Model' is missing")
        content, document = inner, document["Model"]
    forest = forest_of_document(document)
    learner = document["learner"]
    names = learner.get("feature_names", [])
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        _refuse("not an xgboost model: feature_names must be strings")
    types = learner.get("feature_types", [])
    columns = xgboost_columns(types if isinstance(types, list) else [])
    return Model("xgb", forest, tuple(names), _best_xgboost(forest, learner), content, columns)


def _best_xgboost(forest: Forest, learner: Mapping[str, Any]) -> Forest | None:
    attributes = learner.get("attributes")
    best = attributes.get("best_iteration") if isinstance(attributes, dict) else None
    if best is None:
        return None
    param = learner["gradient_booster"]["model"].get("gbtree_model_param")
    per_round = param.get("num_parallel_tree", "1") if isinstance(param, dict) else "1"
    for key, text in (("best_iteration", best), ("num_parallel_tree", per_round)):
        if not isinstance(text, str) or not re.fullmatch(r"\d{1,9}", text):
            _refuse(f"{key} must be an integer, found {show(text)}")
    return forest.first((int(best) + 1) * max(1, int(per_round)))


def _xgboost_booster(state: Mapping[str, Any]) -> Model:
    handle = state.get("handle")
    if not isinstance(handle, bytes | bytearray):
        _refuse("the pickled xgboost Booster holds no model")
    if not handle.startswith(b"{"):
        _refuse(f"the pickle was written by an xgboost before 1.6, {OLD_BINARY}")
    return _xgboost(bytes(handle))


def _lightgbm_booster(state: Mapping[str, Any]) -> Model:
    text = state.get("_handle", state.get("handle"))  # since and before LightGBM 4
    if not isinstance(text, str):
        _refuse("the pickled LightGBM Booster holds no model")
    return _lightgbm(text, state.get("best_iteration"))


def _lightgbm(content: str | bytes, best_iteration: Any) -> Model:
    # LightGBM itself predicts with the best round unless told otherwise, so the reference does.
    recorded = type(best_iteration) is int and best_iteration > 0
    found = read_lightgbm(content, first=best_iteration if recorded else None)
    best = found.forest if recorded else None
    return Model("lgb", found.forest, found.feature_names, best, columns=found.columns)


def _xgboost_regressor(state: Mapping[str, Any]) -> Model:
    missing = state.get("missing")  # None stands for NaN, too
    # The Booster inside does not know of it.
    model = _xgboost_booster(_booster(state, "xgboost.core.Booster").state)
    return replace(model, missing=missing)


def _is_in_no_row(value: Any, space: SearchSpace) -> bool:
    """Tell whether no architecture holds a value, which xgboost compares in float32.

    Neither as codes nor as the genes' values, on which a model may have been trained.
    """
    if not isinstance(value, int | float):
        return False
    choices = [choice for gene in space.genes for choice in gene.choices]
    held = {float(choice) for choice in choices if not isinstance(choice, str)}
    held |= set(map(float, range(max(space.gene_sizes))))
    try:
        with np.errstate(over="ignore"):
            return float(np.float32(value)) not in held
    except OverflowError:  # of a very long integer
        return False


def _lightgbm_regressor(state: Mapping[str, Any]) -> Model:
    return _lightgbm_booster(_booster(state, "lightgbm.basic.Booster").state)


def _booster(state: Mapping[str, Any], kind: str) -> Object:
    inner = state.get("_Booster")
    if not isinstance(inner, Object):
        _refuse("the estimator is not fitted; fit it first")
    if inner.kind != kind:
        _refuse(f"the pickle is damaged: the estimator holds a {inner.kind}, expected a {kind}")
    return inner


def _forest(state: Mapping[str, Any]) -> Model:
    columns = Columns(drawn=draws_splits(state))
    return Model("forest", forest_from_state(state), _column_names(state), columns=columns)


def _support_vectors(family: str) -> Callable[[Mapping[str, Any]], Model]:
    def read(state: Mapping[str, Any]) -> Model:
        return Model(family, kernel_from_state(state), _column_names(state))

    return read


def _column_names(state: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the columns' names that scikit-learn keeps of a table; none of a plain array."""
    names = state.get("feature_names_in_")
    if names is None:
        return ()
    if not isinstance(names, tuple) or not all(isinstance(name, str) for name in names):
        _refuse("the pickle is damaged: 'feature_names_in_' is no array of names")
    return names


def _refuse(message: str) -> NoReturn:
    raise FormatError(message)


_READERS: dict[str, Callable[[Mapping[str, Any]], Model]] = {
    "xgboost.core.Booster": _xgboost_booster,
    "xgboost.sklearn.XGBRegressor": _xgboost_regressor,
    "lightgbm.basic.Booster": _lightgbm_booster,
    "lightgbm.sklearn.LGBMRegressor": _lightgbm_regressor,
    "sklearn.ensemble._forest.RandomForestRegressor": _forest,
    "sklearn.ensemble._forest.ExtraTreesRegressor": _forest,
    "sklearn.svm._classes.SVR": _support_vectors("svr"),
    "sklearn.svm._classes.NuSVR": _support_vectors("nusvr"),
}
