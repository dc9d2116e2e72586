"""Recipes of all families of models that the reference compares, from its published file."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from anb_export.models.formats import FAMILIES
from anb_export.models.svm_form import KERNELS
from anb_export.training.recipe import Recipe, RecipeError, read_hyperparameters, upstream_recipe_of
from anb_onnx.links import Link

#: Name of each family in the reference's file of hyper-parameters.
SECTIONS = {
    "xgb": "xgb",
    "lgb": "lgb",
    "forest": "sklearn_forest",
    "svr": "svr",
    "nusvr": "svr_nu",
}

#: The libraries keep whole numbers in 32 bits.
_MOST = 2**31 - 1


@dataclass(frozen=True)
class Number:
    """What a number may be: finite, from low to high, or above low."""

    low: float = -sys.float_info.max
    high: float = sys.float_info.max
    above: bool = False
    whole: bool = False

    def __contains__(self, value: object) -> bool:
        kinds = (int,) if self.whole else (int, float)
        # Not isinstance: a boolean is no number here. NaN is in no range.
        if type(value) not in kinds or not isinstance(value, (int, float)):
            return False
        return self.low <= value <= self.high and not (self.above and value == self.low)

    def __str__(self) -> str:
        text = "an integer" if self.whole else "a finite number"
        if self.low > -sys.float_info.max:
            text += f" {'above' if self.above else 'from'} {self.low}"
        if self.high < sys.float_info.max:
            text += f" {'up ' if self.above else ''}to {self.high}"
        return text


_POSITIVE = Number(0, above=True)
_NOT_NEGATIVE = Number(0)
_SHARE = Number(0, 1, above=True)
_SWITCH = (True, False)
_ROUNDS = {key: Number(1, _MOST, whole=True) for key in ("num_rounds", "early_stopping_rounds")}
_SVM: dict[str, Number | tuple[Any, ...]] = {
    "C": _POSITIVE,
    "coef0": Number(),
    "degree": Number(0, _MOST, whole=True),
    "gamma": ("scale", "auto"),
    "kernel": KERNELS,
    "shrinking": _SWITCH,
    "tol": _POSITIVE,
}
#: The hyper-parameters of each family but xgb, and what they may be.
PARAMETERS: dict[str, dict[str, Number | tuple[Any, ...]]] = {
    "lgb": {
        "max_depth": Number(-_MOST, _MOST, whole=True),  # not positive: no limit
        "num_leaves": Number(2, 131_072, whole=True),
        "max_bin": Number(2, _MOST, whole=True),
        "feature_fraction": _SHARE,
        "min_child_weight": _NOT_NEGATIVE,
        "lambda_l1": _NOT_NEGATIVE,
        "lambda_l2": _NOT_NEGATIVE,
        "learning_rate": _SHARE,
    },
    "forest": {
        # More would only fill the memory.
        "n_estimators": Number(1, 100_000, whole=True),
        "min_samples_split": Number(2, _MOST, whole=True),
        "min_samples_leaf": Number(1, _MOST, whole=True),
        "max_features": _SHARE,
        "bootstrap": _SWITCH,
    },
    "svr": {**_SVM, "epsilon": _NOT_NEGATIVE},
    "nusvr": {**_SVM, "nu": _SHARE},
}
#: What those of xgb may be; its file need not hold all.
_XGB: dict[str, Number] = {
    **_ROUNDS,
    "max_depth": Number(0, _MOST, whole=True),  # 0: no limit
    "min_child_weight": _NOT_NEGATIVE,
    "colsample_bytree": _SHARE,
    "colsample_bylevel": _SHARE,
    "colsample_bynode": _SHARE,
    "lambda": _NOT_NEGATIVE,
    "alpha": _NOT_NEGATIVE,
    "learning_rate": _SHARE,
}
#: Keys of the published file that say nothing about a model of ours, and the value they must have.
_FIXED = {"lgb": {"boosting_type": "gbdt", "bananas_enc": False}}


@dataclass(frozen=True)
class FamilyRecipe:
    """How members of a family other than xgb are trained.

    Attributes
    ----------
    family : str
    params : mapping
        Hyper-parameters, those of `PARAMETERS`.
    num_rounds, early_stopping_rounds : int or None
        Of boosting; None for what does not boost.
    """

    family: str
    params: Mapping[str, Any]
    num_rounds: int | None = None
    early_stopping_rounds: int | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return the recipe as plain data, with the keys of `Recipe.to_dict`."""
        svm = self.family in ("svr", "nusvr")
        return {
            "name": "upstream",
            "params": dict(self.params),
            "num_rounds": self.num_rounds,
            "early_stopping_rounds": self.early_stopping_rounds,
            "transform": Link().to_dict(),
            "labels": "standardised per member" if svm else "as measured",
            "keep_best": self.family == "lgb",
        }


def family_recipe(family: str, target: str, hyperparameters: str | Path) -> FamilyRecipe | Recipe:
    """Return the reference's recipe of a family for a target.

    Parameters
    ----------
    family : str
        One of `FAMILIES`.
    target : str
    hyperparameters : str or Path
        The reference's folder ``configs``, or a file of its values.

    Raises
    ------
    RecipeError
        If there is no such family, or nothing for it and the target in the file.
    """
    _check_family(family)
    section = SECTIONS[family]
    found = read_hyperparameters(Path(hyperparameters), section, target)
    return family_recipe_of(family, found, where=f"{hyperparameters}: {section}.{target}")


def family_recipe_of(family: str, found: Mapping[str, Any], *, where: str) -> FamilyRecipe | Recipe:
    """Return a family's recipe with these hyper-parameters; `where` names them in errors.

    Raises
    ------
    RecipeError
        If one is missing, unknown, of the wrong kind or out of its range.
    """
    _check_family(family)
    if family == "xgb":
        for key in sorted(found.keys() & _XGB.keys()):
            _check_value(f"{where}.{key}", found[key], _XGB[key])
        return upstream_recipe_of(found, where=where)
    rest = dict(found)
    rounds: dict[str, int] = {}
    if family == "lgb":
        for key, allowed in _ROUNDS.items():
            rounds[key] = rest.pop(key, None)
            _check_value(f"{where}.{key}", rounds[key], allowed)
    for key, value in _FIXED.get(family, {}).items():
        if rest.pop(key, value) != value:
            msg = f"{where}.{key} must be {value!r}, found {found[key]!r}"
            raise RecipeError(msg)
    kinds = PARAMETERS[family]
    for key in sorted(rest.keys() ^ kinds.keys()):
        what = "is missing" if key in kinds else "is unknown"
        msg = f"{where}: hyper-parameter {key!r} {what}"
        raise RecipeError(msg)
    for key, kind in kinds.items():
        _check_value(f"{where}.{key}", rest[key], kind)
    return FamilyRecipe(family, rest, **rounds)


def _check_value(name: str, value: object, allowed: Number | tuple[Any, ...]) -> None:
    if isinstance(allowed, Number):
        ok, text = value in allowed, str(allowed)
    else:
        # In Python, 1 equals True.
        ok = any(type(value) is type(choice) and value == choice for choice in allowed)
        text = f"one of {', '.join(json.dumps(choice) for choice in allowed)}"
    if not ok:
        msg = f"{name} must be {text}, found {value!r:.80}"
        raise RecipeError(msg)


def _check_family(family: str) -> None:
    if family not in FAMILIES:
        msg = f"unknown family {family!r}; valid families: {', '.join(FAMILIES)}"
        raise RecipeError(msg)
