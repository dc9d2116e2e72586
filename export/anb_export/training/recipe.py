"""What to train: a recipe is a value, and `train_members.train_member` makes a booster of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from anb_export._io.json_file import read_json
from anb_export.training.reference_configs import read_config
from anb_onnx.errors import AnbError
from anb_onnx.links import Link
from anb_onnx.spaces.space import SearchSpace

#: Folds of the pool of training and validation rows; one of them stops a member's training.
N_FOLDS = 9

_TREE_KEYS = frozenset(
    {
        "max_depth",
        "min_child_weight",
        "colsample_bytree",
        "colsample_bylevel",
        "colsample_bynode",
        "lambda",
        "alpha",
        "learning_rate",
    }
)
_OTHER_KEYS = frozenset({"num_rounds", "early_stopping_rounds", "booster", "bananas_enc"})


class RecipeError(AnbError):
    """A recipe or a file of hyper-parameters is malformed."""


class LabelTransform(Protocol):
    """A monotone map from the target's unit to what is trained on, and back."""

    def forward(self, y: NDArray[np.float64]) -> NDArray[np.float64]:
        """Map targets to training labels."""
        ...

    def inverse(
        self,
        label: NDArray[np.float64],
        codes: NDArray[np.uint8] | None = None,
        space: SearchSpace | None = None,
    ) -> NDArray[np.float64]:
        """Map labels, or predictions of them, to targets.

        Parameters
        ----------
        label : ndarray of float64, shape (N,) or (N, M)
        codes : ndarray of uint8, shape (N, n_genes), optional
            The architectures; needed where the link has a regime.
        space : SearchSpace, optional
            Of the architectures; needed with them.
        """
        ...

    def to_dict(self) -> dict[str, Any]:
        """Return the transform as plain data for JSON."""
        ...


@dataclass(frozen=True)
class Standardised:
    """A link followed by a shift and a scale: labels of mean 0 and standard deviation 1.

    Attributes
    ----------
    link : Link
    mean, std : float
        Of the link of the target over the pool of training and validation rows.
    """

    link: Link
    mean: float
    std: float

    def forward(self, y: NDArray[np.float64]) -> NDArray[np.float64]:
        """Map targets to standardised labels."""
        return (self.link.forward(y) - self.mean) / self.std

    def inverse(
        self,
        label: NDArray[np.float64],
        codes: NDArray[np.uint8] | None = None,
        space: SearchSpace | None = None,
    ) -> NDArray[np.float64]:
        """Map standardised labels to targets; see `LabelTransform.inverse`."""
        return self.link.inverse(label * self.std + self.mean, codes, space)

    def to_dict(self) -> dict[str, Any]:
        """Return the transform as plain data for JSON."""
        return {
            "kind": "standardised",
            "link": self.link.to_dict(),
            "mean": self.mean,
            "std": self.std,
        }


def transform_from_dict(data: Mapping[str, Any]) -> LabelTransform:
    """Return the transform that `to_dict` described.

    Raises
    ------
    RecipeError
        If there is no such transform.
    """
    if "power" in data:
        return Link.from_dict(data)
    if data.get("kind") == "standardised":
        return Standardised(Link.from_dict(data["link"]), float(data["mean"]), float(data["std"]))
    msg = f"unknown label transform {dict(data)!r}"
    raise RecipeError(msg)


@dataclass(frozen=True)
class Recipe:
    """How the members of an ensemble are trained.

    Attributes
    ----------
    name : str
        Name of the recipe, recorded in the artifacts.
    params : mapping
        Parameters of ``xgboost.train``, except the seed and the number of threads.
    num_rounds : int
        Most boosting rounds, of each stage.
    early_stopping_rounds : int or None
        Stop when the held-out fold has not improved for so many rounds; None never stops.
    transform : LabelTransform
        Applied to the target before training.
    keep_best : bool
        Whether a member ends at its best round; the reference keeps all rounds.
    first_stage : mapping or None
        Parameters that replace those of `params` in a first stage of boosting, which ends at its
        best round and which a second one, with `params`, goes on from. None trains in one stage.
    """

    name: str
    params: Mapping[str, Any]
    num_rounds: int
    early_stopping_rounds: int | None
    transform: LabelTransform = field(default_factory=Link)
    keep_best: bool = False
    first_stage: Mapping[str, Any] | None = None

    def __post_init__(self) -> None:
        for key, value in (
            ("num_rounds", self.num_rounds),
            ("early_stopping_rounds", self.early_stopping_rounds),
        ):
            if value is not None and (type(value) is not int or value < 1):
                msg = f"recipe {self.name!r}: {key} must be a positive integer, found {value!r}"
                raise RecipeError(msg)
        staged = self.first_stage is not None
        for name, wanted in (("keep_best", self.keep_best), ("first_stage", staged)):
            if wanted and self.early_stopping_rounds is None:
                msg = f"recipe {self.name!r}: {name} needs early_stopping_rounds"
                raise RecipeError(msg)
        for name in ("params", "first_stage"):
            params = getattr(self, name)
            if params is None:
                continue
            for key in ("seed", "nthread"):
                if key in params:
                    msg = f"recipe {self.name!r}: {key} is set by the training, not by the recipe"
                    raise RecipeError(msg)
            object.__setattr__(self, name, MappingProxyType(dict(params)))

    def __reduce__(self) -> tuple[Any, ...]:
        # A mapping proxy does not pickle; training processes receive recipes pickled.
        stop = self.early_stopping_rounds
        facts = (self.name, dict(self.params), self.num_rounds, stop, self.transform)
        first = None if self.first_stage is None else dict(self.first_stage)
        return Recipe, (*facts, self.keep_best, first)

    def to_dict(self) -> dict[str, Any]:
        """Return the recipe as plain data for JSON; equal recipes give equal data."""
        return {
            "name": self.name,
            "params": dict(self.params),
            "num_rounds": self.num_rounds,
            "early_stopping_rounds": self.early_stopping_rounds,
            "transform": self.transform.to_dict(),
            "keep_best": self.keep_best,
            "first_stage": None if self.first_stage is None else dict(self.first_stage),
        }

    def training_dict(self) -> dict[str, Any]:
        """Return `to_dict` without what training does not see: hinges and regime of the link."""
        document = self.to_dict()
        transform = dict(document["transform"])
        if "link" in transform:
            link = transform["link"]
            transform["link"] = Link(link["power"], link["offset"]).to_dict()
        elif "power" in transform:
            transform = Link(transform["power"], transform["offset"]).to_dict()
        return {**document, "transform": transform}


def upstream_recipe(target: str, hyperparameters: str | Path) -> Recipe:
    """Return the recipe of Accel-NASBench itself.

    Parameters
    ----------
    target : str
        Name of the target.
    hyperparameters : str or Path
        The reference's folder ``configs``, or a JSON file with the searched hyper-parameters under
        ``xgb`` and the target's name.

    Raises
    ------
    RecipeError
        If the file is missing or malformed, has nothing for the target, or holds an unknown
        hyper-parameter.
    """
    found = read_hyperparameters(Path(hyperparameters), "xgb", target)
    return upstream_recipe_of(found, where=f"{hyperparameters}: xgb.{target}")


def upstream_recipe_of(found: Mapping[str, Any], *, where: str) -> Recipe:
    """Return the recipe of Accel-NASBench with these hyper-parameters.

    Parameters
    ----------
    found : mapping
        As in the reference's file.
    where : str
        Where they come from, for errors.

    Raises
    ------
    RecipeError
        If a hyper-parameter is missing, unknown, or not supported.
    """
    unknown = sorted(found.keys() - _TREE_KEYS - _OTHER_KEYS)
    if unknown:
        msg = f"{where}: unknown hyper-parameter {unknown[0]!r}"
        raise RecipeError(msg)
    if found.get("booster", "gbtree") != "gbtree" or found.get("bananas_enc", False) is not False:
        msg = f"{where}: only booster 'gbtree' without the BANANAS encoding is supported"
        raise RecipeError(msg)
    params: dict[str, Any] = {}
    for key in sorted(found.keys() & _TREE_KEYS):
        if isinstance(found[key], bool) or not isinstance(found[key], (int, float)):
            msg = f"{where}.{key} must be a number, found {found[key]!r}"
            raise RecipeError(msg)
        params[key] = found[key]
    params |= {
        "booster": "gbtree",
        "objective": "reg:squarederror",
        "eval_metric": "rmse",
        # The reference's xgboost 1.7.1 chose exact by itself on data of this size. With at most
        # four codes per gene, histograms offer the same splits, and on the validation folds of
        # seeds 1 and 2 both are equal within the noise (accuracy RMSE .425-.443 and .436-.442;
        # tpuv2 19.3-19.7 and 20.2-20.8, over both methods and both base scores) while exact takes
        # four to seven times as long.
        "tree_method": "hist",
        "base_score": 0.5,
    }
    try:
        return Recipe("upstream", params, found["num_rounds"], found["early_stopping_rounds"])
    except KeyError as error:
        msg = f"{where}: {error.args[0]!r} is missing"
        raise RecipeError(msg) from None


def read_hyperparameters(path: Path, section: str, target: str) -> dict[str, Any]:
    """Read the hyper-parameters of one family of models and one target.

    Parameters
    ----------
    path : Path
        JSON file: families, then targets, then hyper-parameters; or the reference's ``configs``
        folder, see `reference_configs`.
    section : str
        Name of the family in it: ``xgb``, ``lgb``, ``sklearn_forest``, ``svr`` or ``svr_nu``.
    target : str

    Raises
    ------
    RecipeError
        If the file is missing or malformed, or has nothing for family and target.
    ConfigsError
        The same of a folder.
    """
    if path.is_dir():
        return read_config(path, section, target)[0]
    try:
        content = read_json(path)
    except FileNotFoundError:
        msg = (
            f"no hyper-parameters at {path}; give a file of them, or the reference's folder "
            "configs, with --hyperparameters"
        )
        raise RecipeError(msg) from None
    except (OSError, ValueError, RecursionError) as error:
        msg = f"cannot read the hyper-parameters {path}: {error}"
        raise RecipeError(msg) from error
    family = content.get(section) if isinstance(content, dict) else None
    if not isinstance(family, dict):
        msg = f"{path}: expected an object under {section!r}"
        raise RecipeError(msg)
    found = family.get(target)
    if not isinstance(found, dict):
        known = ", ".join(family)
        msg = f"{path}: no {section} hyper-parameters for {target!r}; there are some for: {known}"
        raise RecipeError(msg)
    return dict(found)
