"""Recipes of all families of models that the reference compares, from its published file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from anb_export.formats import FAMILIES
from anb_export.recipe import Recipe, RecipeError, read_hyperparameters, upstream_recipe_of
from anb_onnx.links import Link

#: Name of each family in the reference's file of hyper-parameters.
SECTIONS = {
    "xgb": "xgb",
    "lgb": "lgb",
    "forest": "sklearn_forest",
    "svr": "svr",
    "nusvr": "svr_nu",
}

_SVM = {
    "C": float,
    "coef0": float,
    "degree": int,
    "gamma": str,
    "kernel": str,
    "shrinking": bool,
    "tol": float,
}
#: The hyper-parameters of each family but xgb, and what they are.
PARAMETERS: dict[str, dict[str, type]] = {
    "lgb": {
        "max_depth": int,
        "num_leaves": int,
        "max_bin": int,
        "feature_fraction": float,
        "min_child_weight": float,
        "lambda_l1": float,
        "lambda_l2": float,
        "learning_rate": float,
    },
    "forest": {
        "n_estimators": int,
        "min_samples_split": int,
        "min_samples_leaf": int,
        "max_features": float,
        "bootstrap": bool,
    },
    "svr": {**_SVM, "epsilon": float},
    "nusvr": {**_SVM, "nu": float},
}
_ROUNDS = ("num_rounds", "early_stopping_rounds")
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
        The reference's published file.

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
        If one is missing, unknown or of the wrong kind.
    """
    _check_family(family)
    if family == "xgb":
        return upstream_recipe_of(found, where=where)
    rest = dict(found)
    rounds: dict[str, int] = {}
    if family == "lgb":
        for key in _ROUNDS:
            value = rest.pop(key, None)
            if type(value) is not int or value < 1:
                msg = f"{where}.{key} must be a positive integer, found {value!r}"
                raise RecipeError(msg)
            rounds[key] = value
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
        value = rest[key]
        ok = type(value) is kind or (kind is float and type(value) is int)
        if not ok:
            msg = f"{where}.{key} must be {kind.__name__}, found {value!r}"
            raise RecipeError(msg)
    return FamilyRecipe(family, rest, **rounds)


def _check_family(family: str) -> None:
    if family not in FAMILIES:
        msg = f"unknown family {family!r}; valid families: {', '.join(FAMILIES)}"
        raise RecipeError(msg)
