"""The compact recipe: members whose trees never mix blocks of more than one term.

`interaction_constraints` over the pairs of blocks, or over other terms, make every ensemble, of any
depth and any number of trees, exactly a sum of one table per term (see
`anb_export.tables.compile`). A link function per target makes pairs enough. Most of what is
measured adds up over single blocks, so members learn that first, from trees that stay within one
block, and then what pairs add to it. Link, loss and hyper-parameters per target were chosen by
`anb-export tune` on validation folds and stand in ``recipes/compact.json``.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anb_export._io.json_file import read_json
from anb_export.data.accel_nasbench import ACCEL_NASBENCH
from anb_export.data.dataset import Dataset
from anb_export.training.recipe import Recipe, RecipeError, Standardised
from anb_onnx.errors import ArtifactError
from anb_onnx.links import Link
from anb_onnx.regimes import Regime
from anb_onnx.spaces.space import SearchSpace
from anb_onnx.terms import Term, Terms, all_pairs

#: Where the committed recipes of all targets stand.
RECIPES = files("anb_export.training") / "recipes" / "compact.json"

_TREE_KEYS = (
    "max_depth",
    "learning_rate",
    "min_child_weight",
    "subsample",
    "colsample_bynode",
    "lambda",
)
_ADDITIVE_KEYS = ("max_depth", "min_child_weight", "lambda")


@dataclass(frozen=True)
class CompactRecipe:
    """How the compact members of one target are trained.

    Attributes
    ----------
    link : Link
    params : mapping
        Tree and boosting parameters of xgboost.
    additive : mapping or None
        Tree parameters that replace those of `params` in a first stage, whose trees stay within
        one block each: it learns what adds up over the blocks. None learns pairs at once.
    loss_scale : float
        Row weights are abs(dy/du) ** (2 * loss_scale): 0 measures the squared error on the link's
        scale, 1 (to first order) in the target's unit.
    noise_floor : float or None
        Row weights are further divided by 1 + (relative measured std / noise_floor) ** 2, where a
        std was published; None does not look at it.
    huber : float or None
        Slope of the pseudo-Huber loss in standard deviations of the label; None is squared error.
    monotone : bool
        Whether expansion ratio, kernel size and layers can only raise cost and accuracy.
    trim : float or None
        Rows whose target lies above this many medians are left out of training; None keeps all.
    num_rounds, early_stopping_rounds : int
        Of each stage.
    terms : tuple of tuple of int, or None
        Which blocks may meet in a path of a tree; None is `default_terms` of the space.
    """

    link: Link
    params: Mapping[str, float]
    additive: Mapping[str, float] | None = None
    loss_scale: float = 0.0
    noise_floor: float | None = None
    huber: float | None = None
    monotone: bool = False
    trim: float | None = None
    num_rounds: int = 10_000
    early_stopping_rounds: int = 200
    terms: tuple[Term, ...] | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return the recipe as plain data, as in ``recipes/compact.json``."""
        link: dict[str, Any] = {
            "power": self.link.power,
            "offset": self.link.offset,
            "hinges": [list(hinge) for hinge in self.link.hinges],
        }
        if self.link.regime is not None:
            link["regime"] = self.link.regime.to_dict()
        return {
            "link": link,
            "params": dict(self.params),
            "additive": None if self.additive is None else dict(self.additive),
            "loss_scale": self.loss_scale,
            "noise_floor": self.noise_floor,
            "huber": self.huber,
            "monotone": self.monotone,
            "trim": self.trim,
            "num_rounds": self.num_rounds,
            "early_stopping_rounds": self.early_stopping_rounds,
            # Only where they are chosen: the default follows from the space.
            **({} if self.terms is None else {"terms": [list(term) for term in self.terms]}),
        }

    @classmethod
    def from_dict(cls, document: Mapping[str, Any]) -> CompactRecipe:
        """Read what `to_dict` wrote.

        Raises
        ------
        RecipeError
            If a key is missing or unknown, a value is not a number where one belongs, or there is
            no such link.
        """
        known = set(cls.__dataclass_fields__)
        for key in sorted((known ^ set(document)) - {"terms"}):
            msg = f"compact recipe: {'missing' if key in known else 'unknown'} key {key!r}"
            raise RecipeError(msg)
        numbers = {"loss_scale": document["loss_scale"]}
        for name, wanted in (("params", _TREE_KEYS), ("additive", _ADDITIVE_KEYS)):
            if name == "additive" and document[name] is None:
                continue
            if not isinstance(document[name], Mapping):
                msg = f"compact recipe: {name} must be an object, found {document[name]!r}"
                raise RecipeError(msg)
            for key in sorted(set(wanted) ^ set(document[name])):
                msg = f"compact recipe: {name} must be {', '.join(wanted)}; see {key!r}"
                raise RecipeError(msg)
            numbers |= {f"{name}.{key}": value for key, value in document[name].items()}
        for key in ("noise_floor", "huber", "trim"):
            if document[key] is not None:
                numbers[key] = document[key]
        for key, value in numbers.items():
            if type(value) not in (int, float) or not 0 <= value < math.inf:
                msg = f"compact recipe: {key} must be a number >= 0, found {value!r}"
                raise RecipeError(msg)
        if type(document["monotone"]) is not bool:
            msg = f"compact recipe: monotone must be true or false, found {document['monotone']!r}"
            raise RecipeError(msg)
        terms = None if "terms" not in document else _read_terms(document["terms"])
        return cls(**{**document, "link": _read_link(document["link"]), "terms": terms})

    def terms_of(self, space: SearchSpace) -> Terms:
        """Return the terms as those of a space, of which the recipe must be.

        Raises
        ------
        RecipeError
            If they are none, or a block is in no term: a tree might still split on it; or if the
            link has a regime of another space.
        """
        try:
            if self.link.regime is not None:
                self.link.regime.check(space)
            terms = default_terms(space) if self.terms is None else Terms(space, self.terms)
        except ArtifactError as error:
            msg = f"compact recipe: {error}"
            raise RecipeError(msg) from error
        for number, block in enumerate(space.blocks):
            if terms.covering([number]) is None:
                msg = f"compact recipe: no term has block {number} ({block.name}); add [{number}]"
                raise RecipeError(msg)
        return terms

    def rows(self, dataset: Dataset, target: str, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return those of `rows` the members are trained on: with a value, and not trimmed."""
        kept, _ = dataset.labelled(target, rows)
        if self.trim is None:
            return kept
        y = dataset.values[target][kept]
        return kept[y <= self.trim * np.median(y)]

    def weights(
        self, dataset: Dataset, target: str, rows: NDArray[np.int64]
    ) -> NDArray[np.float64] | None:
        """Return a weight per row of `rows`, float64 of mean 1, or None if all are alike.

        The mean is that of `rows` alone: regularisation depends on the scale of the weights, so
        rows that take no part in a training may not take part in it.
        """
        if self.loss_scale == 0.0 and self.noise_floor is None:
            return None
        y = dataset.values[target][rows]
        weights = self.link.slope(y) ** (2.0 * self.loss_scale)
        if self.noise_floor is not None:
            relative = np.nan_to_num(dataset.stds[target][rows] / y)
            weights = weights / (1.0 + (relative / self.noise_floor) ** 2)
        return np.asarray(weights / weights.mean(), dtype=np.float64)

    def recipe(self, dataset: Dataset, target: str, rows: NDArray[np.int64]) -> Recipe:
        """Return the recipe for `train_member`, with labels standardised over `rows`."""
        space = dataset.space
        terms = self.terms_of(space)
        labels = self.link.forward(dataset.values[target][rows])
        if not labels.std() > 0 or not np.isfinite(labels).all():
            msg = f"the link {self.link.name} does not fit {target!r}: {_unfit(labels)}"
            raise RecipeError(msg)
        singles = genes_of_terms(Terms.of_order(space, 1))
        params: dict[str, Any] = {
            **self.params,
            "booster": "gbtree",
            "objective": "reg:squarederror",
            "eval_metric": "rmse",
            # Few distinct codes per gene: histograms lose nothing and are several times faster.
            "tree_method": "hist",
            "base_score": 0.0,  # the labels have mean zero
            "interaction_constraints": json.dumps(genes_of_terms(terms)),
        }
        if self.huber is not None:
            params |= {"objective": "reg:pseudohubererror", "huber_slope": self.huber}
        if self.monotone:
            metric = dataset.target(target).metric
            params["monotone_constraints"] = str(monotone_signs(metric, self.link, space))
        return Recipe(
            "compact",
            params,
            self.num_rounds,
            self.early_stopping_rounds,
            Standardised(self.link, float(labels.mean()), float(labels.std())),
            keep_best=True,
            first_stage=None
            if self.additive is None
            else {**self.additive, "interaction_constraints": json.dumps(singles)},
        )


#: For data that nobody tuned: with held-out folds of NAS-Bench-201 and FBNet (900 architectures,
#: four targets) as good as what `anb-export tune` starts from, in a third of the rounds.
UNTUNED = CompactRecipe(
    link=Link(),
    params={
        "max_depth": 4,
        "learning_rate": 0.1,
        "min_child_weight": 2.0,
        "subsample": 0.8,
        "colsample_bynode": 0.6,
        "lambda": 1.0,
    },
    additive={"max_depth": 4, "min_child_weight": 1.0, "lambda": 1.0},
    num_rounds=2000,
    early_stopping_rounds=50,
)


def _read_link(document: Any) -> Link:
    keys = ("power", "offset", "hinges")
    if not isinstance(document, dict) or document.keys() - {"regime"} != {*keys}:
        msg = f"compact recipe: link must have power, offset and hinges, found {document!r}"
        raise RecipeError(msg)
    power, offset, hinges = (document[key] for key in keys)
    if not isinstance(hinges, list) or not all(isinstance(hinge, list) for hinge in hinges):
        msg = f"compact recipe: link: hinges must be a list of [knot, change], found {hinges!r}"
        raise RecipeError(msg)
    pairs: Any = tuple(tuple(hinge) for hinge in hinges)  # checked there
    try:
        regime = Regime.from_dict(document["regime"]) if "regime" in document else None
        return Link(power, offset, pairs, regime)
    except ArtifactError as error:
        msg = f"compact recipe: {error}"
        raise RecipeError(msg) from error


def _read_terms(document: Any) -> tuple[Term, ...]:
    """Return terms as far as they can be read without their space."""
    if not isinstance(document, list) or not all(isinstance(term, list) for term in document):
        msg = f"compact recipe: terms must be a list of lists of blocks, found {document!r}"
        raise RecipeError(msg)
    return tuple(tuple(term) for term in document)


def _unfit(labels: NDArray[np.float64]) -> str:
    if np.isfinite(labels).all():
        return "all measurements are equal"
    return "some measurements are outside its domain"


def default_terms(space: SearchSpace) -> Terms:
    """Return all pairs of blocks, or the block of a space that has only one."""
    return all_pairs(space) if space.n_blocks > 1 else Terms.of_order(space, 1)


def genes_of_terms(terms: Terms) -> list[list[int]]:
    """Return the genes that may meet in one path of a tree: those of the blocks of each term."""
    genes = [range(terms.space.n_genes)[block] for block in terms.space.block_slices]
    return [[gene for block in term for gene in genes[block]] for term in terms.blocks]


def terms_of_genes(constraints: str, space: SearchSpace) -> Terms:
    """Return the terms whose `genes_of_terms` a recipe states as ``interaction_constraints``.

    Raises
    ------
    ArtifactError
        If they are not of this space.
    """
    block_of = [number for number, block in enumerate(space.blocks) for _ in block.genes]
    groups = json.loads(constraints)
    terms = (tuple(sorted({block_of[gene] for gene in group})) for group in groups)
    return Terms(space, tuple(terms))


def monotone_signs(metric: str, link: Link, space: SearchSpace) -> tuple[int, ...]:
    """Return +1, -1 or 0 per gene: how the label may move as the gene's code goes up.

    A larger expansion ratio, kernel or number of layers costs time and multiply-adds and adds
    capacity; for squeeze-excite nothing is assumed.
    """
    sign = (-1 if metric == "throughput" else 1) * (1 if link.increasing else -1)
    return tuple(sign if gene.kind == "int" else 0 for gene in space.genes)


def recipes_for(dataset: Dataset, path: Path | None = None) -> dict[str, CompactRecipe]:
    """Return a recipe for every target of a data set that has one.

    The bundled recipes were tuned for Accel-NASBench. Any other data set has `UNTUNED` for every
    target for which the file, if one is given, has none.

    Raises
    ------
    RecipeError
        As `load_recipes`.
    """
    if dataset.origin == ACCEL_NASBENCH:
        return load_recipes(path)
    own = {} if path is None else load_recipes(path)
    return {name: own.get(name, UNTUNED) for name in dataset.origin.targets}


def load_recipes(path: Path | None = None) -> dict[str, CompactRecipe]:
    """Read the recipes of all targets, from the committed file unless another is given.

    Raises
    ------
    RecipeError
        If the file is missing or malformed.
    """
    source = RECIPES if path is None else path
    try:
        if path is None:
            document = json.loads(RECIPES.read_text(encoding="utf-8"))
        else:
            document = read_json(path)
        return {name: CompactRecipe.from_dict(e["recipe"]) for name, e in document.items()}
    except FileNotFoundError:
        msg = f"no compact recipes at {source}; make them with `anb-export tune`"
        raise RecipeError(msg) from None
    except (OSError, AttributeError, KeyError, TypeError, ValueError, RecursionError) as error:
        msg = f"cannot read the compact recipes {source}: {error}"
        raise RecipeError(msg) from error
