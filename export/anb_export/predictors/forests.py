"""Predictors of trees: random forest, LightGBM and NGBoost."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from contextlib import redirect_stdout
from dataclasses import replace
from io import StringIO
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anb_export.models.forest import Forest, Tree
from anb_export.models.lightgbm_text import integer_threshold, read_lightgbm
from anb_export.models.safe_pickle import Object
from anb_export.models.sklearn_trees import forest_from_state
from anb_export.predictors.contract import Predictor, Sample, two_members
from anb_export.predictors.features import (
    Floats,
    architectures,
    encoder_for,
    features,
    folds,
    out_of_fold,
    rest,
    scale_of,
)
from anb_export.predictors.intervals import from_residuals
from anb_export.tables.encoder import Encoder
from anb_export.training.block_sums import one_thread

#: Trees of a random forest.
N_TREES = 100

#: Rounds of boosting, at most, and how many without progress end it.
_LIGHTGBM_ROUNDS = 2000
_LIGHTGBM_PATIENCE = 50
_NGBOOST_ROUNDS = 400
_NGBOOST_PATIENCE = 30

#: Rows beyond which NGBoost has fewer members, to be done in time.
_NGBOOST_ROWS = 700


class Forests(Predictor):
    """Members that are sums of trees over the columns of `features`."""

    def __init__(self, found: Sequence[Forest], sample: Sample) -> None:
        self.space = sample.space
        self.found = tuple(found)

    def members(self, codes: NDArray[np.uint8]) -> Floats:
        """Return float64 [N, M]: the trees' sums in float64."""
        x = features(codes, self.space).astype(np.uint8)
        return np.stack([forest.predict_exact(x) for forest in self.found], axis=1)

    def features(self) -> Encoder | None:
        """Return the columns, if the trees are not over codes."""
        return encoder_for(self.space)

    def forests(self) -> Sequence[Forest] | None:
        """Return the members."""
        return self.found


def fit_random_forest(sample: Sample, seed: int) -> Predictor:
    """Fit a random forest of 100 trees, each split looking at two thirds of the columns.

    The residuals are out of bag; out of fold, where architectures were measured repeatedly, since
    a bag without one measurement may hold another of the same.
    """
    number = architectures(sample)
    x, y = features(sample.codes, sample.space), sample.values
    bagged = _random_forest(x, y, seed)
    predicted = np.asarray(bagged.oob_prediction_)
    if number.max() + 1 < len(y):
        parts = folds(sample, seed)
        predicted = out_of_fold(
            lambda x, y, wanted: _random_forest(x, y, seed).predict(wanted), x, y, parts
        )
    found = Forests([_as_forest(bagged)], sample)
    found.calibration = from_residuals(y, predicted)
    return found


def _random_forest(x: Floats, y: Floats, seed: int) -> Any:
    from sklearn.ensemble import RandomForestRegressor

    model = RandomForestRegressor(
        N_TREES, max_features=2 / 3, oob_score=True, n_jobs=1, random_state=seed % 2**32
    )
    with warnings.catch_warnings():
        # Of a score that is not defined for a single row; it is not looked at.
        warnings.simplefilter("ignore")
        return model.fit(x, y)


def _as_forest(model: Any) -> Forest:
    """Return the trees as `sklearn_trees` reads them from a file."""
    trees = [
        Object(
            "sklearn.tree._classes",
            "DecisionTreeRegressor",
            (),
            {"tree_": Object("sklearn.tree._tree", "Tree", (), tree.tree_.__getstate__())},
        )
        for tree in model.estimators_
    ]
    return forest_from_state({**vars(model), "estimators_": trees})


def fit_lightgbm(sample: Sample, seed: int) -> Predictor:
    """Fit LightGBM: five members, each without a fold of its own, where it stops early."""
    x, y = features(sample.codes, sample.space), sample.values
    mean, scale = scale_of(y)
    found, predicted = [], np.empty(len(y))
    for held in folds(sample, seed):
        kept = rest(len(y), held)
        text = _lightgbm((x[kept], (y[kept] - mean) / scale), (x[held], (y[held] - mean) / scale))
        forest = _rescaled(read_lightgbm(text).forest, mean, scale)
        found.append(forest)
        predicted[held] = forest.predict_exact(x[held].astype(np.uint8))
    fitted = Forests(found, sample)
    fitted.calibration = from_residuals(y, predicted)
    return fitted


def _lightgbm(fit: tuple[Floats, Floats], held: tuple[Floats, Floats]) -> str:
    import lightgbm

    n = len(fit[1])
    params = {
        "objective": "regression",
        "learning_rate": 0.05 if n < 5000 else 0.1,
        "num_leaves": 31 if n >= 500 else 8,
        "min_data_in_leaf": max(1, min(20, n // 25)),
        "min_data_in_bin": 1,
        "feature_fraction": 0.7,
        "lambda_l2": 1e-3,
        "num_threads": 1,
        "deterministic": True,
        "force_col_wise": True,
        "verbosity": -1,
        "seed": 0,
        "feature_pre_filter": False,
    }
    train = lightgbm.Dataset(fit[0], fit[1], params=params)
    check = lightgbm.Dataset(held[0], held[1], reference=train, params=params)
    stop = lightgbm.early_stopping(_LIGHTGBM_PATIENCE, verbose=False)
    model = lightgbm.train(params, train, _LIGHTGBM_ROUNDS, valid_sets=[check], callbacks=[stop])
    text: str = model.model_to_string(num_iteration=model.best_iteration)
    return text


def _rescaled(forest: Forest, mean: float, scale: float) -> Forest:
    return replace(
        forest,
        value=np.asarray(forest.value, dtype=np.float64) * scale,
        base_score=forest.base_score * scale + mean,
    )


class Normals(Predictor):
    """Distributions that are the mean of those of several models of NGBoost."""

    def __init__(self, models: Sequence[Any], scale: tuple[float, float], sample: Sample) -> None:
        self.space = sample.space
        self.models = tuple(models)
        self.scale = scale

    def members(self, codes: NDArray[np.uint8]) -> Floats:
        """Return float64 [N, 2], of which mean and standard deviation are those predicted."""
        return two_members(*_mixture(self.models, features(codes, self.space), self.scale))

    def features(self) -> Encoder | None:
        """Return the columns, if the trees are not over codes."""
        return encoder_for(self.space)

    def normals(self) -> Sequence[tuple[Forest, Forest]]:
        """Return the models' trees, of the mean and of the logarithm of the std."""
        mean, scale = self.scale
        return [
            (
                _rescaled(_boosted(model, 0), mean, scale),
                _rescaled(_boosted(model, 1), float(np.log(scale)), 1.0),
            )
            for model in self.models
        ]


def fit_ngboost(sample: Sample, seed: int) -> Predictor:
    """Fit NGBoost with normal distributions.

    Up to 700 rows there are five members, each without a fold of its own, where it stops early;
    beyond there is one, for the time it takes, and the held fold is a tenth.
    """
    x, y = features(sample.codes, sample.space), sample.values
    mean, scale = scale_of(y)
    z = (y - mean) / scale
    parts = folds(sample, seed)
    if len(y) > _NGBOOST_ROWS:
        parts = folds(sample, seed, 10)[:1]
    models, rows, means, stds = [], [], [], []
    for held in parts:
        kept = rest(len(y), held)
        model = _ngboost((x[kept], z[kept]), (x[held], z[held]), seed)
        models.append(model)
        at, width = _mixture([model], x[held], (mean, scale))
        rows.append(held)
        means.append(at)
        stds.append(width)
    found = Normals(models, (mean, scale), sample)
    found.calibration = from_residuals(
        y[np.concatenate(rows)], np.concatenate(means), np.concatenate(stds)
    )
    return found


def _ngboost(fit: tuple[Floats, Floats], held: tuple[Floats, Floats], seed: int) -> Any:
    from ngboost import NGBRegressor
    from sklearn.tree import DecisionTreeRegressor

    n = len(fit[1])
    model = NGBRegressor(
        Base=DecisionTreeRegressor(
            criterion="friedman_mse",
            max_depth=3 if n < 2000 else 6,
            min_samples_leaf=max(1, min(10, n // 20)),
        ),
        n_estimators=_NGBOOST_ROUNDS,
        learning_rate=0.05,
        col_sample=0.7,
        random_state=seed % 2**32,
        verbose=False,
        natural_gradient=True,
        early_stopping_rounds=_NGBOOST_PATIENCE,
    )
    # It prints that it stops early.
    with (
        one_thread(),
        redirect_stdout(StringIO()),
        warnings.catch_warnings(),
        np.errstate(all="ignore"),
    ):
        warnings.simplefilter("ignore")
        return model.fit(fit[0], fit[1], X_val=held[0], Y_val=held[1])


def _boosted(model: Any, parameter: int) -> Forest:
    """Return the trees of one parameter of a distribution, as `NGBRegressor.pred_param` adds them.

    As there, a best round of 0 means all rounds.
    """
    rounds = model.best_val_loss_itr or len(model.base_models)
    trees = []
    for learners, scaling, columns in zip(
        model.base_models[:rounds], model.scalings, model.col_idxs, strict=False
    ):
        tree = learners[parameter].tree_
        leaf = tree.children_left == -1
        trees.append(
            Tree(
                feature=np.asarray(columns, np.int64)[np.where(leaf, 0, tree.feature)],
                # scikit-learn goes left if x <= threshold.
                threshold=np.where(leaf, 0, integer_threshold(tree.threshold)),
                left=tree.children_left.astype(np.int64),
                right=tree.children_right.astype(np.int64),
                value=np.where(leaf, tree.value[:, 0, 0] * -model.learning_rate * scaling, 0.0),
            )
        )
    start = float(model.init_params[parameter])
    return Forest.from_trees(
        trees, base_score=start, n_features=model.n_features, objective="ngboost"
    )


def _mixture(models: Sequence[Any], x: Floats, scale: tuple[float, float]) -> tuple[Floats, Floats]:
    """Return mean and standard deviation of the mean of the models' distributions."""
    found = [model.pred_dist(x, max_iter=model.best_val_loss_itr) for model in models]
    means = np.stack([one.params["loc"] for one in found])
    stds = np.stack([one.params["scale"] for one in found])
    mean = means.mean(axis=0)
    variance = (stds**2).mean(axis=0) + means.var(axis=0)
    return scale[0] + scale[1] * mean, scale[1] * np.sqrt(variance)
